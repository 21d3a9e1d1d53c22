#!/usr/bin/env python3
"""The alert log whatever a feed says: one alert is one line, in each format (T1, T2, T3, T5, T6, T7)."""
import json
import os
import re
import unicodedata

import bench
from bench import Item, wait

UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e"
                    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
TITLES = {
    "t1_forging": "Putin Xi\n<3>fake event=1\r\n2026-01-01T00:00:00.000Z #99 summit [news] forged",
    "t2_terminal": "Putin Xi \u009b31m \u007f \u009d0;owned\u009c \x1b[2J \u0090q\u009c",
    "t3_bidi": "Putin Xi \u202egnp.exe\u202c \u2066x\u2069 \u200b\ufeff\u00ad\u200d\U000e0041",
    "t5_long": "Putin Xi \U0001F469\u200D\U0001F469\u200D\U0001F466" + "\U0001F680\u0301" * 30_000,
    "t6_format": "Putin Xi %n%n%s%x%d%1$s {0} $(id) `id` \\n \\x1b",
    "t7_json": "Putin Xi \"quotes\" back\\slash \u2028\u2029 \ufffe\uffff \\ud800 </script>",
}


class Log(bench.Test):
    def lines(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            data = file.read()
        self.assertTrue(data.endswith(b"\n"))
        return data.decode("utf-8", errors="strict")[:-1].split("\n")

    def test_t1_t2_t3_t5_t6_t7_each_alert_is_one_safe_line(self):
        feed = self.origin.feed("/news", title="News\u202e\n%s", items=[Item("old")])
        daemon = self.daemon("[feeds]\nnews = {/news}\n[watchlist]\nsummit = Putin AND Xi\n"
                             "[sink:t]\ntype = log\npath = t.log\n"
                             "[sink:l]\ntype = log\npath = l.log\nformat = logfmt\n").start()
        self.learnt(feed)
        for number, title in enumerate(TITLES.values()):
            title = title.replace("\x1b", "")  # XML has no such character
            feed.publish(Item(title, guid=f"g{number}\n\u202e", link=f"http://127.0.0.1/{number}",
                              summary=title))
            wait(lambda n=number: len(daemon.alerts()) == n + 1, 10, f"alert {number}")
        for name in ("alerts.log", "t.log", "l.log"):
            with self.subTest(name):
                wait(lambda n=name: len(self.lines(n)) >= len(TITLES), 5, "all lines")
                lines = self.lines(name)
                self.assertEqual(len(lines), len(TITLES))
                for line in lines:
                    if name == "alerts.log":  # JSON may hold soft hyphens
                        line = line.replace("\u00ad", "")
                    self.assertIsNone(UNSAFE.search(line), repr(line[:200]))
        for number, line in enumerate(self.lines("alerts.log")):
            alert = json.loads(line)
            self.assertEqual((alert["seq"], alert["watch"]), (number + 1, "summit"))
            self.assertLessEqual(len(alert["title"]), 4096)
        for number, line in enumerate(self.lines("t.log")):
            self.assertRegex(line, rf"^\S+Z #{number + 1} summit \[news\] \*Putin\* \*Xi\*")
            self.assertLess(len(line), 3500)
        for number, line in enumerate(self.lines("l.log")):
            self.assertTrue(line.startswith(f"seq={number + 1} time="), line)
        for line in self.lines("t.log"):
            self.assertEqual([c for c in line if unicodedata.category(c) == "Cs"], [])
        self.assertIn("%n%n%s%x%d%1$s {0} $(id) `id`", self.lines("t.log")[4])
        self.assertIn(TITLES["t6_format"], json.loads(self.lines("alerts.log")[4])["title"])
        daemon.stop()


if __name__ == "__main__":
    bench.main()
