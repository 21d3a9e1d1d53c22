/* fetch: a pool against origins on loopback that say everything an origin may say, and
 * much that it may not. */
#include "test.h"
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include "fetch.h"
#include "names.h"
#include "origin.h"

/* ---- a pool, a loop, and what came of one GET ---- */

struct rig {
    sd_event *event;
    struct fetch_pool *pool;
    struct origin *origin;
    unsigned done;
};

struct got {
    struct rig *rig;
    char *body;
    size_t n, chunks;
    unsigned starts, dones;
    size_t stop_after; /* on_body says "enough" from here on; 0: never */
    char type[128], start_url[256];
    enum fetch_outcome outcome;
    long status;
    char etag[128], last_modified[128], final_url[256], moved_to[256], why[160];
    int64_t retry_after_s, fresh_s, body_bytes, wire_bytes;
};

static int got_start(void *ctx, struct str type, struct str url)
{
    struct got *g = ctx;

    g->starts++;
    snprintf(g->type, sizeof g->type, "%.*s", (int)type.n, type.s ? type.s : "");
    snprintf(g->start_url, sizeof g->start_url, "%.*s", (int)url.n, url.s);
    return 0;
}

static int got_body(void *ctx, const char *bytes, size_t n)
{
    struct got *g = ctx;

    assert_int_equal(g->starts, 1);
    assert_int_equal(g->dones, 0);
    g->chunks++;
    g->body = realloc(g->body, g->n + n + 1);
    assert_non_null(g->body);
    memcpy(g->body + g->n, bytes, n);
    g->n += n;
    g->body[g->n] = '\0';
    return g->stop_after && g->n >= g->stop_after;
}

static void got_done(void *ctx, const struct fetch_result *r)
{
    struct got *g = ctx;

    g->dones++;
    g->outcome = r->outcome;
    g->status = r->http_status;
    snprintf(g->etag, sizeof g->etag, "%s", r->etag ? r->etag : "-");
    snprintf(g->last_modified, sizeof g->last_modified, "%s",
             r->last_modified ? r->last_modified : "-");
    snprintf(g->final_url, sizeof g->final_url, "%s", r->final_url);
    snprintf(g->moved_to, sizeof g->moved_to, "%s", r->moved_to ? r->moved_to : "-");
    snprintf(g->why, sizeof g->why, "%s", r->why);
    g->retry_after_s = r->retry_after_s;
    g->fresh_s = r->fresh_s;
    g->body_bytes = r->body_bytes;
    g->wire_bytes = r->wire_bytes;
    if (g->rig)
        g->rig->done++;
}

static const struct fetch_events events = { got_start, got_body, got_done };

static void rig_up(struct rig *rig, origin_answer answer, void *ctx,
                   const struct fetch_options *opt)
{
    *rig = (struct rig){ 0 };
    assert_return_code(sd_event_new(&rig->event), 0);
    assert_int_equal(fetch_pool_new(&rig->pool, rig->event, opt), 0);
    if (answer)
        rig->origin = origin_new(NULL, answer, ctx);
}

static void rig_down(struct rig *rig)
{
    fetch_pool_free(rig->pool);
    origin_free(rig->origin);
    sd_event_unref(rig->event);
}

static const char *url_at(struct rig *rig, const char *path)
{
    static char url[8][256];
    static unsigned i;
    char *s = url[i++ % 8];

    snprintf(s, sizeof url[0], "http://127.0.0.1:%d%s", origin_port(rig->origin), path);
    return s;
}

/* Let the loop run until `n` transfers are done. */
static void run_until(struct rig *rig, unsigned n)
{
    time_t limit = time(NULL) + 60;

    while (rig->done < n) {
        assert_return_code(sd_event_run(rig->event, 1000000), 0);
        assert_true(time(NULL) < limit);
    }
    assert_int_equal(rig->done, n);
}

static void get_req(struct rig *rig, const struct fetch_request *req, struct got *g)
{
    unsigned before = rig->done;

    g->rig = rig;
    assert_int_equal(fetch_start(rig->pool, req, &events, g), 0);
    assert_int_equal(g->dones, 0);
    run_until(rig, before + 1);
    assert_int_equal(g->dones, 1);
    assert_int_equal(fetch_active(rig->pool), 0);
}

static void get(struct rig *rig, const char *path, struct got *g)
{
    struct fetch_request req = { .url = url_at(rig, path), .allow_private = true };

    get_req(rig, &req, g);
}

#define assert_has(text, part)                                                           \
    do {                                                                                 \
        if (!strstr(text, part))                                                         \
            fail_msg("no \"%s\" in \"%s\"", part, text);                                 \
    } while (0)

/* ---- validators ---- */

static const char odd_etag[] = "W/\"a, b\\\"  \xc3\xa9; x\"";

static bool answer_feed(struct origin_conn *c, const char *path, const char *head,
                        void *ctx)
{
    (void)path, (void)ctx;
    if (strstr(head, "If-None-Match: "))
        return origin_puts(c, "HTTP/1.1 304 Not Modified\r\nETag: \"new\"\r\n"
                              "Cache-Control: max-age=90\r\n\r\n");
    return origin_printf(c,
                         "HTTP/1.1 200 OK\r\nETag:   %s \r\nLast-Modified: yesterday\r\n"
                         "Content-Type: application/rss+xml; charset=utf-8\r\n"
                         "Cache-Control: public, max-age=600\r\nAge: 100\r\n"
                         "Content-Length: 6\r\n\r\n<rss/>",
                         odd_etag);
}

