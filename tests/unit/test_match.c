/* match: what hits and what does not, a line a case, by the rule language itself. */
#include "test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "match.h"

/* A text with its expected spans between ⟦ and ⟧; without any, the rule must not hit.  A
 * text that begins with "HIT " is hit without spans. */
struct line {
    const char *rule, *text;
};

static const struct line cases[] = {
    /* the examples of the specification */
    { "Putin AND Xi", "⟦Xi⟧, ⟦Putin⟧ Hold Video Call: Chinese State Media" },
    { "Putin AND Xi", "Putin’s taxi waits" },
    { "Putin AND Xi",
      "Russian President Vladimir ⟦Putin⟧ and Chinese counterpart ⟦Xi⟧ Jinping praised" },
    { "\"Xi Jinping\" OR 习近平", "中国国家主席⟦习近平⟧同俄罗斯总统普京" },
    { "Trump NEAR/3 Putin", "⟦Trump⟧ Plans Call With ⟦Putin⟧ Days After" },
    { "Trump NEAR/2 Putin", "Trump Plans Call With Putin Days After" },
    { "Путин*", "встреча с ⟦Путиным⟧" },
    { "Erdoğan", "⟦ERDOGAN⟧ says" },
    { "exact:WHO", "who said it" },
    { "exact:WHO", "the ⟦WHO⟧ said it, who knows" },
    { "2 OF (Putin, Xi, Trump)", "⟦Trump⟧ phones ⟦Xi⟧" },
    /* binding: NEAR, NOT, AND, OR; adjacency is AND; only capitals are operators */
    { "a b", "⟦b⟧ x ⟦a⟧" },
    { "a b", "a x" },
    { "a OR b AND c", "⟦a⟧ b" },
    { "a OR b AND c", "b x" },
    { "(a OR b) AND c", "a b" },
    { "c -a NEAR/0 b", "a x b ⟦c⟧" },
    { "c -a NEAR/0 b", "a b c" },
    { "a or b", "⟦a⟧ ⟦or⟧ ⟦b⟧" },
    { "a or b", "a b" },
    { "a not b", "⟦b⟧ ⟦not⟧ ⟦a⟧" },
    /* sets, and sets in sets */
    { "@rocket", "with ⟦Ракетами⟧ and ⟦rocket⟧, ⟦ロケット⟧" },
    { "@space AND moon", "to the ⟦moon⟧ by ⟦rocket⟧ in ⟦low orbit⟧" },
    { "@space AND moon", "moon rockets, low orbits" },
    { "@rocket NEAR/1 moon", "⟦rocket⟧ to ⟦moon⟧ and then a rocket" },
    { "2 OF (@space, moon, sun)", "rocket in low orbit" },
    /* whole words */
    { "Xi", "⟦Xi⟧, ⟦XI⟧ ⟦Xi⟧’s ⟦Xi⟧-Putin" },
    { "Xi", "taxi Mexico XIX Xi2 aXi" },
    { "U.S.", "the ⟦U.S⟧. said, the ⟦u s⟧ of it, US" },
    { "Xi-Putin", "⟦Xi Putin⟧ and ⟦xi—putin⟧, not xi x putin" },
    /* operators */
    { "a AND NOT b", "⟦a⟧ c" },
    { "a AND NOT b", "a b" },
    { "* -sport", "HIT news" },
    { "* -sport", "sport" },
    { "a OR b", "⟦a⟧ c ⟦b⟧ ⟦a⟧" },
    { "(a AND b) OR c", "a ⟦c⟧" },
    { "3 OF (a, b, c)", "a b" },
    { "2 OF (a b, c, d)", "⟦a⟧ ⟦b⟧ ⟦d⟧" },
    { "a NEAR/0 b", "⟦b⟧ ⟦a⟧ x a" },
    { "a ONEAR/0 b", "b a" },
    { "a ONEAR/1 b", "b ⟦a⟧ x ⟦b⟧" },
    { "a NEAR/0 b NEAR/0 c", "a b x ⟦a⟧ ⟦b⟧ ⟦c⟧" },
    { "a NEAR/0 b NEAR/0 c", "a b x b c" },
    { "a NEAR/5 a", "a" },
    { "(a OR \"b c\") NEAR/1 d", "a x x ⟦d⟧ x ⟦b c⟧" },
    { "wor* NEAR/0 b", "⟦word⟧ ⟦b⟧ x world" },
    /* prefixes */
    { "put*", "⟦Putin⟧ ⟦put⟧ ⟦PUTs⟧ pu input" },
    { "exact:Put*", "⟦Putin⟧ putin" },
    /* phrases */
    { "\"the cat\"", "the black cat; ⟦The Cat⟧, ⟦the\ncat⟧" },
    { "\"C++\"", "C is not ⟦C++⟧, nor C+ +" },
    { "\"AT&T\"", "AT T, AT & T, ⟦at&t⟧" },
    { "\"#metoo\"", "metoo # metoo ⟦#MeToo⟧" },
    { "\".NET\"", "net .. net (⟦.net⟧)" },
    { "\"$TSLA\"", "TSLA, ⟦$tsla⟧" },
    { "\"Putin's\"", "⟦Putin’s⟧ ⟦Putinʼs⟧ ⟦putin's⟧ ⟦Putin＇s⟧" },
    { "\"🚀\"", "to the moon ⟦🚀⟧⟦🚀⟧" },
    /* as written */
    { "exact:Erdoğan", "Erdogan erdoğan ⟦Erdoğan⟧ ⟦Erdog\u0306an⟧" },
    { "exact:WHO", "WHOLE, WHO2, ⟦WHO⟧-led" },
    { "exact:\"Big Apple\"", "big apple, ⟦Big Apple⟧" },
    /* regexes */
    { "/Xi{2,}/", "Xi ⟦Xii⟧" },
    { "/xi{2,}/i", "Xi ⟦XII⟧" },
    { "/\\bпут\\w+/i AND b", "⟦Путиным⟧ ⟦b⟧" },
    { "/a+/ NEAR/0 b", "⟦a⟧ ⟦b⟧ x aa c" },
    { "/café/", "cafe CAFÉ ⟦café⟧" },
    { "/^.$/", "⟦é⟧" },
    /* separators in words */
    { "O'Brien", "⟦O’Brien⟧ ⟦o brien⟧ obrien" },
    { "km/h", "⟦km/h⟧ ⟦km h⟧ kmh" },
    { "l’Ukraine", "de ⟦l'Ukraine⟧" },
    /* scripts */
    { "Đà Nẵng", "⟦Da⟧ ⟦Nang⟧" },
    { "œuvre", "⟦OEUVRE⟧" },
    { "ລາວ", "ປະເທດ⟦ລາວ⟧" },
    { "ខ្មែរ", "ភាសា⟦ខ្មែរ⟧" },
    { "မြန်မာ", "⟦မြန်မာ⟧နိုင်ငံ" },
    { "iPhone", "新⟦iPhone⟧手机" },
    { "15", "iPhone15 第⟦15⟧回" },
    { "Xi", "⟦Xi⟧习" },
    { "istanbul", "⟦İSTANBUL⟧ ⟦Istanbul⟧ ⟦ıstanbul⟧" },
    { "Strasse", "die ⟦Straße⟧, ⟦STRASSE⟧, ⟦STRAẞE⟧" },
    { "Müller", "⟦Muller⟧ ⟦MU\u0308LLER⟧ Mueller" },
    { "σοφός", "⟦ΣΟΦΟΣ⟧ ⟦σοφος⟧ ⟦σοφόσ⟧" },
    { "محمد", "⟦مُحَمَّد⟧ ⟦محـــمد⟧ ⟦ﻣﺤﻤﺪ⟧" },
    { "שלום", "⟦שָׁלוֹם⟧" },
    { "हिन्दी", "⟦हिन्दी⟧ हिन्द" },
    { "ไทย", "ประเทศ⟦ไทย⟧ครับ" },
    { "ไ्", "⟦ไ ्⟧ ⟦ไ्⟧" }, /* a mark of a run, or alone */
    { "ี갔ี", "⟦ี갔/ี⟧" },
    { "日本", "⟦日本⟧語" },
    { "か", "⟦か⟧な が か\u3099" },
    { "が", "⟦が⟧ ⟦か\u3099⟧ か" },
    { "ガ", "⟦ｶﾞ⟧ ⟦ガ⟧" },
    { "한국", "⟦한국⟧은 ⟦\u1112\u1161\u11AB\u1100\u116E\u11A8⟧" },
    { "中国", "在⟦中国⟧的" },
    { "iPhone手机", "新⟦iPhone手机⟧" },
    { "Łódź", "⟦Lodz⟧ ⟦ŁÓDŹ⟧" },
    { "Ærø", "⟦aero⟧" },
    { "café", "⟦cafe⟧ ⟦CAFE\u0301⟧ ⟦café⟧" },
    { "Putin", "⟦Pu\u00ADtin⟧\u00AD ⟦Pu\u200Btin⟧ ⟦Ｐｕｔｉｎ⟧ ⟦Ⓟⓤⓣⓘⓝ⟧" },
    { "iPhone", "⟦iPhone⟧™ ⟦iPhone⟧®" },
    { "“Xi Jinping”", "⟦Xi Jinping⟧" },
    { "Путин", "⟦ПУТИН⟧" },
    { "Чайковский", "⟦чаи\u0306ковскии\u0306⟧" },
};

