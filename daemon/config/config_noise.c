/* The keys that say when a watch speaks: stories, updates, quiet hours and limits. */
#include "config_noise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400LL
#define YEAR_S (366 * DAY_S)
#define SOURCES_MAX 32

struct reader { /* one key */
    struct loader *l;
    const char *key;
    const struct entry *e;
};

static void refuse(const struct reader *k, const char *what)
{
    config_error(k->l, k->e->place, "%s = %.*s; %s", k->key, shown(k->e->text),
                 k->e->text.s, what);
}

static bool is_off(struct str t)
{
    return str_eq_nocase(t, STR("no")) || str_eq_nocase(t, STR("off")) ||
           str_eq(t, STR("0"));
}

static void read_bool(const struct reader *k, bool *out)
{
    struct str t = k->e->text;

    if (str_eq_nocase(t, STR("yes")) || str_eq_nocase(t, STR("on")) ||
        str_eq_nocase(t, STR("true")))
        *out = true;
    else if (is_off(t) || str_eq_nocase(t, STR("false")))
        *out = false;
    else
        refuse(k, "write yes or no");
}

static void read_group_by(const struct reader *k, bool *by_item)
{
    if (str_eq(k->e->text, STR("story")) || str_eq(k->e->text, STR("item")))
        *by_item = k->e->text.s[0] == 'i';
    else
        refuse(k, "write story or item");
}

/* Digits at the front of *t, cut off; false: none, or more than `most`. */
static bool take_count(struct str *t, unsigned most, unsigned *out)
{
    unsigned v = 0;
    size_t i = 0;

    for (; i < t->n && (unsigned char)(t->s[i] - '0') < 10; i++) {
        v = v * 10 + (unsigned)(t->s[i] - '0');
        if (v > most)
            return false;
    }
    *t = (struct str){ t->s + i, t->n - i };
    *out = v;
    return i > 0;
}

static void read_count(const struct reader *k, unsigned most, unsigned *out)
{
    struct str t = k->e->text;
    unsigned v = 0;

    if (!is_off(t) && (!take_count(&t, most, &v) || t.n))
        config_error(k->l, k->e->place, "%s = %.*s; write no or a number from 1 to %u",
                     k->key, shown(k->e->text), k->e->text.s, most);
    else
        *out = v;
}

/* A duration of at most a year in units of `unit` to the second, or "no" for 0. */
static void read_duration(const struct reader *k, int64_t unit, int64_t *out)
{
    int64_t s = 0;

    if (!is_off(k->e->text) && config_duration(k->e->text, &s) < 0)
        refuse(k, "this is not a duration; write no, or a number and a unit, as in 90s, "
                  "15m, 1h30m or 2d");
    else if (s > YEAR_S)
        refuse(k, "this is too long; write at most 366d");
    else
        *out = s * unit;
}

static struct str next_word(struct str *rest)
{
    size_t n = 0;

    *rest = str_trim(*rest);
    while (n < rest->n && rest->s[n] != ' ' && rest->s[n] != '\t')
        n++;
    struct str word = { rest->s, n };
    *rest = str_trim((struct str){ rest->s + n, rest->n - n });
    return word;
}

/* "digest 24h" */
static void read_new_rule(const struct reader *k, int64_t *out)
{
    struct str rest = k->e->text, word = next_word(&rest);
    int64_t s;

    if (is_off(k->e->text) || str_eq_nocase(k->e->text, STR("nothing")))
        *out = 0;
    else if (!str_eq_nocase(word, STR("digest")) || config_duration(rest, &s) < 0 ||
             s < 1 || s > YEAR_S)
        refuse(k, "write nothing, or how much of the past its digest is made of, at most "
                  "366d: on_new_rule = digest 24h");
    else
        *out = s;
}

/* "2 within 30m" */
static void read_sources(const struct reader *k, struct config_noise *out)
{
    struct str rest = k->e->text, count = next_word(&rest), word = next_word(&rest);
    unsigned n;
    int64_t s;

    if (is_off(k->e->text)) {
        out->min_sources = 0;
        return;
    }
    if (!take_count(&count, SOURCES_MAX, &n) || count.n || n < 1 ||
        !str_eq_nocase(word, STR("within")) || config_duration(rest, &s) < 0 || s < 1 ||
        s > 7 * DAY_S) {
        refuse(k, "write how many feeds must have a story, at most 32, and within what "
                  "time, at most 7d: min_sources = 2 within 30m");
        return;
    }
    out->min_sources = n;
    out->within_s = s;
}

