/* Rule text to tokens. */
#include "rule_own.h"

#include "utf8.h"

static uint32_t peek(const struct rule_lexer *lex, size_t *len)
{
    *len = 0;
    if (lex->at >= lex->text.n)
        return 0;
    return utf8_get(lex->text.s + lex->at, lex->text.n - lex->at, len);
}

static void skip(struct rule_lexer *lex, size_t len)
{
    lex->at += len;
    lex->column++;
}

static char ascii_at(const struct rule_lexer *lex, size_t ahead)
{
    return lex->at + ahead < lex->text.n ? lex->text.s[lex->at + ahead] : '\0';
}

static struct str since(const struct rule_lexer *lex, size_t from)
{
    return (struct str){ lex->text.s + from, lex->at - from };
}

/* Full-width and ideographic forms that an input method gives for ( ) and the comma. */
static const char *wide_form(uint32_t cp)
{
    switch (cp) {
    case 0xFF08:
        return "(";
    case 0xFF09:
        return ")";
    case 0xFF0C:
    case 0x3001:
        return ",";
    default:
        return NULL;
    }
}

static bool ends_word(uint32_t cp)
{
    return cp == '(' || cp == ')' || cp == ',' || cp == '"' || rule_is_space(cp) ||
           rule_is_quote(cp) || wide_form(cp);
}

static bool at_word_end(const struct rule_lexer *lex)
{
    size_t len;
    uint32_t cp = peek(lex, &len);

    return len == 0 || ends_word(cp);
}

static bool at_quote(const struct rule_lexer *lex)
{
    size_t len;
    uint32_t cp = peek(lex, &len);

    return len && (cp == '"' || rule_is_quote(cp));
}

/* Is there a letter or digit in it? */
static bool has_word(struct rule_parse *p, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.s[i];
        if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))
            return true;
    }
    return rule_shape(p, s).tokens > 0;
}

/* Phrases */

static void quote_hint(struct rule_parse *p, bool typographic)
{
    if (typographic)
        rule_warn(p, p->lex.now.column,
                  "typographic quotes are read as plain ones; write \"%s\"",
                  rule_piece(p->lex.now.text).s);
}

static void fail_unclosed(struct rule_parse *p, uint32_t other)
{
    struct rule_token *t = &p->lex.now;

    if (other)
        rule_fail(p, t->column, 1,
                  "the phrase that begins here never ends; the quote in column %u is a "
                  "typographic one: write \" there",
                  (unsigned)other);
    else
        rule_fail(p, t->column, 1,
                  "the phrase that begins here never ends; write a closing \"");
}

static void after_phrase(struct rule_parse *p)
{
    struct rule_lexer *lex = &p->lex;
    char c = ascii_at(lex, 0);

    if (at_word_end(lex) && !at_quote(lex))
        return;
    if (c == '*')
        rule_fail(p, lex->column, 1, "a star goes with a word, not with a phrase");
    else if (c == '~')
        rule_fail(p, lex->column, 1,
                  "~ means nothing here; for words near each other write a NEAR/5 b");
    else
        rule_fail(p, lex->column, 1, "a space is missing after the phrase");
}

/* A plain quote is closed by a plain one, a typographic quote by any. */
static void read_phrase(struct rule_parse *p)
{
    struct rule_lexer *lex = &p->lex;
    size_t len, from;
    uint32_t other = 0, cp = peek(lex, &len);
    bool plain = cp == '"';

    lex->now.kind = TOKEN_PHRASE;
    skip(lex, len);
    from = lex->at;
    for (;;) {
        cp = peek(lex, &len);
        if (len == 0) {
            fail_unclosed(p, other);
            return;
        }
        if (cp == '"' || (!plain && rule_is_quote(cp)))
            break;
        if (!other && rule_is_quote(cp))
            other = lex->column;
        skip(lex, len);
    }
    lex->now.text = since(lex, from);
    skip(lex, len);
    lex->now.width = lex->column - lex->now.column;
    quote_hint(p, !plain || cp != '"');
    after_phrase(p);
}

/* Regexes */

static void read_flags(struct rule_parse *p)
{
    struct rule_lexer *lex = &p->lex;

    while (!at_word_end(lex)) {
        size_t len;
        uint32_t cp = peek(lex, &len);
        if (cp != 'i') {
            rule_fail(p, lex->column, 1,
                      "after the closing / of a regex stands nothing but the flag i; a "
                      "slash within it is written \\/");
            return;
        }
        lex->now.number = 1;
        skip(lex, len);
    }
    if (at_quote(lex))
        rule_fail(p, lex->column, 1, "a space is missing before the quote");
}

