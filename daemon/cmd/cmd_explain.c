/* feedwatch explain: each part of a rule, whether it holds for an item and by which
 * words; for a miss, the smallest parts that failed. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cmd.h"
#include "cmd_print.h"
#include "cmd_try.h"

struct part { /* a node of the rule */
    const struct rule_node *node;
    unsigned depth;
    bool holds;
    struct match_span *spans;
    size_t n_spans;
};

struct job {
    struct try_rules rules;
    struct try_feed feed;
    struct part *part; /* in pre-order; its place is its id in the set */
    size_t n_parts, cap;
    struct print_style style;
    struct match_input in;
    unsigned long items, matched;
    int error;
};

static const char usage_text[] =
    "usage: feedwatch explain [--feed NAME] [--group NAME] RULE [FILE]\n"
    "\n"
    "Shows for each item of a feed file (- or none: standard input) which parts of the "
    "rule\n"
    "hold (+) and which do not (-), and the words by which they do.  For an item that "
    "does\n"
    "not match, the smallest parts that failed are named.\n"
    "\n"
    "  -f, --feed NAME   what feed: in the rule compares with\n"
    "  -g, --group NAME  what group: in the rule compares with\n"
    "  -h, --help        show this text\n"
    "\n"
    "Exit status: 0 some item matches, 1 none does, 2 error.\n";

/* --- parts --------------------------------------------------------------------------
 */

static int add_parts(struct job *j, const struct rule_node *node, unsigned depth)
{
    if (j->n_parts == j->cap) {
        size_t cap = j->cap ? j->cap * 2 : 32;
        struct part *part = realloc(j->part, cap * sizeof *part);
        if (!part)
            return -ENOMEM;
        j->part = part;
        j->cap = cap;
    }
    j->part[j->n_parts++] = (struct part){ .node = node, .depth = depth };
    for (size_t i = 0; i < node->n_children; i++)
        if (add_parts(j, node->child[i], depth + 1) < 0)
            return -ENOMEM;
    return 0;
}

/* The part after `i` and all that is under it. */
static size_t after(const struct job *j, size_t i)
{
    unsigned depth = j->part[i].depth;

    for (i++; i < j->n_parts && j->part[i].depth > depth; i++)
        ;
    return i;
}

static void forget(struct job *j)
{
    for (size_t i = 0; i < j->n_parts; i++) {
        free(j->part[i].spans);
        j->part[i].spans = NULL;
        j->part[i].n_spans = 0;
        j->part[i].holds = false;
    }
}

static int on_hit(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    struct job *j = ctx;
    struct part *p = &j->part[id];

    p->holds = true;
    p->spans = malloc((n + 1) * sizeof *spans);
    if (!p->spans)
        return -ENOMEM;
    if (n)
        memcpy(p->spans, spans, n * sizeof *spans);
    p->n_spans = n;
    return 0;
}

/* --- printing -----------------------------------------------------------------------
 */

static bool is_leaf(const struct rule_node *n)
{
    return n->op <= RULE_REGEX;
}

static void put_rule(FILE *to, const struct rule_node *n)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    if (rule_canonical(&b, n) == 0)
        print_safe(to, buf_str(&b));
    buf_free(&b);
}

static void put_label(const struct rule_node *n)
{
    switch (n->op) {
    case RULE_ALL:
    case RULE_WORDS:
    case RULE_PREFIX:
    case RULE_REGEX:
        put_rule(stdout, n);
        break;
    case RULE_AND:
        fputs("AND", stdout);
        break;
    case RULE_OR:
        fputs("OR", stdout);
        break;
    case RULE_NOT:
        fputs("NOT", stdout);
        break;
    case RULE_NEAR:
        printf("NEAR/%u", (unsigned)n->number);
        break;
    case RULE_ONEAR:
        printf("ONEAR/%u", (unsigned)n->number);
        break;
    case RULE_AT_LEAST:
        printf("%u OF", (unsigned)n->number);
        break;
    }
}

static void put_words(const struct job *j, const struct part *p)
{
    enum { SHOWN = 6 };

    for (size_t i = 0; i < p->n_spans && i < SHOWN; i++) {
        const struct match_span *s = &p->spans[i];
        struct str text = match_input_text(&j->in, s->field, s->index);
        printf("%s%s %u “", i ? ", " : "  ", try_field_name(s->field),
               (unsigned)s->offset);
        fputs(j->style.bold, stdout);
        print_safe(stdout, (struct str){ text.s + s->offset, s->length });
        printf("%s”", j->style.plain);
    }
    if (p->n_spans > SHOWN)
        printf(", … %zu in all", p->n_spans);
}

static void put_part(const struct job *j, const struct part *p)
{
    printf("  %s%c%s %*s", p->holds ? j->style.good : j->style.bad, p->holds ? '+' : '-',
           j->style.plain, (int)(2 * p->depth), "");
    put_label(p->node);
    if (is_leaf(p->node) || p->node->op == RULE_NEAR || p->node->op == RULE_ONEAR)
        put_words(j, p);
    putchar('\n');
}

