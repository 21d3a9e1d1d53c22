/* story: which hits of a watch are one story, which wait for more sources. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "story.h"

#define H 3600000LL
#define LEAD                                                                             \
    "The two presidents agreed on Tuesday to hold a second round of talks in Geneva "    \
    "next month, officials from both delegations told reporters after the meeting."

static struct story_table *table;
static struct buf sources;
static struct story_print made;
static unsigned min_sources;
static bool update, plain;

static const struct story_print *print_of(const char *title, const char *lead,
                                          const char *link)
{
    struct item item = { .title = str_of(title),
                         .summary = str_of(lead),
                         .link = str_of(link) };
    struct text words = { 0 };
    struct buf work;

    buf_init(&work, 1 << 16);
    assert_int_equal(story_print(&made, &item, &words, &work), 0);
    text_done(&words);
    buf_free(&work);
    return &made;
}

static bool same(const char *title_a, const char *lead_a, const char *title_b,
                 const char *lead_b)
{
    struct story_print a = *print_of(title_a, lead_a, "");

    return story_text_same(&a, print_of(title_b, lead_b, ""), 0);
}

static bool same_later(const char *title, const char *lead, int64_t gap_ms)
{
    struct story_print a =
        *print_of("Putin and Xi agree on second summit in Geneva", LEAD, "");

    return story_text_same(&a, print_of(title, lead, ""), gap_ms);
}

static bool same_link(const char *a, const char *b)
{
    uint64_t link = print_of("", "", a)->link;

    return link && link == print_of("", "", b)->link;
}

static struct story_result last;

static enum story_verdict judge(int64_t feed, uint64_t key, const char *title,
                                const char *link, int64_t now)
{
    char name[20];
    struct story_case c = {
        .watch = STR("summit"),
        .title = str_of(title),
        .link = str_of(link),
        .feed_id = feed,
        .key = { key, 0 },
        .print = print_of(title, LEAD, link),
        .now_ms = now,
        .window_ms = 24 * H,
        .keep_ms = 48 * H,
        .min_sources = min_sources,
        .within_ms = H / 2,
        .collapse = !plain,
        .update = update,
    };

    snprintf(name, sizeof name, "feed%d", (int)feed);
    c.feed = str_of(name);
    buf_clear(&sources);
    assert_int_equal(story_judge(table, &c, &last, &sources), 0);
    return last.verdict;
}

static int set_up(void **state)
{
    (void)state;
    table = story_table_new(1000);
    buf_init(&sources, 1 << 20);
    min_sources = 0;
    update = plain = false;
    return table ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    story_table_free(table);
    buf_free(&sources);
    return 0;
}

#define TITLE "Presidents of France and Brazil agree on second summit in Geneva"
#define OTHER "Volcano on Iceland forces evacuation of several coastal villages"

/* --- prints --- */

static void links_are_the_same_without_what_tracks(void **state)
{
    (void)state;
    assert_true(same_link("https://www.a.example/x/1?utm_source=rss&id=3#xtor=RSS-1",
                          "http://a.example/x/1/?id=3"));
    assert_true(same_link("https://m.a.example/x/1", "https://a.example/x/1"));
    assert_true(same_link("https://a.example/x/1/amp/", "https://a.example/x/1"));
    assert_false(same_link("https://a.example/x/1#post-2", "https://a.example/x/1"));
    assert_false(same_link("https://a.example/x/1?id=3", "https://a.example/x/1?id=4"));
    assert_false(same_link("https://a.example/", "https://a.example/")); /* home page */
    assert_false(same_link("", ""));
}

static void texts_are_the_same_but_for_little(void **state)
{
    (void)state;
    assert_true(same(TITLE, LEAD, TITLE, LEAD));
    assert_true(same(TITLE, LEAD,
                     "PRESIDENTS of France, Brazil agree: second summit in "
                     "Geneva",
                     LEAD " More follows."));
    assert_false(same(TITLE, LEAD, OTHER,
                      "Lava broke through on Friday morning and the "
                      "civil guard closed all roads to the south."));
    assert_false(same("Live", LEAD, "Live",
                      "Something else happens here, and all of "
                      "its words are other words than those."));
    assert_false(same("", "", "", ""));
}

