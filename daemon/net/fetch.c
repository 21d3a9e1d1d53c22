/* The pool of GETs: libcurl's multi handle inside an sd-event loop. */
#include "fetch_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_TRANSFERS 64
#define DEFAULT_PER_HOST 2
#define MAX_RESOLVING 16 /* names looked up at once; each costs a thread of libcurl's */

struct fetch_pool {
    sd_event *event;
    sd_event_source *io, *timer, *work; /* sockets; libcurl's timeout; "there is work" */
    int epfd; /* the sockets: one source for all is cheaper than one for each */
    CURLM *multi;
    struct fetch_shared shared;
    char *ca_file;
    struct transfer *queue, **queue_end; /* waiting, oldest first */
    struct transfer *running;            /* doubly linked */
    struct slot *spare;
    unsigned max_transfers, waiting, flying, resolving;
    uint64_t due_us, armed_us; /* what libcurl wants; what the timer is set to */
    bool due_now, closing;
};

static uint64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void kick(struct fetch_pool *p)
{
    (void)sd_event_source_set_enabled(p->work, SD_EVENT_ONESHOT);
}

/* ---- what libcurl asks of the loop ---- */

static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct fetch_pool *p = ctx;
    struct epoll_event ev = { .data.fd = fd };

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(p->epfd, EPOLL_CTL_DEL, fd, NULL); /* fine when already closed */
        return 0;
    }
    ev.events =
        (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(p->epfd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) < 0 &&
        epoll_ctl(p->epfd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev) < 0)
        return -1;
    if (!known)
        (void)curl_multi_assign(p->multi, fd, p);
    return 0;
}

static int on_timer_wish(CURLM *multi, long timeout_ms, void *ctx)
{
    struct fetch_pool *p = ctx;

    (void)multi;
    p->due_us = UINT64_MAX;
    p->due_now = false;
    if (timeout_ms < 0 || p->closing)
        return 0;
    if (timeout_ms == 0) {
        p->due_now = true;
        kick(p);
        return 0;
    }
    p->due_us = now_us() + (uint64_t)timeout_ms * 1000;
    if (p->due_us < p->armed_us) { /* a timer that is set too early is set again then */
        p->armed_us = p->due_us;
        (void)sd_event_source_set_time(p->timer, p->armed_us);
        (void)sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
    }
    return 0;
}

/* ---- starting and ending transfers ---- */

void pool_resolved(struct transfer *t)
{
    if (!t->resolving)
        return;
    t->resolving = false;
    t->pool->resolving--;
    if (t->pool->queue)
        kick(t->pool);
}

static void release(struct fetch_pool *p, struct transfer *t)
{
    pool_resolved(t);
    if (!t->slot)
        return;
    t->slot->t = NULL;
    t->slot->next = p->spare;
    p->spare = t->slot;
    if (t->prev)
        t->prev->next = t->next;
    else
        p->running = t->next;
    if (t->next)
        t->next->prev = t->prev;
    p->flying--;
}

/* The one place that calls on_done.  `t` is in no list of waiting ones. */
static void finish(struct fetch_pool *p, struct transfer *t, struct fetch_result *r)
{
    char *url = transfer_final_url(t);

    r->final_url = url ? url : "";
    release(p, t);
    t->ev.on_done(t->ctx, r);
    free(url);
    transfer_free(t);
}

static void fail(struct fetch_pool *p, struct transfer *t, enum fetch_outcome outcome,
                 const char *why)
{
    struct fetch_result r = { .outcome = outcome };

    snprintf(r.why, sizeof r.why, "%s", why);
    finish(p, t, &r);
}

/* Give this hop of `t`, which has a slot, to libcurl. */
static void run_hop(struct fetch_pool *p, struct transfer *t)
{
    struct fetch_result r = { 0 };

    if (!transfer_allowed(t, &r)) {
        finish(p, t, &r);
        return;
    }
    if (transfer_prepare(t, &p->shared, (int64_t)(now_us() / 1000)) < 0) {
        fail(p, t, FETCH_RETRY_LATER, "out of memory");
        return;
    }
    if (!t->resolving) {
        t->resolving = true;
        p->resolving++;
    }
    CURLMcode rc = curl_multi_add_handle(p->multi, t->slot->easy);
    if (rc != CURLM_OK)
        fail(p, t, FETCH_RETRY_LATER, curl_multi_strerror(rc));
}

