#ifndef CMD_TRY_H
#define CMD_TRY_H
/* What parse, match and explain share: reading a feed file, and a rule from the command
 * line, tried on the items of feed files. */
#include <stdbool.h>
#include "feed_parse.h"
#include "match.h"
#include "rule.h"

enum { TRY_SOME = 0, TRY_NONE = 1, TRY_ERROR = 2 }; /* exit statuses, as of grep(1) */

enum { TRY_CHUNK = 16 << 10 }; /* bytes of one read, at most */

/* Feed the parser what `fd` holds, in reads of `chunk` bytes (at most TRY_CHUNK), until
 * its end or until the parser has enough.  0, or -errno of reading. */
int try_push(struct feed_parse *p, int fd, size_t chunk);

struct try_feed { /* what feed: and group: compare with; "" unless given */
    const char *feed, *group;
};

struct try_options {
    struct try_feed feed;
    bool json;
};

/* Read the options of `command` up to its rule: -f, -g, -h, and -j where `o->json` says
 * that it is known.  True: go on at optind.  False: *status is the exit status, after the
 * usage on stdout or a word on stderr. */
bool try_options(struct try_options *o, const char *command, const char *usage, int argc,
                 char **argv, int *status);

/* Write `b` to stdout whole, and free it.  0 or -errno. */
int try_put(struct buf *b);

/* The exit status, once all is written: `bad`, an `error` (0 or -errno, said on stderr)
 * or a full disk are TRY_ERROR. */
int try_status(const char *command, bool bad, int error, unsigned long matched);

/* Parse the rule; errors and hints go to stderr, after the name of the command.  NULL
 * when it is refused. */
struct rule *try_rule(const char *command, const char *text);
/* The same with the sets of a config. */
struct rule *try_rule_in(const char *command, const char *text,
                         const struct rule_set *sets, size_t n_sets);

const char *try_field_name(unsigned field);

/* Give each item of a feed file ("-": stdin) to `on_item`.  0, or -1 after saying on
 * stderr what is wrong with the file; a stop by on_item is no error. */
int try_file(const char *command, const char *path, feed_item_fn *on_item, void *ctx);

/* A compiled set of rules and its scratch. */
struct try_rules {
    struct match_set *set;
    struct match_scratch *scratch;
};
int try_compile(struct try_rules *out, const char *command,
                const struct match_rule *rules, size_t n);
void try_free(struct try_rules *t);
#endif
