#!/usr/bin/env python3
"""make install and uninstall, the service units, and a make that finds nothing installed."""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import bench

FOLDER = os.path.dirname(bench.BIN)  # the build folder


def make(*arguments, **more):
    return subprocess.run(["make", "-s", f"B={os.path.relpath(FOLDER, bench.TOP)}", *arguments],
                          cwd=bench.TOP, capture_output=True, text=True, check=False, **more)


def files_in(folder):
    return sorted(os.path.relpath(os.path.join(d, name), folder)
                  for d, _, names in os.walk(folder) for name in names)


class Root(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="feedwatch-install.")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)

    def make(self, target, *arguments):
        # -o: the program is there, and this is no test of the compiler's flags
        done = make("-o", f"{os.path.relpath(FOLDER, bench.TOP)}/feedwatch", target, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done


class Install(Root):
    def pages(self, prefix):
        return [f"{prefix}/share/man/man{page[-1]}/{os.path.basename(page)}"
                for page in glob.glob(os.path.join(bench.TOP, "man/*.[1-8]"))]

    def test_files_of_install_and_uninstall(self):
        self.make("install", f"DESTDIR={self.root}")
        self.assertEqual(files_in(self.root), sorted([
            "etc/feedwatch/feedwatch.ini", "etc/logrotate.d/feedwatch",
            "usr/local/bin/feedwatch",
            "usr/local/lib/systemd/catalog/feedwatch.catalog",
            "usr/local/lib/systemd/system/feedwatch.service",
            "usr/local/lib/systemd/user/feedwatch.service",
            "usr/local/share/bash-completion/completions/feedwatch",
            "usr/local/share/zsh/site-functions/_feedwatch",
            "usr/local/share/doc/feedwatch/examples/credentials.conf",
            "usr/local/share/doc/feedwatch/examples/public-network-only.conf",
            *self.pages("usr/local")]))
        self.make("uninstall", f"DESTDIR={self.root}")
        self.assertEqual(files_in(self.root), [])
        self.assertFalse(os.path.exists(f"{self.root}/etc/feedwatch"))

    def test_prefix(self):
        self.make("install", f"DESTDIR={self.root}", "PREFIX=/usr", "SYSCONFDIR=/conf")
        for kind in ("system", "user"):
            with open(f"{self.root}/usr/lib/systemd/{kind}/feedwatch.service",
                      encoding="utf-8") as unit:
                text = unit.read()
            self.assertIn("\nExecStart=/usr/bin/feedwatch run -c ", text)
            self.assertNotIn("/usr/local", text)
            self.assertEqual("/conf/feedwatch/feedwatch.ini" in text, kind == "system")
        self.make("uninstall", f"DESTDIR={self.root}", "PREFIX=/usr", "SYSCONFDIR=/conf")
        self.assertEqual(files_in(self.root), [])

    def test_settings_of_the_user_stay(self):
        paths = ["etc/feedwatch/feedwatch.ini", "etc/logrotate.d/feedwatch"]
        for path in paths:
            os.makedirs(os.path.dirname(f"{self.root}/{path}"))
            with open(f"{self.root}/{path}", "w", encoding="utf-8") as file:
                file.write("# mine\n")
        self.make("install", f"DESTDIR={self.root}")
        self.make("uninstall", f"DESTDIR={self.root}")
        self.assertEqual(files_in(self.root), paths)
        for path in paths:
            with open(f"{self.root}/{path}", encoding="utf-8") as file:
                self.assertEqual(file.read(), "# mine\n")

    def test_shipped_config_is_good(self):
        self.make("install", f"DESTDIR={self.root}")
        done = subprocess.run([bench.BIN, "check", "-c", f"{self.root}/etc/feedwatch/feedwatch.ini"],
                              capture_output=True, text=True, check=False,
                              env=os.environ | {"HOME": self.root})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not there")
class Units(Root):
    def setUp(self):
        super().setUp()
        self.make("install", f"PREFIX={self.root}/usr", f"SYSCONFDIR={self.root}/etc")
        self.system = f"{self.root}/usr/lib/systemd/system/feedwatch.service"
        self.user = f"{self.root}/usr/lib/systemd/user/feedwatch.service"

    def analyze(self, *arguments):
        return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True,
                              env=os.environ | {"XDG_RUNTIME_DIR": self.root,
                                                "SYSTEMD_LOG_LEVEL": "warning"}, check=False)

    def test_o7_verify(self):
        for arguments in ((self.system,), ("--user", self.user)):
            done = self.analyze("verify", "--man=no", *arguments)
            said = [line for line in done.stderr.splitlines() if "feedwatch" in line]
            self.assertEqual((done.returncode, said), (0, []), done.stderr)

    def test_o7_exposure_of_the_system_unit(self):
        done = self.analyze("security", "--offline=yes", "--threshold=11", self.system)
        self.assertEqual(done.returncode, 0, done.stdout[-300:] + done.stderr)

    def test_o7_exposure_with_the_network_closed_to_private_addresses(self):
        os.mkdir(self.system + ".d")
        shutil.copy(os.path.join(bench.TOP, "systemd/examples/public-network-only.conf"),
                    self.system + ".d")
        done = self.analyze("security", "--offline=yes", "--threshold=10", self.system)
        self.assertEqual(done.returncode, 0, done.stdout[-300:] + done.stderr)

    def test_o7_exposure_of_the_user_unit(self):
        done = self.analyze("security", "--offline=yes", "--threshold=27", self.user)
        self.assertEqual(done.returncode, 0, done.stdout[-300:] + done.stderr)


