"""What the benchmarks in Python share: the publisher, programs run and measured, the vocabulary."""
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SYLLABLES = ("ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu bra cle dri flo gru pla "
             "sne spi sto tru sha che").split()
WORDS = 20000


def word(rank):
    """As put_word() of publisher.c makes it."""
    out = ""
    for _ in range(3):
        out += SYLLABLES[rank % 32]
        rank //= 32
    return out


def drawn_word(rng, skip=400):
    """By its frequency in the documents; the commonest, which nobody watches, are left out."""
    while (rank := int(WORDS ** rng.random()) - 1) < skip:
        pass
    return word(rank)


def rules(n, seed=1):
    """Rules as people write them; hardly any of them matches."""
    rng = random.Random(seed)
    shapes = ["{} AND {}", '"{} {}"', "{} NEAR/5 {}", "({} OR {}) AND {}", "{} AND {} AND NOT {}",
              "title:{} AND {}"]
    for i in range(n):
        shape = shapes[i % len(shapes)]
        yield shape.format(*(drawn_word(rng) for _ in range(shape.count("{}"))))


def machine():
    """A line about the machine, without its name."""
    model, pages = "?", os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/etc/os-release", encoding="utf-8") as file:
        system = dict(line.strip().split("=", 1) for line in file if "=" in line)
    return (f"{len(os.sched_getaffinity(0))} cores ({model}), {pages / 2**30:.0f} GiB, "
            f"{system.get('PRETTY_NAME', '?').strip(chr(34))}, Linux "
            f"{platform.release().split('-')[0]}")


class Publisher:
    """build/bench/publisher; every feed has a host of its own, 127.x.y.z."""

    def __init__(self, build):
        self._process = subprocess.Popen([os.path.join(build, "bench", "publisher")],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())

    def url(self, feed):
        n = feed + 1
        return f"http://127.{1 + (n >> 16)}.{n >> 8 & 255}.{n & 255}:{self.port}/{feed}"

    def say(self, command):
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def set(self, command):
        answer = self.say(command)
        assert answer == "ok\n", answer

    def stats(self):
        return {k: int(v) for k, v in (f.split("=") for f in self.say("stats").split())}

    def sent(self):
        """{(feed, item): time in ns of CLOCK_MONOTONIC}"""
        out, line = {}, self.say("sent")
        while line != "end\n":
            feed, item, ns = line.split()
            out[int(feed), int(item)] = int(ns)
            line = self._process.stdout.readline()
        return out

    def stop(self):
        self._process.stdin.close()
        self._process.wait()


def family(pid):
    """A process and all below it."""
    out, todo = [], [pid]
    while todo:
        pid = todo.pop()
        out.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    todo += [int(c) for c in file.read().split()]
        except OSError:
            pass
    return out


def memory_kb(pid):
    """What a process and all below it hold, shared pages counted once between them."""
    total = 0
    for member in family(pid):
        try:
            with open(f"/proc/{member}/smaps_rollup", encoding="ascii") as file:
                for line in file:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
                        break
        except OSError:
            pass
    return total


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


class Cost:
    """Of one run: wall and CPU in s, peak memory in kB; rss: the kernel's peak of the greatest
    process, libraries that all share included."""

    def __init__(self, wall, cpu, memory, status, rss=0):
        self.wall, self.cpu, self.memory, self.status, self.rss = wall, cpu, memory, status, rss


def run(argv, env=None, cwd=None, log=None, seconds=1800):
    """Run a program to its end.  CPU is that of it and all its children; memory is the peak of
    their sum, pages that are shared with others counted in proportion, looked at every 20 ms."""
    with open(log or os.devnull, "ab") as out:
        begin = time.monotonic()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                 cwd=cwd)
    peak, ended = [0], threading.Event()

    def look():
        while not ended.wait(0.02):
            peak[0] = max(peak[0], memory_kb(child.pid))
    watcher = threading.Thread(target=look)
    watcher.start()
    killer = threading.Timer(seconds, child.kill)
    killer.start()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.monotonic() - begin
    killer.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    ended.set()
    watcher.join()
    return Cost(wall, used.ru_utime + used.ru_stime, peak[0], child.returncode, used.ru_maxrss)


def wait(condition, seconds):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            fail(f"something did not happen within {seconds:g} s")
        time.sleep(0.05)


class Daemon:
    """A program that runs on."""

    def __init__(self, argv, home, **env):
        self.log_path = os.path.join(home, "stderr")
        with open(self.log_path, "ab") as err:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                                            env=clean_env(home, **env))

    def cpu(self):
        """In s, of all its threads, to the nanosecond."""
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def figures(self, publisher, seconds):
        """(what it costs during so many seconds, what was asked for in that time)"""
        if self.process.poll() is not None:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                fail(f"ended with {self.process.returncode}: {file.read()[-600:]}")
        publisher.set("reset")
        begin, cpu, served = time.monotonic(), self.cpu(), publisher.stats()["cpu_us"]
        peak, until = 0, begin + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
            peak = max(peak, memory_kb(self.process.pid))
        asked, took, cpu = publisher.stats(), time.monotonic() - begin, self.cpu() - cpu
        asked["cpu_us"] -= served
        return Cost(took, cpu, peak, 0, resident_kb(self.process.pid)), asked

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def raise_files():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def clean_env(home, **more):
    """An environment in which nothing of the user's is found, and no proxy."""
    return {"HOME": home, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "dumb",
            "TMPDIR": home, **more}


def feedwatch_config(folder, feeds, watches, general=""):
    """Write folder/feedwatch.ini; feeds: URLs, watches: lines of [watchlist] or whole sections."""
    path = os.path.join(folder, "feedwatch.ini")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[feedwatch]\nstate = {folder}/state\nlog = {folder}/alerts.log\n"
                   "log_format = json\ndesktop = no\nallow_private = yes\nhost_interval = 0\n"
                   f"{general}\n[feeds]\n")
        for i, url in enumerate(feeds):
            file.write(f"feed{i} = {url}\n")
        file.write(watches)
    return path


def folder(prefix):
    """A private folder that goes away with its `with`; FEEDWATCH_BENCH_DIR says where."""
    return tempfile.TemporaryDirectory(prefix=f"feedwatch-{prefix}.",
                                       dir=os.environ.get("FEEDWATCH_BENCH_DIR"))


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(1)
