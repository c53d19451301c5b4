"""Context: who, why and for whom, bound to each transaction once, and never to anybody else's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import create_async_engine

import holdfast
from holdfast import inspector, timeline
from holdfast.database import prepare_engine
from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.policies import Audit
from tests.harness import Protected
from tests.suite.test_soft_delete import made

ROOMS = "create table rooms (id int primary key, name text)"


def build(url: str) -> None:
    made(url, ROOMS, protect={"rooms": [Audit()]})


pytestmark = pytest.mark.copy_of(build=build)


@pytest.fixture
def rooms(database: str) -> Protected:
    return Protected(database)


@pytest.fixture
def engine(rooms: Protected) -> Iterator[sa.Engine]:
    """An application's own engine, with one connection that goes from hand to hand."""
    engine = sa.create_engine(rooms.database.url, poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=0)
    prepare_engine(engine)
    holdfast.bind(engine)
    yield engine
    engine.dispose()


def insert(engine: sa.Engine, key: int) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"insert into rooms values ({key}, 'a')")


def actors(rooms: Protected) -> dict[object, str | None]:
    return {each.key: each.actor for each in rooms.log()}


def test_what_is_bound_is_in_the_log(rooms: Protected, engine: sa.Engine) -> None:
    with holdfast.context(actor="ada", tenant="t-1", reason="spring clean", request_id="r-1"):
        insert(engine, 1)
    [change] = rooms.log()
    assert (change.actor, change.tenant, change.reason) == ("ada", "t-1", "spring clean")
    with rooms.database.connect() as connection:
        dialect, inventory = inspector.inspect(connection, rooms.database.dialect)
        transaction, _ = timeline.show(connection, dialect, inventory, change.transaction)
    assert transaction.context == {"request_id": "r-1"}


def test_blocks_nest_and_end_also_by_an_exception(rooms: Protected, engine: sa.Engine) -> None:
    with holdfast.context(actor="ada", reason="outer"):
        with holdfast.context(actor="bo"):
            assert dict(holdfast.current()) == {"actor": "bo", "reason": "outer"}
            insert(engine, 1)
        with pytest.raises(sa.exc.IntegrityError), holdfast.context(actor="cy"):
            insert(engine, 1)
        insert(engine, 3)
    insert(engine, 4)
    assert dict(holdfast.current()) == {}
    assert actors(rooms) == {1: "bo", 3: "ada", 4: None}


def test_a_connection_of_the_pool_remembers_nobody(rooms: Protected, engine: sa.Engine) -> None:
    with holdfast.context(actor="ada", allow="mass"):
        insert(engine, 1)
        with engine.connect() as connection:
            connection.exec_driver_sql("insert into rooms values (9, 'rolled back')")
    insert(engine, 2)
    with holdfast.context(actor="bo"):
        insert(engine, 3)
    assert actors(rooms) == {1: "ada", 2: None, 3: "bo"}


def test_savepoints_keep_the_context_of_their_transaction(rooms: Protected, engine: sa.Engine) -> None:
    with holdfast.context(actor="ada"), engine.begin() as connection:
        with connection.begin_nested() as savepoint:
            connection.exec_driver_sql("insert into rooms values (1, 'a')")
            savepoint.rollback()
        with connection.begin_nested(), holdfast.context(actor="bo"):
            connection.exec_driver_sql("insert into rooms values (2, 'a')")
        connection.exec_driver_sql("insert into rooms values (3, 'a')")
    assert actors(rooms) == {2: "ada", 3: "ada"}
    assert len({each.transaction for each in rooms.log()}) == 1


def test_values_are_values_whatever_they_contain(rooms: Protected, engine: sa.Engine) -> None:
    actor = """o'brien"; drop table rooms; -- \\ %s :actor $$ ü 😀"""
    with holdfast.context(actor=actor, reason="a\nb"):
        insert(engine, 1)
    assert [(each.actor, each.reason) for each in rooms.log()] == [(actor, "a\nb")]


def test_a_session_of_the_orm_is_bound_in_each_of_its_transactions(rooms: Protected, engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        for key, actor in enumerate(("ada", "bo")):
            with holdfast.context(actor=actor):
                session.execute(sa.text(f"insert into rooms values ({key}, 'a')"))
                session.commit()
    assert actors(rooms) == {0: "ada", 1: "bo"}


def test_a_transaction_in_two_phases_is_refused_a_context(postgresql_database: str) -> None:
    rooms = Protected(postgresql_database)
    engine = sa.create_engine(rooms.database.url)
    holdfast.bind(engine)
    with engine.connect() as connection:
        with holdfast.context(actor="bo"), connection.begin():
            connection.exec_driver_sql("select 1")
        with holdfast.context(actor="ada"), pytest.raises(UnsupportedError, match=r"HF413.*two phases"):
            connection.begin_twophase()
        transaction = connection.begin_twophase()
        connection.exec_driver_sql("select holdfast.set_context('ada')")
        connection.exec_driver_sql("insert into rooms values (1, 'a')")
        transaction.commit()
    engine.dispose()
    assert actors(rooms) == {1: "ada"}


def test_binding_costs_one_statement_in_a_transaction_and_none_without_a_context(
    postgresql_database: str,
) -> None:
    rooms = Protected(postgresql_database)
    engine = sa.create_engine(rooms.database.url)
    holdfast.bind(engine)
    sent: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: sent.append(statement))
    with holdfast.context(actor="ada", reason="why", allow="5", more=[1, 2]), engine.begin() as connection:
        for key in range(3):
            connection.exec_driver_sql(f"insert into rooms values ({key}, 'a')")
    assert len(sent) == 4
    assert "set_context" in sent[0]
    sent.clear()
    insert(engine, 9)
    assert len(sent) == 1
    engine.dispose()


