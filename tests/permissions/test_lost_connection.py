"""A connection is lost, or a task cancelled, while permissions are bound: what is raised says so, and work goes on."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

import holdfast
import holdfast.sqlalchemy
from holdfast.errors import ConnectionLostError, PermissionDeniedError
from holdfast.permissions import acting, held_by, require
from holdfast.sqlalchemy import AsyncSession, Session, async_session_scope, explained, session_scope
from holdfast.sqlalchemy.permissions import bind_permissions
from tests.permissions.conftest import ROLE, Order, Shop, build

pytestmark = pytest.mark.copy_of(build=build)
ONE = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 5}
"""So that a connection which is not given back is missed."""
LOSE = sa.text("select pg_terminate_backend(pg_backend_pid())")


def lose(connection: sa.Connection) -> None:
    with pytest.raises(ConnectionLostError), explained(connection):
        connection.execute(LOSE)


@pytest.fixture
def engine(postgresql_shop: Shop) -> sa.Engine:
    engine = sa.create_engine(postgresql_shop.url.set(username=ROLE), **ONE)
    postgresql_shop.engines.append(engine)
    holdfast.sqlalchemy.bind(engine)
    bind_permissions(engine)
    return engine


def test_a_session_says_that_it_lost_its_connection(engine: sa.Engine) -> None:
    with holdfast.context(actor="bob"):
        with pytest.raises(ConnectionLostError), session_scope(lambda: Session(engine)) as session:
            session.execute(LOSE)
        with Session(engine) as session:
            assert held_by(session.connection()).may("order:create")


def test_a_connection_is_used_again_once_it_is_rolled_back(engine: sa.Engine) -> None:
    with holdfast.context(actor="bob"), engine.connect() as connection:
        lose(connection)
        connection.rollback()
        assert held_by(connection).may("order:create")


def test_what_was_denied_outside_of_a_lost_transaction_is_recorded(postgresql_shop: Shop, engine: sa.Engine) -> None:
    with holdfast.context(actor="bob"), acting(engine), engine.connect() as connection:
        lose(connection)
        with pytest.raises(PermissionDeniedError):
            require("order:delete")
    assert postgresql_shop.denied() == [("bob", "order:delete")]


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async"])
def test_a_cancelled_task_stays_cancelled(postgresql_shop: Shop, driver: str) -> None:
    async def run() -> None:
        url = postgresql_shop.url.set(username=ROLE, drivername=f"postgresql+{driver}")
        engine = create_async_engine(url, **ONE)
        holdfast.sqlalchemy.bind(engine)
        bind_permissions(engine)
        maker = async_sessionmaker(engine, class_=AsyncSession)
        pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def work() -> None:
            with holdfast.context(actor="bob"):
                async with async_session_scope(maker) as session:
                    pid.set_result(await session.scalar(sa.text("select pg_backend_pid()")))
                    await session.execute(sa.update(Order).values(status="paid"))

        looking = create_async_engine(url.set(username=postgresql_shop.url.username))
        async with looking.connect() as connection:
            await connection.execute(sa.text("lock table orders in exclusive mode"))
            task = asyncio.create_task(work())
            waiting = sa.text("select exists (select from pg_locks where pid = :pid and not granted)")
            while not await connection.scalar(waiting, {"pid": await pid}):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        async with async_session_scope(maker) as session:
            assert set(await session.scalars(sa.select(Order.status))) == {"new"}
        await looking.dispose()
        await engine.dispose()

    asyncio.run(run())


def test_a_scope_on_a_connection_that_was_lost_and_rolled_back(postgresql_shop: Shop) -> None:
    async def run() -> None:
        engine = postgresql_shop.async_engine()
        async with engine.connect() as connection:
            async with async_session_scope(async_sessionmaker(connection, class_=AsyncSession)) as session:
                await session.run_sync(lambda inner: lose(inner.connection()))
                await session.rollback()
        await engine.dispose()

    asyncio.run(run())
