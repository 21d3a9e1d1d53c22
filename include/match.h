#ifndef MATCH_H
#define MATCH_H
/* A compiled, immutable set of rules, and the items that hit it.  The set may be shared
 * by any number of threads; each thread brings its own scratch.  Pure: no clock, no I/O,
 * no logging. */
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "item.h"
#include "rule.h"
#include "str.h"

enum match_field { /* where a span lies */
                   MATCH_TITLE,
                   MATCH_SUMMARY,
                   MATCH_CONTENT,
                   MATCH_AUTHOR,
                   MATCH_CATEGORY,
                   MATCH_LINK,
                   MATCH_SITE,
                   MATCH_FEED,
                   MATCH_GROUP,
                   MATCH_LANG,
                   MATCH_FIELDS
};

struct match_span {
    uint8_t field;           /* enum match_field */
    uint16_t index;          /* which author or category; else 0 */
    uint32_t offset, length; /* bytes in the text of that field */
};

/* What a rule is matched against; strings are borrowed for the call. */
struct match_input {
    struct str title, summary, content;
    struct str link, feed, group, lang;
    const struct str *authors, *categories;
    size_t n_authors, n_categories;
};

/* What a rule sees of `item` in a feed named `feed` of group `group` ("" for none), whose
 * own language is `lang`.  Borrows all of them. */
struct match_input match_input_of(const struct item *item, const char *feed,
                                  const char *group, struct str lang);

/* The text that a span of this field and index lies in; empty when there is none. */
struct str match_input_text(const struct match_input *in, unsigned field, unsigned index);

struct match_rule {
    uint32_t id;                  /* the caller's; given back in hits */
    const struct rule_node *root; /* must outlive the set */
};

struct match_set;
struct match_scratch;

/* Compile.  0, -ENOMEM, or -EINVAL with `why` (a regex that PCRE2 refuses) and *bad its
 * index. */
int match_set_new(struct match_set **out, const struct match_rule *rules, size_t n,
                  struct buf *why, size_t *bad);

/* The same for a running daemon: the set counts how common the words of its items are,
 * and looks rules up by what the counts of `before` (NULL: none) say is rare.  Both share
 * the counts; `before` may be freed.  What hits never depends on them. */
int match_set_new_after(struct match_set **out, const struct match_set *before,
                        const struct match_rule *rules, size_t n, struct buf *why,
                        size_t *bad);
void match_set_free(struct match_set *set);

int match_scratch_new(struct match_scratch **out);
void match_scratch_free(struct match_scratch *s);

/* What the items so far came to. */
struct match_counts {
    unsigned long items;
    unsigned long candidates; /* rules looked at */
    unsigned long evaluated;  /* of those, whose tree was walked */
    unsigned long hits;
    unsigned long regex_limits; /* regexes that ran into their limits: no match */
    uint32_t limited;           /* id of the rule whose regex was the last to */
};
const struct match_counts *match_scratch_counts(const struct match_scratch *s);
unsigned long match_scratch_regex_limits(const struct match_scratch *s);

/* Bytes of memory that the set takes, the code of its regexes aside. */
size_t match_set_bytes(const struct match_set *set);

/* A rule that holds.  Its spans are valid during the call; non-zero stops.
 *
 * The spans are all occurrences of what made the rule hold: of a leaf, every place where
 * it occurs in its fields; of AND, those of its children; of OR and "n OF", those of the
 * children that hold; of NEAR, those that take part in some choice of one occurrence for
 * every operand that satisfies all links of the chain; of NOT and "*", none.  Each
 * (field, index, offset, length) is given once, in that order; spans may overlap.
 *
 * A word spans its characters in the source, marks included; a phrase runs from its first
 * token to its last one, and over the symbols that it asks for around them.  The text of
 * MATCH_SITE is the link, and its span is the host or the domain that the rule names.  A
 * feed or group is spanned whole, a language as far as the rule names it.  Of a regex,
 * the first 64 matches in each text are given, and empty ones count for nothing. */
typedef int match_hit_fn(void *ctx, uint32_t rule_id, const struct match_span *spans,
                         size_t n);

/* Report each rule of `set` that `in` satisfies, once, in order of id.  0, -ENOMEM or
 * what on_hit returned. */
int match_item(const struct match_set *set, struct match_scratch *s,
               const struct match_input *in, match_hit_fn *on_hit, void *ctx);
#endif
