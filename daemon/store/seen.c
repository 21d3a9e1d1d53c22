/* Identity: the prints of items, and the verdict on each against a feed's window.
 *
 * Three kinds of evidence, in this order:
 *   key   id, else link, else title + date + text
 *   link  normalised, with its fragment; a mere home page is no evidence
 *   text  title and lead; the lead must be long enough to mean something, and the time
 *         published must be the same (or absent on both sides, or the feed's ids churn,
 * or the item has neither id nor link)
 *
 * The evidence points to an entry E of the window.  It is *strong* when the two would be
 * one item even if both stood in the same document:
 *   key   when the titles are the same, and either the leads are or the links do not
 * differ link  when the titles are the same, and the leads are, or there are none and the
 * dates do not differ text  unless both have a link (the links then differ)
 *
 *   evidence  strong  E listed in this document   verdict
 *   key       yes     (either)                    KNOWN; UPDATED when title or lead
 * differ key       no      yes   the id is shared: the item gets a key of its own made of
 * id + link (else text), and is judged again under that key key       no      no doubt;
 * if E is listed later: shared id, NEW; else UPDATED link      yes     (either) REKEYED
 *   link      no      yes   the link is shared by different items: no evidence, NEW
 *   link      no      no    doubt; if E is listed later: shared link, NEW; else REKEYED
 *   link known as shared    text evidence counts, else NEW
 *   text      yes     (either)                    REKEYED
 *   text      no      yes   two items with one text: NEW
 *   text      no      no    doubt; if E is listed later: NEW; else REKEYED
 *   none                                          NEW
 *
 * Doubts exist because an item can stand before E in the document.  "Nothing missed" goes
 * before "nothing twice": a document that breaks off before the doubt is settled gives
 * NEW for link and text (REKEYED for a link in a feed whose ids churn: there, links are
 * what tells items apart).  An item keeps its first key and its latest one, and in a feed
 * whose ids churn only the latest, so that the window cannot grow with every poll. */
#include "seen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "seen_impl.h"

#define GAP_DAYS_MAX 7    /* of silence that count as absence */
#define CHURN_ITEMS_MIN 3 /* a document must have so many to say that ids churn */
#define WALK_MAX 64       /* entries with one link or text that are looked at */

/* --- comparing --- */

static bool other_link(const struct entry *e, const struct seen_print *p)
{
    return e->link && p->link && e->link != p->link;
}

static uint32_t title_of(uint64_t text)
{
    return (uint32_t)(text >> 32);
}

static uint32_t lead_of(uint64_t text)
{
    return (uint32_t)text;
}

static bool same_title(const struct entry *e, const struct seen_print *p)
{
    return title_of(e->text) == title_of(p->text);
}

static bool same_lead(const struct entry *e, const struct seen_print *p)
{
    return lead_of(e->text) && lead_of(e->text) == lead_of(p->text);
}

static bool strong_key(const struct entry *e, const struct seen_print *p)
{
    return same_title(e, p) && (same_lead(e, p) || !other_link(e, p));
}

static bool strong_link(const struct entry *e, const struct seen_print *p)
{
    if (!same_title(e, p))
        return false;
    if (lead_of(e->text) || lead_of(p->text))
        return same_lead(e, p);
    return e->date == p->date || !e->date || !p->date;
}

static bool text_counts(const struct seen_window *w, const struct entry *e,
                        const struct seen_print *p)
{
    return e->date == p->date || w->churn || p->anonymous;
}

/* --- the steps of a verdict --- */

/* `e` is in this document. */
static void list(struct seen_window *w, struct entry *e, int32_t day)
{
    if ((e->flags & E_PREVIOUS) && !(e->flags & E_LISTED))
        w->overlap++;
    e->flags |= E_LISTED;
    e->day = day;
}

static enum seen_verdict known(struct seen_window *w, struct entry *e,
                               const struct seen_print *p, int32_t day)
{
    bool changed = e->text != p->text;

    list(w, e, day);
    if (changed || e->link != p->link || e->date != p->date)
        window_set_prints(w, e, p);
    w->known++;
    return changed ? SEEN_UPDATED : SEEN_KNOWN;
}

