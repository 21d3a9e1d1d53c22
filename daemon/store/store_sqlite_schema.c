/* The SQLite store's file: its schema and migrations, the check at start, moving a
 * damaged one aside. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "store_sqlite.h"

#define APPLICATION_ID 0x46774474 /* "FwDt": file(1) and we know our own */
#define BUSY_MS 5000
#define CHECK_MAX_BYTES (32 << 20) /* smaller files are checked whole */
#define PATH_SIZE 4096

/* Each entry takes the schema one version up.  Never change an entry that was released.
 */
static const char *const migration[] = {
    /* 0 -> 1 */
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE feed ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE, url TEXT NOT NULL,"
    " effective_url TEXT, etag TEXT, last_modified TEXT, error TEXT, title TEXT,"
    " due_ms INTEGER NOT NULL DEFAULT 0, last_poll_ms INTEGER NOT NULL DEFAULT 0,"
    " last_success_ms INTEGER NOT NULL DEFAULT 0,"
    " last_change_ms INTEGER NOT NULL DEFAULT 0,"
    " polls INTEGER NOT NULL DEFAULT 0, not_modified INTEGER NOT NULL DEFAULT 0,"
    " items INTEGER NOT NULL DEFAULT 0, alerts INTEGER NOT NULL DEFAULT 0,"
    " bytes INTEGER NOT NULL DEFAULT 0, http_status INTEGER NOT NULL DEFAULT 0,"
    " failures INTEGER NOT NULL DEFAULT 0, learned INTEGER NOT NULL DEFAULT 0,"
    " gone INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX feed_url ON feed (url);"
    "CREATE TABLE window (feed_id INTEGER PRIMARY KEY, packed BLOB NOT NULL);"
    "CREATE TABLE alert ("
    " seq INTEGER PRIMARY KEY,"
    " feed_id INTEGER NOT NULL, item_key BLOB NOT NULL, watch TEXT NOT NULL,"
    " id TEXT NOT NULL, time_ms INTEGER NOT NULL, published_s INTEGER,"
    " priority INTEGER NOT NULL, feed TEXT NOT NULL, title TEXT NOT NULL,"
    " link TEXT NOT NULL, item_id TEXT NOT NULL, snippet TEXT NOT NULL,"
    " matched TEXT NOT NULL, sinks TEXT NOT NULL);"
    "CREATE UNIQUE INDEX alert_once ON alert (feed_id, item_key, watch);"
    "CREATE TABLE cursor (sink TEXT PRIMARY KEY, seq INTEGER NOT NULL,"
    " failures INTEGER NOT NULL, retry_ms INTEGER NOT NULL) WITHOUT ROWID;",
    /* 1 -> 2 */
    "ALTER TABLE feed ADD recheck INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD due_why INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD told INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD skip_hours INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD skip_days INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD fresh_s INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD ttl_s INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD first_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD rhythm_s INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD silent_s INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD last_item_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD urgent_s INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD gaps INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD last_gap_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD failing_since_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD hold_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD host_failures INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD auth_mark INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD moved_to TEXT;"
    "ALTER TABLE feed ADD moved_by INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD moved_seen INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD moved_since_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD full_due_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE feed ADD traffic BLOB;",
    /* 2 -> 3: rule, place of the words and circumstances of an alert */
    "CREATE TABLE rule (hash INTEGER PRIMARY KEY, text TEXT NOT NULL);"
    "ALTER TABLE alert ADD COLUMN fetched_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE alert ADD COLUMN late INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE alert ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE alert ADD COLUMN rule_hash INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE alert ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE alert ADD COLUMN author TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE alert ADD COLUMN spans TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE alert ADD COLUMN held TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE alert ADD COLUMN sources TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX alert_held ON alert (watch, time_ms) WHERE held <> '';",
    /* stories that are told or wait, digests and how far each sink has them */
    "CREATE TABLE story (id INTEGER PRIMARY KEY, watch TEXT NOT NULL,"
    " until_ms INTEGER NOT NULL, packed BLOB NOT NULL);"
    "CREATE TABLE digest (seq INTEGER PRIMARY KEY, id TEXT NOT NULL,"
    " time_ms INTEGER NOT NULL, count INTEGER NOT NULL, first_seq INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL, priority INTEGER NOT NULL, late INTEGER NOT NULL,"
    " watch TEXT NOT NULL, reason TEXT NOT NULL, sinks TEXT NOT NULL);"
    "CREATE INDEX digest_watch ON digest (watch, last_seq);"
    "CREATE TABLE digest_cursor (sink TEXT PRIMARY KEY, seq INTEGER NOT NULL)"
    " WITHOUT ROWID;",
    /* recent items, one row a commit; `bytes` so that counting reads no blobs */
    "CREATE TABLE history (id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL,"
    " items INTEGER NOT NULL, bytes INTEGER NOT NULL, packed BLOB NOT NULL);"
    "CREATE INDEX history_size ON history (time_ms, items, bytes);",
    /* the hub that a feed names */
    "ALTER TABLE feed ADD hub TEXT;",
};
#define SCHEMA_VERSION ((int)(sizeof migration / sizeof migration[0]))

