/* feedwatch check: the test_yes and test_no lines of a watch, each as the title of an
 * item. */
#include "cmd_check.h"

#include <errno.h>
#include <stdio.h>
#include "match.h"

static int on_hit(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    (void)id;
    (void)spans;
    (void)n;
    *(bool *)ctx = true;
    return 0;
}

struct bench {
    struct match_set *set;
    struct match_scratch *scratch;
};

static int run_lines(const struct bench *b, const char *const *lines, bool want,
                     check_line_fn *on_line, void *ctx)
{
    int r = 0;

    for (size_t i = 0; lines && lines[i] && r == 0; i++) {
        struct match_input in = { .title = str_of(lines[i]) };
        struct check_line line = { .text = lines[i], .want = want };
        r = match_item(b->set, b->scratch, &in, on_hit, &line.hit);
        if (r == 0)
            r = on_line(ctx, &line);
    }
    return r;
}

int check_run_tests(const struct config_watch *w, check_line_fn *on_line, void *ctx)
{
    struct match_rule rule = { .root = w->rule->root };
    struct bench b = { 0 };
    struct buf why;
    size_t bad = 0;

    if (!w->test_yes && !w->test_no)
        return 0;
    buf_init(&why, 1024);
    int r = match_set_new(&b.set, &rule, 1, &why, &bad);
    if (r == -EINVAL)
        fprintf(stderr, "%s:%d: watch '%s': %s\n", w->place.file, w->place.line, w->name,
                why.s ? why.s : "the rule cannot be compiled");
    if (r == 0)
        r = match_scratch_new(&b.scratch);
    if (r == 0)
        r = run_lines(&b, w->test_yes, true, on_line, ctx);
    if (r == 0)
        r = run_lines(&b, w->test_no, false, on_line, ctx);
    match_scratch_free(b.scratch);
    match_set_free(b.set);
    buf_free(&why);
    return r;
}