/* `e` is now shown under the key of `p`. */
static int rekey(struct seen_window *w, uint32_t at, const struct seen_print *p,
                 int32_t day)
{
    struct entry *e = &w->entry[at];
    uint16_t shared = e->flags & E_LINK_SHARED;

    w->rekeyed++;
    if ((w->churn || (e->flags & E_REBORN)) && !(e->flags & E_LISTED)) {
        list(w, e, day);
        window_set_key(w, e, p->key.hi);
        window_set_prints(w, e, p);
        return 0;
    }
    list(w, e, day);
    uint32_t made;
    int r = window_add(w, p, day, &made);
    if (r == 0)
        w->entry[made].flags |= E_REBORN | shared;
    return r;
}

static int add_new(struct seen_window *w, const struct seen_print *p, int32_t day,
                   uint16_t flags)
{
    uint32_t made;
    int r = window_add(w, p, day, &made);

    if (r == 0)
        w->entry[made].flags |= flags;
    return r;
}

/* The key of an item whose id is shared with others: by its own link if it has one, else
 * by what it says. */
static struct seen_key own_key(const struct entry *holder, const struct seen_print *p)
{
    uint64_t part[4] = { p->key.hi, p->key.lo, 0, 0 };

    if (p->link && p->link != holder->link)
        part[2] = p->link;
    else
        part[3] = p->text;
    XXH128_hash_t h = XXH3_128bits_withSeed(part, sizeof part, 1);
    return (struct seen_key){ h.high64, h.low64 };
}

/* Remember `p` for the time being, and what it may be. */
static int doubt(struct seen_window *w, const struct seen_print *p, uint32_t about,
                 enum evidence kind, int32_t day)
{
    uint32_t made;
    int r = window_add(w, p, day, &made);

    if (r < 0)
        return r;
    w->entry[made].flags |= E_DOUBT;
    w->entry[made].about = about;
    w->entry[made].kind = (uint8_t)kind;
    return 0;
}

/* May the caller hold it, or must it be decided now? */
static int doubtful(struct seen_window *w, const struct seen_print *p, uint32_t about,
                    enum evidence kind, int32_t day, enum seen_verdict *verdict)
{
    const struct entry *e = &w->entry[about];

    if (w->hold) {
        *verdict = SEEN_DOUBT;
        return doubt(w, p, about, kind, day);
    }
    if (kind == BY_LINK && !same_title(e, p)) {
        *verdict = SEEN_NEW;
        return add_new(w, p, day, 0);
    }
    *verdict = SEEN_REKEYED;
    return rekey(w, about, p, day);
}

/* All entries with the link of `p` (and `p` itself, if it is one) share it. */
static void mark_shared_link(struct seen_window *w, uint64_t link)
{
    for (uint32_t i = window_first(w, BY_LINK, link); i != NONE;
         i = window_next(w, BY_LINK, i, link))
        w->entry[i].flags |= E_LINK_SHARED;
}

/* What the link says.  NONE and *flags: nothing; else the entry.  So many entries with
 * one link that the walk ends early share it in any case. */
static uint32_t find_by_link(struct seen_window *w, const struct seen_print *p,
                             bool *strong, uint16_t *flags)
{
    uint32_t latest = NONE;
    bool listed = false, shared = false;
    unsigned steps = 0;

    *strong = false;
    for (uint32_t i = window_first(w, BY_LINK, p->link); i != NONE && steps < WALK_MAX;
         i = window_next(w, BY_LINK, i, p->link), steps++) {
        const struct entry *e = &w->entry[i];

        shared = shared || (e->flags & E_LINK_SHARED);
        listed = listed || (e->flags & E_LISTED);
        if (strong_link(e, p) && (!shared || text_counts(w, e, p))) {
            *strong = true;
            return i;
        }
        if (latest == NONE || e->day > w->entry[latest].day)
            latest = i;
    }
    if (!listed && !shared)
        return latest;
    if (!shared)
        mark_shared_link(w, p->link);
    *flags |= E_LINK_SHARED;
    return NONE;
}

