#ifndef SINK_TEXT_H
#define SINK_TEXT_H
/* Inside sink: what a message says, in plain text or in the markup of its reader.  All
 * text is safe for one line, as alert_put_safe() makes it. */
#include "alert.h"
#include "buf.h"
#include "sink_worker.h"

enum markup {
    MARKUP_NONE,
    MARKUP_HTML,     /* also Pango's and XML text */
    MARKUP_SLACK,    /* mrkdwn: & < > as entities, *bold* */
    MARKUP_MARKDOWN, /* Discord and Mattermost: backslashes, **bold** */
};

/* Append `s`, at most `max_chars` characters of it. */
void text_put(struct buf *out, struct str s, size_t max_chars, enum markup m);

/* Append the title, or what stands for it. */
void text_title(struct buf *out, const struct alert *a, size_t max_chars, enum markup m);

/* Append title or snippet with the matched words in bold. */
void text_bold(struct buf *out, const struct alert *a, bool snippet, size_t max_chars,
               enum markup m);

/* Append "Putin, Xi". */
void text_matched(struct buf *out, struct str words, size_t max_chars, enum markup m);

/* Append a link, if it is one that may be opened (http, https). */
void text_link(struct buf *out, struct str link, enum markup m);

/* Append one line for the whole: a title, a digest's line, or "3 alerts: summit". */
void text_subject(struct buf *out, const struct parcel *p, size_t max_chars);

/* Append the whole in plain text: feed, snippet and link of one alert, or a list. */
void text_body(struct buf *out, const struct parcel *p, size_t max_chars);

/* How many later sources an alert has. */
size_t text_sources(const struct alert *a);

/* The highest priority in it. */
enum alert_priority text_priority(const struct parcel *p);

/* A stable id of the whole: of the alert, of the digest, or of the first alert. */
const char *text_id(const struct parcel *p);

#endif
