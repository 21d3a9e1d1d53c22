/* The streaming repair filter in front of Expat. */
#include "feed_xml_filter.h"

#include <errno.h>
#include <strings.h>
#include "feed_xml_filter_own.h"
#include "feed_xml_scan.h"
#include "feed_xml_entity.h"

enum {
    TAG_MAX = 256 << 10,    /* a longer tag is taken for text */
    TAG_LT_MAX = 16,        /* more '<' in one tag: its quote was never closed */
    DOCTYPE_MAX = 64 << 10, /* with its internal subset */
    REF_MAX = 40,           /* a reference is never longer */
    PATCH_FULL = 16 << 10,
    RUN_DIRECT = 2048, /* a clean run this long is not worth a copy */
};

void xml_filter_init(struct xml_filter *f, unsigned max_depth, xml_filter_out *out,
                     xml_filter_text *text, void *ctx)
{
    *f = (struct xml_filter){
        .out = out, .text = text, .ctx = ctx, .max_depth = max_depth
    };
    buf_init(&f->hold, TAG_MAX + 64);
    buf_init(&f->item, XML_ITEM_MAX + XML_ITEM_STEP);
    buf_init(&f->patch, (size_t)8 << 20);
    buf_init(&f->entities, DOCTYPE_MAX);
}

void xml_filter_done(struct xml_filter *f)
{
    buf_free(&f->hold);
    buf_free(&f->item);
    buf_free(&f->patch);
    buf_free(&f->entities);
}

/* --- handing on --- */

/* Expat would hold back a ']' or a carriage return at the end until more comes, which may
 * be text that does not go through it. */
static int hand_on(struct xml_filter *f, const char *s, size_t n)
{
    size_t k = n;

    while (k && (s[k - 1] == ']' || s[k - 1] == '\r'))
        k--;
    int r = f->skip || k == 0 ? 0 : f->out(f->ctx, s, k);
    if (r == 0 && k < n) {
        f->cr = false;
        xml_put_text(f, s + k, n - k);
    }
    return r;
}

int xml_flush_patch(struct xml_filter *f)
{
    if (f->patch.error)
        return f->patch.error;
    int r = f->patch.n ? hand_on(f, f->patch.s, f->patch.n) : 0;
    buf_clear(&f->patch);
    return r;
}

/* Output that is not part of the chunk, or follows such. */
static int put(struct xml_filter *f, const char *s, size_t n)
{
    if (f->skip)
        return 0;
    if (f->patch.n + n > PATCH_FULL) {
        int r = xml_flush_patch(f);
        if (r)
            return r;
    }
    return buf_put(&f->patch, s, n);
}

/* Hand on [run, to). */
int xml_flush_run(struct xml_filter *f, struct cursor *c, const char *to)
{
    const char *s = c->run;
    size_t n = (size_t)(to - s);

    c->run = to;
    if (n == 0)
        return 0;
    if (f->patch.n && n < RUN_DIRECT)
        return put(f, s, n);
    int r = xml_flush_patch(f);
    return r ? r : hand_on(f, s, n);
}

static int fail(struct xml_filter *f, const char *why)
{
    f->fatal = why;
    return -EBADMSG;
}

/* Everything before `to` has to be with its receiver before text goes directly. */
int xml_flush_all(struct xml_filter *f, struct cursor *c, const char *to)
{
    int r = xml_flush_run(f, c, to);
    return r ? r : xml_flush_patch(f);
}

/* Take what is in hold behind its first `used` bytes for input once more. */
int xml_read_again(struct xml_filter *f, size_t used)
{
    struct buf again = f->hold;
    int r = 0;

    if (used == again.n) {
        buf_clear(&f->hold);
        return 0;
    }
    buf_init(&f->hold, again.max);
    struct cursor inner = { again.s + used, again.s + again.n, again.s + used };
    r = xml_process(f, &inner);
    buf_free(&again);
    return r;
}

/* --- what a '<' starts --- */

static bool name_start(char ch)
{
    unsigned char u = (unsigned char)ch;
    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || u == '_' || u == ':' ||
           u >= 0x80;
}

static bool prefix_of(const char *s, size_t n, const char *word, bool *more)
{
    size_t w = strlen(word);
    size_t k = n < w ? n : w;

    if (strncasecmp(s, word, k) != 0)
        return false;
    *more = n < w;
    return true;
}

/* The state that the '<' at `s` leads to; XML_LT: more bytes are needed; XML_TEXT: it is
 * a bare '<'. */