static void words_are_compared_without_their_endings(void **state)
{
    (void)state;
    assert_true(same("Regulators approve takeovers of northern railways", "",
                     "Regulator approved takeover of northern railway", ""));
    assert_true(same("Президенты подписали соглашение о границах", "",
                     "Президент подписал соглашения о границе", ""));
    assert_false(same("Regulators approve takeovers of northern railways", "",
                      "Regulators oppose closures of northern railways", ""));
}

static void other_figures_are_another_story(void **state)
{
    (void)state;
    assert_false(same("Ministry reports 51 new community cases today", LEAD,
                      "Ministry reports 41 new community cases today", LEAD));
    assert_true(same("Ministry reports 51 new community cases today", LEAD,
                     "Ministry reports new community cases today", LEAD));
    /* also when the other text has the figure by chance */
    assert_false(same("Man of 51 hurt in fall from ladder at northern farm",
                      LEAD " He had worked there for 41 years.",
                      "Man of 41 hurt in fall from ladder at northern farm",
                      LEAD " He had worked there for 51 years."));
}

static void names_in_both_titles_are_not_enough(void **state)
{
    (void)state;
    const char *visit = "Prime Minister Alexandra Montgomery visits Jonathan Fitzgerald "
                        "and their new baby boy";
    const char *club = "Prime Minister Alexandra Montgomery, Jonathan Fitzgerald and a "
                       "baby in an exclusive club";
    const char *lead = "She left the hospital this morning and thanked all doctors, the "
                       "nurses and everybody else who helped.";

    assert_true(same(visit, lead, club, lead));
    assert_false(same(visit, lead, club,
                      "Only two others before were born to parents while these held "
                      "that office: history of an address."));
    /* titles that are nearly the same are believed, whatever the leads say */
    assert_true(same(visit, lead,
                     "Prime Minister Alexandra Montgomery visits Jonathan Fitzgerald and "
                     "new baby boy",
                     "Only two others before were born to parents while these held that "
                     "office: history of an address."));
}

static void a_piece_about_an_event_is_no_report(void **state)
{
    (void)state;
    const char *title = "Putin and Xi agree: second summit in Geneva next month";

    assert_true(same_later(title, LEAD, 0));
    assert_false(
        same_later("Analysis: Putin and Xi after the second Geneva summit", LEAD, 0));
    assert_true(
        same_later("UPDATE 2-Putin and Xi agree on second summit in Geneva", LEAD, 0));
}

static void later_reports_must_be_more_alike(void **state)
{
    (void)state;
    const char *title = "Russian and Chinese leaders plan second summit in Geneva";
    const char *lead = "The presidents will hold more talks in Geneva, said people close "
                       "to them on Tuesday.";
    const char *first = "Putin and Xi agree on second summit in Geneva";

    assert_true(same_later(title, lead, 0));
    assert_true(same_later(title, lead, -H));
    assert_false(same_later(title, lead, 23 * H));
    assert_true(same_later(first, LEAD, 23 * H));
    assert_true(same_later(first, LEAD, 90 * 24 * H));
}

static void scripts_without_spaces_are_compared(void **state)
{
    (void)state;
    const char *a = "\xE4\xB8\xAD\xE5\x9B\xBD\xE5\xA4\x96\xE4\xBA\xA4\xE9\x83\xA8\xE5\x8F"
                    "\x91\xE8\xA8\x80\xE4\xBA\xBA\xE5\x9B\x9E\xE5\xBA\x94\xE8\xAE\xB0\xE8"
                    "\x80\x85\xE6\x8F\x90\xE9\x97\xAE";
    const char *b = "\xE6\x97\xA5\xE6\x9C\xAC\xE5\x9C\xB0\xE9\x9C\x87\xE9\x80\xA0\xE6\x88"
                    "\x90\xE5\xA4\x9A\xE4\xBA\xBA\xE5\x8F\x97\xE4\xBC\xA4";

    assert_true(same(a, "", a, ""));
    assert_false(same(a, "", b, ""));
}

