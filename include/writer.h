#ifndef WRITER_H
#define WRITER_H
/* The thread that alone writes the store.  Requests from all threads queue up; a commit
 * starts as soon as there is an alert, a cursor or a call, and what arrives meanwhile is
 * the next batch.  A change without an alert waits up to 100 ms for others, so that one
 * commit serves many: a crash then costs no more than that poll.  When the disk is full
 * or fails, the writer keeps the batch and tries again: the senders wait, nothing is
 * dropped. */
#include <stddef.h>
#include <stdint.h>
#include "store.h"

struct story_print;
struct config;

struct write_request {          /* each part is optional */
    struct store_change change; /* feed_id 0: none */
    /* Records of new items, as history_put() made them; with change.history_items and
     * _ms.  The writer packs those of a batch together. */
    struct str history;
    /* With `keys` the gate decides what becomes of change.alerts: the same array as
     * change.alert_keys, which may be reordered with them, and a print for each or NULL.
     */
    struct seen_key *keys;
    struct story_print *prints;
    struct store_cursor cursor; /* sink NULL: none */
    int (*call)(struct store *s,
                void *ctx); /* run on the writer's thread, outside a commit */
    /* Called on the writer's thread when the request is durable (result 0), has failed
     * for good
     * (-errno), or its call has returned (result is its value).  Takes the request back.
     */
    void (*done)(struct write_request *r);
    void *ctx;
    int result;
};

struct writer;

/* Start the thread on `store`, which it owns from now on.  `capacity`: requests that may
 * wait before senders block.  0 or -errno. */
int writer_new(struct writer **out, struct store *store, size_t capacity);

/* Hand over `r`; waits when the queue is full. */
void writer_push(struct writer *w, struct write_request *r);

/* Run `call` on the writer's thread and wait for its value; -EAGAIN at once while the
 * disk is at fault, so that nobody hangs with it. */
int writer_call(struct writer *w, int (*call)(struct store *s, void *ctx), void *ctx);

/* Run `call` (NULL: none) as writer_call() does; when it has returned 0, and only then,
 * decide by the rules of `config` from now on.  0 or -errno, as writer_call(). */
int writer_rules(struct writer *w, struct config *config,
                 int (*call)(struct store *s, void *ctx), void *ctx);

/* Alerts of items that were kept before their rule was there: recorded, and told in one
 * digest a watch.  With the last of them the note STORE_NOTE_RULES becomes `rules`, so
 * that a crash in between repeats nothing and leaves nothing out.  0 or -errno, as
 * writer_call(). */
struct writer_recall { /* of one feed; the arrays may be reordered */
    struct store_change change;
    struct seen_key *keys; /* the same as change.alert_keys */
    struct story_print *prints;
};
int writer_recall(struct writer *w, struct writer_recall *list, size_t n,
                  struct str rules);

/* Make the digests that only wait for a storm or a group to end.  0 or -errno. */
int writer_digest(struct writer *w);

/* Alerts that have got a source more since the last call, at most `max`; the others are
 * forgotten.  Any thread. */
size_t writer_amended(struct writer *w, int64_t *seqs, size_t max);

/* Wait until all that was pushed before is committed.  0, -ETIMEDOUT after `deadline_ms`,
 * or -EAGAIN when the queue is full. */
int writer_sync(struct writer *w, int64_t deadline_ms);

/* An eventfd: readable when alerts, sources or digests have been committed since it was
 * last read. */
int writer_alert_fd(const struct writer *w);

/* Commit what is queued, then end the thread and close the store.  When that takes longer
 * than `deadline_ms` (a disk that hangs) the thread is left alone: -ETIMEDOUT, and the
 * process must end without freeing what the thread uses. */
int writer_stop(struct writer *w, int64_t deadline_ms);
#endif
