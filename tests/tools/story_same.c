/* Which of two items are one story: lines of title, lead and link of the one, then of the
 * other, tab-separated; each is answered with same, likeness of the titles and of the
 * leads (0 to 1000), and whether the second counts as a changed first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "story.h"

static struct str field(char **at)
{
    char *from = *at, *end = from + strcspn(from, "\t\n");

    *at = *end ? end + 1 : end;
    return (struct str){ from, (size_t)(end - from) };
}

static int print_next(struct story_print *out, char **at, struct text *words,
                      struct buf *work)
{
    struct item item = { 0 };

    item.title = field(at);
    item.summary = field(at);
    item.link = field(at);
    return story_print(out, &item, words, work);
}

int main(void)
{
    struct story_print a, b;
    struct text words = { 0 };
    struct buf work;
    char *line = NULL, *at;
    size_t cap = 0;

    buf_init(&work, 1 << 20);
    while (getline(&line, &cap, stdin) > 0) {
        at = line;
        if (print_next(&a, &at, &words, &work) < 0 ||
            print_next(&b, &at, &words, &work) < 0)
            return 1;
        bool same = (a.link && a.link == b.link) || story_text_same(&a, &b);
        printf("%d\t%u\t%u\t%d\n", same, story_title_likeness(&a, &b),
               story_lead_likeness(&a, &b), story_changed(&a, &b));
    }
    free(line);
    text_done(&words);
    buf_free(&work);
    return 0;
}
