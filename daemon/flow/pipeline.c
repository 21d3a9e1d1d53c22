/* The whole daemon: stages up in order, signals and reload while it runs, down in
 * reverse. */
#include "pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>
#include <unistd.h>
#include <xxhash.h>
#include "clock.h"
#include "dispatch.h"
#include "log.h"
#include "poller.h"
#include "snapshot.h"
#include "store.h"
#include "supervise.h"
#include "url.h"
#include "writer.h"

#define WORKERS_MAX 64
#define FEEDS_PER_WORKER 2000 /* below this one poller is enough */
#define WRITER_CAPACITY 1024
#define STOP_MS 1200 /* for the threads, of the 2 s that a stop may take */
#define ONCE_DELIVERY_MS 10000
#define STATUS_EVERY_USEC 10000000

struct pipeline {
    struct pipeline_options opt;
    struct snapshot *snap;
    struct writer *writer;
    struct dispatch *dispatch;
    struct poller *poller[WORKERS_MAX];
    unsigned n_pollers, n_finished;
    int finished_fd;
    sd_event *event;
    int64_t once_deadline_ms;
};

/* --- feeds to pollers --- */

struct bind {
    const struct config *config;
    struct poller_feed *feeds; /* one per configured feed */
    int64_t generation;
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
    if (r == 0)
        r = store_generation(s, b->config->content, &b->generation);
    int e = store_end(s);
    return r < 0 ? r : e;
}

static void bind_free(struct bind *b)
{
    for (size_t i = 0; b->feeds && i < b->config->n_feeds; i++)
        store_feed_done(&b->feeds[i].state);
    free(b->feeds);
}

static int bind_new(struct bind *b, const struct config *config)
{
    *b = (struct bind){ config, calloc(config->n_feeds + 1, sizeof *b->feeds), 0 };
    return b->feeds ? 0 : -ENOMEM;
}

/* All feeds of one host belong to one poller: its limits and connections are local there.
 */
static unsigned share_of(const char *url, unsigned n, struct buf *work)
{
    buf_clear(work);
    if (n == 1 || url_host(work, str_of(url)) < 0)
        return 0;
    return (unsigned)(XXH3_64bits(work->s, work->n) % n);
}

/* Give each poller its feeds; the states move out of `b`. */
static int deal(struct pipeline *p, struct bind *b)
{
    size_t count[WORKERS_MAX] = { 0 }, n = b->config->n_feeds;
    struct poller_feed *part[WORKERS_MAX] = { 0 };
    struct buf work;
    int r = 0;

    buf_init(&work, 4096);
    for (size_t i = 0; i < n; i++)
        count[share_of(b->feeds[i].conf->url, p->n_pollers, &work)]++;
    for (unsigned k = 0; k < p->n_pollers && r == 0; k++) {
        part[k] = calloc(count[k] + 1, sizeof *part[k]);
        count[k] = 0;
        if (!part[k])
            r = -ENOMEM;
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        unsigned k = share_of(b->feeds[i].conf->url, p->n_pollers, &work);

        part[k][count[k]++] = b->feeds[i];
        memset(&b->feeds[i].state, 0, sizeof b->feeds[i].state);
    }
    for (unsigned k = 0; k < p->n_pollers; k++) {
        if (r == 0)
            r = poller_apply(p->poller[k], p->snap, part[k], count[k]);
        else
            free(part[k]);
    }
    buf_free(&work);
    return r;
}

static unsigned workers_of(const struct config *c)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t want = c->workers ? c->workers : c->n_feeds / FEEDS_PER_WORKER + 1;

    if (!c->workers && cpus > 0 && want > (size_t)cpus)
        want = (size_t)cpus;
    return want > WORKERS_MAX ? WORKERS_MAX : (unsigned)want;
}

/* --- signals and reload --- */

static void ready(struct pipeline *p, const char *note)
{
    supervise_ready("watching %zu feeds for %zu watches; %" PRId64 " alerts so far%s",
                    p->snap->config->n_feeds, p->snap->config->n_watches,
                    dispatch_last_seq(p->dispatch), note);
}

static void log_lines(enum log_level level, const char *event, const struct buf *text)
{
    for (size_t i = 0; i < text->n;) {
        const char *line = text->s + i, *end = memchr(line, '\n', text->n - i);
        size_t n = end ? (size_t)(end - line) : text->n - i;

        log_event(level, event, "%.*s", (int)(n < 2000 ? n : 2000), line);
        i += n + 1;
    }
}

