/* The publisher of the benchmarks that are driven from Python: every path /N is feed N,
 * made in memory, so that serving costs little beside reading.  Commands come on standard
 * input, one a line; each is answered by one line, "sent" by several: latency MS every
 * answer is late by so much shape ITEMS BYTES    of every document base N         the
 * number of the oldest item of every feed, and its validator step K         each answer
 * has K items more than the last one of that feed; 0: base holds stats          what was
 * asked for and sent since the last "reset", and CPU time so far sent           FEED ITEM
 * NANOSECONDS: when the first byte of the packet that ends an item was handed to the
 * kernel (CLOCK_MONOTONIC); items of "step" alone; then "end" reset It ends with its
 * input.  Only loopback is served. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    DIGITS = 8,
    KINDS = 64, /* of items; a feed takes them in turns */
    WORDS = 20000,
    ITEMS_MAX = 1000,
    BYTES_MAX = 4 << 20,
    FEEDS_MAX = 1 << 20,
    SEND_BUFFER = 4 << 20, /* a whole document, so that no reader holds up the next one */
    SENT_MAX = 1 << 22,
};

struct late { /* an answer that waits for its time */
    int64_t due_ms;
    int fd;
    unsigned feed, generation;
    bool known;
};

struct sent {
    unsigned feed, number;
    int64_t ns;
};

static unsigned n_items = 40, base, step;
static size_t n_bytes = 50000, item_bytes;
static time_t base_time;
static int latency_ms, ep, listener, fds_max;
static unsigned *advance; /* by feed: items beyond base */
static unsigned
    *generation; /* by socket: tells a reused number from the old connection */
static char item[KINDS][BYTES_MAX / 16], body[BYTES_MAX + 4096];
static size_t place[3]; /* of the numbers, in every item */

static struct late
    *waiting; /* a ring; latency is the same for all, so first in is first out */
static size_t wait_first, wait_n, wait_room;
static struct sent *sent;
static size_t n_sent;
static struct {
    unsigned long requests, not_modified, connections, bytes_in, bytes_out;
} count;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- documents ---- */

static size_t put(char *to, size_t at, const char *text)
{
    size_t n = strlen(text);

    memcpy(to + at, text, n);
    return at + n;
}

static size_t put_number(char *to, size_t at, unsigned n)
{
    for (size_t i = DIGITS; i-- > 0; n /= 10)
        to[at + i] = (char)('0' + n % 10);
    return at + DIGITS;
}

static size_t put_place(char *to, size_t at, size_t *where)
{
    *where = at;
    at = put_number(to, at, 0);
    to[at++] = 'x';
    return put_number(to, at, 0);
}

/* Word `rank` of the vocabulary: three syllables.  peers.py makes the same ones. */
static size_t put_word(char *to, size_t at, unsigned rank)
{
    static const char syllable[32][4] = {
        "ba",  "ce",  "di",  "fo",  "gu",  "ha",  "je",  "ki",  "lo",  "mu",  "na",
        "pe",  "ri",  "so",  "tu",  "va",  "we",  "xi",  "yo",  "zu",  "bra", "cle",
        "dri", "flo", "gru", "pla", "sne", "spi", "sto", "tru", "sha", "che",
    };

    for (int i = 0; i < 3; i++, rank /= 32)
        at = put(to, at, syllable[rank % 32]);
    return at;
}

/* Running text in which, as in any language, the n-th word is about 1/n as common. */
static size_t put_words(char *to, size_t at, size_t end)
{
    static uint32_t seed = 1;

    while (at + 40 < end) {
        seed = seed * 1664525 + 1013904223;
        at = put_word(to, at, (unsigned)pow(WORDS, (double)(seed >> 8) / (1 << 24)) - 1);
        at = put(to, at,
                 (seed >> 4) % 40 ? (seed >> 4) % 12 ? " " : ", "
                                  : " &lt;b&gt;so&lt;/b&gt; ");
    }
    while (at < end)
        to[at++] = '.';
    return at;
}