static enum xml_state classify(const char *s, size_t n)
{
    bool more = false;

    if (n < 2)
        return XML_LT;
    if (name_start(s[1]))
        return XML_TAG;
    if (s[1] == '/') {
        if (n < 3)
            return XML_LT;
        return name_start(s[2]) ? XML_TAG : XML_TEXT;
    }
    if (s[1] == '?')
        return n < 6 && memchr(s, '>', n) == NULL ? XML_LT : XML_PI;
    if (s[1] != '!')
        return XML_TEXT;
    if (prefix_of(s, n, "<!--", &more))
        return more ? XML_LT : XML_COMMENT;
    if (prefix_of(s, n, "<![CDATA[", &more))
        return more ? XML_LT : XML_CDATA;
    if (prefix_of(s, n, "<!DOCTYPE", &more))
        return more ? XML_LT : XML_DOCTYPE;
    return n >= 3 && (name_start(s[2]) || s[2] == '[' || s[2] == '-') ? XML_BOGUS
                                                                      : XML_TEXT;
}

/* --- tags --- */

static void tag_begin(struct xml_filter *f)
{
    f->quote = 0;
    f->tag_amp = f->tag_dirty = false;
    f->tag_lt = f->n_word = 0;
}

/* Does what follows a '<' inside a quoted value show that the quote was never closed? */
static bool quote_left_open(const char word[6])
{
    if (word[0] == '/')
        word++;
    return !strncasecmp(word, "item", 4) || !strncasecmp(word, "entry", 5);
}

enum tag_scan { TAG_OPEN, TAG_CLOSED, TAG_BARE };

/* Look for the '>' of a tag from *pp on; *pp is left behind it. */
static enum tag_scan tag_scan(struct xml_filter *f, const char **pp, const char *end)
{
    const char *p = *pp;

    for (; p < end; p++) {
        unsigned char ch = (unsigned char)*p;
        if (f->n_word && (f->word[6 - f->n_word] = (char)ch, --f->n_word == 0) &&
            quote_left_open(f->word))
            return TAG_BARE;
        if (!xml_scan_tag_special[ch])
            continue;
        if (ch == '&') {
            f->tag_amp = true;
        } else if (ch == '<') {
            if (!f->quote || ++f->tag_lt > TAG_LT_MAX)
                return TAG_BARE;
            f->tag_dirty = true;
            f->n_word = sizeof f->word;
        } else if (ch == '>') {
            if (!f->quote) {
                *pp = p + 1;
                return TAG_CLOSED;
            }
        } else if (ch == '"' || ch == '\'') {
            if (!f->quote)
                f->quote = (char)ch;
            else if (f->quote == (char)ch)
                f->quote = 0;
        } else {
            f->tag_dirty = true;
        }
    }
    *pp = p;
    return TAG_OPEN;
}

/* Are all references in the tag ones that Expat takes? */
static bool references_clean(struct xml_filter *f, const char *s, size_t n)
{
    for (const char *a = s; (a = memchr(a, '&', n - (size_t)(a - s))) != NULL; a++) {
        char with[XML_ENTITY_MAX];
        size_t used;
        enum xml_repair kind;
        if (xml_entity_read(&f->entities, a, n - (size_t)(a - s), true, &used, with,
                            &kind) != XML_REF_KEEP)
            return false;
    }
    return true;
}

/* Is this an end tag of something that holds items, or an item's? */
static bool ends_item(const char *s, size_t n)
{
    static const char *const word[] = { "</item", "</entry",   "</channel",
                                        "</rss",  "</rdf:RDF", "</feed" };

    for (size_t i = 0; i < sizeof word / sizeof *word; i++) {
        size_t w = strlen(word[i]);
        if (n > w && !strncasecmp(s, word[i], w) && !name_start(s[w]))
            return true;
    }
    return false;
}

/* Keep the depth; false: the tag is to be dropped, being too deep. */
static int tag_depth(struct xml_filter *f, struct cursor *c, const char *s, size_t n,
                     bool *drop)
{
    bool is_end = s[1] == '/', empty = s[n - 2] == '/';

    *drop = false;
    if (f->skip) {
        if (is_end && ends_item(s, n)) {
            f->skip = 0;
        } else {
            f->skip = is_end ? f->skip - 1 : f->skip + !empty;
            *drop = true;
        }
        return 0;
    }
    if (is_end || empty) {
        f->depth -= is_end && f->depth > 0;
        return 0;
    }
    if (++f->depth > f->max_depth) {
        f->depth--;
        int r = xml_flush_run(f, c, c->run < s && s < c->end ? s : c->run);
        if (r == 0)
            r = xml_flush_patch(f); /* the receiver corrects depth */
        if (r)
            return r;
        if (++f->depth > f->max_depth) {
            f->depth--;
            f->skip = 1;
            f->too_deep++;
            *drop = true;
        }
    }
    return 0;
}

