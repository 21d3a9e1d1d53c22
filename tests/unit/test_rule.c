/* rule: canonical forms, errors with their place, lints, sets, round trips. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "rule.h"

/* Allocations of the library (tests/mk/rule.mk): the one that counts down to 0 fails. */

static long allocations_left = -1;

static bool next_fails(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t n)
{
    return next_fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return next_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return next_fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    return next_fails() ? NULL : __real_strdup(s);
}

static const struct rule_set sets[] = {
    { "xi", "Xi\n\"Xi Jinping\"\n习近平 OR 習近平" },
    { "putin", "Putin, Путин*, 普京" },
    { "both", "@xi\n@putin" },
    { "a", "@b" },
    { "b", "@c OR x" },
    { "c", "y OR @a" },
    { "self", "@self" },
    { "deep", "title:(one OR two)" },
    { "bad", "one\n(two" },
    { "empty", "  \n" },
};
#define N_SETS (sizeof sets / sizeof *sets)

static int canonical_of(const char *text, char *to, size_t size, struct rule_error *err)
{
    struct rule *r = NULL;
    int e = rule_parse(&r, str_of(text), sets, N_SETS, err);

    to[0] = '\0';
    if (e < 0)
        return e;

    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(rule_canonical(&b, r->root), 0);
    snprintf(to, size, "%s", b.s);
    buf_free(&b);
    rule_free(r);
    return 0;
}

