#!/usr/bin/env python3
"""Asks which pairs of items of the recorded histories count as one story and compares with the
labels of tests/data/stories.tsv.

    tests/stories.py BUILD       ends with 1 when precision is below 0.98

The data comes from $FEEDWATCH_SHARED (default ../shared); without it this says SKIP."""
import json
import os
import subprocess
import sys

from history import unpack

LABELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "stories.tsv")
PRECISION = 0.98


def items_of(build, polls, feed, poll):
    """The items of one recorded document by id, else link, else title."""
    out = subprocess.run([os.path.join(build, "feedwatch"), "parse", os.path.join(polls, feed, poll)],
                         capture_output=True, text=True, check=False).stdout
    found = {}
    for line in out.splitlines():
        item = json.loads(line)
        if "title" in item and "summary" in item:
            key = item["id"] or item["link"] or item["title"]
            found.setdefault(key.strip(), item)
    return found


def text_of(item):
    parts = (item["title"], (item["summary"] or item["content"] or "")[:2000], item["link"])
    return "\t".join(" ".join((part or "").split()) for part in parts)


def main():
    build = sys.argv[1]
    polls = unpack(build)
    if not polls:
        print("SKIP: no recorded histories (FEEDWATCH_SHARED)")
        return 0
    with open(LABELS, encoding="utf-8") as file:
        pairs = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    documents, lines = {}, []
    for pair in pairs:
        texts = []
        for feed, poll, key in (pair[0:3], pair[3:6]):
            if (feed, poll) not in documents:
                documents[feed, poll] = items_of(build, polls, feed, poll)
            texts.append(text_of(documents[feed, poll][key]))
        lines.append("\t".join(texts))
    answers = subprocess.run([os.path.join(build, "tests", "story_same")], check=True, text=True,
                             input="\n".join(lines) + "\n", capture_output=True).stdout.splitlines()
    same = [(answer[0] == "1", pair[6] == "1") for answer, pair in zip(answers, pairs)]
    right, taken = same.count((True, True)), sum(s for s, _ in same)
    wanted = sum(w for _, w in same)
    for (said, is_one), pair in zip(same, pairs):
        if said and not is_one:
            print("wrong:", *pair[:6])
    precision = right / taken if taken else 0
    print(f"score story: {len(pairs)} pairs, precision {precision:.3f}, "
          f"recall {right / wanted:.3f} ({right} of {wanted})")
    return 0 if precision >= PRECISION else 1


if __name__ == "__main__":
    sys.exit(main())
