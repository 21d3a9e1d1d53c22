/* Dates: counting days, writing RFC 3339, and the two forms that nearly all feeds use. */
#include "date_parts.h"

#include <stdio.h>
#include <string.h>

#define DAY_S 86400
#define OFFSET_MAX_S (24 * 3600)
/* 0001-01-01 is what Go and .NET write for "no date". */
#define YEAR_FIRST 2

/* Counted in eras of 400 years that start in March, so that the leap day comes last. */
int64_t date_days(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

bool date_day_exists(int64_t year, int64_t month, int64_t day)
{
    static const int8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap);
}

int32_t date_weekday(int64_t days)
{
    return (int32_t)((days % 7 + 11) % 7); /* 1970-01-01 was a Thursday */
}

bool date_count(const struct date_parts *p, int64_t *utc_s)
{
    bool midnight = p->hour == 24 && p->minute == 0 && p->second == 0;

    if (p->year < YEAR_FIRST || !date_day_exists(p->year, p->month, p->day))
        return false;
    if (p->hour < 0 || (p->hour > 23 && !midnight) || p->minute < 0 || p->minute > 59 ||
        p->second < 0 || p->second > 60)
        return false;
    int32_t offset = p->offset_s == DATE_NO_OFFSET ? 0 : p->offset_s;
    if (offset <= -OFFSET_MAX_S || offset >= OFFSET_MAX_S)
        return false;
    *utc_s = date_days(p->year, p->month, p->day) * DAY_S + p->hour * 3600 +
             p->minute * 60 + p->second - offset;
    return true;
}

/* Two digits at `s`, or -1. */
static int32_t two(const char *s)
{
    unsigned tens = (unsigned char)s[0] - '0', ones = (unsigned char)s[1] - '0';

    return tens < 10 && ones < 10 ? (int32_t)(tens * 10 + ones) : -1;
}

static int32_t four(const char *s)
{
    int32_t high = two(s), low = two(s + 2);

    return high < 0 || low < 0 ? -1 : high * 100 + low;
}

/* "+hh:mm" or "+hhmm"; false: neither. */
static bool numeric_offset(struct str s, int32_t *offset_s)
{
    size_t colon = s.n == 6 && s.s[3] == ':';

    if (s.n != 5 + colon || (s.s[0] != '+' && s.s[0] != '-'))
        return false;
    int32_t hours = two(s.s + 1), minutes = two(s.s + 3 + colon);
    if (hours < 0 || minutes < 0 || minutes > 59)
        return false;
    *offset_s = (s.s[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* RFC 3339: 2026-11-24T03:43:13.123Z, also with +hh:mm. */
static bool parse_rfc3339(struct str t, int64_t *utc_s)
{
    struct date_parts p;
    size_t i = 19;

    if (t.n < 20 || t.s[4] != '-' || t.s[7] != '-' || t.s[10] != 'T' || t.s[13] != ':' ||
        t.s[16] != ':')
        return false;
    p.year = four(t.s);
    p.month = two(t.s + 5);
    p.day = two(t.s + 8);
    p.hour = two(t.s + 11);
    p.minute = two(t.s + 14);
    p.second = two(t.s + 17);
    if (t.s[i] == '.') {
        for (i++; i < t.n && t.s[i] >= '0' && t.s[i] <= '9';)
            i++;
    }
    struct str zone = { t.s + i, t.n - i };
    if (zone.n == 1 && zone.s[0] == 'Z')
        p.offset_s = 0;
    else if (!numeric_offset(zone, &p.offset_s))
        return false;
    return date_count(&p, utc_s);
}

static int32_t month_of(const char *s)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int32_t i = 0; i < 12; i++) {
        if (memcmp(names + 3 * i, s, 3) == 0)
            return i + 1;
    }
    return -1;
}

/* RFC 1123 as nearly every feed writes it: "Tue, 24 Nov 2026 03:43:13 +0100" or "GMT". */
static bool parse_rfc1123(struct str t, int64_t *utc_s)
{
    struct date_parts p;

    if (t.n > 5 && t.s[3] == ',' && t.s[4] == ' ')
        t = (struct str){ t.s + 5, t.n - 5 };
    if (t.n < 24 || t.s[2] != ' ' || t.s[6] != ' ' || t.s[11] != ' ' || t.s[14] != ':' ||
        t.s[17] != ':' || t.s[20] != ' ')
        return false;
    p.day = two(t.s);
    p.month = month_of(t.s + 3);
    p.year = four(t.s + 7);
    p.hour = two(t.s + 12);
    p.minute = two(t.s + 15);
    p.second = two(t.s + 18);
    struct str zone = { t.s + 21, t.n - 21 };
    if (str_eq(zone, STR("GMT")))
        p.offset_s = 0;
    else if (!numeric_offset(zone, &p.offset_s))
        return false;
    return date_count(&p, utc_s);
}

bool date_parse_in(struct str text, struct str lang, int64_t *utc_s)
{
    text = str_trim(text);
    return parse_rfc3339(text, utc_s) || parse_rfc1123(text, utc_s) ||
           date_parse_loose(text, lang, utc_s);
}

bool date_parse(struct str text, int64_t *utc_s)
{
    return date_parse_in(text, (struct str){ 0 }, utc_s);
}

struct date_parts date_civil(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153; /* months since March */
    int64_t month = shifted + (shifted < 10 ? 3 : -9);

    return (
        struct date_parts){ .year = (int32_t)(year_of_era + era * 400 + (month <= 2)),
                            .month = (int32_t)month,
                            .day = (int32_t)(day_of_year - (153 * shifted + 2) / 5 + 1) };
}

#define YEAR_0_S INT64_C(-62167219200)
#define YEAR_9999_S INT64_C(253402300799)

static void put_digits(char *to, size_t n, int64_t v)
{
    while (n--) {
        to[n] = (char)('0' + v % 10);
        v /= 10;
    }
}

void date_rfc3339_s(char out[DATE_RFC3339_SIZE], int64_t utc_s)
{
    utc_s = utc_s < YEAR_0_S ? YEAR_0_S : utc_s > YEAR_9999_S ? YEAR_9999_S : utc_s;
    int64_t second = (utc_s % DAY_S + DAY_S) % DAY_S;
    struct date_parts p = date_civil((utc_s - second) / DAY_S);

    memcpy(out, "0000-00-00T00:00:00Z", 21);
    put_digits(out, 4, p.year);
    put_digits(out + 5, 2, p.month);
    put_digits(out + 8, 2, p.day);
    put_digits(out + 11, 2, second / 3600);
    put_digits(out + 14, 2, second / 60 % 60);
    put_digits(out + 17, 2, second % 60);
}

void date_rfc3339(char out[DATE_RFC3339_SIZE], int64_t utc_ms)
{
    int64_t ms = (utc_ms % 1000 + 1000) % 1000,
            utc_s = utc_ms / 1000 - (utc_ms % 1000 < 0);

    if (utc_s < YEAR_0_S)
        ms = 0;
    if (utc_s > YEAR_9999_S)
        ms = 999;
    date_rfc3339_s(out, utc_s);
    memcpy(out + 19, ".000Z", 6);
    put_digits(out + 20, 3, ms);
}
