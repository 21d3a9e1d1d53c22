/* schedule: order, spacing, holds; weeks of thousands of feeds in simulated time. */
#include "test.h"
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include "schedule.h"

static void pops_in_order_of_due_time(void **state)
{
    (void)state;
    struct schedule *s = schedule_new(1);
    uint32_t id = 99;

    assert_non_null(s);
    assert_int_equal(schedule_next_ms(s), INT64_MAX);
    assert_int_equal(schedule_set(s, 7, 1, 300), 0);
    assert_int_equal(schedule_set(s, 8, 2, 100), 0);
    assert_int_equal(schedule_next_ms(s), 100);
    assert_int_equal(schedule_pop_due(s, 99, &id), 0);
    assert_int_equal(id, 99); /* untouched when nothing is due */
    assert_int_equal(schedule_pop_due(s, 500, &id), 1);
    assert_int_equal(id, 8);
    assert_int_equal(schedule_pop_due(s, 500, &id), 1);
    assert_int_equal(id, 7);
    assert_int_equal(schedule_pop_due(s, 500, &id), 0);
    assert_int_equal(schedule_done(s, 8, 700), 0);
    assert_int_equal(schedule_done(s, 8, 700), -ENOENT);
    assert_int_equal(schedule_next_ms(s), 700);
    schedule_free(s);
}

static void spaces_feeds_of_one_host(void **state)
{
    (void)state;
    struct schedule *s = schedule_new(1);
    uint32_t id;

    schedule_host_limits(s, 1000, 2);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(schedule_set(s, i, 5, i), 0);
    assert_int_equal(schedule_pop_due(s, 10, &id), 1);
    assert_int_equal(id, 0);
    assert_int_equal(schedule_pop_due(s, 10, &id), 0);
    assert_int_equal(schedule_next_ms(s), 1010);
    assert_int_equal(schedule_pop_due(s, 1010, &id), 1);
    assert_int_equal(schedule_pop_due(s, 5000, &id), 0); /* two in flight */
    assert_int_equal(schedule_next_ms(s), INT64_MAX);
    assert_int_equal(schedule_done(s, 0, 100000), 0);
    assert_int_equal(schedule_pop_due(s, 5000, &id), 1);
    assert_int_equal(id, 2);
    schedule_remove(s, 1); /* in flight: its place is free again */
    assert_int_equal(schedule_pop_due(s, 6000, &id), 1);
    assert_int_equal(id, 3);
    assert_int_equal(schedule_done(s, 1, 0), -ENOENT);
    schedule_free(s);
}

static void exempts_and_holds_hosts(void **state)
{
    (void)state;
    struct schedule *s = schedule_new(1);
    uint32_t id;

    schedule_host_limits(s, 1000, 1);
    schedule_host_exempt(s, 5);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(schedule_set(s, i, 5, 0), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(schedule_pop_due(s, 0, &id), 1);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(schedule_done(s, i, 10), 0);
    assert_int_equal(schedule_host_hold(s, 5, 60000), 0);
    assert_int_equal(schedule_host_hold(s, 5, 50000), 0); /* never shorter */
    assert_int_equal(schedule_pop_due(s, 59999, &id), 0);
    assert_int_equal(schedule_next_ms(s), 60000);
    assert_int_equal(schedule_pop_due(s, 60000, &id), 1);
    schedule_free(s);
}

/* ---- against a slow model: every feed and host in plain arrays ---- */

#define MODEL_FEEDS 60
#define MODEL_HOSTS 12

struct model {
    struct {
        bool known, flying;
        unsigned host;
        int64_t due;
    } feed[MODEL_FEEDS];
    struct {
        int64_t open, hold;
        bool exempt;
    } host[MODEL_HOSTS];
    int64_t gap;
    uint32_t parallel;
};

static uint64_t rng = 88172645463325252u;

static uint64_t pick(uint64_t n) /* xorshift64 */
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng % n;
}

static unsigned model_flying(const struct model *m, unsigned host)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MODEL_FEEDS; i++)
        n += m->feed[i].known && m->feed[i].flying && m->feed[i].host == host;
    return n;
}

