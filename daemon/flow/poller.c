/* The loop of a poller: who is due is fetched; what comes back durable is scheduled
 * again. */
#include "poller.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include "clock.h"
#include "log.h"
#include "netguard.h"
#include "poller_impl.h"
#include "url.h"

#define SPREAD_MS_PER_FEED 20 /* at start-up */
#define TIMER_ACCURACY_USEC 5000
#define NAMES_MAX 4096  /* polls beyond max_transfers: names may be slow to resolve */
#define ASLEEP_MS 20000 /* a turn that comes so late: the machine slept, not we */
#define WAKE_MIN_MS 5000
#define SOON_MS (15 * 60 * 1000) /* what is not worth a whole interval of waiting */
#define WEEK_MS ((int64_t)7 * 24 * 3600 * 1000)

struct poller_order {      /* from main to the poller's thread */
    struct snapshot *snap; /* NULL: stop */
    struct poller_feed *feeds;
    size_t n;
    bool begun; /* it was tried */
};

void poller_order_free(struct poller_order *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->n; i++)
        store_feed_done(&o->feeds[i].state);
    free(o->feeds);
    snapshot_unref(o->snap);
    free(o);
}

/* Let the metrics know how the feed is. */
static void count_feed(struct feed *f)
{
    const struct store_feed *s = &f->state;

    metrics_feed(&f->counted, s->gone       ? FEED_GONE
                              : s->failures ? FEED_FAILING
                              : s->learned  ? FEED_OK
                                            : FEED_NEW);
}

static void feed_free(struct feed *f)
{
    metrics_feed(&f->counted, FEED_NONE);
    if (f->moved)
        store_feed_done(f->moved);
    free(f->moved);
    store_feed_done(&f->state);
    snapshot_unref(f->snap);
    free(f);
}

static void drop_feed(struct poller *p, struct feed *f)
{
    schedule_remove(p->schedule, f->id);
    poller_host_leave(&p->hosts, f->host, f->host_fails);
    p->feeds[f->id] = NULL;
    if (f->id < p->first_free)
        p->first_free = f->id;
    feed_free(f);
}

/* --- scheduling --- */

/* The number that stands for the feed's host; one's own machine needs no sparing.  0 or
 * -ENOMEM. */
static int host_of(struct poller *p, const struct feed *f, uint64_t *host)
{
    const char *url = f->state.effective_url ? f->state.effective_url : f->conf->url;
    const struct config *c = f->snap->config;

    *host = 0;
    if (f->conf->file) { /* each a host of its own */
        *host = XXH3_64bits(url, strlen(url));
        return schedule_host_exempt(p->schedule, *host);
    }
    buf_clear(&p->work);
    int r = url_host(&p->work, str_of(url));
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    *host = XXH3_64bits(p->work.s, p->work.n);
    if (!c->host_interval_set && netguard_judge_name(p->work.s) == NETGUARD_LOOPBACK)
        return schedule_host_exempt(p->schedule, *host);
    return 0;
}

static int join_host(struct poller *p, struct feed *f)
{
    const struct store_feed *s = &f->state;
    int r = host_of(p, f, &f->host);

    f->host_fails =
        s->failures > 0 && !s->gone && (s->http_status == 0 || s->http_status >= 400);
    return r < 0 ? r : poller_host_join(&p->hosts, f->host, f->host_fails);
}

/* What the store knows of hosts that must be left alone. */
static void restore_hold(struct poller *p, struct feed *f)
{
    const struct store_feed *s = &f->state;
    struct poller_host *h = poller_host_find(&p->hosts, f->host);
    int64_t left = s->hold_ms - clock_utc_ms();

    if (left <= 0 || left > WEEK_MS || !h)
        return;
    int64_t until = clock_mono_ms() + left;
    if (s->due_why == STORE_DUE_RETRY_AFTER) {
        (void)schedule_host_hold(p->schedule, f->host, until);
    } else if (poller_host_is_down(h) && until > h->until_ms) {
        h->until_ms = until;
        if ((int64_t)h->failures < s->host_failures)
            h->failures = (uint32_t)s->host_failures;
        (void)schedule_host_backoff(p->schedule, f->host, until);
    }
}