static void read_regex(struct rule_parse *p)
{
    struct rule_lexer *lex = &p->lex;
    size_t len, from;

    lex->now.kind = TOKEN_REGEX;
    skip(lex, 1);
    from = lex->at;
    for (uint32_t cp = peek(lex, &len); cp != '/'; cp = peek(lex, &len)) {
        if (cp == '\\' && lex->at + 1 < lex->text.n) {
            skip(lex, len);
            (void)peek(lex, &len);
        }
        if (len == 0) {
            rule_fail(p, lex->now.column, 1,
                      "the regex that begins with this / never ends; write a closing /, "
                      "or put the word in quotes");
            return;
        }
        skip(lex, len);
    }
    lex->now.text = since(lex, from);
    skip(lex, 1);
    read_flags(p);
    lex->now.width = lex->column - lex->now.column;
}

/* Words */

/* What other languages write for our operators, and what has no letter in it. */
static void fail_no_word(struct rule_parse *p)
{
    const struct rule_token *t = &p->lex.now;
    const char *instead = NULL;

    if (str_eq(t->text, STR("&&")) || str_eq(t->text, STR("&")))
        instead = "AND";
    else if (str_eq(t->text, STR("||")) || str_eq(t->text, STR("|")))
        instead = "OR";
    else if (str_eq(t->text, STR("!")))
        instead = "NOT";
    if (instead)
        rule_fail(p, t->column, t->width, "%s is no operator; write %s",
                  rule_piece(t->text).s, instead);
    else
        rule_fail(p, t->column, t->width,
                  "there is no letter or digit in %s; if its symbols are meant, write "
                  "\"%s\"",
                  rule_piece(t->text).s, rule_piece(t->text).s);
}

/* "near" of "near/5"; the whole of anything else. */
static struct str head_of(struct str word)
{
    const char *slash = memchr(word.s, '/', word.n);

    return (struct str){ word.s, slash ? (size_t)(slash - word.s) : word.n };
}

static void lint_operator(struct rule_parse *p)
{
    static const char *const plain[] = { "AND", "OR", "NOT" };
    static const char *const near[] = { "NEAR", "ONEAR" };
    const struct rule_token *t = &p->lex.now;
    struct str head = head_of(t->text);

    for (size_t i = 0; i < 3; i++)
        if (str_eq_nocase(t->text, str_of(plain[i])))
            rule_warn(p, t->column, "%s is looked for as a word; did you mean %s?",
                      rule_piece(t->text).s, plain[i]);
    for (size_t i = 0; i < 2 && head.n < t->text.n; i++)
        if (str_eq_nocase(head, str_of(near[i])))
            rule_warn(p, t->column, "%s is looked for as words; did you mean %s%.*s?",
                      rule_piece(t->text).s, near[i], (int)(t->text.n - head.n),
                      t->text.s + head.n);
}

/* The first symbol in a word, at `i`. */
static void lint_symbol(struct rule_parse *p, size_t i, size_t len)
{
    const struct rule_token *t = &p->lex.now;
    struct str head = { t->text.s, i }, tail = { t->text.s + i + 1, t->text.n - i - len };
    enum rule_field field;
    bool exact;

    if (t->text.s[i] == '|' && head.n && tail.n)
        rule_warn(p, t->column, "| is no operator; did you mean OR?");
    else if (t->text.s[i] == '=' && rule_field_of(head, &field, &exact))
        rule_warn(p, t->column, "= is no operator; did you mean %s:%s?",
                  rule_piece(head).s, rule_piece(tail).s);
    else
        rule_warn(p, t->column,
                  "the %s in %s does not count; if it must stand there, write \"%s\"",
                  rule_piece((struct str){ t->text.s + i, len }).s, rule_piece(t->text).s,
                  rule_piece(t->text).s);
}

/* Symbols are part of addresses and names. */
static void lint_symbols(struct rule_parse *p)
{
    const struct rule_token *t = &p->lex.now;
    size_t len;

    for (size_t i = 0; i < t->text.n; i += len) {
        uint32_t cp = utf8_get(t->text.s + i, t->text.n - i, &len);
        if (i == 0 && (cp == '\'' || cp == 0x2018)) {
            rule_warn(p, t->column, "single quotes do not make a phrase; write \"...\"");
            return;
        }
        if (rule_is_symbol(cp) || (i == 0 && cp == '.')) {
            lint_symbol(p, i, len);
            return;
        }
    }
}

