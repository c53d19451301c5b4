"""The change feed: every committed change once, in an order that never goes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Literal, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.database import Database, execute, explained
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.dialects.feed import Dropped, Origin, Position
from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.feed_cursor import FeedState, decode, encode
from holdfast.feed_page import Batch, read_batch
from holdfast.install import apply
from holdfast.plan import Plan
from holdfast.steps import Step
from holdfast.timeline import moment

T = TypeVar("T")
Start = Literal["beginning", "now"] | datetime
"""Where to begin."""

_END = 2**63 - 1


class _Moved(Exception):
    """The journal was brought here from another cluster, and nobody has written down since when."""


def changes_after(
    source: Database | Connection, cursor: str | None = None, *, tables: Sequence[str] = (), limit: int = 1_000
) -> Batch:
    """The next changes after the cursor, at most ``limit``; from cursor to cursor each committed change exactly once.

    They come when they are committed, those of each row in the order in which they were made, and nothing comes that
    lies before what came already. A transaction that runs long delays nothing but itself. Without a cursor from the
    beginning. A row that was inserted has the values that it was given, as ``log`` shows them. Raises HF430 for a
    cursor that is not of this database, and HF419 where retention has dropped what would have come after it.

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
            return encode(Position(first.number, known=state.known), first.identity)
        if start != "now":
            for origin in state.origins:
                number = execute(connection, dialect.feed.since(start.astimezone(), origin))[0].transaction
                if number is not None:
                    return encode(replace(dialect.feed.before(int(number), origin), known=state.known), origin.identity)
        highest = dialect.feed.highest(last, state.snapshot) if state.following is not None else None
        known = execute(connection, highest)[0].change if highest is not None else 0
        position = dialect.feed.now(last, state.snapshot, state.following, known)
        return encode(replace(position, known=state.known), last.identity)

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


# ---------------------------------------------------------------------- what there is


def feed_state(connection: Connection, dialect: Dialect, *, first: bool = False) -> FeedState:
    """What there is to read; HF303 where there is no journal. ``first``: nothing was asked in this transaction yet."""
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
    following = int(row.following) if first and row.following is not None else None
    dropped = {
        int(relation): Dropped(int(each["by"]), int(each["change"]), int(each["transaction"] or 0))
        for relation, each in json.loads(row.dropped or "{}").items()
    }
    return FeedState(str(row.snapshot), moment(row.now), origins, following, dropped)


def _share(connection: Connection, dialect: Dialect) -> None:
    try:
        if share := dialect.feed.share():
            execute(connection, share)
    except DBAPIError as error:
        if error.orig is not None and dialect.gone_meanwhile(error.orig):
            raise _no_feed() from error
        raise


def _check_there(connection: Connection, dialect: Dialect) -> None:
    if not execute(connection, dialect.feed.is_there())[0][0]:
        raise _no_feed()


def _no_feed() -> UnsupportedError:
    return UnsupportedError(
        "HF303",
        "There is no journal in this database, or it is of an older holdfast and has no feed.",
        "Protect a table: holdfast protect TABLE; or bring an older journal up to date: holdfast protect.",
    )


def _is_first(connection: Connection) -> bool:
    """Whether the next statement is the first one of a transaction."""
    return not connection.in_transaction() or connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _with_state(source: Database | Connection, work: Callable[[Connection, Dialect, FeedState], T]) -> T:
    if isinstance(source, Connection):
        dialect = dialect_for(source.dialect.name)
        with explained(dialect):
            try:
                return work(source, dialect, feed_state(source, dialect, first=_is_first(source)))
            except _Moved:
                raise _unknown_origin() from None
    try:
        with source.snapshot() as connection:
            _share(connection, source.dialect)
            return work(connection, source.dialect, feed_state(connection, source.dialect, first=True))
    except _Moved:
        settle(source)
    with source.snapshot() as connection:
        _share(connection, source.dialect)
        return work(connection, source.dialect, feed_state(connection, source.dialect, first=True))


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


@contextmanager
def moment_of(connection: Connection, dialect: Dialect) -> Iterator[FeedState]:
    """A transaction of a connection that is kept, and what there is to read in it."""
    with explained(dialect), connection.begin():
        _share(connection, dialect)
        try:
            yield feed_state(connection, dialect, first=True)
        except _Moved:
            raise _unknown_origin() from None
