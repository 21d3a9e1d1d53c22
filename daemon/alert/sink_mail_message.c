/* A mail message: headers, plain text and HTML. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "sink_mail_own.h"
#include "sink_text.h"
#include "url.h"
#include "utf8.h"

#define PART_BYTES (1UL << 18)
#define WORD_BYTES 42 /* of text in an encoded word: 75 characters with its frame */

/* ---- addresses */

static bool address_ok(struct str a)
{
    const char *at = a.n ? memchr(a.s, '@', a.n) : NULL;

    if (!at || at == a.s || at + 1 == a.s + a.n || a.n > 254)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        bool domain = a.s + i > at;
        char c = a.s[i];
        if (c <= ' ' || c > '~' || strchr("<>()[],;:\\\"", c) || (domain && c == '@') ||
            (domain && !strchr("-.", c) && (c < '0' || c > '9') && (c | 32) < 'a'))
            return false;
    }
    return true;
}

int mail_address_next(struct str *list, struct str *name, struct str *address)
{
    struct str s = str_trim(*list);

    if (!s.n)
        return 0;
    const char *comma = memchr(s.s, ',', s.n);
    size_t n = comma ? (size_t)(comma - s.s) : s.n;
    *list = (struct str){ s.s + n + (comma != NULL), s.n - n - (comma != NULL) };
    s = str_trim((struct str){ s.s, n });
    const char *open = s.n ? memchr(s.s, '<', s.n) : NULL;
    *name = (struct str){ 0 };
    *address = s;
    if (open) {
        if (s.s[s.n - 1] != '>')
            return -EINVAL;
        *name = str_trim((struct str){ s.s, (size_t)(open - s.s) });
        if (name->n > 1 && name->s[0] == '"' && name->s[name->n - 1] == '"')
            *name = (struct str){ name->s + 1, name->n - 2 };
        *address = (struct str){ open + 1, s.n - (size_t)(open - s.s) - 2 };
    }
    return address_ok(*address) ? 1 : -EINVAL;
}

/* ---- header fields */

static bool plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] < ' ' || s.s[i] > '~' ||
            (s.s[i] == '=' && i + 1 < s.n && s.s[i + 1] == '?'))
            return false;
    return s.n <= 60;
}

static void put_base64(struct buf *out, const unsigned char *s, size_t n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)s[i] << 16 | (i + 1 < n ? (uint32_t)s[i + 1] << 8 : 0) |
                     (i + 2 < n ? s[i + 2] : 0);
        (void)buf_putc(out, digits[v >> 18]);
        (void)buf_putc(out, digits[v >> 12 & 63]);
        (void)buf_putc(out, i + 1 < n ? digits[v >> 6 & 63] : '=');
        (void)buf_putc(out, i + 2 < n ? digits[v & 63] : '=');
    }
}

/* Text of a header, as RFC 2047 has it when it is not short and ASCII: whole characters
 * in each encoded word, one a line. */
static void put_words(struct buf *out, struct str s)
{
    if (plain(s)) {
        (void)buf_put_str(out, s);
        return;
    }
    for (size_t i = 0; i < s.n;) {
        size_t n = utf8_cut(s.s + i, s.n - i, WORD_BYTES);
        (void)buf_puts(out, i ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        put_base64(out, (const unsigned char *)s.s + i, n);
        (void)buf_puts(out, "?=");
        i += n;
    }
}

static void put_name(struct buf *out, struct str name)
{
    if (!plain(name)) {
        put_words(out, name);
        return;
    }
    (void)buf_putc(out, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.s[i] == '"' || name.s[i] == '\\')
            (void)buf_putc(out, '\\');
        (void)buf_putc(out, name.s[i]);
    }
    (void)buf_putc(out, '"');
}

static void put_addresses(struct buf *out, const char *field, const char *list)
{
    struct str rest = str_of(list), name, address;

    (void)buf_printf(out, "%s: ", field);
    for (bool first = true; mail_address_next(&rest, &name, &address) > 0;
         first = false) {
        (void)buf_puts(out, first ? "" : ",\r\n ");
        if (name.n) {
            put_name(out, name);
            (void)buf_puts(out, " <");
        }
        (void)buf_put_str(out, address);
        (void)buf_puts(out, name.n ? ">" : "");
    }
    (void)buf_puts(out, "\r\n");
}

static struct str domain_of(const char *from)
{
    struct str rest = str_of(from), name, address = STR("feedwatch@localhost");

    (void)mail_address_next(&rest, &name, &address);
    const char *at = memchr(address.s, '@', address.n);
    return (struct str){ at + 1, address.n - (size_t)(at + 1 - address.s) };
}

