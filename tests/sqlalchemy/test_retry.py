"""A transaction that met another one is repeated as a whole; nothing else is."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession

import holdfast
from holdfast import errors
from holdfast.sqlalchemy.retrying import async_retry, retry
from tests.sqlalchemy.drivers import (
    Account,
    async_sessions,
    balances,
    create,
    sessions,
    swallowing_the_answer_to_commit,
    terminated,
)

SERIALIZABLE = {"isolation_level": "SERIALIZABLE"}


@pytest.fixture
def accounts(postgresql_database: str) -> str:
    create(postgresql_database, Account(id=1, owner="ada", balance=100), Account(id=2, owner="bo", balance=100))
    return postgresql_database


@pytest.fixture
def anywhere(database: str) -> str:
    create(database, Account(id=1, owner="ada", balance=100))
    return database


class Meeting:
    """Both are there before either goes on; who comes again goes on at once."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)
        self.attempts: dict[int, int] = {}

    def join(self, number: int) -> None:
        self.attempts[number] = self.attempts.get(number, 0) + 1
        if self.attempts[number] == 1:
            self.barrier.wait(60)


def both(work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, (1, 2)))


# ---------------------------------------------------------------------- real conflicts


def test_write_skew_is_repeated_until_it_is_none(accounts: str) -> None:
    """Each takes 150 from its own account as long as both together have 150; only one of them may."""
    meeting = Meeting()

    def withdraw(session: orm.Session, number: int) -> bool:
        together = session.scalar(sa.select(sa.func.sum(Account.balance)))
        meeting.join(number)
        if together is None or together < 150:
            return False
        session.execute(sa.text("update accounts set owner = owner || '!' where id = :id"), {"id": number})
        session.execute(sa.update(Account).where(Account.id == number).values(balance=0))
        return True

    with sessions(accounts, **SERIALIZABLE) as maker:
        outcomes = both(lambda number: retry(maker, lambda session: withdraw(session, number), pause=0.001))
    assert sorted(outcomes) == [False, True]
    assert sorted(balances(accounts).values()) == [0, 100]
    assert sorted(meeting.attempts.values()) == [1, 2]


def test_a_deadlock_is_repeated(accounts: str) -> None:
    meeting = Meeting()

    def add(session: orm.Session, first: int, second: int) -> None:
        session.execute(sa.update(Account).where(Account.id == first).values(balance=Account.balance + 1))
        meeting.join(first)
        session.execute(sa.update(Account).where(Account.id == second).values(balance=Account.balance + 1))

    with sessions(accounts, connect_args={"options": "-c deadlock_timeout=20ms"}) as maker:
        both(lambda number: retry(maker, lambda session: add(session, number, 3 - number), pause=0.001))
    assert balances(accounts) == {1: 102, 2: 102}
    assert sorted(meeting.attempts.values()) == [1, 2]


def test_a_busy_file_is_repeated(sqlite_database: str) -> None:
    """Both have read, so neither could be let to write after the other by waiting."""
    create(sqlite_database, Account(id=1, owner="ada", balance=100))
    engine = sa.create_engine(sqlite_database)
    with engine.connect() as connection:
        connection.exec_driver_sql("pragma journal_mode = wal")
    engine.dispose()
    meeting = Meeting()

    def add(session: orm.Session, number: int) -> None:
        balance = session.scalars(sa.select(Account.balance)).one()
        meeting.join(number)
        session.execute(sa.update(Account).values(balance=balance + 1))

    with sessions(sqlite_database) as maker:
        both(lambda number: retry(maker, lambda session: add(session, number), attempts=50, pause=0.001))
    assert balances(sqlite_database) == {1: 102}
    assert sum(meeting.attempts.values()) > 2


def test_asyncio_tasks_that_meet(accounts: str) -> None:
    arrived: list[int] = []
    all_there = asyncio.Event()

    async def add(session: AsyncSession, number: int) -> int:
        account = await session.get_one(Account, 1)
        if number not in arrived:
            arrived.append(number)
            if len(arrived) == 4:
                all_there.set()
            await all_there.wait()
        account.balance += number
        return account.balance

    async def run() -> list[int]:
        async with async_sessions(accounts, pool_size=4, isolation_level="REPEATABLE READ") as maker:
            repeated = async_retry(maker, attempts=50, pause=0.001)(add)
            found = await asyncio.gather(*(repeated(number) for number in (1, 2, 3, 4)))
            assert maker.kw["bind"].pool.checkedout() == 0
            return list(found)

    assert max(asyncio.run(run())) == 110
    assert balances(accounts)[1] == 110


