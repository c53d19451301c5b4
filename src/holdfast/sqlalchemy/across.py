"""Working across tenants: another login, another engine, and each time a reason that is written down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import SessionTransaction

from holdfast.context import current
from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.errors import TenantError
from holdfast.sqlalchemy.scopes import async_session_scope, session_scope
from holdfast.sqlalchemy.session import AsyncSession, Session
from holdfast.sqlalchemy.tenants import ACROSS


@contextmanager
def all_tenants(engine: Engine, *, reason: str, **options: Any) -> Iterator[Session]:
    """A session and a transaction that see the rows of every tenant; that it was so, by whom and why, is recorded.

    ``engine`` is one of its own, bound like any other, that logs in with the role that has the duty ``all_tenants``: no
    setting turns the application's login into it. The record is part of the transaction, and without it the database
    shows nothing. ``options`` are the session's. Committed at the end, rolled back on any error. Raises HF203 without
    a reason or within a context that has a tenant, HF404 where the role has not that duty.
    """
    with session_scope(lambda: _across(Session(engine, **options), reason)) as session:
        yield session


@asynccontextmanager
async def async_all_tenants(engine: AsyncEngine, *, reason: str, **options: Any) -> AsyncIterator[AsyncSession]:
    """``all_tenants`` for an ``AsyncEngine``.

    >>> import asyncio
    >>> from sqlalchemy import Column, Integer, MetaData, Table, select
    >>> from sqlalchemy.ext.asyncio import create_async_engine
    >>> from holdfast import Tenant
    >>> from holdfast.sqlalchemy import bind, install, protect
    >>> metadata = MetaData()
    >>> notes = Table("notes", metadata, Column("id", Integer, primary_key=True), Column("shop", Integer))
    >>> notes = protect(Tenant("shop", reads="application"))(notes)
    >>> async def count():
    ...     engine = create_async_engine("sqlite+aiosqlite://")
    ...     bind(engine)
    ...     async with engine.begin() as connection:
    ...         await connection.run_sync(metadata.create_all)
    ...         await connection.run_sync(install, metadata)
    ...     async with async_all_tenants(engine, reason="a look") as session:
    ...         found = (await session.execute(select(notes))).all()
    ...     await engine.dispose()
    ...     return len(found)
    >>> asyncio.run(count())
    0
    """

    def make() -> AsyncSession:
        session = AsyncSession(engine, **options)
        _across(session.sync_session, reason)
        return session

    async with async_session_scope(make) as session:
        yield session


def _across(session: Any, reason: str) -> Any:
    if not reason.strip():
        raise TenantError("HF203", "Work across tenants needs a reason.", "Say why: all_tenants(engine, reason=…).")
    if current().get("tenant") is not None:
        raise TenantError(
            "HF203",
            f"This is work for tenant {current()['tenant']}, and cannot go over to all tenants.",
            "Leave the context of that tenant first.",
        )
    session.info[ACROSS] = reason
    event.listen(session, "after_begin", _record)
    return session


def _record(session: Any, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:
        return
    for query in dialect_for(connection.dialect.name).work_across_tenants(session.info[ACROSS], current().get("actor")):
        execute(connection, query)
