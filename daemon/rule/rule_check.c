/* Checks and lints that need the whole text or the whole tree. */
#include "rule_own.h"

#include <errno.h>
#include "utf8.h"

void rule_check_text(struct rule_parse *p, struct str text)
{
    uint32_t column = 1;

    if (text.n > RULE_MAX_BYTES) {
        rule_fail(p, 1, 1, "the text is longer than %d bytes; split it", RULE_MAX_BYTES);
        return;
    }
    for (size_t i = 0, len; i < text.n; i += len, column++) {
        uint32_t cp = utf8_get(text.s + i, text.n - i, &len);
        if (cp == UTF8_BAD)
            rule_fail(p, column, 1, "this is not UTF-8; save the file in UTF-8");
        else if ((cp < 0x20 && !rule_is_space(cp)) || cp == 0x7F)
            rule_fail(p, column, 1, "a control character stands here; take it out");
        if (p->error)
            return;
    }
}

static void check_depth(struct rule_parse *p, const struct rule_node *n, unsigned depth)
{
    if (depth > RULE_MAX_DEPTH)
        rule_fail(p, n->column, 1, "the rule is nested too deeply; %d levels are allowed",
                  RULE_MAX_DEPTH);
    for (size_t i = 0; i < n->n_children && !p->error; i++)
        check_depth(p, n->child[i], depth + 1);
}

/* Does the rule hold where none of its terms does?  "*" counts as a term here: it says on
 * purpose that every item is meant. */
static bool holds_empty(const struct rule_node *n)
{
    size_t count = 0;

    for (size_t i = 0; i < n->n_children; i++)
        count += holds_empty(n->child[i]);
    switch (n->op) {
    case RULE_NOT:
        return count == 0;
    case RULE_AND:
        return count == n->n_children;
    case RULE_OR:
        return count > 0;
    case RULE_AT_LEAST:
        return count >= n->number;
    case RULE_ALL:
    case RULE_WORDS:
    case RULE_PREFIX:
    case RULE_REGEX:
    case RULE_NEAR:
    case RULE_ONEAR:
        break;
    }
    return false;
}

/* The outermost NOT that makes `n` hold. */
static const struct rule_node *find_absence(const struct rule_node *n)
{
    size_t i = 0;

    if (n->op == RULE_NOT || n->n_children == 0)
        return n;
    while (i + 1 < n->n_children && !holds_empty(n->child[i]))
        i++;
    return find_absence(n->child[i]);
}

static void check_absence(struct rule_parse *p)
{
    const struct rule_node *root = p->whole->rule.root;

    if (holds_empty(root))
        rule_fail(
            p, find_absence(root)->column, 1,
            "the rule would match by absence alone: every item without these words; "
            "add AND with a word that must stand there, or begin with * to mean "
            "every item");
}

bool rule_needs_word(const struct rule_node *n)
{
    size_t count = 0;

    for (size_t i = 0; i < n->n_children; i++)
        count += rule_needs_word(n->child[i]);
    switch (n->op) {
    case RULE_WORDS:
    case RULE_PREFIX:
        return true;
    case RULE_AND:
    case RULE_NEAR:
    case RULE_ONEAR:
        return count > 0;
    case RULE_OR:
        return count == n->n_children;
    case RULE_AT_LEAST: /* fewer than `number` can hold without a word */
        return n->n_children - count < n->number;
    case RULE_ALL:
    case RULE_REGEX:
    case RULE_NOT:
        break;
    }
    return false;
}

static const struct rule_node *find_regex(const struct rule_node *n)
{
    const struct rule_node *found = n->op == RULE_REGEX ? n : NULL;

    for (size_t i = 0; i < n->n_children && !found; i++)
        found = find_regex(n->child[i]);
    return found;
}

static void lint_mixed(struct rule_parse *p)
{
    struct buf b;

    if (!p->mixed)
        return;
    buf_init(&b, 240);
    (void)rule_canonical(&b, p->whole->rule.root);
    if (b.error == 0)
        rule_warn(p, p->mixed, "AND binds before OR; this is read as %s", b.s);
    else if (b.error == -E2BIG)
        rule_warn(p, p->mixed, "AND binds before OR; write brackets to be sure");
    else
        rule_fail_memory(p);
    buf_free(&b);
}

static void lint_regex(struct rule_parse *p)
{
    const struct rule_node *root = p->whole->rule.root, *regex = find_regex(root);

    if (regex && !rule_needs_word(root))
        rule_warn(p, regex->column,
                  "no word must stand beside this regex, so it runs over every item; add "
                  "AND with a word if you can");
}

void rule_check_whole(struct rule_parse *p)
{
    check_depth(p, p->whole->rule.root, 1);
    if (!p->error)
        check_absence(p);
    if (p->error)
        return;
    lint_mixed(p);
    lint_regex(p);
    rule_lint(p);
}
