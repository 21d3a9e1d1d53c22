#!/usr/bin/env python3
"""The contract with publishers, line by line: the methods test_pNN_... show that line PNN
holds; tests/frb prints the table.  The origin records what was sent."""
import datetime
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time

import bench
from bench import Item, wait
import origin

HOUR = 3600
DAY = 24 * HOUR


def rss(*items, extra=""):
    """An RSS document with `extra` inside its channel."""
    body = origin.document("rss", "Feed", [])
    text = body.decode().replace("<description>-</description>",
                                 "<description>-</description>" + extra)
    inner = "".join(origin.item_xml("rss", i) for i in items)
    return text.replace("</channel>", inner + "</channel>").encode()


def items(n, start=0, every=HOUR, newest=None):
    """n items, the newest first, published `every` seconds apart."""
    newest = time.time() - 60 if newest is None else newest
    return [Item(f"item {start + i}", guid=f"urn:{start + i}", published=newest - i * every,
                 link=f"http://127.0.0.1/{start + i}", summary=f"What happened {start + i}, in words")
            for i in range(n)]


class Test(bench.Test):
    WATCH = "[watchlist]\nsummit = Putin AND Xi\n"

    def status(self, daemon, name="news"):
        running = daemon.stderr_path
        code, out, err = daemon.command("status", "-c", daemon.config, "--json", "--feed", name)
        daemon.stderr_path = running
        self.assertEqual(code, 0, err)
        found = json.loads(out)["feeds"]
        self.assertEqual(len(found), 1)
        return found[0]

    def until_next(self, daemon, name="news"):
        """Seconds from the last poll to the next, and why."""
        s = self.status(daemon, name)
        at = [datetime.datetime.fromisoformat(s[k].replace("Z", "+00:00"))
              for k in ("last_poll", "next_poll")]
        return (at[1] - at[0]).total_seconds(), s["next_why"]

    def polled(self, daemon, name="news", polls=1):
        """Wait until so many polls are in the store."""
        return wait(lambda: (row := self.row(daemon, name)) and row["polls"] >= polls and row,
                    10, f"poll {polls} of {name}", 0.05)

    def row(self, daemon, name="news"):
        path = os.path.join(daemon.state, "feedwatch.db")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            db.row_factory = sqlite3.Row
            found = db.execute("SELECT * FROM feed WHERE name = ?", (name,)).fetchone()
        db.close()
        return found

    def alter(self, daemon, name="news", **columns):
        """Make the store of a stopped daemon say something else: as if time had passed."""
        db = sqlite3.connect(os.path.join(daemon.state, "feedwatch.db"))
        sets = ", ".join(f"{c} = {v}" for c, v in columns.items())
        db.execute(f"UPDATE feed SET {sets} WHERE name = ?", (name,))
        db.commit()
        db.close()

    def silent(self, path, seconds, so_far):
        time.sleep(seconds)
        self.assertEqual(len(self.origin.requests(path)), so_far)

    def run_one(self, more="", general=""):
        return self.daemon(f"[feedwatch]\n{general}[feed:news]\nurl = {{/news}}\n{more}"
                           + self.WATCH).start()


