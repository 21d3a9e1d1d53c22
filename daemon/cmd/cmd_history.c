/* feedwatch match --since: which of the items that the store has kept match a rule. */
#include "cmd_history.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "clock.h"
#include "cmd.h"
#include "cmd_print.h"
#include "cmd_try.h"
#include "date.h"
#include "json.h"
#include "store.h"

enum { ROWS_AT_ONCE = 64, SHOW_EVERY_MS = 200, DAY_MS = 86400000 };

/* --- reading and matching --- */

struct progress {
    bool shown; /* on a terminal */
    int64_t rows, all, next_ms;
};

static void show_progress(struct progress *p, bool over)
{
    int64_t now = clock_mono_ms();

    if (!p->shown || (!over && now < p->next_ms))
        return;
    p->next_ms = now + SHOW_EVERY_MS;
    if (over)
        fputs("\r\033[K", stderr);
    else
        fprintf(stderr, "\r%3d %% of what is kept\033[K",
                p->all ? (int)(p->rows * 100 / p->all) : 0);
}

struct run {
    const struct history_scan *scan;
    struct history_sum *sum;
    struct match_scratch *scratch;
    struct progress progress;
    bool stopped; /* by the caller */
    size_t feed;  /* of the last item: the next one is likely of the same */
};

static const char *group_of(struct run *r, struct str feed)
{
    const struct config *c = r->scan->config;

    for (size_t k = 0; c && k < c->n_feeds; k++) {
        size_t i = (r->feed + k) % c->n_feeds;

        if (!str_eq(str_of(c->feeds[i].name), feed))
            continue;
        r->feed = i;
        return c->feeds[i].group;
    }
    return "";
}

static int on_record(void *ctx, const struct history_item *h)
{
    struct run *r = ctx;
    char feed[256];
    int64_t when = history_when_ms(h);

    if (when < r->scan->since_ms)
        return 0;
    const char *group = group_of(r, h->feed);
    snprintf(feed, sizeof feed, "%.*s", (int)(h->feed.n < 255 ? h->feed.n : 255),
             h->feed.s);
    struct match_input in =
        match_input_of(&h->item, feed, group, (struct str){ NULL, 0 });
    if (!r->sum->items || when < r->sum->first_ms)
        r->sum->first_ms = when;
    if (!r->sum->items || when > r->sum->last_ms)
        r->sum->last_ms = when;
    r->sum->items++;
    int e = r->scan->on_item(r->scan->ctx, h, group);
    if (e == 0)
        e = match_item(r->scan->rules, r->scratch, &in, r->scan->on_hit, r->scan->ctx);
    r->stopped = e != 0;
    return e;
}

static int on_row(void *ctx, struct str packed)
{
    struct run *r = ctx;
    int e = history_each(packed, on_record, r);

    r->progress.rows++;
    show_progress(&r->progress, false);
    if (e == -EBADMSG && !r->stopped) {
        r->sum->bad++;
        return 0;
    }
    return e;
}

/* In pieces, so that the daemon's log of the store does not grow behind a long read. */
static int read_rows(struct run *r, struct store *s)
{
    struct store_history_size size;
    int64_t after = 0, before;
    int e = store_history_size(s, r->scan->since_ms, &size);

    if (e < 0)
        return e;
    r->progress.all = size.rows;
    do {
        before = after;
        e = store_history(s, r->scan->since_ms, &after, ROWS_AT_ONCE, on_row, r);
    } while (e == 0 && after != before);
    show_progress(&r->progress, true);
    return e;
}

