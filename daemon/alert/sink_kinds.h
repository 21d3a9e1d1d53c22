#ifndef SINK_KINDS_H
#define SINK_KINDS_H
/* Inside sink: how each kind is checked and opened, for the table in sink.c. */
#include "sink.h"

typedef int sink_check_fn(const struct sink_options *o, const char **key,
                          struct buf *why);
typedef int sink_open_fn(struct sink **out, const struct sink_options *o,
                         struct buf *why);

sink_open_fn sink_log_open, sink_journal_open, sink_atom_open, sink_command_open,
    sink_webhook_open, sink_mail_open;
sink_check_fn sink_command_check, sink_webhook_check, sink_mail_check;

#endif