class Asking(Test):
    """What a request says."""

    def test_p01_validators_come_back_as_a_pair(self):
        tag, date = 'W/"odd, \\ one"', "some day in May"
        feed = self.origin.feed("/news", items=items(2), etag=lambda v: tag,
                                last_modified=lambda v: date)
        daemon = self.run_one()
        self.origin.wait(lambda: len(feed.requests()) >= 2, 10 * bench.SLOW)
        self.assertEqual(feed.requests()[1].header("If-None-Match"), tag)
        self.assertEqual(feed.requests()[1].header("If-Modified-Since"), date)
        daemon.stop()

    def test_p02_another_url_gets_no_old_validators(self):
        old = self.origin.feed("/news", items=items(3))
        new = self.origin.feed("/other", items=items(3))
        daemon = self.run_one()
        self.learnt(old)
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(text.replace("/news", "/other"))
        daemon.reload()
        self.learnt(new)
        self.assertIsNone(new.requests()[0].header("If-None-Match"))
        self.assertIsNone(new.requests()[0].header("If-Modified-Since"))
        daemon.stop()

    def test_p03_a_304_may_bring_new_validators(self):
        feed = self.origin.feed("/news", items=items(2))
        self.origin.answer("/news", feed,
                           origin.status(304, [("ETag", '"renewed"')]), feed)
        daemon = self.run_one()
        self.origin.wait(lambda: len(feed.requests()) >= 3, 10 * bench.SLOW)
        self.assertEqual(feed.requests()[2].header("If-None-Match"), '"renewed"')
        daemon.stop()

    def test_p03_a_server_stuck_on_304_is_asked_for_all_now_and_then(self):
        feed = self.origin.feed("/news", items=items(2))
        self.origin.answer("/news", feed, origin.status(304))
        daemon = self.run_one("full_fetch = 4s\n")
        self.origin.wait(lambda: len(feed.requests()) >= 4, 15 * bench.SLOW)
        self.assertTrue(all(r.header("If-None-Match") for r in feed.requests()[1:3]))
        later = self.origin.wait(lambda: [r for r in feed.requests()[1:]
                                          if not r.header("If-None-Match")], 10 * bench.SLOW)
        self.assertGreater(later[0].time - feed.requests()[0].time, 3.0)
        daemon.stop()
        feed.replace(items(2))
        self.origin.answer("/news", feed)
        self.assertGreater(self.row(daemon)["full_due_ms"], 0)  # it survives restarts

    def test_p04_p05_p06_headers_of_a_request(self):
        feed = self.origin.feed("/news", items=items(2), headers=[("Set-Cookie", "a=b")])
        daemon = self.run_one()
        self.learnt(feed)
        for request in feed.requests():
            self.assertRegex(request.header("User-Agent"),
                             r"^feedwatch/\d+\.\d+\.\d+ \(\+https?://\S+\)$")
            self.assertIn("gzip", request.header("Accept-Encoding"))
            self.assertRegex(request.header("Accept"), r"^application/atom\+xml, ")
            for absent in ("Cookie", "Referer", "Authorization"):
                self.assertIsNone(request.header(absent))
        self.assertEqual(self.origin.connections, 1)  # reused
        daemon.stop()

    def test_p04_the_decoded_size_counts(self):
        body = rss(*items(500))
        self.origin.feed("/news", document=body + b"<!--" + b" " * 400000 + b"-->",
                         coding="gzip")
        daemon = self.run_one("max_bytes = 128K\n")
        problem = self.problem(daemon)
        self.assertIn("larger than", problem)
        daemon.stop()

    def problem(self, daemon):
        return wait(lambda: (r := self.row(daemon)) and r["error"], 10, "a failure", 0.05)

    def test_p05_user_agent_of_a_feed(self):
        feed = self.origin.feed("/news", items=items(2))
        daemon = self.run_one("user_agent = tester/1 (+https://example.org/)\n")
        self.learnt(feed)
        self.assertEqual(feed.requests()[0].header("User-Agent"),
                         "tester/1 (+https://example.org/)")
        daemon.stop()

    def test_p06_226_is_an_answer(self):
        self.origin.answer("/news", origin.status(226, [("Content-Type", "application/rss+xml")],
                                                  rss(*items(2))))
        daemon = self.run_one()
        self.assertEqual(self.polled(daemon)["items"], 2)
        daemon.stop()


