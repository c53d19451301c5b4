"""Where a transaction begins and ends: committed before the caller goes on, rolled back on any error, never in part."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from holdfast.dialects import dialect_for
from holdfast.errors import UnsupportedError
from holdfast.sqlalchemy.explaining import explained

S = TypeVar("S", bound=Session)
A = TypeVar("A", bound=AsyncSession)

_FAILED = "holdfast.failed"
"""Notes on a connection the transaction of which a statement has failed."""


@contextmanager
def session_scope(maker: Callable[[], S]) -> Iterator[S]:
    """One session and one transaction: committed before the block is left, rolled back on any error, then closed.

    ``maker`` is a ``sessionmaker``. What only the commit finds out (a deferred constraint, a conflict of serializable
    transactions) is raised here, before the caller can report success. Errors of the database are ours
    (``ConstraintError``, ``RetryableError`` …). A ``commit()`` inside ends the transaction, and the session with it.
    Raises HF413 for an AUTOCOMMIT engine, which has no transaction to roll back, and HF617 where a statement failed
    on PostgreSQL, the error was caught, and the commit would be none.

    >>> from sqlalchemy import create_engine, orm, text
    >>> sessions = orm.sessionmaker(create_engine("sqlite://"))
    >>> with session_scope(sessions) as session:
    ...     session.scalar(text("select 1"))
    1
    """
    session = maker()
    with explained(session), session:
        whole = _Whole(session)
        with session.begin():
            yield session
            whole.check()


@asynccontextmanager
async def async_session_scope(maker: Callable[[], A]) -> AsyncIterator[A]:
    """``session_scope`` for an ``async_sessionmaker``; a cancelled task is rolled back like any other error."""
    session = maker()
    with explained(session):
        async with session:
            whole = _Whole(session.sync_session)
            async with session.begin():
                yield session
                if whole.failed():
                    await session.run_sync(lambda _: whole.check())


@contextmanager
def savepoint(session: S) -> Iterator[S]:
    """A part of the session's transaction that fails alone: on an error it is rolled back, the rest stays.

    It is flushed before and at its end, and shares the session: pass it on to what is called within. The error goes
    on, as one of ours; catch it outside of the block. Nothing is committed here: the transaction of the session is.

    >>> from sqlalchemy import create_engine, orm, text
    >>> from holdfast.errors import NotNullError
    >>> sessions = orm.sessionmaker(create_engine("sqlite://"))
    >>> with session_scope(sessions) as session:
    ...     _ = session.execute(text("create table t (a not null)"))
    ...     try:
    ...         with savepoint(session):
    ...             _ = session.execute(text("insert into t values (1), (null)"))
    ...     except NotNullError:
    ...         session.scalar(text("select count(*) from t"))
    0
    """
    with explained(session):
        _begin_session_late(session)
        with session.begin_nested():
            yield session


@asynccontextmanager
async def async_savepoint(session: A) -> AsyncIterator[A]:
    """``savepoint`` for an ``AsyncSession``.

    >>> import asyncio
    >>> from sqlalchemy import text
    >>> from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
    >>> async def write():
    ...     engine = create_async_engine("sqlite+aiosqlite://")
    ...     async with async_session_scope(async_sessionmaker(engine)) as session:
    ...         await session.execute(text("create table t (a unique)"))
    ...         await session.execute(text("insert into t values (1)"))
    ...         try:
    ...             async with async_savepoint(session):
    ...                 await session.execute(text("insert into t values (2), (1)"))
    ...         except HoldfastError as error:
    ...             print(error.code)
    ...         found = await session.scalar(text("select count(*) from t"))
    ...     await engine.dispose()
    ...     return found
    >>> from holdfast import HoldfastError
    >>> asyncio.run(write())
    HF601
    1
    """
    with explained(session):
        await session.run_sync(_begin_session_late)
        async with session.begin_nested():
            yield session


class _Whole:
    """Sees to it that the session's transaction is one, from its first statement to its commit."""

    def __init__(self, session: Session) -> None:
        self.connections: list[Connection] = []
        event.listen(session, "after_begin", self.begun)

    def begun(self, _session: Session, _transaction: object, connection: Connection) -> None:
        if connection in self.connections:
            return
        refuse_autocommit(connection)
        _begin_late(connection)
        # Not event.contains(), which goes by the address of an engine, and one that is gone may have had the same.
        if _note_failure not in connection.dialect.dispatch.handle_error:
            event.listen(connection.engine, "handle_error", _note_failure)
        self.connections.append(connection)

    def failed(self) -> list[Connection]:
        """The connections on which a statement of this transaction failed, whether or not that still matters."""
        return [each for each in self.connections if not each.closed and _has_failed(each)]

    def check(self) -> None:
        """Raises the server's own error where it would answer a commit with a rollback, and no error at all."""
        for connection in self.failed():
            connection.exec_driver_sql("select 1")


def _note_failure(context: ExceptionContext) -> None:
    connection = context.connection
    if connection is not None and not connection.closed and not connection.invalidated:
        transaction = connection.get_transaction()
        if transaction is not None:
            connection.info[_FAILED] = weakref.ref(transaction)


def _has_failed(connection: Connection) -> bool:
    if connection.invalidated:
        # Its notes are lost with it, and to ask for them might connect anew; the commit itself will be refused.
        return False
    transaction, failed = connection.get_transaction(), connection.info.get(_FAILED)
    return transaction is not None and failed is not None and failed() is transaction


def refuse_autocommit(connection: Connection) -> None:
    """HF413 where each statement is a transaction by itself."""
    option = connection.get_execution_options().get("isolation_level")
    if option == "AUTOCOMMIT" or getattr(connection.connection.dbapi_connection, "autocommit", False) is True:
        raise UnsupportedError(
            "HF413",
            "An AUTOCOMMIT engine commits each statement, so there is nothing to roll back.",
            'Give the sessionmaker an engine without it: engine.execution_options(isolation_level="READ COMMITTED").',
        )


def _begin_late(connection: Connection) -> None:
    """Python's driver for SQLite begins with the first write, and makes of a savepoint before that a transaction."""
    begin = dialect_for(connection.dialect.name).begin()
    if begin is not None and not getattr(connection.connection.driver_connection, "in_transaction", True):
        connection.exec_driver_sql(begin)


def _begin_session_late(session: Session) -> None:
    try:
        _begin_late(session.connection())
    except UnboundExecutionError:
        # Of several engines nobody can say which the savepoint will be on; within session_scope all have begun.
        return
