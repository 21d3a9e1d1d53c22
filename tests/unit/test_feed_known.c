/* feed_parse: a reader that passes over the items it knows by their bytes finds what one
 * that reads all finds.  The farm (tests/bench/parse_farm.c) does this on real feeds. */
#include "test.h"
#include "bench/known_items.h"

static struct known known;

static int tear_down(void **state)
{
    (void)state;
    known_forget(&known);
    return 0;
}

/* Read `doc` by one that knows, in pieces of all kinds; how many items it passes over in
 * the end.  (One whose name a piece cuts is read.) */
static size_t read_known(const char *doc)
{
    static const size_t step[] = { 100000, 1, 2, 3, 5, 17, 64, 100000 };
    struct feed_parse_result want, got;
    struct buf whole, out;
    size_t passed = 0;

    buf_init(&whole, 1 << 20);
    buf_init(&out, 1 << 20);
    assert_int_equal(known_parse(NULL, &whole, &want, str_of(doc), 100000), 0);
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        buf_clear(&out);
        known.passed = 0;
        assert_int_equal(known_parse(&known, &out, &got, str_of(doc), step[i]), 0);
        assert_true(str_eq(buf_str(&out), buf_str(&whole)));
        assert_true(known_same(&got, &want));
        passed = known.passed;
    }
    buf_free(&whole);
    buf_free(&out);
    return passed;
}

#define HEAD "<rss version=\"2.0\"><channel><title>T</title><link>http://e.org/</link>\n"
#define A "<item><title>A</title><link>/a</link><description>a</description></item>"
#define B "<item><title>B &amp; b</title><link>/b</link></item >"
#define C "<item><title>C</title><guid>c</guid><![CDATA[ x ]]></item>"
#define TAIL "\n</channel></rss>\n"

static void passes_over_what_it_knows(void **state)
{
    (void)state;
    assert_int_equal(read_known(HEAD A B TAIL), 2);
    assert_int_equal(read_known(HEAD C "\n" A "\n" B TAIL), 3);
    assert_int_equal(read_known(HEAD A B "<ttl>5</ttl>" C A TAIL), 4);
}

static void learns_nothing_of_items_that_must_be_mended(void **state)
{
    (void)state;
    assert_int_equal(read_known(HEAD "<item><title>A & b</title></item>" B TAIL), 1);
    assert_int_equal(read_known(HEAD "<item><title>A &nbsp;</title></item>" TAIL), 0);
    assert_int_equal(read_known(HEAD "<item><x:y/><title>A</title></item>" A TAIL), 0);
    assert_int_equal(read_known(HEAD "<item><title>A<item><title>B</item>" TAIL), 0);
    assert_int_equal(read_known(HEAD "<item><title>A</b></title></item>" A TAIL), 0);
}

/* The end tag that is seen first is not the item's. */
static void is_not_fooled_by_end_tags_inside(void **state)
{
    (void)state;
    static const char *const inside[] = {
        "<![CDATA[</item>]]>", "<!-- </item> -->",   "<?x </item>?>",
        "<a b='</item>'/>",    "<![CDATA[<item>]]>", "<x></item>",
    };
    struct buf doc;

    buf_init(&doc, 10000);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        buf_clear(&doc);
        (void)buf_printf(&doc,
                         HEAD "<item><title>%zu</title>%s<link>/z</link></item>" TAIL, i,
                         inside[i]);
        assert_int_equal(read_known(doc.s), 0);
    }
    buf_free(&doc);
}

static void the_same_bytes_elsewhere_are_another_item(void **state)
{
    (void)state;
    static const char *const around[][2] = {
        { HEAD, TAIL },
        { "<rss><channel><link>http://other.org/</link>", "</channel></rss>" },
        { "<rss><channel xml:base='http://third.org/'>", "</channel></rss>" },
        { "<rss xml:lang='de'><channel>", "</channel></rss>" },
        { "<rss xmlns='http://www.w3.org/2005/Atom'><channel>", "</channel></rss>" },
        { "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>",
          "</rdf:RDF>" },
        { "<feed xmlns='http://www.w3.org/2005/Atom'>", "</feed>" },
        { "<feed xmlns='http://www.w3.org/2005/Atom'><author><name>N</name></author>",
          "</feed>" },
    };
    struct buf doc;

    buf_init(&doc, 10000);
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
            buf_clear(&doc);
            (void)buf_printf(&doc, "%s%s%s", around[i][0],
                             i < 6 ? A
                                   : "<entry><title>E</title><link href='/e'/></entry>",
                             around[i][1]);
            (void)read_known(doc.s); /* compares */
        }
    buf_free(&doc);
}

