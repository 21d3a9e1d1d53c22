/* The reference evaluator: a walk over the tree, and over every position of the text. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "match_reference.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>
#include "match_reference_text.h"

struct place { /* an occurrence of a leaf */
    size_t seg;
    long first, last; /* tokens; -1: none */
    uint32_t from, to;
};

struct places {
    struct place *v;
    size_t n;
};

struct seg {
    enum match_field field;
    uint16_t index;
    struct ref_text text;
};

struct ref_item {
    struct seg *seg;
    size_t n;
};

static void add_seg(struct ref_item *it, enum match_field field, size_t index,
                    struct str src)
{
    it->seg = realloc(it->seg, (it->n + 1) * sizeof *it->seg);
    if (!it->seg)
        abort();
    struct seg *g = &it->seg[it->n++];
    g->field = field;
    g->index = (uint16_t)index;
    ref_fold(&g->text, src);
}

struct ref_item *ref_item_new(const struct match_input *in)
{
    struct ref_item *it = calloc(1, sizeof *it);

    if (!it)
        abort();
    add_seg(it, MATCH_TITLE, 0, in->title);
    add_seg(it, MATCH_SUMMARY, 0, in->summary);
    add_seg(it, MATCH_CONTENT, 0, in->content);
    for (size_t i = 0; i < in->n_authors; i++)
        add_seg(it, MATCH_AUTHOR, i, in->authors[i]);
    for (size_t i = 0; i < in->n_categories; i++)
        add_seg(it, MATCH_CATEGORY, i, in->categories[i]);
    add_seg(it, MATCH_LINK, 0, in->link);
    add_seg(it, MATCH_SITE, 0, in->link);
    add_seg(it, MATCH_FEED, 0, in->feed);
    add_seg(it, MATCH_GROUP, 0, in->group);
    add_seg(it, MATCH_LANG, 0, in->lang);
    return it;
}

void ref_item_free(struct ref_item *it)
{
    for (size_t i = 0; i < it->n; i++)
        ref_text_free(&it->seg[i].text);
    free(it->seg);
    free(it);
}

static int in_field(enum match_field f, enum rule_field wanted)
{
    static const char *const fields[RULE_FIELDS] = {
        [RULE_ANY] = "tsc",  [RULE_TITLE] = "t",    [RULE_TEXT] = "sc",
        [RULE_AUTHOR] = "a", [RULE_CATEGORY] = "g", [RULE_LINK] = "l",
        [RULE_SITE] = "h",   [RULE_FEED] = "f",     [RULE_GROUP] = "p",
        [RULE_LANG] = "z",
    };
    return strchr(fields[wanted], "tscaglhfpz"[f]) != NULL;
}

static void add(struct places *p, struct place x)
{
    p->v = ref_grow(p->v, p->n, sizeof *p->v);
    p->v[p->n++] = x;
}

/* --- as written ------------------------------------------------------------------ */

/* NFD without what cannot be seen; bad bytes stand for themselves. */
static struct ref_chars plain(const char *s, size_t n)
{
    struct ref_chars c = { 0 };

    for (size_t at = 0; at < n;) {
        int32_t cp, d[8];
        utf8proc_ssize_t m = 1, len = utf8proc_iterate((const uint8_t *)s + at,
                                                       (utf8proc_ssize_t)(n - at), &cp);
        d[0] = -1 - (unsigned char)s[at];
        if (len <= 0)
            len = 1;
        else if (utf8proc_get_property(cp)->ignorable)
            m = 0;
        else
            m = utf8proc_decompose_char(cp, d, 8, UTF8PROC_DECOMPOSE, NULL);
        for (utf8proc_ssize_t i = 0; i < m; i++) {
            c.v = ref_grow(c.v, c.n, sizeof *c.v);
            c.v[c.n++].cp = d[i];
        }
        at += (size_t)len;
    }
    for (size_t k = c.n; k > 1; k--) /* bubble sort: stable */
        for (size_t i = 1; i < k; i++)
            if (ref_ccc(c.v[i].cp) && ref_ccc(c.v[i - 1].cp) > ref_ccc(c.v[i].cp)) {
                struct ref_char x = c.v[i];
                c.v[i] = c.v[i - 1];
                c.v[i - 1] = x;
            }
    return c;
}

