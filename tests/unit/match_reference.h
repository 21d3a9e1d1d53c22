#ifndef MATCH_REFERENCE_H
#define MATCH_REFERENCE_H
/* The slow, obvious evaluator of rules: a walk over the tree and every position, without
 * an index, on text folded by utf8proc.  It shares no code with text.c and match.c. */
#include <stddef.h>
#include <stdint.h>
#include "match.h"
#include "rule.h"

struct ref_token {
    char *folded; /* NUL-terminated */
    uint32_t from, to;
    int run;
};

struct ref_text {
    struct ref_token *token;
    size_t n;
    struct str src;
};

void ref_fold(struct ref_text *out, struct str src);
void ref_text_free(struct ref_text *t);

struct ref_item; /* an item, read once */
struct ref_item *ref_item_new(const struct match_input *in);
void ref_item_free(struct ref_item *it);

/* 1 and its spans in their order, or 0.  *spans is to be freed. */
int ref_match(struct ref_item *it, const struct rule_node *root,
              struct match_span **spans, size_t *n);
#endif
