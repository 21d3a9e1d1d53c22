/* feedwatch parse: shows what the parser makes of a document, as JSON lines. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "charset.h"
#include "cmd.h"
#include "cmd_try.h"
#include "date.h"
#include "feed_parse.h"
#include "json.h"

enum {
    LINES_MAX = 256 << 20, /* of output held back until the feed's line can be written */
    REQUEST_MAX = 64 << 10,
};

struct options {
    const char *url, *content_type, *charset;
    size_t chunk;
    bool batch, alt;
};

static const char usage_text[] =
    "usage: feedwatch parse [--url URL] [--content-type TYPE] [--charset NAME] "
    "[FILE|-]\n"
    "       feedwatch parse --batch\n"
    "\n"
    "Reads a feed from FILE or standard input and writes one JSON object a line:\n"
    "the feed, each of its items, and how the document was read.\n"
    "\n"
    "  -u, --url URL            where the document came from: the base of its links\n"
    "  -t, --content-type TYPE  the Content-Type it came with\n"
    "  -c, --charset NAME       read it in this charset, whatever it says\n"
    "  -a, --alt                show the alt texts of images, which rules see, too\n"
    "  -b, --batch              answer requests, one JSON object a line with path,\n"
    "                           content_type and url, from standard input\n"
    "  -h, --help               show this text\n"
    "\n"
    "FEED_URL and FEED_CONTENT_TYPE in the environment stand for the first two.\n"
    "Exit status: 0 read whole, 1 broken, cut or no feed, 2 usage.\n";

/* --- output --------------------------------------------------------------------------
 */

static void put_list(struct buf *b, const char *key, const struct str *s, size_t n)
{
    (void)json_put_key(b, key);
    (void)buf_putc(b, '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            (void)buf_putc(b, ',');
        (void)json_put_str(b, s[i]);
    }
    (void)buf_putc(b, ']');
}

static void put_time(struct buf *b, const char *key, int64_t s)
{
    char text[DATE_RFC3339_SIZE] = "";

    if (s != ITEM_NO_TIME)
        date_rfc3339_s(text, s);
    (void)json_member_str(b, key, str_of(text));
}

static int on_item(void *ctx, const struct item *it, const struct feed_info *info)
{
    struct buf *b = ctx;

    (void)info;
    (void)buf_putc(b, '{');
    (void)json_member_str(b, "id", it->id.n ? it->id : it->link);
    (void)json_member_str(b, "title", it->title);
    (void)json_member_str(b, "link", it->link);
    (void)json_member_str(b, "summary", it->summary);
    (void)json_member_str(b, "content", it->content);
    put_list(b, "authors", it->authors, it->n_authors);
    put_list(b, "categories", it->categories, it->n_categories);
    put_time(b, "published", it->published_s);
    put_time(b, "updated", it->updated_s);
    put_list(b, "enclosures", it->enclosures, it->n_enclosures);
    (void)json_member_str(b, "lang", it->lang);
    if (it->cut)
        (void)json_member_bool(b, "cut", true);
    return buf_puts(b, "}\n");
}

static void put_days(struct buf *b, const char *key, uint32_t bits)
{
    bool first = true;

    (void)json_put_key(b, key);
    (void)buf_putc(b, '[');
    for (unsigned i = 0; i < 32; i++) {
        if (!(bits >> i & 1))
            continue;
        (void)buf_printf(b, "%s%u", first ? "" : ",", i);
        first = false;
    }
    (void)buf_putc(b, ']');
}

