#ifndef MATCH_IMPL_H
#define MATCH_IMPL_H
/* Inside the matcher; private to match*.c.
 *
 * A set is made of
 *   terms     every word that occurs in a rule, once: the dictionary
 *   leaves    what needs more than the presence of a word: phrases, regexes, sites
 *   code      each rule as a tree in one stream of numbers (see enum code_op)
 *   postings  for each term, the rules to look at when an item has it
 * and an item goes through it in that order. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "match.h"
#include "text.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NONE UINT32_MAX

/* --- terms ----------------------------------------------------------------------- */

enum term_kind {
    TERM_WORD,   /* a token as it is */
    TERM_PREFIX, /* all tokens that begin so */
    TERM_PAIR,   /* two neighbouring characters of a script without spaces */
    TERM_GRAM,   /* three bytes anywhere, for regexes; ASCII in lower case */
    TERM_ALWAYS, /* what every item has: the first term, ALWAYS */
};

enum { TERM_HEAD = 16, ALWAYS = 0 };

struct term {       /* half a cache line: all that most look-ups need */
    uint32_t heads; /* its first one in set->heads */
    uint32_t n_heads;
    uint32_t text_off; /* of the whole text, in dict.text */
    uint32_t len : 22;
    uint32_t in_title : 1; /* the same word is also a term of title: */
    uint32_t in_text : 1;
    uint32_t kind : 4;
    uint32_t field : 4;   /* enum rule_field; a pair has RULE_ANY */
    char head[TERM_HEAD]; /* the text as far as it goes, then NULs */
};

enum { BUCKET_SLOTS = 10 };

struct bucket { /* one cache line */
    uint16_t tag[BUCKET_SLOTS];
    uint32_t id[BUCKET_SLOTS];
    uint32_t n; /* slots in use; more than BUCKET_SLOTS: look in the next one, too */
};

/* Terms by text, kind and field. */
struct dict {
    struct term *terms;
    size_t n, cap;
    char *text;
    size_t text_n, text_cap;
    struct bucket *buckets; /* after dict_freeze() */
    uint16_t *learnt;       /* of each term, the counter; after dict_freeze() */
    uint32_t bucket_mask;
    uint32_t *slots; /* while building: open addressing, id + 1 */
    uint64_t *hashes;
    size_t slots_n;
};

static inline uint64_t term_hash(uint64_t text_hash, enum term_kind kind,
                                 enum rule_field field)
{
    uint64_t tag = (uint64_t)kind << 4 | field;
    uint64_t h = (text_hash ^ tag) * 0xFF51AFD7ED558CCD;

    return tag ? h ^ h >> 32 : text_hash;
}

int dict_add(struct dict *d, struct str text, uint64_t hash, enum term_kind kind,
             enum rule_field field, uint32_t *id);
int dict_freeze(struct dict *d);
void dict_free(struct dict *d);

/* Where it is counted how common a term is; see match_learn.c. */
enum { LEARN_BITS = 16 };

static inline uint16_t learnt_slot(uint64_t term_hash)
{
    return (uint16_t)(term_hash >> 24);
}

/* The term of this hash whose text is `text`, or NONE.  Here and in dict_is(), TERM_HEAD
 * bytes from text.s on can be read. */
uint32_t dict_find(const struct dict *d, struct str text, uint64_t hash,
                   enum term_kind kind, enum rule_field field);

static inline void dict_prefetch(const struct dict *d, uint64_t hash)
{
    __builtin_prefetch(&d->buckets[(uint32_t)hash & d->bucket_mask]);
}

static inline uint16_t dict_tag(uint64_t hash)
{
    return (uint16_t)(hash >> 48);
}

/* Eight bytes as they are in memory. */
static inline uint64_t dict_load(const char *p)
{
    uint64_t x;

    memcpy(&x, p, 8);
    return x;
}

/* The same first `n` bytes, of which 8 count. */
static inline bool dict_same_head(const char *a, const char *b, size_t n)
{
    uint64_t x = dict_load(a) ^ dict_load(b);

    if (n >= 8)
        return x == 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return n == 0 || x << (64 - 8 * n) == 0;
#else
    return n == 0 || x >> (64 - 8 * n) == 0;
#endif
}

static inline bool dict_is(const struct dict *d, uint32_t id, struct str text,
                           enum term_kind kind, enum rule_field field)
{
    const struct term *t = &d->terms[id];

    if (t->len != text.n || t->kind != kind || t->field != field ||
        !dict_same_head(t->head, text.s, text.n))
        return false;
    if (text.n <= 8)
        return true;
    if (text.n <= TERM_HEAD)
        return dict_same_head(t->head + 8, text.s + 8, text.n - 8);
    return memcmp(d->text + t->text_off, text.s, text.n) == 0;
}

