/* Finds the encoding of a document and turns its bytes into clean UTF-8, in a stream. */
#include "charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "charset_name.h"
#include "charset_utf8.h"
#include "utf8.h"
#include "windows_1252.h"

enum {
    HEAD_MAX = 1024, /* how far we look for an XML declaration */
    RUN_MAX = 64,    /* how many high bytes we look at to judge a label */
    OUT_SIZE = 8192,
};

enum stage {
    STAGE_HEAD,  /* collecting the first bytes */
    STAGE_JUDGE, /* a label is there, no high byte has come yet to prove it */
    STAGE_UTF8,
    STAGE_LATIN,
    STAGE_ICONV,
};

struct charset {
    charset_sink *sink;
    void *ctx;
    enum stage stage;
    enum charset_kind kind;
    struct charset_utf8 utf8; /* last stage of all */
    char name[48], iconv_name[48];
    char http[48], override[48];
    bool mislabelled;
    unsigned long repairs; /* those of iconv; the others are in utf8 */
    iconv_t cd;
    bool japanese;       /* see by_jis() */
    char hold[HEAD_MAX]; /* head, run of high bytes, or a cut sequence */
    size_t n_hold;
};

/* --- deciding --- */

static void copy_name(char out[48], struct str s)
{
    s = str_trim(s);
    (void)snprintf(out, 48, "%.*s", s.n < 47 ? (int)s.n : 0, s.n ? s.s : "");
}

int charset_new(struct charset **out, struct str http_charset, struct str override,
                charset_sink *sink, void *ctx)
{
    struct charset *c = calloc(1, sizeof *c);

    if (!c)
        return -ENOMEM;
    c->sink = sink;
    c->ctx = ctx;
    c->cd = (iconv_t)-1;
    c->kind = CHARSET_UTF8;
    copy_name(c->name, STR("utf-8"));
    copy_name(c->http, http_charset);
    copy_name(c->override, override);
    *out = c;
    return 0;
}

void charset_free(struct charset *c)
{
    if (!c)
        return;
    if (c->cd != (iconv_t)-1)
        iconv_close(c->cd);
    free(c);
}

static bool use_label(struct charset *c, struct str label)
{
    char canonical[48], iconv_name[48];
    enum charset_kind kind;

    if (label.n == 0)
        return false;
    if (!charset_lookup(label, canonical, iconv_name, &kind)) {
        c->mislabelled = true;
        return false;
    }
    copy_name(c->name, str_of(canonical));
    copy_name(c->iconv_name, str_of(iconv_name));
    c->kind = kind;
    return true;
}

/* What the first bytes alone tell.  Source: XML 1.0 appendix F. */
static const struct {
    const char *bytes;
    size_t n, skip; /* skip: the length of the BOM */
    const char *label;
} magic[] = {
    { "\0\0\xFE\xFF", 4, 4, "utf-32be" }, { "\xFF\xFE\0\0", 4, 4, "utf-32le" },
    { "\xEF\xBB\xBF", 3, 3, "utf-8" },    { "\xFE\xFF", 2, 2, "utf-16be" },
    { "\xFF\xFE", 2, 2, "utf-16le" },     { "\0\0\0<", 4, 0, "utf-32be" },
    { "<\0\0\0", 4, 0, "utf-32le" },      { "\0<\0", 3, 0, "utf-16be" },
    { "<\0", 2, 0, "utf-16le" },          { "\0\0\0{", 4, 0, "utf-32be" },
    { "{\0\0\0", 4, 0, "utf-32le" },      { "\0{\0", 3, 0, "utf-16be" },
    { "{\0", 2, 0, "utf-16le" },          { "\n\0<\0", 4, 0, "utf-16le" },
    { "\0\n\0<", 4, 0, "utf-16be" },      { "\x4C\x6F\xA7\x94", 4, 0, "cp037" },
};

