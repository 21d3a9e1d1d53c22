/* feedwatch run: the daemon itself. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cmd.h"
#include "config.h"
#include "log.h"
#include "pipeline.h"

static const char help[] =
    "usage: feedwatch run [-c FILE] [--once] [--log-level LEVEL]\n"
    "\n"
    "Polls the feeds of FILE, matches new items against its watches and delivers the "
    "alerts.\n"
    "Stays in the foreground; SIGHUP reloads FILE, SIGTERM or SIGINT stops.\n"
    "\n"
    "  -c, --config FILE   the configuration, see feedwatch.ini(5); default\n"
    "                      $XDG_CONFIG_HOME/feedwatch/feedwatch.ini if it is there,\n"
    "                      else /etc/feedwatch/feedwatch.ini\n"
    "      --once          poll every feed once, due or not, deliver what is pending, "
    "and exit\n"
    "      --log-level L   error, warn, notice, info (default) or debug, on standard "
    "error\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit status: 0 stopped as asked, 1 failed, 2 usage, 78 the configuration has "
    "errors.\n";

static int set_level(const char *word)
{
    static const struct {
        const char *name;
        enum log_level level;
    } table[] = {
        { "error", LOG_LEVEL_ERROR },   { "warn", LOG_LEVEL_WARN },
        { "notice", LOG_LEVEL_NOTICE }, { "info", LOG_LEVEL_INFO },
        { "debug", LOG_LEVEL_DEBUG },
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(word, table[i].name))
            continue;
        log_set_level(table[i].level);
        return 0;
    }
    fprintf(
        stderr,
        "feedwatch run: unknown level '%s'; write error, warn, notice, info or debug\n",
        word);
    return -EINVAL;
}

/* 0: go on; else the exit status plus one. */
static int read_options(struct pipeline_options *opt, int argc, char **argv)
{
    static const struct option longs[] = {
        { "config", required_argument, NULL, 'c' },
        { "once", no_argument, NULL, 'o' },
        { "log-level", required_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        if (c == 'c') {
            opt->config_path = optarg;
        } else if (c == 'o') {
            opt->once = true;
        } else if (c == 'l') {
            if (set_level(optarg) < 0)
                return EXIT_USAGE + 1;
        } else if (c == 'h') {
            fputs(help, stdout);
            return EXIT_OK + 1;
        } else {
            fputs(help, stderr);
            return EXIT_USAGE + 1;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "feedwatch run: unexpected '%s'\n\n%s", argv[optind], help);
        return EXIT_USAGE + 1;
    }
    return 0;
}

static int run(struct config *config, const struct pipeline_options *opt)
{
    struct pipeline *pipeline = NULL;
    struct buf why;

    buf_init(&why, 1 << 16);
    int r = pipeline_new(&pipeline, config, opt, &why);
    if (r < 0)
        log_event(LOG_LEVEL_ERROR, "not_started", "why=%s",
                  why.n ? log_quote_str(buf_str(&why)) : log_quote(strerror(-r)));
    else
        r = pipeline_run(pipeline);
    buf_free(&why);
    if (pipeline && pipeline_free(pipeline) < 0) {
        log_event(LOG_LEVEL_NOTICE, "stopped",
                  "note=\"a thread hung and was left behind\"");
        _exit(r < 0 ? EXIT_RUN : EXIT_OK);
    }
    log_event(LOG_LEVEL_NOTICE, "stopped", "status=%d", r < 0 ? EXIT_RUN : EXIT_OK);
    return r < 0 ? EXIT_RUN : EXIT_OK;
}

/* A SIGHUP while a long config is read must wait, not end us. */
static void hold_hup(void)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
}

int cmd_run(int argc, char **argv)
{
    struct pipeline_options opt = { 0 };
    struct config *config = NULL;
    struct buf errors;
    char path[4096];

    int e = read_options(&opt, argc, argv);
    if (e)
        return e - 1;
    hold_hup();
    opt.config_path = cmd_config_path(opt.config_path, path, sizeof path);

    buf_init(&errors, 1 << 20);
    int r = config_load(&config, opt.config_path, &errors);
    if (r < 0) {
        fprintf(stderr, "%s", errors.s ? errors.s : strerror(-r));
        fprintf(stderr, "feedwatch: %s was refused; nothing was started\n",
                opt.config_path);
        buf_free(&errors);
        return EXIT_CONFIG;
    }
    buf_free(&errors);
    for (char **w = config->warning; w && *w; w++)
        log_event(LOG_LEVEL_WARN, "config_hint", "%s", *w);
    r = run(config, &opt);
    config_unref(config);
    return r;
}
