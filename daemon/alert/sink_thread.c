/* Threads, waits and wake-ups of sinks that may block. */
#include "sink_thread.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int sink_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    char shown[16]; /* more the kernel does not take */

    snprintf(shown, sizeof shown, "%s", name);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(out, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        pthread_setname_np(*out, shown);
    return -r;
}

void sink_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

void sink_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + ms % 1000 * 1000000;
    at.tv_sec += ms / 1000 + ns / 1000000000;
    at.tv_nsec = ns % 1000000000;
    pthread_cond_timedwait(cond, lock, &at);
}

void sink_poke(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof one) < 0)
        (void)0; /* full: it is readable, which is all we want */
}

void sink_clear(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof count) < 0)
        (void)0; /* was clear */
}
