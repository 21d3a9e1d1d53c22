/* The table of stories: which hit is a new alert, which one joins another, which waits.
 */
#include "story_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#define SKIP_PENDING 64 /* looked at for one to forget that does not wait */
#define LOOKED_AT                                                                        \
    300 /* for the story of one item, by its words, the rare ones first                  \
         */

/* --- memory --- */

struct story_table *story_table_new(size_t max)
{
    struct story_table *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->max = max ? max : 1;
    buf_init(&t->packed, 1 << 20);
    return t;
}

static void free_refs(struct story_table *t, struct story_ref *ref, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        story_index_take(&t->index, &ref[i]);
    free(ref);
}

static void free_member(struct story_table *t, struct story_member *m)
{
    if (m->at)
        story_index_take(&t->index, m->at);
    free(m->at);
    free(m->source);
}

void story_free(struct story_table *t, struct story *s)
{
    for (uint32_t i = 0; i < s->n_members; i++)
        free_member(t, &s->member[i]);
    free_refs(t, s->ref, s->n_refs);
    free(s->member);
    free(s);
}

void story_table_free(struct story_table *t)
{
    if (!t)
        return;
    for (struct story *s = t->oldest, *next; s; s = next) {
        next = s->newer;
        story_free(t, s);
    }
    story_index_free(&t->index);
    free(t->found);
    name_table_done(&t->watches);
    free(t->dead);
    buf_free(&t->packed);
    free(t);
}

/* The watch of this name, made when there is none; NULL: out of memory. */
struct story_watch *story_watch_of(struct story_table *t, struct str name)
{
    return name_table_get(&t->watches, name, sizeof(struct story_watch));
}

/* Its memory, counted anew after each change of `s`. */
static void count(struct story_table *t, struct story *s)
{
    size_t refs = s->n_refs;

    for (uint32_t i = 0; i < s->n_members; i++)
        refs += s->member[i].at != NULL;
    t->bytes -= s->bytes;
    s->bytes = sizeof *s + s->cap * sizeof *s->member + refs * sizeof *s->ref;
    t->bytes += s->bytes;
}

static int reserve_member(struct story *s)
{
    if (s->n_members < s->cap)
        return 0;
    uint32_t cap = s->cap ? s->cap * 2 : 1;
    void *p = realloc(s->member, cap * sizeof *s->member);
    if (!p)
        return -ENOMEM;
    s->member = p;
    s->cap = cap;
    return 0;
}

/* --- where stories are found --- */

enum kind { KIND_ITEM = 1, KIND_LINK, KIND_WORD };

static uint64_t key_of(const struct story_watch *w, enum kind kind, const void *p,
                       size_t n)
{
    return XXH3_64bits_withSeed(p, n, w->entry.hash + kind);
}

static uint64_t item_key(const struct story_watch *w, int64_t feed_id,
                         struct seen_key key)
{
    uint64_t item[3] = { (uint64_t)feed_id, key.hi, key.lo };

    return key_of(w, KIND_ITEM, item, sizeof item);
}

static uint64_t link_key(const struct story_watch *w, uint64_t link)
{
    return key_of(w, KIND_LINK, &link, sizeof link);
}

static uint64_t word_key(const struct story_watch *w, uint32_t word)
{
    uint32_t stem = story_stem(word);

    return key_of(w, KIND_WORD, &stem, sizeof stem);
}

/* `s` is found by its item and by the words of `print` from now on, which are to be its
 * own.  0, or -ENOMEM: nothing changed. */
static int find_by(struct story_table *t, struct story *s, int64_t feed_id,
                   struct seen_key key, const struct story_print *print)
{
    uint32_t n = s->plain ? 0 : print->n_title, done = 0;
    struct story_ref *ref = calloc(n + 1, sizeof *ref);
    int r = ref ? 0 : -ENOMEM;

