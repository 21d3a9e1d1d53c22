/* A feed's row: every field comes back, old stores are taken along, a day's traffic. */
#include "test.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "first_schema.h"
#include "store.h"

#define HOUR_MS ((int64_t)3600 * 1000)

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/feedwatch-store.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *const names[] = { "feedwatch.db", "feedwatch.db-wal",
                                         "feedwatch.db-shm", "feedwatch.lock" };
    char path[128];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

static struct store *open_store(void)
{
    struct store *s = NULL;
    struct buf why;

    buf_init(&why, 1000);
    int r = store_open(&s, dir, STORE_WRITE, &why);
    if (r != 0)
        print_message("%d: %s\n", r, why.s ? why.s : "");
    assert_int_equal(r, 0);
    buf_free(&why);
    return s;
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void every_field_comes_back(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_feed f, g;

    assert_int_equal(store_feed_bind(s, "f", "https://example.org/feed", &f), 0);
    g = (struct store_feed){
        .effective_url = text("https://example.com/feed"),
        .etag = text("\"e\""),
        .last_modified = text("yesterday"),
        .due_ms = 1,
        .last_poll_ms = 2,
        .last_success_ms = 3,
        .last_change_ms = 4,
        .polls = 5,
        .not_modified = 6,
        .items = 7,
        .alerts = 8,
        .bytes = 9,
        .http_status = 10,
        .failures = 11,
        .error = text("error"),
        .title = text("title"),
        .learned = true,
        .gone = true,
        .recheck = true,
        .due_why = STORE_DUE_SKIP,
        .told = STORE_TOLD_BROKEN | STORE_TOLD_SILENT,
        .moved_by = STORE_MOVE_SELF,
        .skip_days = 127,
        .skip_hours = 0xFFFFFF,
        .fresh_s = 12,
        .ttl_s = 13,
        .first_ms = 14,
        .rhythm_s = 15,
        .silent_s = 16,
        .last_item_ms = INT64_C(1) << 41,
        .urgent_s = 17,
        .gaps = 18,
        .last_gap_ms = 19,
        .failing_since_ms = 20,
        .hold_ms = 21,
        .host_failures = 22,
        .auth_mark = INT64_MIN,
        .moved_to = text("https://example.net/feed"),
        .hub = text("https://hub.example.net/"),
        .moved_seen = 23,
        .moved_since_ms = 24,
        .full_due_ms = 25,
    };
    for (int64_t i = 0; i < 40; i++)
        store_traffic_add(&g.traffic, i * HOUR_MS, 60000, (unsigned)i, 3000000000);
    struct store_change c = { .feed_id = f.id, .feed = &g };
    struct store_change *all[] = { &c };
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    g.id = f.id;
    g.name = f.name;
    g.url = f.url;
    store_close(s);

    s = open_store();
    struct store_feed h;
    assert_int_equal(store_feed_bind(s, "f", "https://example.org/feed", &h), 0);
    char **got[] = { &h.name,  &h.url,   &h.effective_url, &h.etag, &h.last_modified,
                     &h.error, &h.title, &h.moved_to,      &h.hub };
    char **want[] = { &g.name,  &g.url,   &g.effective_url, &g.etag, &g.last_modified,
                      &g.error, &g.title, &g.moved_to,      &g.hub };
    struct store_feed owned = h;
    for (size_t i = 0; i < sizeof got / sizeof got[0]; i++) {
        assert_string_equal(*got[i], *want[i]);
        *got[i] = *want[i] = NULL;
    }
    assert_memory_equal(&h.traffic, &g.traffic, sizeof h.traffic);
    assert_int_equal(h.auth_mark, INT64_MIN);
    assert_int_equal(h.full_due_ms, 25);
    assert_int_equal(h.moved_since_ms, 24);
    assert_int_equal(h.moved_seen, 23);
    assert_int_equal(h.host_failures, 22);
    assert_int_equal(h.hold_ms, 21);
    assert_int_equal(h.failing_since_ms, 20);
    assert_int_equal(h.last_gap_ms, 19);
    assert_int_equal(h.gaps, 18);
    assert_int_equal(h.urgent_s, 17);
    assert_true(h.last_item_ms == INT64_C(1) << 41);
    assert_int_equal(h.silent_s, 16);
    assert_int_equal(h.rhythm_s, 15);
    assert_int_equal(h.first_ms, 14);
    assert_int_equal(h.ttl_s, 13);
    assert_int_equal(h.fresh_s, 12);
    assert_int_equal(h.skip_hours, 0xFFFFFF);
    assert_int_equal(h.skip_days, 127);
    assert_int_equal(h.moved_by, STORE_MOVE_SELF);
    assert_int_equal(h.told, 3);
    assert_int_equal(h.due_why, STORE_DUE_SKIP);
    assert_true(h.recheck && h.gone && h.learned);
    assert_int_equal(h.failures, 11);
    assert_int_equal(h.http_status, 10);
    assert_int_equal(h.bytes, 9);
    assert_int_equal(h.alerts, 8);
    assert_int_equal(h.items, 7);
    assert_int_equal(h.not_modified, 6);
    assert_int_equal(h.polls, 5);
    assert_int_equal(h.last_change_ms, 4);
    assert_int_equal(h.last_success_ms, 3);
    assert_int_equal(h.last_poll_ms, 2);
    assert_int_equal(h.due_ms, 1);
    store_feed_done(&owned);
    store_feed_done(&f);
    store_close(s);
}

static void another_address_starts_over_but_keeps_the_counters(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_feed f, g = { .learned = true,
                               .etag = text("x"),
                               .effective_url = text("https://example.com/"),
                               .moved_to = text("https://example.net/"),
                               .polls = 9,
                               .failures = 3,
                               .due_ms = 99,
                               .gone = true,
                               .auth_mark = 1,
                               .urgent_s = 60 };

    assert_int_equal(store_feed_bind(s, "f", "https://example.org/a", &f), 0);
    struct store_change c = { .feed_id = f.id, .feed = &g };
    struct store_change *all[] = { &c };
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    store_feed_done(&f);
    assert_int_equal(store_feed_bind(s, "f", "https://example.org/b", &f), 0);
    assert_true(f.recheck);
    assert_false(f.gone);
    assert_null(f.etag);
    assert_null(f.effective_url);
    assert_null(f.moved_to);
    assert_int_equal(f.polls, 9);
    assert_int_equal(f.failures, 0);
    assert_int_equal(f.due_ms, 0);
    assert_int_equal(f.auth_mark, 0);
    assert_int_equal(f.urgent_s, 0);
    store_feed_done(&f);
    store_close(s);
}

static void bind_all(struct store *s, const struct store_bind *feeds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        store_feed_done(feeds[i].out);
        *feeds[i].out = (struct store_feed){ 0 };
    }
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_feeds_bind(s, feeds, n), 0);
    assert_int_equal(store_end(s), 0);
}

