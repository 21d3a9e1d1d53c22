/* Open elements: names and namespaces, xml:base and xml:lang, text being captured. */
#include "feed_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include "url.h"

enum {
    DEPTH_EXTRA = 1024, /* above the limit: left open by repairs */
    BINDS_MAX = 512,
};

const char *xml_attribute(const char **atts, const char *local)
{
    for (; *atts; atts += 2) {
        const char *colon = strchr(*atts, ':');
        if (strcasecmp(colon ? colon + 1 : *atts, local) == 0)
            return atts[1];
    }
    return NULL;
}

/* RFC 3986, 5.1: xml:base, else where the document came from.  RSS has nothing of its own
 * to say what the base is; readers take the channel's link, and the feed's own address
 * when nothing else is known. */
struct str xml_base(const struct feed_member *x)
{
    const struct xml_frame *f = x->depth ? &x->stack[x->depth - 1] : NULL;
    const struct feed_build *feed = &x->p->feed;
    struct str url = buf_str(&x->p->url), self = feed_build_get(feed, FEED_SELF);

    if (f && f->base_n)
        return (struct str){ x->arena.s + f->base_off, f->base_n };
    if (x->atom)
        return url;
    if (x->in_item && url_is_web(feed_build_get(feed, FEED_LINK)))
        return feed_build_get(feed, FEED_LINK);
    return url.n || !url_is_web(self) ? url : self;
}

/* --- names ----------------------------------------------------------------------------
 */

static unsigned ns_of(struct feed_member *x, struct str prefix)
{
    for (size_t i = x->n_bind; i-- > 0;) {
        const struct xml_bind *b = &x->bind[i];
        if (b->prefix_n == prefix.n &&
            memcmp(x->arena.s + b->prefix_off, prefix.s, prefix.n) == 0) {
            if (b->ns != NS_OTHER)
                return b->ns;
            if (prefix.n == 0)
                return NS_RSS;
            return xml_ns_of_prefix(prefix);
        }
    }
    if (prefix.n == 0)
        return NS_RSS;
    x->filter.repairs[XML_REPAIR_PREFIX] += !x->prefix_reported;
    x->prefix_reported = true;
    return xml_ns_of_prefix(prefix);
}

static unsigned hash(const char *s, size_t n)
{
    uint64_t h = n, w = 0;

    for (; n >= 8; s += 8, n -= 8) {
        memcpy(&w, s, 8);
        h = (h ^ w) * UINT64_C(0x9E3779B97F4A7C15);
    }
    w = 0;
    memcpy(&w, s, n);
    h = (h ^ w) * UINT64_C(0x9E3779B97F4A7C15);
    return (unsigned)(h >> 57) & (XML_NAME_CACHE - 1);
}

static struct xml_name *look_up(struct feed_member *x, const char *name, size_t n)
{
    if (n >= XML_NAME_MAX)
        return NULL;
    struct xml_name *e = &x->cache[hash(name, n)];
    if (e->generation == x->generation && e->n == n && memcmp(e->name, name, n) == 0)
        return e;
    memset(e->looked, 0, sizeof e->looked);
    memcpy(e->name, name, n);
    e->name[n] = '\0';
    e->n = n;
    const char *colon = memchr(e->name, ':', n);
    size_t skip = colon ? (size_t)(colon - e->name) : 0;
    e->ns = ns_of(x, (struct str){ e->name, skip });
    skip += colon != NULL;
    e->local = (struct str){ e->name + skip, n - skip };
    e->generation = x->generation;
    return e;
}

static const struct xml_rule *rule_for(struct xml_name *e, enum xml_place place)
{
    if (!e || place == PLACE_SKIP)
        return NULL;
    if (!e->looked[place]) {
        e->looked[place] = true;
        e->rule[place] = xml_rule_find(place, e->ns, e->local);
    }
    return e->rule[place];
}

/* --- attributes that every element may have -------------------------------------------
 */

static bool put_arena(struct feed_member *x, struct str s, uint32_t *off)
{
    *off = (uint32_t)x->arena.n;
    return buf_put_str(&x->arena, s) == 0 && buf_putc(&x->arena, '\0') == 0;
}

static int bind(struct feed_member *x, struct str prefix, const char *uri)
{
    if (x->n_bind == x->cap_bind) {
        size_t cap = x->cap_bind ? x->cap_bind * 2 : 16;
        if (cap > BINDS_MAX)
            return 0; /* so many that none matters */
        struct xml_bind *b = realloc(x->bind, cap * sizeof *b);
        if (!b)
            return -ENOMEM;
        x->bind = b;
        x->cap_bind = cap;
    }
    struct xml_bind *b = &x->bind[x->n_bind];
    *b = (struct xml_bind){ .prefix_n = (uint32_t)prefix.n,
                            .ns = xml_ns_of_uri(str_of(uri)) };
    if (*uri == '\0')
        b->ns = NS_RSS;
    if (!put_arena(x, prefix, &b->prefix_off))
        return x->arena.error;
    x->n_bind++;
    x->generation++;
    return 0;
}

