/* Alerts as one line: for people (text), for log tools (logfmt) and for programs (JSON).
 */
#include "alert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "date.h"
#include "item.h"
#include "json.h"
#include "utf8.h"

/* Characters shown of each part, so that a line stays a line.  JSON keeps more. */
#define TITLE_MAX 500
#define JSON_TEXT_MAX 4096
#define LINK_MAX 2000
#define NAME_MAX_CHARS 200
#define WORD_MAX 100
#define WORDS_MAX 16 /* listed in text and logfmt */

static const char *const formats[] = { "text", "logfmt", "json" };
static const char *const priorities[] = { "low", "normal", "critical" };

int alert_format_parse(enum alert_format *out, struct str word)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (str_eq_nocase(word, str_of(formats[i]))) {
            *out = (enum alert_format)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* Text that is safe to show. */

enum show { SHOW_RAW, SHOW_SPACE, SHOW_NOTHING, SHOW_ESCAPED };

/* How an unsafe character is shown: white space as a space; what is invisible anyway is
 * dropped, so that words can be found by grep; the rest, which nobody writes by accident,
 * is spelt out. */
static enum show how_to_show(uint32_t c)
{
    if ((c >= '\t' && c <= '\r') || c == 0x85 || c == 0x2028 || c == 0x2029)
        return SHOW_SPACE;
    if (!utf8_unsafe(c))
        return SHOW_RAW;
    if (c < 0xA0 || c == UTF8_BAD || c >= 0xFFF9)
        return SHOW_ESCAPED;
    return SHOW_NOTHING;
}

static void put_escaped(struct buf *out, uint32_t c)
{
    if (c == UTF8_BAD)
        (void)buf_put_utf8(out, 0xFFFD);
    else
        (void)buf_printf(out, c > 0xFFFF ? "\\U%08" PRIx32 : "\\u%04" PRIx32, c);
}

int alert_put_safe(struct buf *out, struct str s, size_t max_chars)
{
    size_t from = 0, i = 0;

    for (size_t len, chars = 0; i < s.n; i += len) {
        uint32_t c = utf8_get(s.s + i, s.n - i, &len);
        enum show show = how_to_show(c);
        if (show != SHOW_NOTHING && chars++ == max_chars) {
            (void)buf_put(out, s.s + from, i - from);
            return buf_puts(out, "\xE2\x80\xA6");
        }
        if (show == SHOW_RAW)
            continue;
        (void)buf_put(out, s.s + from, i - from);
        from = i + len;
        if (show == SHOW_SPACE)
            (void)buf_putc(out, ' ');
        else if (show == SHOW_ESCAPED)
            put_escaped(out, c);
    }
    return s.n ? buf_put(out, s.s + from, i - from) : out->error;
}

/* `s`, or as much of it as holds `max_chars` characters. */
static struct str cut(struct str s, size_t max_chars)
{
    size_t i = 0;

    if (s.n <= max_chars)
        return s;
    for (size_t len; i < s.n && max_chars--; i += len)
        (void)utf8_get(s.s + i, s.n - i, &len);
    return (struct str){ s.s, i };
}

/* The next of words that each end in '\n'; false: no more. */
static bool next_word(struct str *words, struct str *word)
{
    if (words->n == 0)
        return false;
    const char *end = memchr(words->s, '\n', words->n);
    size_t n = end ? (size_t)(end - words->s) : words->n;

    *word = (struct str){ words->s, n };
    n += end != NULL;
    *words = (struct str){ words->s + n, words->n - n };
    return true;
}

/* "Putin, Xi" */
static void put_words(struct buf *out, struct str words)
{
    struct str word;
    size_t n = 0;

    while (next_word(&words, &word)) {
        if (n++)
            (void)buf_puts(out, ", ");
        if (n > WORDS_MAX) {
            (void)buf_puts(out, "\xE2\x80\xA6");
            return;
        }
        (void)alert_put_safe(out, word, WORD_MAX);
    }
}

int alert_put_marked(struct buf *out, const struct alert *a, bool snippet,
                     size_t max_chars, const struct alert_mark *mark)
{
    struct str whole = snippet ? a->snippet : a->title, text = cut(whole, max_chars);
    struct str spans = a->spans;
    struct alert_span span;
    size_t at = 0;

    while (alert_span_next(&spans, &span)) {
        size_t begin = span.offset, end = begin + span.length;

        end = end > text.n ? text.n : end;
        begin = begin < at ? at : begin; /* spans may overlap */
        if (span.in_snippet != snippet || begin >= end)
            continue;
        (void)alert_put_safe(out, (struct str){ text.s + at, begin - at }, max_chars);
        (void)buf_puts(out, mark->open);
        (void)alert_put_safe(out, (struct str){ text.s + begin, end - begin }, max_chars);
        (void)buf_puts(out, mark->close);
        at = end;
    }
    if (at < text.n)
        (void)alert_put_safe(out, (struct str){ text.s + at, text.n - at }, max_chars);
    return text.n < whole.n ? buf_puts(out, "\xE2\x80\xA6") : out->error;
}

/* "a, b" of the feeds that have the story, too. */
static void put_source_names(struct buf *out, struct str sources)
{
    struct alert_source source;
    size_t n = 0;

    while (n < WORDS_MAX && alert_source_next(&sources, &source)) {
        (void)buf_puts(out, n++ ? ", " : "");
        (void)alert_put_safe(out, source.feed, NAME_MAX_CHARS);
    }
}

/* What is unusual about it, behind everything else. */
static void put_remarks(struct buf *out, const struct alert *a)
{
    if (a->sources.n) {
        (void)buf_puts(out, " also=");
        put_source_names(out, a->sources);
    }
    (void)buf_puts(out, a->late ? " late" : "");
    (void)buf_puts(out, a->update ? " update" : "");
    if (a->held.n) {
        (void)buf_puts(out, " held=");
        (void)alert_put_safe(out, a->held, NAME_MAX_CHARS);
    }
}

/* 2026-11-24T03:43:13.123Z #12 summit [kyivpost] *Xi* met ... - https://... (Putin, Xi)
 */
static int put_text(struct buf *out, const struct alert *a)
{
    static const struct alert_mark stars = { "*", "*" };
    char when[DATE_RFC3339_SIZE];

    date_rfc3339(when, a->time_ms);
    (void)buf_printf(out, "%s #%" PRId64 " ", when, a->seq);
    if (a->priority == ALERT_CRITICAL)
        (void)buf_puts(out, "CRITICAL ");
    (void)alert_put_safe(out, a->watch, NAME_MAX_CHARS);
    (void)buf_puts(out, " [");
    (void)alert_put_safe(out, a->feed, NAME_MAX_CHARS);
    (void)buf_puts(out, "] ");
    if (a->title.n)
        (void)alert_put_marked(out, a, false, TITLE_MAX, &stars);
    else
        (void)buf_puts(out, "(no title)");
    if (a->link.n) {
        (void)buf_puts(out, " \xE2\x80\x94 ");
        (void)alert_put_safe(out, a->link, LINK_MAX);
    }
    if (a->matched.n) {
        (void)buf_puts(out, " (");
        put_words(out, a->matched);
        (void)buf_putc(out, ')');
    }
    put_remarks(out, a);
    return buf_putc(out, '\n');
}

/* Quoted when it could not be told apart otherwise: " and \ get a \ before them. */
static void put_logfmt_value(struct buf *out, struct str s)
{
    bool plain = s.n > 0;

    for (size_t i = 0; i < s.n && plain; i++)
        plain = s.s[i] != ' ' && s.s[i] != '"' && s.s[i] != '=' && s.s[i] != '\\';
    if (plain) {
        (void)buf_put_str(out, s);
        return;
    }
    (void)buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.s[i] == '"' || s.s[i] == '\\')
            (void)buf_putc(out, '\\');
        (void)buf_putc(out, s.s[i]);
    }
    (void)buf_putc(out, '"');
}

