/* The elements of HTML by name, and what they do to the text around them. */
#include "html_parts.h"

struct tag {
    uint64_t low, high; /* the name's bytes 0..7 and 8..15, the first one lowest */
    unsigned char flags;
};
#include "gen_html_tags.h"

unsigned html_tag_flags(struct str name)
{
    uint64_t half[2] = { 0, 0 };

    if (name.n > TAG_NAME_MAX)
        return HTML_UNKNOWN;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.s[i];
        c = (unsigned char)(c | (c >= 'A' && c <= 'Z') << 5); /* lower case */
        half[i / 8] |= (uint64_t)c << i % 8 * 8;
    }
    /* Any odd factors would do; these are the ones in gen_html.py. */
    uint64_t mixed = half[0] * TAG_FACTOR_LOW ^ half[1] * TAG_FACTOR_HIGH;
    for (uint64_t at = mixed >> TAG_SHIFT; tag_slots[at]; at = (at + 1) % TAG_SLOTS) {
        const struct tag *t = &tags[tag_slots[at] - 1];
        if (t->low == half[0] && t->high == half[1])
            return t->flags;
    }
    return HTML_UNKNOWN;
}
