#ifndef CHARSET_NAME_H
#define CHARSET_NAME_H
/* Which converter a charset label means.  Private to charset. */
#include <stdbool.h>
#include "str.h"

enum charset_kind {
    CHARSET_UTF8,   /* checked only */
    CHARSET_LATIN,  /* the windows-1252 family: converted by a table */
    CHARSET_SINGLE, /* ASCII-compatible, one byte a character: iconv */
    CHARSET_MULTI,  /* ASCII-compatible in its first bytes, several bytes: iconv */
    CHARSET_WIDE,   /* UTF-16 and UTF-32 */
};

/* Looks `label` up.  True and the canonical lower-case name (size >= 48), the name for
 * iconv and the kind; false for a label that nobody knows. */
bool charset_lookup(struct str label, char canonical[48], char iconv_name[48],
                    enum charset_kind *kind);
#endif
