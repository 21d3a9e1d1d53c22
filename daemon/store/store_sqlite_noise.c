/* Stories, digests and what is held back, in the SQLite store. */
#include <errno.h>
#include <string.h>
#include "store_sqlite.h"

#define KEEP_DIGESTS_MS (90LL * 86400000)

static struct str text_at(sqlite3_stmt *st, int at, int *r)
{
    const char *s = (const char *)sqlite3_column_text(st, at);

    if (!s && sqlite3_column_type(st, at) != SQLITE_NULL)
        *r = -ENOMEM;
    return (struct str){ s ? s : "", s ? (size_t)sqlite3_column_bytes(st, at) : 0 };
}

int sqlite_story_set(struct store_sqlite *s, const struct store_story *story)
{
    int r = 0;
    bool gone = story->packed.n == 0;
    sqlite3_stmt *st = sqlite_statement(s, gone ? ST_STORY_DROP : ST_STORY_SET, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, story->id);
    if (!gone) {
        sqlite_bind_str(st, 2, story->watch);
        sqlite3_bind_int64(st, 3, story->until_ms);
        sqlite3_bind_blob64(st, 4, story->packed.s, story->packed.n, SQLITE_STATIC);
    }
    return sqlite_run(s, st, "writing a story");
}

/* Run a query to its end; `row` gets each row.  0, -errno or what `row` returned. */
static int each_row(struct store_sqlite *s, sqlite3_stmt *st, const char *doing,
                    int (*row)(sqlite3_stmt *st, void *ctx), void *ctx)
{
    int r = 0, rc;

    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        r = row(st, ctx);
        if (r != 0)
            break;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, doing);
    sqlite3_reset(st);
    return r;
}

struct each_story {
    store_story_fn *each;
    void *ctx;
};

static int story_row(sqlite3_stmt *st, void *ctx)
{
    struct each_story *e = ctx;
    int r = 0;
    const void *packed = sqlite3_column_blob(st, 3);
    struct store_story story = {
        .id = sqlite3_column_int64(st, 0),
        .watch = text_at(st, 1, &r),
        .until_ms = sqlite3_column_int64(st, 2),
        .packed = { packed, packed ? (size_t)sqlite3_column_bytes(st, 3) : 0 },
    };

    return r < 0 ? r : e->each(e->ctx, &story);
}

int sqlite_stories(struct store *base, store_story_fn *each, void *ctx)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    struct each_story e = { each, ctx };
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_STORIES, &r);

    return st ? each_row(s, st, "reading stories", story_row, &e) : r;
}

struct each_open {
    store_open_fn *each;
    void *ctx;
};

static int open_row(sqlite3_stmt *st, void *ctx)
{
    struct each_open *e = ctx;
    int r = 0;
    struct store_open_alert a = {
        .seq = sqlite3_column_int64(st, 0),
        .watch = text_at(st, 1, &r),
        .time_ms = sqlite3_column_int64(st, 2),
        .held = text_at(st, 3, &r),
        .sinks = text_at(st, 4, &r),
        .priority = (enum alert_priority)sqlite3_column_int(st, 5),
        .late = sqlite3_column_int(st, 6) != 0,
        .waits = sqlite3_column_int(st, 7) != 0,
    };

    return r < 0 ? r : e->each(e->ctx, &a);
}

int sqlite_alerts_open(struct store *base, int64_t since_ms, store_open_fn *each,
                       void *ctx)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    struct each_open e = { each, ctx };
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_ALERTS_OPEN, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, since_ms);
    return each_row(s, st, "reading what is held back", open_row, &e);
}

/* --- digests --- */

static int forget_digests(struct store_sqlite *s, int64_t before_ms)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_DIGESTS_FORGET, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, before_ms);
    return sqlite_run(s, st, "forgetting old digests");
}

