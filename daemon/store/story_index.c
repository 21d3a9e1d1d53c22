/* Lists of stories by key. */
#include "story_index.h"

#include <errno.h>
#include <stdlib.h>

void story_index_free(struct story_index *x)
{
    free(x->slot);
    *x = (struct story_index){ 0 };
}

static struct story_list **slot_of(const struct story_index *x, uint64_t key)
{
    struct story_list **at = &x->slot[key & (x->cap - 1)];

    while (*at && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

static int grow(struct story_index *x)
{
    struct story_index more = { .cap = x->cap ? x->cap * 2 : 64, .n = x->n };

    more.slot = calloc(more.cap, sizeof *more.slot);
    if (!more.slot)
        return -ENOMEM;
    for (size_t i = 0; i < x->cap; i++)
        for (struct story_list *l = x->slot[i], *next; l; l = next) {
            struct story_list **at = &more.slot[l->key & (more.cap - 1)];

            next = l->next;
            l->next = *at;
            *at = l;
        }
    free(x->slot);
    *x = more;
    return 0;
}

int story_index_put(struct story_index *x, uint64_t key, struct story_ref *ref,
                    struct story *s)
{
    if (x->n >= x->cap && grow(x) < 0)
        return -ENOMEM;
    struct story_list **at = slot_of(x, key);
    if (!*at) {
        struct story_list *l = calloc(1, sizeof *l);

        if (!l)
            return -ENOMEM;
        l->key = key;
        *at = l;
        x->n++;
    }
    *ref = (struct story_ref){ .list = *at, .older = (*at)->first, .story = s };
    if (ref->older)
        ref->older->newer = ref;
    (*at)->first = ref;
    (*at)->n++;
    return 0;
}

void story_index_take(struct story_index *x, struct story_ref *ref)
{
    struct story_list *l = ref->list;

    if (!l)
        return;
    *(ref->newer ? &ref->newer->older : &l->first) = ref->older;
    if (ref->older)
        ref->older->newer = ref->newer;
    *ref = (struct story_ref){ 0 };
    if (--l->n)
        return;
    *slot_of(x, l->key) = l->next;
    x->n--;
    free(l);
}

const struct story_list *story_index_find(const struct story_index *x, uint64_t key)
{
    return x->cap ? *slot_of(x, key) : NULL;
}

size_t story_index_bytes(const struct story_index *x)
{
    return x->n * sizeof(struct story_list);
}