/* When feed `i` may start. */
static int64_t model_start(const struct model *m, unsigned i)
{
    unsigned h = m->feed[i].host;
    int64_t at = m->feed[i].due;

    if (!m->feed[i].known || m->feed[i].flying ||
        (m->parallel && !m->host[h].exempt && model_flying(m, h) >= m->parallel))
        return INT64_MAX;
    if (!m->host[h].exempt && m->host[h].open > at)
        at = m->host[h].open;
    return m->host[h].hold > at ? m->host[h].hold : at;
}

static int64_t model_next(const struct model *m)
{
    int64_t next = INT64_MAX;

    for (unsigned i = 0; i < MODEL_FEEDS; i++)
        if (model_start(m, i) < next)
            next = model_start(m, i);
    return next;
}

static void model_pop(struct model *m, struct schedule *s, int64_t now)
{
    uint32_t id = 4711;
    int64_t next = model_next(m);

    assert_int_equal(schedule_pop_due(s, now, &id), next <= now);
    if (next > now) {
        assert_int_equal(id, 4711);
        return;
    }
    assert_int_equal(model_start(m, id), next); /* of equals any */
    for (unsigned i = 0; i < MODEL_FEEDS; i++)  /* no feed of the host was due before */
        if (m->feed[i].known && !m->feed[i].flying && m->feed[i].host == m->feed[id].host)
            assert_true(m->feed[i].due >= m->feed[id].due);
    m->feed[id].flying = true;
    m->host[m->feed[id].host].open = now + m->gap;
}

static void model_set(struct model *m, struct schedule *s, unsigned i, int64_t due)
{
    unsigned host = (unsigned)pick(MODEL_HOSTS);

    assert_int_equal(schedule_set(s, i, host * 7919u, due), 0);
    if (!m->feed[i].known)
        m->feed[i].flying = false;
    m->feed[i].known = true;
    m->feed[i].host = host;
    if (!m->feed[i].flying)
        m->feed[i].due = due;
}

static void model_step(struct model *m, struct schedule *s, int64_t now)
{
    unsigned i = (unsigned)pick(MODEL_FEEDS), h = (unsigned)pick(MODEL_HOSTS);
    int64_t due = now + (int64_t)pick(5000) - 1000;

    switch (pick(40)) {
    case 0:
    case 1:
        model_set(m, s, i, due);
        break;
    case 2:
        schedule_remove(s, i);
        m->feed[i].known = false;
        break;
    case 3:
        due = now + (int64_t)pick(20000);
        assert_int_equal(schedule_host_hold(s, h * 7919u, due), 0);
        if (due > m->host[h].hold)
            m->host[h].hold = due;
        break;
    case 4:
        m->gap = (int64_t)pick(3) * 200;
        m->parallel = (uint32_t)pick(4);
        schedule_host_limits(s, m->gap, m->parallel);
        break;
    case 5:
        if (h < 2) {
            assert_int_equal(schedule_host_exempt(s, h * 7919u), 0);
            m->host[h].exempt = true;
        }
        break;
    default:
        if (m->feed[i].known && m->feed[i].flying) {
            assert_int_equal(schedule_done(s, i, due), 0);
            m->feed[i].flying = false;
            m->feed[i].due = due;
        } else {
            model_pop(m, s, now);
        }
    }
    assert_int_equal(schedule_next_ms(s), model_next(m));
}

static void does_what_the_slow_model_does(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct schedule *s = schedule_new(round);
        struct model m = { 0 };
        int64_t now = (int64_t)pick(1000000);

        for (unsigned h = 0; h < MODEL_HOSTS; h++)
            m.host[h].open = m.host[h].hold = INT64_MIN;
        for (unsigned step = 0; step < 10000; step++) {
            model_step(&m, s, now);
            now += (int64_t)pick(200);
        }
        schedule_free(s);
    }
}

/* ---- simulated weeks ---- */

#define MINUTE_MS ((int64_t)60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define WEEKS 3
#define FEEDS 4000
#define HOSTS 600
#define GAP_MS 1000
#define PARALLEL 2
#define SLOWEST_MS 20000

struct sim {
    struct schedule *s;
    int64_t now;
    struct sim_feed {
        uint32_t host;
        int64_t interval, due, last, back; /* back: when its fetch ends */
        unsigned fetches;
    } feed[FEEDS];
    struct sim_host {
        int64_t last, hold;
        uint32_t flying, feeds;
    } host[HOSTS];
    uint32_t flight[FEEDS], flights; /* a heap would be faster; few are in flight */
    unsigned long starts;
    unsigned this_second, most_a_second;
    int64_t second, latest;
    uint64_t trace;    /* a hash of every start, to compare runs */
    int64_t spread_ms; /* what is overdue was spread over this window */
    int64_t origin;    /* simulated time starts here */
};

