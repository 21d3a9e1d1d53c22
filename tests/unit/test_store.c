/* store: opening, binding, commits, numbers, cursors, locking, damage, kill -9. */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "store.h"
#include "temp_dir.h"

static int make_dir(void **state)
{
    (void)state;
    return temp_dir_make("/tmp", "store");
}

static struct store *open_store(enum store_mode mode)
{
    struct store *s = NULL;
    struct buf why;

    buf_init(&why, 1000);
    int r = store_open(&s, dir, mode, &why);
    if (r != 0)
        print_error("store_open: %d %s\n", r, why.s ? why.s : "");
    assert_int_equal(r, 0);
    buf_free(&why);
    return s;
}

static int64_t bind(struct store *s, const char *name, const char *url)
{
    struct store_feed f;

    assert_int_equal(store_feed_bind(s, name, url, &f), 0);
    assert_string_equal(f.name, name);
    assert_string_equal(f.url, url);
    int64_t id = f.id;
    store_feed_done(&f);
    return id;
}

static struct alert an_alert(const char *title)
{
    return (struct alert){ .id = "00112233445566778899aabbccddeeff",
                           .time_ms = 1700000000123,
                           .published_s = ITEM_NO_TIME,
                           .priority = ALERT_CRITICAL,
                           .watch = STR("w"),
                           .feed = STR("f"),
                           .title = str_of(title),
                           .link = STR("https://example.org/1"),
                           .matched = STR("Putin\nXi\n"),
                           .sinks = STR("") };
}

static int commit_one(struct store *s, int64_t feed, uint64_t key, struct alert *a)
{
    struct seen_key k = { key, 1 };
    struct store_change c = {
        .feed_id = feed, .alert_keys = &k, .alerts = a, .n_alerts = 1
    };
    struct store_change *all[] = { &c };

    return store_commit(s, all, 1, NULL, 0);
}

struct gathered {
    int64_t seq[100];
    size_t n;
    char title[100];
    struct alert last;
};

static int gather(void *ctx, const struct alert *a)
{
    struct gathered *g = ctx;

    if (g->n == 100)
        return 7;
    g->seq[g->n++] = a->seq;
    snprintf(g->title, sizeof g->title, "%.*s", (int)a->title.n, a->title.s);
    g->last = *a;
    return 0;
}

static void numbers_alerts_without_gaps_and_once(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = bind(s, "f", "https://example.org/feed");
    struct alert a = an_alert("one"), b = an_alert("two"), c = an_alert("one again");
    struct gathered g = { 0 };

    assert_int_equal(store_last_seq(s), 0);
    assert_int_equal(commit_one(s, feed, 1, &a), 0);
    assert_int_equal(commit_one(s, feed, 1, &c), 0);
    assert_int_equal(commit_one(s, feed, 2, &b), 0);
    assert_int_equal(a.seq, 1);
    assert_int_equal(c.seq, 0);
    assert_int_equal(b.seq, 2);
    assert_int_equal(store_last_seq(s), 2);
    assert_int_equal(store_alerts_after(s, 0, 10, gather, &g), 0);
    assert_int_equal(g.n, 2);
    assert_string_equal(g.title, "two");
    assert_int_equal(g.last.published_s, ITEM_NO_TIME);
    store_close(s);
}

static void keeps_the_whole_record(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = bind(s, "f", "https://example.org/feed");
    struct alert a = an_alert("one"), b = an_alert("two");
    struct gathered g = { 0 };

    a.fetched_ms = 1699999999000;
    a.late = a.update = true;
    a.rule_hash = 0xfedcba9876543210;
    a.rule = STR("(putin AND xi)");
    a.generation = 4;
    a.author = STR("Ann");
    a.spans = STR("t0+2 ");
    a.held = STR("quiet");
    b.rule_hash = a.rule_hash;
    b.rule = a.rule;
    assert_int_equal(commit_one(s, feed, 1, &a), 0);
    assert_int_equal(store_alerts_after(s, 0, 10, gather, &g), 0);
    assert_int_equal(g.last.fetched_ms, a.fetched_ms);
    assert_true(g.last.late && g.last.update);
    assert_true(g.last.rule_hash == a.rule_hash);
    assert_int_equal(g.last.generation, 4);
    assert_int_equal(commit_one(s, feed, 2, &b), 0); /* its rule is known */
    store_close(s);
}

