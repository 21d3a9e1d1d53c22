/* A bounded queue and one thread for a sink that may block. */
#include "sink_worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "clock.h"
#include "pulse.h"
#include "sink_thread.h"

#define QUEUE_MAX 64
#define BATCH_MAX 64
/* No kind may block longer for one alert: its timeout is at most 300 s. */
#define SEND_MAX_MS 360000
#define GRACE_MS 50    /* for a send that was interrupted, whatever the deadline */
#define REFUSALS_MAX 3 /* of one parcel, before it is skipped */

struct job { /* in the queue; one of `alert` and `digest` */
    struct job *next;
    struct alert *alert;
    struct digest *digest;
    bool amend;
};

struct worker {
    struct sink sink; /* first: the outside knows only this */
    char *name;
    struct sink_work work;
    void *ctx;
    struct sink_pace pace;
    pthread_t thread;
    struct pulse *pulse;
    int event_fd; /* for the outside: see sink_ops.fd */

    pthread_mutex_t lock; /* guards what follows; never held while work.send runs */
    pthread_cond_t wake;  /* for the thread */
    pthread_cond_t end;   /* it has ended */
    struct job *first, **last;
    size_t queued;
    bool full; /* somebody was told that there is no room */
    bool stop, ended;
    int64_t delivered, digested; /* -1: none yet */
    bool failed;                 /* not yet told by failed() */
    int64_t retry_ms;
    char why[300];     /* of `failed` */
    char trouble[300]; /* what was skipped last; "": nothing */
    unsigned refs;     /* the outside and the thread: a thread that hangs at the end keeps
                          its memory */

    /* only the thread's */
    int64_t tokens_ms, filled_ms;
    int64_t refused_seq; /* alert or, below 0, digest; 0: none */
    int64_t alone_until; /* alerts up to here were in a parcel that was refused */
    unsigned refusals;
};

static struct worker *self(struct sink *s)
{
    return (struct worker *)s;
}

static void job_free(struct job *j)
{
    if (!j)
        return;
    free(j->alert);
    digest_copy_free(j->digest);
    free(j);
}

static void jobs_free(struct job *first)
{
    for (struct job *j = first, *next; j; j = next) {
        next = j->next;
        job_free(j);
    }
}

static void queue_drop(struct worker *w)
{
    jobs_free(w->first);
    w->first = NULL;
    w->last = &w->first;
    w->queued = 0;
}

static void drop_ref(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    unsigned left = --w->refs;
    pthread_mutex_unlock(&w->lock);
    if (left)
        return;
    queue_drop(w);
    if (w->ctx)
        w->work.free(w->ctx);
    pulse_free(w->pulse);
    close(w->event_fd);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->end);
    pthread_mutex_destroy(&w->lock);
    free(w->name);
    free(w);
}

/* ---- the thread; these are called with the lock held */

/* Wait for something to do and the leave to do it.  False: it is time to end. */
static bool wait_for_work(struct worker *w)
{
    while (!w->stop) {
        int64_t now = clock_mono_ms(), most = w->pace.burst * w->pace.refill_ms;

        w->tokens_ms += now - w->filled_ms;
        w->filled_ms = now;
        if (w->tokens_ms > most)
            w->tokens_ms = most;
        if (!w->first)
            pthread_cond_wait(&w->wake, &w->lock);
        else if (w->pace.burst && w->tokens_ms < w->pace.refill_ms)
            sink_cond_wait(&w->wake, &w->lock, w->pace.refill_ms - w->tokens_ms);
        else
            return true;
    }
    return false;
}

/* Take one parcel's jobs off the queue: a digest or an amendment, or several alerts.
 * Those of a parcel that was refused go one by one: one may be at fault for all. */
static size_t take_jobs(struct worker *w, struct job *jobs[BATCH_MAX])
{
    size_t n = 0, most = w->work.batch < BATCH_MAX ? w->work.batch : BATCH_MAX;

    if (!w->first->digest && w->first->alert->seq <= w->alone_until)
        most = 1;
    do {
        jobs[n++] = w->first;
        w->first = w->first->next;
        w->queued--;
    } while (n < most && w->first && !jobs[0]->digest && !jobs[0]->amend &&
             !w->first->digest && !w->first->amend);
    if (!w->first)
        w->last = &w->first;
    return n;
}

static void put_back(struct worker *w, struct job *const *jobs, size_t n)
{
    while (n--) {
        jobs[n]->next = w->first;
        if (!w->first)
            w->last = &jobs[n]->next;
        w->first = jobs[n];
        w->queued++;
    }
}

static void job_done(struct worker *w, struct job *j)
{
    if (j->digest && j->digest->seq > w->digested)
        w->digested = j->digest->seq;
    else if (j->alert && !j->amend && j->alert->seq > w->delivered)
        w->delivered = j->alert->seq;
    job_free(j);
}

/* Was this parcel refused often enough to go on without it? */
static bool skip_refused(struct worker *w, const struct job *j)
{
    int64_t seq = j->digest ? -j->digest->seq : j->alert->seq;

    if (seq != w->refused_seq)
        w->refusals = 0;
    w->refused_seq = seq;
    return ++w->refusals >= REFUSALS_MAX;
}

