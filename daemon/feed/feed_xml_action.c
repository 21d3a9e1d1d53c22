/* What an element does: the acts that the rules name. */
#include "feed_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include "url.h"
#include "utf8.h"

/* Ranks of what stands in for a link; the table's own are below these. */
enum {
    RANK_LINK_GUID = 5,
    RANK_LINK_ABOUT = 6,
    RANK_LINK_ID = 7,
    RANK_LINK_SELF = 8,
    RANK_LINK_ENCLOSURE = 9,
    RANK_ID_ABOUT = 2,
};

static struct str attribute(const char **atts, const char *local)
{
    return str_trim(str_of(xml_attribute(atts, local)));
}

static struct feed_build *build_of(struct feed_member *x)
{
    if (!x->in_item)
        x->p->feed_changed = true;
    return x->in_item ? &x->p->item : &x->p->feed;
}

/* --- capturing text --------------------------------------------------------------------
 */

static void capture(struct feed_member *x, const struct xml_rule *rule,
                    enum xml_mode mode)
{
    struct feed_build *b = build_of(x);

    buf_clear(&b->scratch);
    b->scratch_cut = false;
    x->capture = (struct xml_capture){
        .rule = rule, .build = b, .depth = x->depth, .mode = mode, .form = FEED_FORM_HTML
    };
}

static bool is_type(struct str type, const char *a, const char *b)
{
    return str_eq_nocase(type, str_of(a)) || str_eq_nocase(type, str_of(b));
}

static bool ends_nocase(struct str s, const char *tail)
{
    size_t n = strlen(tail);

    return s.n >= n && strncasecmp(s.s + s.n - n, tail, n) == 0;
}

static bool begins_nocase(struct str s, const char *head)
{
    size_t n = strlen(head);

    return s.n >= n && strncasecmp(s.s, head, n) == 0;
}

/* How an Atom text construct or content is to be read.  Source: RFC 4287 3.1 and 4.1.3;
 * Atom 0.3 section 3.1 for mode=. */
static enum xml_mode atom_mode(struct str type, struct str mode, enum feed_form *form)
{
    bool html = is_type(type, "html", "text/html");

    *form = type.n == 0 || begins_nocase(type, "text/plain") ? FEED_FORM_TEXT
                                                             : FEED_FORM_HTML;
    if (str_eq_nocase(mode, STR("base64")))
        return XML_MODE_BASE64;
    if (str_eq_nocase(mode, STR("escaped")))
        return type.n == 0 || html ? XML_MODE_HTML : XML_MODE_PLAIN;
    if (is_type(type, "xhtml", "application/xhtml+xml") ||
        (str_eq_nocase(mode, STR("xml")) && html))
        return XML_MODE_INLINE;
    if (html)
        return XML_MODE_HTML;
    if (type.n == 0 || is_type(type, "text", "text/plain") ||
        begins_nocase(type, "text/"))
        return XML_MODE_PLAIN;
    if (ends_nocase(type, "/xml") || ends_nocase(type, "+xml"))
        return XML_MODE_INLINE;
    return memchr(type.s, '/', type.n) ? XML_MODE_BASE64 : XML_MODE_PLAIN;
}

static void start_text(struct feed_member *x, struct xml_frame *f,
                       const struct xml_rule *rule, unsigned ns, const char **atts)
{
    struct str type = attribute(atts, "type"), mode = attribute(atts, "mode");
    bool atom = (ns & NS_ATOM) || (x->atom && (ns & NS_RSS));
    enum feed_form form = FEED_FORM_HTML;
    enum xml_mode m = XML_MODE_HTML;

    f->place = PLACE_SKIP;
    if (!feed_build_wants(build_of(x), rule->field, rule->rank) &&
        rule->field != FEED_SUMMARY)
        return;
    if (atom)
        m = atom_mode(type, mode, &form);
    else if ((ns & NS_MEDIA) && str_eq_nocase(type, STR("plain")))
        m = XML_MODE_PLAIN;
    else if (ns & NS_XHTML)
        m = XML_MODE_INLINE;
    capture(x, rule, m);
    x->capture.form = form;
    x->capture.guess = mode.n == 0;
}

