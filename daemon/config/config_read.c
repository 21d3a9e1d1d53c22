/* Reads a config file and has inih take it apart, without letting inih's limits change
 * anything: inih cuts lines at 199 bytes and section names at 49, and takes " ;" inside a
 * value for a comment.  So it is fed one short line for each logical line, with "@N" in
 * place of the value; the real value, joined from its indented lines, waits here. */
#include "config_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "buf.h"
#include "utf8.h"

#define INIH_SECTION_MAX 49

struct reader {
    struct loader *l;
    const char *file;
    const char *p, *end;
    int line;           /* of the line that was read last */
    char section[64];   /* as inih was told */
    struct entry value; /* the value that "@N" stands for */
    struct buf joined;
    unsigned token; /* N */
};

/* The next line without its end; false at the end of the file. */
static bool take_line(struct reader *r, struct str *out)
{
    if (r->p == r->end)
        return false;
    const char *nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
    const char *stop = nl ? nl : r->end;

    *out = (struct str){ r->p, (size_t)(stop - r->p) };
    if (out->n && out->s[out->n - 1] == '\r')
        out->n--;
    r->p = nl ? nl + 1 : r->end;
    r->line++;
    return true;
}

static size_t indent_of(struct str line)
{
    size_t columns = 0;

    for (size_t i = 0; i < line.n && (line.s[i] == ' ' || line.s[i] == '\t'); i++)
        columns += line.s[i] == '\t' ? 8 - columns % 8 : 1;
    return columns;
}

static struct config_place here(const struct reader *r)
{
    return (struct config_place){ r->file, r->line };
}

/* Only UTF-8 text without control characters may go further. */
static bool line_ok(struct reader *r, struct str line)
{
    for (size_t i = 0, len; i < line.n; i += len) {
        uint32_t c = utf8_get(line.s + i, line.n - i, &len);

        if (c == UTF8_BAD) {
            config_error(r->l, here(r),
                         "byte 0x%02x at column %zu is not UTF-8; save the file as UTF-8",
                         (unsigned)(unsigned char)line.s[i], i + 1);
            return false;
        }
        if ((c < 0x20 && c != '\t') || c == 0x7F) {
            config_error(r->l, here(r), "control character 0x%02x at column %zu%s",
                         (unsigned)c, i + 1,
                         c == 0 ? "; is this a text file?" : "; delete it");
            return false;
        }
    }
    return true;
}

static bool is_comment(struct str trimmed)
{
    return trimmed.n == 0 || trimmed.s[0] == ';' || trimmed.s[0] == '#';
}

/* "#metoo" on an indented line of a value is a comment, as it is everywhere; say so. */
static void hint_hash(struct reader *r, struct str trimmed)
{
    if (trimmed.n > 1 && trimmed.s[0] == '#' && trimmed.s[1] != ' ' &&
        trimmed.s[1] != '#' && trimmed.s[1] != '\t')
        config_warn(
            r->l, here(r),
            "this line is a comment and not part of the value above; to mean '%.*s' "
            "put it in double quotes",
            shown(trimmed), trimmed.s);
}

/* Join the lines that follow and stand deeper than `indent` to the value. */
static void join_lines(struct reader *r, size_t indent)
{
    struct str line;
    int gap = 1; /* line breaks since the last line that was taken */

    for (const char *start = r->p; take_line(r, &line); start = r->p, gap++) {
        struct str t = str_trim(line);
        bool deeper = indent_of(line) > indent;

        if (!is_comment(t) && !deeper) {
            r->p = start; /* not ours: give it back */
            r->line--;
            return;
        }
        if (!line_ok(r, line))
            continue;
        if (!is_comment(t)) {
            for (; gap; gap--)
                buf_putc(&r->joined, '\n');
            buf_put_str(&r->joined, t);
        } else if (deeper) {
            hint_hash(r, t);
        }
    }
}

/* "[name]", perhaps with a comment behind it. */
static bool read_section(struct reader *r, struct str t, char *out, int room)
{
    const char *close = memchr(t.s, ']', t.n);

    if (!close) {
        config_error(r->l, here(r), "a section has no closing bracket; write [NAME]");
        r->l->kind = IN_NOTHING;
        return false;
    }
    struct str name = { t.s + 1, (size_t)(close - t.s) - 1 };
    struct str rest = { close + 1, (size_t)(t.s + t.n - close) - 1 };
    if (!is_comment(str_trim(rest)))
        config_error(r->l, here(r),
                     "text after the section name; put '%.*s' on its own line",
                     shown(str_trim(rest)), str_trim(rest).s);
    loader_section(r->l, str_trim(name), here(r));

    name = str_trim(name);
    if (name.n > INIH_SECTION_MAX || memchr(name.s, ';', name.n))
        snprintf(r->section, sizeof r->section, "@%u", ++r->token);
    else
        snprintf(r->section, sizeof r->section, "%.*s", (int)name.n, name.s);
    snprintf(out, (size_t)room, "[%s]\n", r->section);
    return true;
}

