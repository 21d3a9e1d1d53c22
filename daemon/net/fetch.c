/* The pool of GETs: libcurl's multi handle inside an sd-event loop. */
#include "fetch_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_TRANSFERS 64
#define DEFAULT_PER_HOST 2
#define LOOK_AGAIN_US 100000 /* after libcurl ran out of memory */
#define SPARE_SLOTS 8        /* kept beside as many as fly; each holds some 9 KB */

struct fetch_pool {
    sd_event *event;
    sd_event_source *io, *timer, *work; /* sockets; libcurl's timeout; "there is work" */
    int epfd; /* the sockets: one source for all is cheaper than one for each */
    CURLM *multi;
    struct fetch_shared shared;
    char *ca_file;
    struct hosts hosts;
    struct transfer *all;                /* every one; what the lines below hold, too */
    struct transfer *fresh, **fresh_end; /* just started, host not yet looked at */
    struct transfer *ready, **ready_end; /* may run as soon as there is a slot */
    struct slot *spare;
    unsigned max_transfers, max_per_host, active, flying, spares;
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

static int64_t now_ms(void)
{
    return (int64_t)(now_us() / 1000);
}

/* Have the timer go off at `us`.  It is never set later: when it goes off too early it is
 * set again then, which is cheaper. */
static void arm(struct fetch_pool *p, uint64_t us)
{
    if (us >= p->armed_us)
        return;
    p->armed_us = us;
    (void)sd_event_source_set_time(p->timer, us);
    (void)sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}

/* ---- what libcurl asks of the loop ---- */

static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct fetch_pool *p = ctx;
    struct epoll_event ev = { .data.u64 = (uint32_t)fd };

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
    arm(p, p->due_us);
    return 0;
}

/* ---- the way of a transfer: fresh -> (host->wait) -> ready -> flying -> done ---- */

static void stand_in(struct transfer ***end, struct transfer *t)
{
    t->next = NULL;
    **end = t;
    *end = &t->next;
}

static void stand_first(struct transfer **line, struct transfer ***end,
                        struct transfer *t)
{
    t->next = *line;
    if (!*line)
        *end = &t->next;
    *line = t;
}

static struct transfer *take_first(struct transfer **line, struct transfer ***end)
{
    struct transfer *t = *line;

    if (!t)
        return NULL;
    *line = t->next;
    if (!*line)
        *end = line;
    return t;
}

/* May one more transfer talk to `h` now? */
static bool host_has_room(const struct fetch_pool *p, const struct host *h)
{
    return h->local || h->active < p->max_per_host;
}

/* Let those that wait for `h` go on, in order, as far as it allows. */
static void wake(struct fetch_pool *p, struct host *h)
{
    int64_t now = now_ms();

    while (h->wait && host_has_room(p, h)) {
        if (!host_ready(h, now)) { /* they have waited so long that it is stale */
            host_ask(h, now);
            return;
        }
        struct transfer *t = take_first(&h->wait, &h->wait_end);
        if (!t)
            return;
        t->admitted = true;
        h->active++;
        if (t->hops)
            stand_first(&p->ready, &p->ready_end, t); /* its time is running */
        else
            stand_in(&p->ready_end, t);
    }
}

/* The transfer is not (or no longer) one of those that talk to its host. */
static void leave_host(struct fetch_pool *p, struct transfer *t)
{
    struct host *h = t->host;

    if (!h)
        return;
    t->host = NULL;
    if (t->admitted) {
        t->admitted = false;
        h->active--;
        if (!p->closing)
            wake(p, h);
    }
    hosts_unref(h);
}

static struct slot *take_spare(struct fetch_pool *p)
{
    struct slot *slot = p->spare;

    if (slot) {
        p->spare = slot->next;
        p->spares--;
    }
    return slot;
}

/* Its handle is no longer with libcurl.  A rush leaves no more of them behind than the
 * next transfers need. */
static void leave_slot(struct fetch_pool *p, struct transfer *t)
{
    struct slot *slot = t->slot;

    if (!slot)
        return;
    transfer_landed(t);
    t->slot = NULL;
    p->flying--;
    if (p->spares >= p->flying + SPARE_SLOTS) {
        slot_free(slot);
        return;
    }
    slot->t = NULL;
    slot->next = p->spare;
    p->spare = slot;
    p->spares++;
}

static void forget(struct fetch_pool *p, struct transfer *t)
{
    if (t->all_prev)
        t->all_prev->all_next = t->all_next;
    else
        p->all = t->all_next;
    if (t->all_next)
        t->all_next->all_prev = t->all_prev;
    p->active--;
    transfer_free(t);
}

/* The one place that calls on_done.  `t` stands in no line. */
static void finish(struct fetch_pool *p, struct transfer *t, struct fetch_result *r)
{
    char *url = transfer_final_url(t);

    r->final_url = url ? url : "";
    leave_slot(p, t);
    leave_host(p, t);
    t->ev.on_done(t->ctx, r);
    free(url);
    forget(p, t);
}

