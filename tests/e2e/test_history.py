"""Items that were kept: feedwatch match --since and feedwatch check --history."""
import json
import os
import time

import bench
from bench import Item

CONFIG = """[feeds]
news = {/news}
[feed:other]
url = {/other}
group = far
[watch:summit]
match = Putin AND Xi
[watch:far]
match = Xi
feeds = group:far
[watch:all]
match = *
[set:leaders]
terms = Putin OR Xi
"""


class History(bench.Test):
    def setUp(self):
        super().setUp()
        self.news = self.origin.feed("/news", title="News")
        self.other = self.origin.feed("/other", title="Other", kind="atom")
        self.now = time.time()

    def started(self, more=""):
        for n in range(3):  # learnt in silence, three days apart
            self.news.publish(Item(title=f"Old {n} of Xi", published=self.now - 86400 * 3 * n))
        d = self.daemon(more + self.config(CONFIG))
        d.start()
        self.learnt(self.news, self.other)
        return d

    def filled(self):
        d = self.started()
        self.news.publish(Item(title="Putin calls Xi", summary="A call."))
        self.news.publish(Item(title="Weather", summary="It rains."))
        self.other.publish(Item(title="Xi speaks"))
        self.expect_titles_of(d, "all", 3)
        return d

    def expect_titles_of(self, d, watch, n):
        bench.wait(lambda: len([a for a in d.alerts() if a["watch"] == watch]) == n, 10,
                   f"alerts of {watch}")

    def match(self, d, rule, *args):
        status, out, err = d.command("match", "-c", d.config, "--json", *args, rule)
        self.assertEqual(err, "")
        return status, [json.loads(line) for line in out.splitlines()]

    def test_match(self):
        d = self.filled()
        status, hits = self.match(d, "Xi", "--since", "30d")
        self.assertEqual(status, 0)
        self.assertEqual(sorted(h["title"] for h in hits),
                         ["Old 0 of Xi", "Old 1 of Xi", "Old 2 of Xi", "Putin calls Xi",
                          "Xi speaks"])
        self.assertEqual([h["title"] for h in hits if not h["learnt"] and h["feed"] == "news"],
                         ["Putin calls Xi"])
        titles = [h["title"] for h in self.match(d, "Xi", "--since", "4d")[1]]
        self.assertNotIn("Old 2 of Xi", titles)
        self.assertIn("Old 1 of Xi", titles)
        self.assertEqual(len(self.match(d, "feed:other", "--since", "1d")[1]), 1)
        self.assertEqual(len(self.match(d, "group:far", "--since", "1d")[1]), 1)
        self.assertEqual(len(self.match(d, "text:call", "--since", "1d")[1]), 1)
        self.assertEqual(len(self.match(d, "@leaders", "--since", "1d")[1]), 3)
        self.assertEqual(self.match(d, "nobody", "--since=1d"), (1, []))
        status, out, _ = d.command("match", "-c", d.config, "--since", "30d", "Putin")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^20\d\d-\d\d-\d\d \d\d:\d\d \[news\] Putin calls Xi\n")
        self.assertIn("1 of 6 items: 0.2 a day", out)

    def test_check(self):
        d = self.filled()
        status, out, err = d.command("check", "-c", d.config, "--history", "--json")
        self.assertEqual((status, err), (0, ""))
        lines = {o["watch"]: o for o in map(json.loads, out.splitlines())}
        self.assertEqual({name: o["hits"] for name, o in lines.items()},
                         {"summit": 1, "far": 1, "all": 6})
        self.assertEqual(lines["far"]["samples"][0]["title"], "Xi speaks")
        self.assertEqual(lines["all"]["items"], 6)
        self.assertAlmostEqual(lines["all"]["a_day"], 1.0, places=1)
        self.assertEqual(lines["all"]["busiest"], 4)
        self.assertEqual(len(lines["all"]["samples"]), 3)
        status, out, _ = d.command("check", "-c", d.config, "--history", "summit")
        self.assertEqual(status, 0)
        self.assertIn("summit: 1 of 6 items, 0.2 a day", out)
        self.assertNotIn("far", out)
        status, _, err = d.command("check", "-c", d.config, "--history", "nobody")
        self.assertEqual(status, 2)
        self.assertIn("nobody", err)

    def test_each_item_once_over_crashes(self):
        d = self.started()
        for n in range(12):
            self.news.publish(Item(title=f"item{n}"))
            if n % 3 == 2:
                d.kill()
                d.start()
        self.expect_titles_of(d, "all", 12)
        titles = [h["title"] for h in self.match(d, "*", "--since", "1d")[1]
                  if not h["learnt"]]
        self.assertEqual(sorted(titles), sorted(f"item{n}" for n in range(12)))

    def test_off(self):
        d = self.started("[feedwatch]\nhistory = 0\n")
        self.news.publish(Item(title="Putin calls Xi"))
        self.expect_titles_of(d, "all", 1)
        status, out, _ = d.command("match", "-c", d.config, "--since", "1d", "Xi")
        self.assertEqual(status, 1)
        self.assertIn("no items are kept", out)

    def test_wrong_use(self):
        d = self.daemon(self.config(CONFIG))
        for args, say in ((["--since", "soon", "Xi"], "how long ago"),
                          (["--since", "1d"], "a rule is needed"),
                          (["--since", "1d", "Xi AND"], "feedwatch match"),
                          (["--since", "1d", "Xi"], "feedwatch.db"),
                          (["--since", "1d", "Xi", os.devnull], "no files")):
            status, _, err = d.command("match", "-c", d.config, *args)
            self.assertEqual(status, 2, args)
            self.assertIn(say, err)


if __name__ == "__main__":
    bench.main()
