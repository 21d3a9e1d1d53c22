/* Which characters mean what in rule text, and how wide they stand on a terminal. */
#include "rule_own.h"

#include "utf8.h"

struct range {
    uint32_t from, to;
};

#define IN(ranges, cp) in_ranges(ranges, sizeof(ranges) / sizeof *(ranges), cp)

static bool in_ranges(const struct range *r, size_t n, uint32_t cp)
{
    for (size_t i = 0; i < n; i++)
        if (cp >= r[i].from && cp <= r[i].to)
            return true;
    return false;
}

bool rule_is_space(uint32_t cp)
{
    return cp == ' ' || (cp >= '\t' && cp <= '\r') || cp == 0x85 || cp == 0xA0 ||
           cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 ||
           cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

bool rule_is_quote(uint32_t cp)
{
    return (cp >= 0x201C && cp <= 0x201F) || cp == 0xAB || cp == 0xBB ||
           (cp >= 0x300C && cp <= 0x300F) || (cp >= 0x301D && cp <= 0x301F) ||
           cp == 0xFF02;
}

bool rule_is_dash(uint32_t cp)
{
    return (cp >= 0x2010 && cp <= 0x2015) || cp == 0x2212 || cp == 0xFE58 ||
           cp == 0xFE63 || cp == 0xFF0D;
}

bool rule_is_symbol(uint32_t cp)
{
    static const struct range other[] = {
        { 0xA2, 0xA9 },       { 0xAC, 0xAC },     { 0xAE, 0xB1 },     { 0xB4, 0xB4 },
        { 0xB6, 0xB6 },       { 0xD7, 0xD7 },     { 0xF7, 0xF7 },     { 0x2020, 0x2022 },
        { 0x2030, 0x2031 },   { 0x20A0, 0x20CF }, { 0x2190, 0x245F }, { 0x2500, 0x2BFF },
        { 0x1F000, 0x1FAFF },
    };

    if (cp < 0x80)
        return cp > ' ' && strchr("!#$%&*+;<=>?@[\\]^_`{|}~", (int)cp);
    return IN(other, cp);
}

/* Marks that stand on the letter before them; the commonest scripts are enough for the
 * place of a caret. */
static bool is_mark(uint32_t cp)
{
    static const struct range marks[] = {
        { 0x300, 0x36F },   { 0x483, 0x489 },   { 0x591, 0x5BD },   { 0x5BF, 0x5BF },
        { 0x5C1, 0x5C5 },   { 0x610, 0x61A },   { 0x64B, 0x65F },   { 0x670, 0x670 },
        { 0x6D6, 0x6DC },   { 0x900, 0x902 },   { 0x93A, 0x93A },   { 0x93C, 0x93C },
        { 0x941, 0x948 },   { 0x94D, 0x94D },   { 0xE31, 0xE31 },   { 0xE34, 0xE3A },
        { 0xE47, 0xE4E },   { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF }, { 0x20D0, 0x20FF },
        { 0x3099, 0x309A }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F },
    };

    return cp >= 0x300 && IN(marks, cp);
}

/* Unicode Standard Annex 11, East Asian Width W and F, in outline. */
unsigned rule_columns(uint32_t cp)
{
    static const struct range wide[] = {
        { 0x1100, 0x115F },   { 0x2E80, 0x303E },   { 0x3041, 0xA4CF },
        { 0xA960, 0xA97F },   { 0xAC00, 0xD7A3 },   { 0xF900, 0xFAFF },
        { 0xFE30, 0xFE6F },   { 0xFF00, 0xFF60 },   { 0xFFE0, 0xFFE6 },
        { 0x1F300, 0x1F64F }, { 0x1F680, 0x1F6FF }, { 0x1F900, 0x1FAFF },
        { 0x20000, 0x3FFFD },
    };

    if (cp < 0x300)
        return 1;
    if (is_mark(cp))
        return 0;
    return IN(wide, cp) ? 2 : 1;
}

uint32_t rule_count(struct str s)
{
    uint32_t count = 0;

    for (size_t i = 0, len; i < s.n; i += len, count++)
        (void)utf8_get(s.s + i, s.n - i, &len);
    return count;
}
