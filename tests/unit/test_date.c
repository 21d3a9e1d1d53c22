/* date: what is read and what is refused, one row each; writing; counting days. */
#include "test.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "date.h"

#define N(table) (sizeof(table) / sizeof *(table))

struct row {
    const char *text, *wanted; /* wanted: as date_rfc3339_s writes it; NULL: refused */
};

static void check(const struct row *rows, size_t n)
{
    size_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        char got[DATE_RFC3339_SIZE] = "refused";
        int64_t t = 42;
        if (date_parse(str_of(rows[i].text), &t))
            date_rfc3339_s(got, t);
        else
            assert_int_equal(t, 42); /* untouched */
        if (strcmp(got, rows[i].wanted ? rows[i].wanted : "refused") == 0)
            continue;
        bad++;
        print_error("%s\n  gave:   %s\n  wanted: %s\n", rows[i].text, got,
                    rows[i].wanted);
    }
    assert_int_equal(bad, 0);
}

static void reads_the_usual_forms(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "2026-11-24T03:43:13Z", "2026-11-24T03:43:13Z" },
        { "2026-11-24T03:43:13.123Z", "2026-11-24T03:43:13Z" },
        { "2026-11-24T03:43:13+01:30", "2026-11-24T02:13:13Z" },
        { "Tue, 24 Nov 2026 03:43:13 GMT", "2026-11-24T03:43:13Z" },
        { "24 Nov 2026 03:43:13 GMT", "2026-11-24T03:43:13Z" },
        { " Tue, 24 Nov 2026 03:43:13 -0500\n", "2026-11-24T08:43:13Z" },
    };
    check(rows, N(rows));
}

static void reads_iso_8601(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "2026-11-24", "2026-11-24T00:00:00Z" },
        { "2026-11", "2026-11-01T00:00:00Z" },
        { "2026", "2026-01-01T00:00:00Z" },
        { "20261124", "2026-11-24T00:00:00Z" },
        { "20261124T034313Z", "2026-11-24T03:43:13Z" },
        { "20261124T0343+0100", "2026-11-24T02:43:00Z" },
        { "20261124T03", "2026-11-24T03:00:00Z" },
        { "20261124 034313", "2026-11-24T03:43:13Z" },
        { "20261124034313", "2026-11-24T03:43:13Z" },
        { "202611240343", "2026-11-24T03:43:00Z" },
        { "2026-328", "2026-11-24T00:00:00Z" },
        { "2026328", "2026-11-24T00:00:00Z" },
        { "2026-W48-2", "2026-11-24T00:00:00Z" },
        { "2026W482", "2026-11-24T00:00:00Z" },
        { "2026-W48", "2026-11-23T00:00:00Z" },
        { "2026-W48-2T03:43:13Z", "2026-11-24T03:43:13Z" },
        { "2020-W53-7", "2021-01-03T00:00:00Z" },
        { "2019-W01-1", "2018-12-31T00:00:00Z" },
        { "2024-366", "2024-12-31T00:00:00Z" },
        { "2026-11-24t03:43z", "2026-11-24T03:43:00Z" },
        { "2026-11-24T03:43:13,5+01", "2026-11-24T02:43:13Z" },
        { "2026-11-24T24:00:00Z", "2026-11-25T00:00:00Z" },
        { "2026-12-31T24:00", "2027-01-01T00:00:00Z" },
        { "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z" },
        { "2026-11-24T03:43:13\xE2\x88\x92"
          "05:00",
          "2026-11-24T08:43:13Z" },
        { "2026-11-24Z", "2026-11-24T00:00:00Z" },
        { "2026-11-24+09:00", "2026-11-23T15:00:00Z" },
        { "2026-1-2 3:04", "2026-01-02T03:04:00Z" },
        { "2026/11/24 03:43:13", "2026-11-24T03:43:13Z" },
        { "2026.11.24", "2026-11-24T00:00:00Z" },
        { "0002-01-01T00:00:00Z", "0002-01-01T00:00:00Z" },
        { "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z" },
    };
    check(rows, N(rows));
}

