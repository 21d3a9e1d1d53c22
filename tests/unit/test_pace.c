/* pace: intervals, wishes of publishers, back-off, rhythm, moves; weeks in simulated
 * time. */
#include "test.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "pace.h"

#define MINUTE_S ((int64_t)60)
#define HOUR_S (60 * MINUTE_S)
#define DAY_S (24 * HOUR_S)
#define HOUR_MS (HOUR_S * 1000)
#define DAY_MS (DAY_S * 1000)
/* Monday 2026-11-23 00:00 UTC */
#define MONDAY_MS (INT64_C(1795392000) * 1000)

static struct config_access access_plain = { .broken_after_s = 86400,
                                             .full_fetch_s = 7 * 86400,
                                             .follow_moves = true };
static struct config_feed plain = { .name = "f",
                                    .url = "https://example.org/feed",
                                    .interval_s = 900,
                                    .min_interval_s = 60,
                                    .max_interval_s = 86400,
                                    .access = &access_plain };

static struct schedule *dice;

static int set_up(void **state)
{
    (void)state;
    dice = schedule_new(7);
    return dice ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    schedule_free(dice);
    return 0;
}

static int64_t success(struct store_feed *f, int64_t utc_ms)
{
    return pace_success_ms(f, &plain, dice, utc_ms, 0);
}

/* ---- the interval ---- */

static void waits_for_the_interval_with_jitter(void **state)
{
    (void)state;
    struct store_feed f = { 0 };
    int64_t least = INT64_MAX, most = 0;

    for (int i = 0; i < 2000; i++) {
        int64_t w = success(&f, MONDAY_MS);
        least = w < least ? w : least;
        most = w > most ? w : most;
    }
    assert_in_range(least, 810000, 815000);
    assert_in_range(most, 985000, 990000);
    assert_int_equal(f.due_why, STORE_DUE_INTERVAL);
}

static void waits_as_long_as_the_publisher_asks(void **state)
{
    (void)state;
    for (int i = 0; i < 500; i++) {
        struct store_feed f = { .fresh_s = 3600 };
        assert_in_range(success(&f, MONDAY_MS), 3600000, 3960000); /* never sooner */
        assert_int_equal(f.due_why, STORE_DUE_FRESH);
        f.ttl_s = 7200;
        assert_in_range(success(&f, MONDAY_MS), 7200000, 7920000);
        assert_int_equal(f.due_why, STORE_DUE_TTL);
        f.fresh_s = 60; /* less than the interval: the user's counts */
        f.ttl_s = 0;
        assert_in_range(success(&f, MONDAY_MS), 810000, 990000);
        f.fresh_s = 10 * 86400;
        assert_in_range(success(&f, MONDAY_MS), 77760000, 86400000);
        assert_int_equal(f.due_why, STORE_DUE_MAX);
    }
}

static void keeps_to_the_bounds(void **state)
{
    (void)state;
    struct config_feed c = plain;
    struct store_feed f = { 0 };

    c.interval_s = c.min_interval_s = 60;
    for (int i = 0; i < 500; i++)
        assert_in_range(pace_success_ms(&f, &c, dice, MONDAY_MS, 0), 60000, 66000);
    c.interval_s = c.max_interval_s = 3600;
    for (int i = 0; i < 500; i++)
        assert_in_range(pace_success_ms(&f, &c, dice, MONDAY_MS, 0), 3240000, 3600000);
}

static void minds_retry_after_of_redirects(void **state)
{
    (void)state;
    struct store_feed f = { 0 };

    for (int i = 0; i < 500; i++)
        assert_in_range(pace_success_ms(&f, &plain, dice, MONDAY_MS, 7200), 7200000,
                        7920000);
    assert_int_equal(f.due_why, STORE_DUE_RETRY_AFTER);
    assert_in_range(pace_success_ms(&f, &plain, dice, MONDAY_MS, 60), 810000, 990000);
}

/* ---- skipped time ---- */

