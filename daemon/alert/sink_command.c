/* A program for each alert: fixed arguments, the alert as JSON on its standard input. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "json.h"
#include "sink_command_own.h"
#include "sink_kinds.h"
#include "sink_text.h"

#define TIMEOUT_S 30
#define ARGS_MAX 64
#define VARS_MAX 32
#define VALUE_CHARS 1000
#define DONE_MAX 32

struct command {
    char *text, *argv[ARGS_MAX + 1]; /* argv points into text */
    char *config_path, *config_file;
    int64_t timeout_ms;
    size_t parallel;
    int stop_fd;
    int64_t
        done[DONE_MAX]; /* alerts that ran well behind one that did not: see run_some */
    size_t n_done;
};

/* ---- the command line */

/* Cut `text` into words, in place; double quotes keep words together, and \ takes the
 * meaning of " and \ within them.  How many, or -EINVAL. */
static int split(char *text, char *argv[ARGS_MAX + 1])
{
    char *from = text, *to = text;
    int n = 0;

    for (;;) {
        bool quoted = false;

        while (*from == ' ' || *from == '\t')
            from++;
        if (!*from)
            break;
        if (n == ARGS_MAX)
            return -EINVAL;
        argv[n++] = to;
        for (; *from && (quoted || (*from != ' ' && *from != '\t')); from++) {
            if (*from == '"')
                quoted = !quoted;
            else if (quoted && *from == '\\' && (from[1] == '"' || from[1] == '\\'))
                *to++ = *++from;
            else
                *to++ = *from;
        }
        if (quoted)
            return -EINVAL;
        from += *from != '\0';
        *to++ = '\0';
    }
    argv[n] = NULL;
    return n;
}

int sink_command_check(const struct sink_options *o, const char **key, struct buf *why)
{
    char *argv[ARGS_MAX + 1], *text = strdup(o->command);
    int n = text ? split(text, argv) : 0;
    bool good = n > 0 && argv[0][0] == '/';

    *key = "command";
    if (n < 0)
        (void)buf_puts(why, "command has a double quote without its end, or more than 64 "
                            "words; write PROGRAM ARGUMENT \"ARGUMENT WITH SPACES\"");
    else if (!good)
        (void)buf_printf(why,
                         "command = %s: there is no shell and no search for it; write "
                         "the whole path of the program, as in /usr/local/bin/%s",
                         o->command, n > 0 ? argv[0] : "alert");
    free(text);
    return good ? 0 : -EINVAL;
}

/* ---- what it gets to see */

struct vars {
    struct buf text;
    size_t at[VARS_MAX];
    char *env[VARS_MAX + 1];
    size_t n;
};

static void begin_var(struct vars *v, const char *name)
{
    if (v->n < VARS_MAX)
        v->at[v->n++] = v->text.n;
    (void)buf_printf(&v->text, "%s=", name);
}

static void put_var(struct vars *v, const char *name, struct str s)
{
    begin_var(v, name);
    text_put(&v->text, s, VALUE_CHARS, MARKUP_NONE);
    (void)buf_putc(&v->text, '\0');
}

static void put_number(struct vars *v, const char *name, int64_t number)
{
    begin_var(v, name);
    (void)buf_printf(&v->text, "%" PRId64, number);
    (void)buf_putc(&v->text, '\0');
}

/* What programs of a user's session need, as it is here. */
static void put_session(struct vars *v)
{
    static const char *const kept[] = { "HOME",
                                        "USER",
                                        "LOGNAME",
                                        "TZ",
                                        "XDG_RUNTIME_DIR",
                                        "DBUS_SESSION_BUS_ADDRESS",
                                        "DISPLAY",
                                        "WAYLAND_DISPLAY" };

    put_var(v, "PATH", STR("/usr/local/bin:/usr/bin:/bin"));
    put_var(v, "LANG", STR("C.UTF-8"));
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (getenv(kept[i]))
            put_var(v, kept[i], str_of(getenv(kept[i])));
}

static void put_alert(struct vars *v, const struct alert *a)
{
    static const char *const priorities[] = { "low", "normal", "critical" };

    put_var(v, "FEEDWATCH_KIND", a->update ? STR("update") : STR("alert"));
    put_number(v, "FEEDWATCH_SEQ", a->seq);
    put_var(v, "FEEDWATCH_ID", str_of(a->id));
    put_var(v, "FEEDWATCH_WATCH", a->watch);
    put_var(v, "FEEDWATCH_FEED", a->feed);
    put_var(v, "FEEDWATCH_TITLE", a->title);
    put_var(v, "FEEDWATCH_LINK", a->link);
    put_var(v, "FEEDWATCH_PRIORITY", str_of(priorities[a->priority]));
}

static void put_digest(struct vars *v, const struct digest *d)
{
    struct buf title;

    buf_init(&title, 8192);
    (void)digest_title(&title, d);
    put_var(v, "FEEDWATCH_KIND", STR("digest"));
    put_var(v, "FEEDWATCH_ID", str_of(d->id));
    put_var(v, "FEEDWATCH_WATCH", d->watch);
    put_var(v, "FEEDWATCH_TITLE", buf_str(&title));
    put_number(v, "FEEDWATCH_COUNT", d->count);
    buf_free(&title);
}

