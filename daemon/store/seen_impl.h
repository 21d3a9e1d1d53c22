#ifndef SEEN_IMPL_H
#define SEEN_IMPL_H
/* The window of seen.c: entries and their indexes (seen_window.c). */
#include "seen.h"

#define NONE UINT32_MAX
#define SEEN_ENTRIES_MAX 100000 /* against hostile feeds: ten times a document */

enum evidence { BY_KEY, BY_LINK, BY_TEXT, BY_BYTES, INDEXES };

enum {                    /* flags; the first byte is stored */
       E_PREVIOUS = 1,    /* stored as: listed by the latest document */
       E_KEY_SHARED = 2,  /* different items carry this id */
       E_LINK_SHARED = 4, /* different items carry this link */
       E_REBORN = 8,      /* the item was known under another key before */
       E_LISTED = 0x100,  /* in this document */
       E_DOUBT = 0x200,   /* not decided yet */
       E_DEAD = 0x400,    /* in no index, not stored */
};

struct entry {
    uint64_t key, link, text;
    uint64_t bytes; /* print of the bytes it was made of; 0: unknown */
    uint32_t time;  /* UTC seconds that it gave; 0: none */
    int32_t day;    /* last listed */
    uint16_t date, flags;
    uint8_t kind;           /* enum evidence of the doubt */
    uint32_t about;         /* the entry it is about */
    uint32_t next[INDEXES]; /* chains, by enum evidence */
};

struct seen_window {
    struct entry *entry;
    uint32_t n, cap, dead;
    uint32_t *head[INDEXES]; /* 1 << bits chains each */
    unsigned bits;
    int32_t last_day; /* of the last whole document; 0: none yet */
    bool churn, hold, finished;
    size_t previous, had, overlap, fresh, known, rekeyed, echoes;
};

/* The first entry whose key, link, text or bytes is `value`, and the next after `at`. */
uint32_t window_first(const struct seen_window *w, enum evidence by, uint64_t value);
uint32_t window_next(const struct seen_window *w, enum evidence by, uint32_t at,
                     uint64_t value);

/* Add an entry, listed on `day`.  0 and *made, or -ENOMEM. */
int window_add(struct seen_window *w, const struct seen_print *p, int32_t day,
               uint32_t *made);
void window_remove(struct seen_window *w, uint32_t at);
void window_set_key(struct seen_window *w, struct entry *e, uint64_t key);
void window_set_prints(struct seen_window *w, struct entry *e,
                       const struct seen_print *p);
void window_set_bytes(struct seen_window *w, struct entry *e, uint64_t bytes);

/* Drop the longest absent entries of a window that is past all bounds. */
void window_bound(struct seen_window *w);
#endif
