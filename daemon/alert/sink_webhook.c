/* Alerts by HTTP POST: signed JSON, or the form that a service wants. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "sink_carrier.h"
#include "sink_kinds.h"
#include "sink_text.h"
#include "sink_webhook_own.h"
#include "url.h"

#define TIMEOUT_S 20
#define BODY_BYTES (1UL << 20)
#define ANSWER_BYTES 65536
#define SHOWN_MAX 256 /* messages that can still be changed */
#define RETRY_MAX_S 86400

struct shown { /* a message of one alert, and what the service calls it */
    char alert[33], id[200];
};

struct webhook {
    const struct preset *preset;
    char *url, *secret_url, *secret, *token, *room;
    struct carrier *carrier;
    struct buf body, address, key, answer;
    struct shown shown[SHOWN_MAX]; /* a ring; lost at the end of the process */
    size_t n_shown;
};

/* ---- the config */

static bool topic_ok(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789-_");

    return n > 0 && n <= 64 && !s[n];
}

/* The last part of the path of an ntfy address; "": none. */
static const char *topic_of(const char *url)
{
    const char *host = strstr(url, "://"), *slash = host ? strchr(host + 3, '/') : NULL;

    return slash ? slash + 1 : "";
}

static int need(const char **key, struct buf *why, const char *name, const char *text)
{
    *key = name;
    (void)buf_puts(why, text);
    return -EINVAL;
}

int sink_webhook_check(const struct sink_options *o, const char **key, struct buf *why)
{
    const struct preset *p = preset_find(o->preset);

    if (!p)
        return need(key, why, "preset",
                    "this preset is not known; write preset = json, ntfy, slack, "
                    "mattermost, discord, matrix or alertmanager");
    if (!o->url == !o->secret_url)
        return need(key, why, "url",
                    "a webhook needs url = https://..., or secret_url = file:PATH for an "
                    "address that is a secret itself, and not both");
    if (p->room && !o->room)
        return need(key, why, "preset",
                    "a Matrix room is needed; write room = !ID:SERVER");
    if (p->token && !o->token)
        return need(key, why, "preset",
                    "an access token is needed; write token = file:PATH or "
                    "credential:NAME");
    if (strcmp(p->name, "ntfy") == 0 && !topic_ok(o->room  ? o->room
                                                  : o->url ? topic_of(o->url)
                                                           : ""))
        return need(
            key, why, o->room ? "room" : "url",
            "the topic is needed, letters, digits, - and _, at most 64; write url "
            "= https://ntfy.sh/TOPIC");
    return 0;
}

/* ---- one request */

static int sign(const struct webhook *w, const char *id, int64_t now_s, char out[64])
{
    unsigned char key[512], mac[EVP_MAX_MD_SIZE];
    const char *secret = w->key.s;
    size_t n = w->key.n;
    unsigned mac_n = 0;
    struct buf text;

    if (strncmp(secret, "whsec_", 6) == 0) { /* as Standard Webhooks write it */
        size_t pad = 0;
        n -= 6;
        if (n % 4 || n / 4 * 3 > sizeof key)
            return -EINVAL;
        while (pad < 2 && n && secret[6 + n - 1 - pad] == '=')
            pad++;
        int len = EVP_DecodeBlock(key, (const unsigned char *)secret + 6, (int)n);
        if (len < 0)
            return -EINVAL;
        n = (size_t)len - pad;
        secret = (const char *)key;
    }
    buf_init(&text, BODY_BYTES + 200);
    (void)buf_printf(&text, "%s.%" PRId64 ".", id, now_s);
    (void)buf_put(&text, w->body.s, w->body.n);
    int r = text.error;
    if (r == 0 && !HMAC(EVP_sha256(), secret, (int)n, (const unsigned char *)text.s,
                        text.n, mac, &mac_n))
        r = -EIO;
    if (r == 0)
        EVP_EncodeBlock((unsigned char *)out, mac, (int)mac_n);
    buf_free(&text);
    OPENSSL_cleanse(key, sizeof key);
    return r;
}