/* The term that it is if dict_is() says so, by the tag of its hash; if not, or for
 * DICT_ASK, only dict_find() can tell.  NONE: no term is. */
#define DICT_ASK (UINT32_MAX - 1)

/* Bits of the slots whose tag it is. */
static inline uint32_t dict_slots(const struct bucket *b, uint16_t tag)
{
    uint32_t bits = 0;
    uint32_t i = 0;

#ifdef __SSE2__
    __m128i tags = _mm_loadu_si128((const __m128i *)(const void *)b->tag);
    __m128i same = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));
    bits = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128()));
    i = 8;
#endif
    for (; i < BUCKET_SLOTS; i++)
        bits |= (uint32_t)(b->tag[i] == tag) << i;
    return b->n < BUCKET_SLOTS ? bits & ((1u << b->n) - 1) : bits;
}

static inline uint32_t dict_guess(const struct dict *d, uint64_t hash)
{
    const struct bucket *b = &d->buckets[(uint32_t)hash & d->bucket_mask];
    uint32_t bits = dict_slots(b, dict_tag(hash));

    if (bits)
        return b->id[__builtin_ctz(bits)];
    return b->n > BUCKET_SLOTS ? DICT_ASK : NONE;
}

/* --- leaves ---------------------------------------------------------------------- */

enum leaf_kind {
    LEAF_PHRASE,
    LEAF_SYMBOLS, /* a phrase without any word: "->" */
    LEAF_REGEX,
    LEAF_VALUE
};
enum { MAX_SYMBOLS = RULE_MAX_SYMBOLS }; /* of one gap of a phrase that are looked at */

struct element {                 /* one token of a phrase */
    uint32_t term;               /* the word, or the prefix term */
    uint32_t pair;               /* the term of this and the one before, or NONE */
    uint32_t src_off, src_len;   /* in the text of the node: for comparing as written */
    uint32_t symbols, n_symbols; /* needed before it, in set->symbols */
    bool dot;                    /* a dot must stand right before it */
};

struct leaf {
    enum leaf_kind kind;
    const struct rule_node *node;
    uint32_t element, n; /* of a phrase, in set->elements; one more holds the symbols at
                            its end */
    bool symbols;        /* some gap needs them */
    uint32_t term;       /* of a value: the term that stands for it, or NONE */
    void *regex;         /* pcre2_code */
};

/* --- code ------------------------------------------------------------------------ */

enum code_op { /* low 4 bits of a number; the rest is its argument */
               CODE_ALL,
               CODE_TERM,     /* arg: term */
               CODE_LEAF,     /* arg: leaf */
               CODE_TERMS,    /* arg: n; n terms follow, all needed */
               CODE_AND,      /* arg: n; size in numbers, then n parts */
               CODE_OR,       /* same */
               CODE_NOT,      /* arg: 1; size, part */
               CODE_AT_LEAST, /* arg: n; size, threshold, n parts */
               CODE_NEAR,     /* arg: n; size, n - 1 links (distance * 2 + ordered), n
                                 operands: TERM, LEAF or OR of those */
};

static inline enum code_op code_op(uint32_t c)
{
    return (enum code_op)(c & 15);
}

static inline uint32_t code_arg(uint32_t c)
{
    return c >> 4;
}

/* How many numbers the part at `c` takes. */
static inline size_t code_size(const uint32_t *c)
{
    switch (code_op(*c)) {
    case CODE_ALL:
    case CODE_TERM:
    case CODE_LEAF:
        return 1;
    case CODE_TERMS:
        return 1 + code_arg(*c);
    case CODE_AND:
    case CODE_OR:
    case CODE_NOT:
    case CODE_AT_LEAST:
    case CODE_NEAR:
        return c[1];
    }
    return 1;
}

/* Where the parts of an inner node begin. */
static inline const uint32_t *code_parts(const uint32_t *c)
{
    if (code_op(*c) == CODE_AT_LEAST)
        return c + 3;
    if (code_op(*c) == CODE_NEAR)
        return c + 2 + (code_arg(*c) - 1);
    return c + 2;
}

/* --- postings ----------------------------------------------------------------------
 * Each term has its heads: one for each rule that is looked up by it, with the rarest
 * other term that the item must have for it.  What passes that is worth a look: at the
 * rule itself, or first at a body.  A body is (number of filters << 1 | sure), place of
 * the rule, filters: more terms that the item must have.
 * `sure`: then the rule holds, no need to evaluate it.
 *
 * A rule is known by its place in the code, which ascends with its id; its id stands
 * there, its code after it. */
enum { MAX_FILTERS = 15 };
#define HEAD_SURE 0x80000000u

