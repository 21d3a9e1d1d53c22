/* gate: what becomes of hits before their commit, and that a commit which is refused, a
 * process that is killed before or behind one, and a reload change nothing of it. */
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gate.h"
#include "item.h"
#include "log.h"
#include "metrics.h"
#include "temp_dir.h"

#define MINUTE 60000LL
#define HOUR (60 * MINUTE)
#define START (1790000000LL * 1000) /* 2026-09-21 14:13 UTC */
#define LEAD                                                                             \
    "The two presidents agreed on Tuesday to hold a second round of talks in Geneva "    \
    "next month, officials from both delegations told reporters after the meeting."
#define STORY "Presidents of France and Brazil agree on second summit in Geneva"
#define STORY2 "Presidents of France and Brazil agreed on second summit in Geneva"
#define OTHER "Volcano on Iceland forces evacuation of several coastal villages"

static const char watches[] =
    "[watch:story]\nmatch = a\n"
    "[watch:item]\nmatch = a\ngroup_by = item\n"
    "[watch:two]\nmatch = a\nmin_sources = 2 within 30m\n"
    "[watch:update]\nmatch = a\ngroup_by = item\non_update = yes\n"
    "[watch:few]\nmatch = a\ngroup_by = item\nmax_per_hour = 2\n"
    "[watch:calm]\nmatch = a\ngroup_by = item\ncooldown = 10m\n"
    "[watch:group]\nmatch = a\ngroup_by = item\ngroup_wait = 1m\n"
    "[watch:night]\nmatch = a\ngroup_by = item\nquiet = 22:00-07:00 UTC\n"
    "[watch:storm]\nmatch = a\ngroup_by = item\nstorm_size = 3\n"
    "[watch:all]\nmatch = a\nmin_sources = 2 within 30m\non_update = yes\n"
    "max_per_hour = 2\nquiet = 22:00-07:00 UTC\nstorm_size = 4\n";

static struct gate *gate;
static struct store *store;
static struct config *config;
static int64_t now, feed_id[3];
static struct buf seen;

/* --- a store, a gate, hits --- */

static void open_store(void)
{
    struct buf why;

    buf_init(&why, 1000);
    assert_int_equal(store_open(&store, dir, STORE_WRITE, &why), 0);
    for (int i = 0; i < 3; i++) {
        struct store_feed f;
        char name[2] = { (char)('a' + i), 0 }, url[40];

        snprintf(url, sizeof url, "http://%s.example/", name);
        assert_int_equal(store_feed_bind(store, name, url, &f), 0);
        feed_id[i] = f.id;
        store_feed_done(&f);
    }
    buf_free(&why);
}

static struct config *make_config(const char *more)
{
    struct config *c = NULL;
    struct buf text, errors;

    buf_init(&text, 10000);
    buf_init(&errors, 10000);
    (void)buf_printf(&text,
                     "[feedwatch]\nstate = %s\ndesktop = no\n[feeds]\n"
                     "f = http://example.org/\n%s%s",
                     dir, watches, more);
    if (config_parse(&c, "test.ini", buf_str(&text), &errors) < 0)
        fail_msg("%s", errors.s);
    buf_free(&text);
    buf_free(&errors);
    return c;
}

static void take_rules(void)
{
    struct gate_rules *rules;

    assert_int_equal(gate_rules_new(&rules, config, now), 0);
    gate_rules_take(gate, rules, now);
}

static void new_gate(void)
{
    gate_free(gate);
    assert_int_equal(gate_new(&gate), 0);
    take_rules();
}

/* As the writer does it before it asks. */
static void wake(void)
{
    if (!gate_loaded(gate))
        assert_int_equal(gate_load(gate, store, now), 0);
}

/* The process was killed and begins anew. */
static void restart(void)
{
    store_close(store);
    open_store();
    new_gate();
}

