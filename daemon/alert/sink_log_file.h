#ifndef SINK_LOG_FILE_H
#define SINK_LOG_FILE_H
/* Inside sink_log: the file below the alert log. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "buf.h"

/* Open (or create, with its directories) the log for appending.  The descriptor or
 * -errno; *made says whether the file is new. */
int log_file_open(const char *path, bool *made, struct buf *why);

/* Keep other processes from writing; again and again is fine, and needed: another
 * descriptor of ours that is closed takes the lock away (fcntl(2)).  0 or -EBUSY. */
int log_file_lock(int fd);

/* The number in the last whole line that is ours, looking back up to 1 MiB: -1 for an
 * empty file.  `mend`: cut off a last line without its end.  0, or -errno: -EEXIST when
 * the file holds something else. */
int log_file_read_back(int fd, bool mend, int64_t *seq);

/* The number for the newest rotated sibling of `path` (path.1, path-20260101, ...); -1
 * when there is none that can be read. */
int64_t log_file_rotated_seq(const char *path);

/* Append `n` bytes.  Returns how many are in the file: fewer than `n` only with *error =
 * -errno. */
size_t log_file_append(int fd, const char *bytes, size_t n, int *error);

/* Does `path` still name the open file? */
bool log_file_is(int fd, const char *path);
#endif
