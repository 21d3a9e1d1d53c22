/* The window in memory and in its packed form: entries, indexes by key, link and text. */
#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>
#include "seen_impl.h"

#define VERSION 2
#define HEAD_BYTES 14
#define ENTRY_BYTES 26
#define PRINT_BYTES 12 /* more for an entry with E_PRINT */
#define F_CHURN 1
#define E_STORED 0x0F
#define E_PRINT 0x10 /* bytes and time follow; only in the packed form */

/* --- indexes --- */

/* Salted by where the window lies, so that no feed can pile its items into one chain. */
static uint32_t *chain(const struct seen_window *w, enum evidence by, uint64_t value)
{
    uint64_t h = (value ^ (uint64_t)(uintptr_t)w) * UINT64_C(0x9E3779B97F4A7C15);

    return &w->head[by][h >> (64 - w->bits)];
}

static uint64_t value_of(const struct entry *e, enum evidence by)
{
    switch (by) {
    case BY_KEY:
        return e->key;
    case BY_LINK:
        return e->link;
    case BY_TEXT:
        return e->text;
    default:
        return e->bytes;
    }
}

/* Empty links, texts without a lead and unknown bytes stand in no index. */
static bool is_indexed(enum evidence by, uint64_t value)
{
    return by == BY_KEY || (by == BY_TEXT ? (uint32_t)value != 0 : value != 0);
}

static void link_in(struct seen_window *w, uint32_t at, enum evidence by)
{
    struct entry *e = &w->entry[at];
    uint64_t value = value_of(e, by);

    if (!is_indexed(by, value))
        return;
    uint32_t *head = chain(w, by, value);
    e->next[by] = *head;
    *head = at;
}

static void link_out(struct seen_window *w, uint32_t at, enum evidence by)
{
    uint64_t value = value_of(&w->entry[at], by);

    if (!is_indexed(by, value))
        return;
    uint32_t *p = chain(w, by, value);
    while (*p != at)
        p = &w->entry[*p].next[by];
    *p = w->entry[at].next[by];
}

uint32_t window_next(const struct seen_window *w, enum evidence by, uint32_t at,
                     uint64_t value)
{
    do
        at = w->entry[at].next[by];
    while (at != NONE && value_of(&w->entry[at], by) != value);
    return at;
}

uint32_t window_first(const struct seen_window *w, enum evidence by, uint64_t value)
{
    if (!is_indexed(by, value))
        return NONE;
    uint32_t at = *chain(w, by, value);
    if (at != NONE && value_of(&w->entry[at], by) != value)
        at = window_next(w, by, at, value);
    return at;
}

/* --- entries --- */

/* Room for `n` entries, and chains of about one each. */
static int reserve(struct seen_window *w, uint32_t n)
{
    unsigned bits = 4;
    struct entry *entry = realloc(w->entry, n * sizeof *entry);

    if (!entry)
        return -ENOMEM;
    w->entry = entry;
    while ((UINT32_C(1) << bits) < n)
        bits++;
    uint32_t *head = malloc(INDEXES * sizeof *head << bits);
    if (!head)
        return -ENOMEM;
    memset(head, 0xFF, INDEXES * sizeof *head << bits);
    free(w->head[0]);
    for (int by = 0; by < INDEXES; by++)
        w->head[by] = head + ((size_t)by << bits);
    w->bits = bits;
    w->cap = n;
    for (uint32_t i = 0; i < w->n; i++)
        if (!(w->entry[i].flags & E_DEAD))
            for (enum evidence by = BY_KEY; by < INDEXES; by++)
                link_in(w, i, by);
    return 0;
}

int window_add(struct seen_window *w, const struct seen_print *p, int32_t day,
               uint32_t *made)
{
    if (w->n == w->cap) {
        int r = reserve(w, w->cap * 2);
        if (r < 0)
            return r;
    }
    uint32_t at = w->n++;
    w->entry[at] = (struct entry){ .key = p->key.hi,
                                   .link = p->link,
                                   .text = p->text,
                                   .date = p->date,
                                   .day = day,
                                   .flags = E_LISTED };
    for (enum evidence by = BY_KEY; by < INDEXES; by++)
        link_in(w, at, by);
    *made = at;
    return 0;
}