    for (; r == 0 && done <= n; done += r == 0)
        r = story_index_put(&t->index,
                            done < n ? word_key(s->watch, print->title[done])
                                     : item_key(s->watch, feed_id, key),
                            &ref[done], s);
    if (r < 0) {
        free_refs(t, ref, done);
        return r;
    }
    free_refs(t, s->ref, s->n_refs);
    s->ref = ref;
    s->n_refs = n + 1;
    return 0;
}

/* A member is found by its link. */
static int find_member(struct story_table *t, struct story *s, struct story_member *m)
{
    if (!m->link)
        return 0;
    m->at = calloc(1, sizeof *m->at);
    int r = m->at ? story_index_put(&t->index, link_key(s->watch, m->link), m->at, s)
                  : -ENOMEM;
    if (r < 0) {
        free(m->at);
        m->at = NULL;
    }
    return r;
}

static void mark(struct story_table *t, struct story *s)
{
    if (s->dirty)
        return;
    s->dirty = true;
    s->next_dirty = t->dirty;
    t->dirty = s;
}

int story_link_in(struct story_table *t, struct story *s, struct story_watch *w)
{
    s->watch = w;
    int r = find_by(t, s, s->feed_id, s->key, &s->print);
    for (uint32_t i = 0; r == 0 && i < s->n_members; i++)
        r = find_member(t, s, &s->member[i]);
    if (r < 0)
        return r;
    s->older = t->newest;
    *(t->newest ? &t->newest->newer : &t->oldest) = s;
    t->newest = s;
    t->n++;
    count(t, s);
    return 0;
}

/* Take `s` out and free it; its row goes, too (if there is no memory to say so, its time
 * runs out). */
static void forget(struct story_table *t, struct story *s)
{
    *(s->newer ? &s->newer->older : &t->newest) = s->older;
    *(s->older ? &s->older->newer : &t->oldest) = s->newer;
    for (struct story **at = &t->dirty; s->dirty && *at; at = &(*at)->next_dirty)
        if (*at == s) {
            *at = s->next_dirty;
            break;
        }
    if (t->n_dead == t->cap_dead) {
        size_t cap = t->cap_dead ? t->cap_dead * 2 : 64;
        void *p = realloc(t->dead, cap * sizeof *t->dead);

        t->dead = p ? p : t->dead;
        t->cap_dead = p ? cap : t->cap_dead;
    }
    if (t->n_dead < t->cap_dead)
        t->dead[t->n_dead++] = s->id;
    t->n--;
    t->bytes -= s->bytes;
    story_free(t, s);
}

void story_make_room(struct story_table *t)
{
    while (t->n > t->max) {
        struct story *s = t->oldest;

        for (unsigned i = 0; s && s->waits && i < SKIP_PENDING; i++)
            s = s->newer;
        forget(t, s && !s->waits ? s : t->oldest);
    }
}

/* --- judging --- */

static bool same_key(const struct seen_key *a, const struct seen_key *b)
{
    return a->hi == b->hi && a->lo == b->lo;
}

/* The story whose alert is, or whose first item waits as, the item of `c`. */
static struct story *own_story(const struct story_table *t, const struct story_watch *w,
                               const struct story_case *c)
{
    const struct story_list *l =
        story_index_find(&t->index, item_key(w, c->feed_id, c->key));

    for (const struct story_ref *r = l ? l->first : NULL; r; r = r->older)
        if (r->story->watch == w && r->story->feed_id == c->feed_id &&
            same_key(&r->story->key, &c->key))
            return r->story;
    return NULL;
}

static const struct story_member *member_of(const struct story *s, int64_t feed_id)
{
    for (uint32_t i = 0; i < s->n_members; i++)
        if (s->member[i].feed_id == feed_id)
            return &s->member[i];
    return NULL;
}

static bool has_link(const struct story *s, uint64_t link)
{
    for (uint32_t i = 0; link && i < s->n_members; i++)
        if (s->member[i].link == link)
            return true;
    return false;
}

static void drop_member(struct story_table *t, struct story *s, uint32_t i)
{
    free_member(t, &s->member[i]);
    s->n_members--;
    memmove(&s->member[i], &s->member[i + 1], (s->n_members - i) * sizeof *s->member);
}

