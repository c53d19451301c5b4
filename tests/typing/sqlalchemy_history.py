"""Checked by mypy, never run."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, assert_type

from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import holdfast.sqlalchemy
from holdfast.sqlalchemy import RowVersion, as_of, async_as_of, diff, revert, versions


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


class Other(Base):
    __tablename__ = "others"
    id: Mapped[int] = mapped_column(primary_key=True)


engine = create_engine("sqlite://")
session = Session(engine)
known = versions(session, Order, 7)
assert_type(known, list[RowVersion[Order]])
assert_type(versions(session, Order(), limit=2), list[RowVersion[Order]])
assert_type(known[0].values, Mapping[str, Any] | None)
assert_type(known[0].as_instance(), Order)
assert_type(diff(known[0], known[1]), dict[str, tuple[Any, Any]])
assert_type(revert(session, Order, 7, version=3), Order)
assert_type(revert(session, Order(), at=datetime.now(UTC), reason="asked for"), Order)
revert(session, Order, 7, version="3")  # type: ignore[call-overload]

with as_of(session, Base, at=datetime.now(UTC)) as past, as_of(engine, Base, transaction="7", tables=[Order]) as other:
    assert_type(past, holdfast.sqlalchemy.Session)
    assert_type(other, holdfast.sqlalchemy.Session)


async def read(later: AsyncSession) -> None:
    assert_type(await later.run_sync(versions, Order, 7), list[RowVersion[Order]])
    async with async_as_of(later, Base, transaction="7", unprotected="present") as past:
        assert_type(past, holdfast.sqlalchemy.AsyncSession)
    async with async_as_of(create_async_engine("sqlite+aiosqlite://"), Base, at=datetime.now(UTC)):
        pass
    async with async_as_of(engine, Base):  # type: ignore[arg-type]
        pass