void window_remove(struct seen_window *w, uint32_t at)
{
    if (w->entry[at].flags & E_DEAD)
        return;
    for (enum evidence by = BY_KEY; by < INDEXES; by++)
        link_out(w, at, by);
    w->entry[at].flags |= E_DEAD;
    w->dead++;
}

void window_set_key(struct seen_window *w, struct entry *e, uint64_t key)
{
    uint32_t at = (uint32_t)(e - w->entry);

    link_out(w, at, BY_KEY);
    e->key = key;
    link_in(w, at, BY_KEY);
    window_set_bytes(w, e, 0);
}

void window_set_prints(struct seen_window *w, struct entry *e, const struct seen_print *p)
{
    uint32_t at = (uint32_t)(e - w->entry);

    link_out(w, at, BY_LINK);
    link_out(w, at, BY_TEXT);
    e->link = p->link;
    e->text = p->text;
    e->date = p->date;
    link_in(w, at, BY_LINK);
    link_in(w, at, BY_TEXT);
    window_set_bytes(w, e, 0);
}

void window_set_bytes(struct seen_window *w, struct entry *e, uint64_t bytes)
{
    uint32_t at = (uint32_t)(e - w->entry);

    link_out(w, at, BY_BYTES);
    e->bytes = bytes;
    link_in(w, at, BY_BYTES);
}

static int by_day(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

void window_bound(struct seen_window *w)
{
    uint32_t live = w->n - w->dead, n = 0;

    if (live <= SEEN_ENTRIES_MAX)
        return;
    int32_t *day = malloc(live * sizeof *day);
    if (!day)
        return; /* the next document will do it */
    for (uint32_t i = 0; i < w->n; i++)
        if (!(w->entry[i].flags & E_DEAD))
            day[n++] = w->entry[i].day;
    qsort(day, live, sizeof *day, by_day);
    int32_t oldest = day[live - SEEN_ENTRIES_MAX];
    free(day);
    for (uint32_t i = 0; i < w->n && live > SEEN_ENTRIES_MAX; i++) {
        const struct entry *e = &w->entry[i];

        if (e->day <= oldest && !(e->flags & (E_LISTED | E_DEAD))) {
            window_remove(w, i);
            live--;
        }
    }
}

/* --- packed form ---
 * head:  "FW", version, flags, day of the last document (2), entries (4), checksum of the
 *        rest (4); entry: key (8), link (6), title (4), lead (3), date (2), day (2),
 *        flags (1); with E_PRINT (from version 2 on) bytes (8), time (4).  Numbers are
 *        big-endian.
 * Only what the latest document listed is likely to come again byte by byte: the others,
 * which are the most, go without these 12 bytes. */

static void put_number(unsigned char **at, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *(*at)++ = (unsigned char)(v >> 8 * i);
}

static uint64_t get_number(const unsigned char **at, int bytes)
{
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++)
        v = v << 8 | *(*at)++;
    return v;
}

static uint64_t pack_day(int32_t day)
{
    return day < 0 ? 0 : day > 0xFFFF ? 0xFFFF : (uint64_t)day;
}

static bool is_stored(const struct entry *e)
{
    return !(e->flags & (E_DEAD | E_DOUBT));
}

static unsigned stored_flags(const struct seen_window *w, const struct entry *e)
{
    unsigned flags = e->flags & E_STORED;

    if (w->finished)
        flags &= ~(unsigned)E_PREVIOUS;
    if (e->flags & E_LISTED)
        flags |= E_PREVIOUS;
    return flags & E_PREVIOUS && e->bytes ? flags | E_PRINT : flags;
}

static size_t packed_bytes(unsigned flags)
{
    return flags & E_PRINT ? ENTRY_BYTES + PRINT_BYTES : ENTRY_BYTES;
}

static void pack_entry(unsigned char **at, const struct entry *e, unsigned flags)
{
    put_number(at, e->key, 8);
    put_number(at, e->link, 6);
    put_number(at, e->text >> 32, 4);
    put_number(at, e->text, 3);
    put_number(at, e->date, 2);
    put_number(at, pack_day(e->day), 2);
    put_number(at, flags, 1);
    if (flags & E_PRINT) {
        put_number(at, e->bytes, 8);
        put_number(at, e->time, 4);
    }
}

