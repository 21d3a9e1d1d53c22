/* Host names of a pool: looked up by c-ares, kept for a while. */
#include "fetch_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include "buf.h"
#include "netguard.h"

#define MAX_ASKING 2048     /* lookups at once; one costs about 3 KB, no thread */
#define YOUNG_MS 50         /* so long a lookup has a place of HOSTS_YOUNG */
#define MAX_CACHED 8192     /* names kept beside those in use */
#define MAX_ADDRESSES 16    /* of one name */
#define QUERY_MS 2000       /* first try; each further one waits twice as long */
#define QUERY_TRIES 3       /* 2 + 4 + 8 s, then the name has failed */
#define MIN_FRESH_MS 60000  /* a cached answer serves at least so long ... */
#define MAX_FRESH_MS 600000 /* ... and at most so long, whatever its TTL says */
#define CONF_CHECK_MS 5000  /* look for a new resolv.conf at most so often */
#define RESOLV_CONF "/etc/resolv.conf"

/* ---- the table ---- */

static uint32_t hash_name(const char *s)
{
    uint32_t h = 2166136261u; /* FNV-1a: the number of names in use is small */

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h ^ h >> 15;
}

static struct host **find(struct hosts *hs, const char *name, uint32_t hash)
{
    struct host **at = &hs->bucket[hash & (hs->buckets - 1)];

    while (*at && ((*at)->hash != hash || strcmp((*at)->name, name) != 0))
        at = &(*at)->chain;
    return at;
}

static void drop(struct host *h)
{
    struct hosts *hs = h->all;

    *find(hs, h->name, h->hash) = h->chain;
    hs->n--;
    free(h->addresses);
    free(h);
}

/* Not even c-ares or a list points here. */
static bool is_idle(const struct host *h)
{
    return h->refs == 0 && h->state != HOST_QUEUED && h->state != HOST_ASKED;
}

/* Make room: forget what is not in use. */
static void sweep(struct hosts *hs)
{
    for (size_t i = 0; i < hs->buckets; i++) {
        for (struct host *h = hs->bucket[i], *next; h; h = next) {
            next = h->chain;
            if (is_idle(h))
                drop(h);
        }
    }
}

static void grow(struct hosts *hs)
{
    size_t buckets = hs->buckets * 2;
    struct host **bucket = calloc(buckets, sizeof *bucket);

    if (!bucket)
        return; /* longer chains, that is all */
    for (size_t i = 0; i < hs->buckets; i++) {
        for (struct host *h = hs->bucket[i], *next; h; h = next) {
            next = h->chain;
            h->chain = bucket[h->hash & (buckets - 1)];
            bucket[h->hash & (buckets - 1)] = h;
        }
    }
    free(hs->bucket);
    hs->bucket = bucket;
    hs->buckets = buckets;
}

/* Is `name` an address?  Then say whether it is this very machine. */
static void look_at_name(struct host *h)
{
    struct in_addr v4;

    /* In brackets perhaps with a zone, which libcurl reads. */
    h->literal = h->name[0] == '[' || inet_pton(AF_INET, h->name, &v4) == 1;
    h->local = netguard_judge_name(h->name) == NETGUARD_LOOPBACK;
    h->state = h->literal ? HOST_KNOWN : HOST_NEW;
}

static int hosts_get(struct hosts *hs, const char *name, struct host **out)
{
    uint32_t hash = hash_name(name);
    struct host *h = *find(hs, name, hash);

    if (!h) {
        size_t n = strlen(name) + 1;
        if (hs->n >= MAX_CACHED)
            sweep(hs);
        if (hs->n >= hs->buckets)
            grow(hs);
        h = calloc(1, sizeof *h + n);
        if (!h)
            return -ENOMEM;
        memcpy(h->name, name, n);
        h->hash = hash;
        h->all = hs;
        h->wait_end = &h->wait;
        look_at_name(h);
        h->chain = hs->bucket[hash & (hs->buckets - 1)];
        hs->bucket[hash & (hs->buckets - 1)] = h;
        hs->n++;
    }
    h->refs++;
    *out = h;
    return 0;
}

