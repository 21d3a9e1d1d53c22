/* The thread that alone writes the store: group commit, retry, and no loss when the disk
 * fails. */
#include "writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "gate.h"
#include "history.h"
#include "log.h"
#include "pulse.h"
#include "queue.h"

#define BATCH_MAX 256
#define RECORDS_ENOUGH (1UL << 20) /* of new items, packed together */
#define RECORDS_MAX (64UL << 20)
#define GATHER_MS 100    /* so long may a change without an alert wait for company ... */
#define GATHER_ENOUGH 64 /* ... unless so many wait */
#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 30000
#define LOCK_TRIES 2 /* of some 10 s each */
#define AMENDED_MAX 64
#define WARN_EVERY_MS 3600000 /* a full disk is said once an hour */
#define TIDY_EVERY_MS 600000  /* forgetting what is past its limits */
#define TIDY_FIRST_MS 5000    /* after the start */
#define TIDY_STEP_MS 100      /* between its small steps */
#define TIDY_WAIT_MS 60000    /* then it is done although there is other work */

struct batch {
    struct write_request *request[BATCH_MAX];
    size_t n;
    struct store_change *change[BATCH_MAX + 1];
    size_t n_changes;
    struct gate_input input[BATCH_MAX]; /* of those that have alerts */
    size_t n_inputs;
    struct store_cursor cursor[BATCH_MAX];
    size_t n_cursors;
    struct buf records, packed; /* of new items, see pack_history() */
};

struct writer {
    struct store *store;
    struct queue *queue;
    int alert_fd;
    int hurry_fd;        /* an eventfd: what waits is to be committed at once */
    atomic_uint waiting; /* in the queue */
    pthread_t thread;
    struct pulse *pulse;
    atomic_bool stopping;
    bool impatient;            /* somebody waits: a fault of the disk is told at once */
    atomic_bool stuck;         /* the disk is at fault and the writer waits for it */
    struct write_request wake; /* carries nothing: ends the wait when stopping */
    int64_t warned_ms;         /* 0: the last commit went well */
    int64_t tidy_ms;           /* mono: when to forget the next bit */
    struct gate *gate;
    pthread_mutex_t lock; /* of what follows */
    int64_t amended[AMENDED_MAX];
    size_t n_amended;
    struct batch batch;
};

static void finish(struct write_request *r, int result)
{
    r->result = result;
    if (r->done)
        r->done(r);
}

/* A commit costs the same for one change as for many.  So what nobody waits for (a
 * feed's state, a window without an alert) waits for company; it is not lost by a crash
 * of the moment: the poll is then made again. */
static bool is_urgent(const struct write_request *r)
{
    return r->change.n_alerts || r->cursor.sink || !r->change.feed_id;
}

/* `r` is in the queue, or nearly. */
static void announce(struct writer *w, bool urgent)
{
    uint64_t one = 1;
    unsigned before = atomic_fetch_add(&w->waiting, 1);

    if ((urgent || before + 1 == GATHER_ENOUGH) &&
        write(w->hurry_fd, &one, sizeof one) < 0)
        (void)0; /* the counter is full: it is readable already */
}

/* Something waits: give it company, but not for long. */
static void wait_for_more(struct writer *w)
{
    struct pollfd p = { .fd = w->hurry_fd, .events = POLLIN };
    uint64_t count;

    if (!atomic_load(&w->stopping))
        (void)poll(&p, 1, GATHER_MS);
    if (read(w->hurry_fd, &count, sizeof count) < 0)
        (void)0; /* the time was up */
}

/* Pack what is gathered, behind what is packed.  The items are for trying rules only:
 * what does not fit into memory is left out. */
static void pack_records(struct batch *b)
{
    if (b->records.n)
        (void)history_pack(&b->packed, buf_str(&b->records));
    buf_clear(&b->records);
}

/* Packing the new items of many feeds at once costs less, and gives less, than each by
 * itself: those of the batch go with its first change. */
