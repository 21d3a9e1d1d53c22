/* Drives Expat behind the repair filter, and starts it anew behind what it will not
 * take. */
#include "feed_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

enum { RECOVERIES_MAX = 20000 };

/* In later releases and in patched older ones; Debian's 2.5.0 has them or not. */
#pragma weak XML_SetReparseDeferralEnabled
extern XML_Bool XML_SetReparseDeferralEnabled(XML_Parser parser, XML_Bool enabled);

const char *xml_frame_name(const struct feed_member *x, const struct xml_frame *f)
{
    return x->arena.s + f->name_off;
}

void xml_stop(struct feed_member *x, int r)
{
    if (x->stop == 0)
        x->stop = r;
    (void)XML_StopParser(x->expat, XML_FALSE);
}

static void set_handlers(struct feed_member *x)
{
    XML_SetUserData(x->expat, x);
    XML_SetElementHandler(x->expat, xml_element_start, xml_element_end);
    XML_SetCharacterDataHandler(x->expat, xml_element_text);
}

/* The filter hands over whole tokens only, so there is never one to reparse, and a
 * finished tag must not wait for more bytes. */
static void set_up(struct feed_member *x)
{
    x->fed = 0;
    if (XML_SetReparseDeferralEnabled)
        (void)XML_SetReparseDeferralEnabled(x->expat, XML_FALSE);
}

static int feed_expat(struct feed_member *x, const char *s, size_t n)
{
    x->feeding = s;
    x->feeding_at = x->fed;
    if (XML_Parse(x->expat, s, (int)n, XML_FALSE) != XML_STATUS_OK)
        return -EBADMSG;
    x->fed += n;
    return 0;
}

/* A fresh Expat in which the elements of the stack are open. */
static int reopen(struct feed_member *x)
{
    int r = 0;

    if (!XML_ParserReset(x->expat, "UTF-8"))
        return -ENOMEM;
    set_up(x);
    for (unsigned i = 0; i < x->depth && r == 0; i++) {
        const char *name = xml_frame_name(x, &x->stack[i]);
        r = feed_expat(x, "<", 1);
        r = r ? r : feed_expat(x, name, strlen(name));
        r = r ? r : feed_expat(x, ">", 1);
    }
    set_handlers(x);
    return r;
}

/* --- recovering --- */

struct run { /* what is left of a run of tokens */
    const char *s;
    size_t n;
};

static struct str tag_name(const char *s, size_t n)
{
    size_t from = n > 1 && s[1] == '/' ? 2 : 1, i = from;

    while (i < n && s[i] != '>' && s[i] != '/' && (unsigned char)s[i] > ' ')
        i++;
    return (struct str){ s + from, i - from };
}

/* How many elements of the stack are outside of the one that `name` ends; the depth when
 * there is none. */
static unsigned find_open(const struct feed_member *x, struct str name)
{
    for (int nocase = 0; nocase < 2; nocase++)
        for (unsigned i = x->depth; i-- > 0;) {
            struct str open = str_of(xml_frame_name(x, &x->stack[i]));
            if (nocase ? str_eq_nocase(open, name) : str_eq(open, name))
                return i;
        }
    return x->depth;
}

/* An end tag that does not fit: close what it ends, or drop it. */
static int mend_nesting(struct feed_member *x, const char *s, size_t n)
{
    unsigned to = find_open(x, tag_name(s, n));

    x->filter.repairs[XML_REPAIR_NESTING]++;
    while (x->depth > to && x->stop == 0)
        xml_element_close(x);
    if (x->stop)
        return x->stop;
    return reopen(x);
}

/* An item starts where the one before has no end tag: end that one; the tag comes again.
 */
static int close_item(struct feed_member *x)
{
    x->unclosed = false;
    x->filter.repairs[XML_REPAIR_NESTING]++;
    while (x->in_item && x->depth && x->stop == 0)
        xml_element_close(x);
    return x->stop ? x->stop : reopen(x);
}

