/* HTML fragments to plain text in one pass over runs of plain text, tags and references;
 * a second, stricter pass when the first one decoded something that is markup again. */
#include "html_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "utf8.h"

#define NONE SIZE_MAX

/* Ends that were looked for in vain: they are not looked for again, so that no input
 * takes quadratic time. */
enum { NO_COMMENT_END = 1, NO_CDATA_END = 2, NO_SCRIPT_END = 4, NO_STYLE_END = 8 };

struct html {
    const char *s;
    size_t n, i;      /* all of it; how far we are */
    size_t cdata_end; /* where the "]]>" of the open CDATA section is, or n */
    size_t next_gt; /* the first '>' at or after some place before it; NONE: not known */
    unsigned missing; /* NO_..._END */
    bool no_quotes;   /* a quote swallowed the rest once: they no longer count */
    bool strict;      /* second pass: only what is markup beyond doubt */
    bool attribute;   /* an attribute's value: no tags in it */
    bool again;       /* text appeared that looks like markup */
    bool no_alt;      /* leave out alt texts */
    /* The output.  A gap is white space that is written only when text follows it. */
    char *start, *p, *end;
    bool gap, full;
};

/* Runs of text. */

#define EACH(c) (0x0101010101010101ull * (c))
#define HAS_ZERO(x) (((x)-EACH(1)) & ~(x)&EACH(0x80))
#define HAS_BELOW_SPACE(x) (((x)-EACH(0x20)) & ~(x)&EACH(0x80))

