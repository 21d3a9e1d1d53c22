#!/usr/bin/env python3
"""SIGTERM, SIGHUP, and what systemd is told."""
import os
import signal
import socket
import threading
import time

import bench
from bench import Held, Item, item_xml, rss_head, wait
import origin

FEEDS = "[feeds]\nnews = {/news}\n"
WATCH = "[watchlist]\nsummit = Putin AND Xi\n"


class Term(bench.Test):
    def ends(self, daemon):
        took = daemon.stop()
        self.assertLess(took, 2 * bench.SLOW)
        wait(lambda: daemon.notify.count("STOPPING=1") == 1, 5, "STOPPING=1")
        print(f"{took * 1000:.0f} ms ... ", end="")

    def test_o2_idle(self):
        feed = self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon("[feedwatch]\ninterval = 1h\n" + FEEDS + WATCH).start()
        self.origin.wait(lambda: feed.first_served(1), 10 * bench.SLOW)
        self.ends(daemon)

    def test_o2_at_once(self):
        self.origin.feed("/news", items=[Item("old")])
        self.ends(self.daemon(FEEDS + WATCH).start())

    def test_o2_before_the_answer(self):
        never = threading.Event()
        self.origin.answer("/news", origin.silence(never))
        daemon = self.daemon(FEEDS + WATCH).start()
        self.origin.wait(lambda: self.origin.requests("/news"), 10 * bench.SLOW)
        self.ends(daemon)

    def test_o2_in_transfer(self):
        body = origin.document("rss", "t", [Item(f"item {n}", guid=str(n)) for n in range(500)])
        self.origin.answer("/news", origin.drip(body, 100, 0.02))
        daemon = self.daemon(FEEDS + WATCH).start()
        self.origin.wait(lambda: self.origin.requests("/news"), 10 * bench.SLOW)
        self.ends(daemon)

    def test_o2_in_a_held_answer_keeps_what_had_come(self):
        feed = self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon(FEEDS + WATCH).start()
        self.learnt(feed)
        held = Held("chunked")
        self.origin.answer("/news", held)
        self.assertTrue(held.started.wait(10 * bench.SLOW))
        story = Item("Putin hears Xi", guid="held")
        held.send(rss_head() + item_xml("rss", story))
        wait(daemon.alerts, 5, "alert")
        self.ends(daemon)
        held.ended.set()
        feed.publish(story)
        self.origin.answer("/news", feed)
        daemon.start()
        self.polled_again(feed)
        self.expect_titles(daemon, ["Putin hears Xi"])
        self.ends(daemon)

    def test_o2_not_connecting(self):
        # a port with a full backlog: connections are neither taken nor refused
        import socket
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        port = full.getsockname()[1]
        fill = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
            fill.append(s)
        daemon = self.daemon(f"[feeds]\nnews = http://127.0.0.1:{port}/\n" + WATCH).start()
        wait(lambda: self.connecting(daemon, port), 10, "a connection attempt")
        self.ends(daemon)
        for s in fill:
            s.close()
        full.close()

    def connecting(self, daemon, port):
        want = f":{port:04X} 02 "  # SYN_SENT
        mine = set()
        fds = f"/proc/{daemon.process.pid}/fd"
        for fd in os.listdir(fds):
            try:
                mine.add(os.readlink(f"{fds}/{fd}"))
            except OSError:
                pass
        with open("/proc/net/tcp", encoding="ascii") as table:
            return any(want in line and f"socket:[{line.split()[9]}]" in mine for line in table)

    def test_o2_sigint_too(self):
        self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon(FEEDS + WATCH).start()
        daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(daemon.process.wait(30 * bench.SLOW), 0)

    def test_o5_closed_standard_streams(self):
        feed = self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon(FEEDS + WATCH)
        daemon.process = daemon.spawn("run", "-c", daemon.config, preexec_fn=lambda:
                                      [os.close(fd) for fd in (0, 1, 2)] and None)
        self.learnt(feed)
        feed.publish(Item("Putin and Xi"))
        self.expect_titles(daemon, ["Putin and Xi"])
        daemon.process.terminate()
        self.assertEqual(daemon.process.wait(30 * bench.SLOW), 0)


