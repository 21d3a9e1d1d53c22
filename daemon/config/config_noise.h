#ifndef CONFIG_NOISE_H
#define CONFIG_NOISE_H
/* Inside config: the keys that say when a watch speaks. */
#include "config_parts.h"

/* What [feedwatch] says for all watches; NULL: out of memory (l->oom is set). */
const struct config_noise *config_noise_general(struct loader *l);

/* The same with the keys of one watch on top; `general` itself when it has none. */
const struct config_noise *config_noise_of(struct loader *l,
                                           const struct config_noise *general,
                                           const struct draft_noise *own);
#endif
