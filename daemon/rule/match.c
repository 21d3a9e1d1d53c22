/* The matcher: compile a set of rules, and match an item against it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "match.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include "match_impl.h"

void match_set_free(struct match_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->n_leaves; i++)
        if (set->leaves[i].regex)
            regex_free(&set->leaves[i]);
    dict_free(&set->dict);
    free(set->codes.v);
    free(set->heads);
    free(set->bodies.v);
    free(set->always.v);
    free(set->leaves);
    free(set->elements);
    free(set->symbols.v);
    free(set->grams);
    learnt_unref(set->learnt);
    free(set->long_prefixes.lengths);
    free(set->long_prefixes.some);
    free(set->short_prefixes.lengths);
    free(set->short_prefixes.some);
    free(set);
}

/* The first term is the one that every item has. */
static int compile_always(struct compiler *c)
{
    char none[TERM_HEAD] = { 0 };
    uint32_t id;
    int r =
        dict_add(&c->set->dict, (struct str){ none, 0 }, 0, TERM_ALWAYS, RULE_ANY, &id);

    return r < 0 ? r : numbers_add(&c->uses, 0);
}

struct ranked {
    uint32_t id, place;
};

static int by_id(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Rules in order of id: hits then come out in that order by themselves. */
static int compile_all(struct compiler *c, const struct match_rule *rules,
                       const struct ranked *order, size_t n, size_t *bad)
{
    struct match_set *set = c->set;
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct match_rule *rule = &rules[order ? order[i].place : i];
        r = numbers_add(&set->codes, rule->id);
        if (r == 0)
            r = compile_rule(c, rule->root);
        if (r == -EINVAL && bad)
            *bad = (size_t)(rule - rules);
    }
    return r;
}

static struct ranked *ranked_rules(const struct match_rule *rules, size_t n, bool *sorted)
{
    struct ranked *order = NULL;

    *sorted = true;
    for (size_t i = 1; i < n; i++)
        *sorted = *sorted && rules[i - 1].id <= rules[i].id;
    if (*sorted)
        return NULL;
    order = malloc(n * sizeof *order);
    if (!order)
        return NULL;
    for (size_t i = 0; i < n; i++)
        order[i] = (struct ranked){ rules[i].id, (uint32_t)i };
    qsort(order, n, sizeof *order, by_id);
    return order;
}

static size_t trim(void *array, size_t *cap, size_t n, size_t size)
{
    void **a = array;
    void *p = n ? realloc(*a, n * size) : NULL;

    if (p) {
        *a = p;
        *cap = n;
    }
    return *cap * size;
}

/* Give back what growing took too much of, and add up the rest. */
static void shrink(struct match_set *s)
{
    size_t cap = s->dict.cap;

    s->bytes = sizeof *s + (s->n_heads + 1) * sizeof *s->heads;
    s->bytes += trim(&s->codes.v, &s->codes.cap, s->codes.n, sizeof(uint32_t));
    s->bytes += trim(&s->bodies.v, &s->bodies.cap, s->bodies.n, sizeof(uint32_t));
    s->bytes += trim(&s->always.v, &s->always.cap, s->always.n, sizeof(uint32_t));
    s->bytes += trim(&s->symbols.v, &s->symbols.cap, s->symbols.n, sizeof(uint32_t));
    s->bytes += trim(&s->leaves, &s->leaves_cap, s->n_leaves, sizeof *s->leaves);
    s->bytes += trim(&s->elements, &s->elements_cap, s->n_elements, sizeof *s->elements);
    s->bytes += trim(&s->dict.terms, &cap, s->dict.n, sizeof *s->dict.terms);
    s->bytes += trim(&s->dict.text, &s->dict.text_cap, s->dict.text_n, 1);
    s->bytes += (s->dict.bucket_mask + 1ul) * sizeof *s->dict.buckets;
    s->bytes += s->dict.n * sizeof *s->dict.learnt;
    s->bytes += s->grams ? ((size_t)1 << GRAM_BITS) / 8 : 0;
    s->bytes += (s->long_prefixes.n + s->short_prefixes.n) * sizeof(uint64_t);
}