@pytest.mark.parametrize("locking", [True, False])
def test_transfers_at_the_same_time_never_overdraw(accounts: str, locking: bool) -> None:
    """100 from 100, twice at once: one of them succeeds, whether rows are locked or transactions serializable."""
    meeting = Meeting()

    def transfer(session: orm.Session, source: int, target: int, amount: int, caller: int) -> bool:
        query = sa.select(Account).where(Account.id.in_([source, target])).order_by(Account.id)
        if locking:
            meeting.join(caller)
            query = query.with_for_update()
        found = {account.id: account for account in session.scalars(query)}
        if not locking:
            meeting.join(caller)
        if found[source].balance < amount:
            return False
        found[source].balance -= amount
        found[target].balance += amount
        return True

    with sessions(accounts, **({} if locking else SERIALIZABLE)) as maker:
        repeated = retry(maker, pause=0.001)(transfer)
        outcomes = both(lambda caller: repeated(1, 2, 100, caller))
    assert sorted(outcomes) == [False, True]
    assert balances(accounts) == {1: 0, 2: 200}


def test_a_connection_lost_before_the_commit_is_replaced(accounts: str) -> None:
    made: list[orm.Session] = []

    def work(session: orm.Session) -> None:
        made.append(session)
        session.execute(sa.update(Account).values(balance=Account.balance + 1))
        if len(made) == 1:
            terminated(session)
        session.execute(sa.text("select 1"))

    with sessions(accounts) as maker:
        retry(maker, work, pause=0)
    assert len(set(map(id, made))) == 2
    assert balances(accounts) == {1: 101, 2: 101}


# ---------------------------------------------------------------------- what is never repeated


def test_a_commit_of_which_nothing_is_known_is_not_repeated(accounts: str) -> None:
    made: list[orm.Session] = []

    def work(session: orm.Session) -> None:
        made.append(session)
        session.execute(sa.update(Account).values(balance=Account.balance + 1))

    with swallowing_the_answer_to_commit(accounts) as url:
        with sessions(url, connect_args={"sslmode": "disable"}) as maker, pytest.raises(errors.CommitUnknownError):
            retry(maker, work, pause=0)
    assert len(made) == 1
    assert balances(accounts) == {1: 101, 2: 101}


def attempted(maker: Any, work: Callable[[orm.Session], Any], **options: Any) -> tuple[int, BaseException]:
    """How often it was begun, and what it ended with."""
    begun: list[int] = []

    def counted(session: orm.Session) -> Any:
        begun.append(1)
        return work(session)

    with pytest.raises(BaseException) as caught:
        retry(maker, counted, **{"pause": 0, **options})
    return len(begun), caught.value


def test_other_errors_are_not_repeated(anywhere: str) -> None:
    def duplicate(session: orm.Session) -> None:
        session.add(Account(id=1, owner="x"))

    def deferred(session: orm.Session) -> None:
        session.get_one(Account, 1).guarantor_id = 99

    def stale(session: orm.Session) -> None:
        account = session.get_one(Account, 1)
        session.execute(sa.text("delete from accounts"))
        account.balance = 3

    def mine(session: orm.Session) -> None:
        raise ValueError

    with sessions(anywhere) as maker:
        for work, kind in {
            duplicate: errors.UniqueError,
            deferred: errors.ForeignKeyError,
            stale: errors.StaleVersionError,
            mine: ValueError,
        }.items():
            begun, error = attempted(maker, work)
            assert (begun, type(error)) == (1, kind)
            assert not hasattr(error, "__notes__")


