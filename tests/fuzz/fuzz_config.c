/* Fuzz the config reader.  Input: the text of a main file.  It loads whole, or every
 * error has a place; a rule or URL that was taken is in the file as it is. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                          \
    do {                                                                                 \
        if (!(x)) {                                                                      \
            fprintf(stderr, "fuzz_config: %s does not hold\n", #x);                      \
            abort();                                                                     \
        }                                                                                \
    } while (0)

static void check_errors(const struct buf *b, const char *path)
{
    MUST(b->n && b->s[b->n - 1] == '\n');
    MUST(strncmp(b->s, path, strlen(path)) == 0);
    for (size_t i = 0; i < b->n; i++)
        MUST((unsigned char)b->s[i] >= ' ' || b->s[i] == '\n');
}

static void check_config(const struct config *c, const uint8_t *data, size_t size)
{
    MUST(c->n_feeds > 0 && c->warning);
    for (size_t i = 0; i < c->n_feeds; i++) {
        const struct config_feed *f = &c->feeds[i];
        MUST(f->name[0] && f->url[0] && memmem(data, size, f->url, strlen(f->url)));
        MUST(f->min_interval_s >= 1 && f->min_interval_s <= f->interval_s);
        MUST(f->interval_s <= f->max_interval_s && f->timeout_s > 0);
        MUST(f->group && f->charset && f->place.line > 0);
    }
    for (size_t i = 0; i < c->n_watches; i++) {
        const struct config_watch *w = &c->watches[i];
        /* Each word of the rule stands in the file: nothing was cut or joined. */
        char *source = strdup(w->rule->source), *rest = source;
        for (char *word; (word = strsep(&rest, " \t"));)
            MUST(memmem(data, size, word, strlen(word)));
        free(source);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char name[] = "/etc/feedwatch.ini";
    struct config *c = NULL;
    struct buf errors;

    setenv("HOME", "/home/somebody", 1);
    buf_init(&errors, 1 << 20);
    int r = config_parse(&c, name, (struct str){ (const char *)data, size }, &errors);
    if (r == 0)
        check_config(c, data, size);
    else
        check_errors(&errors, name);
    MUST(r == 0 ? errors.n == 0 : c == NULL);
    config_unref(c);
    buf_free(&errors);
    return 0;
}
