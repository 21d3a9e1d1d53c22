#ifndef BUF_H
#define BUF_H
/* A growing byte buffer with a hard upper bound, so that no input can make it grow
 * without limit.  The first failure is sticky: later puts do nothing and return the same
 * error, so a writer may put many pieces and look at `error` once.  Always NUL-terminated
 * when s != NULL. */
#include <stdarg.h>
#include <stddef.h>
#include "str.h"

struct buf {
    char *s;    /* owned; NULL until the first put */
    size_t n;   /* bytes in use, the NUL not counted */
    size_t cap; /* bytes allocated */
    size_t max; /* never more than this in use */
    int error;  /* 0, -ENOMEM or -E2BIG (max reached) */
};

/* Make `b` empty with room for at most `max_bytes`.  Allocates nothing. */
void buf_init(struct buf *b, size_t max_bytes);

/* Release the memory; `b` may be used again as after buf_init() with the same bound. */
void buf_free(struct buf *b);

/* Empty `b` and forget its error, but keep its memory for reuse. */
void buf_clear(struct buf *b);

/* Append; 0, -ENOMEM or -E2BIG.  On failure nothing of this piece was appended. */
int buf_put(struct buf *b, const void *bytes, size_t n);
int buf_put_str(struct buf *b, struct str s);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Make sure `n` more bytes fit without another allocation; then s + n may be written
 * directly. */
int buf_reserve(struct buf *b, size_t n);

/* Append code point `cp` as UTF-8 (U+FFFD for surrogates and values past U+10FFFF). */
int buf_put_utf8(struct buf *b, unsigned long cp);

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){ b->s, b->n };
}
#endif
