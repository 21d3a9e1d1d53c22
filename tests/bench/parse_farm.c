/* The farm of bad feeds: real ones with bytes flipped, cut out, doubled, or spliced with
 * others, the same for the same seed.  Each has to be read within a second, whole and in
 * single bytes alike, and only clean text may come out; and a reader that passes over
 * the items it knows, of the feed before the damage and of this one, has to find the
 * same. Usage: parse_farm [--count=N] [--seed=N] FILE... */
#include <time.h>
#include "known_items.h"
#include "utf8.h"

enum { SIZE_MAX_KEPT = 64 << 10 };

static uint64_t state = 1;

static size_t below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return n ? (size_t)(state >> 33) % n : 0;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A piece of a feed that often begins and ends at a tag. */
static struct str piece(const struct file *f)
{
    size_t from = below(f->n), n = below(f->n - from + 1);

    if (below(2)) {
        const char *lt = memchr(f->s + from, '<', f->n - from);
        from = lt ? (size_t)(lt - f->s) : from;
        n = below(f->n - from + 1);
    }
    if (below(2))
        n = n < 400 ? n : below(400);
    return (struct str){ f->s + from, n };
}

/* `f` damaged in up to eight places. */
static void damage(struct buf *out, const struct file *f, const struct file *all,
                   size_t n)
{
    static const char *const token[] = { "<",    "&",        "]]>",          "<![CDATA[",
                                         "<!--", "</item>",  "<item>",       "<?x ",
                                         "\xFF", "\x80\x80", "&#x0;",        "<a b='",
                                         "'\">", "</rss>",   "\xEF\xBB\xBF", "<entry>" };
    size_t at = 0, places = 1 + below(8);

    buf_clear(out);
    for (size_t i = 0; i < places && at < f->n; i++) {
        size_t to = at + below((f->n - at) / (places - i) + 1);
        (void)buf_put(out, f->s + at, to - at);
        at = to;
        switch (below(6)) {
        case 0:
            for (size_t k = below(4) + 1; k && at < f->n; k--, at++)
                (void)buf_putc(out, (char)(f->s[at] ^ (1 << below(8))));
            break;
        case 1:
            at += piece(&(struct file){ .s = f->s, .n = f->n - at }).n;
            break;
        case 2:
            (void)buf_put_str(out, piece(f));
            break;
        case 3:
            (void)buf_put_str(out, piece(&all[below(n)]));
            break;
        case 4:
            (void)buf_puts(out, token[below(sizeof token / sizeof *token)]);
            break;
        default:
            if (below(4) == 0)
                at = f->n; /* the transfer broke off */
        }
    }
    if (at < f->n)
        (void)buf_put(out, f->s + at, f->n - at);
}

static size_t passed; /* items that were known by their bytes, in all */

/* Read `sound`, and then `doc` twice, by one that knows items. */
static const char *judge_known(struct str sound, struct str doc, const struct buf *want,
                               const struct feed_parse_result *result)
{
    static struct known known;
    static const size_t step[] = { 1, 7, 64, 4096, 1 << 20 };
    struct feed_parse_result r;
    const char *why = NULL;
    struct buf got;

    buf_init(&got, (size_t)64 << 20);
    int e = known_parse(&known, &got, &r, sound, 16384);
    for (int i = 0; i < 2 && e == 0 && !why; i++) {
        buf_clear(&got);
        e = known_parse(&known, &got, &r, doc, step[below(5)]);
        if (!str_eq(buf_str(&got), buf_str(want)) || !known_same(&r, result))
            why = i ? "knowing its items gives something else"
                    : "knowing the items of before gives something else";
    }
    passed += known.passed;
    known_forget(&known);
    buf_free(&got);
    return e ? "no memory" : why;
}

static const char *judge(struct str sound, struct str doc, double *slowest)
{
    struct feed_parse_result a, b;
    struct buf one, two;
    const char *why = NULL;

    buf_init(&one, (size_t)64 << 20);
    buf_init(&two, (size_t)64 << 20);
    double from = now_s();
    int r = known_parse(NULL, &one, &a, doc, 4096);
    double took = now_s() - from;
    *slowest = took > *slowest ? took : *slowest;
    r = r ? r : known_parse(NULL, &two, &b, doc, 1);
    if (r < 0)
        why = "no memory";
    else if (took > 1.0)
        why = "too slow";
    else if (a.status != b.status || a.items != b.items ||
             !str_eq(buf_str(&one), buf_str(&two)))
        why = "single bytes give something else";
    for (size_t i = 0, len; i < one.n && !why; i += len)
        if (utf8_get(one.s + i, one.n - i, &len) == UTF8_BAD || one.s[i] == '\0')
            why = "bad bytes came out";
    why = why ? why : judge_known(sound, doc, &one, &a);
    buf_free(&one);
    buf_free(&two);
    return why;
}

int main(int argc, char **argv)
{
    struct file *file = calloc((size_t)argc, sizeof *file);
    size_t n = 0, count = 10000, bad = 0, bytes = 0;
    double slowest = 0;
    struct buf doc;

    if (!file)
        return 2;
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "--count=", 8)) {
            count = strtoul(argv[i] + 8, NULL, 10);
        } else if (!strncmp(argv[i], "--seed=", 7)) {
            state = strtoul(argv[i] + 7, NULL, 10);
        } else if (file_read(&file[n], argv[i]) == 0 && file[n].n > 0) {
            file[n].n = file[n].n < SIZE_MAX_KEPT ? file[n].n : SIZE_MAX_KEPT;
            n++;
        }
    }
    buf_init(&doc, 1 << 20);
    for (size_t i = 0; i < count && n; i++) {
        uint64_t seed = state;
        damage(&doc, &file[i % n], file, n);
        const char *why =
            judge((struct str){ file[i % n].s, file[i % n].n }, buf_str(&doc), &slowest);
        bytes += doc.n;
        if (!why)
            continue;
        bad++;
        printf("%s, --seed=%llu: %s\n", file[i % n].name, (unsigned long long)seed, why);
        FILE *out = bad == 1 ? fopen("farm-bad.xml", "w") : NULL;
        if (out && doc.n)
            (void)fwrite(doc.s, 1, doc.n, out);
        if (out)
            (void)fclose(out);
    }
    printf(
        "farm: %zu bad feeds (%.0f MB) made of %zu, %zu misread; slowest %.3f s of CPU; "
        "%zu items known by their bytes\n",
        count, (double)bytes / 1e6, n, bad, slowest, passed);
    buf_free(&doc);
    for (size_t i = 0; i < n; i++)
        free(file[i].s);
    free(file);
    return bad != 0 || n == 0;
}
