/* seen: every row of the decision table, the packed form, pruning. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "seen.h"

#define LEAD_A "The first lead is long enough to tell this item apart from others"
#define LEAD_B "Quite another lead, about something else that happened elsewhere"

static struct buf work;

/* A feed under test: its window goes through the packed form between documents. */
struct feed {
    struct seen_window *w;
    int32_t day;
    bool hold, cut;          /* cut: the documents break off */
    struct seen_stats stats; /* of the latest document */
};

static void open_document(struct feed *f, const struct buf *packed)
{
    assert_int_equal(seen_window_new(&f->w, packed->s, packed->n), 0);
    if (f->hold)
        seen_window_hold(f->w);
}

static struct feed *feed_new(void)
{
    struct feed *f = calloc(1, sizeof *f);
    struct buf none = { 0 };

    f->day = 20000;
    f->hold = true;
    open_document(f, &none);
    return f;
}

static void feed_free(struct feed *f)
{
    seen_window_free(f->w);
    free(f);
}

static struct item item(const char *id, const char *link, const char *title,
                        const char *lead, int64_t date)
{
    return (struct item){ .id = str_of(id),
                          .link = str_of(link),
                          .title = str_of(title),
                          .summary = str_of(lead),
                          .published_s = date ? date : ITEM_NO_TIME,
                          .updated_s = ITEM_NO_TIME };
}

/* Shows one document: for each item a letter, and at the end the doubts settled in
 * capitals at their places: n new, k known, r rekeyed, u updated. */
static const char *show(struct feed *f, size_t n, const struct item *items)
{
    static const char letter[] = "nkru?";
    static char out[200];
    struct seen_print print[200];
    enum seen_verdict v;
    struct buf packed;

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(seen_print(&print[i], &items[i], &work), 0);
        assert_int_equal(seen_judge(f->w, &print[i], f->day, &v), 0);
        out[i] = letter[v];
    }
    for (size_t i = 0; i < n; i++)
        if (out[i] == '?')
            out[i] = "NKRU?"[seen_settle(f->w, &print[i], !f->cut)];
    out[n] = '\0';
    if (!f->cut)
        seen_window_prune(f->w, f->day, 90);
    seen_window_stats(f->w, &f->stats);
    buf_init(&packed, 10 << 20);
    assert_int_equal(seen_window_pack(f->w, &packed), 0);
    seen_window_free(f->w);
    open_document(f, &packed);
    buf_free(&packed);
    return out;
}
#define SHOW(f, ...)                                                                     \
    show(f, sizeof((struct item[]){ __VA_ARGS__ }) / sizeof(struct item),                \
         (struct item[]){ __VA_ARGS__ })

static void knows_what_is_listed_again(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/2", "B", LEAD_B, 2000);
    struct item late = item("1", "https://e.org/1", "A", LEAD_A, 5000);

    assert_string_equal(SHOW(f, a, b), "nn");
    assert_string_equal(SHOW(f, a, b), "kk");
    assert_string_equal(SHOW(f, b, a), "kk");    /* reordered */
    assert_string_equal(SHOW(f, b), "k");        /* dropped ... */
    assert_string_equal(SHOW(f, b, a), "kk");    /* ... and back */
    assert_string_equal(SHOW(f, b, late), "kk"); /* re-dated */
    assert_string_equal(SHOW(f, a, a), "kk");    /* twice in one document */
    feed_free(f);
}

static void one_item_listed_twice_is_one(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);

    struct item edited = item("1", "https://e.org/1", "A2", LEAD_A, 1000);

    assert_string_equal(SHOW(f, a, a), "nk");
    assert_string_equal(SHOW(f, edited, edited), "Uk");
    assert_string_equal(SHOW(f, edited, edited), "kk");
    feed_free(f);
}

