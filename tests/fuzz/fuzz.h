#ifndef FUZZ_H
#define FUZZ_H
/* What a fuzz target needs: the entry's prototype, and a check that says what failed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define MUST(x)                                                                          \
    do {                                                                                 \
        if (!(x)) {                                                                      \
            (void)fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #x);  \
            abort();                                                                     \
        }                                                                                \
    } while (0)
#endif
