/* config: how a feed is asked for: headers, credentials, proxy, limits, local files. */
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config.h"

#define WATCH "[watch:w]\nmatch = x\n"

static struct config *c;
static struct buf errors;
static char dir[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_access.XXXXXX");
    setenv("HOME", "/home/somebody", 1);
    buf_init(&errors, 1 << 20);
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char path[128];

    (void)state;
    config_unref(c);
    c = NULL;
    buf_free(&errors);
    snprintf(path, sizeof path, "%s/secret", dir);
    (void)unlink(path);
    unsetenv("CREDENTIALS_DIRECTORY");
    return rmdir(dir);
}

static void write_secret(const char *text, mode_t mode)
{
    char path[128];

    snprintf(path, sizeof path, "%s/secret", dir);
    (void)unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* [feed:f] with `own` in it; %s in it is the folder. */
static int parse(const char *own)
{
    char text[4000], section[2000];
    char *at = strstr(own, "%s");

    if (at)
        snprintf(section, sizeof section, "%.*s%s%s", (int)(at - own), own, dir, at + 2);
    else
        snprintf(section, sizeof section, "%s", own);
    config_unref(c);
    c = NULL;
    buf_clear(&errors);
    snprintf(text, sizeof text, "[feed:f]\nurl = https://a.example/feed\n%s\n" WATCH,
             section);
    return config_parse(&c, "main.ini", str_of(text), &errors);
}

static const struct config_access *loads(const char *own)
{
    if (parse(own) < 0)
        fail_msg("%s was refused: %s", own, errors.s);
    return c->feeds[0].access;
}

static void refuses(const char *own, const char *want)
{
    if (parse(own) == 0)
        fail_msg("%s was taken", own);
    if (!strstr(errors.s, want))
        fail_msg("%s\nis said, not\n%s", errors.s, want);
    assert_non_null(strstr(errors.s, "main.ini:3: "));
}

static void has_defaults(void **state)
{
    (void)state;
    const struct config_access *a = loads("");

    assert_int_equal(a->connect_timeout_s, 10);
    assert_int_equal(a->low_speed_bytes, 64);
    assert_int_equal(a->max_items, 10000);
    assert_int_equal(a->max_depth, 64);
    assert_int_equal(a->broken_after_s, 86400);
    assert_int_equal(a->silent_after_s, 0);
    assert_int_equal(a->full_fetch_s, 7 * 86400);
    assert_true(a->follow_moves);
    assert_null(a->headers);
    assert_null(a->proxy);
    assert_false(c->feeds[0].interval_auto);
    assert_null(c->feeds[0].file);
}

static void reads_each_key(void **state)
{
    (void)state;
    const struct config_access *a = loads(
        "interval = auto\nconnect_timeout = 3s\nlow_speed = 1K\nlow_speed_time = 9s\n"
        "max_items = 5\nmax_text = 2K\nmax_depth = 9\nbroken_after = 2h\n"
        "silent_after = never\nfull_fetch = 3d\nfollow_moves = no\n"
        "ca_file = /etc/own.pem\nproxy = socks5h://127.0.0.1:9050\n"
        "header = X-One: 1\nheader = X-Two:  two words\n");

    assert_true(c->feeds[0].interval_auto);
    assert_int_equal(c->feeds[0].interval_s, 900); /* until the rhythm is known */
    assert_int_equal(a->connect_timeout_s, 3);
    assert_int_equal(a->low_speed_bytes, 1024);
    assert_int_equal(a->low_speed_s, 9);
    assert_int_equal(a->max_items, 5);
    assert_int_equal(a->max_text, 2048);
    assert_int_equal(a->max_depth, 9);
    assert_int_equal(a->broken_after_s, 7200);
    assert_int_equal(a->silent_after_s, -1);
    assert_int_equal(a->full_fetch_s, 3 * 86400);
    assert_false(a->follow_moves);
    assert_string_equal(a->ca_file, "/etc/own.pem");
    assert_string_equal(a->proxy, "socks5h://127.0.0.1:9050");
    assert_string_equal(a->headers[0], "X-One: 1");
    assert_string_equal(a->headers[1], "X-Two: two words");
    assert_null(a->headers[2]);
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    refuses("interval = soon", "or auto");
    refuses("silent_after = perhaps", "or auto, or never");
    refuses("max_items = 0", "write a number from 1 to 1000000");
    refuses("max_depth = many", "write a number from 8 to 1000");
    refuses("max_text = 1", "out of range; write 1K to 16M");
    refuses("proxy = ftp://x", "write proxy = http://HOST:PORT");
    refuses("proxy = http://x", "write proxy = http://HOST:PORT");
    refuses("proxy = socks5h://:1", "write proxy = http://HOST:PORT");
    refuses("proxy = http://x/:1", "write proxy = http://HOST:PORT");
    refuses("proxy = http://x:1/path", "write proxy = http://HOST:PORT");
    refuses("proxy = http://me:secret@x", "without a user");
    assert_null(strstr(errors.s, "secret@"));
    refuses("header = no colon", "write header = Name: value");
    refuses("header = Bad Name: x", "write header = Name: value");
    refuses("header = authorization: Basic eDp5", "write basic_auth or bearer_token");
    assert_null(strstr(errors.s, "eDp5"));
    refuses("header = If-None-Match: x", "is not yours to set");
    refuses("header = Host: x", "it belongs to the URL");
    assert_true(parse("file = /tmp/feed.xml") < 0); /* beside a url */
}

static void reads_secrets(void **state)
{
    (void)state;
    write_secret("me:open sesame\n", 0600);
    assert_string_equal(loads("basic_auth = file:%s/secret")->headers[0],
                        "Authorization: Basic bWU6b3BlbiBzZXNhbWU=");
    write_secret("a:b", 0640); /* every length of base64's tail */
    assert_string_equal(loads("basic_auth = file:%s/secret")->headers[0],
                        "Authorization: Basic YTpi");
    write_secret("a:bc", 0600);
    assert_string_equal(loads("basic_auth = file:%s/secret")->headers[0],
                        "Authorization: Basic YTpiYw==");
    write_secret("tok.en-1\r\n", 0400);
    assert_string_equal(loads("bearer_token = file:%s/secret")->headers[0],
                        "Authorization: Bearer tok.en-1");
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
    assert_string_equal(loads("bearer_token = credential:secret")->headers[0],
                        "Authorization: Bearer tok.en-1");
}

static void refuses_secrets_that_are_none(void **state)
{
    (void)state;
    refuses("basic_auth = file:%s/none", "No such file");
    refuses("basic_auth = me:plain", "says where the secret is kept");
    assert_null(strstr(errors.s, "plain"));
    refuses("bearer_token = credential:x", "no CREDENTIALS_DIRECTORY");
    refuses("bearer_token = file:%s", "is not a file");
    write_secret("me:hidden\n", 0604);
    refuses("basic_auth = file:%s/secret", "chmod o=");
    assert_null(strstr(errors.s, "hidden"));
    write_secret("nocolon\n", 0600);
    refuses("basic_auth = file:%s/secret", "must hold user:password");
    assert_null(strstr(errors.s, "nocolon"));
    write_secret("two\nlines\n", 0600);
    refuses("bearer_token = file:%s/secret", "does not hold one line");
    write_secret("", 0600);
    refuses("bearer_token = file:%s/secret", "does not hold one line");
}

static void groups_share_and_feeds_override(void **state)
{
    (void)state;
    static const char text[] =
        "[group:g]\nmax_items = 7\nproxy = http://p.example:1\n"
        "[feed:a]\nurl = https://a.example/1\ngroup = g\n"
        "[feed:b]\nurl = https://a.example/2\ngroup = g\nproxy = none\n"
        "[feed:d]\nurl = https://a.example/3\ninterval = 1h\n"
        "[feed:e]\nfile = /var/spool/feed.xml\n" WATCH;

    assert_int_equal(config_parse(&c, "main.ini", str_of(text), &errors), 0);
    assert_int_equal(c->feeds[0].access->max_items, 7);
    assert_string_equal(c->feeds[0].access->proxy, "http://p.example:1");
    assert_int_equal(c->feeds[1].access->max_items, 7);
    assert_null(c->feeds[1].access->proxy);
    assert_int_equal(c->feeds[2].access->max_items, 10000);
    assert_ptr_equal(c->feeds[2].access, c->feeds[3].access); /* one for all */
    assert_string_equal(c->feeds[3].file, "/var/spool/feed.xml");
    assert_string_equal(c->feeds[3].url, "file:///var/spool/feed.xml");
    assert_false(config_access_same(c->feeds[0].access, c->feeds[1].access));
}

static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    T(has_defaults),
    T(reads_each_key),
    T(refuses_what_cannot_be),
    T(reads_secrets),
    T(refuses_secrets_that_are_none),
    T(groups_share_and_feeds_override),
};
TEST_MAIN(tests)
