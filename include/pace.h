#ifndef PACE_H
#define PACE_H
/* How long until a feed's next poll: from what the user set, what the publisher asks for,
 * the feed's own rhythm and how its polls went.  And: has the feed moved for good?
 * Pure: no clock, no I/O, no logging; randomness comes from the schedule.  What must be
 * remembered stands in struct store_feed.  `utc_ms` is now, UTC milliseconds. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config.h"
#include "schedule.h"
#include "store.h"

/* The interval before jitter, in seconds: the user's, the rhythm's or that after a gap;
 * at least what the publisher asks for; within the user's bounds.  *why says which. */
int64_t pace_interval_s(const struct store_feed *f, const struct config_feed *conf,
                        int64_t utc_ms, enum store_due *why);

/* Milliseconds to wait after a poll that went well; `retry_after_s` as the server asked
 * (3xx), or 0.  Sets f->due_why. */
int64_t pace_success_ms(struct store_feed *f, const struct config_feed *conf,
                        struct schedule *s, int64_t utc_ms, int64_t retry_after_s);

enum pace_failure {
    PACE_SOFT,  /* time may mend it: timeouts, 5xx, DNS */
    PACE_BAD,   /* our decision, TLS, not a feed */
    PACE_HARD,  /* 403, 404 and their like */
    PACE_LOGIN, /* 401: the user must do something */
};

/* The same after a failed one; f->failures counts it already, f->failing_since_ms is
 * set.  Not later than the time when the user is to be told. */
int64_t pace_failure_ms(struct store_feed *f, const struct config_feed *conf,
                        struct schedule *s, int64_t utc_ms, enum pace_failure how,
                        int64_t retry_after_s);

/* The first instant at or after `utc_ms` that is in no skipped hour and on no skipped
 * day; `utc_ms` itself when all time is skipped. */
int64_t pace_unskip(uint32_t hours, uint32_t days, int64_t utc_ms);

/* The publication times of the newest items of a document; times in the future and those
 * of no use are left out. */
#define PACE_TIMES 32
struct pace_times {
    int64_t at_s[PACE_TIMES]; /* newest first, each once */
    size_t n;
};
void pace_times_add(struct pace_times *t, int64_t at_s, int64_t utc_ms);

/* Learn the rhythm from a whole document; `n_new`: items that were new in it. */
void pace_learn(struct store_feed *f, const struct pace_times *t, unsigned n_new,
                int64_t utc_ms);

/* Nothing of the last document was in this one: poll sooner at once. */
void pace_gap(struct store_feed *f, const struct config_feed *conf, int64_t utc_ms);
/* `known` of `had` items were known: let go of the haste, step by step. */
void pace_no_gap(struct store_feed *f, const struct config_feed *conf, size_t known,
                 size_t had, int64_t utc_ms);

/* Is the feed silent for so long that the user should hear of it? */
bool pace_is_silent(const struct store_feed *f, const struct config_feed *conf,
                    int64_t utc_ms);

enum pace_move {
    PACE_STAY,  /* no evidence, or not enough */
    PACE_TRY,   /* enough, but nobody has read a feed there yet */
    PACE_ADOPT, /* enough */
};

/* A poll that went well says that the feed lives at `target` (NULL: says nothing such).
 * Three polls in a row over two days must agree. */
enum pace_move pace_moved(struct store_feed *f, const struct config_feed *conf,
                          const char *target, enum store_move by, int64_t utc_ms);
/* Is the next poll to be that trial, at f->moved_to? */
bool pace_move_is_ready(const struct store_feed *f, int64_t utc_ms);
/* The trial at f->moved_to failed, or what is there is another feed: not again for 30
 * days. */
void pace_move_refused(struct store_feed *f, int64_t utc_ms);
/* From now on f->moved_to is polled.  Its validators are dropped. */
void pace_move_adopt(struct store_feed *f);
/* What was adopted does not work: back to the configured URL. */
void pace_move_back(struct store_feed *f);
#endif
