/* Moves committed alerts from the outbox to the sinks, each at its own pace. */
#include "dispatch_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "clock.h"
#include "dispatch_mute.h"
#include "log.h"

#define BATCH_MAX 256
#define BATCH_BYTES (4 << 20)
#define TURN_MS 200 /* of a long backlog, so that signals and the watchdog get theirs */
#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 300000
#define LOCK_TRIES 2   /* of some 10 s each; a lock that is lost ends with the process */
#define AMENDED_MAX 64 /* at once */
#define ASKED_MAX_MS 86400000

/* --- cursors --- */

struct save {
    struct write_request write; /* first */
    char sink[];
};

static void save_done(struct write_request *w)
{
    free(w);
}

/* Hand a cursor to the writer. */
static void push_cursor(struct writer *w, const struct store_cursor *c)
{
    size_t n = strlen(c->sink) + 1;

    if (!w)
        return;
    struct save *s = calloc(1, sizeof *s + n);
    if (!s)
        return; /* the next one says it all */
    memcpy(s->sink, c->sink, n);
    s->write.cursor = *c;
    s->write.cursor.sink = s->sink;
    s->write.done = save_done;
    writer_push(w, &s->write);
}

static struct store_cursor cursor_of(const struct outlet *o)
{
    int64_t left = o->retry_ms - clock_mono_ms();

    return (struct store_cursor){
        .sink = o->name,
        .seq = o->cursor,
        .failures = (int32_t)o->failures,
        .retry_ms = o->failures && left > 0 ? clock_utc_ms() + left : 0,
    };
}

static struct store_cursor digest_cursor_of(const struct outlet *o)
{
    return (struct store_cursor){ .sink = o->name,
                                  .of_digests = true,
                                  .digest_seq = o->digests.cursor };
}

void outlet_forget(struct dispatch *d, const char *name)
{
    struct store_cursor gone = { .sink = name, .seq = -1 };

    push_cursor(d->writer, &gone);
}

/* Hand cursor and retry state to the writer. */
static void save(struct outlet *o)
{
    struct store_cursor c = cursor_of(o);

    o->saved = o->cursor;
    push_cursor(o->dispatch->writer, &c);
}

void outlet_save(struct outlet *o)
{
    if (o->cursor != o->saved)
        save(o);
    if (digest_line_progress(&o->digests, o->sink)) {
        struct store_cursor c = digest_cursor_of(o);

        push_cursor(o->dispatch->writer, &c);
    }
}

bool outlet_progress(struct outlet *o)
{
    int64_t done = o->sink->ops->delivered(o->sink);
    bool more = done > o->told;

    o->told = done;
    latency_done(&o->latency, &o->waiting, done, clock_utc_ms());
    if (done >= o->given) /* alerts behind it are not for this sink: they count, too */
        done = o->handed;
    if (done > o->cursor)
        o->cursor = done;
    return more;
}

/* --- reading a batch --- */

struct batch {
    struct outlet *outlet;
    const struct alert *list[BATCH_MAX]; /* copies */
    size_t n, bytes;                     /* for this sink */
    size_t seen;                         /* read */
    int64_t last_seq;                    /* read */
    size_t expired; /* of those, at the front: the sink gave up on them */
    int64_t too_old_ms;
};

static void drop_batch(struct batch *b)
{
    while (b->n)
        free((void *)(uintptr_t)b->list[--b->n]);
    b->bytes = 0;
}

/* One that is held back stands in logs only; the others get a digest. */
static bool is_for(const struct alert *a, const struct outlet *o)
{
    return (!a->held.n || o->never_gives_up) && alert_lists(a->sinks, o->name);
}

static int take(void *ctx, const struct alert *a)
{
    struct batch *b = ctx;
    struct str *s;
    bool wanted = is_for(a, b->outlet);

    if (wanted && b->n == 0 && a->time_ms < b->too_old_ms) {
        b->expired++;
    } else if (b->n == 0 && b->expired) {
        return 1; /* first be done with those */
    } else if (wanted) {
        if (b->bytes >= BATCH_BYTES)
            return 1; /* enough for one batch */
        struct alert *copy = alert_copy(a);
        if (!copy)
            return -ENOMEM;
        for (unsigned i = 0; (s = alert_text(copy, i)); i++)
            b->bytes += s->n;
        b->list[b->n++] = copy;
    }
    b->seen++;
    b->last_seq = a->seq;
    return 0;
}

