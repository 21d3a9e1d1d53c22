#!/usr/bin/env python3
"""SSRF rows of the hazards table, and names: in a network of its own, where some addresses of
the loopback are public ones.  A canary feed is polled beside each (see rows.py)."""
import ctypes
import os
import struct

import bench
from bench import Item, wait
import origin
import rows

PUBLIC, OTHER = "11.0.0.1", "11.0.0.2"  # as good as any address of the public net


def setUpModule():
    rows.own_net(PUBLIC, OTHER)


class Opened:
    """Tells whether a file was opened since, by anybody (inotify)."""

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        in_open, nonblock = 0x20, os.O_NONBLOCK | os.O_CLOEXEC
        self.fd = libc.inotify_init1(nonblock)
        if libc.inotify_add_watch(self.fd, path.encode(), in_open) < 0:
            raise OSError(ctypes.get_errno(), path)

    def times(self):
        try:
            return len(os.read(self.fd, 4096)) // struct.calcsize("iIII")
        except BlockingIOError:
            return 0
        finally:
            os.close(self.fd)


class Ssrf(rows.Rows):
    """Feeds of the public net, which nobody may lead inside; the canary alone is allowed to be
    where it is."""
    CANARY = "[feed:canary]\nurl = {/canary}\nallow_private = yes\n"

    def setUp(self):
        super().setUp()
        self.public = origin.Origin(PUBLIC)
        self.addCleanup(self.public.stop)
        self.inside = rows.Listener()
        self.addCleanup(self.inside.close)

    def guarded(self, config, general="", env=None):
        if "allow_private" not in general:
            general += "allow_private = no\n"
        return self.started(config, general, env)

    def beside(self, address):
        """An origin at another address, on the port of the public one."""
        other = origin.Origin(address, self.public.port)
        self.addCleanup(other.stop)
        return other

    def refused(self, urls, why, general=""):
        """Each URL, as that of a feed and as the target of a public one's redirect, is refused;
        nobody inside was asked."""
        config = ""
        for n, url in enumerate(urls):
            for code in (301, 302):
                self.public.answer(f"/{n}-{code}", origin.redirect(url, code))
                config += f"[feed:r{n}-{code}]\nurl = {self.public.url(f'/{n}-{code}')}\n"
        d = self.guarded(config, general)
        for n, url in enumerate(urls):
            for code in (301, 302):
                self.says(d, f'fetch_failed feed="r{n}-{code}" outcome=(refused|bad) .*{why}')
        self.well(d)
        self.assertEqual(self.inside.peers, [])

    def test_s1_a_redirect_inside(self):
        self.refused([f"http://127.0.0.2:{self.inside.port}/"],
                     "address 127.0.0.2 is loopback")

    def test_s1_a_redirect_inside_on_the_third_hop(self):
        self.public.answer("/1", origin.redirect("/2", 301))
        self.public.answer("/2", origin.redirect(f"http://127.0.0.2:{self.inside.port}/", 307))
        self.refused([self.public.url("/1")], "address 127.0.0.2 is loopback")

    def test_s2_spelled_addresses(self):
        hosts = ["2130706434", "0x7f000002", "0x7f.2", "0177.0.0.2", "127.2", "127.0.2", "0",
                 "0.0.0.0", "localhost", "LOCALHOST.", "127.0.0.2.", "[::1]", "[::]",
                 "[::ffff:7f00:2]", "[::ffff:127.0.0.2]", "[::127.0.0.2]", "[64:ff9b::7f00:2]",
                 "[2002:7f00:2::]", "[::1%25lo]", "[0:0:0:0:0:0:0:1]",
                 "%31%32%37.0.0.2", "\uff11\uff12\uff17.0.0.2", "127\u30020.0.2", "x@127.0.0.2",
                 f"{PUBLIC}@127.0.0.2"]
        bad = [f"http://{host}:{self.inside.port}/" for host in hosts]
        config = ""
        for n, url in enumerate(bad):
            self.public.answer(f"/{n}", lambda r, u=url: r.raw(
                b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + u.encode()
                + b"\r\n\r\n"))
            config += f"[feed:r{n}]\nurl = {self.public.url(f'/{n}')}\n"
        d = self.guarded(config)
        for n, url in enumerate(bad):
            self.says(d, f'fetch_failed feed="r{n}" outcome=(refused|bad|retry_later) ')
        self.well(d)
        self.assertEqual(self.inside.peers, [])

    def test_s2_spelled_addresses_of_feeds(self):
        hosts = ["2130706434", "0x7f.2", "0177.0.0.2", "127.2", "[::ffff:7f00:2]", "0", "localhost",
                 "[64:ff9b::7f00:2]", "127.0.0.2", "[::1]"]
        d = self.guarded("".join(f"[feed:s{n}]\nurl = http://{host}:{self.inside.port}/\n"
                                 for n, host in enumerate(hosts)))
        for n in range(len(hosts)):
            self.says(d, f'fetch_failed feed="s{n}" outcome=refused .*address ')
        self.well(d)
        self.assertEqual(self.inside.peers, [])

    def names(self, table, **more):
        names = origin.Names(table, **more)
        self.addCleanup(names.stop)
        return names, f"dns_servers = {names.address}\n"

    def test_s3_a_name_that_turns_inside(self):
        """First a public address, then, when that is asked for again, one inside."""
        answers, inside = [[PUBLIC]], self.beside("127.0.0.2")
        names, general = self.names({"feed.example": lambda: answers[0]})
        feed = self.public.feed("/", items=[Item("old", guid="0")])
        d = self.guarded(f"[feed:bad]\nurl = http://feed.example:{self.public.port}/\n", general)
        self.learnt_at(self.public, feed)
        answers[0], asked = ["127.0.0.2"], len(names.asked)
        self.public.stop()  # what was known of the name is in doubt now
        self.says(d, 'fetch_failed feed="bad" .*address 127.0.0.2 is loopback|'
                     'fetched feed="bad" .*refused', 20)
        self.assertGreater(len(names.asked), asked)
        self.well(d)
        self.assertEqual(inside.connections, 0)

    def test_s3_another_answer_to_each_question(self):
        """Judged is the very address that is connected to."""
        turn, inside = [0], self.beside("127.0.0.2")

        def flip():
            turn[0] += 1
            return [PUBLIC] if turn[0] % 3 == 1 else ["127.0.0.2"]
        _, general = self.names({f"f{n}.example": flip for n in range(20)})
        d = self.guarded("".join(f"[feed:f{n}]\nurl = http://f{n}.example:{self.public.port}/\n"
                                 for n in range(20)), general)
        for n in range(20):
            self.polled(d, f"f{n}")
        self.assertIn("is loopback", d.stderr())
        self.well(d)
        self.assertEqual(inside.connections, 0)

    def test_s4_a_mixed_answer(self):
        """Only the public address is used, also when it does not answer."""
        mixed = {"a.example": ["127.0.0.2", PUBLIC], "b.example": [PUBLIC, "127.0.0.2"],
                 "c.example": ["::1", PUBLIC], "d.example": ["::ffff:127.0.0.2", PUBLIC],
                 "dead.example": [OTHER, "127.0.0.2", "::1"]}
        _, general = self.names(mixed)
        config, inside, feeds = "", self.beside("127.0.0.2"), []
        for name in mixed:
            config += f"[feed:{name}]\nurl = http://{name}:{self.public.port}/{name}\n"
            if name != "dead.example":
                feeds.append(self.public.feed(f"/{name}", items=[Item("old", guid="0")]))
        d = self.guarded(config, general)
        self.learnt_at(self.public, *feeds)
        self.says(d, 'fetch_failed feed="dead.example"')
        self.well(d)
        self.assertEqual(inside.connections, 0)

    def learnt_at(self, server, *feeds):
        for feed in feeds:
            server.wait(lambda f=feed: f.requests(status=304), 15 * bench.SLOW, feed.path)

    def test_s5_metadata(self):
        """Refused and said, also where private addresses are allowed."""
        self.refused(["http://169.254.169.254/latest/", "http://[fd00:ec2::254]/latest/",
                      "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/"],
                     "is metadata", "allow_private = yes\n")

    def test_s6_other_schemes(self):
        """The file that a redirect names is not even opened."""
        trap = os.path.join(self.folder, "trap.xml")
        with open(trap, "wb") as file:
            file.write(origin.document("rss", "t", [Item("Putin and Xi, from a file")]))
        opened = Opened(trap)
        self.refused([f"file://{trap}", f"FILE://localhost{trap}", f"file:{trap}",
                      f"ftp://127.0.0.2:{self.inside.port}/",
                      f"gopher://127.0.0.2:{self.inside.port}/_x",
                      f"dict://127.0.0.2:{self.inside.port}/", f"smb://127.0.0.2/x",
                      f"ldap://127.0.0.2:{self.inside.port}/", f"tftp://127.0.0.2/x",
                      f"ws://127.0.0.2:{self.inside.port}/", "data:text/xml,<rss/>",
                      "javascript:alert(1)"], "neither http nor https", "allow_private = yes\n")
        self.assertEqual(opened.times(), 0)

    def test_s7_a_proxy_of_the_environment(self):
        """It is not asked, whatever the variable is called."""
        proxy = f"http://127.0.0.2:{self.inside.port}"
        feed = self.public.feed("/bad", items=[Item("old", guid="0")])
        d = self.guarded(f"[feed:bad]\nurl = {self.public.url('/bad')}\n", env={
            name: proxy for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy",
                                     "ALL_PROXY")})
        self.learnt_at(self.public, feed)
        self.well(d)
        self.assertEqual(self.inside.peers, [])

    def test_s8_credentials_stay_at_home(self):
        """Another host, another port, or no TLS any more: none of them sees what is secret."""
        secret = os.path.join(self.folder, "secret")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("me:s3cr3t\n")
        host2, port2 = self.beside(OTHER), origin.Origin(PUBLIC)
        self.addCleanup(port2.stop)
        config = ""
        for n, other in enumerate((host2, port2)):
            other.feed("/there", items=[Item("old", guid="0")])
            self.public.answer(f"/{n}", origin.redirect(other.url("/there")))
            config += (f"[feed:a{n}]\nurl = {self.public.url(f'/{n}')}\n"
                       f"basic_auth = file:{secret}\nheader = X-Key: pa55word\n")
        d = self.guarded(config)
        for n, other in enumerate((host2, port2)):
            other.wait(lambda o=other: o.requests("/there"), 15 * bench.SLOW, "the redirect")
            self.assertEqual(self.public.requests(f"/{n}")[0].header("Authorization"),
                             "Basic bWU6czNjcjN0")
            for request in other.requests():
                sent = " ".join(f"{k}: {v}" for k, v in request.headers)
                self.assertNotRegex(sent, "(?i)authorization|X-Key|s3cr3t|pa55word|bWU6")
        self.well(d)
        self.assertNotRegex(d.stderr(), "s3cr3t|pa55word|bWU6")

    def test_s9_links_that_are_no_links(self):
        """The item is kept, the link is not; nothing is run or read."""
        trap = os.path.join(self.folder, "ran")
        feed = self.public.feed("/bad", items=[Item("old", guid="0")])
        d = self.guarded(f"[feed:bad]\nurl = {self.public.url('/bad')}\n")
        self.learnt_at(self.public, feed)
        links = [f"|touch {trap}", f"$(touch {trap})", f"`touch {trap}`", f"; touch {trap}",
                 f"exec:touch {trap}", "javascript:alert(1)", "JaVaScRiPt:alert(1)",
                 "file:///etc/passwd", "-oX", "--help", "data:text/html,x", "vbscript:x"]
        for n, link in enumerate(links):
            feed.publish(Item(xml=f"<item><title>Putin Xi {n}</title><guid isPermaLink=\"false\">"
                                  f"s{n}</guid><link>{link}</link><enclosure url=\"{link}\" "
                                  "length=\"1\" type=\"audio/mpeg\"/></item>"))
        wait(lambda: len(d.alerts()) == len(links), 10, "all items")
        for alert in d.alerts():
            self.assertRegex(alert["link"] or "http://", "^https?://")
        self.well(d)
        self.assertFalse(os.path.exists(trap))


