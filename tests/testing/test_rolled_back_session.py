"""A session that is rolled back: the code under test commits as it likes, says who it is, and leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy import orm, select
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

import holdfast
from holdfast.database import Database
from holdfast.dialects.log import LogFilter
from holdfast.errors import HoldfastError
from holdfast.inspector import inspect
from holdfast.journal import Change
from holdfast.sqlalchemy import AsyncSession, Session, bind
from holdfast.testing import (
    acting_as,
    assert_audited,
    assert_not_audited,
    async_rolled_back_session,
    rolled_back_session,
)
from holdfast.timeline import log
from tests.testing.shop import Order


def orders(engine: sa.Engine) -> list[tuple[int, str]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql("select id, status from orders order by id")]


@pytest.fixture(autouse=True)
def _nothing_stays(engine: sa.Engine) -> Iterator[None]:
    yield
    assert orders(engine) == [(1, "paid")]
    database = Database(engine.url)
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
        recorded = log(connection, dialect, inventory, LogFilter(limit=None))
    assert [(each.key, each.operation) for each in recorded] == [(1, "insert")]


def place(session: orm.Session, key: int) -> None:
    """The code under test: commits what is well, rolls back what is not."""
    session.add(Order(id=key))
    try:
        session.commit()
    except sa.exc.IntegrityError:
        session.rollback()
        raise


def test_the_code_commits_and_rolls_back_and_nothing_stays(engine: sa.Engine) -> None:
    with rolled_back_session(engine, Session) as session:
        place(session, 2)
        with pytest.raises(sa.exc.IntegrityError):
            place(session, 1)
        session.add(Order(id=3))
        session.flush()
        session.rollback()
        place(session, 4)
        assert list(session.scalars(select(Order.id).order_by(Order.id))) == [1, 2, 4]
        assert orders(engine) == [(1, "paid")]


@pytest.mark.parametrize("made", [Session, orm.Session, sessionmaker(class_=Session, expire_on_commit=False)])
def test_the_session_is_the_applications_own(engine: sa.Engine, made: Callable[..., orm.Session]) -> None:
    with rolled_back_session(engine, made) as session:
        order = Order(id=2)
        session.add(order)
        session.commit()
        assert sa.inspect(order).expired_attributes == (
            set() if isinstance(made, sessionmaker) else {*vars(Order)} & {*sa.inspect(Order).attrs.keys()}
        )


def test_an_error_of_the_test_rolls_back_too(engine: sa.Engine) -> None:
    def fail(session: orm.Session) -> None:
        place(session, 2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), rolled_back_session(engine, Session) as session:
        fail(session)


def test_a_connection_goes_on_with_what_it_had(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("insert into orders (id, status) values (7, 'mine')")
        with rolled_back_session(connection, Session) as session:
            place(session, 2)
        assert connection.exec_driver_sql("select id from orders order by id").scalars().all() == [1, 7]
        connection.rollback()
        with rolled_back_session(connection, Session) as session:
            place(session, 2)
        assert not connection.in_transaction()


def test_an_engine_whose_driver_would_not_begin(engine: sa.Engine) -> None:
    """SQLite's would begin at the first write, and a savepoint released before it would be a commit."""
    plain = sa.create_engine(engine.url)
    with rolled_back_session(plain, orm.Session) as session:
        session.execute(select(Order))
        session.commit()
        session.execute(sa.text("insert into orders (id, status) values (2, 'new')"))
        session.commit()
    plain.dispose()


def test_a_commit_of_the_connection_itself_is_refused(engine: sa.Engine) -> None:
    def commit(session: orm.Session) -> None:
        place(session, 2)
        session.connection().commit()

    with pytest.raises(HoldfastError) as caught:
        with rolled_back_session(engine, Session) as session:
            commit(session)
    assert caught.value.code == "HF632"
    with engine.connect() as connection:
        with pytest.raises(HoldfastError, match="HF632"), rolled_back_session(connection, Session) as session:
            commit(session)
        connection.exec_driver_sql("select 1")


