/* What matching costs: rules and items from a seed and from real feeds.
 *     bench_match [-l] DIR [RULES|all [KIND]]      DIR: what tools/unpack laid out
 * -l: the rules are compiled again after the items have passed, as by the daemon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench_items.h"
#include "text.h"

enum kind { NATURAL, COMMONEST, FIELDS, REGEXES, KINDS };
static const char *const kind_name[KINDS] = { "natural", "common", "fields", "regex" };

enum {
    STOP = 400,    /* words too common for anybody to watch: the, of, and, ... */
    COMMON = 1000, /* the adversarial rules are made of that many commonest words */
    ITEMS = 4000,
    ROUNDS = 7,
    SITES = 20000, /* hosts that rules of FIELDS name */
    FEEDS = 10000,
    NAME_MAX_BYTES = 100,
};

struct rules {
    struct match_rule *rule;
    struct rule_node *nodes;
    struct rule_node **children;
    size_t n, n_nodes, n_children;
    size_t text_bytes;
};

static struct bench_items items;
static struct rule_node *leaf_of;  /* one shared leaf a word */
static struct rule_node *title_of; /* the same of title: */
static uint64_t seed;
static bool learns; /* how common words are, from the items */

static struct rule_node *node(struct rules *r, enum rule_op op, size_t children)
{
    struct rule_node *n = &r->nodes[r->n_nodes++];

    *n = (struct rule_node){ .op = op, .child = r->children + r->n_children };
    n->n_children = children;
    r->n_children += children;
    return n;
}

/* A word by its natural frequency, the very common ones left out; or one of the common.
 */
static uint32_t draw(bool adversarial)
{
    if (adversarial)
        return bench_below(&seed, COMMON);
    for (;;) {
        uint32_t w = items.word[bench_below(&seed, (uint32_t)items.n_tokens)];
        if (w >= STOP && items.words[w].text.n > 1)
            return w;
    }
}

/* Two neighbouring words of some item. */
static struct rule_node *phrase(struct rules *r)
{
    struct rule_node *n = node(r, RULE_WORDS, 0);
    char *text = malloc(200);
    uint32_t at = bench_below(&seed, (uint32_t)items.n_tokens - 1);

    while (items.word[at] < STOP || items.word[at + 1] < STOP)
        at = bench_below(&seed, (uint32_t)items.n_tokens - 1);
    int len = snprintf(text, 200, "%s %s", items.words[items.word[at]].text.s,
                       items.words[items.word[at + 1]].text.s);
    n->text = (struct str){ text, (size_t)len < 200 ? (size_t)len : 199 };
    n->quoted = true;
    r->text_bytes += n->text.n + 2;
    return n;
}

static struct rule_node *word(struct rules *r, bool adversarial)
{
    uint32_t w = draw(adversarial);

    r->text_bytes += items.words[w].text.n + 1;
    return &leaf_of[w];
}

static struct rule_node *near(struct rules *r, bool adversarial)
{
    struct rule_node *n = node(r, RULE_NEAR, 2);

    n->number = 5;
    n->child[0] = word(r, adversarial);
    n->child[1] = word(r, adversarial);
    r->text_bytes += 7;
    return n;
}

static struct rule_node *either(struct rules *r, bool adversarial)
{
    struct rule_node *n = node(r, RULE_OR, 2);

    n->child[0] = word(r, adversarial);
    n->child[1] = word(r, adversarial);
    r->text_bytes += 5;
    return n;
}

static struct rule_node *without(struct rules *r, bool adversarial)
{
    struct rule_node *n = node(r, RULE_NOT, 1);

    n->child[0] = word(r, adversarial);
    r->text_bytes += 1;
    return n;
}

static struct rule_node *title(struct rules *r, bool adversarial)
{
    uint32_t w = draw(adversarial);

    r->text_bytes += items.words[w].text.n + 7;
    return &title_of[w];
}

static struct rule_node *prefix(struct rules *r)
{
    struct rule_node *n = node(r, RULE_PREFIX, 0);
    struct str s;

