/* Which keys there are, where they may stand and how their values are read. */
#include "config_parts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "charset.h"
#include "url.h"

enum key_type {
    KEY_DURATION,    /* int64_t seconds */
    KEY_DURATION_MS, /* int64_t milliseconds */
    KEY_INTERVAL,    /* int64_t seconds, or "auto" for AUTO */
    KEY_SILENCE,     /* int64_t seconds, "auto" for AUTO or "never" for NEVER */
    KEY_LIMIT,       /* int64_t, a count */
    KEY_SIZE,        /* int64_t bytes */
    KEY_COUNT,       /* unsigned */
    KEY_WORKERS,     /* unsigned, or "auto" for 0 */
    KEY_BOOL,        /* int */
    KEY_CHARSET,     /* const char *: one that can be read */
    KEY_TEXT,        /* const char *: one line of ASCII */
    KEY_STRING,      /* const char *: one line */
    KEY_PATH,        /* const char *: made absolute */
    KEY_SECRET,      /* const char *: "file:PATH", made absolute, or "credential:NAME" */
    KEY_ACCESS,      /* struct entry: the same with its place */
    KEY_PROXY,       /* const char * */
    KEY_HEADERS,     /* struct entry: lines "Name: value"; may be repeated */
    KEY_URL,         /* const char * */
    KEY_NAME,        /* struct entry: one name, checked later */
    KEY_NAMES,       /* struct entry: a list of names, checked later */
    KEY_RULE,        /* struct entry: as written, any lines, no comment on a line */
    KEY_LINES,       /* struct entry: as written, each line one text; may be repeated */
    KEY_FORMAT,      /* int: enum alert_format + 1 */
    KEY_DESKTOP,     /* int: enum config_desktop + 1 */
    KEY_PRIORITY,    /* int: enum alert_priority + 1 */
};

struct key {
    const char *name;
    int kinds; /* where it may stand */
    enum key_type type;
    size_t off; /* into struct settings (setting), else into the section's draft */
    bool setting;
    int64_t least, most;
};

