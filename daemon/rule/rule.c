/* The rule language: from text to a tree, and back to the canonical form. */
#include "rule_own.h"

#include <errno.h>
#include <stdlib.h>

static int parse(struct rule **out, struct rule_parse *p, struct str text)
{
    p->whole = calloc(1, sizeof *p->whole);
    if (!p->whole)
        return -ENOMEM;

    struct rule *r = &p->whole->rule;
    r->source = text.n <= RULE_MAX_BYTES ? rule_copy(p, text) : (char *)text.s;
    if (r->source) {
        r->root = rule_read_text(p, (struct str){ r->source, text.n });
        if (r->root)
            rule_check_whole(p);
    }
    free(p->stack);
    text_done(&p->text);
    if (p->error)
        rule_free(r);
    else
        *out = r;
    return p->error;
}

int rule_parse(struct rule **out, struct str text, const struct rule_set *sets,
               size_t n_sets, struct rule_error *err)
{
    struct rule_parse p = { .sets = sets, .n_sets = n_sets, .err = err };

    return parse(out, &p, text);
}

int rule_parse_set(struct rule **out, const struct rule_set *set,
                   const struct rule_set *sets, size_t n_sets, struct rule_error *err)
{
    struct rule_within within = { .set = set };
    struct rule_parse p = {
        .sets = sets, .n_sets = n_sets, .err = err, .within = &within, .by_line = true
    };

    return parse(out, &p, str_of(set->terms));
}

/* The canonical form */

static void put_node(struct buf *out, const struct rule_node *n, bool brackets);

static void put_leaf(struct buf *out, const struct rule_node *n)
{
    bool field = n->field != RULE_ANY;

    if (field)
        (void)buf_printf(out, "%s:", rule_field_name(n->field));
    if (n->exact)
        (void)buf_puts(out, field ? "(exact:" : "exact:");
    if (n->op == RULE_REGEX)
        (void)buf_putc(out, '/');
    else if (n->quoted)
        (void)buf_putc(out, '"');
    (void)buf_put_str(out, n->text);
    if (n->op == RULE_REGEX)
        (void)buf_puts(out, n->number & 1 ? "/i" : "/");
    else if (n->op == RULE_PREFIX)
        (void)buf_putc(out, '*');
    else if (n->quoted)
        (void)buf_putc(out, '"');
    if (n->exact && field)
        (void)buf_putc(out, ')');
}

static void put_list(struct buf *out, const struct rule_node *n, const char *between,
                     bool brackets)
{
    for (size_t i = 0; i < n->n_children; i++) {
        if (i)
            (void)buf_puts(out, between);
        put_node(out, n->child[i], brackets);
    }
}

/* A chain is written without brackets within: they would not be read as a chain. */
static void put_chain(struct buf *out, const struct rule_node *n)
{
    const struct rule_node *left = n->child[0];

    if (left->op == RULE_NEAR || left->op == RULE_ONEAR)
        put_chain(out, left);
    else
        put_node(out, left, true);
    (void)buf_printf(out, " %s/%u ", n->op == RULE_NEAR ? "NEAR" : "ONEAR",
                     (unsigned)n->number);
    put_node(out, n->child[1], true);
}

static void put_node(struct buf *out, const struct rule_node *n, bool brackets)
{
    bool grouped = n->op == RULE_AND || n->op == RULE_OR || n->op == RULE_NEAR ||
                   n->op == RULE_ONEAR;

    if (grouped && brackets)
        (void)buf_putc(out, '(');
    switch (n->op) {
    case RULE_ALL:
        (void)buf_putc(out, '*');
        break;
    case RULE_WORDS:
    case RULE_PREFIX:
    case RULE_REGEX:
        put_leaf(out, n);
        break;
    case RULE_AND:
        put_list(out, n, " AND ", true);
        break;
    case RULE_OR:
        put_list(out, n, " OR ", true);
        break;
    case RULE_NOT:
        (void)buf_puts(out, "NOT ");
        put_node(out, n->child[0], true);
        break;
    case RULE_NEAR:
    case RULE_ONEAR:
        put_chain(out, n);
        break;
    case RULE_AT_LEAST:
        (void)buf_printf(out, "%u OF (", (unsigned)n->number);
        put_list(out, n, ", ", false);
        (void)buf_putc(out, ')');
        break;
    }
    if (grouped && brackets)
        (void)buf_putc(out, ')');
}

int rule_canonical(struct buf *out, const struct rule_node *n)
{
    put_node(out, n, false);
    return out->error;
}