/* --- why not ------------------------------------------------------------------------
 */

static void begin_reason(const struct job *j)
{
    printf("  %swhy not:%s ", j->style.bold, j->style.plain);
}

static void put_reason(const struct job *j, size_t i, const char *what)
{
    begin_reason(j);
    put_rule(stdout, j->part[i].node);
    puts(what);
}

static void why_holds(const struct job *j, size_t i);

/* Name the smallest parts by which part `i` does not hold. */
static void why_not(const struct job *j, size_t i)
{
    const struct part *p = &j->part[i];
    size_t end = after(j, i), missing = 0, held = 0;

    if (p->node->op == RULE_NOT) {
        why_holds(j, i + 1);
        return;
    }
    for (size_t k = i + 1; k < end; k = after(j, k)) {
        missing += !j->part[k].holds;
        held += j->part[k].holds;
    }
    if (p->node->op == RULE_AND ||
        (missing && p->node->op >= RULE_NEAR && p->node->op <= RULE_ONEAR)) {
        for (size_t k = i + 1; k < end; k = after(j, k))
            if (!j->part[k].holds)
                why_not(j, k);
    } else if (p->node->op == RULE_NEAR || p->node->op == RULE_ONEAR) {
        put_reason(j, i, ": all of it is there, but nowhere so close");
    } else if (p->node->op == RULE_AT_LEAST) {
        begin_reason(j);
        put_rule(stdout, p->node);
        printf(": only %zu of them\n", held);
    } else {
        put_reason(j, i,
                   p->node->op == RULE_OR ? ": none of them is there" : " is not there");
    }
}

/* What is under a NOT holds: name the smallest part of it that does. */
static void why_holds(const struct job *j, size_t i)
{
    size_t end = after(j, i);

    if (j->part[i].node->op == RULE_OR) {
        for (size_t k = i + 1; k < end; k = after(j, k))
            if (j->part[k].holds)
                why_holds(j, k);
        return;
    }
    begin_reason(j);
    put_rule(stdout, j->part[i].node);
    fputs(" is there, after NOT", stdout);
    put_words(j, &j->part[i]);
    putchar('\n');
}

/* --- the command --- */

static int on_item(void *ctx, const struct item *item, const struct feed_info *info)
{
    struct job *j = ctx;

    forget(j);
    j->in = match_input_of(item, j->feed.feed, j->feed.group, info->lang);
    j->error = match_item(j->rules.set, j->rules.scratch, &j->in, on_hit, j);
    if (j->error < 0)
        return j->error;
    printf("%s%s: ", j->items++ ? "\n" : "", j->part[0].holds ? "match" : "no match");
    fputs(j->style.bold, stdout);
    print_safe(stdout, j->in.title.n ? j->in.title : STR("(no title)"));
    puts(j->style.plain);
    for (size_t i = 0; i < j->n_parts; i++)
        put_part(j, &j->part[i]);
    if (j->part[0].holds)
        j->matched++;
    else
        why_not(j, 0);
    return ferror(stdout) ? (j->error = -EIO) : 0;
}

static bool read_options(struct job *j, int argc, char **argv, int *status)
{
    struct try_options o = { .json = false };

    if (!try_options(&o, "explain", usage_text, argc, argv, status))
        return false;
    j->feed = o.feed;
    if (argc - optind == 1 || argc - optind == 2)
        return true;
    fputs("feedwatch explain: a rule and one file are needed.\n"
          "Try 'feedwatch explain --help'.\n",
          stderr);
    return false;
}

/* Each part of the rule is a rule of its own in one set. */
static int compile_parts(struct job *j, const struct rule *rule)
{
    if (add_parts(j, rule->root, 0) < 0)
        return -ENOMEM;
    struct match_rule *rules = calloc(j->n_parts, sizeof *rules);
    if (!rules)
        return -ENOMEM;
    for (size_t i = 0; i < j->n_parts; i++)
        rules[i] = (struct match_rule){ (uint32_t)i, j->part[i].node };
    int r = try_compile(&j->rules, "explain", rules, j->n_parts);
    free(rules);
    return r;
}

int cmd_explain(int argc, char **argv)
{
    struct job j = { .style = print_style(stdout) };
    int status;

    if (!read_options(&j, argc, argv, &status))
        return status;
    struct rule *rule = try_rule("explain", argv[optind]);
    int bad = !rule || compile_parts(&j, rule) < 0;

    if (!bad)
        bad = try_file("explain", optind + 1 < argc ? argv[optind + 1] : "-", on_item,
                       &j) < 0;
    forget(&j);
    free(j.part);
    try_free(&j.rules);
    rule_free(rule);
    return try_status("explain", bad, j.error, j.matched);
}