#define YEAR_S (366LL * 86400)
#define OFF(type, member) offsetof(struct type, member)
#define SETTING(member) OFF(settings, member), true
#define GENERAL(member) OFF(draft_general, member), false
#define WATCH(member) OFF(draft_watch, member), false
#define SINK(member) OFF(draft_sink, member), false
#define OPTION(member) OFF(draft_sink, options.member), false
/* Of a watch, or of all watches; read by config_noise.c. */
#define NOISE(member)                                                                    \
    { #member, IN_GENERAL, KEY_NAME, GENERAL(noise.member), 0, 0 },                      \
    {                                                                                    \
#member, IN_WATCH, KEY_NAME, WATCH(noise.member), 0, 0                           \
    }
#define IN_ALL (IN_GENERAL | IN_GROUP | IN_FEED)

static const struct key keys[] = {
    { "state", IN_GENERAL, KEY_PATH, GENERAL(state_dir), 0, 0 },
    { "log", IN_GENERAL, KEY_PATH, GENERAL(log_path), 0, 0 },
    { "log_format", IN_GENERAL, KEY_FORMAT, GENERAL(log_format), 0, 0 },
    { "desktop", IN_GENERAL, KEY_DESKTOP, GENERAL(desktop), 0, 0 },
    { "metrics", IN_GENERAL, KEY_PATH, GENERAL(metrics_path), 0, 0 },
    { "workers", IN_GENERAL, KEY_WORKERS, GENERAL(workers), 1, 256 },
    { "max_transfers", IN_GENERAL, KEY_COUNT, GENERAL(max_transfers), 1, 10000 },
    { "host_connections", IN_GENERAL, KEY_COUNT, GENERAL(host_connections), 1, 100 },
    { "host_interval", IN_GENERAL, KEY_DURATION_MS, GENERAL(host_interval_ms), 0, 86400 },
    { "keep_seen", IN_GENERAL, KEY_DURATION, GENERAL(keep_seen_s), 86400, 100 * YEAR_S },
    { "keep_alerts", IN_GENERAL, KEY_DURATION, GENERAL(keep_alerts_s), 86400,
      100 * YEAR_S },
    { "give_up", IN_GENERAL, KEY_DURATION, GENERAL(give_up_s), 60, 100 * YEAR_S },
    { "history", IN_GENERAL, KEY_DURATION, GENERAL(history_s), 0, 10 * YEAR_S },
    { "history_size", IN_GENERAL, KEY_SIZE, GENERAL(history_bytes), 1 << 20, 1LL << 40 },
    { "dns_servers", IN_GENERAL, KEY_TEXT, GENERAL(dns_servers), 0, 0 },

    { "interval", IN_ALL, KEY_INTERVAL, SETTING(interval_s), 1, YEAR_S },
    { "min_interval", IN_ALL, KEY_DURATION, SETTING(min_interval_s), 1, YEAR_S },
    { "max_interval", IN_ALL, KEY_DURATION, SETTING(max_interval_s), 1, YEAR_S },
    { "first_run_max_age", IN_ALL, KEY_DURATION, SETTING(first_run_max_age_s), 0,
      100 * YEAR_S },
    { "timeout", IN_ALL, KEY_DURATION, SETTING(timeout_s), 1, 3600 },
    { "max_bytes", IN_ALL, KEY_SIZE, SETTING(max_bytes), 1024, 1LL << 30 },
    { "allow_private", IN_ALL, KEY_BOOL, SETTING(allow_private), 0, 0 },
    { "user_agent", IN_ALL, KEY_TEXT, SETTING(user_agent), 0, 0 },
    { "contact", IN_GENERAL, KEY_URL, GENERAL(contact), 0, 0 },
    { "charset", IN_FEED | IN_GROUP, KEY_CHARSET, SETTING(charset), 0, 0 },

    { "connect_timeout", IN_ALL, KEY_DURATION, SETTING(connect_timeout_s), 1, 600 },
    { "low_speed", IN_ALL, KEY_SIZE, SETTING(low_speed_bytes), 1, 1LL << 30 },
    { "low_speed_time", IN_ALL, KEY_DURATION, SETTING(low_speed_s), 1, 3600 },
    { "max_items", IN_ALL, KEY_LIMIT, SETTING(max_items), 1, 1000000 },
    { "max_text", IN_ALL, KEY_SIZE, SETTING(max_text), 1024, 16 << 20 },
    { "max_depth", IN_ALL, KEY_LIMIT, SETTING(max_depth), 8, 1000 },
    { "broken_after", IN_ALL, KEY_DURATION, SETTING(broken_after_s), 1, YEAR_S },
    { "silent_after", IN_ALL, KEY_SILENCE, SETTING(silent_after_s), 1, 100 * YEAR_S },
    { "full_fetch", IN_ALL, KEY_DURATION, SETTING(full_fetch_s), 1, YEAR_S },
    { "follow_moves", IN_ALL, KEY_BOOL, SETTING(follow_moves), 0, 0 },
    { "ca_file", IN_ALL, KEY_PATH, SETTING(ca_file), 0, 0 },
    { "proxy", IN_ALL, KEY_PROXY, SETTING(proxy), 0, 0 },
    { "header", IN_FEED | IN_GROUP, KEY_HEADERS, SETTING(headers), 0, 0 },
    { "basic_auth", IN_FEED | IN_GROUP, KEY_ACCESS, SETTING(basic_auth), 0, 0 },
    { "bearer_token", IN_FEED | IN_GROUP, KEY_ACCESS, SETTING(bearer_token), 0, 0 },

    { "file", IN_FEED, KEY_PATH, OFF(draft_feed, file), false, 0, 0 },
    { "url", IN_FEED, KEY_URL, OFF(draft_feed, url), false, 0, 0 },
    { "group", IN_FEED, KEY_NAME, OFF(draft_feed, group), false, 0, 0 },

    { "match", IN_WATCH, KEY_RULE, WATCH(match), 0, 0 },
    { "feeds", IN_WATCH, KEY_NAMES, WATCH(feeds), 0, 0 },
    { "sinks", IN_WATCH, KEY_NAMES, WATCH(sinks), 0, 0 },
    { "sinks", IN_ALL, KEY_NAMES, SETTING(sinks), 0, 0 },
    { "priority", IN_WATCH, KEY_PRIORITY, WATCH(priority), 0, 0 },
    { "test_yes", IN_WATCH, KEY_LINES, WATCH(test_yes), 0, 0 },
    { "test_no", IN_WATCH, KEY_LINES, WATCH(test_no), 0, 0 },

    { "min_sources", IN_WATCH, KEY_NAME, WATCH(noise.min_sources), 0, 0 },
    NOISE(group_by),
    NOISE(story_window),
    NOISE(on_update),
    NOISE(on_new_rule),
    NOISE(max_per_hour),
    NOISE(group_wait),
    NOISE(cooldown),
    NOISE(max_age),
    NOISE(quiet),
    NOISE(mute_until),
    NOISE(storm_after),
    NOISE(storm_size),

    { "terms", IN_SET, KEY_RULE, OFF(draft_set, terms), false, 0, 0 },

    { "type", IN_SINK, KEY_NAME, SINK(type), 0, 0 },
    { "format", IN_SINK, KEY_FORMAT, SINK(format), 0, 0 },
    { "path", IN_SINK, KEY_PATH, OPTION(path), 0, 0 },
    { "url", IN_SINK, KEY_URL, OPTION(url), 0, 0 },
    { "preset", IN_SINK, KEY_STRING, OPTION(preset), 0, 0 },
    { "secret", IN_SINK, KEY_SECRET, OPTION(secret), 0, 0 },
    { "token", IN_SINK, KEY_SECRET, OPTION(token), 0, 0 },
    { "room", IN_SINK, KEY_STRING, OPTION(room), 0, 0 },
    { "secret_url", IN_SINK, KEY_SECRET, OPTION(secret_url), 0, 0 },
    { "allow_private", IN_SINK, KEY_BOOL, SINK(allow_private), 0, 0 },
    { "server", IN_SINK, KEY_STRING, OPTION(server), 0, 0 },
    { "user", IN_SINK, KEY_STRING, OPTION(user), 0, 0 },
    { "from", IN_SINK, KEY_STRING, OPTION(from), 0, 0 },
    { "to", IN_SINK, KEY_STRING, OPTION(to), 0, 0 },
    { "tls", IN_SINK, KEY_STRING, OPTION(tls), 0, 0 },
    { "password", IN_SINK, KEY_SECRET, OPTION(token), 0, 0 },
    { "unsubscribe", IN_SINK, KEY_URL, OPTION(unsubscribe), 0, 0 },
    { "ca_file", IN_SINK, KEY_PATH, OPTION(ca_file), 0, 0 },
    { "command", IN_SINK, KEY_STRING, OPTION(command), 0, 0 },
    { "timeout", IN_SINK, KEY_DURATION, OPTION(timeout_s), 1, 300 },
    { "per_minute", IN_SINK, KEY_COUNT, OPTION(per_minute), 1, 6000 },
    { "parallel", IN_SINK, KEY_COUNT, OPTION(parallel), 1, 16 },
    { "title", IN_SINK, KEY_STRING, OPTION(title), 0, 0 },
    { "entries", IN_SINK, KEY_COUNT, OPTION(entries), 1, 1000 },
};
#define N_KEYS (sizeof keys / sizeof keys[0])
_Static_assert(N_KEYS <= KEYS_MAX, "struct loader remembers KEYS_MAX places");

const char *config_key_name(size_t i)
{
    return i < N_KEYS ? keys[i].name : NULL;
}

void settings_clear(struct settings *s)
{
    *s = (struct settings){
        .interval_s = UNSET,
        .min_interval_s = UNSET,
        .max_interval_s = UNSET,
        .first_run_max_age_s = UNSET,
        .timeout_s = UNSET,
        .max_bytes = UNSET,
        .connect_timeout_s = UNSET,
        .low_speed_bytes = UNSET,
        .low_speed_s = UNSET,
        .max_items = UNSET,
        .max_text = UNSET,
        .max_depth = UNSET,
        .broken_after_s = UNSET,
        .silent_after_s = UNSET,
        .full_fetch_s = UNSET,
        .allow_private = UNSET,
        .follow_moves = UNSET,
    };
}

/* ---- one key into its draft */

struct setting_job { /* what the functions below share */
    struct loader *l;
    const struct key *key;
    struct config_place at;
    struct str text;
    void *to;
};

static void duration_error(struct setting_job *j, const char *bound, int64_t s)
{
    config_error(j->l, j->at, "%s = %.*s is %s; write at %s %llds", j->key->name,
                 shown(j->text), j->text.s, bound,
                 strcmp(bound, "too short") == 0 ? "least" : "most", (long long)s);
}

static void set_duration(struct setting_job *j)
{
    int64_t ms, unit = j->key->type == KEY_DURATION_MS ? 1 : 1000, v;

    if (j->key->type == KEY_INTERVAL && str_eq(j->text, STR("auto")))
        v = AUTO, memcpy(j->to, &v, sizeof v);
    else if (j->key->type == KEY_SILENCE && str_eq(j->text, STR("auto")))
        v = AUTO, memcpy(j->to, &v, sizeof v);
    else if (j->key->type == KEY_SILENCE && str_eq(j->text, STR("never")))
        v = NEVER, memcpy(j->to, &v, sizeof v);
    else if (config_duration_ms(j->text, &ms) < 0 || ms % unit)
        config_error(j->l, j->at,
                     "%s = %.*s is not a duration; write a number and a unit, as in 90s, "
                     "15m, 1h30m or 2d%s",
                     j->key->name, shown(j->text), j->text.s,
                     j->key->type == KEY_INTERVAL  ? ", or auto"
                     : j->key->type == KEY_SILENCE ? ", or auto, or never"
                                                   : "");
    else if (ms < j->key->least * 1000)
        duration_error(j, "too short", j->key->least);
    else if (ms > j->key->most * 1000)
        duration_error(j, "too long", j->key->most);
    else
        v = ms / unit, memcpy(j->to, &v, sizeof v);
}

static void put_size(char out[32], int64_t v)
{
    int unit = 0;

    while (v && v % 1024 == 0 && unit < 3)
        v /= 1024, unit++;
    snprintf(out, 32, "%lld%.1s", (long long)v, unit ? &"KMG"[unit - 1] : "");
}

static void size_error(struct setting_job *j)
{
    char least[32], most[32];

    put_size(least, j->key->least);
    put_size(most, j->key->most);
    config_error(j->l, j->at, "%s = %.*s is out of range; write %s to %s", j->key->name,
                 shown(j->text), j->text.s, least, most);
}

static void set_limit(struct setting_job *j)
{
    struct str t = j->text;
    int64_t v;

    if (!config_number(&t, &v) || t.n || v < j->key->least || v > j->key->most)
        config_error(j->l, j->at, "%s = %.*s; write a number from %lld to %lld",
                     j->key->name, shown(j->text), j->text.s, (long long)j->key->least,
                     (long long)j->key->most);
    else
        memcpy(j->to, &v, sizeof v);
}

static void set_size(struct setting_job *j)
{
    int64_t v;

    if (config_size(j->text, &v) < 0)
        config_error(j->l, j->at, "%s = %.*s is not a size; write bytes, as in 8M or 64K",
                     j->key->name, shown(j->text), j->text.s);
    else if (v < j->key->least || v > j->key->most)
        size_error(j);
    else
        memcpy(j->to, &v, sizeof v);
}

static void set_count(struct setting_job *j)
{
    struct str t = j->text;
    int64_t v;

    if (j->key->type == KEY_WORKERS && str_eq(t, STR("auto"))) {
        *(unsigned *)j->to = 0;
        return;
    }
    if (!config_number(&t, &v) || t.n || v < j->key->least || v > j->key->most)
        config_error(j->l, j->at, "%s = %.*s; write %sa number from %lld to %lld",
                     j->key->name, shown(j->text), j->text.s,
                     j->key->type == KEY_WORKERS ? "auto or " : "",
                     (long long)j->key->least, (long long)j->key->most);
    else
        *(unsigned *)j->to = (unsigned)v;
}

static void set_bool(struct setting_job *j)
{
    static const char *const words[] = {
        "no", "yes", "off", "on", "false", "true", NULL
    };

    for (int i = 0; words[i]; i++)
        if (str_eq_nocase(j->text, str_of(words[i]))) {
            *(int *)j->to = i % 2;
            return;
        }
    config_error(j->l, j->at, "%s = %.*s; write yes or no", j->key->name, shown(j->text),
                 j->text.s);
}

/* One of `words` (space-separated in the message): its number + 1. */
static void set_choice(struct setting_job *j, const char *const *words)
{
    char all[80] = "";

    for (int i = 0; words[i]; i++) {
        if (str_eq(j->text, str_of(words[i]))) {
            *(int *)j->to = i + 1;
            return;
        }
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s",
                 !i             ? ""
                 : words[i + 1] ? ", "
                                : " or ",
                 words[i]);
    }
    config_error(j->l, j->at, "%s = %.*s; write %s", j->key->name, shown(j->text),
                 j->text.s, all);
}

