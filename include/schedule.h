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

/* Ids are below this (memory grows with the largest id: keep them dense). */
#define SCHEDULE_ID_MAX ((uint32_t)1 << 28)

/* Make feed `id` (small integers, dense) known as one of host `host` (any number that
 * stands for the host) and due at `due_ms`; a known one is moved.  One in flight stays in
 * flight: schedule_done() says when it is due.  0, -ENOMEM, -EINVAL (id too large). */
int schedule_set(struct schedule *s, uint32_t id, uint64_t host, int64_t due_ms);

/* Forget feed `id`, also in flight (it no longer counts for its host).  Unknown ids are
 * fine. */
void schedule_remove(struct schedule *s, uint32_t id);

/* At most one start per `gap_ms` and `parallel` feeds in flight for each host (0: no
 * bound). */
void schedule_host_limits(struct schedule *s, int64_t gap_ms, uint32_t parallel);

/* No gap and no parallel bound for `host` from now on (loopback).  0 or -ENOMEM. */
int schedule_host_exempt(struct schedule *s, uint64_t host);

/* Hold back all feeds of `host` until `until_ms` (Retry-After of a 429 or 503).  A hold
 * never gets shorter.  0 or -ENOMEM. */
int schedule_host_hold(struct schedule *s, uint64_t host, int64_t until_ms);

/* Leave `host` alone until `until_ms` because all of its feeds fail; a later call may
 * make it longer or shorter, INT64_MIN ends it.  0 or -ENOMEM. */
int schedule_host_backoff(struct schedule *s, uint64_t host, int64_t until_ms);

/* Take the feed that is due at or before `now_ms` and whose host allows it, earliest
 * first; it is in flight until schedule_done().  Returns 1 and sets *id, or 0 when
 * nothing may start. */
int schedule_pop_due(struct schedule *s, int64_t now_ms, uint32_t *id);

/* Feed `id` came back: its host may start the next.  Due again at `due_ms`.  0, or
 * -ENOENT when it was not in flight (removed meanwhile). */
int schedule_done(struct schedule *s, uint32_t id, int64_t due_ms);

/* When schedule_pop_due may next give something, or INT64_MAX. */
int64_t schedule_next_ms(const struct schedule *s);

/* When the first of the waiting feeds of `host` is due, or INT64_MAX. */
int64_t schedule_host_next_ms(const struct schedule *s, uint64_t host);

/* After a suspend or a start with many feeds overdue: make each feed that is overdue at
 * `now_ms` due at a random instant of [now_ms, now_ms + window_ms). */
void schedule_spread_overdue(struct schedule *s, int64_t now_ms, int64_t window_ms);

/* A random part of [0, window_ms): the first due time of a new feed. */
int64_t schedule_spread_ms(struct schedule *s, int64_t window_ms);

/* `base_ms` with +-10 % jitter. */
int64_t schedule_jitter_ms(struct schedule *s, int64_t base_ms);

/* Delay after the `failures`-th failure in a row: base * 2^failures with +-20 % jitter,
 * at most 1 day in all.  Source: RFC 9110 10.2.3: a Retry-After from the server wins. */
int64_t schedule_backoff_ms(struct schedule *s, int64_t base_ms, unsigned failures);
#endif
