#ifndef CMD_CHECK_H
#define CMD_CHECK_H
/* What check finds out about watches by matching: do the test_yes and test_no lines
 * hold, what does a rule cost? */
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

/* What it costs to judge one item of about 150 words that has the words of the rule, the
 * reading of the item itself aside: nanoseconds of processor time, or -errno. */
int64_t check_cost(const struct rule *r);
#endif