static void moves_out_of_skipped_hours(void **state)
{
    (void)state;
    uint32_t night = 0x3F | 1u << 22 | 1u << 23; /* 22:00 to 06:00 */

    assert_int_equal(pace_unskip(night, 0, MONDAY_MS + 12 * HOUR_MS),
                     MONDAY_MS + 12 * HOUR_MS);
    assert_int_equal(pace_unskip(night, 0, MONDAY_MS), MONDAY_MS + 6 * HOUR_MS);
    assert_int_equal(pace_unskip(night, 0, MONDAY_MS + 22 * HOUR_MS + 1),
                     MONDAY_MS + 30 * HOUR_MS);
    assert_int_equal(pace_unskip(night, 0, MONDAY_MS + 6 * HOUR_MS),
                     MONDAY_MS + 6 * HOUR_MS);
    assert_int_equal(pace_unskip(0xFFFFFF, 0, MONDAY_MS), MONDAY_MS); /* nonsense */
    assert_int_equal(pace_unskip(0, 0x7F, MONDAY_MS), MONDAY_MS);
}

static void moves_out_of_skipped_days(void **state)
{
    (void)state;
    uint32_t weekend = 1u << 5 | 1u << 6;
    int64_t saturday = MONDAY_MS + 5 * DAY_MS;

    assert_int_equal(pace_unskip(0, weekend, saturday - 1), saturday - 1);
    assert_int_equal(pace_unskip(0, weekend, saturday), MONDAY_MS + 7 * DAY_MS);
    assert_int_equal(pace_unskip(0, weekend, saturday + DAY_MS), MONDAY_MS + 7 * DAY_MS);
    assert_int_equal(pace_unskip(0x3F, weekend, saturday),
                     MONDAY_MS + 7 * DAY_MS + 6 * HOUR_MS);
}

static void never_lands_in_skipped_time(void **state)
{
    (void)state;
    struct store_feed f = { .skip_hours = 0xFFF, .skip_days = 1u << 5 };

    for (int64_t at = MONDAY_MS; at < MONDAY_MS + 7 * DAY_MS;
         at += 37 * MINUTE_S * 1000) {
        int64_t due = at + success(&f, at);
        assert_int_equal(pace_unskip(f.skip_hours, f.skip_days, due), due);
        f.failures = 3;
        f.failing_since_ms = at;
        due = at + pace_failure_ms(&f, &plain, dice, at, PACE_SOFT, 0);
        assert_int_equal(pace_unskip(f.skip_hours, f.skip_days, due), due);
        f.failures = 0;
    }
}

/* ---- failures ---- */

static int64_t failure(int failures, enum pace_failure how, int64_t retry_after_s)
{
    struct store_feed f = { .failures = failures,
                            .failing_since_ms = MONDAY_MS,
                            .told = STORE_TOLD_BROKEN };

    return pace_failure_ms(&f, &plain, dice, MONDAY_MS, how, retry_after_s);
}

static void backs_off_and_stops_at_a_day(void **state)
{
    (void)state;
    int64_t wait = 900000;

    for (int n = 1; n < 40; n++, wait = wait < DAY_MS ? wait * 2 : wait) {
        int64_t want = wait < DAY_MS / 6 * 5 ? wait : DAY_MS / 6 * 5;
        for (int i = 0; i < 50; i++)
            assert_in_range(failure(n, PACE_SOFT, 0), want - want / 5, want + want / 5);
        assert_true(failure(n, PACE_SOFT, 0) <= DAY_MS);
    }
    assert_true(failure(1, PACE_HARD, 0) >= 4 * 900000 * 8 / 10);
    assert_true(failure(1, PACE_BAD, 0) >= 2 * 900000 * 8 / 10);
}