/* In other fields: of the item below, the spans that are expected. */
struct field_line {
    const char *rule, *spans; /* "author1:4+5 link:..." or "no" */
};

static const char *const field_name[MATCH_FIELDS] = { "title",  "summary",  "content",
                                                      "author", "category", "link",
                                                      "site",   "feed",     "group",
                                                      "lang" };

static const struct field_line field_cases[] = {
    { "title:Putin", "title0:9+5" },
    { "title:Putin -title:opinion", "no" },
    { "title:Putin -text:opinion", "title0:9+5" },
    { "Putin", "title0:9+5 summary0:0+5" },
    { "text:Putin", "summary0:0+5" },
    { "text:opinion", "no" },
    { "body:visits", "summary0:6+6" },
    { "\"Putin Putin\"", "no" },
    { "speaks NEAR/9 visits", "no" },
    { "title:\"opinion putin\"", "title0:0+14" },
    { "text:\"opinion putin\"", "no" },
    { "title:put*", "title0:9+5" },
    { "author:smith", "author1:5+5" },
    { "author:\"jane smith\"", "author1:0+10" },
    { "author:(jane doe)", "author0:5+3 author1:0+4" },
    { "author:\"doe jane\"", "no" },
    { "smith", "no" },
    { "category:\"world news\"", "category0:0+10" },
    { "link:summit", "link0:29+6" },
    { "inurl:2024*", "no" },
    { "site:example.org", "site0:12+11" },
    { "site:NEWS.example.org", "site0:7+16" },
    { "site:ample.org", "no" },
    { "site:org", "site0:20+3" },
    { "feed:\"kyiv post\"", "feed0:0+9" },
    { "feed:kyiv", "no" },
    { "met", "content0:8+3" },
    { "text:met", "content0:8+3" },
    { "title:met", "no" },
    { "\"visits leaders\"", "no" },
    { "visits NEAR/3 leaders", "no" },
    { "visits leaders", "summary0:6+6 content0:0+7" },
    { "category:asia", "category1:0+4" },
    { "tag:asia", "category1:0+4" },
    { "category:\"news asia\"", "no" },
    { "asia", "no" },
    { "url:example", "link0:12+7" },
    { "intitle:speaks", "title0:15+6" },
    { "intext:visits", "summary0:6+6" },
    { "exact:title:putin", "no" },
    { "group:WORLD", "group0:0+5" },
    { "lang:en", "lang0:0+2" },
    { "lang:EN-gb", "lang0:0+5" },
    { "lang:e", "no" },
    { "lang:en AND putin", "title0:9+5 summary0:0+5 lang0:0+2" },
    { "link:/s[u]mmit/", "link0:29+6" },
};

