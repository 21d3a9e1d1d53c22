/* alert: the three renderings, hostile text, and reading the number back. */
#include "test.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>
#include "alert.h"
#include "item.h"
#include "utf8.h"

#define N(table) (sizeof(table) / sizeof *(table))

static struct alert sample(void)
{
    return (struct alert){ .seq = 12,
                           .id = "0123456789abcdef0123456789abcdef",
                           .time_ms = INT64_C(1795491793123),
                           .published_s = INT64_C(1795491780),
                           .priority = ALERT_NORMAL,
                           .watch = STR("summit"),
                           .feed = STR("kyivpost"),
                           .title = STR("Xi, Putin Hold \"Video\" Call"),
                           .link = STR("https://example.org/a?b=c"),
                           .item_id = STR("tag:1"),
                           .matched = STR("Putin\nXi\n") };
}

static const char *render(struct buf *b, const struct alert *a, enum alert_format f)
{
    buf_clear(b);
    assert_int_equal(alert_render(b, a, f), 0);
    return b->s;
}

static void renders_three_forms(void **state)
{
    (void)state;
    struct alert a = sample();
    struct buf b;

    buf_init(&b, 1 << 16);
    assert_string_equal(render(&b, &a, ALERT_TEXT),
                        "2026-11-24T03:43:13.123Z #12 summit [kyivpost] Xi, Putin Hold "
                        "\"Video\" Call — https://example.org/a?b=c (Putin, Xi)\n");
    assert_string_equal(
        render(&b, &a, ALERT_LOGFMT),
        "seq=12 time=2026-11-24T03:43:13.123Z priority=normal watch=summit "
        "feed=kyivpost title=\"Xi, Putin Hold \\\"Video\\\" Call\" "
        "link=\"https://example.org/a?b=c\" matched=\"Putin, Xi\" "
        "published=2026-11-24T03:43:00Z id=0123456789abcdef0123456789abcdef "
        "item_id=tag:1\n");
    assert_string_equal(
        render(&b, &a, ALERT_JSON),
        "{\"seq\":12,\"id\":\"0123456789abcdef0123456789abcdef\","
        "\"time\":\"2026-11-24T03:43:13.123Z\",\"watch\":\"summit\","
        "\"feed\":\"kyivpost\",\"title\":\"Xi, Putin Hold \\\"Video\\\" Call\","
        "\"link\":\"https://example.org/a?b=c\",\"matched\":[\"Putin\",\"Xi\"],"
        "\"published\":\"2026-11-24T03:43:00Z\",\"priority\":\"normal\","
        "\"item_id\":\"tag:1\"}\n");
    buf_free(&b);
}

static void renders_what_stands_beside(void **state)
{
    (void)state;
    struct alert a = sample();
    struct buf b, sources;

    buf_init(&b, 1 << 16);
    buf_init(&sources, 1 << 16);
    assert_int_equal(
        alert_source_put(&sources,
                         &(struct alert_source){ .feed = STR("dw"),
                                                 .link = STR("https://dw.com/1"),
                                                 .title = STR("Xi\tand Putin"),
                                                 .time_ms = INT64_C(1795491799000) }),
        0);
    a.sources = buf_str(&sources);
    a.fetched_ms = INT64_C(1795491793000);
    a.rule = STR("(putin AND xi)");
    a.rule_hash = 0x1a2b;
    a.generation = 7;
    a.author = STR("Ann, Bob");
    a.snippet = STR("a call of Xi");
    a.spans = STR("t0+2 t4+5 s10+2 ");
    a.late = a.update = true;
    a.held = STR("quiet");
    assert_string_equal(render(&b, &a, ALERT_TEXT),
                        "2026-11-24T03:43:13.123Z #12 summit [kyivpost] *Xi*, *Putin* "
                        "Hold \"Video\" Call — https://example.org/a?b=c (Putin, Xi) "
                        "also=dw late update held=quiet\n");
    assert_non_null(strstr(render(&b, &a, ALERT_LOGFMT),
                           " item_id=tag:1 author=\"Ann, Bob\" also=dw late=yes "
                           "update=yes held=quiet\n"));
    assert_non_null(strstr(
        render(&b, &a, ALERT_JSON),
        ",\"item_id\":\"tag:1\",\"author\":\"Ann, Bob\",\"snippet\":\"a call of Xi\","
        "\"spans\":{\"title\":[{\"offset\":0,\"length\":2},{\"offset\":4,\"length\":5}],"
        "\"snippet\":[{\"offset\":10,\"length\":2}]},"
        "\"fetched\":\"2026-11-24T03:43:13.000Z\",\"rule\":\"(putin AND xi)\","
        "\"rule_hash\":\"0000000000001a2b\",\"generation\":7,\"late\":true,"
        "\"update\":true,\"held\":\"quiet\",\"sources\":[{\"feed\":\"dw\","
        "\"title\":\"Xi and Putin\",\"link\":\"https://dw.com/1\","
        "\"time\":\"2026-11-24T03:43:19.000Z\"}]}\n"));
    json_object *o = json_tokener_parse(b.s);
    assert_non_null(o);
    json_object_put(o);
    buf_free(&sources);
    buf_free(&b);
}

