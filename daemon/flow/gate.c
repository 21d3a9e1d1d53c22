/* Alerts, sources, updates, digests: what becomes of each hit, right before its commit.
 */
#include "gate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "gate_undo.h"
#include "log.h"
#include "metrics.h"
#include "name_table.h"

#define STORIES_MAX 50000
#define EXPIRE_EVERY_MS 60000
#define HOUR_MS 3600000LL
#define UPDATES_MS (7 * 24 * HOUR_MS) /* how long changes of an item are noticed */
#define DIGESTS_MAX 256               /* made at once */

/* A watch that has alerted; kept by name over reloads. */
struct watch {
    struct name_entry entry;         /* first */
    const struct config_noise *conf; /* NULL: it is no more */
    struct noise_state noise;
    /* what is held and in no digest yet, as it is in the store */
    int64_t count, first_seq, last_seq;
    enum alert_priority priority;
    bool late;
    char *sinks;
    size_t sinks_n;
};

struct mute {
    const struct config_watch *watch;
    bool over;
};

struct gate_rules {
    struct config *config;
    const struct config_watch **by_name; /* sorted */
    size_t n_by_name;
    struct mute *mute;
    size_t n_mute;
};

struct gate {                /* of one writer */
    struct gate_rules rules; /* all NULL: none yet */
    struct name_table watches;
    struct story_table *stories;
    bool loaded;
    int64_t next_ms, expire_ms;
    /* the change being made */
    struct store_change change;
    struct store_source *source;
    size_t n_source, cap_source;
    struct store_story *story;
    size_t n_story, cap_story;
    struct digest digest[DIGESTS_MAX];
    struct watch *digest_of[DIGESTS_MAX];
    size_t n_digest;
    struct gate_undo undo; /* of what was judged */
    void **memory;         /* freed with the next change */
    size_t n_memory, cap_memory;
};

static const struct config_noise none = { .by_item = true };

int gate_new(struct gate **out)
{
    struct gate *g = calloc(1, sizeof *g);

    if (!g || !(g->stories = story_table_new(STORIES_MAX))) {
        free(g);
        return -ENOMEM;
    }
    g->next_ms = INT64_MAX;
    *out = g;
    return 0;
}

/* --- memory of one change --- */

static int reserve(void **at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return 0;
    size_t more = *cap ? *cap * 2 : 64;
    void *p = realloc(*at, more * size);
    if (!p)
        return -ENOMEM;
    *at = p;
    *cap = more;
    return 0;
}

static int keep(struct gate *g, void *p)
{
    if (reserve((void **)&g->memory, g->n_memory, &g->cap_memory, sizeof *g->memory) < 0)
        return -ENOMEM;
    g->memory[g->n_memory++] = p;
    return 0;
}

static void clear_change(struct gate *g)
{
    while (g->n_memory)
        free(g->memory[--g->n_memory]);
    g->n_source = g->n_story = g->n_digest = 0;
    gate_undo_clear(&g->undo);
    g->change = (struct store_change){ 0 };
}

/* --- watches --- */

