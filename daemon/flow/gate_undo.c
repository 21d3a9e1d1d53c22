/* Hits as they were before the gate judged them. */
#include "gate_undo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHANGED SIZE_MAX

struct gate_was {
    const struct gate_input *in;
    size_t i, last; /* it went from i to last, or CHANGED: */
    struct seen_key key;
    char id[33];
    bool update;
};

int gate_undo_begin(struct gate_undo *u, const struct gate_input *in, size_t n)
{
    gate_undo_clear(u);
    if (n > u->cap_input) {
        void *p = realloc(u->whole, n * sizeof *u->whole);
        if (!p)
            return -ENOMEM;
        u->whole = p;
        u->cap_input = n;
    }
    for (size_t i = 0; i < n; i++)
        u->whole[i] = in[i].change->n_alerts;
    u->input = in;
    u->n_input = n;
    return 0;
}

static struct gate_was *note(struct gate_undo *u)
{
    if (u->n == u->cap) {
        size_t cap = u->cap ? u->cap * 2 : 64;
        void *p = realloc(u->was, cap * sizeof *u->was);
        if (!p)
            return NULL;
        u->was = p;
        u->cap = cap;
    }
    return &u->was[u->n++];
}

void gate_undo_keep(struct gate_undo *u, const struct gate_input *in, size_t i)
{
    const struct alert *a = &in->change->alerts[i];
    struct gate_was *was = note(u);

    if (!was)
        return;
    *was = (struct gate_was){ in, i, CHANGED, in->keys[i], "", a->update };
    memcpy(was->id, a->id, sizeof was->id);
}

/* Take element `from` of `n` bytes out of an array and put it in at `to`. */
static void move(void *array, size_t n, size_t from, size_t to)
{
    char kept[sizeof(struct story_print) > sizeof(struct alert)
                  ? sizeof(struct story_print)
                  : sizeof(struct alert)];
    char *at = array;

    memcpy(kept, at + from * n, n);
    if (from < to)
        memmove(at + from * n, at + (from + 1) * n, (to - from) * n);
    else
        memmove(at + (to + 1) * n, at + to * n, (from - to) * n);
    memcpy(at + to * n, kept, n);
}

static void move_hit(const struct gate_input *in, size_t from, size_t to)
{
    move(in->change->alerts, sizeof *in->change->alerts, from, to);
    move(in->keys, sizeof *in->keys, from, to);
    if (in->prints)
        move(in->prints, sizeof *in->prints, from, to);
}

void gate_undo_drop(struct gate_undo *u, const struct gate_input *in, size_t i)
{
    size_t last = --in->change->n_alerts;
    struct gate_was *was = note(u); /* else the order stays another one */

    if (was)
        *was = (struct gate_was){ .in = in, .i = i, .last = last };
    move_hit(in, i, last);
}

static void undo(const struct gate_was *was)
{
    struct alert *a = &was->in->change->alerts[was->i];

    if (was->last != CHANGED) {
        move_hit(was->in, was->last, was->i);
        return;
    }
    a->update = was->update;
    memcpy(a->id, was->id, sizeof a->id);
    was->in->keys[was->i] = was->key;
}

void gate_undo_all(struct gate_undo *u)
{
    while (u->n)
        undo(&u->was[--u->n]);
    for (size_t i = 0; i < u->n_input; i++) {
        struct store_change *c = u->input[i].change;

        c->n_alerts = u->whole[i];
        for (size_t k = 0; k < c->n_alerts; k++) /* their memory goes, too */
            c->alerts[k].held = c->alerts[k].sources = (struct str){ 0 };
    }
}

void gate_undo_clear(struct gate_undo *u)
{
    u->n = u->n_input = 0;
}

void gate_undo_done(struct gate_undo *u)
{
    free(u->whole);
    free(u->was);
    *u = (struct gate_undo){ 0 };
}
