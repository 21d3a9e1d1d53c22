/* How much of a feed need not be read because its items are known by their bytes: the
 * polls of each folder in turn, once read whole and once by a reader that knows what the
 * polls before had.  Both must come to the same.
 *     build/bench/bench_known FILE...      (sorted; a folder is a feed) */
#include <time.h>
#include "known_items.h"

struct sum {
    size_t polls, items, known, bad;
    double whole_us, known_us;
};

static struct known known;

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void put_line(const char *name, int n, const struct sum *s)
{
    double polls = (double)(s->polls ? s->polls : 1);

    printf("%-16.*s %4zu polls %6zu items, %5.1f %% known by their bytes; "
           "%7.1f us a poll instead of %7.1f\n",
           n, name, s->polls, s->items,
           100 * (double)s->known / (double)(s->items ? s->items : 1),
           s->known_us / polls, s->whole_us / polls);
}

static void add(struct sum *to, const struct sum *s)
{
    to->polls += s->polls;
    to->items += s->items;
    to->known += s->known;
    to->bad += s->bad;
    to->whole_us += s->whole_us;
    to->known_us += s->known_us;
}

static void poll_once(const struct file *f, struct sum *s)
{
    struct feed_parse_result a = { 0 }, b = { 0 };
    struct str doc = { f->s, f->n };
    struct buf whole, got;
    size_t before = known.passed;

    buf_init(&whole, (size_t)64 << 20);
    buf_init(&got, (size_t)64 << 20);
    double from = now_us();
    int r = known_parse(NULL, &whole, &a, doc, 16384);
    double middle = now_us();
    r = r ? r : known_parse(&known, &got, &b, doc, 16384);
    s->known_us += now_us() - middle;
    s->whole_us += middle - from;
    s->polls++;
    s->items += a.items;
    s->known += known.passed - before;
    if (r || !known_same(&a, &b) || !str_eq(buf_str(&whole), buf_str(&got))) {
        s->bad++;
        printf("%s: reads otherwise\n", f->name);
    }
    buf_free(&whole);
    buf_free(&got);
}

static int folder_n(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? (int)(slash - name) : 0;
}

static const char *short_name(const char *name, int *n)
{
    for (int i = *n; i > 0; i--)
        if (name[i - 1] == '/') {
            *n -= i;
            return name + i;
        }
    return name;
}

static void end_feed(const char *name, struct sum *s, struct sum *all)
{
    int n = folder_n(name);
    const char *folder = short_name(name, &n);

    put_line(folder, n, s);
    add(all, s);
    *s = (struct sum){ 0 };
    known_forget(&known);
}

int main(int argc, char **argv)
{
    struct sum one = { 0 }, all = { 0 };

    for (int i = 1; i < argc; i++) {
        struct file f;
        int n = folder_n(argv[i]);
        if (i > 1 &&
            (folder_n(argv[i - 1]) != n || memcmp(argv[i - 1], argv[i], (size_t)n) != 0))
            end_feed(argv[i - 1], &one, &all);
        if (file_read(&f, argv[i]) < 0)
            continue;
        poll_once(&f, &one);
        free(f.s);
    }
    if (argc > 1)
        end_feed(argv[argc - 1], &one, &all);
    put_line("all", 3, &all);
    return all.bad != 0 || all.polls == 0;
}
