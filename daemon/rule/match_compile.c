/* From rule trees to code, terms and leaves. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "match_impl.h"

static int emit(struct compiler *c, enum code_op op, size_t arg)
{
    return numbers_add(&c->set->codes, (uint32_t)arg << 4 | op);
}

int compile_term(struct compiler *c, struct str text, uint64_t hash, enum term_kind kind,
                 enum rule_field field, uint32_t *id)
{
    int r = dict_add(&c->set->dict, text, term_hash(hash, kind, field), kind, field, id);

    while (r == 0 && c->uses.n < c->set->dict.n)
        r = numbers_add(&c->uses, 0);
    if (r == 0)
        c->uses.v[*id]++;
    return r;
}

/* The field under which the words of `field` stand in the dictionary. */
static enum rule_field base_field(enum rule_field field)
{
    return field == RULE_TITLE || field == RULE_TEXT ? RULE_ANY : field;
}

/* The term of one token.  A word of title: or text: is looked up only where the same word
 * is known at all, so that one is made, too. */
static int add_term(struct compiler *c, const struct text_token *k, enum term_kind kind,
                    enum rule_field field, uint32_t *id)
{
    struct match_set *set = c->set;
    struct str text = text_folded(&c->text, k);
    enum rule_field base = base_field(field);
    uint32_t any;

    set->has_prefixes |= kind == TERM_PREFIX;
    if (base == field)
        return compile_term(c, text, k->hash, kind, field, id);
    int r = compile_term(c, text, k->hash, kind, base, &any);
    if (r < 0)
        return r;
    c->uses.v[any]--; /* it was only for the sake of the other */
    if (field == RULE_TITLE)
        set->dict.terms[any].in_title = 1;
    else
        set->dict.terms[any].in_text = 1;
    return compile_term(c, text, k->hash, kind, field, id);
}

static int add_leaf(struct compiler *c, enum leaf_kind kind, const struct rule_node *node,
                    struct leaf **out)
{
    struct match_set *set = c->set;
    int r = array_room((void **)&set->leaves, &set->leaves_cap, set->n_leaves,
                       sizeof *set->leaves);

    if (r < 0)
        return r;
    *out = &set->leaves[set->n_leaves];
    **out = (struct leaf){ .kind = kind, .node = node, .term = NONE };
    r = emit(c, CODE_LEAF, set->n_leaves++);
    return r;
}

/* What the phrase asks for in the gap before token `i`. */
static int add_gap(struct compiler *c, struct str text, size_t i, struct element *e)
{
    struct text_symbol symbol[MAX_SYMBOLS];
    const struct text_token *k = c->text.tokens;
    size_t n = c->text.n;
    size_t from = i ? k[i - 1].src_off + k[i - 1].src_len : 0;
    size_t to = i < n ? k[i].src_off : text.n;
    bool some = false;

    e->symbols = (uint32_t)c->set->symbols.n;
    if (to <= from)
        return 0;
    struct str gap = { text.s + from, to - from };
    e->dot = i < n && gap.s[gap.n - 1] == '.' &&
             (gap.n > 1 ? gap.s[gap.n - 2] == ' ' : i == 0);
    size_t m = text_symbols(symbol, MAX_SYMBOLS, gap, i == 0);
    size_t first = i == 0 && m && symbol[0].cp == ' ';
    if (i == n && m && symbol[m - 1].cp == ' ')
        m--;
    for (size_t s = first; s < m; s++)
        some |= symbol[s].cp != ' ';
    for (size_t s = first; some && s < m; s++)
        if (numbers_add(&c->set->symbols, symbol[s].cp) < 0)
            return -ENOMEM;
    e->n_symbols = (uint32_t)(c->set->symbols.n - e->symbols);
    return 0;
}

static int add_pair(struct compiler *c, const struct text_token *k, uint32_t *id)
{
    char both[TERM_HEAD] = { 0 };
    struct str a = text_folded(&c->text, k - 1), b = text_folded(&c->text, k);

    if (a.n + b.n > 8)
        return 0;
    memcpy(both, a.s, a.n);
    memcpy(both + a.n, b.s, b.n);
    c->set->has_pairs = true;
    return compile_term(c, (struct str){ both, a.n + b.n }, k[-1].hash * 31 + k->hash,
                        TERM_PAIR, RULE_ANY, id);
}

static int add_element(struct compiler *c, const struct rule_node *node, size_t i)
{
    struct match_set *set = c->set;
    struct element e = { .term = NONE, .pair = NONE };
    size_t n = c->text.n;
    int r = array_room((void **)&set->elements, &set->elements_cap, set->n_elements,
                       sizeof *set->elements);

    if (r == 0 && node->op == RULE_WORDS && node->quoted)
        r = add_gap(c, node->text, i, &e);
    if (r == 0 && i < n) {
        const struct text_token *k = &c->text.tokens[i];
        bool prefix = node->op == RULE_PREFIX && i + 1 == n && !k->run;
        enum rule_field base = base_field(node->field);
        e.src_off = k->src_off;
        e.src_len = k->src_len;
        r = add_term(c, k, prefix ? TERM_PREFIX : TERM_WORD, base, &e.term);
        if (r == 0 && i && k->run && k[-1].run && base == RULE_ANY)
            r = add_pair(c, k, &e.pair);
    }
    if (r == 0)
        set->elements[set->n_elements++] = e;
    return r;
}

