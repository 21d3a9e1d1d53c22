#!/usr/bin/env python3
"""on_new_rule = digest 24h: a rule that is new or changed is told, in one digest, what has passed."""
import glob
import json
import os
import re
import time

import bench
from bench import Held, Item, item_xml, rss_head, wait
from test_noise import SPY

FEEDS = "[feeds]\na = {/a}\nb = {/b}\n"
SUMMIT = "[watch:summit]\nmatch = Putin AND Xi\n"
WATER = "[watch:water]\nmatch = water OR flood\n"


class NewRule(bench.Test):
    def setUp(self):
        super().setUp()
        self.a, self.b = [self.origin.feed(path, title=path, items=[Item("old water")])
                          for path in ("/a", "/b")]
        self.home = os.path.join(self.folder, "bin")
        os.mkdir(self.home)
        with open(os.path.join(self.home, "spy"), "w", encoding="utf-8") as file:
            file.write(SPY)
        os.chmod(file.name, 0o755)
        self.sink = f"[sink:hook]\ntype = command\ncommand = {file.name}\n"

    def text(self, watches, general="on_new_rule = digest 24h", sink=True):
        return self.config(f"[feedwatch]\n{general}\n" + FEEDS + watches
                           + (self.sink if sink else ""))

    def told(self):
        got = []
        for path in glob.glob(os.path.join(self.home, "spy.*")):
            if not path.endswith(".new"):
                with open(path, encoding="utf-8") as file:
                    got.append(json.load(file))
        return sorted(got, key=lambda o: o["time"])

    def digests(self):
        return [o for o in self.told() if "digest" in o]

    def started(self, watches=SUMMIT, **more):
        daemon = self.daemon(self.text(watches, **more)).start()
        self.learnt(self.a, self.b)
        self.a.publish(Item("Putin meets Xi"), Item("Flood in the valley", guid="f"),
                       Item("nothing of it"))
        self.expect_titles(daemon, ["Putin meets Xi"])
        self.b.publish(Item("Clean water for all", guid="w"))
        self.polled_again(self.b)
        self.kept(daemon, 6)
        return daemon

    def kept(self, daemon, n):
        """Until so many items are kept: both feeds' old ones and those that came."""
        def count():
            _, out, _ = daemon.command("match", "--since", "1d", "-c", daemon.config, "--json",
                                       "old OR Putin OR flood OR water OR nothing")
            return len(out.splitlines()) >= n
        log = daemon.stderr_path
        wait(count, 10, "the kept items", step=0.2)
        daemon.stderr_path = log

    def reload(self, daemon, text):
        daemon.write(text)
        daemon.reload()

    def test_nothing_is_the_default(self):
        daemon = self.started(general="")
        self.reload(daemon, self.text(SUMMIT + WATER, general=""))
        self.a.publish(Item("New water"))
        self.expect_titles(daemon, ["Putin meets Xi", "New water"])
        self.assertNotIn("new_rule", daemon.stderr())
        daemon.stop()

    def test_a_new_watch_is_told_what_has_passed_in_one_digest(self):
        daemon = self.started()
        self.reload(daemon, self.text(SUMMIT + WATER))
        digest = wait(self.digests, 10, "the digest")[0]
        titles = ["old water", "old water", "Flood in the valley", "Clean water for all"]
        self.assertEqual(sorted(a["title"] for a in digest["alerts"]), sorted(titles))
        self.assertEqual((digest["watch"], digest["count"], digest["reason"]),
                         ("water", 4, ["new_rule"]))
        self.assertTrue(all(a["held"] == "new_rule" for a in digest["alerts"]))
        wait(lambda: re.search('new_rule watch="?water"? found=4', daemon.stderr()), 5,
             "a word about it")
        # at once and as ever: an item that comes now
        self.a.publish(Item("Water, now"))
        wait(lambda: "Water, now" in [o.get("title") for o in self.told()], 10, "the alert")
        wait(lambda: len(daemon.alerts()) >= 6, 5, "all lines")
        self.assertEqual(len(daemon.alerts()), 6)
        self.assertEqual(len(set(a["seq"] for a in daemon.alerts())), 6)
        # the same config again, and a restart: nothing more
        self.reload(daemon, self.text(SUMMIT + WATER))
        daemon.stop()
        daemon.start()
        self.a.publish(Item("Water at last"))
        wait(lambda: "Water at last" in [o.get("title") for o in self.told()], 10, "the alert")
        self.assertEqual(len(self.digests()), 1)
        wait(lambda: len(daemon.alerts()) >= 7, 5, "all lines")
        self.assertEqual(len(daemon.alerts()), 7)
        self.assertNotIn("new_rule", daemon.stderr())
        daemon.stop()

    def test_a_document_in_flight_at_the_reload_belongs_to_what_has_passed(self):
        """It is judged by the rules it began with; what they do not find, the digest has."""
        daemon = self.started()
        held = Held("chunked")
        self.origin.answer("/b", held)
        self.assertTrue(held.started.wait(10 * bench.SLOW))
        held.send(rss_head("/b") + item_xml("rss", Item("Water, before", guid="1"))
                  + item_xml("rss", Item("Putin and Xi swim", guid="0")))
        self.expect_titles(daemon, ["Putin meets Xi", "Putin and Xi swim"])  # it has begun
        self.reload(daemon, self.text(SUMMIT + WATER))
        held.send(item_xml("rss", Item("Water, behind", guid="2")) + "</channel></rss>")
        held.end()
        self.origin.answer("/b", self.b)
        digest = wait(self.digests, 15, "the digest")[0]
        titles = [a["title"] for a in digest["alerts"]]
        self.assertIn("Water, before", titles)
        self.assertIn("Water, behind", titles)
        self.b.publish(Item("Water, now"))
        wait(lambda: "Water, now" in [o.get("title") for o in self.told()], 10, "the alert")
        self.assertEqual(len(self.digests()), 1)
        daemon.stop()

    def test_a_changed_rule_does_not_repeat_what_its_watch_has_told(self):
        daemon = self.started()
        self.reload(daemon, self.text("[watch:summit]\nmatch = Putin OR flood\n"))
        digest = wait(self.digests, 10, "the digest")[0]
        self.assertEqual([a["title"] for a in digest["alerts"]], ["Flood in the valley"])
        self.reload(daemon, self.text(SUMMIT))  # and back: all of it was told
        wait(lambda: len(re.findall("new_rule watch=", daemon.stderr())) == 2, 10, "the word of it")
        self.reload(daemon, self.text("[watch:summit]\nmatch = Putin OR flood\n"))
        wait(lambda: len(re.findall("new_rule watch=", daemon.stderr())) == 3, 10, "the word of it")
        self.assertEqual([n for n in re.findall(r"found=(\d+)", daemon.stderr())], ["1", "0", "0"])
        self.a.publish(Item("Putin"))
        wait(lambda: "Putin" in [o.get("title") for o in self.told()], 10, "the alert")
        self.assertEqual(len(self.digests()), 1)
        daemon.stop()

    def test_only_some_watches_feeds_and_hours(self):
        daemon = self.started(general="")
        now = time.time()
        self.a.publish(Item("Water of old", published=now - 9 * 86400))
        self.kept(daemon, 7)
        self.reload(daemon, self.text(
            SUMMIT + WATER + "feeds = b\non_new_rule = digest 1h\n[watch:quiet]\nmatch = water\n",
            general=""))
        digest = wait(self.digests, 10, "the digest")[0]
        self.assertEqual(sorted(a["title"] for a in digest["alerts"]),
                         ["Clean water for all", "old water"])
        self.a.publish(Item("More water"))
        wait(lambda: "More water" in [o.get("title") for o in self.told()], 10, "the alert")
        self.assertEqual(len(self.digests()), 1)
        daemon.stop()

    def test_a_rule_that_is_new_at_the_start_counts_too_and_crashes_repeat_nothing(self):
        daemon = self.started()
        daemon.kill()
        daemon.write(self.text(SUMMIT + WATER))
        for delay in (0, 0.01, 0.03, 0.06, 0.1, 0.15):
            process = daemon.spawn("run", "-c", daemon.config)
            time.sleep(delay * bench.SLOW)
            process.kill()
            process.wait()
        daemon.start()
        wait(self.digests, 15, "the digest")
        self.a.publish(Item("Water, now"))
        wait(lambda: "Water, now" in [o.get("title") for o in self.told()], 10, "the alert")
        daemon.stop()
        found = [a["title"] for a in daemon.alerts() if a.get("held") == "new_rule"]
        self.assertEqual(sorted(found), sorted(["old water", "old water", "Flood in the valley",
                                                "Clean water for all"]))
        ids = {d["id"] for d in self.digests()}
        self.assertEqual(sum(d["count"] for d in {d["id"]: d for d in self.digests()}.values()), 4)
        self.assertEqual(len(ids), 1)

    def test_once(self):
        daemon = self.started()
        daemon.stop()
        daemon.write(self.text(SUMMIT + WATER))
        self.assertEqual(daemon.once(), 0)
        self.assertEqual([d["count"] for d in self.digests()], [4])

    def test_wrong_values(self):
        for value in ("24h", "digest", "digest 0", "digest 400d", "digest soon", "yes"):
            daemon = self.daemon(self.text(SUMMIT, general=f"on_new_rule = {value}"))
            code, _, said = daemon.command("check", "-c", daemon.config)
            self.assertEqual(code, 78, value)
            self.assertRegex(said, r"feedwatch\.ini:\d+: on_new_rule = .*; write nothing, or")


if __name__ == "__main__":
    bench.main()
