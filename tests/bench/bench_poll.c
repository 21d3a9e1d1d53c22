/* What polling costs with everything that belongs to it (schedule, headers, parsing,
 * identity, matching, state made durable) beside the bare libraries doing the same
 * requests in the same run, in turns:
 *     build/bench/bench_poll [FEEDS [ROUNDS [new|same|one|tls|memory]]]
 * (with a third argument only ours of that kind, for a profiler, or only that part).
 * CPU is that of this process, all threads, user and system, in microseconds a feed;
 * medians of rounds.  The origin is a process of its own. */
#include <errno.h>
#include <ftw.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <curl/curl.h>
#include "bench_bare.h"
#include "bench_origin.h"
#include "config.h"
#include "log.h"
#include "poller.h"
#include "snapshot.h"
#include "store.h"
#include "writer.h"

enum { ROUNDS_MAX = 99, WATCHES = 100 };

static char folder[] = "/tmp/feedwatch-bench.XXXXXX";
static char ca_file[64];

/* ---- measuring ---- */

struct cost {
    double cpu_us, wall_s;
};

static double clock_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct cost now(void)
{
    return (struct cost){ clock_us(CLOCK_PROCESS_CPUTIME_ID),
                          clock_us(CLOCK_MONOTONIC) / 1e6 };
}

static struct cost since(struct cost begin, unsigned feeds)
{
    struct cost end = now();

    return (struct cost){ (end.cpu_us - begin.cpu_us) / feeds,
                          end.wall_s - begin.wall_s };
}

static int by_cpu(const void *a, const void *b)
{
    double x = ((const struct cost *)a)->cpu_us, y = ((const struct cost *)b)->cpu_us;

    return (x > y) - (x < y);
}

static struct cost median(struct cost *c, int n)
{
    qsort(c, (size_t)n, sizeof *c, by_cpu);
    return c[n / 2];
}

static _Noreturn void die(const char *what, int r)
{
    fprintf(stderr, "bench_poll: %s: %s\n", what, strerror(-r));
    exit(1);
}

/* ---- ours: the poller and the writer as the daemon has them ---- */

struct ours {
    struct config *config;
    struct snapshot *snap;
    struct store *store; /* until the writer has it */
    struct writer *writer;
    struct poller *poller;
    int finished;
};

/* Rules that hit now and then, and a hundred that have to be looked at. */
static void put_rules(struct buf *b)
{
    static const char *const word[] = { "minister", "energy", "Brussels", "Ankara",
                                        "prices",   "gas",    "storage",  "markets",
                                        "Putin",    "Xi" };

    (void)buf_puts(b, "[watchlist]\n");
    for (int i = 0; i < WATCHES; i++)
        (void)buf_printf(b, "w%d = %s AND name%d AND %s\n", i, word[i % 10], i,
                         word[i / 10]);
}

static struct config *make_config(const char *url, const char *more, unsigned feeds)
{
    struct config *c = NULL;
    struct buf text, errors;

