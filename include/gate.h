#ifndef GATE_H
#define GATE_H
/* What becomes of each hit, decided where everything is serial: on the writer's thread,
 * right before the commit that makes it last.  A hit is a new alert, told at once or held
 * back, or a source more of one, or it waits for more sources; what is held comes in a
 * digest later.  All that the gate remembers is in the store: gate_load() makes it again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config.h"
#include "seen.h"
#include "store.h"
#include "story.h"

struct gate;

/* A gate without rules: everything passes.  0 or -ENOMEM. */
int gate_new(struct gate **out);
void gate_free(struct gate *g); /* NULL is fine */

/* The rules of `config` (a reference is kept), ready to be taken.  0 or -ENOMEM. */
struct gate_rules;
int gate_rules_new(struct gate_rules **out, struct config *config, int64_t now_ms);
void gate_rules_free(struct gate_rules *r); /* NULL is fine */
/* Decide by them from now on; gate_load() must follow.  Takes them over, cannot fail. */
void gate_rules_take(struct gate *g, struct gate_rules *r, int64_t now_ms);

/* Remember what `store` says, and forget all else.  0 or -errno: then everything passes
 * until it works. */
int gate_load(struct gate *g, struct store *store, int64_t now_ms);
bool gate_loaded(const struct gate *g);

struct gate_input { /* the alerts of one change, in arrays that may be reordered */
    struct store_change *change;
    struct seen_key *keys;      /* the same as change->alert_keys */
    struct story_print *prints; /* one per alert; NULL: no story is looked for */
    bool recalled; /* of items that were there before their rule: for a digest only */
};

/* Decide on all alerts: those that are not to be recorded are moved behind n_alerts, the
 * others get `held`, `sources`, `update` and, when they are updates, key and id of their
 * own.  The result, to be committed behind all of them, is valid until the next call;
 * NULL: nothing.  gate_done() must follow. */
struct store_change *gate_judge(struct gate *g, const struct gate_input *in, size_t n,
                                int64_t now_ms);

/* Digests that are due at `now_ms`, as a change; NULL: none.  gate_done() must follow,
 * with n == 0.  `all`: also those that only wait for a storm or group to end. */
struct store_change *gate_due(struct gate *g, int64_t now_ms, bool all);

/* The commit is through: only now is it counted (metrics.h). */
void gate_done(struct gate *g, const struct gate_input *in, size_t n);

/* Or it failed: what was judged last is as it was, to be judged again; what the gate
 * remembers is wrong, it wants to be loaded. */
void gate_forget(struct gate *g);

/* When to ask gate_due() next, UTC ms. */
int64_t gate_next_ms(const struct gate *g);
#endif
