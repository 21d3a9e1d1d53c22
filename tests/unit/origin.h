#ifndef ORIGIN_H
#define ORIGIN_H
/* A small HTTP origin in the test process: a thread for each connection, an ephemeral
 * port, answers written byte by byte by the test, so that they may be as wrong as it
 * likes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct origin;
struct origin_conn;

/* Answer the request `head` for `path`.  Runs in the connection's thread.  True: wait for
 * the next request on this connection; false: close it. */
typedef bool (*origin_answer)(struct origin_conn *c, const char *path, const char *head,
                              void *ctx);

/* Listen on `address` (NULL: 127.0.0.1). */
struct origin *origin_new(const char *address, origin_answer answer, void *ctx);
/* The same over TLS on 127.0.0.1; `tls` (an SSL_CTX) stays the caller's. */
struct origin *origin_new_tls(origin_answer answer, void *ctx, void *tls);
void origin_free(struct origin *o);
int origin_port(const struct origin *o);

unsigned origin_connections(struct origin *o);
unsigned origin_requests(struct origin *o);
unsigned origin_resumed(struct origin *o); /* handshakes that took up an old session */
/* Copy of the head of request `i`, to be freed; NULL when there were fewer. */
char *origin_request(struct origin *o, unsigned i);
void origin_forget(struct origin *o); /* the requests so far */

/* False when the peer is gone. */
bool origin_send(struct origin_conn *c, const void *bytes, size_t n);
bool origin_puts(struct origin_conn *c, const char *s);
bool origin_printf(struct origin_conn *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Stay quiet; false when the peer went away or the origin is being freed. */
bool origin_wait(struct origin_conn *c, int ms);
/* Close with RST instead of FIN. */
void origin_reset(struct origin_conn *c);
#endif
