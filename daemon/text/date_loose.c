/* Dates in any form, second half: what each number of a scanned date means, by its
 * digits, its neighbours, the words beside it.  What does not add up is refused. */
#include "date_parts.h"

/* RFC 5322 4.3: two digits are 1950 to 2049, three count from 1900. */
static bool full_year(const struct date_number *n, int *year)
{
    if (n->digits > 4 || (n->digits == 3 && (n->value < 100 || n->value > 199)))
        return false;
    *year = (int)n->value;
    if (n->digits == 3)
        *year += 1900;
    if (n->digits < 3)
        *year += *year < 50 ? 2000 : 1900;
    return true;
}

struct day {
    int year, month, day;
};

static bool day_from(struct day *to, const struct date_number *year, int64_t month,
                     int64_t day)
{
    to->month = (int)month;
    to->day = (int)day;
    return full_year(year, &to->year) && date_day_exists(to->year, month, day);
}

/* The `n`th day of the year. */
static bool day_of_year(struct day *to, int year, int64_t n)
{
    if (year < 1 || year > 9999 || n < 1 || n > 366)
        return false;
    struct date_parts p = date_civil(date_days(year, 1, 1) + n - 1);
    *to = (struct day){ year, p.month, p.day };
    return p.year == year;
}

/* ISO 8601: week 1 holds January 4th; weeks start on Monday. */
static bool day_of_week(struct day *to, int year, int week, int day)
{
    if (year < 1 || year > 9998 || week < 1 || week > 53 || day < 1 || day > 7)
        return false;
    int64_t monday = date_days(year, 1, 4);
    monday -= (date_weekday(monday) + 6) % 7;
    int64_t that = monday + 7 * (week - 1);
    struct date_parts thursday = date_civil(that + 3), p = date_civil(that + day - 1);
    *to = (struct day){ p.year, p.month, p.day };
    return thursday.year == year;
}

/* Month in words: a day and a year beside it, or the year alone. */
static bool named_month(const struct date_scan *d, struct day *to, int month)
{
    const struct date_number *a = &d->num[0], *b = &d->num[1];

    if (d->day_mark >= 0 && d->nums == 1)
        return day_from(to, a, month, d->day_mark);
    if (d->nums == 1)
        return a->digits == 4 && !d->has_time && day_from(to, a, month, 1);
    if (d->nums != 2)
        return false;
    if (a->digits > 2 || (b->digits <= 2 && a->value > 31))
        return b->digits <= 2 && day_from(to, a, month, b->value);
    return day_from(to, b, month, a->value);
}

/* Does the day fall on the weekday that the text names? */
static bool on_named_weekday(const struct date_scan *d, const struct day *day)
{
    int weekday = !d->weekday && d->soft_month ? d->soft_weekday : d->weekday;

    return weekday >> date_weekday(date_days(day->year, day->month, day->day)) & 1;
}

static bool language_is(struct str lang, const char *code)
{
    return lang.n >= 2 && (lang.s[0] | 0x20) == code[0] &&
           (lang.s[1] | 0x20) == code[1] &&
           (lang.n == 2 || lang.s[2] == '-' || lang.s[2] == '_');
}

/* A name that is one month in Croatian and the next one in Polish or Czech: the weekday
 * tells them apart (none of the three has 28 days), and the language of the feed does.
 * What neither decides is not known; nor is it when they disagree. */
static bool slavic_month(const struct date_scan *d, struct str lang, struct day *to)
{
    bool south =
        language_is(lang, "hr") || language_is(lang, "bs") || language_is(lang, "sh");
    bool west = language_is(lang, "pl") || language_is(lang, "cs");
    struct day one, next;
    bool is_one = named_month(d, &one, d->slavic);
    bool is_next = named_month(d, &next, d->slavic + 1);
    bool fits_one = is_one && on_named_weekday(d, &one);
    bool fits_next = is_next && on_named_weekday(d, &next);

    if (fits_one != fits_next) {
        is_one = fits_one;
        is_next = fits_next;
    }
    is_one = is_one && !west;
    is_next = is_next && !south;
    *to = is_one ? one : next;
    return is_one != is_next;
}

/* Numbers a and b are day and month in an order that is not known, the year last.  With
 * dots or dashes the day comes first, with slashes the month, unless the weekday or the
 * range tells otherwise. */
static bool day_and_month(const struct date_scan *d, struct day *to,
                          const struct date_number *year)
{
    int64_t a = d->num[0].value, b = d->num[1].value;
    struct day day_first, month_first;
    bool first = day_from(&day_first, year, b, a);
    bool second = day_from(&month_first, year, a, b);

    if (first && second) {
        bool fits_first = on_named_weekday(d, &day_first);
        bool fits_second = on_named_weekday(d, &month_first);
        if (fits_first != fits_second)
            first = fits_first;
        else
            first = d->num[1].before != '/';
    }
    *to = first ? day_first : month_first;
    return first || second;
}

static bool three_numbers(const struct date_scan *d, struct day *to)
{
    const struct date_number *n = d->num;

    if (n[0].digits > 4 || n[1].digits > 3 || n[2].digits > 4)
        return false;
    if (n[0].digits > 2)
        return n[2].digits <= 2 && day_from(to, &n[0], n[1].value, n[2].value);
    if (n[1].digits > 2)
        return false;
    if (n[2].digits <= 2 && n[1].before == '-' && n[2].value <= 31)
        return day_from(to, &n[0], n[1].value, n[2].value); /* ISO 8601: yy-mm-dd */
    return n[2].digits != 3 && day_and_month(d, to, &n[2]);
}

