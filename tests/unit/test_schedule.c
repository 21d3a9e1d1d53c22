/* schedule: order, spacing, holds; weeks of thousands of feeds in simulated time. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "schedule.h"

static void pops_in_order_of_due_time(void **state)
{
    (void)state;
    struct schedule *s = schedule_new(1);
    uint32_t id = 99;

    assert_non_null(s);
    assert_int_equal(schedule_next_ms(s), INT64_MAX);
    assert_int_equal(schedule_set(s, 7, 1, 300), 0);
    assert_int_equal(schedule_set(s, 8, 2, 100), 0);
    assert_int_equal(schedule_next_ms(s), 100);
    assert_int_equal(schedule_pop_due(s, 99, &id), 0);
    assert_int_equal(id, 99); /* untouched when nothing is due */
    assert_int_equal(schedule_pop_due(s, 500, &id), 1);
    assert_int_equal(id, 8);
    assert_int_equal(schedule_pop_due(s, 500, &id), 1);
    assert_int_equal(id, 7);
    assert_int_equal(schedule_pop_due(s, 500, &id), 0);
    assert_int_equal(schedule_done(s, 8, 700), 0);
    assert_int_equal(schedule_done(s, 8, 700), -ENOENT);
    assert_int_equal(schedule_next_ms(s), 700);
    schedule_free(s);
}

static void spaces_feeds_of_one_host(void **state)
{
    (void)state;
    struct schedule *s = schedule_new(1);
    uint32_t id;

    schedule_host_limits(s, 1000, 2);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(schedule_set(s, i, 5, i), 0);
    assert_int_equal(schedule_pop_due(s, 10, &id), 1);
    assert_int_equal(id, 0);
    assert_int_equal(schedule_pop_due(s, 10, &id), 0);
    assert_int_equal(schedule_next_ms(s), 1010);
    assert_int_equal(schedule_pop_due(s, 1010, &id), 1);
    assert_int_equal(schedule_pop_due(s, 5000, &id), 0); /* two in flight */
    assert_int_equal(schedule_next_ms(s), INT64_MAX);
    assert_int_equal(schedule_done(s, 0, 100000), 0);
    assert_int_equal(schedule_pop_due(s, 5000, &id), 1);
    assert_int_equal(id, 2);
    schedule_remove(s, 1); /* in flight: its place is free again */
    assert_int_equal(schedule_pop_due(s, 6000, &id), 1);
    assert_int_equal(id, 3);
    assert_int_equal(schedule_done(s, 1, 0), -ENOENT);
    schedule_free(s);
}

static void exempts_and_holds_hosts(void **state)
{
    (void)state;
    struct schedule *s = schedule_new(1);
    uint32_t id;

    schedule_host_limits(s, 1000, 1);
    schedule_host_exempt(s, 5);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(schedule_set(s, i, 5, 0), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(schedule_pop_due(s, 0, &id), 1);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(schedule_done(s, i, 10), 0);
    assert_int_equal(schedule_host_hold(s, 5, 60000), 0);
    assert_int_equal(schedule_host_hold(s, 5, 50000), 0); /* never shorter */
    assert_int_equal(schedule_pop_due(s, 59999, &id), 0);
    assert_int_equal(schedule_next_ms(s), 60000);
    assert_int_equal(schedule_pop_due(s, 60000, &id), 1);
    schedule_free(s);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(pops_in_order_of_due_time),
    cmocka_unit_test(spaces_feeds_of_one_host),
    cmocka_unit_test(exempts_and_holds_hosts),
};
TEST_MAIN(tests)
