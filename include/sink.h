#ifndef SINK_H
#define SINK_H
/* Where alerts go: one small interface, one file per kind (sink_log, sink_desktop, ...).
 * Sinks know alerts, no feeds and no store.  The dispatcher hands over committed alerts
 * in order and moves the sink's cursor to what it reports as delivered. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alert.h"
#include "buf.h"
#include "digest.h"

struct sink {
    const struct sink_ops *ops;
    const char *name; /* cursor name in the store; owned by the sink */
};

struct sink_ops {
    const char *type;
    /* Hand over up to `n` alerts, oldest first.  Returns how many were taken (0: busy,
     * ask again when fd is readable), or -errno: none was taken, try again later; `why`
     * says it. */
    int (*deliver)(struct sink *s, const struct alert *const *alerts, size_t n,
                   struct buf *why);
    /* The highest sequence number that is delivered for good; -1: none since start. */
    int64_t (*delivered)(struct sink *s);
    /* Readable when delivered() moved, a busy sink has room or trouble() changed; cleared
     * by delivered().  -1: deliver() is synchronous. */
    int (*fd)(struct sink *s);
    /* What keeps a sink with a thread of its own from delivering: true and one line in
     * `why`, as long as it lasts; false when nothing does. */
    bool (*trouble)(struct sink *s, struct buf *why);
    /* Optional (NULL: alerts only).  `a` was handed over before and is the same story
     * with one source more now: show that where it is shown, if it still is (a bubble).
     * Best effort; never waits. */
    void (*amend)(struct sink *s, const struct alert *a);
    /* Optional (NULL: a log, which shows held alerts itself).  Hand over one digest of
     * alerts that deliver() did not get because they were held.  1: taken; 0: busy, ask
     * again when fd is readable; -errno as deliver(). */
    int (*digest)(struct sink *s, const struct digest *d, struct buf *why);
    /* The number of the last digest that is delivered for good; -1: none since start.
     * With `digest` only. */
    int64_t (*digested)(struct sink *s);
    /* The file may have been moved: open it again.  0 or -errno. */
    int (*reopen)(struct sink *s);
    /* End within `deadline_ms`, whatever hangs.  Frees `s`. */
    void (*free)(struct sink *s, int64_t deadline_ms);
};

/* The alert log.  Lines in order of seq, one write for a batch, fdatasync before it
 * counts as delivered.  Opening cuts off a torn last line and continues after the last
 * whole line's number: delivered() then is that number, so each alert has exactly one
 * line. */
int sink_log_new(struct sink **out, const char *name, const char *path,
                 enum alert_format f, struct buf *why);

/* Desktop notifications by libnotify, from a thread of its own: a server that hangs or is
 * absent stalls nobody.  It is tried again until one answers; alerts that wait longer
 * than ten minutes are only counted, in the next bubble.  More alerts than may pop up
 * (five at once, then one in ten seconds) share one bubble with a list. */
int sink_desktop_new(struct sink **out, const char *name, struct buf *why);

/* Is there a session bus to talk to? */
int sink_desktop_possible(void);
#endif
