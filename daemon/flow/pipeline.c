/* The whole daemon: stages up in order, signals while it runs, down in reverse. */
#include "pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "clock.h"
#include "log.h"
#include "pipeline_impl.h"
#include "selftest.h"
#include "store.h"
#include "supervise.h"

#define WRITER_CAPACITY 1024
#define STOP_MS 1200 /* for the threads, of the 2 s that a stop may take */
#define ONCE_DELIVERY_MS 10000
#define ONCE_TIDY_STEPS 50

/* --- signals --- */

static int on_term(sd_event_source *s, const struct signalfd_siginfo *si, void *ctx)
{
    struct pipeline *p = ctx;

    (void)s;
    supervise_stopping();
    log_event(LOG_LEVEL_NOTICE, "stopping", "signal=%s",
              si->ssi_signo == SIGTERM ? "TERM" : "INT");
    return sd_event_exit(p->event, 0);
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

/* A daemon does it when it is idle. */
static int tidy(struct store *s, void *ctx)
{
    int r = 1;

    (void)ctx;
    for (int steps = 0; steps < ONCE_TIDY_STEPS && r > 0; steps++)
        r = store_tidy(s, clock_utc_ms());
    return r;
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
    pipeline_recall_finish(p);
    (void)writer_digest(p->writer);
    (void)writer_call(p->writer, tidy, NULL);
    pipeline_tell_limited(p);
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
        r = pipeline_watch_hup(p);
    if (r >= 0)
        r = sd_event_add_io(p->event, NULL, p->finished_fd, EPOLLIN, on_finished, p);
    if (r >= 0)
        r = pipeline_watch_status(p);
    if (r >= 0)
        r = supervise_watchdog(p->event); /* threads begin after it */
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
    if (r >= 0) {
        store = NULL; /* the writer's */
        r = writer_rules(p->writer, p->snap->config, NULL, NULL);
    }
    if (r < 0)
        store_close(store);
    return r;
}

static int set_up_pollers(struct pipeline *p)
{
    unsigned n = pipeline_workers(p->snap->config);
    struct poller_options opt = {
        .dns_servers = p->snap->config->dns_servers,
        .state_dir = p->snap->config->state_dir,
        .once = p->opt.once,
        .finished_fd = p->finished_fd,
        .of = n,
    };

    for (; p->n_pollers < n; p->n_pollers++) {
        opt.number = p->n_pollers;
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
    p->start_ms = p->config_ms = clock_utc_ms();
    int r = snapshot_new(&p->snap, config, 0, NULL, why);
    if (r == 0)
        r = bind_new(&bind, config);
    if (r == 0)
        r = set_up_events(p);
    if (r >= 0)
        r = set_up_store(p, &bind, why);
    if (r >= 0)
        p->snap->generation = (uint64_t)bind.generation; /* nobody else has it yet */
    if (r >= 0)
        r = selftest(config, why);
    if (r >= 0)
        r = set_up_pollers(p);
    if (r >= 0)
        r = dispatch_start(p->dispatch, p->event, p->writer);
    struct deal deal = { p->snap, p->n_pollers, { NULL } };
    if (r >= 0)
        r = deal_make(&deal, &bind);
    if (r >= 0)
        pipeline_deal(p, &deal);
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
    pipeline_recall(p);
    pipeline_ready(p);
    p->running = true;
    return sd_event_loop(p->event);
}

int pipeline_free(struct pipeline *p)
{
    int64_t end = clock_mono_ms() + STOP_MS;
    int r = 0;

    if (!p)
        return 0;
    pipeline_recall_drop(p);
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
    if (p->running)
        pipeline_forget_metrics(p->snap->config->metrics_path);
    snapshot_unref(p->snap);
    if (p->finished_fd >= 0)
        close(p->finished_fd);
    sd_event_source_unref(p->reload_timer);
    sd_event_unref(p->event);
    free(p);
    return 0;
}
