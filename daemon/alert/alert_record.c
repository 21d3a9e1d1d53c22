/* An alert record: its strings, copies of it, and the parts that are kept packed in one
 * string: spans and sources. */
#include "alert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct str *alert_text(struct alert *a, unsigned i)
{
    struct str *field[] = { &a->watch,   &a->feed,   &a->title,   &a->link,    &a->rule,
                            &a->item_id, &a->author, &a->snippet, &a->matched, &a->spans,
                            &a->sinks,   &a->held,   &a->sources };
    return i < sizeof field / sizeof field[0] ? field[i] : NULL;
}

void *alert_own_texts(struct alert *a, size_t head)
{
    size_t bytes = head;
    struct str *s;

    for (unsigned i = 0; (s = alert_text(a, i)); i++)
        bytes += s->n + 1;
    char *block = malloc(bytes), *at = block ? block + head : NULL;
    for (unsigned i = 0; block && (s = alert_text(a, i)); i++)
        *s = str_lay(&at, *s);
    return block;
}

struct alert *alert_copy(const struct alert *a)
{
    struct alert from = *a, *copy = alert_own_texts(&from, sizeof *copy);

    if (copy)
        *copy = from;
    return copy;
}

bool alert_lists(struct str names, const char *name)
{
    size_t n = strlen(name);

    if (!names.n)
        return true;
    for (size_t i = 0; i < names.n;) {
        const char *end = memchr(names.s + i, '\n', names.n - i);
        size_t len = end ? (size_t)(end - (names.s + i)) : names.n - i;

        if (len == n && !memcmp(names.s + i, name, n))
            return true;
        i += len + 1;
    }
    return false;
}

/* Take a decimal number off *s; false when there is none or it does not fit. */
static bool take_number(struct str *s, int64_t *out)
{
    int64_t value = 0;
    size_t i = 0;

    for (; i < s->n && s->s[i] >= '0' && s->s[i] <= '9'; i++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, s->s[i] - '0', &value))
            return false;
    *s = (struct str){ s->s + i, s->n - i };
    *out = value;
    return i > 0;
}

static bool take_char(struct str *s, char c)
{
    if (!s->n || s->s[0] != c)
        return false;
    *s = (struct str){ s->s + 1, s->n - 1 };
    return true;
}

int alert_span_put(struct buf *out, const struct alert_span *span)
{
    return buf_printf(out, "%c%" PRIu32 "+%" PRIu32 " ", span->in_snippet ? 's' : 't',
                      span->offset, span->length);
}

bool alert_span_next(struct str *spans, struct alert_span *out)
{
    int64_t offset, length;

    out->in_snippet = spans->n && spans->s[0] == 's';
    if (!take_char(spans, out->in_snippet ? 's' : 't') || !take_number(spans, &offset) ||
        !take_char(spans, '+') || !take_number(spans, &length) ||
        !take_char(spans, ' ') || offset > UINT32_MAX || length > UINT32_MAX)
        return false;
    out->offset = (uint32_t)offset;
    out->length = (uint32_t)length;
    return true;
}

/* Texts hold no tab and no newline: both are written as a space. */
static void put_plain(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        (void)buf_putc(out, s.s[i] == '\t' || s.s[i] == '\n' ? ' ' : s.s[i]);
}

int alert_source_put(struct buf *out, const struct alert_source *source)
{
    put_plain(out, source->feed);
    (void)buf_putc(out, '\t');
    put_plain(out, source->link);
    (void)buf_putc(out, '\t');
    put_plain(out, source->title);
    return buf_printf(out, "\t%" PRId64 "\n", source->time_ms);
}

static bool take_text(struct str *s, struct str *out)
{
    const char *end = s->n ? memchr(s->s, '\t', s->n) : NULL;

    if (!end)
        return false;
    *out = (struct str){ s->s, (size_t)(end - s->s) };
    *s = (struct str){ end + 1, s->n - out->n - 1 };
    return true;
}

bool alert_source_next(struct str *sources, struct alert_source *out)
{
    return take_text(sources, &out->feed) && take_text(sources, &out->link) &&
           take_text(sources, &out->title) && take_number(sources, &out->time_ms) &&
           take_char(sources, '\n');
}
