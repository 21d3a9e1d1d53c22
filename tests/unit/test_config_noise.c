/* config: the keys of stories, updates, quiet hours and limits. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "item.h"

#define HEAD "[feeds]\na = https://a.example/feed\n"

static struct config *c;
static struct buf errors;

static int set_up(void **state)
{
    (void)state;
    setenv("HOME", "/home/somebody", 1);
    setenv("TZ", "Europe/Berlin", 1);
    buf_init(&errors, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_unref(c);
    c = NULL;
    buf_free(&errors);
    unsetenv("TZ");
    return 0;
}

static const struct config_noise *parse(const char *general, const char *own)
{
    char text[4000];

    config_unref(c);
    c = NULL;
    buf_clear(&errors);
    snprintf(text, sizeof text, HEAD "[feedwatch]\n%s\n[watch:w]\nmatch = x\n%s\n",
             general, own);
    if (config_parse(&c, "main.ini", str_of(text), &errors) < 0)
        return NULL;
    return c->watches[0].noise;
}

static const struct config_noise *loads(const char *general, const char *own)
{
    const struct config_noise *n = parse(general, own);

    if (!n)
        fail_msg("refused: %s", errors.s);
    return n;
}

static void refuses(const char *own, const char *want)
{
    if (parse("", own))
        fail_msg("%s was taken", own);
    if (!strstr(errors.s, want))
        fail_msg("%s\nis said, not\n%s", errors.s, want);
    assert_non_null(strstr(errors.s, "main.ini:7: "));
}

static void has_defaults(void **state)
{
    (void)state;
    const struct config_noise *n = loads("", "");

    assert_false(n->by_item);
    assert_false(n->on_update);
    assert_int_equal(n->min_sources, 0);
    assert_int_equal(n->story_window_s, 86400);
    assert_int_equal(n->new_rule_s, 0);
    assert_int_equal(n->storm_after_s, 3600);
    assert_int_equal(n->rules.storm_size, 20);
    assert_int_equal(n->rules.max_per_hour, 0);
    assert_null(n->rules.quiet.zone);
}

static void a_watch_stands_over_the_general_part(void **state)
{
    (void)state;
    const struct config_noise *n =
        loads("max_per_hour = 5\nquiet = 22:00-07:00 Europe/Berlin\ngroup_by = item\n"
              "storm_size = no",
              "max_per_hour = no\ngroup_wait = 1m30s ; a comment\ngroup_by = story\n"
              "cooldown = 10m\nmax_age = 2d\nmin_sources = 3 within 1h\n"
              "on_update = yes\nstory_window = 3d\nstorm_after = 30m\n"
              "on_new_rule = digest 36h");

    assert_int_equal(n->rules.max_per_hour, 0);
    assert_int_equal(n->rules.group_wait_ms, 90000);
    assert_int_equal(n->rules.cooldown_ms, 600000);
    assert_int_equal(n->rules.max_age_s, 2 * 86400);
    assert_int_equal(n->rules.storm_size, 0);
    assert_int_equal(n->rules.quiet.from_min, 22 * 60);
    assert_int_equal(n->rules.quiet.to_min, 7 * 60);
    assert_int_equal(zone_offset_s(n->rules.quiet.zone, 1800000000), 3600);
    assert_false(n->by_item);
    assert_true(n->on_update);
    assert_int_equal(n->min_sources, 3);
    assert_int_equal(n->within_s, 3600);
    assert_int_equal(n->story_window_s, 3 * 86400);
    assert_int_equal(n->storm_after_s, 1800);
    assert_int_equal(n->new_rule_s, 36 * 3600);
    n = loads("quiet = 22:00-07:00 Europe/Berlin", "quiet = no");
    assert_null(n->rules.quiet.zone);
}

static void quiet_is_in_the_zone_of_the_machine_unless_named(void **state)
{
    (void)state;
    const struct config_noise *n = loads("", "quiet = 12:00-24:00");

    assert_int_equal(zone_offset_s(n->rules.quiet.zone, 1800000000), 3600);
    assert_int_equal(n->rules.quiet.to_min, 0);
    assert_true(noise_is_quiet(&n->rules.quiet, 1800000000000 + 14 * 3600000));
    assert_false(noise_is_quiet(&n->rules.quiet, 1800000000000 + 15 * 3600000));
}

static void watches_that_say_nothing_share_one(void **state)
{
    (void)state;
    buf_clear(&errors);
    assert_int_equal(config_parse(&c, "main.ini",
                                  STR(HEAD "[feedwatch]\ncooldown = 5m\n"
                                           "[watchlist]\nx = one\ny = two\n"),
                                  &errors),
                     0);
    assert_ptr_equal(c->watches[0].noise, c->watches[1].noise);
    assert_int_equal(c->watches[0].noise->rules.cooldown_ms, 300000);
}

static void knows_when_a_mute_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t s;
    } good[] = {
        { "2027-01-15", 1799967600 }, /* 00:00 in Berlin */
        { "2027-01-15 09:00", 1800000000 },
        { "2027-01-15T08:00Z", 1800000000 },
        { "2027-01-15T08:00:00Z", 1800000000 },
        { "2027-01-15 13:30 +05:30", 1800000000 },
        { "2027-01-15T03:00-0500", 1800000000 },
        { "no", 0 },
    };
    static const char *const bad[] = {
        "tomorrow",        "2027-02-29",   "2027-13-01", "2027-01-15 25:00", "15.01.2027",
        "2027-01-15 8:00", "2027-01-15Zx", "yes",        "1999-01-01"
    };
    char line[100];

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(line, sizeof line, "mute_until = %s", good[i].text);
        assert_int_equal(loads("", line)->rules.mute_until_ms, good[i].s * 1000);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(line, sizeof line, "mute_until = %s", bad[i]);
        refuses(line, "the day on which it ends: mute_until = 2026-12-24");
    }
}