    buf_init(&text, 256 << 20);
    buf_init(&errors, 1 << 20);
    (void)buf_printf(&text,
                     "[feedwatch]\nstate = %s/state\nlog = %s/alerts.log\ndesktop = no\n"
                     "allow_private = yes\nmax_transfers = %d\n%s",
                     folder, folder, BARE_AT_ONCE, more);
    put_rules(&text);
    (void)buf_puts(&text, "[feeds]\n");
    for (unsigned i = 0; i < feeds; i++) {
        (void)buf_printf(&text, "f%u = ", i);
        char line[128];
        bare_url(line, sizeof line, url, i);
        (void)buf_printf(&text, "%s\n", line);
    }
    int r = config_parse(&c, "bench.ini", buf_str(&text), &errors);
    if (r < 0)
        die(errors.s ? errors.s : "config", r);
    buf_free(&text);
    buf_free(&errors);
    return c;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void ours_new(struct ours *o, struct config *config)
{
    struct poller_options opt = { .state_dir = config->state_dir,
                                  .once = true,
                                  .seed = 1 };
    struct buf why;

    (void)nftw(config->state_dir, drop, 8, FTW_DEPTH | FTW_PHYS);
    buf_init(&why, 1 << 16);
    o->config = config;
    o->finished = eventfd(0, EFD_CLOEXEC);
    opt.finished_fd = o->finished;
    opt.dns_servers = config->dns_servers;
    int r = snapshot_new(&o->snap, config, 1, NULL, &why);
    if (r == 0)
        r = store_open(&o->store, config->state_dir, STORE_WRITE, &why);
    if (r == 0)
        r = writer_new(&o->writer, o->store, 1024);
    if (r == 0)
        r = poller_new(&o->poller, o->writer, &opt);
    if (r < 0)
        die(why.s ? why.s : "start", r);
    buf_free(&why);
}

static void ours_free(struct ours *o)
{
    poller_stop(o->poller);
    int r = poller_join(o->poller, 10000);
    if (r == 0)
        r = writer_stop(o->writer, 10000);
    if (r < 0)
        die("stop", r);
    close(o->finished);
    snapshot_unref(o->snap);
    config_unref(o->config);
    *o = (struct ours){ 0 };
}

struct bind {
    const struct config *config;
    struct poller_feed *feeds;
};

static int bind_feeds(struct store *s, void *ctx)
{
    struct bind *b = ctx;
    int r = store_begin(s);

    for (size_t i = 0; i < b->config->n_feeds && r == 0; i++) {
        const struct config_feed *f = &b->config->feeds[i];
        b->feeds[i].conf = f;
        r = store_feed_bind(s, f->name, f->url, &b->feeds[i].state);
    }
    int e = store_end(s);
    return r < 0 ? r : e;
}

/* Feeds as they are in the store, for poller_give. */
static struct poller_feed *bound(struct ours *o)
{
    struct bind b = { o->config, calloc(o->config->n_feeds + 1, sizeof *b.feeds) };
    int r = writer_call(o->writer, bind_feeds, &b);

    if (r < 0)
        die("bind", r);
    return b.feeds;
}

static void apply(struct ours *o, struct poller_feed *feeds, size_t n)
{
    struct poller_order *order;
    int r = poller_order_new(&order, o->snap, feeds, n);

    if (r < 0)
        die("apply", r);
    poller_give(o->poller, order);
}

static void wait_finished(struct ours *o)
{
    uint64_t count;

    if (read(o->finished, &count, sizeof count) < 0)
        die("finished", -errno);
}

/* Poll each feed once; what it costs, from the moment that all are due to the moment that
 * all is durable.  The feeds before are dropped first: "once" polls what is new to it. */
static struct cost ours_cycle(struct ours *o)
{
    struct poller_feed *feeds = bound(o);

    apply(o, malloc(1), 0);
    wait_finished(o);
    struct cost begin = now();
    apply(o, feeds, o->config->n_feeds);
    wait_finished(o);
    return since(begin, (unsigned)o->config->n_feeds);
}

/* ---- plain HTTP ---- */

static void expect(struct origin *o, unsigned requests, unsigned same, const char *who)
{
    unsigned r = atomic_exchange(&o->control->requests, 0);
    unsigned s = atomic_exchange(&o->control->not_modified, 0);

    if (r != requests || s != same)
        fprintf(stderr, "%s: %u requests and %u 304, expected %u and %u\n", who, r, s,
                requests, same);
}

static void put_line(const char *what, struct cost bare, struct cost ours, double goal,
                     unsigned feeds, const char *beside)
{
    double ratio = ours.cpu_us / bare.cpu_us;

    printf("%-28s %-16s %7.1f us %7.0f feeds/s   feedwatch %7.1f us %7.0f feeds/s   "
           "ratio %.2f (goal %.1f)%s\n",
           what, beside, bare.cpu_us, feeds / bare.wall_s, ours.cpu_us,
           feeds / ours.wall_s, ratio, goal, ratio <= goal ? "" : "  ABOVE");
    fflush(stdout);
}

enum { NEW, SAME, ONE, KINDS };

struct rounds {
    struct cost bare[KINDS][ROUNDS_MAX], xml[KINDS][ROUNDS_MAX], ours[KINDS][ROUNDS_MAX];
};

static struct cost bare_cost(struct origin *o, struct bare *b, unsigned feeds,
                             const char *etag, unsigned same)
{
    struct cost begin = now();

    (void)bare_cycle(b, feeds, etag);
    struct cost c = since(begin, feeds);
    expect(o, feeds, same, "bare");
    return c;
}

static void one_kind(struct origin *o, struct bare *curl, struct bare *xml,
                     struct ours *ours, struct rounds *all, int kind, int round)
{
    unsigned feeds = (unsigned)ours->config->n_feeds,
             base = atomic_load(&o->control->base);
    unsigned same = kind == SAME ? feeds : 0;
    char etag[32];

