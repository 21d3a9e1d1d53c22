/* store: killed at any write, failing disks, no memory, damaged files.  A thin layer
 * under SQLite counts its steps (writes, syncs, truncations, deletions) and fails or
 * kills at the one that a test names. */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "store.h"
#include "temp_dir.h"

/* --- faults --- */

enum fault { FAULT_NONE, FAULT_KILL, FAULT_EIO, FAULT_FULL };

static struct {
    enum fault what;
    int at;   /* the step that fails, from 1 */
    int step; /* steps so far */
    bool on;  /* from then on every step fails */
    bool db;  /* only steps on the database itself count, not on its log */
} fault;

/* SQLite's methods of a file (databases and logs have different ones) with ours in front.
 */
static struct io {
    sqlite3_io_methods ours; /* first */
    const sqlite3_io_methods *real;
} io[4];
static sqlite3_vfs *real_vfs, our_vfs;

static const sqlite3_io_methods *real_io(const sqlite3_file *f)
{
    return ((const struct io *)f->pMethods)->real;
}

static int strike(const sqlite3_file *f)
{
    if (fault.db && f && f->pMethods != &io[0].ours) /* the first one opened */
        return SQLITE_OK;
    fault.step++;
    if (fault.what == FAULT_NONE || fault.step < fault.at ||
        (fault.step > fault.at && !fault.on))
        return SQLITE_OK;
    if (fault.what == FAULT_KILL)
        kill(getpid(), SIGKILL);
    return fault.what == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_FSYNC;
}

static int our_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    int rc = strike(f);

    return rc ? rc : real_io(f)->xWrite(f, p, n, at);
}

static int our_sync(sqlite3_file *f, int flags)
{
    int rc = strike(f);

    return rc ? rc : real_io(f)->xSync(f, flags);
}

static int our_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    int rc = strike(f);

    return rc ? rc : real_io(f)->xTruncate(f, n);
}

static int our_delete(sqlite3_vfs *v, const char *name, int sync)
{
    int rc = strike(NULL);

    (void)v;
    return rc ? rc : real_vfs->xDelete(real_vfs, name, sync);
}

static int our_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags,
                    int *out)
{
    (void)v;
    int rc = real_vfs->xOpen(real_vfs, name, f, flags, out);

    for (int i = 0; rc == SQLITE_OK && f->pMethods && i < 4; i++) {
        if (io[i].real && io[i].real != f->pMethods)
            continue;
        io[i].real = f->pMethods;
        io[i].ours = *f->pMethods;
        io[i].ours.xWrite = our_write;
        io[i].ours.xSync = our_sync;
        io[i].ours.xTruncate = our_truncate;
        f->pMethods = &io[i].ours;
        break;
    }
    return rc;
}

/* --- memory --- */

static sqlite3_mem_methods real_mem;
static long mem_left = -1; /* allocations until the one that fails; -1: none fails */

static bool no_memory(void)
{
    return mem_left >= 0 && mem_left-- == 0;
}

static void *our_malloc(int n)
{
    return no_memory() ? NULL : real_mem.xMalloc(n);
}

static void *our_realloc(void *p, int n)
{
    return no_memory() ? NULL : real_mem.xRealloc(p, n);
}

static int set_up(void **state)
{
    (void)state;
    sqlite3_mem_methods ours;

    sqlite3_shutdown();
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_mem);
    ours = real_mem;
    ours.xMalloc = our_malloc;
    ours.xRealloc = our_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* each allocation can fail */
    if (sqlite3_initialize() != SQLITE_OK)
        return -1;
    real_vfs = sqlite3_vfs_find(NULL);
    our_vfs = *real_vfs;
    our_vfs.zName = "fault";
    our_vfs.xOpen = our_open;
    our_vfs.xDelete = our_delete;
    return sqlite3_vfs_register(&our_vfs, 1) == SQLITE_OK ? 0 : -1;
}

/* --- a store and what must hold of it --- */