/* In one pass as one by one: what is there, what moved, what has another name, a second
 * feed of the same address (also when it stands first), and what is new. */
static void binds_many_at_once(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct store_feed f[4] = { 0 }, g[5] = { 0 };
    const struct store_bind before[] = { { "same", "http://a.example/", &f[0] },
                                         { "moved", "http://b.example/", &f[1] },
                                         { "old name", "http://c.example/", &f[2] },
                                         { "gone", "http://d.example/", &f[3] } };
    const struct store_bind after[] = { { "twin", "http://a.example/", &g[0] },
                                        { "new", "http://e.example/", &g[1] },
                                        { "new name", "http://c.example/", &g[2] },
                                        { "moved", "http://b2.example/", &g[3] },
                                        { "same", "http://a.example/", &g[4] } };

    bind_all(s, before, 4);
    bind_all(s, after, 5);
    assert_int_equal(g[4].id, f[0].id);
    assert_int_equal(g[3].id, f[1].id);
    assert_int_equal(g[2].id, f[2].id);
    assert_true(g[0].id > f[3].id && g[1].id > f[3].id && g[0].id != g[1].id);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(g[i].name, after[i].name);
        assert_string_equal(g[i].url, after[i].url);
        store_feed_done(&g[i]);
    }
    bind_all(s, before + 3, 1); /* it was not forgotten meanwhile */
    assert_int_equal(f[3].id, 4);
    bind_all(s, NULL, 0);
    for (size_t i = 0; i < 4; i++)
        store_feed_done(&f[i]);
    store_close(s);
}

static const char first_rows[] =
    "INSERT INTO feed (name, url, etag, due_ms, polls, learned)"
    " VALUES ('f', 'https://example.org/feed', 'W/\"x\"', 77, 5, 1);"
    "INSERT INTO window VALUES (1, 'window');"
    "INSERT INTO alert VALUES (7, 1, x'00', 'w', 'id', 1, NULL, 1, 'f', 't', 'l', 'i',"
    " 's', 'm', '');";

