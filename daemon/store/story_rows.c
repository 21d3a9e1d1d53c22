/* Stories as rows of the store, and back. */
#include "story_impl.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#define VERSION 2

static void put_u64(struct buf *out, uint64_t v)
{
    v = htole64(v);
    (void)buf_put(out, &v, sizeof v);
}

static void put_u16(struct buf *out, size_t v)
{
    uint16_t x = htole16((uint16_t)v);

    (void)buf_put(out, &x, sizeof x);
}

static void pack(const struct story *s, struct buf *out)
{
    (void)buf_putc(out, VERSION);
    (void)buf_putc(out, (char)(s->waits | s->plain << 1));
    put_u64(out, (uint64_t)s->time_ms);
    put_u64(out, (uint64_t)s->window_ms);
    put_u64(out, (uint64_t)s->feed_id);
    put_u64(out, s->key.hi);
    put_u64(out, s->key.lo);
    put_u16(out, STORY_PRINT_HEAD + 4 * ((size_t)s->print.n_title + s->print.n_lead));
    (void)story_print_pack(&s->print, out);
    put_u16(out, s->n_members);
    for (uint32_t i = 0; i < s->n_members; i++) {
        const struct story_member *m = &s->member[i];

        put_u64(out, (uint64_t)m->feed_id);
        put_u64(out, (uint64_t)m->time_ms);
        put_u64(out, m->link);
        put_u16(out, m->source_n);
        (void)buf_put(out, m->source ? m->source : "", m->source_n);
    }
}

bool story_take_row(struct story_table *t, struct story_row *out)
{
    struct story *s = t->dirty;
    struct str none = { 0 };

    if (t->n_dead) {
        *out = (struct story_row){ .id = t->dead[--t->n_dead] };
        return true;
    }
    if (!s)
        return false;
    t->dirty = s->next_dirty;
    s->dirty = false;
    buf_clear(&t->packed);
    pack(s, &t->packed);
    *out = (struct story_row){ s->id, s->until_ms, str_of(s->watch->entry.name),
                               t->packed.error ? none : buf_str(&t->packed) };
    return true;
}

struct reader {
    const char *s;
    size_t n;
    bool bad;
};

static uint64_t get(struct reader *r, size_t bytes)
{
    uint64_t v = 0;

    if (r->n < bytes) {
        r->bad = true;
        r->n = 0;
        return 0;
    }
    memcpy(&v, r->s, bytes); /* little-endian: the low bytes */
    r->s += bytes;
    r->n -= bytes;
    return le64toh(v);
}

static struct str get_str(struct reader *r)
{
    size_t n = (size_t)get(r, 2);
    struct str s = { r->s, n };

    if (r->n < n) {
        r->bad = true;
        return (struct str){ 0 };
    }
    r->s += n;
    r->n -= n;
    return s;
}

static int get_member(struct reader *r, struct story *s)
{
    struct story_member *m = &s->member[s->n_members];

    *m = (struct story_member){ 0 };
    m->feed_id = (int64_t)get(r, 8);
    m->time_ms = (int64_t)get(r, 8);
    m->link = get(r, 8);
    struct str source = get_str(r);
    if (r->bad)
        return -EBADMSG;
    if (source.n && !(m->source = strndup(source.s, source.n)))
        return -ENOMEM;
    m->source_n = source.n;
    s->n_members++;
    return 0;
}

static int unpack(struct story *s, struct str packed)
{
    struct reader r = { packed.s, packed.n, false };

    if (get(&r, 1) != VERSION)
        return -EBADMSG;
    unsigned flags = (unsigned)get(&r, 1);
    s->waits = flags & 1;
    s->plain = flags & 2;
    s->time_ms = (int64_t)get(&r, 8);
    s->window_ms = (int64_t)get(&r, 8);
    s->feed_id = (int64_t)get(&r, 8);
    s->key.hi = get(&r, 8);
    s->key.lo = get(&r, 8);
    if (story_print_unpack(&s->print, get_str(&r)) < 0 || r.bad)
        return -EBADMSG;
    size_t n = (size_t)get(&r, 2);
    if (r.bad || n > STORY_SOURCES_MAX + 1)
        return -EBADMSG;
    s->member = calloc(n ? n : 1, sizeof *s->member);
    if (!s->member)
        return -ENOMEM;
    s->cap = (uint32_t)(n ? n : 1);
    int e = 0;
    for (size_t i = 0; i < n && e == 0; i++)
        e = get_member(&r, s);
    return e ? e : r.n ? -EBADMSG : 0;
}

int story_put_row(struct story_table *t, const struct story_row *row)
{
    struct story *s = calloc(1, sizeof *s);
    struct story_watch *w;

    if (!s)
        return -ENOMEM;
    s->id = row->id;
    s->until_ms = row->until_ms;
    int r = unpack(s, row->packed);
    if (r == 0 && !(w = story_watch_of(t, row->watch)))
        r = -ENOMEM;
    if (r == 0)
        r = story_link_in(t, s, w);
    if (r < 0) {
        story_free(t, s);
        return r;
    }
    if (s->id > t->last_id)
        t->last_id = s->id;
    story_make_room(t);
    return 0;
}
