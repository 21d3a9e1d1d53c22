#!/usr/bin/env python3
"""The main promise, end to end: every expected alert, at once, exactly once."""
import random
import re
import threading
import time

import bench
from bench import Item, wait

# The words of the generated items: so many, different in their first six letters, that no two
# items look alike.
WORDS = [a + b + c for a in ("ba", "ke", "li", "mo", "nu", "ra", "so", "ti")
         for b in ("da", "fe", "go", "hi", "ju", "le") for c in ("n", "r", "s", "t", "x")]
LOADED = ["Putin", "Xi", "taxi", "Trump", "Moldova", "gas", "video", "call", "Mexico", "Moscow"]
WATCHES = {  # rule -> the same thing said in Python, over the list of folded words
    "summit = Putin AND Xi": lambda w: "putin" in w and "xi" in w,
    'video = "video call"': lambda w: any(a == "video" and b == "call" for a, b in zip(w, w[1:])),
    "trump = Trump AND NOT Moscow": lambda w: "trump" in w and "moscow" not in w,
    "energy = (gas OR Mexico) AND Moldova":
        lambda w: ("gas" in w or "mexico" in w) and "moldova" in w,
}
KINDS = ("rss", "atom", "rdf")


def make_item(rng, number):
    def text(n, loaded):
        words = rng.sample(WORDS, n) + rng.sample(LOADED, loaded)
        rng.shuffle(words)
        return " ".join(words)
    return Item(title=f"{text(4, rng.randrange(2, 5)).capitalize()} n{number}er",
                summary=f"{text(12, rng.randrange(3))}",
                link=f"http://127.0.0.1/story/{number}")


def expected(feed, item):
    """The (watch, feed, title) that the item must raise, by an oracle of its own."""
    fields = [re.findall(r"\w+", text.lower()) for text in (item.title, item.summary)]
    out = set()
    for line, holds in WATCHES.items():
        name = line.split(" = ")[0]
        if name == "video":  # a phrase stands within one field
            hit = any(holds(words) for words in fields)
        else:
            hit = holds(fields[0] + fields[1])
        if hit:
            out.add((name, feed.path.strip("/"), item.title))
    return out


