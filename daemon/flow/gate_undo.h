#ifndef GATE_UNDO_H
#define GATE_UNDO_H
/* Inside the gate: hits as they were before they were judged, and in their order, for
 * when their commit fails. */
#include "gate.h"

struct gate_undo { /* zero-initialise */
    const struct gate_input *input;
    size_t n_input, cap_input;
    size_t *whole; /* how many alerts each change had */
    struct gate_was *was;
    size_t n, cap;
};

/* `n` changes are about to be judged.  0 or -ENOMEM. */
int gate_undo_begin(struct gate_undo *u, const struct gate_input *in, size_t n);

/* Id, key or `update` of the alert at `i` is about to be changed; those before it keep
 * their places from now on.  Without memory it stays changed, whatever its commit comes
 * to. */
void gate_undo_keep(struct gate_undo *u, const struct gate_input *in, size_t i);

/* The alert at `i` is not to be recorded: it goes behind the last that counts. */
void gate_undo_drop(struct gate_undo *u, const struct gate_input *in, size_t i);

/* All as it was; without `held` and `sources`. */
void gate_undo_all(struct gate_undo *u);

void gate_undo_clear(struct gate_undo *u); /* it was right */
void gate_undo_done(struct gate_undo *u);
#endif