static void pack_history(struct batch *b)
{
    struct store_change *first = NULL;

    if (b->records.cap > RECORDS_ENOUGH || b->packed.cap > RECORDS_ENOUGH) {
        buf_free(&b->records); /* a flood is over */
        buf_free(&b->packed);
    }
    buf_clear(&b->packed);
    for (size_t i = 0; i < b->n; i++) {
        struct write_request *r = b->request[i];
        struct store_change *c = &r->change;

        if (!r->history.n || !c->feed_id)
            continue;
        (void)buf_put_str(&b->records, r->history);
        if (b->records.n > RECORDS_ENOUGH)
            pack_records(b);
        if (!first) {
            first = c;
            continue;
        }
        first->history_items += c->history_items;
        if (c->history_ms > first->history_ms)
            first->history_ms = c->history_ms;
        c->history_items = 0;
    }
    pack_records(b);
    if (first)
        first->history = buf_str(&b->packed);
}

/* Take what waits; calls are run at once, the rest is sorted into `b`. */
static void gather(struct writer *w, struct batch *b)
{
    void *taken[BATCH_MAX];
    size_t n = queue_take(w->queue, taken, BATCH_MAX);

    atomic_fetch_sub(&w->waiting, (unsigned)n);

    b->n = b->n_changes = b->n_cursors = b->n_inputs = 0;
    for (size_t i = 0; i < n; i++) {
        struct write_request *r = taken[i];

        if (r->call) {
            finish(r, r->call(w->store, r->ctx));
            continue;
        }
        b->request[b->n++] = r;
        if (r->change.feed_id)
            b->change[b->n_changes++] = &r->change;
        if (r->change.feed_id && r->change.n_alerts && r->keys)
            b->input[b->n_inputs++] =
                (struct gate_input){ &r->change, r->keys, r->prints, false };
        if (r->cursor.sink)
            b->cursor[b->n_cursors++] = r->cursor;
    }
    pack_history(b);
}

/* Is this a fault of the disk, which may pass, and not of the batch? */
static int may_pass(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EIO || error == -EROFS ||
           error == -EBUSY || error == -ENOMEM || error == -EFBIG || error == -ENOLCK;
}

static void say_trouble(struct writer *w, int error)
{
    int64_t now = clock_mono_ms();

    if (w->warned_ms && now - w->warned_ms < WARN_EVERY_MS)
        return;
    w->warned_ms = now;
    log_event(LOG_LEVEL_ERROR, "store_failed",
              "error=%s why=%s note=\"polling waits, nothing is lost\"",
              log_quote(strerror(-error)), log_quote(store_why(w->store)));
}

/* Wait before the next try, but not once the process wants to end. */
static void wait_ms(struct writer *w, int64_t ms)
{
    for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;) {
        struct timespec nap = { .tv_nsec = 50000000 };

        if (atomic_load(&w->stopping))
            return;
        pulse_beat(w->pulse, pulse_patience_ms());
        (void)nanosleep(&nap, NULL);
    }
}

/* The store is of no use to this process any more. */
static void end_now(const struct writer *w, const char *event, const char *note)
{
    log_event(LOG_LEVEL_ERROR, event, "why=%s note=%s", log_quote(store_why(w->store)),
              log_quote(note));
    _exit(EXIT_FAILURE); /* nothing in memory is worth more than what is on disk */
}

static void end_damaged(const struct writer *w)
{
    end_now(w, "store_damaged", "ending; the next start moves the file aside");
}

/* Commit `n` changes and cursors, again and again while the disk is at fault. */
static int commit(struct writer *w, struct store_change *const *change, size_t n,
                  const struct store_cursor *cursor, size_t n_cursors)
{
    int64_t wait = RETRY_MIN_MS;
    int locked = 0;

    for (;;) {
        int r = store_commit(w->store, change, n, cursor, n_cursors);
        if (r == 0 && w->warned_ms) {
            w->warned_ms = 0;
            atomic_store(&w->stuck, false);
            log_event(LOG_LEVEL_NOTICE, "store_recovered", "note=\"commits work again\"");
        }
        if (r == 0 || !may_pass(r) || w->impatient)
            return r;
        atomic_store(&w->stuck, true);
        say_trouble(w, r);
        if (r == -ENOLCK && ++locked == LOCK_TRIES)
            end_now(w, "store_locked", "ending; its locks end with this process");
        if (atomic_load(&w->stopping))
            return r;
        wait_ms(w, wait);
        wait = wait * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : wait * 2;
    }
}

/* --- the gate --- */

