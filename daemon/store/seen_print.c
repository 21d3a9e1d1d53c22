/* The prints of an item: its key, and fingerprints of link, title, lead and date. */
#include <errno.h>
#include <stdio.h>
#include <inttypes.h>
#include <xxhash.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "seen.h"
#include "url.h"
#include "utf8.h"

#define TITLE_BYTES 1024 /* of canonical text that count */
#define LEAD_BYTES 512
#define LEAD_BYTES_MIN 24 /* a shorter one ("Read more") does not tell items apart */

/* --- canonical text: the same whatever was done to white space, quotes, dashes, case ---
 */

/* Characters that come and go when a feed is written by another program. */
static bool is_noise(uint32_t c)
{
    switch (c) {
    case ' ':
    case '"':
    case '\'':
    case '`':
    case 0xA0:   /* no-break space */
    case 0xAB:   /* guillemets, left */
    case 0xB4:   /* acute accent */
    case 0xBB:   /* guillemets, right */
    case 0x1680: /* ogham space mark */
    case 0x202F: /* narrow no-break space */
    case 0x205F: /* medium mathematical space */
    case 0x3000: /* ideographic space */
        return true;
    }
    return (c >= 0x2000 && c <= 0x200A) || (c >= 0x2018 && c <= 0x201F) || utf8_unsafe(c);
}

static uint32_t fold(uint32_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c + 32;
    if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
        (c >= 0x410 && c <= 0x42F)) /* Latin-1, Greek, Cyrillic */
        return c + 32;
    if (c >= 0x400 && c <= 0x40F)
        return c + 80;
    return c >= 0x2010 && c <= 0x2015 ? '-' : c; /* dashes */
}

/* For ASCII: what stands for each character, 0: nothing. */
static const char plain[128] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%',   ['&'] = '&', ['('] = '(',
    [')'] = ')', ['*'] = '*', ['+'] = '+', [','] = ',',   ['-'] = '-', ['.'] = '.',
    ['/'] = '/', ['0'] = '0', ['1'] = '1', ['2'] = '2',   ['3'] = '3', ['4'] = '4',
    ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8',   ['9'] = '9', [':'] = ':',
    [';'] = ';', ['<'] = '<', ['='] = '=', ['>'] = '>',   ['?'] = '?', ['@'] = '@',
    ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',   ['E'] = 'e', ['F'] = 'f',
    ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j',   ['K'] = 'k', ['L'] = 'l',
    ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p',   ['Q'] = 'q', ['R'] = 'r',
    ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v',   ['W'] = 'w', ['X'] = 'x',
    ['Y'] = 'y', ['Z'] = 'z', ['['] = '[', ['\\'] = '\\', [']'] = ']', ['^'] = '^',
    ['_'] = '_', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c',   ['d'] = 'd', ['e'] = 'e',
    ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',   ['j'] = 'j', ['k'] = 'k',
    ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o',   ['p'] = 'p', ['q'] = 'q',
    ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u',   ['v'] = 'v', ['w'] = 'w',
    ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['{'] = '{',   ['|'] = '|', ['}'] = '}',
    ['~'] = '~',
};

/* Characters of one multi-byte sequence; returns how many bytes were written. */
static size_t canonical_wide(char *to, const char *s, size_t n, size_t *len)
{
    uint32_t c = utf8_get(s, n, len);

    if (c == 0x2026) { /* ellipsis */
        memcpy(to, "...", 3);
        return 3;
    }
    return is_noise(c) ? 0 : utf8_put(to, fold(c));
}

#ifdef __SSE2__
enum { CHUNK = 16 };

/* Fold 16 bytes and write them all; returns how many come before the first that needs a
 * look of its own: noise, and what is not ASCII. */
static inline size_t canonical_chunk(char *to, const char *s)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)s);
    /* signed: bytes from 0x80 on are below all */
    __m128i odd = _mm_cmpgt_epi8(_mm_set1_epi8('!'), v);
    __m128i upper = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('A' - 1)),
                                  _mm_cmpgt_epi8(_mm_set1_epi8('Z' + 1), v));

    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(v, _mm_set1_epi8('\'')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(v, _mm_set1_epi8('`')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7F)));
    v = _mm_or_si128(v, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
    _mm_storeu_si128((__m128i *)(void *)to, v);
    return (size_t)__builtin_ctz((unsigned)_mm_movemask_epi8(odd) | 1U << CHUNK);
}
#else
enum { CHUNK = 16 };
static inline size_t canonical_chunk(char *to, const char *s)
{
    size_t i = 0;

    for (; i < CHUNK && (unsigned char)s[i] < 0x80 && plain[(unsigned char)s[i]]; i++)
        to[i] = plain[(unsigned char)s[i]];
    return i;
}
#endif

