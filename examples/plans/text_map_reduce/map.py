"""Counts the words of one part of what split.py wrote; writes {"files", "words", "counts"} in JSON."""

import collections
import json
import os
import re
import sys

WORD = re.compile(r"[a-z]{3,}")


def main():
    with open(os.path.join(os.environ["HIVE_INPUTS_DIR"], "split"), encoding="utf-8") as file:
        part = json.load(file)[int(sys.argv[1])]
    counts = collections.Counter()
    for path in part["files"]:
        with open(path, encoding="utf-8", errors="replace") as file:
            counts.update(WORD.findall(file.read().lower()))
        print(path, file=sys.stderr)
    json.dump({"files": len(part["files"]), "words": sum(counts.values()), "counts": counts}, sys.stdout, sort_keys=True)


main()
