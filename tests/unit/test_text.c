/* text: tokens and where they stand, line by line and against the slow reference. */
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "match_reference.h"
#include "text.h"

struct line {
    const char *source, *tokens; /* folded, separated by | */
};

/* Ten marks of a script without spaces, and ten tokens of them. */
#define TEN "\u302A\u302A\u302A\u302A\u302A\u302A\u302A\u302A\u302A\u302A"
#define TEN_TOKENS                                                                       \
    "|\u302A|\u302A|\u302A|\u302A|\u302A|\u302A|\u302A|\u302A|\u302A|\u302A"

static const struct line lines[] = {
    { "", "" },
    { "Hello, World!", "hello|world" },
    { "Putin’s l'Ukraine U.S. C++", "putin|s|l|ukraine|u|s|c" },
    { "GROẞE Straße ΣΟΦΟΣ Οδυσσεύς", "grosse|strasse|σοφοσ|οδυσσευσ" },
    { "İstanbul ISPARTA ısı", "istanbul|isparta|isi" },
    { "Łódź Øresund Đà Nẵng Æsop Œuvre", "lodz|oresund|da|nang|aesop|oeuvre" },
    { "e\u0301te\u0301 ñandú Ångström", "ete|nandu|angstrom" },
    { "Йогурт ёлка и\u0306", "иогурт|елка|и" },
    { "مُحَمَّد مـحـمـد أحمد", "محمد|محمد|احمد" },
    { "שָׁלוֹם", "שלום" },
    { "हिन्दी कि क़िला क\u093Cिला", "हिन्दी|कि|क\u093Cिला|क\u093Cिला" },
    { "বাংলা \u0995\u09C7\u09BE", "বাংলা|\u0995\u09CB" },
    { "ไทย ที่", "ไ|ท|ย|ท|\u0E35|\u0E48" },
    { "ที\u0E48 ท\u0E48\u0E39", "ท|\u0E35|\u0E48|ท|\u0E39|\u0E48" },
    { "習近平iPhone15発売", "習|近|平|iphone15|発|売" },
    { "ｶﾞｷﾞ か\u3099", "ガ|ギ|が" },
    { "한국 \u1112\u1161\u11AB", "한|국|한" },
    { "ﬁne Ｐｕｔｉｎ Ⅷ ㎞ iPhone™ Ⓟⓤ ½", "fine|putin|viii|km|iphone|tm|pu|1|2" },
    { "Pu\u00ADtin\u00AD Xi\u200B\u2060 a\u200Db", "putin|xi|ab" },
    { "\u0301lone \u0301 x", "lone|x" },
    { "a\xFF"
      "b\xC3 \xE2\x82 c",
      "a|b|c" },
    { "3\u20E3 ❤\uFE0F 🚀", "3" },
    { "x\u0345 ᾳ", "xι|αι" },
    { "が" TEN TEN TEN TEN, "が" TEN_TOKENS TEN_TOKENS TEN_TOKENS },
    { "か\u3099" TEN TEN TEN TEN "b", "が" TEN_TOKENS TEN_TOKENS TEN_TOKENS "|b" },
};

static void joined(const struct text *t, char *out, size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < t->n; i++) {
        struct str f = text_folded(t, &t->tokens[i]);
        at +=
            (size_t)snprintf(out + at, size - at, "%s%.*s", i ? "|" : "", (int)f.n, f.s);
    }
}

static void every_line_of_the_table(void **state)
{
    (void)state;
    struct text t = { 0 };
    char got[1000];
    int bad = 0;

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        text_clear(&t);
        assert_int_equal(text_add(&t, str_of(lines[i].source)), 0);
        joined(&t, got, sizeof got);
        if (!strcmp(got, lines[i].tokens))
            continue;
        print_error("%s\n  want %s\n  got  %s\n", lines[i].source, lines[i].tokens, got);
        bad++;
    }
    text_done(&t);
    assert_int_equal(bad, 0);
}

static int differs(const struct text *t, const struct ref_text *r)
{
    if (t->n != r->n)
        return 1;
    for (size_t i = 0; i < t->n; i++) {
        const struct text_token *a = &t->tokens[i];
        const struct ref_token *b = &r->token[i];
        struct str f = text_folded(t, a);
        if (!str_eq(f, str_of(b->folded)) || a->src_off != b->from ||
            a->src_off + a->src_len != b->to || a->run != (unsigned)b->run ||
            a->hash != text_hash(f.s, f.n))
            return 1;
    }
    return 0;
}

static void show_hex(const char *what, const char *s, size_t n, unsigned at, unsigned end)
{
    print_error("\n  %s %u..%u:", what, at, end);
    for (size_t i = 0; i < n; i++)
        print_error(" %02X", (unsigned char)s[i]);
}

static void show_difference(struct str src, const struct text *t,
                            const struct ref_text *r)
{
    show_hex("source", src.s, src.n, 0, (unsigned)src.n);
    for (size_t i = 0; i < t->n || i < r->n; i++) {
        const struct text_token *a = i < t->n ? &t->tokens[i] : NULL;
        const struct ref_token *b = i < r->n ? &r->token[i] : NULL;
        if (a && b && str_eq(text_folded(t, a), str_of(b->folded)) &&
            a->src_off == b->from && a->src_off + a->src_len == b->to)
            continue;
        if (a)
            show_hex("text", t->fold + a->fold_off, a->fold_len, a->src_off,
                     a->src_off + a->src_len);
        if (b)
            show_hex("reference", b->folded, strlen(b->folded), b->from, b->to);
        break;
    }
    print_error("\n");
}