/* rule, canonical form */
static const char *const forms[][2] = {
    { "Putin AND Xi", "Putin AND Xi" },
    { "Putin Xi", "Putin AND Xi" },
    { "\"Xi Jinping\" OR 习近平", "\"Xi Jinping\" OR 习近平" },
    { "title:Putin -title:opinion", "title:Putin AND NOT title:opinion" },
    { "Trump NEAR/3 Putin", "Trump NEAR/3 Putin" },
    { "Путин*", "Путин*" },
    { "Erdoğan", "Erdoğan" },
    { "exact:WHO", "exact:WHO" },
    { "2 OF (Putin, Xi, Trump)", "2 OF (Putin, Xi, Trump)" },
    { "a OR b AND c OR d", "a OR (b AND c) OR d" },
    { "a b OR c d", "(a AND b) OR (c AND d)" },
    { "(a OR b) c", "(a OR b) AND c" },
    { "((a))", "a" },
    { "a AND (b AND (c d))", "a AND b AND c AND d" },
    { "(a OR b) OR c", "a OR b OR c" },
    { "a NOT b", "a AND NOT b" },
    { "a AND NOT b OR c", "(a AND NOT b) OR c" },
    { "a NOT b NEAR/2 c", "a AND NOT (b NEAR/2 c)" },
    { "a -(b OR c)", "a AND NOT (b OR c)" },
    { "NOT NOT a", "NOT NOT a" },
    { "a NEAR/2 b ONEAR/3 c", "a NEAR/2 b ONEAR/3 c" },
    { "(a OR \"b c\") NEAR/0 d*", NULL },
    { "(a OR \"b c\") NEAR/0 def*", "(a OR \"b c\") NEAR/0 def*" },
    { "x a NEAR/2 b", "x AND (a NEAR/2 b)" },
    { "*", "*" },
    { "* -sport", "* AND NOT sport" },
    { "title:(a OR text:b c)", "title:a OR (text:b AND title:c)" },
    { "intitle:a intext:b body:c tag:d inurl:e url:f",
      "title:a AND text:b AND text:c AND category:d AND link:e AND link:f" },
    { "title:exact:WHO", "title:(exact:WHO)" },
    { "exact:title:WHO", "title:(exact:WHO)" },
    { "exact:(WHO title:IT)", "exact:WHO AND title:(exact:IT)" },
    { "any:x TITLE:y", "x AND title:y" },
    { "title: x", "title:x" },
    { "link:https://example.org/a x", "link:https://example.org/a AND x" },
    { "site:example.org lang:en feed:\"Kyiv Post\" group:news",
      "site:example.org AND lang:en AND feed:\"Kyiv Post\" AND group:news" },
    { "/Pu(tin)?\\//i x", "/Pu(tin)?\\//i AND x" },
    { "title:/a b/ x", "title:/a b/ AND x" },
    { "Putin's U.S. O'Brien Xi-Putin AC/DC 10:30",
      "Putin's AND U.S. AND O'Brien AND Xi-Putin AND AC/DC AND 10:30" },
    { "\"C++\" \"AT&T\" \"+++\"", "\"C++\" AND \"AT&T\" AND \"+++\"" },
    { "“Xi Jinping” „Putin“ «Трамп»", "\"Xi Jinping\" AND \"Putin\" AND \"Трамп\"" },
    { "\"say “no”\"", "\"say “no”\"" },
    { "Putin(Xi OR Trump)", "Putin AND (Xi OR Trump)" },
    { "NOT(a)b", "NOT a AND b" },
    { "a\n OR\n b", "a OR b" },
    { "a\xC2\xA0"
      "b\xE3\x80\x80"
      "c",
      "a AND b AND c" },
    { "2 of them", "2 AND of AND them" },
    { "3 OF (a b, c OR d, 2 OF (e, f, g))", "3 OF (a AND b, c OR d, 2 OF (e, f, g))" },
    { "习近平*", "习近平" },
    { "ﬁx* नमस्ते* Put\xC2\xAD* สวัส*", "ﬁx* AND नमस्ते* AND Put\xC2\xAD* AND สวัส" },
    { "@xi", "Xi OR \"Xi Jinping\" OR 习近平 OR 習近平" },
    { "@putin trade", "(Putin OR Путин* OR 普京) AND trade" },
    { "@both OR x", "Xi OR \"Xi Jinping\" OR 习近平 OR 習近平 OR Putin OR Путин* OR "
                    "普京 OR x" },
    { "@xi NEAR/5 @putin",
      "(Xi OR \"Xi Jinping\" OR 习近平 OR 習近平) NEAR/5 (Putin OR Путин* OR 普京)" },
    { "title:@putin", "title:Putin OR title:Путин* OR title:普京" },
    { "text:@deep", "title:one OR title:two" },
    { "1 OF (@xi)", "1 OF (Xi OR \"Xi Jinping\" OR 习近平 OR 習近平)" },
    { "a OR (* -b)", "a OR (* AND NOT b)" },
};

static void writes_the_canonical_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct rule_error err;
        char got[500], again[500];
        int e = canonical_of(forms[i][0], got, sizeof got, &err);
        if (!forms[i][1]) {
            assert_int_equal(e, -EINVAL);
            continue;
        }
        if (e < 0)
            fail_msg("%s: column %u: %s", forms[i][0], err.column, err.what);
        assert_string_equal(got, forms[i][1]);
        if (canonical_of(got, again, sizeof again, &err) < 0)
            fail_msg("%s: column %u: %s", got, err.column, err.what);
        assert_string_equal(again, got);
    }
}