static const struct rule_set sets[] = {
    { "rocket", "rocket\nРакет*\nロケット" },
    { "space", "@rocket\n\"low orbit\"" },
};

static char got[4000];

static int note_spans(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    size_t at = 0;

    (void)id;
    *(int *)ctx += 1;
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%s%u:%u+%u", i ? " " : "",
                               field_name[spans[i].field], (unsigned)spans[i].index,
                               (unsigned)spans[i].offset, (unsigned)spans[i].length);
    got[at] = '\0';
    return 0;
}

/* Match one rule against one item; the spans go to `got`.  1: hit, 0: none. */
static int run(const char *text, const struct match_input *in)
{
    struct rule *rule;
    struct rule_error bad;
    struct match_set *set;
    struct match_scratch *scratch;
    int hits = 0;

    got[0] = '\0';
    if (rule_parse(&rule, str_of(text), sets, sizeof sets / sizeof *sets, &bad) < 0)
        fail_msg("%s: %s", text, bad.what);
    struct match_rule m = { 7, rule->root };
    assert_int_equal(match_set_new(&set, &m, 1, NULL, NULL), 0);
    assert_int_equal(match_scratch_new(&scratch), 0);
    assert_int_equal(match_item(set, scratch, in, note_spans, &hits), 0);
    match_scratch_free(scratch);
    match_set_free(set);
    rule_free(rule);
    return hits;
}

