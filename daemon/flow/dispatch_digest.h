#ifndef DISPATCH_DIGEST_H
#define DISPATCH_DIGEST_H
/* Inside the dispatcher: digests to one sink, with a cursor of their own. */
#include <stdbool.h>
#include <stdint.h>
#include "sink.h"
#include "store.h"

struct digest_line { /* how far one sink is */
    int64_t handed;  /* every digest up to here was given to it or is not for it */
    int64_t given;   /* the last one that was given to it; -1: none since start */
    int64_t cursor;  /* delivered for good, up to here */
    int64_t saved;   /* what the writer was told */
};

/* Begin behind what the store knows.  0 or -errno. */
int digest_line_open(struct digest_line *l, struct store *store, const char *sink);

/* Hand over the next digest.  1: there may be more at once; 0: not now; -errno as
 * deliver(), `why` says it. */
int digest_line_step(struct digest_line *l, struct store *store, struct sink *sink,
                     const char *name, struct buf *why);

/* Ask what was delivered.  True when the cursor is to be saved. */
bool digest_line_progress(struct digest_line *l, struct sink *sink);

/* What was taken has failed: hand it over again. */
void digest_line_rewind(struct digest_line *l);

/* Is everything delivered? */
bool digest_line_idle(const struct digest_line *l, struct store *store,
                      const struct sink *sink);
#endif
