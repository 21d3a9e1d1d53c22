/* Charset labels: which converter a name means; supersets in the place of their parts. */
#include "charset_name.h"
#include "charset.h"

#include <ctype.h>
#include <iconv.h>
#include <stdio.h>
#include <strings.h>

/* Labels that stand for a superset of what they name, because that is what the bytes turn
 * out to be (Encoding Standard, section 4.2).  Everything else goes to iconv by its own
 * name. */
static const struct {
    const char *label, *canonical, *iconv_name;
    enum charset_kind kind;
} superset[] = {
    { "utf-8", "utf-8", "", CHARSET_UTF8 },
    { "utf8", "utf-8", "", CHARSET_UTF8 },
    { "unicode-1-1-utf-8", "utf-8", "", CHARSET_UTF8 },
    { "iso-8859-1", "windows-1252", "", CHARSET_LATIN },
    { "iso8859-1", "windows-1252", "", CHARSET_LATIN },
    { "iso_8859-1", "windows-1252", "", CHARSET_LATIN },
    { "iso88591", "windows-1252", "", CHARSET_LATIN },
    { "latin1", "windows-1252", "", CHARSET_LATIN },
    { "latin-1", "windows-1252", "", CHARSET_LATIN },
    { "l1", "windows-1252", "", CHARSET_LATIN },
    { "ascii", "windows-1252", "", CHARSET_LATIN },
    { "us-ascii", "windows-1252", "", CHARSET_LATIN },
    { "ansi_x3.4-1968", "windows-1252", "", CHARSET_LATIN },
    { "windows-1252", "windows-1252", "", CHARSET_LATIN },
    { "windows1252", "windows-1252", "", CHARSET_LATIN },
    { "cp1252", "windows-1252", "", CHARSET_LATIN },
    { "cp-1252", "windows-1252", "", CHARSET_LATIN },
    { "x-cp1252", "windows-1252", "", CHARSET_LATIN },
    { "iso-8859-9", "windows-1254", "CP1254", CHARSET_SINGLE },
    { "iso-8859-11", "windows-874", "CP874", CHARSET_SINGLE },
    { "tis-620", "windows-874", "CP874", CHARSET_SINGLE },
    { "windows-874", "windows-874", "CP874", CHARSET_SINGLE },
    { "gb2312", "gb18030", "GB18030", CHARSET_MULTI },
    { "gb_2312-80", "gb18030", "GB18030", CHARSET_MULTI },
    { "euc-cn", "gb18030", "GB18030", CHARSET_MULTI },
    { "gbk", "gb18030", "GB18030", CHARSET_MULTI },
    { "x-gbk", "gb18030", "GB18030", CHARSET_MULTI },
    { "cp936", "gb18030", "GB18030", CHARSET_MULTI },
    { "gb18030", "gb18030", "GB18030", CHARSET_MULTI },
    { "shift_jis", "shift_jis", "CP932", CHARSET_MULTI },
    { "shift-jis", "shift_jis", "CP932", CHARSET_MULTI },
    { "sjis", "shift_jis", "CP932", CHARSET_MULTI },
    { "x-sjis", "shift_jis", "CP932", CHARSET_MULTI },
    { "windows-31j", "shift_jis", "CP932", CHARSET_MULTI },
    { "ms_kanji", "shift_jis", "CP932", CHARSET_MULTI },
    { "cp932", "shift_jis", "CP932", CHARSET_MULTI },
    { "euc-kr", "euc-kr", "CP949", CHARSET_MULTI },
    { "ks_c_5601-1987", "euc-kr", "CP949", CHARSET_MULTI },
    { "ksc5601", "euc-kr", "CP949", CHARSET_MULTI },
    { "korean", "euc-kr", "CP949", CHARSET_MULTI },
    { "windows-949", "euc-kr", "CP949", CHARSET_MULTI },
    { "big5", "big5", "BIG5-HKSCS", CHARSET_MULTI },
    { "big5-hkscs", "big5", "BIG5-HKSCS", CHARSET_MULTI },
    { "x-x-big5", "big5", "BIG5-HKSCS", CHARSET_MULTI },
    { "cp950", "big5", "BIG5-HKSCS", CHARSET_MULTI },
    { "euc-jp", "euc-jp", "EUC-JP-MS", CHARSET_MULTI },
    { "x-euc-jp", "euc-jp", "EUC-JP-MS", CHARSET_MULTI },
    { "utf-16", "utf-16", "UTF-16BE", CHARSET_WIDE },
    { "utf16", "utf-16", "UTF-16BE", CHARSET_WIDE },
    { "unicode", "utf-16", "UTF-16LE", CHARSET_WIDE },
    { "ucs-2", "utf-16", "UTF-16BE", CHARSET_WIDE },
    { "iso-10646-ucs-2", "utf-16", "UTF-16BE", CHARSET_WIDE },
    { "utf-16be", "utf-16be", "UTF-16BE", CHARSET_WIDE },
    { "utf-16le", "utf-16le", "UTF-16LE", CHARSET_WIDE },
    { "utf-32", "utf-32", "UTF-32BE", CHARSET_WIDE },
    { "ucs-4", "utf-32", "UTF-32BE", CHARSET_WIDE },
    { "iso-10646-ucs-4", "utf-32", "UTF-32BE", CHARSET_WIDE },
    { "utf-32be", "utf-32be", "UTF-32BE", CHARSET_WIDE },
    { "utf-32le", "utf-32le", "UTF-32LE", CHARSET_WIDE },
};

