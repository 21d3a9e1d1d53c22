#ifndef CLOCK_CALLS_H
#define CLOCK_CALLS_H
/* The older calls for the time, by the clock_gettime() of the preloaded library that
 * includes this: libc's own would not ask it. */
#include <sys/time.h>
#include <time.h>

time_t time(time_t *out)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *out, void *zone)
{
    struct timespec now;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
#endif
