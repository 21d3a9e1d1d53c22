/* feedwatch check: is the config good, how are its rules read, do their tests hold? */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include "cmd_check.h"
#include "cmd_history.h"
#include "cmd_print.h"
#include "config.h"
#include "json.h"

enum {
    INDENT = 4,
    MEASURED_MAX = 1000,  /* rules; each takes about a millisecond */
    COST_SHOWN_NS = 1000, /* a cheaper rule is not worth a word */
};

static const char help[] =
    "usage: feedwatch check [-c FILE] [--quiet | --json]\n"
    "\n"
    "Checks the config, shows how each rule is read, runs the test_yes and test_no\n"
    "lines of the watches.  Nothing is polled and nothing is written.\n"
    "\n"
    "  -c, --config FILE  this config instead of /etc/feedwatch/feedwatch.ini\n"
    "      --history      how many alerts a day each watch would have raised; see\n"
    "                     feedwatch check --history --help\n"
    "  -q, --quiet        show only warnings and tests that failed\n"
    "  -j, --json         one JSON object a line for each watch\n"
    "  -h, --help         show this\n"
    "\n"
    "Exit status: 0 all is well, 1 a test line failed, 2 usage, 78 the config is wrong.\n"
    "The rule language is described in feedwatch-rules(7).\n";

struct options {
    const char *config;
    bool quiet, json;
};

/* 0, 1 when there is nothing more to do, or -EINVAL. */
static int read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },
        { "quiet", no_argument, NULL, 'q' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };

    for (int c; (c = getopt_long(argc, argv, "c:qjh", known, NULL)) != -1;)
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'j':
            o->json = true;
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
    struct print_fold fold = {
        .first = INDENT, .rest = INDENT, .width = print_width(stdout), .rule = true
    };
    struct buf b;

    buf_init(&b, INT_MAX);
    int e = rule_canonical(&b, r->root);
    if (e == 0)
        print_folded(stdout, buf_str(&b), &fold);
    buf_free(&b);
    return e;
}

/* One run of the command. */
struct check {
    const struct options *o;
    const struct config_watch *watch; /* the one being shown */
    struct buf json;                  /* its line, with --json */
    size_t tests, failed;
    bool measured; /* few enough rules to measure each */
};

static void show_failure(const struct check_line *line, const struct config_watch *w)
{
    printf("%s:%d: watch '", w->place.file, w->place.line);
    print_safe(stdout, str_of(w->name));
    printf("': %s: ", line->want ? "test_yes does not match" : "test_no matches");
    print_safe(stdout, str_of(line->text));
    putchar('\n');
}

static int on_line(void *ctx, const struct check_line *line)
{
    struct check *k = ctx;
    struct print_style style = print_style(stdout);
    bool good = line->hit == line->want;

    k->tests++;
    k->failed += !good;
    if (k->o->json) {
        (void)buf_puts(&k->json, k->json.s[k->json.n - 1] == '[' ? "{" : ",{");
        (void)json_member_str(&k->json, "text", str_of(line->text));
        (void)json_member_bool(&k->json, "want", line->want);
        (void)json_member_bool(&k->json, "hit", line->hit);
        return buf_puts(&k->json, "}");
    }
    if (k->o->quiet) {
        if (!good)
            show_failure(line, k->watch);
        return 0;
    }
    struct print_fold fold = { .at = 16, .rest = 16, .width = print_width(stdout) };
    printf("%*s%s%s%s %s  ", INDENT, "", good ? style.good : style.bad,
           good ? "ok    " : "FAILED", style.plain, line->want ? "yes" : "no ");
    print_folded(stdout, str_of(line->text), &fold);
    return 0;
}

/* The cost of the rule being shown; -1 when there are too many to measure each. */
static int64_t watch_cost(const struct check *k)
{
    return k->measured ? check_cost(k->watch->rule) : -1;
}

/* A cheap rule is not worth a word unless it must look at every item. */
static void show_cost(int64_t ns, bool every_item)
{
    if (ns < 0 || (ns < COST_SHOWN_NS && !every_item))
        return;
    if (ns < 100)
        fputs("  (less than 0.1 \xC2\xB5s", stdout);
    else
        printf("  (about %.*f \xC2\xB5s", ns < 10000 ? 1 : 0, (double)ns / 1000);
    fputs(every_item ? " for every item)" : " for an item with its words)", stdout);
}

