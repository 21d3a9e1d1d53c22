#ifndef CMD_STATUS_H
#define CMD_STATUS_H
/* feedwatch status: what is known of each configured feed, and its three forms. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "config.h"
#include "name_table.h"
#include "store.h"

struct status_row {
    const struct config_feed *conf;
    struct store_feed state; /* all zero: the store does not know it yet */
    enum store_feed_state is;
};

struct status_held; /* alerts of one watch that were held back */

struct status {
    const struct config *config;
    struct status_row *row; /* in the order of the config */
    size_t n;
    int64_t now_ms;
    int64_t alerts;     /* since ever */
    int64_t daemon;     /* its process; 0: none runs */
    int64_t refused_ms; /* a reload was refused then, UTC ms; 0: the config is in force */
    char *refused;      /* why */
    char *limited;      /* watches whose regex ran into its limit, a line each; or NULL */
    bool failing;       /* show only what needs a look */
    struct status_held **held; /* in the last 24 h, or still; by the names of watches */
    size_t n_held;
    struct name_table held_table; /* owns them */
};

/* Does this feed need a look? */
bool status_is_failing(const struct status_row *row);

/* Items a day since the first answer; negative: too early to tell. */
double status_items_a_day(const struct status *s, const struct status_row *row);

/* When it is due, UTC ms; 0: never, or not known. */
int64_t status_due_ms(const struct status_row *row);

/* Why then: one line. */
const char *status_why_due(const struct status *s, const struct status_row *row);

/* Count what is held back.  0 or -errno. */
int status_held_read(struct status *s, struct store *store, int64_t now_ms);
void status_held_done(struct status *s);
void status_held_lines(const struct status *s);
void status_held_json(struct buf *b, const struct status *s);

/* Say that the config was refused, if it was. */
void status_refusal(const struct status *s);
/* Name the watches whose regex was given up for some item. */
void status_limited(const struct status *s);
void status_table(const struct status *s);
void status_detail(const struct status *s, const struct status_row *row);
int status_json(const struct status *s, const struct status_row *only); /* 0 or -errno */
#endif
