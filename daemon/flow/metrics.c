/* Counters of the process and their Prometheus text. */
#include "metrics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "name_table.h"

#define WATCHES_MAX 100000 /* ever known: those that reloads have dropped, too */
#define OUTCOMES (FETCH_ENDED + 1)

static atomic_llong counter[METRICS], polls[OUTCOMES], feeds[FEED_STATES];

static const int64_t bucket_ms[LATENCY_BUCKETS] = { 1,    2,     5,      10,     20,
                                                    50,   100,   200,    500,    1000,
                                                    5000, 30000, 300000, 3600000 };

void metrics_add(enum metric m, int64_t n)
{
    atomic_fetch_add_explicit(&counter[m], n, memory_order_relaxed);
}

int64_t metrics_get(enum metric m)
{
    return atomic_load_explicit(&counter[m], memory_order_relaxed);
}

struct watch {
    struct name_entry entry; /* first */
    int64_t held[NOISE_REASONS];
};
static struct name_table watches; /* that have held an alert back */
static pthread_mutex_t watches_lock = PTHREAD_MUTEX_INITIALIZER;

void metrics_held(struct str watch, enum noise_reason why)
{
    pthread_mutex_lock(&watches_lock);
    struct watch *w = watches.n < WATCHES_MAX ? name_table_get(&watches, watch, sizeof *w)
                                              : name_table_find(&watches, watch);
    if (w) /* else it is not counted: nobody has lost an alert by that */
        w->held[why]++;
    pthread_mutex_unlock(&watches_lock);
}

int64_t metrics_held_get(struct str watch, enum noise_reason why)
{
    pthread_mutex_lock(&watches_lock);
    const struct watch *w = name_table_find(&watches, watch);
    int64_t n = w ? w->held[why] : 0;
    pthread_mutex_unlock(&watches_lock);
    return n;
}

void metrics_poll(enum fetch_outcome outcome)
{
    atomic_fetch_add_explicit(&polls[outcome], 1, memory_order_relaxed);
}

int64_t metrics_polls(void)
{
    int64_t sum = 0;

    for (int i = 0; i < OUTCOMES; i++)
        sum += atomic_load_explicit(&polls[i], memory_order_relaxed);
    return sum;
}

void metrics_feed(enum feed_state *held, enum feed_state now)
{
    if (*held == now)
        return;
    atomic_fetch_sub_explicit(&feeds[*held], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&feeds[now], 1, memory_order_relaxed);
    *held = now;
}

int64_t metrics_feeds(enum feed_state s)
{
    return atomic_load_explicit(&feeds[s], memory_order_relaxed);
}

const char *metrics_feed_state_name(enum feed_state s)
{
    static const char *const names[FEED_STATES] = { "none", "new", "ok", "failing",
                                                    "gone" };

    return names[s];
}

void latency_note(struct latency *l, int64_t ms)
{
    int i = 0;

    if (ms < 0)
        ms = 0; /* the clock was set back */
    while (i < LATENCY_BUCKETS && ms > bucket_ms[i])
        i++;
    l->count[i]++;
    l->sum_ms += ms;
}

void latency_given(struct latency_line *w, int64_t seq, int64_t time_ms)
{
    if (w->n == LATENCY_LINE) /* no sink holds so many: this one is not measured */
        return;
    size_t at = (w->first + w->n++) % LATENCY_LINE;
    w->at[at].seq = seq;
    w->at[at].time_ms = time_ms;
}

void latency_done(struct latency *l, struct latency_line *w, int64_t seq, int64_t now_ms)
{
    for (; w->n && w->at[w->first].seq <= seq; w->n--) {
        latency_note(l, now_ms - w->at[w->first].time_ms);
        w->first = (w->first + 1) % LATENCY_LINE;
    }
}

/* --- the text --- */

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
    (void)buf_printf(b, "# HELP feedwatch_%s %s\n# TYPE feedwatch_%s %s\n", name, help,
                     name, type);
}

static void single(struct buf *b, const char *name, const char *type, int64_t v,
                   const char *help)
{
    head(b, name, type, help);
    (void)buf_printf(b, "feedwatch_%s %" PRId64 "\n", name, v);
}

/* Seconds with exactly three places, whatever the locale. */
static void put_s(struct buf *b, int64_t ms)
{
    (void)buf_printf(b, "%" PRId64 ".%03d\n", ms / 1000, (int)(ms % 1000));
}