/* NEAR/5: `name` is the part before the slash. */
static void read_distance(struct rule_parse *p, enum rule_token_kind kind,
                          const char *name)
{
    struct rule_token *t = &p->lex.now;
    size_t n = strlen(name) + 1;
    bool bad = t->text.n <= n;

    t->kind = kind;
    t->number = 0;
    for (size_t i = n; i < t->text.n && !bad; i++) {
        bad = t->text.s[i] < '0' || t->text.s[i] > '9';
        if (!bad && t->number <= RULE_MAX_DISTANCE)
            t->number = t->number * 10 + (uint32_t)(t->text.s[i] - '0');
    }
    if (bad)
        rule_fail(p, t->column, t->width,
                  "%s needs a number of words, as in %s/5; if the word is meant, write "
                  "\"%s\"",
                  name, name, rule_piece(t->text).s);
    else if (t->number > RULE_MAX_DISTANCE)
        rule_fail(p, t->column, t->width, "the distance of %s is at most %d words", name,
                  RULE_MAX_DISTANCE);
}

/* The operators are words in capitals. */
static bool read_operator(struct rule_parse *p)
{
    struct rule_token *t = &p->lex.now;
    struct str head = head_of(t->text);

    if (str_eq(t->text, STR("AND")))
        t->kind = TOKEN_AND;
    else if (str_eq(t->text, STR("OR")))
        t->kind = TOKEN_OR;
    else if (str_eq(t->text, STR("NOT")))
        t->kind = TOKEN_NOT;
    else if (str_eq(t->text, STR("OF")))
        t->kind = TOKEN_OF;
    else if (str_eq(head, STR("NEAR")))
        read_distance(p, TOKEN_NEAR, "NEAR");
    else if (str_eq(head, STR("ONEAR")))
        read_distance(p, TOKEN_ONEAR, "ONEAR");
    else
        return false;
    return true;
}

/* The scheme of an address right after link: or site: is part of the word. */
static bool is_address(const struct rule_lexer *lex, struct str name)
{
    return lex->last.kind == TOKEN_FIELD && !lex->last.exact &&
           (lex->last.field == RULE_LINK || lex->last.field == RULE_SITE) &&
           (str_eq_nocase(name, STR("http")) || str_eq_nocase(name, STR("https")));
}

/* A name of ASCII letters before a colon; the colon is then the next byte. */
static bool read_field(struct rule_parse *p)
{
    struct rule_lexer *lex = &p->lex;
    size_t n = 0;

    while ((ascii_at(lex, n) | 32) >= 'a' && (ascii_at(lex, n) | 32) <= 'z')
        n++;
    if (n == 0)
        return false;

    size_t len = 0;
    struct str name = { lex->text.s + lex->at, n };
    uint32_t after = lex->at + n < lex->text.n
                         ? utf8_get(name.s + n, lex->text.n - lex->at - n, &len)
                         : 0;
    bool colon = after == ':' || after == 0xFF1A;
    bool known = colon && rule_field_of(name, &lex->now.field, &lex->now.exact);

    if (after == 0xFF1A && known) {
        rule_fail(p, lex->now.column + (uint32_t)n, 1,
                  "this is a full-width colon; write %.*s:", (int)n, name.s);
        return true;
    }
    if (after != ':' || (!known && is_address(lex, name)))
        return false;
    if (!known) {
        rule_fail_field(p, name, lex->now.column);
        return true;
    }
    lex->now.kind = TOKEN_FIELD;
    lex->now.text = name;
    lex->at += n + 1;
    lex->column += (uint32_t)n + 1;
    lex->now.width = (uint32_t)n + 1;
    return true;
}

static void fail_star(struct rule_parse *p, uint32_t column)
{
    rule_fail(p, column, 1,
              "a star stands only at the end of a word, as in Putin*, or alone for every "
              "item");
}

static void read_word_end(struct rule_parse *p, size_t from)
{
    struct rule_lexer *lex = &p->lex;
    struct rule_token *t = &lex->now;

    t->text = since(lex, from);
    t->width = lex->column - t->column;
    if (ascii_at(lex, 0) == '*') {
        skip(lex, 1);
        t->kind = TOKEN_PREFIX;
        t->width++;
        if (!at_word_end(lex)) {
            fail_star(p, lex->column - 1);
            return;
        }
    }
    if (at_quote(lex))
        rule_fail(p, lex->column, 1, "a space is missing before the quote");
}

static void read_word(struct rule_parse *p)
{
    struct rule_lexer *lex = &p->lex;
    struct rule_token *t = &lex->now;
    size_t from = lex->at, len;

    if (read_field(p))
        return;
    t->kind = TOKEN_WORD;
    while (!at_word_end(lex) && ascii_at(lex, 0) != '*') {
        (void)peek(lex, &len);
        skip(lex, len);
    }
    read_word_end(p, from);
    if (p->error || (t->kind == TOKEN_WORD && read_operator(p)))
        return;
    if (t->text.s[0] == '!' && t->text.n > 1)
        rule_fail(p, t->column, 1, "! does not exclude; write NOT or - before the word");
    else if (!has_word(p, t->text))
        fail_no_word(p);
    lint_operator(p);
    if (p->field < RULE_LINK)
        lint_symbols(p);
}

