/* feed_parse: the rarer formats and members, what each is called, and that a document
 * read while memory runs out gives all of its items or says so. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "feed_parse.h"

/* Allocations of the library (tests/mk/quality.mk): the one that counts down to 0 fails.
 */

static long allocations_left = -1;

static bool next_fails(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    return next_fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return next_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return next_fails() ? NULL : __real_realloc(p, n);
}

/* What came out of a document, as text of a fixed size: nothing is allocated for it. */
struct run {
    size_t n;
    int items;
    struct feed_parse_result result;
    enum feed_format format;
    int64_t ttl_s;
    char text[8000];
};

static void put(struct run *r, const char *name, struct str s)
{
    if (s.n == 0)
        return;
    int n =
        snprintf(r->text + r->n, sizeof r->text - r->n, "%s=%.*s ", name, (int)s.n, s.s);
    assert_true(n > 0 && r->n + (size_t)n < sizeof r->text);
    r->n += (size_t)n;
}

static int on_item(void *ctx, const struct item *it, const struct feed_info *info)
{
    struct run *r = ctx;

    (void)info;
    r->items++;
    put(r, "id", it->id);
    put(r, "link", it->link);
    put(r, "title", it->title);
    put(r, "summary", it->summary);
    put(r, "content", it->content);
    for (size_t i = 0; i < it->n_authors; i++)
        put(r, "author", it->authors[i]);
    for (size_t i = 0; i < it->n_categories; i++)
        put(r, "category", it->categories[i]);
    for (size_t i = 0; i < it->n_enclosures; i++)
        put(r, "enclosure", it->enclosures[i]);
    if (it->updated_s != ITEM_NO_TIME)
        put(r, "updated", STR("yes"));
    put(r, "", STR("|"));
    return 0;
}

/* 0, or -ENOMEM when not even the parser could be made. */
static int parse_step(struct run *r, const char *doc, size_t step)
{
    struct feed_parse_options opt = { .url = STR("http://example.org/a/feed"),
                                      .limits.max_text = 300 };
    struct feed_parse *p = NULL;
    size_t n = strlen(doc);

    memset(r, 0, sizeof *r);
    int e = feed_parse_new(&p, &opt, on_item, r);
    if (e)
        return e;
    for (size_t i = 0; i < n; i += step)
        if (feed_parse_push(p, doc + i, n - i < step ? n - i : step) < 0)
            break;
    feed_parse_finish(p, &r->result);
    const struct feed_info *info = feed_parse_info(p);
    r->format = info->format;
    r->ttl_s = info->ttl_s;
    put(r, "feed", info->title);
    put(r, "home", info->link);
    put(r, "self", info->self);
    put(r, "hub", info->hub);
    put(r, "alternate", info->alternate);
    feed_parse_free(p);
    return 0;
}

static void expect(const char *doc, enum feed_format format, const char *text)
{
    static struct run r, again;

    assert_int_equal(parse_step(&r, doc, strlen(doc)), 0);
    assert_string_equal(r.text, text);
    assert_int_equal(r.format, format);
    for (size_t step = 1; step < 12; step++) {
        assert_int_equal(parse_step(&again, doc, step), 0);
        assert_string_equal(again.text, r.text);
        assert_int_equal(again.result.status, r.result.status);
        assert_int_equal(again.result.repairs, r.result.repairs);
    }
}

/* ---- formats */

#define ATOM03 "<feed version='0.3' xmlns='http://purl.org/atom/ns#'>"
#define RSS "<rss version='2.0'><channel>"
#define END "</channel></rss>"

