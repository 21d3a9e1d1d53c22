/* The prints of an item: its key, and fingerprints of link, title, lead and date. */
#include <errno.h>
#include <stdio.h>
#include <inttypes.h>
#include <xxhash.h>
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

/* Append the canonical form of `s`, at most about `max` bytes of it. */
static void put_canonical(struct buf *out, struct str s, size_t max)
{
    size_t end = out->n + max;

    for (size_t i = 0, len; i < s.n && out->n < end; i += len) {
        uint32_t c = utf8_get(s.s + i, s.n - i, &len);

        if (c == 0x2026) /* ellipsis */
            (void)buf_puts(out, "...");
        else if (!is_noise(c))
            (void)buf_put_utf8(out, fold(c));
    }
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
