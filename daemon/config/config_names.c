/* Memory, growing arrays and names of a config being read. */
#include "config_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

static struct arena_block *block_new(size_t size)
{
    struct arena_block *b = calloc(1, sizeof *b + size);

    if (b)
        b->size = size;
    return b;
}

void *arena_get(struct arena *a, size_t n)
{
    size_t pad = n ? (n + 7) / 8 * 8 : 8;
    struct arena_block *b = a->top;

    if (!b || b->size - b->used < pad) {
        bool big = pad > 2048; /* its own block, behind the one in use */

        size_t twice = b ? b->size * 2 : 4096; /* small configs stay small */

        b = block_new(big ? pad : twice < 65536 ? twice : 65536);
        if (!b)
            return NULL;
        if (big && a->top) {
            b->next = a->top->next;
            a->top->next = b;
        } else {
            b->next = a->top;
            a->top = b;
        }
    }
    b->used += pad;
    return b->bytes + (b->used - pad);
}

char *arena_copy(struct arena *a, struct str s)
{
    char *p = arena_get(a, s.n + 1);

    if (p && s.n)
        memcpy(p, s.s, s.n);
    return p;
}

void arena_free(struct arena *a)
{
    while (a->top) {
        struct arena_block *next = a->top->next;
        free(a->top);
        a->top = next;
    }
}

void *list_add(struct list *l)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        void *at = reallocarray(l->at, cap, l->size);
        if (!at)
            return NULL;
        l->at = at;
        l->cap = cap;
    }
    char *p = (char *)l->at + l->n++ * l->size;
    memset(p, 0, l->size);
    return p;
}

static size_t slot_of(const struct names *t, int kind, struct str name)
{
    size_t i = XXH3_64bits_withSeed(name.s, name.n, (XXH64_hash_t)kind) & (t->cap - 1);

    while (t->slot[i].name &&
           !(t->slot[i].kind == kind && str_eq(str_of(t->slot[i].name), name)))
        i = (i + 1) & (t->cap - 1);
    return i;
}

const struct name *names_find(const struct names *t, int kind, struct str name)
{
    if (!t->cap)
        return NULL;
    const struct name *e = &t->slot[slot_of(t, kind, name)];
    return e->name ? e : NULL;
}

static int names_grow(struct names *t)
{
    struct names bigger = { .cap = t->cap ? t->cap * 2 : 64 };

    bigger.slot = calloc(bigger.cap, sizeof *bigger.slot);
    if (!bigger.slot)
        return -ENOMEM;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slot[i].name)
            bigger.slot[slot_of(&bigger, t->slot[i].kind, str_of(t->slot[i].name))] =
                t->slot[i];
    bigger.n = t->n;
    free(t->slot);
    *t = bigger;
    return 0;
}

int names_add(struct names *t, int kind, const char *name, size_t index)
{
    if (t->n * 2 >= t->cap && names_grow(t) < 0)
        return -ENOMEM;
    t->slot[slot_of(t, kind, str_of(name))] = (struct name){ name, kind, index };
    t->n++;
    return 0;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;

    return m < c ? m : c;
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Restricted Damerau-Levenshtein distance, without regard to ASCII case. */
unsigned edit_distance(struct str a, struct str b, unsigned limit)
{
    unsigned row[3][CONFIG_NAME_MAX + 2];

    if (a.n > CONFIG_NAME_MAX || b.n > CONFIG_NAME_MAX || a.n > b.n + limit ||
        b.n > a.n + limit)
        return limit + 1;
    for (unsigned j = 0; j <= b.n; j++)
        row[0][j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

        now[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned char x = lower(a.s[i - 1]), y = lower(b.s[j - 1]);

            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b.s[j - 2]) && lower(a.s[i - 2]) == y &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
    }
    return row[a.n % 3][b.n];
}

unsigned edit_limit(struct str wrong)
{
    return wrong.n < 4 ? 1 : wrong.n < 9 ? 2 : 3;
}

const char *names_nearest(const struct names *t, int kind, struct str wrong)
{
    const char *best = NULL;
    unsigned least = edit_limit(wrong) + 1;

    for (size_t i = 0; i < t->cap; i++) {
        if (!t->slot[i].name || t->slot[i].kind != kind)
            continue;
        unsigned d = edit_distance(wrong, str_of(t->slot[i].name), least - 1);
        if (d < least || (best && d == least && strcmp(t->slot[i].name, best) < 0)) {
            least = d;
            best = t->slot[i].name;
        }
    }
    return best;
}
