/* References: what XML defines, what HTML defines, what the document declares, what is
 * none. */
#include "feed_xml_entity.h"

#include <ctype.h>
#include <stdint.h>
#include <strings.h>
#include "html.h"
#include "utf8.h"
#include "windows_1252.h"

enum {
    REF_MAX = 40,       /* longer than any name of HTML */
    VALUE_MAX = 120,    /* of a declared entity */
    DECLARED_MAX = 4096 /* all of them */
};

/* The first of these is what `s` starts with. */
static size_t predefined(const char *s, size_t n)
{
    static const char *const name[] = { "&lt;", "&gt;", "&amp;", "&quot;", "&apos;" };

    for (size_t i = 0; i < 5; i++) {
        size_t k = strlen(name[i]);
        if (n >= k && memcmp(s, name[i], k) == 0)
            return k;
    }
    return 0;
}

static void put_char(char with[XML_ENTITY_MAX], unsigned long cp)
{
    if (cp == '&' || cp == '<' || cp == '"') {
        memcpy(with,
               cp == '&'   ? "&amp;"
               : cp == '<' ? "&lt;"
                           : "&quot;",
               cp == '&'   ? 6
               : cp == '<' ? 5
                           : 7);
        return;
    }
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
        cp = 0xFFFD;
    with[utf8_put(with, (uint32_t)cp)] = '\0';
}

static bool xml_char(unsigned long cp)
{
    return cp == 9 || cp == 10 || cp == 13 || (cp >= 0x20 && cp <= 0xD7FF) ||
           (cp >= 0xE000 && cp <= 0xFFFD) || (cp >= 0x10000 && cp <= 0x10FFFF);
}

/* Digits from s[*i] on; false when there are none. */
static bool number(const char *s, size_t n, size_t *i, bool hex, unsigned long *cp)
{
    size_t from = *i;

    *cp = 0;
    for (; *i < n; (*i)++) {
        int ch = tolower((unsigned char)s[*i]);
        int d = ch >= '0' && ch <= '9'          ? ch - '0'
                : hex && ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                                                : -1;
        if (d < 0)
            break;
        if (*cp <= 0x10FFFF)
            *cp = *cp * (hex ? 16 : 10) + (unsigned)d;
    }
    return *i > from;
}

static enum xml_ref bare_amp(char with[XML_ENTITY_MAX], size_t *used,
                             enum xml_repair *kind)
{
    memcpy(with, "&amp;", 6);
    *used = 1;
    *kind = XML_REPAIR_AMP;
    return XML_REF_MENDED;
}

/* A low surrogate written as a reference, directly behind a high one. */
static unsigned long low_surrogate(const char *s, size_t n, size_t *i)
{
    size_t k = *i;
    unsigned long lo;
    bool hex;

    if (n - k < 4 || s[k] != '&' || s[k + 1] != '#')
        return 0;
    k += 2;
    hex = s[k] == 'x' || s[k] == 'X';
    k += hex;
    if (!number(s, n, &k, hex, &lo) || k >= n || s[k] != ';' || lo < 0xDC00 ||
        lo > 0xDFFF)
        return 0;
    *i = k + 1;
    return lo;
}

