/* Fuzz: html_to_text keeps its promises on any input, and any bound. */
#include "fuzz/fuzz.h"
#include <string.h>
#include "html.h"

static void must_be_tidy(struct str s)
{
    MUST(s.n == 0 || (s.s[0] != ' ' && s.s[s.n - 1] != ' '));
    for (size_t i = 0; i < s.n; i++) {
        MUST((unsigned char)s.s[i] >= 0x20);
        MUST(s.s[i] != ' ' || s.s[i + 1] != ' ');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf whole, cut;
    size_t max = n ? data[0] : 0;
    struct str html = { (const char *)data + (n > 0), n - (n > 0) };

    buf_init(&whole, 2 * n + 16);
    buf_init(&cut, max);
    MUST(html_to_text(&whole, html) == 0);
    must_be_tidy(buf_str(&whole));
    int r = html_to_text(&cut, html);
    MUST(cut.n <= max && (r < 0) == (cut.error != 0));
    must_be_tidy(buf_str(&cut));
    MUST(r < 0 || str_eq(buf_str(&cut), buf_str(&whole)));
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