static int same_texts(void *ctx, const struct alert *a)
{
    struct alert *want = ctx, got = *a;
    struct str *w, *h;

    for (unsigned i = 0; (w = alert_text(want, i)) && (h = alert_text(&got, i)); i++)
        assert_true(str_eq(*w, *h));
    return 0;
}

static void gives_every_text_back(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = bind(s, "f", "https://example.org/feed");
    char text[20][8];
    struct alert a = an_alert("one");
    struct str *w;

    for (unsigned i = 0; (w = alert_text(&a, i)); i++) {
        snprintf(text[i], sizeof text[i], "text%u", i);
        *w = str_of(text[i]);
    }
    a.rule_hash = 5;
    assert_int_equal(commit_one(s, feed, 1, &a), 0);
    assert_int_equal(store_alerts_after(s, 0, 10, same_texts, &a), 0);
    store_close(s);
}

static int read_sources(void *ctx, const struct alert *a)
{
    char *out = ctx;

    snprintf(out, 1000, "%.*s", (int)a->sources.n, a->sources.s);
    return 0;
}

static void adds_sources_to_an_alert_of_before(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = bind(s, "f", "https://example.org/feed");
    struct alert a = an_alert("one");
    char got[1000];
    struct store_source more[] = {
        { .seq = 1, .source = { STR("g"), STR("https://g/1"), STR("One"), 7 } },
        { .feed_id = feed,
          .key = { 1, 1 },
          .watch = STR("w"),
          .source = { STR("h"), STR(""), STR("One more"), 8 } },
        { .seq = 99, .source = { STR("x"), STR(""), STR(""), 9 } }, /* no such alert */
        { .feed_id = feed, .key = { 1, 1 }, .watch = STR("other") },
    };
    struct store_change c = { .feed_id = feed, .sources = more, .n_sources = 4 };
    struct store_change *all[] = { &c };

    assert_int_equal(commit_one(s, feed, 1, &a), 0);
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    assert_int_equal(store_alerts_after(s, 0, 10, read_sources, got), 0);
    assert_string_equal(got, "g\thttps://g/1\tOne\t7\nh\t\tOne more\t8\n");
    store_close(s);
}

static void finds_the_latest_of_a_kind(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = bind(s, "f", "https://example.org/feed");
    struct gathered g = { 0 };

    for (uint64_t i = 1; i <= 9; i++) {
        struct alert a = an_alert("t");

        a.time_ms = (int64_t)i * 1000;
        a.watch = i % 2 ? STR("odd") : STR("even");
        a.held = i % 3 ? STR("") : STR("quiet");
        assert_int_equal(commit_one(s, feed, i, &a), 0);
    }
    assert_int_equal(store_alerts_latest(s, 2, NULL, gather, &g), 0);
    assert_true(g.n == 2 && g.seq[0] == 8 && g.seq[1] == 9);
    g.n = 0;
    struct store_filter odd = { .watch = STR("odd"), .since_ms = 3000 };
    assert_int_equal(store_alerts_latest(s, 100, &odd, gather, &g), 0);
    assert_true(g.n == 4 && g.seq[0] == 3 && g.seq[3] == 9);
    g.n = 0;
    struct store_filter held = { .watch = STR("even"), .held = true };
    assert_int_equal(store_alerts_latest(s, 100, &held, gather, &g), 0);
    assert_true(g.n == 1 && g.seq[0] == 6);
    store_close(s);
}

