/* Asking publishers once: is there a feed, and what is in it? */
#include "cmd_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <xxhash.h>
#include "clock.h"
#include "fetch.h"
#include "netguard.h"
#include "schedule.h"
#include "url.h"
#include "utf8.h"

#define AT_ONCE 32
#define HOST_GAP_MS 1000
#define HOST_PARALLEL 2

struct asking { /* one probe in flight */
    struct run *run;
    struct probe *p;
    uint32_t id;
    struct feed_parse *parse;
};

struct run {
    struct probe *probes;
    size_t n, n_done;
    unsigned flying;
    sd_event *event;
    sd_event_source *timer;
    struct fetch_pool *pool;
    struct schedule *schedule;
    probe_told_fn *told;
    void *ctx;
    struct buf work;
};

/* ---- what is in the answer ---- */

static void copy_text(char *out, size_t size, struct str s)
{
    size_t n = utf8_cut(s.s, s.n, size - 1);

    if (n)
        memcpy(out, s.s, n);
    out[n] = '\0';
}

/* Keep the newest few, newest first; undated ones in the order of the document. */
static void keep_item(struct probe *p, const struct item *item, int64_t when)
{
    size_t at = p->n_latest;

    while (at > 0 && when > p->latest[at - 1].published_s)
        at--;
    if (at == PROBE_LATEST)
        return;
    if (p->n_latest < PROBE_LATEST)
        p->n_latest++;
    for (size_t i = p->n_latest - 1; i > at; i--)
        p->latest[i] = p->latest[i - 1];
    copy_text(p->latest[at].title, sizeof p->latest[at].title,
              item->title.n ? item->title : item->summary);
    p->latest[at].published_s = when;
}

static int on_item(void *ctx, const struct item *item, const struct feed_info *info)
{
    struct probe *p = ((struct asking *)ctx)->p;
    int64_t when =
        item->published_s != ITEM_NO_TIME ? item->published_s : item->updated_s;

    (void)info;
    if (when != ITEM_NO_TIME) {
        if (p->first_s == ITEM_NO_TIME || when < p->first_s)
            p->first_s = when;
        if (when > p->last_s)
            p->last_s = when;
    }
    keep_item(p, item, when);
    return 0;
}

static int on_start(void *ctx, struct str content_type, struct str final_url)
{
    struct asking *a = ctx;
    struct feed_parse_options opt = {
        .url = final_url,
        .content_type = content_type,
        .charset = str_of(a->p->like->charset),
        .limits.max_bytes = (size_t)a->p->like->max_bytes,
    };

    feed_parse_free(a->parse);
    a->parse = NULL;
    a->p->n_latest = 0;
    a->p->first_s = a->p->last_s = ITEM_NO_TIME;
    return feed_parse_new(&a->parse, &opt, on_item, a);
}

static int on_body(void *ctx, const char *bytes, size_t n)
{
    return feed_parse_push(((struct asking *)ctx)->parse, bytes, n);
}

static char *copy_str(struct str s)
{
    return s.n ? strndup(s.s, s.n) : NULL;
}

static void judge_body(struct asking *a)
{
    struct probe *p = a->p;
    struct feed_parse_result r;

    feed_parse_finish(a->parse, &r);
    const struct feed_info *info = feed_parse_info(a->parse);
    p->items = r.items;
    p->format = info->format;
    p->title = copy_str(info->title);
    p->alternate = copy_str(info->alternate);
    if (r.status == FEED_WHOLE || r.items) {
        p->verdict = PROBE_FEED;
        snprintf(p->why, sizeof p->why, "%s", r.why);
    } else {
        p->verdict = p->alternate ? PROBE_PAGE : PROBE_NO_FEED;
        snprintf(p->why, sizeof p->why, "%s%s%s", feed_status_name(r.status),
                 r.why[0] ? ": " : "", r.why);
    }
}

static bool is_downgrade(const char *from, const char *to)
{
    return strncmp(from, "https:", 6) == 0 && strncmp(to, "https:", 6) != 0;
}

static void tell(struct run *run, struct probe *p)
{
    p->done = true;
    run->n_done++;
    if (run->told)
        run->told(run->ctx, p);
    if (run->n_done == run->n)
        (void)sd_event_exit(run->event, 0);
}

static void pump(struct run *run);

