#ifndef CONFIG_PARTS_H
#define CONFIG_PARTS_H
/* Inside config: what its files share.  config_read.c turns bytes into sections and
 * keys, config_keys.c knows the keys and their values, config_names.c keeps memory and
 * names, config.c puts a checked config together. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config.h"
#include "str.h"

#define CONFIG_NAME_MAX 64                  /* bytes of a name */
#define CONFIG_FILE_MAX (64L * 1024 * 1024) /* bytes of one file */

/* ---- memory: everything of one config, freed in one go */

struct arena_block;
struct arena {
    struct arena_block *top;
};
void *arena_get(struct arena *a, size_t n); /* zeroed; NULL: out of memory */
char *arena_copy(struct arena *a, struct str s);
void arena_free(struct arena *a);

/* ---- names: which things are defined, by kind and name */

enum config_kind { /* of a section; bits, so that a key can say where it may stand */
                   IN_GENERAL = 1,
                   IN_FEED = 2,
                   IN_GROUP = 4,
                   IN_WATCH = 8,
                   IN_SET = 16,
                   IN_SINK = 32,
                   IN_FEEDS = 64,      /* [feeds]: each key is a feed */
                   IN_WATCHLIST = 128, /* [watchlist]: each key is a watch */
                   IN_NOTHING = 0,     /* a section that is an error itself: skip it */
};
#define IN_LABEL 256 /* for names only: a group that some feed is in */

struct name {
    const char *name;
    int kind;
    size_t index;
};
struct names {
    struct name *slot;
    size_t cap, n;
};
/* The entry of (kind, name), or NULL. */
const struct name *names_find(const struct names *t, int kind, struct str name);
/* Add a name that names_find does not know.  0 or -ENOMEM. */
int names_add(struct names *t, int kind, const char *name, size_t index);
/* The known name of `kind` that is nearest to a mistyped one, or NULL. */
const char *names_nearest(const struct names *t, int kind, struct str wrong);

/* How many letters to change, add, drop or swap to get from `a` to `b`; stops counting
 * past `limit`. */
unsigned edit_distance(struct str a, struct str b, unsigned limit);
/* How far apart a typo of `wrong` may be. */
unsigned edit_limit(struct str wrong);

/* ---- what was read, before it is checked as a whole */

#define UNSET (-1)
#define AUTO (-2)  /* of an interval, or a silence */
#define NEVER (-3) /* of a silence */
#define KEYS_MAX 160

struct entry { /* a value; one '\n' for each line break of the file inside it, so that a
                  place in it leads to a line */
    struct str text;
    struct config_place place;
};

struct draft_noise { /* entries only: see config_noise.c */
    struct entry group_by, story_window, min_sources, on_update, on_new_rule;
    struct entry max_per_hour, group_wait, cooldown, max_age, quiet, mute_until;
    struct entry storm_after, storm_size;
};

struct settings { /* of a feed, a group or all: UNSET or NULL where not written */
    int64_t interval_s, min_interval_s, max_interval_s;
    int64_t first_run_max_age_s, timeout_s, max_bytes;
    int64_t connect_timeout_s, low_speed_bytes, low_speed_s;
    int64_t max_items, max_text, max_depth;
    int64_t broken_after_s, silent_after_s, full_fetch_s;
    const char *charset, *user_agent, *ca_file, *proxy;
    struct entry sinks;                    /* names */
    struct entry headers;                  /* lines "Name: value" */
    struct entry basic_auth, bearer_token; /* where the secret is kept */
    int allow_private, follow_moves;
    bool interval_auto; /* of what is laid together */
    struct config_place interval_at, min_at, max_at;
};

struct draft_general {
    struct draft_noise noise;
    struct settings all;
    const char *state_dir, *log_path, *metrics_path, *dns_servers, *contact;
    int log_format, desktop;
    unsigned workers, max_transfers, host_connections;
    int64_t host_interval_ms, keep_seen_s;
    int64_t keep_alerts_s, give_up_s, history_s, history_bytes;
};

