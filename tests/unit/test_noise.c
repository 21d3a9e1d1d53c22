/* noise: what is told, what is held and when its digest is due, with simulated time. */
#include "test.h"
#include <errno.h>
#include <stdlib.h>
#include "item.h"
#include "noise.h"

#define S 1000LL
#define M 60000LL
#define H 3600000LL
#define NOW 1800000000000LL /* 2027-01-15 08:00 UTC */

static struct noise_state state;
static struct noise_rules rules;
static struct zone *berlin;

static int set_up(void **ctx)
{
    (void)ctx;
    state = (struct noise_state){ 0 };
    rules = (struct noise_rules){ 0 };
    return zone_load(&berlin, STR("Europe/Berlin"));
}

static int tear_down(void **ctx)
{
    (void)ctx;
    noise_done(&state);
    zone_free(berlin);
    return 0;
}

static int decide(int64_t now)
{
    return noise_decide(&state, &rules, false, ITEM_NO_TIME, now);
}

static int64_t due(int64_t now)
{
    return noise_due_ms(&state, &rules, now);
}

static void tells_everything_without_rules(void **ctx)
{
    (void)ctx;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(decide(NOW + i), NOISE_TELL);
    assert_true(due(NOW) == INT64_MAX);
}

static void tells_so_many_in_any_hour(void **ctx)
{
    (void)ctx;
    rules.max_per_hour = 3;
    assert_int_equal(decide(NOW), NOISE_TELL);
    assert_int_equal(decide(NOW + 10 * M), NOISE_TELL);
    assert_int_equal(decide(NOW + 20 * M), NOISE_TELL);
    assert_int_equal(decide(NOW + 30 * M), NOISE_MAX_PER_HOUR);
    assert_int_equal(decide(NOW + 59 * M), NOISE_MAX_PER_HOUR);
    assert_int_equal(decide(NOW + 60 * M), NOISE_TELL);
    assert_int_equal(decide(NOW + 61 * M), NOISE_MAX_PER_HOUR);
    assert_int_equal(state.held, 3);
    assert_true(due(NOW + 61 * M) == NOW + 90 * M);
    noise_flushed(&state);
    assert_true(due(NOW + 90 * M) == INT64_MAX);
}

static void waits_for_the_group(void **ctx)
{
    (void)ctx;
    rules.group_wait_ms = 30 * S;
    assert_int_equal(decide(NOW), NOISE_GROUP_WAIT);
    assert_int_equal(decide(NOW + 29 * S), NOISE_GROUP_WAIT);
    assert_true(due(NOW + 29 * S) == NOW + 30 * S);
    assert_true(due(NOW + 40 * S) == NOW + 40 * S); /* overdue: now */
    noise_flushed(&state);
    assert_int_equal(decide(NOW + 50 * S), NOISE_GROUP_WAIT);
    assert_true(due(NOW + 50 * S) == NOW + 80 * S);
}

static void cools_down(void **ctx)
{
    (void)ctx;
    rules.cooldown_ms = 10 * M;
    assert_int_equal(decide(NOW), NOISE_TELL);
    assert_int_equal(decide(NOW + 9 * M), NOISE_COOLDOWN);
    assert_true(due(NOW + 9 * M) == NOW + 10 * M);
    noise_flushed(&state);
    assert_int_equal(decide(NOW + 10 * M), NOISE_TELL);
    assert_int_equal(decide(NOW - H), NOISE_TELL); /* the clock was set back */
}

static void mutes_until_a_date(void **ctx)
{
    (void)ctx;
    rules.mute_until_ms = NOW + 48 * H;
    assert_int_equal(decide(NOW), NOISE_MUTE);
    assert_true(due(NOW) == NOW + 48 * H);
    assert_int_equal(decide(NOW + 48 * H - 1), NOISE_MUTE);
    assert_int_equal(decide(NOW + 48 * H), NOISE_TELL);
    rules.mute_until_ms = 0; /* taken out of the config: due at once */
    assert_true(due(NOW + H) == NOW + H);
}

static void leaves_out_old_items(void **ctx)
{
    (void)ctx;
    rules.max_age_s = 86400;
    assert_int_equal(noise_decide(&state, &rules, false, NOW / 1000 - 86400, NOW),
                     NOISE_TELL);
    assert_int_equal(noise_decide(&state, &rules, false, NOW / 1000 - 86401, NOW),
                     NOISE_MAX_AGE);
    assert_int_equal(decide(NOW), NOISE_TELL); /* no date: not old */
    assert_true(due(NOW) == INT64_MAX);
}

static void is_quiet_at_night(void **ctx)
{
    (void)ctx;
    int64_t night = NOW + 13 * H; /* 22:00 in Berlin */

    rules.quiet = (struct noise_quiet){ 22 * 60, 7 * 60, berlin };
    assert_int_equal(decide(night - 1), NOISE_TELL);
    assert_int_equal(decide(night), NOISE_QUIET);
    assert_true(due(night) == night + 9 * H);
    assert_int_equal(decide(night + 9 * H - 1), NOISE_QUIET);
    assert_int_equal(decide(night + 9 * H), NOISE_TELL);
}

static void is_quiet_at_noon(void **ctx)
{
    (void)ctx;
    rules.quiet = (struct noise_quiet){ 12 * 60 + 30, 13 * 60 + 15, berlin };
    assert_int_equal(decide(NOW + 3 * H + 29 * M), NOISE_TELL);
    assert_int_equal(decide(NOW + 3 * H + 30 * M), NOISE_QUIET);
    assert_true(due(NOW + 3 * H + 31 * M + 7) == NOW + 4 * H + 15 * M);
}

