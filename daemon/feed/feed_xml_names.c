/* Which elements count, in which namespace, and which of several comes first. */
#include "feed_xml_names.h"

#include <ctype.h>
#include <strings.h>

#define PLAIN_NS (NS_RSS | NS_ATOM)

/* Sources: RSS 2.0.11, RSS 0.9x, RSS 1.0, RFC 4287, Atom 0.3, CDF; DCMI terms; Media RSS
 * 1.5.1; the iTunes and content modules.  Where a document gives the same thing twice,
 * the format's own element beats a module's, and the narrower module beats the wider. */
static const struct xml_rule rules[] = {
    /* the document's skeleton */
    { PLACE_ROOT, PLAIN_NS, "rss", ACT_RSS, 0, 0 },
    { PLACE_ROOT, NS_RDF | NS_RSS, "rdf", ACT_RDF, 0, 0 },
    { PLACE_ROOT, PLAIN_NS, "feed", ACT_ATOM, 0, 0 },
    { PLACE_ROOT, PLAIN_NS, "channel", ACT_CHANNEL, 0, 0 },
    { PLACE_ROOT, PLAIN_NS, "entry", ACT_ITEM, 0, 0 },
    { PLACE_ROOT, PLAIN_NS, "item", ACT_ITEM, 0, 0 },
    { PLACE_ROOT, NS_RSS | NS_XHTML, "html", ACT_HTML, 0, 0 },
    { PLACE_FEED, PLAIN_NS, "channel", ACT_CHANNEL, 0, 0 },
    { PLACE_FEED, PLAIN_NS, "item", ACT_ITEM, 0, 0 },
    { PLACE_FEED, PLAIN_NS, "entry", ACT_ITEM, 0, 0 },
    { PLACE_FEED, PLAIN_NS, "rss", ACT_ENTER, 0, 0 },
    { PLACE_FEED, PLAIN_NS, "feed", ACT_ENTER, 0, 0 },
    /* the feed itself */
    { PLACE_FEED, NS_RSS, "title", ACT_TEXT, FEED_TITLE, 0 },
    { PLACE_FEED, NS_ATOM, "title", ACT_TEXT, FEED_TITLE, 1 },
    { PLACE_FEED, NS_DC, "title", ACT_TEXT, FEED_TITLE, 2 },
    { PLACE_FEED, NS_DCTERMS, "title", ACT_TEXT, FEED_TITLE, 3 },
    { PLACE_FEED, NS_ITUNES, "title", ACT_TEXT, FEED_TITLE, 4 },
    { PLACE_FEED, NS_MEDIA, "title", ACT_TEXT, FEED_TITLE, 5 },
    { PLACE_FEED, NS_RSS, "link", ACT_LINK, FEED_LINK, 0 },
    { PLACE_FEED, NS_ATOM, "link", ACT_LINK, FEED_LINK, 1 },
    { PLACE_FEED, NS_RSS, "language", ACT_LANG, FEED_LANG, 1 },
    { PLACE_FEED, NS_DC, "language", ACT_LANG, FEED_LANG, 2 },
    { PLACE_FEED, NS_DCTERMS, "language", ACT_LANG, FEED_LANG, 3 },
    { PLACE_FEED, NS_ATOM, "id", ACT_GUID, FEED_ID, 0 },
    { PLACE_FEED, PLAIN_NS, "author", ACT_AUTHOR, 0, 0 },
    { PLACE_FEED, NS_RSS, "newlocation", ACT_URL, FEED_NEW_URL, 0 },
    { PLACE_FEED, NS_ITUNES, "new-feed-url", ACT_URL, FEED_NEW_URL, 1 },
    { PLACE_FEED, NS_RSS, "ttl", ACT_TTL, 0, 0 },
    { PLACE_FEED, NS_SY, "updateperiod", ACT_PERIOD, 0, 0 },
    { PLACE_FEED, NS_SY, "updatefrequency", ACT_FREQUENCY, 0, 0 },
    { PLACE_FEED, NS_RSS, "skiphours", ACT_HOURS, 0, 0 },
    { PLACE_FEED, NS_RSS, "skipdays", ACT_HOURS, 0, 0 },
    { PLACE_HOURS, NS_RSS, "hour", ACT_HOUR, 0, 0 },
    { PLACE_HOURS, NS_RSS, "day", ACT_DAY, 0, 0 },
    /* an item's title */
    { PLACE_ITEM, NS_RSS, "title", ACT_TEXT, FEED_TITLE, 0 },
    { PLACE_ITEM, NS_ATOM, "title", ACT_TEXT, FEED_TITLE, 1 },
    { PLACE_ITEM, NS_DC, "title", ACT_TEXT, FEED_TITLE, 2 },
    { PLACE_ITEM, NS_DCTERMS, "title", ACT_TEXT, FEED_TITLE, 3 },
    { PLACE_ITEM, NS_ITUNES, "title", ACT_TEXT, FEED_TITLE, 4 },
    { PLACE_ITEM, NS_MEDIA, "title", ACT_TEXT, FEED_TITLE, 5 },
    /* the short text */
    { PLACE_ITEM, PLAIN_NS, "description", ACT_TEXT, FEED_SUMMARY, 0 },
    { PLACE_ITEM, PLAIN_NS, "summary", ACT_TEXT, FEED_SUMMARY, 1 },
    { PLACE_ITEM, NS_RSS, "abstract", ACT_TEXT, FEED_SUMMARY, 2 }, /* CDF */
    { PLACE_ITEM, NS_DC, "description", ACT_TEXT, FEED_SUMMARY, 3 },
    { PLACE_ITEM, NS_DCTERMS, "abstract", ACT_TEXT, FEED_SUMMARY, 4 },
    { PLACE_ITEM, NS_DCTERMS, "description", ACT_TEXT, FEED_SUMMARY, 5 },
    { PLACE_ITEM, NS_ITUNES, "summary", ACT_TEXT, FEED_SUMMARY, 6 },
    { PLACE_ITEM, NS_ITUNES, "subtitle", ACT_TEXT, FEED_SUMMARY, 7 },
    { PLACE_ITEM, NS_MEDIA, "description", ACT_TEXT, FEED_SUMMARY, 8 },
    /* the long text */
    { PLACE_ITEM, NS_CONTENT, "encoded", ACT_TEXT, FEED_CONTENT, 0 },
    { PLACE_ITEM, PLAIN_NS, "content", ACT_TEXT, FEED_CONTENT, 1 },
    { PLACE_ITEM, NS_XHTML, "body", ACT_TEXT, FEED_CONTENT, 2 },
    { PLACE_ITEM, NS_XHTML, "div", ACT_TEXT, FEED_CONTENT, 3 },
    { PLACE_ITEM, NS_RSS, "fulltext", ACT_TEXT, FEED_CONTENT, 4 },
    { PLACE_ITEM, NS_RSS, "fullitem", ACT_TEXT, FEED_CONTENT, 5 },
    { PLACE_ITEM, NS_RSS, "body", ACT_TEXT, FEED_CONTENT, 6 },
    /* who it is */
    { PLACE_ITEM, PLAIN_NS, "guid", ACT_GUID, FEED_ID, 0 },
    { PLACE_ITEM, PLAIN_NS, "id", ACT_GUID, FEED_ID, 1 },
    { PLACE_ITEM, NS_DC, "identifier", ACT_PLAIN, FEED_ID, 3 },
    { PLACE_ITEM, NS_DCTERMS, "identifier", ACT_PLAIN, FEED_ID, 4 },
    { PLACE_ITEM, NS_RSS, "link", ACT_LINK, FEED_LINK, 0 },
    { PLACE_ITEM, NS_ATOM, "link", ACT_LINK, FEED_LINK, 1 },
    { PLACE_ITEM, NS_FEEDBURNER, "origlink", ACT_URL, FEED_LINK, 4 },
    /* when */
    { PLACE_ITEM, PLAIN_NS, "pubdate", ACT_PUBLISHED, 0, 0 },
    { PLACE_ITEM, PLAIN_NS, "published", ACT_PUBLISHED, 0, 1 },
    { PLACE_ITEM, PLAIN_NS, "issued", ACT_PUBLISHED, 0, 2 },
    { PLACE_ITEM, NS_DC, "date", ACT_PUBLISHED, 0, 3 },
    { PLACE_ITEM, NS_DCTERMS, "issued", ACT_PUBLISHED, 0, 4 },
    { PLACE_ITEM, NS_DCTERMS, "created", ACT_PUBLISHED, 0, 5 },
    { PLACE_ITEM, NS_DCTERMS, "available", ACT_PUBLISHED, 0, 6 },
    { PLACE_ITEM, NS_DCTERMS, "date", ACT_PUBLISHED, 0, 7 },
    { PLACE_ITEM, PLAIN_NS, "created", ACT_PUBLISHED, 0, 8 },
    { PLACE_ITEM, PLAIN_NS, "date", ACT_PUBLISHED, 0, 9 },
    { PLACE_ITEM, PLAIN_NS, "updated", ACT_UPDATED, 0, 0 },
    { PLACE_ITEM, PLAIN_NS, "modified", ACT_UPDATED, 0, 1 },
    { PLACE_ITEM, NS_DCTERMS, "modified", ACT_UPDATED, 0, 2 },
    { PLACE_ITEM, PLAIN_NS, "lastbuilddate", ACT_UPDATED, 0, 3 },
    /* by whom, about what, with what */
    { PLACE_ITEM, PLAIN_NS, "author", ACT_AUTHOR, 0, 0 },
    { PLACE_ITEM, NS_DC, "creator", ACT_AUTHOR, 0, 0 },
    { PLACE_ITEM, NS_DC, "author", ACT_AUTHOR, 0, 0 },
    { PLACE_ITEM, NS_DCTERMS, "creator", ACT_AUTHOR, 0, 0 },
    { PLACE_ITEM, NS_ITUNES, "author", ACT_AUTHOR, 0, 0 },
    { PLACE_ITEM, PLAIN_NS, "contributor", ACT_CONTRIBUTOR, 0, 0 },
    { PLACE_ITEM, NS_DC, "contributor", ACT_CONTRIBUTOR, 0, 0 },
    { PLACE_ITEM, NS_DCTERMS, "contributor", ACT_CONTRIBUTOR, 0, 0 },
    { PLACE_PERSON, PLAIN_NS, "name", ACT_NAME, 0, 0 },
    { PLACE_PERSON, PLAIN_NS, "email", ACT_EMAIL, 0, 0 },
    { PLACE_PERSON, PLAIN_NS, "uri", ACT_SKIP, 0, 0 },
    { PLACE_PERSON, PLAIN_NS, "url", ACT_SKIP, 0, 0 },
    { PLACE_ITEM, PLAIN_NS, "category", ACT_CATEGORY, 0, 0 },
    { PLACE_ITEM, NS_DC, "subject", ACT_CATEGORY, 0, 0 },
    { PLACE_ITEM, NS_DCTERMS, "subject", ACT_CATEGORY, 0, 0 },
    { PLACE_ITEM, NS_ITUNES, "category", ACT_CATEGORY, 0, 0 },
    { PLACE_ITEM, NS_MEDIA, "category", ACT_CATEGORY, 0, 0 },
    { PLACE_ITEM, NS_RSS, "tags", ACT_KEYWORDS, 0, 0 },
    { PLACE_ITEM, NS_ITUNES, "keywords", ACT_KEYWORDS, 0, 0 },
    { PLACE_ITEM, NS_MEDIA, "keywords", ACT_KEYWORDS, 0, 0 },
    { PLACE_ITEM, PLAIN_NS, "enclosure", ACT_ENCLOSURE, 0, 0 },
    { PLACE_ITEM, NS_FEEDBURNER, "origenclosurelink", ACT_ENCLOSURE, 0, 0 },
    { PLACE_ITEM, NS_MEDIA, "content", ACT_MEDIA, 0, 0 },
    { PLACE_ITEM, NS_MEDIA, "group", ACT_ENTER, 0, 0 },
    { PLACE_ITEM, PLAIN_NS, "source", ACT_SOURCE, 0, 0 },
    { PLACE_SOURCE, NS_ATOM, "author", ACT_AUTHOR, 0, 0 },
    { PLACE_ITEM, NS_DC, "language", ACT_LANG, FEED_LANG, 1 },
    { PLACE_ITEM, NS_DCTERMS, "language", ACT_LANG, FEED_LANG, 2 },
};