/* Write the canonical form of `s` to `to`, at most `max` bytes of it and 3 more; it is
 * never longer than `s`, but CHUNK more bytes may be written.  Returns how many. */
static size_t canonical(char *to, struct str s, size_t max)
{
    size_t n = 0, i = 0, len;

    while (i < s.n && n < max) {
        if (s.n - i >= CHUNK && max - n >= CHUNK) {
            size_t k = canonical_chunk(to + n, s.s + i);
            n += k;
            i += k;
            if (k == CHUNK)
                continue;
        }
        unsigned char byte = (unsigned char)s.s[i];
        if (byte >= 0x80) {
            n += canonical_wide(to + n, s.s + i, s.n - i, &len);
            i += len;
            continue;
        }
        to[n] = plain[byte];
        n += plain[byte] != 0;
        i++;
    }
    return n;
}

/* Append the canonical form of `s`, at most about `max` bytes of it. */
static void put_canonical(struct buf *out, struct str s, size_t max)
{
    if (buf_reserve(out, (s.n < max ? s.n : max) + CHUNK + 4) < 0)
        return;
    out->n += canonical(out->s + out->n, s, max);
    out->s[out->n] = '\0';
}

/* --- prints --- */

static uint64_t hash_from(const struct buf *b, size_t from)
{
    return b->n > from ? XXH3_64bits(b->s + from, b->n - from) : 0;
}

/* `bits` bits of a hash; never 0, which means "none". */
static uint64_t narrow(uint64_t hash, unsigned bits)
{
    uint64_t v = hash >> (64 - bits);

    return v ? v : 1;
}

static void put_number(struct buf *out, int64_t v)
{
    for (int i = 0; i < 8; i++)
        (void)buf_putc(out, (char)((uint64_t)v >> 8 * i & 0xFF));
}

/* Append the normalised link with its fragment (which may be all that tells the entries
 * of a change log apart).  False: there is none, or it is a home page, which says
 * nothing. */
static int put_link(struct buf *out, struct str link, bool *useful)
{
    size_t from = out->n;
    const char *fragment = link.n ? memchr(link.s, '#', link.n) : NULL;

    *useful = false;
    if (!link.n)
        return 0;
    int r = url_normalise(out, link);
    if (r == -ENOMEM)
        return r;
    if (r < 0) { /* not a URL we understand: as it stands */
        out->n = from;
        out->error = 0;
        (void)buf_put_str(out, link);
        *useful = true;
    } else if (fragment && fragment + 1 < link.s + link.n) {
        (void)buf_put(out, fragment, (size_t)(link.s + link.n - fragment));
    }
    for (size_t i = from; i < out->n; i++)
        *useful = *useful || memchr("/?#", out->s[i], 3);
    return out->error;
}

static uint64_t text_print(struct buf *b, const struct item *item)
{
    size_t from = b->n;

    put_canonical(b, item->title, TITLE_BYTES);
    uint64_t title = hash_from(b, from);
    size_t lead_from = b->n;
    put_canonical(b, item->summary.n ? item->summary : item->content, LEAD_BYTES);
    uint64_t lead = b->n - lead_from >= LEAD_BYTES_MIN ? hash_from(b, lead_from) : 0;
    return (title ? narrow(title, 32) << 32 : 0) | (lead ? narrow(lead, 24) : 0);
}

static void set_key(struct seen_print *out, const struct buf *b, size_t from)
{
    XXH128_hash_t h = XXH3_128bits(b->s + from, b->n - from);

    out->key = (struct seen_key){ h.high64, h.low64 };
}

int seen_print(struct seen_print *out, const struct item *item, struct buf *scratch)
{
    struct seen_print p = { 0 };
    bool useful;

    buf_clear(scratch);
    (void)buf_putc(scratch, 'l'); /* kind byte of the key */
    int r = put_link(scratch, item->link, &useful);
    if (r < 0)
        return r;
    if (useful) {
        p.link = narrow(hash_from(scratch, 1), 48);
        set_key(&p, scratch, 0);
    }
    size_t at = scratch->n;
    (void)buf_putc(scratch, 'c');
    put_number(scratch, item->published_s);
    if (item->published_s != ITEM_NO_TIME)
        p.date = (uint16_t)narrow(hash_from(scratch, at + 1), 16);
    p.text = text_print(scratch, item);
    if (!item->id.n && !useful) {
        p.anonymous = true;
        set_key(&p, scratch, at);
    }
    if (item->id.n) {
        at = scratch->n;
        (void)buf_putc(scratch, 'i');
        (void)buf_put_str(scratch, item->id);
        set_key(&p, scratch, at);
    }
    if (scratch->error)
        return -ENOMEM;
    *out = p;
    return 0;
}

void seen_key_hex(char out[33], const struct seen_key *key)
{
    snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, key->hi, key->lo);
}
