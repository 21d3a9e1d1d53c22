/* Prints of items for comparison across feeds: link, and weighted words of title and
 * lead.  The numbers here were chosen on tests/data/stories.tsv; make check-story tells
 * what they are worth on pairs that they were not chosen on. */
#include "story.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>
#include "url.h"

#define TITLE_BYTES 1024
#define LEAD_BYTES 2048
#define RUN_WEIGHT 3
#define WEIGHT_MAX 7
#define NUMBER 8 /* what numbers have for a weight */
#define NUMBER_WEIGHT 3

#define STEM_LETTERS 6 /* approves, approved, approval */

/* Title and lead are two witnesses: when the leads have next to nothing in common, only
 * titles that are nearly the same are believed.  Names alone fill much of a title. */
#define LEAD_SAYS_SO 80
#define TITLE_ALONE 750

/* Titles of less weight ("Morning update", "Live") do not tell stories apart. */
#define TITLE_ENOUGH 22
#define LEAD_ENOUGH 40

/* story_likeness() of two reports of one event.  Reports of the same hour may differ more
 * than those of the next day, which more often tell what came of it. */
#define SAME_TEXT 1500
#define GAP_PER_DOUBLING 83 /* more for 1, 3, 7, 15 ... hours between the two */
#define GAP_NEXT_DAY 700    /* more after 24 hours: the figures of each day */
#define DAY_MIN (60 * 24)
#define GAP_MAX_MIN (30 * DAY_MIN)

/* --- words --- */

static bool is_number(struct str word)
{
    for (size_t i = 0; i < word.n; i++)
        if ((unsigned char)(word.s[i] - '0') >= 10)
            return false;
    return word.n > 0;
}

/* Long words are rare ones; numbers tell much. */
static unsigned weight_of(struct str word, bool run)
{
    unsigned letters = 0;

    for (size_t i = 0; i < word.n; i++)
        letters += ((unsigned char)word.s[i] & 0xC0) != 0x80;
    if (run)
        return RUN_WEIGHT;
    if (is_number(word))
        return NUMBER;
    return letters <= 2 ? 1 : letters - 1 < WEIGHT_MAX ? letters - 1 : WEIGHT_MAX;
}

static uint32_t feature(uint64_t hash, unsigned weight)
{
    return (uint32_t)(hash >> 35) << 3 | (weight - 1);
}

/* The word without its ending, whatever the language: its first letters. */
static struct str stem_of(struct str word)
{
    size_t n = 0;

    for (unsigned letters = 0; n < word.n; n++)
        if (((unsigned char)word.s[n] & 0xC0) != 0x80 && letters++ == STEM_LETTERS)
            break;
    return (struct str){ word.s, n };
}

static uint64_t hash_of(const struct text_token *k, struct str word)
{
    struct str stem = k->run || is_number(word) ? word : stem_of(word);

    return stem.n == word.n ? k->hash : XXH3_64bits(stem.s, stem.n);
}

static int by_value(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

    return (a > b) - (a < b);
}

uint32_t story_stem(uint32_t f)
{
    return f >> 3;
}

/* Sort, each stem once.  Returns how many are left. */
static uint8_t settle(uint32_t *f, size_t n)
{
    size_t kept = 0;

    if (n)
        qsort(f, n, sizeof *f, by_value);
    for (size_t i = 0; i < n; i++)
        if (!kept || story_stem(f[i]) != story_stem(f[kept - 1]))
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
        struct str word = text_folded(words, k);
        uint64_t hash = hash_of(k, word);

        if (k->run && i + 1 < words->n && next->run &&
            next->src_off == k->src_off + k->src_len)
            hash ^= next->hash * 0x9E3779B97F4A7C15;
        else if (k->run && i > 0 && k[-1].run)
            continue; /* the last of a run is in the pair before */
        out[n++] = feature(hash, weight_of(word, k->run));
    }
    *n_out = settle(out, n);
    return 0;
}

/* Pieces about an event that are no report of it, and lists of many events. */
static bool is_piece(const struct text *words)
{
    static const char *const marks[] = {
        "analysis", "editorial",  "explained",  "explainer", "factbox",
        "happened", "liveblog",   "newsletter", "obituary",  "opinion",
        "picture",  "pictures",   "photos",     "podcast",   "quiz",
        "timeline", "transcript", "update",     "updates"
    };

    for (size_t i = 0; i < words->n; i++)
        for (size_t k = 0; k < sizeof marks / sizeof *marks; k++)
            if (str_eq(text_folded(words, &words->tokens[i]), str_of(marks[k])) &&
                (i > 0 || strcmp(marks[k], "update"))) /* "UPDATE 2-": a report */
                return true;
    return false;
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
    p.piece = r == 0 && is_piece(words);
    if (r == 0)
        r = words_of(p.lead, STORY_LEAD_MAX, &p.n_lead, lead, LEAD_BYTES, words);
    if (r < 0)
        return r;
    *out = p;
    return 0;
}

/* --- likeness --- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned story_weight(uint32_t f)
{
    return (f & 7) + 1 == NUMBER ? NUMBER_WEIGHT : (f & 7) + 1;
}

static unsigned weight_all(const uint32_t *f, size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += story_weight(f[i]);
    return sum;
}

static unsigned weight_common(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
    unsigned sum = 0;

    for (size_t i = 0, k = 0; i < n && k < m;) {
        if (story_stem(a[i]) == story_stem(b[k])) {
            sum += least(story_weight(a[i]), story_weight(b[k]));
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

bool story_title_enough(unsigned common, unsigned title)
{
    return common * 4 >= title;
}

unsigned story_title_likeness(const struct story_print *a, const struct story_print *b)
{
    return likeness(a->title, a->n_title, b->title, b->n_title);
}

unsigned story_lead_likeness(const struct story_print *a, const struct story_print *b)
{
    return likeness(a->lead, a->n_lead, b->lead, b->n_lead);
}

/* The words of title and lead, each once. */
struct words {
    uint32_t f[STORY_TITLE_MAX + STORY_LEAD_MAX];
    size_t n;
    unsigned weight;
};

