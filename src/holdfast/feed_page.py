"""A page of the change feed: from a position on, until it is enough or there is no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.base import Dialect
from holdfast.dialects.feed import EVERYTHING, Feed, Origin, Position
from holdfast.errors import MissedChangesError, UnsupportedError
from holdfast.feed_cursor import FeedState, encode
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.journal import Change
from holdfast.timeline import change_of, fill_in, moment

_LOOK = 10_000
"""Among how many changes to look at once for those of some tables."""
_AT_ONCE = 20_000
"""The changes that are looked through for each page of a batch; where there are more, it is a part for each page."""
_WIDEST = 10_000_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes in the order of the feed, and the cursor with which to go on after all of them."""

    changes: list[Change]
    cursor: str
    more: bool
    """Whether the next batch is there already."""
    lag: timedelta
    """While there is more: how long ago the last of these changes was committed. Else 0."""
    identity: str = field(repr=False)
    positions: tuple[Position, ...] = field(repr=False)

    def cursors(self) -> list[str]:
        """For each change the cursor with which to go on right after it."""
        return [encode(position, self.identity) for position in self.positions]


def read_batch(
    connection: Connection, dialect: Dialect, state: FeedState, after: Position, tables: Sequence[str], limit: int
) -> Batch:
    """The batch after the position, of the moment of ``state`` or a later one."""
    if limit < 1:
        raise ValueError("limit must be at least 1")
    inventory = inspect(connection, dialect)[1] if tables else None
    relations = _relations(inventory, tables) if inventory is not None else None
    after = _past_retention(dialect, state, after, relations)
    found = _Found(connection, dialect.feed, state, relations, limit)
    more = found.read(after)
    changes = [change_of(row) for row in found.rows]
    if any(row.operation == "I" and row.after is None for row in found.rows):
        fill_in(connection, dialect, inventory or inspect(connection, dialect)[1], found.rows, changes)
    lag = state.now - moment(found.rows[-1].committed) if more else timedelta(0)
    identity = state.origin(found.after.origin).identity
    return Batch(changes, encode(found.after, identity), more, max(lag, timedelta(0)), identity, tuple(found.positions))


def _past_retention(dialect: Dialect, state: FeedState, after: Position, relations: Sequence[int] | None) -> Position:
    """The position, which takes note of what was dropped; HF419 where that has not come yet."""
    noted = replace(after, known=max(after.known, state.known))
    lost = [
        relation
        for relation, dropped in state.dropped.items()
        if dropped.intervention > after.known
        and (relations is None or relation in relations)
        and dialect.feed.lacks(after, state.origins, dropped)
    ]
    if lost:
        raise MissedChangesError(
            "HF419",
            "Changes that had not been read yet were dropped by their tables' retention rules: a reader that goes on "
            "from here lacks them.",
            "Take what is missing from the tables themselves, or from what holdfast maintain exported, and go on after "
            "the gap: with the error's cursor, or holdfast tail --accept-gap.",
            cursor=encode(noted, state.origin(after.origin).identity),
        )
    return noted


class _Found:
    """What is found on the way from a position on, until it is enough or there is no more."""

    def __init__(
        self, connection: Connection, feed: Feed, state: FeedState, relations: Sequence[int] | None, limit: int
    ) -> None:
        self.connection = connection
        self.feed = feed
        self.state = state
        self.relations = relations
        self.limit = limit
        self.look = limit if relations is None else max(limit, _LOOK)
        self.rows: list[Any] = []
        self.positions: list[Position] = []
        self.after = Position(0)

    def read(self, after: Position) -> bool:
        """Whether there is more."""
        self.after = after
        while True:
            origin = self.state.origin(self.after.origin)
            closed = origin.number != self.state.origins[-1].number
            if self.after.reading is None:
                self.after = self._open(origin, EVERYTHING if closed else self.state.snapshot)
            last = not closed and self.after.reading == self.state.snapshot
            if self._batch(origin, last):
                return True
            if len(self.rows) == self.limit and last:
                return False
            if closed and self.after.reading == EVERYTHING:
                self.after = Position(origin.number + 1, self.after.batch, known=self.after.known)
            else:
                self.after = self.feed.closed(self.after)
            if last:
                return False
            if len(self.rows) == self.limit:
                return True

    def _open(self, origin: Origin, snapshot: str) -> Position:
        following = self.state.following if snapshot == self.state.snapshot else None
        opened = self.feed.opened(self.after, snapshot, following)
        if self.feed.is_empty(opened):
            return opened
        size = self.feed.size(opened, origin, _AT_ONCE + 1)
        wide = size is not None and execute(self.connection, size)[0].changes > _AT_ONCE
        return replace(opened, wide=wide)

    def _batch(self, origin: Origin, last: bool) -> bool:
        """Reads in one batch; whether it has more."""
        if self.feed.is_empty(self.after):
            return False
        window = 2 * self.look
        while True:
            within = window if self.after.wide and window <= _WIDEST else None
            start, wanted = self.after.change, self.limit - len(self.rows)
            found = execute(
                self.connection, self.feed.page(self.after, origin, self.relations, wanted, self.look, within)
            )
            full = bool(found) and found[-1].looked == self.look
            if self._take(found, origin):
                rest = self.positions[-1].change != found[-1].id or self.positions[-1].key is not None
                self.after = self.positions[-1]
                return rest or full or within is not None
            if found:
                self.after = self._at(found[-1])
            if full and self.rows:
                return True
            if full:
                window = 2 * self.look
            elif within is None:
                return False
            else:
                self.after = replace(self.after, change=start + within, key=None)
                window *= 8

    def _take(self, found: Sequence[Any], origin: Origin) -> bool:
        """Takes the wanted rows, one for each key of a run; whether that was all that were asked for."""
        for row in found:
            if not row.wanted:
                continue
            end = self._at(row)
            first, last = (int(row.key), row.key_last) if row.key_last is not None else (0, 0)
            for key in range(first, last + 1):
                self.rows.append(row if row.key_last is None else _of_run(row, key))
                self.positions.append(end if key == last else replace(end, key=key))
                if len(self.rows) == self.limit:
                    return True
        return False

    def _at(self, row: Any) -> Position:
        highest = max(self.after.highest, row.id)
        return replace(self.after, change=row.id, key=None, transaction=int(row.xid), highest=highest)


def _of_run(row: Any, key: int) -> _Inserted:
    values = {name: getattr(row, name) for name in _Inserted._fields}
    return _Inserted(**{**values, "key": str(key)})


class _Inserted(NamedTuple):
    """One row of a run of inserted keys."""

    id: int
    transaction: str
    at: Any
    committed: Any
    actor: str | None
    tenant: str | None
    reason: str | None
    relation: int
    schema_name: str
    table_name: str
    key: str
    operation: str
    before: str | None
    after: str | None


def _relations(inventory: Inventory, tables: Sequence[str]) -> list[int]:
    """What the journal calls the tables, those of that name that are gone included."""
    matches = inventory.matches
    wanted: set[int] = set()
    for name in tables:
        gone = {
            each.id
            for each in inventory.relations.values()
            if each.id not in matches and name in (str(each.table), each.table.name)
        }
        try:
            table = inventory.resolve(name).name
        except UnsupportedError:
            if not gone:
                raise
        else:
            gone |= {number for number, each in matches.items() if each.name == table}
        if not gone:
            raise UnsupportedError(
                "HF303",
                f"{name} was never protected, so nothing is known of it.",
                f"Start with: holdfast protect {name}.",
            )
        wanted |= gone
    return sorted(wanted)
