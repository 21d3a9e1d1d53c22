/* The bodies of webhooks: our own JSON, and the forms of ntfy, Slack, Mattermost,
 * Discord, Matrix and Alertmanager, as their public API documentation has them. */
#include <inttypes.h>
#include <string.h>
#include "date.h"
#include "json.h"
#include "sink_text.h"
#include "sink_webhook_own.h"
#include "url.h"
#include "utf8.h"

#define PART_BYTES 65536

/* ,"key":"what put() writes" */
static void put_text(struct buf *out, const char *key, const struct buf *text)
{
    (void)json_member_str(out, key, buf_str(text));
    if (text->error && !out->error)
        out->error = text->error;
}

static void put_time(struct buf *out, const char *key, int64_t ms)
{
    char when[DATE_RFC3339_SIZE];

    date_rfc3339(when, ms);
    (void)json_member_str(out, key, str_of(when));
}

static int64_t time_of(const struct parcel *p)
{
    return p->digest ? p->digest->time_ms : p->alerts[0]->time_ms;
}

static struct str watch_of(const struct parcel *p)
{
    return p->digest ? p->digest->watch : p->alerts[0]->watch;
}

static struct str link_of(const struct parcel *p)
{
    struct str none = { 0 };

    return !p->digest && p->n == 1 && url_is_web(p->alerts[0]->link) ? p->alerts[0]->link
                                                                     : none;
}

/* ---- our own: the envelope of Standard Webhooks around a line of the log */

static void json_body(struct buf *out, const struct parcel *p, const char *room,
                      const char *id)
{
    const char *type = p->digest              ? "feedwatch.digest"
                       : p->alerts[0]->update ? "feedwatch.update"
                                              : "feedwatch.alert";

    (void)room;
    (void)id;
    (void)buf_printf(out, "{\"type\":\"%s\"", type);
    put_time(out, "timestamp", time_of(p));
    (void)buf_puts(out, ",\"data\":");
    int r = p->digest ? digest_json(out, p->digest)
                      : alert_render(out, p->alerts[0], ALERT_JSON);
    if (r == 0 && out->n && out->s[out->n - 1] == '\n')
        out->s[--out->n] = '\0';
    (void)buf_putc(out, '}');
}

/* ---- ntfy: publish as JSON, at the root of the server.  A server from 2.16 on says the
 * sequence id in its answer, and shows a later message of the same id in place of the
 * first; an older one ignores it, and must not be sent a second one. */

static void ntfy_body(struct buf *out, const struct parcel *p, const char *room,
                      const char *id)
{
    static const int priorities[] = { 2, 3, 5 };
    struct buf text;

    (void)id;
    buf_init(&text, PART_BYTES);
    (void)buf_puts(out, "{\"topic\":");
    (void)json_put_str(out, str_of(room));
    (void)json_member_str(out, "sequence_id", str_of(text_id(p)));
    text_subject(&text, p, 200);
    put_text(out, "title", &text);
    buf_clear(&text);
    text_body(&text, p, 900);
    text.n = utf8_cut(text.s ? text.s : "", text.n, 4000); /* 4096 bytes are allowed */
    put_text(out, "message", &text);
    (void)json_member_int(out, "priority", priorities[text_priority(p)]);
    (void)json_put_key(out, "tags");
    (void)buf_putc(out, '[');
    (void)json_put_str(out, watch_of(p));
    (void)buf_putc(out, ']');
    if (link_of(p).n) {
        (void)json_member_str(out, "click", link_of(p));
        (void)buf_puts(out, ",\"actions\":[{\"action\":\"view\",\"label\":\"Open\"");
        (void)json_member_str(out, "url", link_of(p));
        (void)buf_puts(out, "}]");
    }
    (void)buf_putc(out, '}');
    buf_free(&text);
}

/* The server without the path, which may name the topic. */
static void ntfy_url(struct buf *out, const char *url, const char *room,
                     const struct parcel *p, const char *id)
{
    const char *host = strstr(url, "://");
    size_t n = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : strlen(url);

    (void)room;
    (void)p;
    (void)id;
    (void)buf_put(out, url, n);
    (void)buf_putc(out, '/');
}

