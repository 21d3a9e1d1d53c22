/* Fuzz: any text is a date within the years 2..9999 (a day of offset aside) or refused,
 * and what is written is read back. */
#include "fuzz/fuzz.h"
#include "date.h"

#define FIRST_S (INT64_C(-62104060800) - 86400)
#define LAST_S (INT64_C(253402300800) + 86400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char out[DATE_RFC3339_SIZE];
    int64_t t = 42, back, south = 42, west = 42;
    struct str text = { (const char *)data, n };
    bool read = date_parse(text, &t);
    bool read_south = date_parse_in(text, STR("hr"), &south);
    bool read_west = date_parse_in(text, STR("pl"), &west);

    /* A language may decide what is open or refuse what contradicts it, no more. */
    MUST(!read || !read_south || t == south);
    MUST(!read || !read_west || t == west);
    MUST(!read || read_south || read_west);
    if (!read) {
        MUST(t == 42 && (!read_south || !read_west || south != west));
        return 0;
    }
    MUST(t >= FIRST_S && t <= LAST_S);
    date_rfc3339_s(out, t);
    if (t >= FIRST_S + 86400 && t < LAST_S - 86400)
        MUST(date_parse(str_of(out), &back) && back == t);
    date_rfc3339(out, t * 1000 + 999);
    MUST(out[10] == 'T' && out[24] == '\0');
    return 0;
}
