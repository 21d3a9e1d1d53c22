#!/usr/bin/env python3
"""How cost grows with size, and a drawing of it.

    tests/bench/curve.py BUILD [--only feeds,rules,seen,alerts] [--quick] [--svg FILE]

feeds: CPU per feed of one cycle over 1,000 to 100,000 feeds (10 items, 6 kB), cold and unchanged.
rules: CPU per item of matching against 10 to 1,000,000 rules (bench_match, on real items).
seen: CPU per changed feed while the store knows 100,000 to 10,000,000 items.
alerts: CPU per alert, and from the wire to the durable line, at 1 to 5,000 alerts a second.
Figures go to BUILD/curve.json, so that parts can be measured one by one; the drawing has all."""
import argparse
import json
import math
import os
import sqlite3
import subprocess
import sys

import lab
import latency

WATCH = "[watchlist]\nsummit = Putin AND Xi\n"


def once(build, home, log="output"):
    argv = [os.path.abspath(os.path.join(build, "feedwatch")), "run", "--once", "-c",
            os.path.join(home, "feedwatch.ini"), "--log-level", "warn"]
    cost = lab.run(argv, lab.clean_env(home), home, os.path.join(home, log))
    if cost.status != 0:
        with open(os.path.join(home, log), encoding="utf-8", errors="replace") as file:
            lab.fail(f"ended with {cost.status}: {file.read()[-600:]}")
    return cost


def feeds(build, quick):
    """[feeds, CPU us/feed cold, CPU us/feed unchanged, MB of the unchanged, its wall s]"""
    out = []
    print("\n| feeds | cold: CPU us/feed | unchanged: CPU us/feed | wall s | MB | bytes for one more |\n"
          "|--:|--:|--:|--:|--:|--:|")
    for n in (100, 1000) if quick else (1000, 10000, 100000):
        publisher = lab.Publisher(build)
        try:
            publisher.set("shape 10 6000")
            with lab.folder("curve") as home:
                lab.feedwatch_config(home, [publisher.url(i) for i in range(n)], WATCH,
                                     "interval = 1h\n")
                cold, same = once(build, home), once(build, home)
        finally:
            publisher.stop()
        out.append([n, cold.cpu * 1e6 / n, same.cpu * 1e6 / n, same.memory / 1024, same.wall])
        more = "" if len(out) < 2 else round((out[-1][3] - out[-2][3]) * 2**20
                                             / (n - out[-2][0]))
        print(f"| {n} | {out[-1][1]:.0f} | {out[-1][2]:.0f} | {same.wall:.1f} | "
              f"{same.memory / 1024:.0f} | {more} |", flush=True)
    return out


def rules(build, quick):
    """[rules, us/item, bytes/rule, ms to compile]"""
    out = []
    program = os.path.join(build, "bench", "bench_match")
    data = os.path.join(build, "shared", "polls")
    if not os.access(program, os.X_OK) or not os.path.isdir(data):
        print("\nrules: NOT MEASURED, there is no bench_match or no test data; make bench-match")
        return out
    print("\n| rules | us/item | bytes/rule | ms to compile |\n|--:|--:|--:|--:|")
    for n in (10, 1000) if quick else (10, 1000, 10000, 100000, 1000000):
        text = subprocess.run([program, data, str(n), "natural"], capture_output=True, text=True,
                              check=True).stdout
        head = next(line for line in text.splitlines() if line.strip().startswith("rules"))
        row = next(line for line in text.splitlines() if line.split()[:1] == [str(n)])
        cells = [float(c) if c.replace(".", "").isdigit() else c for c in row.split()]
        assert "us/item" in head and cells[1] == "natural"
        out.append([n, cells[2], cells[10], cells[11]])
        print(f"| {n} | {cells[2]:.2f} | {cells[10]:.0f} | {cells[11]:.0f} |", flush=True)
    return out


