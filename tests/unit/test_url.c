/* url: RFC 3986's examples and what feeds carry; checking, hosts, normal forms. */
#include "test.h"
#include <errno.h>
#include <string.h>
#include "url.h"

#define N(table) (sizeof(table) / sizeof *(table))

struct row {
    const char *base, *ref, *wanted; /* wanted == NULL: -EINVAL */
};

static void check(const struct row *rows, size_t n)
{
    struct buf b;

    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&b);
        int r = url_resolve(&b, str_of(rows[i].base), str_of(rows[i].ref));
        if (r != (rows[i].wanted ? 0 : -EINVAL) ||
            (rows[i].wanted && strcmp(b.s, rows[i].wanted) != 0))
            fail_msg("'%s' from '%s'\n  gave:   %d '%s'\n  wanted: '%s'", rows[i].ref,
                     rows[i].base, r, b.s, rows[i].wanted);
    }
    buf_free(&b);
}

static void resolves_the_examples_of_rfc3986(void **state)
{
    (void)state;
#define BASE "http://a/b/c/d;p?q"
    static const struct row rows[] = {
        /* 5.4.1 */
        { BASE, "g:h", "g:h" },
        { BASE, "g", "http://a/b/c/g" },
        { BASE, "./g", "http://a/b/c/g" },
        { BASE, "g/", "http://a/b/c/g/" },
        { BASE, "/g", "http://a/g" },
        { BASE, "//g", "http://g" },
        { BASE, "?y", "http://a/b/c/d;p?y" },
        { BASE, "g?y", "http://a/b/c/g?y" },
        { BASE, "#s", "http://a/b/c/d;p?q#s" },
        { BASE, "g#s", "http://a/b/c/g#s" },
        { BASE, "g?y#s", "http://a/b/c/g?y#s" },
        { BASE, ";x", "http://a/b/c/;x" },
        { BASE, "g;x", "http://a/b/c/g;x" },
        { BASE, "g;x?y#s", "http://a/b/c/g;x?y#s" },
        { BASE, "", "http://a/b/c/d;p?q" },
        { BASE, ".", "http://a/b/c/" },
        { BASE, "./", "http://a/b/c/" },
        { BASE, "..", "http://a/b/" },
        { BASE, "../", "http://a/b/" },
        { BASE, "../g", "http://a/b/g" },
        { BASE, "../..", "http://a/" },
        { BASE, "../../", "http://a/" },
        { BASE, "../../g", "http://a/g" },
        /* 5.4.2 */
        { BASE, "../../../g", "http://a/g" },
        { BASE, "../../../../g", "http://a/g" },
        { BASE, "/./g", "http://a/g" },
        { BASE, "/../g", "http://a/g" },
        { BASE, "g.", "http://a/b/c/g." },
        { BASE, ".g", "http://a/b/c/.g" },
        { BASE, "g..", "http://a/b/c/g.." },
        { BASE, "..g", "http://a/b/c/..g" },
        { BASE, "./../g", "http://a/b/g" },
        { BASE, "./g/.", "http://a/b/c/g/" },
        { BASE, "g/./h", "http://a/b/c/g/h" },
        { BASE, "g/../h", "http://a/b/c/h" },
        { BASE, "g;x=1/./y", "http://a/b/c/g;x=1/y" },
        { BASE, "g;x=1/../y", "http://a/b/c/y" },
        { BASE, "g?y/./x", "http://a/b/c/g?y/./x" },
        { BASE, "g?y/../x", "http://a/b/c/g?y/../x" },
        { BASE, "g#s/./x", "http://a/b/c/g#s/./x" },
        { BASE, "g#s/../x", "http://a/b/c/g#s/../x" },
        { BASE, "http:g", "http:g" },
        /* 5.2.4 */
        { BASE, "/a/b/c/./../../g", "http://a/a/g" },
        { BASE, "x:mid/content=5/../6", "x:mid/6" },
    };
    check(rows, N(rows));
}

