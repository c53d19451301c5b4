"""Models as teams declare them, and times and versions as the ORM is told of them."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import select, update
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import holdfast
import holdfast.sqlalchemy
from holdfast.sqlalchemy import (
    Audited,
    Repository,
    SoftDeletable,
    Timestamped,
    UTCDateTime,
    UUIDKey,
    Versioned,
    policies_of,
    restore,
)
from tests.sqlalchemy.conftest import Shop, installed
from tests.sqlalchemy.models import Order
from tests.sqlalchemy.test_traps_audit import recorded

pytestmark = pytest.mark.copy_of(build=lambda url: installed(url, Base))
DRIVERS = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
MIXINS = (Timestamped, SoftDeletable, Versioned, Audited)


class Base(DeclarativeBase):
    pass


class Record(Base, SoftDeletable, Timestamped, Audited):
    """What a team puts under all of its models."""

    __abstract__ = True


class User(Record, Versioned):
    """A reserved word for a name, a key of another name and made in Python, a time of its own."""

    __tablename__ = "user"

    code: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str]
    due: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Users(Repository[User]):
    writable = frozenset({"name", "due"})


@pytest.fixture(params=["sync", "async"])
def users(request: pytest.FixtureRequest, database: str) -> Shop:
    url = sa.make_url(database)
    if request.param == "async":
        url = url.set(drivername=DRIVERS[url.get_backend_name()])
    return Shop(url, request.param == "async")


def test_the_order_of_the_mixins_does_not_matter() -> None:
    """All of them count, wherever the base class stands among them."""
    found = set()
    for number, mixins in enumerate(itertools.permutations(MIXINS)):

        class Any_(DeclarativeBase):
            pass

        bases = (*mixins, UUIDKey, Any_) if number % 2 else (Any_, UUIDKey, *mixins)
        model: Any = type("Model", bases, {"__tablename__": "models"})
        table = model.__table__
        found.add((frozenset(policies_of(table)), frozenset(table.c.keys()), model.__mapper__.version_id_col is None))
        Any_.registry.dispose()
    [(policies, _, unversioned)] = found
    assert {type(each).__name__ for each in policies} == {"Audit", "SoftDelete", "Timestamps", "Version"}
    assert not unversioned


def test_a_model_on_top_of_abstract_ones_has_all_that_they_promise(users: Shop) -> None:
    """Made, changed, deleted, restored: with a key from Python, under a reserved word, and no conflict with itself."""
    keys: list[uuid.UUID] = []

    def scenario(session: Session) -> None:
        made = User(name="a")
        session.add(made)
        session.commit()
        keys.append(made.code)
        stamps = [(made.version, made.created_at, made.updated_at)]
        made.name = "b"
        session.commit()
        stamps.append((made.version, made.created_at, made.updated_at))
        session.delete(made)
        session.commit()
        made = restore(session, User, keys[0])
        session.commit()
        stamps.append((made.version, made.created_at, made.updated_at))
        assert [version for version, _, _ in stamps] == [1, 2, 4]
        assert len({created for _, created, _ in stamps}) == 1
        assert [updated for _, _, updated in stamps] == sorted({updated for _, _, updated in stamps})
        assert session.execute(update(User).values(name="c")).rowcount == 1  # type: ignore[attr-defined]
        session.commit()
        assert Users(session).update(keys[0], {"name": "d"}, version=5).version == 6
        session.commit()

    with holdfast.context(actor="ada"):
        users.run(scenario)
    operations = ["insert", "update", "delete", "restore", "update", "update"]
    found = [(uuid.UUID(key), operation, actor) for key, operation, actor in recorded(users, "user")]
    assert found == [(keys[0], each, "ada") for each in operations]


def test_a_moment_is_the_same_moment_whatever_zone_the_session_has(users: Shop) -> None:
    is_postgresql = users.url.get_backend_name() == "postgresql"
    noon = datetime(2026, 1, 31, 12, 30, 15, 250001, timezone(timedelta(hours=5, minutes=30)))

    def scenario(session: Session) -> None:
        if is_postgresql:
            session.execute(sa.text("set time zone 'UTC'"))
        first = User(name="a", due=noon)
        session.add(first)
        session.flush()
        if is_postgresql:
            session.execute(sa.text("set time zone 'America/New_York'"))
        second = User(name="b", due=noon)
        session.add(second)
        session.commit()
        assert (first.due, second.due) == (noon, noon)
        assert first.due is not None
        assert first.due.tzinfo is UTC
        assert session.query(User).filter(User.due == noon).count() == 2
        assert first.created_at <= second.created_at < first.created_at + timedelta(hours=1)
        assert first.updated_at <= second.updated_at < first.updated_at + timedelta(hours=1)
        first.due = noon.replace(tzinfo=None)
        with pytest.raises(StatementError, match="has no time zone"):
            session.flush()

    users.run(scenario)


def test_what_the_database_set_is_known_without_a_lazy_load(async_shop: Shop) -> None:
    async def main() -> None:
        engine = create_async_engine(async_shop.url)
        holdfast.sqlalchemy.bind(engine)
        async with holdfast.sqlalchemy.AsyncSession(engine, expire_on_commit=False) as session:
            order = Order(id=11, note="a")
            session.add(order)
            await session.commit()
            seen = [(order.version, order.updated_at)]
            order.note = "b"
            await session.flush()
            seen.append((order.version, order.updated_at))
            order.note = "c"
            await session.commit()
            seen.append((order.version, order.updated_at))
            [stored] = (await session.execute(select(Order.version, Order.updated_at).where(Order.id == 11))).all()
        await engine.dispose()
        assert [version for version, _ in seen] == [1, 2, 3]
        assert [updated for _, updated in seen] == sorted({updated for _, updated in seen})
        assert (order.version, order.updated_at) == tuple(stored)
        assert order.created_at <= order.updated_at
        assert order.deleted_at is None

    asyncio.run(main())