    do
        s = items.words[draw(false)].text;
    while (s.n < 5);
    while (s.n > 5 && ((unsigned char)s.s[s.n - 1] & 0xC0) == 0x80)
        s.n--;
    n->text = (struct str){ s.s, s.n > 7 ? s.n - 2 : s.n };
    r->text_bytes += n->text.n + 2;
    return n;
}

/* 2 to 5 terms; most rules are plain conjunctions, some use each of the operators. */
static struct rule_node *make_rule(struct rules *r, bool adversarial)
{
    size_t n = 2 + bench_below(&seed, 4);
    uint32_t kind = adversarial ? 99 : bench_below(&seed, 100);
    struct rule_node *and = node(r, RULE_AND, n);

    for (size_t i = 0; i < n; i++) {
        struct rule_node *part = NULL;
        if (i == 1 && kind < 15)
            part = either(r, adversarial);
        else if (i == 1 && kind < 23)
            part = without(r, adversarial);
        else if (i == 1 && kind < 30)
            part = phrase(r);
        else if (i == 1 && kind < 34)
            part = near(r, adversarial);
        else if (i == 1 && kind < 37)
            part = title(r, adversarial);
        else if (i == 1 && kind < 40)
            part = prefix(r);
        else
            part = word(r, adversarial);
        and->child[i] = part;
    }
    return and;
}

static struct rule_node *value(struct rules *r, enum rule_field field, const char *before,
                               uint32_t n, const char *after)
{
    struct rule_node *node_of = node(r, RULE_WORDS, 0);
    char *text = malloc(NAME_MAX_BYTES);
    int len = snprintf(text, NAME_MAX_BYTES, "%s%u%s", before, (unsigned)n, after);

    node_of->field = field;
    node_of->text = (struct str){ text, (size_t)len };
    r->text_bytes += node_of->text.n + 6;
    return node_of;
}

static struct rule_node *site(struct rules *r)
{
    return value(r, RULE_SITE, "site", bench_below(&seed, SITES), ".example");
}

/* One value, or two. */
static struct rule_node *make_fields(struct rules *r)
{
    uint32_t kind = bench_below(&seed, 100);
    struct rule_node *and;

    if (kind < 45)
        return site(r);
    if (kind < 80)
        return value(r, RULE_FEED, "Feed ", bench_below(&seed, FEEDS), "");
    and = node(r, RULE_AND, 2);
    and->child[0] = kind < 90
                        ? value(r, RULE_LANG, "l", bench_below(&seed, 20), "")
                        : value(r, RULE_GROUP, "group-", bench_below(&seed, 20), "");
    and->child[1] = site(r);
    return and;
}

/* A pattern of one word or two, plain letters only. */
static struct rule_node *make_regex(struct rules *r)
{
    static const char *const form[4][4] = { /* what stands around the two words */
                                            { "\\b", "\\w* ", "", "" },
                                            { "", ".{0,9}", "", "" },
                                            { "(", "|", ")", "s?\\b" },
                                            { "", "[a-z]+ ", "", "" }
    };
    const char *const *around = form[bench_below(&seed, 4)];
    struct rule_node *n = node(r, RULE_REGEX, 0);
    char *text = malloc(NAME_MAX_BYTES);
    struct str a, b;

    do
        a = items.words[draw(false)].text;
    while (a.n < 4 || a.n > 30);
    do
        b = items.words[draw(false)].text;
    while (b.n < 4 || b.n > 30);
    int len = snprintf(text, NAME_MAX_BYTES, "%s%s%s%s%s%s", around[0], a.s, around[1],
                       b.s, around[2], around[3]);
    n->text = (struct str){ text, (size_t)len };
    n->number = bench_below(&seed, 2);
    r->text_bytes += n->text.n + 2;
    return n;
}

static struct rule_node *make_one(struct rules *r, enum kind kind)
{
    if (kind == FIELDS)
        return make_fields(r);
    return kind == REGEXES ? make_regex(r) : make_rule(r, kind == COMMONEST);
}

