/* What identity and the store cost: make bench-store, or build/tests/bench_store [DIR].
 * DIR (default: the current folder) should lie on the disk that counts. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "store.h"

static char dir[200];

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(-r));
    exit(1);
}

static int drop_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
    (void)st, (void)what, (void)at;
    return remove(path);
}

static long long size_of(const char *name)
{
    char path[300];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &st) == 0 ? (long long)st.st_size : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_times(const char *what, double *t, size_t n, double per)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += t[i];
    qsort(t, n, sizeof *t, by_value);
    printf("%-34s %9.0f /s   p50 %6.2f ms  p99 %6.2f ms  max %6.2f ms\n", what,
           (double)n * per / sum, t[n / 2] * 1e3, t[n * 99 / 100] * 1e3, t[n - 1] * 1e3);
}

/* Commits in whose course the file itself was written are those with a checkpoint. */
struct checkpoints {
    struct timespec last;
    double *t;
    size_t n;
};

static void note_checkpoint(struct checkpoints *c, double seconds)
{
    char path[300];
    struct stat st;

    snprintf(path, sizeof path, "%s/feedwatch.db", dir);
    if (stat(path, &st) < 0)
        return;
    if (c->last.tv_sec &&
        (st.st_mtim.tv_sec != c->last.tv_sec || st.st_mtim.tv_nsec != c->last.tv_nsec))
        c->t[c->n++] = seconds;
    c->last = st.st_mtim;
}

static void print_checkpoints(struct checkpoints *c, double per)
{
    if (c->n)
        print_times("  of these with a checkpoint", c->t, c->n, per);
    free(c->t);
}

static struct store *fresh_store(void)
{
    struct store *s = NULL;
    struct buf why;

    (void)nftw(dir, drop_one, 8, FTW_DEPTH | FTW_PHYS);
    buf_init(&why, 1000);
    int r = store_open(&s, dir, STORE_WRITE, &why);
    if (r < 0)
        fprintf(stderr, "%s\n", why.s ? why.s : "");
    must(r, "open");
    buf_free(&why);
    return s;
}

static int64_t *bind_feeds(struct store *s, int n)
{
    int64_t *id = calloc((size_t)n, sizeof *id);
    double began = now_s();

    if (!id)
        exit(1);
    must(store_begin(s), "begin");
    for (int i = 0; i < n; i++) {
        struct store_feed f;
        char name[30], url[60];

        snprintf(name, sizeof name, "feed%d", i);
        snprintf(url, sizeof url, "https://example.org/feed/%d", i);
        must(store_feed_bind(s, name, url, &f), "bind");
        id[i] = f.id;
        store_feed_done(&f);
    }
    must(store_end(s), "end");
    if (n > 100)
        printf("bind %d feeds: %.0f ms\n", n, (now_s() - began) * 1e3);
    return id;
}

static void bench_alerts(size_t batch, size_t rounds)
{
    struct store *s = fresh_store();
    int64_t *feed = bind_feeds(s, 1);
    struct alert *a = calloc(batch, sizeof *a);
    struct seen_key *key = calloc(batch, sizeof *key);
    double *t = calloc(rounds, sizeof *t);
    struct checkpoints c = { .t = calloc(rounds, sizeof *c.t) };
    char what[60];

    if (!c.t || !a || !key || !t)
        exit(1);
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < batch; i++) {
            key[i] = (struct seen_key){ (r * batch + i) * 0x9E3779B97F4A7C15, r };
            a[i] = (struct alert){
                .id = "00112233445566778899aabbccddeeff",
                .watch = STR("summit"),
                .feed = STR("kyivpost"),
                .title = STR("A title of usual length: something happened somewhere"),
                .link = STR("https://www.example.org/2026/11/24/politics/a-story.html"),
                .item_id = STR("https://www.example.org/?p=1234567"),
                .snippet =
                    STR("... and a snippet of about a hundred and fifty bytes, which "
                        "shows the words that matched, Putin and Xi, amid others"),
                .matched = STR("Putin\nXi\n"),
                .spans = STR("t12+5 t22+2 s80+5 s90+2 "),
                .author = STR("Jane Writer"),
                .rule = STR("(Putin AND Xi)"),
                .rule_hash = 77,
                .time_ms = 1795491793123 + (int64_t)r,
                .fetched_ms = 1795491793000,
                .generation = 3,
            };
        }
        struct store_change change = {
            .feed_id = feed[0], .alert_keys = key, .alerts = a, .n_alerts = batch
        };
        struct store_change *all[] = { &change };
        double began = now_s();
        must(store_commit(s, all, 1, NULL, 0), "commit");
        t[r] = now_s() - began;
        note_checkpoint(&c, t[r]);
    }
    snprintf(what, sizeof what, "alerts in batches of %zu", batch);
    print_times(what, t, rounds, (double)batch);
    print_checkpoints(&c, (double)batch);
    store_close(s);
    printf("%34s %9lld bytes an alert\n", "",
           size_of("feedwatch.db") / (long long)(batch * rounds));
    free(a), free(key), free(t), free(feed);
}

static void next_document(struct seen_window **w)
{
    struct buf packed;

    buf_init(&packed, 64 << 20);
    seen_window_prune(*w, 20000, 90);
    must(seen_window_pack(*w, &packed), "pack");
    seen_window_free(*w);
    must(seen_window_new(w, packed.s, packed.n), "window");
    buf_free(&packed);
}

#define LISTED 50 /* items of a document; the others of a window are older */

