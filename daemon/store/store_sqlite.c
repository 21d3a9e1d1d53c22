/* The SQLite store: opening and locking, prepared statements, commits, cursors, alerts.
 */
#include "store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DB_NAME "feedwatch.db"
#define PATH_SIZE 4096

#define ALERT_OWN                                                                        \
    "seq, id, time_ms, published_s, priority, watch, feed, title, link, item_id,"        \
    " snippet, matched, sinks, fetched_ms, late, updated, rule_hash, generation,"        \
    " author, spans, held, sources"
#define ALERT_COLUMNS ALERT_OWN ", coalesce(rule.text, '')"
#define ALERT_ROWS "alert LEFT JOIN rule ON rule.hash = rule_hash"
#define FEED_COLUMNS                                                                     \
    "id, name, url, effective_url, etag, last_modified, error, title, moved_to, hub,"    \
    " due_ms, last_poll_ms, last_success_ms, last_change_ms, polls, not_modified,"       \
    " items, alerts, bytes, http_status, failures, learned, gone, recheck, due_why,"     \
    " told, skip_hours, skip_days, fresh_s, ttl_s, first_ms, rhythm_s, silent_s,"        \
    " last_item_ms, urgent_s, gaps, last_gap_ms, failing_since_ms, hold_ms,"             \
    " host_failures, auth_mark, moved_by, moved_seen, moved_since_ms, full_due_ms,"      \
    " traffic"