struct head {
    uint32_t filter; /* a term, maybe ALWAYS */
    uint32_t ref;    /* a body, or HEAD_SURE and the place of a rule that then holds */
};

struct numbers { /* a growing stream */
    uint32_t *v;
    size_t n, cap;
};

int numbers_add(struct numbers *s, uint32_t x);
int numbers_room(struct numbers *s, size_t more);

/* Which lengths of prefixes there are, by the first bytes of a token: bit n for those of
 * n bytes, the last bit for all longer ones.  Tokens that begin like none are most. */
struct prefix_table {
    uint64_t *some; /* by slot, a bit: there are any; small, so it stays in the cache */
    uint64_t *lengths;
    size_t n; /* a power of two */
};

enum { GRAM_BITS = 16 };

enum { PREFIX_SHORT = 3, PREFIX_LONG = 5, PREFIX_MAX = 63 };

struct match_set {
    struct dict dict;
    size_t n_rules;
    struct numbers codes; /* id and code of each rule, in order of id */
    struct head *heads;
    size_t n_heads;
    struct numbers bodies;
    struct numbers always; /* rules without anything to look them up by */
    struct leaf *leaves;
    size_t n_leaves, leaves_cap;
    struct element *elements;
    size_t n_elements, elements_cap;
    struct numbers symbols;
    struct prefix_table long_prefixes;  /* of PREFIX_LONG bytes or more */
    struct prefix_table short_prefixes; /* of fewer, but PREFIX_SHORT at least */
    uint64_t tiny_prefixes;             /* lengths of those that are shorter still */
    bool has_prefixes;
    uint32_t fields; /* bit f: words of enum rule_field f are looked up */
    bool has_pairs;
    uint64_t
        *grams; /* a bit by gram_bit(): some rule needs such a one; NULL: none does */
    struct match_learnt *learnt; /* counts of items that pass; NULL: not counted */
    size_t bytes;                /* of memory, regexes aside */
};

/* The first `n` bytes, fewer than 8, that dict_load() gave. */
static inline uint64_t prefix_bytes(uint64_t loaded, unsigned n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return loaded & (((uint64_t)1 << 8 * n) - 1);
#else
    return loaded >> (64 - 8 * n);
#endif
}

static inline size_t prefix_slot(const struct prefix_table *t, uint64_t bytes)
{
    return (bytes * 0x9E3779B97F4A7C15 >> 32) & (t->n - 1);
}

static inline uint64_t prefix_lengths(const struct prefix_table *t, uint64_t bytes)
{
    size_t i = prefix_slot(t, bytes);

    return t->some[i >> 6] >> (i & 63) & 1 ? t->lengths[i] : 0;
}

/* Grow `*p` so that index n is inside. */
int array_room(void **p, size_t *cap, size_t n, size_t size);

/* --- compiling ------------------------------------------------------------------- */

enum grams { GRAMS_ASK, GRAMS_YES, GRAMS_NO };

struct compiler {
    struct match_set *set;
    struct text text; /* scratch */
    struct buf *why;
    struct numbers uses;          /* of each term: how many rules; then its cost */
    struct numbers records;       /* term, place, filters << 1 | sure, filters */
    struct numbers filters;       /* of the record in the making */
    const struct rule_node *root; /* the rule in the making */
    enum grams grams;             /* may its regexes alone find it? */
    bool in_near;
};

/* Append the code of a rule.  0, -ENOMEM or -EINVAL and c->why. */
int compile_rule(struct compiler *c, const struct rule_node *root);
/* A use of this term, which is made if it is new; `text` as of dict_find(). */
int compile_term(struct compiler *c, struct str text, uint64_t hash, enum term_kind kind,
                 enum rule_field field, uint32_t *id);
/* The term that stands for a value, or NONE when there is none. */
int value_compile(struct compiler *c, const struct rule_node *node, uint32_t *term);
/* Append code for what a text must have for the regex to match.  1, 0 when nothing is
 * known and nothing appended, or -ENOMEM. */
int gram_compile(struct compiler *c, const struct rule_node *regex);
int gram_index(struct match_set *set);
/* Make the postings of all rules. */
int index_rules(struct compiler *c);
int regex_compile(struct leaf *leaf, struct buf *why);
void regex_free(struct leaf *leaf);

/* --- one item -------------------------------------------------------------------- */

struct segment { /* one text of the item */
    enum match_field field;
    uint16_t index;
    uint32_t first, end; /* its tokens */
    struct str src;
};

/* A term that the item has, and the chain of its positions: from `first` on by next[].  A
 * link that is no position is one of the extra ones, which prefixes need, for a token may
 * begin with several; see place_of(). */
