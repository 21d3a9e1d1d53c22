/* feedwatch check --history: how many alerts a day each watch would have raised by what
 * the store has kept, with samples. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include "clock.h"
#include "cmd.h"
#include "cmd_history.h"
#include "cmd_print.h"
#include "cmd_try.h"
#include "date.h"
#include "json.h"
#include "snapshot.h"

enum { SAMPLES = 3, DAY_MS = 86400000 };

static const char help[] =
    "usage: feedwatch check --history [--since TIME] [-c FILE] [--json] [WATCH...]\n"
    "\n"
    "Tries each watch on the items that the store has kept and shows how many alerts a "
    "day\n"
    "it would have raised, its busiest day, and the latest few.\n"
    "\n"
    "      --since TIME    only items since then: 2h, 30d (default), 2026-11-24\n"
    "  -c, --config FILE   the configuration, which need not be the one that runs; it "
    "must\n"
    "                      name the same state\n"
    "  -j, --json          one JSON object a line for each watch\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit status: 0 fine, 1 the store cannot be read, 2 usage, 78 the config is wrong.\n";

struct sample {
    int64_t when_ms;
    char *feed, *title;
};

struct tally { /* of one watch */
    unsigned long hits;
    unsigned *day; /* hits by day since the first one of the scan */
    struct sample sample[SAMPLES];
};

struct job {
    const char *config_path;
    bool json;
    int64_t since_ms, first_day;
    size_t days;
    const struct config *config;
    struct tally *tally; /* one per watch */
    const bool *wanted;  /* the same; NULL: all */
    const struct history_item *item;
    struct history_item copy;
    const char *group;
};

static char *copy_of(struct str s)
{
    return strndup(s.n ? s.s : "", s.n);
}

static void sample_free(struct sample *s)
{
    free(s->feed);
    free(s->title);
    *s = (struct sample){ 0 };
}

static int on_item(void *ctx, const struct history_item *h, const char *group)
{
    struct job *j = ctx;

    j->copy = *h;
    j->item = &j->copy;
    j->group = group;
    return 0;
}

static int on_hit(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    struct job *j = ctx;
    struct tally *t = &j->tally[id];
    struct str feed = j->item->feed;
    char name[256];

    (void)spans;
    (void)n;
    snprintf(name, sizeof name, "%.*s", (int)(feed.n < 255 ? feed.n : 255), feed.s);
    if ((j->wanted && !j->wanted[id]) ||
        !snapshot_watch_covers(&j->config->watches[id], name, j->group))
        return 0;
    int64_t when = history_when_ms(j->item), day = when / DAY_MS - j->first_day;
    t->hits++;
    if (day >= 0 && day < (int64_t)j->days)
        t->day[day]++;
    sample_free(&t->sample[SAMPLES - 1]); /* the latest come first */
    memmove(t->sample + 1, t->sample, (SAMPLES - 1) * sizeof *t->sample);
    t->sample[0] = (struct sample){ when, copy_of(feed), copy_of(j->item->item.title) };
    return t->sample[0].feed && t->sample[0].title ? 0 : -ENOMEM;
}

static size_t busiest(const struct job *j, const struct tally *t)
{
    size_t best = 0;

    for (size_t i = 1; i < j->days; i++)
        if (t->day[i] > t->day[best])
            best = i;
    return best;
}

static void show_day(int64_t day, char out[DATE_RFC3339_SIZE])
{
    date_rfc3339_s(out, day * (DAY_MS / 1000));
    out[10] = '\0';
}

static void show_watch(const struct job *j, size_t i, const struct history_sum *sum)
{
    const struct tally *t = &j->tally[i];
    struct print_style style = print_style(stdout);
    char text[60], when[DATE_RFC3339_SIZE];

    history_rate(text, sizeof text, t->hits, sum);
    fputs(style.bold, stdout);
    print_safe(stdout, str_of(j->config->watches[i].name));
    printf("%s: %lu of %lu items, %s", style.plain, t->hits, sum->items, text);
    if (t->hits > 1) {
        size_t day = busiest(j, t);
        show_day(j->first_day + (int64_t)day, when);
        printf(", at most %u on %s", t->day[day], when);
    }
    putchar('\n');
    for (int k = 0; k < SAMPLES && t->sample[k].title; k++) {
        date_rfc3339_s(when, t->sample[k].when_ms / 1000);
        printf("    %.10s %.5s [", when, when + 11);
        print_safe(stdout, str_of(t->sample[k].feed));
        fputs("] ", stdout);
        print_safe(stdout, str_of(t->sample[k].title));
        putchar('\n');
    }
}

static void put_json(const struct job *j, size_t i, const struct history_sum *sum)
{
    const struct tally *t = &j->tally[i];
    double days = (double)(sum->last_ms - sum->first_ms) / DAY_MS;
    char when[DATE_RFC3339_SIZE];
    struct buf b;

    buf_init(&b, 1 << 20);
    (void)buf_putc(&b, '{');
    (void)json_member_str(&b, "watch", str_of(j->config->watches[i].name));
    (void)json_member_int(&b, "items", (int64_t)sum->items);
    (void)json_member_int(&b, "hits", (int64_t)t->hits);
    (void)buf_printf(&b, ",\"days\":%.2f,\"a_day\":%.2f", days,
                     (double)t->hits / (days < 1 ? 1 : days));
    (void)json_member_int(&b, "busiest", j->days ? t->day[busiest(j, t)] : 0);
    (void)buf_puts(&b, ",\"samples\":[");
    for (int k = 0; k < SAMPLES && t->sample[k].title; k++) {
        date_rfc3339(when, t->sample[k].when_ms);
        (void)buf_puts(&b, k ? ",{" : "{");
        (void)json_member_str(&b, "time", str_of(when));
        (void)json_member_str(&b, "feed", str_of(t->sample[k].feed));
        (void)json_member_str(&b, "title", str_of(t->sample[k].title));
        (void)buf_putc(&b, '}');
    }
    (void)buf_puts(&b, "]}\n");
    if (!b.error)
        (void)fwrite(b.s, 1, b.n, stdout);
    buf_free(&b);
}

