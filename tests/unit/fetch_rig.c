/* What the tests of fetch share. */
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "fetch_rig.h"

int got_start(void *ctx, struct str type, struct str url)
{
    struct got *g = ctx;

    g->starts++;
    snprintf(g->type, sizeof g->type, "%.*s", (int)type.n, type.s ? type.s : "");
    snprintf(g->start_url, sizeof g->start_url, "%.*s", (int)url.n, url.s);
    return 0;
}

int got_body(void *ctx, const char *bytes, size_t n)
{
    struct got *g = ctx;

    assert_int_equal(g->starts, 1);
    assert_int_equal(g->dones, 0);
    g->chunks++;
    g->body = realloc(g->body, g->n + n + 1);
    assert_non_null(g->body);
    memcpy(g->body + g->n, bytes, n);
    g->n += n;
    g->body[g->n] = '\0';
    return g->stop_after && g->n >= g->stop_after;
}

void got_done(void *ctx, const struct fetch_result *r)
{
    struct got *g = ctx;

    g->dones++;
    g->outcome = r->outcome;
    g->status = r->http_status;
    snprintf(g->etag, sizeof g->etag, "%s", r->etag ? r->etag : "-");
    snprintf(g->last_modified, sizeof g->last_modified, "%s",
             r->last_modified ? r->last_modified : "-");
    snprintf(g->final_url, sizeof g->final_url, "%s", r->final_url);
    snprintf(g->moved_to, sizeof g->moved_to, "%s", r->moved_to ? r->moved_to : "-");
    snprintf(g->why, sizeof g->why, "%s", r->why);
    g->retry_after_s = r->retry_after_s;
    g->fresh_s = r->fresh_s;
    g->body_bytes = r->body_bytes;
    g->wire_bytes = r->wire_bytes;
    if (g->rig)
        g->rig->done++;
}

const struct fetch_events events = { got_start, got_body, got_done };

void rig_up(struct rig *rig, origin_answer answer, void *ctx,
            const struct fetch_options *opt)
{
    *rig = (struct rig){ 0 };
    assert_return_code(sd_event_new(&rig->event), 0);
    assert_int_equal(fetch_pool_new(&rig->pool, rig->event, opt), 0);
    if (answer)
        rig->origin = origin_new(NULL, answer, ctx);
}

void rig_down(struct rig *rig)
{
    fetch_pool_free(rig->pool);
    origin_free(rig->origin);
    sd_event_unref(rig->event);
}

const char *url_at(struct rig *rig, const char *path)
{
    static char url[8][256];
    static unsigned i;
    char *s = url[i++ % 8];

    snprintf(s, sizeof url[0], "http://127.0.0.1:%d%s", origin_port(rig->origin), path);
    return s;
}

/* Let the loop run until `n` transfers are done. */
void run_until(struct rig *rig, unsigned n)
{
    time_t limit = time(NULL) + 60;

    while (rig->done < n) {
        assert_return_code(sd_event_run(rig->event, 1000000), 0);
        assert_true(time(NULL) < limit);
    }
    assert_int_equal(rig->done, n);
}

void get_req(struct rig *rig, const struct fetch_request *req, struct got *g)
{
    unsigned before = rig->done;

    g->rig = rig;
    assert_int_equal(fetch_start(rig->pool, req, &events, g), 0);
    assert_int_equal(g->dones, 0);
    run_until(rig, before + 1);
    assert_int_equal(g->dones, 1);
    assert_int_equal(fetch_active(rig->pool), 0);
}

void get(struct rig *rig, const char *path, struct got *g)
{
    struct fetch_request req = { .url = url_at(rig, path), .allow_private = true };

    get_req(rig, &req, g);
}

const char *test_names(const char *name, unsigned nth)
{
    if (strcmp(name, "feed.test") == 0 || strcmp(name, "other.test") == 0)
        return "127.0.0.1";
    if (strcmp(name, "mixed.test") == 0)
        return "169.254.169.254 127.0.0.1";
    if (strcmp(name, "rebind.test") == 0)
        return nth == 0 ? "127.0.0.1" : "169.254.169.254";
    if (strcmp(name, "xn--bcher-kva.test") == 0 || strstr(name, ".many.test"))
        return "127.0.0.1";
    if (strcmp(name, "empty.test") == 0)
        return "";
    if (strstr(name, "silent.test"))
        return NAMES_SILENT;
    return NULL;
}

double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
