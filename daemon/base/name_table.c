/* A hash table of entries that have names. */
#include "name_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static struct name_entry **slot_of(struct name_entry **slot, size_t cap, uint64_t hash,
                                   struct str name)
{
    size_t i = hash & (cap - 1);

    while (slot[i] && (slot[i]->hash != hash || !str_eq(str_of(slot[i]->name), name)))
        i = (i + 1) & (cap - 1);
    return &slot[i];
}

static int grow(struct name_table *t)
{
    size_t cap = t->cap ? t->cap * 2 : 32;
    struct name_entry **slot = calloc(cap, sizeof *slot);

    if (!slot)
        return -ENOMEM;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slot[i])
            *slot_of(slot, cap, t->slot[i]->hash, str_of(t->slot[i]->name)) = t->slot[i];
    free(t->slot);
    t->slot = slot;
    t->cap = cap;
    return 0;
}

void *name_table_find(const struct name_table *t, struct str name)
{
    return t->cap ? *slot_of(t->slot, t->cap, XXH3_64bits(name.s, name.n), name) : NULL;
}

void *name_table_get(struct name_table *t, struct str name, size_t bytes)
{
    uint64_t hash = XXH3_64bits(name.s, name.n);

    if (t->n * 4 >= t->cap * 3 && grow(t) < 0)
        return NULL;
    struct name_entry **slot = slot_of(t->slot, t->cap, hash, name), *e = *slot;
    if (e)
        return e;
    e = calloc(1, bytes);
    if (!e || !(e->name = strndup(name.n ? name.s : "", name.n))) {
        free(e);
        return NULL;
    }
    e->hash = hash;
    t->n++;
    *slot = e;
    return e;
}

void *name_table_next(const struct name_table *t, size_t *at)
{
    while (*at < t->cap)
        if (t->slot[(*at)++])
            return t->slot[*at - 1];
    return NULL;
}

void name_table_done(struct name_table *t)
{
    for (size_t i = 0; i < t->cap; i++) {
        if (t->slot[i])
            free(t->slot[i]->name);
        free(t->slot[i]);
    }
    free(t->slot);
    *t = (struct name_table){ 0 };
}