static void a_404_is_not_asked_again_soon_however_short_the_interval(void **state)
{
    (void)state;
    struct config_feed c = plain;
    struct store_feed f = { .failures = 1, .failing_since_ms = MONDAY_MS };

    c.interval_s = c.min_interval_s = 1;
    assert_true(pace_failure_ms(&f, &c, dice, MONDAY_MS, PACE_HARD, 0) >= 480000);
    assert_in_range(pace_failure_ms(&f, &c, dice, MONDAY_MS, PACE_SOFT, 0), 800, 1200);
}

static void obeys_retry_after(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        assert_in_range(failure(1, PACE_SOFT, 3600), 3600000, 3960000);
        assert_in_range(failure(9, PACE_SOFT, 3600), 3600000, 3960000);
        assert_in_range(failure(1, PACE_SOFT, 60), 900000, 990000); /* not sooner */
        assert_true(failure(1, PACE_SOFT, 86400) == DAY_MS);
    }
}

static void waits_for_the_user_after_401(void **state)
{
    (void)state;
    struct store_feed f = { .failures = 1 };
    assert_in_range(pace_failure_ms(&f, &plain, dice, MONDAY_MS, PACE_LOGIN, 0),
                    DAY_MS - DAY_MS / 10, DAY_MS);
    assert_int_equal(f.due_why, STORE_DUE_USER);
}

static void asks_once_more_when_the_user_is_to_be_told(void **state)
{
    (void)state;
    struct store_feed f = { .failures = 7, .failing_since_ms = MONDAY_MS };
    int64_t now = MONDAY_MS + 16 * HOUR_MS;

    int64_t due = now + pace_failure_ms(&f, &plain, dice, now, PACE_SOFT, 0);
    assert_in_range(due, MONDAY_MS + DAY_MS, MONDAY_MS + DAY_MS + 600000);
    f.told = STORE_TOLD_BROKEN;
    assert_true(pace_failure_ms(&f, &plain, dice, now, PACE_SOFT, 0) > 12 * HOUR_MS);
}

/* ---- rhythm ---- */

static void learn(struct store_feed *f, int64_t newest_s, int64_t gap_s, int n,
                  int64_t now_ms)
{
    struct pace_times t = { .n = 0 };

    for (int i = 0; i < n; i++) /* in no order */
        pace_times_add(&t, newest_s - gap_s * ((i * 7) % n), now_ms);
    pace_learn(f, &t, 1, now_ms);
}

static void keeps_the_newest_times(void **state)
{
    (void)state;
    struct pace_times t = { .n = 0 };

    for (int64_t i = 0; i < 500; i++)
        pace_times_add(&t, 1000000 + (i * 263) % 500, MONDAY_MS);
    pace_times_add(&t, MONDAY_MS / 1000 + 2 * HOUR_S, MONDAY_MS); /* the future */
    pace_times_add(&t, 0, MONDAY_MS);
    pace_times_add(&t, INT64_MIN, MONDAY_MS);
    pace_times_add(&t, 1000499, MONDAY_MS); /* known */
    assert_int_equal(t.n, PACE_TIMES);
    for (int i = 0; i < PACE_TIMES; i++)
        assert_int_equal(t.at_s[i], 1000499 - i);
}

static void follows_the_rhythm(void **state)
{
    (void)state;
    struct config_feed c = plain;
    struct store_feed f = { 0 };
    enum store_due why;

    c.interval_auto = true;
    assert_int_equal(pace_interval_s(&f, &c, MONDAY_MS, &why), 900); /* not known yet */
    learn(&f, MONDAY_MS / 1000, 2 * HOUR_S, 20, MONDAY_MS);
    assert_int_equal(f.rhythm_s, 2 * HOUR_S);
    assert_int_equal(pace_interval_s(&f, &c, MONDAY_MS, &why), HOUR_S);
    assert_int_equal(why, STORE_DUE_RHYTHM);
    /* the longer the silence the less often, up to the bound */
    assert_int_equal(pace_interval_s(&f, &c, MONDAY_MS + 16 * HOUR_MS, &why), 2 * HOUR_S);
    assert_int_equal(pace_interval_s(&f, &c, MONDAY_MS + 30 * DAY_MS, &why), DAY_S);
    learn(&f, MONDAY_MS / 1000, 10, 20, MONDAY_MS); /* a ticker: down to the bound */
    assert_int_equal(pace_interval_s(&f, &c, MONDAY_MS, &why), 60);
    f.fresh_s = 1200; /* and the publisher has the last word */
    assert_int_equal(pace_interval_s(&f, &c, MONDAY_MS, &why), 1200);
}