/* --- delivering --- */

static int on_retry(sd_event_source *s, uint64_t usec, void *ctx)
{
    (void)s;
    (void)usec;
    outlet_pump(ctx);
    return 0;
}

/* Look again when the time of the next try has come. */
static void set_timer(struct outlet *o)
{
    uint64_t at = (uint64_t)o->retry_ms * 1000;

    if (!o->timer)
        (void)sd_event_add_time(o->dispatch->event, &o->timer, CLOCK_BOOTTIME, at, 10000,
                                on_retry, o);
    else if (sd_event_source_set_time(o->timer, at) >= 0)
        (void)sd_event_source_set_enabled(o->timer, SD_EVENT_ONESHOT);
}

/* `asked_ms`: what the other side asked for, or 0. */
static void retry_later(struct outlet *o, const char *why, int64_t asked_ms)
{
    int64_t wait = RETRY_MIN_MS << (o->failures < 10 ? o->failures : 10);

    if (wait > RETRY_MAX_MS)
        wait = RETRY_MAX_MS;
    if (wait < asked_ms)
        wait = asked_ms < ASKED_MAX_MS ? asked_ms : ASKED_MAX_MS;
    o->retry_ms = clock_mono_ms() + wait;
    log_event(o->failures++ ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "sink_failed",
              "sink=%s why=%s pending_after=%" PRId64 " retry_ms=%" PRId64,
              log_quote(o->name), log_quote(why), o->cursor, wait);
    save(o); /* a restart does not begin at the first try again */
    set_timer(o);
}

static void recovered(struct outlet *o)
{
    if (!o->failures)
        return;
    log_event(LOG_LEVEL_NOTICE, "sink_recovered", "sink=%s", log_quote(o->name));
    o->failures = 0;
    o->saved = -1; /* with the next cursor */
}

/* A sink with a thread of its own cannot fail in deliver(): ask it, and say each change
 * once. */
static void watch_trouble(struct outlet *o)
{
    struct buf why;

    buf_init(&why, 400);
    bool now = o->sink->ops->trouble && o->sink->ops->trouble(o->sink, &why);
    if (now && !o->troubled)
        log_event(LOG_LEVEL_WARN, "sink_failed", "sink=%s why=%s", log_quote(o->name),
                  log_quote_str(buf_str(&why)));
    else if (!now && o->troubled)
        log_event(LOG_LEVEL_NOTICE, "sink_recovered", "sink=%s", log_quote(o->name));
    o->troubled = now;
    buf_free(&why);
}

/* What was taken and could not be delivered is handed over again, later. */
static void watch_failure(struct outlet *o)
{
    int64_t asked_ms = 0;
    struct buf why;

    buf_init(&why, 400);
    if (o->sink->ops->failed && o->sink->ops->failed(o->sink, &asked_ms, &why)) {
        o->handed = o->cursor;
        o->given = -1;
        o->waiting.n = 0;
        digest_line_rewind(&o->digests);
        retry_later(o, why.s ? why.s : "out of memory", asked_ms);
    }
    buf_free(&why);
}

/* See what became of what was handed over.  delivered() clears the sink's descriptor, so
 * all else is looked at behind it; what comes later makes it readable again. */
static void take_progress(struct outlet *o)
{
    if (outlet_progress(o) && o->sink->ops->failed)
        recovered(o);
    watch_trouble(o);
    watch_failure(o);
    outlet_save(o);
    mutes_save(o->dispatch->writer, o->sink, o->name);
}

/* A sink that has failed for so long does not get what has become too old meanwhile. */
static void give_up(struct outlet *o, const struct batch *b)
{
    log_event(LOG_LEVEL_WARN, "sink_gave_up",
              "sink=%s alerts=%zu after=%" PRId64 " up_to=%" PRId64
              " note=\"older than give_up; they are in the store and the alert log\"",
              log_quote(o->name), b->expired, o->cursor, b->last_seq);
    o->handed = o->cursor = b->last_seq;
    save(o);
}

