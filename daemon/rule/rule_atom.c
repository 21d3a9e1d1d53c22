/* The inner grammar: terms, brackets, fields, OF and chains of NEAR. */
#include "rule_own.h"

static bool is_term(enum rule_op op)
{
    return op == RULE_WORDS || op == RULE_PREFIX || op == RULE_REGEX;
}

/* Errors */

static bool binary(enum rule_token_kind kind)
{
    return kind == TOKEN_AND || kind == TOKEN_OR || kind == TOKEN_NEAR ||
           kind == TOKEN_ONEAR || kind == TOKEN_NOT;
}

static void fail_end(struct rule_parse *p, const struct rule_token *t)
{
    const struct rule_token *last = &p->lex.last;

    if (last->kind == TOKEN_FIELD)
        rule_fail(p, last->column, last->width,
                  "a word is missing after %s:", rule_piece(last->text).s);
    else if (binary(last->kind))
        rule_fail(p, last->column, last->width,
                  "something to look for is missing after %s", rule_piece(last->text).s);
    else
        rule_fail(p, t->column, 1, "something to look for is missing here");
}

static void fail_operator(struct rule_parse *p, const struct rule_token *t)
{
    const struct rule_token *last = &p->lex.last;
    struct rule_piece op = rule_piece(t->text);

    if (t->kind == TOKEN_NOT)
        rule_fail(p, t->column, t->width,
                  "%s cannot stand here; exclude with AND %s outside", op.s, op.s);
    else if (binary(last->kind) || last->kind == TOKEN_FIELD)
        rule_fail(p, t->column, t->width,
                  "between %s and %s something to look for is missing; if the word is "
                  "meant, write \"%s\"",
                  rule_piece(last->text).s, op.s, op.s);
    else
        rule_fail(p, t->column, t->width,
                  "nothing stands before %s; if the word is meant, write \"%s\"", op.s,
                  op.s);
}

void rule_fail_token(struct rule_parse *p, const struct rule_token *t)
{
    switch (t->kind) {
    case TOKEN_END:
        fail_end(p, t);
        break;
    case TOKEN_CLOSE:
        if (p->brackets)
            fail_end(p, t);
        else
            rule_fail(p, t->column, 1,
                      "this ) closes nothing; a ( is missing before it, "
                      "or it must go");
        break;
    case TOKEN_COMMA:
        if (p->small_of)
            rule_fail(p, p->small_of, 2, "write OF in capitals, as in 2 OF (a, b, c)");
        rule_fail(p, t->column, 1,
                  "a comma stands only within OF, as in 2 OF (a, b, c); write AND or OR, "
                  "or put the text in quotes");
        break;
    case TOKEN_OF:
        rule_fail(p, t->column, t->width,
                  "OF needs a number before it, as in 2 OF (a, b, c); if the word is "
                  "meant, write \"OF\"");
        break;
    case TOKEN_FIELD:
        rule_fail(p, t->column, t->width,
                  "a field cannot hold another one; write one of them only");
        break;
    case TOKEN_ALL:
        rule_fail(p, t->column, 1, "* stands for every item; it takes no field");
        break;
    default:
        fail_operator(p, t);
    }
}

/* Brackets */

static void fail_unclosed(struct rule_parse *p, const struct rule_token *open)
{
    const struct rule_token *t = &p->lex.now;

    if (p->error)
        return;
    if (t->kind == TOKEN_END)
        rule_fail(p, open->column, 1, "this ( is never closed; a ) is missing");
    else
        rule_fail_token(p, t);
}

static bool enter(struct rule_parse *p, const struct rule_token *open)
{
    rule_next(p);
    p->brackets++;
    if (p->lex.now.kind == TOKEN_CLOSE)
        rule_fail(p, open->column, 2, "nothing stands between these brackets");
    return rule_deeper(p, open);
}

static void leave(struct rule_parse *p, const struct rule_token *open)
{
    p->brackets--;
    p->depth--;
    if (p->lex.now.kind == TOKEN_CLOSE)
        rule_next(p);
    else
        fail_unclosed(p, open);
}

static struct rule_node *read_brackets(struct rule_parse *p)
{
    struct rule_token open = p->lex.now;
    struct rule_node *n;

    if (!enter(p, &open))
        return NULL;
    n = rule_read_or(p);
    leave(p, &open);
    return p->error ? NULL : n;
}