static const char *const statement_sql[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_FEED_BY_NAME] = "SELECT " FEED_COLUMNS " FROM feed WHERE name = ?1",
    [ST_FEED_BY_URL] =
        "SELECT " FEED_COLUMNS " FROM feed WHERE url = ?1 ORDER BY last_poll_ms DESC, id",
    [ST_FEED_ADD] = "INSERT INTO feed (name, url) VALUES (?1, ?2)",
    [ST_FEED_RENAME] = "UPDATE feed SET name = ?2 WHERE id = ?1",
    [ST_FEED_MOVE] =
        "UPDATE feed SET url = ?2, effective_url = NULL, etag = NULL,"
        " last_modified = NULL, error = NULL, gone = 0, recheck = learned, due_ms = 0,"
        " due_why = 0, told = 0, skip_hours = 0, skip_days = 0, fresh_s = 0, ttl_s = 0,"
        " rhythm_s = 0, silent_s = 0, last_item_ms = 0, urgent_s = 0, failures = 0,"
        " failing_since_ms = 0, hold_ms = 0, host_failures = 0, auth_mark = 0,"
        " hub = NULL, moved_to = NULL, moved_by = 0, moved_seen = 0, moved_since_ms = 0,"
        " full_due_ms = 0 WHERE id = ?1",
    [ST_FEED_SET] =
        "UPDATE feed SET effective_url = ?2, etag = ?3, last_modified = ?4, error = ?5,"
        " title = ?6, moved_to = ?7, hub = ?44, due_ms = ?8, last_poll_ms = ?9,"
        " last_success_ms = ?10, last_change_ms = ?11, polls = ?12, not_modified = ?13,"
        " items = ?14, alerts = ?15, bytes = ?16, http_status = ?17, failures = ?18,"
        " learned = ?19, gone = ?20, recheck = ?21, due_why = ?22, told = ?23,"
        " skip_hours = ?24, skip_days = ?25, fresh_s = ?26, ttl_s = ?27, first_ms = ?28,"
        " rhythm_s = ?29, silent_s = ?30, last_item_ms = ?31, urgent_s = ?32,"
        " gaps = ?33, last_gap_ms = ?34, failing_since_ms = ?35, hold_ms = ?36,"
        " host_failures = ?37, auth_mark = ?38, moved_by = ?39, moved_seen = ?40,"
        " moved_since_ms = ?41, full_due_ms = ?42, traffic = ?43 WHERE id = ?1",
    [ST_FEEDS] = "SELECT " FEED_COLUMNS " FROM feed ORDER BY name",
    [ST_FEED_ROWS] = "SELECT " FEED_COLUMNS " FROM feed", /* as they lie there */
    [ST_WINDOW_GET] = "SELECT packed FROM window WHERE feed_id = ?1",
    [ST_WINDOW_SET] = "INSERT INTO window (feed_id, packed) VALUES (?1, ?2)"
                      " ON CONFLICT (feed_id) DO UPDATE SET packed = excluded.packed",
    [ST_WINDOW_COPY] = "INSERT INTO window (feed_id, packed)"
                       " SELECT ?1, packed FROM window WHERE feed_id = ?2",
    [ST_ALERT_ADD] =
        "INSERT INTO alert (" ALERT_OWN ", feed_id, item_key)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
        " ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)"
        " ON CONFLICT (feed_id, item_key, watch) DO NOTHING",
    [ST_ALERT_SOURCE] = "UPDATE alert SET sources = sources || ?2"
                        " WHERE seq = ?1 AND length(sources) < 65536",
    [ST_ALERT_FIND] =
        "SELECT seq FROM alert WHERE feed_id = ?1 AND item_key = ?2 AND watch = ?3",
    [ST_RULE_ADD] = "INSERT INTO rule (hash, text) VALUES (?1, ?2)"
                    " ON CONFLICT (hash) DO NOTHING",
    [ST_ALERTS_AFTER] = "SELECT " ALERT_COLUMNS " FROM " ALERT_ROWS
                        " WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [ST_ALERTS_LATEST] =
        "SELECT " ALERT_COLUMNS " FROM " ALERT_ROWS
        " WHERE seq IN (SELECT seq FROM alert WHERE seq >= ?5 AND time_ms >= ?1"
        " AND (?2 = '' OR watch = ?2) AND (?3 = 0 OR held <> '')"
        " ORDER BY seq DESC LIMIT ?4) ORDER BY seq",
    [ST_ALERT_TIME] =
        "SELECT seq, time_ms FROM alert WHERE seq >= ?1 ORDER BY seq LIMIT 1",
    [ST_GENERATION] =
        "INSERT INTO meta (key, value) VALUES ('config', json_array(1, ?1))"
        " ON CONFLICT (key) DO UPDATE SET value ="
        " json_array(json_extract(value, '$[0]') + (json_extract(value, '$[1]') <> ?1),"
        " ?1) RETURNING json_extract(value, '$[0]')",
    [ST_NOTE_GET] = "SELECT value FROM meta WHERE key = 'note:' || ?1",
    [ST_NOTE_SET] = "INSERT INTO meta (key, value) VALUES ('note:' || ?1, ?2)"
                    " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [ST_NOTE_DROP] = "DELETE FROM meta WHERE key = 'note:' || ?1",
    [ST_LAST_SEQ] =
        "SELECT max((SELECT coalesce(max(seq), 0) FROM alert),"
        " (SELECT coalesce(max(value), 0) FROM meta WHERE key = 'seq_floor'))",
    [ST_SEQ_FLOOR] = "INSERT INTO meta (key, value) VALUES ('seq_floor', ?1)"
                     " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [ST_CURSOR_GET] = "SELECT seq, failures, retry_ms FROM cursor WHERE sink = ?1",
    [ST_CURSOR_SET] =
        "INSERT INTO cursor (sink, seq, failures, retry_ms) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (sink) DO UPDATE SET seq = excluded.seq,"
        " failures = excluded.failures, retry_ms = excluded.retry_ms",
    [ST_CURSOR_DROP] = "DELETE FROM cursor WHERE sink = ?1",
    [ST_DIGEST_CURSOR_DROP] = "DELETE FROM digest_cursor WHERE sink = ?1",
    [ST_DIGEST_CURSORS_KEEP] = "DELETE FROM digest_cursor WHERE"
                               " instr(char(10) || ?1, char(10) || sink || char(10)) = 0",
    [ST_CURSORS_KEEP] = "DELETE FROM cursor WHERE"
                        " instr(char(10) || ?1, char(10) || sink || char(10)) = 0",
    [ST_STORY_SET] =
        "INSERT INTO story (id, watch, until_ms, packed) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (id) DO UPDATE SET until_ms = excluded.until_ms,"
        " packed = excluded.packed",
    [ST_STORY_DROP] = "DELETE FROM story WHERE id = ?1",
    [ST_STORIES] = "SELECT id, watch, until_ms, packed FROM story ORDER BY id",
    [ST_ALERTS_OPEN] =
        "SELECT seq, watch, time_ms, held, sinks, priority, late, held <> '' AND"
        " seq > coalesce((SELECT max(last_seq) FROM digest WHERE watch = a.watch), 0)"
        " AS waits FROM alert AS a WHERE seq > coalesce((SELECT seq FROM alert"
        " WHERE time_ms < ?1 ORDER BY seq DESC LIMIT 1), 0)"
        " UNION SELECT seq, watch, time_ms, held, sinks, priority, late, 1"
        " FROM alert AS a WHERE held <> '' AND held <> 'max_age' AND"
        " seq > coalesce((SELECT max(last_seq) FROM digest WHERE watch = a.watch), 0)"
        " ORDER BY 1",
    [ST_DIGEST_ADD] =
        "INSERT INTO digest (seq, id, time_ms, count, first_seq, last_seq, priority,"
        " late, watch, reason, sinks)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [ST_DIGESTS_FORGET] = "DELETE FROM digest WHERE time_ms < ?1 AND seq NOT IN"
                          " (SELECT max(seq) FROM digest GROUP BY watch)",
    [ST_DIGESTS_AFTER] =
        "SELECT seq, id, time_ms, count, first_seq, last_seq, priority, late, watch,"
        " reason, sinks FROM digest WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [ST_LAST_DIGEST] = "SELECT max(seq) FROM digest",
    [ST_DIGEST_ALERTS] = "SELECT " ALERT_COLUMNS " FROM " ALERT_ROWS
                         " WHERE held <> '' AND held <> 'max_age' AND watch = ?1"
                         " AND seq BETWEEN ?2 AND ?3 ORDER BY seq LIMIT ?4",
    [ST_DIGEST_CURSOR_GET] = "SELECT seq FROM digest_cursor WHERE sink = ?1",
    [ST_DIGEST_CURSOR_SET] = "INSERT INTO digest_cursor (sink, seq) VALUES (?1, ?2)"
                             " ON CONFLICT (sink) DO UPDATE SET seq = excluded.seq",
    [ST_HISTORY_ADD] = "INSERT INTO history (time_ms, items, bytes, packed)"
                       " VALUES (?1, ?2, length(?3), ?3)",
    [ST_HISTORY] = "SELECT id, packed FROM history WHERE id > ?2 AND time_ms >= ?1"
                   " ORDER BY id LIMIT ?3",
    [ST_HISTORY_SIZE] =
        "SELECT count(*), coalesce(sum(items), 0), coalesce(sum(bytes), 0)"
        " FROM history WHERE time_ms >= ?1",
    [ST_HISTORY_OLDEST] = "SELECT id, time_ms, bytes FROM history ORDER BY id LIMIT 1",
    [ST_HISTORY_DROP] = "DELETE FROM history WHERE id = ?1",
    [ST_ALERTS_OLD] =
        "DELETE FROM alert WHERE seq IN (SELECT seq FROM"
        " (SELECT seq, time_ms FROM alert ORDER BY seq LIMIT ?2) WHERE time_ms < ?1"
        " AND seq < (SELECT max(seq) FROM alert) AND seq <="
        " (SELECT coalesce(min(seq), 0) FROM cursor WHERE sink <> 'desktop'))",
    [ST_FREE_PAGES] = "SELECT freelist_count, page_count FROM pragma_freelist_count,"
                      " pragma_page_count",
};

