/* One poll of one feed: bytes to items, items to verdicts, verdicts to alerts, all to the
 * writer. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "log.h"
#include "poller_alert.h"
#include "poller_impl.h"

#define DAY_S 86400

struct job_request {
    struct write_request write; /* first */
    struct poller *poller;
    struct job *job; /* of a final request, else NULL */
    struct alerts alerts;
    struct buf window;
};

void alerts_free(struct alerts *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->text[i]);
    free(a->alert);
    free(a->key);
    free(a->text);
    *a = (struct alerts){ 0 };
}

static void doubts_free(struct job *j)
{
    for (size_t i = 0; i < j->n_doubts; i++)
        alerts_free(&j->doubt[i].alerts);
    free(j->doubt);
    j->doubt = NULL;
    j->n_doubts = 0;
}

void job_free(struct job *j)
{
    if (!j)
        return;
    doubts_free(j);
    feed_parse_free(j->parse);
    seen_window_free(j->window);
    alerts_free(&j->alerts);
    snapshot_unref(j->snap);
    free(j);
}

/* --- to the writer and back --- */

static void request_done(struct write_request *w)
{
    struct job_request *r = (struct job_request *)w;

    (void)queue_push(r->poller->reply,
                     r); /* never full: outstanding is bounded by its size */
}

static void request_free(struct job_request *r)
{
    alerts_free(&r->alerts);
    buf_free(&r->window);
    free(r);
}

void job_request_back(struct poller *p, struct write_request *w)
{
    struct job_request *r = (struct job_request *)w;
    struct job *j = r->job;
    int result = w->result;

    p->outstanding--;
    for (size_t i = 0; result == 0 && i < r->alerts.n; i++)
        metrics_add(METRIC_ALERTS, r->alerts.alert[i].seq > 0);
    request_free(r);
    if (j)
        poller_job_durable(p, j, result);
}

static int fill_request(struct job_request *r, struct job *j)
{
    struct feed *f = j->feed;

    r->write.change.feed_id = f->state.id;
    if (j->window_dirty) {
        int e = seen_window_pack(j->window, &r->window);
        if (e < 0)
            return e;
        r->write.change.window = buf_str(&r->window);
    }
    r->alerts = j->alerts;
    j->alerts = (struct alerts){ 0 };
    r->write.change.alerts = r->alerts.alert;
    r->write.change.alert_keys = r->alerts.key;
    r->write.change.n_alerts = r->alerts.n;
    j->window_dirty = false;
    if (j->final && !f->moved) /* the state of a URL that is gone is not kept */
        r->write.change.feed = &f->state;
    return 0;
}

void job_flush(struct job *j)
{
    struct poller *p = j->poller;

    if (!j->final && !j->alerts.n && !j->window_dirty)
        return;
    if (p->outstanding >= POLLER_OUTSTANDING_MAX) {
        if (j->final) {
            j->next = p->waiting;
            p->waiting = j;
        }
        return; /* else: what it has goes with a later flush */
    }
    struct job_request *r = calloc(1, sizeof *r);
    int e = r ? 0 : -ENOMEM;

    if (r) {
        buf_init(&r->window, 64 << 20);
        r->poller = p;
        r->write.done = request_done;
        e = fill_request(r, j);
    }
    if (e < 0) { /* nothing of this poll counts: its items come again */
        log_event(LOG_LEVEL_ERROR, "poll_lost", "feed=%s why=%s",
                  log_quote(j->feed->conf->name), log_quote(strerror(-e)));
        if (r)
            request_free(r);
        if (j->final)
            poller_job_durable(p, j, e);
        return;
    }
    r->job = j->final ? j : NULL;
    p->outstanding++;
    writer_push(p->writer, &r->write);
}

/* --- items --- */