static void gets_a_feed_and_asks_again_with_its_validators(void **state)
{
    (void)state;
    struct rig rig;
    struct got g = { 0 }, again = { 0 };

    rig_up(&rig, answer_feed, NULL, NULL);
    get(&rig, "/feed", &g);
    assert_int_equal(g.outcome, FETCH_NEW_BODY);
    assert_int_equal(g.status, 200);
    assert_string_equal(g.body, "<rss/>");
    assert_string_equal(g.type, "application/rss+xml; charset=utf-8");
    assert_string_equal(g.etag, odd_etag);
    assert_string_equal(g.last_modified, "yesterday");
    assert_string_equal(g.start_url, url_at(&rig, "/feed"));
    assert_string_equal(g.final_url, url_at(&rig, "/feed"));
    assert_string_equal(g.moved_to, "-");
    assert_string_equal(g.why, "");
    assert_int_equal(g.fresh_s, 500);
    assert_int_equal(g.body_bytes, 6);
    assert_true(g.wire_bytes > 150);

    struct fetch_request req = { .url = url_at(&rig, "/feed"),
                                 .etag = g.etag,
                                 .last_modified = g.last_modified,
                                 .user_agent = "tester/1",
                                 .allow_private = true };
    get_req(&rig, &req, &again);
    assert_int_equal(again.outcome, FETCH_UNCHANGED);
    assert_int_equal(again.starts, 0);
    assert_string_equal(again.etag, "\"new\"");
    assert_string_equal(again.last_modified, "-");
    assert_int_equal(again.fresh_s, 90);

    char *first = origin_request(rig.origin, 0), *second = origin_request(rig.origin, 1);
    char line[256];
    assert_null(strstr(first, "If-"));
    assert_has(first, "\r\nUser-Agent: feedwatch/");
    assert_has(first, "\r\nAccept: application/atom+xml, application/rss+xml");
    assert_has(first, "\r\nAccept-Encoding: gzip, deflate");
    assert_null(strstr(first, "Cookie"));
    assert_null(strstr(first, "Referer"));
    snprintf(line, sizeof line, "\r\nIf-None-Match: %s\r\n", odd_etag);
    assert_has(second, line);
    assert_has(second, "\r\nIf-Modified-Since: yesterday\r\n");
    assert_has(second, "\r\nUser-Agent: tester/1\r\n");
    assert_int_equal(origin_connections(rig.origin), 1); /* reused */
    free(first);
    free(second);
    free(g.body);
    rig_down(&rig);
}

/* ---- fixed answers ---- */

struct fixed {
    const char *path, *answer;
    bool stay; /* keep the connection */
};

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define FEED "Content-Length: 6\r\n\r\n<rss/>"
#define EMPTY "Content-Length: 0\r\n\r\n"