/* ` key=value`; nothing when the value is empty. */
static void put_logfmt(struct buf *out, struct buf *safe, const char *key, struct str s,
                       size_t max_chars)
{
    if (s.n == 0)
        return;
    buf_clear(safe);
    (void)alert_put_safe(safe, s, max_chars);
    (void)buf_printf(out, " %s=", key);
    put_logfmt_value(out, buf_str(safe));
    if (safe->error && !out->error)
        out->error = safe->error;
}

static int put_logfmt_line(struct buf *out, const struct alert *a)
{
    char when[DATE_RFC3339_SIZE];
    struct buf safe, words;

    buf_init(&safe, out->max);
    buf_init(&words, out->max);
    date_rfc3339(when, a->time_ms);
    (void)buf_printf(out, "seq=%" PRId64 " time=%s", a->seq, when);
    put_logfmt(out, &safe, "priority", str_of(priorities[a->priority]), NAME_MAX_CHARS);
    put_logfmt(out, &safe, "watch", a->watch, NAME_MAX_CHARS);
    put_logfmt(out, &safe, "feed", a->feed, NAME_MAX_CHARS);
    put_logfmt(out, &safe, "title", a->title, TITLE_MAX);
    put_logfmt(out, &safe, "link", a->link, LINK_MAX);
    put_words(&words, a->matched);
    put_logfmt(out, &safe, "matched", buf_str(&words), WORDS_MAX * (WORD_MAX + 4));
    if (a->published_s != ITEM_NO_TIME) {
        date_rfc3339_s(when, a->published_s);
        (void)buf_printf(out, " published=%s", when);
    }
    put_logfmt(out, &safe, "id", str_of(a->id), NAME_MAX_CHARS);
    put_logfmt(out, &safe, "item_id", a->item_id, LINK_MAX);
    put_logfmt(out, &safe, "author", a->author, NAME_MAX_CHARS);
    buf_clear(&words);
    put_source_names(&words, a->sources);
    put_logfmt(out, &safe, "also", buf_str(&words), WORDS_MAX * (NAME_MAX_CHARS + 4));
    (void)buf_puts(out, a->late ? " late=yes" : "");
    (void)buf_puts(out, a->update ? " update=yes" : "");
    put_logfmt(out, &safe, "held", a->held, NAME_MAX_CHARS);
    if (words.error && !out->error)
        out->error = words.error;
    buf_free(&safe);
    buf_free(&words);
    return buf_putc(out, '\n');
}

