/* Header lines of one answer: validators, freshness, Retry-After, Content-Type, links. */
#include "fetch_headers.h"

#include <errno.h>
#include <stdlib.h>
#include "fetch.h"

#define YEAR_S ((int64_t)366 * 24 * 60 * 60)
#define DAY_S ((int64_t)24 * 60 * 60)

void fetch_headers_clear(struct fetch_headers *h)
{
    size_t bytes = h->bytes;

    free(h->etag);
    free(h->last_modified);
    free(h->hub);
    free(h->self);
    *h = (struct fetch_headers){ .max_age_s = -1,
                                 .expires_s = -1,
                                 .date_s = -1,
                                 .retry_after_s = -1,
                                 .retry_at_s = -1,
                                 .bytes = bytes };
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Take decimal digits from the front of `s`; more than a year of seconds is a year.
 * -1: no digit there. */
static int64_t take_number(struct str *s)
{
    int64_t n = 0;

    if (s->n == 0 || !is_digit(s->s[0]))
        return -1;
    while (s->n && is_digit(s->s[0])) {
        n = n * 10 + (s->s[0] - '0');
        if (n > YEAR_S)
            n = YEAR_S;
        s->s++;
        s->n--;
    }
    return n;
}

/* A number and nothing else, or -1. */
static int64_t whole_number(struct str s)
{
    int64_t n = take_number(&s);

    return s.n == 0 ? n : -1;
}

/* ---- dates ---- */

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int month_of(const char *s)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++)
        if (memcmp(s, names + 3 * i, 3) == 0)
            return i + 1;
    return 0;
}

/* Match `s` against `shape`: d digit, _ digit or space, a letter; the rest itself. */
static bool has_shape(struct str s, const char *shape)
{
    if (s.n != strlen(shape))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.s[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool ok = shape[i] == 'd'   ? is_digit(c)
                  : shape[i] == '_' ? is_digit(c) || c == ' '
                  : shape[i] == 'a' ? letter
                                    : c == shape[i];
        if (!ok)
            return false;
    }
    return true;
}

static int two(const char *s)
{
    return (s[0] == ' ' ? 0 : s[0] - '0') * 10 + (s[1] - '0');
}

static bool date_of(int year, const char *month, const char *day, const char *time,
                    int64_t *utc_s)
{
    static const int length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int m = month_of(month), d = two(day);
    int hh = two(time), mm = two(time + 3), ss = two(time + 6);

    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1970 || m == 0 || d < 1 || d > length[m - 1] + (m == 2 && leap) ||
        hh > 23 || mm > 59 || ss > 60)
        return false;
    *utc_s = days_from_date(year, m, d) * DAY_S + hh * 3600 + mm * 60 + ss;
    return true;
}

bool fetch_http_date(struct str s, int64_t *utc_s)
{
    s = str_trim(s);
    if (has_shape(s, "aaa, dd aaa dddd dd:dd:dd GMT"))
        return date_of(two(s.s + 12) * 100 + two(s.s + 14), s.s + 8, s.s + 5, s.s + 17,
                       utc_s);
    if (has_shape(s, "aaa aaa _d dd:dd:dd dddd")) /* asctime */
        return date_of(two(s.s + 20) * 100 + two(s.s + 22), s.s + 4, s.s + 8, s.s + 11,
                       utc_s);
    const char *comma = s.n ? memchr(s.s, ',', s.n) : NULL;
    if (!comma) /* RFC 850: "Sunday, 06-Nov-94 08:49:37 GMT" */
        return false;
    struct str rest = { comma, s.n - (size_t)(comma - s.s) };
    if (!has_shape(rest, ", dd-aaa-dd dd:dd:dd GMT"))
        return false;
    int year = two(comma + 9);
    return date_of(year + (year < 70 ? 2000 : 1900), comma + 5, comma + 2, comma + 12,
                   utc_s);
}

/* ---- lines ---- */

/* Keep the first validator of its kind, if it can be sent back as it came. */
static int keep(char **slot, struct str value)
{
    if (*slot || value.n == 0 || value.n > FETCH_VALIDATOR_MAX)
        return 0;
    for (size_t i = 0; i < value.n; i++)
        if (((unsigned char)value.s[i] < 0x20 && value.s[i] != '\t') ||
            value.s[i] == 0x7f)
            return 0;
    *slot = strndup(value.s, value.n);
    return *slot ? 0 : -ENOMEM;
}

/* Cache-Control: a comma-separated list of directives (RFC 9111 5.2). */
static void note_cache_control(struct fetch_headers *h, struct str list)
{
    while (list.n) {
        const char *comma = memchr(list.s, ',', list.n);
        size_t n = comma ? (size_t)(comma - list.s) : list.n;
        struct str word = str_trim((struct str){ list.s, n });

        list.s += n + (comma != NULL);
        list.n -= n + (comma != NULL);
        if (word.n >= 8 && str_eq_nocase((struct str){ word.s, 8 }, STR("max-age="))) {
            struct str v = str_trim((struct str){ word.s + 8, word.n - 8 });
            if (v.n >= 2 && v.s[0] == '"' && v.s[v.n - 1] == '"')
                v = (struct str){ v.s + 1, v.n - 2 };
            int64_t age = whole_number(v);
            if (h->max_age_s < 0)
                h->max_age_s = age < 0 ? 0 : age; /* nonsense is stale */
        } else if (str_eq_nocase(word, STR("no-cache")) ||
                   str_eq_nocase(word, STR("no-store"))) {
            h->max_age_s = 0;
        }
    }
}

static void note_retry_after(struct fetch_headers *h, struct str value)
{
    int64_t s = whole_number(value);

    if (s >= 0)
        h->retry_after_s = s;
    else
        (void)fetch_http_date(value, &h->retry_at_s);
}

