/* Reading OPML with Expat: any charset, no entities of its own, everything bounded. */
#include "cmd_opml.h"

#include <errno.h>
#include <expat.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include "buf.h"
#include "charset.h"
#include "utf8.h"

#define CHUNK (32 << 10)

struct level {  /* of nested elements */
    bool group; /* an outline that is no feed: its title is in `titles` */
    size_t title_at, title_n;
};

struct opml {
    XML_Parser xml;
    struct charset *charset;
    opml_feed_fn *each;
    void *ctx;
    struct level level[OPML_DEPTH_MAX];
    size_t depth, feeds;
    struct buf titles; /* of the groups around, one after the other */
    size_t pushed;     /* bytes given to Expat */
    bool is_opml;
    int error; /* 0, -errno, or what `each` returned */
    char *why;
};

static void stop(struct opml *o, int error, const char *why)
{
    if (o->error)
        return;
    o->error = error;
    if (why)
        snprintf(o->why, 200, "line %lu: %s",
                 (unsigned long)XML_GetCurrentLineNumber(o->xml), why);
    (void)XML_StopParser(o->xml, XML_FALSE);
}

/* Programs differ in how they write the names. */
static struct str attribute(const char **attrs, const char *name)
{
    for (size_t i = 0; attrs[i]; i += 2)
        if (strcasecmp(attrs[i], name) == 0) {
            struct str s = str_trim(str_of(attrs[i + 1]));
            s.n = utf8_cut(s.s, s.n, OPML_TEXT_MAX);
            return s;
        }
    return (struct str){ 0 };
}

static void on_feed(struct opml *o, struct str url, struct str title)
{
    struct str group[OPML_DEPTH_MAX];
    struct opml_feed f = { .url = url, .title = title, .group = group };

    if (++o->feeds > OPML_FEEDS_MAX) {
        stop(o, -E2BIG, "more feeds than one file may have");
        return;
    }
    for (size_t i = 0; i < o->depth; i++)
        if (o->level[i].group && o->level[i].title_n)
            group[f.n_group++] =
                (struct str){ o->titles.s + o->level[i].title_at, o->level[i].title_n };
    f.line = (unsigned long)XML_GetCurrentLineNumber(o->xml);
    int r = o->each(o->ctx, &f);
    if (r)
        stop(o, r, NULL);
}

static void on_outline(struct opml *o, const char **attrs, struct level *level)
{
    struct str url = attribute(attrs, "xmlUrl"), title = attribute(attrs, "text");

    if (title.n == 0)
        title = attribute(attrs, "title");
    if (url.n) {
        on_feed(o, url, title);
        return;
    }
    level->group = true;
    level->title_n = title.n;
    if (buf_put_str(&o->titles, title) < 0)
        stop(o, o->titles.error, "out of memory");
}

static void XMLCALL on_start(void *ctx, const char *name, const char **attrs)
{
    struct opml *o = ctx;

    if (o->error)
        return;
    if (o->depth == 0 && strcasecmp(name, "opml") != 0) {
        stop(o, -EINVAL, "this is no OPML: its outermost element is not <opml>");
        return;
    }
    o->is_opml = true;
    if (o->depth == OPML_DEPTH_MAX) {
        stop(o, -E2BIG, "nested deeper than any OPML file is");
        return;
    }
    struct level *level = &o->level[o->depth];
    *level = (struct level){ .title_at = o->titles.n };
    if (strcasecmp(name, "outline") == 0)
        on_outline(o, attrs, level);
    o->depth++;
}

static void XMLCALL on_end(void *ctx, const char *name)
{
    struct opml *o = ctx;

    (void)name;
    if (o->error || o->depth == 0)
        return;
    o->depth--;
    o->titles.n = o->level[o->depth].title_at;
}

/* OPML needs no entities; who declares some is up to no good. */
static void XMLCALL on_entity(void *ctx, const char *name, int is_parameter,
                              const char *value, int value_n, const char *base,
                              const char *system, const char *public,
                              const char *notation)
{
    (void)name, (void)is_parameter, (void)value, (void)value_n, (void)base;
    (void)system, (void)public, (void)notation;
    stop(ctx, -EINVAL, "it declares entities, which is refused");
}

static int on_utf8(void *ctx, const char *bytes, size_t n)
{
    struct opml *o = ctx;

    if (o->error)
        return o->error;
    o->pushed += n;
    if (XML_Parse(o->xml, bytes, (int)n, 0) == XML_STATUS_ERROR && !o->error)
        stop(o, -EINVAL, XML_ErrorString(XML_GetErrorCode(o->xml)));
    XML_Index at = XML_GetCurrentByteIndex(o->xml);
    if (!o->error && at >= 0 && o->pushed > (size_t)at + OPML_TOKEN_MAX)
        stop(o, -E2BIG, "one tag is larger than a megabyte");
    return o->error;
}

static int set_up(struct opml *o)
{
    o->xml = XML_ParserCreate("UTF-8");
    if (!o->xml ||
        charset_new(&o->charset, (struct str){ 0 }, (struct str){ 0 }, on_utf8, o) < 0)
        return -ENOMEM;
    XML_SetUserData(o->xml, o);
    XML_SetElementHandler(o->xml, on_start, on_end);
    XML_SetEntityDeclHandler(o->xml, on_entity);
    return 0;
}

static int push_all(struct opml *o, int fd)
{
    char *bytes = malloc(CHUNK);
    size_t total = 0;
    ssize_t n = 0;

    if (!bytes)
        return -ENOMEM;
    while (!o->error && (n = read(fd, bytes, CHUNK)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            o->error = -errno;
            snprintf(o->why, 200, "%s", strerror(errno));
            break;
        }
        total += (size_t)n;
        if (total > OPML_BYTES_MAX)
            stop(o, -E2BIG, "the file is larger than 64 MiB");
        else if (charset_push(o->charset, bytes, (size_t)n) < 0 && !o->error)
            o->error = -ENOMEM;
    }
    free(bytes);
    if (!o->error && charset_finish(o->charset) < 0 && !o->error)
        o->error = -ENOMEM;
    if (!o->error && XML_Parse(o->xml, "", 0, 1) == XML_STATUS_ERROR && !o->error)
        stop(o, -EINVAL, XML_ErrorString(XML_GetErrorCode(o->xml)));
    return o->error;
}

int opml_read(int fd, opml_feed_fn *each, void *ctx, char why[200])
{
    struct opml *o = calloc(1, sizeof *o);

    why[0] = '\0';
    if (!o)
        return -ENOMEM;
    o->each = each;
    o->ctx = ctx;
    o->why = why;
    buf_init(&o->titles, (size_t)OPML_DEPTH_MAX * OPML_TEXT_MAX);
    int r = set_up(o);
    if (r == 0)
        r = push_all(o, fd);
    if (r < 0 && !why[0])
        snprintf(why, 200, "%s", strerror(-r));
    charset_free(o->charset);
    if (o->xml)
        XML_ParserFree(o->xml);
    buf_free(&o->titles);
    free(o);
    return r;
}