def test_the_last_error_is_raised_with_a_note(anywhere: str) -> None:
    raised: list[errors.RetryableError] = []

    def work(session: orm.Session) -> None:
        session.execute(sa.update(Account).values(balance=0))
        raised.append(errors.DeadlockError("HF612", "again"))
        raise raised[-1]

    with sessions(anywhere) as maker:
        begun, error = attempted(maker, work, attempts=3)
        assert begun == 3
        assert error is raised[-1]
        assert error.__notes__ == ["Given up after 3 attempts."]
        assert attempted(maker, work, attempts=1)[0] == 1
        with pytest.raises(ValueError, match="attempts=0"):
            retry(maker, work, attempts=0)
    assert balances(anywhere) == {1: 100}


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_work_that_ended_its_transaction_itself_is_not_repeated(anywhere: str, ending: str) -> None:
    """What it committed would be done twice."""

    def work(session: orm.Session) -> None:
        session.execute(sa.update(Account).values(balance=Account.balance + 1))
        getattr(session, ending)()
        raise errors.DeadlockError("HF612", "of another database")

    with sessions(anywhere) as maker:
        begun, error = attempted(maker, work)
    assert begun == 1
    assert error.__notes__ == ["It was not repeated: the work had ended its transaction by itself."]
    assert balances(anywhere) == {1: 101 if ending == "commit" else 100}


def test_a_cancelled_task_is_not_repeated(anywhere: str) -> None:
    begun: list[int] = []

    async def run() -> None:
        async with async_sessions(anywhere, pool_size=1, max_overflow=0) as maker:
            written = asyncio.Event()

            async def work(session: AsyncSession) -> None:
                begun.append(1)
                await session.execute(sa.update(Account).values(balance=0))
                written.set()
                await asyncio.Event().wait()

            task = asyncio.create_task(async_retry(maker, work))
            await written.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert maker.kw["bind"].pool.checkedout() == 0
            assert await async_retry(maker, lambda session: session.scalar(sa.select(Account.balance))) == 100

    asyncio.run(run())
    assert begun == [1]


def test_what_would_run_after_the_commit_is_refused(anywhere: str) -> None:
    def lazily(session: orm.Session) -> Iterator[int]:
        yield session.scalar(sa.select(Account.balance)) or 0

    async def later(session: Any) -> int:
        return 1

    async def run() -> None:
        async with async_sessions(anywhere) as maker:

            async def lazily_later(session: AsyncSession) -> Any:
                return (number for number in range(3))

            with pytest.raises(TypeError, match="generator"):
                await async_retry(maker, lazily_later)

    with sessions(anywhere) as maker:
        for work in (lazily, later):
            with pytest.raises(TypeError, match="after the commit"):
                retry(maker, work)
    asyncio.run(run())


# ---------------------------------------------------------------------- the rest


def test_each_attempt_has_the_context_and_a_session_of_its_own(anywhere: str) -> None:
    seen: list[tuple[object, int]] = []

    def work(session: orm.Session, amount: int, *, note: str) -> str:
        """The work."""
        seen.append((holdfast.current().get("actor"), session.scalars(sa.select(Account.balance)).one()))
        session.execute(sa.update(Account).values(balance=Account.balance + amount))
        if len(seen) < 3:
            raise errors.SerializationError("HF611", "again")
        return note

    async def run() -> str:
        async with async_sessions(anywhere) as maker:

            @async_retry(maker, pause=0)
            async def repeated(session: AsyncSession, amount: int) -> str:
                return await session.run_sync(work, amount, note="async")

            return await repeated(5)

    with sessions(anywhere) as maker, holdfast.context(actor="ada"):
        repeated = retry(maker, pause=0)(work)
        assert repeated.__doc__ == "The work."
        assert repeated(5, note="done") == "done"
        assert seen == [("ada", 100)] * 3
        seen.clear()
        assert asyncio.run(run()) == "async"
        assert seen == [("ada", 105)] * 3
    assert balances(anywhere) == {1: 110}


def test_pauses_grow_up_to_a_limit(anywhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    monkeypatch.setattr(random, "uniform", lambda _low, high: limits.append(high) or 0.0)

    def work(session: orm.Session) -> None:
        raise errors.BusyError("HF614", "again")

    with sessions(anywhere) as maker:
        attempted(maker, work, attempts=6, pause=0.1, longest=0.5)
    assert limits == [0.1, 0.2, 0.4, 0.5, 0.5]
