/* Watches that are muted at one sink: kept in the store, told in the journal. */
#include "dispatch_mute.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "log.h"

#define NOTE "mutes:%s" /* of the store; %s is the sink */
#define NAME_BYTES 200
#define TEXT_BYTES (64 << 10)

struct keep {
    struct write_request write; /* first */
    char name[NAME_BYTES];
    struct buf text;
};

int mutes_open(struct store *store, struct sink *sink, const char *name)
{
    char note[NAME_BYTES];
    struct buf text;

    if (!sink->ops->restore)
        return 0;
    snprintf(note, sizeof note, NOTE, name);
    buf_init(&text, TEXT_BYTES);
    int r = store_note_read(store, note, &text);
    if (r == 0 && text.n)
        sink->ops->restore(sink, text.s);
    buf_free(&text);
    return r;
}

static int put_note(struct store *s, void *ctx)
{
    const struct keep *k = ctx;

    return store_note_set(s, k->name, buf_str(&k->text));
}

static void put_done(struct write_request *w)
{
    struct keep *k = (struct keep *)w;

    buf_free(&k->text); /* not kept: a disk at fault says so itself */
    free(k);
}

/* "+UNTIL HELD WATCH": '+' new, '=' in force, '-' over. */
static void say(const char *sink, const char *line)
{
    char *end = NULL;
    int64_t until_ms = strtoll(line + 1, &end, 10), held = strtoll(end, &end, 10);
    size_t n = strcspn(end, "\n");
    struct str watch = { end + (n > 0), n - (n > 0) };

    if (*line == '+')
        log_event(LOG_LEVEL_NOTICE, "muted", "watch=%s sink=%s until_s=%" PRId64,
                  log_quote_str(watch), log_quote(sink), until_ms / 1000);
    else if (*line == '-')
        log_event(LOG_LEVEL_NOTICE, "mute_ended", "watch=%s sink=%s held=%" PRId64,
                  log_quote_str(watch), log_quote(sink), held);
}

void mutes_save(struct writer *writer, struct sink *sink, const char *name)
{
    struct keep *k;
    struct buf text;

    if (!sink->ops->muted || !writer || !(k = calloc(1, sizeof *k)))
        return;
    buf_init(&text, TEXT_BYTES);
    buf_init(&k->text, TEXT_BYTES);
    if (!sink->ops->muted(sink, &text)) {
        buf_free(&text);
        free(k);
        return;
    }
    for (const char *line = text.s; line && *line;) {
        size_t n = strcspn(line, "\n") + 1;

        say(name, line);
        if (*line != '-')
            (void)buf_put(&k->text, line, n);
        line += n;
    }
    buf_free(&text);
    snprintf(k->name, sizeof k->name, NOTE, name);
    k->write.call = put_note;
    k->write.ctx = k;
    k->write.done = put_done;
    writer_push(writer, &k->write);
}