void poller_host_recovered(struct poller *p, uint64_t host)
{
    for (size_t i = 0; i < p->n_feeds; i++) {
        struct feed *f = p->feeds[i];
        int64_t room = SOON_MS;

        if (!f || f->host != host || !f->host_fails || f->job || f->state.gone ||
            f->state.auth_mark)
            continue;
        if (room > f->conf->interval_s * 1000)
            room = f->conf->interval_s * 1000;
        int64_t wait = schedule_spread_ms(p->schedule, room);
        if (f->state.due_ms > clock_utc_ms() + wait)
            (void)schedule_set(p->schedule, f->id, host, clock_mono_ms() + wait);
    }
}

/* 401: the user has changed what it depends on. */
static bool has_new_login(struct feed *f)
{
    if (!f->state.auth_mark || f->state.auth_mark == job_auth_mark(f->conf))
        return false;
    f->state.auth_mark = 0;
    return true;
}

/* When a feed that comes from the store is due: as stored, but those that are overdue or
 * new are spread, each at its own constant place, so that a start is no burst. */
static int64_t first_due(const struct poller *p, struct feed *f, size_t n)
{
    int64_t now = clock_mono_ms(), left = f->state.due_ms - clock_utc_ms();
    int64_t spread = (int64_t)n * SPREAD_MS_PER_FEED;

    if (p->opt.once)
        return now;
    if (left > f->conf->max_interval_s * 1000 && left > WEEK_MS)
        left = f->conf->max_interval_s * 1000; /* the clock was set back */
    if (f->state.due_ms && left > 0 && !has_new_login(f))
        return now + left;
    if (spread > f->conf->interval_s * 1000)
        spread = f->conf->interval_s * 1000;
    return now + (int64_t)(XXH3_64bits(&f->state.id, sizeof f->state.id) %
                           (uint64_t)(spread + 1));
}

static int grow_slots(struct poller *p)
{
    size_t more = p->n_feeds ? p->n_feeds * 2 : 64;
    struct feed **grown = realloc(p->feeds, more * sizeof *grown);

    if (!grown)
        return -ENOMEM;
    memset(grown + p->n_feeds, 0, (more - p->n_feeds) * sizeof *grown);
    p->feeds = grown;
    p->n_feeds = more;
    return 0;
}

/* `n_new`: how many are added together.  0, or -errno and nothing is added. */
static int add_feed(struct poller *p, const struct poller_order *o,
                    struct poller_feed *from, size_t n_new)
{
    struct feed *f = calloc(1, sizeof *f);

    if (!f)
        return -ENOMEM;
    while (p->first_free < p->n_feeds && p->feeds[p->first_free])
        p->first_free++;
    if (p->first_free == p->n_feeds && grow_slots(p) < 0) {
        free(f);
        return -ENOMEM;
    }
    f->id = (uint32_t)p->first_free;
    f->conf = from->conf;
    f->snap = snapshot_ref(o->snap);
    f->state = from->state; /* still owned by `from` */
    int r = join_host(p, f);
    if (r == 0 && !f->state.gone) {
        r = schedule_set(p->schedule, f->id, f->host, first_due(p, f, n_new));
        if (r < 0)
            poller_host_leave(&p->hosts, f->host, f->host_fails);
    }
    if (r < 0) {
        snapshot_unref(f->snap);
        free(f);
        return r;
    }
    memset(&from->state, 0, sizeof from->state);
    p->feeds[f->id] = f;
    count_feed(f);
    return 0;
}

/* Go on with the state that belongs to the feed's new URL. */
static void take_state(struct poller *p, struct feed *f, struct store_feed *state)
{
    poller_host_leave(&p->hosts, f->host, f->host_fails);
    store_feed_done(&f->state);
    f->state = *state;
    memset(state, 0, sizeof *state);
    count_feed(f);
    (void)join_host(p, f);
}

