#ifndef FEED_XML_FILTER_H
#define FEED_XML_FILTER_H
/* The streaming repair filter in front of Expat: UTF-8 in, whole tokens out that Expat
 * will take.  Clean input is handed on without a copy.  Private to feed_xml.
 *
 * It drops what a feed reader has no use for (declarations, comments, processing
 * instructions, the document type), so Expat never sees an entity declaration; it bounds
 * the length of every token, and it never holds back a finished tag. */
#include <stdbool.h>
#include <stddef.h>
#include "buf.h"

enum xml_repair {
    XML_REPAIR_LEADING,  /* white space or junk before the document */
    XML_REPAIR_ENTITY,   /* a name that XML does not define */
    XML_REPAIR_AMP,      /* a bare & */
    XML_REPAIR_LT,       /* a bare < */
    XML_REPAIR_CONTROL,  /* a control character or a reference to one */
    XML_REPAIR_TAG,      /* a tag that had to be rewritten, or dropped */
    XML_REPAIR_NESTING,  /* end tags that match nothing, elements left open */
    XML_REPAIR_PREFIX,   /* a namespace prefix that is not declared */
    XML_REPAIR_TRAILING, /* something after the end */
    XML_REPAIR_OTHER,    /* ]]> in text, broken comments and declarations */
    XML_REPAIRS,
};

enum xml_state {
    XML_LEADING, /* before the first markup */
    XML_TEXT,
    XML_LT, /* behind '<', what it starts is not known yet */
    XML_TAG,
    XML_COMMENT,
    XML_PI,
    XML_CDATA,
    XML_DOCTYPE,
    XML_BOGUS, /* "<!" and something unknown, up to '>' */
    XML_ITEM,  /* an item that the chunk's end cut */
};

/* Gets whole tags and short text in runs, for Expat.  Non-zero stops. */
typedef int xml_filter_out(void *ctx, const char *s, size_t n);

/* Gets long text, CDATA sections and mended text, decoded; what stands before it has been
 * handed to the other one.  Nothing in it could be of use to Expat, which looks at each
 * byte of it. */
typedef void xml_filter_text(void *ctx, const char *s, size_t n);

/* Whole items can be passed over (feed_xml_filter_item.c). */
struct xml_filter_items {
    /* Is the receiver where an item of the feed can start, with everything in order? */
    bool (*may_start)(void *ctx);
    /* Is the item made of these bytes one that need not be read? */
    bool (*is_known)(void *ctx, const char *s, size_t n);
    /* The bytes that is_known() got last have been handed on. */
    void (*was_read)(void *ctx);
};

struct xml_filter {
    const struct xml_filter_items *items; /* NULL: all items are read */
    xml_filter_out *out;
    xml_filter_text *text;
    void *ctx;
    enum xml_state state;
    struct buf hold;     /* the start of a token that the chunk's end cut */
    struct buf patch;    /* mended output not handed on yet */
    struct buf entities; /* declared by the document: name NUL value NUL ... */
    char quote;          /* inside a tag or DOCTYPE: the open quote, or 0 */
    bool tag_amp;        /* the tag holds a '&' */
    bool tag_dirty;      /* the tag holds a '<' or a control character */
    unsigned tag_lt;     /* '<' inside quotes of this tag */
    unsigned n_word;     /* how many bytes behind the last of these to look at still */
    char word[6];
    char tail[3];      /* the last bytes inside a comment, PI or CDATA section */
    bool xml_decl;     /* the PI is an XML declaration */
    unsigned brackets; /* inside a DOCTYPE */
    unsigned rsqb;     /* ']' inside CDATA that may be the start of its end */
    bool cr;           /* the last text ended in a carriage return */
    bool direct;       /* the chunk ended in text that went directly */
    bool junk;         /* leading bytes other than white space were seen */
    bool white;
    bool html; /* the document type is HTML's */
    bool eof;
    bool between;       /* no tag came since may_start() said yes, but of known items */
    bool read_item;     /* the item that starts here is to be read */
    struct buf item;    /* in XML_ITEM: its bytes so far */
    size_t item_looked; /* no end tag before this byte of it */
    unsigned depth, max_depth; /* depth is corrected by the receiver */
    unsigned skip;             /* > 0: inside an element that is too deep */
    unsigned long too_deep;    /* elements left out for that */
    const char *fatal;         /* why the document cannot be read on, or NULL */
    unsigned long repairs[XML_REPAIRS];
};

void xml_filter_init(struct xml_filter *f, unsigned max_depth, xml_filter_out *out,
                     xml_filter_text *text, void *ctx);
void xml_filter_done(struct xml_filter *f);

/* 0, -ENOMEM, -EBADMSG with `fatal` set, or what `out` returned. */
int xml_filter_push(struct xml_filter *f, const char *s, size_t n);
int xml_filter_finish(struct xml_filter *f);

/* Where the token that covers s[at] starts and ends, for a run that `out` got. */
void xml_filter_token(const char *s, size_t n, size_t at, size_t *from, size_t *to);

/* Append a well-formed tag made of the broken one `s` to `out`; false: nothing could be
 * made of it. */
bool xml_filter_mend_tag(struct xml_filter *f, struct buf *out, const char *s, size_t n);

/* The next attribute of a start tag, read as leniently as a browser does.  `at` starts
 * behind the element's name.  False at the tag's end. */
bool xml_filter_attribute(const char *s, size_t n, size_t *at, struct str *name,
                          struct str *value);
#endif