static int64_t number_of(struct store_sqlite *s, sqlite3_stmt *st, const char *doing)
{
    int rc = sqlite3_step(st);
    int64_t n = rc == SQLITE_ROW    ? sqlite3_column_int64(st, 0)
                : rc == SQLITE_DONE ? 0
                                    : sqlite_fail(s, rc, doing);

    sqlite3_reset(st);
    return n;
}

int64_t sqlite_last_digest(struct store *base)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_LAST_DIGEST, &r);

    return st ? number_of(s, st, "reading the last digest's number") : r;
}

int sqlite_digest_add(struct store_sqlite *s, struct digest *d)
{
    int r = 0;
    int64_t last = sqlite_last_digest(&s->base);
    sqlite3_stmt *st = sqlite_statement(s, ST_DIGEST_ADD, &r);

    if (!st || last < 0)
        return st ? (int)last : r;
    sqlite3_bind_int64(st, 1, last + 1);
    sqlite3_bind_text(st, 2, d->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 3, d->time_ms);
    sqlite3_bind_int64(st, 4, d->count);
    sqlite3_bind_int64(st, 5, d->first_seq);
    sqlite3_bind_int64(st, 6, d->last_seq);
    sqlite3_bind_int(st, 7, (int)d->priority);
    sqlite3_bind_int(st, 8, d->late);
    sqlite_bind_str(st, 9, d->watch);
    sqlite_bind_str(st, 10, d->reason);
    sqlite_bind_str(st, 11, d->sinks);
    r = sqlite_run(s, st, "writing a digest");
    if (r == 0)
        d->seq = last + 1;
    return r == 0 ? forget_digests(s, d->time_ms - KEEP_DIGESTS_MS) : r;
}

struct each_digest {
    store_digest_fn *each;
    void *ctx;
};

static int digest_row(sqlite3_stmt *st, void *ctx)
{
    struct each_digest *e = ctx;
    int r = 0;
    struct str id = text_at(st, 1, &r);
    struct digest d = {
        .seq = sqlite3_column_int64(st, 0),
        .time_ms = sqlite3_column_int64(st, 2),
        .count = sqlite3_column_int64(st, 3),
        .first_seq = sqlite3_column_int64(st, 4),
        .last_seq = sqlite3_column_int64(st, 5),
        .priority = (enum alert_priority)sqlite3_column_int(st, 6),
        .late = sqlite3_column_int(st, 7) != 0,
        .watch = text_at(st, 8, &r),
        .reason = text_at(st, 9, &r),
        .sinks = text_at(st, 10, &r),
    };

    if (id.n < sizeof d.id)
        memcpy(d.id, id.s, id.n);
    return r < 0 ? r : e->each(e->ctx, &d);
}

int sqlite_digests_after(struct store *base, int64_t after, size_t max,
                         store_digest_fn *each, void *ctx)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    struct each_digest e = { each, ctx };
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_DIGESTS_AFTER, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, after);
    sqlite3_bind_int64(st, 2, max > INT64_MAX ? INT64_MAX : (int64_t)max);
    return each_row(s, st, "reading digests", digest_row, &e);
}

int sqlite_digest_cursor(struct store *base, const char *sink, int64_t *seq)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_DIGEST_CURSOR_GET, &r);

    if (!st)
        return r;
    sqlite_bind_str(st, 1, str_of(sink));
    int rc = sqlite3_step(st);
    int64_t at = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "reading a cursor");
    sqlite3_reset(st);
    if (r == 0 && at < 0) { /* a new sink starts at now */
        at = sqlite_last_digest(base);
        r = at < 0 ? (int)at : 0;
    }
    if (r == 0)
        *seq = at;
    return r;
}

int sqlite_digest_cursor_set(struct store_sqlite *s, const struct store_cursor *c)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_DIGEST_CURSOR_SET, &r);

    if (!st)
        return r;
    sqlite_bind_str(st, 1, str_of(c->sink));
    sqlite3_bind_int64(st, 2, c->digest_seq);
    return sqlite_run(s, st, "writing a cursor");
}
