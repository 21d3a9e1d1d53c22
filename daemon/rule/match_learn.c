/* How common terms are among the items that pass: the next set that is compiled looks its
 * rules up by what is rare.  A table of counters by hash, shared by all threads and
 * handed from set to set.  Counts are estimates: words may share a counter, threads may
 * lose a step to each other.  What hits never depends on them.
 *
 * A reload compiles by them; nothing else does, and they are not stored.  For how many
 * rules ask for a word tells as much where rules are about what items are about (measure
 * it: make bench-match LEARN=-l): 100,000 such rules take the same time compiled by
 * counts or without, and so do a million; 100,000 rules of the 1000 commonest words alone
 * take a fifth less.  That is not worth a thread that compiles beside the running set of
 * its own accord. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "match_impl.h"

enum {
    SLOTS = 1 << LEARN_BITS,
    AT_FIRST = 4096, /* so many items are all counted, */
    THEN_EACH = 8,   /* then one in so many */
    ENOUGH = 256,    /* items that tell something */
    HALVE_AT = 1 << 16,
    STAMP_BITS = 12, /* of a slot: the last item that counted there */
};

struct match_learnt {
    atomic_uint refs;
    atomic_uint items;
    atomic_uint slot[SLOTS]; /* count << STAMP_BITS | stamp */
};

struct match_learnt *learnt_new(void)
{
    struct match_learnt *l = calloc(1, sizeof *l);

    if (l)
        atomic_init(&l->refs, 1);
    return l;
}

struct match_learnt *learnt_ref(struct match_learnt *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void learnt_unref(struct match_learnt *l)
{
    if (l && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
        free(l);
}

static void count(struct match_learnt *l, uint32_t slot, uint32_t stamp)
{
    unsigned old = atomic_load_explicit(&l->slot[slot], memory_order_relaxed);
    unsigned mask = (1u << STAMP_BITS) - 1;

    if ((old & mask) == stamp) /* once an item */
        return;
    old = ((old >> STAMP_BITS) + 1) << STAMP_BITS | stamp;
    atomic_store_explicit(&l->slot[slot], old, memory_order_relaxed);
}

/* The past counts half, so that what is new in the news is seen. */
static void halve(struct match_learnt *l, unsigned items)
{
    if (!atomic_compare_exchange_strong(&l->items, &items, items / 2))
        return;
    for (size_t i = 0; i < SLOTS; i++) {
        unsigned x = atomic_load_explicit(&l->slot[i], memory_order_relaxed);
        x = x >> STAMP_BITS >> 1 << STAMP_BITS;
        atomic_store_explicit(&l->slot[i], x, memory_order_relaxed);
    }
}

void item_learn(struct match_scratch *s)
{
    struct match_learnt *l = s->set->learnt;
    const struct text_token *k = s->text.tokens;

    if (!l)
        return;
    unsigned items = atomic_load_explicit(&l->items, memory_order_relaxed);
    if (items >= AT_FIRST && s->counts.items % THEN_EACH)
        return;
    items = atomic_fetch_add_explicit(&l->items, 1, memory_order_relaxed) + 1;
    uint32_t stamp = items % ((1u << STAMP_BITS) - 1) + 1;
    for (uint32_t p = 0; p < s->hi[RULE_ANY]; p++)
        if (k[p].fold_len)
            count(l, learnt_slot(term_hash(k[p].hash, TERM_WORD, RULE_ANY)), stamp);
    for (size_t i = 0; i < s->n_present; i++) {
        uint32_t id = s->present[i].term;
        const struct term *t = &s->set->dict.terms[id];
        if (t->kind != TERM_WORD || t->field != RULE_ANY)
            count(l, s->set->dict.learnt[id], stamp);
    }
    if (items >= HALVE_AT)
        halve(l, items);
}

uint32_t learnt_share(const struct match_learnt *l, uint32_t slot)
{
    if (!l)
        return NONE;
    unsigned items = atomic_load_explicit(&l->items, memory_order_relaxed);
    unsigned x = atomic_load_explicit(&l->slot[slot], memory_order_relaxed) >> STAMP_BITS;

    if (items < ENOUGH)
        return NONE;
    return x >= items ? 65536 : (uint32_t)((uint64_t)x * 65536 / items);
}
