/* The reference of folding and tokenising: every step on the whole text, one after the
 * other, by utf8proc; scripts by PCRE2. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "match_reference.h"
#include "match_reference_text.h"

enum { MARKS_MAX = 32 }; /* of one character, itself counted */

static int has_script(const char *pattern, pcre2_code **code, int32_t cp)
{
    static pcre2_match_data *m;
    uint8_t u[4];
    size_t n = (size_t)utf8proc_encode_char(cp, u), at;
    int error;

    if (!*code)
        *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF,
                              &error, &at, NULL);
    if (!m)
        m = pcre2_match_data_create(1, NULL);
    return pcre2_match(*code, u, n, 0, 0, m, NULL) >= 0;
}

static enum ref_class class_now(int32_t cp)
{
    static pcre2_code *run, *strip, *neutral;
    utf8proc_category_t c = utf8proc_category(cp);
    int is_run =
        has_script("[\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Hangul}\\p{Thai}\\p{Lao}"
                   "\\p{Khmer}\\p{Myanmar}]",
                   &run, cp);
    int is_strip = has_script("[\\p{Latin}\\p{Greek}\\p{Cyrillic}\\p{Hebrew}\\p{Arabic}]",
                              &strip, cp) ||
                   has_script("[\\p{scx:Common}\\p{scx:Inherited}]", &neutral, cp);

    if (cp == '`' || cp == 0xB4 || (cp >= 0x2BB && cp <= 0x2BD) || cp == 0xA78B ||
        cp == 0xA78C)
        return REF_SEPARATOR;
    if (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO && is_run)
        return REF_RUN;
    if (c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_ME)
        return is_strip ? REF_MARK : REF_MARK_OF_LETTERS;
    if (c == UTF8PROC_CATEGORY_MC)
        return REF_LETTER_KEEPS;
    if (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO)
        return is_strip ? REF_LETTER : REF_LETTER_KEEPS;
    if (c >= UTF8PROC_CATEGORY_SM && c <= UTF8PROC_CATEGORY_SO)
        return REF_SYMBOL;
    if (cp == '_' || (cp < 0x80 && cp && strchr("#%&*@\\!?", cp)))
        return REF_SYMBOL;
    if (cp == 0xA1 || cp == 0xBF || cp == 0xA7 || cp == 0xB6 || cp == 0x2030 ||
        (cp >= 0x2020 && cp <= 0x2022))
        return REF_SYMBOL;
    return REF_SEPARATOR;
}

enum ref_class ref_class(int32_t cp)
{
    static unsigned char known[0x110000];

    if (cp < 0)
        return REF_SEPARATOR;
    if (!known[cp])
        known[cp] = (unsigned char)(class_now(cp) + 1);
    return (enum ref_class)(known[cp] - 1);
}

int ref_ccc(int32_t cp)
{
    return cp < 0 ? 0 : utf8proc_get_property(cp)->combining_class;
}

void *ref_grow(void *v, size_t n, size_t size)
{
    if (n & (n - 1))
        return v;
    v = realloc(v, (n ? 2 * n : 1) * size);
    if (!v)
        abort();
    return v;
}

static void put(struct ref_chars *c, int32_t cp, size_t from, size_t to)
{
    c->v = ref_grow(c->v, c->n, sizeof *c->v);
    c->v[c->n++] = (struct ref_char){ cp, (uint32_t)from, (uint32_t)to, 0 };
}

/* Letters that Unicode does not decompose. */
static const char *latin(int32_t cp)
{
    static const struct {
        int32_t cp;
        const char *to;
    } map[] = {
        { 0xE6, "ae" },  { 0x153, "oe" }, { 0xF8, "o" },   { 0x142, "l" },
        { 0x111, "d" },  { 0x131, "i" },  { 0xF0, "d" },   { 0xFE, "th" },
        { 0x127, "h" },  { 0x167, "t" },  { 0x180, "b" },  { 0x23C, "c" },
        { 0x247, "e" },  { 0x1E5, "g" },  { 0x268, "i" },  { 0x249, "j" },
        { 0x19A, "l" },  { 0x24D, "r" },  { 0x24F, "y" },  { 0x1B6, "z" },
        { 0x289, "u" },  { 0x2C65, "a" }, { 0x2C66, "t" }, { 0x1D7D, "p" },
        { 0xA741, "k" }, { 0x1D7B, "i" }, { 0x1D7E, "u" }, { 0x2C61, "l" },
        { 0xA749, "l" }, { 0x237, "j" },  { 0x275, "o" },  { 0xAB30, "a" },
    };

    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (map[i].cp == cp)
            return map[i].to;
    return NULL;
}

