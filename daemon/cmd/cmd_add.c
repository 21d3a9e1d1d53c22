/* feedwatch add: finds the feed of a site, shows it, and adds it to the configuration. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "cmd_draft.h"
#include "cmd_print.h"
#include "cmd_probe.h"
#include "url.h"

enum {
    HOPS_MAX = 3, /* pages that name a feed that is a page ... */
    AUTO_NAME_MAX = 40,
    TEXT_MAX = 64 << 10,
};

static const char help[] =
    "usage: feedwatch add [-c FILE] [--name NAME] [--group GROUP] [--dry-run] URL|SITE\n"
    "\n"
    "Looks at URL; when it is a page, at the feed that the page names.  Shows the "
    "latest\n"
    "items and adds the feed to the configuration, as a file of its own in conf.d/.\n"
    "Feeds that are watched already are refused.\n"
    "\n"
    "  -c, --config FILE  this config instead of /etc/feedwatch/feedwatch.ini\n"
    "      --name NAME    what to call it; default: made from its title\n"
    "      --group GROUP  the group it is to be in\n"
    "  -n, --dry-run      only show it\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status: 0 added, 1 no feed there, or watched already, 2 usage, 78 the\n"
    "configuration has errors, with or without the feed.\n";

struct options {
    const char *config, *name, *group, *url;
    bool dry_run;
};

struct add {
    struct options opt;
    char path_space[PATH_MAX];
    const char *path;
    struct config *config; /* as it is */
    struct draft_index *known;
    struct probe probe;
    struct buf url, name, text;
    bool guessed; /* the scheme of the URL is our guess */
};

/* 0, 1 when there is nothing more to do, or -EINVAL. */
static int read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },
        { "name", required_argument, NULL, 'N' },
        { "group", required_argument, NULL, 'g' },
        { "dry-run", no_argument, NULL, 'n' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };

    for (int c; (c = getopt_long(argc, argv, "c:nh", known, NULL)) != -1;)
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'N':
            o->name = optarg;
            break;
        case 'g':
            o->group = optarg;
            break;
        case 'n':
            o->dry_run = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 1;
        default:
            return -EINVAL;
        }
    if (optind + 1 != argc)
        return -EINVAL;
    o->url = argv[optind];
    return 0;
}

static const struct config_feed *feed_named(const struct config *c, const char *name)
{
    for (size_t i = c->n_feeds; i-- > 0;) /* the added one is the last */
        if (strcmp(c->feeds[i].name, name) == 0)
            return &c->feeds[i];
    return NULL;
}

/* Is there a scheme, as in "mailto:x", and not a port, as in "example.org:8080"? */
static bool has_scheme(const char *given)
{
    size_t n = strcspn(given, ":/");

    return given[n] == ':' && !(given[n + 1] >= '0' && given[n + 1] <= '9');
}

/* "example.org/news" is what people have; https is what it stands for. */
static int read_url(struct add *a, const char *given)
{
    buf_clear(&a->url);
    a->guessed = !has_scheme(given);
    if (a->guessed)
        (void)buf_puts(&a->url, "https://");
    int r = buf_puts(&a->url, given);
    if (r == 0 && !url_is_web(buf_str(&a->url))) {
        fputs("feedwatch add: '", stderr);
        print_safe(stderr, str_of(given));
        fputs("' is no http or https URL\n", stderr);
        return EXIT_RUN;
    }
    return r < 0 ? EXIT_RUN : 0;
}

static int refuse_known(struct add *a)
{
    const char *name = draft_find_url(a->known, a->url.s);
    const struct config_feed *f = name ? feed_named(a->config, name) : NULL;

    if (!f)
        return 0;
    fprintf(stderr, "feedwatch add: this feed is watched already: '%s' at %s:%d\n", name,
            f->place.file, f->place.line);
    return EXIT_RUN;
}

/* The section that is to be added; it is called `name`. */
static int put_text(struct add *a, const char *name)
{
    buf_clear(&a->text);
    (void)buf_puts(&a->text, "# Added by feedwatch add.\n");
    draft_put_feed(&a->text, name, a->url.s, a->opt.group ? a->opt.group : "");
    return a->text.error ? EXIT_RUN : 0;
}

/* Ask at the URL, with the settings that a feed of this name and group would have. */
static int ask(struct add *a)
{
    struct config *with = NULL;

    int status = draft_unique(a->known, STR("added"), &a->name) < 0 ? EXIT_RUN : 0;
    const char *name = a->opt.name ? a->opt.name : a->name.s;
    if (status == 0)
        status = put_text(a, name);
    if (status == 0)
        status = draft_check(&with, "add", a->path, buf_str(&a->text));
    if (status)
        return status;
    probe_free(&a->probe);
    a->probe = (struct probe){ .url = a->url.s, .like = feed_named(with, name) };
    int r = a->probe.like ? probe_run(&a->probe, 1, with, NULL, NULL) : -EINVAL;
    a->probe.like = NULL;
    config_unref(with);
    if (r < 0)
        fprintf(stderr, "feedwatch add: %s\n", strerror(-r));
    return r < 0 ? EXIT_RUN : 0;
}

static int say_no_feed(const struct add *a)
{
    fputs("feedwatch add: ", stderr);
    print_safe(stderr, buf_str(&a->url));
    fputs(": ", stderr);
    print_safe(stderr, str_of(a->probe.why));
    fputc('\n', stderr);
    if (a->guessed && !a->probe.answered)
        fputs("https:// was guessed: perhaps its address begins with http://\n", stderr);
    else if (a->probe.verdict == PROBE_NO_FEED)
        fputs("If the site has a feed, name its own address.\n", stderr);
    return EXIT_RUN;
}