/* rule, column, width, part of the message */
static const struct {
    const char *text;
    unsigned column, width;
    const char *what;
} errors[] = {
    { "", 1, 1, "empty" },
    { " \n ", 1, 1, "empty" },
    { "NOT x", 1, 1, "absence" },
    { "a OR NOT b", 6, 1, "absence" },
    { "a OR -b", 6, 1, "absence" },
    { "2 OF (NOT a, NOT b, c)", 7, 1, "absence" },
    { "NOT (NOT a AND b)", 1, 1, "absence" },
    { "-a -b", 1, 1, "absence" },
    { "(a OR b", 1, 1, "never closed" },
    { "x (a OR (b)", 3, 1, "never closed" },
    { "a OR b)", 7, 1, "closes nothing" },
    { "()", 1, 2, "between these brackets" },
    { "a AND", 3, 3, "missing after AND" },
    { "AND a", 1, 3, "nothing stands before AND" },
    { "a OR AND b", 6, 3, "between OR and AND" },
    { "(a OR)", 4, 2, "missing after OR" },
    { "a NOT", 3, 3, "missing after NOT" },
    { "-", 1, 1, "missing after -" },
    { "\"Xi", 1, 1, "never ends" },
    { "a \"Xi Jinping”", 3, 1, "column 14" },
    { "\"\"", 1, 2, "phrase is empty" },
    { "a \"b +++++++++++++++++++++++++++++++++\"", 3, 37, "at most 32 symbols" },
    { "\" \t\"", 1, 4, "phrase is empty" },
    { "+++", 1, 3, "write \"+++\"" },
    { "a && b", 3, 2, "write AND" },
    { "a || b", 3, 2, "write OR" },
    { "a !b", 3, 1, "write NOT" },
    { "🇺🇦", 1, 2, "no letter or digit" },
    { "Путин –мнение", 7, 1, "typographic dash" },
    { "Xi – Putin", 4, 1, "-word" },
    { "a −b", 3, 1, "typographic dash" },
    { "a（b）", 2, 1, "write (" },
    { "[a OR b]", 1, 1, "write ( )" },
    { "title：x", 6, 1, "write title:" },
    { "tilte:x", 1, 6, "did you mean title:" },
    { "Breaking: news", 1, 9, "no field Breaking:" },
    { "https://example.org/", 1, 6, "link:" },
    { "title:", 1, 6, "missing after title:" },
    { "title:-x", 7, 1, "before the field" },
    { "title:NOT x", 7, 3, "before the field" },
    { "title:text:x", 7, 5, "one of them" },
    { "title:*", 7, 1, "takes no field" },
    { "title:(* -x)", 8, 1, "takes no field" },
    { "title:AND", 7, 3, "\"AND\"" },
    { "*tin", 1, 1, "cannot lead" },
    { "Put*in", 4, 1, "end of a word" },
    { "Pu*", 1, 3, "at least 3" },
    { "普京*", 1, 3, "without the star" },
    { "Xi-Put*", 1, 7, "ONEAR/0" },
    { "Pu\xCC\x81*", 1, 4, "at least 3" }, /* the accent does not count */
    { "\xC2\xAD\xE2\x80\x8B", 1, 2, "no letter or digit" },
    { "、x", 1, 1, "AND or OR" },
    { "·", 1, 1, "no letter or digit" },
    { "U.S.*", 1, 5, "right after a letter" },
    { "\"Xi\"*", 5, 1, "not with a phrase" },
    { "\"a b\"~5", 6, 1, "NEAR/5" },
    { "\"a\"b", 4, 1, "space is missing" },
    { "a\"b\"", 2, 1, "space is missing" },
    { "**", 1, 1, "cannot lead" },
    { "a NEAR b", 3, 4, "NEAR/5" },
    { "a NEAR/ b", 3, 5, "NEAR/5" },
    { "a NEAR/x b", 3, 6, "NEAR/5" },
    { "a NEAR/10000 b", 3, 10, "at most 9999" },
    { "a NEAR/99999999999999999999 b", 3, 25, "at most 9999" },
    { "NEAR/3 b", 1, 6, "nothing stands before NEAR/3" },
    { "a NEAR/3 (b c)", 3, 6, "not an AND" },
    { "(a NEAR/2 b) NEAR/3 c", 14, 6, "without brackets" },
    { "a NEAR/2 (b NEAR/3 c)", 3, 6, "without brackets" },
    { "a NEAR/2 (b OR NOT c)", 3, 6, "NOT and OF go outside" },
    { "a NEAR/2 -c", 10, 1, "cannot stand here" },
    { "a NEAR/2 *", 3, 6, "takes no *" },
    { "title:a NEAR/2 text:b", 9, 6, "never" },
    { "author:a NEAR/2 b", 10, 6, "never" },
    { "site:a NEAR/2 site:b", 8, 6, "never" },
    { "OF (a, b)", 1, 2, "needs a number" },
    { "x OF (a, b)", 3, 2, "needs a number" },
    { "2 OF a", 6, 1, "in brackets" },
    { "2 OF ()", 6, 2, "between these brackets" },
    { "0 OF (a, b)", 1, 1, "always hold" },
    { "3 OF (a, b)", 1, 1, "than the 2" },
    { "99999999999999999999 OF (a, b)", 1, 20, "than the 2" },
    { "2 OF (a, b", 6, 1, "never closed" },
    { "2 OF (a, )", 10, 1, "missing" },
    { "a, b", 2, 1, "comma" },
    { "2 of (a, b)", 3, 2, "OF in capitals" },
    { "习近平，普京", 4, 1, "AND or OR" },
    { "(a, b)", 3, 1, "comma" },
    { "//", 1, 2, "regex is empty" },
    { "/abc", 1, 1, "never ends" },
    { "/abc/g", 6, 1, "flag i" },
    { "x /a(b/", 7, 1, "regex cannot be read" },
    { "/\\C/", 4, 1, "regex cannot be read" },
    { "@", 1, 1, "name of a set" },
    { "@nobody", 1, 7, "[set:nobody]" },
    { "@putim", 1, 6, "did you mean @putin" },
    { "x @a", 3, 2, "@a uses @b uses @c uses @a" },
    { "@self", 1, 5, "@self uses @self" },
    { "x @bad", 3, 4, "in @bad, line 2, column 1: this ( is never closed" },
    { "@empty", 1, 6, "@empty is empty" },
    { "3 OF (@xi, x)", 1, 1, "counts as one" },
    { "site:https://x.org/", 6, 14, "host alone" },
    { "site:exam*", 6, 5, "without a star" },
    { "lang:eng*", 6, 4, "without a star" },
    { "a \x01", 3, 1, "control" },
    { "a \xFF", 3, 1, "UTF-8" },
};

