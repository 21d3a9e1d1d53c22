/* A small name server in the test process. */
#include "names.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_NAMES 256

const char NAMES_SILENT[] = "silent";

struct names {
    names_answer answer;
    int fd, stop[2];
    char server[32];
    pthread_t thread;
    atomic_uint asked;
    struct {
        char name[128];
        unsigned n;
    } seen[MAX_NAMES];
};

static unsigned nth_question(struct names *n, const char *name)
{
    for (size_t i = 0; i < MAX_NAMES; i++) {
        if (!n->seen[i].name[0])
            memcpy(n->seen[i].name, name, strnlen(name, sizeof n->seen[i].name - 1));
        if (strcmp(n->seen[i].name, name) == 0)
            return n->seen[i].n++;
    }
    return 0;
}

/* Read the name at `q` as text; returns the offset after it, 0 when it makes no sense. */
static size_t read_name(const unsigned char *q, size_t len, char *text, size_t size)
{
    size_t at = 12, n = 0;

    while (at < len && q[at] != 0) {
        size_t label = q[at++];
        if (at + label >= len || n + label + 2 > size)
            return 0;
        if (n)
            text[n++] = '.';
        memcpy(text + n, q + at, label);
        n += label;
        at += label;
    }
    text[n] = '\0';
    return at + 1;
}

static size_t put_answers(unsigned char *q, size_t at, const char *list)
{
    static const unsigned char head[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4 };

    while (*list) {
        char a[16];
        size_t n = strcspn(list, " ");
        snprintf(a, sizeof a, "%.*s", (int)n, list);
        list += n + (list[n] == ' ');
        memcpy(q + at, head, sizeof head);
        inet_pton(AF_INET, a, q + at + sizeof head);
        at += sizeof head + 4;
        q[7]++;
    }
    return at;
}

static void answer_one(struct names *n)
{
    unsigned char q[2048];
    char name[256];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t len = recvfrom(n->fd, q, 512, 0, (struct sockaddr *)&from, &from_len);

    if (len < 17)
        return;
    size_t at = read_name(q, (size_t)len, name, sizeof name);
    if (at == 0 || at + 4 > (size_t)len)
        return;
    unsigned type = (unsigned)q[at] << 8 | q[at + 1];
    const char *list = n->answer(name, type == 1 ? nth_question(n, name) : 0);
    atomic_fetch_add(&n->asked, type == 1);
    if (list == NAMES_SILENT)
        return;
    at += 4;
    q[2] = 0x81;
    q[3] = list ? 0x80 : 0x83; /* NXDOMAIN */
    memset(q + 6, 0, 6);       /* no answer, authority, additional records yet */
    if (list && type == 1)
        at = put_answers(q, at, list);
    (void)sendto(n->fd, q, at, 0, (struct sockaddr *)&from, from_len);
}

static void *serve(void *arg)
{
    struct names *n = arg;

    for (;;) {
        struct pollfd p[2] = { { .fd = n->fd, .events = POLLIN },
                               { .fd = n->stop[0], .events = POLLIN } };
        if (poll(p, 2, -1) < 0 || p[1].revents)
            return NULL;
        answer_one(n);
    }
}

struct names *names_new(names_answer answer)
{
    struct names *n = calloc(1, sizeof *n);
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t len = sizeof in;

    if (!n)
        abort();
    n->answer = answer;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    n->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    /* A thousand questions may come at once; without the right to it they are asked
     * again. */
    (void)setsockopt(n->fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ 4 << 20 }, sizeof(int));
    if (n->fd < 0 || pipe(n->stop) < 0 || bind(n->fd, (struct sockaddr *)&in, len) < 0 ||
        getsockname(n->fd, (struct sockaddr *)&in, &len) < 0 ||
        pthread_create(&n->thread, NULL, serve, n) != 0)
        abort();
    snprintf(n->server, sizeof n->server, "127.0.0.1:%d", ntohs(in.sin_port));
    return n;
}

void names_free(struct names *n)
{
    if (!n)
        return;
    (void)!write(n->stop[1], "x", 1);
    pthread_join(n->thread, NULL);
    close(n->fd);
    close(n->stop[0]);
    close(n->stop[1]);
    free(n);
}

const char *names_server(const struct names *n)
{
    return n->server;
}

unsigned names_asked(struct names *n)
{
    return atomic_load(&n->asked);
}