/* --- errors and statements --- */

/* SQLite does not always pass the errno on; then the last one is it. */
static int io_errno(sqlite3 *db)
{
    int e = db ? sqlite3_system_errno(db) : 0;

    e = e ? e : errno;
    return e == ENOSPC || e == EDQUOT || e == EFBIG ? -ENOSPC : -EIO;
}

int sqlite_errno(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_IOERR:
        return rc == SQLITE_IOERR_NOMEM ? -ENOMEM : io_errno(db);
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_PROTOCOL:
        return -ENOLCK;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_TOOBIG:
        return -E2BIG;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
        return -EINVAL;
    default:
        return -EIO;
    }
}

int sqlite_fail(struct store_sqlite *s, int rc, const char *doing)
{
    int r = sqlite_errno(s->db, rc);

    snprintf(s->base.why, sizeof s->base.why, "%s: %s", doing, sqlite3_errmsg(s->db));
    if (r == -EUCLEAN && s->suspect) {
        int fd = open(s->suspect, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0)
            close(fd);
    }
    return r ? r : -EIO;
}

sqlite3_stmt *sqlite_statement(struct store_sqlite *s, enum statement which, int *r)
{
    if (!s->stmt[which]) {
        int rc = sqlite3_prepare_v3(s->db, statement_sql[which], -1,
                                    SQLITE_PREPARE_PERSISTENT, &s->stmt[which], NULL);
        if (rc != SQLITE_OK) {
            *r = sqlite_fail(s, rc, "preparing a statement");
            return NULL;
        }
    }
    return s->stmt[which];
}

