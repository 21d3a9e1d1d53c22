"""What the black-box tests share: a daemon in a folder of its own, its alert log, waiting for
conditions.  FEEDWATCH_BIN names the program (build/feedwatch), FEEDWATCH_SLOW a factor for the
time limits (sanitizer builds), FEEDWATCH_LOGS where to keep what a failed test left."""
import datetime
import itertools
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests"))
from origin import PATIENCE, Held, Item, Origin, item_xml, rss_head  # noqa: E402,F401

# A test run in the background of a shell is started with SIGINT ignored, and so would all that
# it starts be.
signal.signal(signal.SIGINT, signal.default_int_handler)
BIN = os.path.abspath(os.environ.get("FEEDWATCH_BIN", os.path.join(TOP, "build", "feedwatch")))
SANITIZED = "asan" in BIN or "tsan" in BIN  # takes more memory; other libraries load after it
SLOW = float(os.environ.get("FEEDWATCH_SLOW", "1"))
LOGS = os.path.abspath(os.environ.get("FEEDWATCH_LOGS",
                                      os.path.join(TOP, "build", "test-logs")))
SANITIZER = re.compile(rb"((Address|Leak|Thread)Sanitizer|UndefinedBehavior|runtime error:)")


def wait(condition, seconds=10.0, what="condition", step=0.002):
    """Wait until `condition()` is true and return what it gave.  To be found when something
    never comes; what has to come in time is measured by took()."""
    seconds *= SLOW * PATIENCE
    until = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(step)
    return value


class Stalls:
    """When this machine kept waiting a thread that only sleeps, and now and then syncs a file:
    no program that shares it can be in time then."""
    STEP, LEAST, SYNC_EVERY = 0.02, 0.05, 25

    def __init__(self):
        self.spans, self.at = [], None  # (begin, end) of the late ones; of the step that goes on

    def watch(self):
        if self.at is None:
            self.at = time.monotonic()
            threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with tempfile.TemporaryFile(prefix="feedwatch-test.") as file:
            for n in itertools.count():
                self.at = time.monotonic()
                time.sleep(self.STEP)
                if n % self.SYNC_EVERY == 0:
                    os.pwrite(file.fileno(), b"x", 0)
                    os.fsync(file.fileno())
                self._add(self.spans, time.monotonic())

    def _add(self, spans, now):
        if self.at is not None and now - self.at > self.LEAST:
            spans.append((self.at + self.STEP, now))

    def within(self, begin, end):
        """The seconds of all stalls between the two."""
        spans = list(self.spans)
        self._add(spans, time.monotonic())
        return sum(max(0, min(end, b) - max(begin, a)) for a, b in spans)


STALLS = Stalls()


def took(begin, end=None):
    """Seconds from `begin` until now (or `end`), as an upper limit has them: without those in
    which the machine stood still, and only the share that one of so many running programs gets."""
    end = time.monotonic() if end is None else end
    share = min(1, (os.cpu_count() or 1) / max(0.01, os.getloadavg()[0]))
    return (end - begin - STALLS.within(begin, end)) * share


def serve_sockets(test, one):
    """A server on the loopback until the test ends: one(sock) gets each connection, one after
    the other.  Returns the port."""
    listen = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            try:
                sock, _ = listen.accept()
            except OSError:
                return
            try:
                with sock:
                    one(sock)
            except OSError:
                pass
    threading.Thread(target=run, daemon=True).start()
    test.addCleanup(listen.close)
    return listen.getsockname()[1]


def answer_tls(context, sock, body):
    """One request over TLS, whatever it asks for, is answered by `body`."""
    with context.wrap_socket(sock, server_side=True) as tls:
        tls.recv(65536)
        tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                    % len(body) + body)


