#ifndef TEXT_FOLD_H
#define TEXT_FOLD_H
/* Looking characters up in the folding tables; private to text. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "text_classes.h"

extern const uint32_t *const text_seq_table;

/* The entry of code point `cp` (at most U+10FFFF); see text_classes.h. */
uint32_t text_entry(uint32_t cp);
unsigned text_ccc_of(uint32_t cp);
/* Could be the second of a pair that composes. */
bool text_is_second(uint32_t cp);
/* What `a` and `b` compose to, or 0. */
uint32_t text_compose_pair(uint32_t a, uint32_t b);
/* Full canonical decomposition; `out` has room for 8.  Returns how many. */
size_t text_decompose_cp(uint32_t cp, uint32_t *out);
/* Sort marks canonically and compose; returns the new length. */
size_t text_compose_all(uint32_t *cp, size_t n);

/* What the entry `e` of `cp` folds to, if it is a single character. */
static inline uint32_t text_single(uint32_t e, uint32_t cp)
{
    return (cp + (e >> TEXT_VALUE_SHIFT)) & TEXT_VALUE_MASK;
}
#endif
