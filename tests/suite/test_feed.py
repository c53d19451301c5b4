"""The change feed: what is committed comes once, in its order, and a consumer goes on where it was done."""

from __future__ import annotations

import asyncio
import pathlib
import random
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from holdfast.consumer import Consumer
from holdfast.database import Database, execute
from holdfast.dialects.feed import Position
from holdfast.errors import InvalidCursorError, LockedError, RequestError, UnsupportedError
from holdfast.feed import changes_after, cursor_at, disable_wake_up, enable_wake_up, feed_state
from holdfast.feed_cursor import decode, encode, position_of
from holdfast.following import Follower
from holdfast.journal import Change
from holdfast.policies import Audit
from tests.harness import Protected
from tests.servers import Server, dump_and_restore, libpq_url, pg_dump_schema


def told(changes: list[Change]) -> list[tuple[Any, ...]]:
    return [(each.table, each.key, each.operation, each.before, each.after) for each in changes]


def everything(source: Database, cursor: str | None = None, **options: Any) -> list[Change]:
    found = []
    while True:
        batch = changes_after(source, cursor, **options)
        found += batch.changes
        cursor = batch.cursor
        if not batch.more:
            return found


@pytest.fixture
def stock(database: str) -> Protected:
    return prepared(database)


@pytest.fixture
def elsewhere(postgresql: Server) -> Iterator[str]:
    with postgresql.new_database() as url:
        yield url


def prepared(url: str) -> Protected:
    stock = Protected(url)
    stock.run(
        "create table item (id integer primary key, n integer, note text)",
        "create table place (shelf integer, slot text, item integer, primary key (shelf, slot))",
    )
    stock.protect({"item": [Audit()], "place": [Audit()]})
    return stock


def history(stock: Protected) -> None:
    """Runs of inserted keys, several changes of one row, keys of two columns, keys that come again."""
    stock.run("insert into item values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 4, 'd')")
    stock.run("insert into item values (7, 7, 'e')")
    stock.write("insert into place values (1, 'x', 3), (2, 'y', 7)", actor="ada")
    stock.write("update item set n = n + 1 where id < 3", "delete from item where id = 3")
    stock.write("insert into item values (3, 33, 'again'), (5, 5, null), (6, 6, null)", "update item set note = 'z'")
    stock.run("delete from place")


@contextmanager
def transaction(url: str, *statements: str) -> Iterator[psycopg.Connection]:
    """Left open; rolled back unless the test commits."""
    with psycopg.connect(libpq_url(url)) as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection
        connection.rollback()


def test_the_feed_is_the_journal_from_the_oldest_on(stock: Protected) -> None:
    history(stock)
    changes = everything(stock.database)
    assert told(changes) == told(stock.log())
    assert [(each.key, each.after) for each in changes[:2]] == [
        (1, {"id": 1, "n": 1, "note": "a"}),
        (2, {"id": 2, "n": 2, "note": "b"}),
    ]
    assert {each.actor for each in changes if each.table == "place" and each.operation == "insert"} == {"ada"}


def test_any_split_into_pages_is_the_same_sequence(stock: Protected) -> None:
    history(stock)
    whole = everything(stock.database)
    chance = random.Random(5)
    for _ in range(4):
        seen, cursors = [], []
        with Follower(stock.database, cursor_at(stock.database, "beginning")) as follower:
            while True:
                follower.limit = chance.choice((1, 1, 2, 3, 5, 8, 100))
                batch = follower.read()
                assert len(batch.changes) <= follower.limit
                if not batch.changes:
                    break
                seen += batch.changes
                cursors += batch.cursors()
        assert seen == whole
        # Each change has its cursor: what comes after it is the rest.
        place = chance.randrange(len(whole))
        assert everything(stock.database, cursors[place]) == whole[place + 1 :]


