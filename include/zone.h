#ifndef ZONE_H
#define ZONE_H
/* Time zones by name, from the system's zone files (RFC 8536), without the process-wide
 * TZ: any thread may ask for any zone.  zone_load() reads a file; all else is pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "str.h"

struct zone; /* immutable; one block of zone_bytes() bytes that may be copied and freed */

/* Load zone `name`, as "Europe/Berlin"; empty: the zone of this machine ($TZ, else
 * /etc/localtime, else UTC).  0; -ENOENT: there is no such zone; -EINVAL: the name or the
 * file is none of a zone; or -errno. */
int zone_load(struct zone **out, struct str name);

/* The same from the bytes of a file.  0, -EINVAL or -ENOMEM. */
int zone_parse(struct zone **out, const void *bytes, size_t n);
void zone_free(struct zone *z); /* NULL is fine */
size_t zone_bytes(const struct zone *z);

/* Seconds that local time is ahead of UTC at `utc_s`. */
int32_t zone_offset_s(const struct zone *z, int64_t utc_s);

/* The minute of the local day, 0 to 1439. */
int zone_minute(const struct zone *z, int64_t utc_s);

/* The moment of a local date and time.  One that is skipped when clocks go forward counts
 * as if they had not; of one that comes twice the first is meant. */
int64_t zone_utc_s(const struct zone *z, int64_t local_s);
#endif