void hosts_unref(struct host *h)
{
    if (!h || --h->refs > 0 || !is_idle(h))
        return;
    if (h->literal || (h->state != HOST_KNOWN && !h->silent))
        drop(h); /* nothing worth keeping */
}

/* Give `u` the ASCII form of its host (IDNA) and `*url` that of the whole.  libcurl reads
 * host names in the charset of the locale; a feed URL is UTF-8 whatever that is. */
static CURLUcode to_ascii(CURLU *u, char **url)
{
    char *name = NULL, *whole = NULL;
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    CURLUcode rc = curl_url_get(u, CURLUPART_HOST, &name, CURLU_PUNYCODE);

    if (utf8) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    if (rc == CURLUE_OK)
        rc = curl_url_set(u, CURLUPART_HOST, name, 0);
    if (rc == CURLUE_OK)
        rc = curl_url_get(u, CURLUPART_URL, &whole, 0);
    if (rc == CURLUE_OK) {
        char *copy = strdup(whole);
        if (copy) {
            free(*url);
            *url = copy;
        } else {
            rc = CURLUE_OUT_OF_MEMORY;
        }
    } else {
        rc = CURLUE_BAD_HOSTNAME; /* libcurl calls every failure of IDNA lack of memory */
    }
    curl_free(name);
    curl_free(whole);
    return rc;
}

static bool is_ascii(const char *s)
{
    while (*s > 0)
        s++;
    return *s == '\0';
}

int hosts_of_url(struct hosts *hs, char **url, struct host **out, uint16_t *port)
{
    char *name = NULL, *number = NULL;
    bool ascii = is_ascii(*url);
    int r = -EINVAL;
    unsigned flags = CURLU_NON_SUPPORT_SCHEME | (ascii ? 0 : CURLU_URLENCODE);
    CURLUcode rc = curl_url_set(hs->url, CURLUPART_URL, *url, flags);

    if (rc == CURLUE_OK && !ascii)
        rc = to_ascii(hs->url, url);
    if (rc == CURLUE_OK)
        rc = curl_url_get(hs->url, CURLUPART_HOST, &name, 0);
    if (rc == CURLUE_OK)
        rc = curl_url_get(hs->url, CURLUPART_PORT, &number, CURLU_DEFAULT_PORT);
    if (rc == CURLUE_OUT_OF_MEMORY)
        r = -ENOMEM;
    if (rc == CURLUE_OK && name[0]) {
        for (char *s = name; *s; s++)
            if (*s >= 'A' && *s <= 'Z')
                *s = (char)(*s + ('a' - 'A'));
        *port = (uint16_t)strtoul(number, NULL, 10); /* libcurl has checked it */
        r = hosts_get(hs, name, out);
    }
    curl_free(name);
    curl_free(number);
    return r;
}

/* ---- asking ---- */

static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct hosts *hs = ctx;
    struct epoll_event ev = { .data.u64 = HOSTS_FD | (uint32_t)fd };

    if (!readable && !writable) {
        (void)epoll_ctl(hs->epfd, EPOLL_CTL_DEL, fd, NULL);
        return;
    }
    ev.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
    if (epoll_ctl(hs->epfd, EPOLL_CTL_MOD, fd, &ev) < 0)
        (void)epoll_ctl(hs->epfd, EPOLL_CTL_ADD, fd, &ev);
}

