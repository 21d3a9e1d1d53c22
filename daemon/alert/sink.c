/* The kinds of sinks: which keys each takes, and how it is opened. */
#include "sink.h"

#include "sink_kinds.h"

static const struct sink_type types[] = {
    { "log", " path format ", " path ", NULL, sink_log_open },
    { "desktop", " per_minute ", " ", NULL, sink_desktop_open },
    { "journal", " ", " ", NULL, sink_journal_open },
    { "atom", " path title url entries ", " path ", NULL, sink_atom_open },
    { "command", " command timeout parallel per_minute ", " command ", sink_command_check,
      sink_command_open },
    { "webhook",
      " url secret_url preset secret token room allow_private ca_file timeout "
      "per_minute ",
      " ", sink_webhook_check, sink_webhook_open },
    { "mail", " server from to user password tls unsubscribe ca_file timeout per_minute ",
      " server from to ", sink_mail_check, sink_mail_open },
};

const struct sink_type *sink_type_at(size_t i)
{
    return i < sizeof types / sizeof types[0] ? &types[i] : NULL;
}

const struct sink_type *sink_type_find(struct str type)
{
    for (size_t i = 0; sink_type_at(i); i++)
        if (str_eq(type, str_of(types[i].type)))
            return &types[i];
    return NULL;
}
