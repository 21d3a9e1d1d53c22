/* One GET with its redirects: its options, its callbacks, what it came to. */
#include "fetch_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>
#include "clock.h"

#define MAX_HOPS 5
#define MAX_URL 8192                 /* bytes */
#define MAX_HEADERS (256 * 1024)     /* bytes, over all answers of one GET */
#define MAX_JUNK (64 * 1024)         /* bytes of a body that nobody asked for */
#define DEFAULT_TIMEOUT_MS 60000     /* whole transfer */
#define DEFAULT_MAX_BYTES (8u << 20) /* decoded */

/* With a page about us if the build names one. */
#define DEFAULT_AGENT                                                                    \
    (sizeof FEEDWATCH_HOMEPAGE > 1 ? "feedwatch/" FEEDWATCH_VERSION                      \
                                     " (+" FEEDWATCH_HOMEPAGE ")"                        \
                                   : "feedwatch/" FEEDWATCH_VERSION)

static bool is_body_status(long status)
{
    return status == 200 || status == 203 || status == 226;
}

/* ---- making one ---- */

/* Something that may stand in a header line as it is? */
static bool line_safe(const char *s)
{
    for (; s && *s; s++)
        if (*s == '\r' || *s == '\n')
            return false;
    return true;
}

static void add_line(struct transfer *t, size_t i, char *line)
{
    t->validator[i] = (struct curl_slist){ line, t->lines };
    t->lines = &t->validator[i];
}

/* "https://example.org:443" of a URL, to be freed; NULL: no such thing, or no memory. */
static char *origin_of(const char *url)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *out = NULL;

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        asprintf(&out, "%s://%s:%s", scheme, host, port) < 0)
        out = NULL;
    for (char *s = out; s && *s; s++)
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s + ('a' - 'A'));
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return out;
}

/* Does this hop go to where the caller's headers may go? */
static bool is_home(const struct transfer *t)
{
    char *here = t->home ? origin_of(t->url) : NULL;
    bool same = here && strcmp(here, t->home) == 0;

    free(here);
    return same;
}

static int take_headers(struct transfer *t, const struct fetch_request *req)
{
    for (size_t i = 0; req->headers && req->headers[i]; i++) {
        struct curl_slist *more;

        if (!line_safe(req->headers[i]))
            return -EINVAL;
        more = curl_slist_append(t->own, req->headers[i]);
        if (!more)
            return -ENOMEM;
        t->own = more;
    }
    if (!t->own)
        return 0;
    for (t->own_last = t->own; t->own_last->next;)
        t->own_last = t->own_last->next;
    t->home = origin_of(req->home ? req->home : req->url);
    return t->home ? 0 : -EINVAL;
}

