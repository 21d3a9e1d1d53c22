/* What we tell systemd about ourselves. */
#include "supervise.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "pulse.h"
#include "utf8.h"

#define PERIOD_MAX_USEC 5000000
#define AGAIN_USEC 250000 /* a message that found no room */
#define STATUS_MAX 511
#define MESSAGE_MAX 640 /* with the state before it */

/* ---- the socket; sd_notify(3) would wait as long as nobody reads it */

/* What a message says; a stronger one stands for the weaker ones before it: READY ends a
 * reload, whether or not its begin was heard. */
enum state { STATUS, RELOADING, READY, STOPPING };

static struct {
    enum state state;
    char message[MESSAGE_MAX]; /* to be sent again; "": none */
    sd_event_source *again;    /* NULL: there is no event loop yet */
    bool said;                 /* in the log */
} unsent;

static socklen_t address_of(const char *name, struct sockaddr_un *addr)
{
    size_t n = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof addr->sun_path)
        return 0;
    *addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(addr->sun_path, name, n);
    if (name[0] == '@')
        addr->sun_path[0] = '\0'; /* an abstract name, unix(7) */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'));
}

/* One datagram, or -EAGAIN at once when there is no room for it. */
static int send_now(const char *message)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr;

    if (!name || !name[0])
        return 0;
    socklen_t size = address_of(name, &addr);
    if (!size)
        return -EAFNOSUPPORT;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    ssize_t n = sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
                       (struct sockaddr *)&addr, size);
    int r = n < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* Is it a matter of time? */
