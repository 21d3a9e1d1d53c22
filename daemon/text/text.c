/* Folding and tokenising in one pass: ASCII in blocks of 64 bytes, the rest by table. */
#include "text.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "text_fold.h"
#include "utf8.h"

enum { BLOCK = 64, PENDING = 32, SLACK = 512 };

/* One character of a cluster that is not written yet: more marks may reorder it. */
struct pending {
    uint32_t cp, from, to; /* source bytes */
};

struct folder {
    struct text *t;
    const char *src;
    uint32_t n, at;                      /* of the source: its length, how far we are */
    uint32_t fold_off, src_off, src_end; /* of the open word */
    bool open;                           /* a word is open */
    unsigned base;                       /* class of its last letter */
    unsigned cluster;                    /* class of what is pending: OTHER or RUN */
    struct pending pending[PENDING];
    size_t n_pending;
    bool dirty; /* the pending cluster must be ordered or composed */
    uint32_t pending_end;
};

static inline uint64_t load8(const char *p)
{
    uint64_t x;

    memcpy(&x, p, 8);
    return le64toh(x);
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93;

    h ^= h >> 32;
    h = (h ^ b) * 0xC2B2AE3D27D4EB4F;
    return h ^ h >> 29;
}

/* Of more than 16 bytes. */
static uint64_t hash_long(const char *p, size_t n)
{
    uint64_t h = n;

    for (size_t i = 0; i + 8 < n; i += 8)
        h = mix(h, load8(p + i));
    return mix(h, load8(p + n - 8));
}

/* May read up to 8 bytes after the end. */
static inline uint64_t hash_padded(const char *p, size_t n)
{
    if (n <= 8)
        return mix(load8(p) & ~0ull >> (64 - 8 * n), n);
    if (n <= 16)
        return mix(load8(p), load8(p + n - 8) + n);
    return hash_long(p, n);
}

uint64_t text_hash_padded(const char *bytes, size_t n)
{
    return n ? hash_padded(bytes, n) : 0;
}

uint64_t text_hash(const char *bytes, size_t n)
{
    char copy[8] = { 0 };

    if (n > 8)
        return hash_padded(bytes, n);
    if (n == 0)
        return 0;
    memcpy(copy, bytes, n);
    return hash_padded(copy, n);
}

static int grow_tokens(struct text *t, size_t more)
{
    size_t cap = t->cap ? t->cap * 2 : 256;

    if (cap < t->n + more)
        cap = t->n + more;
    struct text_token *tokens = realloc(t->tokens, cap * sizeof *tokens);
    if (!tokens)
        return -ENOMEM;
    t->tokens = tokens;
    t->cap = cap;
    return 0;
}

static int grow_fold(struct text *t, size_t more)
{
    size_t cap = t->fold_cap ? t->fold_cap * 2 : 4096;

    if (cap < t->fold_n + more)
        cap = t->fold_n + more;
    char *fold = realloc(t->fold, cap + TEXT_PAD);
    if (!fold)
        return -ENOMEM;
    t->fold = fold;
    t->fold_cap = cap;
    return 0;
}

/* Room for what is left of the source and whatever one character may become. */
static inline int make_room(struct folder *f)
{
    struct text *t = f->t;
    int r = 0;

    if (t->fold_cap - t->fold_n < f->n - f->at + SLACK)
        r = grow_fold(t, f->n - f->at + SLACK);
    if (r == 0 && t->cap - t->n < SLACK)
        r = grow_tokens(t, SLACK);
    return r;
}

static inline void put_token(struct text *t, size_t fold_off, size_t fold_end,
                             size_t src_off, size_t src_end, bool run)
{
    struct text_token *k = &t->tokens[t->n++];

    k->fold_off = (uint32_t)fold_off;
    k->fold_len = (uint32_t)(fold_end - fold_off) & 0x7FFFFFFF;
    k->run = run;
    k->src_off = (uint32_t)src_off;
    k->src_len = (uint32_t)(src_end - src_off);
    k->hash = hash_padded(t->fold + fold_off, fold_end - fold_off);
}

/* Put the pending cluster into canonical order; parts that moved or merged then share
 * its source. */
static void compose_pending(struct folder *f)
{
    uint32_t cp[PENDING * 4];
    size_t n = 0, same = 0;

    for (size_t i = 0; i < f->n_pending; i++)
        n += text_decompose_cp(f->pending[i].cp, cp + n);
    n = text_compose_all(cp, n);
    if (n > PENDING)
        n = PENDING;
    while (same < n && same < f->n_pending && cp[same] == f->pending[same].cp)
        same++;
    if (same == n && same == f->n_pending)
        return;
    for (size_t i = 0; i < n; i++)
        f->pending[i] = (struct pending){ cp[i], f->pending[0].from, f->pending_end };
    f->n_pending = n;
}

