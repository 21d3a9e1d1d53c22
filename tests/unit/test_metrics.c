/* metrics: counters, states, the text and the file. */
#include "test.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "metrics.h"

static struct buf text;

static void render(const struct metrics_scene *scene)
{
    buf_free(&text);
    buf_init(&text, 1 << 20);
    assert_int_equal(metrics_render(&text, scene), 0);
}

static void has(const char *line)
{
    const char *at = strstr(text.s, line);

    if (!at || (at != text.s && at[-1] != '\n') || at[strlen(line)] != '\n')
        fail_msg("no line '%s' in:\n%s", line, text.s);
}

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++)
        metrics_add(METRIC_ITEMS, 2);
    return NULL;
}

static void counters_of_many_threads(void **state)
{
    (void)state;
    pthread_t t[4];
    int64_t before = metrics_get(METRIC_ITEMS);

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(metrics_get(METRIC_ITEMS) - before, 80000);
}

static void each_feed_is_in_one_state(void **state)
{
    (void)state;
    enum feed_state a = FEED_NONE, b = FEED_NONE;

    metrics_feed(&a, FEED_NEW);
    metrics_feed(&b, FEED_OK);
    metrics_feed(&b, FEED_OK);
    metrics_feed(&a, FEED_FAILING);
    render(&(struct metrics_scene){ .n_watches = 7 });
    has("feedwatch_feeds{state=\"new\"} 0");
    has("feedwatch_feeds{state=\"ok\"} 1");
    has("feedwatch_feeds{state=\"failing\"} 1");
    has("feedwatch_watches 7");
    metrics_feed(&a, FEED_NONE);
    metrics_feed(&b, FEED_NONE);
    assert_int_equal(metrics_feeds(FEED_OK), 0);
}

static void polls_by_outcome(void **state)
{
    (void)state;
    int64_t before = metrics_polls();

    metrics_poll(FETCH_UNCHANGED);
    metrics_poll(FETCH_UNCHANGED);
    metrics_poll(FETCH_BAD);
    assert_int_equal(metrics_polls() - before, 3);
    render(&(struct metrics_scene){ .config_refused = true });
    has("feedwatch_polls_total{outcome=\"unchanged\"} 2");
    has("feedwatch_config_refused 1");
}

static void held_alerts_by_watch_and_reason(void **state)
{
    (void)state;

    metrics_held(STR("summit"), NOISE_QUIET);
    metrics_held(STR("summit"), NOISE_QUIET);
    metrics_held(STR("summit"), NOISE_STORM);
    metrics_held(STR("say \"x\""), NOISE_MUTE);
    metrics_add(METRIC_JOINED, 4);
    assert_int_equal(metrics_held_get(STR("summit"), NOISE_QUIET), 2);
    assert_int_equal(metrics_held_get(STR("nobody"), NOISE_QUIET), 0);
    render(&(struct metrics_scene){ 0 });
    has("feedwatch_alerts_held_total{watch=\"summit\",reason=\"quiet\"} 2");
    has("feedwatch_alerts_held_total{watch=\"summit\",reason=\"storm\"} 1");
    has("feedwatch_alerts_held_total{watch=\"say \\\"x\\\"\",reason=\"mute\"} 1");
    has("feedwatch_joined_total 4");
    assert_null(strstr(text.s, "cooldown"));
}

static void match_time_keeps_its_digits(void **state)
{
    (void)state;

    metrics_add(METRIC_MATCH_NS, 1000000042);
    metrics_add(METRIC_MATCHED, 3);
    render(&(struct metrics_scene){ 0 });
    has("feedwatch_match_seconds_sum 1.000000042");
    has("feedwatch_match_seconds_count 3");
}

static void latency_is_a_histogram(void **state)
{
    (void)state;
    struct latency l = { 0 };
    struct metrics_sink sink = { "log", 5, 4, true, &l };

    latency_note(&l, -5);
    latency_note(&l, 1);
    latency_note(&l, 2);
    latency_note(&l, 5000000);
    render(&(struct metrics_scene){ .sinks = &sink, .n_sinks = 1 });
    has("feedwatch_alert_latency_seconds_bucket{sink=\"log\",le=\"0.001\"} 2");
    has("feedwatch_alert_latency_seconds_bucket{sink=\"log\",le=\"0.002\"} 3");
    has("feedwatch_alert_latency_seconds_bucket{sink=\"log\",le=\"3600\"} 3");
    has("feedwatch_alert_latency_seconds_bucket{sink=\"log\",le=\"+Inf\"} 4");
    has("feedwatch_alert_latency_seconds_count{sink=\"log\"} 4");
    has("feedwatch_alert_latency_seconds_sum{sink=\"log\"} 5000.003");
    has("feedwatch_sink_lag{sink=\"log\"} 5");
    has("feedwatch_sink_failing{sink=\"log\"} 1");
}

static void the_file_is_replaced_whole(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_metrics.XXXXXX", path[100], got[100] = "";
    struct stat st;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/m.prom", dir);
    umask(077);
    assert_true(metrics_may_replace(path));
    assert_int_equal(metrics_write(path, STR(METRICS_MARK "one\n")), 0);
    assert_true(metrics_may_replace(path));
    assert_int_equal(metrics_write(path, STR(METRICS_MARK "two\n")), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    FILE *f = fopen(path, "r");
    assert_non_null(fgets(got, sizeof got, f));
    fclose(f);
    assert_string_equal(got, METRICS_MARK "two\n");
    /* something else is not touched, and nothing is left of what failed */
    assert_false(metrics_may_replace("/etc/passwd"));
    assert_int_equal(metrics_write("/nowhere/m.prom", STR("x")), -ENOENT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(metrics_write(path, STR("x")) < 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static int drop_text(void **state)
{
    (void)state;
    buf_free(&text);
    return 0;
}

#define T(f) cmocka_unit_test_teardown(f, drop_text)
static const struct CMUnitTest tests[] = {
    T(counters_of_many_threads),
    T(each_feed_is_in_one_state),
    T(polls_by_outcome),
    T(match_time_keeps_its_digits),
    T(held_alerts_by_watch_and_reason),
    T(latency_is_a_histogram),
    T(the_file_is_replaced_whole),
};
TEST_MAIN(tests)
