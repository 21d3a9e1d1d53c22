/* Preloaded into feedwatch by the soak: time passes $FAST_CLOCK times as fast, for every
 * clock and every wait.  $FAST_CLOCK_BASE, nanoseconds of the true CLOCK_MONOTONIC, is
 * when true and fast time were the same; programs that are started with the same one
 * agree on the time. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include "clock_calls.h"

enum { CLOCKS = 16, FDS = 65536 };
#define S 1000000000LL
#define FAR_S (1LL << 34) /* "never" */

static int64_t factor = 1, base[CLOCKS]; /* what each clock showed when all began */
static signed char clock_of[FDS];        /* of a timerfd */

static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_create)(int, int);
static int (*real_settime)(int, int, const struct itimerspec *, struct itimerspec *);
static int (*real_epoll)(int, struct epoll_event *, int, int);
static int (*real_poll)(struct pollfd *, nfds_t, int);
static int (*real_ppoll)(struct pollfd *, nfds_t, const struct timespec *,
                         const sigset_t *);
static int (*real_nanosleep)(const struct timespec *, struct timespec *);
static int (*real_cond)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_sem)(sem_t *, const struct timespec *);

static int64_t ns_of(const struct timespec *t)
{
    return t->tv_sec * S + t->tv_nsec;
}

static struct timespec time_of(int64_t ns)
{
    return (struct timespec){ .tv_sec = (time_t)(ns / S), .tv_nsec = (long)(ns % S) };
}

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void __attribute__((constructor)) begin(void)
{
    static const clockid_t scaled[] = { CLOCK_REALTIME,         CLOCK_MONOTONIC,
                                        CLOCK_BOOTTIME,         CLOCK_REALTIME_COARSE,
                                        CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW };
    const char *f = getenv("FAST_CLOCK"), *b = getenv("FAST_CLOCK_BASE");
    struct timespec t;

    if (real_gettime)
        return;
    *(void **)&real_create = next("timerfd_create");
    *(void **)&real_settime = next("timerfd_settime");
    *(void **)&real_epoll = next("epoll_wait");
    *(void **)&real_poll = next("poll");
    *(void **)&real_ppoll = next("ppoll");
    *(void **)&real_nanosleep = next("nanosleep");
    *(void **)&real_cond = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    *(void **)&real_sem = next("sem_timedwait");
    *(void **)&real_gettime = next("clock_gettime");
    real_gettime(CLOCK_MONOTONIC, &t);
    int64_t since = b ? ns_of(&t) - strtoll(b, NULL, 10) : 0;
    for (size_t i = 0; i < sizeof scaled / sizeof *scaled; i++) {
        real_gettime(scaled[i], &t);
        base[scaled[i]] = ns_of(&t) - since;
    }
    factor = f ? strtoll(f, NULL, 10) : 1;
}

static bool is_scaled(clockid_t id)
{
    return id >= 0 && id < CLOCKS && base[id] != 0;
}

int clock_gettime(clockid_t id, struct timespec *out)
{
    if (!real_gettime)
        begin();
    int r = real_gettime(id, out);

    if (r == 0 && is_scaled(id))
        *out = time_of(base[id] + (ns_of(out) - base[id]) * factor);
    return r;
}

/* The true instant that a clock will show `t` at; never none at all. */
static struct timespec true_time(clockid_t id, struct timespec t)
{
    if (!is_scaled(id) || t.tv_sec > FAR_S || (t.tv_sec == 0 && t.tv_nsec == 0))
        return t;
    int64_t ns = base[id] + (ns_of(&t) - base[id]) / factor;
    return time_of(ns > 0 ? ns : 1);
}

static struct timespec true_span(struct timespec t)
{
    int64_t ns = ns_of(&t);

    return t.tv_sec > FAR_S ? t : time_of(ns / factor + (ns > 0 && ns < factor));
}

/* Deadlines of the calendar are far greater than those of the other clocks. */
static struct timespec true_deadline(const struct timespec *t)
{
    return true_time(t->tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC, *t);
}

static int true_ms(int ms)
{
    return ms <= 0 ? ms : (int)((ms + factor - 1) / factor);
}

int timerfd_create(int id, int flags)
{
    int fd = real_create(id, flags);

    if (fd >= 0 && fd < FDS)
        clock_of[fd] = (signed char)(id == CLOCK_REALTIME_ALARM   ? CLOCK_REALTIME
                                     : id == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME
                                                                  : id);
    return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *want,
                    struct itimerspec *old)
{
    struct itimerspec w = *want;

    if (fd >= 0 && fd < FDS) {
        w.it_value = flags & TFD_TIMER_ABSTIME ? true_time(clock_of[fd], w.it_value)
                                               : true_span(w.it_value);
        w.it_interval = true_span(w.it_interval);
    }
    return real_settime(fd, flags, &w, old);
}

int epoll_wait(int fd, struct epoll_event *ev, int n, int ms)
{
    return real_epoll(fd, ev, n, true_ms(ms));
}

int poll(struct pollfd *p, nfds_t n, int ms)
{
    return real_poll(p, n, true_ms(ms));
}

int ppoll(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
    struct timespec span = t ? true_span(*t) : (struct timespec){ 0, 0 };

    return real_ppoll(p, n, t ? &span : NULL, mask);
}

int nanosleep(const struct timespec *t, struct timespec *left)
{
    struct timespec span = true_span(*t);

    return real_nanosleep(&span, left);
}

int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                           const struct timespec *t)
{
    struct timespec at = true_deadline(t);

    return real_cond(c, m, &at);
}

int sem_timedwait(sem_t *s, const struct timespec *t)
{
    struct timespec at = true_deadline(t);

    return real_sem(s, &at);
}
