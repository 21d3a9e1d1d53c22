/* html: a table of fragments and their text; references; bounds; every input in linear
 * time. */
#include "test.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "html.h"

struct row {
    const char *html, *text;
};

static void check(const struct row *rows, size_t n)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&b);
        assert_int_equal(html_to_text(&b, str_of(rows[i].html)), 0);
        if (strcmp(b.s ? b.s : "", rows[i].text) != 0)
            fail_msg("%s\n  gave:   '%s'\n  wanted: '%s'", rows[i].html, b.s,
                     rows[i].text);
    }
    buf_free(&b);
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void keeps_plain_text(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "", "" },
        { "Xi, Putin Hold Video Call", "Xi, Putin Hold Video Call" },
        { "1 < 2 and 3 > 2", "1 < 2 and 3 > 2" },
        { "1 &lt; 2", "1 < 2" },
        { "a<b", "a<b" },
        { "I <3 you </3", "I <3 you </3" },
        { "x << 2, y <= 3, <- there", "x << 2, y <= 3, <- there" },
        { "List<String> of <ann@example.org>", "List<String> of <ann@example.org>" },
        { "see <https://example.org/x>", "see <https://example.org/x>" },
        { "<! really <? so", "<! really <? so" },
        { "習近平同普京", "習近平同普京" },
        { "«Ärger»\xC2\xAD", "«Ärger»\xC2\xAD" },
    };
    CHECK(rows);
}

static void collapses_white_space(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "  a  b\t\r\nc   ", "a b c" },
        { " \n ", "" },
        { "a\xC2\xA0"
          "b\xC2\xA0 \xC2\xA0"
          "c\xC2\xA0",
          "a b c" },
        { "&nbsp;a&nbsp;&#160;&#10; b&nbsp;", "a b" },
        { "a\x01"
          "b",
          "ab" },
        { "aaaaaaa  bbbbbbb cccccccc  d", "aaaaaaa bbbbbbb cccccccc d" },
    };
    CHECK(rows);
}

static void drops_tags(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "Pu<b>tin</b>", "Putin" },
        { "Pu<B\n>tin</b >", "Putin" },
        { "Pu<wbr/>tin", "Putin" },
        { "one<br>two<br/>three<BR />four", "one two three four" },
        { "<p>one</p><p>two", "one two" },
        { "<ul><li>a<li>b</ul>c", "a b c" },
        { "<td>a</td><td>b</td>", "a b" },
        { "<a href=\"x\">Xi</a>, <i>Putin</i>", "Xi, Putin" },
        { "<a title='a > b' href=\"y>\">Xi</a>", "Xi" },
        { "<a title = \"a > b\">Xi</a>", "Xi" },
        { "<p don't>Xi</p>", "Xi" },
        { "<a href=\"x>Xi</a>", "Xi" },
        { "<a href=x\">Xi</a>", "Xi" },
        { "Xi <a href=\"http://example.org/a", "Xi" },
        { "a link starts with <a href=", "a link starts with <a href=" },
        { "Xi <p", "Xi <p" },
        { "Xi</p", "Xi" },
        { "Xi <br /", "Xi" },
        { "if a <b then c", "if a <b then c" },
        { "a<o:p></o:p>b<my-tag x>c</my-tag>", "abc" },
        { "a<foo class='x'>b", "ab" },
        { "<a =\"x><a =\"y><a =\"z>Xi", "Xi" },
        { "<!doctype html><?xml version='1.0'?>Xi", "Xi" },
    };
    CHECK(rows);
}

static void drops_what_is_not_shown(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "a<script>var x = '<b>';</script>b", "a b" },
        { "a<SCRIPT src=x>if (a </ b)</Script >b", "a b" },
        { "a<script src='x'/>b", "a b" },
        { "a<script>never closed <p>b", "a" },
        { "a<style>p { x: y }</style>b", "a b" },
        { "a<!-- no <b> --> b", "a b" },
        { "a<!-->b<!--->c", "abc" },
        { "a<!-- never closed <b>Xi", "aXi" },
        { "a<!--[if gte mso 9]><xml>x</xml><![endif]-->b", "ab" },
        { "<![CDATA[Xi &amp; <b>Putin</b>]]> meet", "Xi & Putin meet" },
        { "<![CDATA[Xi", "Xi" },
        { "a ]]> b", "a ]]> b" },
        { "<![CDATA[a <p ]]> > b <![CDATA[c]]>d", "a > b cd" },
    };
    CHECK(rows);
}

static void keeps_alt_text(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "a<img src=x alt=\"Xi &amp; Putin\">b", "a Xi & Putin b" },
        { "a<img alt='1 > 0 <b>' src=x/>b", "a 1 > 0 <b> b" },
        { "a<img alt=Xi/>b", "a Xi/ b" },
        { "a<img ALT = Xi >b", "a Xi b" },
        { "a<img alt=\"\">b", "a b" },
        { "a<img>b", "a b" },
        { "<img data-alt=no alt=\" Xi  Jinping \">", "Xi Jinping" },
        { "<img src=x alt=\"Xi", "Xi" },
    };
    CHECK(rows);
}