def seen(build, quick):
    """[items that the store knows, CPU us per changed feed, wall s, MB of the store]"""
    out, polled = [], 200 if quick else 1000
    print(f"\n| seen items | changed: CPU us/feed, of {polled} feeds | MB | store MB |\n"
          "|--:|--:|--:|--:|")
    for n in (20000, 200000) if quick else (100000, 1000000, 10000000):
        publisher = lab.Publisher(build)
        try:
            publisher.set("shape 100 60000")
            with lab.folder("curve") as home:
                lab.feedwatch_config(home, [publisher.url(i) for i in range(polled)], WATCH,
                                     "interval = 1h\n")
                once(build, home)
                store = os.path.join(home, "state", "feedwatch.db")
                crowd(store, n // 100 - polled)
                publisher.set("base 1")
                cost = once(build, home)
                size = os.path.getsize(store) / 1e6
        finally:
            publisher.stop()
        out.append([n, cost.cpu * 1e6 / polled, cost.memory / 1024, size])
        print(f"| {n} | {out[-1][1]:.0f} | {out[-1][2]:.0f} | {size:.0f} |", flush=True)
    return out


def crowd(store, n):
    """So many further feeds with windows of 100 items, as if they had been polled."""
    db = sqlite3.connect(store)
    packed = db.execute("SELECT packed FROM window LIMIT 1").fetchone()[0]
    columns = [r[1] for r in db.execute("PRAGMA table_info(feed)") if r[1] not in
               ("id", "name", "url")]
    row = db.execute(f"SELECT {', '.join(columns)} FROM feed LIMIT 1").fetchone()
    first = db.execute("SELECT max(id) FROM feed").fetchone()[0] + 1
    db.executemany(f"INSERT INTO feed (id, name, url, {', '.join(columns)}) VALUES (?, ?, ?"
                   + ", ?" * len(columns) + ")",
                   ((first + i, f"other{i}", f"http://127.200.0.1:9/{i}", *row)
                    for i in range(max(0, n))))
    db.executemany("INSERT INTO window VALUES (?, ?)",
                   ((first + i, packed) for i in range(max(0, n))))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def alerts(build, quick):
    """[alerts/s, alerts/s wanted, CPU us/alert, p50 ms, p99 ms]"""
    out = []
    print("\n| alerts/s wanted | alerts/s | CPU us/alert | p50 ms | p99 ms | CPU |\n"
          "|--:|--:|--:|--:|--:|--:|")
    plan = ((1, 1, 1), (10, 10, 1), (100, 100, 1), (1000, 100, 10), (5000, 100, 50))
    for want, n, step in plan[:3] if quick else plan:
        f = latency.changing(build, n, 100, 4 if quick else max(8, 40 // want), step,
                             (max(40, step + 10), 50000))
        out.append([f["alerts"], want, f["cpu_ms"] * 1000, f["p50"], f["p99"]])
        print(f"| {want} | {f['alerts']:.0f} | {f['cpu_ms'] * 1000:.0f} | {f['p50']:.1f} | "
              f"{f['p99']:.1f} | {100 * f['cpu']:.0f} % |", flush=True)
    return out


# ---- the drawing

PANELS = [
    ("feeds", "feeds in one cycle", "CPU µs per feed", [(1, "cold"), (2, "unchanged")]),
    ("rules", "rules", "µs per item", [(1, "match one item")]),
    ("seen", "items that the store knows", "CPU µs per changed feed", [(1, "100 items, 60 kB")]),
    ("alerts", "alerts a second", "CPU µs per alert", [(2, "poll, judge, commit, write")]),
]
INK, COLOURS = "#445", ("#0b6", "#c40")
W, H, LEFT, TOP, RIGHT, BOTTOM = 380, 250, 56, 34, 16, 44


def short(v):
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if v >= size:
            return f"{v / size:.3g}{unit}"
    return f"{v:.3g}"


def decades(values):
    return (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) - 1e-9))


def panel(x0, y0, title, unit, lines, rows):
    lo_x, hi_x = decades([r[0] for r in rows])
    lo_y, hi_y = decades([r[k] for r in rows for k, _ in lines if r[k] > 0])
    hi_x, hi_y = max(hi_x, lo_x + 1), max(hi_y, lo_y + 1)

    def at(x, y):
        fx = (math.log10(x) - lo_x) / (hi_x - lo_x)
        fy = (math.log10(max(y, 10 ** lo_y)) - lo_y) / (hi_y - lo_y)
        return (x0 + LEFT + fx * (W - LEFT - RIGHT), y0 + H - BOTTOM - fy * (H - TOP - BOTTOM))
    out = [f'<text x="{x0 + LEFT}" y="{y0 + 16}" font-weight="bold">{unit}</text>',
           f'<text x="{x0 + (LEFT + W - RIGHT) / 2:.0f}" y="{y0 + H - 8}" '
           f'text-anchor="middle">{title}</text>']
    for d in range(lo_y, hi_y + 1):
        x, y = at(10 ** lo_x, 10 ** d)
        out.append(f'<path d="M{x:.1f} {y:.1f}H{x0 + W - RIGHT}" stroke="#ccd"/>'
                   f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{short(10 ** d)}</text>')
    for d in range(lo_x, hi_x + 1):
        x, y = at(10 ** d, 10 ** lo_y)
        out.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">'
                   f"{short(10 ** d)}</text>")
    for (k, name), colour in zip(lines, COLOURS):
        points = [at(r[0], r[k]) for r in rows]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                   + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>')
        for n, ((x, y), r) in enumerate(zip(points, rows)):
            anchor = "middle" if n else "start"  # not over the numbers of the axis
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
                       f'<text x="{x:.1f}" y="{y - 7:.1f}" text-anchor="{anchor}" fill="{colour}">'
                       f"{short(r[k])}</text>")
    for n, ((_, name), colour) in enumerate(zip(lines, COLOURS)):
        out.append(f'<text x="{x0 + W - RIGHT}" y="{y0 + 16 + 14 * n}" text-anchor="end" '
                   f'fill="{colour}">{name}</text>')
    return out


def draw(figures, path):
    there = [p for p in PANELS if figures.get(p[0])]
    height = H * ((len(there) + 1) // 2)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * W} {height}" '
           f'width="{2 * W}" height="{height}" font-family="sans-serif" font-size="11" '
           f'fill="{INK}">', f'<rect width="{2 * W}" height="{height}" fill="#fff"/>']
    for n, (name, title, unit, lines) in enumerate(there):
        out += panel(n % 2 * W, n // 2 * H, title, unit, lines, figures[name])
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*out, "</svg>", ""]))
    print(f"\ndrawn: {path}")


def main():
    parts = {"feeds": feeds, "rules": rules, "seen": seen, "alerts": alerts}
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build")
    parser.add_argument("--only", default=",".join(parts))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--svg", default="")
    o = parser.parse_args()
    lab.raise_files()
    kept = os.path.join(o.build, "curve.json")
    figures = {}
    if os.path.exists(kept) and not o.quick:
        with open(kept, encoding="ascii") as file:
            figures = json.load(file)
    print(lab.machine())
    for name in o.only.split(","):
        if name:
            figures[name] = parts[name](o.build, o.quick) or figures.get(name, [])
        if not o.quick:
            with open(kept, "w", encoding="ascii") as file:
                json.dump(figures, file)
    draw(figures, o.svg or os.path.join(o.build, "scale.svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
