#ifndef POLLER_IMPL_H
#define POLLER_IMPL_H
/* Inside of the poller: shared by poller.c (the loop) and poller_job.c (one poll of one
 * feed). */
#include <pthread.h>
#include <systemd/sd-event.h>
#include "feed_parse.h"
#include "fetch.h"
#include "metrics.h"
#include "pace.h"
#include "poller.h"
#include "poller_host.h"
#include "pulse.h"
#include "queue.h"
#include "schedule.h"
#include "seen.h"
#include "story.h"

#define POLLER_OUTSTANDING_MAX                                                           \
    256 /* requests at the writer, per poller: the backpressure */

struct feed {
    uint32_t id; /* slot in poller.feeds and id in its schedule */
    const struct config_feed *conf;
    struct snapshot *snap; /* holds `conf`; one reference */
    struct store_feed state;
    uint64_t host;
    struct job *job;         /* the poll in flight, or NULL */
    enum feed_state counted; /* as the metrics have it */
    bool host_fails;         /* its last poll failed, perhaps by its host's fault */
    bool removed;            /* free it when the poll in flight has ended */
    struct store_feed
        *moved; /* its URL changed in flight: the state to go on with, or NULL */
};

struct poller {
    pthread_t thread;
    struct writer *writer;
    struct store *store; /* for reading windows */
    struct snapshot *snap;
    struct poller_order *order; /* not yet done to its end, for lack of memory */
    struct poller_options opt;
    sd_event *event;
    sd_event_source *timer, *tick;
    struct pulse *pulse;
    struct queue *control; /* from main: struct poller_order */
    struct queue *reply;   /* from the writer: struct write_request */
    struct fetch_pool *pool;
    struct schedule *schedule;
    struct poller_hosts hosts; /* how the hosts fare */
    int64_t turn_ms;           /* mono: when the loop began to wait last */
    struct match_scratch *scratch;
    struct feed **feeds; /* by id; NULL: a free slot */
    size_t n_feeds;      /* slots */
    size_t first_free;   /* no free slot below this one */
    size_t outstanding;  /* requests at the writer */
    size_t active;       /* jobs that live */
    struct job *waiting; /* ended, but the writer has no room yet */
    struct buf work;     /* scratch, cleared by each user */
    struct text words;   /* the same */
    bool stopping, finished;
};

struct alerts { /* alerts of one job, not yet at the writer */
    struct alert *alert;
    struct seen_key *key;
    struct story_print *print; /* of each alert's item */
    char **text;               /* the strings of each alert, one block */
    size_t n, cap;
};
void alerts_free(struct alerts *a);

/* An item that only the rest of the document can tell to be new (seen.h): its alerts
 * wait. */
struct doubt {
    struct seen_print print;
    struct seen_key key; /* what it has if it turns out to be known */
    struct alerts alerts;
    struct buf history; /* its record, if items are kept */
    bool silent;        /* if this is the first contact */
    bool is_new;        /* no doubt about it: the whole document is on trial */
};

/* Is what this poll finds the feed that we know?  Nothing alerts before that is clear. */
enum trial {
    TRIAL_NONE,
    TRIAL_URL,  /* the user gave the feed another URL; if not: it is learned anew */
    TRIAL_MOVE, /* the document says that the feed lives there; if not: forget it */
};

/* One poll of one feed, from the request to the durable result. */
struct job {
    struct poller *poller;
    struct feed *feed;
    struct snapshot *snap; /* the rules this poll is judged by */
    struct seen_window *window;
    struct feed_parse *parse;
    struct alerts alerts;
    struct doubt *doubt;
    size_t n_doubts;
    struct buf history; /* records of new items, not yet at the writer */
    uint32_t n_history;
    const struct item *item;    /* being matched */
    struct alerts *item_alerts; /* where its alerts go */
    struct seen_key item_key;
    struct story_print item_print;
    bool item_printed;      /* item_print is made */
    struct seen_print read; /* of the item judged last, if that is all there is to say */
    int64_t read_s;         /* the time it gave */
    bool has_read;
    bool item_changed; /* the item was known before: only some watches care */
    int64_t gap_ms;    /* how long the feed was not read when it should have been */
    int64_t start_ms, now_ms; /* mono; UTC of the bytes being parsed */
    int64_t fetched_ms;       /* UTC: when it began */
    int64_t due_ms;           /* mono: when the feed is due again */
    uint32_t n_new, n_silent, n_alerts, n_known;
    uint32_t n_matched; /* items put to the rules, and the time that took */
    int64_t match_ns;
    uint64_t window_print; /* hash of the window as it was read */
    struct pace_times times;
    enum trial trial;
    bool same_feed; /* a trial: it is */
    bool rehost;    /* the feed lives on another host from now on */
    int fault;      /* -errno of our own making: the poll came to nothing */
    bool window_dirty;
    bool first_contact; /* the feed was not known when this poll began */
    bool final;         /* everything is in; what is left is the last request */
    struct job *next;   /* in poller.waiting */
};

/* Start polling `f`.  0, or -errno and nothing started. */
int job_start(struct poller *p, struct feed *f);

/* Hand what the job has to the writer, if it has room.  For a final job the feed's state
 * goes too, and the job comes back through poller_job_durable(). */
void job_flush(struct job *j);

void job_free(struct job *j); /* NULL is fine */

/* poller_identity.c: forget items that have long been absent, see what ids are worth. */
void job_prune(struct job *j, int32_t day);

/* What its new items said is not kept. */
void job_forget_items(struct job *j);

/* The document has ended (`whole` or not) after `items` items: decide what was held. */
void job_settle(struct job *j, bool whole, unsigned long items);

/* poller_end.c: the fetch came to `r`: note it, say when the next is, hand all over. */
void job_end(void *job, const struct fetch_result *r);

/* A number for the feed's credentials and URL, never 0: others are worth a new try. */
int64_t job_auth_mark(const struct config_feed *conf);

/* A request of some job came back from the writer. */
void job_request_back(struct poller *p, struct write_request *r);

/* poller.c: a host of which every feed failed answers again: ask the others soon. */
void poller_host_recovered(struct poller *p, uint64_t host);

/* poller.c: the last request of `j` came back with `result`. */
void poller_job_durable(struct poller *p, struct job *j, int result);
#endif