/* What the base64 `s` encodes; false when it is none. */
static bool decode_base64(struct buf *out, struct str s)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.s[i];
        const char *d = c ? strchr(digits, c) : NULL;
        if (c == '=' || c == ' ' || (c >= '\t' && c <= '\r'))
            continue;
        if (!d)
            return false;
        bits = bits << 6 | (uint32_t)(d - digits);
        if (++n % 4 != 1)
            (void)buf_putc(out, (char)(bits >> (6 - 2 * ((n - 1) % 4))));
    }
    return n % 4 != 1 && out->n && !memchr(out->s, '\0', out->n);
}

static int keep(void *ctx, const char *s, size_t n)
{
    return buf_put(ctx, s, n);
}

/* UTF-8 without controls? */
static bool text_like(struct str s)
{
    for (size_t i = 0, len; i < s.n; i += len) {
        uint32_t c = utf8_get(s.s + i, s.n - i, &len);
        if (c == UTF8_BAD || (c < 0x20 && c != '\n' && c != '\r' && c != '\t'))
            return false;
    }
    return true;
}

/* Scratch may hold base64 of text, in UTF-8 or windows-1252.  What is not base64 stays as
 * it is; `guess`: nothing but an unknown type says that it is. */
static void end_base64(struct feed_build *b, bool guess)
{
    struct charset *c = NULL;
    struct buf bytes, text;
    int r = 0;

    buf_init(&bytes, b->scratch.max);
    buf_init(&text, b->scratch.max);
    if (decode_base64(&bytes, buf_str(&b->scratch)) &&
        (!guess || text_like(buf_str(&bytes)))) {
        r = charset_new(&c, STR("utf-8"), STR(""), keep, &text);
        if (r == 0)
            r = charset_push(c, bytes.s, bytes.n);
        if (r == 0)
            r = charset_finish(c);
        charset_free(c);
    }
    if (bytes.error == -ENOMEM || text.error == -ENOMEM || r == -ENOMEM)
        b->error = -ENOMEM;
    buf_free(&bytes);
    if (text.n) {
        buf_free(&b->scratch);
        b->scratch = text;
    } else {
        buf_free(&text);
    }
}

/* --- links --- */

/* rel= may be the address of a registered relation, too (RFC 4287 4.2.7.2). */
static struct str relation(const char **atts)
{
    static const char iana[] = "http://www.iana.org/assignments/relation/";
    struct str rel = attribute(atts, "rel");

    if (begins_nocase(rel, iana))
        rel = (struct str){ rel.s + sizeof iana - 1, rel.n - (sizeof iana - 1) };
    return rel;
}

static void start_link(struct feed_member *x, struct xml_frame *f,
                       const struct xml_rule *rule, const char **atts)
{
    struct str href = attribute(atts, "href"), rel = relation(atts);
    struct str type = attribute(atts, "type"), base = xml_base(x);
    struct feed_build *b = build_of(x);

    f->place = PLACE_SKIP;
    if (href.n == 0 && xml_attribute(atts, "href"))
        href = base; /* RFC 3986 4.4: this document */
    if (href.n == 0) {
        if (rel.n == 0 || str_has_word(rel, "alternate"))
            capture(x, rule, XML_MODE_PLAIN);
        return;
    }
    if (rel.n == 0 || str_has_word(rel, "alternate")) {
        bool html = is_type(type, "text/html", "application/xhtml+xml");
        bool bare = type.n == 0 && rel.n == 0 && (rule->ns & NS_RSS);
        unsigned more = bare ? 0 : html ? rel.n == 0 : type.n == 0 ? 1 : 3;
        feed_build_link(b, FEED_LINK, rule->rank + more, base, href);
    } else if (str_has_word(rel, "enclosure") && x->in_item) {
        feed_build_enclosure(b, base, href);
        feed_build_link(b, FEED_LINK, RANK_LINK_ENCLOSURE, base, href);
    } else if (str_has_word(rel, "self")) {
        if (!x->in_item)
            feed_build_link(b, FEED_SELF, 0, base, href);
        feed_build_link(b, FEED_LINK, RANK_LINK_SELF, base, href);
    } else if (str_has_word(rel, "hub") && !x->in_item) {
        feed_build_link(b, FEED_HUB, 0, base, href);
    }
}

/* --- persons --- */

static void start_person(struct feed_member *x, struct xml_frame *f)
{
    x->person_source = f->place == PLACE_SOURCE;
    x->has_author |= x->in_item && !x->person_source && f->act == ACT_AUTHOR;
    f->place = PLACE_PERSON;
    buf_clear(&x->person_text);
    buf_clear(&x->person_name);
    buf_clear(&x->person_email);
}

