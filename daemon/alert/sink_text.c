/* What messages say: titles, snippets with the matched words in bold, lists. */
#include "sink_text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "date.h"
#include "url.h"
#include "utf8.h"

#define SAFE_BYTES 65536
#define NAME_CHARS 80
#define TITLE_CHARS 300
#define SNIPPET_CHARS 600

static const char *escape_html(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static const char *escape(char c, enum markup m, char scratch[3])
{
    switch (m) {
    case MARKUP_NONE:
        return NULL;
    case MARKUP_HTML:
        return escape_html(c);
    case MARKUP_SLACK: /* its own three; a mark of bold or code cannot be escaped */
        return c == '*' || c == '_' || c == '`' || c == '~' ? NULL
               : c == '"' || c == '\''                      ? NULL
                                                            : escape_html(c);
    case MARKUP_MARKDOWN:
        if (!c || !strchr("\\`*_{}[]()#+-.!|<>~:", c))
            return NULL;
        scratch[0] = '\\';
        scratch[1] = c;
        scratch[2] = '\0';
        return scratch;
    }
    return NULL;
}

void text_put(struct buf *out, struct str s, size_t max_chars, enum markup m)
{
    struct buf safe;
    char scratch[3];
    size_t from = 0;

    buf_init(&safe, SAFE_BYTES);
    (void)alert_put_safe(&safe, s, max_chars);
    if (safe.error == -ENOMEM)
        out->error = -ENOMEM;
    for (size_t i = 0; i < safe.n; i++) {
        const char *as = escape(safe.s[i], m, scratch);
        if (!as)
            continue;
        (void)buf_put(out, safe.s + from, i - from);
        (void)buf_puts(out, as);
        from = i + 1;
    }
    if (safe.n > from)
        (void)buf_put(out, safe.s + from, safe.n - from);
    buf_free(&safe);
}

static struct str title_of(const struct alert *a)
{
    return a->title.n ? a->title : a->link.n ? a->link : STR("(no title)");
}

void text_title(struct buf *out, const struct alert *a, size_t max_chars, enum markup m)
{
    text_put(out, title_of(a), max_chars, m);
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

/* The next matched word in `s` at or behind `from`, as its spans say or, without spans,
 * as the list of words does.  False: no more. */
static bool next_match(const struct alert *a, bool snippet, struct str s, size_t from,
                       struct str *spans, struct str *word)
{
    struct alert_span span;

    while (alert_span_next(spans, &span)) {
        if (span.in_snippet != snippet || span.offset < from || span.offset > s.n ||
            span.length > s.n - span.offset)
            continue;
        *word = (struct str){ s.s + span.offset, span.length };
        return true;
    }
    for (size_t i = from; !a->spans.n && i < s.n; i++) {
        bool start = i == 0 || !word_byte(s.s[i - 1]) || (unsigned char)s.s[i] >= 0x80;
        size_t n = start ? match_at(a->matched, s.s + i, s.n - i) : 0;
        if (n) {
            *word = (struct str){ s.s + i, n };
            return true;
        }
    }
    return false;
}

static const char *bold_mark(enum markup m, bool end)
{
    switch (m) {
    case MARKUP_NONE:
        return "";
    case MARKUP_HTML:
        return end ? "</b>" : "<b>";
    case MARKUP_SLACK:
        return "*";
    case MARKUP_MARKDOWN:
        return "**";
    }
    return "";
}

/* Characters in `s`. */
static size_t count(struct str s)
{
    size_t chars = 0;

    for (size_t i = 0, len; i < s.n; i += len, chars++)
        (void)utf8_get(s.s + i, s.n - i, &len);
    return chars;
}

void text_bold(struct buf *out, const struct alert *a, bool snippet, size_t max_chars,
               enum markup m)
{
    struct str s = snippet ? a->snippet : title_of(a), spans = a->spans, word;
    size_t plain = 0;

    while (m != MARKUP_NONE && next_match(a, snippet, s, plain, &spans, &word)) {
        struct str before = { s.s + plain, (size_t)(word.s - s.s) - plain };
        size_t n = count(before) + count(word);

        if (n > max_chars)
            break;
        max_chars -= n;
        text_put(out, before, n, m);
        (void)buf_puts(out, bold_mark(m, false));
        text_put(out, word, n, m);
        (void)buf_puts(out, bold_mark(m, true));
        plain = (size_t)(word.s - s.s) + word.n;
    }
    text_put(out, (struct str){ s.s + plain, s.n - plain }, max_chars, m);
}

void text_matched(struct buf *out, struct str words, size_t max_chars, enum markup m)
{
    size_t n = 0;

    while (words.n) {
        const char *nl = memchr(words.s, '\n', words.n);
        size_t len = nl ? (size_t)(nl - words.s) : words.n, skip = len + (nl != NULL);

        if (n++)
            (void)buf_puts(out, ", ");
        text_put(out, (struct str){ words.s, len }, max_chars, m);
        words = (struct str){ words.s + skip, words.n - skip };
    }
}

void text_link(struct buf *out, struct str link, enum markup m)
{
    if (url_is_web(link))
        text_put(out, link, 2000, m);
}

size_t text_sources(const struct alert *a)
{
    struct str rest = a->sources;
    struct alert_source source;
    size_t n = 0;

    while (alert_source_next(&rest, &source))
        n++;
    return n;
}

enum alert_priority text_priority(const struct parcel *p)
{
    enum alert_priority most = p->digest ? p->digest->priority : ALERT_LOW;

    for (size_t i = 0; i < p->n; i++)
        if (p->alerts[i]->priority > most)
            most = p->alerts[i]->priority;
    return most;
}

const char *text_id(const struct parcel *p)
{
    return p->digest ? p->digest->id : p->alerts[0]->id;
}

/* "summit, energy": the watches, each once. */
static void put_watches(struct buf *out, const struct parcel *p)
{
    for (size_t i = 0; i < p->n; i++) {
        size_t k = 0;

        while (!str_eq(p->alerts[k]->watch, p->alerts[i]->watch))
            k++;
        if (k < i)
            continue;
        (void)buf_puts(out, i ? ", " : "");
        text_put(out, p->alerts[i]->watch, NAME_CHARS, MARKUP_NONE);
    }
}

void text_subject(struct buf *out, const struct parcel *p, size_t max_chars)
{
    struct buf line;

    buf_init(&line, SAFE_BYTES);
    if (p->digest) {
        (void)digest_title(&line, p->digest);
    } else if (p->n == 1) {
        if (p->alerts[0]->update)
            (void)buf_puts(&line, "Update: ");
        text_title(&line, p->alerts[0], TITLE_CHARS, MARKUP_NONE);
    } else {
        (void)buf_printf(&line, "%zu alerts: ", p->n);
        put_watches(&line, p);
    }
    text_put(out, buf_str(&line), max_chars, MARKUP_NONE);
    if (line.error && !out->error)
        out->error = line.error;
    buf_free(&line);
}

/* "summit, kyivpost": which watch, of which feed and its later sources. */
static void put_origin(struct buf *out, const struct alert *a)
{
    struct str sources = a->sources;
    struct alert_source source;

    text_put(out, a->watch, NAME_CHARS, MARKUP_NONE);
    (void)buf_puts(out, " \xC2\xB7 "); /* middle dot */
    text_put(out, a->feed, NAME_CHARS, MARKUP_NONE);
    while (alert_source_next(&sources, &source)) {
        (void)buf_puts(out, ", ");
        text_put(out, source.feed, NAME_CHARS, MARKUP_NONE);
    }
}

static void put_one(struct buf *out, const struct alert *a, size_t max_chars)
{
    put_origin(out, a);
    if (a->snippet.n) {
        (void)buf_putc(out, '\n');
        text_put(out, a->snippet, max_chars < SNIPPET_CHARS ? max_chars : SNIPPET_CHARS,
                 MARKUP_NONE);
    }
    if (url_is_web(a->link)) {
        (void)buf_putc(out, '\n');
        text_link(out, a->link, MARKUP_NONE);
    }
}

void text_body(struct buf *out, const struct parcel *p, size_t max_chars)
{
    size_t before = out->n, i = 0;

    if (!p->digest && p->n == 1) {
        put_one(out, p->alerts[0], max_chars);
        return;
    }
    for (; i < p->n && (i == 0 || out->n - before < max_chars); i++) {
        const struct alert *a = p->alerts[i];

        (void)buf_puts(out, i ? "\n\xE2\x80\xA2 " : "\xE2\x80\xA2 "); /* bullet */
        text_title(out, a, 120, MARKUP_NONE);
        (void)buf_puts(out, " (");
        put_origin(out, a);
        (void)buf_puts(out, ")");
        if (url_is_web(a->link)) {
            (void)buf_putc(out, ' ');
            text_link(out, a->link, MARKUP_NONE);
        }
    }
    size_t all =
        p->digest && p->digest->count > (int64_t)p->n ? (size_t)p->digest->count : p->n;
    if (i < all)
        (void)buf_printf(out, "\n\xE2\x80\xA6 and %zu more in the alert log", all - i);
}
