#!/usr/bin/env python3
"""feedwatch add, import and export: what they write, what they refuse."""
import glob
import os
import re
import stat
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import bench
from bench import Item

OPML = '<?xml version="1.0"?>\n<opml version="2.0"><body>{}</body></opml>\n'


class Command(bench.Test):
    CONFIG = "[feeds]\nold = {/old}\n[watchlist]\nsummit = Putin AND Xi\n"

    def setUp(self):
        super().setUp()
        self.d = self.daemon(self.CONFIG)

    def run_it(self, command, *args):
        return self.d.command(command, "-c", self.d.config, *args)

    def files(self):
        """name -> text of what is in conf.d, hidden files, too."""
        found = {}
        for name in os.listdir(os.path.join(self.d.folder, "conf.d")) \
                if os.path.isdir(os.path.join(self.d.folder, "conf.d")) else []:
            with open(os.path.join(self.d.folder, "conf.d", name), encoding="utf-8") as file:
                found[name] = file.read()
        return found

    def feeds(self):
        """(name, url, group) of the config as the program reads it, sorted."""
        status, out, err = self.run_it("status", "--json")
        self.assertEqual((status, err), (0, ""))
        import json
        return sorted((f["name"], f["url"], f["group"] or "") for f in json.loads(out)["feeds"])


