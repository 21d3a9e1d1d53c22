/* The configuration: files read, drafts checked as a whole, one immutable result. */
#include "config_parts.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "utf8.h"

struct config_owned {
    struct config c; /* first: the outside knows only this */
    atomic_uint refs;
    struct arena arena;
};

static void owned_free(struct config_owned *o)
{
    if (!o)
        return;
    for (size_t i = 0; o->c.watches && i < o->c.n_watches; i++)
        rule_free(o->c.watches[i].rule);
    arena_free(&o->arena);
    free(o);
}

struct config *config_ref(struct config *c)
{
    atomic_fetch_add_explicit(&((struct config_owned *)c)->refs, 1, memory_order_relaxed);
    return c;
}

void config_unref(struct config *c)
{
    struct config_owned *o = (struct config_owned *)c;

    if (o && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1)
        owned_free(o);
}

/* ---- reporting */

static void put_place(struct buf *b, struct config_place at)
{
    if (at.line)
        buf_printf(b, "%s:%d: ", at.file, at.line);
    else
        buf_printf(b, "%s: ", at.file);
}

/* One line that a terminal can take, whatever the file says. */
static void __attribute__((format(printf, 3, 0)))
put_message(struct buf *out, struct config_place at, const char *fmt, va_list ap)
{
    struct buf raw;

    buf_init(&raw, 4096);
    buf_vprintf(&raw, fmt, ap);
    put_place(out, at);
    for (size_t i = 0, len; i < raw.n; i += len) {
        uint32_t c = utf8_get(raw.s + i, raw.n - i, &len);

        if (c < 0x20)
            buf_putc(out, ' ');
        else if (utf8_unsafe(c))
            buf_put_utf8(out, 0xFFFD);
        else
            buf_put(out, raw.s + i, len);
    }
    buf_free(&raw);
}

void config_error(struct loader *l, struct config_place at, const char *fmt, ...)
{
    va_list ap;

    l->n_errors++;
    va_start(ap, fmt);
    put_message(l->errors, at, fmt, ap);
    va_end(ap);
    buf_putc(l->errors, '\n');
}

void config_warn(struct loader *l, struct config_place at, const char *fmt, ...)
{
    struct buf b;
    va_list ap;
    char **slot = list_add(&l->warnings);

    buf_init(&b, 8192);
    va_start(ap, fmt);
    put_message(&b, at, fmt, ap);
    va_end(ap);
    if (slot)
        *slot = arena_copy(l->arena, buf_str(&b));
    l->oom |= !slot || !*slot;
    buf_free(&b);
}

int shown(struct str s)
{
    size_t n = s.n < 60 ? s.n : 60;

    for (size_t i = 0; i < s.n && i <= n; i++)
        if (s.s[i] == '\n')
            return (int)i;
    return (int)utf8_cut(s.s, s.n, n);
}

/* ---- sections and keys, as the reader finds them */

static bool name_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.';
}

bool config_name_ok(struct loader *l, struct config_place at, const char *what,
                    struct str name)
{
    if (name.n == 0) {
        config_error(l, at, "the %s is missing", what);
        return false;
    }
    if (name.n > CONFIG_NAME_MAX) {
        config_error(l, at, "the %s '%.*s...' is longer than %d bytes", what, shown(name),
                     name.s, CONFIG_NAME_MAX);
        return false;
    }
    for (size_t i = 0, len; i < name.n; i += len) {
        uint32_t c = utf8_get(name.s + i, name.n - i, &len);
        if (c < 0x80 ? !name_byte((unsigned char)c) : utf8_unsafe(c) || c == 0x3000) {
            config_error(
                l, at,
                "the %s '%.*s' has '%.*s' in it; letters, digits, '-', '_' and '.' "
                "are allowed",
                what, shown(name), name.s, utf8_unsafe(c) ? 0 : (int)len, name.s + i);
            return false;
        }
    }
    return true;
}

static const struct {
    const char *word;
    enum config_kind kind;
} prefixes[] = { { "feed", IN_FEED },
                 { "group", IN_GROUP },
                 { "watch", IN_WATCH },
                 { "set", IN_SET },
                 { "sink", IN_SINK } },
  plain[] = { { "feedwatch", IN_GENERAL },
              { "feeds", IN_FEEDS },
              { "watchlist", IN_WATCHLIST } };

static const char *kind_word(enum config_kind kind)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (prefixes[i].kind == kind)
            return prefixes[i].word;
    return "";
}

struct list *drafts(struct loader *l, enum config_kind kind)
{
    return kind == IN_FEED    ? &l->feeds
           : kind == IN_GROUP ? &l->groups
           : kind == IN_WATCH ? &l->watches
           : kind == IN_SET   ? &l->sets
           : kind == IN_SINK  ? &l->sinks
                              : NULL;
}

static struct draft *draft_at(const struct list *list, size_t i)
{
    return (struct draft *)((char *)list->at + i * list->size);
}

struct draft *current_draft(struct loader *l)
{
    struct list *list = drafts(l, l->kind);

