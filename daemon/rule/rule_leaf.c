/* Terms of a rule: what each of them must have, and what it may not. */
#include "rule_own.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include "utf8.h"

enum { MIN_PREFIX = 3 };

static bool only_invisible(struct str s)
{
    for (size_t i = 0, len; i < s.n; i += len)
        if (!utf8_unsafe(utf8_get(s.s + i, s.n - i, &len)))
            return false;
    return true;
}

static uint32_t characters(const struct text *t, const struct text_token *k)
{
    return rule_count((struct str){ t->fold + k->fold_off, k->fold_len });
}

static bool is_ascii_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.s[i];
        if ((c < '0' || c > '9') && ((c | 32) < 'a' || (c | 32) > 'z'))
            return false;
    }
    return s.n > 0;
}

struct rule_shape rule_shape(struct rule_parse *p, struct str s)
{
    struct rule_shape shape = { .runs = true };
    struct text *t = &p->text;
    size_t end = 0;

    if (is_ascii_word(s))
        return (struct rule_shape){ 1, (uint32_t)s.n, false, true };
    text_clear(t);
    if (text_add(t, s) < 0) {
        rule_fail_memory(p);
        return shape;
    }
    for (size_t i = 0; i < t->n; i++) {
        const struct text_token *k = &t->tokens[i];
        shape.letters += characters(t, k);
        shape.runs &= k->run;
        end = k->src_off + k->src_len;
    }
    shape.tokens = t->n;
    shape.runs &= t->n > 0;
    shape.ends_in_word = t->n && only_invisible((struct str){ s.s + end, s.n - end });
    return shape;
}

/* What the star leaves: a prefix, or a run of characters that is found anywhere anyway.
 */
static enum rule_op check_prefix(struct rule_parse *p, const struct rule_token *t)
{
    struct rule_shape shape = rule_shape(p, t->text);
    struct rule_piece word = rule_piece(t->text);

    if (!shape.ends_in_word)
        rule_fail(p, t->column, t->width,
                  "a star goes right after a letter or digit; %s* does not", word.s);
    else if (shape.runs && shape.letters < MIN_PREFIX)
        rule_fail(p, t->column, t->width,
                  "%s is found within longer runs anyway; write it without the star",
                  word.s);
    else if (!shape.runs && shape.tokens > 1)
        rule_fail(
            p, t->column, t->width,
            "a star goes with one word and %s is several; write them as a ONEAR/0 b*",
            word.s);
    else if (shape.letters < MIN_PREFIX)
        rule_fail(p, t->column, t->width,
                  "at least %d characters stand before a star; write more of %s*",
                  MIN_PREFIX, word.s);
    if (!shape.runs)
        return RULE_PREFIX;
    rule_warn(p, t->column,
              "%s is found within longer runs anyway; the star changes nothing", word.s);
    return RULE_WORDS;
}

/* Are there more symbols in a row than the matcher compares? */
static bool too_many_symbols(struct rule_parse *p, struct str s)
{
    struct text_symbol symbol[RULE_MAX_SYMBOLS + 1];
    struct text *t = &p->text;

    text_clear(t);
    if (text_add(t, s) < 0) {
        rule_fail_memory(p);
        return false;
    }
    for (size_t i = 0, from = 0; i <= t->n; i++) {
        const struct text_token *k = i < t->n ? &t->tokens[i] : NULL;
        size_t to = k ? k->src_off : s.n;
        struct str gap = { s.s + from, to > from ? to - from : 0 };
        if (text_symbols(symbol, RULE_MAX_SYMBOLS + 1, gap, false) > RULE_MAX_SYMBOLS)
            return true;
        from = k ? k->src_off + k->src_len : to;
    }
    return false;
}

static void check_phrase(struct rule_parse *p, const struct rule_token *t)
{
    bool empty = true;
    size_t len;

    for (size_t i = 0; i < t->text.n; i += len) {
        uint32_t cp = utf8_get(t->text.s + i, t->text.n - i, &len);
        empty &= rule_is_space(cp) || utf8_unsafe(cp);
        if (cp == '*')
            rule_warn(p, t->column,
                      "a star in quotes stands for itself, not for the rest "
                      "of a word");
    }
    if (empty)
        rule_fail(p, t->column, t->width,
                  "the phrase is empty; write words between the "
                  "quotes");
    else if (t->text.n > RULE_MAX_SYMBOLS && too_many_symbols(p, t->text))
        rule_fail(p, t->column, t->width,
                  "at most %d symbols stand in a row in a phrase; write fewer of them, "
                  "or a /regex/",
                  RULE_MAX_SYMBOLS);
}

uint32_t rule_regex_options(uint32_t number)
{
    return PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C |
           (number & 1 ? PCRE2_CASELESS : 0);
}

static void check_regex(struct rule_parse *p, const struct rule_token *t)
{
    int why = 0;
    PCRE2_SIZE at = 0;
    char text[120];

    if (t->text.n == 0) {
        rule_fail(p, t->column, t->width,
                  "the regex is empty; write a pattern between / "
                  "and /");
        return;
    }
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)t->text.s, t->text.n,
                                     rule_regex_options(t->number), &why, &at, NULL);
    if (!code) {
        if (why == PCRE2_ERROR_NOMEMORY || why == PCRE2_ERROR_HEAP_FAILED)
            rule_fail_memory(p);
        if (pcre2_get_error_message(why, (PCRE2_UCHAR *)text, sizeof text) < 0)
            text[0] = '\0';
        rule_fail(p, t->column + 1 + rule_count((struct str){ t->text.s, at }), 1,
                  "the regex cannot be read: %s", text);
        return;
    }
    uint32_t empty = 0;
    (void)pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &empty);
    if (empty)
        rule_warn(p, t->column,
                  "the regex can match nothing at all; such matches do not "
                  "count");
    pcre2_code_free(code);
}

static void check_field(struct rule_parse *p, const struct rule_token *t)
{
    if ((p->field == RULE_SITE || p->field == RULE_LANG) && t->kind == TOKEN_PREFIX)
        rule_fail(
            p, t->column, t->width,
            p->field == RULE_SITE
                ? "site: takes a host, as in site:example.org, without a star"
                : "lang: takes a language; lang:en holds for en-GB, too, without a star");
    if (p->field == RULE_SITE && t->kind != TOKEN_REGEX &&
        (memchr(t->text.s, '/', t->text.n) || memchr(t->text.s, ' ', t->text.n)))
        rule_fail(p, t->column, t->width,
                  "site: takes a host alone, as in site:example.org; for the rest of an "
                  "address write link:");
}

static enum rule_op check_term(struct rule_parse *p, const struct rule_token *t)
{
    switch (t->kind) {
    case TOKEN_PREFIX:
        return check_prefix(p, t);
    case TOKEN_REGEX:
        if (p->exact)
            rule_warn(p, t->column, "exact: changes nothing for a regex");
        check_regex(p, t);
        return RULE_REGEX;
    case TOKEN_PHRASE:
        check_phrase(p, t);
        return RULE_WORDS;
    default:
        return RULE_WORDS;
    }
}

struct rule_node *rule_leaf(struct rule_parse *p, const struct rule_token *t)
{
    if (p->error)
        return NULL;

    enum rule_op op = check_term(p, t);
    check_field(p, t);
    struct rule_node *n = rule_node_new(p, op, t->column);
    if (!n)
        return NULL;
    n->field = p->field;
    n->exact = p->exact && op != RULE_REGEX;
    n->quoted = t->kind == TOKEN_PHRASE;
    n->number = op == RULE_REGEX ? t->number : 0;
    n->text = t->text;
    return n;
}
