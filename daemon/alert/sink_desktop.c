/* Desktop notifications: a bounded queue and the one thread that may talk to libnotify,
 * so that a server that hangs stalls nobody else. */
#include "sink.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "clock.h"
#include "pulse.h"
#include "sink_desktop_impl.h"
#include "sink_thread.h"
#include "sink_worker.h"

#define QUEUE_MAX 64
#define SHOW_MAX_MS                                                                      \
    180000 /* libnotify waits 25 s for an answer, for each of a few calls */

struct desktop {
    struct sink sink; /* first: the outside knows only this */
    char *name;
    struct desktop_limits limits;
    pthread_t thread;
    struct pulse *pulse;
    struct mutes *mutes;
    int wake_fd;  /* for the thread: there is something to do */
    int event_fd; /* for the outside: see sink_ops.fd */

    pthread_mutex_t lock; /* guards what follows; never held while libnotify works */
    pthread_cond_t end;
    struct held *first, **last;
    size_t queued;
    bool full; /* deliver() had to refuse some */
    bool stop, ended;
    int64_t delivered, digested; /* -1: none yet */
    char trouble[200];           /* "": none */
    unsigned refs; /* the outside and the thread: a thread that hangs at the end keeps
                      its memory */
};

/* What only the thread knows. */
struct worker {
    struct desktop *d;
    struct notifier *notifier;
    struct pile pile;
    struct held *digests; /* that wait */
    int64_t muted_seq;    /* the newest alert that was not to be shown */
    int64_t tokens_ms;    /* bubbles that may be shown now, in units of refill_ms */
    int64_t filled_ms;    /* when that was */
    int64_t retry_at_ms;
    unsigned failures; /* in a row */
};

/* libnotify has state that is not for two threads, and the thread of a sink that ended
 * while it hung may still be in there. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static struct desktop *self(struct sink *s)
{
    return (struct desktop *)s;
}

static void chain_free(struct held *first)
{
    for (struct held *h = first, *next; h; h = next) {
        next = h->next;
        held_free(h);
    }
}

static void drop_ref(struct desktop *d)
{
    pthread_mutex_lock(&d->lock);
    unsigned left = --d->refs;
    pthread_mutex_unlock(&d->lock);
    if (left)
        return;
    chain_free(d->first);
    pulse_free(d->pulse);
    mutes_free(d->mutes);
    close(d->wake_fd);
    close(d->event_fd);
    pthread_cond_destroy(&d->end);
    pthread_mutex_destroy(&d->lock);
    free(d->name);
    free(d);
}

/* ---- the thread */

static void report(struct desktop *d, int64_t delivered, const char *trouble);

/* Put what was queued where it waits for its bubble. */
static void sort(struct worker *w, struct held *h)
{
    if (h->digest) {
        struct held **last = &w->digests;
        while (*last)
            last = &(*last)->next;
        *last = h;
    } else if (h->amend) {
        for (size_t i = 0; i < w->pile.n; i++)
            if (strcmp(w->pile.held[i]->alert.id, h->alert.id) == 0) {
                h->alert.seq = w->pile.held[i]->alert.seq;
                h->since_ms = w->pile.held[i]->since_ms;
                held_free(w->pile.held[i]);
                w->pile.held[i] = h;
                return;
            }
        notifier_amend(w->notifier, h);
        held_free(h);
    } else if (mutes_hold(w->d->mutes, h->alert.watch, clock_utc_ms())) {
        w->pile.muted++;
        w->muted_seq = h->alert.seq;
        held_free(h);
    } else {
        pile_add(&w->pile, h);
    }
}

/* Move what is queued to the pile.  False: it is time to end. */
static bool take_queue(struct worker *w)
{
    struct desktop *d = w->d;

    sink_clear(d->wake_fd);
    pthread_mutex_lock(&d->lock);
    bool stop = d->stop, room = d->full && d->queued;
    struct held *h = d->first;
    d->first = NULL;
    d->last = &d->first;
    d->queued = 0;
    d->full = false;
    pthread_mutex_unlock(&d->lock);
    while (h) {
        struct held *next = h->next;
        h->next = NULL;
        sort(w, h);
        h = next;
    }
    if (w->pile.n == 0 && w->muted_seq > w->pile.last_seq) {
        w->pile.last_seq = w->muted_seq;
        report(d, w->muted_seq, "");
    }
    if (room)
        sink_poke(d->event_fd);
    return !stop;
}

