/* Dates in any form, first half: the words and numbers of the text are collected in one
 * scan, and what is no part of any date is refused. */
#include "date_parts.h"

#include <string.h>

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static bool is_letter(char c)
{
    return (unsigned char)(c - 'a') < 26 || (unsigned char)c >= 0x80;
}

static char peek(const struct date_scan *d, size_t ahead)
{
    return d->i + ahead < d->n ? d->s[d->i + ahead] : '\0';
}

/* Reads up to `most` digits; their number. */
static int digits(struct date_scan *d, int most, int64_t *value)
{
    int n = 0;

    for (*value = 0; n < most && is_digit(peek(d, 0)); n++)
        *value = *value * 10 + (d->s[d->i++] - '0');
    return n;
}

/* The time of day. */

static void skip_fraction(struct date_scan *d)
{
    if ((peek(d, 0) != '.' && peek(d, 0) != ',') || !is_digit(peek(d, 1)))
        return;
    for (d->i++; is_digit(peek(d, 0));)
        d->i++;
}

/* At the ':' behind the hour. */
static bool take_time(struct date_scan *d, int64_t hour)
{
    int64_t minute, second = 0;

    d->i++;
    if (digits(d, 3, &minute) > 2)
        return false;
    if (peek(d, 0) == ':') {
        d->i++;
        int n = digits(d, 3, &second);
        if (n == 0 || n > 2 || peek(d, 0) == ':')
            return false;
        skip_fraction(d);
    }
    d->hour = (int)hour;
    d->minute = (int)minute;
    d->second = (int)second;
    return d->has_time = true;
}

/* hh, hhmm or hhmmss without colons. */
static void take_compact_time(struct date_scan *d, int64_t value, int n)
{
    d->has_time = true;
    d->second = n == 6 ? (int)(value % 100) : 0;
    if (n == 6)
        value /= 100;
    d->minute = n > 2 ? (int)(value % 100) : 0;
    d->hour = (int)(n > 2 ? value / 100 : value);
    skip_fraction(d);
}

/* Two digits of minutes may follow an "h" at once: 15h54. */
static bool take_hour(struct date_scan *d, int64_t hour)
{
    int64_t minute = 0;

    if (d->s[d->i - 1] == 'h' && is_digit(peek(d, 0)) && digits(d, 3, &minute) != 2)
        return false;
    d->hour = (int)hour;
    d->minute = (int)minute;
    return d->has_time = true;
}

/* h, hh, hmm, hhmm, h:mm or hh:mm behind a sign; one or three digits only behind "GMT".
 */
static bool take_offset(struct date_scan *d)
{
    int sign = d->s[d->i++] == '-' ? -1 : 1;
    int64_t hours, minutes = 0;
    int n = digits(d, 5, &hours);

    if (d->has_offset || n == 0 || n > 4 || (n % 2 && peek(d, 0) != ':' && !d->after_gmt))
        return false;
    if (n > 2) {
        minutes = hours % 100;
        hours /= 100;
    } else if (peek(d, 0) == ':') {
        d->i++;
        if (digits(d, 3, &minutes) != 2)
            return false;
    }
    if (hours > 23 || minutes > 59 || peek(d, 0) == ':')
        return false;
    d->offset_s = sign * (int32_t)(hours * 3600 + minutes * 60);
    d->place = -1;
    return d->has_offset = true;
}

/* Numbers. */

static bool take_number(struct date_scan *d)
{
    int64_t value;
    int n = digits(d, 15, &value);
    char next = peek(d, 0);

    if (n == 15)
        return false;
    if (next == ':' && is_digit(peek(d, 1)))
        return !d->has_time && n <= 2 && take_time(d, value);
    if (!d->has_time && (n == 2 || n == 4 || n == 6) && d->nums &&
        (d->after_t ||
         (n > 2 && d->sep == ' ' && d->nums == 1 && d->num[0].digits == 8))) {
        take_compact_time(d, value, n);
        return true;
    }
    if (d->nums == DATE_NUMBERS_MAX)
        return false;
    d->num[d->nums++] = (struct date_number){ value, n, d->sep };
    return true;
}

/* The number before a marker; false: there is none. */
static bool pop_number(struct date_scan *d, int *value)
{
    if (!d->after_number || d->nums == 0 || d->num[d->nums - 1].digits > 4)
        return false;
    *value = (int)d->num[--d->nums].value;
    return true;
}

/* Words. */

static bool set_month(struct date_scan *d, int month)
{
    if (d->month && d->month != month)
        return false;
    d->month = month;
    return true;
}

/* A word that is a month or a weekday: the other months in the text decide; of two such
 * words the first is the weekday. */
static bool set_soft_month(struct date_scan *d, int month, int weekday)
{
    if (d->soft_month && !d->weekday)
        d->weekday = d->soft_weekday;
    d->soft_month = month;
    d->soft_weekday = weekday;
    return true;
}

