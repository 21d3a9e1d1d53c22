/* zone: offsets against what the C library says, and local times at the changes of the
 * clock. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "zone.h"

/* The C library's answer; tests have one thread. */
static long libc_offset(const char *name, int64_t utc_s)
{
    time_t t = (time_t)utc_s;
    struct tm tm;

    setenv("TZ", name, 1);
    tzset();
    localtime_r(&t, &tm);
    unsetenv("TZ");
    return tm.tm_gmtoff;
}

static void agrees_with_the_c_library(void **state)
{
    (void)state;
    static const char *const names[] = { "Europe/Berlin",       "America/New_York",
                                         "Australia/Lord_Howe", "Asia/Kolkata",
                                         "America/Sao_Paulo",   "Africa/Casablanca",
                                         "Pacific/Apia",        "Europe/Dublin",
                                         "America/St_Johns",    "Asia/Gaza",
                                         "Etc/GMT+5",           "Pacific/Auckland" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct zone *z = NULL;

        assert_int_equal(zone_load(&z, str_of(names[i])), 0);
        for (int64_t t = 0; t < 4102444800; t += 86400 * 5 + 4321) /* to the year 2100 */
            assert_int_equal(zone_offset_s(z, t), libc_offset(names[i], t));
        zone_free(z);
    }
}

static void clocks_go_forward_and_back(void **state)
{
    (void)state;
    struct zone *z = NULL;

    assert_int_equal(zone_load(&z, STR("Europe/Berlin")), 0);
    /* 2027-03-28 01:00 UTC: 02:00 becomes 03:00; 2027-10-31 01:00 UTC: 03:00 is 02:00 */
    assert_int_equal(zone_minute(z, 1806195600 - 1), 1 * 60 + 59);
    assert_int_equal(zone_minute(z, 1806195600), 3 * 60);
    assert_int_equal(zone_minute(z, 1824944400 - 1), 2 * 60 + 59);
    assert_int_equal(zone_minute(z, 1824944400), 2 * 60);
    int64_t local = 1806195600 + 3600; /* 02:00, which there is not */
    assert_int_equal(zone_utc_s(z, local), 1806195600);
    local = 1824944400 + 3600 + 1800; /* 02:30, twice */
    assert_int_equal(zone_utc_s(z, local), 1824944400 - 1800);
    assert_int_equal(zone_utc_s(z, 1800000000), 1800000000 - 3600);
    zone_free(z);
}

static void knows_utc_and_this_machine(void **state)
{
    (void)state;
    struct zone *z = NULL;

    assert_int_equal(zone_load(&z, STR("utc")), 0);
    assert_int_equal(zone_offset_s(z, 1800000000), 0);
    zone_free(z);
    setenv("TZ", "XYZ-5:30", 1);
    assert_int_equal(zone_load(&z, STR("")), 0);
    assert_int_equal(zone_offset_s(z, 1800000000), 19800);
    zone_free(z);
    setenv("TZ", "AAA3BBB,J300/0,J60/25", 1); /* southern: summer over the new year */
    assert_int_equal(zone_load(&z, STR("")), 0);
    assert_int_equal(zone_offset_s(z, 1800000000), -7200);
    zone_free(z);
    setenv("TZ", "No/Such", 1);
    assert_int_equal(zone_load(&z, STR("")), 0);
    assert_int_equal(zone_offset_s(z, 1800000000), 0);
    zone_free(z);
    unsetenv("TZ");
    assert_int_equal(zone_load(&z, STR("")), 0);
    zone_free(z);
}

static void refuses_what_is_no_zone(void **state)
{
    (void)state;
    static const char *const bad[] = { "Europe/Nowhere", "../../etc/passwd",
                                       "/etc/passwd",    "Europe",
                                       "tzdata.zi",      "a b" };
    struct zone *z = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true(zone_load(&z, str_of(bad[i])) < 0);
    assert_null(z);
}

static void survives_a_damaged_file(void **state)
{
    (void)state;
    unsigned char bytes[65536], copy[65536];
    FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
    struct zone *z = NULL;
    uint32_t random = 1;

    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t k = 0; k < n; k++)
        if (zone_parse(&z, bytes, k) == 0)
            zone_free(z);
    for (int i = 0; i < 20000; i++) {
        memcpy(copy, bytes, n);
        for (int k = 0; k < 4; k++) {
            random = random * 1664525 + 1013904223;
            copy[random % n] = (unsigned char)(random >> 24);
        }
        if (zone_parse(&z, copy, n) == 0) {
            (void)zone_offset_s(z, INT32_MAX);
            (void)zone_minute(z, -1);
            zone_free(z);
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(agrees_with_the_c_library),
    cmocka_unit_test(clocks_go_forward_and_back),
    cmocka_unit_test(knows_utc_and_this_machine),
    cmocka_unit_test(refuses_what_is_no_zone),
    cmocka_unit_test(survives_a_damaged_file),
};
TEST_MAIN(tests)
