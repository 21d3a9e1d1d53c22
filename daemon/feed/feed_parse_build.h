#ifndef FEED_PARSE_BUILD_H
#define FEED_PARSE_BUILD_H
/* Putting an item (or the feed's own data) together from competing pieces: the better
 * rank wins, the first of equals.  Shared by the parsers; private to feed_parse. */
#include "buf.h"
#include "feed_parse.h"

enum feed_field {
    FEED_TITLE,
    FEED_SUMMARY,
    FEED_CONTENT,
    FEED_ID,
    FEED_LINK,
    FEED_LANG,
    FEED_SELF,
    FEED_HUB,
    FEED_NEW_URL,
    FEED_FIELDS,
};

enum feed_time { FEED_PUBLISHED, FEED_UPDATED, FEED_TIMES };

enum feed_form {
    FEED_FORM_TEXT, /* literal: only white space is collapsed */
    FEED_FORM_HTML, /* HTML, perhaps escaped twice */
};

enum feed_list_kind { FEED_AUTHORS, FEED_CATEGORIES, FEED_ENCLOSURES, FEED_LISTS };

struct feed_list {
    struct buf bytes; /* NUL-terminated strings in a row */
    struct str *at;
    size_t n, cap;
};

struct feed_slot {
    struct buf raw;
    unsigned rank; /* FEED_NO_RANK: empty */
    enum feed_form form;
    bool cut;
};

#define FEED_NO_RANK 255u

struct feed_build { /* zero-initialise, then feed_build_init */
    struct feed_slot slot[FEED_FIELDS];
    struct buf scratch; /* the piece being read */
    struct feed_list list[FEED_LISTS];
    int64_t time_s[FEED_TIMES];
    unsigned time_rank[FEED_TIMES];
    struct buf plain[3]; /* title, summary, content as plain text */
    size_t max_text;
    bool scratch_cut, no_alt;
    bool last_link; /* RSS allows a channel one link: of equal ones the last stands */
    int error;      /* 0 or -ENOMEM; sticky */
};

void feed_build_init(struct feed_build *b, size_t max_text);
void feed_build_done(struct feed_build *b);
void feed_build_clear(struct feed_build *b); /* for the next item; memory is kept */

/* Would a piece of this rank count? */
bool feed_build_wants(const struct feed_build *b, enum feed_field f, unsigned rank);

/* Add to the piece in scratch; what is longer than the bound is cut at a character. */
void feed_build_add(struct feed_build *b, const char *s, size_t n);

/* Take the piece in scratch, without the white space around it, for `f` if it is not
 * blank and its rank is better than what is there.  Scratch is empty afterwards. */
void feed_build_take(struct feed_build *b, enum feed_field f, unsigned rank,
                     enum feed_form form);
/* The same for a string at hand. */
void feed_build_set(struct feed_build *b, enum feed_field f, unsigned rank,
                    enum feed_form form, struct str s);

/* `lang`: of the text, where that is known. */
/* Of times of the same rank the last stands. */
void feed_build_time(struct feed_build *b, enum feed_time t, unsigned rank,
                     struct str text, struct str lang);

/* Append to a list unless blank or there already. */
void feed_build_list(struct feed_build *b, enum feed_list_kind k, struct str s);

/* The absolute form of `ref`, if it is a web address, as a piece for `f`. */
void feed_build_link(struct feed_build *b, enum feed_field f, unsigned rank,
                     struct str base, struct str ref);
/* A link that was taken before any base was known: make it absolute after all. */
void feed_build_rebase(struct feed_build *b, enum feed_field f, struct str base);
void feed_build_enclosure(struct feed_build *b, struct str base, struct str ref);

struct str feed_build_get(const struct feed_build *b, enum feed_field f);

/* The item as later stages want it; borrowed from `b`.  0 or -ENOMEM. */
int feed_build_item(struct feed_build *b, struct item *out);

/* The plain text of a slot, into buffer `which` (0..2). */
struct str feed_build_plain(struct feed_build *b, enum feed_field f, unsigned which);
#endif
