/* Copies of alerts and digests, for sinks that hold on to them. */
#include <stdlib.h>
#include <string.h>
#include "sink_worker.h"

/* Move the bytes of `s` to *at and let it point there. */
static void move(struct str *s, char **at)
{
    if (s->n)
        memcpy(*at, s->s, s->n);
    s->s = *at;
    *at += s->n;
}

struct alert *alert_copy(const struct alert *a)
{
    struct alert from = *a;
    size_t n = 0;
    struct str *s;

    for (unsigned i = 0; (s = alert_text(&from, i)); i++)
        n += s->n;
    struct alert *copy = malloc(sizeof *copy + n);
    if (!copy)
        return NULL;
    char *at = (char *)(copy + 1);
    *copy = from;
    for (unsigned i = 0; (s = alert_text(copy, i)); i++)
        move(s, &at);
    return copy;
}

struct digest *digest_copy(const struct digest *d)
{
    size_t n = d->watch.n + d->reason.n + d->sinks.n;
    struct digest *copy = malloc(sizeof *copy + n);
    const struct alert **list = calloc(d->n + 1, sizeof *list);

    if (!copy || !list) {
        free(copy);
        free(list);
        return NULL;
    }
    char *at = (char *)(copy + 1);
    *copy = *d;
    move(&copy->watch, &at);
    move(&copy->reason, &at);
    move(&copy->sinks, &at);
    copy->alerts = list;
    for (copy->n = 0; copy->n < d->n; copy->n++) {
        list[copy->n] = alert_copy(d->alerts[copy->n]);
        if (!list[copy->n]) {
            digest_copy_free(copy);
            return NULL;
        }
    }
    return copy;
}

void digest_copy_free(struct digest *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->n; i++)
        free((void *)(uintptr_t)d->alerts[i]);
    free((void *)(uintptr_t)d->alerts);
    free(d);
}
