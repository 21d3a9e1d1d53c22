/* sink_desktop: bubbles on a private session bus, with a notification server that lives
 * in this test and can be slow, mute, absent or restarted.  Each test runs in a child of
 * its own, because GLib keeps one session bus for a process. */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <gio/gio.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../../daemon/alert/sink_desktop_impl.h"
#include "clock.h"
#include "sink.h"

/* In a child: cmocka's assertions would jump into the parent's test. */
#define CHECK(x)                                                                         \
    do {                                                                                 \
        if (!(x)) {                                                                      \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x);              \
            _exit(1);                                                                    \
        }                                                                                \
    } while (0)

/* ---- a session bus */

static pid_t bus_pid;
static char bus_dir[64];

/* A bus without services to activate: only what a test starts is there. */
static void write_bus_conf(char *path, size_t n)
{
    snprintf(bus_dir, sizeof bus_dir, "/tmp/test_sink_desktop.XXXXXX");
    CHECK(mkdtemp(bus_dir));
    snprintf(path, n, "%s/bus.conf", bus_dir);
    FILE *f = fopen(path, "w");
    CHECK(f);
    fprintf(f,
            "<busconfig><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
            "<policy context='default'><allow send_destination='*' eavesdrop='true'/>"
            "<allow eavesdrop='true'/><allow own='*'/></policy></busconfig>\n",
            bus_dir);
    fclose(f);
}