/* Split a marked text into the text and the spans that `got` must have. */
static void unmark(const char *marked, char *text, char *want, size_t want_size)
{
    size_t n = 0, at = 0, from = 0;

    want[0] = '\0';
    while (*marked) {
        if (!strncmp(marked, "⟦", 3)) {
            from = n;
            marked += 3;
        } else if (!strncmp(marked, "⟧", 3)) {
            at += (size_t)snprintf(want + at, want_size - at, "%ssummary0:%zu+%zu",
                                   at ? " " : "", from, n - from);
            marked += 3;
        } else {
            text[n++] = *marked++;
        }
    }
    text[n] = '\0';
}

static void every_line_of_the_table(void **state)
{
    (void)state;
    char text[2000], want[2000];
    int bad = 0;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool bare = !strncmp(cases[i].text, "HIT ", 4);
        unmark(cases[i].text + (bare ? 4 : 0), text, want, sizeof want);
        struct match_input in = { .summary = str_of(text) };
        int hits = run(cases[i].rule, &in);
        if (hits == (bare || want[0]) && !strcmp(got, want))
            continue;
        print_error("%s | %s\n  want %s\n  got  %s%s\n", cases[i].rule, cases[i].text,
                    want, hits ? "" : "no hit", got);
        bad++;
    }
    assert_int_equal(bad, 0);
}

static void every_field(void **state)
{
    (void)state;
    struct str authors[] = { STR("John Doe"), STR("Jane Smith") };
    struct str categories[] = { STR("World News"), STR("Asia") };
    struct match_input in = {
        .title = STR("Opinion: Putin speaks"),
        .summary = STR("Putin visits"),
        .content = STR("Leaders met"),
        .link = STR("http://news.example.org:80/a-summit?x=1"),
        .feed = STR("Kyiv-Post"),
        .group = STR("world"),
        .lang = STR("en-GB"),
        .authors = authors,
        .n_authors = 2,
        .categories = categories,
        .n_categories = 2,
    };
    int bad = 0;

    for (size_t i = 0; i < sizeof field_cases / sizeof *field_cases; i++) {
        int hits = run(field_cases[i].rule, &in);
        if (!strcmp(hits ? got : "no", field_cases[i].spans))
            continue;
        print_error("%s\n  want %s\n  got  %s\n", field_cases[i].rule,
                    field_cases[i].spans, hits ? got : "no");
        bad++;
    }
    assert_int_equal(bad, 0);
}

static int note_ids(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    (void)spans;
    (void)n;
    size_t at = strlen(ctx);
    snprintf((char *)ctx + at, 100 - at, "%u ", (unsigned)id);
    return 0;
}

