/* Digests out of the store to one sink. */
#include "dispatch_digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct batch { /* one digest and its alerts, copied */
    const char *sink;
    bool found, wanted;
    struct digest digest;
    struct alert alert[DIGEST_ALERTS_MAX];
    const struct alert *list[DIGEST_ALERTS_MAX];
    size_t at[DIGEST_ALERTS_MAX];
    size_t digest_at, n;
    struct buf text;
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

static void copy(struct buf *to, struct str s)
{
    (void)buf_put_str(to, s);
    (void)buf_putc(to, '\0');
}

static int take_digest(void *ctx, const struct digest *d)
{
    struct batch *b = ctx;

    b->found = true;
    b->wanted = alert_lists(d->sinks, b->sink);
    b->digest = *d;
    b->digest_at = b->text.n;
    copy(&b->text, d->watch);
    copy(&b->text, d->reason);
    copy(&b->text, d->sinks);
    return b->text.error;
}

static int take_alert(void *ctx, const struct alert *a)
{
    struct batch *b = ctx;
    struct str *s;

    b->alert[b->n] = *a;
    b->at[b->n] = b->text.n;
    for (unsigned i = 0; (s = alert_text(&b->alert[b->n], i)); i++)
        copy(&b->text, *s);
    b->n += b->text.error == 0;
    return b->text.error == -E2BIG ? 1 : b->text.error; /* the rest is counted */
}

static struct str settle_str(const char **at, struct str s)
{
    struct str settled = { *at, s.n };

    *at += s.n + 1;
    return settled;
}

/* The strings have their final place: point to them. */
static void settle(struct batch *b)
{
    const char *at = b->text.s + b->digest_at;
    struct digest *d = &b->digest;

    d->watch = settle_str(&at, d->watch);
    d->reason = settle_str(&at, d->reason);
    d->sinks = settle_str(&at, d->sinks);
    for (size_t k = 0; k < b->n; k++) {
        struct str *s;

        at = b->text.s + b->at[k];
        for (unsigned i = 0; (s = alert_text(&b->alert[k], i)); i++)
            *s = settle_str(&at, *s);
        b->list[k] = &b->alert[k];
    }
    d->alerts = b->list;
    d->n = b->n;
}

static int read_next(struct batch *b, struct store *store, int64_t after)
{
    int r = store_digests_after(store, after, 1, take_digest, b);

    if (r == 0 && b->found && b->wanted) {
        struct digest d = b->digest;
        char *watch = strndup(b->text.s + b->digest_at, d.watch.n); /* b->text grows */

        if (!watch)
            return -ENOMEM;
        d.watch.s = watch;
        r = store_digest_alerts(store, &d, DIGEST_ALERTS_MAX, take_alert, b);
        free(watch);
    }
    return r < 0 ? r : 0;
}

int digest_line_step(struct digest_line *l, struct store *store, struct sink *sink,
                     const char *name, struct buf *why)
{
    static _Thread_local struct batch b; /* large; one at a time */
    int r;

    if (!sink->ops->digest)
        return 0;
    b.sink = name;
    b.found = false;
    b.n = 0;
    buf_init(&b.text, 4 << 20);
    r = read_next(&b, store, l->handed);
    if (r < 0) {
        (void)buf_puts(why, r == -ENOMEM ? strerror(-r) : store_why(store));
    } else if (b.found && !b.wanted) {
        l->handed = b.digest.seq;
        r = 1;
    } else if (b.found) {
        settle(&b);
        r = sink->ops->digest(sink, &b.digest, why);
        if (r > 0)
            l->handed = l->given = b.digest.seq;
    }
    buf_free(&b.text);
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
