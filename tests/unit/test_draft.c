/* Names made from titles, feeds that are there already, files that are never overwritten.
 */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../daemon/cmd/cmd_draft.h"
#include "../../daemon/cmd/cmd_print.h"

static const char ini[] = "[feedwatch]\nstate = /nowhere\n[feeds]\n"
                          "kyiv = https://www.kyivpost.com/feed\n"
                          "kyiv-2 = http://b.example/\n[watchlist]\nw = putin\n";

static void slug(const char *text, bool lower, size_t max, const char *want)
{
    struct buf b;

    buf_init(&b, 1000);
    assert_int_equal(draft_slug(&b, str_of(text), lower, max), 0);
    assert_string_equal(b.n ? b.s : "", want);
    buf_free(&b);
}

static void a_title_becomes_a_name(void **state)
{
    (void)state;
    slug("Kyiv Post", false, 64, "Kyiv-Post");
    slug("  BBC News - World!  ", true, 64, "bbc-news-world");
    slug("Süddeutsche Zeitung", true, 64, "süddeutsche-zeitung");
    slug("新华网", false, 64, "新华网");
    slug("a/../../etc: [x] = \"y\"", false, 64, "a-..-..-etc-x-y");
    slug("../x", false, 64, "x");
    slug("...", false, 64, "");
    slug("\xf0\x9f\x98\x80 \xe2\x80\xae;#", false, 64, "");
    slug("one two three", false, 8, "one-two");
    slug("\xff\xfe", false, 8, "");
    slug("üü", false, 3, "ü");
}

static void known_feeds_are_found(void **state)
{
    struct config *c = NULL;
    struct draft_index *x = NULL;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 16);
    assert_int_equal(config_parse(&c, "x.ini", STR(ini), &b), 0);
    assert_int_equal(draft_index_new(&x, c), 0);
    assert_string_equal(draft_find_url(x, "http://kyivpost.com/feed/?utm_source=x"),
                        "kyiv");
    assert_null(draft_find_url(x, "http://kyivpost.com/feed2"));
    assert_true(draft_has_name(x, "kyiv"));
    assert_false(draft_has_name(x, "http://b.example/"));
    assert_int_equal(draft_unique(x, STR("kyiv"), &b), 0);
    assert_string_equal(b.s, "kyiv-3");
    assert_int_equal(draft_note(x, "kyiv-3", "http://c.example/"), 0);
    assert_string_equal(draft_find_url(x, "https://www.c.example"), "kyiv-3");
    assert_int_equal(draft_unique(x, STR("kyiv"), &b), 0);
    assert_string_equal(b.s, "kyiv-4");
    buf_free(&b);
    draft_index_free(x);
    config_unref(c);
}

static void a_file_is_never_overwritten(void **state)
{
    char dir[] = "/tmp/test_draft.XXXXXX", path[64], command[128];
    struct buf where;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/feedwatch.ini", dir);
    buf_init(&where, 4096);
    for (int i = 1; i <= 3; i++) {
        char want[128];
        snprintf(want, sizeof want, i == 1 ? "%s/conf.d/x.ini" : "%s/conf.d/x-%d.ini",
                 dir, i);
        assert_int_equal(draft_place("add", path, "x", STR("[feeds]\n"), &where), 0);
        assert_string_equal(where.s, want);
        assert_int_equal(stat(want, &st), 0);
        assert_int_equal(st.st_size, 8);
        assert_int_equal(unlink(want) + (i < 3 ? symlink("/nowhere/at/all", want) : 0),
                         0);
    }
    for (int i = 1; i < 3; i++) {
        snprintf(command, sizeof command,
                 i == 1 ? "%s/conf.d/x.ini" : "%s/conf.d/x-%d.ini", dir, i);
        assert_int_equal(unlink(command), 0);
    }
    snprintf(command, sizeof command, "%s/conf.d", dir);
    assert_int_equal(rmdir(command), 0); /* no temporary file is left */
    assert_int_equal(rmdir(dir), 0);
    buf_free(&where);
}

static void when(int64_t ms, const char *want)
{
    char out[PRINT_TIME_SIZE];

    print_when(out, ms, 0);
    assert_string_equal(out, want);
}

static void times_are_said_as_people_do(void **state)
{
    (void)state;
    when(0, "now");
    when(-999, "now");
    when(-42000, "42 s ago");
    when(180000, "in 3 min");
    when(-5 * 3600000LL, "5 h ago");
    when(-12 * 86400000LL, "12 days ago");
    when(-1096 * 86400000LL, "3 years ago");
    when(INT64_MIN / 2, "146138512 years ago");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_title_becomes_a_name),
    cmocka_unit_test(known_feeds_are_found),
    cmocka_unit_test(a_file_is_never_overwritten),
    cmocka_unit_test(times_are_said_as_people_do),
};
TEST_MAIN(tests)
