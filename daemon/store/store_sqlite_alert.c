/* Alerts in the SQLite store: their rows, the rules beside them, later sources. */
#include <errno.h>
#include "store_sqlite.h"

#define DAY_MS 86400000LL

/* A text column; *r becomes -ENOMEM when there was no memory to get at it. */
static struct str column_str(sqlite3_stmt *st, int at, int *r)
{
    const char *s = (const char *)sqlite3_column_text(st, at);

    if (!s && sqlite3_column_type(st, at) != SQLITE_NULL)
        *r = -ENOMEM;
    return (struct str){ s ? s : "", s ? (size_t)sqlite3_column_bytes(st, at) : 0 };
}

static int alert_from_row(sqlite3_stmt *st, struct alert *a)
{
    int r = 0;
    struct str id = column_str(st, 1, &r);

    *a = (struct alert){
        .seq = sqlite3_column_int64(st, 0),
        .time_ms = sqlite3_column_int64(st, 2),
        .published_s = sqlite3_column_type(st, 3) == SQLITE_NULL
                           ? ITEM_NO_TIME
                           : sqlite3_column_int64(st, 3),
        .priority = (enum alert_priority)sqlite3_column_int(st, 4),
        .fetched_ms = sqlite3_column_int64(st, 13),
        .late = sqlite3_column_int(st, 14) != 0,
        .update = sqlite3_column_int(st, 15) != 0,
        .rule_hash = (uint64_t)sqlite3_column_int64(st, 16),
        .generation = sqlite3_column_int64(st, 17),
    };
    struct str *text[] = { &a->watch,   &a->feed,    &a->title,   &a->link,
                           &a->item_id, &a->snippet, &a->matched, &a->sinks };
    for (int i = 0; i < 8; i++)
        *text[i] = column_str(st, 5 + i, &r);
    struct str *more[] = { &a->author, &a->spans, &a->held, &a->sources, &a->rule };
    for (int i = 0; i < 5; i++)
        *more[i] = column_str(st, 18 + i, &r);
    if (id.n < sizeof a->id)
        memcpy(a->id, id.s, id.n);
    return r;
}

/* Run a query for alerts to its end, or until `each` has enough. */
static int each_alert(struct store_sqlite *s, sqlite3_stmt *st, store_alert_fn *each,
                      void *ctx)
{
    int r = 0, rc;

    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct alert a;

        r = alert_from_row(st, &a);
        if (r == 0)
            r = each(ctx, &a);
        if (r != 0)
            break;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "reading alerts");
    sqlite3_reset(st);
    return r;
}

static int64_t row_limit(size_t n)
{
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

int sqlite_alerts_after(struct store *base, int64_t after, size_t max,
                        store_alert_fn *each, void *ctx)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_ALERTS_AFTER, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, after);
    sqlite3_bind_int64(st, 2, row_limit(max));
    return each_alert(s, st, each, ctx);
}

/* The first alert at or after number `seq`: its number, or INT64_MAX for none, and time.
 */
static int alert_time(struct store_sqlite *s, int64_t seq, int64_t *at, int64_t *time_ms)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_ALERT_TIME, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, seq);
    int rc = sqlite3_step(st);
    *at = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : INT64_MAX;
    *time_ms = rc == SQLITE_ROW ? sqlite3_column_int64(st, 1) : INT64_MAX;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "looking for a time");
    sqlite3_reset(st);
    return r;
}

/* A number that all alerts since `since_ms` are at or behind, found by halving: numbers
 * and times go up together, but for a day at most (the clock may have been set). */
static int first_since(struct store_sqlite *s, int64_t since_ms, int64_t *seq)
{
    int64_t low = 1, high = s->base.ops->last_seq(&s->base) + 1;
    int64_t at = INT64_MAX, time_ms = 0;

    if (high <= 0)
        return (int)(high - 1);
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int r = alert_time(s, middle, &at, &time_ms);

        if (r < 0)
            return r;
        if (time_ms < since_ms - DAY_MS)
            low = at + 1;
        else
            high = middle;
    }
    *seq = low;
    return 0;
}

int sqlite_alerts_latest(struct store *base, size_t n, const struct store_filter *want,
                         store_alert_fn *each, void *ctx)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    struct store_filter any = { 0 };
    int64_t from = 0;

    if (!want)
        want = &any;
    int r = want->since_ms ? first_since(s, want->since_ms, &from) : 0;
    sqlite3_stmt *st = r == 0 ? sqlite_statement(s, ST_ALERTS_LATEST, &r) : NULL;
    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, want->since_ms ? want->since_ms : INT64_MIN);
    sqlite_bind_str(st, 2, want->watch);
    sqlite3_bind_int(st, 3, want->held);
    sqlite3_bind_int64(st, 4, row_limit(n));
    sqlite3_bind_int64(st, 5, from);
    r = each_alert(s, st, each, ctx);
    sqlite3_clear_bindings(st);
    return r;
}

