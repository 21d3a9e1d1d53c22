/* The folding tables, canonical order and composition, and comparing as written. */
#include "text_fold.h"

#include <string.h>
#include "text.h"
#include "text_tables.h"
#include "utf8.h"

enum { /* Hangul syllables are composed by arithmetic (The Unicode Standard, 3.12) */
       L_BASE = 0x1100,
       V_BASE = 0x1161,
       T_BASE = 0x11A7,
       S_BASE = 0xAC00,
       L_N = 19,
       V_N = 21,
       T_N = 28,
       S_N = L_N * V_N * T_N,
};

const uint32_t *const text_seq_table = text_seq;

static inline size_t block_of(uint32_t cp)
{
    return cp >> TEXT_BLOCK_BITS;
}

static inline size_t place_of(uint32_t cp)
{
    return cp & ((1u << TEXT_BLOCK_BITS) - 1);
}

uint32_t text_entry(uint32_t cp)
{
    return text_fold_blocks[text_fold_index[block_of(cp)]][place_of(cp)];
}

unsigned text_ccc_of(uint32_t cp)
{
    return text_ccc_blocks[text_ccc_index[block_of(cp)]][place_of(cp)];
}

bool text_is_second(uint32_t cp)
{
    return text_second_blocks[text_second_index[block_of(cp)]][place_of(cp)];
}

static uint32_t compose_hangul(uint32_t a, uint32_t b)
{
    if (a - L_BASE < L_N && b - V_BASE < V_N)
        return S_BASE + ((a - L_BASE) * V_N + (b - V_BASE)) * T_N;
    if (a - S_BASE < S_N && (a - S_BASE) % T_N == 0 && b - T_BASE < T_N && b != T_BASE)
        return a + (b - T_BASE);
    return 0;
}

uint32_t text_compose_pair(uint32_t a, uint32_t b)
{
    uint64_t pair = (uint64_t)a << 32 | b;
    size_t lo = 0, hi = sizeof text_compose / sizeof *text_compose;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (text_compose[mid].pair < pair)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < sizeof text_compose / sizeof *text_compose && text_compose[lo].pair == pair)
        return text_compose[lo].whole;
    return compose_hangul(a, b);
}

static size_t decompose_hangul(uint32_t cp, uint32_t *out)
{
    uint32_t i = cp - S_BASE;

    out[0] = L_BASE + i / (V_N * T_N);
    out[1] = V_BASE + i % (V_N * T_N) / T_N;
    if (i % T_N == 0)
        return 2;
    out[2] = T_BASE + i % T_N;
    return 3;
}

size_t text_decompose_cp(uint32_t cp, uint32_t *out)
{
    size_t lo = 0, hi = TEXT_DECOMPOSE_N;

    if (cp - S_BASE < S_N)
        return decompose_hangul(cp, out);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (text_decompose[mid].whole < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == TEXT_DECOMPOSE_N || text_decompose[lo].whole != cp) {
        out[0] = cp;
        return 1;
    }
    const uint32_t *seq = text_seq + text_decompose[lo].parts;
    for (uint32_t i = 0; i < seq[0]; i++)
        out[i] = seq[i + 1];
    return seq[0];
}

/* Stable insertion sort of each run of marks by combining class. */
static void order_marks(uint32_t *cp, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t c = cp[i];
        unsigned class = text_ccc_of(c);
        size_t k = i;
        while (class && k > 0 && text_ccc_of(cp[k - 1]) > class) {
            cp[k] = cp[k - 1];
            k--;
        }
        cp[k] = c;
    }
}

size_t text_compose_all(uint32_t *cp, size_t n)
{
    size_t starter = 0, m = n ? 1 : 0;
    unsigned last = 0; /* combining class of what precedes */

    order_marks(cp, n);
    for (size_t i = 1; i < n; i++) {
        unsigned class = text_ccc_of(cp[i]);
        bool blocked = m > starter + 1 && last >= class;
        uint32_t whole = blocked ? 0 : text_compose_pair(cp[starter], cp[i]);
        if (whole) {
            cp[starter] = whole;
            continue;
        }
        if (class == 0)
            starter = m;
        last = class;
        cp[m++] = cp[i];
    }
    return m;
}

/* Canonically decomposed and ordered characters of a text, one at a time. */
struct written {
    struct str left;
    uint32_t cp[64];
    size_t at, n;
};

