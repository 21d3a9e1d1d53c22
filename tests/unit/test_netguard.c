/* netguard: every network of the tables at its edges, and the spellings of IPv6. */
#include "test.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "netguard.h"

static enum netguard_verdict judge(const char *text)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return netguard_judge((struct sockaddr *)&in, sizeof in);
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
        fail_msg("not an address: %s", text);
    return netguard_judge((struct sockaddr *)&in6, sizeof in6);
}

struct row {
    const char *first, *last; /* of the network; last may be NULL */
    enum netguard_verdict verdict;
};

static const struct row rows[] = {
    { "0.0.0.0", "0.255.255.255", NETGUARD_UNSPECIFIED },
    { "1.0.0.0", "9.255.255.255", NETGUARD_PUBLIC },
    { "10.0.0.0", "10.255.255.255", NETGUARD_PRIVATE },
    { "11.0.0.0", "100.63.255.255", NETGUARD_PUBLIC },
    { "100.64.0.0", "100.127.255.255", NETGUARD_PRIVATE },
    { "100.128.0.0", "126.255.255.255", NETGUARD_PUBLIC },
    { "127.0.0.0", "127.255.255.255", NETGUARD_LOOPBACK },
    { "128.0.0.0", "169.253.255.255", NETGUARD_PUBLIC },
    { "169.254.0.0", "169.254.255.255", NETGUARD_LINK_LOCAL },
    { "172.15.255.255", NULL, NETGUARD_PUBLIC },
    { "172.16.0.0", "172.31.255.255", NETGUARD_PRIVATE },
    { "172.32.0.0", NULL, NETGUARD_PUBLIC },
    { "192.0.0.0", "192.0.0.255", NETGUARD_RESERVED },
    { "192.0.2.0", "192.0.2.255", NETGUARD_RESERVED },
    { "192.0.3.0", NULL, NETGUARD_PUBLIC },
    { "192.88.99.0", "192.88.99.255", NETGUARD_RESERVED },
    { "192.167.255.255", NULL, NETGUARD_PUBLIC },
    { "192.168.0.0", "192.168.255.255", NETGUARD_PRIVATE },
    { "192.169.0.0", NULL, NETGUARD_PUBLIC },
    { "198.17.255.255", NULL, NETGUARD_PUBLIC },
    { "198.18.0.0", "198.19.255.255", NETGUARD_RESERVED },
    { "198.20.0.0", NULL, NETGUARD_PUBLIC },
    { "198.51.100.0", "198.51.100.255", NETGUARD_RESERVED },
    { "203.0.113.0", "203.0.113.255", NETGUARD_RESERVED },
    { "223.255.255.255", NULL, NETGUARD_PUBLIC },
    { "224.0.0.0", "239.255.255.255", NETGUARD_MULTICAST },
    { "240.0.0.0", "255.255.255.255", NETGUARD_RESERVED },
    { "169.254.169.254", NULL, NETGUARD_METADATA },
    { "169.254.170.2", NULL, NETGUARD_METADATA },
    { "100.100.100.200", NULL, NETGUARD_METADATA },
    { "168.63.129.16", NULL, NETGUARD_METADATA },
    { "fd00:ec2::254", NULL, NETGUARD_METADATA },
    { "fd20:ce::254", NULL, NETGUARD_METADATA },

    { "::", NULL, NETGUARD_UNSPECIFIED },
    { "::1", NULL, NETGUARD_LOOPBACK },
    { "::2", "::ffff", NETGUARD_UNSPECIFIED }, /* 0.0.0.2 in the IPv4-compatible form */
    { "::8.8.8.8", NULL, NETGUARD_RESERVED },
    { "::10.0.0.1", NULL, NETGUARD_PRIVATE },
    { "::169.254.169.254", NULL, NETGUARD_METADATA },
    { "::ffff:8.8.8.8", NULL, NETGUARD_PUBLIC },
    { "::ffff:127.0.0.2", NULL, NETGUARD_LOOPBACK },
    { "::ffff:169.254.169.254", NULL, NETGUARD_METADATA },
    { "::ffff:0:10.1.2.3", NULL, NETGUARD_PRIVATE },
    { "64:ff9b::8.8.8.8", NULL, NETGUARD_PUBLIC },
    { "64:ff9b::192.168.1.1", NULL, NETGUARD_PRIVATE },
    { "64:ff9b::169.254.169.254", NULL, NETGUARD_METADATA },
    { "64:ff9b:1::8.8.8.8", NULL, NETGUARD_PRIVATE },
    { "64:ff9b:1::169.254.169.254", NULL, NETGUARD_METADATA },
    { "100::", "100::ffff:ffff:ffff:ffff", NETGUARD_RESERVED },
    { "2002:808:808::1", NULL, NETGUARD_PUBLIC },
    { "2002:7f00:1::1", NULL, NETGUARD_LOOPBACK },
    { "2002:a9fe:a9fe::", NULL, NETGUARD_METADATA },
    /* Teredo: server 8.8.8.8, client 9.9.9.9 = ~f6f6:f6f6; then 10.0.0.1 = ~f5ff:fffe */
    { "2001:0:808:808::f6f6:f6f6", NULL, NETGUARD_PUBLIC },
    { "2001:0:808:808::f5ff:fffe", NULL, NETGUARD_PRIVATE },
    { "2001:0:a00:1::f6f6:f6f6", NULL, NETGUARD_PRIVATE },
    { "2001:0:808:808::5601:5601", NULL, NETGUARD_METADATA },
    { "2001:1::1", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", NETGUARD_RESERVED },
    { "2001:200::", "2001:db7:ffff::", NETGUARD_PUBLIC },
    { "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", NETGUARD_RESERVED },
    { "2606:2800:220:1:248:1893:25c8:1946", NULL, NETGUARD_PUBLIC },
    { "2606::5efe:a00:1", NULL, NETGUARD_PRIVATE }, /* ISATAP of 10.0.0.1 */
    { "2606::200:5efe:808:808", NULL, NETGUARD_PUBLIC },
    { "3ffe:ffff::", NULL, NETGUARD_PUBLIC },
    { "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", NETGUARD_RESERVED },
    { "3fff:1000::", "3fff:ffff::", NETGUARD_PUBLIC },
    { "4000::", "fbff::1", NETGUARD_RESERVED },
    { "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NETGUARD_PRIVATE },
    { "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NETGUARD_LINK_LOCAL },
    { "fec0::", "feff::1", NETGUARD_PRIVATE },
    { "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NETGUARD_MULTICAST },
};

static void check(const char *text, enum netguard_verdict want)
{
    enum netguard_verdict v = judge(text);

    if (v != want)
        fail_msg("%s is %s, wanted %s", text, netguard_name(v), netguard_name(want));
}

static void judges_every_network_at_its_edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(rows[i].first, rows[i].verdict);
        if (rows[i].last)
            check(rows[i].last, rows[i].verdict);
    }
}

/* Every IPv4 verdict must hold in each IPv6 form that carries the address. */
static void sees_ipv4_inside_ipv6(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        unsigned char a[4];

        if (strchr(rows[i].first, ':'))
            continue;
        inet_pton(AF_INET, rows[i].first, a);
        snprintf(text, sizeof text, "::ffff:%s", rows[i].first);
        check(text, rows[i].verdict);
        snprintf(text, sizeof text, "64:ff9b::%s", rows[i].first);
        check(text, rows[i].verdict);
        snprintf(text, sizeof text, "2002:%02x%02x:%02x%02x::1", a[0], a[1], a[2], a[3]);
        check(text, rows[i].verdict);
    }
}

static void judges_names_by_the_address_they_spell(void **state)
{
    (void)state;
    assert_int_equal(netguard_judge_name("localhost"), NETGUARD_LOOPBACK);
    assert_int_equal(netguard_judge_name("127.0.0.9"), NETGUARD_LOOPBACK);
    assert_int_equal(netguard_judge_name("[::1]"), NETGUARD_LOOPBACK);
    assert_int_equal(netguard_judge_name("[::ffff:127.0.0.1]"), NETGUARD_LOOPBACK);
    assert_int_equal(netguard_judge_name("10.0.0.1"), NETGUARD_PRIVATE);
    assert_int_equal(netguard_judge_name("8.8.8.8"), NETGUARD_PUBLIC);
    assert_int_equal(netguard_judge_name("127.example.org"), NETGUARD_NOT_INET);
    assert_int_equal(netguard_judge_name("[::1"), NETGUARD_NOT_INET);
    assert_int_equal(netguard_judge_name("[]"), NETGUARD_NOT_INET);
    assert_int_equal(netguard_judge_name(""), NETGUARD_NOT_INET);
}

static void refuses_what_is_no_address(void **state)
{
    (void)state;
    struct sockaddr_storage any = { .ss_family = AF_UNIX };
    struct sockaddr_in in = { .sin_family = AF_INET };

    assert_int_equal(netguard_judge(NULL, 0), NETGUARD_NOT_INET);
    assert_int_equal(netguard_judge((struct sockaddr *)&any, sizeof any),
                     NETGUARD_NOT_INET);
    in.sin_addr.s_addr = htonl(0x08080808);
    assert_int_equal(netguard_judge((struct sockaddr *)&in, sizeof in - 1),
                     NETGUARD_NOT_INET);
    assert_int_equal(netguard_judge((struct sockaddr *)&in, sizeof in), NETGUARD_PUBLIC);
}

static void has_a_name_for_each(void **state)
{
    (void)state;
    for (int v = NETGUARD_PUBLIC; v <= NETGUARD_NOT_INET; v++)
        assert_string_not_equal(netguard_name((enum netguard_verdict)v), "unknown");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(judges_every_network_at_its_edges),
    cmocka_unit_test(sees_ipv4_inside_ipv6),
    cmocka_unit_test(judges_names_by_the_address_they_spell),
    cmocka_unit_test(refuses_what_is_no_address),
    cmocka_unit_test(has_a_name_for_each),
};
TEST_MAIN(tests)