static void fail(struct fetch_pool *p, struct transfer *t, enum fetch_outcome outcome,
                 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void fail(struct fetch_pool *p, struct transfer *t, enum fetch_outcome outcome,
                 const char *fmt, ...)
{
    struct fetch_result r = { .outcome = outcome };
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(r.why, sizeof r.why, fmt, ap);
    va_end(ap);
    r.wire_bytes = t->wire_bytes;
    r.http_status = t->last_status;
    finish(p, t, &r);
}

/* A hop begins: find its host and stand in the right line. */
static void begin_hop(struct fetch_pool *p, struct transfer *t)
{
    struct fetch_result r = { .wire_bytes = t->wire_bytes,
                              .http_status = t->last_status };

    if (!transfer_allowed(t, &r)) {
        finish(p, t, &r);
        return;
    }
    int e = hosts_of_url(&p->hosts, t->proxy ? &t->proxy : &t->url, &t->host, &t->port);
    if (e < 0) {
        fail(p, t, e == -ENOMEM ? FETCH_RETRY_LATER : FETCH_BAD, "%s",
             e == -ENOMEM ? "out of memory" : "malformed URL");
        return;
    }
    stand_in(&t->host->wait_end, t);
    if (host_ready(t->host, now_ms()))
        wake(p, t->host);
    else
        host_ask(t->host, now_ms());
}

/* Give this hop of `t` to libcurl. */
static void fly(struct fetch_pool *p, struct transfer *t)
{
    struct slot *slot = take_spare(p);

    if (!slot && slot_new(&slot) < 0) {
        fail(p, t, FETCH_RETRY_LATER, "out of memory");
        return;
    }
    slot->t = t;
    t->slot = slot;
    p->flying++;
    if (transfer_prepare(t, &p->shared, now_ms()) < 0) {
        fail(p, t, FETCH_RETRY_LATER, "out of memory");
        return;
    }
    CURLMcode rc = curl_multi_add_handle(p->multi, slot->easy);
    if (rc != CURLM_OK)
        fail(p, t, FETCH_RETRY_LATER, "%s", curl_multi_strerror(rc));
}

static void on_answered_host(struct fetch_pool *p, struct host *h)
{
    struct transfer *t = h->wait;

    if (h->state != HOST_FAILED) {
        wake(p, h);
        return;
    }
    h->wait = NULL; /* take the line away: on_done may start new ones */
    h->wait_end = &h->wait;
    while (t) {
        struct transfer *next = t->next;
        fail(p, t, FETCH_RETRY_LATER, "cannot resolve %s: %s", h->name,
             ares_strerror(h->error));
        t = next;
    }
}

/* Hand out the ends that libcurl reports; each may be the begin of the next hop. */
static void collect_ends(struct fetch_pool *p)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(p->multi, &left)) != NULL) {
        struct slot *slot = NULL;
        struct fetch_result r;

        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode rc = msg->data.result; /* gone with the handle */
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &slot);
        struct transfer *t = slot->t;
        enum transfer_next next = transfer_end(t, rc, &r);
        (void)curl_multi_remove_handle(p->multi, slot->easy);
        if (next == TRANSFER_DONE) {
            finish(p, t, &r);
        } else {
            leave_slot(p, t);
            leave_host(p, t);
            begin_hop(p, t);
        }
    }
}

/* Every transfer has its times.  When libcurl runs out of memory it names none, and all
 * its transfers would wait for ever. */
static void look_again(struct fetch_pool *p)
{
    uint64_t again_us = now_us() + LOOK_AGAIN_US;

    if (again_us < p->due_us)
        p->due_us = again_us;
    arm(p, again_us);
}

/* After anything happened: let every transfer go on that can. */
static void go_on(struct fetch_pool *p)
{
    struct transfer *t;
    struct host *h;

    collect_ends(p);
    while ((h = hosts_take_answered(&p->hosts)) != NULL) {
        on_answered_host(p, h);
        hosts_unref(h);
    }
    while ((t = take_first(&p->fresh, &p->fresh_end)) != NULL)
        begin_hop(p, t);
    while (p->flying < p->max_transfers &&
           (t = take_first(&p->ready, &p->ready_end)) != NULL)
        fly(p, t);
    if (p->hosts.answered || p->fresh)
        kick(p);
    int wait_ms = hosts_timeout_ms(&p->hosts, now_ms());
    if (wait_ms >= 0)
        arm(p, now_us() + (uint64_t)wait_ms * 1000);
    if (p->flying && !p->due_now && p->due_us == UINT64_MAX)
        look_again(p);
}

/* ---- what the loop tells us ---- */

