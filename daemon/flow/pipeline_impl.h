#ifndef PIPELINE_IMPL_H
#define PIPELINE_IMPL_H
/* Inside of the pipeline: pipeline.c takes it up and down, pipeline_feeds.c deals the
 * feeds to the pollers, pipeline_reload.c swaps configs, pipeline_status.c tells systemd
 * and Prometheus how it goes.  All of it runs in the main thread. */
#include <systemd/sd-event.h>
#include "dispatch.h"
#include "pipeline.h"
#include "poller.h"
#include "snapshot.h"
#include "writer.h"

#define WORKERS_MAX 64
#define RATE_SAMPLES 7

struct recall;

struct pipeline {
    struct pipeline_options opt;
    struct snapshot *snap;
    struct writer *writer;
    struct dispatch *dispatch;
    struct poller *poller[WORKERS_MAX];
    unsigned n_pollers, n_finished;
    int finished_fd;
    sd_event *event;
    int64_t once_deadline_ms;

    struct recall *recall; /* NULL: no rule is new */
    sd_event_source *reload_timer;
    int64_t reloaded_ms; /* mono: when the last reload ended; 0: none yet */
    char refused[240];   /* why the config on disk is not in force; "": it is */
    size_t told_limited; /* rules whose regex ran into its limit, as the store knows */

    int64_t start_ms, config_ms; /* UTC: of the process; of the config in force */
    char status[900];            /* what systemd was told last */
    int64_t polls[RATE_SAMPLES]; /* how many there were when status was told */
    int64_t sample_ms[RATE_SAMPLES];
    unsigned n_samples;
    bool metrics_failed; /* said once */
    bool running;        /* READY=1 was said */
};

/* --- feeds --- */

struct deal { /* the share of each poller, to be given to it */
    struct snapshot *snap;
    unsigned n; /* pollers */
    struct poller_order *order[WORKERS_MAX];
};
struct bind { /* the configured feeds with their rows of the store */
    const struct config *config;
    struct poller_feed *feeds; /* one per configured feed */
    int64_t generation;
    struct deal *deal; /* NULL, or to be made of it: what is bound is dealt as well */
};
int bind_new(struct bind *b, const struct config *config);
void bind_free(struct bind *b);
/* On the thread that owns the store: all of it, or -errno and the store is as before. */
int bind_feeds(struct store *s, void *ctx);

/* Sort the feeds by poller; their states move out of `b`. */
int deal_make(struct deal *d, struct bind *b);
void deal_free(struct deal *d);
/* Give each poller its feeds.  Cannot fail. */
void pipeline_deal(struct pipeline *p, struct deal *d);
/* How many pollers `c` wants. */
unsigned pipeline_workers(const struct config *c);

/* --- reload --- */

int pipeline_watch_hup(struct pipeline *p);

/* --- what was kept before a rule was there (on_new_rule) --- */

/* See which rules are new since the store was told last, and put what it has kept to
 * them, bit by bit when the loop is idle: one digest for each. */
void pipeline_recall(struct pipeline *p);
/* Do what is left of it at once. */
void pipeline_recall_finish(struct pipeline *p);
void pipeline_recall_drop(struct pipeline *p);

/* --- status --- */

/* Say READY=1, at the start and at the end of a reload. */
void pipeline_ready(struct pipeline *p);
/* From now on tell systemd and the metrics file how it goes. */
int pipeline_watch_status(struct pipeline *p);
/* Let the store know what feedwatch status is to show of the rules in force. */
void pipeline_tell_limited(struct pipeline *p);
/* The metrics file goes with the process. */
void pipeline_forget_metrics(const char *path);
#endif