def test_a_batch_that_is_too_large_to_sort_is_the_same_sequence(
    postgresql_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = prepared(postgresql_database)
    history(stock)
    whole = everything(stock.database)
    begun = cursor_at(stock.database, "now")
    # Numbers that nobody has, as a large transaction leaves them that was rolled back.
    stock.run("select setval('holdfast.change_id', 5000)", "update item set n = 0")
    stock.run("delete from item")
    later = everything(stock.database, begun)
    assert len(later) == 14
    monkeypatch.setattr("holdfast.feed_page._AT_ONCE", 2)
    for limit in (3, 100):
        assert everything(stock.database, limit=limit) == whole + later
        assert everything(stock.database, begun, limit=limit) == later


def test_some_tables_alone(stock: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    history(stock)
    places = [each for each in everything(stock.database) if each.table == "place"]
    monkeypatch.setattr("holdfast.feed_page._LOOK", 3)
    for limit in (1, 2, 100):
        assert everything(stock.database, tables=["place"], limit=limit) == places
    stock.run("alter table place rename to shelf")
    assert len(everything(stock.database, tables=["shelf"])) == len(places)
    with pytest.raises(UnsupportedError, match="HF409"):
        changes_after(stock.database, tables=["nothing"])


def test_what_runs_long_delays_itself_alone(postgresql_database: str) -> None:
    stock = prepared(postgresql_database)
    cursor = cursor_at(stock.database, "now")
    with transaction(postgresql_database, "insert into item values (1, 1, 'slow')") as slow:
        stock.run("insert into item values (2, 2, 'fast')")
        batch = changes_after(stock.database, cursor)
        assert [each.key for each in batch.changes] == [2]
        assert changes_after(stock.database, batch.cursor).changes == []
        stock.run("insert into item values (3, 3, 'fast')")
        slow.execute("insert into item values (4, 4, 'slow')")
        slow.commit()
        # Both, once each, though one of them was written before what came first.
        batch = changes_after(stock.database, batch.cursor)
        assert [each.key for each in batch.changes] == [1, 3, 4]
    assert changes_after(stock.database, batch.cursor).changes == []


def test_a_row_changes_in_the_order_in_which_it_changed(postgresql_database: str) -> None:
    """The transaction that began to write first is the last to write this row."""
    stock = prepared(postgresql_database)
    stock.run("insert into item values (1, 0, null)")
    cursor = cursor_at(stock.database, "now")
    with (
        transaction(postgresql_database, "insert into item values (10, 0, 'first')") as first,
        transaction(postgresql_database, "insert into item values (11, 0, 'second')") as second,
        transaction(postgresql_database, "update item set n = 1 where id = 1") as third,
    ):
        third.commit()
        first.execute("update item set n = 2 where id = 1")
        first.commit()
        batch = changes_after(stock.database, cursor, limit=2)
        # That the second one still runs, which began between the two, changes nothing.
        assert [(each.key, each.after) for each in batch.changes] == [
            (10, {"id": 10, "n": 0, "note": "first"}),
            (1, {"n": 1}),
        ]
        second.commit()
    rest = everything(stock.database, batch.cursor)
    assert [(each.key, (each.after or {}).get("n")) for each in rest] == [(1, 2), (11, 0)]


def test_what_is_rolled_back_never_comes(postgresql_database: str) -> None:
    stock = prepared(postgresql_database)
    with transaction(postgresql_database, "insert into item values (1, 1, null)"):
        early = changes_after(stock.database)
    with transaction(postgresql_database, "insert into item values (2, 2, null)", "savepoint s") as partly:
        partly.execute("insert into item values (3, 3, null)")
        partly.execute("rollback to s")
        partly.execute("savepoint t")
        partly.execute("insert into item values (4, 4, null)")
        partly.commit()
    assert early.changes == []
    assert [each.key for each in everything(stock.database, early.cursor)] == [2, 4]


def test_the_readers_own_transaction_is_not_committed(postgresql_database: str) -> None:
    stock = prepared(postgresql_database)
    with stock.connect() as connection:
        execute(connection, "insert into item values (1, 1, null)")
        batch = changes_after(connection)
        assert batch.changes == []
        connection.commit()
        assert [each.key for each in changes_after(connection, batch.cursor).changes] == [1]


def test_an_inserted_row_has_the_values_that_it_was_given(stock: Protected) -> None:
    stock.run("insert into item values (1, 1, 'a'), (2, 2, 'b')")
    stock.run("update item set n = 10 where id = 1", "delete from item where id = 2")
    for source in ("database", "connection"):
        with stock.connect() as connection:
            batch = changes_after(stock.database if source == "database" else connection, limit=2)
        assert [each.after for each in batch.changes] == [
            {"id": 1, "n": 1, "note": "a"},
            {"id": 2, "n": 2, "note": "b"},
        ]


def test_where_to_begin(stock: Protected) -> None:
    stock.run("insert into item values (1, 1, null)")
    now = cursor_at(stock.database, "now")
    middle = datetime.now(UTC)
    assert changes_after(stock.database, now).changes == []
    stock.run("insert into item values (2, 2, null)")
    assert [each.key for each in everything(stock.database, now)] == [2]
    assert [each.key for each in everything(stock.database, cursor_at(stock.database, "beginning"))] == [1, 2]
    ago = middle - timedelta(hours=1)
    assert [each.key for each in everything(stock.database, cursor_at(stock.database, ago))] == [1, 2]
    after = cursor_at(stock.database, middle + timedelta(hours=1))
    stock.run("insert into item values (3, 3, null)")
    assert [each.key for each in everything(stock.database, after)] == [3]


def test_lag_is_there_while_there_is_more(stock: Protected) -> None:
    history(stock)
    batch = changes_after(stock.database, limit=2)
    assert batch.more
    assert timedelta(0) <= batch.lag < timedelta(hours=1)
    batch = changes_after(stock.database)
    assert (batch.more, batch.lag) == (False, timedelta(0))


def test_a_cursor_that_was_changed_is_refused(stock: Protected) -> None:
    history(stock)
    cursor = changes_after(stock.database, limit=3).cursor
    changed = [
        cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :] for place in range(0, 60, 7)
    ]
    for wrong in (*changed, cursor[:-5], cursor + "AAAA", "", "!", "é", "null"):
        with pytest.raises(InvalidCursorError, match="HF430"):
            changes_after(stock.database, wrong)


def test_a_cursor_that_somebody_made_up_is_refused(stock: Protected) -> None:
    """It may come from a client, and its parts go into SQL."""
    history(stock)
    cursor = changes_after(stock.database, limit=3).cursor
    with stock.connect() as connection:
        identity = feed_state(connection, stock.database.dialect).origins[-1].identity
    sly: Any = "0) or true --"
    for part in (field.name for field in fields(Position)):
        with pytest.raises(InvalidCursorError, match="HF430"):
            changes_after(stock.database, encode(replace(position_of(cursor), **{part: sly}), identity))


def test_a_cursor_of_another_file_is_refused(sqlite_database: str, tmp_path: pathlib.Path) -> None:
    stock, other = prepared(sqlite_database), prepared(f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(InvalidCursorError, match="another database"):
        changes_after(stock.database, cursor_at(other.database, "now"))


def test_a_cursor_of_another_database_is_refused(postgresql_database: str, elsewhere: str) -> None:
    stock = prepared(postgresql_database)
    Protected(elsewhere).run("create table before_the_journal (id integer)")
    other = prepared(elsewhere)
    with pytest.raises(InvalidCursorError, match="another database"):
        changes_after(stock.database, cursor_at(other.database, "now"))


def test_a_cursor_from_before_the_database_was_set_back(stock: Protected) -> None:
    history(stock)
    cursor = cursor_at(stock.database, "now")
    with stock.connect() as connection:
        identity = feed_state(connection, stock.database.dialect).origins[-1].identity
    ahead = replace(position_of(cursor), done="900000:900000:", transaction=900_000)
    with pytest.raises(InvalidCursorError, match="set back"):
        changes_after(stock.database, encode(ahead, identity))


# ---------------------------------------------------------------------- dump and restore


def test_a_restored_copy_goes_on_where_the_original_was(postgresql_database: str, elsewhere: str) -> None:
    stock = prepared(postgresql_database)
    history(stock)
    whole = told(everything(stock.database))
    first, last = changes_after(stock.database, limit=5), changes_after(stock.database)
    dump_and_restore(postgresql_database, elsewhere)
    copy = Protected(elsewhere)
    # What is written before anybody reads is not lost either.
    copy.run("savepoint s", "insert into item values (100, 1, null)")
    with copy.connect() as connection, pytest.raises(UnsupportedError, match="HF433"):
        changes_after(connection)

    for cursor, read in ((first.cursor, 5), (last.cursor, len(whole))):
        rest = everything(copy.database, cursor, limit=4)
        assert told(rest)[:-1] == whole[read:]
        assert rest[-1].key == 100
    # As if the other cluster had counted far ahead of this one.
    brought = "at < (select max(c.at) from holdfast.change as c)"
    for table in ("transaction", "change"):
        copy.run(f"update holdfast.{table} set xid = (xid::text::bigint + 1000000)::text::xid8 where {brought}")
    with transaction(elsewhere, "insert into item values (101, 1, null)") as slow:
        copy.run("insert into item values (102, 1, null)")
        changes = everything(copy.database, limit=4)
        slow.commit()
    assert told(changes)[:-2] == whole
    assert [each.key for each in changes[-2:]] == [100, 102]
    with Consumer(copy.database, "index") as consumer:
        assert len([each for batch in consumer.batches() for each in batch.changes]) == len(whole) + 3
    assert copy.drift() == []


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
    stock = prepared(postgresql_database)
    with Consumer(stock.database, "index"):
        with pytest.raises(LockedError, match="HF431"):
            Consumer(stock.database, "index").__enter__()
        with Consumer(stock.database, "another"):
            pass
    with Consumer(stock.database, "index"):
        pass


def test_who_comes_later_takes_over_on_sqlite(sqlite_database: str) -> None:
    stock = prepared(sqlite_database)
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
    stock = prepared(postgresql_database)
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
        enable_wake_up(prepared(sqlite_database).database)


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


# ---------------------------------------------------------------------- what it costs


def buffers(stock: Protected, cursor: str, limit: int) -> int:
    """What a page reads, before the values are spelt."""
    dialect = stock.database.dialect
    with stock.database.snapshot() as connection:
        state = feed_state(connection, dialect, first=True)
        after = dialect.feed.opened(decode(cursor, dialect, state), state.snapshot, state.following)
        origin = state.origins[-1]
        if dialect.feed.is_empty(after):
            return 0
        size = dialect.feed.size(after, origin, 20_001)
        assert size is not None
        total = 0
        for query in (size, dialect.feed.page(after, origin, None, limit, limit, None)):
            plan = "\n".join(
                row[0] for row in execute(connection, f"explain (analyze, buffers, costs off, timing off) {query.sql}")
            )
            # The first one is of all of the plan; there is none where nothing is read.
            read = re.search(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?", plan.partition("Planning:")[0])
            total += sum(int(each or 0) for each in read.groups()) if read else 0
    return total


def summarise(stock: Protected) -> None:
    """As autovacuum does every minute."""
    stock.run(
        "select brin_summarize_new_values(i.indexrelid) from pg_index as i join pg_class as c on c.oid = i.indexrelid"
        " where c.relname like 'change%_at_id_idx' and c.relkind = 'i'"
    )


def quiet_cursor(stock: Protected) -> str:
    """The end, at a moment at which nothing is running on the server, autovacuum included."""
    while True:
        cursor = cursor_at(stock.database, "now")
        [(next_, _)] = position_of(cursor).marks
        if position_of(cursor).done == f"{next_}:{next_}:":
            return cursor


def test_what_a_page_reads_does_not_grow_with_the_journal(postgresql_database: str) -> None:
    stock = prepared(postgresql_database)
    stock.run("insert into item select g, 0, null from generate_series(1, 2500) as g")
    for _ in range(20):
        stock.run("update item set n = n + 1")
    [(pages,)] = stock.rows(
        "select sum(pg_relation_size(c.oid)) / 8192 from pg_class as c where relname ~ '^change_20'"
    )
    assert pages > 600
    summarise(stock)
    stock.run("analyze holdfast.change")
    cursor = quiet_cursor(stock)
    assert buffers(stock, cursor, 1_000) < pages / 3
    with transaction(postgresql_database, "insert into place values (1, 'x', 0)") as long:
        for _ in range(3):
            stock.run("update item set n = 0 where id = 1")
            assert buffers(stock, cursor, 1_000) < pages / 3
            cursor = changes_after(stock.database, cursor).cursor
        long.commit()
    # It is looked for from where it began.
    assert buffers(stock, cursor, 1_000) < pages / 3
    assert [each.table for each in changes_after(stock.database, cursor).changes] == ["place"]


def test_nothing_is_lost_whoever_writes_first_and_ends_last(
    postgresql_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transactions that begin to write, write on and end in any order, between pages that are read in any way."""
    stock = prepared(postgresql_database)
    chance = random.Random(3)
    monkeypatch.setattr("holdfast.feed_page._AT_ONCE", 5)
    url = libpq_url(postgresql_database)
    seen, cursor, key = [], cursor_at(stock.database, "now"), 0
    with ExitStack() as exits:
        writers = [exits.enter_context(psycopg.connect(url)) for _ in range(6)]
        reader = exits.enter_context(stock.connect())
        for _ in range(300):
            writer = chance.choice(writers)
            match chance.choice(("write", "write", "write", "commit", "commit", "rollback", "read", "read")):
                case "write":
                    for _ in range(chance.choice((1, 1, 4))):
                        key += 1
                        writer.execute("insert into item values (%s, 0, null)", (2 * key,))
                case "commit":
                    writer.commit()
                case "rollback":
                    writer.rollback()
                case "read":
                    batch = changes_after(chance.choice((stock.database, reader)), cursor, limit=chance.randint(1, 9))
                    seen += [each.key for each in batch.changes]
                    cursor = batch.cursor
                    if chance.random() < 0.5:
                        reader.rollback()
        for writer in writers:
            writer.commit()
    seen += [each.key for each in everything(stock.database, cursor)]
    assert sorted(seen) == [row[0] for row in stock.rows("select id from item order by id")]
    assert len(seen) > 100
