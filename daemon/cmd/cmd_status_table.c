/* feedwatch status as a table that fits its terminal. */
#include <stdio.h>
#include <stdlib.h>
#include "cmd_print.h"
#include "cmd_status.h"

enum {
    CELL = 96,     /* bytes of a cell, the note apart */
    NAME_MIN = 12, /* columns, when room is short */
    NOTE_MIN = 16,
    GAP = 2,
};

enum column { NAME, STATE, LAST, NEXT, A_DAY, SAME, FAILS, GAPS, NOTE, COLUMNS };

static const struct {
    const char *head;
    bool right;
    unsigned rank; /* the highest goes first when room is short; 0: stays */
} column[COLUMNS] = {
    [NAME] = { "FEED", false, 0 },    [STATE] = { "STATE", false, 0 },
    [LAST] = { "SUCCESS", false, 1 }, [NEXT] = { "NEXT", false, 2 },
    [A_DAY] = { "ITEMS/D", true, 4 }, [SAME] = { "304", true, 5 },
    [FAILS] = { "FAILS", true, 3 },   [GAPS] = { "GAPS", true, 6 },
    [NOTE] = { "WHY", false, 0 },
};

static void put_rate(char out[CELL], double a_day)
{
    if (a_day < 0)
        return;
    snprintf(out, CELL, a_day < 10 ? "%.1f" : "%.0f", a_day);
}

static void put_count(char out[CELL], int64_t n)
{
    if (n > 0)
        snprintf(out, CELL, "%lld", (long long)n);
}

/* What `row` shows in one column; the note may be longer than a cell: see note_of(). */
static void cell_of(char out[CELL], const struct status *s, const struct status_row *row,
                    enum column which)
{
    const struct store_feed *f = &row->state;
    int64_t due = status_due_ms(row);
    char when[PRINT_TIME_SIZE];

    out[0] = '\0';
    switch (which) {
    case NAME:
        snprintf(out, CELL, "%s", row->conf->name);
        break;
    case STATE:
        snprintf(out, CELL, "%s", store_feed_state_name(row->is));
        break;
    case LAST:
        if (f->last_success_ms)
            print_when(when, f->last_success_ms, s->now_ms);
        snprintf(out, CELL, "%s", f->last_success_ms ? when : "never");
        break;
    case NEXT:
        if (due)
            print_when(when, due > s->now_ms ? due : s->now_ms, s->now_ms);
        snprintf(out, CELL, "%s", due ? when : row->is == STORE_FEED_GONE ? "never" : "");
        break;
    case A_DAY:
        put_rate(out, status_items_a_day(s, row));
        break;
    case SAME:
        if (f->polls)
            snprintf(out, CELL, "%.0f%%",
                     100.0 * (double)f->not_modified / (double)f->polls);
        break;
    case FAILS:
        put_count(out, f->failures);
        break;
    case GAPS:
        put_count(out, f->gaps);
        break;
    case NOTE:
    case COLUMNS:
        break;
    }
}

static const char *note_of(const struct status *s, const struct status_row *row)
{
    return row->state.error ? row->state.error : status_why_due(s, row);
}

static const char *colour_of(const struct print_style *style, enum store_feed_state is)
{
    switch (is) {
    case STORE_FEED_OK:
        return style->good;
    case STORE_FEED_NEW:
    case STORE_FEED_SILENT:
        return style->hint;
    case STORE_FEED_FAILING:
    case STORE_FEED_BROKEN:
    case STORE_FEED_LOGIN:
    case STORE_FEED_GONE:
        return style->bad;
    }
    return style->plain;
}

static bool shows(const struct status *s, const struct status_row *row)
{
    return !s->failing || status_is_failing(row);
}

/* How wide each column wants to be; 0 for one that is empty in every row. */
static void measure(const struct status *s, unsigned width[COLUMNS])
{
    char text[CELL];

    for (int c = 0; c < NOTE; c++)
        width[c] = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!shows(s, &s->row[i]))
            continue;
        for (int c = 0; c < NOTE; c++) {
            cell_of(text, s, &s->row[i], (enum column)c);
            unsigned n = print_columns(str_of(text));
            if (n > width[c])
                width[c] = n;
        }
    }
    for (int c = 0; c < NOTE; c++)
        if (width[c] && width[c] < strlen(column[c].head))
            width[c] = (unsigned)strlen(column[c].head);
}

