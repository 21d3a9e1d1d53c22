/* How fast is the parser?  Clean feeds through all of it in 16 KiB chunks beside bare
 * Expat with empty handlers, then the feeds that need repairs, in one run; and the memory
 * that a feed costs.  Usage: parse_bench [--rounds=N] FILE... */
#include <expat.h>
#include <malloc.h>
#include <time.h>
#include "feed_files.h"

enum { CHUNK = 16 << 10, ROUNDS_MAX = 99 };

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void XMLCALL on_start(void *ctx, const char *name, const char **atts)
{
    (void)ctx;
    (void)name;
    (void)atts;
}
static void XMLCALL on_end(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
}
static void XMLCALL on_text(void *ctx, const char *s, int n)
{
    (void)ctx;
    (void)s;
    (void)n;
}

static int run_expat(const struct file *f)
{
    XML_Parser p = XML_ParserCreate(NULL);
    int ok = 1;

    XML_SetElementHandler(p, on_start, on_end);
    XML_SetCharacterDataHandler(p, on_text);
    for (size_t i = 0; i < f->n && ok; i += CHUNK) {
        size_t n = f->n - i < CHUNK ? f->n - i : CHUNK;
        ok = XML_Parse(p, f->s + i, (int)n, i + n == f->n) == XML_STATUS_OK;
    }
    XML_ParserFree(p);
    return ok;
}

struct seen { /* so that no work is optimised away */
    size_t bytes, items;
};

static int on_item(void *ctx, const struct item *it, const struct feed_info *info)
{
    struct seen *s = ctx;

    (void)info;
    s->items++;
    s->bytes += it->title.n + it->summary.n + it->content.n;
    return 0;
}

static struct feed_parse_result run_ours(const struct file *f, struct seen *seen)
{
    struct feed_parse_options opt = { .url = STR("http://example.org/feed") };
    struct feed_parse_result r = { .status = FEED_NO_MEMORY };
    struct feed_parse *p = NULL;

    if (feed_parse_new(&p, &opt, on_item, seen) < 0)
        return r;
    for (size_t i = 0; i < f->n; i += CHUNK)
        if (feed_parse_push(p, f->s + i, f->n - i < CHUNK ? f->n - i : CHUNK) < 0)
            break;
    feed_parse_finish(p, &r);
    feed_parse_free(p);
    return r;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *t, unsigned n)
{
    qsort(t, n, sizeof *t, by_value);
    return t[n / 2];
}

struct group {
    const char *name;
    struct file *file;
    size_t n, bytes;
    double ours[ROUNDS_MAX], expat[ROUNDS_MAX];
};

static void measure(struct group *g, unsigned round, struct seen *seen)
{
    double from = now_s();
    for (size_t i = 0; i < g->n; i++)
        (void)run_ours(&g->file[i], seen);
    g->ours[round] = now_s() - from;
    from = now_s();
    for (size_t i = 0; i < g->n; i++)
        (void)run_expat(&g->file[i]);
    g->expat[round] = now_s() - from;
}

/* The most memory that parsing one of the files took, above what was in use before. */
static size_t peak(const struct file *f)
{
    struct feed_parse_options opt = { .url = STR("http://example.org/feed") };
    struct feed_parse_result r;
    struct feed_parse *p = NULL;
    struct seen seen = { 0, 0 };
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, most = 0;

    if (feed_parse_new(&p, &opt, on_item, &seen) < 0)
        return 0;
    for (size_t i = 0; i < f->n; i += CHUNK) {
        if (feed_parse_push(p, f->s + i, f->n - i < CHUNK ? f->n - i : CHUNK) < 0)
            break;
        size_t in_use = mallinfo2().uordblks + mallinfo2().hblkhd - before;
        most = in_use > most ? in_use : most;
    }
    feed_parse_finish(p, &r);
    feed_parse_free(p);
    return most;
}

int main(int argc, char **argv)
{
    struct group clean = { .name = "clean" }, mended = { .name = "repaired" };
    struct seen seen = { 0, 0 };
    unsigned rounds = 9;
    size_t most = 0;
    const char *biggest = "";

    clean.file = calloc((size_t)argc, sizeof *clean.file);
    mended.file = calloc((size_t)argc, sizeof *mended.file);
    if (!clean.file || !mended.file)
        return 1;
    for (int i = 1; i < argc; i++) {
        struct file f;
        if (!strncmp(argv[i], "--rounds=", 9)) {
            rounds = (unsigned)strtoul(argv[i] + 9, NULL, 10);
            rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
            continue;
        }
        if (file_read(&f, argv[i]) < 0)
            return 1;
        struct feed_parse_result r = run_ours(&f, &seen);
        size_t m = peak(&f);
        if (m > most) {
            most = m;
            biggest = f.name;
        }
        struct group *g = r.wellformed && run_expat(&f) ? &clean : &mended;
        g->file[g->n++] = f;
        g->bytes += f.n;
    }
    for (unsigned i = 0; i < rounds; i++) {
        measure(&clean, i, &seen);
        measure(&mended, i, &seen);
    }
    double ours = (double)clean.bytes / 1e6 / median(clean.ours, rounds);
    double expat = (double)clean.bytes / 1e6 / median(clean.expat, rounds);
    double rep = (double)mended.bytes / 1e6 / median(mended.ours, rounds);
    printf("%zu clean feeds, %.1f MB, %d KiB chunks, median of %u rounds\n", clean.n,
           (double)clean.bytes / 1e6, CHUNK >> 10, rounds);
    printf("  bare Expat, empty handlers  %7.1f MB/s\n", expat);
    printf("  feed_parse, items and text  %7.1f MB/s   %.2f of bare Expat (goal 0.60)\n",
           ours, ours / expat);
    printf("%zu repaired feeds, %.1f MB\n", mended.n, (double)mended.bytes / 1e6);
    printf("  feed_parse                  %7.1f MB/s   %.2f of clean ones (goal 0.50)\n",
           rep, rep / ours);
    printf("most memory for one feed: %.2f MiB (%s; goal 4)\n", (double)most / 1048576,
           biggest);
    return 0;
}
