#ifndef DATE_PARTS_H
#define DATE_PARTS_H
/* Between the files of date: a date in pieces, checked and counted. */
#include <stdbool.h>
#include <stdint.h>
#include "date.h"

#define DATE_NO_OFFSET INT32_MIN

struct date_parts {
    int32_t year, month, day; /* 1..12, 1..31 */
    int32_t hour, minute, second;
    int32_t offset_s; /* east of Greenwich, or DATE_NO_OFFSET */
};

/* Days from 1970-01-01 to that day of the proleptic Gregorian calendar. */
int64_t date_days(int64_t year, int64_t month, int64_t day);

/* Days of that month. */
int32_t date_month_days(int32_t year, int32_t month);

/* 0 Sunday .. 6 Saturday. */
int32_t date_weekday(int64_t days);

/* Check every piece and count seconds.  24:00:00 is the next day's start, :60 the next
 * minute's; no offset is UTC.  False and *utc_s untouched when a piece is out of range.
 */
bool date_count(const struct date_parts *p, int64_t *utc_s);

/* Everything but the two common forms, which date_parse reads itself. */
bool date_parse_loose(struct str text, int64_t *utc_s);
#endif
