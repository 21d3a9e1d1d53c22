/* URLs: resolving (RFC 3986 section 5), checking, and the form for comparison. */
#include "url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "utf8.h"

/* The five components of RFC 3986 section 3; has_... tells an empty one from an absent
 * one. */
struct parts {
    struct str scheme, authority, path, query, fragment;
    bool has_scheme, has_authority, has_query, has_fragment;
};

static bool is_alpha(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* The length of the scheme that `s` starts with, its ':' not counted; 0: none. */
static size_t scheme_length(struct str s)
{
    size_t i = 0;

    if (s.n == 0 || !is_alpha(s.s[0]))
        return 0;
    while (i < s.n && (is_alpha(s.s[i]) || is_digit(s.s[i]) || s.s[i] == '+' ||
                       s.s[i] == '-' || s.s[i] == '.'))
        i++;
    return i < s.n && s.s[i] == ':' ? i : 0;
}

/* The first `n` bytes of *s; *s goes on after `skip` more. */
static struct str take(struct str *s, size_t n, size_t skip)
{
    struct str head = { s->s, n };

    if (n + skip) /* s->s may be NULL */
        s->s += n + skip;
    s->n -= n + skip;
    return head;
}

/* Bytes before the first one that is in `set`, which has one to three. */
static inline size_t until(struct str s, const char *set)
{
    char a = set[0], b = set[1] ? set[1] : a, c = set[1] && set[2] ? set[2] : a;
    size_t i = 0;

    while (i < s.n && s.s[i] != a && s.s[i] != b && s.s[i] != c)
        i++;
    return i;
}

static struct parts split(struct str s)
{
    struct parts p = { 0 };
    size_t n = scheme_length(s);

    if (n) {
        p.has_scheme = true;
        p.scheme = take(&s, n, 1);
    }
    if (s.n >= 2 && s.s[0] == '/' && s.s[1] == '/') {
        (void)take(&s, 2, 0);
        p.has_authority = true;
        p.authority = take(&s, until(s, "/?#"), 0);
    }
    p.path = take(&s, until(s, "?#"), 0);
    if (s.n && s.s[0] == '?') {
        (void)take(&s, 1, 0);
        p.has_query = true;
        p.query = take(&s, until(s, "#"), 0);
    }
    if (s.n) {
        (void)take(&s, 1, 0);
        p.has_fragment = true;
        p.fragment = s;
    }
    return p;
}

/* Cleaning: what feeds write into URLs and no URL may hold. */

/* Bytes that are written as %XX.  Non-ASCII text stays (an IRI), but for what could not
 * be shown safely. */
static bool must_encode(uint32_t c)
{
    return c <= 0x20 || c == '"' || c == '<' || c == '>' || c == '`' || utf8_unsafe(c);
}

/* Bytes that need no thought: ASCII that must_encode lets pass. */
static bool is_plain(unsigned char c)
{
    return c > 0x20 && c < 0x7F && c != '"' && c != '<' && c != '>' && c != '`';
}

static int put_encoded(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        (void)buf_printf(out, "%%%02X", (unsigned char)s.s[i]);
    return out->error;
}

/* Append `s` cleaned: copied in runs, encoded between them. */
static int put_clean(struct buf *out, struct str s)
{
    size_t from = 0, i = 0;

    for (size_t len = 1; i < s.n; i += len, len = 1) {
        if (is_plain((unsigned char)s.s[i]))
            continue;
        uint32_t c = utf8_get(s.s + i, s.n - i, &len);
        if (!must_encode(c))
            continue;
        (void)buf_put(out, s.s + from, i - from);
        from = i + len;
        if (c != '\t' && c != '\n' && c != '\r') /* a long URL broken over lines */
            (void)put_encoded(out, (struct str){ s.s + i, len });
    }
    return s.n ? buf_put(out, s.s + from, i - from) : out->error;
}

/* `s` itself when there is nothing to clean, else a clean copy in `copy`. */
static int clean(struct str *s, struct buf *copy)
{
    size_t i = 0;

    while (i < s->n && is_plain((unsigned char)s->s[i]))
        i++;
    if (i == s->n)
        return 0;
    int r = put_clean(copy, *s);
    *s = buf_str(copy);
    return r;
}

/* Nothing to clean, and no "/." that has to be resolved?  (Non-ASCII text takes the long
 * way.) */
static bool is_clean(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_plain((unsigned char)s.s[i]) ||
            (s.s[i] == '.' && s.s[i - (i > 0)] == '/'))
            return false;
    }
    return true;
}

