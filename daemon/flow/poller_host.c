/* How the hosts of a poller fare. */
#include "poller_host.h"

#include <errno.h>
#include <stdlib.h>

void poller_hosts_free(struct poller_hosts *hs)
{
    free(hs->slot);
    *hs = (struct poller_hosts){ 0 };
}

static struct poller_host *slot_of(const struct poller_hosts *hs, uint64_t key)
{
    size_t i = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (hs->cap - 1);

    while (hs->slot[i].feeds && hs->slot[i].key != key)
        i = (i + 1) & (hs->cap - 1);
    return &hs->slot[i];
}

static int grow(struct poller_hosts *hs)
{
    struct poller_hosts next = { .cap = hs->cap ? hs->cap * 2 : 16, .n = hs->n };

    if (hs->n * 4 < hs->cap * 3)
        return 0;
    next.slot = calloc(next.cap, sizeof *next.slot);
    if (!next.slot)
        return -ENOMEM;
    for (size_t i = 0; i < hs->cap; i++)
        if (hs->slot[i].feeds)
            *slot_of(&next, hs->slot[i].key) = hs->slot[i];
    free(hs->slot);
    *hs = next;
    return 0;
}

struct poller_host *poller_host_find(const struct poller_hosts *hs, uint64_t key)
{
    struct poller_host *h = hs->cap ? slot_of(hs, key) : NULL;

    return h && h->feeds ? h : NULL;
}

int poller_host_join(struct poller_hosts *hs, uint64_t key, bool fails)
{
    if (grow(hs) < 0)
        return -ENOMEM;
    struct poller_host *h = slot_of(hs, key);
    if (!h->feeds) {
        *h = (struct poller_host){ .key = key };
        hs->n++;
    }
    h->feeds++;
    h->failing += fails;
    return 0;
}

/* Empty the slot and let those that stand behind it move up. */
static void take_out(struct poller_hosts *hs, struct poller_host *h)
{
    size_t i = (size_t)(h - hs->slot);

    *h = (struct poller_host){ 0 };
    hs->n--;
    for (i = (i + 1) & (hs->cap - 1); hs->slot[i].feeds; i = (i + 1) & (hs->cap - 1)) {
        struct poller_host moved = hs->slot[i];

        hs->slot[i] = (struct poller_host){ 0 };
        *slot_of(hs, moved.key) = moved;
    }
}

void poller_host_leave(struct poller_hosts *hs, uint64_t key, bool fails)
{
    struct poller_host *h = poller_host_find(hs, key);

    if (!h)
        return;
    h->failing -= fails && h->failing;
    if (--h->feeds == 0)
        take_out(hs, h);
}

bool poller_host_is_down(const struct poller_host *h)
{
    return h->feeds > 1 && h->failing >= h->feeds;
}