/* What it remembers comes from the store; while it cannot, everything passes. */
static void wake_gate(struct writer *w)
{
    if (gate_loaded(w->gate))
        return;
    int r = gate_load(w->gate, w->store, clock_utc_ms());
    if (r < 0)
        log_event(LOG_LEVEL_WARN, "gate_open",
                  "why=%s note=\"stories and limits are not looked at for now\"",
                  log_quote(strerror(-r)));
}

/* Somebody may want to know. */
static void wake_readers(struct writer *w)
{
    uint64_t one = 1;

    if (write(w->alert_fd, &one, sizeof one) < 0)
        (void)0; /* the counter is full: it is readable already */
}

static void note_amended(struct writer *w, const struct store_change *c)
{
    if (!c->n_sources)
        return;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < c->n_sources && w->n_amended < AMENDED_MAX; i++)
        if (c->sources[i].seq)
            w->amended[w->n_amended++] = c->sources[i].seq;
    pthread_mutex_unlock(&w->lock);
    wake_readers(w);
}

/* Commit `n` changes and what the gate makes of their alerts. */
static int commit_judged(struct writer *w, struct store_change **change, size_t n,
                         const struct gate_input *in, size_t n_in,
                         const struct store_cursor *cursor, size_t n_cursors)
{
    wake_gate(w);
    struct store_change *more = gate_judge(w->gate, in, n_in, clock_utc_ms());
    if (more)
        change[n++] = more;
    int r = commit(w, change, n, cursor, n_cursors);
    if (r == 0) {
        if (more)
            note_amended(w, more);
        gate_done(w->gate, in, n_in);
        return 0;
    }
    gate_forget(w->gate);
    return r;
}

static int make_digests(struct writer *w, bool all)
{
    wake_gate(w);
    struct store_change *c = gate_due(w->gate, clock_utc_ms(), all);
    if (!c)
        return 0;
    int r = commit(w, &c, 1, NULL, 0);
    if (r == -EUCLEAN)
        end_damaged(w);
    if (r < 0) {
        gate_forget(w->gate);
        return r;
    }
    bool told = c->n_digests > 0;
    gate_done(w->gate, NULL, 0);
    if (told)
        wake_readers(w);
    return 0;
}

/* The batch as a whole was refused: find the part that is at fault. */
static void commit_one_by_one(struct writer *w, struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct write_request *q = b->request[i];
        struct store_change *change[2] = { &q->change };
        struct gate_input in = { &q->change, q->keys, q->prints, false };
        int r = commit_judged(w, change, q->change.feed_id != 0, &in,
                              q->change.feed_id && q->change.n_alerts && q->keys,
                              &q->cursor, q->cursor.sink != NULL);
        if (r < 0)
            log_event(LOG_LEVEL_ERROR, "store_refused", "feed_id=%lld error=%s why=%s",
                      (long long)q->change.feed_id, log_quote(strerror(-r)),
                      log_quote(store_why(w->store)));
        q->result = r;
    }
}

static void commit_batch(struct writer *w, struct batch *b)
{
    bool news = false;

    int r = commit_judged(w, b->change, b->n_changes, b->input, b->n_inputs, b->cursor,
                          b->n_cursors);
    if (r == -EUCLEAN)
        end_damaged(w);
    for (size_t i = 0; i < b->n; i++)
        b->request[i]->result = r;
    if (r < 0 && !may_pass(r))
        commit_one_by_one(w, b);
    for (size_t i = 0; i < b->n; i++)
        news |= b->request[i]->change.n_alerts > 0 && b->request[i]->result == 0;
    if (news)
        wake_readers(w);
    for (size_t i = 0; i < b->n; i++)
        finish(b->request[i], b->request[i]->result);
}

/* Nothing waits: forget a little.  A fault of the disk will show in the next commit. */
static void tidy(struct writer *w)
{
    int r = store_tidy(w->store, clock_utc_ms());

    if (r == -EUCLEAN)
        end_damaged(w);
    w->tidy_ms = clock_mono_ms() + (r > 0 ? TIDY_STEP_MS : TIDY_EVERY_MS);
}

/* How long to wait for work: until the next beat, digest, or time to tidy. */
static int wait_for(const struct writer *w)
{
    int64_t left = w->tidy_ms - clock_mono_ms(), beat = pulse_period_ms();
    int64_t due = gate_next_ms(w->gate) - clock_utc_ms();

    left = left < beat ? left : beat;
    left = left < due ? left : due;
    return left > 0 ? (int)left : 0;
}

