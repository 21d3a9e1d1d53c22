#ifndef CMD_H
#define CMD_H
/* The subcommands of feedwatch(1), one file each in daemon/cmd/.  Each gets the arguments
 * after its own name (argv[0] is the subcommand) and returns the exit status. */

enum { /* exit statuses */
       EXIT_OK = 0,
       EXIT_RUN = 1, /* failed */
       EXIT_USAGE = 2,
       EXIT_CONFIG = 78, /* EX_CONFIG of sysexits(3) */
};

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_parse(int argc, char **argv);
int cmd_match(int argc, char **argv);
int cmd_explain(int argc, char **argv);
#endif
