#ifndef POLLER_ALERT_H
#define POLLER_ALERT_H
/* From a hit to an alert record: id, matched words and where they stand, snippet,
 * rule. */
#include "config.h"
#include "item.h"
#include "match.h"
#include "poller_impl.h"

struct alert_cause { /* what an alert is made of; all borrowed */
    const struct config_watch *watch;
    const char *feed;
    const char *const *sinks; /* of the feed, for a watch that names none; NULL: all */
    const struct item *item;
    const struct seen_key *key;
    int64_t time_ms, fetched_ms; /* UTC: it matched, its poll began */
    int64_t generation;          /* of the config */
    const struct match_span *spans;
    size_t n_spans;
    const struct story_print *print; /* NULL: an empty one */
    bool late, update;
};

/* Append the alert of `c`.  `work` is scratch.  0 or -ENOMEM. */
int poller_alert_add(struct alerts *to, const struct alert_cause *c, struct buf *work);

/* Append what `from` has to `to`; `from` is empty then.  0, or -ENOMEM and some left. */
int poller_alerts_move(struct alerts *to, struct alerts *from);
#endif