static int compile_set(struct match_set **out, struct match_learnt *learnt,
                       const struct match_rule *rules, size_t n, struct buf *why,
                       size_t *bad)
{
    struct buf unused = { 0 };
    struct compiler c = { .why = why ? why : &unused };
    struct ranked *order = NULL;
    bool sorted;
    int r = -ENOMEM;

    buf_init(&unused, 1024);
    if (n >= UINT32_MAX / 8)
        return -ENOMEM;
    c.set = calloc(1, sizeof *c.set);
    if (!c.set)
        return -ENOMEM;
    c.set->n_rules = n;
    c.set->learnt = learnt ? learnt_ref(learnt) : NULL;
    order = ranked_rules(rules, n, &sorted);
    if (!sorted && !order)
        goto out;
    r = compile_always(&c);
    if (r == 0)
        r = compile_all(&c, rules, order, n, bad);
    if (r == 0)
        r = index_rules(&c);
    if (r == 0)
        r = dict_freeze(&c.set->dict);
    if (r == 0)
        shrink(c.set);
out:
    free(order);
    text_done(&c.text);
    free(c.uses.v);
    free(c.records.v);
    free(c.filters.v);
    buf_free(&unused);
    if (r < 0)
        match_set_free(c.set);
    else
        *out = c.set;
    return r;
}

int match_set_new(struct match_set **out, const struct match_rule *rules, size_t n,
                  struct buf *why, size_t *bad)
{
    return compile_set(out, NULL, rules, n, why, bad);
}

int match_set_new_after(struct match_set **out, const struct match_set *before,
                        const struct match_rule *rules, size_t n, struct buf *why,
                        size_t *bad)
{
    bool fresh = !before || !before->learnt;
    struct match_learnt *learnt = fresh ? learnt_new() : learnt_ref(before->learnt);
    int r = learnt ? compile_set(out, learnt, rules, n, why, bad) : -ENOMEM;

    learnt_unref(learnt);
    return r;
}

int match_scratch_new(struct match_scratch **out)
{
    struct match_scratch *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    *out = s;
    return 0;
}

void match_scratch_free(struct match_scratch *s)
{
    if (!s)
        return;
    text_done(&s->text);
    text_done(&s->name[0]);
    text_done(&s->name[1]);
    free(s->segments);
    free(s->next);
    free(s->term_at);
    free(s->extra);
    free(s->wants);
    free(s->bits);
    free(s->present);
    free(s->present_table);
    free(s->passed);
    free(s->maybe.v);
    free(s->hits);
    free(s->places.v);
    free(s->sorted);
    free(s->found.v);
    free(s->near_first.v);
    free(s->near_last.v);
    free(s->spans);
    pcre2_match_data_free(s->regex_data);
    pcre2_match_context_free(s->regex_context);
    pcre2_jit_stack_free(s->regex_stack);
    free(s);
}

unsigned long match_scratch_regex_limits(const struct match_scratch *s)
{
    return s->counts.regex_limits;
}

const struct match_counts *match_scratch_counts(const struct match_scratch *s)
{
    return &s->counts;
}

size_t match_set_bytes(const struct match_set *set)
{
    return set->bytes;
}

static int add_hits_room(struct match_scratch *s, size_t more)
{
    return array_room((void **)&s->hits, &s->hits_cap, s->n_hits + more, sizeof *s->hits);
}

/* Heads of one term: most fail.  Without a branch, so that it costs the same whatever the
 * item has. */
static int scan(struct match_scratch *s, const struct term *t)
{
    const struct match_set *set = s->set;
    const struct head *h = set->heads + t->heads;
    uint32_t n = t->n_heads;
    uint32_t *passed;
    size_t k = 0;

    if (s->n_passed + n >= s->passed_cap &&
        array_room((void **)&s->passed, &s->passed_cap, s->n_passed + n,
                   sizeof *s->passed) < 0)
        return -ENOMEM;
    passed = s->passed + s->n_passed;
    for (uint32_t i = 0; i < n; i++) {
        passed[k] = h[i].ref;
        k += has_term(s, h[i].filter);
    }
    for (size_t i = 0; i < k; i++)
        __builtin_prefetch(passed[i] & HEAD_SURE ? set->codes.v + (passed[i] & ~HEAD_SURE)
                                                 : set->bodies.v + passed[i]);
    s->n_passed += k;
    s->counts.candidates += n;
    return 0;
}

/* A rule that passed its head: do its other filters pass, too? */
static inline void look_at_body(struct match_scratch *s, const uint32_t *body)
{
    const uint32_t *filter = body + 2;

    for (uint32_t n = body[0] >> 1; n > 0; n--)
        if (!has_term(s, *filter++))
            return;
    __builtin_prefetch(s->set->codes.v + body[1]);
    if (body[0] & 1)
        s->hits[s->n_hits++] = body[1];
    else
        s->maybe.v[s->maybe.n++] = body[1];
}

