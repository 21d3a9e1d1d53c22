/* Reading OPML: which outlines are feeds and in which group, and what hostile files get.
 */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../../daemon/cmd/cmd_opml.h"
#include "buf.h"

static char why[200];

/* "group/group|title|url\n" for each feed. */
static int note(void *ctx, const struct opml_feed *f)
{
    struct buf *b = ctx;

    for (size_t i = 0; i < f->n_group; i++)
        buf_printf(b, "%s%.*s", i ? "/" : "", (int)f->group[i].n, f->group[i].s);
    return buf_printf(b, "|%.*s|%.*s\n", (int)f->title.n, f->title.s, (int)f->url.n,
                      f->url.s);
}

static int read_bytes(struct str head, const char *repeated, size_t times,
                      struct str tail, struct buf *out)
{
    int fd = memfd_create("opml", 0);
    FILE *file = fdopen(fd, "w+");

    assert_non_null(file);
    fwrite(head.s, 1, head.n, file);
    for (size_t i = 0; i < times; i++)
        fputs(repeated, file);
    fwrite(tail.s, 1, tail.n, file);
    rewind(file);
    buf_init(out, 1 << 20);
    int r = opml_read(fd, note, out, why);
    fclose(file);
    return r;
}

static void expect(const char *text, const char *feeds)
{
    struct buf out;

    assert_int_equal(read_bytes(str_of(text), "", 0, STR(""), &out), 0);
    assert_string_equal(out.n ? out.s : "", feeds);
    buf_free(&out);
}

static void refuses(const char *head, const char *repeated, size_t times, int error,
                    const char *says)
{
    struct buf out;

    assert_int_equal(read_bytes(str_of(head), repeated, times, STR(""), &out), error);
    if (!strstr(why, says))
        fail_msg("'%s' does not say '%s'", why, says);
    buf_free(&out);
}

static void outlines_around_feeds_are_groups(void **state)
{
    (void)state;
    expect(
        "<?xml version='1.0'?><opml version='2.0'><head><title>x</title></head><body>"
        "<outline text='News'><outline text='World'>"
        "<outline type='rss' text='A &amp; B' xmlUrl=' https://a.example/f?x=1&amp;y '/>"
        "</outline><outline title='C' xmlUrl='http://c.example/'/></outline>"
        "<outline text='D' xmlUrl='http://d.example/'/></body></opml>",
        "News/World|A & B|https://a.example/f?x=1&y\n"
        "News|C|http://c.example/\n|D|http://d.example/\n");
}

static void names_are_taken_in_any_case(void **state)
{
    (void)state;
    expect("<OPML><body><Outline TEXT='t' xmlurl='http://a.example/'/>"
           "<outline Title='u' XMLURL='http://b.example/'/></body></OPML>",
           "|t|http://a.example/\n|u|http://b.example/\n");
}

static void a_feed_may_hold_outlines(void **state)
{
    (void)state;
    expect("<opml><body><outline text='p' xmlUrl='http://p.example/'>"
           "<outline text='q' xmlUrl='http://q.example/'/></outline></body></opml>",
           "|p|http://p.example/\n|q|http://q.example/\n");
}

static void outlines_without_url_or_text_are_passed_over(void **state)
{
    (void)state;
    expect("<opml><body><outline/><outline text='just a note'/><outline text=''>"
           "<outline xmlUrl=''/><outline "
           "xmlUrl='http://a.example/'/></outline></body></opml>",
           "||http://a.example/\n");
}

static void other_charsets_are_read(void **state)
{
    (void)state;
    expect("<?xml version='1.0' encoding='windows-1251'?><opml><body>"
           "<outline text='\xcc\xe8\xf0' xmlUrl='http://a.example/'/></body></opml>",
           "|Мир|http://a.example/\n");
}

static void what_is_no_opml_is_refused(void **state)
{
    (void)state;
    refuses("<rss version='2.0'><channel/></rss>", "", 0, -EINVAL, "no OPML");
    refuses("<!DOCTYPE html><html><body></body></html>", "", 0, -EINVAL, "no OPML");
    refuses("", "", 0, -EINVAL, "no element found");
    refuses("nothing of the kind", "", 0, -EINVAL, "line 1");
    refuses("<opml><body><outline text='a' xmlUrl='http://a.example/'/>", "", 0, -EINVAL,
            "no element found");
}

static void entities_are_refused(void **state)
{
    (void)state;
    refuses("<!DOCTYPE opml [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"
            "<opml><body><outline text='&b;' xmlUrl='http://a.example/'/></body></opml>",
            "", 0, -EINVAL, "entities");
    refuses("<!DOCTYPE opml [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><opml>&a;</opml>",
            "", 0, -EINVAL, "entities");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    refuses("<opml>", "<outline text='deep'>", 1000000, -E2BIG, "deeper");
}

static void a_giant_tag_is_refused(void **state)
{
    (void)state;
    refuses("<opml><body><outline text='", "aaaaaaaaaaaaaaaa", 8 << 16, -E2BIG,
            "megabyte");
    refuses("<opml><body><!-- ", "aaaaaaaaaaaaaaaa", 8 << 16, -E2BIG, "megabyte");
}

static void a_giant_file_is_refused(void **state)
{
    (void)state;
    refuses("<opml><body>", "<outline text='and so on, and so on, and so on'/>\n",
            2000000, -E2BIG, "64 MiB");
}

static void too_many_feeds_are_refused(void **state)
{
    struct buf out;

    (void)state;
    assert_int_equal(read_bytes(STR("<opml><body>"), "<outline xmlUrl='x'/>",
                                OPML_FEEDS_MAX + 1, STR("</body></opml>"), &out),
                     -E2BIG);
    buf_free(&out);
}

static void long_texts_are_cut(void **state)
{
    struct buf out;

    (void)state;
    assert_int_equal(read_bytes(STR("<opml><body><outline xmlUrl='u' text='"), "ü", 50000,
                                STR("'/></body></opml>"), &out),
                     0);
    assert_int_equal(out.n, OPML_TEXT_MAX + strlen("||u\n"));
    buf_free(&out);
}

static int stop_at_once(void *ctx, const struct opml_feed *f)
{
    (void)f;
    ++*(int *)ctx;
    return -ENOMEM;
}

static void the_reader_may_stop(void **state)
{
    int fd = memfd_create("opml", 0), calls = 0;
    static const char text[] = "<opml><outline xmlUrl='a'/><outline xmlUrl='b'/></opml>";

    (void)state;
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(opml_read(fd, stop_at_once, &calls, why), -ENOMEM);
    assert_int_equal(calls, 1);
    close(fd);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(outlines_around_feeds_are_groups),
    cmocka_unit_test(names_are_taken_in_any_case),
    cmocka_unit_test(a_feed_may_hold_outlines),
    cmocka_unit_test(outlines_without_url_or_text_are_passed_over),
    cmocka_unit_test(other_charsets_are_read),
    cmocka_unit_test(what_is_no_opml_is_refused),
    cmocka_unit_test(entities_are_refused),
    cmocka_unit_test(depth_is_bounded),
    cmocka_unit_test(a_giant_tag_is_refused),
    cmocka_unit_test(a_giant_file_is_refused),
    cmocka_unit_test(too_many_feeds_are_refused),
    cmocka_unit_test(long_texts_are_cut),
    cmocka_unit_test(the_reader_may_stop),
};
TEST_MAIN(tests)