static const struct fixed fixed[] = {
    { "/feed", OK_HEAD "ETag: \"e\"\r\n" FEED, true },
    { "/empty", OK_HEAD EMPTY, true },
    { "/226", "HTTP/1.1 226 IM Used\r\n" FEED, true },
    { "/304", "HTTP/1.1 304 Not Modified\r\n\r\n", true },
    { "/410", "HTTP/1.1 410 Gone\r\n" EMPTY, true },
    { "/404", "HTTP/1.1 404 Not Found\r\nETag: \"no\"\r\n" FEED, true },
    { "/401", "HTTP/1.1 401 Unauthorized\r\n" EMPTY, true },
    { "/204", "HTTP/1.1 204 No Content\r\n\r\n", true },
    { "/500", "HTTP/1.1 500 Oops\r\n" EMPTY, true },
    { "/429s", "HTTP/1.1 429 Slow Down\r\nRetry-After: 120\r\n" EMPTY, true },
    { "/503d",
      "HTTP/1.1 503 Busy\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "Retry-After: Sun, 06 Nov 1994 09:49:37 GMT\r\n" EMPTY,
      true },
    { "/503-garbage", "HTTP/1.1 503 Busy\r\nRetry-After: soon\r\n" EMPTY, true },
    { "/503-huge", "HTTP/1.1 503 Busy\r\nRetry-After: 1000000000\r\n" EMPTY, true },
    { "/503-neg", "HTTP/1.1 503 Busy\r\nRetry-After: -5\r\n" EMPTY, true },
    { "/503-zero", "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\n" EMPTY, true },
    { "/expires",
      OK_HEAD "Date: Sunday, 06-Nov-94 08:49:37 GMT\r\n"
              "Expires: Sun Nov  6 08:59:37 1994\r\n" FEED,
      true },
    { "/no-cache", OK_HEAD "Cache-Control: max-age=600, no-cache\r\n" FEED, true },
    { "/lines",
      "HTTP/1.1 103 Early Hints\r\nETag: \"hint\"\r\n\r\n" OK_HEAD
      "ETag: \"first\"\r\nETag: \"second\"\r\nLast-Modified:\r\n" FEED,
      true },
    /* redirects */
    { "/301", "HTTP/1.1 301 Moved\r\nLocation: /feed\r\n" EMPTY, true },
    { "/308", "HTTP/1.1 308 Moved\r\nLocation: /301\r\n" FEED, true },
    { "/302", "HTTP/1.1 302 Found\r\nLocation: feed?a b\r\n" EMPTY, true },
    { "/feed?a+b", OK_HEAD FEED, true },
    { "/303", "HTTP/1.1 303 Other\r\nLocation: /301\r\n" EMPTY, true },
    { "/307", "HTTP/1.1 307 Elsewhere\r\nRetry-After: 300\r\nLocation: /feed\r\n" EMPTY,
      true },
    { "/301-302", "HTTP/1.1 301 Moved\r\nLocation: /302\r\n" EMPTY, true },
    { "/302-410", "HTTP/1.1 302 Found\r\nLocation: /410\r\n" EMPTY, true },
    { "/301-410", "HTTP/1.1 301 Moved\r\nLocation: /410\r\n" EMPTY, true },
    { "/loop", "HTTP/1.1 302 Found\r\nLocation: /loop\r\n" EMPTY, true },
    { "/nowhere", "HTTP/1.1 302 Found\r\n" EMPTY, true },
    { "/to-file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n" EMPTY, true },
    { "/to-ftp", "HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/x\r\n" EMPTY, true },
    { "/to-data", "HTTP/1.1 302 Found\r\nLocation: data:text/xml,<rss/>\r\n" EMPTY,
      true },
    { "/to-gopher", "HTTP/1.1 302 Found\r\nLocation: gopher://x/\r\n" EMPTY, true },
    { "/to-metadata",
      "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\n" EMPTY, true },
    { "/to-metadata6",
      "HTTP/1.1 302 Found\r\nLocation: http://[fd00:ec2::254]/\r\n" EMPTY, true },
    { "/to-nat64",
      "HTTP/1.1 302 Found\r\nLocation: http://[64:ff9b::169.254.169.254]/\r\n" EMPTY,
      true },
    { "/to-garbage", "HTTP/1.1 302 Found\r\nLocation: http://:99999/\r\n" EMPTY, true },
    /* broken */
    { "/short", OK_HEAD "ETag: \"cut\"\r\nContent-Length: 1000\r\n\r\n<rss>", false },
    { "/cut-chunk",
      OK_HEAD "ETag: \"cut\"\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n<rss>", false },
    { "/no-end", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\n<rss>\r\n", false },
    { "/nothing", "", false },
    { "/half-head", "HTTP/1.1 200 O", false },
    { "/not-http", "SSH-2.0-x\r\n\r\n<rss/>", false },
    { "/negative", OK_HEAD "Content-Length: -5\r\n\r\n<rss/>", false },
    { "/two-lengths", OK_HEAD "Content-Length: 6\r\nContent-Length: 7\r\n\r\n<rss/>",
      false },
    { "/bad-chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n<rss/>", false },
    { "/six-codings",
      OK_HEAD "Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip\r\n"
              "Content-Length: 6\r\n\r\n\x1f\x8b\x08 xy",
      false },
    { "/unknown-coding", OK_HEAD "Content-Encoding: rot13\r\n" FEED, false },
    { "/close", OK_HEAD "Connection: close\r\n\r\n<rss/>", false },
    { "/http10", "HTTP/1.0 200 OK\r\n\r\n<rss/>", false },
};

static bool answer_fixed(struct origin_conn *c, const char *path, const char *head,
                         void *ctx)
{
    (void)head, (void)ctx;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (strcmp(path, fixed[i].path) == 0)
            return origin_puts(c, fixed[i].answer) && fixed[i].stay;
    return origin_puts(c, "HTTP/1.1 599 No such answer\r\n" EMPTY);
}

struct expected {
    const char *path;
    enum fetch_outcome outcome;
    long status;
    const char *body;     /* NULL: none */
    const char *why;      /* part of it; NULL: empty */
    const char *end;      /* of the final URL; NULL: path */
    const char *moved_to; /* path; NULL: none */
    const char *etag;     /* NULL: none */
    int64_t retry_after_s, fresh_s;
};

static const struct expected table[] = {
    { "/feed", FETCH_NEW_BODY, 200, .body = "<rss/>", .etag = "\"e\"" },
    { "/empty", FETCH_NEW_BODY, 200, .body = NULL },
    { "/226", FETCH_NEW_BODY, 226, .body = "<rss/>" },
    { "/304", FETCH_UNCHANGED, 304, .why = "without validators" },
    { "/410", FETCH_GONE, 410, .why = "410" },
    { "/404", FETCH_BAD, 404, .why = "404" },
    { "/401", FETCH_BAD, 401, .why = "401" },
    { "/204", FETCH_BAD, 204, .why = "204" },
    { "/500", FETCH_RETRY_LATER, 500, .why = "500" },
    { "/429s", FETCH_RETRY_LATER, 429, .why = "429", .retry_after_s = 120 },
    { "/503d", FETCH_RETRY_LATER, 503, .why = "503", .retry_after_s = 3600 },
    { "/503-garbage", FETCH_RETRY_LATER, 503, .why = "503" },
    { "/503-huge", FETCH_RETRY_LATER, 503, .why = "503", .retry_after_s = 86400 },
    { "/503-neg", FETCH_RETRY_LATER, 503, .why = "503" },
    { "/503-zero", FETCH_RETRY_LATER, 503, .why = "503", .retry_after_s = 60 },
    { "/expires", FETCH_NEW_BODY, 200, .body = "<rss/>", .fresh_s = 600 },
    { "/no-cache", FETCH_NEW_BODY, 200, .body = "<rss/>" },
    { "/lines", FETCH_NEW_BODY, 200, .body = "<rss/>", .etag = "\"first\"" },
    { "/301", FETCH_NEW_BODY, 200, .body = "<rss/>", .end = "/feed", .moved_to = "/feed",
      .etag = "\"e\"" },
    { "/308", FETCH_NEW_BODY, 200, .body = "<rss/>", .end = "/feed", .moved_to = "/feed",
      .etag = "\"e\"" },
    { "/302", FETCH_NEW_BODY, 200, .body = "<rss/>", .end = "/feed?a+b" },
    { "/303", FETCH_NEW_BODY, 200, .body = "<rss/>", .end = "/feed", .etag = "\"e\"" },
    { "/307", FETCH_NEW_BODY, 200, .body = "<rss/>", .end = "/feed", .etag = "\"e\"",
      .retry_after_s = 300 },
    { "/301-302", FETCH_NEW_BODY, 200, .body = "<rss/>", .end = "/feed?a+b" },
    { "/302-410", FETCH_BAD, 410, .why = "410", .end = "/410" },
    { "/301-410", FETCH_GONE, 410, .why = "410", .end = "/410" },
    { "/loop", FETCH_BAD, 302, .why = "more than 5 redirects" },
    { "/nowhere", FETCH_BAD, 302, .why = "without a usable Location" },
    { "/to-file", FETCH_REFUSED, 302, .why = "neither http nor https",
      .end = "file:///etc/passwd" },
    { "/to-ftp", FETCH_REFUSED, 302, .why = "neither http nor https",
      .end = "ftp://127.0.0.1/x" },
    { "/to-data", FETCH_REFUSED, 302, .why = "neither http nor https",
      .end = "data:text/xml,<rss/>" },
    { "/to-gopher", FETCH_REFUSED, 302, .why = "neither http nor https",
      .end = "gopher://x/" },
    { "/to-metadata", FETCH_REFUSED, 302, .why = "address 169.254.169.254 is metadata",
      .end = "http://169.254.169.254/latest" },
    { "/to-metadata6", FETCH_REFUSED, 302, .why = "address fd00:ec2::254 is metadata",
      .end = "http://[fd00:ec2::254]/" },
    { "/to-nat64", FETCH_REFUSED, 302, .why = "is metadata", .end = "" },
    { "/to-garbage", FETCH_BAD, 302, .why = "malformed URL", .end = "http://:99999/" },
    { "/short", FETCH_RETRY_LATER, 200, .body = "<rss>", .why = "transfer closed" },
    { "/cut-chunk", FETCH_RETRY_LATER, 200, .body = "<rss>", .why = "" },
    { "/no-end", FETCH_RETRY_LATER, 200, .body = "<rss>", .why = "" },
    { "/nothing", FETCH_RETRY_LATER, 0, .why = "" },
    { "/half-head", FETCH_RETRY_LATER, 0, .why = "" },
    { "/not-http", FETCH_BAD, 0, .why = "" },
    { "/negative", FETCH_BAD, 200, .why = "" },
    { "/bad-chunk", FETCH_RETRY_LATER, 200, .why = "" },
    { "/six-codings", FETCH_BAD, 200, .why = "" },
    { "/unknown-coding", FETCH_NEW_BODY, 200, .body = "<rss/>" },
    { "/close", FETCH_NEW_BODY, 200, .body = "<rss/>" },
    { "/http10", FETCH_NEW_BODY, 200, .body = "<rss/>" },
};

static void check_one(struct rig *rig, const struct expected *x)
{
    struct got g = { 0 };
    const char *end = x->end ? x->end : x->path;

    get(rig, x->path, &g);
    if (g.outcome != x->outcome || g.status != x->status)
        fail_msg("%s: %s %ld (%s), wanted %s %ld", x->path, fetch_outcome_name(g.outcome),
                 g.status, g.why, fetch_outcome_name(x->outcome), x->status);
    assert_string_equal(g.body ? g.body : "-", x->body ? x->body : "-");
    assert_int_equal(g.starts, x->body != NULL);
    if (x->why)
        assert_has(g.why, x->why);
    else
        assert_string_equal(g.why, "");
    if (strlen(g.final_url) < strlen(end) ||
        strcmp(g.final_url + strlen(g.final_url) - strlen(end), end) != 0)
        fail_msg("%s: ends at %s, wanted %s", x->path, g.final_url, end);
    assert_string_equal(g.moved_to, x->moved_to ? url_at(rig, x->moved_to) : "-");
    assert_string_equal(g.etag, x->etag ? x->etag : "-");
    assert_int_equal(g.retry_after_s, x->retry_after_s);
    assert_int_equal(g.fresh_s, x->fresh_s);
    free(g.body);
}

static void knows_what_each_answer_means(void **state)
{
    (void)state;
    struct rig rig;

    rig_up(&rig, answer_fixed, NULL, NULL);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        check_one(&rig, &table[i]);
    rig_down(&rig);
}

/* ---- the guard ---- */

static void refuses_private_addresses_unless_allowed(void **state)
{
    (void)state;
    static const char *spelled[] = { "127.0.0.1", "2130706433",
                                     "0x7f.1",    "0177.0.0.1",
                                     "127.1",     "[::ffff:7f00:1]",
                                     "0",         "[::ffff:127.0.0.1]" };
    struct rig rig;

    rig_up(&rig, answer_fixed, NULL, NULL);
    for (size_t i = 0; i < sizeof spelled / sizeof spelled[0]; i++) {
        char url[128];
        struct got g = { 0 };
        struct fetch_request req = { .url = url };

        snprintf(url, sizeof url, "http://%s:%d/feed", spelled[i],
                 origin_port(rig.origin));
        get_req(&rig, &req, &g);
        assert_int_equal(g.outcome, FETCH_REFUSED);
        assert_has(g.why, strcmp(spelled[i], "0") == 0 ? "address 0.0.0.0 is unspecified"
                                                       : "127.0.0.1 is loopback");
    }
    assert_int_equal(origin_connections(rig.origin), 0);
    rig_down(&rig);
}

/* A connection that another transfer was allowed to open is no way round the guard. */
static void judges_reused_connections_too(void **state)
{
    (void)state;
    struct rig rig;
    struct got allowed = { 0 }, refused = { 0 };

    rig_up(&rig, answer_fixed, NULL, NULL);
    get(&rig, "/feed", &allowed);
    assert_int_equal(allowed.outcome, FETCH_NEW_BODY);
    struct fetch_request req = { .url = url_at(&rig, "/feed") };
    get_req(&rig, &req, &refused);
    assert_int_equal(refused.outcome, FETCH_REFUSED);
    assert_has(refused.why, "address 127.0.0.1 is loopback");
    assert_int_equal(origin_requests(rig.origin), 1);
    free(allowed.body);
    rig_down(&rig);
}

static void ignores_the_proxy_of_the_environment(void **state)
{
    (void)state;
    struct rig rig;
    struct got g = { 0 };

    setenv("http_proxy", "http://127.0.0.2:1/", 1);
    setenv("ALL_PROXY", "http://127.0.0.2:1/", 1);
    rig_up(&rig, answer_fixed, NULL, NULL);
    get(&rig, "/feed", &g);
    assert_int_equal(g.outcome, FETCH_NEW_BODY);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    free(g.body);
    rig_down(&rig);
}

static void refuses_other_schemes_and_malformed_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum fetch_outcome outcome;
    } rows[] = {
        { "file:///etc/passwd", FETCH_REFUSED },
        { "ftp://x/", FETCH_REFUSED },
        { "data:,x", FETCH_REFUSED },
        { "x", FETCH_REFUSED },
        { "", FETCH_REFUSED },
        { "httpx://127.0.0.1/", FETCH_REFUSED },
        { "http://", FETCH_BAD },
        { "http://a b/", FETCH_BAD },
        { "http://[::1/", FETCH_BAD },
        { "http://x:99999/", FETCH_BAD },
        { "http://127.0.0.1:1/a b", FETCH_BAD },
    };
    struct rig rig;

    rig_up(&rig, NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct got g = { 0 };
        struct fetch_request req = { .url = rows[i].url, .allow_private = true };

        get_req(&rig, &req, &g);
        if (g.outcome != rows[i].outcome)
            fail_msg("%s: %s (%s)", rows[i].url, fetch_outcome_name(g.outcome), g.why);
        assert_string_not_equal(g.why, "");
    }
    struct got g = { .rig = &rig };
    struct fetch_request req = { .url = "http://127.0.0.1/", .etag = "a\r\nb" };
    assert_int_equal(fetch_start(rig.pool, &req, &events, &g), -EINVAL);
    rig_down(&rig);
}