static void resolves_what_feeds_carry(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "", "https://example.org/a?b#c", "https://example.org/a?b#c" },
        { "", "  https://example.org/a\n", "https://example.org/a" },
        { "", "HTTPS://Example.org/a", "https://Example.org/a" },
        { "", "https://example.org/a b\"<c>`", "https://example.org/a%20b%22%3Cc%3E%60" },
        { "", "https://example.org/long\n  er", "https://example.org/long%20%20er" },
        { "", "https://example.org/Straße/習", "https://example.org/Straße/習" },
        { "", "https://example.org/\xC2\x9B\xE2\x80\xAE\xff\x7f",
          "https://example.org/%C2%9B%E2%80%AE%FF%7F" },
        { "", "https://example.org/a/../b", "https://example.org/b" },
        { "", "https://example.org/%7Ea?%20", "https://example.org/%7Ea?%20" },
        { "", "/a", NULL },
        { "", "", NULL },
        { "a/b", "c", NULL },
        { "https://example.org", "a", "https://example.org/a" },
        { "https://example.org?x", "a", "https://example.org/a" },
        { " https://example.org/f/feed.xml ", "../a.html", "https://example.org/a.html" },
        { "https://example.org/", "mailto:a@example.org", "mailto:a@example.org" },
        { "https://example.org/", "//cdn.example.org/x", "https://cdn.example.org/x" },
        { "https://example.org/a b/c", "d", "https://example.org/a%20b/d" },
        { "https://example.org/", "|date", "https://example.org/|date" },
        { "https://example.org/a/../b", "#c", "https://example.org/b#c" },
        { "http://[::1]:80/a", "b", "http://[::1]:80/b" },
    };
    check(rows, N(rows));
}

static void tells_web_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {
        "http://a",
        "https://example.org/x?y#z",
        "HTTP://A",
        "http://[::1]:8080/",
        "http://u:p@h/",
        "https://例え.jp/é",
        "http://127.0.0.1:80",
    };
    static const char *const bad[] = {
        "",
        "http://",
        "http:///x",
        "ftp://a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "-oX",
        "|date",
        "http:a",
        "//a",
        "http://a b",
        "http://a/\x1b",
        "http://a/\xC2\x9B",
        "http://a/\xE2\x80\xAE",
        "http://a/\xff",
        "http://@/",
        "http://:80/",
        "http://[/",
        "xhttp://a",
        "http://?",
        "data:text/html,x",
        "feed://a",
        " http://a",
    };

    for (size_t i = 0; i < N(good); i++) {
        if (!url_is_web(str_of(good[i])))
            fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < N(bad); i++) {
        if (url_is_web(str_of(bad[i])))
            fail_msg("taken: %s", bad[i]);
    }
}

static void finds_hosts(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "https://Example.ORG:8080/x", "example.org" },
        { "https://user:p@ss@example.org", "example.org" },
        { "http://[2001:DB8::1]:80/", "[2001:db8::1]" },
        { "http://[::1", "" },
        { "https://example.org?x@y", "example.org" },
        { "//example.org/x", "example.org" },
        { "mailto:a@example.org", "" },
        { "", "" },
    };
    struct buf b;

    buf_init(&b, 1000);
    for (size_t i = 0; i < N(rows); i++) {
        assert_int_equal(url_host(&b, str_of(rows[i][0])), 0);
        assert_string_equal(b.s ? b.s : "", rows[i][1]);
    }
    buf_free(&b);
}

static void normalises(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "https://www.Example.org/a/", "example.org/a" },
        { "http://example.org:80/a#top", "example.org/a" },
        { "https://example.org:443", "example.org" },
        { "https://example.org:8443/", "example.org:8443" },
        { "https://example.org./A?b=2&a=1&utm_source=x&fbclid=1",
          "example.org/A?a=1&b=2" },
        { "https://example.org/A?utm_medium=rss", "example.org/A" },
        { "https://example.org/?p=12&", "example.org?p=12" },
        { "https://u@example.org/x", "example.org/x" },
        { "urn:x:y", "urn:x:y" },
        { "", "" },
    };
    struct buf b;

    buf_init(&b, 1000);
    for (size_t i = 0; i < N(rows); i++) {
        buf_clear(&b);
        assert_int_equal(url_normalise(&b, str_of(rows[i][0])), 0);
        assert_string_equal(b.s ? b.s : "", rows[i][1]);
    }
    buf_free(&b);
}

static void leaves_nothing_half_done(void **state)
{
    (void)state;
    struct buf b;

    buf_init(&b, 10);
    buf_puts(&b, "x");
    assert_int_equal(url_resolve(&b, STR(""), STR("https://example.org/")), -E2BIG);
    assert_string_equal(b.s, "x");
    buf_clear(&b);
    buf_puts(&b, "x");
    assert_int_equal(url_resolve(&b, STR("http://a/b"), STR("cdef")), -E2BIG);
    assert_string_equal(b.s, "x");
    buf_free(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(resolves_the_examples_of_rfc3986),
    cmocka_unit_test(resolves_what_feeds_carry),
    cmocka_unit_test(tells_web_addresses),
    cmocka_unit_test(finds_hosts),
    cmocka_unit_test(normalises),
    cmocka_unit_test(leaves_nothing_half_done),
};
TEST_MAIN(tests)
