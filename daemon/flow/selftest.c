/* What is tried before READY=1. */
#include "selftest.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "clock.h"
#include "log.h"
#include "metrics.h"

#define ROOM_MIN_BYTES (16 << 20)
#define OWN_FILES 64          /* descriptors for all but the transfers */
#define FILES_PER_TRANSFER 2  /* its socket and, now and then, one for its name */
#define EARLIEST_S 1735689600 /* 2025: no right clock says less */

static bool has_https(const struct config *c)
{
    for (size_t i = 0; i < c->n_feeds; i++)
        if (strncasecmp(c->feeds[i].url, "https:", 6) == 0)
            return true;
    return false;
}

static void warn(const char *what, const char *why, const char *note)
{
    log_event(LOG_LEVEL_WARN, "self_test", "what=%s why=%s note=\"%s\"", what,
              log_quote(why), note);
}

/* Without certificates every https feed fails, one by one and later. */
static const char *try_certificates(void)
{
    char *file = NULL, *dir = NULL;
    CURL *c = curl_easy_init();
    bool ok = false;

    if (c) {
        (void)curl_easy_getinfo(c, CURLINFO_CAINFO, &file);
        (void)curl_easy_getinfo(c, CURLINFO_CAPATH, &dir);
        ok = (!file && !dir) || (file && access(file, R_OK) == 0) ||
             (dir && access(dir, R_OK | X_OK) == 0);
    }
    if (!ok)
        warn("certificates", file ? file : "none",
             "no https feed can be read; install ca-certificates");
    curl_easy_cleanup(c);
    return ok ? "ok" : "bad";
}

static const char *try_resolver(void)
{
    char line[512];
    bool found = false;
    FILE *f = fopen("/etc/resolv.conf", "re");

    while (f && !found && fgets(line, sizeof line, f))
        found = strncmp(line, "nameserver", 10) == 0;
    if (!found)
        warn("resolver", f ? "/etc/resolv.conf names no server" : strerror(errno),
             "names are looked up in /etc/hosts and on this machine only");
    if (f)
        fclose(f);
    return found ? "ok" : "bad";
}

static const char *try_clock(void)
{
    if (clock_utc_ms() / 1000 >= EARLIEST_S)
        return "ok";
    warn("clock", "it is years behind",
         "https feeds fail until it is set; ages of items are wrong");
    return "bad";
}

static const char *try_room(const char *dir)
{
    struct statvfs v;
    char why[80];

    if (statvfs(dir, &v) < 0)
        return "unknown";
    uint64_t left = (uint64_t)v.f_bavail * v.f_frsize;
    if (left >= ROOM_MIN_BYTES)
        return "ok";
    snprintf(why, sizeof why, "%" PRIu64 " KiB are left", left >> 10);
    warn("disk", why, "when the store cannot grow, polling waits");
    return "bad";
}

/* As many descriptors as the hard limit and our wants allow. */
static const char *try_files(const struct config *c)
{
    rlim_t want = OWN_FILES + (rlim_t)FILES_PER_TRANSFER * c->max_transfers;
    struct rlimit l;
    char why[80];

    if (getrlimit(RLIMIT_NOFILE, &l) < 0)
        return "unknown";
    if (l.rlim_cur < want && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = want < l.rlim_max ? want : l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l);
        (void)getrlimit(RLIMIT_NOFILE, &l);
    }
    if (l.rlim_cur >= want)
        return "ok";
    snprintf(why, sizeof why, "%llu may be open, %llu are wanted for max_transfers",
             (unsigned long long)l.rlim_cur, (unsigned long long)want);
    warn("files", why, "raise LimitNOFILE=, or lower max_transfers");
    return "bad";
}

static int try_metrics(const char *path, struct buf *why)
{
    if (!path)
        return 0;
    if (!metrics_may_replace(path)) {
        (void)buf_printf(why, "metrics = %s holds something else; name another file",
                         path);
        return -EEXIST;
    }
    int r = metrics_write(path, STR(METRICS_MARK "starts\n"));
    if (r < 0)
        (void)buf_printf(why,
                         "metrics = %s cannot be written: %s; its folder must be "
                         "there and writable for the daemon",
                         path, strerror(-r));
    return r;
}

int selftest(const struct config *c, struct buf *why)
{
    int r = try_metrics(c->metrics_path, why);

    if (r < 0)
        return r;
    const char *files = try_files(c), *room = try_room(c->state_dir);
    const char *certificates = has_https(c) ? try_certificates() : "unused";
    const char *resolver = try_resolver(), *time = try_clock();
    log_event(LOG_LEVEL_INFO, "self_test",
              "store=ok sinks=ok disk=%s files=%s certificates=%s resolver=%s clock=%s "
              "metrics=%s",
              room, files, certificates, resolver, time, c->metrics_path ? "ok" : "off");
    return 0;
}
