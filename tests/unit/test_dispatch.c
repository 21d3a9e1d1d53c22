/* dispatch: cursors and retry state over restarts, giving up, changed and dropped sinks.
 */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "clock.h"
#include "dispatch.h"
#include "item.h"
#include "log.h"
#include "sink.h"
#include "temp_dir.h"

/* --- a sink that does as it is told --- */

static struct {
    int error;    /* what deliver() answers, or 0 */
    size_t tries; /* calls of deliver() */
    char got[1000];
    int64_t last;
    bool slow; /* what it takes is not delivered yet */
} fake;

struct fake_sink {
    struct sink sink;
    char name[20];
};

static int fake_deliver(struct sink *s, const struct alert *const *alerts, size_t n,
                        struct buf *why)
{
    (void)s;
    fake.tries++;
    if (fake.error)
        return buf_puts(why, "as told"), fake.error;
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(fake.got);
        snprintf(fake.got + used, sizeof fake.got - used, "%d ", (int)alerts[i]->seq);
        fake.last = alerts[i]->seq;
    }
    return (int)n;
}

static int64_t fake_delivered(struct sink *s)
{
    (void)s;
    return fake.slow ? -1 : fake.last;
}

static int fake_fd(struct sink *s)
{
    (void)s;
    return -1;
}

static int fake_reopen(struct sink *s)
{
    (void)s;
    return 0;
}

static void fake_free(struct sink *s, int64_t deadline_ms)
{
    (void)deadline_ms;
    free(s);
}

static int fake_open(struct sink **out, const struct sink_options *o, struct buf *why)
{
    static const struct sink_ops ops = { .type = "fake",
                                         .deliver = fake_deliver,
                                         .delivered = fake_delivered,
                                         .fd = fake_fd,
                                         .reopen = fake_reopen,
                                         .free = fake_free };
    struct fake_sink *s = calloc(1, sizeof *s);

    (void)why;
    assert_non_null(s);
    s->sink.ops = &ops;
    snprintf(s->name, sizeof s->name, "%s", o->name);
    s->sink.name = s->name;
    fake.last = -1;
    *out = &s->sink;
    return 0;
}

const struct sink_type *__real_sink_type_find(struct str type);
const struct sink_type *__wrap_sink_type_find(struct str type);
const struct sink_type *__wrap_sink_type_find(struct str type)
{
    static const struct sink_type kind = {
        .type = "fake", .keys = " url ", .needs = "", .open = fake_open
    };

    return str_eq(type, STR("fake")) ? &kind : __real_sink_type_find(type);
}

/* --- a daemon without pollers --- */

struct rig {
    struct config *config;
    struct writer *writer;
    struct dispatch *dispatch;
    sd_event *event;
    int64_t feed;
    uint64_t key;
};

static int make_dir(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    log_set_level(LOG_LEVEL_ERROR);
    return temp_dir_make("/tmp", "dispatch");
}

static struct config *config(const char *log, const char *more)
{
    struct config *c = NULL;
    struct buf text, errors;

    buf_init(&text, 10000);
    buf_init(&errors, 10000);
    (void)buf_printf(&text,
                     "[feedwatch]\nstate = %s\nlog = %s/%s\ndesktop = no\n"
                     "[feeds]\nf = http://example.org/\n[watchlist]\nw = a\n%s",
                     dir, dir, log, more);
    int r = config_parse(&c, "test.ini", buf_str(&text), &errors);
    if (r < 0)
        print_error("%s", errors.s);
    assert_int_equal(r, 0);
    buf_free(&text);
    buf_free(&errors);
    return c;
}

static void up(struct rig *g, const char *log, const char *more)
{
    struct store *s = NULL;
    struct store_feed f;
    struct buf why;

    buf_init(&why, 1000);
    g->config = config(log, more);
    assert_int_equal(store_open(&s, dir, STORE_WRITE, &why), 0);
    assert_int_equal(store_feed_bind(s, "f", "http://example.org/", &f), 0);
    g->feed = f.id;
    store_feed_done(&f);
    assert_int_equal(dispatch_new(&g->dispatch, g->config, s, &why), 0);
    assert_int_equal(writer_new(&g->writer, s, 64), 0);
    assert_true(sd_event_new(&g->event) >= 0);
    assert_true(dispatch_start(g->dispatch, g->event, g->writer) >= 0);
    buf_free(&why);
}

