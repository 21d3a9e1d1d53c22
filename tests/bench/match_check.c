/* Checks the matcher on real items: random rules, many of their words taken from the
 * items, must give the same hits and spans as the slow reference.
 *     match_check DIR [PAIRS]      DIR: what tools/unpack laid out */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../unit/match_random.h"
#include "feed_parse.h"
#include "text.h"

enum {
    RULES = 250,    /* an item */
    CONTENT = 3000, /* bytes of a text that are kept: the reference is slow */
    EACH_FEED = 6,  /* items taken of one feed, so that many feeds are seen */
    FEEDS_MAX = 4000,
};

struct check {
    size_t pairs, items, hits, limit;
    size_t multibyte; /* items that are mostly not ASCII */
    struct source random;
    unsigned of_this_feed;
    int wrong;
};

static struct check check;
static char *feed[FEEDS_MAX];
static size_t n_feeds;

static struct str cut(struct str s)
{
    size_t n = s.n < CONTENT ? s.n : CONTENT;

    while (n < s.n && n > 0 && ((unsigned char)s.s[n] & 0xC0) == 0x80)
        n--;
    return (struct str){ s.s, n };
}

/* The words of a text as they are written, and pieces of some of them. */
static size_t add_words(struct str *to, size_t n, size_t max, struct str s)
{
    static struct text t;

    text_clear(&t);
    if (text_add(&t, s) < 0)
        abort();
    for (size_t i = 0; i < t.n && n < max; i++) {
        const struct text_token *k = &t.tokens[i];
        const struct text_token *last = t.n - i > 2 && i % 5 == 0 ? k + 1 : k;
        to[n++] =
            (struct str){ s.s + k->src_off, last->src_off + last->src_len - k->src_off };
    }
    return n;
}

static int is_multibyte(struct str s)
{
    size_t high = 0;

    for (size_t i = 0; i < s.n; i++)
        high += (unsigned char)s.s[i] >> 7;
    return high > s.n / 2;
}

static void compare(const struct match_input *in)
{
    static char memory[4 << 20];
    static struct str word[4000];
    struct arena a = { memory, 0, sizeof memory };
    struct words words = { word, 0 };
    struct match_rule rules[RULES];
    uint64_t seed = check.random.state;

    words.n = add_words(word, words.n, 1000, in->title);
    words.n = add_words(word, words.n, 2000, in->summary);
    words.n = add_words(word, words.n, 3000, in->content);
    words.n = add_words(word, words.n, 3500, in->link);
    for (size_t i = 0; i < in->n_categories; i++)
        words.n = add_words(word, words.n, 4000, in->categories[i]);
    for (uint32_t i = 0; i < RULES; i++)
        rules[i] = (struct match_rule){ i, random_rule(&check.random, &a, &words) };
    if (compare_all(rules, RULES, in, &check.hits)) {
        fprintf(stderr, "seed %llu, title: %.*s\nlink: %.*s\n", (unsigned long long)seed,
                (int)in->title.n, in->title.s, (int)in->link.n, in->link.s);
        check.wrong = 1;
    }
    check.pairs += RULES;
    check.items++;
    check.multibyte += (size_t)is_multibyte(in->title.n ? in->title : in->summary);
}

static int on_item(void *ctx, const struct item *item, const struct feed_info *info)
{
    struct match_input in = match_input_of(item, "Kyiv Post", "world", info->lang);

    (void)ctx;
    if (check.of_this_feed++ >= EACH_FEED || check.pairs >= check.limit)
        return 1;
    in.title = cut(in.title);
    in.summary = cut(in.summary);
    in.content = cut(in.content);
    compare(&in);
    return check.wrong;
}

static void read_feed(const char *path)
{
    struct feed_parse_options opt = { .url = STR("http://news.example.org/feed") };
    struct feed_parse_result result;
    struct feed_parse *p;
    static char bytes[1 << 16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0 || feed_parse_new(&p, &opt, on_item, NULL) < 0)
        abort();
    check.of_this_feed = 0;
    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        if (feed_parse_push(p, bytes, (size_t)n) < 0)
            break;
    feed_parse_finish(p, &result);
    feed_parse_free(p);
    close(fd);
}

static int on_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    size_t n = strlen(path);

    (void)st;
    (void)ftw;
    if (type != FTW_F || n_feeds == FEEDS_MAX)
        return 0;
    if (n > 5 && (!strcmp(path + n - 4, ".xml") || !strcmp(path + n - 5, ".json")))
        feed[n_feeds++] = strdup(path);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
    check.limit = argc > 2 ? strtoul(argv[2], NULL, 10) : 400000;
    check.random.state = 0x853c49e6748fea9b;
    if (argc > 1)
        (void)nftw(argv[1], on_file, 32, FTW_PHYS);
    qsort(feed, n_feeds, sizeof *feed, by_name);
    for (size_t k = 0; k < 61 && !check.wrong; k++) /* scattered over all sources */
        for (size_t i = k; i < n_feeds && !check.wrong && check.pairs < check.limit;
             i += 61)
            read_feed(feed[i]);
    for (size_t i = 0; i < n_feeds; i++)
        free(feed[i]);
    if (check.pairs == 0) {
        fprintf(stderr, "match_check: no feeds under %s: is FEEDWATCH_SHARED right?\n",
                argc < 2 ? "(nothing)" : argv[1]);
        return 2;
    }
    printf(
        "check-match: %zu pairs of a rule and a real item, %zu hits; %zu items, %zu of "
        "them not in Latin letters\n",
        check.pairs, check.hits, check.items, check.multibyte);
    return check.wrong;
}
