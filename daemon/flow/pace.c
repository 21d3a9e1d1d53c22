/* How long until the next poll: limits, wishes of the publisher, rhythm, back-off. */
#include "pace.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_S ((int64_t)3600)
#define DAY_S (24 * HOUR_S)
#define DAY_MS (DAY_S * 1000)
#define HARD_MIN_S (10 * (int64_t)60) /* the first wait after a 403 or 404 */

/* ---- skipped time ---- */

static bool is_skipped(uint32_t hours, uint32_t days, int64_t utc_s)
{
    int64_t day = utc_s / DAY_S; /* 1970-01-01 was a Thursday */

    return hours >> (utc_s % DAY_S / HOUR_S) & 1 || days >> ((day + 3) % 7) & 1;
}

int64_t pace_unskip(uint32_t hours, uint32_t days, int64_t utc_ms)
{
    int64_t at_s = utc_ms / 1000;

    if (utc_ms < 0 || (!hours && !days) || !is_skipped(hours, days, at_s))
        return utc_ms;
    for (int i = 0; i < 8 * 24; i++) {
        at_s = (at_s / HOUR_S + 1) * HOUR_S;
        if (!is_skipped(hours, days, at_s))
            return at_s * 1000;
    }
    return utc_ms; /* nonsense: every hour of the week */
}

/* ---- the interval ---- */

/* Half of the time between two items; but an eighth of the silence, if that is longer.
 * A silent feed is asked less often, and never so late that it is much of its silence. */
static int64_t rhythm_interval_s(const struct store_feed *f, int64_t utc_ms)
{
    int64_t s = f->rhythm_s / 2;
    int64_t silence_s = f->last_item_ms ? (utc_ms - f->last_item_ms) / 1000 : 0;

    return silence_s / 8 > s ? silence_s / 8 : s;
}

static int64_t clamp(int64_t v, int64_t least, int64_t most)
{
    return v < least ? least : v > most ? most : v;
}

/* What the user wants, without what the publisher asks for. */
static int64_t own_interval_s(const struct store_feed *f, const struct config_feed *conf,
                              int64_t utc_ms, enum store_due *why)
{
    int64_t s = conf->interval_s;

    *why = STORE_DUE_INTERVAL;
    if (conf->interval_auto && f->rhythm_s) {
        s = clamp(rhythm_interval_s(f, utc_ms), conf->min_interval_s,
                  conf->max_interval_s);
        *why = STORE_DUE_RHYTHM;
    }
    if (f->urgent_s && f->urgent_s < s) {
        s = clamp(f->urgent_s, conf->min_interval_s, conf->max_interval_s);
        *why = STORE_DUE_GAP;
    }
    return s;
}

int64_t pace_interval_s(const struct store_feed *f, const struct config_feed *conf,
                        int64_t utc_ms, enum store_due *why)
{
    int64_t s = own_interval_s(f, conf, utc_ms, why);

    if (f->fresh_s > s) {
        s = f->fresh_s;
        *why = STORE_DUE_FRESH;
    }
    if (f->ttl_s > s) {
        s = f->ttl_s;
        *why = STORE_DUE_TTL;
    }
    if (s > conf->max_interval_s) {
        s = conf->max_interval_s;
        *why = STORE_DUE_MAX;
    }
    return s;
}

/* A random instant of [base - 10 %, base + 10 %], but not before `least_ms` and not past
 * `most_ms`, unless these leave no room: then of [least, least + 10 %]. */
static int64_t jitter_within(struct schedule *s, int64_t base_ms, int64_t least_ms,
                             int64_t most_ms)
{
    int64_t from = base_ms - base_ms / 10, to = base_ms + base_ms / 10;

    if (from < least_ms)
        from = least_ms;
    if (to > most_ms)
        to = most_ms;
    if (to <= from)
        to = from + from / 10;
    return from + schedule_spread_ms(s, to - from + 1);
}

