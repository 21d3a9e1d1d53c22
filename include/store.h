#ifndef STORE_H
#define STORE_H
/* Everything durable: feeds' states, windows, alerts and the sinks' cursors (the outbox:
 * what is past a sink's cursor is still to be delivered).  Knows no rules and no sinks.
 * One writer at a time (the file is locked); any number of readers, also from other
 * processes.
 *
 * Behind these calls stands a table of operations, so that another store can stand beside
 * store_sqlite.  Not thread-safe: one struct store per thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alert.h"
#include "buf.h"
#include "digest.h"
#include "seen.h"

enum store_mode {
    STORE_WRITE, /* create or migrate, lock: -EBUSY when another daemon holds it */
    STORE_READ,  /* as the last commit left it, while a writer goes on */
};

struct store;

/* Open the store in directory `dir` (made with mode 0700 when missing and STORE_WRITE).
 * 0; 1: what was there is damaged or foreign and was moved aside, the store starts anew
 * (`why` names the new place of the old file); or -errno with one line for people in
 * `why`: -EBUSY a writer holds it already (`why` has its pid), -ENOENT there is none yet
 * (STORE_READ), -EPROTO written by a newer version, or (STORE_READ) by an older one. */
int store_open(struct store **out, const char *dir, enum store_mode mode,
               struct buf *why);
void store_close(struct store *s);

/* Is what was opened no longer the store of its directory (moved aside, or exchanged)? */
bool store_moved(const struct store *s);

/* Why the last call failed: one line, valid until the next call. */
const char *store_why(const struct store *s);

/* Why a feed is due when it is. */
enum store_due {
    STORE_DUE_NEW,         /* never polled */
    STORE_DUE_INTERVAL,    /* the configured interval */
    STORE_DUE_RHYTHM,      /* interval = auto: as often as the feed publishes */
    STORE_DUE_GAP,         /* sooner: items may have come and gone unseen */
    STORE_DUE_FRESH,       /* the publisher asks: Cache-Control or Expires */
    STORE_DUE_TTL,         /* the publisher asks: <ttl> or sy:updatePeriod */
    STORE_DUE_MAX,         /* the publisher asks for more than max_interval */
    STORE_DUE_SKIP,        /* moved out of skipHours or skipDays */
    STORE_DUE_RETRY_AFTER, /* the server asks: Retry-After */
    STORE_DUE_BACKOFF,     /* the poll failed */
    STORE_DUE_HOST,        /* every feed of the host fails */
    STORE_DUE_USER,        /* 401: waits for other credentials, tried once a day */
    STORE_DUE_NEVER,       /* 410 */
};
const char *store_due_name(enum store_due why); /* one line for people */

/* How a feed fares, from its row alone. */
enum store_feed_state {
    STORE_FEED_NEW,     /* no answer was ever read */
    STORE_FEED_OK,      /* the last poll went well */
    STORE_FEED_FAILING, /* it did not */
    STORE_FEED_BROKEN,  /* it fails for longer than broken_after: the user was told */
    STORE_FEED_SILENT,  /* fine, but nothing new for much longer than its rhythm: told */
    STORE_FEED_LOGIN,   /* 401: waits for the user */
    STORE_FEED_GONE,    /* 410: no more polls */
};
const char *store_feed_state_name(enum store_feed_state state); /* one word */

/* What was asked and answered in the last 24 h, in slots of two hours. */
#define STORE_SLOTS 13 /* the one that is going on, and twelve before it */
struct store_slot {
    uint16_t requests, not_modified;
    uint32_t bytes; /* as received */
};
struct store_traffic {
    int32_t newest; /* number of the slot that is going on, counted since 1970 */
    struct store_slot slot[STORE_SLOTS]; /* slot n stands at n % STORE_SLOTS */
};
void store_traffic_add(struct store_traffic *t, int64_t now_ms, unsigned requests,
                       unsigned not_modified, int64_t bytes);
struct store_traffic_sum {
    int64_t requests, not_modified, bytes;
};
struct store_traffic_sum store_traffic_sum(const struct store_traffic *t, int64_t now_ms);

