/* on_new_rule = digest 24h: what the store has kept is put to rules that are new.
 *
 * Which rules were in force is a note in the store, written by the same commit as the
 * alerts that new ones find.  So a rule is new once, whatever ends or crashes, and a
 * daemon that is started with a changed config does as one that reloads it.
 *
 * A document that is in flight at a reload is judged by the rules it began with, to its
 * end.  Its items belong to what has passed: they are waited for. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "clock.h"
#include "history.h"
#include "log.h"
#include "match.h"
#include "pipeline_impl.h"
#include "poller_alert.h"
#include "store.h"

#define TURN_MS 20      /* of reading, then others have their turn */
#define ALERTS_MAX 1000 /* of one rule */
#define NOTE_MAX (64 << 20)
#define FLIGHT_MAX_MS 180000 /* for documents in flight; a fetch has a deadline, too */
#define LOOK_USEC 100000     /* whether they are through */

struct known { /* in the note: a watch and its rule, as hashes */
    uint64_t name, rule;
};

struct home { /* a configured feed */
    const struct config_feed *conf;
    int64_t id; /* of the store; 0: not there */
    struct alerts alerts;
    struct buf watch; /* of each alert: its index */
};

struct recall {
    struct pipeline *pipeline;
    struct snapshot *snap; /* keeps the config */
    struct store *store;   /* for reading */
    sd_event_source *idle, *look;
    bool settled; /* no poll goes on with older rules */
    int64_t flight_end_ms;
    struct match_set *rules; /* the new ones; ids are indices of watches */
    struct match_scratch *scratch;
    int64_t *since_ms; /* one per watch */
    uint32_t *found;   /* the same: alerts made; and what is over ALERTS_MAX */
    struct home *home; /* by name */
    size_t n_home;
    uint64_t *told; /* what a new rule has alerted already; open addressing */
    size_t told_cap, n_told;
    int64_t oldest_ms, after; /* of the history: from when, and the row read last */
    int64_t now_ms;
    struct buf note, work;
    struct text words;
    const struct history_item *item; /* being matched */
    struct home *item_home;
};

/* --- which rules are new --- */

static uint64_t hash_text(const char *s)
{
    return XXH3_64bits(s, strlen(s));
}

/* As it is read, with its sets, and where it looks. */
static int known_of(struct known *out, const struct config_watch *w, struct buf *work)
{
    buf_clear(work);
    int r = rule_canonical(work, w->rule->root);
    for (const char *const *f = w->feeds; f && *f && r == 0; f++)
        r = buf_printf(work, "\n%s", *f);
    if (r == 0)
        *out = (struct known){ hash_text(w->name), XXH3_64bits(work->s, work->n) };
    return r;
}

static int by_name_hash(const void *a, const void *b)
{
    const struct known *x = a, *y = b;

    return (x->name > y->name) - (x->name < y->name);
}

/* The note that says what is in force now. */
static int write_note(struct recall *r, struct known *list, size_t n)
{
    qsort(list, n, sizeof *list, by_name_hash);
    return buf_put(&r->note, n ? (const char *)list : "-", n ? n * sizeof *list : 1);
}

static bool is_known(const struct buf *before, const struct known *k)
{
    size_t n = before->n / sizeof *k;
    const struct known *list = n ? (const void *)before->s : NULL; /* of malloc() */
    const struct known *found = n ? bsearch(k, list, n, sizeof *k, by_name_hash) : NULL;

    return found && found->rule == k->rule;
}

/* Set since_ms of the watches that are new and want a digest.  How many, or -errno. */
static int find_new(struct recall *r, const struct buf *before)
{
    const struct config *c = r->snap->config;
    struct known *list = calloc(c->n_watches + 1, sizeof *list);
    int e = list ? 0 : -ENOMEM, n = 0;

    r->oldest_ms = INT64_MAX;
    for (size_t i = 0; i < c->n_watches && e == 0; i++) {
        const struct config_watch *w = &c->watches[i];

        e = known_of(&list[i], w, &r->work);
        r->since_ms[i] = INT64_MAX;
        if (e < 0 || !before->n || !w->noise->new_rule_s || is_known(before, &list[i]))
            continue;
        r->since_ms[i] = r->now_ms - w->noise->new_rule_s * 1000;
        if (r->since_ms[i] < r->oldest_ms)
            r->oldest_ms = r->since_ms[i];
        n++;
    }
    if (e == 0)
        e = write_note(r, list, c->n_watches);
    free(list);
    return e < 0 ? e : n;
}