static void reads_mail_dates(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "Tuesday, 24-Nov-26 03:43:13 GMT", "2026-11-24T03:43:13Z" }, /* RFC 850 */
        { "Tue Nov 24 03:43:13 2026", "2026-11-24T03:43:13Z" },        /* asctime */
        { "Tue Nov  3 03:43:13 EST 2026", "2026-11-03T08:43:13Z" },    /* date(1) */
        { "24 Nov 26 03:43 EST", "2026-11-24T08:43:00Z" },             /* RFC 822 */
        { "24 Nov 99 03:43 UT", "1999-11-24T03:43:00Z" },
        { "24 Nov 104 03:43 UT", "2004-11-24T03:43:00Z" },
        { "Tue,24 Nov 2026 03:43:13 +0000", "2026-11-24T03:43:13Z" },
        { "tue, 24 nov 2026 03:43:13 gmt", "2026-11-24T03:43:13Z" },
        { "Tue, 24 November 2026 3:43 PM", "2026-11-24T15:43:00Z" },
        { "Tue, 24 Nov 2026 12:00 am", "2026-11-24T00:00:00Z" },
        { "Tue, 24 Nov 2026 12:00 p.m.", "2026-11-24T12:00:00Z" },
        { "Tue, 24 Nov 2026 12:00 p. m.", "2026-11-24T12:00:00Z" },
        { "November 24th, 2026 at 3pm", "2026-11-24T15:00:00Z" },
        { "Tue, 24 Nov 2026", "2026-11-24T00:00:00Z" },
        { "Tue, 24 Nov 2026 03:43:13 -0700 (MST)", "2026-11-24T10:43:13Z" },
        { "Tue, 24 Nov 2026 03:43:13 (PST)", "2026-11-24T11:43:13Z" },
        { "Tue, 24 Nov 2026 03:43:13 +0530 IST", "2026-11-23T22:13:13Z" },
        { "Tue, 24 Nov 2026 03:43:13 GMT+2", "2026-11-24T01:43:13Z" },
        { "Tue, 24 Nov 2026 03:43:13 UTC +02:00", "2026-11-24T01:43:13Z" },
        { "Tue, 24 Nov 2026 03:43:13 CEST", "2026-11-24T01:43:13Z" },
        { "Tue, 24 Nov 2026 03:43:13 XYZ", "2026-11-24T03:43:13Z" }, /* RFC 5322 4.3 */
        { "Wed, 24 Nov 2026 03:43:13 GMT", "2026-11-24T03:43:13Z" }, /* was a Tuesday */
        { "24.11.2026 15.54 Uhr", "2026-11-24T15:54:00Z" },
        { "24/11/2026 15h54", "2026-11-24T15:54:00Z" },
        { "03:43 24.11.2026", "2026-11-24T03:43:00Z" },
        { "24-11-2026", "2026-11-24T00:00:00Z" },
        { "11/24/2026", "2026-11-24T00:00:00Z" },
        { "Thu, 05/11/2026", "2026-11-05T00:00:00Z" },
        { "Mon, 05/11/2026", "2026-05-11T00:00:00Z" },
        { "05/11/2026", "2026-05-11T00:00:00Z" },
        { "05.11.2026", "2026-11-05T00:00:00Z" },
        { "11/2026", "2026-11-01T00:00:00Z" },
        { "1795492993", "2026-11-24T04:03:13Z" },
        { "1795492993123", "2026-11-24T04:03:13Z" },
    };
    check(rows, N(rows));
}

static void reads_places(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "24 Nov 2026 12:00 Europe/Berlin", "2026-11-24T11:00:00Z" },
        { "24 Jul 2026 12:00 Europe/Berlin", "2026-07-24T10:00:00Z" },
        { "24 Jul 2026 12:00 America/New_York", "2026-07-24T16:00:00Z" },
        { "24 Jul 2026 12:00 ET", "2026-07-24T16:00:00Z" },
        { "24 Jan 2026 12:00 ET", "2026-01-24T17:00:00Z" },
        { "24 Jan 2026 12:00 Australia/Sydney", "2026-01-24T01:00:00Z" },
        { "24 Jul 2026 12:00 Australia/Sydney", "2026-07-24T02:00:00Z" },
        { "24 Jul 2026 12:00 Asia/Kolkata", "2026-07-24T06:30:00Z" },
        { "24 Jul 2026 12:00 America/Argentina/Buenos_Aires", "2026-07-24T15:00:00Z" },
        { "24 Jul 2026 12:00 Etc/GMT+5", "2026-07-24T17:00:00Z" },
        { "29 Mar 2026 01:59 Europe/Berlin", "2026-03-29T00:59:00Z" },
        { "29 Mar 2026 03:00 Europe/Berlin", "2026-03-29T01:00:00Z" },
        { "25 Oct 2026 03:00 Europe/Berlin", "2026-10-25T02:00:00Z" },
        { "24 Jan 2026 12:00 Europe/Dublin", "2026-01-24T12:00:00Z" },
        { "24 Jul 2026 12:00 Europe/Dublin", "2026-07-24T11:00:00Z" },
        { "24 Jul 2026 12:00 Europe/Atlantis", NULL },
    };
    check(rows, N(rows));
}