/* Where the items come from, for the rules of FIELDS. */
static void place_items(void)
{
    for (size_t i = 0; i < items.n; i++) {
        struct match_input *in = &items.item[i];
        char *text = malloc(NAME_MAX_BYTES * 3), *feed = text + NAME_MAX_BYTES,
             *lang = feed + NAME_MAX_BYTES;
        in->link = (struct str){ text, (size_t)snprintf(text, NAME_MAX_BYTES,
                                                        "https://news.site%u.example/%zu",
                                                        bench_below(&seed, SITES), i) };
        in->feed = (struct str){ feed, (size_t)snprintf(feed, NAME_MAX_BYTES, "feed-%u",
                                                        bench_below(&seed, FEEDS)) };
        in->lang = (struct str){ lang, (size_t)snprintf(lang, NAME_MAX_BYTES, "l%zu-X",
                                                        i % 20) };
        in->group = STR("Group 3");
    }
}

static void make_rules(struct rules *r, size_t n, enum kind kind)
{
    *r = (struct rules){ .n = n };
    r->rule = malloc(n * sizeof *r->rule);
    r->nodes = malloc(n * 3 * sizeof *r->nodes);
    r->children = malloc(n * 8 * sizeof *r->children);
    if (!r->rule || !r->nodes || !r->children)
        abort();
    seed = 0x9E3779B97F4A7C15;
    for (size_t i = 0; i < n; i++)
        r->rule[i] = (struct match_rule){ (uint32_t)i, make_one(r, kind) };
}

static void free_rules(struct rules *r)
{
    free(r->rule);
    free(r->nodes);
    free(r->children);
}

static int on_hit(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    uint64_t *sum = ctx;

    *sum += id + n + (n ? spans[0].offset : 0);
    return 0;
}

static double clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* One pass over all items by `step`; keeps the fastest of all passes for each of them, so
 * that what else runs on the machine does not count. */
static void pass(void (*step)(void *ctx, const struct match_input *in), void *ctx,
                 double *best, bool first)
{
    double from = clock_us();

    for (size_t i = 0; i < items.n; i++) {
        step(ctx, &items.item[i]);
        double now = clock_us(), us = now - from;
        if (first || us < best[i])
            best[i] = us;
        from = now;
    }
}

/* At least ROUNDS passes, and half a second of them. */
static double measure(void (*step)(void *ctx, const struct match_input *in), void *ctx,
                      double *best)
{
    double sum = 0, from = bench_now_us();

    for (int round = 0; round < ROUNDS || bench_now_us() - from < 5e5; round++)
        pass(step, ctx, best, round == 0);
    for (size_t i = 0; i < items.n; i++)
        sum += best[i];
    return sum / (double)items.n;
}

/* The floor: fold and tokenise the same items. */
static void fold_step(void *ctx, const struct match_input *in)
{
    struct text *t = ctx;

    text_clear(t);
    if (text_add(t, in->title) < 0 || text_add(t, in->summary) < 0)
        abort();
}

struct matching {
    const struct match_set *set;
    struct match_scratch *scratch;
    uint64_t sum;
};