    return list ? draft_at(list, l->index) : NULL;
}

/* Open the draft of a new thing; NULL: its name is taken, or out of memory. */
static struct draft *add_draft(struct loader *l, struct str name, struct config_place at)
{
    const struct name *old = names_find(&l->names, (int)l->kind, name);
    struct list *list = drafts(l, l->kind);

    if (old) {
        struct config_place first = draft_at(list, old->index)->place;
        config_error(l, at, "%s '%.*s' is defined a second time; the first is at %s:%d",
                     kind_word(l->kind), (int)name.n, name.s, first.file, first.line);
        return NULL;
    }
    char *copy = arena_copy(l->arena, name);
    struct draft *d = copy ? list_add(list) : NULL;
    if (!d || names_add(&l->names, (int)l->kind, copy, list->n - 1) < 0) {
        l->oom = true;
        return NULL;
    }
    d->name = copy;
    d->place = at;
    l->index = list->n - 1;
    return d;
}

static void unknown_section(struct loader *l, struct str name, struct config_place at)
{
    const char *colon = memchr(name.s, ':', name.n);
    struct str word = { name.s, colon ? (size_t)(colon - name.s) : name.n };
    struct str rest = { name.s + word.n, name.n - word.n };
    const char *best = NULL;
    bool best_plain = false;
    unsigned least = edit_limit(word) + 1;

    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        unsigned d = edit_distance(word, str_of(plain[i].word), least - 1);
        if (d < least && !colon) {
            least = d;
            best = plain[i].word;
            best_plain = true;
        }
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        unsigned d = edit_distance(word, str_of(prefixes[i].word), least - 1);
        if (d < least) {
            least = d;
            best = prefixes[i].word;
            best_plain = false;
        }
    }
    if (best && !best_plain && !colon)
        rest = STR(":NAME");
    if (best)
        config_error(l, at, "unknown section [%.*s]; did you mean [%s%.*s]?", shown(name),
                     name.s, best, shown(rest), rest.s);
    else
        config_error(
            l, at,
            "unknown section [%.*s]; there are [feedwatch], [feeds], [watchlist], "
            "[feed:NAME], [group:NAME], [watch:NAME], [set:NAME] and [sink:NAME]",
            shown(name), name.s);
}

/* What kind of section this is; *name is what stands behind the colon. */
static enum config_kind kind_of(struct str section, struct str *name)
{
    const char *colon = memchr(section.s, ':', section.n);

    for (size_t i = 0; !colon && i < sizeof plain / sizeof plain[0]; i++)
        if (str_eq(section, str_of(plain[i].word)))
            return plain[i].kind;
    if (!colon)
        return IN_NOTHING;
    struct str word = { section.s, (size_t)(colon - section.s) };
    *name = str_trim((struct str){ colon + 1, section.n - word.n - 1 });
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (str_eq(str_trim(word), str_of(prefixes[i].word)))
            return prefixes[i].kind;
    return IN_NOTHING;
}

static bool open_draft(struct loader *l, struct str name, struct config_place at)
{
    if (l->kind == IN_SINK &&
        (str_eq(name, STR("log")) || str_eq(name, STR("desktop")))) {
        config_error(
            l, at,
            "the sink '%.*s' is built in; set %s in [feedwatch], or choose another "
            "name",
            (int)name.n, name.s, name.s[0] == 'l' ? "log and log_format" : "desktop");
        return false;
    }
    struct draft *d = add_draft(l, name, at);
    if (d && l->kind == IN_GROUP) {
        settings_clear(&((struct draft_group *)d)->own);
    } else if (d && l->kind == IN_FEED) {
        struct settings *own = arena_get(l->arena, sizeof *own);
        l->oom |= !own;
        ((struct draft_feed *)d)->own = own;
        if (own)
            settings_clear(own);
    }
    return d != NULL;
}

void loader_section(struct loader *l, struct str section, struct config_place at)
{
    struct str name = { 0 };

    memset(l->key_at, 0, sizeof l->key_at);
    l->section_at = at;
    l->kind = kind_of(section, &name);
    if (l->kind == IN_NOTHING) {
        unknown_section(l, section, at);
        return;
    }
    if (!drafts(l, l->kind))
        return; /* one that has no name */
    if (!config_name_ok(l, at, "name of the section", name) || !open_draft(l, name, at))
        l->kind = IN_NOTHING;
}

/* [feeds] name = url and [watchlist] name = rule: the same as a section with one key. */
static void short_form(struct loader *l, struct str name, const struct entry *value)
{
    enum config_kind list = l->kind;

    l->kind = list == IN_FEEDS ? IN_FEED : IN_WATCH;
    memset(l->key_at, 0, sizeof l->key_at);
    if (add_draft(l, name, value->place))
        config_key_set(l, list == IN_FEEDS ? STR("url") : STR("match"), value);
    l->kind = list;
}