static int compare(struct str a, struct str b)
{
    int c = memcmp(a.s, b.s, a.n < b.n ? a.n : b.n);

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static const struct config_noise *conf_of(const struct gate *g, struct str name)
{
    size_t low = 0, high = g->rules.n_by_name;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = compare(name, str_of(g->rules.by_name[middle]->name));

        if (c == 0)
            return g->rules.by_name[middle]->noise;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* NULL: out of memory. */
static struct watch *watch_of(struct gate *g, struct str name)
{
    struct watch *w = name_table_find(&g->watches, name);

    if (!w && (w = name_table_get(&g->watches, name, sizeof *w)))
        w->conf = conf_of(g, name);
    return w;
}

static void flushed(struct watch *w)
{
    noise_flushed(&w->noise);
    w->count = w->first_seq = w->last_seq = 0;
    w->late = false;
    w->priority = ALERT_LOW;
}

static void forget_watches(struct gate *g)
{
    struct watch *w;

    for (size_t i = 0; (w = name_table_next(&g->watches, &i));) {
        noise_done(&w->noise);
        free(w->sinks);
    }
    name_table_done(&g->watches);
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    clear_change(g);
    forget_watches(g);
    story_table_free(g->stories);
    free(g->rules.by_name);
    free(g->rules.mute);
    config_unref(g->rules.config);
    free(g->source);
    free(g->story);
    gate_undo_done(&g->undo);
    free(g->memory);
    free(g);
}

static const struct noise_rules *rules_of(const struct watch *w)
{
    return w->conf ? &w->conf->rules : &none.rules;
}

static void look_ahead(struct gate *g, const struct watch *w, int64_t now_ms)
{
    int64_t due = noise_due_ms(&w->noise, rules_of(w), now_ms);

    if (due < g->next_ms)
        g->next_ms = due;
}

/* --- rules --- */

static int by_name(const void *x, const void *y)
{
    const struct config_watch *const *a = x, *const *b = y;

    return compare(str_of((*a)->name), str_of((*b)->name));
}

/* The watches that are muted, so that their end can be told. */
static int list_mutes(struct mute **out, size_t *n, const struct config *c,
                      int64_t now_ms)
{
    struct mute *list = NULL;
    size_t cap = 0;

    *n = 0;
    for (size_t i = 0; i < c->n_watches; i++) {
        if (c->watches[i].noise->rules.mute_until_ms <= now_ms)
            continue;
        if (reserve((void **)&list, *n, &cap, sizeof *list) < 0) {
            free(list);
            return -ENOMEM;
        }
        list[(*n)++] = (struct mute){ &c->watches[i], false };
    }
    *out = list;
    return 0;
}

static void say_mutes(const struct gate *g)
{
    for (size_t i = 0; i < g->rules.n_mute; i++) {
        const struct config_watch *w = g->rules.mute[i].watch;

        log_event(LOG_LEVEL_NOTICE, "muted", "watch=%s until_s=%" PRId64,
                  log_quote(w->name), w->noise->rules.mute_until_ms / 1000);
    }
}

int gate_rules_new(struct gate_rules **out, struct config *config, int64_t now_ms)
{
    struct gate_rules *r = calloc(1, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->config = config_ref(config);
    r->by_name = malloc((config->n_watches + 1) * sizeof *r->by_name);
    if (!r->by_name || list_mutes(&r->mute, &r->n_mute, config, now_ms) < 0) {
        gate_rules_free(r);
        return -ENOMEM;
    }
    for (size_t i = 0; i < config->n_watches; i++)
        r->by_name[i] = &config->watches[i];
    r->n_by_name = config->n_watches;
    qsort(r->by_name, r->n_by_name, sizeof *r->by_name, by_name);
    *out = r;
    return 0;
}

void gate_rules_free(struct gate_rules *r)
{
    if (!r)
        return;
    free(r->by_name);
    free(r->mute);
    config_unref(r->config);
    free(r);
}

void gate_rules_take(struct gate *g, struct gate_rules *r, int64_t now_ms)
{
    struct gate_rules old = g->rules;
    struct watch *w;

    g->rules = *r;
    *r = old;
    for (size_t i = 0; (w = name_table_next(&g->watches, &i));)
        w->conf = conf_of(g, str_of(w->entry.name));
    g->next_ms = now_ms;
    g->loaded = false; /* other limits count other times */
    say_mutes(g);
    gate_rules_free(r);
}

/* --- what is in the store --- */

static int set_sinks(struct watch *w, struct str sinks)
{
    char *copy;

    if (w->sinks && str_eq((struct str){ w->sinks, w->sinks_n }, sinks))
        return 0;
    copy = malloc(sinks.n + 1);
    if (!copy)
        return -ENOMEM;
    if (sinks.n)
        memcpy(copy, sinks.s, sinks.n);
    free(w->sinks);
    w->sinks = copy;
    w->sinks_n = sinks.n;
    return 0;
}

/* An alert is recorded as held. */
static int note_held(struct watch *w, int64_t seq, enum alert_priority priority,
                     bool late, struct str sinks)
{
    if (!w->count++)
        w->first_seq = seq;
    w->last_seq = seq;
    if (priority > w->priority)
        w->priority = priority;
    w->late = w->late || late;
    return set_sinks(w, sinks);
}

static int load_alert(void *ctx, const struct store_open_alert *a)
{
    struct gate *g = ctx;
    struct watch *w = watch_of(g, a->watch);
    enum noise_reason why = noise_reason_of(a->held);

    if (!w)
        return -ENOMEM;
    if (!a->held.n)
        return noise_told(&w->noise, rules_of(w), a->time_ms);
    if (why == NOISE_MAX_AGE)
        return 0;
    if (why == NOISE_TELL) /* a word of a later version */
        why = NOISE_STORM;
    if (why == NOISE_NEW_RULE && !a->waits)
        return 0;
    int r = a->waits ? noise_held(&w->noise, rules_of(w), why, a->time_ms)
                     : noise_counted(&w->noise, rules_of(w), a->time_ms);
    if (r == 0 && a->waits)
        r = note_held(w, a->seq, a->priority, a->late, a->sinks);
    return r;
}

static int load_story(void *ctx, const struct store_story *s)
{
    struct gate *g = ctx;
    struct story_row row = { s->id, s->until_ms, s->watch, s->packed };
    int r = story_put_row(g->stories, &row);

    return r == -EBADMSG ? 0 : r; /* as if it had never been */
}

/* How far back told alerts count. */
static int64_t horizon_ms(const struct gate *g)
{
    int64_t most = HOUR_MS;

    for (size_t i = 0; i < g->rules.n_by_name; i++)
        if (g->rules.by_name[i]->noise->rules.cooldown_ms > most)
            most = g->rules.by_name[i]->noise->rules.cooldown_ms;
    return most;
}

int gate_load(struct gate *g, struct store *store, int64_t now_ms)
{
    struct story_table *stories = story_table_new(STORIES_MAX);

    g->loaded = false;
    if (!stories)
        return -ENOMEM;
    clear_change(g);
    forget_watches(g);
    story_table_free(g->stories);
    g->stories = stories;
    g->next_ms = now_ms;
    int r = store_stories(store, load_story, g);
    if (r == 0)
        r = store_alerts_open(store, now_ms - horizon_ms(g), load_alert, g);
    g->loaded = r == 0;
    return r;
}

bool gate_loaded(const struct gate *g)
{
    return g->loaded;
}

/* --- judging --- */

/* The item is not known here as one that alerted before. */
static void no_update(struct gate *g, const struct gate_input *in, size_t i)
{
    struct alert *a = &in->change->alerts[i];

    if (a->update)
        gate_undo_keep(&g->undo, in, i);
    a->update = false;
}

/* An update is an alert of its own: another key, another id. */
static void revise(struct alert *a, struct seen_key *key, const struct story_print *p)
{
    struct {
        struct seen_key key;
        uint64_t text;
        char id[32];
    } from = { .key = *key };

    from.text =
        XXH3_64bits(p->title, sizeof p->title) ^ XXH3_64bits(p->lead, sizeof p->lead) * 3;
    memcpy(from.id, a->id, sizeof from.id);
    XXH128_hash_t h = XXH3_128bits(&from, sizeof from);
    snprintf(a->id, sizeof a->id, "%016" PRIx64 "%016" PRIx64, h.high64, h.low64);
    from.key.hi ^= from.text;
    h = XXH3_128bits(&from.key, sizeof from.key);
    *key = (struct seen_key){ h.high64, h.low64 };
}

static struct story_case case_of(const struct config_noise *conf,
                                 const struct gate_input *in, size_t i, int64_t now_ms)
{
    const struct alert *a = &in->change->alerts[i];

    return (struct story_case){
        .watch = a->watch,
        .feed = a->feed,
        .title = a->title,
        .link = a->link,
        .feed_id = in->change->feed_id,
        .key = in->keys[i],
        .print = &in->prints[i],
        .now_ms = now_ms,
        .window_ms = conf->story_window_s * 1000,
        .keep_ms = conf->on_update ? UPDATES_MS : 0,
        .min_sources = conf->min_sources,
        .within_ms = conf->within_s * 1000,
        .collapse = !conf->by_item,
        .update = a->update,
    };
}

static int add_source(struct gate *g, const struct story_case *c,
                      const struct story_result *r)
{
    if (r->list_full)
        return 0;
    if (reserve((void **)&g->source, g->n_source, &g->cap_source, sizeof *g->source) < 0)
        return -ENOMEM;
    g->source[g->n_source++] = (struct store_source){
        .feed_id = r->feed_id,
        .key = r->key,
        .watch = c->watch,
        .source = { c->feed, c->link, c->title, c->now_ms },
    };
    return 0;
}

/* Is the hit at `i` an alert of its own?  In doubt it is. */
static bool judge_story(struct gate *g, const struct config_noise *conf,
                        const struct gate_input *in, size_t i, int64_t now_ms)
{
    struct alert *a = &in->change->alerts[i];
    struct story_case c = case_of(conf, in, i, now_ms);
    struct story_result result;
    struct buf sources;

    buf_init(&sources, 60000);
    if (story_judge(g->stories, &c, &result, &sources) < 0)
        result.verdict = STORY_ALERT;
    if (sources.n && keep(g, sources.s) == 0)
        a->sources = buf_str(&sources);
    else
        buf_free(&sources);
    switch (result.verdict) {
    case STORY_JOINS:
        return add_source(g, &c, &result) < 0;
    case STORY_REPEATS:
    case STORY_WAITS:
        return false;
    case STORY_UPDATE:
        gate_undo_keep(&g->undo, in, i);
        revise(a, &in->keys[i], &in->prints[i]);
        return true;
    case STORY_ALERT:
        no_update(g, in, i);
        return true;
    }
    return true;
}

/* Is a change of an item looked for, or is the story? */
static bool needs_story(const struct config_noise *conf, const struct gate_input *in)
{
    return in->prints && (!conf->by_item || conf->on_update);
}

static void judge_noise(struct gate *g, struct watch *w, struct alert *a, int64_t now_ms)
{
    int why = noise_decide(&w->noise, rules_of(w), a->late, a->published_s, now_ms);

    if (why <= NOISE_TELL) /* also when there is no memory to remember it */
        return;
    a->held = str_of(noise_reason_name((enum noise_reason)why));
    look_ahead(g, w, now_ms);
}

/* A new rule's alert of an old item. */
static void judge_recalled(struct gate *g, struct watch *w, struct alert *a,
                           int64_t now_ms)
{
    (void)noise_held(&w->noise, rules_of(w), NOISE_NEW_RULE, now_ms);
    a->held = str_of(noise_reason_name(NOISE_NEW_RULE));
    look_ahead(g, w, now_ms);
}

static void judge_change(struct gate *g, const struct gate_input *in, int64_t now_ms)
{
    for (size_t i = 0; i < in->change->n_alerts;) {
        struct alert *a = &in->change->alerts[i];
        struct watch *w = watch_of(g, a->watch);
        const struct config_noise *conf = w && w->conf ? w->conf : &none;

        if ((a->update && !conf->on_update) ||
            (needs_story(conf, in) && !judge_story(g, conf, in, i, now_ms))) {
            gate_undo_drop(&g->undo, in, i);
            continue;
        }
        if (!in->prints)
            no_update(g, in, i);
        if (w && in->recalled)
            judge_recalled(g, w, a, now_ms);
        else if (w)
            judge_noise(g, w, a, now_ms);
        i++;
    }
}

static void collect_stories(struct gate *g)
{
    struct story_row row;

    while (story_take_row(g->stories, &row)) {
        char *copy = malloc(row.packed.n + 1);

        if (!copy || keep(g, copy) < 0) {
            free(copy);
            continue; /* after a restart later sources will raise an alert of their own */
        }
        if (row.packed.n)
            memcpy(copy, row.packed.s, row.packed.n);
        if (reserve((void **)&g->story, g->n_story, &g->cap_story, sizeof *g->story) == 0)
            g->story[g->n_story++] = (struct store_story){
                row.id, row.until_ms, row.watch, { copy, row.packed.n }
            };
    }
}

static struct store_change *change_of(struct gate *g)
{
    g->change = (struct store_change){ .sources = g->source,
                                       .n_sources = g->n_source,
                                       .stories = g->story,
                                       .n_stories = g->n_story,
                                       .digests = g->digest,
                                       .n_digests = g->n_digest };
    return g->n_source || g->n_story || g->n_digest ? &g->change : NULL;
}

/* Without knowledge of what was before: all are alerts, but nothing is an update. */
static void let_pass(struct gate *g, const struct gate_input *in)
{
    for (size_t i = 0; i < in->change->n_alerts;)
        if (in->change->alerts[i].update)
            gate_undo_drop(&g->undo, in, i);
        else
            i++;
}

void gate_forget(struct gate *g)
{
    gate_undo_all(&g->undo);
    g->loaded = false;
    clear_change(g);
}

struct store_change *gate_judge(struct gate *g, const struct gate_input *in, size_t n,
                                int64_t now_ms)
{
    clear_change(g);
    if (gate_undo_begin(&g->undo, in, n) < 0)
        g->loaded = false; /* it would remember what cannot be undone */
    for (size_t i = 0; i < n; i++) {
        if (g->loaded)
            judge_change(g, &in[i], now_ms);
        else
            let_pass(g, &in[i]);
    }
    collect_stories(g);
    return change_of(g);
}

/* --- digests --- */

static bool can_wait_no_more(const struct watch *w)
{
    return !(w->noise.reasons & ~(1u << NOISE_LATE | 1u << NOISE_STORM |
                                  1u << NOISE_GROUP_WAIT | 1u << NOISE_NEW_RULE));
}

/* "quiet\nstorm\n" */
static char *reasons_text(const struct noise_state *s)
{
    char text[200];
    size_t n = 0;

    for (int i = 1; i < NOISE_REASONS; i++)
        if (s->reasons & 1u << i)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s\n",
                                  noise_reason_name((enum noise_reason)i));
    return strndup(text, n);
}

static int make_digest(struct gate *g, struct watch *w, int64_t now_ms)
{
    struct digest *d = &g->digest[g->n_digest];
    char *reason = reasons_text(&w->noise), text[100];

    if (!reason || keep(g, reason) < 0) {
        free(reason);
        return -ENOMEM;
    }
    *d = (struct digest){ .time_ms = now_ms,
                          .count = w->count,
                          .first_seq = w->first_seq,
                          .last_seq = w->last_seq,
                          .priority = w->priority,
                          .late = w->late,
                          .watch = str_of(w->entry.name),
                          .reason = str_of(reason),
                          .sinks = { w->sinks, w->sinks_n } };
    int n = snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " ", w->first_seq,
                     w->last_seq);
    XXH128_hash_t h = XXH3_128bits_withSeed(
        text, (size_t)n, XXH3_64bits(w->entry.name, strlen(w->entry.name)));
    snprintf(d->id, sizeof d->id, "%016" PRIx64 "%016" PRIx64, h.high64, h.low64);
    g->digest_of[g->n_digest++] = w;
    return 0;
}

/* It has no line of its own in the alert log: this is where nothing is lost. */
static void joined(const struct store_source *s)
{
    if (!s->seq)
        return;
    metrics_add(METRIC_JOINED, 1);
    log_event(LOG_LEVEL_INFO, "joined", "watch=%s alert=%" PRId64 " feed=%s title=%s",
              log_quote_str(s->watch), s->seq, log_quote_str(s->source.feed),
              log_quote_str(s->source.title));
}

static void say_digest(const struct digest *d)
{
    log_event(LOG_LEVEL_INFO, "digest",
              "watch=%s alerts=%" PRId64 " first=%" PRId64 " last=%" PRId64,
              log_quote_str(d->watch), d->count, d->first_seq, d->last_seq);
}

static void end_mutes(struct gate *g, int64_t now_ms)
{
    for (size_t i = 0; i < g->rules.n_mute; i++) {
        struct mute *m = &g->rules.mute[i];
        int64_t until = m->watch->noise->rules.mute_until_ms;

        if (!m->over && now_ms >= until) {
            const struct watch *w = name_table_find(&g->watches, str_of(m->watch->name));

            m->over = true;
            log_event(LOG_LEVEL_NOTICE, "mute_ended", "watch=%s held=%" PRId64,
                      log_quote(m->watch->name), w ? w->count : 0);
        } else if (!m->over && until < g->next_ms) {
            g->next_ms = until;
        }
    }
}

static void say_expired(void *ctx, struct str watch, struct str title, unsigned sources)
{
    (void)ctx;
    metrics_add(METRIC_EXPIRED, 1);
    log_event(LOG_LEVEL_INFO, "story_expired", "watch=%s sources=%u title=%s",
              log_quote_str(watch), sources, log_quote_str(title));
}

static void due_digests(struct gate *g, int64_t now_ms, bool all)
{
    struct watch *w;

    for (size_t i = 0;
         g->n_digest < DIGESTS_MAX && (w = name_table_next(&g->watches, &i));) {
        if (!w->noise.held)
            continue;
        if (noise_due_ms(&w->noise, rules_of(w), now_ms) > now_ms &&
            !(all && can_wait_no_more(w)))
            look_ahead(g, w, now_ms);
        else if (!w->count)
            flushed(w); /* they were recorded before */
        else if (make_digest(g, w, now_ms) < 0)
            g->next_ms = now_ms + 1000;
    }
    if (g->n_digest == DIGESTS_MAX)
        g->next_ms = now_ms;
}

struct store_change *gate_due(struct gate *g, int64_t now_ms, bool all)
{
    clear_change(g);
    g->next_ms = INT64_MAX;
    if (!g->loaded)
        return NULL;
    due_digests(g, now_ms, all);
    end_mutes(g, now_ms);
    if (now_ms >= g->expire_ms || now_ms + EXPIRE_EVERY_MS < g->expire_ms) {
        story_expire(g->stories, now_ms, say_expired, g);
        g->expire_ms = now_ms + EXPIRE_EVERY_MS;
        collect_stories(g);
    }
    return change_of(g);
}

/* --- after the commit --- */

static void held_done(struct gate *g, const struct alert *a)
{
    enum noise_reason why = noise_reason_of(a->held);
    struct watch *w = name_table_find(&g->watches, a->watch);

    metrics_held(a->watch, why);
    if (w && why != NOISE_MAX_AGE &&
        note_held(w, a->seq, a->priority, a->late, a->sinks) < 0)
        g->loaded = false; /* reload what there is no memory for */
}

static void alerts_done(struct gate *g, const struct store_change *c)
{
    for (size_t i = 0; i < c->n_alerts; i++) {
        const struct alert *a = &c->alerts[i];

        if (!a->seq) /* known before */
            continue;
        metrics_add(METRIC_UPDATES, a->update);
        if (a->held.n)
            held_done(g, a);
    }
}

void gate_done(struct gate *g, const struct gate_input *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        alerts_done(g, in[i].change);
    for (size_t i = 0; i < g->n_source; i++)
        joined(&g->source[i]);
    for (size_t i = 0; i < g->n_digest; i++) {
        say_digest(&g->digest[i]);
        flushed(g->digest_of[i]);
    }
    metrics_add(METRIC_DIGESTS, (int64_t)g->n_digest);
    clear_change(g);
}

int64_t gate_next_ms(const struct gate *g)
{
    return g->next_ms < g->expire_ms ? g->next_ms : g->expire_ms;
}
