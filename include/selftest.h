#ifndef SELFTEST_H
#define SELFTEST_H
/* Before the daemon says that it is ready: does what it will need work?  What opening the
 * stages does not show by itself is tried here: certificates, name servers, room on the
 * disk and among the file descriptors, the clock, the metrics file. */
#include "buf.h"
#include "config.h"

/* 0, or -errno with one line for people in `why`: it makes no sense to go on.  What only
 * some feeds need, or what may come later, is warned of in the log. */
int selftest(const struct config *c, struct buf *why);
#endif
