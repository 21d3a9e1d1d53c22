/* store: what a changed fetch costs, in rows. */
#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../daemon/store/store_sqlite.h"
#include "temp_dir.h"

static int rows_read, rows_written, windows_written;

static int make_dir(void **state)
{
    (void)state;
    return temp_dir_make("/tmp", "rows");
}

static int on_row(unsigned what, void *ctx, void *statement, void *unused)
{
    (void)what, (void)ctx, (void)statement, (void)unused;
    rows_read++;
    return 0;
}

static void on_write(void *ctx, int what, const char *db, const char *table,
                     sqlite3_int64 row)
{
    (void)ctx, (void)what, (void)db, (void)row;
    rows_written++;
    windows_written += !strcmp(table, "window");
}

static void count_rows(struct store *s)
{
    sqlite3 *db = ((struct store_sqlite *)s)->db;

    assert_int_equal(sqlite3_trace_v2(db, SQLITE_TRACE_ROW, on_row, NULL), SQLITE_OK);
    (void)sqlite3_update_hook(db, on_write, NULL);
    rows_read = rows_written = windows_written = 0;
}

static void a_changed_fetch_is_one_row_read_and_one_written(void **state)
{
    (void)state;
    struct store *s = NULL;
    struct store_feed f;
    struct buf why, window;
    char packed[26 * 100] = "";

    buf_init(&why, 1000);
    buf_init(&window, 1 << 20);
    assert_int_equal(store_open(&s, dir, STORE_WRITE, &why), 0);
    assert_int_equal(store_feed_bind(s, "f", "http://example.org/", &f), 0);
    struct store_change c = { .feed_id = f.id,
                              .window = { packed, sizeof packed },
                              .feed = &f };
    struct store_change *all[] = { &c };
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);

    count_rows(s);
    assert_int_equal(store_window_read(s, f.id, &window), 0);
    assert_int_equal(window.n, sizeof packed);
    assert_int_equal(rows_read, 1);
    packed[7] = 1;
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    assert_int_equal(rows_read, 1);
    assert_int_equal(windows_written, 1);
    assert_int_equal(rows_written, 2); /* the window, and the feed's state */

    c.window.n = 0; /* an unchanged one: its state only */
    count_rows(s);
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    assert_int_equal(windows_written, 0);
    assert_int_equal(rows_written, 1);
    store_feed_done(&f);
    store_close(s);
    buf_free(&window);
    buf_free(&why);
}

/* With a commit, by itself, over a restart; an empty one is gone. */
static void notes_are_kept(void **state)
{
    (void)state;
    struct store *s = NULL;
    struct buf out;
    struct store_change c = { .note = "x", .note_text = { "a\0b", 3 } };
    struct store_change *all[] = { &c };

    buf_init(&out, 1000);
    assert_int_equal(store_open(&s, dir, STORE_WRITE, &out), 0);
    assert_int_equal(store_note_read(s, "x", &out), 0);
    assert_int_equal(out.n, 0);
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    assert_int_equal(store_note_set(s, "y", STR("why")), 0);
    store_close(s);
    assert_int_equal(store_open(&s, dir, STORE_WRITE, &out), 0);
    assert_int_equal(store_note_read(s, "x", &out), 0);
    assert_int_equal(out.n, 3);
    assert_memory_equal(out.s, "a\0b", 3);
    assert_int_equal(store_note_read(s, "y", &out), 0);
    assert_int_equal(out.n, 6);
    c.note_text.n = 0;
    assert_int_equal(store_commit(s, all, 1, NULL, 0), 0);
    buf_clear(&out);
    assert_int_equal(store_note_read(s, "x", &out), 0);
    assert_int_equal(out.n, 0);
    store_close(s);
    buf_free(&out);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)

static const struct CMUnitTest tests[] = {
    T(a_changed_fetch_is_one_row_read_and_one_written),
    T(notes_are_kept),
};
TEST_MAIN(tests)
