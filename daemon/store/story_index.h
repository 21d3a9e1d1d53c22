#ifndef STORY_INDEX_H
#define STORY_INDEX_H
/* Lists of stories by 64-bit keys, so that looking for one does not look at all.  A key
 * may stand for two things by chance: callers look again at what they find. */
#include <stddef.h>
#include <stdint.h>

struct story;

struct story_list { /* of one key; gone with its last story */
    uint64_t key;
    struct story_list *next; /* in its slot */
    struct story_ref *first; /* the newest */
    size_t n;
};

struct story_ref {           /* one story in one list; must not move while it is in it */
    struct story_list *list; /* NULL: in none */
    struct story_ref *older, *newer;
    struct story *story;
};

struct story_index {
    struct story_list **slot; /* a power of two, or NULL */
    size_t cap, n;
};

void story_index_free(struct story_index *x); /* with no story in it */

/* Put `ref` of `s` under `key`.  0 or -ENOMEM. */
int story_index_put(struct story_index *x, uint64_t key, struct story_ref *ref,
                    struct story *s);

/* Take it out again; nothing when it is in no list. */
void story_index_take(struct story_index *x, struct story_ref *ref);

/* NULL: no story has the key. */
const struct story_list *story_index_find(const struct story_index *x, uint64_t key);

size_t story_index_bytes(const struct story_index *x);
#endif