static void tell(struct fetch_pool *p, curl_socket_t socket, int what)
{
    int running;

    if (curl_multi_socket_action(p->multi, socket, what, &running) != CURLM_OK)
        look_again(p);
}

static int on_sockets(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
    struct fetch_pool *p = ctx;
    struct epoll_event ev[64];
    int n = epoll_wait(fd, ev, 64, 0);

    (void)source, (void)revents;
    for (int i = 0; i < n; i++) {
        uint32_t got = ev[i].events;
        int socket = (int)(uint32_t)ev[i].data.u64;
        int what = (got & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                   (got & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (got & EPOLLERR ? CURL_CSELECT_ERR : 0);
        if (ev[i].data.u64 & HOSTS_FD)
            hosts_event(&p->hosts, socket, got, now_ms());
        else
            tell(p, socket, what);
    }
    go_on(p);
    return 0;
}

static void run_timeouts(struct fetch_pool *p)
{
    p->due_now = false;
    p->due_us = UINT64_MAX;
    tell(p, CURL_SOCKET_TIMEOUT, 0);
    /* It does not repeat a wish that is as the last one, which an error can make it. */
    long left_ms = -1;
    if (!p->due_now && p->due_us == UINT64_MAX && p->flying &&
        curl_multi_timeout(p->multi, &left_ms) == CURLM_OK && left_ms >= 0)
        (void)on_timer_wish(p->multi, left_ms, p);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
    struct fetch_pool *p = ctx;

    (void)source, (void)usec;
    p->armed_us = UINT64_MAX;
    if (p->due_us <= now_us())
        run_timeouts(p);
    hosts_tick(&p->hosts, now_ms());
    go_on(p);
    arm(p, p->due_us);
    return 0;
}

static int on_work(sd_event_source *source, void *ctx)
{
    struct fetch_pool *p = ctx;

    (void)source;
    if (p->due_now)
        run_timeouts(p);
    go_on(p);
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
    return s->encodings && s->accept ? 0 : -ENOMEM;
}

/* Those in use and those that take_kept() may keep, so that none is closed for there
 * being too many. */
static int limit_connections(struct fetch_pool *p)
{
    long most = (long)p->max_transfers + 2 * FETCH_KEPT;

    return curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, most) ? -ENOMEM : 0;
}

static int multi_init(struct fetch_pool *p)
{
    p->multi = curl_multi_init();
    if (!p->multi)
        return -ENOMEM;
    if (curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish) ||
        curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p) ||
        curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish) ||
        curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p))
        return -ENOMEM;
    return limit_connections(p);
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
    p->fresh_end = &p->fresh;
    p->ready_end = &p->ready;
    p->due_us = p->armed_us = UINT64_MAX;
    p->max_per_host = opt->max_per_host ? opt->max_per_host : DEFAULT_PER_HOST;
    p->max_transfers = opt->max_transfers ? opt->max_transfers : DEFAULT_TRANSFERS;
    if (opt->ca_file) {
        p->ca_file = strdup(opt->ca_file);
        p->shared.ca_file = p->ca_file;
    }
    r = opt->ca_file && !p->ca_file ? -ENOMEM : shared_init(&p->shared, opt);
    if (r == 0)
        r = loop_init(p);
    if (r >= 0)
        r = hosts_init(&p->hosts, p->epfd, opt->dns_servers);
    if (r >= 0)
        r = multi_init(p);
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
    while (p->all) {
        struct transfer *t = p->all;
        if (t->slot)
            (void)curl_multi_remove_handle(p->multi, t->slot->easy);
        leave_slot(p, t);
        leave_host(p, t);
        forget(p, t);
    }
    for (struct slot *slot; (slot = take_spare(p)) != NULL;)
        slot_free(slot);
    if (p->multi)
        (void)curl_multi_cleanup(p->multi);
    for (int i = 0; i < FETCH_SHARES; i++)
        if (p->shared.share[i])
            (void)curl_share_cleanup(p->shared.share[i]);
    while (p->shared.n_past > 0)
        hosts_unref(p->shared.past[--p->shared.n_past].host);
    hosts_free(&p->hosts);
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
    t->all_next = p->all;
    if (p->all)
        p->all->all_prev = t;
    p->all = t;
    p->active++;
    stand_in(&p->fresh_end, t);
    kick(p);
    return 0;
}

void fetch_pool_limit(struct fetch_pool *p, unsigned n)
{
    p->max_transfers = n ? n : DEFAULT_TRANSFERS;
    (void)limit_connections(p);
    kick(p);
}

int fetch_pool_names(struct fetch_pool *p, const char *dns_servers)
{
    int r = hosts_set_servers(&p->hosts, dns_servers, now_ms());

    kick(p);
    return r;
}

int fetch_names_check(const char *dns_servers)
{
    return hosts_check_servers(dns_servers);
}

unsigned fetch_active(const struct fetch_pool *p)
{
    return p->active;
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