int sqlite_run(struct store_sqlite *s, sqlite3_stmt *st, const char *doing)
{
    errno = 0;
    int rc = sqlite3_step(st);
    int r = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : sqlite_fail(s, rc, doing);

    sqlite3_reset(st); /* its result is the step's again */
    sqlite3_clear_bindings(st);
    return r;
}

static int run_plain(struct store_sqlite *s, enum statement which, const char *doing)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, which, &r);

    return st ? sqlite_run(s, st, doing) : r;
}

void sqlite_bind_str(sqlite3_stmt *st, int at, struct str v)
{
    sqlite3_bind_text64(st, at, v.n ? v.s : "", v.n, SQLITE_STATIC, SQLITE_UTF8);
}

/* A full disk or I/O error has rolled back already; asking again would be an error. */
static void roll_back(struct store_sqlite *s)
{
    char kept[sizeof s->base.why];

    if (sqlite3_get_autocommit(s->db))
        return;
    memcpy(kept, s->base.why, sizeof kept);
    (void)run_plain(s, ST_ROLLBACK, "rolling back");
    memcpy(s->base.why, kept, sizeof kept);
}

/* --- sequence numbers, cursors, alerts --- */

static int64_t read_last_seq(struct store *base)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_LAST_SEQ, &r);

    if (!st)
        return r;
    int rc = sqlite3_step(st);
    int64_t seq = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0)
                                   : sqlite_fail(s, rc, "reading the last number");
    sqlite3_reset(st);
    return seq;
}

static int seq_raise(struct store *base, int64_t seq)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;

    if (seq <= s->last_seq)
        return 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_SEQ_FLOOR, &r);
    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, seq);
    r = sqlite_run(s, st, "raising the sequence number");
    if (r == 0)
        s->last_seq = seq;
    return r;
}

static int cursor_read(struct store *base, const char *sink, struct store_cursor *out)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    struct store_cursor c = { .sink = sink };
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_CURSOR_GET, &r);

    if (!st)
        return r;
    sqlite_bind_str(st, 1, str_of(sink));
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        c.seq = sqlite3_column_int64(st, 0);
        c.failures = sqlite3_column_int(st, 1);
        c.retry_ms = sqlite3_column_int64(st, 2);
    } else if (rc != SQLITE_DONE) {
        r = sqlite_fail(s, rc, "reading a cursor");
    }
    sqlite3_reset(st);
    if (rc == SQLITE_DONE) {
        c.seq = read_last_seq(base);
        r = c.seq < 0 ? (int)c.seq : 0;
    }
    if (r == 0)
        *out = c;
    return r;
}