static void learns_without_dates_too(void **state)
{
    (void)state;
    struct pace_times none = { .n = 0 };
    struct store_feed f = { 0 };
    int64_t now = MONDAY_MS;

    pace_learn(&f, &none, 0, now);
    for (int i = 0; i < 20; i++) {
        now += 6 * HOUR_MS;
        pace_learn(&f, &none, 2, now);
    }
    assert_in_range(f.rhythm_s, 3 * HOUR_S - 60, 3 * HOUR_S + 60);
    assert_int_equal(f.last_item_ms, now);
}

static void knows_a_strange_silence(void **state)
{
    (void)state;
    struct config_access a = access_plain;
    struct config_feed c = plain;
    struct store_feed f = { 0 };

    c.access = &a;
    assert_false(pace_is_silent(&f, &c, MONDAY_MS));
    learn(&f, MONDAY_MS / 1000, HOUR_S, 20, MONDAY_MS);
    assert_false(pace_is_silent(&f, &c, MONDAY_MS + 2 * DAY_MS));
    assert_true(pace_is_silent(&f, &c, MONDAY_MS + 4 * DAY_MS));
    learn(&f, MONDAY_MS / 1000, 7 * DAY_S, 20, MONDAY_MS); /* a weekly */
    assert_false(pace_is_silent(&f, &c, MONDAY_MS + 60 * DAY_MS));
    assert_true(pace_is_silent(&f, &c, MONDAY_MS + 71 * DAY_MS));
    learn(&f, MONDAY_MS / 1000, DAY_S, 2, MONDAY_MS); /* too few to have a rhythm */
    assert_false(pace_is_silent(&f, &c, MONDAY_MS + 300 * DAY_MS));
    a.silent_after_s = 5 * DAY_S;
    assert_true(pace_is_silent(&f, &c, MONDAY_MS + 6 * DAY_MS));
    a.silent_after_s = -1;
    assert_false(pace_is_silent(&f, &c, MONDAY_MS + 6000 * DAY_MS));
}

/* ---- gaps ---- */

static void hurries_after_a_gap(void **state)
{
    (void)state;
    struct store_feed f = { 0 };
    enum store_due why;

    pace_gap(&f, &plain, MONDAY_MS);
    assert_int_equal(pace_interval_s(&f, &plain, MONDAY_MS, &why), 450);
    assert_int_equal(why, STORE_DUE_GAP);
    for (int i = 0; i < 9; i++)
        pace_gap(&f, &plain, MONDAY_MS);
    assert_int_equal(pace_interval_s(&f, &plain, MONDAY_MS, &why), 60); /* min_interval */
    assert_int_equal(f.gaps, 10);
    pace_no_gap(&f, &plain, 1, 10, MONDAY_MS); /* a near miss: stays */
    assert_int_equal(pace_interval_s(&f, &plain, MONDAY_MS, &why), 60);
    int calm = 0;
    while (f.urgent_s && calm++ < 100)
        pace_no_gap(&f, &plain, 9, 10, MONDAY_MS);
    assert_in_range(calm, 5, 20);
    assert_int_equal(pace_interval_s(&f, &plain, MONDAY_MS, &why), 900);
    assert_int_equal(why, STORE_DUE_INTERVAL);
}

/* ---- moves ---- */

static const char there[] = "https://example.com/feed";

static void done(struct store_feed *f)
{
    store_feed_done(f);
    memset(f, 0, sizeof *f);
}

