#ifndef MATCH_REFERENCE_TEXT_H
#define MATCH_REFERENCE_TEXT_H
/* Between the two halves of the reference. */
#include <stddef.h>
#include <stdint.h>
#include "str.h"

enum ref_class {
    REF_SEPARATOR,
    REF_SYMBOL,
    REF_LETTER,          /* loses its marks */
    REF_LETTER_KEEPS,    /* keeps them */
    REF_RUN,             /* of a script without spaces */
    REF_MARK,            /* of any script, or of one that loses it */
    REF_MARK_OF_LETTERS, /* of a script that keeps it */
};

struct ref_char {
    int32_t cp; /* -1: a bad byte */
    uint32_t from, to;
    int of_run; /* of a cluster that a character of a run began */
};

struct ref_chars {
    struct ref_char *v;
    size_t n;
};

/* Room for one more in an array of `n` that grew by this function alone. */
void *ref_grow(void *v, size_t n, size_t size);

enum ref_class ref_class(int32_t cp);
int ref_ccc(int32_t cp); /* canonical combining class */

/* The folded characters of `src`; free c->v. */
void ref_chars(struct ref_chars *c, struct str src);
#endif