static void *run(void *arg)
{
    struct writer *w = arg;
    struct batch *b = &w->batch;

    for (;;) {
        struct pollfd p = { .fd = queue_fd(w->queue), .events = POLLIN };

        pulse_beat(w->pulse, pulse_patience_ms());
        int ready = poll(&p, 1, wait_for(w));
        if (ready < 0 && errno != EINTR)
            break;
        int64_t over = clock_mono_ms() - w->tidy_ms;
        if (over >= (ready == 0 ? 0 : TIDY_WAIT_MS))
            tidy(w);
        if (ready > 0)
            wait_for_more(w);
        if (gate_next_ms(w->gate) <= clock_utc_ms())
            (void)make_digests(w, false);
        gather(w, b);
        if (b->n)
            commit_batch(w, b);
        if (atomic_load(&w->stopping) && poll(&p, 1, 0) == 0)
            break;
    }
    pulse_beat(w->pulse, PULSE_WAITS); /* to be joined */
    buf_free(&b->records);
    buf_free(&b->packed);
    store_close(w->store);
    return NULL;
}

int writer_new(struct writer **out, struct store *store, size_t capacity)
{
    struct writer *w = calloc(1, sizeof *w);

    if (!w)
        return -ENOMEM;
    atomic_init(&w->stopping, false);
    atomic_init(&w->stuck, false);
    w->store = store;
    buf_init(&w->batch.records, RECORDS_MAX);
    buf_init(&w->batch.packed, RECORDS_MAX);
    w->tidy_ms = clock_mono_ms() + TIDY_FIRST_MS;
    w->alert_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->hurry_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = w->alert_fd < 0 || w->hurry_fd < 0 ? -errno : queue_new(&w->queue, capacity);
    pthread_mutex_init(&w->lock, NULL); /* cannot fail with these arguments */
    if (r == 0)
        r = gate_new(&w->gate);
    if (r == 0)
        r = pulse_new(&w->pulse, "writer");
    if (r == 0)
        r = -pthread_create(&w->thread, NULL, run, w);
    if (r < 0) {
        if (w->alert_fd >= 0)
            close(w->alert_fd);
        if (w->hurry_fd >= 0)
            close(w->hurry_fd);
        queue_free(w->queue);
        pulse_free(w->pulse);
        gate_free(w->gate);
        free(w);
        return r;
    }
    (void)pthread_setname_np(w->thread, "writer");
    *out = w;
    return 0;
}

void writer_push(struct writer *w, struct write_request *r)
{
    bool urgent = is_urgent(r); /* `r` may be gone once it is pushed */

    (void)queue_push(w->queue, r);
    announce(w, urgent);
}

struct call {
    struct write_request request; /* first */
    sem_t returned;
};

static void call_done(struct write_request *r)
{
    sem_post(&((struct call *)r)->returned);
}

int writer_call(struct writer *w, int (*call)(struct store *s, void *ctx), void *ctx)
{
    if (atomic_load(&w->stuck))
        return -EAGAIN;
    struct call c = { .request = { .call = call, .ctx = ctx, .done = call_done } };

    sem_init(&c.returned, 0, 0); /* cannot fail with these arguments */
    writer_push(w, &c.request);
    while (sem_wait(&c.returned) < 0 && errno == EINTR)
        ;
    sem_destroy(&c.returned);
    return c.request.result;
}

struct rules {
    struct writer *writer;
    struct config *config;
    int (*call)(struct store *s, void *ctx);
    void *ctx;
};

static int take_rules(struct store *s, void *ctx)
{
    struct rules *r = ctx;
    struct gate_rules *rules;
    int64_t now_ms = clock_utc_ms();

    int e = gate_rules_new(&rules, r->config, now_ms);
    if (e < 0)
        return e;
    if (r->call)
        e = r->call(s, r->ctx);
    if (e == 0)
        gate_rules_take(r->writer->gate, rules, now_ms);
    else
        gate_rules_free(rules);
    return e;
}

int writer_rules(struct writer *w, struct config *config,
                 int (*call)(struct store *s, void *ctx), void *ctx)
{
    struct rules r = { w, config, call, ctx };

    return writer_call(w, take_rules, &r);
}

