"""Checked by mypy, never run."""

from typing import Any, assert_type

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker

from holdfast.errors import UniqueError
from holdfast.problem import to_problem
from holdfast.sqlalchemy import (
    async_read_snapshot,
    async_retry,
    async_savepoint,
    async_session_scope,
    explained,
    read_snapshot,
    retry,
    savepoint,
    session_scope,
)


class Own(Session):
    """An application's own session keeps its type."""


sessions = sessionmaker(class_=Own)
async_sessions = async_sessionmaker(class_=AsyncSession)

with session_scope(sessions) as session, savepoint(session) as same, explained(session):
    assert_type(session, Own)
    assert_type(same, Own)
with read_snapshot(sessions) as reading:
    assert_type(reading, Own)


def count(session: Own) -> int:
    return 1


@retry(sessions, attempts=3)
def add(session: Own, left: int, *, right: str) -> float:
    return 1.0


assert_type(retry(sessions, count), int)
assert_type(add(1, right="x"), float)
add("x", right="x")  # type: ignore[arg-type]
retry(sessions, add, attempts="many")  # type: ignore[call-overload]


async def count_later(session: AsyncSession) -> int:
    return 1


@async_retry(async_sessions)
async def add_later(session: AsyncSession, left: int) -> str:
    return ""


async def work() -> None:
    async with async_session_scope(async_sessions) as session, async_savepoint(session) as same:
        assert_type(session, AsyncSession)
        assert_type(same, AsyncSession)
        with explained(session):
            assert_type(await async_retry(async_sessions, count_later), int)
    async with async_read_snapshot(async_sessions) as reading:
        assert_type(reading, AsyncSession)
    assert_type(await add_later(1), str)


error = UniqueError("HF601", "message")
assert_type(error.constraint, str | None)
assert_type(error.columns, tuple[str, ...])
assert_type(to_problem(error, instance="/users"), dict[str, Any])
