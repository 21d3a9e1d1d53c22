#ifndef CMD_H
#define CMD_H
/* The subcommands of feedwatch(1), one file each in daemon/cmd/.  Each gets the arguments
 * after its own name (argv[0] is the subcommand) and returns the exit status. */
#include <stddef.h>
#include "config.h"

enum { /* exit statuses */
       EXIT_OK = 0,
       EXIT_RUN = 1, /* failed */
       EXIT_USAGE = 2,
       EXIT_CONFIG = 78, /* EX_CONFIG of sysexits(3) */
};

/* The config file to read: `given` when not NULL, else for a user other than root
 * $XDG_CONFIG_HOME/feedwatch/feedwatch.ini ($HOME/.config/...) when it is there, else
 * /etc/feedwatch/feedwatch.ini.  The answer may lie in `space` (PATH_MAX bytes). */
const char *cmd_config_path(const char *given, char *space, size_t size);

/* Load that file.  0 and *out, or EXIT_CONFIG, with all errors on stderr. */
int cmd_config_load(struct config **out, const char *given);

int cmd_run(int argc, char **argv);
int cmd_alerts(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_parse(int argc, char **argv);
int cmd_match(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_add(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_export(int argc, char **argv);
#endif