static void reads_many_languages(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "Di, 24. November 2026 03:43 Uhr", "2026-11-24T03:43:00Z" },
        { "Dienstag, 3. März 2026, 15:54 MEZ", "2026-03-03T14:54:00Z" },
        { "am 3. Jänner 2026 um 15:54 Uhr", "2026-01-03T15:54:00Z" },
        { "mar., 24 nov. 2026 03:43:13 +0100", "2026-11-24T02:43:13Z" },
        { "mar, 03 mar 2026 00:00:00 GMT", "2026-03-03T00:00:00Z" },
        { "1er août 2026 à 15h54", "2026-08-01T15:54:00Z" },
        { "martes, 24 de noviembre de 2026, 3:43 p. m.", "2026-11-24T15:43:00Z" },
        { "Seg, 24 Set 2018 10:00:00 -0300", "2018-09-24T13:00:00Z" },
        { "terça-feira, 24 de novembro de 2026", "2026-11-24T00:00:00Z" },
        { "mar, 24 novembre 2026 alle ore 10:00", "2026-11-24T10:00:00Z" },
        { "dinsdag 24 november 2026 om 10:00", "2026-11-24T10:00:00Z" },
        { "Вт, 24 ноя 2026 10:00:00 +0300", "2026-11-24T07:00:00Z" },
        { "24 ноября 2026 г., 10:00 MSK", "2026-11-24T07:00:00Z" },
        { "24 листопада 2026 року, 10:00", "2026-11-24T10:00:00Z" },
        { "wtorek, 24 listopada 2026 10:00", "2026-11-24T10:00:00Z" },
        { "pt, 24 paź 2025 10:00 CEST", "2025-10-24T08:00:00Z" },
        { "út 24. listopadu 2026 10:00", "2026-11-24T10:00:00Z" },
        { "Τρί, 24 Νοέ 2026 10:00:00 +0200", "2026-11-24T08:00:00Z" },
        { "Κυρ, 1 ΜΑΪ 2026", "2026-05-01T00:00:00Z" },
        { "2026. november 24. 10:00", "2026-11-24T10:00:00Z" },
        { "24 Kasım 2026 Salı 10:00", "2026-11-24T10:00:00Z" },
        { "24 Ağustos 2026 10:00 +0300", "2026-08-24T07:00:00Z" },
        { "tis, 24 nov 2026 10:00:00 +0100", "2026-11-24T09:00:00Z" },
        { "24. marraskuuta 2026 klo 10:00", "2026-11-24T10:00:00Z" },
        { "24 نوفمبر 2026 10:00", "2026-11-24T10:00:00Z" },
        { "٢٤ نوفمبر ٢٠٢٦ 10:00", "2026-11-24T10:00:00Z" },
        { "2026年11月24日 10:00:00", "2026-11-24T10:00:00Z" },
        { "2026年11月24日 星期二 下午3:04", "2026-11-24T07:04:00Z" },
        { "2026年11月24日(火) 午後3時4分", "2026-11-24T06:04:00Z" },
        { "２０２６年１１月２４日　１０：００", "2026-11-24T10:00:00Z" },
        { "2026년 11월 24일 오전 10:00", "2026-11-24T01:00:00Z" },
        { "2026-11-24 PM 3:04:05", "2026-11-24T15:04:05Z" },
        { "24\xC2\xA0"
          "nov.\xE2\x80\xAF"
          "2026",
          "2026-11-24T00:00:00Z" },
        { "24 de\xCC\x81"
          "cembre 2026",
          "2026-12-24T00:00:00Z" },
    };
    check(rows, N(rows));
}

/* lipanj, srpanj, listopad are Croatian for June, July, October; lipiec, srpen, listopad
 * are Polish and Czech for July, August, November. */