/* ---- names ---- */

static const char *test_names(const char *name, unsigned nth)
{
    if (strcmp(name, "feed.test") == 0 || strcmp(name, "other.test") == 0)
        return "127.0.0.1";
    if (strcmp(name, "mixed.test") == 0)
        return "169.254.169.254 127.0.0.1";
    if (strcmp(name, "rebind.test") == 0)
        return nth == 0 ? "127.0.0.1" : "169.254.169.254";
    if (strcmp(name, "xn--bcher-kva.test") == 0)
        return "127.0.0.1";
    if (strcmp(name, "empty.test") == 0)
        return "";
    if (strstr(name, "silent.test"))
        return NAMES_SILENT;
    return NULL;
}

static enum fetch_outcome get_name(struct rig *rig, const char *host, struct got *g)
{
    char url[128];
    struct fetch_request req = { .url = url, .allow_private = true };

    *g = (struct got){ 0 };
    snprintf(url, sizeof url, "http://%s:%d/feed", host, origin_port(rig->origin));
    get_req(rig, &req, g);
    free(g->body);
    g->body = NULL;
    return g->outcome;
}

static void looks_names_up(void **state)
{
    (void)state;
    struct rig rig;
    struct got g;
    struct names *names = names_new(test_names);
    struct fetch_options opt = { .dns_servers = names_server(names) };

    rig_up(&rig, answer_fixed, NULL, &opt);
    assert_int_equal(get_name(&rig, "feed.test", &g), FETCH_NEW_BODY);
    assert_int_equal(get_name(&rig, "FEED.test", &g), FETCH_NEW_BODY);
    assert_int_equal(names_asked(names), 1); /* kept */
    assert_int_equal(get_name(&rig,
                              "b\xc3\xbc"
                              "cher.test",
                              &g),
                     FETCH_NEW_BODY);
    assert_has(g.final_url, "http://xn--bcher-kva.test:");
    assert_int_equal(get_name(&rig, "\xff.test", &g), FETCH_BAD);
    assert_int_equal(get_name(&rig, "localhost", &g), FETCH_NEW_BODY);
    assert_int_equal(get_name(&rig, "mixed.test", &g), FETCH_NEW_BODY);
    assert_int_equal(get_name(&rig, "no.test", &g), FETCH_RETRY_LATER);
    assert_has(g.why, "cannot resolve no.test: ");
    assert_int_equal(get_name(&rig, "empty.test", &g), FETCH_RETRY_LATER);
    assert_int_equal(get_name(&rig, "user:secret@feed.test", &g), FETCH_NEW_BODY);
    assert_null(strstr(g.final_url, "secret"));
    assert_null(strstr(g.start_url, "secret"));
    rig_down(&rig);
    names_free(names);
}