struct call { /* one program to be run, and the memory of it */
    struct vars vars;
    struct buf input;
};

static int prepare(struct call *call, const struct parcel *p, size_t i)
{
    struct vars *v = &call->vars;
    int r;

    buf_init(&v->text, 128UL << 10);
    buf_init(&call->input, 4UL << 20);
    put_session(v);
    if (p->digest)
        put_digest(v, p->digest);
    else
        put_alert(v, p->alerts[i]);
    for (size_t k = 0; k < v->n && v->text.s; k++)
        v->env[k] = v->text.s + v->at[k];
    v->env[v->n] = NULL;
    r = p->digest ? digest_json(&call->input, p->digest)
                  : alert_render(&call->input, p->alerts[i], ALERT_JSON);
    return v->text.error ? v->text.error : r;
}

static void call_free(struct call *call)
{
    buf_free(&call->vars.text);
    buf_free(&call->input);
}

/* ---- running */

/* A retry begins at the first alert that failed; those behind it that went well do not
 * run again. */
static bool was_done(const struct command *c, int64_t seq)
{
    for (size_t i = 0; i < c->n_done; i++)
        if (c->done[i] == seq)
            return true;
    return false;
}

static void note_done(struct command *c, int64_t seq)
{
    if (c->n_done == DONE_MAX)
        memmove(c->done, c->done + 1, --c->n_done * sizeof c->done[0]);
    c->done[c->n_done++] = seq;
}

/* Run for `n` alerts, or the digest, at once.  How many, from the first on, went well. */
static int run_some(struct command *c, const struct parcel *p, size_t n, struct sent *out)
{
    struct run run[COMMAND_PARALLEL_MAX] = { 0 };
    struct call call[COMMAND_PARALLEL_MAX] = { 0 };
    size_t which[COMMAND_PARALLEL_MAX], runs = 0, good = 0;
    bool failed[COMMAND_PARALLEL_MAX] = { false };
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        if (!p->digest && was_done(c, p->alerts[i]->seq))
            continue;
        r = prepare(&call[runs], p, i);
        which[runs] = i;
        run[runs].argv = c->argv;
        run[runs].env = call[runs].vars.env;
        run[runs].input = buf_str(&call[runs].input);
        buf_init(&run[runs].why, 280);
        runs++;
    }
    if (r == 0)
        command_run(run, runs, c->timeout_ms, c->stop_fd);
    for (size_t i = 0; i < runs; i++) {
        failed[which[i]] = r < 0 || run[i].result < 0;
        if (!failed[which[i]] && !p->digest)
            note_done(c, p->alerts[which[i]]->seq);
        if (failed[which[i]] && !out->why.n) {
            (void)buf_puts(&out->why, run[i].why.n ? run[i].why.s : strerror(-r));
            out->refused = run[i].its_fault;
        }
        buf_free(&run[i].why);
        call_free(&call[i]);
    }
    while (r == 0 && good < n && !failed[good])
        good++;
    return good ? (int)good : r < 0 ? r : -EIO;
}

static int command_send(void *ctx, const struct parcel *p, struct sent *out)
{
    struct command *c = ctx;
    size_t n = p->digest ? 1 : p->n < c->parallel ? p->n : c->parallel;
    int r = command_safe(c->config_path, &out->why);

    if (r == 0 && strcmp(c->config_path, c->config_file) != 0)
        r = command_safe(c->config_file, &out->why);
    if (r == 0)
        r = command_safe(c->argv[0], &out->why);
    return r < 0 ? r : run_some(c, p, n, out);
}

static void command_interrupt(void *ctx)
{
    uint64_t one = 1;

    if (write(((struct command *)ctx)->stop_fd, &one, sizeof one) < 0)
        (void)0; /* was told already */
}

static void command_free(void *ctx)
{
    struct command *c = ctx;

    if (!c)
        return;
    if (c->stop_fd >= 0)
        close(c->stop_fd);
    free(c->text);
    free(c->config_path);
    free(c->config_file);
    free(c);
}

static const struct sink_work work = {
    .type = "command",
    .batch = COMMAND_PARALLEL_MAX,
    .send = command_send,
    .interrupt = command_interrupt,
    .free = command_free,
};

int sink_command_open(struct sink **out, const struct sink_options *o, struct buf *why)
{
    struct command *c = calloc(1, sizeof *c);
    struct sink_pace pace = { o->per_minute, o->per_minute ? 60000 / o->per_minute : 0 };
    int r = -ENOMEM;

    if (!c)
        return r;
    c->timeout_ms = (o->timeout_s ? o->timeout_s : TIMEOUT_S) * 1000;
    c->parallel = o->parallel && o->parallel <= COMMAND_PARALLEL_MAX ? o->parallel : 1;
    c->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->text = strdup(o->command);
    c->config_path = realpath(o->config_path, NULL);
    c->config_file = realpath(o->config_file, NULL);
    if (c->text && c->config_path && c->config_file && c->stop_fd >= 0)
        r = split(c->text, c->argv) > 0 ? 0 : -EINVAL;
    if (r == 0)
        r = sink_worker_new(out, o->name, &work, c, pace, why);
    if (r < 0)
        command_free(c);
    return r;
}
