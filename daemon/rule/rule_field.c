/* The fields of rules: names, aliases, and which fields can be near one another. */
#include "rule_own.h"

static const char *const names[RULE_FIELDS] = {
    [RULE_ANY] = "any",       [RULE_TITLE] = "title",       [RULE_TEXT] = "text",
    [RULE_AUTHOR] = "author", [RULE_CATEGORY] = "category", [RULE_LINK] = "link",
    [RULE_SITE] = "site",     [RULE_FEED] = "feed",         [RULE_GROUP] = "group",
    [RULE_LANG] = "lang",
};

static const struct {
    const char *name;
    enum rule_field field;
} aliases[] = {
    { "intitle", RULE_TITLE }, { "intext", RULE_TEXT }, { "body", RULE_TEXT },
    { "tag", RULE_CATEGORY },  { "inurl", RULE_LINK },  { "url", RULE_LINK },
};

#define N_ALIASES (sizeof aliases / sizeof *aliases)

const char *rule_field_name(enum rule_field f)
{
    return names[f];
}

bool rule_field_of(struct str name, enum rule_field *field, bool *exact)
{
    *exact = str_eq_nocase(name, STR("exact"));
    if (*exact)
        return true;
    for (size_t i = 0; i < RULE_FIELDS; i++)
        if (str_eq_nocase(name, str_of(names[i]))) {
            *field = (enum rule_field)i;
            return true;
        }
    for (size_t i = 0; i < N_ALIASES; i++)
        if (str_eq_nocase(name, str_of(aliases[i].name))) {
            *field = aliases[i].field;
            return true;
        }
    return false;
}

void rule_fail_field(struct rule_parse *p, struct str name, uint32_t column)
{
    const char *all[RULE_FIELDS + N_ALIASES + 1];
    size_t n = 0;

    for (size_t i = 0; i < RULE_FIELDS; i++)
        all[n++] = names[i];
    for (size_t i = 0; i < N_ALIASES; i++)
        all[n++] = aliases[i].name;
    all[n++] = "exact";

    const char *near = rule_nearest(name, all, n);
    struct rule_piece shown = rule_piece(name);
    uint32_t width = (uint32_t)name.n + 1;

    if (near)
        rule_fail(p, column, width,
                  "there is no field %s:; did you mean %s:? If the word is meant, put it "
                  "in quotes",
                  shown.s, near);
    else if (str_eq_nocase(name, STR("https")) || str_eq_nocase(name, STR("http")))
        rule_fail(p, column, width,
                  "an address is looked for with link:\"...\" or site:example.org");
    else
        rule_fail(p, column, width,
                  "there is no field %s:; they are any title text author category link "
                  "site feed group lang exact. If the word is meant, put it in quotes",
                  shown.s);
}
