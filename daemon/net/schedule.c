/* When is each feed due next?  Feeds wait in their host's heap, hosts in one heap. */
#include "schedule.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define DAY_MS ((int64_t)24 * 60 * 60 * 1000)

/* A feed is a node of its host's pairing heap (Fredman et al. 1986), ordered by due_ms:
 * links instead of arrays, so that nothing is allocated after schedule_set(). */
struct feed { /* 24 bytes; index = id */
    int64_t due_ms;
    uint32_t host;  /* index, NONE: unknown feed */
    uint32_t child; /* first child; of a feed in flight: IN_FLIGHT */
    uint32_t next;  /* sibling */
    uint32_t prev;  /* left sibling, or parent of a first child; NONE: root */
};
#define IN_FLIGHT (UINT32_MAX - 1)

struct host { /* 56 bytes */
    uint64_t key;
    int64_t open_ms;  /* the gap after the last start ends here */
    int64_t hold_ms;  /* Retry-After ends here */
    int64_t back_ms;  /* back-off of the whole host ends here */
    int64_t start_ms; /* earliest possible start: the key in the heap of hosts */
    uint32_t root;    /* the waiting feed due first */
    uint32_t feeds;   /* waiting and in flight */
    uint32_t flying : 30;
    uint32_t exempt : 1;
    uint32_t unused : 1; /* in the list of spare hosts */
    uint32_t at;         /* place in the heap of hosts, NONE: cannot start anything now */
};

struct schedule {
    struct feed *feed;
    uint32_t feed_cap;
    struct host *host;
    uint32_t hosts, host_cap;
    uint32_t spare; /* head of the list of unused hosts, linked by root */
    uint32_t *heap; /* of host indices; host_cap of them fit */
    uint32_t heap_n;
    uint32_t *slot; /* open addressing: key -> host index */
    uint32_t slot_mask;
    int64_t gap_ms, seen_ms; /* seen_ms: the latest `now` of a pop */
    uint32_t parallel;
    uint64_t random;
};

struct schedule *schedule_new(uint64_t seed)
{
    struct schedule *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->random = seed;
    s->seen_ms = INT64_MIN;
    s->spare = NONE;
    return s;
}

void schedule_free(struct schedule *s)
{
    if (!s)
        return;
    free(s->feed);
    free(s->host);
    free(s->heap);
    free(s->slot);
    free(s);
}