    snprintf(etag, sizeof etag, "\"v%u\"", base);
    atomic_store(&o->control->base, base + (kind == NEW   ? ORIGIN_ITEMS
                                            : kind == ONE ? 1u
                                                          : 0u));
    struct cost a = bare_cost(o, curl, feeds, etag, same);
    struct cost b = bare_cost(o, xml, feeds, etag, same);
    struct cost c = ours_cycle(ours);
    expect(o, feeds, round < 0 && kind == SAME ? feeds : same, "feedwatch");
    if (round < 0)
        return; /* the first opens the connections and learns the feeds */
    all->bare[kind][round] = a;
    all->xml[kind][round] = b;
    all->ours[kind][round] = c;
}

static void plain(struct origin *o, unsigned feeds, int rounds)
{
    static struct rounds all;
    struct ours ours = { 0 };
    char url[64];
    struct bare_options opt = { .url = url };

    snprintf(url, sizeof url, "http://127.0.0.1:%d/#", o->port);
    struct bare *curl = bare_new(&opt);
    opt.parse = true;
    struct bare *xml = bare_new(&opt);
    ours_new(&ours, make_config(url, "", feeds));
    for (int i = -1; i < rounds; i++)
        for (int kind = 0; kind < KINDS; kind++)
            one_kind(o, curl, xml, &ours, &all, kind, i);
    put_line("304 not modified", median(all.bare[SAME], rounds),
             median(all.ours[SAME], rounds), 2.0, feeds, "libcurl");
    put_line("200, one of 40 items new", median(all.xml[ONE], rounds),
             median(all.ours[ONE], rounds), 1.6, feeds, "libcurl + Expat");
    put_line("200, all 40 items new", median(all.xml[NEW], rounds),
             median(all.ours[NEW], rounds), 1.6, feeds, "libcurl + Expat");
    printf("%-28s %-16s %7.1f us\n", "200, body thrown away", "libcurl",
           median(all.bare[NEW], rounds).cpu_us);
    bare_free(curl);
    bare_free(xml);
    ours_free(&ours);
}

/* ---- TLS: each feed on a host of its own ---- */

struct shakes {
    unsigned full, resumed;
};

static struct shakes shakes(struct origin *o)
{
    return (struct shakes){ atomic_exchange(&o->control->handshakes, 0),
                            atomic_exchange(&o->control->resumed, 0) };
}

struct tls_rounds {
    struct cost bare[ROUNDS_MAX], ours[ROUNDS_MAX];
    struct shakes bare_shakes, ours_shakes; /* of the last round */
};

static void tls_kind(struct origin *o, struct bare *bare, struct ours *ours,
                     struct tls_rounds *all, int kind, int round)
{
    unsigned feeds = (unsigned)ours->config->n_feeds, same = kind == SAME ? feeds : 0;
    unsigned base = atomic_load(&o->control->base);
    char etag[32];