int history_scan(const struct history_scan *scan, struct history_sum *sum)
{
    struct run run = { .scan = scan, .sum = sum };
    struct store *s = NULL;
    struct buf why;

    *sum = (struct history_sum){ 0 };
    buf_init(&why, 4096);
    run.progress.shown = isatty(STDERR_FILENO);
    int r = store_open(&s, scan->state, STORE_READ, &why);
    if (r == 0)
        r = match_scratch_new(&run.scratch);
    if (r == 0)
        r = read_rows(&run, s);
    if (r < 0 && !why.n)
        (void)buf_puts(&why, s && *store_why(s) ? store_why(s) : strerror(-r));
    if (r < 0)
        fprintf(stderr, "feedwatch %s: %s\n", scan->command, why.s ? why.s : "failed");
    if (sum->bad)
        fprintf(stderr, "feedwatch %s: %lu parts of what is kept cannot be read\n",
                scan->command, sum->bad);
    match_scratch_free(run.scratch);
    store_close(s);
    buf_free(&why);
    return r < 0 ? -1 : 0;
}

/* --- what the commands share --- */

bool history_asked(int argc, char **argv, const char *option)
{
    size_t n = strlen(option);

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strncmp(argv[i], option, n) && (!argv[i][n] || argv[i][n] == '='))
            return true;
    return false;
}

int history_since(const char *command, const char *text, int64_t *ms)
{
    int64_t s, now_s = clock_utc_ms() / 1000;

    if (config_duration(str_of(text), &s) == 0 && s <= now_s) {
        *ms = (now_s - s) * 1000;
        return 0;
    }
    if (date_parse(str_of(text), &s)) {
        *ms = s * 1000;
        return 0;
    }
    fprintf(
        stderr,
        "feedwatch %s: --since %s: write how long ago, as in 2h or 30d, or a date, as "
        "in 2026-11-24\n",
        command, text);
    return -EINVAL;
}

void history_rate(char *out, size_t size, unsigned long hits,
                  const struct history_sum *sum)
{
    double days = (double)(sum->last_ms - sum->first_ms) / DAY_MS;
    double a_day = (double)hits / (days < 1 ? 1 : days);

    if (days < 1)
        snprintf(out, size, "%lu in a day", hits);
    else
        snprintf(out, size, "%.*f a day", a_day < 10 ? 1 : 0, a_day);
}

/* --- match --- */

static const char help[] =
    "usage: feedwatch match --since TIME [-c FILE] [--json] RULE\n"
    "\n"
    "Prints the items that the store has kept since then and that match the rule, "
    "oldest\n"
    "first, and how many a day they would have been.\n"
    "\n"
    "      --since TIME    2h, 30d, 2026-11-24 or 2026-11-24T03:43:00Z\n"
    "  -c, --config FILE   the configuration that names the store and its feeds\n"
    "  -j, --json          one JSON object a line for each item that matches\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit status: 0 some item matches, 1 none does, 2 error.\n";

struct match_job {
    const char *config, *since;
    bool json;
    struct print_style style;
    const struct history_item *item;
    struct history_item copy;
    unsigned long hits;
};

static int read_options(struct match_job *j, int argc, char **argv)
{
    static const struct option longs[] = {
        { "since", required_argument, NULL, 's' },
        { "config", required_argument, NULL, 'c' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "c:jh", longs, NULL)) != -1) {
        if (c == 's')
            j->since = optarg;
        else if (c == 'c')
            j->config = optarg;
        else if (c == 'j')
            j->json = true;
        else if (c == 'h')
            return fputs(help, stdout), 1;
        else
            return -EINVAL;
    }
    if (optind + 1 == argc)
        return 0;
    fputs(optind == argc ? "feedwatch match: a rule is needed\n"
                         : "feedwatch match: with --since there are no files\n",
          stderr);
    return -EINVAL;
}

static int on_item(void *ctx, const struct history_item *h, const char *group)
{
    struct match_job *j = ctx;

    (void)group;
    j->copy = *h; /* its texts live as long as the calls for it */
    j->item = &j->copy;
    return 0;
}

