#!/usr/bin/env python3
"""Config errors (C1 to C3): exit status 78, file and line, what to write instead; nothing is started."""
import os
import time

import bench
from bench import Item

FEEDS = "[feeds]\nnews = {/news}\n"
WATCH = "[watchlist]\nsummit = Putin AND Xi\n"

# name -> (config, the line of the error counted in it, words that the message must hold)
BAD = {
    "unknown key": ("[feedwatch]\nintervall = 5m\n" + FEEDS + WATCH, 2, ["intervall", "interval"]),
    "unknown key of a feed": ("[feed:a]\nurl = {/news}\nintreval = 5m\n" + WATCH, 3,
                              ["intreval", "interval"]),
    "unknown section": (FEEDS + "[watchlits]\nsummit = Putin\n", 3, ["watchlits", "watchlist"]),
    "bad duration": ("[feedwatch]\ninterval = soon\n" + FEEDS + WATCH, 2, ["soon", "15m"]),
    "bad boolean": ("[feed:a]\nurl = {/news}\nallow_private = maybe\n" + WATCH, 3,
                    ["maybe", "yes"]),
    "bad format": ("[feedwatch]\nlog_format = xml\n" + FEEDS + WATCH, 2, ["xml", "json"]),
    "feed twice": (FEEDS + "news = {/other}\n" + WATCH, 3, ["news"]),
    "watch twice": (FEEDS + WATCH + "summit = Trump\n", 5, ["summit"]),
    "feed without url": ("[feed:a]\ninterval = 5m\n" + WATCH, 1, ["url"]),
    "not a web address": ("[feeds]\nnews = ftp://127.0.0.1/x\n" + WATCH, 2, ["http"]),
    "unbalanced bracket": (FEEDS + "[watchlist]\nsummit = Putin AND (Xi OR Trump\n", 4,
                           ["summit", "^"]),
    "dangling operator": (FEEDS + "[watchlist]\nsummit = Putin AND\n", 4, ["^"]),
    "absence alone": (FEEDS + "[watchlist]\nsummit = NOT Putin\n", 4, ["NOT"]),
    "leading star": (FEEDS + "[watchlist]\nsummit = *tin\n", 4, ["*"]),
    "unknown set": (FEEDS + "[watchlist]\nsummit = @leaders\n", 4, ["leaders"]),
    "no equals sign": (FEEDS + "putin and xi\n" + WATCH, 3, ["="]),
    "key before a section": ("interval = 5m\n" + FEEDS + WATCH, 1, ["["]),
    "bad number": ("[feedwatch]\nmax_transfers = 1e9\n" + FEEDS + WATCH, 2, ["1e9", "10000"]),
    "nul": ("[feeds]\nnews = http://127.0.0.1/a\0b\n" + WATCH, 2, ["0x00"]),
    "long line that holds a key": ("[feeds]\nnews = http://127.0.0.1/" + "x" * 185
                                   + "&exec = /bin/sh\n" + WATCH, 2, ["http"]),
    "watch for an unknown feed": (FEEDS + "[watch:a]\nmatch = Putin\nfeeds = nwes\n", 5, ["nwes"]),
}


