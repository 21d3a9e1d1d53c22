/* Shows documents of one feed, in order, to parser and window, and prints the verdicts:
 *     replay [-n] FILE...    -n: without holding doubts back
 * One line an item: file, verdict, id, link, title, tab-separated; '?' stands before a
 * verdict that came only at the end of the document.  The window goes through its packed
 * form between documents. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "feed_parse.h"
#include "seen.h"

struct shown {
    struct seen_print print;
    enum seen_verdict verdict;
    char *text;
};

struct replay {
    struct seen_window *w;
    struct buf work;
    struct shown *shown;
    size_t n, cap;
    int32_t day;
};

static const char *const verdict_name[] = { "new", "known", "rekeyed", "updated",
                                            "doubt" };

static void put_field(struct buf *b, struct str s)
{
    (void)buf_putc(b, '\t');
    for (size_t i = 0; i < s.n; i++)
        (void)buf_putc(b, s.s[i] == '\t' || s.s[i] == '\n' ? ' ' : s.s[i]);
}

static int on_item(void *ctx, const struct item *item, const struct feed_info *info)
{
    struct replay *r = ctx;
    (void)info;

    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->shown = realloc(r->shown, r->cap * sizeof *r->shown);
        if (!r->shown)
            exit(1);
    }
    struct shown *s = &r->shown[r->n++];
    if (seen_print(&s->print, item, &r->work) < 0 ||
        seen_judge(r->w, &s->print, r->day, &s->verdict) < 0)
        return -ENOMEM;
    buf_clear(&r->work);
    put_field(&r->work, item->id);
    put_field(&r->work, item->link);
    put_field(&r->work, item->title);
    s->text = strdup(r->work.s);
    return 0;
}

static void parse(struct replay *r, const char *path)
{
    struct feed_parse_options opt = { .url = STR("https://example.org/feed") };
    struct feed_parse_result result;
    struct feed_parse *p = NULL;
    char bytes[16384];
    size_t n;
    FILE *f = fopen(path, "rb");

    if (!f || feed_parse_new(&p, &opt, on_item, r) < 0) {
        perror(path);
        exit(1);
    }
    while ((n = fread(bytes, 1, sizeof bytes, f)) > 0)
        (void)feed_parse_push(p, bytes, n);
    feed_parse_finish(p, &result);
    feed_parse_free(p);
    fclose(f);
}

static void print_verdicts(struct replay *r, const char *path)
{
    const char *slash = strrchr(path, '/');

    for (size_t i = 0; i < r->n; i++) {
        struct shown *s = &r->shown[i];
        const char *late = s->verdict == SEEN_DOUBT ? "?" : "";

        if (s->verdict == SEEN_DOUBT)
            s->verdict = seen_settle(r->w, &s->print, true);
        printf("%s\t%s%s%s\n", slash ? slash + 1 : path, late, verdict_name[s->verdict],
               s->text);
        free(s->text);
    }
    r->n = 0;
}

int main(int argc, char **argv)
{
    struct replay r = { .day = 20000 };
    struct buf packed;
    int first = 1, hold = 1;

    if (argc > 1 && !strcmp(argv[1], "-n")) {
        hold = 0;
        first = 2;
    }
    buf_init(&packed, 64 << 20);
    buf_init(&r.work, 16 << 20);
    for (int i = first; i < argc; i++) {
        if (seen_window_new(&r.w, packed.s, packed.n) < 0)
            return 1;
        if (hold)
            seen_window_hold(r.w);
        r.day += i % 10 == 0;
        parse(&r, argv[i]);
        print_verdicts(&r, argv[i]);
        (void)seen_window_prune(r.w, r.day, 90);
        buf_clear(&packed);
        if (seen_window_pack(r.w, &packed) < 0)
            return 1;
        seen_window_free(r.w);
    }
    buf_free(&packed);
    buf_free(&r.work);
    free(r.shown);
    return 0;
}
