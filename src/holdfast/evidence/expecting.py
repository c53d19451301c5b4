"""What the epochs say there should be."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from holdfast.database import execute, stream
from holdfast.dialects.evidence import KINDS, Evidence, Kind
from holdfast.evidence.leaves import LEAF, SALT, Ranges, read, salt_of, sha256
from holdfast.evidence.results import Finding


@dataclass(slots=True)
class Sealed:
    """What an epoch says of its members of one kind."""

    number: int
    kind: Kind
    leaves: bytes
    seed: bytes | None
    salts: bytes | None
    skipped: int
    """How many leaves come before those of this kind."""
    broken: bool

    def leaf(self, place: int) -> bytes:
        start = (self.skipped + place) * LEAF
        return self.leaves[start : start + LEAF]

    def salt(self, number: int, place: int) -> bytes:
        if self.seed is not None:
            return salt_of(self.seed, self.kind, number)
        start = (self.skipped + place) * SALT
        return (self.salts or b"")[start : start + SALT]

    def lacks_salt(self, place: int) -> bool:
        return self.seed is None and not any(self.salt(0, place))


class Expected:
    """The members that the epochs have; an epoch that cannot be compared any more is told once."""

    def __init__(self, connection: Connection, evidence: Evidence, add: Callable[[Finding], None]) -> None:
        self._connection, self._evidence, self._add = connection, evidence, add
        self._broken: set[int] = set()

    def broken(self, number: int, kind: str, message: str) -> None:
        self._broken.add(number)
        self._add(Finding(kind, message.format(number), epoch=number))

    def members(self, kind: Kind) -> Iterator[tuple[int, int, int, Sealed]]:
        """first, last, place of the first, epoch: by their first number, though epochs overlap."""
        heap: list[tuple[int, int, int, int, Ranges, int, Sealed]] = []

        def pop() -> tuple[int, int, int, Sealed]:
            first, _, last, place, ranges, index, epoch = heapq.heappop(heap)
            push(ranges, index + 1, place + last - first + 1, epoch)
            return first, last, place, epoch

        def push(ranges: Ranges, index: int, place: int, epoch: Sealed) -> None:
            if index < len(ranges):
                first, last = ranges[index]
                heapq.heappush(heap, (first, epoch.number, last, place, ranges, index, epoch))

        for row in stream(self._connection, self._evidence.ranges(kind)):
            ranges = read(row.ranges)
            while heap and ranges and heap[0][0] < ranges[0][0]:
                yield pop()
            push(ranges, 0, 0, self._open(row.number, kind))
        while heap:
            yield pop()

    def _open(self, number: int, kind: Kind) -> Sealed:
        [row] = execute(self._connection, self._evidence.large(number))
        counts = [sum(last - first + 1 for first, last in read(getattr(row, f"{each}s"))) for each in KINDS]
        leaves, salts = bytes(row.leaves), None if row.salts is None else bytes(row.salts)
        seed = None if row.seed is None else bytes(row.seed)
        if number in self._broken:
            pass
        elif sha256(leaves) != bytes(row.root) or len(leaves) != LEAF * sum(counts):
            self.broken(number, "epoch rewritten", "The list of digests in epoch {} was rewritten.")
        elif (seed is not None and sha256(b"seed", seed) != bytes(row.seed_digest)) or (
            salts is not None and (seed is not None or len(salts) != SALT * sum(counts))
        ):
            said = "The salts of epoch {} were changed: its digests can no longer be compared"
            self.broken(number, "salts changed", f"{said} with what is in the journal.")
        skipped = sum(counts[: KINDS.index(kind)])
        return Sealed(number, kind, leaves, seed, salts, skipped, number in self._broken)
