"""Nothing lost, nothing twice: the rows D1-D9, X11 and X12 of the fault table (D10 is in
test_torture.py).

The short forms run with the other tests; make torture-store runs the long ones
(FEEDWATCH_FULL=1): 1,000 kills at random, every step, 100 rotations."""
import errno
import glob
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import unittest

import bench
import faults
from bench import Item, wait

FULL = bool(os.environ.get("FEEDWATCH_FULL"))
CLOCK = os.path.join(faults.TOOLS, "fake_clock.so")

CONFIG = """[watchlist]
all = *
[feeds]
"""


def amount(short, full):
    return full if FULL else short


class Durable(bench.Test):
    FEEDS = 3

    def setUp(self):
        super().setUp()
        self.rng = random.Random(7)
        self.n = 0
        self.feeds = [self.origin.feed(f"/f{i}", kind=("rss", "atom", "rdf")[i % 3])
                      for i in range(self.FEEDS)]
        self.want = []

    def make(self, more="", **how):
        """A daemon that has learnt its feeds."""
        for feed in self.feeds:
            feed.publish(Item(title=f"backlog of {feed.path}"))
        d = self.daemon(more + CONFIG + "".join(f"f{i} = {{/f{i}}}\n"
                                                for i in range(self.FEEDS)), **how)
        self.assertEqual(d.once(), 0)
        self.assertEqual(d.alerts(), [])
        return d

    def publish(self, *feeds):
        for feed in feeds or self.feeds:
            self.n += 1
            title = f"item number {self.n}"
            feed.publish(Item(title=title, summary=f"What {title} says"))
            self.want.append(title)

    def check(self, alerts, store=None):
        """Each expected alert exactly once, numbers without a gap, the store sound."""
        self.assertEqual(sorted(a["title"] for a in alerts), sorted(self.want))
        self.assertEqual([a["seq"] for a in alerts], list(range(1, len(alerts) + 1)))
        if store:
            self.check_store(store)

    def check_store(self, folder):
        db = sqlite3.connect(os.path.join(folder, "feedwatch.db"))
        try:
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        finally:
            db.close()

    def run_once(self, d, seconds=None, **env):
        """feedwatch run --once; killed after `seconds`.  The exit status."""
        process = d.spawn("run", "-c", d.config, "--once", env=env)
        try:
            return process.wait(60 if seconds is None else seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            process.kill()
            process.wait()

    def faults(self, d):
        """Faults for the store and the log of `d`; see faults.py."""
        self.assertIsNone(faults.missing())
        made = faults.Faults(d.folder, d.state, d.log)
        self.addCleanup(made.close)
        return made


class D1(Durable):
    def test_killed_at_random(self):
        d = self.make()
        rounds, killed = amount(25, 1000), 0
        while killed < rounds:
            self.publish(*self.rng.sample(self.feeds, self.rng.randrange(self.FEEDS + 1)))
            killed += self.run_once(d, self.rng.uniform(0.005, 0.25)) is None
            if os.path.exists(os.path.join(d.state, "feedwatch.db")):
                self.check_store(d.state)
        self.assertEqual(self.run_once(d), 0)
        self.check(d.alerts(), d.state)
        print(f"{killed} kills, {len(self.want)} alerts ... ", end="")


class D1Noise(Durable):
    """The same with all in play that is decided right before a commit: stories, watches that
    wait for a second source, limits, quiet hours, and their digests."""
    NOISE = """[watch:few]
match = *
group_by = item
max_per_hour = 3
storm_size = 10
[watch:story]
match = *
[watch:two]
match = *
min_sources = 2 within 7d
[watch:quiet]
match = *
group_by = item
quiet = 00:01-00:00 UTC
[watch:update]
match = *
group_by = item
on_update = yes
cooldown = 1s
"""

    def words(self):
        """A title and a lead that share no word, nor its stem, with those of other stories."""
        self.n += 1
        word = ["".join(self.rng.choices("bcdfghjklmnpqrstvwxz", k=9)) for _ in range(30)]
        return " ".join(word[:8]), " ".join(word[8:])

    def publish_stories(self, two):
        """New stories in one feed, and in `two` the second feed has what one had before."""
        for _ in range(self.rng.randrange(3)):
            feed, (title, lead) = self.rng.choice(self.feeds), self.words()
            feed.publish(Item(title=title, summary=lead, link=f"http://a.example/{self.n}"))
            self.stories.append((title, lead, feed, []))
        for title, lead, first, others in self.stories:
            rest = [f for f in self.feeds if f is not first and f not in others]
            if two or (rest and self.rng.random() < 0.1):
                feed = self.rng.choice(rest) if rest else None
                if feed and not (two and others):
                    others.append(feed)
                    feed.publish(Item(title=title, summary=lead))

    def check_all(self, d):
        alerts = d.alerts()
        self.assertEqual([a["seq"] for a in alerts], list(range(1, len(alerts) + 1)))
        items = sorted(t for t, _, _, others in self.stories for _ in range(1 + len(others)))
        once = sorted(t for t, _, _, _ in self.stories)
        for watch, want in (("few", items), ("quiet", items), ("update", items), ("story", once),
                            ("two", once)):
            self.assertEqual(sorted(a["title"] for a in alerts if a["watch"] == watch), want, watch)
        db = sqlite3.connect(os.path.join(d.state, "feedwatch.db"))
        for watch in ("story", "two"):
            sources = dict(db.execute("SELECT title, sources FROM alert WHERE watch = ?", (watch,)))
            for title, _, _, others in self.stories:
                self.assertEqual(sources[title].count("\n"), len(others), (watch, title))
        digests = db.execute("SELECT watch, first_seq, last_seq, count FROM digest ORDER BY seq")
        told = {}
        for watch, first, last, count in digests.fetchall():
            self.assertGreater(first, told.get(watch, 0))  # no alert is in two
            told[watch] = last
            held = db.execute("SELECT count(*) FROM alert WHERE watch = ? AND held <> '' AND seq"
                              " BETWEEN ? AND ?", (watch, first, last)).fetchone()[0]
            self.assertEqual(held, count, watch)
        held = db.execute("SELECT count(*) FROM alert WHERE held <> ''").fetchone()[0]
        db.close()
        self.check_store(d.state)
        return len(alerts), held, len(told)

    def test_killed_at_random(self):
        for feed in self.feeds:
            feed.publish(Item(title=f"backlog of {feed.path}"))
        d = self.daemon(self.NOISE + "[feeds]\n"
                        + "".join(f"f{i} = {{/f{i}}}\n" for i in range(self.FEEDS)))
        self.assertEqual(d.once(), 0)
        rounds, killed, self.stories = amount(25, 400), 0, []
        while killed < rounds:
            self.publish_stories(False)
            killed += self.run_once(d, self.rng.uniform(0.05, 0.6) * bench.SLOW) is None
        self.publish_stories(False)
        self.publish_stories(True)
        self.assertEqual(self.run_once(d), 0)
        alerts, held, digests = self.check_all(d)
        print(f"{killed} kills, {len(self.stories)} stories, {alerts} alerts, {held} of them held, "
              f"digests of {digests} watches ... ", end="")


class D2(Durable):
    def test_killed_at_every_step(self):
        """Killed before each call that writes, syncs, truncates, renames or removes."""
        d = self.make()
        fault = self.faults(d)
        self.publish()
        self.publish()
        template = d.state + ".template"
        shutil.copytree(d.state, template)
        step = 1
        while True:
            shutil.rmtree(d.state)
            shutil.copytree(template, d.state)
            if os.path.exists(d.log):
                os.unlink(d.log)
            fault.set(faults.KILL, step, faults.WRITE | faults.SYNC | faults.CHANGE)
            status = self.run_once(d, **fault.env)
            if not fault.struck:
                self.assertEqual(status, 0)
                break
            self.assertEqual(status, -signal.SIGKILL)
            self.assertEqual(self.run_once(d), 0)
            self.check(d.alerts(), d.state)
            step += amount(5, 1)
        self.check(d.alerts(), d.state)
        self.assertGreater(step, 10)
        print(f"{step} steps ... ", end="")


class D3D4D5(Durable):
    def during(self, what, event, error=0, calls=faults.WRITE):
        """A fault that lasts, while alerts come in: `event` says so, and all come later."""
        d = self.make()
        fault = self.faults(d)
        d.env.update(fault.env)
        d.start()
        fault.set(what, calls=calls, error=error)
        self.publish()
        wait(lambda: event in d.stderr(), 15, f"{event} on stderr")
        self.publish()
        time.sleep(amount(0.5, 5))
        self.assertLess(len(d.alerts()), len(self.want))
        fault.clear()
        wait(lambda: len(d.alerts()) >= len(self.want), 60, "all alerts")
        self.publish()
        wait(lambda: len(d.alerts()) >= len(self.want), 30, "the next ones")
        d.stop()
        said = d.stderr()
        self.assertEqual(self.run_once(d), 0)
        self.check(d.alerts(), d.state)
        return d, said

    def test_d3_disk_full_and_freed_again(self):
        _, said = self.during(faults.FAIL, "store_failed", errno.ENOSPC)
        self.assertEqual(said.count("store_failed"), 1)  # once an hour
        self.assertIn("store_recovered", said)

    def test_d4_torn_line(self):
        d, _ = self.during(faults.SHORT, "_failed")
        with open(d.log, "rb") as log:
            self.assertTrue(log.read().endswith(b"}\n"))

    def test_d5_sync_fails(self):
        self.during(faults.FAIL, "_failed", errno.EIO, faults.SYNC)

    def test_d5_nothing_can_be_read(self):
        self.during(faults.FAIL, "_failed", errno.EIO, faults.READ)


class D6(Durable):
    def damage(self, how):
        d = self.make()
        self.publish()
        self.assertEqual(self.run_once(d), 0)
        self.check(d.alerts())
        db = os.path.join(d.state, "feedwatch.db")
        for rest in glob.glob(db + "-*"):
            os.unlink(rest)
        with open(db, "rb") as file:
            data = bytearray(file.read())
        with open(db, "wb") as file:
            file.write(how(data))
        self.assertEqual(self.run_once(d), 0)  # it learns anew, silently
        self.assertIn("moved to", d.stderr())
        moved = [p for p in glob.glob(db + ".corrupt-*") if not p.endswith(("-wal", "-shm"))]
        self.assertEqual(len(moved), 1)
        self.check(d.alerts(), d.state)
        self.publish()
        self.assertEqual(self.run_once(d), 0)
        self.check(d.alerts(), d.state)  # numbers go on after those of the log

    def test_foreign(self):
        self.damage(lambda data: b"Something else altogether.\n" * 1000)

    def test_truncated(self):
        self.damage(lambda data: data[:len(data) // 2])

    def test_zeroed(self):
        def zero(data):
            data[8192:len(data) // 2] = bytes(len(data) // 2 - 8192)
            return data
        self.damage(zero)

    def test_random_bytes(self):
        def spoil(data):
            for at in range(4096, len(data), 37):
                data[at] ^= 0xA5
            return data
        self.damage(spoil)


class D7(Durable):
    def test_second_daemon_is_refused(self):
        d = self.make()
        d.start()
        began = time.monotonic()
        self.assertEqual(self.run_once(d), 1)
        self.assertLess(bench.took(began), 3 * bench.SLOW)
        self.assertIn(f"in use by process {d.process.pid}", d.stderr())


class D8(Durable):
    def test_rotation_under_load(self):
        d = self.make()
        d.start()
        over, rounds, lines = threading.Event(), amount(9, 100), []

        def load():
            while not over.wait(0.05):
                self.publish(self.rng.choice(self.feeds))
        loader = threading.Thread(target=load)
        loader.start()
        try:
            for n in range(rounds):
                have = len(d.alerts())
                wait(lambda: len(d.alerts()) > have, 10, "a line", 0.01)  # pylint: disable=W0640
                aside = f"{d.log}.{n + 1}"
                if n % 4 == 0:
                    os.rename(d.log, aside)
                    d.hup()
                elif n % 4 == 1:  # rename, and nobody says so
                    os.rename(d.log, aside)
                elif n % 4 == 2:  # copytruncate, without the race that it has by itself
                    d.process.send_signal(signal.SIGSTOP)
                    shutil.copy(d.log, aside)
                    os.truncate(d.log, 0)
                    d.process.send_signal(signal.SIGCONT)
                else:  # deleted; the link is for us
                    os.link(d.log, aside)
                    os.unlink(d.log)
                wait(lambda: os.path.exists(d.log), 10, "a new file", 0.01)
                lines.append(aside)
        finally:
            over.set()
            loader.join()
        seen = []

        def all_lines():
            seen[:] = [a for path in lines + [d.log] for a in bench.alerts_in(path)]
            return len(seen) >= len(self.want)
        wait(all_lines, 15, "all lines")
        d.stop()
        all_lines()
        self.check(seen, d.state)
        print(f"{rounds} rotations, {len(seen)} lines ... ", end="")


class D9(Durable):
    FEEDS = amount(6, 200)

    def test_a_month(self):
        """30 days, 50 items a day and feed, all kept in the documents for two days."""
        d = self.make("[feedwatch]\nkeep_alerts = 2d\nkeep_seen = 3d\nhistory_size = 8M\n")
        today = int(time.time()) + 86400
        for day in range(30):
            for feed in self.feeds:
                items = feed.items[:50] + [Item(title=f"day {day} item {i} of {feed.path}",
                                                summary="Some text of the item. " * 10,
                                                guid=f"{feed.path}-{day}-{i}")
                                           for i in range(50)]
                self.want += [i.title for i in items[-50:]]
                feed.replace(list(reversed(items[-50:])) + items[:-50])
            for again in range(2):  # the second one finds the same
                self.assertEqual(self.run_once(d, LD_PRELOAD=CLOCK, FAKE_CLOCK=str(
                    today + day * 86400 + again * 3600)), 0)
        self.check(d.alerts(), d.state)
        size = os.path.getsize(os.path.join(d.state, "feedwatch.db"))
        db = sqlite3.connect(os.path.join(d.state, "feedwatch.db"))
        kept = db.execute("SELECT count(*) FROM alert").fetchone()[0]
        db.close()
        self.assertLess(size, 64 << 20)
        self.assertLess(kept, len(self.want) / 5)
        print(f"{len(self.want)} alerts, {kept} kept, {size >> 10} KiB ... ", end="")


class Identity(bench.Test):
    """X11 and X12, as the daemon shows them."""

    def polls(self, *documents):
        """The titles that alert when one feed shows these lists of items, one after the
        other; its daemon is started anew for each."""
        feed = self.origin.feed("/news", etag=False, last_modified=False)
        d = self.daemon("[watchlist]\nall = *\n[feeds]\nnews = {/news}\n")
        for items in documents:
            body = "".join(f"<item>{i}</item>" for i in items)
            feed.replace(document=("<rss version='2.0'><channel><title>t</title>"
                                   f"{body}</channel></rss>").encode())
            self.assertEqual(d.once(), 0)
        self.log = ""
        for path in glob.glob(os.path.join(d.folder, "stderr.*")):
            with open(path, encoding="utf-8") as file:
                self.log += file.read()
        return d.titles()

    @staticmethod
    def item(n, guid=None, link=None, title=None, text=None, date=None):
        out = f"<title>{title or f'Story number {n}'}</title>"
        out += f"<description>{text or f'The text of story {n}, which is its own.'}</description>"
        out += f"<guid>{guid}</guid>" if guid is not None else ""
        out += f"<link>{link}</link>" if link is not None else ""
        return out + (f"<pubDate>{date}</pubDate>" if date else "")

    def grows(self, make):
        """Each of 8 polls shows the five latest of a growing list, twice: no repeats."""
        docs = []
        for poll in range(8):
            docs += [[make(n, 2 * poll + again) for n in range(poll + 5, poll, -1)]
                     for again in range(2)]
        self.assertEqual(sorted(self.polls(*docs)),
                         sorted(f"Story number {n}" for n in range(6, 13)))

    def test_x11_no_guid(self):
        self.grows(lambda n, _: self.item(n, link=f"http://127.0.0.1/{n}"))

    def test_x11_neither_guid_nor_link(self):
        self.grows(lambda n, _: self.item(n))

    def test_x11_empty_guid(self):
        self.grows(lambda n, _: self.item(n, guid="", link=f"http://127.0.0.1/{n}"))

    def test_x11_one_guid_for_all(self):
        self.grows(lambda n, _: self.item(n, guid="same", link=f"http://127.0.0.1/{n}"))

    def test_x11_guid_changes_with_each_poll(self):
        self.grows(lambda n, poll: self.item(n, guid=f"{n}-{poll}", link=f"http://127.0.0.1/{n}"))
        self.assertEqual(self.log.count("feed_churn"), 1)

    def test_x11_guid_and_link_change_with_each_poll(self):
        self.grows(lambda n, poll: self.item(n, guid=f"{n}-{poll}",
                                             link=f"http://127.0.0.1/{n}?session={poll}"))

    def test_x11_same_link_for_all(self):
        self.grows(lambda n, _: self.item(n, guid=str(n), link="http://127.0.0.1/live"))

    def test_x12_reorder_edit_redate_drop_and_return(self):
        def make(n, **how):
            return self.item(n, guid=str(n), link=f"http://127.0.0.1/{n}", **how)
        first = [make(n) for n in range(5)]
        got = self.polls(
            first,
            first[::-1],
            [make(n, title=f"Story number {n}, corrected") for n in range(5)],
            [make(n, text="Another text.") for n in range(5)],
            [make(n, date="Tue, 24 Nov 2026 10:00:00 GMT") for n in range(5)],
            [make(9)],  # all dropped
            first + [make(9)],
            [make(n, title=f"Again {n}", date="Wed, 25 Nov 2026 10:00:00 GMT") for n in range(5)])
        self.assertEqual(got, ["Story number 9"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
