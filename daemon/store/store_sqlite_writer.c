/* Who holds the store's lock?  Asked without taking it, so that a daemon that starts at
 * the same moment gets it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "store_sqlite.h"

#define PATH_SIZE 4096

/* The holder in a line of proc_locks(5), such as
 * "1: FLOCK  ADVISORY  WRITE 1234 08:02:5678 0 EOF", if it is about this file. */
static int64_t holder(const char *line, const struct stat *st)
{
    long long pid;
    unsigned major, minor;
    unsigned long inode;

    /* NOLINTNEXTLINE(cert-err34-c) ; the kernel writes it */
    if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %lld %x:%x:%lu", &pid, &major, &minor,
               &inode) != 4)
        return 0;
    return inode == st->st_ino && major == major(st->st_dev) && minor == minor(st->st_dev)
               ? pid
               : 0;
}

int64_t store_writer(const char *dir)
{
    char path[PATH_SIZE];
    struct stat st;
    char *line = NULL;
    size_t size = 0;
    int64_t pid = 0;

    if (snprintf(path, sizeof path, "%s/" LOCK_NAME, dir) >= (int)sizeof path ||
        stat(path, &st) < 0)
        return 0;
    FILE *locks = fopen("/proc/locks", "re");
    while (locks && pid <= 0 && getline(&line, &size, locks) > 0)
        pid = holder(line, &st);
    free(line);
    if (locks)
        (void)fclose(locks);
    return pid > 0 ? pid : 0;
}
