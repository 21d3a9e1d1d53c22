/* feedwatch status: how the feeds fare, read from the store beside a running daemon. */
#include "cmd_status.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "cmd.h"
#include "cmd_print.h"

#define DAY_MS ((int64_t)86400000)

static const char help[] =
    "usage: feedwatch status [-c FILE] [--failing] [--json] [--feed NAME]\n"
    "\n"
    "Shows how the feeds fare: state, last success, when and why the next poll is due,\n"
    "items a day, share of \"not modified\" answers, failures, gaps; and how many "
    "alerts\n"
    "each watch has held back, and why.  Reads the store; the daemon may run or not.\n"
    "\n"
    "  -c, --config FILE  this config instead of /etc/feedwatch/feedwatch.ini\n"
    "      --feed NAME    all that is known of one feed\n"
    "      --failing      only feeds that need a look\n"
    "  -j, --json         as one JSON object, see feedwatch(1)\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit status: 0 shown, 1 no such feed or no store to read, 2 usage, 78 the config "
    "is\n"
    "wrong.\n";

struct options {
    const char *config, *feed;
    bool json, failing;
};

/* 0, 1 when there is nothing more to do, or -EINVAL. */
static int read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },
        { "feed", required_argument, NULL, 'f' },
        { "failing", no_argument, NULL, 'F' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };

    for (int c; (c = getopt_long(argc, argv, "c:jh", known, NULL)) != -1;)
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'f':
            o->feed = optarg;
            break;
        case 'F':
            o->failing = true;
            break;
        case 'j':
            o->json = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 1;
        default:
            return -EINVAL;
        }
    return optind == argc ? 0 : -EINVAL;
}

/* ---- what the rows say ---- */

bool status_is_failing(const struct status_row *row)
{
    return (row->is != STORE_FEED_OK && row->is != STORE_FEED_NEW) ||
           row->state.error != NULL;
}

double status_items_a_day(const struct status *s, const struct status_row *row)
{
    int64_t age = s->now_ms - row->state.first_ms;

    if (row->state.rhythm_s > 0)
        return 86400.0 / row->state.rhythm_s;
    if (!row->state.first_ms || age < DAY_MS / 24)
        return -1;
    return (double)row->state.items * (double)DAY_MS / (double)age;
}

int64_t status_due_ms(const struct status_row *row)
{
    int64_t due = row->state.due_ms;

    if (row->is == STORE_FEED_GONE)
        return 0;
    return row->state.hold_ms > due ? row->state.hold_ms : due;
}

const char *status_why_due(const struct status *s, const struct status_row *row)
{
    if (!row->state.id)
        return s->daemon ? "new in the config: the daemon has to reload it"
                         : "new in the config";
    if (row->state.hold_ms > row->state.due_ms && row->state.hold_ms > s->now_ms)
        return store_due_name(STORE_DUE_RETRY_AFTER);
    return store_due_name((enum store_due)row->state.due_why);
}

/* ---- from config and store ---- */

static int by_name(const void *a, const void *b)
{
    const struct status_row *x = *(const struct status_row *const *)a;
    const struct status_row *y = *(const struct status_row *const *)b;

    return strcmp(x->conf->name, y->conf->name);
}

struct filling {
    struct status_row **sorted; /* by name */
    size_t n;
};

static int name_against(const void *key, const void *element)
{
    return strcmp(key, (*(const struct status_row *const *)element)->conf->name);
}

static char *take(const char *s, bool *oom)
{
    char *copy = s ? strdup(s) : NULL;

    *oom |= s && !copy;
    return copy;
}

/* The store lends the row for this call only. */
static int on_feed(void *ctx, const struct store_feed *f)
{
    struct filling *fill = ctx;
    struct status_row **found =
        bsearch(f->name, fill->sorted, fill->n, sizeof *found, name_against);
    bool oom = false;

    if (!found)
        return 0; /* no longer in the config */
    struct store_feed *to = &(*found)->state;
    *to = *f;
    to->name = take(f->name, &oom);
    to->url = take(f->url, &oom);
    to->effective_url = take(f->effective_url, &oom);
    to->etag = take(f->etag, &oom);
    to->last_modified = take(f->last_modified, &oom);
    to->error = take(f->error, &oom);
    to->title = take(f->title, &oom);
    to->moved_to = take(f->moved_to, &oom);
    to->hub = take(f->hub, &oom);
    (*found)->is = store_feed_state(f);
    return oom ? -ENOMEM : 0;
}

/* What the daemon left when it did not take a changed config: "UTC-MS WHY". */
static int read_refusal(struct status *s, struct store *store)
{
    struct buf note;

    buf_init(&note, 4096);
    int r = store_note_read(store, STORE_NOTE_REFUSED, &note);
    char *end = note.s;
    if (r == 0 && note.n)
        s->refused_ms = strtoll(note.s, &end, 10);
    if (s->refused_ms && !(s->refused = strdup(end + (*end == ' '))))
        r = -ENOMEM;
    buf_free(&note);
    return r;
}

