"""Row D10 of the fault table, and the same for the disk: whatever allocation fails, and whatever
call on a file of the store or the alert log, the daemon goes on or ends with a message, and no
alert is lost or repeated.

Each test makes one step after the other of what it is named after fail: of a whole short life
(start, poll, delivery, stop), and of a daemon that runs: of a poll that brings alerts, of a
delivery to the log, of a reload, of a stop.  The short form takes samples; make torture-alloc
(FEEDWATCH_FULL=1) takes every step.  Of a sanitizer build only the program's own allocations
fail, see faults.py."""
import errno
import glob
import itertools
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import unittest

import bench
import faults
from bench import Item, SLOW, wait
from faults import FAIL, MEMORY, SHORT

FULL = bool(os.environ.get("FEEDWATCH_FULL"))
WORKERS = int(os.environ.get("TORTURE_WORKERS", "6"))
RENEW = 60  # trials with one daemon's store and log; they grow

CONFIG = """[feedwatch]
timeout = 2s
history = 1d
[watchlist]
all = *
[watch:noisy]
match = noisy
max_per_hour = 1
on_update = yes
[watch:twice]
match = corroborated
min_sources = 2 within 30m
"""
OTHER = CONFIG + """[watch:other]
match = *
[watch:asleep]
match = neverthere AND /in[g]+/ AND "a phrase of words"
quiet = 22:00-07:00 Europe/Berlin
[sink:atom]
type = atom
path = {atom}
[feed:more]
url = {{{more}}}
interval = 1d
"""


class Ended(Exception):
    """The daemon has ended under the test."""