static void must_agree(struct text *t, struct str src)
{
    struct ref_text r;

    text_clear(t);
    assert_int_equal(text_add(t, src), 0);
    ref_fold(&r, src);
    if (differs(t, &r)) {
        show_difference(src, t, &r);
        fail();
    }
    ref_text_free(&r);
}

static size_t encode(char *out, uint32_t cp)
{
    struct buf b;

    buf_init(&b, 8);
    buf_put_utf8(&b, cp);
    size_t n = b.n;
    memcpy(out, b.s, n);
    buf_free(&b);
    return n;
}

static void every_character_folds_as_the_reference_does(void **state)
{
    (void)state;
    struct text t = { 0 };
    char s[32];

    for (uint32_t cp = 1; cp < 0x110000; cp++) {
        if (cp >= 0xD800 && cp < 0xE000)
            continue;
        if (cp >= 0x3400 && cp < 0xD7A4 && cp % 7) /* much of a kind */
            continue;
        if (cp >= 0x20000 && cp % 97 && (cp < 0xE0000 || cp > 0xE0200))
            continue;
        size_t n = 0;
        if (cp < 0x900 || (cp >= 0x1D00 && cp < 0x11000)) /* no marks of Indic scripts */
            s[n++] = 'A';
        n += encode(s + n, cp);
        s[n++] = 'z';
        s[n++] = ' ';
        n += encode(s + n, cp);
        must_agree(&t, (struct str){ s, n });
    }
    /* found by fuzzing: marks whose letter is of another script */
    must_agree(&t, STR("\u0533\uFCF3"));
    must_agree(&t, STR("\uFF70\u0F77\uFF9E"));
    text_done(&t);
}

static uint64_t rng = 88172645463325252;

static uint32_t below(uint32_t n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(rng >> 33) % n;
}

/* Letters and marks of one script each, so that they meet as they do in real text. */
static const struct {
    uint32_t from, to;
} scripts[] = {
    { 0x41, 0x7A },     { 0xC0, 0x17F },    { 0x391, 0x3C9 },   { 0x1F00, 0x1FFF },
    { 0x410, 0x45F },   { 0x5B0, 0x5EA },   { 0x620, 0x655 },   { 0x900, 0x963 },
    { 0x981, 0x9CD },   { 0xB82, 0xBCD },   { 0xCBC, 0xCCD },   { 0xD3E, 0xD57 },
    { 0xDCF, 0xDDF },   { 0xE01, 0xE4E },   { 0xF40, 0xF84 },   { 0x1000, 0x103A },
    { 0x1780, 0x17D3 }, { 0x1100, 0x11C2 }, { 0xAC00, 0xAC40 }, { 0x3041, 0x309A },
    { 0x30A1, 0x30FE }, { 0xFF66, 0xFF9F }, { 0x4E00, 0x4E20 }, { 0xFE70, 0xFEFC },
    { 0x1B05, 0x1B44 }, { 0x300, 0x345 },   { 0x20, 0x40 },     { 0x200B, 0x200F },
};

static void random_text_folds_as_the_reference_does(void **state)
{
    (void)state;
    struct text t = { 0 };
    char s[2000];

    for (int round = 0; round < 20000; round++) {
        size_t n = 0, words = 1 + below(12);
        for (size_t w = 0; w < words; w++) {
            uint32_t k = below(sizeof scripts / sizeof *scripts);
            size_t letters = 1 + below(below(8) ? 7 : 20);
            for (size_t i = 0; i < letters; i++) {
                uint32_t cp =
                    scripts[k].from + below(scripts[k].to - scripts[k].from + 1);
                if (!below(20))
                    cp = 0xAD;
                n += encode(s + n, cp);
                if (k < 8 && !below(5))
                    n += encode(s + n, 0x300 + below(16));
            }
            if (!below(30))
                s[n++] = (char)(0x80 + below(128));
            s[n++] = " ,.-'\n"[below(6)];
        }
        must_agree(&t, (struct str){ s, n });
    }
    text_done(&t);
}

static void long_text_is_cut_nowhere(void **state)
{
    (void)state;
    enum { N = 40000 };
    struct text t = { 0 };
    char *s = malloc(N * 12);
    size_t n = 0;

    assert_non_null(s);
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(s + n, 12, "%s",
                              i % 3   ? "Wort "
                              : i % 2 ? "Größe "
                                      : "習\u3000");
    assert_int_equal(text_add(&t, (struct str){ s, n }), 0);
    assert_int_equal(t.n, N);
    assert_int_equal(t.tokens[N - 1].src_off + t.tokens[N - 1].src_len < n, 1);
    text_done(&t);
    free(s);
}

static void compares_as_written(void **state)
{
    (void)state;
    assert_true(text_same(STR("Erdoğan"), STR("Erdog\u0306an")));
    assert_true(text_same(STR("a\u00ADb"), STR("ab")));
    assert_true(text_same(STR("\u1112\u1161\u11AB"), STR("한")));
    assert_true(text_same(STR("q\u0323\u0307"), STR("q\u0307\u0323")));
    assert_false(text_same(STR("Erdogan"), STR("Erdoğan")));
    assert_false(text_same(STR("who"), STR("WHO")));
    assert_false(text_same(STR("ab"), STR("abc")));
    assert_true(text_starts(STR("Erdoğan"), STR("Erdo")));
    assert_true(text_starts(STR("Erdog\u0306an"), STR("Erdoğ")));
    assert_false(text_starts(STR("Erdoğan"), STR("Erdog")));
    assert_false(text_starts(STR("Er"), STR("Erd")));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_line_of_the_table),
    cmocka_unit_test(every_character_folds_as_the_reference_does),
    cmocka_unit_test(random_text_folds_as_the_reference_does),
    cmocka_unit_test(long_text_is_cut_nowhere),
    cmocka_unit_test(compares_as_written),
};
TEST_MAIN(tests)
