/* The dictionary of a rule set: built by open addressing, then frozen into buckets of one
 * cache line, so that a word that no rule has costs one line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "match_impl.h"

int array_room(void **p, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return 0;

    size_t more = *cap ? *cap * 2 : 64;
    if (more <= n)
        more = n + 1;
    void *q = realloc(*p, more * size);
    if (!q)
        return -ENOMEM;
    *p = q;
    *cap = more;
    return 0;
}

int numbers_room(struct numbers *s, size_t more)
{
    return array_room((void **)&s->v, &s->cap, s->n + more, sizeof *s->v);
}

int numbers_add(struct numbers *s, uint32_t x)
{
    int r = numbers_room(s, 1);

    if (r == 0)
        s->v[s->n++] = x;
    return r;
}

static int grow_slots(struct dict *d)
{
    size_t n = d->slots_n ? d->slots_n * 2 : 256;
    uint32_t *slots = calloc(n, sizeof *slots);

    if (!slots)
        return -ENOMEM;
    for (size_t id = 0; id < d->n; id++) {
        size_t i = d->hashes[id] & (n - 1);
        while (slots[i])
            i = (i + 1) & (n - 1);
        slots[i] = (uint32_t)id + 1;
    }
    free(d->slots);
    d->slots = slots;
    d->slots_n = n;
    return 0;
}

static int append(struct dict *d, struct str text, uint64_t hash, enum term_kind kind,
                  enum rule_field field)
{
    size_t cap = d->cap;

    if (array_room((void **)&d->text, &d->text_cap, d->text_n + text.n, 1) < 0 ||
        array_room((void **)&d->terms, &cap, d->n, sizeof *d->terms) < 0)
        return -ENOMEM;
    if (array_room((void **)&d->hashes, &d->cap, d->n, sizeof *d->hashes) < 0)
        return -ENOMEM;
    if (d->text_n + text.n > UINT32_MAX || text.n >= 1 << 22 || d->n >= DICT_ASK)
        return -ENOMEM;
    memcpy(d->text + d->text_n, text.s, text.n);
    d->hashes[d->n] = hash;
    d->terms[d->n++] = (struct term){
        .text_off = (uint32_t)d->text_n,
        .len = (uint32_t)text.n & 0x3FFFFF,
        .kind = (uint32_t)kind & 15,
        .field = (uint32_t)field & 15,
    };
    memcpy(d->terms[d->n - 1].head, text.s, text.n < TERM_HEAD ? text.n : TERM_HEAD);
    d->text_n += text.n;
    return 0;
}

int dict_add(struct dict *d, struct str text, uint64_t hash, enum term_kind kind,
             enum rule_field field, uint32_t *id)
{
    if (d->n * 2 >= d->slots_n && grow_slots(d) < 0)
        return -ENOMEM;

    size_t i = hash & (d->slots_n - 1);
    for (; d->slots[i]; i = (i + 1) & (d->slots_n - 1)) {
        uint32_t known = d->slots[i] - 1;
        if (d->hashes[known] == hash && dict_is(d, known, text, kind, field)) {
            *id = known;
            return 0;
        }
    }
    if (append(d, text, hash, kind, field) < 0)
        return -ENOMEM;
    *id = (uint32_t)d->n - 1;
    d->slots[i] = *id + 1;
    return 0;
}

int dict_freeze(struct dict *d)
{
    size_t n = 1;

    while (n * 6 < d->n) /* 6 of 10 slots on average, at most */
        n *= 2;
    d->buckets = aligned_alloc(64, n * sizeof *d->buckets);
    if (!d->buckets)
        return -ENOMEM;
    memset(d->buckets, 0, n * sizeof *d->buckets);
    d->bucket_mask = (uint32_t)n - 1;
    d->learnt = malloc(d->n * sizeof *d->learnt);
    if (!d->learnt)
        return -ENOMEM;
    for (size_t id = 0; id < d->n; id++) {
        d->learnt[id] = learnt_slot(d->hashes[id]);
        uint32_t b = (uint32_t)d->hashes[id] & d->bucket_mask;
        while (d->buckets[b].n >= BUCKET_SLOTS) {
            d->buckets[b].n = BUCKET_SLOTS + 1;
            b = (b + 1) & d->bucket_mask;
        }
        struct bucket *to = &d->buckets[b];
        to->tag[to->n] = dict_tag(d->hashes[id]);
        to->id[to->n++] = (uint32_t)id;
    }
    free(d->slots);
    free(d->hashes);
    d->slots = NULL;
    d->hashes = NULL;
    return 0;
}

uint32_t dict_find(const struct dict *d, struct str text, uint64_t hash,
                   enum term_kind kind, enum rule_field field)
{
    for (uint32_t i = (uint32_t)hash & d->bucket_mask;; i = (i + 1) & d->bucket_mask) {
        const struct bucket *b = &d->buckets[i];
        for (uint32_t bits = dict_slots(b, dict_tag(hash)); bits; bits &= bits - 1) {
            uint32_t id = b->id[__builtin_ctz(bits)];
            if (dict_is(d, id, text, kind, field))
                return id;
        }
        if (b->n <= BUCKET_SLOTS)
            return NONE;
    }
}

void dict_free(struct dict *d)
{
    free(d->terms);
    free(d->text);
    free(d->buckets);
    free(d->learnt);
    free(d->slots);
    free(d->hashes);
}
