/* The table of stories: which hit is a new alert, which one joins another, which waits.
 */
#include "story.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include "name_table.h"

#define VERSION 2
#define SKIP_PENDING 64 /* looked at for one to forget that does not wait */

struct member { /* a feed that has the story */
    int64_t feed_id, time_ms;
    uint64_t link;
    char *source; /* packed, owned; only while the story waits */
    size_t source_n;
};

struct story {
    struct story *older, *newer;           /* all stories, in order of making */
    struct story *older_here, *newer_here; /* those of the same watch */
    struct story *next_dirty;
    struct watch *watch;
    int64_t id;
    int64_t time_ms;  /* of its alert; while it waits, of its first item */
    int64_t until_ms; /* forget it after this */
    int64_t window_ms;
    int64_t feed_id; /* of its alert or, while it waits, its first item */
    struct seen_key key;
    bool waits, dirty, plain; /* plain: kept for updates only, nothing joins */
    uint32_t n_members, cap;
    struct member *member;
    struct story_print print;
};

struct watch {
    struct name_entry entry; /* first */
    struct story *newest;
};

struct story_table {
    struct name_table watches;
    struct story *oldest, *newest, *dirty;
    size_t n, max, bytes;
    int64_t last_id;
    int64_t *dead; /* rows to delete */
    size_t n_dead, cap_dead;
    struct buf packed;
};

/* --- memory --- */

struct story_table *story_table_new(size_t max)
{
    struct story_table *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->max = max ? max : 1;
    buf_init(&t->packed, 1 << 20);
    return t;
}

static void story_free(struct story *s)
{
    for (uint32_t i = 0; i < s->n_members; i++)
        free(s->member[i].source);
    free(s->member);
    free(s);
}

void story_table_free(struct story_table *t)
{
    if (!t)
        return;
    for (struct story *s = t->oldest, *next; s; s = next) {
        next = s->newer;
        story_free(s);
    }
    name_table_done(&t->watches);
    free(t->dead);
    buf_free(&t->packed);
    free(t);
}

/* The watch of this name, made when there is none; NULL: out of memory. */
static struct watch *watch_of(struct story_table *t, struct str name)
{
    return name_table_get(&t->watches, name, sizeof(struct watch));
}

static size_t member_bytes(const struct story *s)
{
    return s->cap * sizeof *s->member;
}

static int reserve_member(struct story_table *t, struct story *s)
{
    if (s->n_members < s->cap)
        return 0;
    uint32_t cap = s->cap ? s->cap * 2 : 1;
    void *p = realloc(s->member, cap * sizeof *s->member);
    if (!p)
        return -ENOMEM;
    s->member = p;
    t->bytes += (cap - s->cap) * sizeof *s->member;
    s->cap = cap;
    return 0;
}

static void mark(struct story_table *t, struct story *s)
{
    if (s->dirty)
        return;
    s->dirty = true;
    s->next_dirty = t->dirty;
    t->dirty = s;
}

static void link_in(struct story_table *t, struct story *s, struct watch *w)
{
    s->watch = w;
    s->older = t->newest;
    *(t->newest ? &t->newest->newer : &t->oldest) = s;
    t->newest = s;
    s->older_here = w->newest;
    if (w->newest)
        w->newest->newer_here = s;
    w->newest = s;
    t->n++;
    t->bytes += sizeof *s + member_bytes(s);
}

/* Take `s` out and free it; its row goes, too (if there is no memory to say so, its time
 * runs out). */
static void forget(struct story_table *t, struct story *s)
{
    *(s->newer ? &s->newer->older : &t->newest) = s->older;
    *(s->older ? &s->older->newer : &t->oldest) = s->newer;
    *(s->newer_here ? &s->newer_here->older_here : &s->watch->newest) = s->older_here;
    if (s->older_here)
        s->older_here->newer_here = s->newer_here;
    for (struct story **at = &t->dirty; s->dirty && *at; at = &(*at)->next_dirty)
        if (*at == s) {
            *at = s->next_dirty;
            break;
        }
    if (t->n_dead == t->cap_dead) {
        size_t cap = t->cap_dead ? t->cap_dead * 2 : 64;
        void *p = realloc(t->dead, cap * sizeof *t->dead);

        t->dead = p ? p : t->dead;
        t->cap_dead = p ? cap : t->cap_dead;
    }
    if (t->n_dead < t->cap_dead)
        t->dead[t->n_dead++] = s->id;
    t->n--;
    t->bytes -= sizeof *s + member_bytes(s);
    story_free(s);
}

static void make_room(struct story_table *t)
{
    while (t->n > t->max) {
        struct story *s = t->oldest;

        for (unsigned i = 0; s && s->waits && i < SKIP_PENDING; i++)
            s = s->newer;
        forget(t, s && !s->waits ? s : t->oldest);
    }
}

/* --- judging --- */

