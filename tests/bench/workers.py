#!/usr/bin/env python3
"""What a second poller brings: feeds that change at every poll, with workers = 1 and with 2.

    tests/bench/workers.py BUILD [--feeds 3000] [--seconds 10]

More polls are due than one thread can do, so the polls a second are what it gets done.  On a machine
with two cores the publisher, its kernel's side and whatever else runs take their part of the second
core; therefore also CPU by thread: the busiest one is the bound where there are cores enough."""
import argparse
import os
import sys

import lab
import peers


def by_thread(pid):
    """{(tid, name): CPU in s}"""
    out = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                used = int(file.read().split()[0]) / 1e9
            with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
                out[task, file.read().strip()] = used
        except FileNotFoundError:
            pass
    return out


def measure(o, publisher, workers):
    with lab.folder("workers") as home:
        subject = peers.Feedwatch(o.build, home, [publisher.url(i) for i in range(o.feeds)], 0)
        path = os.path.join(home, "feedwatch.ini")
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("interval = 1h\n", "interval = 1s\nmin_interval = 1s\n"
                                       f"workers = {workers}\n")
        peers.write(home, "feedwatch.ini", text)
        for command in ("latency 0", "base 0", "step 0", "reset"):
            publisher.set(command)
        daemon = lab.Daemon(subject.argv[:4] + subject.argv[5:], home)
        try:
            lab.wait(lambda: publisher.stats()["not_modified"] >= o.feeds, 180)
            publisher.set("step 1")
            lab.wait(lambda: publisher.stats()["requests"] >= o.feeds * 4, 180)
            before = by_thread(daemon.process.pid)
            cost, asked = daemon.figures(publisher, o.seconds)
            after = by_thread(daemon.process.pid)
        finally:
            publisher.set("step 0")
            daemon.stop()
    polls = max(1, asked["requests"])
    used = sorted(((t - before.get(k, 0)) * 1000 / polls, k[1]) for k, t in after.items())[::-1]
    print(f"| {workers} | {polls / cost.wall:.0f} | {cost.cpu * 1000 / polls:.3f} | "
          + ", ".join(f"{name} {ms:.3f}" for ms, name in used[:4])
          + f" | {asked['cpu_us'] / 1000 / polls:.3f} |", flush=True)
    return polls / cost.wall, used[0][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build")
    parser.add_argument("--feeds", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=10)
    o = parser.parse_args()
    lab.raise_files()
    publisher = lab.Publisher(o.build)
    print(f"{o.feeds} feeds, each with a new item that alerts at every poll; {lab.machine()}, load "
          f"{os.getloadavg()[0]:.0f}\n\n| workers | polls/s | CPU ms/poll | by thread | publisher |\n"
          "|--:|--:|--:|---|--:|", flush=True)
    try:
        (one, busiest_one), (two, busiest_two) = (measure(o, publisher, n) for n in (1, 2))
    finally:
        publisher.stop()
    print(f"\nTwo against one: {two / one:.2f} times the polls as measured on "
          f"{len(os.sched_getaffinity(0))} cores beside the publisher; {busiest_one / busiest_two:.2f} "
          "times by the CPU of the busiest thread")
    return 0


if __name__ == "__main__":
    sys.exit(main())
