/* From drafts to the checked config: defaults, inheritance, references, rules. */
#include "config_noise.h"
#include "config_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"

#define GROUP_PREFIX "group:"

/* ---- where things are kept */

/* The first directory of a colon-separated list, as systemd sets it. */
static struct str env_dir(const char *name)
{
    struct str v = str_of(getenv(name));
    const char *colon = v.n ? memchr(v.s, ':', v.n) : NULL;

    if (colon)
        v.n = (size_t)(colon - v.s);
    return v.n && v.s[0] == '/' ? v : (struct str){ 0 };
}

static const char *join(struct loader *l, struct str dir, const char *name)
{
    size_t n = dir.n + strlen(name) + 1;
    char *p = arena_get(l->arena, n);

    if (p)
        snprintf(p, n, "%.*s%s", (int)dir.n, dir.s, name);
    l->oom |= !p;
    return p;
}

static const char *default_state(struct loader *l)
{
    struct str dir;

    if ((dir = env_dir("STATE_DIRECTORY")).n)
        return join(l, dir, "");
    if ((dir = env_dir("XDG_STATE_HOME")).n)
        return join(l, dir, "/feedwatch");
    if ((dir = env_dir("HOME")).n)
        return join(l, dir, "/.local/state/feedwatch");
    return NULL;
}

static void build_places(struct loader *l, struct config *c)
{
    const struct draft_general *g = &l->general;
    struct str logs = env_dir("LOGS_DIRECTORY");

    c->state_dir = g->state_dir ? g->state_dir : default_state(l);
    if (!c->state_dir) {
        if (!l->oom)
            config_error(l, (struct config_place){ c->path, 0 },
                         "no place for the state: HOME is not set; write state = DIR in "
                         "[feedwatch]");
        return;
    }
    c->log_path = g->log_path ? g->log_path
                  : logs.n    ? join(l, logs, "/alerts.log")
                              : join(l, str_of(c->state_dir), "/alerts.log");
}

/* "feedwatch/VERSION (+CONTACT)", unless the user has written a whole User-Agent. */
static void build_agent(struct loader *l, struct draft_general *g)
{
    static const char head[] = "feedwatch/" FEEDWATCH_VERSION " (+";

    if (g->contact && !g->all.user_agent) {
        const char *start = join(l, STR(head), g->contact);
        g->all.user_agent = start ? join(l, str_of(start), ")") : NULL;
    }
}

static void build_general(struct loader *l, struct config *c)
{
    struct draft_general *g = &l->general;

    build_agent(l, g);
    build_places(l, c);
    c->metrics_path = g->metrics_path;
    c->log_format = g->log_format ? (enum alert_format)(g->log_format - 1) : ALERT_TEXT;
    c->desktop = g->desktop ? (enum config_desktop)(g->desktop - 1) : CONFIG_DESKTOP_AUTO;
    c->user_agent = g->all.user_agent;
    c->workers = g->workers;
    c->dns_servers = g->dns_servers;
    c->max_transfers = g->max_transfers ? g->max_transfers : 64;
    c->host_connections = g->host_connections ? g->host_connections : 2;
    c->host_interval_set = g->host_interval_ms != UNSET;
    c->host_interval_ms = c->host_interval_set ? g->host_interval_ms : 1000;
    c->keep_seen_s = g->keep_seen_s != UNSET ? g->keep_seen_s : 90 * 86400LL;
    c->keep_alerts_s = g->keep_alerts_s != UNSET ? g->keep_alerts_s : 365 * 86400LL;
    c->give_up_s = g->give_up_s != UNSET ? g->give_up_s : 7 * 86400LL;
    c->history_s = g->history_s != UNSET ? g->history_s : 30 * 86400LL;
    c->history_bytes = g->history_bytes != UNSET ? g->history_bytes : 256LL << 20;
}

/* ---- settings: feed before group before general before default */

