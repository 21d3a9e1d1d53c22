#!/usr/bin/env python3
"""The Debian package under a real systemd, as an admin and as a desktop user meet it."""
import glob
import json
import os
import subprocess
import sys
import time
import unittest

import bench
from bench import wait
from screen import Screen
from test_service import HOST, can_run

FOLDER = os.path.relpath(os.path.dirname(bench.BIN), bench.TOP)
PORT = 8182
CONFIG = f"""[feedwatch]
log_format = json
allow_private = yes
interval = 1s
min_interval = 1s
host_interval = 0
metrics = /run/feedwatch/feedwatch.prom
[feeds]
news = http://127.0.0.1:{PORT}/news
[watchlist]
summit = Putin AND Xi
"""
LOG = "/var/log/feedwatch/alerts.log"
INSTALL = "dpkg --force-unsafe-io -i /root/feedwatch.deb"
PTRACE_HOLD = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
for tid in os.listdir(f"/proc/{pid}/task"):
    if open(f"/proc/{pid}/task/{tid}/comm").read().strip() == sys.argv[2]:
        assert libc.ptrace(0x4206, int(tid), None, None) == 0  # PTRACE_SEIZE
        assert libc.ptrace(0x4207, int(tid), None, None) == 0  # PTRACE_INTERRUPT
        print("held", flush=True)
        while True:  # until it is killed: the dead are for their tracer to bury
            status = os.waitpid(int(tid), 0x40000000)[1]  # __WALL
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                sys.exit()
"""


def newest(*folders):
    return max(os.path.getmtime(os.path.join(at, name)) for folder in folders
               for at, _, names in os.walk(os.path.join(bench.TOP, folder)) for name in names)


def make_package():
    """The path of the package; made unless one is there that is newer than its sources."""
    have = glob.glob(os.path.join(bench.TOP, FOLDER, "deb/feedwatch_*.deb"))
    if have and os.path.getmtime(have[0]) > newest("daemon", "include", "conf", "man", "systemd",
                                                   "tests/mk"):
        return have[0]
    done = subprocess.run(["make", f"B={FOLDER}", "deb"], cwd=bench.TOP, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"make deb: {done.returncode}\n{done.stdout[-3000:]}{done.stderr}")
    return glob.glob(os.path.join(bench.TOP, FOLDER, "deb/feedwatch_*.deb"))[0]


class Package(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        why = can_run()
        if why:
            raise unittest.SkipTest(why)
        bench.STALLS.watch()
        cls.package = make_package()
        os.environ["SYSTEMD_HOST"] = f"fw-deb-{os.getpid()}"
        subprocess.run([HOST, "start"], check=True, stdout=subprocess.DEVNULL, timeout=60)
        cls.addClassCleanup(subprocess.run, [HOST, "stop"], check=False)
        with open(cls.package, "rb") as file:
            cls.inside("cat >/root/feedwatch.deb", file.read())
        for name in ("tests/origin.py", "tests/data/dunstrc"):
            with open(os.path.join(bench.TOP, name), "rb") as file:
                cls.inside(f"cat >/root/{os.path.basename(name)}", file.read())
        # Services may be started here, and the manual's index is not what we test.
        cls.inside("rm -f /usr/sbin/policy-rc.d /var/lib/man-db/auto-update")
        cls.before = cls.traces()

    @classmethod
    def inside(cls, command, data=None, check=True, timeout=60):
        done = subprocess.run([HOST, "exec", "sh", "-c", command], input=data,
                              capture_output=True, check=False, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout.decode()}"
                                 f"{done.stderr.decode()}")
        return done.stdout.decode()

    @classmethod
    def write(cls, path, text):
        cls.inside(f"mkdir -p $(dirname {path}) && cat >{path}", text.encode())

    @classmethod
    def traces(cls):
        """Every file of the system that has our name, and every account."""
        return cls.inside("find /etc /usr /lib /var /run /home -xdev -name '*feedwatch*' "
                          "! -path '/var/log/journal/*' ! -path '/var/cache/*' "
                          "2>/dev/null | sort; getent passwd | sort")

    def setUp(self):
        self.addCleanup(self.inside, "systemctl stop feedwatch; systemctl reset-failed feedwatch; "
                        "rm -rf /etc/systemd/system/feedwatch.service.d; dpkg --purge feedwatch; "
                        "systemctl daemon-reload; true", check=False)
        self.old_lines = len(self.lines())
        self.inside(INSTALL)
        self.origin = subprocess.Popen(
            [HOST, "exec", sys.executable, "/root/origin.py", "--port", str(PORT), "--publish",
             "/news"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.end_origin)
        self.origin.stdout.readline()  # it listens

    def end_origin(self):
        self.origin.stdin.close()  # ends it
        self.origin.wait(10)
        self.origin.stdout.close()

    def run(self, result=None):
        """Runs the test; shows the journal of a failed one."""
        count = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > count:
            print(self.inside("journalctl -n 60 -o short-monotonic --no-pager", check=False),
                  file=sys.stderr)

    def publish(self, title):
        self.origin.stdin.write(f"/news {title}\n".encode())
        self.origin.stdin.flush()

    def property(self, name):
        return self.inside(f"systemctl show -P {name} feedwatch").strip()

    def lines(self):
        return self.inside("journalctl _COMM=feedwatch -o cat --no-pager", check=False).split("\n")

    def journal(self):
        """What the daemon said in this test."""
        return "\n".join(self.lines()[self.old_lines - 1:])

    def alerts(self, path=LOG):
        text = self.inside(f"cat {path}", check=False)
        return [(r["seq"], r["title"]) for r in map(json.loads, text.split("\n")[:-1])]

    def expect(self, *titles, seconds=20):
        want = list(enumerate(titles, 1))
        try:
            wait(lambda: len(self.alerts()) >= len(want), seconds, step=0.1)
        except AssertionError:
            pass
        self.assertEqual(self.alerts(), want)

    def begin(self):
        """The admin's first minute: config in, enable --now; the feed is learnt."""
        self.write("/etc/feedwatch/feedwatch.ini", CONFIG)
        self.inside("systemctl enable --now feedwatch")
        self.assertEqual(self.property("ActiveState"), "active")
        wait(lambda: "feed_learned" in self.journal(), 20, "the first poll", step=0.1)

    def test_what_installing_does(self):
        self.assertEqual(self.inside("systemctl is-enabled feedwatch").strip(), "enabled")
        self.assertEqual(self.inside("systemctl --global is-enabled feedwatch",
                                     check=False).strip(), "disabled")
        self.assertEqual(self.property("ActiveState"), "inactive")  # nobody has configured it
        self.assertEqual(self.inside("getent passwd feedwatch", check=False), "")
        self.inside("feedwatch check >/dev/null && man -w feedwatch feedwatch.ini "
                    "feedwatch-rules && test -s /etc/logrotate.d/feedwatch")
        self.assertIn("88f6bd6a", self.inside("journalctl --list-catalog"))

    def test_an_alert_a_reload_and_a_crash(self):
        self.begin()
        tail = subprocess.Popen([HOST, "exec", "tail", "-n+1", "-F", LOG], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
        self.addCleanup(tail.stdout.close)
        self.addCleanup(tail.wait)
        self.addCleanup(tail.kill)
        self.publish("Putin and Xi, first")
        self.assertEqual(json.loads(tail.stdout.readline())["title"], "Putin and Xi, first")

        self.write("/etc/feedwatch/feedwatch.ini", CONFIG + "don = Trump\n")
        self.inside("systemctl reload feedwatch")
        wait(lambda: 'config_changed watches_added="don"' in self.journal(), 10,
             "the change in the journal", step=0.1)
        self.publish("Trump, second")
        self.expect("Putin and Xi, first", "Trump, second")
        self.write("/etc/feedwatch/feedwatch.ini", CONFIG + "don = (Trump\n")
        self.inside("systemctl reload feedwatch")
        wait(lambda: "refused" in self.property("StatusText"), 10, "the refusal", step=0.1)
        self.assertIn("feedwatch.ini:12:", self.property("StatusText"))
        wait(lambda: "feedwatch.ini:12:" in self.journal(), 10, "the reason", step=0.1)
        self.publish("Trump, third")
        self.expect("Putin and Xi, first", "Trump, second", "Trump, third")
        self.write("/etc/feedwatch/feedwatch.ini", CONFIG + "don = Trump\n")
        self.inside("systemctl reload feedwatch")
        wait(lambda: "refused" not in self.property("StatusText"), 10, "a good config", step=0.1)

        pid = self.property("MainPID")
        self.publish("Xi calls Putin, just before")
        self.inside(f"kill -9 {pid}")
        self.publish("Putin calls Xi, while it was down")
        wait(lambda: self.property("NRestarts") == "1" and self.property("ActiveState") ==
             "active", 20, "the restart", step=0.2)
        self.assertNotEqual(self.property("MainPID"), pid)
        self.publish("Putin and Xi, after all")
        wait(lambda: len(self.alerts()) >= 6, 20, "all alerts", step=0.1)
        self.assertEqual(sorted(title for _, title in self.alerts()), sorted([
            "Putin and Xi, first", "Trump, second", "Trump, third",
            "Xi calls Putin, just before", "Putin calls Xi, while it was down",
            "Putin and Xi, after all"]))
        self.assertEqual([seq for seq, _ in self.alerts()], [1, 2, 3, 4, 5, 6])
        wait(lambda: 'feedwatch_feeds{state="ok"} 1\n' in self.inside(
            "cat /run/feedwatch/feedwatch.prom || true"), 20, "the figures", step=0.2)
        began = time.monotonic()
        self.inside("systemctl stop feedwatch")
        self.assertLess(bench.took(began), 4)
        self.assertEqual(self.property("Result"), "success")

    def quick_watchdog(self):
        self.write("/etc/systemd/system/feedwatch.service.d/watchdog.conf",
                   "[Service]\nWatchdogSec=4s\nRestartSec=1s\n")
        self.inside("systemctl daemon-reload")

    def watchdog_restarts(self, pid):
        wait(lambda: self.property("NRestarts") == "1" and self.property("ActiveState") ==
             "active", 60, "the restart", step=0.2)
        self.assertNotEqual(self.property("MainPID"), pid)
        wait(lambda: "Watchdog timeout" in self.inside("journalctl -u feedwatch --no-pager"), 10,
             "why", step=0.2)
        self.publish("Putin and Xi, second")
        self.expect("Putin and Xi", "Putin and Xi, second")

    def test_a_frozen_daemon_is_restarted(self):
        self.quick_watchdog()
        self.begin()
        self.publish("Putin and Xi")
        self.expect("Putin and Xi")
        pid = self.property("MainPID")
        self.inside(f"kill -STOP {pid}")
        self.watchdog_restarts(pid)

    def test_a_frozen_thread_is_enough(self):
        self.quick_watchdog()
        self.begin()
        self.publish("Putin and Xi")
        self.expect("Putin and Xi")
        pid = self.property("MainPID")
        self.write("/root/hold.py", PTRACE_HOLD)
        hold = subprocess.Popen([HOST, "exec", sys.executable, "/root/hold.py", pid, "poller-0"],
                                stdout=subprocess.PIPE)
        self.addCleanup(hold.communicate)
        self.assertEqual(hold.stdout.readline(), b"held\n")
        wait(lambda: "thread_stalled thread=poller-0" in self.journal(), 30,
             "the stall in the journal", step=0.2)
        self.watchdog_restarts(pid)

    def test_logrotate_loses_no_line(self):
        self.begin()
        titles = []
        for n in range(4):
            titles.append(f"Putin and Xi, {n}")
            self.publish(titles[-1])
            wait(lambda: titles[-1] in str(self.alerts()), 20, "the alert", step=0.1)
            if n < 3:
                self.inside("logrotate -f /etc/logrotate.d/feedwatch")
                wait(lambda: self.journal().count("reloaded ") == n + 1, 10, "the reload",
                     step=0.1)
        files = self.inside("ls /var/log/feedwatch").split()
        self.assertEqual(files, ["alerts.log", "alerts.log.1", "alerts.log.2.gz",
                                 "alerts.log.3.gz"])
        lines = self.inside("cd /var/log/feedwatch && zcat alerts.log.3.gz alerts.log.2.gz && "
                            "cat alerts.log.1 alerts.log").split("\n")[:-1]
        self.assertEqual([(r["seq"], r["title"]) for r in map(json.loads, lines)],
                         list(enumerate(titles, 1)))

    def test_removing_keeps_and_purging_takes_all(self):
        self.begin()
        self.publish("Putin and Xi")
        self.expect("Putin and Xi")
        self.inside("dpkg --remove feedwatch")
        self.assertEqual(self.inside("pgrep -x feedwatch", check=False), "")
        self.inside(f"test -s {LOG} && test -s /etc/feedwatch/feedwatch.ini")
        self.inside(INSTALL + " && systemctl start feedwatch")
        self.publish("Putin and Xi, again there")
        self.expect("Putin and Xi", "Putin and Xi, again there")
        self.inside("dpkg --purge feedwatch")
        self.assertEqual(self.inside("pgrep -x feedwatch", check=False), "")
        self.assertEqual(self.traces(), self.before)
        self.assertNotIn("feedwatch", self.inside("systemctl list-unit-files --no-pager"))

    def test_an_upgrade_goes_on_with_what_ran(self):
        self.begin()
        self.publish("Putin and Xi")
        self.expect("Putin and Xi")
        pid = self.property("MainPID")
        self.inside(INSTALL)
        wait(lambda: self.property("ActiveState") == "active"
             and self.property("MainPID") not in ("0", pid), 20, "the restart", step=0.2)
        self.publish("Putin and Xi, second")
        self.expect("Putin and Xi", "Putin and Xi, second")

    def as_reader(self, uid, command):
        return (f"setpriv --reuid {uid} --regid {uid} --clear-groups env HOME=/home/reader "
                f"XDG_RUNTIME_DIR=/run/user/{uid} "
                f"DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{uid}/bus {command}")

    def test_a_desktop_user_sees_it(self):
        self.inside("id reader >/dev/null 2>&1 || useradd -m reader")
        self.addCleanup(self.inside, "systemctl stop user@$(id -u reader); "
                        "pkill -u reader Xvfb; userdel -r reader; true", check=False)
        uid = self.inside("id -u reader").strip()
        self.inside(f"systemctl start user@{uid}")
        manager = self.as_reader(uid, "systemctl --user")
        self.inside("mkdir -p /tmp/.X11-unix && chmod 1777 /tmp/.X11-unix && "
                    "cp /root/dunstrc /home/reader/dunstrc")
        self.write("/home/reader/.config/feedwatch/feedwatch.ini",
                   CONFIG.replace("metrics = /run/feedwatch/feedwatch.prom\n", ""))
        self.inside("chown -R reader: /home/reader")
        run = self.as_reader(uid, "systemd-run --user --collect -q")
        self.inside(f"{run} -u screen Xvfb :7 -fbdir /home/reader -nolisten tcp "
                    "-screen 0 900x400x24")
        wait(lambda: self.inside("test -e /tmp/.X11-unix/X7 && echo y", check=False), 20,
             "Xvfb", step=0.1)
        self.inside(f"{run} -u shower --setenv=DISPLAY=:7 dunst -config /home/reader/dunstrc")
        self.inside(f"{manager} enable --now feedwatch")
        active = f"{manager} show -P ActiveState feedwatch"
        self.assertEqual(self.inside(active).strip(), "active")
        log = "/home/reader/.local/state/feedwatch/alerts.log"
        wait(lambda: "feed_learned" in self.journal(), 20,
             "the first poll", step=0.1)
        blank = self.picture("package-before.png")
        self.publish("Xi, Putin Hold Video Call: Chinese State Media")
        wait(lambda: self.alerts(log), 20, "the alert", step=0.1)
        wait(lambda: self.picture("package-desktop.png") > blank + 10, 20,
             "something on the screen", step=0.3)
        self.inside(f"{manager} reload feedwatch && {manager} restart feedwatch")
        self.assertEqual(self.inside(active).strip(), "active")
        self.assertEqual(len(self.alerts(log)), 1)
        self.inside(f"{manager} disable --now feedwatch")

    def picture(self, name):
        """Save what is on the screen inside; returns how many colours it has."""
        screen = Screen.__new__(Screen)
        screen.file = os.path.join(bench.LOGS, name + ".xwd")
        os.makedirs(bench.LOGS, exist_ok=True)
        done = subprocess.run([HOST, "exec", "cat", "/home/reader/Xvfb_screen0"],
                              capture_output=True, check=True)
        with open(screen.file, "wb") as file:
            file.write(done.stdout)
        screen.save(os.path.join(bench.LOGS, name))
        colours = screen.colours()
        os.unlink(screen.file)
        return colours


if __name__ == "__main__":
    bench.main()