/* Sources that came too long before to count with one that comes now. */
static void drop_old(struct story_table *t, struct story *s, int64_t now_ms,
                     int64_t within_ms)
{
    for (uint32_t i = 0; i < s->n_members;)
        if (now_ms - s->member[i].time_ms > within_ms)
            drop_member(t, s, i);
        else
            i++;
}

static bool is_live(const struct story *s, const struct story_case *c)
{
    return !s->plain &&
           (s->waits ? c->now_ms <= s->until_ms : c->now_ms - s->time_ms <= s->window_ms);
}

enum fit { FIT_NOT, FIT_SAME, FIT_REPEATS };

static enum fit fits(const struct story *s, const struct story_case *c)
{
    const struct story_member *own = member_of(s, c->feed_id);

    if (own)
        return own->link && own->link == c->print->link &&
                       story_text_same(&s->print, c->print, c->now_ms - s->time_ms)
                   ? FIT_REPEATS
                   : FIT_NOT;
    return has_link(s, c->print->link) ||
                   story_text_same(&s->print, c->print, c->now_ms - s->time_ms)
               ? FIT_SAME
               : FIT_NOT;
}

static int add_found(struct story_table *t, struct story *s)
{
    if (t->n_found == t->cap_found) {
        size_t cap = t->cap_found ? t->cap_found * 2 : 256;
        void *p = realloc(t->found, cap * sizeof *t->found);

        if (!p)
            return -ENOMEM;
        t->found = p;
        t->cap_found = cap;
    }
    t->found[t->n_found++] = s;
    return 0;
}

/* All stories of the list have `weight` in common with the item that is asked for.
 * Looks at *budget of them at most, the newest first. */
static int found_in(struct story_table *t, const struct story_watch *w,
                    const struct story_list *l, unsigned weight, unsigned *budget)
{
    int r = 0;

    for (struct story_ref *f = l ? l->first : NULL; r == 0 && f && *budget;
         f = f->older, --*budget) {
        if (f->story->watch != w)
            continue;
        if (f->story->asked != t->asked) {
            f->story->asked = t->asked;
            f->story->common = 0;
            r = add_found(t, f->story);
        }
        f->story->common += weight;
    }
    return r;
}

struct asked { /* a word of a title, and who else has it */
    const struct story_list *list;
    unsigned weight;
};

static int by_length(const void *x, const void *y)
{
    const struct asked *a = x, *b = y;
    size_t n = a->list ? a->list->n : 0, m = b->list ? b->list->n : 0;

    return (n > m) - (n < m);
}

/* Who else has the words of `print`?  Returns the weight of its title. */
static unsigned ask(const struct story_table *t, const struct story_watch *w,
                    const struct story_print *print, struct asked *out)
{
    unsigned weight = 0;

    for (unsigned i = 0; i < print->n_title; i++) {
        out[i].list = story_index_find(&t->index, word_key(w, print->title[i]));
        out[i].weight = story_weight(print->title[i]);
        weight += out[i].weight;
    }
    /* cppcheck-suppress uninitvar ; the loop has written what is sorted */
    qsort(out, print->n_title, sizeof *out, by_length);
    return weight;
}

/* Put into t->found the stories that may be that of `print`.  Words that many have are
 * left out: as long as those alone are not enough, and when there are too many. */
static int find_all(struct story_table *t, const struct story_watch *w,
                    const struct story_print *print)
{
    struct asked word[STORY_TITLE_MAX];
    unsigned all = ask(t, w, print, word), left = all, budget = LOOKED_AT;
    size_t n = 0;
    int r = 0;

    t->n_found = 0;
    t->asked++;
    if (print->link)
        r = found_in(t, w, story_index_find(&t->index, link_key(w, print->link)), all,
                     &budget);
    for (unsigned i = 0; i < print->n_title && r == 0 && budget; i++) {
        if (!story_title_enough(left, all))
            break;
        r = found_in(t, w, word[i].list, word[i].weight, &budget);
        if (budget)
            left -= word[i].weight;
    }
    for (size_t i = 0; i < t->n_found; i++)
        if (story_title_enough(t->found[i]->common + left, all))
            t->found[n++] = t->found[i];
    t->n_found = n;
    return r;
}