void loader_key(struct loader *l, struct str key, const struct entry *value)
{
    if (l->section_at.line == 0)
        config_error(
            l, value->place,
            "'%.*s' stands before the first section; write [feedwatch], [feeds] or "
            "another section above it",
            shown(key), key.s);
    else if (l->kind == IN_FEEDS || l->kind == IN_WATCHLIST)
        short_form(l, key, value);
    else if (l->kind != IN_NOTHING)
        config_key_set(l, key, value);
}

/* ---- files */

static int is_ini(const struct dirent *e)
{
    size_t n = strlen(e->d_name);

    return e->d_name[0] != '.' && n > 4 && strcmp(e->d_name + n - 4, ".ini") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* `dir`/`name`, kept in the arena. */
static const char *join_path(struct loader *l, const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = arena_get(l->arena, n);

    if (path)
        snprintf(path, n, "%s/%s", dir, name);
    l->oom |= !path;
    return path;
}

/* The directory that `path` lies in. */
static const char *dir_of(struct loader *l, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct str dir = { path, slash ? (size_t)(slash - path) : 0 };

    if (!slash)
        return ".";
    if (dir.n == 0)
        return "/";
    const char *copy = arena_copy(l->arena, dir);
    l->oom |= !copy;
    return copy;
}

static int read_conf_d(struct loader *l, const char *main_dir)
{
    const char *dir = join_path(l, main_dir, "conf.d");
    struct dirent **names = NULL;

    if (!dir)
        return -ENOMEM;
    int n = scandir(dir, &names, is_ini, by_name);
    if (n < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (n < 0) {
        config_error(l, (struct config_place){ dir, 0 }, "%s", strerror(errno));
        return -errno;
    }
    int r = 0;
    for (int i = 0; i < n; i++) {
        const char *path = r != -ENOMEM ? join_path(l, dir, names[i]->d_name) : NULL;
        int e = path ? config_read(l, path) : -ENOMEM;
        if (e == -ENOMEM || r == 0)
            r = e;
        free(names[i]);
    }
    free(names);
    return r;
}

struct more { /* a text that stands for a file */
    const char *name;
    struct str text;
};

/* The main file, or the text that stands for it, conf.d, and what is to be added. */
static int read_all(struct loader *l, const char *path, const struct str *text,
                    const struct more *more)
{
    const char *dir = dir_of(l, path);
    char absolute[PATH_MAX];

    if (!dir)
        return -ENOMEM;
    l->base = dir;
    if (text)
        return config_read_text(l, path, *text);
    l->base = realpath(dir, absolute) ? arena_copy(l->arena, str_of(absolute)) : dir;
    if (!l->base)
        return -ENOMEM;
    int r = config_read(l, path);
    if (r < 0)
        return r; /* no use in complaining about conf.d as well */
    r = read_conf_d(l, dir);
    if (r < 0 || !more)
        return r;
    const char *name = arena_copy(l->arena, str_of(more->name));
    return name ? config_read_text(l, name, more->text) : -ENOMEM;
}

static void loader_done(struct loader *l)
{
    free(l->names.slot);
    free(l->feeds.at);
    free(l->groups.at);
    free(l->watches.at);
    free(l->sets.at);
    free(l->sinks.at);
    free(l->warnings.at);
}

static int load(struct config **out, const char *path, const struct str *text,
                const struct more *more, struct buf *errors)
{
    struct config_owned *o = calloc(1, sizeof *o);

    if (!o)
        return -ENOMEM;
    atomic_init(&o->refs, 1);
    struct loader l = { .arena = &o->arena,
                        .errors = errors,
                        .feeds.size = sizeof(struct draft_feed),
                        .groups.size = sizeof(struct draft_group),
                        .watches.size = sizeof(struct draft_watch),
                        .sets.size = sizeof(struct draft_set),
                        .sinks.size = sizeof(struct draft_sink),
                        .warnings.size = sizeof(char *) };
    settings_clear(&l.general.all);
    l.general.host_interval_ms = l.general.keep_seen_s = UNSET;
    l.general.keep_alerts_s = l.general.give_up_s = UNSET;
    l.general.history_s = l.general.history_bytes = UNSET;

    int r = -ENOMEM;
    o->c.path = arena_copy(&o->arena, str_of(path));
    if (o->c.path)
        r = read_all(&l, o->c.path, text, more);
    if (r == 0)
        r = config_build(&l, &o->c);
    o->c.content = l.content;
    if (l.oom)
        r = -ENOMEM;
    else if (r == 0 && l.n_errors)
        r = -EINVAL;
    loader_done(&l);
    if (r < 0)
        owned_free(o);
    else
        *out = &o->c;
    return r;
}

int config_load(struct config **out, const char *path, struct buf *errors)
{
    return load(out, path, NULL, NULL, errors);
}

int config_load_with(struct config **out, const char *path, const char *name,
                     struct str text, struct buf *errors)
{
    struct more more = { name, text };

    return load(out, path, NULL, &more, errors);
}

int config_parse(struct config **out, const char *name, struct str text,
                 struct buf *errors)
{
    return load(out, name, &text, NULL, errors);
}