/* Is a time the next thing to come? */
static bool time_follows(const struct date_scan *d)
{
    size_t ahead = 0, from;

    while (peek(d, ahead) == ' ')
        ahead++;
    for (from = ahead; is_digit(peek(d, ahead));)
        ahead++;
    return ahead > from && peek(d, ahead) == ':';
}

/* "3 pm", "3:04 pm"; in Korean, Chinese and Japanese the word comes first. */
static bool set_half(struct date_scan *d, enum date_word_kind half)
{
    int hour;

    d->half = half;
    if (!d->has_time && !d->implied && !time_follows(d) && pop_number(d, &hour))
        return take_hour(d, hour);
    return true;
}

/* "15h", "15 Uhr", "15.54 Uhr"; behind a whole time it says nothing. */
static bool set_hour(struct date_scan *d)
{
    int last, first;

    if (d->has_time)
        return true;
    if (!pop_number(d, &last))
        return false;
    if (d->num[d->nums].before != '.' || !pop_number(d, &first))
        return take_hour(d, last);
    d->hour = first;
    d->minute = last;
    return d->has_time = true;
}

static void set_zone(struct date_scan *d, int minutes)
{
    d->after_gmt = true;
    if (d->has_offset || d->place >= 0)
        return;
    d->offset_s = minutes * 60;
}

static bool apply(struct date_scan *d, enum date_word_kind kind, int value)
{
    switch (kind) {
    case DATE_MONTH:
        return set_month(d, value);
    case DATE_WEEKDAY:
        d->weekday = d->weekday ? d->weekday : value;
        return true;
    case DATE_SLAVIC:
        d->slavic = d->slavic ? d->slavic : value;
        return d->slavic == value;
    case DATE_AM:
    case DATE_PM:
        return set_half(d, kind);
    case DATE_YEAR:
        return pop_number(d, &d->year_mark);
    case DATE_MONTHMARK:
        return pop_number(d, &d->month_mark);
    case DATE_DAY:
        return pop_number(d, &d->day_mark);
    case DATE_HOUR:
        return set_hour(d);
    case DATE_MINUTE:
        return d->has_time && pop_number(d, &d->minute);
    case DATE_SECOND:
        return d->has_time && pop_number(d, &d->second);
    case DATE_ZONE:
        set_zone(d, value);
        return true;
    case DATE_PLACE:
        if (!d->has_offset && d->offset_s == DATE_NO_OFFSET)
            d->place = value;
        return true;
    case DATE_NOISE:
    case DATE_NONE:
        return true;
    }
    return false;
}

/* May the word have this meaning here? */
static bool fits(const struct date_scan *d, enum date_word_kind kind)
{
    switch (kind) {
    case DATE_ZONE:
    case DATE_PLACE:
        return d->has_time;
    case DATE_AM:
    case DATE_PM:
        return d->has_time || d->after_number;
    case DATE_DAY:
        return d->after_number;
    case DATE_WEEKDAY:
        return !d->weekday && !d->after_number;
    default:
        return true;
    }
}

static bool apply_word(struct date_scan *d, const struct date_word *w)
{
    int which = 0;

    if (w->implies && !d->implied)
        d->implied = w->implies;
    if (w->kind[0] == DATE_MONTH && w->kind[1] == DATE_WEEKDAY)
        return set_soft_month(d, w->value[0], w->value[1]);
    if (w->kind[1] != DATE_NONE && (w->kind[0] == DATE_NOISE || !fits(d, w->kind[0])))
        which = w->kind[0] == DATE_NOISE ? fits(d, w->kind[1]) : 1;
    return apply(d, w->kind[which], w->value[which]);
}

/* "Europe/Brussels", "Etc/GMT+5": the rest of a name whose first part ends at `i`. */
static bool take_place(struct date_scan *d, size_t from)
{
    while (d->i < d->n && (is_letter(d->s[d->i]) || is_digit(d->s[d->i]) ||
                           memchr("/_+-", d->s[d->i], 4)))
        d->i++;
    int rule = date_place_find((struct str){ d->s + from, d->i - from });
    if (rule >= 0 && !d->has_offset)
        d->place = rule;
    return rule >= 0;
}

/* "a.m.", "a. m." and the like behind their first letter. */
static bool take_dotted_half(struct date_scan *d, char letter)
{
    size_t i = d->i;

    if (i >= d->n || d->s[i] != '.')
        return false;
    for (i++; i < d->n && d->s[i] == ' ';)
        i++;
    if (i >= d->n || d->s[i] != 'm' || (i + 1 < d->n && is_letter(d->s[i + 1])))
        return false;
    d->i = i + 1;
    return set_half(d, letter == 'a' ? DATE_AM : DATE_PM);
}

