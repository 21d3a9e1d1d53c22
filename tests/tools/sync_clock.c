/* Preloaded into feedwatch by the latency benchmark: after each fsync and fdatasync a
 * line goes to the file $SYNC_CLOCK: inode, size that the file had before the call, and
 * the time after it in nanoseconds of CLOCK_MONOTONIC.  Whatever ends below that size is
 * on the disk since then. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef int sync_fn(int);

static sync_fn *real_fsync, *real_fdatasync;
static int out = -1;

static void __attribute__((constructor)) begin(void)
{
    const char *path = getenv("SYNC_CLOCK");

    real_fsync = (sync_fn *)(size_t)dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (sync_fn *)(size_t)dlsym(RTLD_NEXT, "fdatasync");
    if (path)
        out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int timed(sync_fn *real, int fd)
{
    struct stat st;
    struct timespec t;
    char line[100];

    int known = fstat(fd, &st);
    int r = real(fd), e = errno;
    if (r == 0 && known == 0 && out >= 0) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        int n =
            snprintf(line, sizeof line, "%llu %lld %lld\n", (unsigned long long)st.st_ino,
                     (long long)st.st_size, (long long)t.tv_sec * 1000000000 + t.tv_nsec);
        if (write(out, line, (size_t)n) < 0)
            out = -1;
    }
    errno = e;
    return r;
}

int fsync(int fd)
{
    return timed(real_fsync, fd);
}

int fdatasync(int fd)
{
    return timed(real_fdatasync, fd);
}
