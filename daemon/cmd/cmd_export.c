/* feedwatch export: the feeds of the configuration as OPML 2.0. */
#include "cmd.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "clock.h"
#include "cmd_draft.h"
#include "config.h"
#include "utf8.h"

static const char help[] =
    "usage: feedwatch export [-c FILE]\n"
    "\n"
    "Writes the feeds of the configuration to standard output, as OPML 2.0.  Groups\n"
    "become outlines, News.World one in another.  User names and passwords in URLs are\n"
    "left out.\n"
    "\n"
    "  -c, --config FILE  this config instead of /etc/feedwatch/feedwatch.ini\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status: 0 written, 1 failed, 2 usage, 78 the configuration has errors.\n";

/* Text of an attribute; what XML cannot hold goes. */
static void put_xml(FILE *to, struct str s)
{
    for (size_t i = 0, len; i < s.n; i += len) {
        uint32_t c = utf8_get(s.s + i, s.n - i, &len);

        if (c == '&')
            fputs("&amp;", to);
        else if (c == '<')
            fputs("&lt;", to);
        else if (c == '>')
            fputs("&gt;", to);
        else if (c == '"')
            fputs("&quot;", to);
        else if (c >= 0x20 && c != 0xFFFE && c != 0xFFFF && c != UTF8_BAD)
            fwrite(s.s + i, 1, len, to);
    }
}

/* The URL without "user:password@". */
static void put_url(FILE *to, const char *url)
{
    const char *host = strstr(url, "://");

    if (!host) {
        put_xml(to, str_of(url));
        return;
    }
    host += 3;
    put_xml(to, (struct str){ url, (size_t)(host - url) });
    struct str authority = { host, strcspn(host, "/?#") };
    const char *at = memrchr(authority.s, '@', authority.n);
    put_xml(to, str_of(at ? at + 1 : host));
}

static int by_group(const void *a, const void *b)
{
    const struct config_feed *x = *(const struct config_feed *const *)a;
    const struct config_feed *y = *(const struct config_feed *const *)b;
    int c = strcmp(x->group, y->group);

    return c ? c : (x > y) - (x < y); /* in the order of the file */
}

static void indent(size_t depth)
{
    printf("%*s", (int)(4 + 2 * depth), "");
}

/* "a..b" has an empty part, which an import would not bring back. */
static bool has_parts(struct str group)
{
    if (group.n == 0 || group.s[0] == '.' || group.s[group.n - 1] == '.')
        return false;
    return !memmem(group.s, group.n, "..", 2);
}

/* The n-th part of "News.World"; empty when there is none. */
static struct str part_of(struct str group, size_t n)
{
    if (!has_parts(group))
        return n == 0 ? group : (struct str){ 0 };
    for (;; n--) {
        const char *dot = group.n ? memchr(group.s, '.', group.n) : NULL;
        struct str part = { group.s, dot ? (size_t)(dot - group.s) : group.n };

        if (n == 0)
            return part;
        if (!dot)
            return (struct str){ 0 };
        group = (struct str){ dot + 1, group.n - part.n - 1 };
    }
}

/* Close and open outlines so that those of `group` are open. */
static size_t turn_to(struct str before, size_t open, struct str group)
{
    size_t same = 0;

    while (same < open && part_of(group, same).n &&
           str_eq(part_of(before, same), part_of(group, same)))
        same++;
    for (; open > same; open--) {
        indent(open - 1);
        puts("</outline>");
    }
    for (struct str part; (part = part_of(group, open)).n; open++) {
        indent(open);
        fputs("<outline text=\"", stdout);
        put_xml(stdout, part);
        puts("\">");
    }
    return open;
}

static void put_feeds(const struct config_feed **feeds, size_t n)
{
    struct str before = { 0 };
    size_t open = 0;

    for (size_t i = 0; i < n; i++) {
        struct str group = str_of(feeds[i]->group);

        open = turn_to(before, open, group);
        before = group;
        indent(open);
        fputs("<outline type=\"rss\" text=\"", stdout);
        put_xml(stdout, str_of(feeds[i]->name));
        fputs("\" title=\"", stdout);
        put_xml(stdout, str_of(feeds[i]->name));
        fputs("\" xmlUrl=\"", stdout);
        put_url(stdout, feeds[i]->url);
        puts("\"/>");
    }
    (void)turn_to(before, open, (struct str){ 0 });
}

static int export(const struct config *c)
{
    const struct config_feed **feeds = calloc(c->n_feeds + 1, sizeof *feeds);
    char now[64] = ""; /* as RFC 822 has it */
    time_t seconds = (time_t)(clock_utc_ms() / 1000);
    struct tm tm;

    if (!feeds)
        return EXIT_RUN;
    for (size_t i = 0; i < c->n_feeds; i++)
        feeds[i] = &c->feeds[i];
    qsort(feeds, c->n_feeds, sizeof *feeds, by_group);
    if (gmtime_r(&seconds, &tm))
        (void)strftime(now, sizeof now, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    printf(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<opml version=\"2.0\">\n  <head>\n"
        "    <title>feedwatch</title>\n    <dateCreated>%s</dateCreated>\n  </head>\n"
        "  <body>\n",
        now);
    put_feeds(feeds, c->n_feeds);
    printf("  </body>\n</opml>\n");
    free(feeds);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_OK;
    fprintf(stderr, "feedwatch export: %s\n", strerror(errno));
    return EXIT_RUN;
}

int cmd_export(int argc, char **argv)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    const char *path = NULL;
    struct config *config = NULL;
    char space[PATH_MAX];

    for (int c; (c = getopt_long(argc, argv, "c:h", known, NULL)) != -1;) {
        if (c == 'c') {
            path = optarg;
            continue;
        }
        fputs(help, c == 'h' ? stdout : stderr);
        return c == 'h' ? EXIT_OK : EXIT_USAGE;
    }
    if (optind < argc) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    path = cmd_config_path(path, space, sizeof space);
    int status = draft_check(&config, "export", path, STR(""));
    if (status == 0)
        status = export(config);
    config_unref(config);
    return status;
}
