#!/usr/bin/env python3
"""feedwatch parse: its lines, what it says of files that are no feed, the batch, and the page."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

BIN = os.environ.get("FEEDWATCH_BIN", os.path.join("..", "..", "build", "feedwatch"))
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "man", "feedwatch-parse.1")
FEED = """<?xml version="1.0"?><rss version="2.0" xmlns:a="http://www.w3.org/2005/Atom"
xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>N</title>
<link>http://news.example.org/</link><language>en</language><ttl>5</ttl>
<skipHours><hour>3</hour></skipHours><skipDays><day>Sunday</day></skipDays>
<a:link rel="self" href="http://news.example.org/f"/>
<item><guid isPermaLink="false">7</guid><title>A &amp;amp; B</title><link>1</link>
<description>&lt;p&gt;one&lt;p&gt;two &lt;img alt='pic'&gt;</description><dc:creator>Ann</dc:creator>
<category>Asia</category><pubDate>Tue, 24 Nov 2026 04:43:13 +0100</pubDate>
<enclosure url="/a.mp3"/></item>
<item><title>T</title><link>2</link><pubDate>0001-01-01T00:00:00Z</pubDate></item></channel></rss>"""


def run(*argv, data=b"", env=None):
    done = subprocess.run([BIN, "parse", *argv], input=data, capture_output=True, timeout=60,
                          env=os.environ | (env or {}))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


class Parse(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def test_every_line_and_member(self):
        status, out, err = run(self.file("f", FEED))
        self.assertEqual((status, err), (0, ""))
        feed, first, second, end = lines(out)
        self.assertEqual(feed, {"feed": {
            "title": "N", "link": "http://news.example.org/", "lang": "en",
            "self": "http://news.example.org/f", "hub": None, "new_url": None, "alternate": None,
            "ttl": 300, "skip_hours": [3], "skip_days": [6]}, "format": "rss 2.0"})
        self.assertEqual(first, {
            "id": "7", "title": "A & B", "link": "http://news.example.org/1", "summary": "one two",
            "content": None, "authors": ["Ann"], "categories": ["Asia"],
            "published": "2026-11-24T03:43:13Z", "updated": None,
            "enclosures": ["http://news.example.org/a.mp3"], "lang": "en"})
        self.assertEqual((second["id"], second["published"]), ("http://news.example.org/2", None))
        self.assertEqual(end, {"wellformed": True, "status": "whole", "charset": "utf-8", "items": 2,
                               "repairs": 0, "why": None})

    def test_options(self):
        text = "<rss><channel><item><title>\u041f\u0443\u0442\u0438\u043d</title><link>x</link></item></channel></rss>"
        koi = text.encode("koi8-r")
        for argv, env in ((["--charset", "koi8-r", "--url", "http://e.org/a/"], {}),
                          (["-c", "koi8-r", "-u", "http://e.org/a/"], {}),
                          (["-t", "text/xml; charset=koi8-r", "-u", "http://e.org/a/", "-"], {}),
                          ([], {"FEED_URL": "http://e.org/a/",
                                "FEED_CONTENT_TYPE": "text/xml; charset=koi8-r"})):
            status, out, _ = run(*argv, data=koi, env=env)
            self.assertEqual(status, 0)
            self.assertEqual((lines(out)[1]["title"], lines(out)[1]["link"]),
                             ("\u041f\u0443\u0442\u0438\u043d", "http://e.org/a/x"))
        self.assertEqual(lines(run("--alt", data=FEED.encode())[1])[1]["summary"], "one two pic")
        long = "<rss><channel><item><title>%s</title></item></channel></rss>" % ("x " * 200000)
        item = lines(run(data=long.encode())[1])[1]
        self.assertTrue(item["cut"] and len(item["title"]) <= 256 << 10)

    def test_says_what_is_wrong(self):
        broken = "<rss><channel><item><title>a</title></item><item><title>b"
        deep = "<rss><channel>" + "<a>" * 100000
        html = "<!DOCTYPE html><html><head><link rel=alternate type='application/rss+xml' href=/f></head>"
        for argv, data, says in (
                (["/no/such/file"], "", "/no/such/file: No such file or directory"),
                ([self.folder.name], "", "Is a directory"),
                ([], "", "standard input: the document is empty"),
                ([], " \n ", "the document is empty"),
                ([], broken, "broken: ended inside <title>; 1 item was read"),
                ([], deep, "broken: ended inside <a>; no item was read"),
                (["-u", "http://e.org/x"], html, "not a feed: an HTML page; its feed may be http://e.org/f"),
                ([], "<a/>", "not a feed: "), ([], "{\"a\":1}", "not a feed: JSON")):
            status, out, err = run(*argv, data=data.encode())
            self.assertEqual((status, err.count("\n")), (1, 1), err)
            self.assertTrue(err.startswith("feedwatch parse: "), err)
            self.assertIn(says, err)
            lines(out)
        for argv, says in ((["-c", "nope"], "there is no charset 'nope'"), (["a", "b"], "'b'"),
                           (["--batch", "a"], "'a'"), (["--wrong"], "--wrong")):
            status, out, err = run(*argv)
            self.assertEqual((status, out), (2, ""))
            self.assertIn(says, err)
        if os.geteuid() == 0 and shutil.which("setpriv"):
            os.chmod(self.folder.name, 0o755)
            path = self.file("secret", FEED)
            os.chmod(path, 0)
            binary = shutil.copy(BIN, self.folder.name)
            done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                   binary, "parse", path], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 1)
            self.assertIn("Permission denied", done.stderr)
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([BIN, "parse", self.file("f", FEED)], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left on device", done.stderr)

    def test_batch(self):
        good = self.file("good", FEED)
        requests = [{"path": good, "url": "http://x.org/"}, {"path": "/no/such/file"}, {}, {"path": good}]
        text = "\n".join(map(json.dumps, requests)) + "\nnonsense\n"
        status, out, err = run("--batch", data=text.encode())
        self.assertEqual((status, err), (0, ""))
        got = "".join("e" if "end" in o else "x" if "error" in o else "f" if "feed" in o else
                      "s" if "status" in o else "i" for o in lines(out))
        self.assertEqual(got, "fiise" + "xe" + "xe" + "fiise" + "xe")

    def test_the_page_names_every_member_and_its_examples_work(self):
        with open(PAGE, encoding="utf-8") as f:
            page = f.read()
        named = set(re.findall(r"\w+", " ".join(re.findall(r"^\.(?:It )?Cm (.*)$", page, re.M))))
        for line in lines(run(data=FEED.encode())[1]):
            self.assertLessEqual(set(line) | set(line.get("feed", {})), named)
        if not shutil.which("jq"):
            self.skipTest("no jq")
        text = page[page.index(".Sh EXAMPLES"):page.index(".Sh SEE ALSO")]
        filters = re.findall(r"jq -\w+ (?:--arg from \S+ \S+ \S+ \\e\s+)?'([^']*)'", text)
        self.assertGreaterEqual(len(filters), 5)
        for program in filters:
            argv = ["jq", "-rn", "--arg", "from", "2026-01-01", "--arg", "path", "x"]
            done = subprocess.run([*argv, "inputs | " + program.replace("\\e", "\\")],
                                  input=run(data=FEED.encode())[1], capture_output=True, text=True,
                                  timeout=60)
            self.assertEqual((program, done.stderr), (program, ""))


if __name__ == "__main__":
    unittest.main()
