/* Putting an item together from competing pieces. */
#include "feed_parse_build.h"

#include <errno.h>
#include <stdlib.h>
#include "date.h"
#include "html.h"
#include "url.h"
#include "utf8.h"

enum {
    SHORT_MAX = 8 << 10, /* ids, links, languages */
    RANK_SPARE = 100,    /* a second summary, where there is no content */
    LIST_MAX = 256,      /* entries of one list */
    LIST_BYTES = 64 << 10,
};

void feed_build_init(struct feed_build *b, size_t max_text)
{
    b->max_text = max_text;
    for (int i = 0; i < FEED_FIELDS; i++)
        buf_init(&b->slot[i].raw, max_text * 2);
    buf_init(&b->scratch, max_text * 2);
    for (int i = 0; i < 3; i++)
        buf_init(&b->plain[i], max_text);
    for (int i = 0; i < FEED_LISTS; i++)
        buf_init(&b->list[i].bytes, LIST_BYTES);
    feed_build_clear(b);
}

void feed_build_done(struct feed_build *b)
{
    for (int i = 0; i < FEED_FIELDS; i++)
        buf_free(&b->slot[i].raw);
    buf_free(&b->scratch);
    for (int i = 0; i < 3; i++)
        buf_free(&b->plain[i]);
    for (int i = 0; i < FEED_LISTS; i++) {
        buf_free(&b->list[i].bytes);
        free(b->list[i].at);
        b->list[i].at = NULL;
    }
}

void feed_build_clear(struct feed_build *b)
{
    for (int i = 0; i < FEED_FIELDS; i++) {
        buf_clear(&b->slot[i].raw);
        b->slot[i].rank = FEED_NO_RANK;
        b->slot[i].cut = false;
    }
    buf_clear(&b->scratch);
    for (int i = 0; i < FEED_LISTS; i++) {
        buf_clear(&b->list[i].bytes);
        b->list[i].n = 0;
    }
    for (int i = 0; i < FEED_TIMES; i++) {
        b->time_s[i] = ITEM_NO_TIME;
        b->time_rank[i] = FEED_NO_RANK;
    }
    b->scratch_cut = false;
}

bool feed_build_wants(const struct feed_build *b, enum feed_field f, unsigned rank)
{
    unsigned have = b->slot[f].rank;

    return rank < have || (rank == have && f == FEED_LINK && b->last_link);
}

void feed_build_add(struct feed_build *b, const char *s, size_t n)
{
    struct buf *o = &b->scratch;

    if (n && n < o->cap - o->n) { /* the common case, by hand */
        memcpy(o->s + o->n, s, n);
        o->n += n;
        o->s[o->n] = '\0';
        return;
    }
    if (b->scratch_cut)
        return;
    size_t k = utf8_cut(s, n, o->max - o->n);
    if (k < n)
        b->scratch_cut = true;
    if (buf_put(o, s, k) == -ENOMEM)
        b->error = -ENOMEM;
}

static size_t bound(const struct feed_build *b, enum feed_field f)
{
    size_t all = b->max_text * 2;

    return f <= FEED_CONTENT || all < SHORT_MAX ? all : SHORT_MAX;
}

/* Without the white space around it, which is there for indentation. */
static void trim(struct buf *b)
{
    struct str t = str_trim(buf_str(b));

    if (t.n == b->n)
        return;
    if (t.n)
        memmove(b->s, t.s, t.n);
    b->n = t.n;
    if (b->s)
        b->s[b->n] = '\0';
}

static bool is_address(enum feed_field f)
{
    return f == FEED_LINK || f >= FEED_SELF;
}

static bool same(const struct buf *a, const struct buf *b)
{
    return str_eq(buf_str(a), buf_str(b));
}

/* Scratch into the slot, what was there into scratch. */
static void swap(struct feed_build *b, struct feed_slot *slot, unsigned *rank,
                 enum feed_form *form)
{
    struct feed_slot old = *slot;

    slot->raw = b->scratch;
    slot->rank = *rank;
    slot->form = *form;
    b->scratch = old.raw;
    *rank = old.rank;
    *form = old.form;
    if (old.rank == FEED_NO_RANK)
        buf_clear(&b->scratch);
}