/* A tag that Expat will not take: rewrite it, or drop it. */
static int mend_tag(struct feed_member *x, const char *s, size_t n)
{
    struct buf tag;
    int r = reopen(x);

    x->filter.repairs[XML_REPAIR_TAG]++;
    buf_init(&tag, 4 * n + 16);
    if (r == 0 && xml_filter_mend_tag(&x->filter, &tag, s, n)) {
        r = feed_expat(x, tag.s, tag.n);
        if (r && x->unclosed) {
            r = close_item(x);
            r = r ? r : feed_expat(x, tag.s, tag.n);
        }
        if (r && x->stop)
            r = x->stop;
        else if (r && XML_GetErrorCode(x->expat) == XML_ERROR_TAG_MISMATCH)
            r = mend_nesting(x, tag.s, tag.n);
        else if (r)
            r = reopen(x);
    }
    if (tag.error == -ENOMEM)
        r = -ENOMEM;
    buf_free(&tag);
    return r;
}

/* Behind the root's end: skip to a tag with which a feed could go on. */
static int after_end(struct feed_member *x, struct run *run)
{
    static const struct {
        const char *name;
        const char *root; /* what it has to stand in */
    } again[] = { { "item", "rss" }, { "entry", "feed" }, { "channel", "rss" },
                  { "rss", NULL },   { "feed", NULL },    { "rdf:RDF", NULL } };

    while (run->n) {
        size_t from, to;
        xml_filter_token(run->s, run->n, 0, &from, &to);
        struct str name = { 0 };
        if (run->s[0] == '<')
            name = tag_name(run->s, to);
        for (size_t i = 0; name.n && run->s[1] != '/' && i < 6; i++) {
            if (!str_eq(name, str_of(again[i].name)))
                continue;
            x->filter.repairs[XML_REPAIR_TRAILING]++;
            x->closed = false;
            int r = reopen(x);
            if (r == 0 && again[i].root) {
                struct buf tag;
                buf_init(&tag, 64);
                (void)buf_printf(&tag, "<%s>", again[i].root);
                r = tag.error ? tag.error : feed_expat(x, tag.s, tag.n);
                buf_free(&tag);
            }
            return r;
        }
        x->junk_after |= str_trim((struct str){ run->s, to }).n > 0;
        run->s += to;
        run->n -= to;
    }
    return 0;
}

/* Expat stopped at run->s[at]: deal with the token there and leave `run` behind it. */
static int recover(struct feed_member *x, struct run *run, size_t at, enum XML_Error e)
{
    size_t from, to;
    int r;

    if (++x->recoveries > RECOVERIES_MAX)
        return feed_parse_end(x->p, FEED_BROKEN, "more than %d errors", RECOVERIES_MAX);
    if (e == XML_ERROR_NO_MEMORY)
        return -ENOMEM;
    if (x->unclosed) {
        run->s += at;
        run->n -= at;
        return close_item(x);
    }
    xml_filter_token(run->s, run->n, at, &from, &to);
    const char *s = run->s + from;
    size_t n = to - from;
    run->s += to;
    run->n -= to;
    if (e == XML_ERROR_TAG_MISMATCH)
        return mend_nesting(x, s, n);
    if (s[0] == '<' && n > 2)
        return mend_tag(x, s, n);
    if (x->depth == 0) { /* text where there can be none; runs are split at will */
        x->junk_before = true;
        return reopen(x);
    }
    x->filter.repairs[XML_REPAIR_OTHER]++;
    r = reopen(x);
    size_t bad = at - from; /* drop the character that it choked on */
    run->s = s + bad + 1;
    run->n += n - bad - 1;
    while (run->n && ((unsigned char)*run->s & 0xC0) == 0x80) {
        run->s++;
        run->n--;
    }
    return r;
}

static int on_run(void *ctx, const char *s, size_t n)
{
    struct feed_member *x = ctx;
    struct run run = { s, n };
    int r = 0;

    while (run.n && r == 0) {
        if (x->closed) {
            r = after_end(x, &run);
            continue;
        }
        uint64_t before = x->fed;
        bool ok = feed_expat(x, run.s, run.n) == 0;
        if (x->stop)
            return x->stop;
        if (x->closed) { /* the root ended in this run: look behind its end */
            size_t at = x->closed_at > before ? (size_t)(x->closed_at - before) : 0;
            at = at < run.n ? at : run.n;
            run.s += at;
            run.n -= at;
        } else if (ok) {
            break;
        } else {
            XML_Index index = XML_GetCurrentByteIndex(x->expat);
            uint64_t where = x->unclosed ? x->unclosed_at
                             : index > 0 ? (uint64_t)index
                                         : 0;
            size_t at = where > before ? (size_t)(where - before) : 0;
            r = recover(x, &run, at < run.n ? at : run.n - 1, XML_GetErrorCode(x->expat));
        }
    }
    x->filter.depth = x->depth;
    return x->stop ? x->stop : r;
}

