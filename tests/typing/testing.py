"""Checked by mypy, never run."""

from collections.abc import Callable
from typing import Any, assert_type

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker

from holdfast.journal import Change
from holdfast.testing import (
    acting_as,
    assert_audited,
    async_memory_sqlite,
    async_rolled_back_session,
    count_queries,
    memory_sqlite,
    rolled_back_session,
)


class Ours(Session): ...


class AsyncOurs(AsyncSession): ...


def synchronous(made: sessionmaker[Ours]) -> None:
    with memory_sqlite() as engine:
        assert_type(engine, Engine)
        with rolled_back_session(engine, Ours) as session, count_queries(session, expect=1) as queries:
            assert_type(session, Ours)
            assert_type(queries.count, int)
            assert_type(assert_audited(session, "orders", 1, operation="update"), Change)
        with rolled_back_session(engine, made) as session:
            assert_type(session, Ours)


async def asynchronous(made: async_sessionmaker[AsyncOurs]) -> None:
    async with async_memory_sqlite() as engine:
        assert_type(engine, AsyncEngine)
        async with async_rolled_back_session(engine, made) as session:
            assert_type(session, AsyncOurs)
            assert_type(await session.run_sync(assert_audited, "orders", (1, 2), actor=None), Change)


@acting_as("ada")
def work(value: int) -> str:
    return str(value)


@acting_as("ada")
async def work_later(value: int) -> str:
    return str(value)


assert_type(work(1), str)
_: Callable[[int], Any] = work_later
