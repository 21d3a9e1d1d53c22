/* What hostile and sloppy documents do to the parser, one test a row of the hazards that
 * it has to stand: in time, in memory, and with the items that can be saved.  Where the
 * time counts it is CPU time; sanitizers may take more of it.  The other rows: X7 is make
 * check-parse, X11 and X12 are test_seen, X13 is test_date, too, X14 is make check-farm;
 * the whole daemon meets X1 to X4 and X6 in e2e/test_hostile. */
#include "test.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "buf.h"
#include "feed_parse.h"
#include "utf8.h"

/* Sanitizers and a build for coverage run slower. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define INSTRUMENTED
#endif
#endif
#if defined(INSTRUMENTED) || defined(__SANITIZE_ADDRESS__) ||                            \
    defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
enum { SLOW = 10 };
#else
enum { SLOW = 1 };
#endif

struct run {
    struct feed_parse_options opt;
    struct feed_parse_result result;
    struct buf out; /* a line an item */
    size_t items;
    double cpu_s;
    size_t memory; /* most that was in use beyond what was before */
};

static void check(struct str s)
{
    for (size_t i = 0, len; i < s.n; i += len)
        if (utf8_get(s.s + i, s.n - i, &len) == UTF8_BAD || s.s[i] == '\0')
            fail_msg("bad UTF-8 or NUL in what came out");
}

static int on_item(void *ctx, const struct item *it, const struct feed_info *info)
{
    struct run *r = ctx;

    (void)info;
    check(it->id);
    check(it->link);
    check(it->title);
    check(it->summary);
    check(it->content);
    if (r->items++ < 3)
        (void)buf_printf(&r->out, "%s\n", it->title.s ? it->title.s : "");
    return 0;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t in_use(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static void parse(struct run *r, const char *s, size_t n, size_t step)
{
    struct feed_parse *p = NULL;
    size_t before;
    double from;

    r->items = r->memory = 0;
    buf_clear(&r->out);
    buf_init(&r->out, 4096);
    before = in_use();
    from = now_s();
    assert_int_equal(feed_parse_new(&p, &r->opt, on_item, r), 0);
    for (size_t i = 0; i < n; i += step) {
        if (feed_parse_push(p, s + i, n - i < step ? n - i : step) < 0)
            break;
        size_t now = in_use();
        if (now > before && now - before > r->memory)
            r->memory = now - before;
    }
    feed_parse_finish(p, &r->result);
    feed_parse_free(p);
    r->cpu_s = now_s() - from;
}

/* The document at the sizes of reads that the daemon has; `seconds` of CPU at most, and 4
 * MiB. */
static void stands(const char *s, size_t n, double seconds, enum feed_status status,
                   size_t items)
{
    static const size_t step[] = { 1000, 4096, 16384 };

    for (size_t i = 0; i < 3; i++) {
        struct run r = { .items = 0 };
        parse(&r, s, n, step[i]);
        assert_int_equal(r.result.status, status);
        assert_int_equal(r.items, items);
        if (r.cpu_s > seconds * SLOW)
            fail_msg("%.3f s, %.3f s at most", r.cpu_s, seconds);
        if (r.memory > 4 << 20)
            fail_msg("%zu bytes of memory", r.memory);
        buf_free(&r.out);
    }
}

/* head, then `s` again and again until there are n bytes, then tail. */
static void repeat(struct buf *doc, const char *head, const char *s, size_t n,
                   const char *tail)
{
    buf_init(doc, 32 << 20);
    (void)buf_puts(doc, head);
    while (doc->n < n)
        (void)buf_puts(doc, s);
    assert_int_equal(buf_puts(doc, tail), 0);
}

/* --- X1: billion laughs, quadratic blowup, parameter entities */

static void x1_stops_entities_in_100_ms(void **state)
{
    (void)state;
    struct buf doc;

    buf_init(&doc, 1 << 20);
    (void)buf_puts(&doc, "<!DOCTYPE rss [<!ENTITY a0 'ha'>");
    for (int i = 1; i < 10; i++) {
        (void)buf_printf(&doc, "<!ENTITY a%d '", i);
        for (int k = 0; k < 10; k++)
            (void)buf_printf(&doc, "&a%d;", i - 1);
        (void)buf_puts(&doc, "'>");
    }
    (void)buf_puts(&doc,
                   "]><rss><channel><item><title>&a9;</title></item></channel></rss>");
    stands(doc.s, doc.n, 0.1, FEED_OVER_LIMIT, 0);
    buf_free(&doc);

    repeat(&doc, "<!DOCTYPE rss [<!ENTITY a '", "x", 100000,
           "'>]><rss><channel><item><title>");
    for (int i = 0; i < 20000; i++)
        (void)buf_puts(&doc, "&a;");
    (void)buf_puts(&doc, "</title></item></channel></rss>");
    stands(doc.s, doc.n, 0.1, FEED_OVER_LIMIT, 0);
    buf_free(&doc);

    static const char parameters[] =
        "<!DOCTYPE rss [<!ENTITY % a '<!ENTITY &#37; b \"%a;%a;\">'>%a;%b;%b;]>"
        "<rss><channel><item><title>x</title></item></channel></rss>";
    stands(parameters, sizeof parameters - 1, 0.1, FEED_OVER_LIMIT, 0);

    /* A short one that is declared harmlessly may be used as often as it fits. */
    repeat(
        &doc,
        "<!DOCTYPE rss [<!ENTITY e 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'>]>"
        "<rss><channel><item><title>",
        "&e;", 300000, "</title></item></channel></rss>");
    stands(doc.s, doc.n, 0.1, FEED_WHOLE, 1);
    buf_free(&doc);
}

/* --- X2: external entities */

static void x2_opens_nothing(void **state)
{
    (void)state;
    char path[] = "/tmp/feedwatch-hazard-XXXXXX", doc[512];
    int fd = mkstemp(path);
    struct run r = { .items = 0 };

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "SECRET", 6), 6);
    static const char *const form[][2] = {
        { "<!DOCTYPE rss [<!ENTITY x SYSTEM 'file://", "'>]>" },
        { "<!DOCTYPE rss [<!ENTITY x PUBLIC 'a' '", "'>]>" },
        { "<!DOCTYPE rss SYSTEM '", "'>" },
        { "<!DOCTYPE rss [<!ENTITY % d SYSTEM '", "'>%d;]>" },
        { "<?xml-stylesheet href='", "'?>" },
    };
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        int n = snprintf(doc, sizeof doc,
                         "%s%s%s<rss><channel><item><title>[&x;]</title></item></channel>"
                         "</rss>",
                         form[i][0], path, form[i][1]);
        parse(&r, doc, (size_t)n, 4096);
        assert_null(r.out.s ? strstr(r.out.s, "SECRET") : NULL);
        assert_true(r.result.status == FEED_OVER_LIMIT ||
                    strcmp(r.out.s, "[&x;]\n") == 0);
        buf_free(&r.out);
    }
    (void)close(fd);
    (void)unlink(path);
}