def alerts_in(path):
    """The records of a JSON alert log; a last line without its end is left out."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in data[:data.rfind(b"\n") + 1].split(b"\n")[:-1]]


class NotifySocket:
    """Plays systemd: collects what the daemon sends to NOTIFY_SOCKET, as it comes."""

    def __init__(self, path):
        self.path, self.messages = path, []  # (time, text)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(path)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                text = self._sock.recv(4096).decode()
            except OSError:
                return
            if text == "end of test":
                return
            self.messages.append((time.monotonic(), text))

    def fields(self):
        """All 'NAME=value' lines so far, in order."""
        return [line for _, text in list(self.messages) for line in text.split("\n") if line]

    def count(self, field):
        return self.fields().count(field)

    def drain(self):
        """Until all that was sent before has been read, too."""
        mark = f"mark {time.monotonic()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(mark.encode(), self.path)
        wait(lambda: self.count(mark), 10, "the messages")

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end of test", self.path)  # wakes the reader
        self._sock.close()
        os.unlink(self.path)


class Daemon:
    """One feedwatch in its own folder; start() returns when it says READY."""

    def __init__(self, folder, config, env=None):
        self.folder = folder
        self.config = os.path.join(folder, "feedwatch.ini")
        self.state = os.path.join(folder, "state")
        self.log = os.path.join(folder, "alerts.log")
        self.env, self.runs, self.process, self.notify = env or {}, 0, None, None
        self.program = BIN
        self.write(config)

    def write(self, config):
        """The config file: [feedwatch] with what every test needs, then `config`."""
        general = (f"[feedwatch]\nstate = {self.state}\nlog = {self.log}\nlog_format = json\n"
                   "desktop = no\nallow_private = yes\nmin_interval = 1s\ninterval = 1s\n"
                   "host_interval = 0\n")
        if config.startswith("[feedwatch]\n"):  # the test's own general keys win
            own = config.split("\n[", 1)[0][len("[feedwatch]\n"):]
            keys = {line.split("=")[0].strip() for line in own.split("\n") if "=" in line}
            general = "\n".join(line for line in general.split("\n")
                                if line.split("=")[0].strip() not in keys)
            config = general + config[len("[feedwatch]\n"):]
        else:
            config = general + config
        with open(self.config + ".new", "w", encoding="utf-8") as file:
            file.write(config)
        os.replace(self.config + ".new", self.config)

    def _environment(self):
        env = {k: v for k, v in os.environ.items()
               if k not in ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "NOTIFY_SOCKET",
                            "XDG_RUNTIME_DIR", "STATE_DIRECTORY", "LOGS_DIRECTORY")
               and not k.lower().endswith("_proxy")}
        env.update(HOME=self.folder, **self.env)
        return env

    def spawn(self, *args, **more):
        """Run `feedwatch ARGS` with the test's environment and stderr in the folder."""
        self.runs += 1
        self.stderr_path = os.path.join(self.folder, f"stderr.{self.runs}")
        with open(self.stderr_path, "wb") as err:
            return subprocess.Popen([self.program, *args], env=self._environment() | more.pop("env", {}),
                                    cwd=self.folder, stdin=subprocess.DEVNULL, stderr=err,
                                    start_new_session=True, **more)

    def start(self, *args, seconds=10):
        if self.notify:
            self.notify.close()
        self.notify = NotifySocket(os.path.join(self.folder, "notify"))
        self.process = self.spawn("run", "-c", self.config, *args,
                                  env={"NOTIFY_SOCKET": self.notify.path})
        wait(lambda: self._alive() and self.notify.count("READY=1"), seconds, "READY=1")
        return self

    def once(self, *args, seconds=20):
        """feedwatch run --once; returns the exit status."""
        process = self.spawn("run", "-c", self.config, "--once", *args)
        try:
            return process.wait(seconds * SLOW * PATIENCE)
        finally:
            self._end(process)

    def command(self, *args):
        """A short command; returns (exit status, stdout, stderr) as text."""
        process = self.spawn(*args, stdout=subprocess.PIPE)
        try:
            out, _ = process.communicate(timeout=20 * SLOW * PATIENCE)
        finally:
            self._end(process)
        return process.returncode, out.decode(), self.stderr()

    def _alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"daemon ended with {self.process.returncode}:\n{self.stderr()}")
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()

    def hup(self):
        self.process.send_signal(signal.SIGHUP)

    def reload(self, seconds=10):
        """SIGHUP, and wait until the reload is over."""
        ready = self.notify.count("READY=1")
        self.hup()
        wait(lambda: self._alive() and self.notify.count("READY=1") > ready, seconds,
             "READY=1 after SIGHUP")

    def stop(self, seconds=2):
        """SIGTERM; returns the seconds it took; checks the exit status."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds * SLOW + 10)
        except subprocess.TimeoutExpired:
            self.kill()
        seconds = took(begin)
        if self.process.returncode != 0:
            raise AssertionError(f"exit status {self.process.returncode} after SIGTERM:\n"
                                 + self.stderr())
        return seconds

    def alerts(self):
        return alerts_in(self.log)

    def titles(self):
        return [a["title"] for a in self.alerts()]

    def stderr(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _end(self, process):
        if process.poll() is None:
            process.kill()
            process.wait()

    def close(self):
        if self.process:
            self._end(self.process)
        if self.notify:
            self.notify.close()

    def sanitizer_reports(self):
        found = []
        for run in range(1, self.runs + 1):
            with open(os.path.join(self.folder, f"stderr.{run}"), "rb") as file:
                text = file.read()
            if SANITIZER.search(text):
                found.append(text.decode(errors="replace"))
        return found


class Test(unittest.TestCase):
    """A test with an origin and a folder; both end with it."""
    maxDiff = None

    def setUp(self):
        STALLS.watch()
        self.folder = tempfile.mkdtemp(prefix="feedwatch-test.")
        self.origin = Origin()
        self.daemons = []

    def tearDown(self):
        for daemon in self.daemons:
            daemon.close()
        self.origin.stop()
        reports = [r for d in self.daemons for r in d.sanitizer_reports()]
        if reports:
            self.fail("sanitizer report:\n" + reports[0])

    def run(self, result=None):
        """Runs the test; keeps the folder of a failed one among the logs."""
        def bad():
            return len(result.failures) + len(result.errors)
        before, self.folder = bad(), None
        super().run(result)
        if not self.folder:
            return
        if bad() > before:
            keep = os.path.join(LOGS, "failed", self.id())
            shutil.rmtree(keep, ignore_errors=True)
            shutil.copytree(self.folder, keep, ignore=shutil.ignore_patterns("notify", "bus"))
            print(f"kept for a look: {keep}", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def daemon(self, config, folder=None, env=None):
        """A daemon, not yet started, with `config` (feed URLs as {/path})."""
        folder = os.path.join(self.folder, folder) if folder else self.folder
        os.makedirs(folder, exist_ok=True)
        d = Daemon(folder, self.config(config), env)
        self.daemons.append(d)
        return d

    def config(self, text):
        return re.sub(r"\{(/[^}]*)\}", lambda m: self.origin.url(m.group(1)), text)

    def learnt(self, *feeds, seconds=15):
        """Wait until the daemon knows the feeds: each was fetched whole, then asked again with
        its validator."""
        for feed in feeds:
            self.origin.wait(lambda f=feed: f.requests(status=304), seconds * SLOW,
                             f"second poll of {feed.path}")

    def polled_again(self, feed, seconds=10):
        """Wait until all of the feed, as it is now, has been read and judged."""
        version = feed.version
        served = self.origin.wait(lambda: feed.first_served(version), seconds * SLOW,
                                  f"poll of {feed.path}")
        self.origin.wait(lambda: [r for r in feed.requests(status=304) if r.time > served.done],
                         seconds * SLOW, f"poll after the change of {feed.path}")

    # What `feedwatch status` and the store say of a feed; NAME unless another is named.
    NAME = "news"

    def status(self, daemon, name=None):
        running = daemon.stderr_path
        code, out, err = daemon.command("status", "-c", daemon.config, "--json", "--feed",
                                        name or self.NAME)
        daemon.stderr_path = running
        self.assertEqual(code, 0, err)
        found = json.loads(out)["feeds"]
        self.assertEqual(len(found), 1)
        return found[0]

    def until_next(self, daemon, name=None):
        """Seconds from the last poll to the next, and why."""
        s = self.status(daemon, name)
        at = [datetime.datetime.fromisoformat(s[k].replace("Z", "+00:00"))
              for k in ("last_poll", "next_poll")]
        return (at[1] - at[0]).total_seconds(), s["next_why"]

    def polled(self, daemon, name=None, polls=1, seconds=10):
        """Wait until so many polls are in the store; returns the feed's row."""
        return wait(lambda: (row := self.stored(daemon, name)) and row["polls"] >= polls and row,
                    seconds, f"poll {polls} of {name or self.NAME}", 0.05)

    def stored(self, daemon, name=None):
        path = os.path.join(daemon.state, "feedwatch.db")
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            db.row_factory = sqlite3.Row
            return db.execute("SELECT * FROM feed WHERE name = ?",
                              (name or self.NAME,)).fetchone()
        finally:
            db.close()

    def alter(self, daemon, name=None, **columns):
        """Make the store of a stopped daemon say something else of the feeds whose names match
        (GLOB): as if time had passed."""
        db = sqlite3.connect(os.path.join(daemon.state, "feedwatch.db"))
        sets = ", ".join(f"{c} = {v}" for c, v in columns.items())
        db.execute(f"UPDATE feed SET {sets} WHERE name GLOB ?", (name or self.NAME,))
        db.commit()
        db.close()

    def expect_titles(self, daemon, titles, seconds=5):
        """Wait until as many alerts have come, then compare the lists."""
        try:
            wait(lambda: len(daemon.titles()) >= len(titles), seconds)
        except AssertionError:
            pass
        self.assertEqual(daemon.titles(), list(titles))


def main():
    if not os.access(BIN, os.X_OK):
        sys.exit(f"{BIN} is not there; run make first")
    unittest.main(verbosity=2)