/* ---- lists with links, in the markup of Slack, Markdown or HTML */

static void put_link(struct buf *out, struct str link, struct str label, enum markup m)
{
    bool web = url_is_web(link);

    switch (m) {
    case MARKUP_SLACK:
        (void)buf_puts(out, web ? "<" : "");
        text_link(out, link, m);
        (void)buf_puts(out, web ? "|" : "");
        break;
    case MARKUP_MARKDOWN:
        (void)buf_puts(out, web ? "[" : "");
        break;
    case MARKUP_HTML:
        (void)buf_puts(out, web ? "<a href=\"" : "");
        text_link(out, link, m);
        (void)buf_puts(out, web ? "\">" : "");
        break;
    case MARKUP_NONE:
        break;
    }
    text_put(out, label, 150, m);
    if (!web)
        return;
    if (m == MARKUP_MARKDOWN) {
        (void)buf_puts(out, "](<");
        text_link(out, link, MARKUP_NONE);
    }
    (void)buf_puts(out, m == MARKUP_SLACK      ? ">"
                        : m == MARKUP_MARKDOWN ? ">)"
                        : m == MARKUP_HTML     ? "</a>"
                                               : "");
}

static struct str title_of(const struct alert *a)
{
    return a->title.n ? a->title : a->link.n ? a->link : STR("(no title)");
}

/* "summit · kyivpost, bbc" */
static void put_origin(struct buf *out, const struct alert *a, enum markup m)
{
    struct str sources = a->sources;
    struct alert_source source;

    text_put(out, a->watch, 80, m);
    (void)buf_puts(out, " \xC2\xB7 "); /* middle dot */
    text_put(out, a->feed, 80, m);
    while (alert_source_next(&sources, &source)) {
        (void)buf_puts(out, ", ");
        text_put(out, source.feed, 80, m);
    }
}

static void put_one(struct buf *out, const struct alert *a, enum markup m)
{
    const char *line = m == MARKUP_HTML ? "<br>" : "\n";

    put_link(out, a->link, title_of(a), m);
    (void)buf_puts(out, line);
    put_origin(out, a, m);
    if (a->snippet.n) {
        (void)buf_puts(out, line);
        text_bold(out, a, true, 600, m);
    }
}

static void put_all(struct buf *out, const struct parcel *p, enum markup m)
{
    bool html = m == MARKUP_HTML;
    struct buf line;

    if (!p->digest && p->n == 1) {
        put_one(out, p->alerts[0], m);
        return;
    }
    buf_init(&line, PART_BYTES);
    text_subject(&line, p, 200);
    text_put(out, buf_str(&line), 200, m);
    (void)buf_puts(out, html ? "<ul>" : "");
    for (size_t i = 0; i < p->n && i < 12; i++) {
        (void)buf_puts(out, html ? "<li>" : "\n\xE2\x80\xA2 "); /* bullet */
        put_link(out, p->alerts[i]->link, title_of(p->alerts[i]), m);
        (void)buf_puts(out, " (");
        text_put(out, p->alerts[i]->feed, 80, m);
        (void)buf_puts(out, html ? ")</li>" : ")");
    }
    (void)buf_puts(out, html ? "</ul>" : "");
    int64_t all = p->digest ? p->digest->count : (int64_t)p->n;
    if (all > 12)
        (void)buf_printf(out, "%s\xE2\x80\xA6 and %" PRId64 " more", html ? "" : "\n",
                         all - (p->n < 12 ? (int64_t)p->n : 12));
    buf_free(&line);
}

/* ---- Slack: a plain header and a section, within 150 and 3000 characters */

/* A list with long links has room for the titles alone, and as plain text: nothing in it
 * is a link or names somebody. */
static void slack_section(struct buf *out, const struct parcel *p)
{
    struct buf text;

    buf_init(&text, PART_BYTES);
    put_all(&text, p, MARKUP_SLACK);
    bool fits = text.n <= 2900;
    if (!fits) {
        buf_clear(&text);
        text_body(&text, p, 600);
        text.n = utf8_cut(text.s ? text.s : "", text.n, 2900);
    }
    (void)buf_puts(out, "{\"type\":\"section\",\"text\":{\"type\":");
    (void)buf_puts(out, fits ? "\"mrkdwn\",\"verbatim\":true"
                             : "\"plain_text\",\"emoji\":false");
    put_text(out, "text", &text);
    (void)buf_puts(out, "}}");
    buf_free(&text);
}