static int same_as_written(const char *a, size_t na, const char *b, size_t nb, int prefix)
{
    struct ref_chars x = plain(a, na), y = plain(b, nb);
    int same = prefix ? x.n >= y.n : x.n == y.n;

    for (size_t i = 0; same && i < y.n; i++)
        same = x.v[i].cp == y.v[i].cp;
    if (same && x.n > y.n && ref_ccc(x.v[y.n].cp))
        same = 0; /* inside a character */
    free(x.v);
    free(y.v);
    return same;
}

/* --- symbols --------------------------------------------------------------------- */

struct signs {
    struct ref_char v[400];
    size_t n;
};

/* The symbols of [from, to), and a space for each run of other separators. */
static void read_signs(struct signs *out, struct str src, size_t from, size_t to)
{
    struct ref_chars c;

    out->n = 0;
    if (to <= from)
        return;
    ref_chars(&c, (struct str){ src.s + from, to - from });
    for (size_t i = 0; i < c.n && out->n < 400; i++) {
        enum ref_class k = ref_class(c.v[i].cp);
        if (k == REF_SYMBOL)
            out->v[out->n++] = c.v[i];
        else if (k == REF_SEPARATOR && (out->n == 0 || out->v[out->n - 1].cp != ' ')) {
            out->v[out->n] = c.v[i];
            out->v[out->n++].cp = ' ';
        }
    }
    free(c.v);
}

static int equal_signs(const struct signs *a, size_t from, const struct signs *b,
                       size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a->v[from + i].cp != b->v[i].cp)
            return 0;
    return 1;
}

static void gap(const struct ref_text *t, size_t i, size_t *from, size_t *to)
{
    *from = i ? t->token[i - 1].to : 0;
    *to = i < t->n ? t->token[i].from : t->src.n;
}

/* What the phrase wants before its token `i`: trimmed at its ends. */
static int wanted(const struct ref_text *phrase, size_t i, struct signs *want, int *dot)
{
    size_t from, to, some = 0;

    gap(phrase, i, &from, &to);
    *dot = i < phrase->n && to > from && phrase->src.s[to - 1] == '.' &&
           (to - from == 1 ? i == 0 : phrase->src.s[to - 2] == ' ');
    read_signs(want, phrase->src, from, to);
    if (i == 0 && want->n && want->v[0].cp == ' ')
        memmove(want->v, want->v + 1, --want->n * sizeof *want->v);
    if (i == phrase->n && want->n && want->v[want->n - 1].cp == ' ')
        want->n--;
    for (size_t k = 0; k < want->n; k++)
        some += want->v[k].cp != ' ';
    if (!some)
        want->n = 0;
    return want->n || *dot;
}

static int signs_fit(const struct ref_text *phrase, const struct ref_text *t, size_t p,
                     size_t i, struct place *at)
{
    struct signs want, is;
    size_t from, to;
    int dot;

    if (!wanted(phrase, i, &want, &dot))
        return 1;
    gap(t, p + i, &from, &to);
    if (dot && !(to > from && t->src.s[to - 1] == '.'))
        return 0;
    if (dot && i == 0)
        at->from = (uint32_t)to - 1;
    if (want.n == 0)
        return 1;
    read_signs(&is, t->src, from, to);
    if (is.n < want.n)
        return 0;
    if (i == 0) {
        at->from = (uint32_t)from + is.v[is.n - want.n].from;
        return equal_signs(&is, is.n - want.n, &want, want.n);
    }
    if (i == phrase->n) {
        at->to = (uint32_t)from + is.v[want.n - 1].to;
        return equal_signs(&is, 0, &want, want.n);
    }
    return is.n == want.n && equal_signs(&is, 0, &want, want.n);
}

