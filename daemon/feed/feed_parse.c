/* The head of the feed parsers: bytes to UTF-8, what kind of document it is, the
 * result. */
#include "feed_parse_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { HEAD_MAX = 4096 }; /* bytes held back at most before a kind is chosen */

static int on_utf8(void *ctx, const char *s, size_t n);

static size_t or_default(size_t value, size_t standard)
{
    return value ? value : standard;
}

static int copy_options(struct feed_parse *p, const struct feed_parse_options *opt)
{
    const struct feed_parse_limits *l = &opt->limits;

    p->limits = (struct feed_parse_limits){
        .max_bytes = or_default(l->max_bytes, (size_t)8 << 20),
        .max_items = or_default(l->max_items, 10000),
        .max_text = or_default(l->max_text, (size_t)256 << 10),
        .max_depth = l->max_depth ? l->max_depth : 64,
    };
    (void)buf_put_str(&p->url, str_trim(opt->url));
    (void)buf_put_str(&p->content_type, opt->content_type);
    return p->url.error == -ENOMEM || p->content_type.error == -ENOMEM ? -ENOMEM : 0;
}

int feed_parse_new(struct feed_parse **out, const struct feed_parse_options *opt,
                   feed_item_fn *on_item, void *ctx)
{
    struct feed_parse *p = calloc(1, sizeof *p);

    if (!p)
        return -ENOMEM;
    p->on_item = on_item;
    p->ctx = ctx;
    p->is_known = opt->is_known;
    p->on_read = opt->on_read;
    buf_init(&p->url, 8192);
    buf_init(&p->content_type, 1024);
    buf_init(&p->head, HEAD_MAX);
    buf_init(&p->alternate, 8192);
    buf_init(&p->repaired, sizeof p->result.why);
    int r = copy_options(p, opt);
    feed_build_init(&p->feed, p->limits.max_text);
    feed_build_init(&p->item, p->limits.max_text);
    p->item.no_alt = opt->no_alt;
    if (r == 0)
        r = charset_new(&p->charset, charset_of_content_type(opt->content_type),
                        opt->charset, on_utf8, p);
    if (r < 0) {
        feed_parse_free(p);
        return r;
    }
    *out = p;
    return 0;
}

void feed_parse_free(struct feed_parse *p)
{
    if (!p)
        return;
    if (p->member)
        p->kind->free(p->member);
    charset_free(p->charset);
    feed_build_done(&p->feed);
    feed_build_done(&p->item);
    buf_free(&p->url);
    buf_free(&p->content_type);
    buf_free(&p->head);
    buf_free(&p->alternate);
    buf_free(&p->repaired);
    free(p);
}

int feed_parse_end(struct feed_parse *p, enum feed_status status, const char *why, ...)
{
    va_list ap;

    if (p->ended)
        return -ECANCELED;
    p->ended = true;
    p->result.status = status;
    va_start(ap, why);
    (void)vsnprintf(p->result.why, sizeof p->result.why, why, ap);
    va_end(ap);
    return -ECANCELED;
}

static int no_memory(struct feed_parse *p)
{
    return feed_parse_end(p, FEED_NO_MEMORY, "out of memory");
}

static void refresh_info(struct feed_parse *p)
{
    if (p->info.format != FEED_FORMAT_ATOM03 && p->info.format != FEED_FORMAT_ATOM10)
        feed_build_rebase(&p->feed, FEED_LINK, feed_build_get(&p->feed, FEED_SELF));
    p->info.title = feed_build_plain(&p->feed, FEED_TITLE, 0);
    p->info.link = feed_build_get(&p->feed, FEED_LINK);
    p->info.lang = feed_build_get(&p->feed, FEED_LANG);
    p->info.self = feed_build_get(&p->feed, FEED_SELF);
    p->info.hub = feed_build_get(&p->feed, FEED_HUB);
    p->info.new_url = feed_build_get(&p->feed, FEED_NEW_URL);
    p->info.alternate = buf_str(&p->alternate);
    p->feed_changed = false;
}

