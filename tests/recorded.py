#!/usr/bin/env python3
"""Serves the recorded histories of ten real news feeds from a loopback origin, poll by poll,
to a feedwatch that believes it is the day of the recording, and compares the alerts of a rule
that matches everything with the items that were recorded as new.

    tests/recorded.py BUILD [--live] [FEED...]    ends with 1 on an unexplained difference

Each poll is one `feedwatch run --once`, so between any two polls the process ends and all it
knows is in the store; every tenth is killed in the middle first.  --live: one daemon instead,
that polls every second and is killed at random.  The data comes from $FEEDWATCH_SHARED;
without it this says SKIP.  The documents name the addresses where they were then; these are not
followed."""
import argparse
import datetime
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import history
from origin import Origin

YEARS = 10 * 365 * 86400  # dates are moved by so much: deadlines of the kernel must lie ahead
CONFIG = """[feedwatch]
state = {folder}/state
log = {folder}/alerts.log
log_format = json
desktop = no
allow_private = yes
host_interval = 0
min_interval = 1s
interval = 1s
max_interval = 1s
first_run_max_age = 36500d
follow_moves = no
[watch:everything]
match = *
group_by = item
[feeds]
"""


class Recording:
    def __init__(self, folder):
        self.name = os.path.basename(folder)
        with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
            self.polls = json.load(file)
        self.bytes = []
        for poll in self.polls:
            with open(os.path.join(folder, poll["file"]), "rb") as file:
                self.bytes.append(file.read())
        self.new = [(poll["file"], key_of(item)) for poll in self.polls for item in poll["new"]]

    def when(self, n):
        t = datetime.datetime.fromisoformat(self.polls[n]["time"])
        return t.astimezone(datetime.timezone.utc)


def key_of(item):
    return (item.get("id") or item.get("link") or item["title"]).strip()


def alerts(folder):
    try:
        with open(os.path.join(folder, "alerts.log"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


def alert_key(a):
    return (a["item_id"] or a["link"] or a["title"]).strip()


class Replay:
    """One feedwatch that is shown the recordings."""

    def __init__(self, build, recordings, folder):
        self.recordings, self.folder = recordings, folder
        self.bin = os.path.join(build, "feedwatch")
        self.clock = os.path.abspath(os.path.join(build, "tests", "fake_clock.so"))
        self.config = os.path.join(folder, "feedwatch.ini")
        self.origin = Origin()
        self.shown = {r.name: self.origin.feed(f"/{r.name}", etag=False, last_modified=False,
                                               document=r.bytes[0]) for r in recordings}
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(folder=folder))
            for r in recordings:
                file.write(f"{r.name} = {self.origin.url('/' + r.name)}\n")

    def start(self, when=None, *args):
        env = {k: v for k, v in os.environ.items()
               if not k.endswith("_DIRECTORY") and k != "NOTIFY_SOCKET"}
        if when:
            env.update(LD_PRELOAD=self.clock, FAKE_CLOCK=str(int(when.timestamp()) + YEARS))
        with open(os.path.join(self.folder, "stderr"), "ab") as err:
            return subprocess.Popen([self.bin, "run", "-c", self.config, *args], env=env,
                                    stdin=subprocess.DEVNULL, stdout=err, stderr=err)

    def once(self, n, kill_after=None):
        process = self.start(max(r.when(n) for r in self.recordings[:1]), "--once")
        if kill_after is not None:
            try:
                process.wait(kill_after)
            except subprocess.TimeoutExpired:
                process.kill()
            process.wait()
        else:
            try:
                process.wait(60)
            finally:
                process.kill()
            if process.returncode != 0:
                with open(os.path.join(self.folder, "stderr"), encoding="utf-8") as err:
                    sys.exit(f"feedwatch ended with {process.returncode}:\n{err.read()[-2000:]}")

    def show(self, n):
        for r in self.recordings:
            self.shown[r.name].replace(document=r.bytes[n])

    def in_pieces(self, polls):
        """Poll by poll; where each alert came is known by what was in the log before."""
        poll_of, rng = [], random.Random(1)
        for n in range(polls):
            self.show(n)
            if n % 10 == 5:
                self.once(n, kill_after=rng.uniform(0.02, 0.3))
            self.once(n)
            poll_of += [n] * (len(alerts(self.folder)) - len(poll_of))
        return poll_of

    def live(self, polls):
        """One daemon; the next document follows when all feeds have been read whole."""
        poll_of, rng = [], random.Random(1)
        process = self.start()
        for n in range(polls):
            self.show(n)
            if rng.random() < 0.3:
                time.sleep(rng.uniform(0, 1))
                process.kill()
                process.wait()
                process = self.start()
            for feed in self.shown.values():
                self.read_twice(feed)
            poll_of += [n] * (len(alerts(self.folder)) - len(poll_of))
        process.send_signal(signal.SIGTERM)
        process.wait()
        poll_of += [polls - 1] * (len(alerts(self.folder)) - len(poll_of))
        return poll_of

    def read_twice(self, feed):
        """The second time says that the first one was judged and committed."""
        version = feed.version
        self.origin.wait(lambda: len([r for r in feed.requests(status=200)
                                      if r.version == version and r.done]) >= 2, 60,
                         f"two polls of {feed.path}")


def compare(recording, got):
    """Prints the differences; (unexplained, judgements)."""
    want = set(recording.new)
    files = [p["file"] for p in recording.polls]
    have = [(files[n], key) for n, key in got]
    bad = [("missed", m) for m in want - set(have)]
    bad += [("not recorded", h) for h in set(have) - want]
    bad += [("twice", h) for h in set(have) if have.count(h) > 1]
    wrong = [b for b in bad if not (b[0] == "missed" and history.judged(recording.name, *b[1]))]
    for what, (poll, key) in sorted(wrong):
        print(f"{recording.name} {poll}: {what}: {key}")
    return len(wrong), len(bad) - len(wrong)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("feeds", nargs="*")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--polls", type=int, default=100)
    o = parser.parse_args()
    polls = history.unpack(o.build)
    if not polls:
        print("SKIP: no recorded histories (FEEDWATCH_SHARED)")
        return 0
    recordings = [Recording(os.path.join(polls, f)) for f in o.feeds or sorted(os.listdir(polls))]
    for r in recordings:
        del r.polls[o.polls:]
        files = {p["file"] for p in r.polls}
        r.new = [n for n in r.new if n[0] in files]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="feedwatch-recorded.") as folder:
        replay = Replay(o.build, recordings, folder)
        n = min(len(r.polls) for r in recordings)
        try:
            poll_of = replay.live(n) if o.live else replay.in_pieces(n)
            got = alerts(folder)
        finally:
            replay.origin.stop()
        kept = sqlite3.connect(os.path.join(folder, "state", "feedwatch.db"))
        items, size = kept.execute("SELECT sum(items), sum(bytes) FROM history").fetchone()
        kept.close()
    print(f"history: {items} items in {size >> 10} KiB, {size / items:.0f} bytes an item")
    assert [a["seq"] for a in got] == list(range(1, len(got) + 1)), "numbers with gaps"
    bad = explained = 0
    for r in recordings:
        wrong, judged = compare(r, [(p, alert_key(a)) for p, a in zip(poll_of, got)
                                    if a["feed"] == r.name])
        bad, explained = bad + wrong, explained + judged
    print(f"score recorded: {len(got)} alerts for {sum(len(r.new) for r in recordings)} new items "
          f"of {len(recordings)} feeds in {n} polls, {bad} differences, {explained} judgements, "
          f"{time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
