/* The packed window from hostile bytes, then a document judged against it.  Input: a byte
 * of choices, window bytes (their checksum is put right half of the time), then prints.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "seen.h"

#define HEAD_BYTES 14

/* Make the head fit the whole entries behind it, and return where they end. */
static size_t mend_head(unsigned char *at, size_t n)
{
    size_t entries = 0, end = HEAD_BYTES;

    for (size_t each; n - end >= 26; end += each, entries++) {
        each = at[end + 25] & 0x10 ? 38 : 26; /* with bytes and time */
        if (n - end < each)
            break;
    }
    uint32_t sum = (uint32_t)XXH3_64bits(at + HEAD_BYTES, end - HEAD_BYTES);

    memcpy(at, "FW", 2);
    at[2] = (at[2] & 1) + 1;
    for (int i = 0; i < 4; i++) {
        at[6 + i] = (unsigned char)(entries >> (24 - 8 * i));
        at[10 + i] = (unsigned char)(sum >> (24 - 8 * i));
    }
    return end;
}

/* A print of few different values, so that evidence of each kind is found. */
static struct seen_print a_print(const uint8_t *b)
{
    return (struct seen_print){ .key = { b[0] & 15, b[0] & 15 },
                                .link = b[1] & 7,
                                .text = (uint64_t)(b[2] & 7) << 32 | (b[3] & 7),
                                .date = b[4] & 3,
                                .anonymous = b[4] & 4 };
}

static void check_packed(const struct seen_window *w)
{
    struct seen_window *again = NULL;
    struct seen_stats a, b;
    struct buf packed;

    buf_init(&packed, 64 << 20);
    if (seen_window_pack(w, &packed) == 0) {
        if (seen_window_new(&again, packed.s, packed.n) != 0)
            abort();
        seen_window_stats(w, &a);
        seen_window_stats(again, &b);
        if (b.entries > a.entries)
            abort();
        seen_window_free(again);
    }
    buf_free(&packed);
}

static void judge(struct seen_window *w, const uint8_t *b, size_t n, int32_t day)
{
    struct seen_print doubt[64];
    size_t doubts = 0;

    for (; n >= 5; b += 5, n -= 5) {
        struct seen_print p = a_print(b);
        enum seen_verdict v;
        int64_t time_s;
        uint64_t bytes = b[4] >> 3; /* 0: not known */

        if (bytes && (b[3] & 8) && seen_know_bytes(w, bytes, day, &time_s))
            continue;
        if (seen_judge(w, &p, day, &v) < 0)
            return;
        if (bytes && v != SEEN_DOUBT)
            seen_remember_bytes(w, &p, bytes, b[2]);
        if (v == SEEN_DOUBT && doubts < 64)
            doubt[doubts++] = p;
    }
    check_packed(w);
    for (size_t i = 0; i < doubts; i++) {
        enum seen_verdict v = seen_settle(w, &doubt[i], day & 1);
        if (v == SEEN_DOUBT)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen_window *w = NULL;

    if (size < 2)
        return 0;
    uint8_t choice = data[0];
    size_t n = data[1] < size - 2 ? data[1] : size - 2;
    unsigned char *window = malloc(n + 1);
    if (!window)
        return 0;
    memcpy(window, data + 2, n);
    if ((choice & 1) && n >= HEAD_BYTES)
        n = mend_head(window, n);
    if (seen_window_new(&w, window, n) == 0) {
        if (choice & 2)
            seen_window_hold(w);
        judge(w, data + 2 + n, size - 2 - n, choice >> 3 << 4);
        seen_window_prune(w, choice >> 3 << 4, choice & 4 ? 1 : 90);
        check_packed(w);
    }
    seen_window_free(w);
    free(window);
    return 0;
}