static void marks_words_that_overlap_or_lie_outside(void **state)
{
    (void)state;
    static const struct {
        const char *title, *spans;
        size_t max;
        const char *wanted;
    } rows[] = {
        { "abcdef", "t0+2 t1+2 t4+1 ", 99, "<ab><c>d<e>f" },
        { "abcdef", "t1+3 t2+1 ", 99, "a<bcd>ef" },
        { "abcdef", "t4+9 t9+1 ", 99, "abcd<ef>" },
        { "abcdef", "s1+1 ", 99, "abcdef" },
        { "abcdef", "t1+1 t4+1 ", 3, "a<b>c…" },
        { "a\nb\x1b", "t1+1 t3+1 ", 99, "a< >b<\\u001b>" },
        { "abc", "t1+1 nonsense", 99, "a<b>c" },
        { "é", "t1+1 ", 99, "\xEF\xBF\xBD<\xEF\xBF\xBD>" },
        { "", "t0+1 ", 99, "" },
    };
    static const struct alert_mark mark = { "<", ">" };
    struct buf b;

    buf_init(&b, 1000);
    for (size_t i = 0; i < N(rows); i++) {
        struct alert a = { .title = str_of(rows[i].title),
                           .spans = str_of(rows[i].spans) };

        buf_clear(&b);
        (void)buf_puts(&b, "");
        assert_int_equal(alert_put_marked(&b, &a, false, rows[i].max, &mark), 0);
        assert_string_equal(b.s, rows[i].wanted);
    }
    buf_free(&b);
}

static void renders_what_is_absent(void **state)
{
    (void)state;
    struct alert a = { .seq = 1,
                       .published_s = ITEM_NO_TIME,
                       .priority = ALERT_CRITICAL,
                       .watch = STR("w"),
                       .feed = STR("f") };
    struct buf b;

    buf_init(&b, 1 << 16);
    assert_string_equal(render(&b, &a, ALERT_TEXT),
                        "1970-01-01T00:00:00.000Z #1 CRITICAL w [f] (no title)\n");
    assert_string_equal(render(&b, &a, ALERT_LOGFMT),
                        "seq=1 time=1970-01-01T00:00:00.000Z priority=critical watch=w "
                        "feed=f\n");
    assert_string_equal(render(&b, &a, ALERT_JSON),
                        "{\"seq\":1,\"id\":null,\"time\":\"1970-01-01T00:00:00.000Z\","
                        "\"watch\":\"w\",\"feed\":\"f\",\"title\":null,\"link\":null,"
                        "\"matched\":[],\"published\":null,\"priority\":\"critical\","
                        "\"item_id\":null}\n");
    buf_free(&b);
}

static void makes_text_safe(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t max;
        const char *wanted;
    } rows[] = {
        { "Xi, Putin", 20, "Xi, Putin" },
        { "", 20, "" },
        { "a\nb\r\n\tc\xC2\x85"
          "d\xE2\x80\xA8"
          "e",
          20, "a b   c d e" },
        { "\x1b[31mred\x07", 20, "\\u001b[31mred\\u0007" },
        { "\x7f\xC2\x9B", 20, "\\u007f\\u009b" },
        { "Pu\xC2\xADtin \xE2\x80\xAEnitup\xE2\x81\xA9", 20, "Putin nitup" },
        { "\xEF\xBB\xBFX\xE2\x80\x8Bi", 20, "Xi" },
        { "\xF3\xA0\x81\x81", 20, "\\U000e0041" },
        { "a\xff\xC3", 20, "a\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "%n%s\\n", 20, "%n%s\\n" },
        { "\xEE\x80\x80\xF0\x9F\x98\x80", 20, "\xEE\x80\x80\xF0\x9F\x98\x80" },
        { "12345", 5, "12345" },
        { "123456", 5, "12345…" },
        { "習近平習近", 3, "習近平…" },
        { "123\xE2\x80\x8B", 3, "123" },
        { "1", 0, "…" },
    };
    struct buf b;

    buf_init(&b, 1000);
    for (size_t i = 0; i < N(rows); i++) {
        buf_clear(&b);
        assert_int_equal(alert_put_safe(&b, str_of(rows[i].text), rows[i].max), 0);
        assert_string_equal(b.s ? b.s : "", rows[i].wanted);
    }
    buf_free(&b);
}

