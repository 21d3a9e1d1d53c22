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
    uint32_t fold_off; /* the folded bytes, in struct text.fold */
    uint32_t fold_len : 31;
    uint32_t run : 1;          /* one character of a script without spaces */
    uint32_t src_off, src_len; /* where it stands in the source, in bytes */
    uint64_t hash;             /* text_hash() of the folded bytes */
};

/* Result and scratch in one; reused from item to item, so that nothing is allocated in
 * the steady state.  Zero-initialise; free with text_done(). */
struct text {
    char *
        fold; /* what lies between tokens means nothing; TEXT_PAD readable bytes follow */
    size_t fold_n, fold_cap;
    struct text_token *tokens; /* in order of source */
    size_t n, cap;
};

enum { TEXT_PAD = 64, TEXT_MAX = 1 << 28 }; /* bytes; a longer text is cut there */

/* Fold and tokenise `src` (UTF-8; invalid bytes separate), appending to `t`.  Token
 * offsets count from the start of `src`.  0 or -ENOMEM. */
int text_add(struct text *t, struct str src);

/* Append a token that is equal to none: no phrase crosses it.  0 or -ENOMEM. */
int text_break(struct text *t);

/* Empty, memory kept. */
void text_clear(struct text *t);
void text_done(struct text *t);

uint64_t text_hash(const char *bytes, size_t n);
uint64_t text_hash_padded(const char *bytes, size_t n); /* 8 bytes more can be read */

static inline struct str text_folded(const struct text *t, const struct text_token *k)
{
    return (struct str){ t->fold + k->fold_off, k->fold_len };
}

/* What a quoted phrase compares between two tokens: the symbols of `between`, folded, and
 * one space for each run of anything else. */
struct text_symbol {
    uint32_t cp;
    uint32_t from, to; /* bytes in `between` */
};

/* The first `max` of them, or the last ones.  Returns how many. */
size_t text_symbols(struct text_symbol *out, size_t max, struct str between, bool last);

/* Equal as written: the same characters in NFC, invisible ones aside. */
bool text_same(struct str a, struct str b);
/* `a` begins, as written, with the characters of `prefix`. */
bool text_starts(struct str a, struct str prefix);
#endif