/* Read one batch and hand it over.  True when there may be more to do at once. */
static bool step(struct outlet *o, struct batch *b)
{
    struct buf why;
    int r;

    b->outlet = o;
    b->seen = b->expired = 0;
    b->last_seq = o->handed;
    b->too_old_ms = INT64_MIN;
    if (o->failures && !o->never_gives_up && o->handed == o->cursor)
        b->too_old_ms = clock_utc_ms() - o->dispatch->give_up_ms;
    drop_batch(b);
    r = store_alerts_after(o->dispatch->store, o->handed, BATCH_MAX, take, b);
    if (r < 0) {
        retry_later(o, store_why(o->dispatch->store), 0);
        o->unread = true;
        if (r == -ENOLCK && o->failures >= LOCK_TRIES && o->dispatch->event)
            (void)sd_event_exit(o->dispatch->event, r);
        return false;
    }
    if (!b->seen && o->unread)
        recovered(o);
    o->unread = false;
    if (!b->seen)
        return false;
    if (b->expired) {
        give_up(o, b);
        return true;
    }
    if (!b->n) {
        o->handed = b->last_seq;
        return true;
    }
    buf_init(&why, 400);
    r = o->sink->ops->deliver(o->sink, b->list, b->n, &why);
    if (r > 0) {
        if (!o->sink->ops->failed) /* else taking it means nothing yet */
            recovered(o);
        o->n_given += r;
        for (int i = 0; i < r; i++)
            latency_given(&o->waiting, b->list[i]->seq, b->list[i]->time_ms);
        o->given = b->list[r - 1]->seq;
        o->handed = (size_t)r == b->n ? b->last_seq : b->list[r - 1]->seq;
    } else if (r < 0) {
        retry_later(o, why.s && *why.s ? why.s : strerror(-r), 0);
    }
    buf_free(&why);
    return r > 0;
}

/* Hand over the digests that wait. */
static void pump_digests(struct outlet *o)
{
    struct store *store = o->dispatch->store;
    struct buf why;
    int r = 1;

    buf_init(&why, 400);
    while (!o->retry_ms && r > 0) {
        r = digest_line_step(&o->digests, store, o->sink, o->name, &why);
        if (r < 0)
            retry_later(o, why.s && *why.s ? why.s : strerror(-r), 0);
        if (r > 0) /* else it would miss that there is room, as in outlet_pump() */
            take_progress(o);
    }
    buf_free(&why);
}

void outlet_pump(struct outlet *o)
{
    struct batch *b;
    int64_t end = clock_mono_ms() + TURN_MS;

    if (o->retry_ms > clock_mono_ms())
        return;
    o->retry_ms = 0;
    b = calloc(1, sizeof *b);
    if (!b) {
        retry_later(o, "out of memory", 0);
        return;
    }
    bool more;
    do {
        take_progress(o); /* not behind the last step: it would miss that there is room */
        more = !o->retry_ms && step(o, b);
    } while (more && clock_mono_ms() < end);
    if (more && o->dispatch->event) { /* the rest in the next turn of the loop */
        o->retry_ms = end;
        set_timer(o);
    }
    drop_batch(b);
    free(b);
    pump_digests(o);
}

static int amend(void *ctx, const struct alert *a)
{
    struct dispatch *d = ctx;

    for (size_t i = 0; i < d->n; i++) {
        struct outlet *o = d->outlet[i];

        if (o->sink->ops->amend && a->seq <= o->handed && is_for(a, o))
            o->sink->ops->amend(o->sink, a);
    }
    return 0;
}

/* Tell the sinks of alerts that have a source more. */
static void amend_all(struct dispatch *d)
{
    int64_t seq[AMENDED_MAX];
    size_t n = writer_amended(d->writer, seq, AMENDED_MAX);

    for (size_t i = 0; i < n; i++)
        (void)store_alerts_after(d->store, seq[i] - 1, 1, amend, d);
}

