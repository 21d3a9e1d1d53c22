/* Watches that the user keeps from this desktop for a time: until when, and how many
 * alerts that was.  A mute always ends: it lasts no longer than it was asked for,
 * whatever is done to the clock, and it is kept over a restart. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "sink_desktop_impl.h"
#include "sink_thread.h"

#define MUTED_MAX 64

struct mutes {
    pthread_mutex_t lock; /* the thread mutes, the outside looks */
    int64_t length_ms;
    int wake_fd, event_fd; /* for the thread, for the outside: look again */
    bool changed;          /* since mutes_take() */
    size_t n;
    struct muted {
        char *watch;
        int64_t until_ms; /* UTC */
        int64_t held;     /* alerts that were not shown */
        char is;          /* '+' new, '=' known to the outside, '-' over */
    } list[MUTED_MAX];
};

struct mutes *mutes_new(int64_t length_ms, int wake_fd, int event_fd)
{
    struct mutes *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->length_ms = length_ms;
    m->wake_fd = wake_fd;
    m->event_fd = event_fd;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void mutes_free(struct mutes *m)
{
    if (!m)
        return;
    while (m->n)
        free(m->list[--m->n].watch);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static struct muted *find(struct mutes *m, struct str watch)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i].is != '-' && str_eq(str_of(m->list[i].watch), watch))
            return &m->list[i];
    return NULL;
}

static void drop(struct mutes *m, size_t i)
{
    free(m->list[i].watch);
    m->n--;
    memmove(&m->list[i], &m->list[i + 1], (m->n - i) * sizeof m->list[0]);
}

/* One more, when there is room: else its alerts are shown. */
static struct muted *add(struct mutes *m, struct str watch)
{
    struct muted *w = m->n < MUTED_MAX ? &m->list[m->n] : NULL;

    if (!w || !(w->watch = strndup(watch.n ? watch.s : "", watch.n)))
        return NULL;
    m->n++;
    w->held = 0;
    return w;
}

void mutes_add(struct mutes *m, struct str watch, int64_t now_ms)
{
    pthread_mutex_lock(&m->lock);
    struct muted *w = find(m, watch);
    if (w || (w = add(m, watch))) {
        w->is = '+';
        w->until_ms = now_ms + m->length_ms;
        m->changed = true;
    }
    pthread_mutex_unlock(&m->lock);
    sink_poke(m->wake_fd);
    sink_poke(m->event_fd);
}

/* Is it over?  A clock that was set back does not make it longer. */
static bool is_over(const struct mutes *m, struct muted *w, int64_t now_ms)
{
    if (w->until_ms > now_ms + m->length_ms)
        w->until_ms = now_ms + m->length_ms;
    return now_ms >= w->until_ms;
}

bool mutes_hold(struct mutes *m, struct str watch, int64_t now_ms)
{
    pthread_mutex_lock(&m->lock);
    struct muted *w = find(m, watch);
    bool held = w && !is_over(m, w, now_ms);
    if (held) {
        w->held++;
        m->changed = true;
    }
    pthread_mutex_unlock(&m->lock);
    return held;
}

int64_t mutes_end(struct mutes *m, int64_t now_ms)
{
    int64_t next = -1;
    bool ended = false;

    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n; i++) {
        struct muted *w = &m->list[i];

        if (w->is == '-')
            continue;
        if (is_over(m, w, now_ms)) {
            w->is = '-';
            ended = m->changed = true;
        } else if (next < 0 || w->until_ms - now_ms < next) {
            next = w->until_ms - now_ms;
        }
    }
    pthread_mutex_unlock(&m->lock);
    if (ended)
        sink_poke(m->event_fd);
    return next;
}

bool mutes_take(struct mutes *m, struct buf *out)
{
    pthread_mutex_lock(&m->lock);
    bool changed = m->changed;
    for (size_t i = 0; changed && i < m->n; i++)
        (void)buf_printf(out, "%c%" PRId64 " %" PRId64 " %s\n", m->list[i].is,
                         m->list[i].until_ms, m->list[i].held, m->list[i].watch);
    if (out->error) /* later */
        changed = false;
    for (size_t i = 0; changed && i < m->n;) {
        bool over = m->list[i].is == '-';

        m->list[i].is = '=';
        if (over)
            drop(m, i);
        else
            i++;
    }
    if (changed)
        m->changed = false;
    pthread_mutex_unlock(&m->lock);
    return changed;
}

/* "=1790000000000 3 summit" */
static void restore_line(struct mutes *m, const char *line, size_t n)
{
    char *end = NULL;
    int64_t until_ms = strtoll(line + 1, &end, 10);
    int64_t held = strtoll(end, &end, 10);
    const char *name = end + 1;

    if (line[0] == '-' || *end != ' ' || name >= line + n)
        return;
    struct str watch = { name, (size_t)(line + n - name) };
    struct muted *w = find(m, watch) ? NULL : add(m, watch);
    if (!w)
        return;
    w->is = '=';
    w->until_ms = until_ms;
    w->held = held;
}

void mutes_restore(struct mutes *m, const char *text)
{
    pthread_mutex_lock(&m->lock);
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");

        if (n)
            restore_line(m, line, n);
        line += n + (line[n] == '\n');
    }
    pthread_mutex_unlock(&m->lock);
}
