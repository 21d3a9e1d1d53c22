/* Messages about rule text: errors, lints, the line with the caret, near misses. */
#include "rule_own.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "utf8.h"

enum { MAX_WARNINGS = 20, SHOWN = 72, INDENT = 4 };

void rule_fail_memory(struct rule_parse *p)
{
    if (!p->error)
        p->error = -ENOMEM;
}

/* Cut what vsnprintf may have cut within a character. */
static void cut_whole(char *s)
{
    size_t n = strlen(s), at = 0, len;

    for (; at < n; at += len)
        if (utf8_get(s + at, n - at, &len) == UTF8_BAD)
            break;
    s[at] = '\0';
}

/* Say which set the place is in, and move it to where the rule names the set. */
static size_t put_set(struct rule_error *err, const struct rule_within *in,
                      uint32_t column)
{
    struct str terms = str_of(in->set->terms);
    uint32_t line = 1, from = 0, at = 1;
    struct rule_piece name = rule_piece(str_of(in->set->name));
    int n;

    for (size_t i = 0, len; i < terms.n && at < column; i += len, at++)
        if (utf8_get(terms.s + i, terms.n - i, &len) == '\n') {
            line++;
            from = at;
        }
    if (memchr(terms.s, '\n', terms.n))
        n = snprintf(err->what, sizeof err->what, "in @%s, line %u, column %u: ", name.s,
                     (unsigned)line, (unsigned)(column - from));
    else
        n = snprintf(err->what, sizeof err->what, "in @%s, column %u: ", name.s,
                     (unsigned)column);
    err->column = in->outer_column;
    err->width = in->outer_width;
    return n > 0 ? (size_t)n : 0;
}

void rule_fail(struct rule_parse *p, uint32_t column, uint32_t width, const char *fmt,
               ...)
{
    struct rule_error *err = p->err;
    size_t n = 0;
    va_list ap;

    if (p->error)
        return;
    p->error = -EINVAL;
    err->column = column;
    err->width = width ? width : 1;
    if (p->within && p->within->outer_column)
        n = put_set(err, p->within, column);
    va_start(ap, fmt);
    (void)vsnprintf(err->what + n, sizeof err->what - n, fmt, ap);
    va_end(ap);
    cut_whole(err->what);
}

static int warning_add(struct rule_whole *w, const char *text)
{
    char **list = realloc(w->rule.warning, (w->n_warnings + 2) * sizeof *list);

    if (!list)
        return -ENOMEM;
    w->rule.warning = list;
    list[w->n_warnings] = strdup(text);
    if (!list[w->n_warnings])
        return -ENOMEM;
    list[++w->n_warnings] = NULL;
    return 0;
}

void rule_warn(struct rule_parse *p, uint32_t column, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    if (p->error || p->whole->n_warnings >= MAX_WARNINGS ||
        (p->within && p->within->outer_column))
        return;
    int n = snprintf(text, sizeof text, "column %u: ", (unsigned)column);
    va_start(ap, fmt);
    (void)vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
    va_end(ap);
    cut_whole(text);
    if (warning_add(p->whole, text) < 0)
        rule_fail_memory(p);
}

static void put_char(char *to, size_t *n, const char *from, size_t len, uint32_t cp)
{
    if (utf8_unsafe(cp)) {
        from = cp == '\n' || cp == '\t' ? " " : "\xEF\xBF\xBD";
        len = strlen(from);
    }
    memcpy(to + *n, from, len);
    *n += len;
    to[*n] = '\0';
}

struct rule_piece rule_piece(struct str s)
{
    struct rule_piece piece = { "" };
    size_t n = 0, count = 0;

    for (size_t i = 0, len; i < s.n; i += len, count++) {
        if (count == 24) {
            memcpy(piece.s + n, "\xE2\x80\xA6", 4); /* ... and the NUL */
            break;
        }
        uint32_t cp = utf8_get(s.s + i, s.n - i, &len);
        put_char(piece.s, &n, s.s + i, len, cp);
    }
    return piece;
}

