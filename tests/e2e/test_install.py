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
            "etc/feedwatch/feedwatch.ini", "usr/local/bin/feedwatch",
            "usr/local/lib/systemd/catalog/feedwatch.catalog",
            "usr/local/lib/systemd/system/feedwatch.service",
            "usr/local/lib/systemd/user/feedwatch.service", *self.pages("usr/local")]))
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

    def test_config_of_the_user_stays(self):
        config = f"{self.root}/etc/feedwatch/feedwatch.ini"
        os.makedirs(os.path.dirname(config))
        with open(config, "w", encoding="utf-8") as file:
            file.write("[feeds]\n")
        self.make("install", f"DESTDIR={self.root}")
        self.make("uninstall", f"DESTDIR={self.root}")
        self.assertEqual(files_in(self.root), ["etc/feedwatch/feedwatch.ini"])
        with open(config, encoding="utf-8") as file:
            self.assertEqual(file.read(), "[feeds]\n")

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

    def test_verify(self):
        for arguments in ((self.system,), ("--user", self.user)):
            done = self.analyze("verify", "--man=no", *arguments)
            said = [line for line in done.stderr.splitlines() if "feedwatch" in line]
            self.assertEqual((done.returncode, said), (0, []), done.stderr)

    def test_exposure_of_the_system_unit(self):
        done = self.analyze("security", "--offline=yes", "--threshold=11", self.system)
        self.assertEqual(done.returncode, 0, done.stdout[-300:] + done.stderr)

    def test_exposure_of_the_user_unit(self):
        done = self.analyze("security", "--offline=yes", "--threshold=40", self.user)
        self.assertEqual(done.returncode, 0, done.stdout[-300:] + done.stderr)


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