/* A label's value: only names of ours come here, yet a quote must not end it. */
static void put_label(struct buf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            (void)buf_putc(b, '\\');
        (void)buf_putc(b, *s == '\n' ? ' ' : *s);
    }
}

static void put_sink(struct buf *b, const char *name, const struct metrics_sink *s)
{
    (void)buf_printf(b, "feedwatch_%s{sink=\"", name);
    put_label(b, s->name);
    (void)buf_puts(b, "\"");
}

static void put_latency(struct buf *b, const struct metrics_sink *s)
{
    int64_t sum = 0;

    for (int i = 0; i <= LATENCY_BUCKETS; i++) {
        sum += s->latency->count[i];
        put_sink(b, "alert_latency_seconds_bucket", s);
        if (i < LATENCY_BUCKETS)
            (void)buf_printf(b, ",le=\"%g\"} %" PRId64 "\n", (double)bucket_ms[i] / 1000,
                             sum);
        else
            (void)buf_printf(b, ",le=\"+Inf\"} %" PRId64 "\n", sum);
    }
    put_sink(b, "alert_latency_seconds_sum", s);
    (void)buf_puts(b, "} ");
    put_s(b, s->latency->sum_ms);
    put_sink(b, "alert_latency_seconds_count", s);
    (void)buf_printf(b, "} %" PRId64 "\n", sum);
}

static void render_sinks(struct buf *b, const struct metrics_scene *sc)
{
    if (!sc->n_sinks)
        return;
    head(b, "sink_lag", "gauge", "Alerts that a sink has still to deliver.");
    for (size_t i = 0; i < sc->n_sinks; i++) {
        put_sink(b, "sink_lag", &sc->sinks[i]);
        (void)buf_printf(b, "} %" PRId64 "\n", sc->sinks[i].lag);
    }
    head(b, "sink_delivered_total", "counter", "Alerts that a sink was given.");
    for (size_t i = 0; i < sc->n_sinks; i++) {
        put_sink(b, "sink_delivered_total", &sc->sinks[i]);
        (void)buf_printf(b, "} %" PRId64 "\n", sc->sinks[i].delivered);
    }
    head(b, "sink_failing", "gauge", "Whether a sink does not take alerts at present.");
    for (size_t i = 0; i < sc->n_sinks; i++) {
        put_sink(b, "sink_failing", &sc->sinks[i]);
        (void)buf_printf(b, "} %d\n", sc->sinks[i].failing);
    }
    head(b, "alert_latency_seconds", "histogram",
         "From the match of an alert until its sink has it for good (the log: on disk).");
    for (size_t i = 0; i < sc->n_sinks; i++)
        put_latency(b, &sc->sinks[i]);
}

static void put_held(struct buf *b, const struct watch *w)
{
    for (int why = NOISE_TELL + 1; why < NOISE_REASONS; why++) {
        if (!w->held[why])
            continue;
        (void)buf_puts(b, "feedwatch_alerts_held_total{watch=\"");
        put_label(b, w->entry.name);
        (void)buf_printf(b, "\",reason=\"%s\"} %" PRId64 "\n",
                         noise_reason_name((enum noise_reason)why), w->held[why]);
    }
}

/* What became of hits beside an alert that is told at once. */
static void render_noise(struct buf *b)
{
    const struct watch *w;

    head(b, "alerts_held_total", "counter",
         "Alerts that were held back: in the log, told in a digest or not.");
    pthread_mutex_lock(&watches_lock);
    for (size_t i = 0; (w = name_table_next(&watches, &i));)
        put_held(b, w);
    pthread_mutex_unlock(&watches_lock);
    single(b, "digests_total", "counter", metrics_get(METRIC_DIGESTS),
           "Digests of alerts that were held back.");
    single(b, "joined_total", "counter", metrics_get(METRIC_JOINED),
           "Items that joined the alert of another feed with the same story.");
    single(b, "updates_total", "counter", metrics_get(METRIC_UPDATES),
           "Alerts because an item that had alerted has changed.");
    single(b, "stories_expired_total", "counter", metrics_get(METRIC_EXPIRED),
           "Stories that waited for more sources in vain.");
}

