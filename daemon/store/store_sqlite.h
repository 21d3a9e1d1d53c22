#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H
/* What the files of the SQLite backend share. */
#include <sqlite3.h>
#include <sys/types.h>
#include "store_impl.h"

enum statement { /* in the order of statement_sql[] */
                 ST_BEGIN,
                 ST_COMMIT,
                 ST_ROLLBACK,
                 ST_FEED_BY_NAME,
                 ST_FEED_BY_URL,
                 ST_FEED_ADD,
                 ST_FEED_RENAME,
                 ST_FEED_MOVE,
                 ST_FEED_SET,
                 ST_FEEDS,
                 ST_FEED_ROWS,
                 ST_WINDOW_GET,
                 ST_WINDOW_SET,
                 ST_WINDOW_COPY,
                 ST_ALERT_ADD,
                 ST_ALERT_SOURCE,
                 ST_ALERT_FIND,
                 ST_RULE_ADD,
                 ST_ALERTS_AFTER,
                 ST_ALERTS_LATEST,
                 ST_ALERT_TIME,
                 ST_GENERATION,
                 ST_NOTE_GET,
                 ST_NOTE_SET,
                 ST_NOTE_DROP,
                 ST_LAST_SEQ,
                 ST_SEQ_FLOOR,
                 ST_CURSOR_GET,
                 ST_CURSOR_SET,
                 ST_CURSOR_DROP,
                 ST_CURSORS_KEEP,
                 ST_DIGEST_CURSOR_DROP,
                 ST_STORY_SET,
                 ST_STORY_DROP,
                 ST_STORIES,
                 ST_ALERTS_OPEN,
                 ST_DIGEST_ADD,
                 ST_DIGESTS_FORGET,
                 ST_DIGESTS_AFTER,
                 ST_LAST_DIGEST,
                 ST_DIGEST_ALERTS,
                 ST_DIGEST_CURSOR_GET,
                 ST_DIGEST_CURSOR_SET,
                 ST_HISTORY_ADD,
                 ST_HISTORY,
                 ST_HISTORY_SIZE,
                 ST_HISTORY_OLDEST,
                 ST_HISTORY_DROP,
                 ST_ALERTS_OLD,
                 ST_FREE_PAGES,
                 ST_DIGEST_CURSORS_KEEP,
                 ST_COUNT,
};

#define LOCK_NAME "feedwatch.lock"

/* A file of this name beside the database says that damage was met in it: the next writer
 * checks it whole. */
#define SUSPECT_SUFFIX "-suspect"

struct store_sqlite {
    struct store base; /* first */
    char *path;        /* of the database */
    char *suspect;     /* that file's path */
    dev_t dev;
    ino_t ino;
    sqlite3 *db;
    sqlite3_stmt *stmt[ST_COUNT];
    enum store_mode mode;
    int lock_fd;      /* -1: a reader */
    int64_t last_seq; /* of a writer: the highest number given */
    int64_t *bound;   /* feed rows bound since store_begin */
    size_t n_bound, cap_bound;
    int error;             /* first failure since store_begin */
    int64_t history_bytes; /* kept; -1: not counted yet */
};

/* The -errno for an SQLite result code; the connection's errno refines it. */
int sqlite_errno(sqlite3 *db, int rc);

/* Note why and return the -errno. */
int sqlite_fail(struct store_sqlite *s, int rc, const char *doing);

/* The prepared statement, ready for binding; NULL (and *r set) on failure. */
sqlite3_stmt *sqlite_statement(struct store_sqlite *s, enum statement which, int *r);

/* Run a statement that gives no rows and reset it.  0 or -errno. */
int sqlite_run(struct store_sqlite *s, sqlite3_stmt *st, const char *doing);

/* Open `path` and bring it up to our schema.  0, 1 (*damaged says why: not a store, or
 * one that cannot be trusted), or -errno with `why`. */
int sqlite_schema_open(sqlite3 **out, const char *path, enum store_mode mode,
                       struct buf *why);

extern const struct store_ops store_sqlite_ops;

/* store_sqlite_alert.c: what a change says about alerts, and reading them. */
int sqlite_alert_add(struct store_sqlite *s, int64_t feed_id, const struct seen_key *key,
                     struct alert *a, int64_t *seq);
int sqlite_source_add(struct store_sqlite *s, struct store_source *source);
int sqlite_alerts_after(struct store *base, int64_t after, size_t max,
                        store_alert_fn *each, void *ctx);
int sqlite_alerts_latest(struct store *base, size_t n, const struct store_filter *want,
                         store_alert_fn *each, void *ctx);

int sqlite_digest_alerts(struct store *base, const struct digest *d, size_t max,
                         store_alert_fn *each, void *ctx);

/* store_sqlite_noise.c */
int sqlite_story_set(struct store_sqlite *s, const struct store_story *story);
int sqlite_digest_add(struct store_sqlite *s, struct digest *d);
int sqlite_digest_cursor_set(struct store_sqlite *s, const struct store_cursor *c);
int sqlite_stories(struct store *base, store_story_fn *each, void *ctx);
int sqlite_alerts_open(struct store *base, int64_t since_ms, store_open_fn *each,
                       void *ctx);
int sqlite_digests_after(struct store *base, int64_t after, size_t max,
                         store_digest_fn *each, void *ctx);
int64_t sqlite_last_digest(struct store *base);
int sqlite_digest_cursor(struct store *base, const char *sink, int64_t *seq);

/* store_sqlite_history.c: kept items, and forgetting. */
int sqlite_history_add(struct store_sqlite *s, struct store_change *const *changes,
                       size_t n);
int sqlite_history(struct store *base, int64_t since_ms, int64_t *after, size_t max,
                   store_history_fn *each, void *ctx);
int sqlite_history_size(struct store *base, int64_t since_ms,
                        struct store_history_size *out);
int sqlite_tidy(struct store *base, int64_t now_ms);
int sqlite_begin_plain(struct store_sqlite *s);
int sqlite_commit_plain(struct store_sqlite *s, int r); /* rolls back when r < 0 */

/* Bound texts live until the statement is reset: nothing is copied. */
void sqlite_bind_str(sqlite3_stmt *st, int at, struct str v);

int sqlite_feed_bind(struct store *base, const char *name, const char *url,
                     struct store_feed *out);
int sqlite_feeds_bind(struct store *base, const struct store_bind *feeds, size_t n);
int sqlite_feeds(struct store *base, store_feed_fn *each, void *ctx);
int sqlite_feed_set(struct store_sqlite *s, int64_t id, const struct store_feed *f);
#endif