const struct xml_rule *xml_rule_find(enum xml_place place, unsigned ns, struct str local)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].place == place && (rules[i].ns & ns) &&
            strlen(rules[i].local) == local.n &&
            strncasecmp(rules[i].local, local.s, local.n) == 0)
            return &rules[i];
    return NULL;
}

/* Addresses without scheme, "www.", leading and trailing slashes or '#', in lower case.
 * Real feeds get all of these wrong. */
static const struct {
    const char *uri;
    unsigned ns;
} uris[] = {
    { "w3.org/2005/atom", NS_ATOM },
    { "purl.org/atom/ns", NS_ATOM | NS_ATOM03 },
    { "purl.org/atom/ns#", NS_ATOM | NS_ATOM03 },
    { "example.com/newformat", NS_ATOM | NS_ATOM03 },
    { "example.com/necho", NS_ATOM | NS_ATOM03 },
    { "purl.org/echo", NS_ATOM | NS_ATOM03 },
    { "uri/of/echo/namespace", NS_ATOM | NS_ATOM03 },
    { "purl.org/pie", NS_ATOM | NS_ATOM03 },
    { "purl.org/dc/elements/1.1", NS_DC },
    { "purl.org/dc/elements/1.0", NS_DC },
    { "purl.org/dc/elements/2000/12", NS_DC },
    { "purl.org/metadata/dublin_core", NS_DC },
    { "purl.org/rss/1.0/modules/dc", NS_DC },
    { "purl.org/dc/terms", NS_DCTERMS },
    { "purl.org/rss/1.0/modules/dcterms", NS_DCTERMS },
    { "purl.org/rss/1.0/modules/content", NS_CONTENT },
    { "search.yahoo.com/mrss", NS_MEDIA },
    { "search.yahoo.com/mrss/1.0", NS_MEDIA },
    { "search.yahoo.com/rss", NS_MEDIA },
    { "video.search.yahoo.com/mrss", NS_MEDIA },
    { "tools.search.yahoo.com/mrss", NS_MEDIA },
    { "itunes.com/dtds/podcast-1.0.dtd", NS_ITUNES },
    { "itunes.com/dtds/podcast-1.0", NS_ITUNES },
    { "example.com/dtds/podcast-1.0.dtd", NS_ITUNES },
    { "w3.org/1999/xhtml", NS_XHTML },
    { "w3.org/1999/02/22-rdf-syntax-ns", NS_RDF },
    { "purl.org/rss/1.0/modules/syndication", NS_SY },
    { "rssnamespace.org/feedburner/ext/1.0", NS_FEEDBURNER },
    { "my.netscape.com/rdf/simple/0.9", NS_RSS | NS_RSS09 },
    { "channel.netscape.com/rdf/simple/0.9", NS_RSS | NS_RSS09 },
    { "purl.org/rss/1.0", NS_RSS },
    { "purl.org/net/rss1.1", NS_RSS },
    { "purl.org/rss/2.0", NS_RSS },
    { "backend.userland.com/rss", NS_RSS },
    { "backend.userland.com/rss2", NS_RSS },
    { "backend.userland.com/rss091", NS_RSS },
    { "blogs.law.harvard.edu/tech/rss", NS_RSS },
    { "cyber.law.harvard.edu/rss/rss.html", NS_RSS },
    { "rssboard.org/rss-specification", NS_RSS },
};