/* The user asks for a shorter interval: it counts from the last poll on. */
static void bring_forward(struct poller *p, struct feed *f)
{
    int64_t now = clock_mono_ms(), utc = clock_utc_ms();
    enum store_due why;
    int64_t wait = f->state.last_poll_ms +
                   pace_interval_s(&f->state, f->conf, utc, &why) * 1000 - utc;

    if (f->state.due_ms - utc > wait)
        (void)schedule_set(p->schedule, f->id, f->host, now + (wait > 0 ? wait : 0));
}

/* A feed that stays: what the user changed takes effect, what we know of it stays.  0, or
 * -ENOMEM: not yet to its end. */
static int keep_feed(struct poller *p, struct feed *f, const struct poller_order *o,
                     struct poller_feed *from)
{
    bool moved = strcmp(f->state.url, from->state.url) != 0;
    int64_t was_s = f->conf->interval_s;

    snapshot_unref(f->snap);
    f->snap = snapshot_ref(o->snap);
    f->conf = from->conf;
    f->removed = false;
    if (!moved && has_new_login(f) && !f->job) {
        (void)schedule_set(p->schedule, f->id, f->host, clock_mono_ms());
    } else if (!moved) {
        if (f->conf->interval_s < was_s && !f->job && !f->state.failures)
            bring_forward(p, f);
    } else if (!f->job) {
        take_state(p, f, &from->state);
        (void)schedule_set(p->schedule, f->id, f->host, clock_mono_ms());
    } else if (f->moved || (f->moved = calloc(1, sizeof *f->moved))) {
        store_feed_done(f->moved);
        *f->moved = from->state;
        memset(&from->state, 0, sizeof from->state);
    } else {
        return -ENOMEM;
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const struct poller_feed *)a)->state.id;
    int64_t y = ((const struct poller_feed *)b)->state.id;

    return (x > y) - (x < y);
}

/* Our part of what all pollers may have at once. */
static unsigned share_of(const struct poller *p, unsigned all)
{
    unsigned of = p->opt.of ? p->opt.of : 1, part = all / of + (p->opt.number < all % of);

    return part ? part : 1;
}

/* Those that the poller knows go on or are dropped; `o` gets to know them.  False: out of
 * memory. */
static bool keep_or_drop(struct poller *p, struct poller_order *o)
{
    bool whole = true;

    for (size_t i = 0; i < p->n_feeds; i++) {
        struct feed *f = p->feeds[i];
        struct poller_feed want = { 0 }, *found;

        if (!f)
            continue;
        want.state.id = f->state.id;
        found = o->n ? bsearch(&want, o->feeds, o->n, sizeof want, by_id) : NULL;
        if (found && found->conf) {
            found->known = true;
            if (keep_feed(p, f, o, found) == 0)
                found->conf = NULL; /* it has its place */
            else
                whole = false;
        } else if (!found && f->job) {
            f->removed = true;
        } else if (!found) {
            drop_feed(p, f);
        }
    }
    return whole;
}

static bool is_new(const struct poller_feed *f)
{
    return f->conf && !f->known;
}

/* The same. */
static bool add_feeds(struct poller *p, struct poller_order *o)
{
    size_t n_new = 0;
    bool whole = true;

    for (size_t i = 0; i < o->n; i++)
        n_new += is_new(&o->feeds[i]);
    for (size_t i = 0; i < o->n; i++) {
        if (!is_new(&o->feeds[i]))
            continue;
        if (add_feed(p, o, &o->feeds[i], n_new) == 0)
            o->feeds[i].conf = NULL;
        else
            whole = false;
    }
    for (size_t i = 0; n_new && i < p->n_feeds; i++)
        if (p->feeds[i] && p->feeds[i]->state.hold_ms)
            restore_hold(p, p->feeds[i]);
    return whole;
}