static void put_json_words(struct buf *out, struct str words)
{
    struct str word;

    (void)json_put_key(out, "matched");
    (void)buf_putc(out, '[');
    for (bool first = true; next_word(&words, &word); first = false) {
        if (!first)
            (void)buf_putc(out, ',');
        (void)json_put_str(out, cut(word, JSON_TEXT_MAX));
    }
    (void)buf_putc(out, ']');
}

/* [{"offset":4,"length":5}, ...]: bytes in the title or the snippet. */
static void put_json_span_list(struct buf *out, const char *key, struct str spans,
                               bool snippet, size_t max_bytes)
{
    struct alert_span span;

    (void)json_put_key(out, key);
    (void)buf_putc(out, '[');
    for (bool first = true; alert_span_next(&spans, &span);) {
        if (span.in_snippet != snippet || (size_t)span.offset + span.length > max_bytes)
            continue;
        (void)buf_printf(out, "%s{\"offset\":%" PRIu32 ",\"length\":%" PRIu32 "}",
                         first ? "" : ",", span.offset, span.length);
        first = false;
    }
    (void)buf_putc(out, ']');
}

static void put_json_spans(struct buf *out, const struct alert *a)
{
    if (!a->spans.n)
        return;
    (void)json_put_key(out, "spans");
    (void)buf_putc(out, '{');
    put_json_span_list(out, "title", a->spans, false, cut(a->title, JSON_TEXT_MAX).n);
    put_json_span_list(out, "snippet", a->spans, true, cut(a->snippet, JSON_TEXT_MAX).n);
    (void)buf_putc(out, '}');
}

static void put_json_sources(struct buf *out, struct str sources)
{
    struct alert_source source;
    char when[DATE_RFC3339_SIZE];

    if (!sources.n)
        return;
    (void)json_put_key(out, "sources");
    (void)buf_putc(out, '[');
    for (bool first = true; alert_source_next(&sources, &source); first = false) {
        (void)buf_puts(out, first ? "{" : ",{");
        date_rfc3339(when, source.time_ms);
        (void)json_member_str(out, "feed", source.feed);
        (void)json_member_str(out, "title", cut(source.title, JSON_TEXT_MAX));
        (void)json_member_str(out, "link", source.link);
        (void)json_member_str(out, "time", str_of(when));
        (void)buf_putc(out, '}');
    }
    (void)buf_putc(out, ']');
}

static void put_json_hash(struct buf *out, const char *key, uint64_t hash)
{
    char hex[17];

    snprintf(hex, sizeof hex, "%016" PRIx64, hash);
    (void)json_member_str(out, key, str_of(hex));
}

