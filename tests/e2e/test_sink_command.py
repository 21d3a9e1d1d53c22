#!/usr/bin/env python3
"""A program for each alert: what it gets, and what it cannot do to us (T8, T9, C6)."""
import glob
import json
import os
import stat
import time

import bench
from bench import Item, wait

CONFIG = ("[feeds]\nnews = {{/news}}\n[watchlist]\nsummit = Putin AND Xi\n"
          "[sink:hook]\ntype = command\ncommand = {}\n{}\n")
SPY = """#!/usr/bin/python3
import json, os, signal, sys
data = sys.stdin.read()
out = {"argv": sys.argv, "env": dict(os.environ), "stdin": data, "cwd": os.getcwd(),
       "fds": sorted(int(n) for n in os.listdir("/proc/self/fd"))[:-1],
       "group": os.getpgid(0) == os.getpid(), "stdout": os.readlink("/proc/self/fd/1"),
       "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
       "ignored": [s.name for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
                   if signal.getsignal(s) == signal.SIG_IGN]}
name = f"{os.path.dirname(sys.argv[0])}/spy.{os.getpid()}"
with open(name + ".new", "w") as file:
    json.dump(out, file)
os.rename(name + ".new", name)
"""


def zombies(pid):
    """Children of the process that nobody has buried."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] == "Z" and int(fields[1]) == pid:
            found.append(path)
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Command(bench.Test):
    def setUp(self):
        super().setUp()
        self.feed = self.origin.feed("/news", title="News", items=[Item("old")])
        self.home = os.path.join(self.folder, "bin")
        os.mkdir(self.home)

    def program(self, text, name="hook"):
        path = os.path.join(self.home, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)
        return path

    def run_with(self, text, arguments="", keys=""):
        """A daemon, ready for alerts, whose sink runs the program."""
        path = self.program(text)
        self.d = self.daemon(CONFIG.format(f"{path} {arguments}", keys)).start()
        self.learnt(self.feed)
        return self.d

    def lines(self, name="ran"):
        try:
            with open(os.path.join(self.home, name), encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def spied(self, n):
        paths = wait(lambda: len(p := glob.glob(self.home + "/spy.*[0-9]")) >= n and p, 10,
                     f"{n} runs")
        out = []
        for path in paths:
            with open(path, encoding="utf-8") as file:
                out.append(json.load(file))
        return out

    def test_t8_nothing_of_a_feed_becomes_a_command(self):
        self.run_with(SPY, 'fixed "two words" "" -v "q\\"uote"')
        title = "-rf $(id) `id` ; Putin | Xi > /x \"q\" 'q' $HOME %n%s"
        self.feed.publish(Item(title, summary="Putin Xi " + "x" * 200_000,
                               link="http://127.0.0.1/$(id);ls"))
        got = self.spied(1)[0]
        wait(self.d.alerts, 5, "the line in the log")
        self.assertEqual(got["argv"][1:], ["fixed", "two words", "", "-v", 'q"uote'])
        self.assertEqual(got["env"]["FEEDWATCH_TITLE"], title)
        self.assertEqual(got["env"]["FEEDWATCH_LINK"], "http://127.0.0.1/$(id);ls")
        self.assertEqual(json.loads(got["stdin"]), self.d.alerts()[0])
        self.assertEqual(got["env"]["FEEDWATCH_WATCH"], "summit")
        self.assertEqual(got["env"]["FEEDWATCH_FEED"], "news")
        self.assertEqual(got["env"]["FEEDWATCH_SEQ"], "1")
        self.assertEqual(got["env"]["FEEDWATCH_ID"], self.d.alerts()[0]["id"])
        self.d.stop()

    def test_t8_long_and_many_lined_values_are_cut_and_one_line(self):
        self.run_with(SPY)
        self.feed.publish(Item("Putin\nXi\u009b31m " + "w" * 200_000))
        got = self.spied(1)[0]
        value = got["env"]["FEEDWATCH_TITLE"]
        self.assertTrue(value.startswith("Putin Xi\\u009b31m www"), value[:50])
        self.assertLessEqual(len(value), 1006)  # \u009b was one
        self.assertEqual([c for c in value if ord(c) < 32 or 0x7f <= ord(c) < 0xa0], [])
        self.d.stop()

    def test_inherits_nothing(self):
        os.environ["FEEDWATCH_TEST_SECRET"] = "x"
        self.addCleanup(os.environ.pop, "FEEDWATCH_TEST_SECRET")
        self.run_with(SPY)
        self.feed.publish(Item("Putin and Xi"))
        got = self.spied(1)[0]
        self.assertEqual(got["fds"], [0, 1, 2])
        self.assertEqual(got["stdout"], "/dev/null")
        self.assertEqual((got["cwd"], got["group"], got["blocked"], got["ignored"]),
                         ("/", True, 0, []))
        own = {n for n in got["env"] if n.startswith("FEEDWATCH_")}
        self.assertEqual(own, {"FEEDWATCH_" + n for n in (
            "KIND", "SEQ", "ID", "WATCH", "FEED", "TITLE", "LINK", "PRIORITY")})
        self.assertLessEqual(set(got["env"]) - own, {
            "PATH", "LANG", "HOME", "USER", "LOGNAME", "TZ", "XDG_RUNTIME_DIR",
            "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "LC_CTYPE"})
        self.d.stop()

    def test_t9_one_that_hangs_is_killed_with_all_it_started(self):
        self.run_with("#!/bin/sh\ntrap '' TERM\necho $$ >>bin\n".replace(">>bin", f">>{self.home}/ran")
                      + f"sh -c 'trap \"\" TERM; echo $$ >>{self.home}/ran; sleep 600' &\n"
                      "while :; do sleep 600; done\n", keys="timeout = 1s")
        titles = []
        for number in range(6):  # the log and the polling go on meanwhile
            titles.append(f"Putin and Xi {number}")
            at = self.feed.publish(Item(titles[-1]))
            self.expect_titles(self.d, titles)
            self.assertLess(bench.took(at), 3 * bench.SLOW)
        wait(lambda: "was stopped after 1000 ms" in self.d.stderr(), 10, "a word about it")
        wait(lambda: len(self.lines()) >= 2, 10, "two programs")
        pids = [int(line) for line in self.lines()[:2]]
        wait(lambda: not any(alive(pid) for pid in pids), 5, "the end of its group")
        wait(lambda: not zombies(self.d.process.pid), 5, "their burial")
        self.assertLess(self.d.stop(), 2 * bench.SLOW)
        wait(lambda: not any(alive(int(line)) for line in self.lines()), 5, "the end of all")

    def test_t9_one_that_leaves_children_behind(self):
        self.run_with(f"#!/bin/sh\n(echo $$ >/dev/null; exec sleep 600) &\necho $! >{self.home}/ran\n")
        self.feed.publish(Item("Putin and Xi"))
        pid = int(wait(self.lines, 10, "a run")[0])
        wait(lambda: not alive(pid), 5, "the end of what it started")
        wait(lambda: not zombies(self.d.process.pid), 5, "their burial")
        self.d.stop()

    def test_t9_one_that_writes_a_gigabyte(self):
        self.run_with("#!/bin/sh\nhead -c 300M /dev/zero >&2; head -c 1G /dev/zero\n"
                      f"echo done >>{self.home}/ran\n")
        self.feed.publish(Item("Putin and Xi"))
        wait(self.lines, 30, "its end")
        with open(f"/proc/{self.d.process.pid}/status", encoding="utf-8") as file:
            rss = int([l for l in file if l.startswith("VmHWM")][0].split()[1])
        self.assertLess(rss, 64 * 1024 * bench.SLOW * 4)
        self.d.stop()

    def test_t9_one_that_does_not_read(self):
        self.run_with(f"#!/bin/sh\nexec 0<&-\necho ran >>{self.home}/ran\n")
        self.feed.publish(Item("Putin and Xi", summary="Putin Xi " * 20_000))
        wait(self.lines, 10, "a run")
        self.assertIsNone(self.d.process.poll())
        self.d.stop()

    def test_one_whose_daemon_is_killed_reads_all_the_same_the_whole(self):
        """Here a digest of more bytes than a pipe would hold."""
        path = self.program(f"#!/bin/sh\n>{self.home}/ran\n"
                            f"until [ -e {self.home}/go ]; do sleep 0.02; done\n"
                            f"cat >{self.home}/got.new && mv {self.home}/got.new {self.home}/got\n")
        self.d = self.daemon(CONFIG.format(path, "").replace(
            "[watchlist]\nsummit =", "[watch:summit]\ngroup_wait = 1s\nmatch =")).start()
        self.learnt(self.feed)
        self.feed.publish(*[Item(f"Putin and Xi {i} " + "w" * 9000) for i in range(30)])
        wait(lambda: os.path.exists(self.home + "/ran"), 15, "a run")
        self.d.kill()
        self.program("", "go")
        wait(lambda: os.path.exists(self.home + "/got"), 10, "its end")
        self.assertGreater(len(self.lines("got")[0]), 1 << 16)
        got = json.loads(self.lines("got")[0])
        self.assertEqual((got["count"], len(got["alerts"])), (30, 30))

    def test_t9_one_that_fails_is_tried_again_and_then_skipped(self):
        self.run_with(f"#!/bin/sh\necho $FEEDWATCH_SEQ >>{self.home}/ran\n"
                      "echo 'no route to host' >&2\n[ $FEEDWATCH_SEQ != 1 ]\n")
        self.feed.publish(Item("Putin and Xi, first"))
        self.expect_titles(self.d, ["Putin and Xi, first"])
        self.feed.publish(Item("Putin and Xi, second"))
        wait(lambda: self.lines() == ["1", "1", "1", "2"], 15, "three tries and the next")
        self.assertIn("ended with status 1: no route to host", self.d.stderr())
        wait(lambda: "alert 1 skipped" in self.d.stderr() or self.lines()[-1] == "2", 5, "why")
        self.d.stop()
        self.d.start()
        self.polled_again(self.feed)
        self.assertEqual(self.lines(), ["1", "1", "1", "2"], "nothing is run again")
        self.d.stop()

    def test_t9_one_that_is_missing_and_comes_back(self):
        path = self.program("")
        os.unlink(path)
        daemon = self.daemon(CONFIG.format(path, "")).start()
        self.learnt(self.feed)
        self.feed.publish(Item("Putin and Xi"))
        wait(lambda: "No such file" in daemon.stderr(), 10, "a word about it")
        self.program(f"#!/bin/sh\necho ran >>{self.home}/ran\n")
        wait(self.lines, 15, "the run")
        wait(lambda: "sink_recovered" in daemon.stderr(), 5, "a word about it")
        self.assertEqual(self.lines(), ["ran"])
        daemon.stop()

    def test_c6_what_others_can_write_is_not_run(self):
        path = self.program(f"#!/bin/sh\necho ran >>{self.home}/ran\n")
        daemon = self.daemon(CONFIG.format(path, ""))
        for target, mode, word in ((daemon.config, 0o666, "feedwatch.ini"), (path, 0o777, "bin/hook"),
                                   (self.home, 0o777, "bin"), (path, 0o775, "by its group")):
            if True:
                if word == "by its group":
                    os.chown(path, -1, 12345)
                right = stat.S_IMODE(os.stat(target).st_mode)
                os.chmod(target, mode)
                before = len(self.lines())
                daemon.start()
                self.learnt(self.feed)
                title = f"Putin and Xi {word}"
                self.feed.publish(Item(title))
                wait(lambda w=word: f"{w}" in daemon.stderr() and "chmod" in daemon.stderr(), 10,
                     "refusal")
                wait(lambda t=title: t in daemon.titles(), 5, "the log goes on")
                self.assertEqual(len(self.lines()), before)
                os.chmod(target, right)
                wait(lambda b=before: len(self.lines()) > b, 15, "a run once it is right")
                daemon.stop()

    def test_c6_a_link_that_others_could_turn(self):
        self.program(f"#!/bin/sh\necho ran >>{self.home}/ran\n")
        loose = os.path.join(self.folder, "loose")
        os.mkdir(loose)
        os.symlink("../bin/hook", loose + "/hook")
        os.chmod(loose, 0o777)
        daemon = self.daemon(CONFIG.format(loose + "/hook", "")).start()
        self.learnt(self.feed)
        self.feed.publish(Item("Putin and Xi"))
        wait(lambda: "loose can be written by everybody" in daemon.stderr(), 10, "refusal")
        self.assertEqual(self.lines(), [])
        os.chmod(loose, 0o755)
        wait(self.lines, 15, "a run once it is right")
        daemon.stop()

    def test_runs_so_many_at_once_and_no_more(self):
        self.run_with(f"#!/bin/sh\necho + >>{self.home}/ran\nsleep 0.3\necho - >>{self.home}/ran\n",
                      keys="parallel = 3")
        for number in range(9):
            self.feed.publish(Item(f"Putin and Xi {number}"))
        wait(lambda: len(self.lines()) == 18, 20, "nine runs")
        running = most = 0
        for line in self.lines():
            running += 1 if line == "+" else -1
            most = max(most, running)
        self.assertLessEqual(most, 3)
        self.assertGreater(most, 1)
        self.d.stop()

    def test_ends_in_time_and_runs_again_after_the_start(self):
        self.run_with(f"#!/bin/sh\necho $$ >>{self.home}/ran\n[ -e {self.home}/go ] || exec sleep 600\n")
        self.feed.publish(Item("Putin and Xi"))
        pid = int(wait(self.lines, 10, "a run")[0])
        self.assertLess(self.d.stop(), 2 * bench.SLOW)
        wait(lambda: not alive(pid), 5, "its end")
        self.program("", "go")
        self.d.start()
        wait(lambda: len(self.lines()) == 2, 10, "the same alert again")
        self.d.stop()

    def test_bad_lines_are_refused(self):
        for line, words in (("command = alert --now", ["whole path", "/usr/local/bin/alert"]),
                            ('command = /bin/x "a', ["double quote"]),
                            ("command = /bin/x\ntimeout = 1h", ["timeout", "300"]),
                            ("command = /bin/x\nparallel = 17", ["parallel", "16"]),
                            ("command = /bin/x\npath = /y", ["has no path"]),
                            ("parallel = 2", ["has no command"])):
            with self.subTest(line):
                daemon = self.daemon("[feeds]\nnews = {/news}\n[watchlist]\ns = a\n"
                                     f"[sink:hook]\ntype = command\n{line}\n")
                status, _, err = daemon.command("check", "-c", daemon.config)
                self.assertEqual(status, 78)
                self.assertRegex(err, r"feedwatch.ini:\d+: ")
                for word in words:
                    self.assertIn(word, err)


if __name__ == "__main__":
    bench.main()
