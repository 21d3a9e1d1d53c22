/* Real feeds to items of about 150 words for the benchmarks. */
#include "bench_items.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "feed_parse.h"
#include "text.h"

struct reader {
    struct bench_items *b;
    struct text text;
    uint64_t *seen; /* hashes of texts that we have */
    size_t seen_n;
    size_t max;
    struct buf title, body; /* of the item in the making */
    unsigned words;
};

static struct reader *reading; /* nftw passes no context */

uint32_t bench_below(uint64_t *seed, uint32_t n)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (uint32_t)((*seed >> 32) * n >> 32);
}

double bench_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int is_new(struct reader *r, struct str s)
{
    uint64_t h = text_hash(s.s, s.n);

    for (size_t i = h & (r->seen_n - 1);; i = (i + 1) & (r->seen_n - 1)) {
        if (r->seen[i] == h)
            return 0;
        if (r->seen[i] == 0) {
            r->seen[i] = h;
            return 1;
        }
    }
}

static struct str keep(struct str s)
{
    char *p = malloc(s.n + 1);

    if (!p)
        abort();
    memcpy(p, s.s ? s.s : "", s.n);
    p[s.n] = '\0';
    return (struct str){ p, s.n };
}

static void finish_item(struct reader *r)
{
    struct bench_items *b = r->b;

    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 1024;
        b->item = realloc(b->item, b->cap * sizeof *b->item);
        if (!b->item)
            abort();
    }
    b->item[b->n++] = (struct match_input){ .title = keep(buf_str(&r->title)),
                                            .summary = keep(buf_str(&r->body)) };
    b->bytes += r->title.n + r->body.n;
    buf_clear(&r->title);
    buf_clear(&r->body);
    r->words = 0;
}

/* Add a text to the item in the making, cut where it has its 150 words. */
static void add_text(struct reader *r, struct buf *to, struct str s)
{
    if (s.n == 0 || r->words >= BENCH_WORDS || !is_new(r, s))
        return;
    text_clear(&r->text);
    if (text_add(&r->text, s) < 0)
        abort();
    size_t left = BENCH_WORDS - r->words;
    if (r->text.n > left) {
        const struct text_token *last = &r->text.tokens[left - 1];
        s.n = last->src_off + last->src_len;
    }
    r->words += (unsigned)(r->text.n < left ? r->text.n : left);
    if (to->n)
        buf_putc(to, ' ');
    buf_put_str(to, s);
}

static int on_item(void *ctx, const struct item *it, const struct feed_info *info)
{
    struct reader *r = ctx;

    (void)info;
    if (r->b->n >= r->max)
        return 1;
    add_text(r, r->title.n ? &r->body : &r->title, it->title);
    add_text(r, &r->body, it->summary);
    add_text(r, &r->body, it->content);
    if (r->words >= BENCH_WORDS)
        finish_item(r);
    return 0;
}

static void read_feed(struct reader *r, const char *path)
{
    struct feed_parse_options opt = { .url = { NULL, 0 } };
    struct feed_parse_result result;
    struct feed_parse *p;
    static char bytes[1 << 16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return;
    if (feed_parse_new(&p, &opt, on_item, r) < 0)
        abort();
    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        if (feed_parse_push(p, bytes, (size_t)n) < 0)
            break;
    feed_parse_finish(p, &result);
    feed_parse_free(p);
    close(fd);
    buf_clear(&r->title); /* an item is made of one feed only */
    buf_clear(&r->body);
    r->words = 0;
}

static int on_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    size_t n = strlen(path);

    (void)st;
    (void)ftw;
    if (type == FTW_F && n > 4 && strcmp(path + n - 4, ".xml") == 0)
        read_feed(reading, path);
    return reading->b->n >= reading->max;
}

/* --- words by frequency ------------------------------------------------------------ */

static uint32_t *slots;
static size_t slots_n;

static uint32_t word_of(struct bench_items *b, struct str folded)
{
    size_t i = text_hash(folded.s, folded.n) & (slots_n - 1);

    for (; slots[i]; i = (i + 1) & (slots_n - 1))
        if (str_eq(b->words[slots[i] - 1].text, folded))
            return slots[i] - 1;
    b->words[b->n_words] = (struct bench_word){ keep(folded), 0 };
    slots[i] = (uint32_t)++b->n_words;
    return slots[i] - 1;
}

static int commoner(const void *a, const void *b)
{
    const struct bench_word *x = a, *y = b;
    return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

static void count_words(struct bench_items *b)
{
    struct text t = { 0 };

    b->tokens_cap = b->n * (BENCH_WORDS + 1);
    b->token = malloc(b->tokens_cap * sizeof *b->token);
    b->word = malloc(b->tokens_cap * sizeof *b->word);
    b->words = malloc(b->tokens_cap * sizeof *b->words);
    for (slots_n = 1024; slots_n < b->tokens_cap * 2; slots_n *= 2)
        ;
    slots = calloc(slots_n, sizeof *slots);
    if (!b->token || !b->word || !b->words || !slots)
        abort();
    for (size_t i = 0; i < b->n; i++) {
        const struct str text[] = { b->item[i].title, b->item[i].summary };
        for (int k = 0; k < 2; k++) {
            text_clear(&t);
            if (text_add(&t, text[k]) < 0)
                abort();
            for (size_t j = 0; j < t.n && b->n_tokens < b->tokens_cap; j++) {
                uint32_t w = word_of(b, text_folded(&t, &t.tokens[j]));
                b->words[w].count++;
                b->word[b->n_tokens] = w;
                b->token[b->n_tokens++] =
                    (struct str){ text[k].s + t.tokens[j].src_off, t.tokens[j].src_len };
            }
        }
    }
    text_done(&t);
}

/* Rank the words and renumber those of the tokens. */
static void rank_words(struct bench_items *b)
{
    struct bench_word *old = malloc(b->n_words * sizeof *old);
    uint32_t *rank = malloc(b->n_words * sizeof *rank);

    if (!old || !rank)
        abort();
    memcpy(old, b->words, b->n_words * sizeof *old);
    qsort(b->words, b->n_words, sizeof *b->words, commoner);
    memset(slots, 0, slots_n * sizeof *slots);
    for (size_t i = 0; i < b->n_words; i++) {
        size_t k = text_hash(b->words[i].text.s, b->words[i].text.n) & (slots_n - 1);
        while (slots[k])
            k = (k + 1) & (slots_n - 1);
        slots[k] = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < b->n_words; i++)
        rank[i] = word_of(b, old[i].text);
    for (size_t i = 0; i < b->n_tokens; i++)
        b->word[i] = rank[b->word[i]];
    free(old);
    free(rank);
    free(slots);
}

int bench_items_read(struct bench_items *b, const char *dir, size_t max)
{
    struct reader r = { .b = b, .max = max, .seen_n = 1 << 20 };

    r.seen = calloc(r.seen_n, sizeof *r.seen);
    if (!r.seen)
        return -ENOMEM;
    buf_init(&r.title, 1 << 20);
    buf_init(&r.body, 1 << 20);
    reading = &r;
    (void)nftw(dir, on_file, 32, FTW_PHYS);
    buf_free(&r.title);
    buf_free(&r.body);
    text_done(&r.text);
    free(r.seen);
    if (b->n == 0)
        return -ENOENT;
    count_words(b);
    rank_words(b);
    return 0;
}
