/* What a bubble says: one alert in full, or several as a list. */
#include "sink_desktop_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sink_text.h"
#include "sink_worker.h"
#include "url.h"
#include "utf8.h"

#define TITLE_CHARS 200
#define LIST_CHARS 80
#define BODY_CHARS 400
#define HELD_BYTES 4096 /* of one string of an alert; more is never shown */

struct held *held_new(const struct alert *a, int64_t now_ms)
{
    const struct str *from[] = { &a->watch,   &a->feed,    &a->title, &a->link,
                                 &a->snippet, &a->matched, &a->spans, &a->sources };
    size_t n = 0;

    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++)
        n += utf8_cut(from[i]->s, from[i]->n, HELD_BYTES);
    struct held *h = malloc(sizeof *h + n);
    if (!h)
        return NULL;
    *h = (struct held){ .alert = *a, .since_ms = now_ms };
    struct str *none;
    for (unsigned i = 0; (none = alert_text(&h->alert, i)); i++)
        *none = (struct str){ 0 };
    struct str *to[] = { &h->alert.watch, &h->alert.feed,    &h->alert.title,
                         &h->alert.link,  &h->alert.snippet, &h->alert.matched,
                         &h->alert.spans, &h->alert.sources };
    char *p = (char *)(h + 1);
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        *to[i] = (struct str){ p, utf8_cut(from[i]->s, from[i]->n, HELD_BYTES) };
        if (to[i]->n)
            memcpy(p, from[i]->s, to[i]->n);
        p += to[i]->n;
    }
    return h;
}

void held_free(struct held *h)
{
    if (!h)
        return;
    digest_copy_free(h->digest);
    free(h);
}

void pile_add(struct pile *p, struct held *h)
{
    if (p->n + p->more == 0) {
        p->since_ms = h->since_ms;
        p->priority = h->alert.priority;
    }
    if (h->alert.priority > p->priority)
        p->priority = h->alert.priority;
    if (h->alert.seq > p->last_seq)
        p->last_seq = h->alert.seq;
    if (p->n < DESKTOP_LISTED) {
        p->held[p->n++] = h;
    } else {
        size_t k = 0;

        while (k < p->n && !str_eq(p->held[k]->alert.watch, h->alert.watch))
            k++;
        p->others |= k == p->n;
        p->more++;
        held_free(h);
    }
}

void pile_clear(struct pile *p)
{
    for (size_t i = 0; i < p->n; i++)
        held_free(p->held[i]);
    p->n = p->more = 0;
    p->others = false;
}

static void put_text(struct buf *out, struct str s, size_t max_chars, bool markup)
{
    text_put(out, s, max_chars, markup ? MARKUP_HTML : MARKUP_NONE);
}

static struct str title_of(const struct alert *a)
{
    return a->title.n ? a->title : a->link.n ? a->link : STR("(no title)");
}

/* ", guardian, dw": other feeds that have the story. */
static void put_sources(struct buf *out, const struct alert *a, bool markup)
{
    struct str sources = a->sources;
    struct alert_source source;

    while (alert_source_next(&sources, &source)) {
        buf_puts(out, ", ");
        put_text(out, source.feed, 40, markup);
    }
}

static void write_one(struct bubble *b, const struct alert *a, bool markup)
{
    if (a->update)
        buf_puts(&b->summary, "Update: ");
    put_text(&b->summary, title_of(a), TITLE_CHARS, false);
    put_text(&b->body, a->watch, LIST_CHARS, markup);
    buf_puts(&b->body, " \xC2\xB7 "); /* middle dot */
    put_text(&b->body, a->feed, LIST_CHARS, markup);
    put_sources(&b->body, a, markup);
    if (a->snippet.n) {
        buf_putc(&b->body, '\n');
        text_bold(&b->body, a, true, BODY_CHARS, markup ? MARKUP_HTML : MARKUP_NONE);
    }
    if (url_is_web(a->link)) {
        buf_putc(&b->body, '\n');
        put_text(&b->body, a->link, BODY_CHARS, markup);
    }
}

/* "summit, energy": the watches of the listed alerts, each once. */
static void put_watches(struct buf *out, const struct pile *p)
{
    for (size_t i = 0; i < p->n; i++) {
        size_t k = 0;

        while (!str_eq(p->held[k]->alert.watch, p->held[i]->alert.watch))
            k++;
        if (k < i)
            continue;
        buf_puts(out, i ? ", " : "");
        put_text(out, p->held[i]->alert.watch, 40, false);
    }
}

static void write_list(struct bubble *b, const struct pile *p, bool markup)
{
    buf_printf(&b->summary, "%zu alerts: ", p->n + p->more);
    put_watches(&b->summary, p);
    if (p->others)
        buf_puts(&b->summary, ", \xE2\x80\xA6"); /* ellipsis */
    for (size_t i = 0; i < p->n; i++) {
        const struct alert *a = &p->held[i]->alert;

        buf_puts(&b->body, i ? "\n\xE2\x80\xA2 " : "\xE2\x80\xA2 "); /* bullet */
        put_text(&b->body, title_of(a), LIST_CHARS, markup);
        buf_puts(&b->body, " (");
        put_text(&b->body, a->feed, 40, markup);
        buf_putc(&b->body, ')');
    }
    if (p->more)
        buf_printf(&b->body, "\n\xE2\x80\xA6 and %zu more in the alert log", p->more);
}

int bubble_write(struct bubble *b, const struct pile *p, bool markup)
{
    buf_clear(&b->summary);
    buf_clear(&b->body);
    if (p->n == 1 && p->more == 0)
        write_one(b, &p->held[0]->alert, markup);
    else if (p->n)
        write_list(b, p, markup);
    if (p->missed)
        buf_printf(&b->body,
                   "\n%zu earlier alert%s only in the alert log: no notifications could "
                   "be shown",
                   p->missed, p->missed == 1 ? " is" : "s are");
    if (p->muted)
        buf_printf(&b->body, "\n%zu alert%s only in the alert log: muted", p->muted,
                   p->muted == 1 ? " is" : "s are");
    return b->summary.error ? b->summary.error : b->body.error;
}

int bubble_write_digest(struct bubble *b, const struct digest *d, bool markup)
{
    struct buf text;

    buf_init(&text, 65536);
    buf_clear(&b->summary);
    buf_clear(&b->body);
    (void)digest_title(&text, d);
    put_text(&b->summary, buf_str(&text), TITLE_CHARS, false);
    for (size_t i = 0; i < d->n && i < DESKTOP_LISTED; i++) {
        const struct alert *a = d->alerts[i];

        buf_puts(&b->body, i ? "\n\xE2\x80\xA2 " : "\xE2\x80\xA2 "); /* bullet */
        put_text(&b->body, title_of(a), LIST_CHARS, markup);
        buf_puts(&b->body, " (");
        put_text(&b->body, a->feed, 40, markup);
        buf_putc(&b->body, ')');
    }
    if (d->count > DESKTOP_LISTED)
        buf_printf(&b->body, "\n\xE2\x80\xA6 and %lld more in the alert log",
                   (long long)d->count - DESKTOP_LISTED);
    buf_free(&text);
    return b->summary.error ? b->summary.error : b->body.error;
}
