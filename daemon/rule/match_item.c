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

static void next_generation(struct match_scratch *s)
{
    if (++s->generation)
        return;
    s->generation = 1; /* wrapped: what the table holds must not look new */
    memset(s->present_table, 0, s->present_table_n * sizeof *s->present_table);
}

static int links_room(struct match_scratch *s, size_t n)
{
    size_t cap = s->links_cap ? s->links_cap : 512;

    if (n <= s->links_cap)
        return 0;
    while (cap < n)
        cap *= 2;
    uint32_t *next = realloc(s->next, cap * sizeof *next);
    s->next = next ? next : s->next;
    uint32_t *term_at = realloc(s->term_at, cap * sizeof *term_at);
    s->term_at = term_at ? term_at : s->term_at;
    uint32_t *extra = realloc(s->extra, cap * sizeof *extra);
    s->extra = extra ? extra : s->extra;
    if (!next || !term_at || !extra)
        return -ENOMEM;
    s->links_cap = cap;
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

/* The entry of `term`, made if it is new. */
static inline struct present *add_present(struct match_scratch *s, uint32_t term)
{
    if ((s->n_present >= s->present_cap || s->n_present * 2 >= s->present_table_n) &&
        grow_present(s) < 0)
        return NULL;
    size_t i = present_slot(s, term);
    if (s->present_table[i] >> 32 == s->generation)
        return &s->present[(uint32_t)s->present_table[i]];
    s->present_table[i] = (uint64_t)s->generation << 32 | s->n_present;
    s->bits[term >> 6] |= (uint64_t)1 << (term & 63);
    __builtin_prefetch(&s->set->heads[s->set->dict.terms[term].heads]);
    struct present *p = &s->present[s->n_present++];
    *p = (struct present){ term, NONE, NONE };
    return p;
}

bool item_note(struct match_scratch *s, uint32_t term)
{
    return add_present(s, term) != NULL;
}

static inline void add_link(struct match_scratch *s, struct present *p, uint32_t link)
{
    s->next[link] = NONE;
    if (p->last == NONE)
        p->first = link;
    else
        s->next[p->last] = link;
    p->last = link;
}

/* One more place of a term that is not its token's own: by an extra link. */
static int add_extra(struct match_scratch *s, uint32_t id, uint32_t p)
{
    struct present *at = add_present(s, id);

    if (!at || links_room(s, s->n_links + 1u) < 0)
        return -ENOMEM;
    s->extra[s->n_links] = p;
    add_link(s, at, s->n_links++);
    return 0;
}

/* Ask for the term of `len` bytes at token `p`. */
static inline int add_want(struct match_scratch *s, uint32_t p, size_t len,
                           uint64_t text_hash, enum term_kind kind, enum rule_field field)
{
    if (s->n_wants >= s->wants_cap &&
        array_room((void **)&s->wants, &s->wants_cap, s->n_wants, sizeof *s->wants) < 0)
        return -ENOMEM;
    struct want *w = &s->wants[s->n_wants++];
    w->hash = term_hash(text_hash, kind, field);
    w->text_hash = text_hash;
    w->p = p;
    w->len = (uint32_t)len;
    w->kind = (uint8_t)kind;
    w->field = (uint8_t)field;
    dict_prefetch(&s->set->dict, w->hash);
    return 0;
}

/* Term `t` of token `p` may be one of title: or text:, too. */
static int want_fields(struct match_scratch *s, const struct term *t, uint64_t text_hash,
                       uint32_t p)
{
    enum term_kind kind = (enum term_kind)t->kind;
    int r = 0;

    if (t->in_title && p < s->hi[RULE_TITLE])
        r = add_want(s, p, t->len, text_hash, kind, RULE_TITLE);
    if (r == 0 && t->in_text && p >= s->lo[RULE_TEXT])
        r = add_want(s, p, t->len, text_hash, kind, RULE_TEXT);
    return r;
}

static int grant(struct match_scratch *s, const struct want *w)
{
    const struct dict *d = &s->set->dict;
    enum term_kind kind = (enum term_kind)w->kind;
    enum rule_field field = (enum rule_field)w->field;
    struct str text = { s->text.fold + s->text.tokens[w->p].fold_off, w->len };
    uint32_t id = w->guess;

    if (id == DICT_ASK || (id != NONE && !dict_is(d, id, text, kind, field)))
        id = dict_find(d, text, w->hash, kind, field);
    if (id == NONE)
        return 0;
    int r = add_extra(s, id, w->p);
    return r < 0 ? r : want_fields(s, &d->terms[id], w->text_hash, w->p);
}

/* Look up what was asked for; some of it asks for more. */
static int grant_wants(struct match_scratch *s)
{
    const struct dict *d = &s->set->dict;
    size_t from = 0;
    int r = 0;

    while (r == 0 && from < s->n_wants) {
        size_t to = s->n_wants;
        for (size_t i = from; i < to; i++) {
            s->wants[i].guess = dict_guess(d, s->wants[i].hash);
            if (s->wants[i].guess < DICT_ASK)
                __builtin_prefetch(&d->terms[s->wants[i].guess]);
        }
        for (; r == 0 && from < to; from++) {
            struct want w = s->wants[from]; /* the array may move */
            r = grant(s, &w);
        }
    }
    s->n_wants = 0;
    return r;
}

static int want_prefixes(struct match_scratch *s, struct str text, enum rule_field field,
                         uint32_t p)
{
    uint64_t lengths = s->set->tiny_prefixes, first = dict_load(text.s);
    int r = 0;

    if (text.n >= PREFIX_SHORT)
        lengths |=
            prefix_lengths(&s->set->short_prefixes, prefix_bytes(first, PREFIX_SHORT));
    if (text.n >= PREFIX_LONG)
        lengths |=
            prefix_lengths(&s->set->long_prefixes, prefix_bytes(first, PREFIX_LONG));
    for (; r == 0 && lengths; lengths &= lengths - 1) {
        size_t n = (size_t)__builtin_ctzll(lengths);
        if (n > text.n)
            break;
        do
            r = add_want(s, p, n, text_hash_padded(text.s, n), TERM_PREFIX, field);
        while (r == 0 && n >= PREFIX_MAX && ++n <= text.n);
    }
    return r;
}

/* One character that is not ASCII: of a script without spaces, or a mark that belongs to
 * such a one in one text and stands alone in another. */
static inline bool may_pair(const struct text *t, const struct text_token *k)
{
    unsigned char first = k->fold_len ? (unsigned char)t->fold[k->fold_off] : 0;

    return k->run ||
           (first >= 0xC2 && k->fold_len == 2u + (first >= 0xE0) + (first >= 0xF0));
}

static int look_up_pairs(struct match_scratch *s)
{
    const struct text_token *k = s->text.tokens;
    int r = 0;

    for (uint32_t p = 1; r == 0 && p < s->hi[RULE_ANY]; p++) {
        char both[TERM_HEAD] = { 0 };
        if (!may_pair(&s->text, &k[p]) || !may_pair(&s->text, &k[p - 1]))
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
            r = item_note(s, id) ? 0 : -ENOMEM;
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

static inline int look_up(struct match_scratch *s, uint32_t p, enum rule_field field)
{
    const struct dict *d = &s->set->dict;
    const struct text_token *k = &s->text.tokens[p];
    struct str text = text_folded(&s->text, k);
    uint32_t id = s->term_at[p];
    int r = 0;

    if (id == DICT_ASK || (id != NONE && !dict_is(d, id, text, TERM_WORD, field)))
        id = dict_find(d, text, term_hash(k->hash, TERM_WORD, field), TERM_WORD, field);
    s->term_at[p] = id;
    if (id != NONE) {
        const struct term *t = &d->terms[id];
        struct present *at = add_present(s, id);
        if (!at)
            return -ENOMEM;
        add_link(s, at, p);
        if (t->in_title | t->in_text)
            r = want_fields(s, t, k->hash, p);
    }
    if (r == 0 && s->set->has_prefixes && !k->run && text.n)
        r = want_prefixes(s, text, field, p);
    return r;
}

/* In three rounds, so that none waits for memory: the first calls for the buckets, the
 * second looks at them and calls for the terms. */
static int find_words(struct match_scratch *s, enum rule_field field)
{
    const struct dict *d = &s->set->dict;
    const struct text_token *k = s->text.tokens;
    uint32_t from = s->lo[field], to = s->hi[field];
    int r = 0;

    for (uint32_t p = from; p < to; p++)
        dict_prefetch(d, term_hash(k[p].hash, TERM_WORD, field));
    for (uint32_t p = from; p < to; p++) {
        uint32_t id = dict_guess(d, term_hash(k[p].hash, TERM_WORD, field));
        s->term_at[p] = id;
        if (id < DICT_ASK)
            __builtin_prefetch(&d->terms[id]);
    }
    for (uint32_t p = from; r == 0 && p < to; p++)
        r = look_up(s, p, field);
    return r < 0 ? r : grant_wants(s);
}

static int find_terms(struct match_scratch *s)
{
    int r = table_room(&s->present_table, &s->present_table_n, s->text.n + 1);

    if (r == 0)
        r = links_room(s, s->text.n);
    if (r == 0)
        r = bits_room(s);
    if (r < 0)
        return r;
    s->n_links = (uint32_t)s->text.n;
    s->n_wants = 0;
    s->bits[0] |= 1; /* ALWAYS */
    r = find_words(s, RULE_ANY);
    if (r == 0)
        r = find_words(s, RULE_AUTHOR);
    if (r == 0)
        r = find_words(s, RULE_CATEGORY);
    if (r == 0)
        r = find_words(s, RULE_LINK);
    if (r == 0 && s->set->has_pairs)
        r = look_up_pairs(s);
    if (r == 0)
        r = value_note(s);
    return r < 0 ? r : gram_note(s);
}

int item_read(struct match_scratch *s)
{
    s->n_present = 0;
    next_generation(s);
    int r = read_texts(s);

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
