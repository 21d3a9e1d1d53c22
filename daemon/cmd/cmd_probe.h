#ifndef CMD_PROBE_H
#define CMD_PROBE_H
/* Asking publishers once, for add and import: is there a feed at this URL, what is it
 * called, what is new in it?  Under the same rules as the daemon: at most two connections
 * and one request a second for each host. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config.h"
#include "feed_parse.h"

enum { PROBE_LATEST = 5 };

enum probe_verdict {
    PROBE_FEED,    /* a feed */
    PROBE_PAGE,    /* a page that names its feed in `alternate` */
    PROBE_NO_FEED, /* neither; asking again will hardly help */
    PROBE_FAILED,  /* no answer now; perhaps later */
};

struct probe_item {
    char title[300];
    int64_t published_s; /* or ITEM_NO_TIME */
};

struct probe {
    const char *url;                /* in */
    const struct config_feed *like; /* in: timeout, caps, user agent, allow_private */
    enum probe_verdict verdict;
    bool done, answered; /* answered: some HTTP status came */
    char why[400];       /* one line for people */
    char *final_url;     /* where permanent redirects lead, else NULL */
    char *alternate;     /* the feed that a page names, else NULL */
    char *title;         /* the feed's own, or NULL */
    enum feed_format format;
    unsigned long items;
    int64_t first_s, last_s; /* oldest and newest date of the items, or ITEM_NO_TIME */
    struct probe_item latest[PROBE_LATEST];
    size_t n_latest;
};

/* Ask all of them; `told` is called after each (NULL: not).  0, or -errno when nothing
 * could be asked. */
typedef void probe_told_fn(void *ctx, const struct probe *p);
int probe_run(struct probe *probes, size_t n, const struct config *config,
              probe_told_fn *told, void *ctx);
void probe_free(struct probe *p); /* what is in it */
#endif
