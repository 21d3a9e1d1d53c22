#!/usr/bin/env python3
"""O8: whole files of these tests once more, with a daemon that sees a read-only machine (but for
/tmp), has no capability and can gain none: what it needs beyond that would fail here."""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import unittest

import bench

FILES = ("test_record", "test_sink_atom", "test_sink_command", "test_sink_log", "test_signals",
         "test_status")
BOX = """#!/bin/sh
exec unshare --mount --propagation private -- sh -euc '
    mount --bind /tmp /tmp
    mount --bind "$(dirname "$0")" "$(dirname "$0")"
    mount -o remount,bind,ro "$(dirname "$0")"
    mount -o remount,bind,ro /
    exec setpriv --bounding-set -all --inh-caps -all --no-new-privs "$0" "$@"
' {} "$@"
"""


class Sandbox(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if "asan" in bench.BIN or "tsan" in bench.BIN:
            raise unittest.SkipTest("these files run under the sanitizers already, and what "
                                    "they find does not hang on a read-only machine")
        cls.folder = tempfile.TemporaryDirectory(prefix="feedwatch-box.")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.box = os.path.join(cls.folder.name, os.path.basename(os.path.dirname(bench.BIN)))
        with open(cls.box, "w", encoding="utf-8") as file:
            file.write(BOX.format(bench.BIN))
        os.chmod(cls.box, 0o755)
        probe = subprocess.run([cls.box, "--version"], check=False, capture_output=True, text=True)
        if probe.returncode:
            raise unittest.SkipTest("no namespaces here: " + probe.stderr.strip())
        pool = concurrent.futures.ThreadPoolExecutor(3)  # they wait more than they work
        cls.addClassCleanup(pool.shutdown, cancel_futures=True)
        cls.reruns = {name: pool.submit(cls.run_in_box, name) for name in FILES}

    def test_o8_the_box_is_closed(self):
        with open(self.box, encoding="utf-8") as file:
            script = file.read().replace(bench.BIN, "/bin/sh")
        probe = subprocess.run(
            ["sh", "-c", script, "sh", "-c", "touch /var/x /etc/x /root/x; id -u; grep Cap "
             "/proc/self/status"], check=False, capture_output=True, text=True)
        self.assertEqual(probe.stderr.count("Read-only file system"), 3, probe.stderr)
        self.assertRegex(probe.stdout, r"CapBnd:\s+0{16}\n")
        self.assertRegex(probe.stdout, r"CapEff:\s+0{16}\n")

    @classmethod
    def run_in_box(cls, name):
        return subprocess.run([sys.executable, os.path.join(bench.HERE, name + ".py")],
                              env=os.environ | {"FEEDWATCH_BIN": cls.box}, check=False,
                              capture_output=True, text=True, timeout=800)

    def rerun(self, name):
        done = self.reruns[name].result()
        self.assertEqual(done.returncode, 0, done.stderr[-6000:])
        ran = re.search(r"^Ran (\d+) tests?", done.stderr, re.M)
        print(f"{ran.group(1)} tests ... ", end="", file=sys.stderr)


for one in FILES:
    setattr(Sandbox, f"test_o8_{one[5:]}", lambda self, name=one: self.rerun(name))

if __name__ == "__main__":
    bench.main()
