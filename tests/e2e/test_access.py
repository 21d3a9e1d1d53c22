#!/usr/bin/env python3
"""Beside the contract with publishers: what a feed may be given, and where that never goes."""
import os
import socket
import threading

import bench
from bench import Item, wait
import origin
import polite
from polite import HOUR, items, rss


class Access(polite.Test):
    """Beside the contract: what a feed may be given, and where that never goes."""

    def secret(self, text, mode=0o600):
        path = os.path.join(self.folder, "secret")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def test_credentials_stay_with_their_origin_and_out_of_the_logs(self):
        other = origin.Origin()
        self.addCleanup(other.stop)
        other.feed("/there", items=items(1))
        self.origin.answer("/news", origin.redirect("/home", 302))
        self.origin.answer("/home", origin.redirect(other.url("/there"), 302))
        path = self.secret("s3cr3t-token\n")
        daemon = self.run_one(f"bearer_token = file:{path}\nheader = X-Key: pass-w0rd\n")
        other.wait(lambda: len(other.requests()) >= 2, 10 * bench.SLOW)
        for place in ("/news", "/home"):
            request = self.origin.requests(place)[0]
            self.assertEqual(request.header("Authorization"), "Bearer s3cr3t-token")
            self.assertEqual(request.header("X-Key"), "pass-w0rd")
        for request in other.requests():
            self.assertIsNone(request.header("Authorization"))
            self.assertIsNone(request.header("X-Key"))
        daemon.stop()
        code, out, err = daemon.command("status", "-c", daemon.config, "--feed", "news")
        with open(os.path.join(daemon.state, "feedwatch.db"), "rb") as file:
            kept = file.read()
        for text in ("s3cr3t", "pass-w0rd"):
            self.assertNotIn(text, daemon.stderr() + out + err)
            self.assertNotIn(text.encode(), kept)

    def test_a_secret_that_others_may_read_is_refused(self):
        path = self.secret("me:x\n", 0o644)
        daemon = self.daemon(f"[feed:news]\nurl = {{/news}}\nbasic_auth = file:{path}\n"
                             + self.WATCH)
        code, _, err = daemon.command("check", "-c", daemon.config)
        self.assertEqual(code, 78)
        self.assertIn("chmod o=", err)
        self.assertNotIn("me:x", err)

    def test_a_credential_of_systemd(self):
        feed = self.origin.feed("/news", items=items(1))
        self.secret("me:pw\n", 0o400)
        daemon = self.daemon("[feed:news]\nurl = {/news}\nbasic_auth = credential:secret\n"
                             + self.WATCH, env={"CREDENTIALS_DIRECTORY": self.folder}).start()
        self.learnt(feed)
        self.assertEqual(feed.requests()[0].header("Authorization"), "Basic bWU6cHc=")
        daemon.stop()

    def test_a_local_file_is_read_when_it_changes(self):
        path = os.path.join(self.folder, "feed.xml")
        with open(path, "wb") as file:
            file.write(rss(*items(2)))
        daemon = self.daemon(f"[feed:news]\nfile = {path}\n{self.WATCH}").start()
        self.polled(daemon, polls=3)
        self.assertGreaterEqual(self.stored(daemon)["not_modified"], 2)
        with open(path + ".new", "wb") as file:
            file.write(rss(Item("Putin and Xi, on file", guid="urn:n"), *items(2)))
        os.replace(path + ".new", path)
        self.expect_titles(daemon, ["Putin and Xi, on file"])
        os.remove(path)
        wait(lambda: self.stored(daemon)["failures"], 10, "the missing file", 0.05)
        daemon.stop()

    def test_no_url_leads_to_a_file(self):
        daemon = self.daemon("[feeds]\nnews = file:///etc/passwd\n" + self.WATCH)
        code, _, err = daemon.command("check", "-c", daemon.config)
        self.assertEqual(code, 78)

    def test_a_proxy_and_none_from_the_environment(self):
        proxy = origin.Origin()
        self.addCleanup(proxy.stop)
        proxy.answer("http://feed.example/news", origin.status(200, [], rss(*items(1))))
        feed = self.origin.feed("/direct", items=items(1))
        daemon = self.daemon("[feed:far]\nurl = http://feed.example/news\n"
                             f"proxy = {proxy.url('')}\n[feed:near]\nurl = {{/direct}}\n"
                             + self.WATCH, env={"http_proxy": "http://127.0.0.1:1"}).start()
        self.learnt(feed)
        self.polled(daemon, "far")
        self.assertEqual(self.stored(daemon, "far")["http_status"], 200)
        daemon.stop()

    def test_another_url_of_another_feed_is_learnt_silently(self):
        old = self.origin.feed("/news", items=items(5))
        news = [Item(f"Putin and Xi {n}", guid=f"urn:o{n}", link=f"http://127.0.0.1/o{n}")
                for n in range(5)]
        other = self.origin.feed("/other", document=rss(*news))
        daemon = self.run_one()
        self.learnt(old)
        self.swap(daemon, "/news", "/other")
        self.learnt(other)
        self.assertEqual(daemon.titles(), [])
        other.replace(document=rss(Item("Xi and Putin, new", guid="urn:n"), *news))
        self.expect_titles(daemon, ["Xi and Putin, new"])
        daemon.stop()

    def test_another_url_of_the_same_feed_goes_on(self):
        known = items(5)
        old = self.origin.feed("/news", document=rss(*known))
        self.origin.feed("/other", document=rss(Item("Putin and Xi, moved", guid="urn:n"), *known))
        daemon = self.run_one()
        self.learnt(old)
        self.swap(daemon, "/news", "/other")
        self.expect_titles(daemon, ["Putin and Xi, moved"])
        daemon.stop()

    def swap(self, daemon, a, b):
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(text.replace(a, b))
        daemon.reload()