/* Is `a` to be joined rather than `b`, which may be NULL?  One that alerted before one
 * that waits, the newest first. */
static bool rather(const struct story *a, const struct story *b)
{
    return !b || (a->waits != b->waits ? !a->waits : a->id > b->id);
}

/* The story that the item of `c` belongs to, or NULL.  0 or -ENOMEM. */
static int find(struct story_table *t, const struct story_watch *w,
                const struct story_case *c, struct story **out, enum fit *fit)
{
    struct story *best = NULL;

    *fit = FIT_NOT;
    int r = find_all(t, w, c->print);
    for (size_t i = 0; r == 0 && i < t->n_found; i++) {
        struct story *s = t->found[i];

        if (!is_live(s, c) || !rather(s, best))
            continue;
        enum fit f = fits(s, c);
        if (f == FIT_NOT)
            continue;
        *fit = f;
        best = s;
    }
    *out = best;
    return r;
}

/* The source of `c`, packed and owned; NULL: out of memory. */
static char *pack_source(const struct story_case *c, size_t *n)
{
    struct alert_source source = { c->feed, c->link, c->title, c->now_ms };
    struct buf b;

    buf_init(&b, 64 << 10);
    if (alert_source_put(&b, &source) < 0) {
        source.link = source.title = (struct str){ 0 }; /* too long: the feed will do */
        buf_clear(&b);
        (void)alert_source_put(&b, &source);
    }
    if (b.error) {
        buf_free(&b);
        return NULL;
    }
    *n = b.n;
    return b.s;
}