class Completion(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="feedwatch-completion.")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        os.symlink(bench.BIN, f"{self.root}/feedwatch")
        for name in ("a.ini", "b.txt"):
            with open(f"{self.root}/{name}", "w", encoding="utf-8"):
                pass
        self.env = os.environ | {"PATH": f"{self.root}:{os.environ['PATH']}"}

    def bash(self, *words):
        """What pressing Tab behind `words` offers."""
        script = """source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
                    _feedwatch; printf '%s\\n' "${COMPREPLY[@]}" """
        done = subprocess.run(
            ["bash", "--norc", "-c", script, "bash",
             os.path.join(bench.TOP, "conf/completion/feedwatch.bash"), "feedwatch", *words],
            cwd=self.root, env=self.env, capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def commands(self):
        out = subprocess.run([bench.BIN, "--help"], capture_output=True, text=True, check=True)
        return re.findall(r"^  ([a-z]+) ", out.stdout, re.M)

    def test_bash_knows_every_command_and_option(self):
        self.assertGreaterEqual(len(self.commands()), 5)
        self.assertEqual(sorted(self.bash("")), sorted([*self.commands(), "--help", "--version"]))
        self.assertEqual(self.bash("ru"), ["run"])
        self.assertEqual(self.bash("run", "--log-level", "d"), ["debug"])
        for command in self.commands():
            help_ = subprocess.run([bench.BIN, command, "--help"], capture_output=True, text=True,
                                   check=True).stdout
            want = set(re.findall(r"^ {2,6}(--[a-z-]+)|^ {2,6}-., (--[a-z-]+)", help_, re.M))
            self.assertTrue(want, command)
            have = self.bash(command, "--")
            self.assertEqual(sorted(have), sorted(a or b for a, b in want), command)

    def test_bash_completes_files(self):
        self.assertEqual(self.bash("run", "-c", ""), ["a.ini"])
        self.assertEqual(sorted(self.bash("parse", "")), ["a.ini", "b.txt", "feedwatch"])

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not there")
    def test_zsh(self):
        # the completion system's own functions, played: each says what it was given
        script = """
            compdef() { :; }
            _describe() { print -l -- ${(P)@[-1]%%:*} }
            compadd() { shift; print -l -- "$@" }
            _files() { print files "$@" }
            words=("${@[2,-1]}"); CURRENT=$#words; PREFIX=$words[CURRENT]
            source "$1" """
        def zsh(*words):
            done = subprocess.run(
                ["zsh", "-f", "-c", script, "zsh",
                 os.path.join(bench.TOP, "conf/completion/_feedwatch"), "feedwatch", *words],
                cwd=self.root, env=self.env, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return done.stdout.split("\n")[:-1]
        self.assertEqual(zsh(""), self.commands())
        self.assertEqual(zsh("run", "-c", ""), ["files -g *.ini"])
        self.assertEqual(zsh("parse", ""), ["files"])
        self.assertIn("--once", zsh("run", "--"))
        self.assertIn("-c", zsh("run", "-"))


class Manual(unittest.TestCase):
    ORDINARY = {"started", "stopping", "stopped", "reloaded", "feed_learned", "feed_changed",
                "fetched", "config_hint"}

    def test_says_what_each_event_of_the_log_means(self):
        with open(os.path.join(bench.TOP, "man/feedwatch.1"), encoding="utf-8") as file:
            manual = file.read()
        events = set()
        for path in glob.glob(os.path.join(bench.TOP, "daemon/**/*.c"), recursive=True):
            with open(path, encoding="utf-8") as file:
                events |= set(re.findall(r'log_event\([^";]*?"([a-z]+(?:_[a-z]+)*)"', file.read()))
        self.assertGreater(len(events), 20)
        missing = [e for e in sorted(events - self.ORDINARY)
                   if not re.search(rf"^\.(It|Ql|Cm|Pq|Ic) .*\b{e}\b", manual, re.M)]
        self.assertEqual(missing, [])

    def test_the_examples_of_the_config_are_good(self):
        with open(os.path.join(bench.TOP, "man/feedwatch.ini.5"), encoding="utf-8") as file:
            part = file.read().split(".Sh EXAMPLES")[1].split(".Sh ")[0]
        examples = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", part, re.M | re.S)
        self.assertGreaterEqual(len(examples), 2)
        for text in examples:
            with tempfile.NamedTemporaryFile("w", suffix=".ini", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                done = subprocess.run([bench.BIN, "check", "-c", file.name], check=False,
                                      capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            self.assertIn(" 0 warnings", done.stdout)


class Make(unittest.TestCase):
    def test_reads_without_pkg_config_and_compiler(self):
        for target in ("demo", "test", "install"):
            done = make("-n", target, "PKG_CONFIG=/nowhere/pkg-config", "CC=/nowhere/cc",
                        "PYTHON=/nowhere/python3")
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_help_names_the_targets(self):
        out = make("help").stdout
        for target in ("make demo", "make test", "make install"):
            self.assertIn(target, out)

    def test_no_paths_of_a_machine_and_no_tabs_in_python(self):
        for path in glob.glob(os.path.join(bench.TOP, "tests/**/*.py"), recursive=True):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            self.assertIsNone(re.search(r"/work/\w", text), path)
            self.assertNotIn("\t", text, path)


if __name__ == "__main__":
    bench.main()
