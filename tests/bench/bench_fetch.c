/* What does one GET cost us beside bare libcurl?  Both get the same documents from the
 * same origin (a process of its own on loopback) in the same run, in turns:
 *     build/bench/bench_fetch [FEEDS [ROUNDS]]
 * CPU is that of this process, user and system, in microseconds a feed; medians of
 * rounds. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "fetch.h"

#define AT_ONCE 64
#define BODY_BYTES 48000
#define MAX_ROUNDS 99

/* ---- the origin: one thread, keep-alive, answers made beforehand ---- */

static char full[BODY_BYTES + 512];
static size_t full_n;
static const char unchanged[] = "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n"
                                "Date: Tue, 24 Nov 2026 03:58:25 GMT\r\n\r\n";

static void make_answers(void)
{
    full_n = (size_t)snprintf(full, sizeof full,
                              "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n"
                              "ETag: \"v1\"\r\nLast-Modified: Tue, 24 Nov 2026 03:00:00 "
                              "GMT\r\nCache-Control: max-age=300\r\nDate: Tue, 24 Nov "
                              "2026 03:58:25 GMT\r\nContent-Length: %d\r\n\r\n",
                              BODY_BYTES);
    memset(full + full_n, 'x', BODY_BYTES);
    full_n += BODY_BYTES;
}

static void write_all(int fd, const char *s, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, s, n);
        if (k <= 0)
            return;
        s += k;
        n -= (size_t)k;
    }
}

static void serve(int listener)
{
    int ep = epoll_create1(0), one = 1;
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = listener }, got[64];

    (void)epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
    for (;;) {
        int n = epoll_wait(ep, got, 64, -1);
        for (int i = 0; i < n; i++) {
            char head[4096];
            int fd = got[i].data.fd;
            if (fd == listener) {
                ev.data.fd = accept(listener, NULL, NULL);
                (void)setsockopt(ev.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                (void)epoll_ctl(ep, EPOLL_CTL_ADD, ev.data.fd, &ev);
                continue;
            }
            ssize_t k = read(fd, head, sizeof head - 1); /* a request is one segment */
            if (k <= 0) {
                close(fd);
                continue;
            }
            head[k] = '\0';
            if (strstr(head, "If-None-Match"))
                write_all(fd, unchanged, sizeof unchanged - 1);
            else
                write_all(fd, full, full_n);
        }
    }
}

static int origin_start(pid_t *child)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&in, len) < 0 || listen(fd, 512) < 0 ||
        getsockname(fd, (struct sockaddr *)&in, &len) < 0 || (*child = fork()) < 0) {
        perror("origin");
        exit(1);
    }
    if (*child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        make_answers();
        serve(fd);
    }
    close(fd);
    return ntohs(in.sin_port);
}

/* ---- measuring ---- */

static double cpu_us(void)
{
    struct rusage r;

    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static double wall_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* ---- bare libcurl: the multi socket interface, handles and connections reused ---- */

struct bare {
    CURLM *multi;
    CURL *easy[AT_ONCE];
    int ep, port;
    long timeout_ms;
    unsigned next, done, feeds;
    struct curl_slist *lines;
    size_t bytes;
};

static size_t bare_body(char *s, size_t size, size_t n, void *ctx)
{
    (void)s;
    ((struct bare *)ctx)->bytes += n;
    return size * n;
}

static int bare_socket(CURL *e, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct bare *b = ctx;
    struct epoll_event ev = { .data.fd = fd };

    (void)e;
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(b->ep, EPOLL_CTL_DEL, fd, NULL), 0;
    ev.events =
        (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    (void)epoll_ctl(b->ep, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev);
    (void)curl_multi_assign(b->multi, fd, b);
    return 0;
}

static int bare_timer(CURLM *m, long ms, void *ctx)
{
    (void)m;
    ((struct bare *)ctx)->timeout_ms = ms;
    return 0;
}

static void bare_add(struct bare *b, CURL *e)
{
    char url[64];

    if (b->next == b->feeds)
        return;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%u", b->port, b->next++);
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, b->lines);
    curl_multi_add_handle(b->multi, e);
}

static void bare_new(struct bare *b, int port)
{
    *b = (struct bare){ .port = port, .ep = epoll_create1(0) };
    b->multi = curl_multi_init();
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETFUNCTION, bare_socket);
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERFUNCTION, bare_timer);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_MAXCONNECTS, (long)AT_ONCE);
    for (int i = 0; i < AT_ONCE; i++) {
        b->easy[i] = curl_easy_init();
        curl_easy_setopt(b->easy[i], CURLOPT_WRITEFUNCTION, bare_body);
        curl_easy_setopt(b->easy[i], CURLOPT_WRITEDATA, b);
        curl_easy_setopt(b->easy[i], CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(b->easy[i], CURLOPT_ACCEPT_ENCODING, "");
    }
}