class Reload(bench.Test):
    def setUp(self):
        super().setUp()
        self.news = self.origin.feed("/news", items=[Item("old")])

    def test_adds_a_feed_and_a_watch_without_early_polls(self):
        slow = "[feed:slow]\nurl = {/slow}\ninterval = 1h\n"
        slow_feed = self.origin.feed("/slow", items=[Item("old")])
        other = self.origin.feed("/other", items=[Item("Trump, long ago")])
        daemon = self.daemon(FEEDS + WATCH + slow).start()
        self.learnt(self.news)
        self.origin.wait(lambda: slow_feed.first_served(1), 10 * bench.SLOW)
        self.news.publish(Item("Putin and Xi, before"))
        self.expect_titles(daemon, ["Putin and Xi, before"])

        daemon.write(self.config(FEEDS + "other = {/other}\n" + WATCH + "don = Trump\n" + slow))
        daemon.reload()
        self.learnt(other)
        other.publish(Item("Trump speaks"))
        self.news.publish(Item("Trump, Putin and Xi"))
        self.polled_again(other)
        self.polled_again(self.news)
        wait(lambda: len(daemon.alerts()) >= 4, 5, "alerts")
        self.assertEqual(sorted((a["watch"], a["title"]) for a in daemon.alerts()),
                         [("don", "Trump speaks"), ("don", "Trump, Putin and Xi"),
                          ("summit", "Putin and Xi, before"), ("summit", "Trump, Putin and Xi")])
        self.assertEqual(len(slow_feed.requests()), 1, "a reload polls nothing early")
        daemon.stop()

    def test_removes_a_feed_and_a_watch(self):
        gone = self.origin.feed("/gone", items=[Item("old")])
        daemon = self.daemon(FEEDS + "gone = {/gone}\n" + WATCH + "don = Trump\n").start()
        self.learnt(self.news, gone)
        daemon.write(self.config(FEEDS + "[watchlist]\ndon = Trump\n"))
        daemon.reload()
        before = len(gone.requests())
        self.news.publish(Item("Putin and Xi"), Item("Trump"))
        self.polled_again(self.news)
        self.expect_titles(daemon, ["Trump"])
        self.polled_again(self.news)
        self.assertLessEqual(len(gone.requests()), before + 1)  # one may have been under way
        daemon.stop()

    def test_bad_config_keeps_the_old_one(self):
        daemon = self.daemon(FEEDS + WATCH).start()
        self.learnt(self.news)
        daemon.write(self.config(FEEDS + "[watchlist]\nsummit = (Putin\n"))
        daemon.reload()
        wait(lambda: "feedwatch.ini:" in daemon.stderr(), 5, "the error in the log")
        self.news.publish(Item("Putin and Xi"))
        self.expect_titles(daemon, ["Putin and Xi"])
        daemon.write(self.config(FEEDS + "[watchlist]\nsummit = Trump\n"))
        daemon.reload()
        self.news.publish(Item("Trump"), Item("Putin and Xi again"))
        self.polled_again(self.news)
        self.expect_titles(daemon, ["Putin and Xi", "Trump"])
        daemon.stop()

    def test_unchanged_config_changes_nothing(self):
        slow = self.origin.feed("/slow", items=[Item("old")])
        daemon = self.daemon("[feedwatch]\ninterval = 1h\n[feeds]\nslow = {/slow}\n"
                             + WATCH).start()
        self.origin.wait(lambda: slow.first_served(1), 10 * bench.SLOW)
        for _ in range(3):
            daemon.reload()
        daemon.stop()
        daemon.start()
        daemon.reload()
        daemon.stop()
        self.assertEqual(len(slow.requests()), 1, "neither reload nor restart polls early")

    def test_reload_during_a_transfer(self):
        self.learnt_daemon = daemon = self.daemon(FEEDS + WATCH).start()
        self.learnt(self.news)
        held = Held("chunked")
        self.origin.answer("/news", held)
        self.assertTrue(held.started.wait(10 * bench.SLOW))
        first, second = Item("Putin asks Xi", guid="1"), Item("Xi asks Putin", guid="2")
        held.send(rss_head() + item_xml("rss", first))
        wait(daemon.alerts, 5, "alert")
        daemon.reload()
        if not held.gone.is_set():
            held.send(item_xml("rss", second) + "</channel></rss>")
            held.end()
        self.news.publish(first, second)
        self.origin.answer("/news", self.news)
        self.polled_again(self.news)
        self.expect_titles(daemon, ["Putin asks Xi", "Xi asks Putin"])
        daemon.stop()

    def test_storm_of_hups(self):
        daemon = self.daemon(FEEDS + WATCH).start()
        self.learnt(self.news)
        for _ in range(100):
            daemon.hup()
            time.sleep(0.005)
        self.news.publish(Item("Putin and Xi"))
        self.expect_titles(daemon, ["Putin and Xi"])
        self.assertLess(daemon.stop(), 2 * bench.SLOW)

    def test_log_is_opened_again(self):
        daemon = self.daemon(FEEDS + WATCH).start()
        self.learnt(self.news)
        self.news.publish(Item("Putin and Xi 1"))
        self.expect_titles(daemon, ["Putin and Xi 1"])
        os.rename(daemon.log, daemon.log + ".1")
        daemon.reload()
        self.news.publish(Item("Putin and Xi 2"))
        self.expect_titles(daemon, ["Putin and Xi 2"])
        self.assertEqual(daemon.alerts()[0]["seq"], 2)
        daemon.stop()


