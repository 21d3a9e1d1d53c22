#ifndef BENCH_ITEMS_H
#define BENCH_ITEMS_H
/* Items of about 150 words each, made from real feeds, and their words by frequency. */
#include <stddef.h>
#include <stdint.h>
#include "match.h"

enum { BENCH_WORDS = 150 };

struct bench_word {
    struct str text; /* folded */
    unsigned count;
};

struct bench_items {
    struct match_input *item;
    size_t n, cap;
    struct str *token; /* every token as it is written, for drawing by frequency */
    uint32_t *word;    /* the word of each token */
    size_t n_tokens, tokens_cap;
    struct bench_word *words; /* commonest first */
    size_t n_words;
    size_t bytes; /* of all items */
};

/* Read every feed under `dir`; at most `max` items.  0 or -errno. */
int bench_items_read(struct bench_items *b, const char *dir, size_t max);

uint32_t bench_below(uint64_t *seed, uint32_t n);
double bench_now_us(void); /* processor time of this thread */
#endif
