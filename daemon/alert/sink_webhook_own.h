#ifndef SINK_WEBHOOK_OWN_H
#define SINK_WEBHOOK_OWN_H
/* Inside sink_webhook: sink_webhook.c posts, sink_webhook_presets.c knows the forms that
 * others want. */
#include "buf.h"
#include "sink_worker.h"

struct preset {
    const char *name;
    size_t batch;        /* alerts in one request */
    unsigned per_minute; /* what its makers ask for; 0: nothing */
    unsigned burst;
    bool room, token; /* are needed */
    bool put;         /* PUT instead of POST */
    /* Append the body, of the first `n` alerts or of the digest. */
    void (*body)(struct buf *out, const struct parcel *p, const char *room);
    /* Append the address; NULL: as it is written. */
    void (*url)(struct buf *out, const char *url, const char *room,
                const struct parcel *p);
};

/* NULL: there is none of this name.  NULL stands for the first, "json". */
const struct preset *preset_find(const char *name);

#endif
