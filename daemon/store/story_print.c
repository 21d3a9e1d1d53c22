/* Prints of items for comparison across feeds: link, and weighted words of title and
 * lead. */
#include "story.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>
#include "url.h"

#define TITLE_BYTES 1024
#define LEAD_BYTES 2048
#define RUN_WEIGHT 3
#define NUMBER_WEIGHT 6
#define WEIGHT_MAX 8

/* Titles of less weight ("Morning update", "Live") do not tell stories apart. */
#define TITLE_ENOUGH 22
#define LEAD_ENOUGH 40

/* --- words --- */

/* Long words are rare ones; numbers tell much. */
static unsigned weight_of(struct str word, bool run)
{
    unsigned letters = 0, digits = 0;

    for (size_t i = 0; i < word.n; i++) {
        letters += ((unsigned char)word.s[i] & 0xC0) != 0x80;
        digits += (unsigned char)(word.s[i] - '0') < 10;
    }
    if (run)
        return RUN_WEIGHT;
    if (digits && digits == letters)
        return NUMBER_WEIGHT;
    return letters <= 2 ? 1 : letters - 1 < WEIGHT_MAX ? letters - 1 : WEIGHT_MAX;
}

static uint32_t feature(uint64_t hash, unsigned weight)
{
    return (uint32_t)(hash >> 35) << 3 | (weight - 1);
}

static int by_value(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

    return (a > b) - (a < b);
}

/* Sort, each once.  Returns how many are left. */
static uint8_t settle(uint32_t *f, size_t n)
{
    size_t kept = 0;

    if (n)
        qsort(f, n, sizeof *f, by_value);
    for (size_t i = 0; i < n; i++)
        if (!kept || f[i] != f[kept - 1])
            f[kept++] = f[i];
    memset(f + kept, 0, (n - kept) * sizeof *f);
    return (uint8_t)kept;
}

/* The first words of `s`.  In scripts without spaces each two neighbours count as one. */
static int words_of(uint32_t *out, size_t max, uint8_t *n_out, struct str s, size_t bytes,
                    struct text *words)
{
    size_t n = 0;

    s.n = s.n < bytes ? s.n : bytes;
    text_clear(words);
    int r = text_add(words, s);
    if (r < 0)
        return r;
    for (size_t i = 0; i < words->n && n < max; i++) {
        const struct text_token *k = &words->tokens[i], *next = k + 1;
        uint64_t hash = k->hash;

        if (k->run && i + 1 < words->n && next->run &&
            next->src_off == k->src_off + k->src_len)
            hash ^= next->hash * 0x9E3779B97F4A7C15;
        else if (k->run && i > 0 && k[-1].run)
            continue; /* the last of a run is in the pair before */
        out[n++] = feature(hash, weight_of(text_folded(words, k), k->run));
    }
    *n_out = settle(out, n);
    return 0;
}

static uint64_t sign_of(const uint32_t *f, size_t n)
{
    uint64_t sign = 0;

    for (size_t i = 0; i < n; i++)
        sign |= (uint64_t)1 << (f[i] >> 26);
    return sign;
}

/* --- link --- */

static bool starts(struct str s, const char *with)
{
    size_t n = strlen(with);

    return s.n >= n && memcmp(s.s, with, n) == 0;
}

/* Fragments that say where a reader comes from, or where on the page to begin. */
static bool is_idle_fragment(struct str f)
{
    static const char *const heads[] = { "xtor=", "ref=",    "utm_",    "rss",
                                         "at_",   "comment", "respond", "ixp=" };

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (starts(f, heads[i]))
            return true;
    return f.n == 0;
}

static bool ends(struct str s, const char *with)
{
    size_t n = strlen(with);

    return s.n > n && memcmp(s.s + s.n - n, with, n) == 0;
}

/* The same page for phones is the same story. */
static struct str page_of(struct str link)
{
    static const char *const hosts[] = { "m.", "mobile.", "amp." };
    static const char *const tails[] = { "/amp", ".amp", "?amp=1", "?amp",
                                         "?outputType=amp" };

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (starts(link, hosts[i])) {
            size_t n = strlen(hosts[i]);
            link = (struct str){ link.s + n, link.n - n };
            break;
        }
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        if (ends(link, tails[i])) {
            link.n -= strlen(tails[i]);
            break;
        }
    return link;
}

/* 0 for none, and for a home page, which is the link of many stories. */
static int link_print(uint64_t *out, struct str link, struct buf *work)
{
    const char *fragment = link.n ? memchr(link.s, '#', link.n) : NULL;

    *out = 0;
    buf_clear(work);
    if (!link.n)
        return 0;
    int r = url_normalise(work, link);
    if (r == -ENOMEM)
        return r;
    struct str page = page_of(buf_str(work));
    if (r < 0 || !page.n || !memchr(page.s, '/', page.n))
        return 0;
    uint64_t hash = XXH3_64bits(page.s, page.n);
    if (fragment) {
        struct str f = { fragment + 1, (size_t)(link.s + link.n - fragment - 1) };

        if (!is_idle_fragment(f))
            hash ^= XXH3_64bits(f.s, f.n);
    }
    *out = hash ? hash : 1;
    return 0;
}