/* The address that was judged is the one that is used, and the next answer is judged
 * anew. */
static void survives_rebinding(void **state)
{
    (void)state;
    struct rig rig;
    struct got g;
    struct names *names = names_new(test_names);
    struct fetch_options opt = { .dns_servers = names_server(names) };

    rig_up(&rig, answer_fixed, NULL, &opt);
    assert_int_equal(get_name(&rig, "rebind.test", &g), FETCH_NEW_BODY);
    fetch_pool_free(rig.pool); /* and with it the names it kept */
    assert_int_equal(fetch_pool_new(&rig.pool, rig.event, &opt), 0);
    assert_int_equal(get_name(&rig, "rebind.test", &g), FETCH_REFUSED);
    assert_has(g.why, "address 169.254.169.254 is metadata");
    rig_down(&rig);
    names_free(names);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned threads(void)
{
    char line[256];
    unsigned n = 0;
    FILE *f = fopen("/proc/self/status", "r");

    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Threads: %u", &n) == 1)
            break;
    fclose(f);
    return n;
}

/* 100 names whose server never answers: no thread, and no other feed waits. */
static void silent_name_server_delays_nobody_else(void **state)
{
    (void)state;
    struct rig rig;
    struct got dead[100], canary = { .rig = &rig };
    char url[128];
    struct names *names = names_new(test_names);
    struct fetch_options opt = { .dns_servers = names_server(names), .max_transfers = 4 };
    struct fetch_request req = { .url = url, .allow_private = true };

    rig_up(&rig, answer_fixed, NULL, &opt);
    unsigned before = threads();
    memset(dead, 0, sizeof dead);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(url, sizeof url, "http://n%u.silent.test/", i);
        dead[i].rig = &rig;
        assert_int_equal(fetch_start(rig.pool, &req, &events, &dead[i]), 0);
    }
    snprintf(url, sizeof url, "http://feed.test:%d/feed", origin_port(rig.origin));
    assert_int_equal(fetch_start(rig.pool, &req, &events, &canary), 0);
    double start = seconds();
    run_until(&rig, 1);
    assert_int_equal(canary.outcome, FETCH_NEW_BODY);
    assert_true(seconds() - start < 1.0);
    assert_true(threads() <= before + 1); /* the origin's connection */
    assert_int_equal(fetch_active(rig.pool), 100);
    free(canary.body);
    rig_down(&rig); /* with 100 in flight */
    names_free(names);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(dead[i].dones, 0);
}

/* ---- hostile bodies and headers ---- */

static bool send_chunk(struct origin_conn *c, const void *bytes, size_t n)
{
    return origin_printf(c, "%zx\r\n", n) && origin_send(c, bytes, n) &&
           origin_puts(c, "\r\n");
}

/* `n` bytes of `fill` deflated as gzip, appended to what `out` holds. */
static size_t gzip_fill(unsigned char *out, size_t room, const unsigned char *in,
                        size_t in_n, size_t repeat)
{
    z_stream z = { 0 };

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = out;
    z.avail_out = (uInt)room;
    for (size_t i = 0; i < repeat; i++) {
        z.next_in = (unsigned char *)(uintptr_t)in;
        z.avail_in = (uInt)in_n;
        assert_int_equal(deflate(&z, i + 1 == repeat ? Z_FINISH : Z_NO_FLUSH),
                         i + 1 == repeat ? Z_STREAM_END : Z_OK);
    }
    size_t n = room - z.avail_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    return n;
}

static unsigned char bomb[1 << 20], double_bomb[1 << 16], small_gzip[1 << 16];
static size_t bomb_n, double_bomb_n, small_gzip_n;

static int make_bombs(void **state)
{
    (void)state;
    static const unsigned char zero[65536];

    bomb_n = gzip_fill(bomb, sizeof bomb, zero, sizeof zero, 4096); /* 256 MiB */
    double_bomb_n = gzip_fill(double_bomb, sizeof double_bomb, bomb, bomb_n, 1);
    small_gzip_n = gzip_fill(small_gzip, sizeof small_gzip,
                             (const unsigned char *)"<rss/>", 6, 1000);
    return 0;
}

static bool send_coded(struct origin_conn *c, const char *coding, const void *bytes,
                       size_t n)
{
    return origin_printf(c, OK_HEAD "Content-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
                         coding, n) &&
           origin_send(c, bytes, n);
}

