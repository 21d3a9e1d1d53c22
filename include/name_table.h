#ifndef NAME_TABLE_H
#define NAME_TABLE_H
/* Entries found by their names: a hash table of pointers.  An entry is a struct whose
 * first member is struct name_entry; the table owns it. */
#include <stddef.h>
#include <stdint.h>
#include "str.h"

struct name_entry {
    char *name;
    uint64_t hash;
};

struct name_table {           /* zero-initialise */
    struct name_entry **slot; /* open addressing; a power of two, or none */
    size_t cap, n;
};

/* The entry of this name; NULL: there is none. */
void *name_table_find(const struct name_table *t, struct str name);

/* The same, made when there is none: `bytes` of zeros behind its name.  NULL: out of
 * memory. */
void *name_table_get(struct name_table *t, struct str name, size_t bytes);

/* The next entry in no order, from *at = 0; NULL behind the last. */
void *name_table_next(const struct name_table *t, size_t *at);

/* Free the table and all entries; what they hold is the caller's to free before. */
void name_table_done(struct name_table *t);
#endif
