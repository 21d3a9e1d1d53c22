/* The publisher of the polling benchmarks: one thread, answers made beforehand. */
#include "bench_origin.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../unit/names.h"

enum { DIGITS = 8, FDS_MAX = 20000, HEAD_MAX = 512 };

static struct origin_control *control;
static SSL_CTX *tls;
static SSL *session[FDS_MAX]; /* by socket; NULL: plain */
static int plain_listener, tls_listener;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- the document: items made once, numbers put in for each feed and item ---- */

static const char head_text[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<rss version=\"2.0\"><channel><title>Bench</title>"
    "<link>http://bench.example/</link><description>A feed to "
    "measure with</description>\n";
static const char tail_text[] = "</channel></rss>";

enum {
    HEAD_BYTES = sizeof head_text - 1,
    TAIL_BYTES = sizeof tail_text - 1,
    ITEM_BYTES = (ORIGIN_BYTES - HEAD_BYTES - TAIL_BYTES) / ORIGIN_ITEMS,
    KINDS = 64, /* of items */
};

static char item[KINDS][ITEM_BYTES + 64];
static char body[ORIGIN_BYTES + 1];
static size_t place[3]; /* of the numbers, in every item */

static size_t put_place(size_t at, char *to, size_t *where)
{
    *where = at;
    memset(to + at, '0', 2 * DIGITS);
    return at + 2 * DIGITS;
}

static size_t put(size_t at, char *to, const char *text)
{
    size_t n = strlen(text);

    memcpy(to + at, text, n);
    return at + n;
}

static size_t put_words(size_t at, char *to, size_t end)
{
    static const char *const words[] = {
        "the",    "minister",  "of",       "energy",
        "said",   "on",        "Tuesday",  "that",
        "talks",  "between",   "Brussels", "and",
        "Ankara", "would",     "continue", "in",
        "spring", "while",     "experts",  "expect",
        "prices", "to",        "rise",     "again",
        "after",  "a",         "report",   "about",
        "gas",    "storage",   "quality",  "was",
        "leaked", "&amp;amp;", "markets",  "&lt;b&gt;fell&lt;/b&gt;",
    };
    static uint32_t seed = 1;

    while (at + 28 < end) {
        seed = seed * 1664525 + 1013904223;
        at = put(at, to, words[(seed >> 16) % (sizeof words / sizeof *words)]);
        at = put(at, to, (seed >> 8) % 16 ? " " : ", ");
    }
    while (at < end)
        to[at++] = '.';
    return at;
}

static void make_item(char *to)
{
    static const char end[] = "</description></item>\n";
    size_t at = put(0, to, "<item><title>Story ");

    at = put_place(at, to, &place[0]);
    at = put(at, to, " ");
    at = put_words(at, to, at + 60);
    at = put(at, to, "</title><link>http://bench.example/story/");
    at = put_place(at, to, &place[1]);
    at = put(at, to, "</link><guid isPermaLink=\"false\">urn:story:");
    at = put_place(at, to, &place[2]);
    at = put(at, to,
             "</guid><pubDate>Tue, 24 Nov 2026 03:58:25 GMT</pubDate><category>World"
             "</category><description>");
    at = put_words(at, to, ITEM_BYTES - (sizeof end - 1));
    (void)put(at, to, end);
}

static void make_items(void)
{
    for (int i = 0; i < KINDS; i++)
        make_item(item[i]);
}

static void put_number(char *at, unsigned n)
{
    for (size_t i = DIGITS; i-- > 0; n /= 10)
        at[i] = (char)('0' + n % 10);
}

/* Make it the document of `feed`: newest item first. */
static void set_document(unsigned feed, unsigned base)
{
    char *at = body + put(0, body, head_text);

    for (unsigned i = 0; i < ORIGIN_ITEMS; i++, at += ITEM_BYTES) {
        unsigned number = base + ORIGIN_ITEMS - 1 - i;
        memcpy(at, item[number % KINDS], ITEM_BYTES);
        for (int k = 0; k < 3; k++) {
            put_number(at + place[k], feed);
            put_number(at + place[k] + DIGITS, number);
        }
    }
    memset(at, '\n', ORIGIN_BYTES - (size_t)(at - body));
    (void)put(ORIGIN_BYTES - TAIL_BYTES, body, tail_text);
}

/* ---- answering ---- */

static int send_all(int fd, const char *s, size_t n)
{
    while (n > 0) {
        int k = session[fd] ? SSL_write(session[fd], s, (int)n)
                            : (int)send(fd, s, n, MSG_NOSIGNAL);
        if (k <= 0)
            return -1;
        s += k;
        n -= (size_t)k;
    }
    return 0;
}

static int answer(int fd, const char *request)
{
    unsigned base = atomic_load(&control->base), feed = 0;
    char head[HEAD_MAX], tag[32];
    const char *number = strpbrk(request, "0123456789");

    atomic_fetch_add(&control->requests, 1);
    if (number)
        feed = (unsigned)strtoul(number, NULL, 10);
    snprintf(tag, sizeof tag, "\"v%u\"", base);
    if (strstr(request, tag)) {
        int n = snprintf(head, sizeof head,
                         "HTTP/1.1 304 Not Modified\r\nETag: %s\r\n"
                         "Date: Tue, 24 Nov 2026 03:58:25 GMT\r\n\r\n",
                         tag);
        atomic_fetch_add(&control->not_modified, 1);
        return send_all(fd, head, (size_t)n);
    }
    int n =
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nETag: %s\r\n"
                 "Last-Modified: Tue, 24 Nov 2026 03:00:00 GMT\r\n"
                 "Date: Tue, 24 Nov 2026 03:58:25 GMT\r\nContent-Length: %d\r\n\r\n",
                 tag, ORIGIN_BYTES);
    set_document(feed, base);
    if (send_all(fd, head, (size_t)n) < 0)
        return -1;
    bool hold = atomic_load(&control->hold);
    return send_all(fd, body, hold ? ORIGIN_BYTES / 2 : ORIGIN_BYTES);
}

