/* poller_alert: stable ids, matched words, snippets that end between characters. */
#include "test.h"
#include <stdlib.h>
#include <string.h>
#include "../../daemon/flow/poller_alert.h"

static struct buf work;
static const struct seen_key key = { 1, 2 };
static const struct config_watch watch = { .name = "summit" };

static const struct alert *make(struct alerts *to, const struct item *item,
                                const struct match_span *spans, size_t n)
{
    buf_init(&work, 100000);
    struct alert_cause c = { .watch = &watch,
                             .feed = "kyivpost",
                             .item = item,
                             .key = &key,
                             .time_ms = 1000,
                             .fetched_ms = 900,
                             .generation = 3,
                             .spans = spans,
                             .n_spans = n };
    assert_int_equal(poller_alert_add(to, &c, &work), 0);
    buf_free(&work);
    return &to->alert[to->n - 1];
}

static void names_each_word_once_as_it_stands(void **state)
{
    (void)state;
    struct alerts to = { 0 };
    struct item item = { .title = STR("Xi, Putin Hold"),
                         .summary = STR("putin and XI met Xi") };
    struct match_span spans[] = {
        { .field = MATCH_TITLE, .offset = 0, .length = 2 },
        { .field = MATCH_TITLE, .offset = 4, .length = 5 },
        { .field = MATCH_SUMMARY, .offset = 0, .length = 5 },
        { .field = MATCH_SUMMARY, .offset = 10, .length = 2 },
        { .field = MATCH_SUMMARY, .offset = 9000, .length = 2 }, /* outside: ignored */
    };
    const struct alert *a = make(&to, &item, spans, 5);

    assert_string_equal(a->matched.s, "Xi\nPutin\n");
    assert_string_equal(a->title.s, "Xi, Putin Hold");
    assert_string_equal(a->snippet.s, "putin and XI met Xi");
    assert_int_equal(a->time_ms, 1000);
    alerts_free(&to);
}

static void says_where_the_words_stand(void **state)
{
    (void)state;
    struct alerts to = { 0 };
    char text[600];
    const struct str author[] = { STR("Ann"), STR("Bob") };
    struct match_span spans[] = {
        { .field = MATCH_TITLE, .offset = 1, .length = 2 },
        { .field = MATCH_SUMMARY, .offset = 3, .length = 2 }, /* before the snippet */
        { .field = MATCH_SUMMARY, .offset = 500, .length = 5 },
        { .field = MATCH_CONTENT, .offset = 500, .length = 5 }, /* not shown */
        { .field = MATCH_AUTHOR, .offset = 0, .length = 3 },
    };

    memset(text, 'x', sizeof text);
    for (size_t i = 4; i < sizeof text; i += 5)
        text[i] = ' ';
    struct item item = { .title = STR("a title"),
                         .summary = { text, sizeof text },
                         .content = { text, sizeof text },
                         .authors = author,
                         .n_authors = 2 };
    struct alert a = *make(&to, &item, &spans[0], 1);
    assert_string_equal(a.spans.s, "t1+2 ");
    assert_string_equal(a.author.s, "Ann, Bob");
    assert_int_equal(a.fetched_ms, 900);
    assert_int_equal(a.generation, 3);

    a = *make(&to, &item, &spans[2], 3);
    assert_string_equal(a.spans.s, "s80+5 ");
    assert_memory_equal(a.snippet.s + 80, text + 500, 5);
    spans[1].offset = 420; /* reaches into the snippet */
    a = *make(&to, &item, spans + 1, 2);
    assert_string_equal(a.spans.s, "s80+2 s160+5 ");
    alerts_free(&to);
}

static void keeps_the_canonical_rule(void **state)
{
    (void)state;
    struct alerts to = { 0 };
    struct config_watch with = { .name = "w" };
    struct rule_error err;
    struct item item = { .title = STR("t") };
    struct alert_cause c = { .watch = &with, .feed = "f", .item = &item, .key = &key };
    struct buf words;

    buf_init(&work, 100000);
    assert_int_equal(rule_parse(&with.rule, STR("Putin  Xi OR  peace"), NULL, 0, &err),
                     0);
    assert_int_equal(poller_alert_add(&to, &c, &work), 0);
    rule_free(with.rule);
    assert_int_equal(rule_parse(&with.rule, str_of(to.alert[0].rule.s), NULL, 0, &err),
                     0);
    assert_int_equal(poller_alert_add(&to, &c, &work), 0);
    rule_free(with.rule);
    assert_string_equal(to.alert[0].rule.s, to.alert[1].rule.s);
    assert_true(to.alert[0].rule_hash == to.alert[1].rule_hash && to.alert[0].rule_hash);

    buf_init(&words, 100000); /* a long one is cut, its hash is of all of it */
    for (int i = 0; i < 2000; i++)
        (void)buf_printf(&words, "%sw%d", i ? " OR " : "", i);
    assert_int_equal(rule_parse(&with.rule, buf_str(&words), NULL, 0, &err), 0);
    assert_int_equal(poller_alert_add(&to, &c, &work), 0);
    rule_free(with.rule);
    assert_int_equal(to.alert[2].rule.n, 4096);
    assert_true(to.alert[2].rule_hash != to.alert[1].rule_hash);
    buf_free(&words);
    buf_free(&work);
    alerts_free(&to);
}

static void gives_the_same_id_for_the_same_item_and_watch(void **state)
{
    (void)state;
    struct alerts to = { 0 };
    struct item a = { .title = STR("one") }, b = { .title = STR("another title") };

    make(&to, &a, NULL, 0);
    make(&to, &b, NULL, 0);
    assert_string_equal(to.alert[0].id, to.alert[1].id); /* the key is the same */
    assert_int_equal(strlen(to.alert[0].id), 32);
    alerts_free(&to);
}

static void cuts_a_snippet_between_characters(void **state)
{
    (void)state;
    struct alerts to = { 0 };
    char text[2001];
    struct match_span span = { .field = MATCH_CONTENT, .length = 2 };

    for (size_t i = 0; i < 2000; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[2000] = '\0';
    for (span.offset = 0; span.offset < 1000; span.offset += 2) {
        struct item item = { .content = str_of(text) };
        struct str s = make(&to, &item, &span, 1)->snippet;

        assert_true(s.n > 0 && s.n <= 280 && s.n % 2 == 0);
        assert_int_equal((unsigned char)s.s[0], 0xC3);
    }
    alerts_free(&to);
}

static void shows_the_place_of_the_match(void **state)
{
    (void)state;
    struct alerts to = { 0 };
    char text[600];
    struct match_span span = { .field = MATCH_SUMMARY, .offset = 500, .length = 5 };

    memset(text, ' ', sizeof text);
    for (size_t i = 0; i < 500; i += 5)
        memcpy(text + i, "word", 4);
    memcpy(text + 500, "Putin met Xi", 12);
    struct item item = { .title = STR("t"), .summary = { text, 512 } };
    struct str s = make(&to, &item, &span, 1)->snippet;
    assert_true(strstr(s.s, "Putin met Xi") != NULL);
    assert_memory_equal(s.s, "word", 4); /* a whole word */
    alerts_free(&to);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(names_each_word_once_as_it_stands),
    cmocka_unit_test(says_where_the_words_stand),
    cmocka_unit_test(keeps_the_canonical_rule),
    cmocka_unit_test(gives_the_same_id_for_the_same_item_and_watch),
    cmocka_unit_test(cuts_a_snippet_between_characters),
    cmocka_unit_test(shows_the_place_of_the_match),
};
TEST_MAIN(tests)
