/* Preloaded into feedwatch: faults of the disk and of memory, at a step or for a while.
 *   FAULT=kill     FAULT_STEP=N   ends the process before its Nth call that changes a
 * file FAULT=memory   FAULT_STEP=N   the Nth allocation fails FAULT=full FAULT_WHILE=F
 * writes to files fail while F exists: no space FAULT=short    FAULT_WHILE=F  half of
 * each write to a file, then no space FAULT=sync     FAULT_WHILE=F  fsync and fdatasync
 * fail: input/output error FAULT_DONE=F is made when the fault at a step came. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum fault { NONE, KILL, MEMORY, FULL, SHORT, SYNC };

static enum fault fault;
static const char *during, *done;
static atomic_long left;

static void __attribute__((constructor)) begin(void)
{
    static const char *const name[] = { "", "kill", "memory", "full", "short", "sync" };
    const char *want = getenv("FAULT"), *step = getenv("FAULT_STEP");

    during = getenv("FAULT_WHILE");
    done = getenv("FAULT_DONE");
    atomic_store(&left, step ? strtol(step, NULL, 10) : 0);
    for (int i = 1; want && i <= SYNC; i++)
        if (!strcmp(want, name[i]))
            fault = (enum fault)i;
}

static bool is_file(int fd)
{
    struct stat st;

    return fd > 2 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool step_comes(void)
{
    return atomic_fetch_sub(&left, 1) == 1;
}

static void mark_done(void)
{
    int fd = done ? open(done, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;

    if (fd >= 0)
        close(fd);
}

/* Before a call that changes a file. */
static void before(void)
{
    if (fault != KILL || !step_comes())
        return;
    mark_done();
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static bool now(enum fault which)
{
    return fault == which && during && access(during, F_OK) == 0;
}

#define REAL(name) ((__typeof__(&name))(size_t)dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t n)
{
    bool file = is_file(fd);

    if (file)
        before();
    if (file && (now(FULL) || (now(SHORT) && n < 2))) {
        errno = ENOSPC;
        return -1;
    }
    return REAL(write)(fd, bytes, file && now(SHORT) ? n / 2 : n);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    before();
    if (now(FULL) || now(SHORT)) {
        errno = ENOSPC;
        return -1;
    }
    return REAL(pwrite64)(fd, bytes, n, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return pwrite64(fd, bytes, n, at);
}

int fdatasync(int fd)
{
    before();
    if (now(SYNC)) {
        errno = EIO;
        return -1;
    }
    return REAL(fdatasync)(fd);
}

int fsync(int fd)
{
    before();
    if (now(SYNC)) {
        errno = EIO;
        return -1;
    }
    return REAL(fsync)(fd);
}

int ftruncate64(int fd, off64_t size)
{
    before();
    return REAL(ftruncate64)(fd, size);
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int rename(const char *from, const char *to)
{
    before();
    return REAL(rename)(from, to);
}

int unlink(const char *path)
{
    before();
    return REAL(unlink)(path);
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static bool no_memory(void)
{
    if (fault != MEMORY || !step_comes())
        return false;
    mark_done();
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return no_memory() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return no_memory() ? NULL : __libc_realloc(p, n);
}
