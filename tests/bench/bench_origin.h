#ifndef BENCH_ORIGIN_H
#define BENCH_ORIGIN_H
/* A publisher that is quicker than its readers, in a process of its own on loopback: any
 * path is a feed of 40 items and 48 kB, over HTTP and over TLS with an authority of its
 * own, under any name that its name server is asked for. */
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

enum { ORIGIN_ITEMS = 40, ORIGIN_BYTES = 48000 };

struct origin_control { /* shared with the process */
    /* Number of the oldest item of every feed; its ETag is "v<base>". */
    atomic_uint base;
    atomic_bool hold; /* stop in the middle of each document */
    atomic_uint requests, not_modified, connections, handshakes, resumed;
    char names[32]; /* "127.0.0.1:PORT" of the name server */
};

struct origin {
    struct origin_control *control;
    int port, tls_port;
    pid_t process;
};

/* Start it.  `ca_file` is written: the system's roots and our own.  Ends the process on
 * errors. */
void origin_start(struct origin *o, const char *ca_file);
void origin_stop(struct origin *o);
#endif