enum verdict { USABLE, FRESH, DAMAGED }; /* or -errno */

static int fail(sqlite3 *db, int rc, const char *path, struct buf *why)
{
    int r = sqlite_errno(db, rc);

    (void)buf_printf(why, "%s: %s", path, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    return r ? r : -EIO;
}

/* One number out of a query.  SQLITE_OK or the code of the failure. */
static int query_int(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
            *out = sqlite3_column_int64(st, 0);
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    sqlite3_finalize(st);
    return rc;
}

/* Does a query answer with exactly this word? */
static int query_says(sqlite3 *db, const char *sql, const char *word, bool *yes,
                      struct buf *why)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    *yes = false;
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        const char *said =
            rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : "";
        *yes = said && strcmp(said, word) == 0;
        if (said && !*yes && rc == SQLITE_ROW)
            (void)buf_puts(why, said);
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    sqlite3_finalize(st);
    return rc;
}

static bool means_damage(int rc)
{
    return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

static int open_file(sqlite3 **out, const char *path, int flags, struct buf *why)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc != SQLITE_OK) {
        int r = fail(db, rc, path, why);
        sqlite3_close(db);
        return r;
    }
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_MS);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    *out = db;
    return 0;
}

/* Whose file is it?  The code of a failure, else SQLITE_OK. */
static int read_header(sqlite3 *db, int64_t *application, int64_t *version,
                       int64_t *tables)
{
    int rc = query_int(db, "PRAGMA application_id", application);

    if (rc == SQLITE_OK)
        rc = query_int(db, "PRAGMA user_version", version);
    if (rc == SQLITE_OK)
        rc = query_int(db, "SELECT count(*) FROM sqlite_schema", tables);
    return rc;
}

static void suspect_name(char *out, size_t size, const char *path)
{
    snprintf(out, size, "%s" SUSPECT_SUFFIX, path);
}

/* Is the file sound?  SQLITE_OK and *good (with `why` when not), or the code of a
 * failure. A large file is read whole only when damage was met in it; else only its small
 * tables. */
static int check_pages(sqlite3 *db, const char *path, bool *good, struct buf *why)
{
    static const char *const small[] = { "PRAGMA quick_check(feed)",
                                         "PRAGMA quick_check(cursor)",
                                         "PRAGMA quick_check(meta)" };
    char suspect[PATH_SIZE + 80];
    struct stat st;

    *good = true;
    suspect_name(suspect, sizeof suspect, path);
    if (access(suspect, F_OK) == 0 ||
        (stat(path, &st) == 0 && st.st_size <= CHECK_MAX_BYTES))
        return query_says(db, "PRAGMA quick_check(1)", "ok", good, why);
    int rc = SQLITE_OK;
    for (int i = 0; i < 3 && rc == SQLITE_OK && *good; i++)
        rc = query_says(db, small[i], "ok", good, why);
    return rc;
}

