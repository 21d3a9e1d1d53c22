/* Random rules and items, and the comparison of matcher and reference on them. */
#include "match_random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "match_reference.h"
#include "utf8.h"

uint32_t source_below(struct source *s, uint32_t n)
{
    if (s->bytes && s->n) {
        s->n--;
        return *s->bytes++ % n;
    }
    s->state ^= s->state << 13;
    s->state ^= s->state >> 7;
    s->state ^= s->state << 17;
    return (uint32_t)(s->state >> 33) % n;
}

/* The same few words in many spellings, so that rules hit, miss and nearly hit. */
static const char *const vocabulary[] = {
    "a",           "b",          "c",
    "A",           "B",          "C",
    "a",           "b",          "c",
    "a1",          "Xi",         "xi",
    "XI",          "Putin",      "putin’s",
    "Pu\u00ADtin", "PUTIN",      "taxi",
    "Erdoğan",     "Erdogan",    "ERDOG\u0306AN",
    "Straße",      "STRASSE",    "İstanbul",
    "istanbul",    "ıstanbul",   "Łódź",
    "lodz",        "café",       "cafe\u0301",
    "WHO",         "who",        "U.S.",
    "us",          "C++",        "C#",
    "AT&T",        "#metoo",     ".NET",
    "$TSLA",       "net",        "metoo",
    "O'Brien",     "o’brien",    "Путин",
    "путину",      "ПУТИН",      "Йод",
    "и\u0306од",   "ΣΟΦΟΣ",      "σοφός",
    "σοφόσ",       "محمد",       "مُحَمَّد",
    "محـمد",       "שלום",       "שָׁלוֹם",
    "हिन्दी",       "हिन्द",       "कि",
    "क",           "ไทย",        "ไท",
    "ที่",           "习近平",     "习近",
    "近平",        "平",         "中国",
    "国家",        "中",         "日本語",
    "日本",        "が",         "か\u3099",
    "か",          "ガ",         "ｶﾞ",
    "한국",        "한",         "\u1112\u1161\u11AB국",
    "ﬁne",         "fine",       "Ｐｕｔｉｎ",
    "km",          "5㎞",        "iPhone™",
    "iphone",      "iPhone手机", "手机",
    "🚀",           "->",         "++",
    "1",           "12",         "2024",
    "½",           "クリミア",   "မြန်မာ",
    "ខ្មែរ",        "ລາວ",        "e\u0301\u0323",
    "ẹ\u0301",
};

static const char *const gaps[] = {
    " ", " ",  " ",      " ",      " ",  " ",   "  ",  ", ", ". ",   "-",
    "",  "'",  "’",      "\n",     "; ", " — ", " & ", "&",  "+",    " #",
    "$", " .", "\u200B", "\u00AD", "(",  ")",   "/",   "…",  "\xFF", " 。",
};

#define PICK(s, list) (list)[source_below(s, sizeof(list) / sizeof *(list))]

static char *take(struct arena *a, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    if (a->n + n > a->cap)
        abort();
    char *p = a->v + a->n;
    a->n += n;
    return p;
}

static struct str random_text(struct source *s, struct arena *a, const struct words *w,
                              uint32_t words)
{
    char text[4000];
    size_t n = 0;

    for (uint32_t i = 0; i < words; i++) {
        char one[200] = "";
        const char *word = PICK(s, vocabulary);
        if (w && w->n && source_below(s, 3)) {
            struct str x = w->v[source_below(s, 256) * 251u % w->n];
            memcpy(one, x.s, x.n < sizeof one - 1 ? x.n : sizeof one - 1);
            word = one;
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? PICK(s, gaps) : "",
                              word);
        if (n > sizeof text - 300)
            break;
    }
    char *copy = take(a, n + 1);
    memcpy(copy, text, n + 1);
    return (struct str){ copy, n };
}

static const char *const sites[] = { "example.org", "news.example.org",
                                     "org",         "a.b.example.org",
                                     "ample.org",   "EXAMPLE.org",
                                     "xi.cn" };
static const char *const langs[] = { "en", "en-GB", "EN", "ru", "zh-Hant", "zh", "e" };
static const char *const names[] = { "BBC",  "bbc",  "Kyiv Post", "kyiv-post",
                                     "Café", "cafe", "习近平",    "world" };