static void a_typo_is_no_change_another_text_is(void **state)
{
    (void)state;
    struct story_print a = *print_of(TITLE, LEAD, "");

    assert_false(story_changed(&a, print_of("Presidents of France and Brasil agree on "
                                            "second summit in Geneva",
                                            LEAD, "")));
    assert_true(story_changed(&a, print_of(OTHER, LEAD, "")));
    assert_true(story_changed(&a, print_of(TITLE,
                                           "Nobody expected what happened then: all "
                                           "delegations left before noon, without any "
                                           "word to the waiting press.",
                                           "")));
}

static void a_print_survives_packing(void **state)
{
    (void)state;
    struct story_print a = *print_of(TITLE, LEAD, "https://a.example/1"), b;
    struct buf packed;

    buf_init(&packed, STORY_PRINT_BYTES);
    assert_int_equal(story_print_pack(&a, &packed), 0);
    assert_int_equal(story_print_unpack(&b, buf_str(&packed)), 0);
    assert_memory_equal(&a, &b, sizeof a);
    for (size_t n = 0; n < packed.n; n++)
        assert_int_equal(story_print_unpack(&b, (struct str){ packed.s, n }), -EBADMSG);
    buf_free(&packed);
}

/* --- the table --- */

static void a_later_source_joins(void **state)
{
    (void)state;
    assert_int_equal(judge(1, 11, TITLE, "https://a.example/1", H), STORY_ALERT);
    assert_int_equal(judge(2, 21, TITLE, "https://b.example/1", 2 * H), STORY_JOINS);
    assert_int_equal(last.feed_id, 1);
    assert_int_equal(last.key.hi, 11);
    assert_int_equal(judge(3, 31, OTHER, "https://b.example/1", 2 * H), STORY_JOINS);
    assert_int_equal(judge(4, 41, OTHER, "https://d.example/1", 2 * H), STORY_ALERT);
}

static void a_story_ends_with_its_window(void **state)
{
    (void)state;
    assert_int_equal(judge(1, 11, TITLE, "", 0), STORY_ALERT);
    assert_int_equal(judge(2, 21, TITLE, "", 24 * H), STORY_JOINS);
    assert_int_equal(judge(3, 31, TITLE, "", 24 * H + 1), STORY_ALERT);
    story_expire(table, 100 * H, NULL, NULL);
    assert_int_equal(story_count(table), 0);
    assert_int_equal(story_bytes(table), 0);
}

static void items_of_one_feed_are_stories_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(judge(1, 11, TITLE, "https://a.example/1", 0), STORY_ALERT);
    assert_int_equal(judge(1, 12, TITLE, "https://a.example/2", 0), STORY_ALERT);
    assert_int_equal(judge(1, 13, OTHER, "https://a.example/1", 0), STORY_ALERT);
    assert_int_equal(judge(1, 14, TITLE, "https://a.example/1", 0), STORY_REPEATS);
    assert_int_equal(judge(1, 11, TITLE, "https://a.example/1", 0), STORY_REPEATS);
    assert_int_equal(judge(2, 21, TITLE, "", 0), STORY_JOINS);
    assert_int_equal(judge(2, 22, TITLE, "", 0), STORY_JOINS); /* the other one */
    assert_int_equal(judge(2, 23, TITLE, "", 0), STORY_ALERT); /* no third */
}

static void fires_with_the_second_source_in_time(void **state)
{
    (void)state;
    struct alert_source s;
    struct str list;

    min_sources = 2;
    assert_int_equal(judge(1, 11, TITLE, "https://a.example/1", 1000), STORY_WAITS);
    assert_int_equal(judge(1, 12, TITLE, "https://a.example/2", 1000), STORY_WAITS);
    assert_int_equal(judge(2, 21, TITLE, "https://b.example/1", H / 2), STORY_ALERT);
    list = buf_str(&sources);
    assert_true(alert_source_next(&list, &s));
    assert_true(str_eq(s.feed, STR("feed1")));
    assert_int_equal(s.time_ms, 1000);
    assert_false(alert_source_next(&list, &s));
    assert_int_equal(judge(3, 31, TITLE, "https://c.example/1", H / 2), STORY_JOINS);
    assert_int_equal(last.feed_id, 2);
}

static unsigned expired;
static void count_expired(void *ctx, struct str watch, struct str title, unsigned n)
{
    (void)ctx;
    assert_true(str_eq(watch, STR("summit")));
    assert_true(str_eq(title, STR(TITLE)));
    assert_int_equal(n, 1);
    expired++;
}