static int make_dir(void **state)
{
    (void)state;
    memset(&fault, 0, sizeof fault);
    mem_left = -1;
    /* In memory when possible: what is tested is the order of steps, not the disk. */
    return temp_dir_make(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", "store");
}

static int try_open(struct store **s, enum store_mode mode, char *said, size_t size)
{
    struct buf why;

    buf_init(&why, 2000);
    int r = store_open(s, dir, mode, &why);
    snprintf(said, size, "%s", why.s ? why.s : "");
    buf_free(&why);
    return r;
}

static struct store *open_store(enum store_mode mode)
{
    struct store *s = NULL;
    char said[2000];

    int r = try_open(&s, mode, said, sizeof said);
    if (r != 0)
        print_error("store_open: %d %s\n", r, said);
    assert_int_equal(r, 0);
    return s;
}

static int bind(struct store *s, int64_t *id)
{
    struct store_feed f;
    int r = store_feed_bind(s, "f", "https://example.org/feed", &f);

    if (r == 0) {
        *id = f.id;
        store_feed_done(&f);
    }
    return r;
}

/* Round i: alert i, the alert of the round before once more, the window "i", cursor i. */
static int commit_round(struct store *s, int64_t feed, int64_t i)
{
    struct seen_key key[] = { { 7, (uint64_t)i }, { 7, (uint64_t)i - 1 } };
    struct alert a[2] = { { .watch = STR("w"), .title = STR("title"), .seq = 99 } };
    char window[24];
    struct store_feed f = { .polls = i };
    struct store_cursor cursor = { .sink = "log", .seq = i };

    a[1] = a[0];
    int n = snprintf(window, sizeof window, "%lld", (long long)i);
    struct store_change c = { .feed_id = feed,
                              .alert_keys = key,
                              .alerts = a,
                              .n_alerts = i > 1 ? 2 : 1,
                              .window = { window, (size_t)n },
                              .feed = &f };
    struct store_change *all[] = { &c };
    int r = store_commit(s, all, 1, &cursor, 1);
    if (r == 0)
        assert_int_equal(a[0].seq, i);
    assert_int_equal(i > 1 ? a[1].seq : 0, 0);
    if (r < 0)
        assert_int_equal(a[0].seq, 0);
    return r;
}

struct count {
    int64_t n;
};

static int count_alert(void *ctx, const struct alert *a)
{
    struct count *c = ctx;

    assert_int_equal(a->seq, ++c->n); /* no gap, no repeat */
    assert_true(str_eq(a->title, STR("title")));
    return 0;
}

/* Alerts, window, state and cursor are of one and the same round; which. */
static int64_t check(struct store *s)
{
    struct count c = { 0 };
    struct store_feed f;
    struct store_cursor cursor;
    struct buf w;

    assert_int_equal(store_alerts_after(s, 0, SIZE_MAX, count_alert, &c), 0);
    assert_int_equal(store_last_seq(s), c.n);
    assert_int_equal(store_feed_bind(s, "f", "https://example.org/feed", &f), 0);
    assert_int_equal(f.polls, c.n);
    buf_init(&w, 100);
    assert_int_equal(store_window_read(s, f.id, &w), 0);
    assert_int_equal(w.n ? strtoll(w.s, NULL, 10) : 0, c.n);
    assert_int_equal(store_cursor_read(s, "log", &cursor), 0);
    assert_int_equal(cursor.seq, c.n);
    buf_free(&w);
    store_feed_done(&f);
    return c.n;
}

/* --- killed --- */

/* Commits rounds until it is killed; writes each round's number to `fd` when it is
 * durable. */
static void commit_for_ever(int fd, int64_t from, int64_t to)
{
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = 0;

    assert_int_equal(bind(s, &feed), 0);
    for (int64_t i = from; i <= to; i++) {
        assert_int_equal(commit_round(s, feed, i), 0);
        if (write(fd, &i, sizeof i) != sizeof i)
            break;
    }
    store_close(s);
}

/* Run the child until `fault` ends it, or until `after_us` (-1: never) after it said
 * `rounds` rounds.  The last round it said was durable, or `from` - 1; *survived: nobody
 * killed it. */
static int64_t run_child(int64_t from, int64_t to, int rounds, long after_us,
                         bool *survived)
{
    int fd[2], status;
    int64_t said, last = from - 1;

    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fd[0]);
        commit_for_ever(fd[1], from, to);
        _exit(0);
    }
    close(fd[1]);
    while (rounds-- > 0 && read(fd[0], &said, sizeof said) == sizeof said)
        last = said;
    if (after_us >= 0) {
        struct timespec t = { 0, after_us * 1000 };
        nanosleep(&t, NULL);
        kill(pid, SIGKILL);
    }
    while (read(fd[0], &said, sizeof said) == sizeof said)
        last = said;
    close(fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *survived = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    assert_true(*survived || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    return last;
}

/* A reader that comes before the next writer sees the same. */
static int64_t read_after_crash(void)
{
    struct store *s = NULL;
    struct count c = { 0 };
    char said[2000];

    int r = try_open(&s, STORE_READ, said, sizeof said);
    if (r == -ENOENT)
        return 0;
    assert_int_equal(r, 0);
    assert_int_equal(store_alerts_after(s, 0, SIZE_MAX, count_alert, &c), 0);
    store_close(s);
    return c.n;
}

static int64_t reopen_and_check(int64_t said)
{
    int64_t read = read_after_crash();
    struct store *s = open_store(STORE_WRITE);
    int64_t have = check(s);

    assert_int_equal(read, have);

    assert_true(have == said || have == said + 1); /* committed, but not yet said */
    store_close(s);
    return have;
}

static void survives_being_killed_at_any_time(void **state)
{
    (void)state;
    int64_t have = 0;
    bool survived;
    unsigned seed = 12345;

    for (int i = 0; i < 220; i++) {
        seed = seed * 1103515245 + 12345;
        int64_t said =
            run_child(have + 1, INT64_MAX, i % 3, (long)(seed >> 8) % 4000, &survived);
        have = reopen_and_check(said);
    }
    print_message("%lld rounds, 220 kills\n", (long long)have);
    assert_true(have > 100);
}

/* Kill the writer of `rounds` rounds at its 1st, 2nd, ... step below `limit` until it
 * lives through; with `db` only steps on the database itself count, not on its log.
 * Returns how often it was killed. */
static int kill_at_every_step(bool db, int rounds, int limit)
{
    bool survived = false;
    int kills = 0;

    for (int at = 1; !survived && at < limit; at++) {
        fault.what = FAULT_KILL;
        fault.db = db;
        fault.at = at;
        fault.step = 0;
        int64_t said = run_child(1, rounds, 0, -1, &survived);
        fault.what = FAULT_NONE;
        (void)reopen_and_check(said);
        kills += !survived;
        drop_dir(NULL);
        assert_int_equal(mkdir(dir, 0700), 0);
    }
    print_message("%d steps\n", kills);
    assert_true(survived);
    return kills;
}

static void survives_being_killed_at_every_step(void **state)
{
    (void)state;
    assert_true(kill_at_every_step(false, 6, 1000) > 20);
}

/* The log is copied into the file every 1000 pages, and at the end. */
static void survives_being_killed_at_every_step_of_checkpoints(void **state)
{
    (void)state;
    assert_true(kill_at_every_step(true, 250, 200) > 20);
}

/* --- failing disks --- */

/* Each step fails once (or from then on) while rounds are committed; then the disk is
 * well again.  What was said to be durable is there, and what failed can be tried again.
 */
static void fail_each_step(enum fault what, bool on, int expect)
{
    for (int at = 1; at < 40; at++) {
        struct store *s = open_store(STORE_WRITE);
        int64_t feed = 0;
        int64_t done = 0;

        assert_int_equal(bind(s, &feed), 0);
        fault.what = what;
        fault.on = on;
        fault.step = 0;
        fault.at = at;
        for (int64_t i = 1; i <= 4; i++) {
            int r = commit_round(s, feed, i);
            if (r < 0) {
                assert_int_equal(r, expect);
                assert_true(store_why(s)[0] != '\0');
                fault.what = FAULT_NONE;
                assert_int_equal(check(s), done);
                r = commit_round(s, feed, i); /* once more */
            }
            assert_int_equal(r, 0);
            done = i;
        }
        fault.what = FAULT_NONE;
        assert_int_equal(check(s), 4);
        store_close(s);
        s = open_store(STORE_WRITE);
        assert_int_equal(check(s), 4);
        store_close(s);
        drop_dir(NULL);
        assert_int_equal(mkdir(dir, 0700), 0);
    }
}

static void an_io_error_changes_nothing(void **state)
{
    (void)state;
    fail_each_step(FAULT_EIO, false, -EIO);
    fail_each_step(FAULT_EIO, true, -EIO);
}

static void a_full_disk_changes_nothing(void **state)
{
    (void)state;
    fail_each_step(FAULT_FULL, false, -ENOSPC);
    fail_each_step(FAULT_FULL, true, -ENOSPC);
}

static void a_limit_on_file_size_is_a_full_disk(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    struct rlimit was, low = { 40000, RLIM_INFINITY };
    int64_t feed = 0, i = 1;
    int r = 0;

    assert_int_equal(bind(s, &feed), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    low.rlim_max = was.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    while (i < 1000 && (r = commit_round(s, feed, i)) == 0)
        i++;
    int again = commit_round(s, feed, i);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(r, -ENOSPC);
    assert_int_equal(again, -ENOSPC);
    assert_int_equal(check(s), i - 1);
    assert_int_equal(commit_round(s, feed, i), 0);
    assert_int_equal(check(s), i);
    store_close(s);
}

/* --- no memory --- */

/* Open, bind, commit, read; -ENOMEM or done, never half. */
static int use_store(int64_t *done)
{
    struct store *s = NULL;
    struct store_cursor cursor;
    struct count c = { 0 };
    struct buf w;
    char said[2000];
    int64_t feed = 0;

    *done = 0;
    int r = try_open(&s, STORE_WRITE, said, sizeof said);
    if (r < 0)
        return r;
    assert_int_equal(r, 0); /* lack of memory is no damage */
    r = bind(s, &feed);
    if (r == 0 && (r = commit_round(s, feed, 1)) == 0)
        *done = 1;
    if (r == 0)
        r = store_cursor_read(s, "log", &cursor);
    if (r == 0)
        r = store_alerts_after(s, 0, 10, count_alert, &c);
    buf_init(&w, 100);
    if (r == 0)
        r = store_window_read(s, feed, &w);
    if (r == 0)
        assert_int_equal(c.n, 1);
    buf_free(&w);
    store_close(s);
    return r;
}

static void survives_any_failing_allocation(void **state) /* FEEDWATCH_FULL: each one */
{
    (void)state;
    bool reached = true; /* the allocation that fails; SQLite can do without some */
    long n, stride = getenv("FEEDWATCH_FULL") ? 1 : 41;

    for (n = 0; reached && n < 400000; n += stride) {
        int64_t done;
        mem_left = n;
        int r = use_store(&done);
        reached = mem_left < 0;
        mem_left = -1;
        if (r != 0 && r != -ENOMEM)
            print_error("allocation %ld: %d\n", n, r);
        assert_true(r == 0 || r == -ENOMEM);
        struct store *s = open_store(STORE_WRITE);
        int64_t have = check(s);
        assert_true(have == done);
        store_close(s);
        drop_dir(NULL);
        assert_int_equal(mkdir(dir, 0700), 0);
    }
    print_message("%ld allocations\n", n);
    assert_true(n > 200 && n < 400000);
}

/* --- damage --- */

static void fill(int64_t rounds)
{
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = 0;

    assert_int_equal(bind(s, &feed), 0);
    for (int64_t i = 1; i <= rounds; i++)
        assert_int_equal(commit_round(s, feed, i), 0);
    store_close(s);
}

static const char *db_path(void)
{
    static char path[100];

    snprintf(path, sizeof path, "%s/feedwatch.db", dir);
    return path;
}

static void overwrite(off_t at, const void *bytes, size_t n)
{
    int fd = open(db_path(), O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
    close(fd);
}

/* Opening says 1, keeps the old file and gives a store that works. */
static void starts_anew(void)
{
    struct store *s = NULL;
    char said[2000];
    int64_t feed = 0;

    assert_int_equal(try_open(&s, STORE_WRITE, said, sizeof said), 1);
    char *moved = strstr(said, dir), *to = strstr(said, "moved to ");
    assert_non_null(moved);
    assert_non_null(to);
    char *end = strchr(to += 9, ' ');
    assert_non_null(end);
    *end = '\0';
    assert_int_equal(access(to, F_OK), 0);
    assert_int_equal(bind(s, &feed), 0);
    assert_int_equal(commit_round(s, feed, 1), 0);
    assert_int_equal(check(s), 1);
    store_close(s);
}

static void moves_damaged_files_aside(void **state)
{
    (void)state;
    static char junk[4096 * 3];

    fill(50);
    assert_int_equal(truncate(db_path(), 4096 * 3), 0);
    starts_anew();
    fill(0);
    overwrite(4096 * 2, junk, 4096); /* a page of zeros */
    starts_anew();
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (char)(i * 7919 >> 3);
    overwrite(0, junk, sizeof junk);
    starts_anew();
    overwrite(0, "just a text", 11);
    starts_anew();
}

/* A large file is not read whole at each start; damage that is met in use is found then.
 */
static void damage_met_in_use_is_found_at_the_next_start(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    static char big[40 << 20], junk[4096];
    int64_t feed = 0;
    struct buf w;

    assert_int_equal(bind(s, &feed), 0);
    struct store_change c = { .feed_id = feed, .window = { big, sizeof big } };
    struct store_change *all[] = { &c };
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    store_close(s);
    memset(junk, 0xA5, sizeof junk);
    for (off_t at = 200; at < 225; at++) /* in the middle of the window's pages */
        overwrite(at * 4096, junk, sizeof junk);
    s = open_store(STORE_WRITE);
    buf_init(&w, 64 << 20);
    assert_int_equal(store_window_read(s, feed, &w), -EUCLEAN);
    buf_free(&w);
    store_close(s);
    starts_anew();
    store_close(open_store(STORE_WRITE));
}

static void moves_a_foreign_database_aside(void **state)
{
    (void)state;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(db_path(), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    starts_anew();
}

static void a_lost_or_torn_log_is_no_damage(void **state)
{
    (void)state;
    char wal[120];
    bool survived;
    static const char junk[5000] = { 1, 2, 3 };

    (void)run_child(1, INT64_MAX, 20, 0, &survived);
    snprintf(wal, sizeof wal, "%s-wal", db_path());
    int fd = open(wal, O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    close(fd);
    struct store *s = open_store(STORE_WRITE);
    int64_t have = check(s);
    store_close(s);
    (void)run_child(have + 1, INT64_MAX, 20, 0, &survived);
    assert_int_equal(unlink(wal), 0); /* what was in it is gone, the rest is whole */
    s = open_store(STORE_WRITE);
    assert_true(check(s) >= have);
    store_close(s);
}

static void leaves_a_newer_schema_alone(void **state)
{
    (void)state;
    struct store *s = NULL;
    char said[2000];
    sqlite3 *db;

    fill(1);
    assert_int_equal(sqlite3_open(db_path(), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(try_open(&s, STORE_WRITE, said, sizeof said), -EPROTO);
    assert_non_null(strstr(said, "newer"));
    assert_int_equal(try_open(&s, STORE_READ, said, sizeof said), -EPROTO);
}

/* As another user, who may look but not write. */
static void reads_from_a_folder_that_cannot_be_written(void **state)
{
    (void)state;
    int status;

    if (getuid() != 0) {
        skip();
        return;
    }
    fill(3);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(chmod(db_path(), 0644), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s = NULL;
        struct count c = { 0 };
        char said[2000];

        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(1);
        if (try_open(&s, STORE_READ, said, sizeof said) != 0)
            _exit(2);
        if (store_alerts_after(s, 0, 10, count_alert, &c) != 0 || c.n != 3)
            _exit(3);
        store_close(s);
        if (try_open(&s, STORE_WRITE, said, sizeof said) != -EACCES)
            _exit(4);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
    T(survives_being_killed_at_any_time),
    T(survives_being_killed_at_every_step),
    T(survives_being_killed_at_every_step_of_checkpoints),
    T(an_io_error_changes_nothing),
    T(a_full_disk_changes_nothing),
    T(a_limit_on_file_size_is_a_full_disk),
    T(survives_any_failing_allocation),
    T(moves_damaged_files_aside),
    T(damage_met_in_use_is_found_at_the_next_start),
    T(moves_a_foreign_database_aside),
    T(a_lost_or_torn_log_is_no_damage),
    T(leaves_a_newer_schema_alone),
    T(reads_from_a_folder_that_cannot_be_written),
};

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, set_up, NULL);
}
