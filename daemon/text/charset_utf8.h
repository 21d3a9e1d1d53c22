#ifndef CHARSET_UTF8_H
#define CHARSET_UTF8_H
/* The last stage of charset: UTF-8 checked and mended in a stream.  Private to
 * charset. */
#include <stdbool.h>
#include "charset.h"

struct charset_utf8 { /* zero-initialise */
    char hold[4];     /* a sequence cut by the end of a chunk */
    size_t n_hold;
    unsigned long repairs;
};

/* Hands the clean parts of `s` on without a copy.  Bad bytes are read as windows-1252;
 * surrogates and noncharacters that XML forbids become U+FFFD. */
int charset_utf8_push(struct charset_utf8 *u, const char *s, size_t n, charset_sink *sink,
                      void *ctx);
/* A cut sequence at the end is dropped and counted.  0. */
int charset_utf8_finish(struct charset_utf8 *u);

/* Are `s` whole, valid sequences only?  A sequence cut by the end is allowed;
 * U+FFFD proves nothing and is not counted. */
bool charset_utf8_valid(const char *s, size_t n, size_t *n_sequences);
#endif