class Add(Command):
    def news(self, path="/news", **more):
        return self.origin.feed(path, title="The Daily News", items=[
            Item(f"headline {n}", guid=str(n), published=time.time() - (8 - n) * 86400)
            for n in range(8)], **more)

    def test_a_feed(self):
        self.news()
        status, out, err = self.run_it("add", self.origin.url("/news"))
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(out.startswith("The Daily News\n"), out)
        self.assertIn("rss 2.0, 8 items in 7 days", out)
        self.assertEqual(re.findall("headline .", out), [f"headline {n}" for n in (7, 6, 5, 4, 3)])
        self.assertIn("Added as 'the-daily-news'", out)
        self.assertIn("next start or reload", out)
        self.assertEqual(list(self.files()), ["the-daily-news.ini"])
        self.assertIn(("the-daily-news", self.origin.url("/news"), ""), self.feeds())

    def test_the_first_feed_of_a_config(self):
        self.news()
        self.d.write("")
        self.assertEqual(self.run_it("add", self.origin.url("/news"))[0], 0)
        self.assertEqual([f[0] for f in self.feeds()], ["the-daily-news"])

    def test_name_and_group(self):
        self.news()
        self.assertEqual(self.run_it("add", "--name", "n", "--group", "World",
                                     self.origin.url("/news"))[0], 0)
        self.assertIn(("n", self.origin.url("/news"), "World"), self.feeds())

    def test_a_site_names_its_feed(self):
        self.news("/deep/feed.xml")
        page = (b'<!DOCTYPE html><html><head><title>x</title><link rel="alternate" '
                b'type="application/rss+xml" href="/deep/feed.xml"></head><body>...</body></html>')
        self.origin.answer("/", lambda reply: reply.send(200, [("Content-Type", "text/html")], page))
        status, out, err = self.run_it("add", self.origin.url("/"))
        self.assertEqual((status, err), (0, ""))
        self.assertIn(("the-daily-news", self.origin.url("/deep/feed.xml"), ""), self.feeds())

    def test_a_permanent_redirect_is_adopted_and_a_temporary_one_is_not(self):
        self.news()
        for status, name in ((301, "a"), (302, "b")):
            self.origin.answer(f"/{status}", lambda reply, s=status: reply.send(
                s, [("Location", self.origin.url("/news"))]))
            args = ("add", "--dry-run", "--name", name, self.origin.url(f"/{status}"))
            out = self.run_it(*args)[1]
            want = "/news" if status == 301 else "/302"
            self.assertIn(f"url = {self.origin.url(want)}\n", out)

    def test_the_running_daemon_takes_it(self):
        old, news = self.origin.feed("/old", items=[Item("x")]), self.news()
        self.d.start()
        self.learnt(old)
        out = self.run_it("add", self.origin.url("/news"))[1]
        self.assertIn(f"kill -HUP {self.d.process.pid}", out)
        self.d.reload()
        self.learnt(news)
        news.publish(Item("Putin and Xi"))
        self.expect_titles(self.d, ["Putin and Xi"])

    def test_what_is_watched_already_is_refused(self):
        self.news()
        self.assertEqual(self.run_it("add", self.origin.url("/news"))[0], 0)
        before = self.files()
        for url in ("/news", "/news/", "/news?utm_source=x", "/news#top"):
            status, _, err = self.run_it("add", self.origin.url(url))
            self.assertEqual(status, 1)
            self.assertRegex(err, r"watched already: 'the-daily-news' at .*the-daily-news.ini:3")
        status, _, err = self.run_it("add", "--name", "old", self.origin.url("/news2"))
        self.assertEqual(status, 1)
        self.assertRegex(err, "the name 'old' is taken, at .*feedwatch.ini:")
        self.assertEqual(self.files(), before)

    def test_an_equal_title_gets_a_number_and_no_file_is_overwritten(self):
        for n in (1, 2, 3):
            self.news(f"/news{n}")
            self.assertEqual(self.run_it("add", self.origin.url(f"/news{n}"))[0], 0)
        self.assertEqual(sorted(self.files()), ["the-daily-news-2.ini", "the-daily-news-3.ini",
                                                "the-daily-news.ini"])

    def test_nothing_is_written_when_something_is_wrong(self):
        self.origin.answer("/page", lambda reply: reply.send(
            200, [("Content-Type", "text/html")], b"<html><head></head><body>hello</body></html>"))
        self.origin.answer("/404", lambda reply: reply.send(404))
        self.news()
        for args, want, says in (
                ((self.origin.url("/page"),), 1, "HTML page"),
                ((self.origin.url("/404"),), 1, "HTTP 404"),
                ((self.origin.url("/404").removeprefix("http://"),), 1, "begins with http://"),
                (("ftp://127.0.0.1/x",), 1, "no http or https"),
                (("file:///etc/passwd",), 1, "no http or https"),
                (("javascript:alert(1)",), 1, "no http or https"),
                ((self.origin.url("/x\ny = z"),), 1, "no http or https"),
                (("--name", "a b", self.origin.url("/news")), 2, "letters, digits"),
                (("--name", "x]\nexec = y", self.origin.url("/news")), 2, "letters, digits"),
                (("--group", "a\nb = c", self.origin.url("/news")), 2, "group"),
                (("--name", "x" * 65, self.origin.url("/news")), 2, "64"),
                ((), 2, "usage"), (("a", "b"), 2, "usage"), (("--bad", "a"), 2, "usage")):
            status, _, err = self.run_it("add", *args)
            self.assertEqual((args, status), (args, want), err)
            self.assertIn(says, err)
        self.assertEqual(self.files(), {})
        self.d.write("[feeds]\nbroken\n")
        self.assertEqual(self.run_it("add", self.origin.url("/news"))[0], 78)
        self.assertEqual(self.files(), {})

    def test_private_addresses_are_refused_unless_allowed(self):
        self.news()
        self.d.write("[feedwatch]\nallow_private = no\n")
        status, _, err = self.run_it("add", self.origin.url("/news"))
        self.assertEqual(status, 1)
        self.assertIn("loopback", err)
        self.assertEqual(self.origin.requests(), [])

    def test_a_hostile_title_is_a_harmless_name(self):
        self.origin.feed("/news", title="../../etc/passwd]\x9b31m\n[sink:x] $(id) \u202e;#=",
                         items=[Item("\u202eitem\x9b")])
        status, out, err = self.run_it("add", self.origin.url("/news"))
        self.assertEqual((status, err), (0, ""))
        self.assertNotIn("\x9b", out)
        self.assertNotIn("\u202e", out)
        name, = self.files()
        self.assertRegex(name, r"^[a-z0-9.-]+\.ini$")
        self.assertEqual(len(self.feeds()), 2)

    def test_the_file_can_be_read_by_the_daemon_and_written_by_its_owner_only(self):
        self.news()
        self.run_it("add", self.origin.url("/news"))
        path = glob.glob(os.path.join(self.d.folder, "conf.d", "*"))[0]
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode) & 0o022, 0)

    def test_dry_run_writes_nothing(self):
        self.news()
        status, out, _ = self.run_it("add", "-n", self.origin.url("/news"))
        self.assertEqual(status, 0)
        self.assertIn(f"[feed:the-daily-news]\nurl = {self.origin.url('/news')}\n", out)
        self.assertEqual(self.files(), {})


