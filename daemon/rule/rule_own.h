#ifndef RULE_OWN_H
#define RULE_OWN_H
/* What the files of the rule parser share: tokens, the parse in progress, messages. */
#include "rule.h"
#include "text.h"

enum rule_token_kind {
    TOKEN_END,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT, /* NOT or - */
    TOKEN_NEAR,
    TOKEN_ONEAR,
    TOKEN_OF,
    TOKEN_FIELD,
    TOKEN_SET,
    TOKEN_ALL,
    TOKEN_WORD,
    TOKEN_PREFIX,
    TOKEN_PHRASE,
    TOKEN_REGEX,
};

struct rule_token {
    enum rule_token_kind kind;
    enum rule_field field; /* of TOKEN_FIELD */
    bool exact;            /* TOKEN_FIELD: it is exact: */
    bool new_line;         /* a line break stands before it */
    uint32_t number;       /* distance or regex flags */
    uint32_t column, width;
    struct str text; /* of terms and names, without their marks; else as written */
};

struct rule_lexer {
    struct str text;
    size_t at;              /* the next byte */
    uint32_t column;        /* its column */
    struct rule_token now;  /* the token that the parser looks at */
    struct rule_token last; /* the one before it */
};

struct rule_chunk;

/* A rule with the memory that its nodes and strings lie in. */
struct rule_whole {
    struct rule rule;
    struct rule_chunk *chunks;
    size_t n_warnings;
};

struct rule_parse {
    struct rule_whole *whole;
    const struct rule_set *sets;
    size_t n_sets;
    struct rule_error *err;
    int error; /* sticky: 0, -EINVAL with *err filled in, or -ENOMEM */
    struct rule_lexer lex;
    size_t n_nodes;
    unsigned brackets;          /* how deep the grammar stands in the text */
    enum rule_field field;      /* what the brackets around say */
    bool exact;                 /* likewise */
    bool field_set;             /* a field: stands around */
    bool by_line;               /* a set: line breaks and commas mean OR */
    unsigned depth;             /* of brackets, NOTs and sets, over all texts */
    uint32_t small_of;          /* column of an "of" that may be meant as OF, or 0 */
    uint32_t mixed;             /* column of an AND that stands bare beside an OR, or 0 */
    struct rule_within *within; /* the sets being expanded, innermost first */
    struct text text;           /* scratch */
    struct rule_node **stack;   /* children not yet in their node */
    size_t n_stack, cap_stack;
};

/* A set that is being expanded. */
struct rule_within {
    const struct rule_set *set;
    struct rule_within *outer;
    uint32_t
        outer_column; /* of the outermost @name in the text; 0: the set is the text */
    uint32_t outer_width;
};

/* Memory that lives as long as the rule, zeroed; NULL sets p->error. */
void *rule_alloc(struct rule_parse *p, size_t n);
char *rule_copy(struct rule_parse *p, struct str s);

/* Fail at a place of the text being read, once: later calls change nothing. */
void rule_fail(struct rule_parse *p, uint32_t column, uint32_t width, const char *fmt,
               ...) __attribute__((format(printf, 4, 5)));
void rule_fail_memory(struct rule_parse *p);

/* Add a lint: "column N: ...".  Sets are silent inside of rules. */
void rule_warn(struct rule_parse *p, uint32_t column, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A piece of a rule for a message: cut to 24 characters, nothing unsafe in it. */
struct rule_piece {
    char s[104];
};
struct rule_piece rule_piece(struct str s);

/* The one of `names` nearest to `s` (at most two slips away), or NULL. */
const char *rule_nearest(struct str s, const char *const *names, size_t n);

/* How many characters. */
uint32_t rule_count(struct str s);

/* Read the next token into p->lex.now; on an error TOKEN_END. */
void rule_next(struct rule_parse *p);
void rule_lex_begin(struct rule_parse *p, struct str text);

/* What a word is made of; see rule_chars.c. */
bool rule_is_space(uint32_t cp);
bool rule_is_quote(uint32_t cp);  /* a typographic double quote */
bool rule_is_dash(uint32_t cp);   /* a dash that is not the ASCII hyphen */
bool rule_is_symbol(uint32_t cp); /* neither word nor separator: counts in quotes only */

/* What a term is made of, as text.h sees it. */
struct rule_shape {
    size_t tokens;
    uint32_t letters;  /* marks that count and digits, too */
    bool runs;         /* all of it in scripts without spaces */
    bool ends_in_word; /* its last visible character belongs to a token */
};
struct rule_shape rule_shape(struct rule_parse *p, struct str s);

/* Which field a name before a colon is; aliases included. */
bool rule_field_of(struct str name, enum rule_field *field, bool *exact);
void rule_fail_field(struct rule_parse *p, struct str name, uint32_t column);

/* Grammar.  Each reader returns NULL when p->error is set. */
struct rule_node *rule_read_or(struct rule_parse *p);
struct rule_node *rule_read_text(struct rule_parse *p, struct str text);
struct rule_node *rule_read_near(struct rule_parse *p);
struct rule_node *rule_read_atom(struct rule_parse *p);
struct rule_node *rule_read_set(struct rule_parse *p, const struct rule_token *name);
const struct rule_set *rule_find_set(const struct rule_parse *p, struct str name);

struct rule_node *rule_node_new(struct rule_parse *p, enum rule_op op, uint32_t column);
struct rule_node *rule_leaf(struct rule_parse *p, const struct rule_token *t);

/* Children are pushed one by one, then all those since `base` become those of `n`.  The
 * flat way, a child with the same op as its parent gives its own children in its place.
 */
void rule_push(struct rule_parse *p, struct rule_node *child);
void rule_push_flat(struct rule_parse *p, struct rule_node *child, enum rule_op parent);
struct rule_node *rule_gather(struct rule_parse *p, struct rule_node *n, size_t base);

/* One level deeper into brackets, NOTs or sets; false when that is too deep. */
bool rule_deeper(struct rule_parse *p, const struct rule_token *t);

/* The token cannot stand here; say why and what to write. */
void rule_fail_token(struct rule_parse *p, const struct rule_token *t);

/* Checks of the whole tree, and lints that need it. */
void rule_check_text(struct rule_parse *p, struct str text);
void rule_check_whole(struct rule_parse *p);
/* Warn of operands that change nothing. */
void rule_lint(struct rule_parse *p);
#endif
