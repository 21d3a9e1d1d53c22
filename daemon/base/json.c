/* Writing JSON text into a buf. */
#include "json.h"

#include <inttypes.h>
#include "utf8.h"

/* Needs an escape for JSON's sake or for the reader's terminal. */
static int must_escape(uint32_t c)
{
    return c == '"' || c == '\\' || (utf8_unsafe(c) && c != 0xAD);
}

static void put_escape(struct buf *b, uint32_t c)
{
    if (c == '"' || c == '\\') {
        (void)buf_printf(b, "\\%c", (char)c);
    } else if (c == '\n') {
        (void)buf_puts(b, "\\n");
    } else if (c == '\t') {
        (void)buf_puts(b, "\\t");
    } else if (c == UTF8_BAD) {
        (void)buf_puts(b, "\xEF\xBF\xBD");
    } else if (c > 0xFFFF) {
        c -= 0x10000;
        (void)buf_printf(b, "\\u%04x\\u%04x", 0xD800 + (c >> 10), 0xDC00 + (c & 0x3FF));
    } else {
        (void)buf_printf(b, "\\u%04x", c);
    }
}

int json_put_str(struct buf *b, struct str s)
{
    size_t from = 0;

    (void)buf_putc(b, '"');
    for (size_t i = 0; i < s.n;) {
        size_t len = 1;
        unsigned char first = (unsigned char)s.s[i];

        if (first < 0x7F && first >= 0x20 && first != '"' && first != '\\') {
            i++;
            continue;
        }
        uint32_t c = utf8_get(s.s + i, s.n - i, &len);
        if (must_escape(c)) {
            (void)buf_put(b, s.s + from, i - from);
            put_escape(b, c);
            from = i + len;
        }
        i += len;
    }
    if (s.n > from)
        (void)buf_put(b, s.s + from, s.n - from);
    return buf_putc(b, '"');
}

int json_put_key(struct buf *b, const char *key)
{
    if (b->n && b->s[b->n - 1] != '{' && b->s[b->n - 1] != '[')
        (void)buf_putc(b, ',');
    return buf_printf(b, "\"%s\":", key);
}

int json_member_str(struct buf *b, const char *key, struct str s)
{
    (void)json_put_key(b, key);
    return s.n ? json_put_str(b, s) : buf_puts(b, "null");
}

int json_member_int(struct buf *b, const char *key, int64_t v)
{
    (void)json_put_key(b, key);
    return buf_printf(b, "%" PRId64, v);
}

int json_member_bool(struct buf *b, const char *key, int v)
{
    (void)json_put_key(b, key);
    return buf_puts(b, v ? "true" : "false");
}
