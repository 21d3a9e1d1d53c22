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
    int64_t mute_ms;    /* for how long a watch is muted */
};
#define DESKTOP_LIMITS                                                                   \
    {                                                                                    \
        5, 10000, 1000, 60000, 600000, 5000, 3600000                                     \
    }

int sink_desktop_new_with(struct sink **out, const char *name,
                          const struct desktop_limits *limits, struct buf *why);

/* ---- what a bubble says */

#define DESKTOP_LISTED 5 /* alerts that a bubble lists: servers cut long ones */

struct held { /* a copy of an alert, its strings behind it in one piece */
    struct alert alert;
    struct held *next;
    int64_t since_ms;      /* when it was handed over */
    bool amend;            /* was shown before: its sources are news */
    struct digest *digest; /* owned; set: this instead of the alert */
};
struct held *held_new(const struct alert *a, int64_t now_ms); /* NULL: out of memory */
void held_free(struct held *h);                               /* NULL is fine */

struct pile {                          /* alerts that wait for one bubble */
    struct held *held[DESKTOP_LISTED]; /* the first ones, owned */
    size_t n, more;                    /* `more`: only counted */
    bool others;                       /* among these: watches of none of the listed */
    size_t missed;                     /* were given up before these */
    size_t muted;                      /* were not to be shown */
    int64_t last_seq, since_ms;        /* of the newest and of the oldest */
    enum alert_priority priority;      /* the highest */
};
void pile_add(struct pile *p, struct held *h); /* takes h */
void pile_clear(struct pile *p);               /* keeps `missed` and `muted` */

struct bubble {
    struct buf summary, body;
};
/* Write the bubble of a whole pile: one alert in full, or a list.  `markup`: the server
 * reads it in bodies.  0 or -ENOMEM. */
int bubble_write(struct bubble *b, const struct pile *p, bool markup);
int bubble_write_digest(struct bubble *b, const struct digest *d, bool markup);

/* ---- muted watches; for any thread, all times are UTC */

struct mutes;
/* Pokes both when something has changed.  NULL: out of memory. */
struct mutes *mutes_new(int64_t length_ms, int wake_fd, int event_fd);
void mutes_free(struct mutes *m); /* NULL is fine */
void mutes_add(struct mutes *m, struct str watch, int64_t now_ms);
/* An alert of this watch is to be shown: is it muted?  Then it is counted. */
bool mutes_hold(struct mutes *m, struct str watch, int64_t now_ms);
/* End what is over.  How long until the next end, in ms; -1: none. */
int64_t mutes_end(struct mutes *m, int64_t now_ms);
/* As sink_ops.muted and .restore. */
bool mutes_take(struct mutes *m, struct buf *out);
void mutes_restore(struct mutes *m, const char *text);

/* ---- bubbles that are on the screen, and their buttons; for the thread only */

struct open_bubbles;
typedef struct _NotifyNotification NotifyNotification;
struct open_bubbles *open_bubbles_new(struct mutes *mutes); /* NULL: out of memory */
void open_bubbles_free(struct open_bubbles *o);
void open_bubbles_drop(struct open_bubbles *o); /* all: the server has gone */

/* Give the bubble of one alert its buttons (before it is shown), and remember it until it
 * is closed.  `bus` is a GDBusConnection.  Takes no reference when it fails. */
void open_bubbles_add(struct open_bubbles *o, NotifyNotification *note,
                      const struct alert *a, bool actions, void *bus);
/* The one that shows the alert of this id, or NULL. */
NotifyNotification *open_bubbles_find(struct open_bubbles *o, const char *id);

/* ---- the thread's side of libnotify; for that thread only */

/* Load libnotify; before any of the calls below, from any thread.  0, or -ENOENT and one
 * line in `why`: not all of it is installed.  It stays loaded. */
int desktop_lib_load(struct buf *why);

struct notifier;
/* `wake_fd` ends notifier_wait() when it is readable. */
int notifier_new(struct notifier **out, int wake_fd, int ping_ms, struct mutes *mutes);
void notifier_free(struct notifier *n);

/* Show one bubble; waits for the server, which may take half a minute.  0, or -errno with
 * one line in `why`. */
int notifier_show(struct notifier *n, const struct pile *p, struct buf *why);
int notifier_show_digest(struct notifier *n, const struct digest *d, struct buf *why);

/* Put the sources of an alert into its bubble, if that is still to be seen. */
void notifier_amend(struct notifier *n, const struct held *h);

/* Wait for `ms` (below 0: for ever), wake_fd, or a server that appears.  True for the
 * last. */
bool notifier_wait(struct notifier *n, int64_t ms);
#endif