/* Do what the last order says, or what is left of it. */
static void apply(struct poller *p)
{
    struct poller_order *o = p->order;

    p->finished = false;
    if (!o->begun)
        qsort(o->feeds, o->n, sizeof *o->feeds, by_id);
    bool whole = keep_or_drop(p, o);
    whole &= add_feeds(p, o);
    snapshot_unref(p->snap);
    p->snap = snapshot_ref(o->snap);
    whole &= fetch_pool_names(p->pool, o->snap->config->dns_servers) != -ENOMEM;
    fetch_pool_limit(p->pool, share_of(p, o->snap->config->max_transfers));
    schedule_host_limits(p->schedule, o->snap->config->host_interval_ms,
                         o->snap->config->host_connections);
    if (!whole && !o->begun)
        log_event(LOG_LEVEL_WARN, "feeds_wait",
                  "why=\"out of memory\" note=\"what the config says of them comes into "
                  "force when there is some\"");
    o->begun = true;
    if (whole) {
        poller_order_free(o);
        p->order = NULL;
    }
}

/* --- the loop --- */

static void report_finished(struct poller *p)
{
    uint64_t one = 1;

    if (!p->opt.once || p->finished || p->active || p->outstanding || p->order ||
        schedule_next_ms(p->schedule) != INT64_MAX)
        return;
    p->finished = true;
    if (p->opt.finished_fd >= 0 && write(p->opt.finished_fd, &one, sizeof one) < 0)
        log_event(LOG_LEVEL_ERROR, "stopped", "why=%s", log_quote(strerror(errno)));
}

/* This turn of the loop comes far too late: the machine slept or stood still.  What is
 * overdue is spread as at a start. */
static void check_sleep(struct poller *p)
{
    int64_t now = clock_mono_ms(), late = now - p->turn_ms - pulse_period_ms();
    int64_t room = (int64_t)p->n_feeds * SPREAD_MS_PER_FEED;

    if (late < ASLEEP_MS)
        return;
    p->turn_ms = now;
    room = room < WAKE_MIN_MS ? WAKE_MIN_MS : room > SOON_MS ? SOON_MS : room;
    schedule_spread_overdue(p->schedule, now, room);
    log_event(LOG_LEVEL_NOTICE, "woke_up", "late_s=%" PRId64 " spread_s=%" PRId64,
              late / 1000, room / 1000);
}

/* Start what is due while there is room, then set the timer for the next. */
static void pump(struct poller *p)
{
    uint32_t id;
    int64_t next;

    check_sleep(p);
    while (!p->stopping && !p->waiting && p->outstanding < POLLER_OUTSTANDING_MAX / 2 &&
           p->active < p->snap->config->max_transfers + NAMES_MAX &&
           schedule_pop_due(p->schedule, clock_mono_ms(), &id)) {
        struct feed *f = p->feeds[id];
        int r = job_start(p, f);

        if (r < 0) {
            int64_t wait =
                schedule_backoff_ms(p->schedule, f->conf->interval_s * 1000, 1);
            (void)schedule_done(p->schedule, id, clock_mono_ms() + wait);
            log_event(LOG_LEVEL_WARN, "fetch_failed", "feed=%s why=%s",
                      log_quote(f->conf->name), log_quote(strerror(-r)));
        }
    }
    next = schedule_next_ms(p->schedule);
    if (p->stopping || p->waiting ||
        p->active >= p->snap->config->max_transfers + NAMES_MAX ||
        p->outstanding >= POLLER_OUTSTANDING_MAX / 2 || next == INT64_MAX) {
        (void)sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
    } else {
        (void)sd_event_source_set_time(p->timer, (uint64_t)(next > 0 ? next : 0) * 1000);
        (void)sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
    }
    report_finished(p);
}