static int compile(struct recall *r, size_t n, struct buf *why)
{
    const struct config *c = r->snap->config;
    struct match_rule *list = calloc(n, sizeof *list);
    size_t k = 0;

    for (size_t i = 0; list && i < c->n_watches; i++)
        if (r->since_ms[i] != INT64_MAX)
            list[k++] = (struct match_rule){ (uint32_t)i, c->watches[i].rule->root };
    int e = list ? match_set_new(&r->rules, list, k, why, NULL) : -ENOMEM;
    if (e == 0)
        e = match_scratch_new(&r->scratch);
    free(list);
    return e;
}

/* --- feeds --- */

static int by_feed(const void *a, const void *b)
{
    return strcmp(((const struct home *)a)->conf->name,
                  ((const struct home *)b)->conf->name);
}

static struct home *home_of(struct recall *r, struct str feed)
{
    size_t low = 0, high = r->n_home;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *name = r->home[middle].conf->name;
        int c = strncmp(feed.s, name, feed.n);

        if (c == 0)
            c = name[feed.n] ? -1 : 0;
        if (c == 0)
            return &r->home[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static int take_id(void *ctx, const struct store_feed *f)
{
    struct home *h = home_of(ctx, str_of(f->name));

    if (h)
        h->id = f->id;
    return 0;
}

static int read_feeds(struct recall *r)
{
    const struct config *c = r->snap->config;

    r->home = calloc(c->n_feeds + 1, sizeof *r->home);
    if (!r->home)
        return -ENOMEM;
    for (; r->n_home < c->n_feeds; r->n_home++) {
        r->home[r->n_home].conf = &c->feeds[r->n_home];
        buf_init(&r->home[r->n_home].watch, 1 << 30);
    }
    qsort(r->home, r->n_home, sizeof *r->home, by_feed);
    return store_feeds(r->store, take_id, r);
}

/* --- what was told already --- */

static uint64_t told_hash(size_t watch, struct str feed, struct str link,
                          struct str title)
{
    uint64_t part[4] = { watch, XXH3_64bits(feed.s, feed.n), XXH3_64bits(link.s, link.n),
                         XXH3_64bits(title.s, title.n) };

    return XXH3_64bits(part, sizeof part) | 1; /* 0 is a free place */
}

static uint64_t *told_slot(uint64_t *told, size_t cap, uint64_t hash)
{
    size_t i = (hash >> 1) & (cap - 1);

    while (told[i] && told[i] != hash)
        i = (i + 1) & (cap - 1);
    return &told[i];
}

static int told_add(struct recall *r, uint64_t hash)
{
    if (r->n_told * 4 >= r->told_cap * 3) {
        size_t cap = r->told_cap ? r->told_cap * 2 : 256;
        uint64_t *more = calloc(cap, sizeof *more);

        if (!more)
            return -ENOMEM;
        for (size_t i = 0; i < r->told_cap; i++)
            if (r->told[i])
                *told_slot(more, cap, r->told[i]) = r->told[i];
        free(r->told);
        r->told = more;
        r->told_cap = cap;
    }
    uint64_t *slot = told_slot(r->told, r->told_cap, hash);
    r->n_told += *slot == 0;
    *slot = hash;
    return 0;
}

struct teller {
    struct recall *recall;
    size_t watch;
};

/* An alert of a new rule, with all its sources: they are not told again. */
static int take_told(void *ctx, const struct alert *a)
{
    struct teller *t = ctx;
    struct str sources = a->sources;
    struct alert_source s;

    int e = told_add(t->recall, told_hash(t->watch, a->feed, a->link, a->title));
    while (e == 0 && alert_source_next(&sources, &s))
        e = told_add(t->recall, told_hash(t->watch, s.feed, s.link, s.title));
    return e;
}

/* An alert of this rule that stands in the store was raised by an item that is kept. */
static int read_told(struct recall *r)
{
    const struct config *c = r->snap->config;
    int e = 0;

    for (size_t i = 0; i < c->n_watches && e == 0; i++) {
        struct teller t = { r, i };
        struct store_filter f = { .watch = str_of(c->watches[i].name),
                                  .since_ms = r->since_ms[i] };

        if (r->since_ms[i] != INT64_MAX)
            e = store_alerts_latest(r->store, SIZE_MAX, &f, take_told, &t);
    }
    return e;
}

/* --- matching --- */

/* Its own key: that of the item is not kept.  The same item makes the same one. */
static struct seen_key key_of(const struct history_item *h)
{
    uint64_t part[4] = { hash_text("recall"), XXH3_64bits(h->feed.s, h->feed.n),
                         XXH3_64bits(h->item.link.s, h->item.link.n),
                         XXH3_64bits(h->item.title.s, h->item.title.n) };
    XXH128_hash_t hash = XXH3_128bits(part, sizeof part);

    return (struct seen_key){ hash.high64, hash.low64 };
}

static int on_hit(void *ctx, uint32_t id, const struct match_span *spans, size_t n)
{
    struct recall *r = ctx;
    const struct config_watch *w = &r->snap->config->watches[id];
    const struct config_feed *f = r->item_home->conf;
    struct seen_key key = key_of(r->item);
    struct story_print print;

    if (history_when_ms(r->item) < r->since_ms[id] ||
        !snapshot_watch_covers(w, f->name, f->group) || r->found[id]++ >= ALERTS_MAX)
        return 0;
    struct alert_cause cause = {
        .watch = w,
        .feed = f->name,
        .sinks = f->sinks,
        .item = &r->item->item,
        .key = &key,
        .time_ms = r->now_ms,
        .fetched_ms = r->item->fetched_ms,
        .generation = (int64_t)r->snap->generation,
        .spans = spans,
        .n_spans = n,
        .print = &print,
        .late = true,
    };
    if (story_print(&print, &r->item->item, &r->words, &r->work) < 0)
        return -ENOMEM;
    int e = poller_alert_add(&r->item_home->alerts, &cause, &r->work);
    return e == 0 ? buf_put(&r->item_home->watch, (const char *)&id, sizeof id) : e;
}

static int on_record(void *ctx, const struct history_item *h)
{
    struct recall *r = ctx;

    r->item_home = home_of(r, h->feed);
    if (!r->item_home || !r->item_home->id || history_when_ms(h) < r->oldest_ms)
        return 0;
    const struct config_feed *f = r->item_home->conf;
    struct match_input in =
        match_input_of(&h->item, f->name, f->group, (struct str){ 0 });
    r->item = h;
    return match_item(r->rules, r->scratch, &in, on_hit, r);
}

static int on_row(void *ctx, struct str packed)
{
    int e = history_each(packed, on_record, ctx);

    return e == -EBADMSG ? 0 : e; /* the rest of it is lost */
}

/* --- telling --- */

/* Take out what was told before; the matches were counted without it. */
static void drop_told(struct recall *r, struct home *h)
{
    struct alerts *a = &h->alerts;
    size_t kept = 0;

    for (size_t i = 0; i < a->n; i++) {
        uint32_t watch;

        memcpy(&watch, h->watch.s + i * sizeof watch, sizeof watch);
        uint64_t hash =
            told_hash(watch, a->alert[i].feed, a->alert[i].link, a->alert[i].title);
        if (r->told_cap && *told_slot(r->told, r->told_cap, hash)) {
            free(a->text[i]);
            r->found[watch]--;
            continue;
        }
        a->alert[kept] = a->alert[i];
        a->key[kept] = a->key[i];
        a->print[kept] = a->print[i];
        a->text[kept++] = a->text[i];
    }
    a->n = kept;
}

static void say_found(const struct recall *r)
{
    const struct config *c = r->snap->config;

    for (size_t i = 0; i < c->n_watches; i++)
        if (r->since_ms[i] != INT64_MAX)
            log_event(LOG_LEVEL_NOTICE, "new_rule", "watch=%s found=%u%s",
                      log_quote(c->watches[i].name), r->found[i],
                      r->found[i] > ALERTS_MAX ? " note=\"the first 1000 are told\""
                                               : "");
}

static int tell(struct recall *r)
{
    struct writer_recall *list = calloc(r->n_home + 1, sizeof *list);
    size_t n = 0;
    int e = list ? read_told(r) : -ENOMEM;

    for (size_t i = 0; i < r->n_home && e == 0; i++) {
        struct home *h = &r->home[i];

        drop_told(r, h);
        if (h->alerts.n)
            list[n++] = (struct writer_recall){
                .change = { .feed_id = h->id,
                            .alerts = h->alerts.alert,
                            .alert_keys = h->alerts.key,
                            .n_alerts = h->alerts.n },
                .keys = h->alerts.key,
                .prints = h->alerts.print,
            };
    }
    if (e == 0)
        e = writer_recall(r->pipeline->writer, list, n, buf_str(&r->note));
    free(list);
    if (e == 0)
        say_found(r);
    return e;
}

/* --- up, run, down --- */

static void recall_free(struct recall *r)
{
    if (!r)
        return;
    sd_event_source_disable_unref(r->idle);
    sd_event_source_disable_unref(r->look);
    for (size_t i = 0; i < r->n_home; i++) {
        alerts_free(&r->home[i].alerts);
        buf_free(&r->home[i].watch);
    }
    free(r->home);
    free(r->told);
    free(r->since_ms);
    free(r->found);
    match_scratch_free(r->scratch);
    match_set_free(r->rules);
    store_close(r->store);
    text_done(&r->words);
    buf_free(&r->note);
    buf_free(&r->work);
    snapshot_unref(r->snap);
    free(r);
}

void pipeline_recall_drop(struct pipeline *p)
{
    recall_free(p->recall);
    p->recall = NULL;
}

static void give_up(struct pipeline *p, int error, const char *why)
{
    log_event(LOG_LEVEL_WARN, "new_rule_failed",
              "why=%s note=\"tried again at the next reload or start\"",
              log_quote(why && *why ? why : strerror(-error)));
    pipeline_recall_drop(p);
}

enum step { STEP_MORE, STEP_WAIT, STEP_DONE };

/* All is read.  What was still in flight, and has come since, is read as well. */
static enum step at_end(struct pipeline *p)
{
    struct recall *r = p->recall;

    if (!r->settled) {
        r->settled = snapshot_alive() == 1 || clock_mono_ms() >= r->flight_end_ms;
        return r->settled ? STEP_MORE : STEP_WAIT;
    }
    int e = tell(r);
    if (e < 0)
        give_up(p, e, store_why(r->store));
    else
        pipeline_recall_drop(p);
    return STEP_DONE;
}

/* Read for a turn. */
static enum step step(struct pipeline *p, int64_t turn_ms)
{
    struct recall *r = p->recall;
    int64_t end = clock_mono_ms() + turn_ms, before;
    int e;

    do {
        before = r->after;
        e = store_history(r->store, r->oldest_ms, &r->after, 1, on_row, r);
    } while (e == 0 && r->after != before && clock_mono_ms() < end);
    if (e < 0) {
        give_up(p, e, store_why(r->store));
        return STEP_DONE;
    }
    return r->after != before ? STEP_MORE : at_end(p);
}

static int on_idle(sd_event_source *s, void *ctx)
{
    struct pipeline *p = ctx;

    switch (step(p, TURN_MS)) {
    case STEP_MORE:
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
    case STEP_WAIT:
        (void)sd_event_source_set_time_relative(p->recall->look, LOOK_USEC);
        return sd_event_source_set_enabled(p->recall->look, SD_EVENT_ONESHOT);
    case STEP_DONE:
        break;
    }
    return 0;
}

static int on_look(sd_event_source *s, uint64_t usec, void *ctx)
{
    struct pipeline *p = ctx;

    (void)s;
    (void)usec;
    return sd_event_source_set_enabled(p->recall->idle, SD_EVENT_ONESHOT);
}

void pipeline_recall_finish(struct pipeline *p)
{
    while (p->recall && step(p, TURN_MS) == STEP_MORE)
        ; /* nothing is in flight any more */
}

static int make_ready(struct recall *r, size_t n, struct buf *why)
{
    struct pipeline *p = r->pipeline;

    int e = compile(r, n, why);
    if (e == 0)
        e = read_feeds(r);
    if (e == 0)
        e = sd_event_add_defer(p->event, &r->idle, on_idle, p);
    if (e >= 0)
        e = sd_event_add_time(p->event, &r->look, CLOCK_MONOTONIC, 0, 0, on_look, p);
    if (e >= 0)
        e = sd_event_source_set_enabled(r->look, SD_EVENT_OFF);
    if (e >= 0)
        e = sd_event_source_set_priority(r->idle, SD_EVENT_PRIORITY_IDLE);
    return e < 0 ? e : 0;
}

static int begin(struct recall *r, struct buf *why)
{
    const struct config *c = r->snap->config;
    struct buf before;

    buf_init(&before, NOTE_MAX);
    r->since_ms = calloc(c->n_watches + 1, sizeof *r->since_ms);
    r->found = calloc(c->n_watches + 1, sizeof *r->found);
    int e = r->since_ms && r->found ? 0 : -ENOMEM;
    if (e == 0)
        e = store_open(&r->store, c->state_dir, STORE_READ, why);
    if (e == 0)
        e = store_note_read(r->store, STORE_NOTE_RULES, &before);
    if (e == 0)
        e = find_new(r, &before);
    if (e > 0)
        e = make_ready(r, (size_t)e, why);
    else if (e == 0 && (before.n != r->note.n || memcmp(before.s, r->note.s, before.n)))
        e = writer_recall(r->pipeline->writer, NULL, 0, buf_str(&r->note));
    buf_free(&before);
    return e;
}

void pipeline_recall(struct pipeline *p)
{
    struct recall *r = calloc(1, sizeof *r);
    struct buf why;

    pipeline_recall_drop(p);
    buf_init(&why, 1000);
    p->recall = r;
    if (r) {
        r->pipeline = p;
        r->snap = snapshot_ref(p->snap);
        r->now_ms = clock_utc_ms();
        r->flight_end_ms = clock_mono_ms() + FLIGHT_MAX_MS;
        buf_init(&r->note, NOTE_MAX);
        buf_init(&r->work, 16 << 20);
    }
    int e = r ? begin(r, &why) : -ENOMEM;
    if (e < 0)
        give_up(p, e, why.s);
    else if (!r->idle)
        pipeline_recall_drop(p);
    buf_free(&why);
}
