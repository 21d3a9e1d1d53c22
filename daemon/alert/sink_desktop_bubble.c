/* The desktop thread's talk with libnotify and the notification server. */
#include "sink_desktop_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sink_desktop_lib.h"

#define SERVER_NAME "org.freedesktop.Notifications"
#define SERVER_PATH "/org/freedesktop/Notifications"

struct notifier {
    GMainContext *context; /* of this thread; nothing of GLib's runs elsewhere */
    GSource *wake;
    GDBusConnection *bus; /* NULL: not connected */
    guint watch;          /* of the server's name; 0: none */
    char owner[64];       /* the server's address on the bus; "": none */
    bool woken, appeared; /* why notifier_wait() ends */
    bool known;           /* what the server can do has been asked */
    bool markup, actions;
    struct open_bubbles *open;
    int ping_ms;
    struct bubble bubble;
};

static gboolean on_wake(gint fd, GIOCondition condition, gpointer data)
{
    struct notifier *n = data;

    (void)fd;
    (void)condition;
    n->woken = true;
    return G_SOURCE_CONTINUE;
}

int notifier_new(struct notifier **out, int wake_fd, int ping_ms, struct mutes *mutes)
{
    struct notifier *n = calloc(1, sizeof *n);

    if (!n)
        return -ENOMEM;
    n->open = open_bubbles_new(mutes);
    if (!n->open) {
        free(n);
        return -ENOMEM;
    }
    n->ping_ms = ping_ms;
    buf_init(&n->bubble.summary, 8192);
    buf_init(&n->bubble.body, 32768);
    n->context = g_main_context_new();
    g_main_context_push_thread_default(n->context);
    n->wake = g_unix_fd_source_new(wake_fd, G_IO_IN);
    g_source_set_callback(n->wake, (GSourceFunc)(void (*)(void))on_wake, n, NULL);
    g_source_attach(n->wake, n->context);
    *out = n;
    return 0;
}

/* Forget the server, and the bus as well: libnotify would go on with a dead one. */
static void disconnect(struct notifier *n)
{
    n->known = false;
    n->owner[0] = '\0';
    if (n->watch)
        g_bus_unwatch_name(n->watch);
    n->watch = 0;
    open_bubbles_drop(n->open);
    if (notify_is_initted())
        notify_uninit();
    g_clear_object(&n->bus);
}

void notifier_free(struct notifier *n)
{
    if (!n)
        return;
    disconnect(n);
    while (g_main_context_iteration(n->context, FALSE))
        ; /* let what was cancelled end */
    open_bubbles_free(n->open);
    g_source_destroy(n->wake);
    g_source_unref(n->wake);
    g_main_context_pop_thread_default(n->context);
    g_main_context_unref(n->context);
    buf_free(&n->bubble.summary);
    buf_free(&n->bubble.body);
    free(n);
}

static int fail(struct buf *why, const char *what, GError *error, int r)
{
    if (error && error->domain == G_IO_ERROR && error->code == G_IO_ERROR_TIMED_OUT)
        r = -ETIMEDOUT;
    buf_printf(why, "%s: %s", what, error ? error->message : strerror(-r));
    g_clear_error(&error);
    return r;
}

static void on_appeared(GDBusConnection *bus, const gchar *name, const gchar *owner,
                        gpointer data)
{
    struct notifier *n = data;

    (void)bus;
    (void)name;
    if (strcmp(owner, n->owner) == 0)
        return;
    if (n->owner[0]) /* else this is the one that the first bubbles went to */
        open_bubbles_drop(n->open);
    snprintf(n->owner, sizeof n->owner, "%s", owner);
    n->appeared = true;
    n->known = false; /* another server may know other things */
}

static void on_vanished(GDBusConnection *bus, const gchar *name, gpointer data)
{
    struct notifier *n = data;

    (void)bus;
    (void)name;
    n->known = false;
    n->owner[0] = '\0';
    open_bubbles_drop(n->open);
}

static int connect_bus(struct notifier *n, struct buf *why)
{
    GError *error = NULL;

    if (n->bus && !g_dbus_connection_is_closed(n->bus))
        return 0;
    disconnect(n);
    if (!sink_desktop_possible()) { /* GLib would start a bus of its own */
        buf_puts(why, "there is no session bus");
        return -ENOTCONN;
    }
    n->bus = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, &error);
    if (!n->bus)
        return fail(why, "session bus", error, -ENOTCONN);
    /* Else GLib kills the process when the bus goes away. */
    g_dbus_connection_set_exit_on_close(n->bus, FALSE);
    n->watch =
        g_bus_watch_name_on_connection(n->bus, SERVER_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                       on_appeared, on_vanished, n, NULL);
    return 0;
}

/* Ask the server what it can do, and with that whether it answers at all: libnotify waits
 * 25 s for each answer, this waits ping_ms. */
