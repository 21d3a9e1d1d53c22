#ifndef RULE_H
#define RULE_H
/* The rule language of feedwatch-rules(7): text to tree, canonical form, errors with
 * position.  Pure.  A tree is immutable and may be shared between threads.
 *
 * Chains of NEAR: "a NEAR/2 b ONEAR/3 c" is ONEAR(NEAR(a, b), c), nested to the left. The
 * first child of a NEAR or ONEAR node is an operand or again such a node, the second one
 * is always an operand: a leaf or an OR of leaves.  The node's link ties its second
 * child to the operand just before it: the first child, or the second child of the first
 * child when that is a link itself.  A chain holds when there is one choice of an
 * occurrence for every operand, all in the same field (the same author or category),
 * that satisfies every link of it.  At most `number` tokens lie between the two
 * occurrences of a link, and they do not overlap.  A regex as an operand stands for the
 * tokens that its match touches. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "str.h"

enum rule_op {
    RULE_ALL,      /* "*" */
    RULE_WORDS,    /* word or phrase; `text` as written, without quotes */
    RULE_PREFIX,   /* word*; `text` without the star: one token */
    RULE_REGEX,    /* /.../; `text` is the pattern; number = 1 with the flag i.  A match
                      of no characters counts for nothing */
    RULE_AND,      /* all children, two or more */
    RULE_OR,       /* any child, two or more */
    RULE_NOT,      /* its only child does not hold */
    RULE_NEAR,     /* two children within `number` words, either order */
    RULE_ONEAR,    /* two children, left before right */
    RULE_AT_LEAST, /* `number` of the children, 1 to n_children */
};

enum {                           /* bounds on what one rule may cost */
       RULE_MAX_BYTES = 1 << 20, /* of its text, and of that of each set */
       RULE_MAX_NODES = 100000,  /* of its tree, sets expanded */
       RULE_MAX_DEPTH = 100,     /* of its tree: recursion over it is safe */
       RULE_MAX_CHAIN = 32,      /* operands of one chain of NEAR */
       RULE_MAX_DISTANCE = 9999, /* of NEAR */
       RULE_MAX_SYMBOLS = 32,    /* of a phrase in a row, with the spaces among them */
};

enum rule_field {
    RULE_ANY, /* title, summary, content */
    RULE_TITLE,
    RULE_TEXT, /* summary, content */
    RULE_AUTHOR,
    RULE_CATEGORY,
    RULE_LINK,
    RULE_SITE,
    RULE_FEED,
    RULE_GROUP,
    RULE_LANG,
    RULE_FIELDS
};

struct rule_node {
    enum rule_op op;
    enum rule_field field; /* leaves only: the innermost field around them */
    bool exact;            /* WORDS and PREFIX only: compare as written */
    bool quoted;           /* RULE_WORDS only: was in quotes, so symbols count */
    uint32_t number;       /* distance, threshold or regex flags; see rule_op */
    uint32_t column;       /* 1-based, in characters: where it begins in the rule text */
    struct str text;       /* leaves only; owned by the rule, not NUL-terminated */
    struct rule_node **child;
    size_t n_children;
};

struct rule {
    struct rule_node *root;
    char *source;   /* as written */
    char **warning; /* lints, one sentence each; NULL-terminated list, may be NULL */
};

/* A named OR-group: [set:NAME]. */
struct rule_set {
    const char *name;
    const char
        *terms; /* the text of its terms key: a rule fragment, an OR of its lines */
};

struct rule_error {
    uint32_t column; /* 1-based, in characters */
    uint32_t width;  /* how many characters the caret line underlines, at least 1 */
    char what[200];  /* what is wrong and what to write instead, one line */
};

/* Parse `text`.  0 and *out (free with rule_free), -EINVAL and *err, or -ENOMEM. */
int rule_parse(struct rule **out, struct str text, const struct rule_set *sets,
               size_t n_sets, struct rule_error *err);
void rule_free(struct rule *r); /* NULL is fine */

/* Parse one set alone, also when no rule uses it: its columns and warnings are those of
 * its own text.  `set` may be one of `sets`.  Same answers as rule_parse(). */
int rule_parse_set(struct rule **out, const struct rule_set *set,
                   const struct rule_set *sets, size_t n_sets, struct rule_error *err);

/* Append the fully bracketed canonical form: rule_parse of it gives the same tree. */
int rule_canonical(struct buf *out, const struct rule_node *n);

/* The options of pcre2_compile() for the `number` of a RULE_REGEX node: UTF, Unicode
 * properties, never \C, caseless with the flag i. */
uint32_t rule_regex_options(uint32_t number);

/* Must a word or prefix of the rule stand in every item that it holds for?  If not, each
 * item has to be looked at. */
bool rule_needs_word(const struct rule_node *n);

/* The name of a field as rules write it: "title". */
const char *rule_field_name(enum rule_field f);

/* How many columns of a terminal the character takes: 0, 1 or 2. */
unsigned rule_columns(uint32_t cp);

/* Append the line of the rule text that `err` lies in, cut to 72 columns around it, and a
 * line with carets under the place; both indented by four spaces. */
int rule_error_show(struct buf *out, struct str text, const struct rule_error *err);
#endif
