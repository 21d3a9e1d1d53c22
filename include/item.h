#ifndef ITEM_H
#define ITEM_H
/* One entry of a feed, as every later stage sees it.  All strings are valid UTF-8,
 * NUL-free and NUL-terminated, borrowed from the parser: they live until the callback
 * that got the item returns.  Text fields are plain text: markup is gone and entities are
 * decoded (html.h). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "str.h"

/* "No such time": the feed gave none, or none that can be read. */
#define ITEM_NO_TIME INT64_MIN

struct item {
    struct str id;   /* guid, atom:id, rdf:about or JSON id, trimmed; empty: none given */
    struct str link; /* absolute; http or https only, anything else is dropped; may be
                        empty.  Relative only where no base is known at all */
    struct str title;   /* plain text, white space collapsed */
    struct str summary; /* plain text: description, atom:summary, JSON summary */
    struct str
        content; /* plain text: content:encoded, atom:content, JSON content_html/_text */
    struct str lang; /* BCP 47 tag of the item or inherited from the feed; may be empty */
    const struct str *authors; /* display names, an address only where there is no
                                name; contributors, too */
    size_t n_authors;
    const struct str *categories; /* labels and terms */
    size_t n_categories;
    const struct str *enclosures; /* absolute URLs */
    size_t n_enclosures;
    int64_t published_s; /* UTC seconds since 1970, or ITEM_NO_TIME */
    int64_t updated_s;
    bool cut; /* some text was longer than its limit and was cut */
};
#endif