static void set_string(struct setting_job *j)
{
    char *s = arena_copy(j->l->arena, j->text);

    j->l->oom |= !s;
    memcpy(j->to, &s, sizeof s);
}

/* Text that goes into a HTTP header. */
static void set_header(struct setting_job *j)
{
    for (size_t i = 0; i < j->text.n; i++)
        if (j->text.s[i] < ' ' || j->text.s[i] > '~') {
            config_error(j->l, j->at, "%s may only hold printable ASCII characters",
                         j->key->name);
            return;
        }
    set_string(j);
}

static void set_url(struct setting_job *j)
{
    struct str t = j->text;

    if (url_is_web(t)) {
        set_string(j);
        return;
    }
    bool quoted = t.n > 1 && (t.s[0] == '"' || t.s[0] == '\'' || t.s[0] == '<');
    config_error(j->l, j->at, "'%.*s' is not a http or https URL; %s", shown(t), t.s,
                 quoted                  ? "write it without quotes"
                 : memchr(t.s, ':', t.n) ? "write it as https://HOST/PATH, without spaces"
                                         : "write it with https:// in front");
}

static void set_charset(struct setting_job *j)
{
    if (charset_known(j->text))
        set_string(j);
    else
        config_error(
            j->l, j->at,
            "there is no charset '%.*s'; write utf-8, windows-1251 or another one "
            "that iconv -l lists",
            shown(j->text), j->text.s);
}

