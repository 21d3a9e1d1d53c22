#ifndef SINK_DESKTOP_IMPL_H
#define SINK_DESKTOP_IMPL_H
/* Inside sink_desktop: sink_desktop.c is the queue and the thread, sink_desktop_bubble.c
 * the thread's talk with libnotify, sink_desktop_text.c what a bubble says. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alert.h"
#include "buf.h"
#include "sink.h"

struct desktop_limits {   /* the tests make them short */
    unsigned burst;       /* bubbles at once */
    int64_t refill_ms;    /* then one in this time */
    int64_t retry_min_ms; /* after a failure; doubled each time */
    int64_t retry_max_ms;
    int64_t give_up_ms; /* alerts that waited this long are only counted */
    int ping_ms;        /* a server that does not answer in this time hangs */
};
#define DESKTOP_LIMITS                                                                   \
    {                                                                                    \
        5, 10000, 1000, 60000, 600000, 5000                                              \
    }

int sink_desktop_new_with(struct sink **out, const char *name,
                          const struct desktop_limits *limits, struct buf *why);

/* ---- what a bubble says */

#define DESKTOP_LISTED 5 /* alerts that a bubble lists: servers cut long ones */

struct held { /* a copy of an alert, its strings behind it in one piece */
    struct alert alert;
    struct held *next;
    int64_t since_ms; /* when it was handed over */
};
struct held *held_new(const struct alert *a, int64_t now_ms); /* NULL: out of memory */

struct pile {                          /* alerts that wait for one bubble */
    struct held *held[DESKTOP_LISTED]; /* the first ones, owned */
    size_t n, more;                    /* `more`: only counted */
    size_t missed;                     /* were given up before these */
    int64_t last_seq, since_ms;        /* of the newest and of the oldest */
    enum alert_priority priority;      /* the highest */
};
void pile_add(struct pile *p, struct held *h); /* takes h */
void pile_clear(struct pile *p);               /* keeps `missed` */

struct bubble {
    struct buf summary, body;
};
/* Write the bubble of a whole pile: one alert in full, or a list.  `markup`: the server
 * reads it in bodies.  0 or -ENOMEM. */
int bubble_write(struct bubble *b, const struct pile *p, bool markup);

/* ---- the thread's side of libnotify; for that thread only */

struct notifier;
/* `wake_fd` ends notifier_wait() when it is readable. */
int notifier_new(struct notifier **out, int wake_fd, int ping_ms);
void notifier_free(struct notifier *n);

/* Show one bubble; waits for the server, which may take half a minute.  0, or -errno with
 * one line in `why`. */
int notifier_show(struct notifier *n, const struct pile *p, struct buf *why);

/* Wait for `ms` (below 0: for ever), wake_fd, or a server that appears.  True for the
 * last. */
bool notifier_wait(struct notifier *n, int64_t ms);
#endif
