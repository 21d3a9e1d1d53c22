#!/usr/bin/env python3
"""100,000 feeds in one process: how soon it is ready and what it holds while idle, with an empty
store and with a warm one (each feed with validators, a title and a window of 40 items).
    tests/bench/scale.py BUILD [FEEDS]"""
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

READY_S, IDLE_KB = 3.0, 150 * 1024  # goals
IDLE_S = 6


def run(build, folder, name, feeds=0, empty_kb=0):
    """Resident kB while idle; empty_kb: those of the program with a single feed."""
    path = os.path.join(folder, "notify")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(path)
    notify.settimeout(120)
    begin = time.monotonic()
    with open(os.path.join(folder, "stderr"), "ab") as err:
        child = subprocess.Popen([os.path.join(build, "feedwatch"), "run", "-c",
                                  os.path.join(folder, "feedwatch.ini")], stderr=err,
                                 env={"NOTIFY_SOCKET": path, "HOME": folder})
    while b"READY=1" not in notify.recv(4096):
        pass
    took = time.monotonic() - begin
    with open(f"/proc/{child.pid}/stat", encoding="ascii") as file:
        ticks = [int(t) for t in file.read().split()[13:15]]
    time.sleep(IDLE_S)
    with open(f"/proc/{child.pid}/status", encoding="ascii") as file:
        rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    child.send_signal(signal.SIGTERM)
    child.wait()
    notify.close()
    os.unlink(path)
    cpu = sum(ticks) / os.sysconf("SC_CLK_TCK")
    print(f"{name:12} ready after {took:.2f} s ({cpu:.2f} s of CPU; goal {READY_S:g} s), "
          f"idle {rss / 1024:.0f} MB (goal {IDLE_KB // 1024} MB)"
          + (f", {(rss - empty_kb) * 1024 / feeds:.0f} bytes a feed" if feeds else ""), flush=True)
    return rss


def warm_up(folder):
    """The store as it is after some days; nothing is due for two minutes."""
    db = sqlite3.connect(os.path.join(folder, "state", "feedwatch.db"))
    now = int(time.time() * 1000)
    db.execute("UPDATE feed SET due_ms = ? + (id * 7919 % 900) * 1000, last_poll_ms = ?,"
               " last_success_ms = ?, polls = 100, learned = 1, http_status = 304,"
               " etag = '\"5f3e-61b2c8d4a9f00\"', title = 'The title of feed ' || id,"
               " last_modified = 'Tue, 24 Nov 2026 03:00:00 GMT'", (now + 120000, now, now))
    ids = db.execute("SELECT id FROM feed").fetchall()
    db.executemany("INSERT OR REPLACE INTO window VALUES (?, ?)",
                   ((i[0], os.urandom(1060)) for i in ids))
    db.commit()
    db.close()


def configure(folder, feeds):
    with open(os.path.join(folder, "feedwatch.ini"), "w", encoding="ascii") as file:
        file.write(f"[feedwatch]\nstate = {folder}/state\nlog = {folder}/alerts.log\n"
                   "desktop = no\nallow_private = yes\n[watchlist]\nsummit = Putin AND Xi\n"
                   "[feeds]\n")
        for i in range(feeds):  # a host of its own for each
            file.write(f"feed{i:06d} = http://127.{1 + (i >> 16)}.{i >> 8 & 255}.{i & 255}"
                       f":9/feeds/{i:06d}/news.xml\n")


def main():
    build, feeds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    folder = tempfile.mkdtemp(prefix="feedwatch-scale.")
    try:
        configure(folder, 1)
        empty_kb = run(build, folder, "a single feed")
        shutil.rmtree(os.path.join(folder, "state"))
        configure(folder, feeds)
        print(f"{feeds} feeds")
        run(build, folder, "empty store", feeds, empty_kb)
        warm_up(folder)
        run(build, folder, "warm store", feeds, empty_kb)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