/* "22:00" at the front of *t, cut off.  24:00 is the end of the day. */
static bool take_clock(struct str *t, int *minute)
{
    unsigned h, m;

    if (!take_count(t, 24, &h) || !t->n || t->s[0] != ':')
        return false;
    *t = (struct str){ t->s + 1, t->n - 1 };
    if (!take_count(t, 59, &m) || (h == 24 && m))
        return false;
    *minute = (int)(h % 24 * 60 + m);
    return true;
}

/* A zone by name, kept as long as the config. */
static const struct zone *keep_zone(const struct reader *k, struct str name)
{
    struct zone *z = NULL;
    void *copy;

    int r = zone_load(&z, name);
    if (r < 0) {
        k->l->oom |= r == -ENOMEM;
        config_error(k->l, k->e->place,
                     "%s: there is no time zone '%.*s' on this machine; write one as "
                     "Europe/Berlin or UTC (tzselect lists them)",
                     k->key, shown(name), name.s);
        return NULL;
    }
    copy = arena_get(k->l->arena, zone_bytes(z));
    if (copy)
        memcpy(copy, z, zone_bytes(z));
    k->l->oom |= !copy;
    zone_free(z);
    return copy;
}

/* "22:00-07:00 Europe/Berlin" */
static void read_quiet(const struct reader *k, struct noise_quiet *out)
{
    struct str rest = k->e->text, hours = next_word(&rest), zone = next_word(&rest);
    struct noise_quiet q = { 0 };

    if (is_off(k->e->text)) {
        *out = q;
        return;
    }
    bool ok = take_clock(&hours, &q.from_min) && hours.n && hours.s[0] == '-';
    if (ok)
        hours = (struct str){ hours.s + 1, hours.n - 1 };
    if (!ok || !take_clock(&hours, &q.to_min) || hours.n || rest.n) {
        refuse(k, "write no, or from when to when and in which time zone: quiet = "
                  "22:00-07:00 Europe/Berlin");
        return;
    }
    if (q.from_min == q.to_min) {
        refuse(k, "this begins when it ends; write different times, or mute_until = DATE "
                  "to hear nothing for a while");
        return;
    }
    q.zone = keep_zone(k, zone);
    if (q.zone)
        *out = q;
}

static bool take_fixed(struct str *t, size_t digits, unsigned *out)
{
    struct str head = { t->s, digits };

    if (t->n < digits || !take_count(&head, 9999, out) || head.n)
        return false;
    *t = (struct str){ t->s + digits, t->n - digits };
    return true;
}

static bool take_char(struct str *t, const char *any)
{
    if (!t->n || !t->s[0] || !strchr(any, t->s[0]))
        return false;
    *t = (struct str){ t->s + 1, t->n - 1 };
    return true;
}

/* Days from 1970-01-01 to a date; -1: there is no such day. */
static int64_t day_of(unsigned y, unsigned m, unsigned d)
{
    static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    static const unsigned before[] = { 0,   31,  59,  90,  120, 151,
                                       181, 212, 243, 273, 304, 334 };
    bool leap = (y % 4 == 0 && y % 100) || y % 400 == 0;

    if (y < 2000 || y > 2200 || m < 1 || m > 12 || d < 1 ||
        d > days[m - 1] + (m == 2 && leap))
        return -1;
    int64_t p = (int64_t)y - 1;
    return 365 * p + p / 4 - p / 100 + p / 400 - 719162 + before[m - 1] + d - 1 +
           (m > 2 && leap);
}

/* The offset of "Z", "+02:00" in seconds; false: neither. */
static bool take_offset(struct str *t, int64_t *out)
{
    unsigned h, m;
    bool minus = t->n && t->s[0] == '-';

    *out = 0;
    if (take_char(t, "Zz"))
        return true;
    if (!take_char(t, "+-") || !take_fixed(t, 2, &h) || h > 23)
        return false;
    (void)take_char(t, ":");
    if (!take_fixed(t, 2, &m) || m > 59)
        return false;
    *out = (h * 3600LL + m * 60LL) * (minus ? -1 : 1);
    return true;
}

