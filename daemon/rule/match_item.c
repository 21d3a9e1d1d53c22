/* One item: its texts to tokens, its tokens to the terms that some rule has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "match_impl.h"

bool segment_in(const struct segment *g, enum rule_field field)
{
    switch (field) {
    case RULE_ANY:
        return g->field <= MATCH_CONTENT;
    case RULE_TITLE:
        return g->field == MATCH_TITLE;
    case RULE_TEXT:
        return g->field == MATCH_SUMMARY || g->field == MATCH_CONTENT;
    case RULE_AUTHOR:
        return g->field == MATCH_AUTHOR;
    case RULE_CATEGORY:
        return g->field == MATCH_CATEGORY;
    case RULE_LINK:
        return g->field == MATCH_LINK;
    case RULE_SITE:
        return g->field == MATCH_SITE;
    case RULE_FEED:
        return g->field == MATCH_FEED;
    case RULE_GROUP:
        return g->field == MATCH_GROUP;
    case RULE_LANG:
        return g->field == MATCH_LANG;
    case RULE_FIELDS:
        break;
    }
    return false;
}

static int add_segment(struct match_scratch *s, enum match_field field, size_t index,
                       struct str src, bool words)
{
    int r = array_room((void **)&s->segments, &s->segments_cap, s->n_segments,
                       sizeof *s->segments);

    if (r < 0 || index > UINT16_MAX)
        return r;
    struct segment *g = &s->segments[s->n_segments++];
    *g = (struct segment){ field, (uint16_t)index, (uint32_t)s->text.n, 0, src };
    if (words)
        r = text_add(&s->text, src);
    g->end = (uint32_t)s->text.n;
    return r == 0 && words ? text_break(&s->text) : r;
}

static int add_list(struct match_scratch *s, enum rule_field f, enum match_field field,
                    const struct str *list, size_t n)
{
    int r = 0;

    s->lo[f] = (uint32_t)s->text.n;
    for (size_t i = 0; r == 0 && i < n && (s->set->fields >> f & 1); i++)
        r = add_segment(s, field, i, list[i], true);
    s->hi[f] = (uint32_t)s->text.n;
    return r;
}

static int add_value(struct match_scratch *s, enum rule_field f, enum match_field field,
                     struct str value)
{
    s->lo[f] = s->hi[f] = 0;
    if (!(s->set->fields >> f & 1))
        return 0;
    return add_segment(s, field, 0, value, false);
}

static int read_texts(struct match_scratch *s)
{
    const struct match_input *in = s->in;
    int r;

    text_clear(&s->text);
    s->n_segments = 0;
    s->lo[RULE_ANY] = s->lo[RULE_TITLE] = 0;
    r = add_segment(s, MATCH_TITLE, 0, in->title, true);
    s->hi[RULE_TITLE] = s->lo[RULE_TEXT] = (uint32_t)s->text.n;
    if (r == 0)
        r = add_segment(s, MATCH_SUMMARY, 0, in->summary, true);
    if (r == 0)
        r = add_segment(s, MATCH_CONTENT, 0, in->content, true);
    s->hi[RULE_ANY] = s->hi[RULE_TEXT] = (uint32_t)s->text.n;
    if (r == 0)
        r = add_list(s, RULE_AUTHOR, MATCH_AUTHOR, in->authors, in->n_authors);
    if (r == 0)
        r = add_list(s, RULE_CATEGORY, MATCH_CATEGORY, in->categories, in->n_categories);
    if (r == 0)
        r = add_list(s, RULE_LINK, MATCH_LINK, &in->link, 1);
    if (r == 0)
        r = add_value(s, RULE_SITE, MATCH_SITE, in->link);
    if (r == 0)
        r = add_value(s, RULE_FEED, MATCH_FEED, in->feed);
    if (r == 0)
        r = add_value(s, RULE_GROUP, MATCH_GROUP, in->group);
    if (r == 0)
        r = add_value(s, RULE_LANG, MATCH_LANG, in->lang);
    return r;
}

/* A table of `n` slots or more, a power of two, at most half full. */
static int table_room(uint64_t **table, size_t *table_n, size_t n)
{
    size_t want = *table_n ? *table_n : 512;

    while (want < 2 * n)
        want *= 2;
    if (want == *table_n)
        return 0;
    uint64_t *t = calloc(want, sizeof *t);
    if (!t)
        return -ENOMEM;
    free(*table);
    *table = t;
    *table_n = want;
    return 0;
}

