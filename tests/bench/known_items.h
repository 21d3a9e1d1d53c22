#ifndef KNOWN_ITEMS_H
#define KNOWN_ITEMS_H
/* A reader that knows items by their bytes: it puts down what it knows of each, so that
 * what comes out must be what comes out when all are read. */
#include "feed_files.h"

#ifndef KNOWN_MAX
#define KNOWN_MAX (1 << 14) /* a power of two */
#endif

struct known {
    struct known_item {
        uint64_t print;
        char *text;
        size_t n;
    } item[KNOWN_MAX];
    size_t n;
    struct buf *out; /* of the parse at hand */
    size_t last;     /* where the item that came last begins in it */
    size_t passed;   /* items that were not read */
};

static inline struct known_item *known_slot(struct known *k, uint64_t print)
{
    size_t i = print & (KNOWN_MAX - 1);

    while (k->item[i].print && k->item[i].print != print)
        i = (i + 1) & (KNOWN_MAX - 1);
    return &k->item[i];
}

static inline void known_forget(struct known *k)
{
    for (size_t i = 0; i < KNOWN_MAX; i++)
        free(k->item[i].text);
    *k = (struct known){ 0 };
}

static inline int known_item(void *ctx, const struct item *it,
                             const struct feed_info *info)
{
    struct known *k = ctx;

    k->last = k->out->n;
    return put_item(k->out, it, info);
}

static inline bool known_is_known(void *ctx, uint64_t print)
{
    struct known *k = ctx;
    const struct known_item *i = known_slot(k, print);

    if (!i->print)
        return false;
    k->passed++;
    (void)buf_put(k->out, i->text, i->n);
    return true;
}

static inline void known_read(void *ctx, uint64_t print)
{
    struct known *k = ctx;
    struct known_item *i = known_slot(k, print);

    if (i->print || k->n > KNOWN_MAX / 2)
        return;
    i->n = k->out->n - k->last;
    i->text = malloc(i->n + 1);
    if (!i->text)
        return;
    memcpy(i->text, k->out->s + k->last, i->n);
    i->print = print;
    k->n++;
}

/* Parse `doc` in pieces of `step` bytes; `k` NULL: read all.  0 or -ENOMEM. */
static inline int known_parse(struct known *k, struct buf *out,
                              struct feed_parse_result *r, struct str doc, size_t step)
{
    struct feed_parse_options opt = { .url = STR("http://example.org/feed") };
    struct feed_parse *p = NULL;

    if (k) {
        opt.is_known = known_is_known;
        opt.on_read = known_read;
        k->out = out;
    }
    int e =
        feed_parse_new(&p, &opt, k ? known_item : put_item, k ? (void *)k : (void *)out);
    if (e < 0)
        return e;
    for (size_t i = 0; i < doc.n; i += step)
        if (feed_parse_push(p, doc.s + i, doc.n - i < step ? doc.n - i : step) < 0)
            break;
    feed_parse_finish(p, r);
    feed_parse_free(p);
    return out->error;
}

/* (How often a hopeless document was mended may depend on the split.) */
static inline bool known_same(const struct feed_parse_result *a,
                              const struct feed_parse_result *b)
{
    return a->status == b->status && a->items == b->items &&
           a->wellformed == b->wellformed && !strcmp(a->charset, b->charset);
}
#endif