static void put_date(struct buf *out, int64_t now_s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)now_s;
    struct tm tm = { .tm_mday = 1 };

    (void)gmtime_r(&t, &tm);
    (void)buf_printf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n",
                     days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
                     tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* What all messages about one story of one watch refer to: mail programs put them into
 * one thread, though there is no message of this id. */
static void story_id(char hex[33], const struct alert *a)
{
    struct buf key;

    buf_init(&key, 16384);
    (void)buf_put_str(&key, a->watch);
    (void)buf_putc(&key, '\n');
    if (!url_is_web(a->link) || url_normalise(&key, a->link) < 0)
        (void)buf_put_str(&key, a->item_id.n ? a->item_id : str_of(a->id));
    XXH128_hash_t h = XXH3_128bits(key.s ? key.s : "", key.n);
    snprintf(hex, 33, "%016" PRIx64 "%016" PRIx64, (uint64_t)h.high64, (uint64_t)h.low64);
    buf_free(&key);
}

/* The same for the same message, so that one that comes twice is seen as one. */
static void put_ids(struct buf *out, const struct mail_headers *h, const struct parcel *p)
{
    struct str domain = domain_of(h->from);
    int d = (int)domain.n;
    const char *s = domain.s, *id = text_id(p);
    char story[33];

    if (p->digest) {
        (void)buf_printf(out, "Message-ID: <digest.%s@%.*s>\r\n", id, d, s);
    } else if (p->n > 1) {
        (void)buf_printf(out, "Message-ID: <%s.%zu@%.*s>\r\n", id, p->n, d, s);
    } else if (p->amend) { /* an answer to the first message */
        story_id(story, p->alerts[0]);
        (void)buf_printf(out, "Message-ID: <%s.s%zu@%.*s>\r\n", id,
                         text_sources(p->alerts[0]), d, s);
        (void)buf_printf(out, "In-Reply-To: <%s@%.*s>\r\n", id, d, s);
        (void)buf_printf(out, "References: <story.%s@%.*s>\r\n <%s@%.*s>\r\n", story, d,
                         s, id, d, s);
    } else {
        story_id(story, p->alerts[0]);
        (void)buf_printf(out, "Message-ID: <%s@%.*s>\r\n", id, d, s);
        (void)buf_printf(out, "In-Reply-To: <story.%s@%.*s>\r\n", story, d, s);
        (void)buf_printf(out, "References: <story.%s@%.*s>\r\n", story, d, s);
    }
}

/* List-Id (RFC 2919) lets a mail program sort by watch. */
static void put_list(struct buf *out, const struct mail_headers *h, struct str watch)
{
    struct str domain = domain_of(h->from);
    char label[64];
    size_t n = 0;

    for (size_t i = 0; i < watch.n && n < 60; i++) {
        char c = watch.s[i];
        bool ok =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (ok || (c == '-' && n))
            label[n++] = c;
    }
    label[n] = '\0';
    (void)buf_printf(out, "List-Id: <%s.feedwatch.%.*s>\r\n", n ? label : "watch",
                     (int)domain.n, domain.s);
    if (h->unsubscribe)
        (void)buf_printf(out,
                         "List-Unsubscribe: <%s>\r\n"
                         "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
                         h->unsubscribe);
}

static void put_headers(struct buf *out, const struct mail_headers *h,
                        const struct parcel *p)
{
    struct str watch = p->digest ? p->digest->watch : p->alerts[0]->watch;
    struct buf subject;

    buf_init(&subject, PART_BYTES);
    (void)buf_puts(&subject, p->amend ? "Re: [" : "[");
    text_put(&subject, watch, 60, MARKUP_NONE);
    (void)buf_puts(&subject, "] ");
    text_subject(&subject, p, 250);
    put_date(out, h->now_s);
    put_addresses(out, "From", h->from);
    put_addresses(out, "To", h->to);
    (void)buf_puts(out, "Subject: ");
    put_words(out, buf_str(&subject));
    (void)buf_puts(out, "\r\n");
    put_ids(out, h, p);
    put_list(out, h, watch);
    if (text_priority(p) == ALERT_CRITICAL && !p->amend)
        (void)buf_puts(out, "Importance: high\r\nX-Priority: 1\r\n");
    (void)buf_puts(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
    if (subject.error)
        out->error = subject.error;
    buf_free(&subject);
}

/* ---- bodies */

/* Quoted-printable (RFC 2045 6.7): lines of at most 76 characters. */
static void put_quoted(struct buf *out, struct str s)
{
    size_t column = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.s[i];
        bool last = i + 1 == s.n || s.s[i + 1] == '\n';

        if (c == '\n') {
            (void)buf_puts(out, "\r\n");
            column = 0;
            continue;
        }
        bool raw = c > ' ' && c <= '~' && c != '=';
        raw |= c == ' ' && !last;
        size_t n = raw ? 1 : 3;
        if (column + n > 75) {
            (void)buf_puts(out, "=\r\n");
            column = 0;
        }
        if (raw)
            (void)buf_putc(out, (char)c);
        else
            (void)buf_printf(out, "=%02X", c);
        column += n;
    }
    (void)buf_puts(out, "\r\n");
}

