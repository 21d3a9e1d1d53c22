/* Digests out of the store to one sink. */
#include "dispatch_digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct batch { /* one digest and its alerts, copied */
    const char *sink;
    bool wanted;
    struct digest *digest; /* NULL: there is none */
    const struct alert *alert[DIGEST_ALERTS_MAX];
    size_t n;
};

int digest_line_open(struct digest_line *l, struct store *store, const char *sink)
{
    int64_t seq;
    int r = store_digest_cursor(store, sink, &seq);

    if (r == 0)
        *l = (struct digest_line){
            .handed = seq, .given = -1, .cursor = seq, .saved = -1
        };
    return r;
}

static int take_digest(void *ctx, const struct digest *d)
{
    struct batch *b = ctx;

    b->wanted = alert_lists(d->sinks, b->sink);
    b->digest = digest_copy(d);
    return b->digest ? 0 : -ENOMEM;
}

static int take_alert(void *ctx, const struct alert *a)
{
    struct batch *b = ctx;

    b->alert[b->n] = alert_copy(a);
    if (!b->alert[b->n])
        return -ENOMEM;
    b->n++;
    return 0;
}

static int read_next(struct batch *b, struct store *store, int64_t after)
{
    int r = store_digests_after(store, after, 1, take_digest, b);

    if (r == 0 && b->digest && b->wanted)
        r = store_digest_alerts(store, b->digest, DIGEST_ALERTS_MAX, take_alert, b);
    return r < 0 ? r : 0;
}

/* Hand it over, with its alerts. */
static int deliver(const struct batch *b, struct sink *sink, struct buf *why)
{
    struct digest d = *b->digest;

    d.alerts = b->alert;
    d.n = b->n;
    return sink->ops->digest(sink, &d, why);
}

int digest_line_step(struct digest_line *l, struct store *store, struct sink *sink,
                     const char *name, struct buf *why)
{
    struct batch b = { .sink = name };
    int r;

    if (!sink->ops->digest)
        return 0;
    r = read_next(&b, store, l->handed);
    if (r < 0) {
        (void)buf_puts(why, r == -ENOMEM ? strerror(-r) : store_why(store));
    } else if (b.digest && !b.wanted) {
        l->handed = b.digest->seq;
        r = 1;
    } else if (b.digest) {
        r = deliver(&b, sink, why);
        if (r > 0)
            l->handed = l->given = b.digest->seq;
    }
    while (b.n)
        free((void *)(uintptr_t)b.alert[--b.n]);
    digest_copy_free(b.digest);
    return r;
}

bool digest_line_progress(struct digest_line *l, struct sink *sink)
{
    if (!sink->ops->digest)
        return false;
    int64_t done = sink->ops->digested(sink);
    if (done >= l->given) /* those behind it are not for this sink: they count, too */
        done = l->handed;
    if (done > l->cursor)
        l->cursor = done;
    bool moved = l->cursor != l->saved;
    l->saved = l->cursor;
    return moved;
}

void digest_line_rewind(struct digest_line *l)
{
    l->handed = l->cursor;
    l->given = -1;
}

bool digest_line_idle(const struct digest_line *l, struct store *store,
                      const struct sink *sink)
{
    return !sink->ops->digest || l->cursor >= store_last_digest(store);
}