static int64_t add_ms(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* ---- the heap of hosts ---- */

static void heap_put(struct schedule *s, uint32_t at, uint32_t h)
{
    s->heap[at] = h;
    s->host[h].at = at;
}

static void heap_up(struct schedule *s, uint32_t at)
{
    uint32_t h = s->heap[at];

    while (at > 0) {
        uint32_t up = (at - 1) / 2;
        if (s->host[s->heap[up]].start_ms <= s->host[h].start_ms)
            break;
        heap_put(s, at, s->heap[up]);
        at = up;
    }
    heap_put(s, at, h);
}

static void heap_down(struct schedule *s, uint32_t at)
{
    uint32_t h = s->heap[at];

    for (;;) {
        uint32_t kid = 2 * at + 1;
        if (kid >= s->heap_n)
            break;
        if (kid + 1 < s->heap_n &&
            s->host[s->heap[kid + 1]].start_ms < s->host[s->heap[kid]].start_ms)
            kid++;
        if (s->host[s->heap[kid]].start_ms >= s->host[h].start_ms)
            break;
        heap_put(s, at, s->heap[kid]);
        at = kid;
    }
    heap_put(s, at, h);
}

static void heap_remove(struct schedule *s, uint32_t h)
{
    uint32_t at = s->host[h].at;

    s->host[h].at = NONE;
    s->heap_n--;
    if (at == s->heap_n)
        return;
    heap_put(s, at, s->heap[s->heap_n]);
    heap_up(s, at);
    heap_down(s, s->host[s->heap[at]].at);
}

/* Bring host `h` to its place after anything about it changed. */
static void host_place(struct schedule *s, uint32_t h)
{
    struct host *host = &s->host[h];
    bool full = !host->exempt && s->parallel && host->flying >= s->parallel;

    if (host->root == NONE || full) {
        if (host->at != NONE)
            heap_remove(s, h);
        return;
    }
    host->start_ms = s->feed[host->root].due_ms;
    if (!host->exempt && host->open_ms > host->start_ms)
        host->start_ms = host->open_ms;
    if (host->hold_ms > host->start_ms)
        host->start_ms = host->hold_ms;
    if (host->back_ms > host->start_ms)
        host->start_ms = host->back_ms;
    if (host->at == NONE) {
        host->at = s->heap_n;
        s->heap[s->heap_n++] = h;
    }
    heap_up(s, host->at);
    heap_down(s, host->at);
}

/* ---- the feeds of one host: a pairing heap ---- */

/* Join two roots; the one due first stays root. */
static uint32_t feed_meld(struct schedule *s, uint32_t a, uint32_t b)
{
    if (a == NONE)
        return b;
    if (b == NONE)
        return a;
    if (s->feed[b].due_ms < s->feed[a].due_ms) {
        uint32_t t = a;
        a = b;
        b = t;
    }
    uint32_t kid = s->feed[a].child;
    s->feed[b].next = kid;
    s->feed[b].prev = a;
    if (kid != NONE)
        s->feed[kid].prev = b;
    s->feed[a].child = b;
    return a;
}

/* Make one root of a list of siblings: pairs from the left, then all from the right. */
static uint32_t feed_meld_list(struct schedule *s, uint32_t first)
{
    uint32_t pairs = NONE, root = NONE;

    while (first != NONE) {
        uint32_t a = first, b = s->feed[a].next;
        first = b == NONE ? NONE : s->feed[b].next;
        s->feed[a].next = s->feed[a].prev = NONE;
        if (b != NONE)
            s->feed[b].next = s->feed[b].prev = NONE;
        a = feed_meld(s, a, b);
        s->feed[a].next = pairs;
        pairs = a;
    }
    while (pairs != NONE) {
        uint32_t rest = s->feed[pairs].next;
        s->feed[pairs].next = NONE;
        root = feed_meld(s, root, pairs);
        pairs = rest;
    }
    return root;
}

static void feed_insert(struct schedule *s, uint32_t id, uint32_t h, int64_t due_ms)
{
    s->feed[id] = (struct feed){ due_ms, h, NONE, NONE, NONE };
    s->host[h].root = feed_meld(s, s->host[h].root, id);
    host_place(s, h);
}

/* Take waiting feed `id` out of its host's heap; the host is not placed anew. */
static void feed_unlink(struct schedule *s, uint32_t id)
{
    struct feed *f = &s->feed[id];
    struct host *host = &s->host[f->host];
    uint32_t kids = feed_meld_list(s, f->child);

    if (host->root == id) {
        host->root = kids;
    } else {
        if (s->feed[f->prev].child == id)
            s->feed[f->prev].child = f->next;
        else
            s->feed[f->prev].next = f->next;
        if (f->next != NONE)
            s->feed[f->next].prev = f->prev;
        host->root = feed_meld(s, host->root, kids);
    }
    f->child = f->next = f->prev = NONE;
}

/* ---- finding hosts ---- */

static uint64_t mix(uint64_t x) /* the finalizer of splitmix64 */
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint32_t *slot_of(const struct schedule *s, uint64_t key)
{
    uint32_t i = (uint32_t)mix(key) & s->slot_mask;

    while (s->slot[i] != NONE && s->host[s->slot[i]].key != key)
        i = (i + 1) & s->slot_mask;
    return &s->slot[i];
}

static void slots_fill(struct schedule *s)
{
    memset(s->slot, 0xff, ((size_t)s->slot_mask + 1) * sizeof *s->slot);
    for (uint32_t h = 0; h < s->hosts; h++)
        if (!s->host[h].unused)
            *slot_of(s, s->host[h].key) = h;
}

/* Forget hosts without feeds whose gap and hold are over: nothing about them matters. */
static uint32_t hosts_sweep(struct schedule *s)
{
    uint32_t n = 0;

    for (uint32_t h = 0; h < s->hosts; h++) {
        struct host *host = &s->host[h];
        if (host->unused || host->exempt || host->feeds || host->open_ms > s->seen_ms ||
            host->hold_ms > s->seen_ms || host->back_ms > s->seen_ms)
            continue;
        host->unused = 1;
        host->root = s->spare;
        s->spare = h;
        n++;
    }
    if (n)
        slots_fill(s);
    return n;
}

static int hosts_grow(struct schedule *s)
{
    uint32_t cap = s->host_cap ? s->host_cap * 2 : 16;
    struct host *host = realloc(s->host, cap * sizeof *host);

    if (!host)
        return -ENOMEM;
    s->host = host;
    uint32_t *heap = realloc(s->heap, cap * sizeof *heap);
    if (!heap)
        return -ENOMEM;
    s->heap = heap;
    uint32_t *slot = malloc(2 * (size_t)cap * sizeof *slot);
    if (!slot)
        return -ENOMEM;
    free(s->slot);
    s->slot = slot;
    s->slot_mask = 2 * cap - 1;
    s->host_cap = cap;
    slots_fill(s);
    return 0;
}

static bool host_find(const struct schedule *s, uint64_t key, uint32_t *h)
{
    if (!s->slot || *slot_of(s, key) == NONE)
        return false;
    *h = *slot_of(s, key);
    return true;
}

static int host_get(struct schedule *s, uint64_t key, uint32_t *h)
{
    if (host_find(s, key, h))
        return 0;
    if (s->spare == NONE && s->hosts == s->host_cap &&
        hosts_sweep(s) <= s->host_cap / 4) {
        int r = hosts_grow(s);
        if (r < 0 && s->spare == NONE)
            return r;
    }
    if (s->spare != NONE) {
        *h = s->spare;
        s->spare = s->host[*h].root;
    } else {
        *h = s->hosts++;
    }
    s->host[*h] = (struct host){ .key = key,
                                 .open_ms = INT64_MIN,
                                 .hold_ms = INT64_MIN,
                                 .back_ms = INT64_MIN,
                                 .root = NONE,
                                 .at = NONE };
    *slot_of(s, key) = *h;
    return 0;
}

/* ---- the interface ---- */

static bool feed_known(const struct schedule *s, uint32_t id)
{
    return id < s->feed_cap && s->feed[id].host != NONE;
}

static int feeds_grow(struct schedule *s, uint32_t id)
{
    if (id < s->feed_cap)
        return 0;
    size_t cap = s->feed_cap ? (size_t)s->feed_cap + s->feed_cap / 2 : 64;
    if (cap <= id)
        cap = (size_t)id + 1;
    struct feed *feed = realloc(s->feed, cap * sizeof *feed);
    if (!feed)
        return -ENOMEM;
    for (size_t i = s->feed_cap; i < cap; i++)
        feed[i].host = NONE;
    s->feed = feed;
    s->feed_cap = (uint32_t)cap;
    return 0;
}

int schedule_set(struct schedule *s, uint32_t id, uint64_t host, int64_t due_ms)
{
    uint32_t h;

    if (id >= SCHEDULE_ID_MAX)
        return -EINVAL;
    int r = feeds_grow(s, id);
    if (r == 0)
        r = host_get(s, host, &h);
    if (r != 0)
        return r;
    struct feed *f = &s->feed[id];
    if (f->host == h && f->child == IN_FLIGHT)
        return 0; /* schedule_done() will say when it is due */
    bool flying = f->host != NONE && f->child == IN_FLIGHT;
    schedule_remove(s, id);
    s->host[h].feeds++;
    if (flying) {
        *f = (struct feed){ due_ms, h, IN_FLIGHT, NONE, NONE };
        s->host[h].flying++;
        host_place(s, h);
    } else {
        feed_insert(s, id, h, due_ms);
    }
    return 0;
}

void schedule_remove(struct schedule *s, uint32_t id)
{
    if (!feed_known(s, id))
        return;
    uint32_t h = s->feed[id].host;
    if (s->feed[id].child == IN_FLIGHT)
        s->host[h].flying--;
    else
        feed_unlink(s, id);
    s->feed[id].host = NONE;
    s->host[h].feeds--;
    host_place(s, h);
}

void schedule_host_limits(struct schedule *s, int64_t gap_ms, uint32_t parallel)
{
    s->gap_ms = gap_ms;
    s->parallel = parallel;
    for (uint32_t h = 0; h < s->hosts; h++)
        if (!s->host[h].unused)
            host_place(s, h);
}

int schedule_host_exempt(struct schedule *s, uint64_t host)
{
    uint32_t h;
    int r = host_get(s, host, &h);

    if (r < 0)
        return r;
    s->host[h].exempt = 1;
    host_place(s, h);
    return 0;
}

int schedule_host_hold(struct schedule *s, uint64_t host, int64_t until_ms)
{
    uint32_t h;
    int r = host_get(s, host, &h);

    if (r < 0)
        return r;
    if (until_ms > s->host[h].hold_ms)
        s->host[h].hold_ms = until_ms;
    host_place(s, h);
    return 0;
}

int schedule_host_backoff(struct schedule *s, uint64_t host, int64_t until_ms)
{
    uint32_t h;
    int r = host_get(s, host, &h);

    if (r < 0)
        return r;
    s->host[h].back_ms = until_ms;
    host_place(s, h);
    return 0;
}

int schedule_pop_due(struct schedule *s, int64_t now_ms, uint32_t *id)
{
    if (now_ms > s->seen_ms)
        s->seen_ms = now_ms;
    if (s->heap_n == 0 || s->host[s->heap[0]].start_ms > now_ms)
        return 0;
    uint32_t h = s->heap[0];
    struct host *host = &s->host[h];
    uint32_t first = host->root;

    feed_unlink(s, first);
    s->feed[first].child = IN_FLIGHT;
    host->flying++;
    host->open_ms = add_ms(now_ms, s->gap_ms);
    host_place(s, h);
    *id = first;
    return 1;
}

int schedule_done(struct schedule *s, uint32_t id, int64_t due_ms)
{
    if (!feed_known(s, id) || s->feed[id].child != IN_FLIGHT)
        return -ENOENT;
    uint32_t h = s->feed[id].host;
    s->host[h].flying--;
    feed_insert(s, id, h, due_ms);
    return 0;
}

int64_t schedule_next_ms(const struct schedule *s)
{
    return s->heap_n ? s->host[s->heap[0]].start_ms : INT64_MAX;
}

int64_t schedule_host_next_ms(const struct schedule *s, uint64_t host)
{
    uint32_t h;

    if (!host_find(s, host, &h) || s->host[h].root == NONE)
        return INT64_MAX;
    return s->feed[s->host[h].root].due_ms;
}

static uint64_t random_next(struct schedule *s) /* splitmix64 */
{
    return mix(s->random += 0x9e3779b97f4a7c15u);
}

int64_t schedule_spread_ms(struct schedule *s, int64_t window_ms)
{
    return window_ms > 0 ? (int64_t)(random_next(s) % (uint64_t)window_ms) : 0;
}

/* `base` with a random part of +-base/`part`. */
static int64_t jitter(struct schedule *s, int64_t base, int64_t part)
{
    int64_t most = base / part;

    return base - most + schedule_spread_ms(s, add_ms(2 * most, 1));
}

int64_t schedule_jitter_ms(struct schedule *s, int64_t base_ms)
{
    return base_ms > 0 ? jitter(s, base_ms, 10) : base_ms;
}

int64_t schedule_backoff_ms(struct schedule *s, int64_t base_ms, unsigned failures)
{
    int64_t most = DAY_MS / 6 * 5; /* so that +20 % ends at one day */

    if (base_ms <= 0)
        base_ms = 1000;
    while (failures-- > 0 && base_ms < most)
        base_ms = add_ms(base_ms, base_ms);
    return jitter(s, base_ms < most ? base_ms : most, 5);
}

void schedule_spread_overdue(struct schedule *s, int64_t now_ms, int64_t window_ms)
{
    for (uint32_t id = 0; id < s->feed_cap; id++) {
        struct feed *f = &s->feed[id];
        if (f->host == NONE || f->child == IN_FLIGHT || f->due_ms >= now_ms)
            continue;
        uint32_t h = f->host;
        feed_unlink(s, id);
        feed_insert(s, id, h, add_ms(now_ms, schedule_spread_ms(s, window_ms)));
    }
}