static void adopts_a_redirect_after_three_polls_and_two_days(void **state)
{
    (void)state;
    struct store_feed f = { .etag = strdup("x") };
    int64_t t = MONDAY_MS;

    for (int i = 0; i < 100; i++, t += 900000) /* many, but of one day */
        assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_REDIRECT, t),
                         PACE_STAY);
    t = MONDAY_MS + 2 * DAY_MS;
    assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_REDIRECT, t), PACE_ADOPT);
    pace_move_adopt(&f);
    assert_string_equal(f.effective_url, there);
    assert_null(f.etag);
    assert_null(f.moved_to);
    pace_move_back(&f);
    assert_null(f.effective_url);

    /* two polls are not enough, however far apart */
    assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_REDIRECT, t), PACE_STAY);
    t += 9 * DAY_MS;
    assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_REDIRECT, t), PACE_STAY);
    t += 900000;
    assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_REDIRECT, t), PACE_ADOPT);
    done(&f);
}

static void any_other_answer_begins_anew(void **state)
{
    (void)state;
    static const char *const other[] = { NULL, "https://example.net/feed" };

    for (int i = 0; i < 2; i++) {
        struct store_feed f = { 0 };
        int64_t t = MONDAY_MS;
        for (int k = 0; k < 5; k++, t += DAY_MS / 4)
            (void)pace_moved(&f, &plain, there, STORE_MOVE_REDIRECT, t);
        (void)pace_moved(&f, &plain, other[i], STORE_MOVE_REDIRECT, t);
        for (int k = 0; k < 8; k++, t += DAY_MS / 4)
            assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_REDIRECT, t),
                             PACE_STAY);
        t += DAY_MS / 4;
        assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_REDIRECT, t),
                         PACE_ADOPT);
        done(&f);
    }
}

static bool ever_adopts(const struct config_feed *c, const char *target,
                        enum store_move by)
{
    struct store_feed f = { 0 };
    bool yes = false;

    for (int64_t t = MONDAY_MS; t < MONDAY_MS + 10 * DAY_MS; t += HOUR_MS)
        yes = pace_moved(&f, c, target, by, t) != PACE_STAY || yes;
    done(&f);
    return yes;
}

static void refuses_a_downgrade_and_other_traps(void **state)
{
    (void)state;
    struct config_access stay = access_plain;
    struct config_feed c = plain;

    assert_true(ever_adopts(&c, there, STORE_MOVE_REDIRECT));
    assert_true(ever_adopts(&c, there, STORE_MOVE_DOCUMENT));
    assert_false(ever_adopts(&c, "http://example.com/feed", STORE_MOVE_REDIRECT));
    assert_false(ever_adopts(&c, "ftp://example.com/feed", STORE_MOVE_REDIRECT));
    assert_false(ever_adopts(&c, "file:///etc/passwd", STORE_MOVE_DOCUMENT));
    assert_false(ever_adopts(&c, "https://me:secret@example.com/", STORE_MOVE_REDIRECT));
    assert_false(ever_adopts(&c, c.url, STORE_MOVE_REDIRECT));
    c.url = "http://example.org/feed"; /* up is fine, and so is level */
    assert_true(ever_adopts(&c, there, STORE_MOVE_REDIRECT));
    assert_true(ever_adopts(&c, "http://example.com/x", STORE_MOVE_REDIRECT));
    stay.follow_moves = false;
    c.access = &stay;
    assert_false(ever_adopts(&c, there, STORE_MOVE_REDIRECT));
}

static void a_hint_in_a_document_needs_a_trial(void **state)
{
    (void)state;
    struct store_feed f = { 0 };
    int64_t t = MONDAY_MS;

    for (; t < MONDAY_MS + 2 * DAY_MS; t += HOUR_MS) {
        assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_DOCUMENT, t),
                         PACE_STAY);
        assert_false(pace_move_is_ready(&f, t));
    }
    assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_DOCUMENT, t), PACE_TRY);
    assert_true(pace_move_is_ready(&f, t));
    pace_move_refused(&f, t);
    for (int64_t end = t + 30 * DAY_MS; t < end; t += HOUR_MS) { /* not again soon */
        assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_DOCUMENT, t),
                         PACE_STAY);
        (void)pace_moved(&f, &plain, NULL, STORE_MOVE_SELF, t);
        assert_false(pace_move_is_ready(&f, t));
    }
    done(&f);
}

