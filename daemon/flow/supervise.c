/* What we tell systemd about ourselves. */
#include "supervise.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

int supervise_watchdog(sd_event *event)
{
    int r = sd_event_set_watchdog(event, 1);

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
