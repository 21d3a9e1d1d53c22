/* Sorting in place: nothing is allocated, and there is no bad case. */
#include <string.h>
#include "match_impl.h"

enum { ELEMENT_MAX = 32 }; /* bytes */

struct heap {
    char *v;
    size_t size; /* of an element */
    sort_cmp *cmp;
};

static void sift(const struct heap *h, size_t root, size_t n)
{
    char x[ELEMENT_MAX];

    memcpy(x, h->v + root * h->size, h->size);
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        char *c = h->v + child * h->size;
        if (child + 1 < n && h->cmp(c, c + h->size) < 0) {
            child++;
            c += h->size;
        }
        if (h->cmp(x, c) >= 0)
            break;
        memcpy(h->v + root * h->size, c, h->size);
    }
    memcpy(h->v + root * h->size, x, h->size);
}

void sort_in_place(void *v, size_t n, size_t size, sort_cmp *cmp)
{
    struct heap h = { v, size, cmp };
    char x[ELEMENT_MAX];

    for (size_t i = n / 2; i-- > 0;)
        sift(&h, i, n);
    for (size_t i = n; i-- > 1;) {
        char *last = h.v + i * size;
        memcpy(x, h.v, size);
        memcpy(h.v, last, size);
        memcpy(last, x, size);
        sift(&h, 0, i);
    }
}

static int number_cmp(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

void sort_numbers(uint32_t *v, size_t n)
{
    if (n > 32) {
        sort_in_place(v, n, sizeof *v, number_cmp);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        uint32_t x = v[i];
        size_t k = i;
        for (; k > 0 && v[k - 1] > x; k--)
            v[k] = v[k - 1];
        v[k] = x;
    }
}