static void quiet_follows_the_clock_of_the_place(void **ctx)
{
    (void)ctx;
    struct noise_quiet q = { 22 * 60, 7 * 60, berlin };
    int64_t spring = 1806195600 * S; /* 2027-03-28 01:00 UTC: 02:00 becomes 03:00 */
    int64_t autumn = 1824944400 * S; /* 2027-10-31 01:00 UTC: 03:00 becomes 02:00 */

    assert_true(noise_quiet_end_ms(&q, spring - 4 * H) == spring + 4 * H);
    assert_true(noise_quiet_end_ms(&q, autumn - 5 * H) == autumn + 5 * H);
    q.to_min = 2 * 60 + 30; /* a time that there is not, and one that there is twice */
    assert_true(noise_quiet_end_ms(&q, spring - 1) == spring);
    assert_true(noise_quiet_end_ms(&q, autumn - H) == autumn - H / 2);
    assert_true(noise_is_quiet(&q, autumn)); /* 02:00 again, as the wall clock says */
    assert_false(noise_is_quiet(&q, autumn + H / 2));
}

static void a_digest_waits_for_the_morning(void **ctx)
{
    (void)ctx;
    int64_t night = NOW + 13 * H;

    rules.quiet = (struct noise_quiet){ 22 * 60, 7 * 60, berlin };
    rules.group_wait_ms = H;
    assert_int_equal(decide(night - M), NOISE_GROUP_WAIT);
    assert_true(due(night - M) == night + 9 * H);
}

static void a_storm_is_one_digest_when_it_is_over(void **ctx)
{
    (void)ctx;
    rules.storm_size = 20;
    for (int i = 0; i < 20; i++)
        assert_int_equal(decide(NOW + i * S), NOISE_TELL);
    for (int i = 20; i < 50; i++)
        assert_int_equal(decide(NOW + i * S), NOISE_STORM);
    assert_true(due(NOW + 49 * S) == NOW + 79 * S);
    for (int i = 50; i < 600; i++)
        assert_int_equal(decide(NOW + i * S), NOISE_STORM);
    assert_true(due(NOW + 600 * S) == NOW + 600 * S); /* it lasts: not for ever */
    noise_flushed(&state);
    assert_int_equal(decide(NOW + 661 * S), NOISE_TELL);
}

static void what_is_late_is_told_together(void **ctx)
{
    (void)ctx;
    for (int i = 0; i < 5; i++)
        assert_int_equal(noise_decide(&state, &rules, true, ITEM_NO_TIME, NOW + i * S),
                         NOISE_LATE);
    assert_true(due(NOW + 5 * S) == NOW + 34 * S);
    assert_int_equal(decide(NOW + 6 * S), NOISE_TELL);
}

static void every_limit_may_come_and_go(void **ctx)
{
    (void)ctx;
    rules.max_per_hour = 5;
    for (int i = 0; i < 5; i++)
        assert_int_equal(decide(NOW + i), NOISE_TELL);
    rules.max_per_hour = 3; /* a reload */
    assert_int_equal(decide(NOW + 10), NOISE_MAX_PER_HOUR);
    rules.max_per_hour = 9;
    assert_int_equal(decide(NOW + 11), NOISE_TELL);
    rules.max_per_hour = 0;
    assert_int_equal(decide(NOW + 12), NOISE_TELL);
}

/* What was decided, given back, makes the same decisions. */
static void a_restart_changes_nothing(void **ctx)
{
    (void)ctx;
    struct noise_state again;
    int decided[200];
    int64_t at[200];

    rules = (struct noise_rules){ .max_per_hour = 7,
                                  .storm_size = 12,
                                  .cooldown_ms = 20 * S,
                                  .quiet = { 9 * 60 + 20, 9 * 60 + 30, berlin } };
    for (int cut = 10; cut < 190; cut += 30) {
        unsigned random = 7;

        noise_done(&state);
        again = (struct noise_state){ 0 };
        for (int i = 0; i < 200; i++) {
            random = random * 1664525 + 1013904223;
            at[i] = (i ? at[i - 1] : NOW) + (random >> 16) % 60 * S;
            decided[i] = decide(at[i]);
            if (i < cut)
                assert_int_equal(
                    decided[i]
                        ? noise_held(&again, &rules, (enum noise_reason)decided[i], at[i])
                        : noise_told(&again, &rules, at[i]),
                    0);
            else
                assert_int_equal(noise_decide(&again, &rules, false, ITEM_NO_TIME, at[i]),
                                 decided[i]);
        }
        assert_int_equal(again.held, state.held);
        assert_true(noise_due_ms(&again, &rules, at[199]) == due(at[199]));
        noise_done(&again);
    }
}

static void reasons_have_names(void **ctx)
{
    (void)ctx;
    for (int i = 0; i < NOISE_REASONS; i++)
        assert_int_equal(noise_reason_of(str_of(noise_reason_name((enum noise_reason)i))),
                         i);
    assert_int_equal(noise_reason_of(STR("nonsense")), NOISE_TELL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
static const struct CMUnitTest tests[] = {
    T(tells_everything_without_rules),
    T(tells_so_many_in_any_hour),
    T(waits_for_the_group),
    T(cools_down),
    T(mutes_until_a_date),
    T(leaves_out_old_items),
    T(is_quiet_at_night),
    T(is_quiet_at_noon),
    T(quiet_follows_the_clock_of_the_place),
    T(a_digest_waits_for_the_morning),
    T(a_storm_is_one_digest_when_it_is_over),
    T(what_is_late_is_told_together),
    T(every_limit_may_come_and_go),
    T(a_restart_changes_nothing),
    T(reasons_have_names),
};
TEST_MAIN(tests)
