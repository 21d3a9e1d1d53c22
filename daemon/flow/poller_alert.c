/* From a hit to an alert record: its stable id, the matched words, a snippet around the
 * first. */
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
#define SNIPPET_BEFORE 80
#define SNIPPET_MAX 280 /* bytes */

/* Is `word` among the '\n'-ended words in `list` already? */
static bool has_word(struct str list, struct str word)
{
    for (size_t i = 0; i < list.n;) {
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

/* The part of the text that shows why: around the first span outside the title, else its
 * start. */
static struct str snippet(const struct match_input *in, const struct match_span *spans,
                          size_t n)
{
    struct str text = in->summary.n ? in->summary : in->content;
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (spans[i].field != MATCH_SUMMARY && spans[i].field != MATCH_CONTENT)
            continue;
        text = match_input_text(in, spans[i].field, spans[i].index);
        at = spans[i].offset < text.n ? spans[i].offset : 0;
        break;
    }
    if (!text.n)
        return text;
    size_t from = at > SNIPPET_BEFORE ? at - SNIPPET_BEFORE : 0;
    while (from > 0 && from < at && text.s[from - 1] != ' ')
        from++; /* begin with a whole word */
    while (from < text.n && ((unsigned char)text.s[from] & 0xC0) == 0x80)
        from++;
    return cut((struct str){ text.s + from, text.n - from }, SNIPPET_MAX);
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
    p = realloc(to->text, cap * sizeof *to->text);
    if (!p)
        return -ENOMEM;
    to->text = p;
    to->cap = cap;
    return 0;
}

/* Copy `s` to *at and move *at behind it. */
static struct str lay(char **at, struct str s)
{
    struct str copy = { *at, s.n };

    if (s.n)
        memcpy(*at, s.s, s.n);
    (*at)[s.n] = '\0';
    *at += s.n + 1;
    return copy;
}

int poller_alert_add(struct alerts *to, const struct config_watch *watch,
                     const char *feed, const struct item *item,
                     const struct seen_key *key, int64_t now_ms,
                     const struct match_span *spans, size_t n_spans, struct buf *work)
{
    struct str title = cut(item->title, TITLE_MAX), name = str_of(watch->name);
    /* Without feed and group: their names are no words of the item. */
    struct match_input in = match_input_of(item, "", "", (struct str){ 0 });
    struct str snip = snippet(&in, spans, n_spans), id = cut(item->id, TITLE_MAX);
    size_t words, sinks;
    char stable[33];

    if (reserve(to) < 0 || set_id(stable, feed, key, watch->name, work) < 0)
        return -ENOMEM;
    buf_clear(work);
    (void)buf_puts(work, ""); /* so that there is something to point to */
    put_words(work, &in, spans, n_spans);
    words = work->n;
    for (const char *const *s = watch->sinks; s && *s; s++)
        (void)buf_printf(work, "%s\n", *s);
    if (work->error)
        return work->error;
    sinks = work->n - words;

    struct alert *a = &to->alert[to->n];
    char *at = malloc(name.n + strlen(feed) + title.n + item->link.n + id.n + snip.n +
                      work->n + 8);
    if (!at)
        return -ENOMEM;
    to->text[to->n] = at;
    *a = (struct alert){ .time_ms = now_ms,
                         .published_s = item->published_s,
                         .priority = watch->priority };
    a->watch = lay(&at, name);
    a->feed = lay(&at, str_of(feed));
    a->title = lay(&at, title);
    a->link = lay(&at, item->link);
    a->item_id = lay(&at, id);
    a->snippet = lay(&at, snip);
    a->matched = lay(&at, (struct str){ work->s, words });
    a->sinks = lay(&at, (struct str){ work->s + words, sinks });
    memcpy(a->id, stable, sizeof a->id);
    to->key[to->n++] = *key;
    return 0;
}

int poller_alerts_move(struct alerts *to, struct alerts *from)
{
    while (from->n) {
        if (reserve(to) < 0)
            return -ENOMEM;
        to->alert[to->n] = from->alert[0];
        to->key[to->n] = from->key[0];
        to->text[to->n++] = from->text[0];
        from->n--;
        memmove(from->alert, from->alert + 1, from->n * sizeof *from->alert);
        memmove(from->key, from->key + 1, from->n * sizeof *from->key);
        memmove(from->text, from->text + 1, from->n * sizeof *from->text);
    }
    return 0;
}