static int add(struct curl_slist **list, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int add(struct curl_slist **list, const char *fmt, ...)
{
    struct buf line;
    va_list ap;

    buf_init(&line, 17000);
    va_start(ap, fmt);
    int r = buf_vprintf(&line, fmt, ap);
    va_end(ap);
    struct curl_slist *more = r == 0 ? curl_slist_append(*list, line.s) : NULL;
    if (more)
        *list = more;
    buf_free(&line);
    return more ? 0 : -ENOMEM;
}

static int add_headers(struct webhook *w, const struct parcel *p,
                       struct curl_slist **list, struct buf *why)
{
    char id[80], mac[64];
    int64_t now_s = clock_utc_ms() / 1000;
    int r = add(list, "Content-Type: application/json; charset=utf-8");

    snprintf(id, sizeof id, "%s%s", p->digest ? "digest_" : "msg_", text_id(p));
    if (r == 0)
        r = add(list, "Webhook-Id: %s", id);
    if (r == 0)
        r = add(list, "Webhook-Timestamp: %" PRId64, now_s);
    if (r == 0 && w->secret) {
        r = secret_read(w->secret, &w->key, why);
        if (r == 0 && (r = sign(w, id, now_s, mac)) == -EINVAL)
            (void)buf_puts(why, "secret: what follows whsec_ is not base64");
        if (r == 0)
            r = add(list, "Webhook-Signature: v1,%s", mac);
    }
    if (r == 0 && w->token) {
        r = secret_read(w->token, &w->key, why);
        if (r == 0)
            r = add(list, "Authorization: Bearer %s", w->key.s);
    }
    if (w->key.s)
        OPENSSL_cleanse(w->key.s, w->key.cap);
    buf_clear(&w->key);
    return r;
}

/* Where to: the address may be a secret, and is read each time so that it can change. */
static int set_address(struct webhook *w, const struct parcel *p, const char *id,
                       struct buf *why)
{
    int r = w->secret_url ? secret_read(w->secret_url, &w->key, why) : 0;
    const char *url = w->secret_url ? w->key.s : w->url;

    if (r < 0)
        return r;
    if (!url_is_web(str_of(url))) {
        (void)buf_puts(why, "secret_url does not hold a http or https URL");
        return -EINVAL;
    }
    buf_clear(&w->address);
    if (w->preset->url)
        w->preset->url(&w->address, url, w->room, p, id);
    else
        (void)buf_puts(&w->address, url);
    return w->address.error;
}

/* How long the other side wants to be left alone: its header, or what Matrix says. */
static int64_t retry_after_ms(struct webhook *w, CURL *e)
{
    curl_off_t s = 0;
    int64_t ms = 0;

    curl_easy_getinfo(e, CURLINFO_RETRY_AFTER, &s);
    if (s > 0)
        return (s < RETRY_MAX_S ? s : RETRY_MAX_S) * 1000;
    struct json_object *o = w->answer.s ? json_tokener_parse(w->answer.s) : NULL, *v;
    if (o && json_object_is_type(o, json_type_object) &&
        json_object_object_get_ex(o, "retry_after_ms", &v))
        ms = json_object_get_int64(v);
    json_object_put(o);
    return ms < 0 ? 0 : ms < RETRY_MAX_S * 1000LL ? ms : RETRY_MAX_S * 1000LL;
}

/* ---- messages that may be changed later */

static const char *id_of(const struct webhook *w, const char *alert)
{
    for (size_t i = 0; i < SHOWN_MAX; i++)
        if (strcmp(w->shown[i].alert, alert) == 0)
            return w->shown[i].id;
    return NULL;
}

/* One alert was sent: keep what its message is called. */
static void note_shown(struct webhook *w, const struct parcel *p)
{
    struct shown *s = &w->shown[w->n_shown % SHOWN_MAX];
    struct json_object *o, *v;

    if (p->digest || p->n != 1 || p->amend || w->preset->amending != AMEND_REMOTE)
        return;
    o = w->answer.s ? json_tokener_parse(w->answer.s) : NULL;
    if (o && json_object_is_type(o, json_type_object) &&
        json_object_object_get_ex(o, w->preset->id, &v) &&
        json_object_is_type(v, json_type_string) &&
        json_object_get_string_len(v) < (int)sizeof s->id) {
        snprintf(s->alert, sizeof s->alert, "%s", p->alerts[0]->id);
        snprintf(s->id, sizeof s->id, "%s", json_object_get_string(v));
        w->n_shown++;
    }
    json_object_put(o);
}

static int judge(struct webhook *w, CURL *e, struct sent *out)
{
    struct buf said;
    long status = 0;

    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300)
        return 0;
    buf_init(&said, 1000);
    text_put(&said, buf_str(&w->answer), 100, MARKUP_NONE);
    (void)buf_printf(&out->why, "HTTP status %ld%s%s", status,
                     status >= 300 && status < 400
                         ? " (a redirect is not followed; write the new address)"
                         : "",
                     said.n ? ": " : "");
    (void)buf_put(&out->why, said.s, said.n);
    buf_free(&said);
    if (status == 429 || status == 503)
        out->retry_ms = retry_after_ms(w, e);
    out->refused = status == 400 || status == 413 || status == 422;
    return -EIO;
}

