/* JSON Feed 1.0 and 1.1 in a stream: a byte scanner cuts the document into the members of
 * its top-level object and the elements of "items", and json-c reads each piece by
 * itself.  Source: jsonfeed.org/version/1.1. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include "feed_parse_impl.h"
#include "url.h"

enum {
    PIECE_MAX = 2 << 20, /* a longer item or member is left out */
    KEY_MAX = 64,
    FEED_AUTHORS_MAX = 4096,
};

enum where {           /* what the next byte outside of strings belongs to */
             AT_START, /* before the '{' */
             AT_KEY,   /* in the top-level object, a key or '}' comes next */
             AT_COLON,
             AT_VALUE,   /* a member's value comes next */
             IN_VALUE,   /* inside it */
             AT_ELEMENT, /* in "items": an element, a comma or ']' comes next */
             IN_ELEMENT,
             AT_END, /* behind the '}' */
};

struct feed_member {
    struct feed_parse *p;
    enum where where;
    struct buf key, piece;
    bool in_string, escaped;
    bool too_long;  /* the piece is not kept */
    bool comma;     /* between members or elements: a comma was the last thing */
    bool some;      /* a member or an element stands before */
    unsigned depth; /* of brackets inside the piece */
    bool is_feed;   /* "version" or "items" was seen */
    bool trailing;
    unsigned long bad_pieces, bad_syntax, too_deep;
    struct json_tokener *tokener;
    struct buf authors; /* of the feed; NUL-terminated strings */
};

/* --- reading a piece --- */

static struct str text_of(struct json_object *v)
{
    if (!v || json_object_is_type(v, json_type_object) ||
        json_object_is_type(v, json_type_array) ||
        json_object_is_type(v, json_type_boolean))
        return (struct str){ 0 };
    if (json_object_is_type(v, json_type_string)) {
        struct str s = { json_object_get_string(v),
                         (size_t)json_object_get_string_len(v) };
        const char *nul = s.n ? memchr(s.s, '\0', s.n) : NULL;
        return nul ? (struct str){ s.s, (size_t)(nul - s.s) } : s;
    }
    return str_of(json_object_get_string(v)); /* a number; ids are written so at times */
}

static struct json_object *member(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;

    if (json_object_is_type(o, json_type_object))
        (void)json_object_object_get_ex(o, key, &v);
    return v;
}

static struct str member_text(struct json_object *o, const char *key)
{
    return str_trim(text_of(member(o, key)));
}

typedef void each_fn(struct feed_member *j, struct json_object *v);

/* Call `fn` for each element of an array, or for a lone value in the place of one. */
static void each(struct feed_member *j, struct json_object *v, each_fn *fn)
{
    if (!json_object_is_type(v, json_type_array)) {
        if (v)
            fn(j, v);
        return;
    }
    for (size_t i = 0; i < json_object_array_length(v); i++)
        fn(j, json_object_array_get_idx(v, i));
}

static struct str author_name(struct json_object *v)
{
    static const char *const key[] = { "name", "email", "url" };

    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        struct str s = member_text(v, key[i]);
        if (s.n)
            return s;
    }
    return str_trim(text_of(v));
}

static void item_author(struct feed_member *j, struct json_object *v)
{
    feed_build_list(&j->p->item, FEED_AUTHORS, author_name(v));
}

static void item_tag(struct feed_member *j, struct json_object *v)
{
    feed_build_list(&j->p->item, FEED_CATEGORIES, text_of(v));
}

static struct str base_of(const struct feed_member *j)
{
    struct str home = feed_build_get(&j->p->feed, FEED_LINK);

    return j->p->url.n ? buf_str(&j->p->url) : home;
}

static void item_attachment(struct feed_member *j, struct json_object *v)
{
    feed_build_enclosure(&j->p->item, base_of(j), member_text(v, "url"));
}

