/* Running programs from a process with threads: no shell, nothing inherited, no zombies,
 * and none of them forever. */
#include "sink_command_own.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clock.h"

#define GRACE_MS 1000 /* between SIGTERM and SIGKILL */
#define SAID_MAX 200  /* of what it writes to standard error */

struct child {
    struct run *run;
    pid_t pid;
    int pidfd, err; /* -1: closed; pidfd -1: ended */
    int64_t end_ms; /* when it is told to end, or killed */
    bool told;
    char said[SAID_MAX + 1];
    size_t n_said;
};

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* close(2), but not as the thread sanitizer knows it: that has not seen pidfd_open(2),
 * and would take the number for the descriptor that another thread had before. */
static void shut_pidfd(int *fd)
{
    if (*fd >= 0)
        (void)close_range((unsigned)*fd, (unsigned)*fd, 0);
    *fd = -1;
}

/* ---- starting */

struct ends {
    int in, err[2];
};

static int write_all(int fd, struct str all)
{
    for (size_t sent = 0; sent < all.n;) {
        ssize_t n = write(fd, all.s + sent, all.n - sent);
        if (n < 0 && errno != EINTR)
            return -errno;
        sent += n > 0 ? (size_t)n : 0;
    }
    return lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

/* Its input is whole before it starts: from a pipe it could read half an alert, or none,
 * and take that for all, when we are killed. */
static int open_ends(struct ends *e, struct str input)
{
    *e = (struct ends){ -1, { -1, -1 } };
    e->in = memfd_create("feedwatch-alert", MFD_CLOEXEC);
    if (e->in < 0 || pipe2(e->err, O_CLOEXEC) < 0 ||
        fcntl(e->err[0], F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    return write_all(e->in, input);
}

static void close_ends(struct ends *e)
{
    shut(&e->in);
    shut(&e->err[0]);
    shut(&e->err[1]);
}

/* A group of its own, no signal blocked or ignored, and of our files only these three. */
static int spawn(struct child *c, const struct ends *e)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    int r = posix_spawn_file_actions_init(&files);
    if (r)
        return -r;
    r = posix_spawnattr_init(&attr);
    if (r) {
        posix_spawn_file_actions_destroy(&files);
        return -r;
    }
    if ((r = posix_spawn_file_actions_adddup2(&files, e->in, 0)) ||
        (r = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0)) ||
        (r = posix_spawn_file_actions_adddup2(&files, e->err[1], 2)) ||
        (r = posix_spawn_file_actions_addclosefrom_np(&files, 3)) ||
        (r = posix_spawn_file_actions_addchdir_np(&files, "/")) ||
        (r = posix_spawnattr_setsigmask(&attr, &none)) ||
        (r = posix_spawnattr_setsigdefault(&attr, &all)) ||
        (r = posix_spawnattr_setpgroup(&attr, 0)) ||
        (r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
                                                 POSIX_SPAWN_SETSIGMASK |
                                                 POSIX_SPAWN_SETSIGDEF)))
        r = -r;
    else
        r = -posix_spawn(&c->pid, c->run->argv[0], &files, &attr, c->run->argv,
                         c->run->env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return r;
}

static int start(struct child *c)
{
    struct ends e;
    int r = open_ends(&e, c->run->input);

    if (r == 0)
        r = spawn(c, &e);
    if (r < 0) {
        close_ends(&e);
        return r;
    }
    c->err = e.err[0];
    shut(&e.in);
    shut(&e.err[1]);
    c->pidfd = pidfd_open(c->pid, 0);
    if (c->pidfd < 0) { /* cannot be waited for with a timeout: then not at all */
        r = -errno;
        kill(-c->pid, SIGKILL);
        (void)waitpid(c->pid, NULL, 0);
        shut(&c->err);
    }
    return r;
}

/* ---- while it runs */

/* Keep the beginning of what it says, and drain the rest. */
static void listen_to(struct child *c)
{
    char bytes[4096];
    ssize_t n = read(c->err, bytes, sizeof bytes);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        shut(&c->err);
        return;
    }
    size_t room = SAID_MAX - c->n_said, take = (size_t)n < room ? (size_t)n : room;
    memcpy(c->said + c->n_said, bytes, take);
    c->n_said += take;
}

