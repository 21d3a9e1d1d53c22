#ifndef JSON_H
#define JSON_H
/* Writing JSON text (RFC 8259) into a buf, one value at a time.  Reading JSON is json-c's
 * job. */
#include <stdint.h>
#include "buf.h"

/* Append `s` as a JSON string with its quotes.  Invalid UTF-8 becomes U+FFFD; controls,
 * DEL, C1, U+2028/2029 and bidi controls are written as \u escapes so that a line stays
 * one safe line. */
int json_put_str(struct buf *b, struct str s);

/* Append ,"key": (the comma unless the last byte is '{' or '[').  `key` needs no
 * escaping. */
int json_put_key(struct buf *b, const char *key);

/* json_put_key, then the value.  json_member_str writes null for an empty str. */
int json_member_str(struct buf *b, const char *key, struct str s);
int json_member_int(struct buf *b, const char *key, int64_t v);
int json_member_bool(struct buf *b, const char *key, int v);
#endif
