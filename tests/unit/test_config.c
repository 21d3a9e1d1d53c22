/* config: what is read, what is inherited, what is refused and how that is said. */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "../../daemon/config/config_parts.h"
#include "buf.h"
#include "config.h"

static char dir[64];
static struct buf errors;
static struct config *c;

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_config.XXXXXX");
    buf_init(&errors, 1 << 20);
    unsetenv("STATE_DIRECTORY");
    unsetenv("LOGS_DIRECTORY");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/home/somebody", 1);
    return mkdtemp(dir) ? 0 : -1;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int drop_dir(void **state)
{
    (void)state;
    config_unref(c);
    c = NULL;
    buf_free(&errors);
    return nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *put_bytes(const char *name, const char *bytes, size_t n)
{
    static char path[200];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    return path;
}

/* Load a main file with this text. */
static int load(const char *text)
{
    config_unref(c);
    c = NULL;
    buf_clear(&errors);
    return config_load(&c, put_bytes("main.ini", text, strlen(text)), &errors);
}

static void loads(const char *text)
{
    int r = load(text);

    if (r != 0)
        fail_msg("refused: %s", errors.s);
    assert_non_null(c);
}

/* The one error, which must be `want` with "main.ini:" in front of its line number. */
static void refuses(const char *text, const char *want)
{
    char whole[1000];

    assert_int_equal(load(text), -EINVAL);
    assert_null(c);
    snprintf(whole, sizeof whole, "%s/main.ini:%s\n", dir, want);
    assert_string_equal(errors.s, whole);
}

/* Is there a warning with this in it? */
static bool warned(const char *text)
{
    for (char **w = c->warning; *w; w++)
        if (strstr(*w, text))
            return true;
    return false;
}

#define FEED "[feeds]\nx = https://example.org/feed\n"

/* ---- what is read */

static void reads_the_short_form(void **state)
{
    (void)state;
    loads("[feeds]\nkyivpost = https://www.kyivpost.com/feed\n[watchlist]\n"
          "summit = Putin AND Xi\n");
    assert_int_equal(c->n_feeds, 1);
    assert_string_equal(c->feeds[0].name, "kyivpost");
    assert_string_equal(c->feeds[0].url, "https://www.kyivpost.com/feed");
    assert_int_equal(c->feeds[0].place.line, 2);
    assert_int_equal(c->n_watches, 1);
    assert_string_equal(c->watches[0].name, "summit");
    assert_string_equal(c->watches[0].rule->source, "Putin AND Xi");
    assert_int_equal(c->watches[0].place.line, 4);
    assert_int_equal(c->watches[0].priority, ALERT_NORMAL);
    assert_null(c->watches[0].feeds);
    assert_null(c->watches[0].sinks);
    assert_null(c->warning[0]);
}

static void has_the_documented_defaults(void **state)
{
    (void)state;
    loads(FEED "[watchlist]\na = b\n");
    assert_string_equal(c->state_dir, "/home/somebody/.local/state/feedwatch");
    assert_string_equal(c->log_path, "/home/somebody/.local/state/feedwatch/alerts.log");
    assert_int_equal(c->log_format, ALERT_TEXT);
    assert_int_equal(c->desktop, CONFIG_DESKTOP_AUTO);
    assert_null(c->user_agent);
    assert_int_equal(c->workers, 0);
    assert_int_equal(c->max_transfers, 64);
    assert_int_equal(c->host_connections, 2);
    assert_int_equal(c->host_interval_ms, 1000);
    assert_false(c->host_interval_set);
    assert_int_equal(c->keep_seen_s, 90 * 86400);
    assert_int_equal(c->keep_alerts_s, 365 * 86400);
    assert_int_equal(c->give_up_s, 7 * 86400);
    assert_int_equal(c->history_s, 30 * 86400);
    assert_int_equal(c->history_bytes, 256 << 20);
    const struct config_feed *f = &c->feeds[0];
    assert_int_equal(f->interval_s, 900);
    assert_int_equal(f->min_interval_s, 60);
    assert_int_equal(f->max_interval_s, 86400);
    assert_int_equal(f->first_run_max_age_s, 0);
    assert_int_equal(f->timeout_s, 60);
    assert_int_equal(f->max_bytes, 8 << 20);
    assert_string_equal(f->group, "");
    assert_string_equal(f->charset, "");
    assert_null(f->user_agent);
    assert_false(f->allow_private);
}

static void says_who_polls(void **state)
{
    (void)state;
    loads(FEED "[feedwatch]\ncontact = https://example.org/who\n"
               "[feed:own]\nurl = http://own.example/\nuser_agent = own/1\n");
    assert_string_equal(c->feeds[0].user_agent,
                        "feedwatch/" FEEDWATCH_VERSION " (+https://example.org/who)");
    assert_string_equal(c->feeds[1].user_agent, "own/1");
}

static void takes_directories_from_the_environment(void **state)
{
    (void)state;
    setenv("XDG_STATE_HOME", "/xdg", 1);
    loads(FEED);
    assert_string_equal(c->state_dir, "/xdg/feedwatch");
    setenv("STATE_DIRECTORY", "/var/lib/feedwatch:/var/lib/other", 1);
    loads(FEED);
    assert_string_equal(c->state_dir, "/var/lib/feedwatch");
    assert_string_equal(c->log_path, "/var/lib/feedwatch/alerts.log");
    setenv("LOGS_DIRECTORY", "/var/log/feedwatch", 1);
    loads(FEED);
    assert_string_equal(c->log_path, "/var/log/feedwatch/alerts.log");
    loads(FEED "[feedwatch]\nstate = /s\nlog = here.log\n");
    assert_string_equal(c->state_dir, "/s");
    char want[100];
    snprintf(want, sizeof want, "%s/here.log", dir);
    assert_string_equal(c->log_path, want);
    loads(FEED "[feedwatch]\nlog = ~/a.log\n");
    assert_string_equal(c->log_path, "/home/somebody/a.log");
    unsetenv("STATE_DIRECTORY");
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    assert_int_equal(load(FEED), -EINVAL);
    assert_non_null(strstr(errors.s, "write state = DIR in [feedwatch]"));
}

static void reads_every_key(void **state)
{
    (void)state;
    loads(
        "[feedwatch]\nstate = /var/s ; comment\nlog = /l\nlog_format = json\n"
        "desktop = no\nworkers = 3\nmax_transfers = 7\nhost_connections = 4\n"
        "host_interval = 250ms\nkeep_seen = 30d\nkeep_alerts = 2d\ngive_up = 1h\nhistory "
        "= 0\nhistory_size = 2G\ninterval = 10m\nmin_interval = 2m\n"
        "max_interval = 2h\nfirst_run_max_age = 1d\ntimeout = 20s\nmax_bytes = 64K\n"
        "allow_private = yes\nuser_agent = tests/1 (+https://example.org/)\n"
        "[group:g]\ninterval = 20m\nuser_agent = group/1\ncharset = koi8-r\n"
        "[feed:a]\nurl = http://127.0.0.1:8000/a ; where\ngroup = g\n"
        "[feed:b]\nurl = https://b.example/\ngroup = g\ninterval = 5m\n"
        "allow_private = no\nmax_bytes = 1M\ncharset = windows-1251\n"
        "user_agent = feed/1\ntimeout = 5\nfirst_run_max_age = 0\n"
        "min_interval = 1s\nmax_interval = 1h30m\n"
        "[watch:w]\nmatch = a OR b\nfeeds = a, group:g\nsinks = log desktop mine\n"
        "priority = critical\ntest_yes = one ; two\ntest_no =\n  x\n\n  y\n"
        "test_no = z\n"
        "[set:s]\nterms = p OR q\n[sink:mine]\ntype = log\npath = /m\nformat = logfmt\n");
    assert_string_equal(c->state_dir, "/var/s");
    assert_string_equal(c->log_path, "/l");
    assert_int_equal(c->log_format, ALERT_JSON);
    assert_int_equal(c->desktop, CONFIG_DESKTOP_NO);
    assert_int_equal(c->workers, 3);
    assert_int_equal(c->max_transfers, 7);
    assert_int_equal(c->host_connections, 4);
    assert_int_equal(c->host_interval_ms, 250);
    assert_true(c->host_interval_set);
    assert_int_equal(c->keep_seen_s, 30 * 86400);
    assert_int_equal(c->keep_alerts_s, 2 * 86400);
    assert_int_equal(c->give_up_s, 3600);
    assert_int_equal(c->history_s, 0);
    assert_int_equal(c->history_bytes, 2LL << 30);

    const struct config_feed *a = &c->feeds[0], *b = &c->feeds[1];
    assert_string_equal(a->url, "http://127.0.0.1:8000/a");
    assert_string_equal(a->group, "g");
    assert_string_equal(a->user_agent, "group/1");
    assert_string_equal(a->charset, "koi8-r");
    assert_int_equal(a->interval_s, 1200);
    assert_int_equal(a->min_interval_s, 120);
    assert_int_equal(a->max_interval_s, 7200);
    assert_int_equal(a->first_run_max_age_s, 86400);
    assert_int_equal(a->timeout_s, 20);
    assert_int_equal(a->max_bytes, 65536);
    assert_true(a->allow_private);
    assert_int_equal(b->interval_s, 300);
    assert_int_equal(b->min_interval_s, 1);
    assert_int_equal(b->max_interval_s, 5400);
    assert_int_equal(b->first_run_max_age_s, 0);
    assert_int_equal(b->timeout_s, 5);
    assert_int_equal(b->max_bytes, 1 << 20);
    assert_false(b->allow_private);
    assert_string_equal(b->charset, "windows-1251");
    assert_string_equal(b->user_agent, "feed/1");

    const struct config_watch *w = &c->watches[0];
    assert_string_equal(w->feeds[0], "a");
    assert_string_equal(w->feeds[1], "group:g");
    assert_null(w->feeds[2]);
    assert_string_equal(w->sinks[2], "mine");
    assert_null(w->sinks[3]);
    assert_int_equal(w->priority, ALERT_CRITICAL);
    assert_string_equal(w->test_yes[0], "one ; two");
    assert_null(w->test_yes[1]);
    assert_string_equal(w->test_no[0], "x");
    assert_string_equal(w->test_no[1], "y");
    assert_string_equal(w->test_no[2], "z");
    assert_null(w->test_no[3]);
    assert_int_equal(c->n_sets, 1);
    assert_string_equal(c->sets[0].name, "s");
    assert_string_equal(c->sets[0].terms, "p OR q");
    assert_int_equal(c->n_sinks, 1);
    assert_string_equal(c->sinks[0].options.path, "/m");
    assert_int_equal(c->sinks[0].options.format, ALERT_LOGFMT);
}

static void keeps_long_rules_and_their_lines(void **state)
{
    (void)state;
    struct buf text, rule;

    buf_init(&text, 1 << 20);
    buf_init(&rule, 1 << 20);
    buf_puts(&rule, "w0");
    for (int i = 1; i < 5000; i++)
        buf_printf(&rule, " OR w%d", i);
    buf_printf(&text, FEED "[watchlist]\nlong = %s\nnext = a\n", rule.s);
    loads(text.s);
    assert_int_equal(c->n_watches, 2);
    assert_string_equal(c->watches[0].rule->source, rule.s);
    buf_free(&text);
    buf_free(&rule);

    loads(FEED "[watch:w]\nmatch =\n    Putin AND\n\n  # who else\n    ; and\n    Xi\n"
               "\tOR \"a ; b\"\n[watchlist]\nv = a\n");
    assert_string_equal(c->watches[0].rule->source, " Putin AND    Xi OR \"a ; b\"");
    assert_string_equal(c->watches[1].rule->source, "a");
    /* a section name longer than inih's 49 bytes, twice with the same beginning */
    loads("[feed:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1]\n"
          "url = https://a.example/1\n"
          "[feed:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2]\n"
          "url = https://a.example/2\n");
    assert_int_equal(c->n_feeds, 2);
    assert_string_equal(c->feeds[1].url, "https://a.example/2");
}

static void long_urls_are_not_cut(void **state)
{
    (void)state;
    char text[2000], url[1000];

    memset(url, 'a', sizeof url - 1);
    url[sizeof url - 1] = '\0';
    memcpy(url, "https://h.example/?a=b&exec=/bin/sh", 35);
    snprintf(text, sizeof text, "[feeds]\nx = %s\n", url);
    loads(text);
    assert_string_equal(c->feeds[0].url, url);
}

static void takes_files_from_other_editors(void **state)
{
    (void)state;
    loads("\xEF\xBB\xBF[feeds]\r\nx=https://a.example/\r\n\r\n[watchlist]\r\n"
          "  a  =  b  \r\n  \xD0\xBF\xD1\x83\xD1\x82\xD0\xB8\xD0\xBD = c");
    assert_string_equal(c->feeds[0].url, "https://a.example/");
    assert_string_equal(c->watches[0].rule->source, "b");
    assert_string_equal(c->watches[1].name, "\xD0\xBF\xD1\x83\xD1\x82\xD0\xB8\xD0\xBD");
}

static void reads_conf_d_in_order(void **state)
{
    (void)state;
    char path[100];

    snprintf(path, sizeof path, "%s/conf.d", dir);
    mkdir(path, 0700);
    put_bytes("conf.d/20.ini", "[feeds]\nc = https://c.example/\n", 31);
    put_bytes("conf.d/10.ini", "[feeds]\nb = https://b.example/\n", 31);
    put_bytes("conf.d/.hidden.ini", "nonsense", 8);
    put_bytes("conf.d/30.ini~", "nonsense", 8);
    loads("[feeds]\na = https://a.example/\n[watchlist]\nx = y\n");
    assert_int_equal(c->n_feeds, 3);
    assert_string_equal(c->feeds[1].name, "b");
    assert_string_equal(c->feeds[2].name, "c");
    assert_non_null(strstr(c->feeds[2].place.file, "/conf.d/20.ini"));

    put_bytes("conf.d/40.ini", "[feeds]\na = https://a.example/\nb b = c\n", 39);
    assert_int_equal(load("[feeds]\na = https://a.example/\nq = r\n"), -EINVAL);
    char want[1000];
    snprintf(want, sizeof want,
             "%s/main.ini:3: 'r' is not a http or https URL; write it with https:// in "
             "front\n"
             "%s/conf.d/40.ini:2: feed 'a' is defined a second time; the first is at "
             "%s/main.ini:2\n"
             "%s/conf.d/40.ini:3: the key 'b b' has ' ' in it; letters, digits, '-', '_' "
             "and '.' are allowed\n",
             dir, dir, dir, dir);
    assert_string_equal(errors.s, want);
}

/* ---- what is inherited */

static void bounds_move_inherited_intervals(void **state)
{
    (void)state;
    loads("[feedwatch]\nmin_interval = 1h\n[group:slow]\nmin_interval = 2h\n"
          "[group:fast]\nmin_interval = 1s\ninterval = 2s\nmax_interval = 1m\n"
          "[feed:a]\nurl = https://a.example/\n"
          "[feed:b]\nurl = https://b.example/\ngroup = slow\n"
          "[feed:c]\nurl = https://c.example/\ngroup = fast\n"
          "[feed:d]\nurl = https://d.example/\ngroup = fast\nmin_interval = 5s\n");
    assert_int_equal(c->feeds[0].interval_s, 3600);
    assert_int_equal(c->feeds[1].interval_s, 7200);
    assert_int_equal(c->feeds[2].interval_s, 2);
    assert_int_equal(c->feeds[2].max_interval_s, 60);
    assert_int_equal(c->feeds[3].interval_s, 5);
    refuses("[feed:a]\nurl = https://a.example/\ninterval = 30s\n",
            "3: interval 30s is below min_interval 1m; write interval = 1m, or also "
            "min_interval = 30s");
    refuses("[feed:a]\nurl = https://a.example/\ninterval = 2d\n",
            "3: interval 2d is above max_interval 1d; write interval = 1d, or also "
            "max_interval = 2d");
    refuses(FEED "[feedwatch]\nmax_interval = 30s\n",
            "4: max_interval 30s is below min_interval 1m; write at least max_interval = "
            "1m");
    refuses("[feed:a]\nurl = https://a.example/\ncharset = windows-1521\n",
            "3: there is no charset 'windows-1521'; write utf-8, "
            "windows-1251 or another one that iconv -l lists");
    refuses(FEED "[feedwatch]\nmin_interval = 0\n",
            "4: min_interval = 0 is too short; write at least 1s");
}

/* ---- what is refused */

static void names_typos(void **state)
{
    (void)state;
    refuses("[feed:x]\nurl = https://a.example/\nintervall = 5m\n",
            "3: unknown key 'intervall' in [feed:NAME]; did you mean 'interval'?");
    refuses(FEED "[feedwatch]\nlog_fromat = json\n",
            "4: unknown key 'log_fromat' in [feedwatch]; did you mean 'log_format'?");
    refuses(FEED "[feedwatch]\nmatch = a\n",
            "4: key 'match' does not belong in [feedwatch]; write it in [watch:NAME]");
    refuses(
        FEED "[feedwatch]\nfrobnicate = a\n",
        "4: unknown key 'frobnicate' in [feedwatch]; feedwatch.ini(5) lists the keys");
    refuses(FEED "[watchlst]\na = b\n",
            "3: unknown section [watchlst]; did you mean [watchlist]?");
    refuses(FEED "[fead:y]\nurl = c\n",
            "3: unknown section [fead:y]; did you mean [feed:y]?");
    refuses(FEED "[watch:w]\nmatch = a\nfeeds = y\n", "5: there is no feed 'y'; did you "
                                                      "mean 'x'?");
    refuses(FEED "[watch:w]\nmatch = a\nfeeds = group:new\n",
            "5: there is no group 'new'");
    refuses("[feed:x]\nurl = https://a.example/\ngroup = news\n"
            "[watch:w]\nmatch = a\nfeeds = news\n",
            "6: there is no feed 'news'; for the group write group:news");
    refuses("[feed:x]\nurl = https://a.example/\ngroup = news\n"
            "[watch:w]\nmatch = a\nfeeds = group:newz\n",
            "6: there is no group 'newz'; did you mean 'news'?");
    refuses(FEED "[sink:extra]\ntype = log\npath = /x\n[watch:w]\nmatch = a\n"
                 "sinks = log, extr\n",
            "8: there is no sink 'extr'; did you mean 'extra'?");
    refuses(FEED "[sink:log]\ntype = log\n",
            "3: the sink 'log' is built in; set log and log_format in [feedwatch], or "
            "choose another name");
    refuses(FEED "[sink:s]\ntype = pigeon\n",
            "4: type = pigeon is not known; write type = log, desktop, "
            "journal, atom, command, webhook or mail");
    refuses(FEED "[sink:s]\ntype = journal\npath = /a\n",
            "5: sink 's' is of type journal, which has no path; delete the line");
    refuses(FEED "[sink:s]\ntype = atom\n", "3: sink 's' has no path; write path = ...");
    refuses(FEED "[feedwatch]\nlog = /a\n[sink:s]\ntype = log\npath = /a\n",
            "5: sinks 's' and 'log' write the same file /a");
}

static void takes_sinks_from_feed_group_or_general(void **state)
{
    (void)state;
    loads("[feedwatch]\nsinks = log\n[group:g]\nsinks = log, s\n"
          "[feed:a]\nurl = https://a.example/\n"
          "[feed:b]\nurl = https://b.example/\ngroup = g\n"
          "[feed:c]\nurl = https://c.example/\ngroup = g\nsinks = desktop\n"
          "[sink:s]\ntype = journal\n[watchlist]\nw = x\n");
    assert_string_equal(c->feeds[0].sinks[0], "log");
    assert_null(c->feeds[0].sinks[1]);
    assert_string_equal(c->feeds[1].sinks[1], "s");
    assert_null(c->feeds[1].sinks[2]);
    assert_string_equal(c->feeds[2].sinks[0], "desktop");
    assert_null(c->watches[0].sinks);
    refuses("[feedwatch]\nsinks = lag\n" FEED "[watchlist]\nw = x\n",
            "2: there is no sink 'lag'");
}

static void names_both_places_of_a_double(void **state)
{
    (void)state;
    char want[300];

    snprintf(want, sizeof want,
             "3: feed 'x' is defined a second time; the first is at %s/main.ini:2", dir);
    refuses(FEED "[feed:x]\nurl = https://b.example/\n", want);
    snprintf(want, sizeof want,
             "5: interval is set a second time; the first is at "
             "%s/main.ini:4",
             dir);
    refuses(FEED "[feedwatch]\ninterval = 5m\ninterval = 6m\n", want);
    loads(FEED "y = https://example.org/feed\n[watchlist]\na = b\n");
    assert_true(warned("main.ini:3: feeds 'y' and 'x' ("));
}

static void says_what_a_value_should_be(void **state)
{
    (void)state;
    refuses(FEED "[feedwatch]\ninterval = soon\n",
            "4: interval = soon is not a duration; write a number and a unit, as in 90s, "
            "15m, 1h30m or 2d, or auto");
    refuses(FEED "[feedwatch]\nmax_bytes = 9X\n",
            "4: max_bytes = 9X is not a size; write bytes, as in 8M or 64K");
    refuses(FEED "[feedwatch]\nallow_private = maybe\n",
            "4: allow_private = maybe; write yes or no");
    refuses(FEED "[feedwatch]\nlog_format = xml\n",
            "4: log_format = xml; write text, logfmt or json");
    refuses(FEED "[feedwatch]\nworkers = 0\n",
            "4: workers = 0; write auto or a number from 1 to 256");
    refuses(FEED "[feedwatch]\ncontact = me@example.org\n",
            "4: 'me@example.org' is not a http or https URL; write it "
            "with https:// in front");
    refuses(FEED "[feedwatch]\nuser_agent = caf\xC3\xA9\n",
            "4: user_agent may only hold printable ASCII characters");
    refuses(FEED "[feedwatch]\nlog =\n",
            "4: log has no value; write one or delete the line");
    refuses(FEED "[feedwatch]\nlog = ; nothing\n",
            "4: log has no value; write one or delete the line");
    refuses("[feeds]\nx = \"https://a.example/\"\n",
            "2: '\"https://a.example/\"' is not a http or https URL; write it without "
            "quotes");
    refuses("[feeds]\nx = ftp://a.example/\n",
            "2: 'ftp://a.example/' is not a http or https URL; write it as "
            "https://HOST/PATH, without spaces");
    refuses("[feed:x]\ninterval = 5m\n",
            "1: feed 'x' has no url; write url = https://...");
    refuses(FEED "[watch:w]\npriority = low\n",
            "3: watch 'w' has no rule; write match = ...");
    refuses(
        "[feed:x]\nurl = https://a.example/\n  interval = 5m\n",
        "2: url takes one line, but the next one is indented as if it belonged to it; "
        "give keys the same indentation");
}

static void shows_where_a_rule_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(
        load(FEED "[watch:w]\nmatch = Putin AND\n  # who\n  \xC3\xA4 \xC3\xB6 Xi)\n"),
        -EINVAL);
    assert_non_null(strstr(errors.s, "/main.ini:6: watch 'w', column 7: "));
    assert_non_null(strstr(errors.s, "\n    \xC3\xA4 \xC3\xB6 Xi)\n          ^\n"));
    assert_int_equal(load(FEED "[set:s]\nterms =\n  a\n  b)\n[watchlist]\nw = c\n"),
                     -EINVAL);
    assert_non_null(strstr(errors.s, "/main.ini:6: set 's', column 2: "));
    assert_int_equal(load(FEED "[watchlist]\nw = a\nv = a AND @nobody\n"), -EINVAL);
    assert_non_null(strstr(errors.s, "/main.ini:5: watch 'v', column 7: "));
    loads(FEED "[set:s]\nterms =\n  Xi Jinping\n  # and\n  Putin\n[watchlist]\n"
               "w = @s AND a\nv = a AND b OR c\n");
    assert_true(warned("/main.ini:5: set 's', column 4: "));
    assert_true(warned("/main.ini:10: watch 'v', column "));
    refuses(FEED "[watchlist]\nsummit = Putin AND Xi ; both of them\n",
            "4: a rule takes no comment behind it on the same line; put the comment on a "
            "line of its own, or \";\" in double quotes if it is meant");
    refuses(FEED "[watch:w]\nmatch = a\n  OR \"x ; y\"\n  OR b ; or b\n",
            "6: a rule takes no comment behind it on the same line; put the comment on a "
            "line of its own, or \";\" in double quotes if it is meant");
    loads(FEED "[watchlist]\na = /x ;y/ OR b\n");
    loads(FEED "[watch:w]\nmatch = a OR\n  #metoo\n  b\n");
    assert_true(warned("main.ini:5: this line is a comment"));
}