/* "~" is $HOME; other relative paths start at the directory of the main file. */
static void set_path(struct setting_job *j)
{
    const char *home = getenv("HOME"), *base = j->l->base;
    struct str t = j->text;
    char path[PATH_MAX];
    int n;

    if (t.s[0] == '~' && (t.n == 1 || t.s[1] == '/') && home && home[0] == '/')
        n = snprintf(path, sizeof path, "%s%.*s", home, (int)t.n - 1, t.s + 1);
    else if (t.s[0] == '/')
        n = snprintf(path, sizeof path, "%.*s", (int)t.n, t.s);
    else
        n = snprintf(path, sizeof path, "%s/%.*s", base, (int)t.n, t.s);
    if (n < 0 || (size_t)n >= sizeof path || t.n >= PATH_MAX) {
        config_error(j->l, j->at, "%s: this path is longer than %d bytes", j->key->name,
                     PATH_MAX - 1);
        return;
    }
    struct setting_job full = *j;
    full.text = str_of(path);
    set_string(&full);
}

/* Where a secret is kept, never the secret itself. */
static void set_secret(struct setting_job *j)
{
    struct str file = STR("file:"), credential = STR("credential:"), t = j->text;

    if (t.n > file.n && memcmp(t.s, file.s, file.n) == 0) {
        char **to = j->to;
        j->text = (struct str){ t.s + file.n, t.n - file.n };
        set_path(j);
        size_t n = *to ? file.n + strlen(*to) + 1 : 0;
        char *all = n ? arena_get(j->l->arena, n) : NULL;
        if (all)
            snprintf(all, n, "file:%s", *to);
        *to = all;
    } else if (t.n > credential.n && memcmp(t.s, credential.s, credential.n) == 0 &&
               !memchr(t.s, '/', t.n) && t.s[credential.n] != '.') {
        set_string(j);
    } else {
        config_error(j->l, j->at,
                     "%s says where the secret is kept; write %s = file:PATH, or %s = "
                     "credential:NAME for one of systemd's LoadCredential=",
                     j->key->name, j->key->name, j->key->name);
    }
}

