"""Which changes are of a row: those under its key, and under the keys that it had before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.erasure import Erasure, RowKey, Span
from holdfast.journal import Relation
from holdfast.objects import Protection

EVER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Move:
    """A change of a row's key, seen from one of its keys."""

    change: int
    came: bool
    other_change: int | None
    other: RowKey | None
    possible: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The key under which the row is, or was last, until which change, and whether it is there."""

    key: RowKey
    until: int
    there: bool
    possible: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class RowKeys:
    """Looks for a row, locks it, and goes back through the keys that it had."""

    connection: Connection
    sql: Erasure
    relation: Relation
    protection: Protection | None
    """None where the table is gone."""
    moving: tuple[int, ...]
    """The columns that change with a key by themselves: the key, and what a policy keeps."""

    def spelled(self, key: str) -> RowKey:
        given = self.sql.key(self.relation, key)
        spelling = self.sql.spelling(self.protection, given) if self.protection else None
        if spelling is None:
            return given
        return self.sql.key(self.relation, execute(self.connection, spelling)[0][0])

    def _locked(self, key: RowKey) -> bool:
        return self.protection is not None and bool(execute(self.connection, self.sql.lock(self.protection, key)))

    def _moves(self, key: RowKey) -> list[_Move]:
        moves = []
        for row in execute(self.connection, self.sql.moves(self.relation, key, self.moving)):
            other = RowKey(row.other_shown, row.other_key) if row.other_id is not None else None
            moves.append(
                _Move(row.id, bool(row.came), row.other_id, other, tuple(map(value_of, _listed(row.possible))))
            )
        return moves

    def others(self, key: str) -> list[str]:
        """The keys, as JSON, that a row under this key had before it, or got after it; all that may be."""
        given = self.spelled(key)
        found: list[str] = []
        for row in execute(self.connection, self.sql.moves(self.relation, given, self.moving)):
            found += [row.other_shown] if row.other_id is not None else _listed(row.possible)
        return found

    def found(self, key: RowKey) -> Found:
        """The row under the key that it has now, locked if it is there."""
        if self._locked(key):
            return Found(key, EVER, True)
        left = [move for move in self._moves(key) if not move.came]
        if not left or execute(self.connection, self.sql.known(self.relation.id, Span(key, left[-1].change, EVER))):
            return Found(key, EVER, False)
        move = left[-1]
        while move.other is not None:
            key = move.other
            there = self._locked(key)
            # Read once the row is locked: it may have moved on until then.
            further = [each for each in self._moves(key) if not each.came and each.change > (move.other_change or 0)]
            if not further:
                return Found(key, EVER, there)
            move = further[0]
        return Found(key, move.change, False, move.possible)

    def spans(self, found: Found) -> tuple[list[Span], tuple[Any, ...]]:
        """Back through the keys that the row had: of each the changes since another row left it."""
        spans: list[Span] = []
        possible = list(found.possible)
        waiting, seen = [(found.key, found.until)], set[tuple[str, int]]()
        while waiting:
            key, until = waiting.pop(0)
            if (key.shown, until) in seen:
                continue
            seen.add((key.shown, until))
            moves = self._moves(key)
            after = max((move.change for move in moves if not move.came and move.change < until), default=0)
            spans.append(Span(key, after, until))
            for move in moves:
                if move.came and after < move.change <= until:
                    if move.other is not None and move.other_change is not None:
                        waiting.append((move.other, move.other_change))
                    possible += move.possible
        return spans, tuple(possible)


def value_of(key: str) -> Any:
    return json.loads(key, parse_float=Decimal)


def _listed(keys: str | None) -> list[str]:
    return list(json.loads(keys)) if keys else []