/* Levenshtein distance without regard to ASCII case; more than 31 bytes are far. */
static unsigned distance(struct str a, struct str b)
{
    unsigned row[33];

    if (a.n > 31 || b.n > 31)
        return 99;
    for (unsigned j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            bool same = str_eq_nocase((struct str){ a.s + i - 1, 1 },
                                      (struct str){ b.s + j - 1, 1 });
            unsigned best = corner + (same ? 0 : 1);
            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.n];
}

const char *rule_nearest(struct str s, const char *const *names, size_t n)
{
    const char *best = NULL;
    unsigned least = s.n < 4 ? 2 : 3;

    for (size_t i = 0; i < n; i++) {
        unsigned d = distance(s, str_of(names[i]));
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

/* The part of a rule that is shown with an error. */
struct view {
    size_t from, to; /* bytes */
    uint32_t column; /* of `from` */
    bool cut_left, cut_right;
};

static struct view line_of(struct str text, uint32_t column)
{
    struct view v = { 0, text.n, 1, false, false };
    uint32_t at = 1;

    for (size_t i = 0; i < text.n; at++) {
        size_t len;
        uint32_t cp = utf8_get(text.s + i, text.n - i, &len);
        if (cp == '\n' && at >= column) {
            v.to = i;
            break;
        }
        i += len;
        if (cp == '\n') {
            v.from = i;
            v.column = at + 1;
        }
    }
    return v;
}

/* Cut the line to what a terminal shows: some text before the place, the rest after. */
static void view_cut(struct view *v, struct str text, uint32_t column)
{
    uint32_t keep = SHOWN / 2;
    unsigned used = 0;
    size_t i = v->from, len;
    bool whole =
        rule_count((struct str){ text.s + v->from, v->to - v->from }) <= SHOWN / 2;

    while (!whole && i < v->to && v->column + keep < column) {
        (void)utf8_get(text.s + i, v->to - i, &len);
        i += len;
        v->column++;
        v->cut_left = true;
    }
    v->from = i;
    while (i < v->to) {
        used += rule_columns(utf8_get(text.s + i, v->to - i, &len));
        if (used > SHOWN) {
            v->cut_right = true;
            break;
        }
        i += len;
    }
    v->to = i;
}

static void put_caret(struct buf *out, struct str text, const struct view *v,
                      const struct rule_error *err)
{
    unsigned before = INDENT + (v->cut_left ? 1 : 0), under = 0;
    uint32_t at = v->column;

    for (size_t i = v->from, len; i < v->to; i += len, at++) {
        uint32_t cp = utf8_get(text.s + i, v->to - i, &len);
        unsigned wide = utf8_unsafe(cp) ? 1 : rule_columns(cp);
        if (at < err->column)
            before += wide;
        else if (at - err->column < err->width)
            under += wide;
    }
    (void)buf_printf(out, "%*s", (int)before, "");
    for (unsigned i = 0; i < (under ? under : 1); i++)
        (void)buf_putc(out, '^');
    (void)buf_putc(out, '\n');
}

int rule_error_show(struct buf *out, struct str text, const struct rule_error *err)
{
    struct view v = line_of(text, err->column);

    view_cut(&v, text, err->column);
    (void)buf_printf(out, "%*s%s", INDENT, "", v.cut_left ? "\xE2\x80\xA6" : "");
    for (size_t i = v.from, len; i < v.to; i += len) {
        uint32_t cp = utf8_get(text.s + i, v.to - i, &len);
        char one[8];
        size_t n = 0;
        put_char(one, &n, text.s + i, len, cp);
        (void)buf_put(out, one, n);
    }
    (void)buf_puts(out, v.cut_right ? "\xE2\x80\xA6\n" : "\n");
    put_caret(out, text, &v, err);
    return out->error;
}