/* Start the line `head`, then keep on with what comes: until the client gives up. */
static bool flood(struct origin_conn *c, const char *head, const char *more)
{
    char block[16384];
    size_t n = strlen(more), k = sizeof block / n;

    for (size_t i = 0; i < k; i++)
        memcpy(block + i * n, more, n);
    if (!origin_puts(c, head))
        return false;
    while (origin_send(c, block, k * n))
        ;
    return false;
}

static bool drip(struct origin_conn *c, const char *head, const char *what)
{
    if (!origin_puts(c, head))
        return false;
    while (origin_wait(c, 100) && origin_send(c, what++, 1))
        if (!*what)
            what--;
    return false;
}

static bool answer_hostile(struct origin_conn *c, const char *path, const char *head,
                           void *ctx)
{
    static const char x[32768] = "";
    static char line[200000];

    (void)ctx;
    if (strcmp(path, "/chunked-flood") == 0) {
        (void)origin_puts(c, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n");
        while (send_chunk(c, x, sizeof x))
            ;
    } else if (strcmp(path, "/bomb") == 0) {
        (void)send_coded(c, "gzip", bomb, bomb_n);
    } else if (strcmp(path, "/double-bomb") == 0) {
        (void)send_coded(c, "gzip, gzip", double_bomb, double_bomb_n);
    } else if (strcmp(path, "/gzip") == 0) {
        return send_coded(c, "gzip", small_gzip, small_gzip_n);
    } else if (strcmp(path, "/mislabelled") == 0) {
        return send_coded(c, strstr(head, "Accept-Encoding") ? "gzip" : "identity",
                          "<rss/>", 6);
    } else if (strcmp(path, "/mislabelled-always") == 0) {
        return send_coded(c, "gzip", "<rss/>", 6);
    } else if (strcmp(path, "/gzip-always-broken") == 0) {
        return send_coded(c, "gzip", "\x1f\x8b\x08\xff\xff\xff\xff", 7);
    } else if (strcmp(path, "/header-flood") == 0) {
        return flood(c, OK_HEAD, "X-Fill: yes\r\n");
    } else if (strcmp(path, "/1xx-flood") == 0) {
        return flood(c, "", "HTTP/1.1 100 Continue\r\n\r\n");
    } else if (strcmp(path, "/long-line") == 0) {
        memset(line, 'x', sizeof line);
        (void)origin_puts(c, OK_HEAD "X-Long: ");
        return origin_send(c, line, sizeof line) && flood(c, "", "y");
    } else if (strcmp(path, "/junk-404") == 0) {
        return flood(c, "HTTP/1.1 404 Not Found\r\n\r\n", "junk ");
    } else if (strcmp(path, "/junk-302") == 0) {
        return flood(c, "HTTP/1.1 302 Found\r\nLocation: /gzip\r\n\r\n", "junk ");
    } else if (strcmp(path, "/drip-body") == 0) {
        return drip(c, OK_HEAD "Content-Length: 100000\r\n\r\n", "<rss>");
    } else if (strcmp(path, "/drip-header") == 0) {
        return drip(c, OK_HEAD, "X-Slow: x");
    } else if (strcmp(path, "/silence") == 0) {
        while (origin_wait(c, 60000))
            ;
    } else if (strcmp(path, "/reset") == 0) {
        (void)origin_puts(c, OK_HEAD "Content-Length: 1000\r\n\r\n<rss>");
        (void)origin_wait(c, 100); /* let it arrive: RST overtakes */
        origin_reset(c);
    }
    return false;
}

static void ends_what_never_ends(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum fetch_outcome outcome;
        const char *why;
        int64_t body_bytes;
    } rows[] = {
        { "/chunked-flood", FETCH_REFUSED, "larger than 1000000 bytes", 1000000 },
        { "/bomb", FETCH_REFUSED, "larger than 1000000 bytes", 1000000 },
        { "/double-bomb", FETCH_REFUSED, "larger than 1000000 bytes", 1000000 },
        { "/header-flood", FETCH_BAD, "headers larger than", 0 },
        { "/1xx-flood", FETCH_BAD, "headers larger than", 0 },
        { "/long-line", FETCH_BAD, "header line too long", 0 },
        { "/junk-404", FETCH_BAD, "HTTP 404", 0 },
        { "/junk-302", FETCH_BAD, "HTTP 302 with an endless body", 0 },
        { "/gzip", FETCH_NEW_BODY, "", 6000 },
        { "/mislabelled", FETCH_NEW_BODY, "", 6 },
        { "/mislabelled-always", FETCH_NEW_BODY, "", 6 },
        { "/gzip-always-broken", FETCH_BAD, "cannot be undone", 0 },
        { "/drip-body", FETCH_RETRY_LATER, "too slow", -1 },
        { "/drip-header", FETCH_RETRY_LATER, "too slow", 0 },
        { "/silence", FETCH_RETRY_LATER, "too slow", 0 },
        { "/reset", FETCH_RETRY_LATER, "", -1 },
    };
    struct rig rig;
    struct fetch_options opt = { .low_speed_s = 1 };

    rig_up(&rig, answer_hostile, NULL, &opt);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct got g = { 0 };
        struct fetch_request req = { .url = url_at(&rig, rows[i].path),
                                     .allow_private = true,
                                     .max_bytes = 1000000 };
        double start = seconds();

        get_req(&rig, &req, &g);
        if (g.outcome != rows[i].outcome || !strstr(g.why, rows[i].why))
            fail_msg("%s: %s (%s)", rows[i].path, fetch_outcome_name(g.outcome), g.why);
        if (rows[i].body_bytes >= 0)
            assert_int_equal(g.body_bytes, rows[i].body_bytes);
        else
            assert_true(g.body_bytes > 0);
        assert_int_equal(g.n, g.body_bytes);
        if (seconds() - start > 5)
            fail_msg("%s took %.1f s", rows[i].path, seconds() - start);
        free(g.body);
    }
    rig_down(&rig);
}

static void keeps_its_deadline(void **state)
{
    (void)state;
    struct rig rig;
    struct got g = { 0 };

    rig_up(&rig, answer_hostile, NULL, NULL);
    struct fetch_request req = { .url = url_at(&rig, "/silence"),
                                 .allow_private = true,
                                 .timeout_ms = 200 };
    double start = seconds();
    get_req(&rig, &req, &g);
    assert_int_equal(g.outcome, FETCH_RETRY_LATER);
    assert_has(g.why, "timed out");
    assert_true(seconds() - start < 2);
    rig_down(&rig);
}

