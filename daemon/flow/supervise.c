/* What we tell systemd about ourselves. */
#include "supervise.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include "log.h"
#include "pulse.h"

#define PERIOD_MAX_USEC 5000000

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
        (void)sd_notify(0, "WATCHDOG=1");
    (void)sd_event_source_set_time_relative(s, (uint64_t)pulse_period_ms() * 1000);
    return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int supervise_watchdog(sd_event *event)
{
    sd_event_source *check = NULL;
    uint64_t usec = 0;
    int r = sd_watchdog_enabled(0, &usec);

    if (r < 0)
        return r;
    watchdog.wanted = r > 0;
    watchdog.n_late = 0;
    watchdog.said = false;
    usec = r > 0 && usec / 8 < PERIOD_MAX_USEC ? usec / 8 : PERIOD_MAX_USEC;
    pulse_set_period((int64_t)usec / 1000);
    r = sd_event_add_time_relative(event, &check, CLOCK_MONOTONIC, 0, 0, on_check, NULL);
    if (r >= 0) /* before whatever else is ready */
        r = sd_event_source_set_priority(check, SD_EVENT_PRIORITY_IMPORTANT);
    if (r >= 0)
        r = sd_event_source_set_floating(check, true); /* it ends with the event loop */
    sd_event_source_unref(check);
    return r < 0 ? r : 0;
}

/* `state` and one line of STATUS= in one message, so that neither shows without the
 * other. */
static void __attribute__((format(printf, 2, 0)))
notify(const char *state, const char *fmt, va_list ap)
{
    char status[512];

    vsnprintf(status, sizeof status, fmt, ap);
    for (char *p = status; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' '; /* a line break would end STATUS= and begin another variable */
    (void)sd_notifyf(0, "%sSTATUS=%s", state, status);
}

void supervise_ready(const char *status_fmt, ...)
{
    va_list ap;

    va_start(ap, status_fmt);
    notify("READY=1\n", status_fmt, ap);
    va_end(ap);
}

void supervise_status(const char *status_fmt, ...)
{
    va_list ap;

    va_start(ap, status_fmt);
    notify("", status_fmt, ap);
    va_end(ap);
}

void supervise_reloading(void)
{
    struct timespec now = { 0, 0 };

    clock_gettime(CLOCK_MONOTONIC, &now); /* the clock that sd_notify(3) asks for */
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reloading",
                     (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void supervise_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
}
