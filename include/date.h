#ifndef DATE_H
#define DATE_H
/* Dates as feeds and HTTP headers write them.  Pure and independent of locale and time
 * zone. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "str.h"

/* Read a feed date: RFC 822/1123/850, asctime, RFC 3339, W3C-DTF, ISO 8601, and the wrong
 * ones that real feeds carry.  True and UTC seconds in *utc_s; false for nonsense, *utc_s
 * untouched. */
bool date_parse(struct str text, int64_t *utc_s);

/* The same when the language of the text is known (a BCP 47 tag, or empty): it decides
 * where the name of a month means different ones ("listopad": October in Croatian,
 * November in Polish). */
bool date_parse_in(struct str text, struct str lang, int64_t *utc_s);

/* Size of the longest text that date_rfc3339 writes, with its NUL. */
#define DATE_RFC3339_SIZE 32

/* Write `utc_ms` as "2026-11-24T03:43:13.000Z" (date_rfc3339) or without the milliseconds
 * (date_rfc3339_s takes seconds).  Years outside 0..9999 are clamped. */
void date_rfc3339(char out[DATE_RFC3339_SIZE], int64_t utc_ms);
void date_rfc3339_s(char out[DATE_RFC3339_SIZE], int64_t utc_s);
#endif