class Rig:
    """A daemon of its own, with feeds of its own, that starts from a template."""
    FEEDS = 2

    def __init__(self, test, number, linked):
        self.test, self.number, self.n, self.ends = test, number, 0, {}
        self.feeds = [test.origin.feed(f"/{number}/{i}", kind=("rss", "atom")[i % 2])
                      for i in range(self.FEEDS)]
        for feed in self.feeds:
            feed.publish(Item(title=f"backlog of {feed.path}"))
        self.plain = "".join(f"[feed:f{i}]\nurl = {{/{number}/{i}}}\n" for i in range(self.FEEDS))
        self.d = test.daemon(CONFIG + self.plain, folder=f"rig{number}")
        self.faults = faults.Faults(self.d.folder, self.d.state, self.d.log)
        if linked:
            self.d.program = faults.LINKED
        self.want, self.trials = [], 0
        self.other = None  # the Other config in force
        assert self.d.once() == 0, self.d.stderr()
        self.publish()
        assert self.d.once() == 0, self.d.stderr()
        self.base_want = self.want
        self.base_items = [list(f.items) for f in self.feeds]
        # The log is behind: these alerts are still to be delivered.
        with sqlite3.connect(os.path.join(self.d.state, "feedwatch.db")) as db:
            db.execute("UPDATE cursor SET seq = 0 WHERE sink = 'log'")
        db.close()
        shutil.copytree(self.d.state, self.d.state + ".template")

    def publish(self):
        """One item in each feed, and what they raise together."""
        self.n += 1
        for feed in self.feeds:
            title = f"item {self.n} of {feed.path}"
            feed.publish(Item(title=title, summary="What it says. " * 20,
                              link=f"http://127.0.0.1{feed.path}/{self.n}"))
            self.want += [title] * (2 if self.other else 1)  # the rules that are in force
        return title

    def restore(self):
        """The state that the template has, and one item more to come."""
        if self.d.process and self.d.process.poll() is None:
            self.d.kill()
        self.faults.clear()
        shutil.rmtree(self.d.state)
        shutil.copytree(self.d.state + ".template", self.d.state)
        for path in glob.glob(self.d.log + "*"):
            os.unlink(path)
        self.want, self.other = list(self.base_want), None
        for feed, items in zip(self.feeds, self.base_items):
            feed.replace(items)
        self.publish()

    # --- what must hold ---

    def expect_end(self, status, say):
        """It may end when it has no memory or no disk, but not without a word, nor crash."""
        said = self.d.stderr()
        # libcurl 7.88 divides by zero after an allocation that fails in singlesocket(): its table
        # of a socket's transfers is gone, and used.  Nothing is lost by that end either.
        if status not in (0, 1, 78, -signal.SIGFPE):
            raise AssertionError(f"{say}: ended with {status}:\n{said}")
        if status > 0 and not any(word in said for word in
                                  ("not_started", "stopped", "nothing was started", "memory", "store_locked")):
            raise AssertionError(f"{say}: ended with {status} without a word:\n{said}")
        self.ends[status] = self.ends.get(status, 0) + 1

    def missing(self):
        return len(self.want) - len(self.d.alerts())

    def check(self, say):
        alerts = self.d.alerts()
        got = sorted(a["title"] for a in alerts)
        if got != sorted(self.want) or [a["seq"] for a in alerts] != list(range(1, len(got) + 1)):
            raise AssertionError(f"{say}: lost {sorted(set(self.want) - set(got))}, twice "
                                 f"{[t for t in set(got) if got.count(t) > 1]}, numbers "
                                 f"{[a['seq'] for a in alerts]}:\n{self.d.stderr()}")
        moved = glob.glob(os.path.join(self.d.state, "*.corrupt-*"))
        if moved:
            raise AssertionError(f"{say}: a sound store was moved to {moved}:\n{self.d.stderr()}")

    def check_store(self, say):
        with sqlite3.connect(os.path.join(self.d.state, "feedwatch.db")) as db:
            answer = db.execute("PRAGMA integrity_check").fetchall()
        db.close()
        assert answer == [("ok",)], f"{say}: {answer}"

    # --- a daemon that runs ---

    def start(self):
        self.restore()
        self.trials = 0
        self.d.env.update(self.faults.env)
        self.d.start()
        self.until(lambda: self.missing() <= 0, "the first alerts")

    def alive(self):
        if self.d.process.poll() is not None:
            raise Ended
        return True

    def until(self, condition, what, seconds=60):
        wait(lambda: self.alive() and condition(), seconds, what, 0.01)

    def revive(self, say):
        """It has ended: with a word; and it goes on where it was."""
        self.faults.clear()
        self.expect_end(self.d.process.wait(), say)
        self.d.start()

    def all_come(self, say):
        """All that was published becomes alerts, by this process or the next."""
        try:
            self.until(lambda: self.missing() <= 0, f"{say}: all alerts")
        except Ended:
            self.revive(say)
            self.until(lambda: self.missing() <= 0, f"{say}: all alerts after a restart")
        except AssertionError as e:
            raise AssertionError(f"{e}; {self.missing()} missing:\n{self.d.stderr()}") from e
        self.check(say)

    def settle(self):
        """Of what is published from now on all is judged by the config that is in force: what
        was being fetched when it came has ended."""
        since = time.monotonic()
        for feed in self.feeds:
            self.until(lambda f=feed: any(r.time > since and r.done for r in f.requests()),
                       f"the next poll of {feed.path}")

    def renew(self):
        self.trials += 1
        if self.trials >= RENEW:
            self.stop()
            self.start()

    def stop(self):
        self.faults.clear()
        if self.d.process.poll() is None:
            self.d.stop(10)
        self.check_store("after the stop")


class Other:
    """The config of OTHER, with a feed and a sink that no other one has."""
    numbers = itertools.count(1)

    def __init__(self, rig):
        self.rig, number = rig, next(self.numbers)
        self.feed = rig.test.origin.feed(f"/{rig.number}/more/{number}")
        self.atom = os.path.join(rig.d.folder, f"{number}.atom")
        self.text = OTHER.replace("{atom}", self.atom).replace("{{{more}}}", f"{{{self.feed.path}}}")

    def bound(self):
        """Does the store know its feed?"""
        with sqlite3.connect(os.path.join(self.rig.d.state, "feedwatch.db")) as db:
            rows = db.execute("SELECT count(*) FROM feed WHERE url LIKE ?",
                              ("%" + self.feed.path,)).fetchone()
        db.close()
        return rows[0] == 1

    def tells(self, title):
        if not os.path.exists(self.atom):
            return False
        with open(self.atom, encoding="utf-8") as file:
            return title in file.read()


