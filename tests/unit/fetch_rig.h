#ifndef FETCH_RIG_H
#define FETCH_RIG_H
/* What the tests of fetch share: a pool in a loop beside an origin, and what came of a
 * GET. */
#include "fetch.h"
#include "names.h"
#include "origin.h"

struct rig {
    sd_event *event;
    struct fetch_pool *pool;
    struct origin *origin;
    unsigned done;
};

struct got {
    struct rig *rig;
    char *body;
    size_t n, chunks;
    unsigned starts, dones;
    size_t stop_after; /* on_body says "enough" from here on; 0: never */
    char type[128], start_url[256];
    enum fetch_outcome outcome;
    long status;
    char etag[128], last_modified[128], final_url[256], moved_to[256], why[160];
    int64_t retry_after_s, fresh_s, body_bytes, wire_bytes;
};

int got_start(void *ctx, struct str type, struct str url);
int got_body(void *ctx, const char *bytes, size_t n);
void got_done(void *ctx, const struct fetch_result *r);
extern const struct fetch_events events; /* these three */

/* `answer` may be NULL: no origin. */
void rig_up(struct rig *rig, origin_answer answer, void *ctx,
            const struct fetch_options *opt);
void rig_down(struct rig *rig);

/* Where the origin serves `path`; one of eight rotating buffers. */
const char *url_at(struct rig *rig, const char *path);

/* Let the loop run until `n` transfers are done. */
void run_until(struct rig *rig, unsigned n);

/* One GET from start to end; get() allows private addresses. */
void get_req(struct rig *rig, const struct fetch_request *req, struct got *g);
void get(struct rig *rig, const char *path, struct got *g);

/* feed.test, other.test, *.many.test: here; mixed.test: here and the metadata service;
 * rebind.test: here first, then there; *.silent.test: no answer; empty.test: no address.
 */
const char *test_names(const char *name, unsigned nth);

double seconds(void);

#define assert_has(text, part)                                                           \
    do {                                                                                 \
        if (!strstr(text, part))                                                         \
            fail_msg("no \"%s\" in \"%s\"", part, text);                                 \
    } while (0)

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define FEED "Content-Length: 6\r\n\r\n<rss/>"
#define EMPTY "Content-Length: 0\r\n\r\n"

#endif
