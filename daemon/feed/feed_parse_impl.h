#ifndef FEED_PARSE_IMPL_H
#define FEED_PARSE_IMPL_H
/* What the head of the family shares with its members.  Private to feed_parse. */
#include "charset.h"
#include "feed_parse.h"
#include "feed_parse_build.h"

struct feed_member; /* state of feed_xml, feed_json or feed_html */

struct feed_kind { /* a member of the family */
    int (*start)(struct feed_member **out, struct feed_parse *p);
    int (*push)(struct feed_member *m, const char *s, size_t n); /* clean UTF-8 */
    void (*finish)(struct feed_member *m);
    void (*free)(struct feed_member *m);
};
extern const struct feed_kind feed_xml, feed_json, feed_html;

struct feed_parse {
    feed_item_fn *on_item;
    feed_known_fn *is_known;
    feed_read_fn *on_read;
    void *ctx;
    struct buf url, content_type;
    struct feed_parse_limits limits;
    struct charset *charset;
    struct buf head; /* until it is clear what the document is */
    const struct feed_kind *kind;
    struct feed_member *member;
    struct feed_info info;
    struct feed_build feed, item;
    bool feed_changed; /* info is to be made anew */
    struct buf alternate;
    size_t bytes; /* decoded so far */
    bool ended;   /* status is final */
    struct feed_parse_result result;
    unsigned long repairs; /* of the member */
    struct buf repaired;   /* "3 bare &, 1 bad tag" */
    bool content;          /* anything but white space was seen */
};

/* The document comes to this; the first call counts.  -ECANCELED, for handing on. */
int feed_parse_end(struct feed_parse *p, enum feed_status status, const char *why, ...)
    __attribute__((format(printf, 3, 4)));

/* The language of the item in p->item as far as it is known by now. */
struct str feed_parse_lang(const struct feed_parse *p);

/* The item in p->item is whole: hand it out and clear it.  0 or -ECANCELED. */
int feed_parse_deliver(struct feed_parse *p);

/* A kind of repair and how often, for the report. */
void feed_parse_repaired(struct feed_parse *p, unsigned long n, const char *what);
#endif
