/* store: stories, digests and what is held back, over a restart. */
#include "test.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "item.h"
#include "store.h"

static char dir[64];
static struct store *store;
static struct buf why, seen;
static int64_t feed_id;

static void open_store(void)
{
    struct store_feed f = { 0 };

    store_close(store);
    store = NULL;
    assert_true(store_open(&store, dir, STORE_WRITE, &why) >= 0);
    assert_int_equal(store_begin(store), 0);
    assert_int_equal(store_feed_bind(store, "a", "https://a.example/", &f), 0);
    assert_int_equal(store_end(store), 0);
    feed_id = f.id;
    store_feed_done(&f);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_store_noise.XXXXXX");
    buf_init(&why, 10000);
    buf_init(&seen, 10000);
    if (!mkdtemp(dir))
        return -1;
    open_store();
    return 0;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    store_close(store);
    store = NULL;
    buf_free(&why);
    buf_free(&seen);
    return nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static void commit(struct store_change *c)
{
    assert_int_equal(store_commit(store, &c, 1, NULL, 0), 0);
}

static void put_alert(uint64_t key, const char *watch, const char *held, int64_t time_ms)
{
    struct seen_key k = { key, 0 };
    struct alert a = { .time_ms = time_ms, .published_s = ITEM_NO_TIME };
    struct store_change c = {
        .feed_id = feed_id, .alert_keys = &k, .alerts = &a, .n_alerts = 1
    };

    a.watch = str_of(watch);
    a.held = str_of(held);
    a.title = STR("t");
    commit(&c);
}

static void put_digest(const char *watch, int64_t first, int64_t last, int64_t time_ms)
{
    struct digest d = { .id = "0123456789abcdef0123456789abcdef",
                        .time_ms = time_ms,
                        .count = 2,
                        .first_seq = first,
                        .last_seq = last,
                        .priority = ALERT_CRITICAL,
                        .late = true,
                        .reason = STR("quiet\n"),
                        .sinks = STR("desktop\n") };
    struct store_change c = { .digests = &d, .n_digests = 1 };

    d.watch = str_of(watch);
    commit(&c);
    assert_true(d.seq > 0);
}

static int note_open(void *ctx, const struct store_open_alert *a)
{
    (void)ctx;
    return buf_printf(&seen, "%d%.*s%s%s ", (int)a->seq, (int)a->watch.n, a->watch.s,
                      a->held.n ? "-" : "", a->waits ? "w" : "");
}

static const char *open_since(int64_t ms)
{
    buf_clear(&seen);
    (void)buf_puts(&seen, "");
    assert_int_equal(store_alerts_open(store, ms, note_open, NULL), 0);
    return seen.s;
}

static int note_alert(void *ctx, const struct alert *a)
{
    (void)ctx;
    return buf_printf(&seen, "%d ", (int)a->seq);
}

static int note_digest(void *ctx, const struct digest *d)
{
    (void)ctx;
    (void)buf_printf(&seen, "digest %d %s %.*s %d %d-%d late=%d: ", (int)d->seq, d->id,
                     (int)d->watch.n, d->watch.s, (int)d->count, (int)d->first_seq,
                     (int)d->last_seq, d->late);
    assert_true(str_eq(d->reason, STR("quiet\n")));
    assert_true(str_eq(d->sinks, STR("desktop\n")));
    return seen.error;
}

static void knows_what_no_digest_has_told(void **state)
{
    (void)state;
    put_alert(1, "x", "", 1000);
    put_alert(2, "x", "quiet", 2000);
    put_alert(3, "y", "quiet", 3000);
    put_alert(4, "x", "max_age", 4000);
    put_alert(5, "x", "storm", 5000);
    put_alert(6, "x", "", 6000);
    assert_string_equal(open_since(0), "1x 2x-w 3y-w 4x-w 5x-w 6x ");
    assert_string_equal(open_since(5500), "2x-w 3y-w 5x-w 6x ");
    put_digest("x", 2, 5, 7000);
    open_store();
    assert_string_equal(open_since(5500), "3y-w 6x ");
    assert_string_equal(open_since(4500), "3y-w 5x- 6x ");
    put_alert(7, "x", "quiet", 8000);
    assert_string_equal(open_since(7000), "3y-w 7x-w ");
}

static void digests_have_their_alerts_and_cursors(void **state)
{
    (void)state;
    struct store_cursor c = { .sink = "desktop", .of_digests = true, .digest_seq = 1 };
    struct digest d = { .watch = STR("x"), .first_seq = 1, .last_seq = 9 };
    int64_t seq;

    put_alert(1, "x", "quiet", 1000);
    put_alert(2, "x", "", 1000);
    put_alert(3, "y", "quiet", 1000);
    put_alert(4, "x", "quiet", 1000);
    put_alert(5, "x", "max_age", 1000);
    assert_int_equal(store_last_digest(store), 0);
    put_digest("x", 1, 4, 2000);
    put_digest("y", 3, 3, 2000);
    open_store();
    assert_int_equal(store_last_digest(store), 2);
    buf_clear(&seen);
    assert_int_equal(store_digests_after(store, 0, 1, note_digest, NULL), 0);
    assert_string_equal(seen.s, "digest 1 0123456789abcdef0123456789abcdef x 2 1-4 "
                                "late=1: ");
    buf_clear(&seen);
    assert_int_equal(store_digest_alerts(store, &d, 50, note_alert, NULL), 0);
    assert_string_equal(seen.s, "1 4 ");
    assert_int_equal(store_digest_cursor(store, "desktop", &seq), 0);
    assert_int_equal(seq, 2); /* a new sink starts at now */
    assert_int_equal(store_commit(store, NULL, 0, &c, 1), 0);
    open_store();
    assert_int_equal(store_digest_cursor(store, "desktop", &seq), 0);
    assert_int_equal(seq, 1);
}

static void the_last_digest_of_a_watch_is_kept(void **state)
{
    (void)state;
    int64_t day = 86400000;

    put_alert(1, "x", "quiet", 1);
    put_alert(2, "y", "quiet", 2);
    put_digest("x", 1, 1, day);
    put_digest("x", 1, 1, 2 * day);
    put_digest("y", 2, 2, 3 * day);
    put_digest("y", 2, 2, 300 * day);
    buf_clear(&seen);
    assert_int_equal(store_digests_after(store, 0, 9, note_digest, NULL), 0);
    assert_non_null(strstr(seen.s, "digest 2 "));
    assert_null(strstr(seen.s, "digest 1 "));
    assert_null(strstr(seen.s, "digest 3 "));
    assert_string_equal(open_since(100), "");
}

static int note_story(void *ctx, const struct store_story *s)
{
    (void)ctx;
    return buf_printf(&seen, "%d %.*s %d %.*s; ", (int)s->id, (int)s->watch.n, s->watch.s,
                      (int)s->until_ms, (int)s->packed.n, s->packed.s);
}

static void stories_are_rows(void **state)
{
    (void)state;
    struct store_story rows[] = { { 1, 100, STR("x"), STR("one") },
                                  { 2, 200, STR("y"), STR("two") } };
    struct store_story later[] = { { .id = 1 }, { 2, 300, STR("y"), STR("more") } };
    struct store_change c = { .stories = rows, .n_stories = 2 };

    commit(&c);
    c.stories = later;
    commit(&c);
    open_store();
    buf_clear(&seen);
    assert_int_equal(store_stories(store, note_story, NULL), 0);
    assert_string_equal(seen.s, "2 y 300 more; ");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
static const struct CMUnitTest tests[] = {
    T(knows_what_no_digest_has_told),
    T(digests_have_their_alerts_and_cursors),
    T(the_last_digest_of_a_watch_is_kept),
    T(stories_are_rows),
};
TEST_MAIN(tests)
