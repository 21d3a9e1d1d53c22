#ifndef SINK_COMMAND_OWN_H
#define SINK_COMMAND_OWN_H
/* Inside sink_command: sink_command.c decides what to run with which alert,
 * sink_command_run.c runs it, sink_command_safe.c tells whether it may be run. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"

/* Can nobody but root and us change this file, or put another in its place?  0, or -EPERM
 * (or the error met) and `why`. */
int command_safe(const char *path, struct buf *why);

struct run { /* one program to run */
    char *const *argv, *const *env;
    struct str input; /* on its standard input */
    int result;       /* 0: it ended with status 0; else -errno and `why` */
    bool its_fault;   /* the program ran, and failed or took too long */
    struct buf why;
};

/* Run them at the same time, and return when all have ended.  Each, with all processes
 * of its group, is killed after `timeout_ms`, or when `stop_fd` becomes readable. */
void command_run(struct run *runs, size_t n, int64_t timeout_ms, int stop_fd);

#define COMMAND_PARALLEL_MAX 16

#endif
