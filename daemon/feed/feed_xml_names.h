#ifndef FEED_XML_NAMES_H
#define FEED_XML_NAMES_H
/* The elements that count, and which of them comes first.  Tables; private to
 * feed_xml. */
#include <stdint.h>
#include "feed_parse_build.h"
#include "str.h"

/* Namespaces, as bits so that a rule may name several. */
enum xml_ns {
    NS_NONE = 0,
    NS_RSS = 1 << 0, /* none at all, or one of the RSS ones, or one nobody knows */
    NS_ATOM = 1 << 1,
    NS_DC = 1 << 2,
    NS_DCTERMS = 1 << 3,
    NS_CONTENT = 1 << 4,
    NS_MEDIA = 1 << 5,
    NS_ITUNES = 1 << 6,
    NS_XHTML = 1 << 7,
    NS_RDF = 1 << 8,
    NS_SY = 1 << 9,
    NS_FEEDBURNER = 1 << 10,
    NS_OTHER = 1 << 11,
    NS_ATOM03 = 1 << 12, /* given for its own address only, folded into NS_ATOM */
    NS_RSS09 = 1 << 13,  /* the same for RSS 0.90, folded into NS_RSS */
};

/* Where an element stands. */
enum xml_place {
    PLACE_ROOT,   /* outside of everything */
    PLACE_FEED,   /* in rss, channel, feed, rdf:RDF */
    PLACE_ITEM,   /* in item, entry; also in media:group and media:content there */
    PLACE_PERSON, /* in an author */
    PLACE_SOURCE, /* in atom:source */
    PLACE_HOURS,  /* in skipHours, skipDays */
    PLACE_SKIP,   /* in anything else */
    PLACES,
};

enum xml_act {
    ACT_NONE,
    ACT_RSS, /* roots */
    ACT_RDF,
    ACT_ATOM,
    ACT_CHANNEL,
    ACT_ITEM,
    ACT_ENTER, /* transparent */
    ACT_SKIP,
    ACT_HTML,  /* not a feed */
    ACT_TEXT,  /* HTML in RSS; what type= and mode= say in Atom */
    ACT_PLAIN, /* literal text */
    ACT_URL,   /* text is an address */
    ACT_LINK,  /* href= with rel=, or text */
    ACT_GUID,
    ACT_PUBLISHED,
    ACT_UPDATED,
    ACT_AUTHOR,      /* text, or name, email within */
    ACT_CONTRIBUTOR, /* the same, but does not stand for the author */
    ACT_NAME,
    ACT_EMAIL,
    ACT_CATEGORY,  /* label=, term=, text=, or text */
    ACT_KEYWORDS,  /* a list with commas */
    ACT_ENCLOSURE, /* url= or href=, or text */
    ACT_MEDIA,     /* media:content: an enclosure, and transparent */
    ACT_SOURCE,
    ACT_LANG,
    ACT_TTL,
    ACT_PERIOD,
    ACT_FREQUENCY,
    ACT_HOURS,
    ACT_HOUR,
    ACT_DAY,
};

struct xml_rule {
    enum xml_place place;
    unsigned ns; /* any of these */
    const char *local;
    enum xml_act act;
    enum feed_field field;
    unsigned
        rank; /* among the candidates for the field; lower wins, the first of equals */
};

/* The rule for an element, or NULL. `local` is compared without case. */
const struct xml_rule *xml_rule_find(enum xml_place place, unsigned ns, struct str local);

/* The namespace behind an address; NS_OTHER when nobody knows it. */
unsigned xml_ns_of_uri(struct str uri);

/* What a prefix usually stands for; NS_OTHER when nobody knows it. */
unsigned xml_ns_of_prefix(struct str prefix);
#endif