static unsigned total(const unsigned width[COLUMNS])
{
    unsigned sum = 0;

    for (int c = 0; c < NOTE; c++)
        sum += width[c] ? width[c] + GAP : 0;
    return sum;
}

/* Make it fit: first the names get shorter, then the least telling columns go. */
static void fit(unsigned width[COLUMNS], unsigned room)
{
    unsigned rank = COLUMNS;

    if (total(width) + NOTE_MIN > room && width[NAME] > NAME_MIN) {
        unsigned over = total(width) + NOTE_MIN - room;
        width[NAME] = width[NAME] > NAME_MIN + over ? width[NAME] - over : NAME_MIN;
    }
    while (total(width) + NOTE_MIN > room && rank-- > 1)
        for (int c = 0; c < NOTE; c++)
            if (column[c].rank == rank)
                width[c] = 0;
    width[NOTE] = room > total(width) ? room - total(width) : 0;
}

static void put_cell(struct str text, unsigned width, bool right)
{
    unsigned n = print_columns(text);

    if (right && n < width)
        printf("%*s", (int)(width - n), "");
    print_cell(stdout, text, width, !right);
    printf("%*s", GAP, "");
}

static void put_row(const struct status *s, const struct status_row *row,
                    const unsigned width[COLUMNS], const struct print_style *style)
{
    char text[CELL];

    for (int c = 0; c < NOTE; c++) {
        if (!width[c])
            continue;
        cell_of(text, s, row, (enum column)c);
        bool coloured = c == STATE || (c == FAILS && text[0]) || (c == GAPS && text[0]);
        if (coloured)
            fputs(c == STATE ? colour_of(style, row->is) : style->hint, stdout);
        put_cell(str_of(text), width[c], column[c].right);
        if (coloured)
            fputs(style->plain, stdout);
    }
    print_cell(stdout, str_of(note_of(s, row)), width[NOTE], false);
    putchar('\n');
}

static void put_head(const unsigned width[COLUMNS], const struct print_style *style)
{
    fputs(style->bold, stdout);
    for (int c = 0; c < NOTE; c++)
        if (width[c])
            put_cell(str_of(column[c].head), width[c], column[c].right);
    printf("%s%s\n", column[NOTE].head, style->plain);
}

static void put_summary(const struct status *s, size_t shown)
{
    static const enum store_feed_state order[] = { STORE_FEED_OK,     STORE_FEED_NEW,
                                                   STORE_FEED_SILENT, STORE_FEED_FAILING,
                                                   STORE_FEED_BROKEN, STORE_FEED_LOGIN,
                                                   STORE_FEED_GONE };
    const char *comma = ":";

    printf("%zu feed%s", s->n, s->n == 1 ? "" : "s");
    for (size_t k = 0; k < sizeof order / sizeof order[0]; k++) {
        size_t n = 0;
        for (size_t i = 0; i < s->n; i++)
            n += s->row[i].is == order[k];
        if (n) {
            printf("%s %zu %s", comma, n, store_feed_state_name(order[k]));
            comma = ",";
        }
    }
    printf("; %lld alert%s so far; ", (long long)s->alerts, s->alerts == 1 ? "" : "s");
    if (s->daemon)
        printf("the daemon runs (process %lld)\n", (long long)s->daemon);
    else
        printf("the daemon does not run\n");
    status_refusal(s);
    status_limited(s);
    if (!s->failing)
        status_held_lines(s);
    if (s->failing && !shown)
        printf("No feed needs a look.\n");
}

void status_table(const struct status *s)
{
    struct print_style style = print_style(stdout);
    unsigned width[COLUMNS];
    size_t shown = 0;

    for (size_t i = 0; i < s->n; i++)
        shown += shows(s, &s->row[i]);
    put_summary(s, shown);
    if (!shown)
        return;
    measure(s, width);
    fit(width, print_table_width(stdout));
    putchar('\n');
    put_head(width, &style);
    for (size_t i = 0; i < s->n; i++)
        if (shows(s, &s->row[i]))
            put_row(s, &s->row[i], width, &style);
}