static void says_what_to_write_instead(void **state)
{
    (void)state;
    refuses("max_per_hour = many", "write no or a number from 1 to 1000");
    refuses("max_per_hour = 1001", "write no or a number from 1 to 1000");
    refuses("storm_size = -1", "write no or a number from 1 to 1000");
    refuses("group_wait = soon", "write no, or a number and a unit");
    refuses("cooldown = 5000d", "write at most 366d");
    refuses("quiet = 22-7", "quiet = 22:00-07:00 Europe/Berlin");
    refuses("quiet = 22:00-25:00", "quiet = 22:00-07:00 Europe/Berlin");
    refuses("quiet = 22:00-07:00 Europe/Berlin Mon", "22:00-07:00 Europe/Berlin");
    refuses("quiet = 22:00-07:00 Europe/Nowhere",
            "there is no time zone 'Europe/Nowhere'");
    refuses("quiet = 22:00-07:00 ../../etc/passwd", "there is no time zone");
    refuses("quiet = 22:00-22:00", "begins when it ends");
    refuses("min_sources = 2", "min_sources = 2 within 30m");
    refuses("min_sources = 2 within 30d", "at most 7d");
    refuses("min_sources = 99 within 30m", "at most 32");
    refuses("on_new_rule = 24h", "on_new_rule = digest 24h");
    refuses("on_new_rule = digest", "on_new_rule = digest 24h");
    refuses("on_new_rule = digest 367d", "at most 366d");
    refuses("on_update = perhaps", "write yes or no");
    refuses("group_by = feed", "write story or item");
    refuses("min_sources = 2 within 30m\ngroup_by = item", "write group_by = story");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
static const struct CMUnitTest tests[] = {
    T(has_defaults),
    T(a_watch_stands_over_the_general_part),
    T(quiet_is_in_the_zone_of_the_machine_unless_named),
    T(watches_that_say_nothing_share_one),
    T(knows_when_a_mute_ends),
    T(says_what_to_write_instead),
};
TEST_MAIN(tests)
