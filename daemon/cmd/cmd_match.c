/* feedwatch match: which items of these feed files match a rule, and by which words. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cmd.h"
#include "cmd_history.h"
#include "cmd_print.h"
#include "cmd_try.h"
#include "json.h"

enum { LINE_MAX_BYTES = 4 << 20, BEFORE = 60, AFTER = 120 };

struct job {
    struct try_rules rules;
    struct try_feed feed;
    const char *file;
    bool json, name_files;
    struct print_style style;
    const struct item *item;
    struct match_input in;
    unsigned long matched;
    int error;
};

static const char usage_text[] =
    "usage: feedwatch match [--json] [--feed NAME] [--group NAME] RULE [FILE...]\n"
    "\n"
    "Prints the items of these feed files (- or none: standard input) that match the "
    "rule,\n"
    "the words that made it hold in bold on a terminal.\n"
    "\n"
    "  -j, --json        one JSON object a line for each item that matches\n"
    "  -f, --feed NAME   what feed: in the rule compares with\n"
    "  -g, --group NAME  what group: in the rule compares with\n"
    "  -h, --help        show this text\n"
    "\n"
    "With --since TIME it tries the items that the store has kept; see\n"
    "feedwatch match --since 1d --help.\n"
    "\n"
    "Exit status: 0 some item matches, 1 none does, 2 error.\n";

/* --- for people ---------------------------------------------------------------------
 */

/* Is `at` the first byte of a character? */
static bool begins_character(struct str s, size_t at)
{
    return at >= s.n || ((unsigned char)s.s[at] & 0xC0) != 0x80;
}

/* The bytes [from, to) of a text, with its spans in bold.  Spans are in order and may
 * overlap. */
static void put_marked(const struct job *j, struct str text, size_t from, size_t to,
                       const struct match_span *span, size_t n)
{
    for (size_t i = 0; i < n && from < to; i++) {
        size_t begin = span[i].offset, end = begin + span[i].length;
        if (end <= from)
            continue;
        if (begin >= to)
            break;
        begin = begin < from ? from : begin;
        end = end > to ? to : end;
        print_safe(stdout, (struct str){ text.s + from, begin - from });
        fputs(j->style.bold, stdout);
        fputs(j->style.hint, stdout);
        print_safe(stdout, (struct str){ text.s + begin, end - begin });
        fputs(j->style.plain, stdout);
        from = end;
    }
    if (from < to)
        print_safe(stdout, (struct str){ text.s + from, to - from });
}

/* A stretch of a text around its first span. */
static void put_around(const struct job *j, struct str text,
                       const struct match_span *span, size_t n)
{
    size_t from = span->offset > BEFORE ? span->offset - BEFORE : 0;
    size_t to = span->offset + span->length + AFTER;

    to = to > text.n ? text.n : to;
    while (!begins_character(text, from))
        from++;
    while (!begins_character(text, to))
        to++;
    printf("    %s: %s", try_field_name(span->field), from ? "…" : "");
    put_marked(j, text, from, to, span, n);
    puts(to < text.n ? "…" : "");
}

/* How many of the spans lie in the text of the first one. */
static size_t same_text(const struct match_span *span, size_t n)
{
    size_t i = 1;

    while (i < n && span[i].field == span->field && span[i].index == span->index)
        i++;
    return i;
}

static void put_item(const struct job *j, const struct match_span *span, size_t n)
{
    size_t in_title = n && span->field == MATCH_TITLE ? same_text(span, n) : 0;
    struct str title = j->in.title;

    if (j->name_files)
        printf("%s: ", j->file);
    if (title.n)
        put_marked(j, title, 0, title.n, span, in_title);
    else
        fputs("(no title)", stdout);
    putchar('\n');
    if (j->in.link.n) {
        fputs("    ", stdout);
        print_safe(stdout, j->in.link);
        putchar('\n');
    }
    for (size_t i = in_title; i < n; i += same_text(span + i, n - i))
        put_around(j, match_input_text(&j->in, span[i].field, span[i].index), span + i,
                   same_text(span + i, n - i));
}

/* --- for programs -------------------------------------------------------------------
 */