class Torture(bench.Test):
    linked = False

    def setUp(self):
        super().setUp()
        self.assertIsNone(faults.missing())
        self.rigs = itertools.count(1)
        self.origin.feed("/empty")

    def steps(self, set_fault, trial, begin, first, stride):
        """trial(rig, fault, say) for the fault at step 1, 1 + stride ... until one is not
        reached; it returns whether it was.  Several rigs share the steps."""
        lock, errors, ends = threading.Lock(), [], {}
        numbers, over = itertools.count(first, stride), threading.Event()
        done, beyond = [0, 0], [0]

        def one(rig, step):
            struck = trial(rig, lambda: set_fault(rig.faults, step), f"step {step}")
            with lock:
                done[0] += struck
                done[1] = max(done[1], step) if struck else done[1]
                beyond[0] = 0 if struck else beyond[0] + 1
                if beyond[0] >= (5 if FULL else 1):  # the number of steps varies a little
                    over.set()

        def work():
            rig = None
            while not over.is_set():
                with lock:
                    step = next(numbers)
                try:
                    if not rig:
                        rig = Rig(self, next(self.rigs), self.linked)
                        begin(rig)
                    one(rig, step)
                except Exception as e:  # pylint: disable=broad-except
                    print(f"step {step}: {type(e).__name__}: {e}", flush=True)
                    errors.append(e)
                    if len(errors) > 20 or not FULL:
                        over.set()
                    end(rig)
                    rig = None
            end(rig)

        def end(rig):
            with lock:
                for status, n in (rig.ends if rig else {}).items():
                    ends[status] = ends.get(status, 0) + n
            try:
                if rig and rig.d.process:
                    rig.stop()
            except Exception as e:  # pylint: disable=broad-except
                errors.append(e)
        threads = [threading.Thread(target=work) for _ in range(WORKERS if FULL else 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"{done[0]} of {done[1]} steps failed, ends {ends} ... ", end="", flush=True)
        if errors:
            raise errors[0]
        self.assertGreater(done[0], 0)
        self.assertLess(ends.get(-signal.SIGFPE, 0), max(3, done[0] / 20))

    # --- the scenarios ---

    @staticmethod
    def a_life(rig, fault, say):
        """Start, poll, deliver, stop; then once more, undisturbed."""
        d = rig.d
        rig.restore()
        fault()
        process = d.spawn("run", "-c", d.config, "--once", env=rig.faults.env)
        try:
            status = process.wait(60 * SLOW)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"{say}: hangs:\n{d.stderr()}") from e
        finally:
            d._end(process)
        rig.faults.clear()
        struck = rig.faults.struck
        rig.expect_end(status, say)
        if status != 0 or rig.missing() or rig.n % 16 == 0:
            said = d.stderr()
            if d.once(seconds=60) != 0:
                raise AssertionError(f"{say}: cannot start again:\n{said}\n---\n{d.stderr()}")
        rig.check(say)
        rig.check_store(say)
        return struck

    @staticmethod
    def a_poll(rig, fault, say):
        rig.renew()
        fault()
        rig.publish()
        rig.all_come(say)
        struck = rig.faults.struck
        rig.faults.clear()
        return struck

    @staticmethod
    def a_delivery(rig, fault, say):
        """The log cannot be written at first; the fault comes with the next try."""
        rig.renew()

        def says(event):
            return rig.d.stderr().count(event)
        rig.until(lambda: says("sink_failed") == says("sink_recovered"), f"{say}: sink_recovered")
        failed = says("sink_failed")
        rig.faults.set(FAIL, error=errno.ENOSPC, calls=faults.WRITE, under=2)
        rig.publish()
        try:
            rig.until(lambda: says("sink_failed") > failed, f"{say}: sink_failed")
        except Ended:
            rig.revive(say)  # libcurl, late
        fault()
        rig.all_come(say)
        struck = rig.faults.struck
        rig.faults.clear()
        return struck

    @staticmethod
    def a_reload(rig, fault, say):
        """To another config and back.  What the daemon says of each is what it then does."""
        def answers():
            return re.findall(r"^(reloaded|reload_refused) ", rig.d.stderr(), re.M)

        def hup(config):
            """(the fault struck, the config is in force)"""
            before = len(answers())
            rig.d.write(rig.test.config(config + rig.plain))
            fault()
            try:
                rig.d.hup()
                rig.until(lambda: len(answers()) > before, f"{say}: the end of the reload")
                taken = answers()[-1] == "reloaded"
            except Ended:
                rig.revive(say)
                taken = True
            struck = rig.faults.struck
            rig.faults.clear()
            return struck, taken
        rig.renew()
        other = Other(rig)
        there, taken = hup(other.text)
        if taken:
            rig.other = other
            rig.until(other.feed.requests, f"{say}: a poll of the new feed")
        if other.bound() != taken:
            raise AssertionError(f"{say}: taken {taken}, but the store {other.bound()}")
        back, taken_back = hup(CONFIG)
        if taken_back:
            rig.other = None
        rig.settle()
        title = rig.publish()
        rig.all_come(say)
        if rig.other:
            rig.until(lambda: rig.other.tells(title), f"{say}: an alert at the new sink")
        elif other.tells(title):
            raise AssertionError(f"{say}: an alert at a sink that is gone")
        if not taken and other.feed.requests():
            raise AssertionError(f"{say}: a poll of a feed that was refused")
        return there or back

    @staticmethod
    def a_stop(rig, fault, say):
        """A stop while a poll is going on."""
        rig.restore()
        d = rig.d
        d.env.update(rig.faults.env)
        d.start()
        wait(lambda: all(f.first_served(f.version) for f in rig.feeds), 20, "a poll")
        fault()
        d.process.send_signal(signal.SIGTERM)
        try:
            status = d.process.wait(10 * SLOW)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"{say}: does not stop:\n{d.stderr()}") from e
        struck = rig.faults.struck
        rig.faults.clear()
        rig.expect_end(status, say)
        if d.once(seconds=60) != 0:
            raise AssertionError(f"{say}: cannot start again:\n{d.stderr()}")
        rig.check(say)
        rig.check_store(say)
        return struck