def test_when_the_code_rolled_back_the_connection_itself_nothing_is_committed_any_more(engine: sa.Engine) -> None:
    def go_on(session: orm.Session) -> None:
        place(session, 2)
        session.connection().rollback()
        session.close()
        with pytest.raises(HoldfastError, match="HF632"):
            place(session, 3)

    with rolled_back_session(engine, orm.Session) as session:
        go_on(session)
    with engine.connect() as connection:
        with rolled_back_session(connection, orm.Session) as session:
            go_on(session)
        assert not connection.in_transaction()


def test_autocommit_is_refused_where_it_cannot_be_rolled_back(shop_postgresql: str, engine: sa.Engine) -> None:
    reckless = sa.create_engine(shop_postgresql, isolation_level="AUTOCOMMIT")
    with pytest.raises(HoldfastError, match=r"HF632.*AUTOCOMMIT"), rolled_back_session(reckless, orm.Session):
        pass
    reckless.dispose()


# ---------------------------------------------------------------------- who it was


def bound_now(session: orm.Session) -> str | None:
    """Who the database would record, asked of the database."""
    row = session.execute(
        sa.text(
            "select nullif(current_setting('holdfast.context', true), '')::json ->> 'actor'"
            if session.get_bind().dialect.name == "postgresql"
            else "select max(actor) from holdfast_context"
        )
    )
    actor: str | None = row.scalar()
    return actor


def test_the_context_counts_where_the_code_begins_a_transaction(engine: sa.Engine) -> None:
    """As outside of tests: not in the middle of one."""
    with rolled_back_session(engine, Session) as session:
        with holdfast.context(actor="ada"):
            place(session, 2)
        place(session, 3)
        with holdfast.context(actor="bo"):
            session.add(Order(id=4))
            session.flush()
            with holdfast.context(actor="cy"):
                place(session, 5)
            assert bound_now(session) == "bo"
        assert [assert_audited(session, Order, key).actor for key in (2, 3, 4, 5)] == ["ada", None, "bo", "bo"]


def test_acting_as_counts_at_once_and_so_does_its_end(engine: sa.Engine) -> None:
    with rolled_back_session(engine, Session) as session:
        order = session.get_one(Order, 1)
        with acting_as("ada", reason="ticket 7"):
            order.status = "sent"
            session.flush()
            with acting_as("bo"):
                order.status = "lost"
                session.flush()
                assert bound_now(session) == "bo"
            order.status = "found"
            session.flush()
        order.status = "paid"
        session.flush()
        assert bound_now(session) is None
        for status, actor, reason in (
            ("sent", "ada", "ticket 7"),
            ("lost", "bo", "ticket 7"),
            ("found", "ada", "ticket 7"),
            ("paid", None, None),
        ):
            change = assert_audited(session, order, changes={"status": status})
            assert (change.actor, change.reason) == (actor, reason)
        assert_not_audited(session, order, actor="ada", changes={"status": "lost"})


def test_acting_as_around_commits_errors_and_savepoints(engine: sa.Engine) -> None:
    with rolled_back_session(engine, Session) as session:
        with acting_as("ada"):
            place(session, 2)
        with pytest.raises(sa.exc.IntegrityError), acting_as("bo"):
            place(session, 2)
        with acting_as("bo"):
            session.execute(select(1))
            savepoint = session.begin_nested()
            with acting_as("cy"):
                session.add(Order(id=3))
                session.flush()
                savepoint.rollback()
                assert bound_now(session) == "cy"
            session.add(Order(id=4))
            session.commit()
        with acting_as("di"), pytest.raises(sa.exc.IntegrityError):
            session.execute(sa.text("insert into orders (id, status) values (1, 'twice')"))
        session.rollback()
        place(session, 5)
        recorded = {key: assert_audited(session, Order, key).actor for key in (2, 4, 5)}
        assert recorded == {2: "ada", 4: "bo", 5: None}
        assert_not_audited(session, Order, 3)
        assert_not_audited(session, Order, 1)