static bool same_key(const struct seen_key *a, const struct seen_key *b)
{
    return a->hi == b->hi && a->lo == b->lo;
}

/* The story whose alert is, or whose first item waits as, the item of `c`. */
static struct story *own_story(struct watch *w, const struct story_case *c)
{
    for (struct story *s = w->newest; s; s = s->older_here)
        if (s->feed_id == c->feed_id && same_key(&s->key, &c->key))
            return s;
    return NULL;
}

static const struct member *member_of(const struct story *s, int64_t feed_id)
{
    for (uint32_t i = 0; i < s->n_members; i++)
        if (s->member[i].feed_id == feed_id)
            return &s->member[i];
    return NULL;
}

static bool has_link(const struct story *s, uint64_t link)
{
    for (uint32_t i = 0; link && i < s->n_members; i++)
        if (s->member[i].link == link)
            return true;
    return false;
}

static void drop_member(struct story *s, uint32_t i)
{
    free(s->member[i].source);
    s->n_members--;
    memmove(&s->member[i], &s->member[i + 1], (s->n_members - i) * sizeof *s->member);
}

/* Sources that came too long before to count with one that comes now. */
static void drop_old(struct story *s, int64_t now_ms, int64_t within_ms)
{
    for (uint32_t i = 0; i < s->n_members;)
        if (now_ms - s->member[i].time_ms > within_ms)
            drop_member(s, i);
        else
            i++;
}

static bool is_live(const struct story *s, const struct story_case *c)
{
    return !s->plain &&
           (s->waits ? c->now_ms <= s->until_ms : c->now_ms - s->time_ms <= s->window_ms);
}

enum fit { FIT_NOT, FIT_SAME, FIT_REPEATS };

static enum fit fits(const struct story *s, const struct story_case *c)
{
    const struct member *own = member_of(s, c->feed_id);

    if (own)
        return own->link && own->link == c->print->link &&
                       story_text_same(&s->print, c->print, c->now_ms - s->time_ms)
                   ? FIT_REPEATS
                   : FIT_NOT;
    return has_link(s, c->print->link) ||
                   story_text_same(&s->print, c->print, c->now_ms - s->time_ms)
               ? FIT_SAME
               : FIT_NOT;
}

/* The story that the item of `c` belongs to: one that alerted before one that waits, the
 * newest first. */
static struct story *find(struct watch *w, const struct story_case *c, enum fit *fit)
{
    struct story *waiting = NULL;

    *fit = FIT_NOT;
    for (struct story *s = w->newest; s; s = s->older_here) {
        if (!is_live(s, c) || (s->waits && waiting))
            continue;
        enum fit f = fits(s, c);
        if (f == FIT_NOT)
            continue;
        *fit = f;
        if (!s->waits)
            return s;
        waiting = s;
    }
    return waiting;
}

/* The source of `c`, packed and owned; NULL: out of memory. */
static char *pack_source(const struct story_case *c, size_t *n)
{
    struct alert_source source = { c->feed, c->link, c->title, c->now_ms };
    struct buf b;

    buf_init(&b, 64 << 10);
    if (alert_source_put(&b, &source) < 0) {
        source.link = source.title = (struct str){ 0 }; /* too long: the feed will do */
        buf_clear(&b);
        (void)alert_source_put(&b, &source);
    }
    if (b.error) {
        buf_free(&b);
        return NULL;
    }
    *n = b.n;
    return b.s;
}