static enum xml_ref numeric(const char *s, size_t n, bool last, size_t *used,
                            char with[XML_ENTITY_MAX], enum xml_repair *kind)
{
    size_t i = 2;
    bool hex = n > 2 && (s[2] == 'x' || s[2] == 'X');
    unsigned long cp;

    i += hex;
    bool any = number(s, n < REF_MAX ? n : REF_MAX, &i, hex, &cp);
    if (i >= n && !last && n < REF_MAX) {
        *used = 0;
        return XML_REF_KEEP;
    }
    if (!any)
        return bare_amp(with, used, kind);
    bool ended = i < n && s[i] == ';';
    *used = i + ended;
    *kind = XML_REPAIR_CONTROL;
    if (cp >= 0xD800 && cp <= 0xDBFF && ended) {
        if (n - *used < 10 && !last) {
            *used = 0;
            return XML_REF_KEEP;
        }
        unsigned long lo = low_surrogate(s, n < *used + 10 ? n : *used + 10, used);
        put_char(with, lo ? 0x10000 + ((cp - 0xD800) << 10) + (lo - 0xDC00) : 0xFFFD);
        return XML_REF_MENDED;
    }
    if (!xml_char(cp)) {
        put_char(with, cp > 0x1F ? 0xFFFD : 0);
        if (cp <= 0x1F)
            with[0] = '\0';
        return XML_REF_MENDED;
    }
    if (cp >= 0x80 && cp < 0xA0) { /* a C1 control by the letter, not in practice */
        put_char(with, windows_1252((unsigned char)cp));
        return ended ? XML_REF_MAPPED : XML_REF_MENDED;
    }
    if (ended && s[2] != 'X')
        return XML_REF_KEEP;
    put_char(with, cp);
    *kind = XML_REPAIR_ENTITY;
    return XML_REF_MENDED;
}

static const char *find_declared(const struct buf *d, struct str name)
{
    for (size_t i = 0; i < d->n;) {
        const char *key = d->s + i, *value = key + strlen(key) + 1;
        if (strlen(key) == name.n && memcmp(key, name.s, name.n) == 0)
            return value;
        i = (size_t)(value - d->s) + strlen(value) + 1;
    }
    return NULL;
}

/* `text` with what XML reserves escaped. */
static void escape(char with[XML_ENTITY_MAX], struct str text)
{
    size_t k = 0;

    for (size_t i = 0; i < text.n && k + 8 < XML_ENTITY_MAX; i++) {
        char one[2] = { text.s[i], '\0' };
        const char *e = *one == '&'   ? "&amp;"
                        : *one == '<' ? "&lt;"
                        : *one == '"' ? "&quot;"
                                      : one;
        size_t n = strlen(e);
        memcpy(with + k, e, n);
        k += n;
    }
    with[k] = '\0';
}

enum xml_ref xml_entity_read(const struct buf *declared, const char *s, size_t n,
                             bool last, size_t *used, char with[XML_ENTITY_MAX],
                             enum xml_repair *kind)
{
    size_t i = 1;

    *used = predefined(s, n);
    if (*used)
        return XML_REF_KEEP;
    if (n >= 2 && s[1] == '#')
        return numeric(s, n, last, used, with, kind);
    while (i < n && i < REF_MAX && isalnum((unsigned char)s[i]))
        i++;
    if (i == n && i < REF_MAX && !last) {
        *used = 0;
        return XML_REF_KEEP;
    }
    if (i == 1 || i >= n || s[i] != ';')
        return bare_amp(with, used, kind);
    struct str name = { s + 1, i - 1 };
    const char *value = declared->n ? find_declared(declared, name) : NULL;
    *used = i + 1;
    if (value) {
        escape(with, str_of(value));
        return XML_REF_MAPPED;
    }
    struct str text = html_entity(name);
    if (text.n == 0)
        return bare_amp(with, used, kind);
    escape(with, text);
    *kind = XML_REPAIR_ENTITY;
    return XML_REF_MENDED;
}

static char predefined_char(const char *s)
{
    return s[1] == 'l'   ? '<'
           : s[1] == 'g' ? '>'
           : s[1] == 'q' ? '"'
           : s[2] == 'p' ? '\''
                         : '&';
}

