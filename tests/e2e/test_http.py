#!/usr/bin/env python3
"""What is sent to publishers: conditional requests, headers, spacing after errors."""
import time

import bench
from bench import Item
import origin


class Conditional(bench.Test):
    CONFIG = "[feeds]\nnews = {/news}\n[watchlist]\nsummit = Putin AND Xi\n"

    def run_feed(self, **how):
        self.feed = self.origin.feed("/news", items=[Item("old")], **how)
        return self.daemon(self.CONFIG).start()

    def after(self, n, seconds=10):
        """The first n requests, once they were answered."""
        done = self.origin.wait(lambda: len([r for r in self.feed.requests() if r.done]) >= n
                                and self.feed.requests(), seconds * bench.SLOW, f"{n} requests")
        return done[:n]

    def validators(self, request):
        return request.header("If-None-Match"), request.header("If-Modified-Since")

    def test_exact_strings_come_back(self):
        etag = 'W/"a, b;\\c \'=%41~"'
        date = "Tue, 21 Jan 2025 09:00:00 GMT"
        daemon = self.run_feed(etag=lambda v: etag, last_modified=lambda v: date)
        requests = self.after(3)
        self.assertEqual(self.validators(requests[0]), (None, None))
        self.assertEqual(self.validators(requests[1]), (etag, date))
        self.assertEqual(self.validators(requests[2]), (etag, date))
        self.assertEqual([r.status for r in requests], [200, 304, 304])
        daemon.stop()
        daemon.start()  # they are in the store
        requests = self.after(len(requests) + 1)
        self.assertEqual(self.validators(requests[-1]), (etag, date))
        daemon.stop()

    def test_odd_strings_are_not_mended(self):
        etag, date = "no-quotes-at-all", "21 janvier 2025, 9h"
        daemon = self.run_feed(etag=lambda v: etag, last_modified=lambda v: date)
        self.assertEqual(self.validators(self.after(2)[1]), (etag, date))
        daemon.stop()

    def test_only_one_of_the_two(self):
        daemon = self.run_feed(etag=False, last_modified=True)
        self.assertEqual(self.validators(self.after(2)[1]), (None, self.feed.last_modified))
        daemon.stop()

    def test_only_etag(self):
        daemon = self.run_feed(etag=True, last_modified=False)
        self.assertEqual(self.validators(self.after(2)[1]), (self.feed.etag, None))
        daemon.stop()

    def test_none_given_none_sent(self):
        daemon = self.run_feed(etag=False, last_modified=False)
        self.assertEqual(self.validators(self.after(2)[1]), (None, None))
        daemon.stop()

    def test_the_pair_is_replaced_as_a_pair(self):
        daemon = self.run_feed(etag=lambda v: '"one"' if v == 1 else None,
                               last_modified=lambda v: f"date {v}")
        self.learnt(self.feed)
        self.feed.publish(Item("new"))
        served = self.origin.wait(lambda: self.feed.first_served(2), 10 * bench.SLOW)
        later = self.origin.wait(lambda: [r for r in self.feed.requests()
                                          if r.time > served.done], 10 * bench.SLOW)
        self.assertEqual(self.validators(later[0]), (None, "date 2"))
        daemon.stop()

    def test_of_the_final_answer_not_of_the_redirect(self):
        feed = self.origin.feed("/there", items=[Item("old")], etag=lambda v: '"there"')
        self.origin.answer("/news", origin.status(302, [("Location", "/there"),
                                                        ("ETag", '"here"')]))
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(feed)
        self.assertEqual(feed.requests()[1].header("If-None-Match"), '"there"')
        self.assertNotEqual(self.origin.requests("/news")[0].header("If-None-Match"), '"here"')
        daemon.stop()

    def test_a_cut_document_gives_none(self):
        daemon = self.run_feed(etag=lambda v: f'"{v}"')
        self.learnt(self.feed)
        self.feed.publish(Item("Putin and Xi"))
        whole = self.feed.plain

        def cut(reply):
            headers = [("Content-Type", "application/rss+xml"), ("ETag", '"cut"'),
                       ("Content-Length", str(len(whole)))]
            reply.head(200, headers)
            reply.raw(whole[:-20])
            reply.close = True
        self.origin.answer("/news", cut, self.feed)
        requests = self.origin.wait(lambda: [r for r in self.feed.requests() if r.version == 2],
                                    20 * bench.SLOW, "a whole answer")
        self.assertNotEqual(requests[0].header("If-None-Match"), '"cut"')
        self.polled_again(self.feed)
        self.expect_titles(daemon, ["Putin and Xi"])
        daemon.stop()

    def test_a_document_that_breaks_off_gives_none(self):
        daemon = self.run_feed(etag=lambda v: f'"{v}"')
        self.learnt(self.feed)
        whole = self.feed.plain
        self.feed.replace(document=whole[:-30])  # HTTP is content, XML is not
        broken = self.feed.version
        served = self.origin.wait(lambda: self.feed.first_served(broken), 10 * bench.SLOW)
        later = self.origin.wait(lambda: [r for r in self.feed.requests()
                                          if r.time > served.done], 20 * bench.SLOW)
        self.assertNotEqual(later[0].header("If-None-Match"), f'"{broken}"')
        daemon.stop()

    def test_headers(self):
        daemon = self.run_feed(headers=[("Set-Cookie", "a=b")])
        for request in self.after(2):
            self.assertRegex(request.header("User-Agent"), 
                             r"^feedwatch/\d+\.\d+\.\d+( \(\+https?://\S+\))?$")
            self.assertIn("gzip", request.header("Accept-Encoding"))
            accept = request.header("Accept")
            self.assertTrue(accept.startswith("application/"), accept)
            self.assertIn("application/rss+xml", accept)
            self.assertIn("application/atom+xml", accept)
            for absent in ("Cookie", "Referer", "Authorization"):
                self.assertIsNone(request.header(absent))
        self.assertEqual(self.origin.connections, 1, "the connection is kept")
        daemon.stop()