class Alerts(bench.Test):
    FEEDS = 50

    def fifty(self, seed):
        self.rng = random.Random(seed)
        self.number = 0
        self.feeds = [self.origin.feed(f"/f{n:02}", kind=KINDS[n % 3],
                                       coding=("plain", "gzip", "chunked")[n // 3 % 3])
                      for n in range(self.FEEDS)]
        for feed in self.feeds:
            for _ in range(5):  # a backlog, to be learnt in silence
                feed.publish(self.next_item())
        return self.daemon("[feeds]\n" + "".join(f"f{n:02} = {{/f{n:02}}}\n"
                                                 for n in range(self.FEEDS))
                           + "[watchlist]\n" + "\n".join(WATCHES) + "\n")

    def next_item(self):
        self.number += 1
        return make_item(self.rng, self.number)

    def check(self, daemon, want):
        """Every expected alert exactly once, nothing else, numbers without a gap."""
        alerts = daemon.alerts()
        got = [(a["watch"], a["feed"], a["title"]) for a in alerts]
        self.assertEqual(sorted(want - set(got)), [], "missed")
        self.assertEqual(sorted(set(got) - want), [], "not asked for")
        self.assertEqual(sorted(g for g in set(got) if got.count(g) > 1), [], "twice")
        self.assertEqual([a["seq"] for a in alerts], list(range(1, len(alerts) + 1)))
        self.assertEqual(len({a["id"] for a in alerts}), len(alerts))

    def test_each_alert_once_and_within_a_second(self):
        daemon = self.fifty(seed=1)
        daemon.start()
        self.learnt(*self.feeds)
        self.assertEqual(daemon.alerts(), [], "the first sight of a feed is silent")

        seen = {}  # (watch, feed, title) -> when its line was first on disk

        def follow():
            while not done.is_set():
                now = time.monotonic()
                for a in daemon.alerts():
                    seen.setdefault((a["watch"], a["feed"], a["title"]), now)
                time.sleep(0.01)
        done = threading.Event()
        follower = threading.Thread(target=follow)
        follower.start()
        want, published = set(), {}
        try:
            for _ in range(150):
                feed, item = self.rng.choice(self.feeds), self.next_item()
                at = feed.publish(item)
                for alert in expected(feed, item):
                    want.add(alert)
                    published[alert] = (at, feed, feed.version)
                time.sleep(0.02)  # spreads the publications over several polls
            for feed in self.feeds:
                self.polled_again(feed)
            wait(lambda: want <= set(seen), 5, "all alerts")
        finally:
            done.set()
            follower.join()
        self.check(daemon, want)
        self.assertGreater(len(want), 50)
        late = []
        for alert, (at, feed, version) in published.items():
            served = feed.first_served(version)
            # within a second of the poll that carried it, and polled within the interval
            if bench.took(served.done, seen[alert]) > 1.0 * bench.SLOW \
                    or bench.took(at, served.time) > (1.1 + 1.0) * bench.SLOW:
                late.append((alert, served.time - at, seen[alert] - served.done))
        self.assertEqual(late, [])
        worst = max(seen[a] - f.first_served(v).done for a, (_, f, v) in published.items())
        print(f"{len(want)} alerts, last byte to line at most {worst * 1000:.0f} ms ... ", end="")
        self.assertLess(daemon.stop(), 2 * bench.SLOW)
        self.check(daemon, want)

    def test_kill_9_loses_and_repeats_nothing(self):
        daemon = self.fifty(seed=2)
        daemon.start()
        self.learnt(*self.feeds)
        want = set()
        for kill in range(6):
            feeds = self.rng.sample(self.feeds, 20)
            for feed in feeds:
                item = self.next_item()
                feed.publish(item)
                want |= expected(feed, item)
            # strike while the answers come in: after some of them were served
            enough = self.rng.randrange(1, len(feeds))
            versions = {f: f.version for f in feeds}
            self.origin.wait(lambda: sum(1 for f in feeds if f.first_served(versions[f]))
                             >= enough, 10 * bench.SLOW, "polls before the kill")
            time.sleep(self.rng.random() * 0.03)
            daemon.kill()
            if kill % 2:  # something is published while nobody looks
                feed, item = self.rng.choice(self.feeds), self.next_item()
                feed.publish(item)
                want |= expected(feed, item)
            daemon.start()
        for feed in self.feeds:
            self.polled_again(feed)
        wait(lambda: len(daemon.alerts()) >= len(want), 5, "all alerts")
        self.check(daemon, want)
        daemon.stop()
        daemon.start()  # and once more: nothing is said again
        version = self.feeds[0].version
        self.polled_again(self.feeds[0])
        self.assertEqual(self.feeds[0].version, version)
        daemon.stop()
        self.check(daemon, want)


class OneFeed(bench.Test):
    CONFIG = "[feeds]\nnews = {/news}\n[watchlist]\nsummit = Putin AND Xi\n"

    def setUp(self):
        super().setUp()
        self.feed = self.origin.feed("/news", items=[Item("Putin meets Xi, long ago")])

    def test_first_sight_is_silent_then_new_items_alert(self):
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.feed)
        self.feed.publish(Item("Xi, Putin Hold Video Call: Chinese State Media"),
                          Item("Putin’s taxi waits"))
        self.polled_again(self.feed)
        self.expect_titles(daemon, ["Xi, Putin Hold Video Call: Chinese State Media"])
        alert = daemon.alerts()[0]
        self.assertEqual((alert["seq"], alert["watch"], alert["feed"]), (1, "summit", "news"))
        self.assertEqual(sorted(alert["matched"]), ["Putin", "Xi"])
        self.assertRegex(alert["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        daemon.stop()

    def test_restart_says_nothing_twice_and_catches_up(self):
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.feed)
        self.feed.publish(Item("Putin and Xi, first"))
        self.expect_titles(daemon, ["Putin and Xi, first"])
        daemon.stop()
        self.feed.publish(Item("Putin and Xi, while it was down"))
        daemon.start()
        self.polled_again(self.feed)
        self.expect_titles(daemon, ["Putin and Xi, first", "Putin and Xi, while it was down"])
        daemon.stop()

    def test_once_polls_delivers_and_ends(self):
        daemon = self.daemon(self.CONFIG.replace("[feeds]", "[feedwatch]\ninterval = 1h\n[feeds]"))
        self.assertEqual(daemon.once(), 0)
        self.assertEqual(daemon.alerts(), [])
        self.feed.publish(Item("Putin calls Xi"))
        self.assertEqual(daemon.once(), 0)  # due or not
        self.assertEqual(daemon.titles(), ["Putin calls Xi"])
        self.assertEqual(daemon.once(), 0)
        self.assertEqual(daemon.titles(), ["Putin calls Xi"])
        self.assertEqual([r.status for r in self.feed.requests()], [200, 200, 304])

    def test_first_run_max_age_lets_recent_items_through(self):
        now = time.time()
        self.feed.replace([Item("Putin and Xi today", published=now - 600),
                           Item("Putin and Xi last week", published=now - 7 * 86400),
                           Item("Putin and Xi, who knows when", published=0)])
        daemon = self.daemon("[feedwatch]\nfirst_run_max_age = 1h\n" + self.CONFIG)
        # An unreadable date never keeps an alert back.
        expected = ["Putin and Xi today", "Putin and Xi, who knows when"]
        self.assertEqual(daemon.once(), 0)
        self.assertEqual(daemon.titles(), expected)
        self.assertEqual(daemon.once(), 0)
        self.assertEqual(daemon.titles(), expected)

    def test_a_relisted_redated_or_rekeyed_item_is_the_same(self):
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.feed)
        story = Item("Xi phones Putin", guid="a", link="http://127.0.0.1/s/1", summary="Short.")
        self.feed.publish(story)
        self.expect_titles(daemon, ["Xi phones Putin"])
        for change in ({"published": time.time() + 60}, {"guid": "b"},
                       {"title": "Xi phones Putin again"}):
            self.feed.replace([Item(**{**story.__dict__, **change})])
            self.polled_again(self.feed)
        self.feed.replace([])
        self.polled_again(self.feed)
        self.feed.replace([story, Item("Putin answers Xi")])
        self.polled_again(self.feed)
        self.expect_titles(daemon, ["Xi phones Putin", "Putin answers Xi"])
        daemon.stop()

    def test_a_window_that_rolled_over_is_reported(self):
        self.feed.replace([Item(f"Old story {i}", guid=f"old-{i}") for i in range(5)])
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.feed)
        self.polled_again(self.feed)
        self.feed.replace([Item(f"Putin and Xi, part {i}", guid=f"new-{i}") for i in range(5)])
        wait(lambda: "feed_gap" in daemon.stderr(), 5, "the gap to be reported")
        self.expect_titles(daemon, [f"Putin and Xi, part {i}" for i in range(5)])
        daemon.stop()

    def test_items_before_a_break_alert_once(self):
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.feed)
        self.feed.publish(Item("Putin writes to Xi"), Item("Xi writes to Putin"))
        whole = self.feed.plain
        self.feed.replace(document=whole[:whole.index(b"Putin writes")] + b"Put")
        self.expect_titles(daemon, ["Xi writes to Putin"], 10)
        self.feed.replace(document=whole)
        self.expect_titles(daemon, ["Xi writes to Putin", "Putin writes to Xi"], 10)
        daemon.stop()


if __name__ == "__main__":
    bench.main()
