/* charset: what is believed about an encoding, and what becomes of bad bytes. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "buf.h"
#include "charset.h"

struct got {
    struct buf text;
    char name[48];
    unsigned long repairs;
    bool mislabelled;
};

static int take(void *ctx, const char *s, size_t n)
{
    return buf_put(ctx, s, n);
}

/* Converts `in`, `step` bytes at a time. */
static void convert(struct got *g, const char *in, size_t n, const char *http,
                    const char *override, size_t step)
{
    struct charset *c = NULL;

    buf_init(&g->text, 1 << 20);
    assert_int_equal(charset_new(&c, str_of(http), str_of(override), take, &g->text), 0);
    for (size_t i = 0; i < n; i += step)
        assert_int_equal(charset_push(c, in + i, n - i < step ? n - i : step), 0);
    assert_int_equal(charset_finish(c), 0);
    (void)snprintf(g->name, sizeof g->name, "%s", charset_name(c));
    g->repairs = charset_repairs(c);
    g->mislabelled = charset_mislabelled(c);
    charset_free(c);
}

/* The same text, name and repairs at every step size. */
static void expect(const char *in, size_t n, const char *http, const char *override,
                   const char *name, const char *text, unsigned long repairs)
{
    for (size_t step = 1; step <= n + 1; step = step < 8 ? step + 1 : step * 2) {
        struct got g;
        convert(&g, in, n, http, override, step);
        assert_string_equal(g.text.s ? g.text.s : "", text);
        assert_string_equal(g.name, name);
        assert_int_equal(g.repairs, repairs);
        buf_free(&g.text);
    }
}

#define EXPECT(in, http, name, text, repairs)                                            \
    expect(in, sizeof(in) - 1, http, "", name, text, repairs)

static void follows_the_order_of_trust(void **state)
{
    (void)state;
    EXPECT("<?xml version='1.0' encoding='koi8-r'?>\xF0", "", "koi8-r",
           "<?xml version='1.0' encoding='koi8-r'?>\xD0\x9F", 0);
    EXPECT("<?xml version='1.0' encoding='koi8-r'?>\xEF", "windows-1251", "windows-1251",
           "<?xml version='1.0' encoding='koi8-r'?>\xD0\xBF", 0);
    EXPECT("\xEF\xBB\xBF<?xml version='1.0' encoding='koi8-r'?>\xC3\xA9", "windows-1251",
           "utf-8", "<?xml version='1.0' encoding='koi8-r'?>\xC3\xA9", 0);
    EXPECT("<a>\xE9</a>", "nobody-knows-this", "utf-8", "<a>\xC3\xA9</a>", 1);
    EXPECT("+ADw-a+AD4-", "utf-7", "utf-8", "+ADw-a+AD4-", 0);
    expect("<a>\xEF</a>", 8, "utf-8", "windows-1251", "windows-1251", "<a>\xD0\xBF</a>",
           0);
}

static void reads_supersets(void **state)
{
    (void)state;
    EXPECT("<a>\x93\xE9\x94</a>", "iso-8859-1", "windows-1252",
           "<a>\xE2\x80\x9C\xC3\xA9\xE2\x80\x9D</a>", 0);
    EXPECT("<a>\x81\x30\x89\x38 \xC4\xE3</a>", "gb2312", "gb18030",
           "<a>\xC3\x9F \xE4\xBD\xA0</a>", 0);
    EXPECT("<a>\x81\x60</a>", "shift_jis", "shift_jis", "<a>\xE3\x80\x9C</a>", 0);
}

static void reads_wide_characters(void **state)
{
    (void)state;
    EXPECT("\xFF\xFE<\0a\0>\0\xE9\0", "", "utf-16le", "<a>\xC3\xA9", 0);
    EXPECT("\0<\0a\0>\0\xE9", "", "utf-16be", "<a>\xC3\xA9", 0);
    EXPECT("\xFF\xFE\0\0<\0\0\0a\0\0\0>\0\0\0", "", "utf-32le", "<a>", 0);
    EXPECT("\0\0\0<\0\0\0a\0\0\0>", "utf-8", "utf-32be", "<a>", 0);
}

static void disbelieves_labels_that_cannot_be_true(void **state)
{
    (void)state;
    EXPECT("<?xml version='1.0' encoding='utf-16'?><a>\xC3\xA9</a>", "", "utf-8",
           "<?xml version='1.0' encoding='utf-16'?><a>\xC3\xA9</a>", 0);
    EXPECT("<a>\xC3\xA9</a>", "iso-8859-1", "utf-8", "<a>\xC3\xA9</a>", 0);
    EXPECT("<a>\xD0\x9F\xD1\x80</a>", "windows-1251", "utf-8", "<a>\xD0\x9F\xD1\x80</a>",
           0);
    /* U+FFFD alone proves nothing */
    EXPECT("<a>\xEF\xBF\xBD</a>", "iso-8859-1", "windows-1252",
           "<a>\xC3\xAF\xC2\xBF\xC2\xBD</a>", 0);
}

static void mends_bad_utf8(void **state)
{
    (void)state;
    EXPECT("<a>caf\xE9 \xC3\xA9 \x96</a>", "", "utf-8",
           "<a>caf\xC3\xA9 \xC3\xA9 \xE2\x80\x93</a>", 2);
    EXPECT("<a>\xC0\xAF</a>", "", "utf-8", "<a>\xC3\x80\xC2\xAF</a>", 2); /* overlong */
    EXPECT("<a>\xED\xA0\x80</a>", "", "utf-8", "<a>\xEF\xBF\xBD</a>", 1); /* surrogate */
    EXPECT("<a>\xEF\xBF\xBF</a>", "", "utf-8", "<a>\xEF\xBF\xBD</a>", 1);
    EXPECT("<a>\xE2\x82", "", "utf-8", "<a>", 1); /* cut */
    EXPECT("<a>\xF0\x9F\x98\x80</a>", "", "utf-8", "<a>\xF0\x9F\x98\x80</a>", 0);
}

static void finds_the_charset_of_a_content_type(void **state)
{
    (void)state;
    struct str s = charset_of_content_type(STR("text/xml; Charset=\"Koi8-R\"; x=y"));

    assert_true(str_eq(s, STR("Koi8-R")));
    s = charset_of_content_type(STR("text/xml;charset=utf-8"));
    assert_true(str_eq(s, STR("utf-8")));
    assert_int_equal(charset_of_content_type(STR("text/xml")).n, 0);
}

static int refuse(void *ctx, const char *s, size_t n)
{
    (void)ctx;
    (void)s;
    (void)n;
    return -ECANCELED;
}

static void stops_when_told(void **state)
{
    (void)state;
    struct charset *c = NULL;

    assert_int_equal(charset_new(&c, STR(""), STR(""), refuse, NULL), 0);
    assert_int_equal(charset_push(c, "<a>text</a>", 11), -ECANCELED);
    charset_free(c);
    charset_free(NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(follows_the_order_of_trust),
    cmocka_unit_test(reads_supersets),
    cmocka_unit_test(reads_wide_characters),
    cmocka_unit_test(disbelieves_labels_that_cannot_be_true),
    cmocka_unit_test(mends_bad_utf8),
    cmocka_unit_test(finds_the_charset_of_a_content_type),
    cmocka_unit_test(stops_when_told),
};
TEST_MAIN(tests)