/* Account for a parcel that was not sent.  How many of its jobs are done with. */
static size_t not_sent(struct worker *w, struct job *const *jobs, size_t n,
                       const struct sent *sent)
{
    const struct job *j = jobs[0];
    const char *why = sent->why.s ? sent->why.s : "out of memory";

    if (j->amend)
        return 1; /* best effort */
    if (sent->refused && n > 1)
        w->alone_until = jobs[n - 1]->alert->seq;
    if (sent->refused && skip_refused(w, j)) {
        snprintf(w->trouble, sizeof w->trouble, "%s %lld skipped: %.200s",
                 j->digest ? "digest" : "alert",
                 (long long)(j->digest ? j->digest->seq : j->alert->seq), why);
        return 1;
    }
    w->failed = true;
    w->retry_ms = sent->retry_ms;
    snprintf(w->why, sizeof w->why, "%s", why);
    return 0;
}

static int send_jobs(struct worker *w, struct job *const *jobs, size_t n,
                     struct sent *sent)
{
    const struct alert *list[BATCH_MAX];
    struct parcel p = { .alerts = list, .n = n, .amend = jobs[0]->amend };

    for (size_t i = 0; i < n; i++)
        list[i] = jobs[i]->alert;
    if (jobs[0]->digest) {
        p.digest = jobs[0]->digest;
        p.alerts = p.digest->alerts;
        p.n = p.digest->n;
    }
    return w->work.send(w->ctx, &p, sent);
}

/* Send one parcel; the lock is open meanwhile. */
static void work_once(struct worker *w)
{
    struct sent sent = { .retry_ms = 0 };
    struct job *jobs[BATCH_MAX];
    size_t n = take_jobs(w, jobs), done;

    w->tokens_ms -= w->pace.refill_ms;
    pthread_mutex_unlock(&w->lock);
    buf_init(&sent.why, 280);
    pulse_beat(w->pulse, SEND_MAX_MS * (int64_t)n);
    int r = send_jobs(w, jobs, n, &sent);
    pulse_beat(w->pulse, PULSE_WAITS);
    pthread_mutex_lock(&w->lock);
    if (r > 0)
        w->trouble[0] = '\0';
    done = r > 0 ? (size_t)r : not_sent(w, jobs, n, &sent);
    if (done > n)
        done = n;
    for (size_t i = 0; i < done; i++)
        job_done(w, jobs[i]);
    put_back(w, jobs + done, n - done);
    if (w->failed)
        queue_drop(w);
    w->full = false;
    sink_poke(w->event_fd);
    buf_free(&sent.why);
}

static void *thread_main(void *arg)
{
    struct worker *w = arg;

    pthread_mutex_lock(&w->lock);
    w->filled_ms = clock_mono_ms();
    w->tokens_ms = w->pace.burst * w->pace.refill_ms;
    while (wait_for_work(w))
        work_once(w);
    w->ended = true;
    pthread_cond_signal(&w->end);
    pthread_mutex_unlock(&w->lock);
    drop_ref(w);
    return NULL;
}

/* ---- the outside */

static void queue_add(struct worker *w, struct job *j)
{
    *w->last = j;
    w->last = &j->next;
    w->queued++;
}

/* Nothing is taken while a failure waits to be heard: what follows it must come after. */
static bool has_room(struct worker *w)
{
    bool room = w->queued < QUEUE_MAX && !w->failed;

    w->full |= !room;
    return room;
}

/* A job, if there is memory for what it carries. */
static struct job *job_new(const struct alert *a, const struct digest *d)
{
    struct job *j = calloc(1, sizeof *j);

    if (j &&
        ((a && !(j->alert = alert_copy(a))) || (d && !(j->digest = digest_copy(d))))) {
        job_free(j);
        return NULL;
    }
    return j;
}

/* Queue a chain of jobs in one go, so that they can be sent together.  How many had
 * room; the others are gone. */
static int offer(struct worker *w, struct job *chain)
{
    int taken = 0;

    pthread_mutex_lock(&w->lock);
    for (struct job *next; chain && has_room(w); chain = next, taken++) {
        next = chain->next;
        chain->next = NULL;
        queue_add(w, chain);
    }
    if (taken)
        pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    jobs_free(chain);
    return taken;
}

static int worker_deliver(struct sink *sink, const struct alert *const *alerts, size_t n,
                          struct buf *why)
{
    struct job *chain = NULL, **last = &chain;

    for (size_t i = 0; i < n && i <= QUEUE_MAX;
         i++) { /* one more: to see that it is full */
        *last = job_new(alerts[i], NULL);
        if (!*last)
            break;
        last = &(*last)->next;
    }
    if (chain || !n)
        return offer(self(sink), chain);
    buf_puts(why, "out of memory");
    return -ENOMEM;
}