static int set_up(void **state)
{
    log_set_level(LOG_LEVEL_ERROR);
    if (temp_dir_make(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", "gate") < 0)
        return -1;
    (void)state;
    now = START;
    buf_init(&seen, 1 << 20);
    config = make_config("");
    open_store();
    new_gate();
    wake();
    return 0;
}

static int tear_down(void **state)
{
    gate_free(gate);
    gate = NULL;
    store_close(store);
    config_unref(config);
    buf_free(&seen);
    return drop_dir(state);
}

#define HITS_MAX 8

struct hits { /* of one feed's change */
    struct store_change change;
    struct alert alert[HITS_MAX];
    struct seen_key key[HITS_MAX];
    struct story_print print[HITS_MAX];
    char text[HITS_MAX][2][200];
};

static void begin(struct hits *h, int feed)
{
    h->change = (struct store_change){ .feed_id = feed_id[feed],
                                       .alert_keys = h->key,
                                       .alerts = h->alert };
}

static void hit(struct hits *h, uint64_t key, const char *watch, const char *title,
                bool update)
{
    static const char *const names[] = { "a", "b", "c" };
    size_t n = h->change.n_alerts++;
    struct alert *a = &h->alert[n];
    struct text words = { 0 };
    struct buf work;
    int feed = 0;

    assert_true(n < HITS_MAX);
    while (feed_id[feed] != h->change.feed_id)
        feed++;
    snprintf(h->text[n][0], sizeof h->text[n][0], "%s", title);
    snprintf(h->text[n][1], sizeof h->text[n][1], "http://%s.example/%d", names[feed],
             (int)key);
    *a = (struct alert){ .time_ms = now,
                         .published_s = ITEM_NO_TIME,
                         .update = update,
                         .watch = str_of(watch),
                         .feed = str_of(names[feed]),
                         .title = str_of(h->text[n][0]),
                         .link = str_of(h->text[n][1]) };
    snprintf(a->id, sizeof a->id, "%016llx%016llx", (unsigned long long)key,
             (unsigned long long)feed);
    h->key[n] = (struct seen_key){ key, (uint64_t)feed };
    struct item item = { .title = a->title, .summary = STR(LEAD), .link = a->link };
    if (strstr(title, "Volcano"))
        item.summary = (struct str){ 0 };
    buf_init(&work, 1 << 16);
    assert_int_equal(story_print(&h->print[n], &item, &words, &work), 0);
    text_done(&words);
    buf_free(&work);
}

static struct gate_input input_of(struct hits *h)
{
    return (struct gate_input){ &h->change, h->key, h->print, false };
}

enum end { DONE, REFUSED, KILLED_BEFORE, KILLED_BEHIND };

/* Judge the hits of `n` changes as one batch, and let its commit end in this way. */
static void commit(struct hits *h, size_t n, enum end end)
{
    struct store_change *change[9];
    struct gate_input in[8];

    wake();
    for (size_t i = 0; i < n; i++) {
        in[i] = input_of(&h[i]);
        change[i] = &h[i].change;
    }
    struct store_change *more = gate_judge(gate, in, n, now);
    if (more)
        change[n++] = more;
    if (end == DONE || end == KILLED_BEHIND)
        assert_int_equal(store_commit(store, change, n, NULL, 0), 0);
    if (end == DONE)
        gate_done(gate, in, n - (more != NULL));
    else if (end == REFUSED)
        gate_forget(gate);
    else
        restart();
}

static void digests(enum end end)
{
    struct store_change *c;

    wake();
    while ((c = gate_due(gate, now, false))) {
        if (end == DONE || end == KILLED_BEHIND)
            assert_int_equal(store_commit(store, &c, 1, NULL, 0), 0);
        if (end == DONE)
            gate_done(gate, NULL, 0);
        else if (end == REFUSED)
            gate_forget(gate);
        else
            restart();
        if (end != DONE)
            break;
    }
}

/* One hit, committed. */
static void one(int feed, uint64_t key, const char *watch, const char *title, bool update)
{
    struct hits h;

    begin(&h, feed);
    hit(&h, key, watch, title, update);
    commit(&h, 1, DONE);
}

static int note_alert(void *ctx, const struct alert *a)
{
    struct str rest = a->sources;
    struct alert_source s;

    (void)ctx;
    (void)buf_printf(&seen, "%d %.*s/%.*s %.*s", (int)a->seq, (int)a->watch.n, a->watch.s,
                     (int)a->feed.n, a->feed.s, 5, a->id + 11);
    if (a->update)
        (void)buf_puts(&seen, " update");
    if (a->held.n)
        (void)buf_printf(&seen, " held=%.*s", (int)a->held.n, a->held.s);
    while (alert_source_next(&rest, &s))
        (void)buf_printf(&seen, " +%.*s", (int)s.feed.n, s.feed.s);
    return buf_putc(&seen, '\n');
}

static int note_digest(void *ctx, const struct digest *d)
{
    (void)ctx;
    return buf_printf(&seen, "digest %d of %.*s: %d, %d-%d, %.*s", (int)d->seq,
                      (int)d->watch.n, d->watch.s, (int)d->count, (int)d->first_seq,
                      (int)d->last_seq, (int)d->reason.n, d->reason.s);
}

/* All that is recorded. */
static const char *recorded(void)
{
    buf_clear(&seen);
    (void)buf_puts(&seen, "");
    assert_int_equal(store_alerts_after(store, 0, SIZE_MAX, note_alert, NULL), 0);
    assert_int_equal(store_digests_after(store, 0, SIZE_MAX, note_digest, NULL), 0);
    return seen.s;
}

#define RECORDED(text) assert_string_equal(recorded(), text)

/* The same for long texts: says where they part. */
static void recorded_is(const char *want)
{
    const char *have = recorded();
    size_t i = 0, from;

    while (want[i] && want[i] == have[i])
        i++;
    for (from = i; from > 0 && i - from < 200; from--)
        ;
    if (want[i] != have[i])
        fail_msg("have:\n%.400s\nwant:\n%.400s", have + from, want + from);
}

/* --- stories --- */

static void one_story_of_two_feeds_is_one_alert(void **state)
{
    (void)state;
    int64_t joined = metrics_get(METRIC_JOINED);

    one(0, 1, "story", STORY, false);
    now += MINUTE;
    one(1, 2, "story", STORY2, false);
    one(1, 3, "story", OTHER, false);
    RECORDED("1 story/a 00001 +b\n2 story/b 00003\n");
    assert_int_equal(metrics_get(METRIC_JOINED) - joined, 1);
}

static void one_batch_is_judged_in_order(void **state)
{
    (void)state;
    struct hits h[2];

    begin(&h[0], 0);
    hit(&h[0], 1, "item", STORY, false);
    hit(&h[0], 2, "story", STORY, false);
    begin(&h[1], 1);
    hit(&h[1], 3, "story", STORY2, false); /* goes */
    hit(&h[1], 4, "item", OTHER, false);
    hit(&h[1], 5, "update", OTHER, true); /* was never told: an alert */
    hit(&h[1], 6, "item", OTHER, true);   /* goes: updates are not asked for */
    hit(&h[1], 7, "story", OTHER, false);
    commit(h, 2, DONE);
    assert_int_equal(h[1].change.n_alerts, 3);
    for (int i = 0; i < 5; i++) { /* keys and prints went along */
        char id[33];

        snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)h[1].key[i].hi,
                 1ULL);
        assert_string_equal(h[1].alert[i].id, id);
    }
    RECORDED("1 item/a 00001\n2 story/a 00002 +b\n3 item/b 00004\n4 update/b 00005\n"
             "5 story/b 00007\n");
}

