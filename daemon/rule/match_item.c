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

static bool same_word(const struct match_scratch *s, const struct word *w,
                      const struct text_token *k, uint32_t field)
{
    const struct text_token *other = &s->text.tokens[w->first];

    return other->hash == k->hash && w->field == field &&
           other->fold_len == k->fold_len &&
           memcmp(s->text.fold + other->fold_off, s->text.fold + k->fold_off,
                  k->fold_len) == 0;
}

/* Chain position `p` to the word it is an occurrence of. */
static int add_position(struct match_scratch *s, uint32_t p, uint32_t field)
{
    const struct text_token *k = &s->text.tokens[p];
    size_t mask = s->word_table_n - 1;
    uint64_t hash = term_hash(k->hash, TERM_WORD, (enum rule_field)field);
    size_t i = hash >> 20 & mask;

    for (; s->word_table[i] >> 32 == s->generation; i = (i + 1) & mask) {
        uint32_t w = (uint32_t)s->word_table[i];
        if (!same_word(s, &s->words[w], k, field))
            continue;
        s->next[s->words[w].last] = p;
        s->words[w].last = p;
        s->word_at[p] = w;
        return 0;
    }
    int r = array_room((void **)&s->words, &s->words_cap, s->n_words, sizeof *s->words);
    if (r < 0)
        return r;
    dict_prefetch(&s->set->dict, hash);
    s->words[s->n_words] = (struct word){ p, p, field, hash };
    s->word_table[i] = (uint64_t)s->generation << 32 | s->n_words;
    s->word_at[p] = (uint32_t)s->n_words++;
    return 0;
}

static int add_positions(struct match_scratch *s, enum rule_field field)
{
    int r = 0;

    for (uint32_t p = s->lo[field]; r == 0 && p < s->hi[field]; p++)
        if (s->text.tokens[p].fold_len)
            r = add_position(s, p, field);
    return r;
}

static int read_words(struct match_scratch *s)
{
    size_t n = s->text.n;
    int r = array_room((void **)&s->next, &s->next_cap, n, sizeof *s->next);

    if (r == 0)
        r = array_room((void **)&s->word_at, &s->word_at_cap, n, sizeof *s->word_at);
    if (r == 0)
        r = table_room(&s->word_table, &s->word_table_n, n);
    if (r < 0)
        return r;
    memset(s->next, 0xFF, n * sizeof *s->next);
    memset(s->word_at, 0xFF, n * sizeof *s->word_at);
    s->n_words = 0;
    r = add_positions(s, RULE_ANY);
    if (r == 0)
        r = add_positions(s, RULE_AUTHOR);
    if (r == 0)
        r = add_positions(s, RULE_CATEGORY);
    if (r == 0)
        r = add_positions(s, RULE_LINK);
    return r;
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

static int grow_present_table(struct match_scratch *s)
{
    if (s->n_present * 2 < s->present_table_n)
        return 0;
    int r = table_room(&s->present_table, &s->present_table_n, s->n_present + 1);
    for (uint32_t i = 0; r == 0 && i < s->n_present; i++)
        s->present_table[present_slot(s, s->present[i].term)] =
            (uint64_t)s->generation << 32 | i;
    return r;
}

/* The item has `term`, by `word` (NONE: a pair). */
static int add_present(struct match_scratch *s, uint32_t term, uint32_t word)
{
    int r = grow_present_table(s);

    if (r == 0)
        r = array_room((void **)&s->present, &s->present_cap, s->n_present,
                       sizeof *s->present);
    if (r == 0)
        r = array_room((void **)&s->links, &s->links_cap, s->n_links, sizeof *s->links);
    if (r < 0)
        return r;
    size_t i = present_slot(s, term);
    if (s->present_table[i] >> 32 != s->generation) {
        s->present_table[i] = (uint64_t)s->generation << 32 | s->n_present;
        s->present[s->n_present++] = (struct present){ term, NONE };
        s->bits[term >> 6] |= (uint64_t)1 << (term & 63);
    }
    if (word == NONE)
        return 0;
    struct present *p = &s->present[(uint32_t)s->present_table[i]];
    s->links[s->n_links] = (struct link){ word, p->words };
    p->words = (uint32_t)s->n_links++;
    return 0;
}

/* Look `text` up as a word or prefix of the field of `w`, and of title: and text:. */
static int look_up(struct match_scratch *s, uint32_t word, struct str text, uint64_t hash,
                   enum term_kind kind)
{
    const struct dict *d = &s->set->dict;
    const struct word *w = &s->words[word];
    uint32_t id = dict_find(d, text, term_hash(hash, kind, (enum rule_field)w->field),
                            kind, (enum rule_field)w->field);
    int r = 0;

    if (id == NONE)
        return 0;
    struct term t = d->terms[id];
    r = add_present(s, id, word);
    if (r == 0 && t.in_title && w->first < s->hi[RULE_TITLE]) {
        id = dict_find(d, text, term_hash(hash, kind, RULE_TITLE), kind, RULE_TITLE);
        r = id == NONE ? 0 : add_present(s, id, word);
    }
    if (r == 0 && t.in_text && w->last >= s->lo[RULE_TEXT]) {
        id = dict_find(d, text, term_hash(hash, kind, RULE_TEXT), kind, RULE_TEXT);
        r = id == NONE ? 0 : add_present(s, id, word);
    }
    return r;
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
            r = look_up(s, word, (struct str){ text.s, n }, text_hash(text.s, n),
                        TERM_PREFIX);
        while (r == 0 && n >= 63 && ++n <= text.n);
    }
    return r;
}

static int look_up_pairs(struct match_scratch *s)
{
    const struct text_token *k = s->text.tokens;
    int r = 0;

    for (uint32_t p = 1; r == 0 && p < s->hi[RULE_ANY]; p++) {
        char both[8];
        if (!k[p].run || !k[p - 1].run)
            continue;
        struct str a = text_folded(&s->text, &k[p - 1]), b = text_folded(&s->text, &k[p]);
        if (a.n + b.n > sizeof both)
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

static int find_terms(struct match_scratch *s)
{
    const struct match_set *set = s->set;
    size_t bits = set->dict.n / 64 + 1;
    int r = table_room(&s->present_table, &s->present_table_n, s->n_words);

    if (r == 0 && s->bits_n < bits) {
        uint64_t *b = calloc(bits, sizeof *b);
        if (!b)
            return -ENOMEM;
        free(s->bits);
        s->bits = b;
        s->bits_n = bits;
    }
    for (uint32_t w = 0; r == 0 && w < s->n_words; w++) {
        const struct text_token *k = &s->text.tokens[s->words[w].first];
        struct str text = text_folded(&s->text, k);
        r = look_up(s, w, text, k->hash, TERM_WORD);
        if (r == 0 && set->prefix_lengths && !k->run)
            r = look_up_prefixes(s, w, text);
    }
    if (r == 0 && set->has_pairs)
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
}

uint32_t segment_of(const struct match_scratch *s, uint32_t position)
{
    uint32_t lo = 0, hi = (uint32_t)s->n_segments;

    while (hi - lo > 1) { /* values at the end have no tokens and begin after all */
        uint32_t mid = (lo + hi) / 2;
        if (s->segments[mid].first <= position)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}
