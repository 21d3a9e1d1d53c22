/* libcurl's multi socket interface and Expat, with nothing around them. */
#include "bench_bare.h"

#include <curl/curl.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 20 };

struct slot {
    struct bare *bare;
    CURL *easy;
    XML_Parser xml;
    struct curl_slist *resolve;
};

struct bare {
    struct bare_options opt;
    CURLM *multi;
    struct slot slot[BARE_AT_ONCE];
    int ep;
    long timeout_ms;
    unsigned next, done, feeds;
    struct curl_slist *lines;
    size_t bytes;
    char *text; /* of the element at hand */
    size_t text_n;
};

/* ---- Expat: the text of each element is collected, then dropped ---- */

static void XMLCALL on_start(void *ctx, const char *name, const char **attrs)
{
    struct bare *b = ctx;

    (void)name;
    (void)attrs;
    b->text_n = 0;
}

static void XMLCALL on_end(void *ctx, const char *name)
{
    struct bare *b = ctx;

    (void)name;
    b->bytes += b->text_n;
    b->text_n = 0;
}

static void XMLCALL on_text(void *ctx, const char *s, int n)
{
    struct bare *b = ctx;

    if (b->text_n + (size_t)n <= TEXT_MAX) {
        memcpy(b->text + b->text_n, s, (size_t)n);
        b->text_n += (size_t)n;
    }
}

static void reset_parser(struct slot *slot)
{
    if (!slot->xml)
        return;
    XML_ParserReset(slot->xml, NULL);
    XML_SetUserData(slot->xml, slot->bare);
    XML_SetElementHandler(slot->xml, on_start, on_end);
    XML_SetCharacterDataHandler(slot->xml, on_text);
}

/* ---- libcurl ---- */

static size_t on_body(char *s, size_t size, size_t n, void *ctx)
{
    struct slot *slot = ctx;

    if (slot->xml && XML_Parse(slot->xml, s, (int)(size * n), 0) != XML_STATUS_OK)
        fprintf(stderr, "bare: not well-formed\n");
    if (!slot->xml)
        slot->bare->bytes += size * n;
    return size * n;
}

static int on_socket(CURL *e, curl_socket_t fd, int what, void *ctx, void *known)
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

static int on_timer(CURLM *m, long ms, void *ctx)
{
    (void)m;
    ((struct bare *)ctx)->timeout_ms = ms;
    return 0;
}

void bare_url(char *out, size_t size, const char *pattern, unsigned n)
{
    size_t at = 0;

    for (const char *p = pattern; *p && at + 16 < size; p++)
        if (*p == '#')
            at += (size_t)snprintf(out + at, size - at, "%u", n);
        else
            out[at++] = *p;
    out[at] = '\0';
}

/* Where the host of this feed is, so that no name is looked up. */
static void name_address(struct slot *slot, unsigned feed)
{
    char line[128];

    if (!slot->bare->opt.ca_file)
        return;
    curl_slist_free_all(slot->resolve);
    snprintf(line, sizeof line, "+f%u.bench.example:%d:127.0.0.1", feed,
             slot->bare->opt.port);
    slot->resolve = curl_slist_append(NULL, line);
    curl_easy_setopt(slot->easy, CURLOPT_RESOLVE, slot->resolve);
}

static void start(struct slot *slot)
{
    struct bare *b = slot->bare;
    char url[128];

    if (b->next == b->feeds)
        return;
    reset_parser(slot);
    name_address(slot, b->next);
    bare_url(url, sizeof url, b->opt.url, b->next);
    b->next++;
    curl_easy_setopt(slot->easy, CURLOPT_URL, url);
    curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, b->lines);
    curl_multi_add_handle(b->multi, slot->easy);
}

static void set_up(struct slot *slot, struct bare *b)
{
    slot->bare = b;
    slot->easy = curl_easy_init();
    curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, slot);
    curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
    curl_easy_setopt(slot->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(slot->easy, CURLOPT_ACCEPT_ENCODING, "");
    if (b->opt.ca_file) {
        curl_easy_setopt(slot->easy, CURLOPT_CAINFO, b->opt.ca_file);
        curl_easy_setopt(slot->easy, CURLOPT_CAPATH, NULL); /* else its cache is off */
    }
    if (b->opt.parse)
        slot->xml = XML_ParserCreate(NULL);
}

struct bare *bare_new(const struct bare_options *opt)
{
    struct bare *b = calloc(1, sizeof *b);

    b->opt = *opt;
    b->ep = epoll_create1(EPOLL_CLOEXEC);
    b->text = malloc(TEXT_MAX);
    b->multi = curl_multi_init();
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(b->multi, CURLMOPT_SOCKETDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(b->multi, CURLMOPT_TIMERDATA, b);
    curl_multi_setopt(b->multi, CURLMOPT_MAXCONNECTS, (long)BARE_AT_ONCE);
    for (int i = 0; i < BARE_AT_ONCE; i++)
        set_up(&b->slot[i], b);
    return b;
}

void bare_free(struct bare *b)
{
    for (int i = 0; i < BARE_AT_ONCE; i++) {
        curl_easy_cleanup(b->slot[i].easy);
        curl_slist_free_all(b->slot[i].resolve);
        if (b->slot[i].xml)
            XML_ParserFree(b->slot[i].xml);
    }
    curl_multi_cleanup(b->multi);
    close(b->ep);
    free(b->text);
    free(b);
}

static void take_done(struct bare *b)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(b->multi, &left)) != NULL) {
        CURL *e = msg->easy_handle;
        struct slot *slot = NULL;
        if (msg->data.result != CURLE_OK)
            fprintf(stderr, "bare: %s\n", curl_easy_strerror(msg->data.result));
        curl_easy_getinfo(e, CURLINFO_PRIVATE, &slot);
        b->done++;
        curl_multi_remove_handle(b->multi, e);
        start(slot);
    }
}

size_t bare_cycle(struct bare *b, unsigned feeds, const char *etag)
{
    char line[100];
    int running;

    b->feeds = feeds;
    b->next = b->done = 0;
    b->bytes = 0;
    snprintf(line, sizeof line, "If-None-Match: %s", etag);
    b->lines = curl_slist_append(NULL, line);
    for (int i = 0; i < BARE_AT_ONCE; i++)
        start(&b->slot[i]);
    while (b->done < feeds) {
        struct epoll_event ev[64];
        int n = epoll_wait(b->ep, ev, 64, b->timeout_ms < 0 ? 1000 : (int)b->timeout_ms);

        for (int i = 0; i < n; i++)
            curl_multi_socket_action(
                b->multi, ev[i].data.fd,
                (ev[i].events & ~(uint32_t)EPOLLOUT ? CURL_CSELECT_IN : 0) |
                    (ev[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
                &running);
        if (n == 0 || b->timeout_ms == 0)
            curl_multi_socket_action(b->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        take_done(b);
    }
    curl_slist_free_all(b->lines);
    return b->bytes;
}
