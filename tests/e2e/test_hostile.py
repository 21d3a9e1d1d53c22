#!/usr/bin/env python3
"""Hostile titles: one alert, one line, nothing that acts on a terminal, in each log format."""
import json

import bench
from bench import Item, wait

# name -> the title as it stands in the XML
TITLES = {
    "newline": "Putin Xi &#10;&lt;3&gt;fake event&#10;2 forged=line",
    "return and tab": "Putin&#13;Xi&#9;tab",
    "c1 csi": "Putin \u009b31m Xi \u009d0;owned\u009c",
    "delete": "Putin\u007f Xi\u007f",
    "bidi": "Putin \u202eiX\u202c \u2066Xi\u2069 \u200b\u200e\u200f\ufeff\u061c Xi",
    "line separators": "Putin\u2028Xi\u2029\u0085end",
    "format strings": "Putin %n%n%s%s%x%d%1$n %99999999d Xi",
    "quotes": "Putin \"quoted\" \\ backslash \\n \\u0000 'single' Xi",
    "json breakers": "Putin\",\"seq\":999,\"x\":\"Xi\\",
    "logfmt breakers": "Putin watch=evil seq=999 title=\"x\" Xi = ==",
    "markup": "Putin &lt;b&gt;bold&lt;/b&gt; &lt;3 &amp;amp; &lt;a href='x'&gt;Xi&lt;/a&gt;",
    "shell": "Putin $(id) `id` ; | &amp; Xi",
    "astral": "Putin 😀👩‍👩‍👧‍👦 Xi \U0001f1e6\U0001f1f9",
    "tag characters": "Putin \U000e0041\U000e0042 Xi",
    "noncharacters": "Putin \ufdd0 \ufffd Xi",
    "doubly escaped": "Putin, NATO &amp;amp;amp; Xi",
    "long": "Putin Xi " + "long " * 20000,
    "wide": "Putin Xi " + "宽" * 5000,
}


def unsafe(text):
    """The characters of a line that a terminal or a log reader may act on."""
    return [f"U+{ord(c):04X}" for c in text
            if ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 or c in "\u2028\u2029\u061c\ufeff"
            or 0x200b <= ord(c) <= 0x200f and c != "\u200d" or 0x202a <= ord(c) <= 0x202e
            or 0x2066 <= ord(c) <= 0x2069]


class Hostile(bench.Test):
    def lines(self, fmt):
        feed = self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon(f"[feedwatch]\nlog_format = {fmt}\n"
                             "[feeds]\nnews = {/news}\n[watchlist]\nsummit = Putin Xi\n").start()
        self.learnt(feed)
        for number, (name, title) in enumerate(TITLES.items()):
            feed.publish(Item(xml=f"<item><title>{title}</title><guid>{number}</guid>"
                                  f"<link>http://127.0.0.1/{number}</link>"
                                  f"<description>about {name}</description></item>"))
        self.polled_again(feed)

        def all_there():
            with open(daemon.log, "rb") as file:
                data = file.read()
            return data if data.count(b"\n") >= len(TITLES) else None
        data = wait(all_there, 5, "all lines")
        daemon.stop()
        self.assertEqual(data[-1:], b"\n")
        lines = data.decode("utf-8").split("\n")[:-1]  # valid UTF-8, or it throws
        self.assertEqual(len(lines), len(TITLES))
        for line in lines:
            self.assertEqual(unsafe(line), [], line[:200])
            self.assertLess(len(line), 20000)
        self.assertEqual([c for c in daemon.stderr() if unsafe(c) and c != "\n"], [])
        return lines

    def test_text(self):
        lines = self.lines("text")
        self.assertEqual([line for line in lines if line.startswith("<3>")], [])
        self.assertTrue(any("%n%n%s%s%x" in line for line in lines))

    def test_logfmt(self):
        lines = self.lines("logfmt")
        for line in lines:
            self.assertRegex(line, r"(^| )seq=\d+( |$)")
        self.assertTrue(any("%n%n%s%s%x" in line for line in lines))

    def test_json(self):
        records = [json.loads(line) for line in self.lines("json")]
        self.assertEqual([r["seq"] for r in records], list(range(1, len(TITLES) + 1)))
        for record in records:
            self.assertEqual((record["watch"], record["feed"]), ("summit", "news"))
            self.assertEqual({w.lower() for w in record["matched"]}, {"putin", "xi"})
        titles = [r["title"] for r in records]
        self.assertTrue(any("%n%n%s%s%x%d%1$n %99999999d" in t for t in titles))
        self.assertTrue(any('"quoted" \\ backslash \\n \\u0000' in t for t in titles))
        self.assertIn("Putin, NATO & Xi", titles)


class Bombs(bench.Test):
    """Documents that want to eat the machine; a feed beside them goes on."""

    def survives(self, document, coding="plain", expect=()):
        canary = self.origin.feed("/canary", items=[Item("old")])
        bad = self.origin.feed("/bad", document=document, coding=coding, etag=False,
                               last_modified=False)
        daemon = self.daemon("[feeds]\nbad = {/bad}\ncanary = {/canary}\n"
                             "[watchlist]\nsummit = Putin AND Xi\n").start()
        # Asked for, not served: the daemon may hang up before the origin is through.
        self.origin.wait(bad.requests, 20 * bench.SLOW, "poll of the bad feed")
        self.learnt(canary)
        canary.publish(Item("Putin and Xi, all is well"))
        self.expect_titles(daemon, ["Putin and Xi, all is well"], 10)
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        if not bench.SANITIZED:
            self.assertLess(peak, 64 * 1024, "kB of memory at most")
        daemon.stop()

    def test_billion_laughs(self):
        entities = '<!ENTITY a0 "Putin Xi ">' + "".join(
            f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
        self.survives(f'<!DOCTYPE rss [{entities}]><rss version="2.0"><channel><item><title>'
                      "&a9;</title><guid>1</guid></item></channel></rss>".encode())

    def test_external_entity(self):
        self.survives(b'<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss '
                      b'version="2.0"><channel><item><title>Putin Xi &x;</title><guid>1</guid>'
                      b"</item></channel></rss>")

    def test_deep_nesting(self):
        self.survives(b'<rss version="2.0"><channel>' + b"<a>" * 1000000)

    def test_giant_attribute(self):
        self.survives(b'<rss version="2.0" x="' + b"y" * 12000000 + b'"/>')

    def test_gzip_bomb(self):
        self.survives(b'<rss version="2.0"><channel><title>' + b"a" * 200000000, "gzip")

    def test_many_items(self):
        self.survives(b'<rss version="2.0"><channel>' + b"".join(
            b"<item><guid>%d</guid><title>t</title></item>" % n for n in range(60000))
            + b"</channel></rss>")


if __name__ == "__main__":
    bench.main()