static void what_waits_for_a_second_source_survives_a_restart(void **state)
{
    (void)state;
    int64_t expired = metrics_get(METRIC_EXPIRED);

    one(0, 1, "two", STORY, false);
    one(0, 2, "two", OTHER, false);
    RECORDED("");
    restart();
    now += 10 * MINUTE;
    one(1, 3, "two", STORY2, false);
    restart();
    one(2, 4, "two", STORY, false);
    RECORDED("1 two/b 00003 +a +c\n");
    now += 40 * MINUTE;
    digests(DONE); /* what waited in vain is forgotten */
    assert_int_equal(metrics_get(METRIC_EXPIRED) - expired, 1);
    one(1, 5, "two", OTHER, false);
    RECORDED("1 two/b 00003 +a +c\n");
}

static void an_update_has_an_id_of_its_own(void **state)
{
    (void)state;
    one(0, 1, "update", STORY, false);
    one(0, 1, "update", STORY ".", true); /* nothing of note */
    one(0, 1, "update", "Presidents call off their meeting after a quarrel", true);
    one(0, 1, "update", "Presidents call off their meeting after a quarrel", true);
    const char *text = recorded();
    assert_non_null(strstr(text, "1 update/a 00001\n2 update/a "));
    assert_non_null(strstr(text, " update\n"));
    assert_null(strstr(text, "\n3 "));
}

/* --- noise --- */

static void what_is_too_much_comes_in_a_digest(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 5; i++)
        one(0, i, "few", OTHER, false);
    digests(DONE);
    assert_true(gate_next_ms(gate) <= now + HOUR);
    now += HOUR + 1;
    digests(DONE);
    one(0, 6, "few", OTHER, false);
    RECORDED("1 few/a 00001\n2 few/a 00002\n3 few/a 00003 held=max_per_hour\n"
             "4 few/a 00004 held=max_per_hour\n5 few/a 00005 held=max_per_hour\n"
             "6 few/a 00006\ndigest 1 of few: 3, 3-5, max_per_hour\n");
}

