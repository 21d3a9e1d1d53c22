#ifndef NOISE_H
#define NOISE_H
/* When an alert of a watch is told at once, when it is held back, and when what was held
 * back is told in one digest.  Pure: the caller passes `now`; all times are UTC ms.
 *
 * Every alert is recorded and has its line in the log; what is held is only not told one
 * by one.  The state of a watch can be made again from its recorded alerts:
 * noise_told(), noise_held() or noise_counted() for each, oldest first, as noise_decide()
 * did. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "str.h"
#include "zone.h"

struct noise_quiet {         /* quiet = 22:00-07:00 Europe/Berlin */
    int from_min, to_min;    /* of the local day; equal: none */
    const struct zone *zone; /* borrowed */
};

struct noise_rules {
    unsigned max_per_hour; /* 0: any number */
    unsigned storm_size;   /* more alerts than these in a minute are a storm; 0: never */
    int64_t group_wait_ms, cooldown_ms; /* 0: none */
    int64_t max_age_s;                  /* of an item; 0: any */
    int64_t mute_until_ms;              /* 0: not muted */
    struct noise_quiet quiet;
};

#define NOISE_PER_HOUR_MAX 1000
#define NOISE_STORM_MAX 1000
#define NOISE_STORM_SPAN_MS 60000  /* storm_size alerts in this time */
#define NOISE_STORM_CALM_MS 30000  /* its digest comes when nothing came for so long, */
#define NOISE_STORM_MOST_MS 300000 /* but so long after its first one at the latest */

enum noise_reason {                /* in the order in which they are asked for */
                    NOISE_TELL,    /* not held */
                    NOISE_MAX_AGE, /* too old: in no digest */
                    NOISE_MUTE,
                    NOISE_QUIET,
                    NOISE_LATE, /* found after downtime: told together */
                    NOISE_STORM,
                    NOISE_MAX_PER_HOUR,
                    NOISE_COOLDOWN,
                    NOISE_GROUP_WAIT,
                    NOISE_NEW_RULE, /* kept before the rule was there; never decided */
                    NOISE_REASONS
};

/* "max_age", "mute", ...; "" for NOISE_TELL. */
const char *noise_reason_name(enum noise_reason r);
/* NOISE_TELL for a word that is none of them. */
enum noise_reason noise_reason_of(struct str name);

struct noise_ring; /* the last times, as many as a rule counts */

struct noise_state { /* of a watch; zero-initialise, end with noise_done() */
    struct noise_ring *told, *all;
    int64_t last_told_ms; /* 0: never */
    /* what is held and not yet in a digest */
    int64_t held;     /* how many */
    unsigned reasons; /* a bit for each enum noise_reason */
    int64_t first_ms[NOISE_REASONS], last_ms[NOISE_REASONS];
};
void noise_done(struct noise_state *s);

/* Is the alert of an item to be told?  `late`: found after downtime; `published_s`: what
 * its feed says, or ITEM_NO_TIME.  Remembers the answer.  A reason, or -ENOMEM. */
int noise_decide(struct noise_state *s, const struct noise_rules *r, bool late,
                 int64_t published_s, int64_t now_ms);

/* Remember an alert that was decided before.  0 or -ENOMEM. */
int noise_told(struct noise_state *s, const struct noise_rules *r, int64_t time_ms);
int noise_held(struct noise_state *s, const struct noise_rules *r,
               enum noise_reason reason, int64_t time_ms);

/* One that was held and has been told in a digest since. */
int noise_counted(struct noise_state *s, const struct noise_rules *r, int64_t time_ms);

/* When a digest of what is held is due: INT64_MAX when nothing is held.  The rules may
 * have changed since. */
int64_t noise_due_ms(const struct noise_state *s, const struct noise_rules *r,
                     int64_t now_ms);

/* The digest was made: nothing is held any more. */
void noise_flushed(struct noise_state *s);

/* Is `now_ms` in the quiet hours; and the first moment at which it is not. */
bool noise_is_quiet(const struct noise_quiet *q, int64_t now_ms);
int64_t noise_quiet_end_ms(const struct noise_quiet *q, int64_t now_ms);
#endif
