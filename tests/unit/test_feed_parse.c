/* feed_parse: formats, repairs, limits, and that an item comes out the moment it is
 * whole. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "buf.h"
#include "feed_parse.h"

struct run {
    struct feed_parse_options opt;
    struct feed_parse_result result;
    struct buf out; /* a line an item */
    size_t items;
    int64_t published_s; /* of the last item */
    int stop_at;         /* item number, 0: never */
};

static void put(struct buf *b, const char *name, struct str s)
{
    if (s.n == 0)
        return;
    assert_int_equal(s.s[s.n], '\0');
    (void)buf_printf(b, "%s=%s ", name, s.s);
}

static int on_item(void *ctx, const struct item *it, const struct feed_info *info)
{
    struct run *r = ctx;
    struct buf *b = &r->out;

    (void)info;
    put(b, "id", it->id);
    put(b, "link", it->link);
    put(b, "title", it->title);
    put(b, "summary", it->summary);
    put(b, "content", it->content);
    put(b, "lang", it->lang);
    for (size_t i = 0; i < it->n_authors; i++)
        put(b, "author", it->authors[i]);
    for (size_t i = 0; i < it->n_categories; i++)
        put(b, "category", it->categories[i]);
    for (size_t i = 0; i < it->n_enclosures; i++)
        put(b, "enclosure", it->enclosures[i]);
    (void)buf_puts(b, "\n");
    r->published_s = it->published_s;
    return ++r->items == (size_t)r->stop_at;
}

static struct feed_parse *begin(struct run *r)
{
    struct feed_parse *p = NULL;

    buf_init(&r->out, 16 << 20);
    r->items = 0;
    assert_int_equal(feed_parse_new(&p, &r->opt, on_item, r), 0);
    return p;
}

static void parse_n(struct run *r, const char *s, size_t n, size_t step)
{
    struct feed_parse *p = begin(r);

    for (size_t i = 0; i < n; i += step)
        if (feed_parse_push(p, s + i, n - i < step ? n - i : step) < 0)
            break;
    feed_parse_finish(p, &r->result);
    feed_parse_free(p);
}

/* Parses whole, then in every small step: the same must come out. */
static void parse(struct run *r, const char *s)
{
    size_t n = strlen(s);

    parse_n(r, s, n, n + 1);
    for (size_t step = 1; step < 8; step++) {
        struct run again = { .opt = r->opt, .stop_at = r->stop_at };
        parse_n(&again, s, n, step);
        assert_string_equal(again.out.s ? again.out.s : "", r->out.s ? r->out.s : "");
        assert_int_equal(again.result.status, r->result.status);
        assert_int_equal(again.result.repairs, r->result.repairs);
        buf_free(&again.out);
    }
}

static void expect(const char *doc, const char *items, enum feed_status status,
                   unsigned long repairs)
{
    struct run r = { .opt.url = STR("http://example.org/a/feed") };

    parse(&r, doc);
    assert_string_equal(r.out.s ? r.out.s : "", items);
    assert_int_equal(r.result.status, status);
    assert_int_equal(r.result.repairs, repairs);
    assert_int_equal(r.result.wellformed, status == FEED_WHOLE && repairs == 0);
    buf_free(&r.out);
}

/* --- formats --- */

static void reads_rss(void **state)
{
    (void)state;
    expect("<?xml version='1.0'?><rss version='2.0' "
           "xmlns:content='http://purl.org/rss/1.0/modules/content/' "
           "xmlns:dc='http://purl.org/dc/elements/1.1/'><channel><title>F</title>"
           "<language>en</language><item><title>A &amp;amp; &lt;b&gt;B&lt;/b&gt;</title>"
           "<link>/x</link><guid isPermaLink='false'>7</guid><dc:creator>Ann</dc:creator>"
           "<description>&lt;p&gt;One&lt;p&gt;two</description>"
           "<content:encoded><![CDATA[<i>long</i>]]></content:encoded>"
           "<category>c</category><enclosure url='e.mp3'/></item></channel></rss>",
           "id=7 link=http://example.org/x title=A & B summary=One two content=long "
           "lang=en author=Ann category=c enclosure=http://example.org/a/e.mp3 \n",
           FEED_WHOLE, 0);
}

