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
    for (size_t i = 0; i < n; i++) {
        char got[DATE_RFC3339_SIZE] = "refused";
        int64_t t = 42;
        if (date_parse(str_of(rows[i].text), &t))
            date_rfc3339_s(got, t);
        else
            assert_int_equal(t, 42); /* untouched */
        if (strcmp(got, rows[i].wanted ? rows[i].wanted : "refused") != 0)
            fail_msg("%s\n  gave:   %s\n  wanted: %s", rows[i].text, got, rows[i].wanted);
    }
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

static void refuses_nonsense(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "", NULL },
        { "yesterday", NULL },
        { "2026-13-01T00:00:00Z", NULL },
        { "2026-02-30T00:00:00Z", NULL },
        { "2026-02-28T25:00:00Z", NULL },
        { "2026-02-28T23:60:00Z", NULL },
        { "2026-02-28T23:00:61Z", NULL },
        { "0000-00-00T00:00:00Z", NULL },
    };
    check(rows, N(rows));
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

/* Every day of 0001..9999 once: written and read back, each one day after the last. */
static void counts_every_day(void **state)
{
    (void)state;
    char out[DATE_RFC3339_SIZE];
    int64_t first = INT64_C(-62135596800), last = INT64_C(253402214400), back;

    for (int64_t t = first; t <= last; t += 86400) {
        date_rfc3339_s(out, t);
        if (!date_parse(str_of(out), &back) || back != t)
            fail_msg("%s: %" PRId64 " came back as %" PRId64, out, t, back);
    }
    assert_string_equal(out, "9999-12-31T00:00:00Z");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(reads_the_usual_forms),
    cmocka_unit_test(refuses_nonsense),
    cmocka_unit_test(writes_rfc3339),
    cmocka_unit_test(counts_every_day),
};
TEST_MAIN(tests)
