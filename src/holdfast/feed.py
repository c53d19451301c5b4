"""The change feed: every committed change once, in an order that never goes back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar

from sqlalchemy import Connection

from holdfast.database import Database, execute, explained
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.dialects.feed import EVERYTHING, Feed, Origin, Position
from holdfast.errors import HoldfastError, InvalidCursorError, UnsupportedError
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.inventory import Inventory
from holdfast.journal import Change
from holdfast.plan import Plan
from holdfast.steps import Step
from holdfast.timeline import change_of, fill_in, moment

T = TypeVar("T")
Start = Literal["beginning", "now"] | datetime

_FORMAT = 1
_LOOK = 10_000
"""Among how many changes to look at once for those of some tables."""
_AT_ONCE = 20_000
"""The changes of a batch that are sorted for each page; where there are more, they are looked for by number."""
_WIDEST = 10_000_000
_END = 2**63 - 1


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


class FeedState(NamedTuple):
    """What there is to read at one moment."""

    snapshot: str
    now: datetime
    origins: tuple[Origin, ...]

    def origin(self, number: int) -> Origin:
        return next(each for each in self.origins if each.number == number)


class _Moved(Exception):
    """The journal was brought here from another cluster, and nobody has written down since when."""


def changes_after(
    source: Database | Connection, cursor: str | None = None, *, tables: Sequence[str] = (), limit: int = 1_000
) -> Batch:
    """The next changes after the cursor, at most ``limit``; from cursor to cursor each committed change exactly once.

    They come when they are committed, those of each row in the order in which they were made, and nothing comes that
    lies before what came already. A transaction that runs long delays nothing but itself. Without a cursor from the
    beginning. A row that was inserted has the values that it was given, as ``log`` shows them. Raises HF430 for a
    cursor that is not of this database.

    Asynchronously: ``await connection.run_sync(changes_after, cursor)``.
    """

    def read(connection: Connection, dialect: Dialect, state: FeedState) -> Batch:
        return read_batch(connection, dialect, state, decode(cursor, dialect, state), tables, limit)

    return _with_state(source, read)


def cursor_at(source: Database | Connection, start: Start) -> str:
    """The cursor to begin with: at the beginning of the journal, now, or at a time.

    After ``"now"`` comes all that is committed from now on. After a time comes every change of a transaction that began
    then or later, and perhaps some of older ones that began to write after the first of those.
    """

    def found(connection: Connection, dialect: Dialect, state: FeedState) -> str:
        first, last = state.origins[0], state.origins[-1]
        if start == "beginning":
            return encode(Position(first.number), first.identity)
        if start != "now":
            for origin in state.origins:
                number = execute(connection, dialect.feed.since(start.astimezone(), origin))[0].transaction
                if number is not None:
                    return encode(dialect.feed.before(int(number), origin), origin.identity)
        return encode(dialect.feed.now(last, state.snapshot), last.identity)

    return _with_state(source, found)


def enable_wake_up(database: Database) -> None:
    """From now on each commit wakes the consumers that wait; see the documentation for what it costs the writers.

    Raises HF413 where the database cannot.
    """
    _wake_up(database, on=True)


def disable_wake_up(database: Database) -> None:
    """Consumers look for themselves again, as often as they are told to."""
    _wake_up(database, on=False)


def _wake_up(database: Database, *, on: bool) -> None:
    statement = database.dialect.feed.wake_up(on=on)
    if statement is None:
        raise UnsupportedError(
            "HF413",
            f"{database.dialect.title} cannot wake a consumer: {database.dialect.features.reasons['wakes_consumers']}.",
            "Follow the changes without; the interval says how often to look.",
        )
    with database.snapshot() as connection:
        _check_there(connection, database.dialect)
    apply(database, Plan((Step("holdfast.transaction", (statement,)),)))


# ---------------------------------------------------------------------- cursors


def encode(position: Position, identity: str) -> str:
    content = json.dumps([_FORMAT, identity, *astuple(position)], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(content) + content).decode().rstrip("=")


def decode(cursor: str | None, dialect: Dialect, state: FeedState) -> Position:
    """The position; the beginning for no cursor. HF430 where it is not one of this database."""
    if cursor is None:
        return Position(state.origins[0].number)
    identity, position = _decoded(cursor)
    if identity not in [each.identity for each in state.origins if each.number == position.origin]:
        raise _invalid("This cursor is of another database.")
    if position.origin == state.origins[-1].number and dialect.feed.is_ahead(position, state.snapshot):
        raise _invalid("This cursor is ahead of the database, which was set back to an earlier time since.")
    return position


def position_of(cursor: str) -> Position:
    return _decoded(cursor)[1]


def _decoded(cursor: str) -> tuple[str, Position]:
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, content = raw[:6], raw[6:]
        if digest != _check(content):
            raise _invalid("This is not a cursor of a change feed, or not all of it.")
        version, identity, *parts = json.loads(content)
        if version == _FORMAT:
            return str(identity), Position(*parts)
    except (binascii.Error, UnicodeError, ValueError, TypeError) as error:
        raise _invalid("This is not a cursor of a change feed, or not all of it.") from error
    raise _invalid("This cursor was made by another version of holdfast.")


def _check(content: bytes) -> bytes:
    """Against a slip of the hand, not against malice: a cursor gives nothing that the feed does not."""
    return hashlib.sha256(content).digest()[:6]


def _invalid(message: str) -> InvalidCursorError:
    return InvalidCursorError(
        "HF430",
        message,
        "Take the cursor that the feed gave last. Without one, begin at a time before it was lost (cursor_at, "
        "holdfast tail --since) or at the beginning; what was seen before comes again.",
    )


# ---------------------------------------------------------------------- reading


def feed_state(connection: Connection, dialect: Dialect) -> FeedState:
    """What there is to read; HF303 where there is no journal."""
    _check_there(connection, dialect)
    refused = dialect.feed.refused()
    if refused is not None and (reason := execute(connection, refused)[0][0]) is not None:
        raise UnsupportedError("HF434", f"The feed cannot be read here: {reason}.", "Read it from the primary server.")
    row = execute(connection, dialect.feed.state())[0]
    listed = json.loads(row.origins or "[]")
    if not listed or listed[-1][1] != row.identity:
        raise _Moved
    ends = [each[2] for each in listed[1:]] + [_END]
    origins = tuple(
        Origin(number, identity, first, end) for (number, identity, first), end in zip(listed, ends, strict=True)
    )
    return FeedState(str(row.snapshot), moment(row.now), origins)


def _check_there(connection: Connection, dialect: Dialect) -> None:
    if not execute(connection, dialect.feed.is_there())[0][0]:
        raise UnsupportedError(
            "HF303",
            "There is no journal in this database, or it is of an older holdfast and has no feed.",
            "Protect a table, or bring the journal up to date: holdfast protect --all.",
        )


def _with_state(source: Database | Connection, work: Callable[[Connection, Dialect, FeedState], T]) -> T:
    if isinstance(source, Connection):
        dialect = dialect_for(source.dialect.name)
        with explained(dialect):
            try:
                return work(source, dialect, feed_state(source, dialect))
            except _Moved:
                raise _unknown_origin() from None
    try:
        with source.snapshot() as connection:
            return work(connection, source.dialect, feed_state(connection, source.dialect))
    except _Moved:
        settle(source)
    with source.snapshot() as connection:
        return work(connection, source.dialect, feed_state(connection, source.dialect))


def settle(database: Database) -> None:
    """After a dump was restored: writes down which changes were brought along, and which are of this cluster."""
    try:
        with database.begin() as connection:
            for statement in (*database.dialect.lock_settings(5_000), database.dialect.feed.begin_origin()):
                if statement is not None:
                    execute(connection, statement)
    except HoldfastError as error:
        raise _unknown_origin() from error


def _unknown_origin() -> UnsupportedError:
    return UnsupportedError(
        "HF433",
        "This journal was restored from another cluster, and it is not yet written down which changes are of this one.",
        "Have the journal's owner read the feed once, with holdfast tail or: SELECT holdfast.begin_origin().",
    )


def read_batch(
    connection: Connection, dialect: Dialect, state: FeedState, after: Position, tables: Sequence[str], limit: int
) -> Batch:
    """The batch after the position, of the moment of ``state`` or a later one."""
    if limit < 1:
        raise ValueError("limit must be at least 1")
    inventory = inspect(connection, dialect)[1] if tables else None
    relations = _relations(inventory, tables) if inventory is not None else None
    found = _Found(connection, dialect.feed, state, relations, limit)
    more = found.read(after)
    changes = [change_of(row) for row in found.rows]
    if any(row.operation == "I" and row.after is None for row in found.rows):
        fill_in(connection, dialect, inventory or inspect(connection, dialect)[1], found.rows, changes)
    lag = state.now - moment(found.rows[-1].committed) if more else timedelta(0)
    identity = state.origin(found.after.origin).identity
    return Batch(changes, encode(found.after, identity), more, max(lag, timedelta(0)), identity, tuple(found.positions))


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
                self.after = Position(origin.number + 1, self.after.batch)
            else:
                self.after = self.after.closed()
            if last:
                return False
            if len(self.rows) == self.limit:
                return True

    def _open(self, origin: Origin, snapshot: str) -> Position:
        opened = self.feed.opened(self.after, snapshot)
        size = self.feed.size(opened, origin, _AT_ONCE + 1)
        if size is None or execute(self.connection, size)[0].changes <= _AT_ONCE:
            return opened
        first = origin.first if not opened.done else execute(self.connection, self.feed.first(opened, origin))[0].change
        return replace(opened, wide=True, change=max(first - 1, 0))

    def _batch(self, origin: Origin, last: bool) -> bool:
        """Reads in one batch; whether it has more."""
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
                self.after = replace(self.after, change=found[-1].id, key=None, transaction=int(found[-1].xid))
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
            end = replace(self.after, change=row.id, key=None, transaction=int(row.xid))
            first, last = (int(row.key), row.key_last) if row.key_last is not None else (0, 0)
            for key in range(first, last + 1):
                self.rows.append(row if row.key_last is None else _of_run(row, key))
                self.positions.append(end if key == last else replace(end, key=key))
                if len(self.rows) == self.limit:
                    return True
        return False


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
    matches = inventory.matches()
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


@contextmanager
def moment_of(connection: Connection, dialect: Dialect) -> Iterator[FeedState]:
    """A transaction of a connection that is kept, and what there is to read in it."""
    with explained(dialect), connection.begin():
        try:
            yield feed_state(connection, dialect)
        except _Moved:
            raise _unknown_origin() from None
