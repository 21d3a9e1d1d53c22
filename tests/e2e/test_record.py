"""feedwatch alerts: reads the store, filters, follows it through restarts and exchanges."""
import glob
import json
import os
import pty
import signal
import subprocess
import time

import bench
from bench import Item, wait

CONFIG = """[feeds]
news = {/news}
[watch:summit]
match = Putin AND Xi
[watch:energy]
match = nuclear
priority = critical
"""


class Record(bench.Test):
    def setUp(self):
        super().setUp()
        self.feed = self.origin.feed("/news", title="News")
        self.readers = []

    def tearDown(self):
        for reader in self.readers:
            reader.kill()
            reader.wait()
        super().tearDown()

    def started(self):
        d = self.daemon(self.config(CONFIG))
        d.start()
        self.learnt(self.feed)
        return d

    def publish(self, d, *titles):
        for title in titles:
            have = len(d.alerts())
            self.feed.publish(Item(title=title, summary="What Xi said of it, in short."))
            wait(lambda: len(d.alerts()) > have, 10, "the alert")

    def alerts(self, d, *args):
        status, out, err = d.command("alerts", "-c", d.config, *args)
        return status, out.splitlines(), err

    def titles(self, d, *args):
        status, lines, err = self.alerts(d, "--json", *args)
        self.assertEqual((status, err), (0, ""))
        return [json.loads(line)["title"] for line in lines]

    def follow(self, d, *args):
        path = os.path.join(d.folder, f"followed.{len(self.readers)}")
        with open(path, "wb") as out:
            reader = d.spawn("alerts", "-c", d.config, "-f", "--json", *args, stdout=out)
        self.readers.append(reader)
        return reader, lambda: [a["title"] for a in bench.alerts_in(path)]

    def test_what_is_there(self):
        d = self.started()
        self.publish(d, "Putin calls Xi", "A nuclear plant", "Xi calls Putin")
        self.assertEqual(self.titles(d), ["Putin calls Xi", "A nuclear plant",
                                          "Xi calls Putin"])
        self.assertEqual(self.titles(d, "-n", "1"), ["Xi calls Putin"])
        self.assertEqual(self.titles(d, "-n", "0"), [])
        self.assertEqual(self.titles(d, "--watch", "energy"), ["A nuclear plant"])
        self.assertEqual(self.titles(d, "--watch", "nobody"), [])
        self.assertEqual(len(self.titles(d, "--since", "1h")), 3)
        self.assertEqual(len(self.titles(d, "--since", "2020-01-01T00:00:00Z")), 3)
        self.assertEqual(self.titles(d, "--since", "2100-01-01"), [])
        with open(d.log, encoding="utf-8") as log:
            self.assertEqual(self.alerts(d, "-j")[1], log.read().splitlines())
        lines = self.alerts(d)[1]
        self.assertRegex(lines[0], r"^20\d\d-.*Z #1 summit \[news\] \*Putin\* calls \*Xi\*")
        self.assertRegex(lines[1], r"^20\d\d-.*Z #2 CRITICAL energy \[news\] A \*nuclear\* plant")
        self.assertNotIn("\x1b", "".join(lines))

    def test_record_is_whole(self):
        d = self.started()
        self.publish(d, "Putin calls Xi")
        a = json.loads(self.alerts(d, "-j")[1][0])
        self.assertEqual(a["rule"], "Putin AND Xi")
        self.assertEqual(len(a["rule_hash"]), 16)
        self.assertEqual(a["generation"], 1)
        self.assertEqual(a["spans"]["title"], [{"offset": 0, "length": 5},
                                               {"offset": 12, "length": 2}])
        span = a["spans"]["snippet"][0]
        self.assertEqual(a["snippet"].encode()[span["offset"]:][:span["length"]], b"Xi")
        self.assertLessEqual(a["published"][:19], a["fetched"])
        self.assertLessEqual(a["fetched"], a["time"])
        d.reload()  # with nothing changed
        self.publish(d, "Xi calls Putin")
        d.write(self.config(CONFIG + "[watchlist]\nmore = peace\n"))
        d.reload()
        self.publish(d, "Putin and Xi meet")
        d.stop()
        d.start()
        self.publish(d, "Xi and Putin part")
        self.assertEqual([json.loads(line)["generation"] for line in self.alerts(d, "-j")[1]],
                         [1, 1, 2, 2])

    def test_follows(self):
        d = self.started()
        self.publish(d, "Putin calls Xi")
        _, all_of = self.follow(d)
        _, energy = self.follow(d, "--watch", "energy", "-n", "0")
        wait(lambda: all_of() == ["Putin calls Xi"], 5, "what was there")
        self.publish(d, "A nuclear plant")
        wait(lambda: energy() == ["A nuclear plant"], 5, "the new one")
        d.kill()
        d.start()
        self.publish(d, "Xi calls Putin")
        wait(lambda: len(all_of()) == 3, 5, "the one after a restart")
        self.assertEqual(all_of(), ["Putin calls Xi", "A nuclear plant", "Xi calls Putin"])
        self.assertEqual(energy(), ["A nuclear plant"])

    def test_follows_another_store(self):
        d = self.started()
        self.publish(d, "Putin calls Xi", "Xi calls Putin")
        _, seen = self.follow(d)
        wait(lambda: len(seen()) == 2, 5, "what was there")
        d.stop()
        for path in glob.glob(os.path.join(d.state, "feedwatch.db*")):
            os.rename(path, path + ".away")
        os.unlink(d.log)  # numbers begin at 1 again
        before = len(self.feed.requests(status=200))
        d.start()
        self.origin.wait(lambda: len(self.feed.requests(status=200)) > before, 10,
                         "a new contact")
        wait(lambda: "feed_learned" in d.stderr(), 10, "the end of it")
        self.publish(d, "Putin meets Xi")
        wait(lambda: len(seen()) == 3, 5, "the first one of the new store")
        self.assertEqual(seen()[2], "Putin meets Xi")
        self.assertEqual(wait(d.alerts, 5, "its line in the log")[0]["seq"], 1)

    def test_waits_for_a_store(self):
        d = self.daemon(self.config(CONFIG))
        status, _, err = self.alerts(d)
        self.assertEqual(status, 1)
        self.assertIn("feedwatch.db", err)
        reader, seen = self.follow(d)
        wait(lambda: "waiting for a store" in d.stderr(), 5, "the notice")
        d.start()
        self.learnt(self.feed)
        self.publish(d, "Putin calls Xi")
        wait(lambda: seen() == ["Putin calls Xi"], 5, "the first one ever")
        reader.send_signal(signal.SIGINT)
        reader.wait(30 * bench.SLOW)

    def test_ends_with_its_reader(self):
        d = self.started()
        reader = d.spawn("alerts", "-c", d.config, "-f", stdout=subprocess.PIPE)
        self.readers.append(reader)
        reader.stdout.close()
        self.assertEqual(reader.wait(30 * bench.SLOW), 0)

    def test_marks_on_a_terminal(self):
        d = self.started()
        self.publish(d, "Putin\u202e calls Xi")
        main, other = pty.openpty()
        reader = d.spawn("alerts", "-c", d.config, stdout=other, env={"TERM": "xterm"})
        self.readers.append(reader)
        reader.wait(30 * bench.SLOW)
        os.close(other)
        out = b""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                more = os.read(main, 4096)
            except OSError:
                break
            out += more
        os.close(main)
        self.assertIn("\x1b[1m\x1b[33mPutin\x1b[0m calls \x1b[1m\x1b[33mXi\x1b[0m", out.decode())
        self.assertNotIn("\u202e", out.decode())

    def test_wrong_use(self):
        d = self.daemon(self.config(CONFIG))
        for args, say in ((["-n", "many"], "a number"), (["--since", "soon"], "how long ago"),
                          (["-n", "-1"], "a number"), (["extra"], "unexpected"),
                          (["--nothing"], "usage")):
            status, _, err = self.alerts(d, *args)
            self.assertEqual(status, 2, args)
            self.assertIn(say, err)


if __name__ == "__main__":
    bench.main()