static int on_hit(void *ctx, uint32_t rule_id, const struct match_span *spans, size_t n)
{
    struct job *j = ctx;
    const struct config_watch *watch = &j->snap->config->watches[rule_id];
    const struct config_feed *conf = j->feed->conf;

    if (!snapshot_watch_covers(watch, conf->name, conf->group))
        return 0;
    struct alert_cause cause = { .watch = watch,
                                 .feed = conf->name,
                                 .item = j->item,
                                 .key = &j->item_key,
                                 .time_ms = clock_utc_ms(),
                                 .fetched_ms = j->fetched_ms,
                                 .generation = (int64_t)j->snap->generation,
                                 .spans = spans,
                                 .n_spans = n };
    return poller_alert_add(j->item_alerts, &cause, &j->poller->work);
}

/* First contact is silent, but for items that are known to be young enough. */
static bool is_silent(const struct job *j, const struct item *item)
{
    int64_t max_age = j->feed->conf->first_run_max_age_s;
    int64_t when =
        item->published_s != ITEM_NO_TIME ? item->published_s : item->updated_s;

    if (!j->first_contact)
        return false;
    if (max_age <= 0)
        return true;
    return when != ITEM_NO_TIME && j->now_ms / 1000 - when > max_age;
}

/* Match `item` against every rule; its alerts go to `to`. */
static int match(struct job *j, const struct item *item, const struct feed_info *info,
                 const struct seen_key *key, struct alerts *to)
{
    const struct config_feed *conf = j->feed->conf;
    struct match_input in = match_input_of(item, conf->name, conf->group, info->lang);
    int64_t began = clock_mono_ns();

    j->item = item;
    j->item_key = *key;
    j->item_alerts = to;
    int r = match_item(j->snap->rules, j->poller->scratch, &in, on_hit, j);
    j->item = NULL;
    j->match_ns += clock_mono_ns() - began;
    j->n_matched++;
    return r;
}

/* Keep an item whose newness the rest of the document decides, with its alerts. */
static int hold(struct job *j, const struct item *item, const struct feed_info *info,
                const struct seen_print *print, bool silent)
{
    struct doubt *more = realloc(j->doubt, (j->n_doubts + 1) * sizeof *more);

    if (!more)
        return -ENOMEM;
    j->doubt = more;
    struct doubt *d = &more[j->n_doubts++];
    *d = (struct doubt){ .print = *print, .silent = silent };
    return silent ? 0 : match(j, item, info, &print->key, &d->alerts);
}

static int judge(struct job *j, const struct item *item, const struct feed_info *info)
{
    struct seen_print print;
    enum seen_verdict verdict;
    bool silent = is_silent(j, item);

    int r = seen_print(&print, item, &j->poller->work);
    if (r == 0)
        r = seen_judge(j->window, &print, (int32_t)(j->now_ms / 1000 / DAY_S), &verdict);
    if (r < 0)
        return r;
    j->window_dirty = true;
    if (verdict == SEEN_DOUBT)
        return hold(j, item, info, &print, silent);
    if (verdict != SEEN_NEW)
        return 0;
    j->n_new++;
    j->n_silent += silent;
    return silent ? 0 : match(j, item, info, &print.key, &j->alerts);
}

static int on_item(void *ctx, const struct item *item, const struct feed_info *info)
{
    struct job *j = ctx;
    size_t before = j->alerts.n;

    int r = judge(j, item, info);
    j->n_alerts += (uint32_t)(j->alerts.n - before);
    if (r < 0)
        j->fault = r;
    return r;
}

/* The document has ended: the items in doubt are new or they are not. */
static void settle(struct job *j, bool whole)
{
    for (size_t i = 0; i < j->n_doubts && !j->fault; i++) {
        struct doubt *d = &j->doubt[i];

        if (seen_settle(j->window, &d->print, whole) != SEEN_NEW)
            continue;
        j->n_new++;
        j->n_silent += d->silent;
        j->n_alerts += (uint32_t)d->alerts.n;
        int r = poller_alerts_move(&j->alerts, &d->alerts);
        if (r < 0)
            j->fault = r;
    }
    doubts_free(j);
}

/* --- the fetch --- */

