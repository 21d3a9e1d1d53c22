#!/usr/bin/env python3
"""feedwatch beside newsboat, sfeed and rss2email: one full cycle over many feeds, on the same
loopback origin in the same run.

    tests/bench/peers.py BUILD [--feeds 1000] [--peer-feeds N] [--latency 0,100]
                         [--only NAME,...] [--install]

Cycles: cold (nothing known), unchanged (304 for who asks conditionally), one (a new item in each
feed).  CPU is that of the program and all its children.  The programs are Debian's; each has a
home of its own that is thrown away, and sees nothing but the loopback.  Settings are the most
favourable ones that each documents: as many transfers at once as feedwatch has, and no e-mail for
the items of the cold cycle."""
import argparse
import os
import shutil
import subprocess
import sys

import lab

PACKAGES = {"newsboat": "newsboat", "sfeed": "sfeed_update", "rss2email": "r2e",
            "python3-feedparser": None}
AT_ONCE = 64  # transfers; feedwatch's default


class Feedwatch:
    """run --once: start, poll every feed, commit, write 1,000 lines to the log, end."""
    name = "feedwatch"

    def __init__(self, build, home, urls, _latency):
        self.home = home
        watches = "[watchlist]\n" + "".join(f"rule{i} = {r}\n"
                                            for i, r in enumerate(lab.rules(100)))
        # Every new item raises an alert, which no peer has to do.
        watches += "[watch:every]\nmatch = title:story\ngroup_by = item\n"
        config = lab.feedwatch_config(home, urls, watches, f"max_transfers = {AT_ONCE}\n"
                                      "interval = 1h\n")
        self.argv = [os.path.abspath(os.path.join(build, "feedwatch")), "run", "-c", config,
                     "--once", "--log-level", "warn"]

    def cycle(self, _kind):
        return self.argv

    def got(self):
        """How many items are known to be new since the cold cycle."""
        return count_lines(os.path.join(self.home, "alerts.log"))


class Newsboat:
    name = "newsboat"

    def __init__(self, _build, home, urls, latency):
        self.home = home
        write(home, "urls", "".join(f"{u}\n" for u in urls))
        write(home, "config", f"reload-threads {AT_ONCE if latency else 4}\n"
              "cleanup-on-quit no\nmax-items 0\n")

    def cycle(self, _kind):
        return ["newsboat", "-u", f"{self.home}/urls", "-c", f"{self.home}/cache.db",
                "-C", f"{self.home}/config", "-x", "reload"]

    def got(self):
        import sqlite3
        db = sqlite3.connect(f"{self.home}/cache.db")
        n = db.execute("SELECT count(*) FROM rss_item").fetchone()[0]
        db.close()
        return n


class Sfeed:
    """sfeed_update as it comes; it asks for the whole document every time."""
    name = "sfeed"
    fetch = ""

    def __init__(self, _build, home, urls, latency):
        self.home = home
        os.makedirs(os.path.join(home, ".sfeed", "etags"))
        jobs = AT_ONCE if latency else 8
        write(home, ".sfeed/sfeedrc", f"maxjobs={jobs}\n{self.fetch}\nfeeds() {{\n"
              + "".join(f'feed "f{i}" "{u}"\n' for i, u in enumerate(urls)) + "}\n")

    def cycle(self, _kind):
        return ["sfeed_update"]

    def got(self):
        path = os.path.join(self.home, ".sfeed", "feeds")
        return sum(count_lines(os.path.join(path, f)) for f in os.listdir(path))


class SfeedEtag(Sfeed):
    """with the fetch() that its README offers for conditional requests."""
    name = "sfeed+etags"
    fetch = ('fetch() {\n etag="$HOME/.sfeed/etags/$(basename "$3")"\n'
             ' curl -L --max-redirs 0 -H "User-Agent:" -f -s -m 15 --compressed'
             ' --etag-save "${etag}" --etag-compare "${etag}" -z "${etag}" "$2" 2>/dev/null\n}\n')


class Rss2email:
    """r2e run into a maildir; the cold cycle with --no-send."""
    name = "rss2email"

    def __init__(self, _build, home, urls, _latency):
        self.home = home
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(home, "mail", "inbox", part))
        write(home, "rss2email.cfg",
              "[DEFAULT]\nfrom = a@localhost\nto = b@localhost\nemail-protocol = maildir\n"
              f"maildir-path = {home}/mail\nmaildir-mailbox = inbox\nverbose = error\n"
              + "".join(f"[feed.f{i}]\nurl = {u}\n" for i, u in enumerate(urls)))

    def cycle(self, kind):
        argv = ["r2e", "-c", f"{self.home}/rss2email.cfg", "-d", f"{self.home}/data.json", "run"]
        return argv + (["--no-send"] if kind == "cold" else [])

    def got(self):
        return len(os.listdir(os.path.join(self.home, "mail", "inbox", "new")))