static int add_member(struct story_table *t, struct story *s, const struct story_case *c)
{
    struct story_member m = { .feed_id = c->feed_id,
                              .time_ms = c->now_ms,
                              .link = c->print->link };

    if (reserve_member(s) < 0 || find_member(t, s, &m) < 0)
        return -ENOMEM;
    if (s->waits && !(m.source = pack_source(c, &m.source_n))) {
        free_member(t, &m);
        return -ENOMEM;
    }
    s->member[s->n_members++] = m;
    count(t, s);
    mark(t, s);
    return 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* `s` has its alert now, which is that of `c`. */
static void raise_story(struct story *s, const struct story_case *c)
{
    for (uint32_t i = 0; i < s->n_members; i++) {
        free(s->member[i].source);
        s->member[i].source = NULL;
        s->member[i].source_n = 0;
    }
    s->waits = false;
    s->feed_id = c->feed_id;
    s->key = c->key;
    s->print = *c->print;
    s->time_ms = c->now_ms;
    s->window_ms = c->window_ms;
    s->until_ms = c->now_ms + later(c->window_ms, c->keep_ms);
}

static int begin(struct story_table *t, struct story_watch *w, const struct story_case *c,
                 struct story_result *out)
{
    struct story *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    raise_story(s, c);
    s->id = t->last_id + 1;
    s->plain = !c->collapse;
    s->waits = c->collapse && c->min_sources > 1;
    if (s->waits)
        s->until_ms = c->now_ms + c->within_ms;
    int r = story_link_in(t, s, w);
    if (r < 0) {
        story_free(t, s);
        return r;
    }
    t->last_id++;
    r = add_member(t, s, c);
    if (r < 0) {
        forget(t, s);
        return r;
    }
    out->verdict = s->waits ? STORY_WAITS : STORY_ALERT;
    story_make_room(t);
    return 0;
}

static int join(struct story_table *t, struct story *s, const struct story_case *c,
                struct story_result *out)
{
    out->verdict = STORY_JOINS;
    out->feed_id = s->feed_id;
    out->key = s->key;
    out->list_full = s->n_members >= STORY_SOURCES_MAX;
    return out->list_full ? 0 : add_member(t, s, c);
}

/* One source more for a story that waits: perhaps it is enough. */
static int corroborate(struct story_table *t, struct story *s, const struct story_case *c,
                       struct story_result *out, struct buf *sources)
{
    drop_old(t, s, c->now_ms, c->within_ms);
    int r = add_member(t, s, c);
    if (r < 0)
        return r;
    if (s->n_members < c->min_sources) {
        s->until_ms = c->now_ms + c->within_ms;
        out->verdict = STORY_WAITS;
        return 0;
    }
    for (uint32_t i = 0; i + 1 < s->n_members; i++)
        (void)buf_put(sources, s->member[i].source, s->member[i].source_n);
    if (sources->error == -ENOMEM || find_by(t, s, c->feed_id, c->key, c->print) < 0) {
        drop_member(t, s, s->n_members - 1);
        return -ENOMEM;
    }
    raise_story(s, c);
    count(t, s);
    out->verdict = STORY_ALERT;
    return 0;
}

/* The item was shown before. */
static int judge_known(struct story_table *t, struct story *own,
                       const struct story_case *c, struct story_result *out)
{
    out->verdict = STORY_REPEATS;
    if (!c->update || !story_changed(&own->print, c->print))
        return 0;
    int r = find_by(t, own, own->feed_id, own->key, c->print);
    if (r < 0)
        return r;
    own->print = *c->print;
    count(t, own);
    mark(t, own);
    if (own->waits)
        return 0;
    own->until_ms = later(own->until_ms, c->now_ms + c->keep_ms);
    out->verdict = STORY_UPDATE;
    return 0;
}

/* An item that joined another feed's alert has changed: that is no news. */
static bool is_known_member(const struct story_table *t, const struct story_watch *w,
                            const struct story_case *c)
{
    const struct story_list *l =
        c->print->link ? story_index_find(&t->index, link_key(w, c->print->link)) : NULL;

    for (const struct story_ref *r = l ? l->first : NULL; r; r = r->older) {
        const struct story_member *m =
            r->story->watch == w ? member_of(r->story, c->feed_id) : NULL;

        if (m && m->link == c->print->link)
            return true;
    }
    return false;
}

int story_judge(struct story_table *t, const struct story_case *c,
                struct story_result *out, struct buf *sources)
{
    struct story_result result = { 0 };
    struct story_watch *w = story_watch_of(t, c->watch);
    enum fit fit = FIT_NOT;
    int r = 0;

    if (!w)
        return -ENOMEM;
    struct story *own = own_story(t, w, c), *s = NULL;
    if (own) {
        r = judge_known(t, own, c, &result);
    } else if (c->update && is_known_member(t, w, c)) {
        result.verdict = STORY_REPEATS;
    } else {
        if (c->collapse)
            r = find(t, w, c, &s, &fit);
        if (r < 0)
            return r;
        if (!s)
            r = begin(t, w, c, &result);
        else if (fit == FIT_REPEATS)
            result.verdict = STORY_REPEATS;
        else if (s->waits)
            r = corroborate(t, s, c, &result, sources);
        else
            r = join(t, s, c, &result);
    }
    if (r == 0)
        *out = result;
    return r;
}

/* --- the end of stories --- */

static struct str title_of(const struct story *s)
{
    struct alert_source source = { 0 };
    struct str list = { 0 };

    if (s->n_members)
        list = (struct str){ s->member[0].source, s->member[0].source_n };
    return list.n && alert_source_next(&list, &source) ? source.title : (struct str){ 0 };
}

void story_expire(struct story_table *t, int64_t now_ms, story_expired_fn *each,
                  void *ctx)
{
    for (struct story *s = t->oldest, *next; s; s = next) {
        next = s->newer;
        if (s->until_ms >= now_ms)
            continue;
        if (s->waits && each)
            each(ctx, str_of(s->watch->entry.name), title_of(s), s->n_members);
        forget(t, s);
    }
}

size_t story_count(const struct story_table *t)
{
    return t->n;
}

size_t story_bytes(const struct story_table *t)
{
    return t->bytes + story_index_bytes(&t->index);
}