static void start_bus(void)
{
    int fds[2];
    char address[300], config[100], print[40];

    write_bus_conf(config, sizeof config);
    CHECK(pipe(fds) == 0);
    snprintf(print, sizeof print, "--print-address=%d", fds[1]);
    memmove(config + 14, config, strlen(config) + 1);
    memcpy(config, "--config-file=", 14);
    bus_pid = fork();
    if (bus_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(open("/dev/null", O_WRONLY), 2); /* it cannot raise its limits here */
        execlp("dbus-daemon", "dbus-daemon", config, "--nofork", print, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    ssize_t n = read(fds[0], address, sizeof address - 1);
    CHECK(n > 0);
    address[n] = '\0';
    address[strcspn(address, "\n")] = '\0';
    close(fds[0]);
    setenv("DBUS_SESSION_BUS_ADDRESS", address, 1);
}

static int drop(const char *name, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(name);
}

static void stop_bus(void)
{
    if (bus_pid <= 0)
        return;
    kill(bus_pid, SIGKILL);
    waitpid(bus_pid, NULL, 0);
    bus_pid = 0;
    nftw(bus_dir, drop, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- a notification server */

struct server {
    const char *const *caps;
    atomic_bool mute;      /* never answers anything */
    atomic_bool mute_show; /* answers questions, but never a Notify */
    GThread *thread;
    GMainLoop *loop;
    pthread_mutex_t lock; /* not GLib's: the thread sanitizer knows this one */
    pthread_cond_t changed;
    unsigned count; /* guarded by lock, as the rest */
    bool up;
    char summary[64][300], body[64][3000], actions[64][300], hints[64][300];
    int urgency[64];
    unsigned replaces[64];
    char opened[300]; /* by the portal */
    GDBusConnection *bus;
};

static const char interface_xml[] =
    "<node><interface name='org.freedesktop.Notifications'>"
    "<method name='GetCapabilities'><arg type='as' direction='out'/></method>"
    "<method name='GetServerInformation'><arg type='s' direction='out'/>"
    "<arg type='s' direction='out'/><arg type='s' direction='out'/>"
    "<arg type='s' direction='out'/></method>"
    "<method name='Notify'><arg type='s' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='s' direction='in'/><arg type='as' direction='in'/>"
    "<arg type='a{sv}' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='u' direction='out'/></method>"
    "<method name='CloseNotification'><arg type='u' direction='in'/></method>"
    "<signal name='ActionInvoked'><arg type='u'/><arg type='s'/></signal>"
    "<signal name='NotificationClosed'><arg type='u'/><arg type='u'/></signal>"
    "</interface>"
    "<interface name='org.freedesktop.portal.OpenURI'>"
    "<method name='OpenURI'><arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='a{sv}' direction='in'/><arg type='o' direction='out'/></method>"
    "</interface></node>";

static guint32 record(struct server *s, GVariant *args)
{
    const char *summary, *body, *icon, *word, *category = "", *entry = "";
    char all[300] = "";
    guint32 replaces;
    GVariant *hints, *actions;
    GVariantIter iter;
    guchar urgency = 99;

    g_variant_get(args, "(&su&s&s&s@as@a{sv}i)", NULL, &replaces, &icon, &summary, &body,
                  &actions, &hints, NULL);
    g_variant_lookup(hints, "urgency", "y", &urgency);
    g_variant_lookup(hints, "category", "&s", &category);
    g_variant_lookup(hints, "desktop-entry", "&s", &entry);
    g_variant_iter_init(&iter, actions);
    while (g_variant_iter_next(&iter, "&s", &word)) {
        g_strlcat(all, word, sizeof all);
        g_strlcat(all, "|", sizeof all);
    }
    pthread_mutex_lock(&s->lock);
    if (s->count < 64) {
        snprintf(s->summary[s->count], sizeof s->summary[0], "%s", summary);
        snprintf(s->body[s->count], sizeof s->body[0], "%s", body);
        snprintf(s->actions[s->count], sizeof s->actions[0], "%s", all);
        snprintf(s->hints[s->count], sizeof s->hints[0], "%s|%s|%s", icon, category,
                 entry);
        s->urgency[s->count] = urgency;
        s->replaces[s->count] = replaces;
    }
    g_variant_unref(hints);
    g_variant_unref(actions);
    guint32 id = ++s->count;
    if (replaces)
        id = replaces;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return id;
}

static void on_call(GDBusConnection *bus, const gchar *sender, const gchar *path,
                    const gchar *interface, const gchar *method, GVariant *args,
                    GDBusMethodInvocation *call, gpointer data)
{
    struct server *s = data;

    (void)bus;
    (void)sender;
    (void)path;
    (void)interface;
    if (strcmp(method, "OpenURI") == 0) {
        const char *link;
        g_variant_get(args, "(&s&s@a{sv})", NULL, &link, NULL);
        pthread_mutex_lock(&s->lock);
        snprintf(s->opened, sizeof s->opened, "%s", link);
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        g_dbus_method_invocation_return_value(call, g_variant_new("(o)", "/request"));
        return;
    }
    if (s->mute)
        return; /* the call stays open for ever */
    if (s->mute_show && strcmp(method, "Notify") == 0)
        record(s, args);
    else if (strcmp(method, "GetCapabilities") == 0)
        g_dbus_method_invocation_return_value(call, g_variant_new("(^as)", s->caps));
    else if (strcmp(method, "GetServerInformation") == 0)
        g_dbus_method_invocation_return_value(
            call, g_variant_new("(ssss)", "test", "test", "1", "1.2"));
    else if (strcmp(method, "Notify") == 0)
        g_dbus_method_invocation_return_value(call,
                                              g_variant_new("(u)", record(s, args)));
    else
        g_dbus_method_invocation_return_value(call, NULL);
}

static void on_name(GDBusConnection *bus, const gchar *name, gpointer data)
{
    struct server *s = data;

    (void)bus;
    (void)name;
    pthread_mutex_lock(&s->lock);
    s->up = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static gpointer serve(gpointer data)
{
    static const GDBusInterfaceVTable calls = { .method_call = on_call };
    struct server *s = data;
    GMainContext *context = g_main_context_new();
    GError *error = NULL;

    g_main_context_push_thread_default(context);
    GDBusConnection *bus = g_dbus_connection_new_for_address_sync(
        getenv("DBUS_SESSION_BUS_ADDRESS"),
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
            G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, &error);
    CHECK(bus);
    GDBusNodeInfo *node = g_dbus_node_info_new_for_xml(interface_xml, NULL);
    CHECK(g_dbus_connection_register_object(bus, "/org/freedesktop/Notifications",
                                            node->interfaces[0], &calls, s, NULL, NULL));
    CHECK(g_dbus_connection_register_object(bus, "/org/freedesktop/portal/desktop",
                                            node->interfaces[1], &calls, s, NULL, NULL));
    s->bus = bus;
    g_bus_own_name_on_connection(bus, "org.freedesktop.portal.Desktop", 0, NULL, NULL,
                                 NULL, NULL);
    g_bus_own_name_on_connection(bus, "org.freedesktop.Notifications", 0, on_name, NULL,
                                 s, NULL);
    s->loop = g_main_loop_new(context, FALSE);
    g_main_loop_run(s->loop);
    g_dbus_connection_close_sync(bus, NULL, NULL);
    g_object_unref(bus);
    g_dbus_node_info_unref(node);
    g_main_context_pop_thread_default(context);
    return NULL;
}

static void start_server(struct server *s)
{
    s->up = false;
    s->thread = g_thread_new("server", serve, s);
    pthread_mutex_lock(&s->lock);
    while (!s->up)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void stop_server(struct server *s)
{
    g_main_loop_quit(s->loop);
    g_thread_join(s->thread);
}

static struct timespec in_ten_seconds(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    return until;
}

/* Wait until the server has shown `n` bubbles; false after 10 s. */
static bool shows(struct server *s, unsigned n)
{
    struct timespec until = in_ten_seconds();
    bool in_time = true;

    pthread_mutex_lock(&s->lock);
    while (s->count < n && in_time)
        in_time = !pthread_cond_timedwait(&s->changed, &s->lock, &until);
    bool ok = s->count >= n;
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* ---- the sink */

static const char *const plain_caps[] = { "body", NULL };
static const char *const markup_caps[] = { "body", "body-markup", NULL };
static const struct desktop_limits quick = { 5, 200, 20, 100, 60000, 300, 3600000 };
static struct sink *sink;
static struct buf why;

static void open_sink(const struct desktop_limits *l)
{
    buf_init(&why, 1000);
    CHECK(sink_desktop_new_with(&sink, "desktop", l, &why) == 0);
}

/* Close within `ms`, measured. */
static void close_sink(int64_t ms)
{
    int64_t from = clock_mono_ms();

    sink->ops->free(sink, ms);
    CHECK(clock_mono_ms() - from < ms + 200);
}

static struct alert sample(int64_t seq)
{
    return (struct alert){ .seq = seq,
                           .priority = ALERT_NORMAL,
                           .watch = STR("summit"),
                           .feed = STR("kyivpost"),
                           .title = STR("Xi, Putin Hold Video Call"),
                           .link = STR("https://example.org/1"),
                           .snippet = STR("Chinese leader Xi told Putin"),
                           .matched = STR("Putin\nXi\n") };
}

/* Hand over n alerts that begin with seq; how many were taken.  Never blocks. */
static int hand(int64_t seq, size_t n)
{
    static struct alert a[100];
    static const struct alert *list[100];
    int64_t from = clock_mono_ms();

    for (size_t i = 0; i < n; i++) {
        a[i] = sample(seq + (int64_t)i);
        list[i] = &a[i];
    }
    int r = sink->ops->deliver(sink, list, n, &why);
    CHECK(clock_mono_ms() - from < 50);
    return r;
}

static bool comes_to(int64_t seq)
{
    struct pollfd p = { .fd = sink->ops->fd(sink), .events = POLLIN };
    int64_t until = clock_mono_ms() + 10000;

    while (sink->ops->delivered(sink) < seq) {
        if (clock_mono_ms() >= until)
            return false;
        poll(&p, 1, 1000);
    }
    return true;
}

static bool gets_in_trouble(const char *text)
{
    struct pollfd p = { .fd = sink->ops->fd(sink), .events = POLLIN };
    int64_t until = clock_mono_ms() + 10000;

    for (;;) {
        buf_clear(&why);
        if (sink->ops->trouble(sink, &why) && strstr(why.s, text))
            return true;
        if (clock_mono_ms() >= until)
            return false;
        poll(&p, 1, 100);
        (void)sink->ops->delivered(sink);
    }
}

/* ---- the tests' children */

static void child_shows_alerts(void)
{
    struct server s = { .caps = plain_caps };

    start_bus();
    start_server(&s);
    open_sink(&quick);
    CHECK(sink_desktop_possible());
    CHECK(sink->ops->delivered(sink) == -1);
    CHECK(hand(7, 2) == 2);
    CHECK(shows(&s, 2) && comes_to(8));
    CHECK(strcmp(s.summary[0], "Xi, Putin Hold Video Call") == 0);
    CHECK(strcmp(s.body[0], "summit \xC2\xB7 kyivpost\nChinese leader Xi told Putin\n"
                            "https://example.org/1") == 0);
    CHECK(s.urgency[0] == 1);
    CHECK(!sink->ops->trouble(sink, &why));
    close_sink(1000);
    stop_server(&s);
}

static void child_escapes_markup(void)
{
    struct server s = { .caps = markup_caps };
    struct alert a = sample(1);
    const struct alert *list[] = { &a };

    start_bus();
    start_server(&s);
    open_sink(&quick);
    a.title = STR("<b>bold</b> & <img src=file:///etc/passwd> %n%s <3");
    a.snippet = STR("a <3 & \"Xi\" <a href='x'>taxi</a>");
    a.link = STR("https://example.org/?a=1&b=2");
    a.priority = ALERT_CRITICAL;
    CHECK(sink->ops->deliver(sink, list, 1, &why) == 1);
    a.seq = 2;
    a.link = STR("javascript:alert(1)");
    a.title = a.snippet = (struct str){ 0 };
    a.priority = ALERT_LOW;
    CHECK(sink->ops->deliver(sink, list, 1, &why) == 1);
    CHECK(shows(&s, 2));
    CHECK(strcmp(s.summary[0], "<b>bold</b> & <img src=file:///etc/passwd> %n%s <3") ==
          0);
    CHECK(strcmp(s.body[0],
                 "summit \xC2\xB7 kyivpost\na &lt;3 &amp; &quot;<b>Xi</b>&quot; "
                 "&lt;a href=&#39;x&#39;&gt;taxi&lt;/a&gt;\n"
                 "https://example.org/?a=1&amp;b=2") == 0);
    CHECK(s.urgency[0] == 2 && s.urgency[1] == 0);
    CHECK(strcmp(s.body[1], "summit \xC2\xB7 kyivpost") == 0); /* no such link */
    close_sink(1000);
    stop_server(&s);
}

static const char *const all_caps[] = { "body", "body-markup", "actions", NULL };

static void press(struct server *s, unsigned id, const char *action)
{
    CHECK(g_dbus_connection_emit_signal(s->bus, NULL, "/org/freedesktop/Notifications",
                                        "org.freedesktop.Notifications", "ActionInvoked",
                                        g_variant_new("(us)", id, action), NULL));
}

static bool opens(struct server *s, const char *link)
{
    struct timespec until = in_ten_seconds();
    bool in_time = true;

    pthread_mutex_lock(&s->lock);
    while (strcmp(s->opened, link) != 0 && in_time)
        in_time = !pthread_cond_timedwait(&s->changed, &s->lock, &until);
    s->opened[0] = '\0';
    pthread_mutex_unlock(&s->lock);
    return in_time;
}

static void give(struct alert *a)
{
    const struct alert *list[] = { a };

    CHECK(sink->ops->deliver(sink, list, 1, &why) == 1);
}

static void child_has_buttons(void)
{
    struct server s = { .caps = all_caps };
    struct alert a = sample(1);

    start_bus();
    start_server(&s);
    open_sink(&quick);
    a.link = STR("https://example.org/?a=1&b=2");
    give(&a);
    CHECK(shows(&s, 1) && comes_to(1));
    CHECK(strcmp(s.actions[0], "default|Open|open|Open|mute|Mute summit for 1 h|") == 0);
    CHECK(strcmp(s.hints[0], "application-rss+xml|x-feedwatch.alert|feedwatch") == 0);
    press(&s, 1, "default");
    CHECK(opens(&s, "https://example.org/?a=1&b=2"));
    press(&s, 1, "open");
    CHECK(opens(&s, "https://example.org/?a=1&b=2"));
    a.seq = 2;
    a.link = STR("file:///etc/passwd"); /* not to be opened */
    give(&a);
    CHECK(shows(&s, 2));
    CHECK(strcmp(s.actions[1], "mute|Mute summit for 1 h|") == 0);
    close_sink(1000);
    stop_server(&s);
}

static void child_mutes_a_watch(void)
{
    struct server s = { .caps = all_caps };
    struct alert a = sample(1);
    int64_t seq = 1;
    unsigned shown = 0;

    start_bus();
    start_server(&s);
    open_sink(&quick);
    /* The press may arrive behind the next alerts: go on until one is not shown. */
    for (; shown == s.count; seq++) {
        CHECK(seq < 50);
        a.seq = seq;
        give(&a);
        CHECK(comes_to(seq));
        if (seq == 1)
            press(&s, 1, "mute");
        shown++;
    }
    a.watch = STR("energy");
    a.seq = seq;
    give(&a);
    CHECK(shows(&s, shown) && comes_to(seq));
    CHECK(strstr(s.body[shown - 1], "1 alert is only in the alert log: muted"));
    close_sink(1000);
    stop_server(&s);
}

/* Wait until the sink says so of its muted watches. */
static bool says_muted(const char *what)
{
    struct pollfd p = { .fd = sink->ops->fd(sink), .events = POLLIN };
    int64_t until = clock_mono_ms() + 10000;
    bool there = false;

    while (!there && clock_mono_ms() < until) {
        struct buf text;

        buf_init(&text, 10000);
        (void)sink->ops->delivered(sink); /* what comes later makes it readable again */
        if (sink->ops->muted(sink, &text))
            there = strncmp(text.s, what, 1) == 0 && strstr(text.s, what + 1);
        buf_free(&text);
        if (!there)
            poll(&p, 1, 1000);
    }
    return there;
}

static void child_keeps_a_mute_over_a_restart(void)
{
    struct server s = { .caps = all_caps };
    struct alert a = sample(1);
    struct desktop_limits brief = quick;
    char kept[100];

    start_bus();
    start_server(&s);
    open_sink(&quick);
    give(&a);
    CHECK(shows(&s, 1) && comes_to(1));
    press(&s, 1, "mute");
    CHECK(says_muted("+ 0 summit\n"));
    close_sink(1000);

    open_sink(&quick);
    snprintf(kept, sizeof kept, "+%lld 4 summit\n-1 2 gone\njunk\n=\n",
             (long long)clock_utc_ms() + 1000000);
    sink->ops->restore(sink, kept);
    a.seq = 2;
    give(&a);
    CHECK(comes_to(2) && s.count == 1);
    CHECK(says_muted("= 5 summit\n"));
    close_sink(1000);

    /* It ends, and is no longer than it was asked for, whatever the clock says. */
    brief.mute_ms = 300;
    open_sink(&brief);
    sink->ops->restore(sink, kept);
    CHECK(says_muted("- 4 summit\n"));
    a.seq = 3;
    give(&a);
    CHECK(shows(&s, 2) && comes_to(3));
    close_sink(1000);
    stop_server(&s);
}

static void child_amends_a_bubble(void)
{
    struct server s = { .caps = all_caps };
    struct alert a = sample(1);

    start_bus();
    start_server(&s);
    open_sink(&quick);
    memcpy(a.id, "0123456789abcdef0123456789abcdef", 33);
    give(&a);
    CHECK(shows(&s, 1) && comes_to(1));
    a.sources = STR("guardian\thttps://g.example/1\tThey met\t1\n");
    sink->ops->amend(sink, &a);
    CHECK(shows(&s, 2));
    CHECK(s.replaces[0] == 0 && s.replaces[1] == 1);
    CHECK(strstr(s.body[1], "summit \xC2\xB7 kyivpost, guardian\n"));
    CHECK(strstr(s.actions[1], "open|Open|"));
    memcpy(a.id, "ffffffffffffffffffffffffffffffff", 33); /* never shown */
    sink->ops->amend(sink, &a);
    a.seq = 2;
    give(&a);
    CHECK(shows(&s, 3) && comes_to(2));
    CHECK(s.replaces[2] == 0);
    close_sink(1000);
    stop_server(&s);
}

static void child_marks_the_matched_places(void)
{
    struct server s = { .caps = all_caps };
    struct alert a = sample(1);

    start_bus();
    start_server(&s);
    open_sink(&quick);
    a.snippet = STR("Xi & Xi <3 \xD0\x9F\xD1\x83");
    a.matched = STR("Xi\n\xD0\x9F\xD1\x83\n");
    a.spans = STR("t0+2 s5+2 s11+4 s90+9 "); /* the second Xi only; one beyond the end */
    give(&a);
    CHECK(shows(&s, 1));
    CHECK(strstr(s.body[0], "\nXi &amp; <b>Xi</b> &lt;3 <b>\xD0\x9F\xD1\x83</b>\n"));
    close_sink(1000);
    stop_server(&s);
}

static void child_shows_a_digest(void)
{
    struct server s = { .caps = all_caps };
    struct alert a = sample(1);
    const struct alert *list[] = { &a, &a };
    struct digest d = { .seq = 4,
                        .count = 9,
                        .watch = STR("summit"),
                        .reason = STR("quiet\n"),
                        .alerts = list,
                        .n = 2,
                        .priority = ALERT_LOW };

    start_bus();
    start_server(&s);
    open_sink(&quick);
    CHECK(sink->ops->digested(sink) == -1);
    CHECK(sink->ops->digest(sink, &d, &why) == 1);
    CHECK(shows(&s, 1));
    CHECK(strstr(s.summary[0], "summit: 9 alerts"));
    CHECK(strstr(s.body[0], "\xE2\x80\xA2 Xi, Putin Hold Video Call (kyivpost)\n"));
    struct pollfd p = { sink->ops->fd(sink), POLLIN, 0 };
    for (int i = 0; i < 100 && sink->ops->digested(sink) != 4; i++)
        poll(&p, 1, 100);
    CHECK(sink->ops->digested(sink) == 4);
    close_sink(1000);
    stop_server(&s);
}

static void child_folds_floods(void)
{
    struct server s = { .caps = plain_caps };
    int taken = 0;

    start_bus();
    start_server(&s);
    open_sink(&quick);
    CHECK(hand(1, 12) == 12);
    CHECK(shows(&s, 1) && comes_to(12));
    CHECK(strcmp(s.summary[0], "12 alerts: summit") == 0);
    CHECK(strstr(s.body[0], "\xE2\x80\xA2 Xi, Putin Hold Video Call (kyivpost)\n"));
    CHECK(strstr(s.body[0], "and 7 more in the alert log"));
    /* 1000 at once: bounded queue, few bubbles, all of them delivered */
    for (int64_t seq = 13; seq <= 1012;) {
        int n = hand(seq, seq + 99 <= 1012 ? 100 : (size_t)(1013 - seq));
        CHECK(n >= 0 && n <= 64);
        taken += n;
        seq += n;
        if (n == 0) {
            struct pollfd p = { .fd = sink->ops->fd(sink), .events = POLLIN };
            CHECK(poll(&p, 1, 5000) == 1);
            (void)sink->ops->delivered(sink);
        }
    }
    CHECK(taken == 1000 && comes_to(1012));
    CHECK(s.count <= 30);
    close_sink(1000);
    stop_server(&s);
}

static void child_survives_a_hung_server(void)
{
    struct server s = { .caps = plain_caps, .mute = true };

    start_bus();
    start_server(&s);
    open_sink(&quick);
    CHECK(hand(1, 3) == 3);
    CHECK(gets_in_trouble("Timeout"));
    CHECK(hand(4, 3) == 3);
    CHECK(sink->ops->delivered(sink) == -1);
    s.mute = false; /* it comes to its senses */
    CHECK(shows(&s, 1) && comes_to(6));
    buf_clear(&why);
    CHECK(!sink->ops->trouble(sink, &why));
    close_sink(1000);
}

static void child_ends_while_the_server_hangs(void)
{
    struct server s = { .caps = plain_caps, .mute_show = true };

    start_bus();
    start_server(&s);
    open_sink(&quick);
    CHECK(hand(1, 1) == 1);
    CHECK(shows(&s, 1)); /* libnotify waits for the answer now, for 25 s */
    CHECK(hand(2, 100) == 64);
    CHECK(hand(66, 1) == 0); /* busy, and at once */
    close_sink(100);
    /* a second sink waits for the first one's thread, and ends in time as well */
    open_sink(&quick);
    CHECK(hand(1, 1) == 1);
    close_sink(100);
}

static void child_waits_for_a_server(void)
{
    struct server s = { .caps = plain_caps };
    struct desktop_limits slow = quick;

    start_bus();
    slow.retry_min_ms = slow.retry_max_ms = 60000; /* only its coming can help */
    open_sink(&slow);
    CHECK(hand(1, 1) == 1);
    CHECK(gets_in_trouble("notification server"));
    start_server(&s);
    CHECK(shows(&s, 1) && comes_to(1));
    stop_server(&s); /* restarted, it knows markup */
    s.caps = markup_caps;
    start_server(&s);
    CHECK(hand(2, 1) == 1);
    CHECK(shows(&s, 2) && comes_to(2));
    CHECK(strstr(s.body[1], "<b>Xi</b>"));
    close_sink(1000);
    stop_server(&s);
}

static void child_survives_the_end_of_the_bus(void)
{
    struct server s = { .caps = plain_caps };

    start_bus();
    start_server(&s);
    open_sink(&quick);
    CHECK(hand(1, 1) == 1);
    CHECK(shows(&s, 1) && comes_to(1));
    stop_bus(); /* GLib would end the process here */
    CHECK(hand(2, 1) == 1);
    CHECK(gets_in_trouble(""));
    close_sink(1000);
}

static void child_lives_without_a_bus(void)
{
    struct desktop_limits hasty = quick;

    unsetenv("DBUS_SESSION_BUS_ADDRESS");
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
    setenv("DISPLAY", ":77", 1); /* GLib must not start a bus of its own */
    CHECK(!sink_desktop_possible());
    hasty.give_up_ms = 200;
    open_sink(&hasty);
    CHECK(hand(1, 3) == 3);
    CHECK(gets_in_trouble("no session bus"));
    CHECK(comes_to(3)); /* given up */
    struct server s = { .caps = plain_caps };
    start_bus(); /* the user logs in */
    start_server(&s);
    CHECK(hand(4, 1) == 1);
    CHECK(shows(&s, 1) && comes_to(4));
    CHECK(strstr(s.body[0], "3 earlier alerts are only in the alert log"));
    close_sink(1000);
    stop_server(&s);
}

/* ---- running them */

static void in_child(void (*test)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(60);
        test();
        stop_bus();
        _exit(0);
    }
    assert_true(pid > 0);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

#define TEST(name)                                                                       \
    static void name(void **state)                                                       \
    {                                                                                    \
        (void)state;                                                                     \
        in_child(child_##name);                                                          \
    }
TEST(shows_alerts)
TEST(escapes_markup)
TEST(has_buttons)
TEST(mutes_a_watch)
TEST(keeps_a_mute_over_a_restart)
TEST(amends_a_bubble)
TEST(marks_the_matched_places)
TEST(shows_a_digest)
TEST(folds_floods)
TEST(survives_a_hung_server)
TEST(ends_while_the_server_hangs)
TEST(waits_for_a_server)
TEST(survives_the_end_of_the_bus)
TEST(lives_without_a_bus)

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(shows_alerts),
    cmocka_unit_test(escapes_markup),
    cmocka_unit_test(has_buttons),
    cmocka_unit_test(mutes_a_watch),
    cmocka_unit_test(keeps_a_mute_over_a_restart),
    cmocka_unit_test(amends_a_bubble),
    cmocka_unit_test(marks_the_matched_places),
    cmocka_unit_test(shows_a_digest),
    cmocka_unit_test(folds_floods),
    cmocka_unit_test(survives_a_hung_server),
    cmocka_unit_test(ends_while_the_server_hangs),
    cmocka_unit_test(waits_for_a_server),
    cmocka_unit_test(survives_the_end_of_the_bus),
    cmocka_unit_test(lives_without_a_bus),
};
TEST_MAIN(tests)
