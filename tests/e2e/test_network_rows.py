#!/usr/bin/env python3
"""Network and SSRF rows of the hazards table, by their ids.  Beside each a well-behaved canary
feed is polled every second and must not be late by more than a second; memory stays bounded."""
import gzip
import re
import socket
import threading

import bench
from bench import Item

RSS = (b'<rss version="2.0"><channel><title>t</title>%s</channel></rss>')
ITEM = b"<item><title>Putin meets Xi %d</title><guid>%d</guid></item>"


class Listener:
    """127.0.0.2 plays the internal host: it counts who connects."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.2", 0))
        self.port, self.count = self.sock.getsockname()[1], 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                self.sock.accept()[0].close()
            except OSError:
                return
            self.count += 1

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class Rows(bench.Test):
    def setUp(self):
        super().setUp()
        self.canary = self.origin.feed("/canary", items=[Item("old", guid="0")])
        self.songs = 0

    def started(self, more="", env=None):
        d = self.daemon("[feeds]\nbad = {/bad}\ncanary = {/canary}\n" + more
                        + "[watchlist]\nsummit = Putin AND Xi\n", env=env).start()
        self.learnt(self.canary)
        return d

    def sing(self, daemon):
        """The canary publishes: its alert comes within its interval (1 s, jittered) and 1 s."""
        self.songs += 1
        title = f"Putin, Xi and canary {self.songs}"
        self.canary.publish(Item(title))
        bench.wait(lambda: title in daemon.titles(), 2.1, "alert of the canary")

    def row(self, answer, says, more="", env=None):
        """The bad feed answers so; its failure is logged, the canary sings on, memory is flat."""
        self.origin.answer("/bad", answer)
        d = self.started(more, env)
        bench.wait(lambda: "fetch_failed feed=\"bad\"" in d.stderr(), 15, "failure in the log")
        self.assertRegex(d.stderr(), says)
        self.sing(d)
        self.sing(d)
        with open(f"/proc/{d.process.pid}/status", encoding="ascii") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        if "asan" not in bench.BIN:
            self.assertLess(peak, 64 * 1024, "kB of memory at most")
        self.assertLess(d.stop(), 2 * bench.SLOW)
        return d

    def test_n5_chunked_flood(self):
        def flood(reply):
            reply.close = True
            reply.head(200, [("Content-Type", "application/rss+xml"),
                             ("Transfer-Encoding", "chunked")])
            reply.chunk(b'<rss version="2.0"><channel>')
            while True:
                reply.chunk(b"<!-- and so on -->" * 4000)
        self.row(flood, "larger than|limit")

    def test_n6_gzip_bomb(self):
        bomb = gzip.compress(b'<rss version="2.0"><channel><title>' + bytes(64 << 20))
        self.row(lambda r: r.send(200, [("Content-Encoding", "gzip")], bomb), "larger than|limit|bytes")

    def test_n7_double_gzip_bomb(self):
        bomb = gzip.compress(gzip.compress(b"<rss><channel>" + b" " * (64 << 20)))
        self.row(lambda r: r.send(200, [("Content-Encoding", "gzip, gzip")], bomb),
                 "larger than|limit|bytes|coding")

    def test_n8_six_codings(self):
        body = RSS % (ITEM % (1, 1))
        for _ in range(6):
            body = gzip.compress(body)
        self.row(lambda r: r.send(200, [("Content-Encoding", ", ".join(["gzip"] * 6))], body),
                 "outcome=bad")

    def test_n11_short_content_length(self):
        def short(reply):
            reply.close = True
            reply.head(200, [("Content-Length", "1000"), ("ETag", '"x"')])
            reply.raw(b"<rss>")
        self.row(short, "outcome=retry_later")
        self.assertEqual([r for r in self.origin.requests("/bad") if r.header("If-None-Match")], [])

    def test_n12_header_flood(self):
        def flood(reply):
            reply.close = True
            reply.raw(b"HTTP/1.1 200 OK\r\n")
            while True:
                reply.raw(b"X-Filler: " + b"y" * 1000 + b"\r\n")
        self.row(flood, "outcome=bad")

    def test_n12_one_header_line_of_a_megabyte(self):
        self.row(lambda r: (setattr(r, "close", True),
                            r.raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n")),
                 "outcome=bad")

    def test_n13_redirect_loop(self):
        self.row(lambda r: r.send(302, [("Location", "/bad")]), "outcome=bad.*redirects")

    def test_s2_spelled_addresses_of_the_internal_host(self):
        inside = Listener()
        self.addCleanup(inside.close)
        hosts = ["2130706434", "0x7f.2", "0177.0.0.2", "127.2", "[::ffff:7f00:2]",
                 "[64:ff9b::7f00:2]", "127.0.0.2"]
        more = "".join(f"[feed:s{n}]\nurl = http://{host}:{inside.port}/\nallow_private = no\n"
                       for n, host in enumerate(hosts))
        self.origin.answer("/bad", lambda r: r.send(404))
        d = self.started(more)
        bench.wait(lambda: all(f'fetch_failed feed="s{n}" outcome=refused' in d.stderr()
                               for n in range(len(hosts))), 15, "all refused")
        self.sing(d)
        d.stop()
        self.assertEqual(inside.count, 0)

    def test_s5_metadata_even_where_private_is_allowed(self):
        targets = ("http://169.254.169.254/latest/", "http://[fd00:ec2::254]/latest/")
        self.refused(targets, "outcome=refused .*metadata")

    def test_s6_other_schemes(self):
        self.refused(("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/",
                      "dict://127.0.0.1/", "smb://127.0.0.1/x", "data:text/xml,x"),
                     "outcome=(refused|bad) ")

    def refused(self, targets, says):
        """A feed for each target, which redirects there; each says so in the log."""
        more = ""
        self.origin.answer("/bad", lambda r: r.send(404))
        for n, target in enumerate(targets):
            self.origin.answer(f"/r{n}", lambda r, t=target: r.send(302, [("Location", t)]))
            more += f"[feed:r{n}]\nurl = {{/r{n}}}\n"
        d = self.started(more)
        for n in range(len(targets)):
            bench.wait(lambda n=n: re.search(f'fetch_failed feed="r{n}" {says}', d.stderr()), 15,
                       f"refusal of {targets[n]}")
        self.sing(d)
        d.stop()

    def test_s7_proxy_of_the_environment_is_ignored(self):
        inside = Listener()
        self.addCleanup(inside.close)
        proxy = f"http://127.0.0.2:{inside.port}"
        self.row(lambda r: r.send(404), "HTTP 404", env={"http_proxy": proxy, "all_proxy": proxy})
        self.assertEqual(inside.count, 0)

    def test_s9_links_that_are_no_links(self):
        feed = self.origin.feed("/bad", items=[Item("old", guid="0")])
        d = self.started()
        self.learnt(feed)
        links = ["|date", "javascript:alert(1)", "file:///etc/passwd", "-oX", "exec:id"]
        for n, link in enumerate(links):
            feed.publish(Item(xml=f"<item><title>Putin Xi {n}</title><guid isPermaLink=\"false\">s{n}"
                                  f"</guid><link>{link}</link></item>"))
        bench.wait(lambda: len(d.alerts()) == len(links), 5, "all items")
        for alert in d.alerts():
            self.assertRegex(alert["link"] or "http://", "^https?://")
        self.sing(d)
        d.stop()


if __name__ == "__main__":
    bench.main()