static void on_done(void *ctx, const struct fetch_result *r)
{
    struct asking *a = ctx;
    struct run *run = a->run;
    struct probe *p = a->p;

    p->answered = r->http_status != 0;
    if (a->parse) {
        judge_body(a);
    } else {
        p->verdict = r->outcome == FETCH_RETRY_LATER ? PROBE_FAILED : PROBE_NO_FEED;
        snprintf(p->why, sizeof p->why, "%s",
                 r->why[0] ? r->why : "the answer has no content");
    }
    if (r->moved_to && !is_downgrade(p->url, r->moved_to))
        p->final_url = strdup(r->moved_to);
    schedule_remove(run->schedule, a->id);
    feed_parse_free(a->parse);
    free(a);
    run->flying--;
    tell(run, p);
    pump(run);
}

/* ---- the loop ---- */

static int start(struct run *run, uint32_t id)
{
    static const struct fetch_events events = { on_start, on_body, on_done };
    struct probe *p = &run->probes[id];
    struct asking *a = calloc(1, sizeof *a);
    struct fetch_request request = {
        .url = p->url,
        .user_agent = p->like->user_agent,
        .allow_private = p->like->allow_private,
        .timeout_ms = p->like->timeout_s * 1000,
        .max_bytes = (size_t)p->like->max_bytes,
    };

    if (!a)
        return -ENOMEM;
    *a = (struct asking){ .run = run, .p = p, .id = id };
    int r = fetch_start(run->pool, &request, &events, a);
    if (r < 0)
        free(a);
    else
        run->flying++;
    return r;
}

static void pump(struct run *run)
{
    uint32_t id;

    while (run->flying < AT_ONCE &&
           schedule_pop_due(run->schedule, clock_mono_ms(), &id)) {
        int r = start(run, id);
        if (r == 0)
            continue;
        run->probes[id].verdict = PROBE_FAILED;
        snprintf(run->probes[id].why, sizeof run->probes[id].why, "%s", strerror(-r));
        schedule_remove(run->schedule, id);
        tell(run, &run->probes[id]);
    }
    int64_t next = schedule_next_ms(run->schedule);
    if (run->flying >= AT_ONCE || next == INT64_MAX) {
        (void)sd_event_source_set_enabled(run->timer, SD_EVENT_OFF);
        return;
    }
    (void)sd_event_source_set_time(run->timer, (uint64_t)(next > 0 ? next : 0) * 1000);
    (void)sd_event_source_set_enabled(run->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *ctx)
{
    (void)s;
    (void)usec;
    pump(ctx);
    return 0;
}

/* Loopback is one's own machine: it needs no sparing. */
static int line_up(struct run *run, uint32_t id)
{
    uint64_t host = 0;
    int r = 0;

    buf_clear(&run->work);
    if (url_host(&run->work, str_of(run->probes[id].url)) == 0 && run->work.n) {
        host = XXH3_64bits(run->work.s, run->work.n);
        if (netguard_judge_name(run->work.s) == NETGUARD_LOOPBACK)
            r = schedule_host_exempt(run->schedule, host);
    }
    return r < 0 ? r : schedule_set(run->schedule, id, host, clock_mono_ms());
}

static int set_up(struct run *run, const struct config *config)
{
    struct fetch_options opt = { .max_transfers = AT_ONCE };

    (void)config;
    buf_init(&run->work, 1 << 16);
    run->schedule = schedule_new((uint64_t)clock_utc_ms());
    if (!run->schedule)
        return -ENOMEM;
    schedule_host_limits(run->schedule, HOST_GAP_MS, HOST_PARALLEL);
    int r = sd_event_new(&run->event);
    if (r >= 0)
        r = sd_event_add_time(run->event, &run->timer, CLOCK_BOOTTIME, 0, 5000, on_timer,
                              run);
    if (r >= 0)
        r = fetch_pool_new(&run->pool, run->event, &opt);
    for (size_t i = 0; i < run->n && r >= 0; i++)
        r = line_up(run, (uint32_t)i);
    return r;
}

int probe_run(struct probe *probes, size_t n, const struct config *config,
              probe_told_fn *told, void *ctx)
{
    struct run run = { .probes = probes, .n = n, .told = told, .ctx = ctx };

    if (n == 0)
        return 0;
    int r = set_up(&run, config);
    if (r >= 0)
        pump(&run);
    if (r >= 0 && run.n_done < n)
        r = sd_event_loop(run.event);
    fetch_pool_free(run.pool);
    sd_event_source_unref(run.timer);
    sd_event_unref(run.event);
    schedule_free(run.schedule);
    buf_free(&run.work);
    return r < 0 ? r : 0;
}

void probe_free(struct probe *p)
{
    free(p->final_url);
    free(p->alternate);
    free(p->title);
    p->final_url = p->alternate = p->title = NULL;
}
