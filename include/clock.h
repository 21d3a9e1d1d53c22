#ifndef CLOCK_H
#define CLOCK_H
/* The only place that asks the kernel what time it is.  A link-time seam: tests may link
 * their own clock.  Pure modules never call it; `now` is passed to them. */
#include <stdint.h>
#include <time.h>

/* Milliseconds since an arbitrary start; never jumps, and counts suspend
 * (CLOCK_BOOTTIME). */
int64_t clock_mono_ms(void);

/* Nanoseconds since an arbitrary start, for measuring how long something took. */
int64_t clock_mono_ns(void);

/* Milliseconds since 1970-01-01T00:00:00Z; may jump when the clock is set. */
int64_t clock_utc_ms(void);

/* CLOCK_REALTIME `ms` from now, as pthread_timedjoin_np(3) and friends want it. */
void clock_deadline(struct timespec *out, int64_t ms);
#endif
