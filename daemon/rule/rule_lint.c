/* Operands that change nothing: what stands twice, excludes what is asked for, or is
 * found by its neighbour anyway. */
#include "rule_own.h"

enum { PAIRS = 20000 }; /* of operands that one rule compares; a long list has more */

struct lint {
    struct rule_parse *p;
    struct text a, b; /* folded words of two leaves */
    unsigned pairs;
};

static bool same_text(const struct rule_node *a, const struct rule_node *b)
{
    if (a->exact || a->op == RULE_REGEX)
        return str_eq(a->text, b->text);
    return str_eq_nocase(a->text, b->text);
}

static bool same_node(const struct rule_node *a, const struct rule_node *b)
{
    if (a->op != b->op || a->n_children != b->n_children || a->number != b->number ||
        a->field != b->field || a->exact != b->exact || !same_text(a, b))
        return false;
    for (size_t i = 0; i < a->n_children; i++)
        if (!same_node(a->child[i], b->child[i]))
            return false;
    return true;
}

/* Does `wide` look wherever `narrow` does? */
static bool covers(enum rule_field wide, enum rule_field narrow)
{
    return wide == narrow ||
           (wide == RULE_ANY && (narrow == RULE_TITLE || narrow == RULE_TEXT));
}

static bool is_words(const struct rule_node *n)
{
    return (n->op == RULE_WORDS || n->op == RULE_PREFIX) && n->field != RULE_SITE &&
           n->field != RULE_FEED && n->field != RULE_GROUP && n->field != RULE_LANG;
}

/* Only words and spaces: then a phrase asks for no symbols. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.s[i], small = c | 0x20;
        if (c < 0x80 && c != ' ' && (small < 'a' || small > 'z') && (c < '0' || c > '9'))
            return false;
    }
    return true;
}

static bool fold(struct lint *l, struct text *to, const struct rule_node *n)
{
    text_clear(to);
    if (text_add(to, n->text) == 0)
        return to->n > 0;
    rule_fail_memory(l->p);
    return false;
}

/* Token `i` of the longer leaf against token `k` of the other one. */
static bool same_token(const struct lint *l, size_t i, size_t k, bool long_star,
                       bool short_star)
{
    struct str x = text_folded(&l->a, &l->a.tokens[i]);
    struct str y = text_folded(&l->b, &l->b.tokens[k]);
    bool last_x = i + 1 == l->a.n, last_y = k + 1 == l->b.n;

    if (short_star && last_y)
        return x.n >= y.n && memcmp(x.s, y.s, y.n) == 0;
    return str_eq(x, y) && !(long_star && last_x);
}

/* Wherever the words of `x` stand, those of `y` do. */
static bool words_imply(struct lint *l, const struct rule_node *x,
                        const struct rule_node *y)
{
    bool x_star = x->op == RULE_PREFIX, y_star = y->op == RULE_PREFIX;

    if (!is_words(x) || !is_words(y) || y->exact || !covers(y->field, x->field) ||
        (y->quoted && !is_plain(y->text)) || !fold(l, &l->a, x) || !fold(l, &l->b, y))
        return false;
    for (size_t i = 0; i + l->b.n <= l->a.n; i++) {
        size_t k = 0;
        while (k < l->b.n && same_token(l, i + k, k, x_star, y_star))
            k++;
        if (k == l->b.n)
            return true;
    }
    return false;
}

/* Must `y` hold where `x` does?  False where it is not plain. */
static bool implies(struct lint *l, const struct rule_node *x, const struct rule_node *y)
{
    bool all = x->op == RULE_AND || x->op == RULE_NEAR || x->op == RULE_ONEAR;

    if (++l->pairs > PAIRS || l->p->error)
        return false;
    if (same_node(x, y) || words_imply(l, x, y))
        return true;
    for (size_t i = 0; y->op == RULE_OR && i < y->n_children; i++)
        if (implies(l, x, y->child[i]))
            return true;
    for (size_t i = 0; all && i < x->n_children; i++)
        if (implies(l, x->child[i], y))
            return true;
    return false;
}

static struct rule_piece piece_of(const struct rule_node *n)
{
    struct rule_piece piece;
    struct buf b;

    buf_init(&b, 200);
    (void)rule_canonical(&b, n);
    piece = rule_piece(buf_str(&b));
    buf_free(&b);
    return piece;
}

/* `x` and `y` are operands of one AND or OR, and `y` holds where `x` does. */
static void warn_needless(struct lint *l, enum rule_op op, const struct rule_node *x,
                          const struct rule_node *y)
{
    const struct rule_node *needless = op == RULE_AND ? y : x;
    const struct rule_node *other = op == RULE_AND ? x : y;

    if (same_node(x, y))
        rule_warn(l->p, y->column > x->column ? y->column : x->column,
                  "%s stands here twice; once is enough", piece_of(x).s);
    else if (op == RULE_AND)
        rule_warn(l->p, needless->column, "%s adds nothing: %s asks for it already",
                  piece_of(needless).s, piece_of(other).s);
    else
        rule_warn(l->p, needless->column, "%s adds nothing: %s finds all of it",
                  piece_of(needless).s, piece_of(other).s);
}

static void lint_pair(struct lint *l, enum rule_op op, const struct rule_node *x,
                      const struct rule_node *y)
{
    bool x_not = x->op == RULE_NOT, y_not = y->op == RULE_NOT;

    if (x->column == y->column) /* both of one set */
        return;
    if (l->p->within && !same_node(x, y)) /* a set lists all names of a thing */
        return;
    if (op == RULE_AND && x_not != y_not) {
        const struct rule_node *wanted = x_not ? y : x, *not = x_not ? x : y;
        if (implies(l, wanted, not ->child[0]))
            rule_warn(l->p, not ->column,
                      "this excludes all that %s finds; nothing can match both",
                      piece_of(wanted).s);
    } else if (implies(l, x, y)) {
        warn_needless(l, op, x, y);
    } else if (implies(l, y, x)) {
        warn_needless(l, op, y, x);
    }
}

static void lint_node(struct lint *l, const struct rule_node *n)
{
    bool either = n->op == RULE_AND || n->op == RULE_OR;

    for (size_t i = 0; either && i < n->n_children; i++)
        for (size_t k = i + 1; k < n->n_children && l->pairs < PAIRS; k++)
            lint_pair(l, n->op, n->child[i], n->child[k]);
    for (size_t i = 0; i < n->n_children && l->pairs < PAIRS; i++)
        lint_node(l, n->child[i]);
}

void rule_lint(struct rule_parse *p)
{
    struct lint l = { .p = p };

    lint_node(&l, p->whole->rule.root);
    text_done(&l.a);
    text_done(&l.b);
}