static int post(struct webhook *w, const struct parcel *p, const char *id,
                struct sent *out)
{
    const char *method = p->amend ? w->preset->amend_method : w->preset->method;
    struct curl_slist *headers = NULL;
    int r = set_address(w, p, id, &out->why);

    buf_clear(&w->body);
    buf_clear(&w->answer);
    w->preset->body(&w->body, p, w->room, id);
    if (r == 0)
        r = w->body.error;
    out->refused = r == -E2BIG;
    if (r == 0)
        r = add_headers(w, p, &headers, &out->why);
    CURL *e = carrier_begin(w->carrier, &w->answer);
    if (r == 0 &&
        (curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") ||
         curl_easy_setopt(e, CURLOPT_URL, w->address.s) ||
         curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers) ||
         curl_easy_setopt(e, CURLOPT_USERAGENT, "feedwatch/" FEEDWATCH_VERSION) ||
         curl_easy_setopt(e, CURLOPT_POSTFIELDS, w->body.s) ||
         curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)w->body.n) ||
         (method && curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method))))
        r = -ENOMEM;
    if (r == 0)
        r = carrier_run(w->carrier, &out->why);
    if (r == 0)
        r = judge(w, e, out);
    curl_slist_free_all(headers);
    return r;
}

static int webhook_send(void *ctx, const struct parcel *p, struct sent *out)
{
    struct webhook *w = ctx;
    struct parcel some = *p;

    if (!p->digest && some.n > w->preset->batch)
        some.n = w->preset->batch;
    const char *id = p->amend ? id_of(w, text_id(p)) : NULL;
    if (p->amend && !id && w->preset->amending != AMEND_AGAIN)
        return 1; /* its message is not known (any more) */
    int r = post(w, &some, id, out);
    if (r == 0)
        note_shown(w, &some);
    if (r < 0 && !out->why.n)
        (void)buf_puts(&out->why, strerror(-r));
    return r < 0 ? r : p->digest ? 1 : (int)some.n;
}

static void webhook_interrupt(void *ctx)
{
    carrier_interrupt(((struct webhook *)ctx)->carrier);
}

static void webhook_free(void *ctx)
{
    struct webhook *w = ctx;

    if (!w)
        return;
    carrier_free(w->carrier);
    buf_free(&w->body);
    buf_free(&w->address);
    buf_free(&w->key);
    buf_free(&w->answer);
    free(w->url);
    free(w->secret_url);
    free(w->secret);
    free(w->token);
    free(w->room);
    free(w);
}

/* False: out of memory. */
static bool copy(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

int sink_webhook_open(struct sink **out, const struct sink_options *o, struct buf *why)
{
    struct webhook *w = calloc(1, sizeof *w);
    const struct preset *p = preset_find(o->preset);
    unsigned rate = o->per_minute ? o->per_minute : p->per_minute;
    struct sink_pace pace = { 0, 0 };
    const struct sink_work work = {
        .type = "webhook",
        .batch = 64,
        .amends = p->amending != AMEND_NOT,
        .send = webhook_send,
        .interrupt = webhook_interrupt,
        .free = webhook_free,
    };
    bool ntfy = strcmp(p->name, "ntfy") == 0;
    int r = -ENOMEM;

    if (!w)
        return r;
    if (rate)
        pace =
            (struct sink_pace){ p->burst && !o->per_minute ? p->burst : 1, 60000 / rate };
    w->preset = p;
    buf_init(&w->body, BODY_BYTES);
    buf_init(&w->address, 8192);
    buf_init(&w->key, 16384);
    buf_init(&w->answer, ANSWER_BYTES);
    if (copy(&w->url, o->url) && copy(&w->secret_url, o->secret_url) &&
        copy(&w->secret, o->secret) && copy(&w->token, o->token) &&
        copy(&w->room, o->room          ? o->room
                       : ntfy && o->url ? topic_of(o->url)
                                        : NULL))
        r = carrier_new(&w->carrier, (o->timeout_s ? o->timeout_s : TIMEOUT_S) * 1000,
                        o->allow_private, o->ca_file);
    if (r == 0)
        r = sink_worker_new(out, o->name, &work, w, pace, why);
    if (r < 0)
        webhook_free(w);
    return r;
}
