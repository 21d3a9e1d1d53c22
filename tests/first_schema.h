#ifndef FIRST_SCHEMA_H
#define FIRST_SCHEMA_H
/* The store as it was first released; never to be changed. */
static const char first_schema[] =
    "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE feed (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE, url TEXT NOT NULL,"
    " effective_url TEXT, etag TEXT, last_modified TEXT, error TEXT, title TEXT,"
    " due_ms INTEGER NOT NULL DEFAULT 0, last_poll_ms INTEGER NOT NULL DEFAULT 0,"
    " last_success_ms INTEGER NOT NULL DEFAULT 0,"
    " last_change_ms INTEGER NOT NULL DEFAULT 0,"
    " polls INTEGER NOT NULL DEFAULT 0, not_modified INTEGER NOT NULL DEFAULT 0,"
    " items INTEGER NOT NULL DEFAULT 0, alerts INTEGER NOT NULL DEFAULT 0,"
    " bytes INTEGER NOT NULL DEFAULT 0, http_status INTEGER NOT NULL DEFAULT 0,"
    " failures INTEGER NOT NULL DEFAULT 0, learned INTEGER NOT NULL DEFAULT 0,"
    " gone INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX feed_url ON feed (url);"
    "CREATE TABLE window (feed_id INTEGER PRIMARY KEY, packed BLOB NOT NULL);"
    "CREATE TABLE alert (seq INTEGER PRIMARY KEY,"
    " feed_id INTEGER NOT NULL, item_key BLOB NOT NULL, watch TEXT NOT NULL,"
    " id TEXT NOT NULL, time_ms INTEGER NOT NULL, published_s INTEGER,"
    " priority INTEGER NOT NULL, feed TEXT NOT NULL, title TEXT NOT NULL,"
    " link TEXT NOT NULL, item_id TEXT NOT NULL, snippet TEXT NOT NULL,"
    " matched TEXT NOT NULL, sinks TEXT NOT NULL);"
    "CREATE UNIQUE INDEX alert_once ON alert (feed_id, item_key, watch);"
    "CREATE TABLE cursor (sink TEXT PRIMARY KEY, seq INTEGER NOT NULL,"
    " failures INTEGER NOT NULL, retry_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "PRAGMA application_id = 1182221428; PRAGMA user_version = 1;";
#endif
