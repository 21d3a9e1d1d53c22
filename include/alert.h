#ifndef ALERT_H
#define ALERT_H
/* The alert record and its one-line renderings.  Pure.
 *
 * Renderings are safe whatever the feed says: one line, valid UTF-8, no byte below 0x20,
 * no DEL, no C1, no bidi or zero-width controls. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "str.h"

enum alert_priority { ALERT_LOW, ALERT_NORMAL, ALERT_CRITICAL };

struct alert {           /* strings are borrowed or owned as the holder says */
    int64_t seq;         /* 1, 2, 3 ... without gaps; 0: not yet committed */
    char id[33];         /* stable: hash of feed, item key and watch, in hex */
    int64_t time_ms;     /* when it matched, UTC */
    int64_t fetched_ms;  /* when the poll that brought it began, UTC */
    int64_t published_s; /* what the feed says, or ITEM_NO_TIME */
    enum alert_priority priority;
    bool late;          /* found after downtime, suspend or a burst (storm mode) */
    bool update;        /* the item alerted before and has changed since */
    uint64_t rule_hash; /* of `rule` */
    int64_t generation; /* of the config that held the rule, counted up at each change */
    struct str watch, feed, title, link;
    struct str rule;    /* canonical text of the rule that matched */
    struct str item_id; /* the feed's own guid, may be empty */
    struct str author;  /* of the item, may be empty */
    struct str snippet; /* text around the first match */
    struct str
        matched; /* the matched words as they stand in the item, each ended by '\n' */
    struct str spans;   /* where they stand in title and snippet: alert_span_next() */
    struct str sinks;   /* names, each ended by '\n'; empty: all sinks */
    struct str held;    /* why no sink but the log is told at once; empty: it is */
    struct str sources; /* later sources of the same story: alert_source_next() */
};

/* The strings of a record one by one, for holders that copy it; NULL behind the last. */
struct str *alert_text(struct alert *a, unsigned i);

/* Copy the strings of `a`, each with a NUL behind it, into the block behind `head` bytes,
 * and let `a` point to them.  The block; NULL: out of memory, then nothing changed. */
void *alert_own_texts(struct alert *a, size_t head);

/* A copy in one piece: free().  NULL: out of memory. */
struct alert *alert_copy(const struct alert *a);

/* Is `name` in a list such as `sinks`?  Everything is in an empty one. */
bool alert_lists(struct str names, const char *name);

struct alert_span { /* a matched word; bytes in title or snippet */
    bool in_snippet;
    uint32_t offset, length;
};
/* Append one to the packed form of struct alert's `spans`; 0 or -errno. */
int alert_span_put(struct buf *out, const struct alert_span *span);
/* Take the next span off `*spans`: false when none is left.  Spans of the title come
 * first, each text's in order of offset. */
bool alert_span_next(struct str *spans, struct alert_span *out);

struct alert_source { /* another feed that has the same story */
    struct str feed, link, title;
    int64_t time_ms;
};
int alert_source_put(struct buf *out, const struct alert_source *source);
/* Take the next source off `*sources`: false when none is left. */
bool alert_source_next(struct str *sources, struct alert_source *out);

enum alert_format { ALERT_TEXT, ALERT_LOGFMT, ALERT_JSON };

/* "text", "logfmt", "json" to the format; -EINVAL for other words. */
int alert_format_parse(enum alert_format *out, struct str word);

/* Append one line with its newline.  0 or -errno. */
int alert_render(struct buf *out, const struct alert *a, enum alert_format f);

/* The sequence number of a line that alert_render wrote, in any format; -1: not such a
 * line. */
int64_t alert_line_seq(struct str line);

/* Append `s` made safe for one line of a terminal or log: controls, bidi and zero-width
 * characters dropped or shown as \u....; at most `max_chars` characters, then an
 * ellipsis. */
int alert_put_safe(struct buf *out, struct str s, size_t max_chars);

/* The same for the title of `a`, or its snippet, with `open` before each matched word and
 * `close` behind it.  Of "<title>" in "*" that is "<*title*>". */
struct alert_mark {
    const char *open, *close;
};
int alert_put_marked(struct buf *out, const struct alert *a, bool snippet,
                     size_t max_chars, const struct alert_mark *mark);
#endif