static int on_start(void *ctx, struct str content_type, struct str final_url)
{
    struct job *j = ctx;
    struct poller *p = j->poller;
    const struct config_feed *conf = j->feed->conf;
    struct feed_parse_options opt = {
        .url = final_url,
        .content_type = content_type,
        .charset = str_of(conf->charset),
        .limits.max_bytes = (size_t)conf->max_bytes,
    };

    feed_parse_free(j->parse);
    seen_window_free(j->window);
    j->parse = NULL;
    j->window = NULL;
    buf_clear(&p->work);
    int r = store_window_read(p->store, j->feed->state.id, &p->work);
    if (r == 0)
        r = seen_window_new(&j->window, p->work.s, p->work.n);
    if (r == -EBADMSG) { /* damaged: learn the feed anew, silently */
        log_event(LOG_LEVEL_WARN, "window_damaged", "feed=%s note=\"learning it anew\"",
                  log_quote(conf->name));
        j->first_contact = true;
        r = seen_window_new(&j->window, NULL, 0);
    }
    if (r == 0) {
        seen_window_hold(j->window);
        r = feed_parse_new(&j->parse, &opt, on_item, j);
    }
    if (r < 0)
        j->fault = r;
    return r;
}

static int on_body(void *ctx, const char *bytes, size_t n)
{
    struct job *j = ctx;

    j->now_ms = clock_utc_ms();
    int r = feed_parse_push(j->parse, bytes, n);
    if (j->alerts.n && !j->fault)
        job_flush(j); /* an alert does not wait for the end of the document */
    return r < 0 || j->fault;
}

static void set_text(char **field, const char *text)
{
    free(*field);
    *field =
        text && *text ? strdup(text) : NULL; /* out of memory: as if there were none */
}

/* What the publisher asks for, within the user's limits. */
static int64_t next_interval_ms(const struct job *j, const struct fetch_result *r,
                                const struct feed_info *info)
{
    const struct config_feed *conf = j->feed->conf;
    int64_t s = conf->interval_s;

    if (r->fresh_s > s)
        s = r->fresh_s;
    if (info && info->ttl_s > s)
        s = info->ttl_s;
    if (s > conf->max_interval_s)
        s = conf->max_interval_s;
    int64_t ms = schedule_jitter_ms(j->poller->schedule, s * 1000);
    return ms < conf->min_interval_s * 1000 ? conf->min_interval_s * 1000 : ms;
}

static void note_failure(struct job *j, const struct fetch_result *r, const char *why)
{
    struct store_feed *s = &j->feed->state;
    bool again = s->error && !strcmp(s->error, why);
    /* What time alone will hardly mend is asked for less often. */
    unsigned hard = r->outcome == FETCH_BAD || r->outcome == FETCH_REFUSED;

    s->failures++;
    int64_t wait =
        schedule_backoff_ms(j->poller->schedule, j->feed->conf->interval_s * 1000,
                            (unsigned)s->failures - 1 + hard);
    if (r->retry_after_s > 0) {
        wait = r->retry_after_s * 1000;
        if (r->http_status == 429 || r->http_status == 503)
            (void)schedule_host_hold(j->poller->schedule, j->feed->host,
                                     clock_mono_ms() + wait);
    }
    set_text(&s->error, why);
    j->due_ms = clock_mono_ms() + wait;
    log_event(again ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "fetch_failed",
              "feed=%s outcome=%s http=%ld why=%s tries=%d next_s=%" PRId64,
              log_quote(j->feed->conf->name), fetch_outcome_name(r->outcome),
              r->http_status, log_quote(why), s->failures, wait / 1000);
}

