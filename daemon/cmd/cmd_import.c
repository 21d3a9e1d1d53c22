/* feedwatch import: the feeds of an OPML file become a file in conf.d/. */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clock.h"
#include "cmd_draft.h"
#include "cmd_opml.h"
#include "cmd_print.h"
#include "cmd_probe.h"
#include "url.h"

enum {
    BAR_WIDTH = 30,
    BAR_EVERY_MS = 100,
    TEXT_MAX = 64 << 20, /* as much as the config takes */
};

static const char help[] =
    "usage: feedwatch import [-c FILE] [--group GROUP] [--verify] [--dry-run] "
    "FILE.opml|-\n"
    "\n"
    "Adds the feeds of an OPML file to the configuration, as one file in conf.d/.\n"
    "Outlines around feeds become their group: 'World' in 'News' is News.World.\n"
    "Feeds that are watched already are reported and left out.\n"
    "\n"
    "  -c, --config FILE  this config instead of /etc/feedwatch/feedwatch.ini\n"
    "  -g, --group GROUP  put all of them into this group\n"
    "      --verify       ask each publisher; leave out what is no feed\n"
    "  -n, --dry-run      write the file to standard output instead\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status: 0 imported, or nothing new in it, 1 failed, 2 usage, 78 the\n"
    "configuration has errors, with or without the feeds.\n";

struct options {
    const char *config, *group, *file;
    bool verify, dry_run;
};

struct entry { /* a feed to add; its strings are one block */
    char *name, *url, *group;
    bool left_out;
};

struct import {
    struct options opt;
    char path_space[PATH_MAX];
    const char *path;
    struct config *config;
    struct draft_index *known;
    struct entry *entry;
    size_t n, cap;
    size_t n_known, n_refused; /* watched already; no http or https */
    struct buf url, name, slug, text;
    size_t n_asked, n_dead;
    int64_t drawn_ms; /* the bar */
};

/* 0, 1 when there is nothing more to do, or -EINVAL. */
static int read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },
        { "group", required_argument, NULL, 'g' },
        { "verify", no_argument, NULL, 'v' },
        { "dry-run", no_argument, NULL, 'n' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };

    for (int c; (c = getopt_long(argc, argv, "c:g:nh", known, NULL)) != -1;)
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'g':
            o->group = optarg;
            break;
        case 'v':
            o->verify = true;
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
    o->file = argv[optind];
    return 0;
}

/* One line on stderr about a feed that is left out. */
static void report(struct str url, const char *why, const char *more)
{
    fputs("feedwatch import: ", stderr);
    print_cell(stderr, url, 200, false);
    fprintf(stderr, ": %s", why);
    print_safe(stderr, str_of(more));
    fputc('\n', stderr);
}

/* ---- from outlines to entries ---- */

static int keep(struct import *m)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 64;
        struct entry *p = realloc(m->entry, cap * sizeof *p);
        if (!p)
            return -ENOMEM;
        m->entry = p;
        m->cap = cap;
    }
    char *block = malloc(m->name.n + m->url.n + m->slug.n + 3);
    if (!block)
        return -ENOMEM;
    struct entry *e = &m->entry[m->n];
    *e = (struct entry){ block, block + m->name.n + 1,
                         block + m->name.n + 1 + m->url.n + 1, false };
    memcpy(e->name, m->name.s, m->name.n + 1);
    memcpy(e->url, m->url.s, m->url.n + 1);
    memcpy(e->group, m->slug.s ? m->slug.s : "", m->slug.n + 1);
    m->n++;
    /* cppcheck-suppress memleak ; the block is the entry's */
    return draft_note(m->known, e->name, e->url);
}

/* The name of a feed: its title, else its host. */
static int choose_name(struct import *m, struct str title)
{
    buf_clear(&m->slug);
    int r = draft_slug(&m->slug, title, false, DRAFT_NAME_MAX);
    if (r == 0 && m->slug.n == 0 && url_host(&m->name, buf_str(&m->url)) == 0)
        r = draft_slug(&m->slug, buf_str(&m->name), false, DRAFT_NAME_MAX);
    if (r == 0 && m->slug.n == 0)
        r = buf_puts(&m->slug, "feed");
    return r < 0 ? r : draft_unique(m->known, buf_str(&m->slug), &m->name);
}

