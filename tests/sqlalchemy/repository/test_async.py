"""The asynchronous repository is the synchronous one, awaited."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, make_url
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

import holdfast
import holdfast.sqlalchemy
from holdfast.errors import (
    DeclarationError,
    EmptyFilterError,
    InvalidFilterError,
    NotFoundError,
    StaleVersionError,
    UniqueError,
)
from holdfast.sqlalchemy.async_repository import AsyncRepository
from holdfast.sqlalchemy.repository import Repository
from tests.harness import Protected
from tests.sqlalchemy.warehouse import AsyncItems, Depot, Item

DRIVERS = {"asyncpg": "postgresql+asyncpg", "psycopg": "postgresql+psycopg", "aiosqlite": "sqlite+aiosqlite"}
Session = holdfast.sqlalchemy.AsyncSession
Work = Callable[[Callable[[Session], Awaitable[Any]]], Any]


@pytest.fixture
def work(engine: Engine) -> Work:
    """Runs the coroutine with a session, over each asynchronous driver of the database in turn."""

    def run(coroutine: Callable[[Session], Awaitable[Any]]) -> Any:
        async def over_each() -> Any:
            found = None
            for drivername in DRIVERS.values():
                if make_url(drivername + "://").get_backend_name() == engine.dialect.name:
                    async with _session(engine, drivername) as session:
                        found = await coroutine(session)
            return found

        return asyncio.run(over_each())

    return run


@asynccontextmanager
async def _session(engine: Engine, drivername: str) -> AsyncIterator[Session]:
    asynchronous = create_async_engine(engine.url.set(drivername=drivername))
    holdfast.sqlalchemy.bind(asynchronous)
    try:
        async with async_sessionmaker(asynchronous, class_=Session)() as session:
            yield session
    finally:
        await asynchronous.dispose()


def test_every_method_is_the_same_but_for_the_await() -> None:
    def methods(of: type[Any]) -> dict[str, Any]:
        return {name: each for name, each in vars(of).items() if callable(each) and not name.startswith("_")}

    ours, theirs = methods(AsyncRepository), methods(Repository)

    assert ours.keys() == theirs.keys()
    for name in theirs:
        assert inspect.signature(ours[name]) == inspect.signature(theirs[name]), name
        assert inspect.iscoroutinefunction(ours[name]), name


def test_reading_and_writing(work: Work) -> None:
    async def all_of_it(session: Session) -> None:
        items = AsyncItems(session)
        item = await items.get_or_raise(1, load=("labels", "depot"))
        assert (item.labels[0].text, item.depot is not None) == ("x", True)
        assert await items.get(4) is None
        assert [each.id for each in await items.list({"count__gte": 5}, limit=9, order_by="-sku")] == [3, 2]
        first = await items.page(order_by="-count", size=2)
        assert len(await items.page(order_by="-count", size=2, cursor=first.next)) == 1
        assert (await items.numbered_page(size=1, number=3, total="exact")).total == 3
        assert (await items.count(), await items.exists({"sku": "d"})) == (3, False)
        assert (await items.one(Item.sku == "a")) is item
        made = await items.create(sku="e", count=1)
        assert (made.version, made.created_at.tzinfo is not None) == (1, True)
        changed = await items.update(1, {"name": None}, version=1)
        # Nothing is left to be loaded outside of an await.
        assert (changed is item, item.version, item.name, item.labels[0].text) == (True, 2, None, "x")
        assert item.updated_at > item.created_at
        assert await items.update_where({"count": 5}, values={"count": 6}) == 2
        assert await items.create_many([{"sku": f"n{number}"} for number in range(60)]) == 60
        assert await items.update_many([{"id": 1, "name": "x", "version": 2}]) == 1
        assert (item.name, item.version) == ("x", 3)
        assert await items.upsert_many([{"id": 1, "sku": "a", "count": 0}], on=["id"], update=["count"]) == 1
        assert (await items.upsert({"id": 1, "sku": "a", "count": 1}, on=["id"], update=["count"])).count == 1
        await items.delete(2)
        assert (await items.restore(2)).id == 2
        assert await items.delete_many([2, 3]) == 2
        assert await items.delete_where({"sku__startswith": "n"}) == 60
        await items.delete(1, hard=True)
        await session.rollback()

    work(all_of_it)


def test_errors_are_the_same(work: Work) -> None:
    async def all_of_it(session: Session) -> None:
        items, depots = AsyncItems(session), AsyncRepository(session, Depot)
        with pytest.raises(NotFoundError, match="HF622"):
            await items.get_or_raise(99)
        with pytest.raises(StaleVersionError) as raised:
            await items.update(1, {"name": "x"}, version=7)
        assert raised.value.current == 1
        with pytest.raises(InvalidFilterError, match="AsyncItems has no filter"):
            await items.list({"secret": "x"}, limit=1)
        with pytest.raises(EmptyFilterError, match="HF626"):
            await items.delete_where({})
        with pytest.raises(DeclarationError, match="HF115"):
            await depots.update(1, {Depot.name: "x"}, version=1)
        with pytest.raises(UniqueError, match="HF601"):
            await depots.create(Depot(name="north"))
        await session.rollback()
        assert await AsyncRepository[Depot](session).count() == 1

    work(all_of_it)


def test_the_actor_is_recorded(work: Work, engine: Engine) -> None:
    async def write(session: Session) -> None:
        with holdfast.context(actor="ann"):
            await AsyncItems(session).update(1, {"name": "by ann"})
            await session.commit()

    work(write)

    change = Protected(engine.url.render_as_string(hide_password=False)).log("items")[-1]
    assert (change.actor, change.key) == ("ann", 1)
