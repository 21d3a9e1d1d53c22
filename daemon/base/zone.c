/* Time zones: the table of a zone file, and the rule for the years behind it. */
#include "zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 65536
#define NAME_MAX_BYTES 100
#define TRANSITIONS_MAX 4000
#define DAY_S 86400

struct change { /* when a rule changes the clock, in local seconds */
    char kind;  /* 'J', '0' (zero-based day) or 'M' */
    int month, week, day;
    int32_t at_s;
};

struct rule { /* RFC 8536 3.3.1: the footer */
    int32_t std_s, dst_s;
    bool has_dst;
    struct change to_dst, to_std;
};

struct transition {
    int64_t at_s;
    int32_t offset_s;
};

struct zone {
    size_t bytes;
    bool has_rule;
    struct rule rule;
    int32_t first_s; /* before the first transition */
    size_t n;
    struct transition at[];
};

/* --- the footer, as TZ of POSIX --- */

struct cursor {
    const char *p, *end;
};

static bool next_is(struct cursor *c, char ch)
{
    if (c->p == c->end || *c->p != ch)
        return false;
    c->p++;
    return true;
}

static bool take_int(struct cursor *c, int *out, int most)
{
    int v = 0;
    const char *from = c->p;

    while (c->p < c->end && (unsigned char)(*c->p - '0') < 10 && v <= most)
        v = v * 10 + (*c->p++ - '0');
    *out = v;
    return c->p > from && v <= most;
}

/* A name in letters or in angle brackets. */
static bool skip_name(struct cursor *c)
{
    const char *from = c->p;

    if (next_is(c, '<')) {
        while (c->p < c->end && *c->p != '>')
            c->p++;
        return next_is(c, '>');
    }
    while (c->p < c->end && (unsigned char)((*c->p | 32) - 'a') < 26)
        c->p++;
    return c->p - from >= 3;
}

/* [+-]hh[:mm[:ss]] in seconds */
static bool take_time(struct cursor *c, int32_t *out)
{
    int h, m = 0, s = 0;
    bool minus = next_is(c, '-');

    if (!minus)
        (void)next_is(c, '+');
    if (!take_int(c, &h, 167))
        return false;
    if (next_is(c, ':') && !take_int(c, &m, 59))
        return false;
    if (next_is(c, ':') && !take_int(c, &s, 59))
        return false;
    *out = (h * 3600 + m * 60 + s) * (minus ? -1 : 1);
    return true;
}

static bool take_change(struct cursor *c, struct change *out)
{
    *out = (struct change){ .kind = '0', .at_s = 7200 };
    if (!next_is(c, ','))
        return false;
    if (next_is(c, 'M')) {
        out->kind = 'M';
        if (!take_int(c, &out->month, 12) || !next_is(c, '.') ||
            !take_int(c, &out->week, 5) || !next_is(c, '.') ||
            !take_int(c, &out->day, 6) || out->month < 1 || out->week < 1)
            return false;
    } else {
        out->kind = next_is(c, 'J') ? 'J' : '0';
        if (!take_int(c, &out->day, 365) || (out->kind == 'J' && out->day < 1))
            return false;
    }
    return !next_is(c, '/') || take_time(c, &out->at_s);
}

/* "CET-1CEST,M3.5.0,M10.5.0/3".  West is positive there. */
static bool parse_rule(struct rule *out, struct str text)
{
    struct cursor c = { text.s, text.s + text.n };
    struct rule r = { 0 };

    if (!skip_name(&c) || !take_time(&c, &r.std_s))
        return false;
    r.std_s = -r.std_s;
    if (c.p < c.end) {
        r.has_dst = true;
        r.dst_s = r.std_s + 3600;
        if (!skip_name(&c))
            return false;
        if (c.p < c.end && *c.p != ',') {
            if (!take_time(&c, &r.dst_s))
                return false;
            r.dst_s = -r.dst_s;
        }
        if (!take_change(&c, &r.to_dst) || !take_change(&c, &r.to_std) || c.p < c.end)
            return false;
    }
    *out = r;
    return true;
}

/* --- days --- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Days from 1970-01-01 to the first of January of `y`. */
static int64_t days_to_year(int64_t y)
{
    y--;
    return 365 * y + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) - 719162;
}

static int64_t year_of(int64_t day)
{
    int64_t y = 1970 + floor_div(day, 365);

    while (days_to_year(y) > day)
        y--;
    return y;
}