class Names(rows.Rows):
    def test_n15_a_silent_name_server(self):
        """A hundred names that never resolve cost no thread and delay nobody."""
        names = origin.Names({f"dead{n}.example": None for n in range(100)})
        self.addCleanup(names.stop)
        lines = "".join(f"[feed:dead{n}]\nurl = http://dead{n}.example/\n" for n in range(100))
        d = self.started(lines, f"dns_servers = {names.address}\n")
        wait(lambda: len({name for name, _ in names.asked}) == 100, 10, "all names asked")
        for _ in range(4):
            self.sing(d)
        with open(f"/proc/{d.process.pid}/status", encoding="ascii") as file:
            threads = int(file.read().split("Threads:")[1].split()[0])
        self.assertLess(threads, 10)
        self.says(d, 'fetch_failed feed="dead[0-9]+" outcome=retry_later .*cannot resolve', 20)
        self.well(d)

    def test_n15_names_that_do_not_exist(self):
        names = origin.Names({"empty.example": []})
        self.addCleanup(names.stop)
        d = self.started("[feed:none]\nurl = http://none.example/\n"
                         "[feed:empty]\nurl = http://empty.example/\n",
                         f"dns_servers = {names.address}\n")
        for name in ("none", "empty"):
            self.says(d, f'fetch_failed feed="{name}" outcome=retry_later .*cannot resolve')
        self.well(d)


if __name__ == "__main__":
    bench.main()