static void tell_to_end(struct child *c, int64_t now_ms)
{
    kill(-c->pid, c->told ? SIGKILL : SIGTERM);
    c->told = true;
    c->end_ms = now_ms + GRACE_MS;
}

static void judge(struct child *c, const siginfo_t *info, int64_t timeout_ms)
{
    struct run *run = c->run;
    struct str said = str_trim((struct str){ c->said, c->n_said });

    if (!c->told && info->si_code == CLD_EXITED && info->si_status == 0) {
        run->result = 0;
        return;
    }
    run->result = c->told ? -ETIMEDOUT : -EIO;
    run->its_fault = true;
    if (c->told)
        (void)buf_printf(&run->why, "%s was stopped after %lld ms", run->argv[0],
                         (long long)timeout_ms);
    else
        (void)buf_printf(&run->why, "%s ended with %s %d", run->argv[0],
                         info->si_code == CLD_EXITED ? "status" : "signal",
                         info->si_status);
    if (said.n)
        (void)buf_printf(&run->why, ": %.*s", (int)said.n, said.s);
}

/* It is a zombie now: its number still stands for its group, so that what it left behind
 * can be killed before it is buried. */
static void bury(struct child *c, int64_t timeout_ms)
{
    siginfo_t info = { 0 };

    kill(-c->pid, SIGKILL);
    if (c->err >= 0)
        listen_to(c);
    while (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    shut_pidfd(&c->pidfd);
    shut(&c->err);
    judge(c, &info, timeout_ms);
}

static size_t poll_list(struct pollfd *list, struct child *c, size_t n, int64_t *wait_ms,
                        int64_t now_ms)
{
    size_t running = 0;

    *wait_ms = 60000;
    for (size_t i = 0; i < n; i++) {
        list[2 * i] = (struct pollfd){ c[i].pidfd, POLLIN, 0 };
        list[2 * i + 1] = (struct pollfd){ c[i].err, POLLIN, 0 };
        if (c[i].pidfd < 0)
            continue;
        running++;
        if (c[i].end_ms - now_ms < *wait_ms)
            *wait_ms = c[i].end_ms > now_ms ? c[i].end_ms - now_ms : 0;
    }
    return running;
}

static void serve(struct child *c, const struct pollfd *at, bool stop, int64_t timeout_ms)
{
    int64_t now_ms = clock_mono_ms();

    if (c->pidfd < 0)
        return;
    if (stop) {
        c->told = true;
        c->end_ms = now_ms;
    }
    if (at[1].revents)
        listen_to(c);
    if (at[0].revents)
        bury(c, timeout_ms);
    else if (now_ms >= c->end_ms)
        tell_to_end(c, now_ms);
}

void command_run(struct run *runs, size_t n, int64_t timeout_ms, int stop_fd)
{
    struct child child[COMMAND_PARALLEL_MAX];
    struct pollfd list[2 * COMMAND_PARALLEL_MAX + 1];
    int64_t wait_ms;
    bool stop = false;

    for (size_t i = 0; i < n; i++) {
        child[i] = (struct child){ .run = &runs[i], .pidfd = -1, .err = -1 };
        child[i].end_ms = clock_mono_ms() + timeout_ms;
        runs[i].result = start(&child[i]);
        if (runs[i].result < 0)
            (void)buf_printf(&runs[i].why, "%s: %s", runs[i].argv[0],
                             strerror(-runs[i].result));
    }
    while (poll_list(list, child, n, &wait_ms, clock_mono_ms())) {
        list[2 * n] = (struct pollfd){ stop ? -1 : stop_fd, POLLIN, 0 };
        if (poll(list, 2 * n + 1, (int)wait_ms) < 0 && errno != EINTR)
            break; /* cannot be */
        bool now = !stop && list[2 * n].revents;
        stop |= now;
        for (size_t i = 0; i < n; i++)
            serve(&child[i], &list[2 * i], now, timeout_ms);
    }
}
