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

static unsigned columns(struct str s)
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
        unsigned n = columns(piece);
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

unsigned print_width(FILE *to)
{
    struct winsize size = { 0 };

    if (!isatty(fileno(to)))
        return UINT_MAX / 2;
    if (ioctl(fileno(to), TIOCGWINSZ, &size) < 0 || size.ws_col < 40)
        return 80;
    return size.ws_col < 100 ? size.ws_col : 100;
}

struct print_style print_style(FILE *to)
{
    const char *no = getenv("NO_COLOR");

    if (!isatty(fileno(to)) || (no && *no))
        return (struct print_style){ "", "", "", "", "" };
    return (struct print_style){ "\033[1m", "\033[32m", "\033[1;31m", "\033[33m",
                                 "\033[0m" };
}
