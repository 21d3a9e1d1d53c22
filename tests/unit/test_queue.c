/* queue: order, bounds, wake-up between threads. */
#include "test.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include "queue.h"

static int readable(struct queue *q)
{
    struct pollfd p = { .fd = queue_fd(q), .events = POLLIN };
    return poll(&p, 1, 0);
}

static void keeps_order_and_bound(void **state)
{
    (void)state;
    struct queue *q;
    int v[3];
    void *out[3];

    assert_int_equal(queue_new(&q, 2), 0);
    assert_int_equal(readable(q), 0);
    assert_int_equal(queue_try_push(q, &v[0]), 0);
    assert_int_equal(queue_try_push(q, &v[1]), 0);
    assert_int_equal(queue_try_push(q, &v[2]), -EAGAIN);
    assert_int_equal(readable(q), 1);
    assert_int_equal(queue_take(q, out, 1), 1);
    assert_ptr_equal(out[0], &v[0]);
    assert_int_equal(readable(q), 1); /* one is left */
    assert_int_equal(queue_try_push(q, &v[2]), 0);
    assert_int_equal(queue_take(q, out, 3), 2);
    assert_ptr_equal(out[0], &v[1]);
    assert_ptr_equal(out[1], &v[2]);
    assert_int_equal(readable(q), 0);
    queue_free(q);
}

static void *send_many(void *arg)
{
    static int token;
    for (int i = 0; i < 10000; i++)
        queue_push(arg, &token);
    return NULL;
}

static void passes_everything_between_threads(void **state)
{
    (void)state;
    struct queue *q;
    pthread_t a, b;
    size_t got = 0;

    assert_int_equal(queue_new(&q, 7), 0);
    assert_int_equal(pthread_create(&a, NULL, send_many, q), 0);
    assert_int_equal(pthread_create(&b, NULL, send_many, q), 0);
    while (got < 20000) {
        struct pollfd p = { .fd = queue_fd(q), .events = POLLIN };
        void *out[16];

        assert_int_equal(poll(&p, 1, 10000), 1);
        got += queue_take(q, out, 16);
    }
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    queue_free(q);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(keeps_order_and_bound),
    cmocka_unit_test(passes_everything_between_threads),
};
TEST_MAIN(tests)
