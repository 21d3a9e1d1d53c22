/* Named sets of terms: found, guarded against cycles, expanded where they are used. */
#include "rule_own.h"

#include <stdio.h>
#include <stdlib.h>

const struct rule_set *rule_find_set(const struct rule_parse *p, struct str name)
{
    for (size_t i = 0; i < p->n_sets; i++)
        if (str_eq(name, str_of(p->sets[i].name)))
            return &p->sets[i];
    return NULL;
}

static void fail_unknown(struct rule_parse *p, const struct rule_token *name)
{
    const char **names = calloc(p->n_sets + 1, sizeof *names);
    struct rule_piece piece = rule_piece(name->text);

    if (!names) {
        rule_fail_memory(p);
        return;
    }
    for (size_t i = 0; i < p->n_sets; i++)
        names[i] = p->sets[i].name;

    const char *near = rule_nearest(name->text, names, p->n_sets);
    if (near)
        rule_fail(p, name->column, name->width, "there is no set @%s; did you mean @%s?",
                  piece.s, rule_piece(str_of(near)).s);
    else
        rule_fail(p, name->column, name->width,
                  "there is no set @%s; write it as a section [set:%s]", piece.s,
                  piece.s);
    free(names);
}

/* "@a uses @b, @b uses @a": from the set outwards to where it stood before. */
static void put_cycle(struct rule_within *w, const struct rule_set *end, char *to,
                      size_t size)
{
    if (w->set != end)
        put_cycle(w->outer, end, to, size);
    size_t n = strlen(to);
    (void)snprintf(to + n, size - n, "%s@%s", n ? " uses " : "",
                   rule_piece(str_of(w->set->name)).s);
}

static bool is_cycle(struct rule_parse *p, const struct rule_set *set,
                     const struct rule_token *name)
{
    char path[120] = "";

    for (struct rule_within *w = p->within; w; w = w->outer)
        if (w->set == set || !strcmp(w->set->name, set->name)) {
            put_cycle(p->within, w->set, path, sizeof path);
            rule_fail(p, name->column, name->width,
                      "a set cannot hold itself: %s uses @%s", path,
                      rule_piece(str_of(set->name)).s);
            return true;
        }
    return false;
}

static struct rule_node *expand(struct rule_parse *p, const struct rule_set *set)
{
    struct str terms = str_of(set->terms);
    char *copy = rule_copy(p, terms);

    if (!copy)
        return NULL;
    return rule_read_text(p, (struct str){ copy, terms.n });
}

struct rule_node *rule_read_set(struct rule_parse *p, const struct rule_token *name)
{
    const struct rule_set *set = p->error ? NULL : rule_find_set(p, name->text);
    struct rule_within *outer = p->within;
    struct rule_lexer lex = p->lex;
    unsigned brackets = p->brackets;
    uint32_t small_of = p->small_of;
    bool by_line = p->by_line, nested = outer && outer->outer_column;

    if (!set) {
        fail_unknown(p, name);
        return NULL;
    }
    if (is_cycle(p, set, name) || !rule_deeper(p, name))
        return NULL;

    struct rule_within within = {
        .set = set,
        .outer = outer,
        .outer_column = nested ? outer->outer_column : name->column,
        .outer_width = nested ? outer->outer_width : name->width,
    };
    p->within = &within;
    p->brackets = 0;
    p->small_of = 0;
    p->by_line = true;

    struct rule_node *n = expand(p, set);

    p->within = outer;
    p->brackets = brackets;
    p->small_of = small_of;
    p->by_line = by_line;
    p->lex = lex;
    p->depth--;
    return n;
}