/* The title with its matched words in bold; spans are in order and may overlap. */
static void put_title(const struct match_job *j, const struct match_span *span, size_t n)
{
    struct str t = j->item->item.title;
    size_t at = 0;

    for (size_t i = 0; i < n && span[i].field == MATCH_TITLE; i++) {
        size_t begin = span[i].offset, end = begin + span[i].length;

        begin = begin < at ? at : begin;
        if (begin >= end || end > t.n)
            continue;
        print_safe(stdout, (struct str){ t.s + at, begin - at });
        fputs(j->style.bold, stdout);
        print_safe(stdout, (struct str){ t.s + begin, end - begin });
        fputs(j->style.plain, stdout);
        at = end;
    }
    print_safe(stdout, (struct str){ t.s + at, t.n - at });
}

static int put_json(const struct match_job *j)
{
    char when[DATE_RFC3339_SIZE];
    struct buf b;

    buf_init(&b, 1 << 20);
    date_rfc3339(when, history_when_ms(j->item));
    (void)buf_putc(&b, '{');
    (void)json_member_str(&b, "time", str_of(when));
    (void)json_member_str(&b, "feed", j->item->feed);
    (void)json_member_str(&b, "title", j->item->item.title);
    (void)json_member_str(&b, "link", j->item->item.link);
    (void)json_member_bool(&b, "learnt", j->item->silent);
    (void)buf_puts(&b, "}\n");
    return try_put(&b);
}

static int on_hit(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    struct match_job *j = ctx;
    char when[DATE_RFC3339_SIZE];

    (void)id;
    j->hits++;
    if (j->json)
        return put_json(j);
    date_rfc3339_s(when, history_when_ms(j->item) / 1000);
    printf("%.10s %.5s [", when, when + 11);
    print_safe(stdout, j->item->feed);
    fputs("] ", stdout);
    put_title(j, spans, n);
    putchar('\n');
    if (j->item->item.link.n) {
        fputs("    ", stdout);
        print_safe(stdout, j->item->item.link);
        putchar('\n');
    }
    return ferror(stdout) ? -EIO : 0;
}

static void show_sum(const struct match_job *j, const struct history_sum *sum)
{
    char rate[60];

    history_rate(rate, sizeof rate, j->hits, sum);
    if (sum->items)
        printf("%s%lu of %lu items: %s\n", j->hits ? "\n" : "", j->hits, sum->items,
               rate);
    else
        puts("no items are kept since then; see history in feedwatch.ini(5)");
}

static int match_kept(struct match_job *j, const struct rule *rule,
                      const struct config *config, int64_t since_ms)
{
    struct match_rule one = { 0, rule->root };
    struct try_rules rules;
    struct history_sum sum;

    if (try_compile(&rules, "match", &one, 1) < 0)
        return TRY_ERROR;
    struct history_scan scan = { .command = "match",
                                 .state = config->state_dir,
                                 .since_ms = since_ms,
                                 .config = config,
                                 .rules = rules.set,
                                 .on_item = on_item,
                                 .on_hit = on_hit,
                                 .ctx = j };
    int r = history_scan(&scan, &sum);
    if (r == 0 && !j->json)
        show_sum(j, &sum);
    try_free(&rules);
    return try_status("match", r < 0, 0, j->hits);
}

int cmd_history_match(int argc, char **argv)
{
    struct match_job j = { .style = print_style(stdout) };
    struct config *config = NULL;
    int64_t since_ms;
    int status = TRY_ERROR;
    int r = read_options(&j, argc, argv);

    if (r > 0)
        return EXIT_OK;
    if (r < 0) {
        fputs("Try 'feedwatch match --since 1d --help'.\n", stderr);
        return TRY_ERROR;
    }
    if (history_since("match", j.since, &since_ms) < 0 ||
        cmd_config_load(&config, j.config) != 0)
        return TRY_ERROR;
    struct rule *rule = try_rule_in("match", argv[optind], config->sets, config->n_sets);
    if (rule)
        status = match_kept(&j, rule, config, since_ms);
    rule_free(rule);
    config_unref(config);
    return status;
}