#define DEFAULTS                                                                         \
    {                                                                                    \
        .interval_s = 15 * 60, .min_interval_s = 60, .max_interval_s = 86400,            \
        .first_run_max_age_s = 0, .timeout_s = 60, .max_bytes = 8 << 20, .charset = "",  \
        .user_agent = NULL, .allow_private = 0, .connect_timeout_s = 10,                 \
        .low_speed_bytes = 64, .low_speed_s = 20, .max_items = 10000,                    \
        .max_text = 256 << 10, .max_depth = 64, .broken_after_s = 86400,                 \
        .silent_after_s = AUTO, .full_fetch_s = 7 * 86400, .follow_moves = 1             \
    }

static void print_duration(char out[32], int64_t s)
{
    static const struct {
        char unit;
        int64_t s;
    } units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
    size_t n = 0;

    for (size_t i = 0; i < 4; i++) {
        if (s >= units[i].s)
            n += (size_t)snprintf(out + n, 32 - n, "%lld%c", (long long)(s / units[i].s),
                                  units[i].unit);
        s %= units[i].s;
    }
    if (n == 0)
        snprintf(out, 32, "0s");
}

/* The three intervals of `own` on top of `s`.  A bound that is written here moves an
 * interval that is inherited; an interval that is written here must keep the bounds. */
static void lay_intervals(struct loader *l, struct settings *s,
                          const struct settings *own)
{
    char a[32], b[32];
    bool has_min = own->min_interval_s != UNSET, has_max = own->max_interval_s != UNSET;

    if (has_min)
        s->min_interval_s = own->min_interval_s;
    if (has_max)
        s->max_interval_s = own->max_interval_s;
    if (s->max_interval_s < s->min_interval_s && has_max) {
        print_duration(a, s->max_interval_s);
        print_duration(b, s->min_interval_s);
        config_error(l, own->max_at,
                     "max_interval %s is below min_interval %s; write at least "
                     "max_interval = %s",
                     a, b, b);
    }
    if (s->max_interval_s < s->min_interval_s)
        s->max_interval_s = s->min_interval_s;

    bool has = own->interval_s != UNSET && own->interval_s != AUTO;
    int64_t want = has ? own->interval_s : s->interval_s;
    if (own->interval_s != UNSET)
        s->interval_auto = own->interval_s == AUTO;
    s->interval_s = want < s->min_interval_s   ? s->min_interval_s
                    : want > s->max_interval_s ? s->max_interval_s
                                               : want;
    if (!has || s->interval_s == want)
        return;
    bool below = want < s->interval_s;
    print_duration(a, want);
    print_duration(b, s->interval_s);
    config_error(l, own->interval_at,
                 "interval %s is %s %s_interval %s; write interval = %s, or also "
                 "%s_interval = %s",
                 a, below ? "below" : "above", below ? "min" : "max", b, b,
                 below ? "min" : "max", a);
}

/* What says how a feed is asked for.  Is any of it in `own`? */
static bool lay_access(struct settings *s, const struct settings *own)
{
    int64_t *to[] = { &s->connect_timeout_s, &s->low_speed_bytes, &s->low_speed_s,
                      &s->max_items,         &s->max_text,        &s->max_depth,
                      &s->broken_after_s,    &s->silent_after_s,  &s->full_fetch_s };
    const int64_t from[] = { own->connect_timeout_s, own->low_speed_bytes,
                             own->low_speed_s,       own->max_items,
                             own->max_text,          own->max_depth,
                             own->broken_after_s,    own->silent_after_s,
                             own->full_fetch_s };

    bool any = own->follow_moves != UNSET || own->ca_file || own->proxy ||
               own->headers.text.n || own->basic_auth.text.n || own->bearer_token.text.n;

    for (size_t i = 0; i < sizeof to / sizeof to[0]; i++) {
        any |= from[i] != UNSET;
        if (from[i] != UNSET)
            *to[i] = from[i];
    }
    if (own->follow_moves != UNSET)
        s->follow_moves = own->follow_moves;
    if (own->ca_file)
        s->ca_file = own->ca_file;
    if (own->proxy)
        s->proxy = own->proxy;
    if (own->headers.text.n)
        s->headers = own->headers;
    if (own->basic_auth.text.n || own->bearer_token.text.n) { /* one or the other */
        s->basic_auth = own->basic_auth;
        s->bearer_token = own->bearer_token;
    }
    return any;
}

