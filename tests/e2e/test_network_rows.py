#!/usr/bin/env python3
"""Network rows of the hazards table, part one: answers that never end, that are too large, or
coded or redirected in odd ways.  A canary feed is polled beside each (see rows.py)."""
import gzip
import socket
import threading

import bench
from bench import Item, wait
import origin
import rows

RSS = b'<rss version="2.0"><channel><title>t</title>%s</channel></rss>'
ITEM = b"<item><title>Putin meets Xi %d</title><guid>%d</guid></item>"
DAY_MS = 86400 * 1000


def header_drops(pause):
    def answer(reply):
        reply.close = True
        reply.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not reply.origin.ended.wait(pause):
            reply.raw(b"y")
    return answer


class Slow(rows.Rows):
    """What costs time.  The limits are set low, so that it costs less of ours."""

    def test_n1_a_body_drop_by_drop(self):
        self.row(origin.drip(RSS % b"".join(ITEM % (n, n) for n in range(9)), 1, 0.1),
                 "outcome=retry_later .*too slow", "low_speed_time = 2s\n")

    def test_n1_n2_n3_n4_as_it_is_by_default(self):
        """All four at once: 64 bytes a second for 20 s, 10 s for a connection.  Each is a host
        of its own, which may have two connections."""
        slow = self.everywhere()
        slow.answer("/1", origin.drip(RSS % b"".join(ITEM % (n, n) for n in range(9)), 1))
        slow.answer("/2", header_drops(0.5))
        slow.answer("/3", origin.silence(threading.Event()))
        urls = {f"n{n}": self.spread(slow, n) for n in (1, 2, 3)} | {"n4": self.black_hole()}
        d = self.started("".join(f"[feed:{n}]\nurl = {u}\n" for n, u in urls.items()))
        for name in sorted(urls, reverse=True):
            self.says(d, f'fetch_failed feed="{name}" outcome=retry_later', 25)
        self.well(d)

    def test_n2_a_header_drop_by_drop(self):
        self.row(header_drops(0.1), "outcome=retry_later .*too slow", "low_speed_time = 2s\n")

    def test_n3_accepts_and_says_nothing(self):
        self.row(origin.silence(threading.Event()), "outcome=retry_later .*(?i:time)",
                 "timeout = 2s\n")

    def test_n4_a_black_hole_for_connections(self):
        d = self.started(f"[feed:bad]\nurl = {self.black_hole()}\nconnect_timeout = 2s\n")
        self.says(d, 'fetch_failed feed="bad" outcome=retry_later .*(?i:time)')
        self.well(d)

    def black_hole(self):
        full = socket.socket()
        self.addCleanup(full.close)
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # what comes after these gets no answer at all
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        return f"http://127.0.0.1:{full.getsockname()[1]}/"


class Large(rows.Rows):
    """What costs memory."""

    def test_n5_chunks_without_end(self):
        def flood(reply):
            reply.close = True
            reply.head(200, [("Content-Type", "application/rss+xml"),
                             ("Transfer-Encoding", "chunked")])
            reply.chunk(b'<rss version="2.0"><channel>')
            while True:
                reply.chunk(b"<!-- and so on -->" * 4000)
        self.row(flood, "outcome=refused .*larger than 8388608 bytes")

    def bomb(self, codings, body):
        """The bad feed is a small bomb: it is refused, and costs little."""
        for _ in range(codings):
            body = gzip.compress(body)
        coding = ", ".join(["gzip"] * codings)
        self.row(lambda r: r.send(200, [("Content-Encoding", coding)], body),
                 "outcome=refused .*larger than 8388608 bytes")

    def test_n6_gzip_bomb(self):
        self.bomb(1, b'<rss version="2.0"><channel><title>' + bytes(64 << 20))

    def test_n7_double_gzip_bomb(self):
        self.bomb(2, b"<rss><channel>" + b" " * (64 << 20))

    def test_n12_header_flood(self):
        def flood(reply):
            reply.close = True
            reply.raw(b"HTTP/1.1 200 OK\r\n")
            while True:
                reply.raw(b"X-Filler: " + b"y" * 1000 + b"\r\n")
        self.row(flood, "outcome=bad .*headers")

    def test_n12_one_header_line_of_a_megabyte(self):
        def line(reply):
            reply.close = True
            reply.raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n")
        self.row(line, "outcome=bad .*header")

    def test_n12_continue_without_end(self):
        def more(reply):
            reply.close = True
            while True:
                reply.raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        self.row(more, "outcome=bad .*header")