static void reports_each_rule_once_in_order_of_id(void **state)
{
    (void)state;
    const char *text[] = { "a OR b", "c", "b AND a", "d", "a OR b OR c" };
    struct match_rule rules[5];
    struct rule *rule[5];
    struct rule_error bad;
    struct match_set *set;
    struct match_scratch *scratch;
    struct match_input in = { .title = STR("a b c") };
    char ids[100] = "";

    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(rule_parse(&rule[i], str_of(text[i]), NULL, 0, &bad), 0);
        rules[i] = (struct match_rule){ 50 - 10 * i, rule[i]->root };
    }
    assert_int_equal(match_set_new(&set, rules, 5, NULL, NULL), 0);
    assert_int_equal(match_scratch_new(&scratch), 0);
    assert_int_equal(match_item(set, scratch, &in, note_ids, ids), 0);
    assert_string_equal(ids, "10 30 40 50 ");
    match_scratch_free(scratch);
    match_set_free(set);
    for (unsigned i = 0; i < 5; i++)
        rule_free(rule[i]);
}

static void names_the_regex_that_is_refused(void **state)
{
    (void)state;
    struct rule_node good = { .op = RULE_WORDS, .text = STR("a") };
    struct rule_node bad = { .op = RULE_REGEX, .text = STR("(") };
    struct match_rule rules[] = { { 1, &good }, { 2, &bad } };
    struct match_set *set = NULL;
    struct buf why;
    size_t which = 9;

    buf_init(&why, 1000);
    assert_int_equal(match_set_new(&set, rules, 2, &why, &which), -EINVAL);
    assert_int_equal(which, 1);
    assert_non_null(strstr(why.s, "parenthes"));
    assert_null(set);
    buf_free(&why);
}

static void a_regex_without_end_stops_and_is_counted(void **state)
{
    (void)state;
    struct rule_node node = { .op = RULE_REGEX, .text = STR("(a+)+$") };
    struct match_rule rule = { 1, &node };
    struct match_set *set;
    struct match_scratch *scratch;
    static char text[50001];
    int hits = 0;

    memset(text, 'a', sizeof text - 2);
    text[sizeof text - 2] = 'b';
    struct match_input in = { .content = str_of(text) };
    assert_int_equal(match_set_new(&set, &rule, 1, NULL, NULL), 0);
    assert_int_equal(match_scratch_new(&scratch), 0);
    assert_int_equal(match_item(set, scratch, &in, note_spans, &hits), 0);
    assert_int_equal(hits, 0);
    assert_int_equal(match_scratch_regex_limits(scratch), 1);
    assert_int_equal(match_scratch_counts(scratch)->limited, 1);
    match_scratch_free(scratch);
    match_set_free(set);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Refused, or compiled, at once; what is refused says why (row C2 of the hazards). */
static void hostile_patterns_are_read_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        bool refused;
    } rows[] = {
        { "((a{1,255}){1,255}){1,20}", true },
        { "", true },
        { "(", true },
        { "a{1,99999}", true },
        { "(a)\\1", false },
        { "(?:(?:(?:a{1,90}){1,90}){1,90}){1,90}", true },
    };
    static char many[10300] = "/";

    for (size_t i = 0; i <= sizeof rows / sizeof *rows; i++) {
        char text[200];
        struct rule *rule = NULL;
        struct rule_error bad;
        struct match_set *set = NULL;
        double from = seconds();
        snprintf(text, sizeof text, "/%s/", i ? rows[i - 1].pattern : "");
        for (size_t k = 0; i == 0 && k < 10240; k++)
            many[k + 1] = "(a|b)*?"[k % 7];
        if (i == 0)
            many[10236] = '/';
        int r = rule_parse(&rule, str_of(i ? text : many), NULL, 0, &bad);
        struct match_rule m = { 1, rule ? rule->root : NULL };
        if (r == 0)
            r = match_set_new(&set, &m, 1, NULL, NULL);
        if (seconds() - from > 0.1)
            fail_msg("%s took %.3f s", i ? text : "10 KB", seconds() - from);
        if (i && (r < 0) != rows[i - 1].refused)
            fail_msg("%s: %d", text, r);
        match_set_free(set);
        rule_free(rule);
    }
}

