/* feedwatch alerts: what has alerted, out of the store; with -f, what goes on to. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "cmd.h"
#include "cmd_print.h"
#include "config.h"
#include "date.h"
#include "store.h"

enum {
    SHOWN_MAX_CHARS = 500,
    LATEST = 10,
    SOURCES_SHOWN = 16,
    LOOK_EVERY_MS = 250,
    FOLLOW_BATCH = 1000
};

struct options {
    const char *config, *state, *watch;
    size_t n; /* at most so many of those that are there; SIZE_MAX: all */
    int64_t since_ms;
    bool follow, json;
};

struct view {
    const struct options *o;
    struct print_style style;
    struct buf line;
    int64_t seq; /* of the last one that was met, shown or not */
    char id[33];
};

static const char help[] =
    "usage: feedwatch alerts [-n N] [-f] [--watch NAME] [--since TIME] [--json]\n"
    "\n"
    "Prints the latest alerts, oldest first; on a terminal the matched words stand out.\n"
    "\n"
    "  -n, --lines N        at most the latest N; \"all\" for all (default 10, all with\n"
    "                       --since)\n"
    "  -f, --follow         go on with new ones as they come, until interrupted\n"
    "  -w, --watch NAME     only those of this watch\n"
    "  -s, --since TIME     only those that matched since then: 2h, 3d, 2026-11-24 or\n"
    "                       2026-11-24T03:43:00Z\n"
    "  -j, --json           one JSON object a line, as in the alert log\n"
    "  -c, --config FILE    the configuration that names the store, as for run\n"
    "      --state DIR      the store itself, instead\n"
    "  -h, --help           this text\n"
    "\n"
    "Exit status: 0 fine, also when there are none; 1 the store cannot be read, 2 "
    "usage,\n"
    "78 the configuration has errors.\n";

/* --- options --- */

static int bad_option(const char *option, const char *value, const char *write)
{
    fprintf(stderr, "feedwatch alerts: %s %s: write %s\n", option, value, write);
    return -EINVAL;
}

static int read_lines(struct options *o, const char *text)
{
    char *end;

    if (!strcmp(text, "all")) {
        o->n = SIZE_MAX;
        return 0;
    }
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || n > INT_MAX)
        return bad_option("-n", text, "a number or \"all\"");
    o->n = n;
    return 0;
}

/* "2h": so long ago; else a date. */
static int read_since(struct options *o, const char *text)
{
    int64_t s, now_s = clock_utc_ms() / 1000;

    if (config_duration(str_of(text), &s) == 0 && s <= now_s)
        s = now_s - s;
    else if (!date_parse(str_of(text), &s))
        return bad_option("--since", text,
                          "how long ago, as in 2h or 3d, or a date, as in 2026-11-24 or "
                          "2026-11-24T03:43:00Z");
    o->since_ms = s * 1000;
    return 0;
}