static void refuses_broken_lines(void **state)
{
    (void)state;
    refuses(
        "interval = 5m\n" FEED,
        "1: 'interval' stands before the first section; write [feedwatch], [feeds] or "
        "another section above it");
    refuses(
        FEED "[watchlist]\na = b\nOR c\n",
        "5: 'OR c' is neither [section] nor key = value; a line that goes on from the "
        "one above must be indented");
    refuses(FEED "[watchlist]\na = b\nOR title:x OR y = z\n",
            "5: 'OR title:x OR y = z' has a colon before the '='; write key = value, and "
            "indent a line that goes on from the one above");
    refuses(FEED "[feed:y\nurl = https://a.example/\n",
            "3: a section has no closing bracket; write [NAME]");
    refuses(
        "[feeds] x = https://a.example/\ny = https://b.example/\n",
        "1: text after the section name; put 'x = https://a.example/' on its own line");
    refuses(FEED "[feed:]\nurl = https://a.example/\n",
            "3: the name of the section is missing");
    refuses(
        FEED "[feed:a b]\nurl = https://a.example/\n",
        "3: the name of the section 'a b' has ' ' in it; letters, digits, '-', '_' and "
        "'.' are allowed");
    refuses(FEED
            "[feed:a123456789a123456789a123456789a123456789a123456789a123456789a1234]\n"
            "url = https://a.example/\n",
            "3: the name of the section "
            "'a123456789a123456789a123456789a123456789a123456789a123456789...' is longer "
            "than 64 bytes");
    refuses("[feeds]\nx = https://a.example/ \xE9\n",
            "2: byte 0xe9 at column 24 is not UTF-8; save the file as UTF-8");
}

