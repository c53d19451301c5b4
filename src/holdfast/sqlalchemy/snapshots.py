"""Transactions that see one state of the database and write nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from holdfast.context import READ_ONLY
from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.sqlalchemy.scopes import A, S, async_session_scope, session_scope


@contextmanager
def read_snapshot(maker: Callable[[], S]) -> Iterator[S]:
    """A session that sees one state of the database, from its first query on, and refuses to write.

    On PostgreSQL the transaction is REPEATABLE READ and READ ONLY (READ ONLY alone is no snapshot); on SQLite it is one
    read transaction under ``query_only``. Neither outlives the block. A write raises HF405. It is what a report, or a
    count and its page, should be read with; what is called within must use this session.
    The connection must be the session's own: a session that joined somebody's transaction cannot have a state of its
    own, and raises SQLAlchemy's ``InvalidRequestError`` on PostgreSQL.

    >>> from sqlalchemy import create_engine, orm, text
    >>> sessions = orm.sessionmaker(create_engine("sqlite://"))
    >>> with read_snapshot(sessions) as session:
    ...     session.scalar(text("select count(*) from sqlite_schema"))
    0
    """
    with session_scope(maker) as session, _read_only(session):
        _begin_snapshot(session)
        yield session


@asynccontextmanager
async def async_read_snapshot(maker: Callable[[], A]) -> AsyncIterator[A]:
    """``read_snapshot`` for an ``async_sessionmaker``.

    >>> import asyncio
    >>> from sqlalchemy import text
    >>> from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
    >>> async def read():
    ...     engine = create_async_engine("sqlite+aiosqlite://")
    ...     async with async_read_snapshot(async_sessionmaker(engine)) as session:
    ...         found = await session.scalar(text("select 1"))
    ...     await engine.dispose()
    ...     return found
    >>> asyncio.run(read())
    1
    """
    async with async_session_scope(maker) as session:
        with _read_only(session.sync_session):
            await session.run_sync(_begin_snapshot)
            yield session


@contextmanager
def _read_only(session: Session) -> Iterator[None]:
    """Says so in the session's ``info``, by which one that has several engines chooses."""
    session.info[READ_ONLY] = object()
    try:
        yield
    finally:
        session.info.pop(READ_ONLY, None)


def _begin_snapshot(session: Session) -> None:
    bind: Engine | Connection = session.get_bind()
    dialect = dialect_for(bind.dialect.name)
    options: dict[str, Any] = {READ_ONLY: True}
    if dialect.snapshot_level is not None:
        options["isolation_level"] = dialect.snapshot_level
    refuse_writes(session.connection(execution_options=options))


def refuse_writes(connection: Connection) -> None:
    """From here to the end of its transaction, however it ends, the connection writes nothing."""
    dialect = dialect_for(connection.dialect.name)
    ending = dialect.end_read_only()
    if ending is not None:
        [(statement,)] = execute(connection, ending)
        _at_the_end(connection, statement)
    execute(connection, dialect.read_only())


def _at_the_end(connection: Connection, statement: str) -> None:
    """Runs it before the connection goes back to the pool, however the transaction ends."""

    def ending(connection: Connection) -> None:
        if not connection.invalidated:
            cursor = connection.connection.cursor()
            try:
                cursor.execute(statement)
            finally:
                cursor.close()

    event.listen(connection, "commit", ending)
    event.listen(connection, "rollback", ending)