void poller_job_durable(struct poller *p, struct job *j, int result)
{
    struct feed *f = j->feed;
    int64_t due = j->due_ms;
    bool rehost = j->rehost;

    if (result < 0) { /* not in the store: ask for the whole document again */
        free(f->state.etag);
        free(f->state.last_modified);
        f->state.etag = f->state.last_modified = NULL;
    }
    f->job = NULL;
    job_free(j);
    p->active--;
    count_feed(f);
    if (f->moved) {
        take_state(p, f, f->moved);
        free(f->moved);
        f->moved = NULL;
        due = clock_mono_ms();
        (void)schedule_done(p->schedule, f->id, due);
        (void)schedule_set(p->schedule, f->id, f->host, due);
    } else {
        (void)schedule_done(p->schedule, f->id, due);
    }
    if (rehost) {
        poller_host_leave(&p->hosts, f->host, f->host_fails);
        (void)join_host(p, f);
        (void)schedule_set(p->schedule, f->id, f->host, due);
    }
    if (f->removed || f->state.gone || p->opt.once) {
        schedule_remove(p->schedule, f->id);
        if (f->removed)
            drop_feed(p, f);
    }
}

static int on_timer(sd_event_source *s, uint64_t usec, void *ctx)
{
    (void)s;
    (void)usec;
    pump(ctx);
    return 0;
}

/* The writer gave requests back: there is room for jobs that waited for it. */
static int on_reply(sd_event_source *s, int fd, uint32_t events, void *ctx)
{
    struct poller *p = ctx;
    void *back[64];
    size_t n;

    (void)s;
    (void)fd;
    (void)events;
    while ((n = queue_take(p->reply, back, 64)) > 0)
        for (size_t i = 0; i < n; i++)
            job_request_back(p, back[i]);
    while (p->waiting && p->outstanding < POLLER_OUTSTANDING_MAX) {
        struct job *j = p->waiting;

        p->waiting = j->next;
        job_flush(j);
    }
    if (p->stopping && p->outstanding == 0 && !p->waiting)
        return sd_event_exit(p->event, 0);
    pump(p);
    return 0;
}

/* Before every turn of the loop, and every few seconds without one. */
static int on_turn(sd_event_source *s, void *ctx)
{
    struct poller *p = ctx;

    (void)s;
    check_sleep(p);
    p->turn_ms = clock_mono_ms();
    pulse_beat(p->pulse, pulse_patience_ms());
    return 0;
}