static void points_at_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct rule_error err = { 0 };
        char got[500];
        if (canonical_of(errors[i].text, got, sizeof got, &err) != -EINVAL)
            fail_msg("%s: taken as %s", errors[i].text, got);
        if (err.column != errors[i].column || err.width != errors[i].width ||
            !strstr(err.what, errors[i].what))
            fail_msg("%s: column %u width %u: %s", errors[i].text, err.column, err.width,
                     err.what);
    }
}

/* rule, part of the only warning; NULL: none */
static const char *const lints[][2] = {
    { "Putin AND Xi", NULL },
    { "a OR b OR c", NULL },
    { "(a b) OR c", NULL },
    { "a b OR c", "column 1: AND binds before OR; this is read as (a AND b) OR c" },
    { "x OR a AND -b", "column 6: AND binds before OR" },
    { "Putin and Xi", "column 7: and is looked for as a word; did you mean AND?" },
    { "Putin Or Xi", "did you mean OR?" },
    { "Putin not Xi", "did you mean NOT?" },
    { "a near/5 b", "did you mean NEAR/5?" },
    { "2 of a", "did you mean 2 OF (...)?" },
    { "“Xi Jinping”", "column 1: typographic quotes" },
    { "C++", "the + in C++ does not count; if it must stand there, write \"C++\"" },
    { ".NET", "the . in .NET" },
    { "AT&T", "the & in AT&T" },
    { "Putin|Xi", "did you mean OR?" },
    { "title=Putin", "did you mean title:Putin?" },
    { "link:(a?b) site:.ru lang:en_US", NULL },
    { "x NOT -y", "excluding twice" },
    { "'Xi", "single quotes" },
    { "‘Xi", "single quotes" },
    { "a - b", "this - excludes" },
    { "(a)-b", "this - excludes" },
    { "a (-b)", NULL },
    { "\"Put*\"", "a star in quotes" },
    { "1 OF (a, b)", "same as OR" },
    { "2 OF (a, b)", "as AND does" },
    { "2 OF (a, b, c)", NULL },
    { "title:(a OR text:b)", "text: stands within title:" },
    { "习近平*", "the star changes nothing" },
    { "/ab*c/", "runs over every item" },
    { "/ab*c/ x", NULL },
    { "x OR /ab*c/", "runs over every item" },
    { "x /b*/", "match nothing at all" },
    { "x exact:/b/", "changes nothing for a regex" },
    { "a OR b OR A", "column 11: a stands here twice" },
    { "x a AND x", "column 9: x stands here twice" },
    { "x (a OR b) (a OR b)", "a OR b stands here twice" },
    { "a -a", "column 3: this excludes all that a finds" },
    { "\"a b\" -(c OR B)", "column 7: this excludes" },
    { "\"a b\" OR a", "column 1: \"a b\" adds nothing: a finds all of it" },
    { "\"a b\" a", "column 7: a adds nothing: \"a b\" asks for it already" },
    { "title:a OR a", "title:a adds nothing" },
    { "title:a OR text:a", NULL },
    { "putin* OR put*", "column 1: putin* adds nothing" },
    { "put* OR putin", "column 9: putin adds nothing" },
    { "(a b) OR a", "a finds all of it" },
    { "(a NEAR/2 b) OR b", "b finds all of it" },
    { "习近平 OR 习近", "习近平 adds nothing" },
    { "exact:WHO OR who", "adds nothing" },
    { "exact:WHO -who", "excludes" },
    { "who -exact:WHO", NULL },
    { "\"C++\" OR C", "adds nothing" },
    { "C -\"C++\"", NULL },
    { "a OR ab", NULL },
    { "@xi OR @putin", NULL },
};