static int show_name(const struct check *k)
{
    struct print_style style = print_style(stdout);
    int64_t ns = watch_cost(k);

    fputs(style.bold, stdout);
    print_safe(stdout, str_of(k->watch->name));
    fputs(style.plain, stdout);
    show_cost(ns, !rule_needs_word(k->watch->rule->root));
    putchar('\n');
    return ns < -1 ? (int)ns : 0;
}

static int show_watch(struct check *k)
{
    int r = k->o->quiet ? 0 : show_name(k);

    if (r == 0 && !k->o->quiet)
        r = show_rule(k->watch->rule);
    return r < 0 ? r : check_run_tests(k->watch, on_line, k);
}

/* The canonical form may be long; it is not escaped in place. */
static int json_rule(struct buf *b, const struct rule *r)
{
    struct buf text;

    buf_init(&text, INT_MAX);
    int e = rule_canonical(&text, r->root);
    if (e == 0)
        e = json_member_str(b, "canonical", buf_str(&text));
    buf_free(&text);
    return e;
}

static int json_watch(struct check *k)
{
    const struct config_watch *w = k->watch;
    struct buf *b = &k->json;

    buf_clear(b);
    (void)buf_puts(b, "{");
    (void)json_member_str(b, "watch", str_of(w->name));
    (void)json_member_str(b, "file", str_of(w->place.file));
    (void)json_member_int(b, "line", w->place.line);
    (void)json_member_str(b, "rule", str_of(w->rule->source));
    int r = json_rule(b, w->rule);
    if (r < 0)
        return r;
    int64_t ns = watch_cost(k);
    if (ns < -1)
        return (int)ns;
    if (ns >= 0)
        (void)json_member_int(b, "cost_ns", ns);
    (void)json_member_bool(b, "every_item", !rule_needs_word(w->rule->root));
    (void)json_put_key(b, "warnings");
    (void)buf_puts(b, "[");
    for (char **t = w->rule->warning; t && *t; t++) {
        (void)buf_puts(b, t == w->rule->warning ? "" : ",");
        (void)json_put_str(b, str_of(*t));
    }
    (void)buf_puts(b, "]");
    (void)json_put_key(b, "tests");
    (void)buf_puts(b, "[");
    if (b->error == 0)
        r = check_run_tests(w, on_line, k);
    (void)buf_puts(b, "]}\n");
    if (b->error || r < 0)
        return b->error ? b->error : r;
    fwrite(b->s, 1, b->n, stdout);
    return 0;
}

static void show_sum(const struct config *c, const struct check *k)
{
    size_t warnings = count(c->warning);
    struct print_style style = print_style(stdout);

    printf("%s%zu feed%s, %zu watch%s, %zu warning%s", c->n_watches ? "\n" : "",
           c->n_feeds, c->n_feeds == 1 ? "" : "s", c->n_watches,
           c->n_watches == 1 ? "" : "es", warnings, warnings == 1 ? "" : "s");
    if (k->tests)
        printf(", %zu test%s: ", k->tests, k->tests == 1 ? "" : "s");
    if (k->failed)
        printf("%s%zu failed%s", style.bad, k->failed, style.plain);
    else if (k->tests)
        printf("%sall hold%s", style.good, style.plain);
    putchar('\n');
}

static int show(const struct config *c, struct check *k)
{
    bool json = k->o->json, quiet = k->o->quiet;
    int r = 0;

    k->measured = c->n_watches <= MEASURED_MAX;

    for (size_t i = 0; !json && c->warning && c->warning[i]; i++)
        show_warning(c->warning[i]);
    if (!json && !quiet && c->warning && c->warning[0] && c->n_watches)
        putchar('\n');
    for (size_t i = 0; i < c->n_watches && r == 0; i++) {
        k->watch = &c->watches[i];
        r = json ? json_watch(k) : show_watch(k);
    }
    if (r == 0 && !json && !quiet)
        show_sum(c, k);
    return r;
}

int cmd_check(int argc, char **argv)
{
    struct options o = { 0 };
    struct check k = { .o = &o };
    struct config *c = NULL;
    if (history_asked(argc, argv, "--history"))
        return cmd_history_check(argc, argv);
    int r = read_options(&o, argc, argv);

    if (r > 0)
        return EXIT_OK;
    if (r < 0) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (cmd_config_load(&c, o.config) != 0)
        return EXIT_CONFIG;
    buf_init(&k.json, INT_MAX);
    r = show(c, &k);
    if (r < 0)
        fprintf(stderr, "feedwatch: %s\n", strerror(-r));
    buf_free(&k.json);
    config_unref(c);
    return r < 0 || k.failed ? EXIT_RUN : EXIT_OK;
}
