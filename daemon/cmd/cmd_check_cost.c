/* feedwatch check: what a rule costs, measured on an item that makes it work. */
#include "cmd_check.h"

#include <errno.h>
#include <time.h>
#include "match.h"

enum {
    WORDS_MAX = 4096,      /* bytes of the rule's own words in the item */
    ROUND_NS = 20000,      /* one round of measuring takes at least so long */
    ROUNDS = 7,            /* the best of them counts */
    ITERATIONS_MAX = 4096, /* in a round */
};

/* An item of the usual length: about 150 words with names and figures. */
static const char prose[] =
    "The government said on Tuesday that it would publish the full report before the end "
    "of the month, after weeks of pressure from members of parliament and from the "
    "press. "
    "Officials in three ministries had been asked to explain why the contracts, worth "
    "about "
    "4.2 billion euros over ten years, were signed without a tender. \"We will answer "
    "every "
    "question,\" the minister told reporters in Brussels, adding that the first figures "
    "had "
    "been wrong by nearly 18 per cent. Markets took the news calmly: the index of "
    "leading "
    "shares closed 0.3 per cent lower, while the currency held near its best level since "
    "March. Analysts at two banks said they expected the central bank to wait until its "
    "next meeting before it moves rates again. The opposition called for an inquiry and "
    "for the release of all letters between the ministry and the company, which has "
    "offices "
    "in Geneva, Singapore and New York. A spokeswoman for the company declined to "
    "comment.";

static int nothing(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    (void)ctx;
    (void)id;
    (void)spans;
    (void)n;
    return 0;
}

static int64_t now_ns(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) < 0)
        return 0;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void put_words(struct buf *b, const struct rule_node *n)
{
    if (n->op == RULE_WORDS || n->op == RULE_PREFIX) {
        (void)buf_put_str(b, n->text);
        (void)buf_putc(b, ' ');
    }
    for (size_t i = 0; i < n->n_children; i++)
        put_words(b, n->child[i]);
}

/* Nanoseconds of one call, or -errno. */
static int64_t measure(const struct match_set *set, struct match_scratch *scratch,
                       const struct match_input *in)
{
    int64_t best = INT64_MAX, iterations = 1;

    for (int round = 0; round < ROUNDS;) {
        int64_t from = now_ns(), took;
        for (int64_t i = 0; i < iterations; i++) {
            int r = match_item(set, scratch, in, nothing, NULL);
            if (r < 0)
                return r;
        }
        took = now_ns() - from;
        if (took < ROUND_NS && iterations < ITERATIONS_MAX) {
            iterations *= 4;
            continue;
        }
        if (took / iterations < best)
            best = took / iterations;
        round++;
    }
    return best;
}

static int64_t measure_root(const struct rule_node *root, const struct match_input *in)
{
    struct match_rule rule = { .root = root };
    struct match_set *set = NULL;
    struct match_scratch *scratch = NULL;
    struct buf why;
    size_t bad;

    buf_init(&why, 1024);
    int64_t r = match_set_new(&set, &rule, 1, &why, &bad);
    if (r == 0)
        r = match_scratch_new(&scratch);
    if (r == 0)
        r = measure(set, scratch, in);
    match_scratch_free(scratch);
    match_set_free(set);
    buf_free(&why);
    return r;
}

int64_t check_cost(const struct rule *r)
{
    struct rule_node idle = { .op = RULE_WORDS, .text = STR("qzxqzxqzx") };
    struct match_input in = { .content = STR(prose) };
    struct buf words;

    buf_init(&words, WORDS_MAX);
    put_words(&words, r->root);
    if (words.error == -ENOMEM)
        return -ENOMEM;
    in.title = buf_str(&words);
    in.summary = in.title;

    int64_t base = measure_root(&idle, &in);
    int64_t full = base < 0 ? base : measure_root(r->root, &in);
    buf_free(&words);
    if (full < 0)
        return full;
    return full > base ? full - base : 0;
}
