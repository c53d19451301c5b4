"""One migrator at a time: a lock of the session, asked for again and again, never waited for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.base import Dialect
from holdfast.dialects.query import Query
from holdfast.errors import LockedError, UnsupportedError
from holdfast.migrating.blocking import told
from holdfast.migrating.settings import MigrationSettings

_POLL = (0.05, 1.0)


class MigratorLock:
    """Held on the migrating connection itself.

    Who waits in the server holds a snapshot, which CREATE INDEX CONCURRENTLY of the other migrator waits for in turn:
    a deadlock. Who asks again and again holds nothing between two questions.
    """

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        name: str,
        settings: MigrationSettings,
        say: Callable[[str], None],
    ) -> None:
        self.connection = connection
        self.migrating = dialect.migrating
        self.name = name
        self.settings = settings
        self.say = say

    @contextmanager
    def held(self) -> Iterator[None]:
        asked = self.migrating.try_lock(self.name)
        if asked is None:
            yield
            return
        self._acquire(asked)
        try:
            self._refuse_pooler()
            yield
        finally:
            self._release()

    def check(self) -> None:
        """HF456 where the session that is asked now is not the one that took the lock."""
        asked = self.migrating.holds_lock(self.name)
        if asked is not None and not execute(self.connection, asked)[0][0]:
            raise _pooled()

    def _acquire(self, asked: Query) -> None:
        give_up = time.monotonic() + self.settings.deadline.total_seconds()
        pause, told_of = _POLL[0], False
        while not self._alone(asked):
            if time.monotonic() >= give_up:
                raise LockedError(
                    "HF455",
                    f"Another run is migrating this database: {self._holder() or 'it has just ended'}.",
                    "Wait until it is done, and run the migration again.",
                )
            if not told_of:
                self.say(f"Another run is migrating this database, so this one waits: {self._holder()}.")
                told_of = True
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, _POLL[1])

    def _alone(self, query: Query) -> Any:
        """The answer, in a transaction of its own."""
        try:
            rows = execute(self.connection, query)
            return rows[0][0] if rows else None
        finally:
            self.connection.rollback()

    def _holder(self) -> str:
        asked = self.migrating.lock_holder(self.name)
        try:
            return "; ".join(told(row) for row in execute(self.connection, asked)) if asked else ""
        finally:
            self.connection.rollback()

    def _refuse_pooler(self) -> None:
        """HF456 where a pooler gives every transaction whatever server session is free."""
        self.check()
        self.connection.rollback()
        session = self.migrating.session_id()
        if session is None:
            return
        server = self._alone(Query(session, {}))
        if _session_of_driver(self.connection) == server:
            return
        # Something is in between. While another connection has a transaction open, it shows whose session that is.
        with self.connection.engine.connect() as other:
            taken = execute(other, session)[0][0]
            held = taken != server and self._alone(Query(session, {})) == server
        if not held:
            raise _pooled()

    def _release(self) -> None:
        if self.connection.closed or self.connection.invalidated:
            return
        self.connection.rollback()
        if (query := self.migrating.release_lock(self.name)) is not None:
            execute(self.connection, query)
            self.connection.rollback()


def _session_of_driver(connection: Connection) -> int | None:
    """What the client was told at the start, which a pooler makes up."""
    driver: Any = connection.connection.driver_connection
    if hasattr(driver, "get_server_pid"):
        return int(driver.get_server_pid())
    if hasattr(driver, "info"):
        return int(driver.info.backend_pid)
    return None


def _pooled() -> UnsupportedError:
    return UnsupportedError(
        "HF456",
        "The connection does not keep its session: a pooler gives each transaction another one.",
        "Migrate over a connection to PostgreSQL itself, or through PgBouncer with pool_mode = session.",
    )