class Socks:
    """A socks5 proxy that leads every name to one origin; remembers what was asked for."""

    def __init__(self, to):
        self.to, self.asked = to, []
        self.listen = socket.create_server(("127.0.0.1", 0))
        self.port = self.listen.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock = self.listen.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock):
        with sock, sock.makefile("rb") as file:
            sock.sendall(b"\x05\x00" if file.read(file.read(2)[1]) else b"")
            kind = file.read(4)[3]
            address = file.read(file.read(1)[0]) if kind == 3 else file.read(4)
            self.asked.append((kind, address.decode("latin-1")))
            file.read(2)
            with socket.create_connection((self.to.host, self.to.port)) as far:
                sock.sendall(b"\x05\x00\x00\x01" + bytes(6))
                threading.Thread(target=self._pass, args=(far, sock), daemon=True).start()
                self._pass(sock, far)

    @staticmethod
    def _pass(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listen.shutdown(socket.SHUT_RDWR)
        self.listen.close()


class Options(polite.Test):
    """What a feed can be told, and its group."""

    def test_the_charset_that_the_user_knows_better(self):
        document = rss(Item("old"), Item("x")).replace(b"utf-8", b"iso-8859-1")
        self.origin.feed("/news", document=document)
        daemon = self.daemon("[feedwatch]\nfirst_run_max_age = 1h\n[feed:news]\nurl = {/news}\n"
                             "charset = koi8-r\n[watchlist]\nsummit = \u043f\u0443\u0442\u0438\u043d\n")
        title = "\u041f\u0443\u0442\u0438\u043d \u0438 \u0421\u0438"  # "Putin and Xi"
        self.origin.answer("/news", origin.status(
            200, [("Content-Type", "application/rss+xml; charset=windows-1252")],
            document.replace(b">x<", b">" + title.encode("koi8-r") + b"<")))
        self.assertEqual(daemon.once(), 0)
        self.assertEqual(daemon.titles(), [title])

    def test_a_group_speaks_for_its_feeds_unless_they_do(self):
        feeds = [self.origin.feed(f"/{n}", items=items(1)) for n in "abc"]
        daemon = self.daemon(
            "[feedwatch]\nuser_agent = everybody/1\n[group:G]\nuser_agent = group/1\n"
            "header = X-Key: of the group\ninterval = 1h\n"
            "[feed:a]\nurl = {/a}\ngroup = G\n"
            "[feed:b]\nurl = {/b}\ngroup = G\nuser_agent = feed/1\ninterval = 2h\n"
            f"[feed:c]\nurl = {{/c}}\n{self.WATCH}")
        self.assertEqual(daemon.once(), 0)
        sent = [(r.header("User-Agent"), r.header("X-Key")) for f in feeds for r in f.requests()]
        self.assertEqual(sent, [("group/1", "of the group"), ("feed/1", "of the group"),
                                ("everybody/1", None)])
        for name, seconds in (("a", HOUR), ("b", 2 * HOUR), ("c", 1)):
            got, why = self.until_next(daemon, name)
            self.assertLess(abs(got - seconds), seconds * 0.11 + 1)
            self.assertIn("interval", why)

    def test_limits_of_one_feed(self):
        body = rss(*items(200))
        for name in "ab":
            self.origin.answer(f"/{name}", origin.status(200, [], body))
        self.origin.answer("/c", origin.drip(body, 100, 0.1))
        daemon = self.daemon("[feed:a]\nurl = {/a}\nmax_bytes = 8K\n[feed:b]\nurl = {/b}\n"
                             f"[feed:c]\nurl = {{/c}}\ntimeout = 1s\n{self.WATCH}")
        daemon.once()
        self.assertIn("larger than 8192 bytes", self.status(daemon, "a")["problem"])
        self.assertIsNone(self.status(daemon, "b")["problem"])
        self.assertIn("timed out", self.status(daemon, "c")["problem"])

    def test_a_proxy_is_a_name_or_an_address(self):
        """And the name of the feed is its to look up, not ours."""
        socks = Socks(self.origin)
        self.addCleanup(socks.close)
        names = origin.Names({"proxy.example": ["127.0.0.1"]})
        self.addCleanup(names.stop)
        for path in ("/news", "http://feed.example/news"):
            self.origin.feed(path, items=items(1))
        config = f"[feedwatch]\ndns_servers = {names.address}\n"
        for n, host in enumerate(("127.0.0.1", "proxy.example", "PROXY.example")):
            config += (f"[feed:s{n}]\nurl = http://feed.example/news\n"
                       f"proxy = socks5h://{host}:{socks.port}\n"
                       f"[feed:h{n}]\nurl = http://feed.example/news?\n"
                       f"proxy = http://{host}:{self.origin.port}/\n")
        daemon = self.daemon(config.replace("news?", "news#") + self.WATCH)
        daemon.once()
        for n in range(3):
            for kind in "sh":
                self.assertIsNone(self.status(daemon, f"{kind}{n}")["problem"])
        self.assertEqual(set(socks.asked), {(3, "feed.example")})
        self.assertEqual({name for name, _ in names.asked}, {"proxy.example"})

    def test_no_proxy_is_asked_for_what_is_private(self):
        proxy = origin.Origin()
        self.addCleanup(proxy.stop)
        feed = self.origin.feed("/near", items=items(1))
        names = ("127.0.0.2", "0x7f.2", "[::1]", "10.0.0.1", "localhost", "169.254.169.254")
        inside = "".join(f"[feed:f{n}]\nurl = http://{name}/\n" for n, name in enumerate(names))
        daemon = self.daemon(f"[feedwatch]\nallow_private = no\nproxy = {proxy.url('')}\n{inside}"
                             "[feed:near]\nurl = {/near}\nproxy = none\nallow_private = yes\n"
                             + self.WATCH)
        daemon.once()
        for n in range(len(names)):
            self.assertRegex(self.status(daemon, f"f{n}")["problem"], "is (loopback|private|metadata)")
        self.assertEqual(proxy.connections, 0)
        self.assertEqual(len(feed.requests()), 1)

    def test_a_feed_that_is_not_to_follow(self):
        self.origin.feed("/there", items=items(3))
        self.origin.answer("/news", origin.redirect("/there", 301))
        daemon = self.run_one("follow_moves = no\n")
        self.polled(daemon, polls=4)
        daemon.stop()
        self.assertIsNone(self.stored(daemon)["moved_to"])
        self.assertIsNone(self.status(daemon)["problem"])


if __name__ == "__main__":
    bench.main()