static int run_with(struct store_sqlite *s, enum statement which, struct str text,
                    const char *doing)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, which, &r);

    if (!st)
        return r;
    sqlite_bind_str(st, 1, text);
    return sqlite_run(s, st, doing);
}

static int cursor_drop(struct store_sqlite *s, struct str sink)
{
    int r = run_with(s, ST_CURSOR_DROP, sink, "forgetting a cursor");

    return r < 0 ? r : run_with(s, ST_DIGEST_CURSOR_DROP, sink, "forgetting a cursor");
}

static int cursor_set(struct store_sqlite *s, const struct store_cursor *c)
{
    int r = 0;

    if (c->seq < 0)
        return cursor_drop(s, str_of(c->sink));
    sqlite3_stmt *st = sqlite_statement(s, ST_CURSOR_SET, &r);
    if (!st)
        return r;
    sqlite_bind_str(st, 1, str_of(c->sink));
    sqlite3_bind_int64(st, 2, c->seq);
    sqlite3_bind_int(st, 3, c->failures);
    sqlite3_bind_int64(st, 4, c->retry_ms);
    return sqlite_run(s, st, "writing a cursor");
}

static int cursors_keep(struct store *base, struct str names)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = run_with(s, ST_CURSORS_KEEP, names, "forgetting cursors");

    return r < 0 ? r : run_with(s, ST_DIGEST_CURSORS_KEEP, names, "forgetting cursors");
}

/* In the transaction that is open, or one of its own. */
static int generation(struct store *base, uint64_t content, int64_t *out)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_GENERATION, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, (int64_t)content);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(st, 0);
        rc = sqlite3_step(st); /* what is changed lasts only once it is at its end */
    }
    if (rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "counting the generations of the config");
    sqlite3_reset(st);
    return r;
}

static int note_set(struct store *base, const char *name, struct str text)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, text.n ? ST_NOTE_SET : ST_NOTE_DROP, &r);

    if (!st)
        return r;
    sqlite_bind_str(st, 1, str_of(name));
    if (text.n)
        sqlite3_bind_blob64(st, 2, text.s, text.n, SQLITE_STATIC);
    return sqlite_run(s, st, "writing a note");
}

static int note_read(struct store *base, const char *name, struct buf *out)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_NOTE_GET, &r);

    if (!st)
        return r;
    sqlite_bind_str(st, 1, str_of(name));
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        r = buf_put(out, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
    else if (rc != SQLITE_DONE)
        r = sqlite_fail(s, rc, "reading a note");
    sqlite3_reset(st);
    return r;
}

/* --- the commit --- */

static int window_set(struct store_sqlite *s, int64_t feed_id, struct str window)
{
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_WINDOW_SET, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, feed_id);
    sqlite3_bind_blob64(st, 2, window.s, window.n, SQLITE_STATIC);
    return sqlite_run(s, st, "writing a window");
}

static int put_change(struct store_sqlite *s, struct store_change *c, int64_t *seq)
{
    int r = 0;

    for (size_t i = 0; i < c->n_alerts && r == 0; i++)
        r = sqlite_alert_add(s, c->feed_id, &c->alert_keys[i], &c->alerts[i], seq);
    for (size_t i = 0; i < c->n_sources && r == 0; i++)
        r = sqlite_source_add(s, &c->sources[i]);
    for (size_t i = 0; i < c->n_stories && r == 0; i++)
        r = sqlite_story_set(s, &c->stories[i]);
    for (size_t i = 0; i < c->n_digests && r == 0; i++)
        r = sqlite_digest_add(s, &c->digests[i]);
    if (r == 0 && c->note)
        r = note_set(&s->base, c->note, c->note_text);
    if (r == 0 && c->window.n)
        r = window_set(s, c->feed_id, c->window);
    if (r == 0 && c->feed)
        r = sqlite_feed_set(s, c->feed_id, c->feed);
    return r;
}

