/* The text side of the repair filter: long text, CDATA and references. */
#include <string.h>
#include "feed_xml_entity.h"
#include "feed_xml_filter_own.h"
#include "feed_xml_scan.h"

enum {
    DIRECT_MIN = 96, /* shorter clean text goes the way of the tags around it */
};

/* Deal with the '&' or ']' at `s`.  *used: bytes of `s`, 0: more are needed.  *keep: they
 * may stay as they are; otherwise *with holds what takes their place. */
static void small_token(struct xml_filter *f, const char *s, size_t n, size_t *used,
                        bool *keep, char with[XML_ENTITY_MAX])
{
    *keep = true;
    if (*s == '&') {
        enum xml_repair kind;
        enum xml_ref r = xml_entity_read(&f->entities, s, n, f->eof, used, with, &kind);
        *keep = r == XML_REF_KEEP;
        if (r == XML_REF_MENDED)
            f->repairs[kind]++;
        return;
    }
    *used = 1;
    if (n < 3 && !f->eof && (n == 1 || s[1] == ']')) {
        *used = 0;
    } else if (n >= 3 && s[1] == ']' && s[2] == '>') {
        memcpy(with, "]]&gt;", 7);
        *used = 3;
        *keep = false;
        f->repairs[XML_REPAIR_OTHER]++;
    }
}

/* Line ends become '\n' (XML 1.0 section 2.11). */
static void put_lines(struct xml_filter *f, const char *s, size_t n)
{
    while (n) {
        if (f->cr && *s == '\n') {
            s++;
            n--;
        }
        const char *cr = n ? memchr(s, '\r', n) : NULL;
        size_t k = cr ? (size_t)(cr - s) : n;
        f->cr = cr != NULL;
        if (k)
            f->text(f->ctx, s, k);
        if (!cr)
            return;
        f->text(f->ctx, "\n", 1);
        s += k + 1;
        n -= k + 1;
    }
}

void xml_put_text(struct xml_filter *f, const char *s, size_t n)
{
    if (f->skip || n == 0)
        return;
    if (f->cr || memchr(s, '\r', n)) {
        put_lines(f, s, n);
        return;
    }
    f->text(f->ctx, s, n);
}

/* A reference or "]]>", as small_token() saw it. */
static void put_small_token(struct xml_filter *f, const char *s, size_t used, bool keep,
                            const char *with)
{
    char plain[XML_ENTITY_MAX];
    size_t n = xml_entity_plain(plain, keep ? s : with, keep ? used : strlen(with));

    f->cr = false;
    if (!f->skip && n)
        f->text(f->ctx, plain, n);
}

/* The commonest by far. */
static bool put_common(struct xml_filter *f, struct cursor *c)
{
    static const struct {
        char name[6];
        unsigned char n;
        char is;
    } common[] = {
        { "&lt;", 4, '<' }, { "&gt;", 4, '>' }, { "&quot;", 6, '"' }, { "&amp;", 5, '&' }
    };
    char second = c->end - c->p >= 6 ? c->p[1] : '\0';
    size_t i = second == 'l' ? 0 : second == 'g' ? 1 : second == 'q' ? 2 : 3;

    if (second == '\0' || memcmp(c->p, common[i].name, common[i].n) != 0)
        return false;
    f->cr = false;
    if (!f->skip)
        f->text(f->ctx, &common[i].is, 1);
    c->p += common[i].n;
    return true;
}