static void sources_too_far_apart_do_not_fire(void **state)
{
    (void)state;
    min_sources = 2;
    assert_int_equal(judge(1, 11, TITLE, "", 0), STORY_WAITS);
    assert_int_equal(judge(2, 21, TITLE, "", H / 2 + 1), STORY_WAITS);
    story_expire(table, H / 2 + 1, count_expired, NULL);
    assert_int_equal(expired, 1);
    assert_int_equal(judge(3, 31, TITLE, "", H), STORY_ALERT);
}

static void three_sources_slide(void **state)
{
    (void)state;
    min_sources = 3;
    assert_int_equal(judge(1, 11, TITLE, "", 0), STORY_WAITS);
    assert_int_equal(judge(2, 21, TITLE, "", H / 4), STORY_WAITS);
    assert_int_equal(judge(3, 31, TITLE, "", H / 2 + 1), STORY_WAITS); /* 1 is too old */
    assert_int_equal(judge(4, 41, TITLE, "", H / 2 + 2), STORY_ALERT);
}

static void tells_of_an_update_once(void **state)
{
    (void)state;
    plain = true;
    assert_int_equal(judge(1, 11, TITLE, "https://a.example/1", 0), STORY_ALERT);
    assert_int_equal(judge(2, 21, TITLE, "https://b.example/1", 0), STORY_ALERT);
    update = true;
    assert_int_equal(judge(1, 11, TITLE " today", "https://a.example/1", H),
                     STORY_REPEATS);
    assert_int_equal(judge(1, 11, OTHER, "https://a.example/1", H), STORY_UPDATE);
    assert_int_equal(judge(1, 11, OTHER, "https://a.example/1", H), STORY_REPEATS);
    assert_int_equal(judge(1, 19, OTHER, "https://a.example/9", H), STORY_ALERT);
}

static void an_update_of_a_later_source_is_none(void **state)
{
    (void)state;
    assert_int_equal(judge(1, 11, TITLE, "https://a.example/1", 0), STORY_ALERT);
    assert_int_equal(judge(2, 21, TITLE, "https://b.example/1", 0), STORY_JOINS);
    update = true;
    assert_int_equal(judge(2, 21, OTHER, "https://b.example/1", 0), STORY_REPEATS);
}

/* Every row of `from` that changed goes to a new table. */
static void move_rows(void)
{
    struct story_table *to = story_table_new(1000);
    struct story_row row;

    while (story_take_row(table, &row)) {
        assert_true(row.packed.n > 0);
        assert_int_equal(story_put_row(to, &row), 0);
        for (size_t n = 0; n < row.packed.n; n += 3) {
            struct story_row cut = row;
            cut.packed.n = n;
            assert_int_equal(story_put_row(to, &cut), -EBADMSG);
        }
    }
    assert_int_equal(story_count(to), story_count(table));
    assert_int_equal(story_bytes(to) > 0, story_bytes(table) > 0);
    story_table_free(table);
    table = to;
}

static void a_restart_changes_nothing(void **state)
{
    (void)state;
    struct alert_source s;
    struct str list;

    min_sources = 2;
    assert_int_equal(judge(1, 11, TITLE, "https://a.example/1", 1000), STORY_WAITS);
    move_rows();
    assert_int_equal(judge(2, 21, TITLE, "https://b.example/1", 2000), STORY_ALERT);
    list = buf_str(&sources);
    assert_true(alert_source_next(&list, &s));
    assert_true(str_eq(s.link, STR("https://a.example/1")));
    move_rows();
    assert_int_equal(judge(3, 31, TITLE, "", 3000), STORY_JOINS);
    assert_int_equal(judge(1, 11, TITLE, "https://a.example/1", 3000), STORY_REPEATS);
    assert_int_equal(judge(2, 21, TITLE, "https://b.example/1", 2000), STORY_REPEATS);
}