static void down(struct rig *g)
{
    dispatch_free(g->dispatch, 100);
    assert_int_equal(writer_stop(g->writer, 5000), 0);
    sd_event_unref(g->event);
    config_unref(g->config);
}

static void reload(struct rig *g, const char *log, const char *more)
{
    struct config *c = config(log, more);
    struct buf why;

    buf_init(&why, 1000);
    struct dispatch_next *next;
    assert_int_equal(dispatch_prepare(&next, g->dispatch, c, &why), 0);
    dispatch_swap(next);
    buf_free(&why);
    config_unref(g->config);
    g->config = c;
}

/* An alert that matched `age_s` ago, and what the event loop makes of it. */
static void alert(struct rig *g, int64_t age_s, const char *held)
{
    struct seen_key key = { ++g->key + (uint64_t)clock_mono_ms() * 1000, 1 };
    struct alert a = { .time_ms = clock_utc_ms() - age_s * 1000,
                       .published_s = ITEM_NO_TIME,
                       .watch = STR("w"),
                       .feed = STR("f"),
                       .title = STR("t"),
                       .held = str_of(held) };
    struct write_request r = {
        .change = { .feed_id = g->feed, .alert_keys = &key, .alerts = &a, .n_alerts = 1 }
    };

    writer_push(g->writer, &r);
    assert_int_equal(writer_sync(g->writer, 5000), 0);
    while (sd_event_run(g->event, 1000) > 0) /* one event: the commit */
        ;
}

static struct store_cursor cursor(struct rig *g, const char *sink)
{
    struct store_cursor c;
    struct store *s = NULL;
    struct buf why;

    buf_init(&why, 1000);
    assert_int_equal(writer_sync(g->writer, 5000), 0);
    assert_int_equal(store_open(&s, dir, STORE_READ, &why), 0);
    assert_int_equal(store_cursor_read(s, sink, &c), 0);
    store_close(s);
    buf_free(&why);
    return c;
}

static size_t lines(const char *name, const char *part)
{
    char path[200], line[1000];
    size_t n = 0;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        n += strstr(line, part) != NULL;
    if (f)
        fclose(f);
    return n;
}

#define FAKE "[sink:x]\ntype = fake\n"

static void starts_a_new_sink_at_now(void **state)
{
    (void)state;
    struct rig g = { 0 };

    up(&g, "log", "");
    alert(&g, 0, "");
    reload(&g, "log", FAKE);
    alert(&g, 0, "");
    assert_string_equal(fake.got, "2 ");
    reload(&g, "log", ""); /* it goes */
    alert(&g, 0, "");
    reload(&g, "log", FAKE); /* and comes back, as a new one */
    alert(&g, 0, "");
    assert_string_equal(fake.got, "2 4 ");
    down(&g);
    up(&g, "log", "");
    alert(&g, 0, "");
    down(&g);
    up(&g, "log", FAKE); /* the same over restarts */
    alert(&g, 0, "");
    assert_string_equal(fake.got, "2 4 6 ");
    down(&g);
    assert_int_equal(lines("log", " #"), 6);
}

static void keeps_its_retry_state_over_restarts(void **state)
{
    (void)state;
    struct rig g = { 0 };

    fake.error = -EIO;
    up(&g, "log", FAKE);
    alert(&g, 0, "");
    assert_int_equal(fake.tries, 1);
    for (int i = 0; i < 6; i++) /* each try at once, as --once has it */
        dispatch_flush(g.dispatch);
    assert_int_equal(fake.tries, 7);
    struct store_cursor c = cursor(&g, "x");
    assert_int_equal(c.failures, 7);
    assert_int_equal(c.seq, 0);
    int64_t wait = c.retry_ms - clock_utc_ms();
    assert_true(wait > 25000 && wait <= 32000); /* 0.5 s * 2^6 */
    down(&g);

    fake.error = 0;
    up(&g, "log", FAKE);
    alert(&g, 0, "");
    assert_int_equal(fake.tries, 7); /* not before its time */
    assert_int_equal(cursor(&g, "x").failures, 7);
    dispatch_flush(g.dispatch);
    assert_string_equal(fake.got, "1 2 ");
    c = cursor(&g, "x");
    assert_true(c.seq == 2 && c.failures == 0 && c.retry_ms == 0);
    down(&g);
    assert_int_equal(lines("log", " #"), 2); /* it did not wait for the other sink */
}

