/* Making a well-formed tag of a broken one, and finding one's way in a run of tokens. */
#include <string.h>
#include "feed_xml_entity.h"

static bool space(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || ch == '\f';
}

static bool name_char(char ch, bool first)
{
    unsigned char u = (unsigned char)ch;

    if ((u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || u == '_' || u == ':' ||
        u >= 0x80)
        return true;
    return !first && ((u >= '0' && u <= '9') || u == '-' || u == '.');
}

static struct str read_name(const char *s, size_t n, size_t *at)
{
    size_t from = *at;

    while (*at < n && name_char(s[*at], *at == from))
        (*at)++;
    return (struct str){ s + from, *at - from };
}

static struct str read_value(const char *s, size_t n, size_t *at)
{
    size_t from = *at;
    char quote = *at < n ? s[*at] : '\0';

    if (quote == '"' || quote == '\'') {
        const char *end = memchr(s + from + 1, quote, n - from - 1);
        *at = end ? (size_t)(end - s) + 1 : n;
        return (struct str){ s + from + 1, (end ? *at - 1 : n) - from - 1 };
    }
    while (*at < n && !space(s[*at]) && s[*at] != '>')
        (*at)++;
    return (struct str){ s + from, *at - from };
}

bool xml_filter_attribute(const char *s, size_t n, size_t *at, struct str *name,
                          struct str *value)
{
    *value = (struct str){ 0 };
    for (;;) {
        while (*at < n && (space(s[*at]) || s[*at] == '/'))
            (*at)++;
        if (*at >= n || s[*at] == '>')
            return false;
        *name = read_name(s, n, at);
        if (name->n)
            break;
        (*at)++;
    }
    size_t p = *at;
    while (p < n && space(s[p]))
        p++;
    if (p < n && s[p] == '=') {
        for (p++; p < n && space(s[p]); p++)
            ;
        *value = read_value(s, n, &p);
        *at = p;
    }
    return true;
}

static void put_value(struct xml_filter *f, struct buf *out, struct str v)
{
    char with[XML_ENTITY_MAX];

    for (size_t i = 0; i < v.n;) {
        unsigned char u = (unsigned char)v.s[i];
        size_t used = 1;
        enum xml_repair kind;
        if (u == '&') {
            if (xml_entity_read(&f->entities, v.s + i, v.n - i, true, &used, with,
                                &kind) == XML_REF_KEEP)
                (void)buf_put(out, v.s + i, used);
            else
                (void)buf_puts(out, with);
        } else if (u == '<') {
            (void)buf_puts(out, "&lt;");
        } else if (u == '"') {
            (void)buf_puts(out, "&quot;");
        } else if (u >= 0x20 || space((char)u)) {
            (void)buf_putc(out, (char)u);
        }
        i += used;
    }
}

/* Is there an attribute `name` before s[at]? */
static bool seen_before(const char *s, size_t from, size_t at, struct str name)
{
    struct str other, value;

    while (from < at && xml_filter_attribute(s, at, &from, &other, &value))
        if (from < at && str_eq(other, name) && other.s != name.s)
            return true;
    return false;
}

enum { ATTRIBUTES_MAX = 64 }; /* of a broken tag; the rest is dropped */

bool xml_filter_mend_tag(struct xml_filter *f, struct buf *out, const char *s, size_t n)
{
    size_t at = 1, count = 0;
    bool is_end = n > 1 && s[1] == '/';
    struct str name, value;

    at += is_end;
    struct str tag = read_name(s, n, &at);
    if (tag.n == 0)
        return false;
    (void)buf_puts(out, is_end ? "</" : "<");
    (void)buf_put_str(out, tag);
    size_t first = at;
    while (!is_end && count++ < ATTRIBUTES_MAX &&
           xml_filter_attribute(s, n, &at, &name, &value)) {
        if (seen_before(s, first, (size_t)(name.s - s), name))
            continue;
        (void)buf_putc(out, ' ');
        (void)buf_put_str(out, name);
        (void)buf_puts(out, "=\"");
        put_value(f, out, value);
        (void)buf_putc(out, '"');
    }
    return buf_puts(out, !is_end && n > 2 && s[n - 2] == '/' ? "/>" : ">") == 0;
}

/* Behind the token that starts at s[at]; text goes up to the next '<'. */
static size_t token_end(const char *s, size_t n, size_t at)
{
    char quote = '\0';

    if (s[at] != '<') {
        const char *lt = memchr(s + at, '<', n - at);
        return lt ? (size_t)(lt - s) : n;
    }
    for (at++; at < n; at++) {
        if (quote)
            quote = s[at] == quote ? '\0' : quote;
        else if (s[at] == '"' || s[at] == '\'')
            quote = s[at];
        else if (s[at] == '>')
            return at + 1;
    }
    return n;
}

void xml_filter_token(const char *s, size_t n, size_t at, size_t *from, size_t *to)
{
    size_t p = 0;

    for (;;) {
        size_t end = token_end(s, n, p);
        if (end > at || end >= n) {
            *from = p;
            *to = end;
            return;
        }
        p = end;
    }
}