int transfer_new(struct transfer **out, struct fetch_shared *shared,
                 const struct fetch_request *req, const struct fetch_events *ev,
                 void *ctx)
{
    static const char inm[] = "If-None-Match: ", ims[] = "If-Modified-Since: ";
    struct str etag = str_of(req->etag), date = str_of(req->last_modified),
               agent = str_of(req->user_agent);

    if (!req->url || !ev->on_done || !line_safe(req->etag) ||
        !line_safe(req->last_modified) || !line_safe(req->user_agent))
        return -EINVAL;
    size_t room = sizeof inm + etag.n + sizeof ims + date.n + agent.n + 1;
    struct transfer *t = calloc(1, sizeof *t + room);
    if (!t)
        return -ENOMEM;
    *t = (struct transfer){ .ev = *ev,
                            .ctx = ctx,
                            .lines = shared->accept,
                            .allow_private = req->allow_private };
    fetch_headers_clear(&t->headers);
    t->url = strdup(req->url);
    t->ca_file = req->ca_file ? strdup(req->ca_file) : NULL;
    t->proxy = req->proxy ? strdup(req->proxy) : NULL;
    int r = !t->url || (req->ca_file && !t->ca_file) || (req->proxy && !t->proxy)
                ? -ENOMEM
                : take_headers(t, req);
    if (r < 0) {
        transfer_free(t);
        return r;
    }
    t->connect_timeout_ms = req->connect_timeout_ms > 0 ? req->connect_timeout_ms
                                                        : shared->connect_timeout_ms;
    t->low_speed_bytes =
        req->low_speed_bytes > 0 ? req->low_speed_bytes : shared->low_speed_bytes;
    t->low_speed_s = req->low_speed_s > 0 ? req->low_speed_s : shared->low_speed_s;
    t->timeout_ms = req->timeout_ms > 0 ? req->timeout_ms : DEFAULT_TIMEOUT_MS;
    t->max_bytes = req->max_bytes ? req->max_bytes : DEFAULT_MAX_BYTES;
    t->again_ms = req->again_ms;
    t->shared = shared;
    char *at = t->text;
    if (etag.n) {
        int n = snprintf(at, room, "%s%s", inm, etag.s);
        add_line(t, 0, at);
        at += n + 1;
    }
    if (date.n) {
        int n = snprintf(at, room - (size_t)(at - t->text), "%s%s", ims, date.s);
        add_line(t, 1, at);
        at += n + 1;
    }
    if (agent.n)
        t->user_agent = memcpy(at, agent.s, agent.n + 1);
    if (t->own_last)
        t->own_last->next = t->lines;
    *out = t;
    return 0;
}

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    fetch_headers_clear(&t->headers);
    curl_slist_free_all(t->resolve);
    if (t->own_last) /* what follows it is not on the heap */
        t->own_last->next = NULL;
    curl_slist_free_all(t->own);
    free(t->home);
    free(t->url);
    free(t->ca_file);
    free(t->proxy);
    free(t);
}

/* ---- callbacks of libcurl ---- */