    snprintf(etag, sizeof etag, "\"v%u\"", base);
    atomic_store(&o->control->base, base + (kind == ONE));
    (void)shakes(o);
    struct cost a = bare_cost(o, bare, feeds, etag, same);
    all->bare_shakes = shakes(o);
    struct cost b = ours_cycle(ours);
    all->ours_shakes = shakes(o);
    expect(o, feeds, round < 0 ? 0 : same, "feedwatch");
    if (round < 0)
        return;
    all->bare[round] = a;
    all->ours[round] = b;
}

static void put_tls(const char *what, struct tls_rounds *all, int rounds, unsigned feeds,
                    const char *beside)
{
    put_line(what, median(all->bare, rounds), median(all->ours, rounds), 1.1, feeds,
             beside);
    printf("%-28s handshakes %u and %u resumed, feedwatch %u and %u resumed\n", "",
           all->bare_shakes.full, all->bare_shakes.resumed, all->ours_shakes.full,
           all->ours_shakes.resumed);
}

/* `url` has a host for each feed.  libcurl's CA cache is on in both (no CAPATH); bare
 * libcurl is told the addresses, feedwatch asks a name server for each. */
static void tls_hosts(struct origin *o, unsigned feeds, int rounds)
{
    static struct tls_rounds same, one;
    struct ours ours = { 0 };
    char url[64], more[200];
    struct bare_options opt = { .url = url, .ca_file = ca_file, .port = o->tls_port };

    snprintf(url, sizeof url, "https://f#.bench.example:%d/#", o->tls_port);
    snprintf(more, sizeof more, "ca_file = %s\ndns_servers = %s\n", ca_file,
             o->control->names);
    struct bare *curl = bare_new(&opt);
    opt.parse = true;
    struct bare *xml = bare_new(&opt);
    ours_new(&ours, make_config(url, more, feeds));
    for (int i = -1; i < rounds; i++) {
        tls_kind(o, xml, &ours, &one, ONE, i);
        tls_kind(o, curl, &ours, &same, SAME, i < 0 ? 0 : i);
    }
    put_tls("TLS, a host each, 304", &same, rounds, feeds, "libcurl");
    put_tls("TLS, a host each, one new", &one, rounds, feeds, "libcurl + Expat");
    bare_free(curl);
    bare_free(xml);
    ours_free(&ours);
}

/* Only ours, of one kind. */
static void profile(struct origin *o, unsigned feeds, int rounds, const char *kind)
{
    struct ours ours = { 0 };
    static struct cost all[ROUNDS_MAX];
    unsigned step = kind[0] == 'n' ? ORIGIN_ITEMS : kind[0] == 'o' ? 1 : 0;
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%d/#", o->port);
    ours_new(&ours, make_config(url, "", feeds));
    for (int i = -1; i < rounds; i++) {
        struct cost c = ours_cycle(&ours);
        if (i >= 0)
            all[i] = c;
        atomic_fetch_add(&o->control->base, step);
    }
    struct cost c = median(all, rounds);
    printf("%s: feedwatch %.1f us, %.0f feeds/s\n", kind, c.cpu_us, feeds / c.wall_s);
    ours_free(&ours);
}

/* ---- memory ---- */

static size_t resident(void)
{
    size_t total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (!f || fscanf(f, "%zu %zu", &total, &pages) != 2)
        pages = 0;
    if (f)
        fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t heap(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

/* Half of each document has come, and no more comes: what do the transfers hold? */
static void memory(struct origin *o, unsigned feeds)
{
    struct ours ours = { 0 };
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%d/#", o->port);
    malloc_trim(0);
    size_t empty = heap();
    ours_new(&ours, make_config(url, "", feeds));
    (void)ours_cycle(&ours);
    malloc_trim(0);
    size_t idle = heap(), idle_rss = resident();
    printf("memory: %zu bytes of heap a feed, idle (%u feeds, config included)\n",
           (idle - empty) / feeds, feeds);
    atomic_store(&o->control->hold, true);
    atomic_fetch_add(&o->control->base, ORIGIN_ITEMS);
    atomic_store(&o->control->requests, 0);
    struct poller_feed *again = bound(&ours);
    apply(&ours, malloc(1), 0);
    wait_finished(&ours);
    apply(&ours, again, feeds);
    for (int i = 0; i < 5000 && atomic_load(&o->control->requests) < BARE_AT_ONCE; i++)
        usleep(1000);
    usleep(200000); /* what was sent is read */
    printf("memory: %zu bytes of heap (%zu of RSS) an active transfer, in the middle of "
           "its document\n",
           (heap() - idle) / BARE_AT_ONCE, (resident() - idle_rss) / BARE_AT_ONCE);
    atomic_store(&o->control->hold, false);
    ours_free(&ours);
}

int main(int argc, char **argv)
{
    unsigned feeds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 9;
    struct origin origin;

    if (feeds == 0 || rounds < 1 || rounds > ROUNDS_MAX)
        return 2;
    if (!mkdtemp(folder))
        die(folder, -errno);
    snprintf(ca_file, sizeof ca_file, "%s/roots.pem", folder);
    origin_start(&origin, ca_file);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    log_set_level(LOG_LEVEL_ERROR);
    printf("%u feeds of %d bytes and %d items, %d at once, %d rules; medians of %d "
           "rounds\nCPU of the polling process for each feed, everything included\n",
           feeds, ORIGIN_BYTES, ORIGIN_ITEMS, BARE_AT_ONCE, WATCHES, rounds);
    if (argc > 3 && strcmp(argv[3], "tls") == 0) {
        tls_hosts(&origin, feeds, rounds);
    } else if (argc > 3 && strcmp(argv[3], "memory") == 0) {
        memory(&origin, feeds);
    } else if (argc > 3) {
        profile(&origin, feeds, rounds, argv[3]);
    } else {
        plain(&origin, feeds, rounds);
        tls_hosts(&origin, feeds, rounds < 5 ? rounds : 5);
        memory(&origin, feeds);
    }
    origin_stop(&origin);
    (void)nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}
