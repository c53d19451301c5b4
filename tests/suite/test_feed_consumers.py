"""A consumer goes on where it was done, waits, and is the only one of its name."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from holdfast.consumer import Consumer
from holdfast.database import Database, execute
from holdfast.errors import LockedError, RequestError, UnsupportedError
from holdfast.feed import changes_after, disable_wake_up, enable_wake_up
from holdfast.policies import Audit
from tests.harness import Protected
from tests.servers import pg_dump_schema
from tests.stock import everything, prepared

pytestmark = pytest.mark.copy_of(build=prepared)


@pytest.fixture
def stock(database: str) -> Protected:
    return Protected(database)


# ---------------------------------------------------------------------- consumers


def keys(consumer: Consumer) -> list[Any]:
    return [each.key for batch in consumer.batches() for each in batch.changes]


def test_a_consumer_goes_on_where_it_was_done(stock: Protected) -> None:
    stock.run("insert into item values (1, 1, null)", "insert into item values (2, 2, null)")
    with Consumer(stock.database, "index", limit=1) as consumer:
        first = consumer.read()
        first.acknowledge()
        assert [each.key for each in consumer.read().changes] == [2]
    # The second one was not acknowledged.
    with Consumer(stock.database, "index") as consumer:
        assert keys(consumer) == [2]
    with Consumer(stock.database, "other", start="now") as consumer:
        assert keys(consumer) == []
    with Consumer(stock.database, "index") as consumer:
        for batch in consumer.batches():
            batch.acknowledge()
    stock.run("insert into item values (3, 3, null)")
    with Consumer(stock.database, "index") as consumer:
        assert keys(consumer) == [3]
        consumer.move_to(first.cursor)
        assert keys(consumer) == [2, 3]
    with Consumer(stock.database, "other", start="beginning") as consumer:
        # It is not new.
        assert keys(consumer) == [3]


def test_what_is_acknowledged_is_not_taken_back(stock: Protected) -> None:
    stock.run("insert into item values (1, 1, null)", "insert into item values (2, 2, null)")
    with Consumer(stock.database, "index", limit=1) as consumer:
        first, second = consumer.read(), consumer.read()
        second.acknowledge()
        with pytest.raises(RequestError, match="HF432"):
            first.acknowledge()
        assert keys(consumer) == []


def test_acknowledged_in_the_consumers_own_transaction(stock: Protected) -> None:
    """The effect and the acknowledgement are there together, or neither of them."""
    stock.run("insert into item values (1, 1, null)", "create table search (id integer)")
    for committed in (False, True):
        with Consumer(stock.database, "index") as consumer, stock.connect() as connection:
            (batch,) = consumer.batches()
            execute(connection, "insert into search values (1)")
            if not committed and stock.name == "sqlite":
                connection.rollback()
            batch.acknowledge(connection)
            if committed:
                connection.commit()
            else:
                connection.rollback()
    assert stock.rows("select count(*) from search") == [(1,)]
    with Consumer(stock.database, "index") as consumer:
        assert keys(consumer) == []


def test_one_process_at_a_time_has_the_name(postgresql_database: str) -> None:
    stock = Protected(postgresql_database)
    with Consumer(stock.database, "index"):
        with pytest.raises(LockedError, match="HF431"):
            Consumer(stock.database, "index").__enter__()
        with Consumer(stock.database, "another"):
            pass
    with Consumer(stock.database, "index"):
        pass


def test_who_comes_later_takes_over_on_sqlite(sqlite_database: str) -> None:
    stock = Protected(sqlite_database)
    stock.run("insert into item values (1, 1, null)")
    with Consumer(stock.database, "index") as early:
        batch = early.read()
        with Consumer(stock.database, "index") as late:
            with pytest.raises(LockedError, match="HF431"):
                batch.acknowledge()
            assert keys(late) == [1]


def test_what_is_not_for_a_consumer_is_not_looked_through_again(
    stock: Protected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"holdfast.dialects.{stock.name}.feed._FAR", 3)
    stock.run("insert into place values (1, 'x', 1)")
    with Consumer(stock.database, "places", tables=["place"]) as consumer:
        (batch,) = consumer.batches()
        for number in range(5):
            stock.run(f"insert into item values ({number}, 0, null)")
        # What came before is not acknowledged yet, so its place stays.
        assert keys(consumer) == []
    with Consumer(stock.database, "places", tables=["place"]) as consumer:
        (batch,) = consumer.batches()
        batch.acknowledge()
        begun = consumer.cursor
        for number in range(5, 10):
            stock.run(f"insert into item values ({number}, 0, null)")
        assert keys(consumer) == []
    with Consumer(stock.database, "places", tables=["place"]) as consumer:
        assert consumer.cursor != begun
        stock.run("insert into place values (2, 'y', 1)")
        assert keys(consumer) == [[2, "y"]]


def test_a_role_that_may_read_and_keep_its_place(postgresql_database: str) -> None:
    stock = Protected(postgresql_database)
    stock.run("create role test_indexer login")
    try:
        stock.run(
            "grant select on all tables in schema holdfast to test_indexer",
            "grant insert, update on holdfast.consumer to test_indexer",
            "grant select on item to test_indexer",
            "insert into item values (1, 1, null)",
        )
        # The right to keep a place is no drift, and stays when the journal is mended.
        assert stock.drift() == []
        stock.run("drop function holdfast.wake_up() cascade")
        stock.protect({})
        stock.run("grant execute on function holdfast.named(integer, text) to test_indexer")
        own = Database(sa.make_url(postgresql_database).set(username="test_indexer"))
        with Consumer(own, "index") as consumer:
            for batch in consumer.batches():
                assert [each.key for each in batch.changes] == [1]
                batch.acknowledge()
        with Consumer(own, "index") as consumer:
            assert keys(consumer) == []
    finally:
        stock.run("drop owned by test_indexer", "drop role test_indexer")


# ---------------------------------------------------------------------- waiting


@pytest.mark.copy_of(build=None)
def test_a_commit_wakes_who_waits_where_that_is_switched_on(postgresql_database: str) -> None:
    stock = Protected(postgresql_database)
    before = pg_dump_schema(postgresql_database)
    stock.run("create table item (id integer primary key, n integer, note text)")
    stock.protect({"item": [Audit()]})
    enable_wake_up(stock.database)
    enable_wake_up(stock.database)
    assert stock.drift() == []
    with Consumer(stock.database, "index") as consumer:
        seen = []
        writer = threading.Thread(target=stock.run, args=("insert into item values (1, 1, null)",))
        writer.start()
        # Whoever is not woken waits for an hour.
        for batch in consumer.batches(wait=3600):
            seen += [each.key for each in batch.changes]
            if seen == [1]:
                writer.join()
                writer = threading.Thread(target=stock.run, args=("insert into item values (2, 2, null)",))
                writer.start()
            else:
                break
        writer.join()
    assert seen == [1, 2]
    disable_wake_up(stock.database)
    disable_wake_up(stock.database)
    assert stock.drift() == []
    assert stock.rows("select count(*) from pg_trigger where tgname = 'wake_up'") == [(0,)]
    enable_wake_up(stock.database)
    stock.unprotect(purge_history=True)
    stock.run("drop table item")
    assert pg_dump_schema(postgresql_database) == before


def test_sqlite_wakes_nobody(sqlite_database: str) -> None:
    with pytest.raises(UnsupportedError, match="HF413"):
        enable_wake_up(Protected(sqlite_database).database)


DRIVERS = {"postgresql": ("postgresql+asyncpg", "postgresql+psycopg"), "sqlite": ("sqlite+aiosqlite",)}


def test_asyncio(stock: Protected) -> None:
    stock.run("insert into item values (1, 1, null), (2, 2, null)", "update item set n = 5")
    whole = everything(stock.database)

    async def read(driver: str) -> None:
        engine = create_async_engine(sa.make_url(stock.url).set(drivername=driver), poolclass=sa.pool.NullPool)
        async with engine.connect() as connection:
            batch = await connection.run_sync(changes_after, None, limit=3)
            rest = await connection.run_sync(changes_after, batch.cursor, tables=["item"])
        assert batch.changes + rest.changes == whole
        with Consumer(stock.database, driver, limit=3) as consumer:
            async for each in consumer.async_batches():
                async with engine.begin() as connection:
                    await connection.run_sync(each.acknowledge)
        with Consumer(stock.database, driver) as consumer:
            assert keys(consumer) == []
        await engine.dispose()

    for driver in DRIVERS[stock.name]:
        asyncio.run(read(driver))


def test_a_consumer_that_waits_can_be_cancelled(stock: Protected) -> None:
    async def follow() -> None:
        with Consumer(stock.database, "index") as consumer:
            async for _ in consumer.async_batches(wait=0.01):
                pass

    async def cancelled() -> None:
        task = asyncio.ensure_future(follow())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    with Consumer(stock.database, "index"):
        pass
