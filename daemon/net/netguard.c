/* May we connect to this address?  A table of the networks that are not the public net.
 */
#include "netguard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

struct net4 {
    uint8_t addr[4];
    uint8_t bits;
    uint8_t verdict;
};

struct net6 {
    uint8_t addr[16];
    uint8_t bits;
    uint8_t verdict;
};

/* First match wins, so the metadata services stand before the networks they live in.
 * Sources: IANA IPv4 special-purpose registry; the clouds' own documentation. */
static const struct net4 table4[] = {
    { { 169, 254, 169, 254 }, 32, NETGUARD_METADATA }, /* AWS, Azure, Google, most */
    { { 169, 254, 170, 2 }, 32, NETGUARD_METADATA },   /* AWS ECS credentials */
    { { 169, 254, 170, 23 }, 32, NETGUARD_METADATA },  /* AWS EKS pod identity */
    { { 169, 254, 0, 23 }, 32, NETGUARD_METADATA },    /* Tencent */
    { { 169, 254, 42, 42 }, 32, NETGUARD_METADATA },   /* Scaleway */
    { { 100, 100, 100, 200 }, 32, NETGUARD_METADATA }, /* Alibaba */
    { { 168, 63, 129, 16 }, 32, NETGUARD_METADATA },   /* Azure wire server */
    { { 192, 0, 0, 192 }, 32, NETGUARD_METADATA },     /* Oracle classic */
    { { 0, 0, 0, 0 }, 8, NETGUARD_UNSPECIFIED },
    { { 10, 0, 0, 0 }, 8, NETGUARD_PRIVATE },
    { { 100, 64, 0, 0 }, 10, NETGUARD_PRIVATE }, /* carrier-grade NAT, RFC 6598 */
    { { 127, 0, 0, 0 }, 8, NETGUARD_LOOPBACK },
    { { 169, 254, 0, 0 }, 16, NETGUARD_LINK_LOCAL },
    { { 172, 16, 0, 0 }, 12, NETGUARD_PRIVATE },
    { { 192, 0, 0, 0 }, 24, NETGUARD_RESERVED },
    { { 192, 0, 2, 0 }, 24, NETGUARD_RESERVED },   /* documentation */
    { { 192, 88, 99, 0 }, 24, NETGUARD_RESERVED }, /* 6to4 relay */
    { { 192, 168, 0, 0 }, 16, NETGUARD_PRIVATE },
    { { 198, 18, 0, 0 }, 15, NETGUARD_RESERVED }, /* benchmarking */
    { { 198, 51, 100, 0 }, 24, NETGUARD_RESERVED },
    { { 203, 0, 113, 0 }, 24, NETGUARD_RESERVED },
    { { 224, 0, 0, 0 }, 4, NETGUARD_MULTICAST },
    { { 240, 0, 0, 0 }, 4, NETGUARD_RESERVED }, /* with 255.255.255.255 */
};

/* Sources: IANA IPv6 special-purpose registry.  What is outside 2000::/3 and not named
 * here is not handed out (see judge6). */
static const struct net6 table6[] = {
    { { 0xfd, 0x00, 0x0e, 0xc2, [15] = 0x23 }, 128, NETGUARD_METADATA }, /* AWS EKS */
    { { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 }, 128, NETGUARD_METADATA },
    { { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54 }, 128, NETGUARD_METADATA },
    { { 0xfd, 0x00, 0x00, 0x42, [15] = 0x42 }, 128, NETGUARD_METADATA }, /* Scaleway */
    { { 0 }, 128, NETGUARD_UNSPECIFIED },
    { { [15] = 1 }, 128, NETGUARD_LOOPBACK },
    { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, NETGUARD_PRIVATE }, /* local NAT64 */
    { { 0x20, 0x01, 0x00, 0x00 }, 23, NETGUARD_RESERVED }, /* protocol assignments */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32, NETGUARD_RESERVED }, /* documentation */
    { { 0x3f, 0xff, 0x00 }, 20, NETGUARD_RESERVED },       /* documentation */
    { { 0xfc }, 7, NETGUARD_PRIVATE },
    { { 0xfe, 0x80 }, 10, NETGUARD_LINK_LOCAL },
    { { 0xfe, 0xc0 }, 10, NETGUARD_PRIVATE }, /* site-local, deprecated */
    { { 0xff }, 8, NETGUARD_MULTICAST },
    { { 0x20 }, 3, NETGUARD_PUBLIC },
};

/* Where an IPv6 address carries an IPv4 address that the traffic ends at. */
static const struct {
    uint8_t addr[16];
    uint8_t bits, at;
} wrapped[] = {
    { { [10] = 0xff, [11] = 0xff }, 96, 12 },     /* mapped, RFC 4291 */
    { { [8] = 0xff, [9] = 0xff }, 96, 12 },       /* translated, RFC 2765 */
    { { 0x00, 0x64, 0xff, 0x9b }, 96, 12 },       /* NAT64, RFC 6052 */
    { { 0x00, 0x64, 0xff, 0x9b, 0, 1 }, 48, 12 }, /* local NAT64 with a /96 prefix */
    { { 0x20, 0x02 }, 16, 2 },                    /* 6to4, RFC 3056 */
};