/* Only what a registered name can hold: nothing that iconv_open takes as an option or a
 * path. */
static bool copy_label(struct str label, char out[48])
{
    label = str_trim(label);
    while (label.n >= 2 && (label.s[0] == '"' || label.s[0] == '\'')) {
        label.s++;
        label.n -= 2;
    }
    if (label.n == 0 || label.n >= 40)
        return false;
    for (size_t i = 0; i < label.n; i++) {
        unsigned char c = (unsigned char)label.s[i];
        if (!isalnum(c) && c != '-' && c != '_' && c != '.' && c != ':' && c != '+')
            return false;
        out[i] = (char)tolower(c);
    }
    out[label.n] = '\0';
    return true;
}

/* Several bytes a character?  Asked of iconv: a single-byte charset takes any high byte
 * alone. */
static enum charset_kind kind_of(iconv_t cd, bool *ascii)
{
    char in[] = "<?xml ", out[64];
    char *i = in, *o = out;
    size_t ni = sizeof in - 1, no = sizeof out;

    *ascii = iconv(cd, &i, &ni, &o, &no) != (size_t)-1 && o - out == 6 &&
             memcmp(in, out, 6) == 0;
    for (unsigned b = 0xC1; b < 0xFF; b += 4) {
        char one = (char)b;
        i = &one;
        ni = 1;
        o = out;
        no = sizeof out;
        (void)iconv(cd, NULL, NULL, NULL, NULL);
        if (iconv(cd, &i, &ni, &o, &no) == (size_t)-1)
            return CHARSET_MULTI;
    }
    return CHARSET_SINGLE;
}

static bool known_to_iconv(const char *name, enum charset_kind *kind)
{
    bool ascii;
    iconv_t cd = iconv_open("UTF-8", name);

    if (cd == (iconv_t)-1)
        return false;
    *kind = kind_of(cd, &ascii);
    if (!ascii)
        *kind = CHARSET_MULTI; /* EBCDIC and the like: believed as they are */
    iconv_close(cd);
    return true;
}

bool charset_known(struct str name)
{
    char canonical[48], iconv_name[48];
    enum charset_kind kind;

    return charset_lookup(name, canonical, iconv_name, &kind);
}

bool charset_lookup(struct str label, char canonical[48], char iconv_name[48],
                    enum charset_kind *kind)
{
    char name[48];

    if (!copy_label(label, name))
        return false;
    for (size_t i = 0; i < sizeof superset / sizeof *superset; i++)
        if (strcmp(name, superset[i].label) == 0) {
            (void)snprintf(canonical, 48, "%s", superset[i].canonical);
            (void)snprintf(iconv_name, 48, "%s", superset[i].iconv_name);
            *kind = superset[i].kind;
            return true;
        }
    if (strstr(name, "utf-7") || strstr(name, "utf7"))
        return false; /* hides markup in ASCII, and no browser reads it */
    (void)snprintf(iconv_name, 48, "%s", name);
    if (strncmp(name, "windows-", 8) == 0)
        (void)snprintf(iconv_name, 48, "CP%s", name + 8);
    else if (strncmp(name, "x-", 2) == 0)
        (void)snprintf(iconv_name, 48, "%s", name + 2);
    if (!known_to_iconv(iconv_name, kind))
        return false;
    (void)snprintf(canonical, 48, "%s", name);
    return true;
}
