#!/usr/bin/env python3
"""The contract with publishers, P20 to P40: errors, limits, what is reported (test_politeness
has the other lines)."""
import os
import re
import socket
import ssl
import subprocess
import time

import bench
from bench import Item, wait
import origin
import polite
from polite import DAY, items, rss


class Errors(polite.Test):
    """What follows when things go wrong."""

    def failed(self, daemon, name="news"):
        return wait(lambda: (r := self.stored(daemon, name)) and r["failures"] and r, 10,
                    f"failure of {name}", 0.05)

    @staticmethod
    def calm(feed):
        """The number of requests once what was under way has come: none in half a second."""
        n = -1
        while n < (now := len(feed.requests())):
            n = now
            time.sleep(0.5)
        return n

    def test_p20_retry_after_holds_for_the_whole_host(self):
        for code in (429, 503):
            with self.subTest(code=code):
                self.origin.answer("/news", origin.status(code, [("Retry-After", "600")]))
                other = self.origin.feed("/other", items=items(1))
                daemon = self.daemon(f"[feeds]\nnews = {{/news}}\nother = {{/other}}\n{self.WATCH}",
                                     folder=str(code)).start()
                self.failed(daemon)
                so_far = self.calm(other)
                self.silent("/other", 3, so_far)
                got = self.until_next(daemon)
                self.assertGreaterEqual(got[0], 599)
                self.assertLessEqual(got[0], 661)
                daemon.stop()
                daemon.start()  # also over a restart
                self.silent("/other", 2, so_far)
                daemon.stop()

    def test_p20_retry_after_as_a_date_and_out_of_bounds(self):
        stamp = origin.email.utils.formatdate(time.time() + 1800, usegmt=True)
        for value, least, most in ((stamp, 1790, 1985), ("9999999", DAY - 1, DAY + 1),
                                   ("0", 59, 67)):
            with self.subTest(value=value):
                self.origin.answer("/news", origin.status(503, [("Retry-After", value)]))
                daemon = self.daemon(f"[feeds]\nnews = {{/news}}\n{self.WATCH}",
                                     folder=str(most)).start()
                self.failed(daemon)
                got = self.until_next(daemon)
                self.assertGreaterEqual(got[0], least)
                self.assertLessEqual(got[0], most)
                daemon.stop()

    def test_p20_retry_after_of_a_redirect(self):
        self.origin.feed("/there", items=items(1))
        self.origin.answer("/news", origin.status(302, [("Location", "/there"),
                                                        ("Retry-After", "900")]))
        daemon = self.run_one()
        self.polled(daemon)
        got = self.until_next(daemon)
        self.assertGreaterEqual(got[0], 899)
        self.assertIn("Retry-After", got[1])
        daemon.stop()

    def test_p21_failures_back_off(self):
        self.origin.answer("/news", origin.status(500))
        daemon = self.run_one()
        self.origin.wait(lambda: len(self.origin.requests("/news")) >= 4, 20 * bench.SLOW)
        times = [r.time for r in self.origin.requests("/news")]
        for got, base in zip([b - a for a, b in zip(times, times[1:4])], (1, 2, 4)):
            self.assertGreater(got, base * 0.78)
        daemon.stop()
        failures = self.stored(daemon)["failures"]
        daemon.start()  # it goes on where it was
        self.assertGreaterEqual(self.stored(daemon)["failures"], failures)
        daemon.stop()

    def test_p21_403_and_404_back_off_hard(self):
        for code in (403, 404):
            self.origin.answer(f"/{code}", origin.status(code))
        daemon = self.daemon(f"[feeds]\na = {{/403}}\nb = {{/404}}\n{self.WATCH}").start()
        for name in "ab":
            self.failed(daemon, name)
            self.assertGreaterEqual(self.until_next(daemon, name)[0], 480)
        daemon.stop()

    def test_p21_401_waits_for_the_user(self):
        def answer(reply):
            if reply.request.header("Authorization"):
                reply.send(200, [], rss(*items(1)))
            else:
                reply.send(401, [("WWW-Authenticate", "Basic")])
        self.origin.answer("/news", answer)
        daemon = self.run_one()
        self.failed(daemon)
        self.silent("/news", 3, 1)
        wait(lambda: self.status(daemon)["state"] == "login", 5, "the state in the store")
        self.assertEqual(daemon.stderr().count("feed_login"), 1)
        secret = os.path.join(self.folder, "secret")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write("me:open sesame\n")
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(text.replace("[watchlist]", "basic_auth = file:secret\n[watchlist]"))
        daemon.reload()
        self.origin.wait(lambda: len(self.origin.requests("/news")) >= 3, 10 * bench.SLOW)
        self.assertEqual(self.origin.requests("/news")[1].header("Authorization"),
                         "Basic bWU6b3BlbiBzZXNhbWU=")
        wait(lambda: self.status(daemon)["state"] == "ok", 5, "state ok")
        daemon.stop()

    def test_p21_a_host_whose_feeds_all_fail_is_asked_by_one_at_a_time(self):
        for i in range(10):
            self.origin.answer(f"/f{i}", origin.status(500))
        lines = "".join(f"f{i} = {{/f{i}}}\n" for i in range(10))
        daemon = self.daemon(f"[feeds]\n{lines}{self.WATCH}").start()
        wait(lambda: "host_failing" in daemon.stderr(), 15, "the host in the log")
        begin = len(self.origin.requests())
        time.sleep(6)
        # each feed alone would come two or three times; the host: after 1, 2 and 4 s
        self.assertLessEqual(len(self.origin.requests()) - begin, 8)
        self.assertEqual(daemon.stderr().count("<4>host_failing") or
                         daemon.stderr().count("host_failing"), 1)
        for i in range(10):
            self.origin.feed(f"/f{i}", items=items(1))
        wait(lambda: "host_recovered" in daemon.stderr(), 30, "the recovery")
        begin = time.monotonic()
        wait(lambda: not any(self.stored(daemon, f"f{i}")["failures"] for i in range(10)), 10,
             "all feeds of the host", 0.1)
        daemon.stop()

    def test_p22_410_stops_for_good_and_is_said_once(self):
        self.origin.answer("/news", origin.status(410))
        daemon = self.run_one()
        wait(lambda: (r := self.stored(daemon)) and r["gone"], 10, "the end of the feed")
        wait(lambda: self.status(daemon)["state"] == "gone", 5, "the state in the store")
        self.assertEqual(daemon.stderr().count("feed_gone"), 1)
        daemon.stop()
        daemon.start()
        self.silent("/news", 2, 1)
        self.assertNotIn("feed_gone", daemon.stderr())
        daemon.stop()

    def test_p23_a_lasting_redirect_is_adopted(self):
        feed = self.origin.feed("/there", items=items(3))
        self.origin.answer("/news", origin.redirect("/there", 301))
        daemon = self.run_one()
        self.polled(daemon, polls=5)
        wait(lambda: not self.status(daemon)["effective_url"], 5, "the way back")
        daemon.stop()
        self.alter(daemon, moved_since_ms=f"moved_since_ms - {2 * DAY * 1000}", due_ms=1)
        before = len(feed.requests())
        daemon.start()
        wait(lambda: self.stored(daemon)["effective_url"], 10, "the adoption", 0.05)
        so_far, later = len(self.origin.requests("/news")), len(feed.requests())
        self.origin.wait(lambda: len(feed.requests()) > later + 2, 10 * bench.SLOW)
        self.assertEqual(len(self.origin.requests("/news")), so_far)
        # the first one was by way of the redirect
        self.assertIn(None, [r.header("If-None-Match") for r in feed.requests()[before + 1:]])
        self.assertEqual(daemon.stderr().count("feed_moved"), 1)
        # When that place is lost it goes back to what the user wrote.
        self.origin.answer("/there", origin.status(404))
        self.origin.feed("/news", items=items(3))
        wait(lambda: not self.stored(daemon)["effective_url"], 10, "the way back", 0.05)
        daemon.stop()

    def test_p23_a_passing_redirect_never_is(self):
        self.origin.feed("/there", items=items(3))
        self.origin.answer("/news", origin.redirect("/there", 302))
        daemon = self.run_one()
        self.polled(daemon, polls=4)
        self.assertIsNone(self.stored(daemon)["moved_to"])
        daemon.stop()

    def test_p23_what_is_no_feed_is_not_adopted(self):
        self.origin.answer("/there", origin.status(200, [("Content-Type", "text/html")],
                                                   b"<html><body>parked</body></html>"))
        self.origin.answer("/news", origin.redirect("/there", 301))
        daemon = self.run_one()
        wait(lambda: (r := self.stored(daemon)) and r["failures"] >= 2, 15, "failures", 0.05)
        self.assertIsNone(self.stored(daemon)["moved_to"])
        daemon.stop()

    def test_p23_no_more_than_five_hops(self):
        for n in range(6):
            self.origin.answer(f"/h{n}", origin.redirect(f"/h{n + 1}"))
        self.origin.answer("/news", origin.redirect("/h0"))
        self.origin.feed("/h6", items=items(1))
        daemon = self.run_one()
        self.assertIn("redirects", self.failed(daemon)["error"])
        self.assertFalse(self.origin.requests("/h5"))
        daemon.stop()

    def hint(self, there):
        """A document that says where it lives now, for two days."""
        known = items(5)
        self.origin.feed("/news", document=rss(*known, extra="<itunes:new-feed-url "
                         'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd">'
                         f"{self.origin.url('/there')}</itunes:new-feed-url>"))
        self.origin.feed("/there", document=rss(*there(known)))
        daemon = self.run_one()
        self.polled(daemon, polls=4)
        self.assertFalse(self.origin.requests("/there"))
        daemon.stop()
        self.alter(daemon, moved_since_ms=f"moved_since_ms - {2 * DAY * 1000}", due_ms=1)
        daemon.start()
        self.origin.wait(lambda: self.origin.requests("/there"), 10 * bench.SLOW)
        return daemon

    def test_p23_a_hint_in_the_document_is_tried_first(self):
        new = [Item("Putin and Xi, there", guid="urn:new")]
        daemon = self.hint(lambda known: new + known)
        wait(lambda: self.stored(daemon)["effective_url"], 10, "the adoption", 0.05)
        self.expect_titles(daemon, ["Putin and Xi, there"])
        daemon.stop()

    def test_p23_a_hint_to_another_feed_is_refused(self):
        other = [Item(f"Putin and Xi {n}", guid=f"urn:other:{n}") for n in range(5)]
        daemon = self.hint(lambda known: other)
        wait(lambda: "feed_move_refused" in daemon.stderr(), 10, "the refusal")
        self.assertIsNone(self.stored(daemon)["effective_url"])
        self.assertEqual(daemon.titles(), [])
        self.assertEqual(len(self.origin.requests("/there")), 1)
        daemon.stop()

    def test_p23_links_of_the_header_are_hints_too(self):
        there = self.origin.url("/there")
        self.origin.feed("/news", items=items(2), headers=[
            ("Link", f'<{there}>; rel="self", </hub>; rel=hub')])
        daemon = self.run_one()
        self.polled(daemon)
        daemon.stop()
        self.assertEqual(self.stored(daemon)["moved_to"], there)
        self.assertFalse(self.origin.requests("/there"))
        detail = daemon.command("status", "-c", daemon.config, "--feed", "news")[1]
        self.assertRegex(detail, rf"said to be at +{there}\n")
        self.assertRegex(detail, rf"\nhub +{self.origin.url('/hub')}\n")
        self.assertEqual(self.status(daemon)["hub"], self.origin.url("/hub"))

    def test_p24_a_page_is_an_error_with_a_hint(self):
        page = (b'<html><head><link rel="alternate" type="application/rss+xml" '
                b'href="/real.xml"></head><body>x</body></html>')
        self.origin.answer("/news", origin.status(200, [("Content-Type", "text/html")], page))
        daemon = self.run_one()
        self.assertIn("/real.xml", self.failed(daemon)["error"])
        daemon.stop()

    def test_p25_failing_and_recovery_are_told_once(self):
        feed = self.origin.feed("/news", items=items(2))
        self.origin.answer("/news", feed, origin.status(500))
        daemon = self.run_one("broken_after = 3s\n")
        wait(lambda: "feed_failing" in daemon.stderr(), 15, "the notice")
        wait(lambda: self.status(daemon)["state"] == "broken", 5, "the state in the store")
        daemon.stop()
        first = daemon.stderr()
        daemon.start()  # not again after a restart
        polls = self.stored(daemon)["polls"]
        self.polled(daemon, polls=polls + 1)
        self.assertNotIn("feed_failing", daemon.stderr())
        self.origin.answer("/news", feed)
        wait(lambda: "feed_recovered" in daemon.stderr(), 25, "the recovery")
        self.polled(daemon, polls=self.stored(daemon)["polls"] + 2)
        self.assertEqual(daemon.stderr().count("feed_recovered"), 1)
        self.assertEqual(first.count("feed_failing"), 1)
        daemon.stop()

    def test_p25_a_strange_silence_is_told_once(self):
        feed = self.origin.feed("/news", document=rss(*items(20, newest=time.time() - 9 * DAY)))
        daemon = self.run_one()
        wait(lambda: "feed_silent" in daemon.stderr(), 10, "the notice")
        wait(lambda: self.status(daemon)["state"] == "silent", 5, "the state in the store")
        self.polled(daemon, polls=3)
        self.assertEqual(daemon.stderr().count("feed_silent"), 1)
        feed.replace(document=rss(*items(1), *items(19, start=5, newest=time.time() - 9 * DAY)))
        wait(lambda: self.status(daemon)["state"] == "ok", 10, "the end of the silence")
        daemon.stop()