#define RECALL_AT_ONCE (BATCH_MAX - 1) /* feeds in one commit; their note is one more */

struct recall {
    struct writer *writer;
    struct writer_recall *list;
    size_t n;
    struct str rules;
};

static int recall_some(struct writer *w, struct writer_recall *list, size_t n,
                       struct store_change *note)
{
    struct store_change *change[BATCH_MAX + 1];
    struct gate_input in[BATCH_MAX];
    size_t n_changes = n;

    for (size_t i = 0; list && i < n; i++) {
        change[i] = &list[i].change;
        in[i] =
            (struct gate_input){ &list[i].change, list[i].keys, list[i].prints, true };
    }
    if (note)
        change[n_changes++] = note;
    w->impatient = true;
    int r = commit_judged(w, change, n_changes, in, n, NULL, 0);
    w->impatient = false;
    if (r == -EUCLEAN)
        end_damaged(w);
    return r;
}

static int recall(struct store *s, void *ctx)
{
    struct recall *c = ctx;
    struct store_change note = { .note = STORE_NOTE_RULES, .note_text = c->rules };
    size_t at = 0, n;
    int r;

    (void)s;
    do {
        n = c->n - at < RECALL_AT_ONCE ? c->n - at : RECALL_AT_ONCE;
        r = recall_some(c->writer, n ? c->list + at : NULL, n,
                        at + n == c->n ? &note : NULL);
        at += n;
    } while (r == 0 && at < c->n);
    if (c->n)
        wake_readers(c->writer);
    return r;
}

int writer_recall(struct writer *w, struct writer_recall *list, size_t n,
                  struct str rules)
{
    struct recall c = { w, list, n, rules };

    return writer_call(w, recall, &c);
}

static int digest_now(struct store *s, void *ctx)
{
    (void)s;
    return make_digests(ctx, true);
}

int writer_digest(struct writer *w)
{
    return writer_call(w, digest_now, w);
}

size_t writer_amended(struct writer *w, int64_t *seqs, size_t max)
{
    pthread_mutex_lock(&w->lock);
    size_t n = w->n_amended < max ? w->n_amended : max;
    memcpy(seqs, w->amended, n * sizeof *seqs);
    w->n_amended = 0;
    pthread_mutex_unlock(&w->lock);
    return n;
}

struct sync { /* shared by the waiter and the writer: the last one frees it */
    struct write_request request; /* first */
    sem_t reached;
    atomic_int users;
};

static void sync_leave(struct sync *s)
{
    if (atomic_fetch_sub(&s->users, 1) != 1)
        return;
    sem_destroy(&s->reached);
    free(s);
}

static void sync_done(struct write_request *r)
{
    struct sync *s = (struct sync *)r;

    sem_post(&s->reached);
    sync_leave(s);
}

int writer_sync(struct writer *w, int64_t deadline_ms)
{
    struct sync *s = calloc(1, sizeof *s);
    struct timespec until;
    int r;

    if (!s)
        return -ENOMEM;
    s->request.done = sync_done;
    sem_init(&s->reached, 0, 0); /* cannot fail with these arguments */
    atomic_init(&s->users, 2);
    clock_deadline(&until, deadline_ms);
    if (queue_try_push(w->queue, &s->request) < 0) {
        sem_destroy(&s->reached);
        free(s);
        return -EAGAIN;
    }
    announce(w, true);
    while ((r = sem_timedwait(&s->reached, &until)) < 0 && errno == EINTR)
        ;
    r = r < 0 ? -errno : 0;
    sync_leave(s);
    return r;
}

int writer_alert_fd(const struct writer *w)
{
    return w->alert_fd;
}

int writer_stop(struct writer *w, int64_t deadline_ms)
{
    struct timespec until;

    if (!w)
        return 0;
    atomic_store(&w->stopping, true);
    if (queue_try_push(w->queue, &w->wake) == 0) /* full: then it is awake anyway */
        announce(w, true);
    clock_deadline(&until, deadline_ms);
    int r = -pthread_timedjoin_np(w->thread, NULL, &until);
    if (r < 0)
        return r;
    queue_free(w->queue);
    pulse_free(w->pulse);
    gate_free(w->gate);
    pthread_mutex_destroy(&w->lock);
    close(w->alert_fd);
    close(w->hurry_fd);
    free(w);
    return 0;
}