static void slack_body(struct buf *out, const struct parcel *p, const char *room,
                       const char *id)
{
    struct buf text, plain;

    (void)room;
    (void)id;
    buf_init(&text, PART_BYTES);
    buf_init(&plain, PART_BYTES);
    text_subject(&text, p, 140);
    text_put(&plain, buf_str(&text), 200, MARKUP_SLACK);
    (void)buf_puts(out, "{\"text\":");
    (void)json_put_str(out, buf_str(&plain));
    (void)buf_puts(out, ",\"unfurl_links\":false,\"unfurl_media\":false,\"blocks\":["
                        "{\"type\":\"header\",\"text\":{\"type\":\"plain_text\"");
    put_text(out, "text", &text);
    (void)buf_puts(out, ",\"emoji\":false}},");
    slack_section(out, p);
    (void)buf_puts(out, "]}");
    buf_free(&plain);
    buf_free(&text);
}

/* ---- Mattermost: Markdown; an @ that names somebody is none */

static void put_without_mentions(struct buf *out, const struct buf *text)
{
    for (size_t i = 0; i < text->n; i++)
        if (text->s[i] == '@')
            (void)buf_puts(out, "&#64;");
        else
            (void)buf_putc(out, text->s[i]);
}

static void mattermost_body(struct buf *out, const struct parcel *p, const char *room,
                            const char *id)
{
    struct buf text, quiet;

    (void)id;
    buf_init(&text, PART_BYTES);
    buf_init(&quiet, 5 * PART_BYTES);
    put_all(&text, p, MARKUP_MARKDOWN);
    put_without_mentions(&quiet, &text);
    (void)buf_puts(out, "{\"text\":");
    (void)json_put_str(out, buf_str(&quiet));
    (void)json_member_str(out, "username", STR("feedwatch"));
    if (room)
        (void)json_member_str(out, "channel", str_of(room));
    (void)buf_putc(out, '}');
    if (text.error || quiet.error)
        out->error = text.error ? text.error : quiet.error;
    buf_free(&text);
    buf_free(&quiet);
}

static void put_percent(struct buf *out, const char *s)
{
    for (; *s; s++)
        if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
            (*s >= '0' && *s <= '9') || strchr("-._~", *s))
            (void)buf_putc(out, *s);
        else
            (void)buf_printf(out, "%%%02X", (unsigned char)*s);
}

/* ---- Discord: an embed each, 6000 characters in all; nobody is pinged */

/* `many`: ten of them have to fit, with a backslash before each character. */
static void discord_embed(struct buf *out, const struct alert *a, bool many)
{
    static const int colours[] = { 0x95a5a6, 0x3498db, 0xe74c3c };
    struct buf text;

    buf_init(&text, PART_BYTES);
    (void)buf_puts(out, "{\"title\":");
    text_put(&text, title_of(a), many ? 90 : 120, MARKUP_MARKDOWN);
    (void)json_put_str(out, buf_str(&text));
    if (url_is_web(a->link) && a->link.n <= 2000)
        (void)json_member_str(out, "url", a->link);
    if (a->snippet.n) {
        buf_clear(&text);
        text_bold(&text, a, true, many ? 110 : 1000, MARKUP_MARKDOWN);
        put_text(out, "description", &text);
    }
    (void)json_member_int(out, "color", colours[a->priority]);
    put_time(out, "timestamp", a->time_ms);
    buf_clear(&text);
    put_origin(&text, a, MARKUP_NONE);
    text.n = utf8_cut(text.s ? text.s : "", text.n, many ? 150 : 2000); /* of 2048 */
    (void)buf_puts(out, ",\"footer\":{\"text\":");
    (void)json_put_str(out, buf_str(&text));
    (void)buf_puts(out, "}}");
    buf_free(&text);
}

