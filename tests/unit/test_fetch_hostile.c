/* fetch: what never ends, comes late, breaks off or comes in crowds. */
#include "test.h"
#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>
#include "fetch_rig.h"

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
        { "/junk-404", FETCH_BAD, "HTTP 404: not found", 0 },
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(ends_what_never_ends, make_bombs),
    cmocka_unit_test(keeps_its_deadline),
    cmocka_unit_test(gives_up_connecting),
    cmocka_unit_test(hands_bytes_on_as_they_come),
    cmocka_unit_test(stops_when_the_caller_has_enough),
    cmocka_unit_test(survives_a_cut_at_every_offset),
    cmocka_unit_test(bounds_transfers_at_once),
    cmocka_unit_test(bounds_transfers_to_one_host),
    cmocka_unit_test(frees_a_pool_in_full_flight),
};
TEST_MAIN(tests)
