/* digest: title, list and JSON of what was held back. */
#include "test.h"
#include <errno.h>
#include <string.h>
#include "digest.h"

static struct alert alert[3];
static const struct alert *list[3];
static struct buf out;

static struct digest make(size_t listed, int64_t count, const char *reason)
{
    for (size_t i = 0; i < 3; i++) {
        alert[i] = (struct alert){ .seq = (int64_t)i + 4,
                                   .time_ms = 1764000000000 + (int64_t)i * 60000,
                                   .watch = STR("summit"),
                                   .feed = STR("kyivpost"),
                                   .title = STR("Putin meets Xi"),
                                   .link = STR("https://a.example/1") };
        list[i] = &alert[i];
    }
    buf_init(&out, 100000);
    return (struct digest){ .seq = 7,
                            .id = "0123",
                            .time_ms = 1764000000000,
                            .count = count,
                            .first_seq = 4,
                            .last_seq = 6,
                            .watch = STR("summit"),
                            .reason = str_of(reason),
                            .alerts = list,
                            .n = listed };
}

static void title_says_how_many_and_why(void **state)
{
    (void)state;
    struct digest d = make(3, 12, "quiet\nstorm\n");

    assert_int_equal(digest_title(&out, &d), 0);
    assert_string_equal(out.s, "summit: 12 alerts held back (quiet hours, many at once)");
    buf_free(&out);
}

static void a_new_rules_digest_shows_when_the_items_came(void **state)
{
    (void)state;
    struct digest d = make(3, 3, "new_rule\n");

    for (size_t i = 0; i < 3; i++) {
        alert[i].held = STR("new_rule");
        alert[i].fetched_ms = alert[i].time_ms - 3600000;
    }
    assert_int_equal(digest_title(&out, &d), 0);
    assert_string_equal(out.s, "summit: 3 earlier items (new rule)");
    buf_clear(&out);
    assert_int_equal(digest_lines(&out, &d, 1), 0);
    assert_memory_equal(out.s, "11-24 15:00 [kyivpost] ", 23);
    buf_free(&out);
}

static void title_of_one_alert_is_its_own(void **state)
{
    (void)state;
    struct digest d = make(1, 1, "group_wait\n");

    alert[0].title = STR("a\nb\x1b");
    d.late = true;
    assert_int_equal(digest_title(&out, &d), 0);
    assert_string_equal(out.s, "summit: a b\\u001b (found late)");
    buf_free(&out);
}

static void lines_count_what_is_not_listed(void **state)
{
    (void)state;
    struct digest d = make(3, 12, "quiet\n");

    assert_int_equal(digest_lines(&out, &d, 2), 0);
    assert_string_equal(out.s, "11-24 16:00 [kyivpost] Putin meets Xi \xE2\x80\x94 "
                               "https://a.example/1\n"
                               "11-24 16:01 [kyivpost] Putin meets Xi \xE2\x80\x94 "
                               "https://a.example/1\n"
                               "and 10 more, see the alert log\n");
    buf_free(&out);
}

static void json_is_one_line_with_the_alerts(void **state)
{
    (void)state;
    struct digest d = make(2, 2, "quiet\nodd \"word\"\n");

    assert_int_equal(digest_json(&out, &d), 0);
    assert_non_null(strstr(out.s, "{\"digest\":7,\"id\":\"0123\","));
    assert_non_null(strstr(out.s, "\"reason\":[\"quiet\",\"odd \\\"word\\\"\"],"));
    assert_non_null(strstr(out.s, "},{\"seq\":5,"));
    assert_string_equal(out.s + out.n - 4, "}]}\n");
    assert_ptr_equal(strchr(out.s, '\n'), out.s + out.n - 1);
    buf_free(&out);
}

static void passes_on_that_there_is_no_room(void **state)
{
    (void)state;
    struct digest d = make(3, 3, "quiet\n");

    assert_int_equal(digest_json(&out, &d), 0);
    size_t whole = out.n;
    buf_free(&out);
    for (size_t max = 0; max < whole; max += 7) {
        buf_init(&out, max);
        assert_int_equal(digest_json(&out, &d), -E2BIG);
        buf_free(&out);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(title_says_how_many_and_why),
    cmocka_unit_test(a_new_rules_digest_shows_when_the_items_came),
    cmocka_unit_test(title_of_one_alert_is_its_own),
    cmocka_unit_test(lines_count_what_is_not_listed),
    cmocka_unit_test(json_is_one_line_with_the_alerts),
    cmocka_unit_test(passes_on_that_there_is_no_room),
};
TEST_MAIN(tests)
