#ifndef HTML_H
#define HTML_H
/* HTML fragments to plain text, and the HTML named character references.  Pure. */
#include <stddef.h>
#include "buf.h"

/* Append the plain text of `html` to `out`: entities decoded (also the doubly escaped
 * ones that feeds carry), tags dropped, block tags and <br> become one space, inline tags
 * join, script and style bodies vanish, alt text stays; white space collapsed, ends
 * trimmed. Text that only looks like a tag ("1 < 2") stays.  0, -ENOMEM or -E2BIG (what
 * fits is there). */
int html_to_text(struct buf *out, struct str html);

/* The same without alt texts: what a page shows. */
int html_to_text_no_alt(struct buf *out, struct str html);

/* The UTF-8 for a named reference ("amp", "eacute", "NotEqualTilde"; without & and ;), or
 * an empty str.  Source: the HTML standard's list, all 2,231 names. */
struct str html_entity(struct str name);
#endif
