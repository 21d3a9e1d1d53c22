#ifndef STR_H
#define STR_H
/* A borrowed run of bytes: pointer and length, no ownership, not necessarily
 * NUL-terminated unless the giver says so.  n == 0 means "absent or empty"; s may then be
 * NULL. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *s;
    size_t n;
};

/* A str over a string literal. */
#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

/* A str over a NUL-terminated string; NULL gives the empty str. */
static inline struct str str_of(const char *s)
{
    return (struct str){ s, s ? strlen(s) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) ; n > 0: there is s */
    return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

/* ASCII case-insensitive equality. */
bool str_eq_nocase(struct str a, struct str b);

/* Is `word` one of the words of `list`, which spaces separate?  ASCII case-insensitive.
 */
bool str_has_word(struct str list, const char *word);

/* Copy `s` and a NUL to *at and move *at behind them; the copy. */
struct str str_lay(char **at, struct str s);

/* `a` without leading and trailing ASCII white space. */
struct str str_trim(struct str a);
#endif