static bool use_magic(struct charset *c, size_t *skip)
{
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        if (c->n_hold >= magic[i].n && !memcmp(c->hold, magic[i].bytes, magic[i].n)) {
            *skip = magic[i].skip;
            return use_label(c, str_of(magic[i].label));
        }
    return false;
}

/* The value of encoding="..." inside the XML declaration at the start of `s`, behind
 * white space or junk without a '<'. */
static struct str declared(const char *s, size_t n)
{
    const char *lt = memmem(s, n, "<?xml", 5);
    const char *end = lt ? memmem(lt, n - (size_t)(lt - s), "?>", 2) : NULL;

    if (lt && !end)
        end = memchr(lt, '>', n - (size_t)(lt - s));
    if (!end)
        return (struct str){ 0 };
    const char *p = memmem(lt, (size_t)(end - lt), "encoding", 8);
    if (!p)
        return (struct str){ 0 };
    for (p += 8; p < end && (*p == ' ' || *p == '\t' || *p == '=' || *p == '\r' ||
                             *p == '\n' || *p == '"' || *p == '\'');
         p++)
        ;
    const char *q = p;
    while (q < end && *q != '"' && *q != '\'' && *q != ' ' && *q != '?')
        q++;
    return (struct str){ p, (size_t)(q - p) };
}

/* The same behind EBCDIC's invariant letters: read through CP037 first. */
static void use_ebcdic_declaration(struct charset *c)
{
    char text[HEAD_MAX], *in = c->hold, *out = text;
    size_t n_in = c->n_hold, n_out = sizeof text;
    iconv_t cd = iconv_open("UTF-8", "CP037");

    if (cd == (iconv_t)-1)
        return;
    (void)iconv(cd, &in, &n_in, &out, &n_out);
    iconv_close(cd);
    struct str label = declared(text, sizeof text - n_out);
    if (label.n)
        (void)use_label(c, label);
}

/* Is the head of no use any more: the declaration is there, or there can be none? */
static bool head_complete(const struct charset *c)
{
    size_t i = 0;

    if (c->n_hold == HEAD_MAX)
        return true;
    if (c->n_hold < 4)
        return false;
    if (c->hold[0] == '\x4C' && c->hold[1] == '\x6F')
        return c->n_hold >= 128;
    while (i < c->n_hold && (c->hold[i] <= ' ' || (c->hold[i] & 0x80)) && i < 64)
        i++;
    const char *s = c->hold + i;
    size_t n = c->n_hold - i;
    if (n >= 5 && memcmp(s, "<?xml", 5) != 0)
        return true;
    if (n && *s != '<')
        return true;
    return n >= 5 && memchr(s, '>', n);
}

static int emit(struct charset *c, const char *s, size_t n);

/* A label that cannot be true for bytes that read as ASCII. */
static bool contradicts(const struct charset *c)
{
    return c->kind == CHARSET_WIDE && c->n_hold >= 2 && c->hold[0] && c->hold[1];
}

static int open_converter(struct charset *c)
{
    if (c->kind == CHARSET_UTF8) {
        c->stage = STAGE_UTF8;
    } else if (c->kind == CHARSET_LATIN) {
        c->stage = STAGE_LATIN;
    } else {
        c->stage = STAGE_ICONV;
        c->japanese = !strcmp(c->name, "shift_jis") || !strcmp(c->name, "euc-jp");
        c->cd = iconv_open("UTF-8", c->iconv_name);
        if (c->cd == (iconv_t)-1)
            return errno == ENOMEM ? -ENOMEM : -EINVAL;
    }
    return 0;
}

static void use_utf8(struct charset *c)
{
    c->kind = CHARSET_UTF8;
    copy_name(c->name, STR("utf-8"));
}

