#!/usr/bin/env python3
"""Alerts on the desktop: a real notification daemon shows them, and one that hangs holds up
nothing."""
import os
import re
import sqlite3
import time

import bench
from bench import Item, wait
from screen import Bus, Screen, notifications

CONFIG = ("[feedwatch]\ndesktop = {}\n[feeds]\nkyivpost = {{/news}}\n"
          "[watchlist]\nsummit = Putin AND Xi\n")
HEADLINE = "Xi, Putin Hold Video Call: Chinese State Media"


class Desktop(bench.Test):
    def setUp(self):
        super().setUp()
        self.feed = self.origin.feed("/news", title="Kyiv Post", items=[Item("old")])
        self.bus = Bus(self.folder)
        self.addCleanup(self.bus.close)

    def on_bus(self, desktop="auto", **env):
        return self.daemon(CONFIG.format(desktop),
                           env={"DBUS_SESSION_BUS_ADDRESS": self.bus.address, **env})

    def show(self):
        """Start Xvfb and dunst."""
        self.screen = Screen(self.folder)
        self.addCleanup(self.screen.close)
        self.start_dunst()

    def start_dunst(self):
        with open(os.path.join(self.folder, "dunst.err"), "wb") as err:
            self.dunst = self.bus.run(
                "dunst", "-config", os.path.join(bench.TOP, "tests/data/dunstrc"), stderr=err,
                env={"DISPLAY": self.screen.display, "HOME": self.folder})
        self.bus.wait_for("org.freedesktop.Notifications")

    def shown(self, daemon, seq):
        """Wait until the server has answered for all up to this alert: else it may be shown
        again."""
        def there():
            db = sqlite3.connect(f"file:{daemon.state}/feedwatch.db?mode=ro", uri=True)
            try:
                return db.execute("SELECT 1 FROM cursor WHERE sink = 'desktop' AND seq >= ?",
                                  (seq,)).fetchone()
            finally:
                db.close()
        wait(there, 15, f"alert {seq} on the desktop", step=0.02)

    def picture(self, name):
        """For the eye: what is on the screen once nothing moves there."""
        last = []

        def still():
            now = self.screen.rows()
            same, last[:] = last == [now], [now]
            return same and self.screen.colours() > 10
        wait(still, 10, "a picture", step=0.2)
        path = os.path.join(bench.LOGS, name + ".png")
        self.screen.save(path)
        print(f"picture: {os.path.relpath(path, bench.TOP)} ... ", end="")

    def test_a_real_notification_daemon_shows_the_alert(self):
        self.show()
        calls = os.path.join(self.folder, "calls")
        self.bus.record(calls)
        daemon = self.on_bus().start()
        self.learnt(self.feed)
        blank = self.screen.colours()
        self.feed.publish(Item(HEADLINE, link="http://127.0.0.1/post/1", summary=
                               "The leaders of Russia & China spoke <b>for hours</b>, "
                               "Moscow and Beijing say. 1 &lt; 2."))
        self.expect_titles(daemon, [HEADLINE])
        wait(lambda: notifications(calls), 10, "a Notify call")
        self.assertLessEqual(blank, 2)
        wait(lambda: self.screen.colours() > 10, 10, "something on the screen", step=0.05)
        self.picture("desktop")
        summary, body = notifications(calls)[0]
        self.assertIn(HEADLINE, summary + body)
        self.assertEqual(len(notifications(calls)), 1)
        daemon.stop()

    def test_t4_markup_does_not_reach_the_screen(self):
        self.show()
        calls = os.path.join(self.folder, "calls")
        self.bus.record(calls)
        daemon = self.on_bus("yes").start()
        self.learnt(self.feed)
        title = "Putin <3 Xi & <img src='file:///etc/passwd'> <b>bold</b>"
        self.feed.publish(Item(title, summary="plain"))
        wait(daemon.alerts, 10, "alert")
        wait(lambda: notifications(calls), 10, "a Notify call")
        _, body = notifications(calls)[0]
        self.assertNotIn("<img", body)
        self.assertNotIn("<3", body)
        self.picture("desktop-markup")
        self.assertIsNone(self.dunst.poll())
        daemon.stop()

    def test_buttons_and_bold_words_and_a_list(self):
        """With a real daemon: "Open" runs the browser with the link and nothing else."""
        self.show()
        calls, opened = (os.path.join(self.folder, name) for name in ("calls", "opened"))
        self.bus.record(calls)
        browser = os.path.join(self.folder, "xdg-open")
        with open(browser, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nprintf "%s\\n" "$#" "$@" >{opened}.new\n'
                       f'mv {opened}.new {opened}\n')
        os.chmod(browser, 0o755)
        daemon = self.on_bus("yes", PATH=self.folder + ":" + os.environ["PATH"]).start()
        self.learnt(self.feed)
        link = "http://127.0.0.1/1?a=1&b=$(id);x"
        self.feed.publish(Item("Summit in Beijing", link=link,
                               summary="Later on Putin & Xi <i>met</i> again, says Xi"))
        wait(lambda: notifications(calls), 10, "a Notify call")
        _, body = notifications(calls)[0]
        self.assertIn("<b>Putin</b> &amp; <b>Xi</b> met again, says", body)
        self.picture("desktop-bold")
        self.bus.run("dunstctl", "action", "0").wait()
        wait(lambda: os.path.exists(opened), 10, "the browser")
        with open(opened, encoding="utf-8") as file:
            self.assertEqual(file.read(), f"1\n{link}\n")
        self.feed.publish(*[Item(f"Putin and Xi, round {number} & <3") for number in range(12)])
        wait(lambda: len(daemon.alerts()) == 13, 10, "all alerts")

        def listed():  # those that come first may each get their bubble
            lists = [re.match(r"(\d+) alerts: summit", s) for s, _ in notifications(calls)[1:]]
            return any(lists) and sum(int(m.group(1)) if m else 1 for m in lists) == 12
        wait(listed, 30, "a list")
        self.picture("desktop-list")
        self.assertIsNone(self.dunst.poll())
        daemon.stop()

    def test_a_mute_outlives_a_kill(self):
        self.show()
        calls = os.path.join(self.folder, "calls")
        self.bus.record(calls)
        daemon = self.on_bus("yes").start()
        self.learnt(self.feed)
        self.feed.publish(Item(HEADLINE, link="urn:x:1"))  # no "Open": the one button is "Mute"
        self.expect_titles(daemon, [HEADLINE])
        self.shown(daemon, 1)
        self.bus.run("dunstctl", "action", "0").wait()
        wait(lambda: 'muted watch="summit" sink="desktop"' in daemon.stderr(), 10, "the mute")

        def kept():
            store = sqlite3.connect(f"file:{daemon.state}/feedwatch.db?mode=ro", uri=True)
            try:
                row = store.execute("SELECT value FROM meta WHERE key = 'note:mutes:desktop'").fetchone()
                return row and row[0].decode()
            finally:
                store.close()
        self.assertRegex(wait(kept, 10, "the mute in the store"), r"^\+\d{13} 0 summit\n$")
        daemon.kill()
        daemon.start()
        self.feed.publish(Item("Putin and Xi again"))
        self.expect_titles(daemon, [HEADLINE, "Putin and Xi again"])
        self.shown(daemon, 2)
        self.assertEqual(len(notifications(calls)), 1)
        wait(lambda: " 1 summit" in kept(), 10, "its count")
        daemon.stop()

    def test_one_bubble_a_story(self):
        """Later sources change the bubble in its place; a critical one has its own colour."""
        others = [self.origin.feed("/" + n, title=n, items=[Item("old")]) for n in ("bbc", "dw")]
        self.show()
        calls = os.path.join(self.folder, "calls")
        self.bus.record(calls)
        daemon = self.daemon(
            "[feedwatch]\ndesktop = yes\n[feeds]\nkyivpost = {/news}\nbbc = {/bbc}\ndw = {/dw}\n"
            "[watch:summit]\nmatch = Putin AND Xi\npriority = critical\n",
            env={"DBUS_SESSION_BUS_ADDRESS": self.bus.address}).start()
        self.learnt(self.feed, *others)
        for n, feed in enumerate([self.feed, *others]):
            feed.publish(Item("Putin and Xi agree on a second summit in Geneva next month",
                              link=f"http://127.0.0.1/{n}", summary="The leaders of Russia and "
                              "China, Putin and Xi, agreed to meet again, their offices said."))
            wait(lambda n=n: len(notifications(calls)) == n + 1, 10, f"call {n + 1}")
        summaries = {s for s, _ in notifications(calls)}
        self.assertEqual(len(summaries), 1)
        self.assertIn("bbc", notifications(calls)[-1][1])
        self.assertIn("dw", notifications(calls)[-1][1])
        self.picture("desktop-story")
        with open(calls, encoding="utf-8", errors="replace") as file:
            text = file.read()
        replaced = [int(c.split("uint32 ")[1].split()[0]) for c in text.split("member=Notify\n")[1:]]
        self.assertEqual(replaced[0], 0)
        self.assertEqual(len(set(replaced[1:])), 1)
        self.assertGreater(replaced[1], 0)
        daemon.stop()

    def test_o1_a_notification_daemon_that_is_restarted(self):
        self.show()
        calls = os.path.join(self.folder, "calls")
        self.bus.record(calls)
        daemon = self.on_bus("yes").start()
        self.learnt(self.feed)
        self.feed.publish(Item("Putin and Xi 1"))
        self.shown(daemon, 1)
        self.dunst.kill()
        self.dunst.wait()
        self.feed.publish(Item("Putin and Xi 2"))
        self.expect_titles(daemon, ["Putin and Xi 1", "Putin and Xi 2"])
        wait(lambda: "sink_failed" in daemon.stderr(), 10, "a word about it")
        self.start_dunst()
        self.shown(daemon, 2)
        wait(lambda: "sink_recovered" in daemon.stderr(), 10, "recovery")
        wait(lambda: notifications(calls)[-1][0] == "Putin and Xi 2", 10, "the second bubble")
        self.assertEqual([s for s, _ in notifications(calls)].count("Putin and Xi 1"), 1)
        wait(lambda: self.screen.colours() > 10, 10, "something on the screen", step=0.05)
        self.assertIsNone(self.dunst.poll())
        daemon.stop()

    def test_o1_a_flood_of_a_thousand(self):
        self.show()
        calls = os.path.join(self.folder, "calls")
        self.bus.record(calls)
        daemon = self.on_bus("yes").start()
        self.learnt(self.feed)
        self.feed.publish(*[Item(f"Putin and Xi, item {number}") for number in range(1000)])
        wait(lambda: len(daemon.alerts()) == 1000, 30, "a thousand lines")
        wait(lambda: notifications(calls), 10, "a bubble")
        self.assertLess(daemon.stop(), 2 * bench.SLOW)
        self.assertLess(len(notifications(calls)), 10)

    def test_a_hung_notification_service_holds_up_nothing(self):
        self.bus.run("dbus-test-tool", "black-hole", "--name=org.freedesktop.Notifications")
        self.bus.wait_for("org.freedesktop.Notifications")
        daemon = self.on_bus("yes", WATCHDOG_USEC="3000000").start()
        self.learnt(self.feed)
        titles = []
        for number in range(4):
            titles.append(f"Putin and Xi, number {number}")
            polls = len(self.feed.requests())
            at = self.feed.publish(Item(titles[-1]))
            self.expect_titles(daemon, titles)
            self.assertLess(bench.took(at), 3 * bench.SLOW)
            self.origin.wait(lambda n=polls: len(self.feed.requests()) > n + 1, 5 * bench.SLOW)
        end = time.monotonic()
        took = daemon.stop()
        self.assertLess(took, 2 * bench.SLOW)
        print(f"stopped in {took * 1000:.0f} ms ... ", end="")
        daemon.notify.drain()
        pings = [t for t, text in daemon.notify.messages if "WATCHDOG=1" in text and t < end]
        self.assertLess(max(bench.took(a, b) for a, b in zip(pings, pings[1:] + [end])), 3)

    def test_no_notification_service_yet(self):
        daemon = self.on_bus("yes").start()
        self.learnt(self.feed)
        self.feed.publish(Item("Putin and Xi, nobody shows it"))
        self.expect_titles(daemon, ["Putin and Xi, nobody shows it"])
        self.assertLess(daemon.stop(), 2 * bench.SLOW)

    def test_no_bus_at_all(self):
        daemon = self.daemon(CONFIG.format("auto")).start()
        self.learnt(self.feed)
        self.feed.publish(Item("Putin and Xi, no desktop"))
        self.expect_titles(daemon, ["Putin and Xi, no desktop"])
        daemon.stop()

    def test_once_does_not_wait_for_a_sink_that_has_nothing_to_show(self):
        self.feed.replace([Item("Putin and Xi, for the log alone")])
        daemon = self.daemon("[feedwatch]\ndesktop = yes\nfirst_run_max_age = 1d\n"
                             "[feeds]\nkyivpost = {/news}\n"
                             "[watch:summit]\nmatch = Putin AND Xi\nsinks = log\n",
                             env={"DBUS_SESSION_BUS_ADDRESS": self.bus.address})
        start = time.monotonic()
        self.assertEqual(daemon.once(), 0)
        self.assertEqual(daemon.titles(), ["Putin and Xi, for the log alone"])
        self.assertLess(bench.took(start), 5 * bench.SLOW)

    def test_a_bus_that_goes_away(self):
        self.show()
        daemon = self.on_bus("yes").start()
        self.learnt(self.feed)
        self.feed.publish(Item("Putin and Xi 1"))
        self.expect_titles(daemon, ["Putin and Xi 1"])
        self.bus.close()
        self.feed.publish(Item("Putin and Xi 2"))
        self.expect_titles(daemon, ["Putin and Xi 1", "Putin and Xi 2"])
        self.assertLess(daemon.stop(), 2 * bench.SLOW)


if __name__ == "__main__":
    bench.main()