/* One character of the source, compatibility-decomposed and case-folded. */
static void put_folded(struct ref_chars *c, int32_t cp, size_t from, size_t to)
{
    int32_t d[64];
    utf8proc_category_t category = utf8proc_category(cp);
    utf8proc_ssize_t n = utf8proc_decompose_char(
        cp, d, 64,
        UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE | UTF8PROC_DECOMPOSE, NULL);
    int apart =
        (category == UTF8PROC_CATEGORY_SO || category == UTF8PROC_CATEGORY_SC) && n > 1;

    for (utf8proc_ssize_t i = 0; i < n; i++)
        apart = apart && ref_class(d[i]) == REF_LETTER;
    if (apart)
        put(c, ' ', from, to);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        const char *to_latin = latin(d[i]);
        if (d[i] == 0x640)
            continue;
        if (!to_latin)
            put(c, d[i], from, to);
        while (to_latin && *to_latin)
            put(c, *to_latin++, from, to);
    }
    if (apart)
        put(c, ' ', from, to);
}

static void decompose(struct ref_chars *c, struct str src)
{
    for (size_t at = 0; at < src.n;) {
        int32_t cp;
        utf8proc_ssize_t len = utf8proc_iterate((const uint8_t *)src.s + at,
                                                (utf8proc_ssize_t)(src.n - at), &cp);
        if (len <= 0) {
            put(c, -1, at, at + 1);
            at++;
            continue;
        }
        put_folded(c, cp, at, at + (size_t)len);
        at += (size_t)len;
    }
}

static int is_mark(int32_t cp)
{
    enum ref_class k = ref_class(cp);
    return k == REF_MARK || k == REF_MARK_OF_LETTERS;
}

/* A vowel sign of one character, whose first half alone is a mark, stays whole. */
static int is_vowel_sign(const struct ref_chars *c, size_t i)
{
    return i + 1 < c->n && c->v[i + 1].from == c->v[i].from &&
           ref_class(c->v[i + 1].cp) == REF_LETTER_KEEPS;
}

/* Drop marks after letters of the scripts that drop them, and marks after nothing; what
 * is dropped still lengthens the letter before it. */
static void strip(struct ref_chars *c)
{
    struct ref_chars out = { 0 };
    enum ref_class base = REF_SEPARATOR;

    for (size_t i = 0; i < c->n; i++) {
        int32_t cp = c->v[i].cp;
        if (is_mark(cp) && base == REF_LETTER && !is_vowel_sign(c, i)) {
            if (out.v[out.n - 1].to < c->v[i].to)
                out.v[out.n - 1].to = c->v[i].to;
            continue;
        }
        if (ref_class(cp) == REF_MARK && (base == REF_SEPARATOR || base == REF_SYMBOL))
            continue;
        if (!is_mark(cp))
            base = ref_class(cp);
        else if (base == REF_SEPARATOR || base == REF_SYMBOL)
            base = REF_LETTER_KEEPS;
        put(&out, cp, c->v[i].from, c->v[i].to);
    }
    free(c->v);
    *c = out;
}

static int32_t pair(int32_t a, int32_t b)
{
    int32_t two[2] = { a, b };

    if (a < 0 || b < 0 || b == 0x11A7) /* utf8proc swallows this vowel after a syllable */
        return 0;
    return utf8proc_normalize_utf32(two, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) == 1
               ? two[0]
               : 0;
}

/* Canonical order and composition of one starter and the marks after it. */
static size_t compose_list(struct ref_char *v, size_t n)
{
    size_t m = 1;
    int last_class = 0;

    for (size_t i = 0; i < n; i++) /* bubble sort: stable */
        for (size_t k = 1; k < n; k++)
            if (ref_ccc(v[k].cp) && ref_ccc(v[k - 1].cp) > ref_ccc(v[k].cp)) {
                struct ref_char x = v[k];
                v[k] = v[k - 1];
                v[k - 1] = x;
            }
    for (size_t i = 1; i < n; i++) {
        int class = ref_ccc(v[i].cp);
        int32_t whole = m > 1 && last_class >= class ? 0 : pair(v[0].cp, v[i].cp);
        if (whole) {
            v[0].cp = whole;
            continue;
        }
        last_class = class;
        v[m++] = v[i];
    }
    return m;
}

/* What a cluster becomes.  Where characters of the source trade places or merge, all of
 * the cluster shares the place of all of it. */