static int read_limited(struct status *s, struct store *store)
{
    struct buf note;

    buf_init(&note, 1 << 20);
    int r = store_note_read(store, STORE_NOTE_LIMITED, &note);
    if (r == 0 && note.n && !(s->limited = strndup(note.s, note.n)))
        r = -ENOMEM;
    buf_free(&note);
    return r;
}

static int read_store(struct status *s, struct buf *why)
{
    struct store *store = NULL;
    struct filling fill = { calloc(s->n + 1, sizeof *fill.sorted), s->n };
    int r =
        fill.sorted ? store_open(&store, s->config->state_dir, STORE_READ, why) : -ENOMEM;

    if (r >= 0) {
        for (size_t i = 0; i < s->n; i++)
            fill.sorted[i] = &s->row[i];
        qsort(fill.sorted, s->n, sizeof *fill.sorted, by_name);
        s->alerts = store_last_seq(store);
        r = store_feeds(store, on_feed, &fill);
        if (r >= 0)
            r = read_refusal(s, store);
        if (r >= 0)
            r = read_limited(s, store);
        if (r >= 0)
            r = status_held_read(s, store, clock_utc_ms());
        if (r < 0)
            (void)buf_puts(why, store_why(store));
    }
    store_close(store);
    free(fill.sorted);
    return r;
}

/* No store at all is fine: nothing has been polled yet. */
static int fill(struct status *s, const struct config *config)
{
    struct buf why;

    s->config = config;
    s->row = calloc(config->n_feeds + 1, sizeof *s->row);
    if (!s->row)
        return -ENOMEM;
    for (; s->n < config->n_feeds; s->n++)
        s->row[s->n] = (struct status_row){ .conf = &config->feeds[s->n] };
    s->daemon = store_writer(config->state_dir);
    buf_init(&why, 1024);
    int r = read_store(s, &why);
    s->now_ms = clock_utc_ms();
    if (r == -ENOENT)
        r = 0;
    if (r < 0)
        fprintf(stderr, "feedwatch status: %s\n", why.n ? why.s : strerror(-r));
    buf_free(&why);
    return r;
}

static void status_done(struct status *s)
{
    for (size_t i = 0; i < s->n; i++)
        store_feed_done(&s->row[i].state);
    free(s->row);
    free(s->refused);
    free(s->limited);
    status_held_done(s);
}

/* ---- the command ---- */

static struct status_row *row_named(const struct status *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->row[i].conf->name, name) == 0)
            return &s->row[i];
    return NULL;
}

/* The only feed of which the user may have named a part, or NULL. */
static const char *feed_like(const struct status *s, const char *name)
{
    const char *found = NULL;

    for (size_t i = 0; i < s->n; i++) {
        if (!strcasestr(s->row[i].conf->name, name))
            continue;
        if (found)
            return NULL;
        found = s->row[i].conf->name;
    }
    return found;
}

static int say_no_feed(const struct status *s, const char *name)
{
    const char *like = feed_like(s, name);

    fputs("feedwatch status: there is no feed '", stderr);
    print_safe(stderr, str_of(name));
    fprintf(stderr, "' in %s", s->config->path);
    if (like)
        fprintf(stderr, "; did you mean '%s'?", like);
    fputc('\n', stderr);
    return EXIT_RUN;
}

static int show(const struct status *s, const struct options *o)
{
    const struct status_row *only = o->feed ? row_named(s, o->feed) : NULL;

    if (o->feed && !only)
        return say_no_feed(s, o->feed);
    if (o->json && status_json(s, only) < 0)
        return EXIT_RUN;
    if (!o->json && only)
        status_detail(s, only);
    else if (!o->json)
        status_table(s);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_OK;
    fprintf(stderr, "feedwatch status: %s\n", strerror(errno));
    return EXIT_RUN;
}

int cmd_status(int argc, char **argv)
{
    struct options o = { 0 };
    struct config *config = NULL;
    struct status s = { 0 };

    int r = read_options(&o, argc, argv);
    if (r < 0)
        fputs(help, stderr);
    if (r)
        return r < 0 ? EXIT_USAGE : EXIT_OK;
    if (cmd_config_load(&config, o.config) != 0) {
        fputs("feedwatch status: a daemon that runs goes on with the config it has\n",
              stderr);
        return EXIT_CONFIG;
    }
    s.failing = o.failing;
    int status = fill(&s, config) < 0 ? EXIT_RUN : show(&s, &o);
    status_done(&s);
    config_unref(config);
    return status;
}