static bool guard_allows(struct transfer *t, const struct sockaddr *sa, socklen_t len)
{
    enum netguard_verdict v = netguard_judge(sa, len);
    const void *addr = sa->sa_family == AF_INET6
                           ? (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr
                           : (const void *)&((const struct sockaddr_in *)sa)->sin_addr;

    if (v == NETGUARD_PUBLIC || ((t->allow_private || t->proxy) &&
                                 v != NETGUARD_METADATA && v != NETGUARD_NOT_INET)) {
        t->connected = true;
        return true;
    }
    t->guard = v;
    t->guard_addr[0] = '\0';
    if (v != NETGUARD_NOT_INET)
        (void)inet_ntop(sa->sa_family, addr, t->guard_addr, sizeof t->guard_addr);
    return false;
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose,
                                    struct curl_sockaddr *a)
{
    struct slot *slot = ctx;

    (void)purpose;
    if (!guard_allows(slot->t, &a->addr, a->addrlen))
        return CURL_SOCKET_BAD;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* A connection is chosen and the request is about to go out.  A reused one was opened for
 * another transfer, perhaps one that may go where this one may not: judge again. */
static int on_prerequest(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
    struct slot *slot = ctx;
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    bool ok;

    (void)local_ip, (void)port, (void)local_port;
    if (inet_pton(AF_INET, ip, &in.sin_addr) == 1) {
        ok = guard_allows(slot->t, (struct sockaddr *)&in, sizeof in);
    } else if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1) {
        ok = guard_allows(slot->t, (struct sockaddr *)&in6, sizeof in6);
    } else {
        slot->t->guard = NETGUARD_NOT_INET;
        ok = false;
    }
    if (!ok)
        slot->t->connected = false;
    return ok ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* libcurl would start a thread to look up a name that we did not give it.  (It asks for
 * addresses too, which are no lookup.) */
static int on_lookup(void *state, void *reserved, void *ctx)
{
    struct slot *slot = ctx;

    (void)state, (void)reserved;
    return slot->t->host->literal ? 0 : 1;
}

/* A place for one more idle connection; several to one host are one. */
static bool take_kept(struct fetch_shared *shared, uint32_t host)
{
    int64_t now = clock_mono_ms();
    struct kept *place = NULL;

    for (unsigned i = 0; i < FETCH_KEPT; i++) {
        struct kept *k = &shared->kept[i];
        if (k->host == host || k->until_ms <= now)
            place = k;
        if (k->host == host)
            break;
    }
    if (place)
        *place = (struct kept){ host, now + FETCH_KEPT_S * 1000 };
    return place != NULL;
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 ||
           status == 308;
}

/* The headers are over: will the connection be of use before somebody closes it? */
static void decide_keeping(struct transfer *t)
{
    const struct host *h = t->host;
    bool tunnel = t->proxy && strncmp(t->url, "https", 5) == 0;
    bool soon = t->again_ms <= FETCH_KEPT_S * 1000;
    long status = 0;

    (void)curl_easy_getinfo(t->slot->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!tunnel) /* others want it, or we do: many redirects lead to the same host */
        soon = soon || t->proxy || h->active > 1 || h->wait || is_redirect(status);
    uint32_t key = tunnel ? (uint32_t)XXH3_64bits(t->url, strlen(t->url)) : h->hash;
    (void)curl_easy_setopt(t->slot->easy, CURLOPT_FORBID_REUSE,
                           soon && take_kept(t->shared, key) ? 0L : 1L);
}

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ((struct slot *)ctx)->t;

    (void)size; /* always 1 */
    t->headers.bytes += n;
    if (t->headers.bytes > MAX_HEADERS) {
        t->headers_over = true;
        return 0;
    }
    if (n >= 5 && memcmp(bytes, "HTTP/", 5) == 0) { /* the next answer, also after 1xx */
        fetch_headers_clear(&t->headers);
        return n;
    }
    if (n > 0 && (bytes[0] == '\r' || bytes[0] == '\n'))
        decide_keeping(t);
    return fetch_headers_line(&t->headers, (struct str){ bytes, n }) == 0 ? n : 0;
}

char *transfer_final_url(const struct transfer *t)
{
    const char *url = t->url;
    const char *host = strstr(url, "://");
    size_t head = host ? (size_t)(host - url) + 3 : 0;
    size_t n = strcspn(url + head, "/?#");
    const char *at = memrchr(url + head, '@', n);
    char *s = strdup(url);

    if (s && at)
        memmove(s + head, s + (at + 1 - url), strlen(at + 1) + 1);
    return s;
}

static int start_body(struct transfer *t)
{
    char *type = NULL;
    int r = 0;

    t->started = true;
    if (!t->ev.on_start)
        return 0;
    (void)curl_easy_getinfo(t->slot->easy, CURLINFO_CONTENT_TYPE, &type);
    char *url = transfer_final_url(t);
    if (!url)
        return -ENOMEM;
    r = t->ev.on_start(t->ctx, str_of(type), str_of(url));
    free(url);
    return r;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ((struct slot *)ctx)->t;
    long status = 0;

    (void)size; /* always 1 */
    if (n == 0)
        return 0;
    (void)curl_easy_getinfo(t->slot->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!is_body_status(status)) {
        t->junk_bytes += (int64_t)n;
        t->junk_over = t->junk_bytes > MAX_JUNK;
        return t->junk_over ? 0 : n;
    }
    if (t->plain && t->body_bytes == 0 && n >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0) {
        t->coded = true; /* the second time, too */
        return 0;
    }
    size_t room = t->max_bytes - (size_t)t->body_bytes;
    size_t take = n < room ? n : room;
    if (take > 0) {
        if (!t->started && start_body(t) != 0)
            t->ended = true;
        t->body_bytes += (int64_t)take;
        if (!t->ended && t->ev.on_body && t->ev.on_body(t->ctx, bytes, take) != 0)
            t->ended = true;
    }
    t->over = take < n;
    return t->ended || t->over ? 0 : n;
}

/* ---- options ---- */

static int slot_options(struct slot *slot)
{
    CURL *e = slot->easy;
    int bad = 0;

#define SET(option, value) bad |= curl_easy_setopt(e, option, value) != CURLE_OK
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L); /* each hop is ours: see transfer_end() */
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_PIPEWAIT, 1L);
    SET(CURLOPT_NOPROXY, ""); /* the environment has no say */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_UNRESTRICTED_AUTH, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* never wait for a resolver thread */
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_MAXAGE_CONN, (long)FETCH_KEPT_S);
    SET(CURLOPT_CAPATH, NULL); /* libcurl caches the parsed CA file only without it */
    SET(CURLOPT_ERRORBUFFER, slot->error);
    SET(CURLOPT_PRIVATE, slot);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, slot);
    SET(CURLOPT_RESOLVER_START_FUNCTION, on_lookup);
    SET(CURLOPT_RESOLVER_START_DATA, slot);
    SET(CURLOPT_PREREQFUNCTION, on_prerequest);
    SET(CURLOPT_PREREQDATA, slot);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, slot);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, slot);
    return bad ? -ENOMEM : 0;
}

