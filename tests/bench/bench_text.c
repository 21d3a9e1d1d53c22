/* What folding and tokenising costs, beside utf8proc and ICU on the same text.
 *     bench_text DIR      DIR: what tools/unpack laid out
 *
 * Each takes the same items: ours folds and finds the words in one pass; utf8proc folds
 * (compatibility, case, marks dropped); ICU folds (NFKC_Casefold), finds words (a break
 * iterator), or both, one after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/ubrk.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <utf8proc.h>
#include "bench_items.h"
#include "text.h"

enum { ITEMS = 4000, ROUNDS = 5, ROOM = 1 << 16 };

static struct bench_items items;
static struct str *text; /* of each item: title and summary */
static size_t n_text, n_bytes;
static const UNormalizer2 *normalizer;
static UBreakIterator *breaks;
static UChar source[ROOM], folded[ROOM];

static size_t ours(struct str s)
{
    static struct text t;

    text_clear(&t);
    if (text_add(&t, s) < 0)
        abort();
    return t.n;
}

static size_t by_utf8proc(struct str s)
{
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)s.s, (utf8proc_ssize_t)s.n, &out,
                     UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD |
                         UTF8PROC_STRIPMARK | UTF8PROC_IGNORE);

    free(out);
    return n < 0 ? 0 : (size_t)n;
}

static int32_t to_utf16(struct str s)
{
    UErrorCode e = U_ZERO_ERROR;
    int32_t n = 0;

    u_strFromUTF8WithSub(source, ROOM, &n, s.s, (int32_t)s.n, 0xFFFD, NULL, &e);
    return U_FAILURE(e) ? 0 : n;
}

static size_t by_icu_fold(struct str s)
{
    UErrorCode e = U_ZERO_ERROR;
    int32_t n = to_utf16(s);

    return (size_t)unorm2_normalize(normalizer, source, n, folded, ROOM, &e);
}

static size_t words_of(const UChar *s, int32_t n)
{
    UErrorCode e = U_ZERO_ERROR;
    size_t words = 0;

    ubrk_setText(breaks, s, n, &e);
    while (ubrk_next(breaks) != UBRK_DONE)
        words += ubrk_getRuleStatus(breaks) >= UBRK_WORD_NONE_LIMIT;
    return words;
}

static size_t by_icu_words(struct str s)
{
    return words_of(source, to_utf16(s));
}

static size_t by_icu(struct str s)
{
    return words_of(folded, (int32_t)by_icu_fold(s));
}

/* The fastest of some rounds over all items. */
static double measure(size_t (*step)(struct str), double *sum)
{
    double best = 0;

    for (int round = 0; round < ROUNDS; round++) {
        double from = bench_now_us();
        *sum = 0;
        for (size_t i = 0; i < n_text; i++)
            *sum += (double)step(text[i]);
        double us = bench_now_us() - from;
        if (round == 0 || us < best)
            best = us;
    }
    return best;
}

static void show(const char *name, const char *unit, size_t (*step)(struct str),
                 double *base)
{
    double sum, us = measure(step, &sum);

    if (*base <= 0)
        *base = us;
    printf("%-34s %8.2f us %8.0f MB/s %7.1fx   %.0f %s\n", name, us / (double)n_text,
           (double)n_bytes / us, us / *base, sum / (double)n_text, unit);
}

static void read_texts(int ascii)
{
    n_text = n_bytes = 0;
    for (size_t i = 0; i < items.n; i++) {
        const struct match_input *in = &items.item[i];
        size_t n = in->title.n + in->summary.n + 1, high = 0;
        if (n >= ROOM / 2)
            continue;
        for (size_t k = 0; k < in->summary.n; k++)
            high += (unsigned char)in->summary.s[k] >> 7;
        if (ascii != (high * 10 < in->summary.n))
            continue;
        char *s = malloc(n + 1);
        if (!s)
            abort();
        (void)snprintf(s, n + 1, "%s %s", in->title.s, in->summary.s);
        text[n_text++] = (struct str){ s, n };
        n_bytes += n;
    }
}

static void run(const char *what, int ascii)
{
    double base = 0;

    read_texts(ascii);
    if (n_text == 0)
        return;
    printf("%s: %zu items of %zu bytes\n", what, n_text, n_bytes / n_text);
    show("ours: fold and words", "words", ours, &base);
    show("utf8proc: fold", "bytes", by_utf8proc, &base);
    show("ICU: fold (NFKC_Casefold)", "units", by_icu_fold, &base);
    show("ICU: words (break iterator)", "words", by_icu_words, &base);
    show("ICU: fold, then words", "words", by_icu, &base);
    for (size_t i = 0; i < n_text; i++)
        free((char *)(size_t)text[i].s);
}

int main(int argc, char **argv)
{
    UErrorCode e = U_ZERO_ERROR;

    if (argc < 2 || bench_items_read(&items, argv[1], ITEMS) < 0) {
        fprintf(stderr, "bench_text: no feeds under %s: is FEEDWATCH_SHARED right?\n",
                argc < 2 ? "(nothing)" : argv[1]);
        return 2;
    }
    text = calloc(items.n, sizeof *text);
    normalizer = unorm2_getNFKCCasefoldInstance(&e);
    breaks = ubrk_open(UBRK_WORD, "en", NULL, 0, &e);
    if (!text || U_FAILURE(e))
        return 2;
    run("mostly ASCII", 1);
    run("other scripts", 0);
    ubrk_close(breaks);
    free(text);
    return 0;
}
