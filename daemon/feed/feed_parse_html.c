/* An HTML page in the place of a feed: finds the feed that its head links to. */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include "feed_parse_impl.h"
#include "url.h"

enum {
    TAG_MAX = 4096,
    LOOK_MAX = 512 << 10, /* how much of a page is looked at */
};

struct feed_member {
    struct feed_parse *p;
    struct buf tag; /* from '<' on; empty outside of tags */
    size_t seen;
    unsigned best;   /* rank of the link found; lower is better */
    bool comment;    /* inside of <!-- -->, where nothing counts */
    unsigned dashes; /* before the next byte of the comment */
};

static int html_start(struct feed_member **out, struct feed_parse *p)
{
    struct feed_member *h = calloc(1, sizeof *h);

    if (!h)
        return -ENOMEM;
    h->p = p;
    h->best = 9;
    buf_init(&h->tag, TAG_MAX);
    *out = h;
    return 0;
}

static void html_free(struct feed_member *h)
{
    buf_free(&h->tag);
    free(h);
}

static bool space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The value of attribute `name` in the tag `t`; empty when absent. */
static struct str value_of(struct str t, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 1; i + n + 1 < t.n; i++) {
        if (!(space(t.s[i - 1]) || t.s[i - 1] == '"' || t.s[i - 1] == '\'') ||
            strncasecmp(t.s + i, name, n) != 0)
            continue;
        size_t p = i + n;
        while (p < t.n && space(t.s[p]))
            p++;
        if (p >= t.n || t.s[p] != '=')
            continue;
        for (p++; p < t.n && space(t.s[p]); p++)
            ;
        char quote = p < t.n && (t.s[p] == '"' || t.s[p] == '\'') ? t.s[p++] : '\0';
        size_t end = p;
        while (end < t.n &&
               (quote ? t.s[end] != quote : !space(t.s[end]) && t.s[end] != '>'))
            end++;
        return (struct str){ t.s + p, end - p };
    }
    return (struct str){ 0 };
}

static bool contains(struct str s, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= s.n; i++)
        if (strncasecmp(s.s + i, word, n) == 0)
            return true;
    return false;
}

/* "&amp;" is the one reference that addresses carry. */
static void put_unescaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        (void)buf_putc(out, s.s[i]);
        if (s.n - i >= 5 && memcmp(s.s + i, "&amp;", 5) == 0)
            i += 4;
    }
}

static int on_link(struct feed_member *h, struct str t)
{
    struct str type = value_of(t, "type"), href = value_of(t, "href");
    unsigned rank = contains(type, "atom+xml")    ? 1
                    : contains(type, "rss+xml")   ? 1
                    : contains(type, "feed+json") ? 2
                    : contains(type, "rdf+xml")   ? 3
                                                  : 9;
    struct buf ref;

    if (rank >= h->best || href.n == 0 || !contains(value_of(t, "rel"), "alternate"))
        return 0;
    buf_init(&ref, TAG_MAX);
    put_unescaped(&ref, str_trim(href));
    buf_clear(&h->p->alternate);
    int r = ref.error;
    if (r == 0)
        r = url_resolve(&h->p->alternate, buf_str(&h->p->url), buf_str(&ref));
    if (r == 0)
        h->best = rank;
    else
        buf_clear(&h->p->alternate);
    buf_free(&ref);
    return r == -ENOMEM ? r : 0;
}

static bool named(struct str t, const char *name)
{
    size_t n = strlen(name);

    return t.n > n + 1 && strncasecmp(t.s + 1, name, n) == 0 &&
           (space(t.s[n + 1]) || t.s[n + 1] == '>' || t.s[n + 1] == '/');
}

static int done(struct feed_member *h)
{
    return feed_parse_end(h->p, FEED_NOT_A_FEED, "an HTML page%s%.100s",
                          h->p->alternate.n ? "; its feed may be " : "",
                          h->p->alternate.n ? h->p->alternate.s : "");
}

static void in_comment(struct feed_member *h, char c)
{
    if (c == '>' && h->dashes >= 2)
        h->comment = false;
    h->dashes = c == '-' ? h->dashes + 1 : 0;
}

/* True when what was read since '<' is "<!--", which it then forgets. */
static bool begins_comment(struct feed_member *h)
{
    if (h->tag.n != 4 || memcmp(h->tag.s, "<!--", 4) != 0)
        return false;
    buf_clear(&h->tag);
    h->dashes = 2; /* "<!-->" is a whole one */
    return h->comment = true;
}

static int html_push(struct feed_member *h, const char *s, size_t n)
{
    int r = 0;

    h->seen += n;
    for (size_t i = 0; i < n; i++) {
        if (h->comment) {
            in_comment(h, s[i]);
            continue;
        }
        if (s[i] == '<')
            buf_clear(&h->tag);
        else if (h->tag.n == 0)
            continue;
        if ((r = buf_putc(&h->tag, s[i])) == -ENOMEM)
            return r;
        if (r < 0)
            buf_clear(&h->tag); /* longer than any link */
        if (begins_comment(h) || s[i] != '>' || h->tag.n == 0)
            continue;
        struct str t = buf_str(&h->tag);
        if (named(t, "link"))
            r = on_link(h, t);
        else if (named(t, "body"))
            r = done(h);
        if (r)
            return r;
        buf_clear(&h->tag);
    }
    return h->seen > LOOK_MAX ? done(h) : 0;
}

static void html_finish(struct feed_member *h)
{
    (void)done(h);
}

const struct feed_kind feed_html = { html_start, html_push, html_finish, html_free };
