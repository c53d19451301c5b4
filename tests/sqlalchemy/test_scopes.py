"""Transactions that are whole: committed before anybody hears of it, rolled back on any error, one state to read."""

# What a block ends with, whatever is in it, is what these tests are about.
# ruff: noqa: PT012
from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession

import holdfast
from holdfast import errors
from holdfast.policies import Audit
from holdfast.sqlalchemy import bind
from holdfast.sqlalchemy.scopes import async_savepoint, async_session_scope, savepoint, session_scope
from holdfast.sqlalchemy.snapshots import async_read_snapshot, read_snapshot
from tests.harness import Protected
from tests.sqlalchemy.drivers import Account, async_sessions, balances, create, sessions


class StopError(Exception):
    pass


@pytest.fixture
def accounts(database: str) -> str:
    create(database, Account(id=1, owner="ada", balance=10), Account(id=2, owner="bo", balance=10))
    return database


def deposit(session: orm.Session, number: int, amount: int) -> None:
    session.get_one(Account, number).balance += amount


def is_postgresql(url: str) -> bool:
    return url.startswith("postgresql")


# ---------------------------------------------------------------------- the scope


def test_it_is_committed_when_the_block_is_left_and_the_session_is_closed(accounts: str) -> None:
    with sessions(accounts) as maker:
        with session_scope(maker) as session:
            deposit(session, 1, 5)
            account = session.get_one(Account, 2)
        assert balances(accounts) == {1: 15, 2: 10}
        assert account not in session
        assert maker.kw["bind"].pool.checkedout() == 0