/* Move a wait that ends in skipped time behind it, somewhere into the first half hour. */
static int64_t skip_ms(struct store_feed *f, struct schedule *s, int64_t utc_ms,
                       int64_t wait_ms, int64_t base_ms)
{
    int64_t at = utc_ms + wait_ms, to = pace_unskip(f->skip_hours, f->skip_days, at);
    int64_t room = base_ms < HOUR_S * 500 ? base_ms : HOUR_S * 500;

    if (to == at)
        return wait_ms;
    f->due_why = STORE_DUE_SKIP;
    return to - utc_ms + schedule_spread_ms(s, room);
}

int64_t pace_success_ms(struct store_feed *f, const struct config_feed *conf,
                        struct schedule *s, int64_t utc_ms, int64_t retry_after_s)
{
    enum store_due why;
    int64_t base = pace_interval_s(f, conf, utc_ms, &why) * 1000;
    int64_t least = conf->min_interval_s * 1000, most = conf->max_interval_s * 1000;

    int64_t asked = (f->fresh_s > f->ttl_s ? f->fresh_s : f->ttl_s) * (int64_t)1000;
    if (asked > least && asked <= base) /* jitter must not make it sooner than asked */
        least = asked;
    if (retry_after_s * 1000 > base) {
        base = least = retry_after_s * 1000;
        most = INT64_MAX;
        why = STORE_DUE_RETRY_AFTER;
    }
    f->due_why = (uint8_t)why;
    return skip_ms(f, s, utc_ms, jitter_within(s, base, least, most), base);
}

/* ---- failures ---- */

/* Ask once more when the user is to be told, so that what is told is true. */
static int64_t until_told_ms(const struct store_feed *f, const struct config_feed *conf,
                             struct schedule *s, int64_t utc_ms, int64_t wait_ms)
{
    int64_t tell_ms = f->failing_since_ms + conf->access->broken_after_s * 1000;

    if (f->told & STORE_TOLD_BROKEN || tell_ms <= utc_ms || tell_ms >= utc_ms + wait_ms)
        return wait_ms;
    int64_t room = (utc_ms + wait_ms - tell_ms) / 2;
    return tell_ms - utc_ms + schedule_spread_ms(s, room < 600000 ? room : 600000);
}

static int64_t backoff_ms(const struct store_feed *f, int64_t base_s, struct schedule *s,
                          enum pace_failure how)
{
    unsigned n = f->failures > 0 ? (unsigned)f->failures - 1 : 0;

    if (how == PACE_BAD)
        n++;
    if (how == PACE_HARD) {
        n += 2;
        if (base_s < HARD_MIN_S / 4)
            base_s = HARD_MIN_S / 4;
    }
    return schedule_backoff_ms(s, base_s * 1000, n);
}

int64_t pace_failure_ms(struct store_feed *f, const struct config_feed *conf,
                        struct schedule *s, int64_t utc_ms, enum pace_failure how,
                        int64_t retry_after_s)
{
    enum store_due why;
    int64_t base_s = own_interval_s(f, conf, utc_ms, &why), wait;

    if (how == PACE_LOGIN) {
        f->due_why = STORE_DUE_USER;
        wait = DAY_MS - schedule_spread_ms(s, DAY_MS / 10);
    } else if (retry_after_s > 0) {
        f->due_why = STORE_DUE_RETRY_AFTER;
        if (retry_after_s < base_s && base_s <= DAY_S)
            retry_after_s = base_s;
        wait = retry_after_s * 1000 + schedule_spread_ms(s, retry_after_s * 100);
        if (wait > DAY_MS)
            wait = DAY_MS;
    } else {
        f->due_why = STORE_DUE_BACKOFF;
        wait = until_told_ms(f, conf, s, utc_ms, backoff_ms(f, base_s, s, how));
    }
    return skip_ms(f, s, utc_ms, wait, base_s * 1000);
}

/* ---- rhythm ---- */

