/* Items as bytes: one that is known, byte by byte, need not be read. */
#include <errno.h>
#include <string.h>
#include "feed_xml_filter_own.h"

/* What is known of an item is known of the bytes from its '<' to the '>' of the first end
 * tag of that name.  Where that is not all of it (in a comment, in CDATA, an item within
 * an item) the receiver sees that reading them did not give one item, and does not come
 * to know it. */

enum item_end { ITEM_OPEN, ITEM_WHOLE, ITEM_BROKEN };

static bool ends_name(char ch)
{
    return ch == '>' || ch == ' ' || ch == '/' || (ch >= '\t' && ch <= '\r');
}

static bool is_name(const char *s, const char *name, size_t n)
{
    return memcmp(s, name, n) == 0 && ends_name(s[n]);
}

/* How long the name of the item that starts at `s` is; 0: none does. */
static size_t name_of(const char *s, size_t n)
{
    if (n > 5 && s[1] == 'i')
        return is_name(s + 1, "item", 4) ? 4 : 0;
    if (n > 6 && s[1] == 'e')
        return is_name(s + 1, "entry", 5) ? 5 : 0;
    return 0;
}

/* Look for the end of the item that starts at `item` from *at on; *at is left behind it,
 * or where to go on when more has come. */
static enum item_end find_end(const char *item, size_t name, const char **at,
                              const char *end)
{
    const char *p = *at;

    for (; (p = memchr(p, '<', (size_t)(end - p))) != NULL; p++) {
        *at = p;
        if ((size_t)(end - p) < name + 3)
            return ITEM_OPEN;
        if (p[1] == item[1] && is_name(p + 1, item + 1, name))
            return ITEM_BROKEN;
        if (p[1] != '/' || !is_name(p + 2, item + 1, name))
            continue;
        for (p += 2 + name; p < end && *p != '>'; p++)
            if (!ends_name(*p) || *p == '/')
                return ITEM_BROKEN;
        if (p == end)
            return ITEM_OPEN;
        *at = p + 1;
        return ITEM_WHOLE;
    }
    *at = end;
    return ITEM_OPEN;
}

static bool is_blank(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\n' || *s == '\t' || *s == '\r'))
        s++;
    return s == end;
}

/* Read the bytes like all others. */
static int read_bytes(struct xml_filter *f, const char *s, size_t n)
{
    struct cursor c = { s, s + n, s };

    f->read_item = true;
    return xml_process(f, &c);
}

/* s[0..n) is an item. */
static int take(struct xml_filter *f, const char *s, size_t n)
{
    if (f->items->is_known(f->ctx, s, n))
        return 0;
    int r = read_bytes(f, s, n);
    if (r == 0 && f->state == XML_TEXT && f->hold.n == 0 && !f->skip)
        f->items->was_read(f->ctx);
    return r;
}

bool xml_item_starts(const struct xml_filter *f, const char *s, size_t n)
{
    return !f->read_item && !f->skip && f->depth && name_of(s, n) > 0;
}

/* Everything before it is with the receiver; `*may`: it may be passed over. */
static int come_to_item(struct xml_filter *f, struct cursor *c, bool *may)
{
    int r = 0;

    *may = f->between;
    if (f->between && is_blank(c->run, c->p)) {
        c->run = c->p;
    } else if (f->between) {
        r = xml_flush_run(f, c, c->p);
    } else {
        r = xml_flush_all(f, c, c->p);
        *may = r == 0 && f->items->may_start(f->ctx);
    }
    f->between = *may;
    return r;
}

int xml_on_item(struct xml_filter *f, struct cursor *c)
{
    const char *s = c->p, *at = s + 1;
    size_t name = name_of(s, (size_t)(c->end - s));
    enum item_end what = ITEM_BROKEN;
    bool may;

    int r = come_to_item(f, c, &may);
    if (r)
        return r;
    if (may)
        what = find_end(s, name, &at, c->end);
    if (what == ITEM_OPEN && c->end - s < XML_ITEM_MAX) {
        r = buf_put(&f->item, s, (size_t)(c->end - s));
        f->item_looked = (size_t)(at - s);
        f->state = XML_ITEM;
        c->p = c->run = c->end;
        return r;
    }
    if (what != ITEM_WHOLE) {
        f->read_item = true;
        return xml_on_lt(f, c);
    }
    c->p = c->run = at;
    return take(f, s, (size_t)(at - s));
}

/* The item is whole, or it is none: go on without what is held of it. */
static int end_cut_item(struct xml_filter *f, bool whole)
{
    struct buf item = f->item;

    buf_init(&f->item, item.max);
    f->state = XML_TEXT;
    int r = whole ? take(f, item.s, item.n) : read_bytes(f, item.s, item.n);
    buf_free(&item);
    return r;
}

static size_t held_name(const struct xml_filter *f)
{
    return f->item.s[1] == 'i' ? 4 : 5;
}

/* The last bytes held may be the start of an end tag: look at them with some more. */
static enum item_end look_across(struct xml_filter *f, struct cursor *c)
{
    size_t left = (size_t)(c->end - c->p);
    size_t n = left < XML_ITEM_STEP ? left : XML_ITEM_STEP;

    if (buf_put(&f->item, c->p, n) < 0)
        return ITEM_BROKEN;
    const char *at = f->item.s + f->item_looked;
    enum item_end what = find_end(f->item.s, held_name(f), &at, f->item.s + f->item.n);
    f->item_looked = (size_t)(at - f->item.s);
    c->p += n;
    if (what == ITEM_WHOLE) { /* give back what is behind it */
        c->p -= f->item.n - f->item_looked;
        f->item.n = f->item_looked;
    }
    return what;
}

static enum item_end look_in_chunk(struct xml_filter *f, struct cursor *c)
{
    const char *at = c->p;
    enum item_end what = find_end(f->item.s, held_name(f), &at, c->end);
    size_t looked = f->item.n + (size_t)(at - c->p);
    size_t n = (size_t)((what == ITEM_WHOLE ? at : c->end) - c->p);

    if (buf_put(&f->item, c->p, n) < 0)
        return ITEM_BROKEN;
    f->item_looked = looked;
    c->p += n;
    return what;
}

int xml_on_cut_item(struct xml_filter *f, struct cursor *c)
{
    enum item_end what = ITEM_OPEN;

    while (what == ITEM_OPEN && c->p < c->end && f->item.n < XML_ITEM_MAX)
        what = f->item_looked < f->item.n ? look_across(f, c) : look_in_chunk(f, c);
    c->run = c->p;
    if (f->item.error == -ENOMEM)
        return -ENOMEM;
    if (what == ITEM_OPEN && f->item.n < XML_ITEM_MAX)
        return 0;
    return end_cut_item(f, what == ITEM_WHOLE);
}

int xml_end_cut_item(struct xml_filter *f)
{
    return end_cut_item(f, false);
}
