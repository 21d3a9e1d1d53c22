/* Faults of the disk and of memory at a chosen step, for the program as it runs.  A test
 * sets them, and counts steps, in a file that both have mapped (FAULT_CONTROL; see
 * tests/e2e/faults.py).
 *
 * As faults.so it is preloaded: any allocation of the process can fail, and any call that
 * touches a file below one of the paths in FAULT_UNDER (separated by ':').  Linked in
 * with -DFAULTS_LINKED it stands before the allocations of the program itself, so that a
 * sanitizer's own allocator can stay behind it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum what { /* FAULT_... in faults.py */
            NONE,
            KILL,   /* the process ends before the call */
            MEMORY, /* an allocation fails */
            FAIL,   /* a call fails with `error` */
            SHORT,  /* half is written; of a single byte: no space */
};

enum { WRITE = 1, SYNC = 2, CHANGE = 4, OPEN = 8, READ = 16, LOOK = 32, LOCK = 64 };

struct control {
    atomic_int what;
    int error;
    int calls; /* which: WRITE | SYNC ... */
    int under; /* which paths of FAULT_UNDER: 1, 2, 4 ...; 0: all */
    int each;  /* step has the fault, else the left-th from now on */
    _Atomic int64_t left;
    _Atomic int64_t steps;  /* there were, while `what` was set */
    _Atomic int64_t struck; /* of them had the fault */
};

static struct control *control; /* NULL: no faults */

static void __attribute__((constructor)) begin(void)
{
    const char *path = getenv("FAULT_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED)
        control = p;
}

static bool strikes(void)
{
    atomic_fetch_add(&control->steps, 1);
    if (!control->each && atomic_fetch_sub(&control->left, 1) != 1)
        return false;
    atomic_fetch_add(&control->struck, 1);
    return true;
}

static bool no_memory(void)
{
    if (!control || atomic_load(&control->what) != MEMORY || !strikes())
        return false;
    errno = ENOMEM;
    return true;
}

#ifdef FAULTS_LINKED

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
int __wrap_asprintf(char **out, const char *format, ...);

void *__wrap_malloc(size_t n)
{
    return no_memory() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return no_memory() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return no_memory() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    return no_memory() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
    return no_memory() ? NULL : __real_strndup(s, n);
}

__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **out, const char *format,
                                                          ...)
{
    va_list list;

    if (no_memory())
        return -1;
    va_start(list, format);
    int n = vasprintf(out, format, list);
    va_end(list);
    return n;
}

#else

#include <dlfcn.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

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

static bool is_under(const char *path)
{
    const char *at = getenv("FAULT_UNDER");

    for (int bit = 1; at && *at; bit <<= 1) {
        size_t n = strcspn(at, ":");

        if (n && !strncmp(path, at, n) && (!control->under || control->under & bit))
            return true;
        at += n + (at[n] == ':');
    }
    return false;
}

/* What the test wants of `call`, if it asks about it on this file, else NONE.  It may
 * change its mind at any moment: one call looks once. */
static int wanted(int call, int fd, const char *path)
{
    char link[40], target[4096];

    if (!control || !(control->calls & call))
        return NONE;
    int what = atomic_load(&control->what);
    if (what == NONE || what == MEMORY)
        return NONE;
    if (path)
        return is_under(path) ? what : NONE;
    if (fd <= 2)
        return NONE;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, target, sizeof target - 1);
    if (n < 0)
        return NONE;
    target[n] = '\0';
    return is_under(target) ? what : NONE;
}

/* Before each call.  True: it fails, and errno says how. */
static bool fails(int call, int fd, const char *path)
{
    int keep = errno;
    int what = wanted(call, fd, path);

    errno = keep;
    if (what == NONE || what == SHORT || !strikes())
        return false;
    if (what == FAIL) {
        errno = control->error;
        return true;
    }
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* How much of `n` bytes a write may take; 0: nothing, errno says so. */
static size_t amount(int fd, size_t n)
{
    int keep = errno;
    bool cut = n && wanted(WRITE, fd, NULL) == SHORT;

    errno = keep;
    if (!cut || !strikes())
        return n;
    if (n < 2)
        errno = ENOSPC;
    return n / 2;
}

#define REAL(name) ((__typeof__(&name))(size_t)dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t n)
{
    size_t some;

    if (fails(WRITE, fd, NULL) || (n && !(some = amount(fd, n))))
        return -1;
    return REAL(write)(fd, bytes, n ? some : 0);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    size_t some;

    if (fails(WRITE, fd, NULL) || (n && !(some = amount(fd, n))))
        return -1;
    return REAL(pwrite64)(fd, bytes, n ? some : 0, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return pwrite64(fd, bytes, n, at);
}

ssize_t read(int fd, void *bytes, size_t n)
{
    return fails(READ, fd, NULL) ? -1 : REAL(read)(fd, bytes, n);
}

ssize_t pread64(int fd, void *bytes, size_t n, off64_t at)
{
    return fails(READ, fd, NULL) ? -1 : REAL(pread64)(fd, bytes, n, at);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t at)
{
    return pread64(fd, bytes, n, at);
}

int fdatasync(int fd)
{
    return fails(SYNC, fd, NULL) ? -1 : REAL(fdatasync)(fd);
}

int fsync(int fd)
{
    return fails(SYNC, fd, NULL) ? -1 : REAL(fsync)(fd);
}

int ftruncate64(int fd, off64_t size)
{
    return fails(CHANGE, fd, NULL) ? -1 : REAL(ftruncate64)(fd, size);
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int rename(const char *from, const char *to)
{
    return fails(CHANGE, -1, from) ? -1 : REAL(rename)(from, to);
}

int unlink(const char *path)
{
    return fails(CHANGE, -1, path) ? -1 : REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode)
{
    return fails(CHANGE, -1, path) ? -1 : REAL(mkdir)(path, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list list;

    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return fails(OPEN, -1, path) ? -1 : REAL(open64)(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list list;

    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open64(path, flags, mode);
}

void *mmap64(void *at, size_t n, int protection, int flags, int fd, off64_t offset)
{
    return fd >= 0 && fails(OPEN, fd, NULL)
               ? MAP_FAILED
               : REAL(mmap64)(at, n, protection, flags, fd, offset);
}

int stat64(const char *restrict path, struct stat64 *restrict out)
{
    return fails(LOOK, -1, path) ? -1 : REAL(stat64)(path, out);
}

int stat(const char *restrict path, struct stat *restrict out)
{
    return fails(LOOK, -1, path) ? -1 : REAL(stat)(path, out);
}

int lstat64(const char *restrict path, struct stat64 *restrict out)
{
    return fails(LOOK, -1, path) ? -1 : REAL(lstat64)(path, out);
}

int fstat64(int fd, struct stat64 *out)
{
    return fails(LOOK, fd, NULL) ? -1 : REAL(fstat64)(fd, out);
}

int fstat(int fd, struct stat *out)
{
    return fails(LOOK, fd, NULL) ? -1 : REAL(fstat)(fd, out);
}

int access(const char *path, int mode)
{
    return fails(LOOK, -1, path) ? -1 : REAL(access)(path, mode);
}

int fcntl64(int fd, int command, ...)
{
    va_list list;

    va_start(list, command);
    void *arg = va_arg(list, void *); /* or an int, or nothing: in the same register */
    va_end(list);
    return fails(LOCK, fd, NULL) ? -1 : REAL(fcntl64)(fd, command, arg);
}

int fcntl(int fd, int command, ...)
{
    va_list list;

    va_start(list, command);
    void *arg = va_arg(list, void *);
    va_end(list);
    return fcntl64(fd, command, arg);
}

#endif