struct str feed_parse_lang(const struct feed_parse *p)
{
    struct str lang = feed_build_get(&p->item, FEED_LANG);

    return lang.n ? lang : feed_build_get(&p->feed, FEED_LANG);
}

int feed_parse_deliver(struct feed_parse *p)
{
    struct item item;

    if (p->ended)
        return -ECANCELED;
    if (p->result.items >= p->limits.max_items)
        return feed_parse_end(p, FEED_OVER_LIMIT, "more than %zu items",
                              p->limits.max_items);
    if (p->item.slot[FEED_LANG].rank == FEED_NO_RANK)
        feed_build_set(&p->item, FEED_LANG, 9, FEED_FORM_TEXT,
                       feed_build_get(&p->feed, FEED_LANG));
    if (p->feed_changed)
        refresh_info(p);
    if (feed_build_item(&p->item, &item) < 0 || p->feed.error)
        return no_memory(p);
    p->result.items++;
    int r = p->on_item(p->ctx, &item, &p->info);
    feed_build_clear(&p->item);
    return r ? feed_parse_end(p, FEED_STOPPED, "stopped by the receiver") : 0;
}

void feed_parse_repaired(struct feed_parse *p, unsigned long n, const char *what)
{
    if (n == 0)
        return;
    p->repairs += n;
    (void)buf_printf(&p->repaired, "%s%lu %s", p->repaired.n ? ", " : "", n, what);
    p->repaired.error = 0;
}

/* --- what kind of document is it? --- */

static bool begins(const char *s, const char *end, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(end - s) >= n && strncasecmp(s, word, n) == 0;
}

static const char *behind(const char *s, const char *end, const char *what)
{
    const char *p = memmem(s, (size_t)(end - s), what, strlen(what));

    return p ? p + strlen(what) : NULL;
}

/* The kind that the head shows; NULL: not clear yet. */
static const struct feed_kind *sniff(const char *s, size_t n)
{
    const char *end = s + n;

    while (s && s < end) {
        if (begins(s, end, "\xEF\xBB\xBF")) {
            s += 3;
        } else if (*s == '{') {
            return &feed_json;
        } else if (*s != '<') { /* white space, junk */
            s++;
        } else if (end - s < 9) {
            return NULL;
        } else if (begins(s, end, "<!--")) {
            s = behind(s, end, "-->");
        } else if (s[1] == '?' || s[1] == '!') {
            s = behind(s, end, ">");
        } else if (begins(s, end, "<html") || begins(s, end, "<head>") ||
                   begins(s, end, "<body")) {
            return &feed_html;
        } else {
            return &feed_xml;
        }
    }
    return NULL;
}

static bool blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && (s[i] < '\t' || s[i] > '\r') && s[i] != '\0')
            return false;
    return true;
}

static int start(struct feed_parse *p, const struct feed_kind *kind)
{
    p->kind = kind;
    if (kind->start(&p->member, p) < 0)
        return no_memory(p);
    int r = p->head.n ? kind->push(p->member, p->head.s, p->head.n) : 0;
    buf_free(&p->head);
    return r;
}

/* Hold the head back until it is clear what it is. */
static int choose(struct feed_parse *p, const char *s, size_t n)
{
    if (!p->content) {
        while (n && blank(s, 1)) { /* counted as leading white space once */
            s++;
            n--;
            if (p->head.n == 0 && buf_putc(&p->head, '\n'))
                return no_memory(p);
        }
        p->content = n > 0;
    }
    size_t room = HEAD_MAX - p->head.n, take = n < room ? n : room;
    if (buf_put(&p->head, s, take))
        return no_memory(p);
    const struct feed_kind *kind = sniff(p->head.s ? p->head.s : "", p->head.n);
    if (!kind && p->head.n == HEAD_MAX)
        kind = &feed_xml;
    if (!kind)
        return 0;
    int r = start(p, kind);
    if (r || n == take)
        return r;
    return kind->push(p->member, s + take, n - take);
}

