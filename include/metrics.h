#ifndef METRICS_H
#define METRICS_H
/* Figures about the process since its start: counters that any thread may bump (one
 * relaxed addition each), and the file that Prometheus' node_exporter reads.  Source:
 * prometheus.io/docs/instrumenting/exposition_formats (text format 0.0.4). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fetch.h"
#include "noise.h"

enum metric {
    METRIC_BYTES,        /* received */
    METRIC_ITEMS,        /* new ones, judged */
    METRIC_ALERTS,       /* committed */
    METRIC_MATCHED,      /* items put to the rules */
    METRIC_MATCH_NS,     /* the time that took */
    METRIC_REGEX_LIMITS, /* regexes that were given up for an item */
    METRIC_JOINED,       /* items that joined an alert of another feed */
    METRIC_UPDATES,      /* alerts because an item has changed */
    METRIC_EXPIRED,      /* stories that waited for more sources in vain */
    METRIC_DIGESTS,      /* committed */
    METRICS
};
void metrics_add(enum metric m, int64_t n);
int64_t metrics_get(enum metric m);

/* One more alert of `watch` is recorded as held back.  How many are; 0 for a watch that
 * has none. */
void metrics_held(struct str watch, enum noise_reason why);
int64_t metrics_held_get(struct str watch, enum noise_reason why);

void metrics_poll(enum fetch_outcome outcome); /* one more poll has ended */
int64_t metrics_polls(void);

enum feed_state {            /* each feed is in one of them */
                  FEED_NONE, /* not there */
                  FEED_NEW,  /* not learnt yet */
                  FEED_OK,
                  FEED_FAILING, /* the last poll failed */
                  FEED_GONE,    /* 410: not polled any more */
                  FEED_STATES
};
/* A feed goes from *held to `now`; *held, at first FEED_NONE, is the feed's own. */
void metrics_feed(enum feed_state *held, enum feed_state now);
int64_t metrics_feeds(enum feed_state s);
const char *metrics_feed_state_name(enum feed_state s);

#define LATENCY_BUCKETS 14
struct latency { /* from the match of an alert until a sink has it; not for two threads */
    int64_t count[LATENCY_BUCKETS + 1];
    int64_t sum_ms;
};
void latency_note(struct latency *l, int64_t ms);

#define LATENCY_LINE 512
struct latency_line { /* alerts that a sink was given and has not delivered; a ring */
    struct {
        int64_t seq, time_ms; /* when it matched, UTC */
    } at[LATENCY_LINE];       /* more than any sink takes at once */
    size_t first, n;
};
void latency_given(struct latency_line *w, int64_t seq, int64_t time_ms);
/* All up to `seq` are delivered at `now_ms`. */
void latency_done(struct latency *l, struct latency_line *w, int64_t seq, int64_t now_ms);

struct metrics_sink { /* as the dispatcher knows it */
    const char *name;
    int64_t lag;       /* alerts that are still to be delivered */
    int64_t delivered; /* since the start */
    bool failing;
    const struct latency *latency;
};

struct metrics_scene {           /* what else goes into the file */
    int64_t start_ms, reload_ms; /* UTC; of the last good config */
    size_t n_watches;
    bool config_refused; /* the last reload was */
    const struct metrics_sink *sinks;
    size_t n_sinks;
};

/* Append the whole text.  0 or -errno. */
int metrics_render(struct buf *out, const struct metrics_scene *scene);

/* How each file begins.  Is there none at `path` yet, or one of ours, or an empty one? */
#define METRICS_MARK "# feedwatch "
bool metrics_may_replace(const char *path);

/* Put `text` in the place of the file at `path`, readable by all, in one step.  0 or
 * -errno. */
int metrics_write(const char *path, struct str text);
#endif
