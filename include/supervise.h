#ifndef SUPERVISE_H
#define SUPERVISE_H
/* What we tell systemd: READY, STATUS, RELOADING, STOPPING, WATCHDOG.  Does nothing
 * without NOTIFY_SOCKET.  Never waits: while nobody reads the socket, the newest STATUS
 * and the strongest state (STOPPING, READY, RELOADING) are kept and sent again from the
 * event loop, and the log says so, once.  For the main thread alone. Source:
 * sd_notify(3), sd_event_set_watchdog(3). */
#include <systemd/sd-event.h>

/* From `event`, check that every thread with a pulse moves: as long as they do, feed the
 * watchdog if systemd asked for it; when one does not, say so in the log, once, and feed
 * it no more.  Sets the period of the pulses, so call it before threads begin.  0 or
 * -errno. */
int supervise_watchdog(sd_event *event);

void supervise_ready(const char *status_fmt, ...) __attribute__((format(printf, 1, 2)));
void supervise_status(const char *status_fmt, ...) __attribute__((format(printf, 1, 2)));
void supervise_reloading(void); /* with MONOTONIC_USEC; supervise_ready ends it */
void supervise_stopping(void);
#endif
