#!/usr/bin/env python3
"""The Atom file: valid, whole at every moment, and readable by any reader (ours, too)."""
import json
import os
import re
import threading
import xml.etree.ElementTree as ET

import bench
from bench import Item, wait

ATOM = "{http://www.w3.org/2005/Atom}"
CONFIG = ("[feeds]\nnews = {/news}\n[watchlist]\nsummit = Putin AND Xi\n"
          "[sink:web]\ntype = atom\npath = web/alerts.atom\ntitle = Alerts & <more>\n"
          "url = https://example.org/alerts.atom\nentries = 5\n")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
URN = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# RFC 4287: what an entry and a feed must have once, and may have at most once.
ONCE = {"feed": ["id", "title", "updated"], "entry": ["id", "title", "updated"]}
MOST = {"feed": ["generator", "subtitle", "icon", "logo", "rights"],
        "entry": ["content", "published", "summary", "rights", "source"]}


def faults(data):
    """What the rules of RFC 4287 and of the feed validator have against the document."""
    found = []
    root = ET.fromstring(data)
    if root.tag != ATOM + "feed":
        return [f"root is {root.tag}"]
    entries = root.findall(ATOM + "entry")
    for kind, element in [("feed", root)] + [("entry", e) for e in entries]:
        def values(name, inside=element):
            return inside.findall(ATOM + name)
        for name in ONCE[kind]:
            if len(values(name)) != 1:
                found.append(f"{kind} has {len(values(name))} {name}")
        for name in MOST[kind]:
            if len(values(name)) > 1:
                found.append(f"{kind} has {len(values(name))} {name}")
        for name in ("updated", "published"):
            for date in values(name):
                if not DATE.fullmatch(date.text or ""):
                    found.append(f"{kind} {name} is {date.text}")
        if not URN.fullmatch(element.findtext(ATOM + "id") or ""):
            found.append(f"{kind} id is {element.findtext(ATOM + 'id')}")
        if not (element.findtext(ATOM + "title") or "").strip():
            found.append(f"{kind} title is empty")
        if not element.find(f"{ATOM}author/{ATOM}name") is not None and kind == "feed":
            found.append("feed has no author")
        for name in values("author"):
            if len(name.findall(ATOM + "name")) != 1 or not name.findtext(ATOM + "name"):
                found.append(f"{kind} author has no name")
        links = [(link.get("rel", "alternate"), link.get("type"), link.get("hreflang"))
                 for link in values("link")]
        if len(links) != len(set(links)):
            found.append(f"{kind} has the same link twice")
        for link in values("link"):
            if not re.match(r"https?://[^\s<>\"]+$", link.get("href", "")):
                found.append(f"{kind} link is {link.get('href')}")
        for category in values("category"):
            if not category.get("term"):
                found.append(f"{kind} category has no term")
    if len([1 for link in root.findall(ATOM + "link") if link.get("rel") == "self"]) != 1:
        found.append("feed has no link to itself")
    ids = [e.findtext(ATOM + "id") for e in entries]
    if len(ids) != len(set(ids)):
        found.append("two entries with one id")
    for entry in entries:
        content = entry.find(ATOM + "content")
        if content is None and not entry.findall(ATOM + "link"):
            found.append("an entry has neither link nor content")
        if content is not None and content.get("type") != "html":
            found.append(f"content is {content.get('type')}")
    order = [e.findtext(ATOM + "updated") for e in entries]
    if order and root.findtext(ATOM + "updated") < max(order):
        found.append("the feed is older than an entry of it")
    return found


