#ifndef DISPATCH_MUTE_H
#define DISPATCH_MUTE_H
/* Inside the dispatcher: watches that are muted at one sink are kept in the store. */
#include "sink.h"
#include "store.h"
#include "writer.h"

/* Give the sink what was kept of it.  0 or -errno. */
int mutes_open(struct store *store, struct sink *sink, const char *name);

/* When something has changed: say so, and let the writer keep it. */
void mutes_save(struct writer *writer, struct sink *sink, const char *name);
#endif
