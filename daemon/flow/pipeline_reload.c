/* SIGHUP: the config is read again and takes the place of the old one, or is refused. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "config_diff.h"
#include "fetch.h"
#include "log.h"
#include "pipeline_impl.h"
#include "selftest.h"
#include "supervise.h"
#include "utf8.h"

#define RELOAD_APART_MS 250 /* signals that come sooner are answered together */
#define LOGGED_ERRORS 50    /* lines of one bad config */

/* Each line of `text` is one event. */
static void log_lines(enum log_level level, const char *event, const struct buf *text)
{
    size_t lines = 0, left_out = 0;

    for (size_t i = 0; i < text->n;) {
        const char *line = text->s + i, *end = memchr(line, '\n', text->n - i);
        size_t n = end ? (size_t)(end - line) : text->n - i;

        if (lines++ < LOGGED_ERRORS)
            log_event(level, event, "%.*s", (int)(n < 2000 ? n : 2000), line);
        else
            left_out++;
        i += n + 1;
    }
    if (left_out)
        log_event(level, event, "and %zu lines more; run feedwatch check", left_out);
}

/* --- what is different --- */

static void log_one(const char *what, const struct buf *names)
{
    if (names->n)
        log_event(LOG_LEVEL_NOTICE, "config_changed", "%s=\"%s\"", what, names->s);
}

static void log_diff(const struct config *from, const struct config *to)
{
    struct config_diff d;

    if (config_diff_new(&d, from, to) == 0) {
        log_one("settings", &d.settings);
        log_one("feeds_added", &d.feeds_added);
        log_one("feeds_removed", &d.feeds_removed);
        log_one("feeds_changed", &d.feeds_changed);
        log_one("watches_added", &d.watches_added);
        log_one("watches_removed", &d.watches_removed);
        log_one("watches_changed", &d.watches_changed);
        log_one("sinks_added", &d.sinks_added);
        log_one("sinks_removed", &d.sinks_removed);
        log_one("sinks_changed", &d.sinks_changed);
    }
    config_diff_done(&d);
    if (from->workers != to->workers)
        log_event(LOG_LEVEL_WARN, "config_hint",
                  "workers = %u takes effect at the next start", to->workers);
}

/* --- the swap --- */

/* Is there anything that cannot change, or that would not work? */
static int try_config(const struct pipeline *p, const struct config *config,
                      struct buf *why)
{
    if (strcmp(config->state_dir, p->snap->config->state_dir) != 0) {
        (void)buf_puts(why, "state = cannot change while feedwatch runs; restart it");
        return -EINVAL;
    }
    if (config->dns_servers && fetch_names_check(config->dns_servers) == -EINVAL) {
        (void)buf_printf(why, "dns_servers = %s: not a list of addresses",
                         config->dns_servers);
        return -EINVAL;
    }
    return selftest(config, why);
}

struct swap { /* a config on its way in */
    struct snapshot *snap;
    struct bind bind;
    struct deal deal;
    struct dispatch_next *sinks;
};

/* All that can fail, and can be undone as long as the store has not bound the feeds: that
 * comes last. */
static int make_ready(struct swap *s, struct pipeline *p, struct config *config,
                      struct buf *why)
{
    int r = try_config(p, config, why);

    if (r == 0)
        r = snapshot_new(&s->snap, config, 0, p->snap, why);
    if (r == 0)
        r = bind_new(&s->bind, config);
    if (r == 0)
        r = dispatch_prepare(&s->sinks, p->dispatch, config, why);
    if (r < 0)
        return r;
    s->deal = (struct deal){ s->snap, p->n_pollers, { NULL } };
    s->bind.deal = &s->deal;
    r = writer_rules(p->writer, config, bind_feeds, &s->bind);
    if (r < 0)
        (void)buf_printf(why, "the store cannot be written: %s", strerror(-r));
    return r;
}

/* Put `config` in the place of the running one, or leave all as it is. */
static int swap_config(struct pipeline *p, struct config *config, struct buf *why)
{
    struct swap s = { 0 };
    int r = make_ready(&s, p, config, why);

    if (r == 0) {
        struct snapshot *old = p->snap;

        p->told_limited = 0; /* binding forgot them */
        dispatch_swap(s.sinks);
        p->snap = s.snap;
        pipeline_deal(p, &s.deal);
        log_diff(old->config, config);
        if (old->config->metrics_path &&
            (!config->metrics_path ||
             strcmp(old->config->metrics_path, config->metrics_path) != 0))
            pipeline_forget_metrics(old->config->metrics_path);
        snapshot_unref(old);
    } else {
        deal_free(&s.deal);
        dispatch_undo(s.sinks);
        snapshot_unref(s.snap);
    }
    if (s.bind.feeds)
        bind_free(&s.bind);
    return r;
}

