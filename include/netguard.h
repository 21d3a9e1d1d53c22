#ifndef NETGUARD_H
#define NETGUARD_H
/* May we connect to this address?  Judges the very sockaddr that connect(2) would get, so
 * it holds after resolution and at every redirect hop.  Pure.  Table: IANA
 * special-purpose address registries (RFC 6890) and cloud metadata addresses. */
#include <sys/socket.h>

enum netguard_verdict {
    NETGUARD_PUBLIC, /* go ahead */
    NETGUARD_LOOPBACK,
    NETGUARD_PRIVATE,
    NETGUARD_LINK_LOCAL,
    NETGUARD_MULTICAST,
    NETGUARD_UNSPECIFIED,
    NETGUARD_RESERVED,
    NETGUARD_METADATA, /* cloud metadata service: refused even with allow_private */
    NETGUARD_NOT_INET, /* neither IPv4 nor IPv6 */
};

/* IPv4 inside IPv6 (mapped, NAT64, 6to4, Teredo) is unwrapped and judged as IPv4. */
enum netguard_verdict netguard_judge(const struct sockaddr *sa, socklen_t len);

/* The verdict on a host name as it stands in a URL (lower case, IPv6 in brackets): that
 * of the address it spells, NETGUARD_LOOPBACK for "localhost", else NETGUARD_NOT_INET. */
enum netguard_verdict netguard_judge_name(const char *host);

/* A word for messages: "loopback", "private", ... */
const char *netguard_name(enum netguard_verdict v);
#endif