/* --- X3: deep nesting */

static void x3_stays_flat_when_nested_deeply(void **state)
{
    (void)state;
    struct buf doc;

    repeat(&doc, "<rss><channel><item><title>a</title></item>", "<a>", 3000000, "");
    stands(doc.s, doc.n, 1, FEED_BROKEN, 1);
    buf_free(&doc);
    repeat(&doc, "<rss><channel><item><title>a</title><description>", "<b>", 3000000,
           "</description></item><item/></channel></rss>");
    stands(doc.s, doc.n, 1, FEED_WHOLE, 2);
    buf_free(&doc);
    repeat(&doc, "{\"items\":[{\"id\":\"1\"},{\"a\":", "[", 1000000, "");
    stands(doc.s, doc.n, 1, FEED_BROKEN, 1);
    buf_free(&doc);
}

/* --- X4: giant tokens; X5: many attributes and namespaces */

static void x4_x5_giant_tokens_take_no_second(void **state)
{
    (void)state;
    static const struct {
        const char *head, *s, *tail;
        enum feed_status status;
        size_t items;
    } t[] = {
        { "<rss><channel><item/><item x='", "aaaaaaaa", "'/></channel></rss>", FEED_WHOLE,
          2 },
        { "<rss><channel><item/><!--", "aaaaaaa>", "--><item/></channel></rss>",
          FEED_WHOLE, 2 },
        { "<rss><channel><item/><item><title><![CDATA[", "aaaa]]aa",
          "]]></title></item></channel></rss>", FEED_WHOLE, 2 },
        { "<rss><channel><item/><?x ", "aaaaaaaa", "?><item/></channel></rss>",
          FEED_WHOLE, 2 },
        { "<rss><channel><item/><", "aaaaaaaa", "/><item/></channel></rss>", FEED_WHOLE,
          2 },
        { "<rss><channel><item/><a ", "a='1' b=2 ", "/><item/></channel></rss>",
          FEED_WHOLE, 2 },
        { "<rss><channel><item/></", "aaaaaaaa", "><item/></channel></rss>", FEED_WHOLE,
          2 },
        { "<rss><channel><item/><item><title>", "aaaaaaaa",
          "</title></item></channel></rss>", FEED_WHOLE, 2 },
        { "<!DOCTYPE rss SYSTEM '", "aaaaaaaa", "'><rss><channel><item/></channel></rss>",
          FEED_WHOLE, 1 },
        { "<rss><channel><item/><item x='", "aaaaaaaa", "", FEED_BROKEN, 1 },
        { "<rss><channel><item/><!--", "aaaaaaaa", "", FEED_BROKEN, 1 },
        { "<rss><channel><item/><![CDATA[", "aaaaaaaa", "", FEED_BROKEN, 1 },
        { "{\"items\":[{\"id\":\"", "aaaaaaaa", "\"},{\"id\":\"2\"}]}", FEED_WHOLE, 1 },
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf doc;
        repeat(&doc, t[i].head, t[i].s, (8 << 20) - 200, t[i].tail);
        for (size_t step = 4096; step <= 16384; step *= 4) {
            struct run r = { .items = 0 };
            parse(&r, doc.s, doc.n, step);
            if (r.cpu_s > 1.0 * SLOW || r.memory > 4 << 20 ||
                (r.result.status != t[i].status && r.result.status != FEED_OVER_LIMIT))
                fail_msg("%s...: %.3f s, %zu bytes of memory, %s", t[i].head, r.cpu_s,
                         r.memory, feed_status_name(r.result.status));
            assert_true(r.items >= 1 || r.result.status == FEED_OVER_LIMIT);
            buf_free(&r.out);
        }
        buf_free(&doc);
    }
}

