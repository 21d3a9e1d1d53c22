/* What a poll came to: what is remembered of it, who is told, and when the next one is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "clock.h"
#include "log.h"
#include "poller_impl.h"
#include "url.h"

#define DAY_S 86400
#define AFTER_TRIAL_S 60 /* the poll whose place a trial took comes after this */

static void set_text(char **field, const char *text)
{
    free(*field);
    *field =
        text && *text ? strdup(text) : NULL; /* out of memory: as if there were none */
}

static const char *name_of(const struct job *j)
{
    return log_quote(j->feed->conf->name);
}

int64_t job_auth_mark(const struct config_feed *conf)
{
    const char *const *line = conf->access->headers;
    uint64_t h = XXH3_64bits(conf->url, strlen(conf->url));

    for (; line && *line; line++)
        h = XXH3_64bits_withSeed(*line, strlen(*line), h);
    return h ? (int64_t)h : 1;
}

/* ---- hosts ---- */

static void say_host(struct job *j, const char *event, enum log_level level,
                     const struct poller_host *h, int64_t wait_ms)
{
    struct buf *host = &j->poller->work;
    const struct store_feed *s = &j->feed->state;

    if (url_host(host, str_of(s->effective_url ? s->effective_url : j->feed->conf->url)) <
        0)
        return;
    log_event(level, event, "host=%s feeds=%" PRIu32 " next_s=%" PRId64,
              log_quote_str(buf_str(host)), h->feeds, wait_ms / 1000);
}

/* The poll failed in a way that may be the host's fault.  When all feeds of the host
 * fail it is left alone as a whole; returns for how long, 0: it is not. */
static int64_t host_failed(struct job *j)
{
    struct feed *f = j->feed;
    struct poller_host *h = poller_host_find(&j->poller->hosts, f->host);
    int64_t now = clock_mono_ms();

    if (!h)
        return 0;
    h->failing += !f->host_fails;
    f->host_fails = true;
    if (!poller_host_is_down(h) || now < h->until_ms)
        return 0;
    int64_t wait = schedule_backoff_ms(j->poller->schedule, f->conf->interval_s * 1000,
                                       h->failures++);
    h->until_ms = now + wait;
    (void)schedule_host_backoff(j->poller->schedule, f->host, h->until_ms);
    f->state.host_failures = (int32_t)h->failures;
    f->state.hold_ms = clock_utc_ms() + wait;
    say_host(j, "host_failing", h->failures == 1 ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, h,
             wait);
    return wait;
}

static void host_answered(struct job *j)
{
    struct feed *f = j->feed;
    struct poller_host *h = poller_host_find(&j->poller->hosts, f->host);

    f->state.host_failures = 0;
    f->state.hold_ms = 0;
    if (!h)
        return;
    h->failing -= f->host_fails && h->failing;
    f->host_fails = false;
    if (!h->failures)
        return;
    h->failures = 0;
    h->until_ms = 0;
    (void)schedule_host_backoff(j->poller->schedule, f->host, INT64_MIN);
    say_host(j, "host_recovered", LOG_LEVEL_NOTICE, h, 0);
    poller_host_recovered(j->poller, f->host);
}

/* ---- failures ---- */

static enum pace_failure kind_of(const struct fetch_result *r)
{
    long s = r->http_status;

    if (s == 401)
        return PACE_LOGIN;
    if (s >= 400 && s < 500 && s != 408 && s != 425 && s != 429)
        return PACE_HARD;
    return r->outcome == FETCH_BAD || r->outcome == FETCH_REFUSED ? PACE_BAD : PACE_SOFT;
}

