"""Adds up what the map steps counted: every input is one part."""

import collections
import json
import os
import sys


def main():
    folder = os.environ["HIVE_INPUTS_DIR"]
    totals = {"parts": 0, "files": 0, "words": 0}
    counts = collections.Counter()
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            part = json.load(file)
        totals["parts"] += 1
        totals["files"] += part["files"]
        totals["words"] += part["words"]
        counts.update(part["counts"])
    if sum(counts.values()) != totals["words"]:
        sys.exit("the counts do not add up to the words")
    json.dump({**totals, "counts": counts}, sys.stdout, sort_keys=True)


main()
