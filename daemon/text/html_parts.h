#ifndef HTML_PARTS_H
#define HTML_PARTS_H
/* Between the files of html: the tables of names, and one reference decoded. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "html.h"

/* What an element does to the text around it. */
enum html_tag {
    HTML_UNKNOWN = 0, /* no element of that name */
    HTML_INLINE = 1,  /* joins what stands beside it */
    HTML_BLOCK = 2,   /* separates words */
    HTML_ALT = 4,     /* has an alt text */
    HTML_SKIP = 8,    /* its body is not text */
};

/* The flags (enum html_tag) of the element called `name`, in any case. */
unsigned html_tag_flags(struct str name);

#define HTML_REFERENCE_SIZE 8 /* bytes that the longest reference decodes to, at most */

struct html_reference {
    size_t used; /* bytes of source, from the '&'; 0: it is no reference */
    unsigned char n;
    char utf8[HTML_REFERENCE_SIZE];
};

/* Decode the reference at `s` (s.s[0] is '&').  With `closed` only those that end in ';'.
 */
struct html_reference html_reference_get(struct str s, bool closed);

static inline uint32_t html_hash(const char *s, size_t n)
{
    uint32_t h = 2166136261u; /* FNV-1a, as in gen_html.py */

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h ^ h >> 15;
}

static inline bool html_is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static inline bool html_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline bool html_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
#endif
