/* Fuzz folding and tokenising: the same tokens at the same places as the slow reference
 * finds, also when a text is appended to another one. */
#include "fuzz.h"

#include <string.h>
#include "../unit/match_reference.h"
#include "text.h"

static void must_agree(const struct text *t, size_t from, const struct ref_text *want)
{
    MUST(t->n - from == want->n);
    for (size_t i = 0; i < want->n; i++) {
        const struct text_token *is = &t->tokens[from + i];
        const struct ref_token *ref = &want->token[i];
        struct str folded = text_folded(t, is);
        MUST(str_eq(folded, str_of(ref->folded)));
        MUST(is->src_off == ref->from && is->src_off + is->src_len == ref->to);
        MUST(is->run == (unsigned)ref->run);
        MUST(is->hash == text_hash(folded.s, folded.n));
        MUST(is->hash == text_hash_padded(folded.s, folded.n));
    }
}

/* A text is equal to itself as written, and symbols lie inside it. */
static void compare_as_written(struct str s)
{
    struct text_symbol symbol[8];

    MUST(text_same(s, s));
    MUST(text_starts(s, s));
    for (int last = 0; last < 2; last++) {
        size_t n = text_symbols(symbol, 8, s, last);
        MUST(n <= 8);
        for (size_t i = 0; i < n; i++)
            MUST(symbol[i].from < symbol[i].to && symbol[i].to <= s.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct text t;           /* reused: what one text leaves must not matter */
    char *copy = malloc(n ? n : 1); /* of its very size, so that a byte more is seen */
    struct ref_text want;

    if (!copy)
        return 0;
    if (n)
        memcpy(copy, data, n);
    struct str s = { copy, n };
    ref_fold(&want, s);
    text_clear(&t);
    MUST(text_add(&t, s) == 0);
    must_agree(&t, 0, &want);
    MUST(text_break(&t) == 0);
    size_t second = t.n;
    MUST(text_add(&t, s) == 0);
    must_agree(&t, second, &want);
    compare_as_written(s);
    ref_text_free(&want);
    free(copy);
    return 0;
}