/* The same with its place, for what goes wrong when it is read. */
static void set_access(struct setting_job *j)
{
    struct setting_job where = *j;
    char *kept = NULL;

    where.to = &kept;
    set_secret(&where);
    *(struct entry *)j->to = (struct entry){ str_of(kept), j->at };
}

/* "HOST:PORT", perhaps with a slash: proxies have no port that goes without saying. */
static bool has_port(const char *s, size_t n)
{
    size_t digits = 0;

    n -= n > 0 && s[n - 1] == '/';
    while (digits < n && s[n - 1 - digits] >= '0' && s[n - 1 - digits] <= '9')
        digits++;
    return digits > 0 && digits <= 5 && n > digits + 1 && s[n - 1 - digits] == ':' &&
           !memchr(s, '/', n);
}

static void set_proxy(struct setting_job *j)
{
    static const char *const schemes[] = { "http://", "https://", "socks5h://" };
    struct str t = j->text;
    bool known = str_eq(t, STR("none"));

    for (size_t i = 0; i < 3 && !known; i++)
        known = t.n > strlen(schemes[i]) &&
                memcmp(t.s, schemes[i], strlen(schemes[i])) == 0 &&
                has_port(t.s + strlen(schemes[i]), t.n - strlen(schemes[i]));
    for (size_t i = 0; i < t.n; i++)
        known = known && t.s[i] > ' ' && t.s[i] <= '~' && t.s[i] != '@';
    if (known)
        set_string(j);
    else /* it may hold a password: not shown */
        config_error(j->l, j->at,
                     "this is not a proxy; write proxy = http://HOST:PORT, https:// or "
                     "socks5h://, without a user, or none");
}

