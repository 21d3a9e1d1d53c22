/* One poll of one feed: bytes to items, items to verdicts, verdicts to alerts, all to the
 * writer.  What the poll came to, and when the next one is, is in poller_end.c. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "history.h"
#include "log.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "poller_alert.h"
#include "poller_impl.h"

#define DAY_S 86400
#define HISTORY_MAX (8UL << 20) /* bytes of records kept of one poll */

struct job_request {
    struct write_request write; /* first */
    struct poller *poller;
    struct job *job; /* of a final request, else NULL */
    struct alerts alerts;
    struct buf window, history;
};

void alerts_free(struct alerts *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->text[i]);
    free(a->alert);
    free(a->key);
    free(a->print);
    free(a->text);
    *a = (struct alerts){ 0 };
}

static void doubts_free(struct job *j)
{
    for (size_t i = 0; i < j->n_doubts; i++) {
        alerts_free(&j->doubt[i].alerts);
        buf_free(&j->doubt[i].history);
    }
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
    buf_free(&j->history);
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
    buf_free(&r->history);
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

void job_forget_items(struct job *j)
{
    buf_clear(&j->history);
    j->n_history = 0;
}

/* The new items go with the window that knows them. */
static void fill_history(struct job_request *r, struct job *j)
{
    if (!j->n_history)
        return;
    struct buf none = r->history;
    r->history = j->history;
    j->history = none;
    r->write.history = buf_str(&r->history);
    r->write.change.history_items = j->n_history;
    r->write.change.history_ms = j->fetched_ms;
    job_forget_items(j);
}

static int fill_request(struct job_request *r, struct job *j)
{
    struct feed *f = j->feed;

    r->write.change.feed_id = f->state.id;
    if (j->window_dirty) {
        int e = seen_window_pack(j->window, &r->window);
        if (e < 0)
            return e;
        if (XXH3_64bits(r->window.s, r->window.n) != j->window_print)
            r->write.change.window = buf_str(&r->window);
        fill_history(r, j);
    }
    r->alerts = j->alerts;
    j->alerts = (struct alerts){ 0 };
    r->write.change.alerts = r->alerts.alert;
    r->write.change.alert_keys = r->alerts.key;
    r->write.change.n_alerts = r->alerts.n;
    r->write.keys = r->alerts.key;
    r->write.prints = r->alerts.print;
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
        buf_init(&r->history, HISTORY_MAX);
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

/* What the item that is being matched has in common with others; made once, and only
 * when it is needed.  NULL: out of memory. */
static const struct story_print *print_of_item(struct job *j)
{
    if (!j->item_printed &&
        story_print(&j->item_print, j->item, &j->poller->words, &j->poller->work) < 0)
        return NULL;
    j->item_printed = true;
    return &j->item_print;
}

/* Was the feed unread for so long that this is no news of now? */
static bool is_late(const struct job *j, const struct config_watch *watch)
{
    int64_t after = watch->noise->storm_after_s * 1000;

    return after > 0 && j->gap_ms > after && !j->first_contact;
}

static int on_hit(void *ctx, uint32_t rule_id, const struct match_span *spans, size_t n)
{
    struct job *j = ctx;
    const struct config_watch *watch = &j->snap->config->watches[rule_id];
    const struct config_feed *conf = j->feed->conf;

    if (!snapshot_watch_covers(watch, conf->name, conf->group) ||
        (j->item_changed && !watch->noise->on_update))
        return 0;
    const struct story_print *print = print_of_item(j);
    if (!print)
        return -ENOMEM;
    struct alert_cause cause = { .watch = watch,
                                 .feed = conf->name,
                                 .sinks = conf->sinks,
                                 .item = j->item,
                                 .key = &j->item_key,
                                 .time_ms = clock_utc_ms(),
                                 .fetched_ms = j->fetched_ms,
                                 .generation = (int64_t)j->snap->generation,
                                 .spans = spans,
                                 .n_spans = n,
                                 .print = print,
                                 .late = is_late(j, watch),
                                 .update = j->item_changed };
    return poller_alert_add(j->item_alerts, &cause, &j->poller->work);
}

/* First contact is silent, but for items that are known to be young enough.  A trial may
 * turn out to be one. */
static bool is_silent(const struct job *j, const struct item *item)
{
    int64_t max_age = j->feed->conf->first_run_max_age_s;
    int64_t when =
        item->published_s != ITEM_NO_TIME ? item->published_s : item->updated_s;

    if (!j->first_contact && j->trial != TRIAL_URL)
        return false;
    if (max_age <= 0)
        return true;
    return when != ITEM_NO_TIME && j->now_ms / 1000 - when > max_age;
}

/* A regex ran into its limit, which counts as no match: said once for each rule. */
static void note_limit(struct job *j, unsigned long n, uint32_t rule_id)
{
    metrics_add(METRIC_REGEX_LIMITS, (int64_t)n);
    if (j->snap == j->poller->snap && /* else it is a config on its way out */
        snapshot_limit(j->snap, rule_id))
        log_event(LOG_LEVEL_WARN, "regex_limit",
                  "watch=%s feed=%s note=\"counts as no match\"",
                  log_quote(j->snap->config->watches[rule_id].name),
                  log_quote(j->feed->conf->name));
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
    j->item_printed = false;
    const struct match_counts *counts = match_scratch_counts(j->poller->scratch);
    unsigned long limits = counts->regex_limits;
    int r = match_item(j->snap->rules, j->poller->scratch, &in, on_hit, j);
    if (counts->regex_limits != limits)
        note_limit(j, counts->regex_limits - limits, counts->limited);
    j->item = NULL;
    j->match_ns += clock_mono_ns() - began;
    j->n_matched++;
    return r;
}

/* Keep what a new item said, if items are kept.  True when it was. */
static bool keep(struct job *j, struct buf *to, const struct item *item,
                 const struct feed_info *info, bool silent)
{
    struct history_item h = { .item = *item,
                              .feed = str_of(j->feed->conf->name),
                              .fetched_ms = j->fetched_ms,
                              .silent = silent };

    if (!h.item.lang.n)
        h.item.lang = info->lang;
    return j->snap->config->history_s > 0 && history_put(to, &h) == 0;
}

/* Keep an item whose newness the rest of the document decides, with its alerts.  In a
 * trial that is every new one. */
static int hold(struct job *j, const struct item *item, const struct feed_info *info,
                const struct seen_print *print, const struct seen_key *key, bool silent,
                bool is_new)
{
    struct doubt *more = realloc(j->doubt, (j->n_doubts + 1) * sizeof *more);

    if (!more)
        return -ENOMEM;
    j->doubt = more;
    struct doubt *d = &more[j->n_doubts++];
    *d = (struct doubt){
        .print = *print, .key = *key, .silent = silent, .is_new = is_new
    };
    buf_init(&d->history, HISTORY_MAX);
    (void)keep(j, &d->history, item, info, silent);
    return silent && !j->trial ? 0 : match(j, item, info, &print->key, &d->alerts);
}

static int judge(struct job *j, const struct item *item, const struct feed_info *info)
{
    struct seen_print print = { 0 };
    enum seen_verdict verdict;
    bool silent = is_silent(j, item);

    int r = seen_print(&print, item, &j->poller->work);
    struct seen_key key = print.key; /* a doubtful item gets another one */
    if (r == 0)
        r = seen_judge(j->window, &print, (int32_t)(j->now_ms / 1000 / DAY_S), &verdict);
    if (r != 0)
        return r;
    j->window_dirty = true;
    j->n_known += verdict != SEEN_NEW && verdict != SEEN_DOUBT;
    j->read = print;
    j->has_read =
        print.key.hi == key.hi && (verdict == SEEN_KNOWN || verdict == SEEN_UPDATED ||
                                   (verdict == SEEN_NEW && !j->trial));
    if (verdict == SEEN_DOUBT || (verdict == SEEN_NEW && j->trial))
        return hold(j, item, info, &print, &key, silent, verdict == SEEN_NEW);
    if (verdict == SEEN_UPDATED && j->snap->config->any_on_update && !silent &&
        !j->trial) {
        j->item_changed = true;
        r = match(j, item, info, &print.key, &j->alerts);
        j->item_changed = false;
        return r;
    }
    if (verdict != SEEN_NEW)
        return 0;
    j->n_new++;
    j->n_silent += silent;
    j->n_history += keep(j, &j->history, item, info, silent);
    return silent ? 0 : match(j, item, info, &print.key, &j->alerts);
}

static int on_item(void *ctx, const struct item *item, const struct feed_info *info)
{
    struct job *j = ctx;
    size_t before = j->alerts.n;

    j->read_s = item->published_s != ITEM_NO_TIME ? item->published_s : item->updated_s;
    j->has_read = false;
    pace_times_add(&j->times, j->read_s, j->now_ms);
    int r = judge(j, item, info);
    j->n_alerts += (uint32_t)(j->alerts.n - before);
    if (r < 0)
        j->fault = r;
    return r;
}

/* Most items of a document that changed are there as they were: no need to read them. */
static bool is_known(void *ctx, uint64_t bytes)
{
    struct job *j = ctx;
    int64_t time_s;

    if (!seen_know_bytes(j->window, bytes, (int32_t)(j->now_ms / 1000 / DAY_S), &time_s))
        return false;
    pace_times_add(&j->times, time_s, j->now_ms);
    j->window_dirty = true;
    j->n_known++;
    return true;
}

static void on_read(void *ctx, uint64_t bytes)
{
    struct job *j = ctx;

    if (j->has_read)
        seen_remember_bytes(j->window, &j->read, bytes, j->read_s);
    j->has_read = false;
}

/* Is what a trial found the feed that we know: at least a fifth of its items? */
static bool is_same_feed(const struct job *j, unsigned long items)
{
    return items > 0 && j->n_known > 0 && (unsigned long)j->n_known * 5 >= items;
}

/* The document has ended: the items in doubt are new or they are not. */
void job_settle(struct job *j, bool whole, unsigned long items)
{
    j->same_feed = is_same_feed(j, items);
    bool learn = j->first_contact || (j->trial == TRIAL_URL && !j->same_feed);

    for (size_t i = 0; i < j->n_doubts && !j->fault; i++) {
        struct doubt *d = &j->doubt[i];
        bool silent = d->silent && learn;

        enum seen_verdict verdict =
            d->is_new ? SEEN_NEW : seen_settle(j->window, &d->print, whole);
        bool update = verdict == SEEN_UPDATED && j->snap->config->any_on_update &&
                      !j->trial && !silent;
        if (verdict != SEEN_NEW && !update)
            continue;
        if (update) { /* the writer knows which watches want it */
            for (size_t k = 0; k < d->alerts.n; k++) {
                d->alerts.alert[k].update = true;
                d->alerts.key[k] = d->key;
            }
            int e = poller_alerts_move(&j->alerts, &d->alerts);
            j->fault = e < 0 ? e : j->fault;
            continue;
        }
        j->n_new++;
        j->n_silent += silent;
        if (d->history.n && buf_put_str(&j->history, buf_str(&d->history)) == 0)
            j->n_history++;
        j->history.error = 0;
        if (silent || (j->trial == TRIAL_MOVE && !j->same_feed))
            continue;
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
        .limits = { .max_bytes = (size_t)conf->max_bytes,
                    .max_items = (size_t)conf->access->max_items,
                    .max_text = (size_t)conf->access->max_text,
                    .max_depth = (unsigned)conf->access->max_depth },
        .is_known = is_known,
        .on_read = on_read,
    };

    feed_parse_free(j->parse);
    seen_window_free(j->window);
    j->parse = NULL;
    j->window = NULL;
    job_forget_items(j);
    buf_clear(&p->work);
    int r = store_window_read(p->store, j->feed->state.id, &p->work);
    j->window_print = r == 0 && p->work.n ? XXH3_64bits(p->work.s, p->work.n) : 0;
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

static const struct fetch_events events = { on_start, on_body, job_end };

/* --- a local file --- */

/* "mtime-size-inode": what must change when the file does; stands for its ETag. */
static void file_mark(char out[80], const struct stat *st)
{
    snprintf(out, 80, "%lld.%09ld-%lld-%llu", (long long)st->st_mtim.tv_sec,
             st->st_mtim.tv_nsec, (long long)st->st_size, (unsigned long long)st->st_ino);
}

static void read_file(struct job *j, int fd, struct fetch_result *r)
{
    const struct config_feed *conf = j->feed->conf;
    char piece[16384];
    ssize_t n;

    while ((n = read(fd, piece, sizeof piece)) > 0) {
        if (r->body_bytes == 0 && on_start(j, STR(""), str_of(conf->url)) != 0)
            return;
        r->body_bytes += n;
        if (r->body_bytes > conf->max_bytes) {
            r->outcome = FETCH_REFUSED;
            snprintf(r->why, sizeof r->why, "larger than %lld bytes",
                     (long long)conf->max_bytes);
            return;
        }
        if (on_body(j, piece, (size_t)n) != 0) {
            r->outcome = FETCH_ENDED;
            return;
        }
    }
    if (n < 0) {
        r->outcome = FETCH_RETRY_LATER;
        snprintf(r->why, sizeof r->why, "%s", strerror(errno));
    }
}

/* Poll a file: read it if it is another one than last time. */
static void poll_file(struct job *j)
{
    struct fetch_result r = { .outcome = FETCH_NEW_BODY };
    char mark[80] = "";
    struct stat st;

    int fd = open(j->feed->conf->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        r.outcome = FETCH_RETRY_LATER;
        snprintf(r.why, sizeof r.why, "%s", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        r.outcome = FETCH_BAD;
        snprintf(r.why, sizeof r.why, "not a regular file");
    } else {
        file_mark(mark, &st);
        r.etag = mark;
        if (j->feed->state.etag && strcmp(j->feed->state.etag, mark) == 0)
            r.outcome = FETCH_UNCHANGED;
        else
            read_file(j, fd, &r);
    }
    if (fd >= 0)
        close(fd);
    job_end(j, &r);
}

/* --- the start --- */

/* Where this poll goes, and whether it asks for the whole document. */
static const char *poll_url(const struct job *j, bool *whole)
{
    const struct store_feed *s = &j->feed->state;
    int64_t week_ms = j->feed->conf->access->full_fetch_s * 1000;

    *whole = j->trial == TRIAL_MOVE ||
             (s->full_due_ms &&
              (j->now_ms >= s->full_due_ms || s->full_due_ms - j->now_ms > 2 * week_ms));
    return j->trial == TRIAL_MOVE ? s->moved_to
           : s->effective_url     ? s->effective_url
                                  : j->feed->conf->url;
}

/* How long the feed was not read when it should have been. */
static int64_t gap_ms(const struct store_feed *s, int64_t now_ms)
{
    int64_t overdue = s->due_ms ? now_ms - s->due_ms : 0;
    int64_t failing = s->failures && s->last_success_ms ? now_ms - s->last_success_ms : 0;

    return overdue > failing ? overdue : failing;
}

/* After how long the feed's host is asked for the next time, by this feed or another. */
static int64_t host_again_ms(const struct poller *p, const struct feed *f)
{
    int64_t own = p->opt.once ? INT64_MAX : f->conf->interval_s * 1000;
    int64_t other = schedule_host_next_ms(p->schedule, f->host);

    if (other != INT64_MAX)
        other -= clock_mono_ms();
    int64_t first = own < other ? own : other;
    return first > 1 ? first : 1;
}

static int start_fetch(struct poller *p, struct job *j)
{
    const struct config_feed *conf = j->feed->conf;
    const struct config_access *how = conf->access;
    bool whole;
    const char *url = poll_url(j, &whole);
    struct fetch_request request = {
        .url = url,
        .etag = whole ? NULL : j->feed->state.etag,
        .last_modified = whole ? NULL : j->feed->state.last_modified,
        .user_agent = conf->user_agent ? conf->user_agent : p->snap->config->user_agent,
        .ca_file = how->ca_file,
        .proxy = how->proxy,
        .headers = how->headers,
        .home = conf->url,
        .connect_timeout_ms = how->connect_timeout_s * 1000,
        .low_speed_bytes = how->low_speed_bytes,
        .low_speed_s = how->low_speed_s,
        .again_ms = host_again_ms(p, j->feed),
        .allow_private = conf->allow_private,
        .timeout_ms = conf->timeout_s * 1000,
        .max_bytes = (size_t)conf->max_bytes,
    };

    return fetch_start(p->pool, &request, &events, j);
}

int job_start(struct poller *p, struct feed *f)
{
    struct job *j = calloc(1, sizeof *j);

    if (!j)
        return -ENOMEM;
    j->poller = p;
    j->feed = f;
    j->snap = snapshot_ref(p->snap);
    j->start_ms = clock_mono_ms();
    j->now_ms = j->fetched_ms = clock_utc_ms();
    j->first_contact = !f->state.learned;
    j->trial = f->state.recheck && f->state.learned       ? TRIAL_URL
               : pace_move_is_ready(&f->state, j->now_ms) ? TRIAL_MOVE
                                                          : TRIAL_NONE;
    buf_init(&j->history, HISTORY_MAX);
    j->gap_ms = gap_ms(&f->state, j->now_ms);
    int r = f->conf->file ? 0 : start_fetch(p, j);
    if (r < 0) {
        job_free(j);
        return r;
    }
    f->job = j;
    p->active++;
    if (f->conf->file)
        poll_file(j);
    return 0;
}