def test_what_was_allowed_to_one_is_not_allowed_to_the_next(engine: sa.Engine) -> None:
    """The shop's guard lets two rows pass."""
    change_all = sa.text("update orders set status = 'sent'")
    with rolled_back_session(engine, Session) as session:
        for key in (2, 3, 4):
            place(session, key)
        with acting_as("ada", allow="mass"):
            session.execute(change_all)
        with acting_as("bo"), pytest.raises((HoldfastError, sa.exc.DBAPIError), match=r"HF204|rows"):
            session.execute(change_all)
        session.rollback()
        with holdfast.context(allow="mass"):
            session.execute(change_all)
            session.commit()
        with pytest.raises((HoldfastError, sa.exc.DBAPIError), match=r"HF204|rows"):
            session.execute(change_all)


def test_an_engine_that_is_not_bound_names_nobody_and_acting_as_says_so(engine: sa.Engine) -> None:
    unbound = sa.create_engine(engine.url)
    with rolled_back_session(unbound, orm.Session) as session:
        with holdfast.context(actor="ada"):
            session.execute(sa.text("update orders set status = 'sent'"))
            session.commit()
        assert assert_audited(session, Order, 1).actor is None
        with acting_as("ada"), pytest.raises(HoldfastError, match=r"holdfast\.sqlalchemy\.bind") as caught:
            session.execute(select(Order))
        assert caught.value.code == "HF633"
    unbound.dispose()


def test_acting_as_is_a_context_elsewhere_and_a_decorator(engine: sa.Engine) -> None:
    @acting_as("ada", tenant="north")
    def work(value: int) -> tuple[int, dict[str, object]]:
        """Says who."""
        return value, dict(holdfast.current())

    @acting_as("bo")
    async def work_later() -> str:
        await asyncio.sleep(0)
        return str(holdfast.current()["actor"])

    assert (work(7), work.__doc__) == ((7, {"actor": "ada", "tenant": "north"}), "Says who.")
    assert asyncio.run(work_later()) == "bo"
    assert dict(holdfast.current()) == {}
    with pytest.raises(TypeError, match="open the block within it"):

        @acting_as("ada")
        def fixture() -> Iterator[None]:
            yield


# ---------------------------------------------------------------------- asyncio


@asynccontextmanager
async def async_engine(url: sa.URL, driver: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url.set(drivername=driver))
    bind(engine)
    yield engine
    await engine.dispose()


DRIVERS = [("postgresql", "postgresql+asyncpg"), ("postgresql", "postgresql+psycopg"), ("sqlite", "sqlite+aiosqlite")]


@pytest.mark.parametrize("shop, driver", DRIVERS, indirect=["shop"])
def test_asynchronous(engine: sa.Engine, driver: str) -> None:
    async def save(session: AsyncSession, order: Order) -> None:
        session.add(order)
        try:
            await session.commit()
        except sa.exc.IntegrityError:
            await session.rollback()
            raise

    async def main() -> list[Change]:
        async with async_engine(engine.url, driver) as asynchronous:
            made = async_sessionmaker(asynchronous, class_=AsyncSession, expire_on_commit=False)
            async with async_rolled_back_session(asynchronous, made) as session:
                with holdfast.context(actor="ada"):
                    await save(session, Order(id=2))
                with pytest.raises(sa.exc.IntegrityError):
                    await save(session, Order(id=1))
                order = await session.get_one(Order, 2)
                with acting_as("bo"):
                    order.status = "sent"
                    await session.flush()
                recorded = [
                    await session.run_sync(assert_audited, order, operation="insert"),
                    await session.run_sync(assert_audited, Order, 2, operation="update", changes={"status": "sent"}),
                ]
            async with asynchronous.connect() as connection:
                async with async_rolled_back_session(connection, AsyncSession) as session:
                    await save(session, Order(id=2))
                assert (await connection.execute(select(sa.func.count(Order.id)))).scalar() == 1
            return recorded

    assert [each.actor for each in asyncio.run(main())] == ["ada", "bo"]