static void bare_cycle(struct bare *b, unsigned feeds, bool conditional)
{
    int running;

    b->feeds = feeds;
    b->next = b->done = 0;
    b->lines = conditional ? curl_slist_append(NULL, "If-None-Match: \"v1\"") : NULL;
    for (int i = 0; i < AT_ONCE; i++)
        bare_add(b, b->easy[i]);
    while (b->done < feeds) {
        struct epoll_event ev[64];
        CURLMsg *msg;
        int left,
            n = epoll_wait(b->ep, ev, 64, b->timeout_ms < 0 ? 1000 : (int)b->timeout_ms);

        for (int i = 0; i < n; i++)
            curl_multi_socket_action(
                b->multi, ev[i].data.fd,
                (ev[i].events & ~(uint32_t)EPOLLOUT ? CURL_CSELECT_IN : 0) |
                    (ev[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
                &running);
        if (n == 0 || b->timeout_ms == 0)
            curl_multi_socket_action(b->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        while ((msg = curl_multi_info_read(b->multi, &left)) != NULL) {
            CURL *e = msg->easy_handle;
            if (msg->data.result != CURLE_OK)
                fprintf(stderr, "bare: %s\n", curl_easy_strerror(msg->data.result));
            b->done++;
            curl_multi_remove_handle(b->multi, e);
            bare_add(b, e);
        }
    }
    curl_slist_free_all(b->lines);
}

/* ---- ours ---- */

struct ours {
    sd_event *event;
    struct fetch_pool *pool;
    int port;
    unsigned done;
    size_t bytes;
    enum fetch_outcome want;
};

static int ours_start(void *ctx, struct str type, struct str url)
{
    (void)ctx, (void)type, (void)url;
    return 0;
}

static int ours_body(void *ctx, const char *s, size_t n)
{
    (void)s;
    ((struct ours *)ctx)->bytes += n;
    return 0;
}

static void ours_done(void *ctx, const struct fetch_result *r)
{
    struct ours *o = ctx;

    if (r->outcome != o->want)
        fprintf(stderr, "ours: %s %s\n", fetch_outcome_name(r->outcome), r->why);
    o->done++;
}

static void ours_cycle(struct ours *o, unsigned feeds, bool conditional)
{
    static const struct fetch_events ev = { ours_start, ours_body, ours_done };
    char url[64];
    struct fetch_request req = { .url = url,
                                 .etag = conditional ? "\"v1\"" : NULL,
                                 .last_modified =
                                     conditional ? "Tue, 24 Nov 2026 03:00:00 GMT" : NULL,
                                 .allow_private = true };

    o->done = 0;
    o->want = conditional ? FETCH_UNCHANGED : FETCH_NEW_BODY;
    for (unsigned i = 0; i < feeds; i++) {
        snprintf(url, sizeof url, "http://127.0.0.1:%d/%u", o->port, i);
        if (fetch_start(o->pool, &req, &ev, o) < 0)
            exit(1);
    }
    while (o->done < feeds)
        if (sd_event_run(o->event, UINT64_MAX) < 0)
            exit(1);
}

int main(int argc, char **argv)
{
    unsigned feeds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 9;
    struct bare bare;
    struct ours ours = { 0 };
    struct fetch_options opt = { .max_transfers = AT_ONCE };
    pid_t child;
    int port = origin_start(&child);

    if (feeds == 0 || rounds < 1 || rounds > MAX_ROUNDS)
        return 2;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    bare_new(&bare, port);
    ours.port = port;
    size_t before = mallinfo2().uordblks;
    if (sd_event_new(&ours.event) < 0 || fetch_pool_new(&ours.pool, ours.event, &opt) < 0)
        return 1;
    printf("%u feeds, %d at once, body %d bytes, medians of %d rounds\n", feeds, AT_ONCE,
           BODY_BYTES, rounds);
    for (int conditional = 0; conditional < 2; conditional++) {
        double us[2][MAX_ROUNDS], s[2][MAX_ROUNDS];
        for (int i = -1; i < rounds; i++) { /* the first round opens the connections */
            double cpu = cpu_us(), wall = wall_s();
            bare_cycle(&bare, feeds, conditional);
            double cpu2 = cpu_us(), wall2 = wall_s();
            ours_cycle(&ours, feeds, conditional);
            if (i >= 0) {
                us[0][i] = (cpu2 - cpu) / feeds;
                us[1][i] = (cpu_us() - cpu2) / feeds;
                s[0][i] = wall2 - wall;
                s[1][i] = wall_s() - wall2;
            }
        }
        double a = median(us[0], rounds), b = median(us[1], rounds);
        printf("%s  bare libcurl %6.1f us %7.0f feeds/s   fetch %6.1f us %7.0f feeds/s   "
               "ratio %.2f\n",
               conditional ? "304" : "200", a, feeds / median(s[0], rounds), b,
               feeds / median(s[1], rounds), b / a);
    }
    printf("pool with %d handles and connections: %zu bytes, %zu each\n", AT_ONCE,
           mallinfo2().uordblks - before, (mallinfo2().uordblks - before) / AT_ONCE);
    fetch_pool_free(ours.pool);
    sd_event_unref(ours.event);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}
