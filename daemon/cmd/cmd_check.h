#ifndef CMD_CHECK_H
#define CMD_CHECK_H
/* The test_yes and test_no lines of watches. */
#include <stdbool.h>
#include "config.h"

struct check_tests {
    size_t run, failed;
};

/* Run the lines of one watch and print a line for each (quiet: for each that failed).
 * 0 or -errno. */
int check_run_tests(struct check_tests *t, const struct config_watch *w, bool quiet);
#endif
