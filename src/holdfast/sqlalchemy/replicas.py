"""Reading from replicas: transactions that are declared read-only go there, and still see what was just written."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import ORMExecuteState, sessionmaker

from holdfast.context import READ_ONLY
from holdfast.dialects import dialect_for
from holdfast.errors import RequestError, UnsupportedError
from holdfast.sqlalchemy.installing import sync_engine
from holdfast.sqlalchemy.session import AsyncSession, Session

_log = logging.getLogger("holdfast.replicas")
_PAUSE = 0.005
_WROTE = "holdfast.replicas.wrote"
_ROUTE = "holdfast.replicas.route"


@dataclass(slots=True)
class Written:
    """How far one context has written: a read-only transaction sees at least that."""

    position: int = 0
    unknown: bool = False
    """Whether more was committed since the primary was asked for the position."""


@dataclass(slots=True)
class Counts:
    """Where read-only transactions went, and why not to a replica."""

    replica: int = 0
    primary: int = 0
    behind: int = 0
    """How often a replica had not come far enough in time."""
    down: int = 0
    """How often a replica did not answer."""
    not_a_replica: int = 0
    """How often one was found to be no replica any more."""


@dataclass
class _Replica:
    engine: Engine
    left_out_until: float = 0.0


class Replicas:
    """Sends transactions that begin with ``read_snapshot`` to a replica, and every other one to the primary.

    A replica is asked first whether it is there and how far it has come. A read sees whatever its own context has
    committed before: a replica that is behind gets ``wait`` seconds, and then the primary is read. One that does not
    answer, or is no replica any more, is left out for ``retry_after`` seconds; each time that is logged as a warning
    (``holdfast.replicas``) and counted (``counts``). Give an engine for each server, all bound (``bind``).

    Raises HF499 where the database has no replicas.
    """

    def __init__(
        self,
        primary: Engine | AsyncEngine,
        *replicas: Engine | AsyncEngine,
        wait: float = 0.05,
        retry_after: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        dialect = dialect_for(primary.dialect.name)
        if dialect.replication is None:
            raise UnsupportedError("HF499", f"{dialect.title} has no replicas.", "Use the engine itself.")
        self.primary = sync_engine(primary)
        self.counts = Counts()
        self._replication = dialect.replication
        self._given = primary
        self._replicas = [_Replica(sync_engine(each)) for each in replicas]
        self._turns = itertools.count()
        self._wait, self._retry_after, self._clock = wait, retry_after, clock
        self._written: ContextVar[Written | None] = ContextVar("holdfast_written", default=None)
        event.listen(self.primary, "commit", self._committing)
        event.listen(self.primary, "checkin", self._checked_in)

    def sessions(self, **options: Any) -> sessionmaker[RoutedSession]:
        """A ``sessionmaker`` of sessions that choose between the primary and the replicas."""
        return sessionmaker(class_=RoutedSession, replicas=self, **options)

    def async_sessions(self, **options: Any) -> async_sessionmaker[AsyncRoutedSession]:
        """The same for asyncio."""
        return async_sessionmaker(class_=AsyncRoutedSession, replicas=self, **options)

    def token(self) -> str:
        """Stands for all that is committed now; hand it to whoever is to read it later, in a cookie perhaps.

        It costs a round trip to the primary. It is no secret, but sign what comes back from outside: a token of the
        future sends every read to the primary.
        """
        return str(self._ask(self.primary, self._replication.written())[0])

    async def async_token(self) -> str:
        """``token`` for asyncio."""
        assert isinstance(self._given, AsyncEngine)
        async with self._given.connect() as connection:
            return str(await connection.run_sync(lambda _: self.token()))

    @contextmanager
    def read_your_writes(self, token: str | None = None) -> Iterator[None]:
        """What is read within the block sees what was committed within it, by tasks and threads that it starts too,
        and what ``token`` stands for. HF496 for what is no token.

        Without a block that holds for each context (a thread, or a task and what it awaits) by itself.
        """
        written = Written(0 if token is None else self._position(token))
        before = self._written.set(written)
        try:
            yield
        finally:
            self._written.reset(before)

    def engine_to_read(self) -> Engine:
        """The server for a transaction that only reads."""
        needed = self._needed()
        turn = next(self._turns)
        for number in range(len(self._replicas)):
            replica = self._replicas[(turn + number) % len(self._replicas)]
            if self._may_read(replica, needed):
                self.counts.replica += 1
                return replica.engine
        self.counts.primary += 1
        return self.primary

    def _needed(self) -> int:
        written = self._written.get()
        if written is None:
            return 0
        if written.unknown:
            # Said first: a commit from now on may be missing in the answer.
            written.unknown = False
            try:
                position = self._position(self.token())
            except BaseException:
                written.unknown = True
                raise
            written.position = max(written.position, position)
        return written.position

    def _may_read(self, replica: _Replica, needed: int) -> bool:
        ends = self._clock() + self._wait
        pause = 0.0
        if ends - self._wait < replica.left_out_until:
            return False
        while True:
            try:
                is_replica, position = self._ask(replica.engine, self._replication.replayed(pause))
            except (replica.engine.dialect.loaded_dbapi.Error, OSError) as error:
                self.counts.down += 1
                self._leave_out(replica, "does not answer", error)
                return False
            if not is_replica:
                self.counts.not_a_replica += 1
                self._leave_out(replica, "is not a replica any more", None)
                return False
            if needed == 0 or (position is not None and self._position(position) >= needed):
                return True
            left = ends - self._clock()
            if left <= 0:
                self.counts.behind += 1
                _log.info("%s is behind, so the primary is read.", replica.engine.url)
                return False
            pause = min(_PAUSE, left)

    def _leave_out(self, replica: _Replica, why: str, error: BaseException | None) -> None:
        replica.left_out_until = self._clock() + self._retry_after
        _log.warning(
            "%s %s: it is not read for %g s. %s",
            replica.engine.url,
            why,
            self._retry_after,
            error or "",
            exc_info=error,
        )
        # Other connections that wait in its pool are likely to be dead as well.
        replica.engine.dispose()

    def _ask(self, engine: Engine, sql: str) -> Any:
        """By the driver itself: what listens to the engine's transactions has nothing to do with this one."""
        connection = engine.raw_connection()
        driver = connection.dbapi_connection
        assert driver is not None
        try:
            # One round trip, and not one for each of BEGIN and ROLLBACK too.
            engine.dialect.set_isolation_level(driver, "AUTOCOMMIT")
            cursor = connection.cursor()
            cursor.execute(sql)
            row = cursor.fetchone()
            cursor.close()
            engine.dialect.reset_isolation_level(driver)
        except BaseException as error:
            connection.invalidate(error)
            raise
        finally:
            connection.close()
        return row

    def _position(self, token: str) -> int:
        try:
            return self._replication.position(token)
        except (ValueError, TypeError) as error:
            raise RequestError(
                "HF496", f"{str(token)[:40]!r} is not a token of this database.", "Take it from replicas.token()."
            ) from error

    def _committing(self, connection: Connection) -> None:
        if connection.get_execution_options().get(READ_ONLY):
            return
        written = self._written.get()
        if written is None:
            written = Written()
            self._written.set(written)
        written.unknown = True
        connection.info[_WROTE] = written

    def _checked_in(self, _connection: object, record: Any) -> None:
        """The commit is over now, and another task may have asked before it was."""
        written: Written | None = record.info.pop(_WROTE, None)
        if written is not None:
            written.unknown = True