/* Put `config` in the place of the running one, or leave all as it is. */
static int swap_config(struct pipeline *p, struct config *config, struct buf *why)
{
    struct snapshot *next = NULL;
    struct bind bind = { 0 };

    if (strcmp(config->state_dir, p->snap->config->state_dir) != 0) {
        (void)buf_puts(why, "state = cannot change while feedwatch runs; restart it");
        return -EINVAL;
    }
    int r = snapshot_new(&next, config, 0, why);
    if (r == 0)
        r = bind_new(&bind, config);
    if (r == 0) {
        r = writer_call(p->writer, bind_feeds, &bind);
        if (r < 0)
            (void)buf_printf(why, "the store cannot be written: %s", strerror(-r));
    }
    if (r == 0)
        next->generation = (uint64_t)bind.generation; /* nobody else has it yet */
    if (r == 0)
        r = dispatch_reload(p->dispatch, config, why);
    if (r == 0) {
        struct snapshot *old = p->snap;

        p->snap = next;
        next = NULL;
        r = deal(p, &bind);
        snapshot_unref(old);
    }
    if (bind.feeds)
        bind_free(&bind);
    snapshot_unref(next);
    return r;
}

static void reload(struct pipeline *p)
{
    struct config *config = NULL;
    struct buf why;

    supervise_reloading();
    buf_init(&why, 1 << 20);
    int r = config_load(&config, p->opt.config_path, &why);
    if (r == 0)
        r = swap_config(p, config, &why);
    if (r < 0) {
        log_lines(LOG_LEVEL_ERROR, "config_bad", &why);
        log_event(LOG_LEVEL_ERROR, "reload_refused",
                  "config=%s note=\"the old one stays\"", log_quote(p->opt.config_path));
        ready(p, "; the changed config was refused, see the journal");
    } else {
        log_event(LOG_LEVEL_NOTICE, "reloaded", "config=%s feeds=%zu watches=%zu",
                  log_quote(p->opt.config_path), config->n_feeds, config->n_watches);
        ready(p, "");
    }
    buf_free(&why);
    config_unref(config);
}

static int on_hup(sd_event_source *s, const struct signalfd_siginfo *si, void *ctx)
{
    (void)s;
    (void)si;
    reload(ctx);
    return 0;
}

static int on_term(sd_event_source *s, const struct signalfd_siginfo *si, void *ctx)
{
    struct pipeline *p = ctx;

    (void)s;
    supervise_stopping();
    log_event(LOG_LEVEL_NOTICE, "stopping", "signal=%s",
              si->ssi_signo == SIGTERM ? "TERM" : "INT");
    return sd_event_exit(p->event, 0);
}

static int on_status(sd_event_source *s, uint64_t usec, void *ctx)
{
    struct pipeline *p = ctx;

    supervise_status("watching %zu feeds for %zu watches; %" PRId64 " alerts so far",
                     p->snap->config->n_feeds, p->snap->config->n_watches,
                     dispatch_last_seq(p->dispatch));
    (void)sd_event_source_set_time(s, usec + STATUS_EVERY_USEC);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* --- once: end when every poller is through and every sink has what it should --- */

static int on_once_wait(sd_event_source *s, uint64_t usec, void *ctx)
{
    struct pipeline *p = ctx;

    dispatch_flush(p->dispatch);
    if (dispatch_idle(p->dispatch) || clock_mono_ms() >= p->once_deadline_ms)
        return sd_event_exit(p->event, 0);
    (void)sd_event_source_set_time(s, usec + 20000);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_finished(sd_event_source *s, int fd, uint32_t events, void *ctx)
{
    struct pipeline *p = ctx;
    uint64_t count;

    (void)s;
    (void)events;
    if (read(fd, &count, sizeof count) < 0)
        return 0;
    p->n_finished += (unsigned)count;
    if (p->n_finished < p->n_pollers)
        return 0;
    (void)writer_sync(p->writer, ONCE_DELIVERY_MS);
    p->once_deadline_ms = clock_mono_ms() + ONCE_DELIVERY_MS;
    return sd_event_add_time(p->event, NULL, CLOCK_MONOTONIC, 0, 1000, on_once_wait, p);
}

/* --- up, run, down --- */

static int set_up_events(struct pipeline *p)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return -errno;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ,
                 SIG_IGN); /* a file-size limit is an error to report, not the end */
    p->finished_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->finished_fd < 0)
        return -errno;
    int r = sd_event_default(&p->event);
    if (r >= 0)
        r = sd_event_add_signal(p->event, NULL, SIGTERM, on_term, p);
    if (r >= 0)
        r = sd_event_add_signal(p->event, NULL, SIGINT, on_term, p);
    if (r >= 0)
        r = sd_event_add_signal(p->event, NULL, SIGHUP, on_hup, p);
    if (r >= 0)
        r = sd_event_add_io(p->event, NULL, p->finished_fd, EPOLLIN, on_finished, p);
    if (r >= 0)
        r = sd_event_add_time_relative(p->event, NULL, CLOCK_MONOTONIC, STATUS_EVERY_USEC,
                                       0, on_status, p);
    return r;
}