/* A window of `n` made-up items. */
static void make_window(struct buf *out, size_t n, uint64_t salt)
{
    struct seen_window *w = NULL;

    must(seen_window_new(&w, NULL, 0), "window");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t h = (i + 1 + salt * n) * 0x9E3779B97F4A7C15;
        struct seen_print p = {
            { h, h }, h >> 16, h >> 8 << 32 | (h & 0xFFFFFF), 7, false
        };
        enum seen_verdict v;

        if (i + LISTED == n)
            next_document(&w);
        must(seen_judge(w, &p, 20000, &v), "judge");
        if (i + LISTED >= n)
            seen_remember_bytes(w, &p, h | 1, 1700000000);
    }
    buf_clear(out);
    must(seen_window_pack(w, out), "pack");
    seen_window_free(w);
}

static void bench_windows(int feeds, size_t items, size_t rounds, size_t together)
{
    struct store *s = fresh_store();
    int64_t *feed = bind_feeds(s, feeds);
    double *t = calloc(rounds, sizeof *t);
    struct checkpoints c = { .t = calloc(rounds, sizeof *c.t) };
    struct store_feed state = { .etag = (char *)(uintptr_t) "\"5e8f-5a3c\"" };
    struct store_change change[16], *all[16];
    struct buf w, copy[16];
    char what[80];

    if (!t || !c.t)
        exit(1);
    buf_init(&w, 64 << 20);
    make_window(&w, items, 1);
    for (size_t i = 0; i < together; i++) {
        buf_init(&copy[i], 64 << 20);
        must(buf_put_str(&copy[i], buf_str(&w)), "copy");
    }
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < together; i++) {
            size_t at = r * together + i;
            int64_t id = feed[at % (size_t)feeds];
            memcpy(copy[i].s + 20, &at,
                   sizeof at); /* SQLite leaves what is the same alone */
            change[i] = (struct store_change){ .feed_id = id,
                                               .window = buf_str(&copy[i]),
                                               .feed = &state };
            all[i] = &change[i];
        }
        double began = now_s();
        must(store_commit(s, all, together, NULL, 0), "commit");
        t[r] = now_s() - began;
        note_checkpoint(&c, t[r]);
    }
    snprintf(what, sizeof what, "windows of %zu items, %zu a commit", items, together);
    print_times(what, t, rounds, (double)together);
    print_checkpoints(&c, (double)together);
    store_close(s);
    if ((size_t)feeds * items >= 1000000)
        printf("%34s %9zu seen items take %lld MB\n", "", (size_t)feeds * items,
               size_of("feedwatch.db") / 1000000);
    printf("%34s %9.0f bytes a feed, %.1f an item\n", "",
           (double)size_of("feedwatch.db") / feeds,
           (double)size_of("feedwatch.db") / feeds / (double)items);
    for (size_t i = 0; i < together; i++)
        buf_free(&copy[i]);
    buf_free(&w);
    free(t), free(feed);
}

static void bench_judging(size_t entries)
{
    struct buf packed;
    double load = 1e9, judge = 1e9, pack = 1e9;
    size_t bytes = 0;

    buf_init(&packed, 64 << 20);
    for (int again = 0; again < 20; again++) {
        struct seen_window *w = NULL;

        make_window(&packed, entries, 1);
        bytes = packed.n;
        double a = now_s();
        must(seen_window_new(&w, packed.s, packed.n), "window");
        double b = now_s();
        for (uint64_t i = 0; i < 100; i++) { /* a third of them new */
            uint64_t h = (i % 3 ? i + 1 + entries : i + 99999999) * 0x9E3779B97F4A7C15;
            struct seen_print p = { { h, h }, h >> 16, h >> 8 << 32 | 5, 7, false };
            enum seen_verdict v;
            must(seen_judge(w, &p, 20001, &v), "judge");
        }
        double c = now_s();
        seen_window_prune(w, 20001, 90);
        buf_clear(&packed);
        must(seen_window_pack(w, &packed), "pack");
        double d = now_s();
        load = b - a < load ? b - a : load;
        judge = c - b < judge ? c - b : judge;
        pack = d - c < pack ? d - c : pack;
        seen_window_free(w);
    }
    printf("window of %6zu: %8zu bytes, load %.3f ms, judge 100 items %.3f ms, prune and "
           "pack %.3f ms\n",
           entries, bytes, load * 1e3, judge * 1e3, pack * 1e3);
    buf_free(&packed);
}

static void bench_opening(void)
{
    struct store *s = NULL;
    struct buf why;
    double began = now_s();

    buf_init(&why, 1000);
    must(store_open(&s, dir, STORE_WRITE, &why), "open");
    printf("open a store of %lld MB, with its check: %.0f ms\n",
           size_of("feedwatch.db") >> 20, (now_s() - began) * 1e3);
    store_close(s);
    buf_free(&why);
}

int main(int argc, char **argv)
{
    snprintf(dir, sizeof dir, "%s/bench-store.tmp", argc > 1 ? argv[1] : ".");
    for (size_t n = 100; n <= 100000; n *= 10)
        bench_judging(n);
    bench_alerts(1, 2000);
    bench_alerts(16, 1000);
    bench_alerts(256, 200);
    bench_windows(1000, 40, 3000, 1);
    bench_windows(1000, 40, 500, 16);
    bench_windows(1000, 1000, 2000, 1);
    bench_opening();
    bench_windows(10000, 1000, 1250, 16);
    bench_opening();
    (void)nftw(dir, drop_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}