/* Told once: the feed wants other credentials, or has been failing for long. */
static void tell_failure(struct job *j, const char *why, int64_t utc)
{
    struct store_feed *s = &j->feed->state;
    int64_t after_ms = j->feed->conf->access->broken_after_s * 1000;

    if (s->auth_mark || s->told & STORE_TOLD_BROKEN ||
        utc - s->failing_since_ms < after_ms)
        return;
    s->told |= STORE_TOLD_BROKEN;
    log_event(LOG_LEVEL_WARN, "feed_failing",
              "feed=%s hours=%" PRId64 " tries=%d why=%s "
              "note=\"said once; feedwatch status shows it\"",
              name_of(j), (utc - s->failing_since_ms) / 3600000, s->failures,
              log_quote(why));
}

static void want_login(struct job *j)
{
    struct store_feed *s = &j->feed->state;

    if (!s->auth_mark)
        log_event(LOG_LEVEL_WARN, "feed_login",
                  "feed=%s note=\"401: it wants %scredentials; set basic_auth or "
                  "bearer_token and reload; until then it is tried once a day\"",
                  name_of(j), j->feed->conf->access->headers ? "other " : "");
    s->auth_mark = job_auth_mark(j->feed->conf);
}

/* What was adopted does not work (any more): back to what the user wrote. */
static bool move_back(struct job *j, const struct fetch_result *r)
{
    struct store_feed *s = &j->feed->state;
    bool lost = r->outcome == FETCH_GONE || kind_of(r) == PACE_HARD || s->failures >= 3;

    if (!s->effective_url || !lost)
        return false;
    log_event(LOG_LEVEL_NOTICE, "feed_moved_back", "feed=%s from=%s why=%s", name_of(j),
              log_quote(s->effective_url), log_quote(r->why));
    pace_move_back(s);
    j->rehost = true;
    return true;
}

static void note_failure(struct job *j, const struct fetch_result *r, const char *why)
{
    struct store_feed *s = &j->feed->state;
    struct schedule *schedule = j->poller->schedule;
    bool again = s->error && !strcmp(s->error, why);
    int64_t utc = clock_utc_ms(), mono = clock_mono_ms(), host_wait = 0;
    enum pace_failure how = kind_of(r);

    if (!s->failures++ || !s->failing_since_ms || s->failing_since_ms > utc)
        s->failing_since_ms = utc;
    if (how == PACE_LOGIN)
        want_login(j);
    tell_failure(j, why, utc);
    if (!j->parse && !j->fault && r->outcome != FETCH_REFUSED && !j->feed->conf->file &&
        (r->http_status == 0 || r->http_status >= 400))
        host_wait = host_failed(j);
    int64_t wait =
        move_back(j, r)
            ? pace_success_ms(s, j->feed->conf, schedule, utc, r->retry_after_s)
            : pace_failure_ms(s, j->feed->conf, schedule, utc, how, r->retry_after_s);
    if (r->retry_after_s > 0 && (r->http_status == 429 || r->http_status == 503)) {
        s->hold_ms = utc + r->retry_after_s * 1000;
        (void)schedule_host_hold(schedule, j->feed->host, mono + r->retry_after_s * 1000);
    }
    if (host_wait > wait) {
        wait = host_wait;
        s->due_why = STORE_DUE_HOST;
    }
    set_text(&s->error, why);
    j->due_ms = mono + wait;
    log_event(again || how == PACE_LOGIN ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
              "fetch_failed",
              "feed=%s outcome=%s http=%ld why=%s tries=%d next_s=%" PRId64, name_of(j),
              fetch_outcome_name(r->outcome), r->http_status, log_quote(why), s->failures,
              wait / 1000);
}

static void note_gone(struct job *j)
{
    struct store_feed *s = &j->feed->state;

    s->gone = true;
    s->due_why = STORE_DUE_NEVER;
    set_text(&s->error, "410 Gone: the publisher has ended this feed");
    j->due_ms = clock_mono_ms() + (int64_t)DAY_S * 1000;
    log_event(
        LOG_LEVEL_WARN, "feed_gone",
        "feed=%s note=\"410: it is not polled any more; remove it from the config\"",
        name_of(j));
}

/* ---- moves ---- */

