#ifndef CONFIG_DIFF_H
#define CONFIG_DIFF_H
/* What a reload changes, by name: for the journal, not for deciding anything.  Pure. */
#include "buf.h"
#include "config.h"

struct config_diff {     /* one line of names each, bounded; "" when there is none */
    struct buf settings; /* keys of [feedwatch] */
    struct buf feeds_added, feeds_removed, feeds_changed;
    struct buf watches_added, watches_removed, watches_changed;
    struct buf sinks_added, sinks_removed, sinks_changed;
};

/* Names are in order and separated by ", "; behind a changed one stand its changed keys
 * in brackets; after 1000 bytes comes "and N more".  0, or -ENOMEM.  Either way
 * config_diff_done() frees it. */
int config_diff_new(struct config_diff *d, const struct config *from,
                    const struct config *to);
void config_diff_done(struct config_diff *d);
#endif
