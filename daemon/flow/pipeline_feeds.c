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

int bind_feeds(struct store *s, void *ctx)
{
    struct bind *b = ctx;
    size_t n = b->config->n_feeds;
    struct store_bind *feeds = calloc(n + 1, sizeof *feeds);
    int r = feeds ? store_begin(s) : -ENOMEM;

    if (r < 0) {
        free(feeds);
        return r;
    }
    for (size_t i = 0; i < n; i++) {
        const struct config_feed *f = &b->config->feeds[i];

        b->feeds[i].conf = f;
        feeds[i] = (struct store_bind){ f->name, f->url, &b->feeds[i].state };
    }
    r = store_feeds_bind(s, feeds, n);
    free(feeds);
    if (r == 0)
        r = store_generation(s, b->config->content, &b->generation);
    if (r == 0)
        r = store_note_set(s, STORE_NOTE_REFUSED, STR(""));
    if (r == 0)
        r = store_note_set(s, STORE_NOTE_LIMITED, STR(""));
    const struct config *c = b->config;
    struct store_limits limits = { .alerts_ms = c->keep_alerts_s * 1000,
                                   .history_ms = c->history_s * 1000,
                                   .history_bytes = c->history_bytes };
    store_limits(s, &limits);
    int e = store_end(s);
    return r < 0 ? r : e;
}

void bind_free(struct bind *b)
{
    for (size_t i = 0; b->feeds && i < b->config->n_feeds; i++)
        store_feed_done(&b->feeds[i].state);
    free(b->feeds);
}

int bind_new(struct bind *b, const struct config *config)
{
    *b = (struct bind){ config, calloc(config->n_feeds + 1, sizeof *b->feeds), 0 };
    return b->feeds ? 0 : -ENOMEM;
}

/* All feeds of one host belong to one poller: its limits and connections are local there.
 */
static unsigned share_of(const struct poller_feed *f, unsigned n, struct buf *work)
{
    const char *url = f->state.effective_url ? f->state.effective_url : f->conf->url;

    buf_clear(work);
    if (n <= 1 || url_host(work, str_of(url)) < 0)
        return 0;
    return (unsigned)(XXH3_64bits(work->s, work->n) % n);
}

/* What no poller has taken over. */
static void part_free(struct poller_feed *part, size_t n)
{
    for (size_t i = 0; part && i < n; i++)
        store_feed_done(&part[i].state);
    free(part);
}

int pipeline_deal(struct pipeline *p, struct bind *b)
{
    size_t count[WORKERS_MAX] = { 0 }, n = b->config->n_feeds;
    struct poller_feed *part[WORKERS_MAX] = { 0 };
    struct buf work;
    int r = p->n_pollers ? 0 : -EINVAL;

    buf_init(&work, 4096);
    for (size_t i = 0; i < n && r == 0; i++)
        count[share_of(&b->feeds[i], p->n_pollers, &work)]++;
    for (unsigned k = 0; k < p->n_pollers && r == 0; k++) {
        part[k] = calloc(count[k] + 1, sizeof *part[k]);
        count[k] = 0;
        if (!part[k])
            r = -ENOMEM;
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        unsigned k = share_of(&b->feeds[i], p->n_pollers, &work);

        part[k][count[k]++] = b->feeds[i];
        memset(&b->feeds[i].state, 0, sizeof b->feeds[i].state);
    }
    for (unsigned k = 0; k < p->n_pollers; k++) {
        if (r == 0)
            r = poller_apply(p->poller[k], p->snap, part[k], count[k]);
        if (r < 0)
            part_free(part[k], count[k]);
    }
    buf_free(&work);
    return r;
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