static void report(struct desktop *d, int64_t delivered, const char *trouble)
{
    pthread_mutex_lock(&d->lock);
    bool news = strcmp(d->trouble, trouble) != 0 || delivered > d->delivered;
    if (delivered > d->delivered)
        d->delivered = delivered;
    snprintf(d->trouble, sizeof d->trouble, "%s", trouble);
    pthread_mutex_unlock(&d->lock);
    if (news)
        sink_poke(d->event_fd);
}

static void refill(struct worker *w, int64_t now)
{
    int64_t most = (int64_t)w->d->limits.burst * w->d->limits.refill_ms;

    w->tokens_ms += now - w->filled_ms;
    w->filled_ms = now;
    if (w->tokens_ms > most)
        w->tokens_ms = most;
}

/* The first alert of the pile as a pile of its own. */
static struct pile split_first(struct pile *p)
{
    struct pile one = { .missed = p->missed, .muted = p->muted };

    pile_add(&one, p->held[0]);
    return one;
}

static void shown(struct worker *w, bool single)
{
    struct pile *p = &w->pile;
    int64_t seq = p->last_seq;

    w->failures = 0;
    w->tokens_ms -= w->d->limits.refill_ms;
    p->missed = p->muted = 0;
    if (single) {
        seq = p->held[0]->alert.seq;
        held_free(p->held[0]);
        p->n--;
        memmove(p->held, p->held + 1, p->n * sizeof p->held[0]);
    } else {
        pile_clear(p);
    }
    if (p->n == 0 && seq < w->muted_seq)
        seq = w->muted_seq;
    report(w->d, seq, "");
}

static void failed(struct worker *w, int64_t now, const char *why)
{
    const struct desktop_limits *l = &w->d->limits;
    struct pile *p = &w->pile;
    int64_t wait = l->retry_min_ms << (w->failures < 16 ? w->failures : 16);

    w->failures++;
    w->retry_at_ms = now + (wait < l->retry_max_ms ? wait : l->retry_max_ms);
    if (now - p->since_ms < l->give_up_ms) {
        report(w->d, -1, why);
        return;
    }
    p->missed += p->n + p->more;
    pile_clear(p);
    report(w->d, p->last_seq, why);
}

static void report_digest(struct desktop *d, int64_t digested)
{
    pthread_mutex_lock(&d->lock);
    d->digested = digested;
    d->trouble[0] = '\0';
    pthread_mutex_unlock(&d->lock);
    sink_poke(d->event_fd);
}

static void show_digest(struct worker *w)
{
    struct held *h = w->digests;
    int64_t now = clock_mono_ms();
    struct buf why;

    buf_init(&why, 180);
    int r = notifier_show_digest(w->notifier, h->digest, &why);
    if (r < 0) {
        int64_t wait = w->d->limits.retry_min_ms << (w->failures < 16 ? w->failures : 16);
        w->failures++;
        w->retry_at_ms =
            now + (wait < w->d->limits.retry_max_ms ? wait : w->d->limits.retry_max_ms);
        report(w->d, -1, why.s ? why.s : "out of memory");
    } else {
        w->failures = 0;
        w->tokens_ms -= w->d->limits.refill_ms;
    }
    buf_free(&why);
    if (r < 0 && now - h->since_ms < w->d->limits.give_up_ms)
        return;
    w->digests = h->next;
    report_digest(w->d, h->digest->seq);
    held_free(h);
}

/* Show what may be shown now.  How long to wait for more, in ms; below 0: until woken. */
static int64_t work(struct worker *w)
{
    const struct desktop_limits *l = &w->d->limits;
    struct pile *p = &w->pile;
    int64_t now = clock_mono_ms();
    struct buf why;

    refill(w, now);
    if (p->n == 0 && !w->digests)
        return -1;
    if (now < w->retry_at_ms)
        return w->retry_at_ms - now;
    if (w->tokens_ms < l->refill_ms)
        return l->refill_ms - w->tokens_ms;
    if (p->n == 0) {
        show_digest(w);
        return 0;
    }
    /* Each its own bubble as long as there are enough of them for all that waits. */
    bool single = !p->more && (int64_t)p->n <= w->tokens_ms / l->refill_ms;
    struct pile one = single ? split_first(p) : *p;
    buf_init(&why, 180);
    pulse_beat(w->d->pulse, SHOW_MAX_MS);
    int r = notifier_show(w->notifier, &one, &why);
    pulse_beat(w->d->pulse, PULSE_WAITS);
    if (r == 0)
        shown(w, single);
    else
        failed(w, clock_mono_ms(), why.s ? why.s : "out of memory");
    buf_free(&why);
    return 0;
}

