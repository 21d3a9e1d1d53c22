#!/usr/bin/env python3
"""Replays the recorded histories of real feeds through parser and window and compares what is
new in each poll with what was recorded (by id, else link, else title).

    tests/history.py BUILD [FEED...]     ends with 1 when there is an unexplained difference

The data comes from $FEEDWATCH_SHARED (default ../shared); without it this says SKIP."""
import json
import os
import subprocess
import sys

# Items that were recorded as new and that we hold to be known: feed, poll, end of the id, why.
JUDGEMENT = {
    ("nytimes", "026.xml", "health/coronavirus-flu-season-deaths.html"):
        "the item of poll 025 under another address: title, lead and date are the same",
    ("nytimes", "038.xml", "us/coronavirus-workplaces-midwest.html"):
        "the item of poll 025, moved from us/politics to us: title, lead and date are the same",
}


def unpack(build):
    """The folder of the unpacked data, or None when there is none to unpack."""
    tool = os.path.join(os.environ.get("FEEDWATCH_SHARED", "../shared"), "tools", "unpack")
    place = os.path.join(build, "shared")
    if not os.path.exists(tool):
        return None
    subprocess.run([tool, place], check=True)
    return os.path.join(place, "polls")


def recorded(folder):
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
        polls = json.load(file)
    return {(poll["file"], (item.get("id") or item.get("link") or item["title"]).strip())
            for poll in polls for item in poll["new"]}


def replayed(build, folder, *options):
    files = sorted(os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".xml"))
    out = subprocess.run([os.path.join(build, "tests", "replay"), *options, *files], check=True,
                         capture_output=True, text=True).stdout
    new = []
    for line in out.splitlines():
        name, verdict, item, link, title = line.split("\t")
        if verdict.lstrip("?") == "new":
            new.append((name, (item or link or title).strip()))
    return new


def judged(feed, poll, key):
    return any((f, p) == (feed, poll) and key.endswith(end) for f, p, end in JUDGEMENT)


def compare(build, polls, feed):
    """The numbers of items recorded, of judgements, and of unexplained differences."""
    want = recorded(os.path.join(polls, feed))
    bad = explained = 0
    for options in ((), ("-n",)):
        got = replayed(build, os.path.join(polls, feed), *options)
        missing = want - set(got)
        explained = sum(judged(feed, *m) for m in missing)
        wrong = [("missing", m) for m in missing if not judged(feed, *m)]
        wrong += [("not recorded", g) for g in set(got) - want]
        wrong += [("twice", g) for g in set(got) if got.count(g) > 1]
        for what, (poll, key) in sorted(wrong):
            print(f"{feed} {poll}: {what}: {key}")
        bad += len(wrong)
    return len(want), explained, bad


def main():
    build = sys.argv[1]
    polls = unpack(build)
    if not polls:
        print("SKIP: no recorded histories (FEEDWATCH_SHARED)")
        return 0
    results = [compare(build, polls, f) for f in sys.argv[2:] or sorted(os.listdir(polls))]
    items, explained, bad = (sum(column) for column in zip(*results))
    print(f"score history: {items} new items in {len(results)} feeds, {bad} differences, "
          f"{explained} judgements")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
