/* Loads libnotify and finds its calls. */
#define DESKTOP_LIB_LOADER
#include "sink_desktop_lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libnotify.so.4" /* GLib comes with it */

struct desktop_lib desktop_lib;

static const struct {
    const char *name;
    size_t place;
} calls[] = {
#define ROW(name) { #name, offsetof(struct desktop_lib, name) },
    DESKTOP_CALLS(ROW)
#undef ROW
};

static int load(struct buf *why)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool all = library != NULL;

    for (size_t i = 0; all && i < sizeof calls / sizeof calls[0]; i++) {
        void *call = dlsym(library, calls[i].name);

        all = call != NULL;
        memcpy((char *)&desktop_lib + calls[i].place, &call, sizeof call);
    }
    if (all)
        return 0;
    const char *text = dlerror();
    buf_printf(why, "desktop notifications need libnotify: %s", text ? text : LIBRARY);
    if (library)
        (void)dlclose(library);
    return -ENOENT;
}

int desktop_lib_load(struct buf *why)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool loaded;
    int r = 0;

    pthread_mutex_lock(&lock);
    if (!loaded)
        r = load(why);
    loaded = r == 0;
    pthread_mutex_unlock(&lock);
    return r;
}
