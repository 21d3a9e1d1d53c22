/* May a program be run that a config names?  Not if others can change either. */
#include "sink_command_own.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 20

static int refuse(struct buf *why, const char *path, const char *what)
{
    (void)buf_printf(why, "%s %s", path, what);
    return -EPERM;
}

/* One file or directory on the way.  In a sticky directory others can add files, but not
 * replace ours. */
static int judge(const char *path, const struct stat *st, struct buf *why)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return refuse(why, path, "belongs to somebody else");
    if (S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX)
        return 0;
    if (st->st_mode & S_IWOTH)
        return refuse(why, path, "can be written by everybody; chmod o-w");
    if (st->st_mode & S_IWGRP && st->st_gid != 0)
        return refuse(why, path, "can be written by its group; chmod g-w");
    return 0;
}

static int walk(const char *path, unsigned links, struct buf *why);

/* Go on where a link leads to. */
static int follow(const char *link, size_t dir, const char *rest, unsigned links,
                  struct buf *why)
{
    char target[PATH_MAX], next[2 * PATH_MAX];
    ssize_t n = readlink(link, target, sizeof target - 1);

    if (n < 0 || links == LINKS_MAX)
        return refuse(why, link, "is a link that leads nowhere");
    target[n] = '\0';
    int len = snprintf(next, sizeof next, "%.*s%s%s", target[0] == '/' ? 0 : (int)dir,
                       link, target, rest);
    if (len < 0 || len >= PATH_MAX)
        return refuse(why, link, "is a link with too long a path");
    return walk(next, links + 1, why);
}

/* Each part of the way, from the root on. */
static int walk(const char *path, unsigned links, struct buf *why)
{
    char part[PATH_MAX];
    struct stat st;
    size_t n = strlen(path), dir = 0;

    if (path[0] != '/' || n >= sizeof part)
        return refuse(why, path, "is no whole path");
    for (size_t i = 1; i <= n; i++) {
        if (i < n && path[i] != '/' && i != 1)
            continue;
        if (i > 1 && path[i - 1] == '/') /* a slash too many */
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (lstat(part, &st) < 0) {
            int r = -errno;
            (void)buf_printf(why, "%s: %s", part, strerror(-r));
            return r;
        }
        if (S_ISLNK(st.st_mode))
            return follow(part, dir, path + i, links, why);
        int r = judge(part, &st, why);
        if (r < 0)
            return r;
        dir = i == 1 ? 1 : i + 1;
    }
    return 0;
}

int command_safe(const char *path, struct buf *why)
{
    return walk(path, 0, why);
}