static void refuses_broken_files(void **state)
{
    (void)state;
    char path[100], want[300];

    assert_int_equal(load(""), -EINVAL);
    assert_non_null(strstr(errors.s, "main.ini: there are no feeds; write"));
    buf_clear(&errors);
    assert_int_equal(
        config_load(&c, put_bytes("z.ini", "[feeds]\nx = a\0b\n", 16), &errors), -EINVAL);
    assert_non_null(
        strstr(errors.s, "z.ini:2: control character 0x00 at column 6; is this a text"));
    buf_clear(&errors);
    assert_int_equal(config_load(&c, put_bytes("z.ini", "\xFF\xFE[\0", 4), &errors),
                     -EILSEQ);
    assert_non_null(strstr(errors.s, "z.ini: is UTF-16; save the file as UTF-8"));
    buf_clear(&errors);
    assert_int_equal(config_load(&c, dir, &errors), -EISDIR);
    snprintf(want, sizeof want, "%s: is a directory; name a file\n", dir);
    assert_string_equal(errors.s, want);
    buf_clear(&errors);
    snprintf(path, sizeof path, "%s/none.ini", dir);
    assert_int_equal(config_load(&c, path, &errors), -ENOENT);
    snprintf(want, sizeof want, "%s: No such file or directory\n", path);
    assert_string_equal(errors.s, want);
    assert_null(c);
    buf_clear(&errors);
    snprintf(path, sizeof path, "%s/large.ini", dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, 65L << 20), 0);
    close(fd);
    assert_int_equal(config_load(&c, path, &errors), -EFBIG);
    assert_non_null(strstr(errors.s, "large.ini: is larger than 64 MiB"));
}

