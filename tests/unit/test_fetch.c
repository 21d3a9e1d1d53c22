/* fetch: a pool against origins on loopback that say everything an origin may say, and
 * much that it may not. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "fetch.h"
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(gets_a_feed_and_asks_again_with_its_validators),
};
TEST_MAIN(tests)
