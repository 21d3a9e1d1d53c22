/* One transfer at a time by libcurl, that can be interrupted, and where secrets are. */
#include "sink_carrier.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "netguard.h"
#include "sink_file.h"
#include "str.h"

#define CONNECT_MS 10000
#define SECRET_BYTES 16384

struct carrier {
    CURLM *multi;
    CURL *easy;
    int64_t timeout_ms;
    bool allow_private;
    char *ca_file;
    atomic_bool stop;
    enum netguard_verdict refused; /* NETGUARD_PUBLIC: nothing was */
    char error[CURL_ERROR_SIZE];
    struct buf *answer;
};

int carrier_new(struct carrier **out, int64_t timeout_ms, bool allow_private,
                const char *ca_file)
{
    struct carrier *c = calloc(1, sizeof *c);

    if (!c)
        return -ENOMEM;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        c->multi = curl_multi_init();
        c->easy = curl_easy_init();
    }
    c->ca_file = ca_file ? strdup(ca_file) : NULL;
    if (!c->multi || !c->easy || !c->ca_file != !ca_file) {
        carrier_free(c);
        return -ENOMEM;
    }
    c->timeout_ms = timeout_ms;
    c->allow_private = allow_private;
    *out = c;
    return 0;
}

void carrier_free(struct carrier *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    free(c->ca_file);
    free(c);
}

static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct carrier *c = ctx;
    enum netguard_verdict v = netguard_judge(&a->addr, a->addrlen);

    (void)purpose;
    if (v != NETGUARD_PUBLIC &&
        (!c->allow_private || v == NETGUARD_METADATA || v == NETGUARD_NOT_INET)) {
        c->refused = v;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t on_answer(char *bytes, size_t size, size_t n, void *ctx)
{
    struct carrier *c = ctx;
    size_t room = c->answer->max - c->answer->n;

    (void)size;
    (void)buf_put(c->answer, bytes, n < room ? n : room);
    return n;
}

CURL *carrier_begin(struct carrier *c, struct buf *answer)
{
    CURL *e = c->easy;

    curl_easy_reset(e);
    c->answer = answer;
    c->refused = NETGUARD_PUBLIC;
    c->error[0] = '\0';
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    if (c->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, c);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    return e;
}

static int fail(struct carrier *c, CURLcode code, struct buf *why)
{
    if (c->refused != NETGUARD_PUBLIC) {
        (void)buf_printf(why, "a %s address is not allowed; write allow_private = yes",
                         netguard_name(c->refused));
        return -EACCES;
    }
    (void)buf_puts(why, c->error[0] ? c->error : curl_easy_strerror(code));
    return code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT
           : code == CURLE_OUT_OF_MEMORY    ? -ENOMEM
                                            : -EIO;
}

int carrier_run(struct carrier *c, struct buf *why)
{
    CURLcode code = CURLE_OK;
    CURLMcode m = curl_multi_add_handle(c->multi, c->easy);
    int running = 1, left;

    while (m == CURLM_OK && running && !c->stop) {
        m = curl_multi_perform(c->multi, &running);
        if (m == CURLM_OK && running)
            m = curl_multi_poll(c->multi, NULL, 0, 1000, NULL);
    }
    for (CURLMsg *msg; (msg = curl_multi_info_read(c->multi, &left));)
        if (msg->msg == CURLMSG_DONE)
            code = msg->data.result;
    curl_multi_remove_handle(c->multi, c->easy);
    if (m != CURLM_OK) {
        (void)buf_puts(why, curl_multi_strerror(m));
        return -EIO;
    }
    if (running) {
        (void)buf_puts(why, "interrupted");
        return -ECANCELED;
    }
    return code == CURLE_OK ? 0 : fail(c, code, why);
}

void carrier_interrupt(struct carrier *c)
{
    c->stop = true;
    curl_multi_wakeup(c->multi);
}

/* ---- secrets */

static int secret_fail(const char *path, const char *what, int r, struct buf *why)
{
    (void)buf_printf(why, "%s %s", path, what ? what : strerror(-r));
    return r;
}

int secret_read(const char *from, struct buf *out, struct buf *why)
{
    const char *colon = strchr(from, ':'), *dir = getenv("CREDENTIALS_DIRECTORY");
    bool credential = strncmp(from, "credential:", 11) == 0;
    char path[PATH_MAX];
    struct stat st;

    if (credential && !dir)
        return secret_fail(from, "is not there: the unit needs LoadCredential=", -ENOENT,
                           why);
    int n = credential ? snprintf(path, sizeof path, "%s/%s", dir, colon + 1)
                       : snprintf(path, sizeof path, "%s", colon + 1);
    if (n < 0 || (size_t)n >= sizeof path)
        return secret_fail(from, NULL, -ENAMETOOLONG, why);
    if (stat(path, &st) < 0)
        return secret_fail(path, NULL, -errno, why);
    if (!credential && st.st_mode & S_IROTH)
        return secret_fail(path, "can be read by everybody; chmod o-r", -EPERM, why);
    buf_clear(out);
    int r = file_read(path, out);
    if (r < 0)
        return secret_fail(path, NULL, r, why);
    while (out->n && strchr("\r\n", out->s[out->n - 1]))
        out->s[--out->n] = '\0';
    if (!out->n || memchr(out->s, '\n', out->n) || strlen(out->s) != out->n)
        return secret_fail(path, "must hold one line", -EINVAL, why);
    return 0;
}