static void x5_many_attributes_and_namespaces(void **state)
{
    (void)state;
    static const char *const form[] = { " a", " xmlns:n", " n:a" };

    for (size_t f = 0; f < 3; f++) {
        struct buf doc;
        buf_init(&doc, 8 << 20);
        (void)buf_puts(&doc, "<rss><channel><item/><x");
        for (int i = 0; i < 100000; i++)
            (void)buf_printf(&doc, "%s%d='%d'", form[f], i, i);
        (void)buf_puts(&doc, "/><item/></channel></rss>");
        for (size_t step = 4096; step <= 16384; step *= 4) {
            struct run r = { .items = 0 };
            parse(&r, doc.s, doc.n, step);
            if (r.cpu_s > 1.0 * SLOW)
                fail_msg("%s: %.3f s", form[f], r.cpu_s);
            assert_true(r.items >= 1);
            buf_free(&r.out);
        }
        buf_free(&doc);
    }
}

/* --- X6: a million items */

static void x6_counts_items(void **state)
{
    (void)state;
    struct run r = { .opt.limits.max_items = 1000 };
    struct buf doc;

    repeat(&doc, "<rss><channel>", "<item/>", 7000000, "</channel></rss>");
    parse(&r, doc.s, doc.n, 16384);
    assert_int_equal(r.result.status, FEED_OVER_LIMIT);
    assert_int_equal(r.items, 1000);
    assert_string_equal(r.result.why, "more than 1000 items");
    assert_true(r.cpu_s < 0.1 * SLOW);
    buf_free(&r.out);
    r.opt.limits.max_items = 2000000;
    parse(&r, doc.s, doc.n, 16384);
    assert_int_equal(r.result.status, FEED_WHOLE);
    assert_true(r.items > 999000 && r.cpu_s < 2.0 * SLOW);
    buf_free(&r.out);
    buf_free(&doc);
}

/* --- X8: encodings; invalid bytes never get out (X7 is make check-parse) */