int slot_new(struct slot **out)
{
    struct slot *slot = calloc(1, sizeof *slot);

    if (!slot)
        return -ENOMEM;
    slot->easy = curl_easy_init();
    if (!slot->easy || slot_options(slot) < 0) {
        slot_free(slot);
        return -ENOMEM;
    }
    *out = slot;
    return 0;
}

void slot_free(struct slot *slot)
{
    if (!slot)
        return;
    curl_easy_cleanup(slot->easy);
    free(slot);
}

void transfer_landed(struct transfer *t)
{
    struct fetch_shared *shared = t->shared;

    if (!t->host || shared->n_past == FETCH_PAST)
        return;
    t->host->refs++;
    shared->past[shared->n_past++] = (struct past){ t->host, t->port };
}

static int add_entry(struct transfer *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int add_entry(struct transfer *t, const char *fmt, ...)
{
    char *entry;
    va_list ap;

    va_start(ap, fmt);
    int n = vasprintf(&entry, fmt, ap);
    va_end(ap);
    if (n < 0)
        return -ENOMEM;
    struct curl_slist *more = curl_slist_append(t->resolve, entry);
    free(entry);
    if (!more)
        return -ENOMEM;
    t->resolve = more;
    return 0;
}

/* libcurl's cache of addresses is searched from end to end after every transfer: take out
 * what others have left there, unless some may be about to need it.  (An address written
 * in a URL gets an entry, too; one in brackets ages by itself.) */
static int drop_addresses(struct transfer *t)
{
    struct fetch_shared *shared = t->shared;
    int r = 0;

    while (shared->n_past > 0) {
        struct past *p = &shared->past[--shared->n_past];
        if (r == 0 && p->host->active == 0 && p->host->name[0] != '[')
            r = add_entry(t, "-%s:%u", p->host->name, p->port);
        hosts_unref(p->host);
    }
    return r;
}

/* Name the addresses of the host as an entry for libcurl's own cache ("+": an entry that
 * ages there like any other). */
static int name_addresses(struct transfer *t)
{
    const struct host *h = t->host;

    curl_slist_free_all(t->resolve);
    t->resolve = NULL;
    if (drop_addresses(t) < 0)
        return -ENOMEM;
    return h->literal ? 0 : add_entry(t, "+%s:%u:%s", h->name, t->port, h->addresses);
}

/* Where the TLS sessions of this hop's host are.  NULL: no memory, so none is taken up.
 */
static CURLSH *sessions_of(const struct transfer *t, struct fetch_shared *shared)
{
    const char *name = t->host ? t->host->name : "";
    CURLSH **place = &shared->share[XXH3_64bits(name, strlen(name)) % FETCH_SHARES];
    CURLSH *share = *place;

    if (share)
        return share;
    share = curl_share_init();
    if (share &&
        curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != 0) {
        (void)curl_share_cleanup(share);
        share = NULL;
    }
    *place = share;
    return share;
}

int transfer_prepare(struct transfer *t, struct fetch_shared *shared, int64_t now_ms)
{
    CURL *e = t->slot->easy;
    int bad = 0;

    if (t->deadline_ms == 0)
        t->deadline_ms = now_ms + t->timeout_ms;
    int64_t left = t->deadline_ms - now_ms;
    if (name_addresses(t) < 0)
        return -ENOMEM;
    t->slot->error[0] = '\0';
    t->guard = NETGUARD_PUBLIC;
    t->connected = false;
    t->junk_bytes = 0;
    SET(CURLOPT_URL, t->url);
    SET(CURLOPT_RESOLVE, t->resolve);
    SET(CURLOPT_FORBID_REUSE, 1L); /* until decide_keeping() */
    SET(CURLOPT_SHARE, sessions_of(t, shared));
    SET(CURLOPT_HTTPHEADER, is_home(t) ? t->own : t->lines);
    /* Never NULL: then http_proxy of the environment would pass the guard by. */
    SET(CURLOPT_PROXY, t->proxy ? t->proxy : "");
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)t->connect_timeout_ms);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)t->low_speed_bytes);
    SET(CURLOPT_LOW_SPEED_TIME, (long)t->low_speed_s);
    SET(CURLOPT_USERAGENT, t->user_agent ? t->user_agent : DEFAULT_AGENT);
    SET(CURLOPT_ACCEPT_ENCODING, t->plain ? NULL : shared->encodings);
    SET(CURLOPT_CAINFO, t->ca_file ? t->ca_file : shared->ca_file);
    SET(CURLOPT_TIMEOUT_MS, (long)(left > 1 ? left : 1));
