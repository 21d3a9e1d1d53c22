#ifndef RULE_H
#define RULE_H
/* The rule language of feedwatch-rules(7): text to tree, canonical form, errors with
 * position. Pure.  A tree is immutable and may be shared between threads. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "str.h"

enum rule_op {
    RULE_ALL,      /* "*" */
    RULE_WORDS,    /* word or phrase; `text` as written, without quotes */
    RULE_PREFIX,   /* word*; `text` without the star */
    RULE_REGEX,    /* /.../; `text` is the pattern; number = 1 with the flag i */
    RULE_AND,      /* all children */
    RULE_OR,       /* any child */
    RULE_NOT,      /* its only child does not hold */
    RULE_NEAR,     /* two children within `number` words, either order */
    RULE_ONEAR,    /* two children, left before right */
    RULE_AT_LEAST, /* `number` of the children */
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
    bool exact;            /* leaves only: compare as written */
    bool quoted;           /* RULE_WORDS only: was in quotes, so symbols count */
    uint32_t number;       /* distance, threshold or regex flags; see rule_op */
    uint32_t column;       /* 1-based, in characters: where it begins in the rule text */
    struct str text;       /* leaves only; owned by the rule */
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
void rule_free(struct rule *r);

/* Append the fully bracketed canonical form: rule_parse of it gives the same tree. */
int rule_canonical(struct buf *out, const struct rule_node *n);

/* Append the rule text and a line with carets under the place of `err`. */
int rule_error_show(struct buf *out, struct str text, const struct rule_error *err);
#endif
