/* Fuzz the XML feed parser: the same items whole and in pieces, all text valid; and the
 * same when it passes over the items that it knows by their bytes. */
#include "fuzz_feed.h"
#define KNOWN_MAX 256
#include "../bench/known_items.h"

/* Twice: in pieces, then whole; the second knows what the first had. */
static void fuzz_known(const uint8_t *data, size_t size)
{
    static struct known known;
    struct feed_parse_result want, got;
    struct buf all, some;

    if (size < 2)
        return;
    struct str doc = { (const char *)data + 1, size - 1 };
    buf_init(&all, 64 << 20);
    buf_init(&some, 64 << 20);
    MUST(known_parse(NULL, &all, &want, doc, doc.n) == 0);
    for (int i = 0; i < 2; i++) {
        buf_clear(&some);
        MUST(known_parse(&known, &some, &got, doc,
                         i ? doc.n : (size_t)(data[0] & 31) + 7) == 0);
        MUST(known_same(&got, &want));
        MUST(str_eq(buf_str(&some), buf_str(&all)));
    }
    known_forget(&known);
    buf_free(&all);
    buf_free(&some);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_feed(data, size);
    fuzz_known(data, size);
    return 0;
}