static int read_options(struct job *j, int argc, char **argv)
{
    static const struct option longs[] = {
        { "history", no_argument, NULL, 'H' },
        { "since", required_argument, NULL, 's' },
        { "config", required_argument, NULL, 'c' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    const char *since = "30d";
    int c;

    while ((c = getopt_long(argc, argv, "c:jh", longs, NULL)) != -1) {
        if (c == 's')
            since = optarg;
        else if (c == 'c')
            j->config_path = optarg;
        else if (c == 'j')
            j->json = true;
        else if (c == 'h')
            return fputs(help, stdout), 1;
        else if (c != 'H')
            return -EINVAL;
    }
    return history_since("check", since, &j->since_ms);
}

/* Which watches are asked for: 0 and *out (NULL: all), or -1 after saying what is wrong.
 */
static int choose(bool **out, const struct config *c, char **names, int n)
{
    bool *wanted = n ? calloc(c->n_watches + 1, sizeof *wanted) : NULL;

    for (int k = 0; wanted && k < n; k++) {
        size_t i = 0;

        while (i < c->n_watches && strcmp(c->watches[i].name, names[k]) != 0)
            i++;
        if (i == c->n_watches) {
            fprintf(stderr, "feedwatch check: there is no watch '%s'\n", names[k]);
            free(wanted);
            return -1;
        }
        wanted[i] = true;
    }
    *out = wanted;
    return n && !wanted ? -1 : 0;
}

static void tallies_free(struct job *j)
{
    for (size_t i = 0; j->tally && i < j->config->n_watches; i++) {
        for (int k = 0; k < SAMPLES; k++)
            sample_free(&j->tally[i].sample[k]);
        free(j->tally[i].day);
    }
    free(j->tally);
}

static int tallies_new(struct job *j)
{
    int64_t today = clock_utc_ms() / DAY_MS;

    j->first_day = j->since_ms / DAY_MS;
    j->days = today >= j->first_day ? (size_t)(today - j->first_day) + 1 : 0;
    if (j->days > 3660) { /* of ten years the last ones, by day */
        j->first_day = today - 3659;
        j->days = 3660;
    }
    j->tally = calloc(j->config->n_watches + 1, sizeof *j->tally);
    for (size_t i = 0; j->tally && i < j->config->n_watches; i++) {
        j->tally[i].day = calloc(j->days + 1, sizeof *j->tally[i].day);
        if (!j->tally[i].day)
            return -ENOMEM;
    }
    return j->tally ? 0 : -ENOMEM;
}

static int try_all(struct job *j)
{
    const struct config *c = j->config;
    struct match_rule *list = calloc(c->n_watches + 1, sizeof *list);
    struct try_rules rules = { 0 };
    struct history_sum sum;
    int r = list ? tallies_new(j) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < c->n_watches; i++)
        list[i] = (struct match_rule){ (uint32_t)i, c->watches[i].rule->root };
    if (r == 0)
        r = try_compile(&rules, "check", list, c->n_watches);
    struct history_scan scan = { .command = "check",
                                 .state = c->state_dir,
                                 .since_ms = j->since_ms,
                                 .config = c,
                                 .rules = rules.set,
                                 .on_item = on_item,
                                 .on_hit = on_hit,
                                 .ctx = j };
    if (r == 0)
        r = history_scan(&scan, &sum);
    for (size_t i = 0; r == 0 && i < c->n_watches; i++) {
        if (j->wanted && !j->wanted[i])
            continue;
        if (j->json)
            put_json(j, i, &sum);
        else
            show_watch(j, i, &sum);
    }
    if (r == 0 && !sum.items && !j->json)
        puts("no items are kept since then; see history in feedwatch.ini(5)");
    try_free(&rules);
    free(list);
    return r;
}

int cmd_history_check(int argc, char **argv)
{
    struct job j = { 0 };
    struct config *config = NULL;
    bool *wanted = NULL;
    int r = read_options(&j, argc, argv);

    if (r > 0)
        return EXIT_OK;
    if (r < 0) {
        fputs("Try 'feedwatch check --history --help'.\n", stderr);
        return EXIT_USAGE;
    }
    int status = cmd_config_load(&config, j.config_path);
    if (status != 0)
        return status;
    j.config = config;
    if (choose(&wanted, config, argv + optind, argc - optind) < 0) {
        status = EXIT_USAGE;
    } else {
        j.wanted = wanted;
        status = try_all(&j) < 0 || fflush(stdout) || ferror(stdout) ? EXIT_RUN : EXIT_OK;
    }
    tallies_free(&j);
    free(wanted);
    config_unref(config);
    return status;
}
