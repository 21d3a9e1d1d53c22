/* Fuzz: what resolves is safe and resolves to itself; hosts and normal forms of anything.
 */
#include <errno.h>
#include "fuzz/fuzz.h"
#include <string.h>
#include "url.h"
#include "utf8.h"

static void must_be_clean(struct str s)
{
    for (size_t i = 0, len; i < s.n; i += len) {
        uint32_t c = utf8_get(s.s + i, s.n - i, &len);
        MUST(c > 0x20 && !utf8_unsafe(c));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *nl = memchr(data, '\n', n);
    size_t first = nl ? (size_t)(nl - (const char *)data) : 0;
    struct str base = { (const char *)data, first };
    struct str ref = { (const char *)data + first, n - first };
    struct buf out, again;

    buf_init(&out, 16 * n + 64);
    buf_init(&again, 64 * n + 256);
    int r = url_resolve(&out, base, ref);
    MUST(r == 0 || r == -EINVAL);
    if (r == 0) {
        must_be_clean(buf_str(&out));
        MUST(url_resolve(&again, STR(""), buf_str(&out)) == 0);
        MUST(!url_is_web(buf_str(&out)) || str_eq(buf_str(&out), buf_str(&again)));
        MUST(url_host(&again, buf_str(&out)) == 0);
        MUST(!url_is_web(buf_str(&out)) || again.n > 0);
    }
    buf_clear(&again);
    MUST(url_normalise(&again, ref) == 0);
    (void)url_is_web(ref);
    MUST(url_host(&again, ref) == 0);
    buf_free(&out);
    buf_free(&again);
    return 0;
}
