/* From a hit to an alert record: its stable id, the rule, the matched words and where
 * they stand, a snippet around the first. */
#include "poller_alert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "utf8.h"

#define WORDS_MAX 32   /* matched words kept in a record */
#define TITLE_MAX 4096 /* bytes of a title kept in a record */
#define RULE_MAX 4096  /* bytes of a rule's text kept in a record */
#define AUTHOR_MAX 400
#define SPANS_MAX 64 /* places of matched words kept for title and snippet, each */
#define SNIPPET_BEFORE 80
#define SNIPPET_MAX 280 /* bytes */

/* Is `word` among the '\n'-ended words in `list` already? */
static bool has_word(struct str list, struct str word)
{
    for (size_t i = 0; list.s && i < list.n;) {
        const char *end = memchr(list.s + i, '\n', list.n - i);
        struct str have = { list.s + i, (size_t)(end - (list.s + i)) };

        if (str_eq_nocase(have, word))
            return true;
        i += have.n + 1;
    }
    return false;
}

/* The matched words as they stand in the item, each once, each ended by '\n'. */
static void put_words(struct buf *out, const struct match_input *in,
                      const struct match_span *spans, size_t n)
{
    size_t from = out->n;
    unsigned words = 0;

    for (size_t i = 0; i < n && words < WORDS_MAX; i++) {
        struct str text = match_input_text(in, spans[i].field, spans[i].index);

        if (spans[i].offset >= text.n || spans[i].length > text.n - spans[i].offset)
            continue;
        struct str word = { text.s + spans[i].offset, spans[i].length };
        struct str have = { out->s ? out->s + from : NULL, out->n - from };
        if (!word.n || memchr(word.s, '\n', word.n) || has_word(have, word))
            continue;
        (void)buf_put_str(out, word);
        (void)buf_putc(out, '\n');
        words++;
    }
}

/* `s` cut to at most `max` bytes, between characters. */
static struct str cut(struct str s, size_t max)
{
    s.n = utf8_cut(s.s, s.n, max);
    return s;
}

struct snippet {
    struct str text;
    unsigned field;
    size_t from; /* where it begins in the text of that field */
};

/* The part of the text that shows why: around the first span outside the title, else its
 * start. */
static struct snippet snippet(const struct match_input *in,
                              const struct match_span *spans, size_t n)
{
    unsigned field = in->summary.n ? MATCH_SUMMARY : MATCH_CONTENT;
    size_t at = 0, i = 0;

    while (i < n && spans[i].field != MATCH_SUMMARY && spans[i].field != MATCH_CONTENT)
        i++;
    if (i < n)
        field = spans[i].field;
    struct str text = match_input_text(in, field, 0);
    if (i < n && spans[i].offset < text.n)
        at = spans[i].offset;
    if (!text.n)
        return (struct snippet){ text, field, 0 };
    size_t from = at > SNIPPET_BEFORE ? at - SNIPPET_BEFORE : 0;
    while (from > 0 && from < at && text.s[from - 1] != ' ')
        from++; /* begin with a whole word */
    while (from < text.n && ((unsigned char)text.s[from] & 0xC0) == 0x80)
        from++;
    text = cut((struct str){ text.s + from, text.n - from }, SNIPPET_MAX);
    return (struct snippet){ text, field, from };
}

/* Where the spans of `field` stand in the part of its text that begins at `from`. */
static void put_spans(struct buf *out, const struct match_span *spans, size_t n,
                      unsigned field, size_t from, size_t length)
{
    unsigned put = 0;

    for (size_t i = 0; i < n && put < SPANS_MAX; i++) {
        size_t begin = spans[i].offset, end = begin + spans[i].length;

        if (spans[i].field != field || spans[i].index || end <= from ||
            begin >= from + length)
            continue;
        begin = begin < from ? 0 : begin - from;
        end = end - from > length ? length : end - from;
        struct alert_span s = { field != MATCH_TITLE, (uint32_t)begin,
                                (uint32_t)(end - begin) };
        if (s.length)
            put += alert_span_put(out, &s) == 0;
    }
}

/* "Ann, Bob" */
static void put_authors(struct buf *out, const struct item *item)
{
    size_t from = out->n;

    for (size_t i = 0; i < item->n_authors && !out->error; i++) {
        if (i)
            (void)buf_puts(out, ", ");
        (void)buf_put_str(out, item->authors[i]);
        if (out->n - from > AUTHOR_MAX) {
            out->n = from + utf8_cut(out->s + from, out->n - from, AUTHOR_MAX);
            return;
        }
    }
}

/* The canonical text of the rule, cut to what a record keeps; *hash is of all of it. */
static void put_rule(struct buf *out, const struct config_watch *watch, uint64_t *hash)
{
    size_t from = out->n;

    *hash = 0;
    if (!watch->rule || rule_canonical(out, watch->rule->root) < 0)
        return;
    *hash = XXH3_64bits(out->s + from, out->n - from);
    if (out->n - from > RULE_MAX)
        out->n = from + utf8_cut(out->s + from, out->n - from, RULE_MAX);
}

