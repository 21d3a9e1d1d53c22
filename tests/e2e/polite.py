"""What the tests of the contract with publishers share (test_politeness...)."""
import time

import bench
from bench import Item
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
                 link=f"http://127.0.0.1/{start + i}",
                 summary=f"What happened {start + i}, in words")
            for i in range(n)]


class Test(bench.Test):
    WATCH = "[watchlist]\nsummit = Putin AND Xi\n"

    def silent(self, path, seconds, so_far):
        time.sleep(seconds)
        self.assertEqual(len(self.origin.requests(path)), so_far)

    def run_one(self, more="", general=""):
        return self.daemon(f"[feedwatch]\n{general}[feed:news]\nurl = {{/news}}\n{more}"
                           + self.WATCH).start()