def test_threads_keep_their_own(postgresql_database: str) -> None:
    rooms = Protected(postgresql_database)
    engine = sa.create_engine(rooms.database.url, pool_size=3)
    holdfast.bind(engine)
    together = threading.Barrier(3)

    def work(number: int) -> None:
        with holdfast.context(actor=f"thread {number}"):
            for step in range(5):
                together.wait()
                insert(engine, number * 10 + step)

    with holdfast.context(actor="main"):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    engine.dispose()
    assert actors(rooms) == {n * 10 + step: f"thread {n}" for n in range(3) for step in range(5)}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_tasks_of_an_event_loop_keep_their_own(postgresql_database: str, driver: str) -> None:
    rooms = Protected(postgresql_database)

    async def main() -> None:
        engine = create_async_engine(rooms.database.url.set(drivername=f"postgresql+{driver}"), pool_size=2)
        holdfast.bind(engine.sync_engine)

        async def work(number: int) -> None:
            with holdfast.context(actor=f"task {number}", reason="it's 100%"):
                async with engine.begin() as connection:
                    await asyncio.sleep(0)
                    await connection.exec_driver_sql(f"insert into rooms values ({number}, 'a')")

        await asyncio.gather(*(work(number) for number in range(6)))
        async with engine.begin() as connection:
            await connection.exec_driver_sql("insert into rooms values (99, 'nobody')")
        await engine.dispose()

    asyncio.run(main())
    assert actors(rooms) == {**{number: f"task {number}" for number in range(6)}, 99: None}
    assert {each.reason for each in rooms.log() if each.key != 99} == {"it's 100%"}


def test_an_asynchronous_engine_over_sqlite(sqlite_database: str) -> None:
    rooms = Protected(sqlite_database)

    async def main() -> None:
        engine = create_async_engine(rooms.database.url.set(drivername="sqlite+aiosqlite"))
        holdfast.bind(engine.sync_engine)
        with holdfast.context(actor="ada"):
            async with engine.begin() as connection:
                await connection.exec_driver_sql("insert into rooms values (1, 'a')")
        async with engine.begin() as connection:
            await connection.exec_driver_sql("insert into rooms values (2, 'a')")
        await engine.dispose()

    asyncio.run(main())
    assert actors(rooms) == {1: "ada", 2: None}


def test_psql_can_say_who_it_is(postgresql_database: str) -> None:
    rooms = Protected(postgresql_database)
    rooms.run(
        "select holdfast.set_context(actor => 'night shift', reason => 'ticket 7', context => '{\"host\": \"db1\"}')",
        "insert into rooms values (1, 'a')",
    )
    rooms.run("insert into rooms values (2, 'a')")
    assert actors(rooms) == {1: "night shift", 2: None}


def test_what_is_said_in_sql_is_said_by_its_actor(postgresql_database: str) -> None:
    """Whatever the rest of it is: an array would take the actor in, and nobody would have written."""
    rooms = Protected(postgresql_database)
    rooms.run(
        """select holdfast.set_context('ada', context => '{"actor": "bo", "request": 7}')""",
        "insert into rooms values (1)",
    )
    for wrong in ("[1]", "7", "null"):
        with pytest.raises(HoldfastError, match="JSON object"):
            rooms.run(f"select holdfast.set_context('ada', context => '{wrong}')", "insert into rooms values (2)")
    assert actors(rooms) == {1: "ada"}
    assert rooms.rows("select context::text from holdfast.transaction") == [('{"request": 7}',)]


@pytest.mark.copy_of(build=None)
def test_where_nothing_is_protected_a_context_is_refused_and_work_without_one_goes_on(database: str) -> None:
    rooms = Protected(database)
    rooms.run(ROOMS)
    engine = sa.create_engine(rooms.database.url)
    prepare_engine(engine)
    holdfast.bind(engine)
    with holdfast.context(actor="ada"), pytest.raises(UnsupportedError, match="nothing is protected") as caught:
        insert(engine, 1)
    assert caught.value.code == "HF303"
    insert(engine, 2)
    assert rooms.rows("select id from rooms") == [(2,)]
    rooms.protect({"rooms": [Audit()]})
    with holdfast.context(actor="ada"):
        insert(engine, 3)
    assert actors(rooms) == {3: "ada"}
    engine.dispose()


@pytest.mark.copy_of(build=None)
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "aiosqlite"])
def test_an_asynchronous_engine_is_told_so_too(request: pytest.FixtureRequest, driver: str) -> None:
    database = "sqlite" if driver == "aiosqlite" else "postgresql"
    rooms = Protected(request.getfixturevalue(f"{database}_database"))
    rooms.run(ROOMS)

    async def main() -> None:
        engine = create_async_engine(rooms.database.url.set(drivername=f"{database}+{driver}"))
        holdfast.bind(engine.sync_engine)
        with holdfast.context(actor="ada"), pytest.raises(UnsupportedError, match="HF303"):
            async with engine.begin():
                pass
        async with engine.begin() as connection:
            await connection.exec_driver_sql("insert into rooms values (2, 'a')")
        await engine.dispose()

    asyncio.run(main())
    assert rooms.rows("select id from rooms") == [(2,)]
