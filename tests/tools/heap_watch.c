/* Preloaded by the soak: writes once a second, as a line each, what the program's heap
 * holds, to the file that HEAP_WATCH names: bytes in use, bytes that malloc keeps free,
 * and how many of those in use are SQLite's.  Only mallinfo2() tells a leak from a heap
 * with holes. */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *watch(void *path)
{
    FILE *out = fopen(path, "ae");
    long long (*sqlite)(void) = NULL;
    void *call = dlsym(RTLD_DEFAULT, "sqlite3_memory_used");

    __builtin_memcpy(&sqlite, &call, sizeof call);
    while (out) {
        struct timespec second = { .tv_sec = 1 };
        struct mallinfo2 m = mallinfo2();

        fprintf(out, "%d %zu %zu %lld\n", (int)getpid(), m.uordblks + m.hblkhd,
                m.fordblks, sqlite ? sqlite() : 0);
        fflush(out);
        syscall(SYS_nanosleep, &second,
                NULL); /* true time, whatever clock is preloaded */
    }
    return NULL;
}

__attribute__((constructor)) static void start(void)
{
    char *path = getenv("HEAP_WATCH");
    sigset_t all, before;
    pthread_t thread;

    if (!path)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, watch, path) == 0)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
