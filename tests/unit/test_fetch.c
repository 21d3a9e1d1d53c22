/* fetch: what each answer means, whom we ask and whom not, against an origin and a name
 * server in the test process. */
#include "test.h"
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fetch_rig.h"

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

/* Start GETs of n0.`domain`, n1.`domain`, ... */
static void start_many(struct rig *rig, struct got *g, unsigned n, const char *domain)
{
    char url[128];
    struct fetch_request req = { .url = url, .allow_private = true };

    for (unsigned i = 0; i < n; i++) {
        snprintf(url, sizeof url, "http://n%u.%s:%d/feed", i, domain,
                 origin_port(rig->origin));
        g[i] = (struct got){ .rig = rig };
        assert_int_equal(fetch_start(rig->pool, &req, &events, &g[i]), 0);
    }
}

/* More names at once than the socket of the resolver has room for answers. */
static void loses_no_answer_of_a_thousand(void **state)
{
    (void)state;
    struct rig rig;
    static struct got g[1000];
    struct names *names = names_new(test_names);
    struct fetch_options opt = { .dns_servers = names_server(names), .max_transfers = 8 };

    rig_up(&rig, answer_fixed, NULL, &opt);
    start_many(&rig, g, 1000, "many.test");
    run_until(&rig, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        if (g[i].outcome != FETCH_NEW_BODY)
            fail_msg("n%u: %s", i, g[i].why);
        free(g[i].body);
    }
    rig_down(&rig);
    names_free(names);
}

static const char *here(const char *name, unsigned nth)
{
    (void)name, (void)nth;
    return "127.0.0.1";
}

/* Other name servers: what is on its way is asked there, what is known is asked anew. */
static void asks_other_name_servers(void **state)
{
    (void)state;
    struct rig rig;
    static struct got g[3];
    struct names *first = names_new(test_names), *second = names_new(here);
    struct fetch_options opt = { .dns_servers = names_server(first) };

    rig_up(&rig, answer_fixed, NULL, &opt);
    start_many(&rig, g, 1, "many.test");
    run_until(&rig, 1);
    start_many(&rig, g + 1, 1, "silent.test");
    for (int i = 0; i < 100 && names_asked(first) < 2; i++)
        assert_return_code(sd_event_run(rig.event, 20000), 0);
    assert_int_equal(fetch_pool_names(rig.pool, "no address"), -EINVAL);
    assert_int_equal(fetch_pool_names(rig.pool, names_server(first)), 0); /* no change */
    assert_int_equal(names_asked(second), 0);
    assert_int_equal(fetch_pool_names(rig.pool, names_server(second)), 0);
    run_until(&rig, 2);
    start_many(&rig, g + 2, 1, "many.test");
    run_until(&rig, 3);
    assert_int_equal(names_asked(second), 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(g[i].outcome, FETCH_NEW_BODY);
        free(g[i].body);
    }
    rig_down(&rig);
    names_free(first);
    names_free(second);
}

/* A queue of silent names moves on; others do not wait for their time to run out. */
static void passes_silent_names_by(void **state)
{
    (void)state;
    struct rig rig;
    static struct got dead[400], good[100];
    struct names *names = names_new(test_names);
    struct fetch_options opt = { .dns_servers = names_server(names) };

    rig_up(&rig, answer_fixed, NULL, &opt);
    start_many(&rig, dead, 400, "silent.test");
    double start = seconds();
    start_many(&rig, good, 100, "many.test");
    run_until(&rig, 100); /* nobody knows yet that those are silent */
    assert_true(seconds() - start < 4);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(good[i].outcome, FETCH_NEW_BODY);
        free(good[i].body);
    }
    rig_down(&rig);
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

/* A GET of a host that is asked again after `again_ms`. */
static unsigned connections_after(struct rig *rig, const char *path, int64_t again_ms)
{
    struct got g = { 0 };
    struct fetch_request req = { .url = url_at(rig, path),
                                 .allow_private = true,
                                 .again_ms = again_ms };

    get_req(rig, &req, &g);
    assert_int_equal(g.outcome, FETCH_NEW_BODY);
    free(g.body);
    return origin_connections(rig->origin);
}

/* A connection is kept for the next hop and for a poll that comes soon, else closed. */
static void keeps_connections_that_are_of_use(void **state)
{
    (void)state;
    struct rig rig;
    struct got g[8] = { 0 };
    struct fetch_request req = { .allow_private = true, .again_ms = 3600000 };

    rig_up(&rig, answer_fixed, NULL, NULL);
    assert_int_equal(connections_after(&rig, "/feed", 30000), 1);
    assert_int_equal(connections_after(&rig, "/feed", 30000), 1);
    assert_int_equal(connections_after(&rig, "/feed", 0), 1); /* not known: kept */
    assert_int_equal(connections_after(&rig, "/feed", 3600000), 1);
    assert_int_equal(connections_after(&rig, "/308", 3600000), 2); /* three hops */
    assert_int_equal(connections_after(&rig, "/308", INT64_MAX), 3);
    req.url = url_at(&rig, "/feed");
    for (int i = 0; i < 8; i++) {
        g[i].rig = &rig;
        assert_int_equal(fetch_start(rig.pool, &req, &events, &g[i]), 0);
        if (i == 0)
            fetch_pool_limit(rig.pool, 1); /* one after the other */
    }
    run_until(&rig, 14);
    for (int i = 0; i < 8; i++)
        free(g[i].body);
    assert_int_equal(origin_connections(rig.origin), 4);
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
    cmocka_unit_test(loses_no_answer_of_a_thousand),
    cmocka_unit_test(passes_silent_names_by),
    cmocka_unit_test(asks_other_name_servers),
    cmocka_unit_test(reuses_its_handles),
    cmocka_unit_test(keeps_connections_that_are_of_use),
};
TEST_MAIN(tests)