/* The outlines around a feed, joined by dots, into `slug`. */
static int choose_group(struct import *m, const struct opml_feed *f)
{
    buf_clear(&m->slug);
    if (m->opt.group)
        return buf_puts(&m->slug, m->opt.group);
    for (size_t i = 0; i < f->n_group; i++) {
        size_t before = m->slug.n, dot = before > 0;
        if (before + dot >= DRAFT_NAME_MAX)
            break;
        if (dot)
            (void)buf_putc(&m->slug, '.');
        (void)draft_slug(&m->slug, f->group[i], false, DRAFT_NAME_MAX - before - dot);
        if (m->slug.n == before + dot) { /* nothing of this title can stand in a name */
            m->slug.n = before;
            if (m->slug.s)
                m->slug.s[before] = '\0';
        }
    }
    return m->slug.error;
}

/* Put the URL of `f` into m->url, cleaned.  False: it is none that we ask. */
static bool take_url(struct import *m, const struct opml_feed *f)
{
    buf_clear(&m->url);
    if (f->url.n >= OPML_TEXT_MAX ||
        url_resolve(&m->url, (struct str){ 0 }, f->url) < 0 ||
        !url_is_web(buf_str(&m->url)) || url_host(&m->name, buf_str(&m->url)) < 0)
        return false;
    return m->name.n && !memchr(m->name.s, '%', m->name.n);
}

static int on_feed(void *ctx, const struct opml_feed *f)
{
    struct import *m = ctx;

    if (!take_url(m, f)) {
        m->n_refused++;
        report(f->url, "is no http or https URL", "");
        return 0;
    }
    const char *old = draft_find_url(m->known, m->url.s);
    if (old) {
        m->n_known++;
        report(f->url, "is there already, as ", old);
        return 0;
    }
    int r = choose_name(m, f->title);
    if (r == 0)
        r = choose_group(m, f);
    return r < 0 ? r : keep(m);
}

static int read_opml(struct import *m)
{
    const char *file = m->opt.file;
    char why[200];
    int fd =
        strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;

    if (fd < 0) {
        fprintf(stderr, "feedwatch import: %s: %s\n", file, strerror(errno));
        return EXIT_RUN;
    }
    int r = opml_read(fd, on_feed, m, why);
    if (fd != STDIN_FILENO)
        (void)close(fd);
    if (r < 0)
        fprintf(stderr, "feedwatch import: %s: %s; nothing was imported\n", file, why);
    return r < 0 ? EXIT_RUN : 0;
}

/* ---- verifying ---- */

static void draw_bar(struct import *m, size_t done, bool end)
{
    int64_t now = clock_mono_ms();
    size_t full = done * BAR_WIDTH / m->n;

    if (!isatty(STDERR_FILENO) || (!end && now - m->drawn_ms < BAR_EVERY_MS))
        return;
    m->drawn_ms = now;
    fputs("\r[", stderr);
    for (size_t i = 0; i < BAR_WIDTH; i++)
        fputc(i < full ? '#' : ' ', stderr);
    fprintf(stderr, "] %zu of %zu asked, %zu no feeds", done, m->n, m->n_dead);
    if (end)
        fputc('\n', stderr);
}

static void on_told(void *ctx, const struct probe *p)
{
    struct import *m = ctx;

    m->n_asked++;
    m->n_dead += p->verdict == PROBE_NO_FEED || p->verdict == PROBE_PAGE;
    draw_bar(m, m->n_asked, m->n_asked == m->n);
}

static void judge(struct import *m, const struct probe *probes)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct probe *p = &probes[i];
        struct str url = str_of(m->entry[i].url);

        switch (p->verdict) {
        case PROBE_FEED:
            break;
        case PROBE_PAGE:
            m->entry[i].left_out = true;
            report(url, "is a page; its feed may be ", p->alternate);
            break;
        case PROBE_NO_FEED:
            m->entry[i].left_out = true;
            report(url, "is left out: ", p->why);
            break;
        case PROBE_FAILED:
            report(url, "is kept, but gave no answer: ", p->why);
            break;
        }
    }
}