/* Marks */

static void read_mark(struct rule_parse *p, enum rule_token_kind kind)
{
    struct rule_lexer *lex = &p->lex;
    size_t from = lex->at, len;

    (void)peek(lex, &len);
    skip(lex, len);
    lex->now.kind = kind;
    lex->now.text = since(lex, from);
    lex->now.width = 1;
}

static void read_star(struct rule_parse *p)
{
    read_mark(p, TOKEN_ALL);
    if (at_quote(&p->lex) || !at_word_end(&p->lex))
        rule_fail(p, p->lex.now.column, 1,
                  "a star cannot lead; it stands at the end of a word, as in Putin*, or "
                  "alone for every item");
}

static void read_minus(struct rule_parse *p, bool spaced)
{
    size_t len;
    uint32_t cp;

    read_mark(p, TOKEN_NOT);
    cp = peek(&p->lex, &len);
    if (len && (rule_is_space(cp) || !spaced))
        rule_warn(p, p->lex.now.column,
                  "this - excludes what follows; write a space before it and none after");
}

static void read_set_name(struct rule_parse *p)
{
    struct rule_lexer *lex = &p->lex;
    size_t from, len;

    skip(lex, 1);
    from = lex->at;
    while (!at_word_end(lex)) {
        (void)peek(lex, &len);
        skip(lex, len);
    }
    lex->now.kind = TOKEN_SET;
    lex->now.text = since(lex, from);
    lex->now.width = lex->column - lex->now.column;
    if (lex->now.text.n == 0)
        rule_fail(p, lex->now.column, 1,
                  "the name of a set is missing after @; write @NAME of a [set:NAME]");
}

/* True when the character is a near miss of one of ours; the error is then set. */
static bool fail_near_miss(struct rule_parse *p, uint32_t cp)
{
    uint32_t column = p->lex.column;

    if (wide_form(cp) && wide_form(cp)[0] == ',')
        rule_fail(
            p, column, 1,
            "this is an ideographic comma; write AND or OR, or a plain , within OF");
    else if (wide_form(cp))
        rule_fail(p, column, 1, "this is a full-width bracket; write %s", wide_form(cp));
    else if (rule_is_dash(cp))
        rule_fail(
            p, column, 1,
            "this is a typographic dash; to exclude a word write -word or NOT word");
    else if (cp == '[' || cp == '{')
        rule_fail(p, column, 1, "only round brackets group; write ( )");
    else if (cp == 0xFF0A || cp == 0xFF20)
        rule_fail(p, column, 1, "this is a full-width mark; write %s",
                  cp == 0xFF0A ? "*" : "@");
    else
        return false;
    return true;
}

static bool read_marks(struct rule_parse *p, uint32_t cp, bool spaced)
{
    if (cp == '(')
        read_mark(p, TOKEN_OPEN);
    else if (cp == ')')
        read_mark(p, TOKEN_CLOSE);
    else if (cp == ',')
        read_mark(p, TOKEN_COMMA);
    else if (cp == '*')
        read_star(p);
    else if (cp == '-')
        read_minus(p, spaced);
    else
        return false;
    return true;
}

static bool skip_spaces(struct rule_lexer *lex)
{
    bool line = false;
    size_t len;

    for (uint32_t cp = peek(lex, &len); len && rule_is_space(cp); cp = peek(lex, &len)) {
        line |= cp == '\n';
        skip(lex, len);
    }
    return line;
}

void rule_next(struct rule_parse *p)
{
    struct rule_lexer *lex = &p->lex;
    enum rule_token_kind before = lex->now.kind;
    size_t was = lex->at, len;
    bool line = skip_spaces(lex);
    uint32_t cp = peek(lex, &len);
    bool spaced = lex->at > was || lex->at == 0 || before == TOKEN_OPEN ||
                  before == TOKEN_COMMA || before == TOKEN_NOT || before == TOKEN_FIELD;

    lex->last = lex->now;
    lex->now = (struct rule_token){ .column = lex->column, .width = 1, .new_line = line };
    if (p->error || len == 0 || fail_near_miss(p, cp) || read_marks(p, cp, spaced))
        ;
    else if (cp == '"' || rule_is_quote(cp))
        read_phrase(p);
    else if (cp == '/')
        read_regex(p);
    else if (cp == '@')
        read_set_name(p);
    else
        read_word(p);
    if (p->error)
        lex->now.kind = TOKEN_END;
}

void rule_lex_begin(struct rule_parse *p, struct str text)
{
    p->lex = (struct rule_lexer){ .text = text, .column = 1 };
    rule_next(p);
}
