#!/usr/bin/env python3
"""Where the time of an item goes: one poll of many feeds, counted by callgrind.

    tests/bench/profile.py BUILD [--feeds 100]

Cycles as in peers.py: cold (all 40 items of each feed are new), unchanged (304), one (one of 40 is
new, and alerts).  Instructions are those of the program and its libraries, without the kernel's; they
do not depend on what else the machine does.  CPU, user and system, is that of the same cycle without
callgrind.  A stage is the cost of its functions with all they call, less the stages within it."""
import argparse
import os
import re
import shutil
import subprocess
import sys

import lab
import peers

# Stage: (functions with all that they call, what of that is a stage of its own).  FILE:FUNCTION.
BODY = "net/fetch_transfer.c:on_body"
ITEM = ("flow/poller_job.c:on_item", "feed/feed_xml_known.c:is_known")
IDENTITY = ("store/seen_print.c:seen_print", "store/seen.c:seen_judge",
            "store/seen_window.c:seen_window_new", "store/seen_window.c:seen_window_pack")
FOLD = ("rule/match_item.c:item_read",)
MATCH = ("rule/match.c:match_item",)
HIT = ("flow/poller_job.c:on_hit",)
KEEP = ("store/history.c:history_put",)
PACK = ("store/history.c:history_pack",)
COMMIT = ("store/store.c:store_commit",)
PARSE = ("feed/feed_parse.c:feed_parse_push",)
POLLER, WRITER = ("flow/poller.c:run",), ("flow/writer.c:run",)
DISPATCH, MAIN = ("flow/pipeline.c:pipeline_run",), ("cmd/cmd_run.c:cmd_run",)
STAGES = (
    ("poll: libcurl, hosts, when", POLLER, (BODY,)),
    ("parse: charset, XML, items", (BODY,), ITEM),
    ("identity: is it new?", (*ITEM, *IDENTITY[2:]), (*MATCH, *KEEP)),
    ("fold: words of an item", FOLD, ()),
    ("match: 101 rules", MATCH, (*FOLD, *HIT)),
    ("hit: the alert's record", HIT, ()),
    ("history: kept for trying rules", (*KEEP, *PACK), ()),
    ("commit: SQLite", COMMIT, ()),
    ("writer: gate, batches", WRITER, (*COMMIT, *PACK)),
    ("deliver: the alert log", DISPATCH, ()),
)


def annotated(path):
    """({FILE:FUNCTION: instructions with all that it calls}, those of the whole program)"""
    out = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--auto=no", "--threshold=100",
                          path], capture_output=True, text=True, check=True).stdout
    costs, total = {}, 0
    for line in out.splitlines():
        if (m := re.match(r"\s*([\d,]+) \(.*PROGRAM TOTALS", line)):
            total = int(m.group(1).replace(",", ""))
        m = re.match(r"\s*([\d,]+) \([ \d.]+%\)\s+\S*?daemon/(\S+\.c):(\w+)(\S*)", line)
        if m and "'" not in m.group(4):  # a name with ' is a call within itself
            name = f"{m.group(2)}:{m.group(3)}"
            costs[name] = max(costs.get(name, 0), int(m.group(1).replace(",", "")))
    return costs, total


def stages(costs, total, feeds):
    """[(stage, instructions a feed)], and the rest: what a start costs, once."""
    def of(names):
        return sum(costs.get(n, 0) for n in names)
    rows = [(name, max(0, of(plus) - of(minus)) / feeds) for name, plus, minus in STAGES]
    # What a job does outside of its document counts as polling, but its window was identity.
    rows[0] = (rows[0][0], max(0, rows[0][1] - of(IDENTITY[2:]) / feeds))
    return rows, total - of((*POLLER, *WRITER, *DISPATCH)), of(MAIN) - of(DISPATCH)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build")
    parser.add_argument("--feeds", type=int, default=100)
    o = parser.parse_args()
    if not shutil.which("callgrind_annotate"):
        lab.fail("needs valgrind: apt-get install valgrind")
    lab.raise_files()
    publisher, kept = lab.Publisher(o.build), os.path.join(o.build, "profile")
    os.makedirs(kept, exist_ok=True)
    print(f"{o.feeds} feeds of 50 kB and 40 items; {lab.machine()}, load {os.getloadavg()[0]:.0f}")
    table, heads = {}, []
    try:
        with lab.folder("plain") as plain, lab.folder("counted") as counted:
            runs = [(home, peers.Feedwatch(o.build, home,
                                           [publisher.url(i) for i in range(o.feeds)], 0))
                    for home in (plain, counted)]
            for cycle in peers.CYCLES:
                path = os.path.abspath(os.path.join(kept, f"callgrind.{cycle}"))
                publisher.set("latency 0")
                publisher.set(f"base {1 if cycle == 'one' else 0}")
                costs = []
                for (home, subject), before in zip(runs, ([], [
                        "valgrind", "--quiet", "--tool=callgrind",
                        f"--callgrind-out-file={path}"])):
                    publisher.set("reset")
                    log = os.path.join(home, "output")
                    costs.append(lab.run(before + subject.cycle(cycle), lab.clean_env(home), home,
                                         log))
                    if costs[-1].status != 0:
                        with open(log, encoding="utf-8", errors="replace") as file:
                            lab.fail(file.read()[-600:])
                rows, start, ours = stages(*annotated(path), o.feeds)
                whole = sum(n for _, n in rows)
                heads.append(f"{cycle} | %")
                for name, n in rows:
                    table.setdefault(name, []).append(f"{n / 1000:.0f} | {100 * n / whole:.0f}")
                table.setdefault("all of these", []).append(f"{whole / 1000:.0f} | 100")
                table.setdefault("beside: a start, once", []).append(f"{start / 1000:.0f} | ")
                table.setdefault("... of it our own", []).append(f"{ours / 1000:.0f} | ")
                table.setdefault("CPU ms a feed, the start included", []).append(
                    f"{costs[0].cpu * 1000 / o.feeds:.2f} | ")
    finally:
        publisher.stop()
    print("\nThousand instructions a feed (without the kernel's):\n\n| stage | " + " | ".join(heads)
          + " |\n|---|" + "--:|--:|" * len(heads))
    for name, cells in table.items():
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\nBy function: callgrind_annotate --inclusive=yes {kept}/callgrind.one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