static void reports_all_errors_at_once(void **state)
{
    (void)state;
    assert_int_equal(load("[feedwatch]\ninterval = x\n[feeds]\na = b\n[watchlist]\n"
                          "w = )\nv v = c\n[oops]\nx = y\n[watch:u]\nmatch = )\n"),
                     -EINVAL);
    const char *lines[] = { ":2: ", ":4: ", ":6: ", ":7: ", ":8: ", ":11: " };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_non_null(strstr(errors.s, lines[i]));
}

static void warns_without_watches(void **state)
{
    (void)state;
    loads(FEED);
    assert_true(warned("main.ini: there are no watches"));
    loads("[group:news]\ninterval = 5m\n[feed:x]\nurl = https://a.example/\n"
          "group = nwes\n[watchlist]\na = b\n");
    assert_non_null(strstr(c->warning[0],
                           "main.ini:5: there is no [group:nwes]; did you mean group = "
                           "news?"));
}

static void reads_durations_and_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t v;
    } good[] = { { "90s", 90 },        { "15m", 900 }, { "1h30m", 5400 },
                 { "2d", 172800 },     { "45", 45 },   { "0", 0 },
                 { "1w", 604800 },     { " 5s ", 5 },  { "2000ms", 2 },
                 { "1d1h1m1s", 90061 } },
      sizes[] = { { "8M", 8 << 20 },
                  { "64K", 65536 },
                  { "1000", 1000 },
                  { "1g", 1 << 30 },
                  { "2MiB", 2 << 20 } };
    static const char *const bad[] = { "",
                                       "s",
                                       "-5s",
                                       "5x",
                                       "1h30",
                                       "5 m",
                                       "30m1h",
                                       "5m5m",
                                       "1.5h",
                                       "99999999999999999999s",
                                       "+5",
                                       "500ms",
                                       "9223372036854775807s" };
    static const char *const bad_sizes[] = {
        "", "M", "-1", "5X", "5 M", "8MM", "9223372036854775807K", "1.5M"
    };
    int64_t v;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(config_duration(str_of(good[i].text), &v), 0);
        assert_int_equal(v, good[i].v);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(config_size(str_of(sizes[i].text), &v), 0);
        assert_int_equal(v, sizes[i].v);
    }
    v = 77;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(config_duration(str_of(bad[i]), &v), -EINVAL);
    for (size_t i = 0; i < sizeof bad_sizes / sizeof bad_sizes[0]; i++)
        assert_int_equal(config_size(str_of(bad_sizes[i]), &v), -EINVAL);
    assert_int_equal(v, 77);
}