static void decodes_references(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "AT&T, AT&amp;T, R&D", "AT&T, AT&T, R&D" },
        { "&eacute;&Eacute;&hellip;&NotEqualTilde;", "éÉ…≂̸" },
        { "&CounterClockwiseContourIntegral;", "∳" },
        { "&eacute &eacutes &copy2", "é és ©2" },
        { "&notit; &notin;", "¬it; ∉" },
        { "&foo; &foo &;& &", "&foo; &foo &;& &" },
        { "&hellip", "&hellip" },
        { "&#8217;&#x2019;&#X2019;&#8217s", "’’’’s" },
        { "&#146;&#x80;&#150;", "’€–" },
        { "&#0;&#x110000;&#xD800;&#99999999999999999999;", "\xEF\xBF\xBD\xEF\xBF\xBD"
                                                           "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "&#;&#x;&#", "&#;&#x;&#" },
        { "a&#1;b&#x1b;c", "abc" },
        { "&#x1F600;", "😀" },
        { "&nGt;&nGt;", "≫⃒≫⃒" },
    };
    CHECK(rows);
}

static void decodes_what_was_escaped_twice(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "&amp;amp;", "&" },
        { "AT&amp;amp;T", "AT&T" },
        { "it&amp;#8217;s", "it’s" },
        { "&amp;quot;Xi&amp;quot;", "\"Xi\"" },
        { "&amp;amp;amp;", "&amp;" },
        { "?a=1&amp;copy=2", "?a=1&copy=2" },
        { "&lt;b&gt;bold&lt;/b&gt;", "bold" },
        { "&lt;p&gt;a&lt;/p&gt;&lt;p class=\"x\"&gt;b&lt;/p&gt;", "a b" },
        { "&lt;img src=x alt=\"Xi\"/&gt;", "Xi" },
        { "&lt;script&gt;x&lt;/script&gt; Xi", "Xi" },
        { "the &lt;script&gt; tag", "the tag" },
        { "List&lt;String&gt;", "List<String>" },
        { "&lt;Item id=1 of=&lt;Feed id=2&gt;&gt;", "<Item id=1 of=<Feed id=2>>" },
        { "a &lt;b &amp;&amp; c&gt; d", "a <b && c> d" },
        { "&lt;!-- x --&gt;Xi &lt;!-- y", "Xi <!-- y" },
        { "&lt;b", "<b" },
        { "&amp;nGt;", "≫⃒" },
    };
    CHECK(rows);
}

static void knows_all_names(void **state)
{
    (void)state;
    assert_string_equal(html_entity(STR("amp")).s, "&");
    assert_int_equal(html_entity(STR("NotEqualTilde")).n, 5);
    assert_int_equal(html_entity(STR("nosuch")).n, 0);
    assert_int_equal(html_entity(STR("")).n, 0);
    assert_int_equal(html_entity(STR("CounterClockwiseContourIntegrals")).n, 0);
}

static void keeps_to_the_bound(void **state)
{
    (void)state;
    struct buf b;

    for (size_t max = 0; max < 12; max++) {
        buf_init(&b, max);
        int r = html_to_text(&b, STR("ab <b>€€</b> &eacute; x"));
        assert_int_equal(r, -E2BIG);
        assert_true(b.n <= max);
        assert_memory_equal(b.s, "ab €€ é x", b.n);
        assert_int_equal(strlen(b.s), b.n);
        assert_true(b.n == 0 || ((b.s[b.n - 1] & 0xC0) != 0xC0 && b.s[b.n - 1] != ' '));
        buf_free(&b);
    }
    buf_init(&b, 100);
    buf_puts(&b, "x:");
    assert_int_equal(html_to_text(&b, STR("<p>Xi</p>")), 0);
    assert_string_equal(b.s, "x:Xi");
    buf_free(&b);
}

/* Each of these takes minutes or hours when some search starts over again and again. */
static void takes_linear_time(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "<",
        "&",
        "<a",
        "<a =\"",
        "<a =\">\" ",
        "<!--",
        "<![CDATA[",
        "<script>",
        "<style>",
        "</",
        "<x ",
        "<b x='",
        "<img alt=\"",
        "&lt;b x=\"",
        "&lt;script&gt;",
        "&amp;lt;",
        "&lt;!--",
        "&#1",
        "&CounterClockwise",
        "<x =\"y\"",
        "<!",
        "<?p ",
        "&lt;b && x=\"",
        "\xC2",
        "  ",
        "<b x=\"'>'",
        "<p>",
        "<br",
        "<a b='\"' c=\"",
        "<img alt=<",
        "<x-",
        "<![CDATA[]]",
        "<a =",
        "<b/",
        "&lt;/b &lt;b/ ",
    };
    struct buf in, out;
    size_t n = 1 << 20;

    buf_init(&in, 2 * n);
    buf_init(&out, 2 * n);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        buf_clear(&in);
        buf_clear(&out);
        while (in.n < n)
            buf_puts(&in, pieces[i]);
        clock_t from = clock();
        (void)html_to_text(&out, buf_str(&in));
        double s = (double)(clock() - from) / CLOCKS_PER_SEC;
        if (s > 1)
            fail_msg("a megabyte of '%s' took %.1f s", pieces[i], s);
    }
    buf_free(&in);
    buf_free(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(keeps_plain_text),
    cmocka_unit_test(collapses_white_space),
    cmocka_unit_test(drops_tags),
    cmocka_unit_test(drops_what_is_not_shown),
    cmocka_unit_test(keeps_alt_text),
    cmocka_unit_test(decodes_references),
    cmocka_unit_test(decodes_what_was_escaped_twice),
    cmocka_unit_test(knows_all_names),
    cmocka_unit_test(keeps_to_the_bound),
    cmocka_unit_test(takes_linear_time),
};
TEST_MAIN(tests)
