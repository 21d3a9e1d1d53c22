#ifndef CMD_OPML_H
#define CMD_OPML_H
/* Reading OPML (2.0 and before), under bounds: outlines that name a feed, and the
 * outlines around them as their group. */
#include <stddef.h>
#include "str.h"

enum {
    OPML_BYTES_MAX = 64 << 20,
    OPML_FEEDS_MAX = 200000,
    OPML_DEPTH_MAX = 64,
    OPML_TEXT_MAX = 4096,     /* of an attribute that we look at; a longer one is cut */
    OPML_TOKEN_MAX = 1 << 20, /* one tag, comment or the like */
};

struct opml_feed {           /* borrowed for the call; UTF-8 */
    struct str url;          /* xmlUrl as it stands there, trimmed; any scheme */
    struct str title;        /* text, else title; may be empty */
    const struct str *group; /* titles of the outlines around it, outermost first */
    size_t n_group;
    unsigned long line;
};

/* Gets each feed in order.  Non-zero stops the reading. */
typedef int opml_feed_fn(void *ctx, const struct opml_feed *f);

/* Read `fd` to its end.  0, what `each` returned, or -errno with one line for people in
 * `why`: -EINVAL it is no OPML, -E2BIG a bound was hit; -EIO ... reading failed. */
int opml_read(int fd, opml_feed_fn *each, void *ctx, char why[200]);
#endif
