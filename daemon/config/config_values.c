/* Values of a config: numbers, durations, sizes, words and lines. */
#include "config_parts.h"

#include <errno.h>
#include <string.h>

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

bool config_number(struct str *t, int64_t *out)
{
    int64_t v = 0;
    size_t i = 0;

    for (; i < t->n && digit(t->s[i]); i++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, t->s[i] - '0', &v))
            return false;
    if (i == 0)
        return false;
    *t = (struct str){ t->s + i, t->n - i };
    *out = v;
    return true;
}

/* A unit at the front of *t, cut off, in milliseconds; 0: none. */
static int64_t take_unit_ms(struct str *t)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = { { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
                  { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 } };

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t n = strlen(units[i].name);
        if (t->n >= n && memcmp(t->s, units[i].name, n) == 0) {
            *t = (struct str){ t->s + n, t->n - n };
            return units[i].ms;
        }
    }
    return 0;
}

int config_duration_ms(struct str t, int64_t *out)
{
    int64_t sum = 0, last = INT64_MAX, v, unit;

    t = str_trim(t);
    do {
        if (!config_number(&t, &v))
            return -EINVAL;
        unit = t.n || last != INT64_MAX ? take_unit_ms(&t) : 1000;
        if (unit == 0 || unit >= last) /* units in falling order: 1h30m, not 30m1h */
            return -EINVAL;
        last = unit;
        if (__builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(sum, v, &sum))
            return -EINVAL;
    } while (t.n);
    *out = sum;
    return 0;
}

int config_duration(struct str text, int64_t *seconds)
{
    int64_t ms;

    if (config_duration_ms(text, &ms) < 0 || ms % 1000)
        return -EINVAL;
    *seconds = ms / 1000;
    return 0;
}

int config_size(struct str text, int64_t *bytes)
{
    struct str t = str_trim(text);
    int64_t v;
    int shift = 0;

    if (!config_number(&t, &v))
        return -EINVAL;
    if (t.n) {
        const char *at = strchr("kKmMgG", t.s[0]);
        if (!t.s[0] || !at)
            return -EINVAL;
        shift = 10 * (1 + (int)(at - "kKmMgG") / 2);
        t = (struct str){ t.s + 1, t.n - 1 };
    }
    if (t.n && !str_eq(t, STR("B")) && !str_eq(t, STR("iB")))
        return -EINVAL;
    if (v > INT64_MAX >> shift)
        return -EINVAL;
    *bytes = v << shift;
    return 0;
}

struct str list_word(struct str *rest)
{
    size_t from = 0;

    while (from < rest->n && strchr(" \t\n,", rest->s[from]))
        from++;
    size_t to = from;
    while (to < rest->n && !strchr(" \t\n,", rest->s[to]))
        to++;
    struct str word = { rest->s + from, to - from };
    *rest = (struct str){ rest->s + to, rest->n - to };
    return word;
}

bool next_line(struct str *rest, struct str *out, int *line)
{
    while (rest->n) {
        const char *nl = memchr(rest->s, '\n', rest->n);
        size_t n = nl ? (size_t)(nl - rest->s) : rest->n;

        *out = str_trim((struct str){ rest->s, n });
        *rest = (struct str){ rest->s + n + (nl != NULL), rest->n - n - (nl != NULL) };
        (*line)++;
        if (out->n)
            return true;
    }
    return false;
}