/* Row C3: whatever the pattern, a long title stalls nothing. */
static void slow_subjects_are_given_up(void **state)
{
    (void)state;
    static const char *const patterns[] = { "/(a|b|ab)*c/", "/(a+)+$/", "/(.*)*x/",
                                            "/(?:a|aa|aaa)*$x/i", "/([ab]*)*c/" };
    static char title[65537];

    for (size_t i = 0; i < sizeof title - 1; i++)
        title[i] = "ab"[i % 2];
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct match_input in = { .title = str_of(title) };
        double from = seconds();
        (void)run(patterns[i], &in);
        if (seconds() - from > 0.1)
            fail_msg("%s took %.3f s", patterns[i], seconds() - from);
    }
}

/* --- memory ------------------------------------------------------------------------ */

static unsigned long allocations;
static long fail_after = -1; /* so many more succeed; -1: all */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool may_allocate(void)
{
    allocations++;
    if (fail_after > 0)
        fail_after--;
    return fail_after != 0;
}

void *__wrap_malloc(size_t n)
{
    return may_allocate() ? __real_malloc(n) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *p, size_t n)
{
    return may_allocate() ? __real_realloc(p, n) : NULL;
}

/* One rule of each kind. */
static const char *const kinds[] = {
    "Putin AND Xi",
    "\"Xi Jinping\" OR 习近平",
    "title:Putin -title:opinion",
    "Trump NEAR/3 Putin",
    "Путин*",
    "exact:WHO",
    "\"C++\" OR \"#metoo\"",
    "2 OF (Putin, Xi, Trump)",
    "/put[a-z]+/i AND Xi",
    "* -sport",
    "site:example.org",
    "feed:bbc",
    "lang:en Xi",
    "author:smith OR category:asia",
    "link:summit",
    "/Erdog.+an/",
    "lang:en site:example.org",
    "習近平 OR ไทย OR 近平 NEAR/5 putin",
    "group:world AND (Xi ONEAR/3 \"xi jinping\" OR \"putin xi\")",
    "/Stra(ß|ss)e|walrus/ -exact:PUTIN*",
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const struct match_input rich = {
#define TEXT(s)                                                                          \
    {                                                                                    \
        s, sizeof(s) - 1                                                                 \
    }
    .title = TEXT("Putin, Xi and 习近平"),
    .summary = TEXT("Trump calls Putin; Путиным WHO C++ #metoo Xi Jinping"),
    .content = TEXT("Erdog\u0306an the Straße, xi putin trump"),
    .link = TEXT("http://example.org/summit"),
    .feed = TEXT("BBC"),
    .group = TEXT("world"),
    .lang = TEXT("en"),
};

static void parse_kinds(struct rule **rule, struct match_rule *rules)
{
    struct rule_error bad;

    for (unsigned i = 0; i < KINDS; i++) {
        assert_int_equal(rule_parse(&rule[i], str_of(kinds[i]), NULL, 0, &bad), 0);
        rules[i] = (struct match_rule){ i, rule[i]->root };
    }
}

static int count_hits(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    (void)id;
    (void)spans;
    (void)n;
    *(int *)ctx += 1;
    return 0;
}

static void allocates_nothing_once_warm(void **state)
{
    (void)state;
    struct rule *rule[KINDS];
    struct match_rule rules[KINDS];
    struct match_set *set;
    struct match_scratch *scratch;
    int hits = 0;

    parse_kinds(rule, rules);
    assert_int_equal(match_set_new(&set, rules, KINDS, NULL, NULL), 0);
    assert_int_equal(match_scratch_new(&scratch), 0);
    assert_int_equal(match_item(set, scratch, &rich, count_hits, &hits), 0);
    assert_true(hits > 10);
    allocations = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(match_item(set, scratch, &rich, count_hits, &hits), 0);
    assert_int_equal(allocations, 0);
    match_scratch_free(scratch);
    match_set_free(set);
    for (unsigned i = 0; i < KINDS; i++)
        rule_free(rule[i]);
}

/* Each allocation in turn fails: -ENOMEM, nothing leaks, and the next try works. */
static void says_so_when_memory_is_out(void **state)
{
    (void)state;
    struct rule *rule[KINDS];
    struct match_rule rules[KINDS];
    struct match_set *set = NULL;
    struct match_scratch *scratch = NULL;
    int r = -ENOMEM, hits;

    parse_kinds(rule, rules);
    for (long n = 1; r < 0 && n < 10000; n++) {
        fail_after = n;
        r = match_set_new(&set, rules, KINDS, NULL, NULL);
        fail_after = -1;
        assert_true(r == 0 || r == -ENOMEM);
    }
    assert_int_equal(r, 0);
    for (long n = 1; n < 10000; n++) {
        hits = 0;
        fail_after = n;
        r = match_scratch_new(&scratch);
        if (r == 0)
            r = match_item(set, scratch, &rich, count_hits, &hits);
        fail_after = -1;
        if (r == -ENOMEM && scratch) { /* the same scratch recovers */
            hits = 0;
            assert_int_equal(match_item(set, scratch, &rich, count_hits, &hits), 0);
            assert_int_equal(hits, KINDS - 1);
        }
        match_scratch_free(scratch);
        scratch = NULL;
        if (r == 0)
            break;
        assert_int_equal(r, -ENOMEM);
    }
    assert_int_equal(r, 0);
    assert_int_equal(hits, KINDS - 1);
    match_set_free(set);
    for (unsigned i = 0; i < KINDS; i++)
        rule_free(rule[i]);
}

/* What passed makes the next set look a rule up by its rare word; hits stay the same. */
static void learns_what_is_common(void **state)
{
    (void)state;
    static const char *const text[] = { "news zebra", "news giraffe", "lang:en walrus" };
    struct match_rule rules[3];
    struct rule *rule[3];
    struct rule_error bad;
    struct match_set *set, *next;
    struct match_scratch *scratch;
    struct match_input common = { .title = STR("news of the day"), .lang = STR("en") };
    struct match_input rare = { .title = STR("zebra in the news") };
    int hits = 0;

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rule_parse(&rule[i], str_of(text[i]), NULL, 0, &bad), 0);
        rules[i] = (struct match_rule){ i, rule[i]->root };
    }
    rules[1].root = rule[1]->root->child[1]; /* "news" has one use, as the others do */
    assert_int_equal(match_set_new_after(&set, NULL, rules, 3, NULL, NULL), 0);
    assert_int_equal(match_scratch_new(&scratch), 0);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(match_item(set, scratch, &common, count_hits, &hits), 0);
    assert_int_equal(match_set_new_after(&next, set, rules, 3, NULL, NULL), 0);
    match_set_free(set);
    unsigned long before = match_scratch_counts(scratch)->candidates;
    for (int i = 0; i < 70000; i++)
        assert_int_equal(match_item(next, scratch, &common, count_hits, &hits), 0);
    assert_int_equal(match_scratch_counts(scratch)->candidates, before);
    assert_int_equal(hits, 0);
    assert_int_equal(match_item(next, scratch, &rare, count_hits, &hits), 0);
    assert_int_equal(hits, 1);
    match_set_free(next);
    match_scratch_free(scratch);
    for (unsigned i = 0; i < 3; i++)
        rule_free(rule[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(learns_what_is_common),
    cmocka_unit_test(every_line_of_the_table),
    cmocka_unit_test(every_field),
    cmocka_unit_test(reports_each_rule_once_in_order_of_id),
    cmocka_unit_test(names_the_regex_that_is_refused),
    cmocka_unit_test(a_regex_without_end_stops_and_is_counted),
    cmocka_unit_test(hostile_patterns_are_read_at_once),
    cmocka_unit_test(slow_subjects_are_given_up),
    cmocka_unit_test(allocates_nothing_once_warm),
    cmocka_unit_test(says_so_when_memory_is_out),
};
TEST_MAIN(tests)
