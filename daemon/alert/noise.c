/* Which alerts are told at once and which are held back for a digest, and until when. */
#include "noise.h"

#include <errno.h>
#include <stdlib.h>
#include "item.h"

#define HOUR_MS 3600000
#define MINUTE_MS 60000
#define DAY_MINUTES 1440

static const char *const names[NOISE_REASONS] = {
    [NOISE_TELL] = "",
    [NOISE_MAX_AGE] = "max_age",
    [NOISE_MUTE] = "mute",
    [NOISE_QUIET] = "quiet",
    [NOISE_LATE] = "late",
    [NOISE_STORM] = "storm",
    [NOISE_MAX_PER_HOUR] = "max_per_hour",
    [NOISE_COOLDOWN] = "cooldown",
    [NOISE_GROUP_WAIT] = "group_wait",
    [NOISE_NEW_RULE] = "new_rule",
};

const char *noise_reason_name(enum noise_reason r)
{
    return names[r];
}

enum noise_reason noise_reason_of(struct str name)
{
    for (int i = 1; i < NOISE_REASONS; i++)
        if (str_eq(name, str_of(names[i])))
            return (enum noise_reason)i;
    return NOISE_TELL;
}

/* --- the last times, as many as the rules count --- */

struct noise_ring {
    size_t cap, n, next;
    int64_t at[];
};

/* Make *ring hold `cap` times; the latest ones are kept. */
static int ring_size(struct noise_ring **ring, size_t cap)
{
    struct noise_ring *old = *ring, *new;

    if (old && old->cap == cap)
        return 0;
    new = calloc(1, sizeof *new + cap * sizeof new->at[0]);
    if (!new)
        return -ENOMEM;
    new->cap = cap;
    size_t keep = old ? (old->n < cap ? old->n : cap) : 0;
    for (size_t i = 0; i < keep; i++)
        new->at[i] = old->at[(old->next + old->cap - keep + i) % old->cap];
    new->n = keep;
    new->next = keep % cap;
    free(old);
    *ring = new;
    return 0;
}

static int ring_put(struct noise_ring **ring, size_t cap, int64_t ms)
{
    if (cap == 0)
        return 0;
    int r = ring_size(ring, cap);
    if (r < 0)
        return r;
    struct noise_ring *g = *ring;
    g->at[g->next] = ms;
    g->next = (g->next + 1) % cap;
    g->n += g->n < cap;
    return 0;
}

/* Are there `cap` times after `since_ms`? */
static bool ring_full(const struct noise_ring *g, size_t cap, int64_t since_ms)
{
    size_t n = 0;

    for (size_t i = 0; g && i < g->n; i++)
        n += g->at[i] > since_ms;
    return n >= cap;
}

void noise_done(struct noise_state *s)
{
    free(s->told);
    free(s->all);
    *s = (struct noise_state){ 0 };
}

/* --- quiet hours --- */

bool noise_is_quiet(const struct noise_quiet *q, int64_t now_ms)
{
    if (q->from_min == q->to_min || !q->zone)
        return false;
    int m = zone_minute(q->zone, now_ms / 1000);

    return q->from_min < q->to_min ? m >= q->from_min && m < q->to_min
                                   : m >= q->from_min || m < q->to_min;
}

/* By whole minutes, so that every change of the clock is seen as people see it. */
int64_t noise_quiet_end_ms(const struct noise_quiet *q, int64_t now_ms)
{
    int64_t end = now_ms;

    for (int i = 0; i < 2 * DAY_MINUTES && noise_is_quiet(q, end); i++)
        end = (end / MINUTE_MS + 1) * MINUTE_MS;
    return end;
}

/* --- deciding --- */

static bool is_old(const struct noise_rules *r, int64_t published_s, int64_t now_ms)
{
    return r->max_age_s && published_s != ITEM_NO_TIME &&
           now_ms / 1000 - published_s > r->max_age_s;
}

