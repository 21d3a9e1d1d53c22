#!/usr/bin/env python3
"""feedwatch match and feedwatch explain: what they print, and exit statuses as of grep."""
import json
import os
import subprocess
import tempfile
import unittest

BIN = os.environ.get("FEEDWATCH_BIN", os.path.join("..", "..", "build", "feedwatch"))
FEED = """<rss version="2.0"><channel><title>N</title><link>http://news.example.org/</link>
<item><title>Xi, Putin Hold Video Call</title><link>http://news.example.org/1</link>
<description>Chinese &lt;b&gt;State&lt;/b&gt; Media</description><category>Asia</category></item>
<item><title>Putin\u2019s taxi waits</title><link>http://news.example.org/2</link></item>
<item><title>\u4e60\u8fd1\u5e73\u540c\u666e\u4eac</title></item>
</channel></rss>"""


def run(*argv, text=None):
    done = subprocess.run([BIN, *argv], input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


class Try(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "feed.xml")
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(FEED)

    def test_match_prints_the_items_that_hit(self):
        status, out, err = run("match", "Putin AND Xi", self.path)
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out, "Xi, Putin Hold Video Call\n    http://news.example.org/1\n")

    def test_match_reads_standard_input_and_writes_json(self):
        status, out, _ = run("match", "--json", "(Putin NEAR/0 Xi) OR 习近平", text=FEED)
        self.assertEqual(status, 0)
        first, second = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(first["matched"], ["Xi", "Putin"])
        self.assertEqual(first["spans"][1], {"field": "title", "index": 0, "offset": 4,
                                             "length": 5, "text": "Putin"})
        self.assertEqual(second["matched"], ["习近平"])

    def test_match_knows_every_field(self):
        for rule, hits in {"text:state": 1, "category:asia": 1, "site:example.org": 2,
                           "feed:n AND putin": 2, "group:g AND putin": 2, "lang:en putin": 0}.items():
            status, out, _ = run("match", "--json", "--feed", "N", "--group", "G", rule, self.path)
            self.assertEqual((rule, len(out.splitlines())), (rule, hits))
            self.assertEqual(status, 0 if hits else 1)

    def test_exit_status_is_that_of_grep(self):
        self.assertEqual(run("match", "Erdogan", self.path)[0], 1)
        self.assertEqual(run("explain", "Erdogan", self.path)[0], 1)
        for argv in (["match"], ["match", "a AND (", self.path], ["match", "a", "/no/such/file"],
                     ["match", "--wrong", "a"], ["explain"], ["explain", "a", self.path, "x"]):
            status, out, err = run(*argv)
            self.assertEqual((argv, status), (argv, 2))
            self.assertTrue(err)
        self.assertEqual(run("match", "a", text="<html>no feed</html>")[0], 2)
        self.assertEqual(run("match", "--help")[0], 0)

    def test_a_bad_rule_is_shown_with_its_place(self):
        _, _, err = run("match", "Putin AND (Xi", self.path)
        self.assertIn("Putin AND (Xi\n", err)
        self.assertIn("^", err)

    def test_explain_names_the_smallest_part_that_failed(self):
        status, out, _ = run("explain", "Putin AND (Xi OR Trump) AND NOT taxi", self.path)
        self.assertEqual(status, 0)
        items = out.split("\n\n")
        self.assertTrue(items[0].startswith("match: Xi, Putin"))
        self.assertIn("+     Xi  title 0 “Xi”", items[0])
        self.assertIn("-     Trump\n", items[0])
        self.assertIn("why not: Xi OR Trump: none of them is there", items[1])
        self.assertIn("why not: taxi is there, after NOT  title 10 “taxi”", items[1])
        self.assertIn("why not: Putin is not there", items[2])

    def test_explain_tells_near_from_absent(self):
        _, out, _ = run("explain", "Xi NEAR/1 call", self.path)
        self.assertIn("all of it is there, but nowhere so close", out)
        _, out, _ = run("explain", "2 OF (Xi, Trump, Merkel)", self.path)
        self.assertIn("only 1 of them", out)


if __name__ == "__main__":
    unittest.main()