static void tells_slavic_months_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *lang, *wanted;
    } rows[] = {
        /* the weekday decides */
        { "sub, 24 lis 2026 10:00", "", "2026-10-24T10:00:00Z" },
        { "wt, 24 lis 2026 10:00", "", "2026-11-24T10:00:00Z" },
        { "subota, 24. listopada 2026.", "", "2026-10-24T00:00:00Z" },
        { "sri, 24 lip 2026", "", "2026-06-24T00:00:00Z" },
        { "pt, 24 lip 2026", "", "2026-07-24T00:00:00Z" },
        { "pet, 24 srp 2026", "", "2026-07-24T00:00:00Z" },
        { "po 24 srp 2026", "", "2026-08-24T00:00:00Z" },
        /* the language decides */
        { "24 lis 2026", "hr", "2026-10-24T00:00:00Z" },
        { "24 lis 2026", "pl-PL", "2026-11-24T00:00:00Z" },
        { "24. listopad 2026", "cs", "2026-11-24T00:00:00Z" },
        { "24 lip 2026", "hr_HR", "2026-06-24T00:00:00Z" },
        { "24 srp 2026", "CS", "2026-08-24T00:00:00Z" },
        /* the length of the month does */
        { "31 lip 2026", "", "2026-07-31T00:00:00Z" },
        { "31 listopada 2026", "", "2026-10-31T00:00:00Z" },
        /* nothing does, or two things differ */
        { "24 lis 2026 10:00", "", NULL },
        { "24 listopada 2026", "sl", NULL },
        { "24 lip 2026", "en", NULL },
        { "24 srp 2026", "hrx", NULL },
        { "wt, 24 lis 2026", "hr", NULL },
        { "31 lip 2026", "hr", NULL },
        { "Thu, 24 lis 2026", "", NULL },
        { "24 lis 2026 lip", "", NULL },
        { "24 Nov lis 2026", "", NULL },
        { "lis 2026", "", NULL },
        { "lis 2026", "pl", "2026-11-01T00:00:00Z" },
        /* a short weekday that is another day in another language is no evidence */
        { "so, 05/09/2026", "", "2026-05-09T00:00:00Z" },
        { "pn, 24 srp 2026", "", NULL },
    };

    for (size_t i = 0; i < N(rows); i++) {
        char got[DATE_RFC3339_SIZE] = "refused";
        int64_t t;
        if (date_parse_in(str_of(rows[i].text), str_of(rows[i].lang), &t))
            date_rfc3339_s(got, t);
        if (strcmp(got, rows[i].wanted ? rows[i].wanted : "refused") != 0)
            fail_msg("%s (%s): %s", rows[i].text, rows[i].lang, got);
    }
}

static void refuses_nonsense(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "-",
        "0",
        "-1",
        "yesterday",
        "now",
        "today 10:00",
        "Nov",
        "10:00",
        "Tuesday",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-02-28T25:00:00Z",
        "2026-02-28T23:60:00Z",
        "2026-02-28T23:00:61Z",
        "2026-02-28T24:00:01Z",
        "2026-00-10",
        "2026-01-00",
        "0000-00-00 00:00:00",
        "0000-00-00T00:00:00Z",
        "30 Feb 2026",
        "29 Feb 2026",
        "31 Apr 2026 10:00 GMT",
        "32 Jan 2026",
        "0 Jan 2026",
        "24 Nov",
        "24 Nov 10:00",
        "24 Nov Dec 2026",
        "24 25 Nov 2026",
        "24 Nov 20266",
        "24 Nov 99999 10:00",
        "2026-366",
        "2025-W53-1",
        "2026-W54",
        "2026-W48-8",
        "24 Nov 2026 10:00 +2500",
        "24 Nov 2026 10:00 +0060",
        "24 Nov 2026 10:00 +",
        "24 Nov 2026 10:00 11:00",
        "24 Nov 2026 10:00:00:00",
        "24 Nov 2026 10:",
        "24 Nov 2026 13:00 AM",
        "Sun, 16 Dec 2012 11:47:32 +0zz",
        "13/13/2026",
        "2026-11-24T03:43:13Z and more",
        "x2026-11-24",
        "<2026-11-24>",
        "24 Nov 2026 10:00 %n",
        "123",
        "12345678901",
        "123456789012345678901234567890",
        "99999-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z", /* the zero time of Go */
        "Mon, 01 Jan 0001 00:00:00 +0000",
        "1.2.3.4.5",
        "2026-11-24T03:43:13Z 2026-11-24T03:43:13Z",
        "24 Nov 2026 10:00 +0100 +0200",
        "\xff\xfe",
        "2026年13月1日",
        "2026年",
        "Nov 2026 10:00",
        "2026 10:00",
        "24 Sept 2026 pm",
    };

    for (size_t i = 0; i < N(rows); i++) {
        struct row row = { rows[i], NULL };
        check(&row, 1);
    }
}

static void bears_any_length(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "1", "Nov ", "(", "é", "24 Nov 2026 ", "-", "年"
    };
    char *text = malloc(100001);
    int64_t t = 42;

    assert_non_null(text);
    for (size_t i = 0; i < N(pieces); i++) {
        size_t n = 0, len = strlen(pieces[i]);
        for (; n + len <= 100000; n += len)
            memcpy(text + n, pieces[i], len);
        for (size_t cut = 0; cut < 400; cut++)
            (void)date_parse((struct str){ text, cut }, &t);
        assert_false(date_parse((struct str){ text, n }, &t));
    }
    free(text);
}

