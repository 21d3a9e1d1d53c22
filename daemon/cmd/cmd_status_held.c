/* feedwatch status: which watches hold alerts back, and why. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd_print.h"
#include "cmd_status.h"
#include "json.h"
#include "name_table.h"
#include "noise.h"

#define DAY_MS ((int64_t)86400000)

struct status_held {
    struct name_entry entry; /* first: the name of the watch */
    int64_t day[NOISE_REASONS];
    int64_t waiting; /* in no digest yet */
};

struct counting {
    struct name_table watches;
    int64_t since_ms;
};

static int on_alert(void *ctx, const struct store_open_alert *a)
{
    struct counting *c = ctx;

    if (!a->held.n)
        return 0;
    struct status_held *h = name_table_get(&c->watches, a->watch, sizeof *h);
    enum noise_reason why = noise_reason_of(a->held);
    if (!h)
        return -ENOMEM;
    if (a->time_ms >= c->since_ms)
        h->day[why]++;
    /* what is too old, or older than its rule, never goes into a later one */
    h->waiting += a->waits && why != NOISE_MAX_AGE;
    return 0;
}

static int by_name(const void *x, const void *y)
{
    const struct status_held *const *a = x, *const *b = y;

    return strcmp((*a)->entry.name, (*b)->entry.name);
}

int status_held_read(struct status *s, struct store *store, int64_t now_ms)
{
    struct counting c = { .since_ms = now_ms - DAY_MS };
    struct status_held *h;

    int r = store_alerts_open(store, c.since_ms, on_alert, &c);
    if (r == 0 && c.watches.n && !(s->held = calloc(c.watches.n, sizeof *s->held)))
        r = -ENOMEM;
    for (size_t i = 0; r == 0 && s->held && (h = name_table_next(&c.watches, &i));)
        s->held[s->n_held++] = h;
    if (s->held)
        qsort(s->held, s->n_held, sizeof *s->held, by_name);
    s->held_table = c.watches;
    return r;
}

void status_held_done(struct status *s)
{
    free(s->held);
    name_table_done(&s->held_table);
}

static int64_t of_day(const struct status_held *h)
{
    int64_t sum = 0;

    for (int i = 0; i < NOISE_REASONS; i++)
        sum += h->day[i];
    return sum;
}

/* A word of a later version counts as NOISE_TELL. */
static const char *word(int why)
{
    return why == NOISE_TELL ? "other" : noise_reason_name((enum noise_reason)why);
}

/* "summit held back 12 alerts in 24 h (9 quiet, 3 storm); 5 wait for a digest" */
void status_held_lines(const struct status *s)
{
    for (size_t i = 0; i < s->n_held; i++) {
        const struct status_held *h = s->held[i];
        const char *before = " (";
        int64_t n = of_day(h);

        print_safe(stdout, str_of(h->entry.name));
        printf(" held back %lld alert%s in 24 h", (long long)n, n == 1 ? "" : "s");
        for (int why = 0; why < NOISE_REASONS; why++) {
            if (!h->day[why])
                continue;
            printf("%s%lld %s", before, (long long)h->day[why], word(why));
            before = ", ";
        }
        fputs(n ? ")" : "", stdout);
        if (h->waiting)
            printf("; %lld wait%s for a digest", (long long)h->waiting,
                   h->waiting == 1 ? "s" : "");
        putchar('\n');
    }
}

void status_held_json(struct buf *b, const struct status *s)
{
    (void)json_put_key(b, "held_back");
    (void)buf_putc(b, '[');
    for (size_t i = 0; i < s->n_held; i++) {
        const struct status_held *h = s->held[i];

        (void)buf_puts(b, i ? ",{" : "{");
        (void)json_member_str(b, "watch", str_of(h->entry.name));
        (void)json_put_key(b, "reasons");
        (void)buf_putc(b, '{');
        for (int why = 0; why < NOISE_REASONS; why++)
            if (h->day[why])
                (void)json_member_int(b, word(why), h->day[why]);
        (void)buf_putc(b, '}');
        (void)json_member_int(b, "waiting", h->waiting);
        (void)buf_putc(b, '}');
    }
    (void)buf_putc(b, ']');
}
