/* Random rules as text, in characters that are hard to fold, and items made of the pieces
 * of these rules. */
#include <stdlib.h>
#include <string.h>
#include "match_random.h"
#include "utf8.h"

enum {
    ALPHABET = 12, /* characters of a round: few, so that words come again */
    PIECES = 48,   /* words and phrases of the rule */
    ROOM = 3000,   /* bytes of a text */
};

/* Ranges in which something happens: marks, what composes, what folds to several, scripts
 * without spaces, what cannot be seen. */
static const struct {
    uint32_t from, to;
} range[] = {
    { 'a', 'd' },         { 'A', 'D' },         { '0', '3' },
    { 'i', 'k' },         { 's', 's' },         { 'I', 'K' },
    { 0xC0, 0x17F },      { 0x180, 0x24F },     { 0x2B0, 0x2FF },
    { 0x300, 0x36F },     { 0x370, 0x3FF },     { 0x400, 0x4FF },
    { 0x531, 0x58F },     { 0x591, 0x5F4 },     { 0x600, 0x6FF },
    { 0x900, 0x94F },     { 0x958, 0x95F },     { 0x9BC, 0x9CC },
    { 0xB47, 0xB57 },     { 0xBBE, 0xBD7 },     { 0xCBC, 0xCD6 },
    { 0xD46, 0xD57 },     { 0xDCA, 0xDDF },     { 0xE01, 0xE4E },
    { 0xE81, 0xEDD },     { 0xF40, 0xF84 },     { 0x1000, 0x1049 },
    { 0x1100, 0x11FF },   { 0x13A0, 0x13FD },   { 0x1780, 0x17D3 },
    { 0x1AB0, 0x1AC0 },   { 0x1B05, 0x1B43 },   { 0x1C80, 0x1C88 },
    { 0x1DC0, 0x1DFF },   { 0x1E00, 0x1EFF },   { 0x1F00, 0x1FFF },
    { 0x200B, 0x2015 },   { 0x2018, 0x2038 },   { 0x2060, 0x2064 },
    { 0x2070, 0x209C },   { 0x20D0, 0x20F0 },   { 0x2100, 0x218B },
    { 0x2460, 0x24FF },   { 0x3001, 0x303F },   { 0x3041, 0x30FF },
    { 0x3131, 0x318E },   { 0x3200, 0x33FF },   { 0x4E00, 0x4E10 },
    { 0xA640, 0xA69F },   { 0xA720, 0xA7BF },   { 0xA960, 0xA97C },
    { 0xAB30, 0xAB6F },   { 0xAC00, 0xAC20 },   { 0xD7B0, 0xD7FB },
    { 0xF900, 0xFAFF },   { 0xFB00, 0xFB4F },   { 0xFB50, 0xFDFF },
    { 0xFE00, 0xFE0F },   { 0xFE20, 0xFE2F },   { 0xFE70, 0xFEFF },
    { 0xFF01, 0xFFEE },   { 0x10400, 0x1044F }, { 0x11080, 0x110BA },
    { 0x11100, 0x11134 }, { 0x114B0, 0x114C5 }, { 0x1D15E, 0x1D1C0 },
    { 0x1D400, 0x1D7FF }, { 0x1E000, 0x1E02A }, { 0x1E900, 0x1E94A },
    { 0x1F100, 0x1F2FF }, { 0x2F800, 0x2FA1D }, { 0xE0020, 0xE0110 },
    { 0xAD, 0xAD },       { 0x640, 0x640 },     { 0x345, 0x345 },
    { 0x34F, 0x34F },     { 0x115F, 0x1161 },   { 0x3099, 0x309C },
    { 0x130, 0x131 },     { 0x200C, 0x200D },   { 0x301, 0x301 },
    { 0x94D, 0x94D },     { 0xE33, 0xE33 },     { 0xDF, 0xDF },
};

static const char *const between[] = {
    " ",      " ",      " ",      " ",    "-",  "'",      "’",      ".", " .", ". ", "",
    "",       "\u00AD", "\u200B", "+",    "#",  "&",      " & ",    "$", "->", "_",  "/",
    "\u3000", "。",     "\xFF",   "\xC3", "  ", "\u0301", "\u00B4", "™", "…",  ", ",
};

#define PICK(s, list) (list)[source_below(s, sizeof(list) / sizeof *(list))]

struct maker {
    struct source *s;
    struct arena *a;
    uint32_t alphabet[ALPHABET];
    struct str piece[PIECES];
    size_t n_pieces;
    struct str out; /* what is being written; in the arena */
    char *to;
};

