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
OTHERS = """[sink:hook]
type = command
command = /usr/local/bin/on-alert fixed
[sink:web]
type = atom
path = /var/lib/feedwatch/alerts.atom
[sink:hook2]
type = webhook
allow_private = yes
url = http://127.0.0.1:9000/
[sink:post]
type = mail
tls = no
server = smtp://127.0.0.1:2525
from = a@example.org
to = b@example.org
"""
PEERS = """import http.server, json, socketserver, threading
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def do_POST(self):
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print("WEBHOOK", data["type"], flush=True)
        self.do_GET()
class Mail(socketserver.StreamRequestHandler):
    def handle(self):
        def say(text):
            self.wfile.write(text + b"\\r\\n")
        say(b"220 x")
        while line := self.rfile.readline():
            if line.upper().startswith(b"DATA"):
                say(b"354 go")
                while self.rfile.readline() != b".\\r\\n":
                    pass
                print("MAIL", flush=True)
            say(b"250 ok")
server = socketserver.TCPServer(("127.0.0.1", 2525), Mail)
threading.Thread(target=server.serve_forever, daemon=True).start()
http.server.HTTPServer(("127.0.0.1", 9000), Web).serve_forever()
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
        self.env = os.environ | {"SYSTEMD_HOST": f"fw-journal-{os.getpid()}"}
        subprocess.run([HOST, "start"], env=self.env, check=True, capture_output=True)
        self.addCleanup(subprocess.run, [HOST, "stop"], env=self.env, check=False,
                        capture_output=True)

    def copy(self, source, to):
        """The machine has a /tmp of its own: files of this one may not be seen there."""
        with open(source, "rb") as file:
            subprocess.run([HOST, "exec", "bash", "-euc",
                            f"mkdir -p $(dirname {to}); cat >{to}; chmod 755 {to}"],
                           env=self.env, check=True, capture_output=True, stdin=file)

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
        self.copy(bench.BIN, "/usr/local/bin/feedwatch")
        self.copy(CATALOG, "/usr/lib/systemd/catalog/feedwatch.catalog")
        self.inside("systemd-run -q --unit origin python3 -m http.server -d /tmp/www -b 127.0.0.1;"
                    "until curl -sf 127.0.0.1:8000 >/tmp/listing; do sleep 0.05; done;"
                    "journalctl --update-catalog;"
                    "systemd-run -q --wait --unit fw -p ProtectSystem=strict -p ReadWritePaths=/tmp "
                    "-p PrivateDevices=yes /usr/local/bin/feedwatch run --once -c /tmp/feedwatch.ini;"
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

    @unittest.skipIf("asan" in bench.BIN,
                     "the sandbox has no room for the sanitizers' shadow memory")
    def test_all_kinds_in_the_sandbox_of_the_shipped_unit(self):
        files = {
            "/etc/feedwatch/feedwatch.ini": CONFIG.replace("state = /tmp/state\n", "") + OTHERS,
            "/tmp/www/news.xml": "<rss version='2.0'><channel><title>News</title><item><title>"
                                 "Putin and Xi</title><guid>1</guid><pubDate>{date}</pubDate>"
                                 "</item></channel></rss>",
            "/usr/local/bin/on-alert": "#!/bin/sh\nlogger -t hook \"$1 $FEEDWATCH_TITLE $(cat)\"\n",
            "/tmp/peers.py": PEERS,
        }
        for path, text in files.items():
            self.inside(f"mkdir -p $(dirname {path}); sed \"s/{{date}}/$(date -R)/\" >{path}",
                        input=text)
        self.copy(bench.BIN, "/usr/local/bin/feedwatch")
        self.copy(f"{bench.TOP}/systemd/feedwatch.service",
                  "/etc/systemd/system/feedwatch.service")
        self.inside("""
            chmod 755 /usr/local/bin/on-alert
            systemd-run -q --unit origin python3 -m http.server -d /tmp/www -b 127.0.0.1
            systemd-run -q --unit peers python3 /tmp/peers.py
            until curl -sf 127.0.0.1:8000 && curl -sf 127.0.0.1:9000; do sleep 0.05; done >/tmp/up
            systemctl daemon-reload; systemctl start feedwatch""")

        def done():
            self.inside("journalctl --sync")
            said = self.inside("journalctl -q -t hook -o cat; journalctl -q -u peers -o cat")
            return all(word in said for word in (
                'fixed Putin and Xi {"seq":1,', 'WEBHOOK feedwatch.alert', "MAIL")) and said
        wait(done, 20, "all sinks", step=0.2)
        wait(lambda: self.inside("journalctl --sync") or self.journal("FEEDWATCH_WATCH=summit"), 10,
             "the alert in the journal", step=0.2)
        for words, path in (("<title>Putin and Xi</title>", "/var/lib/feedwatch/alerts.atom"),
                            ("CRITICAL summit [news]", "/var/log/feedwatch/alerts.log")):
            wait(lambda w=words, p=path: w in self.inside(f"cat {p} || true"), 10, path, step=0.2)
        self.assertEqual(len(self.journal("FEEDWATCH_WATCH=summit")), 1)
        self.assertNotIn("sink_failed", self.inside("journalctl -q -u feedwatch -o cat"))
        self.inside("systemctl stop feedwatch")
        self.assertIn("Result=success", self.inside("systemctl show feedwatch -p Result"))


if __name__ == "__main__":
    bench.main()
