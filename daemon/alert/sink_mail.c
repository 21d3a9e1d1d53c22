/* Alerts by mail: SMTP with TLS, one message for each story. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "sink_carrier.h"
#include "sink_kinds.h"
#include "sink_mail_own.h"
#include "sink_text.h"

#define TIMEOUT_S 60
#define MESSAGE_BYTES (1UL << 21)
#define JOIN_FROM 6 /* so many waiting alerts share a message */

/* Twenty at once, then one in three seconds. */
#define PACE_BURST 20
#define PACE_MS 3000

struct mail {
    char *server, *user, *password, *from, *to, *unsubscribe;
    bool tls;
    struct carrier *carrier;
    struct buf message, secret, answer;
    size_t sent; /* bytes of message */
};

/* ---- the config */

static int wrong(const char **key, struct buf *why, const char *name, const char *text)
{
    *key = name;
    (void)buf_puts(why, text);
    return -EINVAL;
}

static int addresses(const char *list)
{
    struct str rest = str_of(list), name, address;
    int n = 0, r;

    while ((r = mail_address_next(&rest, &name, &address)) > 0)
        n++;
    return r < 0 ? r : n;
}

static bool server_ok(const char *s)
{
    size_t scheme = strncmp(s, "smtp://", 7) == 0    ? 7
                    : strncmp(s, "smtps://", 8) == 0 ? 8
                                                     : 0;
    size_t n = strspn(s + scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-.:[]");

    return scheme && n && !s[scheme + n];
}

int sink_mail_check(const struct sink_options *o, const char **key, struct buf *why)
{
    if (!server_ok(o->server))
        return wrong(key, why, "server",
                     "this is no mail server; write server = smtps://HOST or "
                     "smtp://HOST:587");
    if (addresses(o->from) != 1)
        return wrong(key, why, "from",
                     "from must be one address; write from = NAME <USER@HOST>");
    if (addresses(o->to) < 1)
        return wrong(key, why, "to",
                     "to must be addresses; write to = USER@HOST, USER@HOST");
    if (!o->user != !o->token)
        return wrong(key, why, o->user ? "user" : "password",
                     "user and password need each other; write user = NAME and "
                     "password = file:PATH or credential:NAME");
    if (o->tls && strcmp(o->tls, "required") != 0 && strcmp(o->tls, "no") != 0)
        return wrong(key, why, "tls", "write tls = required or no");
    if (o->tls && o->tls[0] == 'n' && o->user)
        return wrong(key, why, "tls",
                     "a password is not sent without TLS; write tls = required, or "
                     "delete user and password");
    if (o->unsubscribe && strncmp(o->unsubscribe, "https://", 8) != 0)
        return wrong(key, why, "unsubscribe",
                     "one-click unsubscription needs https://...");
    return 0;
}

/* ---- one message */

static size_t on_read(char *to, size_t size, size_t n, void *ctx)
{
    struct mail *m = ctx;
    size_t left = m->message.n - m->sent, take = size * n < left ? size * n : left;

    memcpy(to, m->message.s + m->sent, take);
    m->sent += take;
    return take;
}

static struct curl_slist *recipients(const struct mail *m)
{
    struct str rest = str_of(m->to), name, address;
    struct curl_slist *list = NULL, *more;
    char one[300];

    while (mail_address_next(&rest, &name, &address) > 0) {
        snprintf(one, sizeof one, "<%.*s>", (int)address.n, address.s);
        more = curl_slist_append(list, one);
        if (!more) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = more;
    }
    return list;
}

static int set_up(struct mail *m, CURL *e, const struct curl_slist *to)
{
    struct str rest = str_of(m->from), name, address;
    char from[300];
    int bad = 0;

    (void)mail_address_next(&rest, &name, &address);
    snprintf(from, sizeof from, "<%.*s>", (int)address.n, address.s);
    m->sent = 0;
#define SET(option, value) bad |= curl_easy_setopt(e, option, value) != CURLE_OK
    SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    SET(CURLOPT_URL, m->server);
    SET(CURLOPT_USE_SSL, (long)(m->tls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    SET(CURLOPT_MAIL_FROM, from);
    SET(CURLOPT_MAIL_RCPT, to);
    SET(CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L); /* those that are good get it */
    SET(CURLOPT_UPLOAD, 1L);
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, m);
    SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)m->message.n);
    if (m->user) {
        SET(CURLOPT_USERNAME, m->user);
        SET(CURLOPT_PASSWORD, m->secret.s);
    }
#undef SET
    return bad ? -ENOMEM : 0;
}