static uint32_t find_by_text(struct seen_window *w, const struct seen_print *p,
                             bool *strong)
{
    uint32_t found = NONE;
    bool listed = false, echo = false;
    unsigned steps = 0;

    *strong = false;
    for (uint32_t i = window_first(w, BY_TEXT, p->text); i != NONE && steps < WALK_MAX;
         i = window_next(w, BY_TEXT, i, p->text), steps++) {
        const struct entry *e = &w->entry[i];

        if (!text_counts(w, e, p)) {
            echo = echo || !(e->flags & E_LISTED);
            continue;
        }
        if (!other_link(e, p)) {
            *strong = true;
            return i;
        }
        listed = listed || (e->flags & E_LISTED);
        found = i;
    }
    w->echoes += found == NONE && echo;
    return listed ? NONE : found;
}

/* The key is unknown: do link or text know the item? */
static int judge_by_prints(struct seen_window *w, const struct seen_print *p, int32_t day,
                           enum seen_verdict *verdict)
{
    enum evidence kind = BY_LINK;
    uint32_t at = NONE;
    uint16_t flags = 0;
    bool strong = false;

    if (p->link)
        at = find_by_link(w, p, &strong, &flags);
    if (at == NONE && lead_of(p->text)) {
        kind = BY_TEXT;
        at = find_by_text(w, p, &strong);
    }
    if (at == NONE) {
        *verdict = SEEN_NEW;
        w->fresh++;
        return add_new(w, p, day, flags);
    }
    if (strong) {
        *verdict = SEEN_REKEYED;
        return rekey(w, at, p, day);
    }
    return doubtful(w, p, at, kind, day, verdict);
}

/* The entry that holds the key of `p`, or NONE. */
static uint32_t find_by_key(const struct seen_window *w, const struct seen_print *p)
{
    return window_first(w, BY_KEY, p->key.hi);
}

/* The id of `p` is held by an entry that seems to be another item: judge it by the key
 * that it would have alone.  Sets *at to the entry of that key; with NONE *verdict may
 * have been given already. */
static int judge_namesake(struct seen_window *w, struct seen_print *p, uint32_t *at,
                          int32_t day, bool *done, enum seen_verdict *verdict)
{
    struct entry *e = &w->entry[*at];
    bool shared = e->flags & (E_LISTED | E_KEY_SHARED);

    if (!shared && !w->hold)
        return 0;
    uint32_t holder = *at;
    p->key = own_key(e, p);
    *at = find_by_key(w, p);
    if (shared)
        e->flags |= E_KEY_SHARED;
    if (shared || *at != NONE)
        return 0;
    *done = true;
    *verdict = SEEN_DOUBT;
    return doubt(w, p, holder, BY_KEY, day);
}

int seen_judge(struct seen_window *w, struct seen_print *p, int32_t day,
               enum seen_verdict *verdict)
{
    uint32_t at = find_by_key(w, p);
    bool done = false;

    w->had++;
    if (at != NONE && !strong_key(&w->entry[at], p)) {
        int r = judge_namesake(w, p, &at, day, &done, verdict);
        if (r < 0 || done)
            return r;
    }
    if (at != NONE) {
        *verdict = known(w, &w->entry[at], p, day);
        return 0;
    }
    return judge_by_prints(w, p, day, verdict);
}

/* --- items known by their bytes --- */

void seen_remember_bytes(struct seen_window *w, const struct seen_print *p,
                         uint64_t bytes, int64_t time_s)
{
    uint32_t at = find_by_key(w, p);

    if (at == NONE || w->entry[at].flags & E_DOUBT)
        return;
    struct entry *e = &w->entry[at];
    if (e->bytes != bytes)
        window_set_bytes(w, e, bytes);
    e->time = time_s > 0 && time_s <= UINT32_MAX ? (uint32_t)time_s : 0;
}

bool seen_know_bytes(struct seen_window *w, uint64_t bytes, int32_t day, int64_t *time_s)
{
    uint32_t at = window_first(w, BY_BYTES, bytes);

    if (at == NONE)
        return false;
    struct entry *e = &w->entry[at];
    w->had++;
    w->known++;
    list(w, e, day);
    *time_s = e->time ? e->time : ITEM_NO_TIME;
    return true;
}

/* --- after the document --- */

/* Is the entry that the doubt is about in the document after all, or shown to be no
 * evidence? */
