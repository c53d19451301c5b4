"""What every bulk write has in common: all or nothing, guards asked, errors that say which rows they are about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.errors import GuardError, HoldfastError, RowsError
from holdfast.policies import Guard
from holdfast.sqlalchemy.bulk.rows import Chunk
from holdfast.sqlalchemy.bulk.targets import Target
from holdfast.sqlalchemy.explaining import explained
from holdfast.sqlalchemy.tables import policy_of

Allow = int | Literal["mass"]
"""How many rows a guard is to let through, or any number."""
Progress = Callable[[int], object]
"""Called after each chunk with the number of rows that are done."""
_MEANT = "If it is meant, say how many rows: allow=…, or holdfast.context(allow=…) before the transaction begins."


@contextmanager
def writing(session: Session, target: Target, *words: Allow | str | None) -> Iterator[Connection]:
    """The session's connection, what is pending flushed; on an error nothing of the block stays written.

    ``words`` are announced to the guards, for the block alone.
    """
    connection = session.connection(bind_arguments={"mapper": target.mapper})
    with explained(connection):
        session.flush()
        # What is announced within a savepoint goes with it.
        with connection.begin_nested(), _announced(connection, [str(word) for word in words if word is not None]):
            yield connection


@contextmanager
def _announced(connection: Connection, words: list[str]) -> Iterator[None]:
    if not words:
        yield
        return
    dialect = dialect_for(connection.dialect.name)
    before = _announcement(connection)
    for query in dialect.announce(",".join([*([before] if before else []), *words])):
        execute(connection, query)
    yield
    for query in dialect.announce(before):
        execute(connection, query)


def _announcement(connection: Connection) -> str | None:
    [(words,)] = execute(connection, dialect_for(connection.dialect.name).announced())
    return words or None


@contextmanager
def naming(chunk: Chunk, connection: Connection) -> Iterator[None]:
    """What goes wrong with a chunk says which rows it was about."""
    try:
        with explained(connection):
            yield
    except HoldfastError as error:
        if isinstance(error, GuardError):
            error.hint = _MEANT
        if not isinstance(error, RowsError):
            line = _line_of(error.__cause__)
            error.message = f"{error.message} It was about {chunk if line is None else f'rows[{chunk.first + line}]'}."
        raise
    except StatementError as error:
        # Not the database's: a value was refused before it was sent.
        raise RowsError(
            "HF652",
            f"One of {chunk} has a value that its column does not take: {error.orig}",
            "Give a value of the column's type.",
            rows=() if chunk.about else range(chunk.first, chunk.first + len(chunk.values)),
        ) from error


def _line_of(error: BaseException | None) -> int | None:
    """Which line of a COPY the server says that it is about, the first being 0; each row is one line."""
    context = getattr(getattr(error, "diag", error), "context", None)
    found = re.search(r"^COPY .*, line (\d+)", context, re.MULTILINE) if isinstance(context, str) else None
    return None if found is None else int(found[1]) - 1


class Count:
    """The rows that were touched so far. A guard counts those of one statement, and chunks are none to hide behind."""

    def __init__(self, connection: Connection, target: Target, verb: str, allow: Allow | None = None) -> None:
        policy = policy_of(target.table, Guard)
        self.rows = 0
        self._limit = policy.max_rows if policy else None
        self._announced = allow is not None
        self._connection, self._table, self._verb = connection, target.table, verb

    def add(self, rows: int) -> None:
        """HF204 where they are more than a guard expects and were not announced."""
        self.rows += rows
        if self._limit is None or self.rows <= self._limit or self._is_announced():
            return
        raise GuardError(
            "HF204",
            f"{self._verb} of {self._table.fullname} would touch {self.rows} rows or more; up to {self._limit} are "
            "expected.",
            _MEANT,
        )

    def _is_announced(self) -> bool:
        words = [word.strip() for word in (_announcement(self._connection) or "").split(",")]
        return any(word == "mass" or (word.isdecimal() and int(word) >= self.rows) for word in words)


def key_of(values: tuple[Any, ...]) -> Any:
    """A key as it is written in Python: the value, or a tuple of several."""
    return values[0] if len(values) == 1 else values


def listed(keys: Sequence[tuple[Any, ...]], most: int = 5) -> str:
    """The first few keys, for a message."""
    shown = ", ".join(repr(key_of(key)) for key in keys[:most])
    return f"{shown} and {len(keys) - most} more" if len(keys) > most else shown