static void render_polls(struct buf *b)
{
    head(b, "feeds", "gauge", "Feeds by state.");
    for (int s = FEED_NEW; s < FEED_STATES; s++)
        (void)buf_printf(b, "feedwatch_feeds{state=\"%s\"} %" PRId64 "\n",
                         metrics_feed_state_name((enum feed_state)s),
                         metrics_feeds((enum feed_state)s));
    head(b, "polls_total", "counter", "Polls that have ended, by outcome.");
    for (int i = 0; i < OUTCOMES; i++)
        (void)buf_printf(b, "feedwatch_polls_total{outcome=\"%s\"} %lld\n",
                         fetch_outcome_name((enum fetch_outcome)i),
                         atomic_load_explicit(&polls[i], memory_order_relaxed));
}

/* The second number of /proc/self/statm is what is resident, in pages. */
static int64_t resident_bytes(void)
{
    long long total, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f)
        return 0;
    /* NOLINTNEXTLINE(cert-err34-c) ; the kernel writes pages that are there */
    if (fscanf(f, "%lld %lld", &total, &pages) != 2)
        pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int64_t n = 0;

    if (!d)
        return 0;
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n - 1; /* that of the list itself */
}

int metrics_render(struct buf *b, const struct metrics_scene *sc)
{
    (void)buf_puts(b, METRICS_MARK FEEDWATCH_VERSION "\n");
    head(b, "build_info", "gauge", "The version that runs.");
    (void)buf_puts(b, "feedwatch_build_info{version=\"" FEEDWATCH_VERSION "\"} 1\n");
    single(b, "start_time_seconds", "gauge", sc->start_ms / 1000,
           "When it was started, in seconds since 1970.");
    single(b, "config_time_seconds", "gauge", sc->reload_ms / 1000,
           "When the config that is in force was taken over.");
    single(b, "config_refused", "gauge", sc->config_refused,
           "Whether the last reload was refused.");
    single(b, "watches", "gauge", (int64_t)sc->n_watches, "Rules that items are put to.");
    render_polls(b);
    single(b, "received_bytes_total", "counter", metrics_get(METRIC_BYTES),
           "Bytes received from publishers.");
    single(b, "items_total", "counter", metrics_get(METRIC_ITEMS),
           "New items that were judged.");
    single(b, "alerts_total", "counter", metrics_get(METRIC_ALERTS),
           "Alerts that were raised.");
    render_noise(b);
    head(b, "match_seconds", "summary", "Time spent on matching items.");
    (void)buf_printf(b, "feedwatch_match_seconds_sum %" PRId64 ".%09" PRId64 "\n",
                     metrics_get(METRIC_MATCH_NS) / 1000000000,
                     metrics_get(METRIC_MATCH_NS) % 1000000000);
    (void)buf_printf(b, "feedwatch_match_seconds_count %" PRId64 "\n",
                     metrics_get(METRIC_MATCHED));
    single(b, "regex_limits_total", "counter", metrics_get(METRIC_REGEX_LIMITS),
           "Regexes that ran into their limit for an item: no match.");
    render_sinks(b, sc);
    single(b, "resident_memory_bytes", "gauge", resident_bytes(), "Resident memory.");
    single(b, "open_files", "gauge", open_files(), "Open file descriptors.");
    return b->error;
}

/* --- the file --- */

bool metrics_may_replace(const char *path)
{
    char begin[sizeof METRICS_MARK - 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return errno == ENOENT;
    ssize_t n = read(fd, begin, sizeof begin);
    close(fd);
    return n == 0 ||
           (n == (ssize_t)sizeof begin && !memcmp(begin, METRICS_MARK, sizeof begin));
}

static int write_all(int fd, struct str text)
{
    for (size_t at = 0; at < text.n;) {
        ssize_t n = write(fd, text.s + at, text.n - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += (size_t)n;
    }
    return 0;
}

int metrics_write(const char *path, struct str text)
{
    char tmp[PATH_MAX];

    /* node_exporter reads *.prom only: the name of the new file must not end so */
    if (snprintf(tmp, sizeof tmp, "%s.new", path) >= (int)sizeof tmp)
        return -ENAMETOOLONG;
    (void)unlink(tmp);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int r = fchmod(fd, 0644) < 0 ? -errno : write_all(fd, text); /* despite the umask */
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(tmp);
    return r;
}