static void put_feed(struct buf *b, const struct feed_info *info)
{
    (void)buf_puts(b, "{\"feed\":{");
    (void)json_member_str(b, "title", info->title);
    (void)json_member_str(b, "link", info->link);
    (void)json_member_str(b, "lang", info->lang);
    (void)json_member_str(b, "self", info->self);
    (void)json_member_str(b, "hub", info->hub);
    (void)json_member_str(b, "new_url", info->new_url);
    (void)json_member_str(b, "alternate", info->alternate);
    if (info->ttl_s)
        (void)json_member_int(b, "ttl", info->ttl_s);
    if (info->skip_hours)
        put_days(b, "skip_hours", info->skip_hours);
    if (info->skip_days)
        put_days(b, "skip_days", info->skip_days);
    (void)buf_putc(b, '}');
    (void)json_member_str(b, "format", str_of(feed_format_name(info->format)));
    (void)buf_puts(b, "}\n");
}

static void put_status(struct buf *b, const struct feed_parse_result *r)
{
    (void)buf_putc(b, '{');
    (void)json_member_bool(b, "wellformed", r->wellformed);
    (void)json_member_str(b, "status", str_of(feed_status_name(r->status)));
    (void)json_member_str(b, "charset", str_of(r->charset));
    (void)json_member_int(b, "items", (int64_t)r->items);
    (void)json_member_int(b, "repairs", (int64_t)r->repairs);
    (void)json_member_str(b, "why", str_of(r->why));
    (void)buf_puts(b, "}\n");
}

/* --- one document --------------------------------------------------------------------
 */

static int write_all(const struct buf *b)
{
    if (b->n && fwrite(b->s, 1, b->n, stdout) != b->n)
        return -EIO;
    return fflush(stdout) ? -errno : 0;
}

/* Parse what `fd` gives and write its lines.  0, or -errno of reading and writing. */
static int parse_one(const struct options *o, int fd, struct feed_parse_result *result)
{
    struct feed_parse_options opt = { .url = str_of(o->url),
                                      .content_type = str_of(o->content_type),
                                      .charset = str_of(o->charset),
                                      .no_alt = !o->alt };
    struct feed_parse *p = NULL;
    struct buf items, lines;

    buf_init(&items, LINES_MAX);
    buf_init(&lines, LINES_MAX);
    int r = feed_parse_new(&p, &opt, on_item, &items);
    if (r == 0)
        r = try_push(p, fd, o->chunk);
    if (r == 0) {
        feed_parse_finish(p, result);
        put_feed(&lines, feed_parse_info(p));
        r = write_all(&lines);
    }
    if (r == 0)
        r = items.error ? items.error : write_all(&items);
    if (r == 0) {
        buf_clear(&lines);
        put_status(&lines, result);
        r = write_all(&lines);
    }
    feed_parse_free(p);
    buf_free(&items);
    buf_free(&lines);
    return r;
}

static int parse_file(const struct options *o, const char *path,
                      struct feed_parse_result *result)
{
    bool use_stdin = strcmp(path, "-") == 0;
    int fd = use_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int r = parse_one(o, fd, result);
    if (!use_stdin)
        (void)close(fd);
    return r;
}

/* --- batch -----------------------------------------------------------------------------
 */

static const char *member(struct json_object *request, const char *key)
{
    struct json_object *v;

    if (!json_object_object_get_ex(request, key, &v) ||
        !json_object_is_type(v, json_type_string))
        return NULL;
    return json_object_get_string(v);
}

static void answer(const struct options *o, const char *line)
{
    struct json_object *request = json_tokener_parse(line);
    const char *path = request ? member(request, "path") : NULL;
    struct options mine = *o;
    struct feed_parse_result result;
    struct buf b;
    int r = -EINVAL;

    if (path) {
        mine.url = member(request, "url");
        mine.content_type = member(request, "content_type");
        r = parse_file(&mine, path, &result);
    }
    buf_init(&b, REQUEST_MAX);
    if (r < 0) {
        (void)buf_putc(&b, '{');
        (void)json_member_str(
            &b, "error", path ? str_of(strerror(-r)) : STR("a request needs a path"));
        (void)buf_puts(&b, "}\n");
    }
    (void)buf_puts(&b, "{\"end\":true}\n");
    (void)write_all(&b);
    buf_free(&b);
    json_object_put(request);
}