/* A listener whose queue is full does not answer the SYN. */
static void gives_up_connecting(void **state)
{
    (void)state;
    struct rig rig;
    struct got g = { 0 };
    char url[64];
    struct fetch_options opt = { .connect_timeout_ms = 200 };
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0), full[8];

    assert_return_code(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_return_code(listen(fd, 0), 0);
    assert_return_code(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    for (size_t i = 0; i < 8; i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(full[i], (struct sockaddr *)&in, len);
    }
    rig_up(&rig, NULL, NULL, &opt);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(in.sin_port));
    struct fetch_request req = { .url = url, .allow_private = true };
    get_req(&rig, &req, &g);
    assert_int_equal(g.outcome, FETCH_RETRY_LATER);
    assert_has(g.why, "imeout");
    assert_int_equal(g.status, 0);
    for (size_t i = 0; i < 8; i++)
        close(full[i]);
    close(fd);
    memset(&g, 0, sizeof g);
    get_req(&rig, &req, &g); /* now nobody listens */
    assert_int_equal(g.outcome, FETCH_RETRY_LATER);
    assert_has(g.why, "onnect");
    rig_down(&rig);
}

/* ---- streaming ---- */

static bool answer_in_two(struct origin_conn *c, const char *path, const char *head,
                          void *ctx)
{
    atomic_bool *seen = ctx;
    const char *coding = strcmp(path, "/gzip") == 0 ? "Content-Encoding: gzip\r\n" : "";
    unsigned char first[256], second[256];
    size_t n1 = 0, n2 = 0;

    (void)head;
    if (coding[0]) { /* one gzip stream, flushed after its first item */
        z_stream z = { 0 };
        (void)deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
        z.next_in = (unsigned char *)(uintptr_t) "<item>1";
        z.avail_in = 7;
        z.next_out = first;
        z.avail_out = sizeof first;
        (void)deflate(&z, Z_SYNC_FLUSH);
        n1 = sizeof first - z.avail_out;
        z.next_in = (unsigned char *)(uintptr_t) "<item>2";
        z.avail_in = 7;
        z.next_out = second;
        z.avail_out = sizeof second;
        (void)deflate(&z, Z_FINISH);
        n2 = sizeof second - z.avail_out;
        (void)deflateEnd(&z);
    } else {
        memcpy(first, "<item>1", n1 = 7);
        memcpy(second, "<item>2", n2 = 7);
    }
    if (!origin_printf(c, OK_HEAD "%sTransfer-Encoding: chunked\r\n\r\n", coding) ||
        !send_chunk(c, first, n1))
        return false;
    for (int i = 0; i < 200 && !atomic_load(seen); i++)
        if (!origin_wait(c, 10))
            return false;
    bool was_seen = atomic_exchange(seen, false);
    return was_seen && send_chunk(c, second, n2) && origin_puts(c, "0\r\n\r\n");
}

struct stream {
    struct got got;
    atomic_bool *seen;
};

static int stream_body(void *ctx, const char *bytes, size_t n)
{
    struct stream *st = ctx;

    if (got_body(&st->got, bytes, n) != 0)
        return 1;
    if (st->got.n == 7)
        atomic_store(st->seen, true);
    return 0;
}

/* The origin sends the second half only after we have seen the first. */
static void hands_bytes_on_as_they_come(void **state)
{
    (void)state;
    static const struct fetch_events ev = { got_start, stream_body, got_done };
    static const char *paths[] = { "/plain", "/gzip" };
    atomic_bool seen = false;
    struct rig rig;

    rig_up(&rig, answer_in_two, &seen, NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct stream st = { .got.rig = &rig, .seen = &seen };
        struct fetch_request req = { .url = url_at(&rig, paths[i]),
                                     .allow_private = true };
        assert_int_equal(fetch_start(rig.pool, &req, &ev, &st), 0);
        run_until(&rig, i + 1);
        assert_int_equal(st.got.outcome, FETCH_NEW_BODY);
        assert_string_equal(st.got.body, "<item>1<item>2");
        free(st.got.body);
    }
    rig_down(&rig);
}

static void stops_when_the_caller_has_enough(void **state)
{
    (void)state;
    struct rig rig;
    struct got g = { .stop_after = 5 };

    rig_up(&rig, answer_hostile, NULL, NULL);
    get(&rig, "/drip-body", &g);
    assert_int_equal(g.outcome, FETCH_ENDED);
    assert_int_equal(g.status, 200);
    assert_string_equal(g.body, "<rss>");
    assert_string_equal(g.why, "");
    free(g.body);
    rig_down(&rig);
}

/* ---- cut at every offset ---- */

static char long_feed[2000];

static bool answer_cut(struct origin_conn *c, const char *path, const char *head,
                       void *ctx)
{
    size_t n = (size_t)strtoul(path + 1, NULL, 10);

    (void)head, (void)ctx;
    if (path[0] == '/' && path[1] == 'r')
        n = (size_t)strtoul(path + 2, NULL, 10);
    (void)origin_printf(c, OK_HEAD "ETag: \"x\"\r\nContent-Length: %zu\r\n\r\n",
                        sizeof long_feed);
    (void)origin_send(c, long_feed, n);
    if (path[1] == 'r')
        origin_reset(c);
    return false;
}

static void survives_a_cut_at_every_offset(void **state)
{
    (void)state;
    struct rig rig;
    char path[32];

    memset(long_feed, 'f', sizeof long_feed);
    rig_up(&rig, answer_cut, NULL, NULL);
    for (size_t n = 0; n <= sizeof long_feed; n += n < 20 || n > 1980 ? 1 : 37) {
        struct got g = { 0 };
        snprintf(path, sizeof path, "/%zu", n);
        get(&rig, path, &g);
        assert_int_equal(g.n, n); /* what came was delivered */
        assert_int_equal(g.outcome,
                         n == sizeof long_feed ? FETCH_NEW_BODY : FETCH_RETRY_LATER);
        assert_string_equal(g.etag, n == sizeof long_feed ? "\"x\"" : "-");
        free(g.body);
        memset(&g, 0, sizeof g);
        snprintf(path, sizeof path, "/r%zu", n);
        get(&rig, path, &g);
        assert_true(g.n <= n);
        assert_true(g.outcome == FETCH_RETRY_LATER ||
                    (g.outcome == FETCH_NEW_BODY && g.n == sizeof long_feed));
        free(g.body);
    }
    rig_down(&rig);
}

/* ---- many at once ---- */

