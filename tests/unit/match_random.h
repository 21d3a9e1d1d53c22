#ifndef MATCH_RANDOM_H
#define MATCH_RANDOM_H
/* Random rule trees and items for comparing the matcher with the reference; every choice
 * comes from a stream of numbers, random or a fuzzer's. */
#include <stddef.h>
#include <stdint.h>
#include "match.h"
#include "rule.h"

struct source {
    uint64_t state;       /* of the generator */
    const uint8_t *bytes; /* when not NULL: choices come from here first */
    size_t n;
};

uint32_t source_below(struct source *s, uint32_t n);

struct arena { /* memory of one round */
    char *v;
    size_t n, cap;
};

struct words { /* more words to choose from: those of real items */
    const struct str *v;
    size_t n;
};

struct rule_node *random_rule(struct source *s, struct arena *a, const struct words *w);
void random_item(struct source *s, struct arena *a, struct match_input *in);

/* A rule as text, which the parser may well refuse, and an item made of its pieces, both
 * in characters that are hard to fold. */
struct str random_lines(struct source *s, struct arena *a, struct match_input *in);

/* `root` and the parts below it, each a rule of its own, up to `max` in all. */
void add_parts(struct match_rule *rules, size_t *n, size_t max,
               const struct rule_node *root);
/* Does a regex stand in it?  The reference sets those no limits. */
int has_regex(const struct rule_node *n);

/* Compare the matcher with the reference on these.  0: agree; else says where. */
int compare_all(const struct match_rule *rules, size_t n, const struct match_input *in,
                size_t *hits);
#endif