static void cuts_long_titles(void **state)
{
    (void)state;
    struct alert a = sample();
    struct buf b;
    char *long_title = malloc(1 << 20);

    assert_non_null(long_title);
    memset(long_title, 'x', 1 << 20);
    a.title = (struct str){ long_title, 1 << 20 };
    buf_init(&b, 1 << 16);
    assert_true(strlen(render(&b, &a, ALERT_TEXT)) < 700);
    assert_non_null(strstr(b.s, "x… — https"));
    assert_true(strlen(render(&b, &a, ALERT_LOGFMT)) < 800);
    assert_true(strlen(render(&b, &a, ALERT_JSON)) > 4096);
    assert_true(b.n < 4600);
    buf_free(&b);
    free(long_title);
}

static void reads_format_names(void **state)
{
    (void)state;
    enum alert_format f = ALERT_TEXT;

    assert_int_equal(alert_format_parse(&f, STR("json")), 0);
    assert_int_equal(f, ALERT_JSON);
    assert_int_equal(alert_format_parse(&f, STR("logfmt")), 0);
    assert_int_equal(f, ALERT_LOGFMT);
    assert_int_equal(alert_format_parse(&f, STR("text")), 0);
    assert_int_equal(f, ALERT_TEXT);
    assert_int_equal(alert_format_parse(&f, STR("xml")), -EINVAL);
    assert_int_equal(alert_format_parse(&f, STR("")), -EINVAL);
}

static void reads_numbers_of_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int64_t seq;
    } rows[] = {
        { "2026-11-24T03:43:13.123Z #12 summit", 12 },
        { "2026-11-24T03:43:13.123Z #9223372036854775807 x", INT64_MAX },
        { "2026-11-24T03:43:13.123Z #9223372036854775808 x", -1 },
        { "2026-11-24T03:43:13.123Z #12", -1 }, /* cut: may go on */
        { "2026-11-24T03:43:13.123Z #012 x", -1 },
        { "2026-11-24T03:43:13.123Z #-1 x", -1 },
        { "2026-11-24T03:43:13.123Z 12 x", -1 },
        { "2026-11-24T03:43:13Z #12 x", -1 },
        { " 2026-11-24T03:43:13.123Z #12 x", -1 },
        { "seq=7 time=", 7 },
        { "seq=7", -1 },
        { "seq= 7", -1 },
        { "{\"seq\":7,", 7 },
        { "{\"seq\":7}", -1 },
        { "{ \"seq\":7,", -1 },
        { "hello seq=7 x", -1 },
        { "", -1 },
    };

    for (size_t i = 0; i < N(rows); i++) {
        if (alert_line_seq(str_of(rows[i].line)) != rows[i].seq)
            fail_msg("%s", rows[i].line);
    }
}

/* Hostile feeds. */

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    return *seed ^= *seed << 5;
}

static struct str hostile(struct buf *b, uint32_t *seed)
{
    static const char *const pieces[] = {
        "\n",
        "\r",
        "2026-11-24T03:43:13.123Z #99 x [y] z",
        "seq=99 ",
        "{\"seq\":99,",
        "\"",
        "\\",
        "=",
        " ",
        "\x1b]0;x\x07",
        "\xC2\x9B",
        "\x7f",
        "\xE2\x80\xAE",
        "\xE2\x80\xA8",
        "\xEF\xBB\xBF",
        "\xff",
        "\xC3",
        "\xED\xA0\x80",
        "\xF4\x90\x80\x80",
        "Putin",
        "習",
        "%n",
        "#99 ",
        "\xF3\xA0\x81\x81",
        "\t",
        "}",
        "] ",
        "\\u000a",
        "\xC2\xA0",
    };

    buf_clear(b);
    for (uint32_t n = next_random(seed) % 12; n; n--) {
        if (next_random(seed) % 8 == 0)
            buf_putc(b, (char)next_random(seed));
        else
            buf_puts(b, pieces[next_random(seed) % N(pieces)]);
    }
    return buf_str(b);
}

static void must_be_one_safe_line(struct str line, enum alert_format f)
{
    assert_true(line.n && line.s[line.n - 1] == '\n');
    for (size_t i = 0, len; i < line.n - 1; i += len) {
        uint32_t c = utf8_get(line.s + i, line.n - i, &len);
        if (utf8_unsafe(c) && !(f == ALERT_JSON && c == 0xAD))
            fail_msg("U+%04X in: %s", c, line.s);
    }
}

static void must_be_json(const char *line, const struct alert *a)
{
    struct json_object *o = json_tokener_parse(line), *seq, *title;

    assert_non_null(o);
    assert_true(json_object_object_get_ex(o, "seq", &seq));
    assert_true(json_object_get_int64(seq) == a->seq);
    assert_true(json_object_object_get_ex(o, "title", &title));
    assert_true((title == NULL) == (a->title.n == 0));
    assert_int_equal(json_object_object_length(o), 11);
    json_object_put(o);
}