static void sim_start(struct sim *m)
{
    static const int64_t intervals[] = { 15 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS,
                                         6 * HOUR_MS };

    schedule_host_limits(m->s, GAP_MS, PARALLEL);
    m->now = m->origin;
    for (uint32_t h = 0; h < HOSTS; h++)
        m->host[h].last = m->host[h].hold = INT64_MIN / 2;
    for (uint32_t i = 0; i < FEEDS; i++) {
        struct sim_feed *f = &m->feed[i];
        f->host = i < 300 ? 0 : (uint32_t)pick(HOSTS); /* one large host */
        f->interval = intervals[pick(4)];
        f->due = m->now + schedule_spread_ms(m->s, f->interval);
        f->last = m->now;
        m->host[f->host].feeds++;
        assert_int_equal(schedule_set(m->s, i, f->host, f->due), 0);
    }
}

/* How late a feed may start: all others of its host before it, each at its slowest. */
static int64_t patience(const struct sim *m, const struct sim_host *h)
{
    int64_t one = GAP_MS > SLOWEST_MS / PARALLEL ? GAP_MS : SLOWEST_MS / PARALLEL;
    return (int64_t)h->feeds * one + SLOWEST_MS + m->spread_ms;
}

static void sim_one_start(struct sim *m, uint32_t id)
{
    struct sim_feed *f = &m->feed[id];
    struct sim_host *h = &m->host[f->host];
    int64_t free_since = f->due > h->hold ? f->due : h->hold;

    assert_true(m->now >= f->due);
    assert_true(m->now >= h->hold);
    assert_true(m->now >= h->last + GAP_MS);
    assert_true(h->flying < PARALLEL);
    assert_true(m->now - free_since <= patience(m, h));
    if (m->now - free_since > m->latest)
        m->latest = m->now - free_since;
    h->last = m->now;
    h->flying++;
    f->back = m->now + 50 + (int64_t)pick(pick(20) ? 500 : SLOWEST_MS - 50);
    m->flight[m->flights++] = id;
    f->fetches++;
    m->starts++;
    m->trace = (m->trace ^ (uint64_t)(m->now - m->origin) ^ id) * 1099511628211u;
    if (m->now / 1000 != m->second) {
        m->second = m->now / 1000;
        m->this_second = 0;
    }
    if (++m->this_second > m->most_a_second)
        m->most_a_second = m->this_second;
}

static void sim_one_end(struct sim *m, uint32_t at)
{
    uint32_t id = m->flight[at];
    struct sim_feed *f = &m->feed[id];

    m->flight[at] = m->flight[--m->flights];
    m->host[f->host].flying--;
    f->due = m->now + schedule_jitter_ms(m->s, f->interval);
    assert_true(f->due >= m->now + f->interval - f->interval / 10);
    assert_true(f->due <= m->now + f->interval + f->interval / 10);
    if (pick(5000) == 0) { /* 429 with Retry-After */
        m->host[f->host].hold = m->now + MINUTE_MS + (int64_t)pick(2 * HOUR_MS);
        assert_int_equal(schedule_host_hold(m->s, f->host, m->host[f->host].hold), 0);
    }
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

static struct sim *sim_new(int64_t origin)
{
    struct sim *m = calloc(1, sizeof *m);

    assert_non_null(m);
    m->origin = origin;
    m->s = schedule_new(42);
    assert_non_null(m->s);
    rng = 88172645463325252u;
    sim_start(m);
    return m;
}

static void sim_free(struct sim *m)
{
    schedule_free(m->s);
    free(m);
}

static void keeps_its_promises_for_weeks(void **state)
{
    (void)state;
    struct sim *m = sim_new(0);

    sim_until(m, WEEKS * 7 * DAY_MS);
    for (uint32_t i = 0; i < FEEDS; i++) { /* nobody starves, nobody is asked too often */
        struct sim_feed *f = &m->feed[i];
        double ideal = (double)(WEEKS * 7 * DAY_MS) / (double)f->interval;
        assert_true(f->fetches <= ideal / 0.9 + 2);
        if (f->host != 0) /* the large host is held and queued more often */
            assert_true(f->fetches >= ideal * 0.9 - 2);
        else
            assert_true(f->fetches >= ideal * 0.5);
    }
    print_message(
        "%d feeds on %d hosts for %d weeks: %lu starts, at most %u in a second, "
        "%.1f s late\n",
        FEEDS, HOSTS, WEEKS, m->starts, m->most_a_second, (double)m->latest / 1000);
    assert_true(m->most_a_second <= 40); /* 1.9 on average */
    sim_free(m);
}

/* Where the clock stands says nothing: only differences count. */
static void does_not_care_where_time_starts(void **state)
{
    (void)state;
    static const int64_t origins[] = { 0, -5 * DAY_MS, 1700000000000, INT64_C(1) << 60 };
    uint64_t trace = 0;

    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        struct sim *m = sim_new(origins[i]);
        sim_until(m, origins[i] + 2 * DAY_MS);
        if (i == 0)
            trace = m->trace;
        assert_int_equal(m->trace, trace);
        sim_free(m);
    }
}

