#ifndef SINK_WEBHOOK_OWN_H
#define SINK_WEBHOOK_OWN_H
/* Inside sink_webhook: sink_webhook.c posts, sink_webhook_presets.c knows the forms that
 * others want. */
#include "buf.h"
#include "sink_worker.h"

enum amending {               /* what becomes of an alert that has got a source more */
                AMEND_NOT,    /* nothing: the service cannot change what it has shown */
                AMEND_AGAIN,  /* the same request, which takes the place of the first */
                AMEND_REMOTE, /* the same, by the id that the service gave the first */
};

struct preset {
    const char *name;
    size_t batch;        /* alerts in one request */
    unsigned per_minute; /* what its makers ask for; 0: nothing */
    unsigned burst;
    enum amending amending;
    bool room, token;                  /* are needed */
    const char *method, *amend_method; /* NULL: POST */
    const char *id;                    /* the member of an answer that has the id */
    /* Append the body, of the first `n` alerts or of the digest.  `id`: of the message
     * that p->amend is about. */
    void (*body)(struct buf *out, const struct parcel *p, const char *room,
                 const char *id);
    /* Append the address; NULL: as it is written. */
    void (*url)(struct buf *out, const char *url, const char *room,
                const struct parcel *p, const char *id);
};

/* NULL: there is none of this name.  NULL stands for the first, "json". */
const struct preset *preset_find(const char *name);

#endif