class Atom(bench.Test):
    def setUp(self):
        super().setUp()
        self.feed = self.origin.feed("/news", title="News", items=[Item("old")])
        self.path = os.path.join(self.folder, "web/alerts.atom")

    def titles(self):
        try:
            with open(self.path, "rb") as file:
                root = ET.fromstring(file.read())
        except FileNotFoundError:
            return []
        return [e.findtext(ATOM + "title") for e in root.findall(ATOM + "entry")]

    def read(self):
        with open(self.path, "rb") as file:
            return file.read()

    def test_is_valid_whatever_the_feed_says(self):
        daemon = self.daemon(CONFIG).start()
        self.learnt(self.feed)
        titles = ["Putin &amp; <b>Xi</b> \"quoted\" 'too' ]]>", "Putin \u202e Xi \ufffe \uffff \x85 end",
                  "Putin and Xi \U0001F469\u200D\U0001F680 " + "long " * 400]
        for number, title in enumerate(titles):
            self.feed.publish(Item(title, link=f"http://127.0.0.1/{number}?a=1&b='2'",
                                   summary="Putin <i>met</i> Xi & <script>alert(1)</script>"))
        wait(lambda: len(self.titles()) == len(daemon.alerts()) == len(titles), 10, "entries")
        self.assertEqual(faults(self.read()), [])
        text = self.read().decode()
        self.assertNotIn("<script", text)
        self.assertNotIn("&lt;script", text)
        self.assertIn("&lt;b&gt;Putin&lt;/b&gt;", text)
        self.assertEqual(set(re.findall("[\u0080-\u009f\u202a-\u202e\ufffe\uffff]", text)), set())
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o644)
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ["alerts.atom"])
        status, out, err = daemon.command("parse", self.path)
        self.assertEqual(status, 0, err)
        ours = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([o["link"] for o in ours if "content" in o],
                         [f"http://127.0.0.1/{n}?a=1&b='2'" for n in range(3)])
        daemon.stop()

    def test_keeps_its_entries_over_restarts_and_drops_the_oldest(self):
        daemon = self.daemon(CONFIG).start()
        self.learnt(self.feed)
        for number in range(3):
            self.feed.publish(Item(f"Putin and Xi {number}"))
        wait(lambda: len(self.titles()) == 3, 10, "three entries")
        first = ET.fromstring(self.read()).findtext(ATOM + "id")
        daemon.stop()
        for number in range(3, 8):
            self.feed.publish(Item(f"Putin and Xi {number}"))
        daemon.start()
        wait(lambda: "Putin and Xi 7" in self.titles(), 10, "the newest entry")
        wait(lambda: sorted(self.titles()) == [f"Putin and Xi {n}" for n in range(3, 8)], 5,
             "the five newest")
        self.assertEqual(faults(self.read()), [])
        self.assertEqual(ET.fromstring(self.read()).findtext(ATOM + "id"), first)
        daemon.stop()

    def test_is_whole_at_every_moment(self):
        daemon = self.daemon(CONFIG).start()
        self.learnt(self.feed)
        done, bad, reads = threading.Event(), [], [0]

        def look():
            while not done.is_set():
                try:
                    bad.extend(faults(self.read()))
                    reads[0] += 1
                except FileNotFoundError:
                    pass
                except ET.ParseError as error:
                    bad.append(str(error))
        reader = threading.Thread(target=look)
        reader.start()
        try:
            for number in range(5):
                for part in range(4):
                    self.feed.publish(Item(f"Putin and Xi {number}, part {part}"))
                wait(lambda n=number: len(daemon.alerts()) == 4 * n + 4, 20, "all alerts")
            wait(lambda: daemon.titles()[-1] in self.titles(), 5, "the last entry")
            wait(lambda: reads[0] > 100, 10, "so many looks at it")
        finally:
            done.set()
            reader.join()
        self.assertEqual(bad, [])
        print(f"{reads[0]} whole files ... ", end="")
        daemon.stop()

    def test_a_file_of_somebody_else_is_left_alone(self):
        os.makedirs(os.path.dirname(self.path))
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("<?xml version='1.0'?><feed/>\n")
        daemon = self.daemon(CONFIG)
        status, _, err = daemon.command("run", "-c", daemon.config)
        self.assertNotEqual(status, 0)
        self.assertIn("holds something else", err)
        self.assertEqual(self.read(), b"<?xml version='1.0'?><feed/>\n")


if __name__ == "__main__":
    bench.main()