static int tag_emit(struct xml_filter *f, struct cursor *c, const char *s, size_t n,
                    bool held)
{
    bool drop;
    int r;

    f->state = XML_TEXT;
    if (f->skip && !held)
        c->run = s; /* nothing before is wanted */
    r = tag_depth(f, c, s, n, &drop);
    if (r)
        return r;
    bool dirty = f->tag_dirty || (f->tag_amp && !references_clean(f, s, n));
    if (!drop && !dirty && !held)
        return 0; /* the common case: stays in the run */
    if (!held) {
        r = c->run < s ? xml_flush_run(f, c, s) : 0;
        c->run = c->p;
    }
    if (r || drop)
        return r;
    if (!dirty)
        return put(f, s, n);
    r = xml_flush_patch(f);
    if (r == 0 && xml_filter_mend_tag(f, &f->patch, s, n))
        f->repairs[f->tag_dirty ? XML_REPAIR_TAG : XML_REPAIR_AMP]++;
    return r;
}

/* The tag s[0..n) is whole.  In the chunk (c->p is behind it) or in hold.  Behind a root
 * it has to be known whether it was one, before any text goes to Expat; and where tags do
 * not match, our count of the depth is worth nothing without the receiver's. */
static int tag_done(struct xml_filter *f, struct cursor *c, const char *s, size_t n,
                    bool held)
{
    bool root = f->depth == 0 && !f->skip;
    bool unsure = f->repairs[XML_REPAIR_NESTING] || f->repairs[XML_REPAIR_TAG];
    int r = tag_emit(f, c, s, n, held);

    return r == 0 && (root || unsure) ? xml_flush_all(f, c, c->p) : r;
}

/* The '<' that opened the token is text.  In hold: the bytes behind it are read again. */
static int bare_lt(struct xml_filter *f, struct cursor *c, const char *tok, bool held)
{
    int r;

    f->state = XML_TEXT;
    f->repairs[XML_REPAIR_LT]++;
    if (!held) {
        r = xml_flush_all(f, c, tok);
        /* cppcheck-suppress nullPointerArithmetic ; without `held` there is one */
        c->run = c->p = tok + 1;
        xml_put_text(f, "<", r == 0);
        return r;
    }
    r = xml_flush_patch(f);
    xml_put_text(f, "<", r == 0);
    return r ? r : xml_read_again(f, 1);
}

static int on_tag(struct xml_filter *f, struct cursor *c, const char *tok)
{
    bool held = tok == NULL;
    const char *from = c->p;
    size_t room = TAG_MAX - (held ? f->hold.n : (size_t)(from - tok));
    bool last = (size_t)(c->end - from) >= room; /* then the tag is too long */
    enum tag_scan what = tag_scan(f, &c->p, last ? from + room : c->end);
    size_t n = (size_t)(c->p - (held ? from : tok)) + f->hold.n;

    if (what == TAG_OPEN && last)
        what = TAG_BARE;
    if (what == TAG_BARE) {
        if (held)
            c->p = c->run = from; /* this chunk's bytes come after those in hold */
        return bare_lt(f, c, tok, held);
    }
    if (held || what == TAG_OPEN) {
        int r = held ? 0 : xml_flush_run(f, c, tok);
        if (r == 0)
            r = buf_put(&f->hold, held ? from : tok,
                        (size_t)(c->p - (held ? from : tok)));
        c->run = c->p;
        if (r || what == TAG_OPEN)
            return r;
        r = tag_done(f, c, f->hold.s, f->hold.n, true);
        buf_clear(&f->hold);
        return r;
    }
    return tag_done(f, c, tok, n, false);
}

/* --- comments, instructions, CDATA, the document type --- */

