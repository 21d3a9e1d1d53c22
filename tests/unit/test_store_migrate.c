/* store: a store of the first version is taken along whole; a reader leaves it alone. */
#include "test.h"
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "first_schema.h"
#include "store.h"
#include "temp_dir.h"

static const char first_rows[] =
    "INSERT INTO feed (name, url, etag, learned, polls)"
    " VALUES ('f', 'https://example.org/feed', '\"e\"', 1, 7);"
    "INSERT INTO window VALUES (1, x'00112233');"
    "INSERT INTO alert VALUES (1, 1, x'00000000000000010000000000000001', 'w',"
    " '00112233445566778899aabbccddeeff', 1700000000123, NULL, 2, 'f', 'one',"
    " 'https://example.org/1', 'tag:1', 'snippet', 'Xi' || char(10), '');"
    "INSERT INTO cursor VALUES ('log', 1, 0, 0);";

static int make_dir(void **state)
{
    (void)state;
    return temp_dir_make("/tmp", "migrate");
}

static void make_first_version(void)
{
    sqlite3 *db;
    char path[100], *error = NULL;

    snprintf(path, sizeof path, "%s/feedwatch.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, first_schema, NULL, NULL, &error) != SQLITE_OK ||
        sqlite3_exec(db, first_rows, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    sqlite3_close(db);
}

static int open_as(struct store **s, enum store_mode mode)
{
    struct buf why;

    buf_init(&why, 1000);
    int r = store_open(s, dir, mode, &why);
    buf_free(&why);
    return r;
}

static int check_alert(void *ctx, const struct alert *a)
{
    ++*(int *)ctx;
    assert_int_equal(a->seq, 1);
    assert_string_equal(a->id, "00112233445566778899aabbccddeeff");
    assert_true(str_eq(a->title, STR("one")) && str_eq(a->matched, STR("Xi\n")));
    assert_true(!a->rule.n && !a->held.n && !a->sources.n && !a->late && !a->update);
    return 0;
}

static void takes_the_first_version_along(void **state)
{
    (void)state;
    struct store *s = NULL;
    struct store_feed f;
    struct store_cursor c;
    struct buf window;
    int n = 0;

    make_first_version();
    assert_int_equal(open_as(&s, STORE_READ), -EPROTO); /* it changes nothing */
    assert_int_equal(open_as(&s, STORE_WRITE), 0);
    assert_int_equal(store_feed_bind(s, "f", "https://example.org/feed", &f), 0);
    assert_true(f.learned && f.polls == 7);
    assert_string_equal(f.etag, "\"e\"");
    buf_init(&window, 100);
    assert_int_equal(store_window_read(s, f.id, &window), 0);
    assert_int_equal(window.n, 4);
    assert_int_equal(store_alerts_after(s, 0, 10, check_alert, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(store_cursor_read(s, "log", &c), 0);
    assert_int_equal(c.seq, 1);

    struct seen_key key = { 1, 1 }; /* the one that is recorded already */
    struct alert a = { .watch = STR("w"), .feed = STR("f") };
    struct store_change again = {
        .feed_id = f.id, .alert_keys = &key, .alerts = &a, .n_alerts = 1
    };
    struct store_change *all[] = { &again };
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    assert_int_equal(a.seq, 0);
    store_feed_done(&f);
    buf_free(&window);
    store_close(s);
    assert_int_equal(open_as(&s, STORE_READ), 0);
    store_close(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)

static const struct CMUnitTest tests[] = {
    T(takes_the_first_version_along),
};
TEST_MAIN(tests)
