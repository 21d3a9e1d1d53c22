#ifndef DISPATCH_IMPL_H
#define DISPATCH_IMPL_H
/* Inside the dispatcher: dispatch.c delivers, dispatch_reload.c exchanges the sinks. */
#include "dispatch.h"
#include "dispatch_digest.h"
#include "dispatch_plan.h"
#include "metrics.h"
#include "sink.h"

struct outlet { /* one sink and how far it is */
    struct dispatch *dispatch;
    struct sink *sink;
    char *name, *as; /* what it was opened with, see plan_key() */
    sd_event_source *ready, *timer;
    int64_t handed; /* every alert up to here was given to the sink or is not for it */
    int64_t given;  /* the last one that was given to it; -1: none since start */
    int64_t cursor; /* delivered for good, up to here */
    int64_t told;   /* what the sink said last that it has delivered */
    int64_t saved;  /* what the writer was told */
    uint32_t failures;
    bool unread;         /* the store could not be read for it, the last time */
    bool troubled;       /* its own thread says that it cannot deliver; said once */
    int64_t retry_ms;    /* mono: not before; 0: now */
    bool never_gives_up; /* the log: each alert has its line, however late */
    struct digest_line digests;
    struct latency latency; /* from the match until it is delivered for good */
    struct latency_line waiting;
    int64_t n_given; /* since the start */
};

struct dispatch {
    struct store *store; /* for reading */
    struct writer *writer;
    sd_event *event;
    sd_event_source *committed;
    struct outlet **outlet;
    size_t n;
    int64_t give_up_ms; /* how old an alert may get that a sink fails to deliver */
};

/* Open a sink; one that the store does not know yet. */
int outlet_open(struct outlet **out, struct dispatch *d, const struct sink_options *want,
                struct buf *why);
void outlet_free(struct outlet *o, int64_t deadline_ms); /* NULL is fine */
/* Hear from the loop when it has something to say. */
int outlet_listen(struct outlet *o);
/* Where it goes on: after what the store knows, or what the log itself shows, whichever
 * is further (a crash may have come between the line and the cursor). */
int outlet_place(struct outlet *o, struct store *store);
/* Hand over what there is, and see what became of what was. */
void outlet_pump(struct outlet *o);
/* True when it has delivered more than it had. */
bool outlet_progress(struct outlet *o);
void outlet_save(struct outlet *o); /* its cursors, if they have moved */
/* Nobody asks for the sink of that name any more. */
void outlet_forget(struct dispatch *d, const char *name);
#endif
