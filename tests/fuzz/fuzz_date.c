/* Fuzz: any text is a date within the years 1..9999 (a day of offset aside) or refused,
 * and what is written is read back. */
#include "fuzz/fuzz.h"
#include "date.h"

#define FIRST_S (INT64_C(-62135596800) - 86400)
#define LAST_S (INT64_C(253402300800) + 86400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char out[DATE_RFC3339_SIZE];
    int64_t t = 42, back;

    if (!date_parse((struct str){ (const char *)data, n }, &t)) {
        MUST(t == 42);
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
