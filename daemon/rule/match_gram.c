/* Rules that are found by a regex alone: what its text must have for it to match.
 *
 * Of a pattern, runs of plain characters that no match can do without are taken, and of
 * these each three bytes in a row; an item is looked up by all of its own.  Letters are
 * made small on both sides.  Wherever the pattern has more than the plain syntax, nothing
 * is taken and the regex runs over each item. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "match_impl.h"
#include "utf8.h"

enum {
    GRAM = 3,
    LITERAL_MAX = 32, /* bytes of one that are used */
    CHOICES_MAX = 32, /* alternatives of which one must be there */
    DEPTH_MAX = 10,   /* brackets in brackets */
    GRAMS_MAX = 12,   /* of one literal */
};

struct literal {
    unsigned char n;
    char s[LITERAL_MAX];
};

struct choices { /* one of these stands in whatever matches; none: nothing is known */
    size_t n;
    struct literal v[CHOICES_MAX];
};

struct reader {
    struct str s;
    size_t at;
    bool caseless;
    bool lost; /* something stands there that is not understood */
    struct choices pool[DEPTH_MAX * 2 + 2];
    unsigned depth;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static size_t shortest(const struct choices *c)
{
    size_t n = c->n ? LITERAL_MAX : 0;

    for (size_t i = 0; i < c->n; i++)
        n = c->v[i].n < n ? c->v[i].n : n;
    return n;
}

/* Take `c` for what is known if it tells more. */
static void keep_better(struct choices *best, const struct choices *c)
{
    size_t old = shortest(best), new = shortest(c);

    if (new >= GRAM && (new > old || (new == old && c->n < best->n)))
        *best = *c;
}

static void keep_run(struct choices *best, struct literal *run)
{
    if (run->n >= GRAM &&
        (run->n > shortest(best) || (run->n == shortest(best) && best->n > 1))) {
        best->n = 1;
        best->v[0] = *run;
    }
    run->n = 0;
}

static bool more(const struct reader *r)
{
    return !r->lost && r->at < r->s.n;
}

static char look(const struct reader *r, size_t ahead)
{
    return r->at + ahead < r->s.n ? r->s.s[r->at + ahead] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* After a [: to the end of the class. */
static void skip_class(struct reader *r)
{
    r->at++;
    if (look(r, 0) == '^')
        r->at++;
    if (look(r, 0) == ']')
        r->at++;
    while (more(r) && look(r, 0) != ']') {
        if (look(r, 0) == '\\' && (look(r, 1) == 'Q' || look(r, 1) == 'E'))
            r->lost = true;
        if (look(r, 0) == '[' && strchr(":.=", look(r, 1)) && look(r, 1))
            r->lost = true; /* [:alpha:] */
        r->at += look(r, 0) == '\\' ? 2 : 1;
    }
    if (r->at >= r->s.n)
        r->lost = true;
    r->at++;
}

/* A quantifier, if one stands here: may what it follows be absent?  *some is set when one
 * was read at all. */
static bool read_quantifier(struct reader *r, bool *some)
{
    char c = look(r, 0);
    bool optional = c == '*' || c == '?';

    *some = c == '*' || c == '?' || c == '+' || c == '{';
    if (!*some)
        return false;
    r->at++;
    if (c == '{') {
        if (!is_digit(look(r, 0)))
            r->lost = true; /* a plain brace, or a form of its own */
        optional = look(r, 0) == '0';
        while (is_digit(look(r, 0)) || look(r, 0) == ',')
            r->at++;
        if (look(r, 0) != '}')
            r->lost = true;
        r->at++;
    }
    if (look(r, 0) == '?' || look(r, 0) == '+') /* lazy, possessive */
        r->at++;
    if (strchr("*?+{", look(r, 0)) && look(r, 0))
        r->lost = true;
    return optional;
}

/* An escape: a character that stands for itself goes to *plain, else what it matches is
 * anything, or it is not understood. */
static bool read_escape(struct reader *r, char *plain)
{
    char c = look(r, 1);

    r->at += 2;
    if (r->at > r->s.n || (c & 0x80)) {
        r->lost = true;
        return false;
    }
    if (is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z')) {
        r->lost |= !strchr("bBdDwWsShHvVAzZntr", c);
        return false;
    }
    *plain = c;
    return true;
}

/* One character that stands for itself, to the end of the run.  A quantifier goes with it
 * alone, and ends the run. */
static void read_plain(struct reader *r, struct choices *best, struct literal *run,
                       struct str c)
{
    bool some, optional = read_quantifier(r, &some);

    for (size_t i = 0; i < c.n; i++) /* these have other cases that are not ASCII */
        if (r->caseless && (c.s[i] & 0x80 || strchr("kKsS", c.s[i]))) {
            keep_run(best, run);
            return;
        }
    if (run->n + c.n > LITERAL_MAX || optional)
        keep_run(best, run);
    for (size_t i = 0; !optional && i < c.n; i++)
        run->s[run->n++] = lower(c.s[i]);
    if (some)
        keep_run(best, run);
}

static void read_choices(struct reader *r, struct choices *out);

/* Brackets: what they need, unless they are optional. */
static void read_group(struct reader *r, struct choices *best)
{
    struct choices *inner = &r->pool[r->depth++];
    bool some;

    r->at++;
    if (look(r, 0) == '*' || r->depth >= DEPTH_MAX)
        r->lost = true; /* a verb */
    else if (look(r, 0) == '?' && look(r, 1) == ':')
        r->at += 2;
    else if (look(r, 0) == '?')
        r->lost = true;
    if (!r->lost)
        read_choices(r, inner);
    if (look(r, 0) != ')')
        r->lost = true;
    r->at++;
    if (!r->lost && !read_quantifier(r, &some))
        keep_better(best, inner);
    r->depth--;
}

/* What one alternative needs: its best part. */
static void read_sequence(struct reader *r, struct choices *best)
{
    struct literal run = { 0 };
    bool some;

    best->n = 0;
    while (more(r) && look(r, 0) != '|' && look(r, 0) != ')') {
        char c = look(r, 0);
        size_t len = 1;
        if (c == '\\') {
            char plain;
            if (read_escape(r, &plain)) {
                read_plain(r, best, &run, (struct str){ &plain, 1 });
                continue;
            }
        } else if (c == '[') {
            skip_class(r);
        } else if (c == '(') {
            keep_run(best, &run);
            read_group(r, best);
            continue;
        } else if (strchr(".^$", c) && c) {
            r->at++;
        } else if (strchr("*?+{", c) || c == '\0') {
            r->lost = true;
        } else {
            if (utf8_get(r->s.s + r->at, r->s.n - r->at, &len) == UTF8_BAD)
                r->lost = true;
            r->at += len;
            read_plain(r, best, &run, (struct str){ r->s.s + r->at - len, len });
            continue;
        }
        (void)read_quantifier(r, &some);
        keep_run(best, &run);
    }
    keep_run(best, &run);
}

/* Alternatives: each must need something. */
static void read_choices(struct reader *r, struct choices *out)
{
    struct choices *one = &r->pool[DEPTH_MAX + 1 + r->depth];
    bool known = true;

    out->n = 0;
    for (;;) {
        read_sequence(r, one);
        known = known && one->n && out->n + one->n <= CHOICES_MAX;
        for (size_t i = 0; known && i < one->n; i++)
            out->v[out->n++] = one->v[i];
        if (look(r, 0) != '|' || r->lost)
            break;
        r->at++;
    }
    if (!known)
        out->n = 0;
}

static void read_pattern(struct reader *r, const struct rule_node *regex)
{
    r->s = regex->text;
    r->at = 0;
    r->caseless = regex->number & 1;
    r->lost = false;
    if (r->s.n >= 4 && !memcmp(r->s.s, "(?i)", 4)) {
        r->caseless = true;
        r->at = 4;
    }
    r->depth = 1;
    read_choices(r, &r->pool[0]);
    if (r->lost || r->at != r->s.n)
        r->pool[0].n = 0;
}

/* --- code ------------------------------------------------------------------------ */

/* The grams of a literal, each once. */
static int emit_literal(struct compiler *c, const struct literal *l)
{
    size_t at = c->set->codes.n;
    uint32_t n = 0;
    int r = numbers_add(&c->set->codes, 0);

    for (size_t i = 0; r == 0 && i + GRAM <= l->n && n < GRAMS_MAX; i++) {
        char text[TERM_HEAD] = { 0 };
        uint32_t id;
        bool known = false;
        memcpy(text, l->s + i, GRAM);
        r = compile_term(c, (struct str){ text, GRAM }, text_hash(text, GRAM), TERM_GRAM,
                         RULE_ANY, &id);
        for (uint32_t k = 0; r == 0 && k < n; k++)
            known |= c->set->codes.v[at + 1 + k] == id;
        if (r < 0 || known)
            continue;
        r = numbers_add(&c->set->codes, id);
        n++;
    }
    c->set->codes.v[at] = n << 4 | CODE_TERMS;
    return r;
}

int gram_compile(struct compiler *c, const struct rule_node *regex)
{
    struct numbers *codes = &c->set->codes;
    struct reader r;

    read_pattern(&r, regex);
    const struct choices *choices = &r.pool[0];
    if (choices->n == 0)
        return 0;
    size_t at = codes->n;
    int e = 0;
    if (choices->n > 1) {
        e = numbers_add(codes, (uint32_t)choices->n << 4 | CODE_OR);
        e = e < 0 ? e : numbers_add(codes, 0);
    }
    for (size_t i = 0; e == 0 && i < choices->n; i++)
        e = emit_literal(c, &choices->v[i]);
    if (e < 0)
        return e;
    if (choices->n > 1)
        codes->v[at + 1] = (uint32_t)(codes->n - at);
    return 1;
}

/* --- items ----------------------------------------------------------------------- */

static inline uint32_t gram_bit(uint32_t gram)
{
    return gram * 2654435761u >> (32 - GRAM_BITS);
}

static uint32_t gram_of(const char *p)
{
    return (uint32_t)(unsigned char)p[0] | (uint32_t)(unsigned char)p[1] << 8 |
           (uint32_t)(unsigned char)p[2] << 16;
}

int gram_index(struct match_set *set)
{
    const struct dict *d = &set->dict;
    bool some = false;

    for (size_t i = 0; i < d->n && !some; i++)
        some = d->terms[i].kind == TERM_GRAM;
    if (!some)
        return 0;
    set->grams = calloc(((size_t)1 << GRAM_BITS) / 64, sizeof *set->grams);
    if (!set->grams)
        return -ENOMEM;
    for (size_t i = 0; i < d->n; i++)
        if (d->terms[i].kind == TERM_GRAM) {
            uint32_t bit = gram_bit(gram_of(d->terms[i].head));
            set->grams[bit >> 6] |= (uint64_t)1 << (bit & 63);
        }
    return 0;
}

static int note_gram(struct match_scratch *s, uint32_t gram)
{
    char text[TERM_HEAD] = { (char)gram, (char)(gram >> 8), (char)(gram >> 16) };
    uint64_t hash = term_hash(text_hash_padded(text, GRAM), TERM_GRAM, RULE_ANY);
    uint32_t id =
        dict_find(&s->set->dict, (struct str){ text, GRAM }, hash, TERM_GRAM, RULE_ANY);

    return id == NONE || item_note(s, id) ? 0 : -ENOMEM;
}

/* Every text counts, whatever field the regex asks for: the regex itself looks there. */
int gram_note(struct match_scratch *s)
{
    const uint64_t *grams = s->set->grams;

    for (size_t i = 0; grams && i < s->n_segments; i++) {
        struct str t = s->segments[i].src;
        uint32_t gram = 0;
        for (size_t k = 0; k < t.n; k++) {
            gram = gram >> 8 | (uint32_t)(unsigned char)lower(t.s[k]) << 16;
            uint32_t bit = gram_bit(gram);
            if (k + 1 < GRAM || !(grams[bit >> 6] >> (bit & 63) & 1))
                continue;
            if (note_gram(s, gram) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}
