#ifndef SINK_DESKTOP_LIB_H
#define SINK_DESKTOP_LIB_H
/* Inside sink_desktop: libnotify and the GLib below it, loaded when the first desktop
 * sink is opened.  They are 11 libraries and a quarter of what a start costs, which a
 * machine without a desktop need not have.
 *
 * Include it after every other header: from here on each call below goes by a pointer
 * (but in sink_desktop_lib.c, which defines DESKTOP_LIB_LOADER). */
#include <gio/gio.h>
#include <glib-unix.h>
#include <libnotify/notify.h>
#include "sink_desktop_impl.h"

#define DESKTOP_CALLS(X)                                                                 \
    X(g_bus_get_sync)                                                                    \
    X(g_bus_unwatch_name)                                                                \
    X(g_bus_watch_name_on_connection)                                                    \
    X(g_clear_error)                                                                     \
    X(g_dbus_connection_call)                                                            \
    X(g_dbus_connection_call_finish)                                                     \
    X(g_dbus_connection_call_sync)                                                       \
    X(g_dbus_connection_is_closed)                                                       \
    X(g_dbus_connection_set_exit_on_close)                                               \
    X(g_io_error_quark)                                                                  \
    X(g_main_context_iteration)                                                          \
    X(g_main_context_new)                                                                \
    X(g_main_context_pop_thread_default)                                                 \
    X(g_main_context_push_thread_default)                                                \
    X(g_main_context_unref)                                                              \
    X(g_object_ref)                                                                      \
    X(g_object_unref)                                                                    \
    X(g_signal_connect_data)                                                             \
    X(g_signal_handlers_disconnect_matched)                                              \
    X(g_source_attach)                                                                   \
    X(g_source_destroy)                                                                  \
    X(g_source_set_callback)                                                             \
    X(g_source_unref)                                                                    \
    X(g_spawn_async)                                                                     \
    X(g_timeout_source_new)                                                              \
    X(g_unix_fd_source_new)                                                              \
    X(g_variant_get)                                                                     \
    X(g_variant_iter_free)                                                               \
    X(g_variant_iter_loop)                                                               \
    X(g_variant_new)                                                                     \
    X(g_variant_new_string)                                                              \
    X(g_variant_type_checked_)                                                           \
    X(g_variant_unref)                                                                   \
    X(notify_init)                                                                       \
    X(notify_is_initted)                                                                 \
    X(notify_notification_add_action)                                                    \
    X(notify_notification_clear_actions)                                                 \
    X(notify_notification_new)                                                           \
    X(notify_notification_set_category)                                                  \
    X(notify_notification_set_hint)                                                      \
    X(notify_notification_set_urgency)                                                   \
    X(notify_notification_show)                                                          \
    X(notify_notification_update)                                                        \
    X(notify_uninit)

#undef g_object_ref /* a macro around the function: only casts */

struct desktop_lib {
/* NOLINTNEXTLINE(bugprone-macro-parentheses) ; a declaration */
#define DESKTOP_MEMBER(name) __typeof__(name) *name;
    DESKTOP_CALLS(DESKTOP_MEMBER)
#undef DESKTOP_MEMBER
};
extern struct desktop_lib desktop_lib; /* written once, by desktop_lib_load() */

#ifndef DESKTOP_LIB_LOADER
#define g_bus_get_sync desktop_lib.g_bus_get_sync
#define g_bus_unwatch_name desktop_lib.g_bus_unwatch_name
#define g_bus_watch_name_on_connection desktop_lib.g_bus_watch_name_on_connection
#define g_clear_error desktop_lib.g_clear_error
#define g_dbus_connection_call desktop_lib.g_dbus_connection_call
#define g_dbus_connection_call_finish desktop_lib.g_dbus_connection_call_finish
#define g_dbus_connection_call_sync desktop_lib.g_dbus_connection_call_sync
#define g_dbus_connection_is_closed desktop_lib.g_dbus_connection_is_closed
#define g_dbus_connection_set_exit_on_close                                              \
    desktop_lib.g_dbus_connection_set_exit_on_close
#define g_io_error_quark desktop_lib.g_io_error_quark
#define g_main_context_iteration desktop_lib.g_main_context_iteration
#define g_main_context_new desktop_lib.g_main_context_new
#define g_main_context_pop_thread_default desktop_lib.g_main_context_pop_thread_default
#define g_main_context_push_thread_default desktop_lib.g_main_context_push_thread_default
#define g_main_context_unref desktop_lib.g_main_context_unref
#define g_object_ref desktop_lib.g_object_ref
#define g_object_unref desktop_lib.g_object_unref
#define g_signal_connect_data desktop_lib.g_signal_connect_data
#define g_signal_handlers_disconnect_matched                                             \
    desktop_lib.g_signal_handlers_disconnect_matched
#define g_source_attach desktop_lib.g_source_attach
#define g_source_destroy desktop_lib.g_source_destroy
#define g_source_set_callback desktop_lib.g_source_set_callback
#define g_source_unref desktop_lib.g_source_unref
#define g_spawn_async desktop_lib.g_spawn_async
#define g_timeout_source_new desktop_lib.g_timeout_source_new
#define g_unix_fd_source_new desktop_lib.g_unix_fd_source_new
#define g_variant_get desktop_lib.g_variant_get
#define g_variant_iter_free desktop_lib.g_variant_iter_free
#define g_variant_iter_loop desktop_lib.g_variant_iter_loop
#define g_variant_new desktop_lib.g_variant_new
#define g_variant_new_string desktop_lib.g_variant_new_string
#define g_variant_type_checked_ desktop_lib.g_variant_type_checked_
#define g_variant_unref desktop_lib.g_variant_unref
#define notify_init desktop_lib.notify_init
#define notify_is_initted desktop_lib.notify_is_initted
#define notify_notification_add_action desktop_lib.notify_notification_add_action
#define notify_notification_clear_actions desktop_lib.notify_notification_clear_actions
#define notify_notification_new desktop_lib.notify_notification_new
#define notify_notification_set_category desktop_lib.notify_notification_set_category
#define notify_notification_set_hint desktop_lib.notify_notification_set_hint
#define notify_notification_set_urgency desktop_lib.notify_notification_set_urgency
#define notify_notification_show desktop_lib.notify_notification_show
#define notify_notification_update desktop_lib.notify_notification_update
#define notify_uninit desktop_lib.notify_uninit
#endif
#endif
