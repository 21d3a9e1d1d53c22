/* Fuzz the XML feed parser: the same items whole and in pieces, all text valid. */
#include "fuzz_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_feed(data, size);
    return 0;
}
