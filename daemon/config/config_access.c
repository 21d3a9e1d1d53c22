/* How a feed is asked for: the headers and secrets of its settings, read and checked. */
#include "config_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MAX 4096
#define HEADERS_MAX 32

/* ---- secrets: their text is never part of a message */

/* Where a secret is kept, as a path.  False: nowhere, and reported. */
static bool secret_path(struct loader *l, const char *key, const struct entry *e,
                        char path[PATH_MAX])
{
    static const char file[] = "file:", credential[] = "credential:";
    const char *dir = getenv("CREDENTIALS_DIRECTORY"), *s = e->text.s;

    if (strncmp(s, file, sizeof file - 1) == 0) {
        snprintf(path, PATH_MAX, "%s", s + sizeof file - 1);
        return true;
    }
    if (!dir || dir[0] != '/') {
        config_error(l, e->place,
                     "%s: there is no CREDENTIALS_DIRECTORY; start feedwatch by systemd "
                     "with LoadCredential=, or write %s = file:PATH",
                     key, key);
        return false;
    }
    snprintf(path, PATH_MAX, "%s/%s", dir, s + sizeof credential - 1);
    return true;
}

/* A secret is for the user alone.  The descriptor, or -1 and reported. */
static int secret_open(struct loader *l, const char *key, const struct entry *e,
                       const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0) {
        config_error(l, e->place, "%s: %s: %s", key, path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        config_error(l, e->place, "%s: %s is not a file", key, path);
    } else if (st.st_mode & S_IRWXO) {
        config_error(l, e->place,
                     "%s: everybody may read or change %s; run chmod o= on it", key,
                     path);
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The first line of the file, which is all it may have. */
static bool secret_read(struct loader *l, const char *key, const struct entry *e,
                        char out[SECRET_MAX])
{
    char path[PATH_MAX];
    int fd = secret_path(l, key, e, path) ? secret_open(l, key, e, path) : -1;

    if (fd < 0)
        return false;
    ssize_t n = read(fd, out, SECRET_MAX);
    close(fd);
    while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
        n--;
    bool good = n > 0 && n < SECRET_MAX;
    for (ssize_t i = 0; i < n && good; i++)
        good = (unsigned char)out[i] >= ' ' && out[i] != 0x7f;
    if (good)
        out[n] = '\0';
    else
        config_error(l, e->place, "%s: %s does not hold one line of text", key, path);
    return good;
}

static void put_base64(char *out, const char *s)
{
    static const char digit[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i += 3) {
        unsigned long v = (unsigned long)(unsigned char)s[i] << 16;
        if (i + 1 < n)
            v |= (unsigned long)(unsigned char)s[i + 1] << 8;
        if (i + 2 < n)
            v |= (unsigned char)s[i + 2];
        for (int k = 0; k < 4; k++)
            *out++ = i + (size_t)k <= n ? digit[v >> (18 - 6 * k) & 63] : '=';
    }
    *out = '\0';
}

/* The header line that carries the credentials; NULL: none, or wrong and reported. */
static const char *authorization(struct loader *l, const struct settings *s)
{
    char secret[SECRET_MAX], line[2 * SECRET_MAX] = "Authorization: ";
    size_t n = strlen(line);

    if (s->basic_auth.text.n && s->bearer_token.text.n) {
        config_error(l, s->bearer_token.place,
                     "there is a basic_auth as well; write one of the two");
    } else if (s->basic_auth.text.n) {
        if (!secret_read(l, "basic_auth", &s->basic_auth, secret))
            return NULL;
        if (!strchr(secret, ':')) {
            config_error(l, s->basic_auth.place,
                         "basic_auth: the file must hold user:password in one line");
            return NULL;
        }
        snprintf(line + n, sizeof line - n, "Basic ");
        put_base64(line + strlen(line), secret);
        return arena_copy(l->arena, str_of(line));
    } else if (s->bearer_token.text.n &&
               secret_read(l, "bearer_token", &s->bearer_token, secret)) {
        snprintf(line + n, sizeof line - n, "Bearer %s", secret);
        return arena_copy(l->arena, str_of(line));
    }
    return NULL;
}

/* ---- headers */

static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* What a header must not say, because feedwatch says it; what to write instead, or NULL
 * when it is free. */
static const char *reserved(struct str name)
{
    static const struct {
        const char *name, *instead;
    } ours[] = {
        { "Authorization", "write basic_auth or bearer_token instead" },
        { "Proxy-Authorization", "it is not supported" },
        { "User-Agent", "write user_agent instead" },
        { "Accept", "feedwatch sends its own" },
        { "Accept-Encoding", "feedwatch sends its own" },
        { "If-None-Match", "feedwatch sends its own" },
        { "If-Modified-Since", "feedwatch sends its own" },
        { "Host", "it belongs to the URL" },
        { "Connection", "it belongs to the connection" },
        { "Content-Length", "there is no content" },
        { "Transfer-Encoding", "there is no content" },
        { "Range", "a part of a feed is of no use" },
        { "Referer", "feedwatch sends none" },
    };

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (str_eq_nocase(name, str_of(ours[i].name)))
            return ours[i].instead;
    return NULL;
}

/* "Name: value" as it will be sent; the value may be secret and is not shown. */
static const char *header_line(struct loader *l, const struct entry *e, struct str line)
{
    const char *colon = memchr(line.s, ':', line.n);
    struct str name =
        str_trim((struct str){ line.s, colon ? (size_t)(colon - line.s) : 0 });
    struct str value = { NULL, 0 };
    bool good = name.n > 0;

    if (colon)
        value =
            str_trim((struct str){ colon + 1, (size_t)(line.s + line.n - colon) - 1 });
    for (size_t i = 0; i < name.n; i++)
        good = good && is_token(name.s[i]);
    for (size_t i = 0; i < value.n; i++)
        good = good && value.s[i] >= ' ' && value.s[i] <= '~';
    if (!good || !value.n) {
        config_error(l, e->place, "header: write header = Name: value, in ASCII");
        return NULL;
    }
    if (reserved(name)) {
        config_error(l, e->place, "header: %.*s is not yours to set; %s", shown(name),
                     name.s, reserved(name));
        return NULL;
    }
    char *out = arena_get(l->arena, name.n + value.n + 3);
    if (out)
        snprintf(out, name.n + value.n + 3, "%.*s: %.*s", (int)name.n, name.s,
                 (int)value.n, value.s);
    l->oom |= !out;
    return out;
}

/* All lines that go to the feed's own origin only. */
static const char *const *build_headers(struct loader *l, const struct settings *s)
{
    const char *line[HEADERS_MAX + 1] = { NULL };
    struct str rest = s->headers.text, one;
    size_t n = 0;
    int number = 0;

    while (s->headers.text.n && next_line(&rest, &one, &number)) {
        if (n + 1 == HEADERS_MAX) {
            config_error(l, s->headers.place, "header: more than %d lines",
                         HEADERS_MAX - 1);
            break;
        }
        line[n] = header_line(l, &s->headers, one);
        n += line[n] != NULL;
    }
    line[n] = authorization(l, s);
    n += line[n] != NULL;
    if (n == 0)
        return NULL;
    const char **out = arena_get(l->arena, (n + 1) * sizeof *out);
    l->oom |= !out;
    for (size_t i = 0; out && i < n; i++)
        out[i] = line[i];
    return (const char *const *)out;
}

/* ---- all of it */

static const char *text_of(const struct entry *e)
{
    return e->text.n ? e->text.s : NULL;
}

/* Same text, wherever it stands? */
static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_headers(const char *const *a, const char *const *b)
{
    size_t i = 0;

    if (!a || !b)
        return a == b;
    while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
        i++;
    return a[i] == b[i];
}

bool config_access_same(const struct config_access *a, const struct config_access *b)
{
    return a->connect_timeout_s == b->connect_timeout_s &&
           a->low_speed_bytes == b->low_speed_bytes && a->low_speed_s == b->low_speed_s &&
           a->max_items == b->max_items && a->max_text == b->max_text &&
           a->max_depth == b->max_depth && a->broken_after_s == b->broken_after_s &&
           a->silent_after_s == b->silent_after_s && a->full_fetch_s == b->full_fetch_s &&
           a->follow_moves == b->follow_moves && same(a->ca_file, b->ca_file) &&
           same(a->proxy, b->proxy) && same_headers(a->headers, b->headers) &&
           same(a->basic_auth, b->basic_auth) && same(a->bearer_token, b->bearer_token);
}

const struct config_access *build_access(struct loader *l, const struct settings *s,
                                         const struct config_access *like)
{
    struct config_access a = {
        .connect_timeout_s = s->connect_timeout_s,
        .low_speed_bytes = s->low_speed_bytes,
        .low_speed_s = s->low_speed_s,
        .max_items = s->max_items,
        .max_text = s->max_text,
        .max_depth = s->max_depth,
        .broken_after_s = s->broken_after_s,
        .silent_after_s = s->silent_after_s == AUTO    ? 0
                          : s->silent_after_s == NEVER ? -1
                                                       : s->silent_after_s,
        .full_fetch_s = s->full_fetch_s,
        .follow_moves = s->follow_moves != 0,
        .ca_file = s->ca_file,
        .proxy = s->proxy && strcmp(s->proxy, "none") != 0 ? s->proxy : NULL,
        .basic_auth = text_of(&s->basic_auth),
        .bearer_token = text_of(&s->bearer_token),
    };

    a.headers = build_headers(l, s);
    if (like && config_access_same(&a, like))
        return like;
    struct config_access *out = arena_get(l->arena, sizeof *out);
    if (out)
        *out = a;
    l->oom |= !out;
    return out;
}