static void on_text(void *ctx, const char *s, size_t n)
{
    struct feed_member *x = ctx;

    if (x->depth)
        xml_element_text(x, s, (int)n);
    else if (str_trim((struct str){ s, n }).n && x->closed)
        x->junk_after = true;
    else if (str_trim((struct str){ s, n }).n)
        x->junk_before = true;
}

/* --- member of the family --- */

static void xml_free(struct feed_member *x)
{
    if (!x)
        return;
    if (x->expat)
        XML_ParserFree(x->expat);
    xml_filter_done(&x->filter);
    free(x->stack);
    free(x->bind);
    buf_free(&x->arena);
    buf_free(&x->person_text);
    buf_free(&x->person_name);
    buf_free(&x->person_email);
    buf_free(&x->source_authors);
    buf_free(&x->person_feed);
    free(x);
}

static int xml_start(struct feed_member **out, struct feed_parse *p)
{
    struct feed_member *x = calloc(1, sizeof *x);

    if (!x)
        return -ENOMEM;
    x->p = p;
    x->generation = 1;
    buf_init(&x->arena, (size_t)1 << 20);
    buf_init(&x->person_text, 4096);
    buf_init(&x->person_name, 4096);
    buf_init(&x->person_email, 4096);
    buf_init(&x->source_authors, 16384);
    buf_init(&x->person_feed, 16384);
    xml_filter_init(&x->filter, p->limits.max_depth, on_run, on_text, x);
    xml_pass_known(x);
    x->expat = XML_ParserCreate("UTF-8");
    if (!x->expat) {
        xml_free(x);
        return -ENOMEM;
    }
    set_up(x);
    set_handlers(x);
    *out = x;
    return 0;
}

static int result_of(struct feed_member *x, int r)
{
    if (r == -EBADMSG && x->filter.fatal)
        return feed_parse_end(x->p, FEED_OVER_LIMIT, "%s", x->filter.fatal);
    if (r == -EBADMSG)
        return feed_parse_end(x->p, FEED_BROKEN, "broken beyond repair");
    if (r == -ENOMEM || r == -E2BIG)
        return feed_parse_end(x->p, FEED_NO_MEMORY, "out of memory");
    return r;
}

static int xml_push(struct feed_member *x, const char *s, size_t n)
{
    return result_of(x, xml_filter_push(&x->filter, s, n));
}

static const char *const repair_name[XML_REPAIRS] = {
    [XML_REPAIR_LEADING] = "leading junk",
    [XML_REPAIR_ENTITY] = "undefined entities",
    [XML_REPAIR_AMP] = "bare &",
    [XML_REPAIR_LT] = "bare <",
    [XML_REPAIR_CONTROL] = "control chars",
    [XML_REPAIR_TAG] = "bad tags",
    [XML_REPAIR_NESTING] = "bad nesting",
    [XML_REPAIR_PREFIX] = "unbound prefixes",
    [XML_REPAIR_TRAILING] = "trailing junk",
    [XML_REPAIR_OTHER] = "other",
};

static void xml_finish(struct feed_member *x)
{
    struct feed_parse *p = x->p;

    (void)result_of(x, xml_filter_finish(&x->filter));
    p->result.too_deep = x->filter.too_deep > 0;
    x->filter.repairs[XML_REPAIR_LEADING] += x->junk_before;
    x->filter.repairs[XML_REPAIR_TRAILING] += x->junk_after;
    for (int i = 0; i < XML_REPAIRS; i++)
        feed_parse_repaired(p, x->filter.repairs[i], repair_name[i]);
    if (!x->seen_feed)
        (void)feed_parse_end(p, FEED_NOT_A_FEED, "no element of a feed in it");
    else if (x->depth)
        (void)feed_parse_end(p, FEED_BROKEN, "ended inside <%.60s>",
                             xml_frame_name(x, &x->stack[x->depth - 1]));
}

const struct feed_kind feed_xml = { xml_start, xml_push, xml_finish, xml_free };
