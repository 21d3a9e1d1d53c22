#ifndef FUZZ_FEED_H
#define FUZZ_FEED_H
/* What the fuzz targets of the parsers share: parse whole and in pieces, and compare. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "feed_parse.h"
#include "utf8.h"

#define MUST(x)                                                                          \
    do {                                                                                 \
        if (!(x)) {                                                                      \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #x);        \
            abort();                                                                     \
        }                                                                                \
    } while (0)

static inline void check_text(struct str s)
{
    for (size_t i = 0, len; i < s.n; i += len)
        MUST(utf8_get(s.s + i, s.n - i, &len) != UTF8_BAD && s.s[i]);
    MUST(s.n == 0 || s.s[s.n] == '\0');
}

static inline int fuzz_item(void *ctx, const struct item *it,
                            const struct feed_info *info)
{
    struct buf *b = ctx;
    const struct str field[] = { it->id,      it->link,    it->title,   it->lang,
                                 it->summary, it->content, info->title, info->link };
    const struct str *const list[] = { it->authors, it->categories, it->enclosures };
    const size_t n[] = { it->n_authors, it->n_categories, it->n_enclosures };

    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        check_text(field[i]);
        (void)buf_printf(b, "%zu:", field[i].n);
        (void)buf_put_str(b, field[i]);
    }
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < n[i]; k++)
            check_text(list[i][k]);
    (void)buf_printf(b, "%lld\n", (long long)it->published_s);
    return b->error ? -1 : 0;
}

static inline void fuzz_parse(struct buf *out, struct feed_parse_result *r, const char *s,
                              size_t n, size_t step)
{
    struct feed_parse_options opt = { .url = STR("http://e.org/f") };
    struct feed_parse *p = NULL;

    buf_init(out, 64 << 20);
    MUST(feed_parse_new(&p, &opt, fuzz_item, out) == 0);
    for (size_t i = 0; i < n; i += step)
        if (feed_parse_push(p, s + i, n - i < step ? n - i : step) < 0)
            break;
    feed_parse_finish(p, r);
    feed_parse_free(p);
}

/* The first byte chooses the size of the pieces. */
static inline void fuzz_feed(const uint8_t *data, size_t size)
{
    struct buf whole, pieces;
    struct feed_parse_result a, b;

    if (size < 2)
        return;
    const char *s = (const char *)data + 1;
    size_t n = size - 1, step = (size_t)(data[0] & 31) + 1;
    fuzz_parse(&whole, &a, s, n, n);
    fuzz_parse(&pieces, &b, s, n, step);
    /* How often a hopeless document was mended may depend on the split, whether it was
     * not. */
    MUST(a.status == b.status && a.items == b.items && a.wellformed == b.wellformed);
    MUST(str_eq(buf_str(&whole), buf_str(&pieces)));
    buf_free(&whole);
    buf_free(&pieces);
}
#endif
