#ifndef FEED_XML_H
#define FEED_XML_H
/* State of the XML parser, shared by its files.  Private to feed_xml. */
#include <expat.h>
#include <stdint.h>
#include "feed_parse_impl.h"
#include "feed_xml_filter.h"
#include "feed_xml_names.h"

enum {
    XML_NAME_CACHE = 128, /* a power of two */
    XML_NAME_MAX = 40,    /* longer names are never of interest */
};

struct xml_frame {             /* one open element; offsets are into feed_xml.arena */
    uint32_t name_off;         /* NUL-terminated */
    uint32_t base_off, base_n; /* xml:base in force */
    uint32_t lang_off, lang_n; /* xml:lang in force */
    uint32_t n_bind;           /* namespace bindings before this element's own */
    enum xml_place place;      /* of its children */
    enum xml_act act;
};

struct xml_bind {
    uint32_t prefix_off, prefix_n;
    unsigned ns;
};

struct xml_name { /* what a qualified name means while the bindings are the same */
    char name[XML_NAME_MAX];
    size_t n;
    unsigned generation, ns;
    struct str local; /* inside name */
    const struct xml_rule *rule[PLACES];
    bool looked[PLACES];
};

enum xml_mode {                  /* how the text of a captured element is read */
                XML_MODE_PLAIN,  /* literal */
                XML_MODE_HTML,   /* its text is HTML */
                XML_MODE_INLINE, /* its elements are HTML, its text is literal */
                XML_MODE_BASE64,
};

struct xml_capture {
    const struct xml_rule *rule; /* NULL: nothing is being captured */
    struct feed_build *build;
    unsigned depth; /* of the captured element */
    enum xml_mode mode;
    enum feed_form form; /* of BASE64 once decoded */
    bool permalink;      /* ACT_GUID */
    bool guess;          /* BASE64 is not said, but concluded from the type */
};

struct feed_member {
    struct feed_parse *p;
    XML_Parser expat;
    struct xml_filter filter;
    uint64_t fed;       /* bytes this Expat parser has got */
    uint64_t closed_at; /* the byte behind the root's end, counted in the same way */
    struct xml_frame *stack;
    unsigned depth, cap_stack;
    struct buf arena; /* names, bases and languages of the open elements */
    struct xml_bind *bind;
    size_t n_bind, cap_bind;
    unsigned generation;
    struct xml_name cache[XML_NAME_CACHE];
    struct xml_capture capture;
    bool atom;                       /* the root is feed */
    bool in_item, seen_feed, closed; /* closed: the root has ended */
    bool junk_before, junk_after;    /* text or tags outside of the root */
    bool prefix_reported, attribute_prefixes;
    char attribute_prefix[24]; /* the last one of a tag */
    struct buf person_text, person_name, person_email;
    bool person_source, has_author;
    struct buf source_authors; /* NUL-terminated strings */
    struct buf person_feed;    /* the feed's authors, the same */
    int64_t sy_period_s, sy_frequency;
    unsigned long recoveries;
    const char *feeding; /* what it is parsing at the moment, and where that starts */
    uint64_t feeding_at;
    bool unclosed;        /* Expat was stopped at an item that starts inside of one */
    uint64_t unclosed_at; /* the byte of its '<', counted like fed */
    /* The item that starts, for feed_xml_known.c: print of what is around it, of that and
     * its bytes, and how things stood before it. */
    uint64_t context, item_print;
    unsigned item_depth;
    unsigned long items_before, item_repairs;
    int stop; /* non-zero: the parse is over */
};

/* feed_xml_element.c */
void xml_element_start(void *x, const char *name, const char **atts);
void xml_element_end(void *x, const char *name);
void xml_element_text(void *x, const char *s, int n);
void xml_element_close(struct feed_member *x); /* the innermost open element */

/* feed_xml_action.c */
void xml_action_start(struct feed_member *x, struct xml_frame *f,
                      const struct xml_rule *rule, unsigned ns, const char **atts);
void xml_action_capture_end(struct feed_member *x);
void xml_action_person_end(struct feed_member *x, struct xml_frame *f);
void xml_action_item_end(struct feed_member *x);

/* feed_xml_known.c: pass over items that the receiver knows, if it asks for that. */
void xml_pass_known(struct feed_member *x);

const char *xml_frame_name(const struct feed_member *x, const struct xml_frame *f);
struct str xml_base(const struct feed_member *x);
/* The value of an attribute by its local name, without case; NULL when absent. */
const char *xml_attribute(const char **atts, const char *local);
/* End the parse from inside a handler. */
void xml_stop(struct feed_member *x, int r);
#endif
