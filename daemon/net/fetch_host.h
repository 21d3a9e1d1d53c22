#ifndef FETCH_HOST_H
#define FETCH_HOST_H
/* Host names of a pool: their addresses, found by c-ares without a thread and without
 * blocking, and how many transfers talk to each.  A name that does not resolve delays
 * only the transfers that need it: lookups take no transfer's place. */
#include <ares.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct transfer;

enum host_name {
    HOST_NEW,    /* never asked, or the answer is too old */
    HOST_QUEUED, /* waits for its turn to be asked */
    HOST_ASKED,  /* c-ares is at it */
    HOST_KNOWN,  /* addresses are there (or the name is an address itself) */
    HOST_FAILED, /* no address; `error` says why */
};

struct host {
    struct host *chain; /* of the hash table */
    struct host *next;  /* of those to ask, or of those answered */
    struct hosts *all;
    struct transfer *wait, **wait_end; /* for the name or for their turn */
    char *addresses;                   /* "192.0.2.1,[2001:db8::1]"; NULL: none */
    int64_t fresh_until_ms;
    unsigned refs;   /* transfers that point here */
    unsigned active; /* those that may run */
    uint32_t hash;
    enum host_name state;
    int error;     /* ARES_... */
    uint8_t place; /* in hosts.young, from 1; 0: none */
    bool told;     /* stands among the answered */
    bool silent;   /* no server answered the last time */
    bool literal;  /* the name is an address */
    bool local;    /* loopback: no bound on transfers at once */
    char name[];   /* ASCII (punycode), lower case; brackets of IPv6 kept */
};

/* So many questions go out before their answers are in.  Answers that come faster than we
 * read them are lost where they wait, in a socket of 208 KiB, which holds some 90 to 270;
 * a small resolver refuses when it has 150 under way.  (A name is two questions.) */
#define HOSTS_YOUNG 32

struct hosts {
    struct host **bucket;
    size_t buckets, n;
    struct host *ask, **ask_end;           /* HOST_QUEUED, oldest first */
    struct host *ask_last, **ask_last_end; /* the silent ones among them */
    struct host *young[HOSTS_YOUNG];       /* just asked; NULL: a free place */
    struct host *answered, **answered_end; /* for the pool to look at */
    unsigned asking;
    CURLU *url; /* scratch */
    ares_channel channel;
    bool channel_up, closing;
    char *servers;           /* NULL: /etc/resolv.conf */
    int64_t conf_mtime_ns;   /* of /etc/resolv.conf, as read by the channel */
    int64_t conf_checked_ms; /* when we last looked */
    int epfd;                /* where its sockets go, marked with HOSTS_FD */
};

/* Mark in epoll_data.u64 of the sockets of c-ares. */
#define HOSTS_FD ((uint64_t)1 << 32)

int hosts_init(struct hosts *hs, int epfd, const char *servers);
void hosts_free(struct hosts *hs);
/* See fetch.h. */
int hosts_set_servers(struct hosts *hs, const char *servers, int64_t now_ms);
int hosts_check_servers(const char *servers);

/* Find or make the host of `*url` and take a reference.  A URL that is not all ASCII is
 * replaced by its ASCII form.  0, -EINVAL (no host there), -ENOMEM. */
int hosts_of_url(struct hosts *hs, char **url, struct host **out, uint16_t *port);
void hosts_unref(struct host *h);

/* Is the name ready for a connection at `now_ms`? */
bool host_ready(const struct host *h, int64_t now_ms);

/* Have the name looked up; it turns up in `answered` sooner or later.  Fine when that is
 * already going on. */
void host_ask(struct host *h, int64_t now_ms);

/* A connection to the known addresses failed: ask again next time. */
void host_forget(struct host *h);

/* The next answered host, or NULL. */
struct host *hosts_take_answered(struct hosts *hs);

void hosts_event(struct hosts *hs, int fd, uint32_t events, int64_t now_ms);
/* Milliseconds until hosts_tick() is wanted, or -1. */
int hosts_timeout_ms(struct hosts *hs, int64_t now_ms);
void hosts_tick(struct hosts *hs, int64_t now_ms);
#endif