/* Choose by the order of trust: override, BOM, HTTP, declaration. */
static void choose(struct charset *c, size_t *skip)
{
    struct str decl = declared(c->hold, c->n_hold);
    bool by_magic;

    *skip = 0;
    by_magic = use_magic(c, skip);
    if (use_label(c, str_of(c->override)) && !contradicts(c))
        return;
    if (by_magic) {
        size_t again;
        (void)use_magic(c, &again);
        if (c->hold[0] == '\x4C')
            use_ebcdic_declaration(c);
        if (*skip == 3 && decl.n && !str_eq_nocase(decl, STR("utf-8")))
            c->mislabelled = true;
        return;
    }
    if (use_label(c, str_of(c->http)) && !contradicts(c))
        return;
    use_utf8(c);
    if (use_label(c, decl) && contradicts(c)) {
        c->mislabelled = true;
        use_utf8(c);
    }
}

static int head_done(struct charset *c)
{
    size_t skip, n = c->n_hold;
    char head[HEAD_MAX];
    int r;

    choose(c, &skip);
    memcpy(head, c->hold, n);
    c->n_hold = 0;
    if (c->kind == CHARSET_UTF8 || c->kind == CHARSET_WIDE || c->override[0] ||
        head[0] == '\x4C') {
        r = open_converter(c);
        if (r < 0)
            return r;
    } else {
        c->stage = STAGE_JUDGE;
    }
    return emit(c, head + skip, n - skip);
}

/* The first high bytes are there: are they what the label says?  Text that is valid
 * UTF-8 by chance is rare enough: one sequence proves a single-byte label wrong, four in
 * a row one of several bytes. */
static int judge(struct charset *c)
{
    size_t n_seq;
    size_t n = c->n_hold;
    char run[RUN_MAX];

    if (charset_utf8_valid(c->hold, n, &n_seq) &&
        n_seq >= (c->kind == CHARSET_MULTI ? 4 : 1)) {
        use_utf8(c);
        c->mislabelled = true;
    }
    int r = open_converter(c);
    if (r < 0)
        return r;
    memcpy(run, c->hold, n);
    c->n_hold = 0;
    return emit(c, run, n);
}

/* --- converting --- */

static int to_utf8(struct charset *c, const char *s, size_t n)
{
    return charset_utf8_push(&c->utf8, s, n, c->sink, c->ctx);
}

static int push_latin(struct charset *c, const char *s, size_t n)
{
    char out[OUT_SIZE];
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)s[i];
        if (b < 0x80) {
            out[k++] = (char)b;
        } else {
            k += utf8_put(out + k, windows_1252(b));
        }
        if (k > sizeof out - 4) {
            int r = to_utf8(c, out, k);
            if (r)
                return r;
            k = 0;
        }
    }
    return k ? to_utf8(c, out, k) : 0;
}

/* CP932 and EUC-JP-MS read three characters of JIS X 0208 as Microsoft did; what the
 * standard and every other converter say has the same length in UTF-8. */
static void by_jis(char *s, size_t n)
{
    static const char *const pair[][2] = {
        { "\xEF\xBD\x9E", "\xE3\x80\x9C" }, /* wave dash */
        { "\xE2\x88\xA5", "\xE2\x80\x96" }, /* double vertical line */
        { "\xEF\xBC\x8D", "\xE2\x88\x92" }, /* minus sign */
    };

    for (size_t i = 0; i + 3 <= n; i++)
        for (size_t k = 0; k < 3 && (s[i] & 0x80); k++)
            if (memcmp(s + i, pair[k][0], 3) == 0)
                memcpy(s + i, pair[k][1], 3);
}

