#ifndef TEXT_H
#define TEXT_H
/* Folding and tokenising for rules and items alike: one pass over UTF-8, an ASCII fast
 * path and table-driven Unicode behind it.  Specified in feedwatch-rules(7).  Pure and
 * free of locale.
 *
 * A token is a maximal run of letters, marks and digits after folding; each character of
 * a script written without spaces is a token of its own. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "str.h"

struct text_token {
    uint32_t fold_off, fold_len; /* the folded bytes, in struct text.fold */
    uint32_t src_off, src_len;   /* where it stands in the source, in bytes */
    uint64_t hash;               /* of the folded bytes */
    bool run;                    /* one character of a script without spaces */
};

/* Result and scratch in one; reused from item to item, so that nothing is allocated in
 * the steady state.  Zero-initialise; free with text_done(). */
struct text {
    char *fold;
    size_t fold_n, fold_cap;
    struct text_token *tokens;
    size_t n, cap;
};

/* Fold and tokenise `src` (UTF-8; invalid bytes separate), appending to `t`.  Token
 * offsets count from the start of `src`.  0 or -ENOMEM. */
int text_add(struct text *t, struct str src);

/* Empty, memory kept. */
void text_clear(struct text *t);
void text_done(struct text *t);
#endif
