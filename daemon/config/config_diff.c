/* Two configs side by side: which feeds, watches and sinks are new, gone or different. */
#include "config_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 1000

/* --- one thing: which of its keys differ --- */

enum member_type { M_INT64, M_INT, M_BOOL, M_TEXT, M_LIST, M_RULE, M_NOISE, M_ACCESS };

struct member {
    const char *key;
    size_t off;
    enum member_type type;
};

#define F(key, member, type)                                                             \
    {                                                                                    \
        key, offsetof(struct config_feed, member), type                                  \
    }
static const struct member feed_members[] = {
    F("url", url, M_TEXT),
    F("file", file, M_TEXT),
    F("group", group, M_TEXT),
    F("charset", charset, M_TEXT),
    F("user_agent", user_agent, M_TEXT),
    F("interval", interval_s, M_INT64),
    F("interval", interval_auto, M_BOOL),
    F("min_interval", min_interval_s, M_INT64),
    F("max_interval", max_interval_s, M_INT64),
    F("first_run_max_age", first_run_max_age_s, M_INT64),
    F("timeout", timeout_s, M_INT64),
    F("max_bytes", max_bytes, M_INT64),
    F("allow_private", allow_private, M_BOOL),
    F("access", access, M_ACCESS),
    F("sinks", sinks, M_LIST),
    { 0 },
};

#define W(key, member, type)                                                             \
    {                                                                                    \
        key, offsetof(struct config_watch, member), type                                 \
    }
static const struct member watch_members[] = {
    W("match", rule, M_RULE),
    W("feeds", feeds, M_LIST),
    W("sinks", sinks, M_LIST),
    W("priority", priority, M_INT),
    W("stories, updates or limits", noise, M_NOISE),
    W("test_yes", test_yes, M_LIST),
    W("test_no", test_no, M_LIST),
    { 0 },
};

static const struct member sink_members[] = {
    { "keys", offsetof(struct config_sink, options.text), M_TEXT },
    { 0 },
};

#define G(key, member, type)                                                             \
    {                                                                                    \
        key, offsetof(struct config, member), type                                       \
    }
static const struct member general_members[] = {
    G("state", state_dir, M_TEXT),
    G("log", log_path, M_TEXT),
    G("log_format", log_format, M_INT),
    G("desktop", desktop, M_INT),
    G("metrics", metrics_path, M_TEXT),
    G("user_agent", user_agent, M_TEXT),
    G("workers", workers, M_INT),
    G("max_transfers", max_transfers, M_INT),
    G("host_connections", host_connections, M_INT),
    G("host_interval", host_interval_ms, M_INT64),
    G("keep_seen", keep_seen_s, M_INT64),
    G("keep_alerts", keep_alerts_s, M_INT64),
    G("give_up", give_up_s, M_INT64),
    G("history", history_s, M_INT64),
    G("history_size", history_bytes, M_INT64),
    G("dns_servers", dns_servers, M_TEXT),
    { 0 },
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_list(const char *const *a, const char *const *b)
{
    if (!a || !b)
        return a == b;
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return !*a && !*b;
}

/* As they are read, with their sets: not as they are written. */
static int same_rule(const struct rule *a, const struct rule *b, bool *same)
{
    struct buf x, y;

    buf_init(&x, 64 << 20);
    buf_init(&y, 64 << 20);
    int r = rule_canonical(&x, a->root);
    if (r == 0)
        r = rule_canonical(&y, b->root);
    *same = x.n == y.n && (x.n == 0 || memcmp(x.s, y.s, x.n) == 0);
    buf_free(&x);
    buf_free(&y);
    return r;
}

static int same_member(const struct member *m, const void *a, const void *b, bool *same)
{
    const char *x = (const char *)a + m->off, *y = (const char *)b + m->off;

    switch (m->type) {
    case M_INT64:
        *same = memcmp(x, y, sizeof(int64_t)) == 0;
        break;
    case M_INT:
        *same = memcmp(x, y, sizeof(int)) == 0;
        break;
    case M_BOOL:
        *same = *(const bool *)x == *(const bool *)y;
        break;
    case M_TEXT:
        *same = same_text(*(const char *const *)x, *(const char *const *)y);
        break;
    case M_LIST:
        *same = same_list(*(const char *const *const *)x, *(const char *const *const *)y);
        break;
    case M_NOISE:
        *same = same_text((*(const struct config_noise *const *)x)->text,
                          (*(const struct config_noise *const *)y)->text);
        break;
    case M_ACCESS:
        *same = config_access_same(*(const struct config_access *const *)x,
                                   *(const struct config_access *const *)y);
        break;
    case M_RULE:
        return same_rule(*(struct rule *const *)x, *(struct rule *const *)y, same);
    }
    return 0;
}

/* Append the keys that differ, separated by ", ". */
static int put_keys(struct buf *out, const struct member *members, const void *a,
                    const void *b)
{
    const char *last = NULL; /* a key may have two members, which stand side by side */

    for (const struct member *m = members; m->key; m++) {
        bool same = true;
        int r = same_member(m, a, b, &same);

        if (r < 0)
            return r;
        if (!same && (!last || strcmp(last, m->key) != 0))
            (void)buf_printf(out, "%s%s", out->n ? ", " : "", last = m->key);
    }
    return out->error;
}

/* --- lists of named things --- */

struct line { /* one of the lines of the answer, being written */
    struct buf *out;
    size_t left_out;
};

static void put_name(struct line *l, const char *name, const char *keys)
{
    if (l->left_out || l->out->n + strlen(name) + strlen(keys) + 5 > LINE_BYTES) {
        l->left_out++;
        return;
    }
    (void)buf_printf(l->out, "%s%s", l->out->n ? ", " : "", name);
    if (*keys)
        (void)buf_printf(l->out, " (%s)", keys);
}

static int finish(struct line *l)
{
    if (l->left_out)
        (void)buf_printf(l->out, "%sand %zu more", l->out->n ? ", " : "", l->left_out);
    return l->out->error;
}

struct thing { /* of any kind: its name is its first member, whatever it is */
    const char *name;
    const void *at;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct thing *)a)->name, ((const struct thing *)b)->name);
}