static const char *const regexes[] = { "Xi",
                                       "x+",
                                       "\\bput\\w*",
                                       "a.?b",
                                       "[а-я]+у",
                                       "习.",
                                       "c\\+\\+",
                                       "^a",
                                       "(?i)who$",
                                       "\\d{2,}",
                                       ".{3}",
                                       "a*",
                                       "Putin|WHO|近平",
                                       "(Xi|Putin)\\b",
                                       "tax[iy]s?",
                                       "(er)?dogan",
                                       "Stra(ß|ss)e",
                                       "met+oo",
                                       "(?:put)+in",
                                       "\\$TSLA",
                                       "i[Pp]hone|lod{1,2}z",
                                       "C\\+\\+|C#",
                                       "(istanbul|who){0}a",
                                       "(?i)kiss|xi",
                                       "o.{0,9}brien",
                                       "[^]a]b c",
                                       "国.?家主" };

static struct str pick_str(struct source *s, const char *const *list, uint32_t n)
{
    return str_of(list[source_below(s, n)]);
}
#define PICK_STR(s, list) pick_str(s, list, sizeof(list) / sizeof *(list))

/* A pattern from a word: some letters doubled, optional or bracketed. */
static struct str random_pattern(struct source *s, struct arena *a, struct str word)
{
    static const char *const after[] = {
        "", "", "", "", "", "?", "+", "{1,2}", "*?", "|"
    };
    char text[600];
    size_t n = 0, open = 0;

    for (size_t i = 0, len; i < word.n && i < 60; i += len) {
        uint32_t cp = utf8_get(word.s + i, word.n - i, &len);
        if (cp == UTF8_BAD || cp < 0x20)
            continue;
        if (source_below(s, 12) == 0)
            n += (size_t)snprintf(text + n, sizeof text - n, "(%s",
                                  open++ % 2 ? "" : "?:");
        if (cp < 0x80 && strchr("\\^$.[]|()?*+{}/", (int)cp))
            text[n++] = '\\';
        memcpy(text + n, word.s + i, len);
        n += len;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", PICK(s, after));
        if (open && source_below(s, 3) == 0) {
            open--;
            n += (size_t)snprintf(text + n, sizeof text - n, ")%s", PICK(s, after));
        }
    }
    while (open--)
        text[n++] = ')';
    char *copy = take(a, n + 1);
    memcpy(copy, text, n);
    return (struct str){ copy, n };
}

static struct rule_node *new_node(struct arena *a, enum rule_op op, size_t children)
{
    struct rule_node *n = (struct rule_node *)(void *)take(a, sizeof *n);

    *n = (struct rule_node){ .op = op, .n_children = children };
    if (children)
        n->child = (struct rule_node **)(void *)take(a, children * sizeof *n->child);
    return n;
}

/* Value fields only outside of NEAR; regexes of a few kinds. */
static struct rule_node *random_leaf(struct source *s, struct arena *a,
                                     const struct words *w, enum rule_field field)
{
    struct rule_node *n = new_node(a, RULE_WORDS, 0);
    uint32_t kind = source_below(s, 16);

    n->field = field;
    if (field == RULE_SITE)
        n->text = PICK_STR(s, sites);
    else if (field == RULE_LANG)
        n->text = PICK_STR(s, langs);
    else if (field == RULE_FEED || field == RULE_GROUP)
        n->text = PICK_STR(s, names);
    else if (kind == 0) {
        n->op = RULE_REGEX;
        n->text = source_below(s, 2) ? PICK_STR(s, regexes)
                                     : random_pattern(s, a, random_text(s, a, w, 1));
        n->number = source_below(s, 2);
        return n;
    } else
        n->text = random_text(s, a, w, kind < 4 ? 2 : kind == 4 ? 3 : 1);
    if (kind == 5 || kind == 6)
        n->op = RULE_PREFIX;
    n->exact = source_below(s, 8) == 0 && field != RULE_SITE && field != RULE_LANG;
    n->quoted = n->op == RULE_WORDS && source_below(s, 2);
    return n;
}

