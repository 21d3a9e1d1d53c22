/* The pulses of all threads: when each one beat last and how long it may be silent. */
#include "pulse.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "clock.h"

struct pulse {
    struct pulse *next, **place; /* guarded by lock */
    char name[32];
    atomic_llong beat_ms, until_ms; /* mono */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pulse *all; /* guarded by lock */
static atomic_llong period_ms = 5000;

int pulse_new(struct pulse **out, const char *name)
{
    struct pulse *p = calloc(1, sizeof *p);

    if (!p)
        return -ENOMEM;
    snprintf(p->name, sizeof p->name, "%s", name);
    atomic_init(&p->beat_ms, clock_mono_ms());
    atomic_init(&p->until_ms, PULSE_WAITS);
    pthread_mutex_lock(&lock);
    p->next = all;
    p->place = &all;
    if (all)
        all->place = &p->next;
    all = p;
    pthread_mutex_unlock(&lock);
    *out = p;
    return 0;
}

void pulse_free(struct pulse *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&lock);
    *p->place = p->next;
    if (p->next)
        p->next->place = p->place;
    pthread_mutex_unlock(&lock);
    free(p);
}

void pulse_beat(struct pulse *p, int64_t ms)
{
    if (!p)
        return;
    int64_t now = clock_mono_ms();

    atomic_store_explicit(&p->beat_ms, now, memory_order_relaxed);
    atomic_store_explicit(&p->until_ms, ms < PULSE_WAITS - now ? now + ms : PULSE_WAITS,
                          memory_order_relaxed);
}

int64_t pulse_period_ms(void)
{
    return atomic_load_explicit(&period_ms, memory_order_relaxed);
}

int64_t pulse_patience_ms(void)
{
    return 4 * pulse_period_ms();
}

void pulse_set_period(int64_t ms)
{
    atomic_store_explicit(&period_ms, ms > 0 ? ms : 1, memory_order_relaxed);
}

bool pulse_find_late(struct pulse_late *out)
{
    int64_t now = clock_mono_ms(), most = 0;

    pthread_mutex_lock(&lock);
    for (const struct pulse *p = all; p; p = p->next) {
        int64_t until = atomic_load_explicit(&p->until_ms, memory_order_relaxed);

        if (now <= until || now - until <= most)
            continue;
        most = now - until;
        snprintf(out->name, sizeof out->name, "%s", p->name);
        out->silent_ms = now - atomic_load_explicit(&p->beat_ms, memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock);
    return most > 0;
}
