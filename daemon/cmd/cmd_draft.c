/* Feeds that are to be added to a configuration: names, duplicates, the file in conf.d.
 */
#include "cmd_draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "cmd.h"
#include "cmd_print.h"
#include "store.h"
#include "url.h"
#include "utf8.h"

#define FILES_MAX 1000 /* STEM.ini, STEM-2.ini, ... */

/* ---- names ---- */

static bool keeps(uint32_t c)
{
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c >= '0' && c <= '9') || c == '.' || c == '_';
    /* spaces, punctuation and symbols beyond ASCII; letters begin at U+00C0 */
    return !utf8_unsafe(c) && c >= 0xC0 && c != 0xD7 && c != 0xF7 &&
           !(c >= 0x2000 && c <= 0x2BFF) && !(c >= 0x3000 && c <= 0x3004) &&
           !(c >= 0x3008 && c <= 0x3020) && !(c >= 0xFE00 && c <= 0xFE0F) &&
           !(c >= 0xE000 && c <= 0xF8FF) && c < 0x1F000;
}

int draft_slug(struct buf *out, struct str text, bool lower, size_t max)
{
    size_t begin = out->n;
    bool gap = false;

    for (size_t i = 0, len; i < text.n; i += len) {
        uint32_t c = utf8_get(text.s + i, text.n - i, &len);

        if (!keeps(c) || (c == '.' && out->n == begin)) {
            gap = true;
            continue;
        }
        if (out->n - begin + len + (gap && out->n > begin) > max)
            break;
        if (gap && out->n > begin)
            (void)buf_putc(out, '-');
        gap = false;
        if (lower && c >= 'A' && c <= 'Z')
            (void)buf_putc(out, (char)(c - 'A' + 'a'));
        else
            (void)buf_put(out, text.s + i, len);
    }
    return out->error;
}

bool draft_name_ok(const char *command, const char *what, const char *name)
{
    struct str s = str_of(name);
    bool ok = s.n > 0 && s.n <= DRAFT_NAME_MAX;

    for (size_t i = 0, len; i < s.n; i += len) {
        uint32_t c = utf8_get(s.s + i, s.n - i, &len);
        ok &= c < 0x80 ? keeps(c) || c == '-' : !utf8_unsafe(c) && c != 0x3000;
    }
    if (ok)
        return true;
    fprintf(stderr, "feedwatch %s: the %s '", command, what);
    print_cell(stderr, s, 100, false);
    fprintf(stderr,
            "' cannot be: letters, digits, '-', '_' and '.' are allowed, %d bytes in "
            "all\n",
            DRAFT_NAME_MAX);
    return false;
}

/* ---- the index ---- */

struct known {
    struct known *next;
    bool by_url;
    const char *key; /* in `text` or the config's */
    const char *name;
    char text[];
};

struct draft_index {
    struct known **bucket;
    size_t buckets, n;
    struct buf work;
};

static struct known **bucket_of(const struct draft_index *x, const char *key, bool by_url)
{
    return &x->bucket[XXH3_64bits_withSeed(key, strlen(key), by_url) & (x->buckets - 1)];
}

static struct known *lookup(const struct draft_index *x, const char *key, bool by_url)
{
    struct known *k = *bucket_of(x, key, by_url);

    while (k && (k->by_url != by_url || strcmp(k->key, key) != 0))
        k = k->next;
    return k;
}

static int put(struct draft_index *x, const char *key, const char *name, bool by_url)
{
    size_t key_n = strlen(key) + 1, name_n = strlen(name) + 1;
    struct known *k = malloc(sizeof *k + key_n + name_n);

    if (!k)
        return -ENOMEM;
    memcpy(k->text, key, key_n);
    memcpy(k->text + key_n, name, name_n);
    k->key = k->text;
    k->name = k->text + key_n;
    k->by_url = by_url;
    struct known **b = bucket_of(x, key, by_url);
    k->next = *b;
    *b = k;
    x->n++;
    return 0;
}

/* The form of `url` under which feeds are told apart; valid until the next call. */
static const char *normal(struct draft_index *x, const char *url)
{
    buf_clear(&x->work);
    if (url_normalise(&x->work, str_of(url)) < 0 || !x->work.n)
        return url;
    return x->work.s;
}

int draft_note(struct draft_index *x, const char *name, const char *url)
{
    int r = put(x, name, name, false);

    return r < 0 ? r : put(x, normal(x, url), name, true);
}

int draft_index_new(struct draft_index **out, const struct config *config)
{
    struct draft_index *x = calloc(1, sizeof *x);
    int r = 0;

    if (!x)
        return -ENOMEM;
    buf_init(&x->work, 1 << 16);
    for (x->buckets = 1024; x->buckets < 4 * config->n_feeds; x->buckets *= 2)
        ;
    x->bucket = calloc(x->buckets, sizeof(struct known *));
    if (!x->bucket)
        r = -ENOMEM;
    for (size_t i = 0; i < config->n_feeds && r == 0; i++)
        if (strcmp(config->feeds[i].name, DRAFT_STANDIN) != 0)
            r = draft_note(x, config->feeds[i].name, config->feeds[i].url);
    if (r < 0)
        draft_index_free(x);
    else
        *out = x;
    return r;
}