static int days_to_month(int64_t y, int month)
{
    static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };

    return before[month - 1] + (month > 2 && is_leap(y));
}

static int days_in_month(int64_t y, int month)
{
    return month == 12 ? 31 : days_to_month(y, month + 1) - days_to_month(y, month);
}

/* The day of year `y` on which `c` is, counted from 1970-01-01. */
static int64_t day_of_change(const struct change *c, int64_t y)
{
    int64_t start = days_to_year(y);

    if (c->kind == 'J')
        return start + c->day - 1 + (is_leap(y) && c->day >= 60);
    if (c->kind == '0')
        return start + c->day;
    int64_t first = start + days_to_month(y, c->month);
    int weekday = (int)(((first + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    int day = (c->day - weekday + 7) % 7 + (c->week - 1) * 7;
    if (day >= days_in_month(y, c->month))
        day -= 7;
    return first + day;
}

static int32_t rule_offset(const struct rule *r, int64_t utc_s)
{
    if (!r->has_dst)
        return r->std_s;
    int64_t y = year_of(floor_div(utc_s + r->std_s, DAY_S));
    int64_t on = day_of_change(&r->to_dst, y) * DAY_S + r->to_dst.at_s - r->std_s;
    int64_t off = day_of_change(&r->to_std, y) * DAY_S + r->to_std.at_s - r->dst_s;
    bool dst = on < off ? utc_s >= on && utc_s < off : utc_s < off || utc_s >= on;

    return dst ? r->dst_s : r->std_s;
}

/* --- the file --- */

static int64_t be(const unsigned char *p, size_t n)
{
    uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return (int64_t)v;
}

struct head {
    size_t isut, isstd, leap, time, type, chars;
};

static bool read_head(const unsigned char *p, size_t n, struct head *h)
{
    size_t *const field[] = {
        &h->isut, &h->isstd, &h->leap, &h->time, &h->type, &h->chars
    };

    if (n < 44 || memcmp(p, "TZif", 4) != 0)
        return false;
    *h = (struct head){ 0 };
    for (int i = 0; i < 6; i++) {
        int64_t v = be(p + 20 + 4 * i, 4);

        if (v < 0 || v > TRANSITIONS_MAX)
            return false;
        *field[i] = (size_t)v;
    }
    return h->type > 0;
}

static size_t data_bytes(const struct head *h, size_t time_bytes)
{
    return h->time * (time_bytes + 1) + h->type * 6 + h->chars +
           h->leap * (time_bytes + 4) + h->isstd + h->isut;
}

/* One block of transitions, with times of `size` bytes. */
static int read_block(struct zone **out, const unsigned char *p, const struct head *h,
                      size_t size)
{
    const unsigned char *index = p + h->time * size, *type = index + h->time;
    size_t bytes = sizeof(struct zone) + h->time * sizeof(struct transition);
    struct zone *z = calloc(1, bytes);

    if (!z)
        return -ENOMEM;
    z->bytes = bytes;
    z->n = h->time;
    z->first_s = (int32_t)be(type, 4);
    for (size_t i = 0; i < h->time; i++) {
        struct transition *t = &z->at[i];

        if (index[i] >= h->type)
            goto bad;
        t->at_s = be(p + i * size, size);
        t->offset_s = (int32_t)be(type + 6 * (size_t)index[i], 4);
        if ((i && t->at_s < t[-1].at_s) || t->offset_s < -DAY_S || t->offset_s > DAY_S)
            goto bad;
    }
    if (z->first_s < -DAY_S || z->first_s > DAY_S)
        goto bad;
    *out = z;
    return 0;
bad:
    free(z);
    return -EINVAL;
}

static bool read_footer(struct zone *z, const unsigned char *p, size_t n)
{
    const unsigned char *end = n > 1 ? memchr(p + 1, '\n', n - 1) : NULL;
    struct str text;

    if (!end || p[0] != '\n')
        return false;
    text = (struct str){ (const char *)p + 1, (size_t)(end - p - 1) };
    if (text.n == 0)
        return true; /* nobody knows what comes after the table */
    z->has_rule = parse_rule(&z->rule, text);
    return z->has_rule;
}

int zone_parse(struct zone **out, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    struct zone *z = NULL;
    struct head h;
    size_t size = 4;

    if (!read_head(p, n, &h))
        return -EINVAL;
    if (p[4] >= '2') { /* the same again with 64 bits, and a footer */
        size_t skip = 44 + data_bytes(&h, 4);

        if (skip > n || !read_head(p + skip, n - skip, &h))
            return -EINVAL;
        p += skip;
        n -= skip;
        size = 8;
    }
    size_t data = 44 + data_bytes(&h, size);
    if (data > n)
        return -EINVAL;
    int r = read_block(&z, p + 44, &h, size);
    if (r == 0 && size == 8 && !read_footer(z, p + data, n - data)) {
        free(z);
        r = -EINVAL;
    }
    if (r == 0)
        *out = z;
    return r;
}

static int load_path(struct zone **out, const char *path)
{
    unsigned char *bytes = malloc(FILE_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = -ENOMEM;
    struct stat st;
    size_t n = 0;
    ssize_t got = 1;

    if (fd < 0)
        r = -errno;
    else if (bytes)
        r = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    while (r == 0 && got > 0 && n < FILE_MAX) {
        got = read(fd, bytes + n, FILE_MAX - n);
        if (got < 0)
            r = -errno;
        n += got > 0 ? (size_t)got : 0;
    }
    if (r == 0)
        r = zone_parse(out, bytes, n);
    if (fd >= 0)
        close(fd);
    free(bytes);
    return r == -ENOTDIR || r == -EISDIR ? -ENOENT : r;
}

/* No way out of the folder of zones. */
static bool name_ok(struct str name)
{
    if (name.n == 0 || name.n > NAME_MAX_BYTES || name.s[0] == '/')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.s[i];

        if ((c == '.' && i && name.s[i - 1] == '.') || c <= ' ' || c >= 0x7F)
            return false;
    }
    return true;
}

static int load_name(struct zone **out, struct str name)
{
    const char *dir = getenv("TZDIR");
    char path[4096];

    if (!name_ok(name))
        return -EINVAL;
    int n = snprintf(path, sizeof path, "%s/%.*s", dir ? dir : "/usr/share/zoneinfo",
                     (int)name.n, name.s);
    return n < (int)sizeof path ? load_path(out, path) : -ENAMETOOLONG;
}

static int load_utc(struct zone **out)
{
    struct zone *z = calloc(1, sizeof *z);

    if (!z)
        return -ENOMEM;
    z->bytes = sizeof *z;
    *out = z;
    return 0;
}

/* $TZ may be a name, ":name", a path or a rule. */
static int load_tz(struct zone **out, const char *tz)
{
    tz += *tz == ':';
    if (*tz == '/')
        return load_path(out, tz);
    int r = load_name(out, str_of(tz));
    struct rule rule;
    if (r == 0 || !parse_rule(&rule, str_of(tz)))
        return r;
    r = load_utc(out);
    if (r == 0) {
        (*out)->has_rule = true;
        (*out)->rule = rule;
    }
    return r;
}

int zone_load(struct zone **out, struct str name)
{
    const char *tz = getenv("TZ");
    int r;

    if (str_eq_nocase(name, STR("UTC")))
        return load_utc(out);
    if (name.n)
        return load_name(out, name);
    r = tz && *tz ? load_tz(out, tz) : load_path(out, "/etc/localtime");
    return r < 0 && r != -ENOMEM ? load_utc(out) : r;
}

void zone_free(struct zone *z)
{
    free(z);
}

size_t zone_bytes(const struct zone *z)
{
    return z->bytes;
}

/* --- asking --- */

int32_t zone_offset_s(const struct zone *z, int64_t utc_s)
{
    size_t low = 0, high = z->n; /* transitions before `low` are past */

    if (z->has_rule && (z->n == 0 || utc_s >= z->at[z->n - 1].at_s))
        return rule_offset(&z->rule, utc_s);
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (z->at[middle].at_s <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? z->at[low - 1].offset_s : z->first_s;
}

int zone_minute(const struct zone *z, int64_t utc_s)
{
    int64_t local = utc_s + zone_offset_s(z, utc_s);

    return (int)((local % DAY_S + DAY_S) % DAY_S / 60);
}

int64_t zone_utc_s(const struct zone *z, int64_t local_s)
{
    int32_t before = zone_offset_s(z, local_s - DAY_S);
    int32_t after = zone_offset_s(z, local_s + DAY_S);
    int64_t first = local_s - (before > after ? before : after);
    int64_t second = local_s - (before > after ? after : before);

    if (first + zone_offset_s(z, first) == local_s)
        return first;
    if (second + zone_offset_s(z, second) == local_s)
        return second;
    return local_s - before; /* skipped */
}