class Errors(bench.Test):
    CONFIG = ("[feeds]\nnews = {/news}\ncanary = {/canary}\n"
              "[watchlist]\nsummit = Putin AND Xi\n")

    def setUp(self):
        super().setUp()
        self.canary = self.origin.feed("/canary", items=[Item("old")])

    def canary_sings(self, daemon, number):
        """The feed beside it is not held up."""
        self.canary.publish(Item(f"Putin and Xi, canary {number}"))
        began = time.monotonic()
        self.expect_titles(daemon, [f"Putin and Xi, canary {n}" for n in range(1, number + 1)])
        self.assertLess(bench.took(began), 3 * bench.SLOW)

    def test_backoff_after_500(self):
        self.origin.answer("/news", origin.status(500))
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.canary)
        self.origin.wait(lambda: len(self.origin.requests("/news")) >= 4, 30 * bench.SLOW)
        times = [r.time for r in self.origin.requests("/news")]
        waits = [b - a for a, b in zip(times, times[1:4])]
        for got, base in zip(waits, (1, 2, 4)):  # seconds, +-20 %
            self.assertGreater(got, base * 0.78)
        self.canary_sings(daemon, 1)
        daemon.stop()

    def test_retry_after_is_honoured(self):
        # the 503 holds for its feed at least; 61 s cannot pass within this test
        self.origin.answer("/news", origin.status(503, [("Retry-After", "61")]))
        daemon = self.daemon(self.CONFIG).start()
        self.origin.wait(lambda: self.origin.requests("/news"), 10 * bench.SLOW)
        time.sleep(4)
        self.assertEqual(len(self.origin.requests("/news")), 1)
        daemon.stop()

    def test_410_ends_the_polls_also_after_a_restart(self):
        self.origin.answer("/news", origin.status(410))
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.canary)
        self.origin.wait(lambda: self.origin.requests("/news"), 10 * bench.SLOW)
        self.canary_sings(daemon, 1)
        daemon.stop()
        daemon.start()
        self.canary_sings(daemon, 2)
        self.canary_sings(daemon, 3)
        self.assertEqual(len(self.origin.requests("/news")), 1)
        daemon.stop()

    def test_private_addresses_are_refused_unless_allowed(self):
        self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon("[feedwatch]\nallow_private = no\n" + self.CONFIG)
        daemon.once()
        self.assertEqual(self.origin.connections, 0)

    def test_redirects_to_other_schemes_are_refused(self):
        self.origin.answer("/news", origin.redirect("file:///etc/passwd"),
                           origin.redirect("ftp://127.0.0.1/x"), origin.redirect("/news"))
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.canary)
        self.origin.wait(lambda: self.origin.requests("/news"), 10 * bench.SLOW)
        self.canary_sings(daemon, 1)
        self.assertEqual(daemon.titles(), ["Putin and Xi, canary 1"])
        daemon.stop()

    def test_slow_answers_hold_up_nobody(self):
        body = origin.document("rss", "slow", [Item("Putin drips on Xi", guid="d")])
        self.origin.answer("/news", origin.drip(body, 1, 0.05))
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.canary)
        for number in (1, 2, 3):
            self.canary_sings(daemon, number)
        self.assertLess(daemon.stop(), 2 * bench.SLOW)

    def test_a_page_instead_of_a_feed(self):
        page = (b'<!DOCTYPE html><html><head><title>Putin Xi</title><link rel="alternate" '
                b'type="application/rss+xml" href="/real.xml"></head><body>x</body></html>')
        self.origin.answer("/news", origin.status(200, [("Content-Type", "text/html")], page))
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.canary)
        self.canary_sings(daemon, 1)
        bench.wait(lambda: "real.xml" in daemon.stderr(), 5, "the hint in the log")
        daemon.stop()


if __name__ == "__main__":
    bench.main()
