/* Writes the folding tables of text.c to standard output; run by make, on the build
 * machine only.  Properties and mappings come from utf8proc, scripts from PCRE2. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pcre2.h>
#include <utf8proc.h>
#include "../text_classes.h"

enum { LIMIT = 0x110000, BLOCK = 1 << TEXT_BLOCK_BITS, BLOCKS = LIMIT / BLOCK };

static uint32_t entry[LIMIT];
static uint8_t ccc[LIMIT];
static uint8_t second[LIMIT]; /* takes part in compositions, not as the first */
static uint32_t seq[40000];
static size_t seq_n = 1;

/* Letters with a stroke, ligatures and the like have no decomposition in Unicode. */
static const struct {
    int32_t from;
    const char *to;
} letters[] = {
    { 0xE6, "ae" },  { 0x153, "oe" }, { 0xF8, "o" },   { 0x142, "l" },  { 0x111, "d" },
    { 0x131, "i" },  { 0xF0, "d" },   { 0xFE, "th" },  { 0x127, "h" },  { 0x167, "t" },
    { 0x180, "b" },  { 0x23C, "c" },  { 0x247, "e" },  { 0x1E5, "g" },  { 0x268, "i" },
    { 0x249, "j" },  { 0x19A, "l" },  { 0x24D, "r" },  { 0x24F, "y" },  { 0x1B6, "z" },
    { 0x289, "u" },  { 0x2C65, "a" }, { 0x2C66, "t" }, { 0x1D7D, "p" }, { 0xA741, "k" },
    { 0x1D7B, "i" }, { 0x1D7E, "u" }, { 0x2C61, "l" }, { 0xA749, "l" }, { 0x237, "j" },
    { 0x275, "o" },  { 0xAB30, "a" },
};

/* Apostrophes that Unicode files under letters or symbols. */
static const int32_t apostrophes[] = { 0x60, 0xB4, 0x2BB, 0x2BC, 0x2BD, 0xA78B, 0xA78C };

/* Punctuation that means something of its own in names: C#, AT&T, 100%. */
static const int32_t symbols[] = { '#',  '%',    '&',    '*',    '@',   '\\',
                                   '!',  '?',    '_',    0xA1,   0xBF,  0xA7,
                                   0xB6, 0x2020, 0x2021, 0x2030, 0x2022 };

static pcre2_code *script(const char *pattern)
{
    int error;
    size_t at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_ANCHORED, &error, &at, NULL);
    if (!code) {
        fprintf(stderr, "text_gen: PCRE2 refuses %s\n", pattern);
        exit(1);
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return code;
}

static int is(const pcre2_code *code, int32_t cp)
{
    static pcre2_match_data *m;
    uint8_t u[4];
    size_t n = (size_t)utf8proc_encode_char(cp, u);

    if (!m)
        m = pcre2_match_data_create(2, NULL);
    return pcre2_match(code, u, n, 0, 0, m, NULL) >= 0;
}

static int listed(const int32_t *list, size_t n, int32_t cp)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == cp)
            return 1;
    return 0;
}
#define LISTED(list, cp) listed(list, sizeof(list) / sizeof *(list), cp)

/* The class of a character that folding has done with. */
static unsigned class_of(int32_t cp)
{
    static pcre2_code *run, *strip, *common;

    if (!run) {
        run = script("\\p{Han}|\\p{Hiragana}|\\p{Katakana}|\\p{Hangul}|\\p{Thai}|\\p{Lao}"
                     "|\\p{Khmer}|\\p{Myanmar}");
        strip = script("\\p{Latin}|\\p{Greek}|\\p{Cyrillic}|\\p{Hebrew}|\\p{Arabic}");
        common = script("\\p{scx:Common}|\\p{scx:Inherited}");
    }
    const utf8proc_property_t *p = utf8proc_get_property(cp);
    if (p->ignorable || cp == 0x640) /* tatweel */
        return TEXT_IGNORE;
    if (LISTED(apostrophes, cp))
        return TEXT_SEP;
    switch (p->category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        if (is(run, cp))
            return TEXT_RUN;
        return is(strip, cp) || is(common, cp) ? TEXT_STRIP : TEXT_OTHER;
    case UTF8PROC_CATEGORY_MC:
        return is(run, cp) ? TEXT_RUN : TEXT_OTHER;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
        if (is(run, cp))
            return TEXT_RUN;
        return is(strip, cp) || is(common, cp) ? TEXT_MARK : TEXT_MARK_OTHER;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
        return TEXT_SYM;
    default:
        return LISTED(symbols, cp) ? TEXT_SYM : TEXT_SEP;
    }
}

