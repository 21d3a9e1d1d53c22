/* feedwatch status --json, as feedwatch(1) describes it. */
#include <stdio.h>
#include "cmd_status.h"
#include "date.h"
#include "json.h"

static void put_time(struct buf *b, const char *key, int64_t ms)
{
    char text[DATE_RFC3339_SIZE] = "";

    if (ms)
        date_rfc3339(text, ms);
    (void)json_member_str(b, key, str_of(text)); /* null when empty */
}

static void put_traffic(struct buf *b, const char *key, int64_t requests, int64_t same,
                        int64_t bytes)
{
    (void)json_put_key(b, key);
    (void)buf_putc(b, '{');
    (void)json_member_int(b, "requests", requests);
    (void)json_member_int(b, "not_modified", same);
    (void)json_member_int(b, "bytes", bytes);
    (void)buf_putc(b, '}');
}

static void put_poll(struct buf *b, const struct status *s, const struct status_row *row)
{
    const struct store_feed *f = &row->state;
    int64_t due = status_due_ms(row);

    put_time(b, "last_poll", f->last_poll_ms);
    put_time(b, "last_success", f->last_success_ms);
    put_time(b, "last_new_item", f->last_change_ms);
    put_time(b, "next_poll", due);
    (void)json_member_str(b, "next_why", str_of(status_why_due(s, row)));
    (void)json_member_int(b, "interval", row->conf->interval_s);
    (void)json_member_int(b, "http_status", f->http_status);
    (void)json_member_str(b, "etag", str_of(f->etag));
    (void)json_member_str(b, "last_modified", str_of(f->last_modified));
    (void)json_member_int(b, "failures", f->failures);
    put_time(b, "failing_since", f->failing_since_ms);
    (void)json_member_str(b, "problem", str_of(f->error));
    (void)json_member_int(b, "gaps", f->gaps);
    put_time(b, "last_gap", f->last_gap_ms);
}

static void put_feed(struct buf *b, const struct status *s, const struct status_row *row)
{
    const struct store_feed *f = &row->state;
    struct store_traffic_sum day = store_traffic_sum(&f->traffic, s->now_ms);
    double a_day = status_items_a_day(s, row);

    (void)buf_putc(b, '{');
    (void)json_member_str(b, "name", str_of(row->conf->name));
    (void)json_member_str(b, "url", str_of(row->conf->url));
    (void)json_member_str(b, "effective_url", str_of(f->effective_url));
    (void)json_member_str(b, "moved_to", str_of(f->moved_to));
    (void)json_member_str(b, "hub", str_of(f->hub));
    (void)json_member_str(b, "group", str_of(row->conf->group));
    (void)json_member_str(b, "title", str_of(f->title));
    (void)json_member_str(b, "state", str_of(store_feed_state_name(row->is)));
    put_poll(b, s, row);
    (void)json_put_key(b, "items_per_day");
    if (a_day < 0)
        (void)buf_puts(b, "null");
    else
        (void)buf_printf(b, "%.2f", a_day);
    (void)json_member_int(b, "items", f->items);
    (void)json_member_int(b, "alerts", f->alerts);
    put_traffic(b, "last_24h", day.requests, day.not_modified, day.bytes);
    put_traffic(b, "total", f->polls, f->not_modified, f->bytes);
    (void)buf_putc(b, '}');
}

static void put_limited(struct buf *b, const char *lines)
{
    const char *before = "";

    (void)json_put_key(b, "regex_limits");
    (void)buf_putc(b, '[');
    while (lines && *lines) {
        size_t n = strcspn(lines, "\n");

        (void)buf_puts(b, before);
        (void)json_put_str(b, (struct str){ lines, n });
        before = ",";
        lines += n + (lines[n] == '\n');
    }
    (void)buf_putc(b, ']');
}

/* One feed at a time, so that 100,000 of them take no memory. */
int status_json(const struct status *s, const struct status_row *only)
{
    struct buf b;
    const char *before = "";
    int r = 0;

    buf_init(&b, 64 << 20);
    (void)buf_putc(&b, '{');
    put_time(&b, "time", s->now_ms);
    (void)json_put_key(&b, "daemon");
    if (s->daemon)
        (void)buf_printf(&b, "%lld", (long long)s->daemon);
    else
        (void)buf_puts(&b, "null");
    put_time(&b, "config_refused", s->refused_ms);
    (void)json_member_str(&b, "config_problem", str_of(s->refused));
    (void)json_member_int(&b, "alerts", s->alerts);
    put_limited(&b, s->limited);
    status_held_json(&b, s);
    (void)json_put_key(&b, "feeds");
    if ((r = b.error) == 0)
        printf("%s[", b.s);
    for (size_t i = 0; i < s->n && r == 0; i++) {
        const struct status_row *row = &s->row[i];
        if (only ? row != only : s->failing && !status_is_failing(row))
            continue;
        buf_clear(&b);
        put_feed(&b, s, row);
        r = b.error;
        printf("%s\n%s", before, r == 0 ? b.s : "");
        before = ",";
    }
    if (r == 0)
        printf("\n]}\n");
    buf_free(&b);
    return r;
}
