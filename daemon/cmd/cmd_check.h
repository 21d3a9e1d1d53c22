#ifndef CMD_CHECK_H
#define CMD_CHECK_H
/* The test_yes and test_no lines of watches. */
#include <stdbool.h>
#include "config.h"

struct check_line {
    const char *text;
    bool want, hit;
};

/* What came of one line.  Non-zero stops. */
typedef int check_line_fn(void *ctx, const struct check_line *line);

/* Match each test line of `w` as the title of an item.  0, -errno, or what on_line
 * returned. */
int check_run_tests(const struct config_watch *w, check_line_fn *on_line, void *ctx);
#endif