static void keeps_to_its_bound(void **state)
{
    (void)state;
    char title[200];
    struct story_row row;
    unsigned gone = 0;

    story_table_free(table);
    table = story_table_new(10);
    min_sources = 2;
    assert_int_equal(judge(1, 1, TITLE, "", 0), STORY_WAITS);
    min_sources = 0;
    for (unsigned i = 0; i < 40; i++) {
        snprintf(title, sizeof title, "Edition%u%u volume%u%u about number%u%u", i, i, i,
                 i, i, i);
        plain = true;
        assert_int_equal(judge(1, 100 + i, title, "", i), STORY_ALERT);
        assert_true(story_count(table) <= 10);
    }
    while (story_take_row(table, &row))
        gone += !row.packed.n;
    assert_int_equal(gone, 31);
    plain = false;
    min_sources = 2;
    assert_int_equal(judge(2, 2, TITLE, "", 100), STORY_ALERT); /* it still waited */
}

static void sources_of_one_story_are_bounded(void **state)
{
    (void)state;
    for (int64_t i = 1; i < 100; i++) {
        enum story_verdict v = judge(i, (uint64_t)i, TITLE, "", i);
        assert_int_equal(v, i == 1 ? STORY_ALERT : STORY_JOINS);
        assert_int_equal(last.list_full, i > STORY_SOURCES_MAX);
    }
}

/* Every item of another feed; which alert it joins, found by looking at all of them. */
#define ITEMS 250
static struct {
    struct story_print print;
    uint64_t links[ITEMS];
    unsigned n_links, item;
} raised[ITEMS];

static int joined_by(unsigned n_raised, const struct story_print *print, int64_t gap)
{
    for (unsigned i = n_raised; i-- > 0;) {
        bool same = story_text_same(&raised[i].print, print, gap);

        for (unsigned k = 0; k < raised[i].n_links; k++)
            same = same || (print->link && raised[i].links[k] == print->link);
        if (same)
            return (int)i;
    }
    return -1;
}

static void finds_what_looking_at_all_finds(void **state)
{
    (void)state;
    static const char *const stem[] = { "ministers", "talk",  "summit", "of",   "in",
                                        "Geneva",    "flood", "leaves", "seven" };
    unsigned n = 0, joins = 0, seed = 1;

    for (unsigned i = 1; i <= ITEMS; i++) {
        char title[300] = "", link[60];

        for (unsigned k = 0; k < 7; k++) {
            seed = seed * 1103515245 + 12345;
            unsigned r = seed >> 16;
            size_t at = strlen(title);
            if (k < 2)
                snprintf(title + at, sizeof title - at, "%c%ctown ", 'a' + (char)(r % 12),
                         'b' + (char)(r % 7));
            else
                snprintf(title + at, sizeof title - at, "%s ", stem[r % 9]);
        }
        snprintf(link, sizeof link, "https://a.example/%u", seed >> 16 & 127);
        enum story_verdict v = judge(i, i, title, link, 0);
        int at = joined_by(n, &made, 0);
        assert_int_equal(v, at < 0 ? STORY_ALERT : STORY_JOINS);
        if (at >= 0)
            assert_int_equal(last.feed_id, raised[at].item);
        joins += at >= 0;
        unsigned to = at < 0 ? n++ : (unsigned)at;
        if (at < 0) {
            raised[to].print = made;
            raised[to].item = i;
        }
        if (!last.list_full)
            raised[to].links[raised[to].n_links++] = made.link;
    }
    assert_in_range(joins, 20, ITEMS - 20);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
static const struct CMUnitTest tests[] = {
    T(links_are_the_same_without_what_tracks),
    T(texts_are_the_same_but_for_little),
    T(words_are_compared_without_their_endings),
    T(other_figures_are_another_story),
    T(names_in_both_titles_are_not_enough),
    T(a_piece_about_an_event_is_no_report),
    T(later_reports_must_be_more_alike),
    T(scripts_without_spaces_are_compared),
    T(a_typo_is_no_change_another_text_is),
    T(a_print_survives_packing),
    T(a_later_source_joins),
    T(a_story_ends_with_its_window),
    T(items_of_one_feed_are_stories_of_their_own),
    T(fires_with_the_second_source_in_time),
    T(sources_too_far_apart_do_not_fire),
    T(three_sources_slide),
    T(tells_of_an_update_once),
    T(an_update_of_a_later_source_is_none),
    T(a_restart_changes_nothing),
    T(keeps_to_its_bound),
    T(sources_of_one_story_are_bounded),
    T(finds_what_looking_at_all_finds),
};
TEST_MAIN(tests)