static bool two_numbers(const struct date_scan *d, struct day *to)
{
    const struct date_number *a = &d->num[0], *b = &d->num[1];
    int year;

    if (a->digits == 4 && b->digits == 3)
        return full_year(a, &year) && day_of_year(to, year, b->value);
    if (a->digits == 4)
        return b->digits <= 2 && !d->has_time && day_from(to, a, b->value, 1);
    if (a->digits == 2 && b->digits == 3 && b->before == '-')
        return full_year(a, &year) && day_of_year(to, year, b->value);
    if (d->lead_dash)
        return a->digits == 2 && b->digits == 2 && day_from(to, a, b->value, 1);
    return a->digits <= 2 && b->digits == 4 && b->before == '/' && !d->has_time &&
           day_from(to, b, a->value, 1);
}

/* ISO 8601 without dashes. */
static bool one_number(const struct date_scan *d, struct day *to)
{
    int64_t v = d->num[0].value;
    int n = d->num[0].digits, year;
    struct date_number head = { v, n, 0 };

    switch (n) {
    case 2:
        return d->lead_dash && !d->has_time && day_from(to, &head, 1, 1);
    case 4:
        if (d->has_time)
            return false;
        if (!d->lead_dash)
            return day_from(to, &head, 1, 1);
        head = (struct date_number){ v / 100, 2, 0 };
        return day_from(to, &head, v % 100, 1);
    case 5:
    case 7:
        head = (struct date_number){ v / 1000, n - 3, 0 };
        return full_year(&head, &year) && day_of_year(to, year, v % 1000);
    case 6:
    case 8:
        head = (struct date_number){ v / 10000, n - 4, 0 };
        return day_from(to, &head, v / 100 % 100, v % 100);
    default:
        return false;
    }
}

static bool find_day(const struct date_scan *d, struct str lang, struct day *to)
{
    bool soft = d->soft_month && !d->month && d->nums < 3;
    int month = soft ? d->soft_month : d->month, year;

    if (d->year_mark >= 0 && d->month_mark >= 0) {
        *to = (struct day){ d->year_mark, d->month_mark,
                            d->day_mark < 0 ? 1 : d->day_mark };
        return d->nums == 0 && !month && date_day_exists(to->year, to->month, to->day);
    }
    if (d->year_mark >= 0 || d->month_mark >= 0)
        return false;
    if (d->week)
        return !month && d->nums == 1 && d->num[0].digits == 4 &&
               full_year(&d->num[0], &year) &&
               day_of_week(to, year, d->week, d->week_day);
    if (d->slavic)
        return !d->month && slavic_month(d, lang, to);
    if (month)
        return named_month(d, to, month);
    if (d->day_mark >= 0)
        return false;
    return d->nums == 3   ? three_numbers(d, to)
           : d->nums == 2 ? two_numbers(d, to)
           : d->nums == 1 ? one_number(d, to)
                          : false;
}

/* Twelve hours to twenty-four. */
static bool find_hour(const struct date_scan *d, int *hour)
{
    *hour = d->hour;
    if (d->half == DATE_NONE || d->hour > 12)
        return d->half != DATE_AM || d->hour <= 12;
    *hour = d->hour % 12 + (d->half == DATE_PM ? 12 : 0);
    return true;
}

static int32_t find_offset(const struct date_scan *d, const struct date_parts *p)
{
    if (d->place >= 0)
        return date_place_offset(d->place, p);
    if (d->offset_s != DATE_NO_OFFSET)
        return d->offset_s;
    return d->implied * 60;
}

/* Seconds or milliseconds since 1970, or yyyymmddhhmm[ss]. */
static bool bare_number(const struct date_scan *d, int64_t *utc_s)
{
    int64_t v = d->num[0].value;
    struct date_parts p;

    switch (d->num[0].digits) {
    case 9:
    case 10:
        *utc_s = v;
        return true;
    case 13:
        *utc_s = v / 1000;
        return true;
    case 12:
        v *= 100;
        break;
    case 14:
        break;
    default:
        return false;
    }
    p = (struct date_parts){ .year = (int32_t)(v / 10000000000),
                             .month = (int32_t)(v / 100000000 % 100),
                             .day = (int32_t)(v / 1000000 % 100),
                             .hour = (int32_t)(v / 10000 % 100),
                             .minute = (int32_t)(v / 100 % 100),
                             .second = (int32_t)(v % 100),
                             .offset_s = d->offset_s };
    return date_count(&p, utc_s);
}

static bool resolve(const struct date_scan *d, struct str lang, int64_t *utc_s)
{
    struct day day;
    int hour;

    if (d->nums == 1 && d->num[0].digits >= 9 && !d->has_time && !d->month &&
        !d->soft_month && !d->slavic)
        return bare_number(d, utc_s);
    if (!find_day(d, lang, &day) || !find_hour(d, &hour))
        return false;
    struct date_parts p = { day.year,  day.month, day.day,       hour,
                            d->minute, d->second, DATE_NO_OFFSET };
    p.offset_s = find_offset(d, &p);
    return date_count(&p, utc_s);
}

bool date_parse_loose(struct str text, struct str lang, int64_t *utc_s)
{
    char folded[160];
    struct date_scan d;
    int n = text.n > 2 * sizeof folded ? -1 : date_fold(text, folded, sizeof folded);

    return n > 1 && date_scan(&d, (struct str){ folded, (size_t)n }) &&
           resolve(&d, lang, utc_s);
}