static bool worth_again(int r)
{
    return r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

/* Say once that we are not heard, and once that we are again. */
static void say(int r)
{
    if (r < 0 && !unsent.said)
        log_event(LOG_LEVEL_WARN, "notify_failed", "why=%s note=\"%s\"",
                  log_quote(strerror(-r)),
                  worth_again(r) ? "NOTIFY_SOCKET takes nothing; it is told again, all "
                                   "else goes on"
                                 : "NOTIFY_SOCKET does not work; all else goes on");
    else if (r == 0 && unsent.said)
        log_event(LOG_LEVEL_NOTICE, "notify_recovered",
                  "note=\"NOTIFY_SOCKET works again\"");
    unsent.said = r < 0;
}

/* Send what found no room.  True when nothing waits any more. */
static bool send_unsent(void)
{
    if (!unsent.message[0])
        return true;
    int r = send_now(unsent.message);
    say(r);
    if (!worth_again(r))
        unsent.message[0] = '\0';
    return !worth_again(r);
}

static void wait_for_room(void)
{
    if (!unsent.again)
        return; /* the next message tries, too */
    (void)sd_event_source_set_time_relative(unsent.again, AGAIN_USEC);
    (void)sd_event_source_set_enabled(unsent.again, SD_EVENT_ONESHOT);
}

static int on_again(sd_event_source *s, uint64_t usec, void *ctx)
{
    (void)s;
    (void)usec;
    (void)ctx;
    if (!send_unsent())
        wait_for_room();
    return 0;
}

static int put_state(char *out, size_t size, enum state state)
{
    struct timespec now = { 0, 0 };

    switch (state) {
    case STATUS:
        return 0;
    case RELOADING:
        clock_gettime(CLOCK_MONOTONIC, &now); /* the clock that sd_notify(3) asks for */
        return snprintf(out, size, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
                        (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    case READY:
        return snprintf(out, size, "READY=1\n");
    case STOPPING:
        return snprintf(out, size, "STOPPING=1\n");
    }
    return 0;
}

/* The state and one line of STATUS= in one message, so that neither shows without the
 * other. */
static void tell(enum state state, const char *status)
{
    char message[MESSAGE_MAX];

    if (unsent.message[0] && unsent.state > state)
        state = unsent.state;
    int n = put_state(message, sizeof message, state);
    snprintf(message + n, sizeof message - (size_t)n, "STATUS=%s", status);
    int r = send_now(message);
    say(r);
    unsent.message[0] = '\0';
    if (!worth_again(r))
        return;
    unsent.state = state;
    memcpy(unsent.message, message, sizeof message);
    wait_for_room();
}

static void feed_watchdog(void)
{
    if (send_unsent())
        say(send_now("WATCHDOG=1")); /* one that is lost is followed by the next */
}

/* ---- the watchdog */

static struct {
    bool wanted;     /* systemd asked to be fed */
    unsigned n_late; /* checks in a row at which some thread was late */
    bool said;       /* in the log */
} watchdog;

/* A thread counts as stalled when it is late at two checks in a row: after a suspend, or
 * when the whole process was stopped, all are late once. */
static bool all_move(void)
{
    struct pulse_late late;

    if (!pulse_find_late(&late)) {
        if (watchdog.said)
            log_event(LOG_LEVEL_NOTICE, "thread_recovered", "note=\"all threads move\"");
        watchdog.said = false;
        watchdog.n_late = 0;
        return true;
    }
    if (++watchdog.n_late < 2)
        return true;
    if (!watchdog.said)
        log_event(LOG_LEVEL_ERROR, "thread_stalled", "thread=%s silent_ms=%" PRId64 "%s",
                  late.name, late.silent_ms,
                  watchdog.wanted ? " note=\"the watchdog is not fed any more\"" : "");
    watchdog.said = true;
    return false;
}

static int on_check(sd_event_source *s, uint64_t usec, void *ctx)
{
    (void)usec;
    (void)ctx;
    if (all_move() && watchdog.wanted)
        feed_watchdog();
    (void)sd_event_source_set_time_relative(s, (uint64_t)pulse_period_ms() * 1000);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* It ends with the event loop. */
static void again_gone(void *ctx)
{
    (void)ctx;
    unsent.again = NULL;
}

static int add_again(sd_event *event)
{
    sd_event_source *again = NULL;
    int r = sd_event_add_time(event, &again, CLOCK_MONOTONIC, 0, 0, on_again, NULL);

    if (r >= 0)
        r = sd_event_source_set_enabled(again, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_source_set_destroy_callback(again, again_gone);
    if (r >= 0)
        r = sd_event_source_set_floating(again, true);
    if (r >= 0)
        unsent.again = again;
    sd_event_source_unref(again);
    return r;
}

int supervise_watchdog(sd_event *event)
{
    sd_event_source *check = NULL;
    uint64_t usec = 0;
    int r = sd_watchdog_enabled(0, &usec);

    if (r < 0)
        return r;
    unsent.message[0] = '\0';
    unsent.said = false;
    watchdog.wanted = r > 0;
    watchdog.n_late = 0;
    watchdog.said = false;
    usec = r > 0 && usec / 8 < PERIOD_MAX_USEC ? usec / 8 : PERIOD_MAX_USEC;
    pulse_set_period((int64_t)usec / 1000);
    r = add_again(event);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &check, CLOCK_MONOTONIC, 0, 0, on_check,
                                       NULL);
    if (r >= 0) /* before whatever else is ready */
        r = sd_event_source_set_priority(check, SD_EVENT_PRIORITY_IMPORTANT);
    if (r >= 0)
        r = sd_event_source_set_floating(check, true); /* it ends with the event loop */
    sd_event_source_unref(check);
    return r < 0 ? r : 0;
}

/* ---- what there is to tell */

static void __attribute__((format(printf, 2, 0)))
tell_formatted(enum state state, const char *fmt, va_list ap)
{
    char status[STATUS_MAX + 5]; /* room to see that it is too long */
    int n = vsnprintf(status, sizeof status, fmt, ap);

    if (n > STATUS_MAX) /* systemd wants whole characters */
        status[utf8_cut(status, strlen(status), STATUS_MAX)] = '\0';
    for (char *p = status; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' '; /* a line break would end STATUS= and begin another variable */
    tell(state, status);
}

void supervise_ready(const char *status_fmt, ...)
{
    va_list ap;

    va_start(ap, status_fmt);
    tell_formatted(READY, status_fmt, ap);
    va_end(ap);
}

void supervise_status(const char *status_fmt, ...)
{
    va_list ap;

    va_start(ap, status_fmt);
    tell_formatted(STATUS, status_fmt, ap);
    va_end(ap);
}

void supervise_reloading(void)
{
    tell(RELOADING, "Reloading");
}

void supervise_stopping(void)
{
    tell(STOPPING, "Stopping");
}