/* Is anything in `own` that build_access() must know of? */
static bool lay_settings(struct loader *l, struct settings *s, const struct settings *own)
{
    lay_intervals(l, s, own);
    if (own->first_run_max_age_s != UNSET)
        s->first_run_max_age_s = own->first_run_max_age_s;
    if (own->timeout_s != UNSET)
        s->timeout_s = own->timeout_s;
    if (own->max_bytes != UNSET)
        s->max_bytes = own->max_bytes;
    if (own->allow_private != UNSET)
        s->allow_private = own->allow_private;
    if (own->charset)
        s->charset = own->charset;
    if (own->user_agent)
        s->user_agent = own->user_agent;
    return lay_access(s, own);
}

/* ---- feeds */

/* Remember a feed's group for watches that name it; warn of a likely typo. */
static const char *join_group(struct loader *l, const struct draft_feed *d)
{
    struct str name = d->group.text;
    const struct name *known = names_find(&l->names, IN_LABEL, name);

    if (known)
        return known->name;
    if (!config_name_ok(l, d->group.place, "group", name))
        return NULL;
    if (!names_find(&l->names, IN_GROUP, name)) {
        const char *near = names_nearest(&l->names, IN_GROUP, name);
        if (near)
            config_warn(l, d->group.place,
                        "there is no [group:%.*s]; did you mean group = %s?", shown(name),
                        name.s, near);
    }
    if (names_add(&l->names, IN_LABEL, d->group.text.s, 0) < 0)
        l->oom = true;
    return d->group.text.s;
}

/* Settings laid together, and what `access` is made of them. */
struct base {
    struct settings settings;
    const struct config_access *access;
    const char *const *sinks; /* NULL: all */
};

/* A local file stands as a URL in the store and in reports; no URL leads there. */
static const char *file_url(struct loader *l, const char *path)
{
    size_t n = sizeof "file://" + strlen(path);
    char *url = arena_get(l->arena, n);

    if (url)
        snprintf(url, n, "file://%s", path);
    l->oom |= !url;
    return url;
}

typedef void check_word_fn(struct loader *, const struct entry *, struct str);
static check_word_fn check_sink_word;
static const char *const *build_list(struct loader *l, const struct entry *e,
                                     check_word_fn *check);

/* The sinks that are named here, else those that are inherited. */
static const char *const *lay_sinks(struct loader *l, const struct settings *own,
                                    const char *const *inherited)
{
    return own->sinks.text.n ? build_list(l, &own->sinks, check_sink_word) : inherited;
}

static void build_feed(struct loader *l, struct config_feed *f,
                       const struct draft_feed *d, const struct base *general,
                       const struct base *by_group)
{
    const struct base *base = general;
    const struct name *section = NULL;

    f->name = d->head.name;
    f->file = d->file;
    f->url = d->file ? file_url(l, d->file) : d->url;
    f->place = d->head.place;
    f->group = d->group.text.n ? join_group(l, d) : "";
    if (d->group.text.n)
        section = names_find(&l->names, IN_GROUP, d->group.text);
    if (section)
        base = &by_group[section->index];
    struct settings s = base->settings;
    f->access = base->access;
    f->sinks = d->own ? lay_sinks(l, d->own, base->sinks) : base->sinks;
    if (d->own && lay_settings(l, &s, d->own))
        f->access = build_access(l, &s, base->access);
    f->interval_auto = s.interval_auto;
    f->charset = s.charset;
    f->user_agent = s.user_agent;
    f->interval_s = s.interval_s;
    f->min_interval_s = s.min_interval_s;
    f->max_interval_s = s.max_interval_s;
    f->first_run_max_age_s = s.first_run_max_age_s;
    f->timeout_s = s.timeout_s;
    f->max_bytes = s.max_bytes;
    f->allow_private = s.allow_private != 0;
}

static int by_url(const void *a, const void *b)
{
    const struct config_feed *x = *(const struct config_feed *const *)a;
    const struct config_feed *y = *(const struct config_feed *const *)b;
    int c = strcmp(x->url, y->url);

    return c ? c : (x > y) - (x < y);
}