static void match_step(void *ctx, const struct match_input *in)
{
    struct matching *m = ctx;

    if (match_item(m->set, m->scratch, in, on_hit, &m->sum) < 0)
        abort();
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* A set that all items passed, twice. */
static struct match_set *learn(const struct match_rule *rules, size_t n, double *best)
{
    struct match_set *set;
    struct matching m = { .sum = 0 };

    if (match_set_new_after(&set, NULL, rules, n, NULL, NULL) < 0 ||
        match_scratch_new(&m.scratch) < 0)
        abort();
    m.set = set;
    pass(match_step, &m, best, true);
    pass(match_step, &m, best, true);
    match_scratch_free(m.scratch);
    return set;
}

static void run(size_t n, enum kind kind, double fold, double *best)
{
    struct rules r;
    struct match_set *set;
    struct matching m = { .sum = 0 };

    make_rules(&r, n, kind);
    struct match_set *before = learns ? learn(r.rule, n, best) : NULL;
    double from = bench_now_us();
    if ((learns ? match_set_new_after(&set, before, r.rule, n, NULL, NULL)
                : match_set_new(&set, r.rule, n, NULL, NULL)) < 0 ||
        match_scratch_new(&m.scratch) < 0)
        abort();
    double compile_ms = (bench_now_us() - from) / 1e3;
    m.set = set;
    pass(match_step, &m, best, true);
    struct match_counts c = *match_scratch_counts(m.scratch);
    double us = measure(match_step, &m, best);
    qsort(best, items.n, sizeof *best, ascending);
    double candidates = (double)c.candidates / (double)c.items;
    double hits = (double)c.hits / (double)c.items;
    printf(
        "%8zu %-8s %8.2f %7.1f %7.1f %9.1f %9.1f %8.2f %8.1f %8.1f %7.1f %8.0f %6.1f\n",
        n, kind_name[kind], us, us / fold, best[items.n * 99 / 100], candidates,
        (double)c.evaluated / (double)c.items, hits,
        candidates > 0 ? (us - fold) * 1e3 / candidates : 0,
        hits > 0 ? (us - fold) * 1e3 / hits : 0, (double)match_set_bytes(set) / (double)n,
        compile_ms, (double)r.text_bytes / (double)n);
    fflush(stdout);
    match_scratch_free(m.scratch);
    match_set_free(set);
    match_set_free(before);
    free_rules(&r);
}

/* Patterns are compiled to machine code: a million of them take a minute. */
static bool is_wanted(int argc, char **argv, enum kind kind, size_t n)
{
    if (argc > 3 && strcmp(argv[3], kind_name[kind]) != 0)
        return false;
    if (argc > 2 && strcmp(argv[2], "all") != 0)
        return strtoul(argv[2], NULL, 10) == n;
    return kind < FIELDS || (n >= 1000 && n <= 100000 && (kind != REGEXES || n <= 10000));
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 10, 1000, 10000, 100000, 1000000 };

    if (argc > 1 && !strcmp(argv[1], "-l")) {
        learns = true;
        argv++;
        argc--;
    }
    if (argc < 2 || bench_items_read(&items, argv[1], ITEMS) < 0) {
        fprintf(stderr, "bench_match: no feeds under %s: is FEEDWATCH_SHARED right?\n",
                argc < 2 ? "(nothing)" : argv[1]);
        return 2;
    }
    leaf_of = calloc(items.n_words, sizeof *leaf_of);
    title_of = calloc(items.n_words, sizeof *title_of);
    if (!leaf_of || !title_of)
        return 2;
    for (size_t i = 0; i < items.n_words; i++) {
        leaf_of[i] = (struct rule_node){ .op = RULE_WORDS, .text = items.words[i].text };
        title_of[i] = leaf_of[i];
        title_of[i].field = RULE_TITLE;
    }
    seed = 0xD1B54A32D192ED03;
    place_items();
    struct text text = { 0 };
    double *best = malloc(items.n * sizeof *best);
    if (!best)
        return 2;
    double fold = measure(fold_step, &text, best);
    text_done(&text);
    printf("%zu items of %.0f words, %.0f bytes; %zu different words\n", items.n,
           (double)items.n_tokens / (double)items.n,
           (double)items.bytes / (double)items.n, items.n_words);
    printf("fold and tokenise: %.2f us an item, %.0f MB/s\n\n", fold,
           (double)items.bytes / (double)items.n / fold);
    printf("%8s %-8s %8s %7s %7s %9s %9s %8s %8s %8s %7s %8s %6s\n", "rules", "words",
           "us/item", "x fold", "p99 us", "cand/item", "eval/item", "hit/item", "ns/cand",
           "ns/hit", "B/rule", "ms comp", "B text");
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            if (is_wanted(argc, argv, (enum kind)kind, sizes[i]))
                run(sizes[i], (enum kind)kind, fold, best);
    free(best);
    return 0;
}
