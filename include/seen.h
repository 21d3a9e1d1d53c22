#ifndef SEEN_H
#define SEEN_H
/* What "new" means: an item's identity, and a feed's window of the items it has shown.
 * Pure: no clock, no I/O.  Days count from 1970-01-01 UTC.
 *
 * The key of an item is the first present of id, link, title + date + text.  A new key
 * whose link or text is known in this feed is the same item under another name (re-key
 * guard). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "item.h"

struct seen_key {
    uint64_t hi, lo; /* 128-bit hash, scoped to its feed */
};

struct seen_print { /* everything `seen` knows of an item */
    struct seen_key key;
    uint64_t link; /* fingerprint of the normalised link; 0: none */
    uint64_t text; /* fingerprint of the normalised title and text; 0: none */
};

enum seen_verdict {
    SEEN_NEW,     /* never shown by this feed */
    SEEN_KNOWN,   /* shown before, unchanged */
    SEEN_REKEYED, /* new key, but link or text known: the same item */
    SEEN_UPDATED, /* known key, other title or text */
};

/* The print of `item`.  `scratch` is working memory, cleared first.  0 or -ENOMEM. */
int seen_print(struct seen_print *out, const struct item *item, struct buf *scratch);

/* The alert-stable 16-hex-digit id of a key, for logs and URLs. */
void seen_key_hex(char out[33], const struct seen_key *key);

struct seen_window;

/* Make a window from its packed form (n == 0: an empty one).  0, -ENOMEM, or -EBADMSG
 * when the bytes are not a window. */
int seen_window_new(struct seen_window **out, const void *packed, size_t n);
void seen_window_free(struct seen_window *w);

/* Judge `p` and remember it as shown on `day`.  0 and *verdict, or -ENOMEM. */
int seen_judge(struct seen_window *w, const struct seen_print *p, int32_t day,
               enum seen_verdict *verdict);

/* After a whole document: forget items that were not in it and were last shown more than
 * `keep_days` before `day`.  Returns how many were forgotten. */
size_t seen_window_prune(struct seen_window *w, int32_t day, int32_t keep_days);

/* How many keys of the previous document were in this one and how many items this one
 * had, since seen_window_new; a gap is: had > 0, overlap == 0, and the window was not
 * empty. */
struct seen_stats {
    size_t entries, had, overlap, fresh;
};
void seen_window_stats(const struct seen_window *w, struct seen_stats *out);

/* Append the packed form: about 40 bytes an item.  0 or -errno. */
int seen_window_pack(const struct seen_window *w, struct buf *out);
#endif
