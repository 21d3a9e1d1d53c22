/* From the config to the list of sinks that are to be open. */
#include "dispatch_plan.h"

#include <stdio.h>

size_t plan_sinks(struct sink_options plan[PLAN_MAX], const struct config *c)
{
    size_t n = 0;

    plan[n++] = (struct sink_options){ .name = "log",
                                       .type = "log",
                                       .path = c->log_path,
                                       .format = c->log_format,
                                       .text = "" };
    if (c->desktop == CONFIG_DESKTOP_YES ||
        (c->desktop == CONFIG_DESKTOP_AUTO && sink_desktop_possible()))
        plan[n++] =
            (struct sink_options){ .name = "desktop", .type = "desktop", .text = "" };
    for (size_t i = 0; i < c->n_sinks && n < PLAN_MAX; i++)
        plan[n++] = c->sinks[i].options;
    return n;
}

char *plan_key(const struct sink_options *want)
{
    char *key;

    return asprintf(&key, "%s\n%s\n%s\n%d\n%s", want->name, want->type,
                    want->path ? want->path : "", (int)want->format, want->text) < 0
               ? NULL
               : key;
}