static void documents_cannot_send_a_feed_round_in_circles(void **state)
{
    (void)state;
    struct store_feed f = { .effective_url = strdup(there) };

    for (int64_t t = MONDAY_MS; t < MONDAY_MS + 10 * DAY_MS; t += HOUR_MS)
        assert_int_equal(
            pace_moved(&f, &plain, "https://example.net/x", STORE_MOVE_SELF, t),
            PACE_STAY);
    done(&f);
}

static void a_clock_that_was_set_back_proves_nothing(void **state)
{
    (void)state;
    struct store_feed f = { 0 };
    int64_t t = MONDAY_MS;

    for (int i = 0; i < 5; i++)
        (void)pace_moved(&f, &plain, there, STORE_MOVE_REDIRECT, t + 400 * DAY_MS);
    assert_int_equal(pace_moved(&f, &plain, there, STORE_MOVE_REDIRECT, t), PACE_STAY);
    assert_int_equal(f.moved_since_ms, t);
    assert_int_equal(f.moved_seen, 1);
    done(&f);
}

/* ---- weeks of feeds in simulated time, with all of it together ---- */

#define FEEDS 3000
#define HOSTS 400
#define WEEKS 4
#define GAP_MS 1000

static uint64_t rng;

static uint64_t pick(uint64_t n) /* xorshift64 */
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng % n;
}

struct sim_feed {
    struct config_feed conf;
    struct store_feed state;
    uint32_t host;
    int64_t every_s;          /* publishes so often */
    int64_t due, back, asked; /* mono; asked: the last start */
    int64_t allowed;          /* not sooner than this after the last end */
    int64_t wait;             /* as it was told to */
    unsigned starts;
};

struct sim {
    struct schedule *s;
    int64_t now, utc_off; /* mono; UTC - mono */
    struct sim_feed *feed;
    struct sim_host {
        int64_t last, hold, dead_until;
        unsigned feeds;
    } host[HOSTS];
    uint32_t flight[FEEDS], flights;
    unsigned long starts;
    unsigned this_minute, most_a_minute;
    int64_t minute, worst_late;
    int64_t calm_from; /* lateness does not count before: a suspend was spread */
};

static void sim_feeds(struct sim *m)
{
    static const int64_t every[] = { 300, 1800, 7200, 43200, 7 * 86400 };

    for (uint32_t i = 0; i < FEEDS; i++) {
        struct sim_feed *f = &m->feed[i];
        f->conf = plain;
        f->conf.interval_auto = i % 3 == 0;
        f->host = (uint32_t)pick(HOSTS);
        f->every_s = every[pick(5)];
        if (i % 7 == 0)
            f->state.fresh_s = (int32_t)pick(7200);
        if (i % 11 == 0)
            f->state.ttl_s = 3600;
        if (i % 13 == 0)
            f->state.skip_hours = 0x3F;
        if (i % 17 == 0)
            f->state.skip_days = 1u << 6;
        f->due = m->now + schedule_spread_ms(m->s, 900000);
        m->host[f->host].feeds++;
        assert_int_equal(schedule_set(m->s, i, f->host, f->due), 0);
    }
}