/* Both need the top of the tree as working directory, as make gives it. */
static void ships_an_example_without_a_warning(void **state)
{
    (void)state;
    int r = config_load(&c, "conf/feedwatch.ini", &errors);

    if (r < 0)
        fail_msg("%d: %s", r, errors.s);
    assert_null(c->warning[0]);
    assert_true(c->n_feeds >= 8 && c->n_watches >= 4);
}

static void documents_every_key(void **state)
{
    (void)state;
    static char page[100000];
    FILE *f = fopen("man/feedwatch.ini.5", "r");
    char item[80];

    assert_non_null(f);
    page[fread(page, 1, sizeof page - 1, f)] = '\0';
    fclose(f);
    for (size_t i = 0; config_key_name(i); i++) {
        snprintf(item, sizeof item, "Ic %s = ", config_key_name(i));
        if (!strstr(page, item))
            fail_msg("feedwatch.ini(5) does not say what %s is", config_key_name(i));
    }
}

static void lives_as_long_as_its_references(void **state)
{
    (void)state;
    loads(FEED "[watchlist]\na = b\n");
    struct config *again = config_ref(c);
    assert_ptr_equal(again, c);
    config_unref(c);
    assert_string_equal(again->watches[0].name, "a");
    config_unref(again);
    config_unref(NULL);
    c = NULL;
}

