/* fetch over TLS: whose certificates count, that nothing falls back to plain HTTP, that
 * sessions are taken up again. */
#include "test.h"
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fetch_rig.h"

/* ---- certificates ---- */

struct signer {
    EVP_PKEY *key;
    X509 *cert;
};

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(e);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* A certificate for `name`, good until `days` from now, by `ca` (NULL: by itself). */
static struct signer make_cert(const char *name, const char *alt, int days,
                               const struct signer *ca)
{
    static long serial = 1;
    struct signer s = { EVP_EC_gen("P-256"), X509_new() };
    X509_NAME *subject = X509_get_subject_name(s.cert);

    assert_non_null(s.key);
    X509_set_version(s.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(s.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(s.cert), -10L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(s.cert), (long)days * 86400);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                               -1, -1, 0);
    X509_set_issuer_name(s.cert, ca ? X509_get_subject_name(ca->cert) : subject);
    X509_set_pubkey(s.cert, s.key);
    if (alt)
        add_extension(s.cert, NID_subject_alt_name, alt);
    else
        add_extension(s.cert, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(s.cert, ca ? ca->key : s.key, EVP_sha256()) > 0);
    return s;
}

static void signer_free(struct signer *s)
{
    EVP_PKEY_free(s->key);
    X509_free(s->cert);
}

struct trust {
    struct signer ca;
    char file[32];
};

static void trust_up(struct trust *t)
{
    snprintf(t->file, sizeof t->file, "/tmp/fw-test-ca-XXXXXX");
    t->ca = make_cert("Test CA", NULL, 30, NULL);
    int fd = mkstemp(t->file);
    assert_return_code(fd, 0);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, t->ca.cert), 1);
    fclose(f);
}

static void trust_down(struct trust *t)
{
    unlink(t->file);
    signer_free(&t->ca);
}

static SSL_CTX *server_ctx(const struct signer *s)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    assert_non_null(ctx);
    assert_int_equal(SSL_CTX_use_certificate(ctx, s->cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, s->key), 1);
    assert_int_equal(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1),
                     1);
    return ctx;
}

/* ---- tests ---- */

static bool answer_ok(struct origin_conn *c, const char *path, const char *head,
                      void *ctx)
{
    (void)head, (void)ctx;
    bool close = strcmp(path, "/close") == 0;
    return origin_printf(c, OK_HEAD "%s" FEED, close ? "Connection: close\r\n" : "") &&
           !close;
}

static void get_tls(struct rig *rig, const char *host, const char *path, struct got *g)
{
    char url[128];
    struct fetch_request req = { .url = url, .allow_private = true };

    *g = (struct got){ 0 };
    snprintf(url, sizeof url, "https://%s:%d%s", host, origin_port(rig->origin), path);
    get_req(rig, &req, g);
    free(g->body);
    g->body = NULL;
}

static void believes_only_good_certificates(void **state)
{
    (void)state;
    struct trust trust;
    struct names *names = names_new(test_names);

    trust_up(&trust);
    const struct {
        const char *host;
        struct signer cert;
        enum fetch_outcome outcome;
    } rows[] = {
        { "feed.test", make_cert("x", "DNS:feed.test", 30, &trust.ca), FETCH_NEW_BODY },
        { "127.0.0.1", make_cert("x", "IP:127.0.0.1", 30, &trust.ca), FETCH_NEW_BODY },
        { "other.test", make_cert("x", "DNS:feed.test", 30, &trust.ca), FETCH_BAD },
        { "feed.test", make_cert("x", "DNS:feed.test", -1, &trust.ca), FETCH_BAD },
        { "feed.test", make_cert("x", "DNS:feed.test", 30, NULL), FETCH_BAD },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fetch_options opt = { .ca_file = trust.file,
                                     .dns_servers = names_server(names) };
        SSL_CTX *tls = server_ctx(&rows[i].cert);
        struct rig rig;
        struct got g;

        rig_up(&rig, NULL, NULL, &opt);
        rig.origin = origin_new_tls(answer_ok, NULL, tls);
        get_tls(&rig, rows[i].host, "/", &g);
        if (g.outcome != rows[i].outcome)
            fail_msg("row %zu: %s (%s)", i, fetch_outcome_name(g.outcome), g.why);
        assert_int_equal(origin_requests(rig.origin), rows[i].outcome == FETCH_NEW_BODY);
        rig_down(&rig);
        SSL_CTX_free(tls);
        struct signer cert = rows[i].cert;
        signer_free(&cert);
    }
    trust_down(&trust);
    names_free(names);
}