static void warns_of_what_is_meant_otherwise(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lints / sizeof *lints; i++) {
        struct rule_error err;
        struct rule *r;
        assert_int_equal(rule_parse(&r, str_of(lints[i][0]), sets, N_SETS, &err), 0);
        size_t n = 0;
        for (char **w = r->warning; w && *w; w++)
            n++;
        if (n != (lints[i][1] ? 1 : 0))
            fail_msg("%s: %zu warnings: %s", lints[i][0], n, n ? r->warning[0] : "");
        if (n && !strstr(r->warning[0], lints[i][1]))
            fail_msg("%s: %s", lints[i][0], r->warning[0]);
        rule_free(r);
    }
}

static void says_when_memory_is_out(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "(a OR “b” and @both) NEAR/3 c",
        "x a OR b and \"c*\" AND (d e f OR g h) @both",
        "@bot",
        "/x(/ \"c d\" OR y",
        "2 OF (a, b, c, d, e) -f C++ .NET or",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int e = -ENOMEM;
        for (long n = 0; e == -ENOMEM; n++) {
            struct rule *r = NULL;
            struct rule_error err;
            assert_true(n < 1000);
            allocations_left = n;
            e = rule_parse(&r, str_of(texts[i]), sets, N_SETS, &err);
            bool all = allocations_left >= 0;
            allocations_left = -1;
            if (e == -ENOMEM)
                assert_null(r);
            else
                assert_true(all);
            rule_free(r);
        }
        assert_true(e == 0 || e == -EINVAL);
    }
}

/* Random trees in the shape that the parser gives them. */

struct maker {
    uint64_t seed;
    struct rule_node pool[400];
    struct rule_node *links[800];
    size_t n, n_links;
};

static unsigned pick(struct maker *m, unsigned n)
{
    m->seed = m->seed * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(m->seed >> 33) % n;
}