static void set_entry(struct setting_job *j)
{
    struct entry e = { { arena_copy(j->l->arena, j->text), j->text.n }, j->at };

    j->l->oom |= !e.text.s;
    memcpy(j->to, &e, sizeof e);
}

/* A repeated key adds its lines.  Only the texts count here, not where they stand. */
static void add_lines(struct setting_job *j)
{
    struct entry *e = j->to;
    char *s = arena_get(j->l->arena, e->text.n + 1 + j->text.n + 1);

    if (!s) {
        j->l->oom = true;
        return;
    }
    if (e->text.n)
        memcpy(s, e->text.s, e->text.n);
    s[e->text.n] = '\n';
    memcpy(s + e->text.n + 1, j->text.s, j->text.n);
    *e = (struct entry){ { s, e->text.n + 1 + j->text.n }, j->at };
}

/* Where " ;" begins a comment behind a rule, outside of quotes and regexes; or NULL. */
static const char *comment_in_rule(struct str t)
{
    bool quote = false, regex = false;

    for (size_t i = 0; i < t.n; i++) {
        char c = t.s[i], before = i ? t.s[i - 1] : ' ';

        if (c == '\\' && regex)
            i++;
        else if (c == '"' && !regex)
            quote = !quote;
        else if (c == '/' && !quote && (regex || strchr(" \n\t(:,", before)))
            regex = !regex;
        else if (c == ';' && !quote && !regex && strchr(" \n\t", before))
            return t.s + i;
    }
    return NULL;
}

static void set_rule(struct setting_job *j)
{
    const char *semi = comment_in_rule(j->text);
    struct config_place at = j->at;

    if (!semi) {
        set_entry(j);
        return;
    }
    for (const char *p = j->text.s; p < semi; p++)
        at.line += *p == '\n';
    config_error(
        j->l, at,
        "a rule takes no comment behind it on the same line; put the comment on a "
        "line of its own, or \";\" in double quotes if it is meant");
}