static int next_generation(struct match_scratch *s)
{
    if (++s->generation)
        return 0;
    s->generation = 1; /* wrapped: what the tables hold must not look new */
    memset(s->word_table, 0, s->word_table_n * sizeof *s->word_table);
    memset(s->present_table, 0, s->present_table_n * sizeof *s->present_table);
    return 0;
}

/* Of at most 8 bytes, the hash tells all. */
static inline bool same_word(const struct match_scratch *s, const struct word *w,
                             uint64_t hash, const struct text_token *k, uint32_t field)
{
    if (w->hash != hash || w->len != k->fold_len || w->field != field)
        return false;
    return k->fold_len <= 8 || memcmp(s->text.fold + s->text.tokens[w->first].fold_off,
                                      s->text.fold + k->fold_off, k->fold_len) == 0;
}

/* Chain position `p` to the word that it is an occurrence of. */
static inline void add_position(struct match_scratch *s, uint32_t p,
                                enum rule_field field)
{
    const struct text_token *k = &s->text.tokens[p];
    size_t mask = s->word_table_n - 1;
    uint64_t hash = term_hash(k->hash, TERM_WORD, field);
    size_t i = hash >> 20 & mask;

    s->next[p] = NONE;
    for (; s->word_table[i] >> 32 == s->generation; i = (i + 1) & mask) {
        struct word *w = &s->words[(uint32_t)s->word_table[i]];
        if (!same_word(s, w, hash, k, field))
            continue;
        s->next[w->last] = p;
        w->last = p;
        s->word_at[p] = (uint32_t)s->word_table[i];
        return;
    }
    dict_prefetch(&s->set->dict, hash);
    s->words[s->n_words] = (struct word){ hash, p, p, k->fold_len, field, NONE };
    s->word_table[i] = (uint64_t)s->generation << 32 | s->n_words;
    s->word_at[p] = (uint32_t)s->n_words++;
}

static void add_positions(struct match_scratch *s, enum rule_field field)
{
    for (uint32_t p = s->lo[field]; p < s->hi[field]; p++) {
        if (s->text.tokens[p].fold_len)
            add_position(s, p, field);
        else
            s->word_at[p] = NONE;
    }
}

static int positions_room(struct match_scratch *s, size_t n)
{
    size_t cap = s->positions_cap ? s->positions_cap : 512;

    if (n <= s->positions_cap)
        return 0;
    while (cap < n)
        cap *= 2;
    uint32_t *next = realloc(s->next, cap * sizeof *next);
    s->next = next ? next : s->next;
    uint32_t *word_at = realloc(s->word_at, cap * sizeof *word_at);
    s->word_at = word_at ? word_at : s->word_at;
    struct word *words = realloc(s->words, cap * sizeof *words);
    s->words = words ? words : s->words;
    if (!next || !word_at || !words)
        return -ENOMEM;
    s->positions_cap = cap;
    return 0;
}

static int read_words(struct match_scratch *s)
{
    int r = positions_room(s, s->text.n);

    if (r == 0)
        r = table_room(&s->word_table, &s->word_table_n, s->text.n);
    if (r < 0)
        return r;
    s->n_words = 0;
    add_positions(s, RULE_ANY);
    add_positions(s, RULE_AUTHOR);
    add_positions(s, RULE_CATEGORY);
    add_positions(s, RULE_LINK);
    return 0;
}

static size_t present_slot(const struct match_scratch *s, uint32_t term)
{
    size_t mask = s->present_table_n - 1;
    size_t i = term * 2654435761u & mask;

    for (; s->present_table[i] >> 32 == s->generation; i = (i + 1) & mask)
        if (s->present[(uint32_t)s->present_table[i]].term == term)
            break;
    return i;
}

