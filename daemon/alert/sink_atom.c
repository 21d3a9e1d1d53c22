/* An Atom 1.0 file (RFC 4287) of the latest alerts, for any feed reader. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "date.h"
#include "item.h"
#include "sink_file.h"
#include "sink_kinds.h"
#include "sink_text.h"
#include "url.h"

#define ENTRIES 100 /* kept, unless the config says otherwise */
#define ENTRIES_MAX 1000
#define FILE_BYTES (64UL << 20)
#define ENTRY_BYTES (256UL << 10)
#define HEAD                                                                             \
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"                                       \
    "<feed xmlns=\"http://www.w3.org/2005/Atom\">\n"                                     \
    "<generator>feedwatch</generator>\n"
#define ENTRY_START "<entry>\n<id>"
#define ENTRY_END "</entry>\n"

struct atom {
    char *path, *title, *url; /* url: where the file can be had, or NULL */
    size_t max;
    char **entry; /* newest first; each from <entry> to its line's end */
    size_t n;
    bool read; /* what the file had */
};

/* Append as XML text.  Two characters that no check of text takes offence at are none in
 * XML. */
static void put_xml(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.s[i];

        if (c == '&')
            (void)buf_puts(out, "&amp;");
        else if (c == '<')
            (void)buf_puts(out, "&lt;");
        else if (c == '>')
            (void)buf_puts(out, "&gt;");
        else if (c == '"')
            (void)buf_puts(out, "&quot;");
        else if (c >= 0xBE && i >= 2 && (unsigned char)s.s[i - 1] == 0xBF &&
                 (unsigned char)s.s[i - 2] == 0xEF)
            (void)buf_putc(out, '\xBD');
        else
            (void)buf_putc(out, s.s[i]);
    }
}

static void put_element(struct buf *out, const char *name, struct str safe)
{
    (void)buf_printf(out, "<%s>", name);
    put_xml(out, safe);
    (void)buf_printf(out, "</%s>\n", name);
}

/* 32 hex digits as a UUID of version 8 (RFC 9562: made from a hash). */
static void put_uuid(struct buf *out, const char *hex)
{
    char u[33];

    (void)memset(u, '0', sizeof u);
    memcpy(u, hex, strnlen(hex, 32));
    u[12] = '8';
    u[16] = "89ab"[(u[16] & 3)];
    (void)buf_printf(out, "urn:uuid:%.8s-%.4s-%.4s-%.4s-%.12s", u, u + 8, u + 12, u + 16,
                     u + 20);
}

static void put_when(struct buf *out, const char *name, int64_t ms)
{
    char when[DATE_RFC3339_SIZE];

    date_rfc3339(when, ms);
    put_element(out, name, str_of(when));
}

/* ---- the HTML inside of an entry */

static void put_anchor(struct buf *html, struct str link, struct str text)
{
    bool web = url_is_web(link);

    if (web) {
        (void)buf_puts(html, "<a href=\"");
        text_link(html, link, MARKUP_HTML);
        (void)buf_puts(html, "\">");
    }
    text_put(html, text, 300, MARKUP_HTML);
    (void)buf_puts(html, web ? "</a>" : "");
}

static void put_sources(struct buf *html, const struct alert *a)
{
    struct str sources = a->sources;
    struct alert_source source;

    while (alert_source_next(&sources, &source)) {
        (void)buf_puts(html, "<p>Also in ");
        text_put(html, source.feed, 80, MARKUP_HTML);
        (void)buf_puts(html, ": ");
        put_anchor(html, source.link, source.title.n ? source.title : source.link);
        (void)buf_puts(html, "</p>");
    }
}

static void put_html(struct buf *html, const struct alert *a)
{
    if (a->snippet.n) {
        (void)buf_puts(html, "<p>");
        text_bold(html, a, true, 2000, MARKUP_HTML);
        (void)buf_puts(html, "</p>");
    }
    (void)buf_puts(html, "<p>Watch ");
    text_put(html, a->watch, 80, MARKUP_HTML);
    (void)buf_puts(html, ", feed ");
    text_put(html, a->feed, 80, MARKUP_HTML);
    if (a->matched.n) {
        (void)buf_puts(html, ", matched ");
        text_matched(html, a->matched, 100, MARKUP_HTML);
    }
    (void)buf_puts(html, "</p>");
    put_sources(html, a);
}

static void put_digest_html(struct buf *html, const struct digest *d)
{
    (void)buf_puts(html, "<ul>");
    for (size_t i = 0; i < d->n; i++) {
        (void)buf_puts(html, "<li>");
        put_anchor(html, d->alerts[i]->link,
                   d->alerts[i]->title.n ? d->alerts[i]->title : STR("(no title)"));
        (void)buf_puts(html, " (");
        text_put(html, d->alerts[i]->feed, 80, MARKUP_HTML);
        (void)buf_puts(html, ")</li>");
    }
    (void)buf_puts(html, "</ul>");
    if (d->count > (int64_t)d->n)
        (void)buf_printf(html, "<p>and %" PRId64 " more</p>", d->count - (int64_t)d->n);
}