static void inherit_authors(struct feed_member *j)
{
    if (j->p->item.list[FEED_AUTHORS].n)
        return;
    for (size_t i = 0; i < j->authors.n; i += strlen(j->authors.s + i) + 1)
        feed_build_list(&j->p->item, FEED_AUTHORS, str_of(j->authors.s + i));
}

/* Which member is what; where two compete, the lower rank wins. */
static const struct {
    const char *key;
    enum feed_field field;
    unsigned rank;
    enum feed_form form;
} item_text[] = {
    { "id", FEED_ID, 0, FEED_FORM_TEXT },
    { "title", FEED_TITLE, 0, FEED_FORM_TEXT },
    { "summary", FEED_SUMMARY, 0, FEED_FORM_TEXT },
    { "content_html", FEED_CONTENT, 0, FEED_FORM_HTML },
    { "content_text", FEED_CONTENT, 1, FEED_FORM_TEXT },
    { "language", FEED_LANG, 0, FEED_FORM_TEXT },
};

static int take_item(struct feed_member *j, struct json_object *o)
{
    struct feed_build *b = &j->p->item;
    struct str lang;

    feed_build_clear(b);
    for (size_t i = 0; i < sizeof item_text / sizeof *item_text; i++)
        feed_build_set(b, item_text[i].field, item_text[i].rank, item_text[i].form,
                       member_text(o, item_text[i].key));
    feed_build_link(b, FEED_LINK, 0, base_of(j), member_text(o, "url"));
    feed_build_link(b, FEED_LINK, 1, base_of(j), member_text(o, "external_url"));
    if (url_is_web(member_text(o, "id")))
        feed_build_link(b, FEED_LINK, 2, STR(""), member_text(o, "id"));
    lang = feed_parse_lang(j->p);
    feed_build_time(b, FEED_PUBLISHED, 0, member_text(o, "date_published"), lang);
    feed_build_time(b, FEED_UPDATED, 0, member_text(o, "date_modified"), lang);
    each(j, member(o, "authors"), item_author);
    each(j, member(o, "author"), item_author);
    each(j, member(o, "tags"), item_tag);
    each(j, member(o, "attachments"), item_attachment);
    inherit_authors(j);
    return feed_parse_deliver(j->p);
}

static void feed_author(struct feed_member *j, struct json_object *v)
{
    struct str s = author_name(v);

    if (s.n == 0)
        return;
    int r = buf_reserve(&j->authors, s.n + 1);
    if (r == 0) {
        (void)buf_put_str(&j->authors, s);
        (void)buf_putc(&j->authors, '\0');
    } else if (r == -ENOMEM) {
        j->p->feed.error = r;
    }
}

static void feed_hub(struct feed_member *j, struct json_object *v)
{
    feed_build_link(&j->p->feed, FEED_HUB, 0, base_of(j), member_text(v, "url"));
}

static void take_member(struct feed_member *j, const char *key, struct json_object *v)
{
    struct feed_build *b = &j->p->feed;
    struct str s = str_trim(text_of(v));

    j->p->feed_changed = true;
    if (!strcmp(key, "version")) {
        j->is_feed |= memmem(s.s ? s.s : "", s.n, "jsonfeed", 8) != NULL;
    } else if (!strcmp(key, "title")) {
        feed_build_set(b, FEED_TITLE, 0, FEED_FORM_TEXT, s);
    } else if (!strcmp(key, "home_page_url")) {
        feed_build_link(b, FEED_LINK, 0, base_of(j), s);
    } else if (!strcmp(key, "feed_url")) {
        feed_build_link(b, FEED_SELF, 0, base_of(j), s);
        feed_build_link(b, FEED_LINK, 8, base_of(j), s);
    } else if (!strcmp(key, "language")) {
        feed_build_set(b, FEED_LANG, 0, FEED_FORM_TEXT, s);
    } else if (!strcmp(key, "author") || !strcmp(key, "authors")) {
        each(j, v, feed_author);
    } else if (!strcmp(key, "hubs")) {
        each(j, v, feed_hub);
    }
}