static int on_committed(sd_event_source *s, int fd, uint32_t events, void *ctx)
{
    struct dispatch *d = ctx;
    uint64_t count;

    (void)s;
    (void)events;
    if (read(fd, &count, sizeof count) < 0)
        return 0; /* somebody else was woken for it */
    amend_all(d); /* first: an alert that is handed over now has all of its sources */
    for (size_t i = 0; i < d->n; i++)
        outlet_pump(d->outlet[i]);
    return 0;
}

static int on_ready(sd_event_source *s, int fd, uint32_t events, void *ctx)
{
    struct outlet *o = ctx;

    (void)s;
    (void)fd;
    (void)events;
    take_progress(o);
    outlet_pump(o);
    return 0;
}

/* --- opening and closing --- */

void outlet_free(struct outlet *o, int64_t deadline_ms)
{
    if (!o)
        return;
    sd_event_source_disable_unref(o->ready);
    sd_event_source_disable_unref(o->timer);
    if (o->sink)
        o->sink->ops->free(o->sink, deadline_ms);
    free(o->name);
    free(o->as);
    free(o);
}

int outlet_listen(struct outlet *o)
{
    struct dispatch *d = o->dispatch;
    int fd = o->sink->ops->fd(o->sink);

    if (!d->event || fd < 0)
        return 0;
    return sd_event_add_io(d->event, &o->ready, fd, EPOLLIN, on_ready, o);
}

int outlet_open(struct outlet **out, struct dispatch *d, const struct sink_options *want,
                struct buf *why)
{
    const struct sink_type *type = sink_type_find(str_of(want->type));
    struct outlet *o = calloc(1, sizeof *o);
    int r = -ENOMEM;

    if (!o)
        return -ENOMEM;
    o->dispatch = d;
    o->never_gives_up = !strcmp(want->type, "log");
    o->name = strdup(want->name);
    o->as = plan_key(want);
    if (o->name && o->as)
        r = type ? type->open(&o->sink, want, why) : -EINVAL;
    if (r < 0) {
        outlet_free(o, 0);
        return r;
    }
    *out = o;
    return 0;
}

static void place_at(struct outlet *o, const struct store_cursor *c)
{
    int64_t left = c->retry_ms - clock_utc_ms();

    o->cursor = o->handed = o->saved = c->seq;
    o->given = -1;
    o->failures = c->failures > 0 ? (uint32_t)c->failures : 0;
    if (o->failures && left > 0) /* the clock may have been set */
        o->retry_ms = clock_mono_ms() + (left < ASKED_MAX_MS ? left : ASKED_MAX_MS);
}

int outlet_place(struct outlet *o, struct store *store)
{
    struct store_cursor c;
    int64_t shown = o->sink->ops->delivered(o->sink);

    int r = store_cursor_read(store, o->name, &c);
    if (r < 0)
        return r;
    if (shown > c.seq)
        c = (struct store_cursor){ .sink = c.sink, .seq = shown };
    place_at(o, &c);
    r = mutes_open(store, o->sink, o->name);
    return r < 0 ? r : digest_line_open(&o->digests, store, o->name);
}

/* Cursors of sinks that are no longer asked for are dropped: one that comes back begins
 * at its now, as a new one does.  Desktop notifications come and go with the session.
 * `list` holds the others, each ended by '\n'. */
static int put_names(struct buf *list, const struct sink_options *plan, size_t n,
                     const struct config *c)
{
    for (size_t i = 0; i < n; i++)
        (void)buf_printf(list, "%s\n", plan[i].name);
    if (c->desktop == CONFIG_DESKTOP_AUTO)
        (void)buf_puts(list, "desktop\n");
    return list->error;
}

static int keep_cursors(struct store *s, void *names)
{
    return store_cursors_keep(s, buf_str(names));
}

int dispatch_new(struct dispatch **out, const struct config *config, struct store *store,
                 struct buf *why)
{
    struct sink_options plan[PLAN_MAX];
    size_t n = plan_sinks(plan, config);
    struct dispatch *d = calloc(1, sizeof *d);

