#ifndef URL_H
#define URL_H
/* URLs: resolving, checking, normalising (RFC 3986).  Pure; libcurl's URL parser may
 * serve. */
#include <stdbool.h>
#include <stddef.h>
#include "buf.h"

/* Append the absolute URL of `ref` seen from `base` (may be empty) to `out`.  Cleaned on
 * the way: ends trimmed, line breaks dropped; white space, controls, quotes, angle
 * brackets and what a terminal must not see written as %XX; other non-ASCII text kept as
 * it is. 0; -EINVAL when no absolute URL comes out of it; -ENOMEM, -E2BIG. */
int url_resolve(struct buf *out, struct str base, struct str ref);

/* An absolute http or https URL with a host, and nothing a terminal or shell could trip
 * over (no controls, no white space)? */
bool url_is_web(struct str url);

/* Put the host of `url` into `scratch` (what was there goes): lower case, brackets of
 * IPv6 kept, no user, no port; empty when there is none.  0 or -errno. */
int url_host(struct buf *scratch, struct str url);

/* Append the form under which two links count as the same story: scheme and "www."
 * dropped, host lower-cased, default port, fragment and tracking parameters (utm_*,
 * fbclid, ...) removed, the rest of the query sorted, final slash dropped.  0 or -errno.
 */
int url_normalise(struct buf *out, struct str url);
#endif
