/* fetch_headers: validators as they came, freshness, Retry-After, dates, Content-Type. */
#include "test.h"
#include <stdlib.h>
#include <string.h>
#include "../../daemon/net/fetch_headers.h"
#include "fetch.h"

#define T0 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */

static struct fetch_headers read_lines(const char *lines)
{
    struct fetch_headers h = { 0 };

    fetch_headers_clear(&h);
    while (*lines) {
        size_t n = strcspn(lines, "\n");
        assert_int_equal(fetch_headers_line(&h, (struct str){ lines, n }), 0);
        lines += n + (lines[n] == '\n');
    }
    return h;
}

static void reads_the_three_date_forms_and_no_other(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t utc_s; /* -1: no date */
    } rows[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", T0 },
        { "  Sun, 06 Nov 1994 08:49:37 GMT\r", T0 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", T0 },
        { "Sun Nov  6 08:49:37 1994", T0 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Fri, 29 Feb 2030 12:00:00 GMT", -1 },
        { "Mon, 29 Feb 2100 12:00:00 GMT", -1 },
        { "Thu, 29 Feb 2024 23:59:60 GMT", 1709251200 },
        { "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
        { "Tuesday, 19-Jan-38 03:14:07 GMT", INT32_MAX },
        { "Sun, 06 Nov 1994 08:49:37 CET", -1 },
        { "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 06 Nov 1969 08:49:37 GMT", -1 },
        { "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 32 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 24:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:60:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
        { "Sun, 06 Nob 1994 08:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:37 GMT!", -1 },
        { "1994-11-06T08:49:37Z", -1 },
        { "784111777", -1 },
        { "", -1 },
        { ",", -1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t got = -1;
        (void)fetch_http_date(str_of(rows[i].text), &got);
        if (got != rows[i].utc_s)
            fail_msg("%s: %lld", rows[i].text, (long long)got);
    }
}

static void keeps_validators_verbatim(void **state)
{
    (void)state;
    struct fetch_headers h =
        read_lines("ETAG:\t W/\"a b\" \r\nlast-modified: whenever\r\n"
                   "ETag: \"later\"\r\nETagX: no\r\nno colon\r\n");
    assert_string_equal(h.etag, "W/\"a b\"");
    assert_string_equal(h.last_modified, "whenever");
    fetch_headers_clear(&h);
    assert_null(h.etag);

    static char line[FETCH_VALIDATOR_MAX + 20] = "ETag: ";
    memset(line + 6, 'e', FETCH_VALIDATOR_MAX + 1);
    h = read_lines(line);
    assert_null(h.etag); /* too long: as good as none */
    line[6 + FETCH_VALIDATOR_MAX] = '\0';
    h = read_lines(line);
    assert_int_equal(strlen(h.etag), FETCH_VALIDATOR_MAX);
    fetch_headers_clear(&h);
    h = read_lines("ETag: a\x01"
                   "b\r\nLast-Modified: \x7f\r\n");
    assert_null(h.etag);
    assert_null(h.last_modified);
}

static void knows_how_long_an_answer_is_fresh(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        int64_t fresh_s; /* seen at T0 */
    } rows[] = {
        { "", 0 },
        { "Cache-Control: max-age=300", 300 },
        { "Cache-Control: public,MAX-AGE=\"300\" ,x\nAge: 100", 200 },
        { "Cache-Control: max-age=300\nAge: 400", 0 },
        { "Cache-Control: max-age=300\nAge: -4", 300 },
        { "Cache-Control: max-age=300, max-age=900", 300 },
        { "Cache-Control: s-maxage=300", 0 },
        { "Cache-Control: max-age=300, no-store", 0 },
        { "Cache-Control: no-cache", 0 },
        { "Cache-Control: max-age=", 0 },
        { "Cache-Control: max-age=5x", 0 },
        { "Cache-Control: ,,,=,max-age=7,,", 7 },
        { "Cache-Control: max-age=99999999999999999999", 31622400 },
        { "Cache-Control: max-age=0\nExpires: Sun, 06 Nov 1994 09:49:37 GMT", 0 },
        { "Expires: Sun, 06 Nov 1994 09:49:37 GMT", 3600 },
        { "Expires: Sun, 06 Nov 1994 09:49:37 GMT\nDate: Sun, 06 Nov 1994 09:39:37 GMT",
          600 },
        { "Expires: 0", 0 },
        { "Expires: Sun, 06 Nov 1994 07:49:37 GMT", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fetch_headers h = read_lines(rows[i].lines);
        int64_t fresh = fetch_headers_fresh_s(&h, T0);
        if (fresh != rows[i].fresh_s)
            fail_msg("%s: %lld", rows[i].lines, (long long)fresh);
        fetch_headers_clear(&h);
    }
}

static void clamps_retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        int64_t retry_s; /* seen at T0 */
    } rows[] = {
        { "", 0 },
        { "Retry-After: 120", 120 },
        { "Retry-After: 0", 60 },
        { "Retry-After: 1000000000000000000000", 86400 },
        { "Retry-After: -5", 0 },
        { "Retry-After: 1.5", 0 },
        { "Retry-After: 5 minutes", 0 },
        { "Retry-After: soon", 0 },
        { "Retry-After:", 0 },
        { "Retry-After: Sun, 06 Nov 1994 09:49:37 GMT", 3600 },
        { "Retry-After: Sun, 06 Nov 1994 07:49:37 GMT", 60 },
        { "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", 86400 },
        { "Date: Sun, 06 Nov 1994 09:39:37 GMT\n"
          "Retry-After: Sun, 06 Nov 1994 09:49:37 GMT",
          600 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fetch_headers h = read_lines(rows[i].lines);
        int64_t retry = fetch_headers_retry_s(&h, T0);
        if (retry != rows[i].retry_s)
            fail_msg("%s: %lld", rows[i].lines, (long long)retry);
        fetch_headers_clear(&h);
    }
}

static void splits_content_types(void **state)
{
    (void)state;
    static const struct {
        const char *value, *mime, *charset;
    } rows[] = {
        { "application/rss+xml", "application/rss+xml", "" },
        { " text/xml ;charset=utf-8", "text/xml", "utf-8" },
        { "text/xml; q=1; Charset=\"koi8-r\" ; x", "text/xml", "koi8-r" },
        { "text/xml; charset='windows-1252'", "text/xml", "windows-1252" },
        { "text/xml; charset=", "text/xml", "" },
        { "text/xml; charset=\"", "text/xml", "" },
        { "text/xml; xcharset=a", "text/xml", "" },
        { "; charset=a", "", "a" },
        { "", "", "" },
        { ";", "", "" },
        { ";;;charset=b;charset=c", "", "b" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str mime, charset;
        fetch_content_type(str_of(rows[i].value), &mime, &charset);
        if (!str_eq(mime, str_of(rows[i].mime)) ||
            !str_eq(charset, str_of(rows[i].charset)))
            fail_msg("%s: \"%.*s\" \"%.*s\"", rows[i].value, (int)mime.n, mime.s,
                     (int)charset.n, charset.s);
    }
}

static void finds_hub_and_self_among_links(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *hub, *self; /* "": none */
    } rows[] = {
        { "Link: <https://h/>; rel=\"hub\", <https://e/f>; rel=\"self\"", "https://h/",
          "https://e/f" },
        { "link: </h>;rel=hub;x=\"a,b;rel=self\" , <f,g>; title=\"<no>\"; rel=SELF\r",
          "/h", "f,g" },
        { "Link: <a>; rel=\"alternate self hub\"\nLink: <b>; rel=hub", "a", "a" },
        { "Link: <https://e/wp-json/>; rel=\"https://api.w.org/\"", "", "" },
        { "Link: <a>; rel=hubs, <b>; rel=\"my-self\", <c>, <d>; xrel=hub", "", "" },
        { "Link: <a", "", "" },
        { "Link: <a>; rel=\"hub", "a", "" },
        { "Link:", "", "" },
        { "Link: <>; rel=hub, <", "", "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fetch_headers h = read_lines(rows[i].lines);
        assert_string_equal(h.hub ? h.hub : "", rows[i].hub);
        assert_string_equal(h.self ? h.self : "", rows[i].self);
        fetch_headers_clear(&h);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(reads_the_three_date_forms_and_no_other),
    cmocka_unit_test(keeps_validators_verbatim),
    cmocka_unit_test(knows_how_long_an_answer_is_fresh),
    cmocka_unit_test(clamps_retry_after),
    cmocka_unit_test(splits_content_types),
    cmocka_unit_test(finds_hub_and_self_among_links),
};
TEST_MAIN(tests)