static void spreads_what_a_suspend_left_overdue(void **state)
{
    (void)state;
    struct sim *m = sim_new(0);
    unsigned fetches = 0, more = 0;

    sim_until(m, DAY_MS);
    m->now += 8 * HOUR_MS; /* asleep */
    m->spread_ms = 10 * MINUTE_MS;
    schedule_spread_overdue(m->s, m->now, m->spread_ms);
    for (uint32_t i = 0; i < FEEDS; i++) {
        struct sim_feed *f = &m->feed[i];
        fetches += f->fetches;
        f->due = f->due < m->now ? m->now : f->due;
        if (m->host[f->host].hold < m->now)
            m->host[f->host].hold = m->now;
    }
    m->most_a_second = 0;
    sim_until(m, m->now + 11 * MINUTE_MS);
    for (uint32_t i = 0; i < FEEDS; i++)
        more += m->feed[i].fetches;
    more -= fetches;
    print_message("after 8 h of sleep: %u starts in 11 minutes, at most %u in a second\n",
                  more, m->most_a_second);
    assert_true(more > FEEDS * 9 / 10);
    assert_true(m->most_a_second <= 40); /* 6.5 on average */
    sim_free(m);
}

static void backs_off_to_a_day(void **state)
{
    (void)state;
    struct schedule *s = schedule_new(3);

    for (unsigned failures = 0; failures < 70; failures++) {
        double want = 60000;
        for (unsigned i = 0; i < failures && want < (double)DAY_MS / 1.2; i++)
            want *= 2;
        if (want > (double)DAY_MS / 1.2)
            want = (double)DAY_MS / 1.2;
        for (unsigned i = 0; i < 100; i++) {
            int64_t got = schedule_backoff_ms(s, 60000, failures);
            assert_true((double)got >= want * 0.8 - 1 && (double)got <= want * 1.2 + 1);
            assert_true(got <= DAY_MS);
        }
    }
    assert_true(schedule_backoff_ms(s, INT64_MAX, 3) <= DAY_MS);
    assert_true(schedule_backoff_ms(s, 0, UINT32_MAX) <= DAY_MS);
    assert_int_equal(schedule_jitter_ms(s, 0), 0);
    assert_int_equal(schedule_spread_ms(s, 0), 0);
    assert_true(schedule_jitter_ms(s, INT64_MAX / 2) > 0);
    schedule_free(s);
}

/* ---- size and speed ---- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void holds_many(unsigned feeds, unsigned hosts, double bytes_a_feed)
{
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    struct schedule *s = schedule_new(9);
    double start = seconds();
    uint32_t id;

    schedule_host_limits(s, 1000, 2);
    for (uint32_t i = 0; i < feeds; i++)
        assert_int_equal(schedule_set(s, i, i % hosts, schedule_spread_ms(s, 900000)), 0);
    double bytes =
        (double)(mallinfo2().uordblks + mallinfo2().hblkhd - before) / (double)feeds;
    double set = seconds();
    for (int64_t now = 0; now < 900000; now += 100)
        while (schedule_pop_due(s, now, &id))
            assert_int_equal(schedule_done(s, id, now + 900000), 0);
    print_message("%u feeds on %u hosts: %.0f bytes a feed; set %.2f us, 15 minutes of "
                  "pops %.1f ms\n",
                  feeds, hosts, bytes, (set - start) * 1e6 / feeds,
                  (seconds() - set) * 1e3);
    if (bytes > bytes_a_feed && bytes < 1e6) /* ASan's malloc does not count */
        fail_msg("%.0f bytes a feed", bytes);
    schedule_free(s);
}