class HupAtStart(bench.Test):
    def test_while_the_config_is_read(self):
        """It neither ends the daemon nor is it lost: the first config comes out of a pipe, and a
        SIGHUP and another config while it does."""
        feed = self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon(FEEDS + WATCH)
        with open(daemon.config, encoding="utf-8") as file:
            first = file.read()
        os.unlink(daemon.config)
        os.mkfifo(daemon.config, 0o600)
        daemon.notify = bench.NotifySocket(os.path.join(self.folder, "notify"))
        daemon.process = daemon.spawn("run", "-c", daemon.config,
                                      env={"NOTIFY_SOCKET": daemon.notify.path})
        with open(daemon.config, "w", encoding="utf-8") as pipe:  # waits for the reader
            daemon.write(self.config(FEEDS + "[watchlist]\nwater = water\n"))
            pipe.write(first[:20])
            pipe.flush()
            daemon.hup()
            pipe.write(first[20:])
        wait(lambda: daemon.process.poll() is None and daemon.notify.count("READY=1") == 2, 10,
             "start and reload")
        self.learnt(feed)
        feed.publish(Item("Putin and Xi"), Item("clean water"))
        self.expect_titles(daemon, ["clean water"])
        self.assertIn("started", daemon.stderr())
        self.assertEqual(daemon.stderr().count("reloaded "), 1)
        daemon.stop()


class Notify(bench.Test):
    def test_ready_reloading_stopping(self):
        self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon(FEEDS + WATCH, env={"WATCHDOG_USEC": "1000000"}).start()
        wait(lambda: daemon.notify.count("WATCHDOG=1") >= 2, 5, "watchdog pings")
        daemon.reload()
        daemon.stop()
        wait(lambda: daemon.notify.count("STOPPING=1"), 5, "STOPPING=1")
        said = [f.split("=")[0] + "=" + f.split("=")[1] for f in daemon.notify.fields()
                if f.split("=")[0] in ("READY", "RELOADING", "STOPPING")]
        self.assertEqual(said, ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"])
        self.assertTrue(any(f.startswith("STATUS=") for f in daemon.notify.fields()))

    def test_a_manager_that_does_not_read_holds_up_nothing(self):
        """What the socket does not take is not waited for, and READY comes once it is read."""
        feed = self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon(FEEDS + WATCH)
        path = os.path.join(self.folder, "deaf")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, \
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            manager.bind(path)
            other.setblocking(False)
            full = 0
            try:
                while other.sendto(b"full", path):
                    full += 1
            except BlockingIOError:
                pass
            daemon.process = daemon.spawn("run", "-c", daemon.config, env={
                "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "800000"})
            self.learnt(feed)
            feed.publish(Item("Putin and Xi"))
            self.expect_titles(daemon, ["Putin and Xi"])
            daemon.hup()
            wait(lambda: "reloaded " in daemon.stderr(), 10, "the reload")
            self.assertEqual(daemon.stderr().count("notify_failed"), 1)
            manager.settimeout(10 * bench.SLOW)
            for _ in range(full):
                self.assertEqual(manager.recv(4096), b"full")
            self.assertRegex(manager.recv(4096).decode(), "^READY=1\nSTATUS=watching 1 feed")
            while manager.recv(4096) != b"WATCHDOG=1":
                pass
            wait(lambda: "notify_recovered" in daemon.stderr(), 10, "a word about it")
            daemon.stop()

    def test_not_ready_with_a_store_in_use(self):
        self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon(FEEDS + WATCH).start()
        begin = time.monotonic()
        second = daemon.spawn("run", "-c", daemon.config)
        self.assertEqual(second.wait(10 * bench.SLOW), 1)
        self.assertLess(bench.took(begin), 3 * bench.SLOW)
        daemon.stop()
        self.assertEqual(daemon.notify.count("READY=1"), 1)

    def test_not_ready_with_an_unusable_log(self):
        self.origin.feed("/news", items=[Item("old")])
        daemon = self.daemon("[feedwatch]\nlog = /proc/nowhere/alerts.log\n" + FEEDS + WATCH)
        status, _, err = daemon.command("run", "-c", daemon.config)
        self.assertIn(status, (1, 78))
        self.assertIn("/proc/nowhere", err)


if __name__ == "__main__":
    bench.main()
