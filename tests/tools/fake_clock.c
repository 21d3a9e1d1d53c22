/* Preloaded into feedwatch: the calendar shows $FAKE_CLOCK (seconds since 1970) when the
 * process starts and goes on from there; all other clocks are left alone.  Deadlines that
 * the kernel keeps by the calendar still hold when the time is in the future. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include "clock_calls.h"

typedef int clock_fn(clockid_t, struct timespec *);

static time_t offset_s;
static clock_fn *real_clock;

static void __attribute__((constructor)) begin(void)
{
    const char *want = getenv("FAKE_CLOCK");
    struct timespec now;

    real_clock = (clock_fn *)(size_t)dlsym(RTLD_NEXT, "clock_gettime");
    if (want && real_clock && real_clock(CLOCK_REALTIME, &now) == 0)
        offset_s = (time_t)strtoll(want, NULL, 10) - now.tv_sec;
}

int clock_gettime(clockid_t id, struct timespec *out)
{
    if (!real_clock)
        begin();
    int r = real_clock(id, out);

    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        out->tv_sec += offset_s;
    return r;
}