static void sim_one_start(struct sim *m, uint32_t id)
{
    struct sim_feed *f = &m->feed[id];
    struct sim_host *h = &m->host[f->host];
    int64_t utc = m->now + m->utc_off, from = f->due > h->hold ? f->due : h->hold;

    assert_true(m->now >= f->due && m->now >= h->hold && m->now >= h->last + GAP_MS);
    assert_true(m->now >= f->allowed);
    if (from >= m->calm_from) {
        int64_t late = m->now - from;
        assert_true(late <= (int64_t)h->feeds * 6000 + 6000);
        m->worst_late = late > m->worst_late ? late : m->worst_late;
    }
    h->last = f->asked = m->now;
    f->back = m->now + 50 + (int64_t)pick(pick(30) ? 400 : 5000);
    m->flight[m->flights++] = id;
    f->starts++;
    m->starts++;
    if (m->now / 60000 != m->minute) {
        m->minute = m->now / 60000;
        m->this_minute = 0;
    }
    if (m->now > m->calm_from && ++m->this_minute > m->most_a_minute)
        m->most_a_minute = m->this_minute;
    (void)utc;
}

/* What this poll came to, as the poller notes it. */
static int64_t sim_outcome(struct sim *m, struct sim_feed *f)
{
    struct sim_host *h = &m->host[f->host];
    struct store_feed *s = &f->state;
    struct pace_times t = { .n = 0 };
    int64_t utc = m->now + m->utc_off;

    if (pick(20000) == 0)
        h->dead_until = m->now + (int64_t)pick(3 * (uint64_t)DAY_MS);
    if (m->now < h->dead_until || pick(200) == 0) {
        bool busy = pick(10) == 0;
        int64_t retry_s = busy ? 60 + (int64_t)pick(7200) : 0;
        if (!s->failures++)
            s->failing_since_ms = utc;
        if (busy) {
            int64_t until = m->now + retry_s * 1000;
            assert_int_equal(schedule_host_hold(m->s, f->host, until), 0);
            h->hold = until > h->hold ? until : h->hold;
        }
        int64_t w = pace_failure_ms(s, &f->conf, m->s, utc,
                                    pick(5) ? PACE_SOFT : PACE_HARD, retry_s);
        f->allowed = m->now + retry_s * 1000;
        assert_true(w <= 8 * DAY_MS);
        return w;
    }
    s->failures = 0;
    int64_t newest = utc / 1000 / f->every_s * f->every_s;
    for (int i = 0; i < 20; i++)
        pace_times_add(&t, newest - i * f->every_s, utc);
    pace_learn(s, &t, 1, utc);
    if (m->now - f->asked > 20 * f->every_s * 1000)
        pace_gap(s, &f->conf, utc);
    else
        pace_no_gap(s, &f->conf, 19, 20, utc);
    int64_t asks = s->fresh_s > s->ttl_s ? s->fresh_s : s->ttl_s;
    f->allowed = m->now + (asks > 60 ? asks : 60) * 1000;
    return pace_success_ms(s, &f->conf, m->s, utc, 0);
}

static void sim_one_end(struct sim *m, uint32_t at)
{
    uint32_t id = m->flight[at];
    struct sim_feed *f = &m->feed[id];

    m->flight[at] = m->flight[--m->flights];
    int64_t w = sim_outcome(m, f), utc = m->now + m->utc_off + w;
    f->wait = w;
    f->due = m->now + w;
    assert_int_equal(pace_unskip(f->state.skip_hours, f->state.skip_days, utc), utc);
    assert_int_equal(schedule_done(m->s, id, f->due), 0);
}

static void sim_until(struct sim *m, int64_t end)
{
    uint32_t id;

    while (m->now < end) {
        int64_t next = schedule_next_ms(m->s);
        for (uint32_t i = 0; i < m->flights; i++)
            if (m->feed[m->flight[i]].back < next)
                next = m->feed[m->flight[i]].back;
        if (next > end)
            next = end;
        if (next > m->now)
            m->now = next;
        for (uint32_t i = 0; i < m->flights;)
            if (m->feed[m->flight[i]].back <= m->now)
                sim_one_end(m, i);
            else
                i++;
        while (schedule_pop_due(m->s, m->now, &id))
            sim_one_start(m, id);
    }
}