/* "2026-12-24", "2026-12-24 18:00", "2026-12-24T18:00Z" and the like. */
static bool parse_moment(const struct reader *k, int64_t *utc_s)
{
    struct str t = k->e->text;
    unsigned y, m, d, hour = 0, minute = 0, second = 0;
    int64_t offset;

    if (!take_fixed(&t, 4, &y) || !take_char(&t, "-") || !take_fixed(&t, 2, &m) ||
        !take_char(&t, "-") || !take_fixed(&t, 2, &d) || day_of(y, m, d) < 0)
        return false;
    if (take_char(&t, " Tt") &&
        (!take_fixed(&t, 2, &hour) || !take_char(&t, ":") || !take_fixed(&t, 2, &minute)))
        return false;
    if (take_char(&t, ":") && !take_fixed(&t, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t local = day_of(y, m, d) * DAY_S + hour * 3600 + minute * 60 + second;
    t = str_trim(t);
    if (t.n) {
        *utc_s = take_offset(&t, &offset) ? local - offset : 0;
        return t.n == 0;
    }
    const struct zone *here = keep_zone(k, (struct str){ 0 });
    *utc_s = here ? zone_utc_s(here, local) : 0;
    return true;
}

static void read_mute(const struct reader *k, int64_t *ms)
{
    int64_t s;

    if (is_off(k->e->text))
        *ms = 0;
    else if (parse_moment(k, &s))
        *ms = s * 1000;
    else
        refuse(k, "write no, or the day on which it ends: mute_until = 2026-12-24, or "
                  "2026-12-24 18:00, or 2026-12-24T18:00Z");
}

/* The keys of `d` on top of *n. */
static void lay(struct loader *l, struct config_noise *n, const struct draft_noise *d)
{
    struct noise_rules *r = &n->rules;

#define KEY(name, call)                                                                  \
    do {                                                                                 \
        const struct reader k = { l, #name, &d->name };                                  \
        if (d->name.text.n)                                                              \
            call; /* NOLINT(bugprone-macro-parentheses) ; a statement */                 \
    } while (0)
    KEY(group_by, read_group_by(&k, &n->by_item));
    KEY(story_window, read_duration(&k, 1, &n->story_window_s));
    KEY(min_sources, read_sources(&k, n));
    KEY(on_update, read_bool(&k, &n->on_update));
    KEY(on_new_rule, read_new_rule(&k, &n->new_rule_s));
    KEY(storm_after, read_duration(&k, 1, &n->storm_after_s));
    KEY(storm_size, read_count(&k, NOISE_STORM_MAX, &r->storm_size));
    KEY(max_per_hour, read_count(&k, NOISE_PER_HOUR_MAX, &r->max_per_hour));
    KEY(group_wait, read_duration(&k, 1000, &r->group_wait_ms));
    KEY(cooldown, read_duration(&k, 1000, &r->cooldown_ms));
    KEY(max_age, read_duration(&k, 1, &r->max_age_s));
    KEY(quiet, read_quiet(&k, &r->quiet));
    KEY(mute_until, read_mute(&k, &r->mute_until_ms));
#undef KEY
}

/* The values as written, so that two configs can be compared. */
static const char *text_of(struct loader *l, const struct draft_noise *general,
                           const struct draft_noise *own)
{
    const struct entry *g = (const struct entry *)general;
    const struct entry *o = (const struct entry *)own;
    struct buf b;

    buf_init(&b, 8192);
    for (size_t i = 0; i < sizeof *own / sizeof *o; i++) {
        const struct entry *e = own && o[i].text.n ? &o[i] : &g[i];

        (void)buf_put_str(&b, e->text);
        (void)buf_putc(&b, '\n');
    }
    const char *s = arena_copy(l->arena, buf_str(&b));
    l->oom |= !s || b.error == -ENOMEM;
    buf_free(&b);
    return s;
}

static bool is_empty(const struct draft_noise *d)
{
    const struct entry *e = (const struct entry *)d;

    for (size_t i = 0; i < sizeof *d / sizeof *e; i++)
        if (e[i].text.n)
            return false;
    return true;
}

static struct config_noise *new_noise(struct loader *l, const struct config_noise *from)
{
    struct config_noise *n = arena_get(l->arena, sizeof *n);

    l->oom |= !n;
    if (n)
        *n = *from;
    return n;
}

const struct config_noise *config_noise_general(struct loader *l)
{
    static const struct config_noise defaults = { .story_window_s = DAY_S,
                                                  .storm_after_s = 3600,
                                                  .rules.storm_size = 20 };
    struct config_noise *n = new_noise(l, &defaults);

    if (n) {
        lay(l, n, &l->general.noise);
        n->text = text_of(l, &l->general.noise, NULL);
    }
    return n;
}

const struct config_noise *config_noise_of(struct loader *l,
                                           const struct config_noise *general,
                                           const struct draft_noise *own)
{
    if (!general || is_empty(own))
        return general;
    struct config_noise *n = new_noise(l, general);
    if (!n)
        return NULL;
    lay(l, n, own);
    n->text = text_of(l, &l->general.noise, own);
    if (n->min_sources > 1 && n->by_item)
        config_error(
            l, own->min_sources.place.line ? own->min_sources.place : own->group_by.place,
            "min_sources counts the feeds that have one story, but group_by = "
            "item keeps them apart; write group_by = story");
    return n;
}
