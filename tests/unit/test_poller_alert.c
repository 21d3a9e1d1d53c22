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
    assert_int_equal(
        poller_alert_add(to, &watch, "kyivpost", item, &key, 1000, spans, n, &work), 0);
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
    cmocka_unit_test(gives_the_same_id_for_the_same_item_and_watch),
    cmocka_unit_test(cuts_a_snippet_between_characters),
    cmocka_unit_test(shows_the_place_of_the_match),
};
TEST_MAIN(tests)