/* --- writing --- */

static void pack_key(unsigned char out[16], const struct seen_key *k)
{
    for (int i = 0; i < 8; i++) {
        out[i] = (unsigned char)(k->hi >> (56 - 8 * i));
        out[8 + i] = (unsigned char)(k->lo >> (56 - 8 * i));
    }
}

/* The text of a rule is kept once, by its hash. */
static int add_rule(struct store_sqlite *s, const struct alert *a)
{
    int r = 0;
    sqlite3_stmt *st = a->rule.n ? sqlite_statement(s, ST_RULE_ADD, &r) : NULL;

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, (int64_t)a->rule_hash);
    sqlite_bind_str(st, 2, a->rule);
    return sqlite_run(s, st, "writing a rule");
}

int sqlite_alert_add(struct store_sqlite *s, int64_t feed_id, const struct seen_key *key,
                     struct alert *a, int64_t *seq)
{
    unsigned char packed[16];
    int r = add_rule(s, a);
    sqlite3_stmt *st = r == 0 ? sqlite_statement(s, ST_ALERT_ADD, &r) : NULL;

    if (!st)
        return r;
    pack_key(packed, key);
    sqlite3_bind_int64(st, 1, *seq + 1);
    sqlite3_bind_text(st, 2, a->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 3, a->time_ms);
    if (a->published_s != ITEM_NO_TIME)
        sqlite3_bind_int64(st, 4, a->published_s);
    sqlite3_bind_int(st, 5, (int)a->priority);
    const struct str *text[] = { &a->watch,   &a->feed,    &a->title,   &a->link,
                                 &a->item_id, &a->snippet, &a->matched, &a->sinks };
    for (int i = 0; i < 8; i++)
        sqlite_bind_str(st, 6 + i, *text[i]);
    sqlite3_bind_int64(st, 14, a->fetched_ms);
    sqlite3_bind_int(st, 15, a->late);
    sqlite3_bind_int(st, 16, a->update);
    sqlite3_bind_int64(st, 17, (int64_t)a->rule_hash);
    sqlite3_bind_int64(st, 18, a->generation);
    const struct str *more[] = { &a->author, &a->spans, &a->held, &a->sources };
    for (int i = 0; i < 4; i++)
        sqlite_bind_str(st, 19 + i, *more[i]);
    sqlite3_bind_int64(st, 23, feed_id);
    sqlite3_bind_blob(st, 24, packed, sizeof packed, SQLITE_STATIC);
    r = sqlite_run(s, st, "writing an alert");
    if (r == 0)
        a->seq = sqlite3_changes(s->db) > 0 ? ++*seq : 0;
    return r;
}

/* The number of the alert that `source` belongs to; 0: there is none. */
static int find_alert(struct store_sqlite *s, const struct store_source *source,
                      int64_t *seq)
{
    unsigned char packed[16];
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_ALERT_FIND, &r);

    if (!st)
        return r;
    pack_key(packed, &source->key);
    sqlite3_bind_int64(st, 1, source->feed_id);
    sqlite3_bind_blob(st, 2, packed, sizeof packed, SQLITE_STATIC);
    sqlite_bind_str(st, 3, source->watch);
    int rc = sqlite3_step(st);
    *seq = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "looking for an alert");
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return r;
}

int sqlite_source_add(struct store_sqlite *s, struct store_source *source)
{
    int64_t seq = source->seq;
    int r = seq ? 0 : find_alert(s, source, &seq);
    sqlite3_stmt *st = r == 0 && seq ? sqlite_statement(s, ST_ALERT_SOURCE, &r) : NULL;
    struct buf packed;

    if (!st)
        return r;
    buf_init(&packed, 1 << 20);
    r = alert_source_put(&packed, &source->source);
    if (r == 0) {
        sqlite3_bind_int64(st, 1, seq);
        sqlite_bind_str(st, 2, buf_str(&packed));
        r = sqlite_run(s, st, "adding a source to an alert");
    }
    buf_free(&packed);
    if (r == 0)
        source->seq = seq;
    return r;
}

int sqlite_digest_alerts(struct store *base, const struct digest *d, size_t max,
                         store_alert_fn *each, void *ctx)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_DIGEST_ALERTS, &r);

    if (!st)
        return r;
    sqlite_bind_str(st, 1, d->watch);
    sqlite3_bind_int64(st, 2, d->first_seq);
    sqlite3_bind_int64(st, 3, d->last_seq);
    sqlite3_bind_int64(st, 4, (int64_t)max);
    return each_alert(s, st, each, ctx);
}
