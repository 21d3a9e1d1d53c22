/* Fuzz: bytes that claim to be kept items do no harm, and what is packed comes back. */
#include "fuzz/fuzz.h"
#include <string.h>
#include "history.h"

static int touch(void *ctx, const struct history_item *h)
{
    size_t *sum = ctx;
    const struct str *all[] = { &h->feed,         &h->item.title, &h->item.summary,
                                &h->item.content, &h->item.link,  &h->item.lang };

    for (size_t i = 0; i < 6; i++)
        for (size_t k = 0; k < all[i]->n; k++)
            *sum += (unsigned char)all[i]->s[k];
    for (size_t i = 0; i < h->item.n_authors; i++)
        *sum += h->item.authors[i].n;
    return *sum % 1009 == 7 ? 1 : 0;
}

static int same(void *ctx, const struct history_item *h)
{
    struct str *want = ctx;

    MUST(str_eq(h->item.title, *want));
    *want = (struct str){ NULL, SIZE_MAX };
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str in = { (const char *)data, n };
    struct buf raw, packed;
    size_t sum = 0;

    (void)history_each(in, touch, &sum);
    buf_init(&raw, 1 << 20);
    buf_init(&packed, 1 << 20);
    MUST(history_pack(&packed, in) == 0); /* what was compressed may be anything, too */
    (void)history_each(buf_str(&packed), touch, &sum);
    buf_clear(&packed);
    if (n < 4000) {
        struct history_item h = { .item.title = in };
        struct str want = in;

        if (history_put(&raw, &h) == 0 && history_pack(&packed, buf_str(&raw)) == 0 &&
            in.n) {
            h.item.title = in;
            int r = history_each(buf_str(&packed), same, &want);
            MUST(r == 0 && want.n == SIZE_MAX);
        }
    }
    buf_free(&raw);
    buf_free(&packed);
    return 0;
}
