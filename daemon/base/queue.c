/* A bounded queue of pointers between threads, with an eventfd for the receiver's loop.
 */
#include "queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t room;
    size_t capacity, first, n; /* guarded by lock */
    int fd;
    void *slot[];
};

int queue_new(struct queue **out, size_t capacity)
{
    struct queue *q = calloc(1, sizeof *q + capacity * sizeof q->slot[0]);

    if (!q)
        return -ENOMEM;
    q->capacity = capacity;
    q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (q->fd < 0) {
        int r = -errno;
        free(q);
        return r;
    }
    pthread_mutex_init(&q->lock, NULL); /* cannot fail with default attributes */
    pthread_cond_init(&q->room, NULL);
    *out = q;
    return 0;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    close(q->fd);
    pthread_cond_destroy(&q->room);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

/* Holds the lock. */
static void append(struct queue *q, void *p)
{
    uint64_t one = 1;

    q->slot[(q->first + q->n) % q->capacity] = p;
    if (q->n++ == 0 && write(q->fd, &one, sizeof one) < 0)
        (void)0; /* only fails at 2^64-1, which a queue cannot reach */
}

int queue_push(struct queue *q, void *p)
{
    pthread_mutex_lock(&q->lock);
    while (q->n == q->capacity)
        pthread_cond_wait(&q->room, &q->lock);
    append(q, p);
    pthread_mutex_unlock(&q->lock);
    return 0;
}

int queue_try_push(struct queue *q, void *p)
{
    int r = -EAGAIN;

    pthread_mutex_lock(&q->lock);
    if (q->n < q->capacity) {
        append(q, p);
        r = 0;
    }
    pthread_mutex_unlock(&q->lock);
    return r;
}

size_t queue_take(struct queue *q, void **out, size_t max)
{
    uint64_t count;
    size_t taken = 0;

    pthread_mutex_lock(&q->lock);
    while (taken < max && q->n) {
        out[taken++] = q->slot[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->n--;
    }
    if (q->n == 0 && read(q->fd, &count, sizeof count) < 0)
        (void)0; /* was not readable: nothing to clear */
    if (taken)
        pthread_cond_broadcast(&q->room);
    pthread_mutex_unlock(&q->lock);
    return taken;
}

int queue_fd(const struct queue *q)
{
    return q->fd;
}
