/* Packs recent items: numbers as LEB128, texts with their length before them, a batch
 * compressed by Zstandard. */
#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "utf8.h"

#define LEVEL 1
#define RAW_MAX (32UL << 20) /* of one frame */
#define LIST_MAX 32          /* authors and categories kept, each */
#define FIELD_MAX 4096       /* bytes of the short texts */

enum { SILENT = 1, PUBLISHED = 2, UPDATED = 4 };

int64_t history_when_ms(const struct history_item *h)
{
    const struct item *i = &h->item;

    if (!h->silent)
        return h->fetched_ms;
    int64_t s = i->published_s != ITEM_NO_TIME ? i->published_s : i->updated_s;
    return s != ITEM_NO_TIME && s < h->fetched_ms / 1000 ? s * 1000 : h->fetched_ms;
}

/* --- writing --- */

static void put_number(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        (void)buf_putc(out, (char)(v | 0x80));
        v >>= 7;
    }
    (void)buf_putc(out, (char)v);
}

/* Small magnitudes stay short: 0, -1, 1, -2 ... */
static void put_signed(struct buf *out, int64_t v)
{
    put_number(out, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

static void put_text(struct buf *out, struct str s, size_t max)
{
    s.n = utf8_cut(s.s, s.n, max);
    put_number(out, s.n);
    (void)buf_put_str(out, s);
}

static void put_list(struct buf *out, const struct str *list, size_t n)
{
    n = n > LIST_MAX ? LIST_MAX : n;
    put_number(out, n);
    for (size_t i = 0; i < n; i++)
        put_text(out, list[i], FIELD_MAX);
}

int history_put(struct buf *out, const struct history_item *h)
{
    const struct item *i = &h->item;
    bool published = i->published_s != ITEM_NO_TIME;
    bool updated = i->updated_s != ITEM_NO_TIME;
    size_t before = out->n;

    put_number(
        out, (unsigned)(h->silent * SILENT + published * PUBLISHED + updated * UPDATED));
    put_signed(out, h->fetched_ms);
    if (published)
        put_signed(out, i->published_s);
    if (updated)
        put_signed(out, i->updated_s);
    put_text(out, h->feed, FIELD_MAX);
    put_text(out, i->lang, FIELD_MAX);
    put_text(out, i->link, FIELD_MAX);
    put_text(out, i->title, FIELD_MAX);
    put_text(out, i->summary, HISTORY_TEXT_MAX);
    put_text(out, i->content, HISTORY_TEXT_MAX);
    put_list(out, i->authors, i->n_authors);
    put_list(out, i->categories, i->n_categories);
    int r = out->error;
    if (r < 0) {
        out->n = before;
        out->error = 0;
    }
    return r;
}

/* Frame: the length of the rest, then what Zstandard made (it knows its raw size). */
int history_pack(struct buf *out, struct str raw)
{
    size_t bound = ZSTD_compressBound(raw.n), before = out->n;
    char *space = malloc(bound);

    if (!space)
        return -ENOMEM;
    size_t n = ZSTD_compress(space, bound, raw.s, raw.n, LEVEL);
    int r = ZSTD_isError(n) ? -ENOMEM : 0;
    if (r == 0) {
        put_number(out, n);
        r = buf_put(out, space, n);
    }
    free(space);
    if (r < 0) {
        out->n = before;
        out->error = 0;
    }
    return r;
}

/* --- reading --- */

static bool take_number(struct str *s, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s->n && i < 10; i++) {
        uint64_t byte = (unsigned char)s->s[i];

        v |= (byte & 0x7F) << (7 * i);
        if (byte >= 0x80)
            continue;
        *s = (struct str){ s->s + i + 1, s->n - i - 1 };
        *out = v;
        return true;
    }
    return false;
}

static bool take_signed(struct str *s, int64_t *out)
{
    uint64_t v;

    if (!take_number(s, &v))
        return false;
    *out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
    return true;
}

static bool take_text(struct str *s, struct str *out)
{
    uint64_t n;

    if (!take_number(s, &n) || n > s->n)
        return false;
    *out = (struct str){ s->s, (size_t)n };
    *s = (struct str){ s->s + n, s->n - (size_t)n };
    return true;
}

static bool take_list(struct str *s, struct str *list, size_t *n)
{
    uint64_t count;

    if (!take_number(s, &count) || count > LIST_MAX)
        return false;
    *n = (size_t)count;
    for (size_t i = 0; i < *n; i++)
        if (!take_text(s, &list[i]))
            return false;
    return true;
}

static bool take_item(struct str *s, struct history_item *h, struct str *lists)
{
    struct item *i = &h->item;
    uint64_t flags;

    *h = (struct history_item){ .item = { .published_s = ITEM_NO_TIME,
                                          .updated_s = ITEM_NO_TIME,
                                          .authors = lists,
                                          .categories = lists + LIST_MAX } };
    if (!take_number(s, &flags) || !take_signed(s, &h->fetched_ms))
        return false;
    h->silent = flags & SILENT;
    return (!(flags & PUBLISHED) || take_signed(s, &i->published_s)) &&
           (!(flags & UPDATED) || take_signed(s, &i->updated_s)) &&
           take_text(s, &h->feed) && take_text(s, &i->lang) && take_text(s, &i->link) &&
           take_text(s, &i->title) && take_text(s, &i->summary) &&
           take_text(s, &i->content) && take_list(s, lists, &i->n_authors) &&
           take_list(s, lists + LIST_MAX, &i->n_categories);
}

static int each_record(struct str raw, history_fn *each, void *ctx)
{
    struct str lists[2 * LIST_MAX];
    struct history_item h;
    int r = 0;

    while (raw.n && r == 0)
        r = take_item(&raw, &h, lists) ? each(ctx, &h) : -EBADMSG;
    return r;
}

static int each_of_frame(struct str frame, history_fn *each, void *ctx)
{
    unsigned long long bytes = ZSTD_getFrameContentSize(frame.s, frame.n);

    if (bytes > RAW_MAX) /* also what stands for "unknown" and "damaged" */
        return -EBADMSG;
    char *raw = malloc((size_t)bytes + 1);
    if (!raw)
        return -ENOMEM;
    size_t n = ZSTD_decompress(raw, (size_t)bytes, frame.s, frame.n);
    int r = ZSTD_isError(n) || n != bytes
                ? -EBADMSG
                : each_record((struct str){ raw, n }, each, ctx);
    free(raw);
    return r;
}

int history_each(struct str packed, history_fn *each, void *ctx)
{
    struct str frame;
    int r = 0;

    while (packed.n && r == 0)
        r = take_text(&packed, &frame) ? each_of_frame(frame, each, ctx) : -EBADMSG;
    return r;
}
