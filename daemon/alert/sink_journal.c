/* Alerts in the systemd journal, with a field for each part. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <unistd.h>
#include "date.h"
#include "item.h"
#include "sink_kinds.h"
#include "sink_text.h"

/* Explained in systemd/feedwatch.catalog. */
#define ALERT_MESSAGE_ID "88f6bd6aa9f3425d90da177bbb944deb"
#define DIGEST_MESSAGE_ID "a097e0b229ad46e0837377e512afc5d5"

#define SOCKET "/run/systemd/journal/socket"
#define FIELDS_MAX 48
#define WORDS_MAX 16
#define TEXT_CHARS 2000

/* journald takes 10,000 messages in 30 s from a service and drops the others. */
#define PACE                                                                             \
    {                                                                                    \
        1000, 5                                                                          \
    }

struct entry { /* fields, one after the other */
    struct buf text;
    size_t end[FIELDS_MAX];
    size_t n;
};

static void end_field(struct entry *e)
{
    if (e->n < FIELDS_MAX)
        e->end[e->n++] = e->text.n;
}

static void put(struct entry *e, const char *name, struct str s)
{
    if (!s.n || e->n == FIELDS_MAX)
        return;
    (void)buf_printf(&e->text, "%s=", name);
    text_put(&e->text, s, TEXT_CHARS, MARKUP_NONE);
    end_field(e);
}

static void put_number(struct entry *e, const char *name, int64_t v)
{
    (void)buf_printf(&e->text, "%s=%" PRId64, name, v);
    end_field(e);
}

static void put_time(struct entry *e, const char *name, int64_t ms)
{
    char when[DATE_RFC3339_SIZE];

    date_rfc3339(when, ms);
    put(e, name, str_of(when));
}

/* Each word is a value of its own, so that FEEDWATCH_MATCHED=Xi finds it. */
static void put_words(struct entry *e, const char *name, struct str words)
{
    for (size_t i = 0; i < WORDS_MAX && words.n; i++) {
        const char *nl = memchr(words.s, '\n', words.n);
        size_t n = nl ? (size_t)(nl - words.s) : words.n, skip = n + (nl != NULL);

        put(e, name, (struct str){ words.s, n });
        words = (struct str){ words.s + skip, words.n - skip };
    }
}

static int level_of(enum alert_priority p)
{
    switch (p) {
    case ALERT_LOW:
        return 6; /* info */
    case ALERT_NORMAL:
        return 5; /* notice */
    case ALERT_CRITICAL:
        return 2; /* crit */
    }
    return 5;
}

static void put_alert(struct entry *e, const struct alert *a)
{
    (void)buf_puts(&e->text, "MESSAGE=");
    text_put(&e->text, a->watch, 80, MARKUP_NONE);
    (void)buf_puts(&e->text, " [");
    text_put(&e->text, a->feed, 80, MARKUP_NONE);
    (void)buf_puts(&e->text, a->update ? "] Update: " : "] ");
    text_title(&e->text, a, 500, MARKUP_NONE);
    end_field(e);
    put(e, "MESSAGE_ID", STR(ALERT_MESSAGE_ID));
    put_number(e, "PRIORITY", level_of(a->priority));
    put_number(e, "FEEDWATCH_SEQ", a->seq);
    put(e, "FEEDWATCH_ID", str_of(a->id));
    put(e, "FEEDWATCH_WATCH", a->watch);
    put(e, "FEEDWATCH_FEED", a->feed);
    put(e, "FEEDWATCH_TITLE", a->title);
    put(e, "FEEDWATCH_LINK", a->link);
    put(e, "FEEDWATCH_AUTHOR", a->author);
    put(e, "FEEDWATCH_SNIPPET", a->snippet);
    put(e, "FEEDWATCH_RULE", a->rule);
    put(e, "FEEDWATCH_ITEM_ID", a->item_id);
    put_words(e, "FEEDWATCH_MATCHED", a->matched);
    put_time(e, "FEEDWATCH_TIME", a->time_ms);
    if (a->published_s != ITEM_NO_TIME)
        put_time(e, "FEEDWATCH_PUBLISHED", a->published_s * 1000);
}

static void put_digest(struct entry *e, const struct digest *d)
{
    (void)buf_puts(&e->text, "MESSAGE=");
    (void)digest_title(&e->text, d);
    end_field(e);
    put(e, "MESSAGE_ID", STR(DIGEST_MESSAGE_ID));
    put_number(e, "PRIORITY", level_of(d->priority));
    put_number(e, "FEEDWATCH_DIGEST", d->seq);
    put(e, "FEEDWATCH_ID", str_of(d->id));
    put(e, "FEEDWATCH_WATCH", d->watch);
    put_words(e, "FEEDWATCH_REASON", d->reason);
    put_number(e, "FEEDWATCH_COUNT", d->count);
    put_number(e, "FEEDWATCH_FIRST_SEQ", d->first_seq);
    put_number(e, "FEEDWATCH_LAST_SEQ", d->last_seq);
    put_time(e, "FEEDWATCH_TIME", d->time_ms);
}

static int write_entry(struct entry *e)
{
    struct iovec iov[FIELDS_MAX];
    size_t from = 0;

    put(e, "SYSLOG_IDENTIFIER", STR("feedwatch"));
    if (e->text.error)
        return e->text.error;
    for (size_t i = 0; i < e->n; i++) {
        iov[i].iov_base = e->text.s + from;
        iov[i].iov_len = e->end[i] - from;
        from = e->end[i];
    }
    /* It takes a journal that is not there for a success. */
    return access(SOCKET, W_OK) < 0 ? -errno : sd_journal_sendv(iov, (int)e->n);
}

static int journal_send(void *ctx, const struct parcel *p, struct sent *out)
{
    struct entry *e = ctx;
    int r = 0, done = 0;

    for (; done < (p->digest ? 1 : (int)p->n) && r >= 0; done += r >= 0) {
        buf_clear(&e->text);
        e->n = 0;
        if (p->digest)
            put_digest(e, p->digest);
        else
            put_alert(e, p->alerts[done]);
        r = write_entry(e);
    }
    if (done == 0)
        (void)buf_printf(&out->why, "journal: %s", strerror(-r));
    return done ? done : r;
}

static void journal_free(void *ctx)
{
    struct entry *e = ctx;

    buf_free(&e->text);
    free(e);
}

static const struct sink_work work = {
    .type = "journal",
    .batch = 16,
    .send = journal_send,
    .free = journal_free,
};

int sink_journal_open(struct sink **out, const struct sink_options *o, struct buf *why)
{
    struct entry *e = calloc(1, sizeof *e);
    int r = -ENOMEM;

    if (e) {
        buf_init(&e->text, 1 << 18);
        r = sink_worker_new(out, o->name, &work, e, (struct sink_pace)PACE, why);
    }
    if (r < 0)
        free(e);
    return r;
}