static int put_refusal(struct store *s, void *ctx)
{
    return store_note_set(s, STORE_NOTE_REFUSED, str_of(ctx));
}

/* For feedwatch status, which has no other way to know. */
static void tell_refusal(struct pipeline *p)
{
    char text[sizeof p->refused + 24] = "";

    if (p->refused[0])
        snprintf(text, sizeof text, "%" PRId64 " %s", clock_utc_ms(), p->refused);
    (void)writer_call(p->writer, put_refusal, text); /* a disk at fault says so itself */
}

/* The first line of what is wrong. */
static void keep_reason(struct pipeline *p, const struct buf *why, int error)
{
    const char *text = why->n ? why->s : strerror(-error);
    size_t n = strcspn(text, "\n");

    n = utf8_cut(text, n, sizeof p->refused - 1);
    snprintf(p->refused, sizeof p->refused, "%.*s", (int)n, text);
    tell_refusal(p);
}

/* The log may have been rotated, whatever the config is like. */
static void reopen_sinks(struct pipeline *p)
{
    struct dispatch_next *next;
    struct buf why;

    buf_init(&why, 1000);
    if (dispatch_prepare(&next, p->dispatch, p->snap->config, &why) == 0)
        dispatch_swap(next);
    else
        log_event(LOG_LEVEL_WARN, "sink_failed", "why=%s", log_quote_str(buf_str(&why)));
    buf_free(&why);
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
        reopen_sinks(p);
        keep_reason(p, &why, r);
        log_lines(LOG_LEVEL_ERROR, "config_bad", &why);
        log_event(LOG_LEVEL_ERROR, "reload_refused",
                  "config=%s note=\"the old one stays\"", log_quote(p->opt.config_path));
    } else {
        if (p->refused[0]) {
            p->refused[0] = '\0';
            tell_refusal(p);
        }
        p->config_ms = clock_utc_ms();
        for (char **w = config->warning; w && *w; w++)
            log_event(LOG_LEVEL_WARN, "config_hint", "%s", *w);
        log_event(LOG_LEVEL_NOTICE, "reloaded", "config=%s feeds=%zu watches=%zu",
                  log_quote(p->opt.config_path), config->n_feeds, config->n_watches);
        pipeline_recall(p);
    }
    pipeline_ready(p);
    p->reloaded_ms = clock_mono_ms();
    buf_free(&why);
    config_unref(config);
}

/* --- the signal --- */

static int on_reload_timer(sd_event_source *s, uint64_t usec, void *ctx)
{
    (void)s;
    (void)usec;
    reload(ctx);
    return 0;
}

static int on_hup(sd_event_source *s, const struct signalfd_siginfo *si, void *ctx)
{
    struct pipeline *p = ctx;
    int64_t wait = p->reloaded_ms + RELOAD_APART_MS - clock_mono_ms();
    int armed = SD_EVENT_OFF;

    (void)s;
    (void)si;
    if (!p->reloaded_ms || wait <= 0) {
        reload(p);
        return 0;
    }
    /* One more reload answers all signals until then. */
    if (sd_event_source_get_enabled(p->reload_timer, &armed) >= 0 &&
        armed != SD_EVENT_OFF)
        return 0;
    (void)sd_event_source_set_time_relative(p->reload_timer, (uint64_t)wait * 1000);
    (void)sd_event_source_set_enabled(p->reload_timer, SD_EVENT_ONESHOT);
    return 0;
}

int pipeline_watch_hup(struct pipeline *p)
{
    int r = sd_event_add_signal(p->event, NULL, SIGHUP, on_hup, p);

    if (r >= 0)
        r = sd_event_add_time(p->event, &p->reload_timer, CLOCK_MONOTONIC, 0, 1000,
                              on_reload_timer, p);
    if (r >= 0)
        r = sd_event_source_set_enabled(p->reload_timer, SD_EVENT_OFF);
    return r;
}
