#ifndef FEED_PARSE_H
#define FEED_PARSE_H
/* Push parser for RSS, Atom, RDF and JSON feeds: bytes in, items out, each at its end
 * tag. The head of the family feed_xml, feed_json.  Knows no HTTP.  Pure: no clock, no
 * I/O, no log. Any split of the same bytes gives the same items. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "item.h"
#include "str.h"

enum feed_format {
    FEED_FORMAT_UNKNOWN,
    FEED_FORMAT_RSS09, /* 0.90, 0.91, 0.92, 0.93, 0.94 */
    FEED_FORMAT_RSS10, /* RDF */
    FEED_FORMAT_RSS20,
    FEED_FORMAT_ATOM03,
    FEED_FORMAT_ATOM10,
    FEED_FORMAT_CDF,
    FEED_FORMAT_JSON,
};

/* What the document says about itself.  Strings live until feed_parse_free(). */
struct feed_info {
    enum feed_format format;
    struct str title, link, lang;
    struct str self;    /* rel=self; advice only */
    struct str hub;     /* WebSub rel=hub; advice only */
    struct str new_url; /* <newLocation>, itunes:new-feed-url; advice only */
    struct str
        alternate; /* of an HTML page: the feed that its <link rel=alternate> names */
    int64_t ttl_s; /* RSS <ttl> or sy:update*, 0: not given */
    uint32_t skip_hours; /* bit h: do not poll in hour h UTC */
    uint32_t skip_days;  /* bit 0 Monday .. bit 6 Sunday, UTC */
};

enum feed_status {              /* how the document ended; exactly one */
                   FEED_WHOLE,  /* parsed to its end; repairs may be non-zero */
                   FEED_BROKEN, /* broke off: items before the break were reported; see
                                   why */
                   FEED_NOT_A_FEED, /* HTML or something else; feed_info.alternate may
                                       help */
                   FEED_EMPTY_BODY, /* nothing but white space */
                   FEED_OVER_LIMIT, /* a limit below was hit; see why */
                   FEED_STOPPED,    /* on_item returned non-zero */
                   FEED_NO_MEMORY,
};

struct feed_parse_limits { /* 0 = the default in brackets */
    size_t max_bytes;      /* decoded document [8 MiB] */
    size_t max_items;      /* [10000] */
    size_t max_text;       /* per text field, then cut [256 KiB] */
    unsigned max_depth; /* element or JSON nesting [64; deeper content inside an item is
                           skipped] */
};

/* Items that need not be read: most of a document that changed is as it was before.  Both
 * or neither; XML only.  A print is of the bytes of an item and of all else that its
 * meaning hangs on: the same print, the same item; never 0. */

/* True: the item with this print was read before.  It counts as an item, and is not
 * reported. */
typedef bool feed_known_fn(void *ctx, uint64_t print);
/* The item reported last has this print.  Not called for items whose bytes had to be
 * mended. */
typedef void feed_read_fn(void *ctx, uint64_t print);

struct feed_parse_options {
    struct str url;          /* base for relative links; may be empty */
    struct str content_type; /* HTTP Content-Type, whole; may be empty */
    struct str charset;      /* override from the config; may be empty */
    bool no_alt;             /* leave the alt texts of images out of the text */
    struct feed_parse_limits limits;
    feed_known_fn *is_known; /* or NULL, with on_read */
    feed_read_fn *on_read;
};

struct feed_parse_result {
    enum feed_status status;
    bool wellformed; /* the bytes as they came were well-formed and rightly labelled */
    bool too_deep;   /* what lay below max_depth was left out */
    unsigned long items;   /* reported */
    unsigned long repairs; /* places that had to be mended; 0 when the parse was ended */
    char charset[48];      /* what the bytes were read as, "utf-8" */
    char why[160]; /* one line for people: what was mended or where it broke; may be "" */
};

/* Gets each item once, in document order, the moment it is whole.  `info` is what is
 * known of the feed so far.  Non-zero stops the parse (FEED_STOPPED). */
typedef int feed_item_fn(void *ctx, const struct item *item,
                         const struct feed_info *info);

struct feed_parse;

/* 0 or -ENOMEM.  `opt` is copied. */
int feed_parse_new(struct feed_parse **out, const struct feed_parse_options *opt,
                   feed_item_fn *on_item, void *ctx);
void feed_parse_free(struct feed_parse *p);

/* Take the next bytes.  0: go on; -ECANCELED: the rest of the document is of no use
 * (limit, not a feed, stopped, broken for good): the transfer may be ended.  Calling on
 * is harmless. */
int feed_parse_push(struct feed_parse *p, const char *bytes, size_t n);

/* No more bytes.  Fills *out; call exactly once. */
void feed_parse_finish(struct feed_parse *p, struct feed_parse_result *out);

/* What is known of the feed; complete after feed_parse_finish. */
const struct feed_info *feed_parse_info(const struct feed_parse *p);

const char *feed_format_name(enum feed_format f); /* "rss 2.0", "atom 1.0", ... */
const char *feed_status_name(enum feed_status s); /* "whole", "broken", ... */
#endif
