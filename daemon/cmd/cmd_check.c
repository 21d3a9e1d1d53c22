/* feedwatch check: is the config good, how are its rules read, do their tests hold? */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include "cmd_check.h"
#include "cmd_print.h"
#include "config.h"

enum { INDENT = 4 };

static const char help[] =
    "usage: feedwatch check [-c FILE] [--quiet]\n"
    "\n"
    "Checks the config, shows how each rule is read, runs the test_yes and test_no\n"
    "lines of the watches.  Nothing is polled and nothing is written.\n"
    "\n"
    "  -c, --config FILE  this config instead of /etc/feedwatch/feedwatch.ini\n"
    "  -q, --quiet        show only warnings and tests that failed\n"
    "  -h, --help         show this\n"
    "\n"
    "Exit status: 0 all is well, 1 a test line failed, 2 usage, 78 the config is wrong.\n"
    "The rule language is described in feedwatch-rules(7).\n";

struct options {
    const char *config;
    bool quiet;
};

/* 0, 1 when there is nothing more to do, or -EINVAL. */
static int read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },
        { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };

    for (int c; (c = getopt_long(argc, argv, "c:qh", known, NULL)) != -1;)
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 1;
        default:
            return -EINVAL;
        }
    return optind == argc ? 0 : -EINVAL;
}

static size_t count(char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static void show_warning(const char *text)
{
    struct print_style style = print_style(stdout);
    struct print_fold fold = { .rest = INDENT, .width = print_width(stdout) };

    fputs(style.hint, stdout);
    print_folded(stdout, str_of(text), &fold);
    fputs(style.plain, stdout);
}

static int show_rule(const struct rule *r)
{
    struct print_fold fold = { INDENT, INDENT, print_width(stdout), true };
    struct buf b;

    buf_init(&b, INT_MAX);
    int e = rule_canonical(&b, r->root);
    if (e == 0)
        print_folded(stdout, buf_str(&b), &fold);
    buf_free(&b);
    return e;
}

static int show_watch(const struct config_watch *w)
{
    struct print_style style = print_style(stdout);

    fputs(style.bold, stdout);
    print_safe(stdout, str_of(w->name));
    fputs(style.plain, stdout);
    putchar('\n');
    return show_rule(w->rule);
}

static void show_sum(const struct config *c, const struct check_tests *tests)
{
    size_t warnings = count(c->warning);
    struct print_style style = print_style(stdout);

    printf("%s%zu feed%s, %zu watch%s, %zu warning%s", c->n_watches ? "\n" : "",
           c->n_feeds, c->n_feeds == 1 ? "" : "s", c->n_watches,
           c->n_watches == 1 ? "" : "es", warnings, warnings == 1 ? "" : "s");
    if (tests->run)
        printf(", %zu test%s: ", tests->run, tests->run == 1 ? "" : "s");
    if (tests->failed)
        printf("%s%zu failed%s", style.bad, tests->failed, style.plain);
    else if (tests->run)
        printf("%sall hold%s", style.good, style.plain);
    putchar('\n');
}

static int show(const struct config *c, const struct options *o,
                struct check_tests *tests)
{
    for (size_t i = 0; c->warning && c->warning[i]; i++)
        show_warning(c->warning[i]);
    if (c->warning && c->warning[0] && !o->quiet && c->n_watches)
        putchar('\n');
    for (size_t i = 0; i < c->n_watches; i++) {
        int r = o->quiet ? 0 : show_watch(&c->watches[i]);
        if (r == 0)
            r = check_run_tests(tests, &c->watches[i], o->quiet);
        if (r < 0)
            return r;
    }
    if (!o->quiet)
        show_sum(c, tests);
    return 0;
}

static int load(struct config **c, const char *path)
{
    struct buf errors;

    buf_init(&errors, 1 << 20);
    int r = config_load(c, path, &errors);
    if (errors.n)
        fputs(errors.s, stderr);
    else if (r < 0)
        fprintf(stderr, "feedwatch: %s: %s\n", path, strerror(-r));
    buf_free(&errors);
    return r;
}

int cmd_check(int argc, char **argv)
{
    struct options o = { 0 };
    struct check_tests tests = { 0 };
    struct config *c = NULL;
    char space[PATH_MAX];
    int r = read_options(&o, argc, argv);

    if (r > 0)
        return EXIT_OK;
    if (r < 0) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (load(&c, cmd_config_path(o.config, space, sizeof space)) < 0)
        return EXIT_CONFIG;
    r = show(c, &o, &tests);
    if (r < 0)
        fprintf(stderr, "feedwatch: %s\n", strerror(-r));
    config_unref(c);
    return r < 0 || tests.failed ? EXIT_RUN : EXIT_OK;
}
