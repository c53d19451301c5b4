"""A consumer of the change feed: at least once, from where it was last done, one at a time."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from sqlalchemy import Connection

from holdfast.database import Database, execute, explained
from holdfast.errors import LockedError, RequestError
from holdfast.feed import Start, cursor_at, moment_of
from holdfast.feed_cursor import decode, position_of
from holdfast.feed_page import Batch
from holdfast.following import Reader


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


class Consumer(Reader[Delivery]):
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
        super().__init__(database, tables, limit)
        self.name = name
        self._start = start
        self._holder = secrets.token_hex(8)
        self._delivered = ""

    def read(self) -> Delivery:
        """The next batch, at once; it may be empty. It is not read again unless the consumer is opened anew."""
        batch = self._read()
        if batch.changes:
            self._delivered = batch.cursor
        else:
            self._skip(self._connection)
        return Delivery(**{each.name: getattr(batch, each.name) for each in fields(Batch)}, consumer=self)

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
            decode(cursor, dialect, state)
            self._check_held(connection)
            execute(connection, dialect.feed.acknowledge(self.name, cursor))
        self._cursor = self._delivered = cursor

    # ------------------------------------------------------------------ the one who has the name

    def _begin(self, connection: Connection) -> str:
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
            stored = cursor_at(self.database, self._start)
            with connection.begin():
                execute(connection, feed.acknowledge(self.name, stored))
        self._delivered = stored
        return stored

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
        if done.origin == reached.origin and not self.database.dialect.feed.is_far(done, reached):
            return
        with explained(self.database.dialect), connection.begin():
            if self._check_held(connection) == self._delivered:
                execute(connection, self.database.dialect.feed.acknowledge(self.name, self._cursor))
                self._delivered = self._cursor
