/* How it goes: STATUS= for systemd, and the metrics file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "pipeline_impl.h"
#include "supervise.h"

#define STATUS_EVERY_MS 10000
#define METRICS_EVERY_MS 15000
#define LIMITED_MAX 1000 /* names told of watches whose regex ran into its limit */
#define METRICS_BYTES (16 << 20)

/* --- STATUS= --- */

/* Polls in a minute, times ten, over the last minute or since the start. */
static int64_t polls_per_minute_10(struct pipeline *p)
{
    int64_t now = clock_mono_ms(), polls = metrics_polls();
    unsigned first = p->n_samples < RATE_SAMPLES ? 0 : p->n_samples % RATE_SAMPLES;
    unsigned next = p->n_samples % RATE_SAMPLES;
    int64_t took = p->n_samples ? now - p->sample_ms[first] : 0;
    int64_t rate = took > 0 ? (polls - p->polls[first]) * 600000 / took : 0;

    p->polls[next] = polls;
    p->sample_ms[next] = now;
    p->n_samples++;
    return rate;
}

static void put_feeds(struct buf *b)
{
    const char *comma = " (";

    for (int s = FEED_NEW; s < FEED_STATES; s++) {
        int64_t n = metrics_feeds((enum feed_state)s);

        if (!n)
            continue;
        (void)buf_printf(b, "%s%" PRId64 " %s", comma, n,
                         metrics_feed_state_name((enum feed_state)s));
        comma = ", ";
    }
    if (*comma == ',')
        (void)buf_putc(b, ')');
}

static void put_sinks(struct buf *b, struct dispatch *d)
{
    struct metrics_sink sink[DISPATCH_SINKS_MAX];
    size_t n = dispatch_sinks(d, sink, DISPATCH_SINKS_MAX);

    for (size_t i = 0; i < n; i++) {
        if (!sink[i].lag && !sink[i].failing)
            continue;
        (void)buf_printf(b, "; %s ", sink[i].name);
        if (sink[i].failing)
            (void)buf_puts(b, "fails");
        if (sink[i].lag)
            (void)buf_printf(b, "%s%" PRId64 " behind", sink[i].failing ? ", " : "",
                             sink[i].lag);
    }
}

static void compose(struct pipeline *p, char *out, size_t size)
{
    int64_t rate = polls_per_minute_10(p);
    struct buf b;

    buf_init(&b, size - 1);
    if (p->refused[0])
        (void)buf_printf(&b,
                         "the changed config was refused: %s -- the old one goes on, ",
                         p->refused);
    (void)buf_printf(&b, "watching %zu feeds", p->snap->config->n_feeds);
    put_feeds(&b);
    (void)buf_printf(&b,
                     " for %zu watches; %" PRId64 ".%d polls a minute, %" PRId64
                     " new items, %" PRId64 " alerts since the start",
                     p->snap->config->n_watches, rate / 10, (int)(rate % 10),
                     metrics_get(METRIC_ITEMS), metrics_get(METRIC_ALERTS));
    if (metrics_get(METRIC_REGEX_LIMITS))
        (void)buf_printf(&b, "; %" PRId64 " times a regex ran into its limit",
                         metrics_get(METRIC_REGEX_LIMITS));
    put_sinks(&b, p->dispatch);
    snprintf(out, size, "%s", b.s ? b.s : "running");
    buf_free(&b);
}

void pipeline_ready(struct pipeline *p)
{
    compose(p, p->status, sizeof p->status);
    supervise_ready("%s", p->status);
}

static int put_limited(struct store *s, void *ctx)
{
    const struct buf *names = ctx;

    return store_note_set(s, STORE_NOTE_LIMITED, buf_str(names));
}

void pipeline_tell_limited(struct pipeline *p)
{
    const struct config *c = p->snap->config;
    size_t n = snapshot_n_limited(p->snap), told = 0;
    struct buf names;

    if (n == p->told_limited)
        return;
    buf_init(&names, 1 << 20);
    for (size_t i = 0; i < c->n_watches && told < LIMITED_MAX; i++) {
        if (!snapshot_is_limited(p->snap, (uint32_t)i))
            continue;
        (void)buf_printf(&names, "%s\n", c->watches[i].name);
        told++;
    }
    if (!names.error && writer_call(p->writer, put_limited, &names) == 0)
        p->told_limited = n;
    buf_free(&names);
}

/* systemd keeps the last one: it is told only what has changed. */
static int on_status(sd_event_source *s, uint64_t usec, void *ctx)
{
    struct pipeline *p = ctx;
    char now[sizeof p->status];

    (void)usec;
    pipeline_tell_limited(p);
    compose(p, now, sizeof now);
    if (strcmp(now, p->status) != 0) {
        memcpy(p->status, now, sizeof now);
        supervise_status("%s", now);
    }
    (void)sd_event_source_set_time_relative(s, STATUS_EVERY_MS * 1000);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* --- the metrics file --- */

static int write_metrics(struct pipeline *p)
{
    struct metrics_sink sink[DISPATCH_SINKS_MAX];
    struct metrics_scene scene = {
        .start_ms = p->start_ms,
        .reload_ms = p->config_ms,
        .n_watches = p->snap->config->n_watches,
        .config_refused = p->refused[0] != '\0',
        .sinks = sink,
        .n_sinks = dispatch_sinks(p->dispatch, sink, DISPATCH_SINKS_MAX),
    };
    struct buf b;

    buf_init(&b, METRICS_BYTES);
    int r = metrics_render(&b, &scene);
    if (r == 0)
        r = metrics_write(p->snap->config->metrics_path, buf_str(&b));
    buf_free(&b);
    return r;
}

static int on_metrics(sd_event_source *s, uint64_t usec, void *ctx)
{
    struct pipeline *p = ctx;
    const char *path = p->snap->config->metrics_path;

    (void)usec;
    if (path) {
        int r = write_metrics(p);
        if (r < 0 && !p->metrics_failed)
            log_event(LOG_LEVEL_WARN, "metrics_failed", "path=%s why=%s", log_quote(path),
                      log_quote(strerror(-r)));
        p->metrics_failed = r < 0;
    }
    (void)sd_event_source_set_time_relative(s, METRICS_EVERY_MS * 1000);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

void pipeline_forget_metrics(const char *path)
{
    if (path)
        (void)unlink(path);
}

static int add_timer(struct pipeline *p, uint64_t first_usec, sd_event_time_handler_t f)
{
    return sd_event_add_time_relative(p->event, NULL, CLOCK_MONOTONIC, first_usec, 100000,
                                      f, p);
}

int pipeline_watch_status(struct pipeline *p)
{
    int r = add_timer(p, STATUS_EVERY_MS * 1000, on_status);

    return r < 0 ? r : add_timer(p, 1000000, on_metrics);
}
