/* Where a term or a leaf occurs in the item. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "match_impl.h"

void found_add(struct match_scratch *s, struct occurrence o)
{
    if (array_room((void **)&s->found.v, &s->found.cap, s->found.n, sizeof o) < 0)
        s->error = -ENOMEM;
    else
        s->found.v[s->found.n++] = o;
}

static void add_positions(struct match_scratch *s, uint32_t first, uint32_t last,
                          uint32_t before, uint32_t after)
{
    const struct text_token *a = &s->text.tokens[first], *b = &s->text.tokens[last];
    struct occurrence o = { .first = first, .last = last };

    o.segment = segment_of(s, first);
    o.off = a->src_off - before;
    o.end = b->src_off + b->src_len + after;
    found_add(s, o);
}

void term_find(struct match_scratch *s, uint32_t term)
{
    if (!has_term(s, term))
        return;
    for (uint32_t link = item_present(s, term)->first; link != NONE; link = s->next[link])
        add_positions(s, place_of(s, link), place_of(s, link), 0, 0);
}

/* The symbols before element `i` (after the last one, if i == n) of the phrase whose
 * first token is at `p`.  Adds the bytes they take outside the tokens to *more. */
static bool symbols_fit(const struct match_scratch *s, const struct leaf *leaf,
                        uint32_t p, uint32_t i, const struct segment *g, uint32_t *more)
{
    const struct element *e = &s->set->elements[leaf->element + i];
    const struct text_token *k = s->text.tokens;
    uint32_t at = p + i;
    uint32_t from = at > g->first ? k[at - 1].src_off + k[at - 1].src_len : 0;
    uint32_t to = at < g->end ? k[at].src_off : (uint32_t)g->src.n;
    struct text_symbol symbol[MAX_SYMBOLS + 1];
    struct str gap = { g->src.s + from, to > from ? to - from : 0 };
    const uint32_t *want = e->n_symbols ? s->set->symbols.v + e->symbols : NULL;

    if (e->dot && (gap.n == 0 || gap.s[gap.n - 1] != '.'))
        return false;
    if (e->dot)
        *more = 1;
    if (e->n_symbols == 0)
        return true;
    size_t max = i == 0 || i == leaf->n ? e->n_symbols : MAX_SYMBOLS + 1;
    size_t n = text_symbols(symbol, max, gap, i == 0);
    if (n != e->n_symbols)
        return false;
    for (size_t j = 0; j < n; j++)
        if (symbol[j].cp != want[j])
            return false;
    *more = i == 0 ? (uint32_t)gap.n - symbol[0].from : symbol[n - 1].to;
    return true;
}

static bool as_written(const struct match_scratch *s, const struct leaf *leaf,
                       const struct element *e, uint32_t p, const struct segment *g,
                       bool prefix)
{
    const struct text_token *k = &s->text.tokens[p];
    struct str is = { g->src.s + k->src_off, k->src_len };
    struct str want = { leaf->node->text.s + e->src_off, e->src_len };

    return prefix ? text_starts(is, want) : text_same(is, want);
}

static bool element_fits(const struct match_scratch *s, const struct element *e,
                         uint32_t p)
{
    const struct term *t = &s->set->dict.terms[e->term];

    if (t->kind == TERM_WORD)
        return s->term_at[p] == e->term;
    struct str is = text_folded(&s->text, &s->text.tokens[p]);
    return is.n >= t->len && memcmp(is.s, s->set->dict.text + t->text_off, t->len) == 0;
}

static void phrase_at(struct match_scratch *s, const struct leaf *leaf, uint32_t p)
{
    const struct element *e = &s->set->elements[leaf->element];
    const struct segment *g;
    uint32_t before = 0, after = 0, inside;

    for (uint32_t i = 1; i < leaf->n; i++)
        if (p + i >= s->text.n || !element_fits(s, &e[i], p + i))
            return;
    g = &s->segments[segment_of(s, p)];
    if (!segment_in(g, leaf->node->field))
        return;
    for (uint32_t i = 0; leaf->node->exact && i < leaf->n; i++)
        if (!as_written(s, leaf, &e[i], p + i, g,
                        leaf->node->op == RULE_PREFIX && i + 1 == leaf->n))
            return;
    for (uint32_t i = 0; leaf->symbols && i <= leaf->n; i++)
        if (!symbols_fit(s, leaf, p, i, g,
                         i == 0         ? &before
                         : i == leaf->n ? &after
                                        : &inside))
            return;
    add_positions(s, p, p + leaf->n - 1, before, after);
}

static void phrase_find(struct match_scratch *s, const struct leaf *leaf)
{
    const struct element *e = &s->set->elements[leaf->element];

    for (uint32_t i = 0; i < leaf->n; i++)
        if (!has_term(s, e[i].term))
            return;
    for (uint32_t link = item_present(s, e->term)->first; link != NONE;
         link = s->next[link])
        phrase_at(s, leaf, place_of(s, link));
}

/* Every place of one gap between tokens where the symbols stand. */
static void symbols_in(struct match_scratch *s, const struct leaf *leaf, uint32_t segment,
                       uint32_t from, uint32_t to)
{
    const uint32_t *want = s->set->symbols.v + leaf->element;
    struct text_symbol symbol[MAX_SYMBOLS];

    for (; from < to; from++) {
        struct str rest = { s->segments[segment].src.s + from, to - from };
        if (((unsigned char)*rest.s & 0xC0) == 0x80)
            continue; /* inside a character */
        size_t n = text_symbols(symbol, leaf->n, rest, false);
        if (n < leaf->n || symbol[0].from != 0)
            continue;
        while (n > 0 && symbol[n - 1].cp == want[n - 1])
            n--;
        if (n == 0)
            found_add(s, (struct occurrence){ NONE, NONE, from,
                                              from + symbol[leaf->n - 1].to, segment,
                                              false });
    }
}

static void symbols_find(struct match_scratch *s, const struct leaf *leaf)
{
    for (uint32_t i = 0; i < s->n_segments; i++) {
        const struct segment *g = &s->segments[i];
        uint32_t from = 0;
        if (!segment_in(g, leaf->node->field))
            continue;
        for (uint32_t p = g->first; p < g->end; p++) {
            const struct text_token *k = &s->text.tokens[p];
            symbols_in(s, leaf, i, from, k->src_off);
            from = k->src_off + k->src_len;
        }
        symbols_in(s, leaf, i, from, (uint32_t)g->src.n);
    }
}

void leaf_find(struct match_scratch *s, const struct leaf *leaf)
{
    switch (leaf->kind) {
    case LEAF_PHRASE:
        phrase_find(s, leaf);
        break;
    case LEAF_SYMBOLS:
        symbols_find(s, leaf);
        break;
    case LEAF_REGEX:
        regex_find(s, leaf);
        break;
    case LEAF_VALUE:
        value_find(s, leaf);
        break;
    }
}
