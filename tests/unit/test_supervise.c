/* supervise: what systemd hears, on a datagram socket that stands for it. */
#include "test.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "pulse.h"
#include "supervise.h"

static int fd = -1;

static int listen_to_it(void **state)
{
    (void)state;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    char name[64];

    /* An abstract name: no file to clean up. */
    int n = snprintf(name, sizeof name, "feedwatch-test-%d", (int)getpid());
    memcpy(addr.sun_path + 1, name, (size_t)n);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        bind(fd, (struct sockaddr *)&addr,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)))
        return -1;
    memmove(name + 1, name, (size_t)n + 1);
    name[0] = '@';
    return setenv("NOTIFY_SOCKET", name, 1);
}

static int stop_listening(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return close(fd);
}

/* The next message; "" when there is none. */
static const char *heard(void)
{
    static char text[2000];
    ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void tells_each_state(void **state)
{
    (void)state;
    supervise_ready("watching %d feeds", 3);
    assert_string_equal(heard(), "READY=1\nSTATUS=watching 3 feeds");
    supervise_status("%s", "two\nlines=1");
    assert_string_equal(heard(), "STATUS=two lines=1");
    supervise_stopping();
    assert_string_equal(heard(), "STOPPING=1\nSTATUS=Stopping");
    assert_string_equal(heard(), "");
}

static void reloading_carries_the_time(void **state)
{
    (void)state;
    struct timespec now;
    uint64_t usec;

    supervise_reloading();
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_int_equal(sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &usec), 1);
    uint64_t later = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    assert_true(usec <= later && later - usec < 5000000);
}

static void feeds_the_watchdog(void **state)
{
    (void)state;
    sd_event *event = NULL;
    char pid[16];
    int pings = 0;

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "100000", 1);
    assert_int_equal(sd_event_new(&event), 0);
    assert_int_equal(supervise_watchdog(event), 0);
    for (int i = 0; i < 50 && pings < 3; i++) {
        sd_event_run(event, 100000);
        for (const char *m; *(m = heard());)
            pings += strcmp(m, "WATCHDOG=1") == 0;
    }
    assert_true(pings >= 3);
    sd_event_unref(event);
}

static int pings_in(sd_event *event, int64_t ms)
{
    int pings = 0;

    for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;) {
        sd_event_run(event, 20000);
        for (const char *m; *(m = heard());)
            pings += strcmp(m, "WATCHDOG=1") == 0;
    }
    return pings;
}

static void starves_the_watchdog_while_a_thread_stands(void **state)
{
    (void)state;
    sd_event *event = NULL;
    struct pulse *stands, *waits;
    char pid[16];

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "160000", 1);
    assert_int_equal(sd_event_new(&event), 0);
    assert_int_equal(supervise_watchdog(event), 0);
    assert_int_equal(pulse_period_ms(), 20);
    assert_int_equal(pulse_new(&stands, "stands"), 0);
    assert_int_equal(pulse_new(&waits, "waits"), 0);
    pulse_beat(stands, 10000);
    pulse_beat(waits, PULSE_WAITS);
    assert_true(pings_in(event, 200) > 3); /* a deadline that is far is no stall */
    pulse_beat(stands, 10);
    (void)pings_in(event, 100); /* late twice */
    assert_int_equal(pings_in(event, 200), 0);
    pulse_beat(stands, 10000);
    assert_true(pings_in(event, 200) > 3);
    pulse_free(stands);
    pulse_free(waits);
    sd_event_unref(event);
}

/* Fill the socket, as if nobody read it. */
static int fill(void)
{
    struct sockaddr_un addr;
    socklen_t size = sizeof addr;
    int n = 0, from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &size), 0);
    while (sendto(from, "full", 4, 0, (struct sockaddr *)&addr, size) == 4)
        n++;
    assert_int_equal(errno, EAGAIN);
    close(from);
    return n;
}

static void drain(int n)
{
    while (n--)
        assert_string_equal(heard(), "full");
}

static void does_not_wait_when_nobody_reads(void **state)
{
    (void)state;
    sd_event *event = NULL;
    int n = fill();
    int64_t begin = clock_mono_ms();

    assert_int_equal(sd_event_new(&event), 0);
    assert_int_equal(supervise_watchdog(event), 0);
    supervise_ready("first"); /* kept, with the newest STATUS */
    supervise_reloading();
    supervise_status("last");
    assert_true(clock_mono_ms() - begin < 5000);
    drain(n);
    assert_string_equal(heard(), "");
    const char *m = "";
    for (int i = 0; i < 100 && !*m; i++, m = heard())
        sd_event_run(event, 100000);
    assert_string_equal(m, "READY=1\nSTATUS=last");
    assert_string_equal(heard(), "");
    sd_event_unref(event);
}

static void a_later_message_stands_for_an_unsent_one(void **state)
{
    (void)state;
    int n = fill();

    supervise_reloading();
    drain(n);
    supervise_ready("reloaded");
    assert_string_equal(heard(), "READY=1\nSTATUS=reloaded");
    n = fill();
    supervise_ready("x");
    supervise_stopping();
    drain(n);
    supervise_status("y"); /* no way back */
    assert_string_equal(heard(), "STOPPING=1\nSTATUS=y");
    supervise_status("z");
    assert_string_equal(heard(), "STATUS=z");
}

static void cuts_a_status_between_characters(void **state)
{
    (void)state;
    char text[600];

    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\u00e9", 3);
    for (int shift = 0; shift < 2; shift++) {
        supervise_status("%s%s", shift ? "x" : "", text);
        const char *m = heard();
        size_t n = strlen(m);
        assert_in_range(n, 500, 7 + 511);
        assert_string_equal(m + n - 2, "\u00e9");
    }
}

static void goes_on_when_the_socket_is_wrong(void **state)
{
    (void)state;
    static const char *const wrong[] = { "/nowhere/at/all", "vsock:2:1", "@", "x" };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("NOTIFY_SOCKET", wrong[i], 1);
        supervise_ready("x");
    }
    assert_string_equal(heard(), "");
}

static void is_silent_without_systemd(void **state)
{
    (void)state;
    sd_event *event = NULL;

    unsetenv("NOTIFY_SOCKET");
    supervise_ready("x");
    supervise_status("x");
    supervise_reloading();
    supervise_stopping();
    assert_int_equal(sd_event_new(&event), 0);
    assert_int_equal(supervise_watchdog(event), 0); /* nobody asked: fine */
    sd_event_unref(event);
    assert_string_equal(heard(), "");
}

#define T(f) cmocka_unit_test_setup_teardown(f, listen_to_it, stop_listening)
static const struct CMUnitTest tests[] = {
    T(tells_each_state),
    T(reloading_carries_the_time),
    T(feeds_the_watchdog),
    T(starves_the_watchdog_while_a_thread_stands),
    T(does_not_wait_when_nobody_reads),
    T(a_later_message_stands_for_an_unsent_one),
    T(cuts_a_status_between_characters),
    T(goes_on_when_the_socket_is_wrong),
    T(is_silent_without_systemd),
};
TEST_MAIN(tests)
