#ifndef SINK_CARRIER_H
#define SINK_CARRIER_H
/* Inside sink: what kinds that use libcurl share. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include "buf.h"

struct carrier;
/* `ca_file`: certificates to trust instead of the system's, or NULL. */
int carrier_new(struct carrier **out, int64_t timeout_ms, bool allow_private,
                const char *ca_file);
void carrier_free(struct carrier *c); /* NULL is fine */

/* The handle with all that was set before forgotten, and what always holds set: no
 * proxy, no redirects, no private address unless allowed, deadlines.  What comes back
 * goes to `answer`, as much as fits. */
CURL *carrier_begin(struct carrier *c, struct buf *answer);

/* Do it.  0, or -errno with one line in `why`, which never shows a URL's path. */
int carrier_run(struct carrier *c, struct buf *why);

/* From another thread, at any time: carrier_run() returns -ECANCELED soon. */
void carrier_interrupt(struct carrier *c);

/* Read "file:PATH" or "credential:NAME" into `out`, without the newline at its end.  0,
 * or -errno and `why`. */
int secret_read(const char *from, struct buf *out, struct buf *why);

#endif