@pytest.mark.parametrize("error", [StopError, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_any_error_rolls_back_and_goes_on_as_it_is(accounts: str, error: type[BaseException]) -> None:
    with sessions(accounts) as maker:
        raised = error()
        with pytest.raises(error) as caught, session_scope(maker) as session:
            deposit(session, 1, 5)
            session.flush()
            raise raised
        assert caught.value is raised
        assert maker.kw["bind"].pool.checkedout() == 0
    assert balances(accounts) == {1: 10, 2: 10}


def test_what_only_the_commit_finds_out_is_raised_within(accounts: str) -> None:
    reported = []
    with sessions(accounts) as maker:
        with pytest.raises(errors.ForeignKeyError):
            with session_scope(maker) as session:
                session.get_one(Account, 1).guarantor_id = 99
            reported.append("success")
        assert reported == []
        assert maker.kw["bind"].pool.checkedout() == 0
        with session_scope(maker) as session:
            assert session.get_one(Account, 1).guarantor_id is None


def test_the_same_for_asyncio(accounts: str) -> None:
    async def run() -> None:
        async with async_sessions(accounts) as maker:
            async with async_session_scope(maker) as session:
                (await session.get_one(Account, 1)).balance = 15
            assert balances(accounts) == {1: 15, 2: 10}
            with pytest.raises(errors.ForeignKeyError):
                async with async_session_scope(maker) as session:
                    (await session.get_one(Account, 1)).guarantor_id = 99
            with pytest.raises(StopError):
                async with async_session_scope(maker) as session:
                    (await session.get_one(Account, 1)).balance = 99
                    await session.flush()
                    raise StopError
            assert maker.kw["bind"].pool.checkedout() == 0

    asyncio.run(run())
    assert balances(accounts) == {1: 15, 2: 10}


def test_a_cancelled_task_leaves_nothing_and_gives_its_connection_back(accounts: str) -> None:
    async def run() -> None:
        async with async_sessions(accounts, pool_size=1, max_overflow=0) as maker:
            written = asyncio.Event()

            async def work() -> None:
                async with async_session_scope(maker) as session:
                    (await session.get_one(Account, 1)).balance = 99
                    await session.flush()
                    written.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(work())
            await written.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert maker.kw["bind"].pool.checkedout() == 0
            async with async_session_scope(maker) as session:
                assert (await session.get_one(Account, 1)).balance == 10
                (await session.get_one(Account, 2)).balance = 20

    asyncio.run(run())
    assert balances(accounts) == {1: 10, 2: 20}


def test_a_cancelled_statement_leaves_nothing_either(postgresql_database: str) -> None:
    create(postgresql_database, Account(id=1, owner="ada", balance=10))

    async def run() -> None:
        async with async_sessions(postgresql_database) as maker:
            async with async_session_scope(maker) as holding:
                await holding.execute(sa.text("lock table accounts in exclusive mode"))
                started = asyncio.Event()

                async def work() -> None:
                    async with async_session_scope(maker) as session:
                        [(pid,)] = await session.execute(sa.text("select pg_backend_pid()"))
                        pids.append(pid)
                        started.set()
                        await session.execute(sa.update(Account).values(balance=99))

                pids: list[int] = []
                task = asyncio.create_task(work())
                await started.wait()
                waiting = sa.text("select wait_event_type = 'Lock' from pg_stat_activity where pid = :pid")
                async with async_session_scope(maker) as looking:
                    while not await looking.scalar(waiting, {"pid": pids[0]}):
                        await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert maker.kw["bind"].pool.checkedout() == 0
            async with async_session_scope(maker) as session:
                assert (await session.get_one(Account, 1)).balance == 10

    asyncio.run(run())


def test_a_commit_within_ends_the_session(accounts: str) -> None:
    """A helper that commits cannot cut the work in two without being noticed."""
    with sessions(accounts) as maker:
        with pytest.raises(sa.exc.InvalidRequestError), session_scope(maker) as session:
            deposit(session, 1, 5)
            session.commit()
            deposit(session, 2, -5)
    assert balances(accounts) == {1: 15, 2: 10}


def test_an_error_that_was_caught_does_not_pass_for_a_commit(accounts: str) -> None:
    """PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, and drivers say nothing of it."""

    def work(session: orm.Session) -> None:
        deposit(session, 1, 5)
        session.flush()
        with pytest.raises(sa.exc.IntegrityError):
            session.execute(sa.text("update accounts set balance = -1 where id = 2"))

    async def run() -> None:
        async with async_sessions(accounts) as maker, async_session_scope(maker) as session:
            await session.run_sync(work)

    with sessions(accounts) as maker:
        if is_postgresql(accounts):
            with pytest.raises(errors.AbortedError), session_scope(maker) as session:
                work(session)
            with pytest.raises(errors.AbortedError):
                asyncio.run(run())
            assert balances(accounts) == {1: 10, 2: 10}
        else:
            # There the statement alone is taken back.
            with session_scope(maker) as session:
                work(session)
            asyncio.run(run())
            assert balances(accounts) == {1: 20, 2: 10}
        # The connection is as good as new.
        with session_scope(maker) as session:
            deposit(session, 2, 1)
        assert balances(accounts)[2] == 11


def test_autocommit_is_refused_before_anything_is_written(accounts: str) -> None:
    for options in ({"isolation_level": "AUTOCOMMIT"}, {"execution_options": {"isolation_level": "AUTOCOMMIT"}}):
        if not is_postgresql(accounts) and "isolation_level" in options:
            continue
        with sessions(accounts, prepared=False, **options) as maker:
            with pytest.raises(errors.UnsupportedError, match="HF413"), session_scope(maker) as session:
                session.execute(sa.update(Account).values(balance=0))
    assert balances(accounts) == {1: 10, 2: 10}


def test_a_session_of_two_engines(accounts: str, tmp_path: object) -> None:
    other = f"sqlite:///{tmp_path}/other.db"

    class Note(orm.DeclarativeBase):
        pass

    class Line(Note):
        __tablename__ = "lines"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)

    with sessions(accounts) as one, sessions(other) as two:
        Note.metadata.create_all(two.kw["bind"])
        maker = orm.sessionmaker(binds={Account: one.kw["bind"], Line: two.kw["bind"]})
        with session_scope(maker) as session:
            with savepoint(session):
                session.add_all([Line(id=1), Account(id=3, owner="cy")])
        with pytest.raises(errors.UniqueError), session_scope(maker) as session:
            session.add_all([Line(id=1), Account(id=4, owner="dee")])
    assert set(balances(accounts)) == {1, 2, 3}


# ---------------------------------------------------------------------- savepoints


@pytest.mark.parametrize("prepared", [True, False])
def test_a_savepoint_takes_back_its_own_part(accounts: str, prepared: bool) -> None:
    with sessions(accounts, prepared=prepared) as maker:
        with session_scope(maker) as session:
            deposit(session, 1, 5)
            with pytest.raises(errors.UniqueError) as caught, savepoint(session) as same:
                assert same is session
                session.add(Account(id=3, owner="ada"))
            assert isinstance(caught.value.__cause__, sa.exc.IntegrityError)
            with savepoint(session):
                session.add(Account(id=4, owner="dee"))
        assert balances(accounts) == {1: 15, 2: 10, 4: 0}


@pytest.mark.parametrize("prepared", [True, False])
def test_a_savepoint_goes_with_its_transaction(accounts: str, prepared: bool) -> None:
    """A new session for each helper would have kept the account."""
    with sessions(accounts, prepared=prepared) as maker:
        with pytest.raises(StopError), session_scope(maker) as session:
            with savepoint(session):
                session.add(Account(id=3, owner="cy"))
            raise StopError
        with orm.Session(maker.kw["bind"]) as session:
            with savepoint(session):
                session.add(Account(id=4, owner="dee"))
            session.rollback()
    assert set(balances(accounts)) == {1, 2}


def test_savepoints_of_asyncio(accounts: str) -> None:
    async def run() -> None:
        async with async_sessions(accounts) as maker:
            async with async_session_scope(maker) as session:
                with pytest.raises(errors.UniqueError):
                    async with async_savepoint(session):
                        session.add(Account(id=3, owner="ada"))
                async with async_savepoint(session) as same:
                    assert same is session
                    session.add(Account(id=4, owner="dee"))
            with pytest.raises(StopError):
                async with async_session_scope(maker) as session:
                    async with async_savepoint(session):
                        session.add(Account(id=5, owner="eve"))
                    raise StopError

    asyncio.run(run())
    assert set(balances(accounts)) == {1, 2, 4}


# ---------------------------------------------------------------------- one state to read


def total(session: orm.Session) -> int:
    return session.scalar(sa.select(sa.func.sum(Account.balance))) or 0


def write(url: str) -> None:
    """By somebody else, to the end."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.update(Account).values(balance=Account.balance + 1))
    engine.dispose()


@pytest.fixture
def readable(accounts: str) -> str:
    """Where a reader keeps no writer waiting."""
    if not is_postgresql(accounts):
        with sessions(accounts) as maker, maker() as session:
            session.connection().connection.driver_connection.execute("commit")  # type: ignore[union-attr]
            session.connection().connection.driver_connection.execute("pragma journal_mode = wal")  # type: ignore[union-attr]
            session.connection().connection.driver_connection.execute("begin")  # type: ignore[union-attr]
    return accounts


def leftovers(connection: sa.Connection) -> object:
    """What a transaction might have left on its connection."""
    if connection.dialect.name == "sqlite":
        return connection.exec_driver_sql("pragma query_only").scalar()
    names = ("transaction_isolation", "transaction_read_only", "default_transaction_read_only")
    return [connection.exec_driver_sql(f"show {name}").scalar() for name in names]


@pytest.mark.parametrize("prepared", [True, False])
def test_a_snapshot_is_one_state_throughout(readable: str, prepared: bool) -> None:
    with sessions(readable, prepared=prepared, pool_size=1, max_overflow=0) as maker:
        with maker.kw["bind"].connect() as connection:
            before = leftovers(connection)
        with read_snapshot(maker) as session:
            assert total(session) == 20
            write(readable)
            session.expire_all()
            assert total(session) == 20
            assert session.get_one(Account, 1).balance == 10
        with maker.kw["bind"].connect() as connection:
            assert leftovers(connection) == before
        with session_scope(maker) as session:
            assert total(session) == 22
            deposit(session, 1, 1)


@pytest.mark.parametrize("ending", ["error", "close", "rollback", "invalidate"])
def test_a_snapshot_refuses_to_write_and_leaves_the_connection_as_it_was(readable: str, ending: str) -> None:
    with sessions(readable, pool_size=1, max_overflow=0) as maker:
        with maker.kw["bind"].connect() as connection:
            before = leftovers(connection)
        for write_something in (
            lambda session: session.execute(sa.text("update accounts set balance = 0")),
            lambda session: session.add(Account(id=9, owner="x")),
            lambda session: session.execute(sa.text("create table more (a int)")),
        ):
            with pytest.raises(errors.UnsupportedError, match="HF405"), read_snapshot(maker) as session:
                write_something(session)
        with pytest.raises(StopError), read_snapshot(maker) as session:
            total(session)
            if ending != "error":
                getattr(session, ending)()
            raise StopError
        with maker.kw["bind"].connect() as connection:
            assert leftovers(connection) == before
        with session_scope(maker) as session:
            deposit(session, 1, 1)
    assert balances(readable) == {1: 11, 2: 10}


def test_a_snapshot_of_asyncio(readable: str) -> None:
    async def run() -> None:
        async with async_sessions(readable, pool_size=1, max_overflow=0) as maker:
            async with async_read_snapshot(maker) as session:
                assert await session.run_sync(total) == 20
                await asyncio.to_thread(write, readable)
                assert await session.run_sync(total) == 20
            with pytest.raises(errors.UnsupportedError, match="HF405"):
                async with async_read_snapshot(maker) as session:
                    session.add(Account(id=9, owner="x"))
            reading = asyncio.Event()

            async def work() -> None:
                async with async_read_snapshot(maker) as session:
                    await session.run_sync(total)
                    reading.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(work())
            await reading.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with async_session_scope(maker) as session:
                assert await session.run_sync(total) == 22
                await session.execute(sa.update(Account).values(balance=0))

    asyncio.run(run())
    assert balances(readable) == {1: 0, 2: 0}


def test_a_connection_that_was_read_only_stays_so(sqlite_database: str) -> None:
    create(sqlite_database, Account(id=1, owner="ada"))
    with sessions(sqlite_database, pool_size=1, max_overflow=0) as maker:
        with maker.kw["bind"].connect() as connection:
            connection.exec_driver_sql("pragma query_only = on")
        with read_snapshot(maker) as session:
            total(session)
        with pytest.raises(errors.UnsupportedError, match="HF405"), session_scope(maker) as session:
            deposit(session, 1, 1)


def test_a_snapshot_under_a_context_keeps_no_writer_waiting(readable: str) -> None:
    protected = Protected(readable)
    protected.protect({"accounts": [Audit()]})
    with sessions(readable, prepared=False) as maker:
        bind(maker.kw["bind"])
        with holdfast.context(actor="ada", tenant="t-1"):
            with read_snapshot(maker) as session:
                assert total(session) == 20
                write(readable)
                assert total(session) == 20
                if is_postgresql(readable):
                    assert session.scalar(sa.text("select current_setting('holdfast.tenant')")) == "t-1"
            with session_scope(maker) as session:
                deposit(session, 1, 1)
    assert [each.actor for each in protected.log()] == [None, None, "ada"]


def test_asynchronous_scopes_side_by_side(accounts: str) -> None:
    async def work(session: AsyncSession, number: int) -> None:
        await session.execute(sa.update(Account).where(Account.id == number).values(balance=number))

    async def run() -> None:
        async with async_sessions(accounts) as maker:

            async def one(number: int) -> None:
                async with async_session_scope(maker) as session:
                    await work(session, number)

            await asyncio.gather(one(1), one(2))

    asyncio.run(run())
    assert balances(accounts) == {1: 1, 2: 2}
