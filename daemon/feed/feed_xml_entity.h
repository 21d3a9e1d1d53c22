#ifndef FEED_XML_ENTITY_H
#define FEED_XML_ENTITY_H
/* References in broken and unbroken XML, and the few entities a document may declare.
 * Private to feed_xml. */
#include "feed_xml_filter.h"

enum {
    XML_ENTITY_MAX = 256 /* room for what takes the place of a reference, and a NUL */
};

enum xml_ref {
    XML_REF_KEEP,   /* Expat takes it as it stands */
    XML_REF_MAPPED, /* well-formed, but something else is meant */
    XML_REF_MENDED,
};

/* Read the reference at s[0] == '&'.  *used: how many bytes it has; 0: it may go on
 * behind the end (never when `last`).  Unless XML_REF_KEEP, `with` takes its place. */
enum xml_ref xml_entity_read(const struct buf *declared, const char *s, size_t n,
                             bool last, size_t *used, char with[XML_ENTITY_MAX],
                             enum xml_repair *kind);

/* Append to `out` (room for n bytes) the text that `s` stands for, whose references are
 * all of the kind that XML_REF_KEEP names.  Returns its length. */
size_t xml_entity_plain(char *out, const char *s, size_t n);

/* Read a whole "<!DOCTYPE ...>": learn its harmless entities.  NULL, or why the document
 * must not be read. */
const char *xml_entity_doctype(struct buf *declared, const char *s, size_t n, bool *html);
#endif