static void begin(struct maker *m)
{
    if (m->a->n + ROOM + 64 > m->a->cap)
        abort();
    m->to = m->a->v + m->a->n;
    m->out = (struct str){ m->to, 0 };
}

static struct str end(struct maker *m)
{
    m->to[m->out.n] = '\0';
    m->a->n += (m->out.n + 16) & ~(size_t)15;
    return m->out;
}

static void put(struct maker *m, struct str x)
{
    if (m->out.n + x.n > ROOM)
        return;
    memcpy(m->to + m->out.n, x.s, x.n);
    m->out.n += x.n;
}

static void puts_(struct maker *m, const char *x)
{
    put(m, str_of(x));
}

static void put_number(struct maker *m, uint32_t n)
{
    char digit = (char)('0' + n % 10);

    if (n > 9)
        put_number(m, n / 10);
    put(m, (struct str){ &digit, 1 });
}

static uint32_t any_character(struct source *s)
{
    uint32_t cp;

    if (source_below(s, 12) == 0)
        cp = (source_below(s, 256) << 16 | source_below(s, 256) << 8 |
              source_below(s, 256)) %
             0x110000;
    else {
        uint32_t i = source_below(s, sizeof range / sizeof *range);
        uint32_t more = source_below(s, 256) << 8 | source_below(s, 256);
        cp = range[i].from + more % (range[i].to - range[i].from + 1);
    }
    return cp >= 0xD800 && cp < 0xE000 ? 'a' : cp;
}

static void put_character(struct maker *m)
{
    char one[4];
    uint32_t cp = source_below(m->s, 20) ? PICK(m->s, m->alphabet) : any_character(m->s);
    uint32_t times = source_below(m->s, 60) ? 1 : 1 + source_below(m->s, 70);

    while (times--)
        put(m, (struct str){ one, utf8_put(one, cp) });
}

static void keep(struct maker *m, size_t from)
{
    if (m->n_pieces < PIECES)
        m->piece[m->n_pieces++] = (struct str){ m->to + from, m->out.n - from };
}