static void limits_hold_over_a_restart(void **state)
{
    (void)state;
    one(0, 1, "few", OTHER, false);
    restart();
    one(0, 2, "few", OTHER, false);
    restart();
    one(0, 3, "few", OTHER, false);
    one(0, 4, "calm", OTHER, false);
    restart();
    one(0, 5, "calm", OTHER, false);
    restart();
    now += HOUR + 1;
    digests(DONE);
    restart();
    digests(DONE);
    const char *text = recorded();
    assert_non_null(strstr(text, "1 few/a 00001\n2 few/a 00002\n"
                                 "3 few/a 00003 held=max_per_hour\n4 calm/a 00004\n"
                                 "5 calm/a 00005 held=cooldown\n"));
    assert_non_null(strstr(text, " of calm: 1, 5-5, cooldown\n"));
    assert_non_null(strstr(text, " of few: 1, 3-3, max_per_hour\n"));
    assert_null(strstr(text, "digest 3"));
}

static void a_quiet_night_ends_with_a_digest(void **state)
{
    (void)state;
    now += 9 * HOUR; /* 23:13 */
    one(0, 1, "night", OTHER, false);
    one(0, 2, "night", STORY, false);
    now += 7 * HOUR;
    digests(DONE);
    RECORDED("1 night/a 00001 held=quiet\n2 night/a 00002 held=quiet\n");
    restart();
    now += HOUR;
    digests(DONE);
    one(0, 3, "night", OTHER, false);
    RECORDED("1 night/a 00001 held=quiet\n2 night/a 00002 held=quiet\n3 night/a 00003\n"
             "digest 1 of night: 2, 1-2, quiet\n");
}

static void a_mute_holds_until_its_date(void **state)
{
    (void)state;
    struct config *c = make_config("[watch:mute]\nmatch = a\nmute_until = 2026-09-22\n");

    config_unref(config);
    config = c;
    take_rules();
    one(0, 1, "mute", OTHER, false);
    digests(DONE);
    assert_true(gate_next_ms(gate) <= START + 24 * HOUR);
    now += 24 * HOUR;
    digests(DONE);
    one(0, 2, "mute", STORY, false);
    RECORDED(
        "1 mute/a 00001 held=mute\n2 mute/a 00002\ndigest 1 of mute: 1, 1-1, mute\n");
}

static void groups_and_storms_come_together(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 3; i++)
        one(0, i, "group", OTHER, false);
    for (uint64_t i = 4; i <= 8; i++)
        one(0, i, "storm", OTHER, false);
    now += MINUTE;
    digests(DONE);
    const char *text = recorded();
    assert_non_null(strstr(text, " of group: 3, 1-3, group_wait\n"));
    assert_non_null(strstr(text, "6 storm/a 00006\n7 storm/a 00007 held=storm\n"));
    assert_non_null(strstr(text, " of storm: 2, 7-8, storm\n"));
}

static void without_its_memory_everything_passes(void **state)
{
    (void)state;
    struct hits h;

    one(0, 1, "story", STORY, false);
    gate_forget(gate);
    begin(&h, 1);
    hit(&h, 2, "story", STORY2, false);
    hit(&h, 3, "update", OTHER, true);
    hit(&h, 4, "few", OTHER, false);
    struct gate_input in = input_of(&h);
    assert_null(gate_judge(gate, &in, 1, now));
    assert_int_equal(h.change.n_alerts, 2);
    assert_true(str_eq(h.alert[1].watch, STR("few")) && h.key[1].hi == 4);
    gate_forget(gate); /* and it comes back */
    assert_int_equal(h.change.n_alerts, 3);
    commit(&h, 1, DONE);
    RECORDED("1 story/a 00001 +b\n2 update/b 00003\n3 few/b 00004\n");
}

/* --- refused, killed --- */

/* Whatever is decided, it is decided the same after its commit was refused. */
static void a_refused_commit_is_judged_again(void **state)
{
    (void)state;
    static const char *const kinds[] = {
        "story", "two", "update", "few", "calm", "storm"
    };
    struct buf want;

    buf_init(&want, 100000);
    for (int refuse = 0; refuse < 2; refuse++) {
        for (uint64_t i = 0; i < 36; i++) {
            struct hits h[2];

            for (int k = 0; k < 2; k++) {
                begin(&h[k], (int)(i + (uint64_t)k) % 3);
                hit(&h[k], i / 12 + 1, kinds[i % 6], i % 12 < 6 ? STORY : OTHER, i >= 12);
                hit(&h[k], 100 + i, kinds[i % 6], STORY2, false);
            }
            for (int again = 0; again < 3 * refuse; again++) {
                commit(h, 2, REFUSED);
                assert_int_equal(h[0].change.n_alerts, 2);
                assert_int_equal(h[1].change.n_alerts, 2);
            }
            commit(h, 2, DONE);
            now += 3 * MINUTE;
            if (refuse)
                digests(REFUSED);
            digests(DONE);
        }
        if (!refuse)
            (void)buf_puts(&want, recorded());
        else
            recorded_is(want.s);
        if (!refuse) {
            assert_int_equal(tear_down(state), 0);
            assert_int_equal(set_up(state), 0);
        }
    }
    buf_free(&want);
}

