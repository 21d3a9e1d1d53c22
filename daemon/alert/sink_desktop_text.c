/* What a bubble says: one alert in full, or several as a list. */
#include "sink_desktop_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "url.h"
#include "utf8.h"

#define TITLE_CHARS 200
#define LIST_CHARS 80
#define BODY_CHARS 400
#define HELD_BYTES 4096 /* of one string of an alert; more is never shown */

struct held *held_new(const struct alert *a, int64_t now_ms)
{
    const struct str *from[] = { &a->watch, &a->feed,    &a->title,
                                 &a->link,  &a->snippet, &a->matched };
    size_t n = 0;

    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++)
        n += utf8_cut(from[i]->s, from[i]->n, HELD_BYTES);
    struct held *h = malloc(sizeof *h + n);
    if (!h)
        return NULL;
    *h = (struct held){ .alert = *a, .since_ms = now_ms };
    struct str *none;
    for (unsigned i = 0; (none = alert_text(&h->alert, i)); i++)
        *none = (struct str){ 0 };
    struct str *to[] = { &h->alert.watch, &h->alert.feed,    &h->alert.title,
                         &h->alert.link,  &h->alert.snippet, &h->alert.matched };
    char *p = (char *)(h + 1);
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        *to[i] = (struct str){ p, utf8_cut(from[i]->s, from[i]->n, HELD_BYTES) };
        if (to[i]->n)
            memcpy(p, from[i]->s, to[i]->n);
        p += to[i]->n;
    }
    return h;
}

void pile_add(struct pile *p, struct held *h)
{
    if (p->n + p->more == 0) {
        p->since_ms = h->since_ms;
        p->priority = h->alert.priority;
    }
    if (h->alert.priority > p->priority)
        p->priority = h->alert.priority;
    if (h->alert.seq > p->last_seq)
        p->last_seq = h->alert.seq;
    if (p->n < DESKTOP_LISTED) {
        p->held[p->n++] = h;
    } else {
        p->more++;
        free(h);
    }
}

void pile_clear(struct pile *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->held[i]);
    p->n = p->more = 0;
}

/* Append one character as markup. */
static void put_escaped(struct buf *out, const char *s, size_t n)
{
    switch (n == 1 ? *s : 0) {
    case '&':
        buf_puts(out, "&amp;");
        return;
    case '<':
        buf_puts(out, "&lt;");
        return;
    case '>':
        buf_puts(out, "&gt;");
        return;
    case '"':
        buf_puts(out, "&quot;");
        return;
    case '\'':
        buf_puts(out, "&#39;");
        return;
    default:
        buf_put(out, s, n);
    }
}

/* Append `s` as safe text of one line, as markup if the server reads that. */
static void put_text(struct buf *out, struct str s, size_t max_chars, bool markup)
{
    struct buf safe;

    buf_init(&safe, 16 * HELD_BYTES);
    if (alert_put_safe(&safe, s, max_chars) == -ENOMEM)
        out->error = -ENOMEM;
    if (!markup) {
        buf_put(out, safe.s, safe.n);
    } else {
        for (size_t i = 0, len; i < safe.n; i += len) {
            (void)utf8_get(safe.s + i, safe.n - i, &len);
            put_escaped(out, safe.s + i, len);
        }
    }
    buf_free(&safe);
}

/* How long the matched word is that stands at `s`: 0 when none does. */
static size_t match_at(struct str matched, const char *s, size_t n)
{
    size_t best = 0;

    while (matched.n) {
        const char *nl = memchr(matched.s, '\n', matched.n);
        size_t len = nl ? (size_t)(nl - matched.s) : matched.n, skip = len + (nl != NULL);

        if (len > best && len <= n && memcmp(s, matched.s, len) == 0)
            best = len;
        matched = (struct str){ matched.s + skip, matched.n - skip };
    }
    return best;
}

static bool word_byte(char c)
{
    return (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* The snippet, its matched words in bold where the server reads markup. */
static void put_snippet(struct buf *out, const struct alert *a, bool markup)
{
    struct str s = a->snippet, word;
    size_t plain = 0;

    for (size_t i = 0; markup && i < s.n; i++) {
        size_t n = i == 0 || !word_byte(s.s[i - 1]) || (unsigned char)s.s[i] >= 0x80
                       ? match_at(a->matched, s.s + i, s.n - i)
                       : 0;
        if (n == 0)
            continue;
        put_text(out, (struct str){ s.s + plain, i - plain }, BODY_CHARS, true);
        word = (struct str){ s.s + i, n };
        buf_puts(out, "<b>");
        put_text(out, word, BODY_CHARS, true);
        buf_puts(out, "</b>");
        plain = i + n;
        i = plain - 1;
    }
    put_text(out, (struct str){ s.s + plain, s.n - plain }, BODY_CHARS, markup);
}

static struct str title_of(const struct alert *a)
{
    return a->title.n ? a->title : a->link.n ? a->link : STR("(no title)");
}

static void write_one(struct bubble *b, const struct alert *a, bool markup)
{
    put_text(&b->summary, title_of(a), TITLE_CHARS, false);
    put_text(&b->body, a->watch, LIST_CHARS, markup);
    buf_puts(&b->body, " \xC2\xB7 "); /* middle dot */
    put_text(&b->body, a->feed, LIST_CHARS, markup);
    if (a->snippet.n) {
        buf_putc(&b->body, '\n');
        put_snippet(&b->body, a, markup);
    }
    if (url_is_web(a->link)) {
        buf_putc(&b->body, '\n');
        put_text(&b->body, a->link, BODY_CHARS, markup);
    }
}

/* "summit, energy": the watches of the listed alerts, each once. */
static void put_watches(struct buf *out, const struct pile *p)
{
    for (size_t i = 0; i < p->n; i++) {
        size_t k = 0;

        while (!str_eq(p->held[k]->alert.watch, p->held[i]->alert.watch))
            k++;
        if (k < i)
            continue;
        buf_puts(out, i ? ", " : "");
        put_text(out, p->held[i]->alert.watch, 40, false);
    }
}

static void write_list(struct bubble *b, const struct pile *p, bool markup)
{
    buf_printf(&b->summary, "%zu alerts: ", p->n + p->more);
    put_watches(&b->summary, p);
    if (p->more)
        buf_puts(&b->summary, ", \xE2\x80\xA6"); /* ellipsis */
    for (size_t i = 0; i < p->n; i++) {
        const struct alert *a = &p->held[i]->alert;

        buf_puts(&b->body, i ? "\n\xE2\x80\xA2 " : "\xE2\x80\xA2 "); /* bullet */
        put_text(&b->body, title_of(a), LIST_CHARS, markup);
        buf_puts(&b->body, " (");
        put_text(&b->body, a->feed, 40, markup);
        buf_putc(&b->body, ')');
    }
    if (p->more)
        buf_printf(&b->body, "\n\xE2\x80\xA6 and %zu more in the alert log", p->more);
}

int bubble_write(struct bubble *b, const struct pile *p, bool markup)
{
    buf_clear(&b->summary);
    buf_clear(&b->body);
    if (p->n == 1 && p->more == 0)
        write_one(b, &p->held[0]->alert, markup);
    else if (p->n)
        write_list(b, p, markup);
    if (p->missed)
        buf_printf(
            &b->body,
            "\n%zu earlier alerts are only in the alert log: no notifications could "
            "be shown",
            p->missed);
    return b->summary.error ? b->summary.error : b->body.error;
}
