/* pulse: who is late, and by how much. */
#include "test.h"
#include <string.h>
#include <time.h>
#include "pulse.h"

static void nap(long ms)
{
    struct timespec t = { .tv_nsec = ms * 1000000 };
    (void)nanosleep(&t, NULL);
}

static void waiting_and_moving_threads_are_not_late(void **state)
{
    (void)state;
    struct pulse *a, *b;
    struct pulse_late late;

    assert_int_equal(pulse_new(&a, "waits"), 0);
    assert_int_equal(pulse_new(&b, "moves"), 0);
    assert_false(pulse_find_late(&late));
    pulse_beat(b, 60000);
    assert_false(pulse_find_late(&late));
    pulse_beat(b, PULSE_WAITS);
    assert_false(pulse_find_late(&late));
    pulse_free(b);
    pulse_free(a);
    pulse_free(NULL);
    pulse_beat(NULL, 1);
}

static void names_the_one_that_is_late_the_most(void **state)
{
    (void)state;
    struct pulse *a, *b, *c;
    struct pulse_late late;

    assert_int_equal(pulse_new(&a, "first"), 0);
    assert_int_equal(pulse_new(&b, "second"), 0);
    assert_int_equal(pulse_new(&c, "a name that is longer than there is room for it"), 0);
    pulse_beat(b, 1);
    nap(10);
    pulse_beat(a, 1);
    nap(5);
    assert_true(pulse_find_late(&late));
    assert_string_equal(late.name, "second");
    assert_true(late.silent_ms >= 15);
    pulse_free(b); /* from the middle of the list */
    assert_true(pulse_find_late(&late));
    assert_string_equal(late.name, "first");
    pulse_beat(a, 60000);
    pulse_beat(c, 0);
    nap(5);
    assert_true(pulse_find_late(&late));
    assert_int_equal(strlen(late.name), 31);
    pulse_free(c);
    assert_false(pulse_find_late(&late));
    pulse_free(a);
}

static void period_sets_the_patience(void **state)
{
    (void)state;

    pulse_set_period(250);
    assert_int_equal(pulse_period_ms(), 250);
    assert_int_equal(pulse_patience_ms(), 1000);
    pulse_set_period(0);
    assert_int_equal(pulse_period_ms(), 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(waiting_and_moving_threads_are_not_late),
    cmocka_unit_test(names_the_one_that_is_late_the_most),
    cmocka_unit_test(period_sets_the_patience),
};
TEST_MAIN(tests)