class Import(Command):
    def opml(self, body, name="my feeds.opml"):
        path = os.path.join(self.d.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(OPML.format(body))
        return path

    def test_outlines_become_groups(self):
        path = self.opml('<outline text="News"><outline text="World Affairs">'
                         '<outline type="rss" text="A &amp; B" xmlUrl="https://a.example/f?x=1&amp;y=2"/>'
                         '</outline><outline text="C" xmlUrl="http://c.example/"/></outline>'
                         '<outline text="D" xmlUrl="http://d.example/"/>')
        status, out, err = self.run_it("import", path)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("3 feeds added\n", out)
        self.assertEqual(list(self.files()), ["import-my-feeds.ini"])
        self.assertEqual(self.feeds(), [
            ("A-B", "https://a.example/f?x=1&y=2", "News.World-Affairs"),
            ("C", "http://c.example/", "News"), ("D", "http://d.example/", ""),
            ("old", self.origin.url("/old"), "")])

    def test_only_http_and_https_and_nothing_twice(self):
        bad = ["exec:rm -rf /", "filter:x:http://a.example/", "file:///etc/passwd", "query:x:y",
               "javascript:alert(1)", "ftp://a.example/", "//a.example/", "feed", "|date",
               "http://", "http://a b/"]
        path = self.opml("".join(f'<outline text="x" xmlUrl="{u}"/>' for u in bad)
                         + '<outline text="y" xmlUrl="http://a.example/&#10;exec = x"/>'
                         + '<outline text="x" xmlUrl="http://a.example/f"/>'
                         '<outline text="x" xmlUrl="https://www.a.example/f/?utm_source=y"/>'
                         f'<outline text="x" xmlUrl="{self.origin.url("/old")}"/>'
                         '<outline text="x" xmlUrl="http://b.example/f"/>')
        status, out, err = self.run_it("import", path)
        self.assertEqual(status, 0)
        new = [f for f in self.feeds() if f[0] != "old"]
        self.assertLessEqual({("x", "http://a.example/f", ""), ("x-2", "http://b.example/f", "")},
                             set(new))
        for _, url, _ in new:
            self.assertRegex(url, r"^https?://[^\s]+$")
        self.assertEqual(err.count("is there already, as x"), 1)
        self.assertEqual(err.count("is there already, as old"), 1)
        self.assertEqual(err.count("is no http or https URL"), len(bad))
        self.assertNotRegex("".join(self.files().values()), r"(?m)^\s*(?!url|group)\w+\s*=")

    def test_twice_adds_nothing_the_second_time(self):
        path = self.opml('<outline text="x" xmlUrl="http://a.example/f"/>')
        status, out, _ = self.run_it("import", path)
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^1 feed added\n")
        before = self.files()
        status, out, _ = self.run_it("import", path)
        self.assertEqual((status, self.files()), (0, before))
        self.assertIn("0 feeds added, 1 there already", out)

    def test_verify_asks_each(self):
        self.origin.feed("/good", items=[Item("x")])
        self.origin.answer("/404", lambda reply: reply.send(404))
        self.origin.answer("/503", lambda reply: reply.send(503))
        self.origin.answer("/page", lambda reply: reply.send(
            200, [("Content-Type", "text/html")],
            b'<html><head><link rel="alternate" type="application/atom+xml" href="/good"></head>'
            b"<body></body></html>"))
        path = self.opml("".join(f'<outline text="{p}" xmlUrl="{self.origin.url("/" + p)}"/>'
                                 for p in ("good", "404", "503", "page")))
        status, out, err = self.run_it("import", "--verify", path)
        self.assertEqual(status, 0)
        self.assertEqual([f[0] for f in self.feeds()], ["503", "good", "old"])
        self.assertIn("2 feeds added, 2 no feeds\n", out)
        self.assertRegex(err, "/404: is left out: HTTP 404: not found\n")
        self.assertRegex(err, "/503: is kept, but gave no answer: HTTP 503: service unavailable\n")
        self.assertRegex(err, f"/page: is a page; its feed may be {self.origin.url('/good')}\n")
        self.assertNotIn("\r", err)

    def test_progress_bar_on_a_terminal(self):
        for n in range(20):
            self.origin.feed(f"/f{n}", items=[Item("x")])
        path = self.opml("".join(f'<outline text="f{n}" xmlUrl="{self.origin.url(f"/f{n}")}"/>'
                                 for n in range(20)))
        import pty
        parent, child = pty.openpty()
        done = subprocess.run([bench.BIN, "import", "-c", self.d.config, "--verify", path],
                              stderr=child, stdout=subprocess.PIPE, timeout=30 * bench.SLOW,
                              check=True)
        os.close(child)
        shown = os.read(parent, 1 << 16).decode()
        os.close(parent)
        self.assertIn("[##############################] 20 of 20 asked, 0 no feeds\r\n", shown)
        self.assertIn(b"20 feeds added", done.stdout)

    def test_hostile_files(self):
        """Depth, entities, a giant tag, 100 MB: refused soon, in little memory."""
        cases = {
            "depth": (b"<opml><body>", b"<outline text='x'>", 1000000),
            "laughs": (b"<!DOCTYPE opml [<!ENTITY a 'aaaaaaaaaa'>"
                       + b"".join(b"<!ENTITY %c '%s'>" % (c, (b"&%c;" % (c - 1)) * 10)
                                  for c in range(ord("b"), ord("k")))
                       + b"]><opml><body><outline text='&j;' xmlUrl='http://a.example/'/>", b"", 0),
            "xxe": (b"<!DOCTYPE opml [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><opml><body>&a;",
                    b"", 0),
            "giant tag": (b"<opml><body><outline text='", b"y" * 1000, 100000),
            "100 MB": (b"<opml><body>", b"<outline text='" + b"y" * 984 + b"'/>", 100000),
            "no end": (b"<opml><body>", b"<outline text='y' xmlUrl='http://a.example/'/>", 1000),
            "no OPML": (b"<html><body>", b"<p>", 10),
            "binary": (bytes(range(256)), b"\xff\x00\xfe", 1000),
            "empty": (b"", b"", 0),
        }
        for name, (head, repeated, times) in cases.items():
            path = os.path.join(self.d.folder, "hostile.opml")
            with open(path, "wb") as file:
                file.write(head)
                for _ in range(times):
                    file.write(repeated)
            begin = time.monotonic()
            child = self.d.spawn("import", "-c", self.d.config, path, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            with self.subTest(name):
                self.assertEqual(child.returncode, 1, self.d.stderr()[:500])
                self.assertIn("nothing was imported", self.d.stderr())
                self.assertLess(bench.took(begin), 10 * bench.SLOW)
                if not bench.SANITIZED:
                    self.assertLess(usage.ru_maxrss, 64 * 1024, "kB of memory at most")
                self.assertEqual(self.files(), {})

    def test_no_feeds_in_it(self):
        status, out, err = self.run_it("import", self.opml('<outline text="a"/><outline/>'))
        self.assertEqual((status, out, err), (0, "0 feeds added\n", ""))
        self.assertEqual(self.files(), {})

    def test_from_standard_input_and_dry_run(self):
        done = subprocess.run([bench.BIN, "import", "-c", self.d.config, "-n", "-"], text=True,
                              input=OPML.format('<outline text="x" xmlUrl="http://a.example/"/>'),
                              capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 0)
        self.assertIn("[feed:x]\nurl = http://a.example/\n", done.stdout)
        self.assertEqual(self.files(), {})

    def test_many(self):
        path = self.opml("".join(f'<outline text="Same Name" xmlUrl="http://h{n}.example/"/>'
                                 for n in range(2000)))
        begin = time.monotonic()
        status, out, _ = self.run_it("import", path)
        self.assertEqual(status, 0)
        self.assertEqual(len(self.feeds()), 2001)
        self.assertLess(bench.took(begin), 10 * bench.SLOW)

    def test_wrong_calls(self):
        for args in ((), ("a", "b"), ("--bad", "x")):
            self.assertEqual(self.run_it("import", *args)[0], 2)
        self.assertEqual(self.run_it("import", "/no/such/file")[0], 1)
        self.assertEqual(self.run_it("import", "--help")[0], 0)
        self.assertEqual(self.run_it("export", "--help")[0], 0)
        self.assertEqual(self.run_it("export", "x")[0], 2)


class Export(Command):
    CONFIG = ("[feeds]\nplain = http://plain.example/f?a=1&b=2\n"
              "[feed:deep]\nurl = https://deep.example/\ngroup = News.World.Asia\n"
              "[feed:shallow]\nurl = https://shallow.example/\ngroup = News\n"
              "[feed:Мир]\nurl = https://mir.example/\ngroup = Новости\n"
              "[feed:odd]\nurl = https://odd.example/\ngroup = a..b\n"
              "[feed:other]\nurl = https://other.example/\ngroup = News.World\n")

    def test_is_opml_and_comes_back_by_import(self):
        status, out, err = self.run_it("export")
        self.assertEqual((status, err), (0, ""))
        root = ElementTree.fromstring(out)
        self.assertEqual((root.tag, root.get("version")), ("opml", "2.0"))
        self.assertEqual(len(root.findall(".//outline[@xmlUrl]")), 6)
        deep = root.find("./body/outline[@text='News']/outline[@text='World']/outline[@text='Asia']")
        self.assertEqual(deep[0].attrib, {"type": "rss", "text": "deep", "title": "deep",
                                          "xmlUrl": "https://deep.example/"})
        before = self.feeds()
        path = os.path.join(self.d.folder, "all.opml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(out)
        self.d.write("[watchlist]\nsummit = Putin AND Xi\n")
        self.assertEqual(self.run_it("import", path)[0], 0)
        self.assertEqual(self.feeds(), before)

    def test_passwords_stay_at_home(self):
        self.d.write("[feeds]\na = http://user:secret@a.example/x@y\n")
        status, out, _ = self.run_it("export")
        if status == 0:
            self.assertNotIn("secret", out)
            self.assertIn('xmlUrl="http://a.example/x@y"', out)


if __name__ == "__main__":
    bench.main()