/* What is counted is what was committed. */
static void counts_what_is_held_once(void **state)
{
    (void)state;
    struct hits h;
    int64_t digests_before = metrics_get(METRIC_DIGESTS);

    begin(&h, 0);
    for (uint64_t i = 1; i <= 5; i++)
        hit(&h, i, "few", OTHER, false);
    hit(&h, 6, "night", OTHER, false);
    int64_t held = metrics_held_get(STR("few"), NOISE_MAX_PER_HOUR);
    commit(&h, 1, REFUSED);
    assert_int_equal(metrics_held_get(STR("few"), NOISE_MAX_PER_HOUR), held);
    commit(&h, 1, DONE);
    assert_int_equal(metrics_held_get(STR("few"), NOISE_MAX_PER_HOUR), held + 3);
    assert_int_equal(metrics_held_get(STR("few"), NOISE_QUIET), 0);
    now += HOUR + 1;
    digests(REFUSED);
    assert_int_equal(metrics_get(METRIC_DIGESTS), digests_before);
    digests(DONE);
    assert_int_equal(metrics_get(METRIC_DIGESTS), digests_before + 1);
}

static unsigned seed;

static unsigned dice(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 12) % n;
}

/* 300 batches of random hits; with `faults` a commit may be refused, and the process
 * killed before or behind it.  What a killed one has not committed is found again. */
static void random_day(unsigned number, bool faults)
{
    static const char *const names[] = { "story", "item",  "two",   "update", "few",
                                         "calm",  "group", "night", "storm",  "all" };
    static const char *const subjects[] = {
        STORY,
        STORY2,
        OTHER,
        "Volcano on Iceland forces evacuation of many coastal villages",
        "Central bank raises its rate by half a point for the third time",
        "Central bank leaves its rate as it is, to the surprise of many",
    };
    unsigned chance = number * 7919 + 17;

    for (int step = 0; step < 300; step++) {
        static struct hits h[3], saved[3];
        size_t n;

        seed = number * 1000003 + (unsigned)step; /* the same with faults and without */
        now += dice(5) ? (int64_t)dice(90000) : (int64_t)dice(3 * 3600) * 1000;
        n = 1 + dice(3);
        for (size_t i = 0; i < n; i++) {
            begin(&h[i], (int)i);
            for (unsigned k = dice(4) + 1; k > 0; k--) {
                bool update = dice(4) == 0;
                hit(&h[i], update ? dice(40) + 1 : (unsigned)step * 10 + k + 100,
                    names[dice(10)], subjects[dice(6)], update);
            }
        }
        enum end end = REFUSED;
        while (end == REFUSED || end == KILLED_BEFORE) {
            chance = chance * 1103515245 + 12345;
            end = faults ? (chance >> 12) % 4 : DONE;
            digests(end);
            digests(DONE);
            memcpy(saved, h, sizeof h);
            commit(h, n, end);
            if (end == KILLED_BEFORE) /* the items are met again */
                memcpy(h, saved, sizeof h);
        }
    }
}

static void nothing_is_lost_or_twice_whatever_fails(void **state)
{
    struct buf want;

    buf_init(&want, 1 << 20);
    unsigned days = getenv("FEEDWATCH_FULL") ? 30 : 2;

    for (unsigned number = 1; number <= days; number++) {
        random_day(number, false);
        buf_clear(&want);
        (void)buf_puts(&want, recorded());
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
        random_day(number, true);
        recorded_is(want.s);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
    }
    print_message("%u days, %zu bytes of records in the last\n", days, want.n);
    buf_free(&want);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    T(one_story_of_two_feeds_is_one_alert),
    T(one_batch_is_judged_in_order),
    T(what_waits_for_a_second_source_survives_a_restart),
    T(an_update_has_an_id_of_its_own),
    T(what_is_too_much_comes_in_a_digest),
    T(limits_hold_over_a_restart),
    T(a_quiet_night_ends_with_a_digest),
    T(a_mute_holds_until_its_date),
    T(groups_and_storms_come_together),
    T(without_its_memory_everything_passes),
    T(a_refused_commit_is_judged_again),
    T(counts_what_is_held_once),
    T(nothing_is_lost_or_twice_whatever_fails),
};
TEST_MAIN(tests)
