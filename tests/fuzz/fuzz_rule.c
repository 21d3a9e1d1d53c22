/* Fuzz the rule parser.  Input: rule text, then optionally a NUL and the text of the set
 * @s (the set @t uses it).  A rule that parses must come back the same from its canonical
 * form; an error must have a place in the text and be shown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                          \
    do {                                                                                 \
        if (!(x)) {                                                                      \
            fprintf(stderr, "fuzz_rule: %s does not hold\n", #x);                        \
            abort();                                                                     \
        }                                                                                \
    } while (0)

static void must_be_same(const struct rule_node *a, const struct rule_node *b,
                         unsigned depth)
{
    MUST(depth <= RULE_MAX_DEPTH);
    MUST(a->op == b->op && a->field == b->field && a->exact == b->exact);
    MUST(a->quoted == b->quoted && a->number == b->number);
    MUST(str_eq(a->text, b->text) && a->n_children == b->n_children);
    for (size_t i = 0; i < a->n_children; i++)
        must_be_same(a->child[i], b->child[i], depth + 1);
}

static void check_error(struct str text, const struct rule_error *err)
{
    struct buf b;

    MUST(err->column >= 1 && err->column <= text.n + 1 && err->width >= 1);
    MUST(err->what[0] && memchr(err->what, 0, sizeof err->what));
    MUST(!strpbrk(err->what, "\n\r\033"));
    buf_init(&b, 4096);
    MUST(rule_error_show(&b, text, err) == 0);
    MUST(strchr(b.s, '^'));
    buf_free(&b);
}

static void check_round_trip(const struct rule *r)
{
    struct rule *again = NULL;
    struct rule_error err;
    struct buf b, c;

    buf_init(&b, RULE_MAX_BYTES);
    buf_init(&c, RULE_MAX_BYTES);
    if (rule_canonical(&b, r->root) == 0) {
        MUST(rule_parse(&again, buf_str(&b), NULL, 0, &err) == 0);
        must_be_same(r->root, again->root, 1);
        MUST(rule_canonical(&c, again->root) == 0);
        MUST(str_eq(buf_str(&b), buf_str(&c)));
    }
    rule_free(again);
    buf_free(&b);
    buf_free(&c);
}

static void check_one(int result, struct rule *r, struct str text,
                      const struct rule_error *err)
{
    MUST(result == 0 || result == -EINVAL);
    if (result == 0)
        check_round_trip(r);
    else
        check_error(text, err);
    rule_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    struct str text = { (const char *)data, nul ? (size_t)(nul - data) : size };
    size_t n = nul ? size - text.n - 1 : 0;
    char *terms = malloc(n + 1);
    struct rule_error err = { 0 };
    struct rule *r = NULL;

    if (!terms)
        return 0;
    memcpy(terms, nul ? nul + 1 : data, n);
    terms[n] = '\0';

    struct rule_set sets[] = { { "s", terms }, { "t", "one\n@s\n\"two\"" } };
    check_one(rule_parse(&r, text, sets, 2, &err), r, text, &err);
    if (nul) {
        r = NULL;
        err = (struct rule_error){ 0 };
        check_one(rule_parse_set(&r, &sets[0], sets, 2, &err), r, str_of(terms), &err);
    }
    free(terms);
    return 0;
}
