/* The alert log: one line an alert, in order, on disk before it counts. */
#include "sink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "alert.h"
#include "sink_kinds.h"
#include "sink_log_file.h"

#define BATCH_BYTES (16UL * 1024 * 1024)

struct sink_log {
    struct sink sink; /* first: the outside knows only this */
    char *name, *path;
    enum alert_format format;
    int fd;       /* -1: must be opened first */
    bool torn;    /* the end of the file may hold half a line of ours */
    int64_t last; /* on disk up to here; -1: nothing since ever */
    struct buf text;
};

static struct sink_log *self(struct sink *s)
{
    return (struct sink_log *)s;
}

static int fail(const struct sink_log *s, struct buf *why, int r)
{
    if (why)
        buf_printf(why, "%s: %s", s->path,
                   r == -EBUSY    ? "another process writes to this log"
                   : r == -EEXIST ? "holds something else than alerts; name another file"
                                  : strerror(-r));
    return r;
}

static void close_file(struct sink_log *s)
{
    if (s->fd >= 0)
        close(s->fd); /* everything that counts was synced before */
    s->fd = -1;
}

/* Open the file and read back how far it goes.  What is read back may never have been
 * synced, so that is done before it counts. */
static int open_file(struct sink_log *s, struct buf *why)
{
    struct buf nowhere;
    bool made;

    buf_init(&nowhere, 400);
    int fd = log_file_open(s->path, &made, why ? why : &nowhere);
    buf_free(&nowhere);
    if (fd < 0)
        return fd;
    int64_t seq = -1;
    int r = log_file_lock(fd);
    if (r == 0)
        r = log_file_read_back(fd, true, &seq);
    if (r == 0 && seq < 0)
        seq = log_file_rotated_seq(s->path);
    if (r == 0 && !made && fdatasync(fd) < 0)
        r = -errno;
    if (r < 0) {
        close(fd);
        return fail(s, why, r);
    }
    close_file(s);
    s->fd = fd;
    s->torn = false;
    if (seq > s->last)
        s->last = seq;
    return 0;
}

/* Have the file that `path` names open and whole. */
static int ready_file(struct sink_log *s, struct buf *why)
{
    if (s->fd < 0 || !log_file_is(s->fd, s->path))
        return open_file(s, why);
    int64_t seq;
    int r = log_file_lock(s->fd);
    if (r == 0 && s->torn)
        r = log_file_read_back(s->fd, true, &seq);
    if (r < 0)
        return fail(s, why, r);
    s->torn = false;
    return 0;
}

/* Render what is not in the file yet.  *end[i]: bytes of text up to alert i. */
static int render(struct sink_log *s, const struct alert *const *alerts, size_t n,
                  size_t *end)
{
    buf_clear(&s->text);
    for (size_t i = 0; i < n; i++) {
        int r =
            alerts[i]->seq <= s->last ? 0 : alert_render(&s->text, alerts[i], s->format);
        if (r < 0)
            return r;
        end[i] = s->text.n;
    }
    return 0;
}

/* Take back what was appended behind `whole` bytes of the `size` the file had. */
static void take_back(struct sink_log *s, off_t size, size_t whole)
{
    struct stat st;

    /* Shorter than we left it: somebody else cut the file; mend its end instead. */
    if (fstat(s->fd, &st) < 0 || st.st_size < size + (off_t)whole ||
        ftruncate(s->fd, size + (off_t)whole) < 0)
        s->torn = true;
}

/* Write and sync the rendered lines.  Returns how many alerts are on disk, or -errno. */
static int write_batch(struct sink_log *s, const struct alert *const *alerts, size_t n,
                       const size_t *end)
{
    struct stat st;
    int error = 0;

    if (fstat(s->fd, &st) < 0)
        return -errno;
    size_t done = log_file_append(s->fd, s->text.s, s->text.n, &error);
    size_t whole = n;
    while (whole && end[whole - 1] > done)
        whole--;
    if (done < s->text.n)
        take_back(s, st.st_size, whole ? end[whole - 1] : 0);
    if (whole && s->text.n && fdatasync(s->fd) < 0) {
        /* The kernel may now take these pages for clean: a second sync would lie.  Take
         * them back and write them anew next time. */
        error = -errno;
        take_back(s, st.st_size, 0);
        close_file(s);
        return error;
    }
    if (whole && alerts[whole - 1]->seq > s->last)
        s->last = alerts[whole - 1]->seq;
    return whole ? (int)whole : error;
}

static int log_deliver(struct sink *sink, const struct alert *const *alerts, size_t n,
                       struct buf *why)
{
    struct sink_log *s = self(sink);

    if (n > 4096)
        n = 4096;
    int r = ready_file(s, why);
    if (r < 0 || n == 0)
        return r;
    size_t *end = malloc(n * sizeof *end);
    r = end ? render(s, alerts, n, end) : -ENOMEM;
    if (r == 0)
        r = write_batch(s, alerts, n, end);
    free(end);
    return r < 0 ? fail(s, why, r) : r;
}

static int64_t log_delivered(struct sink *sink)
{
    return self(sink)->last;
}

static int log_fd(struct sink *sink)
{
    (void)sink;
    return -1;
}

static bool log_trouble(struct sink *sink, struct buf *why)
{
    (void)sink; /* deliver() says it all */
    (void)why;
    return false;
}

static int log_reopen(struct sink *sink)
{
    struct sink_log *s = self(sink);

    return s->fd >= 0 && log_file_is(s->fd, s->path) ? 0 : open_file(s, NULL);
}

static void log_free(struct sink *sink, int64_t deadline_ms)
{
    struct sink_log *s = self(sink);

    (void)deadline_ms;
    if (!s)
        return;
    close_file(s);
    buf_free(&s->text);
    free(s->name);
    free(s->path);
    free(s);
}

static const struct sink_ops log_ops = {
    .type = "log",
    .deliver = log_deliver,
    .delivered = log_delivered,
    .fd = log_fd,
    .trouble = log_trouble,
    .reopen = log_reopen,
    .free = log_free,
};

int sink_log_new(struct sink **out, const char *name, const char *path,
                 enum alert_format f, struct buf *why)
{
    struct sink_log *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    s->sink.ops = &log_ops;
    s->fd = -1;
    s->last = -1;
    s->format = f;
    buf_init(&s->text, BATCH_BYTES);
    s->name = strdup(name);
    s->path = strdup(path);
    s->sink.name = s->name;
    int r = s->name && s->path ? open_file(s, why) : -ENOMEM;
    if (r < 0) {
        log_free(&s->sink, 0);
        return r;
    }
    *out = &s->sink;
    return 0;
}

int sink_log_open(struct sink **out, const struct sink_options *o, struct buf *why)
{
    return sink_log_new(out, o->name, o->path, o->format, why);
}
