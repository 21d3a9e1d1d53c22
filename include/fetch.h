#ifndef FETCH_H
#define FETCH_H
/* Conditional GETs under caps, many at once, on libcurl's multi interface inside an
 * sd-event loop.  Knows HTTP, no feeds and no XML.  One pool per thread.  No logging. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include "str.h"

enum fetch_outcome { /* what one GET came to; exactly one per started fetch */
                     FETCH_NEW_BODY,  /* 200 or 226, body delivered in full as far as HTTP
                                         can tell */
                     FETCH_UNCHANGED, /* 304 */
                     FETCH_GONE,      /* 410: stop polling (RFC 9110 15.5.11) */
                     FETCH_RETRY_LATER, /* 429/5xx, timeout, DNS, reset, cut;
                                           retry_after_s may be set */
                     FETCH_REFUSED,     /* netguard, scheme or size limit: our decision */
                     FETCH_BAD,   /* other 4xx, TLS or protocol error, redirect loop */
                     FETCH_ENDED, /* on_body asked to stop: it has what it needs */
};

struct fetch_request { /* strings are copied */
    const char *url;
    const char *etag, *last_modified; /* NULL: none; sent verbatim */
    const char *user_agent;           /* NULL: feedwatch/VERSION (+URL) */
    const char *ca_file;              /* NULL: that of the pool */
    const char *proxy;                /* "http://...", "socks5h://..."; NULL: none */
    /* "Name: value" lines, credentials perhaps; NULL-terminated, or NULL.  They go only
     * to the origin (scheme, host and port) of `home`; NULL: that of `url`. */
    const char *const *headers;
    const char *home;
    int64_t connect_timeout_ms;           /* 0: that of the pool */
    int64_t low_speed_bytes, low_speed_s; /* 0: those of the pool */
    /* The host is asked again after about so long: a connection that is of no use until
     * then is closed at once.  0: that is not known. */
    int64_t again_ms;
    bool allow_private; /* metadata addresses stay refused */
    int64_t
        timeout_ms;   /* from the first connection to the end, with redirects; 0: 60 s */
    size_t max_bytes; /* decoded; 0: 8 MiB */
};

struct fetch_result { /* borrowed for the call of on_done */
    enum fetch_outcome outcome;
    long http_status; /* of the last answer; 0: none came */
    const char
        *etag; /* the pair of the final 200, 226 or 304 answer that came in full; */
    const char *last_modified; /* NULL: not named there */
    const char *final_url;     /* after redirects; without user name and password */
    const char *moved_to;      /* where an unbroken chain of 301/308 ended; NULL: none */
    const char *hub, *self;    /* of Link:, perhaps relative; NULL: none */
    int64_t retry_after_s;     /* 0: none; already clamped to [60, 86400] */
    int64_t fresh_s;           /* Cache-Control max-age less Age, or Expires; 0: none */
    bool fresh_said;           /* the answer says something about it, perhaps 0 */
    int64_t body_bytes;        /* decoded */
    int64_t wire_bytes;        /* as received */
    char why[160];             /* one line for people, "" when all went well */
};

struct fetch_events {
    /* The first bytes of a 200/226 body are about to come: its Content-Type and final
     * URL.  Non-zero ends the transfer as in on_body. */
    int (*on_start)(void *ctx, struct str content_type, struct str final_url);
    /* Decoded body bytes.  0: go on; non-zero: enough, end the transfer (FETCH_ENDED). */
    int (*on_body)(void *ctx, const char *bytes, size_t n);
    /* The end, in every case, once.  The pool may be used from inside, not freed. */
    void (*on_done)(void *ctx, const struct fetch_result *r);
};

struct fetch_pool;
struct fetch_options {
    unsigned max_transfers;     /* at once; more wait inside; 0: 64 */
    unsigned max_per_host;      /* at once, loopback excepted; 0: 2 */
    const char *ca_file;        /* trusted roots; NULL: the system's */
    const char *dns_servers;    /* "192.0.2.1:53,..."; NULL: as resolv.conf says */
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t low_speed_bytes;    /* a transfer slower than this many bytes a second ... */
    int64_t low_speed_s;        /* ... for so long is ended; 0: 64 bytes, 20 s */
};

int fetch_pool_new(struct fetch_pool **out, sd_event *event,
                   const struct fetch_options *opt);

/* Ends what is in flight without calling on_done.  NULL is fine. */
void fetch_pool_free(struct fetch_pool *p);

/* Start one GET.  on_done is called later, never from inside.  0 or -errno. */
int fetch_start(struct fetch_pool *p, const struct fetch_request *req,
                const struct fetch_events *ev, void *ctx);

/* From now on at most `n` at once (0: 64); those that wait for a name take no place. */
void fetch_pool_limit(struct fetch_pool *p, unsigned n);

/* Ask these name servers from now on (as in the options); what is on its way is asked
 * again, known addresses are forgotten.  0; -EINVAL: no such list, -ENOMEM: nothing
 * changed. */
int fetch_pool_names(struct fetch_pool *p, const char *dns_servers);

/* Is this a list for dns_servers?  0, -EINVAL, -ENOMEM. */
int fetch_names_check(const char *dns_servers);

/* Transfers started and not done. */
unsigned fetch_active(const struct fetch_pool *p);

/* Split a Content-Type value into its media type ("application/rss+xml", as written) and
 * its charset parameter, quotes removed; empty where absent.  Borrowed from `value`. */
void fetch_content_type(struct str value, struct str *mime, struct str *charset);

const char *fetch_outcome_name(enum fetch_outcome o); /* "new_body", "unchanged", ... */
#endif