static void run(struct desktop *d)
{
    struct worker w = { .d = d, .filled_ms = clock_mono_ms() };

    w.tokens_ms = (int64_t)d->limits.burst * d->limits.refill_ms;
    if (notifier_new(&w.notifier, d->wake_fd, d->limits.ping_ms, d->mutes) < 0) {
        report(d, -1, "out of memory");
        return;
    }
    while (take_queue(&w)) {
        int64_t wait = work(&w), end = mutes_end(d->mutes, clock_utc_ms());
        if (end >= 0 && (wait < 0 || end < wait))
            wait = end + 1;
        if (wait && notifier_wait(w.notifier, wait)) {
            w.retry_at_ms = 0; /* a server has come: try at once */
            w.failures = 0;
        }
    }
    pile_clear(&w.pile);
    chain_free(w.digests);
    notifier_free(w.notifier);
}

static void *thread_main(void *arg)
{
    struct desktop *d = arg;

    pthread_mutex_lock(&one_at_a_time);
    run(d);
    pthread_mutex_unlock(&one_at_a_time);

    pthread_mutex_lock(&d->lock);
    d->ended = true;
    pthread_cond_signal(&d->end);
    pthread_mutex_unlock(&d->lock);
    drop_ref(d);
    return NULL;
}

/* ---- the outside */

/* Queue a chain in one go, so that what comes together can share a bubble.  How many had
 * room; the others are gone. */
static int offer(struct desktop *d, struct held *chain)
{
    int taken = 0;

    pthread_mutex_lock(&d->lock);
    for (struct held *next; chain && d->queued < QUEUE_MAX; chain = next, taken++) {
        next = chain->next;
        chain->next = NULL;
        *d->last = chain;
        d->last = &chain->next;
        d->queued++;
    }
    d->full |= chain != NULL;
    pthread_mutex_unlock(&d->lock);
    if (taken)
        sink_poke(d->wake_fd);
    chain_free(chain);
    return taken;
}

static int desktop_deliver(struct sink *sink, const struct alert *const *alerts, size_t n,
                           struct buf *why)
{
    struct held *chain = NULL, **last = &chain;
    int64_t now = clock_mono_ms();

    for (size_t i = 0; i < n && i <= QUEUE_MAX;
         i++) { /* one more: to see that it is full */
        *last = held_new(alerts[i], now);
        if (!*last)
            break;
        last = &(*last)->next;
    }
    if (chain || !n)
        return offer(self(sink), chain);
    buf_puts(why, "out of memory");
    return -ENOMEM;
}

static void desktop_amend(struct sink *sink, const struct alert *a)
{
    struct held *h = held_new(a, clock_mono_ms());

    if (!h)
        return;
    h->amend = true;
    (void)offer(self(sink), h);
}

static int desktop_digest(struct sink *sink, const struct digest *digest, struct buf *why)
{
    static const struct alert none;
    struct held *h = held_new(&none, clock_mono_ms());

    if (!h || !(h->digest = digest_copy(digest))) {
        held_free(h);
        buf_puts(why, "out of memory");
        return -ENOMEM;
    }
    return offer(self(sink), h);
}

static int64_t desktop_digested(struct sink *sink)
{
    struct desktop *d = self(sink);

    pthread_mutex_lock(&d->lock);
    int64_t seq = d->digested;
    pthread_mutex_unlock(&d->lock);
    return seq;
}

static int64_t desktop_delivered(struct sink *sink)
{
    struct desktop *d = self(sink);

    sink_clear(
        d->event_fd); /* before looking: what comes later makes it readable again */
    pthread_mutex_lock(&d->lock);
    int64_t seq = d->delivered;
    pthread_mutex_unlock(&d->lock);
    return seq;
}

static int desktop_fd(struct sink *sink)
{
    return self(sink)->event_fd;
}