static struct str spanned(const struct job *j, const struct match_span *span)
{
    struct str text = match_input_text(&j->in, span->field, span->index);

    return (struct str){ text.s + span->offset, span->length };
}

static void put_spans(struct buf *b, const struct job *j, const struct match_span *span,
                      size_t n)
{
    (void)json_put_key(b, "spans");
    (void)buf_putc(b, '[');
    for (size_t i = 0; i < n; i++) {
        (void)buf_puts(b, i ? ",{" : "{");
        (void)json_member_str(b, "field", str_of(try_field_name(span[i].field)));
        (void)json_member_int(b, "index", span[i].index);
        (void)json_member_int(b, "offset", span[i].offset);
        (void)json_member_int(b, "length", span[i].length);
        (void)json_member_str(b, "text", spanned(j, &span[i]));
        (void)buf_putc(b, '}');
    }
    (void)buf_putc(b, ']');
}

/* The words as they stand in the item, each once. */
static void put_matched(struct buf *b, const struct job *j, const struct match_span *span,
                        size_t n)
{
    bool first = true;

    (void)json_put_key(b, "matched");
    (void)buf_putc(b, '[');
    for (size_t i = 0; i < n && i < 1000; i++) {
        bool known = false;
        for (size_t k = 0; k < i && !known; k++)
            known = str_eq(spanned(j, &span[k]), spanned(j, &span[i]));
        if (known)
            continue;
        if (!first)
            (void)buf_putc(b, ',');
        first = false;
        (void)json_put_str(b, spanned(j, &span[i]));
    }
    (void)buf_putc(b, ']');
}

static int put_json(const struct job *j, const struct match_span *span, size_t n)
{
    struct buf b;

    buf_init(&b, LINE_MAX_BYTES);
    (void)buf_putc(&b, '{');
    (void)json_member_str(&b, "file", str_of(j->file));
    (void)json_member_str(&b, "id", j->item->id);
    (void)json_member_str(&b, "title", j->in.title);
    (void)json_member_str(&b, "link", j->in.link);
    put_matched(&b, j, span, n);
    put_spans(&b, j, span, n);
    (void)buf_puts(&b, "}\n");
    return try_put(&b);
}

/* --- the command --- */

static int on_hit(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    struct job *j = ctx;

    (void)id;
    j->matched++;
    if (j->json)
        return put_json(j, spans, n);
    put_item(j, spans, n);
    return ferror(stdout) ? -EIO : 0;
}

static int on_item(void *ctx, const struct item *item, const struct feed_info *info)
{
    struct job *j = ctx;

    j->item = item;
    j->in = match_input_of(item, j->feed.feed, j->feed.group, info->lang);
    j->error = match_item(j->rules.set, j->rules.scratch, &j->in, on_hit, j);
    return j->error;
}

static bool read_options(struct job *j, int argc, char **argv, int *status)
{
    struct try_options o = { .json = true };

    if (!try_options(&o, "match", usage_text, argc, argv, status))
        return false;
    j->feed = o.feed;
    j->json = o.json;
    if (optind == argc)
        fputs("feedwatch match: a rule is needed.\nTry 'feedwatch match --help'.\n",
              stderr);
    return optind < argc;
}

int cmd_match(int argc, char **argv)
{
    static char standard_input[] = "-";
    char *only[] = { standard_input };
    struct job j = { .style = print_style(stdout) };
    int status;

    if (history_asked(argc, argv, "--since"))
        return cmd_history_match(argc, argv);
    if (!read_options(&j, argc, argv, &status))
        return status;
    struct rule *rule = try_rule("match", argv[optind]);
    char **files = optind + 1 < argc ? argv + optind + 1 : only;
    int n = optind + 1 < argc ? argc - optind - 1 : 1;
    struct match_rule one = { 0, rule ? rule->root : NULL };
    int bad = !rule || try_compile(&j.rules, "match", &one, 1) < 0;

    j.name_files = n > 1;
    for (int i = 0; !bad && !j.error && i < n; i++) {
        j.file = files[i];
        bad |= try_file("match", files[i], on_item, &j) < 0;
    }
    try_free(&j.rules);
    rule_free(rule);
    return try_status("match", bad, j.error, j.matched);
}