static void x8_reads_encodings(void **state)
{
    (void)state;
#define XML(label) "<?xml version='1.0' encoding='" label "'?>"
#define BODY(title) "<rss><channel><item><title>" title "</title></item></channel></rss>"
    static const struct {
        const char *doc;
        size_t n; /* 0: strlen */
        const char *type, *title, *charset;
        bool clean;
    } t[] = {
        { "\xEF\xBB\xBF" BODY("\xC3\xA9"), 0, "", "\xC3\xA9", "utf-8", true },
        { XML("iso-8859-1") BODY("\xE9\x80"), 0, "", "\xC3\xA9\xE2\x82\xAC",
          "windows-1252", true },
        { XML("windows-1252") BODY("\x93"), 0, "", "\xE2\x80\x9C", "windows-1252", true },
        { XML("koi8-r") BODY("\xF0\xD5\xD4\xC9\xCE"), 0, "",
          "\xD0\x9F\xD1\x83\xD1\x82\xD0\xB8\xD0\xBD", "koi8-r", true },
        { BODY("\xF0\xD5"), 0, "text/xml; charset=koi8-r", "\xD0\x9F\xD1\x83", "koi8-r",
          true },
        { XML("iso-8859-1") BODY("\xC3\xA9\xC3\xA8"), 0, "text/xml; charset=utf-8",
          "\xC3\xA9\xC3\xA8", "utf-8", true },
        { XML("utf-16") BODY("\xC3\xA9"), 0, "", "\xC3\xA9", "utf-8", false },
        { XML("no-such-charset") BODY("\xC3\xA9"), 0, "", "\xC3\xA9", "utf-8", false },
        { BODY("a\xFF"
               "b\x80"
               "c"),
          0, "",
          "a\xC3\xBF"
          "b\xE2\x82\xAC"
          "c",
          "utf-8", false },
        { BODY("\xC0\xAF\xED\xA0\x80\xF5"), 0, "", NULL, "utf-8", false },
        { "\xFF\xFE<\0r\0s\0s\0>\0<\0c\0h\0a\0n\0n\0e\0l\0>\0<\0i\0t\0e\0m\0>\0<"
          "\0t\0i\0t\0l\0"
          "e\0>\0\xE9\0\x00\xD8<\0/\0t\0i\0t\0l\0e\0>\0<\0/\0i\0t\0e\0m\0>\0<\0/"
          "\0c\0h\0a\0n\0"
          "n\0e\0l\0>\0<\0/\0r\0s\0s\0>\0",
          122, "", "\xC3\xA9\xEF\xBF\xBD\n", "utf-16le", false },
    };
#undef XML
#undef BODY

    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (size_t step = 1; step < 5000; step = step * 3 + 1) {
            struct run r = { .opt.content_type = str_of(t[i].type) };
            parse(&r, t[i].doc, t[i].n ? t[i].n : strlen(t[i].doc), step);
            if (r.items != 1 ||
                (t[i].title && strncmp(r.out.s, t[i].title, strlen(t[i].title)) != 0) ||
                strcmp(r.result.charset, t[i].charset) != 0 ||
                r.result.wellformed != t[i].clean)
                fail_msg("%s: %s as %s; %s", t[i].doc, r.out.s ? r.out.s : "nothing",
                         r.result.charset, r.result.why);
            buf_free(&r.out);
        }
}

/* --- X9: sloppy feeds */