int seen_window_pack(const struct seen_window *w, struct buf *out)
{
    size_t bytes = HEAD_BYTES;
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->n; i++) {
        if (!is_stored(&w->entry[i]))
            continue;
        n++;
        bytes += packed_bytes(stored_flags(w, &w->entry[i]));
    }
    int r = buf_reserve(out, bytes);
    if (r < 0)
        return r;
    unsigned char *head = (unsigned char *)out->s + out->n, *at = head;
    *at++ = 'F';
    *at++ = 'W';
    *at++ = VERSION;
    *at++ = w->churn ? F_CHURN : 0;
    put_number(&at, pack_day(w->last_day), 2);
    put_number(&at, n, 4);
    unsigned char *sum = at;
    at += 4;
    for (uint32_t i = 0; i < w->n; i++)
        if (is_stored(&w->entry[i]))
            pack_entry(&at, &w->entry[i], stored_flags(w, &w->entry[i]));
    put_number(&sum, XXH3_64bits(head + HEAD_BYTES, bytes - HEAD_BYTES) & UINT32_MAX, 4);
    out->n += bytes;
    out->s[out->n] = '\0';
    return 0;
}

/* -EBADMSG: it is cut. */
static int unpack_entry(struct seen_window *w, const unsigned char **at,
                        const unsigned char *end)
{
    struct entry *e = &w->entry[w->n];

    if (end - *at < ENTRY_BYTES)
        return -EBADMSG;
    unsigned flags = (*at)[ENTRY_BYTES - 1];
    if ((size_t)(end - *at) < packed_bytes(flags))
        return -EBADMSG;
    *e = (struct entry){ .key = get_number(at, 8) };
    e->link = get_number(at, 6);
    e->text = get_number(at, 4) << 32;
    e->text |= get_number(at, 3);
    e->date = (uint16_t)get_number(at, 2);
    e->day = (int32_t)get_number(at, 2);
    e->flags = (uint16_t)(get_number(at, 1) & E_STORED);
    if (flags & E_PRINT) {
        e->bytes = get_number(at, 8);
        e->time = (uint32_t)get_number(at, 4);
    }
    w->n++;
    w->previous += (e->flags & E_PREVIOUS) != 0;
    for (enum evidence by = BY_KEY; by < INDEXES; by++)
        link_in(w, w->n - 1, by);
    return 0;
}

/* The number of entries, or -EBADMSG. */
static int64_t check_head(struct seen_window *w, const unsigned char *at, size_t n)
{
    const unsigned char *p = at + 3;

    if (n < HEAD_BYTES || at[0] != 'F' || at[1] != 'W' || at[2] < 1 || at[2] > VERSION)
        return -EBADMSG;
    w->churn = get_number(&p, 1) & F_CHURN;
    w->last_day = (int32_t)get_number(&p, 2);
    uint64_t entries = get_number(&p, 4), sum = get_number(&p, 4);
    if (entries > 2 * SEEN_ENTRIES_MAX || (n - HEAD_BYTES) / ENTRY_BYTES < entries)
        return -EBADMSG;
    if ((XXH3_64bits(p, n - HEAD_BYTES) & UINT32_MAX) != sum)
        return -EBADMSG;
    return (int64_t)entries;
}

static int unpack(struct seen_window *w, const unsigned char *at, size_t n)
{
    const unsigned char *end = n ? at + n : at;
    int64_t entries = n ? check_head(w, at, n) : 0;

    if (entries < 0)
        return (int)entries;
    int r = reserve(w, (uint32_t)entries + 64);
    if (n)
        at += HEAD_BYTES;
    for (int64_t i = 0; r == 0 && i < entries; i++)
        r = unpack_entry(w, &at, end);
    return r < 0 ? r : at == end ? 0 : -EBADMSG;
}

int seen_window_new(struct seen_window **out, const void *packed, size_t n)
{
    struct seen_window *w = calloc(1, sizeof *w);

    if (!w)
        return -ENOMEM;
    int r = unpack(w, packed, n);
    if (r < 0) {
        seen_window_free(w);
        return r;
    }
    *out = w;
    return 0;
}

void seen_window_free(struct seen_window *w)
{
    if (!w)
        return;
    free(w->entry);
    free(w->head[0]);
    free(w);
}
