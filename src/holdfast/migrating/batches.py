"""Rows updated in many small transactions, in the order of the key: each locks few rows, and only for a moment."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.database import OWN, execute, explain, in_style
from holdfast.dialects.base import Dialect
from holdfast.dialects.changing import Target
from holdfast.dialects.query import Query
from holdfast.errors import (
    BusyError,
    DeadlockError,
    DeclarationError,
    LockTimeoutError,
    MigrationError,
    SerializationError,
)

_AGAIN = (LockTimeoutError, DeadlockError, BusyError, SerializationError)
_WAIT = 500
"""Milliseconds that a batch waits for a row that others have locked: those that it has locked wait with it."""
_LEAST, _SLOW, _MOST = 10, 250, 20_000
"""Rows of a batch: at least where others hold rows; where it is slow by itself, and fewer were no faster; at most."""


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How a backfill goes about it; HF118 where a time is none.

    >>> BatchSettings(aim=timedelta(milliseconds=50)).rows
    1000
    """

    rows: int = 1_000
    """In the first batch; from then on as many as take ``aim``."""
    aim: timedelta = timedelta(milliseconds=100)
    rest: float = 0.5
    """How long to pause after a batch, in times of what it took."""
    lag: timedelta = timedelta(seconds=5)
    """A replica that is further behind is waited for."""
    deadline: timedelta = timedelta(minutes=10)
    """For how long a batch is tried again whose rows others have locked."""

    def __post_init__(self) -> None:
        for name in ("aim", "lag", "deadline"):
            if getattr(self, name) <= timedelta():
                raise DeclarationError("HF118", f"{name} is not a length of time.", "Give one of more than nothing.")
        if self.rows < 1 or self.rest < 0:
            raise DeclarationError("HF118", "A batch has rows, and a pause takes time.", "Give positive numbers.")


@dataclass(frozen=True, slots=True)
class Filled:
    """How far a backfill has come, or came: rows looked at, and rows changed."""

    done: int
    changed: int
    total: int | None
    """About; None where nobody knows."""


class Backfill:
    """``column = value`` for the rows that meet ``where``, on a connection that commits each statement by itself.

    How far it came is kept in a table, in the transaction of each batch, so that an interrupted one goes on.
    """

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        table: Target,
        column: str,
        value: str,
        where: str,
        *,
        name: str,
        settings: BatchSettings,
        first: Sequence[Query] = (),
        progress: Callable[[Filled], None] = lambda _filled: None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.connection = connection
        self.dialect = dialect
        self.filling = dialect.migrating.filling
        self.table = table
        self.column = column
        self.value = value
        self.where = where
        self.name = name
        self.settings = settings
        self.first = tuple(first)
        """What each transaction begins with: who it is, and why."""
        self.progress = progress
        self.say = say

    def run(self) -> Filled:
        """Fills what is left; HF467 where the table has no key, or rows stayed locked until the deadline."""
        key = [(str(name), str(type_)) for name, type_ in execute(self.connection, self.filling.key(self.table))]
        if not key:
            raise MigrationError(
                "HF467",
                f"{self.table} has no primary key, and no unique key without NULLs, so it cannot be gone through in "
                "batches.",
                "Add one, or write the UPDATE by hand.",
            )
        estimate = int(execute(self.connection, self.filling.estimate(self.table))[0][0])
        execute(self.connection, self.filling.create_cursors())
        found = execute(self.connection, self.filling.cursor(self.name))
        after, done, changed = (json.loads(found[0][0]), *found[0][1:]) if found else (None, 0, 0)
        filled = Filled(done, changed, estimate if estimate >= 0 else None)
        size, more = self.settings.rows, True
        while more:
            self._wait_for_replicas()
            started = time.monotonic()
            after, filled, size, more = self._batch_at_last(key, after, filled, size)
            took = time.monotonic() - started
            self.progress(filled)
            size = self._next_size(size, took)
            if more:
                time.sleep(took * self.settings.rest)
        self._forget()
        return filled

    def _next_size(self, size: int, took: float) -> int:
        factor = self.settings.aim.total_seconds() / max(took, 0.001)
        wanted = int(size * max(0.5, min(2.0, factor)))
        return max(min(_SLOW, self.settings.rows), min(_MOST, wanted))

    def _batch_at_last(self, key: Any, after: Any, filled: Filled, size: int) -> tuple[Any, Filled, int, bool]:
        """One batch, tried until it has its rows; a smaller one meets fewer locks."""
        give_up = time.monotonic() + self.settings.deadline.total_seconds()
        pause = 0.05
        while True:
            try:
                return *self._batch(key, after, filled, size), size, True
            except _LastBatch as last:
                return after, last.filled, size, False
            except DBAPIError as error:
                ours = explain(error, self.dialect)
                if not isinstance(ours, _AGAIN):
                    raise
                if time.monotonic() > give_up:
                    raise MigrationError(
                        "HF467",
                        f"Rows of {self.table} stayed locked by others for {self.settings.deadline}.",
                        "The batches before are done. Run it again when they are free: it goes on from there.",
                    ) from error
            size = max(_LEAST, size // 2)
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, 2.0)

    def _batch(self, key: Any, after: Any, filled: Filled, size: int) -> tuple[Any, Filled]:
        connection, filling = self.connection, self.filling
        execute(connection, filling.begin)
        try:
            if bounded := filling.bounded_wait(_WAIT):
                execute(connection, bounded)
            for query in self.first:
                execute(connection, query)
            found = execute(connection, filling.upper(self.table, key, after, size))
            until = list(found[0]) if found else None
            update = filling.update(self.table, self.column, self.value, self.where, key, after, until)
            sql, parameters = in_style(update, connection.dialect.paramstyle)
            result = connection.exec_driver_sql(sql, parameters, execution_options={OWN: True})
            looked_at = size if until is not None else max(result.rowcount, 0)
            filled = Filled(filled.done + looked_at, filled.changed + max(result.rowcount, 0), filled.total)
            if until is not None:
                saved = filling.save_cursor(self.name, json.dumps(until), filled.done, filled.changed)
                execute(connection, saved)
            for query in self.dialect.unbind_context() if self.first else ():
                execute(connection, query)
            execute(connection, filling.commit)
        except BaseException:
            if not connection.invalidated:
                execute(connection, filling.rollback)
            raise
        if until is None:
            raise _LastBatch(filled)
        return until, filled

    def _wait_for_replicas(self) -> None:
        asked, told_of = self.filling.replica_lag(), False
        while asked is not None:
            lag = execute(self.connection, asked)[0][0]
            if lag is None or lag <= self.settings.lag.total_seconds():
                return
            if not told_of:
                self.say(f"A replica is {lag:.1f} s behind: the backfill of {self.table}.{self.column} waits for it.")
                told_of = True
            time.sleep(1)

    def _forget(self) -> None:
        execute(self.connection, self.filling.drop_cursor(self.name))
        if not execute(self.connection, self.filling.cursors_left())[0][0]:
            execute(self.connection, self.filling.drop_cursors())


class _LastBatch(Exception):
    """No row is behind this batch."""

    def __init__(self, filled: Filled) -> None:
        super().__init__()
        self.filled = filled
