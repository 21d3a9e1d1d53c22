#ifndef STORY_IMPL_H
#define STORY_IMPL_H
/* What the table of stories is made of, shared by its files. */
#include "name_table.h"
#include "story.h"
#include "story_index.h"

struct story_member { /* a feed that has the story */
    int64_t feed_id, time_ms;
    uint64_t link;
    char *source; /* packed, owned; only while the story waits */
    size_t source_n;
    struct story_ref *at; /* by its link, owned; NULL: not found by it */
};

struct story {
    struct story *older, *newer; /* in order of making */
    struct story *next_dirty;
    struct story_watch *watch;
    int64_t id;
    int64_t time_ms;  /* of its alert; while it waits, of its first item */
    int64_t until_ms; /* forget it after this */
    int64_t window_ms;
    int64_t feed_id; /* of its alert or, while it waits, its first item */
    struct seen_key key;
    bool waits, dirty, plain; /* plain: kept for updates only, nothing joins */
    uint32_t n_members, cap;
    struct story_member *member;
    struct story_print print;
    struct story_ref *ref; /* where it is found: by words of its title, and its item */
    uint32_t n_refs;
    /* while one is looked for */
    uint64_t asked;
    unsigned common;
    size_t bytes; /* as counted in the table */
};

struct story_watch {
    struct name_entry entry; /* first */
};

struct story_table {
    struct name_table watches;
    struct story *oldest, *newest, *dirty;
    size_t n, max, bytes;
    struct story_index index;
    uint64_t asked; /* how often one was looked for */
    struct story **found;
    size_t n_found, cap_found;
    int64_t last_id;
    int64_t *dead; /* rows to delete */
    size_t n_dead, cap_dead;
    struct buf packed;
};

struct story_watch *story_watch_of(struct story_table *t, struct str name);
void story_free(struct story_table *t, struct story *s);

/* Take a whole story in: in order, in the index, counted.  0 or -ENOMEM, then `s` is
 * still the caller's. */
int story_link_in(struct story_table *t, struct story *s, struct story_watch *w);

/* The oldest go while there are too many. */
void story_make_room(struct story_table *t);
#endif
