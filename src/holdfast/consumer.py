"""A consumer of the change feed: at least once, from where it was last done, one at a time."""

from __future__ import annotations

import asyncio
import secrets
import selectors
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection

from holdfast.database import Database, execute, explained
from holdfast.errors import LockedError, RequestError
from holdfast.feed import Batch, Start, cursor_at, decode, moment_of, position_of, read_batch

_SKIPPED = 10_000
"""So many changes of other tables may be looked at again after a restart."""


@dataclass(frozen=True, slots=True)
class Delivery(Batch):
    """A batch that is to be acknowledged once it is dealt with."""

    consumer: Consumer = field(repr=False)

    def acknowledge(self, connection: Connection | None = None) -> None:
        """All up to the end of this batch is done; a restarted consumer goes on after it.

        With a connection it is written in the transaction in hand there, together with what the consumer made of the
        changes: then each change has its effect exactly once. Asynchronously:
        ``await connection.run_sync(batch.acknowledge)``. Raises HF432 where more than this is acknowledged already,
        HF431 where another process has taken over.
        """
        self.consumer.acknowledge(self.cursor, connection)


class Consumer:
    """Reads the feed under a name, and goes on where that name last acknowledged, whatever happened meanwhile.

    Each change comes at least once: what was read and not acknowledged comes again. One process at a time has the
    name; ``with`` raises HF431 where another one has it (SQLite: the later one takes over, and the earlier one is
    told when it acknowledges). ``start`` says where a new name begins.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        tables: Sequence[str] = (),
        start: Start = "beginning",
        limit: int = 1_000,
    ) -> None:
        self.database = database
        self.name = name
        self.tables = tuple(tables)
        self.limit = limit
        self._start = start
        self._holder = secrets.token_hex(8)
        self._cursor = ""
        self._delivered = ""
        self._woken = False
        self._kept: Connection | None = None

    @property
    def cursor(self) -> str:
        """Where it goes on reading."""
        return self._cursor

    def __enter__(self) -> Self:
        dialect = self.database.dialect
        beginning = cursor_at(self.database, "beginning")
        with explained(dialect), ExitStack() as stack:
            connection = stack.enter_context(self.database.engine.connect())
            if dialect.snapshot_level is not None:
                connection.execution_options(isolation_level=dialect.snapshot_level)
            self._kept = connection
            stack.callback(self._forget)
            self._take(connection, beginning)
            self._listen(connection)
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept is not None:
            self._kept.close()
        self._forget()

    def read(self) -> Delivery:
        """The next batch, at once; it may be empty. It is not read again unless the consumer is opened anew."""
        connection, dialect = self._connection, self.database.dialect
        with moment_of(connection, dialect) as state:
            batch = read_batch(connection, dialect, state, decode(self._cursor, state), self.tables, self.limit)
        self._cursor = batch.cursor
        if batch.changes:
            self._delivered = batch.cursor
        else:
            self._skip(connection)
        return Delivery(**{each.name: getattr(batch, each.name) for each in fields(Batch)}, consumer=self)

    def batches(self, wait: float | None = None) -> Iterator[Delivery]:
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

    async def async_batches(self, wait: float | None = None) -> AsyncIterator[Delivery]:
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

    def acknowledge(self, cursor: str, connection: Connection | None = None) -> None:
        """All up to the cursor is done; ``Delivery.acknowledge`` says it of a whole batch."""
        dialect = self.database.dialect
        with explained(dialect):
            if connection is not None:
                self._acknowledge(connection, cursor)
            else:
                own = self._connection
                with own.begin():
                    self._acknowledge(own, cursor)

    def move_to(self, cursor: str) -> None:
        """Goes on after that cursor, forward or back, whatever was acknowledged; HF430 for one of another database."""
        connection, dialect = self._connection, self.database.dialect
        with moment_of(connection, dialect) as state:
            decode(cursor, state)
            self._check_held(connection)
            execute(connection, dialect.feed.acknowledge(self.name, cursor))
        self._cursor = self._delivered = cursor

    # ------------------------------------------------------------------ the one who has the name

    @property
    def _connection(self) -> Connection:
        if self._kept is None:
            raise RuntimeError("A consumer reads within its with block.")
        return self._kept

    def _forget(self) -> None:
        self._kept = None

    def _take(self, connection: Connection, beginning: str) -> None:
        feed = self.database.dialect.feed
        if (lock := feed.try_consumer_lock(self.name)) is not None:
            with connection.begin():
                taken = execute(connection, lock)[0][0]
            if not taken:
                raise LockedError(
                    "HF431",
                    f"Another process reads the feed as {self.name!r}.",
                    "Wait until it ends, or give this one a name of its own.",
                )
        with connection.begin():
            stored = str(execute(connection, feed.enter(self.name, "", self._holder))[0].cursor)
        if not stored:
            stored = beginning if self._start == "beginning" else cursor_at(self.database, self._start)
            with connection.begin():
                execute(connection, feed.acknowledge(self.name, stored))
        self._cursor = self._delivered = stored

    def _acknowledge(self, connection: Connection, cursor: str) -> None:
        stored = self._check_held(connection)
        if position_of(cursor).order < position_of(stored).order:
            raise RequestError(
                "HF432",
                f"The consumer {self.name!r} has acknowledged more than this already.",
                "Acknowledge batches in the order in which they came; to read again, use move_to.",
            )
        execute(connection, self.database.dialect.feed.acknowledge(self.name, cursor))

    def _check_held(self, connection: Connection) -> str:
        """What is acknowledged; locked, so that nobody moves it meanwhile."""
        held = execute(connection, self.database.dialect.feed.held(self.name))
        if not held or held[0].holder != self._holder:
            raise LockedError(
                "HF431",
                f"Another process has taken over the feed as {self.name!r}, or the name was removed.",
                "What this one did since its last acknowledgement will come to the other one again.",
            )
        return str(held[0].cursor)

    def _skip(self, connection: Connection) -> None:
        """Where all that came is acknowledged, and much after it was not for us: that need not be looked at again."""
        done, reached = position_of(self._delivered), position_of(self._cursor)
        if done.origin == reached.origin and abs(reached.change - done.change) < _SKIPPED:
            return
        with explained(self.database.dialect), connection.begin():
            if self._check_held(connection) == self._delivered:
                execute(connection, self.database.dialect.feed.acknowledge(self.name, self._cursor))
                self._delivered = self._cursor

    # ------------------------------------------------------------------ waiting

    def _listen(self, connection: Connection) -> None:
        channel = self.database.dialect.feed.channel
        if channel is None:
            return
        # A notification that comes along with an answer would be lost.
        self._driver(connection).add_notify_handler(self._wake)
        with connection.begin():
            execute(connection, f"listen {channel}")

    def _wake(self, _notification: Any) -> None:
        self._woken = True

    def _wait(self, seconds: float) -> None:
        connection = self._connection
        if self.database.dialect.feed.channel is None:
            time.sleep(seconds)
        elif not self._woken:
            driver = self._driver(connection)
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

    @staticmethod
    def _driver(connection: Connection) -> Any:
        return connection.connection.driver_connection