/* The next visible character of the source; invalid bytes stand for themselves. */
static bool written_next_source(struct written *w, uint32_t *cp)
{
    while (w->left.n) {
        size_t len;
        uint32_t c = utf8_get(w->left.s, w->left.n, &len);
        if (c == UTF8_BAD)
            c = 0x110000 + (unsigned char)*w->left.s;
        w->left.s += len;
        w->left.n -= len;
        if (c >= 0x110000 ||
            (text_entry(c) & (TEXT_CLASS_MASK | TEXT_SEQ)) != TEXT_IGNORE || c == 0x640) {
            *cp = c;
            return true;
        }
    }
    return false;
}

static unsigned written_class(uint32_t cp)
{
    return cp < 0x110000 ? text_ccc_of(cp) : 0;
}

/* Fill with one starter and the marks after it, as far as they fit. */
static void written_fill(struct written *w)
{
    uint32_t cp;

    w->at = w->n = 0;
    while (w->n + 8 <= sizeof w->cp / sizeof *w->cp) {
        struct str before = w->left;
        if (!written_next_source(w, &cp))
            break;
        size_t m = 1;
        if (cp < 0x110000)
            m = text_decompose_cp(cp, w->cp + w->n);
        else
            w->cp[w->n] = cp;
        if (w->n && written_class(w->cp[w->n]) == 0) {
            w->left = before; /* begins the next lot */
            break;
        }
        w->n += m;
    }
    for (size_t i = 1; i < w->n; i++) { /* stable insertion sort */
        uint32_t c = w->cp[i];
        size_t k = i;
        while (written_class(c) && k > 0 &&
               written_class(w->cp[k - 1]) > written_class(c)) {
            w->cp[k] = w->cp[k - 1];
            k--;
        }
        w->cp[k] = c;
    }
}

static bool written_get(struct written *w, uint32_t *cp)
{
    if (w->at == w->n)
        written_fill(w);
    if (w->n == 0)
        return false;
    *cp = w->cp[w->at++];
    return true;
}

bool text_starts(struct str a, struct str prefix)
{
    struct written x = { .left = a }, y = { .left = prefix };
    uint32_t p, q;

    while (written_get(&y, &q))
        if (!written_get(&x, &p) || p != q)
            return false;
    return !written_get(&x, &p) || written_class(p) == 0;
}

bool text_same(struct str a, struct str b)
{
    if (str_eq(a, b))
        return true;

    struct written x = { .left = a }, y = { .left = b };
    for (;;) {
        uint32_t p = 0, q = 0;
        bool more_x = written_get(&x, &p), more_y = written_get(&y, &q);
        if (more_x != more_y || p != q)
            return false;
        if (!more_x)
            return true;
    }
}

struct symbols {
    struct text_symbol *out;
    size_t n, max;
    bool last; /* keep the last ones, else the first */
};

static void put_symbol(struct symbols *s, uint32_t cp, size_t from, size_t to)
{
    if (s->n == s->max && !s->last)
        return;
    if (s->n == s->max)
        memmove(s->out, s->out + 1, --s->n * sizeof *s->out);
    s->out[s->n++] = (struct text_symbol){ cp, (uint32_t)from, (uint32_t)to };
}

static void symbol_of(struct symbols *s, uint32_t e, uint32_t cp, size_t from, size_t to)
{
    unsigned class = e & TEXT_CLASS_MASK;

    if (class == TEXT_SYM)
        put_symbol(s, cp, from, to);
    else if (class == TEXT_SEP && (s->n == 0 || s->out[s->n - 1].cp != ' '))
        put_symbol(s, ' ', from, to);
}

size_t text_symbols(struct text_symbol *out, size_t max, struct str between, bool last)
{
    struct symbols s = { out, 0, max, last };
    size_t at = 0, len;

    for (; at < between.n && (last || s.n < max); at += len) {
        uint32_t cp = utf8_get(between.s + at, between.n - at, &len);
        uint32_t e = cp == UTF8_BAD ? TEXT_SEP : text_entry(cp);
        if (!(e & TEXT_SEQ)) {
            symbol_of(&s, e, cp == UTF8_BAD ? 0 : text_single(e, cp), at, at + len);
            continue;
        }
        const uint32_t *seq = text_seq + (e >> TEXT_VALUE_SHIFT);
        for (uint32_t i = 1; i <= seq[0]; i++)
            symbol_of(&s, text_entry(seq[i]), seq[i], at, at + len);
    }
    return s.n;
}
