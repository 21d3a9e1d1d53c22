/* After a whole document: what its ids are worth, and forgetting what is long gone. */
#include "log.h"
#include "poller_impl.h"

/* Ids that change with every poll tell nothing: say once that links and texts decide. */
static void tell_churn(struct job *j, const struct seen_stats *st)
{
    struct store_feed *s = &j->feed->state;

    if (!st->churn || s->told & STORE_TOLD_CHURN)
        return;
    s->told |= STORE_TOLD_CHURN;
    log_event(LOG_LEVEL_WARN, "feed_churn",
              "feed=%s items=%zu known_under_other_ids=%zu note=\"its ids change from "
              "poll to poll: items are told apart by their links and texts\"",
              log_quote(j->feed->conf->name), st->had, st->rekeyed);
}

void job_prune(struct job *j, int32_t day)
{
    struct seen_stats st;

    seen_window_prune(j->window, day, (int32_t)(j->snap->config->keep_seen_s / 86400));
    seen_window_stats(j->window, &st);
    tell_churn(j, &st);
}