/* Two feeds with one URL are polled twice, which is hardly meant. */
static void warn_same_url(struct loader *l, const struct config *c)
{
    const struct config_feed **sorted = calloc(c->n_feeds + 1, sizeof *sorted);

    if (!sorted) {
        l->oom = true;
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < c->n_feeds; i++)
        if (c->feeds[i].url)
            sorted[n++] = &c->feeds[i];
    qsort(sorted, n, sizeof *sorted, by_url);
    for (size_t i = 1; i < n; i++)
        if (strcmp(sorted[i - 1]->url, sorted[i]->url) == 0)
            config_warn(l, sorted[i]->place,
                        "feeds '%s' and '%s' (%s:%d) have the same URL, which is polled "
                        "for each",
                        sorted[i]->name, sorted[i - 1]->name, sorted[i - 1]->place.file,
                        sorted[i - 1]->place.line);
    free(sorted);
}

static void build_feeds(struct loader *l, struct config *c)
{
    const struct draft_feed *d = l->feeds.at;
    const struct draft_group *groups = l->groups.at;
    struct base general = { .settings = DEFAULTS };
    struct base *by_group = calloc(l->groups.n + 1, sizeof *by_group);

    c->feeds = arena_get(l->arena, (l->feeds.n + 1) * sizeof *c->feeds);
    if (!by_group || !c->feeds) {
        l->oom = true;
        free(by_group);
        return;
    }
    (void)lay_settings(l, &general.settings, &l->general.all);
    general.access = build_access(l, &general.settings, NULL);
    general.sinks = lay_sinks(l, &l->general.all, NULL);
    for (size_t i = 0; i < l->groups.n; i++) {
        by_group[i] = general;
        by_group[i].sinks = lay_sinks(l, &groups[i].own, general.sinks);
        if (lay_settings(l, &by_group[i].settings, &groups[i].own))
            by_group[i].access = build_access(l, &by_group[i].settings, general.access);
    }
    c->n_feeds = l->feeds.n;
    for (size_t i = 0; i < l->feeds.n; i++) {
        if (!d[i].url && !d[i].file && !d[i].head.broken)
            config_error(l, d[i].head.place,
                         "feed '%s' has no url; write url = https://...", d[i].head.name);
        if (d[i].url && d[i].file)
            config_error(l, d[i].head.place,
                         "feed '%s' has both url and file; delete one of them",
                         d[i].head.name);
        build_feed(l, &c->feeds[i], &d[i], &general, by_group);
    }
    free(by_group);
    if (c->n_feeds == 0 && !l->n_errors)
        config_error(l, (struct config_place){ c->path, 0 },
                     "there are no feeds; write a section [feeds] with lines NAME = URL");
    warn_same_url(l, c);
}

/* ---- watches */

/* "feed" or "group:NAME" */
static bool feed_known(const struct loader *l, struct str word, struct str *name)
{
    size_t n = sizeof GROUP_PREFIX - 1;

    *name = word;
    if (word.n < n || memcmp(word.s, GROUP_PREFIX, n) != 0)
        return names_find(&l->names, IN_FEED, word) != NULL;
    *name = (struct str){ word.s + n, word.n - n };
    return names_find(&l->names, IN_GROUP, *name) ||
           names_find(&l->names, IN_LABEL, *name);
}

static void unknown_name(struct loader *l, const struct entry *e, const char *what,
                         int kinds, struct str word)
{
    const char *near = names_nearest(&l->names, kinds, word);

    if (!near && kinds == IN_GROUP)
        near = names_nearest(&l->names, IN_LABEL, word);
    if (near)
        config_error(l, e->place, "there is no %s '%.*s'; did you mean '%s'?", what,
                     shown(word), word.s, near);
    else if (kinds == IN_FEED && (names_find(&l->names, IN_GROUP, word) ||
                                  names_find(&l->names, IN_LABEL, word)))
        config_error(l, e->place,
                     "there is no feed '%.*s'; for the group write group:%.*s",
                     shown(word), word.s, shown(word), word.s);
    else
        config_error(l, e->place, "there is no %s '%.*s'", what, shown(word), word.s);
}

