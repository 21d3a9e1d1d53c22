/* The daemon's own log: one leveled line per event on standard error. */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "utf8.h"

#define QUOTE_MAX 200 /* bytes of foreign text in one value */
#define LINE_MAX_ 4096

static atomic_int threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
    char line[LINE_MAX_];
    int saved = errno;
    int n = 0;
    va_list ap;

    if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    if (getenv("JOURNAL_STREAM"))
        n = snprintf(line, sizeof line, "<%d>", (int)level);
    n += snprintf(line + n, sizeof line - (size_t)n, "%s ", event);
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    va_end(ap);
    if (m < 0)
        m = 0;
    n += m;
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        (void)0; /* a log that cannot be written has nowhere to say so */
    errno = saved;
}

const char *log_quote_str(struct str s)
{
    static _Thread_local char ring[8][QUOTE_MAX + 32];
    static _Thread_local unsigned turn;
    char *out = ring[turn++ % 8];
    size_t at = 0;

    out[at++] = '"';
    for (size_t i = 0; i < s.n;) {
        size_t len;
        uint32_t c = utf8_get(s.s + i, s.n - i, &len);

        if (at + 12 > QUOTE_MAX) {
            memcpy(out + at, "...", 3);
            at += 3;
            break;
        }
        if (c == UTF8_BAD || (c < 0x80 && utf8_unsafe(c))) {
            at += (size_t)snprintf(out + at, 8, "\\x%02x", (unsigned char)s.s[i]);
        } else if (utf8_unsafe(c)) {
            at += (size_t)snprintf(out + at, 12, c > 0xFFFF ? "\\U%08x" : "\\u%04x", c);
        } else {
            if (c == '"' || c == '\\')
                out[at++] = '\\';
            memcpy(out + at, s.s + i, len);
            at += len;
        }
        i += len;
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}

const char *log_quote(const char *s)
{
    return log_quote_str(str_of(s));
}
