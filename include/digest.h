#ifndef DIGEST_H
#define DIGEST_H
/* A digest: what of one watch was held back, told at once to the sinks that are no log
 * (the log has a line for each alert).  Digests have numbers of their own; a sink may get
 * one twice, with the same id.  Pure.
 *
 * Texts are safe for one line or a list of lines, as those of alert.h. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alert.h"
#include "buf.h"

#define DIGEST_ALERTS_MAX 50 /* listed; the others are only counted */

struct digest {
    int64_t seq;                  /* 1, 2, 3 ... of the digests, without gaps */
    char id[33];                  /* stable, in hex */
    int64_t time_ms;              /* when it was made, UTC */
    int64_t count;                /* alerts that were held back */
    int64_t first_seq, last_seq;  /* of the alerts among which they are */
    enum alert_priority priority; /* the highest of theirs */
    bool late;                    /* they were found after downtime or suspend */
    struct str watch;
    struct str reason; /* why, each word ended by '\n': "quiet\nstorm\n" */
    struct str sinks;  /* as in struct alert: empty: all */
    const struct alert *const *alerts; /* the listed ones, oldest first */
    size_t n;
};

/* Append one line, without newline: "summit: 12 alerts held back (quiet hours)"; with a
 * single alert its title stands there. */
int digest_title(struct buf *out, const struct digest *d);

/* Append a line for each alert that is listed, at most `max`, and one that counts the
 * rest: "12:03 [kyivpost] Title". */
int digest_lines(struct buf *out, const struct digest *d, size_t max);

/* Append the whole as one line of JSON with its newline: digest, id, time, watch, reason,
 * late, count, alerts (each as a line of the log has it). */
int digest_json(struct buf *out, const struct digest *d);

/* A copy with copies of the alerts it lists.  NULL: out of memory. */
struct digest *digest_copy(const struct digest *d);
void digest_copy_free(struct digest *d); /* NULL is fine */
#endif
