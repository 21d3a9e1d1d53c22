/* Does a rule hold for the item, and by which occurrences? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "match_impl.h"

static int first_then_last(const void *a, const void *b)
{
    const struct occurrence *x = a, *y = b;

    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->last < y->last ? -1 : x->last > y->last;
}

static bool any_between(const struct numbers *sorted, uint32_t from, uint32_t to)
{
    size_t lo = 0, hi = sorted->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (sorted->v[mid] < from)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sorted->n && sorted->v[lo] <= to;
}

/* One operand of a NEAR: everything in found[from, to). */
struct operand {
    size_t from, to;
};

/* Of `x`, keep alive what some live occurrence of `y` is within reach of.  `x_follows`:
 * the link runs from y to x, which matters when it is ordered.  Returns how many live. */
static size_t prune(struct match_scratch *s, struct operand y, struct operand x,
                    uint32_t link, bool x_follows)
{
    uint32_t distance = link >> 1;
    bool ordered = link & 1;
    size_t alive = 0;

    s->near_first.n = s->near_last.n = 0;
    for (size_t i = y.from; i < y.to; i++)
        if (s->found.v[i].alive)
            if (numbers_add(&s->near_first, s->found.v[i].first) < 0 ||
                numbers_add(&s->near_last, s->found.v[i].last) < 0)
                s->error = -ENOMEM;
    sort_numbers(s->near_first.v, s->near_first.n);
    sort_numbers(s->near_last.v, s->near_last.n);
    for (size_t i = x.from; i < x.to; i++) {
        struct occurrence *o = &s->found.v[i];
        const struct segment *g = &s->segments[o->segment];
        uint32_t reach = distance < UINT32_MAX / 4 ? distance : UINT32_MAX / 4;
        uint32_t left = o->first > reach + 1 ? o->first - 1 - reach : 0;
        bool near = false;
        if (left < g->first)
            left = g->first;
        if ((!ordered || x_follows) && o->first > g->first)
            near = any_between(&s->near_last, left, o->first - 1);
        if (!near && (!ordered || !x_follows)) {
            uint32_t right = o->last + 1 + reach < g->end ? o->last + 1 + reach : g->end;
            near = any_between(&s->near_first, o->last + 1, right);
        }
        o->alive = o->alive && near;
        alive += o->alive;
    }
    return alive;
}

static void operand_find(struct match_scratch *s, const uint32_t *code)
{
    const uint32_t *part;

    if (code_op(*code) == CODE_TERM)
        term_find(s, code_arg(*code));
    else if (code_op(*code) == CODE_LEAF)
        leaf_find(s, &s->set->leaves[code_arg(*code)]);
    else if (code_op(*code) == CODE_OR) {
        part = code_parts(code);
        for (uint32_t i = 0; i < code_arg(*code); i++, part += code_size(part))
            operand_find(s, part);
    }
}

/* Find an operand's occurrences among words, in order. */
static struct operand operand_read(struct match_scratch *s, const uint32_t *code)
{
    struct operand o = { s->found.n, s->found.n };

    operand_find(s, code);
    for (size_t i = o.from; i < s->found.n; i++) {
        if (s->found.v[i].first == NONE)
            continue;
        s->found.v[o.to] = s->found.v[i];
        s->found.v[o.to++].alive = true;
    }
    s->found.n = o.to;
    if (o.to > o.from)
        sort_in_place(s->found.v + o.from, o.to - o.from, sizeof *s->found.v,
                      first_then_last);
    return o;
}

/* A chain of NEAR: walk it forth, keeping what can be reached from its beginning, then
 * back, keeping what leads to its end.  What is left takes part in some choice. */
static bool near_find(struct match_scratch *s, const uint32_t *code)
{
    struct operand o[RULE_MAX_CHAIN * 4];
    uint32_t n = code_arg(*code);
    const uint32_t *links = code + 2, *part = code_parts(code);
    size_t begin = s->found.n, kept = begin;

    if (n == 0 || n > sizeof o / sizeof *o)
        return false;
    for (uint32_t i = 0; i < n; i++, part += code_size(part)) {
        o[i] = operand_read(s, part);
        if (o[i].from == o[i].to ||
            (i && prune(s, o[i - 1], o[i], links[i - 1], true) == 0)) {
            s->found.n = begin;
            return false;
        }
    }
    for (uint32_t i = n - 1; i-- > 0;)
        prune(s, o[i + 1], o[i], links[i], false);
    for (size_t i = begin; i < s->found.n; i++)
        if (s->found.v[i].alive)
            s->found.v[kept++] = s->found.v[i];
    s->found.n = kept;
    return true;
}

static bool finds(struct match_scratch *s, const uint32_t *code)
{
    size_t before = s->found.n;

    if (code_op(*code) == CODE_LEAF && s->set->leaves[code_arg(*code)].term != NONE)
        return has_term(s, s->set->leaves[code_arg(*code)].term);
    if (code_op(*code) == CODE_NEAR)
        (void)near_find(s, code);
    else
        leaf_find(s, &s->set->leaves[code_arg(*code)]);
    bool some = s->found.n > before;
    s->found.n = before;
    return some;
}

/* How many parts hold; stops at `enough`. */
static uint32_t count(struct match_scratch *s, const uint32_t *code, uint32_t enough)
{
    const uint32_t *part = code_parts(code);
    uint32_t n = 0;

    for (uint32_t i = 0; i < code_arg(*code) && n < enough; i++, part += code_size(part))
        n += code_holds(s, part);
    return n;
}

