/* A growing byte buffer with a hard upper bound and a sticky error. */
#include "buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "utf8.h"

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){ .max = max_bytes };
}

void buf_free(struct buf *b)
{
    free(b->s);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->error = 0;
    if (b->s)
        b->s[0] = '\0';
}

int buf_reserve(struct buf *b, size_t n)
{
    if (b->error)
        return b->error;
    if (n > b->max - b->n) /* n <= max always holds */
        return b->error = -E2BIG;

    size_t need = b->n + n + 1; /* the NUL */
    if (need <= b->cap)
        return 0;

    size_t cap = b->cap == 0 ? 64 : b->cap < 1024 ? b->cap * 4 : b->cap * 2;
    if (cap < need)
        cap = need;
    if (cap > b->max + 1)
        cap = b->max + 1;
    char *s = realloc(b->s, cap);
    if (!s)
        return b->error = -ENOMEM;
    if (!b->s)
        s[0] = '\0';
    b->s = s;
    b->cap = cap;
    return 0;
}

int buf_put(struct buf *b, const void *bytes, size_t n)
{
    int r = buf_reserve(b, n);

    if (r < 0)
        return r;
    if (n)
        memcpy(b->s + b->n, bytes, n);
    b->n += n;
    b->s[b->n] = '\0';
    return 0;
}

int buf_put_str(struct buf *b, struct str s)
{
    return buf_put(b, s.s, s.n);
}

int buf_puts(struct buf *b, const char *s)
{
    return buf_put(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c)
{
    return buf_put(b, &c, 1);
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    char small[256];

    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    if (n < 0) {
        b->error = -ENOMEM;
    } else if ((size_t)n < sizeof small) {
        (void)buf_put(b, small, (size_t)n);
    } else if (buf_reserve(b, (size_t)n) == 0) {
        (void)vsnprintf(b->s + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    return b->error;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int r = buf_vprintf(b, fmt, ap);
    va_end(ap);
    return r;
}

int buf_put_utf8(struct buf *b, unsigned long cp)
{
    char u[4];

    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
        cp = 0xFFFD;
    return buf_put(b, u, utf8_put(u, (uint32_t)cp));
}