static void add_person(struct feed_member *x, struct str who)
{
    struct buf *names = x->person_source ? &x->source_authors : &x->person_feed;
    int r;

    if (x->in_item && !x->person_source) {
        feed_build_list(&x->p->item, FEED_AUTHORS, who);
    } else if (who.n && (r = buf_reserve(names, who.n + 1)) < 0) {
        if (r == -ENOMEM)
            xml_stop(x, r);
    } else if (who.n) {
        (void)buf_put_str(names, who);
        (void)buf_putc(names, '\0');
    }
}

void xml_action_person_end(struct feed_member *x, struct xml_frame *f)
{
    struct str name = str_trim(buf_str(&x->person_name));

    (void)f;
    if (x->person_name.error == -ENOMEM || x->person_email.error == -ENOMEM ||
        x->person_text.error == -ENOMEM) {
        xml_stop(x, -ENOMEM);
        return;
    }
    if (name.n == 0)
        name = str_trim(buf_str(&x->person_email));
    if (name.n == 0 && !x->person_text.error) /* so long a text is no name */
        name = str_trim(buf_str(&x->person_text));
    add_person(x, name);
}

/* --- items --- */

static void start_item(struct feed_member *x, struct xml_frame *f, const char **atts)
{
    struct feed_build *b = &x->p->item;
    struct str about, href;

    x->in_item = true;
    x->seen_feed = true;
    x->has_author = false;
    f->place = PLACE_ITEM;
    feed_build_clear(b);
    buf_clear(&x->source_authors);
    if (f->lang_n)
        feed_build_set(b, FEED_LANG, 3, FEED_FORM_TEXT,
                       (struct str){ x->arena.s + f->lang_off, f->lang_n });
    about = attribute(atts, "about");
    if (about.n) {
        feed_build_set(b, FEED_ID, RANK_ID_ABOUT, FEED_FORM_TEXT, about);
        feed_build_link(b, FEED_LINK, RANK_LINK_ABOUT, xml_base(x), about);
    }
    href = attribute(atts, "href"); /* CDF */
    if (href.n)
        feed_build_link(b, FEED_LINK, 2, xml_base(x), href);
    feed_build_time(b, FEED_UPDATED, 5, attribute(atts, "lastmod"),
                    feed_parse_lang(x->p));
}

static void inherit_authors(struct feed_member *x)
{
    struct buf *from = x->source_authors.n ? &x->source_authors : &x->person_feed;

    if (x->has_author)
        return;
    for (size_t i = 0; i < from->n; i += strlen(from->s + i) + 1)
        feed_build_list(&x->p->item, FEED_AUTHORS, str_of(from->s + i));
}

void xml_action_item_end(struct feed_member *x)
{
    if (x->atom || x->source_authors.n)
        inherit_authors(x);
    int r = feed_parse_deliver(x->p);
    x->in_item = false;
    if (r)
        xml_stop(x, r);
}

/* --- the feed --- */

static void set_format(struct feed_member *x, enum feed_format format)
{
    if (x->p->info.format == FEED_FORMAT_UNKNOWN)
        x->p->info.format = format;
}

static void start_feed(struct feed_member *x, struct xml_frame *f, enum xml_act act,
                       unsigned ns, const char **atts)
{
    struct str version = attribute(atts, "version"), href = attribute(atts, "href");

    f->place = PLACE_FEED;
    x->seen_feed = true;
    x->p->feed.last_link = !x->atom;
    if (f->lang_n)
        feed_build_set(build_of(x), FEED_LANG, 0, FEED_FORM_TEXT,
                       (struct str){ x->arena.s + f->lang_off, f->lang_n });
    if (act == ACT_RDF) {
        set_format(x, FEED_FORMAT_RSS10);
    } else if (act == ACT_ATOM) {
        x->atom = true;
        x->p->feed.last_link = false;
        set_format(x, (ns & NS_ATOM03) || begins_nocase(version, "0.")
                          ? FEED_FORMAT_ATOM03
                          : FEED_FORMAT_ATOM10);
    } else if (act == ACT_RSS) {
        set_format(x,
                   begins_nocase(version, "0.9") ? FEED_FORMAT_RSS09 : FEED_FORMAT_RSS20);
    } else {
        if (ns & NS_RSS09)
            x->p->info.format = FEED_FORMAT_RSS09;
        set_format(x, href.n || x->depth == 1 ? FEED_FORMAT_CDF : FEED_FORMAT_RSS20);
        if (href.n)
            feed_build_link(build_of(x), FEED_LINK, 2, xml_base(x), href);
    }
}