static void say_moved(const struct job *j, const char *to)
{
    log_event(LOG_LEVEL_NOTICE, "feed_moved",
              "feed=%s to=%s note=\"polled there from now on; change its url\"",
              name_of(j), log_quote(to));
}

/* A link of the document or, if that has none, of the answer's header; "": none. */
static struct str link_of(struct job *j, const struct fetch_result *r,
                          struct str in_document, const char *in_header)
{
    struct buf *work = &j->poller->work;

    if (in_document.n || !in_header)
        return in_document;
    buf_clear(work);
    if (url_resolve(work, str_of(r->final_url), str_of(in_header)) < 0)
        return STR("");
    return buf_str(work);
}

/* Who says that the feed lives elsewhere?  `info`: of a whole document, or NULL. */
static const char *move_target(struct job *j, const struct fetch_result *r,
                               const struct feed_info *info, enum store_move *by)
{
    const struct store_feed *s = &j->feed->state;

    *by = STORE_MOVE_REDIRECT;
    if (r->moved_to)
        return r->moved_to;
    if (!info) { /* nothing has changed, nor has what the document said */
        *by = (enum store_move)s->moved_by;
        return *by == STORE_MOVE_REDIRECT ? NULL : s->moved_to;
    }
    *by = STORE_MOVE_DOCUMENT;
    if (url_is_web(info->new_url))
        return info->new_url.s;
    *by = STORE_MOVE_SELF;
    struct str self = link_of(j, r, info->self, r->self);
    return url_is_web(self) && !(r->final_url && strcmp(self.s, r->final_url) == 0)
               ? self.s
               : NULL;
}

static void note_move(struct job *j, const struct fetch_result *r,
                      const struct feed_info *info, int64_t utc)
{
    struct store_feed *s = &j->feed->state;
    enum store_move by;
    const char *target = move_target(j, r, info, &by);
    char *copy = target ? strdup(target) : NULL; /* it may be s->moved_to itself */

    if (pace_moved(s, j->feed->conf, copy, by, utc) == PACE_ADOPT) {
        pace_move_adopt(s);
        j->rehost = true;
        say_moved(j, s->effective_url);
    }
    free(copy);
}

/* The trial at the place where the document says that the feed lives. */
static bool trial_succeeds(struct job *j, bool whole)
{
    struct store_feed *s = &j->feed->state;

    if (!whole || !j->same_feed || j->fault)
        return false;
    pace_move_adopt(s);
    j->rehost = true;
    say_moved(j, s->effective_url);
    return true;
}

/* As if the trial had not been: the feed itself is asked soon. */
static void end_trial(struct job *j, const struct fetch_result *r)
{
    struct store_feed *s = &j->feed->state;
    int64_t utc = clock_utc_ms(), wait = j->feed->conf->min_interval_s;
    bool soft = !j->parse && kind_of(r) == PACE_SOFT;

    log_event(LOG_LEVEL_NOTICE, "feed_move_refused", "feed=%s to=%s why=%s", name_of(j),
              log_quote(s->moved_to),
              log_quote(r->why[0] ? r->why : "not the same feed"));
    /* What may pass is tried again after a day. */
    pace_move_refused(s, soft ? utc - 29 * (int64_t)DAY_S * 1000 : utc);
    alerts_free(&j->alerts);
    j->window_dirty = false;
    job_forget_items(j);
    j->n_new = j->n_alerts = 0;
    wait = wait > AFTER_TRIAL_S ? wait : AFTER_TRIAL_S;
    s->due_why = STORE_DUE_INTERVAL;
    j->due_ms = clock_mono_ms() + schedule_jitter_ms(j->poller->schedule, wait * 1000);
}

/* ---- success ---- */