static void drop(int fd)
{
    SSL_free(session[fd]);
    session[fd] = NULL;
    close(fd);
}

static void serve_request(int fd)
{
    char request[4096];
    int n = session[fd] ? SSL_read(session[fd], request, sizeof request - 1)
                        : (int)recv(fd, request, sizeof request - 1, 0);

    if (n <= 0) {
        ERR_clear_error();
        drop(fd);
        return;
    }
    request[n] = '\0'; /* a request is one segment */
    if (answer(fd, request) < 0)
        drop(fd);
}

static void welcome(int ep, int listener)
{
    int one = 1, fd = accept(listener, NULL, NULL);
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

    if (fd < 0 || fd >= FDS_MAX) {
        close(fd);
        return;
    }
    atomic_fetch_add(&control->connections, 1);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (listener == tls_listener) {
        session[fd] = SSL_new(tls);
        SSL_set_fd(session[fd], fd);
        if (SSL_accept(session[fd]) != 1) { /* the client is well-behaved: it may block */
            ERR_clear_error();
            drop(fd);
            return;
        }
        atomic_fetch_add(SSL_session_reused(session[fd]) ? &control->resumed
                                                         : &control->handshakes,
                         1);
    }
    (void)epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static _Noreturn void serve(void)
{
    int ep = epoll_create1(0), listener[] = { plain_listener, tls_listener };
    struct epoll_event got[64];

    for (int i = 0; i < 2; i++) {
        struct epoll_event ev = { .events = EPOLLIN, .data.fd = listener[i] };
        (void)epoll_ctl(ep, EPOLL_CTL_ADD, listener[i], &ev);
    }
    for (;;) {
        int n = epoll_wait(ep, got, 64, -1);
        for (int i = 0; i < n; i++) {
            int fd = got[i].data.fd;
            if (fd == plain_listener || fd == tls_listener)
                welcome(ep, fd);
            else
                serve_request(fd);
        }
    }
}

/* ---- certificates ---- */

static X509 *certificate(EVP_PKEY *key, const char *name, X509 *by, EVP_PKEY *by_key)
{
    X509 *c = X509_new();
    X509V3_CTX ctx;

    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), by ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(c), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c), 86400);
    X509_set_pubkey(c, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(c, X509_get_subject_name(by ? by : c));
    X509V3_set_ctx(&ctx, by ? by : c, c, NULL, NULL, 0);
    X509_EXTENSION *e =
        by ? X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, "DNS:*.bench.example")
           : X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(c, e, -1);
    X509_EXTENSION_free(e);
    if (!X509_sign(c, by ? by_key : key, EVP_sha256()))
        die("X509_sign");
    return c;
}

/* The system's roots and ours in one file, as it is in the field. */
static void write_roots(const char *path, X509 *ca)
{
    FILE *out = fopen(path, "w"), *in = fopen("/etc/ssl/certs/ca-certificates.crt", "r");
    char bytes[8192];
    size_t n;

    if (!out)
        die(path);
    while (in && (n = fread(bytes, 1, sizeof bytes, in)) > 0)
        fwrite(bytes, 1, n, out);
    if (in)
        fclose(in);
    PEM_write_X509(out, ca);
    fclose(out);
}

static void set_up_tls(const char *ca_file)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = certificate(ca_key, "Bench", NULL, NULL);
    X509 *cert = certificate(key, "bench.example", ca, ca_key);

    tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_session_id_context(tls, (const unsigned char *)"bench", 5);
    if (!tls || SSL_CTX_use_certificate(tls, cert) != 1 ||
        SSL_CTX_use_PrivateKey(tls, key) != 1)
        die("TLS");
    write_roots(ca_file, ca);
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

/* ---- the process ---- */

static int listen_on(int *port)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&in, len) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&in, &len) < 0)
        die("origin");
    *port = ntohs(in.sin_port);
    return fd;
}

static const char *everyone(const char *name, unsigned nth)
{
    (void)name;
    (void)nth;
    return "127.0.0.1";
}

void origin_start(struct origin *o, const char *ca_file)
{
    int ready[2];
    char c;

    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (control == MAP_FAILED || pipe(ready) < 0)
        die("origin");
    *o = (struct origin){ .control = control };
    plain_listener = listen_on(&o->port);
    tls_listener = listen_on(&o->tls_port);
    o->process = fork();
    if (o->process < 0)
        die("fork");
    if (o->process == 0) {
        struct rlimit most = { FDS_MAX, FDS_MAX };
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGPIPE, SIG_IGN); /* SSL_write() cannot be told not to */
        (void)setrlimit(RLIMIT_NOFILE, &most);
        make_items();
        set_up_tls(ca_file);
        snprintf(control->names, sizeof control->names, "%s",
                 names_server(names_new(everyone)));
        if (write(ready[1], "x", 1) != 1)
            die("origin");
        serve();
    }
    close(plain_listener);
    close(tls_listener);
    if (read(ready[0], &c, 1) != 1)
        exit(1);
    close(ready[0]);
    close(ready[1]);
}

void origin_stop(struct origin *o)
{
    kill(o->process, SIGKILL);
    waitpid(o->process, NULL, 0);
}