/* "key = value" and the indented lines after it. */
static bool read_key(struct reader *r, struct str line, struct str t, char *out, int room)
{
    const char *equals = memchr(t.s, '=', t.n);
    struct str key = { t.s, equals ? (size_t)(equals - t.s) : t.n };
    struct config_place at = here(r);
    bool ok = false;

    key = str_trim(key);
    if (!equals)
        config_error(
            r->l, at,
            "'%.*s' is neither [section] nor key = value; a line that goes on from "
            "the one above must be indented",
            shown(t), t.s);
    else if (memchr(key.s, ':', key.n))
        config_error(
            r->l, at,
            "'%.*s' has a colon before the '='; write key = value, and indent a line "
            "that goes on from the one above",
            shown(t), t.s);
    else
        ok = config_name_ok(r->l, at, "key", key);

    buf_clear(&r->joined);
    if (equals)
        buf_put_str(&r->joined, str_trim((struct str){
                                    equals + 1, (size_t)(t.s + t.n - equals) - 1 }));
    join_lines(r, indent_of(line));
    if (!ok)
        return false;
    r->value = (struct entry){ buf_str(&r->joined), at };
    snprintf(out, (size_t)room, "%.*s=@%u\n", (int)key.n, key.s, ++r->token);
    return true;
}

/* For inih: the next line, like fgets. */
static char *next_for_inih(char *out, int room, void *ctx)
{
    struct reader *r = ctx;
    struct str line;

    while (take_line(r, &line)) {
        struct str t = str_trim(line);
        bool section = t.n && t.s[0] == '[', ok = line_ok(r, line);

        if (section && !ok)
            r->l->kind = IN_NOTHING; /* its keys have no home */
        if (is_comment(t) || !ok)
            continue;
        if (section ? read_section(r, t, out, room) : read_key(r, line, t, out, room))
            return out;
    }
    return NULL;
}

/* From inih: a key and what it took for the value. */
static int got_key(void *ctx, const char *section, const char *name, const char *value)
{
    struct reader *r = ctx;
    char want[16];

    snprintf(want, sizeof want, "@%u", r->token);
    if (strcmp(value, want) != 0 || strcmp(section, r->section) != 0)
        return 0; /* cannot happen; config_read reports it */
    if (r->joined.error == -ENOMEM)
        r->l->oom = true;
    else
        loader_key(r->l, str_of(name), &r->value);
    return 1;
}

static int file_error(struct loader *l, const char *path, int error, const char *why)
{
    config_error(l, (struct config_place){ path, 0 }, "%s", why ? why : strerror(error));
    return -error;
}

/* The whole file in *bytes. */
static int slurp(struct loader *l, const char *path, int fd, struct buf *bytes)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return file_error(l, path, errno, NULL);
    if (S_ISDIR(st.st_mode))
        return file_error(l, path, EISDIR, "is a directory; name a file");
    if (S_ISREG(st.st_mode) && st.st_size < CONFIG_FILE_MAX - 65536)
        buf_reserve(bytes,
                    (size_t)st.st_size + 65536); /* one allocation when all goes well */
    for (;;) {
        if (buf_reserve(bytes, 65536) < 0)
            return bytes->error == -E2BIG
                       ? file_error(l, path, EFBIG, "is larger than 64 MiB")
                       : -ENOMEM;
        ssize_t n = read(fd, bytes->s + bytes->n, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error(l, path, errno, NULL);
        if (n == 0)
            return 0;
        bytes->n += (size_t)n;
    }
}

int config_read_text(struct loader *l, const char *path, struct str text)
{
    struct reader r = { .l = l, .file = path };

    l->content = XXH3_64bits_withSeed(text.s, text.n, l->content);
    if (text.n >= 3 && memcmp(text.s, "\xEF\xBB\xBF", 3) == 0)
        text = (struct str){ text.s + 3, text.n - 3 };
    else if (text.n >= 2 &&
             (memcmp(text.s, "\xFF\xFE", 2) == 0 || memcmp(text.s, "\xFE\xFF", 2) == 0))
        return file_error(l, path, EILSEQ, "is UTF-16; save the file as UTF-8");
    r.p = text.s;
    r.end = text.s + text.n;
    buf_init(&r.joined, CONFIG_FILE_MAX);
    l->kind = IN_NOTHING;
    l->section_at = (struct config_place){ path, 0 };

    int bad = ini_parse_stream(next_for_inih, &r, got_key, &r);
    if (bad)
        config_error(l, here(&r), "inih does not read this file (its error %d)", bad);
    buf_free(&r.joined);
    return 0;
}

int config_read(struct loader *l, const char *path)
{
    struct buf bytes;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return file_error(l, path, errno, NULL);
    buf_init(&bytes, CONFIG_FILE_MAX);
    int r = slurp(l, path, fd, &bytes);
    close(fd);
    if (r == 0)
        r = config_read_text(l, path, buf_str(&bytes));
    buf_free(&bytes);
    return r;
}