static void flush(struct folder *f)
{
    struct text *t = f->t;

    if (f->dirty)
        compose_pending(f);
    for (size_t i = 0; i < f->n_pending; i++) {
        size_t from = t->fold_n;
        t->fold_n += utf8_put(t->fold + from, f->pending[i].cp);
        if (f->cluster == TEXT_RUN)
            put_token(t, from, t->fold_n, f->pending[i].from, f->pending[i].to, true);
    }
    f->n_pending = 0;
    f->dirty = false;
}

static void close_word(struct folder *f)
{
    if (f->n_pending)
        flush(f);
    if (f->open)
        put_token(f->t, f->fold_off, f->t->fold_n, f->src_off, f->src_end, false);
    f->open = false;
}

static void open_word(struct folder *f, uint32_t from)
{
    f->open = true;
    f->fold_off = (uint32_t)f->t->fold_n;
    f->src_off = from;
}

/* Are there more marks than any script has?  Decomposed characters count, so that it is
 * the same whichever way a text is written. */
static bool is_full(const struct folder *f)
{
    uint32_t cp[8];
    size_t n = 0;

    if (f->n_pending < PENDING / 2)
        return false;
    for (size_t i = 0; i < f->n_pending; i++)
        n += text_decompose_cp(f->pending[i].cp, cp);
    return n >= PENDING;
}

/* A mark, or a letter that composes with what is pending. */
static void add_pending(struct folder *f, uint32_t cp, uint32_t from, uint32_t to)
{
    if (is_full(f))
        return; /* as if it were not there */
    f->pending_end = f->src_end = to;
    if (f->n_pending) {
        unsigned last = text_ccc_of(f->pending[f->n_pending - 1].cp);
        if (text_is_second(cp) || (last && last > text_ccc_of(cp)))
            f->dirty = true;
    }
    f->pending[f->n_pending++] = (struct pending){ cp, from, to };
}

/* Does the starter `cp` compose with the lone starter that is pending? */
static bool joins(const struct folder *f, uint32_t cp, unsigned cluster)
{
    if (f->n_pending == 0 || f->cluster != cluster)
        return false;
    if (text_ccc_of(cp))
        return true;
    if (f->n_pending == 1)
        return text_compose_pair(f->pending[0].cp, cp) != 0;
    if (f->n_pending == 2 && f->cluster == TEXT_RUN) { /* Hangul: L V T */
        uint32_t lv = text_compose_pair(f->pending[0].cp, f->pending[1].cp);
        return lv && text_compose_pair(lv, cp) != 0;
    }
    return false;
}

static void add_letter(struct folder *f, uint32_t e, uint32_t cp, uint32_t from,
                       uint32_t to)
{
    unsigned class = e & TEXT_CLASS_MASK;

    if ((e & TEXT_COMB) && class != TEXT_STRIP && joins(f, cp, class)) {
        add_pending(f, cp, from, to);
        return;
    }
    if (class == TEXT_RUN)
        close_word(f);
    else if (f->n_pending)
        flush(f);
    if (class != TEXT_RUN && !f->open)
        open_word(f, from);
    f->base = class;
    f->src_end = to;
    if (class == TEXT_STRIP) {
        f->t->fold_n += utf8_put(f->t->fold + f->t->fold_n, cp);
    } else {
        f->cluster = class;
        add_pending(f, cp, from, to);
    }
}

static void add_mark(struct folder *f, uint32_t e, uint32_t cp, uint32_t from,
                     uint32_t to)
{
    uint32_t rest = e & ~(uint32_t)TEXT_CLASS_MASK;

    if (f->open && f->base == TEXT_STRIP)
        f->src_end = to;               /* removed */
    else if (!f->open && f->n_pending) /* after a character of a run */
        add_letter(f, rest | TEXT_RUN, cp, from, to);
    else if (f->open || (e & TEXT_CLASS_MASK) == TEXT_MARK_OTHER)
        add_letter(f, rest | TEXT_OTHER, cp, from, to);
}

static void add_folded(struct folder *f, uint32_t e, uint32_t cp, uint32_t from,
                       uint32_t to)
{
    switch ((enum text_class)(e & TEXT_CLASS_MASK)) {
    case TEXT_SEP:
    case TEXT_SYM:
        close_word(f);
        break;
    case TEXT_STRIP:
    case TEXT_OTHER:
    case TEXT_RUN:
        add_letter(f, e, cp, from, to);
        break;
    case TEXT_MARK:
    case TEXT_MARK_OTHER:
        add_mark(f, e, cp, from, to);
        break;
    case TEXT_IGNORE:
        break;
    }
}

static void add_sequence(struct folder *f, uint32_t e, uint32_t from, uint32_t to)
{
    const uint32_t *seq = text_seq_table + (e >> TEXT_VALUE_SHIFT);

    if (e & TEXT_APART)
        close_word(f);
    for (uint32_t i = 1; i <= seq[0]; i++)
        add_folded(f, text_entry(seq[i]), seq[i], from, to);
    if (e & TEXT_APART)
        close_word(f);
}

