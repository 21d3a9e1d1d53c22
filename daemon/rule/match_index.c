/* Postings: under which terms each rule is looked up, and what else the item must have
 * before the rule is worth a look. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "match_impl.h"

static const uint64_t NEVER = UINT64_MAX / 4; /* cost of what no term stands for */

/* Of 65536 items, how many have a term of which nothing is known but its kind: a word in
 * full is rare, a language is not. */
static uint32_t kind_share(const struct term *t)
{
    switch ((enum rule_field)t->field) {
    case RULE_LANG:
        return 32768;
    case RULE_GROUP:
        return 8192;
    case RULE_SITE:
    case RULE_FEED:
        return 1024;
    case RULE_ANY:
        return t->kind == TERM_GRAM ? 2048 : t->kind == TERM_PREFIX ? 64 : 0;
    default:
        return 0;
    }
}

/* From the uses of each term to what it costs to look a rule up by it: how often an item
 * has it.  Where none was counted, rules tell: what many ask for is common; and long
 * words are rarer. */
static void price_terms(struct compiler *c)
{
    const struct dict *d = &c->set->dict;

    for (size_t i = 0; i < d->n; i++) {
        const struct term *t = &d->terms[i];
        uint32_t uses = c->uses.v[i];
        uint32_t known = learnt_share(c->set->learnt, learnt_slot(d->hashes[i]));
        if (known == NONE) {
            uses = uses < 1 << 27 ? uses : 1 << 27;
            c->uses.v[i] =
                (kind_share(t) << 15) + uses * 8 + (t->len < 8 ? 8 - t->len : 0);
            continue;
        }
        if (known == 0) /* only a set that has them counts terms that are not words */
            known = kind_share(t);
        c->uses.v[i] = known << 15 | (uses < 32767 ? uses : 32767);
    }
}

static uint64_t term_cost(const struct compiler *c, uint32_t term)
{
    return (uint64_t)c->uses.v[term] + 1;
}

/* The term of a phrase that costs least, or that of a value; NONE for other leaves. */
static uint32_t leaf_term(const struct compiler *c, const struct leaf *leaf)
{
    uint32_t best = leaf->term;

    for (uint32_t i = 0; leaf->kind == LEAF_PHRASE && i < leaf->n; i++) {
        const struct element *e = &c->set->elements[leaf->element + i];
        if (best == NONE || term_cost(c, e->term) < term_cost(c, best))
            best = e->term;
        if (e->pair != NONE && term_cost(c, e->pair) <= term_cost(c, best))
            best = e->pair;
    }
    return best;
}

static uint64_t cost(const struct compiler *c, const uint32_t *code);

/* The cost of the part that is cheapest, and which it is. */
static uint64_t cheapest(const struct compiler *c, const uint32_t *code,
                         const uint32_t **which)
{
    const uint32_t *part = code_parts(code);
    uint64_t best = NEVER;

    *which = part;
    for (uint32_t i = 0; i < code_arg(*code); i++, part += code_size(part)) {
        uint64_t x = cost(c, part);
        if (x >= best)
            continue;
        best = x;
        *which = part;
    }
    return best;
}

/* Of n parts of which k must hold, n - k + 1 are enough to look the rule up by: what the
 * cheapest ones, up to `limit`, cost together. */
static uint64_t at_least_cost(const struct compiler *c, const uint32_t *code,
                              uint64_t limit)
{
    const uint32_t *part = code_parts(code);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < code_arg(*code); i++, part += code_size(part)) {
        uint64_t x = cost(c, part);
        if (x <= limit)
            sum += x;
    }
    return sum;
}

/* The greatest cost among those n - k + 1 cheapest parts. */
static uint64_t at_least_limit(const struct compiler *c, const uint32_t *code)
{
    uint32_t n = code_arg(*code), k = code[2], rank = n >= k ? n - k + 1 : 0;
    const uint32_t *part = code_parts(code);

    for (uint32_t i = 0; i < n; i++, part += code_size(part)) {
        uint64_t x = cost(c, part);
        const uint32_t *other = code_parts(code);
        uint32_t below = 0, same = 0;
        for (uint32_t j = 0; j < n; j++, other += code_size(other)) {
            uint64_t y = cost(c, other);
            below += y < x;
            same += y == x;
        }
        if (below < rank && rank <= below + same)
            return x;
    }
    return NEVER;
}