/* n OF (a, b, c) */

static void check_threshold(struct rule_parse *p, const struct rule_token *number,
                            const struct rule_node *n)
{
    if (n->number == 0)
        rule_fail(p, number->column, number->width,
                  "0 of them always hold; write 1 or more");
    else if (n->number > n->n_children)
        rule_fail(p, number->column, number->width,
                  "more are asked for than the %zu in the brackets; a set or an OR "
                  "counts as one",
                  n->n_children);
    else if (n->number == 1)
        rule_warn(p, number->column, "1 OF (...) is the same as OR");
    else if (n->number == n->n_children)
        rule_warn(p, number->column, "all of them are asked for, as AND does");
}

static struct rule_node *read_at_least(struct rule_parse *p,
                                       const struct rule_token *number)
{
    struct rule_node *n = rule_node_new(p, RULE_AT_LEAST, number->column);
    struct rule_token open;
    size_t base = p->n_stack;

    rule_next(p); /* OF */
    open = p->lex.now;
    if (n && open.kind != TOKEN_OPEN)
        rule_fail(p, open.column, open.width,
                  "OF needs its operands in brackets, as in 2 OF (a, b, c)");
    if (!n || p->error || !enter(p, &open))
        return NULL;
    for (size_t i = 0; i < number->text.n && n->number <= RULE_MAX_NODES; i++)
        n->number = n->number * 10 + (uint32_t)(number->text.s[i] - '0');
    for (;;) {
        rule_push(p, rule_read_or(p));
        if (p->error || p->lex.now.kind != TOKEN_COMMA)
            break;
        rule_next(p);
    }
    leave(p, &open);
    n = rule_gather(p, n, base);
    if (n)
        check_threshold(p, number, n);
    return p->error ? NULL : n;
}

static bool is_number(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] < '0' || s.s[i] > '9')
            return false;
    return s.n > 0;
}

static struct rule_node *read_word(struct rule_parse *p)
{
    struct rule_token t = p->lex.now;
    const struct rule_token *next = &p->lex.now;

    rule_next(p);
    if (t.kind == TOKEN_WORD && is_number(t.text) && !p->error) {
        if (next->kind == TOKEN_OF)
            return read_at_least(p, &t);
        if (next->kind == TOKEN_WORD && str_eq_nocase(next->text, STR("of"))) {
            p->small_of = next->column;
            rule_warn(p, next->column,
                      "%s is looked for as a word; did you mean %s OF (...)?",
                      rule_piece(next->text).s, rule_piece(t.text).s);
        }
    }
    return rule_leaf(p, &t);
}

/* Fields */

static void lint_inner_field(struct rule_parse *p, const struct rule_token *t)
{
    if (p->field_set && !t->exact && t->field != p->field)
        rule_warn(p, t->column, "%s: stands within %s:; the inner one alone counts",
                  rule_field_name(t->field), rule_field_name(p->field));
}

/* exact: goes with a field, before or after it; two fields do not go together. */
static struct rule_node *read_field(struct rule_parse *p)
{
    enum rule_field field = p->field;
    bool exact = p->exact, field_set = p->field_set, named = false;
    struct rule_node *n = NULL;

    while (p->lex.now.kind == TOKEN_FIELD) {
        const struct rule_token *t = &p->lex.now;
        if (t->exact) {
            p->exact = true;
        } else if (named) {
            rule_fail_token(p, t);
            return NULL;
        } else {
            lint_inner_field(p, t);
            p->field = t->field;
            p->field_set = named = true;
        }
        rule_next(p);
    }
    switch (p->lex.now.kind) {
    case TOKEN_OPEN:
    case TOKEN_SET:
    case TOKEN_WORD:
    case TOKEN_PREFIX:
    case TOKEN_PHRASE:
    case TOKEN_REGEX:
        n = rule_read_atom(p);
        break;
    case TOKEN_NOT:
        rule_fail(p, p->lex.now.column, p->lex.now.width,
                  "write the NOT or - before the field, as in -title:opinion");
        break;
    default:
        rule_fail_token(p, &p->lex.now);
    }
    p->field = field;
    p->exact = exact;
    p->field_set = field_set;
    return n;
}

struct rule_node *rule_read_atom(struct rule_parse *p)
{
    struct rule_token t = p->lex.now;

