/* The configured feeds: each is bound to its row of the store and given to a poller. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include "pipeline_impl.h"
#include "store.h"
#include "url.h"

#define FEEDS_PER_WORKER 2000 /* below this one poller is enough */

static int bind_rows(struct store *s, struct bind *b)
{
    size_t n = b->config->n_feeds;
    struct store_bind *feeds = calloc(n + 1, sizeof *feeds);

    if (!feeds)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct config_feed *f = &b->config->feeds[i];

        b->feeds[i].conf = f;
        feeds[i] = (struct store_bind){ f->name, f->url, &b->feeds[i].state };
    }
    int r = store_feeds_bind(s, feeds, n);
    free(feeds);
    return r;
}

static int bind_all(struct store *s, struct bind *b)
{
    int r = bind_rows(s, b);

    if (r == 0)
        r = store_generation(s, b->config->content, &b->generation);
    if (r == 0)
        r = store_note_set(s, STORE_NOTE_REFUSED, STR(""));
    if (r == 0)
        r = store_note_set(s, STORE_NOTE_LIMITED, STR(""));
    if (r == 0 && b->deal) {
        b->deal->snap->generation = (uint64_t)b->generation; /* nobody else has it yet */
        r = deal_make(b->deal, b);
    }
    return r;
}

int bind_feeds(struct store *s, void *ctx)
{
    struct bind *b = ctx;
    const struct config *c = b->config;
    struct store_limits limits = { .alerts_ms = c->keep_alerts_s * 1000,
                                   .history_ms = c->history_s * 1000,
                                   .history_bytes = c->history_bytes };

    int r = store_begin(s);
    if (r < 0)
        return r;
    r = bind_all(s, b);
    if (r < 0)
        store_cancel(s);
    else
        r = store_end(s);
    if (r == 0)
        store_limits(s, &limits);
    return r;
}

void bind_free(struct bind *b)
{
    for (size_t i = 0; b->feeds && i < b->config->n_feeds; i++)
        store_feed_done(&b->feeds[i].state);
    free(b->feeds);
}

int bind_new(struct bind *b, const struct config *config)
{
    *b = (struct bind){ config, calloc(config->n_feeds + 1, sizeof *b->feeds), 0, NULL };
    return b->feeds ? 0 : -ENOMEM;
}

/* All feeds of one host belong to one poller: its limits and connections are local there.
 * The number of that poller, or -ENOMEM. */
static int share_of(const struct poller_feed *f, unsigned n, struct buf *work)
{
    const char *url = f->state.effective_url ? f->state.effective_url : f->conf->url;

    if (n <= 1)
        return 0;
    buf_clear(work);
    int r = url_host(work, str_of(url));
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    return (int)(XXH3_64bits(work->s, work->n) % n);
}

struct part { /* of one poller */
    struct poller_feed *feeds;
    size_t n;
};

static void parts_free(struct part part[WORKERS_MAX])
{
    for (unsigned k = 0; k < WORKERS_MAX; k++) {
        for (size_t i = 0; i < part[k].n; i++)
            store_feed_done(&part[k].feeds[i].state);
        free(part[k].feeds);
    }
}

/* Room for the feeds that each of `n` pollers gets; n stays 0. */
static int parts_new(struct part part[WORKERS_MAX], unsigned n, const struct bind *b,
                     struct buf *work)
{
    size_t count[WORKERS_MAX] = { 0 };

    for (size_t i = 0; i < b->config->n_feeds; i++) {
        int k = share_of(&b->feeds[i], n, work);
        if (k < 0)
            return k;
        count[k]++;
    }
    for (unsigned k = 0; k < n; k++)
        if (!(part[k].feeds = calloc(count[k] + 1, sizeof *part[k].feeds)))
            return -ENOMEM;
    return 0;
}

int deal_make(struct deal *d, struct bind *b)
{
    struct part part[WORKERS_MAX] = { 0 };
    struct buf work;

    buf_init(&work, 4096);
    int r = d->n ? parts_new(part, d->n, b, &work) : -EINVAL;
    for (size_t i = 0; i < b->config->n_feeds && r == 0; i++) {
        int k = share_of(&b->feeds[i], d->n, &work);

        if (k < 0) {
            r = k;
            break;
        }
        part[k].feeds[part[k].n++] = b->feeds[i];
        memset(&b->feeds[i].state, 0, sizeof b->feeds[i].state);
    }
    for (unsigned k = 0; k < d->n && r == 0; k++) {
        r = poller_order_new(&d->order[k], d->snap, part[k].feeds, part[k].n);
        if (r == 0)
            part[k] = (struct part){ 0 };
    }
    if (r < 0)
        deal_free(d);
    parts_free(part);
    buf_free(&work);
    return r;
}

void deal_free(struct deal *d)
{
    for (unsigned k = 0; k < d->n; k++) {
        poller_order_free(d->order[k]);
        d->order[k] = NULL;
    }
}

void pipeline_deal(struct pipeline *p, struct deal *d)
{
    for (unsigned k = 0; k < p->n_pollers; k++) {
        poller_give(p->poller[k], d->order[k]);
        d->order[k] = NULL;
    }
}

unsigned pipeline_workers(const struct config *c)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t want = c->workers ? c->workers : c->n_feeds / FEEDS_PER_WORKER + 1;

    if (!c->workers && cpus > 0 && want > (size_t)cpus)
        want = (size_t)cpus;
    if (want > c->max_transfers)
        want = c->max_transfers;
    return want > WORKERS_MAX ? WORKERS_MAX : (unsigned)want;
}
