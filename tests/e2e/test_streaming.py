#!/usr/bin/env python3
"""An item alerts when its end tag has come, not when the download ends."""
import statistics
import time

import bench
from bench import Held, Item, item_xml, rss_head, wait

LIMIT_S = 0.2  # as a rule
MOST_S = 1.0  # the log is synced first, and a disk may have other work


class Streaming(bench.Test):
    CONFIG = "[feeds]\nnews = {/news}\n[watchlist]\nsummit = Putin AND Xi\n"

    def streams(self, coding, pieces):
        """Each of `pieces` (a list of byte strings) ends an item; its line must follow while
        the answer stays open and silent."""
        feed = self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(feed)
        held = Held(coding)
        self.origin.answer("/news", held)
        self.assertTrue(held.started.wait(10 * bench.SLOW), "no poll")
        held.send(rss_head())
        took = []
        for number, parts in enumerate(pieces, 1):
            for part in parts:
                sent = held.send(part)
            wait(lambda n=number: len(daemon.alerts()) >= n, 5, f"alert {number}", step=0.001)
            took.append(bench.took(sent))
            self.assertLess(took[-1], MOST_S * bench.SLOW, f"alert {number}")
        if len(took) > 1:
            self.assertLess(statistics.median(took), LIMIT_S * bench.SLOW)
        self.assertFalse(held.gone.is_set(), "the answer is still incomplete")
        self.assertFalse(held.ended.is_set())
        print(f"at most {max(took) * 1000:.0f} ms ... ", end="")
        held.end()
        self.origin.answer("/news", feed)
        daemon.stop()
        self.assertEqual(len(daemon.alerts()), len(pieces))

    def items(self, n, split=None):
        out = []
        for number in range(n):
            data = item_xml("rss", Item(f"Putin tells Xi, part {number}", guid=f"g{number}",
                                        summary="word " * 200, link=f"http://127.0.0.1/{number}")
                            ).rstrip("\n").encode()
            out.append([data[at:at + split] for at in range(0, len(data), split)]
                       if split else [data])
        return out

    def test_plain(self):
        self.streams("plain", self.items(5))

    def test_chunked(self):
        self.streams("chunked", self.items(5))

    def test_gzip(self):
        self.streams("gzip", self.items(5))

    def test_gzip_chunked(self):
        self.streams("gzip+chunked", self.items(5))

    def test_small_pieces(self):
        self.streams("chunked", self.items(3, split=100))

    def test_end_tag_torn_apart(self):
        data = self.items(1)[0][0]
        self.streams("plain", [[data[:-4], data[-4:-1], data[-1:]]])

    def test_first_contact_streams_too(self):
        held = Held("chunked")
        self.origin.answer("/news", held)
        daemon = self.daemon("[feedwatch]\nfirst_run_max_age = 1h\n" + self.CONFIG).start()
        self.assertTrue(held.started.wait(10 * bench.SLOW), "no poll")
        sent = held.send(rss_head() + item_xml("rss", Item("Putin, Xi", guid="g",
                                                           published=time.time())))
        wait(daemon.alerts, 5, "alert", step=0.001)
        self.assertLess(bench.took(sent), MOST_S * bench.SLOW)
        held.end()
        daemon.stop()


if __name__ == "__main__":
    bench.main()
