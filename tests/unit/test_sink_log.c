/* sink_log: each alert one line, in order, whatever happens to the file. */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sink.h"

static char dir[64], path[128];
static struct sink *sink;
static struct buf why;

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_sink_log.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/deep/er/alerts.log", dir);
    buf_init(&why, 1000);
    return 0;
}

static int drop(const char *name, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(name);
}

static int drop_dir(void **state)
{
    (void)state;
    if (sink)
        sink->ops->free(sink, 100);
    sink = NULL;
    buf_free(&why);
    return nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static int open_log(enum alert_format f)
{
    buf_clear(&why);
    return sink_log_new(&sink, "log", path, f, &why);
}

static void opens(void)
{
    int r = open_log(ALERT_JSON);

    if (r < 0)
        fail_msg("%d: %s", r, why.s);
}

static void closes(void)
{
    sink->ops->free(sink, 100);
    sink = NULL;
}

/* Deliver the alerts from `first` to `last`. */
static int deliver(int64_t first, int64_t last)
{
    static struct alert a[5000];
    static const struct alert *list[5000];
    size_t n = 0;

    for (int64_t seq = first; seq <= last; seq++, n++) {
        a[n] = (struct alert){ .seq = seq, .time_ms = 1777000000000 };
        snprintf(a[n].id, sizeof a[n].id, "%032" PRIx64, (uint64_t)seq);
        a[n].title = STR("a title of some length");
        a[n].watch = STR("w");
        a[n].feed = STR("f");
        list[n] = &a[n];
    }
    buf_clear(&why);
    return sink->ops->deliver(sink, list, n, &why);
}

static int64_t delivered(void)
{
    return sink->ops->delivered(sink);
}

static char *read_file(const char *name)
{
    static char text[1 << 20];
    FILE *f = fopen(name, "r");

    if (!f)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

/* The file has exactly the lines first..last, whole. */
static void has_lines(const char *name, int64_t first, int64_t last)
{
    char *text = read_file(name);

    assert_non_null(text);
    for (; first <= last; first++) {
        char *nl = strchr(text, '\n');
        assert_non_null(nl);
        struct str line = { text, (size_t)(nl - text) + 1 };
        assert_int_equal(alert_line_seq(line), first);
        text = nl + 1;
    }
    assert_string_equal(text, "");
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(name, "a");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void aside(char *out, size_t n, const char *suffix)
{
    snprintf(out, n, "%s%s", path, suffix);
}

static void makes_directories_and_writes_lines(void **state)
{
    (void)state;
    struct stat st;

    opens();
    assert_string_equal(sink->name, "log");
    assert_int_equal(sink->ops->fd(sink), -1);
    assert_int_equal(delivered(), -1);
    assert_int_equal(deliver(1, 3), 3);
    assert_int_equal(delivered(), 3);
    assert_int_equal(deliver(4, 4), 1);
    has_lines(path, 1, 4);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07137, 0);
}

static void goes_on_after_its_last_line(void **state)
{
    (void)state;
    opens();
    deliver(1, 5);
    closes();
    opens();
    assert_int_equal(delivered(), 5);
    assert_int_equal(deliver(3, 7), 5); /* 3..5 are there: taken, not written */
    has_lines(path, 1, 7);
    closes();
    assert_int_equal(open_log(ALERT_TEXT), 0); /* another format is ours, too */
    assert_int_equal(delivered(), 7);
    deliver(8, 8);
    has_lines(path, 1, 8);
}

static void cuts_a_torn_line(void **state)
{
    (void)state;
    opens();
    deliver(1, 2);
    closes();
    put(path, "{\"seq\":3,\"id");
    opens();
    assert_int_equal(delivered(), 2);
    deliver(3, 3);
    has_lines(path, 1, 3);
    closes();
    /* the first line of all, torn */
    unlink(path);
    put(path, "{\"seq\"");
    opens();
    assert_int_equal(delivered(), -1);
    deliver(1, 1);
    has_lines(path, 1, 1);
}

static void leaves_foreign_files_alone(void **state)
{
    (void)state;
    opens();
    closes();
    put(path, "Dear diary,\ntoday I");
    assert_int_equal(open_log(ALERT_JSON), -EEXIST);
    assert_non_null(strstr(why.s, "holds something else than alerts"));
    assert_string_equal(read_file(path), "Dear diary,\ntoday I");
    unlink(path);
    put(path, "today I");
    assert_int_equal(open_log(ALERT_JSON), -EEXIST);
    assert_string_equal(read_file(path), "today I");
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(open_log(ALERT_JSON) < 0);
    assert_null(sink);
}

/* What a feed wrote stands where the look back begins, and looks like a line of ours. */
static void does_not_trust_the_rest_of_a_line(void **state)
{
    (void)state;
    const size_t look = 1024 * 1024;
    static const char forged[] = "{\"seq\":999,\"id\":1}";
    char *title = malloc(3 * look);

    assert_non_null(title);
    opens();
    assert_int_equal(deliver(1, 2), 2);
    closes();
    /* One long line, of which just the last `look` bytes, the forged part, are seen. */
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    memset(title, 'x', look);
    fprintf(f, "2026-11-24T03:43:13.123Z #3 w [f] ");
    fwrite(title, 1, look, f);
    memset(title, 'y', look - sizeof forged);
    fprintf(f, "%s%.*s\n", forged, (int)(look - sizeof forged), title);
    fclose(f);
    free(title);
    opens();
    assert_int_equal(delivered(), 3);
    assert_int_equal(deliver(4, 4), 1);
    closes();
}

static void follows_a_rename(void **state)
{
    (void)state;
    char old[160];

    aside(old, sizeof old, ".1");
    opens();
    deliver(1, 2);
    assert_int_equal(rename(path, old), 0);
    assert_int_equal(deliver(3, 4), 2); /* notices by itself */
    has_lines(old, 1, 2);
    has_lines(path, 3, 4);
    assert_int_equal(rename(path, old), 0);
    assert_int_equal(sink->ops->reopen(sink), 0); /* SIGHUP */
    assert_string_equal(read_file(path), "");
    deliver(5, 5);
    has_lines(path, 5, 5);
    closes();
    assert_int_equal(rename(path, old), 0);
    opens(); /* a rotation between stop and start */
    assert_int_equal(delivered(), 5);
    closes();
    put(path, "");
    opens();
    assert_int_equal(delivered(), 5);
}

static void prefers_the_newest_rotated_file(void **state)
{
    (void)state;
    char name[160];
    struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };

    opens();
    deliver(1, 1);
    closes();
    aside(name, sizeof name, "-20260101");
    assert_int_equal(rename(path, name), 0);
    utimensat(AT_FDCWD, name, old, 0);
    aside(name, sizeof name, ".1.gz");
    put(name, "{\"seq\":99,\n");
    opens();
    assert_int_equal(delivered(), 1);
    deliver(2, 2);
    closes();
    aside(name, sizeof name, ".1");
    assert_int_equal(rename(path, name), 0);
    opens();
    assert_int_equal(delivered(), 2);
}

static void survives_deletion_and_copytruncate(void **state)
{
    (void)state;
    opens();
    deliver(1, 2);
    unlink(path);
    deliver(3, 3);
    has_lines(path, 3, 3);
    assert_int_equal(truncate(path, 0), 0);
    deliver(4, 5);
    has_lines(path, 4, 5); /* no hole of NULs */
    char cmd[160];
    snprintf(cmd, sizeof cmd, "%s/deep/er", dir);
    unlink(path);
    assert_int_equal(rmdir(cmd), 0);
    assert_int_equal(deliver(6, 6), 1);
    has_lines(path, 6, 6);
}

/* A limit on the file's size makes write(2) short, then fail: the nearest thing to a full
 * disk that needs no privileges. */
static void takes_back_half_lines(void **state)
{
    (void)state;
    struct rlimit was, small;

    signal(SIGXFSZ, SIG_IGN);
    opens();
    deliver(1, 10);
    struct stat st;
    stat(path, &st);
    getrlimit(RLIMIT_FSIZE, &was);
    small = was;
    small.rlim_cur =
        (rlim_t)(st.st_size + st.st_size / 10 * 2 + 7); /* room for 2 lines */
    setrlimit(RLIMIT_FSIZE, &small);
    int some = deliver(11, 20);
    assert_true(some == 1 || some == 2);
    assert_int_equal(delivered(), 10 + some);
    has_lines(path, 1, 10 + some);
    int r = deliver(11 + some, 20);
    assert_int_equal(r, -EFBIG);
    assert_non_null(strstr(why.s, "alerts.log: File too large"));
    has_lines(path, 1, 10 + some);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(deliver(11 + some, 20), 10 - some);
    has_lines(path, 1, 20);
}

static void keeps_other_processes_out(void **state)
{
    (void)state;
    int status;

    opens();
    deliver(1, 1);
    pid_t pid = fork();
    if (pid == 0) {
        struct sink *other = NULL;
        int r = sink_log_new(&other, "log", path, ALERT_JSON, &why);
        _exit(r == -EBUSY ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    /* but a second sink of ours, as during a reload, is fine */
    struct sink *first = sink;
    assert_int_equal(open_log(ALERT_TEXT), 0);
    first->ops->free(first, 0);
    assert_int_equal(deliver(2, 2), 1);
    pid = fork();
    if (pid == 0) {
        struct sink *other = NULL;
        int r = sink_log_new(&other, "log", path, ALERT_JSON, &why);
        _exit(r == -EBUSY ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void says_why_it_cannot_open(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/proc/nowhere/alerts.log");
    assert_true(open_log(ALERT_JSON) < 0);
    assert_non_null(strstr(why.s, "/proc/nowhere/alerts.log: "));
}

static off_t size_of_log(void)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* Kill a writer at random instants after it began to write: each time the log goes on
 * with no gap and no repeat. */
static void survives_kill_at_any_time(void **state)
{
    (void)state;
    for (int round = 0; round < 30; round++) {
        off_t before = size_of_log();
        pid_t pid = fork();
        if (pid == 0) {
            opens();
            int64_t next = delivered() < 0 ? 1 : delivered() + 1;
            for (; next < 1000000; next += 7)
                deliver(next, next + 6);
            pause();
        }
        for (int i = 0; i < 100000 && size_of_log() <= before; i++)
            usleep(100);
        usleep((useconds_t)(rand() % 8000));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    opens();
    int64_t last = delivered();
    assert_true(last > 0);
    has_lines(path, 1, last);
    print_message("%lld lines\n", (long long)last);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
static const struct CMUnitTest tests[] = {
    T(makes_directories_and_writes_lines),
    T(goes_on_after_its_last_line),
    T(cuts_a_torn_line),
    T(leaves_foreign_files_alone),
    T(does_not_trust_the_rest_of_a_line),
    T(follows_a_rename),
    T(prefers_the_newest_rotated_file),
    T(survives_deletion_and_copytruncate),
    T(takes_back_half_lines),
    T(keeps_other_processes_out),
    T(says_why_it_cannot_open),
    T(survives_kill_at_any_time),
};
TEST_MAIN(tests)
