#ifndef SNAPSHOT_H
#define SNAPSHOT_H
/* One generation of what the user asked for: the checked config and its rules, compiled.
 * Immutable, shared by all threads behind a reference count; a reload makes a new one
 * beside it. */
#include <stdbool.h>
#include <stdint.h>
#include "buf.h"
#include "config.h"
#include "match.h"

struct snapshot {
    struct config *config; /* rule ids are indices into config->watches */
    struct match_set *rules;
    uint64_t generation; /* of the store: moves when the content of the config does */
};

/* Compile the rules of `config` and take a reference to it.  Of the one that it follows
 * (NULL: of none) it learns which words are common.  0, -ENOMEM, or -EINVAL with
 * one line for people in `why`. */
int snapshot_new(struct snapshot **out, struct config *config, uint64_t generation,
                 const struct snapshot *before, struct buf *why);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* NULL is fine */

/* How many there are: more than one while something, as a poll in flight, goes on with an
 * older one. */
unsigned snapshot_alive(void);

/* The regex of rule `id` ran into its limit.  True the first time, whichever thread asks;
 * how many rules have, and whether one has. */
bool snapshot_limit(struct snapshot *s, uint32_t id);
size_t snapshot_n_limited(const struct snapshot *s);
bool snapshot_is_limited(const struct snapshot *s, uint32_t id);

/* Does `watch` look at feeds named `feed` of group `group`? */
bool snapshot_watch_covers(const struct config_watch *watch, const char *feed,
                           const char *group);
#endif