/* 0: go on; 1: all is done; -EINVAL: usage. */
static int read_options(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        { "lines", required_argument, NULL, 'n' },
        { "follow", no_argument, NULL, 'f' },
        { "watch", required_argument, NULL, 'w' },
        { "since", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "config", required_argument, NULL, 'c' },
        { "state", required_argument, NULL, 'S' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    bool lines = false;
    int c, r = 0;

    while (r == 0 && (c = getopt_long(argc, argv, "n:fw:s:jc:h", longs, NULL)) != -1) {
        if (c == 'n')
            r = read_lines(o, optarg), lines = true;
        else if (c == 'f')
            o->follow = true;
        else if (c == 'w')
            o->watch = optarg;
        else if (c == 's')
            r = read_since(o, optarg);
        else if (c == 'j')
            o->json = true;
        else if (c == 'c')
            o->config = optarg;
        else if (c == 'S')
            o->state = optarg;
        else if (c == 'h')
            return fputs(help, stdout), 1;
        else
            r = -EINVAL;
    }
    if (r == 0 && optind < argc) {
        fprintf(stderr, "feedwatch alerts: unexpected '%s'\n", argv[optind]);
        r = -EINVAL;
    }
    if (!lines)
        o->n = o->since_ms ? SIZE_MAX : LATEST;
    return r;
}

/* --- showing --- */

/* As the line of the log, in colour. */
static void put_styled(struct view *v, const struct alert *a)
{
    const struct print_style *p = &v->style;
    char marked[40], when[DATE_RFC3339_SIZE];
    struct alert_mark mark = { marked, p->plain };
    struct buf *b = &v->line;

    snprintf(marked, sizeof marked, "%s%s", p->bold, p->hint);
    date_rfc3339(when, a->time_ms);
    (void)buf_printf(b, "%s #%" PRId64 " ", when, a->seq);
    if (a->priority == ALERT_CRITICAL)
        (void)buf_printf(b, "%sCRITICAL%s ", p->bad, p->plain);
    (void)buf_puts(b, p->good);
    (void)alert_put_safe(b, a->watch, SHOWN_MAX_CHARS);
    (void)buf_printf(b, "%s [", p->plain);
    (void)alert_put_safe(b, a->feed, SHOWN_MAX_CHARS);
    (void)buf_puts(b, "] ");
    (void)alert_put_marked(b, a, false, SHOWN_MAX_CHARS, &mark);
    if (a->link.n) {
        (void)buf_puts(b, " \xE2\x80\x94 ");
        (void)alert_put_safe(b, a->link, 4 * SHOWN_MAX_CHARS);
    }
    struct str sources = a->sources;
    struct alert_source source;
    for (int i = 0; i < SOURCES_SHOWN && alert_source_next(&sources, &source); i++) {
        (void)buf_puts(b, i ? ", " : " also ");
        (void)alert_put_safe(b, source.feed, SHOWN_MAX_CHARS);
    }
    if (a->late)
        (void)buf_printf(b, " %slate%s", p->hint, p->plain);
    if (a->update)
        (void)buf_printf(b, " %supdate%s", p->hint, p->plain);
    if (a->held.n) {
        (void)buf_printf(b, " %sheld=", p->hint);
        (void)alert_put_safe(b, a->held, SHOWN_MAX_CHARS);
        (void)buf_puts(b, p->plain);
    }
    (void)buf_putc(b, '\n');
    if (a->snippet.n) {
        (void)buf_puts(b, "    ");
        (void)alert_put_marked(b, a, true, SHOWN_MAX_CHARS, &mark);
        (void)buf_putc(b, '\n');
    }
}

static int show(void *ctx, const struct alert *a)
{
    struct view *v = ctx;

    v->seq = a->seq;
    memcpy(v->id, a->id, sizeof v->id);
    if ((v->o->watch && !str_eq(a->watch, str_of(v->o->watch))) ||
        a->time_ms < v->o->since_ms)
        return 0;
    buf_clear(&v->line);
    if (v->o->json)
        (void)alert_render(&v->line, a, ALERT_JSON);
    else if (*v->style.plain)
        put_styled(v, a);
    else
        (void)alert_render(&v->line, a, ALERT_TEXT);
    if (v->line.error)
        return v->line.error;
    return fwrite(v->line.s, 1, v->line.n, stdout) == v->line.n ? 0 : -EPIPE;
}

static int keep_id(void *ctx, const struct alert *a)
{
    memcpy(ctx, a->id, sizeof a->id);
    return 0;
}

/* Everything up to `seq` is done with. */
static int set_place(struct view *v, struct store *s, int64_t seq)
{
    v->seq = seq;
    v->id[0] = '\0';
    return seq > 0 ? store_alerts_after(s, seq - 1, 1, keep_id, v->id) : 0;
}

/* Those that are there already. */
static int show_latest(struct view *v, struct store *s)
{
    struct store_filter want = { .watch = str_of(v->o->watch),
                                 .since_ms = v->o->since_ms };
    int64_t last = store_last_seq(s);
    int r = last < 0 ? (int)last : 0;

    if (r == 0 && v->o->n)
        r = store_alerts_latest(s, v->o->n, &want, show, v);
    if (r == 0 && v->seq < last) /* what comes behind the last one shown is not wanted */
        r = set_place(v, s, last);
    return r;
}

/* --- following: through restarts of the daemon, and exchanges of the store --- */

/* Another store than before: go on after the last alert that was met if it is in it, else
 * everything in it is new. */
static int find_place(struct view *v, struct store *s)
{
    char id[33] = "";
    int r = v->seq > 0 ? store_alerts_after(s, v->seq - 1, 1, keep_id, id) : 0;

    if (r == 0 && strcmp(id, v->id) != 0)
        v->seq = 0;
    return r;
}

static void let_go(struct store **s)
{
    store_close(*s);
    *s = NULL;
}

/* One look: what is new since the last one.  Only what waiting cannot mend is an error.
 */
static int look(struct view *v, const char *dir, struct store **s, struct buf *why)
{
    int64_t before;
    int r = 0;

    if (*s && store_moved(*s))
        let_go(s);
    if (!*s) {
        buf_clear(why);
        r = store_open(s, dir, STORE_READ, why);
        if (r == 0)
            r = find_place(v, *s);
        if (r < 0 && !*s)
            return r == -EPROTO || r == -EACCES ? r : 0;
    }
    do {
        before = v->seq;
        if (r == 0)
            r = store_alerts_after(*s, v->seq, FOLLOW_BATCH, show, v);
    } while (r == 0 && v->seq != before);
    if (r == 0 || r == -EPIPE)
        return r < 0 || fflush(stdout) < 0 ? -EPIPE : 0;
    let_go(s); /* damaged, or being exchanged */
    return 0;
}

/* Until the reader of our output is gone. */
static int follow(struct view *v, const char *dir, struct store **s, struct buf *why)
{
    int r = fflush(stdout) < 0 ? -EPIPE : 0;

    while (r == 0) {
        struct pollfd out = { .fd = STDOUT_FILENO, .events = 0 };

        (void)poll(&out, 1, LOOK_EVERY_MS);
        if (out.revents & POLLERR)
            return -EPIPE;
        if (out.revents) /* closed: poll(2) does not wait for it */
            (void)nanosleep(&(struct timespec){ .tv_nsec = LOOK_EVERY_MS * 1000000L },
                            NULL);
        r = look(v, dir, s, why);
    }
    return r;
}

static int run(const struct options *o, const char *dir)
{
    struct view v = { .o = o, .style = print_style(stdout) };
    struct store *s = NULL;
    struct buf why;

    buf_init(&v.line, 16 << 20);
    buf_init(&why, 4096);
    int r = store_open(&s, dir, STORE_READ, &why);
    if (r == 0) {
        r = show_latest(&v, s);
        if (r < 0 && r != -EPIPE)
            (void)buf_puts(&why, store_why(s));
    } else if (r == -ENOENT && o->follow) {
        fprintf(stderr, "feedwatch alerts: waiting for a store in %s\n", dir);
        r = 0;
    }
    if (r == 0 && o->follow)
        r = follow(&v, dir, &s, &why);
    if (r == 0 && fflush(stdout) < 0)
        r = -EPIPE;
    if (r < 0 && r != -EPIPE)
        fprintf(stderr, "feedwatch alerts: %s\n", why.n ? why.s : strerror(-r));
    store_close(s);
    buf_free(&why);
    buf_free(&v.line);
    return r == 0 || r == -EPIPE ? EXIT_OK : EXIT_RUN;
}

int cmd_alerts(int argc, char **argv)
{
    struct options o = { 0 };
    struct config *config = NULL;

    int r = read_options(&o, argc, argv);
    if (r < 0)
        fputs(help, stderr);
    if (r != 0)
        return r < 0 ? EXIT_USAGE : EXIT_OK;
    (void)signal(SIGPIPE, SIG_IGN);
    if (o.state)
        return run(&o, o.state);
    if (cmd_config_load(&config, o.config) != 0)
        return EXIT_CONFIG;
    int status = run(&o, config->state_dir);
    config_unref(config);
    return status;
}
