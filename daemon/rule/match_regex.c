/* Regexes by PCRE2, bounded: compiled with the set, run on candidates only. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include "match_impl.h"

enum {
    WORK =
        100000000, /* steps that one text may cost, over all places a match may begin */
    LEAST = 1000,  /* steps at one place: never less, */
    MOST = 100000, /* and never more */
    HEAP_KIB = 4096,
    MATCHES = 64, /* occurrences in one text that are reported */
    STACK = 256 * 1024,
};

int regex_compile(struct leaf *leaf, struct buf *why)
{
    const struct rule_node *node = leaf->node;
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF |
                       PCRE2_NEVER_BACKSLASH_C | (node->number & 1 ? PCRE2_CASELESS : 0);
    int error;
    size_t at;

    leaf->regex = pcre2_compile((PCRE2_SPTR)(node->text.s ? node->text.s : ""),
                                node->text.n, options, &error, &at, NULL);
    if (!leaf->regex) {
        unsigned char text[160];
        if (error == PCRE2_ERROR_HEAP_FAILED || error == PCRE2_ERROR_NOMEMORY)
            return -ENOMEM;
        pcre2_get_error_message(error, text, sizeof text);
        buf_clear(why);
        buf_printf(why, "regex: %s at its byte %zu", (const char *)text, at);
        return -EINVAL;
    }
    /* Refused where memory may not be both written and run: then it is interpreted. */
    (void)pcre2_jit_compile(leaf->regex, PCRE2_JIT_COMPLETE);
    return 0;
}

void regex_free(struct leaf *leaf)
{
    pcre2_code_free(leaf->regex);
}

static int make_room(struct match_scratch *s)
{
    if (!s->regex_data)
        s->regex_data = pcre2_match_data_create(1, NULL);
    if (!s->regex_context)
        s->regex_context = pcre2_match_context_create(NULL);
    if (!s->regex_stack)
        s->regex_stack = pcre2_jit_stack_create(32 * 1024, STACK, NULL);
    if (!s->regex_data || !s->regex_context)
        return -ENOMEM;
    if (s->regex_stack)
        pcre2_jit_stack_assign(s->regex_context, NULL, s->regex_stack);
    pcre2_set_heap_limit(s->regex_context, HEAP_KIB);
    return 0;
}

/* Tokens that the bytes [from, to) of a segment touch. */
static void touched(const struct match_scratch *s, const struct segment *g, uint32_t from,
                    uint32_t to, struct occurrence *o)
{
    uint32_t lo = g->first, hi = g->end;

    o->first = o->last = NONE;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct text_token *k = &s->text.tokens[mid];
        if (k->src_off + k->src_len <= from)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < g->end && s->text.tokens[lo].src_off < to; lo++) {
        if (o->first == NONE)
            o->first = lo;
        o->last = lo;
    }
}

static void find_in(struct match_scratch *s, const struct leaf *leaf, uint32_t segment)
{
    const struct segment *g = &s->segments[segment];
    uint32_t limit = (uint32_t)(WORK / (g->src.n + 1));
    size_t at = 0;

    limit = limit < LEAST ? LEAST : limit > MOST ? MOST : limit;
    pcre2_set_match_limit(s->regex_context, limit);
    pcre2_set_depth_limit(s->regex_context, limit);
    for (int n = 0; n < MATCHES && at <= g->src.n; n++) {
        int r = pcre2_match(leaf->regex, (PCRE2_SPTR)(g->src.s ? g->src.s : ""), g->src.n,
                            at, PCRE2_NOTEMPTY, s->regex_data, s->regex_context);
        if (r == PCRE2_ERROR_NOMATCH)
            return;
        if (r < 0) {
            s->counts.regex_limits++;
            return;
        }
        const size_t *range = pcre2_get_ovector_pointer(s->regex_data);
        size_t from = range[0], to = range[1];
        struct occurrence o = { .segment = segment };
        if (from >= to) /* \K can do that */
            return;
        o.off = (uint32_t)from;
        o.end = (uint32_t)to;
        touched(s, g, o.off, o.end, &o);
        found_add(s, o);
        at = to;
    }
}

void regex_find(struct match_scratch *s, const struct leaf *leaf)
{
    size_t before = s->found.n;
    unsigned long limits = s->counts.regex_limits;

    if (make_room(s) < 0) {
        s->error = -ENOMEM;
        return;
    }
    for (uint32_t i = 0; i < s->n_segments; i++)
        if (segment_in(&s->segments[i], leaf->node->field))
            find_in(s, leaf, i);
    if (s->counts.regex_limits > limits) { /* hit its limit: counts as no match */
        s->found.n = before;
        s->counts.regex_limits = limits + 1;
    }
}
