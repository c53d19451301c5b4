"""The change feed, its snapshots: what is committed in one and was not in the one before, and where to look for it.

Where to look is told by marks: (transaction, change), of which a batch makes one when it has been read. A change that
was visible had its number before it was asked which transaction would begin next, so that one and all after it have
higher numbers. A snapshot does not say it: its end is the last transaction that is over, and later ones may be running
that have written already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from holdfast.dialects.feed import EVERYTHING, Origin, Position


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is over: the transactions before ``xmax`` without those that were ``running``."""

    xmax: int = 0
    running: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        if not text:
            return cls()
        if text == EVERYTHING:
            return cls(2**64 - 1)
        _, xmax, running = text.split(":")
        return cls(int(xmax), frozenset(int(each) for each in running.split(",") if each))

    def covers(self, transaction: int) -> bool:
        """Whether this one and all before it are over."""
        return transaction < self.xmax and not any(each <= transaction for each in self.running)

    def ended_since(self, earlier: Self) -> frozenset[int]:
        """Of those that were running then."""
        return frozenset(each for each in earlier.running - self.running if each < self.xmax)


def not_in(snapshot: Snapshot) -> str:
    """A condition: it was not committed in the snapshot."""
    return f"(c.xid >= '{snapshot.xmax}'::xid8 or c.xid = any ({_xids(snapshot.running)}))"


def above(marks: Sequence[tuple[int, int]], transaction: int) -> int:
    """The changes of that transaction and of all later ones have higher numbers."""
    return max((change for begins, change in marks if begins <= transaction), default=0)


def worth_keeping(marks: Sequence[tuple[int, int]], done: Snapshot) -> tuple[tuple[int, int], ...]:
    """Those that say the most of what is not over yet, or may come to do so."""
    said = {above(marks, each) for each in (*done.running, done.xmax)}
    return tuple(each for each in marks if each[0] > done.xmax or each[1] in said)


def between(position: Position, origin: Origin) -> str:
    """A condition: the change is of that life, and was committed between the two snapshots."""
    life = f"c.id >= {origin.first} and c.id < {origin.end}"
    done, reading = Snapshot.parse(position.done), Snapshot.parse(position.reading or "")
    since = (
        f"c.xid >= '{done.xmax}'::xid8 and c.xid < '{reading.xmax}'::xid8 and c.xid <> all ({_xids(reading.running)})"
    )
    came = reading.ended_since(done)
    return f"{life} and ({since} or c.xid = any ({_xids(came)}))" if came else f"{life} and {since}"


def _xids(numbers: frozenset[int]) -> str:
    return f"'{{{','.join(map(str, sorted(numbers)))}}}'::xid8[]"