static void start(struct fetch_pool *p, struct transfer *t)
{
    struct slot *slot = p->spare;

    if (slot) {
        p->spare = slot->next;
    } else if (slot_new(&slot, &p->shared) < 0) {
        fail(p, t, FETCH_RETRY_LATER, "out of memory");
        return;
    }
    slot->t = t;
    t->slot = slot;
    t->prev = NULL;
    t->next = p->running;
    if (p->running)
        p->running->prev = t;
    p->running = t;
    p->flying++;
    run_hop(p, t);
}

static void start_waiting(struct fetch_pool *p)
{
    while (p->queue && p->flying < p->max_transfers && p->resolving < MAX_RESOLVING) {
        struct transfer *t = p->queue;

        p->queue = t->next;
        if (!p->queue)
            p->queue_end = &p->queue;
        p->waiting--;
        start(p, t);
    }
}

/* Hand out the ends that libcurl reports; each may start the next hop. */
static void collect(struct fetch_pool *p)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(p->multi, &left)) != NULL) {
        struct slot *slot = NULL;
        struct fetch_result r;
        CURLcode rc = msg->data.result;

        if (msg->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &slot);
        struct transfer *t = slot->t;
        enum transfer_next next = transfer_end(t, rc, &r);
        (void)curl_multi_remove_handle(p->multi, slot->easy);
        if (next == TRANSFER_AGAIN)
            run_hop(p, t);
        else
            finish(p, t, &r);
    }
    start_waiting(p);
}

/* ---- what the loop tells us ---- */

static int on_sockets(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
    struct fetch_pool *p = ctx;
    struct epoll_event ev[64];
    int n = epoll_wait(fd, ev, 64, 0), running;

    (void)source, (void)revents;
    for (int i = 0; i < n; i++) {
        int what = (ev[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                   (ev[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (ev[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
        (void)curl_multi_socket_action(p->multi, ev[i].data.fd, what, &running);
    }
    collect(p);
    return 0;
}

static void run_timeouts(struct fetch_pool *p)
{
    int running;

    p->due_now = false;
    p->due_us = UINT64_MAX;
    (void)curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
    struct fetch_pool *p = ctx;

    (void)source, (void)usec;
    p->armed_us = UINT64_MAX;
    if (p->due_us <= now_us()) {
        run_timeouts(p);
        collect(p);
    }
    if (p->due_us < p->armed_us) {
        p->armed_us = p->due_us;
        (void)sd_event_source_set_time(p->timer, p->armed_us);
        (void)sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
    }
    return 0;
}

static int on_work(sd_event_source *source, void *ctx)
{
    struct fetch_pool *p = ctx;

    (void)source;
    if (p->due_now)
        run_timeouts(p);
    collect(p);
    return 0;
}

/* ---- the pool ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void curl_start(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The codings that this libcurl can undo, the cheap ones first. */
static char *encodings(const curl_version_info_data *v)
{
    char *s = NULL;

    if (asprintf(&s, "%s%s%s", v->features & CURL_VERSION_LIBZ ? "gzip, deflate" : "",
                 v->features & CURL_VERSION_BROTLI ? ", br" : "",
                 v->features & CURL_VERSION_ZSTD ? ", zstd" : "") < 0)
        return NULL;
    if (s[0] == ',') /* without zlib */
        memmove(s, s + 2, strlen(s + 2) + 1);
    return s;
}

static int shared_init(struct fetch_shared *s, const struct fetch_options *opt)
{
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

    s->connect_timeout_ms = opt->connect_timeout_ms > 0 ? opt->connect_timeout_ms : 10000;
    s->low_speed_bytes = opt->low_speed_bytes > 0 ? opt->low_speed_bytes : 64;
    s->low_speed_s = opt->low_speed_s > 0 ? opt->low_speed_s : 20;
    if (!s->ca_file)
        s->ca_file = v->cainfo ? v->cainfo : "/etc/ssl/certs/ca-certificates.crt";
    s->encodings = encodings(v);
    s->accept = curl_slist_append(
        NULL, "Accept: application/atom+xml, application/rss+xml, application/feed+json, "
              "application/rdf+xml;q=0.9, application/xml;q=0.8, text/xml;q=0.8, "
              "application/json;q=0.7, */*;q=0.1");
    s->share = curl_share_init();
    if (!s->encodings || !s->accept || !s->share ||
        curl_share_setopt(s->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != 0)
        return -ENOMEM;
    return 0;
}

static int multi_init(struct fetch_pool *p, const struct fetch_options *opt)
{
    long per_host = opt->max_per_host ? (long)opt->max_per_host : DEFAULT_PER_HOST;

    p->multi = curl_multi_init();
    if (!p->multi)
        return -ENOMEM;
    if (curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish) ||
        curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p) ||
        curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish) ||
        curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p) ||
        curl_multi_setopt(p->multi, CURLMOPT_MAX_HOST_CONNECTIONS, per_host) ||
        curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)p->max_transfers))
        return -ENOMEM;
    return 0;
}

static int loop_init(struct fetch_pool *p)
{
    int r;

    p->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epfd < 0)
        return -errno;
    if ((r = sd_event_add_io(p->event, &p->io, p->epfd, EPOLLIN, on_sockets, p)) < 0 ||
        (r = sd_event_add_time(p->event, &p->timer, CLOCK_MONOTONIC, UINT64_MAX, 1000,
                               on_timer, p)) < 0 ||
        (r = sd_event_source_set_enabled(p->timer, SD_EVENT_OFF)) < 0 ||
        (r = sd_event_add_defer(p->event, &p->work, on_work, p)) < 0)
        return r;
    (void)sd_event_source_set_description(p->io, "fetch-sockets");
    (void)sd_event_source_set_description(p->timer, "fetch-timer");
    (void)sd_event_source_set_description(p->work, "fetch-work");
    return sd_event_source_set_enabled(p->work, SD_EVENT_OFF);
}