/* Eight bytes, the first one lowest. */
static uint64_t load8(const char *s)
{
    uint64_t x;

    memcpy(&x, s, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

static bool is_nbsp(const char *s, size_t n)
{
    return n >= 2 && s[0] == '\xC2' && s[1] == '\xA0';
}

/* Must the byte at `i` be looked at?  Controls, markup, NBSP, the second of two spaces'
 * first. */
static bool stops(const char *s, size_t i, size_t n)
{
    switch (s[i]) {
    case '<':
    case '&':
        return true;
    case ' ':
        return i + 1 < n && s[i + 1] == ' ';
    case '\xC2':
        return is_nbsp(s + i, n - i);
    default:
        return (unsigned char)s[i] < 0x20;
    }
}

/* The first byte in [i, n) that needs a look, else n.  Eight bytes at a time: the lowest
 * bit set in `hit` is exact (the tests for zero err only above a true one). */
static size_t plain_end(const char *s, size_t i, size_t n)
{
    while (n - i >= 9) {
        uint64_t x = load8(s + i), next = load8(s + i + 1), space = x ^ EACH(' ');
        uint64_t hit = HAS_ZERO(x ^ EACH('<')) | HAS_ZERO(x ^ EACH('&')) |
                       HAS_BELOW_SPACE(x) | HAS_ZERO(x ^ EACH(0xC2)) |
                       HAS_ZERO(space | (next ^ EACH(' ')));
        if (!hit) {
            i += 8;
            continue;
        }
        i += (size_t)__builtin_ctzll(hit) / 8;
        if (s[i] != '\xC2' || is_nbsp(s + i, n - i))
            return i;
        i++;
    }
    while (i < n && !stops(s, i, n))
        i++;
    return i;
}

/* `max`, or less so that the prefix of s[0..n) ends neither within a UTF-8 sequence nor
 * with a space. */
static size_t tidy_cut(const char *s, size_t n, size_t max)
{
    n = utf8_cut(s, n, max);
    while (n && s[n - 1] == ' ')
        n--;
    return n;
}

static void put(struct html *h, const char *s, size_t n)
{
    size_t gap = h->gap && h->p > h->start, room = (size_t)(h->end - h->p);

    if (n == 0 || h->full)
        return;
    if (gap + n > room) {
        h->full = true;
        if (room <= gap || (n = tidy_cut(s, n, room - gap)) == 0)
            return;
    }
    if (gap)
        *h->p++ = ' ';
    h->gap = false;
    memcpy(h->p, s, n);
    h->p += n;
}

/* A run without markup, in which only single spaces stand. */
static void put_plain(struct html *h, size_t from, size_t to)
{
    if (from < to && h->s[from] == ' ') {
        h->gap = true;
        from++;
    }
    bool gap_after = from < to && h->s[to - 1] == ' ';
    put(h, h->s + from, to - from - gap_after);
    h->gap |= gap_after;
}

/* Searching ahead. */

static size_t find_gt(struct html *h, size_t from)
{
    if (h->next_gt == NONE || h->next_gt < from) {
        const char *gt = from < h->n ? memchr(h->s + from, '>', h->n - from) : NULL;
        h->next_gt = gt ? (size_t)(gt - h->s) : h->n;
    }
    return h->next_gt;
}

/* The place of `what` at or after `from`, or n; `bit` remembers that there is none. */
static size_t find(struct html *h, size_t from, struct str what, unsigned bit)
{
    const char *at = h->missing & bit || from >= h->n
                         ? NULL
                         : memmem(h->s + from, h->n - from, what.s, what.n);

    if (at)
        return (size_t)(at - h->s);
    h->missing |= bit;
    return h->n;
}

/* The place of the end tag of the script or style whose body starts at `from`, or n. */
static size_t find_end_tag(struct html *h, size_t from, struct str name, unsigned bit)
{
    if (h->missing & bit)
        return h->n;
    for (size_t i = from; i < h->n; i++) {
        const char *lt = memchr(h->s + i, '<', h->n - i);
        if (!lt)
            break;
        i = (size_t)(lt - h->s);
        if (h->n - i >= name.n + 2 && lt[1] == '/' &&
            strncasecmp(lt + 2, name.s, name.n) == 0 &&
            (h->n - i == name.n + 2 || !html_is_letter(lt[name.n + 2])))
            return i;
    }
    h->missing |= bit;
    return h->n;
}

/* The first quote in [i, end) that opens an attribute's value: one after a '='. */
static size_t value_quote(const char *s, size_t i, size_t end)
{
    while (i < end) {
        const char *eq = memchr(s + i, '=', end - i);
        if (!eq)
            break;
        i = (size_t)(eq - s) + 1;
        while (i < end && html_is_space(s[i]))
            i++;
        if (i < end && (s[i] == '"' || s[i] == '\''))
            return i;
    }
    return end;
}

/* The '>' that ends the tag whose name ends at `i`, quoted ones passed over; n: none. */
static size_t tag_end(struct html *h, size_t i)
{
    size_t from = i, gt = find_gt(h, i);

    while (!h->no_quotes && gt < h->n) {
        size_t quote = value_quote(h->s, i, gt);
        const char *close = quote + 1 < h->n && quote < gt
                                ? memchr(h->s + quote + 1, h->s[quote], h->n - quote - 1)
                                : NULL;
        if (!close)
            return gt; /* no quote, or one that nobody closes */
        i = (size_t)(close - h->s) + 1;
        gt = i <= gt ? gt : find_gt(h, i);
    }
    if (gt == h->n && from < h->n && !h->no_quotes) {
        h->no_quotes = true;
        h->next_gt = NONE;
        return find_gt(h, from);
    }
    return gt;
}

/* Tags. */

struct tag_at {
    struct str name;
    size_t after_name;
    unsigned flags;
    bool closing; /* </x> */
};

/* Reads the name of the tag at `i` ('<' there); false: no letter follows. */
static bool tag_name(const struct html *h, size_t i, struct tag_at *t)
{
    size_t from = i + 1;

    t->closing = from < h->n && h->s[from] == '/';
    from += t->closing;
    if (from >= h->n || !html_is_letter(h->s[from]))
        return false;
    for (i = from; i < h->n && !html_is_space(h->s[i]) && h->s[i] != '/' &&
                   h->s[i] != '>' && h->s[i] != '<';)
        i++;
    t->name = (struct str){ h->s + from, i - from };
    t->after_name = i;
    t->flags = html_tag_flags(t->name);
    return true;
}

/* A name of the form that custom and namespaced elements have: letters, digits, and at
 * least one '-' or ':' in the middle. */
static bool is_custom_name(struct str name)
{
    bool joint = false;

    for (size_t i = 0; i < name.n; i++) {
        bool here = (name.s[i] == '-' || name.s[i] == ':') && i + 1 < name.n;
        if (!here && !html_is_letter(name.s[i]) && !html_is_digit(name.s[i]))
            return false;
        joint |= here;
    }
    return joint;
}

/* Does an attribute with a value start at `i`, after white space? */
static bool attribute_follows(const struct html *h, size_t i, size_t end)
{
    size_t from = i;

    while (i < end && html_is_space(h->s[i]))
        i++;
    if (i == from || i == end || !html_is_letter(h->s[i]))
        return false;
    while (i < end && (html_is_letter(h->s[i]) || html_is_digit(h->s[i]) ||
                       h->s[i] == '-' || h->s[i] == ':' || h->s[i] == '_'))
        i++;
    while (i < end && html_is_space(h->s[i]))
        i++;
    return i < end && h->s[i] == '=';
}

/* Nothing but white space and a '/' from `i` to the next '>' or the end? */
static bool only_slash(const struct html *h, size_t i)
{
    while (i < h->n && (html_is_space(h->s[i]) || h->s[i] == '/'))
        i++;
    return i == h->n || h->s[i] == '>';
}

/* Of a tag whose name no element has: what looks like markup all the same goes, the rest
 * is text ("List<String>", "<ann@example.org>").  In the strict pass only a custom
 * element's name will do: what was escaped was meant to be seen.  Its '>', or n. */
static size_t unknown_tag_end(const struct html *h, const struct tag_at *t)
{
    bool custom = is_custom_name(t->name);
    size_t i = t->after_name;

    while (i < h->n && h->s[i] != '>' && h->s[i] != '<')
        i++;
    if (i == h->n || h->s[i] == '<')
        return h->n;
    return custom || (!h->strict && attribute_follows(h, t->after_name, i)) ? i : h->n;
}

/* The '>' of a tag whose name is an element's, or n.  In the strict pass what follows the
 * name must be an attribute with its value, or nothing. */
static size_t known_tag_end(struct html *h, const struct tag_at *t)
{
    if (h->strict && !only_slash(h, t->after_name) &&
        (t->closing || !attribute_follows(h, t->after_name, h->n)))
        return h->n;
    return tag_end(h, t->after_name);
}

/* A known tag that the text's end cuts off ("<a href=..."): is the rest part of it?  Not
 * where nothing of a value was begun. */
static bool is_cut_tag(const struct html *h, const struct tag_at *t)
{
    size_t i = t->after_name, rest = h->n - i;

    if (h->strict || !t->flags || rest > 4096 || (rest && memchr(h->s + i, '<', rest)))
        return false;
    while (rest && html_is_space(h->s[i + rest - 1]))
        rest--;
    if (rest && h->s[i + rest - 1] == '=')
        return false;
    return t->closing || (rest && only_slash(h, i)) || attribute_follows(h, i, h->n);
}

static void convert(struct html *h);

static void put_alt(struct html *h, struct str value)
{
    struct html in = { .s = value.s,
                       .n = value.n,
                       .cdata_end = value.n,
                       .next_gt = NONE,
                       .attribute = true,
                       .start = h->start,
                       .p = h->p,
                       .end = h->end,
                       .gap = true,
                       .full = h->full };

    convert(&in);
    h->p = in.p;
    h->full = in.full;
    h->again |= in.again;
    h->gap = true;
}

/* The next name="value" in [*i, end); false: no more. */
static bool next_attribute(const char *s, size_t *i, size_t end, struct str *name,
                           struct str *value)
{
    size_t at = *i;

    while (at < end && (html_is_space(s[at]) || s[at] == '/'))
        at++;
    if (at == end)
        return false;
    size_t from = at++;
    while (at < end && !html_is_space(s[at]) && s[at] != '=' && s[at] != '/')
        at++;
    *name = (struct str){ s + from, at - from };
    *value = (struct str){ 0 };
    while (at < end && html_is_space(s[at]))
        at++;
    if (at < end && s[at] == '=') {
        for (at++; at < end && html_is_space(s[at]);)
            at++;
        char quote = at < end && (s[at] == '"' || s[at] == '\'') ? s[at++] : 0;
        for (from = at; at < end && (quote ? s[at] != quote : !html_is_space(s[at]));)
            at++;
        *value = (struct str){ s + from, at - from };
        at += quote && at < end;
    }
    *i = at;
    return true;
}

static void put_alt_of(struct html *h, size_t i, size_t end)
{
    struct str name, value;

    while (next_attribute(h->s, &i, end, &name, &value)) {
        if (str_eq_nocase(name, STR("alt"))) {
            put_alt(h, value);
            return;
        }
    }
}

/* Pass over the body of a script or style that starts at `i`. */
static size_t skip_body(struct html *h, size_t i, struct str name)
{
    bool script = (name.s[1] | 0x20) == 'c';
    size_t end = script ? find_end_tag(h, i, STR("script"), NO_SCRIPT_END)
                        : find_end_tag(h, i, STR("style"), NO_STYLE_END);

    return end == h->n && h->strict ? i : end;
}

/* At a '<' before a letter or a '/': pass over the tag, or take the '<' for text. */
static bool take_tag(struct html *h)
{
    struct tag_at t;

    if (!tag_name(h, h->i, &t))
        return false;
    size_t end = t.flags ? known_tag_end(h, &t) : unknown_tag_end(h, &t);
    if (end == h->n && !is_cut_tag(h, &t))
        return false;
    if (t.flags & HTML_BLOCK)
        h->gap = true;
    if (t.flags & HTML_ALT && !t.closing && !h->no_alt)
        put_alt_of(h, t.after_name, end);
    h->i = end == h->n ? end : end + 1;
    if (t.flags & HTML_SKIP && !t.closing && end < h->n && h->s[end - 1] != '/')
        h->i = skip_body(h, h->i, t.name);
    return true;
}

static bool starts_with(const struct html *h, struct str what)
{
    return h->n - h->i >= what.n && memcmp(h->s + h->i, what.s, what.n) == 0;
}

/* "<!" and "<?": comments, CDATA markers, declarations, instructions. */
static bool take_declaration(struct html *h)
{
    size_t end;

    if (starts_with(h, STR("<![CDATA["))) {
        h->i += 9;
        if (h->cdata_end == h->n)
            h->cdata_end = find(h, h->i, STR("]]>"), NO_CDATA_END);
        return true;
    }
    if (starts_with(h, STR("<!--"))) {
        /* "<!-->" and "<!--->" are whole comments */
        end = find(h, h->i + 2, STR("-->"), NO_COMMENT_END);
        if (end == h->n && h->strict)
            return false;
        if (end < h->n) {
            h->i = end + 3;
            return true;
        }
    } else if (h->n - h->i < 3 ||
               !(html_is_letter(h->s[h->i + 2]) || h->s[h->i + 2] == '[')) {
        return false;
    }
    end = find_gt(h, h->i);
    h->i = end == h->n ? end : end + 1;
    return true;
}

static void take_lt(struct html *h)
{
    char next = h->i + 1 < h->n ? h->s[h->i + 1] : 0;
    bool taken = h->attribute                 ? false
                 : next == '!' || next == '?' ? take_declaration(h)
                                              : take_tag(h);

    if (!taken)
        put(h, h->s + h->i++, 1);
}

/* References and white space. */

/* Will the decoded character and what follows it at `i` be markup to a second look? */
static bool looks_again(const struct html *h, char c, size_t i)
{
    if (i >= h->n)
        return false;
    if (c == '<')
        return html_is_letter(h->s[i]) || h->s[i] == '/' || h->s[i] == '!';
    return c == '&' &&
           html_reference_get((struct str){ h->s + i - 1, h->n - i + 1 }, true).used;
}

static void take_amp(struct html *h)
{
    struct html_reference r =
        html_reference_get((struct str){ h->s + h->i, h->n - h->i }, h->strict);

    if (r.used == 0) {
        put(h, h->s + h->i++, 1);
        return;
    }
    h->i += r.used;
    if (is_nbsp(r.utf8, r.n) || html_is_space(r.utf8[0]))
        h->gap = true;
    else if ((unsigned char)r.utf8[0] >= 0x20)
        put(h, r.utf8, r.n);
    h->again |= !h->strict && looks_again(h, r.utf8[0], h->i);
}

static void take_blank(struct html *h)
{
    if (h->s[h->i] == '\xC2')
        h->i++;
    else if (!html_is_space(h->s[h->i]) && h->s[h->i] != ' ') {
        h->i++; /* a control character: as if it were not there */
        return;
    }
    h->gap = true;
    h->i++;
}

static void convert(struct html *h)
{
    while (h->i < h->n && !h->full) {
        if (h->cdata_end < h->i)
            h->cdata_end = h->n; /* a tag went on past it */
        size_t limit = h->cdata_end, end = plain_end(h->s, h->i, limit);

        put_plain(h, h->i, end);
        h->i = end;
        if (end == limit) {
            if (limit < h->n)
                h->i += 3; /* "]]>" */
            h->cdata_end = h->n;
        } else if (h->s[end] == '<') {
            take_lt(h);
        } else if (h->s[end] == '&') {
            take_amp(h);
        } else {
            take_blank(h);
        }
    }
}

static struct html begin(const char *s, size_t n, char *to, size_t room)
{
    return (struct html){ .s = s,
                          .n = n,
                          .cdata_end = n,
                          .next_gt = NONE,
                          .start = to,
                          .p = to,
                          .end = to + room };
}

/* Read what the first pass wrote once more. */
static int second_pass(struct html *h)
{
    size_t n = (size_t)(h->p - h->start);
    char *copy = malloc(n);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, h->start, n);
    struct html again = begin(copy, n, h->start, (size_t)(h->end - h->start));
    again.strict = true;
    again.no_alt = h->no_alt;
    convert(&again);
    h->p = again.p;
    h->full |= again.full;
    free(copy);
    return 0;
}

static int to_text(struct buf *out, struct str html, bool no_alt)
{
    if (out->error)
        return out->error;
    /* Only a few references decode to more bytes than they take: 6 for "&nGt;" at most.
     */
    size_t most = html.n + html.n / 5 + 1, room = out->max - out->n;
    if (html.n == 0)
        return 0;
    int r = buf_reserve(out, most < room ? most : room);
    if (r < 0)
        return r;

    struct html h = begin(html.s, html.n, out->s + out->n, most < room ? most : room);
    h.no_alt = no_alt;
    convert(&h);
    if (h.again && (r = second_pass(&h)) < 0)
        out->error = r;
    else
        out->n += (size_t)(h.p - h.start);
    out->s[out->n] = '\0';
    if (h.full && !out->error)
        out->error = -E2BIG;
    return out->error;
}

int html_to_text(struct buf *out, struct str html)
{
    return to_text(out, html, false);
}

int html_to_text_no_alt(struct buf *out, struct str html)
{
    return to_text(out, html, true);
}
