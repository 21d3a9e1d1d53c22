#ifndef STORY_H
#define STORY_H
/* The same story from several feeds: prints of items that can be compared, and a table of
 * the stories that a watch has alerted lately or that wait for more sources.  Pure: no
 * clock, no I/O, no logging; all times are UTC ms.
 *
 * Two items of different feeds are one story when their normalised links are equal or
 * their titles and leads nearly are.  Items of one feed are different stories, unless
 * link and text both agree.  In doubt they are two: an alert too many does less harm than
 * one that is missed. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "alert.h"
#include "buf.h"
#include "item.h"
#include "seen.h"
#include "text.h"

#define STORY_TITLE_MAX 28 /* words of a title that are compared */
#define STORY_LEAD_MAX 60  /* words of a lead */

struct story_print {
    uint64_t link; /* fingerprint of the normalised link; 0: none that says anything */
    bool piece;    /* no report, says its title: analysis, transcript, updates ... */
    uint8_t n_title, n_lead;
    uint32_t title[STORY_TITLE_MAX]; /* hashes of stems, ascending; the low 3 bits are */
    uint32_t lead[STORY_LEAD_MAX];   /* the weight of the word less one */
};

/* The print of `item`; `words` and `work` are scratch.  0 or -ENOMEM. */
int story_print(struct story_print *out, const struct item *item, struct text *words,
                struct buf *work);

/* The packed form, at most STORY_PRINT_BYTES.  Taking it: 0 or -EBADMSG. */
#define STORY_PRINT_HEAD 11
#define STORY_PRINT_BYTES (STORY_PRINT_HEAD + 4 * (STORY_TITLE_MAX + STORY_LEAD_MAX))
int story_print_pack(const struct story_print *p, struct buf *out);
int story_print_unpack(struct story_print *out, struct str packed);

/* The stem and the weight of a word of a title or lead. */
uint32_t story_stem(uint32_t word);
unsigned story_weight(uint32_t word);

/* How much of the weight of both titles, and of both leads, is common: 0 to 1000. */
unsigned story_title_likeness(const struct story_print *a, const struct story_print *b);
unsigned story_lead_likeness(const struct story_print *a, const struct story_print *b);

/* The sum of four parts of 0 to 1000: the two titles; title and lead, of all words and of
 * those of the shorter text; and the title of each in the text of the other. */
unsigned story_likeness(const struct story_print *a, const struct story_print *b);

/* Do they report one event, `gap_ms` apart?  And by how much are they more alike than
 * that takes: less than 0 when they do not. */
#define STORY_APART (-10000) /* by any measure */
int story_margin(const struct story_print *a, const struct story_print *b,
                 int64_t gap_ms);
bool story_text_same(const struct story_print *a, const struct story_print *b,
                     int64_t gap_ms);

/* Is `common` enough of the weight of a title?  Less never counts as the same text. */
bool story_title_enough(unsigned common, unsigned title);

/* Has an item changed so much that it is news again?  Not by a typo or a word more. */
bool story_changed(const struct story_print *before, const struct story_print *after);

/* --- the table --- */

struct story_table;

/* At most `max` stories are remembered, the oldest go first (one that waits for sources
 * last).  NULL when out of memory. */
struct story_table *story_table_new(size_t max);
void story_table_free(struct story_table *t); /* NULL is fine */

struct story_case { /* one hit of a watch */
    struct str watch, feed, title, link;
    int64_t feed_id;
    struct seen_key key; /* of the item */
    const struct story_print *print;
    int64_t now_ms;
    int64_t window_ms;    /* how long a story is remembered */
    int64_t keep_ms;      /* how long its prints are, for updates; >= window_ms counts */
    unsigned min_sources; /* feeds that must have it; 0 and 1: the first is enough */
    int64_t within_ms;    /* of each other, with min_sources > 1 */
    bool collapse;        /* false: group_by = item; only updates are looked for */
    bool update;          /* the item was known and has changed */
};

enum story_verdict {
    STORY_ALERT,   /* raise it, with *sources of earlier feeds (min_sources) */
    STORY_JOINS,   /* a source more of an alert that was raised */
    STORY_REPEATS, /* nothing new: the same feed and link again, or no real change */
    STORY_WAITS,   /* until more feeds have it */
    STORY_UPDATE,  /* the item alerted before and has changed: raise it as an update */
};

struct story_result {
    enum story_verdict verdict;
    int64_t feed_id;     /* STORY_JOINS: the alert that it joins */
    struct seen_key key; /*   is that of this feed, item */
    bool list_full;      /* STORY_JOINS: it has so many sources that no more are kept */
};

#define STORY_SOURCES_MAX 32 /* that a story keeps */

/* Judge one hit and remember it.  `sources` gets the packed sources for STORY_ALERT (may
 * stay empty).  0 or -ENOMEM, then nothing changed. */
int story_judge(struct story_table *t, const struct story_case *c,
                struct story_result *out, struct buf *sources);

/* --- durability: each story is one row, written when it changed --- */

struct story_row {
    int64_t id;
    int64_t until_ms; /* it may be forgotten after this; 0: the row goes */
    struct str watch;
    struct str packed; /* empty: the row goes */
};

/* Hand out the rows that changed since the last call; true while there is one more.
 * Strings are valid until the next call with this table. */
bool story_take_row(struct story_table *t, struct story_row *out);

/* Take a row as it was stored.  0, -ENOMEM, or -EBADMSG: not a row. */
int story_put_row(struct story_table *t, const struct story_row *row);

/* Forget what is over at `now_ms`.  Calls `each` (may be NULL) for a story that waited in
 * vain. */
typedef void story_expired_fn(void *ctx, struct str watch, struct str title,
                              unsigned sources);
void story_expire(struct story_table *t, int64_t now_ms, story_expired_fn *each,
                  void *ctx);

size_t story_count(const struct story_table *t);
/* Bytes of memory that the stories take. */
size_t story_bytes(const struct story_table *t);
#endif
