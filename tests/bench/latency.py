#!/usr/bin/env python3
"""From an item on the wire to a durable line in the alert log.

    tests/bench/latency.py BUILD [--seconds 30] [--only idle,loaded,drip]

idle: 5 feeds of 50 kB, each with a new item at every poll, a poll a second.  loaded: 100 such feeds
a second and 10,000 rules.  Every new item raises one alert.  The time begins right before the
publisher hands the packet to the kernel that ends the item, and ends when the fdatasync of the
alert log returns whose file held the line; both by CLOCK_MONOTONIC.
drip: a feed of ten items whose document takes some seconds to come: when does whose user hear of
each item?"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import lab

sys.path.insert(0, os.path.join(lab.TOP, "tests"))
from origin import Item, Origin, item_xml, rss_head  # noqa: E402

GOALS_MS = {"idle": 50, "loaded": 250}
EVERY = "[watch:every]\nmatch = title:story\ngroup_by = item\nstorm_size = no\n"


class Daemon(lab.Daemon):
    """feedwatch with the clock of its fdatasyncs."""

    def __init__(self, build, home, urls, watches, general=""):
        self.log, self.clock = os.path.join(home, "alerts.log"), os.path.join(home, "syncs")
        config = lab.feedwatch_config(home, urls, watches, "interval = 1s\nmin_interval = 1s\n"
                                      + general)
        preload = os.path.abspath(os.path.join(build, "tests", "sync_clock.so"))
        super().__init__([os.path.abspath(os.path.join(build, "feedwatch")), "run", "-c", config,
                          "--log-level", "warn"], home, LD_PRELOAD=preload, SYNC_CLOCK=self.clock)

    def durable(self):
        """[(alert, time in ns when its line was on the disk)], in the order of the log."""
        ino, out, at, end = os.stat(self.log).st_ino, [], 0, 0
        with open(self.clock, encoding="ascii") as file:
            syncs = [(int(size), int(ns)) for i, size, ns in (line.split() for line in file)
                     if int(i) == ino]
        with open(self.log, "rb") as file:
            for line in file:
                end += len(line)
                while at < len(syncs) and syncs[at][0] < end:
                    at += 1
                if at == len(syncs):
                    break
                out.append((json.loads(line), syncs[at][1]))
        return out


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))]


def changing(build, feeds, n_rules, seconds, step=1, shape=None):
    """Poll `feeds` changing feeds a second; a dictionary of figures."""
    publisher = lab.Publisher(build)
    if shape:
        publisher.set("shape {} {}".format(*shape))
    with lab.folder("latency") as home:
        watches = EVERY + "[watchlist]\n" + "".join(f"rule{i} = {r}\n"
                                                    for i, r in enumerate(lab.rules(n_rules)))
        publisher.set(f"step {step}")
        daemon = Daemon(build, home, [publisher.url(i) for i in range(feeds)], watches)
        try:
            lab.wait(lambda: publisher.stats()["requests"] >= 3 * feeds, 60)
            cost, asked = daemon.figures(publisher, seconds)
            sent = publisher.sent()
            time.sleep(0.5)
            lines = daemon.durable()
        finally:
            daemon.stop()
            publisher.stop()
        late = []
        for alert, ns in lines:
            if alert["watch"] == "every":
                key = tuple(int(n) for n in alert["item_id"].split(":")[-1].split("x"))
                if key in sent:
                    late.append((ns - sent.pop(key)) / 1e6)
    if not late:
        lab.fail("no alert came; is everything built?")
    return {"samples": len(late), "lost": len(sent), "p50": quantile(late, 0.5),
            "p99": quantile(late, 0.99), "max": max(late), "polls": asked["requests"] / cost.wall,
            "alerts": len(late) / cost.wall, "cpu": cost.cpu / cost.wall,
            "cpu_ms": cost.cpu * 1000 / len(late), "memory_mb": cost.memory / 1024}


def show(name, f):
    print(f"| {name} | {f['polls']:.0f} | {f['samples']} | {f['p50']:.1f} | {f['p99']:.1f} | "
          f"{f['max']:.1f} | {100 * f['cpu']:.0f} % | {f['memory_mb']:.0f} |"
          + (f" {f['lost']} items of the last moment have no line yet" if f["lost"] else ""),
          flush=True)


# ---- a document that drips

class Drip:
    """A feed whose first sight is short and whose second one takes its time."""

    def __init__(self, origin, path, items, pause):
        self.path, self.items, self.pause = path, items, pause
        self.times, self.over = {}, None  # title -> time of its last byte; end of the document
        self.seen = 0
        origin.answer(path, self)

    def __call__(self, reply):
        old = item_xml("rss", Item("Story from yesterday", guid="old", published=1737450000))
        self.seen += 1
        if self.seen == 1:
            reply.send(200, [("Content-Type", "application/rss+xml")],
                       (rss_head() + old + "</channel></rss>").encode())
            return
        first = not self.times
        reply.head(200, [("Content-Type", "application/rss+xml"), ("Connection", "close")])
        reply.close = True
        reply.raw(rss_head().encode())
        for n in range(self.items):
            item = Item(f"Story {n}", guid=f"drip-{n}", published=1737450000 + n,
                        link=f"http://127.0.0.1/{n}")
            data = item_xml("rss", item).encode()
            reply.raw(data)
            if first:
                self.times[item.title] = time.monotonic()
                time.sleep(self.pause)
        reply.raw((old + "</channel></rss>").encode())
        if first:
            self.over = time.monotonic()


def watch_until(done, look, seconds):
    """Look again and again; {title: time when it was first seen}."""
    seen, until = {}, time.monotonic() + seconds
    while time.monotonic() < until and not done(seen):
        for title in look():
            seen.setdefault(title, time.monotonic())
        time.sleep(0.002)
    return seen


def drip_feedwatch(build, home, url, drip):
    daemon = Daemon(build, home, [url], EVERY)

    def look():
        try:
            with open(daemon.log, encoding="utf-8") as file:
                return [json.loads(line)["title"] for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []
    try:
        return watch_until(lambda s: len(s) == drip.items and drip.over, look, 60)
    finally:
        daemon.stop()


def drip_peer(argv, env, look, drip):
    """Twice: the first sight, then the document that drips."""
    subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=False, timeout=120)
    child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    ended = []
    threading.Thread(target=lambda: ended.append(child.wait()), daemon=True).start()
    seen = watch_until(lambda s: len(s) == drip.items and drip.over or ended, look, 60)
    child.wait()
    for title in look():
        seen.setdefault(title, time.monotonic())
    return seen


def drip_newsboat(_build, home, url, drip):
    for name, text in (("urls", url + "\n"), ("config", "")):
        with open(f"{home}/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def look():  # without opening the database, which would lock newsboat out
        try:
            with open(f"{home}/cache.db", "rb") as file:
                return {t.decode() for t in re.findall(rb"Story \d", file.read())}
        except FileNotFoundError:
            return []
    return drip_peer(["newsboat", "-u", f"{home}/urls", "-c", f"{home}/cache.db",
                      "-C", f"{home}/config", "-x", "reload"], lab.clean_env(home), look, drip)


def drip_sfeed(_build, home, url, drip):
    os.makedirs(f"{home}/.sfeed")
    with open(f"{home}/.sfeed/sfeedrc", "w", encoding="ascii") as file:
        file.write(f'feeds() {{\n feed "drip" "{url}"\n}}\n')

    def look():
        try:
            with open(f"{home}/.sfeed/feeds/drip", encoding="utf-8") as file:
                return [t for t in (line.split("\t")[1] for line in file)
                        if re.fullmatch(r"Story \d+", t)]
        except (FileNotFoundError, IndexError):
            return []
    return drip_peer(["sfeed_update"], lab.clean_env(home), look, drip)


def drips(build):
    programs = [("feedwatch", "feedwatch", drip_feedwatch), ("newsboat", "newsboat", drip_newsboat),
                ("sfeed_update", "sfeed", drip_sfeed)]
    print("\nA document of ten items that drips, 0.4 s between two items:\n\n"
          "| program | first item heard of after | last item after | before the document ends |\n"
          "|---|--:|--:|--:|")
    for command, name, test in programs:
        if name != "feedwatch" and not shutil.which(command):
            print(f"| {name} | not installed | | |")
            continue
        with Origin() as origin, lab.folder("drip") as home:
            drip = Drip(origin, "/drip", 10, 0.4)
            seen = test(build, home, origin.url("/drip"), drip)
            late = [seen[t] - at for t, at in drip.times.items() if t in seen]
            early = sum(at < drip.over for at in seen.values())
            if len(late) < drip.items:
                print(f"| {name} | only {len(late)} of {drip.items} items seen | | |")
                continue
            print(f"| {name} | {1000 * late[0]:.0f} ms | {1000 * late[-1]:.0f} ms | "
                  f"{early} of {drip.items} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--only", default="idle,loaded,drip")
    o = parser.parse_args()
    only = o.only.split(",")
    lab.raise_files()
    print(f"{lab.machine()}; times in ms from the item's packet to the durable line\n\n"
          "| load | polls/s | alerts | p50 | p99 | worst | CPU | MB |\n"
          "|---|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    good = True
    for name, feeds, rules in (("idle", 5, 0), ("loaded", 100, 10000)):
        if name in only:
            f = changing(o.build, feeds, rules, o.seconds)
            show(f"{name}: {feeds} changed feeds/s, {rules + 1} rules", f)
            good = good and f["p99"] < GOALS_MS[name]
    if "drip" in only:
        drips(o.build)
    print("\nGoals (p99 under 50 ms idle, 250 ms loaded): " + ("met" if good else "MISSED"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