enum store_move { /* who says that the feed lives elsewhere */
                  STORE_MOVE_NONE,
                  STORE_MOVE_REDIRECT, /* 301 or 308 */
                  STORE_MOVE_DOCUMENT, /* <newLocation> or itunes:new-feed-url */
                  STORE_MOVE_SELF,     /* rel=self */
};

#define STORE_TOLD_BROKEN 1 /* bits of store_feed.told: the user knows */
#define STORE_TOLD_SILENT 2
#define STORE_TOLD_CHURN 4 /* for ever: it is a property of the feed */

/* The process that holds the store in `dir` for writing; 0 when none does, or none that
 * this process may know of. */
int64_t store_writer(const char *dir);

struct store_feed {      /* what is remembered of a feed between polls */
    int64_t id;          /* of the store, stable for ever */
    char *name, *url;    /* as configured; owned by the struct */
    char *effective_url; /* an adopted permanent redirect: this is polled; or NULL */
    char *etag;          /* validators: verbatim, one pair, or NULL */
    char *last_modified;
    int64_t due_ms; /* next poll, UTC ms; 0: never polled */
    int64_t last_poll_ms, last_success_ms, last_change_ms; /* UTC ms; 0: never */
    int64_t polls, not_modified, items, alerts, bytes;     /* counters since ever */
    int32_t http_status; /* of the last answer; 0: none */
    int32_t failures;    /* in a row */
    char *error;         /* of the last failure, one line, or NULL */
    char *title;         /* the feed's own title, or NULL */
    char *hub;           /* WebSub hub that the feed names, or NULL; it is not used */
    bool learned;        /* first contact is over: new items alert */
    bool gone;           /* 410: no more polls */
    bool recheck;        /* the URL was changed by hand: is it the same feed? */
    uint8_t due_why;     /* enum store_due */
    uint8_t told;        /* STORE_TOLD_... */
    uint8_t moved_by;    /* enum store_move: of moved_to */
    uint8_t skip_days;   /* of the document: bit 0 Monday ... bit 6 Sunday, UTC */
    uint32_t skip_hours; /* of the document: bit h is hour h UTC */
    int32_t fresh_s;     /* Cache-Control or Expires, as last said; 0: none */
    int32_t ttl_s;       /* of the document: <ttl> or sy:update*; 0: none */
    int64_t first_ms;    /* first answer that was read, UTC ms; items / (now - first_ms)
                            are the items a day; 0: none yet */
    /* rhythm, from the publication times */
    int32_t rhythm_s;     /* mean time between two items; 0: not known */
    int32_t silent_s;     /* silence of this length is strange; 0: not known */
    int64_t last_item_ms; /* when the newest item was published, UTC ms; 0: not known */
    int32_t urgent_s;     /* interval in force after a gap; 0: none */
    int32_t gaps;         /* windows without overlap, since ever */
    int64_t last_gap_ms;  /* the last of them, UTC ms; 0: never */
    /* failure */
    int64_t failing_since_ms; /* first failure of those in a row, UTC ms; 0: none */
    int64_t
        hold_ms; /* the host must be left alone until then, UTC ms; 0: no such thing */
    int32_t host_failures; /* in a row, of all feeds of the host together */
    int64_t auth_mark;     /* 401: which credentials failed; 0: none */
    /* a permanent move that is not adopted yet */
    char *moved_to; /* or NULL */
    int32_t moved_seen;
    int64_t moved_since_ms; /* UTC ms */
    int64_t full_due_ms;    /* the next poll without validators, UTC ms; 0: not set */
    struct store_traffic traffic;
};
enum store_feed_state store_feed_state(const struct store_feed *f);
void store_feed_done(struct store_feed *f); /* frees the strings, not f */

/* Find the row of a configured feed: by name, else by URL under an old name, else make
 * one. A changed URL drops the validators and keeps the window.  0 or -errno. Call
 * between store_begin and store_end when binding many: a row that was bound since
 * store_begin is not taken for a renamed feed, its window is copied instead.  store_end
 * commits; when a call since store_begin failed it rolls back and returns that error. */
int store_feed_bind(struct store *s, const char *name, const char *url,
                    struct store_feed *out);
