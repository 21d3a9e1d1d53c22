#ifndef POLLER_H
#define POLLER_H
/* A thread that polls its share of the feeds: schedule, fetch, parse, judge, match, and
 * hands what must last to the writer.  Pollers share nothing but the immutable snapshot.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "snapshot.h"
#include "store.h"
#include "writer.h"

struct poller;

struct poller_feed {                /* one feed as bound to its row of the store */
    const struct config_feed *conf; /* of the snapshot given beside */
    struct store_feed state;
    bool known; /* the poller's own */
};

struct poller_options {
    const char *state_dir;
    const char *dns_servers; /* NULL: the system's */
    bool once; /* poll each feed once, due or not, then report through `finished_fd` */
    int finished_fd; /* an eventfd, written once when all is done; -1: none */
    uint64_t seed;   /* of the jitter */
    unsigned number; /* of this poller; names the thread */
    unsigned of;     /* so many pollers share max_transfers; 0: this one alone */
};

/* Start the thread.  0 or -errno. */
int poller_new(struct poller **out, struct writer *writer,
               const struct poller_options *opt);

/* The feeds of a poller under `snap`, to be given to it.  Takes over `feeds` (an array
 * from malloc, with the states in it).  0 or -ENOMEM, then nothing changed. */
struct poller_order;
int poller_order_new(struct poller_order **out, struct snapshot *snap,
                     struct poller_feed *feeds, size_t n);
void poller_order_free(struct poller_order *o); /* one that was not given; NULL is fine */

/* Those it knows go on undisturbed, new ones are scheduled, others are dropped when their
 * fetch in flight has ended.  Cannot fail: what there is no memory for is done as soon as
 * there is. */
void poller_give(struct poller *p, struct poller_order *o);

/* Ask the thread to end: what it has judged is handed to the writer, fetches are dropped.
 */
void poller_stop(struct poller *p);

/* Wait for the end and free.  -ETIMEDOUT: the thread hangs; the process must end without
 * it. */
int poller_join(struct poller *p, int64_t deadline_ms);
#endif