static bool desktop_trouble(struct sink *sink, struct buf *why)
{
    struct desktop *d = self(sink);

    pthread_mutex_lock(&d->lock);
    bool trouble = d->trouble[0];
    if (trouble)
        buf_puts(why, d->trouble);
    pthread_mutex_unlock(&d->lock);
    return trouble;
}

static bool desktop_muted(struct sink *sink, struct buf *out)
{
    return mutes_take(self(sink)->mutes, out);
}

static void desktop_restore(struct sink *sink, const char *muted)
{
    mutes_restore(self(sink)->mutes, muted);
    sink_poke(self(sink)->wake_fd);
}

static int desktop_reopen(struct sink *sink)
{
    (void)sink;
    return 0;
}

/* Let the thread end, or after the deadline leave it and its memory alone. */
static void desktop_free(struct sink *sink, int64_t deadline_ms)
{
    struct desktop *d = self(sink);
    int64_t end = clock_mono_ms() + deadline_ms, left;

    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    sink_poke(d->wake_fd);
    while (!d->ended && (left = end - clock_mono_ms()) > 0)
        sink_cond_wait(&d->end, &d->lock, left);
    bool ended = d->ended;
    pthread_mutex_unlock(&d->lock);
    if (ended)
        pthread_join(d->thread, NULL);
    else
        pthread_detach(d->thread);
    drop_ref(d);
}

static const struct sink_ops desktop_ops = {
    .type = "desktop",
    .deliver = desktop_deliver,
    .delivered = desktop_delivered,
    .fd = desktop_fd,
    .trouble = desktop_trouble,
    .amend = desktop_amend,
    .digest = desktop_digest,
    .digested = desktop_digested,
    .muted = desktop_muted,
    .restore = desktop_restore,
    .reopen = desktop_reopen,
    .free = desktop_free,
};

static struct desktop *desktop_alloc(const char *name, const struct desktop_limits *l)
{
    struct desktop *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->name = strdup(name);
    d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->mutes = mutes_new(l->mute_ms, d->wake_fd, d->event_fd);
    if (!d->name || !d->mutes || d->wake_fd < 0 || d->event_fd < 0 ||
        pulse_new(&d->pulse, name) < 0) {
        if (d->wake_fd >= 0)
            close(d->wake_fd);
        if (d->event_fd >= 0)
            close(d->event_fd);
        mutes_free(d->mutes);
        free(d->name);
        free(d);
        return NULL;
    }
    d->sink = (struct sink){ &desktop_ops, d->name };
    d->limits = *l;
    d->last = &d->first;
    d->delivered = d->digested = -1;
    d->refs = 2;
    pthread_mutex_init(&d->lock, NULL);
    sink_cond_init(&d->end);
    return d;
}

int sink_desktop_new_with(struct sink **out, const char *name,
                          const struct desktop_limits *limits, struct buf *why)
{
    int r = desktop_lib_load(why);

    if (r < 0)
        return r;
    struct desktop *d = desktop_alloc(name, limits);
    r = d ? sink_thread_start(&d->thread, "desktop", thread_main, d) : -ENOMEM;

    if (r < 0) {
        buf_printf(why, "%s: %s", name, strerror(-r));
        if (d) {
            d->refs = 1;
            drop_ref(d);
        }
        return r;
    }
    *out = &d->sink;
    return 0;
}

int sink_desktop_open(struct sink **out, const struct sink_options *o, struct buf *why)
{
    struct desktop_limits limits = DESKTOP_LIMITS;

    if (o->per_minute) {
        limits.burst = o->per_minute;
        limits.refill_ms = 60000 / o->per_minute;
    }
    return sink_desktop_new_with(out, o->name, &limits, why);
}

static bool has_session_bus(void)
{
    const char *address = getenv("DBUS_SESSION_BUS_ADDRESS");
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    char path[200];

    if (address && address[0])
        return strncmp(address, "autolaunch:", 11) != 0;
    if (!runtime || !runtime[0])
        return false;
    int n = snprintf(path, sizeof path, "%s/bus", runtime);
    return n > 0 && (size_t)n < sizeof path && stat(path, &st) == 0 &&
           S_ISSOCK(st.st_mode);
}

int sink_desktop_possible(void)
{
    struct buf why;

    if (!has_session_bus())
        return 0;
    buf_init(&why, 1000);
    int r = desktop_lib_load(&why);
    buf_free(&why);
    return r == 0;
}
