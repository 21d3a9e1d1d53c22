/* feedwatch status --feed: what was asked, what was answered, and what comes next. */
#include <stdio.h>
#include <stdlib.h>
#include "cmd_print.h"
#include "cmd_status.h"
#include "date.h"

static void put_label(const char *label)
{
    printf("%-16s", label);
}

static void put_text(const char *label, const char *text)
{
    if (!text || !*text)
        return;
    put_label(label);
    print_safe(stdout, str_of(text));
    putchar('\n');
}

/* "3 min ago (2026-11-24T08:00:00Z)" */
static void put_time(const struct status *s, const char *label, int64_t when_ms,
                     const char *never)
{
    char when[PRINT_TIME_SIZE], exact[DATE_RFC3339_SIZE];

    if (!when_ms && !never)
        return;
    put_label(label);
    if (!when_ms) {
        puts(never);
        return;
    }
    print_when(when, when_ms, s->now_ms);
    date_rfc3339_s(exact, when_ms / 1000);
    printf("%s (%s)\n", when, exact);
}

void status_refusal(const struct status *s)
{
    char when[PRINT_TIME_SIZE];

    if (!s->refused_ms)
        return;
    print_when(when, s->refused_ms, s->now_ms);
    printf("The changed config was refused %s: ", when);
    print_safe(stdout, str_of(s->refused));
    printf("\n%s\n", s->daemon ? "The old one goes on; mend it and reload."
                               : "The old one went on until the daemon ended.");
}

void status_limited(const struct status *s)
{
    for (const char *at = s->limited; at && *at;) {
        size_t n = strcspn(at, "\n");

        print_safe(stdout, (struct str){ at, n });
        puts(": its regex ran into its limit for some item, which counts as no match; "
             "make it simpler");
        at += n + (at[n] == '\n');
    }
}

static void put_span(const char *label, int64_t seconds)
{
    char span[PRINT_TIME_SIZE];

    if (seconds <= 0)
        return;
    print_span(span, seconds * 1000);
    printf("%-16s%s\n", label, span);
}

static void put_bytes(int64_t n)
{
    if (n < 10000)
        printf("%lld bytes", (long long)n);
    else if (n < 10000000)
        printf("%lld kB", (long long)(n / 1000));
    else
        printf("%lld MB", (long long)(n / 1000000));
}

static void put_traffic(const char *label, int64_t requests, int64_t same, int64_t bytes)
{
    put_label(label);
    printf("%lld request%s, ", (long long)requests, requests == 1 ? "" : "s");
    if (requests)
        printf("%.0f%% not modified, ", 100.0 * (double)same / (double)requests);
    put_bytes(bytes);
    putchar('\n');
}

static void put_state(const struct status *s, const struct status_row *row)
{
    const struct store_feed *f = &row->state;
    struct print_style style = print_style(stdout);
    bool bad = status_is_failing(row);

    put_label("state");
    printf("%s%s%s", bad ? style.bad : style.good, store_feed_state_name(row->is),
           style.plain);
    if (f->failures)
        printf(", %d failure%s in a row", f->failures, f->failures == 1 ? "" : "s");
    putchar('\n');
    put_text("problem", f->error);
    put_time(s, "failing since", f->failing_since_ms, NULL);
    put_label("last status");
    if (f->http_status)
        printf("HTTP %d\n", f->http_status);
    else
        puts(f->polls ? "no answer" : "never asked");
    put_time(s, "last poll", f->last_poll_ms, "never");
    put_time(s, "last success", f->last_success_ms, "never");
    put_time(s, "last new item", f->last_change_ms, "never");
}

static void put_next(const struct status *s, const struct status_row *row)
{
    const struct store_feed *f = &row->state;
    int64_t due = status_due_ms(row);

    put_time(s, "next poll", due > s->now_ms || !due ? due : s->now_ms,
             row->is == STORE_FEED_GONE ? "never" : "when the daemon gets to it");
    put_text("why then", status_why_due(s, row));
    put_span("interval", row->conf->interval_s);
    put_span("publisher asks", f->fresh_s > f->ttl_s ? f->fresh_s : f->ttl_s);
    put_time(s, "host left alone", f->hold_ms > s->now_ms ? f->hold_ms : 0, NULL);
    put_time(s, "next full poll", f->full_due_ms, NULL);
    put_text("ETag", f->etag);
    put_text("Last-Modified", f->last_modified);
}

static void put_items(const struct status *s, const struct status_row *row)
{
    const struct store_feed *f = &row->state;
    double a_day = status_items_a_day(s, row);

    put_label("items");
    printf("%lld new so far", (long long)f->items);
    if (a_day >= 0)
        printf(", about %.1f a day", a_day);
    printf("; %lld alert%s\n", (long long)f->alerts, f->alerts == 1 ? "" : "s");
    if (f->gaps) {
        char when[PRINT_TIME_SIZE];
        print_when(when, f->last_gap_ms, s->now_ms);
        printf("%-16s%d, the last %s: items may have come and gone unseen\n", "gaps",
               f->gaps, when);
    }
}

static const char *move_name(unsigned by)
{
    return by == STORE_MOVE_REDIRECT   ? "by a permanent redirect"
           : by == STORE_MOVE_DOCUMENT ? "by the document"
                                       : "by rel=self";
}

void status_detail(const struct status *s, const struct status_row *row)
{
    const struct store_feed *f = &row->state;
    struct store_traffic_sum day = store_traffic_sum(&f->traffic, s->now_ms);

    put_text("feed", row->conf->name);
    put_text("title", f->title);
    put_text("group", row->conf->group);
    put_text("url", row->conf->url);
    put_text("polled at", f->effective_url);
    if (f->moved_to) {
        put_text("said to be at", f->moved_to);
        printf("%-16s%d times so far, %s; see feedwatch.ini(5)\n", "", f->moved_seen,
               move_name(f->moved_by));
    }
    put_text("hub", f->hub);
    printf("%-16s%s:%d\n", "configured at", row->conf->place.file, row->conf->place.line);
    put_state(s, row);
    put_next(s, row);
    put_traffic("last 24 h", day.requests, day.not_modified, day.bytes);
    put_traffic("since ever", f->polls, f->not_modified, f->bytes);
    put_items(s, row);
}
