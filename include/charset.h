#ifndef CHARSET_H
#define CHARSET_H
/* Bytes of any charset in, clean UTF-8 out, in a stream: finds the encoding (BOM, then
 * HTTP header, then XML declaration, else UTF-8; an override beats all), converts through
 * iconv, and reads bad bytes in UTF-8 as windows-1252.  A label that the bytes prove
 * wrong is not believed.  Source: RFC 7303, and ../shared/feeds.md for what servers
 * really send.  Pure: no I/O, no logging. */
#include <stdbool.h>
#include <stddef.h>
#include "str.h"

struct charset;

/* Gets clean UTF-8, any split: no overlong forms, no surrogates, no U+FFFE and U+FFFF.
 * Control characters pass.  Non-zero stops the conversion and is returned by
 * charset_push. */
typedef int charset_sink(void *ctx, const char *utf8, size_t n);

/* `http_charset`: the charset parameter of Content-Type, or empty.  `override`: from the
 * config, or empty.  Unknown names are treated as absent.  0 or -ENOMEM. */
int charset_new(struct charset **out, struct str http_charset, struct str override,
                charset_sink *sink, void *ctx);
void charset_free(struct charset *c);

int charset_push(struct charset *c, const char *bytes, size_t n);
int charset_finish(struct charset *c);

/* What was decided, for reports: a canonical lower-case name ("utf-8", "windows-1251",
 * ...). */
const char *charset_name(const struct charset *c);

/* How many invalid byte sequences were repaired so far. */
unsigned long charset_repairs(const struct charset *c);

/* Was a label present that is unknown, or that the bytes prove wrong? */
bool charset_mislabelled(const struct charset *c);

/* Can text be read in the charset of that name? */
bool charset_known(struct str name);

/* The charset parameter inside a Content-Type value, borrowed; empty when there is
 * none. */
struct str charset_of_content_type(struct str content_type);
#endif
