"""Rows of the hazards table: each misbehaving feed has a well-behaved canary beside it, which is
polled every second, is never late by more than a second, and alerts.  Memory stays bounded and
the daemon ends in time.  tests/hazards prints the table of the rows and their tests."""
import ctypes
import fcntl
import os
import re
import socket
import struct
import threading
import unittest

import bench
from bench import Item, Origin, wait

INTERVAL_S = 1.1  # of the canary, with its jitter
LATE_S = 1.0


class Listener:
    """Plays the internal host: counts who connects, on every address of the machine."""

    def __init__(self):
        self.sock = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port, self.peers = self.sock.getsockname()[1], []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, peer = self.sock.accept()
            except OSError:
                return
            self.peers.append(peer)
            sock.close()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class Rows(bench.Test):
    NAME = "bad"
    CANARY = "[feed:canary]\nurl = {/canary}\n"

    def setUp(self):
        super().setUp()
        self.canary = self.origin.feed("/canary", items=[Item("old", guid="0")])
        self.songs, self.counted = 0, 0

    def started(self, config, general="", env=None):
        """A daemon that has learnt the canary.  `config`: sections; `general`: keys for all."""
        d = self.daemon(f"[feedwatch]\n{general}{self.CANARY}{config}"
                        "[watchlist]\nsummit = Putin AND Xi\n", env=env).start()
        self.learnt(self.canary)
        return d

    def sing(self, daemon):
        """The canary publishes: its alert comes within its interval and a second."""
        self.songs += 1
        title = f"Putin, Xi and canary {self.songs}"
        at = self.canary.publish(Item(title))
        wait(lambda: title in daemon.titles(), 10, "alert of the canary", 0.02)
        self.assertLess(bench.took(at), INTERVAL_S + LATE_S * bench.SLOW, "alert of the canary")

    def on_time(self):
        """No poll of the canary came later than it was due, or by a second at most."""
        polls = self.origin.wait(  # at least two, also right after a start
            lambda: len(found := self.canary.requests()[self.counted:]) > 1 and found,
            2 * INTERVAL_S + LATE_S * bench.SLOW, "two polls of the canary")
        late = [bench.took(a.done, b.time) for a, b in zip(polls, polls[1:])]
        self.assertLess(max(late), INTERVAL_S + LATE_S * bench.SLOW, "the canary was late")

    def everywhere(self):
        """An origin that many hosts may be: it listens on all addresses."""
        server = Origin("0.0.0.0")
        self.addCleanup(server.stop)
        return server

    @staticmethod
    def spread(server, n):
        """A URL of such an origin for the path /N, at one of 250 hosts."""
        return f"http://127.0.1.{n % 250 + 1}:{server.port}/{n}"

    def rest(self, daemon):
        """Stop the daemon; what the canary waits until the next start does not count."""
        self.on_time()
        daemon.stop()
        self.counted = len(self.canary.requests())

    def well(self, daemon, memory_kb=64 * 1024):
        """The canary sings and was never late, memory is bounded; ends the daemon."""
        self.sing(daemon)
        self.on_time()
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
            peak = int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))
        if not bench.SANITIZED:
            self.assertLess(peak, memory_kb, "kB of memory at most")
        self.assertLess(daemon.stop(), 2 * bench.SLOW)

    def says(self, daemon, pattern, seconds=15):
        """Wait until the daemon's log has a line with this; returns the match."""
        return wait(lambda: re.search(pattern, daemon.stderr()), seconds, pattern)

    def row(self, answer, outcome, keys="", general="", env=None, seconds=15):
        """The feed "bad" answers so; `outcome` is in the log, and all else is well."""
        self.origin.answer("/bad", answer)
        d = self.started(f"[feed:bad]\nurl = {{/bad}}\n{keys}", general, env)
        self.says(d, f"fetch_failed feed=\"?bad\"? .*{outcome}", seconds)
        self.well(d)
        return d


def own_net(*addresses):
    """Put this process into a network of its own, which has the loopback and, on it, these
    addresses of the public net.  To be called before any thread is started."""
    new_user, new_net = 0x10000000, 0x40000000
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(new_net if uid == 0 else new_net | new_user) != 0:
        raise unittest.SkipTest(f"no network of its own: {os.strerror(ctypes.get_errno())}")
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"),
                           ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    set_address, set_mask, set_flags, up = 0x8916, 0x891c, 0x8914, 0x41
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        def set_up(what, name, value):
            fcntl.ioctl(sock, what, struct.pack("16s", name.encode()) + value.ljust(24, b"\0"))

        def inet(text):
            return struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(text))
        set_up(set_flags, "lo", struct.pack("H", up))
        for n, address in enumerate(addresses):
            set_up(set_address, f"lo:{n}", inet(address))
            set_up(set_mask, f"lo:{n}", inet("255.255.255.255"))
