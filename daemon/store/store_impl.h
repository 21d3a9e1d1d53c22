#ifndef STORE_IMPL_H
#define STORE_IMPL_H
/* What a backend provides; private to the store family. */
#include "store.h"

struct store_ops {
    void (*close)(struct store *s);
    bool (*moved)(const struct store *s);
    int (*feed_bind)(struct store *s, const char *name, const char *url,
                     struct store_feed *out);
    int (*feeds_bind)(struct store *s, const struct store_bind *feeds, size_t n);
    int (*begin)(struct store *s);
    int (*end)(struct store *s);
    void (*cancel)(struct store *s);
    int (*window_read)(struct store *s, int64_t feed_id, struct buf *out);
    int (*commit)(struct store *s, struct store_change *const *changes, size_t n,
                  const struct store_cursor *cursors, size_t n_cursors);
    int64_t (*last_seq)(struct store *s);
    int (*seq_raise)(struct store *s, int64_t seq);
    int (*cursor_read)(struct store *s, const char *sink, struct store_cursor *out);
    int (*cursors_keep)(struct store *s, struct str names);
    int (*alerts_after)(struct store *s, int64_t after, size_t max, store_alert_fn *each,
                        void *ctx);
    int (*alerts_latest)(struct store *s, size_t n, const struct store_filter *want,
                         store_alert_fn *each, void *ctx);
    int (*stories)(struct store *s, store_story_fn *each, void *ctx);
    int (*alerts_open)(struct store *s, int64_t since_ms, store_open_fn *each, void *ctx);
    int (*digests_after)(struct store *s, int64_t after, size_t max,
                         store_digest_fn *each, void *ctx);
    int64_t (*last_digest)(struct store *s);
    int (*digest_cursor)(struct store *s, const char *sink, int64_t *seq);
    int (*digest_alerts)(struct store *s, const struct digest *d, size_t max,
                         store_alert_fn *each, void *ctx);
    int (*generation)(struct store *s, uint64_t content, int64_t *out);
    int (*note_set)(struct store *s, const char *name, struct str text);
    int (*note_read)(struct store *s, const char *name, struct buf *out);
    int (*history)(struct store *s, int64_t since_ms, int64_t *after, size_t max,
                   store_history_fn *each, void *ctx);
    int (*history_size)(struct store *s, int64_t since_ms,
                        struct store_history_size *out);
    int (*tidy)(struct store *s, int64_t now_ms);
    int (*feeds)(struct store *s, store_feed_fn *each, void *ctx);
};

struct store { /* a backend's own struct begins with it */
    const struct store_ops *ops;
    struct store_limits limits;
    char why[512];
};

int store_sqlite_open(struct store **out, const char *dir, enum store_mode mode,
                      struct buf *why);
#endif
