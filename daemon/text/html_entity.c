/* HTML character references, named and numeric (HTML standard, 13.2.5.72 to 13.2.5.80).
 */
#include "html_parts.h"

#include <string.h>
#include "utf8.h"
#include "windows_1252.h"

struct entity {
    unsigned short name; /* where it starts in entity_names */
    unsigned char name_n;
    unsigned char legacy; /* also without the semicolon */
    unsigned char n;
    char utf8[HTML_REFERENCE_SIZE];
};
#include "gen_html_entities.h"

static const struct entity *find(const char *name, size_t n)
{
    for (uint32_t at = html_hash(name, n) % ENTITY_SLOTS; entity_slots[at];
         at = (at + 1) % ENTITY_SLOTS) {
        const struct entity *e = &entities[entity_slots[at] - 1];
        if (e->name_n == n && memcmp(entity_names + e->name, name, n) == 0)
            return e;
    }
    return NULL;
}

struct str html_entity(struct str name)
{
    const struct entity *e =
        name.n && name.n <= ENTITY_NAME_MAX ? find(name.s, name.n) : NULL;

    return e ? (struct str){ e->utf8, e->n } : (struct str){ 0 };
}

static struct html_reference from_entity(const struct entity *e, size_t used)
{
    struct html_reference r = { .used = used, .n = e->n };

    memcpy(r.utf8, e->utf8, sizeof r.utf8);
    return r;
}

static struct html_reference named(struct str s, bool closed)
{
    const struct entity *e;
    size_t n = 0;

    while (1 + n < s.n && n <= ENTITY_NAME_MAX &&
           (html_is_letter(s.s[1 + n]) || html_is_digit(s.s[1 + n])))
        n++;
    if (1 + n < s.n && s.s[1 + n] == ';' && n && n <= ENTITY_NAME_MAX &&
        (e = find(s.s + 1, n)))
        return from_entity(e, n + 2);
    if (closed)
        return (struct html_reference){ 0 };
    for (n = n < ENTITY_LEGACY_MAX ? n : ENTITY_LEGACY_MAX; n >= 2; n--) {
        if ((e = find(s.s + 1, n)) && e->legacy)
            return from_entity(e, n + 1);
    }
    return (struct html_reference){ 0 };
}

/* References to 0x80..0x9F mean windows-1252 (HTML standard, 13.2.5.80). */
static void put_code_point(struct html_reference *r, uint32_t c)
{
    if (c >= 0x80 && c <= 0x9F)
        c = windows_1252((unsigned char)c);
    if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        c = 0xFFFD;
    r->n = (unsigned char)(r->n + utf8_put(r->utf8 + r->n, c));
}

static int digit_value(char c, unsigned base)
{
    if (html_is_digit(c))
        return c - '0';
    if (base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

static struct html_reference numeric(struct str s, bool closed)
{
    struct html_reference r = { 0 };
    unsigned base = s.n > 2 && (s.s[2] | 0x20) == 'x' ? 16 : 10;
    size_t first = base == 16 ? 3 : 2, i = first;
    uint32_t c = 0;

    for (int d; i < s.n && (d = digit_value(s.s[i], base)) >= 0; i++)
        c = c > 0x10FFFF ? c : c * base + (uint32_t)d;
    bool ended = i < s.n && s.s[i] == ';';
    if (i == first || (closed && !ended))
        return r;
    r.used = i + ended;
    put_code_point(&r, c);
    return r;
}

struct html_reference html_reference_get(struct str s, bool closed)
{
    return s.n > 1 && s.s[1] == '#' ? numeric(s, closed) : named(s, closed);
}