const struct present *item_present(const struct match_scratch *s, uint32_t term)
{
    return &s->present[(uint32_t)s->present_table[present_slot(s, term)]];
}

static int grow_present(struct match_scratch *s)
{
    int r = array_room((void **)&s->present, &s->present_cap, s->n_present,
                       sizeof *s->present);

    if (r < 0 || s->n_present * 2 < s->present_table_n)
        return r;
    r = table_room(&s->present_table, &s->present_table_n, s->n_present + 1);
    for (uint32_t i = 0; r == 0 && i < s->n_present; i++)
        s->present_table[present_slot(s, s->present[i].term)] =
            (uint64_t)s->generation << 32 | i;
    return r;
}

/* The item has `term`, by `word` (NONE: a pair). */
static inline int add_present(struct match_scratch *s, uint32_t term, uint32_t word)
{
    if ((s->n_present >= s->present_cap || s->n_present * 2 >= s->present_table_n) &&
        grow_present(s) < 0)
        return -ENOMEM;
    if (s->n_links >= s->links_cap &&
        array_room((void **)&s->links, &s->links_cap, s->n_links, sizeof *s->links) < 0)
        return -ENOMEM;
    size_t i = present_slot(s, term);
    if (s->present_table[i] >> 32 != s->generation) {
        s->present_table[i] = (uint64_t)s->generation << 32 | s->n_present;
        s->present[s->n_present++] = (struct present){ term, NONE };
        s->bits[term >> 6] |= (uint64_t)1 << (term & 63);
        __builtin_prefetch(&s->set->heads[s->set->dict.terms[term].heads]);
    }
    if (word == NONE)
        return 0;
    struct present *p = &s->present[(uint32_t)s->present_table[i]];
    s->links[s->n_links] = (struct link){ word, p->words };
    p->words = (uint32_t)s->n_links++;
    return 0;
}

/* `word` is, or begins with, term `id`; so it may be one of title: and text:, too. */
static inline int add_found(struct match_scratch *s, uint32_t id, uint32_t word,
                            struct str text, uint64_t hash)
{
    const struct dict *d = &s->set->dict;
    const struct term *t = &d->terms[id];
    const struct word *w = &s->words[word];
    enum term_kind kind = (enum term_kind)t->kind;
    int r = add_present(s, id, word);

    if (r == 0 && t->in_title && w->first < s->hi[RULE_TITLE]) {
        id = dict_find(d, text, term_hash(hash, kind, RULE_TITLE), kind, RULE_TITLE);
        r = id == NONE ? 0 : add_present(s, id, word);
    }
    if (r == 0 && t->in_text && w->last >= s->lo[RULE_TEXT]) {
        id = dict_find(d, text, term_hash(hash, kind, RULE_TEXT), kind, RULE_TEXT);
        r = id == NONE ? 0 : add_present(s, id, word);
    }
    return r;
}

static int look_up_prefix(struct match_scratch *s, uint32_t word, struct str text)
{
    enum rule_field field = (enum rule_field)s->words[word].field;
    uint64_t hash = text_hash(text.s, text.n);
    uint32_t id = dict_find(&s->set->dict, text, term_hash(hash, TERM_PREFIX, field),
                            TERM_PREFIX, field);

    return id == NONE ? 0 : add_found(s, id, word, text, hash);
}

static int look_up_prefixes(struct match_scratch *s, uint32_t word, struct str text)
{
    const struct match_set *set = s->set;
    uint64_t lengths = set->short_prefixes;
    int r = 0;

    if (text.n >= PREFIX_BYTES)
        lengths |= set->prefix_lengths[prefix_slot(text.s)];
    for (; r == 0 && lengths; lengths &= lengths - 1) {
        size_t n = (size_t)__builtin_ctzll(lengths);
        if (n > text.n)
            break;
        do
            r = look_up_prefix(s, word, (struct str){ text.s, n });
        while (r == 0 && n >= 63 && ++n <= text.n);
    }
    return r;
}

