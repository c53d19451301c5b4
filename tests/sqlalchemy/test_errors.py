"""What a driver raises is one of few errors, with what the database says of it; the same over every driver."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from holdfast import errors
from holdfast.errors import HoldfastError
from holdfast.sqlalchemy.explaining import explained
from holdfast.sqlalchemy.scopes import async_session_scope, session_scope
from tests.sqlalchemy.drivers import (
    Account,
    async_sessions,
    create,
    sessions,
    swallowing_the_answer_to_commit,
    terminated,
)

DRIVERS = ["synchronous", "asyncio"]


def refusal(url: str, driver: str, *statements: str) -> HoldfastError:
    """What the statements end with, as one transaction."""

    def run() -> None:
        with sessions(url) as maker, session_scope(maker) as session:
            for statement in statements:
                session.execute(sa.text(statement))

    async def run_async() -> None:
        async with async_sessions(url) as maker, async_session_scope(maker) as session:
            for statement in statements:
                await session.execute(sa.text(statement))

    with pytest.raises(HoldfastError) as caught:
        run() if driver == "synchronous" else asyncio.run(run_async())
    assert isinstance(caught.value.__cause__, sa.exc.SQLAlchemyError)
    return caught.value


@pytest.fixture
def accounts(database: str) -> str:
    create(database, Account(id=1, owner="ada"))
    return database


Told = tuple[str | None, str | None, tuple[str, ...]]
"""constraint, table and columns"""

CASES: list[tuple[str, type[HoldfastError], Told, Told]] = [
    (
        "insert into accounts (id, owner, balance) values (2, 'ada', 0)",
        errors.UniqueError,
        ("one_account_each", "accounts", ()),
        (None, "accounts", ("owner",)),
    ),
    (
        "insert into accounts (id, owner, balance) values (1, 'bo', 0)",
        errors.UniqueError,
        ("accounts_pkey", "accounts", ()),
        (None, "accounts", ("id",)),
    ),
    (
        "update accounts set guarantor_id = 99",
        errors.ForeignKeyError,
        ("guarantor", "accounts", ()),
        (None, None, ()),
    ),
    (
        "insert into accounts (id, owner, balance) values (2, null, 0)",
        errors.NotNullError,
        (None, "accounts", ("owner",)),
        (None, "accounts", ("owner",)),
    ),
    (
        "update accounts set balance = -1",
        errors.CheckError,
        ("balance_not_negative", "accounts", ()),
        ("balance_not_negative", None, ()),
    ),
]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_broken_constraint_says_which(accounts: str, driver: str) -> None:
    schema = None if accounts.startswith("sqlite") else "public"
    for statement, kind, on_postgresql, on_sqlite in CASES:
        error = refusal(accounts, driver, statement)
        wanted = on_sqlite if schema is None else on_postgresql
        assert type(error) is kind, statement
        assert (error.constraint, error.table, error.columns) == wanted, statement
        assert error.schema == (schema if error.table else None)
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_names_that_are_no_names(sqlite_database: str) -> None:
    """SQLite has one text for it all; what cannot be told apart is left out, and not guessed."""
    for statement in (
        'create table "a.b" (id integer primary key, x text unique)',
        'create table t (id integer primary key, "x, y" text unique, z text, w int check (w <> 7), unique (z, w))',
        "create table u (z text)",
        "create unique index lower_z on u (lower(z))",
        "insert into u values ('z')",
        """insert into "a.b" values (1, 'x')""",
        "insert into t values (1, 'x', 'z', 1)",
    ):
        with sessions(sqlite_database) as maker, session_scope(maker) as session:
            session.execute(sa.text(statement))

    def told(statement: str) -> Told:
        error = refusal(sqlite_database, "synchronous", statement)
        assert isinstance(error, errors.ConstraintError)
        return error.constraint, error.table, error.columns

    assert told("""insert into "a.b" values (2, 'x')""") == (None, None, ())
    assert told("insert into t values (2, 'x', 'b', 1)") == (None, None, ())
    assert told("insert into t values (2, 'y', 'z', 1)") == (None, "t", ("z", "w"))
    assert told("insert into u values ('Z')") == ("lower_z", None, ())
    assert told("insert into t values (2, 'y', 'b', 7)") == (None, None, ())


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_rest_of_postgresql(postgresql_database: str, driver: str) -> None:
    engine = sa.create_engine(postgresql_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table stays (room int4range, exclude using gist (room with &&))")
        connection.exec_driver_sql("create domain percent int constraint up_to_100 check (value <= 100)")
        connection.exec_driver_sql("insert into stays values ('[1,5]')")
    engine.dispose()

    overlap = refusal(postgresql_database, driver, "insert into stays values ('[4,9]')")
    domain = refusal(postgresql_database, driver, "select cast(200 as percent)")
    assert isinstance(overlap, errors.ExclusionError)
    assert (overlap.constraint, overlap.table) == ("stays_room_excl", "stays")
    assert isinstance(domain, errors.CheckError)
    assert domain.constraint == "up_to_100"
    for state, kind in {
        "23000": errors.ConstraintError,
        "23001": errors.ForeignKeyError,
        "40001": errors.SerializationError,
        "40P01": errors.DeadlockError,
        "55P03": errors.LockTimeoutError,
        "40003": errors.CommitUnknownError,
        "HF202": errors.StaleVersionError,
        "42501": errors.UnsupportedError,
        "P0001": HoldfastError,
    }.items():
        raising = f"do $$ begin raise exception 'no' using errcode = '{state}'; end $$"
        assert type(refusal(postgresql_database, driver, raising)) is kind


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_lock_that_is_not_to_be_had(accounts: str, driver: str) -> None:
    holding = sa.create_engine(accounts)
    with holding.connect() as connection:
        if holding.dialect.name == "sqlite":
            connection.exec_driver_sql("begin immediate")
            error = refusal(accounts, driver, "pragma busy_timeout = 0", "update accounts set balance = 1")
            assert type(error) is errors.BusyError
        else:
            connection.exec_driver_sql("lock table accounts")
            error = refusal(accounts, driver, "lock table accounts nowait")
            assert type(error) is errors.LockTimeoutError
        connection.rollback()
    holding.dispose()


# ---------------------------------------------------------------------- connections


def lose(url: str, driver: str, then: str | None) -> HoldfastError:
    """A transaction whose connection is lost, and that goes on with a statement, or with the commit."""

    def run() -> None:
        with sessions(url) as maker, session_scope(maker) as session:
            session.execute(sa.update(Account).values(balance=5))
            terminated(session)
            if then:
                session.execute(sa.text(then))

    async def run_async() -> None:
        async with async_sessions(url) as maker, async_session_scope(maker) as session:
            await session.execute(sa.update(Account).values(balance=5))
            await session.run_sync(terminated)
            if then:
                await session.execute(sa.text(then))

    with pytest.raises(HoldfastError) as caught:
        run() if driver == "synchronous" else asyncio.run(run_async())
    return caught.value


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_lost_connection_is_retryable_unless_the_commit_may_have_arrived(
    postgresql_database: str, driver: str
) -> None:
    create(postgresql_database, Account(id=1, owner="ada"))
    assert type(lose(postgresql_database, driver, "select 1")) is errors.ConnectionLostError
    for ending in (None, "commit", " END;", "call nothing()"):
        error = lose(postgresql_database, driver, ending)
        assert type(error) is errors.CommitUnknownError
        assert not isinstance(error, errors.RetryableError)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_commit_whose_answer_is_lost_was_done_and_is_not_called_retryable(
    postgresql_database: str, driver: str
) -> None:
    create(postgresql_database, Account(id=1, owner="ada"))
    options: dict[str, Any] = {"connect_args": {"sslmode": "disable"} if driver == "synchronous" else {"ssl": False}}

    def run(url: str) -> None:
        with sessions(url, **options) as maker, session_scope(maker) as session:
            session.execute(sa.update(Account).values(balance=5))

    async def run_async(url: str) -> None:
        async with async_sessions(url, **options) as maker, async_session_scope(maker) as session:
            await session.execute(sa.update(Account).values(balance=5))

    with swallowing_the_answer_to_commit(postgresql_database) as url, pytest.raises(errors.CommitUnknownError):
        run(url) if driver == "synchronous" else asyncio.run(run_async(url))
    with sessions(postgresql_database) as maker, session_scope(maker) as session:
        assert session.scalar(sa.select(Account.balance)) == 5


# ---------------------------------------------------------------------- where it stands


def test_the_source_may_be_anything_that_leads_to_a_database(accounts: str) -> None:
    statement = sa.text("insert into accounts (id, owner, balance) values (1, 'x', 0)")

    def of(engine: sa.Engine) -> Iterator[tuple[Any, Callable[[], object]]]:
        with engine.connect() as connection:
            yield connection, lambda: connection.execute(statement)
            yield engine, lambda: connection.execute(statement)
            connection.rollback()
            with orm.Session(connection) as session:
                yield session, lambda: session.execute(statement)
        with orm.Session(binds={Account: engine}) as session:
            yield session, lambda: session.execute(statement, bind_arguments={"mapper": orm.class_mapper(Account)})

    with sessions(accounts) as maker:
        for source, execute in of(maker.kw["bind"]):
            with pytest.raises((errors.UniqueError, errors.AbortedError)) as caught, explained(source):
                execute()
            assert isinstance(caught.value.__cause__, sa.exc.DBAPIError)


def test_asynchronous_sources(accounts: str) -> None:
    statement = sa.text("insert into accounts (id, owner, balance) values (1, 'x', 0)")

    async def run() -> None:
        async with async_sessions(accounts) as maker:
            engine = maker.kw["bind"]
            for source in (engine, None):
                async with engine.connect() as connection:
                    with pytest.raises(errors.UniqueError), explained(source or connection):
                        await connection.execute(statement)
            async with AsyncSession(engine) as session:
                with pytest.raises(errors.UniqueError), explained(session):
                    await session.execute(statement)

    asyncio.run(run())


def test_what_is_not_the_databases_passes() -> None:
    engine = sa.create_engine("sqlite://")
    mine = ValueError("mine")
    with pytest.raises(ValueError) as caught, explained(engine):
        raise mine
    assert caught.value is mine
    already = errors.NotFoundError("HF622", "not there")
    with pytest.raises(errors.NotFoundError) as found, explained(engine), explained(engine):
        raise already
    assert found.value is already
    with pytest.raises(asyncio.CancelledError), explained(engine):
        raise asyncio.CancelledError
    engine.dispose()


def test_a_row_that_is_not_there_any_more_is_a_stale_version(accounts: str) -> None:
    def work(session: orm.Session) -> None:
        account = session.get_one(Account, 1)
        session.execute(sa.text("delete from accounts"))
        account.balance = 3

    with sessions(accounts) as maker:
        with pytest.raises(errors.StaleVersionError) as caught, session_scope(maker) as session:
            work(session)
    error = caught.value
    assert error.code == "HF202"
    assert (error.table, error.key, error.expected, error.current, error.fields) == (None, None, None, None, {})
    assert not isinstance(error, errors.RetryableError)


def test_an_empty_pool_is_a_database_out_of_reach(accounts: str) -> None:
    with sessions(accounts, pool_size=1, max_overflow=0, pool_timeout=0.01) as maker:
        with session_scope(maker) as session:
            session.connection()
            with pytest.raises(errors.UnsupportedError, match="HF406"), session_scope(maker) as second:
                second.connection()


def test_a_server_that_refuses_us_is_out_of_reach(postgresql_database: str) -> None:
    nobody = sa.make_url(postgresql_database).set(database="no_such_database")
    engine = sa.create_engine(nobody)
    with pytest.raises(errors.UnsupportedError, match="HF406"), explained(engine), engine.connect():
        pass
    engine.dispose()

    async def run() -> None:
        engine = create_async_engine(nobody.set(drivername="postgresql+asyncpg"))
        with pytest.raises(errors.UnsupportedError, match="HF406"), explained(engine):
            async with engine.connect():
                pass
        await engine.dispose()

    asyncio.run(run())