static int on_utf8(void *ctx, const char *s, size_t n)
{
    struct feed_parse *p = ctx;
    bool over = n > p->limits.max_bytes - p->bytes;

    if (p->ended)
        return -ECANCELED;
    if (over)
        n = p->limits.max_bytes - p->bytes;
    p->bytes += n;
    int r = p->kind ? p->kind->push(p->member, s, n) : choose(p, s, n);
    if (r == -ENOMEM)
        return no_memory(p);
    if (r == 0 && over)
        r = feed_parse_end(p, FEED_OVER_LIMIT, "document longer than %zu bytes",
                           p->limits.max_bytes);
    return r;
}

int feed_parse_push(struct feed_parse *p, const char *bytes, size_t n)
{
    if (p->ended)
        return -ECANCELED;
    int r = charset_push(p->charset, bytes, n);
    if (r == -ENOMEM)
        return no_memory(p);
    return r || p->ended ? -ECANCELED : 0;
}

static void finish_document(struct feed_parse *p)
{
    int r = charset_finish(p->charset);

    if (r == -ENOMEM)
        (void)no_memory(p);
    if (!p->kind && !p->ended) {
        if (!p->content) {
            (void)feed_parse_end(p, FEED_EMPTY_BODY, "the document is empty");
            return;
        }
        (void)start(p, &feed_xml);
    }
    if (p->member && !p->ended)
        p->kind->finish(p->member);
}

void feed_parse_finish(struct feed_parse *p, struct feed_parse_result *out)
{
    struct feed_parse_result *r = &p->result;
    bool early = p->ended; /* then what was looked at depends on the chunks */

    if (!early)
        finish_document(p);
    refresh_info(p);
    if (p->feed.error == -ENOMEM)
        (void)no_memory(p);
    if (!p->ended)
        (void)feed_parse_end(p, FEED_WHOLE, "%s", "");
    feed_parse_repaired(p, charset_repairs(p->charset), "bad bytes");
    if (charset_mislabelled(p->charset))
        feed_parse_repaired(p, 1, "wrong charset label");
    (void)snprintf(r->charset, sizeof r->charset, "%s", charset_name(p->charset));
    r->repairs = early || r->status == FEED_NOT_A_FEED ? 0 : p->repairs;
    r->wellformed = r->status == FEED_WHOLE && r->repairs == 0;
    if (r->why[0] == '\0' && p->repaired.n)
        (void)snprintf(r->why, sizeof r->why, "mended: %s", p->repaired.s);
    *out = *r;
}

const struct feed_info *feed_parse_info(const struct feed_parse *p)
{
    return &p->info;
}

const char *feed_format_name(enum feed_format f)
{
    switch (f) {
    case FEED_FORMAT_UNKNOWN:
        break;
    case FEED_FORMAT_RSS09:
        return "rss 0.9x";
    case FEED_FORMAT_RSS10:
        return "rss 1.0";
    case FEED_FORMAT_RSS20:
        return "rss 2.0";
    case FEED_FORMAT_ATOM03:
        return "atom 0.3";
    case FEED_FORMAT_ATOM10:
        return "atom 1.0";
    case FEED_FORMAT_CDF:
        return "cdf";
    case FEED_FORMAT_JSON:
        return "json feed";
    }
    return "unknown";
}

const char *feed_status_name(enum feed_status s)
{
    switch (s) {
    case FEED_WHOLE:
        return "whole";
    case FEED_BROKEN:
        return "broken";
    case FEED_NOT_A_FEED:
        return "not a feed";
    case FEED_EMPTY_BODY:
        return "empty";
    case FEED_OVER_LIMIT:
        return "over limit";
    case FEED_STOPPED:
        return "stopped";
    case FEED_NO_MEMORY:
        return "out of memory";
    }
    return "unknown";
}