static void set_value(struct setting_job *j)
{
    static const char *const formats[] = { "text", "logfmt", "json", NULL };
    static const char *const desktops[] = { "no", "yes", "auto", NULL };
    static const char *const priorities[] = { "low", "normal", "critical", NULL };

    switch (j->key->type) {
    case KEY_DURATION:
    case KEY_DURATION_MS:
    case KEY_INTERVAL:
    case KEY_SILENCE:
        set_duration(j);
        return;
    case KEY_LIMIT:
        set_limit(j);
        return;
    case KEY_ACCESS:
        set_access(j);
        return;
    case KEY_PROXY:
        set_proxy(j);
        return;
    case KEY_SIZE:
        set_size(j);
        return;
    case KEY_COUNT:
    case KEY_WORKERS:
        set_count(j);
        return;
    case KEY_BOOL:
        set_bool(j);
        return;
    case KEY_CHARSET:
        set_charset(j);
        return;
    case KEY_TEXT:
        set_header(j);
        return;
    case KEY_STRING:
        set_string(j);
        return;
    case KEY_SECRET:
        set_secret(j);
        return;
    case KEY_PATH:
        set_path(j);
        return;
    case KEY_URL:
        set_url(j);
        return;
    case KEY_NAME:
    case KEY_NAMES:
        set_entry(j);
        return;
    case KEY_RULE:
        set_rule(j);
        return;
    case KEY_LINES:
    case KEY_HEADERS:
        add_lines(j);
        return;
    case KEY_FORMAT:
        set_choice(j, formats);
        return;
    case KEY_DESKTOP:
        set_choice(j, desktops);
        return;
    case KEY_PRIORITY:
        set_choice(j, priorities);
        return;
    }
}

/* ---- finding the key, its value and its target */

static const char *kind_name(int kinds)
{
    return kinds & IN_FEED    ? "[feed:NAME]"
           : kinds & IN_WATCH ? "[watch:NAME]"
           : kinds & IN_SET   ? "[set:NAME]"
           : kinds & IN_SINK  ? "[sink:NAME]"
           : kinds & IN_GROUP ? "[group:NAME]"
                              : "[feedwatch]";
}

static void unknown_key(struct loader *l, struct str name, struct config_place at)
{
    const struct key *best = NULL, *elsewhere = NULL;
    unsigned least = edit_limit(name) + 1;

    for (const struct key *k = keys; k < keys + N_KEYS; k++) {
        unsigned d = edit_distance(name, str_of(k->name), least - 1);

        if (k->kinds & (int)l->kind && d < least) {
            least = d;
            best = k;
        } else if (str_eq(name, str_of(k->name))) {
            elsewhere = k;
        }
    }
    if (elsewhere)
        config_error(l, at, "key '%.*s' does not belong in %s; write it in %s",
                     shown(name), name.s, kind_name((int)l->kind),
                     kind_name(elsewhere->kinds));
    else if (best)
        config_error(l, at, "unknown key '%.*s' in %s; did you mean '%s'?", shown(name),
                     name.s, kind_name((int)l->kind), best->name);
    else
        config_error(l, at, "unknown key '%.*s' in %s; feedwatch.ini(5) lists the keys",
                     shown(name), name.s, kind_name((int)l->kind));
}

/* Where the key's value goes in the draft of the current section. */
static void *target_of(struct loader *l, const struct key *key)
{
    struct draft *d = current_draft(l);
    char *base = l->kind == IN_GENERAL ? (char *)&l->general : (char *)d;

    if (key->setting && l->kind == IN_GENERAL)
        base = (char *)&l->general.all;
    else if (key->setting && l->kind == IN_FEED)
        base = (char *)((struct draft_feed *)d)->own;
    else if (key->setting)
        base = (char *)&((struct draft_group *)d)->own;
    return base ? base + key->off : NULL;
}

/* `text` without the comment that stands behind it on its line. */
static struct str cut_comment(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.s[i] == ';' && (i == 0 || strchr(" \t\n", text.s[i - 1])))
            return str_trim((struct str){ text.s, i });
    return text;
}

/* Lists may have lines, each with a comment: blank the comments out. */
static struct str cut_comments(struct loader *l, struct str text)
{
    char *s = arena_copy(l->arena, text);
    bool comment = false;

