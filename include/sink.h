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

struct sink_options { /* what a sink is opened with: a [sink:NAME], or a built-in one */
    const char *name, *type;
    const char *text;        /* its keys as written: the same text is the same sink */
    const char *config_path; /* the main file, and the one that the section stands in */
    const char *config_file;
    /* NULL or 0 where not written.  Which type takes which is in sink.c. */
    const char *path;         /* a file */
    const char *url;          /* where to post */
    const char *preset;       /* whose form of posting */
    const char *secret;       /* "file:PATH" or "credential:NAME": to sign with */
    const char *secret_url;   /* the same: of an address that is to be kept secret */
    const char *token;        /* the same: a bearer token or password */
    const char *room;         /* a room, channel or topic */
    const char *server;       /* smtp://HOST:PORT or smtps:// */
    const char *user;         /* to log in there */
    const char *from, *to;    /* addresses; `to` has several, separated by commas */
    const char *unsubscribe;  /* https URL for List-Unsubscribe */
    const char *ca_file;      /* certificates to trust, beside none else */
    const char *tls;          /* "required" or "no" */
    const char *command;      /* a program and its arguments */
    const char *title;        /* of a feed */
    enum alert_format format; /* of lines */
    int64_t timeout_s;
    unsigned per_minute, parallel, entries;
    bool allow_private;
};

/* The kinds of sinks.  A new one is a file and a row in sink.c. */
struct sink;
struct sink_type {
    const char *type;
    const char *keys;  /* that it takes beside "type", each between two spaces */
    const char *needs; /* those of them that must be written; in the same form */
    /* Is what is written right?  0, or -EINVAL with the key that is wrong and, in `why`,
     * what to write instead.  NULL: nothing to check. */
    int (*check)(const struct sink_options *o, const char **key, struct buf *why);
    /* 0 or -errno and `why`.  Copies what it needs of `o`. */
    int (*open)(struct sink **out, const struct sink_options *o, struct buf *why);
};

/* The type named so, or NULL. */
const struct sink_type *sink_type_find(struct str type);
/* All types, one by one; NULL behind the last. */
const struct sink_type *sink_type_at(size_t i);

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
    /* Optional (NULL: deliver() says all).  Something that was taken could not be
     * delivered: true, once for each time, with one line in `why`; *retry_ms is how long
     * the other side asked to be left alone, 0: it did not.  All past delivered() and
     * digested() is to be handed over again then. */
    bool (*failed)(struct sink *s, int64_t *retry_ms, struct buf *why);
    /* Optional, both or none.  Watches that the user has muted at this sink have changed:
     * true, once, with a line "+UNTIL HELD WATCH" for each, which ends with '\n': UTC ms,
     * how many alerts that was so far; '-' instead of '+': it is over, '=': it was told
     * before.  And take back the lines of '+' and '=' that were told by an earlier
     * process, before anything is handed over. */
    bool (*muted)(struct sink *s, struct buf *out);
    void (*restore)(struct sink *s, const char *muted);
    /* The file may have been moved: open it again.  0 or -errno. */
    int (*reopen)(struct sink *s);
    /* Optional.  Deliver nothing more, but let what is on its way arrive, for at most
     * `deadline_ms`; then ask delivered() a last time, and free. */
    void (*stop)(struct sink *s, int64_t deadline_ms);
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
 * (five at once, then one in ten seconds) share one bubble with a list.  Its buttons open
 * the link, and keep a watch from this desktop for an hour. */
int sink_desktop_open(struct sink **out, const struct sink_options *o, struct buf *why);

/* Is there a session bus to talk to, and libnotify to do it? */
int sink_desktop_possible(void);
#endif
