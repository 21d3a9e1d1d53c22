#ifndef CONFIG_H
#define CONFIG_H
/* The INI file of feedwatch.ini(5): read whole, checked whole, then immutable and shared
 * by reference count.  All strings are owned by the config.  Durations in seconds. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alert.h"
#include "buf.h"
#include "noise.h"
#include "rule.h"
#include "sink.h"

enum config_desktop { CONFIG_DESKTOP_NO, CONFIG_DESKTOP_YES, CONFIG_DESKTOP_AUTO };

struct config_place {
    const char *file;
    int line;
};

/* How a feed is asked for; shared by feeds with the same settings. */
struct config_access {
    int64_t connect_timeout_s;
    int64_t low_speed_bytes, low_speed_s; /* slower than this for so long: ended */
    int64_t max_items, max_text, max_depth;
    int64_t broken_after_s; /* failing for so long is told */
    int64_t
        silent_after_s;   /* nothing new for so long, too; 0: after its rhythm; -1: no */
    int64_t full_fetch_s; /* now and then without validators */
    bool follow_moves;    /* a lasting redirect is adopted */
    const char *ca_file;  /* NULL: the system's */
    const char *proxy;    /* NULL: none */
    /* "Name: value", NULL-terminated, or NULL: none.  Credentials are among them: never
     * shown, and sent to the origin of the configured URL only. */
    const char *const *headers;
    const char *basic_auth, *bearer_token; /* where the secret is kept, or NULL */
};

/* Is everything in them the same?  Headers, credentials and limits. */
bool config_access_same(const struct config_access *a, const struct config_access *b);

struct config_feed {
    const char *name;
    const char *url;        /* of a local file: "file://" and its path */
    const char *file;       /* a local file is polled instead of a URL, or NULL */
    const char *group;      /* "" when in none */
    const char *charset;    /* override, or "" */
    const char *user_agent; /* NULL: the default */
    int64_t interval_s, min_interval_s, max_interval_s;
    bool interval_auto; /* interval_s holds until the feed's rhythm is known */
    int64_t first_run_max_age_s;
    int64_t timeout_s;
    int64_t max_bytes;
    bool allow_private;
    const struct config_access *access;
    const char *const *sinks; /* for watches that name none; NULL: all */
    struct config_place place;
};

struct config_noise {       /* when a watch speaks */
    bool by_item;           /* group_by = item: no story collapse */
    bool on_update;         /* alert again when the item changed substantially */
    unsigned min_sources;   /* feeds that must have a story; 0 and 1: one is enough */
    int64_t within_s;       /* of each other, with min_sources > 1 */
    int64_t story_window_s; /* how long later sources join an alert */
    int64_t new_rule_s; /* so much of the past goes into a new rule's digest; 0: none */
    int64_t storm_after_s; /* a feed unseen for so long brings late alerts; 0: never */
    struct noise_rules rules;
    const char *text; /* the keys as written, to compare two configs */
};

struct config_watch {
    const char *name;
    struct rule *rule; /* parsed; owned */
    const char *const
        *feeds; /* only these feeds or "group:NAME"; NULL-terminated; NULL: all */
    const char *const *sinks; /* only these sinks; NULL: those of the feed */
    enum alert_priority priority;
    const struct config_noise *noise; /* shared by watches that say the same */
    const char *const *test_yes,
        *const *test_no; /* texts that must and must not hit, or NULL */
    struct config_place place;
};

#define CONFIG_SINKS_MAX 64
struct config_sink { /* [sink:NAME]; beside the built-in "log" and "desktop" */
    struct sink_options options;
    struct config_place place;
};

struct config {
    const char *path;
    const char *state_dir, *log_path;
    const char *metrics_path; /* NULL: none */
    enum alert_format log_format;
    enum config_desktop desktop;
    const char *user_agent;  /* NULL: the default; already in each feed's */
    unsigned workers;        /* 0: auto */
    const char *dns_servers; /* "192.0.2.1,[2001:db8::1]:53"; NULL: the system's */
    unsigned max_transfers, host_connections;
    int64_t host_interval_ms; /* between two requests to one host */
    bool host_interval_set;   /* written in the file: then it holds for loopback, too */
    int64_t keep_seen_s, keep_alerts_s;
    int64_t give_up_s; /* how old an alert may get that a sink fails to deliver */
    int64_t history_s, history_bytes; /* what is kept of recent items; 0: nothing */
    struct config_feed *feeds;        /* in order of the file */
    size_t n_feeds;
    struct config_watch *watches;
    size_t n_watches;
    bool any_on_update; /* some watch has on_update = yes */
    struct config_sink *sinks;
    size_t n_sinks;
    uint64_t content;            /* changes when what was read changes */
    const struct rule_set *sets; /* for rules that are not in the file */
    size_t n_sets;
    char **warning; /* hints from rules and keys, "file:line: text"; NULL-terminated */
};

/* Load `path` and the *.ini of the conf.d beside it.  0 and *out, or -EINVAL/-errno with
 * every error found in `errors`, each as "file:line: what is wrong; what to write
 * instead\n", rule errors followed by the rule and a caret line.  Nothing is
 * half-accepted. */
int config_load(struct config **out, const char *path, struct buf *errors);

/* The same for a text in memory, without conf.d; `name` stands for the file in errors. */
int config_parse(struct config **out, const char *name, struct str text,
                 struct buf *errors);

/* Load `path` as config_load does, as if the file `name` with this text were in conf.d,
 * too: to check a change before it is put in place. */
int config_load_with(struct config **out, const char *path, const char *name,
                     struct str text, struct buf *errors);

struct config *config_ref(struct config *c);
void config_unref(struct config *c); /* NULL is fine */

/* "90s", "15m", "1h30m", "2d"; a bare number is seconds.  0 or -EINVAL. */
int config_duration(struct str text, int64_t *seconds);
/* "8M", "64K", "1000".  0 or -EINVAL. */
int config_size(struct str text, int64_t *bytes);
#endif