static void discord_body(struct buf *out, const struct parcel *p, const char *room,
                         const char *id)
{
    struct buf text;

    (void)room;
    (void)buf_puts(out, "{\"allowed_mentions\":{\"parse\":[]}");
    if (!id) /* who it is from cannot be changed */
        (void)json_member_str(out, "username", STR("feedwatch"));
    if (p->digest) {
        buf_init(&text, 1900); /* 2000 are allowed */
        put_all(&text, p, MARKUP_MARKDOWN);
        (void)json_member_str(out, "content", buf_str(&text));
        buf_free(&text);
        (void)buf_putc(out, '}');
        return;
    }
    (void)buf_puts(out, ",\"embeds\":[");
    for (size_t i = 0; i < p->n; i++) {
        (void)buf_puts(out, i ? "," : "");
        discord_embed(out, p->alerts[i], p->n > 1);
    }
    (void)buf_puts(out, "]}");
}

/* With ?wait=true the answer is the message, whose id it can be changed by. */
static void discord_url(struct buf *out, const char *url, const char *room,
                        const struct parcel *p, const char *id)
{
    size_t n = strcspn(url, "?#");
    bool query = url[n] == '?';

    (void)room;
    (void)p;
    (void)buf_put(out, url, n);
    if (id) {
        (void)buf_puts(out, "/messages/");
        put_percent(out, id);
    }
    (void)buf_put(out, url + n, strcspn(url + n, "#"));
    if (!id)
        (void)buf_puts(out, query ? "&wait=true" : "?wait=true");
}

/* ---- Matrix: a message in plain text and HTML; the id makes a repetition harmless */

static void matrix_content(struct buf *out, const struct parcel *p, const char *before)
{
    struct buf text;

    buf_init(&text, PART_BYTES);
    (void)buf_puts(&text, before);
    text_subject(&text, p, 200);
    (void)buf_putc(&text, '\n');
    text_body(&text, p, 4000);
    (void)buf_puts(out, "\"msgtype\":\"m.text\"");
    put_text(out, "body", &text);
    (void)json_member_str(out, "format", STR("org.matrix.custom.html"));
    buf_clear(&text);
    (void)buf_puts(&text, before);
    put_all(&text, p, MARKUP_HTML);
    put_text(out, "formatted_body", &text);
    (void)buf_puts(out, ",\"m.mentions\":{}");
    buf_free(&text);
}

/* A change is a message of its own, with the new one in it; what stands beside is for
 * clients that know no changes. */
static void matrix_body(struct buf *out, const struct parcel *p, const char *room,
                        const char *id)
{
    (void)room;
    (void)buf_putc(out, '{');
    matrix_content(out, p, id ? "* " : "");
    if (id) {
        (void)buf_puts(out, ",\"m.new_content\":{");
        matrix_content(out, p, "");
        (void)buf_puts(out, "},\"m.relates_to\":{\"rel_type\":\"m.replace\"");
        (void)json_member_str(out, "event_id", str_of(id));
        (void)buf_putc(out, '}');
    }
    (void)buf_putc(out, '}');
}

static void matrix_url(struct buf *out, const char *url, const char *room,
                       const struct parcel *p, const char *id)
{
    size_t n = strlen(url);

    while (n && url[n - 1] == '/')
        n--;
    (void)buf_put(out, url, n);
    (void)buf_puts(out, "/_matrix/client/v3/rooms/");
    put_percent(out, room);
    (void)buf_printf(out, "/send/m.room.message/feedwatch-%s%s", text_id(p),
                     p->digest ? "-digest" : "");
    if (!p->digest && p->n > 1) /* tried again, a message may hold more: it is another */
        (void)buf_printf(out, "-%s", p->alerts[p->n - 1]->id);
    if (id) /* each change is a transaction of its own */
        (void)buf_printf(out, "-%zu", text_sources(p->alerts[0]));
}

/* ---- Alertmanager: API v2 */

static void am_text(struct buf *out, const char *key, struct str s, size_t max)
{
    struct buf safe;

    if (!s.n)
        return;
    buf_init(&safe, PART_BYTES);
    text_put(&safe, s, max, MARKUP_NONE);
    put_text(out, key, &safe);
    buf_free(&safe);
}