class Config(bench.Test):
    def setUp(self):
        super().setUp()
        self.origin.feed("/news", items=[Item("old")])

    def write(self, text):
        """A config without the bench's own lines, so that line numbers are those of `text`."""
        self.d = self.daemon("")
        with open(self.d.config, "w", encoding="utf-8") as file:
            file.write(self.config(text))

    def refused(self, text, line, words):
        self.write(text)
        env = {"XDG_STATE_HOME": os.path.join(self.folder, "xdg")}
        self.d.env.update(env)
        for command in ("run", "check"):
            status, out, err = self.d.command(command, "-c", self.d.config)
            said = err + (out if command == "check" else "")
            self.assertEqual(status, 78, said)
            self.assertIn(f"feedwatch.ini:{line}:", said)
            for word in words:
                self.assertIn(word, said)
            self.assertEqual(said.count("READY"), 0)
        self.assertEqual(self.origin.connections, 0, "nothing is polled")
        self.assertFalse(os.path.exists(env["XDG_STATE_HOME"]), "no state is made")

    def test_c1_what_editors_and_forms_leave_behind(self):
        """BOM, CR LF, a long name, a long line, no line end: read as they are meant."""
        name, path = "n" * 60, "x" * 300
        text = (f"\ufeff[feed:{name}]\r\nurl = http://127.0.0.1/{path}\r\n"
                f"[feed:{name[:49]}]\r\nurl = http://127.0.0.1/b\r\n"
                f"[watch:w]\r\nmatch = Putin\r\nfeeds = {name}")
        self.write("")
        with open(self.d.config, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        status, out, err = self.d.command("check", "-c", self.d.config)
        self.assertEqual((status, err), (0, ""), out)
        self.assertIn("2 feeds, 1 watch, 0 warnings", out)
        _, out, _ = self.d.command("export", "-c", self.d.config)
        self.assertIn(f"http://127.0.0.1/{path}", out)

    def test_c1_no_file_at_all_and_an_empty_one(self):
        self.write("")
        status, out, err = self.d.command("check", "-c", self.d.config)
        self.assertEqual(status, 78)
        self.assertIn("there are no feeds", out + err)
        status, out, err = self.d.command("check", "-c", self.folder)
        self.assertEqual(status, 78)
        self.assertIn("is a directory", out + err)

    def test_c2_a_hostile_pattern_is_refused_at_once(self):
        for pattern in ("((a{1,255}){1,255}){1,20}", "(a" * 5000, ""):
            self.write(FEEDS + f"[watchlist]\nsummit = /{pattern}/\n")
            began = time.monotonic()
            status, out, err = self.d.command("check", "-c", self.d.config)
            self.assertEqual(status, 78, out + err)
            self.assertLess(bench.took(began), 2 * bench.SLOW)
            self.assertIn("feedwatch.ini:4:", out + err)

    def test_c3_a_slow_subject_delays_nothing(self):
        slow = self.origin.feed("/news", items=[Item("old")])
        canary = self.origin.feed("/canary", items=[Item("old")])
        daemon = self.daemon(FEEDS + "canary = {/canary}\n[watchlist]\nslow = /(a|b|ab)*c/\n"
                             "nested = /(a+)+$/\nsummit = Putin\n").start()
        self.learnt(slow, canary)
        slow.publish(*[Item("ab" * 30000 + str(n), guid=str(n)) for n in range(5)])
        at = canary.publish(Item("Putin"))
        bench.wait(daemon.alerts, 10, "the canary's alert")
        self.assertEqual(daemon.titles(), ["Putin"])
        self.assertLess(bench.took(at), 3 * bench.SLOW)
        daemon.stop()

    def test_c1_all_errors_at_once(self):
        self.write("[feedwatch]\nintervall = 5m\n" + FEEDS + "[watchlist]\nsummit = (Putin\n")
        _, out, err = self.d.command("check", "-c", self.d.config)
        self.assertIn("feedwatch.ini:2:", out + err)
        self.assertIn("feedwatch.ini:6:", out + err)

    def test_c1_no_file(self):
        self.d = self.daemon("")
        os.unlink(self.d.config)
        status, _, err = self.d.command("run", "-c", self.d.config)
        self.assertEqual(status, 78)
        self.assertIn("feedwatch.ini", err)

    def test_conf_d_is_read_and_named_in_errors(self):
        self.write(FEEDS)
        folder = os.path.join(self.folder, "conf.d")
        os.mkdir(folder)
        with open(os.path.join(folder, "10-rules.ini"), "w", encoding="utf-8") as file:
            file.write("[watchlist]\nsummit = (Putin\n")
        status, out, err = self.d.command("check", "-c", self.d.config)
        self.assertEqual(status, 78)
        self.assertIn("10-rules.ini:2:", out + err)

    def test_good_config_is_good(self):
        self.write("[feedwatch]\nstate = state\n" + FEEDS + WATCH)
        status, _, err = self.d.command("check", "-c", self.d.config)
        self.assertEqual(status, 0, err)

    def test_usage(self):
        self.d = self.daemon("")
        for args in ((), ("nonsense",), ("run", "--nonsense")):
            self.assertEqual(self.d.command(*args)[0], 2, args)
        for args in (("--help",), ("--version",), ("run", "--help"), ("check", "--help")):
            status, out, _ = self.d.command(*args)
            self.assertEqual(status, 0, args)
            self.assertTrue(out)

    def test_long_rules_and_values_are_not_cut(self):
        many = " OR ".join(f"word{n}" for n in range(200))
        feed = self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon(f"{FEEDS}[watchlist]\nlong = ({many}) AND Putin\n"
                             "spread = Xi AND\n    Putin AND\n    zebra\n"
                             "quoted = \"Putin ; Xi\"\n").start()
        self.learnt(feed)
        feed.publish(Item("word199 and Putin"), Item("word199 alone"), Item("Xi Putin zebra"),
                     Item("Xi and Putin"))
        self.polled_again(feed)
        bench.wait(lambda: len(daemon.alerts()) >= 2, 5)
        self.assertEqual(sorted((a["watch"], a["title"]) for a in daemon.alerts()),
                         [("long", "word199 and Putin"), ("spread", "Xi Putin zebra")])
        daemon.stop()


def add(name, case):
    setattr(Config, "test_c1_" + name.replace(" ", "_"), lambda self: self.refused(*case))


for key, value in BAD.items():
    add(key, value)

if __name__ == "__main__":
    bench.main()
