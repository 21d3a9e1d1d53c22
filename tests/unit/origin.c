/* A small HTTP origin in the test process. */
#include "origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_HEAD 65536

struct origin_conn {
    struct origin *origin;
    struct origin_conn *next;
    pthread_t thread;
    SSL *ssl; /* NULL: plain */
    int fd;
};

struct origin {
    origin_answer answer;
    void *ctx;
    int fd, stop[2]; /* stop[0] is readable when all shall end */
    int port;
    SSL_CTX *tls;
    pthread_t thread;
    pthread_mutex_t lock;
    struct origin_conn *conns; /* joined at the end */
    unsigned connections, requests, resumed;
    char **heads;
};

bool origin_send(struct origin_conn *c, const void *bytes, size_t n)
{
    const char *s = bytes;

    if (c->ssl) /* blocks until the peer is gone; enough for what is sent over TLS */
        return n == 0 || SSL_write(c->ssl, bytes, (int)n) == (int)n;
    while (n > 0) {
        struct pollfd p[2] = { { .fd = c->fd, .events = POLLOUT },
                               { .fd = c->origin->stop[0], .events = POLLIN } };
        if (poll(p, 2, -1) < 0 || p[1].revents)
            return false;
        ssize_t k = send(c->fd, s, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (k <= 0)
            return false;
        s += k;
        n -= (size_t)k;
    }
    return true;
}

bool origin_puts(struct origin_conn *c, const char *s)
{
    return origin_send(c, s, strlen(s));
}

bool origin_printf(struct origin_conn *c, const char *fmt, ...)
{
    char *s;
    va_list ap;

    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        return false;
    bool ok = origin_send(c, s, (size_t)n);
    free(s);
    return ok;
}

bool origin_wait(struct origin_conn *c, int ms)
{
    struct pollfd p[2] = { { .fd = c->fd, .events = POLLRDHUP },
                           { .fd = c->origin->stop[0], .events = POLLIN } };

    return poll(p, 2, ms) == 0;
}

void origin_reset(struct origin_conn *c)
{
    struct linger l = { .l_onoff = 1 };

    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

static void note(struct origin *o, const char *head)
{
    pthread_mutex_lock(&o->lock);
    char **heads = realloc(o->heads, (o->requests + 1) * sizeof *heads);
    if (heads) {
        o->heads = heads;
        heads[o->requests++] = strdup(head);
    }
    pthread_mutex_unlock(&o->lock);
}

static bool read_byte(struct origin_conn *c, char *byte)
{
    if (!c->ssl)
        return recv(c->fd, byte, 1, 0) == 1;
    return SSL_read(c->ssl, byte, 1) == 1;
}

/* One request head into `head`; false at the end of the connection. */
static bool read_head(struct origin_conn *c, char *head)
{
    size_t n = 0;

    while (n < MAX_HEAD - 1) {
        struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN },
                               { .fd = c->origin->stop[0], .events = POLLIN } };
        if (!(c->ssl && SSL_pending(c->ssl) > 0) && (poll(p, 2, -1) < 0 || p[1].revents))
            return false;
        if (!read_byte(c, head + n))
            return false;
        head[++n] = '\0';
        if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static bool shake_hands(struct origin_conn *c)
{
    struct timeval limit = { .tv_sec = 5 }; /* a peer that stops half-way */

    if (!c->origin->tls)
        return true;
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    c->ssl = SSL_new(c->origin->tls);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_accept(c->ssl) != 1)
        return false;
    pthread_mutex_lock(&c->origin->lock);
    c->origin->resumed += (unsigned)SSL_session_reused(c->ssl);
    pthread_mutex_unlock(&c->origin->lock);
    return true;
}

static void *serve(void *arg)
{
    struct origin_conn *c = arg;
    char *head = shake_hands(c) ? malloc(MAX_HEAD) : NULL;

    while (head && read_head(c, head)) {
        char path[1024] = "";
        (void)sscanf(head, "%*s %1023s", path);
        note(c->origin, head);
        if (!c->origin->answer(c, path, head, c->origin->ctx))
            break;
    }
    free(head);
    if (c->ssl && SSL_is_init_finished(c->ssl))
        (void)SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    close(c->fd);
    return NULL;
}

static void *listen_loop(void *arg)
{
    struct origin *o = arg;

    for (;;) {
        struct pollfd p[2] = { { .fd = o->fd, .events = POLLIN },
                               { .fd = o->stop[0], .events = POLLIN } };
        if (poll(p, 2, -1) < 0 || p[1].revents)
            return NULL;
        int one = 1, fd = accept4(o->fd, NULL, NULL, SOCK_CLOEXEC);
        struct origin_conn *c = fd < 0 ? NULL : calloc(1, sizeof *c);
        if (!c)
            continue;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->origin = o;
        c->fd = fd;
        pthread_mutex_lock(&o->lock);
        o->connections++;
        c->next = o->conns;
        o->conns = c;
        pthread_mutex_unlock(&o->lock);
        if (pthread_create(&c->thread, NULL, serve, c) != 0)
            abort();
    }
}

static struct origin *make(const char *address, origin_answer answer, void *ctx,
                           void *tls)
{
    struct origin *o = calloc(1, sizeof *o);
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t len = sizeof in;

    if (!o)
        abort();
    o->answer = answer;
    o->ctx = ctx;
    o->tls = tls;
    inet_pton(AF_INET, address ? address : "127.0.0.1", &in.sin_addr);
    o->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_mutex_init(&o->lock, NULL);
    if (o->fd < 0 || pipe(o->stop) < 0 || bind(o->fd, (struct sockaddr *)&in, len) < 0 ||
        listen(o->fd, 1024) < 0 || getsockname(o->fd, (struct sockaddr *)&in, &len) < 0 ||
        pthread_create(&o->thread, NULL, listen_loop, o) != 0)
        abort();
    o->port = ntohs(in.sin_port);
    return o;
}

struct origin *origin_new(const char *address, origin_answer answer, void *ctx)
{
    return make(address, answer, ctx, NULL);
}

struct origin *origin_new_tls(origin_answer answer, void *ctx, void *tls)
{
    return make(NULL, answer, ctx, tls);
}

void origin_free(struct origin *o)
{
    if (!o)
        return;
    (void)!write(o->stop[1], "x", 1);
    pthread_join(o->thread, NULL);
    while (o->conns) {
        struct origin_conn *c = o->conns;
        o->conns = c->next;
        pthread_join(c->thread, NULL);
        free(c);
    }
    origin_forget(o);
    free(o->heads);
    close(o->fd);
    close(o->stop[0]);
    close(o->stop[1]);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

int origin_port(const struct origin *o)
{
    return o->port;
}

unsigned origin_connections(struct origin *o)
{
    pthread_mutex_lock(&o->lock);
    unsigned n = o->connections;
    pthread_mutex_unlock(&o->lock);
    return n;
}

unsigned origin_requests(struct origin *o)
{
    pthread_mutex_lock(&o->lock);
    unsigned n = o->requests;
    pthread_mutex_unlock(&o->lock);
    return n;
}

char *origin_request(struct origin *o, unsigned i)
{
    pthread_mutex_lock(&o->lock);
    char *s = i < o->requests ? strdup(o->heads[i]) : NULL;
    pthread_mutex_unlock(&o->lock);
    return s;
}

void origin_forget(struct origin *o)
{
    pthread_mutex_lock(&o->lock);
    while (o->requests > 0)
        free(o->heads[--o->requests]);
    pthread_mutex_unlock(&o->lock);
}

unsigned origin_resumed(struct origin *o)
{
    pthread_mutex_lock(&o->lock);
    unsigned n = o->resumed;
    pthread_mutex_unlock(&o->lock);
    return n;
}
