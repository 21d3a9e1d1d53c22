#ifndef QUEUE_H
#define QUEUE_H
/* A bounded first-in first-out queue of pointers between threads, woken by an eventfd so
 * that the receiver can wait for it in its event loop.  Many senders, one receiver. */
#include <stdbool.h>
#include <stddef.h>

struct queue;

/* Room for `capacity` pointers.  0 or -errno. */
int queue_new(struct queue **out, size_t capacity);

/* Pointers still inside are not freed: they belong to the sender until taken.  NULL is
 * fine. */
void queue_free(struct queue *q);

/* Append `p` (not NULL).  queue_push waits while the queue is full; queue_try_push
 * returns -EAGAIN instead.  0 on success. */
int queue_push(struct queue *q, void *p);
int queue_try_push(struct queue *q, void *p);

/* Take up to `max` pointers, oldest first, without waiting.  Clears the eventfd when the
 * queue is left empty.  Returns how many were taken. */
size_t queue_take(struct queue *q, void **out, size_t max);

/* The eventfd: readable while the queue is not empty.  For poll/epoll only. */
int queue_fd(const struct queue *q);
#endif