/* Stable over restarts and reloads: the same item, feed and watch give the same id. */
static int set_id(char id[33], const char *feed, const struct seen_key *key,
                  const char *watch, struct buf *work)
{
    buf_clear(work);
    (void)buf_put(work, feed, strlen(feed) + 1);
    (void)buf_put(work, watch, strlen(watch) + 1);
    (void)buf_put(work, key, sizeof *key);
    if (work->error)
        return work->error;
    XXH128_hash_t h = XXH3_128bits(work->s, work->n);
    snprintf(id, 33, "%016" PRIx64 "%016" PRIx64, h.high64, h.low64);
    return 0;
}

static int reserve(struct alerts *to)
{
    if (to->n < to->cap)
        return 0;
    size_t cap = to->cap ? to->cap * 2 : 8;
    void *p = realloc(to->alert, cap * sizeof *to->alert);
    if (!p)
        return -ENOMEM;
    to->alert = p;
    p = realloc(to->key, cap * sizeof *to->key);
    if (!p)
        return -ENOMEM;
    to->key = p;
    p = realloc(to->print, cap * sizeof *to->print);
    if (!p)
        return -ENOMEM;
    to->print = p;
    p = realloc(to->text, cap * sizeof *to->text);
    if (!p)
        return -ENOMEM;
    to->text = p;
    to->cap = cap;
    return 0;
}

/* What is put together in one scratch: behind each other, in the order of PARTS. */
enum part { PART_WORDS, PART_SINKS, PART_SPANS, PART_AUTHOR, PART_RULE, PARTS };

struct parts {
    size_t end[PARTS];
    uint64_t rule_hash;
};

static int put_parts(struct buf *out, struct parts *p, const struct alert_cause *c,
                     const struct match_input *in, size_t title_bytes,
                     const struct snippet *snip)
{
    buf_clear(out);
    (void)buf_puts(out, ""); /* so that there is something to point to */
    put_words(out, in, c->spans, c->n_spans);
    p->end[PART_WORDS] = out->n;
    const char *const *sinks = c->watch->sinks ? c->watch->sinks : c->sinks;
    for (const char *const *s = sinks; s && *s; s++)
        (void)buf_printf(out, "%s\n", *s);
    p->end[PART_SINKS] = out->n;
    put_spans(out, c->spans, c->n_spans, MATCH_TITLE, 0, title_bytes);
    put_spans(out, c->spans, c->n_spans, snip->field, snip->from, snip->text.n);
    p->end[PART_SPANS] = out->n;
    put_authors(out, c->item);
    p->end[PART_AUTHOR] = out->n;
    put_rule(out, c->watch, &p->rule_hash);
    p->end[PART_RULE] = out->n;
    return out->error;
}

static struct str part(const struct buf *b, const struct parts *p, enum part which)
{
    size_t from = which ? p->end[which - 1] : 0;

    return (struct str){ b->s + from, p->end[which] - from };
}

int poller_alert_add(struct alerts *to, const struct alert_cause *c, struct buf *work)
{
    const struct item *item = c->item;
    /* Without feed and group: their names are no words of the item. */
    struct match_input in = match_input_of(item, "", "", (struct str){ 0 });
    struct snippet snip = snippet(&in, c->spans, c->n_spans);
    struct parts parts;
    struct alert a = { .time_ms = c->time_ms,
                       .fetched_ms = c->fetched_ms,
                       .generation = c->generation,
                       .published_s = item->published_s,
                       .late = c->late,
                       .update = c->update,
                       .priority = c->watch->priority,
                       .watch = str_of(c->watch->name),
                       .feed = str_of(c->feed),
                       .title = cut(item->title, TITLE_MAX),
                       .link = item->link,
                       .item_id = cut(item->id, TITLE_MAX),
                       .snippet = snip.text };

    if (reserve(to) < 0 || set_id(a.id, c->feed, c->key, c->watch->name, work) < 0 ||
        put_parts(work, &parts, c, &in, a.title.n, &snip) < 0)
        return -ENOMEM;
    a.rule_hash = parts.rule_hash;
    a.matched = part(work, &parts, PART_WORDS);
    a.sinks = part(work, &parts, PART_SINKS);
    a.spans = part(work, &parts, PART_SPANS);
    a.author = part(work, &parts, PART_AUTHOR);
    a.rule = part(work, &parts, PART_RULE);
    to->text[to->n] = alert_own_texts(&a, 0);
    if (!to->text[to->n])
        return -ENOMEM;
    to->alert[to->n] = a;
    to->print[to->n] = c->print ? *c->print : (struct story_print){ 0 };
    to->key[to->n++] = *c->key;
    return 0;
}

int poller_alerts_move(struct alerts *to, struct alerts *from)
{
    while (from->n) {
        if (reserve(to) < 0)
            return -ENOMEM;
        to->alert[to->n] = from->alert[0];
        to->key[to->n] = from->key[0];
        to->print[to->n] = from->print[0];
        to->text[to->n++] = from->text[0];
        from->n--;
        memmove(from->alert, from->alert + 1, from->n * sizeof *from->alert);
        memmove(from->key, from->key + 1, from->n * sizeof *from->key);
        memmove(from->print, from->print + 1, from->n * sizeof *from->print);
        memmove(from->text, from->text + 1, from->n * sizeof *from->text);
    }
    return 0;
}
