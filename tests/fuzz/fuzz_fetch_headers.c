/* Fuzz what fetch keeps of header lines.  Input: lines; every value is also read as a
 * Content-Type and as a date.  What comes out must be in its bounds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../daemon/net/fetch_headers.h"
#include "fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                          \
    do {                                                                                 \
        if (!(x)) {                                                                      \
            fprintf(stderr, "fuzz_fetch_headers: %s does not hold\n", #x);               \
            abort();                                                                     \
        }                                                                                \
    } while (0)

static int inside(struct str part, struct str whole)
{
    return part.n == 0 || (part.s >= whole.s && part.s + part.n <= whole.s + whole.n);
}

static void must_be_sendable(const char *validator)
{
    MUST(!validator || (validator[0] && strlen(validator) <= FETCH_VALIDATOR_MAX));
    for (const char *s = validator; s && *s; s++)
        MUST(*s != '\r' && *s != '\n');
}

static void one_line(struct fetch_headers *h, struct str line)
{
    struct str mime, charset;
    int64_t utc_s = -7;
    const char *colon = line.n ? memchr(line.s, ':', line.n) : NULL;
    struct str value = line;

    MUST(fetch_headers_line(h, line) == 0);
    if (colon)
        value = (struct str){ colon + 1, line.n - (size_t)(colon + 1 - line.s) };
    fetch_content_type(value, &mime, &charset);
    MUST(inside(mime, value) && inside(charset, value));
    if (fetch_http_date(value, &utc_s))
        MUST(utc_s >= 0 && utc_s < 253402300800); /* year 10000 */
    else
        MUST(utc_s == -7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fetch_headers h = { 0 };
    char *copy = malloc(size + 1); /* of the exact size, for ASan */
    const char *at = copy;

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    fetch_headers_clear(&h);
    for (size_t left = size; left > 0;) {
        const char *end = memchr(at, '\n', left);
        size_t n = end ? (size_t)(end - at) + 1 : left;
        char *line = malloc(n);
        if (!line)
            break;
        memcpy(line, at, n);
        one_line(&h, (struct str){ line, n });
        free(line);
        at += n;
        left -= n;
    }
    int64_t fresh = fetch_headers_fresh_s(&h, 1700000000);
    int64_t retry = fetch_headers_retry_s(&h, 1700000000);
    MUST(fresh >= 0 && fresh <= 366 * 86400);
    MUST(retry == 0 || (retry >= 60 && retry <= 86400));
    must_be_sendable(h.etag);
    must_be_sendable(h.last_modified);
    fetch_headers_clear(&h);
    free(copy);
    return 0;
}
