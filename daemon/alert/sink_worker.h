#ifndef SINK_WORKER_H
#define SINK_WORKER_H
/* Inside sink: a bounded queue and one thread, for kinds of sinks that may block.  A kind
 * brings a function that sends; the worker does all of struct sink_ops with it.
 *
 * A parcel that cannot be sent is reported by failed() and the queue is dropped: the
 * dispatcher, who knows when to try again and when to give up, hands it over anew. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alert.h"
#include "buf.h"
#include "digest.h"
#include "sink.h"

struct parcel {                        /* what is sent in one go */
    const struct alert *const *alerts; /* oldest first; of a digest: those it lists */
    size_t n;
    const struct digest *digest; /* NULL: plain alerts */
    bool amend; /* the one alert was sent before and has a source more now */
};

struct sent { /* why it was not */
    struct buf why;
    int64_t retry_ms; /* the other side asked for so long; 0: it did not */
    bool refused;     /* it does not want this very parcel: skip it after some tries */
};

struct sink_work { /* what a kind brings */
    const char *type;
    size_t batch; /* alerts in a parcel, at most */
    bool amends;  /* wants later sources, too */
    /* Send, in the worker's thread; may block, but not without a timeout.  How many of
     * the alerts were sent for good (1 for a digest), or -errno with `out` filled. */
    int (*send)(void *ctx, const struct parcel *p, struct sent *out);
    /* Make send() return soon; called by another thread.  NULL: it cannot be done. */
    void (*interrupt)(void *ctx);
    void (*free)(void *ctx);
};

struct sink_pace { /* a token bucket; burst 0: as fast as it goes */
    unsigned burst;
    int64_t refill_ms;
};

/* Takes `ctx` when it succeeds, and a copy of `work`.  0 or -errno. */
int sink_worker_new(struct sink **out, const char *name, const struct sink_work *work,
                    void *ctx, struct sink_pace pace, struct buf *why);

#endif