void pace_times_add(struct pace_times *t, int64_t at_s, int64_t utc_ms)
{
    size_t i = t->n;

    if (at_s <= 0 || at_s > utc_ms / 1000 + HOUR_S)
        return;
    while (i > 0 && t->at_s[i - 1] < at_s)
        i--;
    if ((i > 0 && t->at_s[i - 1] == at_s) || i == PACE_TIMES)
        return;
    size_t n = t->n < PACE_TIMES ? t->n++ : PACE_TIMES - 1;
    memmove(&t->at_s[i + 1], &t->at_s[i], (n - i) * sizeof t->at_s[0]);
    t->at_s[i] = at_s;
}

static int32_t to_int32(int64_t v)
{
    return (int32_t)clamp(v, 0, INT32_MAX);
}

/* Much longer than the rhythm, and than the longest silence that is known. */
static void learn_silence(struct store_feed *f, int64_t widest_s)
{
    int64_t s = 10 * (int64_t)f->rhythm_s;

    if (3 * widest_s > s)
        s = 3 * widest_s;
    f->silent_s = to_int32(s > 3 * DAY_S ? s : 3 * DAY_S);
}

/* Without dates: the time since the last change, shared by what is new, smoothed. */
static void learn_undated(struct store_feed *f, unsigned n_new, int64_t utc_ms)
{
    int64_t since_s = f->last_item_ms ? (utc_ms - f->last_item_ms) / 1000 : 0;

    if (n_new && since_s > 0) {
        int64_t one = since_s / n_new;
        f->rhythm_s = to_int32(f->rhythm_s ? (f->rhythm_s * (int64_t)3 + one) / 4 : one);
        if (f->rhythm_s == 0)
            f->rhythm_s = 1;
        learn_silence(f, since_s);
    }
    if (n_new || !f->last_item_ms)
        f->last_item_ms = utc_ms;
}

void pace_learn(struct store_feed *f, const struct pace_times *t, unsigned n_new,
                int64_t utc_ms)
{
    int64_t widest = 0;
    size_t n = t->n < 17 ? t->n : 17;

    if (n < 2) {
        learn_undated(f, n_new, utc_ms);
        return;
    }
    for (size_t i = 1; i < t->n; i++)
        if (t->at_s[i - 1] - t->at_s[i] > widest)
            widest = t->at_s[i - 1] - t->at_s[i];
    f->rhythm_s = to_int32((t->at_s[0] - t->at_s[n - 1]) / (int64_t)(n - 1));
    if (f->rhythm_s == 0)
        f->rhythm_s = 1;
    f->last_item_ms = t->at_s[0] * 1000 < utc_ms ? t->at_s[0] * 1000 : utc_ms;
    if (t->n >= 4)
        learn_silence(f, widest);
    else
        f->silent_s = 0; /* too few to call it a rhythm */
}

bool pace_is_silent(const struct store_feed *f, const struct config_feed *conf,
                    int64_t utc_ms)
{
    int64_t after_s = conf->access->silent_after_s;

    if (after_s == 0)
        after_s = f->silent_s;
    return after_s > 0 && f->last_item_ms && utc_ms - f->last_item_ms > after_s * 1000;
}

/* ---- gaps ---- */

void pace_gap(struct store_feed *f, const struct config_feed *conf, int64_t utc_ms)
{
    enum store_due why;
    int64_t s = own_interval_s(f, conf, utc_ms, &why) / 2;

    f->gaps++;
    f->last_gap_ms = utc_ms;
    if (s < conf->min_interval_s)
        s = conf->min_interval_s;
    f->urgent_s = to_int32(s > 0 ? s : 1);
}