static int verify(struct import *m, const struct config *with)
{
    struct probe *probes = calloc(m->n + 1, sizeof *probes);

    if (!probes)
        return EXIT_RUN;
    size_t first = with->n_feeds - m->n; /* they are the last of the config */
    for (size_t i = 0; i < m->n; i++)
        probes[i] =
            (struct probe){ .url = m->entry[i].url, .like = &with->feeds[first + i] };
    int r = probe_run(probes, m->n, with, on_told, m);
    if (r == 0)
        judge(m, probes);
    else
        fprintf(stderr, "feedwatch import: %s\n", strerror(-r));
    for (size_t i = 0; i < m->n; i++)
        probe_free(&probes[i]);
    free(probes);
    return r < 0 ? EXIT_RUN : 0;
}

/* ---- the file ---- */

static size_t put_text(struct import *m)
{
    size_t n = 0;

    buf_clear(&m->text);
    (void)buf_puts(&m->text, "# Imported by feedwatch import.\n");
    for (size_t i = 0; i < m->n; i++) {
        const struct entry *e = &m->entry[i];
        if (e->left_out)
            continue;
        draft_put_feed(&m->text, e->name, e->url, e->group);
        n++;
    }
    return n;
}

static int write_it(struct import *m)
{
    const char *slash = strrchr(m->opt.file, '/');
    struct str base = str_of(slash ? slash + 1 : m->opt.file);
    struct buf where;

    const char *dot = memchr(base.s, '.', base.n);
    if (dot && dot > base.s)
        base.n = (size_t)(dot - base.s);
    buf_init(&where, PATH_MAX);
    buf_clear(&m->slug);
    (void)buf_puts(&m->slug, "import-");
    (void)draft_slug(&m->slug, base, false, DRAFT_NAME_MAX);
    int r = m->slug.error
                ? -1
                : draft_place("import", m->path, m->slug.s, buf_str(&m->text), &where);
    if (r == 0) {
        printf("Written to %s\n", where.s);
        draft_next_step(m->config);
    }
    buf_free(&where);
    return r < 0 ? EXIT_RUN : 0;
}

static void summary(const struct import *m, size_t added)
{
    FILE *to = m->opt.dry_run ? stderr : stdout;

    fprintf(to, "%zu feed%s added", added, added == 1 ? "" : "s");
    if (m->n_known)
        fprintf(to, ", %zu there already", m->n_known);
    if (m->n_refused)
        fprintf(to, ", %zu not http or https", m->n_refused);
    if (m->n_dead)
        fprintf(to, ", %zu no feed%s", m->n_dead, m->n_dead == 1 ? "" : "s");
    fputc('\n', to);
}

static int import(struct import *m)
{
    struct config *with = NULL;

    int status = read_opml(m);
    if (status)
        return status;
    size_t added = put_text(m);
    if (m->text.error)
        return EXIT_RUN;
    status = added ? draft_check(&with, "import", m->path, buf_str(&m->text)) : 0;
    if (status == 0 && added && m->opt.verify) {
        status = verify(m, with);
        added = put_text(m);
    }
    config_unref(with);
    if (status)
        return status;
    summary(m, added);
    if (m->opt.dry_run)
        fputs(added ? m->text.s : "", stdout);
    return added && !m->opt.dry_run ? write_it(m) : EXIT_OK;
}

static void import_done(struct import *m)
{
    struct buf *all[] = { &m->url, &m->name, &m->slug, &m->text };

    for (size_t i = 0; i < m->n; i++)
        free(m->entry[i].name);
    free(m->entry);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        buf_free(all[i]);
    draft_index_free(m->known);
    config_unref(m->config);
}

int cmd_import(int argc, char **argv)
{
    struct import m = { 0 };

    int r = read_options(&m.opt, argc, argv);
    if (r < 0)
        fputs(help, stderr);
    if (r)
        return r < 0 ? EXIT_USAGE : EXIT_OK;
    if (m.opt.group && !draft_name_ok("import", "group", m.opt.group))
        return EXIT_USAGE;
    buf_init(&m.url, 1 << 16);
    buf_init(&m.name, 1 << 16);
    buf_init(&m.slug, 1 << 16);
    buf_init(&m.text, TEXT_MAX);
    m.path = cmd_config_path(m.opt.config, m.path_space, sizeof m.path_space);
    int status = draft_load(&m.config, "import", m.path);
    if (status == 0 && draft_index_new(&m.known, m.config) < 0)
        status = EXIT_RUN;
    if (status == 0)
        status = import(&m);
    import_done(&m);
    return status;
}