static const char head_text[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\"><channel>"
    "<title>Bench</title><link>http://bench.example/</link>"
    "<description>A feed to measure with</description>\n";
static const char tail_text[] = "</channel></rss>\n";
static const char item_end[] = "</description></item>\n";

static void make_item(char *to)
{
    size_t at = put(to, 0, "<item><title>Story ");

    at = put_place(to, at, &place[0]);
    at = put(to, at, " ");
    at = put_words(to, at, at + 70);
    at = put(to, at, "</title><link>http://bench.example/story/");
    at = put_place(to, at, &place[1]);
    at = put(to, at, "</link><guid isPermaLink=\"false\">urn:story:");
    at = put_place(to, at, &place[2]);
    at = put(to, at,
             "</guid><pubDate>Tue, 24 Nov 2026 03:58:25 GMT</pubDate><category>World"
             "</category><description>");
    at = put_words(to, at, item_bytes - (sizeof item_end - 1));
    (void)put(to, at, item_end);
}

static void make_items(void)
{
    item_bytes = (n_bytes - sizeof head_text - sizeof tail_text) / n_items;
    if (item_bytes < 400 || item_bytes > sizeof item[0] || n_bytes > BYTES_MAX ||
        n_items > ITEMS_MAX) {
        fprintf(stderr, "publisher: documents cannot be of this shape\n");
        exit(2);
    }
    for (int i = 0; i < KINDS; i++)
        make_item(item[i]);
}

/* The document of `feed`, newest item first; returns its size. */
static size_t set_document(unsigned feed, unsigned oldest)
{
    size_t at = put(body, 0, head_text);

    for (unsigned i = 0; i < n_items; i++, at += item_bytes) {
        unsigned number = oldest + n_items - 1 - i;
        memcpy(body + at, item[(number + feed) % KINDS], item_bytes);
        for (int k = 0; k < 3; k++) {
            (void)put_number(body + at, place[k], feed);
            (void)put_number(body + at, place[k] + DIGITS + 1, number);
        }
    }
    return put(body, at, tail_text);
}

/* ---- answers ---- */

static int send_all(int fd, const char *s, size_t n)
{
    count.bytes_out += n;
    while (n > 0) {
        ssize_t k = send(fd, s, n, MSG_NOSIGNAL);
        if (k <= 0)
            return -1;
        s += k;
        n -= (size_t)k;
    }
    return 0;
}

/* Both name the version; the date is that of the last command "base". */
static void put_validators(char *out, size_t size, unsigned version)
{
    char date[40];
    struct tm tm;
    time_t t = step ? time(NULL) : base_time;

    gmtime_r(&t, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    snprintf(out, size, "ETag: \"v%u\"\r\nLast-Modified: %s\r\n", version, date);
}

static int send_unchanged(int fd, unsigned version)
{
    char head[400], validators[120];

    count.not_modified++;
    put_validators(validators, sizeof validators, version);
    int n =
        snprintf(head, sizeof head, "HTTP/1.1 304 Not Modified\r\n%s\r\n", validators);
    return send_all(fd, head, (size_t)n);
}

static void note_sent(unsigned feed, unsigned oldest)
{
    int64_t t = now_ns();

    for (unsigned i = 0; i < step && n_sent < SENT_MAX; i++)
        sent[n_sent++] = (struct sent){ feed, oldest + n_items - step + i, t };
}

static int send_document(int fd, unsigned feed)
{
    unsigned version = base + (step ? advance[feed] += step : 0);
    char head[400], validators[120];

    size_t size = set_document(feed, version);
    put_validators(validators, sizeof validators, version);
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n%s"
                     "Content-Length: %zu\r\n\r\n",
                     validators, size);
    if (send_all(fd, head, (size_t)n) < 0)
        return -1;
    if (step)
        note_sent(feed, version);
    return send_all(fd, body, size);
}

static int answer(const struct late *l)
{
    return l->known && !step ? send_unchanged(l->fd, base)
                             : send_document(l->fd, l->feed);
}

static void push_late(struct late l)
{
    if (wait_n == wait_room) {
        size_t room = wait_room ? wait_room * 2 : 1024;
        struct late *more = malloc(room * sizeof *more);
        if (!more)
            die("publisher");
        for (size_t i = 0; i < wait_n; i++)
            more[i] = waiting[(wait_first + i) % wait_room];
        free(waiting);
        waiting = more;
        wait_first = 0;
        wait_room = room;
    }
    waiting[(wait_first + wait_n++) % wait_room] = l;
}

static void drop(int fd)
{
    generation[fd]++;
    close(fd);
}

static void give(const struct late *l)
{
    if (generation[l->fd] == l->generation && answer(l) < 0)
        drop(l->fd);
}

/* Answer what is due; returns how long to sleep, in ms, -1 for ever. */
static int give_late(void)
{
    while (wait_n > 0) {
        const struct late *l = &waiting[wait_first];
        int64_t left = l->due_ms - now_ns() / 1000000;
        if (left > 0)
            return (int)left;
        give(l);
        wait_first = (wait_first + 1) % wait_room;
        wait_n--;
    }
    return -1;
}

/* The validator alone tells: when both are sent the tag decides (RFC 9110 13.2.2). */
static bool is_known(const char *request)
{
    char text[120];
    bool by_tag = strcasestr(request, "\r\nif-none-match:") != NULL;

    put_validators(text, sizeof text, base);
    char *line_end = strchr(text, '\r');
    *line_end = '\0';
    if (by_tag)
        return strstr(request, text + strlen("ETag: ")) != NULL;
    char *since = line_end + 2 + strlen("Last-Modified: ");
    since[strcspn(since, "\r")] = '\0';
    return strcasestr(request, "\r\nif-modified-since:") && strstr(request, since);
}

static void serve(int fd)
{
    char request[8192];
    ssize_t n = recv(fd, request, sizeof request - 1, 0);

    if (n <= 0) {
        drop(fd);
        return;
    }
    request[n] = '\0'; /* requests this short come as one segment */
    count.requests++;
    count.bytes_in += (unsigned long)n;
    const char *path = strchr(request, '/');
    struct late l = { .fd = fd,
                      .generation = generation[fd],
                      .known = is_known(request),
                      .feed =
                          path ? (unsigned)strtoul(path + 1, NULL, 10) % FEEDS_MAX : 0 };
    if (latency_ms == 0) {
        give(&l);
        return;
    }
    l.due_ms = now_ns() / 1000000 + latency_ms;
    push_late(l);
}

static void welcome(void)
{
    struct sockaddr_in here;
    socklen_t len = sizeof here;
    int one = 1, room = SEND_BUFFER, fd = accept(listener, NULL, NULL);
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

    if (fd < 0)
        return;
    if (fd >= fds_max || getsockname(fd, (struct sockaddr *)&here, &len) < 0 ||
        ntohl(here.sin_addr.s_addr) >> 24 != 127) {
        close(fd);
        return;
    }
    count.connections++;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    (void)epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

/* ---- commands ---- */

static void print_stats(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    printf("requests=%lu not_modified=%lu connections=%lu bytes_in=%lu bytes_out=%lu "
           "cpu_us=%lld\n",
           count.requests, count.not_modified, count.connections, count.bytes_in,
           count.bytes_out,
           (long long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
               used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void print_sent(void)
{
    for (size_t i = 0; i < n_sent; i++)
        printf("%u %u %lld\n", sent[i].feed, sent[i].number, (long long)sent[i].ns);
    printf("end\n");
}

static void reset(void)
{
    memset(&count, 0, sizeof count);
    n_sent = 0;
}

static void command(const char *line)
{
    unsigned items;
    size_t bytes;
    unsigned was = base;

    if (sscanf(line, "latency %d", &latency_ms) == 1 ||
        sscanf(line, "base %u", &base) == 1 || sscanf(line, "step %u", &step) == 1) {
        if (base != was)
            base_time = time(NULL);
        printf("ok\n");
    } else if (sscanf(line, "shape %u %zu", &items, &bytes) == 2) {
        n_items = items;
        n_bytes = bytes;
        make_items();
        printf("ok\n");
    } else if (strncmp(line, "stats", 5) == 0) {
        print_stats();
    } else if (strncmp(line, "sent", 4) == 0) {
        print_sent();
    } else if (strncmp(line, "reset", 5) == 0) {
        reset();
        printf("ok\n");
    } else {
        printf("what? %s", line);
    }
    fflush(stdout);
}

static void read_commands(void)
{
    static char text[4096];
    static size_t n;
    ssize_t k = read(0, text + n, sizeof text - 1 - n);
    char *end;

    if (k <= 0)
        exit(0);
    n += (size_t)k;
    text[n] = '\0';
    while ((end = strchr(text, '\n'))) {
        char line[256];
        size_t len = (size_t)(end + 1 - text);
        snprintf(line, sizeof line, "%.*s", (int)len, text);
        memmove(text, end + 1, n + 1 - len);
        n -= len;
        command(line);
    }
}

/* ---- the process ---- */

static void listen_now(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t len = sizeof in;

    listener = socket(AF_INET, SOCK_STREAM, 0); /* 0.0.0.0: every feed has an address */
    (void)setsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2);
    if (listener < 0 || bind(listener, (struct sockaddr *)&in, len) < 0 ||
        listen(listener, 4096) < 0 ||
        getsockname(listener, (struct sockaddr *)&in, &len) < 0)
        die("publisher");
    printf("%d\n", ntohs(in.sin_port));
    fflush(stdout);
}

static void set_up(void)
{
    struct rlimit most;

    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &most);
    fds_max = most.rlim_max > 1 << 20 ? 1 << 20 : (int)most.rlim_max;
    advance = calloc(FEEDS_MAX, sizeof *advance);
    generation = calloc((size_t)fds_max, sizeof *generation);
    sent = malloc(SENT_MAX * sizeof *sent);
    ep = epoll_create1(0);
    if (!advance || !generation || !sent || ep < 0)
        die("publisher");
    base_time = time(NULL) - 3600;
    make_items();
    listen_now();
}

int main(void)
{
    struct epoll_event got[64];

    set_up();
    for (int i = 0; i < 2; i++) {
        struct epoll_event ev = { .events = EPOLLIN, .data.fd = i ? listener : 0 };
        if (epoll_ctl(ep, EPOLL_CTL_ADD, ev.data.fd, &ev) < 0)
            die("publisher");
    }
    for (;;) {
        int n = epoll_wait(ep, got, 64, give_late());
        for (int i = 0; i < n; i++) {
            int fd = got[i].data.fd;
            if (fd == 0)
                read_commands();
            else if (fd == listener)
                welcome();
            else
                serve(fd);
        }
    }
}