static void start_category(struct feed_member *x, struct xml_frame *f,
                           const struct xml_rule *rule, const char **atts)
{
    static const char *const where[] = { "label", "term", "text" };
    bool any = false;

    for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
        struct str v = attribute(atts, where[i]);
        any |= v.n > 0;
        feed_build_list(&x->p->item, FEED_CATEGORIES, v);
    }
    f->place = any ? PLACE_ITEM : PLACE_SKIP; /* itunes:category has others within */
    if (!any)
        capture(x, rule, XML_MODE_PLAIN);
}

/* False: it has no address in its attributes. */
static bool start_enclosure(struct feed_member *x, const char **atts)
{
    struct str url = attribute(atts, "url");

    if (url.n == 0)
        url = attribute(atts, "href");
    feed_build_enclosure(&x->p->item, xml_base(x), url);
    feed_build_link(&x->p->item, FEED_LINK, RANK_LINK_ENCLOSURE, xml_base(x), url);
    return url.n > 0;
}

void xml_action_start(struct feed_member *x, struct xml_frame *f,
                      const struct xml_rule *rule, unsigned ns, const char **atts)
{
    f->act = rule->act;
    switch (rule->act) {
    case ACT_RSS:
    case ACT_RDF:
    case ACT_ATOM:
    case ACT_CHANNEL:
        start_feed(x, f, rule->act, ns, atts);
        break;
    case ACT_ITEM:
        start_item(x, f, atts);
        break;
    case ACT_HTML:
        xml_stop(x, feed_parse_end(x->p, FEED_NOT_A_FEED, "an HTML page"));
        break;
    case ACT_TEXT:
        start_text(x, f, rule, ns, atts);
        break;
    case ACT_LINK:
        start_link(x, f, rule, atts);
        break;
    case ACT_GUID:
        f->place = PLACE_SKIP;
        capture(x, rule, XML_MODE_PLAIN);
        x->capture.permalink =
            !str_eq_nocase(attribute(atts, "ispermalink"), STR("false"));
        break;
    case ACT_AUTHOR:
    case ACT_CONTRIBUTOR:
        start_person(x, f);
        break;
    case ACT_CATEGORY:
        start_category(x, f, rule, atts);
        break;
    case ACT_MEDIA:
        (void)start_enclosure(x, atts);
        break;
    case ACT_ENCLOSURE:
        f->place = PLACE_SKIP;
        if (!start_enclosure(x, atts))
            capture(x, rule, XML_MODE_PLAIN);
        break;
    case ACT_SOURCE:
        f->place = PLACE_SOURCE;
        break;
    case ACT_HOURS:
        f->place = PLACE_HOURS;
        break;
    case ACT_SKIP:
        f->place = PLACE_SKIP;
        break;
    case ACT_NONE:
    case ACT_ENTER:
        break;
    case ACT_KEYWORDS:
    case ACT_PLAIN:
    case ACT_URL:
    case ACT_PUBLISHED:
    case ACT_UPDATED:
    case ACT_NAME:
    case ACT_EMAIL:
    case ACT_LANG:
    case ACT_TTL:
    case ACT_PERIOD:
    case ACT_FREQUENCY:
    case ACT_HOUR:
    case ACT_DAY:
        f->place = PLACE_SKIP;
        capture(x, rule, XML_MODE_PLAIN);
        break;
    }
}

/* --- advice on polling --- */

static int64_t small_number(struct str s)
{
    int64_t v = 0;

    for (size_t i = 0; i < s.n && s.s[i] >= '0' && s.s[i] <= '9' && v < 100000000; i++)
        v = v * 10 + (s.s[i] - '0');
    return v;
}

static void sy_ttl(struct feed_member *x)
{
    int64_t f = x->sy_frequency ? x->sy_frequency : 1;

    if (x->sy_period_s)
        x->p->info.ttl_s = x->sy_period_s / f;
}

