#ifndef CMD_HISTORY_H
#define CMD_HISTORY_H
/* Trying rules on the items that the store has kept: what match --since and
 * check --history share. */
#include <stdbool.h>
#include "config.h"
#include "history.h"
#include "match.h"

/* Is `option` ("--since") among the arguments, so that the command is for us? */
bool history_asked(int argc, char **argv, const char *option);

int cmd_history_match(int argc, char **argv);
int cmd_history_check(int argc, char **argv);

struct history_scan {
    const char *command; /* for messages */
    const char *state;   /* directory of the store */
    int64_t since_ms;
    const struct config *config; /* for the groups of feeds, or NULL */
    const struct match_set *rules;
    /* Each item, once, with what the rules make of it in the calls of on_hit that follow.
     * Non-zero ends the scan. */
    int (*on_item)(void *ctx, const struct history_item *h, const char *group);
    match_hit_fn *on_hit;
    void *ctx;
};

struct history_sum {
    unsigned long items, bad;  /* matched; parts of the store that could not be read */
    int64_t first_ms, last_ms; /* when they came, see history_when_ms */
};

/* Read and match what is kept, oldest first; on a terminal a line on standard error shows
 * how far it is.  0, or -1 after saying why on standard error. */
int history_scan(const struct history_scan *scan, struct history_sum *sum);

/* "30d" or a date to UTC ms; -EINVAL after saying what to write. */
int history_since(const char *command, const char *text, int64_t *ms);

/* "1.3 a day", "2 in 30 days". */
void history_rate(char *out, size_t size, unsigned long hits,
                  const struct history_sum *sum);
#endif
