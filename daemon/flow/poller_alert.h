#ifndef POLLER_ALERT_H
#define POLLER_ALERT_H
/* From a hit to an alert record: id, matched words, snippet. */
#include "config.h"
#include "item.h"
#include "match.h"
#include "poller_impl.h"

/* Append the alert of `watch` on `item` of feed `feed`.  `work` is scratch.  0 or
 * -ENOMEM. */
int poller_alert_add(struct alerts *to, const struct config_watch *watch,
                     const char *feed, const struct item *item,
                     const struct seen_key *key, int64_t now_ms,
                     const struct match_span *spans, size_t n_spans, struct buf *work);

/* Append what `from` has to `to`; `from` is empty then.  0, or -ENOMEM and some left. */
int poller_alerts_move(struct alerts *to, struct alerts *from);
#endif