static enum noise_reason reason_of(const struct noise_state *s,
                                   const struct noise_rules *r, bool late,
                                   int64_t published_s, int64_t now_ms)
{
    if (is_old(r, published_s, now_ms))
        return NOISE_MAX_AGE;
    if (now_ms < r->mute_until_ms)
        return NOISE_MUTE;
    if (noise_is_quiet(&r->quiet, now_ms))
        return NOISE_QUIET;
    if (late)
        return NOISE_LATE;
    if (r->storm_size && ring_full(s->all, r->storm_size, now_ms - NOISE_STORM_SPAN_MS))
        return NOISE_STORM;
    if (r->max_per_hour && ring_full(s->told, r->max_per_hour, now_ms - HOUR_MS))
        return NOISE_MAX_PER_HOUR;
    if (s->last_told_ms && now_ms - s->last_told_ms < r->cooldown_ms &&
        now_ms >= s->last_told_ms) /* the clock may have been set back */
        return NOISE_COOLDOWN;
    return r->group_wait_ms ? NOISE_GROUP_WAIT : NOISE_TELL;
}

int noise_told(struct noise_state *s, const struct noise_rules *r, int64_t time_ms)
{
    int e = ring_put(&s->all, r->storm_size, time_ms);

    if (e == 0)
        e = ring_put(&s->told, r->max_per_hour, time_ms);
    if (e == 0)
        s->last_told_ms = time_ms;
    return e;
}

int noise_held(struct noise_state *s, const struct noise_rules *r,
               enum noise_reason reason, int64_t time_ms)
{
    if (reason == NOISE_MAX_AGE)
        return 0;
    /* What comes out of the store is no storm. */
    int e = reason == NOISE_NEW_RULE ? 0 : ring_put(&s->all, r->storm_size, time_ms);
    if (e < 0)
        return e;
    s->held++;
    if (!(s->reasons & 1u << reason))
        s->first_ms[reason] = time_ms;
    s->last_ms[reason] = time_ms;
    s->reasons |= 1u << reason;
    return 0;
}

int noise_counted(struct noise_state *s, const struct noise_rules *r, int64_t time_ms)
{
    return ring_put(&s->all, r->storm_size, time_ms);
}

int noise_decide(struct noise_state *s, const struct noise_rules *r, bool late,
                 int64_t published_s, int64_t now_ms)
{
    enum noise_reason why = reason_of(s, r, late, published_s, now_ms);
    int e = why == NOISE_TELL ? noise_told(s, r, now_ms) : noise_held(s, r, why, now_ms);

    return e < 0 ? e : (int)why;
}

/* --- digests --- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When what is held for `why` may be told. */
static int64_t due_of(const struct noise_state *s, const struct noise_rules *r,
                      enum noise_reason why)
{
    int64_t first = s->first_ms[why], last = s->last_ms[why];

    switch (why) {
    case NOISE_LATE:
    case NOISE_STORM:
        return sooner(last + NOISE_STORM_CALM_MS, first + NOISE_STORM_MOST_MS);
    case NOISE_MAX_PER_HOUR:
        return first + HOUR_MS;
    case NOISE_COOLDOWN:
        return sooner(s->last_told_ms + r->cooldown_ms, first + r->cooldown_ms);
    case NOISE_GROUP_WAIT:
        return first + r->group_wait_ms;
    case NOISE_NEW_RULE: /* at once */
    case NOISE_MUTE:     /* below */
    case NOISE_QUIET:
    case NOISE_TELL:
    case NOISE_MAX_AGE:
    case NOISE_REASONS:
        break;
    }
    return first;
}

int64_t noise_due_ms(const struct noise_state *s, const struct noise_rules *r,
                     int64_t now_ms)
{
    int64_t due = INT64_MAX;

    for (int i = 1; i < NOISE_REASONS && s->held; i++)
        if (s->reasons & 1u << i)
            due = sooner(due, due_of(s, r, (enum noise_reason)i));
    if (due == INT64_MAX)
        return due;
    if (due < r->mute_until_ms)
        due = r->mute_until_ms;
    /* A digest that is overdue waits, too, while nobody wants to hear it. */
    return noise_quiet_end_ms(&r->quiet, due < now_ms ? now_ms : due);
}

void noise_flushed(struct noise_state *s)
{
    s->held = 0;
    s->reasons = 0;
}
