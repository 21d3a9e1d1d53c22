/* Which of two items are one story.  Lines of time (UTC, s), title, lead and link of the
 * one, then of the other, tab-separated; each is answered with same, the likeness of all
 * (0 to 4000), of the titles and of the leads (0 to 1000), and whether the second counts
 * as a changed first.
 *
 * With -a: one item a line, with the name of its feed before; told are the pairs of lines
 * (from 0) of different feeds and at most 24 hours apart that are one story, and by what
 * margin.  With -a N: also those that fall short of it by less than N. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "story.h"

#define SAME_LINK 10000
#define DAY_MS (24 * 3600 * 1000LL)

struct one {
    struct story_print print;
    char feed[80];
    int64_t time_ms;
};

static struct text words;
static struct buf work;

static struct str field(char **at)
{
    char *from = *at, *end = from + strcspn(from, "\t\n");

    *at = *end ? end + 1 : end;
    return (struct str){ from, (size_t)(end - from) };
}

static void print_next(struct one *out, char **at)
{
    struct item item = { 0 };

    out->time_ms = strtoll(field(at).s, NULL, 10) * 1000;
    item.title = field(at);
    item.summary = field(at);
    item.link = field(at);
    if (story_print(&out->print, &item, &words, &work) < 0)
        exit(1);
}

static int margin(const struct one *a, const struct one *b)
{
    return a->print.link && a->print.link == b->print.link
               ? SAME_LINK
               : story_margin(&a->print, &b->print, a->time_ms - b->time_ms);
}

static void answer(char *line)
{
    struct one a, b;

    print_next(&a, &line);
    print_next(&b, &line);
    printf("%d\t%u\t%u\t%u\t%d\n", margin(&a, &b) >= 0,
           story_likeness(&a.print, &b.print), story_title_likeness(&a.print, &b.print),
           story_lead_likeness(&a.print, &b.print), story_changed(&a.print, &b.print));
}

static void compare_all(const struct one *list, size_t n, int short_of)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++) {
            if (llabs(list[i].time_ms - list[k].time_ms) > DAY_MS ||
                !strcmp(list[i].feed, list[k].feed))
                continue;
            int more = margin(&list[i], &list[k]);
            if (more >= -short_of)
                printf("%zu\t%zu\t%d\n", i, k, more);
        }
}

static void take(struct one **list, size_t *n, size_t *cap, char *line)
{
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 1024;
        if (!(*list = realloc(*list, *cap * sizeof **list)))
            exit(1);
    }
    struct one *o = &(*list)[(*n)++];
    struct str feed = field(&line);
    snprintf(o->feed, sizeof o->feed, "%.*s", (int)feed.n, feed.s);
    print_next(o, &line);
}

int main(int argc, char **argv)
{
    bool all = argc > 1 && !strcmp(argv[1], "-a");
    struct one *list = NULL;
    size_t n = 0, n_cap = 0, cap = 0;
    char *line = NULL;

    buf_init(&work, 1 << 20);
    while (getline(&line, &cap, stdin) > 0)
        if (all)
            take(&list, &n, &n_cap, line);
        else
            answer(line);
    compare_all(list, n, argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0);
    free(list);
    free(line);
    text_done(&words);
    buf_free(&work);
    return 0;
}