struct present {
    uint32_t term;
    uint32_t first, last; /* NONE: nobody asks for its positions */
};

struct want { /* something else that a token may be: to be looked up with others at once
               */
    uint64_t hash; /* term_hash() */
    uint64_t text_hash;
    uint32_t p, len;
    uint32_t guess;
    uint8_t kind, field;
};

struct occurrence {
    uint32_t first, last; /* positions; NONE: not in words */
    uint32_t off, end;    /* bytes of the text of its segment */
    uint32_t segment;
    bool alive; /* in the search for a chain of NEAR */
};

struct occurrences {
    struct occurrence *v;
    size_t n, cap;
};

struct match_scratch {
    const struct match_set *set; /* during a call */
    const struct match_input *in;
    struct text text;
    struct segment *segments;
    size_t n_segments, segments_cap;
    uint32_t lo[RULE_FIELDS], hi[RULE_FIELDS]; /* positions of each field */
    uint32_t *term_at;   /* by position: the term that the token is, or NONE */
    uint32_t *next;      /* by link: the next one of the chain, or NONE */
    uint32_t *extra;     /* by extra link: its position */
    uint32_t n_links;    /* the tokens and the extra ones */
    size_t links_cap;    /* of these three */
    uint32_t generation; /* of present_table */
    struct want *wants;
    size_t n_wants, wants_cap;
    uint64_t *bits; /* by term: the item has it */
    size_t bits_n;
    struct present *present;
    size_t n_present, present_cap;
    uint64_t *present_table; /* generation << 32 | index in present */
    size_t present_table_n;
    uint32_t *passed; /* heads whose filter the item has */
    size_t n_passed, passed_cap;
    struct numbers maybe; /* rules that must be evaluated */
    uint32_t *hits;       /* rules that hold, by their places */
    size_t n_hits, hits_cap;
    struct numbers places;    /* of single words, of the part at work: positions */
    struct occurrences found; /* of the part at work */
    struct match_span *spans;
    size_t n_spans, spans_cap;
    struct numbers near_last, near_first; /* where live operands end and begin */
    struct text name[2]; /* of a feed or group, and what it is compared with */
    uint32_t *sorted;    /* spare room to sort hits */
    size_t sorted_cap;
    void *regex_data, *regex_context, *regex_stack;
    struct match_counts counts;
    int error; /* -ENOMEM sticks */
};

static inline bool has_term(const struct match_scratch *s, uint32_t term)
{
    return s->bits[term >> 6] >> (term & 63) & 1;
}

/* The position that a link stands for. */
static inline uint32_t place_of(const struct match_scratch *s, uint32_t link)
{
    return link < s->text.n ? link : s->extra[link];
}

struct match_learnt *learnt_new(void);
struct match_learnt *learnt_ref(struct match_learnt *l);
void learnt_unref(struct match_learnt *l); /* NULL is fine */
/* In how many of 65536 items the term of this slot is; NONE: too few were seen. */
uint32_t learnt_share(const struct match_learnt *l, uint32_t slot);
/* Count the terms of the item at hand. */
void item_learn(struct match_scratch *s);

/* Fold and tokenise the texts of s->in, and note the terms of s->set that they have. */
int item_read(struct match_scratch *s);
void item_forget(struct match_scratch *s);
/* The item has this term, nowhere in particular.  False: no memory. */
bool item_note(struct match_scratch *s, uint32_t term);
/* Note the terms of its values, and of the bytes of its texts. */
int value_note(struct match_scratch *s);
int gram_note(struct match_scratch *s);
/* The entry of a term that the item has. */
const struct present *item_present(const struct match_scratch *s, uint32_t term);
bool segment_in(const struct segment *g, enum rule_field field);

/* Append to s->found all occurrences of a term or leaf. */
void leaf_find(struct match_scratch *s, const struct leaf *leaf);
void term_find(struct match_scratch *s, uint32_t term);
void regex_find(struct match_scratch *s, const struct leaf *leaf);
void value_find(struct match_scratch *s, const struct leaf *leaf);
void found_add(struct match_scratch *s, struct occurrence o);
uint32_t segment_of(const struct match_scratch *s, uint32_t position);

/* Of `n` elements of at most 32 bytes.  Nothing is allocated, and there is no bad case.
 */
typedef int sort_cmp(const void *a, const void *b);
void sort_in_place(void *v, size_t n, size_t size, sort_cmp *cmp);
void sort_numbers(uint32_t *v, size_t n);

bool code_holds(struct match_scratch *s, const uint32_t *code);
/* Fill s->spans for a rule that holds.  0 or -ENOMEM. */
int code_spans(struct match_scratch *s, const uint32_t *code);
#endif