static void is_small_and_fast(void **state)
{
    (void)state;
    holds_many(100000, 1, 40);
    holds_many(100000, 5000, 50);
    holds_many(100000, 100000, 130);
}

/* Hosts that come and go leave nothing behind. */
static void forgets_hosts(void **state)
{
    (void)state;
    struct schedule *s = schedule_new(1);
    uint32_t id;
    size_t before = 0;

    for (uint64_t round = 0; round < 2000; round++) {
        int64_t now = (int64_t)round * 10000;
        for (uint32_t i = 0; i < 100; i++)
            assert_int_equal(schedule_set(s, i, round * 100 + i, now), 0);
        while (schedule_pop_due(s, now, &id))
            ;
        if (round == 100)
            before = mallinfo2().uordblks + mallinfo2().hblkhd;
    }
    assert_true(mallinfo2().uordblks + mallinfo2().hblkhd <= before);
    schedule_free(s);
}

static void tells_when_a_host_is_next(void **state)
{
    (void)state;
    struct schedule *s = schedule_new(1);
    uint32_t id;

    assert_true(schedule_host_next_ms(s, 7) == INT64_MAX);
    assert_int_equal(schedule_set(s, 1, 7, 100), 0);
    assert_int_equal(schedule_set(s, 2, 7, 300), 0);
    assert_int_equal(schedule_set(s, 3, 8, 50), 0);
    assert_int_equal(schedule_host_next_ms(s, 7), 100);
    assert_int_equal(schedule_pop_due(s, 60, &id), 1);
    assert_true(schedule_host_next_ms(s, 8) == INT64_MAX); /* its only one is in flight */
    assert_int_equal(schedule_pop_due(s, 100, &id), 1);
    assert_int_equal(schedule_host_next_ms(s, 7), 300);
    schedule_free(s);
}

static void takes_odd_calls(void **state)
{
    (void)state;
    struct schedule *s = schedule_new(1);
    uint32_t id = 5;

    schedule_free(NULL);
    schedule_remove(s, 0);
    schedule_remove(s, UINT32_MAX);
    assert_int_equal(schedule_done(s, 0, 0), -ENOENT);
    assert_int_equal(schedule_done(s, UINT32_MAX, 0), -ENOENT);
    assert_int_equal(schedule_set(s, UINT32_MAX, 0, 0), -EINVAL);
    assert_int_equal(schedule_set(s, SCHEDULE_ID_MAX, 0, 0), -EINVAL);
    assert_int_equal(schedule_pop_due(s, INT64_MAX, &id), 0);
    assert_int_equal(schedule_set(s, 3, 0, INT64_MIN), 0);
    assert_int_equal(schedule_set(s, 4, 0, INT64_MAX), 0);
    schedule_host_limits(s, INT64_MAX, 0);
    assert_int_equal(schedule_pop_due(s, 0, &id), 1);
    assert_int_equal(id, 3);
    assert_int_equal(schedule_set(s, 3, 0, 7), 0); /* in flight: stays so */
    assert_int_equal(schedule_pop_due(s, INT64_MAX - 1, &id), 0);
    assert_int_equal(schedule_done(s, 3, 0), 0);
    schedule_free(s);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(pops_in_order_of_due_time),
    cmocka_unit_test(spaces_feeds_of_one_host),
    cmocka_unit_test(exempts_and_holds_hosts),
    cmocka_unit_test(tells_when_a_host_is_next),
    cmocka_unit_test(takes_odd_calls),
    cmocka_unit_test(does_what_the_slow_model_does),
    cmocka_unit_test(keeps_its_promises_for_weeks),
    cmocka_unit_test(does_not_care_where_time_starts),
    cmocka_unit_test(spreads_what_a_suspend_left_overdue),
    cmocka_unit_test(backs_off_to_a_day),
    cmocka_unit_test(is_small_and_fast),
    cmocka_unit_test(forgets_hosts),
};
TEST_MAIN(tests)
