/* sink_worker: order, failures, refusals, bounds, pace, and an end that does not wait for
 * a send that hangs. */
#include "test.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../../daemon/alert/sink_worker.h"
#include "clock.h"

/* ---- a kind that does what the test says */

struct post {
    pthread_mutex_t lock;
    int64_t sent[400]; /* seq; of digests and amendments: below 0 */
    size_t n, calls;
    int fail;         /* sends to refuse with -EIO */
    bool refuse;      /* and for good */
    int64_t bad_seq;  /* a parcel with this alert is refused for good */
    int64_t retry_ms; /* that it asks for */
    int hang_ms;
    atomic_bool interrupted, freed;
};

static int post_send(void *ctx, const struct parcel *p, struct sent *out)
{
    struct post *post = ctx;

    for (int ms = 0; ms < post->hang_ms && !post->interrupted; ms += 5)
        usleep(5000);
    pthread_mutex_lock(&post->lock);
    post->calls++;
    bool fail = post->fail > 0 || post->interrupted;
    post->fail -= post->fail > 0;
    for (size_t i = 0; post->bad_seq && i < p->n; i++)
        fail |= p->alerts[i]->seq == post->bad_seq;
    for (size_t i = 0; !fail && i < (p->digest ? 1 : p->n) && post->n < 400; i++)
        post->sent[post->n++] = p->digest  ? -p->digest->seq
                                : p->amend ? -1000
                                           : p->alerts[i]->seq;
    pthread_mutex_unlock(&post->lock);
    if (!fail)
        return p->digest ? 1 : (int)p->n;
    out->refused = post->refuse || post->bad_seq;
    out->retry_ms = post->retry_ms;
    buf_puts(&out->why, "as told");
    return -EIO;
}

static void post_interrupt(void *ctx)
{
    ((struct post *)ctx)->interrupted = true;
}

static void post_free(void *ctx)
{
    ((struct post *)ctx)->freed = true;
}

static const struct sink_work work = { "post",         4,        true, post_send,
                                       post_interrupt, post_free };
static const struct sink_work deaf = { "post", 4, true, post_send, NULL, post_free };

static struct sink *start(struct post *post, const struct sink_work *kind,
                          struct sink_pace pace)
{
    struct sink *s = NULL;

    pthread_mutex_init(&post->lock, NULL);
    assert_int_equal(sink_worker_new(&s, "post", kind, post, pace, NULL), 0);
    return s;
}

static struct alert alert_of(int64_t seq)
{
    return (struct alert){ .seq = seq,
                           .id = "0123456789abcdef0123456789abcdef",
                           .watch = STR("summit"),
                           .title = STR("Putin and Xi") };
}

static int hand_over(struct sink *s, int64_t from, size_t n)
{
    struct alert alert[100];
    const struct alert *list[100];
    struct buf why;

    buf_init(&why, 100);
    for (size_t i = 0; i < n; i++) {
        alert[i] = alert_of(from + (int64_t)i);
        list[i] = &alert[i];
    }
    int r = s->ops->deliver(s, list, n, &why);
    buf_free(&why);
    return r;
}

/* Wait, by the descriptor alone, until this much is delivered. */
static void wait_delivered(struct sink *s, int64_t seq)
{
    struct pollfd p = { s->ops->fd(s), POLLIN, 0 };

    while (s->ops->delivered(s) < seq)
        assert_int_equal(poll(&p, 1, 5000), 1);
}

static bool wait_failed(struct sink *s, int64_t *retry_ms)
{
    struct pollfd p = { s->ops->fd(s), POLLIN, 0 };
    struct buf why;
    bool failed;

    buf_init(&why, 100);
    while (!(failed = s->ops->failed(s, retry_ms, &why)) && poll(&p, 1, 5000) == 1)
        (void)s->ops->delivered(s); /* clears the descriptor */
    if (failed)
        assert_string_equal(why.s, "as told");
    buf_free(&why);
    return failed;
}

static const struct sink_pace at_will = { 0, 0 };

/* ---- tests */

