/* Finding the next byte that matters in text, CDATA and tags. */
#include "feed_xml_scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define CONTROLS                                                                         \
    [0] = true, [1] = true, [2] = true, [3] = true, [4] = true, [5] = true, [6] = true,  \
    [7] = true, [8] = true, [11] = true, [12] = true, [14] = true, [15] = true,          \
    [16] = true, [17] = true, [18] = true, [19] = true, [20] = true, [21] = true,        \
    [22] = true, [23] = true, [24] = true, [25] = true, [26] = true, [27] = true,        \
    [28] = true, [29] = true, [30] = true, [31] = true

static const bool text_special[256] = {
    CONTROLS, ['<'] = true, ['&'] = true, [']'] = true
};
static const bool cdata_special[256] = { CONTROLS, [']'] = true, ['>'] = true };
const bool xml_scan_tag_special[256] = {
    CONTROLS, ['<'] = true, ['>'] = true, ['&'] = true, ['"'] = true, ['\''] = true
};

#ifdef __SSE2__
/* A bit for each of 16 bytes that is a forbidden control character. */
static inline __m128i controls(__m128i v)
{
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
    __m128i tab_lf =
        _mm_cmpeq_epi8(_mm_min_epu8(_mm_sub_epi8(v, _mm_set1_epi8(9)), _mm_set1_epi8(1)),
                       _mm_sub_epi8(v, _mm_set1_epi8(9)));
    __m128i cr = _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'));

    return _mm_andnot_si128(_mm_or_si128(tab_lf, cr), low);
}

static inline const char *scan(const char *s, const char *end, char a, char b, char c)
{
    for (; end - s >= 16; s += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)s);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(a)),
                                   _mm_cmpeq_epi8(v, _mm_set1_epi8(b)));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
        int mask = _mm_movemask_epi8(_mm_or_si128(hit, controls(v)));
        if (mask)
            return s + __builtin_ctz((unsigned)mask);
    }
    return s;
}
#else
static inline const char *scan(const char *s, const char *end, char a, char b, char c)
{
    (void)end;
    (void)a;
    (void)b;
    (void)c;
    return s;
}
#endif

const char *xml_scan_text(const char *s, const char *end)
{
    s = scan(s, end, '<', '&', ']');
    while (s < end && !text_special[(unsigned char)*s])
        s++;
    return s;
}

const char *xml_scan_cdata(const char *s, const char *end)
{
    s = scan(s, end, ']', '>', ']');
    while (s < end && !cdata_special[(unsigned char)*s])
        s++;
    return s;
}