static void reads_atom(void **state)
{
    (void)state;
    expect("<feed xmlns='http://www.w3.org/2005/Atom' xml:lang='de' xml:base='/b/'>"
           "<author><name>F</name></author><entry><id>i</id>"
           "<title>1 &lt; 2 &lt;b></title><link rel='self' href='no'/>"
           "<link href='x'/><summary type='html'>&lt;b&gt;S&lt;/b&gt;</summary>"
           "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>a<br/>b "
           "&lt; i></div></content><category term='t' label='l'/></entry></feed>",
           "id=i link=http://example.org/b/x title=1 < 2 <b> summary=S content=a b < i> "
           "lang=de author=F category=l category=t \n",
           FEED_WHOLE, 0);
}

static void reads_rdf_and_wrong_namespaces(void **state)
{
    (void)state;
    expect("<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
           "xmlns='https://PURL.org/rss/1.0' xmlns:d='purl.org/dc/elements/1.1'>"
           "<channel/><item rdf:about='http://e.org/1'><title>T</title>"
           "<d:creator>A</d:creator></item><image><title>no</title></image></rdf:RDF>",
           "id=http://e.org/1 link=http://e.org/1 title=T author=A \n", FEED_WHOLE, 0);
}

static void ranks_do_not_depend_on_order(void **state)
{
    (void)state;
    expect("<rss xmlns:dc='http://purl.org/dc/elements/1.1/'><channel>"
           "<item><dc:title>no</dc:title><title>T</title></item>"
           "<item><title>T</title><dc:title>no</dc:title></item>"
           "<item><title> </title><dc:title>D</dc:title></item></channel></rss>",
           "title=T \ntitle=T \ntitle=D \n", FEED_WHOLE, 0);
}

/* A feed, its items, no address of its own or one. */
static void expect_from(const char *url, const char *doc, const char *items,
                        const char *link)
{
    struct run r = { .opt.url = str_of(url) };
    struct feed_parse *p;

    parse(&r, doc);
    assert_string_equal(r.out.s ? r.out.s : "", items);
    buf_free(&r.out);
    p = begin(&r);
    assert_int_equal(feed_parse_push(p, doc, strlen(doc)), 0);
    feed_parse_finish(p, &r.result);
    assert_string_equal(feed_parse_info(p)->link.s ? feed_parse_info(p)->link.s : "",
                        link);
    feed_parse_free(p);
    buf_free(&r.out);
}

#define SELF                                                                             \
    "<a:link xmlns:a='http://www.w3.org/2005/Atom' rel='self' "                          \
    "href='http://self.org/f'/>"

static void finds_the_base_of_links(void **state)
{
    (void)state;
    /* RSS: xml:base, the channel's link, the document's address, its own name for it */
    expect_from("http://doc.org/a/",
                "<rss><channel><link>http://home.org/b/</link>"
                "<item><link>x</link></item></channel></rss>",
                "link=http://home.org/b/x \n", "http://home.org/b/");
    expect_from(
        "http://doc.org/a/",
        "<rss xml:base='http://base.org/c/'><channel>"
        "<link>http://home.org/b/</link><item><link>x</link></item></channel></rss>",
        "link=http://base.org/c/x \n", "http://home.org/b/");
    expect_from("http://doc.org/a/",
                "<rss><channel><link>../b/</link>" SELF
                "<item><link>x</link></item></channel></rss>",
                "link=http://doc.org/b/x \n", "http://doc.org/b/");
    expect_from("http://doc.org/a/",
                "<rss><channel><item><link>x</link></item></channel>"
                "</rss>",
                "link=http://doc.org/a/x \n", "");
    expect_from("", "<rss><channel>" SELF "<item><link>/x</link></item></channel></rss>",
                "link=http://self.org/x \n", "http://self.org/f");
    expect_from("",
                "<rss><channel><link>/b/</link>" SELF "<item><link>x</link></item>"
                "</channel></rss>",
                "link=http://self.org/x \n", "http://self.org/b/");
    expect_from("", "<rss><channel><item><link>/x</link></item></channel></rss>",
                "link=/x \n", "");
    /* Atom: xml:base and the document's address only */
    expect_from("http://doc.org/a/",
                "<feed xmlns='http://www.w3.org/2005/Atom'>"
                "<link href='http://home.org/b/'/><entry><link href='x'/></entry></feed>",
                "link=http://doc.org/a/x \n", "http://home.org/b/");
    expect_from(
        "",
        "<feed xmlns='http://www.w3.org/2005/Atom'>" SELF
        "<link href='http://home.org/b/'/><entry><link href='/x'/></entry></feed>",
        "link=/x \n", "http://home.org/b/");
}

