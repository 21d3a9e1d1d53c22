#ifndef FEED_XML_FILTER_OWN_H
#define FEED_XML_FILTER_OWN_H
/* What the files of the repair filter share.  Private to them.  All return 0, -errno
 * or what the receiver returned. */
#include "feed_xml_filter.h"

/* The chunk at hand: [run, p) is clean and not handed on yet. */
struct cursor {
    const char *p, *end, *run;
};

/* Hand on [run, to); of flush_patch, too, so that text may go directly. */
int xml_flush_run(struct xml_filter *f, struct cursor *c, const char *to);
int xml_flush_patch(struct xml_filter *f);
int xml_flush_all(struct xml_filter *f, struct cursor *c, const char *to);

/* Take what is in hold behind its first `used` bytes for input once more. */
int xml_read_again(struct xml_filter *f, size_t used);

/* Take all of `c`, and hand it on. */
int xml_process(struct xml_filter *f, struct cursor *c);

int xml_on_lt(struct xml_filter *f, struct cursor *c);

/* feed_xml_filter_text.c */
void xml_put_text(struct xml_filter *f, const char *s, size_t n);
int xml_on_text(struct xml_filter *f, struct cursor *c);
int xml_on_held_small_token(struct xml_filter *f, struct cursor *c);
int xml_on_cdata(struct xml_filter *f, struct cursor *c);

/* feed_xml_filter_item.c */
enum {
    XML_ITEM_MAX = 512 << 10, /* bytes of an item that may be passed over */
    XML_ITEM_STEP = 64,
};
/* Does the '<' at `s` start an item that is not to be read without a look? */
bool xml_item_starts(const struct xml_filter *f, const char *s, size_t n);
int xml_on_item(struct xml_filter *f, struct cursor *c); /* at its '<' */
int xml_on_cut_item(struct xml_filter *f, struct cursor *c);
int xml_end_cut_item(struct xml_filter *f); /* no more bytes come */
#endif