static int is_mark(unsigned class)
{
    return class == TEXT_MARK || class == TEXT_MARK_OTHER;
}

static size_t map_letters(int32_t *s, size_t n)
{
    int32_t out[128];
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        const char *to = NULL;
        for (size_t k = 0; k < sizeof letters / sizeof *letters; k++)
            if (letters[k].from == s[i])
                to = letters[k].to;
        if (!to)
            out[m++] = s[i];
        while (to && *to)
            out[m++] = *to++;
    }
    memcpy(s, out, m * sizeof *s);
    return m;
}

/* Marks go after letters of the stripping scripts and after no letter at all; those that
 * come first are left for the text around them to decide. */
static size_t strip_marks(int32_t *s, size_t n)
{
    unsigned base = TEXT_SEP;
    int first = 1;
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned class = class_of(s[i]);
        if (class == TEXT_IGNORE)
            continue;
        first = first && is_mark(class);
        if (is_mark(class) && !first &&
            (base == TEXT_STRIP || (base != TEXT_OTHER && class == TEXT_MARK)))
            continue;
        if (!is_mark(class))
            base = class;
        s[m++] = s[i];
    }
    return m;
}

static size_t fold(int32_t cp, int32_t *s)
{
    utf8proc_ssize_t n = utf8proc_decompose_char(
        cp, s, 60,
        UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE | UTF8PROC_DECOMPOSE, NULL);
    if (n < 0 || n > 60) {
        fprintf(stderr, "text_gen: cannot decompose U+%04X\n", (unsigned)cp);
        exit(1);
    }
    size_t m = strip_marks(s, map_letters(s, (size_t)n));
    n = utf8proc_normalize_utf32(s, (utf8proc_ssize_t)m,
                                 UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    return n < 0 ? 0 : (size_t)n;
}

static size_t seq_add(const int32_t *s, size_t n)
{
    size_t at = seq_n;

    seq[seq_n++] = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        seq[seq_n++] = (uint32_t)s[i];
    if (seq_n > sizeof seq / sizeof *seq - 70)
        exit(1);
    return at;
}

/* A symbol that stands for several letters is a word of its own: TM, km, SM. */
static int stands_apart(int32_t cp, const int32_t *s, size_t n)
{
    unsigned c = (unsigned)utf8proc_category(cp);

    if (c != UTF8PROC_CATEGORY_SO && c != UTF8PROC_CATEGORY_SC)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (class_of(s[i]) != TEXT_STRIP)
            return 0;
    return n > 1;
}

static uint32_t entry_of(int32_t cp)
{
    int32_t s[128];

    if (cp >= 0xD800 && cp < 0xE000)
        return TEXT_SEP;
    size_t n = fold(cp, s);
    if (n == 0)
        return TEXT_IGNORE;
    if (n == 1) {
        uint32_t delta = ((uint32_t)s[0] - (uint32_t)cp) & TEXT_VALUE_MASK;
        uint32_t comb = second[s[0]] || ccc[s[0]] ? TEXT_COMB : 0;
        return class_of(s[0]) | comb | delta << TEXT_VALUE_SHIFT;
    }
    return TEXT_SEP | TEXT_SEQ | (stands_apart(cp, s, n) ? TEXT_APART : 0) |
           (uint32_t)seq_add(s, n) << TEXT_VALUE_SHIFT;
}

/* The pair that composes to `cp`, if there is one that may. */
static int composed_of(int32_t cp, int32_t *a, int32_t *b)
{
    int32_t d[16], again[2];
    utf8proc_ssize_t n = utf8proc_decompose_char(cp, d, 16, UTF8PROC_DECOMPOSE, NULL);

    if (n < 2 || n > 16 || (cp >= 0xAC00 && cp < 0xD7A4)) /* Hangul is arithmetic */
        return 0;
    *b = d[n - 1];
    if (utf8proc_normalize_utf32(d, n - 1, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1)
        return 0;
    again[0] = *a = d[0];
    again[1] = *b;
    return utf8proc_normalize_utf32(again, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) == 1 &&
           again[0] == cp;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void write_compositions(void)
{
    static uint64_t pair[4000][2];
    size_t n = 0;

    for (int32_t cp = 0; cp < LIMIT; cp++) {
        int32_t a, b;
        if (!composed_of(cp, &a, &b))
            continue;
        pair[n][0] = (uint64_t)a << 32 | (uint64_t)b;
        pair[n++][1] = (uint64_t)cp;
        second[b] = 1;
    }
    for (int32_t cp = 0x1161; cp <= 0x11C2; cp++) /* Hangul vowels and finals */
        second[cp] = cp <= 0x1175 || cp >= 0x11A8;
    qsort(pair, n, sizeof *pair, by_value);
    printf(
        "static const struct { uint64_t pair; uint32_t whole; } text_compose[%zu] = {\n",
        n);
    for (size_t i = 0; i < n; i++)
        printf("{ 0x%llx, 0x%llx },\n", (unsigned long long)pair[i][0],
               (unsigned long long)pair[i][1]);
    printf("};\n");
}

/* Full canonical decompositions, for comparing as written. */
static void write_decompositions(void)
{
    size_t n = 0;

    printf("static const struct { uint32_t whole, parts; } text_decompose[] = {\n");
    for (int32_t cp = 0; cp < LIMIT; cp++) {
        int32_t d[16];
        if (cp >= 0xAC00 && cp < 0xE000)
            continue;
        utf8proc_ssize_t m = utf8proc_decompose_char(cp, d, 16, UTF8PROC_DECOMPOSE, NULL);
        if (m < 1 || m > 16 || (m == 1 && d[0] == cp))
            continue;
        printf("{ 0x%x, %zu },\n", (unsigned)cp, seq_add(d, (size_t)m));
        n++;
    }
    printf("};\nenum { TEXT_DECOMPOSE_N = %zu };\n", n);
}

/* Two stages: equal blocks are stored once. */
static void write_table(const char *name, const char *type, const uint32_t *value)
{
    static uint32_t first[BLOCKS]; /* of each block: the first equal one */
    static unsigned number[BLOCKS];
    unsigned n = 0;

    printf("static const %s %s_blocks[][%d] = {\n", type, name, BLOCK);
    for (uint32_t b = 0; b < BLOCKS; b++) {
        for (first[b] = 0; first[b] < b; first[b]++)
            if (first[first[b]] == first[b] &&
                !memcmp(value + first[b] * BLOCK, value + b * BLOCK,
                        BLOCK * sizeof *value))
                break;
        if (first[b] < b)
            continue;
        number[b] = n++;
        printf("{");
        for (uint32_t i = 0; i < BLOCK; i++)
            printf("%s%u,", i % 16 ? "" : "\n", value[b * BLOCK + i]);
        printf("},\n");
    }
    printf("};\nstatic const uint16_t %s_index[%d] = {", name, BLOCKS);
    for (uint32_t b = 0; b < BLOCKS; b++)
        printf("%s%u,", b % 16 ? "" : "\n", number[first[b]]);
    printf("};\n");
}

int main(void)
{
    static uint32_t wide[LIMIT];

    printf("/* Generated by text_gen from utf8proc %s (Unicode %s). */\n",
           utf8proc_version(), utf8proc_unicode_version());
    for (int32_t cp = 0; cp < LIMIT; cp++)
        wide[cp] = ccc[cp] = (uint8_t)utf8proc_get_property(cp)->combining_class;
    write_compositions();
    write_table("text_ccc", "uint8_t", wide);
    for (int32_t cp = 0; cp < LIMIT; cp++)
        entry[cp] = entry_of(cp);
    for (int32_t cp = 0; cp < LIMIT; cp++)
        wide[cp] = second[cp];
    write_table("text_second", "uint8_t", wide);
    write_table("text_fold", "uint32_t", entry);
    write_decompositions();
    printf("static const uint32_t text_seq[%zu] = {", seq_n);
    for (size_t i = 0; i < seq_n; i++)
        printf("%s%u,", i % 16 ? "" : "\n", seq[i]);
    printf("};\n");
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
