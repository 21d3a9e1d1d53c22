/* What time it is: the kernel's clocks. */
#include "clock.h"

static int64_t read_ms(clockid_t id)
{
    struct timespec t;

    if (clock_gettime(id, &t) < 0) /* cannot fail for these clocks on Linux */
        return 0;
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_BOOTTIME);
}

int64_t clock_mono_ns(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_MONOTONIC, &t) < 0)
        return 0;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_utc_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

void clock_deadline(struct timespec *out, int64_t ms)
{
    int64_t at = clock_utc_ms() + ms;

    out->tv_sec = (time_t)(at / 1000);
    out->tv_nsec = (long)(at % 1000) * 1000000;
}
