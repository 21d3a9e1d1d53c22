/* buf: bounds, sticky errors, growth; json strings on top of it. */
#include "test.h"
#include <errno.h>
#include <string.h>
#include "buf.h"
#include "json.h"

static void refuses_to_grow_past_its_bound(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 5);
    assert_int_equal(buf_puts(&b, "abc"), 0);
    assert_int_equal(buf_puts(&b, "def"), -E2BIG);
    assert_int_equal(buf_puts(&b, "d"), -E2BIG); /* sticky */
    assert_string_equal(b.s, "abc");
    buf_clear(&b);
    assert_int_equal(buf_puts(&b, "abcde"), 0);
    assert_string_equal(b.s, "abcde");
    buf_free(&b);
}

static void prints_long_and_short(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 10000);
    assert_int_equal(buf_printf(&b, "%d-", 7), 0);
    assert_int_equal(buf_printf(&b, "%600d", 1), 0);
    assert_int_equal(b.n, 602);
    assert_int_equal(strlen(b.s), 602);
    assert_int_equal(buf_printf(&b, "%20000d", 1), -E2BIG);
    buf_free(&b);
}

static void encodes_utf8(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 100);
    buf_put_utf8(&b, 'A');
    buf_put_utf8(&b, 0xE9);
    buf_put_utf8(&b, 0x20AC);
    buf_put_utf8(&b, 0x1F600);
    buf_put_utf8(&b, 0xD800);
    assert_string_equal(b.s, "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xEF\xBF\xBD");
    buf_free(&b);
}

static void writes_safe_json(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 1000);
    buf_puts(&b, "{");
    json_member_str(&b, "a", STR("x\"\\\n\x1b\x7f\xC2\x9B\xE2\x80\xAE\xff\xE2\x80\xA8"));
    json_member_str(&b, "b", STR(""));
    json_member_int(&b, "c", -5);
    buf_puts(&b, "}");
    assert_string_equal(
        b.s, "{\"a\":\"x\\\"\\\\\\n\\u001b\\u007f\\u009b\\u202e\xEF\xBF\xBD\\u2028\","
             "\"b\":null,\"c\":-5}");
    buf_free(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(refuses_to_grow_past_its_bound),
    cmocka_unit_test(prints_long_and_short),
    cmocka_unit_test(encodes_utf8),
    cmocka_unit_test(writes_safe_json),
};
TEST_MAIN(tests)