size_t xml_entity_plain(char *out, const char *s, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < n;) {
        size_t used = s[i] == '&' ? predefined(s + i, n - i) : 0, at = i + 2;
        unsigned long cp;
        if (used) {
            out[k++] = predefined_char(s + i);
            i += used;
            continue;
        }
        bool hex = n - i > 2 && s[i + 1] == '#' && s[i + 2] == 'x';
        at += hex;
        if (s[i] == '&' && n - i > 2 && s[i + 1] == '#' && number(s, n, &at, hex, &cp)) {
            struct buf b;
            buf_init(&b, 8);
            (void)buf_put_utf8(&b, cp);
            memcpy(out + k, b.s ? b.s : "", b.n);
            k += b.n;
            buf_free(&b);
            i = at + 1;
        } else {
            out[k++] = s[i++];
        }
    }
    return k;
}

/* --- the document type --- */

static void skip_space(const char **p, const char *end)
{
    while (*p < end && isspace((unsigned char)**p))
        (*p)++;
}

/* The value of a declared entity: references to characters and predefined entities read,
 * others refused. */
static bool read_value(struct buf *out, const char *s, size_t n)
{
    static const struct buf none;

    for (size_t i = 0; i < n;) {
        char with[XML_ENTITY_MAX];
        size_t used = 1;
        enum xml_repair kind;
        if (s[i] != '&') {
            (void)buf_putc(out, s[i++]);
            continue;
        }
        if (n - i < 3 || s[i + 1] != '#') {
            used = predefined(s + i, n - i);
            if (used == 0)
                return false;
            (void)buf_putc(out, predefined_char(s + i));
        } else {
            unsigned long cp;
            size_t k = i + 2;
            bool hex = s[k] == 'x';
            k += hex;
            (void)xml_entity_read(&none, s + i, n - i, true, &used, with, &kind);
            if (!number(s, n, &k, hex, &cp) || cp == '&' || !xml_char(cp))
                return false; /* "&#38;" hides a reference */
            (void)buf_put_utf8(out, cp);
        }
        i += used;
    }
    return out->error == 0;
}

static const char *read_declaration(struct buf *declared, const char **p, const char *end)
{
    skip_space(p, end);
    bool parameter = *p < end && **p == '%';
    if (parameter)
        (*p)++;
    skip_space(p, end);
    const char *name = *p;
    while (*p < end && !isspace((unsigned char)**p) && **p != '>')
        (*p)++;
    size_t n_name = (size_t)(*p - name);
    skip_space(p, end);
    if (*p >= end || (**p != '"' && **p != '\''))
        return NULL; /* SYSTEM or PUBLIC: never loaded, so there is nothing to fear */
    const char *value = *p + 1;
    const char *q = memchr(value, **p, (size_t)(end - value));
    if (!q)
        return NULL;
    *p = q + 1;
    if (parameter)
        return "internal parameter entity in the document type";
    if (q - value > VALUE_MAX || n_name == 0 || n_name >= REF_MAX)
        return "long entity in the document type";
    if (find_declared(declared, (struct str){ name, n_name }))
        return NULL; /* the first declaration counts */
    (void)buf_put(declared, name, n_name);
    (void)buf_putc(declared, '\0');
    if (!read_value(declared, value, (size_t)(q - value)))
        return "entity that refers to another entity in the document type";
    (void)buf_putc(declared, '\0');
    return declared->error || declared->n > DECLARED_MAX ? "too many declared entities"
                                                         : NULL;
}

const char *xml_entity_doctype(struct buf *declared, const char *s, size_t n, bool *html)
{
    const char *p = s + 9, *end = s + n;

    skip_space(&p, end);
    *html = end - p >= 4 && strncasecmp(p, "html", 4) == 0;
    while (p < end && *p != '[')
        p++;
    while (p < end) {
        if (end - p > 4 && memcmp(p, "<!--", 4) == 0) {
            const char *q = memmem(p + 4, (size_t)(end - p - 4), "-->", 3);
            p = q ? q + 3 : end;
        } else if (end - p > 8 && memcmp(p, "<!ENTITY", 8) == 0) {
            p += 8;
            const char *why = read_declaration(declared, &p, end);
            if (why)
                return why;
        } else {
            p++;
        }
    }
    return NULL;
}