static void x9_reads_sloppy_feeds(void **state)
{
    (void)state;
#define TWO "<item><title>b</title></item></channel></rss>"
#define ONE(title) "<rss><channel><item><title>" title "</title></item>"
    static const struct {
        const char *doc, *titles;
    } t[] = {
        { ONE("a&nbsp;&eacute;") TWO, "a \xC3\xA9\nb\n" },
        { ONE("a & a") TWO, "a & a\nb\n" },
        { ONE("AT&T;x &") TWO, "AT&T;x &\nb\n" },
        { ONE("1 < 2") TWO, "1 < 2\nb\n" },
        { "\n\n <?xml version='1.0'?>" ONE("a") TWO, "a\nb\n" },
        { "HTTP/1.0 200 OK\n\n<?xml version='1.0'?>" ONE("a") TWO, "a\nb\n" },
        { ONE("a") TWO "<!-- ads --><script>x & y</script>", "a\nb\n" },
        { ONE("a") TWO "\0\0\0 junk", "a\nb\n" },
        { ONE("a") TWO ONE("c") "</channel></rss>", "a\nb\nc\n" },
        { "<rss><channel><item><title>a</title><item><title>b</title></item>", "a\nb\n" },
        { "<rss><channel><item><title>a</title><item/><item><title>b</title></channel></"
          "rss>",
          "a\nb\n" },
        { ONE("a") "<item><title>b</item></channel></rss>", "a\nb\n" },
        { ONE("a") "<item><title>cut", "a\n" },
        { "<rss><channel><item><x:title>no</x:title><title>a</title></item>" TWO,
          "a\nb\n" },
        { ONE("a\x08\x0B") "<item><title>&#8;b&#xFFFF;&#1114112;</title></item>",
          "a\nb\xEF\xBF\xBD\xEF\xBF\xBD\n" },
    };
#undef ONE
#undef TWO

    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (size_t step = 1; step < 5000; step = step * 3 + 1) {
            struct run r = { .items = 0 };
            parse(&r, t[i].doc, strlen(t[i].doc), step);
            if (strcmp(r.out.s ? r.out.s : "", t[i].titles) != 0)
                fail_msg("%s: %s", t[i].doc, r.out.s ? r.out.s : "nothing");
            buf_free(&r.out);
        }
}

/* --- X10: HTML in the place of a feed */

static void x10_names_what_is_no_feed(void **state)
{
    (void)state;
    static const char *const t[] = {
        "<!DOCTYPE html><html><body><form>log in</form></body></html>",
        "<!doctype HTML PUBLIC '-//W3C//DTD HTML "
        "4.01//EN'>\n<HTML><item><title>no</title></item>",
        "<html "
        "xmlns='http://www.w3.org/1999/xhtml'><body><item><title>no</title></item></"
        "body></html>",
        "<?xml version='1.0'?><!DOCTYPE html><html><item/></html>",
        "  \n<!-- x --><html><item/></html>",
        "Sorry, you have been blocked",
        "{\"error\":\"rate limit\"}",
        "<opml><body><outline/></body></opml>",
        "\x1F\x8B\x08\0\0",
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (size_t step = 1; step < 5000; step = step * 3 + 1) {
            struct run r = { .items = 0 };
            parse(&r, t[i], strlen(t[i]), step);
            if (r.result.status != FEED_NOT_A_FEED || r.items)
                fail_msg("%s: %s, %zu items", t[i], feed_status_name(r.result.status),
                         r.items);
            buf_free(&r.out);
        }
}

/* --- X13: dates; test_date has the forms: here, that they keep no item back */

static void x13_dates_keep_no_item_back(void **state)
{
    (void)state;
    static const char *const date[] = { "30 Feb 2026",
                                        "2026-11-24T24:00:00Z",
                                        "Tue, 24 Nov 2026 23:59:60 GMT",
                                        "0001-01-01T00:00:00Z",
                                        "9999-12-31T23:59:59Z",
                                        "99999-01-01",
                                        "24 Nov 2026 10:00 +2500",
                                        "2036-11-24",
                                        "",
                                        "&#0;",
                                        "<b>24</b>" };
    struct buf doc;
    struct run r = { .items = 0 };

    buf_init(&doc, 1 << 16);
    (void)buf_puts(&doc, "<rss><channel>");
    for (size_t i = 0; i < sizeof date / sizeof *date; i++)
        (void)buf_printf(&doc, "<item><title>t</title><pubDate>%s</pubDate></item>",
                         date[i]);
    (void)buf_puts(&doc, "</channel></rss>");
    parse(&r, doc.s, doc.n, 4096);
    assert_int_equal(r.items, sizeof date / sizeof *date);
    buf_free(&r.out);
    buf_free(&doc);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(x1_stops_entities_in_100_ms),
    cmocka_unit_test(x2_opens_nothing),
    cmocka_unit_test(x3_stays_flat_when_nested_deeply),
    cmocka_unit_test(x4_x5_giant_tokens_take_no_second),
    cmocka_unit_test(x5_many_attributes_and_namespaces),
    cmocka_unit_test(x6_counts_items),
    cmocka_unit_test(x8_reads_encodings),
    cmocka_unit_test(x9_reads_sloppy_feeds),
    cmocka_unit_test(x10_names_what_is_no_feed),
    cmocka_unit_test(x13_dates_keep_no_item_back),
};
TEST_MAIN(tests)