    if (!d || !(d->outlet = calloc(n, sizeof *d->outlet))) {
        free(d);
        return -ENOMEM;
    }
    struct buf names;

    buf_init(&names, 1 << 20);
    d->give_up_ms = config->give_up_s * 1000;
    int r = store_open(&d->store, config->state_dir, STORE_READ, why);
    if (r == 0)
        r = put_names(&names, plan, n, config);
    if (r == 0)
        r = keep_cursors(store, &names);
    buf_free(&names);
    for (size_t i = 0; i < n && r >= 0; i++) {
        r = outlet_open(&d->outlet[d->n], d, &plan[i], why);
        if (r < 0)
            break;
        struct outlet *o = d->outlet[d->n++];
        /* A log that is ahead of the store has seen another one: numbers go on after it.
         */
        int64_t shown = o->sink->ops->delivered(o->sink);
        r = shown > 0 ? store_seq_raise(store, shown) : 0;
        if (r >= 0)
            r = outlet_place(o, store);
        struct store_cursor c[2] = { cursor_of(o), digest_cursor_of(o) };
        if (r >= 0) /* at once, so that a crash does not make it a new sink again */
            r = store_commit(store, NULL, 0, c, 2);
        if (r < 0)
            (void)buf_printf(why, "sink %s: %s", o->name, store_why(store));
    }
    if (r < 0) {
        dispatch_free(d, 0);
        return r;
    }
    *out = d;
    return 0;
}

int dispatch_start(struct dispatch *d, sd_event *event, struct writer *writer)
{
    d->event = event;
    d->writer = writer;
    int r = sd_event_add_io(event, &d->committed, writer_alert_fd(writer), EPOLLIN,
                            on_committed, d);
    for (size_t i = 0; i < d->n && r >= 0; i++) {
        r = outlet_listen(d->outlet[i]);
        if (d->outlet[i]->retry_ms)
            set_timer(d->outlet[i]);
        outlet_pump(d->outlet[i]);
    }
    return r;
}

void dispatch_flush(struct dispatch *d)
{
    for (size_t i = 0; i < d->n; i++) {
        d->outlet[i]->retry_ms = 0;
        outlet_pump(d->outlet[i]);
    }
}

bool dispatch_idle(struct dispatch *d)
{
    int64_t last = store_last_seq(d->store);

    for (size_t i = 0; i < d->n; i++) {
        take_progress(d->outlet[i]);
        if (d->outlet[i]->cursor < last ||
            !digest_line_idle(&d->outlet[i]->digests, d->store, d->outlet[i]->sink))
            return false;
    }
    return true;
}

int64_t dispatch_last_seq(const struct dispatch *d)
{
    return d->n ? d->outlet[0]->cursor : 0;
}

size_t dispatch_sinks(struct dispatch *d, struct metrics_sink *out, size_t max)
{
    int64_t last = store_last_seq(d->store);
    size_t n = d->n < max ? d->n : max;

    for (size_t i = 0; i < n; i++) {
        const struct outlet *o = d->outlet[i];

        out[i] = (struct metrics_sink){
            .name = o->name,
            .lag = last > o->cursor ? last - o->cursor : 0,
            .delivered = o->n_given,
            .failing = o->failures > 0 || o->troubled,
            .latency = &o->latency,
        };
    }
    return n;
}

void dispatch_free(struct dispatch *d, int64_t deadline_ms)
{
    if (!d)
        return;
    sd_event_source_disable_unref(d->committed);
    int64_t end_ms = clock_mono_ms() + deadline_ms, left_ms;
    for (size_t i = 0; i < d->n; i++) {
        left_ms = end_ms - clock_mono_ms();
        if (d->outlet[i]->sink->ops->stop)
            d->outlet[i]->sink->ops->stop(d->outlet[i]->sink, left_ms > 0 ? left_ms : 0);
        take_progress(d->outlet[i]);
        left_ms = end_ms - clock_mono_ms();
        outlet_free(d->outlet[i], left_ms > 0 ? left_ms : 0);
    }
    free(d->outlet);
    store_close(d->store);
    free(d);
}
