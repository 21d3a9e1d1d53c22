/* Feed rows of the SQLite store: binding configured feeds, reading and writing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "store_sqlite.h"

/* A copy of a text column, NULL for NULL.  0 or -ENOMEM. */
static int take_text(sqlite3_stmt *st, int at, char **out)
{
    const char *s = (const char *)sqlite3_column_text(st, at);

    *out = s ? strdup(s) : NULL;
    return *out || sqlite3_column_type(st, at) == SQLITE_NULL ? 0 : -ENOMEM;
}

#define TRAFFIC_BYTES (4 + STORE_SLOTS * 8)

static void put_number(unsigned char **at, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *(*at)++ = (unsigned char)(v >> 8 * i);
}

static uint64_t get_number(const unsigned char **at, int bytes)
{
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++)
        v = v << 8 | *(*at)++;
    return v;
}

static void pack_traffic(unsigned char out[TRAFFIC_BYTES], const struct store_traffic *t)
{
    put_number(&out, (uint32_t)t->newest, 4);
    for (int i = 0; i < STORE_SLOTS; i++) {
        put_number(&out, t->slot[i].requests, 2);
        put_number(&out, t->slot[i].not_modified, 2);
        put_number(&out, t->slot[i].bytes, 4);
    }
}

static void take_traffic(sqlite3_stmt *st, int at, struct store_traffic *t)
{
    const unsigned char *p = sqlite3_column_blob(st, at);

    if (!p || sqlite3_column_bytes(st, at) != TRAFFIC_BYTES)
        return;
    t->newest = (int32_t)get_number(&p, 4);
    for (int i = 0; i < STORE_SLOTS; i++) {
        t->slot[i].requests = (uint16_t)get_number(&p, 2);
        t->slot[i].not_modified = (uint16_t)get_number(&p, 2);
        t->slot[i].bytes = (uint32_t)get_number(&p, 4);
    }
}

#define FEED_TEXTS 9 /* columns behind the id */

static void take_numbers(sqlite3_stmt *st, struct store_feed *f)
{
    int64_t *wide[] = { &f->due_ms,         &f->last_poll_ms, &f->last_success_ms,
                        &f->last_change_ms, &f->polls,        &f->not_modified,
                        &f->items,          &f->alerts,       &f->bytes };
    int at = 1 + FEED_TEXTS;

    for (int i = 0; i < 9; i++)
        *wide[i] = sqlite3_column_int64(st, at++);
    f->http_status = sqlite3_column_int(st, at++);
    f->failures = sqlite3_column_int(st, at++);
    f->learned = sqlite3_column_int(st, at++) != 0;
    f->gone = sqlite3_column_int(st, at++) != 0;
    f->recheck = sqlite3_column_int(st, at++) != 0;
    f->due_why = (uint8_t)sqlite3_column_int(st, at++);
    f->told = (uint8_t)sqlite3_column_int(st, at++);
    f->skip_hours = (uint32_t)sqlite3_column_int(st, at++);
    f->skip_days = (uint8_t)sqlite3_column_int(st, at++);
    f->fresh_s = sqlite3_column_int(st, at++);
    f->ttl_s = sqlite3_column_int(st, at++);
    f->first_ms = sqlite3_column_int64(st, at++);
    f->rhythm_s = sqlite3_column_int(st, at++);
    f->silent_s = sqlite3_column_int(st, at++);
    f->last_item_ms = sqlite3_column_int64(st, at++);
    f->urgent_s = sqlite3_column_int(st, at++);
    f->gaps = sqlite3_column_int(st, at++);
    f->last_gap_ms = sqlite3_column_int64(st, at++);
    f->failing_since_ms = sqlite3_column_int64(st, at++);
    f->hold_ms = sqlite3_column_int64(st, at++);
    f->host_failures = sqlite3_column_int(st, at++);
    f->auth_mark = sqlite3_column_int64(st, at++);
    f->moved_by = (uint8_t)sqlite3_column_int(st, at++);
    f->moved_seen = sqlite3_column_int(st, at++);
    f->moved_since_ms = sqlite3_column_int64(st, at++);
    f->full_due_ms = sqlite3_column_int64(st, at++);
    take_traffic(st, at, &f->traffic);
}

/* The columns stand in the order of FEED_COLUMNS. */
static int feed_from_row(sqlite3_stmt *st, struct store_feed *f)
{
    *f = (struct store_feed){ .id = sqlite3_column_int64(st, 0) };
    char **text[] = { &f->name,  &f->url,           &f->effective_url,
                      &f->etag,  &f->last_modified, &f->error,
                      &f->title, &f->moved_to,      &f->hub };

    for (int i = 0; i < FEED_TEXTS; i++) {
        if (take_text(st, 1 + i, text[i]) < 0) {
            store_feed_done(f);
            return -ENOMEM;
        }
    }
    take_numbers(st, f);
    return 0;
}

