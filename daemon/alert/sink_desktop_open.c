/* Bubbles on the screen: what their buttons do, and which alert stands in which. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "sink_desktop_impl.h"
#include "sink_text.h"
#include "url.h"
#include "sink_desktop_lib.h"

#define OPEN_MAX_BUBBLES 32 /* remembered; the oldest is then forgotten, not closed */

struct open_bubble {
    struct open_bubbles *all;
    NotifyNotification *note; /* NULL: the place is free */
    GDBusConnection *bus;
    char id[33];
    char *watch, *link;
};

struct open_bubbles {
    struct open_bubble *bubble[OPEN_MAX_BUBBLES];
    size_t next; /* place for the next one */
    struct mutes *mutes;
};

struct open_bubbles *open_bubbles_new(struct mutes *mutes)
{
    struct open_bubbles *o = calloc(1, sizeof *o);

    if (o)
        o->mutes = mutes;
    return o;
}

static void forget(struct open_bubble *b)
{
    for (size_t i = 0; i < OPEN_MAX_BUBBLES; i++)
        if (b && b->all->bubble[i] == b)
            b->all->bubble[i] = NULL;
    if (!b)
        return;
    g_signal_handlers_disconnect_by_data(b->note, b);
    notify_notification_clear_actions(b->note);
    g_object_unref(b->note);
    g_object_unref(b->bus);
    free(b->watch);
    free(b->link);
    free(b);
}

void open_bubbles_drop(struct open_bubbles *o)
{
    for (size_t i = 0; o && i < OPEN_MAX_BUBBLES; i++)
        forget(o->bubble[i]);
}

void open_bubbles_free(struct open_bubbles *o)
{
    open_bubbles_drop(o);
    free(o);
}

/* ---- opening a link */

/* In the child: signals are blocked in our thread. */
static void unblock(gpointer data)
{
    sigset_t none;

    (void)data;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The desktop's own program for links, when there is no portal. */
static void open_by_program(char *link)
{
    char name[] = "xdg-open", *argv[] = { name, link, NULL };

    (void)g_spawn_async("/", argv, NULL,
                        G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                            G_SPAWN_STDERR_TO_DEV_NULL,
                        unblock, NULL, NULL, NULL);
}

static void on_portal(GObject *bus, GAsyncResult *result, gpointer data)
{
    char *link = data;
    GVariant *answer =
        g_dbus_connection_call_finish((GDBusConnection *)bus, result, NULL);

    if (answer)
        g_variant_unref(answer);
    else
        open_by_program(link);
    free(link);
}

/* By the portal first: it starts the browser outside of our sandbox. */
static void open_link(GDBusConnection *bus, const char *link)
{
    char *copy = url_is_web(str_of(link)) ? strdup(link) : NULL;

    if (!copy)
        return;
    g_dbus_connection_call(bus, "org.freedesktop.portal.Desktop",
                           "/org/freedesktop/portal/desktop",
                           "org.freedesktop.portal.OpenURI", "OpenURI",
                           g_variant_new("(ssa{sv})", "", link, NULL), NULL,
                           G_DBUS_CALL_FLAGS_NONE, 5000, NULL, on_portal, copy);
}

/* ---- bubbles */

static void on_action(NotifyNotification *note, char *action, gpointer data)
{
    struct open_bubble *b = data;

    (void)note;
    if (strcmp(action, "mute") == 0)
        mutes_add(b->all->mutes, str_of(b->watch), clock_utc_ms());
    else
        open_link(b->bus, b->link);
}

static void on_closed(NotifyNotification *note, gpointer data)
{
    (void)note;
    forget(data);
}

static void add_buttons(struct open_bubble *b)
{
    struct buf label;

    if (url_is_web(str_of(b->link))) {
        notify_notification_add_action(b->note, "default", "Open", on_action, b, NULL);
        notify_notification_add_action(b->note, "open", "Open", on_action, b, NULL);
    }
    buf_init(&label, 1000);
    buf_puts(&label, "Mute ");
    text_put(&label, str_of(b->watch), 40, MARKUP_NONE);
    buf_puts(&label, " for 1 h");
    if (label.s)
        notify_notification_add_action(b->note, "mute", label.s, on_action, b, NULL);
    buf_free(&label);
}

void open_bubbles_add(struct open_bubbles *o, NotifyNotification *note,
                      const struct alert *a, bool actions, void *bus)
{
    struct open_bubble *b = calloc(1, sizeof *b);

    if (b) {
        b->watch = strndup(a->watch.n ? a->watch.s : "", a->watch.n);
        b->link = strndup(a->link.n ? a->link.s : "", a->link.n);
    }
    if (!b || !b->watch || !b->link) {
        if (b)
            free(b->watch);
        free(b);
        return;
    }
    b->all = o;
    b->note = g_object_ref(note);
    b->bus = g_object_ref(bus);
    memcpy(b->id, a->id, sizeof b->id);
    if (actions)
        add_buttons(b);
    g_signal_connect(note, "closed", G_CALLBACK(on_closed), b);
    forget(o->bubble[o->next]);
    o->bubble[o->next] = b;
    o->next = (o->next + 1) % OPEN_MAX_BUBBLES;
}

NotifyNotification *open_bubbles_find(struct open_bubbles *o, const char *id)
{
    for (size_t i = 0; i < OPEN_MAX_BUBBLES; i++)
        if (o->bubble[i] && strcmp(o->bubble[i]->id, id) == 0)
            return o->bubble[i]->note;
    return NULL;
}