static int on_tick(sd_event_source *s, uint64_t usec, void *ctx)
{
    struct poller *p = ctx;

    if (p->order && !p->stopping) {
        apply(p);
        pump(p);
    }
    (void)sd_event_source_set_time(s, usec + (uint64_t)pulse_period_ms() * 1000);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int stop(struct poller *p)
{
    p->stopping = true;
    fetch_pool_free(p->pool);
    p->pool = NULL;
    for (size_t i = 0; i < p->n_feeds; i++)
        if (p->feeds[i] && p->feeds[i]->job && !p->feeds[i]->job->final)
            job_flush(p->feeds[i]->job);
    (void)sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
    return p->outstanding == 0 && !p->waiting ? sd_event_exit(p->event, 0) : 0;
}

static int on_control(sd_event_source *s, int fd, uint32_t events, void *ctx)
{
    struct poller *p = ctx;
    void *taken;

    (void)s;
    (void)fd;
    (void)events;
    while (!p->stopping && queue_take(p->control, &taken, 1)) {
        struct poller_order *o = taken;

        if (!o->snap) {
            poller_order_free(o);
            return stop(p);
        }
        poller_order_free(p->order);
        p->order = o;
        apply(p);
        pump(p);
    }
    return 0;
}

static int set_up(struct poller *p)
{
    struct buf why;
    struct fetch_options fetch = { .max_transfers = 256,
                                   .max_per_host = 64,
                                   .dns_servers = p->opt.dns_servers };

    int r = sd_event_new(&p->event);
    if (r >= 0)
        r = sd_event_add_io(p->event, NULL, queue_fd(p->control), EPOLLIN, on_control, p);
    if (r >= 0)
        r = sd_event_add_io(p->event, NULL, queue_fd(p->reply), EPOLLIN, on_reply, p);
    if (r >= 0)
        r = sd_event_add_time(p->event, &p->timer, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC,
                              on_timer, p);
    if (r >= 0)
        r = sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time_relative(p->event, &p->tick, CLOCK_BOOTTIME,
                                       (uint64_t)pulse_period_ms() * 1000, 0, on_tick, p);
    if (r >= 0)
        r = sd_event_source_set_prepare(p->tick, on_turn);
    if (r >= 0)
        r = fetch_pool_new(&p->pool, p->event, &fetch);
    if (r >= 0)
        r = match_scratch_new(&p->scratch);
    if (r < 0)
        return r;
    p->turn_ms = clock_mono_ms();
    p->schedule = schedule_new(p->opt.seed);
    if (!p->schedule)
        return -ENOMEM;
    buf_init(&why, 400);
    r = store_open(&p->store, p->opt.state_dir, STORE_READ, &why);
    if (r < 0)
        log_event(LOG_LEVEL_ERROR, "store_failed", "why=%s",
                  log_quote_str(buf_str(&why)));
    buf_free(&why);
    return r;
}

static void *run(void *arg)
{
    struct poller *p = arg;
    int r = sd_event_loop(p->event);

    pulse_beat(p->pulse, PULSE_WAITS); /* to be joined */
    if (r < 0)
        log_event(LOG_LEVEL_ERROR, "poller_stopped", "why=%s", log_quote(strerror(-r)));
    return NULL;
}

static void poller_free(struct poller *p)
{
    void *taken;

    if (!p)
        return;
    fetch_pool_free(p->pool);
    for (size_t i = 0; i < p->n_feeds; i++) {
        if (!p->feeds[i])
            continue;
        job_free(p->feeds[i]->job);
        feed_free(p->feeds[i]);
    }
    free(p->feeds);
    while (p->control && queue_take(p->control, &taken, 1))
        poller_order_free(taken);
    poller_order_free(p->order);
    queue_free(p->control);
    queue_free(p->reply);
    schedule_free(p->schedule);
    poller_hosts_free(&p->hosts);
    match_scratch_free(p->scratch);
    sd_event_source_unref(p->timer);
    sd_event_source_unref(p->tick);
    pulse_free(p->pulse);
    sd_event_unref(p->event);
    store_close(p->store);
    snapshot_unref(p->snap);
    buf_free(&p->work);
    text_done(&p->words);
    free(p);
}

int poller_new(struct poller **out, struct writer *writer,
               const struct poller_options *opt)
{
    struct poller *p = calloc(1, sizeof *p);
    char name[16];

    if (!p)
        return -ENOMEM;
    p->writer = writer;
    p->opt = *opt;
    buf_init(&p->work, 4 << 20);
    snprintf(name, sizeof name, "poller-%u", opt->number);
    int r = pulse_new(&p->pulse, name);
    if (r == 0)
        r = queue_new(&p->control, 64);
    if (r == 0)
        r = queue_new(&p->reply, POLLER_OUTSTANDING_MAX);
    if (r == 0)
        r = set_up(p);
    if (r >= 0)
        r = -pthread_create(&p->thread, NULL, run, p);
    if (r < 0) {
        poller_free(p);
        return r;
    }
    (void)pthread_setname_np(p->thread, name);
    *out = p;
    return 0;
}

int poller_order_new(struct poller_order **out, struct snapshot *snap,
                     struct poller_feed *feeds, size_t n)
{
    struct poller_order *o = calloc(1, sizeof *o);

    if (!o)
        return -ENOMEM;
    *o = (struct poller_order){ snapshot_ref(snap), feeds, n, false };
    *out = o;
    return 0;
}

void poller_give(struct poller *p, struct poller_order *o)
{
    (void)queue_push(p->control, o); /* waits for room */
}

void poller_stop(struct poller *p)
{
    struct poller_order *o = calloc(1, sizeof *o);

    if (o) /* without memory the caller's deadline ends the process */
        (void)queue_push(p->control, o);
}

int poller_join(struct poller *p, int64_t deadline_ms)
{
    struct timespec until;

    if (!p)
        return 0;
    clock_deadline(&until, deadline_ms);
    int r = -pthread_timedjoin_np(p->thread, NULL, &until);
    if (r == 0)
        poller_free(p);
    return r;
}