/* Many of them in one pass over the rows, as if bound one after the other, but those that
 * are there already first.  0 or -errno; each `out` may be filled, whatever comes back.
 */
struct store_bind {
    const char *name, *url;
    struct store_feed *out; /* zeroed */
};
int store_feeds_bind(struct store *s, const struct store_bind *feeds, size_t n);
int store_begin(struct store *s);
int store_end(struct store *s);
/* Instead of store_end: all is as before store_begin.  store_why() stays. */
void store_cancel(struct store *s);

/* Append the packed window of a feed (nothing when it has none).  0 or -errno. */
int store_window_read(struct store *s, int64_t feed_id, struct buf *out);

/* One atomic, durable step.  A change of one feed: its alerts, its window, its state;
 * each part is optional.  Strings and arrays belong to the caller. */
struct store_source { /* a later source of a story that has alerted before */
    int64_t seq;      /* of that alert; 0: find it by what follows */
    int64_t feed_id;
    struct seen_key key;
    struct str watch;
    struct alert_source source;
};
struct store_story { /* a row that story.h packs */
    int64_t id;
    int64_t until_ms;
    struct str watch;
    struct str packed; /* empty: the row goes */
};
struct store_change {
    int64_t feed_id;
    const struct seen_key *alert_keys; /* one per alert: its item's key */
    struct alert *alerts; /* seq is set by the commit; 0 when it was known already */
    size_t n_alerts;
    struct str window;             /* packed; n == 0: leave as it is */
    const struct store_feed *feed; /* NULL: leave as it is */
    struct str history;    /* new items as history_pack() made them; n == 0: none */
    int64_t history_items; /* how many */
    int64_t history_ms;    /* the latest fetch among them, UTC */
    struct store_source *sources; /* added to their alerts, after `alerts` are in;
                                           one whose alert is gone is dropped; seq is set,
                                           0 then */
    size_t n_sources;
    const struct store_story *stories;
    size_t n_stories;
    struct digest *digests; /* seq is set by the commit; their alerts are not looked at */
    size_t n_digests;
    const char *note; /* NULL: none; else as store_note_set() */
    struct str note_text;
};
struct store_cursor {
    const char *sink;
    int64_t seq; /* delivered up to here; to commit a negative one forgets the sink */
    int32_t failures; /* in a row since */
    int64_t retry_ms; /* not before, UTC ms */
    bool of_digests;  /* this is the sink's other cursor: only digest_seq counts */
    int64_t digest_seq;
};

/* Commit all of it or nothing.  An alert whose (feed, item key, watch) is recorded
 * already is skipped (an update of an item comes under a key of its own); the others get
 * the next sequence numbers, gap-free.  0, or -errno (nothing changed): -ENOSPC, -EIO,
 * -ENOMEM, -ENOLCK may pass and the same call may be made again; -EUCLEAN: the file is
 * damaged; the process should end, the next start moves it aside.  -ENOLCK again and
 * again: a lock of this process is lost, which ends with the process. */
int store_commit(struct store *s, struct store_change *const *changes, size_t n,
                 const struct store_cursor *cursors, size_t n_cursors);

/* The highest sequence number, 0 when there is none; or -errno. */
int64_t store_last_seq(struct store *s);

/* Make the next alert's number greater than `seq` (an alert log may be ahead of a store
 * that started anew).  0 or -errno. */
int store_seq_raise(struct store *s, int64_t seq);

/* A sink's cursor.  A sink never heard of starts at store_last_seq.  0 or -errno. */
int store_cursor_read(struct store *s, const char *sink, struct store_cursor *out);

/* Forget the cursors of sinks that are not in `names` (each ended by '\n').  0 or -errno.
 */
int store_cursors_keep(struct store *s, struct str names);

/* Call `each` for alerts with seq > after, in order, at most `max`.  The alert is
 * borrowed for the call.  Non-zero from `each` stops and is returned.  0 or -errno. */
typedef int store_alert_fn(void *ctx, const struct alert *a);
int store_alerts_after(struct store *s, int64_t after, size_t max, store_alert_fn *each,
                       void *ctx);