int fetch_pool_new(struct fetch_pool **out, sd_event *event,
                   const struct fetch_options *options)
{
    static const struct fetch_options none;
    const struct fetch_options *opt = options ? options : &none;
    struct fetch_pool *p;
    int r;

    (void)pthread_once(&curl_once, curl_start);
    if (curl_ready != CURLE_OK)
        return -EIO;
    p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->epfd = -1;
    p->event = sd_event_ref(event);
    p->queue_end = &p->queue;
    p->due_us = p->armed_us = UINT64_MAX;
    p->max_transfers = opt->max_transfers ? opt->max_transfers : DEFAULT_TRANSFERS;
    if (opt->ca_file) {
        p->ca_file = strdup(opt->ca_file);
        p->shared.ca_file = p->ca_file;
    }
    r = opt->ca_file && !p->ca_file ? -ENOMEM : shared_init(&p->shared, opt);
    if (r == 0)
        r = loop_init(p);
    if (r >= 0)
        r = multi_init(p, opt);
    if (r < 0) {
        fetch_pool_free(p);
        return r;
    }
    *out = p;
    return 0;
}

void fetch_pool_free(struct fetch_pool *p)
{
    if (!p)
        return;
    p->closing = true;
    while (p->running) {
        struct transfer *t = p->running;
        (void)curl_multi_remove_handle(p->multi, t->slot->easy);
        release(p, t);
        transfer_free(t);
    }
    while (p->queue) {
        struct transfer *t = p->queue;
        p->queue = t->next;
        transfer_free(t);
    }
    while (p->spare) {
        struct slot *slot = p->spare;
        p->spare = slot->next;
        slot_free(slot);
    }
    if (p->multi)
        (void)curl_multi_cleanup(p->multi);
    if (p->shared.share)
        (void)curl_share_cleanup(p->shared.share);
    curl_slist_free_all(p->shared.accept);
    free(p->shared.encodings);
    sd_event_source_disable_unref(p->io);
    sd_event_source_disable_unref(p->timer);
    sd_event_source_disable_unref(p->work);
    if (p->epfd >= 0)
        close(p->epfd);
    sd_event_unref(p->event);
    free(p->ca_file);
    free(p);
}

int fetch_start(struct fetch_pool *p, const struct fetch_request *req,
                const struct fetch_events *ev, void *ctx)
{
    struct transfer *t;
    int r = transfer_new(&t, &p->shared, req, ev, ctx);

    if (r < 0)
        return r;
    t->pool = p;
    *p->queue_end = t;
    p->queue_end = &t->next;
    p->waiting++;
    kick(p);
    return 0;
}

unsigned fetch_active(const struct fetch_pool *p)
{
    return p->waiting + p->flying;
}

const char *fetch_outcome_name(enum fetch_outcome o)
{
    switch (o) {
    case FETCH_NEW_BODY:
        return "new_body";
    case FETCH_UNCHANGED:
        return "unchanged";
    case FETCH_GONE:
        return "gone";
    case FETCH_RETRY_LATER:
        return "retry_later";
    case FETCH_REFUSED:
        return "refused";
    case FETCH_BAD:
        return "bad";
    case FETCH_ENDED:
        return "ended";
    }
    return "unknown";
}