static void put_word(struct maker *m)
{
    size_t from = m->out.n;
    uint32_t n = 1 + source_below(m->s, 4);

    if (m->n_pieces && source_below(m->s, 4) == 0) {
        put(m, m->piece[source_below(m->s, (uint32_t)m->n_pieces)]);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        put_character(m);
    keep(m, from);
}

static void put_phrase(struct maker *m)
{
    size_t from;
    uint32_t n = 1 + source_below(m->s, 3);

    puts_(m, "\"");
    from = m->out.n;
    for (uint32_t i = 0; i < n; i++) {
        if (i || source_below(m->s, 5) == 0)
            puts_(m, PICK(m->s, between));
        put_word(m);
    }
    if (source_below(m->s, 5) == 0)
        puts_(m, PICK(m->s, between));
    keep(m, from);
    puts_(m, "\"");
}

static void put_or(struct maker *m, unsigned depth);

static void put_field(struct maker *m)
{
    static const char *const field[] = {
        "title:", "text:",  "author:", "category:", "link:", "feed:", "group:",
        "any:",   "exact:", "exact:",  "exact:",    "site:", "lang:",
    };

    puts_(m, PICK(m->s, field));
}

static void put_term(struct maker *m)
{
    uint32_t kind = source_below(m->s, 8);

    if (source_below(m->s, 4) == 0)
        put_field(m);
    if (kind < 4)
        put_word(m);
    else if (kind < 7)
        put_phrase(m);
    else {
        put_word(m);
        puts_(m, "*");
    }
}

static void put_of(struct maker *m, unsigned depth)
{
    uint32_t n = 2 + source_below(m->s, 3);

    put_number(m, 1 + source_below(m->s, n));
    puts_(m, " OF (");
    for (uint32_t i = 0; i < n; i++) {
        puts_(m, i ? ", " : "");
        put_or(m, depth + 1);
    }
    puts_(m, ")");
}

static void put_operand(struct maker *m)
{
    if (source_below(m->s, 4)) {
        put_term(m);
        return;
    }
    puts_(m, "(");
    put_term(m);
    puts_(m, " OR ");
    put_term(m);
    puts_(m, ")");
}

static void put_near(struct maker *m)
{
    uint32_t links = 1 + source_below(m->s, 3);

    put_operand(m);
    for (uint32_t i = 0; i < links; i++) {
        puts_(m, source_below(m->s, 2) ? " NEAR/" : " ONEAR/");
        put_number(m, source_below(m->s, 5));
        puts_(m, " ");
        put_operand(m);
    }
}

static void put_not(struct maker *m, unsigned depth)
{
    uint32_t kind = source_below(m->s, depth > 2 ? 7 : 10);

    if (source_below(m->s, 8) == 0)
        puts_(m, source_below(m->s, 2) ? "NOT " : "-");
    if (kind < 5)
        put_term(m);
    else if (kind < 7)
        put_near(m);
    else if (kind == 7)
        put_of(m, depth);
    else {
        if (source_below(m->s, 4) == 0)
            put_field(m);
        puts_(m, "(");
        put_or(m, depth + 1);
        puts_(m, ")");
    }
}

static void put_and(struct maker *m, unsigned depth)
{
    uint32_t n = source_below(m->s, 3) ? 1 : 2 + source_below(m->s, 2);

    for (uint32_t i = 0; i < n; i++) {
        puts_(m, i == 0 ? "" : source_below(m->s, 2) ? " AND " : " ");
        put_not(m, depth);
    }
}

static void put_or(struct maker *m, unsigned depth)
{
    uint32_t n = source_below(m->s, 3) ? 1 : 2 + source_below(m->s, 2);

    for (uint32_t i = 0; i < n; i++) {
        puts_(m, i ? " OR " : "");
        put_and(m, depth);
    }
}

/* A piece as it is, or with a character more or one less. */
static void put_piece(struct maker *m)
{
    struct str x = m->piece[source_below(m->s, (uint32_t)m->n_pieces)];
    size_t len = 0, at = 0, stop = source_below(m->s, 12);

    if (source_below(m->s, 3) || x.n == 0) {
        put(m, x);
        return;
    }
    for (; at < x.n && stop; at += len, stop--)
        (void)utf8_get(x.s + at, x.n - at, &len);
    put(m, (struct str){ x.s, at });
    if (source_below(m->s, 2))
        put_character(m);
    else if (at < x.n) {
        (void)utf8_get(x.s + at, x.n - at, &len);
        at += len;
    }
    put(m, (struct str){ x.s + at, x.n - at });
}

static void put_between(struct maker *m)
{
    if (source_below(m->s, 50))
        puts_(m, PICK(m->s, between));
    else
        put(m, (struct str){ "\0", 1 });
}

static struct str item_text(struct maker *m, uint32_t words)
{
    begin(m);
    for (uint32_t i = 0; i < words; i++) {
        if (i || source_below(m->s, 4) == 0)
            put_between(m);
        if (m->n_pieces && source_below(m->s, 5))
            put_piece(m);
        else
            put_word(m);
    }
    return end(m);
}

static struct str item_link(struct maker *m)
{
    begin(m);
    puts_(m, source_below(m->s, 4) ? "http://" : "");
    for (uint32_t n = source_below(m->s, 5); n > 0; n--) {
        static const char *const mark[] = { ".", ".", ".", "@", ":", "/", "[", "#", "" };
        if (m->n_pieces && source_below(m->s, 5))
            put_piece(m);
        else
            put_between(m);
        puts_(m, PICK(m->s, mark));
    }
    puts_(m, source_below(m->s, 2) ? "a.example.org/x" : "");
    return end(m);
}

struct str random_lines(struct source *s, struct arena *a, struct match_input *in)
{
    struct maker m = { .s = s, .a = a };
    struct str *list;

    for (size_t i = 0; i < ALPHABET; i++)
        m.alphabet[i] = any_character(s);
    begin(&m);
    put_or(&m, 0);
    struct str rule = end(&m);
    *in = (struct match_input){ .title = item_text(&m, source_below(s, 8)) };
    in->summary = item_text(&m, source_below(s, 14));
    in->content = item_text(&m, source_below(s, 30));
    in->link = item_link(&m);
    in->feed = item_text(&m, 1 + source_below(s, 2));
    in->group = item_text(&m, 1);
    in->lang = item_text(&m, 1);
    begin(&m);
    list = (struct str *)(void *)m.to;
    m.a->n += 4 * sizeof *list;
    for (size_t i = 0; i < 4; i++)
        list[i] = item_text(&m, 1 + source_below(s, 3));
    in->authors = list;
    in->categories = list + 2;
    in->n_authors = source_below(s, 3);
    in->n_categories = source_below(s, 3);
    return rule;
}