/* The latest `n` of the alerts that `want` lets pass (NULL: all), in order of seq, those
 * matched before `since_ms` left out.  0, -errno, or what `each` returned. */
struct store_filter {
    struct str watch; /* empty: any */
    int64_t since_ms; /* UTC; 0: any */
    bool held;        /* only those that were held back */
};
int store_alerts_latest(struct store *s, size_t n, const struct store_filter *want,
                        store_alert_fn *each, void *ctx);

/* Call `each` for every story.  0, -errno, or what `each` returned. */
typedef int store_story_fn(void *ctx, const struct store_story *story);
int store_stories(struct store *s, store_story_fn *each, void *ctx);

/* Call `each`, in order of seq, for the alerts since `since_ms` and for all that are held
 * back and in no digest yet.  0, -errno, or what `each` returned. */
struct store_open_alert {
    int64_t seq, time_ms;
    struct str watch, held, sinks;
    enum alert_priority priority;
    bool late;
    bool waits; /* held, and in no digest yet */
};
typedef int store_open_fn(void *ctx, const struct store_open_alert *a);
int store_alerts_open(struct store *s, int64_t since_ms, store_open_fn *each, void *ctx);

/* Digests with seq > after, in order, at most `max`, without their alerts; the number of
 * the last one (0: none); and a sink's cursor, which starts there.  0 or -errno, or what
 * `each` returned. */
typedef int store_digest_fn(void *ctx, const struct digest *d);
int store_digests_after(struct store *s, int64_t after, size_t max, store_digest_fn *each,
                        void *ctx);
int64_t store_last_digest(struct store *s);
int store_digest_cursor(struct store *s, const char *sink, int64_t *seq);

/* The alerts of a digest, oldest first, at most `max`. */
int store_digest_alerts(struct store *s, const struct digest *d, size_t max,
                        store_alert_fn *each, void *ctx);

/* The number of the config's content: one more than before when `content` (a hash of it)
 * is not what it was at the last call.  0 or -errno. */
int store_generation(struct store *s, uint64_t content, int64_t *out);

/* A text that the daemon leaves for its next start or for other commands, by name; an
 * empty one is forgotten.  Setting it is part of the transaction that is open, or one of
 * its own; reading appends it to `out`, nothing when there is none.  0 or -errno. */
#define STORE_NOTE_REFUSED "refused" /* "UTC-MS WHY": the config is not in force */
#define STORE_NOTE_LIMITED                                                               \
    "limited"                    /* watches whose regex ran into its limit, a line each */
#define STORE_NOTE_RULES "rules" /* known to be in force: see recall.h */
int store_note_set(struct store *s, const char *name, struct str text);
int store_note_read(struct store *s, const char *name, struct buf *out);

/* Rows of kept items, oldest first, whose latest fetch was at or after `since_ms`: at
 * most `max` behind row *after (0: from the first), which becomes the last one given.
 * How many rows and bytes there are is told by store_history_size.  0, -errno, or what
 * `each` returned. */
typedef int store_history_fn(void *ctx, struct str packed);
int store_history(struct store *s, int64_t since_ms, int64_t *after, size_t max,
                  store_history_fn *each, void *ctx);
struct store_history_size {
    int64_t rows, items, bytes;
};
int store_history_size(struct store *s, int64_t since_ms, struct store_history_size *out);

/* What may be kept; to be told before the first store_tidy. */
struct store_limits {
    int64_t alerts_ms;                 /* age of alerts */
    int64_t history_ms, history_bytes; /* age and size of kept items */
};
void store_limits(struct store *s, const struct store_limits *limits);

/* One small step, a few milliseconds, of forgetting what is past its limits and of giving
 * space back: in idle time.  An alert that some sink still waits for stays; what is
 * forgotten does not alert again, because the windows know the items.  1: call again
 * soon; 0: nothing is left to do; or -errno. */
int store_tidy(struct store *s, int64_t now_ms);

/* Call `each` for every feed row, by name.  0, -errno, or what `each` returned. */
typedef int store_feed_fn(void *ctx, const struct store_feed *f);
int store_feeds(struct store *s, store_feed_fn *each, void *ctx);
#endif
