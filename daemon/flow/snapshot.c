/* One generation of config and compiled rules, shared by reference count. */
#include "snapshot.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct counted {
    struct snapshot shown; /* first: the pointer handed out */
    atomic_uint refs;
    atomic_size_t n_limited;
    atomic_bool *limited; /* by rule */
};

static atomic_uint n_alive;

static int compile(struct snapshot *s, const struct snapshot *before, struct buf *why)
{
    const struct config *c = s->config;
    struct match_rule *rules = calloc(c->n_watches ? c->n_watches : 1, sizeof *rules);
    struct buf what;
    size_t bad = 0;

    if (!rules)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_watches; i++)
        rules[i] =
            (struct match_rule){ .id = (uint32_t)i, .root = c->watches[i].rule->root };
    buf_init(&what, 1000);
    int r = match_set_new_after(&s->rules, before ? before->rules : NULL, rules,
                                c->n_watches, &what, &bad);
    if (r == -EINVAL)
        (void)buf_printf(why, "%s:%d: watch '%s': %s", c->watches[bad].place.file,
                         c->watches[bad].place.line, c->watches[bad].name,
                         what.s ? what.s : "the rule does not compile");
    buf_free(&what);
    free(rules);
    return r;
}

int snapshot_new(struct snapshot **out, struct config *config, uint64_t generation,
                 const struct snapshot *before, struct buf *why)
{
    struct counted *c = calloc(1, sizeof *c);

    if (!c)
        return -ENOMEM;
    atomic_init(&c->refs, 1);
    atomic_fetch_add(&n_alive, 1);
    atomic_init(&c->n_limited, 0);
    c->shown.config = config_ref(config);
    c->shown.generation = generation;
    c->limited = calloc(config->n_watches + 1, sizeof *c->limited);
    int r = c->limited ? compile(&c->shown, before, why) : -ENOMEM;
    if (r < 0) {
        snapshot_unref(&c->shown);
        return r;
    }
    *out = &c->shown;
    return 0;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    atomic_fetch_add_explicit(&((struct counted *)s)->refs, 1, memory_order_relaxed);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    struct counted *c = (struct counted *)s;

    if (!s || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    match_set_free(s->rules); /* before the trees it points into */
    config_unref(s->config);
    free(c->limited);
    free(c);
    atomic_fetch_sub(&n_alive, 1);
}

unsigned snapshot_alive(void)
{
    return atomic_load(&n_alive);
}

bool snapshot_limit(struct snapshot *s, uint32_t id)
{
    struct counted *c = (struct counted *)s;

    if (atomic_exchange(&c->limited[id], true))
        return false;
    atomic_fetch_add(&c->n_limited, 1);
    return true;
}

size_t snapshot_n_limited(const struct snapshot *s)
{
    return atomic_load(&((const struct counted *)s)->n_limited);
}

bool snapshot_is_limited(const struct snapshot *s, uint32_t id)
{
    return atomic_load(&((const struct counted *)s)->limited[id]);
}

bool snapshot_watch_covers(const struct config_watch *watch, const char *feed,
                           const char *group)
{
    if (!watch->feeds)
        return true;
    for (const char *const *f = watch->feeds; *f; f++) {
        if (!strncmp(*f, "group:", 6) ? !strcmp(*f + 6, group) : !strcmp(*f, feed))
            return true;
    }
    return false;
}
