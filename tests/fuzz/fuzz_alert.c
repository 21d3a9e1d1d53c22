/* Fuzz: an alert made of any strings is one safe line, and its number is read back; no
 * other bytes make line_seq crash. */
#include "fuzz/fuzz.h"
#include <string.h>
#include "alert.h"
#include "item.h"
#include "utf8.h"

/* The next piece of the input: up to the next 0x00. */
static struct str piece(struct str *rest)
{
    const char *end = rest->n ? memchr(rest->s, 0, rest->n) : NULL;
    struct str s = { rest->s, end ? (size_t)(end - rest->s) : rest->n };
    size_t used = s.n + (end != NULL);

    *rest = (struct str){ rest->s + used, rest->n - used };
    return s;
}

static void must_be_safe(struct str line, enum alert_format f)
{
    MUST(line.n && line.s[line.n - 1] == '\n');
    for (size_t i = 0, len; i + 1 < line.n; i += len) {
        uint32_t c = utf8_get(line.s + i, line.n - i, &len);
        MUST(!utf8_unsafe(c) || (f == ALERT_JSON && c == 0xAD));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str rest = { (const char *)data, n };
    struct alert a = { .published_s = ITEM_NO_TIME };
    struct buf line;

    (void)alert_line_seq(rest);
    if (n < 18)
        return 0;
    memcpy(&a.time_ms, data, 8);
    memcpy(&a.seq, data + 8, 8);
    a.seq = (int64_t)((uint64_t)a.seq >> 1 >> data[16] % 60);
    a.priority = (enum alert_priority)(data[17] % 3);
    rest = (struct str){ rest.s + 18, rest.n - 18 };
    a.title = piece(&rest);
    a.link = piece(&rest);
    a.matched = piece(&rest);
    a.watch = piece(&rest);
    a.feed = piece(&rest);
    a.item_id = piece(&rest);
    a.spans = piece(&rest);
    a.snippet = piece(&rest);
    a.held = piece(&rest);
    a.sources = piece(&rest);
    a.author = piece(&rest);
    a.rule = piece(&rest);
    buf_init(&line, 1 << 20);
    for (int f = ALERT_TEXT; f <= ALERT_JSON; f++) {
        buf_clear(&line);
        MUST(alert_render(&line, &a, (enum alert_format)f) == 0);
        must_be_safe(buf_str(&line), (enum alert_format)f);
        MUST(alert_line_seq(buf_str(&line)) == a.seq);
    }
    buf_free(&line);
    return 0;
}