static void takes_the_first_schema_along(void **state)
{
    (void)state;
    char path[128];
    sqlite3 *db = NULL;
    struct store_feed f;

    snprintf(path, sizeof path, "%s/feedwatch.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, first_schema, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, first_rows, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);

    struct store *s = open_store();
    assert_int_equal(store_last_seq(s), 7);
    assert_int_equal(store_feed_bind(s, "f", "https://example.org/feed", &f), 0);
    assert_string_equal(f.etag, "W/\"x\"");
    assert_int_equal(f.due_ms, 77);
    assert_int_equal(f.polls, 5);
    assert_true(f.learned);
    assert_false(f.recheck);
    assert_int_equal(f.due_why, STORE_DUE_NEW);
    assert_int_equal(store_traffic_sum(&f.traffic, 0).requests, 0);
    store_feed_done(&f);
    store_close(s);
}

static void counts_the_last_day(void **state)
{
    (void)state;
    struct store_traffic t = { 0 };
    int64_t day = 20000 * 24 * HOUR_MS;

    for (int64_t h = 0; h < 48; h++)
        store_traffic_add(&t, day + h * HOUR_MS, 4, 3, 1000);
    struct store_traffic_sum sum = store_traffic_sum(&t, day + 47 * HOUR_MS);
    assert_in_range(sum.requests, 24 * 4, 26 * 4);
    assert_int_equal(sum.not_modified * 4, sum.requests * 3);
    assert_int_equal(sum.bytes, sum.requests * 250);
    sum = store_traffic_sum(&t, day + 60 * HOUR_MS); /* half of it has gone by */
    assert_in_range(sum.requests, 12 * 4, 14 * 4);
    sum = store_traffic_sum(&t, day + 100 * HOUR_MS);
    assert_int_equal(sum.requests, 0);
    store_traffic_add(&t, day + 100 * HOUR_MS, 1, 0, 5);
    sum = store_traffic_sum(&t, day + 100 * HOUR_MS);
    assert_int_equal(sum.requests, 1);
    assert_int_equal(sum.bytes, 5);
}

static void counts_through_clock_jumps_and_floods(void **state)
{
    (void)state;
    struct store_traffic t = { 0 };
    int64_t day = 20000 * 24 * HOUR_MS;

    store_traffic_add(&t, day, 70000, 70000, INT64_C(1) << 40);
    assert_int_equal(t.slot[t.newest % STORE_SLOTS].requests, UINT16_MAX);
    assert_true(t.slot[t.newest % STORE_SLOTS].bytes == UINT32_MAX);
    store_traffic_add(&t, day - 50 * HOUR_MS, 2, 1, 1); /* set back: starts over */
    assert_int_equal(store_traffic_sum(&t, day - 50 * HOUR_MS).requests, 2);
    store_traffic_add(&t, -5, 1, 0, 0);
    assert_int_equal(store_traffic_sum(&t, 0).requests, 1);
    store_traffic_add(&t, INT64_MAX, 1, 0, 0);
    assert_int_equal(store_traffic_sum(&t, INT64_MAX).requests, 1);
    assert_int_equal(store_traffic_sum(&t, 0).requests, 0);
}

static void states_have_an_order(void **state)
{
    (void)state;
    struct store_feed f = { 0 };

    assert_int_equal(store_feed_state(&f), STORE_FEED_NEW);
    f.last_success_ms = 1;
    assert_int_equal(store_feed_state(&f), STORE_FEED_OK);
    f.told = STORE_TOLD_SILENT;
    assert_int_equal(store_feed_state(&f), STORE_FEED_SILENT);
    f.failures = 1;
    assert_int_equal(store_feed_state(&f), STORE_FEED_FAILING);
    f.told |= STORE_TOLD_BROKEN;
    assert_int_equal(store_feed_state(&f), STORE_FEED_BROKEN);
    f.auth_mark = 1;
    assert_int_equal(store_feed_state(&f), STORE_FEED_LOGIN);
    f.gone = true;
    assert_int_equal(store_feed_state(&f), STORE_FEED_GONE);
    for (int i = 0; i <= STORE_FEED_GONE; i++)
        assert_string_not_equal(store_feed_state_name((enum store_feed_state)i),
                                "unknown");
    for (int i = 0; i <= STORE_DUE_NEVER; i++)
        assert_string_not_equal(store_due_name((enum store_due)i), "unknown");
}

static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
    T(every_field_comes_back),
    T(another_address_starts_over_but_keeps_the_counters),
    T(binds_many_at_once),
    T(takes_the_first_schema_along),
    cmocka_unit_test(counts_the_last_day),
    cmocka_unit_test(counts_through_clock_jumps_and_floods),
    cmocka_unit_test(states_have_an_order),
};
TEST_MAIN(tests)