static int commit(struct store *base, struct store_change *const *changes, size_t n,
                  const struct store_cursor *cursors, size_t n_cursors)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int64_t seq = s->last_seq;

    int r = run_plain(s, ST_BEGIN, "starting a transaction");
    for (size_t i = 0; i < n && r == 0; i++)
        r = put_change(s, changes[i], &seq);
    for (size_t i = 0; i < n_cursors && r == 0; i++)
        r = cursors[i].of_digests ? sqlite_digest_cursor_set(s, &cursors[i])
                                  : cursor_set(s, &cursors[i]);
    if (r == 0)
        r = sqlite_history_add(s, changes, n);
    if (r == 0)
        r = run_plain(s, ST_COMMIT, "committing");
    if (r == 0) {
        s->last_seq = seq;
        return 0;
    }
    roll_back(s);
    s->history_bytes = -1;
    for (size_t i = 0; i < n; i++) /* none of them has a number now */
        for (size_t k = 0; k < changes[i]->n_alerts; k++)
            changes[i]->alerts[k].seq = 0;
    return r;
}

int sqlite_begin_plain(struct store_sqlite *s)
{
    return run_plain(s, ST_BEGIN, "starting a transaction");
}

int sqlite_commit_plain(struct store_sqlite *s, int r)
{
    if (r >= 0) {
        int e = run_plain(s, ST_COMMIT, "committing");
        r = e < 0 ? e : r;
    }
    if (r < 0)
        roll_back(s);
    return r;
}

static int begin(struct store *base)
{
    struct store_sqlite *s = (struct store_sqlite *)base;

    s->n_bound = 0;
    s->error = 0;
    return run_plain(s, ST_BEGIN, "starting a transaction");
}

static int end(struct store *base)
{
    struct store_sqlite *s = (struct store_sqlite *)base;

    s->n_bound = 0;
    if (s->error == 0 && !sqlite3_get_autocommit(s->db))
        s->error = run_plain(s, ST_COMMIT, "committing");
    roll_back(s);
    return s->error;
}

static void cancel(struct store *base)
{
    struct store_sqlite *s = (struct store_sqlite *)base;

    s->n_bound = 0;
    roll_back(s);
}

static int window_read(struct store *base, int64_t feed_id, struct buf *out)
{
    struct store_sqlite *s = (struct store_sqlite *)base;
    int r = 0;
    sqlite3_stmt *st = sqlite_statement(s, ST_WINDOW_GET, &r);

    if (!st)
        return r;
    sqlite3_bind_int64(st, 1, feed_id);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        const void *packed = sqlite3_column_blob(st, 0);
        size_t bytes = (size_t)sqlite3_column_bytes(st, 0);
        r = packed || !bytes ? buf_put(out, packed, bytes) : -ENOMEM;
    } else if (rc != SQLITE_DONE) {
        r = sqlite_fail(s, rc, "reading a window");
    }
    sqlite3_reset(st);
    return r;
}

/* --- opening --- */