/* Store, sinks, writer: what makes an alert last. */
static int set_up_store(struct pipeline *p, struct bind *bind, struct buf *why)
{
    struct store *store = NULL;
    const struct config *c = p->snap->config;

    int r = store_open(&store, c->state_dir, STORE_WRITE, why);
    if (r > 0)
        log_event(LOG_LEVEL_ERROR, "store_new", "why=%s", log_quote_str(buf_str(why)));
    if (r >= 0)
        r = bind_feeds(store, bind);
    if (r < 0 && store)
        (void)buf_puts(why, store_why(store));
    if (r >= 0)
        r = dispatch_new(&p->dispatch, c, store, why);
    if (r >= 0)
        r = writer_new(&p->writer, store, WRITER_CAPACITY);
    if (r < 0)
        store_close(store);
    return r;
}

static int set_up_pollers(struct pipeline *p)
{
    unsigned n = workers_of(p->snap->config);
    struct poller_options opt = {
        .state_dir = p->snap->config->state_dir,
        .once = p->opt.once,
        .finished_fd = p->finished_fd,
    };

    for (; p->n_pollers < n; p->n_pollers++) {
        opt.seed = (uint64_t)clock_utc_ms() ^ (uint64_t)getpid() << 20 ^ p->n_pollers;
        int r = poller_new(&p->poller[p->n_pollers], p->writer, &opt);
        if (r < 0)
            return r;
    }
    return 0;
}

int pipeline_new(struct pipeline **out, struct config *config,
                 const struct pipeline_options *opt, struct buf *why)
{
    struct pipeline *p = calloc(1, sizeof *p);
    struct bind bind = { 0 };

    if (!p)
        return -ENOMEM;
    p->opt = *opt;
    p->finished_fd = -1;
    int r = snapshot_new(&p->snap, config, 0, why);
    if (r == 0)
        r = bind_new(&bind, config);
    if (r == 0)
        r = set_up_events(p);
    if (r >= 0)
        r = set_up_store(p, &bind, why);
    if (r >= 0)
        p->snap->generation = (uint64_t)bind.generation; /* nobody else has it yet */
    if (r >= 0)
        r = set_up_pollers(p);
    if (r >= 0)
        r = dispatch_start(p->dispatch, p->event, p->writer);
    if (r >= 0)
        r = supervise_watchdog(p->event);
    if (r >= 0)
        r = deal(p, &bind);
    if (bind.feeds)
        bind_free(&bind);
    if (r < 0) {
        (void)pipeline_free(p);
        return r;
    }
    *out = p;
    return 0;
}

int pipeline_run(struct pipeline *p)
{
    log_event(LOG_LEVEL_NOTICE, "started",
              "version=%s feeds=%zu watches=%zu workers=%u state=%s log=%s",
              FEEDWATCH_VERSION, p->snap->config->n_feeds, p->snap->config->n_watches,
              p->n_pollers, log_quote(p->snap->config->state_dir),
              log_quote(p->snap->config->log_path));
    ready(p, "");
    return sd_event_loop(p->event);
}

int pipeline_free(struct pipeline *p)
{
    int64_t end = clock_mono_ms() + STOP_MS;
    int r = 0;

    if (!p)
        return 0;
    for (unsigned i = 0; i < p->n_pollers; i++)
        poller_stop(p->poller[i]);
    for (unsigned i = 0; i < p->n_pollers && r == 0; i++) {
        int64_t left = end - clock_mono_ms();
        r = poller_join(p->poller[i], left > 0 ? left : 0);
    }
    if (r < 0)
        return r;
    /* What the pollers handed over is still delivered; what is not, is after the next
     * start. */
    if (p->writer && p->dispatch && writer_sync(p->writer, 500) == 0)
        dispatch_flush(p->dispatch);
    dispatch_free(p->dispatch, 150);
    r = writer_stop(p->writer, 300);
    if (r < 0)
        return r;
    snapshot_unref(p->snap);
    if (p->finished_fd >= 0)
        close(p->finished_fd);
    sd_event_unref(p->event);
    free(p);
    return 0;
}
