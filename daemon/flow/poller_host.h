#ifndef POLLER_HOST_H
#define POLLER_HOST_H
/* How the hosts of a poller fare: a host whose feeds all fail is asked by one of them at
 * a time.  Pure bookkeeping. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct poller_host {
    uint64_t key;
    uint32_t feeds, failing;
    uint32_t failures; /* polls in a row that failed while all of its feeds fail */
    int64_t until_ms;  /* mono: it is left alone until then; 0: it is not */
};

struct poller_hosts { /* open addressing; zeroed is empty */
    struct poller_host *slot;
    size_t cap, n;
};

void poller_hosts_free(struct poller_hosts *hs);

/* A feed comes to the host.  0 or -ENOMEM (then the host does not count it). */
int poller_host_join(struct poller_hosts *hs, uint64_t key, bool fails);
void poller_host_leave(struct poller_hosts *hs, uint64_t key, bool fails);

/* The host, or NULL. */
struct poller_host *poller_host_find(const struct poller_hosts *hs, uint64_t key);

/* Do all of its feeds fail, and are they more than one? */
bool poller_host_is_down(const struct poller_host *h);
#endif