/* `array` holds `n` structs of `size` bytes, each with its name at its start. */
static struct thing *sorted(const void *array, size_t n, size_t size)
{
    struct thing *t = calloc(n + 1, sizeof *t);

    if (!t)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        t[i].at = (const char *)array + i * size;
        memcpy(&t[i].name, t[i].at, sizeof t[i].name);
    }
    qsort(t, n, sizeof *t, by_name);
    return t;
}

struct lists {
    const struct thing *old, *now;
    size_t n_old, n_now;
    const struct member *members;
    struct line added, removed, changed;
};

static int compare_one(struct lists *l, const struct thing *a, const struct thing *b,
                       struct buf *keys)
{
    buf_clear(keys);
    int r = put_keys(keys, l->members, a->at, b->at);
    if (r == 0 && keys->n)
        put_name(&l->changed, b->name, keys->s);
    return r;
}

static int walk(struct lists *l)
{
    struct buf keys;
    size_t i = 0, k = 0;
    int r = 0;

    buf_init(&keys, 2 * LINE_BYTES);
    while (r == 0 && (i < l->n_old || k < l->n_now)) {
        int c = i == l->n_old   ? 1
                : k == l->n_now ? -1
                                : strcmp(l->old[i].name, l->now[k].name);
        if (c < 0)
            put_name(&l->removed, l->old[i++].name, "");
        else if (c > 0)
            put_name(&l->added, l->now[k++].name, "");
        else
            r = compare_one(l, &l->old[i++], &l->now[k++], &keys);
    }
    buf_free(&keys);
    if (r == 0)
        r = finish(&l->added);
    if (r == 0)
        r = finish(&l->removed);
    return r == 0 ? finish(&l->changed) : r;
}

struct array {
    const void *at;
    size_t n;
};

static int compare(struct array old, struct array now, size_t size,
                   const struct member *members, struct buf *added, struct buf *removed,
                   struct buf *changed)
{
    struct thing *a = sorted(old.at, old.n, size), *b = sorted(now.at, now.n, size);
    struct lists l = { a,
                       b,
                       old.n,
                       now.n,
                       members,
                       { .out = added },
                       { .out = removed },
                       { .out = changed } };
    int r = a && b ? walk(&l) : -ENOMEM;

    free(a);
    free(b);
    return r;
}

_Static_assert(offsetof(struct config_feed, name) == 0, "sorted() wants the name first");
_Static_assert(offsetof(struct config_watch, name) == 0, "sorted() wants the name first");
_Static_assert(offsetof(struct config_sink, options.name) == 0,
               "sorted() wants the name first");

int config_diff_new(struct config_diff *d, const struct config *from,
                    const struct config *to)
{
    struct buf *all = (struct buf *)d; /* it is made of nothing else */

    for (size_t i = 0; i < sizeof *d / sizeof *all; i++)
        buf_init(&all[i], 2 * LINE_BYTES);
    int r = put_keys(&d->settings, general_members, from, to);
    if (r == 0)
        r = compare((struct array){ from->feeds, from->n_feeds },
                    (struct array){ to->feeds, to->n_feeds }, sizeof *to->feeds,
                    feed_members, &d->feeds_added, &d->feeds_removed, &d->feeds_changed);
    if (r == 0)
        r = compare((struct array){ from->watches, from->n_watches },
                    (struct array){ to->watches, to->n_watches }, sizeof *to->watches,
                    watch_members, &d->watches_added, &d->watches_removed,
                    &d->watches_changed);
    if (r == 0)
        r = compare((struct array){ from->sinks, from->n_sinks },
                    (struct array){ to->sinks, to->n_sinks }, sizeof *to->sinks,
                    sink_members, &d->sinks_added, &d->sinks_removed, &d->sinks_changed);
    return r;
}

void config_diff_done(struct config_diff *d)
{
    struct buf *all = (struct buf *)d; /* it is made of nothing else */

    for (size_t i = 0; i < sizeof *d / sizeof *all; i++)
        buf_free(&all[i]);
}