/* A phrase of nothing but symbols: they are what it consists of. */
static int compile_symbols(struct compiler *c, const struct rule_node *node)
{
    struct text_symbol symbol[MAX_SYMBOLS];
    struct match_set *set = c->set;
    struct str text = str_trim(node->text);
    size_t n = text_symbols(symbol, MAX_SYMBOLS, text, false), first = 0;
    struct leaf *leaf;

    while (first < n && symbol[first].cp == ' ')
        first++;
    while (n > first && symbol[n - 1].cp == ' ')
        n--;
    if (n == first || node->op != RULE_WORDS || !node->quoted) {
        int r = emit(c, CODE_OR, 0); /* no word: nothing can match it */
        return r == 0 ? numbers_add(&set->codes, 2) : r;
    }
    int r = add_leaf(c, LEAF_SYMBOLS, node, &leaf);
    if (r < 0)
        return r;
    leaf->element = (uint32_t)set->symbols.n;
    leaf->n = (uint32_t)(n - first);
    for (; r == 0 && first < n; first++)
        r = numbers_add(&set->symbols, symbol[first].cp);
    return r;
}

/* Does a quoted phrase ask for symbols? */
static int phrase_symbols(struct compiler *c, const struct rule_node *node, bool *out)
{
    *out = false;
    for (size_t i = 0; node->op == RULE_WORDS && node->quoted && i <= c->text.n; i++) {
        struct element e = { .dot = false };
        size_t before = c->set->symbols.n;
        if (add_gap(c, node->text, i, &e) < 0)
            return -ENOMEM;
        c->set->symbols.n = before;
        *out |= e.dot || e.n_symbols;
    }
    return 0;
}

static int compile_words(struct compiler *c, const struct rule_node *node)
{
    struct match_set *set = c->set;
    struct leaf *leaf;
    bool symbols = false;
    uint32_t id;

    text_clear(&c->text);
    int r = text_add(&c->text, node->text);
    if (r == 0)
        r = phrase_symbols(c, node, &symbols);
    if (r < 0)
        return r;
    set->fields |= 1u << node->field;
    if (c->text.n == 0)
        return compile_symbols(c, node);
    if (c->text.n == 1 && !node->exact && !symbols) {
        bool prefix = node->op == RULE_PREFIX && !c->text.tokens[0].run;
        r = add_term(c, &c->text.tokens[0], prefix ? TERM_PREFIX : TERM_WORD, node->field,
                     &id);
        return r == 0 ? emit(c, CODE_TERM, id) : r;
    }
    r = add_leaf(c, LEAF_PHRASE, node, &leaf);
    if (r < 0)
        return r;
    leaf->element = (uint32_t)set->n_elements;
    leaf->n = (uint32_t)c->text.n;
    leaf->symbols = symbols;
    for (size_t i = 0; r == 0 && i <= c->text.n; i++)
        r = add_element(c, node, i);
    return r;
}

static bool is_value(enum rule_field f)
{
    return f == RULE_SITE || f == RULE_FEED || f == RULE_GROUP || f == RULE_LANG;
}

static int compile_value(struct compiler *c, const struct rule_node *node)
{
    struct leaf *leaf;
    uint32_t term;
    int r = value_compile(c, node, &term);

    if (r == 0)
        r = add_leaf(c, LEAF_VALUE, node, &leaf);
    if (r == 0)
        leaf->term = term;
    return r;
}

static int compile_pattern(struct compiler *c, const struct rule_node *node)
{
    struct leaf *leaf;
    int r = add_leaf(c, LEAF_REGEX, node, &leaf);

    return r < 0 ? r : regex_compile(leaf, c->why);
}

/* Where no word leads to the rule, what the pattern needs does: that AND the pattern. */
static int compile_regex(struct compiler *c, const struct rule_node *node)
{
    struct numbers *codes = &c->set->codes;
    size_t at = codes->n;

    if (c->grams == GRAMS_ASK)
        c->grams = rule_needs_word(c->root) ? GRAMS_NO : GRAMS_YES;
    if (c->grams == GRAMS_NO || c->in_near)
        return compile_pattern(c, node);
    int r = emit(c, CODE_AND, 2);
    if (r == 0)
        r = numbers_add(codes, 0);
    if (r < 0)
        return r;
    int some = gram_compile(c, node);
    if (some == 0)
        codes->n = at;
    r = some < 0 ? some : compile_pattern(c, node);
    if (some > 0)
        codes->v[at + 1] = (uint32_t)(codes->n - at);
    return r;
}

static int compile_leaf(struct compiler *c, const struct rule_node *node)
{
    if (node->op != RULE_REGEX && !is_value(node->field))
        return compile_words(c, node);
    c->set->fields |= 1u << node->field;
    return node->op == RULE_REGEX ? compile_regex(c, node) : compile_value(c, node);
}