/* A reply 5yz is for ever, except those that are about us and not about the message. */
static void judge(CURL *e, struct sent *out)
{
    long code = 0;

    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &code);
    out->refused = code >= 550 && code <= 559;
    if (code >= 400)
        (void)buf_printf(&out->why, " (SMTP reply %ld)", code);
}

static int send_message(struct mail *m, const struct parcel *p, struct sent *out)
{
    struct mail_headers h = { m->from, m->to, m->unsubscribe, clock_utc_ms() / 1000 };
    struct curl_slist *to = recipients(m);
    int r = to ? 0 : -ENOMEM;

    buf_clear(&m->message);
    buf_clear(&m->answer);
    if (r == 0)
        r = mail_write(&m->message, &h, p);
    out->refused = r == -E2BIG;
    if (r == 0 && m->password)
        r = secret_read(m->password, &m->secret, &out->why);
    CURL *e = carrier_begin(m->carrier, &m->answer);
    if (r == 0)
        r = set_up(m, e, to);
    if (r == 0 && (r = carrier_run(m->carrier, &out->why)) < 0)
        judge(e, out);
    if (m->secret.s)
        explicit_bzero(m->secret.s, m->secret.cap);
    buf_clear(&m->secret);
    curl_slist_free_all(to);
    if (r < 0 && !out->why.n)
        (void)buf_puts(&out->why, strerror(-r));
    return r;
}

/* Later sources of a story: a message in its thread at the first, second, fourth, eighth
 * ... one, so that a story that everybody has does not fill a mailbox. */
static bool is_power_of_two(size_t n)
{
    return n && !(n & (n - 1));
}

static int mail_send(void *ctx, const struct parcel *p, struct sent *out)
{
    struct mail *m = ctx;
    struct parcel some = *p;

    if (p->amend && !is_power_of_two(text_sources(p->alerts[0])))
        return 1;
    if (!p->digest && p->n < JOIN_FROM)
        some.n = 1;
    int r = send_message(m, &some, out);
    return r < 0 ? r : p->digest ? 1 : (int)some.n;
}

static void mail_interrupt(void *ctx)
{
    carrier_interrupt(((struct mail *)ctx)->carrier);
}

static void mail_free(void *ctx)
{
    struct mail *m = ctx;

    if (!m)
        return;
    carrier_free(m->carrier);
    buf_free(&m->message);
    buf_free(&m->secret);
    buf_free(&m->answer);
    free(m->server);
    free(m->user);
    free(m->password);
    free(m->from);
    free(m->to);
    free(m->unsubscribe);
    free(m);
}

static const struct sink_work work = {
    .type = "mail",
    .batch = 20,
    .amends = true,
    .send = mail_send,
    .interrupt = mail_interrupt,
    .free = mail_free,
};

/* False: out of memory. */
static bool copy(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

int sink_mail_open(struct sink **out, const struct sink_options *o, struct buf *why)
{
    struct mail *m = calloc(1, sizeof *m);
    struct sink_pace pace = { PACE_BURST, PACE_MS };
    int r = -ENOMEM;

    if (!m)
        return r;
    if (o->per_minute)
        pace = (struct sink_pace){ 1, 60000 / o->per_minute };
    m->tls = !o->tls || o->tls[0] != 'n';
    buf_init(&m->message, MESSAGE_BYTES);
    buf_init(&m->secret, 16384);
    buf_init(&m->answer, 4096);
    if (copy(&m->server, o->server) && copy(&m->user, o->user) &&
        copy(&m->password, o->token) && copy(&m->from, o->from) && copy(&m->to, o->to) &&
        copy(&m->unsubscribe, o->unsubscribe))
        r = carrier_new(&m->carrier, (o->timeout_s ? o->timeout_s : TIMEOUT_S) * 1000,
                        true, o->ca_file);
    if (r == 0)
        r = sink_worker_new(out, o->name, &work, m, pace, why);
    if (r < 0)
        mail_free(m);
    return r;
}
