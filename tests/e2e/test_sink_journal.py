#!/usr/bin/env python3
"""Alerts in the journal of a real systemd: journalctl FEEDWATCH_WATCH=summit finds them."""
import json
import os
import subprocess
import unittest

import bench
from bench import Item, wait

HOST = os.path.join(bench.TOP, os.environ.get("FEEDWATCH_SHARED", "../shared"),
                    "tools/systemd-host")
CATALOG = os.path.join(bench.TOP, "systemd/feedwatch.catalog")
CONFIG = """[feedwatch]
state = /tmp/state
desktop = no
allow_private = yes
first_run_max_age = 1d
host_interval = 0
[feeds]
news = http://127.0.0.1:8000/news.xml
[watchlist]
moscow = Moscow
[watch:summit]
match = Putin AND Xi
priority = critical
[sink:system]
type = journal
"""
TITLE = "Putin & Xi\u202e <b>\u009b31m\n<3>forged MESSAGE=no"


class NoJournal(bench.Test):
    def test_a_machine_without_a_journal_holds_up_nothing(self):
        if os.path.exists("/run/systemd/journal/socket"):
            self.skipTest("this machine has a journal")
        feed = self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon("[feeds]\nnews = {/news}\n[watchlist]\nsummit = Putin AND Xi\n"
                             "[sink:system]\ntype = journal\n").start()
        self.learnt(feed)
        feed.publish(Item("Putin and Xi"))
        self.expect_titles(daemon, ["Putin and Xi"])
        wait(lambda: "sink_failed sink=\"system\" why=\"journal: No such file" in daemon.stderr(),
             5, "a word about it")
        self.assertLess(daemon.stop(), 2 * bench.SLOW)


class Journal(unittest.TestCase):
    def inside(self, script, **more):
        return subprocess.run([HOST, "exec", "bash", "-euc", script], env=self.env, check=True,
                              capture_output=True, text=True, **more).stdout

    def setUp(self):
        if os.geteuid() != 0 or not os.access(HOST, os.X_OK):
            self.skipTest(f"needs root and {HOST}")
        self.env = os.environ | {"SYSTEMD_HOST": "fw-journal"}
        subprocess.run([HOST, "start"], env=self.env, check=True, capture_output=True)
        self.addCleanup(subprocess.run, [HOST, "stop"], env=self.env, check=False,
                        capture_output=True)

    def journal(self, *match):
        out = self.inside("journalctl -q -o json --all " + " ".join(match))
        return [json.loads(line) for line in out.splitlines()]

    def test_fields_and_catalog(self):
        items = "".join(f"<item><title><![CDATA[{t}]]></title><guid>{n}</guid><link>"
                        f"http://127.0.0.1/{n}</link><pubDate>{{date}}</pubDate></item>"
                        for n, t in enumerate([TITLE, "Moscow calling"]))
        self.inside("cat >/tmp/feedwatch.ini", input=CONFIG)
        self.inside("mkdir /tmp/www; sed \"s/{date}/$(date -R)/g\" >/tmp/www/news.xml", input=(
            "<rss version='2.0'><channel><title>News</title>" + items + "</channel></rss>"))
        self.inside("systemd-run -q --unit origin python3 -m http.server -d /tmp/www -b 127.0.0.1;"
                    "until curl -sf 127.0.0.1:8000 >/tmp/listing; do sleep 0.05; done;"
                    f"mkdir -p /usr/lib/systemd/catalog; cp {CATALOG} /usr/lib/systemd/catalog/;"
                    "journalctl --update-catalog;"
                    "systemd-run -q --wait --unit fw -p ProtectSystem=strict -p ReadWritePaths=/tmp "
                    f"-p PrivateDevices=yes {bench.BIN} run --once -c /tmp/feedwatch.ini;"
                    "journalctl --sync")
        found = self.journal("FEEDWATCH_WATCH=summit")
        self.assertEqual(len(found), 1)
        entry = found[0]
        self.assertEqual(entry["FEEDWATCH_TITLE"], "Putin & Xi \\u009b31m <3>forged MESSAGE=no")
        self.assertEqual(entry["MESSAGE"], "summit [news] " + entry["FEEDWATCH_TITLE"])
        self.assertEqual(entry["PRIORITY"], "2")
        self.assertEqual(entry["FEEDWATCH_FEED"], "news")
        self.assertEqual(entry["FEEDWATCH_LINK"], "http://127.0.0.1/0")
        self.assertEqual(entry["FEEDWATCH_MATCHED"], ["Putin", "Xi"])
        self.assertEqual(entry["SYSLOG_IDENTIFIER"], "feedwatch")
        self.assertEqual(len(entry["FEEDWATCH_ID"]), 32)
        self.assertEqual(len(self.journal("FEEDWATCH_MATCHED=Moscow")), 1)
        self.assertEqual(len(self.journal("SYSLOG_IDENTIFIER=feedwatch",
                                          f"MESSAGE_ID={entry['MESSAGE_ID']}")), 2)
        self.assertEqual({entry["FEEDWATCH_SEQ"] for entry in self.journal(
            "FEEDWATCH_FEED=news")}, {"1", "2"})
        said = self.inside("journalctl -q -x FEEDWATCH_WATCH=summit")
        self.assertIn("Subject: A feed has an item that matches the watch summit", said)
        self.assertIn("http://127.0.0.1/0", said)
        listed = self.inside(f"journalctl --list-catalog {entry['MESSAGE_ID']}")
        self.assertIn("feedwatch", listed)


if __name__ == "__main__":
    bench.main()
