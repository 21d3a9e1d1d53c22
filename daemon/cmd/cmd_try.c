/* Trying a rule on the items of feed files: what match and explain share. */
#include "cmd_try.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cmd_print.h"

bool try_options(struct try_options *o, const char *command, const char *usage, int argc,
                 char **argv, int *status)
{
    static const struct option known[] = {
        { "json", no_argument, NULL, 'j' }, /* first, to be left out */
        { "feed", required_argument, NULL, 'f' },
        { "group", required_argument, NULL, 'g' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    bool json = o->json;
    int c;

    o->json = false;
    *status = TRY_ERROR;
    while ((c = getopt_long(argc, argv, json ? "+jf:g:h" : "+f:g:h",
                            json ? known : known + 1, NULL)) != -1) {
        if (c == 'f') {
            o->feed.feed = optarg;
        } else if (c == 'g') {
            o->feed.group = optarg;
        } else if (c == 'j') {
            o->json = true;
        } else if (c == 'h') {
            fputs(usage, stdout);
            *status = 0;
            return false;
        } else {
            fprintf(stderr, "Try 'feedwatch %s --help'.\n", command);
            return false;
        }
    }
    return true;
}

int try_put(struct buf *b)
{
    int r = b->error;

    if (r == 0 && fwrite(b->s, 1, b->n, stdout) != b->n)
        r = -EIO;
    buf_free(b);
    return r;
}

int try_status(const char *command, bool bad, int error, unsigned long matched)
{
    if (error)
        fprintf(stderr, "feedwatch %s: %s\n", command, strerror(-error));
    if (bad || error || fflush(stdout) || ferror(stdout))
        return TRY_ERROR;
    return matched ? TRY_SOME : TRY_NONE;
}

struct rule *try_rule(const char *command, const char *text)
{
    return try_rule_in(command, text, NULL, 0);
}

struct rule *try_rule_in(const char *command, const char *text,
                         const struct rule_set *sets, size_t n_sets)
{
    struct rule_error bad;
    struct rule *rule;
    struct buf b;
    int r = rule_parse(&rule, str_of(text), sets, n_sets, &bad);

    if (r == -EINVAL) {
        buf_init(&b, 4096);
        (void)rule_error_show(&b, str_of(text), &bad);
        fprintf(stderr, "feedwatch %s: %s\n%s", command, bad.what, b.s ? b.s : "");
        buf_free(&b);
        return NULL;
    }
    if (r < 0) {
        fprintf(stderr, "feedwatch %s: %s\n", command, strerror(-r));
        return NULL;
    }
    for (char **w = rule->warning; w && *w; w++) {
        fprintf(stderr, "feedwatch %s: hint: ", command);
        print_safe(stderr, str_of(*w));
        fputc('\n', stderr);
    }
    return rule;
}

const char *try_field_name(unsigned field)
{
    static const char *const name[MATCH_FIELDS] = {
        "title", "summary", "content", "author", "category",
        "link",  "site",    "feed",    "group",  "lang",
    };
    return field < MATCH_FIELDS ? name[field] : "";
}

int try_push(struct feed_parse *p, int fd, size_t chunk)
{
    char bytes[TRY_CHUNK];

    for (;;) {
        ssize_t n = read(fd, bytes, chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0 || feed_parse_push(p, bytes, (size_t)n) < 0)
            return 0;
    }
}

static int judge(const char *command, const char *path, const struct feed_parse_result *r)
{
    switch (r->status) {
    case FEED_WHOLE:
    case FEED_STOPPED:
        return 0;
    case FEED_BROKEN:
    case FEED_OVER_LIMIT:
        fprintf(stderr, "feedwatch %s: %s: %s; its first %lu items were read\n", command,
                path, r->why, r->items);
        return 0;
    case FEED_NOT_A_FEED:
    case FEED_EMPTY_BODY:
    case FEED_NO_MEMORY:
        fprintf(stderr, "feedwatch %s: %s: %s%s%s\n", command, path,
                feed_status_name(r->status), r->why[0] ? ": " : "", r->why);
        return -1;
    }
    return -1;
}

int try_file(const char *command, const char *path, feed_item_fn *on_item, void *ctx)
{
    struct feed_parse_options opt = { .url = { NULL, 0 } };
    struct feed_parse_result result;
    struct feed_parse *p = NULL;
    int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    int r = fd < 0 ? -errno : feed_parse_new(&p, &opt, on_item, ctx);

    if (r == 0)
        r = try_push(p, fd, TRY_CHUNK);
    if (r == 0)
        feed_parse_finish(p, &result);
    feed_parse_free(p);
    if (fd > STDIN_FILENO)
        (void)close(fd);
    if (r == 0)
        return judge(command, path, &result);
    fprintf(stderr, "feedwatch %s: %s: %s\n", command, path, strerror(-r));
    return -1;
}

int try_compile(struct try_rules *out, const char *command,
                const struct match_rule *rules, size_t n)
{
    struct buf why;

    *out = (struct try_rules){ 0 };
    buf_init(&why, 1024);
    int r = match_set_new(&out->set, rules, n, &why, NULL);
    if (r == 0)
        r = match_scratch_new(&out->scratch);
    if (r < 0) {
        fprintf(stderr, "feedwatch %s: %s\n", command, why.s ? why.s : strerror(-r));
        try_free(out);
    }
    buf_free(&why);
    return r;
}

void try_free(struct try_rules *t)
{
    match_scratch_free(t->scratch);
    match_set_free(t->set);
    *t = (struct try_rules){ 0 };
}