    switch (t.kind) {
    case TOKEN_OPEN:
        return read_brackets(p);
    case TOKEN_FIELD:
        return read_field(p);
    case TOKEN_WORD:
    case TOKEN_PREFIX:
    case TOKEN_PHRASE:
    case TOKEN_REGEX:
        return read_word(p);
    case TOKEN_SET:
        rule_next(p);
        return rule_read_set(p, &t);
    case TOKEN_ALL:
        if (p->field_set || p->exact)
            break;
        rule_next(p);
        return rule_node_new(p, RULE_ALL, t.column);
    default:
        break;
    }
    rule_fail_token(p, &t);
    return NULL;
}

/* NEAR */

static const struct rule_node *not_a_term(const struct rule_node *n)
{
    if (is_term(n->op))
        return NULL;
    if (n->op != RULE_OR)
        return n;
    for (size_t i = 0; i < n->n_children; i++)
        if (!is_term(n->child[i]->op))
            return n->child[i];
    return NULL;
}

static void check_operand(struct rule_parse *p, const struct rule_node *n,
                          const struct rule_token *near)
{
    const struct rule_node *bad = n ? not_a_term(n) : NULL;
    struct rule_piece op = rule_piece(near->text);

    if (!bad || p->error)
        return;
    switch (bad->op) {
    case RULE_NEAR:
    case RULE_ONEAR:
        rule_fail(p, near->column, near->width,
                  "%s takes no brackets with NEAR in them; write a chain without "
                  "brackets: a NEAR/2 b NEAR/3 c",
                  op.s);
        break;
    case RULE_AND:
        rule_fail(
            p, near->column, near->width,
            "%s takes a word, a phrase or an OR of them, not an AND; for words in a "
            "row write a \"quoted phrase\"",
            op.s);
        break;
    case RULE_ALL:
        rule_fail(p, near->column, near->width, "%s takes no *, which stands nowhere",
                  op.s);
        break;
    default:
        rule_fail(p, near->column, near->width,
                  "%s takes a word, a phrase or an OR of them; NOT and OF go outside",
                  op.s);
    }
}

/* The fields of an item in which an occurrence can lie, as bits. */
static unsigned places(const struct rule_node *n)
{
    static const unsigned bits[RULE_FIELDS] = {
        [RULE_ANY] = 7,    [RULE_TITLE] = 1,     [RULE_TEXT] = 6,
        [RULE_AUTHOR] = 8, [RULE_CATEGORY] = 16, [RULE_LINK] = 32,
    };
    unsigned all = 0;

    if (n->op != RULE_OR)
        return bits[n->field];
    for (size_t i = 0; i < n->n_children; i++)
        all |= bits[n->child[i]->field];
    return all;
}

static struct rule_node *link_new(struct rule_parse *p, const struct rule_token *near,
                                  struct rule_node *left, struct rule_node *right)
{
    size_t base = p->n_stack;
    struct rule_node *n = rule_node_new(
        p, near->kind == TOKEN_NEAR ? RULE_NEAR : RULE_ONEAR, left ? left->column : 1);

    rule_push(p, left);
    rule_push(p, right);
    n = rule_gather(p, n, base);
    if (n)
        n->number = near->number;
    return n;
}

struct rule_node *rule_read_near(struct rule_parse *p)
{
    struct rule_node *left = rule_read_atom(p);
    unsigned operands = 1, where = ~0U;

    while (left && !p->error &&
           (p->lex.now.kind == TOKEN_NEAR || p->lex.now.kind == TOKEN_ONEAR)) {
        struct rule_token near = p->lex.now;
        if (operands++ == 1) {
            check_operand(p, left, &near);
            where = places(left);
        }
        rule_next(p);
        struct rule_node *right = p->error ? NULL : rule_read_atom(p);
        check_operand(p, right, &near);
        if (!right || p->error)
            return NULL;
        where &= places(right);
        if (where == 0)
            rule_fail(p, near.column, near.width,
                      "%s looks within one field of running text; its operands never "
                      "stand in the same one",
                      rule_piece(near.text).s);
        if (operands > RULE_MAX_CHAIN)
            rule_fail(p, near.column, near.width, "at most %d operands make a chain",
                      RULE_MAX_CHAIN);
        left = link_new(p, &near, left, right);
    }
    return p->error ? NULL : left;
}
