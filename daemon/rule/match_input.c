/* What a rule sees of an item, and where a span of it lies. */
#include "match.h"

struct match_input match_input_of(const struct item *item, const char *feed,
                                  const char *group, struct str lang)
{
    return (struct match_input){
        .title = item->title,
        .summary = item->summary,
        .content = item->content,
        .link = item->link,
        .feed = str_of(feed),
        .group = str_of(group),
        .lang = item->lang.n ? item->lang : lang,
        .authors = item->authors,
        .n_authors = item->n_authors,
        .categories = item->categories,
        .n_categories = item->n_categories,
    };
}

struct str match_input_text(const struct match_input *in, unsigned field, unsigned index)
{
    switch ((enum match_field)field) {
    case MATCH_TITLE:
        return in->title;
    case MATCH_SUMMARY:
        return in->summary;
    case MATCH_CONTENT:
        return in->content;
    case MATCH_AUTHOR:
        return index < in->n_authors ? in->authors[index] : (struct str){ 0 };
    case MATCH_CATEGORY:
        return index < in->n_categories ? in->categories[index] : (struct str){ 0 };
    case MATCH_LINK:
    case MATCH_SITE:
        return in->link;
    case MATCH_FEED:
        return in->feed;
    case MATCH_GROUP:
        return in->group;
    case MATCH_LANG:
        return in->lang;
    case MATCH_FIELDS:
        break;
    }
    return (struct str){ 0 };
}