/* ---- an entry */

static int64_t updated_of(const struct alert *a)
{
    struct str sources = a->sources;
    struct alert_source source;
    int64_t ms = a->time_ms;

    while (alert_source_next(&sources, &source))
        if (source.time_ms > ms)
            ms = source.time_ms;
    return ms;
}

static void put_plain(struct buf *out, const char *name, struct str s)
{
    struct buf safe;

    buf_init(&safe, ENTRY_BYTES);
    text_put(&safe, s, 500, MARKUP_NONE);
    put_element(out, name, buf_str(&safe));
    if (safe.error)
        out->error = safe.error;
    buf_free(&safe);
}

static void put_category(struct buf *out, struct str watch)
{
    (void)buf_puts(out, "<category term=\"");
    text_put(out, watch, 100, MARKUP_HTML);
    (void)buf_puts(out, "\"/>\n");
}

static void put_alternate(struct buf *out, struct str link)
{
    if (!url_is_web(link))
        return;
    (void)buf_puts(out, "<link rel=\"alternate\" href=\"");
    text_link(out, link, MARKUP_HTML);
    (void)buf_puts(out, "\"/>\n");
}

/* The entry of one alert of the parcel, or of its digest. */
static char *entry_new(const struct parcel *p, size_t i)
{
    const struct digest *d = p->digest;
    const struct alert *a = d ? NULL : p->alerts[i];
    struct parcel one = { .alerts = p->alerts + i, .n = 1 };
    struct buf out, html, title;

    buf_init(&out, ENTRY_BYTES);
    buf_init(&html, ENTRY_BYTES);
    buf_init(&title, 8192);
    (void)buf_puts(&out, ENTRY_START);
    put_uuid(&out, d ? d->id : a->id);
    (void)buf_puts(&out, "</id>\n");
    text_subject(&title, d ? p : &one, 500);
    put_element(&out, "title", buf_str(&title));
    put_when(&out, "updated", d ? d->time_ms : updated_of(a));
    if (a && a->published_s != ITEM_NO_TIME)
        put_when(&out, "published", a->published_s * 1000);
    if (a) {
        (void)buf_puts(&out, "<author>\n");
        put_plain(&out, "name", a->author.n ? a->author : a->feed);
        (void)buf_puts(&out, "</author>\n");
        put_alternate(&out, a->link);
        put_html(&html, a);
    } else {
        put_digest_html(&html, d);
    }
    put_category(&out, d ? d->watch : a->watch);
    (void)buf_puts(&out, "<content type=\"html\">");
    put_xml(&out, buf_str(&html));
    (void)buf_puts(&out, "</content>\n" ENTRY_END);
    bool bad = out.error || html.error || title.error;
    char *s = bad ? NULL : strdup(out.s);
    buf_free(&out);
    buf_free(&html);
    buf_free(&title);
    return s;
}

/* The length of the part that tells entries apart. */
static size_t id_length(const char *entry)
{
    const char *end = strchr(entry + strlen(ENTRY_START), '<');

    return end ? (size_t)(end - entry) : strlen(entry);
}

/* The place of the entry with the same id; x->n: there is none. */
static size_t find(const struct atom *x, const char *entry)
{
    size_t i = 0, n = id_length(entry);

    while (i < x->n && strncmp(x->entry[i], entry, n) != 0)
        i++;
    return i;
}

/* Put an entry in front, or where the same one stands already. */
static void add(struct atom *x, char *entry, bool only_replace)
{
    size_t i = find(x, entry);

    if (i < x->n) {
        free(x->entry[i]);
        x->entry[i] = entry;
        return;
    }
    if (only_replace) {
        free(entry);
        return;
    }
    if (x->n == x->max)
        free(x->entry[--x->n]);
    memmove(x->entry + 1, x->entry, x->n * sizeof *x->entry);
    x->entry[0] = entry;
    x->n++;
}

/* ---- the file */

/* Same sink, same machine, same place: the same feed. */
static void put_feed_id(struct buf *out, const struct atom *x)
{
    char host[256] = "", hex[33];
    struct buf key;

    buf_init(&key, 8192);
    (void)gethostname(host, sizeof host - 1);
    (void)buf_printf(&key, "%s\n%s\n%s", host, x->path, x->url ? x->url : "");
    XXH128_hash_t h = XXH3_128bits(key.s ? key.s : "", key.n);
    buf_free(&key);
    (void)snprintf(hex, sizeof hex, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64,
                   (uint64_t)h.low64);
    (void)buf_puts(out, "<id>");
    put_uuid(out, hex);
    (void)buf_puts(out, "</id>\n");
}

