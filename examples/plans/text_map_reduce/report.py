"""Prints the most frequent words of what reduce.py added up."""

import json
import os
import sys

BAR_LETTERS = 40


def main():
    with open(os.path.join(os.environ["HIVE_INPUTS_DIR"], "reduce"), encoding="utf-8") as file:
        totals = json.load(file)
    counts = totals["counts"]
    print(f"{totals['words']} words, {len(counts)} different ones, in {totals['files']} files ({totals['parts']} parts)")
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: int(sys.argv[1])]
    for word, count in top:
        print(f"{count:8}  {word:16} {'#' * max(1, count * BAR_LETTERS // top[0][1])}")


main()
