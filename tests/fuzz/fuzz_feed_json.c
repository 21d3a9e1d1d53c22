/* Fuzz the JSON feed parser: every input is made to start like one. */
#include "fuzz_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "{\"items\":[";
    struct buf b;

    if (size < 1)
        return 0;
    buf_init(&b, 1 << 20);
    (void)buf_put(&b, data, 1);
    (void)buf_put(&b, head, data[0] & 32 ? 1 : sizeof head - 1);
    (void)buf_put(&b, data + 1, size - 1);
    if (!b.error)
        fuzz_feed((const uint8_t *)b.s, b.n);
    buf_free(&b);
    return 0;
}