struct draft { /* how each of those below begins */
    const char *name;
    struct config_place place;
    bool broken; /* a key of it is wrong, which is reported */
};
struct draft_feed {
    struct draft head;
    const char *url, *file;
    struct entry group;   /* text.n == 0: in none */
    struct settings *own; /* NULL: none */
};
struct draft_group {
    struct draft head;
    struct settings own;
};
struct draft_watch {
    struct draft head;
    struct entry match, feeds, sinks, test_yes, test_no;
    int priority;
    struct draft_noise noise;
};
struct draft_set {
    struct draft head;
    struct entry terms;
};
struct draft_sink {
    struct draft head;
    struct sink_options options;
    struct entry type, text; /* text: "key=value" lines of all its keys */
    int format, allow_private;
    struct config_place at[KEYS_MAX]; /* where each key was set */
};

struct list { /* a growing array */
    void *at;
    size_t n, cap, size;
};
void *list_add(struct list *l); /* a zeroed new last element; NULL: out of memory */

struct loader {
    struct arena *arena;
    struct buf *errors;
    size_t n_errors;
    bool oom;
    const char *base; /* directory of the main file, absolute, for relative paths */
    struct names names;
    struct draft_general general;
    struct list feeds, groups, watches, sets, sinks; /* of struct draft_... */
    struct list warnings;                            /* of char * */
    uint64_t content;                                /* hash of all that was read */

    /* the section being read */
    enum config_kind kind;
    size_t index;
    struct config_place section_at;
    struct config_place key_at[KEYS_MAX]; /* where each key was set here; line 0: not */
    struct config_place general_at[KEYS_MAX]; /* the same for [feedwatch] */
};

void config_error(struct loader *l, struct config_place at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void config_warn(struct loader *l, struct config_place at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* For messages: the length of `s` to print with %.*s, cut at a character. */
int shown(struct str s);

/* "letters, digits, - _ ." and other UTF-8, at most CONFIG_NAME_MAX bytes?  Else says why
 * and is false. */
bool config_name_ok(struct loader *l, struct config_place at, const char *what,
                    struct str name);

/* The reader hands over: a section opens, a key stands in it. */
void loader_section(struct loader *l, struct str name, struct config_place at);
void loader_key(struct loader *l, struct str key, const struct entry *value);

/* Read one file and hand it over.  0, -errno when it cannot be read (reported), or
 * -ENOMEM. */
int config_read(struct loader *l, const char *path);
/* The same for bytes in memory. */
int config_read_text(struct loader *l, const char *path, struct str text);

/* The list of the drafts of one kind, and the draft that is being read (NULL in
 * [feedwatch], [feeds] and [watchlist]). */
struct list *drafts(struct loader *l, enum config_kind kind);
struct draft *current_draft(struct loader *l);

/* Put key and value where they belong in the current section's draft. */
void config_key_set(struct loader *l, struct str key, const struct entry *value);
/* The names of all keys, one by one; NULL at the end. */
const char *config_key_name(size_t i);
/* Where the key `name` of a sink stands: line 0: it was not written. */
struct config_place config_option_place(const struct draft_sink *d, const char *name);
/* The name of the i-th key when it was written in this sink, else NULL. */
const char *config_option_name(const struct draft_sink *d, size_t i);
void settings_clear(struct settings *s);

/* The settings of how a feed is asked for, with its secrets read: `like` when they are
 * the same, else new; NULL: wrong (reported) or out of memory. */
const struct config_access *build_access(struct loader *l, const struct settings *s,
                                         const struct config_access *like);

/* Check the sinks and fill their part of `c`. */
void build_sinks(struct loader *l, struct config *c);

/* Check the drafts as a whole and fill `c`.  0, -EINVAL with errors reported, or
 * -ENOMEM. */
int config_build(struct loader *l, struct config *c);

/* Digits at the front of *t, cut off.  False: none, or too large. */
bool config_number(struct str *t, int64_t *out);
/* As config_duration(), in milliseconds. */
int config_duration_ms(struct str text, int64_t *out);

/* Words of a list value ("a, b c"): each call cuts the next one off `rest`; n == 0: no
 * more. */
struct str list_word(struct str *rest);

/* Lines of `text`: the next one, trimmed, with *line moved along; false: no more. */
bool next_line(struct str *rest, struct str *out, int *line);
#endif