static void take_advice(struct feed_member *x, enum xml_act act, struct str v)
{
    static const struct {
        const char *word;
        int64_t s;
    } period[] = { { "hourly", 3600 },
                   { "daily", 86400 },
                   { "weekly", 604800 },
                   { "monthly", 2592000 },
                   { "yearly", 31536000 } };
    static const char *const day[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
    int64_t n = small_number(v);

    if (act == ACT_TTL && n > 0) {
        x->p->info.ttl_s = n * 60;
    } else if (act == ACT_FREQUENCY && n > 0) {
        x->sy_frequency = n;
        sy_ttl(x);
    } else if (act == ACT_HOUR && v.n && n <= 24) {
        x->p->info.skip_hours |= UINT32_C(1) << (n % 24);
    }
    for (size_t i = 0; act == ACT_PERIOD && i < sizeof period / sizeof *period; i++)
        if (str_eq_nocase(v, str_of(period[i].word))) {
            x->sy_period_s = period[i].s;
            sy_ttl(x);
        }
    for (unsigned i = 0; act == ACT_DAY && i < 7; i++)
        if (begins_nocase(v, day[i]))
            x->p->info.skip_days |= UINT32_C(1) << i;
}

/* --- the end of a captured element --- */

/* An address that is an item's identity may stand in for its link. */
static void end_guid(struct feed_build *b, const struct xml_capture *c)
{
    unsigned rank = c->rule->rank ? RANK_LINK_ID : RANK_LINK_GUID;
    struct str id;

    feed_build_take(b, FEED_ID, c->rule->rank, FEED_FORM_TEXT);
    id = feed_build_get(b, FEED_ID);
    if (c->permalink && url_is_web(id))
        feed_build_link(b, FEED_LINK, rank, STR(""), id);
}

static void end_url(struct feed_member *x, struct feed_build *b, enum feed_field field,
                    unsigned rank)
{
    struct buf ref = b->scratch; /* resolving writes to scratch */

    buf_init(&b->scratch, ref.max);
    feed_build_link(b, field, rank, xml_base(x), str_trim(buf_str(&ref)));
    buf_free(&ref);
}

static void end_enclosure(struct feed_member *x, struct feed_build *b)
{
    struct buf ref = b->scratch;

    buf_init(&b->scratch, ref.max);
    feed_build_enclosure(b, xml_base(x), str_trim(buf_str(&ref)));
    buf_free(&ref);
}

static void end_keywords(struct feed_build *b, struct str list)
{
    while (list.n) {
        const char *comma = memchr(list.s, ',', list.n);
        size_t n = comma ? (size_t)(comma - list.s) : list.n;
        feed_build_list(b, FEED_CATEGORIES, (struct str){ list.s, n });
        n += comma != NULL;
        list = (struct str){ list.s + n, list.n - n };
    }
}

void xml_action_capture_end(struct feed_member *x)
{
    struct xml_capture c = x->capture;
    struct feed_build *b = c.build;
    struct str text = str_trim(buf_str(&b->scratch));

    x->capture.rule = NULL;
    switch (c.rule->act) {
    case ACT_TEXT:
        if (c.mode == XML_MODE_BASE64)
            end_base64(b, c.guess);
        else
            c.form = c.mode == XML_MODE_PLAIN ? FEED_FORM_TEXT : FEED_FORM_HTML;
        feed_build_take(b, c.rule->field, c.rule->rank, c.form);
        break;
    case ACT_PLAIN:
    case ACT_LANG:
        feed_build_take(b, c.rule->field, c.rule->rank, FEED_FORM_TEXT);
        break;
    case ACT_URL:
    case ACT_LINK:
        end_url(x, b, c.rule->field, c.rule->rank);
        break;
    case ACT_GUID:
        end_guid(b, &c);
        break;
    case ACT_PUBLISHED:
        feed_build_time(b, FEED_PUBLISHED, c.rule->rank, text, feed_parse_lang(x->p));
        break;
    case ACT_UPDATED:
        feed_build_time(b, FEED_UPDATED, c.rule->rank, text, feed_parse_lang(x->p));
        break;
    case ACT_NAME:
        (void)buf_put_str(&x->person_name, text);
        break;
    case ACT_EMAIL:
        (void)buf_put_str(&x->person_email, text);
        break;
    case ACT_ENCLOSURE:
        end_enclosure(x, b);
        break;
    case ACT_KEYWORDS:
        end_keywords(b, text);
        break;
    case ACT_CATEGORY:
        feed_build_list(b, FEED_CATEGORIES, text);
        break;
    default:
        take_advice(x, c.rule->act, text);
        break;
    }
    buf_clear(&b->scratch);
    b->scratch_cut = false;
}
