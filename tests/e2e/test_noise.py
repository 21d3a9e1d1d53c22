#!/usr/bin/env python3
"""One story from several feeds, updates, quiet hours, limits and storms: what stands in the log,
and what another sink is told."""
import datetime
import glob
import json
import os
import re
import sqlite3
import time

import bench
from bench import Item, wait

FEEDS = "[feeds]\na = {{/a}}\nb = {{/b}}\nc = {{/c}}\n"
LEAD = ("The two presidents agreed on Tuesday to hold a second round of talks in Geneva next month, "
        "officials from both delegations told reporters after the meeting.")
STORY = "Putin and Xi agree on a second summit in Geneva next month"
SPY = """#!/usr/bin/python3
import os, sys
name = f"{os.path.dirname(sys.argv[0])}/spy.{os.getpid()}.{os.urandom(4).hex()}"
with open(name + ".new", "w") as file:
    file.write(sys.stdin.read())
os.rename(name + ".new", name)
"""


class Noise(bench.Test):
    def setUp(self):
        super().setUp()
        self.a, self.b, self.c = [self.origin.feed(path, title=path, items=[Item("old")])
                                  for path in ("/a", "/b", "/c")]
        self.home = os.path.join(self.folder, "bin")
        os.mkdir(self.home)
        self.spy = os.path.join(self.home, "spy")
        with open(self.spy, "w", encoding="utf-8") as file:
            file.write(SPY)
        os.chmod(self.spy, 0o755)

    def watching(self, keys="", general="", start=True):
        daemon = self.daemon(f"[feedwatch]\n{general}\n" + FEEDS.replace("{{", "{").replace("}}", "}")
                             + f"[watch:summit]\nmatch = Putin AND Xi\n{keys}\n"
                             f"[sink:hook]\ntype = command\ncommand = {self.spy}\n")
        if start:
            daemon.start()
            self.learnt(self.a, self.b, self.c)
        return daemon

    def told(self):
        """What the other sink got, each id once: alerts and digests, oldest first."""
        got = {}
        for path in glob.glob(os.path.join(self.home, "spy.*")):
            if not path.endswith(".new"):
                with open(path, encoding="utf-8") as file:
                    one = json.load(file)
                    got[one["id"]] = one
        return sorted(got.values(), key=lambda o: o["time"])

    def digests(self):
        return [o for o in self.told() if "digest" in o]

    def record(self, daemon, columns="sources"):
        store = sqlite3.connect(os.path.join(daemon.state, "feedwatch.db"))
        rows = store.execute(f"SELECT {columns} FROM alert ORDER BY seq").fetchall()
        store.close()
        return rows

    # --- stories ---

    def test_two_feeds_with_one_story_are_one_line(self):
        daemon = self.watching()
        self.a.publish(Item(STORY, summary=LEAD, link="http://a.example/1"))
        self.expect_titles(daemon, [STORY])
        self.b.publish(Item(STORY.replace("agree", "agreed"), summary=LEAD, link="http://b.example/9"))
        self.c.publish(Item("Another headline of Putin and Xi",
                            link="http://www.a.example/1?utm_source=rss"))
        self.polled_again(self.b)
        self.polled_again(self.c)
        self.expect_titles(daemon, [STORY])
        wait(lambda: self.record(daemon)[0][0].count("\n") == 2, 5, "two later sources")
        self.assertIn("http://b.example/9", self.record(daemon)[0][0])
        wait(lambda: 'joined watch="summit" alert=1 feed="b" title="Putin and Xi agreed'
             in daemon.stderr(), 5, "a word about it")
        daemon.kill()  # also over a restart
        daemon.start()
        self.a.publish(Item("Xi calls Putin", summary="Something else."))
        self.expect_titles(daemon, [STORY, "Xi calls Putin"])
        self.b.publish(Item(STORY + "!", summary=LEAD))
        self.polled_again(self.b)
        self.expect_titles(daemon, [STORY, "Xi calls Putin", STORY + "!"])  # the feed's own second
        self.c.publish(Item(STORY + "!!", summary=LEAD))
        self.polled_again(self.c)
        self.assertEqual(len(daemon.titles()), 3)
        daemon.stop()

    def test_one_feeds_items_are_never_one_story(self):
        daemon = self.watching()
        self.a.publish(*[Item(STORY, summary=LEAD, link=f"http://a.example/{i}") for i in range(5)])
        self.expect_titles(daemon, [STORY] * 5)
        daemon.stop()

    def test_group_by_item_keeps_them_apart(self):
        daemon = self.watching("group_by = item")
        self.a.publish(Item(STORY, summary=LEAD, link="http://a.example/1"))
        self.b.publish(Item(STORY, summary=LEAD, link="http://a.example/1"))
        self.expect_titles(daemon, [STORY] * 2)
        daemon.stop()

    def test_two_feeds_at_once_alert_once(self):
        """Two pollers find the story at the same time."""
        daemon = self.watching(general="workers = 2")
        for feed in (self.a, self.b, self.c):
            feed.publish(*[Item(f"{STORY} part{i} volume{i * 7919}", summary=LEAD + f" number{i} "
                                f"chapter{i * 104729} section{i * 31}") for i in range(10)])
        for feed in (self.a, self.b, self.c):
            self.polled_again(feed)
        stories = wait(lambda: sum(n := [r[0].count("\n") + 1 for r in self.record(daemon)]) >= 30
                       and n, 10, "all sources")
        self.assertEqual(sum(stories), 30)
        wait(lambda: len(daemon.alerts()) >= len(stories), 5, "all lines")
        self.assertEqual(len(daemon.alerts()), len(stories))
        daemon.stop()

    def test_min_sources_waits_for_the_second_feed_also_over_a_kill(self):
        daemon = self.watching("min_sources = 2 within 30m")
        self.a.publish(Item(STORY, summary=LEAD, link="http://a.example/1"))
        self.a.publish(Item("Putin and Xi in another matter", summary="Nobody else reports this."))
        self.polled_again(self.a)
        self.assertEqual(daemon.titles(), [])
        daemon.kill()
        daemon.start()
        self.b.publish(Item(STORY, summary=LEAD, link="http://b.example/1"))
        self.expect_titles(daemon, [STORY])
        self.assertIn("http://a.example/1", self.record(daemon)[0][0])
        self.c.publish(Item(STORY, summary=LEAD, link="http://c.example/1"))
        self.polled_again(self.c)
        self.assertEqual(len(daemon.alerts()), 1)
        wait(lambda: self.record(daemon)[0][0].count("\n") == 2, 5, "the third source")
        daemon.stop()

    # --- updates ---

    def test_an_update_alerts_only_when_asked_and_substantial(self):
        daemon = self.watching("on_update = yes")
        item = Item(STORY, summary=LEAD, guid="x1", link="http://a.example/1")
        self.a.publish(item)
        self.expect_titles(daemon, [STORY])
        for title, lead, alerts in ((STORY + " (video)", LEAD, 1),
                                    ("Summit of Putin and Xi called off", LEAD, 2),
                                    ("Summit of Putin and Xi called off", LEAD, 2)):
            self.a.items = [i for i in self.a.items if i.guid != "x1"]
            self.a.publish(Item(title, summary=lead, guid="x1", link="http://a.example/1"))
            self.polled_again(self.a)
            wait(lambda: len(daemon.alerts()) >= alerts, 5, f"{alerts} alerts after {title}")
            self.assertEqual(len(daemon.alerts()), alerts)
        self.assertEqual(self.record(daemon, "updated"), [(0,), (1,)])
        self.assertEqual(len({a["id"] for a in daemon.alerts()}), 2)
        daemon.stop()

    def test_an_update_is_nothing_by_default(self):
        daemon = self.watching()
        self.a.publish(Item(STORY, guid="x1"))
        self.expect_titles(daemon, [STORY])
        self.a.items = [i for i in self.a.items if i.guid != "x1"]
        self.a.publish(Item("Summit of Putin and Xi called off", guid="x1"))
        self.polled_again(self.a)
        self.expect_titles(daemon, [STORY])
        daemon.stop()

    # --- limits ---

    def other(self, n, first=0):
        return [Item(f"Putin and Xi, {word} {i}{i}{i}", summary=f"{word} lead{i} text{i * 77}")
                for i, word in ((i, f"edition{i * 7919}") for i in range(first, first + n))]

    def test_max_per_hour_holds_the_rest(self):
        daemon = self.watching("max_per_hour = 2")
        self.a.publish(*self.other(5))
        wait(lambda: len(daemon.alerts()) == 5, 5, "every line in the log")
        wait(lambda: len(self.told()) == 2, 5, "two told")
        self.assertEqual(sum(a.get("held") == "max_per_hour" for a in daemon.alerts()), 3)
        daemon.kill()  # the count outlives it
        daemon.start()
        self.a.publish(*self.other(1, 5))
        wait(lambda: len(daemon.alerts()) == 6, 5, "every line in the log")
        self.assertEqual(self.record(daemon, "held")[-1], ("max_per_hour",))
        self.assertEqual(len(self.told()), 2)
        status = daemon.command("status", "-c", daemon.config)[1].split("\n")
        self.assertIn("summit held back 4 alerts in 24 h (4 max_per_hour); 4 wait for a digest", status)
        self.assertEqual(json.loads(daemon.command("status", "-c", daemon.config, "--json")[1])["held_back"],
                         [{"watch": "summit", "reasons": {"max_per_hour": 4}, "waiting": 4}])
        daemon.stop()

    def test_group_wait_tells_all_in_one_digest(self):
        daemon = self.watching("group_wait = 2s")
        self.a.publish(*self.other(3))
        digest = wait(self.digests, 10, "a digest")[0]
        self.assertEqual(digest["count"], 3)
        self.assertEqual(digest["reason"], ["group_wait"])
        self.assertEqual([a["title"] for a in digest["alerts"]], daemon.titles())
        self.b.publish(*self.other(2, 3))
        wait(lambda: len(self.digests()) == 2, 10, "the next digest")
        self.assertEqual(self.digests()[1]["count"], 2)
        self.assertEqual([o for o in self.told() if "digest" not in o], [])
        daemon.stop()

    def test_a_digest_survives_a_kill(self):
        daemon = self.watching("group_wait = 3s")
        self.a.publish(*self.other(3))
        wait(lambda: len(daemon.alerts()) == 3, 5, "every line in the log")
        daemon.kill()
        self.assertEqual(self.told(), [])
        daemon.start()
        digest = wait(self.digests, 10, "a digest")[0]
        self.assertEqual(digest["count"], 3)
        daemon.kill()
        daemon.start()
        self.b.publish(*self.other(1, 3))
        wait(lambda: len({d["digest"] for d in self.digests()}) == 2, 10, "the next digest")
        self.assertEqual(self.digests()[-1]["count"], 1)
        daemon.stop()

    def test_quiet_hours_hold_and_end_with_a_digest(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        begin, end = (now - datetime.timedelta(hours=1)), (now + datetime.timedelta(hours=1))
        keys = f"quiet = {begin:%H:%M}-{end:%H:%M} UTC"
        daemon = self.watching(keys)
        self.a.publish(*self.other(3))
        wait(lambda: len(daemon.alerts()) == 3, 5, "every line in the log")
        self.assertEqual({a.get("held") for a in daemon.alerts()}, {"quiet"})
        self.assertEqual(self.told(), [])
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(text.replace(keys, ""))
        daemon.reload()
        digest = wait(self.digests, 10, "the digest when the quiet is over")[0]
        self.assertEqual((digest["count"], digest["reason"]), (3, ["quiet"]))
        daemon.stop()

    def test_mute_ends_by_itself(self):
        def until(seconds):
            end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
            return f"mute_until = {end:%Y-%m-%dT%H:%M:%SZ}"
        keys = until(600)
        daemon = self.watching(keys)
        self.a.publish(*self.other(2))
        wait(lambda: len(daemon.alerts()) == 2, 5, "every line in the log")
        self.assertEqual({a.get("held") for a in daemon.alerts()}, {"mute"})
        self.assertEqual(self.told(), [])
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        daemon.write(text.replace(keys, until(3 * bench.SLOW)))
        daemon.reload()
        digest = wait(self.digests, 15, "the digest when the mute is over")[0]
        self.assertEqual((digest["count"], digest["reason"]), (2, ["mute"]))
        wait(lambda: re.search('mute_ended watch="?summit"? held=2', daemon.stderr()), 5,
             "a word about it")
        daemon.stop()

    def test_old_items_are_held_for_good(self):
        daemon = self.watching("max_age = 2d\ngroup_wait = 1s")
        self.a.publish(Item("Putin and Xi long ago", published=time.time() - 3 * 86400),
                       Item("Putin and Xi just now"))
        digest = wait(self.digests, 10, "a digest")[0]
        self.assertEqual([a["title"] for a in digest["alerts"]], ["Putin and Xi just now"])
        self.assertEqual(sorted(a["held"] for a in daemon.alerts()), ["group_wait", "max_age"])
        daemon.stop()

    # --- storms ---

    def test_after_downtime_one_digest_marked_late(self):
        daemon = self.watching("storm_after = 2s")
        daemon.stop()
        self.a.publish(*self.other(4))
        self.b.publish(*self.other(4, 4))
        time.sleep(3.5)  # the downtime itself
        daemon.start()
        wait(lambda: len(daemon.alerts()) == 8, 10, "every line in the log")
        self.assertEqual({a.get("held") for a in daemon.alerts()}, {"late"})
        self.assertEqual({a.get("late") for a in daemon.alerts()}, {True})
        daemon.stop()
        self.assertEqual(self.told(), [])  # it comes half a minute later, or here:
        self.assertEqual(daemon.once(), 0)
        digest = wait(self.digests, 10, "the digest")[0]
        self.assertEqual((digest["count"], digest["late"]), (8, True))
        self.assertEqual([a["seq"] for a in digest["alerts"]], list(range(1, 9)))

    def test_a_burst_is_told_in_one_digest(self):
        daemon = self.watching("storm_size = 5")
        self.a.publish(*self.other(30))
        wait(lambda: len(daemon.alerts()) == 30, 10, "every line in the log")
        wait(lambda: len(self.told()) == 5, 5, "the first five")
        self.assertEqual(sum(a.get("held") == "storm" for a in daemon.alerts()), 25)
        daemon.stop()
        self.assertEqual(daemon.once(), 0)
        digest = wait(self.digests, 10, "the digest")[0]
        self.assertEqual((digest["count"], digest["reason"]), (25, ["storm"]))


if __name__ == "__main__":
    bench.main()
