/* What a feed says, in every message that goes out: the body of each webhook must be
 * JSON, a mail must be seven-bit lines that end in CR LF and no header of its own making.
 */
#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "../../daemon/alert/sink_mail_own.h"
#include "../../daemon/alert/sink_webhook_own.h"
#include "fuzz.h"

static void check_json(const struct buf *body)
{
    enum json_tokener_error error;
    struct json_tokener *t = json_tokener_new_ex(32);

    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *o = json_tokener_parse_ex(t, body->s, (int)body->n + 1);
    error = json_tokener_get_error(t);
    if (error != json_tokener_success)
        abort();
    for (size_t i = 0; i < body->n; i++)
        if ((unsigned char)body->s[i] < ' ' || body->s[i] == 0x7f)
            abort();
    json_object_put(o);
    json_tokener_free(t);
}

static void check_mail(const struct buf *m)
{
    size_t line = 0, heads = 0;
    bool head = true;

    for (size_t i = 0; i < m->n; i++) {
        unsigned char c = (unsigned char)m->s[i];
        bool cr = i && m->s[i - 1] == '\r';

        if (c > '~' || (c < ' ' && c != '\r' && c != '\n') || (c == '\n') != cr)
            abort();
        if (c != '\n')
            continue;
        if (i + 1 - line > 1000 || (!head && i + 1 - line > 78))
            abort();
        heads += head && i > line + 1 && m->s[line] != ' ';
        head = head && i > line + 1;
        line = i + 1;
    }
    if (heads < 9 || heads > 14)
        abort();
}

static struct str part(const uint8_t **data, size_t *n)
{
    const uint8_t *end = *n ? memchr(*data, '\xff', *n) : NULL;
    struct str s = { (const char *)*data, end ? (size_t)(end - *data) : *n };

    *data += s.n + (end != NULL);
    *n -= s.n + (end != NULL);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const names[] = { "json",    "ntfy",   "slack",       "mattermost",
                                         "discord", "matrix", "alertmanager" };
    struct alert a = { .seq = 7, .id = "0123456789abcdef0123456789abcdef" };
    const struct alert *list[] = { &a, &a, &a };
    struct mail_headers h = { "feedwatch <w@example.org>", "a@example.org", NULL, 0 };
    struct buf out;

    a.watch = part(&data, &n);
    a.feed = part(&data, &n);
    a.title = part(&data, &n);
    a.link = part(&data, &n);
    a.snippet = part(&data, &n);
    a.matched = part(&data, &n);
    a.spans = part(&data, &n);
    a.sources = part(&data, &n);
    a.author = part(&data, &n);
    struct digest d = { .seq = 1, .count = 5, .watch = a.watch, .alerts = list, .n = 3 };
    struct parcel parcels[] = { { list, 1, NULL, false },
                                { list, 3, NULL, false },
                                { list, 3, &d, false },
                                { list, 1, NULL, true } };
    buf_init(&out, 1 << 22);
    for (size_t k = 0; k < 4; k++) {
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            const struct preset *preset = preset_find(names[i]);
            if (parcels[k].amend && preset->amending == AMEND_NOT)
                continue;
            buf_clear(&out);
            preset->body(&out, &parcels[k], "room", parcels[k].amend ? "$id" : NULL);
            if (out.error)
                abort();
            check_json(&out);
        }
        buf_clear(&out);
        if (mail_write(&out, &h, &parcels[k]) < 0)
            abort();
        check_mail(&out);
    }
    buf_free(&out);
    return 0;
}