static int run_batch(const struct options *o)
{
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, stdin) > 0)
        answer(o, line);
    free(line);
    return ferror(stdin) || ferror(stdout) ? EXIT_RUN : EXIT_OK;
}

/* --- the command --- */

__attribute__((format(printf, 2, 3))) static bool refuse(int *status, const char *why,
                                                         ...)
{
    va_list ap;

    fputs("feedwatch parse: ", stderr);
    va_start(ap, why);
    (void)vfprintf(stderr, why, ap);
    va_end(ap);
    *status = EXIT_USAGE;
    return false;
}

static bool read_options(struct options *o, int argc, char **argv, int *status)
{
    static const struct option known[] = {
        { "url", required_argument, NULL, 'u' },
        { "content-type", required_argument, NULL, 't' },
        { "charset", required_argument, NULL, 'c' },
        { "chunk", required_argument, NULL, 'n' }, /* for tests: bytes pushed at once */
        { "alt", no_argument, NULL, 'a' },
        { "batch", no_argument, NULL, 'b' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "u:t:c:abh", known, NULL)) != -1) {
        switch (c) {
        case 'u':
            o->url = optarg;
            break;
        case 't':
            o->content_type = optarg;
            break;
        case 'c':
            o->charset = optarg;
            if (!charset_known(str_of(optarg)))
                return refuse(status, "there is no charset '%s'; iconv -l lists them\n",
                              optarg);
            break;
        case 'n':
            o->chunk = strtoul(optarg, NULL, 10);
            if (o->chunk == 0 || o->chunk > TRY_CHUNK)
                o->chunk = TRY_CHUNK;
            break;
        case 'a':
            o->alt = true;
            break;
        case 'b':
            o->batch = true;
            break;
        case 'h':
            fputs(usage_text, stdout);
            *status = EXIT_OK;
            return false;
        default:
            fputs("Try 'feedwatch parse --help'.\n", stderr);
            *status = EXIT_USAGE;
            return false;
        }
    }
    if (argc - optind > (o->batch ? 0 : 1))
        return refuse(status,
                      o->batch ? "--batch takes its files from standard input, not '%s'\n"
                               : "one file at a time, not '%s', too\n",
                      argv[optind + !o->batch]);
    return true;
}

/* What is wrong with the document, for people; false: nothing. */
static bool complain(const char *path, const struct feed_parse_result *r)
{
    switch (r->status) {
    case FEED_WHOLE:
        return false;
    case FEED_EMPTY_BODY:
        fprintf(stderr, "feedwatch parse: %s: the document is empty\n", path);
        break;
    case FEED_NOT_A_FEED:
        fprintf(stderr, "feedwatch parse: %s: not a feed: %s\n", path, r->why);
        break;
    default:
        fprintf(stderr, "feedwatch parse: %s: %s: %s; ", path,
                feed_status_name(r->status), r->why);
        if (r->items > 1)
            fprintf(stderr, "%lu items were read\n", r->items);
        else
            fprintf(stderr, "%s item was read\n", r->items ? "1" : "no");
    }
    return true;
}

int cmd_parse(int argc, char **argv)
{
    struct options o = { .chunk = TRY_CHUNK };
    struct feed_parse_result result;
    int status;

    if (!read_options(&o, argc, argv, &status))
        return status;
    if (o.batch)
        return run_batch(&o);
    if (!o.url)
        o.url = getenv("FEED_URL");
    if (!o.content_type)
        o.content_type = getenv("FEED_CONTENT_TYPE");
    const char *path = optind < argc ? argv[optind] : "-";
    int r = parse_file(&o, path, &result);
    if (strcmp(path, "-") == 0)
        path = "standard input";
    if (r < 0) {
        fprintf(stderr, "feedwatch parse: %s: %s\n", path, strerror(-r));
        return EXIT_RUN;
    }
    return complain(path, &result) ? EXIT_RUN : EXIT_OK;
}