class Coded(rows.Rows):
    """What is not as it says."""

    def test_n8_six_codings(self):
        body = RSS % (ITEM % (1, 1))
        for _ in range(6):
            body = gzip.compress(body)
        self.row(lambda r: r.send(200, [("Content-Encoding", ", ".join(["gzip"] * 6))], body),
                 "outcome=bad")

    def test_n9_gzip_that_breaks_off(self):
        """What came before the cut alerts at once, once; the next poll asks for all."""
        feed = self.origin.feed("/bad", items=[Item("old", guid="0")])
        d = self.started("[feed:bad]\nurl = {/bad}\n")
        self.learnt(feed)
        feed.publish(Item("Putin and Xi, behind", guid="2", summary=" ".join(
            f"word{n * n}" for n in range(3000))), Item("Putin and Xi, before", guid="1"))
        whole = gzip.compress(feed.plain, mtime=0)

        def cut(reply):
            reply.close = True
            reply.head(200, [("Content-Encoding", "gzip"), ("ETag", '"cut"'),
                             ("Connection", "close")])
            reply.raw(whole[:2048])
        self.origin.answer("/bad", cut, feed)
        wait(lambda: "Putin and Xi, before" in d.titles(), 5, "the item before the cut")
        self.assertNotIn("Putin and Xi, behind", d.titles())
        wait(lambda: "Putin and Xi, behind" in d.titles(), 10, "the item behind the cut")
        answers = [r for r in feed.requests() if r.status == 200]
        self.assertEqual(len(answers), 3)
        self.assertIsNone(answers[2].header("If-None-Match"))
        self.assertIsNone(answers[2].header("If-Modified-Since"))
        self.assertEqual(sorted(d.titles()), ["Putin and Xi, before", "Putin and Xi, behind"])
        self.well(d)

    def test_n10_plain_text_labelled_gzip(self):
        """Asked once more, without Accept-Encoding, and then it works."""
        old = ITEM.replace(b"Xi", b"nobody") % (0, 0)
        body = [RSS % old]

        def answer(reply):
            coding = [("Content-Encoding", "gzip")] if reply.request.header("Accept-Encoding") \
                else []
            reply.send(200, coding, body[0])
        self.origin.answer("/bad", answer)
        d = self.started("[feed:bad]\nurl = {/bad}\n")
        self.polled(d)
        body[0] = RSS % (ITEM % (1, 1) + old)
        wait(lambda: "Putin meets Xi 1" in d.titles(), 10, "the alert")
        asked = [r.header("Accept-Encoding") is not None for r in self.origin.requests("/bad")]
        self.assertEqual(asked[:4], [True, False, True, False])
        self.assertNotIn("fetch_failed", d.stderr())
        self.well(d)

    def test_n10_gzip_whatever_was_asked_for(self):
        """There is one more attempt, not more."""
        self.row(lambda r: r.send(200, [("Content-Encoding", "gzip")],
                                  b"\x1f\x8b no gzip at all"), "outcome=bad .*cod")
        asked = [r.header("Accept-Encoding") is not None for r in self.origin.requests("/bad")]
        self.assertEqual(asked[:2], [True, False])

    def test_n11_short_content_length(self):
        def short(reply):
            reply.close = True
            reply.head(200, [("Content-Length", "1000"), ("ETag", '"x"')])
            reply.raw(b"<rss>")
        self.row(short, "outcome=retry_later")
        self.assertEqual([r for r in self.origin.requests("/bad") if r.header("If-None-Match")], [])


class Moved(rows.Rows):
    def test_n13_redirect_loop(self):
        d = self.row(origin.redirect("/bad"), "outcome=bad .*redirects")
        polls, asked = self.stored(d)["polls"], len(self.origin.requests("/bad"))
        self.assertGreater(polls, 0)
        self.assertTrue(6 * polls <= asked <= 6 * polls + 6, (polls, asked))  # one was under way

    def test_n14_moved_for_good(self):
        """Followed at once; adopted and told once when it has lasted; the config is as it was."""
        there = self.origin.feed("/there", items=[Item("old", guid="0")])
        self.origin.answer("/bad", origin.redirect("/there", 301))
        d = self.started("[feed:bad]\nurl = {/bad}\n")
        with open(d.config, "rb") as file:
            config = file.read()
        self.polled(d, polls=3)
        there.publish(Item("Putin and Xi, there", guid="1"))
        wait(lambda: "Putin and Xi, there" in d.titles(), 5, "alert from the new place")
        self.assertNotIn("feed_moved", d.stderr())
        self.rest(d)
        self.alter(d, moved_since_ms=f"moved_since_ms - {2 * DAY_MS}", due_ms=1)
        d.start()
        self.says(d, "feed_moved")
        asked = len(self.origin.requests("/bad"))
        polls = len(there.requests())
        self.origin.wait(lambda: len(there.requests()) > polls + 2, 10 * bench.SLOW)
        self.assertLessEqual(len(self.origin.requests("/bad")), asked)
        self.assertEqual(d.stderr().count("feed_moved"), 1)
        with open(d.config, "rb") as file:
            self.assertEqual(file.read(), config)
        self.well(d)


if __name__ == "__main__":
    bench.main()
