/* Fields that hold one value, not text: site:, feed:, group: and lang:.  What a rule asks
 * of one is a term under its field, and so is all that the item's value answers to, so
 * that rules are found by their values as by their words. */
#include <errno.h>
#include <string.h>
#include "match_impl.h"

/* A key is what a term of a value field is known by; longer ones have none. */
enum { KEY_MAX = 255 };

struct key {
    char s[KEY_MAX + TERM_HEAD]; /* as dict_find() wants it */
    size_t n;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static struct str trim_site(struct str want)
{
    while (want.n && (want.s[0] == '.' || want.s[0] == '*')) {
        want.s++;
        want.n--;
    }
    while (want.n && want.s[want.n - 1] == '.')
        want.n--;
    return want;
}

/* The host inside a URL. */
static struct str host_of(struct str url)
{
    struct str h = url;
    const char *p = url.n ? memmem(url.s, url.n, "://", 3) : NULL;

    if (!p)
        return (struct str){ url.s, 0 };
    h.s = p + 3;
    h.n = url.n - (size_t)(h.s - url.s);
    for (size_t i = 0; i < h.n; i++)
        if (memchr("/?#\\", h.s[i], 4))
            h.n = i;
    const char *at = h.n ? memrchr(h.s, '@', h.n) : NULL;
    if (at) {
        h.n -= (size_t)(at + 1 - h.s);
        h.s = at + 1;
    }
    const char *colon = h.n ? memchr(h.s, ':', h.n) : NULL;
    if (colon && h.s[0] != '[')
        h.n = (size_t)(colon - h.s);
    while (h.n && h.s[h.n - 1] == '.')
        h.n--;
    return h;
}

static bool begins(struct str a, struct str prefix)
{
    if (a.n < prefix.n)
        return false;
    for (size_t i = 0; i < prefix.n; i++)
        if (lower(a.s[i]) != lower(prefix.s[i]))
            return false;
    return true;
}

/* The host itself or a domain above it. */
static bool site_fits(struct str host, struct str want, bool prefix, struct str *part)
{
    want = trim_site(want);
    for (size_t i = 0; want.n && i < host.n; i++) {
        if (i > 0 && host.s[i - 1] != '.')
            continue;
        *part = (struct str){ host.s + i, host.n - i };
        if (begins(*part, want) && (prefix || part->n == want.n))
            return true;
    }
    return false;
}

/* Tags compare at the bounds of their parts: en is in en-GB. */
static bool lang_fits(struct str tag, struct str want, bool prefix, struct str *part)
{
    *part = (struct str){ tag.s, want.n };
    if (want.n == 0 || tag.n < want.n)
        return false;
    for (size_t i = 0; i < want.n; i++) {
        char a = tag.s[i] == '_' ? '-' : tag.s[i], b = want.s[i] == '_' ? '-' : want.s[i];
        if (lower(a) != lower(b))
            return false;
    }
    return prefix || tag.n == want.n || tag.s[want.n] == '-' || tag.s[want.n] == '_';
}

static bool same_token(const struct text *a, const struct text *b, size_t i, bool prefix)
{
    struct str x = text_folded(a, &a->tokens[i]), y = text_folded(b, &b->tokens[i]);

    return prefix ? x.n >= y.n && memcmp(x.s, y.s, y.n) == 0 : str_eq(x, y);
}

/* The words of a name, all of them; a prefix ends inside its last word. */
static bool name_fits(struct match_scratch *s, struct str name,
                      const struct rule_node *node)
{
    bool prefix = node->op == RULE_PREFIX;
    struct text *a = &s->name[0], *b = &s->name[1];

    if (node->exact)
        return prefix ? text_starts(name, node->text) : text_same(name, node->text);
    text_clear(a);
    text_clear(b);
    if (text_add(a, name) < 0 || text_add(b, node->text) < 0) {
        s->error = -ENOMEM;
        return false;
    }
    if (b->n == 0)
        return name.n && str_eq(name, node->text);
    if (prefix ? a->n < b->n : a->n != b->n)
        return false;
    for (size_t i = 0; i < b->n; i++)
        if (!same_token(a, b, i, prefix && i + 1 == b->n))
            return false;
    return true;
}

void value_find(struct match_scratch *s, const struct leaf *leaf)
{
    const struct rule_node *node = leaf->node;
    bool prefix = node->op == RULE_PREFIX;
    struct str want = str_trim(node->text);

    for (uint32_t i = 0; i < s->n_segments; i++) {
        const struct segment *g = &s->segments[i];
        struct str part = g->src;
        bool fits = false;
        if (!segment_in(g, node->field))
            continue;
        if (node->field == RULE_SITE)
            fits = site_fits(host_of(g->src), want, prefix, &part);
        else if (node->field == RULE_LANG)
            fits = lang_fits(g->src, want, prefix, &part);
        else
            fits = name_fits(s, g->src, node);
        if (fits)
            found_add(
                s, (struct occurrence){ NONE, NONE, (uint32_t)(part.s - g->src.s),
                                        (uint32_t)(part.s - g->src.s + (ptrdiff_t)part.n),
                                        i, false });
    }
}

/* --- keys ------------------------------------------------------------------------ */

/* A host or a language: ASCII letters in lower case; en_GB is en-GB. */
static bool key_plain(struct key *k, struct str s, enum rule_field field)
{
    if (s.n == 0 || s.n > KEY_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        k->s[i] = field == RULE_LANG && s.s[i] == '_' ? '-' : lower(s.s[i]);
    k->n = s.n;
    memset(k->s + k->n, 0, TERM_HEAD);
    return true;
}

/* A name: its folded words. */
static bool key_words(struct key *k, const struct text *t)
{
    k->n = 0;
    for (size_t i = 0; i < t->n; i++) {
        struct str word = text_folded(t, &t->tokens[i]);
        if (k->n + word.n + 1 > KEY_MAX)
            return false;
        memcpy(k->s + k->n, word.s, word.n);
        k->n += word.n;
        k->s[k->n++] = ' ';
    }
    memset(k->s + k->n, 0, TERM_HEAD);
    return k->n > 0;
}

static uint64_t key_hash(const struct key *k, enum rule_field field)
{
    return term_hash(text_hash_padded(k->s, k->n), TERM_WORD, field);
}

int value_compile(struct compiler *c, const struct rule_node *node, uint32_t *term)
{
    struct str want = str_trim(node->text);
    struct key k;
    bool has_key;

    *term = NONE;
    if (node->op != RULE_WORDS || node->exact)
        return 0;
    if (node->field == RULE_SITE) {
        has_key = key_plain(&k, trim_site(want), RULE_SITE);
    } else if (node->field == RULE_LANG) {
        has_key = key_plain(&k, want, RULE_LANG);
    } else {
        text_clear(&c->text);
        if (text_add(&c->text, node->text) < 0)
            return -ENOMEM;
        has_key = key_words(&k, &c->text);
    }
    if (!has_key)
        return 0;
    return compile_term(c, (struct str){ k.s, k.n }, text_hash_padded(k.s, k.n),
                        TERM_WORD, node->field, term);
}

static int note_key(struct match_scratch *s, const struct key *k, enum rule_field field)
{
    uint32_t id = dict_find(&s->set->dict, (struct str){ k->s, k->n }, key_hash(k, field),
                            TERM_WORD, field);

    return id == NONE || item_note(s, id) ? 0 : -ENOMEM;
}

/* The host and each domain above it. */
static int note_sites(struct match_scratch *s, struct str host)
{
    struct key k;
    int r = 0;

    for (size_t i = host.n > KEY_MAX ? host.n - KEY_MAX : 0; r == 0 && i < host.n; i++)
        if ((i == 0 || host.s[i - 1] == '.') &&
            key_plain(&k, (struct str){ host.s + i, host.n - i }, RULE_SITE))
            r = note_key(s, &k, RULE_SITE);
    return r;
}

/* The tag and each part that it begins with. */
static int note_langs(struct match_scratch *s, struct str tag)
{
    struct key k;
    int r = 0;

    for (size_t i = 1; r == 0 && i <= tag.n && i <= KEY_MAX; i++)
        if ((i == tag.n || tag.s[i] == '-' || tag.s[i] == '_') &&
            key_plain(&k, (struct str){ tag.s, i }, RULE_LANG))
            r = note_key(s, &k, RULE_LANG);
    return r;
}

static int note_name(struct match_scratch *s, struct str name, enum rule_field field)
{
    struct text *t = &s->name[0];
    struct key k;

    text_clear(t);
    if (text_add(t, name) < 0)
        return -ENOMEM;
    return key_words(&k, t) ? note_key(s, &k, field) : 0;
}

int value_note(struct match_scratch *s)
{
    uint32_t fields = s->set->fields;
    int r = 0;

    if (fields >> RULE_SITE & 1)
        r = note_sites(s, host_of(s->in->link));
    if (r == 0 && fields >> RULE_LANG & 1)
        r = note_langs(s, s->in->lang);
    if (r == 0 && fields >> RULE_FEED & 1)
        r = note_name(s, s->in->feed, RULE_FEED);
    if (r == 0 && fields >> RULE_GROUP & 1)
        r = note_name(s, s->in->group, RULE_GROUP);
    return r;
}
