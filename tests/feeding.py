"""A consumer as a program of its own, which can be killed at any moment, and what it has written down by then.

Run as a program it forks one consumer after the other, each at once: for each line of its input it waits for the end of
the last one and starts the next.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from holdfast.consumer import Consumer
from holdfast.database import Database
from holdfast.errors import LockedError
from holdfast.feed_cursor import position_of
from holdfast.feed_page import Batch

LIMIT = 150
NAME = "index"


def noted(batch: Batch) -> list[dict[str, Any]]:
    return [
        {**change.as_json(), "id": change.id, "order": list(position_of(cursor).order)}
        for change, cursor in zip(batch.changes, batch.cursors(), strict=True)
    ]


def consume(url: str, path: str) -> None:
    """Writes every change to the file, and says that it is done, until it is killed."""
    database = Database(url)
    with Path(path).open("a") as lines:
        # The last line of the life before may be cut.
        lines.write("\n\n")
        lines.flush()
        while True:
            try:
                with Consumer(database, NAME, limit=LIMIT) as consumer:
                    for batch in consumer.batches(wait=0.02):
                        for each in noted(batch):
                            lines.write(json.dumps(each, default=str) + "\n")
                        lines.flush()
                        batch.acknowledge()
            except LockedError:
                # The server has not noticed yet that the one before is dead.
                continue


class Consumers(AbstractContextManager["Consumers"]):
    """One after the other, all under one name."""

    def __init__(self, url: str, path: Path) -> None:
        self.path = path
        self.path.touch()
        self.killed = 0
        self._pid = 0
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.feeding", url, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        self.start()

    def start(self) -> None:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write("\n")
        self._program.stdin.flush()
        ended, pid = self._program.stdout.readline().split()
        assert int(ended) in (0, -signal.SIGKILL), "it had ended by itself"
        self._pid = int(pid)

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self.killed += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.communicate()

    def written(self) -> int:
        return self.path.stat().st_size

    def lives(self) -> list[list[dict[str, Any]]]:
        """What each wrote until it was killed, without the line that was cut: that comes again."""
        found: list[list[dict[str, Any]]] = []
        for life in self.path.read_text().split("\n\n"):
            found.append([])
            for line in life.splitlines():
                try:
                    found[-1].append(json.loads(line))
                except ValueError:
                    assert not line.endswith("}")
        return found


def main(url: str, path: str) -> None:
    child, ended = 0, 0
    for _ in sys.stdin:
        if child:
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        child = os.fork()
        if not child:
            consume(url, path)
        print(ended, child, flush=True)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