static struct rule_node *make_leaf(struct maker *m)
{
    static const char *const words[] = { "Xi",  "习近平", "U.S.",     "O'Brien",
                                         "and", "10:30",  "Ὀδυσσεύς", "x-y",
                                         "2",   "AND/OR", "c++" };
    static const char *const phrases[] = { "AND", "Xi Jinping", "+++",     "say “no”",
                                           "a(b", "-x",         "title:x", " a\t" };
    static const char *const regexes[] = { "a\\/b", "x (y)\"", "[\"(]" };
    struct rule_node *n = &m->pool[m->n++];

    *n = (struct rule_node){ .field = pick(m, 2) ? RULE_ANY : pick(m, RULE_FIELDS),
                             .exact = pick(m, 5) == 0 };
    switch (pick(m, 6)) {
    case 0:
        n->op = RULE_PREFIX;
        n->text = STR("Путин");
        if (n->field == RULE_SITE || n->field == RULE_LANG)
            n->field = RULE_TITLE;
        break;
    case 1:
        n->op = RULE_REGEX;
        n->text = str_of(regexes[pick(m, 3)]);
        n->number = pick(m, 2);
        n->exact = false;
        break;
    case 2:
    case 3:
        n->op = RULE_WORDS;
        n->quoted = true;
        n->text = str_of(phrases[pick(m, 8)]);
        break;
    default:
        n->op = RULE_WORDS;
        n->text = str_of(words[pick(m, 11)]);
    }
    if (n->field == RULE_SITE && n->op == RULE_WORDS)
        n->text = STR("example.org");
    return n;
}

static struct rule_node *make_node(struct maker *m, enum rule_op op, size_t children)
{
    struct rule_node *n = &m->pool[m->n++];

    *n = (struct rule_node){ .op = op, .child = m->links + m->n_links };
    n->n_children = children;
    m->n_links += children;
    return n;
}

static struct rule_node *make_term(struct maker *m)
{
    struct rule_node *n;

    if (pick(m, 3)) {
        n = make_leaf(m);
        n->field = n->field >= RULE_SITE ? RULE_ANY : n->field;
        return n;
    }
    n = make_node(m, RULE_OR, 2 + pick(m, 2));
    for (size_t i = 0; i < n->n_children; i++) {
        n->child[i] = make_leaf(m);
        n->child[i]->field = RULE_ANY; /* so that all of them can be near */
    }
    return n;
}

static struct rule_node *make_chain(struct maker *m)
{
    struct rule_node *left = make_term(m);

    for (unsigned links = 1 + pick(m, 3); links; links--) {
        struct rule_node *n = make_node(m, pick(m, 2) ? RULE_NEAR : RULE_ONEAR, 2);
        n->number = pick(m, 20);
        n->child[0] = left;
        n->child[1] = make_term(m);
        left = n;
    }
    return left;
}

static struct rule_node *make_tree(struct maker *m, unsigned depth, enum rule_op parent)
{
    static const enum rule_op ops[] = { RULE_AND, RULE_AND,      RULE_OR,  RULE_OR,
                                        RULE_NOT, RULE_AT_LEAST, RULE_NEAR };
    enum rule_op op = ops[pick(m, 7)];
    struct rule_node *n;

    if (depth == 0 || pick(m, 4) == 0 || op == parent) {
        if (pick(m, 9))
            return make_leaf(m);
        return make_node(m, RULE_ALL, 0);
    }
    if (op == RULE_NEAR)
        return make_chain(m);
    n = make_node(m, op, op == RULE_NOT ? 1 : 2 + pick(m, 2));
    for (size_t i = 0; i < n->n_children; i++)
        n->child[i] = make_tree(m, depth - 1, op);
    if (op == RULE_AT_LEAST)
        n->number = 1 + pick(m, (unsigned)n->n_children);
    return n;
}