static void sends_in_order_and_says_so(void **state)
{
    (void)state;
    struct post post = { .n = 0 };
    struct sink *s = start(&post, &work, at_will);

    assert_int_equal(s->ops->delivered(s), -1);
    for (int64_t seq = 1; seq <= 100; seq += 10) {
        assert_int_equal(hand_over(s, seq, 10), 10);
        wait_delivered(s, seq + 9);
    }
    assert_int_equal(post.n, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(post.sent[i], i + 1);
    s->ops->free(s, 1000);
    assert_true(post.freed);
}

static void reports_a_failure_once_and_takes_it_again(void **state)
{
    (void)state;
    struct post post = { .fail = 1, .retry_ms = 1234 };
    struct sink *s = start(&post, &work, at_will);
    int64_t retry_ms = 0;

    assert_int_equal(hand_over(s, 1, 6), 6);
    assert_true(wait_failed(s, &retry_ms));
    assert_int_equal(retry_ms, 1234);
    assert_false(s->ops->failed(s, &retry_ms, NULL));
    assert_int_equal(s->ops->delivered(s), -1);
    assert_int_equal(hand_over(s, 1, 6), 6);
    wait_delivered(s, 6);
    assert_int_equal(post.n, 6);
    s->ops->free(s, 1000);
}

static void takes_nothing_before_its_failure_is_heard(void **state)
{
    (void)state;
    struct post post = { .fail = 1 };
    struct sink *s = start(&post, &work, at_will);
    struct pollfd p = { s->ops->fd(s), POLLIN, 0 };
    int64_t retry_ms;

    assert_int_equal(hand_over(s, 1, 1), 1);
    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_int_equal(hand_over(s, 2, 1), 0); /* else 2 would be delivered before 1 */
    assert_true(wait_failed(s, &retry_ms));
    assert_int_equal(hand_over(s, 1, 2), 2);
    wait_delivered(s, 2);
    s->ops->free(s, 1000);
}

/* One alert that no service takes costs only itself, not those that share its parcel. */
static void a_bad_alert_takes_no_other_with_it(void **state)
{
    (void)state;
    struct post post = { .bad_seq = 3 };
    struct sink *s = start(&post, &work, at_will);
    int64_t retry_ms, done;

    for (int tries = 0; (done = s->ops->delivered(s)) < 8 && tries < 9; tries++) {
        done = done < 0 ? 0 : done;
        assert_int_equal(hand_over(s, done + 1, (size_t)(8 - done)), 8 - done);
        if (tries < 3) /* the parcel of four, and the third alone: twice, then skipped */
            assert_true(wait_failed(s, &retry_ms));
        else
            wait_delivered(s, 8);
    }
    static const int64_t want[] = { 1, 2, 4, 5, 6, 7, 8 };
    assert_int_equal(post.n, sizeof want / sizeof want[0]);
    assert_memory_equal(post.sent, want, sizeof want);
    s->ops->free(s, 1000);
}

static void skips_what_is_refused_three_times(void **state)
{
    (void)state;
    struct post post = { .fail = 3, .refuse = true };
    struct sink *s = start(&post, &deaf, at_will);
    struct buf why;
    int64_t retry_ms;

    buf_init(&why, 300);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hand_over(s, 7, 1), 1);
        assert_true(wait_failed(s, &retry_ms));
    }
    assert_int_equal(hand_over(s, 7, 1), 1);
    wait_delivered(s, 7);
    assert_int_equal(post.n, 0);
    assert_true(s->ops->trouble(s, &why));
    assert_string_equal(why.s, "alert 7 skipped: as told");
    assert_int_equal(hand_over(s, 8, 1), 1);
    wait_delivered(s, 8);
    assert_false(s->ops->trouble(s, &why));
    buf_free(&why);
    s->ops->free(s, 1000);
}

static void is_bounded_and_says_when_there_is_room(void **state)
{
    (void)state;
    struct post post = { .hang_ms = 50 };
    struct sink *s = start(&post, &work, at_will);
    int taken = hand_over(s, 1, 100);

    assert_in_range(taken, 64, 68);
    wait_delivered(s, taken);
    assert_true(hand_over(s, taken + 1, 1) == 1);
    wait_delivered(s, taken + 1);
    s->ops->free(s, 1000);
}

static void sends_digests_and_amendments(void **state)
{
    (void)state;
    struct post post = { .n = 0 };
    struct sink *s = start(&post, &work, at_will);
    struct alert a = alert_of(1);
    const struct alert *list[] = { &a, &a };
    struct digest d = {
        .seq = 3, .count = 9, .watch = STR("summit"), .alerts = list, .n = 2
    };
    struct pollfd p = { s->ops->fd(s), POLLIN, 0 };

    assert_int_equal(hand_over(s, 1, 1), 1);
    assert_int_equal(s->ops->digest(s, &d, NULL), 1);
    s->ops->amend(s, &a);
    assert_int_equal(hand_over(s, 2, 1), 1);
    wait_delivered(s, 2);
    assert_int_equal(s->ops->digested(s), 3);
    const int64_t want[] = { 1, -3, -1000, 2 };
    assert_int_equal(post.n, 4);
    assert_memory_equal(post.sent, want, sizeof want);
    (void)poll(&p, 1, 0);
    s->ops->free(s, 1000);
}