/* One character, any; advances. */
static void add_char(struct folder *f)
{
    size_t len;
    uint32_t cp = utf8_get(f->src + f->at, f->n - f->at, &len);
    uint32_t from = f->at, to = from + (uint32_t)len;

    f->at = to;
    if (cp == UTF8_BAD) {
        close_word(f);
        return;
    }
    uint32_t e = text_entry(cp);
    if (e & TEXT_SEQ)
        add_sequence(f, e, from, to);
    else
        add_folded(f, e, text_single(e, cp), from, to);
}

/* Lower-case 64 bytes into `out`; bits of those that are letters or digits, and of those
 * that are not ASCII. */
#ifdef __SSE2__
static inline __m128i in_range(__m128i x, char first, char n)
{
    __m128i d = _mm_sub_epi8(x, _mm_set1_epi8(first));

    return _mm_cmpeq_epi8(_mm_min_epu8(d, _mm_set1_epi8((char)(n - 1))), d);
}

static inline void classify(const char *src, char *out, uint64_t *word, uint64_t *high)
{
    *word = *high = 0;
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(src + i));
        __m128i upper = in_range(x, 'A', 26);
        __m128i low = _mm_or_si128(x, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
        __m128i w = _mm_or_si128(in_range(low, 'a', 26), in_range(x, '0', 10));
        _mm_storeu_si128((__m128i *)(void *)(out + i), low);
        *word |= (uint64_t)(unsigned)_mm_movemask_epi8(w) << i;
        *high |= (uint64_t)(unsigned)_mm_movemask_epi8(x) << i;
    }
}
#else
static inline void classify(const char *src, char *out, uint64_t *word, uint64_t *high)
{
    *word = *high = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        unsigned char c = (unsigned char)src[i];
        if (c - 'A' + 0u < 26)
            c |= 0x20;
        *word |= (uint64_t)(c - 'a' + 0u < 26 || c - '0' + 0u < 10) << i;
        *high |= (uint64_t)(c >> 7) << i;
        out[i] = (char)c;
    }
}
#endif

/* ASCII up to the next other byte, at most a block; the last one is padded. */
static void add_ascii(struct folder *f)
{
    struct text *t = f->t;
    char tail[BLOCK];
    const char *src = f->src + f->at;
    uint32_t n = f->n - f->at;
    uint64_t word, high;

    if (n < BLOCK) {
        memset(tail, 0, sizeof tail);
        memcpy(tail, src, n);
        src = tail;
    } else {
        n = BLOCK;
    }
    classify(src, t->fold + t->fold_n, &word, &high);
    if (high && (uint32_t)__builtin_ctzll(high) < n)
        n = (uint32_t)__builtin_ctzll(high);
    if (n < BLOCK)
        word &= ((uint64_t)1 << n) - 1;

    uint64_t edges = word ^ (word << 1 | f->open);
    if (n < BLOCK)
        edges &= ((uint64_t)1 << n) - 1;
    for (; edges; edges &= edges - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(edges);
        if (f->open) {
            put_token(t, f->fold_off, t->fold_n + i, f->src_off,
                      i ? f->at + i : f->src_end, false);
        } else {
            f->fold_off = (uint32_t)t->fold_n + i;
            f->src_off = f->at + i;
        }
        f->open = !f->open;
    }
    t->fold_n += n;
    f->at += n;
    if (f->open && n)
        f->src_end = f->at;
    f->base = TEXT_STRIP;
}

/* Are the next 16 bytes ASCII, or all that is left? */
static bool ascii_ahead(const struct folder *f)
{
    uint32_t n = f->n - f->at;

    if (n >= 16)
        return ((load8(f->src + f->at) | load8(f->src + f->at + 8)) &
                0x8080808080808080) == 0;
    for (uint32_t i = 0; i < n; i++)
        if (f->src[f->at + i] & 0x80)
            return false;
    return true;
}

int text_add(struct text *t, struct str src)
{
    struct folder f;

    f.t = t;
    f.src = src.s;
    f.n = (uint32_t)(src.n < TEXT_MAX ? src.n : TEXT_MAX);
    f.at = f.src_end = 0;
    f.fold_off = f.src_off = 0;
    f.open = f.dirty = false;
    f.base = f.cluster = TEXT_SEP;
    f.n_pending = 0;
    while (f.at < f.n) {
        if (make_room(&f) < 0)
            return -ENOMEM;
        if (ascii_ahead(&f)) {
            if (f.n_pending)
                flush(&f);
            add_ascii(&f);
        } else {
            add_char(&f);
        }
    }
    if (make_room(&f) < 0)
        return -ENOMEM;
    close_word(&f);
    return 0;
}

int text_break(struct text *t)
{
    if (t->n == t->cap && grow_tokens(t, 1) < 0)
        return -ENOMEM;
    t->tokens[t->n++] = (struct text_token){ .fold_off = (uint32_t)t->fold_n };
    return 0;
}

void text_clear(struct text *t)
{
    t->n = t->fold_n = 0;
}

void text_done(struct text *t)
{
    free(t->fold);
    free(t->tokens);
    *t = (struct text){ 0 };
}
