"""History that goes, kept in files: a gzip file of JSON lines for each part of the journal, complete or not there."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from holdfast.errors import UnsupportedError
from holdfast.files import durable, sync
from holdfast.timeline import readable

_ENDING = ".jsonl.gz"
_BLOCK = 4096


class Numbers:
    """A set of numbers of which many are neighbours: a bit for each."""

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}

    def add(self, number: int) -> None:
        block = self._blocks.setdefault(number // _BLOCK, bytearray(_BLOCK // 8))
        block[number % _BLOCK // 8] |= 1 << number % 8

    def update(self, other: Numbers) -> None:
        for place, block in other._blocks.items():
            mine = self._blocks.setdefault(place, bytearray(_BLOCK // 8))
            mine[:] = bytes(a | b for a, b in zip(mine, block, strict=True))

    def __contains__(self, number: int) -> bool:
        block = self._blocks.get(number // _BLOCK)
        return block is not None and bool(block[number % _BLOCK // 8] & 1 << number % 8)


class Exports:
    """The files of one part of the journal in a directory; each change is in one of them, once.

    HF423 where a file there is of another journal, or damaged.
    """

    def __init__(self, directory: Path, journal: str, part: str) -> None:
        self.directory = directory
        self.journal = journal
        self.part = part
        self.there = Numbers()
        """The changes that are in the files."""
        directory.mkdir(parents=True, exist_ok=True)
        for path in self._paths():
            for number in self._read(path):
                self.there.add(number)

    def write(self, lines: Iterable[str]) -> Path | None:
        """Writes those of the changes that are in no file yet into a new one; None where there are none.

        The file gets its name when all of it is on the disk and has been read back.
        """
        waiting = self.directory / f".{self.part}{_ENDING}.part"
        written = Numbers()
        count = 0
        with durable(waiting) as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
            packed.write(f"{json.dumps({'holdfast': 1, 'journal': self.journal, 'part': self.part})}\n".encode())
            for line in lines:
                number = _number(line)
                if number in self.there or number in written:
                    continue
                # A line break within a document can only be white space.
                line = readable(line.replace("\n", " ").replace("\r", " "), in_json=True)
                packed.write(line.encode() + b"\n")
                written.add(number)
                count += 1
        if not count:
            waiting.unlink()
            return None
        found = 0
        for number in self._read(waiting):
            found += 1
            if number not in written:
                raise self._damaged(waiting)
        if found != count:
            raise self._damaged(waiting)
        path = self._free_name()
        waiting.rename(path)
        sync(self.directory)
        self.there.update(written)
        return path

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob(f"{self.part}.*{_ENDING}"))

    def _free_name(self) -> Path:
        number = 1
        while (path := self.directory / f"{self.part}.{number}{_ENDING}").exists():
            number += 1
        return path

    def _read(self, path: Path) -> Iterable[int]:
        try:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                head = json.loads(file.readline())
                if head.get("journal") != self.journal:
                    raise UnsupportedError(
                        "HF423",
                        f"{path} was exported from another journal ({head.get('journal')}).",
                        "Give each database a directory of its own.",
                    )
                for line in file:
                    yield _number(line)
        except (OSError, EOFError, ValueError, AttributeError, zlib.error) as error:
            raise self._damaged(path) from error

    def _damaged(self, path: Path) -> UnsupportedError:
        return UnsupportedError(
            "HF423",
            f"{path} is not a whole export of this journal.",
            "Nothing was removed. Look at the disk, move the file away, and run the command again.",
        )


def _number(line: str) -> int:
    """The change's id, which stands first."""
    return int(line.partition(":")[2].partition(",")[0])