static bool is_another(const struct seen_window *w, const struct entry *d)
{
    const struct entry *e = &w->entry[d->about];

    switch ((enum evidence)d->kind) {
    case BY_KEY:
        return e->flags & (E_LISTED | E_KEY_SHARED);
    case BY_LINK:
        return e->flags & (E_LISTED | E_LINK_SHARED);
    case BY_TEXT:
        return e->flags & E_LISTED;
    default:
        break;
    }
    return true;
}

/* Is half of a document enough to say that the doubt is none?  Where ids churn, links
 * tell items apart: one that no two items have shared is the item. */
static bool sure_of_half(const struct seen_window *w, const struct entry *d)
{
    return d->kind == BY_KEY || (d->kind == BY_LINK && w->churn);
}

static enum seen_verdict settle(struct seen_window *w, uint32_t at, bool whole)
{
    struct entry *d = &w->entry[at], *e = &w->entry[d->about];
    struct seen_print p = { .link = d->link, .text = d->text, .date = d->date };

    d->flags &= (uint16_t)~E_DOUBT;
    if (is_another(w, d) || (!whole && !sure_of_half(w, d))) {
        if (d->kind == BY_KEY)
            e->flags |= E_KEY_SHARED;
        if (d->kind == BY_LINK && (e->flags & E_LISTED))
            mark_shared_link(w, d->link);
        w->fresh++;
        return SEEN_NEW;
    }
    if (d->kind == BY_KEY) { /* the same item, with everything about it edited */
        window_remove(w, at);
        (void)known(w, e, &p, d->day);
        return SEEN_UPDATED;
    }
    w->rekeyed++;
    list(w, e, d->day);
    d->flags |= E_REBORN;
    if (w->churn || (e->flags & E_REBORN))
        window_remove(w, d->about);
    return SEEN_REKEYED;
}

enum seen_verdict seen_settle(struct seen_window *w, const struct seen_print *p,
                              bool whole)
{
    uint32_t at = find_by_key(w, p);

    if (at == NONE || !(w->entry[at].flags & E_DOUBT))
        return SEEN_KNOWN;
    return settle(w, at, whole);
}

/* Do the ids of this feed last? */
static void watch_churn(struct seen_window *w)
{
    if (w->had < CHURN_ITEMS_MIN)
        return;
    if ((w->rekeyed + w->echoes) * 2 > w->had)
        w->churn = true;
    else if (w->known * 4 >= w->had * 3)
        w->churn = false;
}

/* Days since an entry was listed are counted between documents; a silence of the feed, or
 * a jump of the clock, must not make items old at one stroke. */
static void mend_days(struct seen_window *w, int32_t day)
{
    int32_t gap = w->n && w->last_day ? day - w->last_day : 0;
    int32_t shift = gap > GAP_DAYS_MAX ? gap - GAP_DAYS_MAX : 0;

    for (uint32_t i = 0; i < w->n; i++) {
        struct entry *e = &w->entry[i];

        if (e->flags & E_LISTED)
            continue;
        if (e->flags & E_PREVIOUS)
            e->day = day; /* absent since now, as far as anyone knows */
        else
            e->day += shift;
        if (e->day > day)
            e->day = day;
    }
    w->last_day = day;
}

size_t seen_window_prune(struct seen_window *w, int32_t day, int32_t keep_days)
{
    size_t before;

    for (uint32_t i = 0; i < w->n; i++)
        if (!(w->entry[i].flags & E_DEAD) && (w->entry[i].flags & E_DOUBT))
            (void)settle(w, i, true);
    before = w->n - w->dead;
    watch_churn(w);
    mend_days(w, day);
    for (uint32_t i = 0; i < w->n; i++) {
        struct entry *e = &w->entry[i];

        if (!(e->flags & (E_LISTED | E_DEAD)) && day - e->day > keep_days)
            window_remove(w, i);
    }
    window_bound(w);
    w->finished = true;
    return before - (w->n - w->dead);
}

void seen_window_hold(struct seen_window *w)
{
    w->hold = true;
}

void seen_window_stats(const struct seen_window *w, struct seen_stats *out)
{
    *out = (struct seen_stats){ .entries = w->n - w->dead,
                                .previous = w->previous,
                                .had = w->had,
                                .overlap = w->overlap,
                                .fresh = w->fresh,
                                .rekeyed = w->rekeyed + w->echoes,
                                .churn = w->churn };
}