static void gives_up_what_has_become_too_old(void **state)
{
    (void)state;
    struct rig g = { 0 };

    up(&g, "log", FAKE);
    alert(&g, 8 * 86400, ""); /* late, but the sink works */
    assert_string_equal(fake.got, "1 ");
    fake.error = -EIO;
    alert(&g, 8 * 86400, "");
    alert(&g, 9 * 86400, "");
    alert(&g, 3600, "");
    dispatch_flush(g.dispatch);
    assert_int_equal(cursor(&g, "x").seq, 3);
    fake.error = 0;
    dispatch_flush(g.dispatch);
    assert_string_equal(fake.got, "1 4 ");
    down(&g);
    assert_int_equal(lines("log", " #"), 4);
}

static void shows_what_is_held_in_the_log_only(void **state)
{
    (void)state;
    struct rig g = { 0 };

    up(&g, "log", FAKE);
    alert(&g, 0, "quiet");
    alert(&g, 0, "");
    assert_string_equal(fake.got, "2 ");
    assert_int_equal(cursor(&g, "x").seq, 2);
    assert_int_equal(lines("log", " held=quiet"), 1);
    down(&g);
}

/* Each number has one line, in one file or the other. */
static void moves_the_log_on_reload(void **state)
{
    (void)state;
    struct rig g = { 0 };

    up(&g, "one", "");
    for (int i = 0; i < 20; i++) {
        alert(&g, 0, "");
        /* the cursor of that line is still on its way to the store */
        reload(&g, i % 2 ? "one" : "two", i % 3 ? "" : FAKE);
        alert(&g, 0, "");
    }
    down(&g);
    for (int i = 1; i <= 40; i++) {
        char part[20];

        snprintf(part, sizeof part, " #%d ", i);
        assert_int_equal(lines("one", part) + lines("two", part), 1);
    }
}

/* The new log has lines of another store: numbers go on after it. */
static void goes_on_after_a_log_that_is_ahead(void **state)
{
    (void)state;
    struct rig g = { 0 };
    char path[200];

    up(&g, "one", "");
    alert(&g, 0, "");
    snprintf(path, sizeof path, "%s/two", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("2026-11-24T03:43:13.123Z #500 w [f] t\n", f);
    fclose(f);
    reload(&g, "two", "");
    alert(&g, 0, "");
    down(&g);
    assert_int_equal(lines("two", " #501 "), 1);
}

static struct metrics_sink sink_x(struct rig *g)
{
    struct metrics_sink out[4];

    assert_int_equal(dispatch_sinks(g->dispatch, out, 4), 2);
    return out[1];
}

static int64_t counted(struct rig *g)
{
    const struct latency *l = sink_x(g).latency;
    int64_t n = 0;

    for (int i = 0; i <= LATENCY_BUCKETS; i++)
        n += l->count[i];
    return n;
}

/* How long an alert takes is known when it is there, not when it was handed over. */
static void counts_latency_to_the_end(void **state)
{
    (void)state;
    struct rig g = { 0 };

    up(&g, "log", FAKE);
    fake.slow = true;
    alert(&g, 2, "");
    alert(&g, 2, "");
    dispatch_flush(g.dispatch);
    assert_int_equal(sink_x(&g).delivered, 2);
    assert_int_equal(counted(&g), 0);
    fake.slow = false;
    dispatch_flush(g.dispatch);
    assert_int_equal(counted(&g), 2);
    assert_true(sink_x(&g).latency->sum_ms >= 4000);
    down(&g);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)

static const struct CMUnitTest tests[] = {
    T(starts_a_new_sink_at_now),         T(keeps_its_retry_state_over_restarts),
    T(gives_up_what_has_become_too_old), T(shows_what_is_held_in_the_log_only),
    T(moves_the_log_on_reload),          T(goes_on_after_a_log_that_is_ahead),
    T(counts_latency_to_the_end),
};
TEST_MAIN(tests)
