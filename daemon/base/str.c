/* Comparing and trimming borrowed runs of bytes. */
#include "str.h"

#include <strings.h>

bool str_eq_nocase(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.s, b.s, a.n) == 0);
}

bool str_has_word(struct str list, const char *word)
{
    size_t w = strlen(word);

    for (size_t i = 0; i + w <= list.n; i++)
        if ((i == 0 || list.s[i - 1] == ' ') && strncasecmp(list.s + i, word, w) == 0 &&
            (i + w == list.n || list.s[i + w] == ' '))
            return true;
    return false;
}

struct str str_lay(char **at, struct str s)
{
    struct str copy = { *at, s.n };

    if (s.n)
        memcpy(*at, s.s, s.n);
    (*at)[s.n] = '\0';
    *at += s.n + 1;
    return copy;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str a)
{
    while (a.n && is_space(a.s[0])) {
        a.s++;
        a.n--;
    }
    while (a.n && is_space(a.s[a.n - 1]))
        a.n--;
    return a;
}
