/* rule: canonical forms, errors with their place, lints, sets, round trips. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "rule.h"

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
    { "x @bad", 3, 4, "in @bad, column 5: this ( is never closed" },
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(writes_the_canonical_form),
    cmocka_unit_test(points_at_what_is_wrong),
    cmocka_unit_test(warns_of_what_is_meant_otherwise),
};
TEST_MAIN(tests)
