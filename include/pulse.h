#ifndef PULSE_H
#define PULSE_H
/* Do all threads move?  Each one has a pulse and says at every turn of its loop how long
 * it may be silent from then on; who feeds the watchdog asks whether one has been silent
 * for longer.  A beat is one store to memory.  The list of pulses is the process's. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pulse;

#define PULSE_WAITS INT64_MAX /* until somebody wakes it: silence says nothing */

/* For a thread called `name` (copied, cut at 31 bytes), which waits.  0 or -ENOMEM. */
int pulse_new(struct pulse **out, const char *name);
void pulse_free(struct pulse *p); /* NULL is fine */

/* "I move, and may be silent for `ms` from now on."  By the thread itself; NULL is fine.
 */
void pulse_beat(struct pulse *p, int64_t ms);

/* How often a thread with a loop should beat, in ms, and how long it may then be silent.
 * 5 s and 20 s unless pulse_set_period() said otherwise before the threads began. */
int64_t pulse_period_ms(void);
int64_t pulse_patience_ms(void);
void pulse_set_period(int64_t ms);

struct pulse_late { /* a thread that does not move */
    char name[32];
    int64_t silent_ms; /* since its last beat */
};

/* The thread that is late the most: true and *out; false when none is. */
bool pulse_find_late(struct pulse_late *out);
#endif