static void put_html_one(struct buf *out, const struct alert *a)
{
    bool web = url_is_web(a->link);

    (void)buf_puts(out, "<p><b>");
    (void)buf_puts(out, web ? "<a href=\"" : "");
    text_link(out, a->link, MARKUP_HTML);
    (void)buf_puts(out, web ? "\">" : "");
    text_title(out, a, 300, MARKUP_HTML);
    (void)buf_puts(out, web ? "</a></b><br>\n" : "</b><br>\n");
    text_put(out, a->watch, 80, MARKUP_HTML);
    (void)buf_puts(out, " \xC2\xB7 "); /* middle dot */
    text_put(out, a->feed, 80, MARKUP_HTML);
    (void)buf_puts(out, "</p>\n");
    if (a->snippet.n) {
        (void)buf_puts(out, "<p>");
        text_bold(out, a, true, 1000, MARKUP_HTML);
        (void)buf_puts(out, "</p>\n");
    }
}

/* The later sources, one in a line; in HTML a list. */
static void put_sources(struct buf *out, const struct alert *a, enum markup m)
{
    bool html = m == MARKUP_HTML;
    struct str rest = a->sources;
    struct alert_source s;

    (void)buf_puts(out, html ? "<p>The same story has also come from:</p>\n<ul>\n"
                             : "The same story has also come from:\n");
    while (alert_source_next(&rest, &s)) {
        bool web = url_is_web(s.link);

        (void)buf_puts(out, html ? "<li>" : "\n\xE2\x80\xA2 "); /* bullet */
        text_put(out, s.feed, 80, m);
        (void)buf_puts(out, html && web ? ": <a href=\"" : ": ");
        if (html && web) {
            text_link(out, s.link, m);
            (void)buf_puts(out, "\">");
        }
        text_put(out, s.title, 300, m);
        (void)buf_puts(out, html ? web ? "</a></li>\n" : "</li>\n" : "\n");
        if (!html && web) {
            (void)buf_puts(out, "  ");
            text_link(out, s.link, m);
            (void)buf_putc(out, '\n');
        }
    }
    (void)buf_puts(out, html ? "</ul>\n" : "\n");
}

static void put_html(struct buf *out, const struct parcel *p)
{
    struct buf line;

    buf_init(&line, 8192);
    (void)buf_puts(out, "<!DOCTYPE html>\n<html><body>\n");
    if (p->digest) {
        (void)digest_title(&line, p->digest);
        (void)buf_puts(out, "<p>");
        text_put(out, buf_str(&line), 500, MARKUP_HTML);
        (void)buf_puts(out, "</p>\n");
    }
    if (p->amend)
        put_sources(out, p->alerts[0], MARKUP_HTML);
    for (size_t i = 0; i < p->n; i++)
        put_html_one(out, p->alerts[i]);
    if (p->digest && p->digest->count > (int64_t)p->n)
        (void)buf_printf(out, "<p>and %" PRId64 " more in the alert log</p>\n",
                         p->digest->count - (int64_t)p->n);
    (void)buf_puts(out, "</body></html>");
    buf_free(&line);
}

static void put_part(struct buf *out, const char *boundary, const char *type,
                     const struct buf *text)
{
    (void)buf_printf(out,
                     "--%s\r\nContent-Type: %s; charset=utf-8\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
                     boundary, type);
    put_quoted(out, buf_str(text));
    if (text->error)
        out->error = text->error;
}

int mail_write(struct buf *out, const struct mail_headers *h, const struct parcel *p)
{
    char boundary[60];
    struct buf text, html;

    buf_init(&text, PART_BYTES);
    buf_init(&html, PART_BYTES);
    /* "=_" is in no quoted-printable text. */
    snprintf(boundary, sizeof boundary, "=_%.32s", text_id(p));
    put_headers(out, h, p);
    (void)buf_printf(out, "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n",
                     boundary);
    if (p->amend)
        put_sources(&text, p->alerts[0], MARKUP_NONE);
    text_subject(&text, p, 500);
    (void)buf_puts(&text, "\n\n");
    text_body(&text, p, 20000);
    put_part(out, boundary, "text/plain", &text);
    put_html(&html, p);
    put_part(out, boundary, "text/html", &html);
    (void)buf_printf(out, "--%s--\r\n", boundary);
    buf_free(&text);
    buf_free(&html);
    return out->error;
}