static int look_at_passed(struct match_scratch *s)
{
    const uint32_t *bodies = s->set->bodies.v;

    if (add_hits_room(s, s->n_passed) < 0 || numbers_room(&s->maybe, s->n_passed) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < s->n_passed; i++) {
        if (s->passed[i] & HEAD_SURE)
            s->hits[s->n_hits++] = s->passed[i] & ~HEAD_SURE;
        else
            look_at_body(s, bodies + s->passed[i]);
    }
    return 0;
}

enum { AHEAD = 8 }; /* rules whose code is called for before it is needed */

static int evaluate(struct match_scratch *s, const uint32_t *rules, size_t n)
{
    const uint32_t *codes = s->set->codes.v;
    unsigned long limits = s->counts.regex_limits;
    int r = add_hits_room(s, n);

    for (size_t i = 0; r == 0 && i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(codes + rules[i + AHEAD]);
        if (code_holds(s, codes + rules[i] + 1))
            s->hits[s->n_hits++] = rules[i];
        if (s->counts.regex_limits != limits) {
            limits = s->counts.regex_limits;
            s->counts.limited = codes[rules[i]];
        }
    }
    s->counts.evaluated += n;
    return r;
}

static int find_hits(struct match_scratch *s)
{
    const struct match_set *set = s->set;
    int r = 0;

    s->n_hits = s->n_passed = s->maybe.n = 0;
    for (size_t i = 0; r == 0 && i < s->n_present; i++)
        r = scan(s, &set->dict.terms[s->present[i].term]);
    if (r == 0)
        r = look_at_passed(s);
    if (r == 0)
        r = evaluate(s, s->maybe.v, s->maybe.n);
    if (r == 0)
        r = evaluate(s, set->always.v, set->always.n);
    return r;
}

static int sort_many_hits(struct match_scratch *s)
{
    int r = array_room((void **)&s->sorted, &s->sorted_cap, s->n_hits, sizeof *s->sorted);
    uint32_t *from = s->hits, *to = s->sorted;

    if (r < 0)
        return r;
    for (unsigned shift = 0; shift < 32 && s->set->codes.n >> shift; shift += 8) {
        uint32_t at[257] = { 0 };
        for (size_t i = 0; i < s->n_hits; i++)
            at[(from[i] >> shift & 255) + 1]++;
        for (size_t i = 1; i < 256; i++)
            at[i] += at[i - 1];
        for (size_t i = 0; i < s->n_hits; i++)
            to[at[from[i] >> shift & 255]++] = from[i];
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != s->hits)
        memcpy(s->hits, from, s->n_hits * sizeof *from);
    return 0;
}

/* Insertion sort for few, radix sort for many: nothing is allocated in the steady state,
 * and there is no bad case. */
static int sort_hits(struct match_scratch *s)
{
    uint32_t *v = s->hits;

    if (s->n_hits > 40)
        return sort_many_hits(s);
    for (size_t i = 1; i < s->n_hits; i++) {
        uint32_t x = v[i];
        size_t k = i;
        for (; k > 0 && v[k - 1] > x; k--)
            v[k] = v[k - 1];
        v[k] = x;
    }
    return 0;
}

static int report_hits(struct match_scratch *s, match_hit_fn *on_hit, void *ctx)
{
    const uint32_t *codes = s->set->codes.v;
    int r = 0;

    for (size_t i = 0; r == 0 && i < s->n_hits; i++) {
        uint32_t rule = s->hits[i];
        if (i + AHEAD < s->n_hits)
            __builtin_prefetch(codes + s->hits[i + AHEAD]);
        if (i && s->hits[i - 1] == rule)
            continue;
        s->counts.hits++;
        r = code_spans(s, codes + rule + 1);
        if (r == 0)
            r = on_hit(ctx, codes[rule], s->spans, s->n_spans);
    }
    return r;
}

int match_item(const struct match_set *set, struct match_scratch *s,
               const struct match_input *in, match_hit_fn *on_hit, void *ctx)
{
    int r;

    s->set = set;
    s->in = in;
    s->error = 0;
    s->counts.items++;
    s->found.n = 0;
    r = item_read(s);
    if (r == 0) {
        item_learn(s);
        r = find_hits(s);
    }
    if (r == 0)
        r = s->error;
    if (r == 0 && s->n_hits > 1)
        r = sort_hits(s);
    if (r == 0)
        r = report_hits(s, on_hit, ctx);
    item_forget(s);
    s->set = NULL;
    s->in = NULL;
    return r;
}
