#!/usr/bin/env python3
"""A day in a quarter of an hour: 2,000 feeds whose publishers misbehave, and an oracle that knows
which alerts there must be.

    tests/bench/soak.py BUILD [--minutes 15] [--feeds 2000] [--factor 96] [--seed 1]

The program runs on a clock that is FACTOR times as fast (tests/tools/fast_clock.c).  Six in ten
feeds are well-behaved; the others do something from the table of faults in one poll of seven; a few
are lost causes (410, Retry-After of 10^9 s, a name that no server knows).  On the way the config is
reloaded, the alert log rotated, and the program killed in the middle.  Then all faults end, and
after an hour of simulated peace is compared:
- alerts: for every rule and item exactly one; none that the oracle does not know;
- polls: no well-behaved feed waited longer than its interval and its jitter;
- memory: what is in use of the heap, without the page caches of SQLite (which fill up to their
  bound): its slope after the warm-up, in KiB an hour; descriptors other than sockets: constant.
The oracle shares nothing with the program: rules are Python functions over the titles."""
import argparse
import collections
import email.utils
import gzip
import json
import os
import random
import re
import shutil
import signal
import socket
import sys
import threading
import time

import lab

sys.path.insert(0, os.path.join(lab.TOP, "tests"))
from origin import Gone, Item, Origin, document  # noqa: E402

INTERVAL_S, WINDOW, PUBLISH_EVERY_S = 900, 60, 7200
SLACK_S = 300  # beyond interval and jitter: three true seconds, on a busy machine
SLOPE_KIB, SLOPE_NEEDS_H = 1.0, 6
SQLITE_KIB = 5000  # two connections of 2,000 KiB each at most, and what belongs to them

# ---- the rules, twice: for the program, and as functions over the words of a title

RULES = {
    "summit": ("Putin AND Xi", lambda w, t: {"putin", "xi"} <= w),
    "truce": ('ceasefire OR "peace talks"',
              lambda w, t: "ceasefire" in w or re.search(r"\bpeace\W+talks\b", t) is not None),
    "gas": ("gas AND NOT (laughing OR natural)",
            lambda w, t: "gas" in w and not w & {"laughing", "natural"}),
    "storm": ("storm* title:coast",
              lambda w, t: "coast" in w and any(x.startswith("storm") for x in w)),
    "close": ("quake NEAR/2 island",
              lambda w, t: near(t, "quake", "island", 2)),
}
WORDS = ("minister said talks energy price report market spring winter river budget vote court city "
         "train school music league coast island gas natural laughing peace putin xi ceasefire storm "
         "stormy storms quake harbour bridge tax farm").split()
HOSTILE = ["\u202e", "\u009b31m", "&#10;", "%n%s", "\U0001f600", "\u200b ", "\\", "'", "&lt;b&gt;"]