static bool same_tree(const struct rule_node *a, const struct rule_node *b)
{
    bool same = a->op == b->op && a->field == b->field && a->exact == b->exact &&
                a->quoted == b->quoted && a->number == b->number &&
                str_eq(a->text, b->text) && a->n_children == b->n_children;

    for (size_t i = 0; same && i < a->n_children; i++)
        same = same_tree(a->child[i], b->child[i]);
    return same;
}

static void reads_back_random_trees(void **state)
{
    (void)state;
    static struct maker m;
    size_t taken = 0;

    for (unsigned i = 0; i < 20000; i++) {
        struct rule_error err;
        struct rule *r;
        struct buf b;

        m = (struct maker){ .seed = i };
        struct rule_node *root = make_tree(&m, 4, RULE_ALL);
        buf_init(&b, 1 << 20);
        assert_int_equal(rule_canonical(&b, root), 0);
        int e = rule_parse(&r, buf_str(&b), NULL, 0, &err);
        if (e == -EINVAL) {
            if (!strstr(err.what, "absence") && !strstr(err.what, "never stand"))
                fail_msg("seed %u: %s: column %u: %s", i, b.s, err.column, err.what);
        } else {
            assert_int_equal(e, 0);
            if (!same_tree(root, r->root))
                fail_msg("seed %u: %s", i, b.s);
            rule_free(r);
            taken++;
        }
        buf_free(&b);
    }
    assert_true(taken > 10000);
}

/* rule, what is shown */
static const char *const shown[][2] = {
    { "Putin AND (Xi OR", "    Putin AND (Xi OR\n                  ^^\n" },
    { "a \"b", "    a \"b\n      ^\n" },
    { "习近平 AND )", "    习近平 AND )\n               ^\n" },
    { "é\xCC\x81 )", "    é\xCC\x81 )\n      ^\n" },
    { "one\ntwo )\nthree", "    two )\n        ^\n" },
    { "a\t\x1b[1m", "    a \xEF\xBF\xBD[1m\n      ^\n" },
    { "", "    \n    ^\n" },
};

static void shows_the_place_with_a_caret(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        struct rule_error err;
        struct rule *r;
        struct buf b;

        assert_int_equal(rule_parse(&r, str_of(shown[i][0]), NULL, 0, &err), -EINVAL);
        buf_init(&b, 1000);
        assert_int_equal(rule_error_show(&b, str_of(shown[i][0]), &err), 0);
        assert_string_equal(b.s, shown[i][1]);
        buf_free(&b);
    }
}

static void cuts_long_lines_around_the_place(void **state)
{
    (void)state;
    char text[501];
    struct rule_error err;
    struct rule *r;
    struct buf b;

    for (size_t i = 0; i < 500; i++)
        text[i] = "word "[i % 5];
    text[500] = '\0';
    text[300] = ')';
    assert_int_equal(rule_parse(&r, str_of(text), NULL, 0, &err), -EINVAL);
    assert_int_equal(err.column, 301);
    buf_init(&b, 1000);
    assert_int_equal(rule_error_show(&b, str_of(text), &err), 0);

    const char *line = strchr(b.s, '\n') + 1, *paren = strchr(b.s, ')');
    /* the mark of the cut before it takes three bytes and one column */
    assert_int_equal(strchr(line, '^') - line, paren - b.s - 2);
    assert_true(line - b.s < 90);
    buf_free(&b);
}

/* A rule of `n` times `piece` between `open` and `close`. */
static int parse_many(const char *open, const char *piece, size_t n, const char *close,
                      struct rule_error *err)
{
    struct buf b;
    struct rule *r = NULL;

    buf_init(&b, 1 << 24);
    buf_puts(&b, open);
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, piece);
    buf_puts(&b, close);
    assert_int_equal(b.error, 0);
    int e = rule_parse(&r, buf_str(&b), NULL, 0, err);
    rule_free(r);
    buf_free(&b);
    return e;
}

