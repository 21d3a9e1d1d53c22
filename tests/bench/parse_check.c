/* Checks the parser on files: any split of the same bytes gives the same items, and a
 * file cut anywhere gives a prefix of them.  Usage: parse_check FILE... */
#include "feed_files.h"

static const size_t steps[] = { 1, 2, 3, 7, 64, 4096 };

struct outcome {
    struct buf items;
    struct feed_parse_result result;
};

static int parse(struct outcome *o, const char *s, size_t n, size_t step)
{
    struct feed_parse_options opt = { .url = STR("http://example.org/feed") };
    struct feed_parse *p = NULL;

    buf_init(&o->items, (size_t)256 << 20);
    if (feed_parse_new(&p, &opt, put_item, &o->items) < 0)
        return -1;
    for (size_t i = 0; i < n; i += step)
        if (feed_parse_push(p, s + i, n - i < step ? n - i : step) < 0)
            break;
    feed_parse_finish(p, &o->result);
    feed_parse_free(p);
    return o->items.error;
}

static int same(const struct outcome *a, const struct outcome *b)
{
    return str_eq(buf_str(&a->items), buf_str(&b->items)) &&
           a->result.status == b->result.status && a->result.repairs == b->result.repairs;
}

static unsigned chunks(const struct file *f, const struct outcome *whole)
{
    unsigned bad = 0;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct outcome o;
        if (parse(&o, f->s, f->n, steps[i]) < 0 || !same(whole, &o)) {
            printf("%s: chunks of %zu: %s, %lu items, %lu repairs; whole: %s, %lu items, "
                   "%lu repairs%s\n",
                   f->name, steps[i], feed_status_name(o.result.status), o.result.items,
                   o.result.repairs, feed_status_name(whole->result.status),
                   whole->result.items, whole->result.repairs,
                   str_eq(buf_str(&whole->items), buf_str(&o.items)) ? ""
                                                                     : "; items differ");
            bad++;
        }
        buf_free(&o.items);
    }
    return bad;
}

static unsigned cuts(const struct file *f, const struct outcome *whole, unsigned count)
{
    unsigned bad = 0;
    unsigned long long seed = f->n * 2654435761u + 1;

    for (unsigned i = 0; i < count; i++) {
        struct outcome o;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t n = (size_t)(seed >> 33) % (f->n + 1);
        if (parse(&o, f->s, n, 16384) < 0 || o.items.n > whole->items.n ||
            memcmp(o.items.s ? o.items.s : "", whole->items.s ? whole->items.s : "",
                   o.items.n) != 0) {
            printf("%s: cut at %zu: the items are no prefix\n", f->name, n);
            bad++;
        }
        buf_free(&o.items);
    }
    return bad;
}

int main(int argc, char **argv)
{
    unsigned bad = 0, count = 200;

    for (int i = 1; i < argc; i++) {
        struct file f;
        struct outcome whole;
        if (!strncmp(argv[i], "--cuts=", 7)) {
            count = (unsigned)strtoul(argv[i] + 7, NULL, 10);
            continue;
        }
        if (file_read(&f, argv[i]) < 0 || parse(&whole, f.s, f.n, f.n + 1) < 0) {
            fprintf(stderr, "parse_check: cannot read %s\n", argv[i]);
            return 2;
        }
        unsigned wrong = chunks(&f, &whole) + cuts(&f, &whole, count);
        bad += wrong > 0;
        buf_free(&whole.items);
        free(f.s);
    }
    return bad != 0;
}
