#ifndef SCHEDULE_H
#define SCHEDULE_H
/* When is each feed due next?  Pure bookkeeping: no clock, no I/O, no logging; the caller
 * passes `now`.  All times are int64_t milliseconds of clock_mono_ms().  One schedule per
 * poller, single-threaded.  Feeds of one host are spaced; every wait carries jitter. */
#include <stddef.h>
#include <stdint.h>

struct schedule;

/* Make an empty schedule.  `seed` fixes the jitter, so a test run repeats exactly.
 * NULL when out of memory. */
struct schedule *schedule_new(uint64_t seed);
void schedule_free(struct schedule *s);

/* Make feed `id` (small integers, dense) known as one of host `host` (any number that
 * stands for the host) and due at `due_ms`; a known one is moved.  0 or -ENOMEM. */
int schedule_set(struct schedule *s, uint32_t id, uint64_t host, int64_t due_ms);

/* Forget feed `id`.  Unknown ids are fine. */
void schedule_remove(struct schedule *s, uint32_t id);

/* At most one start per `gap_ms` and `parallel` feeds in flight for each host (0: no
 * bound). */
void schedule_host_limits(struct schedule *s, int64_t gap_ms, uint32_t parallel);

/* Hold back all feeds of `host` until `until_ms` (Retry-After of a 429 or 503). */
int schedule_host_hold(struct schedule *s, uint64_t host, int64_t until_ms);

/* Take the feed that is due at or before `now_ms` and whose host allows it, earliest
 * first; it is in flight until schedule_done().  Returns 1 and sets *id, or 0 when
 * nothing may start. */
int schedule_pop_due(struct schedule *s, int64_t now_ms, uint32_t *id);

/* Feed `id` came back: its host may start the next.  Due again at `due_ms`. */
int schedule_done(struct schedule *s, uint32_t id, int64_t due_ms);

/* When schedule_pop_due may next give something, or INT64_MAX. */
int64_t schedule_next_ms(const struct schedule *s);

/* `base_ms` with +-10 % jitter. */
int64_t schedule_jitter_ms(struct schedule *s, int64_t base_ms);

/* Delay after the `failures`-th failure in a row: base * 2^failures, at most 1 day, with
 * +-20 % jitter.  Source: RFC 9110 10.2.3: a Retry-After from the server wins. */
int64_t schedule_backoff_ms(struct schedule *s, int64_t base_ms, unsigned failures);
#endif
