"""Rows and ranges that are gone through once, in order, with a look at what comes next."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdfast.evidence.leaves import Ranges

if TYPE_CHECKING:
    from holdfast.database import AnyRow


def within(ranges: Ranges, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The parts of sorted ranges that are in first … last."""
    for low, high in ranges[bisect_left(ranges, first, key=lambda each: each[1]) :]:
        if low > last:
            return
        yield max(low, first), min(high, last)


class Rows:
    """Rows of which the next one can be looked at."""

    def __init__(self, rows: Iterator[AnyRow]) -> None:
        self.rows = rows
        self.row = next(rows, None)

    def take(self) -> AnyRow:
        row = self.row
        assert row is not None
        self.row = next(self.rows, None)
        return row


class Ahead:
    """Rows by change, asked for with numbers that never go back."""

    def __init__(self, rows: Iterator[AnyRow]) -> None:
        self.rows = rows
        self.row = next(rows, None)

    def following(self, change: int) -> int:
        """The number of the next one that has any, from this one on."""
        while self.row is not None and self.row.change < change:
            self.row = next(self.rows, None)
        return sys.maxsize if self.row is None else int(self.row.change)

    def of(self, change: int) -> list[AnyRow]:
        found = []
        while self.row is not None and self.row.change <= change:
            if self.row.change == change:
                found.append(self.row)
            self.row = next(self.rows, None)
        return found
