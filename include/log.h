#ifndef LOG_H
#define LOG_H
/* One leveled line per event to standard error: "event key=value ...".  Under journald
 * (JOURNAL_STREAM is set) each line opens with the sd-daemon(3) priority prefix.
 * Only the flow layer, the commands and main log; modules below return what went wrong.
 */
#include <stddef.h>
#include "str.h"

enum log_level {                      /* values are syslog(3) priorities */
                 LOG_LEVEL_ERROR = 3, /* feedwatch cannot do its job; someone must act */
                 LOG_LEVEL_WARN =
                     4, /* a feed, sink or rule does not work; the rest goes on */
                 LOG_LEVEL_NOTICE = 5, /* start, stop, reload, a feed's state changed */
                 LOG_LEVEL_INFO = 6,   /* what was done: a changed feed, an alert */
                 LOG_LEVEL_DEBUG = 7,  /* every fetch */
};

/* Lines less urgent than `level` are dropped.  Default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* Write one line.  `event` is a fixed word; `fmt` gives the key=value pairs, every string
 * of foreign origin passed through log_quote().  Never fails, keeps errno, thread-safe: a
 * line is one write(2). */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* `s` in double quotes with quotes, backslashes, controls (C0, DEL, C1), bidi marks and
 * invalid UTF-8 escaped, cut at 200 bytes.  Points into one of eight rotating
 * thread-local buffers. */
const char *log_quote(const char *s);
const char *log_quote_str(struct str s);
#endif