static int set_base(struct feed_member *x, struct xml_frame *f, const char *value)
{
    struct buf b;
    int r = 0;

    buf_init(&b, 8192);
    if (url_resolve(&b, xml_base(x), str_trim(str_of(value))) == 0 && b.n) {
        if (put_arena(x, buf_str(&b), &f->base_off))
            f->base_n = (uint32_t)b.n;
        else
            r = x->arena.error;
    }
    buf_free(&b);
    return r;
}

/* Attributes mean nothing to us by their prefix, but one that is not declared makes the
 * document ill-formed; declarations of the same tag may follow. */
static void attribute_prefix(struct feed_member *x, struct str prefix)
{
    if (prefix.n < sizeof x->attribute_prefix) {
        x->attribute_prefixes = true;
        memcpy(x->attribute_prefix, prefix.s, prefix.n);
        x->attribute_prefix[prefix.n] = '\0';
    }
}

static int common_attributes(struct feed_member *x, struct xml_frame *f,
                             const char **atts)
{
    int r = 0;

    for (; *atts && r == 0; atts += 2) {
        if (atts[0][0] != 'x') {
            const char *colon = strchr(*atts, ':');
            if (colon && !x->prefix_reported)
                attribute_prefix(x, (struct str){ *atts, (size_t)(colon - *atts) });
            continue;
        }
        if (strncmp(*atts, "xmlns", 5) == 0) {
            if (atts[0][5] == ':')
                r = bind(x, str_of(*atts + 6), atts[1]);
            else if (atts[0][5] == '\0')
                r = bind(x, (struct str){ 0 }, atts[1]);
        } else if (strcmp(*atts, "xml:base") == 0) {
            r = set_base(x, f, atts[1]);
        } else if (strcmp(*atts, "xml:lang") == 0) {
            struct str v = str_trim(str_of(atts[1]));
            f->lang_n = 0;
            if (v.n < 64 && put_arena(x, v, &f->lang_off))
                f->lang_n = (uint32_t)v.n;
        }
    }
    if (x->attribute_prefixes && r == 0) {
        x->attribute_prefixes = false;
        (void)ns_of(x, str_of(x->attribute_prefix));
    }
    return r;
}

/* --- the stack -------------------------------------------------------------------------
 */

static struct xml_frame *push(struct feed_member *x, const char *name, size_t n)
{
    if (x->depth == x->cap_stack) {
        unsigned cap = x->cap_stack ? x->cap_stack * 2 : 32;
        struct xml_frame *s = NULL;
        if (x->depth >= x->p->limits.max_depth + DEPTH_EXTRA) {
            xml_stop(x, feed_parse_end(x->p, FEED_OVER_LIMIT, "nested too deeply"));
            return NULL;
        }
        s = realloc(x->stack, cap * sizeof *s);
        if (!s) {
            xml_stop(x, -ENOMEM);
            return NULL;
        }
        x->stack = s;
        x->cap_stack = cap;
    }
    struct xml_frame *f = &x->stack[x->depth];
    if (x->depth)
        *f = f[-1];
    else
        *f = (struct xml_frame){ .place = PLACE_ROOT };
    f->act = ACT_NONE;
    f->n_bind = (uint32_t)x->n_bind;
    if (!put_arena(x, (struct str){ name, n }, &f->name_off)) {
        xml_stop(x, x->arena.error == -ENOMEM
                        ? -ENOMEM
                        : feed_parse_end(x->p, FEED_OVER_LIMIT, "names too long"));
        return NULL;
    }
    x->depth++;
    return f;
}

static void pop(struct feed_member *x)
{
    const struct xml_frame *f = &x->stack[--x->depth];

    x->arena.n = f->name_off;
    if (x->n_bind != f->n_bind) {
        x->n_bind = f->n_bind;
        x->generation++;
    }
}

/* --- markup inside captured text --- */

static void add_escaped(struct feed_build *b, const char *s, size_t n)
{
    size_t from = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] != '<' && s[i] != '&')
            continue;
        feed_build_add(b, s + from, i - from);
        if (s[i] == '<')
            feed_build_add(b, "&lt;", 4);
        else
            feed_build_add(b, "&amp;", 5);
        from = i + 1;
    }
    feed_build_add(b, s + from, n - from);
}

/* A tag as HTML would have it: no prefix; of the attributes only what text is made of. */
static void add_tag(struct feed_member *x, const char *name, const char **atts)
{
    struct feed_build *b = x->capture.build;
    const char *colon = strchr(name, ':');
    const char *local = colon ? colon + 1 : name;
    const struct xml_name *e = colon ? look_up(x, name, strlen(name)) : NULL;
    const char *alt = atts && *atts ? xml_attribute(atts, "alt") : NULL;

    if (e && e->ns != NS_XHTML)
        return; /* not HTML: it would be taken for text */
    feed_build_add(b, atts ? "<" : "</", atts ? 1 : 2);
    feed_build_add(b, local, strlen(local));
    if (alt && !strchr(alt, '"')) {
        feed_build_add(b, " alt=\"", 6);
        add_escaped(b, alt, strlen(alt));
        feed_build_add(b, "\"", 1);
    }
    feed_build_add(b, ">", 1);
}