class Limits(polite.Test):
    """Limits, addresses, certificates."""

    def why(self, more, answer):
        self.origin.answer("/news", answer)
        daemon = self.run_one(more)
        error = wait(lambda: (r := self.stored(daemon)) and r["error"], 20, "the reason", 0.05)
        daemon.stop()
        return error

    def test_p30_total_deadline(self):
        body = rss(*items(50))
        self.assertIn("time", self.why("timeout = 2s\n", origin.drip(body, 10, 0.1)).lower())

    def test_p30_low_speed(self):
        body = rss(*items(50))
        why = self.why("low_speed = 1K\nlow_speed_time = 2s\n", origin.drip(body, 10, 0.1))
        self.assertRegex(why, "(?i)too slow|less than")

    def test_p30_connect_timeout(self):
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fill = [socket.socket() for _ in range(4)]
        for s in fill:
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        daemon = self.daemon(f"[feed:news]\nurl = http://127.0.0.1:{full.getsockname()[1]}/\n"
                             f"connect_timeout = 1s\n{self.WATCH}").start()
        begin = time.monotonic()
        error = wait(lambda: (r := self.stored(daemon)) and r["error"], 10, "the reason", 0.05)
        self.assertRegex(error, "(?i)timed? ?out|timeout")
        self.assertLess(bench.took(begin), 5 * bench.SLOW)
        daemon.stop()
        for s in [*fill, full]:
            s.close()

    def test_p30_bytes(self):
        self.assertIn("larger than", self.why("max_bytes = 8K\n",
                                              origin.status(200, [], rss(*items(200)))))

    def test_p30_items(self):
        why = self.why("max_items = 10\n", origin.status(200, [], rss(*items(50))))
        self.assertIn("item", why)

    def test_p30_depth(self):
        deep = b"<a>" * 200000 + b"</a>" * 200000
        inside = Item(xml="<item><guid>urn:d</guid><x>" + "<a>" * 30 +
                          "<title>Putin and Xi, too deep</title>" + "</a>" * 30 +
                          "</x><title>Putin and Xi, not deep</title></item>")
        feed = self.origin.feed("/news", document=rss(*items(1)))
        daemon = self.run_one("max_depth = 20\n")
        self.learnt(feed)
        feed.replace(document=rss(inside, *items(1)).replace(b"<item>", deep + b"<item>", 1))
        self.polled(daemon, polls=self.stored(daemon)["polls"] + 3)
        why = self.stored(daemon)["error"] or ""
        if not re.search("deep|depth|nest", why):  # what is too deep was left out
            self.expect_titles(daemon, ["Putin and Xi, not deep"])
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
            peak = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))
        self.assertLess(peak, 64 << 10 if bench.SLOW == 1 else 1 << 20)
        daemon.stop()

    def test_p30_text(self):
        long = Item("Putin and " + "x" * 5000 + " Xi", guid="urn:long")
        feed = self.origin.feed("/news", document=rss(*items(1)))
        daemon = self.run_one("max_text = 1K\n")
        self.learnt(feed)
        feed.replace(document=rss(long, Item("Putin and Xi, short", guid="urn:s"), *items(1)))
        self.expect_titles(daemon, ["Putin and Xi, short"])  # the long one was cut
        daemon.stop()

    def test_p31_only_public_addresses(self):
        self.origin.feed("/news", items=items(1))
        daemon = self.daemon("[feedwatch]\nallow_private = no\n[feeds]\nnews = {/news}\n"
                             + self.WATCH)
        daemon.once()
        self.assertEqual(self.origin.connections, 0)
        self.assertIn("loopback", self.stored(daemon)["error"])

    def test_p31_only_http_also_after_redirects(self):
        for to in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/"):
            with self.subTest(to=to):
                self.origin.answer("/news", origin.redirect(to))
                daemon = self.daemon(f"[feeds]\nnews = {{/news}}\n{self.WATCH}",
                                     folder=to[:4])
                daemon.once()
                self.assertIn("neither http nor https", self.stored(daemon)["error"])

    def tls_origin(self):
        key = os.path.join(self.folder, "tls.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", key + ".crt"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(key + ".crt", key)
        body = rss(*items(1))
        port = bench.serve_sockets(self, lambda sock: bench.answer_tls(context, sock, body))
        return f"https://127.0.0.1:{port}/", key + ".crt"

    def test_p32_certificates_are_verified(self):
        url, crt = self.tls_origin()
        daemon = self.daemon(f"[feed:bad]\nurl = {url}\n[feed:good]\nurl = {url}?\n"
                             f"ca_file = {crt}\n{self.WATCH}")
        daemon.once()
        self.assertRegex(self.stored(daemon, "bad")["error"], "(?i)certificate|ssl")
        self.assertEqual(self.stored(daemon, "bad")["http_status"], 0)
        self.assertEqual(self.stored(daemon, "good")["http_status"], 200)
        code, _, err = daemon.command("check", "-c", daemon.config)
        self.assertEqual(code, 0, err)


class Reporting(polite.Test):
    def test_p40_status_shows_what_was_asked_and_answered(self):
        feed = self.origin.feed("/news", items=items(3))
        daemon = self.run_one()
        self.learnt(feed)
        self.polled(daemon, polls=2)  # the answer has been read, too
        daemon.stop()
        s = self.status(daemon)
        served = feed.requests()
        self.assertEqual(s["http_status"], 304)
        self.assertEqual(s["etag"], feed.etag)
        self.assertEqual(s["last_modified"], feed.last_modified)
        day = s["last_24h"]
        done = len([r for r in served if r.status])
        self.assertIn(day["requests"], (done - 1, done))
        self.assertEqual(day["requests"] - day["not_modified"], 1)
        self.assertGreater(day["bytes"], len(feed.body))
        self.assertTrue(s["next_poll"] and s["next_why"])
        code, out, _ = daemon.command("status", "-c", daemon.config, "--feed", "news")
        self.assertEqual(code, 0)
        self.assertIn(feed.etag, out)


if __name__ == "__main__":
    bench.main()