/* A phrase of symbols only: wherever they stand between two tokens. */
static void find_signs(const struct rule_node *n, const struct ref_text *phrase,
                       const struct ref_text *t, size_t seg, struct places *out)
{
    struct signs want, is;
    size_t from, to, m;

    read_signs(&want, phrase->src, 0, phrase->src.n);
    if (want.n && want.v[0].cp == ' ')
        memmove(want.v, want.v + 1, --want.n * sizeof *want.v);
    if (want.n && want.v[want.n - 1].cp == ' ')
        want.n--;
    if (want.n == 0 || !n->quoted || n->op != RULE_WORDS)
        return;
    for (size_t i = 0; i <= t->n; i++) {
        gap(t, i, &from, &to);
        read_signs(&is, t->src, from, to);
        for (m = 0; m + want.n <= is.n; m++)
            if (equal_signs(&is, m, &want, want.n))
                add(out, (struct place){ seg, -1, -1, (uint32_t)from + is.v[m].from,
                                         (uint32_t)from + is.v[m + want.n - 1].to });
    }
}

/* --- leaves ---------------------------------------------------------------------- */

static int token_fits(const struct rule_node *n, const struct ref_text *phrase, size_t i,
                      const struct ref_text *t, size_t p)
{
    const struct ref_token *want = &phrase->token[i], *is = &t->token[p];
    int prefix = n->op == RULE_PREFIX && i + 1 == phrase->n;

    if (prefix && !want->run
            ? strncmp(is->folded, want->folded, strlen(want->folded)) != 0
            : strcmp(is->folded, want->folded) != 0)
        return 0;
    return !n->exact ||
           same_as_written(t->src.s + is->from, is->to - is->from,
                           phrase->src.s + want->from, want->to - want->from, prefix);
}

static void find_words(const struct rule_node *n, const struct ref_text *phrase,
                       const struct ref_text *t, size_t seg, struct places *out)
{
    if (phrase->n == 0) {
        find_signs(n, phrase, t, seg, out);
        return;
    }
    for (size_t p = 0; p + phrase->n <= t->n; p++) {
        struct place at = { seg, (long)p, (long)(p + phrase->n - 1), t->token[p].from,
                            t->token[p + phrase->n - 1].to };
        int fits = 1;
        for (size_t i = 0; fits && i < phrase->n; i++)
            fits = token_fits(n, phrase, i, t, p + i);
        for (size_t i = 0; fits && n->quoted && i <= phrase->n; i++)
            fits = signs_fit(phrase, t, p, i, &at);
        if (fits)
            add(out, at);
    }
}

static void find_regex(const struct rule_node *n, const struct ref_text *t, size_t seg,
                       struct places *out)
{
    int error;
    size_t where, at = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)n->text.s, n->text.n,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF |
                                         (n->number & 1 ? PCRE2_CASELESS : 0),
                                     &error, &where, NULL);
    pcre2_match_data *m = pcre2_match_data_create(1, NULL);

    for (int k = 0; k < 64; k++) {
        int r = pcre2_match(code, (PCRE2_SPTR)(t->src.s ? t->src.s : ""), t->src.n, at,
                            PCRE2_NOTEMPTY, m, NULL);
        if (r < 0)
            break;
        const size_t *v = pcre2_get_ovector_pointer(m);
        struct place x = { seg, -1, -1, (uint32_t)v[0], (uint32_t)v[1] };
        for (size_t i = 0; i < t->n; i++)
            if (t->token[i].to > v[0] && t->token[i].from < v[1]) {
                x.first = x.first < 0 ? (long)i : x.first;
                x.last = (long)i;
            }
        add(out, x);
        at = v[1];
    }
    pcre2_match_data_free(m);
    pcre2_code_free(code);
}

static int same_bytes(const char *a, const char *b, size_t n)
{
    return n == 0 || strncasecmp(a, b, n) == 0;
}

static struct str link_host(struct str link)
{
    const char *from = link.n ? memmem(link.s, link.n, "://", 3) : NULL;
    const char *end = link.s + link.n, *p;

    if (!from)
        return (struct str){ link.s, 0 };
    for (p = from += 3; p < end && !memchr("/?#\\", *p, 4); p++)
        ;
    end = p;
    for (p = from; p < end; p++)
        if (*p == '@')
            from = p + 1;
    for (p = from; p < end && (*from == '[' || *p != ':'); p++)
        ;
    while (p > from && p[-1] == '.')
        p--;
    return (struct str){ from, (size_t)(p - from) };
}

static void find_site(const struct rule_node *n, struct str link, size_t seg,
                      struct places *out)
{
    struct str host = link_host(link), want = str_trim(n->text);

