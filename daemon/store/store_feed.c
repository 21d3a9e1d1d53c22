/* What a feed's row says of itself: its state, why it is due, its traffic of a day. */
#include "store.h"

#define SLOT_MS ((int64_t)2 * 3600 * 1000)

const char *store_due_name(enum store_due why)
{
    switch (why) {
    case STORE_DUE_NEW:
        return "not polled yet";
    case STORE_DUE_INTERVAL:
        return "interval";
    case STORE_DUE_RHYTHM:
        return "its rhythm (interval = auto)";
    case STORE_DUE_GAP:
        return "sooner: items may have been missed";
    case STORE_DUE_FRESH:
        return "the publisher asks (Cache-Control or Expires)";
    case STORE_DUE_TTL:
        return "the publisher asks (ttl or updatePeriod)";
    case STORE_DUE_MAX:
        return "max_interval (the publisher asks for more)";
    case STORE_DUE_SKIP:
        return "the publisher asks (skipHours or skipDays)";
    case STORE_DUE_RETRY_AFTER:
        return "the server asks (Retry-After)";
    case STORE_DUE_BACKOFF:
        return "backing off after a failure";
    case STORE_DUE_HOST:
        return "backing off: every feed of the host fails";
    case STORE_DUE_USER:
        return "401: waits for other credentials";
    case STORE_DUE_NEVER:
        return "410: not polled any more";
    }
    return "unknown";
}

const char *store_feed_state_name(enum store_feed_state state)
{
    switch (state) {
    case STORE_FEED_NEW:
        return "new";
    case STORE_FEED_OK:
        return "ok";
    case STORE_FEED_FAILING:
        return "failing";
    case STORE_FEED_BROKEN:
        return "broken";
    case STORE_FEED_SILENT:
        return "silent";
    case STORE_FEED_LOGIN:
        return "login";
    case STORE_FEED_GONE:
        return "gone";
    }
    return "unknown";
}

enum store_feed_state store_feed_state(const struct store_feed *f)
{
    if (f->gone)
        return STORE_FEED_GONE;
    if (f->auth_mark)
        return STORE_FEED_LOGIN;
    if (f->failures)
        return f->told & STORE_TOLD_BROKEN ? STORE_FEED_BROKEN : STORE_FEED_FAILING;
    if (!f->last_success_ms)
        return STORE_FEED_NEW;
    return f->told & STORE_TOLD_SILENT ? STORE_FEED_SILENT : STORE_FEED_OK;
}

/* ---- traffic */

static int32_t slot_number(int64_t now_ms)
{
    int64_t n = now_ms / SLOT_MS;

    return n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

static uint16_t add16(uint16_t a, unsigned b)
{
    return b > (unsigned)(UINT16_MAX - a) ? UINT16_MAX : (uint16_t)(a + b);
}

void store_traffic_add(struct store_traffic *t, int64_t now_ms, unsigned requests,
                       unsigned not_modified, int64_t bytes)
{
    int32_t now = slot_number(now_ms);

    if (now < t->newest || now - t->newest >= STORE_SLOTS) /* also a clock set back */
        *t = (struct store_traffic){ .newest = now };
    for (; t->newest < now; t->newest++)
        t->slot[(t->newest + 1) % STORE_SLOTS] = (struct store_slot){ 0 };
    struct store_slot *s = &t->slot[now % STORE_SLOTS];
    s->requests = add16(s->requests, requests);
    s->not_modified = add16(s->not_modified, not_modified);
    s->bytes = bytes > (int64_t)(UINT32_MAX - s->bytes) ? UINT32_MAX
                                                        : s->bytes + (uint32_t)bytes;
}

struct store_traffic_sum store_traffic_sum(const struct store_traffic *t, int64_t now_ms)
{
    struct store_traffic_sum sum = { 0 };
    int32_t now = slot_number(now_ms);

    for (int32_t i = 0; i < STORE_SLOTS; i++) {
        int32_t number = t->newest - i;
        if (number < 0 || number > now || now - number >= STORE_SLOTS)
            continue;
        const struct store_slot *s = &t->slot[number % STORE_SLOTS];
        sum.requests += s->requests;
        sum.not_modified += s->not_modified;
        sum.bytes += s->bytes;
    }
    return sum;
}