static void keeps_its_bounds(void **state)
{
    (void)state;
    struct rule_error err;

    assert_int_equal(parse_many("a", "(b OR c ", 48, "", &err), -EINVAL);
    assert_non_null(strstr(err.what, "never closed"));
    assert_int_equal(parse_many("", "(", 150, "x", &err), -EINVAL);
    assert_non_null(strstr(err.what, "never closed"));
    assert_int_equal(parse_many("", "(", 100000, "x", &err), -EINVAL);
    assert_non_null(strstr(err.what, "deeply"));
    assert_int_equal(parse_many("", "NOT NOT ", 49, "x", &err), 0);
    assert_int_equal(parse_many("", "NOT NOT ", 50, "x", &err), -EINVAL);
    assert_non_null(strstr(err.what, "deeply"));
    assert_int_equal(parse_many("a", " NEAR/1 b", 31, "", &err), 0);
    assert_int_equal(parse_many("a", " NEAR/1 b", 32, "", &err), -EINVAL);
    assert_non_null(strstr(err.what, "chain"));
    assert_int_equal(parse_many("", "word ", 99999, "", &err), 0);
    assert_int_equal(parse_many("", "word ", 100000, "", &err), -EINVAL);
    assert_non_null(strstr(err.what, "more than 100000"));
    assert_int_equal(parse_many("\"", "longword", 131071, "\"", &err), 0);
    assert_int_equal(parse_many("\"", "longword", 131072, "\"", &err), -EINVAL);
    assert_non_null(strstr(err.what, "longer"));
}

static void bounds_the_expansion_of_sets(void **state)
{
    (void)state;
    struct rule_set bomb[20];
    char name[20][8], terms[20][64];
    struct rule_error err;
    struct rule *r = NULL;

    for (int i = 0; i < 20; i++) {
        snprintf(name[i], sizeof name[i], "s%d", i);
        snprintf(terms[i], sizeof terms[i], i < 19 ? "@s%d @s%d @s%d" : "x", i + 1, i + 1,
                 i + 1);
        bomb[i] = (struct rule_set){ name[i], terms[i] };
    }
    assert_int_equal(rule_parse(&r, STR("@s0"), bomb, 20, &err), -EINVAL);
    assert_non_null(strstr(err.what, "more than 100000"));
}

static void parses_sets_alone(void **state)
{
    (void)state;
    struct rule_error err;
    struct rule *r;

    assert_int_equal(rule_parse_set(&r, &sets[0], sets, N_SETS, &err), 0);
    assert_int_equal(r->root->n_children, 4);
    assert_int_equal(r->root->child[1]->column, 4);
    assert_null(r->warning);
    rule_free(r);
    assert_int_equal(rule_parse_set(&r, &sets[8], sets, N_SETS, &err), -EINVAL);
    assert_int_equal(err.column, 5);
    assert_int_equal(rule_parse_set(&r, &sets[3], sets, N_SETS, &err), -EINVAL);
    assert_non_null(strstr(err.what, "@a uses @b uses @c uses @a"));
    assert_int_equal(rule_parse_set(&r, &sets[9], sets, N_SETS, &err), -EINVAL);

    struct rule_set line = { "line", "Xi Jinping\nPutin" };
    assert_int_equal(rule_parse_set(&r, &line, NULL, 0, &err), 0);
    assert_non_null(strstr(r->warning[0], "write \"Xi Jinping\""));
    rule_free(r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(writes_the_canonical_form),
    cmocka_unit_test(points_at_what_is_wrong),
    cmocka_unit_test(warns_of_what_is_meant_otherwise),
    cmocka_unit_test(says_when_memory_is_out),
    cmocka_unit_test(reads_back_random_trees),
    cmocka_unit_test(shows_the_place_with_a_caret),
    cmocka_unit_test(cuts_long_lines_around_the_place),
    cmocka_unit_test(keeps_its_bounds),
    cmocka_unit_test(bounds_the_expansion_of_sets),
    cmocka_unit_test(parses_sets_alone),
};
TEST_MAIN(tests)