static int write_file(const struct atom *x, int64_t updated_ms)
{
    struct buf out;

    buf_init(&out, FILE_BYTES);
    (void)buf_puts(&out, HEAD);
    put_feed_id(&out, x);
    put_plain(&out, "title", str_of(x->title));
    put_when(&out, "updated", updated_ms);
    (void)buf_puts(&out, "<author>\n<name>feedwatch</name>\n</author>\n");
    if (x->url) {
        (void)buf_puts(&out, "<link rel=\"self\" type=\"application/atom+xml\" href=\"");
        text_put(&out, str_of(x->url), 2000, MARKUP_HTML);
        (void)buf_puts(&out, "\"/>\n");
    }
    for (size_t i = 0; i < x->n; i++)
        (void)buf_puts(&out, x->entry[i]);
    (void)buf_puts(&out, "</feed>\n");
    int r = out.error ? out.error : file_replace(x->path, buf_str(&out));
    buf_free(&out);
    return r;
}

/* Take over the entries of the file as it is.  0, or -errno: -EEXIST: not ours. */
static int read_file(struct atom *x)
{
    struct buf old;

    buf_init(&old, FILE_BYTES);
    int r = file_read(x->path, &old);
    if (r == 0 && (old.n < strlen(HEAD) || memcmp(old.s, HEAD, strlen(HEAD)) != 0))
        r = old.n ? -EEXIST : 0;
    char *at = r == 0 && old.n ? strstr(old.s, "\n" ENTRY_START) : NULL;
    while (at && x->n < x->max) {
        char *end = strstr(++at, "\n" ENTRY_END);
        if (!end)
            break;
        end += 1 + strlen(ENTRY_END);
        x->entry[x->n] = strndup(at, (size_t)(end - at));
        if (!x->entry[x->n]) {
            r = -ENOMEM;
            break;
        }
        x->n++;
        at = strncmp(end, ENTRY_START, strlen(ENTRY_START)) == 0 ? end - 1 : NULL;
    }
    buf_free(&old);
    x->read = r == 0 || r == -ENOENT;
    return r == -ENOENT ? 0 : r;
}

static int fail(const struct atom *x, struct buf *why, int r)
{
    (void)buf_printf(why, "%s: %s", x->path,
                     r == -EEXIST ? "holds something else than alerts; name another file"
                                  : strerror(-r));
    return r;
}

static int atom_send(void *ctx, const struct parcel *p, struct sent *out)
{
    struct atom *x = ctx;
    int64_t updated_ms = p->digest ? p->digest->time_ms : 0;
    size_t n = p->digest ? 1 : p->n;
    int r = x->read ? 0 : read_file(x);

    for (size_t i = 0; i < n && r == 0; i++) {
        char *entry = entry_new(p, i);
        if (!entry) {
            r = -ENOMEM;
            break;
        }
        add(x, entry, p->amend);
        if (!p->digest && updated_of(p->alerts[i]) > updated_ms)
            updated_ms = updated_of(p->alerts[i]);
    }
    if (r == 0)
        r = write_file(x, updated_ms);
    return r < 0 ? fail(x, &out->why, r) : (int)n;
}

static void atom_free(void *ctx)
{
    struct atom *x = ctx;

    if (!x)
        return;
    for (size_t i = 0; i < x->n; i++)
        free(x->entry[i]);
    free(x->entry);
    free(x->path);
    free(x->title);
    free(x->url);
    free(x);
}

static const struct sink_work work = {
    .type = "atom",
    .batch = 64,
    .amends = true,
    .send = atom_send,
    .free = atom_free,
};

int sink_atom_open(struct sink **out, const struct sink_options *o, struct buf *why)
{
    struct atom *x = calloc(1, sizeof *x);
    int r = -ENOMEM;

    if (!x)
        return r;
    x->max = o->entries && o->entries <= ENTRIES_MAX ? o->entries : ENTRIES;
    x->entry = calloc(x->max, sizeof *x->entry);
    x->path = strdup(o->path);
    x->title = strdup(o->title ? o->title : "feedwatch alerts");
    x->url = o->url ? strdup(o->url) : NULL;
    if (x->entry && x->path && x->title && (x->url || !o->url))
        r = read_file(x) == -EEXIST ? fail(x, why, -EEXIST) : 0;
    if (r == 0)
        r = sink_worker_new(out, o->name, &work, x, (struct sink_pace){ 0, 0 }, why);
    if (r < 0)
        atom_free(x);
    return r;
}
