/* The file below the alert log: opening, mending, reading back, appending. */
#include "sink_log_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "alert.h"
#include "sink_file.h"

#define LOOK_BACK (1024 * 1024)
#define LOOK_BACK_MAX (64UL * 1024 * 1024)

static int say(struct buf *why, const char *path, int error, const char *text)
{
    buf_printf(why, "%s: %s", path, text ? text : strerror(error));
    return -error;
}

int log_file_open(const char *path, bool *made, struct buf *why)
{
    const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat st;
    int fd = open(path, flags);

    *made = fd < 0 && errno == ENOENT;
    if (*made) {
        int r = file_make_dirs(path);
        if (r < 0)
            /* cppcheck-suppress resourceLeak ; nothing is open here */
            return say(why, path, -r, NULL);
        /* cppcheck-suppress resourceLeak */
        fd = open(path, flags | O_CREAT, 0640);
    }
    if (fd < 0)
        return say(why, path, errno, NULL);
    int error = fstat(fd, &st) < 0 ? errno : !S_ISREG(st.st_mode) ? ENOTSUP : 0;
    if (error) {
        close(fd);
        return say(why, path, error, error == ENOTSUP ? "is not a regular file" : NULL);
    }
    if (*made)
        file_sync_dir(path);
    return fd;
}

/* The last bytes of the file, at most `most`.  0 or -errno. */
static int read_tail(int fd, size_t most, struct buf *tail, off_t *size)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    *size = st.st_size;
    size_t want = st.st_size < (off_t)most ? (size_t)st.st_size : most;
    buf_clear(tail);
    if (buf_reserve(tail, want) < 0)
        return tail->error;
    while (tail->n < want) {
        ssize_t n = pread(fd, tail->s + tail->n, want - tail->n,
                          st.st_size - (off_t)want + (off_t)tail->n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ESTALE; /* cut under our hands: look again later */
        tail->n += (size_t)n;
    }
    return 0;
}

int log_file_lock(int fd)
{
    struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_SETLK, &all) == 0)
        return 0;
    return errno == EACCES || errno == EAGAIN ? -EBUSY
                                              : 0; /* no locks here: do without */
}

/* Could these bytes be the front of a line of ours?  Rendered lines open with fixed text
 * and numbers. */
static bool like_ours(struct str front)
{
    const struct alert sample = { .seq = 1, .time_ms = 1577836800000 };
    struct buf line;
    bool like = false;

    buf_init(&line, 4096);
    for (int f = ALERT_TEXT; f <= ALERT_JSON && !like; f++) {
        buf_clear(&line);
        if (alert_render(&line, &sample, (enum alert_format)f) < 0)
            continue;
        size_t n = front.n < 5 ? front.n : 5, i = 0;
        while (i < n && i < line.n &&
               (front.s[i] == line.s[i] || (front.s[i] >= '0' && front.s[i] <= '9' &&
                                            line.s[i] >= '0' && line.s[i] <= '9')))
            i++;
        like = i == n;
    }
    buf_free(&line);
    return like;
}

/* The number in the last whole line that is ours; -1: none.  *whole: bytes up to the end
 * of the last line.  `cut`: the first line may lack its front, and what is left of it may
 * look like one of ours. */
static int64_t last_seq(const struct buf *tail, bool cut, size_t *whole)
{
    int64_t seq = -1;
    size_t end = tail->n;

    while (end && tail->s[end - 1] != '\n')
        end--;
    *whole = end;
    while (seq < 0 && end) {
        const char *nl = memrchr(tail->s, '\n', end - 1);
        size_t start = nl ? (size_t)(nl - tail->s) + 1 : 0;

        if (start == 0 && cut)
            break;
        seq = alert_line_seq((struct str){ tail->s + start, end - start });
        end = start;
    }
    return seq;
}

/* Look back until a line of ours is found, further each time. */
static int look_back(int fd, struct buf *tail, off_t *size, size_t *whole, int64_t *seq)
{
    for (size_t most = LOOK_BACK;; most *= 8) {
        int r = read_tail(fd, most, tail, size);
        if (r < 0)
            return r;
        bool cut = *size > (off_t)tail->n;
        *seq = last_seq(tail, cut, whole);
        if (*seq >= 0 || !cut || most >= LOOK_BACK_MAX)
            return 0;
    }
}

int log_file_read_back(int fd, bool mend, int64_t *seq)
{
    struct buf tail;
    size_t whole;
    off_t size = 0;
    int64_t found;

    buf_init(&tail, LOOK_BACK_MAX);
    int r = look_back(fd, &tail, &size, &whole, &found);
    if (r == 0) {
        struct str torn = { tail.s + whole, tail.n - whole };
        bool ours = found >= 0 || (!whole && (off_t)torn.n == size && like_ours(torn));

        *seq = found;
        if (tail.n && !ours)
            r = -EEXIST; /* not a log of ours: hands off */
        else if (mend && torn.n && ftruncate(fd, size - (off_t)torn.n) < 0)
            r = -errno;
    }
    buf_free(&tail);
    return r;
}

/* Is `name` a rotated `base`: base.1, base-20261124 and the like, not packed? */
static bool is_rotated(const char *name, const char *base)
{
    size_t n = strlen(base);

    if (strncmp(name, base, n) != 0 || (name[n] != '.' && name[n] != '-'))
        return false;
    return strspn(name + n + 1, "0123456789-") == strlen(name + n + 1);
}

/* Open the newest rotated sibling; -1: there is none. */
static int open_rotated(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char dir[PATH_MAX] = ".";
    struct timespec newest = { 0, 0 };
    struct dirent *e;
    int best = -1;

    if (slash)
        snprintf(dir, sizeof dir, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    DIR *d = opendir(dir);
    while (d && (e = readdir(d))) {
        struct stat st;
        if (!is_rotated(e->d_name, base) || fstatat(dirfd(d), e->d_name, &st, 0) < 0 ||
            !S_ISREG(st.st_mode) || st.st_size == 0)
            continue;
        if (best >= 0 &&
            (st.st_mtim.tv_sec < newest.tv_sec || (st.st_mtim.tv_sec == newest.tv_sec &&
                                                   st.st_mtim.tv_nsec <= newest.tv_nsec)))
            continue;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            continue;
        if (best >= 0)
            close(best);
        best = fd;
        newest = st.st_mtim;
    }
    if (d)
        closedir(d);
    return best;
}

int64_t log_file_rotated_seq(const char *path)
{
    int fd = open_rotated(path);

    if (fd < 0)
        return -1;
    int64_t seq = -1;
    int r = log_file_read_back(fd, false, &seq);
    close(fd);
    return r < 0 ? -1 : seq;
}

size_t log_file_append(int fd, const char *bytes, size_t n, int *error)
{
    size_t done = 0;

    *error = 0;
    while (done < n) {
        ssize_t w = write(fd, bytes + done, n - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0) {
            *error = w < 0 ? -errno : -EIO;
            break;
        }
        done += (size_t)w;
    }
    return done;
}

bool log_file_is(int fd, const char *path)
{
    struct stat open_st, path_st;

    return fstat(fd, &open_st) == 0 && stat(path, &path_st) == 0 &&
           open_st.st_dev == path_st.st_dev && open_st.st_ino == path_st.st_ino;
}