static void an_amendment_that_fails_is_forgotten(void **state)
{
    (void)state;
    struct post post = { .fail = 1 };
    struct sink *s = start(&post, &work, at_will);
    struct alert a = alert_of(1);

    s->ops->amend(s, &a);
    assert_int_equal(hand_over(s, 2, 1), 1);
    wait_delivered(s, 2);
    assert_int_equal(post.n, 1);
    s->ops->free(s, 1000);
}

static void keeps_to_its_pace(void **state)
{
    (void)state;
    struct post post = { .n = 0 };
    struct sink *s = start(&post, &work, (struct sink_pace){ 2, 100 });
    int64_t start_ms = clock_mono_ms();

    assert_int_equal(hand_over(s, 1, 20), 20); /* five parcels: two at once, then three */
    wait_delivered(s, 20);
    assert_true(clock_mono_ms() - start_ms >= 290);
    assert_int_equal(post.calls, 5);
    s->ops->free(s, 1000);
}

static void lets_a_send_on_its_way_arrive(void **state)
{
    (void)state;
    struct post post = { .hang_ms = 100 };
    struct sink *s = start(&post, &work, at_will);

    assert_int_equal(hand_over(s, 1, 1), 1);
    usleep(20000); /* into the send */
    s->ops->stop(s, 1000);
    assert_int_equal(s->ops->delivered(s), 1);
    s->ops->free(s, 0);
    assert_true(post.freed);
}

static void interrupts_a_send_that_hangs(void **state)
{
    (void)state;
    static struct post post = { .hang_ms = 60000 };
    struct sink *s = start(&post, &work, at_will);

    assert_int_equal(hand_over(s, 1, 1), 1);
    usleep(20000);
    int64_t start_ms = clock_mono_ms();
    s->ops->free(s, 300);
    assert_true(clock_mono_ms() - start_ms < 1000);
    assert_true(post.freed);
    assert_int_equal(post.n, 0);
}

/* On a busy machine the thread may not run at all for a while: one time of many is
 * enough.
 */
static void joins_a_send_that_was_interrupted_without_any_time(void **state)
{
    (void)state;
    static struct post post[20];
    bool joined = false;

    for (size_t i = 0; i < 20 && !joined; i++) {
        post[i].hang_ms = 60000;
        struct sink *s = start(&post[i], &work, at_will);
        assert_int_equal(hand_over(s, 1, 1), 1);
        usleep(20000);
        s->ops->free(s, 0);
        joined = post[i].freed; /* its thread has ended */
        for (int k = 0; k < 500 && !post[i].freed; k++)
            usleep(10000);
        assert_true(post[i].freed);
    }
    assert_true(joined);
}

static void leaves_a_send_that_cannot_be_interrupted(void **state)
{
    (void)state;
    static struct post post = { .hang_ms = 700 };
    struct sink *s = start(&post, &deaf, at_will);

    assert_int_equal(hand_over(s, 1, 1), 1);
    usleep(20000);
    int64_t start_ms = clock_mono_ms();
    s->ops->free(s, 100);
    assert_true(clock_mono_ms() - start_ms < 600);
    assert_false(post.freed);
    for (int i = 0; i < 500 && !post.freed; i++)
        usleep(10000);
    assert_true(post.freed);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sends_in_order_and_says_so),
    cmocka_unit_test(reports_a_failure_once_and_takes_it_again),
    cmocka_unit_test(takes_nothing_before_its_failure_is_heard),
    cmocka_unit_test(skips_what_is_refused_three_times),
    cmocka_unit_test(a_bad_alert_takes_no_other_with_it),
    cmocka_unit_test(is_bounded_and_says_when_there_is_room),
    cmocka_unit_test(sends_digests_and_amendments),
    cmocka_unit_test(an_amendment_that_fails_is_forgotten),
    cmocka_unit_test(keeps_to_its_pace),
    cmocka_unit_test(lets_a_send_on_its_way_arrive),
    cmocka_unit_test(interrupts_a_send_that_hangs),
    cmocka_unit_test(joins_a_send_that_was_interrupted_without_any_time),
    cmocka_unit_test(leaves_a_send_that_cannot_be_interrupted),
};

TEST_MAIN(tests)
