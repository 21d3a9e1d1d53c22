/* Fuzz the matcher: rules and an item, and the slow reference must find the same hits
 * with the same spans.
 *
 * A first byte below 32 (no line break) makes the other bytes the choices that
 * match_random.c builds rules and an item from, or, when it is even, match_random_text.c
 * the text of a rule.  Else the input is text, a line each: a rule, then title, summary,
 * content, link, feed, group, language, author, category.  A rule with a regex is left
 * out there: the reference sets those no limits. */
#include "fuzz.h"

#include <string.h>
#include "../unit/match_random.h"

enum { RULES = 8, ITEM_MAX = 4000, RULE_MAX = 600 };

static void by_choices(const uint8_t *data, size_t n)
{
    static char memory[1 << 20];
    struct arena a = { memory, 0, sizeof memory };
    struct source s = { .state = 0x853c49e6748fea9b, .bytes = data, .n = n };
    struct match_rule rules[RULES];
    struct match_input in;
    size_t hits = 0, n_rules = 1 + source_below(&s, RULES);

    random_item(&s, &a, &in);
    for (size_t i = 0; i < n_rules; i++)
        rules[i] = (struct match_rule){ (uint32_t)i, random_rule(&s, &a, NULL) };
    MUST(compare_all(rules, n_rules, &in, &hits) == 0);
}

/* The rule and each part of it are rules of their own, so that all of it is compared. */
static void compare_rule(struct str text, const struct match_input *in)
{
    struct match_rule rules[RULES];
    struct rule_error err;
    struct rule *rule;
    size_t hits = 0, n = 0;

    if (rule_parse(&rule, text, NULL, 0, &err) < 0)
        return;
    add_parts(rules, &n, RULES, rule->root);
    if (!has_regex(rule->root))
        MUST(compare_all(rules, n, in, &hits) == 0);
    rule_free(rule);
}

static void by_lines(const uint8_t *data, size_t n)
{
    static char memory[1 << 20];
    struct arena a = { memory, 0, sizeof memory };
    struct source s = { .state = 0x853c49e6748fea9b, .bytes = data, .n = n };
    struct match_input in;
    struct str text = random_lines(&s, &a, &in);

    compare_rule(text, &in);
}

static struct str next_line(struct str *rest)
{
    const char *end = rest->n ? memchr(rest->s, '\n', rest->n) : NULL;
    struct str line = { rest->s, end ? (size_t)(end - rest->s) : rest->n };
    size_t used = line.n + (end ? 1 : 0);

    *rest = (struct str){ rest->s + used, rest->n - used };
    return line;
}

static void by_text(struct str rest)
{
    struct match_input in = { 0 };
    struct str text = next_line(&rest), author, category;

    if (text.n > RULE_MAX || rest.n > ITEM_MAX)
        return;
    struct str *const field[] = { &in.title, &in.summary, &in.content, &in.link, &in.feed,
                                  &in.group, &in.lang,    &author,     &category };
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        *field[i] = next_line(&rest);
    in.authors = &author;
    in.categories = &category;
    in.n_authors = in.n_categories = 1;
    compare_rule(text, &in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *copy;

    if (n && data[0] < 32 && data[0] != '\n') {
        (data[0] % 2 ? by_choices : by_lines)(data + 1, n - 1);
        return 0;
    }
    copy = malloc(n ? n : 1); /* of its very size, so that a byte more is seen */
    if (!copy)
        return 0;
    if (n)
        memcpy(copy, data, n);
    by_text((struct str){ copy, n });
    free(copy);
    return 0;
}