    for (; want.n && (*want.s == '.' || *want.s == '*'); want.n--)
        want.s++;
    while (want.n && want.s[want.n - 1] == '.')
        want.n--;
    for (size_t i = 0; want.n && i + want.n <= host.n; i++) {
        if (i && host.s[i - 1] != '.')
            continue;
        if ((n->op == RULE_PREFIX || i + want.n == host.n) &&
            same_bytes(host.s + i, want.s, want.n)) {
            uint32_t at = (uint32_t)(host.s + i - link.s);
            add(out, (struct place){ seg, -1, -1, at, at + (uint32_t)(host.n - i) });
            return;
        }
    }
}

static int is_hyphen(char c)
{
    return c == '-' || c == '_';
}

static void find_lang(const struct rule_node *n, struct str tag, size_t seg,
                      struct places *out)
{
    struct str want = str_trim(n->text);

    if (want.n == 0 || tag.n < want.n)
        return;
    for (size_t i = 0; i < want.n; i++)
        if (is_hyphen(want.s[i]) ? !is_hyphen(tag.s[i])
                                 : !same_bytes(tag.s + i, want.s + i, 1))
            return;
    if (n->op == RULE_PREFIX || tag.n == want.n || is_hyphen(tag.s[want.n]))
        add(out, (struct place){ seg, -1, -1, 0, (uint32_t)want.n });
}

static void find_name(const struct rule_node *n, const struct ref_text *name,
                      const struct ref_text *want, size_t seg, struct places *out)
{
    int prefix = n->op == RULE_PREFIX;
    int fits = prefix ? name->n >= want->n : name->n == want->n;

    if (n->exact)
        fits =
            same_as_written(name->src.s, name->src.n, want->src.s, want->src.n, prefix);
    else if (want->n == 0)
        fits = name->src.n && str_eq(name->src, want->src);
    for (size_t i = 0; !n->exact && fits && i < want->n; i++)
        fits = prefix && i + 1 == want->n
                   ? !strncmp(name->token[i].folded, want->token[i].folded,
                              strlen(want->token[i].folded))
                   : !strcmp(name->token[i].folded, want->token[i].folded);
    if (fits)
        add(out, (struct place){ seg, -1, -1, 0, (uint32_t)name->src.n });
}

static void find_leaf(struct ref_item *it, const struct rule_node *n, struct places *out)
{
    struct ref_text want;

    ref_fold(&want, n->text);
    for (size_t i = 0; i < it->n; i++) {
        const struct ref_text *t = &it->seg[i].text;
        if (!in_field(it->seg[i].field, n->field))
            continue;
        if (n->op == RULE_REGEX)
            find_regex(n, t, i, out);
        else if (n->field == RULE_SITE)
            find_site(n, t->src, i, out);
        else if (n->field == RULE_LANG)
            find_lang(n, t->src, i, out);
        else if (n->field == RULE_FEED || n->field == RULE_GROUP)
            find_name(n, t, &want, i, out);
        else
            find_words(n, &want, t, i, out);
    }
    ref_text_free(&want);
}

/* --- NEAR ------------------------------------------------------------------------ */

struct chain {
    const struct rule_node *operand[64],
        *link[64]; /* link[i] ties operands i and i + 1 */
    struct places place[64];
    char *used[64]; /* of each occurrence: 0 not tried, 1 some choice goes on from it to
                       the end, 2 none does */
    size_t n;
};

static void flatten(struct chain *c, const struct rule_node *n)
{
    if (n->op != RULE_NEAR && n->op != RULE_ONEAR) {
        c->operand[c->n++] = n;
        return;
    }
    flatten(c, n->child[0]);
    c->link[c->n - 1] = n;
    flatten(c, n->child[1]);
}

static void find_operand(struct ref_item *it, const struct rule_node *n,
                         struct places *out)
{
    if (n->op != RULE_OR) {
        find_leaf(it, n, out);
        return;
    }
    for (size_t i = 0; i < n->n_children; i++)
        find_operand(it, n->child[i], out);
}

