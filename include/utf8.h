#ifndef UTF8_H
#define UTF8_H
/* UTF-8 (RFC 3629), one code point at a time. */
#include <stddef.h>
#include <stdint.h>

#define UTF8_BAD UINT32_MAX

/* The code point at `s` (n > 0 bytes left) and its length in *len.  For a bad or cut
 * sequence, an overlong form or a surrogate: UTF8_BAD and *len = 1. */
static inline uint32_t utf8_get(const char *s, size_t n, size_t *len)
{
    const unsigned char *u = (const unsigned char *)s;

    *len = 1;
    if (u[0] < 0x80)
        return u[0];
    if (u[0] >= 0xC2 && u[0] < 0xE0 && n >= 2 && (u[1] & 0xC0) == 0x80) {
        *len = 2;
        return (uint32_t)(u[0] & 0x1F) << 6 | (u[1] & 0x3F);
    }
    if (u[0] >= 0xE0 && u[0] < 0xF0 && n >= 3 && (u[1] & 0xC0) == 0x80 &&
        (u[2] & 0xC0) == 0x80) {
        uint32_t c =
            (uint32_t)(u[0] & 0xF) << 12 | (uint32_t)(u[1] & 0x3F) << 6 | (u[2] & 0x3F);
        if (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))
            return UTF8_BAD;
        *len = 3;
        return c;
    }
    if (u[0] >= 0xF0 && u[0] < 0xF5 && n >= 4 && (u[1] & 0xC0) == 0x80 &&
        (u[2] & 0xC0) == 0x80 && (u[3] & 0xC0) == 0x80) {
        uint32_t c = (uint32_t)(u[0] & 7) << 18 | (uint32_t)(u[1] & 0x3F) << 12 |
                     (uint32_t)(u[2] & 0x3F) << 6 | (u[3] & 0x3F);
        if (c < 0x10000 || c > 0x10FFFF)
            return UTF8_BAD;
        *len = 4;
        return c;
    }
    return UTF8_BAD;
}

/* Write `cp` (at most U+10FFFF) to `out`, which has room for 4 bytes.  Returns how many.
 */
static inline size_t utf8_put(char *out, uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

/* The length of the longest prefix of s[0..n) that has at most `max` bytes and ends
 * between characters. */
static inline size_t utf8_cut(const char *s, size_t n, size_t max)
{
    if (n <= max)
        return n;
    while (max && ((unsigned char)s[max] & 0xC0) == 0x80)
        max--;
    return max;
}

/* Characters that must not reach a terminal, log or bubble raw: C0, DEL, C1, bidi
 * controls, zero-width and line separators, BOM, interlinear and tag characters. */
static inline int utf8_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0xAD || c == 0x61C ||
           c == 0x180E || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
           (c >= 0xE0000 && c <= 0xE007F) || c == UTF8_BAD;
}
#endif