static int look_up_pairs(struct match_scratch *s)
{
    const struct text_token *k = s->text.tokens;
    int r = 0;

    for (uint32_t p = 1; r == 0 && p < s->hi[RULE_ANY]; p++) {
        char both[TERM_HEAD] = { 0 };
        if (!k[p].run || !k[p - 1].run)
            continue;
        struct str a = text_folded(&s->text, &k[p - 1]), b = text_folded(&s->text, &k[p]);
        if (a.n + b.n > 8)
            continue;
        memcpy(both, a.s, a.n);
        memcpy(both + a.n, b.s, b.n);
        uint64_t hash = term_hash(k[p - 1].hash * 31 + k[p].hash, TERM_PAIR, RULE_ANY);
        uint32_t id = dict_find(&s->set->dict, (struct str){ both, a.n + b.n }, hash,
                                TERM_PAIR, RULE_ANY);
        if (id != NONE)
            r = add_present(s, id, NONE);
    }
    return r;
}

static int bits_room(struct match_scratch *s)
{
    size_t n = s->set->dict.n / 64 + 1;

    if (s->bits_n >= n)
        return 0;
    uint64_t *bits = calloc(n, sizeof *bits);
    if (!bits)
        return -ENOMEM;
    free(s->bits);
    s->bits = bits;
    s->bits_n = n;
    return 0;
}

static inline int look_up_word(struct match_scratch *s, uint32_t word)
{
    const struct dict *d = &s->set->dict;
    const struct word *w = &s->words[word];
    const struct text_token *k = &s->text.tokens[w->first];
    enum rule_field field = (enum rule_field)w->field;
    struct str text = text_folded(&s->text, k);
    uint32_t id = w->guess;
    int r = 0;

    if (id == DICT_ASK)
        id = dict_find(d, text, w->hash, TERM_WORD, field);
    else if (id != NONE && !dict_is(d, id, text, TERM_WORD, field))
        id = NONE;
    if (id != NONE)
        r = add_found(s, id, word, text, k->hash);
    if (r == 0 && s->set->prefix_lengths && !k->run)
        r = look_up_prefixes(s, word, text);
    return r;
}

/* In three rounds, so that no round waits for memory: the buckets were called for when
 * the words were read, the terms are while their buckets are looked at. */
static int find_terms(struct match_scratch *s)
{
    const struct dict *d = &s->set->dict;
    int r = table_room(&s->present_table, &s->present_table_n, s->n_words + 1);

    if (r == 0)
        r = bits_room(s);
    if (r < 0)
        return r;
    s->bits[0] |= 1; /* ALWAYS */
    for (uint32_t w = 0; w < s->n_words; w++) {
        s->words[w].guess = dict_guess(d, s->words[w].hash);
        if (s->words[w].guess < DICT_ASK)
            __builtin_prefetch(&d->terms[s->words[w].guess]);
    }
    for (uint32_t w = 0; r == 0 && w < s->n_words; w++)
        r = look_up_word(s, w);
    if (r == 0 && s->set->has_pairs)
        r = look_up_pairs(s);
    return r;
}

int item_read(struct match_scratch *s)
{
    s->n_present = s->n_links = 0;
    next_generation(s);
    int r = read_texts(s);
    if (r == 0)
        r = read_words(s);
    return r < 0 ? r : find_terms(s);
}

void item_forget(struct match_scratch *s)
{
    for (size_t i = 0; i < s->n_present; i++)
        s->bits[s->present[i].term >> 6] = 0;
    if (s->bits_n)
        s->bits[0] = 0;
}

uint32_t segment_of(const struct match_scratch *s, uint32_t position)
{
    uint32_t lo = 0, hi = (uint32_t)s->n_segments;

    if (position < s->hi[RULE_ANY]) /* title, summary or content */
        return position < s->hi[RULE_TITLE] ? 0 : 1 + (position >= s->segments[2].first);
    while (hi - lo > 1) { /* values at the end have no tokens and begin after all */
        uint32_t mid = (lo + hi) / 2;
        if (s->segments[mid].first <= position)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}