def tokens(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def near(text, a, b, most):
    """At most `most` words between an a and a b."""
    at = collections.defaultdict(list)
    for n, w in enumerate(tokens(text)):
        at[w].append(n)
    return any(abs(i - j) - 1 <= most for i in at[a] for j in at[b])


def expected(title):
    words, low = set(tokens(title)), title.lower()
    return {name for name, (_, holds) in RULES.items() if holds(words, low)}


# ---- publishers

class Clock:
    def __init__(self, factor):
        self.factor, self.base = factor, time.monotonic_ns()
        self.calendar = time.time()

    def hours(self, at=None):
        """Of simulated time since the begin."""
        at = time.monotonic() if at is None else at
        return (at - self.base / 1e9) * self.factor / 3600

    def utc(self):
        return self.calendar + self.hours() * 3600


class Publisher:
    """One feed: its items, its manners, and what it has seen of the program."""

    def __init__(self, world, n):
        self.world, self.n, self.rng = world, n, random.Random(world.seed * 1000003 + n)
        self.name, self.path = f"feed{n}", f"/{n}"
        self.kind = ("rss", "atom", "rdf", "json")[n % 4]
        self.charset = ("utf-8", "utf-8", "iso-8859-1", "utf-16", "windows-1251")[n % 5]
        self.lost = n % 50 == 49
        self.faulty = self.lost or n % 5 in (1, 3)
        self.churns = n % 40 == 21  # other guids at every poll
        self.coding = "gzip" if n % 3 == 0 else "plain"
        self.lock = threading.Lock()
        self.items, self.version, self.body = [], 0, b""
        self.polls, self.clean, self.published = [], -1, {}
        self.known = False  # it has stored a whole document
        self.whole = 0  # documents that were not cut
        for k in range(20):
            self._add(f"Old story {n} {k} about {' '.join(self.rng.sample(WORDS[:16], 4))}")
        self.old = list(self.items)
        self.next_h = self.rng.expovariate(3600 / PUBLISH_EVERY_S)
        self._make()

    def _add(self, title):
        k = len(self.published)
        guid = f"urn:soak:{self.n}:{k}"
        self.published[guid] = title
        item = Item(title, guid, f"http://news{self.n}.example/{k}", f"Story number {k}.",
                    self.rng.choice([self.world.clock.utc(), 0, 10, 4102444800]))
        self.items.insert(0, item)
        return item

    def _make(self):
        items = self.items
        if self.churns:
            salt = self.rng.random()
            items = [Item(i.title, f"{i.guid}?{salt}", i.link, i.summary, i.published)
                     for i in items]
        self.version += 1
        self.plain = document(self.kind, f"Feed {self.n}", items, self.charset)
        self.body = gzip.compress(self.plain, 1) if self.coding == "gzip" else self.plain
        self.etag = f'"{self.n}-{self.version}"'

    def publish(self, now_h):
        """What is due; also things that are no news: other order, edits, items away and back."""
        with self.lock:
            while self.next_h <= now_h:
                self.next_h += self.rng.expovariate(3600 / PUBLISH_EVERY_S)
                words = self.rng.sample(WORDS, 6)
                if self.rng.random() < 0.2:
                    words.append(self.rng.choice(HOSTILE))  # within, words would be parted
                self._add(f"Story {self.n}x{len(self.published)}: {' '.join(words)}")
                self.items = self.items[:WINDOW]
                self._make()
            if self.faulty and self.rng.random() < 0.02:
                self.no_news()

    def no_news(self):
        what = self.rng.randrange(3)
        if what == 0:
            self.rng.shuffle(self.items)
        elif what == 1:
            item = self.rng.choice(self.old)
            item.title = f"Putin and Xi: edited {self.rng.random()}"
            if self.rng.random() < 0.5:
                item.published = self.world.clock.utc()
        else:
            away = self.rng.sample(self.old, 5)
            self.items = [i for i in self.items if i not in away] + \
                [i for i in self.old if i not in self.items and i not in away]
        self._make()

    # ---- answering

    def __call__(self, reply):
        w = self.world
        with self.lock:
            self.polls.append(time.monotonic())
            fault = None
            if w.faults and self.lost:
                fault = LOST[self.n // 50 % len(LOST)]
            elif w.faults and self.faulty and self.rng.random() < 0.15:
                fault = self.rng.choice(FAULTS)
            # Before it is plain that the ids of a feed churn, half a document cannot tell an
            # item that was edited from another one with its link: to alert is right then.
            if fault in CUTS and self.churns and self.whole < 3:
                fault = None
            self.whole += w.faults and fault is None
            body, plain, etag, version = self.body, self.plain, self.etag, self.version
            if fault is None and self.churns and w.faults:
                self._make()
        if fault:
            w.count[fault.__name__] += 1
            reply.close = True
            fault(self, reply, plain)
            return
        reply.close = self.n % 10 != 0
        headers = [("ETag", etag)] + ([("Connection", "close")] if reply.close else [])
        if reply.request.header("If-None-Match") == etag:
            with self.lock:  # the request itself proves that all of it was read and stored
                self.known, self.clean = True, max(self.clean, version)
            reply.send(304, headers)
            w.count["304"] += 1
        else:
            headers.append(("Content-Type", "application/feed+json" if self.kind == "json"
                            else "application/xml"))
            if self.coding == "gzip":
                headers.append(("Content-Encoding", "gzip"))
            reply.send(200, headers, body)
            w.count["200"] += 1


# ---- faults: functions of (publisher, reply, document); named as the table of hazards has them

XML = [("Content-Type", "application/xml"), ("Connection", "close")]


def cut_anywhere(p, reply, doc):  # N20, also N11: fewer bytes than were said
    reply.head(200, [*XML, ("Content-Length", str(len(doc))), ("ETag", p.etag)])
    reply.raw(doc[:p.rng.randrange(len(doc))])


def reset(p, reply, doc):  # N20
    reply.head(200, [*XML, ("Content-Length", str(len(doc)))])
    reply.raw(doc[:len(doc) // 2])
    reply.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def drip_body(_p, reply, doc):  # N1
    reply.head(200, [*XML, ("Content-Length", str(len(doc)))])
    for at in range(60):
        reply.raw(doc[at:at + 1])
        time.sleep(0.01)


def drip_head(_p, reply, _doc):  # N2
    for c in "HTTP/1.1 200 OK\r\nX-Slow: ".encode() + b"x" * 50:
        reply.raw(bytes([c]))
        time.sleep(0.01)


def silence(p, reply, _doc):  # N3
    reply.hold(p.world.peace, 2)


def chunk_flood(_p, reply, _doc):  # N5
    reply.head(200, [*XML, ("Transfer-Encoding", "chunked")])
    for _ in range(160):
        reply.chunk(b"<!-- " + b"x" * 65000 + b" -->")


BOMB = gzip.compress(b"<rss>" + b" " * (40 << 20), 9)


def gzip_bomb(_p, reply, _doc):  # N6
    reply.send(200, [*XML, ("Content-Encoding", "gzip")], BOMB)


def double_gzip(_p, reply, _doc):  # N7
    reply.send(200, [*XML, ("Content-Encoding", "gzip, gzip")], gzip.compress(BOMB))


def six_codings(_p, reply, doc):  # N8
    reply.send(200, [*XML, ("Content-Encoding", "gzip, " * 6 + "gzip")], doc)


def cut_gzip(p, reply, doc):  # N9
    reply.head(200, [*XML, ("Content-Encoding", "gzip"), ("ETag", p.etag)])
    reply.raw(gzip.compress(doc)[:-20])


def mislabelled_gzip(p, reply, doc):  # N10
    reply.send(200, [*XML, ("Content-Encoding", "gzip")], doc)


def header_flood(_p, reply, _doc):  # N12
    reply.head(200, [*XML, ("X-Long", "x" * 200000)] + [(f"X-{i}", "y" * 1000) for i in range(400)])


def endless_100(_p, reply, _doc):  # N12
    for _ in range(3000):
        reply.raw(b"HTTP/1.1 100 Continue\r\nX-Pad: " + b"x" * 200 + b"\r\n\r\n")


def redirect_loop(p, reply, _doc):  # N13
    reply.send(302, [("Location", p.path)])


def redirect_file(_p, reply, _doc):  # S6
    reply.send(302, [("Location", "file:///etc/passwd")])


def moved(p, reply, _doc):  # N14
    reply.send(301, [("Location", f"/moved{p.path}")])


def retry_after(p, reply, _doc):  # N16
    in_10m = email.utils.formatdate(p.world.clock.utc() + 600, usegmt=True)
    reply.send(p.rng.choice([429, 503]),
               [("Retry-After", p.rng.choice(["300", "soon", "-5", in_10m, ""]))])


def server_error(p, reply, _doc):
    reply.send(p.rng.choice([500, 502, 504]), [])


def false_304(_p, reply, _doc):  # N17, N18
    reply.send(304, [])


def not_http(_p, reply, _doc):  # HTTP/0.9
    reply.raw(b"hello\r\n\r\n")


def bad_length(_p, reply, doc):
    reply.head(200, [*XML, ("Content-Length", "-1")])
    reply.raw(doc)


def broken(text):
    """A document that is no feed."""
    def answer(_p, reply, _doc):
        reply.send(200, XML, text)
    return answer


def named(name, answer):
    answer.__name__ = name
    return answer


BILLION = b'<!DOCTYPE r [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)) + \
    b"]><rss><channel><item><title>&j;</title></item></channel></rss>"


def junk_after(_p, reply, doc):  # X9
    reply.send(200, XML, doc + b"<html>&nbsp;</html>")


def junk_inside(p, reply, doc):  # X14: bytes flipped
    doc = bytearray(doc)
    for _ in range(20):
        doc[p.rng.randrange(len(doc))] = p.rng.randrange(256)
    # Not the ids: other items would be news of which the oracle does not know.
    reply.send(200, XML, bytes(doc[:len(doc) // 50]))


FAULTS = [
    cut_anywhere, reset, drip_body, drip_head, silence, gzip_bomb, double_gzip, six_codings, cut_gzip,
    mislabelled_gzip, header_flood, endless_100, redirect_loop, redirect_file, moved, retry_after,
    server_error, false_304, not_http, bad_length, junk_after, junk_inside,
    named("billion_laughs", broken(BILLION)),  # X1
    named("external_entity", broken(b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
                                    b"<rss><channel><title>&x;</title></channel></rss>")),  # X2
    named("deep", broken(b"<rss>" + b"<a>" * 100000)),  # X3
    named("giant_token", broken(b"<rss a='" + b"x" * (2 << 20) + b"'>")),  # X4
    named("attributes", broken(b"<rss " + b" ".join(b"a%d='1'" % i for i in range(20000)) + b">")),
    named("html", broken(b"<!DOCTYPE html><html><body>Please log in</body></html>")),  # X10
    named("empty", broken(b"")), named("zeros", broken(b"\0" * 5000)),
    named("json_cut", broken(b'{"version": "https://jsonfeed.org/version/1.1", "items": [{')),
]


CUTS = (cut_anywhere, reset, cut_gzip)


def gone(_p, reply, _doc):  # N19
    reply.send(410, [])


def retry_for_ever(_p, reply, _doc):  # N16
    reply.send(503, [("Retry-After", "1000000000")])


def unauthorized(_p, reply, _doc):
    reply.send(401, [("WWW-Authenticate", "Basic")])


def flood(p, reply, doc):
    chunk_flood(p, reply, doc)


LOST = [gone, retry_for_ever, unauthorized, flood]


# ---- the world

class World:
    def __init__(self, o):
        self.seed, self.faults = o.seed, False
        self.clock, self.peace = Clock(o.factor), threading.Event()
        self.count, self.stalls = collections.Counter(), []
        self.origin = Origin(host="0.0.0.0")
        self.origin._listen.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        self.feeds = [Publisher(self, n) for n in range(o.feeds)]
        for p in self.feeds:
            self.origin.answer(p.path, p)
            self.origin.answer(f"/moved{p.path}", lambda reply, p=p: self.elsewhere(p, reply))

    def elsewhere(self, p, reply):
        """Where a permanent redirect leads: the same feed, well-behaved, unknown to the books."""
        reply.close = True
        reply.send(200, XML, p.plain)

    def url(self, n):
        return f"http://127.{1 + (n >> 16)}.{(n + 1) >> 8 & 255}.{(n + 1) & 255}:{self.origin.port}/{n}"

    def forget_requests(self):
        with self.origin.lock:
            self.origin._log.clear()


class Watched:
    """The program, its memory and its descriptors, looked at every second."""

    def __init__(self, build, home, world):
        self.build, self.home, self.world = build, home, world
        watches = "".join(f"[watch:{name}]\nmatch = {rule}\ngroup_by = item\nstorm_size = no\n"
                          for name, (rule, _) in RULES.items())
        dead = "".join(f"[feed:dead{i}]\nurl = http://host{i}.invalid/feed\n" for i in range(5))
        self.names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # a server that is silent
        self.names.bind(("127.0.0.1", 0))
        self.config = lab.feedwatch_config(
            home, [world.url(p.n) for p in world.feeds], watches + dead,
            f"interval = {INTERVAL_S}s\nmax_interval = 1h\n"
            # In true time, a few seconds: what this machine may take to answer.
            "timeout = 10m\nconnect_timeout = 5m\nlow_speed_time = 5m\n"
            f"dns_servers = 127.0.0.1:{self.names.getsockname()[1]}\n")
        self.heap_path = os.path.join(home, "heap")
        self.notify_path = os.path.join(home, "notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)
        self.ready = threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()
        self.samples, self.daemon, self.rotated, self.kills = [], None, 0, []

    def start(self):
        self.ready.clear()
        preload = ":".join(os.path.abspath(os.path.join(self.build, "tests", f"{name}.so"))
                           for name in ("fast_clock", "heap_watch"))
        self.daemon = lab.Daemon(
            [os.path.abspath(os.path.join(self.build, "feedwatch")), "run", "-c", self.config,
             "--log-level", "notice"], self.home, LD_PRELOAD=preload,
            FAST_CLOCK=str(self.world.clock.factor), FAST_CLOCK_BASE=str(self.world.clock.base),
            NOTIFY_SOCKET=self.notify_path, HEAP_WATCH=self.heap_path)
        lab.wait(lambda: self.alive() or self.ready.is_set(), 60)

    def listen(self):
        """Play systemd, which never keeps anybody waiting."""
        while True:
            if b"READY=1" in self.notify.recv(4096):
                self.ready.set()

    def alive(self):
        if self.daemon.process.poll() is not None:
            with open(self.daemon.log_path, encoding="utf-8", errors="replace") as file:
                lab.fail(f"ended with {self.daemon.process.returncode}:\n{file.read()[-2000:]}")

    def kill(self):
        self.daemon.process.kill()
        self.daemon.process.wait()
        self.kills.append(time.monotonic())
        self.samples.clear()
        self.start()

    def hup(self):
        self.daemon.process.send_signal(signal.SIGHUP)

    def rotate(self):
        log = os.path.join(self.home, "alerts.log")
        if os.path.exists(log):
            os.rename(log, f"{log}.{self.rotated:04d}")
            self.rotated += 1
        self.hup()

    def sample(self):
        pid = self.daemon.process.pid
        sockets = others = 0
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                is_socket = os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
            except OSError:
                continue
            sockets, others = sockets + is_socket, others + (not is_socket)
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            kb = next((int(line.split()[1]) for line in file if line.startswith("RssAnon")), 0)
        if not kb:
            self.alive()
        with open(self.heap_path, "rb") as file:
            file.seek(max(0, os.path.getsize(self.heap_path) - 200))
            last = file.read().splitlines()[-1].split()
        if int(last[0]) == pid and len(last) == 4:
            used, free, sqlite = (int(n) / 1024 for n in last[1:])
            self.samples.append((self.world.clock.hours(), kb, sockets, others, used - sqlite,
                                 sqlite, free))

    def alerts(self):
        out = []
        names = [f"alerts.log.{n:04d}" for n in range(self.rotated)] + ["alerts.log"]
        for name in names:
            try:
                with open(os.path.join(self.home, name), encoding="utf-8") as file:
                    out += [json.loads(line) for line in file]
            except FileNotFoundError:
                pass
        return out


def learn(world, watched):
    """All feeds are known before anything happens."""
    lab.wait(lambda: watched.alive() or all(p.known for p in world.feeds), 600)


def live(world, watched, until_h):
    """The time of faults; returns when it is over."""
    begin = world.clock.hours()
    acts = [(begin + (until_h - begin) * f, what) for f, what in
            [(0.05, watched.kill), (0.12, watched.kill)]
            + [(0.1 * k + 0.06, watched.rotate) for k in range(9)]
            + [(0.1 * k + 0.08, watched.hup) for k in range(9)]]
    acts.sort(key=lambda a: a[0])
    world.faults = True
    last = -1.0
    while (now := world.clock.hours()) < until_h:
        for p in world.feeds:
            p.publish(now)
        while acts and acts[0][0] <= now:
            acts.pop(0)[1]()
        watched.alive()
        if time.monotonic() - last >= 1:
            watched.sample()
            world.forget_requests()
            last = time.monotonic()
        before = time.monotonic()
        time.sleep(0.1)
        if (stood := time.monotonic() - before - 0.1) > 0.02:
            world.stalls.append((before, stood))


def settle(world, watched):
    """No faults, nothing new; returns the feeds of which it is not proven, after three hours, that
    they were read as they are."""
    world.faults = False
    world.peace.set()
    begin = world.clock.hours()
    hoped = [p for p in world.feeds if not p.lost]
    for p in hoped:
        with p.lock:
            p.clean, p.last = -1, p.version
    left = hoped
    while world.clock.hours() < begin + 3:
        watched.alive()
        left = [p for p in hoped if p.clean < p.last]
        if not left and world.clock.hours() > begin + 0.5:
            break
        time.sleep(0.5)
    return left


# ---- the verdict

def expected_alerts(world, unread):
    """(those that there must be, those that there may be as well)"""
    must, may = set(), set()
    for p in world.feeds:
        for guid, title in list(p.published.items())[20:]:
            for watch in expected(title):
                (may if p.lost or p in unread else must).add((p.name, guid, watch))
    return must, may


def check_alerts(world, watched, alerts_expected):
    """Every expected alert once, and no other one."""
    got, wrong = collections.Counter(), []
    must, may = alerts_expected
    alerts = watched.alerts()
    if [a["seq"] for a in alerts] != list(range(1, len(alerts) + 1)):
        wrong.append("the numbers of the alerts have gaps or repeat")
    for a in alerts:
        got[a["feed"], (a["item_id"] or "").split("?")[0] or a["link"], a["watch"]] += 1
    missed = [a for a in must if not got[a]]
    twice = [a for a, n in got.items() if n > 1]
    unknown = [a for a in got if a not in must and a not in may]
    of = {(p.name, guid): (title, p) for p in world.feeds for guid, title in p.published.items()}
    for what, which in (("missed", missed), ("twice", twice), ("not expected", unknown)):
        for a in sorted(which, key=str)[:20]:
            title, p = of.get(a[:2], ("?", None))
            wrong.append(f"{what}: {' '.join(map(str, a))} {title!r}"
                         + (f" ({p.kind}, {p.charset}, {p.coding})" if p else ""))
        if len(which) > 20:
            wrong.append(f"{what}: {len(which)} in all")
    print(f"alerts: {len(alerts)}, the oracle has {len(must)} (and {len(may)} of feeds that were "
          f"lost or unread at the end); missed {len(missed)}, twice {len(twice)}, "
          f"not expected {len(unknown)}")
    return wrong


def check_polls(world, watched):
    late, longest, n, gaps = [], 0.0, 0, 0

    def allowed(a, b):
        """The interval and its jitter; what is overdue after a kill is spread over one more; and
        what this machine stood still, times the factor."""
        kills = sum(a < k < b for k in watched.kills)
        stood = sum(s for at, s in world.stalls if a - 1 < at < b + 1)
        return (INTERVAL_S * (1.1 + kills) + SLACK_S + stood * world.clock.factor)
    for p in world.feeds:
        if p.faulty:
            continue
        n += 1
        for a, b in zip(p.polls, p.polls[1:]):
            gap = (b - a) * world.clock.factor
            gaps += 1
            longest = max(longest, gap)
            if gap > allowed(a, b):
                late.append((p.name, round(gap), f"{world.clock.hours(a):.2f} h"))
    print(f"polls: {sum(len(p.polls) for p in world.feeds)}; of {n} well-behaved feeds {gaps} waits, "
          f"the longest {longest:.0f} s of simulated time (interval {INTERVAL_S} s); {len(late)} "
          "were late; this machine stood still for "
          f"{sum(s for _, s in world.stalls) * world.clock.factor:.0f} s of simulated time in all")
    return [f"late: {late[:10]}"] if late else []


def slope(points):
    """KiB an hour, by least squares."""
    n = len(points)
    mx, my = sum(p[0] for p in points) / n, sum(p[1] for p in points) / n
    below = sum((p[0] - mx) ** 2 for p in points)
    return sum((p[0] - mx) * (p[1] - my) for p in points) / below if below else 0.0


def lows(samples, column, bins=20):
    """The least in each part of the time: without what is held for a transfer on its way."""
    begin, width = samples[0][0], (samples[-1][0] - samples[0][0]) / bins or 1
    least = {}
    for s in samples:
        n = min(bins - 1, int((s[0] - begin) / width))
        if n not in least or s[column] < least[n][1]:
            least[n] = (s[0], s[column])
    return list(least.values())


def check_memory(watched):
    if len(watched.samples) < 10:
        print("memory: not looked at, the run was too short")
        return []
    begin, end = watched.samples[0][0], watched.samples[-1][0]
    warm = [s for s in watched.samples if s[0] > begin + (end - begin) / 3]
    hours, wrong = warm[-1][0] - warm[0][0], []
    k = slope(lows(warm, 4))
    print(f"memory in use in the last {hours:.1f} h, at rest: {lows(warm, 4)[0][1]:.0f} to "
          f"{lows(warm, 4)[-1][1]:.0f} KiB, slope {k:+.1f} KiB/h"
          + ("" if hours >= SLOPE_NEEDS_H else f" (too short to judge: {SLOPE_NEEDS_H} h)")
          + f"; beside it SQLite {warm[0][5]:.0f} to {warm[-1][5]:.0f} KiB, kept free by malloc "
          f"{min(s[6] for s in warm):.0f} to {max(s[6] for s in warm):.0f} KiB; resident of its own "
          f"{min(s[1] for s in warm)} to {max(s[1] for s in warm)} KiB")
    if hours >= SLOPE_NEEDS_H and k > SLOPE_KIB:
        wrong.append(f"memory grows by {k:.1f} KiB/h")
    if warm[-1][5] > SQLITE_KIB:
        wrong.append(f"SQLite holds {warm[-1][5]:.0f} KiB")
    half = len(warm) // 2
    files = [min(s[3] for s in warm[:half]), min(s[3] for s in warm[half:])]
    print(f"descriptors at rest: {files[0]} in the first half, {files[1]} in the second; "
          f"sockets {min(s[2] for s in warm)} to {max(s[2] for s in warm)}")
    if files[1] > files[0]:
        wrong.append("descriptors grow")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--feeds", type=int, default=2000)
    parser.add_argument("--factor", type=int, default=96)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    lab.raise_files()
    with lab.folder("soak") as home:
        world = World(o)
        watched = Watched(o.build, home, world)
        print(f"{o.feeds} feeds, time {o.factor} times as fast, {lab.machine()}, seed {o.seed}",
              flush=True)
        watched.start()
        try:
            learn(world, watched)
            begin = world.clock.hours()
            print(f"all feeds are known after {begin:.1f} h", flush=True)
            for p in world.feeds:
                p.next_h += begin
            live(world, watched, begin + o.minutes * o.factor / 60)
            print(f"faults: {dict(world.count.most_common())}", flush=True)
            unread = settle(world, watched)
            wrong = check_polls(world, watched)
            if unread:
                print(f"not read in peace: {len(unread)} feeds")
            alerts = expected_alerts(world, unread)
            until = time.monotonic() + 20  # true ones: for the disk
            while len(watched.alerts()) < len(alerts[0]) and time.monotonic() < until:
                time.sleep(0.5)
        finally:
            watched.daemon.stop()
            world.origin.stop()
        wrong += check_alerts(world, watched, alerts) + check_memory(watched)
        if wrong:
            keep = os.path.join(o.build, "test-logs", "soak")
            shutil.rmtree(keep, ignore_errors=True)
            shutil.copytree(home, keep, ignore=shutil.ignore_patterns("notify"))
            print(f"kept for a look: {keep}")
        print(f"{len(watched.kills)} kills, {watched.rotated} rotations; simulated "
              f"{world.clock.hours():.1f} h")
    print("\n".join(wrong + ["soak: " + (f"{len(wrong)} complaints" if wrong else "all is well")]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