/* Follow pages to the feed they name. */
static int find_feed(struct add *a)
{
    for (int hop = 0;; hop++) {
        int status = refuse_known(a);
        if (status == 0)
            status = ask(a);
        if (status)
            return status;
        const char *next = a->probe.verdict == PROBE_PAGE   ? a->probe.alternate
                           : a->probe.verdict == PROBE_FEED ? a->probe.final_url
                                                            : NULL;
        if (a->probe.verdict == PROBE_FEED || !next || hop == HOPS_MAX) {
            if (a->probe.verdict != PROBE_FEED)
                return say_no_feed(a);
            if (!next)
                return 0;
        }
        status = read_url(a, next);
        if (status)
            return status;
        if (a->probe.verdict == PROBE_FEED)
            return refuse_known(a);
    }
}

/* ---- the preview ---- */

static void show_rate(const struct probe *p)
{
    char span[PRINT_TIME_SIZE];

    if (p->items < 2 || p->first_s == ITEM_NO_TIME || p->last_s <= p->first_s)
        return;
    print_span(span, (p->last_s - p->first_s) * 1000);
    printf(" in %s", span);
}

static void show(const struct add *a)
{
    const struct probe *p = &a->probe;
    struct print_style style = print_style(stdout);
    unsigned width = print_width(stdout);

    fputs(style.bold, stdout);
    print_safe(stdout, p->title ? str_of(p->title) : buf_str(&a->url));
    printf("%s\n", style.plain);
    print_safe(stdout, buf_str(&a->url));
    printf("\n%s, %lu items", feed_format_name(p->format), p->items);
    show_rate(p);
    puts(p->why[0] ? ", not well-formed but readable" : "");
    for (size_t i = 0; i < p->n_latest; i++) {
        char when[PRINT_TIME_SIZE] = "";

        if (p->latest[i].published_s != ITEM_NO_TIME)
            print_when(when, p->latest[i].published_s * 1000, clock_utc_ms());
        printf("  %-12s ", when);
        print_cell(stdout, str_of(p->latest[i].title), width - 15, false);
        putchar('\n');
    }
    putchar('\n');
}

/* ---- adding ---- */

static int choose_name(struct add *a)
{
    struct buf slug;
    int r = 0;

    if (a->opt.name)
        return buf_clear(&a->name), buf_puts(&a->name, a->opt.name);
    buf_init(&slug, 4096);
    if (a->probe.title)
        r = draft_slug(&slug, str_of(a->probe.title), true, AUTO_NAME_MAX);
    if (r == 0 && slug.n == 0) {
        r = url_host(&a->name, buf_str(&a->url));
        if (r == 0)
            r = draft_slug(&slug, buf_str(&a->name), true, AUTO_NAME_MAX);
    }
    if (r == 0 && slug.n == 0)
        r = buf_puts(&slug, "feed");
    if (r == 0)
        r = draft_unique(a->known, buf_str(&slug), &a->name);
    buf_free(&slug);
    return r;
}

static int write_it(struct add *a)
{
    struct buf where, stem;

    buf_init(&where, PATH_MAX);
    buf_init(&stem, 256);
    int r = draft_slug(&stem, buf_str(&a->name), false, DRAFT_NAME_MAX);
    if (r == 0)
        r = draft_place("add", a->path, stem.n ? stem.s : "feed", buf_str(&a->text),
                        &where);
    if (r == 0) {
        printf("Added as '%s' in %s\n", a->name.s, where.s);
        draft_next_step(a->config);
    }
    buf_free(&where);
    buf_free(&stem);
    return r < 0 ? EXIT_RUN : 0;
}

static int add(struct add *a)
{
    struct config *with = NULL;

    int status = find_feed(a);
    if (status)
        return status;
    show(a);
    if (choose_name(a) < 0 || put_text(a, a->name.s))
        return EXIT_RUN;
    status = draft_check(&with, "add", a->path, buf_str(&a->text));
    config_unref(with);
    if (status)
        return status;
    if (a->opt.dry_run) {
        printf("Would be added as:\n%s", strchr(a->text.s, '\n') + 1);
        return EXIT_OK;
    }
    return write_it(a);
}

static int begin(struct add *a)
{
    a->path = cmd_config_path(a->opt.config, a->path_space, sizeof a->path_space);
    int status = draft_load(&a->config, "add", a->path);
    if (status == 0)
        status = read_url(a, a->opt.url);
    if (status == 0 && draft_index_new(&a->known, a->config) < 0)
        status = EXIT_RUN;
    if (status == 0 && a->opt.name && draft_has_name(a->known, a->opt.name)) {
        const struct config_feed *f = feed_named(a->config, a->opt.name);
        fprintf(stderr,
                "feedwatch add: the name '%s' is taken, at %s:%d; choose another\n",
                a->opt.name, f->place.file, f->place.line);
        status = EXIT_RUN;
    }
    return status;
}

int cmd_add(int argc, char **argv)
{
    struct add a = { 0 };

    int r = read_options(&a.opt, argc, argv);
    if (r < 0)
        fputs(help, stderr);
    if (r)
        return r < 0 ? EXIT_USAGE : EXIT_OK;
    if ((a.opt.name && !draft_name_ok("add", "name", a.opt.name)) ||
        (a.opt.group && !draft_name_ok("add", "group", a.opt.group)))
        return EXIT_USAGE;
    buf_init(&a.url, TEXT_MAX);
    buf_init(&a.name, 256);
    buf_init(&a.text, 2 * TEXT_MAX);
    int status = begin(&a);
    if (status == 0)
        status = add(&a);
    probe_free(&a.probe);
    draft_index_free(a.known);
    config_unref(a.config);
    buf_free(&a.url);
    buf_free(&a.name);
    buf_free(&a.text);
    return status;
}