/* The filter skips what is too deep, but its count can be too low for a while. */
static bool too_deep(const struct feed_member *x)
{
    return x->depth > x->p->limits.max_depth;
}

static void nested_start(struct feed_member *x, const char *name, const char **atts)
{
    struct xml_capture *c = &x->capture;

    if (too_deep(x)) {
        x->filter.too_deep++;
        return;
    }
    if (c->mode == XML_MODE_PLAIN && c->rule->act != ACT_TEXT)
        return; /* markup in a date or an address */
    if (c->mode == XML_MODE_PLAIN || c->mode == XML_MODE_BASE64)
        c->mode = XML_MODE_HTML;
    add_tag(x, name, atts);
}

static bool starts_item(struct xml_name *e)
{
    const struct xml_rule *rule = rule_for(e, PLACE_FEED);

    return rule && rule->act == ACT_ITEM;
}

/* An item inside of one: the end tag of the outer one is missing.  As if the tag had not
 * come: feed_xml ends the item that is open and feeds it again.  An empty one ("<item/>")
 * says nothing. */
static void item_in_item(struct feed_member *x, struct xml_frame *f)
{
    uint64_t at = (uint64_t)XML_GetCurrentByteIndex(x->expat);
    uint64_t end = at + (uint64_t)XML_GetCurrentByteCount(x->expat);

    f->place = PLACE_SKIP;
    if (at < x->feeding_at || end - at < 2 || x->feeding[end - x->feeding_at - 2] == '/')
        return;
    pop(x);
    x->unclosed = true;
    x->unclosed_at = at;
    (void)XML_StopParser(x->expat, XML_FALSE);
}

void xml_element_start(void *ctx, const char *name, const char **atts)
{
    struct feed_member *x = ctx;
    size_t n = strlen(name);
    struct xml_frame *f;

    if (x->stop || !(f = push(x, name, n)))
        return;
    if (*atts) {
        int r = common_attributes(x, f, atts);
        if (r) {
            xml_stop(x, r == -E2BIG
                            ? feed_parse_end(x->p, FEED_OVER_LIMIT, "attributes too long")
                            : r);
            return;
        }
    }
    struct xml_name *e = look_up(x, name, n); /* counts unbound prefixes everywhere */
    if (x->capture.rule) {
        nested_start(x, name, atts);
        return;
    }
    if (f->place == PLACE_SKIP)
        return;
    const struct xml_rule *rule = rule_for(e, f->place);
    if (rule)
        xml_action_start(x, f, rule, e->ns, atts);
    else if (f->place == PLACE_ITEM && starts_item(e))
        item_in_item(x, f);
    else if (f->place != PLACE_ROOT && f->place != PLACE_PERSON)
        f->place = PLACE_SKIP;
}

void xml_element_close(struct feed_member *x)
{
    struct xml_frame *f = &x->stack[x->depth - 1];

    if (x->capture.rule) {
        if (x->depth == x->capture.depth)
            xml_action_capture_end(x);
        else if (x->capture.mode >= XML_MODE_HTML && !too_deep(x))
            add_tag(x, xml_frame_name(x, f), NULL);
    } else if (f->act == ACT_ITEM) {
        xml_action_item_end(x);
    } else if (f->act == ACT_AUTHOR || f->act == ACT_CONTRIBUTOR) {
        xml_action_person_end(x, f);
    }
    pop(x);
    if (x->depth == 0)
        x->closed = true;
}

void xml_element_end(void *ctx, const char *name)
{
    struct feed_member *x = ctx;

    (void)name;
    if (x->stop || x->unclosed || x->depth == 0)
        return;
    xml_element_close(x);
    if (x->closed)
        x->closed_at = (uint64_t)XML_GetCurrentByteIndex(x->expat) +
                       (uint64_t)XML_GetCurrentByteCount(x->expat);
}

void xml_element_text(void *ctx, const char *s, int n)
{
    struct feed_member *x = ctx;
    struct xml_capture *c = &x->capture;

    if (too_deep(x))
        return;
    if (c->rule) {
        if (c->mode == XML_MODE_INLINE ||
            (c->mode == XML_MODE_HTML && x->depth > c->depth))
            add_escaped(c->build, s, (size_t)n);
        else
            feed_build_add(c->build, s, (size_t)n);
    } else if (x->depth && x->stack[x->depth - 1].place == PLACE_PERSON) {
        (void)buf_put(&x->person_text, s, (size_t)n);
    }
}