/* Make `dir` and what is missing above it, for the user alone. */
static int make_dirs(const char *dir)
{
    char path[PATH_SIZE];
    size_t n = strlen(dir);

    if (n == 0 || n >= sizeof path)
        return n ? -ENAMETOOLONG : -ENOENT;
    memcpy(path, dir, n + 1);
    for (char *p = path + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char was = *p;
        *p = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            return -errno;
        *p = was;
        if (was == '\0')
            break;
    }
    struct stat st;
    if (stat(dir, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* Take the writer's lock; it goes with the process, however that ends. */
static int take_lock(int *out, const char *dir, struct buf *why)
{
    char path[PATH_SIZE + 32], pid[24] = "";

    snprintf(path, sizeof path, "%s/" LOCK_NAME, dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        int r = -errno;
        (void)buf_printf(why, "%s: %s", path, strerror(-r));
        return r;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int r = errno == EWOULDBLOCK ? -EBUSY : -errno;
        ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
        pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
        if (r == -EBUSY)
            (void)buf_printf(why, "%s is in use by process %s", dir, *pid ? pid : "?");
        else
            (void)buf_printf(why, "%s: %s", path, strerror(-r));
        close(fd);
        return r;
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        (void)0; /* a full disk: the lock holds, only its owner's name is missing */
    *out = fd;
    return 0;
}

static void close_sqlite(struct store *base)
{
    struct store_sqlite *s = (struct store_sqlite *)base;

    for (int i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(s->stmt[i]);
    (void)sqlite3_close(s->db);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->bound);
    free(s->path);
    free(s->suspect);
    free(s);
}

static bool moved(const struct store *base)
{
    const struct store_sqlite *s = (const struct store_sqlite *)base;
    struct stat st;

    return stat(s->path, &st) < 0 || st.st_dev != s->dev || st.st_ino != s->ino;
}

/* Which file it is that was opened; a reader asks before it opens it, so that one that is
 * exchanged meanwhile counts as moved. */
static void note_file(struct store_sqlite *s)
{
    struct stat st;

    if (stat(s->path, &st) < 0)
        return;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
}

static int open_in(struct store_sqlite *s, const char *dir, struct buf *why)
{
    char path[PATH_SIZE + 32];
    int r = 0;

    if (s->mode == STORE_WRITE) {
        r = make_dirs(dir);
        if (r < 0) {
            (void)buf_printf(why, "%s: %s", dir, strerror(-r));
            return r;
        }
        r = take_lock(&s->lock_fd, dir, why);
        if (r < 0)
            return r;
    }
    if (snprintf(path, sizeof path, "%s/" DB_NAME, dir) >= (int)sizeof path)
        return -ENAMETOOLONG;
    s->path = strdup(path);
    if (asprintf(&s->suspect, "%s" SUSPECT_SUFFIX, path) < 0)
        s->suspect = NULL;
    if (!s->path || !s->suspect)
        return -ENOMEM;
    note_file(s);
    int fresh = sqlite_schema_open(&s->db, path, s->mode, why);
    if (fresh < 0)
        return fresh;
    if (s->mode == STORE_WRITE)
        note_file(s);
    s->last_seq = read_last_seq(&s->base);
    if (s->last_seq < 0) {
        (void)buf_puts(why, s->base.why);
        return (int)s->last_seq;
    }
    return fresh;
}

int store_sqlite_open(struct store **out, const char *dir, enum store_mode mode,
                      struct buf *why)
{
    struct store_sqlite *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    s->base.ops = &store_sqlite_ops;
    s->mode = mode;
    s->lock_fd = -1;
    s->history_bytes = -1;
    int r = open_in(s, dir, why);
    if (r < 0) {
        close_sqlite(&s->base);
        return r;
    }
    *out = &s->base;
    return r;
}

const struct store_ops store_sqlite_ops = {
    .close = close_sqlite,
    .moved = moved,
    .feed_bind = sqlite_feed_bind,
    .feeds_bind = sqlite_feeds_bind,
    .begin = begin,
    .cancel = cancel,
    .end = end,
    .window_read = window_read,
    .commit = commit,
    .last_seq = read_last_seq,
    .seq_raise = seq_raise,
    .cursor_read = cursor_read,
    .cursors_keep = cursors_keep,
    .alerts_after = sqlite_alerts_after,
    .alerts_latest = sqlite_alerts_latest,
    .stories = sqlite_stories,
    .alerts_open = sqlite_alerts_open,
    .digests_after = sqlite_digests_after,
    .last_digest = sqlite_last_digest,
    .digest_cursor = sqlite_digest_cursor,
    .digest_alerts = sqlite_digest_alerts,
    .generation = generation,
    .note_set = note_set,
    .note_read = note_read,
    .history = sqlite_history,
    .history_size = sqlite_history_size,
    .tidy = sqlite_tidy,
    .feeds = sqlite_feeds,
};
