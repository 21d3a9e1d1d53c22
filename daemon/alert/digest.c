/* What was held back of one watch, as a title, as lines and as JSON. */
#include "digest.h"

#include <inttypes.h>
#include <stdlib.h>
#include "date.h"
#include "json.h"

#define TITLE_CHARS 300
#define NAME_CHARS 200

/* Words of `reason` for people; others stand as they are. */
static const struct {
    const char *word, *text;
} reasons[] = {
    { "quiet", "quiet hours" },
    { "mute", "muted" },
    { "max_per_hour", "more than max_per_hour" },
    { "cooldown", "cooldown" },
    { "group_wait", "" },
    { "storm", "many at once" },
    { "late", "found late" },
    { "new_rule", "new rule" },
};

static const char *text_of(struct str word)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (str_eq(word, str_of(reasons[i].word)))
            return reasons[i].text;
    return NULL;
}

/* The next of words that each end in '\n'; false: no more. */
static bool next_word(struct str *words, struct str *word)
{
    const char *end = words->n ? memchr(words->s, '\n', words->n) : NULL;

    if (!words->n)
        return false;
    *word = (struct str){ words->s, end ? (size_t)(end - words->s) : words->n };
    size_t used = word->n + (end != NULL);
    *words = (struct str){ words->s + used, words->n - used };
    return true;
}

/* " (quiet hours, found late)", or nothing when there is nothing to explain */
static void put_reasons(struct buf *out, struct str list, bool late)
{
    struct str word;
    bool open = false;

    while (next_word(&list, &word)) {
        const char *text = text_of(word);

        if (text && !*text)
            continue;
        (void)buf_puts(out, open ? ", " : " (");
        if (text)
            (void)buf_puts(out, text);
        else
            (void)alert_put_safe(out, word, NAME_CHARS);
        open = true;
    }
    if (late && !open)
        (void)buf_puts(out, " (found late");
    if (open || late)
        (void)buf_putc(out, ')');
}

static struct str title_of(const struct alert *a)
{
    return a->title.n ? a->title : STR("(no title)");
}

int digest_title(struct buf *out, const struct digest *d)
{
    (void)alert_put_safe(out, d->watch, NAME_CHARS);
    (void)buf_puts(out, ": ");
    if (d->count == 1 && d->n == 1)
        (void)alert_put_safe(out, title_of(d->alerts[0]), TITLE_CHARS);
    else if (str_eq(d->reason, STR("new_rule\n")))
        (void)buf_printf(out, "%" PRId64 " earlier items", d->count);
    else
        (void)buf_printf(out, "%" PRId64 " alerts held back", d->count);
    put_reasons(out, d->reason, d->late);
    return out->error;
}

/* "11-24 12:03 [kyivpost] Title" */
static void put_alert(struct buf *out, const struct alert *a)
{
    char when[DATE_RFC3339_SIZE];

    /* An item that was kept before its rule was there matched only now. */
    date_rfc3339(when, str_eq(a->held, STR("new_rule")) && a->fetched_ms ? a->fetched_ms
                                                                         : a->time_ms);
    (void)buf_printf(out, "%.5s %.5s [", when + 5, when + 11);
    (void)alert_put_safe(out, a->feed, NAME_CHARS);
    (void)buf_puts(out, "] ");
    (void)alert_put_safe(out, title_of(a), TITLE_CHARS);
    if (a->link.n) {
        (void)buf_puts(out, " \xE2\x80\x94 ");
        (void)alert_put_safe(out, a->link, 2000);
    }
    (void)buf_putc(out, '\n');
}

int digest_lines(struct buf *out, const struct digest *d, size_t max)
{
    size_t n = d->n < max ? d->n : max;

    for (size_t i = 0; i < n; i++)
        put_alert(out, d->alerts[i]);
    if (d->count > (int64_t)n)
        (void)buf_printf(out, "and %" PRId64 " more, see the alert log\n",
                         d->count - (int64_t)n);
    return out->error;
}

int digest_json(struct buf *out, const struct digest *d)
{
    char when[DATE_RFC3339_SIZE];
    struct str words = d->reason, word;

    date_rfc3339(when, d->time_ms);
    (void)buf_putc(out, '{');
    (void)json_member_int(out, "digest", d->seq);
    (void)json_member_str(out, "id", str_of(d->id));
    (void)json_member_str(out, "time", str_of(when));
    (void)json_member_str(out, "watch", d->watch);
    (void)json_put_key(out, "reason");
    (void)buf_putc(out, '[');
    for (bool first = true; next_word(&words, &word); first = false) {
        if (!first)
            (void)buf_putc(out, ',');
        (void)json_put_str(out, word);
    }
    (void)buf_putc(out, ']');
    (void)json_member_bool(out, "late", d->late);
    (void)json_member_int(out, "count", d->count);
    (void)json_member_int(out, "first_seq", d->first_seq);
    (void)json_member_int(out, "last_seq", d->last_seq);
    (void)json_put_key(out, "alerts");
    (void)buf_putc(out, '[');
    for (size_t i = 0; i < d->n; i++) {
        if (i)
            (void)buf_putc(out, ',');
        (void)alert_render(out, d->alerts[i], ALERT_JSON);
        if (!out->error) /* its newline goes */
            out->s[--out->n] = '\0';
    }
    return buf_puts(out, "]}\n");
}

struct digest *digest_copy(const struct digest *d)
{
    struct digest *copy =
        malloc(sizeof *copy + d->watch.n + d->reason.n + d->sinks.n + 3);
    const struct alert **list = calloc(d->n + 1, sizeof *list);

    if (!copy || !list) {
        free(copy);
        free(list);
        return NULL;
    }
    char *at = (char *)(copy + 1);
    *copy = *d;
    copy->watch = str_lay(&at, d->watch);
    copy->reason = str_lay(&at, d->reason);
    copy->sinks = str_lay(&at, d->sinks);
    copy->alerts = list;
    for (copy->n = 0; copy->n < d->n; copy->n++) {
        list[copy->n] = alert_copy(d->alerts[copy->n]);
        if (!list[copy->n]) {
            digest_copy_free(copy);
            return NULL;
        }
    }
    return copy;
}

void digest_copy_free(struct digest *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->n; i++)
        free((void *)(uintptr_t)d->alerts[i]);
    free((void *)(uintptr_t)d->alerts);
    free(d);
}