static void names_all_formats(void **state)
{
    (void)state;
    static const struct {
        const char *doc, *name;
        enum feed_format format;
    } row[] = {
        { RSS END, "rss 2.0", FEED_FORMAT_RSS20 },
        { "<rss version='0.92'><channel/></rss>", "rss 0.9x", FEED_FORMAT_RSS09 },
        { "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
          "xmlns='http://my.netscape.com/rdf/simple/0.9/'><channel/></rdf:RDF>",
          "rss 0.9x", FEED_FORMAT_RSS09 },
        { "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
          "xmlns='http://purl.org/rss/1.0/'><channel/></rdf:RDF>",
          "rss 1.0", FEED_FORMAT_RSS10 },
        { ATOM03 "</feed>", "atom 0.3", FEED_FORMAT_ATOM03 },
        { "<feed xmlns='http://www.w3.org/2005/Atom'/>", "atom 1.0", FEED_FORMAT_ATOM10 },
        { "<channel href='http://example.org/'/>", "cdf", FEED_FORMAT_CDF },
        { "{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[]}", "json feed",
          FEED_FORMAT_JSON },
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        expect(row[i].doc, row[i].format,
               row[i].format == FEED_FORMAT_CDF ? "home=http://example.org/ " : "");
        assert_string_equal(feed_format_name(row[i].format), row[i].name);
    }
    assert_string_equal(feed_format_name(FEED_FORMAT_UNKNOWN), "unknown");
}

static void names_all_ends(void **state)
{
    (void)state;
    static const char *const name[] = {
        [FEED_WHOLE] = "whole",
        [FEED_BROKEN] = "broken",
        [FEED_NOT_A_FEED] = "not a feed",
        [FEED_EMPTY_BODY] = "empty",
        [FEED_OVER_LIMIT] = "over limit",
        [FEED_STOPPED] = "stopped",
        [FEED_NO_MEMORY] = "out of memory",
    };

    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        assert_string_equal(feed_status_name((enum feed_status)i), name[i]);
}

static const char full_json[] =
    "{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"J\","
    "\"home_page_url\":\"https://e.org/\",\"feed_url\":\"https://e.org/f\","
    "\"language\":\"en\",\"authors\":[{\"name\":\"F\"},\"G\"],"
    "\"hubs\":[{\"type\":\"WebSub\",\"url\":\"https://h.org/\"}],\"items\":["
    "{\"id\":\"https://e.org/1\",\"content_text\":\"a\",\"tags\":[\"t\",\"u\"],"
    "\"attachments\":[{\"url\":\"m.mp3\",\"mime_type\":\"audio/mpeg\"}]},"
    "{\"id\":7,\"title\":\"two\",\"author\":{\"name\":\"H\"},"
    "\"date_modified\":\"2026-01-02T03:04:05Z\"}]}";

static void reads_all_of_json(void **state)
{
    (void)state;
    expect(full_json, FEED_FORMAT_JSON,
           "id=https://e.org/1 link=https://e.org/1 content=a author=F author=G "
           "category=t category=u enclosure=http://example.org/a/m.mp3 =| "
           "id=7 title=two author=H updated=yes =| "
           "feed=J home=https://e.org/ self=https://e.org/f hub=https://h.org/ ");
}

/* Whatever is between the items, those that are whole come out. */
static void mends_json(void **state)
{
    (void)state;
    static const char *const doc[] = {
        "{7,\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]}",
        "{\"items\":[{\"id\":\"a\"},,{\"id\":\"b\"},],}",
        "{\"title\":,\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]}",
        "{\"title\" \"x\",\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]}",
        "{\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]} and more",
        "{\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}",
        "{\"items\":[{\"id\":\"a\"},{\"id\":nonsense},{\"id\":\"b\"}]}",
        "{\"a_name_longer_than_any_known\":1,\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]}",
    };
    static struct run r;

    for (size_t i = 0; i < sizeof doc / sizeof *doc; i++) {
        for (size_t step = 1; step < 200; step += 7) {
            assert_int_equal(parse_step(&r, doc[i], step), 0);
            assert_non_null(strstr(r.text, "id=a "));
            assert_non_null(strstr(r.text, "id=b "));
        }
        if (i == 7)
            assert_true(r.result.wellformed);
    }
}

