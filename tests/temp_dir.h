#ifndef TEMP_DIR_H
#define TEMP_DIR_H
/* A folder of its own for each test: set-up and tear-down. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char dir[64];

/* 0, or -1: no folder can be made in `base`. */
static inline int temp_dir_make(const char *base, const char *name)
{
    snprintf(dir, sizeof dir, "%s/feedwatch-%s.XXXXXX", base, name);
    return mkdtemp(dir) ? 0 : -1;
}

static inline int temp_dir_drop_one(const char *path, const struct stat *st, int what,
                                    struct FTW *at)
{
    (void)st, (void)what, (void)at;
    return remove(path);
}

static int drop_dir(void **state)
{
    (void)state;
    return nftw(dir, temp_dir_drop_one, 8, FTW_DEPTH | FTW_PHYS);
}
#endif