/* Behind the "W" of an ISO 8601 week: ww, wwd or ww-d. */
static bool take_week(struct date_scan *d)
{
    int64_t value;
    int n = digits(d, 4, &value);

    if (n == 2 && peek(d, 0) == '-' && is_digit(peek(d, 1))) {
        int64_t day;
        d->i++;
        if (digits(d, 2, &day) != 1)
            return false;
        value = value * 10 + day;
        n = 3;
    }
    if (n != 2 && n != 3)
        return false;
    d->week = (int)(n == 3 ? value / 10 : value);
    d->week_day = n == 3 ? (int)(value % 10) : 1;
    return true;
}

/* No word of ours.  RFC 5322 4.3: an alphabetic zone that is not known counts as UTC. */
static bool take_unknown(struct date_scan *d, struct str word)
{
    for (size_t i = 0; i < word.n; i++) {
        if ((unsigned char)word.s[i] >= 0x80)
            return false;
    }
    bool given = d->place >= 0 || d->offset_s != DATE_NO_OFFSET;
    if (!d->has_time || word.n > 5 || (given && !d->after_offset))
        return false;
    set_zone(d, 0);
    return true;
}

static bool take_word(struct date_scan *d)
{
    size_t from = d->i;

    /* Han, kana and Hangul: no spaces between words. */
    if ((unsigned char)d->s[from] >= 0xE3 && (unsigned char)d->s[from] <= 0xED) {
        const struct date_word *w =
            date_word_prefix((struct str){ d->s + from, d->n - from });
        d->i += w ? w->n : 0;
        return w && apply_word(d, w);
    }
    while (d->i < d->n && is_letter(d->s[d->i]))
        d->i++;
    struct str word = { d->s + from, d->i - from };
    if (word.n == 1 && word.s[0] == 't' && is_digit(peek(d, peek(d, 0) == ' '))) {
        d->after_t = true;
        return true;
    }
    if (word.n == 1 && word.s[0] == 'w' && d->nums == 1 && is_digit(peek(d, 0)))
        return take_week(d);
    if (word.n == 1 && (word.s[0] == 'a' || word.s[0] == 'p') &&
        take_dotted_half(d, word.s[0]))
        return true;
    if (peek(d, 0) == '/' && is_letter(peek(d, 1)))
        return take_place(d, from);
    const struct date_word *w = date_word_find(word);
    return w ? apply_word(d, w) : take_unknown(d, word);
}

/* "(PDT)" names the zone when nothing else does; other comments say nothing. */
static void take_comment(struct date_scan *d)
{
    size_t from = ++d->i;

    for (int depth = 1; d->i < d->n && depth; d->i++)
        depth += (d->s[d->i] == '(') - (d->s[d->i] == ')');
    struct str inner = { d->s + from, d->i - from };
    inner.n -= inner.n && inner.s[inner.n - 1] == ')';
    const struct date_word *w = date_word_find(inner);
    if (w && d->offset_s == DATE_NO_OFFSET && d->place < 0 && d->has_time &&
        (w->kind[0] == DATE_ZONE || w->kind[0] == DATE_PLACE))
        (void)apply(d, w->kind[0], w->value[0]);
}

static bool is_offset_sign(const struct date_scan *d)
{
    char c = peek(d, 0);

    if (c == '+')
        return true;
    return c == '-' && is_digit(peek(d, 1)) && d->has_time && !d->has_offset;
}

static bool take_token(struct date_scan *d)
{
    char c = d->s[d->i];
    bool ok;

    if (c == '(') {
        take_comment(d);
        return true;
    }
    if (!is_digit(c) && !is_letter(c) && !is_offset_sign(d)) {
        if (!memchr(" ,;-/.|", c, 7))
            return false;
        if (d->sep == '\0' || d->sep == ' ')
            d->sep = c;
        d->i++;
        return true;
    }
    bool offset = !is_letter(c) && !is_digit(c);
    if (is_letter(c)) {
        d->after_t = d->after_gmt = false;
        ok = take_word(d);
    } else {
        ok = offset ? take_offset(d) : take_number(d);
        d->after_t = d->after_gmt = false;
    }
    d->after_offset = offset;
    d->after_number = is_digit(c);
    d->sep = '\0';
    return ok;
}

bool date_scan(struct date_scan *d, struct str folded)
{
    *d = (struct date_scan){ .s = folded.s,
                             .n = folded.n,
                             .year_mark = -1,
                             .month_mark = -1,
                             .day_mark = -1,
                             .offset_s = DATE_NO_OFFSET,
                             .place = -1 };
    if (peek(d, 0) == '-' && is_digit(peek(d, 1))) {
        d->lead_dash = true;
        d->i = 1;
    }
    while (d->i < d->n) {
        if (!take_token(d))
            return false;
    }
    return true;
}