static void sees_edits_under_the_same_id(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct item title = item("1", "https://e.org/1", "A, edited", LEAD_A, 1000);
    struct item all = item("1", "https://e.org/moved", "Other", LEAD_B, 9000);
    struct item b = item("2", "https://e.org/2", "B", LEAD_B, 1000);

    assert_string_equal(SHOW(f, a, b), "nn");
    assert_string_equal(SHOW(f, title, b), "Uk");
    assert_string_equal(SHOW(f, title, b), "kk");
    assert_string_equal(SHOW(f, all, b), "Uk");
    assert_string_equal(SHOW(f, all, b), "kk");
    f->hold = false;
    (void)SHOW(f, all, b);
    assert_string_equal(SHOW(f, a, b), "uk"); /* decided at once */
    feed_free(f);
}

static void goes_by_link_when_there_is_no_id(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("", "http://www.e.org/1", "A", LEAD_A, 1000);
    struct item b = item("", "http://www.e.org/2", "A", LEAD_A, 1000);
    struct item https = item("", "https://e.org/1?utm_source=rss", "A", LEAD_A, 1000);
    struct item edited = item("", "https://e.org/1", "A2", LEAD_B, 1000);

    assert_string_equal(SHOW(f, a, b), "nn");
    assert_string_equal(SHOW(f, https, b), "kk");
    assert_string_equal(SHOW(f, edited, b), "Uk");
    feed_free(f);
}

static void two_items_with_one_link_are_two(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("", "https://e.org/log", "Version 1", LEAD_A, 1000);
    struct item b = item("", "https://e.org/log", "Version 2", LEAD_B, 2000);
    struct item c = item("", "https://e.org/log", "Version 3",
                         "Yet another lead that nobody has ever read before", 3000);

    assert_string_equal(SHOW(f, b, a), "nn");
    assert_string_equal(SHOW(f, b, a), "kk");
    assert_string_equal(SHOW(f, a, b), "kk");
    assert_string_equal(SHOW(f, c, b, a), "nkk");
    assert_string_equal(SHOW(f, c, b), "kk");
    feed_free(f);
}

static void an_item_that_comes_before_its_likeness_is_new(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/thread", "Re: thread", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/thread", "Re: thread", LEAD_B, 2000);
    struct item c = item("3", "https://e.org/thread", "Re: thread",
                         "Yet another lead that nobody has ever read before", 3000);

    assert_string_equal(SHOW(f, a), "n");
    assert_string_equal(SHOW(f, b, a), "Nk"); /* only the end can tell */
    assert_string_equal(SHOW(f, c, b), "nk"); /* by now the link is no evidence */
    assert_string_equal(SHOW(f, c, b, a), "kkk");
    feed_free(f);
}

static void fragments_tell_links_apart(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("", "https://e.org/log#v1", "Version 1", LEAD_A, 1000);
    struct item b = item("", "https://e.org/log#v2", "Version 2", LEAD_A, 2000);

    assert_string_equal(SHOW(f, a), "n");
    assert_string_equal(SHOW(f, b, a), "nk");
    assert_string_equal(SHOW(f, b), "k");
    feed_free(f);
}

static void home_page_links_are_no_identity(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/", "Breaking news", "", 1000);
    struct item b = item("2", "https://e.org/", "Breaking news", "", 2000);
    struct item c = item("", "https://www.e.org", "Breaking news", "", 3000);

    assert_string_equal(SHOW(f, a), "n");
    assert_string_equal(SHOW(f, b), "n");
    assert_string_equal(SHOW(f, c), "n");
    assert_string_equal(SHOW(f, a, b, c), "kkk");
    feed_free(f);
}

