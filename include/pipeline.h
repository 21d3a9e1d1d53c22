#ifndef PIPELINE_H
#define PIPELINE_H
/* The whole daemon: builds the stages in order, runs them, reloads, and takes them down
 * again. */
#include <stdbool.h>
#include "buf.h"
#include "config.h"

struct pipeline;

struct pipeline_options {
    const char *config_path; /* read again on SIGHUP */
    bool once;               /* poll each feed once, deliver, end */
};

/* Build everything and test every path that will be needed: store, rules, sinks, loop.
 * Nothing is polled yet.  Blocks SIGTERM, SIGINT and SIGHUP for all threads.  0, or
 * -errno with one line for people in `why`. */
int pipeline_new(struct pipeline **out, struct config *config,
                 const struct pipeline_options *opt, struct buf *why);

/* Run until SIGTERM or SIGINT, or until all is done with `once`.  0 or -errno. */
int pipeline_run(struct pipeline *p);

/* Take all down within 2 s.  -ETIMEDOUT: a thread hangs (in a disk or a notification
 * server); the process must end at once without freeing more.  NULL is fine. */
int pipeline_free(struct pipeline *p);
#endif
