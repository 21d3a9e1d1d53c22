#ifndef URL_H
#define URL_H
/* URLs: resolving, checking, normalising (RFC 3986).  Pure; libcurl's URL parser may
 * serve. */
#include <stdbool.h>
#include <stddef.h>
#include "buf.h"

/* Append the absolute URL of `ref` seen from `base` (may be empty) to `out`.
 * 0; -EINVAL when no absolute URL comes out of it; -ENOMEM, -E2BIG. */
int url_resolve(struct buf *out, struct str base, struct str ref);

/* An absolute http or https URL with a host, and nothing a terminal or shell could trip
 * over (no controls, no white space)? */
bool url_is_web(struct str url);

/* The host (lower case, brackets of IPv6 kept, no port) inside `url`; empty when there is
 * none. Borrowed from `url` when possible: pass `scratch` for the lower-cased copy. */
int url_host(struct buf *scratch, struct str url);

/* Append the form under which two links count as the same story: scheme and "www."
 * dropped, host lower-cased, default port, fragment and tracking parameters (utm_*,
 * fbclid, ...) removed, the rest of the query sorted, final slash dropped.  0 or -errno.
 */
int url_normalise(struct buf *out, struct str url);
#endif