class RoutedSession(Session):
    """A session that reads from a replica within ``read_snapshot``, and uses the primary for all else.

    Within ``read_snapshot`` a lock (``with_for_update``) raises HF495 and a write HF405, wherever it was sent.
    """

    def __init__(self, bind: object = None, *, replicas: Replicas, **more: Any) -> None:
        super().__init__(bind=replicas.primary, **more)
        self._replicas = replicas

    def get_bind(self, mapper: Any = None, **more: Any) -> Engine | Connection:
        """The engine for this transaction."""
        block = self.info.get(READ_ONLY)
        if block is None:
            return super().get_bind(mapper, **more)
        route: tuple[object, Engine] | None = self.info.get(_ROUTE)
        if route is None or route[0] is not block:
            route = self.info[_ROUTE] = (block, self._replicas.engine_to_read())
        return route[1]


class AsyncRoutedSession(AsyncSession):
    """The same for asyncio."""

    sync_session_class: type[Session] = RoutedSession


@event.listens_for(RoutedSession, "do_orm_execute")
def _refuse_locks(state: ORMExecuteState) -> None:
    if READ_ONLY in state.session.info and getattr(state.statement, "_for_update_arg", None) is not None:
        raise UnsupportedError(
            "HF495",
            "A row was to be locked in a transaction that only reads, and that may be on a replica.",
            "Lock it, and read what you will write by its version, in a session_scope: that is on the primary.",
        )
