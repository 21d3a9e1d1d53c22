/* Directories and small files, for sinks that write them. */
#include "sink_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_make_dirs(const char *path)
{
    char dir[PATH_MAX];
    size_t n = strlen(path);

    if (n >= sizeof dir)
        return -ENAMETOOLONG;
    for (size_t i = 0; i < n; i++) {
        dir[i] = path[i];
        if (i == 0 || path[i] != '/' || path[i - 1] == '/')
            continue;
        dir[i] = '\0';
        if (mkdir(dir, 0750) < 0 && errno != EEXIST)
            return -errno;
        dir[i] = '/';
    }
    return 0;
}

void file_sync_dir(const char *path)
{
    char dir[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');

    if (slash)
        snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); /* some file systems refuse; the data is synced anyway */
        close(fd);
    }
}

int file_read(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r = 0;
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        r = -errno;
    else if (!S_ISREG(st.st_mode))
        r = -ENOTSUP;
    while (r == 0) {
        char bytes[16384];
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r = n < 0 ? -errno : 0;
            break;
        }
        r = buf_put(out, bytes, (size_t)n);
    }
    close(fd);
    return r;
}

static int write_all(int fd, struct str bytes)
{
    for (size_t done = 0; done < bytes.n;) {
        ssize_t n = write(fd, bytes.s + done, bytes.n - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            done += (size_t)n;
    }
    return 0;
}

int file_replace(const char *path, struct str bytes)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char aside[PATH_MAX];
    struct stat st;
    int n = snprintf(aside, sizeof aside, "%.*s.%s.new", (int)(name - path), path, name);

    if (n < 0 || (size_t)n >= sizeof aside)
        return -ENAMETOOLONG;
    mode_t mode = stat(path, &st) == 0 ? st.st_mode & 0777 : 0644;
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    int fd = open(aside, flags, 0600);
    if (fd < 0 && errno == ENOENT && file_make_dirs(path) == 0)
        fd = open(aside, flags, 0600);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, bytes);
    if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(aside, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(aside);
    else
        file_sync_dir(path);
    return r;
}