unsigned xml_ns_of_uri(struct str uri)
{
    char u[64];

    uri = str_trim(uri);
    for (size_t i = 0; i < 2; i++) {
        static const char *const scheme[] = { "http:", "https:" };
        size_t n = strlen(scheme[i]);
        if (uri.n >= n && !strncasecmp(uri.s, scheme[i], n))
            uri = (struct str){ uri.s + n, uri.n - n };
    }
    while (uri.n && *uri.s == '/')
        uri = (struct str){ uri.s + 1, uri.n - 1 };
    if (uri.n > 4 && !strncasecmp(uri.s, "www.", 4))
        uri = (struct str){ uri.s + 4, uri.n - 4 };
    while (uri.n && (uri.s[uri.n - 1] == '/' || uri.s[uri.n - 1] == '#'))
        uri.n--;
    if (uri.n == 0 || uri.n >= sizeof u)
        return NS_OTHER;
    for (size_t i = 0; i < uri.n; i++)
        u[i] = (char)tolower((unsigned char)uri.s[i]);
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++)
        if (strlen(uris[i].uri) == uri.n && memcmp(uris[i].uri, u, uri.n) == 0)
            return uris[i].ns;
    return NS_OTHER;
}

unsigned xml_ns_of_prefix(struct str prefix)
{
    static const struct {
        const char *prefix;
        unsigned ns;
    } usual[] = {
        { "atom", NS_ATOM },       { "atom10", NS_ATOM },
        { "a10", NS_ATOM },        { "dc", NS_DC },
        { "dcterms", NS_DCTERMS }, { "dct", NS_DCTERMS },
        { "content", NS_CONTENT }, { "media", NS_MEDIA },
        { "mrss", NS_MEDIA },      { "itunes", NS_ITUNES },
        { "xhtml", NS_XHTML },     { "rdf", NS_RDF },
        { "sy", NS_SY },           { "feedburner", NS_FEEDBURNER },
        { "rss", NS_RSS },         { "rss1", NS_RSS },
        { "rss11", NS_RSS },
    };

    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (str_eq_nocase(prefix, str_of(usual[i].prefix)))
            return usual[i].ns;
    return NS_OTHER;
}