static void loads_100000_feeds_in_a_second(void **state)
{
    (void)state;
    struct buf text;
    struct timespec t0, t1;

    buf_init(&text, 32 << 20);
    buf_puts(&text, "[feeds]\n");
    for (int i = 0; i < 100000; i++)
        buf_printf(&text, "feed-%d = https://host%d.example/news/feed%d.xml\n", i,
                   i % 5000, i);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
    loads(text.s);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
    buf_free(&text);
    assert_int_equal(c->n_feeds, 100000);
    assert_string_equal(c->feeds[99999].name, "feed-99999");
    double s = (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
    print_message("100,000 feeds in %.3f s of CPU\n", s);
    assert_true(s < 5); /* 1 s on an idle machine; sanitizers are slower */
}

#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)
static const struct CMUnitTest tests[] = {
    T(reads_the_short_form),
    T(has_the_documented_defaults),
    T(says_who_polls),
    T(takes_directories_from_the_environment),
    T(reads_every_key),
    T(keeps_long_rules_and_their_lines),
    T(long_urls_are_not_cut),
    T(takes_files_from_other_editors),
    T(reads_conf_d_in_order),
    T(bounds_move_inherited_intervals),
    T(names_typos),
    T(takes_sinks_from_feed_group_or_general),
    T(names_both_places_of_a_double),
    T(says_what_a_value_should_be),
    T(shows_where_a_rule_is_wrong),
    T(refuses_broken_lines),
    T(refuses_broken_files),
    T(reports_all_errors_at_once),
    T(warns_without_watches),
    T(reads_durations_and_sizes),
    T(ships_an_example_without_a_warning),
    T(documents_every_key),
    T(lives_as_long_as_its_references),
    T(loads_100000_feeds_in_a_second),
};
TEST_MAIN(tests)
