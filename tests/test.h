#ifndef TEST_H
#define TEST_H
/* cmocka with its four required headers, and a main that takes a test's name:
 *     build/tests/test_date            all tests of the module
 *     build/tests/test_date rfc822     those whose name matches the pattern (* and ?) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define TEST_MAIN(tests)                                                                 \
    int main(int argc, char **argv)                                                      \
    {                                                                                    \
        if (argc > 1)                                                                    \
            cmocka_set_test_filter(argv[1]);                                             \
        return cmocka_run_group_tests(tests, NULL, NULL);                                \
    }
#endif