PROGRAMS = (Feedwatch, Newsboat, Sfeed, SfeedEtag, Rss2email)
CYCLES = ("cold", "unchanged", "one")


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def count_lines(path):
    try:
        with open(path, "rb") as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0


def install():
    missing = [p for p in PACKAGES if subprocess.run(
        ["dpkg-query", "-W", "-f=${db:Status-Status}", p], capture_output=True,
        check=False).stdout != b"installed"]
    if not missing:
        return
    print(f"installing with apt-get: {' '.join(missing)}", flush=True)
    root = [] if os.geteuid() == 0 else ["sudo"]
    apt = root + ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q",
                  "-o", "DPkg::Lock::Timeout=300"]
    subprocess.run(apt + ["update"], stdout=subprocess.DEVNULL, check=False)
    if subprocess.run(apt + ["install", "-y", "--no-install-recommends", *missing],
                      stdout=subprocess.DEVNULL, check=False).returncode != 0:
        print("not all peers could be installed; those that are there are measured")


def version_of(package):
    out = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True,
                         text=True, check=False)
    return out.stdout or "absent"


class Row:
    def __init__(self, program, cycle, latency, cost, asked, polls):
        self.program, self.cycle, self.latency = program, cycle, latency
        self.asked, self.polls = asked, max(1, polls)
        self.wall, self.memory, self.rss = cost.wall, cost.memory / 1024, cost.rss / 1024
        self.cpu = cost.cpu * 1000 / self.polls  # ms a feed


def measure(program, build, publisher, feeds, latency):
    """Three cycles of one program."""
    rows = []
    with lab.folder("peers") as home:
        urls = [publisher.url(i) for i in range(feeds)]
        subject = program(build, home, urls, latency)
        log, before = os.path.join(home, "output"), 0
        publisher.set(f"latency {latency}")
        for cycle in CYCLES:
            publisher.set(f"base {1 if cycle == 'one' else 0}")
            publisher.set("reset")
            begin = publisher.stats()
            cost = lab.run(subject.cycle(cycle), lab.clean_env(home), home, log)
            asked = publisher.stats()
            asked["cpu_us"] -= begin["cpu_us"]
            got, before = subject.got() - before, subject.got()
            rows.append(Row(program.name, cycle, latency, cost, asked, feeds))
            show(rows[-1])
            if cost.status != 0 or asked["requests"] < feeds or cycle == "one" and got != feeds \
                    or cycle == "unchanged" and got != 0:
                with open(log, encoding="utf-8", errors="replace") as file:
                    tail = file.read()[-600:]
                print(f"  ! exit status {cost.status}, {asked['requests']} requests, {got} items "
                      f"more than before: {tail}")
    return rows


def measure_running(build, publisher, feeds, latency, seconds):
    """feedwatch as it is meant to be: it runs on, and polls each feed every ten seconds."""
    rows = []
    with lab.folder("peers") as home:
        subject = Feedwatch(build, home, [publisher.url(i) for i in range(feeds)], latency)
        config = os.path.join(home, "feedwatch.ini")
        with open(config, encoding="utf-8") as file:
            text = file.read().replace("interval = 1h\n", "interval = 10s\nmin_interval = 1s\n")
        write(home, "feedwatch.ini", text)
        for command in (f"latency {latency}", "base 0", "step 0", "reset"):
            publisher.set(command)
        daemon = lab.Daemon(subject.argv[:4] + subject.argv[5:], home)
        try:
            lab.wait(lambda: publisher.stats()["not_modified"] >= feeds, 120)
            for cycle in CYCLES[1:]:
                publisher.set(f"step {1 if cycle == 'one' else 0}")
                lab.wait(lambda: True, 1)
                cost, asked = daemon.figures(publisher, seconds)
                rows.append(Row("feedwatch, running", cycle, latency, cost, asked,
                                asked["requests"]))
                show(rows[-1])
        finally:
            publisher.set("step 0")
            daemon.stop()
    return rows


HEAD = ("| latency | cycle | program | wall s | CPU ms/feed | memory MB | RSS MB | requests "
        "| of them 304 | MB read | origin CPU ms/feed |\n"
        "|--:|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")


def show(r):
    print(f"| {r.latency} ms | {r.cycle} | {r.program} | {r.wall:.2f} | {r.cpu:.3f} | "
          f"{r.memory:.1f} | {r.rss:.1f} | {r.asked['requests']} | {r.asked['not_modified']} | "
          f"{r.asked['bytes_out'] / 1e6:.1f} | {r.asked['cpu_us'] / 1000 / r.polls:.3f} |",
          flush=True)


