"""Writes the text files below the working folder as N lists of like total size, in JSON."""

import json
import os
import sys

SUFFIXES = (".cpp", ".hpp", ".proto", ".md", ".py", ".txt", ".yaml", ".toml", ".cmake")
SKIPPED_FOLDERS_BEGIN = (".", "build", "hive-data")
FILE_BYTES_MAX = 1 << 20


def text_files():
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(name for name in folders if not name.startswith(SKIPPED_FOLDERS_BEGIN))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(SUFFIXES) and os.path.getsize(path) <= FILE_BYTES_MAX:
                yield os.path.getsize(path), path


def main():
    part_count = int(sys.argv[1])
    parts = [{"bytes": 0, "files": []} for _ in range(part_count)]
    for size, path in sorted(text_files(), reverse=True):
        smallest = min(parts, key=lambda part: part["bytes"])
        smallest["bytes"] += size
        smallest["files"].append(path)
    if not parts[0]["files"]:
        sys.exit("there is no text file below " + os.getcwd())
    print(f"{sum(len(part['files']) for part in parts)} files in {part_count} parts", file=sys.stderr)
    json.dump(parts, sys.stdout)


main()