static bool starts_nocase(struct str s, struct str what)
{
    return s.n >= what.n && str_eq_nocase((struct str){ s.s, what.n }, what);
}

/* Length of "http://" or "https://" at the start of `s`, else 0. */
static size_t web_prefix(struct str s)
{
    return starts_nocase(s, STR("http://"))    ? 7
           : starts_nocase(s, STR("https://")) ? 8
                                               : 0;
}

/* Drop the last segment of the path that starts at `from` in `b`, with its '/'. */
static void drop_segment(struct buf *b, size_t from)
{
    while (b->n > from && b->s[b->n - 1] != '/')
        b->n--;
    if (b->n > from)
        b->n--;
    if (b->s)
        b->s[b->n] = '\0';
}

/* Append `path` without its "." and ".." segments (RFC 3986, 5.2.4). */
static int put_without_dots(struct buf *out, struct str path)
{
    size_t from = out->n;

    while (path.n) {
        bool rooted = path.s[0] == '/';
        struct str rest = { path.s + rooted, path.n - rooted };
        struct str segment = { rest.s, until(rest, "/") };
        bool last = segment.n == rest.n;
        size_t all = segment.n + rooted;

        if (str_eq(segment, STR("..")) || str_eq(segment, STR("."))) {
            if (segment.n == 2 && rooted)
                drop_segment(out, from);
            if (last && rooted)
                (void)buf_putc(out, '/');
            (void)take(&path, rooted || last ? all : all + 1, 0);
        } else {
            (void)buf_put(out, path.s, all);
            (void)take(&path, all, 0);
        }
    }
    return out->error;
}

/* The path of `ref` seen from `base` (RFC 3986, 5.2.3), dots still in it. */
static int merge(struct buf *to, const struct parts *base, const struct parts *ref)
{
    size_t dir = base->path.n;

    while (dir && base->path.s[dir - 1] != '/')
        dir--;
    if (dir == 0 && base->has_authority)
        (void)buf_putc(to, '/');
    (void)buf_put(to, base->path.s, dir);
    return buf_put_str(to, ref->path);
}

static int put_path(struct buf *out, const struct parts *base, const struct parts *ref,
                    bool own)
{
    struct buf merged;

    if (own || (ref->path.n && ref->path.s[0] == '/'))
        return put_without_dots(out, ref->path);
    if (ref->path.n == 0)
        return put_without_dots(out, base->path); /* the base may be anything */
    buf_init(&merged, out->max);
    int r = merge(&merged, base, ref);
    if (r == 0)
        r = put_without_dots(out, buf_str(&merged));
    buf_free(&merged);
    return r;
}

/* RFC 3986, 5.2.2 and 5.3; `base` is absolute unless `ref` is. */
static int transform(struct buf *out, const struct parts *base, const struct parts *ref)
{
    const struct parts *top = ref->has_scheme ? ref : base;
    const struct parts *auth = ref->has_scheme || ref->has_authority ? ref : base;
    bool own = auth == ref;
    const struct parts *query = own || ref->path.n || ref->has_query ? ref : base;

    for (size_t i = 0; i < top->scheme.n; i++)
        (void)buf_putc(out, lower(top->scheme.s[i]));
    (void)buf_putc(out, ':');
    if (auth->has_authority) {
        (void)buf_puts(out, "//");
        (void)buf_put_str(out, auth->authority);
    }
    int r = put_path(out, base, ref, own);
    if (query->has_query) {
        (void)buf_putc(out, '?');
        (void)buf_put_str(out, query->query);
    }
    if (ref->has_fragment) {
        (void)buf_putc(out, '#');
        (void)buf_put_str(out, ref->fragment);
    }
    return r < 0 ? r : out->error;
}

static int resolve_slow(struct buf *out, struct str base, struct str ref)
{
    struct buf clean_base, clean_ref;
    size_t before = out->n;

    buf_init(&clean_base, out->max * 3);
    buf_init(&clean_ref, out->max * 3);
    int r = clean(&base, &clean_base);
    if (r == 0)
        r = clean(&ref, &clean_ref);
    if (r == 0) {
        struct parts b = split(base), f = split(ref);
        r = f.has_scheme || b.has_scheme ? transform(out, &b, &f) : -EINVAL;
    }
    if (r < 0 && out->s) {
        out->n = before;
        out->s[before] = '\0';
    }
    buf_free(&clean_base);
    buf_free(&clean_ref);
    return r;
}