static bool in_net(const uint8_t *a, const uint8_t *net, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, net, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ net[whole]) >> (8 - rest)) == 0;
}

static enum netguard_verdict judge4(const uint8_t a[4])
{
    for (size_t i = 0; i < LENGTH(table4); i++)
        if (in_net(a, table4[i].addr, table4[i].bits))
            return table4[i].verdict;
    return NETGUARD_PUBLIC;
}

/* Both ends of a Teredo address (RFC 4380): the server, and the client stored inverted.
 */
static enum netguard_verdict judge_teredo(const uint8_t a[16])
{
    uint8_t client[4];
    enum netguard_verdict server = judge4(a + 4);

    for (size_t i = 0; i < sizeof client; i++)
        client[i] = (uint8_t)~a[12 + i];
    enum netguard_verdict v = judge4(client);
    return v == NETGUARD_PUBLIC || server == NETGUARD_METADATA ? server : v;
}

static enum netguard_verdict judge_table6(const uint8_t a[16])
{
    for (size_t i = 0; i < LENGTH(table6); i++)
        if (in_net(a, table6[i].addr, table6[i].bits))
            return table6[i].verdict;
    return NETGUARD_RESERVED;
}

static enum netguard_verdict judge6(const uint8_t a[16])
{
    static const uint8_t teredo[4] = { 0x20, 0x01 };
    static const uint8_t isatap[3] = { 0x00, 0x5e, 0xfe }; /* RFC 5214, after 00 or 02 */
    static const uint8_t zero[12];

    if (in_net(a, teredo, 32))
        return judge_teredo(a);
    for (size_t i = 0; i < LENGTH(wrapped); i++) {
        if (!in_net(a, wrapped[i].addr, wrapped[i].bits))
            continue;
        enum netguard_verdict v = judge4(a + wrapped[i].at);
        return v == NETGUARD_PUBLIC ? judge_table6(a) == NETGUARD_PRIVATE
                                          ? NETGUARD_PRIVATE
                                          : NETGUARD_PUBLIC
                                    : v;
    }
    enum netguard_verdict v = judge_table6(a);
    /* ::/96 (IPv4-compatible, deprecated) is never public, but may hide a metadata
     * address; an ISATAP interface id sends the packet to the IPv4 it ends in. */
    if ((v == NETGUARD_RESERVED && memcmp(a, zero, 12) == 0) ||
        ((a[8] & ~2) == 0 && memcmp(a + 9, isatap, 3) == 0)) {
        enum netguard_verdict inner = judge4(a + 12);
        if (inner != NETGUARD_PUBLIC)
            return inner;
    }
    return v;
}

enum netguard_verdict netguard_judge(const struct sockaddr *sa, socklen_t len)
{
    if (sa && len >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        uint8_t a[4];

        memcpy(&in, sa, sizeof in); /* `sa` may be unaligned */
        memcpy(a, &in.sin_addr, sizeof a);
        return judge4(a);
    }
    if (sa && len >= sizeof(struct sockaddr_in6) && sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof in6);
        return judge6(in6.sin6_addr.s6_addr);
    }
    return NETGUARD_NOT_INET;
}

enum netguard_verdict netguard_judge_name(const char *host)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    char inner[INET6_ADDRSTRLEN];
    size_t n = strlen(host);

    if (inet_pton(AF_INET, host, &in.sin_addr) == 1)
        return netguard_judge((struct sockaddr *)&in, sizeof in);
    if (n > 2 && n < sizeof inner && host[0] == '[' && host[n - 1] == ']') {
        memcpy(inner, host + 1, n - 2);
        inner[n - 2] = '\0';
        if (inet_pton(AF_INET6, inner, &in6.sin6_addr) == 1)
            return netguard_judge((struct sockaddr *)&in6, sizeof in6);
    }
    return strcmp(host, "localhost") == 0 ? NETGUARD_LOOPBACK : NETGUARD_NOT_INET;
}

const char *netguard_name(enum netguard_verdict v)
{
    switch (v) {
    case NETGUARD_PUBLIC:
        return "public";
    case NETGUARD_LOOPBACK:
        return "loopback";
    case NETGUARD_PRIVATE:
        return "private";
    case NETGUARD_LINK_LOCAL:
        return "link-local";
    case NETGUARD_MULTICAST:
        return "multicast";
    case NETGUARD_UNSPECIFIED:
        return "unspecified";
    case NETGUARD_RESERVED:
        return "reserved";
    case NETGUARD_METADATA:
        return "metadata";
    case NETGUARD_NOT_INET:
        return "not an internet address";
    }
    return "unknown";
}
