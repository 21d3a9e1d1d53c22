#ifndef NAMES_H
#define NAMES_H
/* A small name server in the test process, on a UDP port of 127.0.0.1. */
struct names;

/* The IPv4 addresses of `name` for its `nth` question (from 0), as "a b c"; "" for none,
 * NULL for "no such name"; NAMES_SILENT: no answer at all.  Runs in the server's thread.
 */
typedef const char *(*names_answer)(const char *name, unsigned nth);
extern const char NAMES_SILENT[];

struct names *names_new(names_answer answer);
void names_free(struct names *n);
/* "127.0.0.1:PORT" */
const char *names_server(const struct names *n);
/* Questions for A so far. */
unsigned names_asked(struct names *n);
#endif