int url_resolve(struct buf *out, struct str base, struct str ref)
{
    ref = str_trim(ref);
    size_t prefix = web_prefix(ref);
    if (prefix && ref.n > prefix && ref.s[0] == 'h' && is_clean(ref))
        return buf_put_str(out, ref);
    return resolve_slow(out, str_trim(base), ref);
}

/* The host part of `authority`: without user and port. */
static struct str host_of(struct str authority)
{
    const char *at = authority.n ? memrchr(authority.s, '@', authority.n) : NULL;

    if (at)
        (void)take(&authority, (size_t)(at - authority.s) + 1, 0);
    if (authority.n && authority.s[0] == '[') {
        size_t close = until(authority, "]");
        authority.n = close < authority.n ? close + 1 : 0;
    } else {
        authority.n = until(authority, ":");
    }
    return authority;
}

bool url_is_web(struct str url)
{
    struct str rest = url;
    size_t prefix = web_prefix(url);

    (void)take(&rest, prefix, 0);
    rest.n = until(rest, "/?#"); /* the authority */
    if (!prefix || host_of(rest).n == 0)
        return false;
    for (size_t i = prefix, len = 1; i < url.n; i += len, len = 1) {
        if (url.s[i] > 0x20 && url.s[i] < 0x7F)
            continue;
        uint32_t c = utf8_get(url.s + i, url.n - i, &len);
        if (c <= 0x20 || utf8_unsafe(c))
            return false;
    }
    return true;
}

static int put_lower(struct buf *out, struct str s)
{
    int r = buf_reserve(out, s.n);

    if (r < 0)
        return r;
    for (size_t i = 0; i < s.n; i++)
        out->s[out->n++] = lower(s.s[i]);
    out->s[out->n] = '\0';
    return 0;
}

int url_host(struct buf *scratch, struct str url)
{
    struct str host = host_of(split(str_trim(url)).authority);

    buf_clear(scratch);
    return put_lower(scratch, host);
}

/* Query parameters that say where a reader came from, not what is to be read. */
static bool is_tracking(struct str parameter)
{
    static const char *const names[] = {
        "fbclid",    "gclid",       "dclid",   "gbraid", "wbraid", "msclkid", "yclid",
        "twclid",    "igshid",      "mc_cid",  "mc_eid", "_ga",    "_gl",     "_hsenc",
        "_hsmi",     "mkt_tok",     "ref_src", "cmpid",  "ito",    "ncid",    "xtor",
        "at_medium", "at_campaign", "ocid",    "CMP",    "smid",   "spm",
    };
    struct str name = { parameter.s, until(parameter, "=") };

    if (starts_nocase(name, STR("utm_")))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_eq_nocase(name, str_of(names[i])))
            return true;
    }
    return false;
}

static int by_bytes(const void *x, const void *y)
{
    const struct str *a = x, *b = y;
    int r = memcmp(a->s, b->s, a->n < b->n ? a->n : b->n); /* neither is empty */

    return r ? r : (a->n > b->n) - (a->n < b->n);
}

#define PARAMETERS_MAX 64 /* more than these stay unsorted */

static int put_query(struct buf *out, struct str query)
{
    struct str kept[PARAMETERS_MAX];
    size_t n = 0;

    while (query.n && n < PARAMETERS_MAX) {
        size_t len = until(query, "&");
        struct str one = take(&query, len, len < query.n);
        if (one.n && !is_tracking(one))
            kept[n++] = one;
    }
    if (n > 1)
        qsort(kept, n, sizeof *kept, by_bytes);
    for (size_t i = 0; i < n; i++) {
        (void)buf_putc(out, i ? '&' : '?');
        (void)buf_put_str(out, kept[i]);
    }
    if (query.n) {
        (void)buf_putc(out, '&');
        (void)buf_put_str(out, query);
    }
    return out->error;
}

int url_normalise(struct buf *out, struct str url)
{
    struct parts p = split(url = str_trim(url));

    if (p.authority.n == 0)
        return buf_put_str(out, url); /* nothing that can be told about it */
    struct str host = host_of(p.authority);
    struct str port = { host.s + host.n,
                        p.authority.n - (size_t)(host.s + host.n - p.authority.s) };

    if (starts_nocase(host, STR("www.")))
        (void)take(&host, 4, 0);
    while (host.n && host.s[host.n - 1] == '.')
        host.n--;
    (void)put_lower(out, host);
    if (port.n > 1 && !str_eq(port, STR(":80")) && !str_eq(port, STR(":443")))
        (void)buf_put_str(out, port);
    while (p.path.n && p.path.s[p.path.n - 1] == '/')
        p.path.n--;
    (void)buf_put_str(out, p.path);
    return put_query(out, p.query);
}