static const char full_atom[] = ATOM03
    "<title mode='escaped' type='text/html'>&lt;i&gt;F&lt;/i&gt;</title>"
    "<link rel='alternate' type='text/html' href='http://e.org/'/>"
    "<link rel='hub' href='http://h.org/'/><link rel='self' href='me'/>"
    "<author><email>a@e.org</email><url>u</url></author><entry><id>1</id>"
    "<title mode='base64'>IFdh\n cnNhdw==</title>"
    "<content mode='xml' type='text/html'>x <b>y</b><img alt=' p &amp; q'/></content>"
    "<link rel='http://www.iana.org/assignments/relation/enclosure' href='e.ogg'/>"
    "<modified>2026-01-02T03:04:05Z</modified></entry><entry><id>2</id>"
    "<title mode='escaped'>&lt;b&gt;bold&lt;/b&gt;</title>"
    "<summary type='image/png'>YQ</summary>"
    "<content type='application/x-text'>not base64!</content>"
    "<source><author><name>S</name></author></source></entry></feed>";

static void reads_all_of_atom(void **state)
{
    (void)state;
    expect(full_atom, FEED_FORMAT_ATOM03,
           "id=1 link=http://example.org/a/e.ogg title=Warsaw content=x y p & q "
           "author=a@e.org enclosure=http://example.org/a/e.ogg updated=yes =| "
           "id=2 title=bold summary=a content=not base64! author=S =| "
           "feed=F home=http://e.org/ self=http://example.org/a/me hub=http://h.org/ ");
}

static const char full_rss[] =
    "<rss version='2.0' xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd' "
    "xmlns:media='http://search.yahoo.com/mrss/' "
    "xmlns:sy='http://purl.org/rss/1.0/modules/syndication/' "
    "xmlns:dcterms='http://purl.org/dc/terms/'><channel>"
    "<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>"
    "<item><guid>g</guid><media:group><media:content url='v.mp4'/></media:group>"
    "<media:title type='plain'>1 &lt;2&gt;</media:title>"
    "<itunes:keywords>one, two,,</itunes:keywords>"
    "<itunes:category text='c'><itunes:category text='d'/></itunes:category>"
    "<enclosure>http://e.org/n.mp3</enclosure><source url='no'>skip</source>"
    "<dcterms:modified>2026-01-02</dcterms:modified>"
    "<author><name>N</name><email>n@e.org</email></author></item>\r\n"
    "<item><title>\r\nA&#55357;&#56832; &#128; &AMP &nosuch; x &lt y\r</title>"
    "<description><![CDATA[a\r\nb ]] ]]></description></item></channel></rss>";

static void reads_all_of_rss(void **state)
{
    (void)state;
    static struct run r;

    expect(full_rss, FEED_FORMAT_RSS20,
           "id=g link=http://example.org/a/v.mp4 title=1 <2> author=N category=one "
           "category=two category=c category=d enclosure=http://example.org/a/v.mp4 "
           "enclosure=http://e.org/n.mp3 updated=yes =| "
           "title=A\xF0\x9F\x98\x80 \xE2\x82\xAC & &nosuch; x < y summary=a b ]] =| ");
    assert_int_equal(parse_step(&r, full_rss, 100), 0);
    assert_int_equal(r.ttl_s, 86400 / 4);
    expect("<channel href='http://e.org/'><item href='http://e.org/1' "
           "lastmod='2026-01-02T03:04'><title>c</title></item></channel>",
           FEED_FORMAT_CDF,
           "link=http://e.org/1 title=c updated=yes =| home=http://e.org/ ");
}

/* A prefix that nobody declared means what it usually means. */
static void guesses_prefixes(void **state)
{
    (void)state;
    expect(RSS "<item><dc:creator>A</dc:creator><content:encoded>B</content:encoded>"
               "<mine:title>no</mine:title></item>" END,
           FEED_FORMAT_RSS20, "content=B author=A =| ");
}

static const char page[] =
    "<!DOCTYPE html><html><head><title>T</title><link rel=stylesheet href=s.css>"
    "<link rel='alternate' type='application/feed+json' href='/f.json'>"
    "<link href=\"/f.xml\" rel=alternate type=\"application/atom+xml\"></head></html>";

static void finds_the_feed_of_a_page(void **state)
{
    (void)state;
    static struct run r;

    assert_int_equal(parse_step(&r, page, 50), 0);
    assert_int_equal(r.result.status, FEED_NOT_A_FEED);
    assert_string_equal(r.text, "alternate=http://example.org/f.xml ");
    expect("<HTML><link rel=alternate type=application/rdf+xml href=r>", 0,
           "alternate=http://example.org/a/r ");
    expect("<html><!--> <!-- a > <link rel=alternate type=text/rss+xml href=old> - -- "
           "--><link rel=alternate type=text/rdf+xml href=new>",
           0, "alternate=http://example.org/a/new ");
}

