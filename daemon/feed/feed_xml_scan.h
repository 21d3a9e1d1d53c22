#ifndef FEED_XML_SCAN_H
#define FEED_XML_SCAN_H
/* Finding the next byte that matters, sixteen at a time where the machine can.  Private
 * to feed_xml. */
#include <stdbool.h>

/* The first '<', '&', ']' or forbidden control character, or `end`. */
const char *xml_scan_text(const char *s, const char *end);

/* The first ']', '>' or forbidden control character, or `end`. */
const char *xml_scan_cdata(const char *s, const char *end);

/* Bytes that matter inside a tag: quotes, '<', '>', '&' and forbidden controls. */
extern const bool xml_scan_tag_special[256];
#endif