/* Members that are there only when there is something to say. */
static void put_json_more(struct buf *out, const struct alert *a)
{
    char when[DATE_RFC3339_SIZE];

    if (a->author.n)
        (void)json_member_str(out, "author", a->author);
    if (a->snippet.n)
        (void)json_member_str(out, "snippet", cut(a->snippet, JSON_TEXT_MAX));
    put_json_spans(out, a);
    if (a->fetched_ms) {
        date_rfc3339(when, a->fetched_ms);
        (void)json_member_str(out, "fetched", str_of(when));
    }
    if (a->rule.n) {
        (void)json_member_str(out, "rule", cut(a->rule, JSON_TEXT_MAX));
        put_json_hash(out, "rule_hash", a->rule_hash);
    }
    if (a->generation)
        (void)json_member_int(out, "generation", a->generation);
    if (a->late)
        (void)json_member_bool(out, "late", 1);
    if (a->update)
        (void)json_member_bool(out, "update", 1);
    if (a->held.n)
        (void)json_member_str(out, "held", a->held);
    put_json_sources(out, a->sources);
}

static int put_json(struct buf *out, const struct alert *a)
{
    char when[DATE_RFC3339_SIZE];

    (void)buf_printf(out, "{\"seq\":%" PRId64, a->seq);
    (void)json_member_str(out, "id", str_of(a->id));
    date_rfc3339(when, a->time_ms);
    (void)json_member_str(out, "time", str_of(when));
    (void)json_member_str(out, "watch", a->watch);
    (void)json_member_str(out, "feed", a->feed);
    (void)json_member_str(out, "title", cut(a->title, JSON_TEXT_MAX));
    (void)json_member_str(out, "link", a->link);
    put_json_words(out, a->matched);
    when[0] = '\0';
    if (a->published_s != ITEM_NO_TIME)
        date_rfc3339_s(when, a->published_s);
    (void)json_member_str(out, "published", str_of(when));
    (void)json_member_str(out, "priority", str_of(priorities[a->priority]));
    (void)json_member_str(out, "item_id", a->item_id);
    put_json_more(out, a);
    return buf_puts(out, "}\n");
}

/* What was put is taken back when the line did not fit. */
int alert_render(struct buf *out, const struct alert *a, enum alert_format f)
{
    size_t before = out->n;
    int r = -EINVAL;

    switch (f) {
    case ALERT_TEXT:
        r = put_text(out, a);
        break;
    case ALERT_LOGFMT:
        r = put_logfmt_line(out, a);
        break;
    case ALERT_JSON:
        r = put_json(out, a);
        break;
    }
    if (r < 0 && out->s) {
        out->n = before;
        out->s[before] = '\0';
    }
    return r;
}

/* Reading the number back.  In every format it stands before anything that a feed wrote,
 * at a place that only what feedwatch writes comes before. */

/* Does `s` have the shape of "2026-11-24T03:43:13.123Z"? */
static bool is_time(const char *s)
{
    static const char shape[] = "0000-00-00T00:00:00.000Z";

    for (size_t i = 0; shape[i]; i++) {
        if (shape[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i])
            return false;
    }
    return true;
}

/* The decimal number at the start of `s`, ended by `end`; -1: there is none. */
static int64_t number(struct str s, char end)
{
    int64_t v = 0;
    size_t i = 0;

    for (; i < s.n && s.s[i] >= '0' && s.s[i] <= '9'; i++) {
        int digit = s.s[i] - '0';
        if (v > (INT64_MAX - digit) / 10)
            return -1;
        v = v * 10 + digit;
    }
    bool padded = i > 1 && s.s[0] == '0';
    return i == 0 || padded || i == s.n || s.s[i] != end ? -1 : v;
}

static bool skip(struct str *s, struct str head)
{
    if (s->n < head.n || memcmp(s->s, head.s, head.n) != 0)
        return false;
    *s = (struct str){ s->s + head.n, s->n - head.n };
    return true;
}

int64_t alert_line_seq(struct str line)
{
    if (skip(&line, STR("{\"seq\":")))
        return number(line, ',');
    if (skip(&line, STR("seq=")))
        return number(line, ' ');
    if (line.n < 26 || !is_time(line.s))
        return -1;
    line = (struct str){ line.s + 24, line.n - 24 };
    return skip(&line, STR(" #")) ? number(line, ' ') : -1;
}