static int piece_done(struct feed_member *j)
{
    bool element = j->where == IN_ELEMENT;
    struct json_object *o = NULL;
    int r = 0;

    j->where = element ? AT_ELEMENT : AT_KEY;
    j->some = true;
    if (!j->too_long) {
        json_tokener_reset(j->tokener);
        o = json_tokener_parse_ex(j->tokener, j->piece.s, (int)j->piece.n + 1);
    }
    if (!o && !j->too_long &&
        json_tokener_get_error(j->tokener) == json_tokener_error_depth)
        j->too_deep++;
    else if (!o && !(j->piece.n == 4 && memcmp(j->piece.s, "null", 4) == 0))
        j->bad_pieces++;
    else if (element && json_object_is_type(o, json_type_object))
        r = take_item(j, o);
    else if (element)
        j->bad_pieces++;
    else
        take_member(j, j->key.s, o);
    json_object_put(o);
    buf_clear(&j->piece);
    return r;
}

/* --- cutting --- */

static void piece_begin(struct feed_member *j, enum where where)
{
    j->where = where;
    j->depth = 0;
    j->too_long = false;
    buf_clear(&j->piece);
}

static void piece_add(struct feed_member *j, const char *s, size_t n)
{
    if (!j->too_long && buf_put(&j->piece, s, n) == -E2BIG)
        j->too_long = true;
}

static bool space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Inside a string: skip to its end or the end of the chunk. */
static const char *in_string(struct feed_member *j, const char *s, const char *end)
{
    for (; s < end; s++) {
        if (j->escaped) {
            j->escaped = false;
        } else if (*s == '\\') {
            j->escaped = true;
        } else if (*s == '"') {
            j->in_string = false;
            return s + 1;
        }
    }
    return s;
}

/* Take what belongs to the piece from `s` on; *over: it is whole. */
static const char *in_piece(struct feed_member *j, const char *s, const char *end,
                            bool *over)
{
    const char *from = s;

    *over = false;
    while (s < end && !*over) {
        if (j->in_string) {
            s = in_string(j, s, end);
            *over = !j->in_string && j->depth == 0;
            continue;
        }
        char c = *s;
        if (c == '"') {
            j->in_string = true;
        } else if (c == '{' || c == '[') {
            j->depth++;
        } else if ((c == '}' || c == ']') && j->depth > 0) {
            *over = --j->depth == 0;
        } else if (j->depth == 0 && (c == ',' || c == '}' || c == ']' || space(c))) {
            *over = true; /* a number or a word ends before it */
            break;
        }
        s++;
    }
    piece_add(j, from, (size_t)(s - from));
    return s;
}

/* Count what is wrong with the commas before `c`, which is not white space. */
static void separate(struct feed_member *j, char c)
{
    if (c == ',') {
        j->bad_syntax += j->comma || !j->some;
        j->comma = true;
    } else {
        bool closes = c == '}' || c == ']';
        j->bad_syntax += closes ? j->comma : j->some && !j->comma;
        j->comma = false;
    }
}

