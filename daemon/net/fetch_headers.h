#ifndef FETCH_HEADERS_H
#define FETCH_HEADERS_H
/* What we keep of the header lines of one answer.  Pure; the lines may be anything. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "str.h"

/* Longest validator that is kept; a longer one is as good as none. */
#define FETCH_VALIDATOR_MAX 1024

struct fetch_headers {
    char *etag, *last_modified; /* owned, verbatim; NULL: absent or unusable */
    int64_t max_age_s;          /* -1: absent */
    int64_t age_s;
    int64_t expires_s, date_s; /* UTC; -1: absent; expires_s 0: "already stale" */
    int64_t retry_after_s;     /* -1: absent */
    int64_t retry_at_s;        /* UTC; -1: absent */
    char *hub, *self;          /* owned, as Link: gives them; NULL: absent */
    size_t bytes;              /* of all lines of the transfer; not reset */
};

/* Ready for the next answer; frees what the last one left. */
void fetch_headers_clear(struct fetch_headers *h);

/* Note one line, with or without its line end.  0 or -ENOMEM. */
int fetch_headers_line(struct fetch_headers *h, struct str line);

/* RFC 9111 4.2.1: how long the answer stays fresh from now; 0: not at all or not said. */
int64_t fetch_headers_fresh_s(const struct fetch_headers *h, int64_t now_s);

/* RFC 9110 10.2.3, clamped to [60, 86400]; 0: absent or nonsense. */
int64_t fetch_headers_retry_s(const struct fetch_headers *h, int64_t now_s);

/* The three date forms of RFC 9110 5.6.7, nothing else.  False: not one. */
bool fetch_http_date(struct str text, int64_t *utc_s);
#endif
