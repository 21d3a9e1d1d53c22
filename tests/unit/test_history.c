/* history: records come back as they were, damage is noticed, nothing is half kept. */
#include "test.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "history.h"

static const struct str authors[] = { { "Ann", 3 }, { "Bob", 3 } };
static const struct str categories[] = { { "world", 5 } };

static struct history_item sample(int64_t n)
{
    return (struct history_item){
        .item = { .title = STR("Putin calls Xi"),
                  .summary = STR("A call."),
                  .content = STR("A call of the two, at some length, with caf\xC3\xA9."),
                  .link = STR("https://example.org/1"),
                  .lang = STR("en"),
                  .authors = authors,
                  .n_authors = 2,
                  .categories = categories,
                  .n_categories = 1,
                  .published_s = n % 2 ? -5 : ITEM_NO_TIME,
                  .updated_s = n % 3 ? INT64_C(1795491780) : ITEM_NO_TIME },
        .feed = STR("kyivpost"),
        .fetched_ms = INT64_C(1795491793123) + n,
        .silent = n % 2,
    };
}

struct read {
    int64_t n;
    int64_t stop_at;
};

static int check(void *ctx, const struct history_item *h)
{
    struct read *r = ctx;
    struct history_item want = sample(r->n++);
    const struct item *a = &h->item, *b = &want.item;

    assert_true(str_eq(a->title, b->title) && str_eq(a->summary, b->summary) &&
                str_eq(a->content, b->content) && str_eq(a->link, b->link) &&
                str_eq(a->lang, b->lang) && str_eq(h->feed, want.feed));
    assert_true(a->n_authors == 2 && str_eq(a->authors[1], authors[1]));
    assert_true(a->n_categories == 1 && str_eq(a->categories[0], categories[0]));
    assert_true(a->published_s == b->published_s && a->updated_s == b->updated_s);
    assert_true(h->fetched_ms == want.fetched_ms && h->silent == want.silent);
    return r->n == r->stop_at ? 7 : 0;
}

/* Two frames of `each` records. */
static void pack(struct buf *packed, int64_t each)
{
    struct buf raw;
    int64_t n = 0;

    buf_init(&raw, 1 << 20);
    buf_init(packed, 1 << 20);
    for (int frame = 0; frame < 2; frame++) {
        buf_clear(&raw);
        for (int64_t i = 0; i < each; i++, n++) {
            struct history_item h = sample(n);
            assert_int_equal(history_put(&raw, &h), 0);
        }
        assert_int_equal(history_pack(packed, buf_str(&raw)), 0);
    }
    buf_free(&raw);
}

static void gives_back_what_was_put(void **state)
{
    (void)state;
    struct buf packed;
    struct read r = { 0 };

    pack(&packed, 50);
    assert_int_equal(history_each(buf_str(&packed), check, &r), 0);
    assert_int_equal(r.n, 100);
    assert_true(packed.n < 2000); /* alike as they are */
    r = (struct read){ .stop_at = 70 };
    assert_int_equal(history_each(buf_str(&packed), check, &r), 7);
    assert_int_equal(r.n, 70);
    buf_free(&packed);
}

/* Texts may have changed, but must lie inside. */
static int touch(void *ctx, const struct history_item *h)
{
    int64_t *sum = ctx;
    const struct str *all[] = { &h->feed, &h->item.title, &h->item.summary,
                                &h->item.link };

    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < all[i]->n; k++)
            *sum += all[i]->s[k];
    for (size_t i = 0; i < h->item.n_authors; i++)
        *sum += (int64_t)h->item.authors[i].n;
    return 0;
}

static void notices_damage(void **state)
{
    (void)state;
    struct buf packed;

    pack(&packed, 3);
    for (size_t n = 0; n < packed.n; n++) { /* cut anywhere */
        struct read r = { 0 };
        int e = history_each((struct str){ packed.s, n }, check, &r);
        assert_true(e == -EBADMSG || (e == 0 && r.n % 3 == 0));
        assert_true(r.n <= 3);
    }
    for (size_t i = 0; i < packed.n; i++) { /* it may be wrong, but not outside */
        char *copy = malloc(packed.n);
        struct read r = { 0 };

        assert_non_null(copy);
        memcpy(copy, packed.s, packed.n);
        copy[i] = (char)(copy[i] ^ 0x55);
        int e = history_each((struct str){ copy, packed.n }, touch, &r.n);
        assert_true(e == 0 || e == -EBADMSG || e == -ENOMEM);
        free(copy);
    }
    buf_free(&packed);
}

static void leaves_out_what_does_not_fit(void **state)
{
    (void)state;
    struct history_item h = sample(0);
    struct buf raw;
    char *text = malloc(100000);

    assert_non_null(text);
    memset(text, 'x', 100000);
    h.item.content = (struct str){ text, 100000 };
    buf_init(&raw, 100000);
    assert_int_equal(history_put(&raw, &h), 0);
    assert_true(raw.n > HISTORY_TEXT_MAX && raw.n < HISTORY_TEXT_MAX + 1000);
    assert_int_equal(history_put(&raw, &h), 0);
    assert_int_equal(history_put(&raw, &h), 0);
    size_t before = raw.n;
    assert_int_equal(history_put(&raw, &h), -E2BIG);
    assert_int_equal(raw.n, before);
    assert_int_equal(raw.error, 0);
    buf_free(&raw);
    free(text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(gives_back_what_was_put),
    cmocka_unit_test(notices_damage),
    cmocka_unit_test(leaves_out_what_does_not_fit),
};
TEST_MAIN(tests)