/* The first row of a lookup by one text.  1 and *out, 0 when there is none, or -errno. */
static int find(struct store_sqlite *s, enum statement which, const char *text,
                struct store_feed *out)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, which, &r);

    if (!st)
        return r;
    sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        r = feed_from_row(st, out) < 0 ? -ENOMEM : 1;
    else if (rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "looking for a feed");
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return r;
}

static int set_text(struct store_sqlite *s, enum statement which, int64_t id,
                    const char *text)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, which, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, id);
    sqlite3_bind_text(st, 2, text, -1, SQLITE_STATIC);
    return sqlite_run(s, st, "changing a feed");
}

static int add(struct store_sqlite *s, const char *name, const char *url, int64_t *id)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_FEED_ADD, &r);

    if (!st)
        return r;
    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, url, -1, SQLITE_STATIC);
    r = sqlite_run(s, st, "adding a feed");
    if (r == 0)
        *id = sqlite3_last_insert_rowid(s->db);
    return r;
}

static int copy_window(struct store_sqlite *s, int64_t to, int64_t from)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_WINDOW_COPY, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, to);
    sqlite3_bind_int64(st, 2, from);
    return sqlite_run(s, st, "copying a window");
}

static bool is_bound(const struct store_sqlite *s, int64_t id)
{
    for (size_t i = 0; i < s->n_bound; i++)
        if (s->bound[i] == id)
            return true;
    return false;
}

static int note_bound(struct store_sqlite *s, int64_t id)
{
    if (s->n_bound == s->cap_bound) {
        size_t cap = s->cap_bound ? s->cap_bound * 2 : 64;
        int64_t *p = realloc(s->bound, cap * sizeof *p);
        if (!p)
            return -ENOMEM;
        s->bound = p;
        s->cap_bound = cap;
    }
    s->bound[s->n_bound++] = id;
    return 0;
}

/* The same address stands in the config a second time: a row of its own that knows what
 * the other has seen. */
static int bind_twin(struct store_sqlite *s, const char *name, const char *url,
                     const struct store_feed *other)
{
    struct store_feed twin = { .learned = other->learned };

    int r = add(s, name, url, &twin.id);
    if (r == 0)
        r = copy_window(s, twin.id, other->id);
    if (r == 0)
        r = sqlite_feed_set(s, twin.id, &twin);
    return r;
}

/* Make the row of `name` as it must be, whatever was there.  1 and *out when it is so
 * already, 0 when it was changed, or -errno. */
static int settle_row(struct store_sqlite *s, const char *name, const char *url,
                      struct store_feed *out)
{
    struct store_feed f = { 0 };
    int64_t id;

    int r = find(s, ST_FEED_BY_NAME, name, &f);
    if (r > 0 && f.url && strcmp(f.url, url) == 0) {
        *out = f;
        return 1;
    }
    if (r > 0) {
        r = set_text(s, ST_FEED_MOVE, f.id, url);
    } else if (r == 0) {
        r = find(s, ST_FEED_BY_URL, url, &f);
        if (r > 0)
            r = is_bound(s, f.id) ? bind_twin(s, name, url, &f)
                                  : set_text(s, ST_FEED_RENAME, f.id, name);
        else if (r == 0)
            r = add(s, name, url, &id);
    }
    store_feed_done(&f);
    return r;
}

static int bind_row(struct store_sqlite *s, const char *name, const char *url,
                    struct store_feed *out)
{
    int r = settle_row(s, name, url, out);

    if (r == 0)
        r = find(s, ST_FEED_BY_NAME, name, out);
    if (r == 0)
        r = -EIO;
    if (r > 0 && (r = note_bound(s, out->id)) < 0)
        store_feed_done(out);
    return r;
}

int sqlite_feed_bind(struct store *base, const char *name, const char *url,
                     struct store_feed *out)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    bool alone = sqlite3_get_autocommit(s->db) != 0;

    if (!alone && s->error)
        return s->error;
    int r = alone ? store_begin(base) : 0;
    if (r == 0)
        r = bind_row(s, name, url, out);
    if (r < 0)
        s->error = r;
    if (alone) {
        int e = store_end(base);
        if (r == 0 && e < 0)
            store_feed_done(out);
        r = r < 0 ? r : e;
    }
    return r;
}

/* ---- many at once: one pass over the rows instead of a lookup for each */

