/* match: random rules against random items, and against the slow reference: the same
 * hits, the same spans.  PAIRS=n in the environment says how many of them. */
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include "match_random.h"

static void show_item(const struct match_input *in)
{
    print_error("title: %s\nsummary: %s\ncontent: %s\n", in->title.s, in->summary.s,
                in->content.s);
}

static void agrees_with_the_reference(void **state)
{
    (void)state;
    static char memory[1 << 20];
    struct match_rule rules[300];
    struct source s = { .state = 0x853c49e6748fea9b };
    const char *wanted = getenv("PAIRS");
    size_t pairs = 0, hits = 0, limit = wanted ? strtoul(wanted, NULL, 10) : 200000;

    while (pairs < limit) {
        struct arena a = { memory, 0, sizeof memory };
        struct match_input in;
        size_t n = 1 + source_below(&s, source_below(&s, 4) ? 40 : 300);
        uint64_t seed = s.state;
        for (size_t i = 0; i < n; i++)
            rules[i] = (struct match_rule){ (uint32_t)i, random_rule(&s, &a, NULL) };
        random_item(&s, &a, &in);
        if (compare_all(rules, n, &in, &hits)) {
            show_item(&in);
            fail_msg("seed %llu, %zu rules", (unsigned long long)seed, n);
        }
        pairs += n;
    }
    print_message("%zu pairs, %zu hits\n", pairs, hits);
}

enum { PARTS = 12 }; /* of a rule that are compared by themselves */

/* Rules in the language itself, in characters that are hard to fold: the parser stands
 * before the matcher here, and one in three or four gets through it. */
static void agrees_on_rules_as_text(void **state)
{
    (void)state;
    static char memory[1 << 20];
    struct match_rule rules[PARTS];
    struct source s = { .state = 0x2545f4914f6cdd1d };
    const char *wanted = getenv("PAIRS");
    size_t pairs = 0, hits = 0, limit = wanted ? strtoul(wanted, NULL, 10) : 50000;

    while (pairs < limit) {
        struct arena a = { memory, 0, sizeof memory };
        struct match_input in;
        struct rule_error err;
        struct rule *rule;
        size_t n = 0;
        uint64_t seed = s.state;
        struct str text = random_lines(&s, &a, &in);
        if (rule_parse(&rule, text, NULL, 0, &err) < 0)
            continue;
        add_parts(rules, &n, PARTS, rule->root);
        if (!has_regex(rule->root) && compare_all(rules, n, &in, &hits)) {
            show_item(&in);
            fail_msg("seed %llu, rule %s", (unsigned long long)seed, text.s);
        }
        rule_free(rule);
        pairs += n;
    }
    print_message("%zu pairs, %zu hits\n", pairs, hits);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(agrees_with_the_reference),
    cmocka_unit_test(agrees_on_rules_as_text),
};
TEST_MAIN(tests)