static int worker_digest(struct sink *sink, const struct digest *d, struct buf *why)
{
    struct job *j = job_new(NULL, d);

    if (j)
        return offer(self(sink), j);
    buf_puts(why, "out of memory");
    return -ENOMEM;
}

static void worker_amend(struct sink *sink, const struct alert *a)
{
    struct worker *w = self(sink);
    struct job *j = w->work.amends ? job_new(a, NULL) : NULL;

    if (!j)
        return;
    j->amend = true;
    (void)offer(w, j);
}

static int64_t worker_delivered(struct sink *sink)
{
    struct worker *w = self(sink);

    sink_clear(
        w->event_fd); /* before looking: what comes later makes it readable again */
    pthread_mutex_lock(&w->lock);
    int64_t seq = w->delivered;
    pthread_mutex_unlock(&w->lock);
    return seq;
}

static int64_t worker_digested(struct sink *sink)
{
    struct worker *w = self(sink);

    pthread_mutex_lock(&w->lock);
    int64_t seq = w->digested;
    pthread_mutex_unlock(&w->lock);
    return seq;
}

static int worker_fd(struct sink *sink)
{
    return self(sink)->event_fd;
}

static bool worker_trouble(struct sink *sink, struct buf *why)
{
    struct worker *w = self(sink);

    pthread_mutex_lock(&w->lock);
    bool trouble = w->trouble[0];
    if (trouble)
        buf_puts(why, w->trouble);
    pthread_mutex_unlock(&w->lock);
    return trouble;
}

static bool worker_failed(struct sink *sink, int64_t *retry_ms, struct buf *why)
{
    struct worker *w = self(sink);

    pthread_mutex_lock(&w->lock);
    bool failed = w->failed;
    if (failed) {
        *retry_ms = w->retry_ms;
        buf_puts(why, w->why);
    }
    w->failed = false;
    pthread_mutex_unlock(&w->lock);
    return failed;
}

static int worker_reopen(struct sink *sink)
{
    (void)sink;
    return 0;
}

/* Let what is being sent end; interrupt it when most of the time is over. */
static void worker_stop(struct sink *sink, int64_t deadline_ms)
{
    struct worker *w = self(sink);
    int64_t now = clock_mono_ms(), end = now + deadline_ms, last = end - deadline_ms / 3;
    bool told = false;

    if (w->work.interrupt && end < last + GRACE_MS)
        end = last + GRACE_MS; /* it ends at once: better than to leave it running */
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    while (!w->ended && (now = clock_mono_ms()) <= end) {
        if (now >= last && !told && w->work.interrupt)
            w->work.interrupt(w->ctx);
        told |= now >= last;
        sink_cond_wait(&w->end, &w->lock, (told ? end : last) - now + 1);
    }
    pthread_mutex_unlock(&w->lock);
}

/* After the deadline a thread that hangs is left alone with its memory. */
static void worker_free(struct sink *sink, int64_t deadline_ms)
{
    struct worker *w = self(sink);

    if (!w)
        return;
    worker_stop(sink, deadline_ms);
    pthread_mutex_lock(&w->lock);
    bool ended = w->ended;
    if (!ended && w->work.interrupt)
        w->work.interrupt(w->ctx);
    pthread_mutex_unlock(&w->lock);
    if (ended)
        pthread_join(w->thread, NULL);
    else
        pthread_detach(w->thread);
    drop_ref(w);
}

static const struct sink_ops worker_ops = {
    .type = "worker",
    .deliver = worker_deliver,
    .delivered = worker_delivered,
    .fd = worker_fd,
    .trouble = worker_trouble,
    .amend = worker_amend,
    .digest = worker_digest,
    .digested = worker_digested,
    .failed = worker_failed,
    .reopen = worker_reopen,
    .stop = worker_stop,
    .free = worker_free,
};

static struct worker *worker_alloc(const char *name)
{
    struct worker *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->name = strdup(name);
    w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!w->name || w->event_fd < 0 || pulse_new(&w->pulse, name) < 0) {
        if (w->event_fd >= 0)
            close(w->event_fd);
        free(w->name);
        free(w);
        return NULL;
    }
    w->last = &w->first;
    w->delivered = w->digested = -1;
    pthread_mutex_init(&w->lock, NULL);
    sink_cond_init(&w->wake);
    sink_cond_init(&w->end);
    return w;
}

int sink_worker_new(struct sink **out, const char *name, const struct sink_work *work,
                    void *ctx, struct sink_pace pace, struct buf *why)
{
    struct worker *w = worker_alloc(name);
    int r = -ENOMEM;

    if (w) {
        w->sink = (struct sink){ &worker_ops, w->name };
        w->work = *work;
        w->ctx = ctx;
        w->pace = pace;
        w->refs = 2;
        r = sink_thread_start(&w->thread, w->name, thread_main, w);
    }
    if (r < 0) {
        buf_printf(why, "%s: %s", name, strerror(-r));
        if (w) {
            w->ctx = NULL;
            w->refs = 1;
            drop_ref(w);
        }
        return r;
    }
    *out = &w->sink;
    return 0;
}