static enum rule_field random_field(struct source *s, int near)
{
    static const enum rule_field fields[] = {
        RULE_TITLE, RULE_TEXT, RULE_AUTHOR, RULE_CATEGORY, RULE_LINK,
        RULE_SITE,  RULE_FEED, RULE_GROUP,  RULE_LANG,
    };

    if (source_below(s, 3))
        return RULE_ANY;
    return fields[source_below(s, near ? 5 : 9)];
}

static struct rule_node *random_operand(struct source *s, struct arena *a,
                                        const struct words *w, enum rule_field field)
{
    if (source_below(s, 4))
        return random_leaf(s, a, w, field);

    struct rule_node *n = new_node(a, RULE_OR, 2 + source_below(s, 2));
    for (size_t i = 0; i < n->n_children; i++)
        n->child[i] = random_leaf(s, a, w, source_below(s, 6) ? field : RULE_ANY);
    return n;
}

static struct rule_node *random_chain(struct source *s, struct arena *a,
                                      const struct words *w)
{
    enum rule_field field = random_field(s, 1);
    struct rule_node *chain = random_operand(s, a, w, field);
    uint32_t links = 1 + source_below(s, 3);

    for (uint32_t i = 0; i < links; i++) {
        struct rule_node *n = new_node(a, source_below(s, 3) ? RULE_NEAR : RULE_ONEAR, 2);
        n->number = source_below(s, 4) ? source_below(s, 5) : source_below(s, 30);
        n->child[0] = chain;
        n->child[1] = random_operand(s, a, w, field);
        chain = n;
    }
    return chain;
}

static struct rule_node *random_node(struct source *s, struct arena *a,
                                     const struct words *w, unsigned depth)
{
    uint32_t kind = source_below(s, depth > 3 ? 6 : 14);
    enum rule_op op = RULE_AND;

    if (kind < 5)
        return random_leaf(s, a, w, random_field(s, 0));
    if (kind == 5)
        return random_chain(s, a, w);
    if (kind == 6 && depth)
        return new_node(a, RULE_ALL, 0);
    if (kind >= 10)
        op = RULE_OR;
    if (kind == 13)
        op = RULE_AT_LEAST;
    if (kind == 7)
        op = RULE_NOT;
    struct rule_node *n = new_node(a, op, op == RULE_NOT ? 1 : 2 + source_below(s, 4));
    n->number = op == RULE_AT_LEAST ? 1 + source_below(s, (uint32_t)n->n_children) : 0;
    for (size_t i = 0; i < n->n_children; i++)
        n->child[i] = random_node(s, a, w, depth + 1);
    return n;
}

struct rule_node *random_rule(struct source *s, struct arena *a, const struct words *w)
{
    if (source_below(s, 2))
        return random_node(s, a, w, 0);
    if (source_below(s, 8) == 0) { /* found by a regex alone */
        struct rule_node *regex = new_node(a, RULE_REGEX, 0);
        regex->field = random_field(s, 0);
        regex->text = random_pattern(s, a, random_text(s, a, w, 1 + source_below(s, 2)));
        regex->number = source_below(s, 2);
        return regex;
    }

    struct rule_node *n =
        new_node(a, RULE_AND, 2 + source_below(s, 4)); /* the usual rule */
    for (size_t i = 0; i < n->n_children; i++)
        n->child[i] = random_leaf(s, a, w, RULE_ANY);
    return n;
}

static const struct str *random_list(struct source *s, struct arena *a, size_t *n)
{
    *n = source_below(s, 3);
    struct str *list = (struct str *)(void *)take(a, 3 * sizeof *list);

    for (size_t i = 0; i < *n; i++)
        list[i] = random_text(s, a, NULL, 1 + source_below(s, 3));
    return list;
}

void random_item(struct source *s, struct arena *a, struct match_input *in)
{
    static const char *const links[] = { "http://news.example.org/putin-xi/2024?a=b",
                                         "https://a.b.example.org:80/", "http://xi.cn",
                                         "", "https://Example.ORG/Erdo%C4%9Fan" };

    *in = (struct match_input){ .title = random_text(s, a, NULL, source_below(s, 10)) };
    in->summary = random_text(s, a, NULL, source_below(s, 25));
    in->content = random_text(s, a, NULL, source_below(s, 60));
    in->link = PICK_STR(s, links);
    in->feed = PICK_STR(s, names);
    in->group = PICK_STR(s, names);
    in->lang = PICK_STR(s, langs);
    in->authors = random_list(s, a, &in->n_authors);
    in->categories = random_list(s, a, &in->n_categories);
}

