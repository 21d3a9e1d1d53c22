/* A reload of the sinks in two steps: what can fail comes first, and can be undone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dispatch_impl.h"
#include "log.h"

struct dispatch_next {
    struct dispatch *dispatch;
    struct outlet **outlet;
    size_t n;
    int64_t give_up_ms;
};

static bool has(struct outlet *const *list, size_t n, const struct outlet *o)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == o)
            return true;
    return false;
}

static int raise_seq(struct store *s, void *seq)
{
    return store_seq_raise(s, *(const int64_t *)seq);
}

/* The outlet that serves `want` already, or NULL.  0 or -ENOMEM. */
static int find_same(struct outlet **to, const struct dispatch *d,
                     const struct sink_options *want)
{
    char *key = plan_key(want);

    if (!key)
        return -ENOMEM;
    for (size_t i = 0; i < d->n && !*to; i++)
        if (strcmp(d->outlet[i]->as, key) == 0)
            *to = d->outlet[i];
    free(key);
    return 0;
}

/* A sink that is new, or another one than before. */
static int open_new(struct outlet **to, struct dispatch *d,
                    const struct sink_options *want, struct buf *why)
{
    int r = outlet_open(to, d, want, why);

    if (r < 0)
        return r;
    int64_t shown = (*to)->sink->ops->delivered((*to)->sink);
    if (shown > 0 && d->writer) /* as at the start */
        r = writer_call(d->writer, raise_seq, &shown);
    if (r >= 0)
        r = outlet_place(*to, d->store);
    (*to)->saved = -1;   /* not in the store yet */
    (*to)->failures = 0; /* one that was changed has luck of its own */
    (*to)->retry_ms = 0;
    if (r >= 0)
        r = outlet_listen(*to);
    if (r < 0) {
        (void)buf_printf(why, "sink %s: %s", want->name, strerror(-r));
        outlet_free(*to, 0);
        *to = NULL;
    }
    return r < 0 ? r : 0;
}

static int keep_or_open(struct outlet **to, struct dispatch *d,
                        const struct sink_options *want, struct buf *why)
{
    int r = find_same(to, d, want);

    if (r == 0 && !*to)
        return open_new(to, d, want, why);
    if (r == 0 && (r = (*to)->sink->ops->reopen((*to)->sink)) < 0) {
        /* Kept, but its file cannot be opened again: it will retry. */
        log_event(LOG_LEVEL_WARN, "sink_failed", "sink=%s why=%s", want->name,
                  log_quote(strerror(-r)));
        r = 0;
    }
    return r;
}

int dispatch_prepare(struct dispatch_next **out, struct dispatch *d,
                     const struct config *config, struct buf *why)
{
    struct sink_options plan[PLAN_MAX];
    size_t n = plan_sinks(plan, config);
    struct dispatch_next *next = calloc(1, sizeof *next);
    int r = 0;

    if (!next || !(next->outlet = calloc(n, sizeof *next->outlet))) {
        free(next);
        return -ENOMEM;
    }
    next->dispatch = d;
    next->give_up_ms = config->give_up_s * 1000;
    while (next->n < n &&
           (r = keep_or_open(&next->outlet[next->n], d, &plan[next->n], why)) == 0)
        next->n++;
    if (r < 0) {
        dispatch_undo(next);
        return r;
    }
    *out = next;
    return 0;
}

void dispatch_undo(struct dispatch_next *next)
{
    if (!next)
        return;
    for (size_t i = 0; i < next->n; i++)
        if (!has(next->dispatch->outlet, next->dispatch->n, next->outlet[i]))
            outlet_free(next->outlet[i], 0);
    free(next->outlet);
    free(next);
}

/* `o` is in the way of nobody any more: whoever comes after it under its name goes on
 * where it ends. */
static void retire(struct dispatch *d, struct outlet *o)
{
    struct outlet *heir = NULL;

    for (size_t i = 0; i < d->n && !heir; i++)
        if (!strcmp(d->outlet[i]->name, o->name))
            heir = d->outlet[i];
    outlet_progress(o);
    if (heir && o->cursor > heir->cursor)
        heir->cursor = heir->handed = o->cursor;
    if (!heir && strcmp(o->name, "desktop") != 0)
        outlet_forget(d, o->name);
    outlet_free(o, 500);
}

void dispatch_swap(struct dispatch_next *next)
{
    struct dispatch *d = next->dispatch;
    struct outlet **old = d->outlet;
    size_t n_old = d->n;

    d->outlet = next->outlet;
    d->n = next->n;
    d->give_up_ms = next->give_up_ms;
    free(next);
    for (size_t i = 0; i < n_old; i++)
        if (!has(d->outlet, d->n, old[i]))
            retire(d, old[i]);
    free(old);
    for (size_t i = 0; i < d->n; i++) {
        outlet_save(d->outlet[i]);
        outlet_pump(d->outlet[i]);
    }
}
