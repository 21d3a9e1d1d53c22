/* Fuzz charset: the first byte picks a label, the second the size of the pieces; what
 * comes out is valid UTF-8 and the same for every split. */
#include <iconv.h>
#include "charset.h"
#include "fuzz_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *ctx, const char *s, size_t n)
{
    return buf_put(ctx, s, n);
}

static unsigned long convert(struct buf *out, const char *s, size_t n, struct str label,
                             size_t step)
{
    struct charset *c = NULL;

    buf_init(out, 16 << 20);
    MUST(charset_new(&c, label, STR(""), take, out) == 0);
    for (size_t i = 0; i < n; i += step)
        MUST(charset_push(c, s + i, n - i < step ? n - i : step) == 0);
    MUST(charset_finish(c) == 0);
    unsigned long repairs = charset_repairs(c);
    charset_free(c);
    return repairs;
}

/* iconv loads and unloads a converter with its last user; most of the time would go
 * there. */
static void keep_loaded(void)
{
    static const char *const name[] = { "KOI8-R",      "GB18030",  "CP932",
                                        "EUC-JP-MS",   "CP949",    "BIG5-HKSCS",
                                        "UTF-16BE",    "UTF-16LE", "UTF-32BE",
                                        "ISO-2022-JP", "UTF-32LE", "ISO-8859-15",
                                        "HZ" };
    static iconv_t held[sizeof name / sizeof *name];

    for (size_t i = 0; i < sizeof name / sizeof *name && !held[i]; i++)
        held[i] = iconv_open("UTF-8", name[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const label[] = {
        "",     "utf-8",  "iso-8859-1",  "koi8-r", "gb18030",  "shift_jis", "euc-jp",
        "big5", "euc-kr", "iso-2022-jp", "utf-16", "utf-32le", "utf-7",     "iso-8859-15",
        "hz",   "x"
    };
    struct buf whole, pieces;

    keep_loaded();
    if (size < 3)
        return 0;
    const char *s = (const char *)data + 2;
    struct str l = str_of(label[data[0] & 15]);
    unsigned long a = convert(&whole, s, size - 2, l, size);
    unsigned long b = convert(&pieces, s, size - 2, l, (size_t)(data[1] & 31) + 1);
    MUST(a == b && str_eq(buf_str(&whole), buf_str(&pieces)));
    for (size_t i = 0, len; i < whole.n; i += len)
        MUST(utf8_get(whole.s + i, whole.n - i, &len) != UTF8_BAD);
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