/* What is in the file, without changing it? */
static int examine(sqlite3 *db, const char *path, struct buf *why)
{
    int64_t application = 0, version = 0, tables = 0;
    bool good = true;

    int rc = read_header(db, &application, &version, &tables);
    if (rc == SQLITE_OK && application == 0 && version == 0 && tables == 0)
        return FRESH;
    if (rc == SQLITE_OK && application != APPLICATION_ID) {
        (void)buf_printf(why, "%s is not a store of feedwatch", path);
        return DAMAGED;
    }
    if (rc == SQLITE_OK && version > SCHEMA_VERSION) {
        (void)buf_printf(why,
                         "%s is of a newer feedwatch (schema %lld, this one knows %d)",
                         path, (long long)version, SCHEMA_VERSION);
        return -EPROTO;
    }
    if (rc == SQLITE_OK)
        rc = check_pages(db, path, &good, why);
    if (rc != SQLITE_OK && !means_damage(rc))
        return fail(db, rc, path, why);
    if (rc == SQLITE_OK && good)
        return USABLE;
    (void)buf_printf(why, "%s%s is damaged", why->n ? ": " : "", path);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* as it is */
    return DAMAGED;
}

/* All steps that are to do, in one transaction: a reader never sees half of them. */
static int migrate(sqlite3 *db, int from)
{
    char pragmas[120];

    if (from >= SCHEMA_VERSION)
        return SQLITE_OK;
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
             APPLICATION_ID, SCHEMA_VERSION);
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int v = from; rc == SQLITE_OK && v < SCHEMA_VERSION; v++)
        rc = sqlite3_exec(db, migration[v], NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* Settings of the writer's connection, then the migrations that are still to do. */
static int make_ready(sqlite3 *db, const char *path, bool fresh, struct buf *why)
{
    int64_t version = 0;
    bool wal = false;
    struct buf said;

    int rc = fresh ? sqlite3_exec(db, "PRAGMA auto_vacuum = INCREMENTAL", 0, 0, 0) : 0;
    buf_init(&said, 1000);
    if (rc == SQLITE_OK)
        rc = query_says(db, "PRAGMA journal_mode = WAL", "wal", &wal, &said);
    buf_free(&said);
    if (rc == SQLITE_OK && !wal) {
        (void)buf_printf(why, "%s: this file system cannot hold a write-ahead log", path);
        return -EOPNOTSUPP;
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db,
                          "PRAGMA synchronous = FULL;"
                          "PRAGMA wal_autocheckpoint = 1000;"
                          "PRAGMA journal_size_limit = 16777216;"
                          "PRAGMA cell_size_check = ON;"
                          "PRAGMA temp_store = MEMORY;",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = query_int(db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = migrate(db, (int)version);
    return rc == SQLITE_OK ? 0 : fail(db, rc, path, why);
}

/* Rename the file and its companions; the names stay usable for sqlite3(1). */
static int move_aside(const char *path, struct buf *why)
{
    static const char *const part[] = { "", "-wal", "-shm" };
    char stamp[40], from[PATH_SIZE + 80], to[PATH_SIZE + 80];
    time_t now = (time_t)(clock_utc_ms() / 1000);
    struct tm tm;

    if (!gmtime_r(&now, &tm) || !strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm))
        return -EOVERFLOW;
    for (int again = 0; again < 100; again++) { /* never over an earlier one */
        snprintf(to, sizeof to, "%s.corrupt-%s%.0d", path, stamp, again);
        if (access(to, F_OK) < 0)
            break;
    }
    size_t n = strlen(to);
    for (int i = 2; i >= 0; i--) { /* the file itself last: it marks the whole as moved */
        snprintf(from, sizeof from, "%s%s", path, part[i]);
        snprintf(to + n, sizeof to - n, "%s", part[i]);
        if (rename(from, to) < 0 && errno != ENOENT) {
            int r = -errno;
            (void)buf_printf(why, "; and it cannot be moved aside: %s", strerror(-r));
            return r;
        }
    }
    (void)buf_printf(why, "; it was moved to %s and the store starts anew", to);
    return 0;
}

/* SQLite's check takes what cannot be read for damaged.  DAMAGED when all of it can. */
static int read_whole(const char *path, struct buf *why)
{
    char bytes[16384];
    ssize_t n = 1;
    int r = DAMAGED, fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && (n > 0 || (n < 0 && errno == EINTR)))
        n = read(fd, bytes, sizeof bytes);
    if (fd < 0 || n < 0) {
        r = -errno;
        (void)buf_printf(why, ", or rather cannot be read: %s", strerror(-r));
    }
    if (fd >= 0)
        close(fd);
    return r;
}

static void clear_suspicion(const char *path)
{
    char suspect[PATH_SIZE + 80];

    suspect_name(suspect, sizeof suspect, path);
    (void)unlink(suspect);
}

static int open_write(sqlite3 **out, const char *path, struct buf *why)
{
    /* Made here, so that it and its companions are for the user alone. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int r = -errno;
        (void)buf_printf(why, "%s: %s", path, strerror(-r));
        return r;
    }
    close(fd);
    int r = open_file(out, path, SQLITE_OPEN_READWRITE, why);
    if (r < 0)
        return r;
    r = examine(*out, path, why);
    if (r == USABLE || r == FRESH)
        r = make_ready(*out, path, r == FRESH, why);
    if (r != 0) {
        sqlite3_close(*out);
        *out = NULL;
    }
    return r;
}

static int open_read(sqlite3 **out, const char *path, const char *name, int flags,
                     struct buf *why)
{
    int64_t application = 0, version = 0, tables = 0;

    int r = open_file(out, name, SQLITE_OPEN_READONLY | flags, why);
    if (r < 0)
        return r;
    int rc = read_header(*out, &application, &version, &tables);
    if (rc != SQLITE_OK)
        r = fail(*out, rc, path, why);
    else if (tables == 0)
        r = -ENOENT;
    else if (application != APPLICATION_ID || version != SCHEMA_VERSION)
        r = -EPROTO;
    if (r == -ENOENT)
        (void)buf_printf(why, "%s: empty, nothing was stored yet", path);
    if (r == -EPROTO)
        (void)buf_printf(why, "%s: schema %lld, this feedwatch reads only schema %d",
                         path, (long long)version, SCHEMA_VERSION);
    if (r < 0) {
        sqlite3_close(*out);
        *out = NULL;
    }
    return r;
}

/* Where no -shm file can be made (read-only folder) and no log is left over, the file
 * alone is the whole truth. */
static int open_read_still(sqlite3 **out, const char *path, struct buf *why)
{
    char name[PATH_SIZE * 3 + 64], wal[PATH_SIZE + 40];
    struct stat st;
    size_t n = (size_t)snprintf(name, sizeof name, "file:");

    snprintf(wal, sizeof wal, "%s-wal", path);
    if (stat(wal, &st) == 0 && st.st_size > 0)
        return -EROFS;
    for (const char *p = path; *p && n + 4 < sizeof name; p++) {
        if (strchr("?#%", *p))
            n += (size_t)snprintf(name + n, sizeof name - n, "%%%02X", (unsigned char)*p);
        else
            name[n++] = *p;
    }
    snprintf(name + n, sizeof name - n, "?immutable=1");
    buf_clear(why);
    return open_read(out, path, name, SQLITE_OPEN_URI, why);
}

int sqlite_schema_open(sqlite3 **out, const char *path, enum store_mode mode,
                       struct buf *why)
{
    if (mode == STORE_READ) {
        if (access(path, F_OK) < 0) {
            (void)buf_printf(why, "%s: %s", path, strerror(errno));
            return -errno;
        }
        int r = open_read(out, path, path, 0, why);
        if (r == -EIO || r == -EROFS)
            r = open_read_still(out, path, why);
        return r;
    }
    int r = open_write(out, path, why);
    if (r == DAMAGED) { /* it may have been the disk's fault, that does not last */
        buf_clear(why);
        r = open_write(out, path, why);
    }
    if (r == DAMAGED)
        r = read_whole(path, why);
    if (r == DAMAGED) {
        r = move_aside(path, why);
        if (r == 0)
            r = open_write(out, path, why);
        r = r < 0 ? r : 1;
    }
    if (r >= 0)
        clear_suspicion(path);
    return r;
}
