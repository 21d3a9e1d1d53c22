#ifndef DATE_PARTS_H
#define DATE_PARTS_H
/* Between the files of date: a date in pieces, the words of dates, places. */
#include <stdbool.h>
#include <stdint.h>
#include "date.h"

#define DATE_NO_OFFSET INT32_MIN

struct date_parts {
    int32_t year, month, day; /* 1..12, 1..31 */
    int32_t hour, minute, second;
    int32_t offset_s; /* east of Greenwich, or DATE_NO_OFFSET */
};

/* date.c */

/* Days from 1970-01-01 to that day of the proleptic Gregorian calendar. */
int64_t date_days(int64_t year, int64_t month, int64_t day);

/* Year, month and day of that day: the inverse. */
struct date_parts date_civil(int64_t days);

/* Is there such a day? */
bool date_day_exists(int64_t year, int64_t month, int64_t day);

/* 0 Sunday .. 6 Saturday. */
int32_t date_weekday(int64_t days);

/* Check every piece and count seconds.  24:00:00 is the next day's start, :60 the next
 * minute's; no offset is UTC.  False and *utc_s untouched when a piece is out of range.
 */
bool date_count(const struct date_parts *p, int64_t *utc_s);

/* date_words.c */

enum date_word_kind {
    DATE_NONE,
    DATE_MONTH,   /* value: 1..12 */
    DATE_WEEKDAY, /* value: bit 0 Sunday .. bit 6 Saturday; several: not known which */
    DATE_SLAVIC,  /* value: 1..12 in Croatian, the month behind it in Polish or Czech */
    DATE_AM,
    DATE_PM,
    DATE_YEAR, /* these six mark the number before them */
    DATE_MONTHMARK,
    DATE_DAY,
    DATE_HOUR,
    DATE_MINUTE,
    DATE_SECOND,
    DATE_ZONE,  /* value: minutes east of Greenwich */
    DATE_PLACE, /* value: a rule, for date_place_offset */
    DATE_NOISE, /* says nothing */
};

struct date_word {
    uint16_t at; /* in the table of names */
    uint8_t n;
    uint8_t kind[2]; /* enum date_word_kind; the second is often DATE_NONE */
    int16_t value[2];
    int16_t implies; /* minutes east of Greenwich when no zone is given; 0: nothing */
};

/* Lower case, marks off, all blanks and dashes alike, foreign digits to ASCII.  Bytes
 * written to `out`, or -1 when they are more than `size`. */
int date_fold(struct str text, char *out, size_t size);

/* The meaning of a folded word, or NULL. */
const struct date_word *date_word_find(struct str word);

/* The longest word that `s` starts with (for scripts without spaces), or NULL. */
const struct date_word *date_word_prefix(struct str s);

/* The rule of a folded place name ("america/new_york"), or -1. */
int date_place_find(struct str name);

/* Seconds east of Greenwich at that local time under that rule. */
int32_t date_place_offset(int rule, const struct date_parts *local);

/* date_scan.c: the words and numbers of a date, before it is decided what they mean. */

#define DATE_NUMBERS_MAX 5 /* day, month, year, and hour and minute with a dot */

struct date_number {
    int64_t value;
    int digits;
    char before; /* what stands before it: one of " -/.", 0 for nothing */
};

struct date_scan {
    const char *s; /* folded text */
    size_t n, i;
    char sep; /* since the last number or word */
    struct date_number num[DATE_NUMBERS_MAX];
    int nums;
    bool after_number;                   /* the token before this one was a number */
    bool after_t;                        /* ... was the T of ISO 8601 */
    bool after_gmt;                      /* ... was a zone's name */
    bool after_offset;                   /* ... was a numeric offset */
    bool lead_dash;                      /* ISO 8601:1988: the century left out */
    int month;                           /* from a word */
    int slavic;                          /* from a word that means it or the next one */
    int soft_month, soft_weekday;        /* from a word that may be either */
    int weekday;                         /* bits; 0: none */
    int year_mark, month_mark, day_mark; /* numbers with a marker; -1: none */
    int day_of_year;                     /* 0: none */
    int week, week_day;                  /* ISO 8601 week; 0: none */
    bool has_time;
    enum date_word_kind half; /* DATE_AM, DATE_PM or DATE_NONE */
    int hour, minute, second;
    bool has_offset; /* a numeric one: the last word */
    int32_t offset_s;
    int place;   /* rule of a place, or -1 */
    int implied; /* minutes, from the language */
};

/* Scan folded text; false when something in it belongs to no date. */
bool date_scan(struct date_scan *d, struct str folded);

/* date_loose.c: everything but the two common forms, which date_parse reads itself. */
bool date_parse_loose(struct str text, struct str lang, int64_t *utc_s);
#endif