void pace_no_gap(struct store_feed *f, const struct config_feed *conf, size_t known,
                 size_t had, int64_t utc_ms)
{
    struct store_feed calm = *f;
    enum store_due why;

    if (!f->urgent_s || known * 2 < had) /* still close to a gap */
        return;
    calm.urgent_s = 0;
    int64_t s = f->urgent_s + f->urgent_s / 4 + 1;
    f->urgent_s = s < own_interval_s(&calm, conf, utc_ms, &why) ? to_int32(s) : 0;
}

/* ---- moves ---- */

#define MOVE_POLLS 3
#define MOVE_MS (2 * DAY_MS)
#define REFUSED_MS (30 * DAY_MS)
#define REFUSED (-1) /* moved_seen: tried and found wrong */

static void forget_move(struct store_feed *f)
{
    free(f->moved_to);
    f->moved_to = NULL;
    f->moved_by = STORE_MOVE_NONE;
    f->moved_seen = 0;
    f->moved_since_ms = 0;
}

/* "user@host" would be a password in disguise. */
static bool has_user(const char *url)
{
    const char *host = strstr(url, "://");

    return host && memchr(host, '@', strcspn(host + 3, "/?#") + 3);
}

static bool is_https(const char *url)
{
    return strncmp(url, "https://", 8) == 0;
}

/* May `target` take the place of what is polled now? */
static bool may_move(const struct store_feed *f, const struct config_feed *conf,
                     const char *target, enum store_move by)
{
    const char *now = f->effective_url ? f->effective_url : conf->url;

    if (!target || !conf->access->follow_moves || strcmp(target, now) == 0 ||
        has_user(target))
        return false;
    if (is_https(now) ? !is_https(target) : strncmp(target, "http", 4) != 0)
        return false;
    /* Documents may name each other in turn: from what was adopted only the server leads
     * further. */
    return by == STORE_MOVE_REDIRECT || !f->effective_url;
}

static bool is_proven(const struct store_feed *f, int64_t utc_ms)
{
    return f->moved_seen >= MOVE_POLLS && utc_ms - f->moved_since_ms >= MOVE_MS;
}

bool pace_move_is_ready(const struct store_feed *f, int64_t utc_ms)
{
    return f->moved_to && f->moved_by != STORE_MOVE_REDIRECT && is_proven(f, utc_ms);
}

enum pace_move pace_moved(struct store_feed *f, const struct config_feed *conf,
                          const char *target, enum store_move by, int64_t utc_ms)
{
    if (!may_move(f, conf, target, by)) {
        if (f->moved_seen != REFUSED)
            forget_move(f);
        return PACE_STAY;
    }
    bool same = f->moved_to && strcmp(f->moved_to, target) == 0;
    if (same && f->moved_seen == REFUSED && utc_ms - f->moved_since_ms < REFUSED_MS)
        return PACE_STAY;
    if (!same || f->moved_by != by || f->moved_seen == REFUSED ||
        f->moved_since_ms > utc_ms) { /* the clock was set back: begin again */
        forget_move(f);
        f->moved_to = strdup(target);
        if (!f->moved_to)
            return PACE_STAY;
        f->moved_by = (uint8_t)by;
        f->moved_since_ms = utc_ms;
    }
    f->moved_seen++;
    if (!is_proven(f, utc_ms))
        return PACE_STAY;
    return by == STORE_MOVE_REDIRECT ? PACE_ADOPT : PACE_TRY;
}

void pace_move_refused(struct store_feed *f, int64_t utc_ms)
{
    f->moved_seen = REFUSED;
    f->moved_since_ms = utc_ms;
}

static void drop_validators(struct store_feed *f)
{
    free(f->etag);
    free(f->last_modified);
    f->etag = f->last_modified = NULL;
}

void pace_move_adopt(struct store_feed *f)
{
    free(f->effective_url);
    f->effective_url = f->moved_to;
    f->moved_to = NULL;
    forget_move(f);
    drop_validators(f);
}

void pace_move_back(struct store_feed *f)
{
    free(f->effective_url);
    f->effective_url = NULL;
    forget_move(f);
    drop_validators(f);
}