void add_parts(struct match_rule *rules, size_t *n, size_t max,
               const struct rule_node *root)
{
    if (*n >= max)
        return;
    rules[*n] = (struct match_rule){ (uint32_t)*n, root };
    ++*n;
    for (size_t i = 0; i < root->n_children; i++)
        add_parts(rules, n, max, root->child[i]);
}

int has_regex(const struct rule_node *n)
{
    int some = n->op == RULE_REGEX;

    for (size_t i = 0; i < n->n_children; i++)
        some |= has_regex(n->child[i]);
    return some;
}

/* --- comparing ------------------------------------------------------------------- */

struct comparison {
    const struct match_rule *rules;
    size_t n, next, hits;
    struct ref_item *item;
    int wrong;
};

static void show(const struct rule_node *root, uint32_t id, const struct match_span *want,
                 size_t n_want, int hit, const struct match_span *got, size_t n_got)
{
    struct buf b;

    buf_init(&b, 100000);
    (void)rule_canonical(&b, root);
    fprintf(stderr, "rule %u: %s\n  reference %s:", (unsigned)id, b.s ? b.s : "",
            hit ? "hits" : "does not");
    for (size_t i = 0; i < n_want; i++)
        fprintf(stderr, " %u.%u:%u+%u", want[i].field, want[i].index, want[i].offset,
                want[i].length);
    fprintf(stderr, "\n  matcher %s:", got ? "hits" : "does not");
    for (size_t i = 0; got && i < n_got; i++)
        fprintf(stderr, " %u.%u:%u+%u", got[i].field, got[i].index, got[i].offset,
                got[i].length);
    fprintf(stderr, "\n");
    buf_free(&b);
}

static int same_spans(const struct match_span *a, size_t n, const struct match_span *b,
                      size_t m)
{
    if (n != m)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (a[i].field != b[i].field || a[i].index != b[i].index ||
            a[i].offset != b[i].offset || a[i].length != b[i].length)
            return 0;
    return 1;
}

/* Rules before `id` must miss, and this one hit with the same spans. */
static int check_up_to(struct comparison *c, size_t rule, const struct match_span *got,
                       size_t n_got)
{
    struct match_span *want;
    size_t n;

    for (; c->next <= rule && c->next < c->n; c->next++) {
        int hit = ref_match(c->item, c->rules[c->next].root, &want, &n);
        int here = got && c->next == rule;
        if (hit != here || (hit && !same_spans(want, n, got, n_got))) {
            show(c->rules[c->next].root, c->rules[c->next].id, want, n, hit,
                 here ? got : NULL, n_got);
            c->wrong = 1;
        }
        free(want);
    }
    return c->wrong;
}

static int on_hit(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    static const struct match_span none;
    struct comparison *c = ctx;

    c->hits++;
    return check_up_to(c, id, spans ? spans : &none, n);
}

int compare_all(const struct match_rule *rules, size_t n, const struct match_input *in,
                size_t *hits)
{
    static struct match_scratch
        *scratch; /* reused: what one item leaves must not matter */
    struct match_set *set;
    struct comparison c = { rules, n, 0, 0, NULL, 0 };
    struct buf why;

    buf_init(&why, 1000);
    if (!scratch && match_scratch_new(&scratch) < 0)
        abort();
    if (match_set_new(&set, rules, n, &why, NULL) < 0) {
        fprintf(stderr, "match_set_new: %s\n", why.s ? why.s : "");
        return 1;
    }
    c.item = ref_item_new(in);
    int r = match_item(set, scratch, in, on_hit, &c);
    if (r == 0)
        r = check_up_to(&c, n, NULL, 0);
    ref_item_free(c.item);
    match_set_free(set);
    buf_free(&why);
    *hits += c.hits;
    return r || c.wrong;
}