class When(Test):
    """When the next poll is."""

    def asked(self, *headers, extra="", more="", general=""):
        """Poll a feed once with these wishes of its publisher; how long until the next?"""
        self.origin.feed("/news", headers=headers, document=rss(*items(3), extra=extra))
        daemon = self.run_one("interval = 15m\nmax_interval = 1d\n" + more, general)
        self.polled(daemon)
        got = self.until_next(daemon)
        daemon.stop()
        return got

    def between(self, got, least, most, why):
        self.assertGreaterEqual(got[0], least - 1)
        self.assertLessEqual(got[0], most + 1)
        self.assertIn(why, got[1])

    def test_p10_the_interval(self):
        self.between(self.asked(), 810, 990, "interval")

    def test_p10_max_age_less_age(self):
        self.between(self.asked(("Cache-Control", "public, max-age=9000"), ("Age", "1800")),
                     7200, 7920, "Cache-Control")

    def test_p10_expires(self):
        now = time.time()
        stamp = lambda t: origin.email.utils.formatdate(t, usegmt=True)  # noqa: E731
        self.between(self.asked(("Date", stamp(now)), ("Expires", stamp(now + 7200))),
                     7195, 7925, "Expires")

    def test_p10_ttl(self):
        self.between(self.asked(extra="<ttl>120</ttl>"), 7200, 7920, "ttl")

    def test_p10_update_period(self):
        self.between(self.asked(extra='<sy:updatePeriod xmlns:sy="http://purl.org/rss/1.0/modules/'
                                      'syndication/">hourly</sy:updatePeriod>'),
                     3600, 3960, "updatePeriod")

    def test_p10_never_above_max_interval(self):
        self.between(self.asked(("Cache-Control", "max-age=999999")), 0.9 * DAY, DAY,
                     "max_interval")

    def test_p10_never_below_min_interval(self):
        self.between(self.asked(more="min_interval = 15m\n"), 900, 990, "interval")

    def test_p10_skip_hours(self):
        hour = int(time.time() // HOUR)
        skipped = "".join(f"<hour>{(hour + n) % 24}</hour>" for n in range(3))
        got = self.asked(extra=f"<skipHours>{skipped}</skipHours>")
        self.assertIn("skipHours", got[1])
        self.between(got, (hour + 3) * HOUR - time.time() - 5, 3 * HOUR + 1900, "skip")

    def test_p10_what_was_asked_holds_after_a_304(self):
        feed = self.origin.feed("/news", document=rss(*items(3), extra="<ttl>120</ttl>"))
        daemon = self.run_one("interval = 15m\n")
        self.polled(daemon)
        daemon.stop()
        self.alter(daemon, due_ms=1)
        daemon.start()
        self.polled(daemon, polls=2)
        self.assertEqual(feed.requests()[1].status, 304)
        self.between(self.until_next(daemon), 7200, 7920, "ttl")
        daemon.stop()

    def test_p11_auto_follows_the_rhythm(self):
        self.origin.feed("/news", document=rss(*items(20, every=4 * HOUR)))
        daemon = self.run_one("interval = auto\nmax_interval = 1d\n")
        self.polled(daemon)
        self.between(self.until_next(daemon), 1.8 * HOUR, 2.2 * HOUR, "rhythm")
        daemon.stop()

    def test_p11_a_gap_shortens_at_once(self):
        feed = self.origin.feed("/news", document=rss(*items(10)))
        daemon = self.run_one("interval = 16m\n")
        self.polled(daemon)
        for n, most in ((1, 8), (2, 4)):
            daemon.stop()
            feed.replace(document=rss(*items(10, start=1000 * n)))
            self.alter(daemon, due_ms=1)
            daemon.start()
            self.polled(daemon, polls=n + 1)
            self.between(self.until_next(daemon), most * 54, most * 66, "missed")
            wait(lambda: self.status(daemon)["gaps"] == n, 5, "the gaps in the store")
        daemon.stop()

    def test_p12_a_start_is_spread_and_a_host_is_spaced(self):
        names = [f"/f{i}" for i in range(12)]
        for name in names:
            self.origin.feed(name, items=items(1))
        feeds = "".join(f"f{i} = {{{n}}}\n" for i, n in enumerate(names))
        daemon = self.daemon("[feedwatch]\nhost_interval = 200ms\ninterval = 1h\n"
                             f"max_interval = 1d\n[feeds]\n{feeds}{self.WATCH}").start()
        self.origin.wait(lambda: len(self.origin.requests()) >= 12, 15 * bench.SLOW)
        times = sorted(r.time for r in self.origin.requests())
        for a, b in zip(times, times[1:]):
            self.assertGreater(b - a, 0.15)
        self.assertLessEqual(self.origin.connections, 2)
        for i in range(12):
            self.polled(daemon, f"f{i}")
        waits = [self.until_next(daemon, f"f{i}")[0] for i in range(12)]
        self.assertGreater(max(waits) - min(waits), 60)  # jitter
        daemon.stop()

    def test_p12_two_at_once_from_one_host(self):
        self.flying, self.most, lock = 0, 0, threading.Lock()

        def answer(reply):
            with lock:
                self.flying += 1
                self.most = max(self.most, self.flying)
            time.sleep(0.2)
            with lock:
                self.flying -= 1
            reply.send(200, [], rss(*items(1)))
        for i in range(8):
            self.origin.answer(f"/f{i}", answer)
        feeds = "".join(f"f{i} = {{/f{i}}}\n" for i in range(8))
        daemon = self.daemon("[feedwatch]\nhost_interval = 1ms\ninterval = 1h\n"
                             f"max_interval = 1d\n[feeds]\n{feeds}{self.WATCH}").start()
        self.origin.wait(lambda: len(self.origin.requests()) >= 8, 15 * bench.SLOW)
        self.assertEqual(self.most, 2)
        daemon.stop()

    def test_p13_a_restart_and_a_reload_poll_nothing_early(self):
        self.origin.feed("/news", items=items(2))
        daemon = self.run_one("interval = 1h\nmax_interval = 1d\n")
        self.polled(daemon)
        daemon.reload()
        time.sleep(0.5)
        for _ in range(2):
            daemon.stop()
            daemon.start()
            time.sleep(1)
        daemon.kill()
        daemon.start()
        self.silent("/news", 1.5, 1)
        daemon.stop()

    def test_p13_after_a_sleep_what_is_overdue_is_spread(self):
        feeds = [self.origin.feed(f"/f{i}", items=items(1)) for i in range(40)]
        lines = "".join(f"f{i} = {{/f{i}}}\n" for i in range(40))
        daemon = self.daemon(f"[feeds]\n{lines}{self.WATCH}").start()
        self.learnt(*feeds)
        daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(30)  # a turn of the loop takes 5 s at most; 20 s more is sleep
        before = len(self.origin.requests())
        daemon.process.send_signal(signal.SIGCONT)
        woke = time.monotonic()
        wait(lambda: "woke_up" in daemon.stderr(), 5, "the wake-up in the log")
        self.origin.wait(lambda: len(self.origin.requests()) > before + 45, 15 * bench.SLOW)
        first = [r for r in self.origin.requests()[before:] if r.time < woke + 0.5]
        self.assertLess(len(first), 20)  # of 40 that were overdue
        daemon.stop()


class Errors(Test):
    """What follows when things go wrong."""

    def failed(self, daemon, name="news"):
        return wait(lambda: (r := self.row(daemon, name)) and r["failures"] and r, 10,
                    f"failure of {name}", 0.05)

    def test_p20_retry_after_holds_for_the_whole_host(self):
        for code in (429, 503):
            with self.subTest(code=code):
                self.origin.answer("/news", origin.status(code, [("Retry-After", "600")]))
                other = self.origin.feed("/other", items=items(1))
                daemon = self.daemon(f"[feeds]\nnews = {{/news}}\nother = {{/other}}\n{self.WATCH}",
                                     folder=str(code)).start()
                self.failed(daemon)
                time.sleep(0.3)  # what was under way
                so_far = len(other.requests())
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
        failures = self.row(daemon)["failures"]
        daemon.start()  # it goes on where it was
        self.assertGreaterEqual(self.row(daemon)["failures"], failures)
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
        wait(lambda: not any(self.row(daemon, f"f{i}")["failures"] for i in range(10)), 10,
             "all feeds of the host", 0.1)
        daemon.stop()

    def test_p22_410_stops_for_good_and_is_said_once(self):
        self.origin.answer("/news", origin.status(410))
        daemon = self.run_one()
        wait(lambda: (r := self.row(daemon)) and r["gone"], 10, "the end of the feed")
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
        daemon.start()
        wait(lambda: self.row(daemon)["effective_url"], 10, "the adoption", 0.05)
        time.sleep(0.3)
        so_far, later = len(self.origin.requests("/news")), len(feed.requests())
        self.origin.wait(lambda: len(feed.requests()) > later + 2, 10 * bench.SLOW)
        self.assertEqual(len(self.origin.requests("/news")), so_far)
        self.assertIn(None, [r.header("If-None-Match") for r in feed.requests()[later - 1:]])
        self.assertEqual(daemon.stderr().count("feed_moved"), 1)
        # When that place is lost it goes back to what the user wrote.
        self.origin.answer("/there", origin.status(404))
        self.origin.feed("/news", items=items(3))
        wait(lambda: not self.row(daemon)["effective_url"], 10, "the way back", 0.05)
        daemon.stop()

    def test_p23_a_passing_redirect_never_is(self):
        self.origin.feed("/there", items=items(3))
        self.origin.answer("/news", origin.redirect("/there", 302))
        daemon = self.run_one()
        self.polled(daemon, polls=4)
        self.assertIsNone(self.row(daemon)["moved_to"])
        daemon.stop()

    def test_p23_what_is_no_feed_is_not_adopted(self):
        self.origin.answer("/there", origin.status(200, [("Content-Type", "text/html")],
                                                   b"<html><body>parked</body></html>"))
        self.origin.answer("/news", origin.redirect("/there", 301))
        daemon = self.run_one()
        wait(lambda: (r := self.row(daemon)) and r["failures"] >= 2, 15, "failures", 0.05)
        self.assertIsNone(self.row(daemon)["moved_to"])
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
        wait(lambda: self.row(daemon)["effective_url"], 10, "the adoption", 0.05)
        self.expect_titles(daemon, ["Putin and Xi, there"])
        daemon.stop()

    def test_p23_a_hint_to_another_feed_is_refused(self):
        other = [Item(f"Putin and Xi {n}", guid=f"urn:other:{n}") for n in range(5)]
        daemon = self.hint(lambda known: other)
        wait(lambda: "feed_move_refused" in daemon.stderr(), 10, "the refusal")
        self.assertIsNone(self.row(daemon)["effective_url"])
        self.assertEqual(daemon.titles(), [])
        self.assertEqual(len(self.origin.requests("/there")), 1)
        daemon.stop()

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
        polls = self.row(daemon)["polls"]
        self.polled(daemon, polls=polls + 1)
        self.assertNotIn("feed_failing", daemon.stderr())
        self.origin.answer("/news", feed)
        wait(lambda: "feed_recovered" in daemon.stderr(), 25, "the recovery")
        self.polled(daemon, polls=self.row(daemon)["polls"] + 2)
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


class Limits(Test):
    """Limits, addresses, certificates."""

    def why(self, more, answer):
        self.origin.answer("/news", answer)
        daemon = self.run_one(more)
        error = wait(lambda: (r := self.row(daemon)) and r["error"], 20, "the reason", 0.05)
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
        error = wait(lambda: (r := self.row(daemon)) and r["error"], 10, "the reason", 0.05)
        self.assertRegex(error, "(?i)timed? ?out|timeout")
        self.assertLess(time.monotonic() - begin, 5 * bench.SLOW)
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
        self.polled(daemon, polls=self.row(daemon)["polls"] + 3)
        why = self.row(daemon)["error"] or ""
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
        self.assertIn("loopback", self.row(daemon)["error"])

    def test_p31_only_http_also_after_redirects(self):
        for to in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/"):
            with self.subTest(to=to):
                self.origin.answer("/news", origin.redirect(to))
                daemon = self.daemon(f"[feeds]\nnews = {{/news}}\n{self.WATCH}",
                                     folder=to[:4])
                daemon.once()
                self.assertIn("neither http nor https", self.row(daemon)["error"])

    def tls_origin(self):
        key = os.path.join(self.folder, "tls.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", key + ".crt"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(key + ".crt", key)
        listen = socket.create_server(("127.0.0.1", 0))
        body = rss(*items(1))

        def serve():
            while True:
                try:
                    sock, _ = listen.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(sock, server_side=True) as tls:
                        tls.recv(65536)
                        tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                    b"Content-Length: %d\r\n\r\n" % len(body) + body)
                except OSError:
                    pass
        threading.Thread(target=serve, daemon=True).start()
        self.addCleanup(listen.close)
        return f"https://127.0.0.1:{listen.getsockname()[1]}/", key + ".crt"

    def test_p32_certificates_are_verified(self):
        url, crt = self.tls_origin()
        daemon = self.daemon(f"[feed:bad]\nurl = {url}\n[feed:good]\nurl = {url}?\n"
                             f"ca_file = {crt}\n{self.WATCH}")
        daemon.once()
        self.assertRegex(self.row(daemon, "bad")["error"], "(?i)certificate|ssl")
        self.assertEqual(self.row(daemon, "bad")["http_status"], 0)
        self.assertEqual(self.row(daemon, "good")["http_status"], 200)
        code, _, err = daemon.command("check", "-c", daemon.config)
        self.assertEqual(code, 0, err)


class Reporting(Test):
    def test_p40_status_shows_what_was_asked_and_answered(self):
        feed = self.origin.feed("/news", items=items(3))
        daemon = self.run_one()
        self.learnt(feed)
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


class Access(Test):
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
        self.assertGreaterEqual(self.row(daemon)["not_modified"], 2)
        with open(path + ".new", "wb") as file:
            file.write(rss(Item("Putin and Xi, on file", guid="urn:n"), *items(2)))
        os.replace(path + ".new", path)
        self.expect_titles(daemon, ["Putin and Xi, on file"])
        os.remove(path)
        wait(lambda: self.row(daemon)["failures"], 10, "the missing file", 0.05)
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
        self.assertEqual(self.row(daemon, "far")["http_status"], 200)
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

    def test_a_silent_name_server_delays_nobody(self):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))  # never answers
        self.addCleanup(server.close)
        feed = self.origin.feed("/canary", items=items(1))
        lines = "".join(f"dead{i} = http://dead{i}.example/\n" for i in range(100))
        daemon = self.daemon(f"[feedwatch]\ndns_servers = 127.0.0.1:{server.getsockname()[1]}\n"
                             f"[feeds]\ncanary = {{/canary}}\n{lines}{self.WATCH}").start()
        self.learnt(feed)
        time.sleep(12)
        times = [r.time for r in feed.requests()]
        worst = max(b - a for a, b in zip(times, times[1:]))
        self.assertLess(worst, 1.1 + 1.0 * bench.SLOW)  # its interval and at most 1 s
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
            threads = int(re.search(r"Threads:\s+(\d+)", file.read()).group(1))
        self.assertLess(threads, 10)  # names cost no thread
        daemon.stop()


if __name__ == "__main__":
    bench.main()