/* The system's roots do not know our CA; a request may bring its own. */
static void lets_a_request_name_its_roots(void **state)
{
    (void)state;
    struct trust trust;
    struct rig rig;
    struct got g;

    trust_up(&trust);
    struct signer cert = make_cert("x", "IP:127.0.0.1", 30, &trust.ca);
    SSL_CTX *tls = server_ctx(&cert);
    rig_up(&rig, NULL, NULL, NULL);
    rig.origin = origin_new_tls(answer_ok, NULL, tls);
    get_tls(&rig, "127.0.0.1", "/", &g);
    assert_int_equal(g.outcome, FETCH_BAD);
    assert_has(g.why, "certificate");

    char url[64];
    struct fetch_request req = { .url = url,
                                 .ca_file = trust.file,
                                 .allow_private = true };
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", origin_port(rig.origin));
    memset(&g, 0, sizeof g);
    get_req(&rig, &req, &g);
    assert_int_equal(g.outcome, FETCH_NEW_BODY);
    free(g.body);
    get_tls(&rig, "127.0.0.1", "/", &g); /* the connection is there, the trust is not */
    assert_int_equal(g.outcome, FETCH_BAD);
    assert_int_equal(origin_requests(rig.origin), 1);
    rig_down(&rig);
    SSL_CTX_free(tls);
    signer_free(&cert);
    trust_down(&trust);
}

static void takes_sessions_up_again(void **state)
{
    (void)state;
    struct trust trust;
    struct rig rig;
    struct got g;

    trust_up(&trust);
    struct signer cert = make_cert("x", "IP:127.0.0.1", 30, &trust.ca);
    SSL_CTX *tls = server_ctx(&cert);
    struct fetch_options opt = { .ca_file = trust.file };
    rig_up(&rig, NULL, NULL, &opt);
    rig.origin = origin_new_tls(answer_ok, NULL, tls);
    for (int i = 0; i < 3; i++) {
        get_tls(&rig, "127.0.0.1", "/close", &g);
        assert_int_equal(g.outcome, FETCH_NEW_BODY);
    }
    assert_int_equal(origin_connections(rig.origin), 3);
    assert_int_equal(origin_resumed(rig.origin), 2);
    rig_down(&rig);
    SSL_CTX_free(tls);
    signer_free(&cert);
    trust_down(&trust);
}

/* More hosts than libcurl remembers sessions by itself. */
static void takes_sessions_of_many_hosts_up_again(void **state)
{
    (void)state;
    enum { HOSTS = 20 };
    struct trust trust;
    struct rig rig;
    struct got g;
    struct names *names = names_new(test_names);

    trust_up(&trust);
    struct signer cert = make_cert("x", "DNS:*.many.test", 30, &trust.ca);
    SSL_CTX *tls = server_ctx(&cert);
    struct fetch_options opt = { .ca_file = trust.file,
                                 .dns_servers = names_server(names) };
    rig_up(&rig, NULL, NULL, &opt);
    rig.origin = origin_new_tls(answer_ok, NULL, tls);
    for (int i = 0; i < 2 * HOSTS; i++) {
        char host[32];
        snprintf(host, sizeof host, "h%d.many.test", i % HOSTS);
        get_tls(&rig, host, "/close", &g);
        assert_int_equal(g.outcome, FETCH_NEW_BODY);
    }
    assert_int_equal(origin_connections(rig.origin), 2 * HOSTS);
    assert_int_equal(origin_resumed(rig.origin), HOSTS);
    rig_down(&rig);
    names_free(names);
    SSL_CTX_free(tls);
    signer_free(&cert);
    trust_down(&trust);
}

static bool answer_plain(struct origin_conn *c, const char *path, const char *head,
                         void *ctx)
{
    (void)path, (void)head, (void)ctx;
    return origin_puts(c, OK_HEAD FEED);
}

/* A server that speaks plain HTTP on an https URL gets no request in the clear. */
static void does_not_fall_back_to_plain_http(void **state)
{
    (void)state;
    struct rig rig;
    struct got g;
    struct fetch_options opt = { .low_speed_s = 1 };

    rig_up(&rig, answer_plain, NULL, &opt);
    get_tls(&rig, "127.0.0.1", "/", &g);
    assert_true(g.outcome == FETCH_BAD || g.outcome == FETCH_RETRY_LATER);
    assert_int_equal(g.status, 0);
    assert_int_equal(origin_requests(rig.origin), 0);
    rig_down(&rig);
}

static int no_sigpipe(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
    return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(believes_only_good_certificates, no_sigpipe),
    cmocka_unit_test(lets_a_request_name_its_roots),
    cmocka_unit_test(takes_sessions_up_again),
    cmocka_unit_test(takes_sessions_of_many_hosts_up_again),
    cmocka_unit_test(does_not_fall_back_to_plain_http),
};
TEST_MAIN(tests)