struct crowd {
    struct rig rig;
    atomic_int now, most; /* requests being answered */
    unsigned left;        /* to start from inside on_done */
};

static bool answer_counting(struct origin_conn *c, const char *path, const char *head,
                            void *ctx)
{
    struct crowd *crowd = ctx;
    int now = atomic_fetch_add(&crowd->now, 1) + 1, most = atomic_load(&crowd->most);

    (void)path, (void)head;
    while (now > most && !atomic_compare_exchange_weak(&crowd->most, &most, now))
        ;
    bool ok = origin_wait(c, 5);
    atomic_fetch_sub(&crowd->now, 1);
    return ok && origin_puts(c, OK_HEAD FEED);
}

static void crowd_done(void *ctx, const struct fetch_result *r);
static const struct fetch_events crowd_events = { .on_done = crowd_done };

static void crowd_done(void *ctx, const struct fetch_result *r)
{
    struct crowd *crowd = ctx;

    assert_int_equal(r->outcome, FETCH_NEW_BODY);
    crowd->rig.done++;
    if (crowd->left > 0) {
        struct fetch_request req = { .url = url_at(&crowd->rig, "/"),
                                     .allow_private = true };
        crowd->left--;
        assert_int_equal(fetch_start(crowd->rig.pool, &req, &crowd_events, ctx), 0);
    }
}

static void crowd_run(const struct fetch_options *opt, const char *host, int most)
{
    struct crowd crowd = { .left = 100 };
    char url[128];
    struct fetch_request req = { .url = url, .allow_private = true };

    rig_up(&crowd.rig, answer_counting, &crowd, opt);
    snprintf(url, sizeof url, "http://%s:%d/", host, origin_port(crowd.rig.origin));
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(fetch_start(crowd.rig.pool, &req, &crowd_events, &crowd), 0);
    assert_int_equal(fetch_active(crowd.rig.pool), 100);
    assert_int_equal(crowd.rig.done, 0);
    if (strcmp(host, "127.0.0.1") != 0)
        crowd.left = 0;
    run_until(&crowd.rig, 100 + crowd.left);
    assert_true(atomic_load(&crowd.most) <= most);
    assert_true(origin_connections(crowd.rig.origin) <= (unsigned)most + 1);
    rig_down(&crowd.rig);
}

static void bounds_transfers_at_once(void **state)
{
    (void)state;
    struct fetch_options opt = { .max_transfers = 5 };

    crowd_run(&opt, "127.0.0.1", 5); /* loopback: no bound for the host */
}

static void bounds_transfers_to_one_host(void **state)
{
    (void)state;
    struct names *names = names_new(test_names);
    struct fetch_options opt = { .dns_servers = names_server(names) };

    crowd_run(&opt, "feed.test", 2);
    names_free(names);
}

/* A pool that is freed ends everything at once and calls nobody. */
static void frees_a_pool_in_full_flight(void **state)
{
    (void)state;
    struct names *names = names_new(test_names);
    struct fetch_options opt = { .max_transfers = 8, .dns_servers = names_server(names) };

    for (int turns = 0; turns < 40; turns += turns < 10 ? 1 : 10) {
        struct rig rig;
        struct got g[24];
        char url[128];
        static const char *paths[] = { "/drip-body", "/silence", "/drip-header",
                                       "/chunked-flood" };

        memset(g, 0, sizeof g);
        rig_up(&rig, answer_hostile, NULL, &opt);
        for (unsigned i = 0; i < 24; i++) {
            struct fetch_request req = { .url = url, .allow_private = true };
            snprintf(url, sizeof url, "http://%s:%d%s",
                     i % 3 == 0   ? "127.0.0.1"
                     : i % 3 == 1 ? "feed.test"
                                  : "x.silent.test",
                     origin_port(rig.origin), paths[i % 4]);
            assert_int_equal(fetch_start(rig.pool, &req, &events, &g[i]), 0);
        }
        for (int i = 0; i < turns; i++)
            assert_return_code(sd_event_run(rig.event, 1000), 0);
        double start = seconds();
        unsigned done[24];
        for (unsigned i = 0; i < 24; i++)
            done[i] = g[i].dones;
        rig_down(&rig);
        assert_true(seconds() - start < 1);
        for (unsigned i = 0; i < 24; i++) {
            assert_int_equal(g[i].dones, done[i]);
            free(g[i].body);
        }
    }
    names_free(names);
}

/* Thousands of transfers one after the other leave nothing behind. */
static void reuses_its_handles(void **state)
{
    (void)state;
    struct rig rig;
    size_t before = 0;

    rig_up(&rig, answer_fixed, NULL, NULL);
    for (unsigned i = 0; i < 3000; i++) {
        struct got g = { 0 };
        get(&rig, i % 3 ? "/feed" : "/308", &g);
        assert_int_equal(g.outcome, FETCH_NEW_BODY);
        free(g.body);
        origin_forget(rig.origin);
        if (i == 500)
            before = mallinfo2().uordblks;
    }
    size_t after = mallinfo2().uordblks;
    if (before > 0 && after > before + 20000)
        fail_msg("%zu bytes in use after 500 transfers, %zu after 3000", before, after);
    rig_down(&rig);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(gets_a_feed_and_asks_again_with_its_validators),
    cmocka_unit_test(knows_what_each_answer_means),
    cmocka_unit_test(refuses_private_addresses_unless_allowed),
    cmocka_unit_test(judges_reused_connections_too),
    cmocka_unit_test(ignores_the_proxy_of_the_environment),
    cmocka_unit_test(refuses_other_schemes_and_malformed_urls),
    cmocka_unit_test(looks_names_up),
    cmocka_unit_test(survives_rebinding),
    cmocka_unit_test(silent_name_server_delays_nobody_else),
    cmocka_unit_test_setup(ends_what_never_ends, make_bombs),
    cmocka_unit_test(keeps_its_deadline),
    cmocka_unit_test(gives_up_connecting),
    cmocka_unit_test(hands_bytes_on_as_they_come),
    cmocka_unit_test(stops_when_the_caller_has_enough),
    cmocka_unit_test(survives_a_cut_at_every_offset),
    cmocka_unit_test(bounds_transfers_at_once),
    cmocka_unit_test(bounds_transfers_to_one_host),
    cmocka_unit_test(frees_a_pool_in_full_flight),
    cmocka_unit_test(reuses_its_handles),
};
TEST_MAIN(tests)
