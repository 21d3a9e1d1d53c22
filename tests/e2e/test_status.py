#!/usr/bin/env python3
"""feedwatch status: table, one feed, JSON; beside a running daemon, and without one."""
import json
import os
import pty
import re
import signal
import struct
import fcntl
import subprocess
import termios
import time

import bench
from bench import Item


def on_terminal(daemon, columns, *args):
    """What a command shows on a terminal so many columns wide."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen([bench.BIN, *args], stdin=subprocess.DEVNULL, stdout=child,
                               stderr=subprocess.DEVNULL,
                               env={"TERM": "xterm", "HOME": daemon.folder})
    os.close(child)
    out = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not part:
            break
        out += part
    os.close(parent)
    process.wait()
    return out.decode().replace("\r\n", "\n")


class Status(bench.Test):
    CONFIG = ("[feeds]\nnews = {/news}\nmissing = {/missing}\ngone = {/gone}\n"
              "[feed:grouped]\nurl = {/grouped}\ngroup = World\n[watchlist]\nsummit = Putin Xi\n")

    def setUp(self):
        super().setUp()
        self.news = self.origin.feed("/news", title="The News", items=[
            Item("old", guid=str(n)) for n in range(8)])
        self.grouped = self.origin.feed("/grouped", items=[Item("old")])
        self.origin.answer("/missing", lambda reply: reply.send(404))
        self.origin.answer("/gone", lambda reply: reply.send(410))

    def started(self):
        daemon = self.daemon(self.CONFIG).start()
        self.learnt(self.news, self.grouped)
        bench.wait(lambda: "tries=1" in daemon.stderr() and "feed_gone" in daemon.stderr(), 10)
        self.news.publish(Item("Putin and Xi"))
        self.expect_titles(daemon, ["Putin and Xi"])
        self.polled_again(self.news)
        return daemon

    def status(self, daemon, *args):
        return daemon.command("status", "-c", daemon.config, *args)

    def settled(self, daemon):
        """The rows as soon as the store knows all that was asked of it here."""
        def rows():
            feeds = {f["name"]: f for f in self.json(daemon)["feeds"]}
            return feeds if feeds["news"]["total"]["not_modified"] > 1 \
                and feeds["missing"]["failures"] and feeds["gone"]["state"] == "gone" else None
        return bench.wait(rows, 10, "all four feeds in the store", 0.1)

    def json(self, daemon, *args):
        status, out, err = self.status(daemon, "--json", *args)
        self.assertEqual((status, err), (0, ""))
        return json.loads(out)

    def test_table_beside_a_running_daemon(self):
        daemon = self.started()
        self.settled(daemon)
        status, out, err = self.status(daemon)
        self.assertEqual((status, err), (0, ""))
        self.assertNotIn("\033", out)
        lines = out.split("\n")
        self.assertRegex(lines[0], r"^4 feeds: 2 ok, 1 failing, 1 gone; 1 alert so far; "
                                   rf"the daemon runs \(process {daemon.process.pid}\)$")
        self.assertTrue(lines[2].startswith("FEED     STATE"), lines[2])
        rows = {line.split()[0]: line for line in lines[3:] if line}
        self.assertEqual(list(rows), ["news", "missing", "gone", "grouped"])
        self.assertRegex(rows["news"], r"^news +ok +(now|\d+ s ago) +(now|in \d+ s) .*\d+%")
        self.assertRegex(rows["missing"], r"^missing +failing +never .* HTTP 404: not found$")
        self.assertRegex(rows["gone"], r"^gone +gone +never +never .*410 Gone")

    def test_failing_only(self):
        daemon = self.started()
        self.settled(daemon)
        rows = self.status(daemon, "--failing")[1].split("\n")[3:-1]
        self.assertEqual([row.split()[0] for row in rows], ["missing", "gone"])
        self.assertEqual([f["name"] for f in self.json(daemon, "--failing")["feeds"]],
                         ["missing", "gone"])

    def test_p40_one_feed(self):
        """P40: what was asked and answered, and what comes next."""
        daemon = self.started()
        self.settled(daemon)
        status, out, err = self.status(daemon, "--feed", "news")
        self.assertEqual((status, err), (0, ""))
        shown = dict(re.findall(r"^(\S.{14}\S?) *?(\S.*)$", out, re.M))
        shown = {key.strip(): value for key, value in shown.items()}
        self.assertEqual(shown["title"], "The News")
        self.assertEqual(shown["url"], self.origin.url("/news"))
        self.assertRegex(shown["last status"], "^HTTP (200|304)$")
        self.assertRegex(shown["ETag"], "^\"news-")
        for key in ("last poll", "last success", "next poll", "why then", "Last-Modified",
                    "last 24 h", "since ever", "items", "last new item", "configured at"):
            self.assertIn(key, shown)
        self.assertRegex(shown["since ever"], r"^\d+ requests, \d+% not modified, \d+ (bytes|kB)$")
        self.assertRegex(shown["items"], "^9 new so far.*; 1 alert$")

    def test_json(self):
        daemon = self.started()
        rows = self.settled(daemon)
        whole = self.json(daemon)
        self.assertEqual((whole["daemon"], whole["alerts"]), (daemon.process.pid, 1))
        self.assertRegex(whole["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        news = rows["news"]
        self.assertEqual((news["state"], news["items"], news["alerts"], news["failures"]),
                         ("ok", 9, 1, 0))
        self.assertEqual(news["url"], self.origin.url("/news"))
        self.assertEqual(rows["grouped"]["group"], "World")
        self.assertIsNone(rows["gone"]["next_poll"])
        self.assertEqual(rows["missing"]["problem"], "HTTP 404: not found")
        only = self.json(daemon, "--feed", "gone")["feeds"]
        self.assertEqual([f["name"] for f in only], ["gone"])

    def test_json_is_described_in_the_manual(self):
        daemon = self.started()
        with open(os.path.join(bench.TOP, "man", "feedwatch.1"), encoding="utf-8") as page:
            text = page.read()
        whole = self.json(daemon)
        for key in [*whole, *whole["feeds"][0], *whole["feeds"][0]["last_24h"]]:
            self.assertRegex(text, rf"\b{key}\b", f"{key} is not in feedwatch(1)")

    def test_without_a_daemon_and_without_a_store(self):
        daemon = self.daemon(self.CONFIG)
        status, out, _ = self.status(daemon)
        self.assertEqual(status, 0)
        self.assertIn("4 feeds: 4 new; 0 alerts so far; the daemon does not run", out)
        daemon.start()
        self.learnt(self.news)
        daemon.stop()
        self.assertIn("the daemon does not run", self.status(daemon)[1])
        self.assertIsNone(self.json(daemon)["daemon"])

    def test_the_daemon_can_start_while_status_looks(self):
        """Asking who holds the store never takes the lock from a daemon that starts."""
        daemon = self.daemon(self.CONFIG).start()
        daemon.stop()
        loop = subprocess.Popen(["sh", "-c", f"while :; do '{bench.BIN}' status -c "
                                 f"'{daemon.config}' >/dev/null || exit 1; done"],
                                start_new_session=True)
        try:
            for _ in range(5):
                daemon.start()
                daemon.stop()
            self.assertIsNone(loop.poll())
        finally:
            os.killpg(loop.pid, signal.SIGKILL)
            loop.wait()

    def test_fits_the_terminal(self):
        daemon = self.started()
        self.settled(daemon)
        for columns in (40, 60, 80, 132, 200):
            out = on_terminal(daemon, columns, "status", "-c", daemon.config)
            self.assertIn("\033[32m", out)
            plain = re.sub("\033\\[[0-9;]*m", "", out)
            table = plain.split("\n")[2:]
            self.assertIn("missing", plain)
            self.assertLessEqual(max(len(line) for line in table), columns, plain)

    def test_wrong_calls(self):
        daemon = self.daemon(self.CONFIG)
        self.assertEqual(self.status(daemon, "--help")[0], 0)
        self.assertEqual(self.status(daemon, "x")[0], 2)
        status, _, err = self.status(daemon, "--feed", "nwes")
        self.assertEqual(status, 1)
        self.assertIn("there is no feed 'nwes'", err)
        self.assertIn("did you mean 'missing'?", self.status(daemon, "--feed", "MISS")[2])
        self.assertEqual(daemon.command("status", "-c", "/no/such/file")[0], 78)

    def test_many_feeds_are_quick(self):
        daemon = self.daemon("[feeds]\n" + "".join(
            f"f{n} = http://127.0.0.1:9/{n}\n" for n in range(20000)))
        begin = time.monotonic()
        status, out, _ = self.status(daemon)
        self.assertEqual((status, out.count("\n")), (0, 20003))
        self.assertLess(bench.took(begin), 5 * bench.SLOW)


if __name__ == "__main__":
    bench.main()
