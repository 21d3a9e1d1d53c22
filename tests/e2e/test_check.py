#!/usr/bin/env python3
"""feedwatch check: canonical forms, warnings, test lines, exit status, JSON."""
import json
import os

import bench

FEEDS = "[feeds]\nnews = https://news.example.org/feed\n"

# The examples of the rule language: rule, title, does it hold
EXAMPLES = [
    ("Putin AND Xi", "Xi, Putin Hold Video Call: Chinese State Media", True),
    ("Putin AND Xi", "Putin’s taxi waits", False),
    ("Putin AND Xi", "Russian President Vladimir Putin and Chinese counterpart Xi Jinping "
                     "praised", True),
    ('"Xi Jinping" OR 习近平', "中国国家主席习近平同俄罗斯总统普京", True),
    ("title:Putin -title:opinion", "Opinion: Putin and the rest", False),
    ("Trump NEAR/3 Putin", "Trump Plans Call With Putin Days After", True),
    ("Trump NEAR/2 Putin", "Trump Plans Call With Putin Days After", False),
    ("Путин*", "встреча с Путиным", True),
    ("Erdoğan", "ERDOGAN says", True),
    ("exact:WHO", "who said it", False),
    ("2 OF (Putin, Xi, Trump)", "Trump phones Xi", True),
]


class Check(bench.Test):
    def check(self, text, *options):
        self.d = self.daemon("")
        with open(self.d.config, "w", encoding="utf-8") as file:
            file.write(FEEDS + text)
        return self.d.command("check", "-c", self.d.config, *options)

    def test_examples_of_the_rule_language(self):
        text = "".join(f"[watch:w{n}]\nmatch = {rule}\ntest_{'yes' if want else 'no'} = {title}\n"
                       for n, (rule, title, want) in enumerate(EXAMPLES))
        status, out, err = self.check(text)
        self.assertEqual((status, err), (0, ""), out)
        self.assertEqual(out.count("\n    ok "), len(EXAMPLES), out)
        self.assertIn(f"{len(EXAMPLES)} tests: all hold", out)

    def test_a_line_that_fails_is_named(self):
        text = ("[watch:summit]\nmatch = Putin Xi\n"
                "test_yes = Putin meets Xi\n    nobody meets Xi\n"
                "test_no = Xi meets Putin\n    taxi\n")
        status, out, _ = self.check(text)
        self.assertEqual(status, 1)
        self.assertIn("FAILED yes  nobody meets Xi\n", out)
        self.assertIn("FAILED no   Xi meets Putin\n", out)
        self.assertEqual(out.count("\n    ok "), 2, out)
        status, out, _ = self.check(text, "--quiet")
        self.assertEqual(status, 1)
        self.assertEqual(out.splitlines(), [
            f"{self.d.config}:3: watch 'summit': test_yes does not match: nobody meets Xi",
            f"{self.d.config}:3: watch 'summit': test_no matches: Xi meets Putin"])

    def test_canonical_form_and_warnings(self):
        status, out, err = self.check("[set:xi]\nterms = Xi\n    习近平\n"
                                      "[watchlist]\nsummit = @xi Putin OR x y\n")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("\n    ((Xi OR 习近平) AND Putin) OR (x AND y)\n", out)
        self.assertIn("feedwatch.ini:7: watch 'summit', column 1: AND binds before OR", out)
        self.assertIn("1 feed, 1 watch, 1 warning\n", out)

    def test_quiet_says_nothing_when_all_is_well(self):
        status, out, err = self.check("[watchlist]\nsummit = Putin Xi\n", "-q")
        self.assertEqual((status, out, err), (0, "", ""))

    def test_json(self):
        status, out, _ = self.check("[watch:a]\nmatch = Putin and\ntest_yes = Putin and I\n"
                                    "[watch:b]\nmatch = \"x \\ y\"\n", "--json")
        self.assertEqual(status, 0)
        a, b = [json.loads(line) for line in out.splitlines()]
        self.assertEqual((a["watch"], a["line"], a["canonical"]), ("a", 3, "Putin AND and"))
        self.assertIn("did you mean AND?", a["warnings"][0])
        self.assertEqual(a["tests"], [{"text": "Putin and I", "want": True, "hit": True}])
        self.assertEqual((b["rule"], b["warnings"], b["tests"]), ('"x \\ y"', [], []))

    def test_what_a_terminal_must_not_see(self):
        _, out, _ = self.check("[watchlist]\nsummit = \"Put\u202ein\u200b\"\n")
        self.assertNotIn("\u202e", out)
        self.assertNotIn("\u200b", out)

    def test_a_bad_set_is_an_error(self):
        status, _, err = self.check("[set:xi]\nterms = Xi\n    (Jinping\n"
                                    "[watchlist]\nsummit = Putin\n")
        self.assertEqual(status, 78)
        self.assertIn("feedwatch.ini:5:", err)
        self.assertIn("never closed", err)

    def test_the_users_own_config_is_the_default(self):
        if os.geteuid() == 0:
            self.skipTest("root reads the config of the system")
        folder = os.path.join(self.folder, "xdg", "feedwatch")
        os.makedirs(folder)
        with open(os.path.join(folder, "feedwatch.ini"), "w", encoding="utf-8") as file:
            file.write(FEEDS + "[watchlist]\nmine = Putin\n")
        self.d = self.daemon("", env={"XDG_CONFIG_HOME": os.path.dirname(folder)})
        status, out, _ = self.d.command("check")
        self.assertEqual(status, 0)
        self.assertIn("mine\n", out)


if __name__ == "__main__":
    bench.main()