class D10(Torture):
    """Any allocation fails."""
    linked = bench.SANITIZED

    def run_steps(self, trial, begin, stride):
        stride = 1 if FULL else stride // 7 if self.linked else stride  # there are fewer
        self.steps(lambda f, step: f.set(MEMORY, step), trial, begin, 1, stride)

    def test_life(self):
        self.run_steps(self.a_life, lambda rig: None, 797)

    def test_poll(self):
        self.run_steps(self.a_poll, Rig.start, 211)

    def test_delivery(self):
        self.run_steps(self.a_delivery, Rig.start, 29)

    def test_reload(self):
        self.run_steps(self.a_reload, Rig.start, 97)

    def test_stop(self):
        self.run_steps(self.a_stop, lambda rig: None, 41)


class Calls(Torture):
    """Any call on a file of the store or the alert log fails."""
    # A lock that cannot be given back is found out after 20 s.
    CALLS = faults.ALL if FULL else faults.ALL & ~faults.LOCK
    ERRORS = (("EIO", FAIL, CALLS, errno.EIO), ("ENOSPC", FAIL, CALLS, errno.ENOSPC),
              ("EINTR", FAIL, CALLS, errno.EINTR), ("a short write", SHORT, faults.WRITE, 0))

    def each_error(self, trial, begin, stride):
        for n, (name, what, calls, error) in enumerate(self.ERRORS):
            with self.subTest(name):
                print(f"{name}: ", end="")
                self.steps(lambda f, step: f.set(what, step, calls, error), trial, begin,
                           1, 1 if FULL else stride + n)

    def test_life(self):
        self.each_error(self.a_life, lambda rig: None, 97)

    def test_poll(self):
        self.each_error(self.a_poll, Rig.start, 31)

    def test_delivery(self):
        self.each_error(self.a_delivery, Rig.start, 23)

    def test_stop(self):
        self.each_error(self.a_stop, lambda rig: None, 31)


if __name__ == "__main__":
    unittest.main(verbosity=2)
