/* Which config file a subcommand reads when none was named. */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
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