/* `remark`: what is wrong with the document all the same, or NULL. */
static void note_success(struct job *j, const struct fetch_result *r, const char *remark)
{
    struct store_feed *s = &j->feed->state;

    if (remark && *remark && (!s->error || strcmp(s->error, remark)))
        log_event(LOG_LEVEL_WARN, "feed_broken",
                  "feed=%s why=%s note=\"its items were read\"",
                  log_quote(j->feed->conf->name), log_quote(remark));
    if (s->failures)
        log_event(LOG_LEVEL_NOTICE, "feed_recovered", "feed=%s after=%d",
                  log_quote(j->feed->conf->name), s->failures);
    s->failures = 0;
    s->last_success_ms = clock_utc_ms();
    set_text(&s->error, remark);
    j->due_ms = clock_mono_ms() +
                next_interval_ms(j, r, j->parse ? feed_parse_info(j->parse) : NULL);
}

static void note_gone(struct job *j)
{
    struct store_feed *s = &j->feed->state;

    s->gone = true;
    set_text(&s->error, "410 Gone: the publisher has ended this feed");
    j->due_ms = clock_mono_ms() + (int64_t)DAY_S * 1000;
    log_event(
        LOG_LEVEL_WARN, "feed_gone",
        "feed=%s note=\"410: it is not polled any more; remove it from the config\"",
        log_quote(j->feed->conf->name));
}

/* Validators count only for a document that was read to its end; a cut one is asked for
 * whole. */
static void keep_validators(struct store_feed *s, const struct fetch_result *r)
{
    set_text(&s->etag, r ? r->etag : NULL);
    set_text(&s->last_modified, r ? r->last_modified : NULL);
}

/* Is the first contact with this feed over?  A cut first answer leaves the rest to be
 * learnt silently by the next, but not for ever. */
static bool is_learned(const struct job *j, bool arrived_whole,
                       const struct feed_parse_result *parsed)
{
    if (!j->first_contact || parsed->status == FEED_WHOLE)
        return true;
    return parsed->items > 0 && (arrived_whole || j->feed->state.failures >= 2);
}

/* Nothing of the last document is in this one: items may have come and gone unseen. */
static void warn_of_gap(const struct job *j)
{
    struct seen_stats st;

    seen_window_stats(j->window, &st);
    if (j->first_contact || !st.previous || !st.had || st.overlap || st.churn)
        return;
    log_event(LOG_LEVEL_WARN, "feed_gap",
              "feed=%s items=%zu note=\"none of them was in the last answer: some may "
              "have come "
              "and gone in between; a shorter interval helps\"",
              log_quote(j->feed->conf->name), st.had);
}

static void note_body(struct job *j, const struct fetch_result *r)
{
    struct store_feed *s = &j->feed->state;
    struct feed_parse_result parsed;
    char why[400];

    feed_parse_finish(j->parse, &parsed);
    const struct feed_info *info = feed_parse_info(j->parse);
    bool arrived = r->outcome == FETCH_NEW_BODY || r->outcome == FETCH_ENDED;
    bool whole = arrived && parsed.status == FEED_WHOLE;

    settle(j, whole);
    s->items += j->n_new;
    s->alerts += j->n_alerts;
    if (parsed.items) {
        s->learned = is_learned(j, arrived, &parsed);
        if (j->n_new)
            s->last_change_ms = j->now_ms;
    } else if (whole) {
        s->learned = true;
    }
    if (info->title.n && !j->fault) {
        snprintf(why, sizeof why, "%.*s",
                 (int)(info->title.n < 200 ? info->title.n : 200), info->title.s);
        set_text(&s->title, why);
    }
    keep_validators(s, whole && !j->fault ? r : NULL);
    if (whole && j->window && !j->fault) {
        const struct config *c = j->snap->config;

        warn_of_gap(j);
        seen_window_prune(j->window, (int32_t)(j->now_ms / 1000 / DAY_S),
                          (int32_t)(c->keep_seen_s / DAY_S));
    }
    if (j->fault) {
        note_failure(j, r, strerror(-j->fault));
    } else if (whole || (arrived && parsed.items)) {
        note_success(j, r, whole ? NULL : parsed.why);
    } else if (!arrived) {
        note_failure(j, r, r->why);
    } else {
        snprintf(why, sizeof why, "%s: %s%s%.*s", feed_status_name(parsed.status),
                 parsed.why, info->alternate.n ? "; the page names this feed: " : "",
                 (int)(info->alternate.n < 150 ? info->alternate.n : 0),
                 info->alternate.n ? info->alternate.s : "");
        note_failure(j, r, why);
    }
    if (j->first_contact && s->learned)
        log_event(LOG_LEVEL_NOTICE, "feed_learned",
                  "feed=%s format=%s items=%u silent=%u", log_quote(j->feed->conf->name),
                  log_quote(feed_format_name(info->format)), j->n_new, j->n_silent);
    else if (j->n_new)
        log_event(LOG_LEVEL_INFO, "feed_changed",
                  "feed=%s new=%u alerts=%u items=%lu bytes=%" PRId64 " ms=%" PRId64,
                  log_quote(j->feed->conf->name), j->n_new, j->n_alerts, parsed.items,
                  r->body_bytes, clock_mono_ms() - j->start_ms);
}