/* By time, also with numbers that are gone and a clock that was set back a little. */
static void finds_those_since_a_time(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = bind(s, "f", "https://example.org/feed");
    struct gathered g = { 0 };

    for (uint64_t i = 1; i <= 300; i++) {
        struct alert a = an_alert("t");

        if (i == 100)
            assert_int_equal(store_seq_raise(s, 5000), 0);
        a.time_ms = (int64_t)i * 86400000 - (i % 10 == 5 ? 3600000 * 3 : 0);
        assert_int_equal(commit_one(s, feed, i, &a), 0);
    }
    for (int64_t day = 210; day < 300; day++) {
        struct store_filter since = { .since_ms = day * 86400000 };
        int64_t want = 300 - day + 1 - (day % 10 == 5);

        g.n = 0;
        assert_int_equal(store_alerts_latest(s, 1000, &since, gather, &g), 0);
        assert_int_equal(g.n, want);
        assert_int_equal(g.seq[g.n - 1], 5000 + 201);
    }
    store_close(s);
}

static void counts_generations_of_the_config(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t n = 0;

    assert_int_equal(store_generation(s, 0xffffffffffffffff, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(store_generation(s, 0xffffffffffffffff, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_generation(s, 0x8000000000000001, &n), 0);
    assert_int_equal(store_end(s), 0);
    assert_int_equal(n, 2);
    store_close(s);
    s = open_store(STORE_WRITE);
    assert_int_equal(store_generation(s, 0x8000000000000001, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(store_generation(s, 0xffffffffffffffff, &n), 0);
    assert_int_equal(n, 3);
    store_close(s);
}

/* --- kept items and forgetting --- */

#define DAY INT64_C(86400000)

static int commit_history(struct store *s, int64_t feed, int64_t time_ms, size_t bytes)
{
    char *packed = calloc(1, bytes);
    struct store_change c = { .feed_id = feed,
                              .history = { packed, bytes },
                              .history_items = 2,
                              .history_ms = time_ms };
    struct store_change *twice[] = { &c, &c };
    int r = store_commit(s, twice, 2, NULL, 0);

    free(packed);
    return r;
}

static int count_bytes(void *ctx, struct str packed)
{
    *(size_t *)ctx += packed.n;
    return 0;
}

static int64_t rows_since(struct store *s, int64_t since_ms, int64_t *bytes)
{
    struct store_history_size size;

    assert_int_equal(store_history_size(s, since_ms, &size), 0);
    if (bytes)
        *bytes = size.bytes;
    assert_int_equal(size.items, size.rows * 4);
    return size.rows;
}

static void tidy_all(struct store *s, int64_t now_ms)
{
    int r;

    while ((r = store_tidy(s, now_ms)) > 0)
        ;
    assert_int_equal(r, 0);
}

static void keeps_items_within_age_and_size(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    struct store_limits limits = { .alerts_ms = DAY,
                                   .history_ms = 30 * DAY,
                                   .history_bytes = 60000 };
    int64_t feed = bind(s, "f", "https://example.org/feed"), after = 0, bytes;
    size_t read = 0;

    for (int64_t i = 0; i < 60; i++)
        assert_int_equal(commit_history(s, feed, i * DAY, 500), 0);
    assert_int_equal(rows_since(s, 0, &bytes), 60);
    assert_int_equal(bytes, 60000);
    tidy_all(s, 60 * DAY); /* nobody has set limits */
    assert_int_equal(rows_since(s, 0, NULL), 60);
    store_limits(s, &limits);
    tidy_all(s, 60 * DAY);
    assert_int_equal(rows_since(s, 0, NULL), 30);
    limits.history_bytes = 10500;
    store_limits(s, &limits);
    tidy_all(s, 60 * DAY);
    assert_int_equal(rows_since(s, 0, NULL), 10);
    assert_int_equal(commit_history(s, feed, 60 * DAY, 500), 0);
    assert_int_equal(rows_since(s, 0, NULL), 11);
    tidy_all(s, 60 * DAY);
    assert_int_equal(rows_since(s, 0, NULL), 10);
    assert_int_equal(rows_since(s, 59 * DAY, NULL), 2);
    assert_int_equal(store_history(s, 59 * DAY, &after, 1, count_bytes, &read), 0);
    assert_int_equal(read, 1000);
    assert_int_equal(store_history(s, 59 * DAY, &after, 100, count_bytes, &read), 0);
    assert_int_equal(read, 2000);
    store_close(s);
}

static void forgets_old_alerts_but_no_number(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    struct store_limits limits = { .alerts_ms = 365 * DAY, .history_bytes = 1 };
    struct store_cursor log = { .sink = "log", .seq = 700 };
    int64_t feed = bind(s, "f", "https://example.org/feed");
    struct gathered g = { 0 };

    for (uint64_t i = 1; i <= 1000; i++) {
        struct alert a = an_alert("t");

        a.time_ms = (int64_t)i * DAY;
        assert_int_equal(commit_one(s, feed, i, &a), 0);
    }
    store_limits(s, &limits);
    tidy_all(s, 1000 * DAY); /* no sink has them yet */
    assert_int_equal(store_alerts_after(s, 0, 1, gather, &g), 0);
    assert_int_equal(g.seq[0], 1);
    assert_int_equal(store_commit(s, NULL, 0, &log, 1), 0);
    tidy_all(s, 1000 * DAY);
    g.n = 0;
    assert_int_equal(store_alerts_after(s, 0, 1, gather, &g), 0);
    assert_int_equal(g.seq[0], 635);
    tidy_all(s, 2000 * DAY); /* the log waits for those after 700 */
    g.n = 0;
    assert_int_equal(store_alerts_after(s, 0, 1, gather, &g), 0);
    assert_int_equal(g.seq[0], 701);
    log.seq = 1000;
    assert_int_equal(store_commit(s, NULL, 0, &log, 1), 0);
    tidy_all(s, 9000 * DAY);
    store_close(s);
    s = open_store(STORE_WRITE);
    assert_int_equal(store_last_seq(s), 1000); /* numbers go on */
    struct alert a = an_alert("t");
    assert_int_equal(commit_one(s, feed, 1, &a), 0);
    assert_int_equal(a.seq, 1001);
    store_close(s);
}

static void gives_space_back(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    struct store_limits limits = { .alerts_ms = DAY,
                                   .history_ms = DAY,
                                   .history_bytes = 1LL << 30 };
    int64_t feed = bind(s, "f", "https://example.org/feed");
    char path[100];
    struct stat st;

    for (int64_t i = 0; i < 200; i++)
        assert_int_equal(commit_history(s, feed, i, 50000), 0);
    store_limits(s, &limits);
    tidy_all(s, 9 * DAY);
    store_close(s);
    snprintf(path, sizeof path, "%s/feedwatch.db", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 1100 * 4096); /* it had 20 MB */
}

static void gives_alerts_back_whole(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = bind(s, "f", "https://example.org/feed");
    struct alert a = an_alert("caf\xC3\xA9");

    a.published_s = -5;
    a.item_id = STR("tag:1");
    a.snippet = STR("... text ...");
    assert_int_equal(commit_one(s, feed, 1, &a), 0);
    sqlite3 *db;
    char path[100];
    snprintf(path, sizeof path, "%s/feedwatch.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK); /* anyone can read it */
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT title, matched, published_s, item_id,"
                                        " snippet, length(item_key) FROM alert",
                                        -1, &st, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(st, 0), "caf\xC3\xA9");
    assert_string_equal(sqlite3_column_text(st, 1), "Putin\nXi\n");
    assert_int_equal(sqlite3_column_int(st, 2), -5);
    assert_string_equal(sqlite3_column_text(st, 3), "tag:1");
    assert_string_equal(sqlite3_column_text(st, 4), "... text ...");
    assert_int_equal(sqlite3_column_int(st, 5), 16);
    sqlite3_finalize(st);
    sqlite3_close(db);
    store_close(s);
}

static void stops_when_the_reader_says_so(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = bind(s, "f", "https://example.org/feed");
    struct gathered g = { .n = 99 };

    for (uint64_t i = 0; i < 3; i++) {
        struct alert a = an_alert("x");
        assert_int_equal(commit_one(s, feed, i, &a), 0);
    }
    assert_int_equal(store_alerts_after(s, 0, 10, gather, &g), 7);
    g.n = 0;
    assert_int_equal(store_alerts_after(s, 1, 1, gather, &g), 0);
    assert_int_equal(g.n, 1);
    assert_int_equal(g.seq[0], 2);
    store_close(s);
}

static void remembers_a_feed_and_its_window(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    struct store_feed f;
    struct buf w;

    assert_int_equal(store_feed_bind(s, "f", "https://example.org/feed", &f), 0);
    assert_false(f.learned);
    assert_null(f.etag);
    f.etag = strdup("W/\"x\"");
    f.learned = true;
    f.polls = 3;
    f.http_status = 200;
    struct store_change c = { .feed_id = f.id, .window = { "a\0b", 3 }, .feed = &f };
    struct store_change *all[] = { &c };
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    store_feed_done(&f);
    store_close(s);

    s = open_store(STORE_WRITE);
    assert_int_equal(store_feed_bind(s, "f", "https://example.org/feed", &f), 0);
    assert_string_equal(f.etag, "W/\"x\"");
    assert_true(f.learned);
    assert_int_equal(f.polls, 3);
    assert_int_equal(f.http_status, 200);
    buf_init(&w, 100);
    assert_int_equal(store_window_read(s, f.id, &w), 0);
    assert_int_equal(w.n, 3);
    assert_memory_equal(w.s, "a\0b", 3);
    buf_free(&w);
    store_feed_done(&f);
    store_close(s);
}

static void keeps_the_window_when_name_or_address_change(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t id = bind(s, "old", "https://example.org/feed");
    struct store_feed f = { .etag = (char *)(uintptr_t) "x" };
    struct store_change c = { .feed_id = id, .window = STR("window"), .feed = &f };
    struct store_change *all[] = { &c };

    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    assert_int_equal(bind(s, "new", "https://example.org/feed"), id); /* renamed */
    assert_int_equal(store_feed_bind(s, "new", "https://example.com/feed", &f), 0);
    assert_int_equal(f.id, id); /* moved */
    assert_null(f.etag);
    store_feed_done(&f);

    /* One address under two names: the second row knows what the first has seen. */
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(bind(s, "new", "https://example.com/feed"), id);
    int64_t twin = bind(s, "twin", "https://example.com/feed");
    assert_int_equal(store_end(s), 0);
    assert_int_not_equal(twin, id);
    struct buf w;
    buf_init(&w, 100);
    assert_int_equal(store_window_read(s, twin, &w), 0);
    assert_string_equal(w.s, "window");
    buf_free(&w);
    store_close(s);
}

static void keeps_cursors(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = bind(s, "f", "https://example.org/feed");
    struct store_cursor c;
    struct alert a = an_alert("x");

    assert_int_equal(commit_one(s, feed, 1, &a), 0);
    assert_int_equal(store_cursor_read(s, "log", &c), 0);
    assert_int_equal(c.seq, 1); /* never heard of: starts at now */
    c = (struct store_cursor){ .sink = "log", .failures = 3, .retry_ms = 99 };
    assert_int_equal(store_commit(s, NULL, 0, &c, 1), 0);
    assert_int_equal(store_cursor_read(s, "log", &c), 0);
    assert_int_equal(c.seq, 0);
    assert_int_equal(c.failures, 3);
    assert_int_equal(c.retry_ms, 99);
    c = (struct store_cursor){ .sink = "gone", .seq = 0 };
    assert_int_equal(store_commit(s, NULL, 0, &c, 1), 0);
    assert_int_equal(store_cursors_keep(s, STR("x\nlog\n")), 0);
    assert_int_equal(store_cursor_read(s, "gone", &c), 0);
    assert_int_equal(c.seq, 1); /* as never heard of */
    assert_int_equal(store_cursor_read(s, "log", &c), 0);
    assert_int_equal(c.seq, 0);
    struct store_cursor both[] = { { .sink = "log", .seq = 0 },
                                   { .sink = "log", .seq = -1 } };
    assert_int_equal(store_commit(s, NULL, 0, both, 2), 0);
    assert_int_equal(store_cursor_read(s, "log", &c), 0);
    assert_int_equal(c.seq, 1);
    assert_int_equal(store_seq_raise(s, 41), 0);
    assert_int_equal(store_seq_raise(s, 7), 0);
    assert_int_equal(store_last_seq(s), 41);
    a.seq = 0;
    assert_int_equal(commit_one(s, feed, 2, &a), 0);
    assert_int_equal(a.seq, 42);
    store_close(s);
}

static void changes_nothing_when_a_part_fails(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE);
    int64_t feed = bind(s, "f", "https://example.org/feed");
    struct alert a = an_alert("x");
    struct seen_key k = { 1, 1 };
    struct store_feed nobody = { 0 };
    struct store_change good = {
        .feed_id = feed, .alert_keys = &k, .alerts = &a, .n_alerts = 1
    };
    struct store_change bad = { .feed_id = 999, .feed = &nobody };
    struct store_change *all[] = { &good, &bad };

    assert_int_equal(store_commit(s, all, 2, NULL, 0), -ENOENT);
    assert_string_equal(store_why(s), "there is no feed number 999");
    assert_int_equal(a.seq, 0);
    assert_int_equal(store_last_seq(s), 0);
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    assert_int_equal(a.seq, 1);
    store_close(s);
}

static int count_feed(void *ctx, const struct store_feed *f)
{
    (void)f;
    ++*(int *)ctx;
    return 0;
}

static void readers_see_commits_while_a_writer_runs(void **state)
{
    (void)state;
    struct store *w = open_store(STORE_WRITE), *r = open_store(STORE_READ);
    int feeds = 0;
    int64_t feed = bind(w, "f", "https://example.org/feed");
    struct alert a = an_alert("x");

    assert_int_equal(commit_one(w, feed, 1, &a), 0);
    assert_int_equal(store_last_seq(r), 1);
    assert_int_equal(store_feeds(r, count_feed, &feeds), 0);
    assert_int_equal(feeds, 1);
    store_close(w);
    assert_int_equal(store_last_seq(r), 1);
    store_close(r);
    r = open_store(STORE_READ); /* no writer at all */
    assert_int_equal(store_last_seq(r), 1);
    assert_true(commit_one(r, feed, 2, &a) < 0);
    store_close(r);
}

static void refuses_a_second_writer(void **state)
{
    (void)state;
    struct store *s = open_store(STORE_WRITE), *t = NULL;
    struct buf why;
    char pid[40];

    buf_init(&why, 1000);
    assert_int_equal(store_open(&t, dir, STORE_WRITE, &why), -EBUSY);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(why.s, pid));
    assert_null(t);
    store_close(s);
    store_close(open_store(STORE_WRITE));
    buf_free(&why);
}

static void says_that_there_is_no_store(void **state)
{
    (void)state;
    struct store *s = NULL;
    struct buf why;

    buf_init(&why, 1000);
    assert_int_equal(store_open(&s, dir, STORE_READ, &why), -ENOENT);
    assert_non_null(strstr(why.s, "feedwatch.db"));
    buf_free(&why);
}

static void makes_private_folders(void **state)
{
    (void)state;
    char deep[100];
    struct stat st;
    struct store *s = NULL;
    struct buf why;

    buf_init(&why, 1000);
    snprintf(deep, sizeof deep, "%s/a/b", dir);
    assert_int_equal(store_open(&s, deep, STORE_WRITE, &why), 0);
    store_close(s);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(deep, sizeof deep, "%s/a/b/feedwatch.db", dir);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    buf_free(&why);
}

static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
    T(numbers_alerts_without_gaps_and_once),
    T(gives_alerts_back_whole),
    T(keeps_the_whole_record),
    T(finds_those_since_a_time),
    T(keeps_items_within_age_and_size),
    T(forgets_old_alerts_but_no_number),
    T(gives_space_back),
    T(gives_every_text_back),
    T(adds_sources_to_an_alert_of_before),
    T(finds_the_latest_of_a_kind),
    T(counts_generations_of_the_config),
    T(stops_when_the_reader_says_so),
    T(remembers_a_feed_and_its_window),
    T(keeps_the_window_when_name_or_address_change),
    T(keeps_cursors),
    T(changes_nothing_when_a_part_fails),
    T(readers_see_commits_while_a_writer_runs),
    T(refuses_a_second_writer),
    T(says_that_there_is_no_store),
    T(makes_private_folders),
};
TEST_MAIN(tests)
