#ifndef SINK_FILE_H
#define SINK_FILE_H
/* Inside sink: directories and small files. */
#include <stddef.h>
#include "buf.h"

/* Make the directories that `path` lies in.  0 or -errno. */
int file_make_dirs(const char *path);

/* Make the name of a new file durable. */
void file_sync_dir(const char *path);

/* Append a regular file to `out`, which bounds it.  0 or -errno. */
int file_read(const char *path, struct buf *out);

/* Replace the file: readers see the old one or the new one, and so they do after a crash.
 * A new file may be read by all; one that is there keeps its mode.  0 or -errno. */
int file_replace(const char *path, struct str bytes);

#endif