static uint64_t sum_of_parts(const struct compiler *c, const uint32_t *code)
{
    const uint32_t *part = code_parts(code);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < code_arg(*code); i++, part += code_size(part)) {
        sum += cost(c, part);
        if (sum >= NEVER)
            return NEVER;
    }
    return sum;
}

static uint64_t cost(const struct compiler *c, const uint32_t *code)
{
    const uint32_t *part;
    uint64_t best = NEVER, limit;
    uint32_t term;

    switch (code_op(*code)) {
    case CODE_ALL:
    case CODE_NOT:
        return NEVER;
    case CODE_TERM:
        return term_cost(c, code_arg(*code));
    case CODE_LEAF:
        term = leaf_term(c, &c->set->leaves[code_arg(*code)]);
        return term == NONE ? NEVER : term_cost(c, term);
    case CODE_TERMS:
        for (uint32_t i = 1; i <= code_arg(*code); i++)
            if (term_cost(c, code[i]) < best)
                best = term_cost(c, code[i]);
        return best;
    case CODE_AND:
    case CODE_NEAR:
        return cheapest(c, code, &part);
    case CODE_OR:
        return sum_of_parts(c, code);
    case CODE_AT_LEAST:
        if (code[2] <= 1)
            return sum_of_parts(c, code);
        limit = at_least_limit(c, code);
        return limit >= NEVER ? NEVER : at_least_cost(c, code, limit);
    }
    return NEVER;
}

/* Terms that an item must have for the part to hold. */
static int add_required(struct compiler *c, const uint32_t *code)
{
    const uint32_t *part;
    const struct leaf *leaf;
    int r = 0;

    switch (code_op(*code)) {
    case CODE_ALL:
    case CODE_NOT:
    case CODE_OR:
    case CODE_AT_LEAST:
        break;
    case CODE_TERM:
        return numbers_add(&c->filters, code_arg(*code));
    case CODE_LEAF:
        leaf = &c->set->leaves[code_arg(*code)];
        for (uint32_t i = 0; r == 0 && leaf->kind == LEAF_PHRASE && i < leaf->n; i++) {
            const struct element *e = &c->set->elements[leaf->element + i];
            r = numbers_add(&c->filters, e->pair != NONE ? e->pair : e->term);
        }
        if (r == 0 && leaf->term != NONE)
            r = numbers_add(&c->filters, leaf->term);
        break;
    case CODE_TERMS:
        for (uint32_t i = 1; r == 0 && i <= code_arg(*code); i++)
            r = numbers_add(&c->filters, code[i]);
        break;
    case CODE_AND:
    case CODE_NEAR:
        part = code_parts(code);
        for (uint32_t i = 0; r == 0 && i < code_arg(*code); i++, part += code_size(part))
            r = add_required(c, part);
        break;
    }
    return r;
}

/* The filters that save most first: insertion sort, without the anchor and repetitions.
 */
static size_t sort_filters(const struct compiler *c, uint32_t *f, size_t n,
                           uint32_t anchor)
{
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t x = f[i];
        bool drop = x == anchor;
        for (size_t k = 0; k < m; k++)
            drop |= f[k] == x;
        if (drop)
            continue;
        size_t k = m++;
        for (; k > 0 && term_cost(c, f[k - 1]) > term_cost(c, x); k--)
            f[k] = f[k - 1];
        f[k] = x;
    }
    return m;
}