def verdict(rows):
    """The best peer against feedwatch, by cycle; 0 when all goals are met."""
    print("\n| latency | cycle | CPU a feed: best peer / feedwatch | memory: least peer / feedwatch "
          "| polls a second: feedwatch / best peer |\n|--:|---|--:|--:|--:|")
    missed = 0
    for latency, cycle in dict.fromkeys((r.latency, r.cycle) for r in rows):
        of = [r for r in rows if (r.latency, r.cycle) == (latency, cycle)]
        ours = [r for r in of if r.program == Feedwatch.name]
        peers = [r for r in of if not r.program.startswith(Feedwatch.name)]
        if not ours or not peers:
            continue
        cells = []
        for figure, of_row in (("cpu", lambda r: r.cpu), ("memory", lambda r: r.memory),
                               ("wall", lambda r: r.wall / r.polls)):
            best = min(peers, key=of_row)
            ratio = of_row(best) / of_row(ours[0])
            cells.append(f"{ratio:.1f} ({best.program})")
            missed += figure == "cpu" and ratio < 40 or figure == "memory" and ratio < 1
        print(f"| {latency} ms | {cycle} | {' | '.join(cells)} |")
    return missed


PARSERS = {
    "feedwatch parse": lambda build, _: [os.path.abspath(os.path.join(build, "feedwatch")),
                                         "parse", "-"],
    "sfeed": lambda _b, _h: ["sfeed"],
    "feedparser": lambda _b, home: ["/usr/bin/python3", f"{home}/parse.py"],
}


def parse_alone(build, publisher, documents):
    """The same document, parsed again and again, each parser at its best: feedparser stays in one
    process; the others are started for each document."""
    import urllib.request
    publisher.set("latency 0")
    with urllib.request.urlopen(publisher.url(1)) as answer:
        text = answer.read()
    print(f"\nParsing alone, {documents} times a document of {len(text)} bytes and 40 items:\n\n"
          "| parser | CPU ms/document |\n|---|--:|")
    with lab.folder("parse") as home:
        with open(os.path.join(home, "feed.xml"), "wb") as file:
            file.write(text)
        write(home, "parse.py", "import feedparser\ntext = open('feed.xml', 'rb').read()\n"
              f"for _ in range({documents}):\n"
              "    assert len(feedparser.parse(text).entries) == 40\n")
        for name, argv in PARSERS.items():
            argv = argv(build, home)
            if not shutil.which(argv[0]):
                continue
            shell = ["sh", "-c", f'i=0; while [ $i -lt {documents} ]; do "$@" <feed.xml >out '
                     '|| exit 1; i=$((i + 1)); done', "sh", *argv]
            cost = lab.run(argv if name == "feedparser" else shell, lab.clean_env(home), home)
            note = "" if cost.status == 0 else f" (exit status {cost.status})"
            print(f"| {name}{note} | {cost.cpu * 1000 / documents:.3f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build")
    parser.add_argument("--feeds", type=int, default=1000)
    parser.add_argument("--peer-feeds", type=int, help="fewer for the peers, to save time")
    parser.add_argument("--latency", default="0,100")
    parser.add_argument("--only", default="")
    parser.add_argument("--install", action="store_true")
    o = parser.parse_args()
    if o.install:
        install()
    lab.raise_files()
    publisher = lab.Publisher(o.build)
    wanted = [p for p in PROGRAMS if not o.only or p.name in o.only.split(",")]
    there = [p for p in wanted if p is Feedwatch
             or shutil.which({"newsboat": "newsboat", "rss2email": "r2e"}.get(p.name,
                                                                              "sfeed_update"))]
    for p in set(wanted) - set(there):
        print(f"NOT MEASURED: {p.name} is not installed")
    print(f"{o.feeds} feeds of 50 kB and 40 items, each on a host of its own; {lab.machine()}\n"
          + ", ".join(f"{p} {version_of(p)}" for p in PACKAGES) + f"\n\n{HEAD}", flush=True)
    rows = []
    try:
        for latency in map(int, o.latency.split(",")):
            for program in there:
                ours = program is Feedwatch
                rows += measure(program, o.build, publisher,
                                o.feeds if ours else o.peer_feeds or o.feeds, latency)
                if program is Feedwatch:
                    rows += measure_running(o.build, publisher, o.feeds, latency, 12)
        missed = verdict(rows)
        parse_alone(o.build, publisher, max(20, o.feeds // 5))
    finally:
        publisher.stop()
    print("\nGoals (40 times less CPU than the best peer, less memory than any): "
          + ("all met" if not missed else f"{missed} cells miss them"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