static void compose_cluster(const struct ref_chars *c, size_t from, size_t to,
                            struct ref_chars *out)
{
    struct ref_chars whole = { 0 }, alone = { 0 };
    uint32_t last = 0;
    int same;

    for (size_t i = from; i < to; i++) {
        put(&whole, c->v[i].cp, c->v[i].from, c->v[i].to);
        last = c->v[i].to > last ? c->v[i].to : last;
    }
    whole.n = compose_list(whole.v, whole.n);
    for (size_t i = from, end; i < to; i = end) { /* each character by itself */
        size_t n = alone.n;
        for (end = i; end < to && c->v[end].from == c->v[i].from; end++)
            put(&alone, c->v[end].cp, c->v[end].from, c->v[end].to);
        alone.n = n + compose_list(alone.v + n, end - i);
    }
    same = whole.n == alone.n;
    for (size_t i = 0; same && i < whole.n; i++)
        same = whole.v[i].cp == alone.v[i].cp;
    for (size_t i = 0; i < whole.n; i++)
        put(out, whole.v[i].cp, same ? alone.v[i].from : c->v[from].from,
            same ? alone.v[i].to : last);
    free(whole.v);
    free(alone.v);
}

/* Does `cp` belong to what a character of class `a` began?  A run takes all marks, a word
 * none of a run. */
static int same_cluster(enum ref_class a, int32_t cp)
{
    enum ref_class b = ref_class(cp);

    if (a == REF_SEPARATOR || a == REF_SYMBOL || a == REF_LETTER)
        return 0;
    return (a == REF_RUN) == (b == REF_RUN) || (a == REF_RUN && is_mark(cp));
}

static void compose(struct ref_chars *c)
{
    struct ref_chars out = { 0 };
    enum ref_class first = REF_SEPARATOR;

    for (size_t i = 0; i < c->n;) {
        size_t end = i + 1;
        int32_t whole = c->v[i].cp;
        /* a mark behind a run is of the run */
        if (first != REF_RUN || !is_mark(whole) || is_vowel_sign(c, i))
            first = ref_class(whole);
        while (end < c->n) {
            int32_t cp = c->v[end].cp, more = 0;
            if (!same_cluster(first, cp) || (first == REF_RUN && is_vowel_sign(c, end)))
                break;
            if (ref_ccc(cp) == 0)
                more = pair(whole, cp);
            if (ref_ccc(cp) == 0 && !more)
                break;
            if (more)
                whole = more;
            else
                whole = -1; /* a mark between: starters compose no more */
            end++;
        }
        size_t n = out.n;
        /* more marks than any script has are as if they were not there */
        compose_cluster(c, i, end - i > MARKS_MAX ? i + MARKS_MAX : end, &out);
        for (; n < out.n; n++)
            out.v[n].of_run = first == REF_RUN;
        i = end;
    }
    free(c->v);
    *c = out;
}

void ref_chars(struct ref_chars *c, struct str src)
{
    *c = (struct ref_chars){ 0 };
    decompose(c, src);
    strip(c);
    compose(c);
}

static struct ref_token *new_token(struct ref_text *t, const struct ref_char *c, int run)
{
    t->token = ref_grow(t->token, t->n, sizeof *t->token);
    struct ref_token *k = &t->token[t->n++];
    *k = (struct ref_token){ calloc(1, 1), c->from, c->to, run };
    return k;
}

static void append(struct ref_token *k, const struct ref_char *c)
{
    size_t n = strlen(k->folded);

    k->folded = realloc(k->folded, n + 5);
    if (!k->folded)
        abort();
    n += (size_t)utf8proc_encode_char(c->cp, (uint8_t *)k->folded + n);
    k->folded[n] = '\0';
    if (c->to > k->to)
        k->to = c->to;
}

void ref_fold(struct ref_text *out, struct str src)
{
    struct ref_chars c;
    struct ref_token *word = NULL;

    ref_chars(&c, src);
    *out = (struct ref_text){ .src = src };
    for (size_t i = 0; i < c.n; i++) {
        enum ref_class class = ref_class(c.v[i].cp);
        if (class == REF_SEPARATOR || class == REF_SYMBOL) {
            word = NULL;
        } else if (c.v[i].of_run) {
            append(new_token(out, &c.v[i], 1), &c.v[i]);
            word = NULL;
        } else {
            if (!word)
                word = new_token(out, &c.v[i], 0);
            append(word, &c.v[i]);
        }
    }
    free(c.v);
}

void ref_text_free(struct ref_text *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->token[i].folded);
    free(t->token);
    *t = (struct ref_text){ 0 };
}
