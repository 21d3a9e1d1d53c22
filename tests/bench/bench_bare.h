#ifndef BENCH_BARE_H
#define BENCH_BARE_H
/* What the libraries alone take for the same requests: libcurl's multi socket interface
 * with handles and connections reused, and Expat on the bytes, collecting the text. */
#include <stdbool.h>
#include <stddef.h>

enum { BARE_AT_ONCE = 64 };

struct bare_options {
    const char *url;     /* '#' stands for the number of the feed */
    const char *ca_file; /* NULL: no TLS */
    int port;            /* with ca_file: of 127.0.0.1, whatever the name */
    bool parse;          /* Expat, too */
};

/* The URL of feed `n`. */
void bare_url(char *out, size_t size, const char *pattern, unsigned n);

struct bare;
struct bare *bare_new(const struct bare_options *opt);
void bare_free(struct bare *b);

/* One GET of each feed, with `If-None-Match: etag`; returns the body bytes (with `parse`:
 * those of text). */
size_t bare_cycle(struct bare *b, unsigned feeds, const char *etag);
#endif
