#ifndef FEED_FILES_H
#define FEED_FILES_H
/* For the parser's benchmark and its checks: files read into memory, and items written
 * out so that two parses can be compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "feed_parse.h"

struct file {
    const char *name;
    char *s;
    size_t n;
};

static inline int file_read(struct file *f, const char *name)
{
    FILE *in = fopen(name, "rb");
    struct buf b;
    char chunk[65536];
    size_t n;

    if (!in)
        return -1;
    buf_init(&b, (size_t)64 << 20);
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        if (buf_put(&b, chunk, n) < 0)
            break;
    fclose(in);
    *f = (struct file){ name, b.s ? b.s : calloc(1, 1), b.n };
    return b.error;
}

static inline void put_field(struct buf *b, struct str s)
{
    (void)buf_printf(b, "%zu:", s.n);
    (void)buf_put_str(b, s);
}

/* A feed_item_fn: all of the item, unambiguously, into the buf that is `ctx`. */
static inline int put_item(void *ctx, const struct item *it, const struct feed_info *info)
{
    struct buf *b = ctx;
    const struct str *const list[] = { it->authors, it->categories, it->enclosures };
    const size_t n[] = { it->n_authors, it->n_categories, it->n_enclosures };
    const struct str field[] = { it->id,      it->link,    it->title,
                                 it->summary, it->content, it->lang };

    (void)info;
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        put_field(b, field[i]);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < n[i]; k++)
            put_field(b, list[i][k]);
    (void)buf_printf(b, "%lld %lld %d\n", (long long)it->published_s,
                     (long long)it->updated_s, it->cut);
    return b->error;
}
#endif
