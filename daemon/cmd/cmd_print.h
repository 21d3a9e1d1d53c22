#ifndef CMD_PRINT_H
#define CMD_PRINT_H
/* Text for people: nothing in it can steer their terminal, long lines are folded. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "str.h"

/* Print `s` with unsafe characters (utf8.h) as U+FFFD; line breaks and tabs as spaces. */
void print_safe(FILE *to, struct str s);

struct print_fold {
    unsigned at;          /* columns already printed on the first line */
    unsigned first, rest; /* spaces before the first line, before the others */
    unsigned width;       /* columns, those spaces included */
    bool rule;            /* never broken within a phrase or a regex */
};

/* Print a rule or a sentence safely, folded; ends with a newline. */
void print_folded(FILE *to, struct str s, const struct print_fold *how);

/* How many columns `to` has: those of its terminal, at most 100; any number when it is
 * none, for whoever searches the output line by line. */
unsigned print_width(FILE *to);

enum { PRINT_TIME_SIZE = 32 };

/* A length of time in its largest fitting unit: "42 s", "3 min", "5 h", "12 days". */
void print_span(char out[PRINT_TIME_SIZE], int64_t ms);

/* When, seen from now: "3 min ago", "in 5 h", "now". */
void print_when(char out[PRINT_TIME_SIZE], int64_t when_ms, int64_t now_ms);

/* How many columns of a terminal `s` takes. */
unsigned print_columns(struct str s);

/* Print as much of `s` as fits into `width` columns, safely, with an ellipsis where it
 * was cut, and fill up with spaces when `pad`. */
void print_cell(FILE *to, struct str s, unsigned width, bool pad);

/* The same for tables, which may be as wide as the terminal. */
unsigned print_table_width(FILE *to);

/* Escape sequences, or "" when `to` is no terminal or NO_COLOR is set. */
struct print_style {
    const char *bold, *good, *bad, *hint, *plain;
};
struct print_style print_style(FILE *to);
#endif
