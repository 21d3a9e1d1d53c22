/* Which config file a subcommand reads, and what it says when that is refused. */
#include "cmd.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef FEEDWATCH_SYSCONFDIR
#define FEEDWATCH_SYSCONFDIR "/etc"
#endif

static const char system_path[] = FEEDWATCH_SYSCONFDIR "/feedwatch/feedwatch.ini";

/* XDG Base Directory Specification: relative paths in the variables are to be ignored. */
static int user_path(char *space, size_t size)
{
    const char *base = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int n;

    if (base && base[0] == '/')
        n = snprintf(space, size, "%s/feedwatch/feedwatch.ini", base);
    else if (home && home[0] == '/')
        n = snprintf(space, size, "%s/.config/feedwatch/feedwatch.ini", home);
    else
        return -1;
    return n > 0 && (size_t)n < size ? 0 : -1;
}

const char *cmd_config_path(const char *given, char *space, size_t size)
{
    if (given)
        return given;
    if (geteuid() != 0 && user_path(space, size) == 0 && access(space, F_OK) == 0)
        return space;
    return system_path;
}

int cmd_config_load(struct config **out, const char *given)
{
    char space[PATH_MAX];
    const char *path = cmd_config_path(given, space, sizeof space);
    struct buf errors;

    buf_init(&errors, 1 << 20);
    int r = config_load(out, path, &errors);
    if (r < 0 && errors.n)
        fputs(errors.s, stderr);
    else if (r < 0)
        fprintf(stderr, "feedwatch: %s: %s\n", path, strerror(-r));
    buf_free(&errors);
    return r < 0 ? EXIT_CONFIG : 0;
}