struct names {
    const struct store_bind *feeds;
    uint32_t *slot; /* number of a feed from 1; 0: empty */
    size_t mask;
};

static uint32_t *slot_of(const struct names *names, const char *name)
{
    size_t at = (size_t)XXH3_64bits(name, strlen(name)) & names->mask;

    while (names->slot[at] && strcmp(names->feeds[names->slot[at] - 1].name, name) != 0)
        at = (at + 1) & names->mask;
    return &names->slot[at];
}

static int names_new(struct names *names, const struct store_bind *feeds, size_t n)
{
    size_t cap = 16;

    while (cap < n * 2)
        cap *= 2;
    *names = (struct names){ feeds, calloc(cap, sizeof *names->slot), cap - 1 };
    for (size_t i = 0; names->slot && i < n; i++)
        *slot_of(names, feeds[i].name) = (uint32_t)(i + 1);
    return names->slot ? 0 : -ENOMEM;
}

/* Fill in what is as it must be: name and URL. */
static int bind_known(struct store_sqlite *s, const struct names *names)
{
    int r = 0, rc;
    sqlite3_stmt *st = sqlite_statement(s, ST_FEED_ROWS, &r);

    if (!st)
        return r;
    while (r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 1);
        const char *url = (const char *)sqlite3_column_text(st, 2);
        uint32_t number = name ? *slot_of(names, name) : 0;

        if (!name || !url) {
            r = -ENOMEM;
        } else if (number && strcmp(names->feeds[number - 1].url, url) == 0) {
            r = feed_from_row(st, names->feeds[number - 1].out);
            if (r == 0)
                r = note_bound(s, names->feeds[number - 1].out->id);
        }
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "reading feeds");
    sqlite3_reset(st);
    return r;
}

int sqlite_feeds_bind(struct store *base, const struct store_bind *feeds, size_t n)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    struct names names;
    int r = names_new(&names, feeds, n);

    if (r == 0)
        r = bind_known(s, &names);
    for (size_t i = 0; i < n && r == 0; i++)
        if (!feeds[i].out->id)
            r = sqlite_feed_bind(base, feeds[i].name, feeds[i].url, feeds[i].out);
    if (r < 0)
        s->error = r;
    free(names.slot);
    return r;
}

int sqlite_feeds(struct store *base, store_feed_fn *each, void *ctx)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0, rc;
    sqlite3_stmt *st = sqlite_statement(s, ST_FEEDS, &r);

    if (!st)
        return r;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW && r == 0) {
        struct store_feed f;

        r = feed_from_row(st, &f);
        if (r < 0)
            break;
        r = each(ctx, &f);
        store_feed_done(&f);
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "reading feeds");
    sqlite3_reset(st);
    return r;
}

int sqlite_feed_set(struct store_sqlite *s, int64_t id, const struct store_feed *f)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_FEED_SET, &r);

    if (!st)
        return r;
    unsigned char traffic[TRAFFIC_BYTES];
    const char *text[] = { f->effective_url, f->etag,  f->last_modified,
                           f->error,         f->title, f->moved_to };
    int64_t number[] = {
        f->due_ms,     f->last_poll_ms,   f->last_success_ms, f->last_change_ms,
        f->polls,      f->not_modified,   f->items,           f->alerts,
        f->bytes,      f->http_status,    f->failures,        f->learned,
        f->gone,       f->recheck,        f->due_why,         f->told,
        f->skip_hours, f->skip_days,      f->fresh_s,         f->ttl_s,
        f->first_ms,   f->rhythm_s,       f->silent_s,        f->last_item_ms,
        f->urgent_s,   f->gaps,           f->last_gap_ms,     f->failing_since_ms,
        f->hold_ms,    f->host_failures,  f->auth_mark,       f->moved_by,
        f->moved_seen, f->moved_since_ms, f->full_due_ms
    };
    int at = 1;
    sqlite3_bind_int64(st, at++, id);
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        sqlite3_bind_text(st, at++, text[i], -1, SQLITE_STATIC);
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++)
        sqlite3_bind_int64(st, at++, number[i]);
    pack_traffic(traffic, &f->traffic);
    sqlite3_bind_blob(st, at++, traffic, sizeof traffic, SQLITE_STATIC);
    sqlite3_bind_text(st, at, f->hub, -1, SQLITE_STATIC);
    r = sqlite_run(s, st, "writing a feed's state");
    if (r == 0 && sqlite3_changes(s->db) == 0) {
        snprintf(s->base.why, sizeof s->base.why, "there is no feed number %lld",
                 (long long)id);
        r = -ENOENT;
    }
    return r;
}