static void is_never_fooled(void **state)
{
    (void)state;
    struct buf part[6], line;
    uint32_t seed = 1;

    for (size_t i = 0; i < N(part); i++)
        buf_init(&part[i], 10000);
    buf_init(&line, 1 << 20);
    for (int round = 0; round < 20000; round++) {
        struct alert a = { .seq = 1 + next_random(&seed) % 1000000,
                           .time_ms = (int64_t)next_random(&seed) *
                                      (int64_t)(next_random(&seed) % 1000000),
                           .published_s = round % 2 ? ITEM_NO_TIME : round,
                           .priority = (enum alert_priority)(round % 3),
                           .watch = hostile(&part[0], &seed),
                           .feed = hostile(&part[1], &seed),
                           .title = hostile(&part[2], &seed),
                           .link = hostile(&part[3], &seed),
                           .item_id = hostile(&part[4], &seed),
                           .matched = hostile(&part[5], &seed) };
        for (int f = ALERT_TEXT; f <= ALERT_JSON; f++) {
            (void)render(&line, &a, (enum alert_format)f);
            must_be_one_safe_line(buf_str(&line), (enum alert_format)f);
            assert_true(alert_line_seq(buf_str(&line)) == a.seq);
            if (f == ALERT_JSON)
                must_be_json(line.s, &a);
        }
        /* What a feed wrote is no line by itself once it stands in one. */
        buf_clear(&line);
        buf_puts(&line, "x");
        alert_put_safe(&line, a.title, 1000);
        assert_true(alert_line_seq(buf_str(&line)) == -1);
    }
    for (size_t i = 0; i < N(part); i++)
        buf_free(&part[i]);
    buf_free(&line);
}

static void takes_back_what_does_not_fit(void **state)
{
    (void)state;
    struct alert a = sample();

    for (int f = ALERT_TEXT; f <= ALERT_JSON; f++) {
        struct buf b;
        buf_init(&b, 100);
        buf_puts(&b, "x");
        assert_int_equal(alert_render(&b, &a, (enum alert_format)f), -E2BIG);
        assert_string_equal(b.s, "x");
        buf_free(&b);
    }
}

static void packs_spans(void **state)
{
    (void)state;
    static const struct alert_span in[] = { { false, 0, 5 }, { true, 40, 4294967295u } };
    struct alert_span out;
    struct buf b;

    buf_init(&b, 100);
    for (size_t i = 0; i < N(in); i++)
        assert_int_equal(alert_span_put(&b, &in[i]), 0);
    struct str rest = buf_str(&b);
    for (size_t i = 0; i < N(in); i++) {
        assert_true(alert_span_next(&rest, &out));
        assert_int_equal(out.in_snippet, in[i].in_snippet);
        assert_int_equal(out.offset, in[i].offset);
        assert_int_equal(out.length, in[i].length);
    }
    assert_false(alert_span_next(&rest, &out));
    static const char *const bad[] = {
        "x1+2 ", "t+2 ", "t1 ", "t1+2", "t4294967296+1 ", "t99999999999999999999+1 "
    };
    for (size_t i = 0; i < N(bad); i++) {
        rest = str_of(bad[i]);
        assert_false(alert_span_next(&rest, &out));
    }
    buf_free(&b);
}

static void packs_sources(void **state)
{
    (void)state;
    const struct alert_source in = { STR("reuters"), STR("https://r.example/1"),
                                     STR("Two\tparts\nhere"), 1795491793123 };
    struct alert_source out;
    struct buf b;

    buf_init(&b, 200);
    assert_int_equal(alert_source_put(&b, &in), 0);
    assert_int_equal(alert_source_put(&b, &in), 0);
    struct str rest = buf_str(&b);
    for (int i = 0; i < 2; i++) {
        assert_true(alert_source_next(&rest, &out));
        assert_true(str_eq(out.feed, in.feed) && str_eq(out.link, in.link));
        assert_true(str_eq(out.title, STR("Two parts here")));
        assert_int_equal(out.time_ms, in.time_ms);
    }
    assert_false(alert_source_next(&rest, &out));
    buf_free(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(renders_three_forms),
    cmocka_unit_test(renders_what_stands_beside),
    cmocka_unit_test(marks_words_that_overlap_or_lie_outside),
    cmocka_unit_test(renders_what_is_absent),
    cmocka_unit_test(makes_text_safe),
    cmocka_unit_test(cuts_long_titles),
    cmocka_unit_test(reads_format_names),
    cmocka_unit_test(reads_numbers_of_lines),
    cmocka_unit_test(is_never_fooled),
    cmocka_unit_test(takes_back_what_does_not_fit),
    cmocka_unit_test(packs_spans),
    cmocka_unit_test(packs_sources),
};
TEST_MAIN(tests)