void feed_build_take(struct feed_build *b, enum feed_field f, unsigned rank,
                     enum feed_form form)
{
    struct feed_slot *slot = &b->slot[f];
    size_t max = bound(b, f);

    trim(&b->scratch);
    if (b->scratch.n > max) { /* half an address is none */
        b->scratch.n = is_address(f) ? 0 : utf8_cut(b->scratch.s, b->scratch.n, max);
        b->scratch.s[b->scratch.n] = '\0';
        b->scratch_cut = true;
    }
    if (b->scratch.n && feed_build_wants(b, f, rank)) {
        swap(b, slot, &rank, &form);
        slot->cut = b->scratch_cut;
    }
    if (f == FEED_SUMMARY && b->scratch.n && !same(&b->scratch, &slot->raw) &&
        b->slot[FEED_CONTENT].rank > RANK_SPARE) {
        rank = RANK_SPARE;
        swap(b, &b->slot[FEED_CONTENT], &rank, &form);
    }
    buf_clear(&b->scratch);
    b->scratch_cut = false;
}

void feed_build_set(struct feed_build *b, enum feed_field f, unsigned rank,
                    enum feed_form form, struct str s)
{
    if (!feed_build_wants(b, f, rank))
        return;
    buf_clear(&b->scratch);
    feed_build_add(b, s.s, s.n);
    feed_build_take(b, f, rank, form);
}

void feed_build_time(struct feed_build *b, enum feed_time t, unsigned rank,
                     struct str text, struct str lang)
{
    int64_t s;

    if (rank <= b->time_rank[t] && rank < FEED_NO_RANK &&
        date_parse_in(str_trim(text), lang, &s)) {
        b->time_s[t] = s;
        b->time_rank[t] = rank;
    }
}

static bool list_grow(struct feed_list *l)
{
    size_t cap = l->cap ? l->cap * 2 : 8;
    struct str *at = realloc(l->at, cap * sizeof *at);

    if (!at)
        return false;
    l->at = at;
    l->cap = cap;
    return true;
}

void feed_build_list(struct feed_build *b, enum feed_list_kind k, struct str s)
{
    struct feed_list *l = &b->list[k];
    size_t off = 0;

    s = str_trim(s);
    if (s.n == 0 || l->n >= LIST_MAX || s.n > SHORT_MAX)
        return;
    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i].n == s.n && memcmp(l->bytes.s + off, s.s, s.n) == 0)
            return;
        off += l->at[i].n + 1;
    }
    if (l->n == l->cap && !list_grow(l)) {
        b->error = -ENOMEM;
        return;
    }
    int r = buf_reserve(&l->bytes, s.n + 1);
    if (r) {
        b->error = r == -ENOMEM ? r : b->error;
        return;
    }
    (void)buf_put_str(&l->bytes, s);
    (void)buf_putc(&l->bytes, '\0');
    l->at[l->n++].n = s.n; /* the pointers are set when the item is whole */
}

/* A relative reference: no scheme, and nothing that needs care. */
static bool relative(struct str ref)
{
    for (size_t i = 0; i < ref.n; i++) {
        unsigned char c = (unsigned char)ref.s[i];
        if (c <= ' ' || c == 0x7F || c == '<' || c == '>' || c == '"' ||
            (c == ':' && !memchr(ref.s, '/', i)))
            return false;
    }
    return true;
}

/* `ref` in absolute form into scratch; false: no web address. */
static bool resolve(struct feed_build *b, struct str base, struct str ref)
{
    ref = str_trim(ref);
    buf_clear(&b->scratch);
    if (ref.n == 0 || ref.n > SHORT_MAX)
        return false;
    int r = url_resolve(&b->scratch, base, ref);
    if (r == -ENOMEM)
        b->error = r;
    if (r == -EINVAL && base.n == 0 && relative(ref)) {
        buf_clear(&b->scratch);
        return buf_put_str(&b->scratch, ref) == 0; /* better than nothing */
    }
    return r == 0 && url_is_web(buf_str(&b->scratch));
}

