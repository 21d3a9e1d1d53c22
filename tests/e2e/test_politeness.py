#!/usr/bin/env python3
"""The contract with publishers, P01 to P13: what is asked, and when.  The methods test_pNN_...
show that line PNN holds; tests/frb prints the table.  The origin records what was sent."""
import signal
import statistics
import threading
import time

import bench
from bench import wait
import origin
import polite
from polite import DAY, HOUR, items, rss


class Asking(polite.Test):
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
        self.assertGreater(self.stored(daemon)["full_due_ms"], 0)  # it survives restarts

    def test_p04_p05_p06_headers_of_a_request(self):
        feed = self.origin.feed("/news", items=items(2), headers=[("Set-Cookie", "a=b")])
        daemon = self.run_one(general="contact = https://who.example.org/feeds\n")
        self.learnt(feed)
        for request in feed.requests():
            self.assertRegex(request.header("User-Agent"),
                             r"^feedwatch/\d+\.\d+\.\d+ \(\+https://who\.example\.org/feeds\)$")
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
        return wait(lambda: (r := self.stored(daemon)) and r["error"], 10, "a failure", 0.05)

    def test_p05_no_url_that_nobody_has_set(self):
        feed = self.origin.feed("/news", items=items(2))
        daemon = self.run_one()
        self.learnt(feed)
        self.assertRegex(feed.requests()[0].header("User-Agent"),
                         r"^feedwatch/\d+\.\d+\.\d+$")
        daemon.stop()

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


class When(polite.Test):
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
        # of the daemon's pace; when we hear of a request may be a little later
        gaps = [b - a for a, b in zip(times, times[1:])]
        self.assertGreater(statistics.median(gaps), 0.15)
        self.assertGreater(times[11] - times[0], 11 * 0.2 - 0.5)
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


if __name__ == "__main__":
    bench.main()