static int add_record(struct compiler *c, uint32_t place, uint32_t anchor, bool sure)
{
    uint32_t f[256];
    size_t n = c->filters.n < 256 ? c->filters.n : 256;

    if (n < c->filters.n)
        sure = false;
    if (n)
        memcpy(f, c->filters.v, n * sizeof *f);
    n = sort_filters(c, f, n, anchor);
    if (n > MAX_FILTERS) {
        n = MAX_FILTERS;
        sure = false;
    }
    if (numbers_room(&c->records, n + 3) < 0)
        return -ENOMEM;
    uint32_t *to = c->records.v + c->records.n;
    to[0] = anchor;
    to[1] = place;
    to[2] = (uint32_t)n << 1 | sure;
    if (n)
        memcpy(to + 3, f, n * sizeof *f);
    c->records.n += n + 3;
    c->set->dict.terms[anchor].n_heads++;
    c->set->n_heads++;
    return 0;
}

static int add_records(struct compiler *c, uint32_t place, const uint32_t *code,
                       bool sure);

/* Does the part hold where all the terms are that it requires? */
static bool is_sure(const struct match_set *set, const uint32_t *code)
{
    return code_op(*code) == CODE_TERM || code_op(*code) == CODE_TERMS ||
           (code_op(*code) == CODE_LEAF && set->leaves[code_arg(*code)].term != NONE);
}

/* One part stands for the whole; what the others need is filtered for. */
static int add_best_part(struct compiler *c, uint32_t place, const uint32_t *code,
                         bool sure)
{
    const uint32_t *best, *part = code_parts(code);
    int r = 0;

    cheapest(c, code, &best);
    for (uint32_t i = 0; r == 0 && i < code_arg(*code); i++, part += code_size(part)) {
        if (part == best)
            continue;
        sure = sure && is_sure(c->set, part);
        r = add_required(c, part);
    }
    return r < 0 ? r : add_records(c, place, best, sure);
}

static int add_any_part(struct compiler *c, uint32_t place, const uint32_t *code,
                        uint64_t limit, bool sure)
{
    const uint32_t *part = code_parts(code);
    size_t filters = c->filters.n;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < code_arg(*code); i++, part += code_size(part)) {
        if (cost(c, part) > limit)
            continue;
        r = add_records(c, place, part, sure);
        c->filters.n = filters;
    }
    return r;
}

static int add_leaf_record(struct compiler *c, uint32_t place, const uint32_t *code,
                           bool sure)
{
    uint32_t term = leaf_term(c, &c->set->leaves[code_arg(*code)]);
    int r = add_required(c, code);

    return r < 0 ? r : add_record(c, place, term, sure && is_sure(c->set, code));
}

static int add_terms_record(struct compiler *c, uint32_t place, const uint32_t *code,
                            bool sure)
{
    uint32_t best = code[1];
    int r = add_required(c, code);

    for (uint32_t i = 2; i <= code_arg(*code); i++)
        if (term_cost(c, code[i]) < term_cost(c, best))
            best = code[i];
    return r < 0 ? r : add_record(c, place, best, sure);
}

/* Look the rule at `place` up by the part at `code`.  `sure`: with the filters so far,
 * that this part holds is enough. */
static int add_records(struct compiler *c, uint32_t place, const uint32_t *code,
                       bool sure)
{
    switch (code_op(*code)) {
    case CODE_ALL:
    case CODE_NOT:
        break;
    case CODE_TERM:
        return add_record(c, place, code_arg(*code), sure);
    case CODE_LEAF:
        return add_leaf_record(c, place, code, sure);
    case CODE_TERMS:
        return add_terms_record(c, place, code, sure);
    case CODE_AND:
        return add_best_part(c, place, code, sure);
    case CODE_NEAR:
        return add_best_part(c, place, code, false);
    case CODE_OR:
        return add_any_part(c, place, code, NEVER, sure);
    case CODE_AT_LEAST:
        return add_any_part(c, place, code,
                            code[2] <= 1 ? NEVER : at_least_limit(c, code),
                            sure && code[2] == 1);
    }
    return 0;
}

