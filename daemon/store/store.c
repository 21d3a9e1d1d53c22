/* The store's front: hands each call to the backend behind it. */
#include "store.h"

#include <stdlib.h>
#include "store_impl.h"

int store_open(struct store **out, const char *dir, enum store_mode mode, struct buf *why)
{
    return store_sqlite_open(out, dir, mode, why);
}

void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

bool store_moved(const struct store *s)
{
    return s->ops->moved(s);
}

const char *store_why(const struct store *s)
{
    return s->why;
}

void store_feed_done(struct store_feed *f)
{
    char **owned[] = { &f->name,  &f->url,           &f->effective_url,
                       &f->etag,  &f->last_modified, &f->error,
                       &f->title, &f->moved_to,      &f->hub };

    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        free(*owned[i]);
        *owned[i] = NULL;
    }
}

int store_feed_bind(struct store *s, const char *name, const char *url,
                    struct store_feed *out)
{
    s->why[0] = '\0';
    return s->ops->feed_bind(s, name, url, out);
}

int store_feeds_bind(struct store *s, const struct store_bind *feeds, size_t n)
{
    s->why[0] = '\0';
    return s->ops->feeds_bind(s, feeds, n);
}

int store_begin(struct store *s)
{
    s->why[0] = '\0';
    return s->ops->begin(s);
}

int store_end(struct store *s)
{
    s->why[0] = '\0';
    return s->ops->end(s);
}

void store_cancel(struct store *s)
{
    s->ops->cancel(s);
}

int store_window_read(struct store *s, int64_t feed_id, struct buf *out)
{
    s->why[0] = '\0';
    return s->ops->window_read(s, feed_id, out);
}

int store_commit(struct store *s, struct store_change *const *changes, size_t n,
                 const struct store_cursor *cursors, size_t n_cursors)
{
    s->why[0] = '\0';
    return s->ops->commit(s, changes, n, cursors, n_cursors);
}

int64_t store_last_seq(struct store *s)
{
    s->why[0] = '\0';
    return s->ops->last_seq(s);
}

int store_seq_raise(struct store *s, int64_t seq)
{
    s->why[0] = '\0';
    return s->ops->seq_raise(s, seq);
}

int store_cursor_read(struct store *s, const char *sink, struct store_cursor *out)
{
    s->why[0] = '\0';
    return s->ops->cursor_read(s, sink, out);
}

int store_cursors_keep(struct store *s, struct str names)
{
    s->why[0] = '\0';
    return s->ops->cursors_keep(s, names);
}

int store_alerts_after(struct store *s, int64_t after, size_t max, store_alert_fn *each,
                       void *ctx)
{
    s->why[0] = '\0';
    return s->ops->alerts_after(s, after, max, each, ctx);
}

int store_alerts_latest(struct store *s, size_t n, const struct store_filter *want,
                        store_alert_fn *each, void *ctx)
{
    s->why[0] = '\0';
    return s->ops->alerts_latest(s, n, want, each, ctx);
}

int store_stories(struct store *s, store_story_fn *each, void *ctx)
{
    s->why[0] = '\0';
    return s->ops->stories(s, each, ctx);
}

int store_alerts_open(struct store *s, int64_t since_ms, store_open_fn *each, void *ctx)
{
    s->why[0] = '\0';
    return s->ops->alerts_open(s, since_ms, each, ctx);
}

int store_digests_after(struct store *s, int64_t after, size_t max, store_digest_fn *each,
                        void *ctx)
{
    s->why[0] = '\0';
    return s->ops->digests_after(s, after, max, each, ctx);
}

int64_t store_last_digest(struct store *s)
{
    s->why[0] = '\0';
    return s->ops->last_digest(s);
}

int store_digest_cursor(struct store *s, const char *sink, int64_t *seq)
{
    s->why[0] = '\0';
    return s->ops->digest_cursor(s, sink, seq);
}

int store_digest_alerts(struct store *s, const struct digest *d, size_t max,
                        store_alert_fn *each, void *ctx)
{
    s->why[0] = '\0';
    return s->ops->digest_alerts(s, d, max, each, ctx);
}

int store_generation(struct store *s, uint64_t content, int64_t *out)
{
    s->why[0] = '\0';
    return s->ops->generation(s, content, out);
}

int store_note_set(struct store *s, const char *name, struct str text)
{
    s->why[0] = '\0';
    return s->ops->note_set(s, name, text);
}

int store_note_read(struct store *s, const char *name, struct buf *out)
{
    s->why[0] = '\0';
    return s->ops->note_read(s, name, out);
}

int store_history(struct store *s, int64_t since_ms, int64_t *after, size_t max,
                  store_history_fn *each, void *ctx)
{
    s->why[0] = '\0';
    return s->ops->history(s, since_ms, after, max, each, ctx);
}

int store_history_size(struct store *s, int64_t since_ms, struct store_history_size *out)
{
    s->why[0] = '\0';
    return s->ops->history_size(s, since_ms, out);
}

void store_limits(struct store *s, const struct store_limits *limits)
{
    s->limits = *limits;
}

int store_tidy(struct store *s, int64_t now_ms)
{
    s->why[0] = '\0';
    return s->ops->tidy(s, now_ms);
}

int store_feeds(struct store *s, store_feed_fn *each, void *ctx)
{
    s->why[0] = '\0';
    return s->ops->feeds(s, each, ctx);
}
