#ifndef SINK_THREAD_H
#define SINK_THREAD_H
/* Inside sink: what the kinds with a thread of their own need of it. */
#include <pthread.h>
#include <stdint.h>

/* Start `run` in a thread of this name, without signals: those are for the main thread.
 * 0 or -errno. */
int sink_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg);

/* A condition that counts the monotonic clock, and a wait for it of `ms` at most. */
void sink_cond_init(pthread_cond_t *cond);
void sink_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms);

/* Make an eventfd readable; clear it again. */
void sink_poke(int fd);
void sink_clear(int fd);
#endif
