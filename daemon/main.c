/* feedwatch: finds the subcommand and hands over to it. */
#include <stdio.h>
#include <string.h>
#include "cmd.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
    { "run", cmd_run, "watch the feeds and deliver alerts: the daemon" },
    { "alerts", cmd_alerts, "show what has alerted, and follow what does" },
    { "check", cmd_check,
      "check the config, show how its rules are read, run its tests" },
    { "status", cmd_status, "show how the feeds fare, while the daemon runs or not" },
    { "add", cmd_add, "find the feed of a site and add it to the config" },
    { "import", cmd_import, "add the feeds of an OPML file to the config" },
    { "export", cmd_export, "write the feeds of the config as OPML" },
    { "parse", cmd_parse, "show what the parser makes of a feed, as JSON lines" },
    { "match", cmd_match, "show which items of feed files match a rule" },
    { "explain", cmd_explain,
      "show which parts of a rule hold for each item, and why not" },
    { 0 },
};

static void usage(FILE *to)
{
    fputs("usage: feedwatch COMMAND [OPTION...]\n\n", to);
    for (const struct command *c = commands; c->name; c++)
        fprintf(to, "  %-8s %s\n", c->name, c->help);
    fputs("\nfeedwatch COMMAND --help tells more; see also feedwatch(1).\n", to);
}

int main(int argc, char **argv)
{
    if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        usage(stdout);
        return EXIT_OK;
    }
    if (argc >= 2 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
        puts("feedwatch " FEEDWATCH_VERSION);
        return EXIT_OK;
    }
    for (const struct command *c = commands; argc >= 2 && c->name; c++)
        if (!strcmp(argv[1], c->name))
            return c->run(argc - 1, argv + 1);
    usage(stderr);
    return EXIT_USAGE;
}
