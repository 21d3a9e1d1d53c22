#ifndef DISPATCH_H
#define DISPATCH_H
/* Moves committed alerts from the outbox to the sinks.  Each sink has its own cursor and
 * its own pace; one that fails or hangs delays no other.  Lives in the main thread's
 * event loop. */
#include <stdbool.h>
#include <systemd/sd-event.h>
#include "buf.h"
#include "config.h"
#include "metrics.h"
#include "writer.h"

struct dispatch;

/* Open the sinks of `config` and their cursors in `store` (a STORE_WRITE store that is
 * not yet the writer's): what a sink has not delivered before is delivered once
 * dispatch_start() runs. 0, or -errno with one line for people in `why`. */
int dispatch_new(struct dispatch **out, const struct config *config, struct store *store,
                 struct buf *why);

/* Begin to deliver, from `event`. */
int dispatch_start(struct dispatch *d, sd_event *event, struct writer *writer);

/* A reload.  First open again what is kept and open what is new; a sink that cannot be
 * opened leaves all as it was: -errno and `why`.  Then go over to them, which cannot fail
 * and closes what is gone; or do not. */
struct dispatch_next;
int dispatch_prepare(struct dispatch_next **out, struct dispatch *d,
                     const struct config *config, struct buf *why);
void dispatch_swap(struct dispatch_next *next);
void dispatch_undo(struct dispatch_next *next); /* NULL is fine */

/* Deliver what is committed, now.  Called before the end. */
void dispatch_flush(struct dispatch *d);

/* Has every sink delivered every committed alert? */
bool dispatch_idle(struct dispatch *d);

/* Alerts delivered to the log since the start, for STATUS=. */
int64_t dispatch_last_seq(const struct dispatch *d);

/* Up to `max` sinks as they are; what `out` points to lasts until the next reload.
 * Returns how many. */
#define DISPATCH_SINKS_MAX 66
size_t dispatch_sinks(struct dispatch *d, struct metrics_sink *out, size_t max);

/* End all sinks within `deadline_ms`; their cursors are handed to the writer.  NULL is
 * fine. */
void dispatch_free(struct dispatch *d, int64_t deadline_ms);
#endif