static int linked(const struct rule_node *link, const struct place *a,
                  const struct place *b)
{
    if (a->first < 0 || b->first < 0 || a->seg != b->seg)
        return 0;
    if (a->last < b->first && b->first - a->last - 1 <= (long)link->number)
        return 1;
    return link->op == RULE_NEAR && b->last < a->first &&
           a->first - b->last - 1 <= (long)link->number;
}

/* Try every choice from operand `i` on; mark what some choice uses.  What can follow an
 * occurrence depends on it alone, so it is tried once. */
static int choose(struct chain *c, size_t i, const struct place *before)
{
    int some = 0;

    if (i == c->n)
        return 1;
    for (size_t k = 0; k < c->place[i].n; k++) {
        const struct place *x = &c->place[i].v[k];
        if (x->first < 0 || (i && !linked(c->link[i - 1], before, x)))
            continue;
        if (c->used[i][k] == 0)
            c->used[i][k] = choose(c, i + 1, x) ? 1 : 2;
        some |= c->used[i][k] == 1;
    }
    return some;
}

static int find_chain(struct ref_item *it, const struct rule_node *n, struct places *out)
{
    struct chain c = { .n = 0 };

    flatten(&c, n);
    for (size_t i = 0; i < c.n; i++) {
        find_operand(it, c.operand[i], &c.place[i]);
        c.used[i] = calloc(c.place[i].n + 1, 1);
    }
    int holds = choose(&c, 0, NULL);
    for (size_t i = 0; i < c.n; i++) {
        for (size_t k = 0; k < c.place[i].n; k++)
            if (c.used[i][k] == 1)
                add(out, c.place[i].v[k]);
        free(c.place[i].v);
        free(c.used[i]);
    }
    return holds;
}

/* --- the tree -------------------------------------------------------------------- */

static int holds(struct ref_item *it, const struct rule_node *n, struct places *out)
{
    struct places own = { 0 };
    size_t count = 0;
    int yes = 0;

    if (n->op == RULE_WORDS || n->op == RULE_PREFIX || n->op == RULE_REGEX)
        find_leaf(it, n, &own);
    else if (n->op == RULE_NEAR || n->op == RULE_ONEAR)
        yes = find_chain(it, n, &own);
    else
        for (size_t i = 0; i < n->n_children; i++)
            count += (size_t)holds(it, n->child[i], &own);
    switch (n->op) {
    case RULE_ALL:
        yes = 1;
        break;
    case RULE_WORDS:
    case RULE_PREFIX:
    case RULE_REGEX:
        yes = own.n > 0;
        break;
    case RULE_AND:
        yes = count == n->n_children;
        break;
    case RULE_OR:
        yes = count > 0;
        break;
    case RULE_NOT:
        yes = count == 0;
        own.n = 0;
        break;
    case RULE_AT_LEAST:
        yes = count >= n->number;
        break;
    case RULE_NEAR:
    case RULE_ONEAR:
        break;
    }
    for (size_t i = 0; yes && i < own.n; i++)
        add(out, own.v[i]);
    free(own.v);
    return yes;
}

static int in_order(const void *a, const void *b)
{
    const struct match_span *x = a, *y = b;
    long d = (long)x->field - y->field;

    d = d ? d : (long)x->index - y->index;
    d = d ? d : (long)x->offset - (long)y->offset;
    d = d ? d : (long)x->length - (long)y->length;
    return d < 0 ? -1 : d > 0;
}

int ref_match(struct ref_item *it, const struct rule_node *root,
              struct match_span **spans, size_t *n)
{
    struct places p = { 0 };
    size_t m = 0;
    int yes = holds(it, root, &p);
    struct match_span *v = calloc(p.n + 1, sizeof *v);

    for (size_t i = 0; i < p.n; i++) {
        const struct seg *g = &it->seg[p.v[i].seg];
        v[i].field = (uint8_t)g->field;
        v[i].index = g->index;
        v[i].offset = p.v[i].from;
        v[i].length = p.v[i].to - p.v[i].from;
    }
    qsort(v, p.n, sizeof *v, in_order);
    for (size_t i = 0; i < p.n; i++)
        if (m == 0 || in_order(&v[m - 1], &v[i]) != 0)
            v[m++] = v[i];
    free(p.v);
    *spans = v;
    *n = m;
    return yes;
}