static void chooses_among_equals(void **state)
{
    (void)state;
    expect_from("",
                "<rss><channel><link>http://e.org/1</link><link>http://e.org/2</link>"
                "<link href='http://e.org/3'/><item><link>http://e.org/a</link>"
                "<link>http://e.org/b</link></item></channel></rss>",
                "link=http://e.org/a \n", "http://e.org/3");
    expect_from("",
                "<rss xmlns:f='http://rssnamespace.org/feedburner/ext/1.0'><channel>"
                "<item><f:origLink>http://e.org/o</f:origLink><link>http://e.org/a</link>"
                "</item><item><f:origLink>http://e.org/o</f:origLink>"
                "<guid>http://e.org/g</guid></item></channel></rss>",
                "link=http://e.org/a \nid=http://e.org/g link=http://e.org/o \n", "");
}

/* Times: of equals the last; the language of the feed or item tells what a month is. */
static void reads_times(void **state)
{
    (void)state;
    static const struct {
        const char *doc;
        long long published;
    } rows[] = {
        { "<rss><channel><item><pubDate>1 Jan 1971 00:00 GMT</pubDate>"
          "<pubDate>1 Jan 1970 00:00:07 GMT</pubDate></item></channel></rss>",
          7 },
        { "<rss><channel><item><pubDate>1 Jan 1971 00:00 GMT</pubDate>"
          "<pubDate>soon</pubDate></item></channel></rss>",
          31536000 },
        { "<rss><channel><item><pubDate>0001-01-01T00:00:00Z</pubDate></item></channel>"
          "</rss>",
          0 },
        { "<rss><channel><language>hr</language><item><pubDate>1 lis 1970</pubDate>"
          "</item></channel></rss>",
          23587200 },
        { "<rss><channel><language>pl</language><item><pubDate>1 lis 1970</pubDate>"
          "</item></channel></rss>",
          26265600 },
        { "<rss xml:lang='pl'><channel><item xml:lang='hr'><pubDate>1 lis 1970</pubDate>"
          "</item></channel></rss>",
          23587200 },
        { "<rss><channel><item><pubDate>1 lis 1970</pubDate></item></channel></rss>", 0 },
        { "{\"version\":\"https://jsonfeed.org/version/1.1\",\"language\":\"hr\","
          "\"items\":[{\"id\":\"1\",\"date_published\":\"1 lis 1970\"}]}",
          23587200 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run r = { 0 };
        parse(&r, rows[i].doc);
        assert_int_equal(r.items, 1);
        assert_int_equal(r.published_s == ITEM_NO_TIME ? 0 : r.published_s,
                         rows[i].published);
        buf_free(&r.out);
    }
}

static void reads_json(void **state)
{
    (void)state;
    expect("{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"F\","
           "\"items\":[{\"id\":1,\"url\":\"/x\",\"title\":\"a \\\"]}\","
           "\"content_html\":\"<p>x</p>\",\"authors\":[{\"name\":\"A\"}],"
           "\"tags\":[\"t\"]},{broken},{\"id\":\"2\"}],\"language\":\"en\"}",
           "id=1 link=http://example.org/x title=a \"]} content=x author=A category=t \n"
           "id=2 \n",
           FEED_WHOLE, 1);
    expect("{\"items\":[{\"id\":\"1\"},{\"id\":\"2", "id=1 \n", FEED_BROKEN, 0);
    expect("{\"a\":1}", "", FEED_NOT_A_FEED, 0);
}

/* --- repairs --- */

#define ITEM(text) "<rss><channel><item><title>" text "</title></item></channel></rss>"

static void mends_small_things(void **state)
{
    (void)state;
    expect(" \n" ITEM("a"), "title=a \n", FEED_WHOLE, 0);
    expect("\n<?xml version='1.0'?>" ITEM("a"), "title=a \n", FEED_WHOLE, 1);
    expect("junk" ITEM("a"), "title=a \n", FEED_WHOLE, 1);
    expect(ITEM("a&eacute;b&nosuch;"),
           "title=a\xC3\xA9"
           "b&nosuch; \n",
           FEED_WHOLE, 2);
    expect(ITEM("a & b &c"), "title=a & b &c \n", FEED_WHOLE, 2);
    expect(ITEM("1 < 2"), "title=1 < 2 \n", FEED_WHOLE, 1);
    expect(ITEM("a\x01"
                "b&#0;c&#8217;"),
           "title=abc\xE2\x80\x99 \n", FEED_WHOLE, 2);
    expect(ITEM("x]]>y"), "title=x]]>y \n", FEED_WHOLE, 1);
    expect(ITEM("a<b c=d e>f</b>"), "title=af \n", FEED_WHOLE, 1);
    expect(ITEM("a<b a='1' a='2'>f</b>"), "title=af \n", FEED_WHOLE, 1);
    expect(ITEM("<dc:x>a</dc:x>"), "title=a \n", FEED_WHOLE, 1);
    expect(ITEM("a") "<script>x</script>", "title=a \n", FEED_WHOLE, 1);
}

static void mends_nesting(void **state)
{
    (void)state;
    expect("<rss><channel><item><title>a<br>b</title></item><item><title>c</title>"
           "</item></channel></rss>",
           "title=a b \ntitle=c \n", FEED_WHOLE, 1);
    expect("<rss><channel><item><title>a</i></title></item></channel></rss>",
           "title=a \n", FEED_WHOLE, 1);
    expect("<rss><channel><item><title>a</title></channel></rss>", "title=a \n",
           FEED_WHOLE, 1);
    expect("<rss><channel><item><Title>a</title></item></channel></rss>", "title=a \n",
           FEED_WHOLE, 1);
}

static void keeps_what_came_before_a_cut(void **state)
{
    (void)state;
    expect("<rss><channel><item><title>a</title></item><item><title>b", "title=a \n",
           FEED_BROKEN, 0);
    expect(ITEM("a") "</rss", "title=a \n", FEED_WHOLE, 2);
    expect("<rss><channel><item><title>a</title></item></channel></rss", "title=a \n",
           FEED_WHOLE, 1);
}

static void goes_on_behind_an_early_end(void **state)
{
    (void)state;
    expect(ITEM("a") "<item><title>b</title></item></channel></rss>",
           "title=a \ntitle=b \n", FEED_WHOLE, 2);
    expect(ITEM("a") ITEM("b"), "title=a \ntitle=b \n", FEED_WHOLE, 1);
}

static void names_what_is_no_feed(void **state)
{
    (void)state;
    struct run r = { .opt.url = STR("http://example.org/") };
    const char *page =
        "<!DOCTYPE html><html><head><link rel='alternate' type='application/rss+xml' "
        "href='/f.xml?a=1&amp;b=2'></head><body>";
    struct feed_parse *p = begin(&r);

    assert_int_equal(feed_parse_push(p, page, strlen(page)), -ECANCELED);
    feed_parse_finish(p, &r.result);
    assert_int_equal(r.result.status, FEED_NOT_A_FEED);
    assert_string_equal(feed_parse_info(p)->alternate.s,
                        "http://example.org/f.xml?a=1&b=2");
    feed_parse_free(p);
    buf_free(&r.out);
    expect("", "", FEED_EMPTY_BODY, 0);
    expect(" \n ", "", FEED_EMPTY_BODY, 0);
    expect("hello", "", FEED_NOT_A_FEED, 0);
    expect("<a><b/></a>", "", FEED_NOT_A_FEED, 0);
}

/* --- promptness --- */

/* An item has to come out of the push that brings the '>' of its end tag, or the last
 * brace: after it the connection may be silent for hours. */
static void comes_out_at_once(const char *doc, const char *end)
{
    const char *at = doc;
    size_t n = strlen(end), want = 0;
    struct run whole = { .result.items = 0 }, bytes = { .result.items = 0 };
    struct feed_parse *p = begin(&whole), *q = begin(&bytes);

    for (const char *hit; (hit = strstr(at, end)) != NULL; at = hit + n) {
        want++;
        assert_int_equal(feed_parse_push(p, at, (size_t)(hit + n - at)), 0);
        assert_int_equal(whole.items, want);
        for (const char *c = at; c < hit + n; c++) {
            assert_int_equal(bytes.items, want - 1);
            assert_int_equal(feed_parse_push(q, c, 1), 0);
        }
        assert_int_equal(bytes.items, want);
    }
    assert_true(want > 1);
    feed_parse_free(p);
    feed_parse_free(q);
    buf_free(&whole.out);
    buf_free(&bytes.out);
}

static void reports_items_at_their_end_tag(void **state)
{
    (void)state;
    comes_out_at_once("<?xml version='1.0'?><rss><channel><item><title>a</title></item>\n"
                      "<item><guid>1</guid><title>b &amp; c</title></item><item></item>"
                      "</channel>",
                      "</item>");
    comes_out_at_once("<feed xmlns='http://www.w3.org/2005/Atom'><entry><title>a</title>"
                      "</entry><entry><summary><![CDATA[x]]></summary></entry></feed>",
                      "</entry>");
    comes_out_at_once("{\"items\":[{\"id\":\"1\"} , {\"id\":\"2\"}", "\"}");
}

static void a_big_token_does_not_hold_items_back(void **state)
{
    (void)state;
    struct buf doc;

    buf_init(&doc, 4 << 20);
    buf_puts(&doc, "<rss><channel><item><title>a</title></item><item><x y='");
    for (int i = 0; i < 200000; i++)
        buf_putc(&doc, 'z');
    buf_puts(&doc, "'/><title>b</title></item>");
    comes_out_at_once(doc.s, "</item>");
    buf_free(&doc);
}

/* --- limits --- */

static void expect_limit(struct run *r, const char *s, size_t n, enum feed_status status,
                         size_t items)
{
    static const size_t step[] = { 4096, 16384, SIZE_MAX / 2 };

    for (size_t i = 0; i < 3; i++) {
        clock_t from = clock();
        parse_n(r, s, n, step[i]);
        assert_int_equal(r->result.status, status);
        assert_int_equal(r->items, items);
        assert_true(clock() - from < 2 * CLOCKS_PER_SEC);
        buf_free(&r->out);
    }
}

static void stops_at_limits(void **state)
{
    (void)state;
    struct run r = { .opt.limits = { .max_items = 2, .max_bytes = 4096 } };
    struct buf doc;

    buf_init(&doc, 1 << 20);
    buf_puts(&doc, "<rss><channel>");
    for (int i = 0; i < 5; i++)
        buf_puts(&doc, "<item/>");
    expect_limit(&r, doc.s, doc.n, FEED_OVER_LIMIT, 2);
    r.opt.limits.max_items = 0;
    for (int i = 0; i < 5000; i++)
        buf_puts(&doc, " ");
    expect_limit(&r, doc.s, doc.n, FEED_OVER_LIMIT, 5);
    buf_free(&doc);
    r = (struct run){ .stop_at = 1 };
    parse(&r, "<rss><channel><item/><item/></channel></rss>");
    assert_int_equal(r.result.status, FEED_STOPPED);
    assert_int_equal(r.items, 1);
    buf_free(&r.out);
}

static void skips_what_is_too_deep(void **state)
{
    (void)state;
    struct run r = { .result.items = 0 };
    struct buf doc;

    buf_init(&doc, 16 << 20);
    buf_puts(&doc, "<rss><channel><item><title>a</title><description>");
    for (int i = 0; i < 100; i++)
        buf_puts(&doc, "<b>");
    buf_puts(&doc, "deep");
    for (int i = 0; i < 100; i++)
        buf_puts(&doc, "</b>");
    buf_puts(&doc, "x</description></item><item><title>b</title></item>");
    size_t n = doc.n;
    buf_puts(&doc, "</channel></rss>");
    parse(&r, doc.s);
    assert_string_equal(r.out.s, "title=a summary=x \ntitle=b \n");
    assert_int_equal(r.result.status, FEED_WHOLE);
    buf_free(&r.out);
    doc.n = n;
    for (int i = 0; i < 1000000; i++)
        buf_puts(&doc, "<a>");
    expect_limit(&r, doc.s, doc.n, FEED_BROKEN, 2);
    buf_free(&doc);
}

static void repeat(struct buf *doc, const char *head, const char *s, size_t n,
                   const char *tail)
{
    buf_init(doc, 9 << 20);
    buf_puts(doc, head);
    while (doc->n < n)
        buf_puts(doc, s);
    buf_puts(doc, tail);
}

static void giant_tokens_take_no_time(void **state)
{
    (void)state;
    static const struct {
        const char *head, *s, *tail;
    } t[] = {
        { "<rss><channel><item/><item x='", "aaaaaaaaa", "'/></channel></rss>" },
        { "<rss><channel><item/><!-- ", "aaaaaaaa>", "--><item/></channel></rss>" },
        { "<rss><channel><item/><item><title><![CDATA[", "aaaa]]aaa",
          "]]></title></item></channel></rss>" },
        { "<rss><channel><item/><?x ", "aaaaaaaaa", "?><item/></channel></rss>" },
        { "<rss><channel><item/><item ", "a='1' b=2 ", "/></channel></rss>" },
        { "<rss><channel><item/>", "<a \"", "<item/></channel></rss>" },
        { "<rss><channel><item/>", "</x>", "<item/></channel></rss>" },
        { "<rss><channel><item/>", "<a b=1>", "<item/></channel></rss>" },
        { "<rss><channel><item/>", "<x xmlns:a='b'>", "<item/></channel></rss>" },
        { "<rss><channel><item/><item><title>", "&nosuch;&#1;&",
          "</title></item></channel></rss>" },
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct buf doc;
        struct run r = { .result.items = 0 };
        repeat(&doc, t[i].head, t[i].s, 7 << 20, t[i].tail);
        clock_t from = clock();
        parse_n(&r, doc.s, doc.n, 4096);
        assert_true(r.items >= 1);
        assert_true(clock() - from < 2 * CLOCKS_PER_SEC);
        buf_free(&r.out);
        buf_free(&doc);
    }
}

static void refuses_dangerous_entities(void **state)
{
    (void)state;
    expect("<!DOCTYPE rss [<!ENTITY a 'x'><!ENTITY b '&a;&a;'>]>" ITEM("&b;"), "",
           FEED_OVER_LIMIT, 0);
    expect("<!DOCTYPE rss [<!ENTITY % a '<!ENTITY b \"c\">'>%a;]>" ITEM("x"), "",
           FEED_OVER_LIMIT, 0);
    expect("<!DOCTYPE rss [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" ITEM("[&a;]"),
           "title=[&a;] \n", FEED_WHOLE, 1);
    expect("<!DOCTYPE rss [<!ENTITY a 'x &#38; y'>]>" ITEM("[&a;]"), "", FEED_OVER_LIMIT,
           0);
    expect("<!DOCTYPE rss [<!ENTITY rights 'all &lt;'>]>" ITEM("[&rights;]"),
           "title=[all <] \n", FEED_WHOLE, 0);
    expect("<!DOCTYPE rss PUBLIC '-//Netscape//DTD RSS 0.91//EN' 'http://x/y.dtd'>" ITEM(
               "a"),
           "title=a \n", FEED_WHOLE, 0);
}

static void cuts_long_text_between_characters(void **state)
{
    (void)state;
    struct run r = { .opt.limits.max_text = 5 };

    parse(&r, ITEM("ab\xC3\xA9\xC3\xA9\xC3\xA9"));
    assert_string_equal(r.out.s, "title=ab\xC3\xA9 \n");
    buf_free(&r.out);
}

static void learns_about_polling(void **state)
{
    (void)state;
    struct run r = { .opt.url = STR("http://example.org/") };
    struct feed_parse *p = begin(&r);
    const char *doc =
        "<rss version='0.92'><channel><ttl>60</ttl><skipHours><hour>0</hour>"
        "<hour>24</hour><hour>13</hour></skipHours><skipDays><day>Sunday"
        "</day></skipDays><link>/home</link></channel></rss>";

    assert_int_equal(feed_parse_push(p, doc, strlen(doc)), 0);
    feed_parse_finish(p, &r.result);
    const struct feed_info *info = feed_parse_info(p);
    assert_int_equal(info->ttl_s, 3600);
    assert_int_equal(info->skip_hours, 1 | 1 << 13);
    assert_int_equal(info->skip_days, 1 << 6);
    assert_string_equal(info->link.s, "http://example.org/home");
    assert_int_equal(info->format, FEED_FORMAT_RSS09);
    feed_parse_free(p);
    buf_free(&r.out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(reads_rss),
    cmocka_unit_test(reads_atom),
    cmocka_unit_test(reads_rdf_and_wrong_namespaces),
    cmocka_unit_test(ranks_do_not_depend_on_order),
    cmocka_unit_test(finds_the_base_of_links),
    cmocka_unit_test(chooses_among_equals),
    cmocka_unit_test(reads_times),
    cmocka_unit_test(reads_json),
    cmocka_unit_test(mends_small_things),
    cmocka_unit_test(mends_nesting),
    cmocka_unit_test(keeps_what_came_before_a_cut),
    cmocka_unit_test(goes_on_behind_an_early_end),
    cmocka_unit_test(names_what_is_no_feed),
    cmocka_unit_test(reports_items_at_their_end_tag),
    cmocka_unit_test(a_big_token_does_not_hold_items_back),
    cmocka_unit_test(stops_at_limits),
    cmocka_unit_test(skips_what_is_too_deep),
    cmocka_unit_test(giant_tokens_take_no_time),
    cmocka_unit_test(refuses_dangerous_entities),
    cmocka_unit_test(cuts_long_text_between_characters),
    cmocka_unit_test(learns_about_polling),
};
TEST_MAIN(tests)
