#ifndef CMD_DRAFT_H
#define CMD_DRAFT_H
/* What add and import share: feeds that are to be added to a configuration, their names,
 * and the file in conf.d that they become. */
#include <stdbool.h>
#include <stddef.h>
#include "buf.h"
#include "config.h"

enum { DRAFT_NAME_MAX = 64 }; /* bytes of a name, as config.h allows */

/* Make a name that the config takes out of any text: letters, digits, '.', '_' and
 * letters beyond ASCII stay, the rest becomes '-'; at most `max` bytes.  Empty when
 * nothing is left of it.  0 or -errno. */
int draft_slug(struct buf *out, struct str text, bool lower, size_t max);

/* Can a feed or group be called so?  If not, says it on stderr. */
bool draft_name_ok(const char *command, const char *what, const char *name);

/* Load the config at `path`, which may have no feeds yet: one more stands behind them,
 * DRAFT_STANDIN, for the caller to pass over.  0, or the exit status after saying on
 * stderr what is wrong. */
#define DRAFT_STANDIN "feedwatch-stands-in"
int draft_load(struct config **out, const char *command, const char *path);

/* The feeds known so far, by name and by normalised URL; at first those of `config`. */
struct draft_index;
int draft_index_new(struct draft_index **out, const struct config *config);
void draft_index_free(struct draft_index *x);

/* The name of the feed that has this URL but for what does not tell feeds apart
 * (url_normalise), or NULL. */
const char *draft_find_url(struct draft_index *x, const char *url);
bool draft_has_name(const struct draft_index *x, const char *name);

/* Put into `out` the first of name, name-2, name-3 ... that is free.  0 or -errno. */
int draft_unique(const struct draft_index *x, struct str name, struct buf *out);

/* Note a feed of one's own.  0 or -ENOMEM. */
int draft_note(struct draft_index *x, const char *name, const char *url);

/* Append the section of a feed.  `group` may be "". */
void draft_put_feed(struct buf *out, const char *name, const char *url,
                    const char *group);

/* Load the config at `path` together with `text`.  0, or the exit status after saying on
 * stderr what is wrong. */
int draft_check(struct config **out, const char *command, const char *path,
                struct str text);

/* Write `text` as conf.d/STEM.ini (or STEM-2.ini ...) beside the config at `path`: whole,
 * durable, never over another file.  Its path goes to `where`.  0, or -1 after saying on
 * stderr what is wrong. */
int draft_place(const char *command, const char *path, const char *stem, struct str text,
                struct buf *where);

/* Say how a running daemon gets to see a changed config. */
void draft_next_step(const struct config *config);
#endif