/* Told once: it works again; it is silent; it speaks again. */
static void tell_success(struct job *j, int64_t utc)
{
    struct store_feed *s = &j->feed->state;

    if (s->told & STORE_TOLD_BROKEN)
        log_event(LOG_LEVEL_NOTICE, "feed_recovered", "feed=%s after=%d hours=%" PRId64,
                  name_of(j), s->failures,
                  s->failing_since_ms ? (utc - s->failing_since_ms) / 3600000 : 0);
    else if (s->failures)
        log_event(LOG_LEVEL_INFO, "fetch_recovered", "feed=%s after=%d", name_of(j),
                  s->failures);
    s->told &= (uint8_t)~STORE_TOLD_BROKEN;
    bool silent = pace_is_silent(s, j->feed->conf, utc);
    if (silent && !(s->told & STORE_TOLD_SILENT)) {
        s->told |= STORE_TOLD_SILENT;
        log_event(LOG_LEVEL_WARN, "feed_silent",
                  "feed=%s days=%" PRId64 " rhythm_s=%d note=\"nothing new for much "
                  "longer than usual; said once\"",
                  name_of(j), (utc - s->last_item_ms) / 1000 / DAY_S, (int)s->rhythm_s);
    } else if (!silent && s->told & STORE_TOLD_SILENT) {
        s->told &= (uint8_t)~STORE_TOLD_SILENT;
        log_event(LOG_LEVEL_NOTICE, "feed_speaks", "feed=%s", name_of(j));
    }
}

/* `remark`: what is wrong with the answer all the same, or NULL.  `info`: of a whole
 * document, or NULL. */
static void note_success(struct job *j, const struct fetch_result *r, const char *remark,
                         const struct feed_info *info)
{
    struct store_feed *s = &j->feed->state;
    int64_t utc = clock_utc_ms();

    if (remark && *remark && (!s->error || strcmp(s->error, remark)))
        log_event(LOG_LEVEL_WARN, "feed_broken", "feed=%s why=%s note=\"%s\"", name_of(j),
                  log_quote(remark),
                  r->outcome == FETCH_UNCHANGED ? "taken as unchanged"
                                                : "its items were read");
    tell_success(j, utc);
    s->failures = 0;
    s->failing_since_ms = 0;
    s->auth_mark = 0;
    s->last_success_ms = utc;
    if (!s->first_ms)
        s->first_ms = utc;
    if (!s->full_due_ms || (info && r->outcome == FETCH_NEW_BODY))
        s->full_due_ms =
            utc + schedule_jitter_ms(j->poller->schedule,
                                     j->feed->conf->access->full_fetch_s * 1000);
    if (info || r->fresh_said)
        s->fresh_s = r->fresh_s < INT32_MAX ? (int32_t)r->fresh_s : INT32_MAX;
    set_text(&s->error, remark);
    host_answered(j);
    if (!j->feed->conf->file && (info || r->outcome == FETCH_UNCHANGED))
        note_move(j, r, info, utc);
    j->due_ms = clock_mono_ms() + pace_success_ms(s, j->feed->conf, j->poller->schedule,
                                                  utc, r->retry_after_s);
}

/* Validators count only for a document that was read to its end; a cut one is asked for
 * whole. */
static void keep_validators(struct store_feed *s, const struct fetch_result *r)
{
    set_text(&s->etag, r ? r->etag : NULL);
    set_text(&s->last_modified, r ? r->last_modified : NULL);
}

/* ---- documents ---- */

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
static void note_gap(struct job *j, const struct feed_parse_result *parsed)
{
    struct store_feed *s = &j->feed->state;
    struct seen_stats st;

    seen_window_stats(j->window, &st);
    if (j->first_contact || !st.previous || !st.had || st.churn)
        return;
    if (st.overlap) {
        pace_no_gap(s, j->feed->conf, j->n_known, parsed->items, j->now_ms);
        return;
    }
    pace_gap(s, j->feed->conf, j->now_ms);
    log_event(LOG_LEVEL_WARN, "feed_gap",
              "feed=%s items=%zu interval_s=%d note=\"none of them was in the last "
              "answer: some may have come and gone in between; it is polled sooner\"",
              name_of(j), st.had, (int)s->urgent_s);
}