/* The machine sleeps: what is overdue then is spread, as the poller does it. */
static void sim_sleep(struct sim *m, int64_t ms)
{
    m->now += ms;
    schedule_spread_overdue(m->s, m->now, 15 * 60000);
    m->calm_from = m->now + 20 * 60000;
    uint32_t id;
    unsigned burst = 0;
    for (int64_t t = m->now; t < m->now + 1000; t += 100) /* the first second */
        while (schedule_pop_due(m->s, t, &id)) {
            m->now = t;
            m->feed[id].due = m->now;
            sim_one_start(m, id);
            burst++;
        }
    assert_true(burst <= 40); /* of thousands that are overdue */
    for (uint32_t i = 0; i < FEEDS; i++)
        if (m->feed[i].due < m->now)
            m->feed[i].due = INT64_MIN;
}

static void weeks_of_feeds_are_polled_in_time_and_never_too_often(void **state)
{
    (void)state;
    struct sim *m = calloc(1, sizeof *m);

    assert_non_null(m);
    m->feed = calloc(FEEDS, sizeof *m->feed);
    assert_non_null(m->feed);
    rng = 88172645463325252u;
    m->s = schedule_new(42);
    m->utc_off = MONDAY_MS;
    schedule_host_limits(m->s, GAP_MS, 2);
    for (int i = 0; i < HOSTS; i++)
        m->host[i].last = m->host[i].hold = INT64_MIN / 2;
    sim_feeds(m);
    for (int week = 0; week < WEEKS; week++) {
        sim_until(m, m->now + 3 * DAY_MS);
        sim_sleep(m, 9 * HOUR_MS);
        sim_until(m, m->now + 2 * DAY_MS);
        /* The wall clock is set: half a year on, then back.  Nobody hurries. */
        m->utc_off += week % 2 ? -180 * DAY_MS : 180 * DAY_MS;
        unsigned long before = m->starts;
        sim_until(m, m->now + HOUR_MS);
        assert_true(m->starts - before < FEEDS * 4);
        sim_until(m, m->now + 2 * DAY_MS - 10 * HOUR_MS);
    }
    unsigned fewest = UINT32_MAX;
    for (uint32_t i = 0; i < FEEDS; i++)
        if (m->feed[i].starts < fewest)
            fewest = m->feed[i].starts;
    print_message("%d feeds for %d weeks: %lu polls, at most %u a minute, at least %u of "
                  "a feed, at most %.1f s late\n",
                  FEEDS, WEEKS, m->starts, m->most_a_minute, fewest,
                  (double)m->worst_late / 1000);
    assert_true(fewest >= WEEKS * 4);                 /* nobody starves */
    assert_true(m->most_a_minute < 5 * (FEEDS / 15)); /* no burst */
    for (uint32_t i = 0; i < FEEDS; i++)
        store_feed_done(&m->feed[i].state);
    schedule_free(m->s);
    free(m->feed);
    free(m);
}

static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    T(waits_for_the_interval_with_jitter),
    T(waits_as_long_as_the_publisher_asks),
    T(keeps_to_the_bounds),
    T(minds_retry_after_of_redirects),
    T(moves_out_of_skipped_hours),
    T(moves_out_of_skipped_days),
    T(never_lands_in_skipped_time),
    T(backs_off_and_stops_at_a_day),
    T(a_404_is_not_asked_again_soon_however_short_the_interval),
    T(obeys_retry_after),
    T(waits_for_the_user_after_401),
    T(asks_once_more_when_the_user_is_to_be_told),
    T(keeps_the_newest_times),
    T(follows_the_rhythm),
    T(learns_without_dates_too),
    T(knows_a_strange_silence),
    T(hurries_after_a_gap),
    T(adopts_a_redirect_after_three_polls_and_two_days),
    T(any_other_answer_begins_anew),
    T(refuses_a_downgrade_and_other_traps),
    T(a_hint_in_a_document_needs_a_trial),
    T(documents_cannot_send_a_feed_round_in_circles),
    T(a_clock_that_was_set_back_proves_nothing),
    T(weeks_of_feeds_are_polled_in_time_and_never_too_often),
};
TEST_MAIN(tests)