static void all_words(struct words *out, const struct story_print *p)
{
    size_t i = 0, k = 0;

    out->n = 0;
    while (i < p->n_title || k < p->n_lead) {
        uint32_t t = i < p->n_title ? p->title[i] : UINT32_MAX;
        uint32_t l = k < p->n_lead ? p->lead[k] : UINT32_MAX;
        bool both = story_stem(t) == story_stem(l);

        out->f[out->n++] = t < l ? t : l;
        i += both || t < l;
        k += both || l < t;
    }
    out->weight = weight_all(out->f, out->n);
}

/* Is there a number in the title of `p` that is not in that of the other? */
static bool counts_other(const struct story_print *p, const struct story_print *other)
{
    for (size_t i = 0; i < p->n_title; i++)
        if ((p->title[i] & 7) + 1 == NUMBER &&
            !weight_common(&p->title[i], 1, other->title, other->n_title))
            return true;
    return false;
}

/* How much of the title of `p` is in the other item. */
static unsigned covered(const struct story_print *p, unsigned weight,
                        const struct words *other)
{
    return weight
               ? weight_common(p->title, p->n_title, other->f, other->n) * 1000 / weight
               : 0;
}

unsigned story_likeness(const struct story_print *a, const struct story_print *b)
{
    struct words x, y;

    all_words(&x, a);
    all_words(&y, b);
    unsigned common = weight_common(x.f, x.n, y.f, y.n);
    if (!common || (counts_other(a, b) && counts_other(b, a)))
        return 0; /* "51 new cases" is not "41 new cases" */
    return story_title_likeness(a, b) + common * 1000 / (x.weight + y.weight - common) +
           common * 1000 / least(x.weight, y.weight) +
           least(covered(a, weight_all(a->title, a->n_title), &y),
                 covered(b, weight_all(b->title, b->n_title), &x));
}

/* GAP_PER_DOUBLING for each doubling of the hours plus one, by straight lines. */
static unsigned gap_of(int64_t gap_ms)
{
    int64_t minutes = (gap_ms < 0 ? -gap_ms : gap_ms) / 60000, step = 60;
    unsigned gap = minutes > DAY_MIN ? GAP_NEXT_DAY : 0;

    if (minutes > GAP_MAX_MIN)
        minutes = GAP_MAX_MIN;
    for (minutes += 60; minutes >= 2 * step; step *= 2)
        gap += GAP_PER_DOUBLING;
    return gap + (unsigned)((minutes - step) * GAP_PER_DOUBLING / step);
}

int story_margin(const struct story_print *a, const struct story_print *b, int64_t gap_ms)
{
    unsigned of_a = weight_all(a->title, a->n_title);
    unsigned of_b = weight_all(b->title, b->n_title);
    unsigned common = weight_common(a->title, a->n_title, b->title, b->n_title);

    if (!common || !story_title_enough(common, of_a) || !story_title_enough(common, of_b))
        return STORY_APART;
    int alike = (int)story_likeness(a, b), titles = (int)story_title_likeness(a, b);
    int in_leads = (int)story_lead_likeness(a, b);
    if (!alike)
        return STORY_APART;
    bool leads = weight_all(a->lead, a->n_lead) >= LEAD_ENOUGH &&
                 weight_all(b->lead, b->n_lead) >= LEAD_ENOUGH;
    if (least(of_a, of_b) < TITLE_ENOUGH) /* the leads must tell */
        return leads && titles >= 500 && in_leads >= 700 ? 0 : STORY_APART;
    if (!leads || a->piece || b->piece)
        return titles >= TITLE_ALONE ? 0 : STORY_APART;
    if (in_leads < LEAD_SAYS_SO && titles < TITLE_ALONE)
        return STORY_APART;
    return alike - SAME_TEXT - (int)gap_of(gap_ms);
}

bool story_text_same(const struct story_print *a, const struct story_print *b,
                     int64_t gap_ms)
{
    return story_margin(a, b, gap_ms) >= 0;
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
    (void)buf_putc(out, p->piece);
    (void)buf_putc(out, (char)p->n_title);
    (void)buf_putc(out, (char)p->n_lead);
    (void)put_words(out, p->title, p->n_title);
    return put_words(out, p->lead, p->n_lead);
}

int story_print_unpack(struct story_print *out, struct str packed)
{
    struct story_print p = { 0 };

    if (packed.n < STORY_PRINT_HEAD)
        return -EBADMSG;
    p.link = get_u64(packed.s);
    p.piece = packed.s[8];
    p.n_title = (uint8_t)packed.s[9];
    p.n_lead = (uint8_t)packed.s[10];
    if (p.n_title > STORY_TITLE_MAX || p.n_lead > STORY_LEAD_MAX ||
        packed.n != STORY_PRINT_HEAD + 4 * ((size_t)p.n_title + p.n_lead))
        return -EBADMSG;
    get_words(p.title, p.n_title, packed.s + STORY_PRINT_HEAD);
    get_words(p.lead, p.n_lead, packed.s + STORY_PRINT_HEAD + 4 * p.n_title);
    *out = p;
    return 0;
}