/* What only a whole document tells. */
static void learn_document(struct job *j, const struct feed_info *info,
                           const struct feed_parse_result *parsed)
{
    struct store_feed *s = &j->feed->state;

    s->ttl_s = info->ttl_s < INT32_MAX ? (int32_t)info->ttl_s : INT32_MAX;
    s->skip_hours = info->skip_hours;
    s->skip_days = (uint8_t)info->skip_days;
    if (!j->window)
        return;
    note_gap(j, parsed);
    pace_learn(s, &j->times, j->first_contact ? 0 : j->n_new, j->now_ms);
    job_prune(j, (int32_t)(j->now_ms / 1000 / DAY_S));
}

static void say_document(struct job *j, const struct fetch_result *r,
                         const struct feed_info *info, unsigned long items)
{
    if (j->first_contact && j->feed->state.learned)
        log_event(LOG_LEVEL_NOTICE, "feed_learned",
                  "feed=%s format=%s items=%u silent=%u", name_of(j),
                  log_quote(feed_format_name(info->format)), j->n_new, j->n_silent);
    else if (j->n_new)
        log_event(LOG_LEVEL_INFO, "feed_changed",
                  "feed=%s new=%u alerts=%u items=%lu bytes=%" PRId64 " ms=%" PRId64,
                  name_of(j), j->n_new, j->n_alerts, items, r->body_bytes,
                  clock_mono_ms() - j->start_ms);
}

/* The user gave the feed another URL: is what came from there the same feed?  False: it
 * cannot be said yet, so nothing of it counts. */
static bool decide_url(struct job *j, bool arrived, unsigned long items)
{
    struct store_feed *s = &j->feed->state;

    if (!arrived || !items) {
        alerts_free(&j->alerts);
        j->window_dirty = false;
        job_forget_items(j);
        j->n_new = j->n_alerts = 0;
        return false;
    }
    s->recheck = false;
    if (!j->same_feed)
        j->first_contact = true;
    return true;
}

static void note_title(struct store_feed *s, struct str title)
{
    char text[204];

    snprintf(text, sizeof text, "%.*s", (int)(title.n < 200 ? title.n : 200), title.s);
    set_text(&s->title, text);
}

/* A hub would tell us of new items (WebSub), if we could be reached: for status only. */
static void note_hub(struct job *j, const struct fetch_result *r,
                     const struct feed_info *info)
{
    struct store_feed *s = &j->feed->state;
    struct str hub = link_of(j, r, info->hub, r->hub);

    if (!url_is_web(hub))
        set_text(&s->hub, NULL);
    else if (!s->hub || strcmp(s->hub, hub.s) != 0)
        set_text(&s->hub, hub.s);
}

/* Neither whole nor of any use. */
static void note_no_feed(struct job *j, const struct fetch_result *r,
                         const struct feed_info *info,
                         const struct feed_parse_result *parsed)
{
    char why[400];

    snprintf(why, sizeof why, "%s: %s%s%.*s", feed_status_name(parsed->status),
             parsed->why, info->alternate.n ? "; the page names this feed: " : "",
             (int)(info->alternate.n < 150 ? info->alternate.n : 0),
             info->alternate.n ? info->alternate.s : "");
    note_failure(j, r, why);
}

/* What the user should hear of a document that was read all the same, or NULL. */
static const char *remark_of(const struct job *j, const struct feed_parse_result *parsed,
                             bool whole, char deep[80])
{
    if (!whole)
        return parsed->why;
    if (!parsed->too_deep)
        return NULL;
    snprintf(deep, 80, "too deep: what is nested below max_depth = %d is left out",
             (int)j->feed->conf->access->max_depth);
    return deep;
}

