#ifndef SINK_MAIL_OWN_H
#define SINK_MAIL_OWN_H
/* Inside sink_mail: sink_mail.c sends, sink_mail_message.c writes the message (RFC 5322,
 * 2045, 2047, 8058). */
#include "buf.h"
#include "sink_worker.h"

struct mail_headers {
    const char *from, *to;   /* as the config has them */
    const char *unsubscribe; /* https URL, or NULL */
    int64_t now_s;
};

/* Append the whole message, lines ended by CR LF.  0 or -errno. */
int mail_write(struct buf *out, const struct mail_headers *h, const struct parcel *p);

/* The next address of a list "Name <a@b>, c@d": name may be empty.  1, 0 at the end,
 * -EINVAL for what is none. */
int mail_address_next(struct str *list, struct str *name, struct str *address);

#endif