/* Take the parameters of one link off the front of `s`, and the comma.  Its rel,
 * without quotes. */
static struct str take_rel(struct str *s)
{
    struct str rel = { 0 };
    bool quoted = false;
    size_t from = 0, at = 0;

    for (;; at++) {
        if (at < s->n && s->s[at] == '"')
            quoted = !quoted;
        if (at < s->n && (quoted || (s->s[at] != ';' && s->s[at] != ',')))
            continue;
        struct str p = str_trim((struct str){ s->s + from, at - from });
        if (rel.n == 0 && p.n > 4 && str_eq_nocase((struct str){ p.s, 4 }, STR("rel=")))
            rel = (struct str){ p.s + 4, p.n - 4 };
        from = at + 1;
        if (at == s->n || s->s[at] == ',')
            break;
    }
    s->s += at;
    s->n -= at;
    if (rel.n && rel.s[0] == '"')
        rel = (struct str){ rel.s + 1, rel.n - 1 };
    if (rel.n && rel.s[rel.n - 1] == '"')
        rel.n--;
    return rel;
}

/* Link: <URI>; rel="words", ... (RFC 8288 3) */
static int note_links(struct fetch_headers *h, struct str s)
{
    const char *open, *close;
    int r = 0;

    while (r == 0 && s.n && (open = memchr(s.s, '<', s.n))) {
        s = (struct str){ open + 1, s.n - (size_t)(open + 1 - s.s) };
        if (!s.n || !(close = memchr(s.s, '>', s.n)))
            break;
        struct str uri = { s.s, (size_t)(close - s.s) };
        s = (struct str){ close + 1, s.n - uri.n - 1 };
        struct str rel = take_rel(&s);
        if (str_has_word(rel, "hub"))
            r = keep(&h->hub, uri);
        if (r == 0 && str_has_word(rel, "self"))
            r = keep(&h->self, uri);
    }
    return r;
}

int fetch_headers_line(struct fetch_headers *h, struct str line)
{
    const char *colon = line.n ? memchr(line.s, ':', line.n) : NULL;

    if (!colon)
        return 0;
    struct str name = { line.s, (size_t)(colon - line.s) };
    struct str value = str_trim((struct str){ colon + 1, line.n - name.n - 1 });
    switch (name.n) { /* most lines are none of ours: look at the length first */
    case 3:
        if (str_eq_nocase(name, STR("Age")) && whole_number(value) > 0)
            h->age_s = whole_number(value);
        break;
    case 4:
        if (str_eq_nocase(name, STR("ETag")))
            return keep(&h->etag, value);
        if (str_eq_nocase(name, STR("Link")))
            return note_links(h, value);
        if (str_eq_nocase(name, STR("Date")))
            (void)fetch_http_date(value, &h->date_s);
        break;
    case 7:
        if (str_eq_nocase(name, STR("Expires")) && !fetch_http_date(value, &h->expires_s))
            h->expires_s = 0;
        break;
    case 11:
        if (str_eq_nocase(name, STR("Retry-After")))
            note_retry_after(h, value);
        break;
    case 13:
        if (str_eq_nocase(name, STR("Last-Modified")))
            return keep(&h->last_modified, value);
        if (str_eq_nocase(name, STR("Cache-Control")))
            note_cache_control(h, value);
        break;
    }
    return 0;
}

int64_t fetch_headers_fresh_s(const struct fetch_headers *h, int64_t now_s)
{
    int64_t s = 0;

    if (h->max_age_s >= 0)
        s = h->max_age_s - h->age_s;
    else if (h->expires_s > 0)
        s = h->expires_s - (h->date_s >= 0 ? h->date_s : now_s) - h->age_s;
    return s < 0 ? 0 : s > YEAR_S ? YEAR_S : s;
}

int64_t fetch_headers_retry_s(const struct fetch_headers *h, int64_t now_s)
{
    int64_t s;

    if (h->retry_after_s >= 0)
        s = h->retry_after_s;
    else if (h->retry_at_s >= 0) /* the server's own clock, when it tells it */
        s = h->retry_at_s - (h->date_s >= 0 ? h->date_s : now_s);
    else
        return 0;
    return s < 60 ? 60 : s > DAY_S ? DAY_S : s;
}

void fetch_content_type(struct str value, struct str *mime, struct str *charset)
{
    const char *semicolon = value.n ? memchr(value.s, ';', value.n) : NULL;
    struct str rest = { NULL, 0 };

    *charset = rest;
    *mime = str_trim(value);
    if (!semicolon)
        return;
    *mime = str_trim((struct str){ value.s, (size_t)(semicolon - value.s) });
    rest = (struct str){ semicolon, value.n - (size_t)(semicolon - value.s) };
    while (rest.n && charset->n == 0) {
        rest = (struct str){ rest.s + 1, rest.n - 1 }; /* the semicolon */
        semicolon = rest.n ? memchr(rest.s, ';', rest.n) : NULL;
        size_t n = semicolon ? (size_t)(semicolon - rest.s) : rest.n;
        struct str p = str_trim((struct str){ rest.s, n });
        rest = (struct str){ rest.s + n, rest.n - n };
        if (p.n <= 8 || !str_eq_nocase((struct str){ p.s, 8 }, STR("charset=")))
            continue;
        p = str_trim((struct str){ p.s + 8, p.n - 8 });
        if (p.n && (p.s[0] == '"' || p.s[0] == '\''))
            p = (struct str){ p.s + 1, p.n - 1 };
        if (p.n && (p.s[p.n - 1] == '"' || p.s[p.n - 1] == '\''))
            p.n--;
        *charset = str_trim(p);
    }
}