static void keeps_the_limit_of_items(void **state)
{
    (void)state;
    struct feed_parse_result r;
    struct feed_parse_options opt = { .limits.max_items = 2,
                                      .is_known = known_is_known,
                                      .on_read = known_read };
    struct feed_parse *p = NULL;
    struct buf out;

    assert_int_equal(read_known(HEAD A B C TAIL), 3);
    buf_init(&out, 10000);
    known.out = &out;
    assert_int_equal(feed_parse_new(&p, &opt, known_item, &known), 0);
    (void)feed_parse_push(p, HEAD A B C TAIL, strlen(HEAD A B C TAIL));
    feed_parse_finish(p, &r);
    assert_int_equal(r.status, FEED_OVER_LIMIT);
    assert_int_equal(r.items, 2);
    feed_parse_free(p);
    buf_free(&out);
}

static bool is_too_deep(const char *doc, bool by_bytes)
{
    struct feed_parse_result r;
    struct buf out;

    buf_init(&out, 1 << 20);
    assert_int_equal(known_parse(by_bytes ? &known : NULL, &out, &r, str_of(doc), 100000),
                     0);
    assert_int_equal(r.status, FEED_WHOLE);
    buf_free(&out);
    return r.too_deep;
}

/* What is left out for its depth is said each time, by whatever way the items come. */
static void says_that_it_is_too_deep(void **state)
{
    (void)state;
    struct buf doc;

    buf_init(&doc, 10000);
    (void)buf_puts(&doc, HEAD A "<item><title>B</title><description>");
    for (int i = 0; i < 80; i++)
        (void)buf_puts(&doc, "<b>");
    for (int i = 0; i < 80; i++)
        (void)buf_puts(&doc, "</b>");
    (void)buf_puts(&doc, "</description></item>" B TAIL);
    assert_false(is_too_deep(HEAD A B TAIL, false));
    assert_true(is_too_deep(doc.s, false));
    for (int i = 0; i < 3; i++) {
        assert_true(is_too_deep(doc.s, true));
        assert_false(is_too_deep(HEAD A B TAIL, true));
    }
    buf_free(&doc);
}

/* Longer than is held: read as it comes, and known to nobody. */
static void reads_giant_items_at_once(void **state)
{
    (void)state;
    struct buf doc;

    buf_init(&doc, 4 << 20);
    (void)buf_puts(&doc, HEAD "<item><title>A</title><description>");
    for (int i = 0; i < 60000; i++)
        (void)buf_puts(&doc, "0123456789");
    (void)buf_puts(&doc, "</description></item>" A TAIL);
    struct feed_parse_result want, got;
    struct buf whole, out;
    buf_init(&whole, 4 << 20);
    buf_init(&out, 4 << 20);
    assert_int_equal(known_parse(NULL, &whole, &want, buf_str(&doc), 16384), 0);
    for (int i = 0; i < 2; i++) {
        buf_clear(&out);
        known.passed = 0;
        assert_int_equal(known_parse(&known, &out, &got, buf_str(&doc), 16384), 0);
        assert_true(str_eq(buf_str(&out), buf_str(&whole)));
        assert_true(known_same(&got, &want));
        assert_int_equal(known.passed, (size_t)i);
    }
    buf_free(&whole);
    buf_free(&out);
    buf_free(&doc);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(passes_over_what_it_knows, tear_down),
        cmocka_unit_test_teardown(learns_nothing_of_items_that_must_be_mended, tear_down),
        cmocka_unit_test_teardown(is_not_fooled_by_end_tags_inside, tear_down),
        cmocka_unit_test_teardown(the_same_bytes_elsewhere_are_another_item, tear_down),
        cmocka_unit_test_teardown(keeps_the_limit_of_items, tear_down),
        cmocka_unit_test_teardown(says_that_it_is_too_deep, tear_down),
        cmocka_unit_test_teardown(reads_giant_items_at_once, tear_down),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