/* "bbc, dw": the later ones */
static void am_sources(struct buf *out, const struct alert *a)
{
    struct str sources = a->sources;
    struct alert_source source;
    struct buf text;

    buf_init(&text, PART_BYTES);
    while (alert_source_next(&sources, &source)) {
        (void)buf_puts(&text, text.n ? ", " : "");
        text_put(&text, source.feed, 80, MARKUP_NONE);
    }
    put_text(out, "sources", &text);
    buf_free(&text);
}

static void am_entry(struct buf *out, const struct alert *a, const struct digest *d)
{
    static const char *const severities[] = { "info", "warning", "critical" };
    struct parcel p = { .digest = d };
    struct buf text;

    buf_init(&text, PART_BYTES);
    (void)buf_puts(out, "{\"labels\":{\"alertname\":");
    (void)json_put_str(out, d ? STR("FeedwatchDigest") : STR("FeedwatchMatch"));
    (void)json_member_str(out, "severity",
                          str_of(severities[d ? d->priority : a->priority]));
    am_text(out, "watch", d ? d->watch : a->watch, 200);
    if (a)
        am_text(out, "feed", a->feed, 200);
    (void)json_member_str(out, "id", str_of(d ? d->id : a->id));
    (void)buf_puts(out, "},\"annotations\":{\"summary\":");
    if (d)
        text_subject(&text, &p, 500);
    else
        text_title(&text, a, 500, MARKUP_NONE);
    (void)json_put_str(out, buf_str(&text));
    if (a)
        am_text(out, "description", a->snippet, 2000);
    if (a)
        am_text(out, "link", a->link, 2000);
    if (a && a->sources.n)
        am_sources(out, a);
    (void)buf_putc(out, '}');
    put_time(out, "startsAt", d ? d->time_ms : a->time_ms);
    if (a && url_is_web(a->link))
        (void)json_member_str(out, "generatorURL", a->link);
    (void)buf_putc(out, '}');
    buf_free(&text);
}

static void am_body(struct buf *out, const struct parcel *p, const char *room,
                    const char *id)
{
    (void)room;
    (void)id;
    (void)buf_putc(out, '[');
    if (p->digest)
        am_entry(out, NULL, p->digest);
    for (size_t i = 0; !p->digest && i < p->n; i++) {
        (void)buf_puts(out, i ? "," : "");
        am_entry(out, p->alerts[i], NULL);
    }
    (void)buf_putc(out, ']');
}

static void am_url(struct buf *out, const char *url, const char *room,
                   const struct parcel *p, const char *id)
{
    static const char path[] = "/api/v2/alerts";
    size_t n = strlen(url);

    (void)room;
    (void)p;
    (void)id;
    while (n && url[n - 1] == '/')
        n--;
    (void)buf_put(out, url, n);
    if (n < sizeof path - 1 ||
        strncmp(url + n - (sizeof path - 1), path, sizeof path - 1))
        (void)buf_puts(out, path);
}

/* ---- the table; limits as the services document them */

static const struct preset presets[] = {
    { .name = "json", .batch = 1, .body = json_body },
    { .name = "ntfy",
      .batch = 1,
      .per_minute = 12,
      .burst = 60,
      .amending = AMEND_REMOTE,
      .id = "sequence_id",
      .body = ntfy_body,
      .url = ntfy_url },
    { .name = "slack", .batch = 10, .per_minute = 60, .burst = 3, .body = slack_body },
    { .name = "mattermost",
      .batch = 10,
      .per_minute = 60,
      .burst = 10,
      .body = mattermost_body },
    { .name = "discord",
      .batch = 10,
      .per_minute = 30,
      .burst = 5,
      .amending = AMEND_REMOTE,
      .amend_method = "PATCH",
      .id = "id",
      .body = discord_body,
      .url = discord_url },
    { .name = "matrix",
      .batch = 10,
      .per_minute = 60,
      .burst = 10,
      .room = true,
      .token = true,
      .method = "PUT",
      .amend_method = "PUT",
      .amending = AMEND_REMOTE,
      .id = "event_id",
      .body = matrix_body,
      .url = matrix_url },
    { .name = "alertmanager",
      .batch = 64,
      .amending = AMEND_AGAIN,
      .body = am_body,
      .url = am_url },
};

const struct preset *preset_find(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        if (!name || strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}