/* The heads of each term together, each with the record it is made of. */
static int place_heads(struct compiler *c)
{
    struct match_set *set = c->set;
    uint32_t total = 0;

    set->heads = calloc(set->n_heads + 1, sizeof *set->heads);
    if (!set->heads || c->records.n > UINT32_MAX)
        return -ENOMEM;
    for (size_t i = 0; i < set->dict.n; i++) {
        struct term *t = &set->dict.terms[i];
        t->heads = total;
        total += t->n_heads;
        t->n_heads = 0;
    }
    for (size_t i = 0; i < c->records.n; i += (c->records.v[i + 2] >> 1) + 3) {
        struct term *t = &set->dict.terms[c->records.v[i]];
        set->heads[t->heads + t->n_heads++].ref = (uint32_t)i;
    }
    return 0;
}

/* From records to heads and bodies; bodies of one term lie together, too. */
static int place_bodies(struct compiler *c)
{
    struct match_set *set = c->set;

    for (size_t i = 0; i < set->n_heads; i++) {
        struct head *h = &set->heads[i];
        const uint32_t *record = c->records.v + h->ref;
        uint32_t n = record[2] >> 1, sure = record[2] & 1;
        h->filter = n ? record[3] : ALWAYS;
        if (n <= 1 && sure) {
            h->ref = record[1] | HEAD_SURE;
            continue;
        }
        n = n ? n - 1 : 0;
        h->ref = (uint32_t)set->bodies.n;
        if (h->ref >= HEAD_SURE || numbers_room(&set->bodies, n + 2) < 0)
            return -ENOMEM;
        uint32_t *to = set->bodies.v + set->bodies.n;
        to[0] = n << 1 | sure;
        to[1] = record[1];
        for (uint32_t k = 0; k < n; k++)
            to[2 + k] = record[4 + k];
        set->bodies.n += n + 2;
    }
    return 0;
}

static int make_prefix_table(struct prefix_table *t, size_t prefixes)
{
    for (t->n = 64; t->n < prefixes * 8; t->n *= 2)
        ;
    t->lengths = calloc(t->n, sizeof *t->lengths);
    t->some = calloc(t->n / 64, sizeof *t->some);
    return t->lengths && t->some ? 0 : -ENOMEM;
}

static void note_prefix(struct match_set *set, const struct term *term)
{
    uint32_t n = term->len;
    uint64_t bit = (uint64_t)1 << (n < PREFIX_MAX ? n : PREFIX_MAX);
    struct prefix_table *t = n < PREFIX_LONG ? &set->short_prefixes : &set->long_prefixes;

    if (n < PREFIX_SHORT) {
        set->tiny_prefixes |= bit;
        return;
    }
    size_t i = prefix_slot(t, prefix_bytes(dict_load(term->head),
                                           n < PREFIX_LONG ? PREFIX_SHORT : PREFIX_LONG));
    t->lengths[i] |= bit;
    t->some[i >> 6] |= (uint64_t)1 << (i & 63);
}

static int index_prefixes(struct match_set *set)
{
    const struct dict *d = &set->dict;
    size_t n = 0;

    for (size_t i = 0; i < d->n; i++)
        n += d->terms[i].kind == TERM_PREFIX;
    if (n == 0)
        return 0;
    if (make_prefix_table(&set->long_prefixes, n) < 0 ||
        make_prefix_table(&set->short_prefixes, n) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < d->n; i++)
        if (d->terms[i].kind == TERM_PREFIX)
            note_prefix(set, &d->terms[i]);
    return 0;
}

int index_rules(struct compiler *c)
{
    struct match_set *set = c->set;
    int r = set->codes.n < HEAD_SURE ? 0 : -ENOMEM;

    price_terms(c);
    for (size_t at = 0; r == 0 && at < set->codes.n;) {
        const uint32_t *code = set->codes.v + at + 1;
        c->filters.n = 0;
        if (cost(c, code) >= NEVER)
            r = numbers_add(&set->always, (uint32_t)at);
        else
            r = add_records(c, (uint32_t)at, code, true);
        at += 1 + code_size(code);
    }
    if (r == 0)
        r = index_prefixes(set);
    if (r == 0)
        r = gram_index(set);
    if (r == 0)
        r = place_heads(c);
    return r < 0 ? r : place_bodies(c);
}
