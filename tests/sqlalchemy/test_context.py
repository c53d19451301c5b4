"""Who it was, through sessions of the ORM: bound to each transaction, whatever the driver, and to nobody else's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

import holdfast
from holdfast.sqlalchemy import AsyncSession, bind
from tests.harness import Protected
from tests.sqlalchemy.conftest import Shop
from tests.sqlalchemy.models import Line, Order


def actors(shop: Shop, table: str = "lines") -> dict[Any, str | None]:
    """The last actor of each row that was written since the shop was filled."""
    log = Protected(shop.engine().url.render_as_string(hide_password=False)).log(table)
    return {each.key: each.actor for each in log if each.actor or each.key > 10}


def test_of_a_flush_and_of_core_in_one_transaction(shop: Shop) -> None:
    def scenario(session: Session) -> None:
        with holdfast.context(actor="ada"):
            session.add(Line(id=11, order_id=1, sku="flushed"))
            session.flush()
            session.execute(insert(Line), [{"id": 12, "order_id": 1, "sku": "bulk"}])
            session.connection().execute(insert(Line.__table__).values(id=13, order_id=1, sku="core"))
            session.execute(sa.text("insert into lines (id, order_id, sku, quantity) values (14, 1, 'text', 1)"))
            session.commit()
        session.add(Line(id=15, order_id=1, sku="nobody"))
        session.commit()

    shop.run(scenario)
    assert actors(shop) == {11: "ada", 12: "ada", 13: "ada", 14: "ada", 15: None}


def test_of_savepoints(shop: Shop) -> None:
    def scenario(session: Session) -> None:
        with holdfast.context(actor="ada"):
            with session.begin_nested():
                session.add(Line(id=11, order_id=1, sku="kept"))
            with session.begin_nested() as savepoint:
                session.execute(update(Line).where(Line.id == 11).values(sku="undone"))
                savepoint.rollback()
            session.execute(delete(Line).where(Line.id == 1))
            session.commit()

    shop.run(scenario)
    assert actors(shop) == {11: "ada", 1: "ada"}


def test_of_each_transaction_of_a_session(shop: Shop) -> None:
    def scenario(session: Session) -> None:
        for key, actor in ((11, "ada"), (12, "bo")):
            with holdfast.context(actor=actor):
                session.add(Line(id=key, order_id=1, sku="x"))
                session.commit()
        with holdfast.context(actor="cy"):
            session.add(Line(id=13, order_id=1, sku="x"))
            session.flush()
            session.rollback()
        session.add(Line(id=14, order_id=1, sku="x"))
        session.commit()

    shop.run(scenario)
    assert actors(shop) == {11: "ada", 12: "bo", 14: None}


def test_the_transaction_begins_at_the_first_statement(shop: Shop) -> None:
    """A context that comes after a read is too late: the transaction is under way, and has its own."""

    def scenario(session: Session) -> None:
        session.scalars(select(Order)).all()
        with holdfast.context(actor="late"):
            session.add(Line(id=11, order_id=1, sku="x"))
            session.commit()
            session.add(Line(id=12, order_id=1, sku="x"))
            session.commit()

    shop.run(scenario)
    assert actors(shop) == {11: None, 12: "late"}


def engine_of(shop: Shop, **options: Any) -> AsyncEngine:
    engine = create_async_engine(shop.url, **options)
    bind(engine)
    return engine


def test_of_tasks_that_share_a_pool(pooled_shop: Shop) -> None:
    async def main() -> None:
        engine = engine_of(pooled_shop, pool_size=2, max_overflow=0)
        sessions = async_sessionmaker(engine, class_=AsyncSession)

        async def work(number: int) -> None:
            with holdfast.context(actor=f"task {number}"):
                async with sessions() as session:
                    session.add(Line(id=20 + number, order_id=1, sku="x"))
                    await session.flush()
                    await asyncio.sleep(0)
                    await session.commit()

        await asyncio.gather(*(work(number) for number in range(6)))
        async with sessions() as session:
            session.add(Line(id=30, order_id=1, sku="x"))
            await session.commit()
        await engine.dispose()

    asyncio.run(main())
    assert actors(pooled_shop) == {**{20 + number: f"task {number}" for number in range(6)}, 30: None}


def test_of_a_task_that_was_cancelled(pooled_shop: Shop) -> None:
    """Its transaction is gone, and the connection that it had says nothing of it to the next."""

    async def main() -> None:
        engine = engine_of(pooled_shop, pool_size=1, max_overflow=0)
        sessions = async_sessionmaker(engine, class_=AsyncSession)
        reached = asyncio.Event()

        async def work() -> None:
            with holdfast.context(actor="cancelled"):
                async with sessions() as session:
                    session.add(Line(id=11, order_id=1, sku="x"))
                    await session.flush()
                    reached.set()
                    await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with sessions() as session:
            session.add(Line(id=12, order_id=1, sku="x"))
            await session.commit()
        await engine.dispose()

    asyncio.run(main())
    assert actors(pooled_shop) == {12: None}


def test_an_asynchronous_sqlite_keeps_its_keys_and_its_transactions(async_shop: Shop) -> None:
    async def main() -> None:
        engine = engine_of(async_shop)
        async with AsyncSession(engine) as session:
            session.add(Line(id=11, order_id=99, sku="of nothing"))
            with pytest.raises(sa.exc.IntegrityError):
                await session.flush()
            await session.rollback()
            await session.execute(sa.text("create table made (id int)"))
            await session.rollback()
        async with AsyncSession(engine) as session:
            with pytest.raises(sa.exc.DBAPIError):
                await session.execute(sa.text("select * from made"))
        await engine.dispose()

    asyncio.run(main())