static void writes_rfc3339(void **state)
{
    (void)state;
    char out[DATE_RFC3339_SIZE];

    date_rfc3339(out, INT64_C(1795492993123));
    assert_string_equal(out, "2026-11-24T04:03:13.123Z");
    date_rfc3339(out, -1);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
    date_rfc3339(out, INT64_MAX);
    assert_string_equal(out, "9999-12-31T23:59:59.999Z");
    date_rfc3339(out, INT64_MIN);
    assert_string_equal(out, "0000-01-01T00:00:00.000Z");
    date_rfc3339_s(out, 951782400);
    assert_string_equal(out, "2000-02-29T00:00:00Z");
}

/* Every day of 0002..9999 once: written and read back, each one day after the last. */
static void counts_every_day(void **state)
{
    (void)state;
    char out[DATE_RFC3339_SIZE];
    int64_t first = INT64_C(-62104060800), last = INT64_C(253402214400), back;

    for (int64_t t = first; t <= last; t += 86400) {
        date_rfc3339_s(out, t);
        if (!date_parse(str_of(out), &back) || back != t)
            fail_msg("%s: %" PRId64 " came back as %" PRId64, out, t, back);
    }
    assert_string_equal(out, "9999-12-31T00:00:00Z");
}

/* The shared collection of dates: source, format, expected, string.  Expected is a time;
 * "null" for nonsense; "*" for any time; "invalid-per-spec" when both reading and
 * refusing are right. */

struct shared_row {
    char *expected, *text;
};

static bool split_row(char *line, struct shared_row *row)
{
    line[strcspn(line, "\n")] = '\0';
    (void)strsep(&line, "\t");
    (void)strsep(&line, "\t");
    row->expected = strsep(&line, "\t");
    row->text = line;
    char *escape = line ? strstr(line, "\\n") : NULL;
    if (escape)
        escape[0] = escape[1] = '\n';
    return line != NULL;
}

/* Is the text in tests/data/dates-disputed.tsv (text, reason)? */
static bool is_disputed(const char *text)
{
    FILE *f = fopen("tests/data/dates-disputed.tsv", "re");
    char line[500];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\t\n")] = '\0';
        found = strcmp(line, text) == 0;
    }
    if (f)
        (void)fclose(f);
    return found;
}

static bool meets(const struct shared_row *row)
{
    char got[DATE_RFC3339_SIZE] = "null";
    int64_t t;
    bool read = date_parse(str_of(row->text), &t);

    if (read)
        date_rfc3339_s(got, t);
    if (getenv("DATES_SHOW"))
        print_message("%s\t%s\t%s\n", row->expected, got, row->text);
    if (strcmp(row->expected, "invalid-per-spec") == 0)
        return true;
    return strcmp(row->expected, "*") == 0 ? read : strcmp(row->expected, got) == 0;
}

static void reads_the_shared_collection(void **state)
{
    (void)state;
    const char *shared = getenv("FEEDWATCH_SHARED");
    char path[4096], line[500];
    struct shared_row row;
    int met = 0, disputed = 0, all = 0;

    (void)snprintf(path, sizeof path, "%s/data/dates.tsv", shared ? shared : "../shared");
    FILE *f = fopen(path, "re");
    if (!f) {
        print_message("NOT RUN: no %s (set FEEDWATCH_SHARED)\n", path);
        skip();
    }
    assert_non_null(fgets(line, sizeof line, f)); /* the heading */
    while (fgets(line, sizeof line, f)) {
        if (!split_row(line, &row))
            continue;
        all++;
        if (meets(&row))
            met++;
        else if (is_disputed(row.text))
            disputed++;
        else
            print_message("wanted %s: %s\n", row.expected, row.text);
    }
    (void)fclose(f);
    print_message("dates.tsv: %d of %d as expected, %d disputed\n", met, all, disputed);
    assert_int_equal(met + disputed, all);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(reads_the_usual_forms),
    cmocka_unit_test(reads_iso_8601),
    cmocka_unit_test(reads_mail_dates),
    cmocka_unit_test(reads_places),
    cmocka_unit_test(reads_many_languages),
    cmocka_unit_test(tells_slavic_months_apart),
    cmocka_unit_test(refuses_nonsense),
    cmocka_unit_test(bears_any_length),
    cmocka_unit_test(writes_rfc3339),
    cmocka_unit_test(counts_every_day),
    cmocka_unit_test(reads_the_shared_collection),
};
TEST_MAIN(tests)