static int64_t conf_mtime_ns(void)
{
    struct stat st;

    if (stat(RESOLV_CONF, &st) < 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static int channel_open(struct hosts *hs)
{
    struct ares_options opt = { .timeout = QUERY_MS,
                                .tries = QUERY_TRIES,
                                .sock_state_cb = on_socket,
                                .sock_state_cb_data = hs };
    int64_t mtime = conf_mtime_ns();

    if (hs->channel_up)
        return 0;
    if (ares_init_options(&hs->channel, &opt,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) !=
        ARES_SUCCESS)
        return -ENOMEM;
    hs->channel_up = true;
    hs->conf_mtime_ns = mtime;
    if (hs->servers &&
        ares_set_servers_ports_csv(hs->channel, hs->servers) != ARES_SUCCESS)
        return -EINVAL;
    return 0;
}

/* A new network brings a new resolv.conf: start over with it.  What was being asked is
 * asked again (see on_answer). */
static void channel_refresh(struct hosts *hs, int64_t now_ms)
{
    if (hs->servers || now_ms < hs->conf_checked_ms + CONF_CHECK_MS)
        return;
    hs->conf_checked_ms = now_ms;
    if (!hs->channel_up || conf_mtime_ns() == hs->conf_mtime_ns)
        return;
    hs->channel_up = false;
    ares_destroy(hs->channel);
}

static void append(struct host ***end, struct host *h)
{
    h->next = NULL;
    **end = h;
    *end = &h->next;
}

/* Those whose name server was silent last time wait until the others have asked. */
static void stand_in_line(struct host *h)
{
    h->state = HOST_QUEUED;
    append(h->silent ? &h->all->ask_last_end : &h->all->ask_end, h);
}

static struct host *take_first(struct host **line, struct host ***end)
{
    struct host *h = *line;

    if (!h)
        return NULL;
    *line = h->next;
    if (!*line)
        *end = line;
    return h;
}

static void to_answered(struct host *h, enum host_name state, int error)
{
    h->state = state;
    h->error = error;
    h->silent = error == ARES_ETIMEOUT;
    h->refs++; /* until it is taken */
    h->told = true;
    append(&h->all->answered_end, h);
}

/* Write the addresses as CURLOPT_RESOLVE wants them. */
static int write_addresses(struct buf *b, const struct ares_addrinfo *ai, int *ttl)
{
    int n = 0;

    for (const struct ares_addrinfo_node *a = ai->nodes; a && n < MAX_ADDRESSES;
         a = a->ai_next) {
        char text[INET6_ADDRSTRLEN];
        const void *addr = &((const struct sockaddr_in *)(void *)a->ai_addr)->sin_addr;

        if (a->ai_family == AF_INET6)
            addr = &((const struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_addr;
        else if (a->ai_family != AF_INET)
            continue;
        if (!inet_ntop(a->ai_family, addr, text, sizeof text))
            continue;
        (void)buf_printf(b, a->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", n ? "," : "",
                         text);
        if (n++ == 0 || a->ai_ttl < *ttl)
            *ttl = a->ai_ttl;
    }
    return n;
}

static void keep_addresses(struct host *h, const struct ares_addrinfo *ai)
{
    struct buf b;
    int ttl = 0;

    buf_init(&b, 2048);
    int n = write_addresses(&b, ai, &ttl);
    if (n == 0 || b.error) {
        buf_free(&b);
        to_answered(h, HOST_FAILED, n ? ARES_ENOMEM : ARES_ENODATA);
        return;
    }
    int64_t fresh_ms = (int64_t)ttl * 1000;
    if (fresh_ms < MIN_FRESH_MS)
        fresh_ms = MIN_FRESH_MS;
    if (fresh_ms > MAX_FRESH_MS)
        fresh_ms = MAX_FRESH_MS;
    free(h->addresses);
    h->addresses = b.s;
    h->fresh_until_ms += fresh_ms; /* host_ask() left the time of asking there */
    to_answered(h, HOST_KNOWN, 0);
}

/* A place for one more question of which we expect the answer at any moment. */
static bool take_place(struct host *h)
{
    for (uint8_t i = 0; i < HOSTS_YOUNG; i++) {
        if (h->all->young[i])
            continue;
        h->all->young[i] = h;
        h->place = (uint8_t)(i + 1);
        return true;
    }
    return false;
}

static void leave_place(struct host *h)
{
    if (h->place)
        h->all->young[h->place - 1] = NULL;
    h->place = 0;
}

/* Who has waited for a while waits for a slow or silent server: nobody shall wait for it.
 * What has come must have been read. */
static void leave_slow(struct hosts *hs, int64_t now_ms)
{
    for (int i = 0; i < HOSTS_YOUNG; i++)
        if (hs->young[i] && now_ms >= hs->young[i]->fresh_until_ms + YOUNG_MS)
            leave_place(hs->young[i]);
}

static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *ai)
{
    struct host *h = ctx;
    struct hosts *hs = h->all;

    (void)timeouts;
    hs->asking--;
    leave_place(h);
    if (hs->closing) {
        h->state = HOST_FAILED;
    } else if (status == ARES_EDESTRUCTION) { /* the channel went, not the question */
        stand_in_line(h);
    } else if (status == ARES_SUCCESS && ai) {
        keep_addresses(h, ai);
    } else {
        to_answered(h, HOST_FAILED, status == ARES_SUCCESS ? ARES_ENODATA : status);
    }
    if (ai)
        ares_freeaddrinfo(ai);
}

/* Pass names on to c-ares, as many as may be asked at once. */
static void ask_queued(struct hosts *hs, int64_t now_ms)
{
    static const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
                                                      .ai_socktype = SOCK_STREAM };

    if (hs->ask || hs->ask_last)
        channel_refresh(hs, now_ms);
    while (hs->asking < MAX_ASKING) {
        struct host *h = hs->ask ? hs->ask : hs->ask_last;

        if (!h || !take_place(h))
            return;
        if (h == hs->ask)
            (void)take_first(&hs->ask, &hs->ask_end);
        else
            (void)take_first(&hs->ask_last, &hs->ask_last_end);
        if (channel_open(hs) < 0) {
            leave_place(h);
            to_answered(h, HOST_FAILED, ARES_ENOMEM);
            continue;
        }
        h->state = HOST_ASKED;
        h->fresh_until_ms = now_ms;
        hs->asking++;
        ares_getaddrinfo(hs->channel, h->name, NULL, &hints, on_answer, h);
    }
}

bool host_ready(const struct host *h, int64_t now_ms)
{
    return h->state == HOST_KNOWN && (h->literal || now_ms < h->fresh_until_ms);
}

void host_ask(struct host *h, int64_t now_ms)
{
    if (h->state == HOST_QUEUED || h->state == HOST_ASKED || h->told)
        return;
    stand_in_line(h);
    ask_queued(h->all, now_ms);
}

void host_forget(struct host *h)
{
    if (h->state == HOST_KNOWN && !h->literal)
        h->fresh_until_ms = INT64_MIN;
}

struct host *hosts_take_answered(struct hosts *hs)
{
    struct host *h = take_first(&hs->answered, &hs->answered_end);

    if (h)
        h->told = false;
    return h;
}

/* ---- the loop ---- */

void hosts_event(struct hosts *hs, int fd, uint32_t events, int64_t now_ms)
{
    bool in = events & (EPOLLIN | EPOLLHUP | EPOLLERR), out = events & EPOLLOUT;

    if (!hs->channel_up)
        return;
    ares_process_fd(hs->channel, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
    ask_queued(hs, now_ms);
}

/* When the first place gets free without an answer. */
static int place_timeout_ms(const struct hosts *hs, int64_t now_ms)
{
    int64_t first = INT64_MAX;

    if (!hs->ask && !hs->ask_last)
        return -1;
    for (int i = 0; i < HOSTS_YOUNG; i++)
        if (hs->young[i] && hs->young[i]->fresh_until_ms < first)
            first = hs->young[i]->fresh_until_ms;
    if (first == INT64_MAX)
        return -1;
    first += YOUNG_MS - now_ms;
    return first > 0 ? (int)first : 0;
}

int hosts_timeout_ms(struct hosts *hs, int64_t now_ms)
{
    struct timeval tv;

    if (!hs->channel_up || hs->asking == 0 || !ares_timeout(hs->channel, NULL, &tv))
        return -1;
    int next = (int)(tv.tv_sec * 1000 + (tv.tv_usec + 999) / 1000);
    int place = place_timeout_ms(hs, now_ms);
    return place >= 0 && place < next ? place : next;
}

/* Our turn may come late: then an answer that lies there is no silence. */
static void read_all(struct hosts *hs)
{
    ares_socket_t fd[ARES_GETSOCK_MAXNUM];
    int wish = ares_getsock(hs->channel, fd, ARES_GETSOCK_MAXNUM);

    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; i++)
        if (ARES_GETSOCK_READABLE((unsigned)wish, i))
            ares_process_fd(hs->channel, fd[i], ARES_SOCKET_BAD);
    ares_process_fd(hs->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void hosts_tick(struct hosts *hs, int64_t now_ms)
{
    if (hs->channel_up && hs->asking) {
        read_all(hs);
        leave_slow(hs, now_ms);
    }
    ask_queued(hs, now_ms);
}

static pthread_once_t ares_once = PTHREAD_ONCE_INIT;
static int ares_ready;

static void ares_start(void)
{
    ares_ready = ares_library_init(ARES_LIB_INIT_ALL);
}

int hosts_init(struct hosts *hs, int epfd, const char *servers)
{
    (void)pthread_once(&ares_once, ares_start);
    *hs = (struct hosts){ .epfd = epfd, .buckets = 64 };
    hs->ask_end = &hs->ask;
    hs->ask_last_end = &hs->ask_last;
    hs->answered_end = &hs->answered;
    hs->bucket = calloc(hs->buckets, sizeof *hs->bucket);
    hs->url = curl_url();
    hs->servers = servers ? strdup(servers) : NULL;
    if (!hs->bucket || !hs->url || (servers && !hs->servers) || ares_ready != 0)
        return -ENOMEM;
    return servers ? channel_open(hs) : 0; /* tells at once when they make no sense */
}

int hosts_check_servers(const char *servers)
{
    ares_channel channel;
    int r;

    (void)pthread_once(&ares_once, ares_start);
    if (ares_ready != 0 || ares_init(&channel) != ARES_SUCCESS)
        return -ENOMEM;
    r = ares_set_servers_ports_csv(channel, servers);
    ares_destroy(channel);
    return r == ARES_SUCCESS ? 0 : r == ARES_ENOMEM ? -ENOMEM : -EINVAL;
}

int hosts_set_servers(struct hosts *hs, const char *servers, int64_t now_ms)
{
    int r = servers ? hosts_check_servers(servers) : 0;
    char *copy = servers && r == 0 ? strdup(servers) : NULL;

    if (r < 0 || (servers && !copy))
        return r < 0 ? r : -ENOMEM;
    if (copy == hs->servers || (copy && hs->servers && strcmp(copy, hs->servers) == 0)) {
        free(copy);
        return 0;
    }
    free(hs->servers);
    hs->servers = copy;
    for (size_t i = 0; i < hs->buckets; i++)
        for (struct host *h = hs->bucket[i]; h; h = h->chain)
            host_forget(h);
    if (hs->channel_up) { /* see on_answer() */
        hs->channel_up = false;
        ares_destroy(hs->channel);
    }
    ask_queued(hs, now_ms);
    return 0;
}

/* All transfers are gone. */
void hosts_free(struct hosts *hs)
{
    hs->closing = true;
    if (hs->channel_up)
        ares_destroy(hs->channel);
    for (size_t i = 0; hs->bucket && i < hs->buckets; i++)
        while (hs->bucket[i])
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) ; drop() takes it out */
            drop(hs->bucket[i]);
    free(hs->bucket);
    free(hs->servers);
    curl_url_cleanup(hs->url);
}