void feed_build_link(struct feed_build *b, enum feed_field f, unsigned rank,
                     struct str base, struct str ref)
{
    if (!feed_build_wants(b, f, rank))
        return;
    if (resolve(b, base, ref))
        feed_build_take(b, f, rank, FEED_FORM_TEXT);
    buf_clear(&b->scratch);
}

void feed_build_rebase(struct feed_build *b, enum feed_field f, struct str base)
{
    struct feed_slot *slot = &b->slot[f];

    if (slot->rank == FEED_NO_RANK || !url_is_web(base) ||
        url_is_web(buf_str(&slot->raw)))
        return;
    if (resolve(b, base, buf_str(&slot->raw)))
        swap(b, slot, &slot->rank, &slot->form);
    buf_clear(&b->scratch);
}

void feed_build_enclosure(struct feed_build *b, struct str base, struct str ref)
{
    if (resolve(b, base, ref))
        feed_build_list(b, FEED_ENCLOSURES, buf_str(&b->scratch));
    buf_clear(&b->scratch);
}

struct str feed_build_get(const struct feed_build *b, enum feed_field f)
{
    struct str none = { 0 };

    return b->slot[f].rank == FEED_NO_RANK ? none : buf_str(&b->slot[f].raw);
}

/* White space collapsed to one space each, none at the ends. */
static int collapse(struct buf *out, struct str s)
{
    size_t from = 0;
    bool gap = false;

    for (size_t i = 0; i <= s.n; i++) {
        if (i < s.n && !(s.s[i] == ' ' || (s.s[i] >= '\t' && s.s[i] <= '\r')))
            continue;
        if (i > from) {
            if (gap)
                (void)buf_putc(out, ' ');
            size_t n = utf8_cut(s.s + from, i - from, out->max - out->n);
            (void)buf_put(out, s.s + from, n);
            gap = true;
            if (n < i - from)
                return -E2BIG;
        }
        from = i + 1;
    }
    return out->error;
}

struct str feed_build_plain(struct feed_build *b, enum feed_field f, unsigned which)
{
    struct feed_slot *slot = &b->slot[f];
    struct buf *out = &b->plain[which];

    buf_clear(out);
    if (slot->rank == FEED_NO_RANK)
        return (struct str){ 0 };
    int r = slot->form != FEED_FORM_HTML ? collapse(out, buf_str(&slot->raw))
            : b->no_alt                  ? html_to_text_no_alt(out, buf_str(&slot->raw))
                                         : html_to_text(out, buf_str(&slot->raw));
    if (r == -ENOMEM)
        b->error = r;
    slot->cut |= r == -E2BIG;
    return buf_str(out);
}

static void list_finish(struct feed_list *l)
{
    size_t off = 0;

    for (size_t i = 0; i < l->n; i++) {
        l->at[i].s = l->bytes.s + off;
        off += l->at[i].n + 1;
    }
}

int feed_build_item(struct feed_build *b, struct item *out)
{
    *out = (struct item){
        .id = feed_build_get(b, FEED_ID),
        .link = feed_build_get(b, FEED_LINK),
        .title = feed_build_plain(b, FEED_TITLE, 0),
        .summary = feed_build_plain(b, FEED_SUMMARY, 1),
        .content = feed_build_plain(b, FEED_CONTENT, 2),
        .lang = feed_build_get(b, FEED_LANG),
        .published_s = b->time_s[FEED_PUBLISHED],
        .updated_s = b->time_s[FEED_UPDATED],
        .cut = b->slot[FEED_TITLE].cut || b->slot[FEED_SUMMARY].cut ||
               b->slot[FEED_CONTENT].cut,
    };
    for (int i = 0; i < FEED_LISTS; i++)
        list_finish(&b->list[i]);
    out->authors = b->list[FEED_AUTHORS].at;
    out->n_authors = b->list[FEED_AUTHORS].n;
    out->categories = b->list[FEED_CATEGORIES].at;
    out->n_categories = b->list[FEED_CATEGORIES].n;
    out->enclosures = b->list[FEED_ENCLOSURES].at;
    out->n_enclosures = b->list[FEED_ENCLOSURES].n;
    return b->error;
}