/* Look for `end` (2 or 3 bytes) from *pp on, across chunks by f->tail. */
static bool find_end(struct xml_filter *f, const char **pp, const char *end,
                     const char *what)
{
    size_t w = strlen(what);

    for (const char *p = *pp; p < end; p++) {
        const char *gt = memchr(p, '>', (size_t)(end - p));
        if (!gt)
            break;
        bool hit = true;
        for (size_t k = 1; k < w && hit; k++) { /* the bytes before the '>' */
            const char *q = gt - k;
            char ch = q >= *pp ? *q : f->tail[3 - (size_t)(*pp - q)];
            hit = ch == what[w - 1 - k];
        }
        if (hit) {
            *pp = gt + 1;
            return true;
        }
        p = gt;
    }
    for (const char *p = end - *pp > 3 ? end - 3 : *pp; p < end; p++) {
        f->tail[0] = f->tail[1];
        f->tail[1] = f->tail[2];
        f->tail[2] = *p;
    }
    *pp = end;
    return false;
}

static int on_dropped(struct xml_filter *f, struct cursor *c, const char *end)
{
    if (find_end(f, &c->p, c->end, end))
        f->state = XML_TEXT;
    c->run = c->p;
    return 0;
}

static int on_doctype(struct xml_filter *f, struct cursor *c)
{
    for (; c->p < c->end; c->p++) {
        char ch = *c->p;
        if (f->quote) {
            f->quote = f->quote == ch ? 0 : f->quote;
        } else if (ch == '"' || (ch == '\'' && f->brackets == 0)) {
            f->quote = ch;
        } else if (ch == '[') {
            f->brackets++;
        } else if (ch == ']') {
            f->brackets -= f->brackets > 0;
        } else if (ch == '>' && f->brackets == 0) {
            c->p++;
            break;
        }
    }
    if (f->hold.n + (size_t)(c->p - c->run) > DOCTYPE_MAX)
        return fail(f, "document type longer than 64 KiB");
    int r = buf_put(&f->hold, c->run, (size_t)(c->p - c->run));
    c->run = c->p;
    if (r || f->hold.s[f->hold.n - 1] != '>' || f->quote || f->brackets)
        return r;
    f->state = XML_TEXT;
    const char *why = xml_entity_doctype(&f->entities, f->hold.s, f->hold.n, &f->html);
    buf_clear(&f->hold);
    if (f->entities.error == -ENOMEM)
        return -ENOMEM;
    return why ? fail(f, why) : 0;
}

/* --- the machine --- */

/* Enter the state that the '<' at `tok` leads to; c->p is behind the '<'. */
static int enter(struct xml_filter *f, struct cursor *c, const char *tok, size_t n,
                 enum xml_state to, bool held)
{
    int r = 0;

    memset(f->tail, 0, sizeof f->tail);
    if (to == XML_TEXT)
        return bare_lt(f, c, tok, held);
    if (to == XML_CDATA) {
        if (held)
            buf_clear(&f->hold);
        else
            c->p = tok + 9;
        r = xml_flush_all(f, c, held ? c->run : tok);
        c->run = c->p;
        f->state = to;
        f->rsqb = 0;
        f->cr = false;
        return r;
    }
    if (!held)
        r = xml_flush_run(f, c, tok);
    if (r == 0 && to == XML_DOCTYPE)
        r = xml_flush_patch(f); /* it may be the end of everything */
    f->state = to;
    f->xml_decl = to == XML_PI && n >= 6 && !memcmp(tok, "<?xml", 5) &&
                  (tok[5] <= ' ' || tok[5] == '?');
    f->repairs[XML_REPAIR_OTHER] += to == XML_BOGUS;
    if (to == XML_DOCTYPE) {
        f->quote = 0;
        f->brackets = 0;
        if (!held) {
            r = r ? r : buf_put(&f->hold, tok, 9);
            c->p = tok + 9;
        }
        c->run = c->p;
        return r;
    }
    if (to == XML_COMMENT)
        c->p = held ? c->p : tok + 4;
    else if (!held)
        c->p = tok + 2;
    if (held && to != XML_COMMENT) { /* a '>' may be in hold already */
        const char *h = f->hold.s + 2;
        if (find_end(f, &h, f->hold.s + f->hold.n,
                     to == XML_PI && !f->xml_decl ? "?>" : ">"))
            f->state = XML_TEXT;
    }
    if (held)
        buf_clear(&f->hold);
    c->run = c->p;
    return r;
}

int xml_on_lt(struct xml_filter *f, struct cursor *c)
{
    const char *tok = c->p;
    size_t n = (size_t)(c->end - tok);

    if (f->items && xml_item_starts(f, tok, n))
        return xml_on_item(f, c);
    f->between = f->read_item = false;
    enum xml_state to = classify(tok, n);

    if (to == XML_LT) {
        int r = xml_flush_run(f, c, tok);
        f->state = XML_LT;
        c->p = c->run = c->end;
        return r ? r : buf_put(&f->hold, tok, n);
    }
    if (to == XML_TAG) {
        f->state = XML_TAG;
        tag_begin(f);
        c->p = tok + 1;
        return on_tag(f, c, tok);
    }
    return enter(f, c, tok, n, to, false);
}

