/* config_diff: what a reload changes, by name. */
#include "test.h"
#include <stdio.h>
#include <string.h>
#include "config_diff.h"

static struct config *parsed(const char *text)
{
    struct config *c = NULL;
    struct buf errors;

    buf_init(&errors, 1 << 16);
    if (config_parse(&c, "test.ini", str_of(text), &errors) < 0)
        fail_msg("%s", errors.s ? errors.s : "?");
    buf_free(&errors);
    return c;
}

static struct config *from, *to;
static struct config_diff d;

static void diff(const char *a, const char *b)
{
    from = parsed(a);
    to = parsed(b);
    assert_int_equal(config_diff_new(&d, from, to), 0);
}

static int done(void **state)
{
    (void)state;
    config_diff_done(&d);
    config_unref(from);
    config_unref(to);
    from = to = NULL;
    memset(&d, 0, sizeof d);
    return 0;
}

static void is(const struct buf *b, const char *want)
{
    assert_string_equal(b->n ? b->s : "", want);
}

#define FEEDS "[feeds]\nb = http://x/b\na = http://x/a\n"
#define WATCHES "[watchlist]\none = Putin AND Xi\ntwo = Trump\n"

static void the_same_is_no_change(void **state)
{
    (void)state;
    /* written in another order and manner */
    diff(FEEDS WATCHES "[feedwatch]\ninterval = 15m\n",
         "[watchlist]\ntwo = TRUMP\n[watch:one]\nmatch = (Putin Xi)\n"
         "[feed:a]\nurl = http://x/a\n[feeds]\nb = http://x/b\n");
    is(&d.feeds_changed, "");
    is(&d.watches_changed, "two (match)"); /* canonical text keeps capitals */
    (void)done(state);
    diff(FEEDS WATCHES, WATCHES FEEDS "[feedwatch]\nworkers = auto\n");
    for (size_t i = 0; i < sizeof d / sizeof d.settings; i++)
        is((struct buf *)&d + i, "");
}

static void feeds_by_name_with_their_keys(void **state)
{
    (void)state;
    diff(FEEDS WATCHES, "[feed:a]\nurl = http://x/other\ninterval = 5m\ngroup = g\n"
                        "sinks = log\n[feeds]\nd = http://x/d\nc = http://x/c\n" WATCHES);
    is(&d.feeds_added, "c, d");
    is(&d.feeds_removed, "b");
    is(&d.feeds_changed, "a (url, group, interval, sinks)");
    is(&d.watches_changed, "");
}

static void what_a_group_or_all_inherit_counts(void **state)
{
    (void)state;
    diff("[feedwatch]\ntimeout = 9s\n" FEEDS WATCHES "[feed:c]\nurl = http://x/c\n"
         "timeout = 5s\n",
         "[feedwatch]\ntimeout = 5s\nlog = /tmp/other.log\n" FEEDS WATCHES
         "[feed:c]\nurl = http://x/c\n");
    is(&d.settings, "log");
    is(&d.feeds_changed, "a (timeout), b (timeout)");
}

static void watches_by_what_they_mean(void **state)
{
    (void)state;
    diff(FEEDS "[set:s]\nterms = x\n[watch:one]\nmatch = @s\n[watch:two]\nmatch = b\n"
               "[watch:three]\nmatch = c\nfeeds = a\ntest_yes = c\n",
         FEEDS "[set:s]\nterms = y\n[watch:one]\nmatch = @s\n[watch:three]\nmatch = c\n"
               "feeds = a, b\npriority = critical\n[watch:four]\nmatch = d\n");
    is(&d.watches_added, "four");
    is(&d.watches_removed, "two");
    is(&d.watches_changed, "one (match), three (feeds, priority, test_yes)");
}

static void sinks_too(void **state)
{
    (void)state;
    diff(FEEDS WATCHES "[sink:x]\ntype = log\npath = /tmp/x\n",
         FEEDS WATCHES "[sink:x]\ntype = log\npath = /tmp/y\nformat = json\n"
                       "[sink:y]\ntype = log\npath = /tmp/z\n");
    is(&d.sinks_added, "y");
    is(&d.sinks_changed, "x (keys)");
}

static void lists_are_bounded(void **state)
{
    (void)state;
    static char text[200000];
    size_t n = 0;

    n += (size_t)snprintf(text, sizeof text, "[feeds]\n");
    for (int i = 0; i < 2000; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "feed-%04d = http://x/%d\n", i,
                              i);
    n += (size_t)snprintf(text + n, sizeof text - n, "%s", &FEEDS[strlen("[feeds]\n")]);
    n += (size_t)snprintf(text + n, sizeof text - n, "[watchlist]\nthree = x\n");
    diff(FEEDS WATCHES, text);
    is(&d.watches_removed, "one, two");
    assert_true(d.feeds_added.n < 1100);
    assert_memory_equal(d.feeds_added.s, "feed-0000, feed-0001, ", 22);
    /* eleven bytes each, with the comma */
    assert_non_null(strstr(d.feeds_added.s, ", and 1910 more"));
}

#define T(f) cmocka_unit_test_teardown(f, done)
static const struct CMUnitTest tests[] = {
    T(the_same_is_no_change),
    T(feeds_by_name_with_their_keys),
    T(what_a_group_or_all_inherit_counts),
    T(watches_by_what_they_mean),
    T(sinks_too),
    T(lists_are_bounded),
};
TEST_MAIN(tests)
