/* The grammar of rules: tokens to a tree, by recursive descent. */
#include "rule_own.h"

enum { MAX_NESTING = 2 * RULE_MAX_DEPTH }; /* redundant brackets included */

bool rule_deeper(struct rule_parse *p, const struct rule_token *t)
{
    if (++p->depth <= MAX_NESTING)
        return true;
    rule_fail(p, t->column, t->width,
              "the rule is nested too deeply; %d levels are allowed", RULE_MAX_DEPTH);
    return false;
}

static bool begins_operand(const struct rule_token *t)
{
    switch (t->kind) {
    case TOKEN_OPEN:
    case TOKEN_NOT:
    case TOKEN_FIELD:
    case TOKEN_SET:
    case TOKEN_ALL:
    case TOKEN_WORD:
    case TOKEN_PREFIX:
    case TOKEN_PHRASE:
    case TOKEN_REGEX:
        return true;
    case TOKEN_END:
    case TOKEN_CLOSE:
    case TOKEN_COMMA:
    case TOKEN_AND:
    case TOKEN_OR:
    case TOKEN_NEAR:
    case TOKEN_ONEAR:
    case TOKEN_OF:
        break;
    }
    return false;
}

/* A line of a set ends before `t`. */
static bool line_ends(const struct rule_parse *p, const struct rule_token *t)
{
    return p->by_line && p->brackets == 0 && (t->new_line || t->kind == TOKEN_COMMA);
}

static struct rule_node *read_not(struct rule_parse *p)
{
    struct rule_token t = p->lex.now;

    if (t.kind != TOKEN_NOT)
        return rule_read_near(p);
    if (!rule_deeper(p, &t))
        return NULL;
    rule_next(p);

    size_t base = p->n_stack;
    if (p->lex.now.kind == TOKEN_NOT)
        rule_warn(p, t.column, "excluding twice is the same as not excluding");
    rule_push(p, read_not(p));
    p->depth--;
    return rule_gather(p, rule_node_new(p, RULE_NOT, t.column), base);
}

/* In a set, two words side by side on a line are more likely one name. */
static void lint_set_line(struct rule_parse *p, const struct rule_token *t)
{
    if (p->by_line && p->brackets == 0 && t->kind == TOKEN_WORD &&
        p->lex.last.kind == TOKEN_WORD)
        rule_warn(
            p, t->column,
            "%s and the word before it are looked for apart; for a name of two words "
            "write \"%s %s\"",
            rule_piece(t->text).s, rule_piece(p->lex.last.text).s, rule_piece(t->text).s);
}

/* *bare: more than one operand stands here without brackets around. */
static struct rule_node *read_and(struct rule_parse *p, bool *bare)
{
    uint32_t column = p->lex.now.column;
    size_t base = p->n_stack, operands = 0;

    for (;;) {
        struct rule_node *n = read_not(p);
        operands++;
        rule_push_flat(p, n, RULE_AND);
        if (p->error)
            break;
        if (p->lex.now.kind == TOKEN_AND) {
            rule_next(p);
            continue;
        }
        if (!begins_operand(&p->lex.now) || line_ends(p, &p->lex.now)) {
            *bare = operands > 1;
            if (operands == 1) {
                p->n_stack = base;
                return n;
            }
            break;
        }
        lint_set_line(p, &p->lex.now);
    }
    return rule_gather(p, rule_node_new(p, RULE_AND, column), base);
}

/* True when another alternative follows; its first token is then the next one. */
static bool next_alternative(struct rule_parse *p)
{
    const struct rule_token *t = &p->lex.now;

    if (t->kind == TOKEN_OR) {
        rule_next(p);
        return true;
    }
    if (!line_ends(p, t))
        return false;
    if (t->kind == TOKEN_COMMA) {
        rule_next(p);
        return p->lex.now.kind != TOKEN_END || p->error;
    }
    return begins_operand(t);
}

struct rule_node *rule_read_or(struct rule_parse *p)
{
    uint32_t column = p->lex.now.column, mixed = 0;
    size_t base = p->n_stack, operands = 0;
    struct rule_node *n;

    do {
        uint32_t at = p->lex.now.column;
        bool bare = false;
        n = read_and(p, &bare);
        operands++;
        rule_push_flat(p, n, RULE_OR);
        if (bare && !mixed)
            mixed = at;
    } while (!p->error && next_alternative(p));

    if (operands == 1 || p->error) {
        p->n_stack = base;
        return p->error ? NULL : n;
    }
    if (mixed && !p->mixed && !(p->within && p->within->outer_column))
        p->mixed = mixed;
    return rule_gather(p, rule_node_new(p, RULE_OR, column), base);
}

struct rule_node *rule_read_text(struct rule_parse *p, struct str text)
{
    rule_check_text(p, text);
    rule_lex_begin(p, text);
    if (p->lex.now.kind == TOKEN_END) {
        if (p->within)
            rule_fail(p, 1, 1, "the set @%s is empty; write at least one word",
                      rule_piece(str_of(p->within->set->name)).s);
        else
            rule_fail(p, 1, 1,
                      "the rule is empty; write at least one word, or * for "
                      "every item");
        return NULL;
    }
    struct rule_node *n = rule_read_or(p);
    if (!p->error && p->lex.now.kind != TOKEN_END)
        rule_fail_token(p, &p->lex.now);
    return p->error ? NULL : n;
}