int story_print(struct story_print *out, const struct item *item, struct text *words,
                struct buf *work)
{
    struct str lead = item->summary.n ? item->summary : item->content;
    struct story_print p = { 0 };

    int r = link_print(&p.link, item->link, work);
    if (r == 0)
        r = words_of(p.title, STORY_TITLE_MAX, &p.n_title, item->title, TITLE_BYTES,
                     words);
    if (r == 0)
        r = words_of(p.lead, STORY_LEAD_MAX, &p.n_lead, lead, LEAD_BYTES, words);
    if (r < 0)
        return r;
    p.sign = sign_of(p.title, p.n_title);
    *out = p;
    return 0;
}

/* --- likeness --- */

static unsigned weight_in(uint32_t f)
{
    return (f & 7) + 1;
}

static unsigned weight_all(const uint32_t *f, size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += weight_in(f[i]);
    return sum;
}

static unsigned weight_common(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
    unsigned sum = 0;

    for (size_t i = 0, k = 0; i < n && k < m;) {
        if (a[i] == b[k]) {
            sum += weight_in(a[i]);
            i++, k++;
        } else if (a[i] < b[k]) {
            i++;
        } else {
            k++;
        }
    }
    return sum;
}

static unsigned likeness(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
    unsigned common = weight_common(a, n, b, m);
    unsigned all = weight_all(a, n) + weight_all(b, m) - common;

    return all ? common * 1000 / all : 0;
}

unsigned story_title_likeness(const struct story_print *a, const struct story_print *b)
{
    return likeness(a->title, a->n_title, b->title, b->n_title);
}

unsigned story_lead_likeness(const struct story_print *a, const struct story_print *b)
{
    return likeness(a->lead, a->n_lead, b->lead, b->n_lead);
}

bool story_text_same(const struct story_print *a, const struct story_print *b)
{
    int common = __builtin_popcountll(a->sign & b->sign);

    if (common * 3 < __builtin_popcountll(a->sign)) /* cannot be alike */
        return false;
    unsigned title = story_title_likeness(a, b), lead = story_lead_likeness(a, b);
    unsigned least = weight_all(a->title, a->n_title), other;
    bool leads = weight_all(a->lead, a->n_lead) >= LEAD_ENOUGH &&
                 weight_all(b->lead, b->n_lead) >= LEAD_ENOUGH;

    other = weight_all(b->title, b->n_title);
    least = other < least ? other : least;
    if (least < TITLE_ENOUGH) /* the leads must tell */
        return title >= 500 && leads && lead >= 700;
    if (!leads)
        return title >= 800;
    return title >= 600 || (title >= 350 && lead >= 300) || lead >= 700;
}

bool story_changed(const struct story_print *before, const struct story_print *after)
{
    bool leads = weight_all(before->lead, before->n_lead) >= LEAD_ENOUGH ||
                 weight_all(after->lead, after->n_lead) >= LEAD_ENOUGH;

    return story_title_likeness(before, after) < 500 ||
           (leads && story_lead_likeness(before, after) < 500);
}

/* --- packed --- */

static int put_u64(struct buf *out, uint64_t v)
{
    v = htole64(v);
    return buf_put(out, &v, sizeof v);
}

static uint64_t get_u64(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static int put_words(struct buf *out, const uint32_t *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t v = htole32(f[i]);

        (void)buf_put(out, &v, sizeof v);
    }
    return out->error;
}

static void get_words(uint32_t *f, size_t n, const char *p)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t v;

        memcpy(&v, p + 4 * i, sizeof v);
        f[i] = le32toh(v);
    }
}

int story_print_pack(const struct story_print *p, struct buf *out)
{
    (void)put_u64(out, p->link);
    (void)put_u64(out, p->sign);
    (void)buf_putc(out, (char)p->n_title);
    (void)buf_putc(out, (char)p->n_lead);
    (void)put_words(out, p->title, p->n_title);
    return put_words(out, p->lead, p->n_lead);
}

int story_print_unpack(struct story_print *out, struct str packed)
{
    struct story_print p = { 0 };

    if (packed.n < 18)
        return -EBADMSG;
    p.link = get_u64(packed.s);
    p.sign = get_u64(packed.s + 8);
    p.n_title = (uint8_t)packed.s[16];
    p.n_lead = (uint8_t)packed.s[17];
    if (p.n_title > STORY_TITLE_MAX || p.n_lead > STORY_LEAD_MAX ||
        packed.n != 18 + 4 * ((size_t)p.n_title + p.n_lead))
        return -EBADMSG;
    get_words(p.title, p.n_title, packed.s + 18);
    get_words(p.lead, p.n_lead, packed.s + 18 + 4 * p.n_title);
    *out = p;
    return 0;
}
