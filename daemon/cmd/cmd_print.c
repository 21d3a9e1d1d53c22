/* Printing for people: safe on a terminal, folded to its width. */
#include "cmd_print.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "rule.h"
#include "utf8.h"

void print_safe(FILE *to, struct str s)
{
    for (size_t i = 0, len; i < s.n; i += len) {
        uint32_t cp = utf8_get(s.s + i, s.n - i, &len);
        if (cp == '\n' || cp == '\t')
            fputc(' ', to);
        else if (utf8_unsafe(cp))
            fputs("\xEF\xBF\xBD", to);
        else
            fwrite(s.s + i, 1, len, to);
    }
}

/* Where a rule may be broken: before operators and after commas, outside of phrases and
 * regexes. */
struct marks {
    char in;     /* '"' or '/' while inside, else 0 */
    bool begins; /* a phrase or a regex may begin here */
};

static bool begins_operator(struct str s, size_t at)
{
    static const char *const operators[] = { "AND ", "OR ", "NEAR/", "ONEAR/" };
    struct str rest = { s.s + at, s.n - at };

    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t n = strlen(operators[i]);
        if (rest.n >= n && !memcmp(rest.s, operators[i], n))
            return true;
    }
    return false;
}

static bool may_break(struct marks *m, struct str s, size_t i)
{
    char c = s.s[i];

    if (m->in) {
        bool escaped = m->in == '/' && i && s.s[i - 1] == '\\';
        if (c == m->in && !escaped)
            m->in = 0;
        return false;
    }
    if (m->begins && (c == '"' || c == '/'))
        m->in = c;
    m->begins = c == ' ' || c == '(' || c == ':' || c == '-';
    return c == ' ' && i && (s.s[i - 1] == ',' || begins_operator(s, i + 1));
}

unsigned print_columns(struct str s)
{
    unsigned n = 0;

    for (size_t i = 0, len; i < s.n; i += len)
        n += rule_columns(utf8_get(s.s + i, s.n - i, &len));
    return n;
}

static unsigned put_spaces(FILE *to, unsigned n)
{
    fprintf(to, "%*s", (int)n, "");
    return n;
}

/* The end of the next piece that must stay on one line. */
static size_t piece_end(struct marks *m, struct str s, size_t from, bool is_rule)
{
    size_t i = from;

    while (i < s.n && !(is_rule ? may_break(m, s, i) : s.s[i] == ' '))
        i++;
    return i;
}

void print_folded(FILE *to, struct str s, const struct print_fold *how)
{
    unsigned indent = how->first;
    struct marks m = { .begins = true };
    unsigned used = how->at;
    bool fresh = true; /* nothing of `s` stands on this line */

    for (size_t i = 0; i < s.n;) {
        size_t end = piece_end(&m, s, i, how->rule);
        struct str piece = { s.s + i, end - i };
        unsigned n = print_columns(piece);
        if (!fresh && used + 1 + n > how->width) {
            fputc('\n', to);
            fresh = true;
            used = 0;
            indent = how->rest;
        }
        used += put_spaces(to, fresh ? indent : 1) + n;
        print_safe(to, piece);
        fresh = false;
        i = end + 1;
    }
    fputc('\n', to);
}

unsigned print_table_width(FILE *to)
{
    struct winsize size = { 0 };

    if (!isatty(fileno(to)))
        return UINT_MAX / 2;
    if (ioctl(fileno(to), TIOCGWINSZ, &size) < 0 || size.ws_col < 40)
        return 80;
    return size.ws_col;
}

unsigned print_width(FILE *to)
{
    unsigned n = print_table_width(to);

    return n < 100 || !isatty(fileno(to)) ? n : 100;
}

void print_span(char out[PRINT_TIME_SIZE], int64_t ms)
{
    static const struct {
        int64_t up_to_s, unit_s;
        const char *name;
    } unit[] = { { 100, 1, "s" },
                 { 100 * 60, 60, "min" },
                 { 48 * 3600, 3600, "h" },
                 { 730 * (int64_t)86400, 86400, "days" },
                 { INT64_MAX, 31556952, "years" } };
    int64_t s = ms < 0 ? 0 : ms / 1000;
    size_t i = 0;

    while (s >= unit[i].up_to_s)
        i++;
    snprintf(out, PRINT_TIME_SIZE, "%lld %s", (long long)(s / unit[i].unit_s),
             unit[i].name);
}

void print_when(char out[PRINT_TIME_SIZE], int64_t when_ms, int64_t now_ms)
{
    char span[PRINT_TIME_SIZE];
    int64_t away = when_ms - now_ms;

    if (away > -1000 && away < 1000) {
        snprintf(out, PRINT_TIME_SIZE, "now");
        return;
    }
    print_span(span, away < 0 ? -away : away);
    if (away < 0)
        snprintf(out, PRINT_TIME_SIZE, "%.20s ago", span);
    else
        snprintf(out, PRINT_TIME_SIZE, "in %.20s", span);
}

void print_cell(FILE *to, struct str s, unsigned width, bool pad)
{
    unsigned used = print_columns(s);
    bool cut = used > width;

    if (cut) {
        size_t i = 0;

        used = 0;
        for (size_t len; i < s.n; i += len) {
            unsigned n = rule_columns(utf8_get(s.s + i, s.n - i, &len));
            if (used + n + 1 > width)
                break;
            used += n;
        }
        s.n = i;
    }
    print_safe(to, s);
    if (cut && width) {
        fputs("\xE2\x80\xA6", to);
        used++;
    }
    if (pad && used < width)
        (void)put_spaces(to, width - used);
}

struct print_style print_style(FILE *to)
{
    const char *no = getenv("NO_COLOR");

    if (!isatty(fileno(to)) || (no && *no))
        return (struct print_style){ "", "", "", "", "" };
    return (struct print_style){ "\033[1m", "\033[32m", "\033[1;31m", "\033[33m",
                                 "\033[0m" };
}