static void on_done(void *ctx, const struct fetch_result *r)
{
    struct job *j = ctx;
    struct store_feed *s = &j->feed->state;
    int64_t mono, utc;

    s->polls++;
    s->http_status = (int32_t)r->http_status;
    s->bytes += r->wire_bytes;
    metrics_poll(r->outcome);
    metrics_add(METRIC_BYTES, r->wire_bytes);
    if (j->parse) {
        note_body(j, r);
    } else if (r->outcome == FETCH_UNCHANGED) {
        s->not_modified++;
        if (r->etag)
            set_text(&s->etag, r->etag);
        if (r->last_modified)
            set_text(&s->last_modified, r->last_modified);
        note_success(j, r, NULL);
    } else if (r->outcome == FETCH_GONE) {
        note_gone(j);
    } else if (r->outcome == FETCH_NEW_BODY) {
        note_failure(j, r, "the answer has no content");
    } else {
        note_failure(j, r, j->fault ? strerror(-j->fault) : r->why);
    }
    log_event(
        LOG_LEVEL_DEBUG, "fetched",
        "feed=%s outcome=%s http=%ld bytes=%" PRId64 " new=%u alerts=%u ms=%" PRId64,
        log_quote(j->feed->conf->name), fetch_outcome_name(r->outcome), r->http_status,
        r->body_bytes, j->n_new, j->n_alerts, clock_mono_ms() - j->start_ms);
    metrics_add(METRIC_ITEMS, j->n_new);
    metrics_add(METRIC_MATCHED, j->n_matched);
    metrics_add(METRIC_MATCH_NS, j->match_ns);
    mono = clock_mono_ms();
    utc = clock_utc_ms();
    s->last_poll_ms = utc;
    s->due_ms = utc + (j->due_ms - mono);
    if (j->fault) { /* what was judged is not kept, so that it is judged again */
        alerts_free(&j->alerts);
        j->window_dirty = false;
    }
    feed_parse_free(j->parse);
    j->parse = NULL;
    j->final = true;
    job_flush(j);
}

int job_start(struct poller *p, struct feed *f)
{
    static const struct fetch_events events = { on_start, on_body, on_done };
    const struct config_feed *conf = f->conf;
    struct job *j = calloc(1, sizeof *j);
    struct fetch_request request = {
        .url = conf->url,
        .etag = f->state.etag,
        .last_modified = f->state.last_modified,
        .user_agent = conf->user_agent ? conf->user_agent : p->snap->config->user_agent,
        .allow_private = conf->allow_private,
        .timeout_ms = conf->timeout_s * 1000,
        .max_bytes = (size_t)conf->max_bytes,
    };

    if (!j)
        return -ENOMEM;
    j->poller = p;
    j->feed = f;
    j->snap = snapshot_ref(p->snap);
    j->start_ms = clock_mono_ms();
    j->now_ms = j->fetched_ms = clock_utc_ms();
    j->first_contact = !f->state.learned;
    int r = fetch_start(p->pool, &request, &events, j);
    if (r < 0) {
        job_free(j);
        return r;
    }
    f->job = j;
    p->active++;
    return 0;
}