void draft_index_free(struct draft_index *x)
{
    if (!x)
        return;
    for (size_t i = 0; x->bucket && i < x->buckets; i++)
        for (struct known *k = x->bucket[i], *next; k; k = next) {
            next = k->next;
            free(k);
        }
    free(x->bucket);
    buf_free(&x->work);
    free(x);
}

const char *draft_find_url(struct draft_index *x, const char *url)
{
    const struct known *k = lookup(x, normal(x, url), true);

    return k ? k->name : NULL;
}

bool draft_has_name(const struct draft_index *x, const char *name)
{
    return lookup(x, name, false) != NULL;
}

int draft_unique(const struct draft_index *x, struct str name, struct buf *out)
{
    for (unsigned i = 1;; i++) {
        char end[16] = "";

        if (i > 1)
            snprintf(end, sizeof end, "-%u", i);
        buf_clear(out);
        (void)buf_put(out, name.s,
                      utf8_cut(name.s, name.n, DRAFT_NAME_MAX - strlen(end)));
        int r = buf_puts(out, end);
        if (r < 0 || !draft_has_name(x, out->s))
            return r;
    }
}

void draft_put_feed(struct buf *out, const char *name, const char *url, const char *group)
{
    (void)buf_printf(out, "\n[feed:%s]\nurl = %s\n", name, url);
    if (*group)
        (void)buf_printf(out, "group = %s\n", group);
}

/* ---- checking and putting in place ---- */

int draft_check(struct config **out, const char *command, const char *path,
                struct str text)
{
    struct buf errors;

    buf_init(&errors, 1 << 20);
    int r = config_load_with(out, path, "(to be added)", text, &errors);
    if (r < 0) {
        fprintf(stderr, "%s", errors.s ? errors.s : strerror(-r));
        fprintf(stderr, "%sfeedwatch %s: nothing was written\n", errors.s ? "" : "\n",
                command);
        if (r == -ENOENT)
            fprintf(stderr,
                    "Make that file first (an empty one will do), or name another with "
                    "-c FILE.\n");
    }
    buf_free(&errors);
    return r < 0 ? EXIT_CONFIG : 0;
}

int draft_load(struct config **out, const char *command, const char *path)
{
    return draft_check(
        out, command, path,
        STR("[feed:" DRAFT_STANDIN "]\nurl = http://" DRAFT_STANDIN ".invalid/\n"));
}

static int write_all(int fd, struct str text)
{
    while (text.n) {
        ssize_t n = write(fd, text.s, text.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        text.s += n;
        text.n -= (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* Give the finished file its name; never that of another file. */
static int link_free_name(int dir, const char *temporary, const char *stem,
                          struct buf *name)
{
    for (unsigned i = 1; i < FILES_MAX; i++) {
        buf_clear(name);
        if (i == 1)
            (void)buf_printf(name, "%s.ini", stem);
        else
            (void)buf_printf(name, "%s-%u.ini", stem, i);
        if (name->error)
            return name->error;
        if (linkat(dir, temporary, dir, name->s, 0) == 0)
            return 0;
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

static int place_in(int dir, const char *stem, struct str text, struct buf *name)
{
    char temporary[64];

    /* The daemon passes over names that begin with a dot. */
    snprintf(temporary, sizeof temporary, ".feedwatch.%ld.tmp", (long)getpid());
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                    0644);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, text);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0)
        r = link_free_name(dir, temporary, stem, name);
    (void)unlinkat(dir, temporary, 0);
    if (r == 0 && fsync(dir) < 0)
        r = -errno;
    return r;
}

int draft_place(const char *command, const char *path, const char *stem, struct str text,
                struct buf *where)
{
    const char *slash = strrchr(path, '/');
    struct buf name;

    buf_init(&name, 255);
    buf_clear(where);
    if (slash)
        (void)buf_put(where, path, (size_t)(slash - path) + 1);
    int r = buf_puts(where, "conf.d");
    if (r == 0 && mkdir(where->s, 0755) < 0 && errno != EEXIST)
        r = -errno;
    int dir = r == 0 ? open(where->s, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (r == 0 && dir < 0)
        r = -errno;
    if (r == 0)
        r = place_in(dir, stem, text, &name);
    if (dir >= 0)
        (void)close(dir);
    if (r < 0)
        fprintf(stderr, "feedwatch %s: %s: %s\n", command, where->s ? where->s : path,
                strerror(-r));
    else
        r = buf_printf(where, "/%s", name.s);
    buf_free(&name);
    return r < 0 ? -1 : 0;
}

void draft_next_step(const struct config *config)
{
    int64_t pid = store_writer(config->state_dir);

    if (pid > 0)
        printf(
            "feedwatch is running: tell it by `kill -HUP %lld`, or `systemctl%s reload "
            "feedwatch`.\n",
            (long long)pid, geteuid() ? " --user" : "");
    else
        printf("The daemon reads it at its next start or reload.\n");
}