/* The '<' and what follows it lie in hold; take bytes until it is clear what it is. */
static int on_held_lt(struct xml_filter *f, struct cursor *c)
{
    enum xml_state to;

    while ((to = classify(f->hold.s, f->hold.n)) == XML_LT) {
        if (c->p == c->end)
            return 0;
        int r = buf_putc(&f->hold, *c->p++);
        c->run = c->p;
        if (r)
            return r;
    }
    if (to == XML_TAG) { /* scan again what was held: 3 bytes at most */
        f->state = XML_TAG;
        tag_begin(f);
        const char *h = f->hold.s + 1, *end = f->hold.s + f->hold.n;
        enum tag_scan what = tag_scan(f, &h, end);
        if (what == TAG_BARE)
            return bare_lt(f, c, NULL, true);
        if (what == TAG_CLOSED) {
            int r = tag_done(f, c, f->hold.s, f->hold.n, true);
            buf_clear(&f->hold);
            return r;
        }
        return 0;
    }
    return enter(f, c, f->hold.s, f->hold.n, to, true);
}

/* Skip to the first markup. */
static int on_leading(struct xml_filter *f, struct cursor *c)
{
    for (; c->p < c->end; c->p++) {
        char ch = *c->p;
        if (f->hold.n) {
            buf_clear(&f->hold);
            if (ch == '?' || ch == '!' || name_start(ch)) {
                if (f->junk || (f->white && ch == '?'))
                    f->repairs[XML_REPAIR_LEADING]++;
                int r = buf_putc(&f->hold, '<');
                f->state = XML_LT;
                c->run = c->p;
                return r;
            }
            f->junk = true;
        }
        if (ch == '<') {
            int r = buf_putc(&f->hold, '<');
            if (r)
                return r;
        } else if (ch == ' ' || ch == '\n' || ch == '\r' || ch == '\t') {
            f->white = true;
        } else {
            f->junk = true;
        }
    }
    c->run = c->p;
    return 0;
}

static int step(struct xml_filter *f, struct cursor *c)
{
    switch (f->state) {
    case XML_LEADING:
        return on_leading(f, c);
    case XML_TEXT:
        return xml_on_text(f, c);
    case XML_LT:
        return on_held_lt(f, c);
    case XML_TAG:
        return on_tag(f, c, NULL);
    case XML_COMMENT:
        return on_dropped(f, c, "-->");
    case XML_PI:
        return on_dropped(f, c, f->xml_decl ? ">" : "?>");
    case XML_CDATA:
        return xml_on_cdata(f, c);
    case XML_DOCTYPE:
        return on_doctype(f, c);
    case XML_BOGUS:
        return on_dropped(f, c, ">");
    case XML_ITEM:
        return xml_on_cut_item(f, c);
    }
    return 0;
}

int xml_process(struct xml_filter *f, struct cursor *c)
{
    int r = 0;

    while (r == 0 && c->p < c->end)
        r = step(f, c);
    if (r == 0)
        r = xml_flush_run(f, c, c->end);
    return r ? r : xml_flush_patch(f);
}

int xml_filter_push(struct xml_filter *f, const char *s, size_t n)
{
    struct cursor c = { s, s + n, s };

    if (f->fatal)
        return -EBADMSG;
    return xml_process(f, &c);
}

int xml_filter_finish(struct xml_filter *f)
{
    struct cursor c = { "", NULL, NULL };
    int r = 0;

    if (f->fatal)
        return -EBADMSG;
    if (f->state == XML_ITEM && (r = xml_end_cut_item(f)) != 0)
        return r;
    f->eof = true;
    c.end = c.run = c.p;
    if (f->state == XML_TEXT && f->hold.n) {
        r = xml_on_held_small_token(f, &c);
    } else if (f->state == XML_TAG && f->hold.n > 2 && f->hold.s[1] == '/' && !f->quote) {
        /* "</rss" and then nothing: good enough */
        f->repairs[XML_REPAIR_TAG]++;
        r = buf_putc(&f->hold, '>');
        if (r == 0)
            r = tag_done(f, &c, f->hold.s, f->hold.n, true);
        buf_clear(&f->hold);
    }
    return r ? r : xml_flush_patch(f);
}
