/* What finding the story of an item costs when a watch has many open ones: make
 * bench-story.  Items have 9 words in the title and 25 in the lead, of 20,000 words as
 * rare as words are (the n-th is n times rarer than the first), and both the words of the
 * watch; with `all the same` they have the same title but for a number.  Times are those
 * of the processor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "story.h"

#define WORDS 20000
#define ASKED 300

static double sum_of[WORDS];
static struct text words;
static struct buf work, sources;
static uint64_t seed = 1;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static unsigned any_word(void)
{
    double at = (double)(next_random() >> 11) / 9007199254740992.0 * sum_of[WORDS - 1];
    unsigned low = 0, high = WORDS - 1;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (sum_of[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A word of letters; those that are often used are short. */
static int put_word(char *to, size_t size, unsigned n)
{
    char word[8];
    unsigned letters = 0, most = n < 20 ? 2 : n < 200 ? 4 : 6;

    for (n = n < 20 ? n * 31 : n * 2654435761u % 308915776u; letters < most; n /= 26)
        word[letters++] = (char)('a' + n % 26);
    word[letters] = 0;
    return snprintf(to, size, " %s", word);
}

static void put_text(char *to, size_t size, unsigned n)
{
    int at = 0;

    for (unsigned i = 0; i < n; i++)
        at += put_word(to + at, size - (size_t)at, any_word());
}

static void judge(struct story_table *t, int64_t i, bool alike)
{
    char title[500], lead[800], text[400];
    struct story_result result;
    struct story_print print;
    struct item item = { .title = { 0 } };

    put_text(text, sizeof text, 9);
    snprintf(title, sizeof title, "Putin Xi %s", text);
    if (alike)
        snprintf(title, sizeof title, "Putin and Xi meet journalists about matter %d",
                 (int)i);
    put_text(lead, sizeof lead, 25);
    item.title = str_of(title);
    item.summary = str_of(lead);
    struct story_case c = { .watch = STR("summit"),
                            .feed = STR("feed"),
                            .title = item.title,
                            .feed_id = i % 100,
                            .key = { (uint64_t)i, 1 },
                            .print = &print,
                            .now_ms = 1000000 + i,
                            .window_ms = 86400000,
                            .collapse = true };
    buf_clear(&sources);
    if (story_print(&print, &item, &words, &work) < 0 ||
        story_judge(t, &c, &result, &sources) < 0)
        exit(1);
}

static void measure(size_t open, bool alike)
{
    struct story_table *t = story_table_new(100000);
    struct story_row row;
    int64_t i = 0;

    while (t && story_count(t) < open)
        judge(t, i++, alike);
    while (story_take_row(t, &row))
        ;
    double start = now_s();
    for (unsigned n = 0; n < ASKED; n++)
        judge(t, i++, alike);
    printf("%-20s %6zu open: %8.1f us an item, %6.0f bytes a story\n",
           alike ? "all the same" : "news", open, (now_s() - start) * 1e6 / ASKED,
           (double)story_bytes(t) / (double)story_count(t));
    story_table_free(t);
}

int main(void)
{
    static const size_t open[] = { 10, 100, 1000, 5000, 20000 };

    for (unsigned i = 0; i < WORDS; i++)
        sum_of[i] = (i ? sum_of[i - 1] : 0) + 1.0 / (i + 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    buf_init(&work, 1 << 20);
    buf_init(&sources, 1 << 20);
    for (unsigned i = 0; i < sizeof open / sizeof *open; i++)
        measure(open[i], false);
    measure(1000, true);
    measure(5000, true);
    text_done(&words);
    buf_free(&work);
    buf_free(&sources);
    return 0;
}
