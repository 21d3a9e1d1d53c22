#ifndef DISPATCH_PLAN_H
#define DISPATCH_PLAN_H
/* Inside the dispatcher: which sinks the config asks for. */
#include "config.h"
#include "sink.h"

#define PLAN_MAX (2 + CONFIG_SINKS_MAX)

/* The sinks that the config asks for. */
size_t plan_sinks(struct sink_options plan[PLAN_MAX], const struct config *c);

/* What makes one sink another one than before; NULL: out of memory. */
char *plan_key(const struct sink_options *want);
#endif