static void check_feed_word(struct loader *l, const struct entry *e, struct str word)
{
    struct str name;

    if (!feed_known(l, word, &name))
        unknown_name(l, e, name.s == word.s ? "feed" : "group",
                     name.s == word.s ? IN_FEED : IN_GROUP, name);
}

static void check_sink_word(struct loader *l, const struct entry *e, struct str word)
{
    if (!str_eq(word, STR("log")) && !str_eq(word, STR("desktop")) &&
        !names_find(&l->names, IN_SINK, word))
        unknown_name(l, e, "sink", IN_SINK, word);
}

/* A list value as an array of words, each checked; NULL when it is not written. */
static const char *const *build_list(struct loader *l, const struct entry *e,
                                     check_word_fn *check)
{
    struct str rest = e->text, word;
    size_t n = 0;

    if (e->text.n == 0)
        return NULL;
    while (list_word(&rest).n)
        n++;
    const char **out = arena_get(l->arena, (n + 1) * sizeof *out);
    rest = e->text;
    for (size_t i = 0; out && i < n; i++) {
        word = list_word(&rest);
        check(l, e, word);
        out[i] = arena_copy(l->arena, word);
        l->oom |= !out[i];
    }
    l->oom |= !out;
    return (const char *const *)out;
}

static const char *const *build_lines(struct loader *l, const struct entry *e)
{
    struct str rest = e->text, line;
    size_t n = 0;
    int number = 0;

    if (e->text.n == 0)
        return NULL;
    while (next_line(&rest, &line, &number))
        n++;
    const char **out = arena_get(l->arena, (n + 1) * sizeof *out);
    rest = e->text;
    for (size_t i = 0; out && next_line(&rest, &line, &number); i++) {
        out[i] = arena_copy(l->arena, line);
        l->oom |= !out[i];
    }
    l->oom |= !out;
    return (const char *const *)out;
}

/* ---- rules */

/* The place of a rule error in the file: the line of the value that `column` lies in,
 * with err's column counted from there. */
static struct str line_of_error(const struct entry *e, struct rule_error *err, int *line)
{
    struct str t = e->text;
    uint32_t column = 1;
    size_t start = 0, i = 0;

    for (; i < t.n && column < err->column; i++) {
        if (((unsigned char)t.s[i] & 0xC0) == 0x80)
            continue;
        column++;
        if (t.s[i] == '\n' && i + 1 < t.n) {
            start = i + 1;
            err->column -= column - 1;
            column = 1;
            (*line)++;
        }
    }
    const char *nl = memchr(t.s + start, '\n', t.n - start);
    return (struct str){ t.s + start, nl ? (size_t)(nl - t.s) - start : t.n - start };
}

static void rule_error_report(struct loader *l, const char *what, const char *name,
                              const struct entry *e, struct rule_error *err)
{
    struct config_place at = e->place;
    struct str line = line_of_error(e, err, &at.line);

    config_error(l, at, "%s '%s', column %u: %s", what, name, (unsigned)err->column,
                 err->what);
    rule_error_show(l->errors, line, err);
    if (l->errors->n && l->errors->s[l->errors->n - 1] != '\n')
        buf_putc(l->errors, '\n');
}

/* A warning of the parser, "column N: text", with the place in the file. */
static void rule_warning(struct loader *l, const char *what, const char *name,
                         const struct entry *e, const char *warning)
{
    struct rule_error where = { .column = 1 };
    struct config_place at = e->place;
    unsigned column;
    int skip = 0;

    /* NOLINTNEXTLINE(cert-err34-c) ; our own text, of a column that exists */
    if (sscanf(warning, "column %u: %n", &column, &skip) == 1 && skip > 0) {
        where.column = column;
        (void)line_of_error(e, &where, &at.line);
        config_warn(l, at, "%s '%s', column %u: %s", what, name, (unsigned)where.column,
                    warning + skip);
    } else {
        config_warn(l, at, "%s '%s': %s", what, name, warning);
    }
}

/* What rule_parse or rule_parse_set said: warnings on success, else the error. */
static void rule_report(struct loader *l, const char *what, const char *name,
                        const struct entry *e, int r, const struct rule *rule,
                        struct rule_error *err)
{
    if (r == -EINVAL)
        rule_error_report(l, what, name, e, err);
    else if (r < 0)
        l->oom = true;
    for (size_t i = 0; r == 0 && rule->warning && rule->warning[i]; i++)
        rule_warning(l, what, name, e, rule->warning[i]);
}

