#ifndef SEEN_H
#define SEEN_H
/* What "new" means: an item's identity, and a feed's window of the items it has shown.
 * Pure: no clock, no I/O.  Days count from 1970-01-01 UTC.
 *
 * The key of an item is the first present of id, link, title + date + text.  A new key
 * whose link or text is known in this feed is the same item under another name (re-key
 * guard), unless the feed shows that its links or texts do not tell items apart.  The
 * whole decision table stands at the head of seen.c. */
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
    uint64_t link;  /* fingerprint of the normalised link; 0: none, or a mere home page */
    uint64_t text;  /* fingerprints of title (upper 32 bits) and lead; 0: none */
    uint16_t date;  /* fingerprint of the time published; 0: none */
    bool anonymous; /* neither id nor link: the key is made of the content */
};

enum seen_verdict {
    SEEN_NEW,     /* never shown by this feed */
    SEEN_KNOWN,   /* shown before, unchanged */
    SEEN_REKEYED, /* new key, but link or text known: the same item */
    SEEN_UPDATED, /* known key, other title or text */
    SEEN_DOUBT,   /* only the rest of the document can tell: hold it, then seen_settle */
};

/* The print of `item`.  `scratch` is working memory, cleared first.  0 or -ENOMEM. */
int seen_print(struct seen_print *out, const struct item *item, struct buf *scratch);

/* The alert-stable id of a key, 32 hex digits, for logs and URLs. */
void seen_key_hex(char out[33], const struct seen_key *key);

struct seen_window;

/* Make a window from its packed form (n == 0: an empty one).  0, -ENOMEM, or -EBADMSG
 * when the bytes are not a window. */
int seen_window_new(struct seen_window **out, const void *packed, size_t n);
void seen_window_free(struct seen_window *w);

/* From now on seen_judge may answer SEEN_DOUBT.  Without this call each doubt is decided
 * at once, towards "new" when title and text both differ from what is known. */
void seen_window_hold(struct seen_window *w);

/* Judge `p` and remember it as shown on `day`.  When the id of `p` turns out to be shared
 * by different items, p->key is replaced by the key that tells them apart: alerts must
 * use the key as it is after the call.  0 and *verdict, or -ENOMEM. */
int seen_judge(struct seen_window *w, struct seen_print *p, int32_t day,
               enum seen_verdict *verdict);

/* An item made of the very same bytes as before need not be judged: its verdict would be
 * SEEN_KNOWN.
 *
 * The item just judged as new, known or updated, with its key in `p` left as it was, is
 * made of bytes with this print (not 0), and gives this time (ITEM_NO_TIME: none). */
void seen_remember_bytes(struct seen_window *w, const struct seen_print *p,
                         uint64_t bytes, int64_t time_s);
/* True: the item that the document shows here is known, as seen_judge() would find; and
 * the time it gave. */
bool seen_know_bytes(struct seen_window *w, uint64_t bytes, int32_t day, int64_t *time_s);

/* After the last item, before prune and pack: what became of a doubtful item (`p` as
 * seen_judge left it).  SEEN_NEW, SEEN_REKEYED or SEEN_UPDATED.  `whole`: the document
 * did not break off. */
enum seen_verdict seen_settle(struct seen_window *w, const struct seen_print *p,
                              bool whole);

/* After a whole document: forget items that were not in it and have been absent from the
 * feed's documents for more than `keep_days`.  Times without any document, and jumps of
 * the clock, count as a week at most.  Doubts that nobody settled are settled.  Returns
 * how many were forgotten. */
size_t seen_window_prune(struct seen_window *w, int32_t day, int32_t keep_days);

/* How many keys of the previous document were in this one and how many items this one
 * had, since seen_window_new; a gap is: had > 0, overlap == 0, and previous > 0. */
struct seen_stats {
    size_t entries;  /* remembered keys */
    size_t previous; /* listed by the previous document */
    size_t had, overlap, fresh;
    size_t rekeyed; /* items that were known under another key, or seem to be */
    bool churn;     /* ids of this feed do not last: text counts as identity */
};
void seen_window_stats(const struct seen_window *w, struct seen_stats *out);

/* Append the packed form: 26 bytes an item, 12 more for one that the latest document
 * listed.  May be called in the middle of a document;
 * items still in doubt are left out, so that they are judged again after a crash.  0 or
 * -errno. */
int seen_window_pack(const struct seen_window *w, struct buf *out);
#endif