/* Convert all of `s`; what is an incomplete sequence at its end stays in hold. */
static int iconv_block(struct charset *c, char *s, size_t n)
{
    char out[OUT_SIZE];
    size_t unit = c->kind != CHARSET_WIDE ? 1 : strncmp(c->name, "utf-32", 6) ? 2 : 4;

    for (;;) {
        char *o = out;
        size_t no = sizeof out - 4;
        size_t r = iconv(c->cd, &s, &n, &o, &no);
        int e = errno;
        if (r == (size_t)-1 && e == EILSEQ && n) {
            size_t bad = unit < n ? unit : n;
            memcpy(o, "\xEF\xBF\xBD", 3);
            o += 3;
            s += bad;
            n -= bad;
            c->repairs++;
        }
        if (c->japanese)
            by_jis(out, (size_t)(o - out));
        if (o > out) {
            int stop = to_utf8(c, out, (size_t)(o - out));
            if (stop)
                return stop;
        }
        if (r != (size_t)-1 || (e != EILSEQ && e != E2BIG) || n == 0)
            break;
    }
    c->n_hold = n < 16 ? n : 16;
    memcpy(c->hold, s, c->n_hold);
    return 0;
}

static int push_iconv(struct charset *c, const char *s, size_t n)
{
    char in[OUT_SIZE];

    while (n) {
        size_t k = c->n_hold, take = sizeof in - k < n ? sizeof in - k : n;
        memcpy(in, c->hold, k);
        memcpy(in + k, s, take);
        s += take;
        n -= take;
        int r = iconv_block(c, in, k + take);
        if (r)
            return r;
    }
    return 0;
}

static int push_judge(struct charset *c, const char *s, size_t n)
{
    size_t i = 0;

    if (c->n_hold == 0) { /* ISO-2022 and its like shift by escapes, not by high bytes */
        while (i < n && !(s[i] & 0x80) && s[i] != '\x1B' && s[i] != '\x0E')
            i++;
        int r = i ? to_utf8(c, s, i) : 0;
        if (r || i == n)
            return r;
    }
    while (i < n && c->n_hold < RUN_MAX && (s[i] & 0x80))
        c->hold[c->n_hold++] = s[i++];
    if (i == n && c->n_hold < RUN_MAX)
        return 0;
    int r = judge(c);
    return r ? r : emit(c, s + i, n - i);
}

static int emit(struct charset *c, const char *s, size_t n)
{
    if (n == 0)
        return 0;
    switch (c->stage) {
    case STAGE_HEAD:
    case STAGE_UTF8:
        return to_utf8(c, s, n);
    case STAGE_JUDGE:
        return push_judge(c, s, n);
    case STAGE_LATIN:
        return push_latin(c, s, n);
    case STAGE_ICONV:
        return push_iconv(c, s, n);
    }
    return 0;
}

int charset_push(struct charset *c, const char *bytes, size_t n)
{
    while (c->stage == STAGE_HEAD && n) {
        c->hold[c->n_hold++] = *bytes++;
        n--;
        if (head_complete(c)) {
            int r = head_done(c);
            if (r)
                return r;
        }
    }
    return emit(c, bytes, n);
}

int charset_finish(struct charset *c)
{
    int r = 0;

    if (c->stage == STAGE_HEAD)
        r = head_done(c);
    if (r == 0 && c->stage == STAGE_JUDGE)
        r = judge(c);
    if (c->stage == STAGE_ICONV && c->n_hold)
        c->repairs++; /* cut inside a character */
    return r ? r : charset_utf8_finish(&c->utf8);
}

const char *charset_name(const struct charset *c)
{
    return c->name;
}

unsigned long charset_repairs(const struct charset *c)
{
    return c->repairs + c->utf8.repairs;
}

bool charset_mislabelled(const struct charset *c)
{
    return c->mislabelled;
}

struct str charset_of_content_type(struct str ct)
{
    for (size_t i = 0; i + 8 < ct.n; i++) {
        if (strncasecmp(ct.s + i, "charset=", 8) != 0)
            continue;
        struct str v = { ct.s + i + 8, ct.n - i - 8 };
        const char *semi = memchr(v.s, ';', v.n);
        if (semi)
            v.n = (size_t)(semi - v.s);
        v = str_trim(v);
        if (v.n >= 2 && (v.s[0] == '"' || v.s[0] == '\'') && v.s[v.n - 1] == v.s[0]) {
            v.s++;
            v.n -= 2;
        }
        return v;
    }
    return (struct str){ 0 };
}