bool code_holds(struct match_scratch *s, const uint32_t *code)
{
    const uint32_t *part;

    switch (code_op(*code)) {
    case CODE_ALL:
        return true;
    case CODE_TERM:
        return has_term(s, code_arg(*code));
    case CODE_LEAF:
    case CODE_NEAR:
        return finds(s, code);
    case CODE_TERMS:
        for (uint32_t i = 1; i <= code_arg(*code); i++)
            if (!has_term(s, code[i]))
                return false;
        return true;
    case CODE_AND:
        part = code_parts(code);
        for (uint32_t i = 0; i < code_arg(*code); i++, part += code_size(part))
            if (!code_holds(s, part))
                return false;
        return true;
    case CODE_OR:
        return count(s, code, 1) == 1;
    case CODE_NOT:
        return !code_holds(s, code_parts(code));
    case CODE_AT_LEAST:
        return count(s, code, code[2]) >= code[2];
    }
    return false;
}

/* Append the positions of a word that the item has. */
static inline void collect_term(struct match_scratch *s, uint32_t term)
{
    for (uint32_t link = item_present(s, term)->first; link != NONE;
         link = s->next[link]) {
        if (s->places.n < s->places.cap)
            s->places.v[s->places.n++] = place_of(s, link);
        else if (numbers_add(&s->places, place_of(s, link)) < 0)
            s->error = -ENOMEM;
    }
}

static bool collect(struct match_scratch *s, const uint32_t *code);

/* Collect from each part that holds; how many do. */
static uint32_t collect_parts(struct match_scratch *s, const uint32_t *code)
{
    const uint32_t *part = code_parts(code);
    uint32_t n = 0;

    for (uint32_t i = 0; i < code_arg(*code); i++, part += code_size(part))
        n += collect(s, part);
    return n;
}

/* Append the occurrences that make the part hold, those of single words to s->places and
 * all others to s->found; nothing when it does not hold. */
static bool collect(struct match_scratch *s, const uint32_t *code)
{
    size_t found = s->found.n, places = s->places.n;
    bool holds = true;

    switch (code_op(*code)) {
    case CODE_ALL:
        break;
    case CODE_TERM:
        holds = has_term(s, code_arg(*code));
        if (holds)
            collect_term(s, code_arg(*code));
        break;
    case CODE_LEAF:
        leaf_find(s, &s->set->leaves[code_arg(*code)]);
        holds = s->found.n > found;
        break;
    case CODE_NEAR:
        holds = near_find(s, code);
        break;
    case CODE_TERMS:
        holds = code_holds(s, code);
        for (uint32_t i = 1; holds && i <= code_arg(*code); i++)
            collect_term(s, code[i]);
        break;
    case CODE_AND:
        holds = collect_parts(s, code) == code_arg(*code);
        break;
    case CODE_OR:
        holds = collect_parts(s, code) > 0;
        break;
    case CODE_AT_LEAST:
        holds = collect_parts(s, code) >= code[2];
        break;
    case CODE_NOT:
        holds = !code_holds(s, code_parts(code));
        break;
    }
    if (!holds) {
        s->found.n = found;
        s->places.n = places;
    }
    return holds;
}

static int span_cmp(const void *x, const void *y)
{
    const struct match_span *a = x, *b = y;

    if (a->field != b->field)
        return a->field < b->field ? -1 : 1;
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return 0;
}

static void sort_spans(struct match_span *v, size_t n)
{
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            struct match_span x = v[i];
            size_t k = i;
            for (; k > 0 && span_cmp(&v[k - 1], &x) > 0; k--)
                v[k] = v[k - 1];
            v[k] = x;
        }
        return;
    }
    sort_in_place(v, n, sizeof *v, span_cmp);
}

/* Positions in order, each once. */
static size_t sort_places(uint32_t *v, size_t n)
{
    size_t m = n > 0;

    sort_numbers(v, n);
    for (size_t i = 1; i < n; i++)
        if (v[i] != v[m - 1])
            v[m++] = v[i];
    return m;
}

/* Positions are in order of field, index and offset, and so are their spans.  Tokens that
 * one character became share a span. */
static size_t place_spans(struct match_scratch *s)
{
    size_t n = sort_places(s->places.v, s->places.n), m = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t p = s->places.v[i];
        const struct text_token *k = &s->text.tokens[p];
        const struct segment *g = &s->segments[segment_of(s, p)];
        struct match_span *span = &s->spans[m];
        *span =
            (struct match_span){ (uint8_t)g->field, g->index, k->src_off, k->src_len };
        m += m == 0 || span->offset != span[-1].offset ||
             span->length != span[-1].length || span->field != span[-1].field ||
             span->index != span[-1].index;
    }
    return m;
}

/* Those of phrases and the like; then all spans in order, each once. */
static size_t add_found_spans(struct match_scratch *s, size_t n)
{
    size_t m = 0;

    for (size_t i = 0; i < s->found.n; i++) {
        const struct occurrence *o = &s->found.v[i];
        const struct segment *g = &s->segments[o->segment];
        s->spans[n++] =
            (struct match_span){ (uint8_t)g->field, g->index, o->off, o->end - o->off };
    }
    sort_spans(s->spans, n);
    for (size_t i = 0; i < n; i++)
        if (m == 0 || span_cmp(&s->spans[m - 1], &s->spans[i]) != 0)
            s->spans[m++] = s->spans[i];
    return m;
}

int code_spans(struct match_scratch *s, const uint32_t *code)
{
    s->found.n = s->places.n = 0;
    (void)collect(s, code);
    if (s->error == 0)
        s->error = array_room((void **)&s->spans, &s->spans_cap, s->found.n + s->places.n,
                              sizeof *s->spans);
    if (s->error < 0)
        return s->error;
    s->n_spans = place_spans(s);
    if (s->found.n)
        s->n_spans = add_found_spans(s, s->n_spans);
    return 0;
}