/* One byte between the pieces; false: it is not to be consumed. */
static bool between(struct feed_member *j, char c)
{
    if (space(c))
        return true;
    if (j->where == AT_KEY || j->where == AT_ELEMENT)
        separate(j, c);
    if (c == ',' && (j->where == AT_KEY || j->where == AT_ELEMENT))
        return true;
    switch (j->where) {
    case AT_START:
        j->where = c == '{' ? AT_KEY : AT_START;
        return true;
    case AT_KEY:
        if (c == '"') {
            buf_clear(&j->key);
            j->in_string = true;
        } else if (c == '}') {
            j->where = AT_END;
        } else {
            j->bad_syntax++;
        }
        return true;
    case AT_COLON:
        j->where = AT_VALUE;
        j->bad_syntax += c != ':';
        return c == ':';
    case AT_VALUE:
        if (c == '[' && j->key.n == 5 && memcmp(j->key.s, "items", 5) == 0) {
            j->where = AT_ELEMENT;
            j->some = j->comma = false;
            j->is_feed = true;
            return true;
        }
        if (c == ',' || c == '}') {
            j->bad_syntax++;
            j->where = AT_KEY;
            j->some = true;
            j->comma = c == ',';
            return j->comma;
        }
        piece_begin(j, IN_VALUE);
        return false;
    case AT_ELEMENT:
        if (c == ']' || c == '}') {
            j->bad_syntax += c == '}';
            j->where = AT_KEY;
            j->some = true;
            return c == ']';
        }
        piece_begin(j, IN_ELEMENT);
        return false;
    case AT_END:
        j->trailing = true;
        return true;
    case IN_VALUE:
    case IN_ELEMENT:
        break;
    }
    return true;
}

static const char *in_key(struct feed_member *j, const char *s, const char *end)
{
    const char *to = in_string(j, s, end);

    (void)buf_put(&j->key, s, (size_t)(to - s));
    if (!j->in_string) {
        if (j->key.error)
            buf_clear(&j->key); /* no member that we know has so long a name */
        if (j->key.n)
            j->key.s[--j->key.n] = '\0'; /* the quote */
        else
            (void)buf_putc(&j->key, '\0');
        j->where = AT_COLON;
    }
    return to;
}

static int json_push(struct feed_member *j, const char *s, size_t n)
{
    const char *end = s + n;

    while (s < end) {
        bool over;
        if (j->where == IN_VALUE || j->where == IN_ELEMENT) {
            s = in_piece(j, s, end, &over);
            if (j->piece.error == -ENOMEM)
                return -ENOMEM;
            int r = over ? piece_done(j) : 0;
            if (r)
                return r;
        } else if (j->in_string) {
            s = in_key(j, s, end);
        } else {
            s += between(j, *s);
        }
    }
    return 0;
}

/* --- member of the family --- */

static void json_free(struct feed_member *j)
{
    if (!j)
        return;
    if (j->tokener)
        json_tokener_free(j->tokener);
    buf_free(&j->key);
    buf_free(&j->piece);
    buf_free(&j->authors);
    free(j);
}

static int json_start(struct feed_member **out, struct feed_parse *p)
{
    struct feed_member *j = calloc(1, sizeof *j);
    unsigned depth = p->limits.max_depth;

    if (!j)
        return -ENOMEM;
    j->p = p;
    buf_init(&j->key, KEY_MAX);
    buf_init(&j->piece, PIECE_MAX);
    buf_init(&j->authors, FEED_AUTHORS_MAX);
    j->tokener = json_tokener_new_ex(depth < 1024 ? (int)depth : 1024);
    if (!j->tokener) {
        json_free(j);
        return -ENOMEM;
    }
    p->info.format = FEED_FORMAT_JSON;
    *out = j;
    return 0;
}

static void json_finish(struct feed_member *j)
{
    struct feed_parse *p = j->p;

    feed_parse_repaired(p, j->bad_pieces, "bad items or members");
    feed_parse_repaired(p, j->too_deep, "items or members nested too deeply");
    p->result.too_deep = j->too_deep > 0;
    feed_parse_repaired(p, j->bad_syntax, "bad syntax");
    feed_parse_repaired(p, j->trailing, "trailing junk");
    if (!j->is_feed) {
        p->info.format = FEED_FORMAT_UNKNOWN;
        (void)feed_parse_end(p, FEED_NOT_A_FEED, "JSON, but no JSON Feed");
    } else if (j->where != AT_END) {
        (void)feed_parse_end(p, FEED_BROKEN, "JSON ended too early");
    }
}

const struct feed_kind feed_json = { json_start, json_push, json_finish, json_free };
