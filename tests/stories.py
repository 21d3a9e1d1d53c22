#!/usr/bin/env python3
"""Asks which pairs of real items count as one story, and compares with the labels of
tests/data/stories.tsv, which says how they came about.

    tests/stories.py BUILD       ends with 1 when precision is below 0.98 somewhere

Three parts: the recorded histories, of which all pairs of items of different feeds at most a day
apart are judged (one that counts as the same and has no label is wrong); other real feeds, in the
same way; and, marked as synthetic, recorded items as syndication changes them.  The time of an item
is what its feed says, since the histories do not say when each was fetched.  The data comes from
$FEEDWATCH_SHARED (default ../shared); without it this says SKIP."""
import datetime
import glob
import hashlib
import json
import math
import os
import random
import re
import subprocess
import sys

from history import unpack

LABELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "stories.tsv")
PRECISION = 0.98
LOOSE = 340   # how much less likeness is tried
SPARE = 100   # when the rule is settled: how much more than the least that is right
DAY = 86400
SOURCES = ("The Daily Example", "Example News", "Reuters", "AP")


def short(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def seconds(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()) if text else None


def items_of(build, root, paths):
    """The items of all documents that say a time, each as it was seen first."""
    requests = "".join(json.dumps({"path": os.path.join(root, path)}) + "\n" for path in paths)
    out = subprocess.run([os.path.join(build, "feedwatch"), "parse", "--batch"], input=requests,
                         capture_output=True, text=True, check=False).stdout
    found, at = {}, 0
    for line in out.splitlines():
        item = json.loads(line)
        if "end" in item:
            at += 1
        elif "title" in item and "summary" in item:
            feed = os.path.dirname(paths[at]) if paths[at].startswith("polls/") else paths[at]
            key = feed, short((item["id"] or item["link"] or item["title"] or "").strip())
            when = seconds(item["published"] or item["updated"])
            if when is not None:
                found.setdefault(key, (feed, when, plain(item["title"]),
                                       plain(item["summary"] or item["content"])[:2000], plain(item["link"])))
    return found


def plain(text):
    return " ".join((text or "").split())


def fields(item):
    return "\t".join(str(part) for part in item)


def ask(build, lines, *options):
    return subprocess.run([os.path.join(build, "tests", "story_same"), *options], check=True, text=True,
                          input="\n".join(lines) + "\n", capture_output=True).stdout.splitlines()


def labels():
    pairs = {}
    with open(LABELS, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                a_feed, a, b_feed, b, label, _ = line.split("\t")
                pairs[frozenset(((a_feed, a), (b_feed, b)))] = label
    return pairs


def score(name, taken, right, wanted, what):
    precision = right / taken if taken else 0
    z, n = 1.96, taken or 1  # Wilson's interval, 95 %
    middle, half = precision + z * z / 2 / n, z * math.sqrt(precision * (1 - precision) / n + z * z / 4 / n / n)
    print(f"score story {name}: {what}; {taken} taken, {right} right: precision {precision:.3f} "
          f"({(middle - half) / (1 + z * z / n):.3f}-{(middle + half) / (1 + z * z / n):.3f}), "
          f"recall {right / (wanted or 1):.3f} ({right} of {wanted})")
    return precision >= PRECISION


def is_copy(a, b):
    """Of two files of the same feed, saved twice, or a page that two feeds list."""
    def stem(path):
        return re.sub(r"[_-]?20\d\d-.*|\.xml$|(large)_(atom|rss).*", "", os.path.basename(path))
    return a[0].startswith("open/") and stem(a[0]) == stem(b[0]) or (a[4] and a[2::2] == b[2::2])


def margins(build, items, *options):
    """The pairs that count as one story, with by how much they do."""
    order = list(items)
    answers = ask(build, [fields((key[0][-79:], *items[key][1:])) for key in order], "-a", *options)
    pairs = [(order[int(a)], order[int(b)], int(more)) for a, b, more in (line.split() for line in answers)]
    return [pair for pair in pairs if not is_copy(items[pair[0]], items[pair[1]])]


def of_these(items, labelled):
    return {pair: label for pair, label in labelled.items() if all(key in items for key in pair)}


def wanted_of(items, labels_here):
    return sum(label == "1" and abs(items[min(pair)][1] - items[max(pair)][1]) <= DAY
               for pair, label in labels_here.items())


def real(build, name, items, labelled):
    taken, mine = margins(build, items), of_these(items, labelled)
    for a, b, _ in taken:
        label = mine.get(frozenset((a, b)))
        if label != "1":
            print(f"  {'not labelled' if label is None else 'wrong'}: {a} {items[a][2]} | {b} {items[b][2]}")
    right = sum(mine.get(frozenset(pair[:2])) == "1" for pair in taken)
    counts = [sum(label == which for label in mine.values()) for which in "10?"]
    return score(name, len(taken), right, wanted_of(items, mine), f"{len(items)} items, {counts[0]} pairs labelled "
                 f"as one story, {counts[1]} as two, {counts[2]} undecided")


def settled(pairs):
    """The least likeness, seen from the present one, above which all of `pairs` are right, and SPARE more."""
    wrong = [more for more, right in pairs if not right]
    return max(wrong, default=-LOOSE) + 1 + SPARE


def halves(build, items, labelled):
    """The rule as it would be had only one half been seen, tried on the other."""
    mine = of_these(items, labelled)
    pairs = [(frozenset((a, b)), more) for a, b, more in margins(build, items, str(LOOSE)) if more < 10000]
    parts = {"days": lambda pair: min(items[key][1] for key in pair) // DAY % 2,
             "feeds": lambda pair: any(key[0] == "polls/bbc" for key in pair)}
    good = True
    for name, half in parts.items():
        taken = right = wanted = 0
        at = []
        for which in (0, 1):
            seen = [(more, mine.get(pair) == "1") for pair, more in pairs if half(pair) != which]
            least = settled(seen)
            others = [mine.get(pair) == "1" for pair, more in pairs if half(pair) == which and more >= least]
            at.append(f"{least:+d}")
            taken, right = taken + len(others), right + sum(others)
            wanted += wanted_of(items, {pair: label for pair, label in mine.items() if half(pair) == which})
        good &= score(f"halves by {name}", taken, right, wanted, f"settled at {' and '.join(at)} on the other half")
    return good


# --- synthetic ---

def retold(item, rand):
    """The item as another site would carry it: some of what syndication does to it."""
    feed, when, title, lead, link = item
    source = rand.choice(SOURCES)
    changes = {
        "source behind": lambda: (f"{title} - {source}", lead, ""),
        "source before": lambda: (f"{source}: {title}", lead, ""),
        "breaking": lambda: (f"BREAKING: {title}", lead, ""),
        "capitals": lambda: (title.upper(), lead, ""),
        "dateline": lambda: (title, f"LONDON ({source}) - {lead}", ""),
        "lead cut": lambda: (title, lead[:len(lead) // 2].rsplit(" ", 1)[0] + "...", ""),
        "lead longer": lambda: (title, f"{lead} Read the full story on our site. Sign up for our newsletter.", ""),
        "word lost": lambda: (" ".join(w for i, w in enumerate(title.split()) if i != len(title.split()) // 2),
                              lead, ""),
        "tracking link": lambda: (f"See also: {title[:20]}", "", link + ("&" if "?" in link else "?")
                                  + "utm_source=partner&utm_medium=rss&fbclid=abc#ref=rss"),
    }
    kind = rand.choice(sorted(changes))
    return kind, ("synthetic", when + rand.randrange(4 * 3600), *changes[kind]())


def other_figures(item, rand):
    """The next item of a series: the same words and other figures."""
    feed, when, title, lead, _ = item
    def other(match):
        return str(int(match[0]) + rand.randrange(1, 9))
    return "other figures", ("synthetic", when + rand.randrange(4 * 3600, DAY), re.sub(r"\b\d{1,6}\b", other, title),
                             re.sub(r"\b\d{1,6}\b", other, lead), "")


def synthetic(build, items):
    rand = random.Random(1)
    texts = [item for _, item in sorted(items.items()) if len(item[2].split()) >= 5 and len(item[3]) > 60 and item[4]]
    pairs = [(item, 1, *retold(item, rand)) for item in rand.sample(texts, 600)]
    numbered = [item for item in texts if re.search(r"\b\d{1,6}\b", item[2])]
    pairs += [(item, 0, *other_figures(item, rand)) for item in rand.sample(numbered, 150)]
    pairs += [(item, 0, "another item", other) for item, other in
              zip(rand.sample(texts, 1000), rand.sample(texts, 1000)) if item[0] != other[0]]
    answers = ask(build, [fields(a[1:]) + "\t" + fields(b[1:]) for a, _, _, b in pairs])
    same = [line[0] == "1" for line in answers]
    for kind in sorted({pair[2] for pair in pairs}):
        of = [s for s, pair in zip(same, pairs) if pair[2] == kind]
        print(f"  {kind}: {sum(of)} of {len(of)} are one story")
    return score("synthetic", sum(same), sum(s and p[1] for s, p in zip(same, pairs)), sum(p[1] for p in pairs),
                 f"{len(pairs)} pairs")


def main():
    build = sys.argv[1]
    polls = unpack(build)
    if not polls:
        print("SKIP: no recorded histories (FEEDWATCH_SHARED)")
        return 0
    root, labelled = os.path.dirname(polls), labels()
    def paths(pattern):
        return sorted(os.path.relpath(path, root) for path in glob.glob(os.path.join(root, pattern)))
    histories = items_of(build, root, paths("polls/*/*.xml"))
    good = [real(build, "histories", histories, labelled), halves(build, histories, labelled),
            real(build, "other feeds", items_of(build, root, paths("open/real-*/*.xml")), labelled),
            synthetic(build, histories)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