    if (!s) {
        l->oom = true;
        return (struct str){ 0 };
    }
    for (size_t i = 0; i < text.n; i++) {
        if (s[i] == '\n')
            comment = false;
        else if (s[i] == ';' && (i == 0 || strchr(" \t\n", text.s[i - 1])))
            comment = true;
        if (comment)
            s[i] = ' ';
    }
    return (struct str){ s, text.n };
}

/* The value as its type wants it; false: wrong, and reported. */
static bool take_text(struct setting_job *j, struct str text)
{
    enum key_type type = j->key->type;

    j->text = text;
    if (type == KEY_NAMES)
        j->text = cut_comments(j->l, text);
    else if (type != KEY_RULE && type != KEY_LINES && type != KEY_HEADERS)
        j->text = cut_comment(text);
    if (!j->text.s || str_trim(j->text).n == 0) {
        config_error(j->l, j->at, "%s has no value; write one or delete the line",
                     j->key->name);
        return false;
    }
    bool lines =
        type == KEY_RULE || type == KEY_LINES || type == KEY_NAMES || type == KEY_HEADERS;
    if (!lines && memchr(j->text.s, '\n', j->text.n)) {
        config_error(
            j->l, j->at,
            "%s takes one line, but the next one is indented as if it belonged to "
            "it; give keys the same indentation",
            j->key->name);
        return false;
    }
    return true;
}

static void note_place(struct settings *s, const struct key *key, struct config_place at)
{
    if (key->off == OFF(settings, interval_s))
        s->interval_at = at;
    else if (key->off == OFF(settings, min_interval_s))
        s->min_at = at;
    else if (key->off == OFF(settings, max_interval_s))
        s->max_at = at;
}

/* Remember a sink's key, where it stands and as it is written. */
static void note_option(struct loader *l, struct draft_sink *d, const struct key *key,
                        const struct entry *value)
{
    size_t n = d->text.text.n, name = strlen(key->name);
    char *s = arena_get(l->arena, n + name + value->text.n + 3);

    d->at[key - keys] = value->place;
    if (!s) {
        l->oom = true;
        return;
    }
    if (n)
        memcpy(s, d->text.text.s, n);
    snprintf(s + n, name + value->text.n + 3, "%s=%.*s\n", key->name, (int)value->text.n,
             value->text.s);
    d->text.text = str_of(s);
}

/* Where the key `name` of a sink stands; line 0: nowhere. */
struct config_place config_option_place(const struct draft_sink *d, const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++)
        if (keys[i].kinds & IN_SINK && strcmp(keys[i].name, name) == 0)
            return d->at[i];
    return (struct config_place){ 0 };
}

const char *config_option_name(const struct draft_sink *d, size_t i)
{
    return i < N_KEYS && d->at[i].line ? keys[i].name : NULL;
}

static void set_known(struct loader *l, const struct key *key, const struct entry *value)
{
    struct config_place *at = l->kind == IN_GENERAL ? l->general_at : l->key_at;
    struct setting_job j = { l, key, value->place, value->text, target_of(l, key) };

    at += key - keys;
    if (at->line && key->type != KEY_LINES && key->type != KEY_HEADERS) {
        config_error(l, value->place, "%s is set a second time; the first is at %s:%d",
                     key->name, at->file, at->line);
        return;
    }
    *at = value->place;
    if (!j.to || !take_text(&j, value->text))
        return;
    set_value(&j);
    if (l->kind == IN_SINK)
        note_option(l, (struct draft_sink *)current_draft(l), key, value);
    if (key->setting)
        note_place((struct settings *)((char *)j.to - key->off), key, value->place);
}

void config_key_set(struct loader *l, struct str name, const struct entry *value)
{
    const struct key *key = keys;
    size_t errors = l->n_errors;

    while (key < keys + N_KEYS &&
           !(key->kinds & (int)l->kind && str_eq(name, str_of(key->name))))
        key++;
    if (key < keys + N_KEYS)
        set_known(l, key, value);
    else
        unknown_key(l, name, value->place);
    if (l->n_errors > errors && current_draft(l))
        current_draft(l)->broken = true;
}
