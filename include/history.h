#ifndef HISTORY_H
#define HISTORY_H
/* Recent items as they are kept for trying rules on: packed records, compressed by the
 * batch.  Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "item.h"

#define HISTORY_TEXT_MAX 32768 /* bytes kept of summary and content, each */

struct history_item {
    struct item
        item; /* without id and enclosures; lang is the feed's where it had none */
    struct str feed;
    int64_t fetched_ms; /* UTC */
    bool silent;        /* learnt at the first sight of the feed */
};

/* When an item came: when it was fetched, or for one that was learnt at the first sight
 * of its feed when it says that it was published.  UTC ms. */
int64_t history_when_ms(const struct history_item *h);

/* Append a record.  What does not fit is left out whole: -E2BIG or -ENOMEM, and `out` is
 * as before. */
int history_put(struct buf *out, const struct history_item *h);

/* Append the records of `raw`, compressed, as one frame.  Frames may stand behind each
 * other.  0 or -errno, and `out` is as before. */
int history_pack(struct buf *out, struct str raw);

/* Call `each` for every record of the frames; the item is borrowed for the call.
 * Non-zero stops and is returned.  0, -ENOMEM, or -EBADMSG where the bytes are damaged
 * (records before that place have been given). */
typedef int history_fn(void *ctx, const struct history_item *h);
int history_each(struct str packed, history_fn *each, void *ctx);
#endif