static int add_member(struct story_table *t, struct story *s, const struct story_case *c)
{
    struct member m = { .feed_id = c->feed_id,
                        .time_ms = c->now_ms,
                        .link = c->print->link };

    if (reserve_member(t, s) < 0)
        return -ENOMEM;
    if (s->waits && !(m.source = pack_source(c, &m.source_n)))
        return -ENOMEM;
    s->member[s->n_members++] = m;
    mark(t, s);
    return 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* `s` has its alert now, which is that of `c`. */
static void raise_story(struct story *s, const struct story_case *c)
{
    for (uint32_t i = 0; i < s->n_members; i++) {
        free(s->member[i].source);
        s->member[i].source = NULL;
        s->member[i].source_n = 0;
    }
    s->waits = false;
    s->feed_id = c->feed_id;
    s->key = c->key;
    s->print = *c->print;
    s->time_ms = c->now_ms;
    s->window_ms = c->window_ms;
    s->until_ms = c->now_ms + later(c->window_ms, c->keep_ms);
}

static int begin(struct story_table *t, struct watch *w, const struct story_case *c,
                 struct story_result *out)
{
    struct story *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    raise_story(s, c);
    s->id = t->last_id + 1;
    s->plain = !c->collapse;
    s->waits = c->collapse && c->min_sources > 1;
    if (s->waits)
        s->until_ms = c->now_ms + c->within_ms;
    if (reserve_member(t, s) < 0) {
        free(s);
        return -ENOMEM;
    }
    t->bytes -= member_bytes(s); /* link_in counts all of it */
    link_in(t, s, w);
    t->last_id++;
    int r = add_member(t, s, c);
    if (r < 0) {
        forget(t, s);
        return r;
    }
    out->verdict = s->waits ? STORY_WAITS : STORY_ALERT;
    make_room(t);
    return 0;
}

static int join(struct story_table *t, struct story *s, const struct story_case *c,
                struct story_result *out)
{
    out->verdict = STORY_JOINS;
    out->feed_id = s->feed_id;
    out->key = s->key;
    out->list_full = s->n_members >= STORY_SOURCES_MAX;
    return out->list_full ? 0 : add_member(t, s, c);
}

/* One source more for a story that waits: perhaps it is enough. */
static int corroborate(struct story_table *t, struct story *s, const struct story_case *c,
                       struct story_result *out, struct buf *sources)
{
    drop_old(s, c->now_ms, c->within_ms);
    int r = add_member(t, s, c);
    if (r < 0)
        return r;
    if (s->n_members < c->min_sources) {
        s->until_ms = c->now_ms + c->within_ms;
        out->verdict = STORY_WAITS;
        return 0;
    }
    for (uint32_t i = 0; i + 1 < s->n_members; i++)
        (void)buf_put(sources, s->member[i].source, s->member[i].source_n);
    if (sources->error == -ENOMEM) {
        drop_member(s, s->n_members - 1);
        return -ENOMEM;
    }
    raise_story(s, c);
    out->verdict = STORY_ALERT;
    return 0;
}

/* The item was shown before.  1: decided. */
static int judge_known(struct story_table *t, struct story *own,
                       const struct story_case *c, struct story_result *out)
{
    out->verdict = STORY_REPEATS;
    if (!c->update || !story_changed(&own->print, c->print))
        return 1;
    own->print = *c->print;
    mark(t, own);
    if (own->waits)
        return 1;
    own->until_ms = later(own->until_ms, c->now_ms + c->keep_ms);
    out->verdict = STORY_UPDATE;
    return 1;
}

/* An item that joined another feed's alert has changed: that is no news. */
static bool is_known_member(const struct watch *w, const struct story_case *c)
{
    for (const struct story *s = w->newest; s && c->print->link; s = s->older_here) {
        const struct member *m = member_of(s, c->feed_id);

        if (m && m->link == c->print->link)
            return true;
    }
    return false;
}

int story_judge(struct story_table *t, const struct story_case *c,
                struct story_result *out, struct buf *sources)
{
    struct story_result result = { 0 };
    struct watch *w = watch_of(t, c->watch);
    enum fit fit = FIT_NOT;
    int r = 0;

    if (!w)
        return -ENOMEM;
    struct story *own = own_story(w, c);
    if (own) {
        (void)judge_known(t, own, c, &result);
    } else if (c->update && is_known_member(w, c)) {
        result.verdict = STORY_REPEATS;
    } else {
        struct story *s = c->collapse ? find(w, c, &fit) : NULL;

        if (!s)
            r = begin(t, w, c, &result);
        else if (fit == FIT_REPEATS)
            result.verdict = STORY_REPEATS;
        else if (s->waits)
            r = corroborate(t, s, c, &result, sources);
        else
            r = join(t, s, c, &result);
    }
    if (r == 0)
        *out = result;
    return r;
}

/* --- rows --- */

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
        const struct member *m = &s->member[i];

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
    struct member *m = &s->member[s->n_members];

    *m = (struct member){ 0 };
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
    struct watch *w;

    if (!s)
        return -ENOMEM;
    s->id = row->id;
    s->until_ms = row->until_ms;
    int r = unpack(s, row->packed);
    if (r == 0 && !(w = watch_of(t, row->watch)))
        r = -ENOMEM;
    if (r < 0) {
        story_free(s);
        return r;
    }
    link_in(t, s, w);
    if (s->id > t->last_id)
        t->last_id = s->id;
    make_room(t);
    return 0;
}

/* --- the end of stories --- */

static struct str title_of(const struct story *s)
{
    struct alert_source source = { 0 };
    struct str list = { 0 };

    if (s->n_members)
        list = (struct str){ s->member[0].source, s->member[0].source_n };
    return list.n && alert_source_next(&list, &source) ? source.title : (struct str){ 0 };
}

void story_expire(struct story_table *t, int64_t now_ms, story_expired_fn *each,
                  void *ctx)
{
    for (struct story *s = t->oldest, *next; s; s = next) {
        next = s->newer;
        if (s->until_ms >= now_ms)
            continue;
        if (s->waits && each)
            each(ctx, str_of(s->watch->entry.name), title_of(s), s->n_members);
        forget(t, s);
    }
}

size_t story_count(const struct story_table *t)
{
    return t->n;
}

size_t story_bytes(const struct story_table *t)
{
    return t->bytes;
}
