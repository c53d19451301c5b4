"""One undo; prints its seconds, its rows, and the most memory that the process had."""

from __future__ import annotations

import json
import pathlib
import sys
import time

from holdfast import Database, undo


def main(url: str, transaction: str) -> None:
    started = time.perf_counter()
    undone = undo(Database(url), transaction)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "rows": undone.rows, "bytes": peak()}))


def peak() -> int:
    """The most memory that this program had; what getrusage says includes the program that started it."""
    for line in pathlib.Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not say how much memory a process used")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
