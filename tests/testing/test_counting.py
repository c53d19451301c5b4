"""Counting statements: those of the application, whatever surrounds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy import orm, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

import holdfast
from holdfast.sqlalchemy import bind
from holdfast.testing import acting_as, assert_audited, count_queries, rolled_back_session
from tests.testing.shop import Order


def test_statements_are_counted_and_kept(engine: sa.Engine) -> None:
    with engine.connect() as connection, count_queries(engine) as queries:
        connection.execute(select(Order.id))
        assert queries.count == 1
        connection.execute(sa.text("select 2"))
    with engine.connect() as connection:
        connection.execute(sa.text("select 3"))
    assert queries.count == 2
    assert [" ".join(each.split()) for each in queries.statements] == ["SELECT orders.id FROM orders", "select 2"]


def test_another_number_than_expected_fails_with_the_list(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        with count_queries(connection, expect=1):
            connection.execute(sa.text("select 1"))
        with pytest.raises(AssertionError) as caught, count_queries(connection, expect=2):
            connection.execute(sa.text("select\n  1"))
        assert str(caught.value) == "1 statements were sent, not 2:\n   1. select 1"
        with pytest.raises(ZeroDivisionError), count_queries(connection, expect=2):
            raise ZeroDivisionError


def test_the_number_is_the_same_with_a_context_and_within_a_rolled_back_session(engine: sa.Engine) -> None:
    def work(session: orm.Session) -> None:
        session.add(Order(id=2))
        session.flush()
        session.execute(sa.text("update orders set status = 'sent' where id = 2"))

    with orm.Session(engine) as session, count_queries(session, expect=2):
        work(session)
        session.rollback()
    with holdfast.context(actor="ada"), orm.Session(engine) as session, count_queries(engine, expect=2):
        work(session)
        session.rollback()
    with rolled_back_session(engine, orm.Session) as session, count_queries(session, expect=2):
        work(session)
        session.commit()
        with acting_as("bo"):
            session.commit()
        assert_audited(session, Order, 2, operation="update")


def test_each_that_a_scoped_session_is_bound_to(engine: sa.Engine) -> None:
    scoped = orm.scoped_session(orm.sessionmaker(engine))
    with count_queries(scoped, expect=1):
        scoped.execute(select(Order.id))
    scoped.remove()


@pytest.mark.parametrize("shop", ["sqlite", "postgresql"], indirect=True)
def test_asynchronous(engine: sa.Engine) -> None:
    async def main() -> None:
        driver = "postgresql+asyncpg" if engine.dialect.name == "postgresql" else "sqlite+aiosqlite"
        asynchronous = create_async_engine(engine.url.set(drivername=driver))
        bind(asynchronous)
        async with asynchronous.connect() as connection, AsyncSession(asynchronous) as session:
            blocks: list[Callable[..., AbstractContextManager[object]]] = [
                partial(count_queries, each) for each in (asynchronous, connection)
            ]
            for block in blocks:
                with holdfast.context(actor="ada"), block(expect=1):
                    await connection.execute(select(Order.id))
            with count_queries(session, expect=1):
                await session.execute(select(Order.id))
        await asynchronous.dispose()

    asyncio.run(main())