#define JSON_FEED "{\"version\":\"https://jsonfeed.org/version/1\",\"items\":"

/* What is wrong in JSON is counted, and costs no item. */
static void counts_what_is_wrong_in_json(void **state)
{
    (void)state;
    static struct run r;
    static const struct {
        const char *text;
        unsigned long repairs;
    } row[] = {
        { JSON_FEED "[{\"id\":1},{\"id\":2}],\"x\":[],\"y\":{}}", 0 },
        { JSON_FEED "[{\"id\":1},,{\"id\":2}]}", 1 },
        { JSON_FEED "[{\"id\":1} {\"id\":2},],}", 3 },
        { JSON_FEED "[,{\"id\":1},{\"id\":2}] \"x\":,\"y\":}", 4 },
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        assert_int_equal(parse_step(&r, row[i].text, 1), 0);
        assert_int_equal(r.result.repairs, row[i].repairs);
        assert_non_null(strstr(r.text, "id=1 =| id=2 =| "));
        assert_int_equal(r.result.status, FEED_WHOLE);
    }
}

static void mends_tags_and_types(void **state)
{
    (void)state;
    expect("<!DOCTYPE rss [<!-- c --><!ENTITY who \"Xi\"><!ENTITY who \"no\">"
           "<!ENTITY both 'Xi &#65; &lt;'>]>" RSS
           "<item><title>&both; a<b c=d e='f&g' h=\"<i>\">x</b></title></item>" END,
           FEED_FORMAT_RSS20, "title=Xi A < ax =| ");
    expect(RSS "<item><title>5 < 6 & 7 <> <3 </ x</title><link href='?a=1&b=2'/></item>"
               "<item><title><![CDATA[open</title></item>" END,
           FEED_FORMAT_RSS20,
           "link=http://example.org/a/feed?a=1&b=2 title=5 < 6 & 7 <> <3 </ x =| ");
}

/* ---- memory */

/* One allocation after the other fails.  Then the parser cannot be made, or the end says
 * so; or what was lost was of no matter, and all is as it should be. */
static void fails_each_allocation(const char *doc)
{
    static struct run whole, r;
    long said = 0, tried = 0;

    assert_int_equal(parse_step(&whole, doc, 37), 0);
    for (long i = 0;; i++, tried++) {
        allocations_left = i;
        int e = parse_step(&r, doc, 37);
        bool over = allocations_left >= 0;
        allocations_left = -1;
        if (over)
            break;
        said += e != 0 || r.result.status == FEED_NO_MEMORY;
        if (e == 0 && r.result.status != FEED_NO_MEMORY)
            assert_string_equal(r.text, whole.text);
        else
            assert_true(e == -ENOMEM || e == 0);
    }
    assert_string_equal(r.text, whole.text);
    assert_true(tried > 5 && said > 5);
}

static void says_when_memory_runs_out(void **state)
{
    (void)state;
    fails_each_allocation(full_rss);
    fails_each_allocation(full_atom);
    fails_each_allocation(full_json);
    fails_each_allocation(page);
    fails_each_allocation(
        "<!DOCTYPE rss [<!ENTITY who \"Xi\">]>" RSS
        "<item><title>&who; &copy; & <b c=d>e</title></item><title>late</wrong>"
        "<item><link href='x' x='y'/></item>" END "<more/>");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(names_all_formats),
    cmocka_unit_test(names_all_ends),
    cmocka_unit_test(reads_all_of_json),
    cmocka_unit_test(mends_json),
    cmocka_unit_test(reads_all_of_atom),
    cmocka_unit_test(reads_all_of_rss),
    cmocka_unit_test(guesses_prefixes),
    cmocka_unit_test(finds_the_feed_of_a_page),
    cmocka_unit_test(counts_what_is_wrong_in_json),
    cmocka_unit_test(mends_tags_and_types),
    cmocka_unit_test(says_when_memory_runs_out),
};
TEST_MAIN(tests)
