/* The words of dates in many languages, places and their clocks, and folding text to find
 * them. */
#include "date_parts.h"

#include <string.h>
#include "utf8.h"

#define DAY_S 86400

struct turn { /* when the clock is put forward or back: a weekday of a month */
    int8_t month, week, weekday; /* week 5: the last */
    int32_t second;              /* of that day, by the clock until then */
};

struct date_rule {
    int16_t standard, summer; /* minutes east of Greenwich */
    struct turn start, end;   /* of summer; month 0: none */
};

struct place {
    uint16_t at;
    uint8_t n, rule;
};
#include "gen_dates.h"

#define N(table) (sizeof(table) / sizeof *(table))

/* memcmp, and the shorter first. */
static int compare(struct str a, const unsigned char *s, size_t n)
{
    int r = memcmp(a.s, s, a.n < n ? a.n : n);

    return r ? r : (a.n > n) - (a.n < n);
}

const struct date_word *date_word_find(struct str word)
{
    size_t low = 0, high = N(words);

    if (word.n == 0)
        return NULL;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int r = compare(word, word_bytes + words[mid].at, words[mid].n);
        if (r == 0)
            return &words[mid];
        if (r < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const struct date_word *date_word_prefix(struct str s)
{
    const struct date_word *word = NULL;

    for (size_t n = s.n < WORD_MAX ? s.n : WORD_MAX; n > 0 && !word; n--)
        word = date_word_find((struct str){ s.s, n });
    return word;
}

int date_place_find(struct str name)
{
    size_t low = 0, high = N(places);

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int r = compare(name, place_names + places[mid].at, places[mid].n);
        if (r == 0)
            return places[mid].rule;
        if (r < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return -1;
}

/* Local seconds since 1970 at which the clock turns in that year. */
static int64_t turn_s(const struct turn *t, int32_t year)
{
    int64_t first = date_days(year, t->month, 1);
    int32_t day = 1 + (t->weekday - date_weekday(first) + 7) % 7 + 7 * (t->week - 1);

    while (!date_day_exists(year, t->month, day))
        day -= 7;
    return (first + day - 1) * DAY_S + t->second;
}

int32_t date_place_offset(int rule, const struct date_parts *local)
{
    const struct date_rule *r = &rules[rule];

    if (r->start.month == 0)
        return r->standard * 60;
    int64_t now = date_days(local->year, local->month, local->day) * DAY_S +
                  local->hour * 3600 + local->minute * 60 + local->second;
    int64_t start = turn_s(&r->start, local->year), end = turn_s(&r->end, local->year);
    bool summer = start < end ? now >= start && now < end : now >= start || now < end;
    return (summer ? r->summer : r->standard) * 60;
}

/* Characters that stand for an ASCII one; 0: dropped; c: none. */
static uint32_t to_ascii(uint32_t c)
{
    if (c >= 0xFF01 && c <= 0xFF5E)
        return c - 0xFF01 + '!'; /* full width */
    if (c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F ||
        c == 0x3000)
        return ' ';
    if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212)
        return '-';
    if (c >= 0x660 && c <= 0x669)
        return c - 0x660 + '0';
    if (c >= 0x6F0 && c <= 0x6F9)
        return c - 0x6F0 + '0';
    if (c == 0x3001 || c == 0x60C)
        return ',';
    if (c == 0x2019 || c == 0x2BC || (c >= 0x300 && c <= 0x36F) || utf8_unsafe(c))
        return 0;
    return c;
}

static uint32_t fold(uint32_t c)
{
    if (c < 0x80) {
        if (c >= 'A' && c <= 'Z')
            return c | 0x20;
        return (c >= '\t' && c <= '\r') ? ' ' : c == '\'' ? 0 : c;
    }
    if (c >= FOLD_FIRST && c < FOLD_END && folds[c - FOLD_FIRST])
        return to_ascii(folds[c - FOLD_FIRST]);
    c = to_ascii(c);
    return c < 0x80 && c ? fold(c) : c;
}

int date_fold(struct str text, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0, len; i < text.n; i += len) {
        uint32_t c = utf8_get(text.s + i, text.n - i, &len), low = fold(c);
        size_t need = low == 0 ? 0 : low < 0x80 ? 1 : low < 0x800 ? 2 : len;
        if (need > size - n)
            return -1;
        if (need == 1) {
            out[n] = (char)low;
        } else if (need == 2) {
            out[n] = (char)(0xC0 | low >> 6);
            out[n + 1] = (char)(0x80 | (low & 0x3F));
        } else {
            memcpy(out + n, text.s + i, need);
        }
        n += need;
    }
    return (int)n;
}
