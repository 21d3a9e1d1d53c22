/* Which items need not be read: the print of an item's bytes and of all else that its
 * meaning hangs on. */
#include <xxhash.h>
#include "feed_xml.h"

static unsigned long all_repairs(const struct feed_member *x)
{
    unsigned long n = 0;

    for (int i = 0; i < XML_REPAIRS; i++)
        n += x->filter.repairs[i];
    return n + x->filter.too_deep; /* to be said again of the next document */
}

static void add(uint64_t *h, const void *bytes, size_t n)
{
    *h = XXH3_64bits_withSeed(n ? bytes : "", n, *h + n + 1);
}

static void add_str(uint64_t *h, struct str s)
{
    add(h, s.s, s.n);
}

/* Everything outside of an item that feed_xml_action.c and feed_xml_element.c look at
 * while they make one. */
static uint64_t print_of_context(const struct feed_member *x)
{
    const struct xml_frame *f = &x->stack[x->depth - 1];
    const struct feed_parse *p = x->p;
    const uint64_t flag[] = { x->atom,  x->filter.html,     p->item.no_alt,
                              x->depth, p->limits.max_text, p->limits.max_depth };
    uint64_t h = 0;

    add(&h, flag, sizeof flag);
    add(&h, x->arena.s + f->base_off, f->base_n);
    add(&h, x->arena.s + f->lang_off, f->lang_n);
    for (size_t i = 0; i < x->n_bind; i++) {
        const struct xml_bind *b = &x->bind[i];
        add(&h, x->arena.s + b->prefix_off, b->prefix_n);
        add(&h, &b->ns, sizeof b->ns);
    }
    add_str(&h, buf_str(&p->url));
    add_str(&h, feed_build_get(&p->feed, FEED_LINK));
    add_str(&h, feed_build_get(&p->feed, FEED_SELF));
    add_str(&h, feed_build_get(&p->feed, FEED_LANG));
    add_str(&h, buf_str(&x->person_feed));
    add_str(&h, buf_str(&x->filter.entities));
    return h;
}

/* Between items of the feed, with tags that fit.  A prefix that is not declared is
 * reported once for the document, so that the items with it are not seen to need it. */
static bool may_start(void *ctx)
{
    struct feed_member *x = ctx;

    if (x->stop || x->closed || x->unclosed || x->in_item || x->capture.rule ||
        x->depth == 0 || x->stack[x->depth - 1].place != PLACE_FEED ||
        x->prefix_reported || x->filter.repairs[XML_REPAIR_NESTING] ||
        x->filter.repairs[XML_REPAIR_TAG])
        return false;
    x->context = print_of_context(x);
    return true;
}

static bool is_known(void *ctx, const char *s, size_t n)
{
    struct feed_member *x = ctx;
    struct feed_parse *p = x->p;
    uint64_t print = XXH3_64bits_withSeed(s, n, x->context);

    x->item_print = print ? print : 1;
    x->item_depth = x->depth;
    x->item_repairs = all_repairs(x);
    x->items_before = p->result.items;
    if (p->ended || p->result.items >= p->limits.max_items ||
        !p->is_known(p->ctx, x->item_print))
        return false;
    p->result.items++;
    return true;
}

static void was_read(void *ctx)
{
    struct feed_member *x = ctx;
    struct feed_parse *p = x->p;

    if (!p->ended && !x->stop && !x->closed && !x->in_item && !x->capture.rule &&
        x->depth == x->item_depth && p->result.items == x->items_before + 1 &&
        all_repairs(x) == x->item_repairs && !x->prefix_reported)
        p->on_read(p->ctx, x->item_print);
}

void xml_pass_known(struct feed_member *x)
{
    static const struct xml_filter_items items = { may_start, is_known, was_read };

    if (x->p->is_known && x->p->on_read)
        x->filter.items = &items;
}