static int compile_node(struct compiler *c, const struct rule_node *node, unsigned depth);

/* An AND of single words becomes a plain list of them. */
static void simplify(struct compiler *c, size_t at)
{
    uint32_t *v = c->set->codes.v + at;
    uint32_t n = code_arg(v[0]);

    if (code_op(v[0]) != CODE_AND || v[1] != n + 2)
        return;
    for (uint32_t i = 0; i < n; i++)
        if (code_op(v[i + 2]) != CODE_TERM)
            return;
    v[0] = n << 4 | CODE_TERMS;
    for (uint32_t i = 0; i < n; i++)
        v[i + 1] = code_arg(v[i + 2]);
    c->set->codes.n--;
}

static int refuse(struct compiler *c, const char *what)
{
    buf_clear(c->why);
    buf_puts(c->why, what);
    return -EINVAL;
}

static int compile_inner(struct compiler *c, const struct rule_node *node,
                         enum code_op op, unsigned depth)
{
    struct numbers *codes = &c->set->codes;
    size_t at = codes->n;
    int r = emit(c, op, node->n_children);

    if (r == 0)
        r = numbers_add(codes, 0);
    if (r == 0 && op == CODE_AT_LEAST)
        r = numbers_add(codes, node->number);
    if (op == CODE_AT_LEAST && node->number == 0)
        return refuse(c, "at least none of something always holds");
    for (size_t i = 0; r == 0 && i < node->n_children; i++)
        r = compile_node(c, node->child[i], depth + 1);
    if (r < 0)
        return r;
    codes->v[at + 1] = (uint32_t)(codes->n - at);
    simplify(c, at);
    return 0;
}

static bool is_near(const struct rule_node *n)
{
    return n->op == RULE_NEAR || n->op == RULE_ONEAR;
}

static int compile_operand(struct compiler *c, const struct rule_node *node,
                           unsigned depth)
{
    if (node->op == RULE_OR) {
        for (size_t i = 0; i < node->n_children; i++)
            if (node->child[i]->op > RULE_REGEX && node->child[i]->op != RULE_OR)
                return refuse(c, "NEAR takes words, phrases or an OR of them");
    } else if (node->op > RULE_REGEX || node->op == RULE_ALL) {
        return refuse(c, "NEAR takes words, phrases or an OR of them");
    }
    return compile_node(c, node, depth);
}

/* A chain of NEAR from left to right: its links, or its operands. */
static int compile_chain(struct compiler *c, const struct rule_node *node, bool links,
                         unsigned depth, size_t *n)
{
    if (depth > RULE_MAX_DEPTH)
        return refuse(c, "the rule is nested too deep");
    if (!is_near(node)) {
        ++*n;
        return links ? 0 : compile_operand(c, node, depth + 1);
    }
    if (node->n_children != 2)
        return refuse(c, "NEAR takes two operands");
    int r = compile_chain(c, node->child[0], links, depth + 1, n);
    if (r == 0 && links)
        r = numbers_add(&c->set->codes, node->number << 1 | (node->op == RULE_ONEAR));
    return r < 0 ? r : compile_chain(c, node->child[1], links, depth + 1, n);
}

static int compile_near(struct compiler *c, const struct rule_node *node, unsigned depth)
{
    struct numbers *codes = &c->set->codes;
    size_t at = codes->n, n = 0, again = 0;
    int r = emit(c, CODE_NEAR, 0);

    if (r == 0)
        r = numbers_add(codes, 0);
    if (r == 0)
        r = compile_chain(c, node, true, depth, &n);
    c->in_near = true;
    if (r == 0)
        r = compile_chain(c, node, false, depth, &again);
    c->in_near = false;
    if (r < 0)
        return r;
    codes->v[at] = (uint32_t)n << 4 | CODE_NEAR;
    codes->v[at + 1] = (uint32_t)(codes->n - at);
    return 0;
}

static int compile_node(struct compiler *c, const struct rule_node *node, unsigned depth)
{
    if (depth > RULE_MAX_DEPTH)
        return refuse(c, "the rule is nested too deep");
    switch (node->op) {
    case RULE_ALL:
        return emit(c, CODE_ALL, 0);
    case RULE_WORDS:
    case RULE_PREFIX:
    case RULE_REGEX:
        return compile_leaf(c, node);
    case RULE_AND:
        return compile_inner(c, node, CODE_AND, depth);
    case RULE_OR:
        return compile_inner(c, node, CODE_OR, depth);
    case RULE_NOT:
        return compile_inner(c, node, CODE_NOT, depth);
    case RULE_AT_LEAST:
        return compile_inner(c, node, CODE_AT_LEAST, depth);
    case RULE_NEAR:
    case RULE_ONEAR:
        return compile_near(c, node, depth);
    }
    return -EINVAL;
}

int compile_rule(struct compiler *c, const struct rule_node *root)
{
    c->root = root;
    c->grams = GRAMS_ASK;
    return compile_node(c, root, 0);
}
