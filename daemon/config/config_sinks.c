/* The sinks of a config: each key against what its type takes. */
#include "config_parts.h"

#include <stdio.h>
#include <string.h>

/* "log, desktop or webhook" */
static void all_types(char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; sink_type_at(i) && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s",
                              !i                    ? ""
                              : sink_type_at(i + 1) ? ", "
                                                    : " or ",
                              sink_type_at(i)->type);
}

/* Is `key` among the words of `list`, which has a space on both sides of each? */
static bool takes(const char *list, const char *key)
{
    char word[40];

    snprintf(word, sizeof word, " %s ", key);
    return strstr(list, word) != NULL;
}

static const struct sink_type *type_of(struct loader *l, const struct draft_sink *d)
{
    const struct sink_type *type = sink_type_find(d->type.text);
    char types[200];

    all_types(types, sizeof types);
    if (d->type.text.n == 0)
        config_error(l, d->head.place, "sink '%s' has no type; write type = %s",
                     d->head.name, types);
    else if (!type)
        config_error(l, d->type.place, "type = %.*s is not known; write type = %s",
                     shown(d->type.text), d->type.text.s, types);
    return type;
}

/* Keys that the type does not take, and such that it needs. */
static bool keys_fit(struct loader *l, const struct draft_sink *d,
                     const struct sink_type *type)
{
    size_t errors = l->n_errors;
    const char *name;
    char need[40];

    for (size_t i = 0; i < KEYS_MAX; i++)
        if ((name = config_option_name(d, i)) && strcmp(name, "type") != 0 &&
            !takes(type->keys, name))
            config_error(l, config_option_place(d, name),
                         "sink '%s' is of type %s, which has no %s; delete the line",
                         d->head.name, type->type, name);
    for (const char *p = type->needs; p && sscanf(p, " %39s", need) == 1;
         p = strchr(p + 1, ' '))
        if (!config_option_place(d, need).line)
            config_error(l, d->head.place, "sink '%s' has no %s; write %s = ...",
                         d->head.name, need, need);
    return l->n_errors == errors;
}

static void check_sink(struct loader *l, const struct draft_sink *d,
                       const struct sink_options *o)
{
    const struct sink_type *type = type_of(l, d);
    const char *key = "type";
    struct buf why;

    if (!type || !keys_fit(l, d, type) || !type->check)
        return;
    buf_init(&why, 1000);
    if (type->check(o, &key, &why) < 0) {
        struct config_place at = config_option_place(d, key);
        config_error(l, at.line ? at : d->head.place, "%s", why.s ? why.s : key);
    }
    buf_free(&why);
}

/* Two sinks that write one file would spoil each other's. */
static void check_path(struct loader *l, const struct config *c, size_t i)
{
    const struct sink_options *o = &c->sinks[i].options;
    const char *other = NULL;

    if (!o->path)
        return;
    if (c->log_path && strcmp(o->path, c->log_path) == 0)
        other = "log";
    for (size_t k = 0; k < i && !other; k++)
        if (c->sinks[k].options.path && strcmp(o->path, c->sinks[k].options.path) == 0)
            other = c->sinks[k].options.name;
    if (other)
        config_error(l, c->sinks[i].place, "sinks '%s' and '%s' write the same file %s",
                     o->name, other, o->path);
}

void build_sinks(struct loader *l, struct config *c)
{
    const struct draft_sink *d = l->sinks.at;

    c->sinks = arena_get(l->arena, (l->sinks.n + 1) * sizeof *c->sinks);
    l->oom |= !c->sinks;
    if (l->sinks.n > CONFIG_SINKS_MAX)
        config_error(l, d[CONFIG_SINKS_MAX].head.place,
                     "there are more than %d sinks; merge some", CONFIG_SINKS_MAX);
    for (size_t i = 0; c->sinks && i < l->sinks.n; i++) {
        struct config_sink *s = &c->sinks[c->n_sinks++];
        struct sink_options *o = &s->options;

        *o = d[i].options;
        s->place = d[i].head.place;
        o->name = d[i].head.name;
        o->type = d[i].type.text.s;
        o->text = d[i].text.text.s ? d[i].text.text.s : "";
        o->config_path = c->path;
        o->config_file = s->place.file;
        o->format = d[i].format ? (enum alert_format)(d[i].format - 1) : ALERT_TEXT;
        o->allow_private = d[i].allow_private == 1;
        if (!d[i].head.broken)
            check_sink(l, &d[i], o);
        check_path(l, c, i);
    }
}