/* Text from c->p to `to`, directly to its receiver. */
static int direct_text(struct xml_filter *f, struct cursor *c, const char *to)
{
    int r = xml_flush_all(f, c, c->p);

    f->cr = f->direct && f->cr;
    f->direct = to == c->end;
    while (c->p < to && r == 0) {
        const char *q = xml_scan_text(c->p, to);
        char with[XML_ENTITY_MAX];
        size_t used;
        bool keep;
        xml_put_text(f, c->p, (size_t)(q - c->p));
        c->p = q;
        if (q == to)
            break;
        if (*q != '&' && *q != ']') {
            f->repairs[XML_REPAIR_CONTROL]++;
            c->p++;
            continue;
        }
        if (*q == '&' && put_common(f, c))
            continue;
        small_token(f, q, (size_t)(c->end - q), &used, &keep, with);
        if (used == 0) { /* cut by the end of the chunk */
            r = buf_put(&f->hold, q, (size_t)(c->end - q));
            c->p = c->end;
            break;
        }
        put_small_token(f, q, used, keep, with);
        c->p += used;
    }
    c->run = c->p;
    return r;
}

/* Finish the '&' or ']' in hold with the bytes of this chunk. */
int xml_on_held_small_token(struct xml_filter *f, struct cursor *c)
{
    char with[XML_ENTITY_MAX];
    size_t used;
    bool keep;

    while (f->hold.n) {
        small_token(f, f->hold.s, f->hold.n, &used, &keep, with);
        if (used == 0) {
            if (c->p == c->end)
                return 0;
            int r = buf_putc(&f->hold, *c->p++);
            c->run = c->p;
            if (r)
                return r;
            continue;
        }
        int r = xml_flush_patch(f);
        if (r)
            return r;
        put_small_token(f, f->hold.s, used, keep, with);
        return xml_read_again(f, used);
    }
    return 0;
}

int xml_on_cdata(struct xml_filter *f, struct cursor *c)
{
    while (c->p < c->end && f->state == XML_CDATA) {
        const char *q = xml_scan_cdata(c->p, c->end);
        if (q > c->p) {
            xml_put_text(f, "]]", f->rsqb);
            f->rsqb = 0;
            xml_put_text(f, c->p, (size_t)(q - c->p));
        }
        c->p = q;
        if (q == c->end)
            break;
        if (*q == '>' && f->rsqb == 2) {
            f->state = XML_TEXT;
        } else if (*q == ']') {
            if (f->rsqb == 2)
                xml_put_text(f, "]", 1);
            else
                f->rsqb++;
        } else if (*q == '>') {
            xml_put_text(f, "]]", f->rsqb);
            f->rsqb = 0;
            xml_put_text(f, ">", 1);
        } else {
            f->repairs[XML_REPAIR_CONTROL]++;
        }
        c->p++;
    }
    c->run = c->p;
    return 0;
}

/* Nothing in short text but the references that are everywhere? */
static bool predefined_only(const char *s, const char *end)
{
    while ((s = xml_scan_text(s, end)) < end) {
        if (end - s < 6 || *s != '&')
            return false;
        if (memcmp(s, "&amp;", 5) == 0)
            s += 5;
        else if (memcmp(s, "&lt;", 4) == 0 || memcmp(s, "&gt;", 4) == 0)
            s += 4;
        else if (memcmp(s, "&quot;", 6) == 0)
            s += 6;
        else
            return false;
    }
    return true;
}

int xml_on_text(struct xml_filter *f, struct cursor *c)
{
    if (f->hold.n) {
        int r = xml_on_held_small_token(f, c);
        if (r || f->hold.n || c->p == c->end)
            return r;
    }
    if (*c->p == '<') {
        f->direct = false;
        return xml_on_lt(f, c);
    }
    if (f->direct || f->depth == 0) { /* the same text goes on, or it is junk */
        const char *lt = memchr(c->p, '<', (size_t)(c->end - c->p));
        return direct_text(f, c, lt ? lt : c->end);
    }
    const char *q = xml_scan_text(c->p, c->end);
    if (q - c->p > DIRECT_MIN || q == c->end || *q != '<') {
        const char *lt = memchr(q, '<', (size_t)(c->end - q));
        const char *to = lt ? lt : c->end;
        bool clean = lt && (q == to || *q == '&') && predefined_only(q, to);
        if (to - c->p > DIRECT_MIN || !clean)
            return direct_text(f, c, to);
        q = to;
    }
    c->p = q;
    return xml_on_lt(f, c);
}
