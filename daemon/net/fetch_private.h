#ifndef FETCH_PRIVATE_H
#define FETCH_PRIVATE_H
/* What fetch.c (the pool and its loop) and fetch_transfer.c (one GET) share. */
#include <curl/curl.h>
#include "fetch.h"
#include "fetch_headers.h"
#include "fetch_host.h"
#include "netguard.h"

struct slot { /* an easy handle for reuse; what is the same for every GET is set once */
    struct slot *next;
    CURL *easy;
    struct transfer *t; /* whose turn it is */
    char error[CURL_ERROR_SIZE];
};

struct transfer {                         /* one GET with its redirects */
    struct transfer *all_next, *all_prev; /* every one of the pool */
    struct transfer *next;                /* of the line it stands in */
    struct host *host;                    /* of the hop at hand */
    struct curl_slist *resolve;           /* addresses for libcurl, owned */
    uint16_t port;
    bool admitted;     /* counts in host->active */
    struct slot *slot; /* NULL: waiting */
    struct fetch_shared *shared;
    struct fetch_events ev;
    void *ctx;
    char *url; /* of the hop at hand */
    char *ca_file;
    char *proxy;            /* NULL: none */
    const char *user_agent; /* in `text`; NULL: ours */
    char *home;             /* origin that `own` may go to; NULL: no `own` */
    struct curl_slist *own; /* the caller's headers, then `lines` */
    struct curl_slist *own_last;
    int64_t connect_timeout_ms, low_speed_bytes, low_speed_s;
    struct curl_slist validator[2]; /* their lines lie in `text` */
    struct curl_slist *lines;
    struct fetch_headers headers;
    int64_t timeout_ms, deadline_ms, again_ms;
    size_t max_bytes;
    int64_t body_bytes, junk_bytes, wire_bytes;
    int64_t retry_after_s; /* of the redirects so far */
    unsigned hops;
    long last_status;            /* of the redirects so far; 0: none */
    enum netguard_verdict guard; /* the last refusal */
    char guard_addr[46];         /* INET6_ADDRSTRLEN */
    bool allow_private, plain;   /* plain: no Accept-Encoding */
    bool started, ended;         /* on_start was called; the caller wants no more */
    bool over, junk_over, headers_over, coded;
    bool temporary; /* a redirect other than 301/308 was among the hops */
    bool connected; /* some address was allowed */
    char text[];
};

/* A share of libcurl keeps eight TLS sessions, and there is no setting for that. */
#define FETCH_SHARES 128

/* Idle connections that we want libcurl to keep.  When it closes one because there are
 * too many, an empty entry for the host stays behind, and it searches all of these
 * whenever it closes one: there must never be too many (libcurl 7.88, conncache.c). */
#define FETCH_KEPT 64
#define FETCH_KEPT_S 60 /* an idle connection is closed when it is older than that */

struct kept {
    uint32_t host;
    int64_t until_ms;
};

/* A host whose addresses libcurl has and that no transfer flies to any more. */
struct past {
    struct host *host; /* a reference */
    uint16_t port;
};
#define FETCH_PAST 64 /* more age there by themselves */

/* What is the same for every GET of the pool. */
struct fetch_shared {
    struct past past[FETCH_PAST];
    unsigned n_past;
    struct kept kept[FETCH_KEPT];
    CURLSH *share[FETCH_SHARES]; /* of TLS sessions, by host; NULL: not needed yet */
    const char *ca_file;
    char *encodings;
    struct curl_slist *accept;
    int64_t connect_timeout_ms, low_speed_bytes, low_speed_s;
};

enum transfer_next { TRANSFER_DONE, TRANSFER_AGAIN };

int transfer_new(struct transfer **out, struct fetch_shared *shared,
                 const struct fetch_request *req, const struct fetch_events *ev,
                 void *ctx);
void transfer_free(struct transfer *t);

/* Is the URL of this hop one that we may ask?  If not, *r says why. */
bool transfer_allowed(const struct transfer *t, struct fetch_result *r);

/* Lay this hop on its slot's handle.  0 or -ENOMEM. */
int transfer_prepare(struct transfer *t, struct fetch_shared *shared, int64_t now_ms);

/* The hop ended: either go on with the next (t->url is set), or *r is the result. */
enum transfer_next transfer_end(struct transfer *t, CURLcode rc, struct fetch_result *r);

/* The URL of this hop without "user:password@", to be freed; NULL: no memory. */
char *transfer_final_url(const struct transfer *t);

/* `t` leaves libcurl: what that keeps of its host can go with the next transfer. */
void transfer_landed(struct transfer *t);

int slot_new(struct slot **out);
void slot_free(struct slot *slot);
#endif
