/* UTF-8 checked and mended in a stream, without a copy where it is clean. */
#include "charset_utf8.h"

#include <stdint.h>
#include "utf8.h"
#include "windows_1252.h"

/* How long the sequence that `b` starts would be; 0: it starts none. */
static size_t wanted(unsigned char b)
{
    if (b >= 0xC2 && b < 0xE0)
        return 2;
    if (b >= 0xE0 && b < 0xF0)
        return 3;
    return b >= 0xF0 && b < 0xF5 ? 4 : 0;
}

/* Could `s` (n bytes, fewer than wanted) become valid by more bytes? */
static bool may_continue(const unsigned char *s, size_t n)
{
    if (n >= 2) {
        unsigned lo = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
        unsigned hi = s[0] == 0xF4 ? 0x8F : 0xBF;
        if (s[1] < lo || s[1] > hi)
            return false;
    }
    return n < 3 || (s[2] & 0xC0) == 0x80;
}

bool charset_utf8_valid(const char *s, size_t n, size_t *n_sequences)
{
    *n_sequences = 0;
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t cp = utf8_get(s + i, n - i, &len);
        if (cp == UTF8_BAD) {
            size_t w = wanted((unsigned char)s[i]);
            return w > n - i && may_continue((const unsigned char *)s + i, n - i);
        }
        *n_sequences += len > 1 && cp != 0xFFFD;
    }
    return true;
}

/* Bytes of `s` that are ASCII, in steps of a word. */
static size_t ascii_run(const char *s, size_t n)
{
    size_t i = 0;
    uint64_t w[2];

    for (; i + 16 <= n; i += 16) {
        memcpy(w, s + i, 16);
        if ((w[0] | w[1]) & UINT64_C(0x8080808080808080))
            break;
    }
    while (i < n && !(s[i] & 0x80))
        i++;
    return i;
}

/* Bytes of `s` that can be handed on as they are. */
static size_t clean_run(const unsigned char *s, size_t n)
{
    size_t i = 0;

    for (;;) {
        if (i < n && s[i] < 0x80)
            i += ascii_run((const char *)s + i, n - i);
        if (n - i < 4)
            break;
        unsigned a = s[i], b = s[i + 1], c = s[i + 2];
        if (a >= 0xC2 && a < 0xE0 && (b & 0xC0) == 0x80) {
            i += 2;
        } else if (a > 0xE0 && a < 0xEF && a != 0xED && (b & 0xC0) == 0x80 &&
                   (c & 0xC0) == 0x80) {
            i += 3;
        } else {
            size_t len;
            uint32_t cp = utf8_get((const char *)s + i, n - i, &len);
            if (cp == UTF8_BAD || cp == 0xFFFE || cp == 0xFFFF)
                return i;
            i += len;
        }
    }
    while (i < n) { /* the last three bytes */
        size_t len;
        uint32_t cp = utf8_get((const char *)s + i, n - i, &len);
        if (cp == UTF8_BAD || cp == 0xFFFE || cp == 0xFFFF)
            break;
        i += len;
    }
    return i;
}

/* Mend the bad bytes at `s`; returns how many were used, 0: more are needed. */
static size_t mend(const unsigned char *s, size_t n, char out[4], size_t *n_out)
{
    size_t w = wanted(s[0]), len;

    if (w > n && may_continue(s, n))
        return 0;
    if (s[0] == 0xED && n >= 2 && s[1] >= 0xA0 && s[1] <= 0xBF) {
        if (n < 3)
            return 0;
        if ((s[2] & 0xC0) == 0x80) { /* a surrogate */
            *n_out = utf8_put(out, 0xFFFD);
            return 3;
        }
    }
    uint32_t cp = utf8_get((const char *)s, n, &len);
    if (cp == UTF8_BAD) {
        *n_out = utf8_put(out, windows_1252(s[0]));
        return 1;
    }
    *n_out = utf8_put(out, cp == 0xFFFE || cp == 0xFFFF ? 0xFFFD : cp);
    return len;
}

/* Finish the sequence in hold with the next bytes; advances *s. */
static int push_held(struct charset_utf8 *u, const char **s, size_t *n,
                     charset_sink *sink, void *ctx)
{
    while (u->n_hold) {
        char out[4];
        size_t n_out = 0;
        size_t used = mend((const unsigned char *)u->hold, u->n_hold, out, &n_out);
        if (used == 0) {
            if (*n == 0)
                return 0;
            u->hold[u->n_hold++] = *(*s)++;
            (*n)--;
            continue;
        }
        size_t len;
        if (utf8_get(u->hold, u->n_hold, &len) == UTF8_BAD || n_out != used ||
            memcmp(out, u->hold, used) != 0)
            u->repairs++;
        u->n_hold -= used;
        memmove(u->hold, u->hold + used, u->n_hold);
        int r = sink(ctx, out, n_out);
        if (r)
            return r;
    }
    return 0;
}

int charset_utf8_push(struct charset_utf8 *u, const char *s, size_t n, charset_sink *sink,
                      void *ctx)
{
    int r = u->n_hold ? push_held(u, &s, &n, sink, ctx) : 0;
    char out[512]; /* mended bytes and the short clean runs between them */
    size_t k = 0;

    while (r == 0 && n) {
        size_t clean = clean_run((const unsigned char *)s, n);
        size_t n_out = 0;
        if (clean > sizeof out - 8 || (k == 0 && clean == n)) {
            if (k)
                r = sink(ctx, out, k);
            k = 0;
            if (r == 0)
                r = sink(ctx, s, clean);
        } else {
            if (k + clean > sizeof out - 4) {
                r = sink(ctx, out, k);
                k = 0;
            }
            memcpy(out + k, s, clean);
            k += clean;
        }
        s += clean;
        n -= clean;
        if (r || n == 0)
            break;
        size_t used = mend((const unsigned char *)s, n, out + k, &n_out);
        if (used == 0) {
            memcpy(u->hold, s, n);
            u->n_hold = n;
            break;
        }
        u->repairs++;
        k += n_out;
        s += used;
        n -= used;
    }
    return r == 0 && k ? sink(ctx, out, k) : r;
}

int charset_utf8_finish(struct charset_utf8 *u)
{
    u->repairs += u->n_hold > 0;
    u->n_hold = 0;
    return 0;
}
