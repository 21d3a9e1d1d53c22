#ifndef MATCH_H
#define MATCH_H
/* A compiled, immutable set of rules, and the items that hit it.  The set may be shared
 * by any number of threads; each thread brings its own scratch.  Pure: no clock, no I/O,
 * no logging. */
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
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
void match_set_free(struct match_set *set);

int match_scratch_new(struct match_scratch **out);
void match_scratch_free(struct match_scratch *s);

/* A rule that holds.  Spans are in order of field, then offset; valid during the call.
 * Non-zero stops. */
typedef int match_hit_fn(void *ctx, uint32_t rule_id, const struct match_span *spans,
                         size_t n);

/* Report each rule of `set` that `in` satisfies, once, in order of id.  0, -ENOMEM or
 * what on_hit returned. */
int match_item(const struct match_set *set, struct match_scratch *s,
               const struct match_input *in, match_hit_fn *on_hit, void *ctx);
#endif