static int ask_server(struct notifier *n, struct buf *why)
{
    GError *error = NULL;
    GVariantIter *list = NULL;
    const gchar *word;

    if (n->known)
        return 0;
    GVariant *answer = g_dbus_connection_call_sync(
        n->bus, SERVER_NAME, SERVER_PATH, SERVER_NAME, "GetCapabilities", NULL,
        G_VARIANT_TYPE("(as)"), G_DBUS_CALL_FLAGS_NONE, n->ping_ms, NULL, &error);
    if (!answer)
        return fail(why, "notification server", error, -EHOSTUNREACH);
    n->markup = n->actions = false;
    g_variant_get(answer, "(as)", &list);
    while (g_variant_iter_loop(list, "&s", &word)) {
        n->markup |= strcmp(word, "body-markup") == 0;
        n->actions |= strcmp(word, "actions") == 0;
    }
    g_variant_iter_free(list);
    g_variant_unref(answer);
    n->known = true;
    return 0;
}

static NotifyUrgency urgency_of(enum alert_priority p)
{
    switch (p) {
    case ALERT_LOW:
        return NOTIFY_URGENCY_LOW;
    case ALERT_NORMAL:
        return NOTIFY_URGENCY_NORMAL;
    case ALERT_CRITICAL:
        return NOTIFY_URGENCY_CRITICAL;
    }
    return NOTIFY_URGENCY_NORMAL;
}

/* Have a server that answers. */
static int ready(struct notifier *n, struct buf *why)
{
    int r = connect_bus(n, why);

    if (r == 0)
        r = ask_server(n, why);
    if (r == 0 && !notify_is_initted() && !notify_init("feedwatch"))
        r = fail(why, "libnotify", NULL, -EIO);
    return r;
}

static NotifyNotification *new_note(struct notifier *n, enum alert_priority priority)
{
    NotifyNotification *note = notify_notification_new(
        n->bubble.summary.s, n->bubble.body.s, "application-rss+xml");

    notify_notification_set_urgency(note, urgency_of(priority));
    notify_notification_set_category(note, "x-feedwatch.alert");
    notify_notification_set_hint(note, "desktop-entry",
                                 g_variant_new_string("feedwatch"));
    return note;
}

/* Show it, or take its reference back. */
static int show(struct notifier *n, NotifyNotification *note, struct buf *why)
{
    GError *error = NULL;
    int r = 0;

    if (!notify_notification_show(note, &error)) {
        r = fail(why, "notification server", error, -EHOSTUNREACH);
        disconnect(n); /* begin anew: whatever it was */
    }
    g_object_unref(note);
    return r;
}

int notifier_show(struct notifier *n, const struct pile *p, struct buf *why)
{
    int r = ready(n, why);

    if (r == 0)
        r = bubble_write(&n->bubble, p, n->markup);
    if (r < 0)
        return r;
    NotifyNotification *note = new_note(n, p->priority);
    if (p->n == 1 && !p->more)
        open_bubbles_add(n->open, note, &p->held[0]->alert, n->actions, n->bus);
    return show(n, note, why);
}

int notifier_show_digest(struct notifier *n, const struct digest *d, struct buf *why)
{
    int r = ready(n, why);

    if (r == 0)
        r = bubble_write_digest(&n->bubble, d, n->markup);
    return r < 0 ? r : show(n, new_note(n, d->priority), why);
}

void notifier_amend(struct notifier *n, const struct held *h)
{
    NotifyNotification *note = open_bubbles_find(n->open, h->alert.id);
    struct held *list = (struct held *)(uintptr_t)h;
    struct pile one = { .held = { list }, .n = 1 };
    struct buf why;

    if (!note || bubble_write(&n->bubble, &one, n->markup) < 0)
        return;
    buf_init(&why, 200);
    notify_notification_update(note, n->bubble.summary.s, n->bubble.body.s,
                               "application-rss+xml");
    (void)show(n, g_object_ref(note), &why);
    buf_free(&why);
}

static gboolean on_time(gpointer data)
{
    *(bool *)data = true;
    return G_SOURCE_REMOVE;
}

bool notifier_wait(struct notifier *n, int64_t ms)
{
    bool late = false;
    GSource *timer = NULL;

    n->woken = false;
    if (ms >= 0) {
        timer = g_timeout_source_new(ms < INT32_MAX ? (guint)ms : INT32_MAX);
        g_source_set_callback(timer, on_time, &late, NULL);
        g_source_attach(timer, n->context);
    }
    while (!n->woken && !late && !n->appeared)
        g_main_context_iteration(n->context, TRUE);
    if (timer) {
        g_source_destroy(timer);
        g_source_unref(timer);
    }
    bool appeared = n->appeared;
    n->appeared = false;
    return appeared;
}
