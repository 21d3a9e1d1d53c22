/* The elements of HTML by name, and what they do to the text around them. */
#include "html_parts.h"

#include <string.h>

struct tag {
    char name[12]; /* zero-filled */
    unsigned char flags;
};
#include "gen_html_tags.h"

unsigned html_tag_flags(struct str name)
{
    char low[sizeof tags->name] = { 0 };

    if (name.n >= sizeof low)
        return HTML_UNKNOWN;
    for (size_t i = 0; i < name.n; i++)
        low[i] =
            name.s[i] >= 'A' && name.s[i] <= 'Z' ? (char)(name.s[i] | 0x20) : name.s[i];
    for (uint32_t at = html_hash(low, name.n) % TAG_SLOTS; tag_slots[at];
         at = (at + 1) % TAG_SLOTS) {
        const struct tag *t = &tags[tag_slots[at] - 1];
        if (memcmp(t->name, low, sizeof low) == 0)
            return t->flags;
    }
    return HTML_UNKNOWN;
}