#undef SET
    return bad ? -ENOMEM : 0;
}

/* A proxy connects where we cannot look: at least no address that is private as it is
 * written.  (libcurl's parser turns 0x7f.1 and the like into 127.0.0.1.) */
static bool proxy_may_go(const struct transfer *t, struct fetch_result *r)
{
    CURLU *u = curl_url();
    char *host = NULL;
    enum netguard_verdict v = NETGUARD_NOT_INET;

    if (u && curl_url_set(u, CURLUPART_URL, t->url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        v = netguard_judge_name(host);
    bool ok = v == NETGUARD_PUBLIC || (v == NETGUARD_NOT_INET && host) ||
              (t->allow_private && v != NETGUARD_METADATA);
    if (!ok) {
        r->outcome = FETCH_REFUSED;
        snprintf(r->why, sizeof r->why, "address %.60s is %s", host ? host : "?",
                 netguard_name(v));
    }
    curl_free(host);
    curl_url_cleanup(u);
    return ok;
}

bool transfer_allowed(const struct transfer *t, struct fetch_result *r)
{
    const char *s = t->url;
    size_t n = strcspn(s, ":");

    if (strlen(s) > MAX_URL) {
        r->outcome = FETCH_BAD;
        snprintf(r->why, sizeof r->why, "URL longer than %d bytes", MAX_URL);
        return false;
    }
    if (s[n] == ':' && (str_eq_nocase((struct str){ s, n }, STR("http")) ||
                        str_eq_nocase((struct str){ s, n }, STR("https"))))
        return !t->proxy || proxy_may_go(t, r);
    r->outcome = FETCH_REFUSED;
    snprintf(r->why, sizeof r->why, "%s is neither http nor https",
             t->hops ? "redirect target" : "URL");
    return false;
}

/* ---- the end ---- */

static void set_why(struct fetch_result *r, enum fetch_outcome outcome, const char *fmt,
                    ...) __attribute__((format(printf, 3, 4)));

/* What went wrong, in one line of ASCII: parts of it may come from the server. */
static void set_why(struct fetch_result *r, enum fetch_outcome outcome, const char *fmt,
                    ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(r->why, sizeof r->why, fmt, ap);
    va_end(ap);
    for (char *s = r->why; *s; s++)
        if (*s < 0x20 || *s == 0x7f)
            *s = '?';
    r->outcome = outcome;
}

/* ": not found" and the like, for those who do not know the numbers by heart. */
static const char *status_words(long status)
{
    switch (status) {
    case 400:
        return ": bad request";
    case 401:
        return ": a login is wanted";
    case 403:
        return ": forbidden";
    case 404:
        return ": not found";
    case 406:
        return ": not acceptable";
    case 429:
        return ": too many requests";
    case 451:
        return ": blocked for legal reasons";
    case 500:
        return ": server error";
    case 502:
        return ": bad gateway";
    case 503:
        return ": service unavailable";
    case 504:
        return ": gateway timeout";
    default:
        return "";
    }
}

static void judge_status(struct transfer *t, struct fetch_result *r)
{
    long s = r->http_status;

    if (is_body_status(s))
        r->outcome = FETCH_NEW_BODY;
    else if (s == 304 && !t->validator[0].data && !t->validator[1].data)
        set_why(r, FETCH_UNCHANGED, "304 to a request without validators");
    else if (s == 304)
        r->outcome = FETCH_UNCHANGED;
    else if (s == 410 && !t->temporary)
        set_why(r, FETCH_GONE, "HTTP 410: gone");
    else if (s == 202 || s == 408 || s == 425 || s == 429 || s >= 500)
        set_why(r, FETCH_RETRY_LATER, "HTTP %ld%s", s, status_words(s));
    else
        set_why(r, FETCH_BAD, "HTTP %ld%s", s, status_words(s));
}

static enum fetch_outcome outcome_of(struct transfer *t, CURLcode rc)
{
    long os_error = 0;

    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_AGAIN:
    case CURLE_FAILED_INIT:
        return FETCH_RETRY_LATER;
    case CURLE_OUT_OF_MEMORY: /* also what a header line over 100 KB gives */
        return t->headers.bytes ? FETCH_BAD : FETCH_RETRY_LATER;
    case CURLE_SSL_CONNECT_ERROR: /* a reset during the handshake, or no TLS at all? */
        (void)curl_easy_getinfo(t->slot->easy, CURLINFO_OS_ERRNO, &os_error);
        return os_error ? FETCH_RETRY_LATER : FETCH_BAD;
    default:
        return FETCH_BAD;
    }
}

/* No connection at all: perhaps the addresses have changed. */
static void doubt_addresses(struct transfer *t, CURLcode rc)
{
    curl_off_t connected_us = 0;

    (void)curl_easy_getinfo(t->slot->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    if (rc == CURLE_COULDNT_CONNECT ||
        (rc == CURLE_OPERATION_TIMEDOUT && connected_us == 0))
        host_forget(t->host);
}

static void judge_error(struct transfer *t, CURLcode rc, struct fetch_result *r)
{
    const char *text = t->slot->error[0] ? t->slot->error : curl_easy_strerror(rc);

    if (t->headers_over)
        set_why(r, FETCH_BAD, "headers larger than %d bytes", MAX_HEADERS);
    else if (t->coded)
        set_why(r, FETCH_BAD, "content coding that cannot be undone");
    else if (t->guard != NETGUARD_PUBLIC && !t->connected)
        set_why(r, FETCH_REFUSED, "address %s is %s", t->guard_addr,
                netguard_name(t->guard));
    else if (rc == CURLE_OUT_OF_MEMORY && t->headers.bytes)
        set_why(r, FETCH_BAD, "header line too long");
    else
        set_why(r, outcome_of(t, rc), "%s", text);
}

/* Turn to the target of a redirect.  TRANSFER_DONE: there is none that we follow. */
static enum transfer_next follow(struct transfer *t, struct fetch_result *r)
{
    char *target = NULL;
    int64_t wait = fetch_headers_retry_s(&t->headers, clock_utc_ms() / 1000);

    if (wait > t->retry_after_s)
        t->retry_after_s = wait;
    if (t->junk_over) { /* libcurl looks at Location when the answer is over */
        set_why(r, FETCH_BAD, "HTTP %ld with an endless body", r->http_status);
        return TRANSFER_DONE;
    }
    (void)curl_easy_getinfo(t->slot->easy, CURLINFO_REDIRECT_URL, &target);
    if (!target) {
        set_why(r, FETCH_BAD, "HTTP %ld without a usable Location", r->http_status);
        return TRANSFER_DONE;
    }
    if (t->hops == MAX_HOPS) {
        set_why(r, FETCH_BAD, "more than %d redirects", MAX_HOPS);
        return TRANSFER_DONE;
    }
    if (r->http_status != 301 && r->http_status != 308)
        t->temporary = true;
    t->hops++;
    t->last_status = r->http_status;
    char *url = strdup(target);
    if (!url) {
        set_why(r, FETCH_RETRY_LATER, "out of memory");
        return TRANSFER_DONE;
    }
    free(t->url);
    t->url = url;
    return TRANSFER_AGAIN;
}

static void add_wire_bytes(struct transfer *t)
{
    curl_off_t body = 0;
    long head = 0;

    (void)curl_easy_getinfo(t->slot->easy, CURLINFO_SIZE_DOWNLOAD_T, &body);
    (void)curl_easy_getinfo(t->slot->easy, CURLINFO_HEADER_SIZE, &head);
    t->wire_bytes += body + head;
}

/* What the headers of the final answer say. */
static void fill_result(struct transfer *t, struct fetch_result *r)
{
    int64_t now_s = clock_utc_ms() / 1000;
    bool good = r->outcome == FETCH_NEW_BODY || r->outcome == FETCH_UNCHANGED ||
                r->outcome == FETCH_ENDED;

    if (good) {
        r->etag = t->headers.etag;
        r->last_modified = t->headers.last_modified;
        r->hub = t->headers.hub;
        r->self = t->headers.self;
        r->fresh_s = fetch_headers_fresh_s(&t->headers, now_s);
        r->fresh_said = t->headers.max_age_s >= 0 || t->headers.expires_s >= 0;
        if (t->hops && !t->temporary)
            r->moved_to = t->url;
    }
    r->retry_after_s = t->retry_after_s;
    if (r->http_status >= 300) {
        int64_t wait = fetch_headers_retry_s(&t->headers, now_s);
        if (wait > r->retry_after_s)
            r->retry_after_s = wait;
    }
    r->body_bytes = t->body_bytes;
    r->wire_bytes = t->wire_bytes;
}

enum transfer_next transfer_end(struct transfer *t, CURLcode rc, struct fetch_result *r)
{
    *r = (struct fetch_result){ 0 };
    (void)curl_easy_getinfo(t->slot->easy, CURLINFO_RESPONSE_CODE, &r->http_status);
    if (r->http_status == 0)
        r->http_status = t->last_status;
    add_wire_bytes(t);
    if (t->ended) {
        r->outcome = FETCH_ENDED;
    } else if (t->over) {
        set_why(r, FETCH_REFUSED, "larger than %zu bytes", t->max_bytes);
    } else if (rc == CURLE_BAD_CONTENT_ENCODING && !t->plain && t->body_bytes == 0) {
        t->plain = true; /* RFC 9110 12.5.3 does not help against a wrong label */
        return TRANSFER_AGAIN;
    } else if (is_redirect(r->http_status) && (rc == CURLE_OK || t->junk_over)) {
        if (follow(t, r) == TRANSFER_AGAIN)
            return TRANSFER_AGAIN;
    } else if (rc == CURLE_OK || t->junk_over) {
        judge_status(t, r);
    } else {
        doubt_addresses(t, rc);
        judge_error(t, rc, r);
    }
    fill_result(t, r);
    return TRANSFER_DONE;
}
