/* Recent items in the SQLite store, and forgetting: old alerts, old items, free space. */
#include <errno.h>
#include "store_sqlite.h"

#define ROWS_A_STEP 200
#define FREE_PAGES_KEPT 1024 /* free pages are filled again soon */

/* --- writing --- */

/* All items of one commit are one row. */
int sqlite_history_add(struct store_sqlite *s, struct store_change *const *changes,
                       size_t n)
{
    int64_t items = 0, latest_ms = 0;
    struct buf all;
    int r = 0;

    buf_init(&all, 256UL << 20);
    for (size_t i = 0; i < n; i++) {
        const struct store_change *c = changes[i];

        if (!c->history.n)
            continue;
        (void)buf_put_str(&all, c->history);
        items += c->history_items;
        latest_ms = c->history_ms > latest_ms ? c->history_ms : latest_ms;
    }
    if (all.error == -ENOMEM)
        r = -ENOMEM;
    sqlite3_stmt *st = all.n && r == 0 ? sqlite_statement(s, ST_HISTORY_ADD, &r) : NULL;
    if (st) {
        sqlite3_bind_int64(st, 1, latest_ms);
        sqlite3_bind_int64(st, 2, items);
        sqlite3_bind_blob64(st, 3, all.s, all.n, SQLITE_STATIC);
        r = sqlite_run(s, st, "writing items");
        if (r == 0 && s->history_bytes >= 0)
            s->history_bytes += (int64_t)all.n;
    }
    buf_free(&all);
    return r;
}

/* --- reading --- */

int sqlite_history(struct store *base, int64_t since_ms, int64_t *after, size_t max,
                   store_history_fn *each, void *ctx)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0, rc;
    sqlite3_stmt *st = sqlite_statement(s, ST_HISTORY, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, since_ms);
    sqlite3_bind_int64(st, 2, *after);
    sqlite3_bind_int64(st, 3, max > INT64_MAX ? INT64_MAX : (int64_t)max);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW && r == 0) {
        const char *packed = sqlite3_column_blob(st, 1);
        size_t bytes = (size_t)sqlite3_column_bytes(st, 1);

        *after = sqlite3_column_int64(st, 0);
        r = packed || !bytes ? each(ctx, (struct str){ packed, bytes }) : -ENOMEM;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "reading items");
    sqlite3_reset(st);
    return r;
}

int sqlite_history_size(struct store *base, int64_t since_ms,
                        struct store_history_size *out)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_HISTORY_SIZE, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, since_ms);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = (struct store_history_size){ sqlite3_column_int64(st, 0),
                                            sqlite3_column_int64(st, 1),
                                            sqlite3_column_int64(st, 2) };
    else
        r = sqlite_fail(s, rc, "counting items");
    sqlite3_reset(st);
    return r;
}

/* --- forgetting --- */

/* Up to three numbers out of a query of one row; *found: there was one. */
static int read_row(struct store_sqlite *s, enum statement which, int64_t out[3],
                    bool *found)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, which, &r);

    if (!st)
        return r;
    int rc = sqlite3_step(st);
    *found = rc == SQLITE_ROW;
    for (int i = 0; *found && i < 3 && i < sqlite3_column_count(st); i++)
        out[i] = sqlite3_column_int64(st, i);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "looking for what is old");
    sqlite3_reset(st);
    return r;
}

static int drop_alerts(struct store_sqlite *s, int64_t before_ms)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_ALERTS_OLD, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, before_ms);
    sqlite3_bind_int(st, 2, ROWS_A_STEP);
    r = sqlite_run(s, st, "forgetting alerts");
    return r < 0 ? r : sqlite3_changes(s->db) > 0;
}

static int drop_history_row(struct store_sqlite *s, int64_t id)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_HISTORY_DROP, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, id);
    return sqlite_run(s, st, "forgetting items");
}

/* Rows that are too old, or the oldest while there are too many bytes. */
static int drop_history(struct store_sqlite *s, int64_t before_ms, int64_t most)
{
    struct store_history_size size = { 0 };
    int64_t row[3] = { 0 };
    bool found = true;
    int r = 0, dropped = 0;

    if (s->history_bytes < 0) {
        r = sqlite_history_size(&s->base, INT64_MIN, &size);
        if (r < 0)
            return r;
        s->history_bytes = size.bytes;
    }
    for (; dropped < ROWS_A_STEP / 4; dropped++) {
        r = read_row(s, ST_HISTORY_OLDEST, row, &found);
        if (r < 0 || !found || (row[1] >= before_ms && s->history_bytes <= most))
            break;
        r = drop_history_row(s, row[0]);
        if (r < 0)
            break;
        s->history_bytes -= row[2];
    }
    if (r < 0)
        s->history_bytes = -1; /* what was dropped is rolled back */
    return r < 0 ? r : dropped > 0;
}

/* Give pages back to the file system when a good part of the file is free. */
static int shrink(struct store_sqlite *s)
{
    int64_t row[3] = { 0 };
    bool found = false;

    int r = read_row(s, ST_FREE_PAGES, row, &found);
    if (r < 0 || !found || row[0] <= FREE_PAGES_KEPT || row[0] < row[1] / 4)
        return r;
    int rc = sqlite3_exec(s->db, "PRAGMA incremental_vacuum(64)", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 1 : sqlite_fail(s, rc, "giving space back");
}

int sqlite_tidy(struct store *base, int64_t now_ms)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    const struct store_limits *l = &s->base.limits;
    int more = 0;

    if (l->alerts_ms <= 0)
        return 0; /* nobody said what may be kept */
    int r = sqlite_begin_plain(s);
    if (r < 0)
        return r;
    r = drop_alerts(s, now_ms - l->alerts_ms);
    more |= r > 0;
    if (r >= 0)
        r = drop_history(s, now_ms - l->history_ms, l->history_bytes);
    more |= r > 0;
    r = sqlite_commit_plain(s, r);
    if (r < 0) {
        s->history_bytes = -1;
        return r;
    }
    if (!more) {
        r = shrink(s);
        return r;
    }
    return 1;
}