/* Parse the rule of a watch.  NULL: wrong, and reported. */
static struct rule *build_rule(struct loader *l, const struct config *c,
                               const struct draft_watch *d)
{
    struct rule_error err = { .column = 1, .width = 1 };
    struct rule *rule = NULL;
    char *text = arena_copy(l->arena, d->match.text);

    if (!text) {
        l->oom = true;
        return NULL;
    }
    for (char *p = text; *p; p++) /* one line for whoever shows it; columns stay */
        if (*p == '\n')
            *p = ' ';
    int r = rule_parse(&rule, (struct str){ text, d->match.text.n }, c->sets, c->n_sets,
                       &err);
    rule_report(l, "watch", d->head.name, &d->match, r, rule, &err);
    return r == 0 ? rule : NULL;
}

static void build_sets(struct loader *l, struct config *c)
{
    const struct draft_set *d = l->sets.at;
    struct rule_set *sets = arena_get(l->arena, (l->sets.n + 1) * sizeof *sets);

    l->oom |= !sets;
    for (size_t i = 0; sets && i < l->sets.n; i++)
        sets[i] = (struct rule_set){ d[i].head.name,
                                     d[i].terms.text.n ? d[i].terms.text.s : "" };
    c->sets = sets;
    c->n_sets = sets ? l->sets.n : 0;
    for (size_t i = 0; i < c->n_sets; i++) {
        struct rule_error err = { .column = 1, .width = 1 };
        struct rule *rule = NULL;

        if (d[i].terms.text.n) {
            int r = rule_parse_set(&rule, &sets[i], sets, c->n_sets, &err);
            rule_report(l, "set", d[i].head.name, &d[i].terms, r, rule, &err);
            rule_free(rule);
        } else if (!d[i].head.broken) {
            config_error(l, d[i].head.place, "set '%s' has no terms; write terms = ...",
                         d[i].head.name);
        }
    }
}

static void build_watches(struct loader *l, struct config *c)
{
    const struct draft_watch *d = l->watches.at;
    const struct config_noise *noise = config_noise_general(l);

    c->watches = arena_get(l->arena, (l->watches.n + 1) * sizeof *c->watches);
    l->oom |= !c->watches;
    for (size_t i = 0; c->watches && i < l->watches.n; i++) {
        struct config_watch *w = &c->watches[c->n_watches++];

        w->name = d[i].head.name;
        w->place = d[i].head.place;
        w->priority =
            d[i].priority ? (enum alert_priority)(d[i].priority - 1) : ALERT_NORMAL;
        w->noise = config_noise_of(l, noise, &d[i].noise);
        c->any_on_update |= w->noise && w->noise->on_update;
        w->feeds = build_list(l, &d[i].feeds, check_feed_word);
        w->sinks = build_list(l, &d[i].sinks, check_sink_word);
        w->test_yes = build_lines(l, &d[i].test_yes);
        w->test_no = build_lines(l, &d[i].test_no);
        if (d[i].match.text.n)
            w->rule = build_rule(l, c, &d[i]);
        else if (!d[i].head.broken)
            config_error(l, d[i].head.place, "watch '%s' has no rule; write match = ...",
                         d[i].head.name);
    }
    if (l->watches.n == 0)
        config_warn(l, (struct config_place){ c->path, 0 },
                    "there are no watches, so nothing will alert; write a section "
                    "[watchlist] with lines NAME = RULE");
}

int config_build(struct loader *l, struct config *c)
{
    build_general(l, c);
    build_feeds(l, c);
    build_sinks(l, c);
    build_sets(l, c);
    build_watches(l, c);

    c->warning = arena_get(l->arena, (l->warnings.n + 1) * sizeof *c->warning);
    if (!c->warning || l->oom)
        return -ENOMEM;
    if (l->warnings.n)
        memcpy(c->warning, l->warnings.at, l->warnings.n * sizeof *c->warning);
    return l->n_errors ? -EINVAL : 0;
}
