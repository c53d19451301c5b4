"""A session whose every write goes away again, while the tested code commits and rolls back as it likes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine, Transaction
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from holdfast.testing.binding import Binding, NotRolledBackError

S = TypeVar("S", bound=Session)
A = TypeVar("A", bound=AsyncSession)


@contextmanager
def rolled_back_session(bind: Engine | Connection, session: Callable[..., S]) -> Iterator[S]:
    """A session whose transaction is rolled back at the end, whatever the tested code does.

    ``session`` is the application's session class, or its ``sessionmaker``. To the tested code each ``commit()`` and
    ``rollback()`` is what it says: it commits and rolls back savepoints within the one transaction of the test. The
    context counts as outside of tests, when the code's transaction begins; ``acting_as`` counts at once. What only a
    real commit does is not seen: deferred constraints, NOTIFY, and what other connections read. Raises HF632 where
    a commit would be real.
    """
    with _connected(bind) as connection:
        transaction, binding = _begin(connection)
        try:
            made = session(bind=connection, join_transaction_mode="create_savepoint")
            try:
                yield made
            finally:
                made.close()
        finally:
            _end(connection, transaction, binding)


@asynccontextmanager
async def async_rolled_back_session(bind: AsyncEngine | AsyncConnection, session: Callable[..., A]) -> AsyncIterator[A]:
    """The same for an asynchronous engine and session class or ``async_sessionmaker``.

    >>> import asyncio
    >>> from sqlalchemy import text
    >>> from holdfast.testing import async_memory_sqlite
    >>> async def rows_left():
    ...     async with async_memory_sqlite() as engine:
    ...         async with engine.begin() as connection:
    ...             await connection.execute(text("create table t (a)"))
    ...         async with async_rolled_back_session(engine, AsyncSession) as session:
    ...             await session.execute(text("insert into t values (1)"))
    ...             await session.commit()
    ...         async with engine.connect() as connection:
    ...             return await connection.scalar(text("select count(*) from t"))
    >>> asyncio.run(rows_left())
    0
    """
    async with _async_connected(bind) as connection:
        transaction, binding = await connection.run_sync(_begin)
        try:
            made = session(bind=connection, join_transaction_mode="create_savepoint")
            try:
                yield made
            finally:
                await made.close()
        finally:
            await connection.run_sync(_end, transaction, binding)


@contextmanager
def _connected(bind: Engine | Connection) -> Iterator[Connection]:
    if isinstance(bind, Connection):
        yield bind
    else:
        with bind.connect() as connection:
            yield connection


@asynccontextmanager
async def _async_connected(bind: AsyncEngine | AsyncConnection) -> AsyncIterator[AsyncConnection]:
    if isinstance(bind, AsyncConnection):
        yield bind
    else:
        async with bind.connect() as connection:
            yield connection


def _begin(connection: Connection) -> tuple[Transaction, Binding]:
    transaction = connection.begin_nested() if connection.in_transaction() else connection.begin()
    try:
        driver = connection.connection.dbapi_connection
        if getattr(driver, "autocommit", False) is True:
            raise NotRolledBackError(
                "HF632",
                "The connection is in AUTOCOMMIT, so there is nothing to roll back.",
                "Give an engine with another isolation level.",
            )
        # SQLite's drivers by themselves begin with the first write: a savepoint before it would be the transaction.
        if not getattr(connection.connection.driver_connection, "in_transaction", True):
            connection.exec_driver_sql("begin")
        binding = Binding(connection)
        binding.start()
    except BaseException:
        transaction.rollback()
        raise
    return transaction, binding


def _end(connection: Connection, transaction: Transaction, binding: Binding) -> None:
    binding.stop()
    if transaction.is_active:
        transaction.rollback()
    elif not connection.invalidated:
        # The code ended the transaction over our heads. A commit was refused, and the server still has it open;
        # after a rollback the code may have gone on in another one.
        connection.rollback()
        connection.dialect.do_rollback(connection.connection)