static void an_id_for_all_items_is_no_identity(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("0", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("0", "https://e.org/2", "B", LEAD_B, 2000);
    struct item c = item("0", "https://e.org/3", "C", LEAD_A, 3000);
    struct item c2 = item("0", "https://e.org/3", "C, edited", LEAD_A, 3000);

    assert_string_equal(SHOW(f, b, a), "nn");
    assert_string_equal(SHOW(f, b, a), "kk");
    assert_string_equal(SHOW(f, a, b), "kk");
    assert_string_equal(SHOW(f, c, b, a), "nkk");
    assert_string_equal(SHOW(f, c, b), "kk");
    assert_string_equal(SHOW(f, c2, b), "uk");
    feed_free(f);
}

static void an_id_for_all_shows_when_the_second_comes_first(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("0", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("0", "https://e.org/2", "B", LEAD_B, 2000);

    assert_string_equal(SHOW(f, a), "n");
    assert_string_equal(SHOW(f, b, a), "Nk");
    assert_string_equal(SHOW(f, b, a), "kk");
    feed_free(f);
}

static void an_id_for_all_without_links_goes_by_text(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("x", "", "A", LEAD_A, 1000);
    struct item b = item("x", "", "B", LEAD_A, 2000);
    struct item c = item("x", "", "C", "", 3000);

    assert_string_equal(SHOW(f, a, b, c), "nnn");
    assert_string_equal(SHOW(f, c, a, b), "kkk");
    feed_free(f);
}

static void ids_that_change_each_poll_do_not_repeat(void **state)
{
    (void)state;
    struct feed *f = feed_new();

    for (int poll = 0; poll < 20; poll++) {
        char id[3][20];
        for (int i = 0; i < 3; i++)
            snprintf(id[i], sizeof id[i], "%d-%d", poll, i);
        struct item a = item(id[0], "https://e.org/1", "A", LEAD_A, 1000);
        struct item b = item(id[1], "https://e.org/2", "B", LEAD_B, 2000);
        struct item c = item(id[2], "https://e.org/3", "C", "", 3000);
        assert_string_equal(SHOW(f, a, b, c), poll ? "rrr" : "nnn");
    }
    assert_true(f->stats.churn);
    assert_true(f->stats.entries <= 6); /* the window does not grow */
    feed_free(f);
}

/* A cut document cannot tell whether a known link is shared; where ids churn, links that
 * never were are believed. */
static void half_a_document_is_believed_where_ids_churn(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/2", "B", LEAD_B, 2000);
    struct item c = item("3", "https://e.org/3", "C", "", 3000);
    struct item edited = item("4", "https://e.org/1", "A, edited", LEAD_B, 1000);

    assert_string_equal(SHOW(f, a, b, c), "nnn");
    f->cut = true;
    assert_string_equal(SHOW(f, edited), "N");
    seen_window_free(f->w);
    open_document(f, &(struct buf){ 0 });
    f->cut = false;
    for (int poll = 0; poll < 3; poll++) {
        char id[3][20];
        for (int i = 0; i < 3; i++)
            snprintf(id[i], sizeof id[i], "%d-%d", poll, i);
        a.id = str_of(id[0]);
        b.id = str_of(id[1]);
        c.id = str_of(id[2]);
        assert_string_equal(SHOW(f, a, b, c), poll ? "rrr" : "nnn");
    }
    f->cut = true;
    assert_string_equal(SHOW(f, edited), "R");
    edited.id = STR("5");
    assert_string_equal(SHOW(f, edited), "r"); /* what the cut document said lasts */
    feed_free(f);
}

static void ids_links_and_dates_that_change_each_poll_repeat_once(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    static const char *const expect[] = { "nnn", "nnn", "RRR", "RRR", "RRR" };

    for (int poll = 0; poll < 5; poll++) {
        char id[3][20], link[3][50];
        for (int i = 0; i < 3; i++) {
            snprintf(id[i], sizeof id[i], "%d-%d", poll, i);
            snprintf(link[i], sizeof link[i], "https://e.org/%d?sid=%d", i, poll);
        }
        struct item a = item(id[0], link[0], "A", LEAD_A, 1000 + poll);
        struct item b = item(id[1], link[1], "B", LEAD_B, 2000 + poll);
        struct item c = item(id[2], link[2], "C", LEAD_A, 3000 + poll);
        assert_string_equal(SHOW(f, a, b, c), expect[poll]);
    }
    assert_true(f->stats.churn);
    feed_free(f);
}

static void a_new_id_with_the_old_link_is_the_same_item(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("a#0", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("b#0", "https://e.org/2", "B", LEAD_B, 1000);
    struct item a1 = item("a#1", "https://e.org/1", "A", LEAD_A, 1500);
    struct item a2 = item("a#2", "https://e.org/1", "A, much changed", LEAD_B, 1700);

    assert_string_equal(SHOW(f, a, b), "nn");
    assert_string_equal(SHOW(f, a1, b), "rk");
    assert_string_equal(SHOW(f, a2, b), "Rk");
    assert_string_equal(SHOW(f, a, b), "kk"); /* and back to the first */
    feed_free(f);
}

static void a_moved_feed_does_not_repeat(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("http://old.org/1", "http://old.org/1", "A", LEAD_A, 1000);
    struct item b = item("http://old.org/2", "http://old.org/2", "B", LEAD_B, 2000);
    struct item c = item("https://new.org/x1", "https://new.org/x1", "A", LEAD_A, 1000);
    struct item d = item("https://new.org/x2", "https://new.org/x2", "B", LEAD_B, 2000);

    assert_string_equal(SHOW(f, a, b), "nn");
    assert_string_equal(SHOW(f, c, d), "RR");
    assert_string_equal(SHOW(f, c, d), "kk");
    feed_free(f);
}

static void a_daily_column_is_new_each_day(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "Morning update", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/2", "Morning update", LEAD_A, 90000);

    assert_string_equal(SHOW(f, a), "n");
    assert_string_equal(SHOW(f, b, a), "nk");
    assert_string_equal(SHOW(f, b), "k");
    feed_free(f);
}

static void the_same_text_twice_in_one_document_is_two_items(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/sports/1", "A", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/local/1", "A", LEAD_A, 1000);

    assert_string_equal(SHOW(f, a), "n");
    assert_string_equal(SHOW(f, b, a), "Nk");
    assert_string_equal(SHOW(f, a, b), "kk");
    feed_free(f);
}

static void items_with_neither_id_nor_link_go_by_content(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("", "", "A", LEAD_A, 1000);
    struct item redated = item("", "", " a ", "\xE2\x80\x9C" LEAD_A "\xE2\x80\x9D", 2000);
    struct item b = item("", "", "B", LEAD_B, 1000);
    struct item news = item("", "", "Breaking news", "", 1000);
    struct item news2 = item("", "", "Breaking news", "", 2000);

    assert_string_equal(SHOW(f, a, b, news), "nnn");
    assert_string_equal(SHOW(f, redated, b, news), "rkk");
    assert_string_equal(SHOW(f, news2, news), "nk");
    feed_free(f);
}

static void a_broken_document_decides_for_new(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/1", "B", LEAD_B, 2000);
    struct seen_print p;
    enum seen_verdict v;

    assert_string_equal(SHOW(f, a), "n");
    assert_int_equal(seen_print(&p, &b, &work), 0);
    assert_int_equal(seen_judge(f->w, &p, f->day, &v), 0);
    assert_int_equal(v, SEEN_DOUBT);
    assert_int_equal(seen_settle(f->w, &p, false), SEEN_NEW);
    feed_free(f);
}

static void forgets_only_what_is_long_absent(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/2", "B", LEAD_B, 2000);

    assert_string_equal(SHOW(f, a, b), "nn");
    for (int day = 0; day < 90; day++) {
        f->day++;
        assert_string_equal(SHOW(f, b), "k");
    }
    assert_int_equal(f->stats.entries, 2);
    f->day += 400; /* a silence, or a jump of the clock */
    assert_string_equal(SHOW(f, b), "k");
    f->day -= 800;
    assert_string_equal(SHOW(f, b), "k");
    assert_int_equal(f->stats.entries, 1); /* 90 days and the week that counted */
    assert_string_equal(SHOW(f, b, a), "kn");
    feed_free(f);
}

static void a_year_of_silence_ages_nothing(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/2", "B", LEAD_B, 2000);

    assert_string_equal(SHOW(f, a, b), "nn");
    f->day += 365;
    assert_string_equal(SHOW(f, b), "k");
    assert_string_equal(SHOW(f, b, a), "kk");
    f->day -= 365;
    assert_string_equal(SHOW(f, b), "k");
    assert_string_equal(SHOW(f, b, a), "kk");
    feed_free(f);
}

static void counts_overlap_for_the_gap_notice(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/2", "B", LEAD_B, 2000);
    struct item c = item("3", "https://e.org/3", "C", LEAD_B, 3000);

    (void)SHOW(f, a, b);
    assert_int_equal(f->stats.previous, 0);
    (void)SHOW(f, c, b);
    assert_int_equal(f->stats.previous, 2);
    assert_int_equal(f->stats.overlap, 1);
    assert_int_equal(f->stats.fresh, 1);
    (void)SHOW(f, a);
    assert_int_equal(f->stats.overlap, 0); /* known, but not of the last document */
    assert_int_equal(f->stats.had, 1);
    feed_free(f);
}

static void leaves_doubts_out_of_the_packed_form(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/1", "B", LEAD_B, 2000);
    struct seen_print p;
    enum seen_verdict v;
    struct buf packed;

    (void)SHOW(f, a);
    (void)seen_print(&p, &b, &work);
    (void)seen_judge(f->w, &p, f->day, &v);
    buf_init(&packed, 10000);
    assert_int_equal(seen_window_pack(f->w, &packed), 0); /* then the power goes */
    seen_window_free(f->w);
    open_document(f, &packed);
    buf_free(&packed);
    assert_string_equal(SHOW(f, b, a), "Nk");
    feed_free(f);
}

static void refuses_bytes_that_are_no_window(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct seen_window *w = NULL;
    struct buf packed;

    (void)SHOW(f, a);
    buf_init(&packed, 10000);
    assert_int_equal(seen_window_pack(f->w, &packed), 0);
    assert_int_equal(packed.n, 14 + 26);
    for (size_t n = 1; n < packed.n; n++)
        assert_int_equal(seen_window_new(&w, packed.s, n), -EBADMSG);
    for (size_t i = 0; i < packed.n; i++) {
        packed.s[i] ^= 0x40;
        int r = seen_window_new(&w, packed.s, packed.n);
        assert_true(r == -EBADMSG || (i >= 3 && i <= 5)); /* flags and day: any will do */
        if (r == 0)
            seen_window_free(w);
        packed.s[i] ^= 0x40;
    }
    buf_free(&packed);
    feed_free(f);
}

static void prints_do_not_see_white_space_case_and_quotes(void **state)
{
    (void)state;
    struct seen_print p, q;
    struct item a = item("1", "", "Xi\xE2\x80\x99s \"visit\" \xE2\x80\x93 day 2",
                         "Line one.\nLine two has some more words in it\xE2\x80\xA6", 0);
    struct item b = item("1", "", "XI's visit - day 2",
                         "Line  one. Line\xC2\xA0two has some more words in it...", 0);

    assert_int_equal(seen_print(&p, &a, &work), 0);
    assert_int_equal(seen_print(&q, &b, &work), 0);
    assert_true(p.text == q.text && p.text != 0);
    b.title = STR("XI's visit - day 3");
    assert_int_equal(seen_print(&q, &b, &work), 0);
    assert_true(p.text != q.text);
    assert_true((uint32_t)p.text == (uint32_t)q.text);
}

static unsigned chance(unsigned n)
{
    static unsigned long long seed = 1;

    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(seed >> 33) % n;
}

#define MANY 40

/* An item as it stands now; `churn`: under an id of this poll. */
static struct item random_item(int i, int poll, bool churn, unsigned version,
                               char text[4][100])
{
    if (churn)
        snprintf(text[0], 100, "id %d of poll %d", i, poll);
    else
        snprintf(text[0], 100, "id %d", i);
    snprintf(text[1], 100, "%s://%se.org/%d?utm_medium=%u", chance(2) ? "http" : "https",
             chance(2) ? "www." : "", i, chance(9));
    snprintf(text[2], 100, "Title of %d%s", i, version & 1 ? ", edited" : "");
    snprintf(text[3], 100, "A lead that is of number %d alone and long enough%s", i,
             version & 2 ? ", and edited" : "");
    return item(text[0], text[1], text[2], text[3], 1000 + (int)chance(5));
}

/* Polls of a feed that drops, returns, reorders, repeats, re-dates and edits its items at
 * random: each is new exactly once. */
static void new_exactly_once(bool churn, bool hold)
{
    struct feed *f = feed_new();
    static char text[2 * MANY][4][100];
    unsigned version[MANY] = { 0 };
    bool shown[MANY] = { false };

    seen_window_free(f->w);
    f->hold = hold;
    open_document(f, &(struct buf){ 0 });
    for (int poll = 0; poll < 400; poll++) {
        struct item doc[2 * MANY];
        int number[2 * MANY];
        size_t n = 0;

        for (int k = 0; k < MANY; k++) {
            int i = (k * 7 + (int)chance(3)) % MANY;
            if (i > poll / 5 || chance(3) == 0)
                continue;
            if (chance(10) == 0) { /* an edit; the copies of one document do not differ */
                bool here = false;
                for (size_t m = 0; m < n; m++)
                    here = here || number[m] == i;
                version[i] = here ? version[i] : chance(4);
            }
            number[n] = i;
            doc[n] = random_item(i, poll, churn, version[i], text[n]);
            n++;
        }
        f->day += poll % 3 == 0;
        const char *out = show(f, n, doc);
        for (size_t m = 0; m < n; m++) {
            bool fresh = out[m] == 'n' || out[m] == 'N';
            assert_int_equal(fresh, !shown[number[m]]);
            shown[number[m]] = true;
        }
    }
    feed_free(f);
}

static void each_item_of_a_restless_feed_is_new_once(void **state)
{
    (void)state;
    new_exactly_once(false, true);
    new_exactly_once(false, false);
    new_exactly_once(true, true);
}

static int set_up(void **state)
{
    (void)state;
    buf_init(&work, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&work);
    return 0;
}

static void knows_items_by_their_bytes(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct item edited = item("1", "https://e.org/1", "A2", LEAD_A, 1000);
    struct seen_print print;
    enum seen_verdict v;
    int64_t time_s;

    assert_false(seen_know_bytes(f->w, 77, f->day, &time_s));
    assert_int_equal(seen_print(&print, &a, &work), 0);
    assert_int_equal(seen_judge(f->w, &print, f->day, &v), 0);
    seen_remember_bytes(f->w, &print, 77, 1000);
    (void)show(f, 0, &a); /* the window is packed and read */
    assert_true(seen_know_bytes(f->w, 77, f->day, &time_s));
    assert_int_equal(time_s, 1000);
    seen_window_stats(f->w, &f->stats);
    assert_int_equal(f->stats.overlap, 1);
    assert_int_equal(f->stats.had, 1);
    (void)show(f, 0, &a);
    assert_string_equal(SHOW(f, edited), "U"); /* now it is another one */
    assert_false(seen_know_bytes(f->w, 77, f->day, &time_s));
    assert_string_equal(SHOW(f, a), "U");
    assert_false(seen_know_bytes(f->w, 77, f->day, &time_s));
    feed_free(f);
}

/* Bytes are remembered of what the latest document listed. */
static void forgets_the_bytes_of_what_is_gone(void **state)
{
    (void)state;
    struct feed *f = feed_new();
    struct item a = item("1", "https://e.org/1", "A", LEAD_A, 1000);
    struct item b = item("2", "https://e.org/2", "B", LEAD_B, 2000);
    struct seen_print print;
    enum seen_verdict v;
    struct buf packed;
    int64_t time_s;

    assert_int_equal(seen_print(&print, &a, &work), 0);
    assert_int_equal(seen_judge(f->w, &print, f->day, &v), 0);
    seen_remember_bytes(f->w, &print, 77, 1000);
    assert_string_equal(SHOW(f, b), "n");
    buf_init(&packed, 1000);
    assert_int_equal(seen_window_pack(f->w, &packed), 0);
    assert_int_equal(packed.n, 14 + 38 + 26);
    assert_string_equal(SHOW(f, b), "k");
    assert_false(seen_know_bytes(f->w, 77, f->day, &time_s));
    buf_clear(&packed);
    assert_int_equal(seen_window_pack(f->w, &packed), 0);
    assert_int_equal(packed.n, 14 + 26 + 26);
    assert_string_equal(SHOW(f, b, a), "kk"); /* but the item is known */
    buf_free(&packed);
    feed_free(f);
}

/* An entry as version 1 had it: without bytes and time. */
static void reads_the_windows_of_before(void **state)
{
    (void)state;
    static const unsigned char before[] = { 'F', 'W', 1,    0,    0x4E, 0x20, 0,    0,
                                            0,   1,   0x3C, 0x52, 0x0D, 0x67, 1,    2,
                                            3,   4,   5,    6,    7,    8,    1,    2,
                                            3,   4,   5,    6,    1,    2,    3,    4,
                                            5,   6,   7,    0x12, 0x34, 0x4E, 0x20, 1 };
    struct seen_window *w = NULL;
    struct seen_stats st;
    struct buf packed;

    assert_int_equal(seen_window_new(&w, before, sizeof before), 0);
    seen_window_stats(w, &st);
    assert_int_equal(st.entries, 1);
    assert_int_equal(st.previous, 1);
    buf_init(&packed, 1000);
    assert_int_equal(seen_window_pack(w, &packed), 0);
    assert_int_equal(packed.n, 14 + 26);
    assert_memory_equal(packed.s + 14, before + 14, 26);
    buf_free(&packed);
    seen_window_free(w);
}

static uint32_t any(uint32_t n)
{
    static uint32_t seed = 1;

    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

/* Items of few kinds, so that ids, links and texts collide in all ways. */
static struct item any_item(void)
{
    static const char *const id[] = { "", "1", "2", "3", "4", "5" };
    static const char *const link[] = { "",
                                        "https://e.org/1",
                                        "https://e.org/2",
                                        "https://e.org/3",
                                        "https://e.org/",
                                        "https://e.org/4" };
    static const char *const title[] = { "A", "B", "C", "" };
    static const char *const lead[] = { LEAD_A, LEAD_B, "short", "" };

    return item(id[any(6)], link[any(6)], title[any(4)], lead[any(4)], any(3) * 1000);
}

static uint64_t bytes_of(const struct item *i)
{
    uint64_t h = (uint64_t)(i->published_s + 1);
    const struct str part[] = { i->id, i->link, i->title, i->summary };

    for (size_t k = 0; k < 4; k++) {
        for (size_t n = 0; n < part[k].n; n++)
            h = (h ^ (unsigned char)part[k].s[n]) * UINT64_C(0x100000001B3);
        h = (h ^ 0xFF) * UINT64_C(0x100000001B3);
    }
    return h ? h : 1;
}

/* One document; by bytes where they are known, if `by_bytes`.  The verdicts as letters.
 */
static void judge_document(struct feed *f, const struct item *items, size_t n,
                           bool by_bytes, char *out)
{
    static const char letter[] = "nkru?";
    struct seen_print print[20];
    enum seen_verdict v;
    int64_t time_s;

    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = bytes_of(&items[i]);
        out[i] = 'k';
        if (by_bytes && seen_know_bytes(f->w, bytes, f->day, &time_s))
            continue;
        assert_int_equal(seen_print(&print[i], &items[i], &work), 0);
        uint64_t key = print[i].key.hi;
        assert_int_equal(seen_judge(f->w, &print[i], f->day, &v), 0);
        if (print[i].key.hi == key && v != SEEN_REKEYED && v != SEEN_DOUBT)
            seen_remember_bytes(f->w, &print[i], bytes, 1);
        out[i] = letter[v];
    }
    for (size_t i = 0; i < n; i++)
        if (out[i] == '?')
            out[i] = "NKRU?"[seen_settle(f->w, &print[i], true)];
    out[n] = '\0';
}

static void end_document(struct feed *f, struct buf *packed)
{
    buf_clear(packed);
    seen_window_prune(f->w, f->day, 90);
    seen_window_stats(f->w, &f->stats);
    assert_int_equal(seen_window_pack(f->w, packed), 0);
    seen_window_free(f->w);
    open_document(f, packed);
}

/* Items that are known by their bytes are those that judging them finds known, and the
 * window is the same after either. */
static void bytes_say_what_judging_would(void **state)
{
    (void)state;
    struct buf packed[2];

    for (int k = 0; k < 2; k++)
        buf_init(&packed[k], 1 << 20);
    for (int round = 0; round < 20000; round++) {
        struct feed *f[2] = { feed_new(), feed_new() };
        struct item pool[6];
        for (size_t i = 0; i < 6; i++)
            pool[i] = any_item();
        for (int k = 0; k < 2; k++) {
            f[k]->hold = round & 1;
            packed[k].n = 0;
        }
        for (int d = 0; d < 6; d++) {
            struct item items[8];
            char verdict[2][20];
            size_t n = any(8);
            for (size_t i = 0; i < n; i++)
                items[i] = any(8) ? pool[any(6)] : any_item();
            for (int k = 0; k < 2; k++) {
                judge_document(f[k], items, n, k, verdict[k]);
                end_document(f[k], &packed[k]);
                f[k]->day++;
            }
            assert_string_equal(verdict[0], verdict[1]);
            assert_true(str_eq(buf_str(&packed[0]), buf_str(&packed[1])));
        }
        feed_free(f[0]);
        feed_free(f[1]);
    }
    buf_free(&packed[0]);
    buf_free(&packed[1]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(knows_what_is_listed_again),
    cmocka_unit_test(one_item_listed_twice_is_one),
    cmocka_unit_test(sees_edits_under_the_same_id),
    cmocka_unit_test(goes_by_link_when_there_is_no_id),
    cmocka_unit_test(two_items_with_one_link_are_two),
    cmocka_unit_test(an_item_that_comes_before_its_likeness_is_new),
    cmocka_unit_test(fragments_tell_links_apart),
    cmocka_unit_test(home_page_links_are_no_identity),
    cmocka_unit_test(an_id_for_all_items_is_no_identity),
    cmocka_unit_test(an_id_for_all_shows_when_the_second_comes_first),
    cmocka_unit_test(an_id_for_all_without_links_goes_by_text),
    cmocka_unit_test(ids_that_change_each_poll_do_not_repeat),
    cmocka_unit_test(half_a_document_is_believed_where_ids_churn),
    cmocka_unit_test(ids_links_and_dates_that_change_each_poll_repeat_once),
    cmocka_unit_test(a_new_id_with_the_old_link_is_the_same_item),
    cmocka_unit_test(a_moved_feed_does_not_repeat),
    cmocka_unit_test(a_daily_column_is_new_each_day),
    cmocka_unit_test(the_same_text_twice_in_one_document_is_two_items),
    cmocka_unit_test(items_with_neither_id_nor_link_go_by_content),
    cmocka_unit_test(a_broken_document_decides_for_new),
    cmocka_unit_test(forgets_only_what_is_long_absent),
    cmocka_unit_test(a_year_of_silence_ages_nothing),
    cmocka_unit_test(counts_overlap_for_the_gap_notice),
    cmocka_unit_test(leaves_doubts_out_of_the_packed_form),
    cmocka_unit_test(refuses_bytes_that_are_no_window),
    cmocka_unit_test(each_item_of_a_restless_feed_is_new_once),
    cmocka_unit_test(prints_do_not_see_white_space_case_and_quotes),
    cmocka_unit_test(knows_items_by_their_bytes),
    cmocka_unit_test(forgets_the_bytes_of_what_is_gone),
    cmocka_unit_test(reads_the_windows_of_before),
    cmocka_unit_test(bytes_say_what_judging_would),
};

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