static void end_body(struct job *j, const struct fetch_result *r)
{
    char deep[80];

    struct store_feed *s = &j->feed->state;
    struct feed_parse_result parsed;

    feed_parse_finish(j->parse, &parsed);
    const struct feed_info *info = feed_parse_info(j->parse);
    bool arrived = r->outcome == FETCH_NEW_BODY || r->outcome == FETCH_ENDED;
    bool whole = arrived && parsed.status == FEED_WHOLE;

    job_settle(j, whole, parsed.items);
    if (j->trial == TRIAL_MOVE && !trial_succeeds(j, whole)) {
        end_trial(j, r);
        return;
    }
    bool counts = j->trial != TRIAL_URL || decide_url(j, arrived, parsed.items);
    s->items += j->n_new;
    s->alerts += j->n_alerts;
    if (parsed.items && counts) {
        s->learned = is_learned(j, arrived, &parsed);
        if (j->n_new)
            s->last_change_ms = j->now_ms;
    } else if (whole && counts) {
        s->learned = true;
    }
    if (info->title.n && !j->fault)
        note_title(s, info->title);
    keep_validators(s, whole && !j->fault ? r : NULL);
    if (whole && !j->fault) {
        note_hub(j, r, info);
        learn_document(j, info, &parsed);
    }
    if (j->fault)
        note_failure(j, r, strerror(-j->fault));
    else if (whole || (arrived && parsed.items))
        note_success(j, r, remark_of(j, &parsed, whole, deep), whole ? info : NULL);
    else if (!arrived)
        note_failure(j, r, r->why);
    else
        note_no_feed(j, r, info, &parsed);
    say_document(j, r, info, parsed.items);
}

static void end_unchanged(struct job *j, const struct fetch_result *r)
{
    struct store_feed *s = &j->feed->state;

    s->not_modified++;
    if (r->etag)
        set_text(&s->etag, r->etag);
    if (r->last_modified)
        set_text(&s->last_modified, r->last_modified);
    note_success(j, r, r->why, NULL);
}

/* ---- the end ---- */

static void end_as(struct job *j, const struct fetch_result *r)
{
    if (j->parse)
        end_body(j, r);
    else if (j->trial == TRIAL_MOVE)
        end_trial(j, r);
    else if (r->outcome == FETCH_UNCHANGED)
        end_unchanged(j, r);
    else if (r->outcome == FETCH_GONE && !j->feed->state.effective_url)
        note_gone(j);
    else if (r->outcome == FETCH_NEW_BODY)
        note_failure(j, r, "the answer has no content");
    else
        note_failure(j, r, j->fault ? strerror(-j->fault) : r->why);
}

void job_end(void *ctx, const struct fetch_result *r)
{
    struct job *j = ctx;
    struct store_feed *s = &j->feed->state;
    int64_t utc = clock_utc_ms();

    s->polls++;
    s->http_status = (int32_t)r->http_status;
    s->bytes += r->wire_bytes;
    metrics_poll(r->outcome);
    metrics_add(METRIC_BYTES, r->wire_bytes);
    store_traffic_add(&s->traffic, utc, 1, r->outcome == FETCH_UNCHANGED, r->wire_bytes);
    end_as(j, r);
    log_event(LOG_LEVEL_DEBUG, "fetched",
              "feed=%s outcome=%s http=%ld bytes=%" PRId64
              " new=%u alerts=%u ms=%" PRId64,
              name_of(j), fetch_outcome_name(r->outcome), r->http_status, r->body_bytes,
              j->n_new, j->n_alerts, clock_mono_ms() - j->start_ms);
    metrics_add(METRIC_ITEMS, j->n_new);
    metrics_add(METRIC_MATCHED, j->n_matched);
    metrics_add(METRIC_MATCH_NS, j->match_ns);
    utc = clock_utc_ms();
    s->last_poll_ms = utc;
    s->due_ms = utc + (j->due_ms - clock_mono_ms());
    if (j->fault) { /* what was judged is not kept, so that it is judged again */
        alerts_free(&j->alerts);
        j->window_dirty = false;
        job_forget_items(j);
    }
    feed_parse_free(j->parse);
    j->parse = NULL;
    j->final = true;
    job_flush(j);
}
