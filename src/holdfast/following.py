"""Following the change feed: one connection, read again and again, woken where wake-ups are switched on."""

from __future__ import annotations

import asyncio
import selectors
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import Connection

from holdfast.database import Database, execute, explained
from holdfast.feed import cursor_at, moment_of
from holdfast.feed_cursor import decode
from holdfast.feed_page import Batch, read_batch
from holdfast.inspector import check_format

B = TypeVar("B", bound=Batch)


class Reader(ABC, Generic[B]):
    """Keeps a connection, and where it goes on. Within its ``with`` block batches can be read."""

    def __init__(self, database: Database, tables: Sequence[str], limit: int) -> None:
        self.database = database
        self.tables = tuple(tables)
        self.limit = limit
        self._cursor = ""
        self._woken = False
        self._kept: Connection | None = None

    @property
    def cursor(self) -> str:
        """Where it goes on reading."""
        return self._cursor

    @abstractmethod
    def read(self) -> B:
        """The next batch, at once; it may be empty."""

    @abstractmethod
    def _begin(self, connection: Connection) -> str:
        """The cursor to begin with."""

    def batches(self, wait: float | None = None) -> Iterator[B]:
        """Batch after batch, none of them empty: until all is read, or for ever, looking every ``wait`` seconds.

        Where wake-ups are switched on it looks sooner, as soon as something was committed.
        """
        while True:
            batch = self.read()
            if batch.changes:
                yield batch
            elif wait is None:
                return
            else:
                self._wait(wait)

    async def async_batches(self, wait: float | None = None) -> AsyncIterator[B]:
        """The same for asyncio: each read runs in a thread, and waiting blocks nobody. Wake-ups are not heard."""
        while True:
            reading = asyncio.ensure_future(asyncio.to_thread(self.read))
            try:
                batch = await asyncio.shield(reading)
            except asyncio.CancelledError:
                # The connection is not to be closed under the thread.
                await asyncio.wait([reading])
                raise
            if batch.changes:
                yield batch
            elif wait is None:
                return
            else:
                await asyncio.sleep(wait)

    def __enter__(self) -> Self:
        dialect = self.database.dialect
        with self.database.snapshot() as connection:
            check_format(connection, dialect)
        # Where the journal was brought from elsewhere, this writes it down.
        cursor_at(self.database, "beginning")
        with explained(dialect), ExitStack() as stack:
            connection = stack.enter_context(self.database.engine.connect())
            if dialect.snapshot_level is not None:
                connection.execution_options(isolation_level=dialect.snapshot_level)
            self._cursor = self._begin(connection)
            self._listen(connection)
            self._kept = connection
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    @property
    def _connection(self) -> Connection:
        if self._kept is None:
            raise RuntimeError("It reads within its with block.")
        return self._kept

    def _read(self) -> Batch:
        connection, dialect = self._connection, self.database.dialect
        with moment_of(connection, dialect) as state:
            batch = read_batch(
                connection, dialect, state, decode(self._cursor, dialect, state), self.tables, self.limit
            )
        self._cursor = batch.cursor
        return batch

    # ------------------------------------------------------------------ waiting

    def _listen(self, connection: Connection) -> None:
        listen = self.database.dialect.feed.listen()
        if listen is not None:
            # A notification that comes along with an answer would be lost.
            connection.connection.driver_connection.add_notify_handler(self._wake)  # type: ignore[union-attr]
            with connection.begin():
                execute(connection, listen)

    def _wake(self, _notification: Any) -> None:
        self._woken = True

    def _wait(self, seconds: float) -> None:
        driver: Any = self._connection.connection.driver_connection
        if self.database.dialect.feed.listen() is None:
            time.sleep(seconds)
        elif not self._woken:
            with selectors.DefaultSelector() as selector:
                selector.register(driver.fileno(), selectors.EVENT_READ)
                if selector.select(seconds):
                    self._hear(driver)
        self._woken = False

    def _hear(self, driver: Any) -> None:
        try:
            driver.pgconn.consume_input()
            while driver.pgconn.notifies():
                pass
        except self.database.engine.dialect.loaded_dbapi.Error:
            # The connection is lost; the next read says so.
            return


class Follower(Reader[Batch]):
    """Reads on from a cursor over one connection; who needs to be certain of each change takes a ``Consumer``."""

    def __init__(self, database: Database, cursor: str, *, tables: Sequence[str] = (), limit: int = 1_000) -> None:
        super().__init__(database, tables, limit)
        self._start = cursor

    def read(self) -> Batch:
        """The next batch, at once; it may be empty. Raises HF430 for a cursor that is not of this database."""
        return self._read()

    def _begin(self, connection: Connection) -> str:
        return self._start
