#!/usr/bin/env python3
"""The installed units under a real systemd, as the system's service and as a user's."""
import json
import os
import subprocess
import sys
import time
import unittest

import bench
from bench import wait

HOST = os.path.join(bench.TOP, os.environ.get("FEEDWATCH_SHARED", "../shared"), "tools",
                    "systemd-host")
PORT = 8181
CONFIG = f"""[feedwatch]
log_format = json
allow_private = yes
first_run_max_age = 1h
interval = 1s
min_interval = 1s
host_interval = 0
[feeds]
news = http://127.0.0.1:{PORT}/news.xml
[watchlist]
summit = Putin AND Xi
expression = /V[a-z]+o C.ll/
"""
UNIT = "feedwatch.service"


def can_run():
    if not os.access(HOST, os.X_OK):
        return "no systemd-host beside the shared test data"
    if os.geteuid() != 0:
        return "needs root"
    if bench.SANITIZED:
        return "the sandbox has no room for the sanitizers' shadow memory"
    probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False)
    return None if probe.returncode == 0 else "namespaces are not allowed here"


class Service(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why = can_run()
        if why:
            raise unittest.SkipTest(why)
        bench.STALLS.watch()
        os.environ["SYSTEMD_HOST"] = f"fw-test-{os.getpid()}"
        subprocess.run([HOST, "start"], check=True, stdout=subprocess.DEVNULL, timeout=60)
        cls.addClassCleanup(subprocess.run, [HOST, "stop"], check=False)
        build = os.path.relpath(os.path.dirname(bench.BIN), bench.TOP)
        packed = subprocess.run(["tar", "-c", "--exclude=__pycache__", f"{build}/feedwatch",
                                 "conf", "man", "systemd", "Makefile", "tests"],
                                cwd=bench.TOP, check=True, capture_output=True).stdout
        cls.inside("mkdir /root/fw && tar -x -C /root/fw", data=packed)
        cls.inside(f"cd /root/fw && make -s -o {build}/feedwatch B={build} install")
        feed = bench.rss_head("News") + bench.item_xml("rss", bench.Item(
            "Xi, Putin Hold Video Call", guid="1", link="http://127.0.0.1/1",
            published=time.time())) + "</channel></rss>"
        cls.write("/root/news.xml", feed)
        cls.origin = subprocess.Popen(
            [HOST, "exec", sys.executable, "/root/fw/tests/origin.py", "--port", str(PORT),
             "/root/news.xml"], stdout=subprocess.DEVNULL)
        cls.addClassCleanup(cls.origin.wait)
        cls.addClassCleanup(cls.origin.kill)

    @classmethod
    def inside(cls, command, data=None, check=True):
        """Run a shell command inside; returns its output."""
        done = subprocess.run([HOST, "exec", "sh", "-c", command], input=data,
                              capture_output=True, check=False, timeout=60)
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout.decode()}"
                                 f"{done.stderr.decode()}")
        return done.stdout.decode()

    @classmethod
    def write(cls, path, text):
        cls.inside(f"mkdir -p $(dirname {path}) && cat >{path}", text.encode())

    def property(self, name, manager="systemctl"):
        return self.inside(f"{manager} show -P {name} {UNIT}").strip()

    def alerts(self, path):
        lines = self.inside(f"cat {path}", check=False).split("\n")[:-1]
        return [(r["seq"], r["watch"], r["title"]) for r in map(json.loads, lines)]

    WANT = [(1, "summit", "Xi, Putin Hold Video Call"),
            (2, "expression", "Xi, Putin Hold Video Call")]

    def test_system_service(self):
        self.write("/etc/feedwatch/feedwatch.ini", CONFIG)
        log = "/var/log/feedwatch/alerts.log"
        self.inside("systemctl daemon-reload && systemctl start feedwatch")
        try:
            self.assertEqual(self.property("ActiveState"), "active")
            wait(lambda: len(self.alerts(log)) >= 2, 10, "the alerts", step=0.1)
            self.assertEqual(self.alerts(log), self.WANT)
            self.assertNotEqual(self.property("StatusText"), "")
            pid = self.property("MainPID")
            user = self.inside(f"stat -c %U /proc/{pid}").strip()
            self.assertEqual(user, "feedwatch")
            self.inside("systemctl reload feedwatch")
            wait(lambda: "reloaded" in self.inside("journalctl -u feedwatch -o cat"), 10,
                 "the reload in the journal", step=0.1)
            self.assertEqual(self.property("MainPID"), pid)
            began = time.monotonic()
            self.inside("systemctl restart feedwatch")
            self.assertLess(bench.took(began), 4)
            self.assertEqual(self.property("ActiveState"), "active")
            self.inside(f"kill -9 {self.property('MainPID')}")
            wait(lambda: self.property("NRestarts") == "1"
                 and self.property("ActiveState") == "active", 15, "the restart", step=0.2)
            self.assertEqual(self.alerts(log), self.WANT)
            began = time.monotonic()
            self.inside("systemctl stop feedwatch")
            self.assertLess(bench.took(began), 4)
            self.assertEqual(self.property("Result"), "success")
        except BaseException:
            print(self.inside("journalctl -u feedwatch -n 50; systemctl status feedwatch",
                              check=False), file=sys.stderr)
            raise

    def test_system_service_with_a_bad_config_is_not_restarted(self):
        self.write("/etc/feedwatch/feedwatch.ini", CONFIG.replace("Putin AND Xi", "(Putin"))
        self.inside("systemctl daemon-reload; systemctl reset-failed feedwatch", check=False)
        self.inside("systemctl start feedwatch", check=False)
        self.assertEqual(self.property("ActiveState"), "failed")
        self.assertEqual(self.property("ExecMainStatus"), "78")
        self.assertEqual(self.property("NRestarts"), "0")
        wait(lambda: "feedwatch.ini:11:" in self.inside("journalctl -u feedwatch -o cat"), 10,
             "the reason", step=0.1)

    def test_user_service(self):
        self.inside("useradd -m reader && systemctl start user@$(id -u reader)")
        uid = self.inside("id -u reader").strip()
        manager = (f"setpriv --reuid {uid} --regid {uid} --clear-groups env HOME=/home/reader "
                   f"XDG_RUNTIME_DIR=/run/user/{uid} systemctl --user")
        self.write("/home/reader/.config/feedwatch/feedwatch.ini", CONFIG)
        self.inside("chown -R reader: /home/reader/.config")
        log = "/home/reader/.local/state/feedwatch/alerts.log"
        try:
            self.inside(f"{manager} start feedwatch")
            self.assertEqual(self.property("ActiveState", manager), "active")
            wait(lambda: len(self.alerts(log)) >= 2, 10, "the alerts", step=0.1)
            self.inside(f"{manager} reload feedwatch && {manager} restart feedwatch")
            began = time.monotonic()
            self.inside(f"{manager} stop feedwatch")
            self.assertLess(bench.took(began), 4)
            self.assertEqual(self.alerts(log), self.WANT)
            self.assertEqual(self.inside(f"stat -c '%a %U' {log}").strip(), "600 reader")
        except BaseException:
            print(self.inside(f"journalctl -n 50; {manager} status feedwatch", check=False),
                  file=sys.stderr)
            raise


if __name__ == "__main__":
    bench.main()
